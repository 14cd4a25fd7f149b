"""Where the loop writes down what happened: the journal first, then everyone who is shown it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from vsync_sm.core.checkpoint import checkpoint
from vsync_sm.core.condensing import condensed
from vsync_sm.core.events import CycleFinished, Event, Record
from vsync_sm.core.machine import State
from vsync_sm.core.memory import Memory
from vsync_sm.core.view import View, apply
from vsync_sm.journal.writer import Journal

_IN_A_CYCLE = frozenset(map(str, (State.listing, State.working)))

Sink = Callable[[Record, View], None]
"""Gets each record, with the view after it, once it is in the journal's hands. Must not raise."""


class Ledger:
    """The journal, and the folds that are fed with it."""

    def __init__(
        self,
        journal: Journal,
        memory: Memory,
        view: View,
        sinks: Sequence[Sink],
        *,
        changes_only: bool = False,
    ) -> None:
        """`memory` and `view` have folded the journal so far.

        `changes_only`: unchanged insights are counted, and not told one by one.
        """
        self.memory = memory
        self.view = view
        self.cycle: int | None = None
        self._journal = journal
        self._sinks = sinks
        self._changes_only = changes_only

    def tell(self, *events: Event) -> None:
        """Write the events down, in the running cycle if there is one. Raises Fault(JOURNAL)."""
        told = condensed(events, self.memory.carried) if self._changes_only else events
        for event in told:
            self._show(self._journal.append(event, cycle=self.cycle))
            if isinstance(event, CycleFinished):
                self.cycle = None
        if self._journal.full and self._may_rotate():
            running = self.view.cycle.number if self.view.cycle is not None else None
            known = checkpoint(self.view, self.memory)
            self._show(self._journal.rotate(self.view.state.name, known, cycle=running))

    def _may_rotate(self) -> bool:
        # Not before the checks have passed, nor from a verdict to the end of its cycle, nor behind
        # the run's last word: who begins to read at a checkpoint must be able to check the rest.
        if self.view.ended is not None:
            return False
        name = self.view.state.name
        return name in _IN_A_CYCLE if self.view.cycle is not None else name == State.waiting

    def _show(self, record: Record) -> None:
        self.memory.note(record)
        self.view = apply(self.view, record)
        for sink in self._sinks:
            sink(record, self.view)

    def tell_synced(self, *events: Event) -> None:
        """The same, and return only when it lies on the disk."""
        self.tell(*events)
        self._journal.sync()

    def breathe(self, mono: int, *, idle: bool) -> None:
        """Flush what has waited long enough, or everything before an idle time."""
        if idle or self._journal.flush_due(mono):
            self._journal.flush()
