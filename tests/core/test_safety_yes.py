"""What lies damaged is refused, what could not be read is not lost, and a yes is exact."""

from __future__ import annotations

import hashlib

import msgspec
import pytest

from tests.core.made import former, insight, named, nothing
from tests.core.proposing import LIMITS, covered, proposed, refused, shrinking, shrunk, yes
from vsync_sm.core.events import Refusal
from vsync_sm.core.insight import Insight
from vsync_sm.core.safety import Proposal, allowance_id, items, judge
from vsync_sm.core.sync_info import Former, digest, distribute, encode_bucket, encode_index

# --- a sync info that is not what it should be -----------------------------------------------

HERE = named("secret/", range(20))
BUCKETS = distribute(HERE, 4)


@pytest.mark.parametrize(
    ("there", "more", "expected"),
    [
        (former(HERE), {}, None),
        (former(HERE), {"known": True}, None),
        # Another number of buckets.
        (former(HERE, 5), {}, Refusal("num_buckets", items=("5 -> 4",))),
        (former(HERE, 3), {}, Refusal("num_buckets", items=("3 -> 4",))),
        (former({}, 1), {}, Refusal("num_buckets", items=("1 -> 4",))),
        # Something that cannot be decoded.
        (
            former(HERE, instead={"index": b"garbage"}),
            {},
            Refusal("undecodable", count=1, items=("index",)),
        ),
        (
            former(HERE, instead={"1": b"", "3": b"null"}),
            {},
            Refusal("undecodable", count=2, items=("1", "3")),
        ),
        (
            former(HERE, without=["index"], instead={"7": b"x"}),
            {},
            Refusal("undecodable", count=1, items=("7",)),
        ),
        (former(HERE, instead={"7": b"stale garbage"}), {}, None),
        (former(HERE, instead={"status": b"garbage", "vsyncChecks/0": b"x"}), {}, None),
        # A bucket that the index names.
        (
            former(HERE, without=["0", "2"]),
            {},
            Refusal("missing_bucket", count=2, items=("0", "2")),
        ),
        # Nothing at all.
        (nothing(), {}, None),
        (nothing(), {"known": True}, Refusal("missing_sync_info")),
        # The index alone deleted: every path is still known.
        (former(HERE, without=["index"]), {"known": True}, None),
        # An index whose buckets are all gone is damage, not a first save.
        (
            former(HERE, without=["0", "1", "2", "3"]),
            {"known": True},
            Refusal("missing_bucket", count=4, items=("0", "1", "2", "3")),
        ),
    ],
)
def test_the_sync_info_in_consul(
    there: Former, more: dict[str, object], expected: Refusal | None
) -> None:
    proposal = proposed(there, HERE, **more)
    assert refused(proposal) == ((expected,) if expected else ())
    if expected:
        assert not refused(msgspec.structs.replace(proposal, allowed=yes(proposal)))


def test_a_yes_to_a_lost_sync_info_is_none_to_its_next_loss() -> None:
    lost = proposed(nothing(), HERE, known=True, last_seen=4)
    allowed = yes(lost)
    assert allowed == {"missing_sync_info last seen in cycle 4"}
    assert not refused(msgspec.structs.replace(lost, allowed=allowed))
    again = msgspec.structs.replace(lost, last_seen=5, allowed=allowed)
    assert refused(again) == (Refusal("missing_sync_info", items=("last seen in cycle 5",)),)
    assert judge(again, LIMITS).allowance != judge(lost, LIMITS).allowance


def test_a_newline_in_a_path_makes_it_no_other_set() -> None:
    one = ["vanished secret/data/a\nvanished secret/data/b"]
    assert allowance_id(one) != allowance_id(one[0].split("\n"))
    assert allowance_id(one) != allowance_id([f"\0{len(one[0])}:{one[0]}"])
    # Without one the id is what it ever was: journals name it.
    assert allowance_id(["b", "a"]) == hashlib.sha256(b"a\nb").hexdigest()[:12]


def test_another_number_than_the_allowed_is_refused() -> None:
    allowed = yes(proposed(former(HERE, 5), HERE))
    assert allowed == {"num_buckets 5 -> 4"}
    other = proposed(former(HERE, 5), HERE, num_buckets=6, allowed=allowed)
    assert refused(other) == (Refusal("num_buckets", items=("5 -> 6",)),)


def test_an_empty_sync_info_is_no_missing_one() -> None:
    # Somebody uploaded an empty one: what is in Vault is added again.
    assert not refused(proposed(former({}), HERE, known=True))


