"""The status key: written beside everything, holding nothing up, disturbing nobody."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from tests.core.viewing import Seen, run_started, save_started
from tests.misbehave import Rule
from tests.origin.bench import Bench, bench_of
from tests.origin.driver import drive, fill_disk
from tests.origin.scenes import Jumping, Scene, came, until
from tests.support import ConsulKv
from tests.workshop import PATIENCE_S, Run, Workshop
from vsync_sm import wiring
from vsync_sm.core import events as e
from vsync_sm.core.errors import FaultKind
from vsync_sm.core.insight import moment
from vsync_sm.core.status_key import STATUS
from vsync_sm.operate import log, status
from vsync_sm.origin import engine
from vsync_sm.origin.inbox import Asker, CommandCame, Inbox, StatusTold
from vsync_sm.origin.orders import Mode

FAREWELL_S = status.FAREWELL_S


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A last status that a busy machine delays is no failure."""
    monkeypatch.setattr(status, "FAREWELL_S", PATIENCE_S)


@pytest.fixture
def bench(workshop: Workshop) -> Iterator[Bench]:
    """An origin that tells its status, with a proxy in front of each of its servers."""
    workshop.config["origin"]["status"] = True
    with bench_of(workshop) as made:
        yield made


def on_status(bench: Bench, **which: Any) -> Rule:
    """A rule for the writes of the status."""
    return bench.consul.when(method="PUT", path=f"/v1/kv/{bench.shop.prefix}{STATUS}", **which)


def writes(bench: Bench) -> int:
    """How many writes of the status have come."""
    path = f"/v1/kv/{bench.shop.prefix}{STATUS}"
    return bench.consul.requests.count(("PUT", path))


def agrees(told: dict[str, Any], run: Run) -> None:
    """The key and the view of the run, which replay has too, tell the same."""
    view, last = run.view, run.view.history[-1]
    assert view.run is not None
    assert told["last_attempt"] == last.finished
    assert told["last_success"] == (view.last_complete or None)
    assert told["last_save"] == (view.last_save.ts if view.last_save else None)
    assert (told["cycle"], told["outcome"]) == (last.number, last.facts.outcome)
    assert told["counts"] == {name: getattr(last.facts, name) for name in told["counts"]}
    assert (told["run"], told["host"]) == (view.run.id, view.run.host)
    assert told["failed_in_row"] == view.failed_in_row


def test_after_each_outcome_it_tells_how_it_went(bench: Bench) -> None:
    shop = bench.shop
    bench.fill()
    for outcome in ("saved", "unchanged"):
        run = bench.once()
        agrees(shop.status(), run)
        assert (shop.status()["outcome"], shop.status()["state"]) == (outcome, "stopped")
    bench.purge([f"n/{number:02}" for number in range(15)])
    run = bench.once()
    agrees(shop.status(), run)
    assert (shop.status()["outcome"], shop.status()["reason"]) == ("refused", "refused")
    rule = bench.on_list().answer(503, {"errors": ["Vault is sealed"]})
    run = bench.once()
    rule.remove()
    agrees(shop.status(), run)
    told = shop.status()
    assert (told["outcome"], told["reason"], told["fault"]) == ("aborted", "fault", "sealed")
    assert (told["failed_in_row"], told["state"]) == (2, "stopped")


def test_while_it_runs_it_says_so(bench: Bench) -> None:
    """The loop stands still meanwhile: the key is written without it."""
    shop, seen = bench.shop, []

    def see(**wanted: object) -> None:
        until(lambda: wanted.items() <= shop.status().items())
        seen.append(shop.status()["word"])

    scene = Scene(shop)
    scene.on(came(e.RunStarted), lambda: see(state="running", cycle=None))
    scene.on(came(e.CycleFinished), lambda: see(state="running", cycle=1, outcome="saved"))
    scene.on(came(e.CycleFinished), scene.signal)
    run = scene.run()
    assert seen == ["BEHIND", "IN SYNC"]
    agrees(shop.status(), run)
    assert (shop.status()["state"], shop.status()["word"]) == ("stopped", "HALTED")


def test_no_destination_wakes(bench: Bench) -> None:
    """Who waits for the index sleeps on while statuses are written, and wakes with the save."""
    shop = bench.shop
    bench.fill()
    bench.saved()
    index = shop.consul.modify_index(f"{shop.prefix}index")
    raw = shop.raw()
    on_index = Watch(shop.consul, f"{shop.prefix}index", index)
    for _ in range(3):
        status_key = Watch(
            shop.consul, f"{shop.prefix}{STATUS}", shop.consul.modify_index(shop.prefix + STATUS)
        )
        assert bench.once().outcome == "unchanged"
        assert status_key.woken() > index
    assert shop.raw().keys() == raw.keys()
    assert {key for key, value in shop.raw().items() if raw[key] != value} == {
        f"{shop.prefix}{STATUS}"
    }
    assert shop.consul.modify_index(f"{shop.prefix}index") == index
    bench.api.put(bench.mount, "a")
    bench.saved()
    moved = shop.consul.modify_index(f"{shop.prefix}index")
    assert on_index.woken() == moved > index


