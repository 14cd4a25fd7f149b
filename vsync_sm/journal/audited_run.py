"""One run as the audit knows it, and what its transitions give as their reasons."""

from __future__ import annotations

from collections.abc import Iterator

from vsync_sm.core import events as e
from vsync_sm.core.machine import INITIAL, Machine, Reason, State, Trigger
from vsync_sm.journal.sums import CycleSums

_GIVES_REASON = frozenset((Trigger.abort, Trigger.halt))

CODES: dict[str, set[int]] = {
    Reason.signal: {0},
    Reason.operator: {0},
    Reason.fatal: {1},
    Reason.once: {0, 3},
}
"""The exit codes that are due when a run halted for a reason."""


class Run:
    """What of a run later lines are held against."""

    def __init__(self, run: str, mono: int, *, once: bool = False, state: State = INITIAL) -> None:
        self.id = run
        self.mono = mono
        self.once = once
        self.machine = Machine(state)
        self.state = self.machine.state
        self.moved = False
        self.tries = 0
        self.outcome = ""
        self.begun = False
        self.cycle: CycleSums | None = None
        self.last_cycle: int | None = None
        self.fatal = False
        self.stop = False
        self.again = 0
        self.halted_for = ""
        self.finished = False


def within(run: Run, event: e.Transitioned) -> Iterator[str]:
    """What is wrong with where a transition stands: a cycle has begun, or is over."""
    if event.trigger in {Trigger.tick, Trigger.abort} and run.cycle is None:
        yield f"{event.trigger} without a cycle"
    over = event.trigger == Trigger.recovered or (
        event.trigger == Trigger.halt and event.source == State.aborted
    )
    if over and run.cycle is not None:
        yield f"{event.trigger} before cycle {run.cycle.number} is finished"


def reasons(run: Run, event: e.Transitioned, *, operator: bool) -> Iterator[str]:
    """What is wrong with the reason that a transition gives, or does not give."""
    if event.trigger not in _GIVES_REASON:
        if event.reason:
            yield f"{event.trigger} has a reason: {event.reason}"
        return
    if not event.reason:
        yield f"{event.trigger} has no reason"
    cycle = run.cycle
    caused: dict[str, bool] = {
        Reason.fatal: run.fatal,
        Reason.signal: run.stop,
        Reason.operator: operator,
        Reason.once: run.once,
        Reason.refused: cycle is not None and cycle.save_end == "refused",
        Reason.fault: cycle is not None
        and (cycle.faults or cycle.save_end in {"failed", "uncertain"}),
    }
    if not caused.get(event.reason, True):
        yield f"{event.trigger} for the reason {event.reason}, of which nothing is told before"
