"""Reads one by one and many at a time, and hvac's own client: one contract over real sockets."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hvac
import pytest
import trustme

from tests.misbehave import Misbehave
from tests.servers.raw import OK, RawServer
from tests.servers.test_vault import AWKWARD
from tests.support import VaultApi
from vsync_sm.core.errors import Fault, FaultKind
from vsync_sm.core.insight import VersionState
from vsync_sm.local import BaoServer
from vsync_sm.servers import handle
from vsync_sm.servers.http import Tls, Transport
from vsync_sm.servers.parallel import ParallelReads
from vsync_sm.servers.vault import Metadata, Vault

DATE = "Mon, 02 Nov 2026 09:00:00 GMT"
AT = "2026-11-02T08:00:00.5Z"


def soon() -> float:
    return 10.0


def reply(status: int, body: object, *more: str, date: str = DATE) -> bytes:
    """One of a server's, with these header lines too."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} Told", *more, f"Content-Length: {len(data)}"]
    lines += [f"Date: {date}"] if date else []
    return "\r\n".join([*lines, "", ""]).encode() + data


def secret(version: int = 1) -> dict[str, Any]:
    """What Vault says of a secret, as far as it matters."""
    versions = {str(version): {"deletion_time": "", "destroyed": False}}
    return {"data": {"current_version": version, "updated_time": AT, "versions": versions}}


GOOD = reply(200, secret())
FOUND = Metadata(VersionState(1, AT, "", destroyed=False), 1_793_610_000 * 10**9)


def all_of(vault: Vault, *paths: str, mount: str = "kv/") -> list[Metadata | Fault | None]:
    """What each path's read ends with, when all are under way at a time."""
    reads = vault.reads(len(paths))
    ends: dict[int, Metadata | Fault | None] = {}
    try:
        for number, path in enumerate(paths):
            reads.send(number, mount, path, soon)
        while len(reads):
            ends.update(reads.receive(1.0))
    finally:
        reads.close()
    return [ends[number] for number in range(len(paths))]


def one_after_another(server: RawServer, count: int) -> list[Metadata | Fault | None]:
    """What so many reads end with that share one place."""
    reads = Vault(address=server.address, token="t").reads(1)
    ends: list[Metadata | Fault | None] = []
    for _ in range(count):
        reads.send(None, "kv/", "x", soon)
        while len(reads):
            ends += [end for _, end in reads.receive(1.0)]
    reads.close()
    return ends


def by_itself(vault: Vault, path: str, mount: str = "kv/") -> Metadata | Fault | None:
    """The same of one path, read as anything else is asked."""
    try:
        return vault.read_metadata(mount, path, soon)
    except Fault as fault:
        return fault


def state_of(end: Metadata | Fault | None) -> VersionState | None:
    """What does not depend on when it was asked for."""
    assert not isinstance(end, Fault)
    return end.state if end else None


def told(end: Metadata | Fault | None) -> object:
    """All of an end, to be compared."""
    if not isinstance(end, Fault):
        return end
    return (end.kind, end.message, end.hint, dict(end.context), end.retry_after)


# --- what is asked -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ca_cert(authority: trustme.CA, tmp_path: Path) -> str:
    file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(file))
    return str(file)


@pytest.fixture(params=["plain", "tls"])
def server(request: pytest.FixtureRequest, authority: trustme.CA) -> Iterator[RawServer]:
    """Answers everything with the metadata of a secret."""
    context = None
    if request.param == "tls":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    with RawServer(GOOD, tls=context) as running:
        yield running


@pytest.mark.parametrize("mount", ["kv/", "two words/ü/"])
def test_every_name_is_asked_for_byte_for_byte_as_hvac_does(
    server: RawServer, ca_cert: str, mount: str
) -> None:
    address = f"{server.address}/behind"
    vault = Vault(address=address, token="t", tls=Tls(ca_cert=ca_cert))
    client = hvac.Client(url=address, token="t", verify=ca_cert)
    for path in AWKWARD:
        assert all_of(vault, path, mount=mount) == [FOUND]
        assert by_itself(vault, path, mount) == FOUND
        client.secrets.kv.v2.read_secret_metadata(path, mount.removesuffix("/"))
        asked = {heard.splitlines()[0] for heard in server.heard[-3:]}
        assert len(asked) == 1, asked
    assert len(server.heard) == 3 * len(AWKWARD)


