"""The run view: one fold, the same live and replayed, and bounded."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.core.specimens import specimen
from tests.core.viewing import in_rows
from tests.journal.example import numbered, one_saved_cycle, renumbered
from tests.journal.playbook import insight, journals, relaxed
from vsync_sm.core import events as e
from vsync_sm.core.shapes import Worker
from vsync_sm.core.view import KEPT, KEPT_PATHS, ROW, Folded, View, apply
from vsync_sm.journal.codec import decode, encode


def fold(records: list[e.Record], view: View | None = None) -> View:
    """The view after these records."""
    view = view or View()
    for record in records:
        view = apply(view, record)
    return view


def after(*events: tuple[e.Event | e.Unknown, int | None]) -> View:
    """The view after a run's start and these events."""
    return fold(numbered([one_saved_cycle()[0], *events]))


def at(word: str) -> View:
    """The view right after the last event of this type in the example."""
    events = one_saved_cycle()
    last = max(i for i, (event, _) in enumerate(events) if event.type == word)
    return fold(numbered(events[: last + 1]))


def test_a_new_view_knows_nothing() -> None:
    view = View()
    assert (view.seq, view.run, view.state.name, view.cycle) == (0, None, "checking", None)


def test_the_run_and_its_state() -> None:
    view = at("check_passed")
    assert view.run is not None
    assert (view.run.id, view.run.host, view.run.pid) == ("run-1", "host-1", 4711)
    assert view.run.config["numBuckets"] == 4
    assert [check.check for check in view.checks] == ["consul"]
    view = fold(numbered(one_saved_cycle()[:3]))
    assert (view.state.name, view.state.since.mono) == ("waiting", 3_000_000)


def test_the_running_cycle_counts_along() -> None:
    cycle = at("insight_carried_forward").cycle
    assert cycle is not None
    assert (cycle.number, cycle.asked, cycle.deadline_s) == (1, "tick", 300.0)
    assert (cycle.listed, cycle.by_mount) == (3, {"secret/": 3, "ops/": 0})
    assert cycle.former is not None
    assert cycle.former.insights == 3
    tally = cycle.tally
    assert (tally.generated, tally.skipped, tally.failed, tally.carried) == (1, 1, 1, 1)
    assert (tally.added, tally.updated, tally.unchanged) == (0, 1, 0)
    assert (tally.folders, tally.retries) == (1, 1)
    assert [(phase.name, phase.seconds) for phase in cycle.phases] == [
        ("listing", 0.005),
        ("working", None),
    ]
    assert cycle.workers == (
        Worker(1, paths=2),
        Worker(2, paths=1, failures=1, path="secret/data/b", since=8_000_000),
    )


def test_a_worker_that_is_no_longer_seen_is_idle() -> None:
    start = one_saved_cycle()[:12]
    busy = e.WorkersObserved(busy=(e.BusyWorker(1, "secret/data/a", 7),))
    cycle = fold(numbered([*start, (busy, 1), (e.WorkersObserved(busy=()), 1)])).cycle
    assert cycle is not None
    assert [worker.path for worker in cycle.workers] == ["", ""]


def test_workers_stop() -> None:
    cycle = at("worker_stopped").cycle
    assert cycle is not None
    assert [(each.stopped, each.abandoned, each.path) for each in cycle.workers] == [
        (True, False, ""),
        (True, False, ""),
    ]


def test_a_finished_cycle_becomes_history() -> None:
    view = at("cycle_finished")
    assert view.cycle is None
    (finished,) = view.history
    assert (finished.number, finished.run, finished.seconds) == (1, "run-1", 0.024)
    assert finished.facts.outcome == "saved"
    assert list(finished.phases) == ["listing", "working", "reindexing", "saving"]
    assert finished.phases == finished.facts.phases
    assert (view.outcomes.saved, view.failed_in_row, view.last_cycle) == (1, 0, 1)
    assert view.last_complete == finished.finished
    assert view.last_save is not None
    assert (view.last_save.cycle, view.last_save.index) == (1, "1" * 64)


def test_how_the_run_ended() -> None:
    view = at("run_finished")
    assert view.ended is not None
    assert (view.ended.exit_code, view.ended.why) == (0, "SIGTERM")
    assert (view.state.name, view.state.reason) == ("halted", "signal")
    assert [each.event.signal for each in view.signals] == ["SIGTERM"]


def cycle(number: int, outcome: str, reason: str = "") -> list[tuple[e.Event, int | None]]:
    started = e.CycleStarted(mounts=(), workers=1, num_buckets=1, deadline_s=1.0)
    return [(started, number), (e.CycleFinished(outcome=outcome, reason=reason), number)]


