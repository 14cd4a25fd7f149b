"""The console on real pseudo-terminals, by all ways in: how it begins, how it ends, what it leaves.

The terminal is left as it was found, whatever ends the console, and no token is ever shown.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.tui.nights import NIGHTS
from tests.tui.terminal import Screen
from tests.workshop import Daemon, Workshop, events
from vsync_sm.core import events as e

CONSOLE = ("-m", "tui.cli")
VAULT_TOKEN = "CANARY-console-vault-token"
CONSUL_TOKEN = "CANARY-console-consul-token"

# The journal may grow so far, and no further: a disk that fills up.
_FILLS_UP = (
    "import resource,runpy,signal,sys;"
    "signal.signal(signal.SIGXFSZ,signal.SIG_IGN);"
    "resource.setrlimit(resource.RLIMIT_FSIZE,({limit},{limit}));"
    "runpy.run_module('tui.cli',run_name='__main__',alter_sys=True)"
)


# A console with a mistake in it.
_FAILS = """
import runpy
from tui.widgets.lines import JournalLines

def fail(self):
    raise LookupError("wrapping went wrong")

JournalLines.action_wrap = fail
runpy.run_module("tui.cli", run_name="__main__", alter_sys=True)
"""


@pytest.fixture
def shop(workshop: Workshop) -> Iterator[Workshop]:
    """A workshop with three secrets in Vault, whose origin has tokens that may never be seen."""
    made = {"id": VAULT_TOKEN, "policies": ["root"], "no_parent": True}
    workshop.vault.server.json("POST", "/v1/auth/token/create", made)
    workshop.config["origin"]["vault"]["token"] = VAULT_TOKEN
    workshop.config["origin"]["consul"]["token"] = CONSUL_TOKEN
    (mount,) = workshop.config["origin"]["mounts"]
    for path in ("api/key", "db", "team/größe"):
        workshop.vault.put(mount, path)
    yield workshop
    workshop.vault.revoke(VAULT_TOKEN)
    if workshop.journal.exists():
        unseen(workshop.journal.read_text())
        workshop.replayed()


def unseen(text: str) -> None:
    """No token is in it."""
    for token in (VAULT_TOKEN, CONSUL_TOKEN):
        assert token not in text


@contextmanager
def opened(home: Path, *arguments: str | Path) -> Iterator[Screen]:
    """A console on a terminal; no token may show there."""
    with Screen(home, *CONSOLE, *arguments) as screen:
        yield screen
        unseen(screen.written)


def live(shop: Workshop, *arguments: str, **origin: object) -> tuple[str | Path, ...]:
    """The arguments of a console with the origin in its process."""
    config = shop.write_config(**{"tick": "1h", **origin})
    return ("--config", config, "--journal", shop.journal, *arguments)


def clean(screen: Screen, code: int = 0) -> None:
    """It has ended by itself, and left nothing behind."""
    assert (screen.ends(), screen.traces()) == (code, []), screen.said()[-1000:]


def halted(shop: Workshop, code: int = 0) -> None:
    """The journal ends as the run did."""
    assert events(shop.records(), e.RunFinished)[-1].exit_code == code
    assert isinstance(shop.records()[-1].event, e.RunFinished)


def unasked(shop: Workshop) -> None:
    """The journal tells of no signal, where nobody sent one."""
    assert not events(shop.records(), e.SignalReceived)


def commands(shop: Workshop) -> list[str]:
    """What was asked for, as the journal tells."""
    return [each.command for each in events(shop.records(), e.CommandReceived)]


def came(command: str) -> Callable[[e.Record], bool]:
    """Whether a record says that this was asked for, and done."""
    return lambda record: (
        isinstance(record.event, e.CommandReceived)
        and record.event.command == command
        and not record.event.refused
    )


# --- the origin in this process --------------------------------------------------------------


def test_live(shop: Workshop) -> None:
    with opened(shop.home, *live(shop)) as screen:
        screen.wait_for("LIVE", "IN SYNC", "Quit")
        screen.press("q")
        screen.wait_for("Halt the origin")
        screen.press("n")
        screen.wait_until_gone("Halt the origin")
        screen.press("s")
        screen.wait_for("cycle 2")
        screen.press("q")
        screen.wait_for("Halt the origin")
        screen.press("y")
        clean(screen)
    assert shop.saved() == shop.alive()
    halted(shop)
    assert commands(shop) == ["sync", "halt"]
    assert events(shop.records(), e.CommandReceived)[0].through == "console"


def test_live_and_readonly(shop: Workshop) -> None:
    with opened(shop.home, *live(shop, "--readonly")) as screen:
        screen.wait_for("LIVE", "IN SYNC", "read-only")
        screen.press("spaHq")
        screen.wait_for("Halt the origin")
        screen.press("y")
        clean(screen)
    halted(shop)
    assert commands(shop) == ["halt"]  # nothing but its end; `unasked` tells that no signal came
    unasked(shop)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_halts_the_origin_and_gives_the_terminal_back(
    shop: Workshop, number: signal.Signals
) -> None:
    with opened(shop.home, *live(shop)) as screen:
        screen.wait_for("IN SYNC")
        screen.signal(number)
        clean(screen)
    halted(shop)


def test_a_full_disk_ends_it_and_gives_the_terminal_back(shop: Workshop) -> None:
    program = _FILLS_UP.format(limit=40_000)
    with Screen(shop.home, "-c", program, *live(shop, tick="10ms")) as screen:
        clean(screen, 1)
        assert "cannot write the journal" in screen.said()
        unseen(screen.written)
    assert not events(shop.records(), e.RunFinished)


def test_a_fatal_fault_stays_until_somebody_has_seen_it(shop: Workshop) -> None:
    with opened(shop.home, *live(shop, tick="1s")) as screen:
        screen.wait_for("IN SYNC")
        shop.vault.revoke(VAULT_TOKEN)
        screen.wait_for("HALTED", "Fatal", "Vault no longer accepts the token")
        screen.press("\r")
        screen.wait_until_gone("Fatal")
        screen.press("q")
        clean(screen, 1)
    halted(shop, 1)


def test_a_lost_terminal_halts_the_origin(shop: Workshop) -> None:
    with opened(shop.home, *live(shop)) as screen:
        screen.wait_for("IN SYNC")
        screen.hang_up()
        assert screen.ends() == 0
    halted(shop)


def test_a_console_that_fails_ends_the_origin_and_says_so(shop: Workshop) -> None:
    with Screen(shop.home, "-c", _FAILS, *live(shop)) as screen:
        screen.wait_for("IN SYNC")
        screen.press("2w")
        clean(screen, 1)
        assert "wrapping went wrong" in screen.said()
        unseen(screen.written)
    halted(shop, 1)
    (fault,) = events(shop.records(), e.FaultRaised)
    assert (fault.kind, fault.fatal) == ("invariant", True)
    assert "the console that ran the origin has failed: LookupError in fail" in fault.message
    assert fault.message in events(shop.records(), e.RunFinished)[-1].why
    assert commands(shop) == []
    unasked(shop)


# --- attached --------------------------------------------------------------------------------


@pytest.mark.parametrize("first", ["console", "daemon"])
def test_attached(shop: Workshop, first: str) -> None:
    attach = ("--attach", shop.journal)
    if first == "daemon":
        with shop.start(tick="1h") as daemon, opened(shop.home, *attach) as screen:
            _steered(screen, daemon)
            _left_alone(screen, daemon)
    else:
        with opened(shop.home, *attach) as screen:
            screen.wait_for("ATTACHED", "waiting for the journal")
            with shop.start(tick="1h") as daemon:
                _steered(screen, daemon)
                _left_alone(screen, daemon)
    assert shop.saved() == shop.alive()
    assert commands(shop) == ["sync", "pause", "resume", "sync"]
    assert events(shop.records(), e.TickerPaused)[0].why == "tea"
    asked = events(shop.records(), e.CommandReceived)[0]
    assert (asked.through, asked.uid) == ("control socket", os.getuid())


def _steered(screen: Screen, daemon: Daemon) -> None:
    """`s` and `p` go through the socket into the daemon's journal."""
    screen.wait_for("ATTACHED", "IN SYNC", "Sync")
    screen.press("s")
    daemon.wait_for(came("sync"))
    screen.press("p")
    screen.wait_for("Why")
    screen.press("tea\r")
    daemon.wait_for(came("pause"))
    screen.wait_for("PAUSED", "Resume")
    screen.press("p")
    screen.wait_for("Stay paused")
    screen.press("y")
    daemon.wait_for(came("resume"))
    screen.wait_for("IN SYNC")