def test_every_request_carries_what_any_other_does() -> None:
    index = "X-Vault-Index: v1:abc"
    with RawServer(reply(204, b"", index), GOOD) as server:
        vault = Vault(address=server.address, token="one", namespace="team/a")
        assert vault.catch_up(soon)
        vault.use_token("two")
        all_of(vault, "x")
        by_itself(vault, "x")
    many, one = ({*heard.split(b"\r\n")} for heard in server.heard[1:])
    assert many == one
    assert {b"X-Vault-Token: two", b"X-Vault-Namespace: team/a", index.encode()} < many


def test_a_token_that_changes_goes_with_the_next_request() -> None:
    with RawServer(GOOD) as server:
        vault = Vault(address=server.address, token="one")
        reads = vault.reads(1)
        for token in ("one", "two"):
            vault.use_token(token)
            reads.send(None, "kv/", "x", soon)
            while len(reads):
                reads.receive(1.0)
        reads.close()
    assert [b"X-Vault-Token: two" in heard for heard in server.heard] == [False, True]


@pytest.mark.parametrize(
    ("path", "token", "kind"),
    [
        ("a//b", "t", FaultKind.NOT_VAULT),
        ("../b", "t", FaultKind.NOT_VAULT),
        ("a", "t\nX: y", FaultKind.CONFIGURATION),
    ],
)
def test_what_cannot_be_asked_is_not_sent(path: str, token: str, kind: FaultKind) -> None:
    with RawServer(GOOD) as server:
        vault = Vault(address=server.address, token=token)
        reads = vault.reads(1)
        for _ in range(2):  # no place is used up by it
            with pytest.raises(Fault) as caught:
                reads.send(None, "kv/", path, soon)
            assert caught.value.kind is kind
            assert told(caught.value) == told(by_itself(vault, path))
        vault.use_token("t")
        reads.send(None, "kv/", "a", soon)
        assert len(reads) == 1
        reads.close()


def test_the_limit_is_asked_right_before_and_what_it_raises_stops_the_request() -> None:
    def over() -> float:
        raise Fault(FaultKind.DEADLINE, "nothing is left")

    with RawServer(GOOD) as server:
        reads = Vault(address=server.address, token="t").reads(1)
        with pytest.raises(Fault):
            reads.send(None, "kv/", "a", over)
        assert len(reads) == 0
        reads.close()
    assert server.heard == []


# --- what comes back ---------------------------------------------------------------------------

_CHUNKS = json.dumps(secret()).encode()

ENDS: dict[str, tuple[bytes, FaultKind | None]] = {
    "chunked": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nDate: %s\r\n\r\n5\r\n%s\r\n%x\r\n%s"
        b"\r\n0\r\n\r\n" % (DATE.encode(), _CHUNKS[:5], len(_CHUNKS) - 5, _CHUNKS[5:]),
        None,
    ),
    "trailers": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nDate: %s\r\n\r\n%x\r\n%s\r\n0\r\n"
        b"Date: Mon, 02 Nov 2026 10:00:00 GMT\r\nX-More: 1\r\n\r\n"
        % (DATE.encode(), len(_CHUNKS), _CHUNKS),
        None,
    ),
    "early hints": (b"HTTP/1.1 103 Early Hints\r\nX-Early: 1\r\n\r\n" + GOOD, None),
    "nothing there": (reply(404, {"errors": []}), None),
    "no date": (reply(200, secret(), date=""), FaultKind.NOT_VAULT),
    "two dates": (reply(200, secret(), f"Date: {DATE}"), FaultKind.NOT_VAULT),
    "a page": (reply(200, b"<html>Please sign in</html>"), FaultKind.NOT_VAULT),
    "another's 404": (reply(404, b"not found"), FaultKind.NOT_VAULT),
    "the mount is gone": (reply(404, {"errors": ["no handler"]}), FaultKind.MOUNT_CHANGED),
    "an empty object": (reply(200, {}), FaultKind.NOT_VAULT),
    "no current version": (
        reply(200, {"data": {**secret()["data"], "current_version": 2}}),
        FaultKind.NOT_VAULT,
    ),
    "no content": (reply(204, b""), FaultKind.NOT_VAULT),
    "forbidden": (reply(403, {"errors": ["permission denied"]}), FaultKind.FORBIDDEN),
    "a quota": (
        reply(429, {"errors": ["quota"]}, "Retry-After: 3"),
        FaultKind.RATE_LIMITED,
    ),
    "a redirect to the leader": (
        reply(307, b"", "Location: http://127.0.0.1:1/v1/kv/metadata/x"),
        FaultKind.REDIRECTED,
    ),
    "a standby": (reply(473, {"errors": []}), FaultKind.STANDBY),
    "sealed": (reply(503, {"errors": ["Vault is sealed"]}), FaultKind.SEALED),
    "an error": (reply(500, {"errors": ["a moment"]}), FaultKind.SERVER_ERROR),
    "closed": (b"", FaultKind.UNREACHABLE),
    "cut in its headers": (GOOD[:40], FaultKind.UNREACHABLE),
    "cut in its body": (GOOD[:-5], FaultKind.UNREACHABLE),
    "not HTTP": (b"SSH-2.0-OpenSSH_9.2\r\n" * 20, FaultKind.NOT_VAULT),
}


