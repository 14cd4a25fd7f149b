"""kill -9 at any moment, then a restart: Consul ends equal to what Vault holds, and the journal
tells one story.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable
from itertools import count
from typing import Any

import pytest

from tests.misbehave import Misbehave
from tests.origin.bench import Late
from tests.origin.driver import FLUSHED, LOST, TORN, Driven, Step, drive, kill
from tests.workshop import Run, Workshop, events
from vsync_sm.core import events as e
from vsync_sm.core.events import Record
from vsync_sm.core.outcome import CRASHED
from vsync_sm.core.pairs import pair_of
from vsync_sm.core.sync_info import bucket_of
from vsync_sm.journal.comparing import compare
from vsync_sm.journal.sketch import sketch_of

KILLED = -signal.SIGKILL

MANY = 130
"""So many buckets need three transactions on a first save."""


@pytest.fixture
def shop(workshop: Workshop, mount: str) -> Workshop:
    """An origin with eight secrets that has never saved."""
    for number in range(8):
        workshop.vault.put(mount, f"secret-{number}")
    return workshop


def crash(shop: Workshop, step: Step, *arguments: str, **origin: Any) -> list[Record]:
    """Run once until the step kills it; the whole lines that are left of that run."""
    before = shop.records() if shop.journal.exists() else []
    driven = drive(shop, step, arguments=["--once", *arguments], **origin)
    assert driven.process.returncode == KILLED, driven.stderr
    return [record for record in shop.records() if record.seq > len(before)]


def open_save(left: Iterable[Record]) -> bool:
    """Whether a save began there and has no end."""
    records = list(left)
    ends = events(records, e.SaveCommitted) + events(records, e.SaveFailed)
    return bool(events(records, e.SaveStarted)) and not ends


def recovers(shop: Workshop, left: list[Record], **how: Any) -> Run:
    """The next run: it finds what was left open, settles it, and Consul is right."""
    run = shop.once(**how)
    assert run.code == 0, run.faults
    assert shop.saved() == shop.alive()
    recovered = run.all(e.RunRecovered)
    if left and not isinstance(left[-1].event, e.RunFinished):
        assert [each.crashed_run for each in recovered] == [left[0].run]
        assert recovered[0].open_save == open_save(left)
    else:
        assert not recovered
    assert len(run.all(e.SaveReconciled)) == open_save(left)
    shop.replayed()
    if events(left, e.CycleStarted) and not events(left, e.CycleFinished):
        drawn = sketch_of(shop.records(), left[-1].cycle)
        assert drawn is not None
        assert drawn.outcome == CRASHED
    return run


def forget(shop: Workshop) -> None:
    """As if this origin had never run."""
    shop.journal.unlink()
    shop.consul.delete_tree(shop.prefix)


MOMENTS: list[dict[str, Any]] = [
    {"type": "run_started"},
    {"type": "check_passed", "nth": 2},
    {"dest": "waiting"},
    {"type": "cycle_started"},
    {"dest": "listing"},
    {"type": "sync_info_read"},
    {"type": "paths_listed"},
    {"dest": "working"},
    {"type": "insight_generated", "nth": 5},
    {"type": "worker_stopped"},
    {"dest": "reindexing"},
    {"type": "bucket_reindexed", "nth": 2},
    {"dest": "saving"},
    {"type": "save_started"},
    {"type": "save_committed"},
    {"dest": "waiting", "nth": 2},
    {"type": "cycle_finished"},
    {"dest": "halted"},
    {"type": "run_finished"},
]


@pytest.mark.parametrize("part", range(3))
def test_killed_at_any_moment_of_a_first_save(shop: Workshop, part: int) -> None:
    for number, moment in list(enumerate(MOMENTS))[part::3]:
        how = (FLUSHED, LOST, TORN)[(number + number // 3) % 3]
        left = crash(shop, kill(how, **moment))
        recovers(shop, left)
        forget(shop)


@pytest.mark.parametrize("how", [FLUSHED, LOST, TORN])
def test_killed_around_a_save(shop: Workshop, mount: str, how: str) -> None:
    """A later save, of a change: what became of it is told by what lies in Consul."""
    assert shop.once().code == 0
    shop.vault.put(mount, "secret-1")
    left = crash(shop, kill(how, type="save_started"))
    run = recovers(shop, left)
    failed = ["failed"] if open_save(left) else []
    assert open_save(left) == (how == FLUSHED)
    assert [each.outcome for each in run.all(e.SaveReconciled)] == failed
    assert run.outcome == "saved"
    cycle = compare(shop.journal, pair_of("failed")).comparison.second.cycle
    assert cycle is not None
    assert (cycle.number, cycle.outcome) == (left[-1].cycle, CRASHED)

    shop.vault.put(mount, "secret-2")
    left = crash(shop, kill(how, type="save_committed"))
    run = recovers(shop, left)
    committed = [] if how == FLUSHED else ["committed"]
    assert [each.outcome for each in run.all(e.SaveReconciled)] == committed
    assert run.outcome == "unchanged"


@pytest.mark.parametrize("step", range(3))
def test_killed_between_the_transactions_of_a_save(shop: Workshop, step: int) -> None:
    """Its request that comes late, after the next run has saved, changes nothing."""
    with Misbehave(shop.consul.address) as proxy:
        late = Late(proxy, after=step)
        killed_while_sending(shop, proxy, late)
        left = shop.records()
        assert len(shop.raw()) == (0, 63, 126)[step]
        run = recovers(shop, left, numBuckets=MANY)
        settled = run.one(e.SaveReconciled)
        assert (settled.outcome, settled.written) == ("failed", step > 0)
        assert run.outcome == "saved"
        before = shop.raw()
        assert late.comes().status == 409
    assert shop.raw() == before


def test_a_late_request_is_refused_though_nobody_has_touched_its_keys(
    shop: Workshop, mount: str
) -> None:
    """Its buckets are as it knew them, and the journal that tells of it is lost: what refuses it
    is the index, which has moved on.
    """
    assert shop.once(numBuckets=MANY).code == 0
    for number in range(200):
        shop.vault.put(mount, f"for-a-while/{number}")
    with Misbehave(shop.consul.address) as proxy:
        late = Late(proxy)
        killed_while_sending(shop, proxy, late)
        sent = {key.key for key in events(shop.records(), e.SaveStarted)[-1].keys[:63]}
        shop.journal.unlink()
        for number in range(200):
            shop.vault.purge(mount, f"for-a-while/{number}")
        names = (f"new-{number}" for number in count())
        shop.vault.put(mount, next(name for name in names if bucket_key(shop, name) not in sent))
        run = shop.once(numBuckets=MANY)
        assert run.outcome == "saved"
        assert run.one(e.SaveCommitted).keys == 2, "one bucket and the index"
        before = shop.raw()
        assert late.comes().status == 409
    assert shop.raw() == before
    assert shop.saved() == shop.alive()
    shop.replayed()


def test_a_late_request_is_refused_though_nothing_has_changed_since(
    shop: Workshop, mount: str
) -> None:
    """What it would have saved is no longer so, and Consul holds what is: all its keys are written
    anew all the same, for only then it finds them moved.
    """
    assert shop.once(numBuckets=MANY).code == 0
    right = shop.saved()
    shop.vault.delete(mount, "secret-0")
    with Misbehave(shop.consul.address) as proxy:
        late = Late(proxy)
        killed_while_sending(shop, proxy, late)
        shop.vault.undelete(mount, "secret-0", 1)
        *_, last = records = shop.records()
        left = [record for record in records if record.run == last.run]
        run = recovers(shop, left, numBuckets=MANY)
        assert run.outcome == "saved"
        (late_save,) = events(left, e.SaveStarted)
        assert {key.key for key in late_save.keys} <= {
            key.key for key in run.one(e.SaveStarted).keys
        }
        before = shop.raw()
        assert late.comes().status == 409
    assert shop.raw() == before
    assert shop.saved() == right == shop.alive()
    assert shop.once(numBuckets=MANY).outcome == "unchanged", "no key is in doubt any more"
    shop.replayed()


def test_a_late_request_is_refused_though_another_sync_path_was_saved_since(
    shop: Workshop, mount: str
) -> None:
    """The run that finds the journal after the crash is not the one that can settle the save."""
    assert shop.once(numBuckets=MANY).code == 0
    shop.vault.delete(mount, "secret-0")
    path = f"{shop.config['origin']['syncPath']}production/"
    other = Workshop(shop.vault, shop.consul, [mount], path, shop.home)
    with Misbehave(shop.consul.address) as proxy:
        late = Late(proxy)
        killed_while_sending(shop, proxy, late)
        shop.vault.undelete(mount, "secret-0", 1)
        assert other.once().outcome == "saved"
        assert shop.once(numBuckets=MANY).outcome == "saved"
        before = shop.raw()
        assert late.comes().status == 409
    assert shop.raw() == before
    assert shop.saved() == shop.alive()
    shop.replayed()


def bucket_key(shop: Workshop, name: str) -> str:
    """Where a secret of the one mount lies, of `MANY` buckets."""
    (mount,) = shop.config["origin"]["mounts"]
    return f"{shop.prefix}{bucket_of(f'{mount}data/{name}', MANY)}"


def killed_while_sending(shop: Workshop, proxy: Misbehave, late: Late, *arguments: str) -> None:
    """A run in many buckets that is killed when it has sent what is kept from Consul."""
    consul = {"address": proxy.address}
    with Driven(shop, [], "--once", *arguments, numBuckets=MANY, consul=consul) as driven:
        late.rule.wait_for_hit()
        os.kill(driven.process.pid, signal.SIGKILL)
        assert driven.end() == KILLED


def test_killed_when_consul_has_it_and_the_reply_is_on_its_way(shop: Workshop) -> None:
    with Misbehave(shop.consul.address) as proxy:
        lost = proxy.when(method="PUT", path="/v1/txn", after=2).lose_reply()
        read = proxy.when(method="GET", path=".*recurse", after=2).hang()
        with Driven(
            shop, [], "--once", numBuckets=MANY, consul={"address": proxy.address}
        ) as driven:
            read.wait_for_hit()  # the reading back that would settle it
            os.kill(driven.process.pid, signal.SIGKILL)
            assert driven.end() == KILLED
        assert lost.hits == 1
    run = recovers(shop, shop.records(), numBuckets=MANY)
    assert run.one(e.SaveReconciled).outcome == "committed"
    assert run.outcome == "unchanged"


def torn_change(shop: Workshop) -> set[str]:
    """Sixty secrets in four buckets, and a run that dies between the two transactions that were to
    make a hundred and thirty of them; the paths that were saved before.
    """
    (mount,) = shop.config["origin"]["mounts"]
    for number in range(52):
        shop.vault.put(mount, f"n/{number}")
    assert shop.once().code == 0
    before = set(shop.saved())
    allowance = shop.once(numBuckets=MANY).one(e.SaveRefused).allowance
    with Misbehave(shop.consul.address) as proxy:
        late = Late(proxy, after=1)
        killed_while_sending(shop, proxy, late, "--allow", allowance)
    assert len(shop.raw()) > 5, "some of it was written"
    return before


def test_a_torn_change_of_the_number_of_buckets_takes_nothing_from_a_destination(
    shop: Workshop,
) -> None:
    """The old index stands: who still has the old number reads what it always read."""
    before = torn_change(shop)
    assert set(shop.saved()) == before
    assert shop.once(numBuckets=MANY).code == 0, "the yes was not spent"
    assert len(shop.raw()) == MANY + 1
    assert shop.saved() == shop.alive()
    shop.replayed()


@pytest.mark.parametrize("number", [4, MANY])
def test_a_torn_change_of_the_number_of_buckets_hides_no_wipe(shop: Workshop, number: int) -> None:
    torn_change(shop)
    before = shop.raw()
    (mount,) = shop.config["origin"]["mounts"]
    for each in range(52):
        shop.vault.purge(mount, f"n/{each}")
    run = shop.once(numBuckets=number)
    assert (run.code, run.outcome) == (3, "refused refused")
    assert shop.raw() == before
    shop.replayed()


# --- what must survive a crash ---------------------------------------------------------------


@pytest.mark.parametrize(
    "moment",
    [
        {"dest": "listing"},
        {"dest": "saving"},
        {"type": "save_started"},
        {"type": "save_committed"},
    ],
    ids=lambda moment: "-".join(moment.values()),
)
def test_a_yes_survives(shop: Workshop, moment: dict[str, Any]) -> None:
    """It was given to a run that died; the next one uses it, once."""
    assert shop.once().code == 0
    refused = shop.once(numBuckets=MANY)
    assert refused.code == 3
    allowance = refused.one(e.SaveRefused).allowance
    left = crash(shop, kill(LOST, **moment), "--allow", allowance, numBuckets=MANY)
    assert events(left, e.AllowanceGranted)
    recovers(shop, left, numBuckets=MANY)
    assert len(shop.raw()) == MANY + 1
    assert shop.once(numBuckets=4).code == 3, "the yes is used up"
    assert len(shop.raw()) == MANY + 1
    shop.replayed()


def test_a_yes_that_was_not_written_down_was_not_given(shop: Workshop) -> None:
    assert shop.once().code == 0
    allowance = shop.once(numBuckets=5).one(e.SaveRefused).allowance
    before = shop.raw()
    crash(shop, kill(LOST, type="allowance_granted"), "--allow", allowance, numBuckets=5)
    assert shop.once(numBuckets=5).code == 3
    assert shop.raw() == before
    assert shop.once(numBuckets=5, allow=allowance).code == 0
    assert shop.saved() == shop.alive()
    shop.replayed()


@pytest.mark.parametrize("how", [FLUSHED, LOST])
def test_what_vanished_lately_survives(shop: Workshop, mount: str, how: str) -> None:
    """Eight of forty may vanish; eight more within the hour are one large step."""
    for number in range(40):
        shop.vault.put(mount, f"n/{number}")
    assert shop.once().code == 0
    for number in range(8):
        shop.vault.purge(mount, f"n/{number}")
    left = crash(shop, kill(how, type="save_committed"))
    recovers(shop, left)
    for number in range(8, 16):
        shop.vault.purge(mount, f"n/{number}")
    before = shop.raw()
    run = shop.once()
    assert run.code == 3
    assert {refusal.rule for refusal in run.one(e.SaveRefused).refusals} == {
        "shrink",
        "shrink_mount",
    }
    assert shop.raw() == before
    shop.replayed()


@pytest.mark.parametrize(
    ("how", "moment"),
    [
        (FLUSHED, {"type": "save_refused"}),
        (LOST, {"type": "save_refused"}),
        (LOST, {"type": "cycle_finished"}),
        (TORN, {"dest": "aborted"}),
    ],
)
def test_killed_around_a_refusal(shop: Workshop, how: str, moment: dict[str, Any]) -> None:
    assert shop.once().code == 0
    before = shop.raw()
    left = crash(shop, kill(how, **moment), numBuckets=5)
    again = shop.once(numBuckets=5)
    assert again.code == 3
    assert again.one(e.RunRecovered).crashed_run == left[0].run
    assert shop.raw() == before
    allowance = again.one(e.SaveRefused).allowance
    assert shop.once(numBuckets=5, allow=allowance).code == 0
    assert shop.saved() == shop.alive()
    shop.replayed()


def test_killed_again_and_again(shop: Workshop, mount: str) -> None:
    """Each run dies a little later than the one before; in the end one does not."""
    for at in (1, 4, 9, 16, 25, 31, 34):
        shop.vault.put(mount, f"secret-{at % 8}")
        crash(shop, kill((FLUSHED, TORN)[at % 2], at=at))
    assert shop.once().code == 0
    assert shop.saved() == shop.alive()
    assert len(events(shop.records(), e.RunRecovered)) >= 5
    shop.replayed()
