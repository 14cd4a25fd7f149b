"""Which facts of a journal make its story, gathered by run and cycle.

It yields items, in the order in which they are told; `telling` puts them into words or JSON.
What a cycle's item holds is bounded, however many paths it had.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Literal

import msgspec
from msgspec.structs import replace

from vsync_sm.core import events as e
from vsync_sm.core.insight import NS
from vsync_sm.core.shapes import Finished, Outcomes, Pause, View
from vsync_sm.journal.audit import Contradiction
from vsync_sm.journal.onward import Onward

PER_TYPE = 10
"""So many events of one type a cycle are told one by one; the others are counted."""

_IN_BRIEF = (
    *(e.FaultRaised, e.PathFailed, e.PathAbandoned, e.InsightCarriedForward, e.InsightRegressed),
    *(e.SaveCommitted, e.SaveRefused, e.SaveFailed, e.SaveUncertain, e.SaveReconciled),
    *(e.AllowanceGranted, e.AllowanceSpent, e.SignalReceived, e.CommandReceived, e.Notified),
    *(e.TickerPaused, e.TickerResumed, e.ServerConditionChanged, e.StatusFailed, e.StatusWritten),
    *(e.TriggerIgnored, e.LateResultDropped, e.RunFinished, e.Unknown),
)
_UNTOLD_TRIGGERS = frozenset(("tick", "listed", "worked", "reindexed", "saved", "recovered"))


class Told(msgspec.Struct, frozen=True):
    """One event that is told by itself."""

    line: int
    record: e.Record


class RunHead(msgspec.Struct, frozen=True):
    """A run begins; `first`: no other has been told before it, `pause`: the one that stands."""

    line: int
    record: e.Record
    event: e.RunStarted
    first: bool
    pause: Pause | None = None


class Resumed(msgspec.Struct, frozen=True):
    """The journal's first files are gone: it begins with this line.

    `runs` and `cycles` were begun before it; `cycle` is the one that goes on, None: none does.
    """

    line: int
    record: e.Record
    event: e.SegmentOpened
    runs: int
    cycles: int
    cycle: int | None


class RunTail(msgspec.Struct, frozen=True):
    """A run ends: by itself (`finished`), without a word (`crashed`), or not yet (`open`)."""

    run: str
    how: Literal["finished", "crashed", "open"]
    state: str
    cycle: int | None = None
    save: bool = False


class CycleTold(msgspec.Struct, frozen=True):
    """A cycle with what is worth telling of it; `finished` is None for one that was cut short.

    `retries` counts by kind, `left_out` by type what was too much to tell one by one. `phases` are
    its phases in seconds, as far as it came. `detail`: its events have been told before it.
    """

    line: int
    run: str
    number: int
    asked: str
    started: str
    finished: Finished | None
    state: str
    entries: tuple[Told | Contradiction, ...]
    retries: dict[str, int]
    left_out: dict[str, int]
    phases: dict[str, float] = {}
    detail: bool = False


class Damage(msgspec.Struct, frozen=True):
    """Here the journal cannot be read any further; `file` is named where there are several.

    `onward`: what stands behind it and can be told.
    """

    line: int
    byte: int
    what: str
    file: str = ""
    onward: Onward | None = None


class Close(msgspec.Struct, frozen=True):
    """The last word: how much was read, and what contradicted; `checked`: it was looked for.

    `early`: the file that was being written is gone, and with it what came last.
    """

    records: int
    runs: int
    cycles: int
    outcomes: Outcomes
    contradictions: tuple[Contradiction, ...]
    untold: int
    ok: bool
    checked: bool = True
    early: bool = False


Item = RunHead | Resumed | Told | CycleTold | RunTail | Contradiction | Damage | Close


class _Chapter:
    """The cycle that is being gathered."""

    def __init__(self, line: int, run: str, number: int, asked: str, started: str) -> None:
        self.line = line
        self.run = run
        self.number = number
        self.asked = asked
        self.started = started
        self.entries: list[Told | Contradiction] = []
        self.retries: Counter[str] = Counter()
        self.left_out: Counter[str] = Counter()
        self._seen: Counter[str] = Counter()

    def note(self, line: int, record: e.Record) -> None:
        event = record.event
        if isinstance(event, e.RetryScheduled):
            self.retries[event.kind] += 1
        elif isinstance(event, _IN_BRIEF) or _stops(event):
            self._seen[event.type] += 1
            if self._seen[event.type] <= PER_TYPE:
                self.entries.append(Told(line, record))
            else:
                self.left_out[event.type] += 1

    def cut_short(self, view: View) -> CycleTold:
        """It has no end; `view` is the last one that knew of it."""
        return self._told(0, view, None, _reached(view, self.number))

    def over(self, line: int, view: View, finished: Finished | None) -> CycleTold:
        """It has ended, in this line; None: how, its own file of a history tells."""
        phases = finished.phases if finished is not None else {}
        return self._told(line, view, finished, phases)

    def _told(
        self, line: int, view: View, finished: Finished | None, phases: dict[str, float]
    ) -> CycleTold:
        return CycleTold(
            line=line,
            run=self.run,
            number=self.number,
            asked=self.asked,
            started=self.started,
            finished=finished,
            state=view.state.name,
            entries=tuple(self.entries),
            retries=dict(sorted(self.retries.items())),
            left_out=dict(sorted(self.left_out.items())),
            phases=phases,
        )


def _reached(view: View, number: int) -> dict[str, float]:
    """The phases of the cycle that goes on, seconds each, as far as it came."""
    cycle = view.cycle
    if cycle is None or cycle.number != number:
        return {}
    return {
        each.name: (view.now.mono - each.since.mono) / NS if each.seconds is None else each.seconds
        for each in cycle.phases
    }


class Story:
    """Fed with every record and the view after it; yields what is to be told by now.

    Args:
        cycle: tell this cycle alone, event by event; None: all of it, cycle by cycle.
    """

    def __init__(self, cycle: int | None = None) -> None:
        self._only = cycle
        self._head: RunHead | None = None
        self._chapter: _Chapter | None = None
        self._run = ""
        self._told_run = False
        self._told_runs = 0
        self._troubled: set[str] = set()
        self._waited_for = ("", "")
        self.found = cycle is None

    def may_tell(self, record: e.Record) -> bool:
        """Whether there may be anything to tell of a record: of the others `note` need not hear."""
        if type(record.event) not in _UNTOLD:
            return True
        return self._only is not None and record.cycle == self._only

    def note(self, line: int, record: e.Record, view: View, before: View) -> Iterator[Item]:
        """What is to be told after one more record; `view` has it folded in, `before` not yet."""
        event = record.event
        if isinstance(event, e.RunStarted):
            yield from self._run_started(line, record, event, before)
            return
        if isinstance(event, e.SegmentOpened):
            yield from self._segment_opened(line, record, event, view, first=not before.seq)
            return
        if isinstance(event, e.CycleStarted):
            yield from self._cycle_started(line, record, event, view, before)
        if self._news(event):
            yield from self._tell(line, record)
        if isinstance(event, e.CycleFinished):
            yield from self._cycle_finished(line, record, view)
        if isinstance(event, e.RunFinished):
            yield from self._run_over(view, "finished")

    def contradiction(self, found: Contradiction) -> Iterator[Item]:
        """A contradiction, where it stands."""
        if self._chapter is not None and self._only is None:
            self._chapter.entries.append(found)
        else:
            yield found

    def finish(self, view: View) -> Iterator[Item]:
        """What is left to tell after the last record."""
        if self._run and view.ended is None:
            yield from self._run_over(view, "open")

    # --- runs ---

    def _run_started(
        self, line: int, record: e.Record, event: e.RunStarted, before: View
    ) -> Iterator[Item]:
        if self._run and before.ended is None:
            yield from self._run_over(before, "crashed")
        self._run, self._told_run = record.run, False
        self._troubled, self._waited_for = set(), ("", "")
        self._head = RunHead(line, record, event, first=not self._told_runs, pause=before.pause)
        if self._only is None:
            yield from self._open_run()

    def _segment_opened(
        self, line: int, record: e.Record, event: e.SegmentOpened, view: View, *, first: bool
    ) -> Iterator[Item]:
        if not first or record.seq == 1:
            return  # where one file of the journal ends and another begins is nobody's story
        cycle = view.cycle
        number = None if cycle is None else cycle.number
        yield Resumed(line, record, event, view.runs, view.last_cycle, number)
        if view.ended is None:
            self._run, self._told_run = record.run, True
        self._told_runs = view.runs
        if cycle is not None:
            self._chapter = _Chapter(line, record.run, cycle.number, cycle.asked, cycle.started.ts)
            self.found = self.found or self._only == cycle.number

    def _open_run(self) -> Iterator[Item]:
        if self._head is not None:
            yield self._head
            self._told_runs += 1
        self._head, self._told_run = None, True

    def _run_over(self, view: View, how: Literal["finished", "crashed", "open"]) -> Iterator[Item]:
        chapter, self._chapter = self._chapter, None
        cut_short = chapter is not None and self._only in {None, chapter.number}
        if chapter is not None and cut_short:
            yield chapter.cut_short(view)
        if self._told_run and (self._only is None or cut_short):
            yield RunTail(
                run=self._run,
                how=how,
                state=view.state.name,
                cycle=None if chapter is None else chapter.number,
                save=view.open_save is not None and view.open_save.run == self._run,
            )
        self._run, self._told_run = "", False

    # --- cycles ---

    def _news(self, event: e.Event | e.Unknown) -> bool:
        """Whether it is more than what was told before.

        That a server answers is worth telling after trouble; that the checks are tried again, only
        when they wait for something else.
        """
        if isinstance(event, e.ChecksPostponed):
            before, self._waited_for = self._waited_for, (event.server, event.kind)
            return before != self._waited_for
        if not isinstance(event, e.ServerConditionChanged):
            return True
        if event.condition != "answering":
            self._troubled.add(event.server)
            return True
        was, self._troubled = self._troubled, self._troubled - {event.server}
        return event.server in was

    def _cycle_started(
        self, line: int, record: e.Record, event: e.CycleStarted, view: View, before: View
    ) -> Iterator[Item]:
        number = record.cycle or view.last_cycle
        if self._chapter is not None and self._only is None:
            yield self._chapter.cut_short(before)
        self._chapter = _Chapter(line, record.run, number, event.asked, record.ts)
        if self._only == number:
            self.found = True
            yield from self._open_run()

    def _tell(self, line: int, record: e.Record) -> Iterator[Item]:
        if self._only is not None:
            if record.cycle == self._only and self.found and _in_detail(record.event):
                yield Told(line, record)
        elif self._chapter is not None:
            self._chapter.note(line, record)
        elif _outside(record.event):
            yield Told(line, record)

    def _cycle_finished(self, line: int, record: e.Record, view: View) -> Iterator[Item]:
        chapter, self._chapter = self._chapter, None
        if chapter is None and self._only in {None, record.cycle}:
            self.found = True
            yield Told(line, record)  # its beginning stands in another file of a history
        if chapter is None or self._only not in {None, chapter.number}:
            return
        last = view.history[-1] if view.history else None
        finished = last if last is not None and last.number == chapter.number else None
        told = chapter.over(line, view, finished)
        yield told if self._only is None else replace(told, detail=True)


_UNTOLD = frozenset(
    (
        *(e.InsightGenerated, e.InsightsUnchanged, e.InsightSkipped, e.InsightVanished),
        *(e.FolderListed, e.MountChecked, e.WorkerStarted, e.WorkersObserved, e.BucketReindexed),
    )
)


def _in_detail(event: e.Event | e.Unknown) -> bool:
    """Whether an event of the one cycle that is told in detail is noteworthy."""
    if isinstance(event, e.InsightGenerated):
        return event.change != "unchanged"
    return not isinstance(
        event, e.WorkersObserved | e.InsightsUnchanged | e.FolderListed | e.CycleFinished
    )


def _stops(event: e.Event | e.Unknown) -> bool:
    if isinstance(event, e.WorkerStopped):
        return event.abandoned
    return isinstance(event, e.Transitioned) and event.trigger in {"abort", "halt"}


def _outside(event: e.Event | e.Unknown) -> bool:
    """Whether an event outside cycles is told."""
    if isinstance(event, e.Transitioned):
        return event.trigger not in _UNTOLD_TRIGGERS
    return not isinstance(event, e.CycleFinished)
