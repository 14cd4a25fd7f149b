"""How far the running cycle is, and how fast: from the view and a moment."""

from __future__ import annotations

import msgspec

from vsync_sm.core.answer import Now, seconds_since
from vsync_sm.core.machine import State
from vsync_sm.core.shapes import Cycle
from vsync_sm.core.stall import Stall, stall
from vsync_sm.core.words import number


class Pace(msgspec.Struct, frozen=True):
    """A cycle's progress: paths and seconds; None where it cannot be known yet.

    `share` is of 1, `rate` in paths a second over the working phase, `eta_s` until the last path
    is read at that rate. While nothing moves (`stall`) there is neither.
    """

    done: int
    listed: int | None
    share: float | None
    rate: float | None
    eta_s: float | None
    deadline_left_s: float
    took_s: float
    stall: Stall | None = None


def per_second(rate: float) -> str:
    """A rate: `1 path a second`, `0.3 paths a second`, `1,234 paths a second`."""
    if rate < 0.1:
        said = f"{rate:.1g}"
    else:
        said = f"{rate:.1f}".removesuffix(".0") if rate < 10 else number(round(rate))
    return f"{said} {'path' if said == '1' else 'paths'} a second"


def pace(cycle: Cycle, now: Now) -> Pace:
    """The pace of a cycle at a moment."""
    tally = cycle.tally
    done = tally.generated + tally.skipped + tally.failed
    took = seconds_since(cycle.started.mono, now)
    working = _working_s(cycle, now)
    stalled = stall(cycle, now.mono)
    rate = done / working if done and working and stalled is None else None
    left = None if cycle.listed is None else max(0, cycle.listed - done)
    return Pace(
        done=done,
        listed=cycle.listed,
        share=None if left is None or cycle.listed is None else 1 - left / (cycle.listed or 1),
        rate=rate,
        eta_s=left / rate if rate and left is not None else None,
        deadline_left_s=max(0.0, cycle.deadline_s - took),
        took_s=took,
        stall=stalled,
    )


def _working_s(cycle: Cycle, now: Now) -> float:
    for phase in cycle.phases:
        if phase.name == State.working:
            return seconds_since(phase.since.mono, now) if phase.seconds is None else phase.seconds
    return 0.0
