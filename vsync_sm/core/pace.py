"""How far the running cycle is, and how fast: from the view and a moment."""

from __future__ import annotations

import msgspec

from vsync_sm.core.answer import Now, seconds_since
from vsync_sm.core.machine import State
from vsync_sm.core.shapes import Cycle


class Pace(msgspec.Struct, frozen=True):
    """A cycle's progress: paths and seconds; None where it cannot be known yet.

    `share` is of 1, `rate` in paths a second over the working phase, `eta_s` until the last path
    is read at that rate.
    """

    done: int
    listed: int | None
    share: float | None
    rate: float | None
    eta_s: float | None
    deadline_left_s: float
    took_s: float


def pace(cycle: Cycle, now: Now) -> Pace:
    """The pace of a cycle at a moment."""
    tally = cycle.tally
    done = tally.generated + tally.skipped + tally.failed
    took = seconds_since(cycle.started.mono, now)
    working = _working_s(cycle, now)
    rate = done / working if done and working else None
    left = None if cycle.listed is None else max(0, cycle.listed - done)
    return Pace(
        done=done,
        listed=cycle.listed,
        share=None if left is None or cycle.listed is None else 1 - left / (cycle.listed or 1),
        rate=rate,
        eta_s=left / rate if rate and left is not None else None,
        deadline_left_s=max(0.0, cycle.deadline_s - took),
        took_s=took,
    )


def _working_s(cycle: Cycle, now: Now) -> float:
    for phase in cycle.phases:
        if phase.name == State.working:
            return seconds_since(phase.since.mono, now) if phase.seconds is None else phase.seconds
    return 0.0
