"""When a save happens: each rule about shrinking and going backwards, at its edges.

`test_safety_yes.py` has what lies damaged in Consul, and what a yes covers;
`test_safety_properties.py` what holds of any cycle.
"""

from __future__ import annotations

from itertools import product

import msgspec
import pytest

from tests.core.made import insight, named
from tests.core.proposing import LIMITS, MOUNTS, over, proposed, refused, shrinking, shrunk, yes
from vsync_sm.core.events import Refusal
from vsync_sm.core.insight import Insight
from vsync_sm.core.machine import Reason
from vsync_sm.core.safety import (
    ALLOWANCE_S,
    FEW,
    ROW,
    Limits,
    Verdict,
    confirmed_gone,
    failing_in_a_row,
    judge,
    obstacle,
    too_many_failed,
    unaccounted,
)

# --- 1. May a save begin? --------------------------------------------------------------------

FLAGS = ("fatal", "stop", "operator", "deadline_passed", "fault")
REASONS = (Reason.fatal, Reason.signal, Reason.operator, Reason.timeout, Reason.fault)


@pytest.mark.parametrize("given", list(product([False, True], repeat=5)))
def test_a_save_begins_only_without_any_obstacle_and_the_worst_is_named(
    given: tuple[bool, ...],
) -> None:
    expected = next((reason for flag, reason in zip(given, REASONS, strict=True) if flag), None)
    assert obstacle(**dict(zip(FLAGS, given, strict=True))) is expected
    assert (expected is None) == (not any(given))


@pytest.mark.parametrize(
    ("listed", "ended", "told", "held", "said"),
    [
        (0, 0, 0, 0, ""),
        (9, 9, 7, 7, ""),
        (9, 8, 7, 7, "9 paths were listed, but 8 have ended"),
        (9, 10, 7, 7, "9 paths were listed, but 10 have ended"),
        (9, 9, 7, 6, "7 insights were told, but the sync info to be holds 6"),
        (9, 9, 7, 8, "7 insights were told, but the sync info to be holds 8"),
    ],
)
def test_every_listed_path_is_accounted_for(
    listed: int, ended: int, told: int, held: int, said: str
) -> None:
    assert unaccounted(listed=listed, ended=ended, told=told, held=held) == said


# --- 2. A failed list is not an empty list ---------------------------------------------------


@pytest.mark.parametrize(
    ("name", "again", "gone"),
    [
        ("a", (), True),
        ("a", ("b",), True),
        ("a", ("a", "b"), False),
        # A secret `x` beside a folder `x/`.
        ("x/", ("x",), True),
        ("x", ("x/",), True),
        ("x/", ("x", "x/"), False),
    ],
)
def test_gone_is_what_its_parent_no_longer_names(
    name: str, again: tuple[str, ...], gone: bool
) -> None:
    assert confirmed_gone(name, again) is gone


# --- 3. One bad path does not vanish ---------------------------------------------------------


@pytest.mark.parametrize(
    ("failed", "listed", "share", "too_many"),
    [
        (0, 0, 0.1, False),
        (1, 1, 0.1, False),
        (10, 10, 0.1, False),
        (11, 11, 0.1, True),
        (11, 110, 0.1, False),
        (11, 109, 0.1, True),
        (12, 110, 0.1, True),
        (11, 11, 1.0, False),
        (11, 1_000_000, 0.0, True),
        (10, 1_000_000, 0.0, False),
    ],
)
def test_too_many_failed(failed: int, listed: int, share: float, too_many: bool) -> None:
    limits = Limits(max_failed_paths=share, max_shrink=0.5)
    assert too_many_failed(failed, listed, limits) is too_many


def test_a_row_of_failures() -> None:
    assert [failing_in_a_row(row) for row in range(ROW + 2)] == [False] * ROW + [True, True]


def test_the_limits_as_they_are_promised() -> None:
    assert Limits() == Limits(max_shrink=0.2, max_failed_paths=0.1, carry_warn_after=10)
    assert (FEW, ROW, ALLOWANCE_S) == (10, 5, 3600.0)


# --- 4. Shrinking needs a yes ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "gone", "refusal"),
    [
        (10, 10, ()),
        (11, 10, ()),
        (11, 11, shrinking(11, 11)),
        (54, 11, shrinking(11, 54)),
        (55, 11, ()),
        (100, 20, ()),
        (100, 21, shrinking(21, 100)),
        (1_000, 200, ()),
        (1_000, 201, shrinking(201, 1_000)),
    ],
)
def test_more_than_ten_and_more_than_a_fifth(
    before: int, gone: int, refusal: tuple[Refusal, ...]
) -> None:
    proposal = proposed(*shrunk("secret/", before, gone))
    verdict = judge(proposal, LIMITS)
    assert verdict.refusals == refusal
    assert len(verdict.vanished) == gone
    assert verdict.unasked == ({"secret/": gone} if gone else {})
    assert bool(verdict.allowance) == bool(refusal)


