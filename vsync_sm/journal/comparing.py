"""Finds two moments in a journal and compares them: streaming, twice over its lines.

The first reading passes over the lines of single paths and finds the moments; the second one reads
in full only what lies between the beginning of the first moment's cycle and the second moment.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, tzinfo
from pathlib import Path
from typing import ClassVar

import msgspec
from msgspec.structs import replace

from vsync_sm.core import events as e
from vsync_sm.core.comparing import Comparing, Comparison
from vsync_sm.core.errors import JournalError
from vsync_sm.core.insight import moment, timestamp
from vsync_sm.core.moments import Age, Clock, Edge, Moment, OfCycle, Seq, wall_of
from vsync_sm.core.outcome import CRASHED, CUT_OFF, has_failed, is_complete
from vsync_sm.core.pairs import Failed, Pair
from vsync_sm.core.shapes import View, When
from vsync_sm.core.view import apply, view_of
from vsync_sm.core.words import clock, number
from vsync_sm.journal.history import HEAD, OF_PATHS, is_history, read_history
from vsync_sm.journal.reader import JournalReader

Progress = Callable[[float], None]
"""Is told often which share of the journal has been read, of 1; what it raises ends the reading."""

_OF_CYCLES = re.compile(rb'"type":"(?:cycle_started|cycle_finished|run_started|run_finished)"')
_TS = re.compile(rb'"ts":"([^"]*)"')
_TOLD_EVERY = 512


class NoSuchMoment(Exception):  # noqa: N818  what is to be said to who asked for it
    """The journal lacks a moment that was asked for: what is missing, and what would do."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class Place(msgspec.Struct, frozen=True):
    """A moment that was found: its `seq`, and that at which its cycle begins.

    `good` is the last good cycle that ended before that one, `cycle` its own number (0: none).
    """

    cycle: int
    start: int
    seq: int
    good: Place | None = None


class Compared(msgspec.Struct, frozen=True):
    """A comparison, and where the journal could not be read any further (None: nowhere)."""

    comparison: Comparison
    damage: JournalError | None = None


def compare(
    journal: Path, pair: Pair, *, zone: tzinfo | None = UTC, progress: Progress = lambda _: None
) -> Compared:
    """Compare two moments of a journal; about as fast as its lines between them can be read.

    Args:
        journal: its file, one closed file of it alone, or a history.
        pair: the moments.
        zone: by whose clock times are meant; None: this machine's.
        progress: told often.

    Raises:
        JournalError: there is no such journal, or nothing of it can be read.
        NoSuchMoment: a moment is not there, or no good cycle lies before it.
    """
    lines, damage = _Lines(journal, progress), None
    end = _end(lines) if _is_time(pair.first) or _is_time(pair.second) else 0
    while True:
        scan = _Scan(_wanted(pair.first, end, zone), _wanted(pair.second, end, zone))
        damage = lines.read(scan.note, scan) or damage
        if not lines.last:
            raise damage or JournalError(f"{journal} is empty", line=0, byte=0)
        try:
            first, second = _places(scan, pair, lines.first, lines.last)
        except NoSuchMoment as missing:
            if damage is not None:
                missing.hint = f"the journal is damaged: {damage}"
            raise
        told = _Told(first.seq, second.seq, min(first.start, second.start), lines)
        met = lines.read(told.note, told)
        if met is None:
            return Compared(told.comparison(), damage)
        # It stands in a line that was passed over before: nothing behind it can be trusted.
        damage, lines.limit = met, lines.last


def compared(
    records: Iterable[e.Record],
    first: View,
    second: View,
    stop: Callable[[], bool] = lambda: False,
) -> Comparison | None:
    """Compare two moments whose views are at hand.

    Args:
        records: from the beginning of the earlier moment's cycle on, or from before it; read until
            the later one, and one more, which may tell of a crash.
        first, second: the views at the moments.
        stop: whether to give up.

    Returns:
        None: it was given up.
    """
    comparing = Comparing(first.seq, second.seq)
    last = max(first.seq, second.seq)
    for record in records:
        comparing.note(record)
        if record.seq > last:
            break
        if record.seq % _TOLD_EVERY == 0 and stop():
            return None
    return comparing.comparison(first, second)


def _is_time(asked: Moment | Failed | None) -> bool:
    return isinstance(asked, Clock | Age)


# --- the lines -------------------------------------------------------------------------------


class _Reading:
    """What one reading wants to see; a line that is not wanted is not decoded."""

    def wants(self, seq: int, line: bytes, /) -> bool:
        raise NotImplementedError


