"""Commands to an origin in another process, and questions about its state: the control socket."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import msgspec
import orjson

from vsync_sm.core.commands import GONE, Done, misasked
from vsync_sm.operate.direct import WAIT_S
from vsync_sm.operate.peer import peer_of
from vsync_sm.operate.place import beside_journal, in_runtime_directory, reach_of
from vsync_sm.operate.protocol import ANSWER_LIMIT, VERSION, Answer, Request

REACH_S = 3.0
"""So long is tried to reach a socket."""

ANSWER_S = WAIT_S + 5.0
"""So long may a whole answer take."""

MAYBE_DONE = "it may have been done: look with"

NOT_VSYNC = "what listens there is no vsync that this one understands"


class Unreachable(Exception):  # noqa: N818  the origin may just not run
    """Nobody was asked; why, in words. The higher its `rank`, the more it tells."""

    def __init__(self, why: str, rank: int = 0) -> None:
        super().__init__(why)
        self.why = why
        self.rank = rank


class Unanswered(Unreachable):
    """Somebody was asked, and has not answered: nobody knows what came of it."""


class Remote:
    """A `Commander` through the control socket. Each question is a connection of its own."""

    def __init__(
        self,
        journal: Path,
        environment: Mapping[str, str],
        named: Callable[[], str] = lambda: "",
    ) -> None:
        """`named` gives what the journal's last `run_started.control` says, if it is needed."""
        self._journal = journal
        self._environment = environment
        self._named = named

    def unable(self) -> str:
        """Why nothing can be commanded just now; "" when it can."""
        try:
            told = self.ask(Request(v=VERSION, query="ping"))
        except Unreachable as unreachable:
            return unreachable.why
        return "" if told.ok else told.words

    def do(self, command: str, argument: str = "") -> Done:
        """Ask for one of `COMMANDS` and wait for the answer."""
        wrong = misasked(command, argument)
        if wrong:
            return Done(False, wrong)
        try:
            told = self.ask(Request(v=VERSION, command=command, argument=argument))
        except Unanswered as unanswered:
            look = reach_of(self._journal).shell("ctl", "status")
            return Done(False, f"{unanswered.why}; {MAYBE_DONE} {look}")
        except Unreachable as unreachable:
            return Done(False, unreachable.why)
        return Done(told.ok, told.words)

    def refused(self, allowance: str) -> tuple[str, ...] | None:
        """All that was refused under an id, sorted; None when nobody knows of it, or answers."""
        try:
            told = self.refusal(allowance)
        except Unreachable:
            return None
        return told.refused if told.ok else None

    def refusal(self, allowance: str) -> Answer:
        """The same, with what a human types to allow it. Raises Unreachable."""
        return self.ask(Request(v=VERSION, query="refused", argument=allowance))

    def status(self) -> Answer:
        """The origin's state. Raises Unreachable."""
        # A name that is no text names nothing in a line of JSON either.
        journal = reach_of(self._journal).journal.encode(errors="replace").decode()
        return self.ask(Request(v=VERSION, query="status", argument=journal))

    def ask(self, request: Request) -> Answer:
        """One question, one answer. Raises Unreachable."""
        with self._connect() as connection:
            try:
                # Who is turned away may find the connection closed: its answer is there all the
                # same.
                connection.sendall(msgspec.json.encode(request) + b"\n")
            except (BrokenPipeError, ConnectionResetError):
                pass
            except OSError as error:
                raise _no_answer(error) from None
            return _answer(connection)

    def _connect(self) -> socket.socket:
        found: list[Unreachable] = []
        for path in self._places():
            try:
                return self._connect_to(path)
            except Unreachable as unreachable:
                found.append(unreachable)
        raise max(found, key=lambda each: each.rank)

    def _places(self) -> Iterator[Path]:
        """Beside the journal; where its last run says; where a path too long for a socket leads."""
        beside = beside_journal(self._journal)
        yield beside
        named = self._named()
        if named and Path(named) != beside:
            yield Path(named)
        yield in_runtime_directory(self._journal, self._environment)

    def _connect_to(self, path: Path) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.settimeout(REACH_S)
            connection.connect(str(path))
            self._distrust(connection, path)
        except BaseException as error:
            connection.close()
            if isinstance(error, OSError):
                raise _unreachable(error, path) from None
            raise
        return connection

    def _distrust(self, connection: socket.socket, path: Path) -> None:
        # Where everybody may make files, somebody else could listen, and tell what he likes.
        trusted = {0, os.geteuid()}
        with suppress(OSError):
            trusted.add(self._journal.stat().st_uid)
        uid = peer_of(connection).uid
        if uid not in trusted:
            raise Unreachable(f"who listens at {path} is another user (uid {uid})", 4)


def _unreachable(error: OSError, path: Path) -> Unreachable:
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return Unreachable(f"there is no control socket at {path}", 1)
    if isinstance(error, ConnectionRefusedError):
        return Unreachable(f"nobody listens at {path}: {GONE}", 2)
    if isinstance(error, PermissionError):
        return Unreachable(f"this user may not use the control socket {path}", 3)
    if isinstance(error, TimeoutError | BlockingIOError):
        return Unreachable(f"the control socket {path} does not answer", 3)
    return Unreachable(f"the control socket {path} cannot be used: {error.strerror or error}", 0)


def _no_answer(error: OSError) -> Unanswered:
    if isinstance(error, TimeoutError):
        return Unanswered("the origin has not answered in time")
    return Unanswered("the origin went away before it had answered")


def _answer(connection: socket.socket) -> Answer:
    whole = bytearray()
    until = time.monotonic() + ANSWER_S
    try:
        while not whole.endswith(b"\n"):
            left = until - time.monotonic()
            if left <= 0:  # however many pieces there were
                raise TimeoutError
            connection.settimeout(left)
            chunk = connection.recv(256 * 1024)
            if not chunk:
                raise ConnectionResetError
            whole += chunk
            if len(whole) > ANSWER_LIMIT:
                raise Unreachable(NOT_VSYNC)
    except OSError as error:
        raise _no_answer(error) from None
    return _understood(bytes(whole))


def _understood(line: bytes) -> Answer:
    try:
        fields = orjson.loads(line)
        if fields["v"] == VERSION:
            return msgspec.convert(fields, Answer)
    except (ValueError, KeyError, TypeError):
        pass
    raise Unreachable(NOT_VSYNC)
