"""Keys that Consul may yet write for a save without an answer are written anew, bytes and all."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.keeping import Store
from tests.core.made import PREFIX, former, insight, named, nothing, saved
from vsync_sm.core.insight import Insight
from vsync_sm.core.memory import sha256
from vsync_sm.core.save import Put, SavePlan, Transaction
from vsync_sm.core.sync_info import (
    Former,
    decode_index,
    digest,
    distribute,
)
from vsync_sm.origin.saving import plan_save

PATHS = named("secret/", range(20))
BUCKETS = distribute(PATHS, 4)
ALL = frozenset(f"{PREFIX}{name}" for name in ("0", "1", "2", "3", "index"))


def names(plan: SavePlan) -> list[str]:
    """The names of the keys that are written, in order."""
    return [write.key.removeprefix(PREFIX) for write in plan.writes]


def there(found: Former) -> dict[str, tuple[bytes, int]]:
    """By key, the bytes that lie there and their ModifyIndex."""
    pairs = [*found.keys.values(), *([found.index_key] if found.index_key else [])]
    return {pair.key: (pair.value, pair.modify_index) for pair in pairs}


@pytest.mark.parametrize(
    ("doubtful", "written"),
    [
        ((), []),
        (("0",), ["0"]),
        (("index",), ["index"]),
        (("3", "1", "index"), ["1", "3", "index"]),
        # No key of this sync info, or not any more.
        (("4", "status", "77"), []),
    ],
)
def test_what_is_in_doubt_is_written_though_nothing_has_changed(
    doubtful: tuple[str, ...], written: list[str]
) -> None:
    found = former(PATHS)
    plan = plan_save(PREFIX, found, BUCKETS, {f"{PREFIX}{name}" for name in doubtful})
    assert names(plan) == written
    assert plan.nothing_to_write is (not written)
    for write in plan.writes:
        lay, modify_index = there(found)[write.key]
        # Other bytes, or Consul would not move the ModifyIndex that the late write names; the
        # same JSON, or a destination would see a change.
        assert write.value != lay
        assert json.loads(write.value) == json.loads(lay)
        assert write.modify_index == modify_index
    assert plan.index_modify_index == 104


def test_keys_of_another_sync_path_are_not_this_ones() -> None:
    doubtful = {"other/origin/0", "other/origin/index"}
    assert plan_save(PREFIX, former(PATHS), BUCKETS, doubtful).nothing_to_write


def test_the_index_is_rewritten_though_its_digests_are_equal() -> None:
    found = former(PATHS)
    assert found.index_key is not None
    plan = plan_save(PREFIX, found, BUCKETS, ALL)
    index = plan.writes[-1]
    assert (index.key, index.modify_index) == (found.index_key.key, 104)
    assert index.value != found.index_key.value
    assert decode_index(index.value) == found.digests
    assert plan.index_digest == sha256(index.value), "what a reading back will look for"
    (step,) = plan.steps()
    assert isinstance(step, Transaction)
    assert len(step.operations) == 6


def test_a_key_that_has_changed_is_written_once_and_as_ever() -> None:
    now = PATHS | {"secret/data/p3": insight(2)}
    plain = plan_save(PREFIX, former(PATHS), distribute(now, 4))
    (changed,) = (name for name in names(plain) if name != "index")
    doubtful = {f"{PREFIX}{changed}", f"{PREFIX}index"}
    assert plan_save(PREFIX, former(PATHS), distribute(now, 4), doubtful) == plain


@pytest.mark.parametrize(
    ("found", "written"),
    [
        (nothing(), ALL),
        (former(PATHS, without=["2", "index"]), ALL),
        (former(PATHS, instead={"2": b"garbage"}), ALL),
        (former(PATHS, instead={"index": b"[]"}), ALL),
        (former(PATHS, 2), ALL),
    ],
    ids=["nothing", "no index", "bad bucket", "bad index", "two buckets"],
)
def test_over_damage_every_key_in_doubt_is_written_over_what_lies_there(
    found: Former, written: frozenset[str]
) -> None:
    plan = plan_save(PREFIX, found, BUCKETS, ALL)
    assert {write.key for write in plan.writes} == written
    for write in plan.writes:
        lay, modify_index = there(found).get(write.key, (b"", 0))
        assert write.value != lay
        assert write.modify_index == modify_index


def test_what_is_written_twice_in_doubt_has_other_bytes_each_time() -> None:
    # A save that makes keys new may stay without an answer itself.
    store = Store(saved(PATHS))
    seen = [store.values()]
    for _ in range(3):
        plan = plan_save(PREFIX, store.former(), BUCKETS, ALL)
        assert all(store.apply(step) for step in plan.steps())
        seen.append(store.values())
        assert all(seen[-1][key] != seen[-2][key] for key in ALL)
    assert seen[0] == seen[2]
    assert store.former().insights == PATHS


insights = st.dictionaries(
    st.integers(0, 30).map(lambda number: f"secret/data/p{number}"),
    st.builds(insight, st.integers(1, 3)),
)
sizes = st.sampled_from([1, 2, 4, 63, 64, 130])


@settings(max_examples=100)
@given(before=st.none() | insights, dead=insights, now=insights, data=st.data())
def test_a_late_write_of_a_dead_cycle_changes_nothing_after_the_next_commit(
    before: dict[str, Insight] | None,
    dead: dict[str, Insight],
    now: dict[str, Insight],
    data: st.DataObject,
) -> None:
    store = Store(saved(before, data.draw(sizes)) if before is not None else ())
    lost = plan_save(PREFIX, store.former(), distribute(dead, data.draw(sizes)))
    steps = lost.steps()
    taken = data.draw(st.integers(0, len(steps)))
    assert all(store.apply(step) for step in steps[:taken])
    # No answer came: nobody knows of the rest whether Consul will still write it.
    doubtful = {lost.index_key, *(write.key for write in lost.writes)}

    same = data.draw(st.booleans(), label="nothing has changed in Vault")
    found, size = store.former(), data.draw(sizes)
    if same and found.digests is not None:
        now, size = dict(found.insights), len(found.digests)
    plan = plan_save(PREFIX, found, distribute(now, size), doubtful)
    assert all(store.apply(step) for step in plan.steps())
    # What lies beyond the index counts for nobody.
    counting = {lost.index_key, *(f"{PREFIX}{number}" for number in range(size))}
    kept = {key: value for key, value in store.values().items() if key in counting}

    late = [*steps, *(Put(write) for write in lost.writes)]
    for step in data.draw(st.permutations(late)):
        store.apply(step)
        assert {key: store.values()[key] for key in counting} == kept, step
    assert store.former().insights == now
    assert store.former().digests == tuple(map(digest, distribute(now, size)))