@pytest.mark.parametrize("percent", range(11, 100))
def test_exactly_the_share_is_not_more_than_the_share(percent: int) -> None:
    limits = Limits(max_shrink=float(f"0.{percent}"))
    assert not refused(proposed(*shrunk("secret/", 100, percent)), limits)
    found = refused(proposed(*shrunk("secret/", 100, percent + 1)), limits)
    assert [each.limit for each in found] == [limits.max_shrink] * 2


def test_one_mount_may_not_hide_behind_the_others() -> None:
    before, after = shrunk("ops/", 11, 11)
    rest = named("secret/", range(1_000))
    assert refused(proposed(before | rest, after | rest)) == (over("shrink_mount", 11, 11, "ops/"),)


def test_many_mounts_may_not_hide_behind_each_other() -> None:
    pairs = [shrunk(mount, 20, 10) for mount in MOUNTS]
    before = {path: each for had, _ in pairs for path, each in had.items()}
    after = {path: each for _, has in pairs for path, each in has.items()}
    assert refused(proposed(before, after)) == (over("shrink", 30, 60),)


@pytest.mark.parametrize(("gone", "mounts"), [(10, []), (11, ["kv/team/"])])
def test_a_mount_with_a_slash_of_its_own_has_its_own_share(gone: int, mounts: list[str]) -> None:
    before, after = shrunk("kv/team/", 12, gone)
    rest = named("secret/", range(500))
    assert [each.mount for each in refused(proposed(before | rest, after | rest))] == mounts


def test_what_is_added_does_not_hide_what_vanishes() -> None:
    before, after = shrunk("secret/", 100, 21)
    more = named("secret/", range(1_000, 3_000)) | named("ops/", range(500))
    assert refused(proposed(before, after | more)) == shrinking(21, 100)


def test_a_failed_path_that_nobody_carried_forward_vanishes_like_any_other() -> None:
    before, after = shrunk("secret/", 50, 11)
    lost = frozenset(before.keys() - after.keys())
    assert refused(proposed(before, after, failed=lost)) == shrinking(11, 50)


def test_renaming_everything_is_everything_vanishing() -> None:
    before, after = named("secret/", range(50)), named("secret/", range(50, 100))
    assert refused(proposed(before, after)) == shrinking(50, 50)


@pytest.mark.parametrize(("there", "is_refused"), [(10, False), (11, True)])
@pytest.mark.parametrize("mount", ["gone/", "gone/team/", "gone/data/x/"])
def test_a_mount_taken_out_of_the_configuration_vanishes_like_any_other(
    mount: str, there: int, is_refused: bool
) -> None:
    left = named("secret/", range(1_000))
    found = refused(proposed(left | named(mount, range(there)), left))
    assert [each.rule for each in found] == ["shrink_mount"] * is_refused
    assert [(each.count, each.of) for each in found] == [(there, there)] * is_refused


def test_a_mount_taken_out_together_with_a_shrinking_one_adds_up() -> None:
    before, after = shrunk("secret/", 44, 5)
    assert not refused(
        proposed(before | named("ops/", range(30)), after | named("ops/", range(30)))
    )
    assert refused(proposed(before | named("gone/", range(6)), after)) == (over("shrink", 11, 50),)


def test_a_mount_renamed_in_the_configuration_vanishes() -> None:
    assert refused(proposed(named("old/", range(30)), named("secret/", range(30)))) == shrinking(
        30, 30, "old/"
    )


# --- ... and small steps are one large step --------------------------------------------------


@pytest.mark.parametrize(
    ("gone", "before", "recent", "refusal"),
    [
        # Nothing vanishes now: what has vanished before is not judged again.
        (0, 20, 1_000, ()),
        (1, 91, 9, ()),
        (1, 90, 10, ()),
        (2, 91, 9, ()),
        (10, 90, 10, ()),
        (11, 90, 10, shrinking(21, 100)),
        (1, 80, 20, shrinking(21, 100)),
        (1, 10, 9, ()),
        (1, 10, 10, shrinking(11, 20)),
    ],
)
def test_what_vanished_in_the_last_hour_counts_along(
    gone: int, before: int, recent: int, refusal: tuple[Refusal, ...]
) -> None:
    proposal = proposed(*shrunk("secret/", before, gone), recent={"secret/": recent})
    verdict = judge(proposal, LIMITS)
    assert verdict.refusals == refusal
    # Told once only: what this save itself takes away, or the next hour would count it twice.
    assert verdict.unasked == ({"secret/": gone} if gone else {})


def test_the_last_hour_counts_along_by_mount() -> None:
    before, after = shrunk("ops/", 12, 2)
    rest = named("secret/", range(1_000))
    proposal = proposed(before | rest, after | rest, recent={"ops/": 9, "secret/": 9})
    assert refused(proposal) == (over("shrink_mount", 11, 21, "ops/"),)


def test_another_mounts_last_hour_does_not_refuse_this_one() -> None:
    before, after = shrunk("ops/", 12, 2)
    rest = named("secret/", range(1_000))
    assert not refused(proposed(before | rest, after | rest, recent={"secret/": 9}))


