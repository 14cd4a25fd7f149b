"""The run view: one pure fold over the journal that everything shown is taken from.

`apply(view, record)` gives the view after one more fact. Console, status, metrics, log and
replay all use it, so what an operator saw live is what a post-mortem shows. Times are the
records' own (`ts`, `mono`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from msgspec.structs import replace

from vsync_sm.core import events as e
from vsync_sm.core.machine import CYCLE, INITIAL, Trigger
from vsync_sm.core.shapes import (
    Allowance,
    BucketSeen,
    Changes,
    Condition,
    Crash,
    Cycle,
    Finished,
    LastRefusal,
    LastSave,
    OpenSave,
    Outcomes,
    Pause,
    Phase,
    Run,
    RunEnd,
    SeenCommand,
    SeenFault,
    SeenNotice,
    SeenSignal,
    StateSince,
    View,
    When,
    Worker,
)

__all__ = ["KEPT", "KEPT_PATHS", "View", "apply"]

KEPT = 50
"""How many cycles, faults, checks and crashes a view remembers."""

KEPT_PATHS = 200
"""How many of a cycle's changed paths of each kind a view remembers."""

_KEPT_SAVES = 20
_KEPT_FAULTS = 10

_NS = 1_000_000_000
_PHASES = frozenset(map(str, CYCLE))
_COMPLETE = ("saved", "unchanged")
_ASKED_TO_STOP = ("signal", "operator")

_T = TypeVar("_T")
_E = TypeVar("_E", bound=e.Event)


def apply(view: View, record: e.Record) -> View:
    """The view after one more record; one that is not above the last one folded is skipped."""
    if record.seq <= view.seq:
        return view
    fold = _FOLDS.get(type(record.event))
    if fold is not None:
        view = fold(view, record, record.event)
    return replace(view, seq=record.seq, now=When(record.ts, record.mono))


_Fold = Callable[[View, e.Record, Any], View]
_FOLDS: dict[type, _Fold] = {}


def _folds(
    cls: type[_E],
) -> Callable[[Callable[[View, e.Record, _E], View]], Callable[[View, e.Record, _E], View]]:
    def keep(fold: Callable[[View, e.Record, _E], View]) -> Callable[[View, e.Record, _E], View]:
        _FOLDS[cls] = fold
        return fold

    return keep


def _when(record: e.Record) -> When:
    return When(record.ts, record.mono)


def _add(kept: tuple[_T, ...], item: _T) -> tuple[_T, ...]:
    return (*kept[1 - KEPT :], item) if len(kept) >= KEPT else (*kept, item)


# --- the run ---------------------------------------------------------------------------------


@_folds(e.RunStarted)
def _run_started(view: View, record: e.Record, event: e.RunStarted) -> View:
    return replace(
        view,
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
        state=StateSince(str(INITIAL), _when(record)),
        cycle=None,
        checks=(),
        signals=(),
        commands=(),
        conditions={},
        next_tick=0,
    )


@_folds(e.CheckPassed)
def _check_passed(view: View, _: e.Record, event: e.CheckPassed) -> View:
    return replace(view, checks=_add(view.checks, event))


@_folds(e.CheckFailed)
def _check_failed(view: View, _: e.Record, event: e.CheckFailed) -> View:
    return replace(view, checks=_add(view.checks, event))


@_folds(e.RunRecovered)
def _run_recovered(view: View, record: e.Record, event: e.RunRecovered) -> View:
    crash = Crash(record.ts, event.crashed_run, event.state, event.open_cycle, event.open_save)
    view = replace(view, crashes=view.crashes + 1, last_crashes=_add(view.last_crashes, crash))
    if event.open_cycle is None:
        return view
    return replace(
        view,
        outcomes=replace(view.outcomes, crashed=view.outcomes.crashed + 1),
        failed_in_row=view.failed_in_row + 1,
    )


@_folds(e.RunFinished)
def _run_finished(view: View, record: e.Record, event: e.RunFinished) -> View:
    return replace(view, ended=RunEnd(record.ts, event.exit_code, event.why))


