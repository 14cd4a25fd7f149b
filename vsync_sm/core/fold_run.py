"""What a run, its checks, its machine, and what happens around it do to the view."""

from __future__ import annotations

from msgspec.structs import replace

from vsync_sm.core import events as e
from vsync_sm.core.folding import KEPT, KEPT_FAULTS, Folds, add, when
from vsync_sm.core.insight import NS
from vsync_sm.core.machine import CYCLE, INITIAL, Trigger
from vsync_sm.core.shapes import (
    Condition,
    Crash,
    Pause,
    Phase,
    Postponed,
    Run,
    RunEnd,
    SeenCommand,
    SeenFault,
    SeenNotice,
    SeenSignal,
    SeenStatus,
    StateSince,
    View,
)

_PHASES = frozenset(map(str, CYCLE))

RUN = Folds()


@RUN.on(e.RunStarted)
def _run_started(view: View, record: e.Record, event: e.RunStarted) -> View:
    standing = view.allowance
    if standing is not None and standing.seq == record.seq - 1:
        standing = None  # as the memory does: its run's last line, maybe while the disk failed
    return replace(
        view,
        allowance=standing,
        run=Run(
            id=record.run,
            version=event.version,
            host=event.host,
            pid=event.pid,
            once=event.once,
            started=record.ts,
            config=event.config,
            tick_s=event.tick_s,
            timeout_s=event.timeout_s,
            value_limit_bytes=event.value_limit_bytes,
            control=event.control,
        ),
        runs=view.runs + 1,
        ended=None,
        state=StateSince(str(INITIAL), when(record)),
        cycle=None,
        checks=(),
        postponed=None,
        signals=(),
        commands=(),
        conditions={},
        status_failed=None,
        next_tick=0,
    )


@RUN.on(e.CheckPassed)
def _check_passed(view: View, _: e.Record, event: e.CheckPassed) -> View:
    return _checked(view, event)


@RUN.on(e.CheckFailed)
def _check_failed(view: View, _: e.Record, event: e.CheckFailed) -> View:
    return _checked(view, event)


def _checked(view: View, event: e.CheckPassed | e.CheckFailed) -> View:
    # How each check ended last: one that failed is made again.
    others = tuple(each for each in view.checks if each.check != event.check)
    return replace(view, checks=add(others, event))


@RUN.on(e.ChecksPostponed)
def _checks_postponed(view: View, record: e.Record, event: e.ChecksPostponed) -> View:
    since, due = record.mono - int(event.waited_s * NS), record.mono + int(event.delay_s * NS)
    return replace(view, postponed=Postponed(max(0, since), due, event))


@RUN.on(e.RunRecovered)
def _run_recovered(view: View, record: e.Record, event: e.RunRecovered) -> View:
    crash = Crash(record.ts, event.crashed_run, event.state, event.open_cycle, event.open_save)
    view = replace(view, crashes=view.crashes + 1, last_crashes=add(view.last_crashes, crash))
    if event.open_cycle is None:
        return view
    return replace(
        view,
        outcomes=replace(view.outcomes, crashed=view.outcomes.crashed + 1),
        failed_in_row=view.failed_in_row + 1,
    )


@RUN.on(e.RunFinished)
def _run_finished(view: View, record: e.Record, event: e.RunFinished) -> View:
    return replace(view, ended=RunEnd(record.ts, event.exit_code, event.why))


# --- the machine -----------------------------------------------------------------------------


@RUN.on(e.Transitioned)
def _transitioned(view: View, record: e.Record, event: e.Transitioned) -> View:
    now = when(record)
    view = replace(view, state=StateSince(event.dest, now, event.reason), postponed=None)
    cycle = view.cycle
    if cycle is None:
        return view
    phases = cycle.phases
    if phases and phases[-1].seconds is None:
        ended = replace(phases[-1], seconds=(now.mono - phases[-1].since.mono) / NS)
        phases = (*phases[:-1], ended)
    if event.dest in _PHASES and event.trigger != Trigger.abort:
        phases = (*phases[-KEPT:], Phase(event.dest, now))
    return replace(view, cycle=replace(cycle, phases=phases))


# --- around it -------------------------------------------------------------------------------


@RUN.on(e.FaultRaised)
def _fault_raised(view: View, record: e.Record, event: e.FaultRaised) -> View:
    seen = SeenFault(record.ts, record.run, record.cycle, event)
    view = replace(view, faults=add(view.faults, seen))
    cycle = view.cycle
    if cycle is None or len(cycle.faults) >= KEPT_FAULTS:
        return view
    return replace(view, cycle=replace(cycle, faults=(*cycle.faults, event)))


@RUN.on(e.SignalReceived)
def _signal_received(view: View, record: e.Record, event: e.SignalReceived) -> View:
    return replace(view, signals=add(view.signals, SeenSignal(record.ts, event)))


@RUN.on(e.CommandReceived)
def _command_received(view: View, record: e.Record, event: e.CommandReceived) -> View:
    return replace(view, commands=add(view.commands, SeenCommand(record.ts, event)))


@RUN.on(e.TickerPaused)
def _ticker_paused(view: View, record: e.Record, event: e.TickerPaused) -> View:
    return replace(view, pause=Pause(record.ts, event.by, event.through, event.why))


@RUN.on(e.TickerResumed)
def _ticker_resumed(view: View, _: e.Record, __: e.TickerResumed) -> View:
    return replace(view, pause=None)


@RUN.on(e.ServerConditionChanged)
def _server_condition_changed(
    view: View, record: e.Record, event: e.ServerConditionChanged
) -> View:
    seen = Condition(event.condition, record.ts, event.message)
    return replace(view, conditions={**view.conditions, event.server: seen})


@RUN.on(e.StatusFailed)
def _status_failed(view: View, record: e.Record, event: e.StatusFailed) -> View:
    return replace(view, status_failed=SeenStatus(record.ts, event))


@RUN.on(e.StatusWritten)
def _status_written(view: View, _: e.Record, __: e.StatusWritten) -> View:
    return replace(view, status_failed=None)


@RUN.on(e.Notified)
def _notified(view: View, record: e.Record, event: e.Notified) -> View:
    return replace(view, notified=SeenNotice(record.ts, event))
