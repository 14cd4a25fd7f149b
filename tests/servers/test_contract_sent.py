"""The contract with hvac's own adapter, continued: what is sent.

That every name of a secret is asked for byte for byte as hvac does is held by `test_parallel.py`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import hvac
import pytest
import requests

from tests.servers.clients import CLIENTS, TOKEN, Client, Hvac, One, alike, each
from tests.servers.raw import Last, RawServer
from tests.servers.test_parallel import reply, secret
from vsync_sm.core.errors import Fault, FaultKind
from vsync_sm.servers.vault import Vault

pytestmark = pytest.mark.usefixtures("nothing_around")

GOOD = reply(200, secret())
HEALTH = {
    f"{code}_code": 200
    for code in ("standby", "performance_standby", "dr_secondary", "sealed", "uninit")
}


def soon() -> float:
    return 60.0


# Why vsync differs, wherever it does.

KEEPS_THE_SLASH = """hvac drops a path's last slash. Vault lists the same folder by both, and the
slash says that it is one."""
SENDS_NO_OLD_TOKEN = (
    "A login needs no token, and an old one of whom it is no more has no business here."
)
ASKS_A_NODE = "The health is the node's, not a namespace's: OpenBao 2.7.2 answers 400 to one."


@dataclass(frozen=True)
class Asked:
    """One question, as it is put to hvac and to vsync.

    `apart`: what differs, hvac's and vsync's; a header by its name, None where it is not sent.
    """

    case: str
    hvac: Callable[[hvac.Client], object]
    vsync: Callable[[Vault], object]
    apart: dict[str, tuple[object, object]] = field(default_factory=dict)
    why: str = ""


NO_TOKEN: dict[str, tuple[object, object]] = {"x-vault-token": (TOKEN, None)}
WHERE = "team/a"


def listed(path: str) -> dict[str, tuple[object, object]]:
    line = f"LIST /v1/kv/metadata{path} HTTP/1.1"
    return {"": (line, line.replace(" HTTP", "/ HTTP")), "content-length": ("0", None)}


ASKED = [
    Asked(
        "a secret",
        lambda client: client.secrets.kv.v2.read_secret_metadata("a b/c", "kv"),
        lambda vault: vault.read_metadata("kv/", "a b/c", soon),
    ),
    Asked(
        "a mount's root",
        lambda client: client.secrets.kv.v2.list_secrets("", "kv"),
        lambda vault: vault.list_names("kv/", "", soon),
        listed(""),
        KEEPS_THE_SLASH,
    ),
    Asked(
        "a folder",
        lambda client: client.secrets.kv.v2.list_secrets("a b/ü/", "kv"),
        lambda vault: vault.list_names("kv/", "a b/ü/", soon),
        listed("/a%20b/%C3%BC"),
        KEEPS_THE_SLASH,
    ),
    Asked(
        "what a token may do",
        lambda client: client.sys.get_capabilities(["kv/metadata/ü", "kv/metadata/"]),
        lambda vault: vault.capabilities(["kv/metadata/ü", "kv/metadata/"], soon),
    ),
    Asked(
        "a token's life",
        lambda client: client.auth.token.lookup_self(),
        lambda vault: vault.look_up(soon),
    ),
    Asked(
        "a longer life",
        lambda client: client.auth.token.renew_self(),
        lambda vault: vault.renew(soon),
    ),
    Asked(
        "an end",
        lambda client: client.auth.token.revoke_self(),
        lambda vault: vault.revoke(soon),
    ),
    Asked(
        "a login with AppRole",
        lambda client: client.auth.approle.login("role", "secret", mount_point="my"),
        lambda vault: vault.log_in_approle("my", "role", "secret", soon),
        NO_TOKEN,
        SENDS_NO_OLD_TOKEN,
    ),
    Asked(
        "a login with AppRole alone",
        lambda client: client.auth.approle.login("role"),
        lambda vault: vault.log_in_approle("approle", "role", "", soon),
        NO_TOKEN,
        SENDS_NO_OLD_TOKEN,
    ),
    Asked(
        "a login with Kubernetes",
        lambda client: client.auth.kubernetes.login("role", "jwt"),
        lambda vault: vault.log_in_kubernetes("kubernetes", "role", "jwt", soon),
        NO_TOKEN,
        SENDS_NO_OLD_TOKEN,
    ),
    Asked(
        "a login with a JWT",
        lambda client: client.auth.jwt.jwt_login("role", "jwt"),
        lambda vault: vault.log_in_jwt("jwt", "role", "jwt", soon),
        NO_TOKEN,
        SENDS_NO_OLD_TOKEN,
    ),
    Asked(
        "a node's health",
        lambda client: client.sys.read_health_status(method="GET", **HEALTH),
        lambda vault: vault.health(soon),
        {"x-vault-namespace": (WHERE, None)},
        ASKS_A_NODE,
    ),
]


@pytest.mark.parametrize("row", ASKED, ids=lambda row: row.case)
def test_what_is_asked(row: Asked) -> None:
    with RawServer(GOOD) as server:
        yardstick = hvac.Client(url=server.address, token=TOKEN, namespace=WHERE)
        with suppress(KeyError):  # a login that gives no token
            row.hvac(yardstick)
        yardstick.adapter.close()
        with suppress(Fault):  # no answer to this
            row.vsync(Vault(address=server.address, token=TOKEN, namespace=WHERE))
    theirs, ours = map(told, server.heard)
    apart = {
        name: (theirs.get(name), ours.get(name))
        for name in theirs | ours
        if theirs.get(name) != ours.get(name)
    }
    assert apart == row.apart
    assert bool(row.apart) is bool(row.why)


def told(request: bytes) -> dict[str, object]:
    """A request's first line as "", its headers by name, in lower case, and its body as "body".

    Apart from what names the client, and what only says how the two of them talk.
    """
    head, _, body = request.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    fields = (line.partition(": ") for line in lines)
    headers: dict[str, object] = {name.lower(): value for name, _, value in fields}
    assert str(headers.pop("user-agent")).startswith(("python-requests/", "vsync-sm/"))
    assert headers.pop("accept-encoding", "gzip, deflate") == "gzip, deflate"  # hvac's
    assert headers.pop("connection", "keep-alive") == "keep-alive"  # hvac's, and HTTP/1.1's anyway
    if body:
        assert headers.pop("content-length") == str(len(body))
        return {"": first, **headers, "body": json.loads(body)}
    return {"": first, **headers}


def test_a_read_is_sent_alike_one_by_one_and_many_at_a_time() -> None:
    with RawServer(GOOD) as server:
        assert each(server.address) == alike("found")
    theirs, one, many = map(told, server.heard)
    assert theirs == one == many


def test_a_write_is_sent_once_by_either() -> None:
    with RawServer(GOOD, Last(b""), GOOD) as server, Hvac(server.address) as yardstick:
        assert yardstick.read() == "found"
        with pytest.raises(requests.ConnectionError):
            yardstick.client.adapter.delete("/v1/cubbyhole/vsync")
        assert len(server.heard) == 2
    with RawServer(GOOD, Last(b""), GOOD) as server, One(server.address) as one:
        assert one.read() == "found"
        with pytest.raises(Fault) as caught:
            one.vault.catch_up(soon)
        assert caught.value.kind is FaultKind.UNREACHABLE
        assert len(server.heard) == 2


def test_a_name_and_a_password_in_the_address() -> None:
    with RawServer(GOOD) as server:
        assert each(server.address.replace("//", "//us:p%40ss@")) == alike("found")
        assert [b"\r\nAuthorization: Basic dXM6cEBzcw==\r\n" in told for told in server.heard] == [
            True
        ] * len(CLIENTS)


def who_sends(server: RawServer, header: bytes, *, reads: int = 1) -> set[str]:
    """The clients in whose last of so many reads a header is."""
    found = set()
    for name, client in CLIENTS.items():
        one: Client
        with client(server.address) as one:
            for _ in range(reads):
                assert one.read() == "found"
        if b"\r\n%s: " % header in server.heard[-1]:
            found.add(name)
    return found


def test_a_netrc_is_requests_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What vsync sends stands in its configuration, not in a file for other programs."""
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login us password pass\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with RawServer(GOOD) as server:
        assert who_sends(server, b"Authorization") == {"hvac"}


def test_a_cookie_is_kept_by_hvac_alone() -> None:
    """Of one reply, vsync sends nothing with the next request but the state that Vault tells."""
    with RawServer(reply(200, secret(), "Set-Cookie: route=1; Path=/")) as server:
        assert who_sends(server, b"Cookie", reads=2) == {"hvac"}