@_folds(e.Transitioned)
def _transitioned(view: View, record: e.Record, event: e.Transitioned) -> View:
    now = _when(record)
    view = replace(view, state=StateSince(event.dest, now, event.reason))
    cycle = view.cycle
    if cycle is None:
        return view
    phases = cycle.phases
    if phases and phases[-1].seconds is None:
        ended = replace(phases[-1], seconds=(now.mono - phases[-1].since.mono) / _NS)
        phases = (*phases[:-1], ended)
    if event.dest in _PHASES and event.trigger != Trigger.abort:
        phases = (*phases[-KEPT:], Phase(event.dest, now))
    return replace(view, cycle=replace(cycle, phases=phases))


# --- the cycle -------------------------------------------------------------------------------


@_folds(e.CycleStarted)
def _cycle_started(view: View, record: e.Record, event: e.CycleStarted) -> View:
    number = record.cycle or view.last_cycle + 1
    cycle = Cycle(
        number=number,
        asked=event.asked,
        started=_when(record),
        deadline_s=event.deadline_s,
        num_buckets=event.num_buckets,
        mounts=event.mounts,
    )
    return replace(
        view, cycle=cycle, last_cycle=max(view.last_cycle, number), next_tick=event.next_tick
    )


@_folds(e.SyncInfoRead)
def _sync_info_read(view: View, _: e.Record, event: e.SyncInfoRead) -> View:
    return view if view.cycle is None else replace(view, cycle=replace(view.cycle, former=event))


@_folds(e.PathsListed)
def _paths_listed(view: View, _: e.Record, event: e.PathsListed) -> View:
    if view.cycle is None:
        return view
    return replace(view, cycle=replace(view.cycle, listed=event.paths, by_mount=event.mounts))


@_folds(e.WorkerStarted)
def _worker_started(view: View, _: e.Record, event: e.WorkerStarted) -> View:
    if view.cycle is None:
        return view
    workers = (*view.cycle.workers, Worker(event.worker))
    return replace(view, cycle=replace(view.cycle, workers=workers))


@_folds(e.WorkerStopped)
def _worker_stopped(view: View, _: e.Record, event: e.WorkerStopped) -> View:
    if view.cycle is None:
        return view
    workers = tuple(
        replace(each, path="", since=0, stopped=True, abandoned=event.abandoned)
        if each.number == event.worker
        else each
        for each in view.cycle.workers
    )
    return replace(view, cycle=replace(view.cycle, workers=workers))


@_folds(e.WorkersObserved)
def _workers_observed(view: View, _: e.Record, event: e.WorkersObserved) -> View:
    if view.cycle is None:
        return view
    at = {busy.worker: busy for busy in event.busy}
    workers = tuple(
        replace(each, path=at[each.number].path, since=at[each.number].since)
        if each.number in at
        else replace(each, path="", since=0)
        for each in view.cycle.workers
    )
    return replace(view, cycle=replace(view.cycle, workers=workers))


def _ended(cycle: Cycle, number: int, failures: int = 0) -> tuple[Worker, ...]:
    # Workers count from 1 and start in that order: look where it ought to stand.
    workers = cycle.workers
    at = number - 1
    if not 0 <= at < len(workers) or workers[at].number != number:
        return workers
    known = workers[at]
    worker = replace(known, paths=known.paths + 1, failures=known.failures + failures)
    return (*workers[:at], worker, *workers[at + 1 :])


@_folds(e.InsightGenerated)
def _insight_generated(view: View, _: e.Record, event: e.InsightGenerated) -> View:
    cycle = view.cycle
    if cycle is None:
        return view
    tally = cycle.tally
    generated = tally.generated + 1
    workers = _ended(cycle, event.worker)
    if event.change == "unchanged":
        tally = replace(tally, generated=generated, unchanged=tally.unchanged + 1)
        return replace(view, cycle=replace(cycle, tally=tally, workers=workers))
    if event.change == "added":
        tally = replace(tally, generated=generated, added=tally.added + 1)
    else:
        tally = replace(tally, generated=generated, updated=tally.updated + 1)
    changes = _sampled(cycle.changes, event.change, event.path)
    return replace(view, cycle=replace(cycle, tally=tally, workers=workers, changes=changes))


def _sampled(changes: Changes, kind: str, item: object) -> Changes:
    kept = getattr(changes, kind, ())
    if len(kept) >= KEPT_PATHS or kind not in Changes.__struct_fields__:
        return changes
    return replace(changes, **{kind: (*kept, item)})


