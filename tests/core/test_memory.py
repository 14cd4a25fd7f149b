"""What the journal remembers for the safety rules: sync infos, accessors, refusals and yeses."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tests.core.made import PREFIX, former, insight, named
from tests.core.proposing import LIMITS, covered, proposed
from tests.core.told import COMMITTED, HOUR, Told, failed, read, run_started
from vsync_sm.core import events as e
from vsync_sm.core.memory import Refused
from vsync_sm.core.safety import allowance_id, items, judge


@pytest.fixture
def told() -> Told:
    return Told()


def test_a_new_journal_remembers_nothing(told: Told) -> None:
    memory = told.memory
    assert (memory.last_seq, memory.last_cycle, memory.accessors, memory.carried) == (0, 0, {}, {})
    assert (memory.allowance, memory.open_save, memory.crashed) == (None, None, None)
    assert (memory.last_refusal, memory.refusal_ids) == ("", frozenset())
    assert (memory.remembered(PREFIX), memory.doubtful, memory.told_failing) == (
        None,
        frozenset(),
        False,
    )
    assert not memory.knows(PREFIX)
    assert not memory.vanished_since(0, PREFIX)


# --- a sync info is known of -----------------------------------------------------------------


def test_an_empty_consul_is_not_known_of(told: Told) -> None:
    told.start()
    assert not told(read(index="")).knows(PREFIX)


def test_a_sync_info_that_was_read_is_known_of_for_good(told: Told) -> None:
    told.start()
    told(read())
    told.finish("aborted")
    told.start(2)
    memory = told(read(index=""))
    assert memory.knows(PREFIX)
    assert not memory.knows("other/origin/")


def test_it_is_known_when_a_sync_info_was_seen_last(told: Told) -> None:
    assert told.memory.last_seen(PREFIX) == 0
    told.start()
    told(read())
    told.finish("aborted")
    for cycle in (2, 3):
        told.start(cycle)
        assert told(read(index="")).last_seen(PREFIX) == 1
        told.finish("refused")
    told.save(end=COMMITTED)
    assert told.memory.last_seen(PREFIX) == 4


@pytest.mark.parametrize(
    ("end", "known"),
    [
        (COMMITTED, True),
        (failed(written=False), False),
        (e.SaveUncertain(message="no reply"), False),
        (None, False),
    ],
)
def test_a_commit_is_known_of(told: Told, end: e.Event | None, known: bool) -> None:
    told.save(end=end)
    assert told.memory.knows(PREFIX) is known


@pytest.mark.parametrize("outcome", ["committed", "failed"])
def test_a_commit_that_a_later_reading_finds_is_known_of(told: Told, outcome: str) -> None:
    told.save(end=e.SaveUncertain(message="no reply"))
    told.start(2)
    told(e.SaveReconciled(saved_run="run-1", saved_cycle=1, outcome=outcome, written=True))
    assert told.memory.knows(PREFIX) is (outcome == "committed")


# --- accessors -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outcome", "accessor"),
    [("saved", "new"), ("unchanged", "new"), ("refused", "old"), ("aborted", "old")],
)
def test_an_accessor_is_believed_once_its_cycle_has_saved(
    told: Told, outcome: str, accessor: str
) -> None:
    told.start()
    told(e.MountChecked(mount="secret/", version="2", accessor="old"))
    told(e.MountChecked(mount="ops/", version="2", accessor="kept"))
    told.finish("saved")
    told.start(2)
    told(e.MountChecked(mount="secret/", version="2", accessor="new"))
    told.finish(outcome)
    assert told.memory.accessors == {"secret/": accessor, "ops/": "kept"}


# --- refusals and yeses ----------------------------------------------------------------------


LEFT = named("ops/", range(7))


def refuse(told: Told, name: str, cycle: int = 1, prefix: str = PREFIX) -> str:
    """A cycle that is refused for twelve paths of this name, and would save `LEFT`; its id."""
    gone = {f"secret/data/{name}{number}": insight() for number in range(12)}
    verdict = judge(proposed(gone | LEFT, LEFT), LIMITS)
    told.start(cycle)
    told(read(prefix=prefix))
    told(*(e.InsightVanished(path=path, insight=gone[path]) for path in verdict.vanished))
    told(refused(verdict.refusals, verdict.allowance, verdict.insights))
    told.finish("refused")
    return verdict.allowance


def refused(
    refusals: tuple[e.Refusal, ...], allowance: str, insights: Mapping[str, int] | None = None
) -> e.SaveRefused:
    return e.SaveRefused(
        refusals=refusals,
        vanished={},
        regressed={},
        sample=(),
        allowance=allowance,
        insights=dict(insights or {}),
    )


def granted(allowance: str) -> e.AllowanceGranted:
    return e.AllowanceGranted(allowance=allowance, by="ann", through="command line")


def test_a_refusal_is_kept_with_all_that_it_covers(told: Told) -> None:
    allowance = refuse(told, "a")
    assert told.memory.last_refusal == allowance
    covers = frozenset(f"vanished secret/data/a{number}" for number in range(12))
    assert told.memory.refused(allowance) == Refused(PREFIX, covers, {"ops/": 7})
    assert told.memory.refusal_ids == {allowance}
    assert told.memory.refused("another") is None
    assert told.memory.allowance is None


def test_everything_that_a_verdict_names_comes_back_out_of_its_events(told: Told) -> None:
    # The fold gets its lines from events, the verdict from values: they must be the same.
    there = former(
        named("secret/", range(40), version=2), 5, without=["1"], instead={"2": b"garbage"}
    )
    new = named("secret/", range(20), version=1)
    lost = frozenset({"ops/data/x", "ops/data/y"})
    proposal = proposed(there, new, failed=lost, expected={"secret/": 40, "ops/": 12})
    verdict = judge(proposal, LIMITS)
    assert {each.rule for each in verdict.refusals} >= {
        "backwards",
        "num_buckets",
        "undecodable",
        "missing_bucket",
        "lost",
        "first_save_incomplete",
    }
    told.start()
    told(read())
    carried = "secret/data/carried"
    for path in (*sorted(lost), carried):
        told(e.PathFailed(worker=1, path=path, kind="forbidden", message="no"))
    told(e.InsightCarriedForward(path=carried, insight=insight(), cycles=1))
    for path in verdict.vanished:
        told(e.InsightVanished(path=path, insight=there.insights[path]))
    for path in verdict.regressed:
        told(e.InsightRegressed(path=path, former=there.insights[path], insight=new[path]))
    told(refused(verdict.refusals, verdict.allowance, verdict.insights))
    assert verdict.insights == {"secret/": 20}
    assert told.memory.refused(verdict.allowance) == Refused(
        PREFIX, covered(proposal, verdict), verdict.insights
    )


@pytest.mark.parametrize("how", ["another id", "a path more", "a path less", "another rule"])
def test_a_forged_refusal_is_not_kept(told: Told, how: str) -> None:
    paths = [f"secret/data/{number}" for number in range(12)]
    refusals = (e.Refusal("undecodable", count=1, items=("3",)),)
    allowance = allowance_id(items(paths, (), (), refusals))
    if how == "another id":
        allowance = "a1b2c3d4e5f6"
    elif how == "a path more":
        paths.append("secret/data/more")
    elif how == "a path less":
        paths.pop()
    else:
        refusals = (e.Refusal("undecodable", count=1, items=("4",)),)
    told.start()
    told(*(e.InsightVanished(path=path, insight=insight()) for path in paths))
    told(refused(refusals, allowance))
    assert told.memory.refused(allowance) is None
    assert told.memory.last_refusal == ""
    assert told(granted(allowance)).allowance is None


def test_a_refusal_is_of_its_own_cycle_only(told: Told) -> None:
    told.start()
    told(e.InsightVanished(path="secret/data/a", insight=insight()))
    told.finish("aborted")
    told.start(2)
    refusals = (e.Refusal("missing_sync_info"),)
    told(refused(refusals, allowance_id(items(["secret/data/a"], (), (), refusals))))
    assert told.memory.last_refusal == ""


def test_refusals_are_kept_for_an_hour_and_the_last_four_for_longer(told: Told) -> None:
    """Each cycle may refuse another set, while somebody still reads an earlier one."""
    ids = [refuse(told, name, cycle) for cycle, name in enumerate("abcdefgh", start=1)]
    assert told.memory.refusal_ids == set(ids)
    told(read(), after=HOUR)
    late = refuse(told, "i", 9)
    assert told.memory.refusal_ids == {*ids[-3:], late}
    # Refused again is refused last.
    assert refuse(told, "f", 10) == ids[5]
    assert told.memory.last_refusal == ids[5]


def test_refusals_are_not_kept_without_bound(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refusal here has twelve lines; the last four are kept whatever they have."""
    monkeypatch.setattr("vsync_sm.core.memory.LINES_KEPT", 60)
    ids = [refuse(told, name, cycle) for cycle, name in enumerate("abcdefg", start=1)]
    assert told.memory.refusal_ids == set(ids[-5:])
    monkeypatch.setattr("vsync_sm.core.memory.LINES_KEPT", 0)
    late = refuse(told, "h", 8)
    assert told.memory.refusal_ids == {*ids[-3:], late}


