"""The machine: one table of states, triggers and destinations, and nothing beside it.

`transitions` is built from the table, and so are the diagram and the documentation. The
machine does no I/O and belongs to one thread: the loop judges first, then pulls one trigger.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from enum import StrEnum
from typing import NamedTuple

import transitions


class State(StrEnum):
    """Where the run is. Names equal values, as `transitions` wants them."""

    checking = "checking"
    waiting = "waiting"
    listing = "listing"
    working = "working"
    reindexing = "reindexing"
    saving = "saving"
    aborted = "aborted"
    halted = "halted"


class Trigger(StrEnum):
    """What moves the machine."""

    checks_passed = "checks_passed"
    tick = "tick"
    listed = "listed"
    worked = "worked"
    reindexed = "reindexed"
    saved = "saved"
    abort = "abort"
    recovered = "recovered"
    halt = "halt"


class Reason(StrEnum):
    """Why a cycle was aborted, or the run halted."""

    timeout = "timeout"
    signal = "signal"
    fault = "fault"
    fatal = "fatal"
    refused = "refused"
    operator = "operator"
    once = "once"


class Row(NamedTuple):
    """One row of the table."""

    trigger: Trigger
    source: State
    dest: State


# It warns of every helper that it does not bind over the typed ones below.
logging.getLogger("transitions.core").setLevel(logging.ERROR)

INITIAL = State.checking
FINAL = State.halted
CYCLE = (State.listing, State.working, State.reindexing, State.saving)
"""The phases of a cycle, in their order."""

TABLE: tuple[Row, ...] = (
    Row(Trigger.checks_passed, State.checking, State.waiting),
    Row(Trigger.halt, State.checking, State.halted),
    Row(Trigger.tick, State.waiting, State.listing),
    Row(Trigger.halt, State.waiting, State.halted),
    Row(Trigger.listed, State.listing, State.working),
    Row(Trigger.abort, State.listing, State.aborted),
    Row(Trigger.worked, State.working, State.reindexing),
    Row(Trigger.abort, State.working, State.aborted),
    Row(Trigger.reindexed, State.reindexing, State.saving),
    Row(Trigger.abort, State.reindexing, State.aborted),
    Row(Trigger.saved, State.saving, State.waiting),
    Row(Trigger.abort, State.saving, State.aborted),
    Row(Trigger.recovered, State.aborted, State.waiting),
    Row(Trigger.halt, State.aborted, State.halted),
)


class IllegalTrigger(Exception):  # noqa: N818  it is what it says
    """A trigger that the state does not take. The state is as it was."""

    def __init__(self, trigger: str, state: State) -> None:
        super().__init__(f"{state} does not take {trigger}")
        self.trigger = trigger
        self.state = state


class Machine:
    """The `transitions` machine over `TABLE`, given typed."""

    def __init__(self, state: State = INITIAL) -> None:
        self._model = _Model()
        self._machine = transitions.Machine(
            model=self._model,
            states=[str(each) for each in State],
            transitions=[list(map(str, row)) for row in TABLE],
            initial=str(state),
            auto_transitions=False,
            model_override=True,
        )

    @property
    def state(self) -> State:
        """The current state."""
        return State(self._model.state)

    def pull(self, trigger: str) -> Row:
        """Pull one trigger and return the row that was taken.

        Raises:
            IllegalTrigger: this state does not take it; nothing has changed.
        """
        source = self.state
        try:
            self._model.trigger(trigger)
        except (transitions.MachineError, AttributeError):
            raise IllegalTrigger(trigger, source) from None
        return Row(Trigger(trigger), source, self.state)


class _Model:
    """What `transitions` needs to see; it fills both in."""

    state: str

    def trigger(self, trigger: str) -> bool:
        raise NotImplementedError


def diagram() -> str:
    """The table as a Mermaid state diagram, for the docs."""
    return "\n".join(_diagram_lines()) + "\n"


def _diagram_lines() -> Iterator[str]:
    yield "stateDiagram-v2"
    yield f"    [*] --> {INITIAL}"
    for row in TABLE:
        yield f"    {row.source} --> {row.dest}: {row.trigger}"
    yield f"    {FINAL} --> [*]"
