"""The contract: what a server does means the same to hvac's own adapter and to vsync, or is told.

`tests/servers/clients.py` has the three clients (hvac, and vsync's two ways to ask) and the words.
Each table below says what a server does, over a real socket, and what vsync takes it for. Where
hvac takes it for something else, the row has hvac's word too, and why vsync differs: what no row
names is alike. Both of vsync's ways are always alike.

That every name is asked for byte for byte as hvac does is held by `test_parallel.py`; what holds
for one of vsync's ways alone by `test_http.py` and `test_parallel.py`.
"""

from __future__ import annotations

import gzip
import json
import ssl
from collections.abc import Sequence
from dataclasses import dataclass

import pytest
import trustme

from tests.servers.clients import CLIENTS, Answered, End
from tests.servers.raw import Last, RawServer
from tests.servers.test_parallel import DATE, reply, secret
from vsync_sm.servers.http import Tls

pytestmark = pytest.mark.usefixtures("nothing_around")

SECRET = json.dumps(secret()).encode()
WHOLE = Answered(200, SECRET)
GOOD = reply(200, SECRET)
TOLD_TO_CLOSE = reply(200, SECRET, "Connection: close")
PAGE = b"<html><body>Please sign in</body></html>"


def errors(*said: str) -> bytes:
    """The body with which Vault says what went wrong."""
    return json.dumps({"errors": list(said)}).encode()


# Why vsync differs, wherever it does.

BELIEVES_VAULT_ALONE = """hvac goes by the status. What stands between answers too, and a wrong
'nothing there' deletes a secret in other regions: vsync wants a reply of Vault's own shape."""
TELLS_APART = """hvac has one exception for several things, or none. vsync names what is to be done
about each."""
KEEPS_THE_WAIT = "hvac's exceptions leave the headers out, and with them how long to wait."
LEAVES_NOTHING_OPEN = "hvac hands the reply on, for its caller to judge."
WANTS_THE_END = """Python's HTTP client takes a connection that closes too soon for the end of what
it was reading. What has lost its end may have lost anything."""
SKIPS_WHAT_COMES_BEFORE = "Python's HTTP client takes any 1xx but 100 for the reply itself."
ASKS_FOR_NO_ENCODING = """hvac asks for compressed replies, and unpacks them. vsync does not ask:
metadata are small, and so is what a few bytes can be blown up to."""
HAS_NO_NEED_TO_REFUSE = "Python's HTTP client has limits of its own. libcurl's are 300 KiB in all."
READS_MORE_STRICTLY = "hvac ignores what contradicts itself, and reads on."
BELIEVES_NEITHER = """hvac takes another connection and goes on. Which of the two was the stray one?
If the first, then what the secret was said to be is another one's: vsync ends the cycle."""
ASKS_AGAIN = """A server that closes an idle connection may do so while the next request is on its
way. A read does no harm twice."""


@pytest.fixture(params=["plain", "tls"], scope="module")
def context(request: pytest.FixtureRequest, authority: trustme.CA) -> ssl.SSLContext | None:
    """What a server is set up with: each row is tried without TLS, and with it."""
    if request.param == "plain":
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    return context


def ask_each(server: RawServer, tls: Tls) -> dict[str, tuple[End, str]]:
    """What each client fetches, and what it reads, each over a connection of its own."""
    ends = {}
    for name, client in CLIENTS.items():
        with client(server.address, tls=tls) as one:
            ends[name] = one.fetch(), one.read()
    return ends


# --- each status -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Status:
    """A whole reply, which arrives alike everywhere, and what it means."""

    status: int
    case: str
    body: bytes
    vsync: str
    hvac: str = ""
    why: str = ""
    header: str = ""

    @property
    def retry_after(self) -> str:
        name, _, value = self.header.partition(": ")
        return value if name == "Retry-After" else ""


