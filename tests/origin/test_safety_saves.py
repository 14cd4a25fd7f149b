"""Safety rule 5 on the real servers: how a save writes, and how it ends when it cannot."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.misbehave import Rule
from tests.origin.bench import Bench
from tests.workshop import Run, Workshop
from vsync_sm.core import events as e
from vsync_sm.core.sync_info import bucket_of
from vsync_sm.journal.reader import read_journal


def keys(bench: Bench) -> set[str]:
    """The names of all keys under the prefix."""
    return {key.removeprefix(bench.shop.prefix) for key in bench.raw()}


def indexes(bench: Bench) -> dict[str, int]:
    """Every key's ModifyIndex, by name."""
    consul, prefix = bench.shop.consul, bench.shop.prefix
    return {name: consul.modify_index(prefix + name) for name in keys(bench)}


# --- what is written --------------------------------------------------------------------------


def test_a_first_save_writes_every_bucket_the_empty_ones_too(bench: Bench) -> None:
    bench.fill(["a"])
    run = bench.saved()
    assert keys(bench) == {"0", "1", "2", "3", "index"}
    empty = [key for key, value in bench.raw().items() if value == b"{}"]
    assert len(empty) == 3
    assert run.one(e.SaveCommitted).keys == 5
    index = json.loads(bench.raw()[f"{bench.shop.prefix}index"])
    assert len(index) == 4


def test_nothing_new_writes_nothing(bench: Bench) -> None:
    bench.begin()
    bench.saved()
    before, sent = indexes(bench), len(bench.consul.requests)
    run = bench.once()
    assert (run.code, run.outcome) == (0, "unchanged")
    assert indexes(bench) == before
    assert not run.all(e.SaveStarted)
    probe = f"/v1/kv/{bench.shop.prefix}vsyncChecks/"
    wrote = [path for method, path in bench.consul.requests[sent:] if method != "GET"]
    assert all(path.startswith(probe) for path in wrote)


def test_only_what_differs_is_written_and_the_index_last(bench: Bench) -> None:
    bench.begin()
    bench.saved()
    before = indexes(bench)
    bench.api.put(bench.mount, "a")
    run = bench.saved()
    changed = {name for name, index in indexes(bench).items() if index != before[name]}
    own = str(bucket_of(bench.path("a"), 4))
    assert changed == {own, "index"}
    written = [key.key for key in run.one(e.SaveStarted).keys]
    assert written == [bench.shop.prefix + own, f"{bench.shop.prefix}index"]
    assert [event.bucket for event in run.all(e.BucketReindexed)] == [int(own)]


def test_the_same_tree_is_always_the_same_bytes(bench: Bench, tmp_path: Path) -> None:
    bench.begin()
    bench.saved()
    prefix = bench.shop.prefix
    home = tmp_path / "other"
    home.mkdir()
    sync_path = prefix.removesuffix("origin/") + "other/"
    other = Workshop(bench.api, bench.shop.consul, [bench.mount], sync_path, home)
    assert other.once(numWorkers=8).outcome == "saved"
    assert {key.removeprefix(other.prefix): value for key, value in other.raw().items()} == {
        key.removeprefix(prefix): value for key, value in bench.raw().items()
    }


def test_save_started_lies_in_the_journal_before_the_first_byte_goes_to_consul(
    bench: Bench,
) -> None:
    bench.begin()
    seen: list[str] = []
    on = bench.on_write(times=1)
    on.call(lambda: seen.append(list(read_journal(bench.shop.journal))[-1].event.type))
    bench.saved()
    assert seen == ["save_started"]


FOREIGN = ("status", "vsyncChecks/x", "007", "-1", "1a", "index2", "lock", "٣")


def test_other_keys_under_the_prefix_are_left_alone(bench: Bench) -> None:
    consul, prefix = bench.shop.consul, bench.shop.prefix
    foreign = {prefix + name: b"theirs" for name in FOREIGN}
    foreign[prefix.removesuffix("origin/") + "destination/0"] = b"theirs"
    for key, value in foreign.items():
        consul.put(key, value)
    bench.fill()
    bench.saved()
    refused = bench.once(numBuckets=2).one(e.SaveRefused)
    bench.saved(numBuckets=2, allow=refused.allowance)
    assert keys(bench) == {"0", "1", "index", *FOREIGN}
    assert {key: consul.get(key) for key in foreign} == foreign


@pytest.mark.parametrize("number", [1, 3, 9])
def test_another_number_of_buckets_writes_all_and_deletes_those_beyond(
    bench: Bench, number: int
) -> None:
    before = bench.begin()
    run = bench.refuse(before, numBuckets=number)
    refused = run.one(e.SaveRefused)
    assert [rule.items for rule in refused.refusals] == [(f"4 -> {number}",)]
    run = bench.saved(numBuckets=number, allow=refused.allowance)
    assert keys(bench) == {*map(str, range(number)), "index"}
    assert len(json.loads(bench.raw()[f"{bench.shop.prefix}index"])) == number
    stale = [f"{bench.shop.prefix}{at}" for at in range(number, 4)]
    assert list(run.one(e.SaveStarted).stale) == stale
    # And back again: that is another change, and asks again.
    bench.refuse(bench.raw())


