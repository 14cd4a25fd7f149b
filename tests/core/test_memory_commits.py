"""What the journal remembers of commits: the last one, keys in doubt, and who was told."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.core.made import PREFIX
from tests.core.told import COMMITTED, Told, failed, read, run_started, save_started
from vsync_sm.core import events as e
from vsync_sm.core.errors import FaultKind
from vsync_sm.core.memory import Memory, Remembered
from vsync_sm.journal.codec import decode, encode


@pytest.fixture
def told() -> Told:
    return Told()


# --- what was committed last -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("end", "committed"),
    [
        (COMMITTED, True),
        (failed(written=True), False),
        (failed(written=True, kind="timeout"), False),
        (e.SaveUncertain(message="no reply"), False),
        (None, False),
    ],
)
def test_the_last_commit_is_remembered_with_its_numbers(
    told: Told, end: e.Event | None, committed: bool
) -> None:
    told.save(end=COMMITTED, num_buckets=4, insights=20)
    told.save(end=COMMITTED, num_buckets=2, insights=9, prefix="other/origin/")
    told.save(end=end, num_buckets=8, insights=30)
    last = Remembered(8, {"secret/": 30}) if committed else Remembered(4, {"secret/": 20})
    assert told.memory.remembered(PREFIX) == last
    assert told.memory.remembered("other/origin/") == Remembered(2, {"secret/": 9})
    assert told.memory.remembered("third/origin/") is None


@pytest.mark.parametrize(("outcome", "expected"), [("committed", 30), ("failed", 20)])
def test_a_commit_that_a_later_reading_finds_is_the_last_one(
    told: Told, outcome: str, expected: int
) -> None:
    told.save(end=COMMITTED, insights=20)
    told.save(end=None, insights=30, num_buckets=8)
    told(run_started())
    # The cycle that settles it has another number of buckets: that of the save counts.
    told.start(3, num_buckets=2)
    told(read(), reconciled(2, outcome))
    found = told.memory.remembered(PREFIX)
    assert found == Remembered(8 if outcome == "committed" else 4, {"secret/": expected})


# --- keys that Consul may yet write ----------------------------------------------------------

KEYS = frozenset({f"{PREFIX}0", f"{PREFIX}index"})


def reconciled(cycle: int, outcome: str) -> e.SaveReconciled:
    return e.SaveReconciled(saved_run="run-1", saved_cycle=cycle, outcome=outcome)


NO_ANSWER = {
    FaultKind.UNREACHABLE,
    FaultKind.TIMEOUT,
    FaultKind.SERVER_ERROR,
    FaultKind.RATE_LIMITED,
    FaultKind.NOT_CONSUL,
    FaultKind.DEADLINE,
}
"""All others are Consul's own no: it will not think better of it."""


@pytest.mark.parametrize("written", [False, True])
@pytest.mark.parametrize("kind", FaultKind)
def test_keys_of_a_failed_save_are_in_doubt_where_consul_has_not_said_no(
    told: Told, kind: FaultKind, written: bool
) -> None:
    told.save(end=failed(written=written, kind=kind.word))
    assert told.memory.doubtful == (KEYS if kind in NO_ANSWER else frozenset())


@pytest.mark.parametrize(
    ("end", "doubtful"),
    [
        (e.SaveUncertain(message="no reply"), KEYS),
        (COMMITTED, frozenset()),
        # Not known yet: the next cycle settles it first.
        (None, frozenset()),
    ],
)
def test_keys_of_an_uncertain_save_are_in_doubt(
    told: Told, end: e.Event | None, doubtful: frozenset[str]
) -> None:
    told.save(end=end)
    assert told.memory.doubtful == doubtful


@pytest.mark.parametrize(("outcome", "doubtful"), [("failed", KEYS), ("committed", frozenset())])
def test_a_save_that_a_crash_left_open_is_in_doubt_unless_all_of_it_is_there(
    told: Told, outcome: str, doubtful: frozenset[str]
) -> None:
    told.save(end=None)
    told(run_started())
    told.start(2)
    assert told(read(), reconciled(1, outcome)).doubtful == doubtful


def test_doubt_lasts_until_a_commit(told: Told) -> None:
    told.save(end=failed(written=False, kind="timeout"))
    told.save(end=failed(written=True))
    told.save(end=None)
    told.start(4)
    told(read(), reconciled(3, "failed"), e.SaveSkipped(index="11" * 32))
    told.finish("unchanged")
    assert told.memory.doubtful == KEYS
    told.save(end=COMMITTED)
    assert told.memory.doubtful == frozenset()


def test_doubt_ends_with_a_commit_that_is_found_later(told: Told) -> None:
    told.save(end=e.SaveUncertain(message="no reply"))
    told.start(2)
    told(read(), reconciled(1, "failed"))
    told.finish("aborted")
    assert told.memory.doubtful == KEYS
    told.save(end=e.SaveUncertain(message="no reply"))
    told.start(4)
    assert told(read(), reconciled(3, "committed")).doubtful == frozenset()


def test_keys_of_several_saves_are_all_in_doubt(told: Told) -> None:
    told.save(end=failed(written=False, kind="timeout"))
    told.start(2)
    more = e.SavedKey(f"{PREFIX}3", 7, "33" * 32)
    told(read(), replace(save_started(), keys=(more,)), e.SaveUncertain(message="no reply"))
    assert told.memory.doubtful == KEYS | {f"{PREFIX}3"}


def test_a_commit_elsewhere_clears_no_doubt_here(told: Told) -> None:
    told.save(end=failed(written=False, kind="timeout"))
    told.save(end=COMMITTED, prefix="other/origin/")
    assert told.memory.doubtful == KEYS


def test_an_open_save_that_no_cycle_settles_is_in_doubt_when_another_begins(told: Told) -> None:
    # The sync path was changed after a crash: nobody reads what became of the save under the old.
    told.save(end=None)
    told.save(end=COMMITTED, prefix="other/origin/")
    assert told.memory.doubtful == KEYS


@pytest.mark.parametrize("last", [failed(written=False, kind="timeout"), COMMITTED])
def test_doubt_survives_a_restart(told: Told, last: e.Event) -> None:
    told.save(end=e.SaveUncertain(message="no reply"))
    told.start(2)
    told(read(), reconciled(1, "failed"))
    told.finish("aborted")
    told.save(end=last)
    again = Memory()
    for record in told.records:
        again.note(decode(encode(record), line_number=record.seq, byte=0))
    assert again.doubtful == (frozenset() if last == COMMITTED else KEYS)


# --- a human was told ------------------------------------------------------------------------


def raised(kind: FaultKind) -> e.FaultRaised:
    return e.FaultRaised(kind=kind.word, fatal=False, message="m", hint="")


@pytest.mark.parametrize(
    ("outcome", "told_failing"),
    [("saved", False), ("unchanged", False), ("refused", True), ("aborted", True)],
)
def test_a_human_stays_told_until_a_cycle_is_complete(
    told: Told, outcome: str, told_failing: bool
) -> None:
    assert not told(raised(FaultKind.SEALED)).told_failing
    assert told(raised(FaultKind.KEEPS_FAILING)).told_failing
    # Neither a restart nor another fault makes it news.
    assert told(run_started(), raised(FaultKind.SEALED)).told_failing
    told.start()
    told.finish(outcome)
    assert told.memory.told_failing is told_failing
