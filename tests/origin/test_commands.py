"""Commands: what each does in every state, what is written of it, and what it never does."""

from __future__ import annotations

import getpass
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress

import pytest

from tests.origin.driver import Driven, freeze
from tests.origin.scenes import Scene, came, entered
from tests.workshop import PATIENCE_S, Run, Workshop, events
from vsync_sm.core import events as e
from vsync_sm.core.answer import next_tick_in, now_at
from vsync_sm.core.commands import Done
from vsync_sm.core.events import Record
from vsync_sm.core.insight import NS
from vsync_sm.core.view import View, apply
from vsync_sm.local import BaoServer, ConsulServer
from vsync_sm.origin.inbox import OVER, Asker, CommandCame, RefusedAsked

OPS = Asker("ops", "control socket", uid=1000, pid=4711)
HALTING = "it is halting already"


class Asked(Scene):
    """A scene in which somebody asks; `answers` are what came back, in order."""

    def __init__(self, shop: Workshop) -> None:
        super().__init__(shop)
        self.answers: list[Done] = []
        self.refused: list[frozenset[str] | None] = []

    def ask(self, command: str, argument: str = "") -> None:
        """Through the inbox, as control socket and console do it."""
        self.inbox.ask(CommandCame(command, argument, OPS, self.answers.append))

    def ask_refused(self, allowance: str) -> None:
        """What was refused under an id."""
        self.inbox.ask(RefusedAsked(allowance, self.refused.append))

    def at(self, told: Callable[[Record], bool], *commands: str) -> None:
        """Once `told` says so, ask for these, one after the other (`pause why`)."""

        def ask_all() -> None:
            for each in commands:
                command, _, argument = each.partition(" ")
                self.ask(command, argument)

        self.on(told, ask_all)


@pytest.fixture
def shop(workshop: Workshop, mount: str) -> Workshop:
    """An origin that has saved once and has something to save again."""
    for number in range(6):
        workshop.vault.put(mount, f"secret-{number}")
    assert workshop.once().outcome == "saved"
    workshop.vault.put(mount, "secret-0")
    return workshop


@pytest.fixture
def scene(shop: Workshop) -> Asked:
    return Asked(shop)


def received(run: Run) -> list[tuple[str, str]]:
    """Every command that was written down, and why it was not done."""
    return [(each.command, each.refused) for each in run.all(e.CommandReceived)]


def after(records: Iterable[Record], command: str) -> list[e.Event]:
    """The events after a command was written down."""
    told = [each.event for each in records if isinstance(each.event, e.Event)]
    at = next(
        n for n, each in enumerate(told) if isinstance(each, e.CommandReceived)
        and each.command == command
    )  # fmt: skip
    return told[at + 1 :]


def asked_by(run: Run) -> list[str]:
    """What asked for each cycle."""
    return [each.asked for each in run.all(e.CycleStarted)]


# --- what is written -------------------------------------------------------------------------


def test_a_command_is_written_with_who_asked_before_its_effect(scene: Asked) -> None:
    scene.at(entered("waiting", nth=2), "pause maintenance", "resume", "halt")
    run = scene.run(tick="1h")
    assert run.code == 0
    assert run.all(e.CommandReceived) == [
        e.CommandReceived(command=command, by="ops", through="control socket", uid=1000, pid=4711)
        for command in ("pause", "resume", "halt")
    ]
    assert after(run.records, "pause")[0] == e.TickerPaused(
        by="ops", through="control socket", why="maintenance"
    )
    assert after(run.records, "resume")[0] == e.TickerResumed(by="ops", through="control socket")
    assert [type(each) for each in after(run.records, "halt")] == [e.Transitioned, e.RunFinished]
    assert all(answer.ok for answer in scene.answers)
    scene.shop.replayed()