class _Lines:
    """Reads a journal, or a history, from its beginning.

    Attributes:
        first, last: `seq` of the first and the last line that could be read; 0: none.
        limit: `seq` of the last line that is to be read (None: all of them).
    """

    def __init__(self, journal: Path, progress: Progress) -> None:
        self.history = is_history(journal)
        self.first = self.last = 0
        self.limit: int | None = None
        self._journal = journal
        self._progress = progress

    def read(self, note: Callable[[e.Record], bool], reading: _Reading) -> JournalError | None:
        """Hand over what is wanted until `note` says that it is enough; the damage met, if any.

        Raises:
            JournalError: there is no journal, or it cannot be opened.
        """
        self.last = 0
        try:
            for record in self._records(reading):
                if self.limit is not None and record.seq > self.limit:
                    break
                self.first = self.first or record.seq
                self.last = max(self.last, record.seq)
                if not note(record):
                    break
        except JournalError as error:
            if not error.line:
                raise
            return None if self.last == self.limit else error
        return None

    def _records(self, reading: _Reading) -> Iterator[e.Record]:
        if self.history:
            yield from read_history(self._journal)
            return
        with JournalReader(self._journal) as reader:
            if not reader.exists():
                raise JournalError(f"no such journal: {self._journal}", line=0, byte=0)
            try:
                yield from reader.records(self._skip(reader, reading))
            finally:
                self.last = max(self.last, min(reader.last_seq, self.limit or reader.last_seq))

    def _skip(self, reader: JournalReader, reading: _Reading) -> Callable[[bytes], bool]:
        def skip(line: bytes) -> bool:
            seq = reader.last_seq + 1
            if self.limit is not None and seq > self.limit:
                return False  # which ends the reading
            if seq % _TOLD_EVERY == 0:
                self._progress(reader.share)
            return not reading.wants(seq, line)

        return skip


class _Ends(_Reading):
    """The time of the last line."""

    def __init__(self) -> None:
        self.ts = ""
        self._line = b""

    def wants(self, _: int, line: bytes) -> bool:
        self._line = line
        return False

    def note(self, record: e.Record) -> bool:
        self.ts, self._line = record.ts, b""
        return True

    def wall(self) -> int:
        found = _TS.search(self._line)
        return moment(found[1].decode() if found is not None else self.ts)


def _end(lines: _Lines) -> int:
    ends = _Ends()
    damage = lines.read(ends.note, ends)
    try:
        return ends.wall()
    except ValueError:
        raise damage or JournalError("it tells no time", line=0, byte=0) from None


# --- where the moments are -------------------------------------------------------------------


class _Want:
    """One moment that is sought: by `seq`, by time, by cycle; what has been found of it."""

    def __init__(
        self, *, seq: int | None = None, until: str = "", cycle: int | None = None
    ) -> None:
        self.until = until
        self.cycle = cycle
        self.at = seq
        self.passed = False
        self.place: Place | None = None

    def __bool__(self) -> bool:
        return self.at is not None or bool(self.until)


def _wanted(asked: Moment | Failed | None, end: int, zone: tzinfo | None) -> _Want:
    match asked:
        case Seq():
            return _Want(seq=asked.seq)
        case Edge():
            return _Want(seq=2**62 if asked.end else 0)
        case OfCycle():
            return _Want(cycle=asked.number)
        case Clock() | Age():
            return _Want(until=timestamp(wall_of(asked, end, zone)))
        case Failed() | None:
            return _Want()