@pytest.mark.parametrize("end", ENDS)
def test_every_reply_means_the_same_one_by_one_and_many_at_a_time(end: str) -> None:
    said, kind = ENDS[end]
    with RawServer(said, closes=kind is FaultKind.UNREACHABLE) as server:
        vault = Vault(address=server.address, token="t")
        many = all_of(vault, "x", "x")
        one = by_itself(vault, "x")
    assert [told(each) for each in many] == [told(one)] * 2
    assert getattr(one, "kind", None) is kind
    if kind is None:
        assert one == (None if end == "nothing there" else FOUND)
    if kind is FaultKind.RATE_LIMITED:
        assert isinstance(one, Fault)
        assert one.retry_after == 3.0


def test_a_body_above_the_cap_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handle, "MAX_BODY", 4)
    with RawServer(GOOD) as server:
        vault = Vault(address=server.address, token="t")
        (many,) = all_of(vault, "x")
        assert told(many) == told(by_itself(vault, "x"))
    assert isinstance(many, Fault)
    assert many.kind is FaultKind.TOO_LARGE


def test_the_cap_is_each_bodys_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handle, "MAX_BODY", len(GOOD.partition(b"\r\n\r\n")[2]))
    with RawServer(GOOD) as server:
        assert one_after_another(server, 3) == [FOUND] * 3


def test_of_a_reply_cut_short_nothing_is_left_for_the_next() -> None:
    with RawServer(GOOD[:-5], GOOD, closes=True) as server:
        cut, whole = one_after_another(server, 2)
    assert isinstance(cut, Fault)
    assert whole == FOUND


def test_a_reply_tells_that_the_server_knows_its_state() -> None:
    with RawServer(GOOD, reply(200, secret(), "X-Vault-Index: v1:abc")) as server:
        vault = Vault(address=server.address, token="t")
        all_of(vault, "x")
        assert not vault.tells_its_state
        all_of(vault, "x")
        assert vault.tells_its_state


def test_each_reply_is_its_own_secrets(vault_api: VaultApi, mount: str) -> None:
    paths = [f"f-{number}/s {number}" for number in range(24)]
    for number, path in enumerate(paths):
        for _ in range(number % 4):
            vault_api.put(mount, path)
    vault = Vault(address=vault_api.address, token=vault_api.token)
    many = [state_of(end) for end in all_of(vault, *paths, mount=mount)]
    assert many == [state_of(by_itself(vault, path, mount)) for path in paths]
    versions = [state.current_version if state else 0 for state in many]
    assert versions == [number % 4 for number in range(24)]


# --- connections and time ----------------------------------------------------------------------


def test_connections_are_kept(server: RawServer, ca_cert: str) -> None:
    reads = Vault(address=server.address, tls=Tls(ca_cert=ca_cert)).reads(4)
    for _ in range(5):
        for number in range(4):
            reads.send(number, "kv/", "x", soon)
        while len(reads):
            assert all(end == FOUND for _, end in reads.receive(1.0))
    reads.close()
    assert len(server.heard) == 20
    assert server.connections <= 4


def test_a_kept_connection_that_the_server_closed_is_made_anew() -> None:
    with RawServer(GOOD, b"", GOOD) as server:
        assert one_after_another(server, 2) == [FOUND] * 2
        assert (server.connections, len(server.heard)) == (2, 3)


@pytest.mark.parametrize(
    "misbehave",
    [
        lambda rule: rule.hang(),
        lambda rule: rule.drip(0.05, "head"),
        lambda rule: rule.drip(0.05, "body"),
    ],
    ids=["hang", "drip the head", "drip the body"],
)
def test_a_limit_is_a_total(bao: BaoServer, misbehave: Callable[[Any], Any]) -> None:
    with Misbehave(bao.address) as proxy:
        misbehave(proxy.when())
        reads = Vault(address=proxy.address, token=bao.token).reads(1)
        reads.send(None, "kv/", "slow", lambda: 0.3)
        ends: list[Metadata | Fault | None] = []
        while len(reads):
            ends += [end for _, end in reads.receive(1.0)]
        reads.close()
    (fault,) = ends
    assert isinstance(fault, Fault)
    assert fault.kind is FaultKind.TIMEOUT


