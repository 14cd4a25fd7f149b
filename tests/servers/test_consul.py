"""The Consul adapter against a real Consul, and against what stands before one."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.misbehave import Misbehave
from tests.servers.raw import RawServer
from tests.support import ConsulKv
from vsync_sm.core.errors import Fault, FaultKind
from vsync_sm.core.save import Check, Delete, KeyValue, Operation, Set
from vsync_sm.local import ConsulServer
from vsync_sm.servers.consul import Consul, transaction_body

# Consul's limits, unless configured: a transaction's body and a value, in bytes.
LIMIT = 512 * 1024

INDEX = {"X-Consul-Index": "7"}


def soon() -> float:
    return 10.0


@pytest.fixture
def kv(consul: ConsulServer) -> Consul:
    return Consul(address=consul.address)


@pytest.fixture
def proxy(consul: ConsulServer) -> Iterator[Misbehave]:
    with Misbehave(consul.address) as running:
        yield running


@pytest.fixture
def behind(proxy: Misbehave) -> Consul:
    """A Consul behind the proxy."""
    return Consul(address=proxy.address)


def fault_of(call: Callable[[], object]) -> Fault:
    with pytest.raises(Fault) as caught:
        call()
    return caught.value


def every_call(consul: Consul, prefix: str = "p/", limit: Any = soon) -> list[Callable[[], object]]:
    """Each method once."""
    return [
        lambda: consul.read_tree(prefix, limit),
        lambda: consul.read(f"{prefix}x", limit),
        lambda: consul.list_keys(prefix, limit),
        lambda: consul.put(f"{prefix}x", b"1", limit),
        lambda: consul.delete(f"{prefix}x", limit),
        lambda: consul.transact([Check(f"{prefix}x", 0)], limit),
    ]


def test_keys_are_written_read_listed_and_deleted(kv: Consul, sync_path: str) -> None:
    assert kv.read_tree(sync_path, soon) == []
    assert kv.list_keys(sync_path, soon) == []
    assert kv.read(f"{sync_path}x", soon) is None
    values = {f"{sync_path}{key}": bytes(range(256)) for key in ("0", "1", "origin/2")}
    values[f"{sync_path}empty"] = b""
    for key, value in values.items():
        assert kv.put(key, value, soon)
    tree = kv.read_tree(sync_path, soon)
    assert {pair.key: pair.value for pair in tree} == values
    assert len({pair.modify_index for pair in tree}) == len(values)
    assert sorted(kv.list_keys(sync_path, soon)) == sorted(values)
    assert [kv.read(pair.key, soon) for pair in tree] == tree
    assert all(kv.delete(key, soon) for key in values)
    assert kv.read_tree(sync_path, soon) == []
    assert kv.delete(f"{sync_path}x", soon)  # absent already: done


@pytest.mark.parametrize("name", ["two words", "what?", "#1", "100%2Fof it", "ключ-🔑", "a+b&c=d"])
def test_awkward_keys(kv: Consul, consul_kv: ConsulKv, sync_path: str, name: str) -> None:
    key = f"{sync_path}{name}"
    assert kv.put(key, b"1", soon)
    assert consul_kv.tree(sync_path) == {key: b"1"}
    found = kv.read(key, soon)
    assert found == KeyValue(key, b"1", consul_kv.modify_index(key))
    assert kv.transact([Check(key, found.modify_index), Set(key, b"2", found.modify_index)], soon)
    assert consul_kv.get(key) == b"2"


@pytest.mark.parametrize("key", ["", "/", "/x", "a//b", "a/./b", "a/../b", "..", "a/.."])
def test_a_key_that_a_url_cannot_name_is_refused(
    proxy: Misbehave, behind: Consul, key: str
) -> None:
    for call in (
        lambda: behind.read(key, soon),
        lambda: behind.read_tree(key, soon),
        lambda: behind.list_keys(key, soon),
        lambda: behind.put(key, b"", soon),
        lambda: behind.delete(key, soon),
        lambda: behind.transact([Set(key, b"", 0)], soon),
    ):
        with pytest.raises(ValueError, match="not a key"):
            call()
    assert proxy.requests == []


def test_check_and_set(kv: Consul, consul_kv: ConsulKv, sync_path: str) -> None:
    key = f"{sync_path}x"
    assert kv.put(key, b"1", soon, cas=0)
    assert not kv.put(key, b"2", soon, cas=0)
    index = consul_kv.modify_index(key)
    assert not kv.put(key, b"2", soon, cas=index + 1)
    assert consul_kv.get(key) == b"1"
    assert kv.put(key, b"2", soon, cas=index)
    assert not kv.delete(key, soon, cas=index)
    assert consul_kv.get(key) == b"2"
    assert kv.delete(key, soon, cas=consul_kv.modify_index(key))
    assert consul_kv.get(key) is None
    with pytest.raises(ValueError, match="ModifyIndex"):
        kv.delete(key, soon, cas=0)


def test_a_transaction_is_all_or_nothing(kv: Consul, consul_kv: ConsulKv, sync_path: str) -> None:
    index, old, new = (f"{sync_path}{name}" for name in ("index", "old", "new"))
    assert kv.transact([Check(index, 0), Set(old, b"o", 0), Set(index, b"i", 0)], soon)
    at, of_old = consul_kv.modify_index(index), consul_kv.modify_index(old)
    before = consul_kv.tree(sync_path)
    refused: list[list[Operation]] = [
        [Check(index, 0), Set(new, b"n", 0)],
        [Check(index, at + 1), Set(new, b"n", 0)],
        [Check(new, 5), Set(new, b"n", 0)],
        [Check(index, at), Set(old, b"n", 0)],
        [Check(index, at), Set(new, b"n", 0), Set(old, b"n", of_old + 1)],
        [Check(index, at), Set(new, b"n", 0), Delete(old, of_old + 1)],
    ]
    for operations in refused:
        assert kv.transact(operations, soon) is False
    assert consul_kv.tree(sync_path) == before
    assert kv.transact(
        [Check(index, at), Check(new, 0), Set(new, b"", 0), Delete(old, of_old)], soon
    )
    assert consul_kv.tree(sync_path) == {index: b"i", new: b""}
    assert kv.transact([Delete(new, consul_kv.modify_index(new))], soon)
    assert kv.transact([Check(new, 0)], soon)


def test_the_body_of_a_transaction() -> None:
    body = transaction_body([Check("i", 3), Check("j", 0), Set("k", b"\xff", 0), Delete("l", 4)])
    assert json.loads(body) == [
        {"KV": {"Verb": "check-index", "Key": "i", "Index": 3}},
        {"KV": {"Verb": "check-not-exists", "Key": "j"}},
        {"KV": {"Verb": "cas", "Key": "k", "Value": "/w==", "Index": 0}},
        {"KV": {"Verb": "delete-cas", "Key": "l", "Index": 4}},
    ]
    with pytest.raises(ValueError, match="ModifyIndex"):
        transaction_body([Delete("l", 0)])
    with pytest.raises(ValueError, match="without operations"):
        transaction_body([])


def test_what_is_measured_is_what_is_sent() -> None:
    operations: list[Operation] = [Check("i", 0), Set("ключ", b"x" * 1000, 0)]
    reply = b'{"Results":[{"KV":{"Key":"\xd0\xba\xd0\xbb\xd1\x8e\xd1\x87"}}],"Errors":null}'
    said = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(reply), reply)
    with RawServer(said) as server:
        assert Consul(address=server.address).transact(operations, soon)
    assert server.heard[0].partition(b"\r\n\r\n")[2] == transaction_body(operations)


def test_consuls_limits_are_measured_on_the_body(kv: Consul, sync_path: str) -> None:
    def of_size(size: int) -> list[Operation]:
        plain = len(transaction_body([Set(f"{sync_path}x", b"", 0)]))
        room = size - plain
        operation = Set(f"{sync_path}x", b"x" * (room // 4 * 3), 0)
        return [operation]

    fits, above = of_size(LIMIT), of_size(LIMIT + 8)
    assert len(transaction_body(fits)) <= LIMIT < len(transaction_body(above))
    assert kv.transact(fits, soon)
    fault = fault_of(lambda: kv.transact(above, soon))
    assert fault.kind is FaultKind.TOO_LARGE
    assert "numBuckets" in fault.hint
    assert kv.put(f"{sync_path}y", b"x" * LIMIT, soon)
    fault = fault_of(lambda: kv.put(f"{sync_path}y", b"x" * (LIMIT + 1), soon))
    assert fault.kind is FaultKind.TOO_LARGE


def test_the_number_of_operations_has_a_limit(kv: Consul, sync_path: str) -> None:
    checks = [Check(f"{sync_path}{n}", 0) for n in range(65)]
    assert kv.transact(checks[:64], soon)
    assert fault_of(lambda: kv.transact(checks, soon)).kind is FaultKind.TOO_LARGE


def test_the_datacenter_goes_with_every_call(proxy: Misbehave, sync_path: str) -> None:
    here = Consul(address=proxy.address, dc="dc1")
    for call in every_call(here, sync_path):
        call()
    assert len(proxy.requests) == 8  # each empty answer is asked for twice
    assert all("dc=dc1" in path.partition("?")[2].split("&") for _, path in proxy.requests)
    for call in every_call(Consul(address=proxy.address, dc="mars"), sync_path):
        fault = fault_of(call)
        assert fault.kind is FaultKind.SERVER_ERROR
        assert "origin.consul.dc" in fault.hint


def test_every_read_is_consistent(proxy: Misbehave, behind: Consul, sync_path: str) -> None:
    behind.read_tree(sync_path, soon)
    behind.read(f"{sync_path}x", soon)
    behind.list_keys(sync_path, soon)
    assert len(proxy.requests) == 5
    assert all("consistent=1" in path.partition("?")[2].split("&") for _, path in proxy.requests)


@pytest.mark.parametrize(
    "address", ["127.0.0.1:{port}", "http://127.0.0.1:{port}", "http://localhost:{port}/"]
)
def test_addresses(consul: ConsulServer, address: str, sync_path: str) -> None:
    port = consul.address.rpartition(":")[2]
    assert Consul(address=address.format(port=port)).read_tree(sync_path, soon) == []


def test_nothing_of_the_environment_has_a_say(
    consul_acl: ConsulServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "CONSUL_HTTP_ADDR": "not:an:address:at:all",
        "CONSUL_HTTP_TOKEN": "wrong",
        "CONSUL_HTTP_SSL": "true",
        "CONSUL_HTTP_SSL_VERIFY": "false",
    }.items():
        monkeypatch.setenv(name, value)
    assert Consul(address=consul_acl.address, token=consul_acl.token).put("env/x", b"1", soon)
    monkeypatch.setenv("CONSUL_HTTP_TOKEN", consul_acl.token)
    bare = Consul(address=consul_acl.address)
    fault = fault_of(lambda: bare.read("env/x", soon))
    assert fault.kind is FaultKind.CONSUL_FORBIDDEN


@pytest.mark.parametrize("token", [None, "wrong"])
def test_a_token_that_may_do_nothing(consul_acl: ConsulServer, token: str | None) -> None:
    root = Consul(address=consul_acl.address, token=consul_acl.token)
    assert root.put("vsync/origin/x", b"1", soon)
    for call in every_call(Consul(address=consul_acl.address, token=token), "vsync/origin/"):
        fault = fault_of(call)
        assert fault.kind is FaultKind.CONSUL_FORBIDDEN
        assert 'key_prefix "vsync/origin/" { policy = "write" }' in fault.hint
        assert "wrong" not in f"{fault.message} {fault.hint} {dict(fault.context)}"


def test_a_token_that_may_not_write(consul_acl: ConsulServer) -> None:
    token = ConsulKv(consul_acl).make_token('key_prefix "ro/" { policy = "read" }')
    reader = Consul(address=consul_acl.address, token=token)
    assert reader.read_tree("ro/", soon) == []
    for call in (
        lambda: reader.put("ro/x", b"", soon),
        lambda: reader.put("ro/x", b"", soon, cas=0),
        lambda: reader.delete("ro/x", soon),
        lambda: reader.transact([Check("ro/x", 0), Set("ro/x", b"", 0)], soon),
    ):
        fault = fault_of(call)
        assert fault.kind is FaultKind.CONSUL_FORBIDDEN
        assert token not in f"{fault.message} {fault.hint} {dict(fault.context)}"


def test_the_policy_of_the_hint_is_enough(consul_acl: ConsulServer) -> None:
    token = ConsulKv(consul_acl).make_token('key_prefix "enough/" { policy = "write" }')
    for call in every_call(Consul(address=consul_acl.address, token=token), "enough/"):
        call()


def test_keys_left_out_of_an_answer_are_a_fault(proxy: Misbehave, behind: Consul) -> None:
    pair = {"Key": "p/x", "Value": None, "ModifyIndex": 5}
    headers = {**INDEX, "X-Consul-Results-Filtered-By-ACLs": "true"}
    proxy.when().answer(200, [pair], headers)
    fault = fault_of(lambda: behind.read_tree("p/", soon))
    assert fault.kind is FaultKind.CONSUL_FORBIDDEN


REFUSALS: list[tuple[int, object, FaultKind, str]] = [
    (400, b"Client sent an HTTP request to an HTTPS server.", FaultKind.BAD_REQUEST, "TLS"),
    (401, b"ACL support disabled", FaultKind.NOT_CONSUL, ""),
    (403, b"rpc error making call: Permission denied", FaultKind.CONSUL_FORBIDDEN, "key_prefix"),
    (403, b"<html>Permission denied</html>", FaultKind.NOT_CONSUL, "proxy"),
    (403, {"errors": ["permission denied"]}, FaultKind.NOT_CONSUL, "proxy"),
    (405, b"method not allowed", FaultKind.NOT_CONSUL, ""),
    (413, b"Request body too large", FaultKind.TOO_LARGE, "numBuckets"),
    (429, b"", FaultKind.RATE_LIMITED, ""),
    (500, b"No cluster leader", FaultKind.SERVER_ERROR, "leader"),
    (500, b"rpc error: No path to datacenter", FaultKind.SERVER_ERROR, "origin.consul.dc"),
    (502, b"<html>Bad Gateway</html>", FaultKind.SERVER_ERROR, ""),
    (503, b"", FaultKind.SERVER_ERROR, ""),
    (301, b"", FaultKind.REDIRECTED, ""),
    (404, b"404 page not found", FaultKind.NOT_CONSUL, ""),
    (204, b"", FaultKind.NOT_CONSUL, ""),
    (200, b"", FaultKind.NOT_CONSUL, ""),
    (200, b"<html>Sign in</html>", FaultKind.NOT_CONSUL, ""),
    (200, b"null", FaultKind.NOT_CONSUL, ""),
    (200, [], FaultKind.NOT_CONSUL, ""),
    (200, {}, FaultKind.NOT_CONSUL, ""),
    (200, b"1", FaultKind.NOT_CONSUL, ""),
    (200, b"[" * 100_000, FaultKind.NOT_CONSUL, ""),
]


@pytest.mark.parametrize(("status", "body", "kind", "hint"), REFUSALS)
def test_whatever_is_not_consuls_is_a_fault(
    *, proxy: Misbehave, behind: Consul, status: int, body: Any, kind: FaultKind, hint: str
) -> None:
    proxy.when().answer(status, body, INDEX)
    for call in every_call(behind):
        fault = fault_of(call)
        assert fault.kind is kind
        assert hint in fault.hint
        assert fault.context["server"] == "Consul"
        assert fault.context["status"] == str(status)
    assert len(proxy.requests) == 6


PAIR: dict[str, Any] = {"Key": "p/x", "Value": base64.b64encode(b"v").decode(), "ModifyIndex": 5}


@pytest.mark.parametrize(
    "change",
    [
        {"Key": None},
        {"Key": "other/x"},
        {"Value": 1},
        {"Value": "no base64!"},
        {"Value": "YQ"},
        {"Value": "ключ"},
        {"ModifyIndex": 0},
        {"ModifyIndex": "5"},
        {"ModifyIndex": None},
        {"ModifyIndex": True},
    ],
)
def test_pairs_of_the_wrong_shape(proxy: Misbehave, behind: Consul, change: dict[str, Any]) -> None:
    rule = proxy.when().answer(200, [PAIR], INDEX)
    assert behind.read_tree("p/", soon) == [KeyValue("p/x", b"v", 5)]
    assert behind.read("p/x", soon) == KeyValue("p/x", b"v", 5)
    rule.remove()
    proxy.when().answer(200, [PAIR | change], INDEX)
    for call in (lambda: behind.read_tree("p/", soon), lambda: behind.read("p/x", soon)):
        assert fault_of(call).kind is FaultKind.NOT_CONSUL


@pytest.mark.parametrize("field", sorted(PAIR))
def test_pairs_that_leave_something_out(proxy: Misbehave, behind: Consul, field: str) -> None:
    proxy.when().answer(200, [{k: v for k, v in PAIR.items() if k != field}], INDEX)
    assert fault_of(lambda: behind.read_tree("p/", soon)).kind is FaultKind.NOT_CONSUL


@pytest.mark.parametrize("pairs", [[PAIR, PAIR], [PAIR | {"Key": "p/x2"}]])
def test_one_key_means_that_key(
    proxy: Misbehave, behind: Consul, pairs: list[dict[str, Any]]
) -> None:
    proxy.when().answer(200, pairs, INDEX)
    assert fault_of(lambda: behind.read("p/x", soon)).kind is FaultKind.NOT_CONSUL


@pytest.mark.parametrize("keys", [["other/x"], [1], "p/x"])
def test_lists_of_the_wrong_shape(proxy: Misbehave, behind: Consul, keys: Any) -> None:
    proxy.when().answer(200, keys, INDEX)
    assert fault_of(lambda: behind.list_keys("p/", soon)).kind is FaultKind.NOT_CONSUL


def test_an_empty_404_of_something_else_is_not_an_empty_tree(
    proxy: Misbehave, behind: Consul
) -> None:
    proxy.when().answer(404, b"")
    for call in every_call(behind):
        assert fault_of(call).kind is FaultKind.NOT_CONSUL


def results(*keys: str, errors: object = None) -> dict[str, object]:
    return {"Results": [{"KV": {"Key": key}} for key in keys], "Errors": errors}


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, results(), FaultKind.NOT_CONSUL),
        (200, results("p/other"), FaultKind.NOT_CONSUL),
        (200, results("p/x", errors=[{"OpIndex": 0, "What": "odd"}]), FaultKind.NOT_CONSUL),
        (200, {"Results": None, "Errors": None}, FaultKind.NOT_CONSUL),
        (200, {"Results": [{"KV": {"Key": "p/x"}}]}, FaultKind.NOT_CONSUL),
        (200, {"Errors": None}, FaultKind.NOT_CONSUL),
        (200, b"true", FaultKind.NOT_CONSUL),
        (409, b"conflict", FaultKind.NOT_CONSUL),
        (409, {"Results": None, "Errors": None}, FaultKind.NOT_CONSUL),
        (409, {"Results": None, "Errors": []}, FaultKind.NOT_CONSUL),
        (409, results(errors=[{"What": "unknown KV verb"}]), FaultKind.BAD_REQUEST),
        (
            409,
            results(errors=[{"What": 'key "a" exists'}, {"What": "Permission denied"}]),
            FaultKind.CONSUL_FORBIDDEN,
        ),
    ],
)
def test_only_a_refused_check_is_false(
    proxy: Misbehave, behind: Consul, status: int, body: Any, kind: FaultKind
) -> None:
    operations: list[Operation] = [Check("p/index", 0), Set("p/x", b"", 0)]
    rule = proxy.when().answer(200, results("p/x"))
    assert behind.transact(operations, soon)
    rule.remove()
    rule = proxy.when().answer(409, results(errors=[{"OpIndex": 0, "What": 'key "a" exists'}]))
    assert behind.transact(operations, soon) is False
    rule.remove()
    proxy.when().answer(status, body)
    assert fault_of(lambda: behind.transact(operations, soon)).kind is kind


def test_a_409_of_a_plain_write_is_no_answer_of_consuls(proxy: Misbehave, behind: Consul) -> None:
    proxy.when().answer(409, b"true")
    assert fault_of(lambda: behind.put("p/x", b"", soon, cas=0)).kind is FaultKind.NOT_CONSUL


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [({"Retry-After": "2"}, 2.0), ({"Retry-After": "0"}, None), ({}, None)],
)
def test_rate_limits(
    proxy: Misbehave, behind: Consul, headers: dict[str, str], seconds: float | None
) -> None:
    proxy.when().answer(429, b"", headers)
    fault = fault_of(lambda: behind.read_tree("p/", soon))
    assert (fault.kind, fault.retry_after) == (FaultKind.RATE_LIMITED, seconds)


def test_the_limit_reaches_every_method(proxy: Misbehave, behind: Consul) -> None:
    proxy.when().hang()
    for call in every_call(behind, limit=lambda: 0.05):
        assert fault_of(call).kind is FaultKind.TIMEOUT


@pytest.mark.parametrize("part", ["head", "body"])
def test_a_drip_is_a_timeout(proxy: Misbehave, behind: Consul, sync_path: str, part: str) -> None:
    behind.put(f"{sync_path}x", b"1", soon)
    proxy.when(method="GET").drip(0.05, part)
    fault = fault_of(lambda: behind.read_tree(sync_path, lambda: 0.4))
    assert fault.kind is FaultKind.TIMEOUT


@pytest.mark.parametrize("way", ["put", "delete", "transact"])
def test_a_write_whose_reply_is_lost_is_sent_once(
    proxy: Misbehave, behind: Consul, consul_kv: ConsulKv, sync_path: str, way: str
) -> None:
    key = f"{sync_path}x"
    consul_kv.put(key, b"1")
    before = behind.read(key, soon)  # and the connection is kept
    assert before is not None
    at = before.modify_index
    rule = proxy.when(path="/v1/(kv|txn)").lose_reply()
    fault = fault_of(
        {
            "put": lambda: behind.put(key, b"2", soon, cas=at),
            "delete": lambda: behind.delete(key, soon, cas=at),
            "transact": lambda: behind.transact([Set(key, b"2", at)], soon),
        }[way]
    )
    assert (fault.kind, fault.retry) == (FaultKind.UNREACHABLE, True)
    assert rule.hits == 1
    assert consul_kv.get(key) == (None if way == "delete" else b"2")


def test_a_stopped_server_is_unreachable(own_consul: Callable[..., ConsulServer]) -> None:
    server = own_consul()
    consul = Consul(address=server.address)
    assert consul.read("x", soon) is None
    server.stop()
    for call in every_call(consul):
        assert fault_of(call).kind is FaultKind.UNREACHABLE


def test_a_frozen_server_is_a_timeout_and_applies_the_write_late(
    consul: ConsulServer, kv: Consul, consul_kv: ConsulKv, sync_path: str
) -> None:
    consul.freeze()
    fault = fault_of(lambda: kv.put(f"{sync_path}x", b"1", lambda: 1.0, cas=0))
    assert fault.kind is FaultKind.TIMEOUT
    consul.thaw()
    for _ in range(2000):  # a late write may be a moment late: each question is a round of Consul's
        if consul_kv.get(f"{sync_path}x") is not None:
            break
    assert not kv.put(f"{sync_path}x", b"2", soon, cas=0)


def test_an_address_that_is_none() -> None:
    fault = fault_of(lambda: Consul(address="unix:///run/consul"))
    assert fault.kind is FaultKind.CONFIGURATION