def test_a_pause_lies_on_the_disk_before_it_is_answered(scene: Asked) -> None:
    synced: list[bool] = []

    def answered(done: Done) -> None:
        told = events(scene.shop.records(), e.TickerPaused)
        synced.append(done.ok and len(told) == 1)
        scene.signal()

    scene.on(
        entered("waiting", nth=2),
        lambda: scene.inbox.ask(CommandCame("pause", "", OPS, answered)),
    )
    assert scene.run(tick="1h").code == 0
    assert synced == [True]


@pytest.mark.parametrize(
    ("commands", "refused"),
    [
        (["resume"], "it is not paused"),
        (["abort"], "no cycle is running"),
        (["allow 0123456789ab"], "no refusal is known under 0123456789ab"),
        (["halt", "halt"], HALTING),
        (["halt", "sync"], HALTING),
    ],
)
def test_what_cannot_be_done_is_written_and_said(
    scene: Asked, commands: list[str], refused: str
) -> None:
    scene.at(entered("waiting", nth=2), *commands)
    scene.on(came(e.CommandReceived, nth=len(commands)), scene.signal)
    run = scene.run(tick="1h")
    assert scene.answers[-1] == Done(False, refused)
    assert received(run)[-1] == (commands[-1], refused)
    assert not run.all(e.AllowanceGranted)
    scene.shop.replayed()


def test_paused_already_says_since_when_by_whom_and_why(scene: Asked) -> None:
    scene.at(entered("waiting", nth=2), "pause disks", "pause again", "halt")
    run = scene.run(tick="1h")
    assert len(run.all(e.TickerPaused)) == 1
    assert scene.answers[1].words.startswith("it is paused already: since 20")
    assert scene.answers[1].words.endswith(" UTC, by ops: disks")


def test_what_makes_no_sense_is_not_written(scene: Asked) -> None:
    scene.at(entered("waiting", nth=2), "stop", "allow", "sync now", "halt")
    run = scene.run(tick="1h")
    assert received(run) == [("halt", "")]
    assert [answer.ok for answer in scene.answers] == [False, False, False, True]


def test_who_asks_when_the_run_is_over_is_answered(scene: Asked) -> None:
    scene.at(came(e.RunFinished), "sync")
    scene.on(came(e.RunFinished), lambda: scene.ask_refused("x"))
    scene.at(entered("waiting", nth=2), "halt")
    run = scene.run(tick="1h")
    scene.ask("pause")
    assert scene.answers[1:] == [Done(False, OVER), Done(False, OVER)]
    assert scene.refused == [None]
    assert isinstance(run.records[-1].event, e.RunFinished)


def test_who_asks_together_with_the_last_word_is_answered(scene: Asked) -> None:
    def all_at_once() -> None:
        scene.signal()
        scene.signal()
        scene.ask("pause")

    scene.on(entered("waiting", nth=2), all_at_once)
    assert scene.run(tick="1h").code == 128 + signal.SIGTERM
    assert scene.answers == [Done(False, OVER)]


# --- sync ------------------------------------------------------------------------------------


def test_sync_begins_a_cycle_now(scene: Asked) -> None:
    scene.at(entered("waiting", nth=2), "sync")
    scene.at(came(e.CycleFinished, nth=2), "halt")
    run = scene.run(tick="1h")
    assert asked_by(run) == ["tick", "command"]
    assert scene.answers[0] == Done(True, "a cycle begins now")


def test_sync_in_a_cycle_has_another_one_begin_after_it(scene: Asked) -> None:
    scene.at(entered("working"), "sync", "sync")
    scene.at(came(e.CycleFinished, nth=2), "halt")
    run = scene.run(tick="1h")
    assert asked_by(run) == ["tick", "command"]
    assert scene.answers[0].words == "another cycle begins after the one that is running"
    assert [each.outcome for each in run.all(e.CycleFinished)] == ["saved", "unchanged"]


def test_sync_in_the_checks_does_not_skip_them(scene: Asked) -> None:
    scene.at(came(e.CheckPassed), "sync")
    scene.at(came(e.CycleFinished), "halt")
    run = scene.run(tick="1h")
    assert asked_by(run) == ["command"]
    assert "start-up checks" in scene.answers[0].words