def test_a_read_that_hangs_holds_up_no_other(bao: BaoServer, mount: str) -> None:
    with Misbehave(bao.address) as proxy:
        proxy.when(path=".*/stuck$").hang()
        reads = Vault(address=proxy.address, token=bao.token).reads(2)
        reads.send("stuck", mount, "stuck", lambda: 3600.0)
        for _ in range(3):
            reads.send("other", mount, "other", soon)
            while len(reads) > 1:
                assert reads.receive(1.0) in ([], [("other", None)])
        reads.close()


def test_who_waits_for_nothing_does_not_wait() -> None:
    reads = Vault(address="http://127.0.0.1:1", token="t").reads(1)
    assert reads.receive(3600.0) == []
    reads.close()


def test_what_is_under_way_can_be_broken_off(bao: BaoServer) -> None:
    with Misbehave(bao.address) as proxy:
        rule = proxy.when().hang()
        reads = Vault(address=proxy.address, token=bao.token).reads(2)
        reads.send(None, "kv/", "x", lambda: 3600.0)
        while not rule.hits:
            assert reads.receive(0.1) == []
        reads.close()
        assert len(reads) == 0


# --- TLS and proxies ---------------------------------------------------------------------------


def test_tls_is_the_same_as_for_any_other_request(
    authority: trustme.CA, ca_cert: str, tmp_path: Path
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.verify_mode = ssl.CERT_REQUIRED
    authority.issue_cert("vault.internal").configure_cert(context)
    authority.configure_trust(context)
    ours = authority.issue_cert("vsync")
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    ours.cert_chain_pems[0].write_to_path(str(cert))
    ours.private_key_pem.write_to_path(str(key))
    right = Tls(
        ca_cert=ca_cert,
        client_cert=str(cert),
        client_key=str(key),
        server_name="vault.internal",
    )
    wrong = {
        "authority": Tls(client_cert=str(cert), client_key=str(key), server_name="vault.internal"),
        "name": Tls(ca_cert=ca_cert, client_cert=str(cert), client_key=str(key)),
        "client": Tls(ca_cert=ca_cert, server_name="vault.internal"),
    }
    with RawServer(GOOD, tls=context) as server:
        assert all_of(Vault(address=server.address, tls=right), "x", "y") == [FOUND] * 2
        heard = len(server.heard)
        host = server.address.removeprefix("https://").encode()
        assert all(b"\r\nHost: %s\r\n" % host in each for each in server.heard)
        for what, tls in wrong.items():
            vault = Vault(address=server.address, tls=tls)
            (many,) = all_of(vault, "x")
            one = by_itself(vault, "x")
            assert isinstance(many, Fault)
            assert isinstance(one, Fault)
            assert many.kind is one.kind, what
            kind = FaultKind.UNREACHABLE if what == "client" else FaultKind.CERTIFICATE
            assert many.kind is kind, what
        assert len(server.heard) == heard


def test_tls_that_is_not_verified(server: RawServer) -> None:
    assert all_of(Vault(address=server.address, tls=Tls(verify=False)), "x") == [FOUND]


def test_the_usual_proxy_variables_are_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    with RawServer(GOOD) as server:
        monkeypatch.setenv("http_proxy", server.address)
        assert all_of(Vault(address="http://vault.invalid:8200"), "x") == [FOUND]
        asked = b"GET http://vault.invalid:8200/v1/kv/metadata/x HTTP/1.1"
        assert server.heard[0].splitlines()[0] == asked


def test_a_name_that_has_to_be_looked_up(server: RawServer, ca_cert: str) -> None:
    vault = Vault(address=server.address_by_name, tls=Tls(ca_cert=ca_cert))
    assert all_of(vault, "x") == [FOUND]


def test_of_the_former_request_of_a_handle_nothing_is_left() -> None:
    reads: ParallelReads[str] = ParallelReads(Transport("Vault"), 1)
    with RawServer(OK) as server:
        for headers in ({"X-One": "1"}, {}):
            reads.send("x", f"{server.address}/x", headers=headers, limit=soon)
            while len(reads):
                for _, end in reads.receive(1.0):
                    assert not isinstance(end, Fault)
                    assert end.body == b"ok"
        reads.close()
    assert [b"X-One" in heard for heard in server.heard] == [True, False]
