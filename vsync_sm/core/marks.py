"""What in a journal one wants to get to: of each record, the marks that stand at it.

Whether a record is marked, and with what words, follows from it and from the view before it.
Contradictions and damage do not: they are the audit's and the reader's.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum
from operator import le
from typing import Any, Self

import msgspec
from msgspec.structs import replace

from vsync_sm.core import events as e
from vsync_sm.core.errors import FaultKind
from vsync_sm.core.insight import NS, moment
from vsync_sm.core.lateness import deadline_passed
from vsync_sm.core.machine import CYCLE, Reason, Trigger
from vsync_sm.core.sentences import sentence
from vsync_sm.core.shapes import View
from vsync_sm.core.words import count, duration

SILENCE_S = 300.0
"""A journal in which nothing is written for so long has a gap; or for three ticks, if longer."""

LEAP_S = 60.0
"""The wall clock has leapt when it and `mono` differ by so much from one record to the next."""

MOST = 1_000_000
"""So many marks are kept; see `Marks`."""

_LEAP_NS = int(LEAP_S * NS)


class Kind(StrEnum):
    """What a mark stands for, from the least to the gravest; the screen's words."""

    TRANSITION = "transition"
    PHASE = "phase"
    CYCLE = "cycle"
    SAVE = "save"
    RUN = "run"
    GAP = "gap"
    REPAIR = "repair"
    REFUSAL = "refusal"
    CRASH = "crash"
    FAULT = "fault"
    CONTRADICTION = "contradiction"
    DAMAGE = "damage"


KINDS = tuple(Kind)
"""From the least to the gravest."""

_NUMBER = {kind: number for number, kind in enumerate(KINDS)}
_THINNED = (Kind.TRANSITION, Kind.PHASE, Kind.CYCLE, Kind.SAVE, Kind.RUN, Kind.REFUSAL)


class Mark(msgspec.Struct, frozen=True):
    """A place in a journal, and why one wants to get there."""

    kind: Kind
    seq: int
    ts: str
    cycle: int | None
    words: str


# --- which there are -------------------------------------------------------------------------


def kinds_at(before: View, record: e.Record, *, history: bool = False) -> tuple[Kind, ...]:
    """The kinds of marks at a record.

    Args:
        before: the view that all records before it have come to.
        record: the one that is asked about.
        history: lines are missing everywhere, and by intent: it has no gaps.
    """
    find = _FOUND.get(type(record.event))
    found = find(before, record.event) if find is not None else ()
    now = before.now
    # Asked of each record: what is none for certain is passed over in no time. Who stays within
    # one minute by both clocks has neither leapt nor been silent.
    if (
        record.seq == before.seq + 1
        and record.mono - now.mono < _LEAP_NS
        and record.ts.startswith(now.ts[:16])
    ):
        return found
    if not history and before.seq and gap(before, record):
        return (*found, Kind.GAP)
    return found


def mark(kind: Kind, before: View, record: e.Record) -> Mark:
    """The mark of that kind at a record: it is one of `kinds_at`."""
    if kind is Kind.GAP:
        words = gap(before, record)
    elif kind is Kind.CRASH and isinstance(record.event, e.RunStarted):
        words = _crash(before)
    elif kind is Kind.FAULT and isinstance(record.event, e.Transitioned):
        words = sentence(replace(record, event=_late(before, record)))
    else:
        words = sentence(record)
    return Mark(kind, record.seq, record.ts, record.cycle, words)


def _move(before: View, event: e.Transitioned) -> tuple[Kind, ...]:
    begins = event.dest in _PHASES and event.dest != event.source
    if event.trigger == Trigger.abort and event.reason == Reason.timeout and _untold(before):
        return (Kind.TRANSITION, Kind.FAULT)
    return (Kind.TRANSITION, Kind.PHASE) if begins else (Kind.TRANSITION,)


def _untold(before: View) -> bool:
    """Whether no fault says that the cycle's deadline passed: the first origins told of none."""
    cycle, last = before.cycle, before.faults[-1:]
    if cycle is None:
        return False
    told = [*cycle.faults, *(seen.event for seen in last if seen.cycle == cycle.number)]
    return all(fault.kind != FaultKind.DEADLINE.word for fault in told)