def test_the_last_hour_of_a_mount_that_has_left_still_counts_over_all() -> None:
    before, after = shrunk("secret/", 30, 1)
    assert refused(proposed(before, after, recent={"gone/": 10})) == (over("shrink", 11, 40),)


def test_the_last_hour_counts_no_more_than_vanished_then() -> None:
    # 200 in a hundred saves of two, of 10,000: not a fifth.
    before, after = shrunk("secret/", 9_800, 2)
    assert not refused(proposed(before, after, recent={"secret/": 200}))


def test_vanishing_in_the_last_hour_does_not_refuse_going_backwards() -> None:
    back = named("secret/", range(5), version=1) | named("secret/", range(5, 20), version=2)
    proposal = proposed(named("secret/", range(20), version=2), back, recent={"secret/": 1_000})
    verdict = judge(proposal, LIMITS)
    assert (len(verdict.regressed), verdict.refusals) == (5, ())


# --- a mount made anew -----------------------------------------------------------------------


@pytest.mark.parametrize("gone", [0, 1, 5])
def test_one_vanished_path_of_a_replaced_mount_asks(gone: int) -> None:
    before, after = shrunk("ops/", 100, gone)
    rest = named("secret/", range(100))
    proposal = proposed(before | rest, after | rest, replaced=frozenset({"ops/"}))
    expected = Refusal(rule="mount_replaced", mount="ops/", count=gone, of=100)
    assert refused(proposal) == (expected,) * bool(gone)


def test_a_replaced_mount_asks_for_its_own_paths_only() -> None:
    before, after = shrunk("secret/", 100, 5)
    rest = named("ops/", range(5))
    assert not refused(proposed(before | rest, after | rest, replaced=frozenset({"ops/"})))


def test_a_wiped_replaced_mount_is_refused_for_each_reason() -> None:
    before, after = shrunk("secret/", 50, 50)
    found = refused(proposed(before, after, replaced=frozenset({"secret/"})))
    assert [each.rule for each in found] == ["mount_replaced", "shrink", "shrink_mount"]


def test_an_allowed_replaced_mount_is_not_asked_for_again() -> None:
    before, after = shrunk("ops/", 20, 1)
    proposal = proposed(before, after, replaced=frozenset({"ops/"}))
    assert not refused(msgspec.structs.replace(proposal, allowed=yes(proposal)))
    # ... but one more path is another matter.
    more = msgspec.structs.replace(
        proposed(before, named("ops/", range(2, 20)), replaced=frozenset({"ops/"})),
        allowed=yes(proposal),
    )
    assert [each.rule for each in refused(more)] == ["mount_replaced"]


# --- backwards -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("had", "has"),
    [
        (insight(2), insight(1)),
        (insight(2, 5), insight(2, 4)),
        (insight(3, 5), insight(2, 9)),
        (
            Insight(2, "2026-10-01T00:00:00.000000002Z"),
            Insight(2, "2026-10-01T00:00:00.000000001Z"),
        ),
    ],
    ids=["version", "time", "version despite time", "nanosecond"],
)
@pytest.mark.parametrize(
    ("back", "of", "is_refused"),
    [(10, 10, False), (11, 11, True), (11, 55, False), (11, 54, True), (20, 100, False)],
)
def test_more_than_ten_and_a_fifth_going_backwards(
    had: Insight, has: Insight, back: int, of: int, is_refused: bool
) -> None:
    before = {f"secret/data/p{number}": had for number in range(of)}
    after = before | {f"secret/data/p{number}": has for number in range(back)}
    verdict = judge(proposed(before, after), LIMITS)
    assert len(verdict.regressed) == back
    assert (verdict.vanished, verdict.unasked) == ((), {})
    expected = (
        over("backwards", back, of),
        over("backwards_mount", back, of, "secret/"),
    )
    assert verdict.refusals == expected * is_refused


def test_a_restored_mount_may_not_hide_behind_the_others() -> None:
    before = named("ops/", range(11), version=2) | named("secret/", range(1_000))
    after = named("ops/", range(11), version=1) | named("secret/", range(1_000))
    assert refused(proposed(before, after)) == (over("backwards_mount", 11, 11, "ops/"),)


def test_going_on_is_never_refused() -> None:
    before = named("secret/", range(100), version=1)
    after = named("secret/", range(100), version=7) | named("ops/", range(500))
    assert judge(proposed(before, after), LIMITS) == Verdict(
        vanished=(),
        regressed=(),
        unasked={},
        insights={"secret/": 100, "ops/": 500},
        refusals=(),
        allowance="",
    )


def test_vanishing_and_going_backwards_are_counted_apart() -> None:
    before = named("secret/", range(30), version=2)
    after = named("secret/", range(10, 20), version=1) | named("secret/", range(20, 30), version=2)
    verdict = judge(proposed(before, after), LIMITS)
    assert (len(verdict.vanished), len(verdict.regressed), verdict.refusals) == (10, 10, ())