# --- pause and resume ------------------------------------------------------------------------


def test_a_pause_holds_the_ticker_and_nothing_else(scene: Asked) -> None:
    tick = 60
    scene.at(entered("waiting", nth=2), "pause")
    scene.on(came(e.TickerPaused), lambda: scene.clock.jump(3 * tick))
    scene.on(came(e.TickerPaused), lambda: scene.signal(signal.SIGUSR1))
    scene.at(came(e.CycleFinished, nth=2), "sync")
    scene.on(came(e.CycleFinished, nth=3), lambda: scene.clock.jump(3 * tick))
    scene.at(came(e.CycleFinished, nth=3), "resume")
    scene.at(came(e.CycleFinished, nth=4), "halt")
    run = scene.run(tick=f"{tick}s")
    assert asked_by(run) == ["tick", "signal", "command", "tick"]
    # The last one was overdue: nothing lies between its resumption and it.
    began = after(run.records, "resume")
    assert [type(each) for each in began[:2]] == [e.TickerResumed, e.CycleStarted]


def test_a_pause_in_a_cycle_lets_it_go_on(scene: Asked) -> None:
    scene.at(entered("working"), "pause")
    scene.on(came(e.CycleFinished), lambda: scene.clock.jump(3_600))
    scene.at(entered("waiting", nth=2), "resume", "halt")
    run = scene.run(tick="1m")
    assert run.one(e.CycleFinished).outcome == "saved"
    assert scene.answers[0].words.endswith("; the cycle that is running goes on")


def test_the_countdown_goes_on_as_if_there_had_been_no_pause(scene: Asked) -> None:
    counted: list[float | None] = []
    view = [View()]

    def fold(record: Record) -> bool:
        view[0] = apply(view[0], record)
        return False

    def count() -> None:
        counted.append(next_tick_in(view[0], now_at(view[0])))

    scene.on(fold, lambda: None)
    scene.on(came(e.CycleStarted), count)
    scene.at(entered("waiting", nth=2), "pause", "resume", "halt")
    scene.on(came(e.TickerPaused), count)
    scene.on(came(e.TickerResumed), count)
    run = scene.run(tick="1h")
    started = next(each for each in run.records if isinstance(each.event, e.CycleStarted))
    resumed = next(each for each in run.records if isinstance(each.event, e.TickerResumed))
    first, paused, after_it = counted
    assert paused is None
    assert first is not None
    assert after_it is not None
    assert 3500 < first <= 3600
    passed = (resumed.mono - started.mono) / NS
    assert after_it == pytest.approx(first - passed)
    assert run.view.next_tick == run.one(e.CycleStarted).next_tick


def test_a_pause_holds_neither_once_nor_plan(shop: Workshop) -> None:
    scene = Asked(shop)
    scene.at(entered("waiting", nth=2), "pause", "halt")
    scene.run(tick="1h")
    assert shop.once().code == 0
    assert shop.once().view.pause is not None  # and they do not end it


# --- abort -----------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["listing", "working", "reindexing", "saving"])
def test_an_abort_before_the_save_has_begun(scene: Asked, state: str) -> None:
    """In `saving`: between the verdict and `save_started`."""
    before = scene.shop.raw()
    scene.at(entered(state), "abort")
    scene.at(came(e.CycleFinished), "halt")
    run = scene.run(tick="1h")
    finished = run.one(e.CycleFinished)
    assert (finished.outcome, finished.reason) == ("aborted", "operator")
    assert not run.all(e.SaveStarted)
    assert scene.shop.raw() == before
    assert scene.answers[0].ok
    assert run.view.failed_in_row == 0  # somebody meant it
    scene.shop.replayed()


