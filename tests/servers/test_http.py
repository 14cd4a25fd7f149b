"""One request with a total limit: what goes over the wire, and what comes back when it fails."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from tests.misbehave import Misbehave
from tests.servers.raw import OK, RawServer
from vsync_sm.core.errors import Fault, FaultKind
from vsync_sm.local import ConsulServer
from vsync_sm.servers import handle, http
from vsync_sm.servers.http import Reply, Tls, Transport


def soon() -> float:
    return 10.0


def ask(url: str, method: str = "GET", *, body: bytes = b"", limit: http.Limit = soon) -> Reply:
    return Transport("Vault").request(method, url, headers={}, body=body, limit=limit)


def fault_of(url: str, *, method: str = "GET", limit: http.Limit = soon) -> Fault:
    with pytest.raises(Fault) as caught:
        ask(url, method, limit=limit)
    return caught.value


@pytest.mark.parametrize(
    "path",
    [
        "/v1/a/../b",
        "/v1/./a",
        "/v1//a",
        "/v1/a%2Fb%2E%2E/%C3%A9",
        "/v1/a+b~c:d@e!$&'()*,;=?q=a/../%20",
    ],
)
def test_the_path_is_sent_as_it_stands(path: str) -> None:
    with RawServer() as server:
        ask(server.address + path)
    assert server.heard[0].splitlines()[0] == f"GET {path} HTTP/1.1".encode()


def test_a_write_is_sent_whole_without_expect_and_without_a_type_of_libcurls() -> None:
    body = bytes(range(256)) * 8192  # 2 MiB: libcurl would ask first, by Expect
    with RawServer() as server:
        ask(f"{server.address}/x", "PUT", body=body)
        head, _, sent = server.heard[0].partition(b"\r\n\r\n")
    assert sent == body
    assert b"expect" not in head.lower()
    assert b"content-type" not in head.lower()


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE"])
def test_an_empty_write_has_a_length(method: str) -> None:
    with RawServer() as server:
        ask(f"{server.address}/x", method)
    assert server.heard[0].startswith(f"{method} /x HTTP/1.1\r\n".encode())
    assert b"\r\nContent-Length: 0\r\n" in server.heard[0]


def test_list_is_a_method_like_any_other() -> None:
    with RawServer() as server:
        ask(f"{server.address}/x", "LIST")
    assert server.heard[0].startswith(b"LIST /x HTTP/1.1\r\n")
    assert b"Content-Length" not in server.heard[0]


def test_head_waits_for_no_body() -> None:
    with RawServer(b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n") as server:
        reply = ask(f"{server.address}/x", "HEAD")
    assert (reply.status, reply.body) == (200, b"")


def test_the_reply_is_the_last_one_and_its_headers_are_lower_case() -> None:
    said = (
        b"HTTP/1.1 103 Early Hints\r\nX-Early: 1\r\n\r\n"
        b"HTTP/1.1 418 Teapot\r\nX-A: 1\r\nx-a:  2 \r\nContent-Length: 3\r\n\r\n\x00\xff\n"
    )
    with RawServer(said) as server:
        reply = ask(f"{server.address}/x")
    assert reply == Reply(418, {"x-a": "1, 2", "content-length": "3"}, b"\x00\xff\n")


def test_a_redirect_is_not_followed() -> None:
    moved = b"HTTP/1.1 307 Moved\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n"
    with RawServer(moved) as server:
        assert ask(f"{server.address}/x").status == 307
    assert len(server.heard) == 1


def test_headers_go_out_as_they_stand_and_of_the_former_request_nothing_is_left() -> None:
    transport = Transport("Vault")
    with RawServer() as server:
        url = f"{server.address}/x"
        one = {"X-Vault-Token": "s.naïve", "Content-Type": "application/json"}
        transport.request("PUT", url, headers=one, body=b"{}", limit=soon)
        transport.request("GET", url, headers={}, limit=soon)
    assert "X-Vault-Token: s.naïve\r\n".encode() in server.heard[0]
    assert b"Content-Type: application/json\r\n" in server.heard[0]
    assert server.heard[1].startswith(b"GET /x HTTP/1.1\r\n")
    assert b"Token" not in server.heard[1]
    assert b"Content-" not in server.heard[1]


@pytest.mark.parametrize("value", ["tok\n", "tok\r\nX-Evil: 1", "t\x00k", "t\x7fk"])
def test_a_header_that_would_split_the_request_is_never_sent(value: str) -> None:
    with RawServer() as server, pytest.raises(Fault) as caught:
        Transport("Vault").request(
            "GET", f"{server.address}/x", headers={"X-Vault-Token": value}, limit=soon
        )
    assert caught.value.kind is FaultKind.CONFIGURATION
    assert "X-Vault-Token" in caught.value.message
    assert "tok" not in caught.value.message.lower().replace("x-vault-token", "")
    assert server.heard == []


def test_the_limit_is_asked_once_a_request_and_what_it_raises_stops_the_request() -> None:
    asked: list[float] = []

    def last() -> float:
        if asked:
            raise Fault(FaultKind.DEADLINE, "nothing is left")
        asked.append(5.0)
        return 5.0

    with RawServer() as server:
        ask(f"{server.address}/x", limit=last)
        assert fault_of(f"{server.address}/x", limit=last).kind is FaultKind.DEADLINE
    assert len(server.heard) == 1


def test_bounded_hands_the_limit_through() -> None:
    def inner() -> float:
        return 1.0

    with http.bounded(soon):
        with http.bounded(inner):
            assert http.current_limit() is inner
        assert http.current_limit() is soon
    with pytest.raises(LookupError):
        http.current_limit()


@pytest.mark.parametrize("part", ["head", "body"])
def test_a_dripping_server_cannot_outlast_the_limit(consul: ConsulServer, part: str) -> None:
    with Misbehave(consul.address) as proxy:
        proxy.when().drip(0.05, part)
        fault = fault_of(f"{proxy.address}/v1/agent/self", limit=lambda: 0.4)
    assert fault.kind is FaultKind.TIMEOUT
    assert fault.retry


def test_a_server_that_never_answers_is_a_timeout(consul: ConsulServer) -> None:
    with Misbehave(consul.address) as proxy:
        proxy.when().hang()
        fault = fault_of(f"{proxy.address}/v1/a%20b?x=1", limit=lambda: 0.2)
        address = proxy.address
    assert fault.kind is FaultKind.TIMEOUT
    assert dict(fault.context) == {"server": "Vault", "address": address, "path": "/v1/a b"}


def test_a_limit_of_next_to_nothing_is_not_no_limit(consul: ConsulServer) -> None:
    with Misbehave(consul.address) as proxy:
        proxy.when().hang()
        assert fault_of(f"{proxy.address}/x", limit=lambda: 0.0).kind is FaultKind.TIMEOUT


def test_a_kept_connection_that_the_server_closed_is_made_anew_for_a_read() -> None:
    transport = Transport("Vault")
    with RawServer(OK, b"", OK) as server:
        for _ in range(2):
            assert transport.request("GET", f"{server.address}/x", headers={}, limit=soon).body
        assert (server.connections, len(server.heard)) == (2, 3)


def test_reads_share_a_connection() -> None:
    transport = Transport("Vault")
    with RawServer() as server:
        for _ in range(3):
            transport.request("LIST", f"{server.address}/x", headers={}, limit=soon)
        assert server.connections == 1


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE"])
def test_a_write_is_never_sent_twice(method: str) -> None:
    transport = Transport("Vault")
    with RawServer(OK, b"") as server:
        transport.request("GET", f"{server.address}/x", headers={}, limit=soon)
        with pytest.raises(Fault) as caught:
            transport.request(method, f"{server.address}/x", headers={}, body=b"1", limit=soon)
        assert caught.value.kind is FaultKind.UNREACHABLE
        assert len(server.heard) == 2


def test_every_thread_has_a_connection_of_its_own(consul: ConsulServer) -> None:
    transport = Transport("Vault")
    faults: list[FaultKind] = []

    def stuck() -> None:
        try:
            transport.request("GET", f"{proxy.address}/stuck", headers={}, limit=soon)
        except Fault as fault:
            faults.append(fault.kind)

    with Misbehave(consul.address) as proxy:
        rule = proxy.when(path="/stuck").hang()
        thread = threading.Thread(target=stuck)
        thread.start()
        rule.wait_for_hit()
        url = f"{proxy.address}/v1/status/leader"
        assert transport.request("GET", url, headers={}, limit=soon).status == 200
    thread.join()
    assert faults == [FaultKind.UNREACHABLE]  # cut when the proxy closed


def test_a_refused_connection_is_unreachable() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        fault = fault_of(f"http://user:pa55@127.0.0.1:{unused.getsockname()[1]}/x")
    assert fault.kind is FaultKind.UNREACHABLE
    assert fault.retry
    assert "running" in fault.hint
    assert "pa55" not in f"{fault.message} {fault.context}"


def test_a_name_that_does_not_resolve_is_unreachable() -> None:
    fault = fault_of(f"http://{'a' * 64}.invalid/x")  # too long a label: nobody is asked
    assert fault.kind is FaultKind.UNREACHABLE
    assert "name" in fault.hint


@pytest.mark.parametrize(
    "said", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", b"HTTP/1.1 200 OK\r\nX"]
)
def test_a_reply_cut_short_is_unreachable(said: bytes) -> None:
    with RawServer(said, closes=True) as server:
        assert fault_of(f"{server.address}/x").kind is FaultKind.UNREACHABLE


def test_what_does_not_speak_http_is_not_vault() -> None:
    with RawServer(b"SSH-2.0-OpenSSH_9.2\r\n" * 20) as server:
        assert fault_of(f"{server.address}/x").kind is FaultKind.NOT_VAULT
        with pytest.raises(Fault) as caught:
            Transport("Consul").request("GET", f"{server.address}/x", headers={}, limit=soon)
    assert caught.value.kind is FaultKind.NOT_CONSUL


def test_a_body_above_the_cap_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handle, "MAX_BODY", 4)
    with RawServer(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n12345") as server:
        assert fault_of(f"{server.address}/x").kind is FaultKind.TOO_LARGE


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/x", "file:///etc/hostname"])
def test_only_http_is_spoken(url: str) -> None:
    with pytest.raises(Fault):
        ask(url)


def test_the_usual_proxy_variables_are_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    with RawServer() as server:
        monkeypatch.setenv("http_proxy", server.address)
        ask("http://vault.invalid:8200/x")
        assert server.heard[0].startswith(b"GET http://vault.invalid:8200/x HTTP/1.1\r\n")
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        ask(f"{server.address}/y")
        assert server.heard[1].startswith(b"GET /y HTTP/1.1\r\n")


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def tls_server(authority: trustme.CA) -> Iterator[RawServer]:
    """Speaks TLS, with a certificate for `localhost` only."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    with RawServer(tls=context) as server:
        yield server


