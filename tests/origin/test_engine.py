"""The loop: its ticker, its ends, and what it does with messages that come at the wrong time."""

from __future__ import annotations

import random
import signal
import threading
from collections import Counter
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import pytest

from tests.origin.bench import Bench
from tests.origin.scenes import Scene, came, entered, until
from tests.workshop import Run, Workshop
from vsync_sm import wiring
from vsync_sm.core import events as e
from vsync_sm.core.errors import Fault, FaultKind
from vsync_sm.core.events import Record
from vsync_sm.core.insight import NS
from vsync_sm.core.view import View
from vsync_sm.origin.inbox import EffectDone, Facts, FaultCame, Inbox
from vsync_sm.origin.orders import Mode

ENDS = (e.InsightGenerated, e.InsightSkipped, e.PathFailed, e.PathAbandoned)


def starts(run: Run) -> list[Record]:
    """The starts of the cycles."""
    return [record for record in run.records if isinstance(record.event, e.CycleStarted)]


def seconds(earlier: Record, later: Record) -> float:
    """Between two records."""
    return (later.mono - earlier.mono) / NS


def due(start: Record) -> int:
    """When the cycle after this one is due (`mono`); the record's own time is a moment later than
    that from which this is counted.
    """
    assert isinstance(start.event, e.CycleStarted)
    return start.event.next_tick


# --- the ticker ------------------------------------------------------------------------------


def test_the_first_cycle_at_once_then_one_each_interval(workshop: Workshop) -> None:
    scene = Scene(workshop)
    scene.on(came(e.CycleFinished, nth=4), scene.signal)
    run = scene.run(tick="300ms")
    checked = next(record for record in run.records if isinstance(record.event, e.Transitioned))
    first, *_ = begun = starts(run)
    assert first.seq == checked.seq + 1
    assert len(begun) == 4
    assert due(first) <= first.mono + 0.3 * NS
    assert all(due(two) >= due(one) + 0.3 * NS for one, two in pairwise(begun))
    assert all(two.mono >= due(one) for one, two in pairwise(begun))


@pytest.mark.parametrize(("drawn", "hours"), [(0.0, 9.5), (0.5, 10.0), (0.999_999, 10.5)])
def test_each_tick_is_drawn_anew_and_the_journal_says_when_it_is(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch, drawn: float, hours: float
) -> None:
    draws = iter([drawn, 0.5])
    monkeypatch.setattr(wiring, "system_random", lambda: lambda: next(draws))
    scene = Scene(workshop)
    scene.on(came(e.CycleFinished), lambda: scene.signal(signal.SIGUSR1))
    scene.on(came(e.CycleFinished, nth=2), scene.signal)
    run = scene.run(tick="10h", tickJitter=0.05)
    first, second = starts(run)
    for start, most in ((first, hours), (second, 10.0)):
        assert most - 0.1 < (due(start) - start.mono) / NS / 3600 <= most


def test_a_cycle_that_outlasts_the_interval_piles_up_none(bench: Bench) -> None:
    """It lasts ten intervals; one cycle follows at once, the next an interval later."""
    bench.fill(("a",))
    scene = Scene(bench.shop)
    scene.on(entered("working"), lambda: scene.clock.jump(3.0))
    scene.on(came(e.CycleFinished, nth=3), scene.signal)
    run = scene.run(tick="300ms")
    first, second, third = starts(run)
    (waiting, *_) = [
        record
        for record in run.records
        if isinstance(record.event, e.CycleFinished) and record.cycle == 1
    ]
    assert second.seq == waiting.seq + 1
    assert seconds(first, second) > 3.0
    assert third.mono >= due(second) >= due(first) + 3.0 * NS


def test_asked_for_now_it_does_not_wait(workshop: Workshop) -> None:
    scene = Scene(workshop)
    scene.on(came(e.CycleFinished, nth=1), lambda: scene.signal(10))
    scene.on(came(e.CycleFinished, nth=2), scene.signal)
    assert [start.event for start in starts(scene.run(tick="8760h"))][1].asked == "signal"  # type: ignore[union-attr]  # by `starts`