def test_a_save_that_has_begun_is_not_cut_short(scene: Asked) -> None:
    scene.at(came(e.SaveStarted), "abort")
    scene.at(came(e.CycleFinished), "halt")
    run = scene.run(tick="1h")
    assert scene.answers[0] == Done(False, "the save has begun; it is not cut short")
    assert received(run)[0] == ("abort", "the save has begun; it is not cut short")
    assert run.one(e.CycleFinished).outcome == "saved"
    assert scene.shop.saved() == scene.shop.alive()


def test_a_halt_before_the_save_has_begun_lets_none_begin(scene: Asked) -> None:
    before = scene.shop.raw()
    scene.at(entered("saving"), "halt")
    run = scene.run(tick="1h")
    assert not run.all(e.SaveStarted)
    assert scene.shop.raw() == before


def test_what_was_aborted_does_not_begin_again_before_its_next_tick(scene: Asked) -> None:
    """However late it is: the tick came and went while the cycle ran."""
    tick = 60
    scene.on(entered("working"), lambda: scene.clock.jump(2 * tick))
    scene.at(entered("working"), "sync", "abort", "abort")  # the later word counts
    told: list[bool] = []
    scene.at(entered("waiting", nth=2), "pause")
    scene.on(came(e.TickerPaused), lambda: told.append(True))
    scene.at(came(e.TickerPaused), "resume")
    scene.on(came(e.TickerResumed), lambda: scene.clock.jump(tick - 1))
    scene.at(came(e.TickerResumed), "pause")
    scene.at(came(e.TickerPaused, nth=2), "resume")
    scene.on(came(e.TickerResumed, nth=2), lambda: scene.clock.jump(2))
    scene.at(came(e.TickerResumed, nth=2), "abort")
    scene.at(came(e.CycleFinished, nth=2), "halt")
    run = scene.run(tick=f"{tick}s", timeout="10m")
    assert asked_by(run) == ["tick", "tick"]
    assert scene.answers[2] == Done(False, "the cycle is being aborted already")
    _, second = (each for each in run.records if isinstance(each.event, e.CycleStarted))
    aborted = next(each for each in run.records if isinstance(each.event, e.CycleFinished))
    assert second.mono - aborted.mono >= tick * NS
    assert second.seq > max(
        each.seq for each in run.records if isinstance(each.event, e.TickerResumed)
    )


# --- allow -----------------------------------------------------------------------------------


def test_allow_lets_the_next_save_do_what_was_refused(shop: Workshop, mount: str) -> None:
    for number in range(24):
        shop.vault.put(mount, f"more-{number:02}")
    assert shop.once().outcome == "saved"
    for number in range(24):
        shop.vault.purge(mount, f"more-{number:02}")
    refused = shop.once()
    allowance = refused.one(e.SaveRefused).allowance
    scene = Asked(shop)
    scene.on(came(e.CheckPassed), lambda: scene.ask_refused(allowance))
    scene.on(came(e.CheckPassed), lambda: scene.ask_refused("0123456789ab"))
    scene.at(came(e.CheckPassed), f"allow {allowance}", f"allow {allowance}")
    scene.at(came(e.CycleFinished), f"allow {allowance}", "halt")
    run = scene.run(tick="1h")
    vanished = {f"vanished {mount}data/more-{number:02}" for number in range(24)}
    assert scene.refused == [vanished, None]
    assert [answer.ok for answer in scene.answers] == [True, False, False, True]
    assert scene.answers[1].words == f"{allowance} is allowed already, for the next save"
    assert scene.answers[2].words == f"no refusal is known under {allowance}"  # it is used up
    assert after(run.records, f"allow {allowance}")[0] == e.AllowanceGranted(
        allowance=allowance, by="ops", through="control socket"
    )
    assert run.one(e.CycleFinished).outcome == "saved"
    assert run.one(e.AllowanceSpent).why == "saved"
    assert shop.saved() == shop.alive()
    shop.replayed()