@pytest.fixture
def ca_cert(authority: trustme.CA, tmp_path: Path) -> str:
    file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(file))
    return str(file)


def test_tls_with_the_authority_named(tls_server: RawServer, ca_cert: str) -> None:
    transport = Transport("Vault", tls=Tls(ca_cert=ca_cert))
    url = f"{tls_server.address_by_name}/x"
    assert transport.request("GET", url, headers={}, limit=soon).body == b"ok"


def test_tls_with_an_unknown_authority_hints_at_the_setting(tls_server: RawServer) -> None:
    fault = fault_of(f"{tls_server.address_by_name}/x")
    assert fault.kind is FaultKind.CERTIFICATE
    assert "caCert" in fault.hint
    assert "VAULT_CACERT" in fault.hint
    assert tls_server.heard == []


def test_tls_with_a_certificate_for_another_host(tls_server: RawServer, ca_cert: str) -> None:
    with pytest.raises(Fault) as caught:
        Transport("Consul", tls=Tls(ca_cert=ca_cert)).request(
            "GET", f"{tls_server.address}/x", headers={}, limit=soon
        )
    assert caught.value.kind is FaultKind.CERTIFICATE
    assert "origin.consul.caCert" in caught.value.hint
    assert tls_server.heard == []


def asked_for(tls_server: RawServer, tls: Tls) -> bytes:
    return (
        Transport("Vault", tls=tls)
        .request("GET", f"{tls_server.address}/x?y=z", headers={}, limit=soon)
        .body
    )


