"""The control socket: commands from other processes, and the state for who asks.

Its threads are its own, all of them daemons; the loop never waits for a peer. Whatever a peer
does (garbage, an endless line, silence, a flood) costs that peer its connection, and the origin
next to nothing.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec
import orjson

from vsync_sm.core.answer import answer, now_at
from vsync_sm.core.commands import Done, misasked
from vsync_sm.core.consequence import consequences, to_type
from vsync_sm.core.events import CycleStarted, Record
from vsync_sm.core.reach import Reach
from vsync_sm.core.status import status_document, status_lines
from vsync_sm.core.view import View
from vsync_sm.operate.direct import ask_to_do, ask_what_is_refused
from vsync_sm.operate.listener import Listener, Unusable, listen
from vsync_sm.operate.peer import Peer, may_command, peer_of, tells_who_asks
from vsync_sm.operate.place import beside_journal, socket_path
from vsync_sm.operate.protocol import QUERIES, REQUEST_LIMIT, VERSION, Answer, Request
from vsync_sm.operate.rate import Rate
from vsync_sm.origin.inbox import Asker, Inbox

PEERS = 16
"""So many peers are served at a time; one that has asked for nothing makes room for a new one."""

IDLE_S = 10.0
"""A peer has so many seconds for a whole request."""

TAKE_S = 30.0
"""A peer has so many seconds for taking a whole answer."""

STALL_S = 5.0
"""A peer that takes nothing of an answer for so many seconds gives its place to others."""

GOODBYE_S = 0.5
"""At the end, answers under way have so many seconds."""

ITEMS = 1_000
"""So many refused lines are one piece of an answer."""

THROUGH = "control socket"

TOO_MANY_COMMANDS = "too many commands; nothing was done, try again in a second"
TOO_MANY_PEERS = "too many connections at a time; try again in some seconds"
NOT_ALLOWED = "not allowed: only root and the origin's own user may ask"


class Control:
    """The server of one run. It is a sink of the ledger too: what it tells is the last view."""

    def __init__(
        self,
        inbox: Inbox,
        view: View,
        *,
        wall: Callable[[], int] = time.time_ns,
        peer_of: Callable[[socket.socket], Peer] = peer_of,
    ) -> None:
        """`view` is the one before the first record; `wall` tells ns since 1970."""
        self.trouble = ""
        self._inbox = inbox
        self._view = view
        self._wall = wall
        self._peer_of = peer_of
        self._listener: Listener | None = None
        self._private = False
        self._opening = threading.Lock()
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._served: dict[socket.socket, threading.Thread] = {}
        self._silent: dict[socket.socket, None] = {}  # no whole request yet; longest so first
        self._connections = Rate(100, 100)
        self._requests = Rate(100, 100)
        self._commands = Rate(10, 20)

    @property
    def path(self) -> str:
        """Where it listens; "": nowhere, and `trouble` says why."""
        return str(self._listener.path) if self._listener is not None else ""

    def open(self, journal: Path, environment: Mapping[str, str]) -> None:
        """Begin to listen where the journal's control socket belongs, if that can be."""
        if not tells_who_asks():
            self.trouble = "this system does not tell who asks"
            return
        path = socket_path(journal, environment)
        try:
            self._private = path != beside_journal(journal)
            self._listener = listen(path, private=self._private)
            threading.Thread(target=self._accept, name="control", daemon=True).start()
        except Unusable as unusable:
            self.trouble = str(unusable)
        except (OSError, RuntimeError) as error:
            self.trouble = f"{path} cannot be listened at: {_why(error)}"
            if self._listener is not None:  # nobody would ever accept there
                self._listener.close()
                self._listener = None

    def __call__(self, record: Record, view: View) -> None:
        """Keep the newest view; with each cycle, see that the socket can still be found."""
        self._view = view
        if type(record.event) is CycleStarted and self._listener is not None:
            with suppress(RuntimeError):  # there are no more threads: the next cycle tries again
                threading.Thread(target=self._mend, name="control-mend", daemon=True).start()

    def insights(self, _: Sequence[Record], view: View) -> None:
        """Keep the newest view."""
        self._view = view

    def close(self) -> None:
        """Listen no more, let answers under way be given, and take the socket away."""
        if self._listener is None:
            return
        with self._opening:
            self._closing.set()
            self._listener.close()
        with self._lock:
            served = dict(self._served)
        for connection in served:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RD)
        until = time.monotonic() + GOODBYE_S
        for thread in served.values():
            thread.join(max(0.0, until - time.monotonic()))

    def _mend(self) -> None:
        """Listen anew where somebody has removed the file, as one does who tidies up."""
        with self._opening:
            old = self._listener
            if old is None or self._closing.is_set() or old.stands():
                return
            with suppress(Unusable, OSError):  # another's is left alone; the next cycle tries again
                self._listener = listen(old.path, private=self._private)
                old.close()

    # --- on the accepting thread ---

    def _accept(self) -> None:
        while self._listener is not None and self._connections.wait(self._closing):
            try:
                connection, _ = self._listener.socket.accept()
            except OSError:  # it was closed, or there are no descriptors left just now
                if self._closing.wait(0.1):
                    return
                continue
            with suppress(OSError):
                self._admit(connection)

    def _admit(self, connection: socket.socket) -> None:
        connection.settimeout(IDLE_S)
        try:
            peer = self._peer_of(connection)
        except OSError:
            connection.close()
            return
        refused = self._begin(connection, peer) if may_command(peer) else NOT_ALLOWED
        if refused:
            with connection:
                connection.setblocking(False)  # a few bytes always fit
                connection.sendall(_line(Answer(ok=False, words=refused)))

    def _begin(self, connection: socket.socket, peer: Peer) -> str:
        """Serve a peer on a thread of its own; or why not."""
        thread = threading.Thread(
            target=self._serve, args=(connection, peer), name="control-peer", daemon=True
        )
        with self._lock:
            if len(self._served) >= PEERS and not self._made_room():
                return TOO_MANY_PEERS
            try:
                thread.start()
            except RuntimeError:  # there are no more threads
                return TOO_MANY_PEERS
            self._served[connection] = thread
            self._silent[connection] = None
        return ""

    def _made_room(self) -> bool:
        """Whether the peer that has been silent for longest could be sent away."""
        longest = next(iter(self._silent), None)
        if longest is None:
            return False
        del self._silent[longest], self._served[longest]
        with suppress(OSError):
            longest.shutdown(socket.SHUT_RDWR)  # its thread sees that, and closes it
        return True

    def _dismiss(self, connection: socket.socket) -> None:
        with self._lock:
            self._served.pop(connection, None)
            self._silent.pop(connection, None)
            connection.close()

    # --- on a peer's own thread ---

    def _serve(self, connection: socket.socket, peer: Peer) -> None:
        try:
            for line in _lines(connection):
                if not self._has_asked(connection):
                    return
                self._requests.wait(self._closing)
                request = _request(line)
                self._tell(connection, self._pieces(request, peer))
                if isinstance(request, str):
                    return
                self._is_silent(connection)
        except OSError:  # it is gone, or too slow
            pass
        finally:
            self._dismiss(connection)

    def _has_asked(self, connection: socket.socket) -> bool:
        """There is a whole request. False: it was sent away just before."""
        with self._lock:
            self._silent.pop(connection, None)
            return connection in self._served

    def _is_silent(self, connection: socket.socket) -> None:
        with self._lock:
            self._silent[connection] = None

    def _tell(self, connection: socket.socket, pieces: Iterator[bytes]) -> None:
        """The whole answer, in `TAKE_S` seconds at most. Raises OSError."""
        until = time.monotonic() + TAKE_S
        for piece in pieces:
            rest = memoryview(piece)
            while rest:
                left = until - time.monotonic()
                if left <= 0:
                    raise TimeoutError
                connection.settimeout(min(left, STALL_S))
                rest = rest[connection.send(rest) :]

    def _pieces(self, request: Request | str, peer: Peer) -> Iterator[bytes]:
        if isinstance(request, str):
            yield _line(Answer(ok=False, words=request))
        elif request.query == "refused":
            yield from self._refused(request.argument)
        elif request.query:
            yield _line(self._query(request.query, request.argument))
        else:
            yield _line(self._command(request, peer))

    def _command(self, request: Request, peer: Peer) -> Answer:
        wrong = misasked(request.command, request.argument)
        if wrong:
            return Answer(ok=False, words=wrong)
        if not self._commands.take():
            return Answer(ok=False, words=TOO_MANY_COMMANDS)
        asker = Asker(peer.name, THROUGH, uid=peer.uid, pid=peer.pid)
        done: Done = ask_to_do(self._inbox, request.command, request.argument, asker)
        return Answer(ok=done.ok, words=done.words)

    def _query(self, query: str, journal: str) -> Answer:
        if query == "ping":
            return Answer(ok=True)
        view = self._view
        now, reach = now_at(view, self._wall()), Reach(journal)
        return Answer(
            ok=True,
            lines=tuple(status_lines(view, now, reach)),
            document=status_document(view, now, reach),
            health=str(answer(view, now).health),
        )

    def _refused(self, allowance: str) -> Iterator[bytes]:
        # Maybe as many lines as there are secrets: never all of them as one text.
        wrong = misasked("allow", allowance)
        lines = None if wrong else ask_what_is_refused(self._inbox, allowance)
        if lines is None:
            yield _line(Answer(ok=False, words=wrong or "no refusal is known under this id"))
            return
        told = Answer(ok=True)
        refusal = self._view.refusal
        if refusal is not None and refusal.event.allowance == allowance:
            event = refusal.event
            told = Answer(ok=True, to_type=to_type(event), consequences=consequences(event))
        head = _line(told).removesuffix(b"}\n")
        yield head + b',"refused":['
        for at in range(0, len(lines), ITEMS):
            items = orjson.dumps(lines[at : at + ITEMS])[1:-1]
            yield (b"," if at else b"") + items
        yield b"]}\n"