class _Scan(_Reading):
    """The first reading: where cycles begin and end, and how."""

    def __init__(self, *wants: _Want) -> None:
        self.wants_ = wants
        self.failed: Place | None = None
        self._timed = [each for each in wants if each.until]
        self._open: Place | None = None
        self._good: Place | None = None
        self._in_row = False
        self._seq = 0

    def wants(self, seq: int, line: bytes) -> bool:
        for want in self._timed:
            if not want.passed:
                found = _TS.search(line, 0, HEAD)
                self._time(want, seq, "" if found is None else found[1].decode())
        self._seq = seq
        return _OF_CYCLES.search(line, 0, HEAD) is not None

    def note(self, record: e.Record) -> bool:
        for want in self._timed:
            if not want.passed:
                self._time(want, record.seq, record.ts)
        event = record.event
        match event:
            case e.SegmentOpened() if self._open is None:
                self._resume(record, event)
            case e.RunStarted():
                self._close(record.seq - 1, CRASHED)
            case e.CycleStarted():
                self._close(record.seq - 1, CRASHED)
                self._begin(record.cycle or 0, record.seq)
            case e.RunFinished():
                self._close(record.seq, CUT_OFF)
            case e.CycleFinished():
                self._close(record.seq, event.outcome, event.reason)
            case _:
                pass
        self._seq = record.seq
        return True

    def finish(self, last: int) -> None:
        """The journal is at its end."""
        self._close(last, "")

    @staticmethod
    def _time(want: _Want, seq: int, ts: str) -> None:
        if ts > want.until:
            want.passed = True
        else:
            want.at = seq

    def _resume(self, record: e.Record, event: e.SegmentOpened) -> None:
        try:
            cycle = view_of(event).cycle
        except ValueError:
            return
        if cycle is not None:
            self._begin(cycle.number, record.seq)

    def _begin(self, cycle: int, seq: int) -> None:
        self._open = Place(cycle, seq, seq, self._good)
        for want in self.wants_:
            if want and not want.passed and (want.until or seq <= (want.at or 0)):
                want.place = self._open

    def _close(self, seq: int, outcome: str, reason: str = "") -> None:
        opened, self._open = self._open, None
        if opened is None:
            return
        place = replace(opened, seq=seq)
        for want in self.wants_:
            if want.cycle == place.cycle:
                want.place = place
        if is_complete(outcome):
            self._good, self._in_row = place, False
        elif outcome and has_failed(outcome, reason):
            self.failed = self.failed if self._in_row else place
            self._in_row = True


def _places(scan: _Scan, pair: Pair, begin: int, end: int) -> tuple[Place, Place]:
    scan.finish(end)
    second = _place(scan, pair.second, scan.wants_[1], begin, end)
    if pair.first is not None:
        return _place(scan, pair.first, scan.wants_[0], begin, end), second
    if second.good is None:
        what = f"cycle {number(second.cycle)}" if second.cycle else "this moment"
        raise NoSuchMoment(
            f"no complete cycle lies before {what} to compare it with",
            f"name two moments, as in start..cycle:{second.cycle or 'N'}",
        )
    return second.good, second


def _place(scan: _Scan, asked: Moment | Failed, want: _Want, begin: int, end: int) -> Place:
    match asked:
        case Failed():
            if scan.failed is None:
                raise NoSuchMoment(
                    "no cycle of this journal failed", "name two moments, as in cycle:9..cycle:12"
                )
            return scan.failed
        case OfCycle():
            if want.place is None:
                raise NoSuchMoment(
                    f"there is no cycle {asked.number} in this journal",
                    "replay without --compare tells which cycles there are",
                )
            return want.place
        case Seq() if not begin <= asked.seq <= end:
            raise NoSuchMoment(
                f"there is no line with seq {asked.seq}", f"this journal holds {begin} to {end}"
            )
        case Edge():
            at = end if asked.end else begin
        case _ if want.at is None:
            raise NoSuchMoment(
                f"this journal begins after {clock(want.until)}", "start is its first moment"
            )
        case _:
            at = want.at
    if want.place is None:
        return Place(0, at, at)
    return replace(want.place, seq=at)


# --- what lies between -----------------------------------------------------------------------

_UNFOLDED = (
    *(e.InsightGenerated, e.InsightsUnchanged, e.InsightSkipped, e.InsightVanished),
    *(e.InsightRegressed, e.InsightCarriedForward, e.PathFailed, e.PathAbandoned),
    *(e.WorkersObserved, e.FolderListed, e.RetryScheduled, e.BucketReindexed),
)
"""What the views are not wanted for: the comparison counts it by itself."""


class _Told(_Reading):
    """The second reading: all from the beginning of the earlier moment's cycle on."""

    _unfolded: ClassVar = frozenset(_UNFOLDED)

    def __init__(self, first: int, second: int, begin: int, lines: _Lines) -> None:
        self._moments = (first, second)
        self._views: dict[int, View] = {}
        self._view = View()
        self._begin = begin
        self._comparing = Comparing(first, second, whole=not lines.history)

    def wants(self, seq: int, line: bytes) -> bool:
        return seq >= self._begin or OF_PATHS.search(line, 0, HEAD) is None

    def note(self, record: e.Record) -> bool:
        if record.seq > max(self._moments):
            self._comparing.note(record)
            return False
        if type(record.event) not in self._unfolded:
            self._view = apply(self._view, record)
        if record.seq in self._moments:
            now = When(record.ts, record.mono)
            self._views[record.seq] = replace(self._view, seq=record.seq, now=now)
        if record.seq >= self._begin:
            self._comparing.note(record)
        return True

    def comparison(self) -> Comparison:
        first, second = (self._views.get(seq, self._view) for seq in self._moments)
        return self._comparing.comparison(first, second)
