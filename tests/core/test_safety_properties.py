"""What is true of any cycle: random sync infos, random changes, random damage, random yeses."""

from __future__ import annotations

from collections import Counter
from itertools import chain, combinations

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.made import former, insight
from tests.core.proposing import covered
from vsync_sm.core.insight import Insight
from vsync_sm.core.safety import FEW, Limits, Proposal, Verdict, allowance_id, judge
from vsync_sm.core.sync_info import decode_former, mount_of

CONFIGURED = ("kv/team/", "ops/", "secret/")
SEEN = (*CONFIGURED, "gone/", "gone/team/")
LIMITS = Limits()

KINDS = ("kept", "updated", "back", "gone", "added", "failed")
"""What may become of a path; `failed` ones had no former insight."""

counts = st.sampled_from([0, 0, 0, 1, 2, 5, 9, 10, 11, 12, 20, 40])
DAMAGE = ("", "", "", "no index", "bad index", "bad bucket", "no bucket", "emptied", "nothing")


@st.composite
def cycles(draw: st.DrawFn) -> Proposal:
    """A cycle without any allowance."""
    before: dict[str, Insight] = {}
    after: dict[str, Insight] = {}
    failed = set()
    for mount in SEEN:
        kinds = KINDS if mount in CONFIGURED else ("gone",)
        for kind in kinds:
            paths = [f"{mount}data/{kind}{number}" for number in range(draw(counts))]
            if kind in {"kept", "updated", "back", "gone"}:
                before |= dict.fromkeys(paths, insight(2, 20))
            if kind == "failed":
                failed.update(paths)
            elif kind != "gone":
                after |= dict.fromkeys(paths, draw(CHANGES[kind]))
    num_buckets = draw(st.integers(1, 4))
    damage = draw(st.sampled_from(DAMAGE))
    found = {
        "no index": lambda: former(before, num_buckets, without=["index"]),
        "bad index": lambda: former(before, num_buckets, instead={"index": b"[]"}),
        "bad bucket": lambda: former(before, num_buckets, instead={"0": b"null"}),
        "no bucket": lambda: former(before, num_buckets, without=["0"]),
        "emptied": lambda: former(before, num_buckets, instead={"0": b"{}"}),
        "nothing": lambda: decode_former("", ()),
    }.get(damage, lambda: former(before, num_buckets))()
    return Proposal(
        mounts=CONFIGURED,
        num_buckets=draw(st.sampled_from([num_buckets, num_buckets, num_buckets, 9])),
        former=found,
        insights=after,
        failed=frozenset(failed),
        replaced=frozenset(draw(st.sets(st.sampled_from(CONFIGURED), max_size=1))),
        known=draw(st.booleans()),
        recent=draw(st.dictionaries(st.sampled_from(SEEN), st.sampled_from([1, 5, 10, 50]))),
        expected=draw(st.dictionaries(st.sampled_from(SEEN), counts)),
        expected_buckets=draw(st.sampled_from([None, num_buckets, num_buckets, 9])),
    )


CHANGES = {
    "kept": st.just(insight(2, 20)),
    "updated": st.sampled_from([insight(3, 1), insight(2, 21)]),
    "back": st.sampled_from([insight(1, 50), insight(2, 19)]),
    "added": st.just(insight(1)),
}


@st.composite
def allowed(draw: st.DrawFn) -> Proposal:
    """A cycle with a yes in force that covers some of what it would do, and more."""
    cycle = draw(cycles())
    verdict = judge(cycle, LIMITS)
    lines = [f"vanished {path}" for path in verdict.vanished]
    lines += [f"regressed {path}" for path in verdict.regressed]
    lines += [f"failed {path}" for path in sorted(cycle.failed)]
    lines += [f"{each.rule} {item}" for each in verdict.refusals for item in each.items]
    lines += ["missing_sync_info", "vanished secret/data/another"]
    ends = st.integers(0, len(lines))
    return with_yes(cycle, lines[draw(ends) :] + lines[: draw(ends)])


def with_yes(cycle: Proposal, lines: object) -> Proposal:
    """The same cycle, with this allowed."""
    return msgspec.structs.replace(cycle, allowed=frozenset(lines))  # type: ignore[call-overload]