def _left_alone(screen: Screen, daemon: Daemon) -> None:
    """`q` quits the console; the daemon goes on."""
    screen.press("q")
    clean(screen)
    assert daemon.asked("sync").ok
    assert daemon.stop() == 0


def test_attached_across_a_restart(shop: Workshop) -> None:
    with opened(shop.home, "--attach", shop.journal) as screen:
        with shop.start(tick="1h") as daemon:
            screen.wait_for("IN SYNC", f"({daemon.process.pid})", "Sync")
            daemon.process.kill()
            daemon.wait()
        screen.wait_until_gone("Sync")
        with shop.start(tick="1h") as daemon:
            daemon.wait_for(lambda record: isinstance(record.event, e.RunRecovered))
            screen.wait_for("IN SYNC", f"({daemon.process.pid})", "Sync")
            screen.press("s")
            daemon.wait_for(came("sync"))
            assert daemon.stop() == 0
        screen.wait_for("HALTED")
        screen.press("q")
        clean(screen)


def test_attached_and_readonly(shop: Workshop) -> None:
    with (
        shop.start(tick="1h") as daemon,
        opened(shop.home, "--attach", shop.journal, "--readonly") as screen,
    ):
        screen.wait_for("ATTACHED", "IN SYNC", "read-only")
        screen.press("spaAHq")
        clean(screen)
        assert daemon.stop() == 0
    assert commands(shop) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_an_attached_console_and_gives_the_terminal_back(
    tmp_path: Path, number: signal.Signals
) -> None:
    with opened(tmp_path, "--attach", tmp_path / "journal.jsonl") as screen:
        screen.wait_for("ATTACHED", "Quit")
        screen.signal(number)
        clean(screen, 128 + number)


