"""A former sync info that is not whole: what was committed last says what is lost."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import pytest

from tests.core.made import former, named, nothing
from tests.core.proposing import LIMITS, MOUNTS, covered, proposed, refused
from vsync_sm.core.events import Refusal
from vsync_sm.core.insight import Insight
from vsync_sm.core.safety import Limits, Proposal, judge
from vsync_sm.core.sync_info import Former

NOTHING = nothing()
"""Consul has lost everything; `known` stays False, so that no other rule refuses it."""


def lost(count: int, of: int, mount: str = "", share: float = 0.2) -> Refusal:
    """The refusal for so many, over all or of one mount."""
    item = f"{mount} {count} of {of}".strip()
    return Refusal(rule="lost", mount=mount, count=count, of=of, limit=share, items=(item,))


def both(count: int, of: int) -> tuple[Refusal, ...]:
    """The refusals where only this one mount is there."""
    return lost(count, of), lost(count, of, "secret/")


def left(
    there: int, of: int, found: Former = NOTHING, limits: Limits = LIMITS
) -> tuple[Refusal, ...]:
    """What is refused where so many of one mount are there, and `of` were committed last."""
    insights = named("secret/", range(there))
    return refused(proposed(found, insights, expected={"secret/": of}), limits)


@pytest.mark.parametrize(
    ("there", "of", "refusal"),
    [
        (10, 10, ()),
        (0, 10, ()),
        (1, 11, ()),
        (0, 11, both(11, 11)),
        (44, 55, ()),
        (43, 54, both(11, 54)),
        (80, 100, ()),
        (79, 100, both(21, 100)),
        (800, 1_000, ()),
        (799, 1_000, both(201, 1_000)),
        # More than there were is nothing lost.
        (500, 100, ()),
        # Nothing is known of any commit.
        (5, 0, ()),
    ],
)
def test_more_than_ten_and_more_than_a_fifth_of_the_last_commit(
    there: int, of: int, refusal: tuple[Refusal, ...]
) -> None:
    assert left(there, of) == refusal


def test_the_share_is_the_one_for_shrinking() -> None:
    limits = Limits(max_shrink=0.5, max_failed_paths=0.0)
    assert left(50, 100, limits=limits) == ()
    assert left(49, 100, limits=limits) == (
        lost(51, 100, share=0.5),
        lost(51, 100, "secret/", share=0.5),
    )


@pytest.mark.parametrize(
    ("new", "refusal"),
    [
        # What is added elsewhere hides nothing.
        ({"ops/": 500}, (lost(50, 150), lost(50, 50, "secret/"))),
        ({"ops/": 100, "secret/": 39}, (lost(11, 50, "secret/"),)),
        ({"ops/": 80, "secret/": 40}, ()),
        ({"ops/": 79, "secret/": 41}, (lost(21, 100, "ops/"),)),
        ({"ops/": 80, "secret/": 39}, (lost(31, 150), lost(11, 50, "secret/"))),
        ({"ops/": 70, "secret/": 50}, (lost(30, 100, "ops/"),)),
        # All of it.
        ({}, (lost(150, 150), lost(100, 100, "ops/"), lost(50, 50, "secret/"))),
    ],
)
def test_by_mount_and_over_all(new: Mapping[str, int], refusal: tuple[Refusal, ...]) -> None:
    insights: dict[str, Insight] = {}
    for mount, count in new.items():
        insights |= named(mount, range(count))
    proposal = proposed(NOTHING, insights, expected={"ops/": 100, "secret/": 50})
    assert refused(proposal) == refusal


def test_many_mounts_may_not_hide_behind_each_other() -> None:
    insights = named("kv/team/", range(10)) | named("ops/", range(10)) | named("secret/", range(10))
    proposal = proposed(NOTHING, insights, expected=dict.fromkeys(MOUNTS, 20))
    assert refused(proposal) == (lost(30, 60),)


def test_a_mount_taken_out_of_the_configuration_is_lost_like_any_other() -> None:
    proposal = proposed(
        NOTHING, named("secret/", range(50)), expected={"gone/team/": 11, "secret/": 50}
    )
    assert refused(proposal) == (lost(11, 11, "gone/team/"),)


HERE = named("secret/", range(60))

SOUND = [
    former(HERE),
    former({}),
    former(HERE, instead={"7": b"stale garbage"}),
    former(HERE, instead={"status": b"x"}),
]
BROKEN = [
    NOTHING,
    former(HERE, without=["index"]),
    former(HERE, without=["index", "0", "1", "2", "3"]),
    former(HERE, instead={"index": b"garbage"}),
    former(HERE, without=["1"]),
    former(HERE, instead={"1": b"garbage"}),
    # A bucket without what the index promises: emptied, or of a save that was cut short.
    former(HERE, instead={"1": b"{}"}),
]


@pytest.mark.parametrize("found", SOUND)
def test_over_a_whole_sync_info_nothing_is_lost(found: Former) -> None:
    # It says itself what vanishes, by path: the counts of the last commit are not asked.
    insights = dict(found.insights)
    assert refused(proposed(found, insights, expected={"secret/": 1_000, "ops/": 1_000})) == ()


@pytest.mark.parametrize("found", BROKEN)
def test_over_any_other_the_last_commit_is_asked(found: Former) -> None:
    rules = {each.rule for each in left(47, 60, found)}
    assert "lost" in rules
    assert "lost" not in {each.rule for each in left(48, 60, found)}


# --- a yes to it -----------------------------------------------------------------------------


def over(there: int, **more: object) -> Proposal:
    """Of a hundred that were committed, so many are there, and Consul holds nothing."""
    expected = more.pop("expected", {"secret/": 100})
    return proposed(NOTHING, named("secret/", range(there)), expected=expected, **more)


def allowed(proposal: Proposal) -> tuple[frozenset[str], Mapping[str, int]]:
    """What a human says yes to, and the counts that were shown with it."""
    verdict = judge(proposal, LIMITS)
    assert verdict.refusals
    return covered(proposal, verdict), verdict.insights


def test_a_yes_names_how_many_are_lost() -> None:
    covers, shown = allowed(over(50))
    assert covers == {"lost 50 of 100", "lost secret/ 50 of 100"}
    assert shown == {"secret/": 50}


def test_a_yes_lifts_it_before_and_after_the_counts_are_those_that_it_showed() -> None:
    covers, shown = allowed(over(50))
    assert refused(over(50, allowed=covers)) == ()
    assert refused(over(50, allowed=covers, expected=shown)) == ()


@pytest.mark.parametrize(("there", "is_refused"), [(51, False), (40, False), (39, True), (0, True)])
def test_a_yes_is_one_to_no_less_than_was_shown(there: int, is_refused: bool) -> None:
    covers, shown = allowed(over(50))
    found = refused(over(there, allowed=covers, expected=shown))
    assert found == (both(50 - there, 50) if is_refused else ())


def test_a_yes_to_something_else_lets_nothing_be_lost_later() -> None:
    # Allowed was another number of buckets, over a hundred insights: no wiped mount.
    before = msgspec.structs.replace(over(100), num_buckets=2, expected_buckets=4)
    covers, shown = allowed(before)
    assert covers == {"num_buckets 4 -> 2"}
    wiped = msgspec.structs.replace(
        over(30, allowed=covers, expected=shown), num_buckets=2, expected_buckets=4
    )
    rules = [each.rule for each in refused(wiped)]
    assert rules == ["num_buckets", "lost", "lost"], "and the new yes covers the old one's, too"


def test_a_yes_to_so_many_is_none_to_more() -> None:
    covers, _ = allowed(over(50))
    assert refused(over(49, allowed=covers)) == both(51, 100)


# --- and how many buckets there were ---------------------------------------------------------


@pytest.mark.parametrize(
    ("found", "remembered", "change"),
    [
        # Without an index that can be read, the last commit's number counts.
        (nothing(), 4, ()),
        (nothing(), 8, ("8 -> 4",)),
        (former(HERE, without=["index"]), 8, ("8 -> 4",)),
        (former(HERE, instead={"index": b"x"}), 1, ("1 -> 4",)),
        (former(HERE, without=["index"]), 4, ()),
        (former(HERE, without=["index"]), None, ()),
        # With one, its own does: that is what destinations read.
        (former(HERE), 8, ()),
        (former(HERE, 3), 4, ("3 -> 4",)),
        (former(HERE, 3), None, ("3 -> 4",)),
        (former(HERE, without=["1"]), 8, ()),
    ],
)
def test_the_number_of_buckets_is_that_of_the_index_or_of_the_last_commit(
    found: Former, remembered: int | None, change: tuple[str, ...]
) -> None:
    proposal = proposed(found, HERE, expected_buckets=remembered)
    refusals = [each for each in refused(proposal) if each.rule == "num_buckets"]
    assert [each.items for each in refusals] == ([change] if change else [])
    if change:
        covers, shown = allowed(proposal)
        again = msgspec.structs.replace(proposal, allowed=covers, expected=shown)
        assert refused(again) == ()