def test_tls_with_a_server_name_of_its_own(authority: trustme.CA, ca_cert: str) -> None:
    context, names = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), []
    authority.issue_cert("vault.internal").configure_cert(context)
    context.sni_callback = lambda _socket, name, _context: names.append(name)
    with RawServer(tls=context) as server:
        tls = Tls(ca_cert=ca_cert, server_name="vault.internal")
        assert asked_for(server, tls) == b"ok"
        assert asked_for(server, tls) == b"ok"
        for wrong in ("", "vault.other"):
            with pytest.raises(Fault) as caught:
                asked_for(server, Tls(ca_cert=ca_cert, server_name=wrong))
            assert caught.value.kind is FaultKind.CERTIFICATE
            assert "origin.vault.tlsServerName" in caught.value.hint
            assert server.address in caught.value.message
    assert names == ["vault.internal", "vault.internal", None, "vault.other"]
    assert len(server.heard) == 2
    host = server.address.removeprefix("https://")
    for request in server.heard:
        assert request.startswith(b"GET /x?y=z HTTP/1.1\r\n")
        assert f"\r\nHost: {host}\r\n".encode() in request


def test_tls_that_is_not_verified(tls_server: RawServer) -> None:
    assert asked_for(tls_server, Tls(verify=False)) == b"ok"
    with pytest.raises(Fault):
        asked_for(tls_server, Tls())


