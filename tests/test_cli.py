"""The command line: what may be said, what is answered, where things lie, every exit code."""

from __future__ import annotations

import getpass
import os
import pwd
import re
import signal
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.commandline import complaint, logged, on, vsync
from tests.misbehave import Misbehave
from tests.workshop import Workshop
from vsync_sm import __version__
from vsync_sm.core import events as e
from vsync_sm.core.errors import Fault, FaultKind
from vsync_sm.operate.place import default_journal

EXAMPLES = (
    *("vsync-sm check", "vsync-sm plan", "vsync-sm --headless", "vsync-sm --headless --once"),
    *("vsync-sm --headless --allow", "vsync-sm replay", "vsync-sm demo"),
)


# --- help and misuse -------------------------------------------------------------------------


def test_help_has_examples_and_every_exit_code(tmp_path: Path) -> None:
    told = vsync(tmp_path, "--help")
    assert (told.returncode, told.stderr) == (0, "")
    for example in EXAMPLES:
        assert f"  {example}" in told.stdout.partition("examples:")[2]
    codes = told.stdout.partition("exit codes:")[2]
    for code in ("0", "1", "2", "3", "128 + n"):
        assert f"\n  {code}  " in codes
    assert all(len(line) <= 100 for line in told.stdout.splitlines())


@pytest.mark.parametrize("command", ["check", "plan", "replay", "demo"])
def test_every_command_has_its_help(tmp_path: Path, command: str) -> None:
    told = vsync(tmp_path, command, "--help")
    assert (told.returncode, told.stderr) == (0, "")
    assert told.stdout.startswith(f"usage: vsync-sm {command} ")
    first = told.stdout.partition("\n\n")[2]
    assert first[0].isupper()


def test_version(tmp_path: Path) -> None:
    told = vsync(tmp_path, "--version")
    assert (told.returncode, told.stdout, told.stderr) == (0, f"vsync-sm {__version__}\n", "")


def test_alone_it_prints_help_and_exits_2(tmp_path: Path) -> None:
    told = vsync(tmp_path)
    assert (told.returncode, told.stdout) == (2, "")
    assert told.stderr == vsync(tmp_path, "--help").stdout


@pytest.mark.parametrize(
    ("arguments", "wrong", "hint"),
    [
        ("--once", "--once goes with --headless", "vsync-sm --headless --once …"),
        ("--allow 1f", "--allow goes with --headless", "vsync-sm --headless --allow …"),
        ("--once check", "--once goes with --headless", "vsync-sm --headless --once …"),
        ("--headless --allow=", "--allow needs the id of a refusal", "the refusal printed it"),
        ("--headless --allow", "argument --allow: expected one argument", "--help"),
        ("--headless check", "--headless and check do not go together", "leave one of them out"),
        ("--config x.yaml", "nothing to do", "say --headless, or a command: check, plan, ctl, "),
        ("--hedless", "there is no --hedless", "did you mean --headless?"),
        ("--token=s.123 check", "there is no --token", "no flag takes a secret: use origin.vault."),
        ("--headless now", "there is no command now", "vsync-sm --help tells what there is"),
        (
            "/nix",
            "there is no command /nix",
            "a configuration is named by --config: vsync-sm check",
        ),
        ("c.yaml", "there is no command c.yaml", "vsync-sm check --config c.yaml"),
        ("chekc", "there is no command chekc", "did you mean check?"),
        ("replya j", "there is no command replya", "did you mean replay?"),
        ("check all", "check takes no all", "leave it out"),
        ("check --headless", "check takes no --headless", "it goes with --headless"),
        ("plan --once", "plan takes no --once", "it goes with --headless"),
        ("plan --jsno", "there is no --jsno", "did you mean --json?"),
        ("replay", "the following arguments are required: JOURNAL", "vsync-sm replay --help"),
        (
            "replay j --cycle x",
            "argument --cycle: x is no cycle: write 12, or 12-15",
            "replay --help",
        ),
        (
            "replay j --json --json-lines",
            "argument --json-lines: not allowed with argument --json",
            "replay --help",
        ),
        ("--journal j replay j", "replay takes no --journal", "leave it out"),
        ("--tick 5s demo", "demo takes no --tick", "leave it out"),
        ("--tick 5s journal", "journal takes no --tick", "leave it out"),
        ("demo --tick 0", "argument --tick: 0 is no number above 0", "demo --help"),
        ("demo --tick nan", "argument --tick: nan is no number above 0", "demo --help"),
        ("demo --secrets -5", "argument --secrets: -5 is no whole number above 0", "demo --help"),
        ("demo --secrets 1.5", "argument --secrets: 1.5 is no whole number above 0", "demo"),
    ],
)
def test_misuse_exits_2_and_says_what_would_do(
    tmp_path: Path, arguments: str, wrong: str, hint: str
) -> None:
    told = vsync(tmp_path, *arguments.split())
    assert (told.returncode, told.stdout) == (2, "")
    said = complaint(told.stderr)
    assert said[0].startswith(wrong)
    assert hint in said[1]


