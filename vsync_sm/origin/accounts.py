"""The larger facts of a cycle, put together from what is known: pure, no decisions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import islice

from vsync_sm.core.events import (
    CycleFinished,
    Requests,
    RunRecovered,
    SavedKey,
    SaveRefused,
    SaveStarted,
    WorkerStopped,
)
from vsync_sm.core.insight import NS
from vsync_sm.core.memory import Allowance, Memory, sha256
from vsync_sm.core.safety import ALLOWANCE_S
from vsync_sm.core.sync_info import mount_of
from vsync_sm.core.view import View
from vsync_sm.origin.saving import Recalled, Reindexed

SAMPLE = 10
"""How many paths a refusal names by itself; the whole set stands before it in the journal."""


def recovered(memory: Memory) -> RunRecovered | None:
    """What an earlier run left open, or None when it ended by itself."""
    if memory.crashed is None:
        return None
    run, state, cycle = memory.crashed
    save = memory.open_save
    return RunRecovered(
        crashed_run=run,
        state=state,
        open_cycle=cycle,
        open_save=save is not None and save.run == run,
    )


def recalled(memory: Memory, prefix: str, now: int, yes: Allowance | None) -> Recalled:
    """What the memory knows at `now` (ns since 1970) for a verdict under `prefix`; `yes` holds."""
    refused = yes.refused if yes is not None else None
    last = memory.remembered(prefix)
    return Recalled(
        known=memory.knows(prefix),
        last_seen=memory.last_seen(prefix),
        accessors=dict(memory.accessors),
        recent=memory.vanished_since(now - int(ALLOWANCE_S * NS), prefix),
        allowed=refused.covers if refused else frozenset(),
        expected=refused.insights if refused else last.insights if last else {},
        expected_buckets=last.num_buckets if last else None,
        doubtful=memory.doubtful,
    )


def save_refused(reindexed: Reindexed, mounts: tuple[str, ...]) -> SaveRefused:
    """The refusal as a fact."""
    verdict = reindexed.verdict
    return SaveRefused(
        refusals=verdict.refusals,
        vanished=dict(Counter(mount_of(path, mounts) for path in verdict.vanished)),
        regressed=dict(Counter(mount_of(path, mounts) for path in verdict.regressed)),
        sample=tuple(islice((*verdict.vanished, *verdict.regressed), SAMPLE)),
        allowance=verdict.allowance,
        insights=dict(verdict.insights),
        unchosen=dict(Counter(mount_of(path, mounts) for path in reindexed.unchosen)),
    )


def save_started(reindexed: Reindexed, allowance: str) -> SaveStarted:
    """The order to save, as it must lie on the disk before the first byte goes to Consul."""
    plan = reindexed.plan
    return SaveStarted(
        index=plan.index_digest,
        index_key=plan.index_key,
        index_modify_index=plan.index_modify_index,
        keys=tuple(
            SavedKey(write.key, write.modify_index, sha256(write.value)) for write in plan.writes
        ),
        stale=tuple(pair.key for pair in plan.stale),
        vanished=dict(reindexed.verdict.unasked),
        insights=dict(reindexed.verdict.insights),
        allowance=allowance,
    )


def workers_stopped(view: View, ends: Iterable[WorkerStopped]) -> tuple[WorkerStopped, ...]:
    """The ends of the workers that the journal says are at work; `ends` says who came back.

    What the journal says counts: a worker may have begun, or ended, without having been heard.
    """
    lost = {end.worker for end in ends if end.abandoned}
    workers = view.cycle.workers if view.cycle else ()
    return tuple(
        WorkerStopped(worker=each.number, paths=each.paths, abandoned=each.number in lost)
        for each in workers
        if not each.stopped
    )


def cycle_finished(view: View, outcome: str, reason: str, requests: Requests) -> CycleFinished:
    """The close of the cycle that `view` shows; every path that was listed is accounted for."""
    cycle = view.cycle
    if cycle is None:
        return CycleFinished(outcome=outcome, reason=reason, requests=requests)
    tally, listed = cycle.tally, cycle.listed or 0
    ended = tally.generated + tally.skipped + tally.failed + tally.abandoned
    return CycleFinished(
        outcome=outcome,
        reason=reason,
        listed=listed,
        generated=tally.generated,
        skipped=tally.skipped,
        failed=tally.failed,
        carried=tally.carried,
        abandoned=tally.abandoned,
        unsent=listed - ended,
        added=tally.added,
        updated=tally.updated,
        unchanged=tally.unchanged,
        vanished=tally.vanished,
        regressed=tally.regressed,
        requests=requests,
        phases={
            phase.name: round(phase.seconds, 6)
            for phase in cycle.phases
            if phase.seconds is not None
        },
    )