class Watch:
    """A blocking query, as a destination waits with: on a thread of its own until it is woken."""

    def __init__(self, consul: ConsulKv, key: str, index: int) -> None:
        self._consul, self._query = consul, f"/v1/kv/{key}?index={index}&wait=60s"
        self._woken = 0  # with which ModifyIndex it came back
        self._thread = threading.Thread(target=self._wait, daemon=True)
        self._thread.start()

    def woken(self) -> int:
        """The key's ModifyIndex at the moment of waking."""
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()
        return self._woken

    def _wait(self) -> None:
        port = self._consul.server.port
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
        with closing(connection):
            connection.request("GET", self._query)
            self._woken = json.loads(connection.getresponse().read())[0]["ModifyIndex"]


def test_it_can_be_turned_off(bench: Bench) -> None:
    bench.fill()
    bench.saved(status=False)
    assert (bench.shop.status(), writes(bench)) == ({}, 0)


@pytest.mark.parametrize("mode", [Mode.plan, Mode.check])
def test_who_only_looks_never_writes_it(bench: Bench, mode: Mode) -> None:
    bench.fill()
    assert bench.once(mode=mode).code == 0
    assert (bench.shop.status(), writes(bench)) == ({}, 0)


def test_a_status_alone_is_no_sync_info(bench: Bench) -> None:
    """It comes before the first save; and where all else is lost, it hides nothing of that."""
    bench.fill()
    bench.saved()
    for key in bench.shop.raw():
        if not key.endswith(STATUS):
            bench.shop.consul.delete(key)
    before = bench.shop.raw()
    assert [key.removeprefix(bench.shop.prefix) for key in before] == [STATUS]
    run = bench.once()
    assert [rule.rule for rule in run.one(e.SaveRefused).refusals] == ["missing_sync_info"]
    assert bench.shop.raw().keys() == before.keys()


def test_what_others_wrote_there_is_overwritten_and_never_read(bench: Bench) -> None:
    bench.shop.consul.put(f"{bench.shop.prefix}{STATUS}", b"\xff{ not ours")
    bench.fill()
    bench.saved()
    assert bench.shop.status()["outcome"] == "saved"


# --- a Consul that does not take it ----------------------------------------------------------


def test_a_refused_write_is_told_once_and_when_it_has_healed(bench: Bench) -> None:
    bench.fill()
    refused = on_status(bench).answer(403, "Permission denied")
    scene = Scene(bench.shop)

    def heal() -> None:
        refused.wait_for_hit(hits=2)  # of two failures only one is told
        refused.remove()

    scene.on(came(e.CycleFinished, nth=2), heal)
    scene.on(came(e.StatusWritten), scene.signal)
    run = scene.run(tick="50ms")
    assert run.code == 0
    assert run.faults == []
    assert run.one(e.StatusFailed).kind == FaultKind.CONSUL_FORBIDDEN.word
    assert "key_prefix" in run.one(e.StatusFailed).hint
    assert len(run.all(e.StatusWritten)) == 1
    assert [each.outcome for each in run.all(e.CycleFinished)][:2] == ["saved", "unchanged"]
    assert run.view.status_failed is None
    assert bench.shop.saved() == bench.shop.alive()