# --- what could not be read, and has nothing to carry ----------------------------------------

LOST = frozenset({"secret/data/new", "secret/data/other"})


@pytest.mark.parametrize(
    ("there", "rules"),
    [
        (nothing(), ["first_save_incomplete"]),
        (former(HERE, without=["index"]), ["first_save_incomplete"]),
        (former(HERE, instead={"index": b"x"}), ["undecodable", "first_save_incomplete"]),
        (former(HERE, instead={"1": b"x"}), ["undecodable", "first_save_incomplete"]),
        (former(HERE, without=["1"]), ["missing_bucket", "first_save_incomplete"]),
        # A bucket without what the index promises: emptied, or of a save that was cut short.
        (former(HERE, instead={"1": b"{}"}), ["first_save_incomplete"]),
        # A whole one: what it lacks has never been saved.
        (former(HERE), []),
        (former({}), []),
        (former(HERE, instead={"4": b"stale garbage"}), []),
    ],
)
def test_a_failed_path_is_left_out_only_where_it_surely_was_never_saved(
    there: Former, rules: list[str]
) -> None:
    proposal = proposed(there, HERE, failed=LOST)
    found = refused(proposal)
    assert [each.rule for each in found] == rules
    if rules:
        assert (found[-1].count, found[-1].of) == (2, 22)
        assert not refused(msgspec.structs.replace(proposal, allowed=yes(proposal)))


def test_a_save_cut_short_between_two_numbers_of_buckets_hides_no_path() -> None:
    # Half of the new buckets were written over the old ones: what lay in those, and belongs into
    # a bucket that was not written, is in no bucket that counts.
    new = distribute(HERE, 8)
    torn = {str(number): encode_bucket(new[number]) for number in range(4)}
    there = former(HERE, instead=torn)
    lost = frozenset(HERE.keys() - there.insights.keys())
    assert lost
    cut = proposed(there, dict(there.insights), num_buckets=8, failed=lost)
    assert "first_save_incomplete" in [each.rule for each in refused(cut)]
    allowed = frozenset({"num_buckets 4 -> 8"})
    assert refused(msgspec.structs.replace(cut, allowed=allowed))


def test_a_path_that_fails_after_the_yes_was_not_allowed() -> None:
    first = proposed(nothing(), HERE, failed=frozenset({"secret/data/new"}))
    allowed = yes(first)
    assert allowed == {"failed secret/data/new"}
    assert not refused(msgspec.structs.replace(first, allowed=allowed))
    assert not refused(proposed(nothing(), HERE, allowed=allowed))
    later = proposed(nothing(), HERE, failed=LOST, allowed=allowed)
    assert [each.rule for each in refused(later)] == ["first_save_incomplete"]


def test_a_yes_to_something_else_does_not_cover_the_failed() -> None:
    there = former(HERE, 5)
    proposal = proposed(there, HERE, failed=LOST)
    assert yes(proposal) == {"num_buckets 5 -> 4"}


# --- what a yes covers -----------------------------------------------------------------------


def wiped(*numbers: int, allowed: frozenset[str] = frozenset(), **more: object) -> Proposal:
    """Of a mount of 60, these paths vanish."""
    left = named("secret/", set(range(60)) - set(numbers))
    return proposed(named("secret/", range(60)), left, allowed=allowed, **more)


def test_what_was_allowed_no_longer_counts() -> None:
    allowed = yes(wiped(*range(30)))
    verdict = judge(wiped(*range(30), allowed=allowed), LIMITS)
    assert (verdict.refusals, verdict.allowance, verdict.unasked) == ((), "", {})
    assert len(verdict.vanished) == 30


@pytest.mark.parametrize("part", [range(1), range(29), range(10, 30)])
def test_a_part_of_what_was_allowed_is_allowed(part: range) -> None:
    assert not refused(wiped(*part, allowed=yes(wiped(*range(30)))))


@pytest.mark.parametrize(("more", "is_refused"), [(1, False), (10, False), (12, False), (13, True)])
def test_what_comes_on_top_of_what_was_allowed_is_judged_as_ever(
    more: int, is_refused: bool
) -> None:
    allowed = yes(wiped(*range(30)))
    verdict = judge(wiped(*range(30 + more), allowed=allowed), LIMITS)
    assert bool(verdict.refusals) is is_refused
    # Only what nobody allowed counts in the hour to come.
    assert verdict.unasked == {"secret/": more}


