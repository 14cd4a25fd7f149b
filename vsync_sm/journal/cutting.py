"""Cuts a span out of a journal, as a journal of its own that replay accepts.

A span is made of whole chapters: each begins with a `cycle_started` or a `run_started` and ends
before the next. Where a crash ended the last one, what the next run tells of it belongs to it: its
beginning, to `run_recovered`. In place of the line before its first one stands a `segment_opened`
whose checkpoint has all that came before, so that machine, sums and what the rules remember begin
right.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from datetime import UTC
from pathlib import Path

import msgspec
from msgspec.structs import replace

from vsync_sm.core.checkpoint import checkpoint
from vsync_sm.core.errors import JournalError
from vsync_sm.core.events import (
    CycleStarted,
    JournalRepaired,
    Record,
    RunFinished,
    RunRecovered,
    RunStarted,
    SegmentOpened,
)
from vsync_sm.core.insight import moment
from vsync_sm.core.memory import Memory
from vsync_sm.core.moments import Age, Clock, Edge, Moment, OfCycle, Seq, wall_of
from vsync_sm.core.view import Folded, View
from vsync_sm.journal.codec import encode
from vsync_sm.journal.history import is_history, read_history
from vsync_sm.journal.reader import JournalReader
from vsync_sm.journal.recall import newest, usable
from vsync_sm.journal.rotation import write_all
from vsync_sm.journal.segments import alone, closed_segments, live_number


class NoSuchSpan(Exception):  # noqa: N818  what is to be said to who asked for it
    """The journal does not hold what was asked for: one sentence."""


class Span(msgspec.Struct, frozen=True):
    """From one `seq` to another, both included; `last` None: to the end, as it then is."""

    first: int = 1
    last: int | None = None


WHOLE = Span()
"""All of a journal."""


def span_of(journal: Path, since: Moment | None, until: Moment | None) -> Span:
    """The chapters between two moments, both included.

    Args:
        journal: the journal, one of its closed files, or a file of its history.
        since: None: from its beginning. A cycle is taken from its beginning.
        until: None: to its end. A cycle is taken to its end.

    Raises:
        NoSuchSpan: it does not hold that, or what it holds begins too late.
        JournalError: it cannot be read, or is damaged before the span begins.
    """
    if since is None and until is None:
        return WHOLE
    end = _end(journal) if any(isinstance(each, Clock | Age) for each in (since, until)) else 0
    begin, stop = _in_time(since, end), _in_time(until, end)
    for records in _beginnings(journal, begin):
        chapters = _Chapters(begin, stop)
        found = _search(chapters, records)
        if found is not None:
            return found
    return chapters.found(None)


def _search(chapters: _Chapters, records: Iterator[Record]) -> Span | None:
    """None: its first chapter may begin before these records."""
    last = None
    try:
        for record in records:
            if chapters.over(record):
                last = record.seq - 1
                break
    except JournalError:
        if chapters.first is None:
            raise
    return chapters.found(last) if chapters.begins_here() else None


class _Chapters:
    """Shown one record after the other, it finds the chapters between two moments."""

    def __init__(self, since: Moment | _Wall | None, until: Moment | _Wall | None) -> None:
        self.since = since
        self.until = until
        self.first: int | None = None
        self._start = 0
        self._whole = False  # it starts with a chapter's beginning
        self._begun: int | None = None
        self._passed = False
        self._ended = True  # the run, by itself
        self._crash = False

    def begins_here(self) -> bool:
        """Whether the beginning of its first chapter has been seen."""
        return self.first is not None and (self.first != self._start or self._whole)

    def over(self, record: Record) -> bool:
        """Whether the last chapter ended before this record."""
        if self._crash:
            return not isinstance(record.event, JournalRepaired | RunRecovered)
        begins = self._begun is None or _begins_chapter(record)
        if self._begun is None:
            self._start, self._whole = record.seq, _begins_chapter(record)
        if begins and self._passed:
            return self._over_at(record)
        if begins:
            self._begun = record.seq
        if self.first is None and _reached(self.since, record):
            self.first = self._begun
        if not self._passed:
            self._passed = _passed(self.until, record)
        # Of a cycle it is its beginning that has been seen: all of it is still to come.
        if self._passed and begins and not isinstance(self.until, OfCycle):
            return self._over_at(record)
        self._ended = isinstance(record.event, RunFinished)  # nothing follows it in its run
        return False

    def _over_at(self, record: Record) -> bool:
        """Whether the span is over before this beginning, which may tell of a crash."""
        crashed = isinstance(record.event, RunStarted) and not self._ended
        self._crash = crashed and self.first is not None and self.first < record.seq
        return not self._crash

    def found(self, last: int | None) -> Span:
        if self.first is None and isinstance(self.since, Edge):
            self.first = self._begun
        for asked, there in ((self.since, self.first is not None), (self.until, self._passed)):
            if isinstance(asked, OfCycle) and not there:
                raise NoSuchSpan(f"it does not hold cycle {asked.number}, or not its beginning")
        if self.first is None or (last is not None and last < self.first):
            raise NoSuchSpan("nothing in it lies between these moments")
        return Span(self.first, last)


class _Wall(msgspec.Struct, frozen=True):
    """A time, ns since 1970."""

    ns: int


def _in_time(asked: Moment | None, end: int) -> Moment | _Wall | None:
    if isinstance(asked, Clock | Age):
        return _Wall(wall_of(asked, end, UTC))
    return asked


def _reached(since: Moment | _Wall | None, record: Record) -> bool:
    """Whether the span has begun with this record, or in its chapter."""
    match since:
        case Seq():
            return record.seq >= since.seq
        case _Wall():
            return moment(record.ts) >= since.ns
        case OfCycle():
            return isinstance(record.event, CycleStarted) and record.cycle == since.number
        case Edge():
            return not since.end
        case _:
            return True


def _passed(until: Moment | _Wall | None, record: Record) -> bool:
    """Whether this record comes after the moment; of a cycle, whether it has begun."""
    match until:
        case Seq():
            return record.seq > until.seq
        case _Wall():
            return moment(record.ts) > until.ns
        case OfCycle():
            return isinstance(record.event, CycleStarted) and record.cycle == until.number
        case _:
            return False


def _begins_chapter(record: Record) -> bool:
    return isinstance(record.event, CycleStarted | RunStarted)


# --- the records of a span -------------------------------------------------------------------


def records_of(journal: Path, span: Span = WHOLE) -> Iterator[Record]:
    """The records of a span, streaming; where lines stood before it, their checkpoint first.

    Raises:
        JournalError: as `read_journal` does, at the first line of it that is damaged.
    """
    if is_history(journal):
        for record in read_history(journal):
            if record.seq >= span.first and (span.last is None or record.seq <= span.last):
                yield record
        return
    memory, fold, before = Memory(), Folded(), None
    with _reader(journal, span.first) as reader:
        if not reader.exists():
            raise JournalError(f"no such journal: {journal}", line=0, byte=0)
        for record in reader.records():
            if span.last is not None and record.seq > span.last:
                return
            if record.seq < span.first:
                memory.note(record)
                fold.take(record)
                before = record
                continue
            if before is not None:
                yield _opened(memory, fold.view, before)
                before = None
            yield record


def write(records: Iterable[Record], to: Path, *, force: bool = False) -> int:
    """Write records into a file of its own (0600); how many lines they are.

    Raises:
        JournalError: from `records`.
        FileExistsError: something lies at `to` already, and `force` is not given.
        OSError: it cannot be written; nothing is left of it.
    """
    count = 0

    def lines() -> Iterator[bytes]:
        nonlocal count
        for count, record in enumerate(records, start=1):  # noqa: B007  told in the end
            yield encode(record)

    write_out(lines(), to, force=force)
    return count


def write_out(chunks: Iterable[bytes], to: Path, *, force: bool = False) -> None:
    """Write bytes into a new file (0600) that is whole or not there at all.

    Raises:
        FileExistsError: something lies at `to` already, and `force` is not given.
        OSError: it cannot be written; nothing is left of it.
    """
    aside = to.with_name(f"{to.name}.part") if force else to
    flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | (os.O_TRUNC if force else os.O_EXCL)
    fd = os.open(aside, flags, 0o600)
    try:
        for chunk in chunks:
            write_all(fd, chunk)
        os.fsync(fd)
        if force:
            aside.replace(to)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
    finally:
        os.close(fd)


def is_the_journals(to: Path, journal: Path) -> bool:
    """Whether a file is the journal itself, or of it by its name."""
    name = to.resolve().name
    beside = to.resolve().parent == journal.resolve().parent
    return beside and (name == journal.resolve().name or name.startswith(f"{journal.name}."))


def _opened(memory: Memory, view: View, last: Record) -> Record:
    known = checkpoint(replace(view, seq=last.seq - 1), replace(memory, last_seq=last.seq - 1))
    event = SegmentOpened(
        number=1,
        predecessor="",
        predecessor_seq=last.seq - 1,
        predecessor_sha256="",
        state=view.state.name,
        checkpoint=known,
    )
    return replace(last, event=event, cycle=None)


# --- where to begin reading ------------------------------------------------------------------


def _end(journal: Path) -> int:
    """When the journal ends, as far as it can be read: ns since 1970."""
    last = None
    try:
        for record in read_history(journal) if is_history(journal) else newest(journal).records():
            last = record
    except JournalError:
        if last is None:
            raise
    if last is None:
        raise NoSuchSpan("the journal is empty")
    return moment(last.ts)


def _beginnings(journal: Path, since: Moment | _Wall | None) -> Iterator[Iterator[Record]]:
    """The records from each file on that begins before a moment, the newest first; then all."""
    if is_history(journal):
        yield read_history(journal)
        return
    for reader, first in _files(journal):
        if _stands_before(first, since):
            yield reader.records()
    with JournalReader(journal) as reader:
        if not reader.exists():
            raise JournalError(f"no such journal: {journal}", line=0, byte=0)
        yield reader.records()


def _stands_before(opened: Record, since: Moment | _Wall | None) -> bool:
    match since:
        case OfCycle():
            event = opened.event
            known = event.checkpoint["memory"] if isinstance(event, SegmentOpened) else {}
            return bool(known.get("last_cycle", since.number) < since.number)
        case Seq():
            return opened.seq < since.seq
        case _Wall():
            return moment(opened.ts) < since.ns
        case _:
            return isinstance(since, Edge) and since.end


def _reader(journal: Path, first: int) -> JournalReader:
    """A reader that begins with the newest file that still stands before this `seq`."""
    for reader, opened in _files(journal):
        if opened.seq < first:
            return reader
    return JournalReader(journal)


def _files(journal: Path) -> Iterator[tuple[JournalReader, Record]]:
    """Of each file with a checkpoint that can be used, newest first: a reader, its first record."""
    if alone(journal) is not None:
        return
    for number in (live_number(journal), *(each.number for each in closed_segments(journal)[::-1])):
        with JournalReader(journal, first=number) as reader:
            first = next(reader.records(), None)
        if first is not None and usable(first) and isinstance(first.event, SegmentOpened):
            with JournalReader(journal, first=number) as reader:
                yield reader, first