def test_one_that_hangs_holds_up_neither_cycles_nor_the_end(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run is over, and its last status given up, while Consul still keeps the first one."""
    monkeypatch.setattr(status, "FAREWELL_S", FAREWELL_S)
    bench.fill()
    hangs = on_status(bench, times=1).hang()
    scene = Scene(bench.shop)
    scene.on(came(e.CycleFinished, nth=3), scene.signal)
    run = scene.run(tick="10ms")
    assert run.code == 0
    assert [each.outcome for each in run.all(e.CycleFinished)][:2] == ["saved", "unchanged"]
    assert (hangs.hits, writes(bench), bench.shop.status()) == (1, 1, {})
    hangs.release()


def test_all_that_a_stop_may_wait_for_fits_into_five_seconds() -> None:
    ends = engine.TEARDOWN_S + log.DRAIN_S
    assert engine.CHECKS_GRACE_S + ends + FAREWELL_S < 4.0
    assert engine.SAVE_GRACE_S + ends + status.IN_DOUBT_S < 4.5


class Key:
    """A status key of no run at all; `put` is what writes it."""

    def __init__(self, put: status.Put) -> None:
        self.inbox = Inbox()
        self.clock = Jumping()
        self.key = status.StatusKey(put, self.inbox, self.clock)
        self.seen = Seen()

    def tell(self, *events: e.Event) -> None:
        """Tell it these events."""
        for event in events:
            view = self.seen(event)
            self.key(self.seen.records[-1], view)


@pytest.mark.parametrize("case", ["a second signal", "a save without an answer"])
def test_some_ends_do_not_wait_as_long(case: str) -> None:
    goes_on = threading.Event()

    def hangs(_: bytes, __: float) -> None:
        goes_on.wait(PATIENCE_S)

    key = Key(hangs)
    key.tell(run_started())
    if case == "a second signal":
        key.tell(e.RunFinished(exit_code=128 + 15, why="w"))
    else:
        key.tell(save_started(1), e.SaveUncertain(message="m"), e.RunFinished(exit_code=0, why="w"))
    ends = threading.Thread(target=key.key.close)
    ends.start()
    ends.join(PATIENCE_S / 3)
    assert not ends.is_alive()
    goes_on.set()


def test_what_nobody_expected_stops_nothing() -> None:
    """A write that breaks in a way that no code knows is told like any other, and tried again."""
    values: list[bytes] = []

    def breaks(value: bytes, _: float) -> None:
        values.append(value)
        raise RuntimeError("CANARY")

    key = Key(breaks)
    key.tell(run_started())
    until(lambda: len(values) == 1)
    key.tell(e.RunFinished(exit_code=0, why="w"))
    key.key.close()
    assert len(values) == 2
    (told,) = key.inbox.take_control()
    assert isinstance(told, StatusTold)
    assert told.event == e.StatusFailed(
        kind="invariant",
        message="vsync itself is at fault: RuntimeError",
        hint="Cycles go on. Please report it with the journal's last lines.",
    )


def test_one_that_is_quiet_says_now_and_then_that_it_lives(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Paused, waiting for a server at the start, or with a tick of days."""
    told: list[dict[str, Any]] = []
    key = Key(lambda _, __: None)
    monkeypatch.setattr(key.key, "_hand_over", lambda value: told.append(json.loads(value)))
    key.key.turned(key.seen.view)  # what has not begun is not said to live
    key.tell(run_started(), e.TickerPaused(by="ada", through="console"))
    key.key._told = key.clock.mono()
    key.clock.jump(status.BEAT_S - 1)
    key.key.turned(key.seen.view)
    assert len(told) == 2
    key.clock.jump(1)
    key.key.turned(key.seen.view)
    paused, beat = told[1:]
    assert moment(beat["written"]) <= key.clock.now() < moment(beat["written"]) + 300e9
    assert (beat["state"], beat["word"]) == ("running", "PAUSED")
    assert {name for name in beat if beat[name] != paused[name]} == {"written"}
    key.tell(e.RunFinished(exit_code=0, why="w"))
    key.clock.jump(600)
    key.key.turned(key.seen.view)  # nor what has ended
    assert [each["state"] for each in told[3:]] == ["stopped"]


def test_the_loop_turns_often_enough_for_that(bench: Bench) -> None:
    running = wiring.engine(
        bench.shop.settings(tick="100h"), Mode.daemon, bench.shop.journal, Inbox()
    )
    assert running.engine._hands.rest_s == status.BEAT_S
    running.close()


def test_what_never_began_writes_nothing() -> None:
    values: list[bytes] = []
    key = Key(lambda value, _: values.append(value))
    key.key.close()
    assert values == []


# --- the end ---------------------------------------------------------------------------------


def test_a_fatal_fault_is_told_by_its_kind(bench: Bench) -> None:
    bench.begin(("a",))
    bench.vault.when(path="/v1/auth/token/lookup-self").answer(
        403, {"errors": ["permission denied"]}
    )
    bench.on_list().answer(403, {"errors": ["permission denied"]})
    run = bench.once()
    assert run.code == 1
    told = bench.shop.status()
    assert (told["state"], told["fault"]) == ("halted", "authentication")
    assert told["last_success"] == run.view.last_complete


def test_a_full_disk_is_told_where_it_still_can_be(bench: Bench) -> None:
    """The journal takes no line of it any more."""
    bench.fill()
    bench.saved()
    driven = drive(bench.shop, fill_disk(0, dest="listing"), log={"level": "error"})
    assert driven.process.returncode == 1
    told = bench.shop.status()
    assert (told["state"], told["word"], told["fault"]) == ("halted", "HALTED", "journal")
    assert told["outcome"] == "saved"


def test_a_pause_is_told_too(bench: Bench) -> None:
    bench.fill()
    scene = Scene(bench.shop)
    seen: list[dict[str, Any]] = []

    def asks(command: str) -> None:
        scene.inbox.ask(CommandCame(command, "", Asker("ada", "console"), lambda _: None))

    def see(paused: bool) -> None:
        until(lambda: bool(bench.shop.status().get("paused_since")) is paused)
        seen.append(bench.shop.status())

    scene.on(came(e.CycleFinished), lambda: asks("pause"))
    scene.on(came(e.TickerPaused), lambda: see(True))
    scene.on(came(e.TickerPaused), lambda: asks("resume"))
    scene.on(came(e.TickerResumed), lambda: see(False))
    scene.on(came(e.TickerResumed), scene.signal)
    assert scene.run(tick="1h").code == 0
    assert [told["word"] for told in seen] == ["PAUSED", "IN SYNC"]
