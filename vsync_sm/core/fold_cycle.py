"""What a cycle does to the view, from its start to its close."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from vsync_sm.core import events as e
from vsync_sm.core.folding import KEPT_PATHS, KEPT_SAVES, Folds, add, when
from vsync_sm.core.insight import NS
from vsync_sm.core.outcome import has_failed, is_complete
from vsync_sm.core.shapes import (
    Changes,
    Cycle,
    Finished,
    Outcomes,
    View,
    Worker,
)

CYCLE = Folds()


@CYCLE.on(e.CycleStarted)
def _cycle_started(view: View, record: e.Record, event: e.CycleStarted) -> View:
    number = record.cycle or view.last_cycle + 1
    cycle = Cycle(
        number=number,
        asked=event.asked,
        started=when(record),
        deadline_s=event.deadline_s,
        num_buckets=event.num_buckets,
        mounts=event.mounts,
    )
    return replace(
        view, cycle=cycle, last_cycle=max(view.last_cycle, number), next_tick=event.next_tick
    )


@CYCLE.on(e.MountChecked)
def _mount_checked(view: View, record: e.Record, _: e.MountChecked) -> View:
    cycle = view.cycle
    if cycle is None:
        return view
    return replace(view, cycle=replace(cycle, checked=cycle.checked + 1, moved=record.mono))


@CYCLE.on(e.SyncInfoRead)
def _sync_info_read(view: View, record: e.Record, event: e.SyncInfoRead) -> View:
    if view.cycle is None:
        return view
    return replace(view, cycle=replace(view.cycle, former=event, moved=record.mono))


@CYCLE.on(e.FolderListed)
def _folder_listed(view: View, record: e.Record, _: e.FolderListed) -> View:
    cycle = view.cycle
    if cycle is None:
        return view
    tally = replace(cycle.tally, folders=cycle.tally.folders + 1)
    return replace(view, cycle=replace(cycle, tally=tally, moved=record.mono))


@CYCLE.on(e.PathsListed)
def _paths_listed(view: View, _: e.Record, event: e.PathsListed) -> View:
    if view.cycle is None:
        return view
    return replace(view, cycle=replace(view.cycle, listed=event.paths, by_mount=event.mounts))


@CYCLE.on(e.WorkerStarted)
def _worker_started(view: View, _: e.Record, event: e.WorkerStarted) -> View:
    if view.cycle is None:
        return view
    workers = (*view.cycle.workers, Worker(event.worker))
    return replace(view, cycle=replace(view.cycle, workers=workers))


@CYCLE.on(e.WorkerStopped)
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


@CYCLE.on(e.WorkersObserved)
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


def _ended(cycle: Cycle, number: int, failures: int = 0, paths: int = 1) -> tuple[Worker, ...]:
    workers = [*cycle.workers]
    _end(workers, number, paths, failures)
    return tuple(workers)


def _end(workers: list[Worker], number: int, paths: int, failures: int = 0) -> None:
    # Workers count from 1 and start in that order: look where it ought to stand.
    at = number - 1
    if 0 <= at < len(workers) and workers[at].number == number:
        known = workers[at]
        workers[at] = replace(known, paths=known.paths + paths, failures=known.failures + failures)


@CYCLE.on(e.InsightGenerated)
def _insight_generated(view: View, record: e.Record, event: e.InsightGenerated) -> View:
    cycle = view.cycle
    if cycle is None:
        return view
    moved = record.mono
    tally = cycle.tally
    generated = tally.generated + 1
    workers = _ended(cycle, event.worker)
    if event.change == "unchanged":
        tally = replace(tally, generated=generated, unchanged=tally.unchanged + 1)
        return replace(view, cycle=replace(cycle, tally=tally, workers=workers, moved=moved))
    if event.change == "added":
        tally = replace(tally, generated=generated, added=tally.added + 1)
        changes = _sampled(cycle.changes, "added", event.path)
    else:
        tally = replace(tally, generated=generated, updated=tally.updated + 1)
        changes = _sampled(cycle.changes, "updated", event.path)
    cycle = replace(cycle, tally=tally, workers=workers, changes=changes, moved=moved)
    return replace(view, cycle=cycle)


def insights_generated(view: View, records: Sequence[e.Record]) -> View:
    """What a row of `insight_generated` does to the view, all at once: the same as one by one."""
    cycle = view.cycle
    if cycle is None:
        return view
    insights: list[Any] = [record.event for record in records]
    ended = Counter([each.worker for each in insights])
    others = [each for each in insights if each.change != "unchanged"]
    added = [each.path for each in others if each.change == "added"]
    updated = [each.path for each in others if each.change != "added"]
    tally, changes = cycle.tally, cycle.changes
    generated, changed = len(records), len(added) + len(updated)
    tally = replace(
        tally,
        generated=tally.generated + generated,
        added=tally.added + len(added),
        updated=tally.updated + len(updated),
        unchanged=tally.unchanged + generated - changed,
    )
    if changed:
        changes = replace(
            changes,
            added=(*changes.added, *added)[:KEPT_PATHS],
            updated=(*changes.updated, *updated)[:KEPT_PATHS],
        )
    workers = [*cycle.workers]
    for number, paths in ended.items():
        _end(workers, number, paths)
    cycle = replace(
        cycle, tally=tally, workers=tuple(workers), changes=changes, moved=records[-1].mono
    )
    return replace(view, cycle=cycle)


@CYCLE.on(e.InsightsUnchanged)
def _insights_unchanged(view: View, record: e.Record, event: e.InsightsUnchanged) -> View:
    cycle = view.cycle
    if cycle is None:
        return view
    tally, n = cycle.tally, event.count
    tally = replace(tally, generated=tally.generated + n, unchanged=tally.unchanged + n)
    workers = _ended(cycle, event.worker, paths=n)
    return replace(view, cycle=replace(cycle, tally=tally, workers=workers, moved=record.mono))


def _sampled(changes: Changes, kind: str, item: object) -> Changes:
    kept = getattr(changes, kind)
    if len(kept) >= KEPT_PATHS:
        return changes
    return replace(changes, **{kind: (*kept, item)})


@CYCLE.on(e.InsightSkipped)
def _insight_skipped(view: View, record: e.Record, event: e.InsightSkipped) -> View:
    cycle = view.cycle
    if cycle is None:
        return view
    cycle = replace(cycle, workers=_ended(cycle, event.worker), moved=record.mono)
    return _count(replace(view, cycle=cycle), "skipped")


@CYCLE.on(e.PathFailed)
def _path_failed(view: View, record: e.Record, event: e.PathFailed) -> View:
    cycle = view.cycle
    if cycle is None:
        return view
    workers = _ended(cycle, event.worker, failures=1)
    changes = _sampled(cycle.changes, "failed", event)
    cycle = replace(cycle, workers=workers, changes=changes, moved=record.mono)
    return _count(replace(view, cycle=cycle), "failed")


@CYCLE.on(e.InsightCarriedForward)
def _insight_carried_forward(view: View, _: e.Record, event: e.InsightCarriedForward) -> View:
    return _count(_sample(view, "carried", event.path), "carried")


@CYCLE.on(e.InsightVanished)
def _insight_vanished(view: View, _: e.Record, event: e.InsightVanished) -> View:
    return _count(_sample(view, "vanished", event.path), "vanished")


@CYCLE.on(e.InsightRegressed)
def _insight_regressed(view: View, _: e.Record, event: e.InsightRegressed) -> View:
    return _count(_sample(view, "regressed", event.path), "regressed")


@CYCLE.on(e.BucketReindexed)
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
    CYCLE.table[cls] = lambda view, _record, _event: _count(view, name)


_counts(e.PathAbandoned, "abandoned")
_counts(e.RetryScheduled, "retries")


@CYCLE.on(e.CycleFinished)
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
        seconds=(record.mono - cycle.started.mono) / NS,
        phases=_phase_seconds(cycle),
        facts=event,
        changes=cycle.changes,
        faults=cycle.faults,
    )
    counted = event.outcome if event.outcome in Outcomes.__struct_fields__ else "aborted"
    view = replace(
        view,
        cycle=None,
        history=add(view.history, finished),
        outcomes=replace(view.outcomes, **{counted: getattr(view.outcomes, counted) + 1}),
    )
    if event.outcome == "saved":
        view = replace(view, saves=add(view.saves, finished, KEPT_SAVES))
    if is_complete(event.outcome):
        return replace(view, failed_in_row=0, last_complete=record.ts)
    if event.reason == "operator" and view.run is not None and view.next_tick <= record.mono:
        # What an operator aborts does not begin again at once, however late its next tick is.
        view = replace(view, next_tick=record.mono + int(view.run.tick_s * NS))
    if not has_failed(event.outcome, event.reason):
        return view
    return replace(view, failed_in_row=view.failed_in_row + 1)


def _phase_seconds(cycle: Cycle) -> dict[str, float]:
    return {each.name: each.seconds for each in cycle.phases if each.seconds is not None}
