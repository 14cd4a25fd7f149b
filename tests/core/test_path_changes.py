"""What became of the paths between two moments: the net effect."""

from __future__ import annotations

from datetime import UTC, datetime
from random import Random

import pytest

from tests.tui.night import Night, Tree
from vsync_sm.core import events as e
from vsync_sm.core.insight import Insight
from vsync_sm.core.path_changes import Change, PathChanges, PathLedger

OLD, NEW = Insight(1, "2026-10-01T00:00:00Z"), Insight(2, "2026-10-02T00:00:00Z")
A, B, C = "teams/data/a", "teams/data/b", "platform/data/c"


def added(path: str = A) -> e.Event:
    return e.InsightGenerated(worker=1, path=path, insight=OLD, change="added")


def updated(path: str = A) -> e.Event:
    return e.InsightGenerated(worker=1, path=path, insight=NEW, change="updated")


def unchanged(path: str = A) -> e.Event:
    return e.InsightGenerated(worker=1, path=path, insight=OLD, change="unchanged")


def vanished(path: str = A) -> e.Event:
    return e.InsightVanished(path=path, insight=OLD)


def regressed(path: str = A) -> e.Event:
    return e.InsightRegressed(path=path, former=NEW, insight=OLD)


def skipped(path: str = A) -> e.Event:
    return e.InsightSkipped(worker=1, path=path, why="deleted")


def failed(path: str = A) -> e.Event:
    return e.PathFailed(worker=1, path=path, kind="forbidden", message="no")


def carried(path: str = A) -> e.Event:
    return e.InsightCarriedForward(path=path, insight=OLD, cycles=1)


SAVED = (
    e.Transitioned(trigger="reindexed", source="reindexing", dest="saving"),
    e.CycleFinished(outcome="saved"),
)
UNCHANGED = (SAVED[0], e.CycleFinished(outcome="unchanged"))
ABORTED = (e.CycleFinished(outcome="aborted", reason="fault"),)
REFUSED = (
    e.SaveRefused(refusals=(), vanished={}, regressed={}, sample=(), allowance=""),
    e.CycleFinished(outcome="refused", reason="refused"),
)


def ledger(*cycles: tuple[e.Event, ...], most: int = 100) -> PathLedger:
    """A ledger that was told of these cycles, numbered from 1."""
    made, seq = PathLedger(most), 0
    for number, events in enumerate(cycles, start=1):
        for event in events:
            seq += 1
            made.note(e.Record(seq, "2026-11-02T00:00:00Z", seq, "run-1", event, number))
    return made


def changes(*cycles: tuple[e.Event, ...]) -> dict[Change, tuple[tuple[str, ...], int]]:
    """Of each kind the names, and how many of them are unsaved."""
    kinds = ledger(*cycles).changes(("teams/", "platform/")).kinds
    return {kind: (paths.names, paths.unsaved) for kind, paths in kinds.items()}


@pytest.mark.parametrize(
    ("cycles", "found"),
    [
        ([(added(), *SAVED)], {Change.added: ((A,), 0)}),
        ([(updated(), *SAVED)], {Change.updated: ((A,), 0)}),
        ([(vanished(), *SAVED)], {Change.vanished: ((A,), 0)}),
        ([(unchanged(), *UNCHANGED)], {}),
        ([(skipped(), *UNCHANGED)], {}),
        # Told by each cycle until one saves it, it is added once.
        ([(added(), *ABORTED), (added(), *SAVED)], {Change.added: ((A,), 0)}),
        ([(added(), *SAVED), (unchanged(), *UNCHANGED)], {Change.added: ((A,), 0)}),
        ([(added(), *SAVED), (updated(), *SAVED)], {Change.added: ((A,), 0)}),
        ([(added(), *SAVED), (vanished(), *SAVED)], {Change.passing: ((A,), 0)}),
        ([(added(), *ABORTED), (skipped(), *SAVED)], {Change.passing: ((A,), 0)}),
        ([(vanished(), *SAVED), (added(), *SAVED)], {Change.returned: ((A,), 0)}),
        ([(updated(), *SAVED), (vanished(), *SAVED)], {Change.vanished: ((A,), 0)}),
        ([(updated(), regressed(), *SAVED)], {Change.regressed: ((A,), 0)}),
        # What no save has told Consul.
        ([(added(),)], {Change.added: ((A,), 1)}),
        ([(vanished(), *REFUSED)], {Change.vanished: ((A,), 1)}),
        ([(updated(), *SAVED), (updated(), *ABORTED)], {Change.updated: ((A,), 1)}),
        ([(added(), *SAVED), (unchanged(), *ABORTED)], {Change.added: ((A,), 0)}),
        # A complete cycle that tells nothing of it found it as it had been saved.
        ([(added(), *ABORTED), UNCHANGED], {Change.passing: ((A,), 0)}),
        ([(vanished(), *REFUSED), UNCHANGED], {Change.returned: ((A,), 0)}),
        ([(added(), *ABORTED), ABORTED], {Change.added: ((A,), 1)}),
        # Failures, as of the last cycle that read it.
        ([(failed(), *ABORTED)], {Change.failed: ((A,), 0)}),
        ([(failed(), carried(), *UNCHANGED)], {Change.carried: ((A,), 0)}),
        ([(failed(), carried(), *UNCHANGED), UNCHANGED], {}),
        ([(failed(), *ABORTED), (unchanged(), *ABORTED)], {}),
        (
            [(updated(), *SAVED), (failed(), carried(), *UNCHANGED)],
            {Change.carried: ((A,), 0), Change.updated: ((A,), 0)},
        ),
    ],
)
def test_the_net_effect(
    cycles: list[tuple[e.Event, ...]], found: dict[Change, tuple[tuple[str, ...], int]]
) -> None:
    assert changes(*cycles) == found


