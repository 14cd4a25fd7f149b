"""What comes on an idle connection is never the next request's reply, over real sockets."""

from __future__ import annotations

import select
import socket
import ssl
from collections.abc import Callable, Iterator

import pycurl
import pytest
import trustme

from tests.misbehave import Misbehave
from tests.servers.raw import Last, RawServer
from tests.workshop import PATIENCE_S
from vsync_sm.core.errors import Fault, FaultKind
from vsync_sm.servers.http import Reply, Tls, Transport
from vsync_sm.servers.idle import Idle
from vsync_sm.servers.parallel import ParallelReads


def soon() -> float:
    return 10.0


def reply(body: bytes, *more: bytes) -> bytes:
    """A reply with this body, and with these header lines too."""
    lines = [b"HTTP/1.1 200 OK", *more, b"Content-Length: %d" % len(body), b"", b""]
    return b"\r\n".join(lines) + body


ONE, TWO, STRAY = reply(b"one"), reply(b"two"), reply(b"stray")

Ask = Callable[[RawServer], "Reply | Fault"]


@pytest.fixture(params=["plain", "tls1.2", "tls1.3"])
def tls(request: pytest.FixtureRequest) -> ssl.SSLContext | None:
    if request.param == "plain":
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    if request.param == "tls1.2":
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context


def by_itself(transport: Transport, server: RawServer) -> Reply | Fault:
    try:
        return transport.request("GET", server.address, headers={}, limit=soon)
    except Fault as fault:
        return fault


def many_at_a_time(reads: ParallelReads[None], server: RawServer) -> Reply | Fault:
    reads.send(None, server.address, headers={}, limit=soon)
    ends: list[tuple[None, Reply | Fault]] = []
    while not ends:
        try:
            ends = reads.receive(1.0)
        except Fault as fault:
            return fault
    return ends[0][1]


@pytest.fixture(params=["by itself", "many at a time"])
def ask(request: pytest.FixtureRequest) -> Iterator[Ask]:
    """Reads something, always on the same connection while it is kept; what it ends with."""
    transport = Transport("Vault", tls=Tls(verify=False))
    reads: ParallelReads[None] = ParallelReads(transport, 1)
    if request.param == "by itself":
        yield lambda server: by_itself(transport, server)
    else:
        yield lambda server: many_at_a_time(reads, server)
    reads.close()


def told(end: Reply | Fault) -> bytes | FaultKind:
    return end.kind if isinstance(end, Fault) else end.body


def test_what_comes_unasked_is_a_fault(ask: Ask, tls: ssl.SSLContext | None) -> None:
    with RawServer(ONE, TWO, tls=tls, late=STRAY) as server:
        assert told(ask(server)) == b"one"
        server.say_late()
        end = ask(server)
        assert isinstance(end, Fault)
        assert end.kind is FaultKind.SURPLUS_REPLY
        assert not end.retry, "what it said before is not to be believed either"
        assert server.address in end.message
        assert len(server.heard) == 1, "nothing more was asked"


@pytest.mark.parametrize("late", [STRAY[:9], b"\r\n", b"\0"], ids=repr)
def test_so_is_a_part_of_a_reply_or_anything_else(ask: Ask, late: bytes) -> None:
    with RawServer(ONE, TWO, late=late) as server:
        assert told(ask(server)) == b"one"
        server.say_late()
        assert told(ask(server)) is FaultKind.SURPLUS_REPLY


def test_what_comes_with_a_reply_is_a_fault(tls: ssl.SSLContext | None) -> None:
    """It may be the true reply, and what was asked for a stray one."""
    transport = Transport("Vault", tls=Tls(verify=False))
    with RawServer(ONE + STRAY, TWO, tls=tls) as server:
        assert told(by_itself(transport, server)) is FaultKind.SURPLUS_REPLY


def test_among_many_it_is_asked_for_again(tls: ssl.SSLContext | None) -> None:
    """There another transfer may have closed the connection, since it had ended."""
    reads: ParallelReads[None] = ParallelReads(Transport("Vault", tls=Tls(verify=False)), 1)
    with RawServer(ONE + STRAY, TWO, tls=tls) as server:
        end = many_at_a_time(reads, server)
        assert isinstance(end, Fault)
        assert end.kind is FaultKind.UNREACHABLE
        assert end.retry
        assert told(many_at_a_time(reads, server)) == b"two"
    reads.close()


LATE_WORD = Last(b"HTTP/1.1 408 Request Time-out\r\nConnection: close\r\n\r\n")


