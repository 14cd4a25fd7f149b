"""What a save, a refusal and an allowance do to the view."""

from __future__ import annotations

from msgspec.structs import replace

from vsync_sm.core import events as e
from vsync_sm.core.folding import KEPT_SAVES, Folds, add, when
from vsync_sm.core.shapes import (
    Allowance,
    BucketSeen,
    Changes,
    LastRefusal,
    LastSave,
    OpenSave,
    View,
)

SAVE = Folds()


@SAVE.on(e.SaveStarted)
def _save_started(view: View, record: e.Record, event: e.SaveStarted) -> View:
    cycle = view.cycle
    save = OpenSave(record.run, record.cycle or 0, when(record), event)
    if cycle is not None:
        buckets = {
            each.bucket: BucketSeen(each.insights, each.size_bytes, record.ts, cycle.number)
            for each in cycle.reindexed
        }
        save = replace(save, buckets=buckets, num_buckets=cycle.num_buckets)
    return replace(view, open_save=save)


@SAVE.on(e.SaveCommitted)
def _save_committed(view: View, record: e.Record, event: e.SaveCommitted) -> View:
    saved = LastSave(record.ts, record.run, record.cycle or 0, event.index)
    return replace(_committed(view), last_save=saved)


def _committed(view: View) -> View:
    """The view when Consul holds what the open save was to write."""
    save = view.open_save
    view = _spent_by_save(_whole(view, save.num_buckets if save else 0))
    if save is not None and save.num_buckets:
        there = {n: seen for n, seen in view.buckets.items() if n < save.num_buckets}
        view = replace(view, buckets=there | save.buckets, num_buckets=save.num_buckets)
    return replace(view, open_save=None, refusal=None)


def _whole(view: View, num_buckets: int) -> View:
    # A save that failed half-way wrote some of its buckets. Later on, those of them that are not
    # written again are no different from what lies in Consul: they are as that save meant them.
    half = view.half_saved
    if half is None:
        return view
    buckets = half.buckets if half.num_buckets == num_buckets else {}
    return replace(view, buckets=view.buckets | buckets, half_saved=None)


def _half_saved(view: View) -> View:
    save, before = view.open_save, view.half_saved
    if save is not None and before is not None and before.num_buckets == save.num_buckets:
        save = replace(save, buckets=before.buckets | save.buckets)
    return view if save is None else replace(view, half_saved=save)


def _spent_by_save(view: View) -> View:
    # As the memory does: a crash may come before `allowance_spent`.
    used = view.open_save.event.allowance if view.open_save else ""
    spent = view.allowance is not None and view.allowance.event.allowance == used
    return replace(view, allowance=None) if spent else view


@SAVE.on(e.SaveSkipped)
def _save_skipped(view: View, _: e.Record, __: e.SaveSkipped) -> View:
    num_buckets = view.cycle.num_buckets if view.cycle else 0
    return replace(_whole(view, num_buckets), refusal=None)


@SAVE.on(e.SaveRefused)
def _save_refused(view: View, record: e.Record, event: e.SaveRefused) -> View:
    changes = view.cycle.changes if view.cycle else Changes()
    return replace(view, refusal=LastRefusal(record.ts, record.cycle or 0, event, changes))


@SAVE.on(e.SaveFailed)
def _save_failed(view: View, _: e.Record, event: e.SaveFailed) -> View:
    return replace(_half_saved(view) if event.written else view, open_save=None)


@SAVE.on(e.SaveUncertain)
def _save_uncertain(view: View, _: e.Record, __: e.SaveUncertain) -> View:
    if view.open_save is None:
        return view
    return replace(view, open_save=replace(view.open_save, uncertain=True))


@SAVE.on(e.SaveReconciled)
def _save_reconciled(view: View, record: e.Record, event: e.SaveReconciled) -> View:
    was = view.open_save
    if was is None or event.outcome != "committed":
        return replace(_half_saved(view) if event.written else view, open_save=None)
    saved = LastSave(record.ts, event.saved_run, event.saved_cycle, was.event.index)
    own = (event.saved_cycle, event.saved_run)
    found = next((each for each in view.history if (each.number, each.run) == own), None)
    saves = view.saves if found is None else add(view.saves, found, KEPT_SAVES)
    return replace(_committed(view), last_save=saved, saves=saves)


@SAVE.on(e.AllowanceGranted)
def _allowance_granted(view: View, record: e.Record, event: e.AllowanceGranted) -> View:
    return replace(view, allowance=Allowance(record.ts, event, record.seq))


@SAVE.on(e.AllowanceSpent)
def _allowance_spent(view: View, _: e.Record, event: e.AllowanceSpent) -> View:
    standing = view.allowance
    if standing is None or standing.event.allowance != event.allowance:
        return view
    return replace(view, allowance=None)