def test_a_save_whose_end_a_later_cycle_found() -> None:
    reconciled = e.SaveReconciled(saved_run="run-1", saved_cycle=1, outcome="committed")
    assert changes((added(), *ABORTED), (reconciled,)) == {Change.added: ((A,), 0)}
    lost = e.SaveReconciled(saved_run="run-1", saved_cycle=1, outcome="failed")
    assert changes((added(), *ABORTED), (lost,)) == {Change.added: ((A,), 1)}


def test_kinds_are_told_gravest_first_by_mount_and_by_name() -> None:
    told = ledger((added(C), added(B), added(A), vanished("ops/data/x"), *SAVED))
    kinds = told.changes(("teams/", "platform/")).kinds
    assert list(kinds) == [Change.vanished, Change.added]
    assert kinds[Change.added].by_mount == {"platform/": 1, "teams/": 2}
    assert kinds[Change.added].names == (C, A, B)
    assert kinds[Change.vanished].by_mount == {"ops/": 1}


def test_names_are_bounded_and_the_count_is_not() -> None:
    paths = [f"teams/data/{n:04}" for n in range(500)]
    added_ = ledger((*map(added, reversed(paths)), *SAVED), most=1000).changes().kinds[Change.added]
    assert (added_.count, added_.names) == (500, tuple(paths[:200]))


def test_what_is_remembered_is_bounded_too() -> None:
    paths = [f"teams/data/{n}" for n in range(20)]
    told = ledger(tuple(map(added, paths)), tuple(map(updated, paths)), most=15).changes()
    assert told.kinds[Change.added].count == 15
    assert told.untold == 10
    assert bool(told)
    assert not PathChanges()


@pytest.mark.parametrize("seed", range(12))
def test_what_is_told_is_what_consul_comes_to_hold(seed: int) -> None:
    """Random nights: cycles that save, abort half-way, fail paths; users write, delete, restore."""
    random = Random(seed)  # noqa: S311
    names = [f"{mount}data/{n}" for mount in ("teams/", "platform/") for n in range(6)]
    tree: Tree = {name: Insight(1, "2026-10-01T08:00:00Z") for name in names[::2]}
    night = Night(tree, datetime(2026, 11, 2, tzinfo=UTC))
    night.start("run-1")
    night.check()
    night.cycle()
    before, at = dict(night.consul), len(night.records)
    for _ in range(random.randint(1, 6)):
        for name in random.sample(names, random.randint(0, 4)):
            if name in night.vault and random.random() < 0.4:
                random.choice((night.purge, night.delete))(name)
            else:
                night.write(name)
        night.until_tick()
        if random.random() < 0.4:
            night.begin()
            night.list_all()
            night.work(most=random.randint(0, 8))
            night.abort("fault")
    night.until_tick()
    night.cycle()
    told = PathLedger()
    for record in night.records[at:]:
        told.note(record)
    kinds = told.changes(("teams/", "platform/")).kinds
    names_of = {kind: set(paths.names) for kind, paths in kinds.items()}
    after = night.consul
    assert names_of.get(Change.added, set()) == after.keys() - before.keys()
    assert names_of.get(Change.vanished, set()) == before.keys() - after.keys()
    changed = {name for name in after.keys() & before.keys() if after[name] != before[name]}
    updated_ = names_of.get(Change.updated, set())
    assert updated_ <= changed <= updated_ | names_of.get(Change.returned, set())
    assert not any(paths.unsaved for paths in kinds.values())
