"""Reads a journal, from its first line to its last whole one, and on as it grows.

A reader never writes and never waits. An unfinished last line is "not yet"; everything else that
is not a whole line with the next `seq` is a `JournalError`. It goes through the files of the
journal one after the other (see `segments`), and holds each against what the next one tells of it:
its last `seq` and the digest of its bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from vsync_sm.core.errors import JournalError
from vsync_sm.core.events import VERSION, Record, SegmentOpened
from vsync_sm.journal.codec import decoded
from vsync_sm.journal.segments import (
    UNREADABLE,
    Segment,
    Source,
    alone,
    cannot_read,
    closed_path,
    closed_segments,
    number_in,
    open_source,
    why,
)

LINE_LIMIT = 64 * 1024 * 1024
"""No line of a journal is this long (bytes): what is, is none, and is not taken into memory."""

_CHUNK = 128 * 1024
_BEGINNING = 1024
_TRIES = 50
"""So often it is looked again for a file that was closed, packed or deleted this very moment."""


class Position(NamedTuple):
    """Where a reader is: the number of the file (from 1), and the byte in it."""

    number: int
    byte: int


def read_journal(path: Path) -> Iterator[Record]:
    """Every record of a journal, streaming; the memory needed does not grow with the journal.

    Args:
        path: the journal, or one closed file of it alone.

    Raises:
        JournalError: at the first line that is damaged or out of sequence; with line 0 when there
            is no such file, or it cannot be read.
    """
    with JournalReader(path) as reader:
        if not reader.exists():
            raise JournalError(f"no such journal: {path}", line=0, byte=0)
        yield from reader.records()


class JournalReader:
    """Follows a journal that may still grow, or not even be there yet.

    It remembers only where the next line begins, and reads an unfinished line anew each time: the
    writer that comes after a crash may have put its bytes aside.
    """

    def __init__(self, path: Path, *, first: int = 0) -> None:
        """`path` is the journal, or one closed file of it alone, or a journal packed by hand.

        `first` is the number of the file to begin with; where it is gone, the next one that is
        there.
        """
        self.path = path
        self._first = first
        self._alone = alone(path)
        self._source: Source | None = None
        self._file = path  # of the source
        self._live = True  # it is the one that may grow
        self._number = 0  # 0: none has been entered yet
        self._several = self._alone is not None
        self._passed = 0  # bytes on the disk of the files that have been read to their end
        self._line = 1
        self._byte = 0
        self._seq = 0
        self._before: _Closed | None = None
        self._digest = hashlib.sha256()
        self._pending: tuple[int, bytes] = (0, b"")  # from which byte on, what was read last

    @property
    def line(self) -> int:
        """The line that comes next, from 1, in its file."""
        return self._line

    @property
    def byte(self) -> int:
        """Where the line that comes next begins, in its file."""
        return self._byte

    @property
    def position(self) -> Position:
        """The same, over all files."""
        return Position(self._number or 1, self._byte)

    @property
    def name(self) -> str:
        """The name of the file that is read now, where the journal has several ("": it has one)."""
        return self._file.name if self._several else ""

    @property
    def live(self) -> bool:
        """Whether it is the file being written that is read now."""
        return self._live

    @property
    def last_seq(self) -> int:
        """`seq` of the last record read, 0 before the first."""
        return self._seq

    @property
    def share(self) -> float:
        """How much of what is on the disk has been read, of 1; about, and told often."""
        if self._source is None:
            return 0.0
        read, there = self._source.share
        try:
            later = (each for each in closed_segments(self.path) if each.number > self._number)
            rest = sum(each.path.stat().st_size for each in later)
            rest += 0 if self._live or self._alone is not None else self.path.stat().st_size
        except OSError:
            return 0.0
        whole = self._passed + there + rest
        return min(1.0, (self._passed + read) / whole) if whole else 1.0

    def exists(self) -> bool:
        """Whether the journal is there.

        Raises:
            JournalError: it is, and cannot be read.
        """
        return self._opened() is not None

    def poll(self) -> list[Record]:
        """The records of all whole lines since the last poll; empty when there are none.

        Raises:
            JournalError: the next line is damaged. What stands before it has been returned by the
                polls before, and each poll from now on fails alike.
        """
        records: list[Record] = []
        try:
            records.extend(self.records())
        except JournalError:
            if not records:
                raise
        return records

    def records(self, skip: Callable[[bytes], bool] | None = None) -> Iterator[Record]:
        """The same one by one, so that a long journal is never wholly in memory.

        Args:
            skip: of which lines the record is not wanted. Such a line is not decoded: all that is
                seen of it is that it begins and ends as the next line of a journal does.
        """
        while True:
            lines = self._whole_lines()
            if not lines:
                if self._is_last():
                    return
                # What was written between the last look and its being closed.
                lines = self._whole_lines()
                if not lines:
                    if not self._go_on():
                        return
                    continue
            for line in lines:
                record = None
                if skip is None or self._line == 1 or not (skip(line) and self._follows(line)):
                    record = self._next(line)
                self._line += 1
                self._byte += len(line) + 1
                self._seq += 1
                if record is not None:
                    yield record

    def _follows(self, line: bytes) -> bool:
        start = b'{"v":%d,"seq":%d,"ts":' % (VERSION, self._seq + 1)
        return line.startswith(start) and line.endswith(b"}")

    def continued(self) -> bool:
        """Whether what lies under the journal's name goes on from the file that is read now.

        False: the journal was replaced by another one, or is not there.
        """
        if self._source is None or self._alone is not None:
            return False
        if not self._live or self._source.is_at(self.path):
            return True
        there = closed_segments(self.path)
        closed = next((one for one in there if one.number == self._number), None)
        if closed is None:
            return False
        try:
            beginning = self._source.read(0, _BEGINNING)
            source = open_source(closed.path, packed=closed.packed)
        except (OSError, ValueError):
            return False
        try:
            return bool(beginning) and source.read(0, len(beginning)) == beginning
        except UNREADABLE:
            return False
        finally:
            source.close()

    def close(self) -> None:
        """Give the file back. Polling again opens it again, at the same place."""
        if self._source is not None:
            self._source.close()
            self._source = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    # --- the files ---

    def _opened(self) -> Source | None:
        """The file in which the next line stands; None where there is none yet."""
        if self._source is None:
            try:
                self._enter_first() if not self._number else self._enter_again()
            except FileNotFoundError:
                return None
            except (*UNREADABLE, ValueError) as error:
                raise cannot_read(self.path, error) from None
        return self._source

    def _enter_first(self) -> None:
        if self._alone is not None:
            self._enter(self._alone)
            return
        for _ in range(_TRIES):
            closed = [one for one in closed_segments(self.path) if one.number >= self._first]
            self._several = bool(closed)
            if self._try(closed[0]) if closed else self._try_live():
                return
        raise FileNotFoundError(self.path)

    def _try(self, closed: Segment) -> bool:
        try:
            self._enter(closed)
        except FileNotFoundError:  # packed or deleted this very moment
            return False
        return True

    def _try_live(self) -> bool:
        source = open_source(self.path)
        try:
            number = number_in(source.read(0, _BEGINNING)) or 1
            # It may have become the live one after there was no closed one.
            if number > max(1, self._first) and closed_segments(self.path):
                source.close()
                return False
        except BaseException:
            source.close()
            raise
        self._take(source, self.path, number, live=True)
        self._several = self._several or number > 1
        return True

    def _enter_again(self) -> None:
        if self._alone is not None:
            self._enter(self._alone)
            return
        for _ in range(_TRIES):
            there = {one.number: one for one in closed_segments(self.path)}.get(self._number)
            if there is not None:
                if self._try(there):
                    return
                continue
            source = open_source(self.path)
            self._take(source, self.path, self._number, live=True)
            return

    def _enter(self, closed: Segment) -> None:
        source = open_source(closed.path, packed=closed.packed)
        self._take(source, closed.path, closed.number, live=False)

    def _take(self, source: Source, path: Path, number: int, *, live: bool) -> None:
        self._source, self._file, self._number, self._live = source, path, number, live

    def _is_last(self) -> bool:
        """Whether no other file can follow yet."""
        source = self._source
        if source is None or self._alone is not None:
            return True
        return self._live and source.is_at(self.path)

    def _go_on(self) -> bool:
        """Enter the next file; whether it is there."""
        if self._read(self._byte, 1):
            raise self._error("the file was closed in the middle of this line")
        for _ in range(_TRIES):
            closed = {one.number: one for one in closed_segments(self.path)}
            found = self._follower(closed.get(self._number + 1))
            if found is not None:
                return found
            if self._live:
                return False  # another journal has taken its place
        raise self._gap(closed)

    def _follower(self, closed: Segment | None) -> bool | None:
        """Enter the next file; None: what lies there is another."""
        wanted = self._number + 1
        path = self.path if closed is None else closed.path
        try:
            source = open_source(path, packed=closed is not None and closed.packed)
        except FileNotFoundError:
            return None if closed is not None else False
        except (OSError, ValueError) as error:
            raise cannot_read(path, error) from None
        try:
            is_it = closed is not None or number_in(source.read(0, _BEGINNING)) == wanted
        except UNREADABLE as error:
            source.close()
            raise cannot_read(path, error) from None
        if not is_it:
            source.close()
            return None
        self._pass()
        self._take(source, path, wanted, live=closed is None)
        return True

    def _pass(self) -> None:
        self._settle()
        name = closed_path(self.path, self._number).name
        self._before = _Closed(name, self._seq, self._digest.hexdigest())
        self._digest = hashlib.sha256()
        self._pending = (0, b"")
        self._line, self._byte, self._several = 1, 0, True
        if self._source is not None:
            self._passed += self._source.share[1]
        self.close()

    def _gap(self, closed: dict[int, Segment]) -> JournalError:
        wanted = closed_path(self.path, self._number + 1).name
        later = [closed[number].path.name for number in sorted(closed) if number > self._number]
        name = later[0] if later else self.path.name
        message = f"{wanted} is missing before it: {self._file.name} does not lead here"
        return JournalError(message, line=1, byte=0, file=name)

    # --- the lines ---

    def _next(self, line: bytes) -> Record:
        try:
            record = decoded(line)
        except ValueError as error:
            raise self._error(str(error)) from None
        if self._line == 1:
            self._begin_with(record)
        if record.seq != self._seq + 1:
            raise self._error(f"seq {record.seq} where {self._seq + 1} was due")
        return record

    def _begin_with(self, record: Record) -> None:
        """The first line of a file says of the one before it what it must be."""
        event, before = record.event, self._before
        if isinstance(event, SegmentOpened):
            if before is None:
                self._seq = record.seq - 1
            else:
                self._check(event, before)
        elif before is not None:
            raise self._error(f"segment_opened is due after {before.name}")

    def _check(self, event: SegmentOpened, before: _Closed) -> None:
        if event.predecessor_seq != before.last_seq:
            told = f"{before.name} ends with seq {event.predecessor_seq}"
            raise self._error(f"this line says that {told}, but it ends with {before.last_seq}")
        if event.predecessor_sha256 != before.digest:
            raise self._error(f"{before.name} is not what it was when it was closed (its digest)")

    def _whole_lines(self) -> list[bytes]:
        """The next whole lines without their newlines, some chunks' worth; empty at the end."""
        if self._opened() is None:
            return []
        self._settle()
        parts: list[bytes] = []
        end = self._byte
        while True:
            chunk = self._read(end, _CHUNK)
            newline = chunk.rfind(b"\n")
            if newline >= 0:
                parts.append(chunk[: newline + 1])
                data = b"".join(parts)
                self._pending = (self._byte, data)
                return data[:-1].split(b"\n")
            parts.append(chunk)
            end += len(chunk)
            if not chunk:
                return []
            if end - self._byte > LINE_LIMIT:
                raise self._error(f"longer than {LINE_LIMIT} bytes")

    def _settle(self) -> None:
        """Take what has been passed of the last chunk into the digest."""
        start, data = self._pending
        passed = self._byte - start
        self._digest.update(data if passed == len(data) else data[:passed])
        self._pending = (self._byte, b"")

    def _read(self, byte: int, size: int) -> bytes:
        source = self._source
        if source is None:
            return b""
        try:
            chunk = source.read(byte, size)
            length = source.length() if not chunk else None
        except UNREADABLE as error:
            raise self._error(f"cannot read {self._file}: {why(error)}") from None
        if length is not None and length < self._byte:
            raise self._error("the journal has lost lines that were there before")
        return chunk

    def _error(self, message: str) -> JournalError:
        file = self._file.name if self._several else ""
        return JournalError(message, line=self._line, byte=self._byte, file=file)


class _Closed(NamedTuple):
    """A file that has been read to its end: its closed name, its last `seq`, its digest."""

    name: str
    last_seq: int
    digest: str