# --- everything begun ends exactly once ------------------------------------------------------


@pytest.fixture
def many(workshop: Workshop, mount: str) -> Workshop:
    """An origin with eighty secrets and four workers."""
    workshop.config["origin"]["numWorkers"] = 4
    for number in range(80):
        workshop.vault.put(mount, f"{number % 7}/{number}")
    return workshop


def assert_sums(run: Run) -> None:
    """Of the journal alone: each path that was taken has one end, and the numbers agree."""
    for finished in [r for r in run.records if isinstance(r.event, e.CycleFinished)]:
        told = finished.event
        assert isinstance(told, e.CycleFinished)
        cycle = [record.event for record in run.records if record.cycle == finished.cycle]
        ends = Counter(event.path for event in cycle if isinstance(event, ENDS))
        assert not [path for path, count in ends.items() if count != 1]
        assert told.listed == sum(ends.values()) + told.unsent
        started = [event.worker for event in cycle if isinstance(event, e.WorkerStarted)]
        stopped = [event.worker for event in cycle if isinstance(event, e.WorkerStopped)]
        assert sorted(started) == sorted(stopped)
        observed = [event for event in cycle if isinstance(event, e.WorkersObserved)]
        assert all(busy.worker in started for each in observed for busy in each.busy)


def test_whatever_moment_a_cycle_is_aborted_at(many: Workshop) -> None:
    """After every fifth record of a cycle in turn, by a signal."""
    whole = many.once()
    begun = next(n for n, r in enumerate(whole.records) if isinstance(r.event, e.CycleStarted))
    before = many.raw()
    for at in range(begun + 1, len(whole.records) - 4, 5):
        scene = Scene(many)
        many.vault.put(many.config["origin"]["mounts"][0], "0/0")
        left = [at]

        def counted(_: Record, left: list[int] = left) -> bool:
            left[0] -= 1
            return left[0] == 0

        scene.on(counted, scene.signal)
        run = scene.run(Mode.once)
        assert run.code == 0
        assert_sums(run)
        if run.one(e.CycleFinished).outcome == "aborted":
            assert many.raw() == before
        before = many.raw()
    many.replayed()


@pytest.mark.parametrize("seed", range(3))
def test_whatever_instant_a_cycle_is_aborted_at(many: Workshop, seed: int) -> None:
    """From another thread, at random instants, by a signal, a fault or the deadline."""
    dice = random.Random(seed)  # noqa: S311  to be spread, not secret
    for number in range(10):
        scene = Scene(many)
        fault = Fault(FaultKind.SERVER_ERROR, "made up", context={"number": str(number)})
        deadline = Fault(FaultKind.DEADLINE, "made up")
        cycle = number + 1
        acts: list[Callable[[], None]] = [
            scene.signal,
            partial(scene.inbox.post, FaultCame(fault, cycle)),
            partial(scene.inbox.post, FaultCame(deadline, cycle)),
        ]
        act = dice.choice(acts)
        timer = threading.Timer(dice.uniform(0.0, 0.08), act)
        scene.on(entered("listing"), timer.start)
        run = scene.run(Mode.once)
        timer.join()
        assert run.code in {0, 3}
        assert_sums(run)
    many.replayed()
    assert many.once().code == 0
    assert many.saved() == many.alive()


class Holding(Inbox):
    """Has no more room once `hold` is set, or so many insights were delivered."""

    def __init__(self, insights: int) -> None:
        super().__init__()
        self.hold = False
        self._left = insights

    def reserve(self, gone: threading.Event) -> bool:
        if self.hold:
            gone.wait()
            return False
        return super().reserve(gone)

    def deliver(self, message: Facts | EffectDone) -> None:
        if isinstance(message, Facts):
            self._left -= sum(isinstance(fact, e.InsightGenerated) for fact in message.events)
            self.hold = self.hold or self._left == 0
        super().deliver(message)