@_folds(e.InsightSkipped)
def _insight_skipped(view: View, _: e.Record, event: e.InsightSkipped) -> View:
    if view.cycle is None:
        return view
    workers = _ended(view.cycle, event.worker)
    return _count(replace(view, cycle=replace(view.cycle, workers=workers)), "skipped")


@_folds(e.PathFailed)
def _path_failed(view: View, _: e.Record, event: e.PathFailed) -> View:
    cycle = view.cycle
    if cycle is None:
        return view
    workers = _ended(cycle, event.worker, failures=1)
    changes = _sampled(cycle.changes, "failed", event)
    return _count(replace(view, cycle=replace(cycle, workers=workers, changes=changes)), "failed")


@_folds(e.InsightCarriedForward)
def _insight_carried_forward(view: View, _: e.Record, event: e.InsightCarriedForward) -> View:
    return _count(_sample(view, "carried", event.path), "carried")


@_folds(e.InsightVanished)
def _insight_vanished(view: View, _: e.Record, event: e.InsightVanished) -> View:
    return _count(_sample(view, "vanished", event.path), "vanished")


@_folds(e.InsightRegressed)
def _insight_regressed(view: View, _: e.Record, event: e.InsightRegressed) -> View:
    return _count(_sample(view, "regressed", event.path), "regressed")


@_folds(e.BucketReindexed)
def _bucket_reindexed(view: View, _: e.Record, event: e.BucketReindexed) -> View:
    cycle = view.cycle
    if cycle is None:
        return view
    reindexed = (*cycle.reindexed, event)
    return _count(replace(view, cycle=replace(cycle, reindexed=reindexed)), "buckets")


def _sample(view: View, kind: str, path: str) -> View:
    cycle = view.cycle
    if cycle is None:
        return view
    changes = _sampled(cycle.changes, kind, path)
    return replace(view, cycle=replace(cycle, changes=changes))


def _count(view: View, name: str) -> View:
    cycle = view.cycle
    if cycle is None:
        return view
    tally = replace(cycle.tally, **{name: getattr(cycle.tally, name) + 1})
    return replace(view, cycle=replace(cycle, tally=tally))


def _counts(cls: type[e.Event], name: str) -> None:
    _FOLDS[cls] = lambda view, _record, _event: _count(view, name)


_counts(e.FolderListed, "folders")
_counts(e.PathAbandoned, "abandoned")
_counts(e.RetryScheduled, "retries")


@_folds(e.CycleFinished)
def _cycle_finished(view: View, record: e.Record, event: e.CycleFinished) -> View:
    cycle = view.cycle
    if cycle is None:
        return view
    finished = Finished(
        number=cycle.number,
        run=record.run,
        asked=cycle.asked,
        started=cycle.started.ts,
        finished=record.ts,
        seconds=(record.mono - cycle.started.mono) / _NS,
        phases=_phase_seconds(cycle),
        facts=event,
        changes=cycle.changes,
        faults=cycle.faults,
    )
    counted = event.outcome if event.outcome in Outcomes.__struct_fields__ else "aborted"
    view = replace(
        view,
        cycle=None,
        history=_add(view.history, finished),
        outcomes=replace(view.outcomes, **{counted: getattr(view.outcomes, counted) + 1}),
    )
    if event.outcome == "saved":
        view = replace(view, saves=(*view.saves[1 - _KEPT_SAVES :], finished))
    if event.outcome in _COMPLETE:
        return replace(view, failed_in_row=0, last_complete=record.ts)
    if event.reason in _ASKED_TO_STOP:
        return view
    return replace(view, failed_in_row=view.failed_in_row + 1)


def _phase_seconds(cycle: Cycle) -> dict[str, float]:
    return {each.name: each.seconds for each in cycle.phases if each.seconds is not None}


# --- the save --------------------------------------------------------------------------------


@_folds(e.SaveStarted)
def _save_started(view: View, record: e.Record, event: e.SaveStarted) -> View:
    open_save = OpenSave(record.run, record.cycle or 0, _when(record), event)
    return replace(view, open_save=open_save)


@_folds(e.SaveCommitted)
def _save_committed(view: View, record: e.Record, event: e.SaveCommitted) -> View:
    saved = LastSave(record.ts, record.run, record.cycle or 0, event.index)
    view = _buckets_saved(_spent_by_save(view), record)
    return replace(view, last_save=saved, open_save=None, refusal=None)