def test_a_yes_is_in_force_for_an_hour(told: Told) -> None:
    allowance = refuse(told, "a")
    given = told(granted(allowance)).allowance
    assert given is not None
    assert given.id == allowance
    assert given.refused == told.memory.refused(allowance)
    assert given.granted == told.now()
    hour = HOUR * 1_000_000_000
    assert not given.expired(told.now())
    assert not given.expired(told.now() + hour - 1)
    assert given.expired(told.now() + hour)


def test_a_yes_is_not_in_force_before_it_was_given(told: Told) -> None:
    # A clock that was set back would make its hour a long one.
    given = told(granted(refuse(told, "a"))).allowance
    assert given is not None
    assert given.expired(told.now() - 1)
    assert given.expired(0)


def test_a_yes_belongs_to_the_sync_path_that_was_refused(told: Told) -> None:
    here, there = refuse(told, "a"), refuse(told, "b", 2, "other/origin/")
    assert [told.memory.refused(each) for each in (here, there)] == [
        Refused(PREFIX, frozenset(f"vanished secret/data/a{n}" for n in range(12)), {"ops/": 7}),
        Refused(
            "other/origin/",
            frozenset(f"vanished secret/data/b{n}" for n in range(12)),
            {"ops/": 7},
        ),
    ]
    for allowance in (here, there):
        given = told(granted(allowance)).allowance
        assert given is not None
        assert given.refused == told.memory.refused(allowance)


