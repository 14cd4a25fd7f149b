"""The fault of a cycle whose deadline has passed: how far it came, and for whom it was waiting."""

from __future__ import annotations

from vsync_sm.core.errors import Fault, FaultKind
from vsync_sm.core.insight import NS
from vsync_sm.core.machine import State
from vsync_sm.core.pace import per_second
from vsync_sm.core.shapes import Cycle, View
from vsync_sm.core.stall import STALLED_S, asked_of, last_moved
from vsync_sm.core.words import count, duration, number

_SILENT = 0.25
"""Who gave no good answer for this share of the deadline was not slow, but away."""


def deadline_passed(view: View, mono: int) -> Fault:
    """The fault of the running cycle, at the moment when it is given up (`mono`, ns).

    The server that it names is the one that its phase asks: not a bad answer alone says so, for a
    frozen server gives none.
    """
    cycle = view.cycle
    if cycle is None or not cycle.phases:
        return Fault(FaultKind.DEADLINE, "the cycle's deadline has passed before it began")
    phase = cycle.phases[-1].name
    limit = duration(cycle.deadline_s)
    passed = f"the cycle's deadline of {limit} has passed {_where(cycle, phase)}"
    server = asked_of(cycle, phase)
    if not server:
        return Fault(
            FaultKind.DEADLINE,
            f"{passed}: the origin itself was slow, or was suspended",
            hint="Raise origin.timeout, or see what keeps this machine busy: no server was asked.",
            context={"phase": phase},
        )
    silent = (mono - last_moved(cycle)) / NS
    away = silent >= min(STALLED_S, cycle.deadline_s * _SILENT)
    if away:
        lasted = duration(round(silent) if silent >= STALLED_S else silent)
        waited = f"it was waiting for {server}, which gave no good answer for {lasted}"
        hint = f"See to {server}; if it is only slow, raise origin.timeout."
    else:
        waited = f"{server} answered, but too slowly{_rate(cycle, mono)}"
        hint = f"Raise origin.timeout or origin.numWorkers, or see why {server} is slow."
    seen = view.conditions.get(server)
    last = f" ({seen.message.rstrip('.')})" if seen is not None and seen.message else ""
    return Fault(
        FaultKind.DEADLINE,
        f"{passed}: {waited}{last}",
        hint=hint,
        context={"server": server, "phase": phase},
    )


def _where(cycle: Cycle, phase: str) -> str:
    """In which phase, and how far that had come."""
    tally = cycle.tally
    if phase == State.working and cycle.listed is not None:
        done = tally.generated + tally.skipped + tally.failed
        return f"while working, {number(done)} of {count(cycle.listed, 'path')} ended"
    if phase == State.saving:
        return "before the save began"
    if phase != State.listing:
        return f"while {phase}"
    if cycle.former is None:
        return "while listing, before the former sync info was read"
    if cycle.checked < len(cycle.mounts):
        mounts = count(len(cycle.mounts), "mount")
        return f"while listing, {number(cycle.checked)} of {mounts} checked"
    return f"while listing, after {count(tally.folders, 'folder')}"


def _rate(cycle: Cycle, mono: int) -> str:
    tally, phase = cycle.tally, cycle.phases[-1]
    done = tally.generated + tally.skipped + tally.failed
    seconds = (mono - phase.since.mono) / NS
    if phase.name != State.working or not done or seconds <= 0:
        return ""
    return f", with {per_second(done / seconds)}"