# --- configuration mistakes ------------------------------------------------------------------


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A socket that would know if anybody had called."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server


@pytest.mark.parametrize("way", ["check", "plan", "--headless", "--headless --once"])
def test_every_mistake_in_one_report_and_nothing_contacted(
    tmp_path: Path, listener: socket.socket, way: str
) -> None:
    address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    (tmp_path / "config.yaml").write_text(
        f"""
        numBucket: 4
        origin:
          vault: {{address: "{address}", token: hvs.CANARY-in-a-mistaken-file}}
          consul: {{address: "{address}"}}
          mounts: [secret, kv/, kv/]
          tick: 5
        """
    )
    told = vsync(tmp_path, *way.split(), "--workers", "0", env={"VSYNC_ORIGIN_TIMEOUT": "1d"})
    assert (told.returncode, told.stdout) == (2, "")
    report = told.stderr.splitlines()
    assert report[0] == "config.yaml: 6 mistakes; nothing was contacted"
    fields = [line.strip().partition(":")[0] for line in report if line.startswith("  ")][::3]
    assert fields == [
        "numBucket",
        "origin.mounts[0]",
        "origin.mounts[2]",
        "origin.numWorkers (command line)",
        "origin.tick",
        "origin.timeout (VSYNC_ORIGIN_TIMEOUT)",
    ]
    assert sum("what would do: " in line for line in report) == 6
    assert "CANARY" not in told.stderr
    with pytest.raises(BlockingIOError):
        listener.accept()
    assert not (tmp_path / ".local").exists()


@pytest.mark.parametrize(
    ("file", "words"),
    [("nosuch.yaml", "there is no file"), (".", "Is a directory"), ("torn.yaml", "is no YAML")],
)
def test_a_file_that_cannot_be_read(tmp_path: Path, file: str, words: str) -> None:
    (tmp_path / "torn.yaml").write_text("origin: [")
    told = vsync(tmp_path, "check", "--config", file)
    assert told.returncode == 2
    assert told.stderr.startswith(f"{file}: 1 mistake; nothing was contacted\n")
    assert words in told.stderr
    assert "Traceback" not in told.stderr


@pytest.mark.parametrize("way", [["check"], ["plan"], ["--headless", "--once"]])
def test_what_is_unused_is_said(workshop: Workshop, way: list[str]) -> None:
    # As an origin.json of the Go program may have them.
    workshop.config |= {"destination": {"numWorkers": 3}, "ignoreDeletes": True}
    told = vsync(workshop.home, *way, *on(workshop), env={"VSYNC_ORIGN_TICK": "1s"})
    assert told.returncode == 0
    for name in ("destination", "ignoreDeletes"):
        assert f"unused in the configuration: {name}" in told.stderr
    assert "VSYNC_ORIGN_TICK (did you mean VSYNC_ORIGIN_TICK?)" in told.stderr


# --- the journal's place ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("env", "place"),
    [
        ({"STATE_DIRECTORY": "{home}/var/lib/vsync:{home}/second"}, "var/lib/vsync"),
        ({"XDG_STATE_HOME": "{home}/state"}, "state/vsync-sm"),
        ({}, ".local/state/vsync-sm"),
    ],
)
def test_where_the_journal_lies_and_who_may_read_it(
    workshop: Workshop, env: dict[str, str], place: str
) -> None:
    home = workshop.home
    env = {name: value.format(home=home) for name, value in env.items()}
    config = workshop.write_config()
    told = vsync(home, "--headless", "--once", "--config", config, env=env)
    assert told.returncode == 0
    journal = home / place / "journal.jsonl"
    assert logged(told.stderr)[0]["message"] == f"journal: {journal}"
    assert stat.S_IMODE(journal.stat().st_mode) == 0o600
    assert vsync(home, "replay", journal).returncode == 0


