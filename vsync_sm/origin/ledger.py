"""Where the loop writes down what happened: the journal first, then everyone who is shown it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import Any, Protocol, runtime_checkable

from vsync_sm.core.checkpoint import checkpoint
from vsync_sm.core.condensing import condensed
from vsync_sm.core.events import CycleFinished, Event, InsightGenerated, Record
from vsync_sm.core.machine import State
from vsync_sm.core.memory import Memory
from vsync_sm.core.view import Folded, View
from vsync_sm.journal.writer import Journal

_IN_A_CYCLE = frozenset(map(str, (State.listing, State.working)))

Sink = Callable[[Record, View], None]
"""Gets each record once it is in the journal's hands, with the view after it and all that was told
together with it. Must not raise."""


@runtime_checkable
class InsightSink(Protocol):
    """A sink that would rather have a row of insights, nearly all that there is, at once."""

    def insights(self, records: Sequence[Record], view: View) -> None:
        """Records that all hold an `InsightGenerated`: the same as one by one."""


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
        self.cycle: int | None = None
        self._fold = Folded(view)
        self._journal = journal
        self._sinks = sinks
        self._insight_sinks = [_in_rows(sink) for sink in sinks]
        self._changes_only = changes_only

    @property
    def view(self) -> View:
        """The run view after the last record."""
        return self._fold.view

    def tell(self, *events: Event) -> None:
        """Write the events down, in the running cycle if there is one. Raises Fault(JOURNAL)."""
        told = condensed(events, self.memory.carried) if self._changes_only else events
        for row, records in [self._written(*group) for group in groupby(told, _is_insight)]:
            self._show(records, insights=row)
        if self._journal.full and self._may_rotate():
            view = self.view
            running = view.cycle.number if view.cycle is not None else None
            known = checkpoint(view, self.memory)
            opened = self._journal.rotate(view.state.name, known, cycle=running)
            self._take(opened)
            self._show([opened], insights=False)

    def _written(self, insights: bool, events: Iterator[Any]) -> tuple[bool, list[Record]]:
        if not insights:
            return False, [self._written_alone(event) for event in events]
        records = self._journal.append_insights(list(events), cycle=self.cycle)
        self.memory.note_insights(records)
        self._fold.take_insights(records)
        return True, records

    def _written_alone(self, event: Event) -> Record:
        record = self._journal.append(event, cycle=self.cycle)
        if type(event) is CycleFinished:
            self.cycle = None
        self._take(record)
        return record

    def _take(self, record: Record) -> None:
        self.memory.note(record)
        self._fold.take(record)

    def _may_rotate(self) -> bool:
        # Not before the checks have passed, nor from a verdict to the end of its cycle, nor behind
        # the run's last word: who begins to read at a checkpoint must be able to check the rest.
        if self.view.ended is not None:
            return False
        name = self.view.state.name
        return name in _IN_A_CYCLE if self.view.cycle is not None else name == State.waiting

    def tell_synced(self, *events: Event) -> None:
        """The same, and return only when it lies on the disk."""
        self.tell(*events)
        self._journal.sync()

    def breathe(self, mono: int, *, idle: bool) -> None:
        """Flush what has waited long enough, or everything before an idle time."""
        if idle or self._journal.flush_due(mono):
            self._journal.flush()

    def _show(self, records: Sequence[Record], *, insights: bool) -> None:
        view = self.view
        if insights:
            for sink_row in self._insight_sinks:
                sink_row(records, view)
            return
        for record in records:
            for sink in self._sinks:
                sink(record, view)


def _is_insight(event: Event) -> bool:
    return type(event) is InsightGenerated


def _in_rows(sink: Sink) -> Callable[[Sequence[Record], View], None]:
    taker: object = sink
    if isinstance(taker, InsightSink):
        return taker.insights

    def one_by_one(records: Sequence[Record], view: View) -> None:
        for record in records:
            sink(record, view)

    return one_by_one
