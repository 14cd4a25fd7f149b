"""Where one can go in a journal from where one stands: each move gives a place, or says why not."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from tui.replay.past import Past
from vsync_sm.core.events import CycleStarted
from vsync_sm.core.insight import moment
from vsync_sm.core.marks import Kind
from vsync_sm.core.trails import resolve
from vsync_sm.core.words import clock, listing, printable

TROUBLE = (
    Kind.FAULT,
    Kind.REFUSAL,
    Kind.CRASH,
    Kind.CONTRADICTION,
    Kind.GAP,
    Kind.REPAIR,
    Kind.DAMAGE,
)
"""What one looks for in a bad night."""

_WORDS = {
    (Kind.TRANSITION,): "transition",
    (Kind.PHASE,): "phase",
    (Kind.CYCLE,): "cycle",
    (Kind.SAVE,): "save",
    TROUBLE: "fault",
}


class Spot(NamedTuple):
    """A place in the journal: the record `seq`, and so many ns after it."""

    seq: int
    passed: int = 0


class Nowhere(Exception):  # noqa: N818  it is no error
    """There is no such place; the message says what would do."""


Move = Callable[[Past, Spot], Spot]
"""From a place to another one. Raises Nowhere."""


def begin(past: Past, _: Spot) -> Spot:
    """The first record."""
    return Spot(past.first)


def end(past: Past, _: Spot) -> Spot:
    """The last record; while the journal is being indexed, the last that is known."""
    return Spot(past.last if past.ready(past.last) else past.known)


def step(way: int) -> Move:
    """One event forth (1) or back (-1)."""

    def move(past: Past, spot: Spot) -> Spot:
        if way < 0 and spot.passed:
            return Spot(spot.seq)
        if spot.seq + way < past.first:
            raise Nowhere("this is the first event of the journal")
        if spot.seq + way > past.last:
            raise Nowhere("this is the last event of the journal")
        if way > 0 and past.record_at(spot.seq + way) is None:  # some are missing
            return Spot(next((each.seq for each in past.records(spot.seq)), past.last))
        return Spot(spot.seq + way)

    return move


def to(way: int, *kinds: Kind) -> Move:
    """The next mark of these kinds (1), or the one before (-1)."""

    def move(past: Past, spot: Spot) -> Spot:
        mark = (past.following if way > 0 else past.preceding)(spot.seq, *kinds)
        if mark is None:
            where = "after" if way > 0 else "before"
            so_far = "" if past.share >= 1 else ", as far as it is indexed"
            if kinds == TROUBLE and way > 0 and not so_far:
                so_far = _open_end(past)
            raise Nowhere(f"there is no {_WORDS.get(kinds, kinds[0])} {where} this moment{so_far}")
        return Spot(mark.seq)

    return move


def _open_end(past: Past) -> str:
    """What is said of a journal whose last run has no end: that may be the trouble."""
    view = past.view_at(past.last)
    if view.run is None or view.ended is not None:
        return ""
    at = (
        view.state.name if view.cycle is None else f"{view.state.name} in cycle {view.cycle.number}"
    )
    return f", but no end either: the journal ends {at}; it still goes on, or it crashed"


def to_seq(seq: int) -> Move:
    """A record by its number."""

    def move(past: Past, _: Spot) -> Spot:
        if not past.first <= seq <= past.last:
            raise Nowhere(f"there is no #{seq}: the journal has #{past.first} to #{past.last}")
        return Spot(seq)

    return move


def to_time(wall_ns: int) -> Move:
    """A moment within the journal, ns since 1970."""

    def move(past: Past, _: Spot) -> Spot:
        first, last = past.record_at(past.first), past.record_at(past.last)
        if first is not None and wall_ns < moment(first.ts):
            raise Nowhere(f"the journal begins at {clock(first.ts)}: Home goes there")
        if last is not None and wall_ns > moment(last.ts):
            raise Nowhere(f"the journal ends at {clock(last.ts)}: End goes there")
        seq = past.seq_at(wall_ns)
        record = past.record_at(seq)
        if record is None or seq >= past.last:
            return Spot(seq)
        return Spot(seq, max(0, wall_ns - moment(record.ts)))

    return move


def to_path(given: str, stop: Callable[[], bool]) -> Move:
    """The next record that tells of a path, as people write it."""

    def move(past: Past, spot: Spot) -> Spot:
        mounts = _mounts(past, spot)
        meant = resolve(given, mounts)
        if not meant:
            raise Nowhere(
                f"{printable(given)} begins with none of the mounts {listing(list(mounts))}"
            )
        found = [past.following_path(spot.seq, path, stop) for path in meant]
        seq = min((each for each in found if each is not None), default=None)
        if seq is None:
            raise Nowhere(f"nothing is told of {printable(given)} after this moment")
        return Spot(seq)

    return move


def _mounts(past: Past, spot: Spot) -> tuple[str, ...]:
    """The mounts of the cycle at a place, or of the next one."""
    mark = past.preceding(spot.seq + 1, Kind.CYCLE) or past.following(spot.seq, Kind.CYCLE)
    record = past.record_at(mark.seq) if mark is not None else None
    event = record.event if record is not None else None
    return event.mounts if isinstance(event, CycleStarted) else ()


def to_cycle(number: int) -> Move:
    """Where a cycle begins."""

    def move(past: Past, _: Spot) -> Spot:
        low, high = past.first, past.last
        while low < high:  # their numbers only grow
            middle = (low + high) // 2
            mark = past.preceding(middle + 1, Kind.CYCLE)
            if mark is None or (mark.cycle or 0) < number:
                low = middle + 1
            else:
                high = middle
        mark = past.preceding(low + 1, Kind.CYCLE)
        if mark is None or mark.cycle != number:
            raise Nowhere(f"the journal does not tell where cycle {number} begins")
        return Spot(mark.seq)

    return move


def to_column(column: int, columns: int) -> Move:
    """A column of the position bar: the gravest mark in it, else where it begins."""

    def move(past: Past, _: Spot) -> Spot:
        start = past.first + -(-(past.last - past.first + 1) * column // columns)
        kind = past.gravest(columns)[column]
        mark = past.following(start - 1, kind) if kind is not None else None
        return Spot(min(mark.seq if mark is not None else start, past.last))

    return move