def test_failures_in_a_row() -> None:
    failed = cycle(1, "aborted", "timeout") + cycle(2, "refused", "refused")
    stopped = cycle(3, "aborted", "signal")
    view = after(*failed, *stopped)
    assert view.failed_in_row == 2, "who is asked to stop has not failed"
    assert (view.outcomes.aborted, view.outcomes.refused) == (2, 1)
    assert after(*failed, *cycle(3, "unchanged")).failed_in_row == 0


def test_a_refusal_stands_until_a_save() -> None:
    refused = specimen(e.SaveRefused)
    view = after((refused, 1))
    assert view.refusal is not None
    assert (view.refusal.cycle, view.refusal.event) == (1, refused)
    assert after((refused, 1), (specimen(e.SaveCommitted), 2)).refusal is None
    assert after((refused, 1), (specimen(e.SaveSkipped), 2)).refusal is None
    assert after((refused, 1), (specimen(e.SaveFailed), 2)).refusal is not None


def test_an_allowance_is_open_until_it_is_spent() -> None:
    granted = e.AllowanceGranted(allowance="a1", by="ada", through="command line")
    assert after((granted, None)).allowance is not None
    other = e.AllowanceSpent(allowance="b2", why="expired")
    assert after((granted, None), (other, None)).allowance is not None
    spent = e.AllowanceSpent(allowance="a1", why="saved")
    assert after((granted, None), (spent, None)).allowance is None


def test_an_uncertain_save_stays_open_until_it_is_reconciled() -> None:
    started = specimen(e.SaveStarted, "the-index")
    uncertain = e.SaveUncertain(message="no reply")
    view = after((started, 7), (uncertain, 7))
    assert view.open_save is not None
    assert (view.open_save.run, view.open_save.cycle) == ("run-1", 7)
    assert view.open_save.uncertain
    assert view.last_save is None

    def settled(outcome: str) -> View:
        how = e.SaveReconciled(saved_run="run-1", saved_cycle=7, outcome=outcome)
        return after((started, 7), (uncertain, 7), (how, 8))

    assert settled("failed").open_save is None
    assert settled("failed").last_save is None
    saved = settled("committed").last_save
    assert saved is not None
    assert (saved.cycle, saved.index) == (7, "the-index")


def test_a_crash_ends_what_was_open() -> None:
    records = numbered(one_saved_cycle())[:10]
    start = replace(records[0], seq=11, run="run-2")
    view = fold([*records, start])
    assert (view.runs, view.cycle, view.state.name) == (2, None, "checking")
    event = e.RunRecovered(crashed_run="run-1", state="working", open_cycle=1, open_save=False)
    view = apply(view, replace(start, seq=12, event=event))
    assert (view.crashes, view.outcomes.crashed, view.failed_in_row) == (1, 1, 1)
    assert [(each.run, each.cycle) for each in view.last_crashes] == [("run-1", 1)]


def test_a_check_that_is_made_again_is_told_as_it_ended_last() -> None:
    failed = e.CheckFailed(check="Vault server", kind="sealed", message="m", hint="h")
    other = e.CheckPassed(check="Consul sync path", detail="d")
    passed = e.CheckPassed(check="Vault server", detail="active")
    assert after((failed, None), (other, None), (passed, None)).checks == (other, passed)


def test_what_is_remembered_is_bounded() -> None:
    events: list[tuple[e.Event, int | None]] = []
    for number in range(1, 3 * KEPT):
        events += cycle(number, "aborted", "fault")
        events += [(specimen(e.FaultRaised), number), (specimen(e.SignalReceived), None)]
        events += [(e.CheckPassed(check=f"mount {number}", detail=""), None)]
        events += [(specimen(e.RunRecovered), None)]
    view = after(*events)
    lasting = (view.history, view.faults, view.signals, view.checks, view.last_crashes)
    assert [len(each) for each in lasting] == [KEPT] * 5
    assert view.history[-1].number == 3 * KEPT - 1
    assert view.outcomes.aborted == 3 * KEPT - 1


def test_what_is_unknown_is_passed_over() -> None:
    view = at("worker_started")
    unknown = e.Record(
        seq=view.seq + 1, ts="t", mono=1, run="run-1", event=e.Unknown("moon_phase", 2, {})
    )
    later = apply(view, unknown)
    assert later.seq == view.seq + 1
    assert replace(later, seq=view.seq, now=view.now) == view