def test_workers_that_could_not_say_that_they_began(many: Workshop) -> None:
    """The cycle is aborted before the first fact of `working` was delivered."""
    inbox = Holding(insights=1_000)
    scene = Scene(many, inbox)

    def hold() -> None:
        inbox.hold = True
        scene.signal()

    scene.on(entered("working"), hold)
    run = scene.run(Mode.once)
    assert not run.all(e.WorkerStarted)
    assert not run.all(e.WorkerStopped)
    assert_sums(run)
    many.replayed()


def test_workers_that_could_not_say_that_they_ended(many: Workshop) -> None:
    """All paths are told, then the cycle is aborted before the workers have signed off."""
    scene = Scene(many, Holding(insights=80))
    scene.on(came(e.InsightGenerated, nth=80), scene.signal)
    run = scene.run(Mode.once)
    assert [stopped.abandoned for stopped in run.all(e.WorkerStopped)] == [False] * 4
    assert run.one(e.CycleFinished).generated == 80
    assert_sums(run)
    many.replayed()


def test_a_slow_listener_slows_the_workers_and_loses_nothing(many: Workshop) -> None:
    """The loop is held up at each record; meanwhile no more than the inbox holds piles up."""
    pause = threading.Event()

    class Small(Inbox):
        fullest = 0

        def deliver(self, message: Any) -> None:
            super().deliver(message)
            Small.fullest = max(Small.fullest, len(self._results))

    def slow(record: Record, _: View) -> None:
        if isinstance(record.event, e.InsightGenerated):
            pause.wait(0.005)

    run = many.once(sinks=[slow], inbox=Small(capacity=2))
    assert run.outcome == "saved"
    assert run.one(e.CycleFinished).generated == 80
    assert 0 < Small.fullest <= 2
    assert_sums(run)
    assert many.saved() == many.alive()


# --- messages at the wrong time --------------------------------------------------------------


def test_late_results_are_counted_and_dropped(bench: Bench) -> None:
    """A list that hangs is answered when its cycle is long over."""
    bench.begin(("a", "b"))
    hanging = bench.on_list(times=1).hang()
    scene = Scene(bench.shop)

    def pass_the_deadline() -> None:
        hanging.wait_for_hit()
        scene.clock.jump(61)

    scene.on(came(e.SyncInfoRead), pass_the_deadline)
    scene.on(came(e.CycleFinished, nth=2), hanging.release)
    scene.on(came(e.LateResultDropped), scene.signal)
    run = scene.run(tick="10ms", timeout="60s", requestTimeout="60s")
    first, second, *_ = run.all(e.CycleFinished)
    assert (first.outcome, first.reason, second.outcome) == ("aborted", "timeout", "saved")
    late = run.all(e.LateResultDropped)
    assert late[0] == e.LateResultDropped(late_cycle=2, count=1)
    listed = [r for r in run.records if isinstance(r.event, e.FolderListed) and r.cycle == 2]
    assert not listed
    assert bench.shop.saved() == bench.shop.alive()


def test_facts_of_a_dead_cycle_are_not_those_of_the_next(workshop: Workshop) -> None:
    """The loop itself looks whose they are, whoever delivered them."""
    scene = Scene(workshop)
    listed = e.FolderListed(mount="made/", folder="up/", paths=1, folders=1)

    def deliver() -> None:
        for late in (Facts((listed, listed), 1), EffectDone("made up", 1)):
            assert scene.inbox.reserve(threading.Event())
            scene.inbox.deliver(late)

    scene.on(entered("listing", nth=2), deliver)
    scene.on(came(e.CycleFinished, nth=2), scene.signal)
    run = scene.run(tick="10ms")
    assert run.code == 0
    assert [late.count for late in run.all(e.LateResultDropped)] == [2, 1]
    assert listed not in run.all(e.FolderListed)
    workshop.replayed()