def _late(before: View, record: e.Record) -> e.FaultRaised:
    fault = deadline_passed(before, record.mono)
    return e.FaultRaised(
        kind=fault.kind.word,
        fatal=fault.fatal,
        message=fault.message,
        hint=fault.hint,
        context=dict(fault.context),
    )


def _postponed(before: View, event: e.ChecksPostponed) -> tuple[Kind, ...]:
    # They are tried again and again: only what they wait for anew is news.
    known = before.postponed.event if before.postponed is not None else None
    same = known is not None and (known.server, known.kind) == (event.server, event.kind)
    return () if same else (Kind.FAULT,)


def _run(before: View, _: e.RunStarted) -> tuple[Kind, ...]:
    return (Kind.RUN, Kind.CRASH) if _crashed(before) else (Kind.RUN,)


def _recovered(before: View, event: e.RunRecovered) -> tuple[Kind, ...]:
    # Mostly the crash is marked where the next run begins; not where that is all one can read.
    known = before.runs > 1 and any(each.run == event.crashed_run for each in before.last_crashes)
    begun = before.run is not None and before.runs > 1
    return () if known or begun else (Kind.CRASH,)


def _crashed(before: View) -> bool:
    return before.run is not None and before.ended is None


def _crash(before: View) -> str:
    run = before.run.id if before.run is not None else ""
    where = f" in cycle {before.cycle.number}" if before.cycle is not None else ""
    save = before.open_save is not None and before.open_save.run == run
    return sentence(
        e.RunRecovered(
            crashed_run=run,
            state=before.state.name,
            open_cycle=before.cycle.number if where and before.cycle is not None else None,
            open_save=save,
        )
    )


_PHASES = frozenset(map(str, CYCLE))
_FOUND: dict[type, Callable[[View, Any], tuple[Kind, ...]]] = {
    e.Transitioned: _move,
    e.RunStarted: _run,
    e.RunRecovered: _recovered,
    e.CycleStarted: lambda _, __: (Kind.CYCLE,),
    e.SaveCommitted: lambda _, __: (Kind.SAVE,),
    e.SaveFailed: lambda _, __: (Kind.SAVE,),
    e.SaveUncertain: lambda _, __: (Kind.SAVE,),
    e.SaveReconciled: lambda _, __: (Kind.SAVE,),
    e.SaveRefused: lambda _, __: (Kind.REFUSAL,),
    e.FaultRaised: lambda _, __: (Kind.FAULT,),
    e.ChecksPostponed: _postponed,
    e.JournalRepaired: lambda _, __: (Kind.REPAIR,),
}


# --- gaps ------------------------------------------------------------------------------------


def gap(before: View, record: e.Record) -> str:
    """What lies between a record and those before it that should not, in words ("": nothing)."""
    missing = record.seq - before.seq - 1
    if missing > 0:
        return f"{count(missing, 'line')} before this one {'is' if missing == 1 else 'are'} missing"
    wall = (wall_or_zero(record.ts) - wall_or_zero(before.now.ts)) / NS
    if before.run is not None and before.run.id == record.run:
        mono = (record.mono - before.now.mono) / NS
        if abs(wall - mono) >= LEAP_S:
            where = "forward" if wall > mono else "back"
            return f"the wall clock leapt {where} by {duration(abs(round(wall - mono)))}"
        if mono >= max(SILENCE_S, 3 * before.run.tick_s):
            why = f", paused by {before.pause.by}" if before.pause is not None else ""
            return f"nothing was written for {duration(round(mono))}{why}"
    elif wall >= SILENCE_S:
        return f"no origin wrote here for {duration(round(wall))}"
    elif wall <= -LEAP_S:
        return f"the wall clock went back by {duration(round(-wall))} between two runs"
    return ""


def wall_or_zero(ts: str) -> int:
    """A record's time as nanoseconds since 1970; 0 where it is none."""
    try:
        return moment(ts)
    except ValueError:
        return 0