def test_a_yes_that_comes_while_it_is_judged_is_for_the_next_save(
    shop: Workshop, mount: str
) -> None:
    """A save that is judged without it neither uses it nor uses it up."""
    for number in range(24):
        shop.vault.put(mount, f"more-{number:02}")
    assert shop.once().outcome == "saved"
    for number in range(24):
        shop.vault.purge(mount, f"more-{number:02}")
    allowance = shop.once().one(e.SaveRefused).allowance
    for number in range(24):
        shop.vault.put(mount, f"more-{number:02}")
    scene = Asked(shop)
    scene.at(entered("reindexing"), f"allow {allowance}")
    scene.at(came(e.CycleFinished), "halt")
    run = scene.run(tick="1h")
    assert run.one(e.CycleFinished).outcome == "saved"
    assert run.one(e.SaveStarted).allowance == ""
    assert not run.all(e.AllowanceSpent)
    assert run.view.allowance is not None


def test_a_yes_that_a_save_is_using_is_not_replaced(shop: Workshop, mount: str) -> None:
    """What it was given for must be known first."""
    for number in range(24):
        shop.vault.put(mount, f"more-{number:02}")
    assert shop.once().outcome == "saved"
    ids = []
    for half in (range(12), range(12, 24)):
        for number in half:
            shop.vault.purge(mount, f"more-{number:02}")
        ids.append(shop.once().one(e.SaveRefused).allowance)
    smaller, larger = ids
    scene = Asked(shop)
    scene.at(came(e.CheckPassed), f"allow {smaller}", f"allow {larger}")
    scene.at(came(e.SaveStarted), f"allow {smaller}")
    scene.at(came(e.CycleFinished), f"allow {smaller}", "halt")
    run = scene.run(tick="1h")
    assert [answer.ok for answer in scene.answers] == [True, True, False, True, True]
    assert scene.answers[2].words == f"the save that {larger} was given for has no known end yet"
    assert run.one(e.SaveStarted).allowance == larger
    assert run.one(e.AllowanceSpent) == e.AllowanceSpent(allowance=larger, why="saved")
    shop.replayed()


# --- halt ------------------------------------------------------------------------------------

MOMENTS: dict[str, Callable[[], Callable[[Record], bool]]] = {
    "checking": lambda: came(e.CheckPassed),
    "waiting": lambda: entered("waiting", nth=2),
    "listing": lambda: entered("listing"),
    "working": lambda: entered("working"),
    "reindexing": lambda: entered("reindexing"),
    "saving": lambda: came(e.SaveStarted),
    "aborted": lambda: entered("aborted"),
}


@pytest.mark.parametrize("state", MOMENTS)
def test_a_halt_is_clean_in_every_state(scene: Asked, state: str) -> None:
    before = scene.shop.raw()
    scene.at(MOMENTS[state](), "halt", "abort")
    run = scene.run(tick="1h", numBuckets=5 if state == "aborted" else 4)
    assert run.code == 0
    assert scene.answers[0].ok
    assert not scene.answers[1].ok
    assert run.all(e.Transitioned)[-1].reason == "operator"
    assert run.one(e.RunFinished) == e.RunFinished(exit_code=0, why="asked to halt by ops")
    if state in {"saving", "waiting"}:
        assert scene.shop.saved() == scene.shop.alive()
    else:
        assert scene.shop.raw() == before
    scene.shop.replayed()


def test_a_signal_after_a_halt_is_clean_and_a_second_one_the_last_word(scene: Asked) -> None:
    scene.at(entered("working"), "halt")
    scene.on(came(e.CommandReceived), scene.signal)
    run = scene.run(tick="1h")
    assert run.code == 0
    assert run.one(e.SignalReceived) == e.SignalReceived(signal="SIGTERM", number=15)

    second = Asked(scene.shop)
    second.at(entered("working"), "halt")
    second.on(came(e.CommandReceived), second.signal)
    second.on(came(e.CommandReceived), second.signal)
    run = second.run(tick="1h")
    assert run.code == 128 + signal.SIGTERM
    scene.shop.replayed()