def test_a_new_refusal_covers_what_was_allowed_before_too() -> None:
    # The new yes takes the place of the old one: it must be enough by itself.
    first = yes(wiped(*range(30)))
    again = wiped(*range(50), allowed=first)
    assert refused(again) == shrinking(50, 60)
    second = yes(again)
    assert first < second
    assert not refused(wiped(*range(50), allowed=second))


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        # Each yes covers only what was refused then; together they would go in circles.
        (
            proposed(former(HERE, instead={"1": b"x"}), HERE),
            proposed(former(HERE, instead={"1": b"x", "2": b"x"}), HERE),
        ),
        (
            proposed(former(HERE, without=["1"]), HERE),
            proposed(former(HERE, without=["1", "2"]), HERE),
        ),
        (
            proposed(nothing(), HERE, known=True),
            proposed(nothing(), HERE, known=True, failed=LOST),
        ),
        (
            proposed(former(HERE, 5), HERE),
            proposed(former(HERE, 5), named("secret/", range(3))),
        ),
    ],
    ids=["undecodable", "missing_bucket", "missing_sync_info", "num_buckets"],
)
def test_two_yeses_are_enough_for_two_refusals(earlier: Proposal, later: Proposal) -> None:
    first = yes(earlier)
    second = yes(msgspec.structs.replace(later, allowed=first))
    assert not refused(msgspec.structs.replace(later, allowed=second))
    assert not refused(msgspec.structs.replace(earlier, allowed=second))


def test_a_yes_to_vanishing_is_none_to_going_backwards() -> None:
    allowed = yes(wiped(*range(30)))
    back = proposed(
        named("secret/", range(60), version=2), named("secret/", range(60)), allowed=allowed
    )
    assert {each.rule for each in refused(back)} == {"backwards", "backwards_mount"}


@pytest.mark.parametrize(
    "allowed",
    [
        {"shrink"},
        {"vanished"},
        {"vanished "},
        {"vanished *"},
        {"vanished secret/"},
        {"secret/data/p1"},
        {"regressed secret/data/p1"},
    ],
)
def test_nothing_else_lifts_a_refusal(allowed: set[str]) -> None:
    assert refused(wiped(*range(60), allowed=frozenset(allowed))) == shrinking(60, 60)


def test_the_lines_of_a_yes() -> None:
    refusals = (
        Refusal("undecodable", count=1, items=("3",)),
        Refusal("missing_sync_info"),
        Refusal("first_save_incomplete", count=1, of=9),
        Refusal("num_buckets", items=("4 -> 8",)),
    )
    assert items(["a"], ["b"], ["c"], refusals) == {
        "vanished a",
        "regressed b",
        "failed c",
        "undecodable 3",
        "missing_sync_info",
        "num_buckets 4 -> 8",
    }
    assert items(["a"], [], ["c"], refusals[:1]) == {"vanished a", "undecodable 3"}


def test_an_id_is_that_of_its_set() -> None:
    lines = ["vanished secret/data/a", "vanished secret/data/b", "regressed secret/data/c"]
    assert allowance_id(lines) == allowance_id(reversed(lines)) == "8ca98774f1f2"
    others = [lines[:2], [*lines, "missing_sync_info"], ["vanished secret/data/a ", *lines[1:]]]
    ids = {allowance_id(lines), *map(allowance_id, others)}
    assert len(ids) == 4
    assert all(len(each) == 12 and set(each) <= set("0123456789abcdef") for each in ids)


def test_the_id_of_a_huge_refusal_is_of_the_whole_set() -> None:
    before, after = shrunk("secret/", 20_000, 20_000)
    whole = judge(proposed(before, after), LIMITS)
    but_one = judge(proposed(before, named("secret/", [19_999])), LIMITS)
    assert whole.allowance != but_one.allowance
    assert len(covered(proposed(before, after), whole)) == 20_000


def test_the_digest_of_a_bucket_alone_does_not_make_two_sync_infos_equal() -> None:
    # The hash input does not escape keys: these print alike, and yet one path vanishes.
    one = {"a:{1 2026-10-01T00:00:00Z kvV2} b": insight()}
    other = {"a": Insight(1, "2026-10-01T00:00:00Z"), "b": insight()}
    assert digest(one) == digest(other)
    there = former(one, 1)
    assert there.index_key is not None
    assert there.index_key.value == encode_index([digest(other)])
    assert judge(proposed(there, other, num_buckets=1), LIMITS).vanished == tuple(one)
