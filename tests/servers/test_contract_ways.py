"""The contract with hvac's own adapter, continued: proxies, redirects, and what takes too long.

Where hvac goes another way than vsync, the test says so, and why.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass

import hvac
import pytest

from tests.servers.clients import CLIENTS, TOKEN, URL, Hvac, One, alike, each
from tests.servers.papers import HERE, Papers
from tests.servers.proxy import Proxy
from tests.servers.raw import Dripped, Never, RawServer
from tests.servers.test_parallel import reply, secret
from vsync_sm.core.errors import Fault, FaultKind
from vsync_sm.servers import handle
from vsync_sm.servers.http import Tls

pytestmark = pytest.mark.usefixtures("nothing_around")

GOOD = reply(200, secret())

# --- proxies ---------------------------------------------------------------------------------

AWAY = "vault.invalid:8200"
"""A server that only the proxy knows."""


@dataclass(frozen=True)
class Way:
    """What the environment says of proxies, and the way that a request takes.

    `{proxy}` stands for a proxy's host and port, `{port}` for the port of the server that it leads
    to. `through`: the proxy is asked, or the server itself.
    """

    case: str
    environment: dict[str, str]
    through: bool
    schemes: tuple[str, ...] = ("http", "https")
    address: str = "127.0.0.1:{port}"


P = "http://{proxy}"
BOTH = {"http_proxy": P, "https_proxy": P}

# fmt: off
WAYS = [
    Way("nothing", {}, through=False),
    Way("http_proxy", {"http_proxy": P}, through=True, schemes=("http",), address=AWAY),
    Way("https_proxy", {"https_proxy": P}, through=True, schemes=("https",), address=AWAY),
    Way("http_proxy alone", {"http_proxy": P}, through=False, schemes=("https",)),
    Way("https_proxy alone", {"https_proxy": P}, through=False, schemes=("http",)),
    Way("HTTP_PROXY", {"HTTP_PROXY": P}, through=True, schemes=("http",), address=AWAY),
    Way("HTTPS_PROXY", {"HTTPS_PROXY": P}, through=True, schemes=("https",), address=AWAY),
    Way("all_proxy", {"all_proxy": P}, through=True, address=AWAY),
    Way("ALL_PROXY", {"ALL_PROXY": P}, through=True, address=AWAY),
    Way("without a scheme", {"all_proxy": "{proxy}"}, through=True, address=AWAY),
    Way("both cases", {**BOTH, "HTTP_PROXY": "http://127.0.0.1:1", "HTTPS_PROXY": "http://127.0.0.1:1"},
        through=True, address=AWAY),
    Way("emptied", {"https_proxy": "", "HTTPS_PROXY": P}, through=False, schemes=("https",)),
    Way("no_proxy another", {**BOTH, "no_proxy": "vault.invalid,10.0.0.0/8"}, through=True),
    Way("no_proxy this one", {**BOTH, "no_proxy": "vault.invalid, 127.0.0.1"}, through=False),
    Way("NO_PROXY this one", {**BOTH, "NO_PROXY": "127.0.0.1"}, through=False),
    Way("no_proxy its network", {**BOTH, "no_proxy": "127.0.0.0/8"}, through=False),
    Way("no_proxy all", {**BOTH, "no_proxy": "*"}, through=False),
    Way("no_proxy its name", {**BOTH, "no_proxy": "localhost"}, through=False,
        address="localhost:{port}"),
    Way("no_proxy its domain", {**BOTH, "no_proxy": ".localhost"}, through=False,
        address="localhost:{port}"),
    Way("no_proxy its name and port", {**BOTH, "no_proxy": "localhost:{port}"}, through=False,
        address="localhost:{port}"),
    Way("no_proxy its name and another port", {**BOTH, "no_proxy": "localhost:1"}, through=True,
        address="localhost:{port}"),
]
# fmt: on


@pytest.mark.parametrize(
    ("row", "scheme"),
    [(row, scheme) for row in WAYS for scheme in row.schemes],
    ids=lambda part: part if isinstance(part, str) else part.case,
)
def test_a_proxy(
    row: Way, scheme: str, papers: Papers, trust: Tls, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = papers.server(*HERE, "vault.invalid") if scheme == "https" else None
    with RawServer(GOOD, tls=context) as server, Proxy(server.port) as proxy:
        port = server.port
        for name, value in row.environment.items():
            monkeypatch.setenv(name, value.format(proxy=f"127.0.0.1:{proxy.port}", port=port))
        host = row.address.format(port=port)
        assert each(f"{scheme}://{host}", trust) == alike("found")
        begins = f"CONNECT {host} " if scheme == "https" else f"GET http://{host}{URL} "
        assert [head.startswith(begins.encode()) for head in proxy.asked] == [True] * (
            len(CLIENTS) if row.through else 0
        )


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_wants_a_password(
    scheme: str, papers: Papers, trust: Tls, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = papers.server("vault.invalid") if scheme == "https" else None
    with RawServer(GOOD, tls=context) as server, Proxy(server.port) as proxy:
        monkeypatch.setenv("all_proxy", f"http://us%3Aer:p%40ss@127.0.0.1:{proxy.port}")
        assert each(f"{scheme}://{AWAY}", trust) == alike("found")
        for head in proxy.asked:
            assert b"\r\nproxy-authorization: basic dXM6ZXI6cEBzcw==" in head.replace(
                b"Proxy-Authorization: Basic", b"proxy-authorization: basic"
            )


@pytest.mark.parametrize(
    ("tunnel", "word"),
    [
        (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", "no answer"),
        (b"HTTP/1.1 407 Who Are You\r\nContent-Length: 0\r\n\r\n", "no answer"),
        (b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 4\r\n\r\nsad!", "no answer"),
        (b"", "no answer"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "not HTTP"),
    ],
    ids=["403", "407", "502", "closed", "not HTTP"],
)
def test_a_proxy_that_makes_no_tunnel(
    tunnel: bytes, word: str, trust: Tls, monkeypatch: pytest.MonkeyPatch
) -> None:
    with RawServer(GOOD) as server, Proxy(server.port, tunnel=tunnel) as proxy:
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{proxy.port}")
        assert each(f"https://{AWAY}", trust) == alike(word)
        assert len(proxy.asked) == len(CLIENTS)
    assert server.heard == []


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_is_not_there(
    scheme: str, trust: Tls, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        monkeypatch.setenv("all_proxy", f"http://127.0.0.1:{unused.getsockname()[1]}")
        assert each(f"{scheme}://{AWAY}", trust) == alike("no answer")


def test_the_certificate_behind_a_tunnel_is_looked_at(
    papers: Papers, trust: Tls, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        RawServer(GOOD, tls=papers.server("vault.internal")) as server,
        Proxy(server.port) as proxy,
    ):
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{proxy.port}")
        assert each(f"https://{AWAY}", trust) == alike("certificate refused")
        named = Tls(ca_cert=trust.ca_cert, server_name="vault.internal")
        assert each(f"https://{AWAY}", named) == alike("found", "certificate refused")
        assert all(head.startswith(f"CONNECT {AWAY} ".encode()) for head in proxy.asked)


@pytest.mark.parametrize(
    ("unless", "through"), [("127.0.0.1", False), ("vault.internal", True)], ids=["it", "its name"]
)
def test_no_proxy_is_about_the_address_and_not_the_name_in_the_certificate(
    unless: str, through: bool, papers: Papers, trust: Tls, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = papers.server("127.0.0.1", "vault.internal")  # for hvac the one, for vsync the other
    named = Tls(ca_cert=trust.ca_cert, server_name="vault.internal")
    with RawServer(GOOD, tls=context) as server, Proxy(server.port) as proxy:
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{proxy.port}")
        monkeypatch.setenv("no_proxy", unless)
        assert each(server.address, named) == alike("found")
        assert len(proxy.asked) == (len(CLIENTS) if through else 0)


# --- redirects -------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("to", ["another server", "another path"])
def test_a_redirect_is_followed_by_hvac_alone(code: int, to: str) -> None:
    """hvac goes wherever it is sent, and takes the token along. vsync says where it was sent, and
    asks nothing there: whoever answers for a Vault could send it to anybody.
    """
    with RawServer(GOOD) as leader:
        away = f"Location: {leader.address}{URL}" if to == "another server" else "Location: /v1/y"
        asked = {}
        for name, client in CLIENTS.items():
            with RawServer(reply(code, b"", away), GOOD) as server, client(server.address) as one:
                before = len(leader.heard)
                asked[name] = one.read(), [*server.heard, *leader.heard[before:]][1:]
    word, (again,) = asked.pop("hvac")
    assert word == "found"
    assert f"\r\nX-Vault-Token: {TOKEN}\r\n".encode() in again
    assert asked == {"one": ("elsewhere", []), "many": ("elsewhere", [])}


def test_a_redirected_list_is_a_read_in_hvac() -> None:
    """Another reason not to follow: what comes back would be some other question's answer."""
    nothing = reply(404, {"errors": []})
    with RawServer(reply(302, b"", "Location: /v1/kv/metadata"), nothing) as server:
        with Hvac(server.address) as yardstick, pytest.raises(hvac.exceptions.InvalidPath):
            yardstick.client.secrets.kv.v2.list_secrets("", "kv")
        assert [head.split(b" ")[0] for head in server.heard] == [b"LIST", b"GET"]
    with RawServer(reply(302, b"", "Location: /v1/kv/metadata"), nothing) as server:
        with pytest.raises(Fault) as caught:
            One(server.address).vault.list_names("kv/", "", lambda: 60.0)
        assert caught.value.kind is FaultKind.REDIRECTED
        assert len(server.heard) == 1


# --- time and size ---------------------------------------------------------------------------


def test_a_server_that_never_answers() -> None:
    with RawServer(Never()) as server:
        assert each(server.address, limit_s=0.2) == alike("timed out")


def test_a_server_that_never_says_hello(trust: Tls) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        assert each(f"https://127.0.0.1:{port}", trust, limit_s=0.2) == alike("timed out")


def test_nobody_there() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        assert each(f"http://127.0.0.1:{unused.getsockname()[1]}") == alike("no answer")


def test_a_server_that_drips() -> None:
    """requests starts its clock anew with each byte: such a server holds hvac as long as it likes.
    vsync's limit is a total (safety rule 8). Here a byte comes each tenth of a second, 22 times.
    """
    with RawServer(Dripped(GOOD)) as server:
        with Hvac(server.address, limit_s=2.0) as yardstick:
            assert yardstick.read() == "found"
        for client in ("one", "many"):
            with CLIENTS[client](server.address, limit_s=0.2) as ours:
                assert ours.read() == "timed out"


def test_a_body_that_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """hvac keeps whatever comes."""
    monkeypatch.setattr(handle, "MAX_BODY", 10)
    with RawServer(GOOD) as server:
        assert each(server.address) == alike("too large", "found")
