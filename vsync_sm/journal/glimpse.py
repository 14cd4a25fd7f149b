"""What a journal has come to at its end, long before all of it is read.

Most lines of a journal tell what befell single paths, and leave nothing in the view once their
cycle is over. Such lines are passed over here, unread, if the view is the same without them; the
index, which reads every line, says later whether they are what they should be.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import NamedTuple

from vsync_sm.core import events as e
from vsync_sm.core.errors import JournalError
from vsync_sm.core.view import View, apply
from vsync_sm.journal.codec import decode
from vsync_sm.journal.parts import PACKED_BY
from vsync_sm.journal.recall import usable
from vsync_sm.journal.segments import Segment
from vsync_sm.journal.shelf import Shelf

SOON = 32 * 1024 * 1024
"""So many bytes are looked at while one waits; more, beside the screen."""

MOST_READ = 40_000
"""So many lines are read, or one of eight, if that is more: else it is no glimpse."""

_CHUNK = 1024 * 1024
_TAIL = 64 * 1024
_LONGEST = 64 * 1024 * 1024
_HEAD = 300

_PASSING = re.compile(
    rb'"type":"(?:insights_unchanged|insight_skipped|path_abandoned|retry_scheduled'
    rb'|workers_observed|worker_started|worker_stopped|folder_listed|mount_checked)"'
)
"""Lines that change nothing in the view but the cycle that goes on, of which its end keeps none."""

_UNCHANGED = b'"change":"unchanged"}'
"""So ends `insight_generated`, and nothing else: no other event has such a field."""

_ANEW = (e.CycleStarted, e.CycleFinished, e.RunStarted)


class Ahead:
    """What is known of a journal at once: its last `seq`, and a view as far on as can be."""

    def __init__(self, files: Sequence[Segment], shelf: Shelf) -> None:
        """Looks at the newest of these files. What is wrong with it is for the index to tell."""
        self.last = 0
        self.view = View()
        self._files, self._shelf = files, shelf
        self._left: tuple[int, int | None] | None = None  # a file, and where it ends
        with suppress(JournalError, OSError):
            if files:
                self._look(files[-1])

    def _look(self, newest: Segment) -> None:
        first = _first(self._shelf, newest.number)
        if first is None or not (newest is self._files[0] or usable(first)):
            return
        self.view, self.last = apply(View(), first), first.seq
        size = newest.path.stat().st_size
        end = None if newest.packed else end_of(self._shelf, newest.number, size)
        if end is not None:
            self.last = end.seq
        if end is not None or newest.packed:
            self._left = (newest.number, None if end is None else end.byte)
        if size * (PACKED_BY if newest.packed else 1) <= SOON:
            self.look_on(lambda: False)

    def look_on(self, stop: Callable[[], bool]) -> None:
        """Look at what was too much at first, until it shall stop."""
        if self._left is None:
            return
        view = glimpse(self._shelf, *self._left, stop)
        if view is not None:
            self.view, self.last = view, max(self.last, view.seq)
        if not stop():
            self._left = None

    def begins(self, seq: int) -> int:
        """The number of the newest file with which a fold up to `seq` may begin."""
        for file in reversed(self._files):
            try:
                first = _first(self._shelf, file.number)
            except JournalError:
                continue
            if first is not None and first.seq <= seq and usable(first):
                return file.number
        return self._files[0].number


class End(NamedTuple):
    """The last whole line: its `seq` and time, and the byte behind it."""

    seq: int
    ts: str
    byte: int


def end_of(shelf: Shelf, number: int, size: int) -> End | None:
    """The last whole line of a file that is not packed; None: there is none that could be read."""
    length = min(size, _TAIL)
    while length:
        tail = shelf.read(number, size - length, length)
        stop = tail.rfind(b"\n")
        start = tail.rfind(b"\n", 0, max(stop, 0))
        if stop >= 0 and (start >= 0 or length == size):
            try:
                record = decode(tail[start + 1 : stop], line_number=0, byte=0)
            except JournalError:
                return None
            return End(record.seq, record.ts, size - length + stop + 1)
        if length in {size, _LONGEST}:
            return None
        length = min(size, _LONGEST, length * 8)
    return None


def _first(shelf: Shelf, number: int) -> e.Record | None:
    """The first line of a file; None: it is none, or is not whole."""
    length = _TAIL
    while True:
        head = shelf.read(number, 0, length)
        stop = head.find(b"\n")
        if stop >= 0:
            try:
                return decode(head[:stop], line_number=1, byte=0)
            except JournalError:
                return None
        if len(head) < length or length >= _LONGEST:
            return None
        length *= 8


def glimpse(
    shelf: Shelf, number: int, end: int | None, stop: Callable[[], bool] = lambda: False
) -> View | None:
    """The view at the end of a file, from its first line on, or from the checkpoint in it.

    Args:
        shelf: the journal's files.
        number: which of them.
        end: the byte behind the last line that counts; None: the file's end.
        stop: asked again and again whether to give up.

    Returns:
        The very view that a fold of all its lines gives. None: it stopped, or there is too much to
        read for a glimpse, or something is amiss; an index will tell.
    """
    try:
        return _Glimpse(shelf, number, end, stop).view()
    except JournalError:
        return None


class _Glimpse:
    def __init__(
        self, shelf: Shelf, number: int, end: int | None, stop: Callable[[], bool]
    ) -> None:
        self._shelf, self._number, self._end, self._stop = shelf, number, end, stop
        self._view = View()
        self._first = 0  # its seq
        self._line = 0  # how many have been passed
        self._read = 0
        self._held: list[e.Record] = []  # since a cycle began or ended, at this byte and line:
        self._anew, self._anew_line = 0, 0

    def view(self) -> View:
        """The view at the end."""
        for byte, lines in self._blocks(0):
            line = self._line
            # In the innermost loop, as there may be a million of them.
            told = [at for at, each in enumerate(lines) if not each.endswith(_UNCHANGED)]
            for at in told:
                if line + at and _PASSING.search(lines[at], 0, _HEAD) is not None:
                    continue
                record = self._decoded(lines[at], line + at)
                self._held.append(record)
                if isinstance(record.event, _ANEW):
                    self._fold(self._held)
                    self._held = []
                    self._anew = byte + sum(map(len, lines[: at + 1])) + at + 1
                    self._anew_line = line + at + 1
            self._line += len(lines)
        self._to_the_end()
        return self._view

    def _to_the_end(self) -> None:
        """Of the cycle that goes on each line counts."""
        line = self._anew_line
        for _, lines in self._blocks(self._anew):
            self._fold(self._decoded(each, at) for at, each in enumerate(lines, start=line))
            line += len(lines)

    def _blocks(self, at: int) -> Iterator[tuple[int, list[bytes]]]:
        """Whole lines, and the byte at which the first of them begins."""
        rest, end = b"", self._end
        while chunk := self._shelf.read(
            self._number, at, _CHUNK if end is None else min(_CHUNK, end - at)
        ):
            begins = at - len(rest)
            at += len(chunk)
            if self._stop():
                raise JournalError("nobody wants to know any more", line=0, byte=at)
            *lines, rest = (rest + chunk).split(b"\n")
            yield begins, lines

    def _fold(self, records: Iterable[e.Record]) -> None:
        for record in records:
            self._view = apply(self._view, record)

    def _decoded(self, line: bytes, at: int) -> e.Record:
        record = decode(line, line_number=0, byte=0)
        self._first = self._first or record.seq - at
        self._read += 1
        if record.seq != self._first + at:
            raise JournalError(f"seq {record.seq} in place of another", line=0, byte=0)
        if self._read > max(MOST_READ, at // 8):
            raise JournalError("there is too much for a glimpse", line=0, byte=0)
        return record