# --- what is known of the servers ------------------------------------------------------------


def conditions(run: Run) -> list[tuple[str, str]]:
    """The changes that were told."""
    return [(each.server, each.condition) for each in run.all(e.ServerConditionChanged)]


def test_each_server_that_answers_is_told_once(scene: Asked) -> None:
    scene.at(entered("waiting", nth=2), "sync")
    scene.at(came(e.CycleFinished, nth=2), "halt")
    run = scene.run(tick="1h")
    assert conditions(run) == [("Consul", "answering"), ("Vault", "answering")]
    assert set(run.view.conditions) == {"Vault", "Consul"}
    scene.shop.replayed()


# --- a real process --------------------------------------------------------------------------


def later(shop: Workshop, told: Callable[[Record], bool]) -> Callable[[Record], bool]:
    """The same, of what is not in the journal yet."""
    before = len(shop.records())
    return lambda record: record.seq > before and told(record)


def me() -> dict[str, object]:
    """How the journal must name this process."""
    return {"by": getpass.getuser(), "uid": os.getuid(), "pid": os.getpid()}


def test_every_command_through_the_socket_of_a_daemon(shop: Workshop) -> None:
    first, second = (later(shop, came(e.CycleFinished, nth=nth)) for nth in (1, 2))
    with shop.start(tick="1h") as daemon:
        daemon.wait_for(first)
        assert daemon.asked("pause", "why not").ok
        assert daemon.asked("sync").ok
        daemon.wait_for(second)
        assert daemon.asked("resume").ok
        assert daemon.asked("abort") == Done(False, "no cycle is running")
        assert not daemon.asked("allow", "0123456789ab").ok
        socket = shop.journal.with_name(f"{shop.journal.name}.sock")
        assert socket.exists()
        assert daemon.asked("halt").ok
        assert daemon.wait() == 0
    assert not socket.exists()
    run = shop.records()
    (started,) = (each for each in events(run, e.RunStarted) if not each.once)
    assert (started.control, started.tick_s, started.timeout_s) == (str(socket), 3600, 30)
    heard = events(run, e.CommandReceived)
    assert [each.command for each in heard] == [
        *("pause", "sync", "resume", "abort", "allow 0123456789ab", "halt")
    ]
    for each in heard:
        assert {"by": each.by, "uid": each.uid, "pid": each.pid} == me()
        assert each.through == "control socket"
    shop.replayed()


def test_a_pause_outlives_the_process(shop: Workshop) -> None:
    with shop.start(tick="1h") as daemon:
        daemon.wait_for(came(e.CycleFinished, nth=2))
        assert daemon.asked("pause", "disks").ok
        daemon.process.kill()
        daemon.wait()
    dead = shop.journal.with_name(f"{shop.journal.name}.sock")
    assert dead.exists()  # as it was left; the next one takes its place
    before = len(shop.records())
    synced, ticked = (
        later(shop, told) for told in (came(e.CycleFinished), came(e.CycleStarted, asked="tick"))
    )
    with shop.start(tick="1s") as daemon:
        assert daemon.asked("pause").words.endswith(": disks")
        assert daemon.remote.status().lines[0].startswith("PAUSED: ")
        assert daemon.asked("sync").ok
        daemon.wait_for(synced)
        assert daemon.asked("resume").ok
        daemon.wait_for(ticked)
        assert daemon.stop() == 0
    assert events(shop.records()[before:], e.CycleStarted)[0].asked == "command"
    shop.replayed()


def test_an_abort_while_vault_hangs(shop: Workshop, bao: BaoServer) -> None:
    before, works = shop.raw(), later(shop, entered("working"))
    with Driven(shop, [freeze(bao.pid, dest="working")], tick="1h") as daemon:
        daemon.wait_for(works)
        assert daemon.asked("abort").ok
        finished = daemon.wait_for(came(e.CycleFinished, outcome="aborted"))
        assert isinstance(finished.event, e.CycleFinished)
        assert finished.event.reason == "operator"
        bao.thaw()
        assert daemon.asked("halt").ok
        assert daemon.end() == 0
    assert shop.raw() == before
    shop.replayed()


