"""What a run says while it goes on: JSON lines, plain words, progress, refusals and their yes."""

from __future__ import annotations

import re
import shlex
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.commandline import Terminal, environment, logged, on, vsync
from tests.misbehave import Misbehave
from tests.workshop import PATIENCE_S, Workshop
from vsync_sm.core import events as e
from vsync_sm.operate.log import is_terminal

LEVELS = ("debug", "info", "warning", "error")
CLEAR = "\r\x1b[K"


# --- JSON lines ------------------------------------------------------------------------------


def test_json_lines_where_there_is_no_terminal(workshop: Workshop, mount: str) -> None:
    workshop.vault.put(mount, "a")
    told = vsync(workshop.home, "--headless", "--once", *on(workshop))
    assert (told.returncode, told.stdout) == (0, "")
    place, *lines = logged(told.stderr)
    assert [*place] == ["ts", "level", "message"]
    assert place["message"] == f"journal: {workshop.journal}"
    records = {record.seq: record for record in workshop.records()}
    for line in lines:
        record = records[line["seq"]]
        assert [*line][:5] == ["ts", "level", "message", "seq", "run"]
        assert (line["ts"], line["run"], line.get("cycle")) == (record.ts, record.run, record.cycle)
        assert line["type"] == record.event.type
        assert line["level"] in LEVELS
    seqs = [line["seq"] for line in lines]
    assert seqs == sorted(seqs)


def test_the_message_is_the_sentence_and_the_fields_are_beside_it(workshop: Workshop) -> None:
    how = on(workshop, vault={"token": "s.of-nobody-at-all"})
    told = vsync(workshop.home, "--headless", *how)
    (line,) = [each for each in logged(told.stderr) if each.get("type") == "fault_raised"]
    fault = next(each.event for each in workshop.records() if isinstance(each.event, e.FaultRaised))
    assert line["level"] == "error"
    assert line["message"].startswith(f"fatal fault: {fault.message} → {fault.hint}")
    assert (line["kind"], line["fatal"], line["hint"]) == (fault.kind, True, fault.hint)


def test_a_fault_before_the_run_is_a_json_line_too(workshop: Workshop) -> None:
    with workshop.start("--tick", "1h") as daemon:
        daemon.wait_for_state("waiting")
        told = vsync(workshop.home, "--headless", "--once", *on(workshop))
        assert daemon.stop() == 0
    assert told.returncode == 1
    last = logged(told.stderr)[-1]
    assert last["level"] == "error"
    assert last["message"].startswith(f"another vsync writes the journal {workshop.journal} → ")


@pytest.mark.parametrize("level", LEVELS)
def test_log_level(workshop: Workshop, mount: str, level: str) -> None:
    workshop.vault.put(mount, "a")
    workshop.config |= {"ignoreDeletes": True}  # a warning
    how = on(workshop, vault={"token": "s.of-nobody-at-all"} if level == "error" else {})
    told = vsync(workshop.home, "--headless", "--once", "--log-level", level, *how)
    said = {line["level"] for line in logged(told.stderr)}
    at_least = set(LEVELS[LEVELS.index(level) :])
    assert level in said
    assert said <= at_least
    assert ("debug" in said) == (level == "debug")


# --- plain words -----------------------------------------------------------------------------


def test_log_type_console_without_a_terminal_is_plain(workshop: Workshop, mount: str) -> None:
    workshop.vault.put(mount, "a")
    how = on(workshop, vault={"token": "s.of-nobody-at-all"})
    told = vsync(workshop.home, "--headless", "--once", "--log-type", "console", *how)
    assert told.returncode == 1
    assert "\x1b" not in told.stderr
    assert "\r" not in told.stderr
    place, *lines = told.stderr.splitlines()
    assert place == f"· journal: {workshop.journal}"
    assert all(re.match(r"\d\d:\d\d:\d\d\.\d{3} [·!✖ ] \S", line) for line in lines)
    assert lines[-1].partition("✖ ")[2].startswith("the run ends with exit code 1: a fatal fault: ")


@pytest.fixture
def slow(workshop: Workshop, mount: str) -> Iterator[Workshop]:
    """Vault keeps the cycle waiting long enough for its progress to be shown."""
    for number in range(30):
        workshop.vault.put(mount, f"{number // 15}/{number:02}")
    with Misbehave(workshop.vault.address) as proxy:
        workshop.config["origin"]["vault"]["address"] = proxy.address
        proxy.when(method="LIST", path=f"/v1/{mount}metadata/0").drip(0.001, "body")
        proxy.when(method="GET", path=f"/v1/{mount}metadata/1/20").drip(0.001, "body")
        yield workshop


@pytest.mark.parametrize("command", [["--headless", "--once"], ["check"], ["plan"]])
def test_a_terminal_shows_progress_and_clears_it(slow: Workshop, command: list[str]) -> None:
    with Terminal(slow.home, *command, *on(slow)) as terminal:
        assert terminal.read() == 0
    drawn = re.findall(r"\r\x1b\[K(cycle 1 [^\r\n]+)", terminal.shown)
    what = r"listing: \d+ folders? listed" if command == ["check"] else r"working: \d+ of 30 paths"
    assert any(re.fullmatch(f"cycle 1 {what}", line) for line in drawn)
    # What is drawn is always cleared before a line is written, and in the end.
    assert terminal.shown.count(CLEAR) > len(drawn)
    shown = re.sub(r"\r\x1b\[K[^\r\n]*(?=\r\x1b\[K)", "", terminal.shown).replace(CLEAR, "")
    assert "\x1b" not in shown, "no colour where nothing is wrong"
    assert not re.search("cycle 1 (working|listing)", shown)
    assert shown.endswith("\r\n")


