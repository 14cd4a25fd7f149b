"""What the view knows of saves: what changed, which buckets, and what nobody knows yet."""

from __future__ import annotations

import pytest

from tests.core.viewing import COMMITTED, Seen, differs, generated, moved, refused, save_started
from vsync_sm.core import events as e
from vsync_sm.core.view import KEPT_PATHS, KEPT_SAVES, View

FAILED = e.SaveFailed(kind="conflict", message="somebody was faster", written=False)
HALF = e.SaveFailed(kind="timeout", message="no answer", written=True)
UNCERTAIN = e.SaveUncertain(message="no reply")


def started() -> Seen:
    seen = Seen()
    seen.start()
    return seen


def buckets(view: View) -> dict[int, tuple[int, int]]:
    """By bucket: how many insights, and of which cycle."""
    return {n: (each.insights, each.cycle) for n, each in sorted(view.buckets.items())}


def settled(outcome: str, cycle: int, run: str, *, written: bool = True) -> e.SaveReconciled:
    return e.SaveReconciled(saved_run=run, saved_cycle=cycle, outcome=outcome, written=written)


# --- what changed ----------------------------------------------------------------------------


def test_what_changed_is_known_while_the_cycle_goes_on() -> None:
    seen = started()
    seen.begin()
    failed = e.PathFailed(worker=1, path="secret/data/d", kind="timeout", message="no answer")
    view = seen(
        generated("secret/data/a", "added"),
        generated("secret/data/b"),
        generated("secret/data/c", "unchanged"),
        failed,
        e.InsightCarriedForward(path="secret/data/d", insight=INSIGHT, cycles=1),
        e.InsightVanished(path="secret/data/e", insight=INSIGHT),
        e.InsightRegressed(path="secret/data/b", former=INSIGHT, insight=INSIGHT),
    )
    assert view.cycle is not None
    changes = view.cycle.changes
    assert (changes.added, changes.updated) == (("secret/data/a",), ("secret/data/b",))
    assert (changes.vanished, changes.regressed) == (("secret/data/e",), ("secret/data/b",))
    assert (changes.carried, changes.failed) == (("secret/data/d",), (failed,))


INSIGHT = generated("p").insight


@pytest.mark.parametrize("change", ["added", "updated", "failed", "vanished", "moon"])
def test_a_change_nobody_knows_is_an_update(change: str) -> None:
    seen = started()
    seen.begin()
    view = seen(generated("secret/data/a", change))
    assert view.cycle is not None
    kept = view.cycle.changes.added if change == "added" else view.cycle.changes.updated
    assert kept == ("secret/data/a",)
    assert view.cycle.changes.failed == ()
    assert view.cycle.changes.vanished == ()


def test_so_many_paths_are_kept_and_all_are_counted() -> None:
    seen = started()
    seen.begin()
    for i in range(KEPT_PATHS + 7):
        seen(generated(f"secret/data/{i}"), e.InsightVanished(path=f"v{i}", insight=INSIGHT))
    assert seen.view.cycle is not None
    changes, tally = seen.view.cycle.changes, seen.view.cycle.tally
    assert len(changes.updated) == len(changes.vanished) == KEPT_PATHS
    assert changes.updated[0] == "secret/data/0", "the first are kept"
    assert (tally.updated, tally.vanished) == (KEPT_PATHS + 7, KEPT_PATHS + 7)


def test_a_saved_cycle_keeps_its_changes_and_others_are_no_saves() -> None:
    seen = started()
    seen.begin()
    seen(generated("secret/data/a"))
    seen.finish("saved")
    seen.begin()
    seen(generated("secret/data/b"))
    seen.finish("aborted", "fault")
    seen.begin()
    seen.finish("unchanged")
    (save,) = seen.view.saves
    assert (save.number, save.changes.updated) == (1, ("secret/data/a",))
    assert [each.number for each in seen.view.history] == [1, 2, 3]