def test_a_save_that_hangs_is_not_aborted_and_a_halt_gives_it_its_grace(
    shop: Workshop, consul: ConsulServer
) -> None:
    saves = later(shop, came(e.SaveStarted))
    with Driven(shop, [freeze(consul.pid, type="save_started")], tick="1h") as daemon:
        daemon.wait_for(saves)
        assert daemon.asked("abort") == Done(False, "the save has begun; it is not cut short")
        assert daemon.asked("halt").words == (
            "it halts; the save that has begun gets 3 s for its end"
        )
        assert daemon.asked("halt") == Done(False, HALTING)
        assert daemon.end() == 0
    consul.thaw()
    run = shop.records()
    assert len(events(run, e.SaveUncertain)) == 1
    assert events(run, e.CycleFinished)[-1].reason == "operator"
    assert events(run, e.RunFinished)[-1].why == f"asked to halt by {getpass.getuser()}"
    assert shop.once().code == 0
    assert shop.saved() == shop.alive()
    shop.replayed()


def test_vaults_trouble_is_told_and_its_end(shop: Workshop, bao: BaoServer) -> None:
    complete = later(shop, came(e.CycleFinished))
    in_trouble = came(e.ServerConditionChanged, server="Vault", condition="timeout")
    with shop.start(tick="100ms", requestTimeout="2s") as daemon:
        daemon.wait_for(complete)
        bao.freeze()
        daemon.wait_for(in_trouble)
        bao.thaw()
        daemon.wait_for(_answers_again())
        assert daemon.stop() == 0
    told = events(shop.records(), e.ServerConditionChanged)
    consul = [each.condition for each in told if each.server == "Consul"]
    assert set(consul) == {"answering"}
    shop.replayed()


def _answers_again() -> Callable[[Record], bool]:
    seen: list[str] = []

    def told(record: Record) -> bool:
        event = record.event
        if isinstance(event, e.ServerConditionChanged) and event.server == "Vault":
            seen.append(event.condition)
        return "timeout" in seen and seen[-1] == "answering"

    return told


def test_no_peer_disturbs_a_daemon(shop: Workshop) -> None:
    """Garbage, silence, a flood of connections and of commands, while cycles run."""
    before = len(shop.records())
    fifth = later(shop, came(e.CycleFinished, nth=5))
    enough = threading.Event()
    with shop.start(tick="100ms") as daemon:
        daemon.asked("sync")
        path = f"{shop.journal}.sock"
        threads = [
            threading.Thread(target=bother, args=(path, said, enough), daemon=True)
            for said in (b"garbage\n", b'{"v":1,"command":"sync"}\n' * 500, b"", b"x" * 100_000)
        ]
        for thread in threads:
            thread.start()
        silent = [socket.socket(socket.AF_UNIX) for _ in range(20)]
        for peer in silent:
            peer.connect(path)
        daemon.wait_for(fifth)
        daemon.signal()
        assert daemon.wait() == 0
        enough.set()
        for thread in threads:
            thread.join(PATIENCE_S)
        for peer in silent:
            peer.close()
        assert daemon.process.communicate()[1].count("Traceback") == 0
    run = shop.records()[before:]
    seconds = run[-1].mono / NS
    assert len(events(run, e.CommandReceived)) <= 20 + 10 * (seconds + 1)
    assert shop.once().code == 0
    shop.replayed()


def bother(path: str, said: bytes, enough: threading.Event) -> None:
    """Say this again and again, each time as another peer that takes no answer."""
    while not enough.is_set():
        with socket.socket(socket.AF_UNIX) as peer, suppress(OSError):
            peer.settimeout(1)
            peer.connect(path)
            peer.sendall(said)