# --- all of them -----------------------------------------------------------------------------


class Marks:
    """Where the marks of a journal stand, nine bytes each.

    Past `MOST` every second one of the most frequent kind goes, and so on: of gaps, repairs,
    crashes, faults, contradictions and damage only where hardly anything else is left. So many are
    three months of a cycle a minute.
    """

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._seqs = array("Q")
        self._kinds = array("B")

    def __len__(self) -> int:
        return len(self._seqs)

    def add(self, seq: int, kinds: Iterable[Kind]) -> None:
        """More marks, at the last seq so far or behind it."""
        for kind in kinds:
            self._seqs.append(seq)
            self._kinds.append(_NUMBER[kind])
        if len(self._seqs) > self._most:
            self._thin()

    def following(self, seq: int, kinds: Iterable[Kind]) -> tuple[int, Kind] | None:
        """The next mark of these kinds behind `seq`: where, and which; of several, the gravest."""
        return self._first(range(bisect_right(self._seqs, seq), len(self._seqs)), kinds)

    def preceding(self, seq: int, kinds: Iterable[Kind]) -> tuple[int, Kind] | None:
        """The last one before `seq`."""
        return self._first(range(bisect_left(self._seqs, seq) - 1, -1, -1), kinds)

    def _first(self, places: range, kinds: Iterable[Kind]) -> tuple[int, Kind] | None:
        wanted = {_NUMBER[kind] for kind in kinds}
        at = next((at for at in places if self._kinds[at] in wanted), None)
        if at is None:
            return None
        seq = self._seqs[at]
        start, stop = bisect_left(self._seqs, seq), bisect_right(self._seqs, seq)
        return seq, KINDS[max(wanted.intersection(self._kinds[start:stop]))]

    def of(self, kind: Kind) -> Iterator[int]:
        """The seqs of the marks of one kind."""
        wanted = _NUMBER[kind]
        return (self._seqs[at] for at, each in enumerate(self._kinds) if each == wanted)

    def gravest(self, first: int, last: int, columns: int) -> list[Kind | None]:
        """The gravest mark in each of so many equal columns of the seqs from `first` to `last`."""
        found: list[Kind | None] = []
        span = last - first + 1
        stop = bisect_left(self._seqs, first)
        for column in range(1, columns + 1):
            end = first + -(-span * column // columns)
            start, stop = stop, bisect_left(self._seqs, end, stop)
            worst = max(self._kinds[start:stop], default=None)
            found.append(None if worst is None else KINDS[worst])
        return found

    def packed(self) -> tuple[bytes, bytes]:
        """All of them in bytes: where they are, and which."""
        return self._seqs.tobytes(), self._kinds.tobytes()

    @classmethod
    def unpacked(cls, seqs: bytes, kinds: bytes) -> Self:
        """They again. Raises ValueError: these are none."""
        marks = cls()
        marks._seqs.frombytes(seqs)
        marks._kinds.frombytes(kinds)
        rising = all(map(le, marks._seqs, marks._seqs[1:]))
        if len(marks._seqs) != len(kinds) or max(kinds, default=0) >= len(KINDS) or not rising:
            raise ValueError("these are no marks")
        return marks

    def cut(self, seq: int) -> None:
        """Forget those behind `seq`."""
        at = bisect_right(self._seqs, seq)
        del self._seqs[at:], self._kinds[at:]

    def _thin(self) -> None:
        counts = [self._kinds.count(number) for number in range(len(KINDS))]
        often = max((_NUMBER[kind] for kind in _THINNED), key=counts.__getitem__)
        if counts[often] < len(self._kinds) // 8:
            often = counts.index(max(counts))
        keep: list[int] = []
        odd = False
        for at, kind in enumerate(self._kinds):
            odd ^= kind == often
            if kind != often or odd:
                keep.append(at)
        self._seqs = array("Q", (self._seqs[at] for at in keep))
        self._kinds = array("B", (self._kinds[at] for at in keep))
