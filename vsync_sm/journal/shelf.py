"""The files of a journal at random access, packed ones too, without a copy of them anywhere.

A packed file is unpacked from the nearest place at which the unpacking's own state was kept.
"""

from __future__ import annotations

import os
import threading
import weakref
import zlib
from bisect import bisect_right
from collections import OrderedDict
from pathlib import Path
from typing import Protocol

from vsync_sm.core.errors import JournalError
from vsync_sm.journal.history import is_history
from vsync_sm.journal.segments import (
    UNREADABLE,
    Segment,
    alone,
    cannot_read,
    closed_segments,
    live_number,
    open_source,
    why,
)

SPACING = 4 * 1024 * 1024
"""About so many unpacked bytes lie between two kept states."""

MOST_STATES = 384
"""So many states are kept, of all files together: some 45 KiB each."""

_OPEN = 4
_PIECE = 32 * 1024
_TRIES = 50


class Stale(JournalError):  # noqa: N818  what it is now, not what went wrong
    """The files are not what they were when they were indexed."""


def files_of(journal: Path) -> list[Segment]:
    """The files that are read as one night, in order: all of a journal, or the one that is named.

    Raises:
        OSError: the directory cannot be read.
    """
    if is_history(journal):
        return [Segment(journal, 1, packed=True)]
    by_itself = alone(journal)
    if by_itself is not None:
        return [by_itself]
    closed = closed_segments(journal)
    live = live_number(journal) if journal.exists() else 0
    if live > (closed[-1].number if closed else 0):
        return [*closed, Segment(journal, live)]
    return closed  # what lies under the journal's name does not go on from them


class _Bytes(Protocol):
    def read(self, byte: int, size: int) -> bytes: ...

    def close(self) -> None: ...


class Shelf:
    """Reads any bytes of any file of a journal. Thread-safe."""

    def __init__(self, journal: Path) -> None:
        self._journal = journal
        self._lock = threading.Lock()
        self._files: dict[int, Segment] = {}
        self._open: OrderedDict[int, _Bytes] = OrderedDict()
        weakref.finalize(self, _give_back, self._open)
        self._states = _States()

    def read(self, number: int, start: int, size: int) -> bytes:
        """`size` bytes of the file with this number, from byte `start` of its lines on.

        Fewer where the file ends before.

        Raises:
            JournalError: it cannot be read (line 0).
        """
        with self._lock:
            source = self._source(number)
            parts: list[bytes] = []
            try:
                while size > 0 and (part := source.read(start, size)):
                    parts.append(part)
                    start, size = start + len(part), size - len(part)
            except UNREADABLE as error:
                path = self._files[number].path
                raise JournalError(f"cannot read {path}: {why(error)}", line=0, byte=0) from None
        return b"".join(parts)

    def close(self) -> None:
        """Give the files back; reading again opens them again."""
        with self._lock:
            _give_back(self._open)

    def _source(self, number: int) -> _Bytes:
        source = self._open.get(number)
        if source is None:
            while len(self._open) >= _OPEN:
                self._open.popitem(last=False)[1].close()
            source = self._open[number] = self._opened(number)
        self._open.move_to_end(number)
        return source

    def _opened(self, number: int) -> _Bytes:
        path = self._journal
        for _ in range(_TRIES):
            file = self._files.get(number)
            try:
                if file is None:
                    there = {each.number: each for each in files_of(self._journal)}
                    file = there[number]
                    self._files = there
                path = file.path
                if file.packed:
                    return _Packed(number, path, self._states)
                source = open_source(path)
                # Under the journal's own name another file may lie by now.
                if path == self._journal and _is_other(path, number):
                    source.close()
                    raise FileNotFoundError(path)
                return source
            except (FileNotFoundError, KeyError):  # closed or packed meanwhile
                self._files = {}
            except (OSError, ValueError) as error:
                raise cannot_read(path, error) from None
        raise JournalError(f"file {number} of {self._journal} is gone", line=0, byte=0)


def _give_back(opened: OrderedDict[int, _Bytes]) -> None:
    while opened:
        opened.popitem()[1].close()


def _is_other(journal: Path, number: int) -> bool:
    return alone(journal) is None and live_number(journal) != number


class _State:
    """Where an unpacking stands: what comes next, unpacked and packed, and how to go on."""

    def __init__(self, byte: int, at: int, unpacking: zlib._Decompress) -> None:
        self.byte, self.at, self.unpacking = byte, at, unpacking

    def copy(self) -> _State:
        return _State(self.byte, self.at, self.unpacking.copy())


class _States:
    """Of each packed file, states at about even spaces; the spaces grow with their number."""

    def __init__(self) -> None:
        self._spacing = SPACING
        self._by_file: dict[int, list[_State]] = {}

    def before(self, number: int, byte: int) -> _State:
        """One to go on from towards `byte`."""
        kept = self._by_file.get(number, [])
        at = bisect_right(kept, byte, key=lambda each: each.byte)
        return kept[at - 1].copy() if at else _State(0, 0, zlib.decompressobj(31))

    def keep(self, number: int, state: _State) -> None:
        """Maybe keep one more, further on than those that are kept."""
        kept = self._by_file.setdefault(number, [])
        if state.byte < (kept[-1].byte if kept else 0) + self._spacing:
            return
        kept.append(state.copy())
        if sum(map(len, self._by_file.values())) > MOST_STATES:
            self._spacing *= 2
            for each in self._by_file.values():
                del each[::2]


class _Packed:
    """A packed file. What was unpacked last is kept, so that reading on goes on."""

    def __init__(self, number: int, path: Path, states: _States) -> None:
        self._number, self._states = number, states
        self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        self._state = states.before(number, 0)
        self._held = b""  # the bytes that end where the state stands

    def read(self, byte: int, size: int) -> bytes:
        """Up to `size` bytes from `byte` on; empty at the end."""
        behind = byte < self._state.byte - len(self._held)
        if behind or byte > self._state.byte + SPACING:
            nearest = self._states.before(self._number, byte)
            if behind or nearest.byte > self._state.byte:
                self._state, self._held = nearest, b""
        while self._state.byte <= byte:
            if not self._unpack():
                return b""
        start = byte - (self._state.byte - len(self._held))
        return self._held[start : start + size]

    def _unpack(self) -> bool:
        """Another piece; False: there is none."""
        state = self._state
        piece = os.pread(self._fd, _PIECE, state.at)
        if state.unpacking.eof or not state.at:  # to the end, or another member of the file
            if not piece.strip(b"\0"):
                return False
            state.unpacking = zlib.decompressobj(31)
        if not piece:
            raise EOFError("it ends in the middle of what was packed")
        held = state.unpacking.decompress(piece)
        state.at += len(piece) - len(state.unpacking.unused_data)
        state.byte += len(held)
        if held:
            self._held = held
        if not state.unpacking.eof:  # where a member ends there is no state to copy
            self._states.keep(self._number, state)
        return True

    def close(self) -> None:
        """Give the file back."""
        os.close(self._fd)