SEALED = errors("Vault is sealed")
QUOTA = errors('request path "kv/metadata/x": rate limit quota exceeded')
A_DATE = "Retry-After: Wed, 21 Oct 2026 07:28:00 GMT"

# fmt: off
STATUSES = [
    Status(200, "a secret", SECRET, "found"),
    Status(200, "a page", PAGE, "not Vault", "handed on", LEAVES_NOTHING_OPEN),
    Status(200, "nothing", b"", "not Vault", "handed on", LEAVES_NOTHING_OPEN),
    Status(204, "nothing", b"", "not Vault", "handed on", LEAVES_NOTHING_OPEN),
    Status(300, "a choice", b"", "elsewhere", "handed on", LEAVES_NOTHING_OPEN),
    Status(304, "as before", b"", "elsewhere", "handed on", LEAVES_NOTHING_OPEN),
    Status(307, "to nowhere", b"", "elsewhere", "handed on", LEAVES_NOTHING_OPEN),
    Status(400, "a bad request", errors("upgrading from non-versioned"), "refused"),
    Status(400, "http:// to a TLS port", b"Client sent an HTTP request to an HTTPS server.\n",
           "refused"),
    Status(401, "a page", PAGE, "not Vault", "denied", BELIEVES_VAULT_ALONE),
    Status(403, "by a policy", errors("permission denied"), "denied"),
    Status(403, "a page", PAGE, "not Vault", "denied", BELIEVES_VAULT_ALONE),
    Status(404, "no such secret", errors(), "nothing there"),
    Status(404, "a page", PAGE, "not Vault", "nothing there", BELIEVES_VAULT_ALONE),
    Status(404, "nothing", b"", "not Vault", "nothing there", BELIEVES_VAULT_ALONE),
    Status(404, "half an answer", b'{"errors":[', "not Vault", "nothing there",
           BELIEVES_VAULT_ALONE),
    Status(404, "no such mount", errors("no handler for route"), "no such mount", "nothing there",
           TELLS_APART),
    Status(405, "in Vault's words", errors("unsupported operation"), "refused", "unexpected",
           TELLS_APART),
    Status(405, "nothing", b"", "not Vault", "unexpected", BELIEVES_VAULT_ALONE),
    Status(412, "a standby lags", errors("required index state not present"), "try again",
           "unexpected", TELLS_APART),
    Status(429, "a quota", QUOTA, "try again"),
    Status(429, "for 3 s", QUOTA, "try again after 3 s", "try again", KEEPS_THE_WAIT,
           "Retry-After: 3"),
    Status(429, "for no time", QUOTA, "try again", header="Retry-After: 0"),
    Status(429, "till a date", QUOTA, "try again", header=A_DATE),
    Status(429, "for some time", QUOTA, "try again", header="Retry-After: soon"),
    Status(429, "for less than none", QUOTA, "try again", header="Retry-After: -3"),
    Status(472, "disaster recovery", errors(), "standby", "unexpected", TELLS_APART),
    Status(473, "performance standby", errors(), "standby", "unexpected", TELLS_APART),
    Status(500, "an error", errors("1 error occurred"), "try again"),
    Status(501, "not initialised", errors("not initialized"), "sealed"),
    Status(502, "a page", PAGE, "try again"),
    Status(503, "sealed", SEALED, "sealed", "try again", TELLS_APART),
    Status(503, "maintenance", PAGE, "try again"),
    Status(503, "for 7.5 s", PAGE, "try again after 7.5 s", "try again", KEEPS_THE_WAIT,
           "Retry-After: 7.5"),
    Status(503, "till a date", PAGE, "try again", header=A_DATE),
    Status(504, "a page", PAGE, "try again", "unexpected", TELLS_APART),
    Status(599, "never heard of", b"", "try again", "unexpected", TELLS_APART),
]
# fmt: on


