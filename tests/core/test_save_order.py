"""The order of a save: whoever reads between two transactions misses no path that stays."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.core.keeping import Store
from tests.core.made import PREFIX, former, insight, named, saved
from vsync_sm.core.insight import Insight
from vsync_sm.core.save import TRANSACTION_OPERATIONS, SavePlan, Transaction
from vsync_sm.core.sync_info import (
    Former,
    bucket_of,
    decode_bucket,
    decode_former,
    digest,
    distribute,
)
from vsync_sm.origin.saving import plan_save

PATHS = named("secret/", range(300))


def laid_out(plan: SavePlan) -> list[list[str]]:
    """The names that each step writes, in order."""
    return [
        [each.key.removeprefix(PREFIX) for each in step.operations[1:]]
        for step in plan.steps()
        if isinstance(step, Transaction)
    ]


def numbers(*ranges: range) -> list[str]:
    return [str(number) for each in ranges for number in each]


@pytest.mark.parametrize(
    ("before", "after", "steps"),
    [
        # It fits: all in one.
        (4, 6, [[*numbers(range(4, 6), range(4)), "index"]]),
        (6, 4, [[*numbers(range(4)), "index"]]),
        (50, 62, [[*numbers(range(50, 62), range(50)), "index"]]),
        # It does not: what no index names yet first; then all that an old destination knows, with
        # the index that halts it.
        (50, 63, [numbers(range(50, 63)), [*numbers(range(50)), "index"]]),
        (4, 70, [numbers(range(4, 67)), numbers(range(67, 70)), [*numbers(range(4)), "index"]]),
        (62, 63, [["62"], [*numbers(range(62)), "index"]]),
        (130, 62, [[*numbers(range(62)), "index"]]),
        # The same number: bucket by bucket, the index last.
        (70, 70, [numbers(range(63)), [*numbers(range(63, 70)), "index"]]),
    ],
)
def test_the_layout_of_another_number_of_buckets(
    before: int, after: int, steps: list[list[str]]
) -> None:
    # So many paths that no bucket is empty, each with another version: all buckets differ.
    there = former(dict.fromkeys(MANY, insight(1)), before)
    now = distribute(dict.fromkeys(MANY, insight(2)), after)
    assert laid_out(plan_save(PREFIX, there, now)) == steps


MANY = named("secret/", range(2_000))


def test_without_an_index_all_is_written_together() -> None:
    # Nobody reads buckets without an index: there is no old shape to keep from being torn.
    there = former(PATHS, 4, without=["index"])
    plan = plan_save(PREFIX, there, distribute(PATHS, 6))
    assert plan.together_from == 0
    assert [write.key.removeprefix(PREFIX) for write in plan.writes] == [
        *numbers(range(6)),
        "index",
    ]


def between(store: Store, plan: SavePlan) -> Iterator[Former]:
    """What lies there after each step, from before the first to after the last."""
    yield store.former()
    for step in plan.steps():
        assert store.apply(step)
        yield store.former()


insights = st.dictionaries(
    st.integers(0, 400).map(lambda number: f"secret/data/p{number}"),
    st.builds(insight, st.integers(1, 3)),
    max_size=300,
)
sizes = st.sampled_from([1, 2, 5, 30, 61, 62, 63, 64, 100, 130])


class Destination:
    """One with its own number of buckets, as vsync's are: it reads what the index says is new."""

    def __init__(self, num_buckets: int) -> None:
        self.num_buckets = num_buckets
        self.seen: dict[int, str] = {}
        self.halted = False

    def reads(self, found: Former) -> dict[int, dict[str, Insight]]:
        """The buckets whose digest in the index is not the one it saw last."""
        if self.halted or found.digests is None or len(found.digests) != self.num_buckets:
            self.halted = True
            return {}
        new = {n: line for n, line in enumerate(found.digests) if self.seen.get(n) != line}
        self.seen |= new
        return {number: decode_bucket(found.keys[number].value) for number in new}


@settings(max_examples=80)
@given(insights, insights, sizes, sizes, st.data())
def test_no_destination_of_the_old_number_ever_misses_a_path_that_stays(
    before: dict[str, Insight], after: dict[str, Insight], had: int, has: int, data: st.DataObject
) -> None:
    store = Store(saved(before, had))
    plan = plan_save(PREFIX, store.former(), distribute(after, has))
    # All that an old destination knows must fit one transaction, with the index and the fence.
    assume(had == has or min(had, has) + 2 <= TRANSACTION_OPERATIONS)
    stays = before.keys() & after.keys()
    looking = [Destination(had), Destination(had)]
    looking[0].reads(store.former())  # this one has seen what lay there; the other is new
    for found in between(store, plan):
        if data.draw(st.booleans(), label="looks now"):
            for each in looking:
                for number, bucket in each.reads(found).items():
                    of_it = {path for path in stays if bucket_of(path, had) == number}
                    assert of_it <= bucket.keys()


@settings(max_examples=80)
@given(insights, insights, sizes, sizes)
def test_no_destination_of_the_new_number_ever_misses_a_path(
    before: dict[str, Insight], after: dict[str, Insight], had: int, has: int
) -> None:
    # It halts until the index has its length, and then every bucket has its new shape.
    assume(had != has)
    store = Store(saved(before, had))
    plan = plan_save(PREFIX, store.former(), distribute(after, has))
    for found in between(store, plan):
        for number, bucket in Destination(has).reads(found).items():
            assert bucket == distribute(after, has)[number]


@settings(max_examples=40)
@given(insights, insights, sizes, sizes)
def test_the_index_is_true_after_the_last_step_and_the_old_one_until_then(
    before: dict[str, Insight], after: dict[str, Insight], had: int, has: int
) -> None:
    there = decode_former(PREFIX, saved(before, had))
    plan = plan_save(PREFIX, there, distribute(after, has))
    *earlier, last = between(Store(saved(before, had)), plan)
    assert {found.digests for found in earlier} <= {there.digests}
    assert last.digests == tuple(map(digest, distribute(after, has)))
    assert last.insights == after