def test_no_progress_on_a_terminal_when_json_is_asked_for(slow: Workshop) -> None:
    how = on(slow)
    with Terminal(slow.home, "--headless", "--once", "--log-type", "json", *how) as terminal:
        assert terminal.read() == 0
    assert "\x1b" not in terminal.shown
    assert logged(terminal.shown)[-1]["type"] == "run_finished"


@pytest.mark.parametrize(
    ("env", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)]
)
def test_errors_are_red_unless_no_colour_is_wanted(
    workshop: Workshop, env: dict[str, str], coloured: bool
) -> None:
    how = on(workshop, vault={"token": "s.of-nobody-at-all"})
    with Terminal(workshop.home, "--headless", "--once", *how, env=env) as terminal:
        assert terminal.read() == 1
    lines = terminal.shown.split("\r\n")
    red = [line for line in lines if line.startswith("\x1b[31m") and line.endswith("\x1b[0m")]
    assert ("✖" in "".join(red)) == coloured
    assert all(line in red for line in lines if "✖" in line) == coloured
    assert ("\x1b[" in terminal.shown) == coloured


def test_ctrl_c_on_a_terminal(workshop: Workshop) -> None:
    with Terminal(workshop.home, "--headless", "--tick", "1h", *on(workshop)) as terminal:
        terminal.read_until("cycle 1 saved")
        terminal.process.send_signal(signal.SIGINT)
        assert terminal.read() == 0
    assert "SIGINT received" in terminal.shown
    assert "Traceback" not in terminal.shown


def test_a_file_is_no_terminal(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w") as file:
        assert not is_terminal(file)


# --- a refused save, and the yes -------------------------------------------------------------


@pytest.fixture
def wiped(workshop: Workshop, mount: str) -> Workshop:
    """Twelve paths were saved; then somebody removed them all."""
    for number in range(12):
        workshop.vault.put(mount, f"team/{number:02}")
    assert workshop.once().outcome == "saved"
    for number in range(12):
        workshop.vault.purge(mount, f"team/{number:02}")
    return workshop


def offered(told: str, how: str = "run this, and start it again:") -> list[str]:
    """The command that a refusal printed, as a shell splits it; `how` it is to be used."""
    (command,) = [line for line in told.splitlines() if line.strip().startswith("vsync-sm ")]
    assert how in told.splitlines()[told.splitlines().index(command) - 1]
    return shlex.split(command)


def test_a_refusal_prints_what_would_vanish_and_a_command_that_works(
    wiped: Workshop, mount: str
) -> None:
    config = wiped.write_config().rename(wiped.home / "my config.json")
    state = wiped.home / "state of a service"
    state.mkdir()
    wiped.journal.rename(state / "journal.jsonl")
    wiped.journal = state / "journal.jsonl"
    # The supervisor's environment is not the one in which a human pastes the command.
    told = vsync(
        wiped.home,
        *("--headless", "--once", "--log-type", "console", "--config", config.name),
        env={"STATE_DIRECTORY": str(state)},
    )
    assert told.returncode == 3
    assert "The save is refused. Consul was not touched" in told.stderr
    limit = "(limit: 10 paths or 20 %, whichever is more)"
    assert f"  - 12 of 12 paths would vanish from {mount} {limit}" in told.stderr
    paths = [line.strip() for line in told.stderr.splitlines() if line.startswith("  ")]
    assert f"{mount}data/team/00" in paths
    assert len(wiped.saved()) == 12

    command = offered(told.stderr)
    allowed = subprocess.run(
        command,
        cwd="/",
        env=environment(wiped.home),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert allowed.returncode == 0, allowed.stderr
    assert wiped.saved() == wiped.alive() == {}
    # It was good for this one save.
    again = vsync(Path("/"), *command[1:], env={"HOME": str(wiped.home)})
    assert again.returncode == 2
    assert "knows of no such refusal" in again.stderr
    wiped.replayed()


def test_the_command_that_a_daemon_offers_saves_once(wiped: Workshop) -> None:
    with wiped.start("--log-type", "console", tick="50ms") as daemon:
        daemon.wait_for(
            lambda record: isinstance(record.event, e.SaveRefused) and record.cycle == 4
        )
        daemon.signal()
        stderr = daemon.process.communicate(timeout=PATIENCE_S)[1]
    assert stderr.count(": as before") >= 2, "in full it is told once"
    command = offered(stderr, "It shows all that would happen, and asks:")
    assert command[1:3] == ["ctl", "allow"]
    with wiped.start(tick="50ms") as daemon:
        daemon.wait_for_socket()
        told = vsync(wiped.home, *command[1:], "--yes")
        assert told.returncode == 0, told.stderr
        daemon.wait_for(
            lambda record: (
                isinstance(record.event, e.AllowanceSpent) and record.event.why == "saved"
            )
        )
        assert daemon.stop() == 0
    assert wiped.saved() == {}


def test_a_refusal_in_json_names_the_command_too(wiped: Workshop) -> None:
    told = vsync(wiped.home, "--headless", "--once", *on(wiped))
    (line,) = [each for each in logged(told.stderr) if each.get("type") == "save_refused"]
    assert (line["level"], line["vanished"]) == ("error", {wiped.config["origin"]["mounts"][0]: 12})
    assert offered(line["message"])[-2:] == ["--allow", line["allowance"]]