def test_a_server_may_say_that_it_waited_too_long(ask: Ask, tls: ssl.SSLContext | None) -> None:
    with RawServer(ONE, TWO, tls=tls, late=LATE_WORD) as server:
        assert told(ask(server)) == b"one"
        server.say_late()
        assert told(ask(server)) == b"two"
        assert server.connections == 2


def test_what_was_seen_is_not_forgotten_before_all_begins_anew() -> None:
    """Whoever saw it: a token that is renewed meanwhile is nobody's path."""
    transport = Transport("Vault")
    with RawServer(ONE, TWO, late=STRAY) as server:
        assert told(by_itself(transport, server)) == b"one"
        server.say_late()
        assert told(by_itself(transport, server)) is FaultKind.SURPLUS_REPLY
        assert told(by_itself(transport, server)) == b"two"
        with pytest.raises(Fault):
            transport.expect_silence(server.address)
        transport.begin_anew()
        transport.expect_silence(server.address)
        assert told(by_itself(transport, server)) == b"two"
        assert server.connections == 3


@pytest.mark.parametrize(
    "said",
    [
        reply(b"one", b"Connection: close"),
        reply(b"one", b"Connection: Keep-Alive, Close"),
        reply(b"one", b"Proxy-Connection: close"),
        ONE.replace(b"HTTP/1.1", b"HTTP/1.0"),
        b"HTTP/1.1 200 OK\r\n\r\none",
        b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + ONE,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n0\r\n\r\n",
    ],
    ids=["close", "listed", "proxy", "1.0", "to the end", "interim", "chunked"],
)
def test_a_connection_may_end_with_its_reply(ask: Ask, said: bytes) -> None:
    with RawServer(said, TWO, closes=True) as server:
        assert told(ask(server)) == b"one"
        assert told(ask(server)) == b"two"
        assert server.connections == 2


def test_a_connection_that_ended_meanwhile_is_no_fault(
    ask: Ask, tls: ssl.SSLContext | None
) -> None:
    with RawServer(ONE, TWO, tls=tls, closes=True) as server:
        assert told(ask(server)) == b"one"
        assert told(ask(server)) == b"two"


def test_a_former_connection_is_looked_at_where_a_write_came_between() -> None:
    transport = Transport("Vault")
    bye = reply(b"written", b"Connection: close")
    with RawServer(ONE, bye, TWO, late=STRAY) as server:
        bodies = []
        for method in ("GET", "PUT", "GET"):
            end = transport.request(method, server.address, headers={}, limit=soon)
            bodies.append(end.body)
            if method == "PUT":
                server.say_late()
        assert bodies == [b"one", b"written", b"two"]


def test_after_the_fault_a_thread_goes_on_with_a_new_connection() -> None:
    transport = Transport("Vault")
    with RawServer(ONE, TWO, late=STRAY) as server:
        transport.request("GET", server.address, headers={}, limit=soon)
        server.say_late()
        with pytest.raises(Fault):
            transport.request("GET", server.address, headers={}, limit=soon)
        assert transport.request("GET", server.address, headers={}, limit=soon).body == b"two"
        assert server.connections == 2


def test_of_many_connections_each_is_looked_at() -> None:
    reads: ParallelReads[int] = ParallelReads(Transport("Vault"), 3)
    with RawServer(ONE, late=STRAY) as server:
        for number in range(3):
            reads.send(number, server.address, headers={}, limit=soon)
        ended = 0
        while ended < 3:
            ended += len(reads.receive(1.0))
        assert server.connections == 3
        server.say_late()
        reads.send(3, server.address, headers={}, limit=soon)
        with pytest.raises(Fault) as caught:
            reads.receive(1.0)
        assert caught.value.kind is FaultKind.SURPLUS_REPLY
    reads.close()


def test_a_reply_that_is_awaited_is_not_taken_for_one_too_many() -> None:
    """Which connection a read got is not always known at once."""
    reads: ParallelReads[str] = ParallelReads(Transport("Vault"), 2)
    with RawServer(ONE) as server, Misbehave(server.address) as proxy:
        slow = proxy.when(path="/slow").hang()
        reads.send("slow", f"{proxy.address}/slow", headers={}, limit=soon)
        while not slow.hits:
            assert reads.receive(0.1) == []
        (curl,) = reads._busy
        number = curl.getinfo(pycurl.ACTIVESOCKET)
        slow.release()
        assert select.select([number], [], [], PATIENCE_S)[0], "the reply has come"
        reads._idle.add(number)
        reads.send("quick", f"{proxy.address}/quick", headers={}, limit=soon)
        ends: dict[str, bytes | FaultKind] = {}
        while len(ends) < 2:
            ends |= {key: told(end) for key, end in reads.receive(1.0)}
        assert ends == {"slow": b"one", "quick": b"one"}
    reads.close()