def beyond(paths: set[str], cycle: Proposal, recent: Counter[str]) -> bool:
    """Whether so many paths are too many, by the words of the rule and by whole numbers."""

    def too_many(count: int, of: int) -> bool:
        return count > FEW and 5 * count > of

    if not paths:
        return False
    there, now = (
        Counter(mount_of(path, CONFIGURED) for path in group)
        for group in (cycle.former.insights, paths)
    )
    over_all = too_many(len(paths) + recent.total(), len(cycle.former.insights) + recent.total())
    return over_all or any(
        too_many(now[mount] + recent[mount], there[mount] + recent[mount]) for mount in now
    )


def is_whole(cycle: Proposal) -> bool:
    """Whether the former sync info is exactly what its index promises."""
    found = cycle.former
    return found.digests is not None and found == former(found.insights, len(found.digests))


def lost(cycle: Proposal) -> set[str]:
    """What a former sync info that is not whole has lost of the last commit, as a yes names it."""
    found = set()
    now = Counter(mount_of(path, CONFIGURED) for path in cycle.insights)
    gone = {mount: max(0, count - now[mount]) for mount, count in cycle.expected.items()}
    numbers = {mount: (gone[mount], cycle.expected[mount]) for mount in gone}
    for mount, (count, of) in {**numbers, "": (sum(gone.values()), cycle_total(cycle))}.items():
        if count > FEW and 5 * count > of:
            found.add(f"lost {mount} {count} of {of}".replace("  ", " "))
    return found


def cycle_total(cycle: Proposal) -> int:
    """All insights of the last commit."""
    return sum(cycle.expected.values())


@settings(max_examples=80)
@given(allowed())
def test_vanished_is_former_without_new_and_regressed_what_went_back(cycle: Proposal) -> None:
    verdict = judge(cycle, LIMITS)
    there, new = cycle.former.insights, cycle.insights
    assert list(verdict.vanished) == sorted(set(there) - set(new))
    assert list(verdict.regressed) == sorted(p for p in new if p in there and "/data/back" in p)
    unasked = [path for path in verdict.vanished if f"vanished {path}" not in cycle.allowed]
    assert verdict.unasked == Counter(mount_of(path, CONFIGURED) for path in unasked)
    assert judge(cycle, LIMITS) == verdict


@settings(max_examples=150)
@given(allowed())
def test_it_is_refused_when_the_rules_say_so_and_only_then(cycle: Proposal) -> None:
    verdict, found = judge(cycle, LIMITS), cycle.former
    unasked = {path for path in verdict.vanished if f"vanished {path}" not in cycle.allowed}
    back = {path for path in verdict.regressed if f"regressed {path}" not in cycle.allowed}
    failed = {path for path in cycle.failed if f"failed {path}" not in cycle.allowed}
    length = len(found.digests) if found.digests is not None else cycle.expected_buckets
    broken = [f"undecodable {name}" for name in found.undecodable]
    broken += [f"missing_bucket {number}" for number in found.missing]
    if length not in {None, cycle.num_buckets}:
        broken.append(f"num_buckets {length} -> {cycle.num_buckets}")
    if found.absent and cycle.known:
        broken.append("missing_sync_info")
    whole = is_whole(cycle)
    expected = (
        beyond(unasked, cycle, Counter(cycle.recent))
        or beyond(back, cycle, Counter())
        or bool({mount_of(path, CONFIGURED) for path in unasked} & cycle.replaced)
        or bool(set(broken) - cycle.allowed)
        or (bool(failed) and not whole)
        or (not whole and bool(lost(cycle) - cycle.allowed))
    )
    assert bool(verdict.refusals) == expected
    assert bool(verdict.allowance) == expected


