"""Servers in trouble, in each state: a cycle is lost, never the process; nothing wrong is saved."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from tests.misbehave import Answer
from tests.origin.bench import Bench
from tests.origin.scenes import Scene, came, entered, leave_behind, until
from tests.origin.ward import TROUBLES, Ward
from tests.workshop import PATIENCE_S, Run, Workshop
from vsync_sm.core import events as e
from vsync_sm.core.errors import Fault, FaultKind
from vsync_sm.core.events import Record
from vsync_sm.origin import budget, engine
from vsync_sm.origin.inbox import FaultCame


@pytest.mark.parametrize("trouble", TROUBLES)
def test_at_the_start_it_halts_when_its_time_is_over(ward: Ward, trouble: str) -> None:
    ward.strike(trouble)
    run = ward.shop.once(requestTimeout="1s", startTimeout="1ms")
    assert run.code == 1
    server = "Vault server" if trouble.startswith("vault") else "Consul sync path"
    assert [failed.check for failed in run.all(e.CheckFailed)] == [server]
    fault = run.one(e.FaultRaised)
    assert fault.fatal
    assert fault.hint
    (halted,) = run.all(e.Transitioned)
    assert (halted.trigger, halted.source, halted.reason) == ("halt", "checking", "fatal")
    assert not run.all(e.CycleStarted)
    ward.heal()
    # A Consul that was frozen may still write the probe key; the next run clears it away.
    assert [key for key in ward.shop.raw() if "/vsyncChecks/" not in key] == []
    assert ward.shop.once().code == 0
    assert [key for key in ward.shop.raw() if "/vsyncChecks/" in key] == []
    assert ward.shop.saved() == ward.shop.alive()


SAVED = "saved"
FAULT, TIMEOUT = "aborted fault", "aborted timeout"

MATRIX = {
    # Consul is read and written in `listing` and `saving`, Vault is asked in the other two: each
    # row says what becomes of the cycle when the trouble begins as the state is entered.
    "vault stopped": {"listing": FAULT, "working": FAULT, "saving": SAVED},
    "vault frozen": {"listing": TIMEOUT, "working": TIMEOUT, "saving": SAVED},
    "vault sealed": {"listing": FAULT, "working": FAULT, "saving": SAVED},
    "consul stopped": {"listing": FAULT, "working": FAULT, "saving": FAULT},
    "consul frozen": {"listing": TIMEOUT, "working": FAULT, "saving": FAULT},
    "consul leaderless": {"listing": FAULT, "working": FAULT, "saving": FAULT},
}


@pytest.mark.parametrize(
    ("trouble", "state"), [(trouble, state) for trouble in MATRIX for state in MATRIX[trouble]]
)
def test_in_a_cycle_it_costs_that_cycle(
    ward: Ward, trouble: str, state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "TEARDOWN_S", 10.0)  # half of what a socket may wait at most
    expected = MATRIX[trouble][state]
    shop, scene = ward.shop, Scene(ward.shop)
    bytes_seen: list[dict[str, bytes]] = []

    def change() -> None:
        for number in (0, 5, 20, 21):
            shop.vault.put(ward.mount, f"secret-{number}")
        shop.vault.purge(ward.mount, "secret-3")
        bytes_seen.append(shop.raw())

    def complete(record: Record) -> bool:
        event = record.event
        return (
            isinstance(event, e.CycleFinished)
            and (record.cycle or 0) > 2
            and event.outcome in {"saved", "unchanged"}
        )

    scene.on(came(e.CycleFinished), change)

    def strike() -> None:
        ward.strike(trouble)
        if trouble == "consul frozen":  # only then it is reached
            monkeypatch.setattr(budget, "SAVE_LIMIT_S", 1.0)

    def heal() -> None:
        monkeypatch.undo()
        ward.heal()
        bytes_seen.append(shop.raw())
        shop.vault.put(ward.mount, "secret-30")

    scene.on(entered(state, nth=2), strike)
    scene.on(came(e.CycleFinished, nth=2), heal)
    scene.on(complete, scene.signal)
    timeout = "4s" if expected == TIMEOUT else "30s"
    run = scene.run(tick="50ms", timeout=timeout, requestTimeout="20s")
    assert run.code == 0
    first, struck, *_ = [f"{end.outcome} {end.reason}".strip() for end in run.all(e.CycleFinished)]
    assert (first, struck) == (SAVED, expected)
    # The deadline reaches the sockets: no thread is left behind in one.
    assert not [end for end in run.all(e.WorkerStopped) if end.abandoned]
    before, after = bytes_seen
    if expected == SAVED:
        assert before != after
    elif trouble == "consul frozen" and state != "listing":
        assert_late_or_never(run, before, after)
    else:
        assert before == after
    faults = run.all(e.FaultRaised)
    assert not [fault for fault in faults if fault.fatal]
    late = [fault for fault in faults if fault.kind == "deadline"]
    assert len(late) == (expected == TIMEOUT)
    for fault in late:  # it names who was frozen, though that has given no bad answer
        assert fault.context["server"].lower() == trouble.partition(" ")[0]
        assert fault.context["phase"] == state
    assert shop.saved() == shop.alive()
    assert any("secret-30" in path for path in shop.saved())


def assert_late_or_never(run: Run, before: dict[str, bytes], after: dict[str, bytes]) -> None:
    """The save is uncertain; a frozen Consul applies the whole transaction when it thaws, or has
    not yet, and the next cycle finds out which.
    """
    assert len(run.all(e.SaveUncertain)) == 1
    assert len(run.all(e.SaveReconciled)) == 1
    changed = {key for key in after if before.get(key) != after[key]}
    assert not changed or f"{prefix_of(after)}index" in changed


def prefix_of(tree: dict[str, bytes]) -> str:
    """What all keys begin with."""
    return next(key.removesuffix("index") for key in tree if key.endswith("/index"))


@pytest.mark.parametrize("state", ["working", "saving"])
def test_an_uncertain_save_is_settled_by_the_next_cycle(ward: Ward, state: str) -> None:
    """Consul loses its leader, and the reading back fails too."""
    shop, scene = ward.shop, Scene(ward.shop)
    scene.on(entered(state), lambda: ward.strike("consul leaderless"))
    scene.on(came(e.CycleFinished), ward.heal)
    scene.on(came(e.CycleFinished, nth=2), scene.signal)
    run = scene.run(tick="50ms")
    assert len(run.all(e.SaveUncertain)) == 1
    settled = run.one(e.SaveReconciled)
    assert (settled.outcome, settled.written) == ("failed", False)
    assert shop.saved() == shop.alive()


# --- the deadline ----------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["listing", "working", "reindexing", "saving"])
def test_a_passed_deadline_aborts(workshop: Workshop, mount: str, state: str) -> None:
    workshop.vault.put(mount, "secret")
    scene = Scene(workshop)
    scene.on(entered(state), lambda: scene.clock.jump(31))
    scene.on(came(e.CycleFinished, nth=2), scene.signal)
    run = scene.run(timeout="30s")
    first, second = run.all(e.CycleFinished)
    assert (first.outcome, first.reason) == ("aborted", "timeout")
    assert second.outcome == "saved"
    fault = run.one(e.FaultRaised)
    assert (fault.kind, fault.fatal, fault.context["phase"]) == ("deadline", False, state)
    assert fault.hint
    assert run.view.failed_in_row == 0
    (started,) = [r for r in run.records if isinstance(r.event, e.SaveStarted)]
    assert started.cycle == 2
    assert workshop.saved() == workshop.alive()
    workshop.replayed()


def test_from_save_started_on_the_deadline_no_longer_aborts(workshop: Workshop, mount: str) -> None:
    workshop.vault.put(mount, "secret")
    scene = Scene(workshop)
    scene.on(came(e.SaveStarted), lambda: scene.clock.jump(31))
    scene.on(came(e.CycleFinished), scene.signal)
    run = scene.run(timeout="30s")
    assert run.outcome == "saved"
    assert workshop.saved() == workshop.alive()


@pytest.mark.parametrize("state", ["listing", "working"])
def test_a_deadline_that_a_socket_notices_first_is_the_same(
    workshop: Workshop, mount: str, state: str
) -> None:
    workshop.vault.put(mount, "secret")
    scene = Scene(workshop)
    deadline = Fault(FaultKind.DEADLINE, "the cycle's deadline has passed")

    def notice() -> None:
        for _ in range(3):  # each worker does, and the loop as well
            scene.inbox.post(FaultCame(deadline, 1))

    scene.on(entered(state), notice)
    scene.on(came(e.CycleFinished), scene.signal)
    run = scene.run()
    assert run.outcome == TIMEOUT
    fault = run.one(e.FaultRaised)
    assert (fault.kind, fault.context["phase"]) == ("deadline", state)
    abort = next(r.seq for r in run.records if getattr(r.event, "trigger", "") == "abort")
    assert next(r.seq for r in run.records if r.event == fault) < abort
    assert workshop.raw() == {}
    workshop.replayed()


# --- threads that do not come back -----------------------------------------------------------


class Stuck:
    """Of each cycle's workers one is left in a request that hangs, then the cycle ends.

    The first read of `a` fails, so that its worker's own thread asks again: that hangs. Then `b`
    is answered that Vault is sealed.
    """

    def __init__(self, bench: Bench) -> None:
        self._reads = self._hanging = self._sealed = 0
        self._released = threading.Event()
        self._rules = [
            bench.on_read("a").alter(self._fail_or_hang),
            bench.on_read("b").alter(self._seal),
        ]

    def let_go(self) -> None:
        """What hangs by now is answered."""
        workers = [each for each in threading.enumerate() if each.name.startswith("worker-")]
        released, self._released = self._released, threading.Event()
        released.set()
        for worker in workers:
            worker.join()

    def end(self) -> None:
        """Let go, and do no more harm."""
        for rule in self._rules:
            rule.remove()
        self.let_go()

    def _fail_or_hang(self, answer: Answer) -> Answer:
        self._reads += 1
        if self._reads % 2:
            return replace(answer, status=500, body=b'{"errors":["a moment"]}')
        released = self._released
        self._hanging += 1
        assert released.wait(PATIENCE_S)
        return answer

    def _seal(self, answer: Answer) -> Answer:
        self._sealed += 1
        until(lambda: self._hanging >= self._sealed)
        return replace(answer, status=503, body=b'{"errors":["Vault is sealed"]}')


def test_too_many_abandoned_threads_halt_it(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each cycle leaves one worker of two in a read that hangs; the ninth is one too many."""
    leave_behind(1, monkeypatch)
    before = bench.begin(("a", "b"))
    stuck = Stuck(bench)
    run = Scene(bench.shop).run(tick="10ms", requestTimeout="60s", timeout="120s", numWorkers=2)
    stuck.end()
    assert run.code == 1
    fatal = [fault for fault in run.all(e.FaultRaised) if fault.fatal]
    assert [fault.kind for fault in fatal] == ["too_many_threads"]
    assert len(run.all(e.CycleFinished)) == 9
    for cycle in range(2, 11):
        ends = [
            record.event
            for record in run.records
            if record.cycle == cycle and isinstance(record.event, e.WorkerStopped)
        ]
        assert sorted(end.abandoned for end in ends) == [False, True]
        abandoned = [
            record.event.path
            for record in run.records
            if record.cycle == cycle and isinstance(record.event, e.PathAbandoned)
        ]
        assert sorted(abandoned) == [bench.path("a"), bench.path("b")]
    assert run.all(e.Transitioned)[-1].reason == "fatal"
    assert bench.raw() == before