def test_the_same_refused_under_another_sync_path_is_another_yes(told: Told) -> None:
    # The same paths have the same id: it stands for where it was refused last.
    first, second = refuse(told, "a"), refuse(told, "a", 2, "other/origin/")
    assert first == second
    found = told.memory.refused(first)
    assert found is not None
    assert found.prefix == "other/origin/"
    # What has been granted does not move along.
    told(granted(first))
    refuse(told, "a", 3)
    given = told.memory.allowance
    assert given is not None
    assert given.refused.prefix == "other/origin/"


def test_a_yes_to_nothing_known_is_none(told: Told) -> None:
    assert told(granted("a1b2c3d4e5f6")).allowance is None


def test_a_yes_outlives_cycles_that_do_not_save_and_a_restart(told: Told) -> None:
    allowance = refuse(told, "a")
    told(granted(allowance))
    told.save(end=failed(written=True), allowance=allowance)
    told.save(end=None, allowance=allowance)
    told(run_started())
    told.start(7)
    told.finish("unchanged")
    assert told.memory.allowance is not None


@pytest.mark.parametrize("spent", ["committed", "reconciled", "expired"])
def test_a_spent_yes_is_dead_until_the_same_is_refused_again(told: Told, spent: str) -> None:
    allowance = refuse(told, "a")
    told(granted(allowance))
    if spent == "expired":
        told(e.AllowanceSpent(allowance=allowance, why="expired"))
    elif spent == "committed":
        told.save(end=COMMITTED, allowance=allowance)
    else:
        told.save(end=e.SaveUncertain(message="no reply"), allowance=allowance)
        assert told.memory.allowance is not None
        told(e.SaveReconciled(saved_run="run-1", saved_cycle=2, outcome="committed"))
    assert told.memory.allowance is None
    # The same command line once more, a restart by the supervisor: nothing.
    assert told(granted(allowance)).allowance is None
    assert told.memory.refused(allowance) is None
    refuse(told, "a", 9)
    assert told(granted(allowance)).allowance is not None


def test_a_save_that_was_left_open_does_not_spend_a_later_yes(told: Told) -> None:
    told.save(end=None)
    allowance = refuse(told, "a", 2)
    told(granted(allowance))
    told(e.SaveReconciled(saved_run="run-1", saved_cycle=1, outcome="committed"))
    assert told.memory.allowance is not None


def test_a_new_yes_takes_the_place_of_the_old(told: Told) -> None:
    first, second = refuse(told, "a"), refuse(told, "b", 2)
    told(granted(first), granted(second))
    assert told.memory.allowance is not None
    assert told.memory.allowance.refused == told.memory.refused(second)