def test_a_user_without_name_and_home(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    # As in a container that runs under a number which /etc/passwd does not know.
    unnamed = max(entry.pw_uid for entry in pwd.getpwall() if entry.pw_uid < 60_000) + 1
    monkeypatch.setattr(os, "getuid", lambda: unnamed)
    for name in ("HOME", "XDG_STATE_HOME", "LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(KeyError):
        getpass.getuser()
    with pytest.raises(Fault, match="no home directory") as caught:
        default_journal({})
    assert caught.value.kind is FaultKind.CONFIGURATION
    assert workshop.once().code == 0


@pytest.mark.parametrize(
    ("way", "journal", "words"),
    [
        ("check", "torn.jsonl", r"torn\.jsonl is damaged"),
        ("plan", "torn.jsonl", r"torn\.jsonl is damaged"),
        ("--headless --once", "torn.jsonl", r"torn\.jsonl is damaged"),
        ("plan", ".", "not a file|Is a directory"),
        ("--headless --once", "/dev/null", "/dev/null: not a file|/dev/null is not a file"),
    ],
)
def test_a_journal_that_is_none_ends_the_run(
    workshop: Workshop, way: str, journal: str, words: str
) -> None:
    (workshop.home / "torn.jsonl").write_text("garbage\n{}\n")
    config = workshop.write_config()
    told = vsync(workshop.home, *way.split(), "--config", config, "--journal", journal)
    assert (told.returncode, told.stdout) == (1, "")
    assert re.search(words, told.stderr)
    assert "→" in told.stderr
    assert "Traceback" not in told.stderr
    assert (workshop.home / "torn.jsonl").read_text() == "garbage\n{}\n"


# --- exit codes ------------------------------------------------------------------------------


def test_0_once_that_saved_and_once_that_had_nothing_to_save(
    workshop: Workshop, mount: str
) -> None:
    workshop.vault.put(mount, "a")
    for outcome in ("saved", "unchanged"):
        told = vsync(workshop.home, "--headless", "--once", *on(workshop))
        assert (told.returncode, told.stdout) == (0, "")
        finished = [line for line in logged(told.stderr) if line.get("type") == "cycle_finished"]
        assert [line["outcome"] for line in finished] == [outcome]
    assert workshop.saved() == workshop.alive()


@pytest.mark.parametrize(
    ("once", "number"),
    [
        (["--once"], signal.SIGINT),
        (["--once"], signal.SIGTERM),
        ([], signal.SIGTERM),
        ([], signal.SIGHUP),
    ],
)
def test_0_when_a_signal_asked_for_it(
    workshop: Workshop, mount: str, once: list[str], number: signal.Signals
) -> None:
    workshop.vault.put(mount, "a")
    with Misbehave(workshop.vault.address) as proxy:
        held = proxy.when(method="GET", path=f"/v1/{mount}metadata/a").hang()
        with workshop.start(*once, vault={"address": proxy.address}) as daemon:
            held.wait_for_hit()
            daemon.signal(number)
            assert daemon.wait() == 0
    assert workshop.raw() == {}


def test_1_when_a_fatal_fault_halts(workshop: Workshop) -> None:
    told = vsync(workshop.home, "--headless", *on(workshop, vault={"token": "s.of-nobody-at-all"}))
    assert (told.returncode, told.stdout) == (1, "")
    last = logged(told.stderr)[-1]
    assert (last["type"], last["exit_code"]) == ("run_finished", 1)


def test_2_when_an_allowance_is_unknown(workshop: Workshop) -> None:
    told = vsync(workshop.home, "--headless", "--once", "--allow", "3f2a", *on(workshop))
    assert told.returncode == 2
    message = logged(told.stderr)[-1]["message"]
    assert message.startswith("--allow 3f2a: the journal ")
    assert message.endswith(
        "knows of no such refusal → An id serves for one save, within an hour, "
        "and is given whole. vsync-sm replay tells what was refused, allowed and saved."
    )


def test_3_when_the_cycle_was_aborted(workshop: Workshop, mount: str) -> None:
    workshop.vault.put(mount, "a/b")
    with Misbehave(workshop.vault.address) as proxy:
        proxy.when(path=f"/v1/{mount}metadata/a/").answer(403, {"errors": ["permission denied"]})
        how = on(workshop, vault={"address": proxy.address})
        told = vsync(workshop.home, "--headless", "--once", *how)
    assert told.returncode == 3
    assert workshop.raw() == {}


def test_3_when_the_save_was_refused(workshop: Workshop, mount: str) -> None:
    wipe(workshop, mount)
    assert vsync(workshop.home, "--headless", "--once", *on(workshop)).returncode == 3
    assert len(workshop.saved()) == 12


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_128_and_n_at_a_second_signal(
    workshop: Workshop, mount: str, number: signal.Signals
) -> None:
    workshop.vault.put(mount, "a")
    with Misbehave(workshop.consul.address) as proxy:
        held = proxy.when(path="/v1/txn").hang()
        with workshop.start("--once", consul={"address": proxy.address}) as daemon:
            held.wait_for_hit()
            daemon.signal(signal.SIGTERM)
            daemon.wait_for(lambda record: isinstance(record.event, e.SignalReceived))
            daemon.signal(number)
            assert daemon.wait() == 128 + number
    workshop.replayed()


def wipe(workshop: Workshop, mount: str) -> None:
    """Twelve paths were saved; then somebody removes them all."""
    for number in range(12):
        workshop.vault.put(mount, f"team/{number:02}")
    assert workshop.once().outcome == "saved"
    for number in range(12):
        workshop.vault.purge(mount, f"team/{number:02}")