@pytest.mark.parametrize("cls", e.EVENTS.values(), ids=list(e.EVENTS))
def test_any_event_may_come_at_any_time(cls: type[e.Event]) -> None:
    record = e.Record(seq=1, ts="t", mono=0, run="r", event=specimen(cls))
    assert apply(View(), record).seq == 1
    assert apply(at("worker_started"), replace(record, seq=1000, cycle=1)).seq == 1000


@relaxed
@given(journals, st.randoms(use_true_random=False))
def test_order_does_not_break_it(records: list[e.Record], rng: Random) -> None:
    shuffled = renumbered(rng.sample(records, len(records)))
    assert fold(shuffled).seq == len(records)


@relaxed
@given(journals, st.data())
def test_what_has_been_folded_is_skipped(records: list[e.Record], data: st.DataObject) -> None:
    again = data.draw(st.integers(0, len(records)))
    view = fold(records)
    assert fold(records[again:], view) == view
    assert fold([*records[:again], *records]) == view


@relaxed
@given(journals)
def test_live_and_replayed_are_equal(records: list[e.Record]) -> None:
    lines = [encode(record) for record in records]
    read = [decode(line, line_number=n, byte=0) for n, line in enumerate(lines, start=1)]
    assert fold(read) == fold(records)


def looked_at(records: list[e.Record], view: View, looks: set[int]) -> list[View]:
    """The views after these records, folded in rows and looked at behind the records `looks`."""
    folded = Folded(view)
    seen = []
    for number, record in enumerate(records):
        folded.take(record)
        if number in looks:
            seen.append(folded.view)
    told_in_rows = Folded(view)
    for insights, row in in_rows(records):
        if insights:
            told_in_rows.take_insights(row)
        else:
            told_in_rows.take(row[0])
    assert told_in_rows.view == folded.view
    return [*seen, folded.view]


@relaxed
@given(journals, st.randoms(use_true_random=False), st.data())
def test_a_row_of_records_comes_to_what_they_come_to_one_by_one(
    records: list[e.Record], rng: Random, data: st.DataObject
) -> None:
    if data.draw(st.booleans(), "shuffled"):
        records = renumbered(rng.sample(records, len(records)))
    first = data.draw(st.integers(0, len(records)), "folded before")
    again = data.draw(st.integers(0, first), "of which are told again")
    looks = data.draw(st.sets(st.integers(0, len(records))), "looks")
    before, told = fold(records[:first]), records[again:]
    after = [fold(told[: look + 1], before) for look in sorted(looks) if look < len(told)]
    assert looked_at(told, before, looks) == [*after, fold(told, before)]


@pytest.mark.parametrize("change", ["added", "updated", "unchanged"])
def test_a_long_row_comes_to_the_same(change: str) -> None:
    assert KEPT_PATHS < ROW
    begun = [*one_saved_cycle()[:12], *(3 * [(e.WorkerStarted(worker=3), 1)])]
    row = [
        e.InsightGenerated(
            worker=number % 5, path=f"secret/data/{number}", insight=insight(), change=change
        )
        for number in range(2 * ROW + 7)
    ]
    records = numbered([*begun, *((each, 1) for each in row)])
    looks = {len(begun) + 10, len(begun) + ROW + 3}
    after = [fold(records[: look + 1]) for look in sorted(looks)]
    assert looked_at(records, View(), looks) == [*after, fold(records)]
    cycle = after[-1].cycle
    assert cycle is not None
    assert cycle.tally.generated > ROW
    assert len(cycle.changes.added) == (KEPT_PATHS if change == "added" else 0)
    assert len(cycle.changes.updated) == (KEPT_PATHS if change == "updated" else 0)


def test_a_row_told_again_counts_once() -> None:
    begun = [*one_saved_cycle()[:12], (e.WorkerStarted(worker=3), 1)]
    insights = (e.InsightGenerated(3, f"kv/data/{n}", insight(), "unchanged") for n in range(5))
    records = numbered([*begun, *((each, 1) for each in insights)])
    row = records[len(begun) :]
    folded = Folded(fold(records[: len(begun)]))
    for part in (row[:3], row, [], row[4:]):
        folded.take_insights(part)
    assert folded.view == fold(records)


@relaxed
@given(journals)
def test_the_counts_are_those_of_the_journal(records: list[e.Record]) -> None:
    view = fold(records)
    finished = [each.event for each in records if isinstance(each.event, e.CycleFinished)]
    recovered = [each.event for each in records if isinstance(each.event, e.RunRecovered)]
    assert [each.facts for each in view.history] == finished
    assert view.crashes == len(recovered)
    assert view.outcomes.saved == sum(each.outcome == "saved" for each in finished)
    assert view.outcomes.crashed == sum(each.open_cycle is not None for each in recovered)