def test_a_fault_of_a_dead_cycle_says_nothing_about_the_next(workshop: Workshop) -> None:
    scene = Scene(workshop)
    fatal = Fault(FaultKind.AUTHENTICATION, "made up")
    scene.on(entered("listing", nth=2), lambda: scene.inbox.post(FaultCame(fatal, 1)))
    scene.on(came(e.CycleFinished, nth=2), scene.signal)
    run = scene.run(tick="10ms")
    assert run.code == 0
    assert run.one(e.LateResultDropped) == e.LateResultDropped(late_cycle=1, count=1)
    assert run.faults == []
    workshop.replayed()


def test_a_fault_after_the_halt_changes_nothing(workshop: Workshop) -> None:
    """A check that was left behind fails when the run has been halted for a signal."""
    scene = Scene(workshop)
    fatal = Fault(FaultKind.CHECK_FAILED, "made up")
    scene.on(came(e.CheckPassed), scene.signal)
    scene.on(entered("halted"), lambda: scene.inbox.post(FaultCame(fatal)))
    run = scene.run()
    assert run.code == 0
    assert run.faults == []
    workshop.replayed()


def test_what_busy_workers_are_at_is_told_once_a_second(bench: Bench) -> None:
    bench.begin(("a", "b"))
    hanging = bench.on_read("a").hang()
    scene = Scene(bench.shop)
    scene.on(came(e.WorkersObserved, nth=2), hanging.release)
    scene.on(came(e.CycleFinished), scene.signal)
    run = scene.run(requestTimeout="30s")
    observed = [r for r in run.records if isinstance(r.event, e.WorkersObserved)]
    assert len(observed) >= 2
    for record in observed[:2]:
        assert isinstance(record.event, e.WorkersObserved)
        (busy,) = record.event.busy
        assert busy.path == bench.path("a")
        assert 0 < busy.since <= record.mono
    assert seconds(*observed[:2]) >= 1.0
    (working,) = [
        r for r in run.records if isinstance(r.event, e.Transitioned) and r.event.dest == "working"
    ]
    assert seconds(working, observed[0]) >= 1.0


def test_a_broken_invariant_is_fatal_and_gives_no_secret_away(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = bench.begin(("a",))

    def broken(*_: object, **__: object) -> None:
        raise ValueError("a value that nobody may see")

    monkeypatch.setattr("vsync_sm.origin.cycle.reindex", broken)
    run = bench.once()
    assert run.code == 1
    assert run.faults == ["invariant"]
    assert run.all(e.Transitioned)[-1].reason == "fatal"
    assert "nobody may see" not in bench.shop.journal.read_text()
    assert bench.raw() == before


def test_a_save_that_breaks_off_is_uncertain(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    before = bench.begin(("a",))

    def broken(*_: object) -> None:
        raise ValueError

    with monkeypatch.context() as patched:
        patched.setattr("vsync_sm.origin.saving.Saver.save", broken)
        run = bench.once()
    assert run.code == 1
    assert len(run.all(e.SaveUncertain)) == 1
    assert bench.raw() == before
    settled = bench.saved().one(e.SaveReconciled)
    assert settled.outcome == "failed"


def test_failures_in_a_row_are_told_once(bench: Bench) -> None:
    before = bench.begin(("a",))
    sealed = bench.on_list().answer(503, {"errors": ["Vault is sealed"]})
    scene = Scene(bench.shop)
    scene.on(came(e.CycleFinished, nth=5), sealed.remove)
    scene.on(came(e.CycleFinished, nth=5), lambda: seen.append(bench.raw()))
    scene.on(came(e.CycleFinished, nth=6), scene.signal)
    seen: list[dict[str, bytes]] = []
    run = scene.run(tick="10ms", notify={"afterFailures": 3})
    assert run.faults == [*["sealed"] * 3, "keeps_failing", "sealed", "sealed"]
    assert seen == [before]
    assert bench.shop.saved() == bench.shop.alive()


def test_no_thread_of_a_run_outlives_it(many: Workshop) -> None:
    before = threading.active_count()
    assert many.once().code == 0
    until(lambda: threading.active_count() <= before)
