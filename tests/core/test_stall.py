"""Whether a cycle moves, and which server it waits for where it does not."""

from __future__ import annotations

from tests.core.viewing import COMMITTED, Seen, generated, moved, save_started
from vsync_sm.core import events as e
from vsync_sm.core.stall import STALLED_S, stall

STARTED = e.CycleStarted(mounts=("a/", "b/"), workers=1, num_buckets=4, deadline_s=300.0)
READ = e.SyncInfoRead(prefix="p/", insights=0, buckets=0, index="", num_buckets=None)


def listing() -> Seen:
    seen = Seen()
    seen.start()
    seen.cycle = 1
    seen(STARTED, moved("tick", "waiting", "listing"))
    return seen


def waits(seen: Seen, after: float) -> tuple[str, str] | None:
    told = stall(seen.view.cycle, seen.now(after).mono)
    return None if told is None else (told.server, told.words)


def test_what_listing_waits_for() -> None:
    seen = listing()
    assert waits(seen, STALLED_S - 0.001) is None
    assert waits(seen, STALLED_S) == ("Consul", "Consul has not answered for 5 s")
    seen(READ)
    assert waits(seen, STALLED_S) == ("Vault", "Vault has not answered for 5 s")
    seen(*(e.MountChecked(mount=each, version="2", accessor="x") for each in ("a/", "b/")))
    assert waits(seen, 16) == ("Vault", "no folder was listed for 16 s")
    seen(e.FolderListed(mount="a/", folder="", paths=1, folders=0))
    assert waits(seen, 4) is None


def test_every_path_that_ends_is_a_move() -> None:
    seen = listing()
    seen(moved("listed", "listing", "working"), e.WorkerStarted(worker=1))
    ends: list[e.Event] = [
        generated("a"),
        generated("b", "unchanged"),
        e.InsightSkipped(worker=1, path="c", why="deleted"),
        e.PathFailed(worker=1, path="d", kind="timeout", message="no answer"),
    ]
    for each in ends:
        seen(each, after=10)
        assert waits(seen, 4) is None, each
    assert waits(seen, 16) == ("Vault", "no path finished for 16 s")
    seen(e.RetryScheduled(what="read d", attempt=1, delay_s=1.0, kind="timeout", message="no"))
    assert waits(seen, 15) == ("Vault", "no path finished for 16 s"), "another try is no end"


def test_a_worker_that_has_begun_with_a_path_has_ended_another() -> None:
    seen = listing()
    seen(moved("listed", "listing", "working"), e.WorkerStarted(worker=1), generated("a"))
    since = seen.now(9).mono
    seen(e.WorkersObserved(busy=(e.BusyWorker(worker=1, path="b", since=since),)), after=10)
    assert waits(seen, 3) is None


def test_saving_waits_for_consul_and_counting_for_nobody() -> None:
    seen = listing()
    seen(moved("worked", "working", "reindexing"))
    assert waits(seen, 60) is None
    seen(moved("reindexed", "reindexing", "saving"), save_started(1))
    assert waits(seen, 6) == ("Consul", "Consul has not confirmed the save for 7 s")
    seen(COMMITTED, moved("saved", "saving", "waiting"))
    assert waits(seen, 60) is None
    assert stall(None, 0) is None


def test_an_origin_that_is_silent_itself_blames_no_server() -> None:
    seen = listing()
    seen(moved("listed", "listing", "working"), e.WorkerStarted(worker=1), generated("a"))
    told = seen.now().mono
    now = seen.now(8).mono
    silent = stall(seen.view.cycle, now, told)
    assert silent is not None
    assert (silent.server, silent.words) == ("", "the origin has written nothing for 8 s")
    slow = stall(seen.view.cycle, now, seen.now(7).mono)
    assert slow is not None
    assert (slow.server, slow.words) == ("Vault", "no path finished for 8 s")