def test_the_last_saves_are_kept() -> None:
    seen = started()
    for _ in range(KEPT_SAVES + 5):
        seen.save(1)
    assert [each.number for each in seen.view.saves] == list(range(6, KEPT_SAVES + 6))


def test_a_refusal_tells_what_it_refused() -> None:
    seen = started()
    seen.begin()
    view = seen(e.InsightVanished(path="secret/data/e", insight=INSIGHT), refused(vanished=1))
    assert view.refusal is not None
    assert view.refusal.changes.vanished == ("secret/data/e",)


def test_faults_of_a_cycle_stand_with_it() -> None:
    seen = started()
    seen.fail("Vault is sealed")
    assert [each.message for each in seen.view.history[0].faults] == ["Vault is sealed"]
    seen.begin()
    for _ in range(30):
        seen(e.FaultRaised(kind="sealed", fatal=False, message="again"))
    assert seen.view.cycle is not None
    assert len(seen.view.cycle.faults) == 10


# --- buckets ---------------------------------------------------------------------------------


def test_buckets_are_those_that_were_committed() -> None:
    seen = started()
    seen.save(0, 1, 2, 3)
    assert buckets(seen.view) == dict.fromkeys(range(4), (2, 1))
    first = seen.view.buckets[1].ts
    seen.begin()
    seen.reindex(1, insights=5)
    assert buckets(seen.view)[1] == (2, 1), "not before it lies in Consul"
    seen(moved("reindexed", "reindexing", "saving"), save_started(1), COMMITTED)
    assert buckets(seen.view) == {0: (2, 1), 1: (5, 2), 2: (2, 1), 3: (2, 1)}
    assert seen.view.buckets[1].ts > first
    assert seen.view.buckets[1].size_bytes == 500
    assert seen.view.num_buckets == 4


def test_fewer_buckets_leave_none_behind() -> None:
    seen = started()
    seen.save(*range(8), num_buckets=8)
    assert (len(seen.view.buckets), seen.view.num_buckets) == (8, 8)
    seen.save(*range(4), num_buckets=4)
    assert buckets(seen.view) == dict.fromkeys(range(4), (2, 2))
    assert seen.view.num_buckets == 4


def attempt(seen: Seen, *ends: e.Event, bucket: int = 1) -> None:
    """A cycle that would change a bucket, up to these ends."""
    seen.begin()
    seen.reindex(bucket, insights=9)
    seen(*ends)


STARTED = save_started(1)


@pytest.mark.parametrize(
    "ends",
    [
        (),
        (refused(vanished=1),),
        (STARTED,),
        (STARTED, FAILED),
        (STARTED, HALF),
        (STARTED, UNCERTAIN),
    ],
    ids=["aborted", "refused", "under way", "failed", "half", "uncertain"],
)
def test_what_was_not_committed_changes_no_bucket(ends: tuple[e.Event, ...]) -> None:
    seen = started()
    seen.save(0, 1, 2, 3)
    before = seen.view
    attempt(seen, *ends)
    seen.finish("aborted", "fault")
    assert seen.view.buckets == before.buckets
    assert seen.view.last_save == before.last_save
    assert seen.view.saves == before.saves


def test_a_save_without_a_word_that_was_committed_after_all() -> None:
    seen = started()
    seen.save(0, 1, 2, 3)
    attempt(seen, STARTED, UNCERTAIN)
    run = seen.run
    seen.finish("aborted", "fault")
    seen.begin()
    view = seen(settled("committed", 2, run))
    assert buckets(view)[1] == (9, 2)
    assert view.open_save is None
    assert view.last_save is not None
    assert view.last_save.cycle == 2
    assert [each.number for each in view.saves] == [1, 2], "it stands with its own cycle's facts"


def test_a_crash_in_a_save_that_was_committed() -> None:
    seen = started()
    seen.save(0, 1, 2, 3)
    attempt(seen, STARTED)
    run = seen.run
    seen.start()
    assert seen.view.open_save is not None
    seen.begin()
    view = seen(settled("committed", 2, run))
    assert buckets(view)[1] == (9, 2)
    assert [each.number for each in view.saves] == [1], "what it changed was never told"