@pytest.mark.parametrize("row", STATUSES, ids=lambda row: f"{row.status} {row.case}")
def test_a_status(row: Status) -> None:
    arrives = Answered(row.status, row.body, row.retry_after)
    said = reply(row.status, row.body, *filter(None, [row.header]))
    with RawServer(said) as server:
        assert ask_each(server, Tls()) == {
            "hvac": (arrives, row.hvac or row.vsync),
            "one": (arrives, row.vsync),
            "many": (arrives, row.vsync),
        }


# --- how a reply comes -----------------------------------------------------------------------


def chunked(*chunks: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
    head = f"HTTP/1.1 200 OK\r\nDate: {DATE}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    return head + b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + end


def unmeasured(version: str) -> bytes:
    """The connection's end is the reply's."""
    return f"HTTP/{version} 200 OK\r\nDate: {DATE}\r\n\r\n".encode() + SECRET


HALVES = SECRET[:50], SECRET[50:]
EMPTY = Answered(200, b"")
GONE = Answered(404, b"")


@dataclass(frozen=True)
class Frame:
    """How one reply is put on the wire, and what arrives of it."""

    case: str
    says: bytes
    vsync: End
    hvac: End = ""
    why: str = ""


# fmt: off
FRAMES = [
    Frame("with its length", GOOD, WHOLE),
    Frame("in chunks", chunked(*HALVES), WHOLE),
    Frame("in chunks, with trailers", chunked(*HALVES, end=b"0\r\nDate: no date\r\nX-T: 1\r\n\r\n"),
          WHOLE),
    Frame("closed behind it", Last(TOLD_TO_CLOSE), WHOLE),
    Frame("as long as the connection", Last(unmeasured("1.1")), WHOLE),
    Frame("HTTP/1.0", Last(unmeasured("1.0")), WHOLE),
    Frame("HTTP/1.0 with its length", Last(GOOD.replace(b"HTTP/1.1", b"HTTP/1.0")), WHOLE),
    Frame("with lines that end in LF alone", GOOD.replace(b"\r\n", b"\n"), WHOLE),
    Frame("after a 100", b"HTTP/1.1 100 Continue\r\n\r\n" + GOOD, WHOLE),
    Frame("after a 103", b"HTTP/1.1 103 Early Hints\r\nRetry-After: 9\r\n\r\n" + GOOD, WHOLE,
          Answered(103, b"", "9"), SKIPS_WHAT_COMES_BEFORE),
    Frame("packed unasked", reply(200, gzip.compress(SECRET, mtime=0), "Content-Encoding: gzip"),
          Answered(200, gzip.compress(SECRET, mtime=0)), WHOLE, ASKS_FOR_NO_ENCODING),
    Frame("with 150 headers", reply(200, SECRET, *["X-Y: z"] * 150), WHOLE, "not HTTP",
          HAS_NO_NEED_TO_REFUSE),
    Frame("with a header of 70,000 bytes", reply(200, SECRET, f"X-Y: {'z' * 70_000}"), WHOLE,
          "not HTTP", HAS_NO_NEED_TO_REFUSE),

    # Cut: the connection is closed in the middle.
    Frame("not at all", Last(b""), "no answer"),
    Frame("cut in the version", Last(b"HTTP/1"), "no answer", "not HTTP", TELLS_APART),
    Frame("cut behind a 200", Last(b"HTTP/1.1 200"), "no answer", EMPTY, WANTS_THE_END),
    Frame("cut behind a 404", Last(b"HTTP/1.1 404 Not Found\r\n"), "no answer", GONE,
          WANTS_THE_END),
    Frame("cut within the headers", Last(b"HTTP/1.1 404 Not Found\r\nContent-Ty"), "no answer",
          GONE, WANTS_THE_END),
    Frame("cut after the headers", Last(GOOD[: -len(SECRET)]), "no answer"),
    Frame("cut within the body", Last(GOOD[:-1]), "no answer"),
    Frame("cut within a chunk", Last(chunked(*HALVES)[:-20]), "no answer"),
    Frame("cut between two chunks", Last(chunked(HALVES[0], end=b"")), "no answer"),
    Frame("cut within the last chunk", Last(chunked(*HALVES, end=b"0\r\n")), "no answer", WHOLE,
          WANTS_THE_END),
    Frame("cut within the trailers", Last(chunked(*HALVES, end=b"0\r\nX-T: 1\r\n")), "no answer",
          WHOLE, WANTS_THE_END),
    Frame("cut after a 100", Last(b"HTTP/1.1 100 Continue\r\n\r\n"), "no answer"),

    # What it says of itself cannot be.
    Frame("with two lengths", reply(200, SECRET, "Content-Length: 3"), "not HTTP"),
    Frame("with no number for a length",
          Last(b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n" + SECRET), "not HTTP", WHOLE,
          READS_MORE_STRICTLY),
    Frame("with no number for a chunk", Last(chunked(end=b"many\r\n")), "no answer"),
    Frame("packed, it says", reply(200, SECRET, "Content-Encoding: gzip"), WHOLE, "not HTTP",
          ASKS_FOR_NO_ENCODING),
    Frame("by http/1.1", GOOD.replace(b"HTTP", b"http"), "not HTTP"),
    Frame("by http/1.1, and closed", Last(TOLD_TO_CLOSE.replace(b"HTTP", b"http")), "not HTTP"),
    Frame("by HTTP/3.7", GOOD.replace(b"1.1", b"3.7", 1), "not HTTP"),
    Frame("by SSH", Last(b"SSH-2.0-OpenSSH_9.2\r\n"), "not HTTP"),
    Frame("by HTTP/2", Last(b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"), "not HTTP"),
]
# fmt: on


def taken(client: str, arrived: End) -> str:
    """What a client takes for what, where the tables of statuses and words say it already."""
    if isinstance(arrived, str):
        return arrived
    if arrived == WHOLE:
        return "found"
    if client != "hvac":
        return "not Vault"
    return "nothing there" if arrived.status == 404 else "handed on"


@pytest.mark.parametrize("row", FRAMES, ids=lambda row: row.case)
def test_a_reply_comes(row: Frame, context: ssl.SSLContext | None, trust: Tls) -> None:
    arrives = {"hvac": row.hvac or row.vsync, "one": row.vsync, "many": row.vsync}
    with RawServer(row.says, tls=context) as server:
        assert ask_each(server, trust) == {
            client: (end, taken(client, end)) for client, end in arrives.items()
        }


# --- one connection after another ------------------------------------------------------------

DENIED = reply(403, errors("permission denied"))
STRAY = reply(404, errors())


@dataclass(frozen=True)
class Course:
    """Two reads in a row, one client's. The server says `says`, a request's worth at a time.

    `vsync` and `hvac`: what the two are taken for, over how many connections, in how many requests.
    `idle`: the server closes the connection, and the client has all the time to notice.
    `late`: what the server says unasked between the two. `many`: where a worker's read ends
    otherwise, and is asked again with care: its connection may have been found closed by another.
    """

    case: str
    says: tuple[bytes, ...]
    vsync: tuple[str, str, int, int]
    hvac: tuple[str, str, int, int] | None = None
    why: str = ""
    idle: bool = False
    late: bytes = b""
    many: tuple[str, str, int, int] | None = None


# fmt: off
COURSES = [
    Course("kept", (GOOD, DENIED), ("found", "denied", 1, 2)),
    Course("kept after a refusal", (DENIED, GOOD), ("denied", "found", 1, 2)),
    Course("kept after chunks and trailers", (chunked(*HALVES, end=b"0\r\nX-T: 1\r\n\r\n"), DENIED),
           ("found", "denied", 1, 2)),
    Course("closed as told", (Last(TOLD_TO_CLOSE), DENIED), ("found", "denied", 2, 2)),
    Course("told, and not closed", (TOLD_TO_CLOSE, DENIED), ("found", "denied", 2, 2)),
    Course("HTTP/1.0", (Last(GOOD.replace(b"HTTP/1.1", b"HTTP/1.0")), DENIED),
           ("found", "denied", 2, 2)),
    Course("closed while idle", (Last(GOOD), DENIED), ("found", "denied", 2, 2), idle=True),
    Course("closed as the second comes", (GOOD, Last(b""), DENIED), ("found", "denied", 2, 3),
           ("found", "no answer", 1, 2), ASKS_AGAIN),
    Course("closed as each comes", (Last(b""),), ("no answer", "no answer", 2, 2)),
    Course("cut", (Last(GOOD[:-1]), DENIED), ("no answer", "denied", 2, 2)),
    Course("cut in its headers", (Last(b"HTTP/1.1 404 Not Found\r\n"), DENIED),
           ("no answer", "denied", 2, 2), ("nothing there", "denied", 2, 2), WANTS_THE_END),
    Course("the second cut", (GOOD, Last(GOOD[:-1]), DENIED), ("found", "no answer", 1, 2)),
    Course("the second cut in its first line", (GOOD, Last(b"HTTP/1.1 404"), DENIED),
           ("found", "denied", 2, 3), ("found", "nothing there", 1, 2), WANTS_THE_END),
    Course("the second cut in its headers", (GOOD, Last(b"HTTP/1.1 404 No\r\n"), DENIED),
           ("found", "no answer", 1, 2), ("found", "nothing there", 1, 2), WANTS_THE_END),
    Course("a body where none may be", (reply(304, errors()), DENIED),
           ("a reply too many", "denied", 2, 2), ("handed on", "denied", 1, 2), BELIEVES_NEITHER,
           many=("no answer", "denied", 2, 2)),
    Course("a reply too many, behind it", (GOOD + STRAY, DENIED),
           ("a reply too many", "denied", 2, 2), ("found", "denied", 1, 2), BELIEVES_NEITHER,
           many=("no answer", "denied", 2, 2)),
    Course("a reply too many, later", (GOOD, DENIED), ("found", "a reply too many", 1, 1),
           ("found", "denied", 2, 2), BELIEVES_NEITHER, late=STRAY),
    Course("half a reply too many, later", (GOOD, DENIED), ("found", "a reply too many", 1, 1),
           ("found", "denied", 2, 2), BELIEVES_NEITHER, late=STRAY[:20]),
    Course("waited for too long, it says", (GOOD, DENIED), ("found", "denied", 2, 2),
           late=Last(b"HTTP/1.1 408 Request Time-out\r\nConnection: close\r\n\r\n")),
    Course("not HTTP", (b"SSH-2.0-OpenSSH_9.2\r\n", DENIED), ("not HTTP", "denied", 2, 2)),
]
# fmt: on


@pytest.mark.parametrize("row", COURSES, ids=lambda row: row.case)
def test_a_second_request(row: Course, context: ssl.SSLContext | None, trust: Tls) -> None:
    went = {}
    for name, client in CLIENTS.items():
        with RawServer(*row.says, tls=context, late=row.late) as server:
            with client(server.address, tls=trust) as one:
                first = one.read()
                if row.idle:
                    assert server.hung_up.acquire(timeout=60)
                if row.late:
                    server.say_late()
                second = one.read()
            went[name] = first, second, server.connections, len(server.heard)
    many = row.many or row.vsync
    assert went == {"hvac": row.hvac or row.vsync, "one": row.vsync, "many": many}


@pytest.mark.parametrize("table", [STATUSES, FRAMES, COURSES], ids=["status", "frame", "course"])
def test_no_difference_is_silent(table: Sequence[Status | Frame | Course]) -> None:
    assert len({row.case for row in table if not isinstance(row, Status)}) in (0, len(table))
    for row in table:
        assert bool(row.hvac) is bool(row.why)
        assert row.hvac != row.vsync