@settings(max_examples=60)
@given(cycles())
def test_what_neither_shrinks_nor_goes_back_is_never_refused_over_a_sound_sync_info(
    cycle: Proposal,
) -> None:
    verdict = judge(cycle, LIMITS)
    # Whatever was committed last: a whole sync info says by itself what would vanish.
    sound = former(cycle.former.insights, cycle.num_buckets)
    insights = dict(cycle.insights)
    insights |= {
        path: cycle.former.insights[path] for path in (*verdict.vanished, *verdict.regressed)
    }
    assert judge(
        msgspec.structs.replace(cycle, former=sound, insights=insights), LIMITS
    ) == Verdict(
        vanished=(),
        regressed=(),
        unasked={},
        insights=Counter(mount_of(path, CONFIGURED) for path in insights),
        refusals=(),
        allowance="",
    )


@settings(max_examples=80)
@given(allowed())
def test_what_is_refused_is_lifted_by_exactly_the_yes_to_it(cycle: Proposal) -> None:
    verdict = judge(cycle, LIMITS)
    if not verdict.refusals:
        return
    given_yes = with_yes(cycle, covered(cycle, verdict))
    # With a yes, the counts that were shown with it take the place of the last commit's.
    shown = msgspec.structs.replace(given_yes, expected=verdict.insights)
    for proposal in (given_yes, shown):
        after = judge(proposal, LIMITS)
        assert (after.refusals, after.allowance, after.unasked) == ((), "", {})
        assert (after.vanished, after.regressed) == (verdict.vanished, verdict.regressed)


@settings(max_examples=80)
@given(cycles(), cycles())
def test_a_yes_over_a_broken_sync_info_is_one_to_no_less_than_was_shown(
    one: Proposal, other: Proposal
) -> None:
    verdict = judge(one, LIMITS)
    if not verdict.refusals:
        return
    later = with_yes(other, covered(one, verdict))
    later = msgspec.structs.replace(later, expected=verdict.insights)
    if is_whole(later) or judge(later, LIMITS).refusals:
        return
    now = Counter(mount_of(path, CONFIGURED) for path in later.insights)
    for mount, count in verdict.insights.items():
        assert count - now[mount] <= max(FEW, count / 5)


@settings(max_examples=80)
@given(cycles(), cycles())
def test_a_yes_to_one_cycle_lets_nothing_else_vanish_from_another(
    one: Proposal, other: Proposal
) -> None:
    verdict = judge(one, LIMITS)
    cycle = with_yes(other, covered(one, verdict) if verdict.refusals else ())
    if judge(cycle, LIMITS).refusals:
        return
    gone = set(judge(cycle, LIMITS).vanished) - set(verdict.vanished)
    assert not beyond(gone, cycle, Counter(other.recent))


@settings(max_examples=80)
@given(allowed())
def test_vanishing_less_is_never_worse(cycle: Proposal) -> None:
    verdict = judge(cycle, LIMITS)
    if verdict.refusals or not verdict.vanished:
        return
    if cycle.allowed:
        # A yes that is in force brings the counts that were shown with it.
        cycle = msgspec.structs.replace(cycle, expected=verdict.insights)
    for back in (verdict.vanished[:1], verdict.vanished[::2], verdict.vanished):
        stays = {path: cycle.former.insights[path] for path in back}
        fewer = msgspec.structs.replace(cycle, insights={**cycle.insights, **stays})
        assert not judge(fewer, LIMITS).refusals


@settings(max_examples=60)
@given(cycles(), st.dictionaries(st.sampled_from(SEEN), st.integers(0, 100)))
def test_the_last_hour_only_ever_adds_refusals(cycle: Proposal, recent: dict[str, int]) -> None:
    alone = judge(msgspec.structs.replace(cycle, recent={}), LIMITS)
    along = judge(msgspec.structs.replace(cycle, recent=recent), LIMITS)
    if alone.refusals:
        assert along.refusals
    if not alone.vanished:
        assert along == alone


@given(st.permutations(["vanished a", "vanished b", "regressed a", "failed a"]))
def test_an_id_does_not_depend_on_the_order(lines: list[str]) -> None:
    assert allowance_id(lines) == allowance_id(sorted(lines))


def test_ids_differ_when_their_sets_do() -> None:
    lines = ["vanished a", "vanished b", "regressed a", "failed a", "undecodable 1", "x"]
    sets = list(chain.from_iterable(combinations(lines, size) for size in range(len(lines) + 1)))
    assert len({allowance_id(each) for each in sets}) == len(sets) == 64