def test_tls_with_a_clients_certificate(
    authority: trustme.CA, ca_cert: str, tmp_path: Path
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.verify_mode = ssl.CERT_REQUIRED
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.configure_trust(context)
    ours = authority.issue_cert("vsync")
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    ours.cert_chain_pems[0].write_to_path(str(cert))
    ours.private_key_pem.write_to_path(str(key))
    with RawServer(tls=context) as server:
        tls = Tls(ca_cert=ca_cert, client_cert=str(cert), client_key=str(key))
        assert asked_for(server, tls) == b"ok"
        with pytest.raises(Fault) as caught:
            asked_for(server, Tls(ca_cert=ca_cert))
    assert caught.value.kind is FaultKind.UNREACHABLE
    assert "origin.vault.clientCert" in caught.value.hint


def test_an_authority_file_that_is_not_there(tls_server: RawServer, tmp_path: Path) -> None:
    with pytest.raises(Fault) as caught:
        Transport("Vault", tls=Tls(ca_cert=str(tmp_path / "no.pem"))).request(
            "GET", f"{tls_server.address_by_name}/x", headers={}, limit=soon
        )
    assert caught.value.kind is FaultKind.CERTIFICATE
    assert "PEM" in caught.value.hint


def test_tls_to_a_plain_port_hints_at_the_scheme(consul: ConsulServer) -> None:
    fault = fault_of(f"{consul.address}/x".replace("http:", "https:"))
    assert fault.kind is FaultKind.UNREACHABLE
    assert "http://" in fault.hint


@pytest.mark.parametrize(
    ("address", "scheme", "base"),
    [
        ("http://127.0.0.1:8200", "", "http://127.0.0.1:8200"),
        ("https://vault.example/", "", "https://vault.example"),
        ("https://gate.example:1/vault/", "", "https://gate.example:1/vault"),
        ("http://[::1]:8200", "", "http://[::1]:8200"),
        ("127.0.0.1:8500", "http", "http://127.0.0.1:8500"),
        ("[::1]:8500", "http", "http://[::1]:8500"),
        ("consul", "http", "http://consul"),
        ("HTTPS://consul:1", "http", "https://consul:1"),
    ],
)
def test_addresses(address: str, scheme: str, base: str) -> None:
    assert http.base_url("Consul", address, scheme=scheme) == base


@pytest.mark.parametrize(
    "address",
    [
        "",
        "vault:8200",
        "http://",
        "unix:///run/v",
        "http://v:x",
        "http://v?q",
        "http://v#f",
        "a b:1",
    ],
)
def test_what_is_no_address(address: str) -> None:
    with pytest.raises(Fault) as caught:
        http.base_url("Vault", address)
    assert caught.value.kind is FaultKind.CONFIGURATION


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("3", 3.0),
        ("0.5", 0.5),
        ("0", None),
        ("0.0", None),
        ("-1", None),
        ("inf", None),
        ("nan", None),
        ("", None),
        ("Wed, 21 Oct 2026 07:28:00 GMT", None),
    ],
)
def test_retry_after(text: str, seconds: float | None) -> None:
    assert http.retry_after(Reply(429, {"retry-after": text}, b"")) == seconds
    assert http.retry_after(Reply(429, {}, b"")) is None


def test_excerpts_are_short_on_one_line_and_without_the_token() -> None:
    assert http.excerpt(b"a\r\n\t\x1b[31mb s.tok \xff", "s.tok") == "a [31mb [token] \ufffd"
    assert len(http.excerpt("x" * 10_000, None)) == 200


def test_where_a_redirect_leads_is_said_without_what_may_be_secret() -> None:
    away = Reply(307, {"location": "https://u:p@other:8200/v1/x?token=t"}, b"")
    assert http.redirected_to(away) == "https://other:8200"
    assert "same server" in http.redirected_to(Reply(307, {"location": "/v1/x?t=1"}, b""))