def test_buckets_beyond_that_could_not_be_deleted_go_with_the_next_save(bench: Bench) -> None:
    before = bench.begin()
    refused = bench.refuse(before, numBuckets=2).one(e.SaveRefused)
    rule = bench.on_write(after=1).answer(500, b"no")
    run = bench.saved(numBuckets=2, allow=refused.allowance)
    assert run.faults == ["server_error"]
    assert keys(bench) == {"0", "1", "2", "3", "index"}
    rule.remove()
    bench.api.put(bench.mount, "a")
    bench.saved(numBuckets=2)
    assert keys(bench) == {"0", "1", "index"}


# --- what does not fit into one transaction ----------------------------------------------------

LONG = [f"{number:03}-{'x' * 4_400}" for number in range(90)]
"""Names so long that 90 of them make a sync info of 410,000 bytes."""


class Large:
    """A mount whose sync info does not fit into one transaction.

    OpenBao takes 30 ms for a name so long; here the proxy gives the names, and a version for all.
    """

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        bench.on_list().answer(200, {"data": {"keys": LONG}})
        self.change(1)

    def change(self, version: int) -> None:
        """Has every secret another version."""
        time = f"2024-01-01T00:00:{version:02}Z"
        state = {"deletion_time": "", "destroyed": False}
        data = {"current_version": version, "updated_time": time, "versions": {version: state}}
        self.bench.on_read(".*").answer(200, {"data": data})

    def saved(self, version: int, **how: Any) -> Run:
        """One cycle that must save this version of all."""
        run = self.bench.once(**how)
        assert (run.code, run.outcome) == (0, "saved"), run.faults
        saved = self.bench.shop.saved()
        assert saved.keys() == set(map(self.bench.path, LONG))
        assert {number for number, _ in saved.values()} == {version}
        return run


def writes(bench: Bench) -> list[str]:
    """What was sent to write the sync info, as sent; without probe keys."""
    probe = f"/v1/kv/{bench.shop.prefix}vsyncChecks/"
    sent = [path for method, path in bench.consul.requests if method == "PUT"]
    return [path for path in sent if not path.startswith(probe)]


def test_what_does_not_fit_into_a_transaction_goes_in_several(bench: Bench) -> None:
    large = Large(bench)
    run = large.saved(1)
    assert writes(bench) == ["/v1/txn"] * 2
    assert run.one(e.SaveCommitted).keys == 5
    # The second one is refused half way: another program has written one of its buckets.
    large.change(2)
    consul, prefix = bench.shop.consul, bench.shop.prefix
    before = bench.raw()
    on = bench.on_write(after=1, times=1)
    on.call(lambda: consul.put(f"{prefix}3", b"{}"))
    run = bench.once()
    assert (run.code, run.outcome, run.faults) == (3, "aborted fault", ["conflict"])
    assert run.one(e.SaveFailed).written
    assert consul.get(f"{prefix}0") != before[f"{prefix}0"]
    assert consul.get(f"{prefix}index") == before[f"{prefix}index"]  # no reader wakes
    # What stood in the emptied bucket is not lost: the next cycle compares contents.
    run = large.saved(2)
    assert 3 in {event.bucket for event in run.all(e.BucketReindexed)}


def test_every_transaction_fails_once_another_save_has_moved_the_index(bench: Bench) -> None:
    # The first one does not write the index, but it is checked there too: a late request of a
    # dead cycle must not bring an old bucket back.
    large = Large(bench)
    large.saved(1)
    large.change(2)
    before = bench.raw()
    index = f"{bench.shop.prefix}index"
    before[index] += b" "
    bench.on_write(times=1).call(lambda: bench.shop.consul.put(index, before[index]))
    run = bench.once()
    assert (run.code, run.outcome, run.faults) == (3, "aborted fault", ["conflict"])
    assert not run.one(e.SaveFailed).written
    assert bench.raw() == before
    large.saved(2)


def test_a_lost_reply_half_way_does_not_commit(bench: Bench) -> None:
    large = Large(bench)
    bench.on_write(times=1).lose_reply()
    run = bench.once()
    assert (run.code, run.outcome, run.faults) == (3, "aborted fault", ["unreachable"])
    assert run.one(e.SaveFailed).written
    assert "index" not in keys(bench)
    large.saved(1)


def test_a_bucket_too_large_for_a_transaction_goes_alone(bench: Bench) -> None:
    large = Large(bench)
    large.saved(1, numBuckets=1)
    bucket = f"{bench.shop.prefix}0"
    assert writes(bench) == [f"/v1/kv/{bucket}?cas=0", "/v1/txn"]
    # Its check-and-set is refused where another program was faster.
    large.change(2)
    on = bench.consul.when(method="PUT", path=f"/v1/kv/{bucket}[?]cas=", times=1)
    on.call(lambda: bench.shop.consul.put(bucket, b"{}"))
    run = bench.once(numBuckets=1)
    assert (run.outcome, run.faults) == ("aborted fault", ["conflict"])
    assert not run.one(e.SaveFailed).written
    large.saved(2, numBuckets=1)


