"""How a save is laid out: what is written, in which order, in which transactions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.made import PREFIX, former, insight, named, nothing, saved
from vsync_sm.core.insight import Insight
from vsync_sm.core.memory import sha256
from vsync_sm.core.save import (
    TRANSACTION_BYTES,
    TRANSACTION_OPERATIONS,
    Check,
    Put,
    SavePlan,
    Set,
    Step,
    Transaction,
)
from vsync_sm.core.sync_info import Former, decode_former, digest, distribute, encode_index
from vsync_sm.origin.saving import plan_save
from vsync_sm.servers.consul import transaction_body

PATHS = named("secret/", range(20))


def names(plan: SavePlan) -> list[str]:
    """The names of the keys that are written, in order."""
    return [write.key.removeprefix(PREFIX) for write in plan.writes]


def planned(there: Former, num_buckets: int = 4, **more: int) -> SavePlan:
    """A save of `PATHS`, some of them with another version."""
    now = PATHS | {f"secret/data/{path}": insight(version) for path, version in more.items()}
    return plan_save(PREFIX, there, distribute(now, num_buckets))


# --- what is written -------------------------------------------------------------------------


def test_a_first_save_writes_every_bucket_empty_ones_too_and_the_index_last() -> None:
    plan = plan_save(PREFIX, nothing(), distribute({}, 3))
    assert names(plan) == ["0", "1", "2", "index"]
    assert [write.modify_index for write in plan.writes] == [0, 0, 0, 0]
    assert [write.value for write in plan.writes[:3]] == [b"{}"] * 3
    assert plan.writes[3].value == encode_index([digest({})] * 3)
    assert (plan.index_key, plan.index_modify_index) == (f"{PREFIX}index", 0)
    assert plan.index_digest == sha256(plan.writes[3].value)


def test_nothing_is_written_when_nothing_differs() -> None:
    plan = planned(former(PATHS))
    assert plan.nothing_to_write
    assert plan.steps() == ()
    assert plan.stale == ()


def test_only_the_buckets_that_differ_are_written_and_the_index() -> None:
    there = former(PATHS)
    plan = planned(there, p3=2)
    ((number, index),) = [names(plan)]
    assert index == "index"
    assert [write.modify_index for write in plan.writes] == [100 + int(number), 104]
    assert plan.index_modify_index == 104


def test_equal_values_of_another_program_are_left_alone() -> None:
    # Other bytes, the same content: spaces, and fields in another order.
    index = former(PATHS).digests
    assert index is not None
    spaced = b"[ " + b" , ".join(f'"{line}"'.encode() for line in index) + b" ]\n"
    bucket = b'{ "type": "kvV2", "updateTime": "2026-10-01T00:00:00.123456789Z", "version": 1 }'
    values = {
        str(number): b"{" + b", ".join(f'"{path}": '.encode() + bucket for path in found) + b"}"
        for number, found in enumerate(distribute(PATHS, 4))
    }
    plan = planned(former(PATHS, instead={**values, "index": spaced}))
    assert plan.nothing_to_write
    assert plan.index_digest == sha256(spaced)


def test_equal_digests_do_not_hide_other_contents() -> None:
    # The hash input does not escape keys: these two buckets print alike.
    one = {"a:{1 2026-10-01T00:00:00Z kvV2} b": insight()}
    other = {"a": Insight(1, "2026-10-01T00:00:00Z"), "b": insight()}
    assert digest(one) == digest(other)
    plan = plan_save(PREFIX, former(one, 1), [other])
    assert names(plan) == ["0"]
    assert plan.index_digest == sha256(encode_index([digest(one)]))


def test_an_index_of_equal_digests_and_a_cut_short_save_write_the_index_alone() -> None:
    changed = PATHS | {"secret/data/p3": insight(2)}
    buckets_written = {
        pair.key.removeprefix(PREFIX): pair.value
        for pair in saved(changed)
        if not pair.key.endswith("index")
    }
    assert names(planned(former(PATHS, instead=buckets_written), p3=2)) == ["index"]


@pytest.mark.parametrize(
    ("there", "written"),
    [
        (former(PATHS, without=["index"]), ["index"]),
        (former(PATHS, instead={"index": b"[]"}), ["index"]),
        (former(PATHS, without=["2"]), ["2"]),
        (former(PATHS, instead={"2": b"garbage"}), ["2"]),
        (former(PATHS, instead={"2": b"{}"}), ["2"]),
        (former(PATHS, without=["0", "1", "2", "3", "index"]), ["0", "1", "2", "3", "index"]),
    ],
    ids=["no index", "bad index", "no bucket", "bad bucket", "emptied bucket", "nothing"],
)
def test_damage_is_mended_and_every_key_written_as_it_was_read(
    there: Former, written: list[str]
) -> None:
    plan = planned(there)
    assert names(plan) == written
    known = {pair.key: pair.modify_index for pair in there.keys.values()}
    if there.index_key is not None:
        known[there.index_key.key] = there.index_key.modify_index
    assert [write.modify_index for write in plan.writes] == [
        known.get(write.key, 0) for write in plan.writes
    ]


@pytest.mark.parametrize(("before", "after"), [(4, 6), (4, 1), (1, 3), (19, 20)])
def test_another_number_of_buckets_writes_all_that_differ_and_names_the_rest_stale(
    before: int, after: int
) -> None:
    there = former(PATHS, before)
    plan = planned(there, after)
    assert names(plan)[-1] == "index"
    assert [pair.key for pair in plan.stale] == [f"{PREFIX}{i}" for i in range(after, before)]
    assert [pair.modify_index for pair in plan.stale] == [100 + i for i in range(after, before)]


insights = st.dictionaries(
    st.integers(0, 30).map(lambda number: f"secret/data/p{number}"),
    st.builds(insight, st.integers(1, 3)),
)


@given(insights, insights, st.integers(1, 6), st.integers(1, 6), st.booleans())
def test_after_a_save_consul_holds_exactly_what_was_meant(
    before: dict[str, Insight], after: dict[str, Insight], had: int, has: int, torn: bool
) -> None:
    there = former(before, had, without=["index"] if torn else ())
    plan = plan_save(PREFIX, there, distribute(after, has))
    tree = {pair.key: pair for pair in there.keys.values()}
    if there.index_key is not None:
        tree[there.index_key.key] = there.index_key
    for write in plan.writes:
        assert write.modify_index == (tree[write.key].modify_index if write.key in tree else 0), (
            "written as it was read"
        )
    values = {key: pair.value for key, pair in tree.items()}
    values |= {write.key: write.value for write in plan.writes}
    for pair in plan.stale:
        del values[pair.key]
    assert values == {pair.key: pair.value for pair in saved(after, has)}
    assert len(set(names(plan))) == len(names(plan))
    assert sha256(values[plan.index_key]) == plan.index_digest


# --- how it is written -----------------------------------------------------------------------

SIZES = (0, 2, 90, 4_000, 60_000, 300_000, 390_000, 393_000, 400_000, 524_288)


class Shape(NamedTuple):
    """A plan of few large and many small buckets, told without their bytes."""

    prefix: str
    modify_index: int
    bucket_sizes: tuple[int, ...]
    index_size: int | None

    def plan(self) -> SavePlan:
        """With values of these sizes."""
        sizes = {str(number): size for number, size in enumerate(self.bucket_sizes)}
        if self.index_size is not None:
            sizes["index"] = self.index_size
        writes = (
            Set(f"{self.prefix}{name}", b"\xff" * size, self.modify_index)
            for name, size in sizes.items()
        )
        return SavePlan(f"{self.prefix}index", self.modify_index, "", tuple(writes), 0, ())


shapes = st.builds(
    Shape,
    st.sampled_from(["vsync/", "geheim/ü/", 'a"b\\c/', "日本/" * 20, "x" * 200 + "/"]),
    st.sampled_from([0, 1, 2**64 - 1]),
    st.tuples(
        st.lists(st.sampled_from(SIZES), max_size=6),
        st.sampled_from([0, 1, 61, 62, 63, 64, 130]).map(lambda count: [90] * count),
    ).flatmap(lambda parts: st.permutations(parts[0] + parts[1]).map(tuple)),
    st.none() | st.sampled_from(SIZES),
)


def written(steps: Sequence[Step]) -> list[Set]:
    """The writes of these steps, in order."""
    found: list[Set] = []
    for step in steps:
        if isinstance(step, Put):
            found.append(step.write)
        else:
            found += (each for each in step.operations if isinstance(each, Set))
    return found


@settings(max_examples=60)
@given(shapes)
def test_the_steps_of_any_plan(shape: Shape) -> None:
    plan = shape.plan()
    steps = plan.steps()
    keys = [write.key for write in written(steps)]
    assert keys == [write.key for write in plan.writes], "every write once, the index last"
    whole, again = written(steps) == list(plan.writes), plan.steps() == steps
    assert whole
    assert again
    fence = Check(plan.index_key, plan.index_modify_index)
    for step in steps:
        if isinstance(step, Put):
            alone = Transaction((fence, step.write))
            assert len(transaction_body(alone.operations)) > TRANSACTION_BYTES * 0.99
            continue
        assert step.operations[0] == fence
        assert fence not in step.operations[1:]
        assert 2 <= len(step.operations) <= TRANSACTION_OPERATIONS
        assert len(transaction_body(step.operations)) <= TRANSACTION_BYTES


@pytest.mark.parametrize(
    ("writes", "shape"),
    [(1, [2]), (62, [63]), (63, [64]), (64, [64, 2]), (126, [64, 64]), (127, [64, 64, 2])],
)
def test_a_transaction_is_filled_to_its_last_operation(writes: int, shape: list[int]) -> None:
    sets = tuple(Set(f"{PREFIX}{n}", b"{}", 0) for n in range(writes))
    steps = SavePlan(f"{PREFIX}index", 7, "", sets, 0, ()).steps()
    assert [len(step.operations) for step in steps if isinstance(step, Transaction)] == shape
    assert len(steps) == len(shape)


@pytest.mark.parametrize(("size", "kind"), [(392_000, Transaction), (394_000, Put)])
def test_what_is_too_large_for_a_transaction_goes_alone(
    size: int, kind: type[Transaction] | type[Put]
) -> None:
    # Tried on Consul 1.8.7: 393,000 bytes pass in a transaction, 395,000 do not.
    small, large = Set(f"{PREFIX}0", b"{}", 5), Set(f"{PREFIX}1", b"x" * size, 6)
    index = Set(f"{PREFIX}index", b"[]", 7)
    steps = SavePlan(f"{PREFIX}index", 7, "", (small, large, index), 0, ()).steps()
    assert [kind.__name__ for kind in map(type, steps)].count("Put") == (kind is Put)
    assert any(isinstance(step, kind) and large in written([step]) for step in steps)
    assert written(steps) == [small, large, index]


def test_the_fence_of_a_first_save_is_an_absent_index() -> None:
    (step,) = planned(decode_former(PREFIX, ())).steps()
    assert isinstance(step, Transaction)
    assert step.operations[0] == Check(f"{PREFIX}index", 0)
    assert transaction_body(step.operations).startswith(
        b'[{"KV":{"Verb":"check-not-exists","Key":"vsync/origin/index"}}'
    )


def test_the_fence_of_a_later_save_is_the_index_as_it_was_read() -> None:
    (step,) = planned(former(PATHS), p3=2).steps()
    assert isinstance(step, Transaction)
    assert step.operations[0] == Check(f"{PREFIX}index", 104)
    assert transaction_body(step.operations).startswith(
        b'[{"KV":{"Verb":"check-index","Key":"vsync/origin/index","Index":104}}'
    )