def test_a_save_settled_as_failed_changes_no_bucket() -> None:
    seen = started()
    seen.save(0, 1, 2, 3)
    attempt(seen, STARTED, UNCERTAIN)
    seen.finish("aborted", "fault")
    seen.begin()
    view = seen(settled("failed", 2, seen.run, written=False))
    assert view.open_save is None
    assert buckets(view)[1] == (2, 1)
    seen.save(2)
    assert buckets(seen.view)[1] == (2, 1)


@pytest.mark.parametrize("how", ["failed", "settled"])
@pytest.mark.parametrize("then", ["saved", "skipped"])
def test_what_half_a_save_wrote_counts_once_a_cycle_was_complete(how: str, then: str) -> None:
    seen = started()
    seen.save(0, 1, 2, 3)
    attempt(seen, STARTED, HALF if how == "failed" else UNCERTAIN)
    seen.finish("aborted", "fault")
    if how == "settled":
        seen.begin()
        seen(settled("failed", 2, seen.run))
        seen.finish("aborted", "fault")
    attempt(seen, save_started(3), HALF, bucket=3)
    seen.finish("aborted", "fault")
    assert buckets(seen.view)[1] == (2, 1)
    if then == "saved":
        seen.save(2)
    else:
        seen.begin()
        seen(e.SaveSkipped(index="11" * 32))
    told = buckets(seen.view)
    assert told[1] == (9, 2), "it was not written again, so it lies there"
    assert told[3][0] == 9
    assert told[0] == (2, 1)
    assert seen.view.half_saved is None


def test_half_a_save_of_another_number_of_buckets_is_forgotten() -> None:
    seen = started()
    seen.save(0, 1, 2, 3)
    seen.begin(num_buckets=8)
    seen.reindex(1, 7, insights=9)
    seen(save_started(1, 7), HALF)
    seen.finish("aborted", "fault")
    seen.save(2)
    assert buckets(seen.view) == {0: (2, 1), 1: (2, 1), 2: (2, 3), 3: (2, 1)}


def test_a_commit_out_of_nowhere_changes_no_bucket() -> None:
    seen = started()
    seen.save(0, 1)
    before = seen.view.buckets
    seen(COMMITTED)
    assert seen.view.buckets == before


# --- the rest of what was added -----------------------------------------------------------------


def test_a_run_tells_what_is_measured_by() -> None:
    seen = Seen()
    seen.start(tick_s=30.0, timeout_s=90.0)
    run = seen.view.run
    assert run is not None
    assert (run.tick_s, run.timeout_s, run.control) == (30.0, 90.0, "/run/vsync.sock")


def test_a_pause_outlives_the_run_and_conditions_do_not() -> None:
    seen = started()
    seen(
        e.CommandReceived(command="pause", by="ada", through="console"),
        e.TickerPaused(by="ada", through="console", why="maintenance"),
        e.ServerConditionChanged(server="Vault", condition="sealed", message="it is sealed"),
    )
    view = seen.view
    assert view.pause is not None
    assert (view.pause.by, view.pause.why, view.pause.ts) == (
        "ada",
        "maintenance",
        view.conditions["Vault"].ts.replace(":05.", ":04."),
    )
    assert [each.event.command for each in view.commands] == ["pause"]
    assert (view.conditions["Vault"].word, view.conditions["Vault"].message) == (
        "sealed",
        "it is sealed",
    )
    seen(e.ServerConditionChanged(server="Vault", condition="answering"))
    assert seen.view.conditions["Vault"].word == "answering"
    seen.start()
    assert (seen.view.pause, seen.view.conditions, seen.view.commands) == (view.pause, {}, ())
    seen(e.TickerResumed(by="bob", through="console"))
    assert seen.view.pause is None


def test_an_unknown_bucket_event_outside_a_cycle_is_passed_over() -> None:
    seen = started()
    assert seen(differs(1)).buckets == {}