def test_a_true_reply_that_comes_behind_a_stray_one_is_found_at_the_end(
    tls: ssl.SSLContext | None,
) -> None:
    """The stray one came when the last request was under way: nothing will be asked any more."""
    transport = Transport("Vault", tls=Tls(verify=False))
    with RawServer(STRAY, TWO, tls=tls, late=TWO) as server:
        transport.expect_silence(server.address)
        transport.request("LIST", server.address, headers={}, limit=soon)
        transport.expect_silence(server.address)
        server.say_late()
        with pytest.raises(Fault) as caught:
            transport.expect_silence(server.address)
        assert caught.value.kind is FaultKind.SURPLUS_REPLY
        transport.begin_anew()
        transport.expect_silence(server.address)
        end = transport.request("LIST", server.address, headers={}, limit=soon)
        assert end.body == b"two", "of what it said before nothing is left"


def test_so_it_is_among_many(tls: ssl.SSLContext | None) -> None:
    reads: ParallelReads[None] = ParallelReads(Transport("Vault", tls=Tls(verify=False)), 1)
    with RawServer(STRAY, tls=tls, late=TWO) as server:
        reads.expect_silence()
        reads.send(None, server.address, headers={}, limit=soon)
        while len(reads):
            reads.receive(1.0)
        reads.expect_silence()
        server.say_late()
        with pytest.raises(Fault) as caught:
            reads.expect_silence()
        assert caught.value.kind is FaultKind.SURPLUS_REPLY
    reads.close()


# --- what a server may say at any time ----------------------------------------------------------


def record(kind: int, length: int) -> bytes:
    """One of TLS."""
    return bytes([kind, 3, 3]) + length.to_bytes(2, "big") + bytes(length)


@pytest.mark.parametrize(
    ("said", "unasked"),
    [
        (b"", False),
        (record(21, 2), False),
        (record(21, 26), False),
        (record(23, 19), False),  # a close_notify of TLS 1.3: two bytes, their type, a tag
        (record(23, 22), False),  # a KeyUpdate
        (record(23, 25), True),
        (record(23, 300), True),
        (record(23, 18) + record(23, 18), True),  # a byte each: what is said in so small parts?
        (record(23, 22) + record(21, 2), False),
        (record(23, 22) + record(23, 300), True),
        (record(23, 300)[:9], True),
        (b"H", True),
        (b"HTTP/1.1 200 OK\r\n", True),
        (bytes([23, 3]), True),
        (bytes([23, 9, 9, 0, 1]), True),
    ],
)
def test_what_lies_on_a_socket(said: bytes, unasked: bool) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        idle = Idle()
        idle.add(-1)
        idle.add(ours.fileno())
        theirs.sendall(said)
        assert idle.unasked() is unasked
        assert idle.unasked() is unasked, "it still lies there"
        idle.discard(ours.fileno())
        assert not idle.unasked()


def test_of_a_socket_that_has_a_former_ones_number_nothing_is_known() -> None:
    """Libcurl may close an idle connection unseen."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        idle = Idle()
        idle.add(ours.fileno())
        idle._sockets[ours.fileno()] -= 1
        theirs.sendall(b"HTTP/1.1 200 OK")
        assert (idle.unasked(), len(idle)) == (False, 0)


def test_a_socket_in_use_is_left_alone() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        idle = Idle()
        idle.add(ours.fileno())
        theirs.sendall(record(23, 300))
        theirs.shutdown(socket.SHUT_WR)
        assert not idle.unasked(lambda: {ours.fileno()})
        assert ours.recv(400) == record(23, 300)


def test_a_socket_that_ended_is_looked_at_no_more() -> None:
    ours, theirs = socket.socketpair()
    with ours:
        idle = Idle()
        idle.add(ours.fileno())
        theirs.close()
        assert (idle.unasked(), len(idle)) == (False, 0)


def test_a_socket_that_is_none_any_more_is_forgotten() -> None:
    idle = Idle()
    ours, theirs = socket.socketpair()
    idle.add(ours.fileno())
    ours.close()
    theirs.close()
    assert (idle.unasked(), len(idle)) == (False, 0)