def _lines(connection: socket.socket) -> Iterator[bytes]:
    """Each request; the end of all of them is silence, the peer's end, or a line without one."""
    buffer = bytearray()
    while True:
        until = time.monotonic() + IDLE_S
        while b"\n" not in buffer:
            if len(buffer) > REQUEST_LIMIT:
                yield bytes(buffer)
                return
            left = until - time.monotonic()
            if left <= 0:
                return
            connection.settimeout(left)
            chunk = connection.recv(16_384)
            if not chunk:
                return
            buffer += chunk
        line, _, rest = buffer.partition(b"\n")
        buffer = bytearray(rest)
        yield bytes(line)


def _request(line: bytes) -> Request | str:
    """The request, or what is wrong with it."""
    if len(line) > REQUEST_LIMIT:
        return f"a request is one line of {REQUEST_LIMIT} bytes at most"
    try:
        request = msgspec.json.decode(line, type=Request)
    except (ValueError, RecursionError):  # msgspec's own errors are ValueErrors
        return "this is no request: one JSON object a line is"
    if request.v != VERSION:
        return f"this origin speaks version {VERSION} of the control protocol, not {request.v}"
    if request.query and request.command:
        return "a request is a command or a query, not both"
    if request.query and request.query not in QUERIES:
        return f"queries are {', '.join(QUERIES)}"
    return request


def _line(told: Answer) -> bytes:
    return orjson.dumps({"v": VERSION, **msgspec.to_builtins(told)}) + b"\n"


def _why(error: Exception) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