def _buckets_saved(view: View, record: e.Record) -> View:
    cycle = view.cycle
    if cycle is None:
        return view
    there = {n: seen for n, seen in view.buckets.items() if n < cycle.num_buckets}
    changed = {
        each.bucket: BucketSeen(each.insights, each.size_bytes, record.ts, cycle.number)
        for each in cycle.reindexed
    }
    return replace(view, buckets=there | changed, num_buckets=cycle.num_buckets)


def _spent_by_save(view: View) -> View:
    # As the memory does: a crash may come before `allowance_spent`.
    used = view.open_save.event.allowance if view.open_save else ""
    spent = view.allowance is not None and view.allowance.event.allowance == used
    return replace(view, allowance=None) if spent else view


@_folds(e.SaveSkipped)
def _save_skipped(view: View, _: e.Record, __: e.SaveSkipped) -> View:
    return replace(view, refusal=None)


@_folds(e.SaveRefused)
def _save_refused(view: View, record: e.Record, event: e.SaveRefused) -> View:
    changes = view.cycle.changes if view.cycle else Changes()
    return replace(view, refusal=LastRefusal(record.ts, record.cycle or 0, event, changes))


@_folds(e.SaveFailed)
def _save_failed(view: View, _: e.Record, __: e.SaveFailed) -> View:
    return replace(view, open_save=None)


@_folds(e.SaveUncertain)
def _save_uncertain(view: View, _: e.Record, __: e.SaveUncertain) -> View:
    if view.open_save is None:
        return view
    return replace(view, open_save=replace(view.open_save, uncertain=True))


@_folds(e.SaveReconciled)
def _save_reconciled(view: View, record: e.Record, event: e.SaveReconciled) -> View:
    was = view.open_save
    if was is None or event.outcome != "committed":
        return replace(view, open_save=None)
    saved = LastSave(record.ts, event.saved_run, event.saved_cycle, was.event.index)
    return replace(_spent_by_save(view), last_save=saved, open_save=None, refusal=None)


@_folds(e.AllowanceGranted)
def _allowance_granted(view: View, record: e.Record, event: e.AllowanceGranted) -> View:
    return replace(view, allowance=Allowance(record.ts, event))


@_folds(e.AllowanceSpent)
def _allowance_spent(view: View, _: e.Record, event: e.AllowanceSpent) -> View:
    standing = view.allowance
    if standing is None or standing.event.allowance != event.allowance:
        return view
    return replace(view, allowance=None)


# --- around it -------------------------------------------------------------------------------


@_folds(e.FaultRaised)
def _fault_raised(view: View, record: e.Record, event: e.FaultRaised) -> View:
    seen = SeenFault(record.ts, record.run, record.cycle, event)
    view = replace(view, faults=_add(view.faults, seen))
    cycle = view.cycle
    if cycle is None or len(cycle.faults) >= _KEPT_FAULTS:
        return view
    return replace(view, cycle=replace(cycle, faults=(*cycle.faults, event)))


@_folds(e.SignalReceived)
def _signal_received(view: View, record: e.Record, event: e.SignalReceived) -> View:
    return replace(view, signals=_add(view.signals, SeenSignal(record.ts, event)))


@_folds(e.CommandReceived)
def _command_received(view: View, record: e.Record, event: e.CommandReceived) -> View:
    return replace(view, commands=_add(view.commands, SeenCommand(record.ts, event)))


@_folds(e.TickerPaused)
def _ticker_paused(view: View, record: e.Record, event: e.TickerPaused) -> View:
    return replace(view, pause=Pause(record.ts, event.by, event.through, event.why))


@_folds(e.TickerResumed)
def _ticker_resumed(view: View, _: e.Record, __: e.TickerResumed) -> View:
    return replace(view, pause=None)


@_folds(e.ServerConditionChanged)
def _server_condition_changed(
    view: View, record: e.Record, event: e.ServerConditionChanged
) -> View:
    seen = Condition(event.condition, record.ts, event.message)
    return replace(view, conditions={**view.conditions, event.server: seen})


@_folds(e.Notified)
def _notified(view: View, record: e.Record, event: e.Notified) -> View:
    return replace(view, notified=SeenNotice(record.ts, event))
