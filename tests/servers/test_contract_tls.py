"""The contract with hvac's own adapter, continued: whom a client believes, and who believes it.

As in `test_contract.py`, hvac's word stands in a row only where it is another one, with a reason.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.servers.clients import alike, each
from tests.servers.papers import HERE, Papers
from tests.servers.raw import Last, RawServer, Torn
from tests.servers.test_parallel import DATE, reply, secret
from vsync_sm.servers.http import Tls

pytestmark = pytest.mark.usefixtures("nothing_around")

GOOD = reply(200, secret())

LOOKS_BEHIND_A_NAME = (
    "hvac cannot be told which name the certificate of a server behind an address has."
)


@dataclass(frozen=True)
class Shake:
    """How a server proves itself, what a client is set up with, and what comes of it.

    `client`: fields of `Tls`; a value that is the name of one of `Papers`' files stands for it.
    """

    case: str
    client: dict[str, Any]
    vsync: str
    hvac: str = ""
    why: str = ""
    names: tuple[str, ...] = HERE
    server: dict[str, Any] = field(default_factory=dict)


NO = "certificate refused"
KNOWN = {"ca_cert": "known"}
OURS = {**KNOWN, "client_cert": "cert", "client_key": "key"}

# fmt: off
SHAKES = [
    Shake("its authority is named", KNOWN, "found"),
    Shake("its authority is nobody's", {}, NO),
    Shake("its authority is another", {"ca_cert": "unknown"}, NO),
    Shake("the authority's file is not there", {"ca_cert": "missing"}, NO),
    Shake("the authority's file holds none", {"ca_cert": "junk"}, NO),
    Shake("it is for another host", KNOWN, NO, names=("vault.internal",)),
    Shake("it is for the name that is given", {**KNOWN, "server_name": "vault.internal"}, "found",
          NO, LOOKS_BEHIND_A_NAME, names=("vault.internal",)),
    Shake("it is not for the name that is given", {**KNOWN, "server_name": "vault.internal"}, NO,
          "found", LOOKS_BEHIND_A_NAME),
    Shake("it has expired", KNOWN, NO, server={"days": (-2, -1)}),
    Shake("it is not good yet", KNOWN, NO, server={"days": (1, 2)}),
    Shake("nobody looks", {"verify": False}, "found", names=("vault.internal",)),
    Shake("ours is wanted", OURS, "found", server={"wants": True}),
    Shake("ours is wanted, and there is none", KNOWN, "no answer", server={"wants": True}),
    Shake("ours is wanted, and is a stranger's",
          {**KNOWN, "client_cert": "other_cert", "client_key": "other_key"}, "no answer",
          server={"wants": True}),
    Shake("our file is not there", {**OURS, "client_cert": "missing"}, NO, server={"wants": True}),
    Shake("our file holds none", {**OURS, "client_cert": "junk"}, NO, server={"wants": True}),
    Shake("our key is another's", {**OURS, "client_key": "other_key"}, NO, server={"wants": True}),
    Shake("our key's file holds none", {**OURS, "client_key": "junk"}, NO, server={"wants": True}),
]
# fmt: on


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
@pytest.mark.parametrize("row", SHAKES, ids=lambda row: row.case)
def test_a_certificate(row: Shake, papers: Papers) -> None:
    given = {
        name: getattr(papers, value) if name.endswith(("cert", "key")) else value
        for name, value in row.client.items()
    }
    with RawServer(GOOD, tls=papers.server(*row.names, **row.server)) as server:
        assert each(server.address, Tls(**given)) == alike(row.vsync, row.hvac)
        assert (len(server.heard) > 0) is ("found" in (row.vsync, row.hvac))


def test_tls_on_one_side_alone(papers: Papers, trust: Tls) -> None:
    with RawServer(GOOD, tls=papers.server(*HERE)) as server:
        assert each(server.address.replace("https:", "http:")) == alike("no answer")
    with blurting(b"HTTP/1.1 400 Bad Request\r\n\r\n") as port:
        assert each(f"https://127.0.0.1:{port}", trust) == alike("no answer")


def test_where_a_reply_ends_with_its_connection_tls_must_say_so(papers: Papers, trust: Tls) -> None:
    """TLS tells an end from a cut. Python takes both for the end; vsync believes no torn one."""
    _, _, body = GOOD.partition(b"\r\n\r\n")
    unmeasured = f"HTTP/1.1 200 OK\r\nDate: {DATE}\r\n\r\n".encode() + body
    for said, word in [
        (Last(unmeasured), alike("found")),
        (Torn(unmeasured), alike("no answer", "found")),
        (Torn(GOOD), alike("found")),
    ]:
        with RawServer(said, tls=papers.server(*HERE)) as server:
            assert each(server.address, trust) == word


@contextmanager
def blurting(said: bytes) -> Iterator[int]:
    """The port of a server that says this to whatever comes first, and hangs up."""

    def serve() -> None:
        with suppress(OSError):
            while True:
                link, _ = listener.accept()
                with link:
                    link.recv(1)
                    link.sendall(said)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def test_no_difference_is_silent() -> None:
    for row in SHAKES:
        assert bool(row.hvac) is bool(row.why)


def test_an_authority_of_the_environments(papers: Papers, monkeypatch: pytest.MonkeyPatch) -> None:
    """vsync trusts whom its own configuration names, and that stands in the journal. requests also
    trusts whom a variable of its own names, whoever has set it.
    """
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", papers.known)
    with RawServer(GOOD, tls=papers.server(*HERE)) as server:
        assert each(server.address) == alike(NO, "found")
