"""What the journal remembers of saves: what vanished, what is carried, what a crash left open."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.made import PREFIX, former, insight, named, nothing, saved
from tests.core.told import COMMITTED, HOUR, Told, failed, moved, read, run_started, save_started
from tests.journal.example import numbered
from tests.journal.playbook import journals
from vsync_sm.core import events as e
from vsync_sm.core.memory import Memory, OpenSave, settle, sha256
from vsync_sm.core.sync_info import Former, distribute
from vsync_sm.origin.saving import plan_save


@pytest.fixture
def told() -> Told:
    return Told()


# --- what vanished lately --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("end", "counts"),
    [
        (COMMITTED, True),
        (failed(written=True), True),
        (failed(written=False), False),
        (e.SaveUncertain(message="no reply"), False),
        (None, False),
    ],
)
def test_what_a_save_took_away_counts_when_it_reached_consul(
    told: Told, end: e.Event | None, counts: bool
) -> None:
    told.save(vanished=3, end=end)
    assert told.recent() == ({"secret/": 3} if counts else {})


@pytest.mark.parametrize(
    ("outcome", "written", "counts"),
    [("committed", True, True), ("failed", True, True), ("failed", False, False)],
)
def test_what_an_open_save_took_away_counts_once_it_is_settled(
    told: Told, outcome: str, written: bool, counts: bool
) -> None:
    told.save(vanished=3, end=None)
    told(run_started())
    told.start(2)
    told(read())
    settled = e.SaveReconciled(saved_run="run-1", saved_cycle=1, outcome=outcome, written=written)
    told(settled)
    assert told.recent() == ({"secret/": 3} if counts else {})
    assert told.memory.open_save is None
    # Once: a second one, which nothing allows, changes nothing.
    told(settled)
    assert told.recent() == ({"secret/": 3} if counts else {})


def test_what_vanished_counts_for_an_hour_to_the_second(told: Told) -> None:
    told.save(vanished=3, end=COMMITTED)
    first = told.now() - 1_000_000_000  # the commit; the cycle's end came a second later
    told.save(vanished=4, end=COMMITTED, after=600)
    assert told.recent() == {"secret/": 7}
    assert told.memory.vanished_since(first - 1, PREFIX) == {"secret/": 7}
    assert told.memory.vanished_since(first, PREFIX) == {"secret/": 4}
    told(read(), after=HOUR - 600)
    assert told.recent() == {"secret/": 4}
    told(read(), after=600)
    assert told.recent() == {}


def test_many_small_steps_are_all_counted(told: Told) -> None:
    # A cycle every second, each within the limits, may not outrun the memory.
    for _ in range(1_500):
        told.second -= 5
        told.save(vanished=2, end=COMMITTED)
    assert told.recent() == {"secret/": 3_000}


def test_what_is_over_an_hour_old_is_forgotten(told: Told) -> None:
    for _ in range(20):
        told.save(vanished=1, end=COMMITTED, after=HOUR // 4)
    assert told.memory.vanished_since(0, PREFIX) == {"secret/": 4}


def test_what_vanished_under_another_sync_path_does_not_count_along(told: Told) -> None:
    told.save(vanished=3, end=COMMITTED)
    told.save(vanished=5, end=COMMITTED, prefix="other/origin/")
    told.save(vanished=1, end=COMMITTED)
    assert told.recent() == {"secret/": 4}
    assert told.recent("other/origin/") == {"secret/": 5}
    assert told.recent("third/origin/") == {}


# --- streaks of carried insights -------------------------------------------------------------

PATH = "secret/data/a"
CARRIED = e.InsightCarriedForward(path=PATH, insight=insight(), cycles=4)


@pytest.mark.parametrize(
    ("event", "carried"),
    [
        (e.InsightGenerated(worker=1, path=PATH, insight=insight(), change="unchanged"), {}),
        (e.InsightSkipped(worker=1, path=PATH, why="deleted"), {}),
        (e.InsightVanished(path=PATH, insight=insight()), {}),
        (e.PathFailed(worker=1, path=PATH, kind="timeout", message="no answer"), {PATH: 4}),
        (e.PathAbandoned(worker=1, path=PATH), {PATH: 4}),
        (e.InsightCarriedForward(path=PATH, insight=insight(), cycles=5), {PATH: 5}),
        (
            e.InsightGenerated(worker=1, path="secret/data/b", insight=insight(), change="added"),
            {PATH: 4},
        ),
    ],
    ids=lambda value: value.type if isinstance(value, e.Event) else "",
)
def test_a_streak_ends_when_its_path_is_read_or_gone(
    told: Told, event: e.Event, carried: dict[str, int]
) -> None:
    told.start()
    told(e.PathFailed(worker=1, path=PATH, kind="timeout", message="no answer"), CARRIED)
    assert told.memory.carried == {PATH: 4}
    told.finish("saved")
    told.start(2)
    assert told(event).carried == carried


# --- what a crash leaves ---------------------------------------------------------------------


def test_a_run_that_has_not_finished_has_crashed(told: Told) -> None:
    seen = [told(run_started()).crashed]
    seen.append(told(moved("checks_passed", "checking", "waiting")).crashed)
    told.start()
    seen.append(told.memory.crashed)
    seen.append(told(moved("listed", "listing", "working")).crashed)
    told.finish("aborted")
    seen.append(told.memory.crashed)
    told(moved("recovered", "aborted", "waiting"))
    seen.append(told(e.RunFinished(exit_code=0, why="asked")).crashed)
    told.run = "run-2"
    seen.append(told(run_started()).crashed)
    assert seen == [
        ("run-1", "checking", None),
        ("run-1", "waiting", None),
        ("run-1", "listing", 1),
        ("run-1", "working", 1),
        ("run-1", "working", None),
        None,
        ("run-2", "checking", None),
    ]


def test_a_save_is_open_until_its_end_is_known(told: Told) -> None:
    told.start(7)
    started = save_started(vanished=2)
    assert told(started).open_save == OpenSave("run-1", 7, started, 4)
    assert told(e.SaveUncertain(message="no reply")).open_save is not None
    told.finish("aborted")
    told.run = "run-2"
    assert told(run_started()).open_save == OpenSave("run-1", 7, started, 4)


@pytest.mark.parametrize("end", [COMMITTED, failed(written=True), failed(written=False)])
def test_a_save_that_ended_is_not_open(told: Told, end: e.Event) -> None:
    told.save(end=end)
    assert told.memory.open_save is None


# --- how an open save did end ----------------------------------------------------------------

BEFORE = named("secret/", range(20))
AFTER = BEFORE | {"secret/data/p3": insight(2), "secret/data/new": insight()}


def left_open(there: Former) -> OpenSave:
    """A save from there to `AFTER` of which nobody knows how it ended."""
    plan = plan_save(PREFIX, there, distribute(AFTER, 4))
    return OpenSave(
        "run-1",
        7,
        e.SaveStarted(
            index=plan.index_digest,
            index_key=plan.index_key,
            index_modify_index=plan.index_modify_index,
            keys=tuple(e.SavedKey(w.key, w.modify_index, sha256(w.value)) for w in plan.writes),
        ),
    )


def values(insights: Former) -> dict[str, bytes]:
    """The values of the keys, by name."""
    found = {str(number): pair.value for number, pair in insights.keys.items()}
    assert insights.index_key is not None
    return found | {"index": insights.index_key.value}


WRITTEN = values(former(AFTER))
CHANGED = sorted(name for name, value in WRITTEN.items() if values(former(BEFORE))[name] != value)


@pytest.mark.parametrize(
    ("there", "outcome", "written"),
    [
        (former(AFTER), "committed", True),
        (former(AFTER, instead={"9": b"stale", "status": b"x"}), "committed", True),
        (former(BEFORE), "failed", False),
        (nothing(), "failed", False),
        (former(BEFORE, instead={CHANGED[0]: WRITTEN[CHANGED[0]]}), "failed", True),
        (former(AFTER, instead={"index": b"[]"}), "failed", True),
        (former(AFTER, without=["index"]), "failed", True),
        (former(AFTER, without=[CHANGED[0]]), "failed", True),
        # The index alone is never written first, and yet it is not taken for the whole.
        (former(BEFORE, instead={"index": WRITTEN["index"]}), "failed", True),
    ],
)
def test_an_open_save_is_settled_by_what_lies_in_consul(
    there: Former, outcome: str, written: bool
) -> None:
    assert len(CHANGED) >= 2
    assert settle(left_open(former(BEFORE)), there) == e.SaveReconciled(
        saved_run="run-1", saved_cycle=7, outcome=outcome, written=written
    )


def test_a_save_without_an_index_is_settled_by_the_index_that_was_there() -> None:
    # Damage mended under an index that was right all along.
    there = former(AFTER, instead={"0": b"garbage"})
    save = left_open(there)
    assert [key.key for key in save.started.keys] == [f"{PREFIX}0"]
    assert settle(save, former(AFTER)).outcome == "committed"
    assert settle(save, there).outcome == "failed"
    assert settle(save, former(AFTER, without=["index"])).outcome == "failed"


def test_the_first_save_is_settled_too() -> None:
    save = left_open(nothing())
    assert len(save.started.keys) == len(saved(AFTER)) == 5
    assert settle(save, former(AFTER)).outcome == "committed"
    assert settle(save, former(AFTER, without=["index"])) == e.SaveReconciled(
        saved_run="run-1", saved_cycle=7, outcome="failed", written=True
    )


# --- the fold --------------------------------------------------------------------------------


@settings(max_examples=60)
@given(journals, st.data())
def test_a_record_told_twice_is_told_once(records: list[e.Record], data: st.DataObject) -> None:
    once, twice = Memory(), Memory()
    for at, record in enumerate(records):
        once.note(record)
        twice.note(record)
        for again in records[max(0, at - 3) : at + 1]:
            twice.note(again)
        assert twice == once


def test_a_row_of_insights_is_remembered_as_they_are_one_by_one() -> None:
    carried = (
        e.InsightCarriedForward(path=f"kv/data/{n}", insight=insight(), cycles=2) for n in "abc"
    )
    records = numbered([(each, 1) for each in carried])
    told = (e.InsightGenerated(1, f"kv/data/{n}", insight(), "added") for n in "bcd")
    row = numbered([*((each.event, 1) for each in records), *((each, 1) for each in told)])[3:]
    once, in_a_row = Memory(), Memory()
    for record in (*records, *row):
        once.note(record)
    for record in records:
        in_a_row.note(record)
    in_a_row.note_insights(row[:2])
    in_a_row.note_insights(row)  # and what was told before is told once
    in_a_row.note_insights([])
    assert in_a_row == once
    assert (in_a_row.carried, in_a_row.last_seq) == ({"kv/data/a": 2}, 6)


@pytest.mark.parametrize(
    ("later", "carried"),
    [
        (e.InsightCarriedForward(path="kv/data/a", insight=insight(), cycles=1), {"kv/data/a": 1}),
        (e.WorkerStarted(worker=2), {}),
    ],
)
def test_a_row_told_again_changes_nothing(later: e.Event, carried: dict[str, int]) -> None:
    told = e.InsightGenerated(1, "kv/data/a", insight(), "added")
    row, after = numbered([(told, 1)]), numbered([(told, 1), (later, 1)])[1:]
    memory = Memory()
    memory.note_insights(row)
    memory.note(after[0])
    memory.note_insights(row)
    assert (memory.carried, memory.last_seq) == (carried, 2)


@settings(max_examples=60)
@given(journals)
def test_what_any_journal_leaves(records: list[e.Record]) -> None:
    memory = Memory()
    for record in records:
        memory.note(record)
    words = [record.event.type for record in records]
    assert memory.last_seq == len(records)
    assert memory.last_cycle == max((record.cycle or 0 for record in records), default=0)
    assert (memory.crashed is None) == (words[-1] == "run_finished")
    if memory.crashed is not None:
        assert memory.crashed[0] == records[-1].run
    assert memory.knows("vsync/origin/") == bool({"sync_info_read", "save_committed"} & set(words))
    ends = {"save_committed", "save_failed", "save_reconciled"}
    last = [word for word in words if word in ends | {"save_started"}][-1:]
    assert (memory.open_save is not None) == (last == ["save_started"])
    committed = {
        record.cycle
        for record in records
        if isinstance(record.event, e.CycleFinished)
        and record.event.outcome in {"saved", "unchanged"}
    }
    assert bool(memory.accessors) == bool(committed)
    told = {r.event.allowance for r in records if isinstance(r.event, e.SaveRefused)}
    assert memory.refusal_ids <= told