# --- another writer ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["bucket", "index"])
def test_another_writer_between_read_and_write_is_a_conflict(bench: Bench, name: str) -> None:
    before = bench.begin()
    own = bucket_of(bench.path("a"), 4)
    key = f"{bench.shop.prefix}{own if name == 'bucket' else 'index'}"
    before[key] += b" "  # the same in meaning: only the ModifyIndex tells
    bench.on_write(times=1).call(lambda: bench.shop.consul.put(key, before[key]))
    run = bench.once()
    assert (run.code, run.outcome, run.faults) == (3, "aborted fault", ["conflict"])
    assert not run.one(e.SaveFailed).written
    assert bench.raw() == before
    bench.saved()


def test_a_first_save_never_overwrites_another_programs(bench: Bench) -> None:
    bench.fill()
    theirs = f"{bench.shop.prefix}index"
    bench.on_write(times=1).call(lambda: bench.shop.consul.put(theirs, b"[]"))
    run = bench.once()
    assert (run.outcome, run.faults) == ("aborted fault", ["conflict"])
    assert bench.raw() == {theirs: b"[]"}


@pytest.fixture
def second(bench: Bench, tmp_path: Path) -> Workshop:
    """A second origin on the same sync path, with a journal of its own and no proxy."""
    home = tmp_path / "second"
    home.mkdir()
    sync_path = bench.shop.prefix.removesuffix("origin/")
    return Workshop(bench.api, bench.shop.consul, [bench.mount], sync_path, home)


def test_a_second_origins_commit_in_between_is_a_conflict(bench: Bench, second: Workshop) -> None:
    bench.begin()

    def other() -> None:
        bench.api.put(bench.mount, "b")
        assert second.once().outcome == "saved"

    bench.on_write(times=1).call(other)
    run = bench.once()
    assert (run.code, run.outcome, run.faults) == (3, "aborted fault", ["conflict"])
    assert "second origin" in run.one(e.FaultRaised).hint
    assert bench.shop.saved() == bench.shop.alive()  # the other one's: not set back
    assert bench.once().outcome == "unchanged"


def test_a_refused_check_and_set_is_no_conflict_where_consul_holds_what_was_meant(
    bench: Bench, second: Workshop
) -> None:
    bench.begin()
    bench.on_write(times=1).call(second.once)
    run = bench.saved()
    assert run.one(e.SaveCommitted).settled


# --- no reply ---------------------------------------------------------------------------------


def test_a_lost_reply_is_settled_by_reading_back(bench: Bench) -> None:
    bench.begin()
    bench.on_write(times=1).lose_reply()
    run = bench.saved()
    assert run.one(e.SaveCommitted).settled
    assert not run.faults
    assert bench.once().outcome == "unchanged"


@pytest.mark.parametrize(
    ("misbehave", "kind"),
    [
        (lambda on: on.drop_before(), "unreachable"),
        (lambda on: on.html(200), "not_consul"),
        (lambda on: on.answer(500, b"No cluster leader"), "server_error"),
        (lambda on: on.answer(200, {"Results": [], "Errors": None}), "not_consul"),
    ],
    ids=["closed", "html", "500", "says nothing"],
)
def test_a_write_that_did_not_arrive_is_a_failed_save(
    bench: Bench, misbehave: Callable[[Rule], Rule], kind: str
) -> None:
    before = bench.begin()
    rule = misbehave(bench.on_write())
    run = bench.once()
    assert (run.code, run.outcome, run.faults) == (3, "aborted fault", [kind])
    failed = run.one(e.SaveFailed)
    assert (failed.kind, failed.written) == (kind, False)
    assert rule.hits == 1  # a write is never sent twice
    assert bench.raw() == before
    rule.remove()
    bench.saved()


@pytest.mark.parametrize("arrived", [True, False])
def test_a_save_that_cannot_be_settled_is_uncertain_until_the_next_cycle(
    bench: Bench, arrived: bool
) -> None:
    before = bench.begin()
    on = bench.on_write(times=1)
    _ = on.lose_reply() if arrived else on.drop_before()
    rule = bench.on_tree(after=1).answer(500, b"No cluster leader")
    run = bench.once()
    assert (run.code, run.outcome) == (3, "aborted fault")
    assert run.all(e.SaveUncertain)
    assert not run.all(e.SaveFailed) + run.all(e.SaveCommitted)
    assert (bench.raw() == before) is not arrived
    rule.remove()
    run = bench.once() if arrived else bench.saved()
    reconciled = run.one(e.SaveReconciled)
    assert (reconciled.outcome, reconciled.written) == (
        ("committed", True) if arrived else ("failed", False)
    )
    assert run.outcome == ("unchanged" if arrived else "saved")
    assert bench.shop.saved() == bench.shop.alive()


def test_a_consul_that_refuses_the_sync_path_is_fatal(bench: Bench) -> None:
    before = bench.begin()
    bench.on_write().answer(403, b"Permission denied")
    run = bench.once()
    assert (run.code, run.outcome) == (1, "aborted fatal")
    assert run.faults == ["consul_forbidden"]
    assert bench.raw() == before
