"""Whether a journal can be true: it drives a fresh machine a run, and checks order and sums.

What cannot be is a `Contradiction`; a crash is none. After one it goes on from what the journal
says, so that one forged line is one contradiction and not a thousand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, ClassVar

import msgspec

from vsync_sm.core import events as e
from vsync_sm.core.machine import (
    FINAL,
    TABLE,
    IllegalTrigger,
    Machine,
    Reason,
    State,
    Trigger,
)
from vsync_sm.core.memory import memory_of
from vsync_sm.core.outcome import is_complete
from vsync_sm.core.view import view_of
from vsync_sm.journal.asked import Allowed, Asked
from vsync_sm.journal.audited_run import CODES, Run, reasons, within
from vsync_sm.journal.sums import CycleSums, belongs_to_a_cycle

STOPS = frozenset(("SIGINT", "SIGTERM", "SIGHUP"))
"""The signals that ask the run to end."""

_BEGINNING = (
    *(e.JournalRepaired, e.RunRecovered, e.FaultRaised, e.ServerConditionChanged, e.Notified),
    *(e.StatusFailed, e.StatusWritten),
)
"""What a run tells before its checks begin."""

_MOVES = frozenset((row.trigger, row.source) for row in TABLE)
_STATES = frozenset(map(str, State))


class Contradiction(msgspec.Struct, frozen=True):
    """A line (from 1) that cannot be true after those before it."""

    line: int
    seq: int
    what: str


class _Open(msgspec.Struct, frozen=True):
    """A save without a known outcome."""

    run: str
    cycle: int
    index_key: str
    uncertain: bool = False


class Audit:
    """Fed with every record, in order. It keeps the paths of one cycle, and the ids of runs."""

    def __init__(self) -> None:
        self._seq = 0
        self._opened_at = 0
        self._last_cycle = 0
        self._run: Run | None = None
        self._runs: set[str] = set()
        self._crashed: Run | None = None
        self._open_save: _Open | None = None
        self._granted: set[str] = set()
        self._asked = Asked()
        self._allowed = Allowed()
        self._blind = False

    def check(self, line: int, record: e.Record) -> Iterable[Contradiction]:
        """What cannot be true in one more record, which stands on `line`."""
        if self._blind or self._plain(record):
            return ()
        found = self._check(record)
        found += self._allowed.note(record)
        return [Contradiction(line, record.seq, what) for what in found]

    def _plain(self, record: e.Record) -> bool:
        # Nearly every line of a journal is an insight where it belongs. This takes only what
        # `_check` has nothing to say about, in a fraction of its time.
        event, run = record.event, self._run
        if type(event) is not e.InsightGenerated or run is None or run.cycle is None:
            return False
        cycle = run.cycle
        plain = (
            record.seq == self._seq + 1
            and record.run == run.id
            and record.cycle == cycle.number
            and record.mono >= run.mono
            and run.state is State.working
            and cycle.plain(event)
        )
        if plain:
            self._seq, run.mono = record.seq, record.mono
            if self._allowed.heeds_insights:
                list(self._allowed.note(record))
        return plain

    def _check(self, record: e.Record) -> list[str]:
        event = record.event
        found: list[str] = []
        if not self._seq and type(event) is e.SegmentOpened:
            self._seq, self._opened_at = record.seq - 1, record.seq
        if record.seq != self._seq + 1:
            found.append(f"seq {record.seq} follows {self._seq}")
        self._seq = record.seq
        if isinstance(event, e.Unknown):
            self._blind = True
            found.append(_newer(event))
            return found
        if type(event) is e.RunStarted:
            found += self._run_started(record, event)
            return found
        if self._run is None and type(event) is e.SegmentOpened:
            found += self._begin_at(event)
        run = self._run
        if run is None or run.id != record.run:
            found.append(f"run {record.run} goes on without having begun")
            run = self._begin(record)
        found += self._placed(run, record)
        check = self._checks.get(type(event))
        if check is not None:
            found += check(self, run, event, record)
        run.begun = run.begun or not isinstance(event, _BEGINNING)
        if run.cycle is not None:
            found += run.cycle.check(record, run.state)
            if isinstance(event, e.CycleFinished):
                run.outcome = event.outcome
                found += self._asked.cycle_finished(event)
                self._close_cycle(run)
        return found

    # --- where a file of the journal begins ---

    def _begin_at(self, event: e.SegmentOpened) -> Iterator[str]:
        """Take over what the checkpoint tells, since what it was made of is gone."""
        try:
            view, memory = view_of(event), memory_of(event)
        except ValueError as error:
            self._blind = True
            yield f"{error}; what follows is told unchecked"
            return
        self._last_cycle = view.last_cycle
        self._asked.begin_at(view)
        self._allowed.begin_at(view, memory)
        if memory.allowance is not None:
            self._granted.add(memory.allowance.id)
        save = view.open_save
        if save is not None:
            self._open_save = _Open(save.run, save.cycle, save.event.index_key, save.uncertain)
        if view.run is None or view.state.name not in _STATES:
            return
        self._runs.add(view.run.id)
        run = self._run = Run(
            view.run.id, view.now.mono, once=view.run.once, state=State(view.state.name)
        )
        run.moved = run.begun = True
        run.last_cycle = view.last_cycle
        run.finished = view.ended is not None
        run.fatal = any(seen.event.fatal for seen in view.faults if seen.run == run.id)
        run.stop = any(seen.event.signal in STOPS for seen in view.signals)
        if view.cycle is not None:
            run.cycle = CycleSums.begun(view.cycle, memory.failed)

    def _segment_opened(self, run: Run, event: e.SegmentOpened, record: e.Record) -> Iterator[str]:
        if event.state != run.state:
            yield f"a file begins while {event.state}, but the machine is in {run.state}"
        if event.predecessor_seq != record.seq - 1:
            yield f"a file begins after seq {event.predecessor_seq}, not {record.seq - 1}"
        last = event.checkpoint.get("memory", {}).get("last_cycle")
        if last != self._last_cycle:
            yield f"a checkpoint tells of {last} cycles, but {self._last_cycle} are told"

    # --- where a line may stand ---

    def _placed(self, run: Run, record: e.Record) -> Iterator[str]:
        if record.seq == self._opened_at:
            return  # where a span was cut out, it stands for the last line before it
        if run.finished:
            yield f"{record.event.type} after run_finished"
        if record.mono < run.mono:
            yield f"mono goes back from {run.mono} to {record.mono}"
        run.mono = record.mono
        cycle = run.cycle
        if isinstance(record.event, e.CycleStarted):
            return
        if isinstance(record.event, e.RunFinished) and run.again:
            return  # a second signal leaves everything as it is
        if cycle is not None:
            if record.cycle != cycle.number:
                yield f"{record.event.type} of {_cycle(record.cycle)} within cycle {cycle.number}"
        elif belongs_to_a_cycle(record.event):
            yield f"{record.event.type} outside a cycle"
        elif record.cycle is not None and not self._tears_down(run, record.cycle):
            yield f"{record.event.type} of cycle {record.cycle}, which does not go on"

    def _tears_down(self, run: Run, cycle: int) -> bool:
        return run.state is State.aborted and cycle == run.last_cycle

    # --- the run ---

    def _begin(self, record: e.Record, *, once: bool = False) -> Run:
        if self._run is not None and not self._run.finished:
            self._crashed = self._run
            cycle = self._run.cycle
            if cycle is not None and cycle.save is not None:
                self._open_save = _Open(self._run.id, cycle.number, cycle.index_key)
        else:
            self._crashed = None
        self._runs.add(record.run)
        self._asked.begin_run()
        self._run = Run(record.run, record.mono, once=once)
        return self._run

    def _run_started(self, record: e.Record, event: e.RunStarted) -> Iterator[str]:
        if record.run in self._runs:
            yield f"run {record.run} begins again"
        if record.cycle is not None:
            yield f"a run begins in cycle {record.cycle}"
        self._begin(record, once=event.once)

    def _run_recovered(self, run: Run, event: e.RunRecovered, _: e.Record) -> Iterator[str]:
        crashed, self._crashed = self._crashed, None
        if run.moved or crashed is None or crashed.id != event.crashed_run:
            yield f"run {event.crashed_run} is recovered, but it did not end without a word before"
            return
        cycle = crashed.cycle
        states = {str(crashed.state)}
        if cycle is not None and crashed.state is State.waiting:
            states.add(str(State.listing))  # between cycle_started and its first transition
        if event.state not in states:
            yield f"run {crashed.id} was {crashed.state}, not {event.state}"
        number = None if cycle is None else cycle.number
        if event.open_cycle != number:
            yield f"run {crashed.id} left {_cycle(number)} open, not {_cycle(event.open_cycle)}"
        save = self._open_save
        known = save is None or (save.run == crashed.id and not save.uncertain)
        if known and event.open_save != (save is not None):
            yield f"run {crashed.id} left {'no' if save is None else 'a'} save open"

    def _run_finished(self, run: Run, event: e.RunFinished, _: e.Record) -> Iterator[str]:
        if run.state is not FINAL and not run.again:
            yield f"the run ends while {run.state}"
        due = {128 + run.again} if run.again else CODES.get(run.halted_for, {event.exit_code})
        if run.fatal and not run.again:
            due = {1}
        if event.exit_code not in due:
            codes = " or ".join(map(str, sorted(due)))
            yield f"the run ends with exit code {event.exit_code}, where {codes} was due"
        run.finished = True
        if run.cycle is not None and run.cycle.save is not None:
            self._open_save = _Open(run.id, run.cycle.number, run.cycle.index_key)

    def _transitioned(self, run: Run, event: e.Transitioned, _: e.Record) -> Iterator[str]:
        if self._crashed is not None:
            yield f"run {self._crashed.id} crashed, but was not recovered before this run went on"
            self._crashed = None
        run.moved = True
        yield from self._pulled(run, event)
        yield from reasons(run, event, operator=self._asked.operator(event.trigger))
        cycle = run.cycle
        if event.trigger == Trigger.halt:
            run.halted_for = event.reason
        if cycle is not None:
            yield from cycle.leaves(event.trigger)
            if event.trigger == Trigger.abort:
                cycle.reason = event.reason
        yield from within(run, event)

    def _pulled(self, run: Run, event: e.Transitioned) -> Iterator[str]:
        state = run.state
        if event.source != state:
            yield f"{event.trigger} leaves {event.source}, but the machine is in {state}"
        try:
            dest = str(run.machine.pull(event.trigger).dest)
        except IllegalTrigger as error:
            yield f"{error}"
            dest = ""
        if dest and dest != event.dest:
            yield f"{event.trigger} leads to {dest}, not to {event.dest}"
        if event.dest != dest and event.dest in _STATES:
            run.machine = Machine(State(event.dest))
        run.state = run.machine.state

    def _checks_postponed(self, run: Run, event: e.ChecksPostponed, _: e.Record) -> Iterator[str]:
        if run.state is not State.checking:
            yield f"the start-up checks are postponed while {run.state}"
        if event.tries != run.tries + 1:
            yield f"try {event.tries} of the start-up checks follows try {run.tries}"
        run.tries = event.tries

    def _healed(self, run: Run, _: e.OriginHealed, __: e.Record) -> Iterator[str]:
        if run.outcome and not is_complete(run.outcome):
            yield f"it is healed, but the last cycle was {run.outcome}"

    def _trigger_ignored(self, run: Run, event: e.TriggerIgnored, _: e.Record) -> Iterator[str]:
        state = run.state
        if event.state != state:
            yield f"{event.trigger} is ignored in {event.state}, but the machine is in {state}"
        elif (event.trigger, event.state) in _MOVES:
            yield f"{event.trigger} is ignored, but {state} takes it"

    # --- cycles and saves ---

    def _cycle_started(self, run: Run, event: e.CycleStarted, record: e.Record) -> Iterator[str]:
        if run.cycle is not None:
            yield f"a cycle begins before cycle {run.cycle.number} is finished"
        number = record.cycle or 0
        if number != self._last_cycle + 1:
            yield f"cycle {number} follows cycle {self._last_cycle}"
        if run.state is not State.waiting:
            yield f"a cycle begins while {run.state}"
        yield from self._asked.cycle_started(event, once=run.once)
        yield from self._forbidden(run, "a cycle begins")

    def _forbidden(self, run: Run, what: str) -> Iterator[str]:
        if run.fatal:
            yield f"{what} after a fatal fault"
        if run.stop:
            yield f"{what} after a signal that asks to stop"
        yield from self._asked.forbids(what)

    def _open_cycle(self, run: Run, event: e.CycleStarted, record: e.Record) -> Iterator[str]:
        yield from self._cycle_started(run, event, record)
        number = self._last_cycle = record.cycle or self._last_cycle + 1
        run.cycle = CycleSums(number, record.mono, event)

    def _close_cycle(self, run: Run) -> None:
        if run.cycle is not None:
            run.last_cycle = run.cycle.number
        run.cycle = None

    def _save_started(self, run: Run, event: e.SaveStarted, _: e.Record) -> Iterator[str]:
        yield from self._forbidden(run, "a save begins")
        save = self._open_save
        if save is not None and save.index_key == event.index_key:
            yield f"a save begins before that of cycle {save.cycle} is settled"
        self._open_save = None

    def _save_uncertain(self, run: Run, _: e.SaveUncertain, record: e.Record) -> Iterator[str]:
        key = run.cycle.index_key if run.cycle is not None else ""
        self._open_save = _Open(run.id, record.cycle or 0, key, uncertain=True)
        return iter(())

    def _save_reconciled(self, _: Run, event: e.SaveReconciled, __: e.Record) -> Iterator[str]:
        save, self._open_save = self._open_save, None
        if save is None or (save.run, save.cycle) != (event.saved_run, event.saved_cycle):
            yield f"no save of cycle {event.saved_cycle} of run {event.saved_run} was left open"
        if event.outcome not in {"committed", "failed"}:
            yield f"a save is settled as {event.outcome}"

    def _granted_to(self, _: Run, event: e.AllowanceGranted, __: e.Record) -> Iterator[str]:
        self._granted.add(event.allowance)
        return self._asked.granted(event)

    def _spent(self, _: Run, event: e.AllowanceSpent, __: e.Record) -> Iterator[str]:
        if event.allowance not in self._granted:
            yield f"the allowance {event.allowance} is spent, but was not granted"
        self._granted.discard(event.allowance)

    # --- around it ---

    def _fault_raised(self, run: Run, event: e.FaultRaised, _: e.Record) -> Iterator[str]:
        run.fatal = run.fatal or event.fatal
        if run.cycle is not None:
            run.cycle.faults = True
        return iter(())

    def _signal_received(self, run: Run, event: e.SignalReceived, _: e.Record) -> Iterator[str]:
        if event.signal in STOPS:
            if event.again and not run.stop:
                yield f"{event.signal} received again, but it was not before"
            run.stop = True
            run.again = event.number if event.again else run.again
        self._asked.signal(event)

    def _commanded(self, run: Run, event: e.CommandReceived, _: e.Record) -> Iterator[str]:
        cycle = run.cycle
        return self._asked.command(
            event,
            in_cycle=cycle is not None,
            saving=cycle is not None and cycle.save is not None,
            halted=run.state is FINAL and run.halted_for != Reason.once,
            begun=run.begun,
        )

    def _paused(self, _: Run, event: e.TickerPaused, __: e.Record) -> Iterator[str]:
        return self._asked.paused(event)

    def _resumed(self, _: Run, event: e.TickerResumed, __: e.Record) -> Iterator[str]:
        return self._asked.resumed(event)

    _checks: ClassVar[dict[type, Callable[[Audit, Run, Any, e.Record], Iterator[str]]]] = {
        e.RunRecovered: _run_recovered,
        e.RunFinished: _run_finished,
        e.Transitioned: _transitioned,
        e.ChecksPostponed: _checks_postponed,
        e.OriginHealed: _healed,
        e.TriggerIgnored: _trigger_ignored,
        e.CycleStarted: _open_cycle,
        e.SaveStarted: _save_started,
        e.SaveUncertain: _save_uncertain,
        e.SaveReconciled: _save_reconciled,
        e.AllowanceGranted: _granted_to,
        e.AllowanceSpent: _spent,
        e.FaultRaised: _fault_raised,
        e.SignalReceived: _signal_received,
        e.CommandReceived: _commanded,
        e.TickerPaused: _paused,
        e.TickerResumed: _resumed,
        e.SegmentOpened: _segment_opened,
    }


def _newer(event: e.Unknown) -> str:
    known = f"v{event.version}" if event.version > e.VERSION else "an unknown type"
    return f"written by a newer vsync ({known}): {event.type}; what follows is told unchecked"


def _cycle(number: int | None) -> str:
    return "no cycle" if number is None else f"cycle {number}"
