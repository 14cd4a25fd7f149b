"""The proxy in front of a real Consul: it passes on faithfully, and misbehaves as told."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import urlsplit

import pytest

from tests.misbehave import Misbehave, Rule
from tests.servers.raw import RawServer
from tests.support import ConsulKv
from vsync_sm.local import ConsulServer


@pytest.fixture
def proxy(consul: ConsulServer) -> Iterator[Misbehave]:
    with Misbehave(consul.address) as running:
        yield running


@pytest.fixture
def link(proxy: Misbehave) -> Iterator[http.client.HTTPConnection]:
    """One kept connection to the proxy."""
    connection = http.client.HTTPConnection(urlsplit(proxy.address).netloc, timeout=20)
    yield connection
    connection.close()


def ask(
    link: http.client.HTTPConnection, method: str, path: str, body: bytes | None = None
) -> tuple[int, bytes]:
    link.request(method, path, body)
    with link.getresponse() as reply:
        return reply.status, reply.read()


def test_it_passes_on_what_it_is_not_told_to_spoil(
    proxy: Misbehave, link: http.client.HTTPConnection, sync_path: str, consul_kv: ConsulKv
) -> None:
    value = bytes(range(256))
    link.connect()
    first = link.sock
    assert ask(link, "PUT", f"/v1/kv/{sync_path}a%20b", value) == (200, b"true\n")
    assert consul_kv.get(f"{sync_path}a b") == value
    assert ask(link, "GET", f"/v1/kv/{sync_path}a%20b?raw") == (200, value)
    assert ask(link, "HEAD", f"/v1/kv/{sync_path}a%20b?raw") == (405, b"")
    assert ask(link, "GET", f"/v1/kv/{sync_path}none") == (404, b"")
    assert link.sock is first  # kept alive all along
    assert proxy.requests == [
        ("PUT", f"/v1/kv/{sync_path}a%20b"),
        ("GET", f"/v1/kv/{sync_path}a%20b?raw"),
        ("HEAD", f"/v1/kv/{sync_path}a%20b?raw"),
        ("GET", f"/v1/kv/{sync_path}none"),
    ]


def test_the_request_is_passed_on_byte_for_byte() -> None:
    with RawServer() as server, Misbehave(server.address) as proxy:
        link = http.client.HTTPConnection(urlsplit(proxy.address).netloc, timeout=20)
        link.request("LIST", "/v1/a/..%2f?x=%20", headers={"X-Vault-Token": "t", "Host": "other"})
        link.getresponse().close()
        link.close()
    head = server.heard[0].split(b"\r\n")
    assert head[0] == b"LIST /v1/a/..%2f?x=%20 HTTP/1.1"
    assert {b"Host: other", b"X-Vault-Token: t"} <= set(head)


def test_a_rule_picks_by_method_path_and_count(
    proxy: Misbehave, link: http.client.HTTPConnection
) -> None:
    rule = proxy.when(method="GET", path=r"/v1/kv/p.*\?x", after=1, times=2).answer(418)
    told = [ask(link, "GET", f"/v1/kv/p{i}?x")[0] for i in range(4)]
    assert told == [404, 418, 418, 404]
    assert ask(link, "DELETE", "/v1/kv/p?x")[0] == 200
    assert ask(link, "GET", "/v1/kv/other?x")[0] == 404
    assert rule.hits == 2


def test_the_last_rule_is_asked_first_until_it_is_removed(
    proxy: Misbehave, link: http.client.HTTPConnection
) -> None:
    first = proxy.when().answer(500)
    second = proxy.when(path="/v1/kv").answer(503)
    assert ask(link, "GET", "/v1/kv/x")[0] == 503
    second.remove()
    assert ask(link, "GET", "/v1/kv/x")[0] == 500
    first.remove()
    assert ask(link, "GET", "/v1/kv/x")[0] == 404
    assert (first.hits, second.hits) == (1, 1)


def test_answers(proxy: Misbehave, link: http.client.HTTPConnection) -> None:
    rule = proxy.when().answer(429, {"errors": ["slow"]}, {"Retry-After": "7"})
    link.request("GET", "/v1/kv/x")
    with link.getresponse() as reply:
        assert (reply.status, reply.read()) == (429, b'{"errors": ["slow"]}')
        assert reply.getheader("Retry-After") == "7"
        assert reply.getheader("Content-Type") == "application/json"
        assert reply.getheader("Date", "").endswith("GMT")
    rule.html()
    link.request("GET", "/v1/kv/x")
    with link.getresponse() as reply:
        assert reply.read().startswith(b"<!DOCTYPE html>")
        assert reply.getheader("Content-Type", "").startswith("text/html")


def test_altered_answers(proxy: Misbehave, link: http.client.HTTPConnection) -> None:
    proxy.when(path="/v1/status").alter(lambda answer: replace(answer, body=answer.body * 2))
    _, body = ask(link, "GET", "/v1/status/leader")
    assert body[: len(body) // 2] * 2 == body != b""
    proxy.when(path="/v1/status").without("DATE")
    link.request("GET", "/v1/status/leader")
    with link.getresponse() as reply:
        reply.read()
        assert reply.getheader("Date") is None
        assert reply.getheader("Content-Type") == "application/json"


@pytest.mark.parametrize("part", ["head", "body"])
def test_a_drip_is_whole_in_the_end(
    proxy: Misbehave, link: http.client.HTTPConnection, part: str
) -> None:
    whole = ask(link, "GET", "/v1/status/leader")
    proxy.when().drip(0.0001, part)
    assert ask(link, "GET", "/v1/status/leader") == whole


def test_dropped_before_or_after_the_server_did_it(
    proxy: Misbehave, link: http.client.HTTPConnection, sync_path: str, consul_kv: ConsulKv
) -> None:
    rule = proxy.when(method="PUT").drop_before()
    with pytest.raises(http.client.RemoteDisconnected):
        ask(link, "PUT", f"/v1/kv/{sync_path}x", b"1")
    assert consul_kv.get(f"{sync_path}x") is None
    rule.remove()
    proxy.when(method="PUT").lose_reply()
    with pytest.raises(http.client.RemoteDisconnected):
        ask(link, "PUT", f"/v1/kv/{sync_path}x", b"2")
    assert consul_kv.get(f"{sync_path}x") == b"2"


def in_background(link: http.client.HTTPConnection, path: str) -> threading.Thread:
    thread = threading.Thread(target=ask, args=(link, "PUT", path, b"late"))
    thread.start()
    return thread


@pytest.mark.parametrize("way", ["release", "remove", "event"])
def test_a_kept_request_arrives_late(
    proxy: Misbehave,
    link: http.client.HTTPConnection,
    sync_path: str,
    consul_kv: ConsulKv,
    way: str,
) -> None:
    event = threading.Event()
    rule = proxy.when(method="PUT")
    rule = rule.delay_until(event) if way == "event" else rule.hang()
    thread = in_background(link, f"/v1/kv/{sync_path}x")
    rule.wait_for_hit()
    assert consul_kv.get(f"{sync_path}x") is None
    {"release": rule.release, "remove": rule.remove, "event": event.set}[way]()
    thread.join()
    assert consul_kv.get(f"{sync_path}x") == b"late"


def test_a_call_comes_before_the_server(
    proxy: Misbehave, link: http.client.HTTPConnection, sync_path: str, consul_kv: ConsulKv
) -> None:
    consul_kv.put(f"{sync_path}x", b"1")
    proxy.when(method="GET").call(lambda: consul_kv.delete(f"{sync_path}x"))
    assert ask(link, "GET", f"/v1/kv/{sync_path}x")[0] == 404


def test_what_a_call_raises_reaches_the_test(consul: ConsulServer) -> None:
    def broken() -> None:
        raise ZeroDivisionError("mine")

    def use() -> None:
        with Misbehave(consul.address) as running:
            running.when().call(broken)
            link = http.client.HTTPConnection(urlsplit(running.address).netloc, timeout=20)
            with pytest.raises(http.client.RemoteDisconnected):
                ask(link, "GET", "/v1/kv/x")
            link.close()

    with pytest.raises(ZeroDivisionError, match="mine"):
        use()


def test_waiting_for_a_hit_that_does_not_come(proxy: Misbehave) -> None:
    rule = proxy.when(path="/never").answer()
    with pytest.raises(TimeoutError, match="/never"):
        rule.wait_for_hit(0.01)


def test_a_server_that_is_gone_closes_the_connection() -> None:
    with RawServer() as gone:
        address = gone.address
    with Misbehave(address) as proxy:
        link = http.client.HTTPConnection(urlsplit(proxy.address).netloc, timeout=20)
        with pytest.raises(http.client.RemoteDisconnected):
            ask(link, "GET", "/x")
        link.close()


def spoil(proxy: Misbehave, way: str) -> Rule:
    rule = proxy.when(path="/v1/agent/self")
    if way == "drip":
        return rule.drip(60.0)
    if way == "event":
        return rule.delay_until(threading.Event())
    return rule.hang()


@pytest.mark.parametrize("way", ["hang", "event", "drip", "idle", "frozen"])
def test_leaving_lets_go_of_everything(consul: ConsulServer, way: str) -> None:
    before = set(threading.enumerate())
    ended: list[type[Exception]] = []

    def stuck() -> None:
        link = http.client.HTTPConnection(urlsplit(running.address).netloc, timeout=20)
        try:
            ask(link, "GET", "/v1/agent/self")
        except (http.client.HTTPException, OSError) as error:
            ended.append(type(error))
        finally:
            link.close()

    idle = http.client.HTTPConnection("")
    with Misbehave(consul.address) as running:
        thread = threading.Thread(target=stuck)
        if way == "idle":
            idle = http.client.HTTPConnection(urlsplit(running.address).netloc, timeout=20)
            assert ask(idle, "GET", "/v1/status/leader")[0] == 200
        elif way == "frozen":
            consul.freeze()
            rule = running.when().call(lambda: None)
            thread.start()
            rule.wait_for_hit()
        else:
            rule = spoil(running, way)
            thread.start()
            rule.wait_for_hit()
    if thread.ident is not None:
        thread.join()
        assert len(ended) == 1
    idle.close()
    assert set(threading.enumerate()) == before