def test_a_lost_terminal_ends_an_attached_console(shop: Workshop) -> None:
    with shop.start(tick="1h") as daemon, opened(shop.home, "--attach", shop.journal) as screen:
        screen.wait_for("IN SYNC")
        screen.hang_up()
        screen.ends()
        assert daemon.process.poll() is None
        assert daemon.stop() == 0


# --- replay ----------------------------------------------------------------------------------


@pytest.mark.parametrize("readonly", [(), ("--readonly",)], ids=["", "readonly"])
def test_replay(tmp_path: Path, readonly: tuple[str, ...]) -> None:
    journal = tmp_path / "journal.jsonl"
    told = NIGHTS["finished"]().text()
    journal.write_bytes(told)
    with opened(tmp_path, "--replay", journal, *readonly) as screen:
        screen.wait_for("REPLAY", "HALTED", "SIGTERM", "■ ×1")
        screen.press_until("2", "run_finished")
        screen.press("1\x1b[H]")  # Home, and the first fault from there
        screen.wait_for("fault: Vault at https://vault.example:8200 is sealed", "#1627", "‖ ×1")
        screen.press("+++ ")  # as fast as it goes, to the end
        screen.wait_for("■ ×max", "SIGTERM")
        screen.press("q")
        clean(screen)
    assert journal.read_bytes() == told


def test_stopped_and_continued_from_outside_it_draws_anew_and_gives_the_terminal_back(
    tmp_path: Path,
) -> None:
    journal = tmp_path / "journal.jsonl"
    journal.write_bytes(NIGHTS["finished"]().text())
    with opened(tmp_path, "--replay", journal) as screen:
        screen.wait_for("REPLAY", "HALTED", "SIGTERM", "■ ×1")
        painted = screen.said().count("HALTED")
        screen.signal(signal.SIGSTOP)
        os.waitid(os.P_PID, screen.process.pid, os.WSTOPPED)
        screen.signal(signal.SIGCONT)
        screen.wait_until(lambda: screen.said().count("HALTED") > painted)
        screen.press("q")
        clean(screen)


def test_a_journal_that_is_missing_cannot_be_replayed(tmp_path: Path) -> None:
    with opened(tmp_path, "--replay", tmp_path / "nowhere.jsonl") as screen:
        clean(screen, 2)
        assert "there is no journal" in screen.said()


# --- the demo --------------------------------------------------------------------------------


@pytest.mark.parametrize("readonly", [(), ("--readonly",)], ids=["", "readonly"])
def test_demo(tmp_path: Path, readonly: tuple[str, ...]) -> None:
    with opened(tmp_path, "--demo", *readonly) as screen:
        screen.wait_for("LIVE", "d tells what to try")  # not for long
        screen.wait_for("IN SYNC")
        screen.press("d")
        screen.wait_for("What to try in the demo", "kill -STOP")
        screen.press("d")
        screen.wait_until_gone("What to try in the demo")
        screen.press("q")
        screen.wait_for("Halt the origin")
        screen.press("y")
        clean(screen)
        assert "The origin has ended" in screen.said()
