"""One run written out by hand, to be looked at and to be forged."""

from __future__ import annotations

from msgspec.structs import replace

from tests.journal.playbook import CONFIG, DEADLINE_S, MOUNTS, insight
from vsync_sm.core import events as e


def renumbered(records: list[e.Record]) -> list[e.Record]:
    """The same records with `seq` made whole again: what a careful forger does."""
    return [replace(record, seq=seq) for seq, record in enumerate(records, start=1)]


def numbered(events: list[tuple[e.Event | e.Unknown, int | None]]) -> list[e.Record]:
    """Records of one run around events and their cycles, a millisecond apart."""
    return [
        e.Record(
            seq=seq,
            ts=f"2026-11-02T10:00:{seq // 1000:02d}.{seq % 1000:03d}000Z",
            mono=seq * 1_000_000,
            run="run-1",
            event=event,
            cycle=cycle,
        )
        for seq, (event, cycle) in enumerate(events, start=1)
    ]


def one_saved_cycle() -> list[tuple[e.Event | e.Unknown, int | None]]:
    """A whole run with one cycle: three paths, one vanished, saved; then SIGTERM."""

    def move(trigger: str, source: str, dest: str, reason: str = "") -> e.Transitioned:
        return e.Transitioned(trigger=trigger, source=source, dest=dest, reason=reason)

    former = insight()
    newer = insight(2)
    inside: list[e.Event] = [
        e.CycleStarted(mounts=MOUNTS, workers=2, num_buckets=4, deadline_s=DEADLINE_S),
        move("tick", "waiting", "listing"),
        e.MountChecked(mount="secret/", version="2", accessor="kv_1"),
        e.SyncInfoRead(
            prefix="vsync/origin/", insights=3, buckets=4, index="0" * 64, num_buckets=4
        ),
        e.FolderListed(mount="secret/", folder="", paths=3, folders=0),
        e.PathsListed(paths=3, mounts={"secret/": 3, "ops/": 0}),
        move("listed", "listing", "working"),
        e.WorkerStarted(worker=1),
        e.WorkerStarted(worker=2),
        e.InsightGenerated(worker=1, path="secret/data/a", insight=newer, change="updated"),
        e.RetryScheduled(
            what="secret/data/b", attempt=1, delay_s=0.2, kind="timeout", message="no answer"
        ),
        e.WorkersObserved(busy=(e.BusyWorker(2, "secret/data/b", 8_000_000),)),
        e.PathFailed(worker=2, path="secret/data/b", kind="timeout", message="no answer"),
        e.InsightSkipped(worker=1, path="secret/data/c", why="deleted"),
        e.InsightCarriedForward(path="secret/data/b", insight=former, cycles=1),
        e.WorkerStopped(worker=1, paths=2),
        e.WorkerStopped(worker=2, paths=1),
        move("worked", "working", "reindexing"),
        e.InsightVanished(path="secret/data/c", insight=former),
        e.BucketReindexed(bucket=1, insights=2, size_bytes=180, digest="ab" * 32),
        move("reindexed", "reindexing", "saving"),
        e.SaveStarted(
            index="1" * 64,
            index_key="vsync/origin/index",
            index_modify_index=8,
            keys=(e.SavedKey("vsync/origin/1", 7, "cd" * 32),),
            vanished={"secret/": 1},
        ),
        e.SaveCommitted(index="1" * 64, keys=2),
        move("saved", "saving", "waiting"),
        e.CycleFinished(
            outcome="saved",
            listed=3,
            generated=1,
            skipped=1,
            failed=1,
            carried=1,
            updated=1,
            vanished=1,
            requests=e.Requests(vault=7, consul=2),
            phases={"listing": 0.005, "working": 0.011, "reindexing": 0.003, "saving": 0.003},
        ),
    ]
    return [
        (
            e.RunStarted(version="0.1.0", pid=4711, host="host-1", once=False, config=CONFIG),
            None,
        ),
        (e.CheckPassed(check="consul", detail="write, read, list, update, delete"), None),
        (move("checks_passed", "checking", "waiting"), None),
        *((event, 1) for event in inside),
        (e.SignalReceived(signal="SIGTERM", number=15), None),
        (move("halt", "waiting", "halted", "signal"), None),
        (e.RunFinished(exit_code=0, why="SIGTERM"), None),
    ]
