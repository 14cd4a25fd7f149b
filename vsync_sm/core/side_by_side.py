"""The two cycles of a comparison beside each other, row by row, in words."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from vsync_sm.core.comparing import Comparison
from vsync_sm.core.cycle_seen import COUNTED, CycleSeen, WorkerSeen
from vsync_sm.core.differences import how_much_longer, slow_workers, standing_out
from vsync_sm.core.words import counts, duration, number, printable

NOTHING = "–"
"""Where a side has nothing to tell."""


class Row(msgspec.Struct, frozen=True):
    """One row: what is compared, both sides, and what is to be said of them.

    `stands_out`: it is what one should look at first.
    """

    name: str
    first: str
    second: str
    note: str = ""
    stands_out: bool = False


def titles(found: Comparison) -> tuple[str, str]:
    """The heads of the two columns: `cycle 9`, `cycle 10`."""
    one, other = (_title(side.cycle) for side in (found.first, found.second))
    return one, other


def _title(cycle: CycleSeen | None) -> str:
    return "no cycle" if cycle is None else f"cycle {number(cycle.number)}"


def rows(found: Comparison) -> tuple[Row, ...]:
    """Outcome, times, counts and workers of the two cycles; other people's text is `printable`."""
    one, other = found.first.cycle, found.second.cycle
    if one is None and other is None:
        return ()
    told = (*_outcome(one, other), *_phases(found), *_counts(one, other), *_workers(one, other))
    return tuple(_safe(each) for each in told)


def _safe(row: Row) -> Row:
    name, first, second, note = map(printable, (row.name, row.first, row.second, row.note))
    return Row(name, first, second, note, row.stands_out)


def _outcome(one: CycleSeen | None, other: CycleSeen | None) -> Iterator[Row]:
    yield Row("ended", _ended(one), _ended(other))
    took, taken = (NOTHING if each is None else duration(each.seconds) for each in (one, other))
    yield Row("took", took, taken)


def _seconds(seconds: float | None) -> str:
    return NOTHING if seconds is None else duration(seconds)


def _ended(cycle: CycleSeen | None) -> str:
    if cycle is None:
        return NOTHING
    reason = f" ({cycle.reason})" if cycle.reason and cycle.outcome != cycle.reason else ""
    outcome = cycle.outcome.replace("_", " ")
    return f"{outcome or ('given up' if reason else 'still running')}{reason}"


def _phases(found: Comparison) -> Iterator[Row]:
    most = standing_out(found)
    for each in found.phases:
        first, second = _seconds(each.first), _seconds(each.second)
        yield Row(each.name, first, second, how_much_longer(each), stands_out=each is most)


def _listed(cycle: CycleSeen | None) -> str:
    return NOTHING if cycle is None or cycle.listed is None else number(cycle.listed)


def _counts(one: CycleSeen | None, other: CycleSeen | None) -> Iterator[Row]:
    yield Row("listed", _listed(one), _listed(other))
    for name in COUNTED:
        was, now = (0 if each is None else each.counts.get(name, 0) for each in (one, other))
        if was or now:
            yield Row(name, number(was), number(now))
    retries = [{} if each is None else each.retries for each in (one, other)]
    if any(retries):
        yield Row("retries", counts(retries[0]) or "0", counts(retries[1]) or "0")
    asked = [None if each is None else each.requests for each in (one, other)]
    if asked != [None, None]:
        first, second = (
            NOTHING if each is None else f"{number(each.vault)} / {number(each.consul)}"
            for each in asked
        )
        yield Row("requests", first, second, "to Vault / to Consul")


def _workers(one: CycleSeen | None, other: CycleSeen | None) -> Iterator[Row]:
    known = [{} if each is None else {w.number: w for w in each.workers} for each in (one, other)]
    if known[0] or known[1]:
        much, more = (NOTHING if not each else number(len(each)) for each in known)
        yield Row("workers", much, more, "paths each × mean time")
    slow = frozenset(each.number for each in slow_workers(other)) if other is not None else ()
    for n in sorted(known[0].keys() | known[1].keys()):
        one_, other_ = (each.get(n) for each in known)
        note = _longest(one_, other_)
        if n in slow:
            note = f"slow: {note}"
        yield Row(f"worker {n}", _worker(one_), _worker(other_), note, stands_out=n in slow)


def _worker(worker: WorkerSeen | None) -> str:
    if worker is None:
        return NOTHING
    mean = "" if worker.mean_s is None else f" × {duration(worker.mean_s)}"
    return f"{number(worker.paths)}{mean}"


def _longest(one: WorkerSeen | None, other: WorkerSeen | None) -> str:
    """How long a path held it at most, where one held it for long enough to be seen."""
    told = []
    if other is not None and other.slowest:
        told.append(f"at most {duration(other.slowest_s)}")
    if one is not None and one.slowest:
        told.append(f"before at most {duration(one.slowest_s)}")
    return ", ".join(told)