def test_threads_that_come_back_do_not_count(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twelve cycles leave one behind each, but never more than six at a time."""
    leave_behind(1, monkeypatch)
    bench.begin(("a", "b"))
    stuck, scene = Stuck(bench), Scene(bench.shop)
    scene.on(came(e.CycleFinished, nth=6), stuck.let_go)
    scene.on(came(e.CycleFinished, nth=12), stuck.end)
    scene.on(came(e.CycleFinished, nth=13), scene.signal)
    run = scene.run(tick="10ms", requestTimeout="60s", timeout="120s", numWorkers=2)
    assert run.code == 0
    assert sum(stopped.abandoned for stopped in run.all(e.WorkerStopped)) == 12
    assert bench.shop.saved() == bench.shop.alive()


def test_a_first_read_that_hangs_leaves_no_thread_behind(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sixteen times: the one that reads for all workers lets go of it when the cycle ends."""
    monkeypatch.setattr(engine, "TEARDOWN_S", 10.0)  # far less than the read may wait
    bench.begin(("a", "b"))
    hanging = bench.on_read("a").hang()
    sealed = bench.on_read("b").answer(503, {"errors": ["Vault is sealed"]})
    scene = Scene(bench.shop)
    scene.on(came(e.CycleFinished, nth=16), sealed.remove)
    scene.on(came(e.CycleFinished, nth=16), hanging.remove)
    scene.on(came(e.CycleFinished, nth=17), scene.signal)
    run = scene.run(tick="10ms", requestTimeout="60s", timeout="120s", numWorkers=2)
    assert run.code == 0
    assert not any(stopped.abandoned for stopped in run.all(e.WorkerStopped))
    assert [each.path for each in run.all(e.PathAbandoned)].count(bench.path("a")) == 16
    assert bench.shop.saved() == bench.shop.alive()
