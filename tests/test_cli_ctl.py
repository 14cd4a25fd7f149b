"""`vsync-sm ctl`: what it says, what it asks, its exit codes, and that it needs next to nothing."""

from __future__ import annotations

import json
import os
import pty
import re
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.commandline import COMMAND, complaint, environment, logged, on, vsync
from tests.origin.scenes import came
from tests.workshop import PATIENCE_S, Daemon, Workshop, events
from vsync_sm.core import events as e
from vsync_sm.core.commands import COMMANDS
from vsync_sm.flags import _WORDS

GONE = 24


class Asked:
    """`vsync-sm ctl` on a terminal, where somebody types."""

    def __init__(self, home: Path, *arguments: str) -> None:
        self._ours, theirs = pty.openpty()
        try:
            self.process = subprocess.Popen(
                [*COMMAND, *arguments],
                cwd=home,
                env=environment(home),
                stdin=theirs,
                stdout=theirs,
                stderr=theirs,
                start_new_session=True,
            )
        finally:
            os.close(theirs)
        self.shown = ""

    def __enter__(self) -> Asked:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._ours)

    def read_until(self, words: str) -> None:
        """Until it has said these words."""
        for chunk in self._chunks():
            self.shown += chunk
            if words in self.shown:
                return
        raise AssertionError(f"it never said {words!r}: {self.shown!r}")

    def type(self, words: str) -> int:
        """Type these words; its exit code."""
        os.write(self._ours, f"{words}\n".encode())
        for chunk in self._chunks():
            self.shown += chunk
        return self.process.wait(PATIENCE_S)

    def _chunks(self) -> Iterator[str]:
        while True:
            try:
                chunk = os.read(self._ours, 65_536)
            except OSError:
                return
            if not chunk:
                return
            yield chunk.decode()


def ctl(shop: Workshop, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`vsync-sm ctl`, told nothing but the journal."""
    return vsync(shop.home, "ctl", *arguments, "--journal", shop.journal)


def following(shop: Workshop, cls: type[e.Event], **fields: Any) -> Any:
    """The next event of a class that is not in the journal yet."""
    before = len(shop.records()) if shop.journal.exists() else 0
    wanted = came(cls, **fields)
    return lambda record: record.seq > before and wanted(record)


@pytest.fixture
def shop(workshop: Workshop, mount: str) -> Workshop:
    """An origin that has saved some secrets."""
    for number in range(6 + GONE):
        workshop.vault.put(mount, f"secret-{number:02}")
    assert workshop.once().outcome == "saved"
    return workshop


# --- what may be said ------------------------------------------------------------------------


def test_every_command_has_a_word_and_every_word_its_help(tmp_path: Path) -> None:
    assert set(_WORDS) == {"status", *COMMANDS}
    told = vsync(tmp_path, "ctl", "--help")
    assert (told.returncode, told.stderr) == (0, "")
    for word in _WORDS:
        assert f"\n    {word} " in told.stdout
        its_own = vsync(tmp_path, "ctl", word, "--help")
        assert (its_own.returncode, its_own.stderr) == (0, "")
        assert its_own.stdout.startswith(f"usage: vsync-sm ctl {word} ")
        assert "--journal FILE" in its_own.stdout


@pytest.mark.parametrize(
    ("arguments", "wrong", "hint"),
    [
        ("ctl", "the following arguments are required: WORD", "vsync-sm ctl --help"),
        ("ctl stauts", "ctl knows no stauts", "did you mean status?"),
        ("ctl resum", "ctl knows no resum", "did you mean resume?"),
        ("ctl xyz", "ctl knows no xyz", "vsync-sm ctl --help tells what there is"),
        ("clt status", "there is no command clt", "did you mean ctl?"),
        ("ctl allow", "the following arguments are required: ID", "vsync-sm ctl allow --help"),
        ("ctl status --why x", "ctl takes no --why", "leave it out"),
        ("ctl pause --yes", "ctl takes no --yes", "leave it out"),
        ("ctl sync --once", "ctl takes no --once", "it goes with --headless"),
        ("--timeout 5s ctl status", "ctl takes no --timeout", "leave it out"),
        ("--headless ctl status", "--headless and ctl do not go together", "leave one of them out"),
        ("ctl pause --yse", "there is no --yse", "did you mean --yes?"),
        ("ctl allow 1f", "allow shows what would vanish and asks on a terminal", "1f --yes"),
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


def test_it_loads_nothing_heavy(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom vsync_sm import cli\n"
        f"code = cli.main(['ctl', 'status', '--journal', {str(tmp_path / 'j')!r}])\n"
        "heavy = {'pydantic', 'hvac', 'consul', 'pycurl', 'textual', 'yaml'} & set(sys.modules)\n"
        "sys.exit(code if not heavy else f'loaded: {heavy}')\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd="."
    )
    assert told.returncode == 1
    assert "loaded" not in told.stderr


# --- which origin ----------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["flag", "flag before", "file", "variable", "default"])
def test_where_it_looks(tmp_path: Path, way: str) -> None:
    """A configuration without token and address is good enough to find the journal by."""
    journal = tmp_path / "state" / "journal.jsonl"
    (tmp_path / "other.yaml").write_text(f"journal: {{file: {journal}}}\norigin: {{mounts: 7}}\n")
    arguments, variables = {
        "flag": (["ctl", "status", "--journal", str(journal)], {}),
        "flag before": (["--journal", str(journal), "ctl", "status"], {}),
        "file": (["ctl", "status", "--config", "other.yaml"], {}),
        "variable": (["ctl", "status"], {"VSYNC_JOURNAL_FILE": str(journal)}),
        "default": (["ctl", "status"], {"STATE_DIRECTORY": str(journal.parent)}),
    }[way]
    told = vsync(tmp_path, *arguments, env=variables)
    assert (told.returncode, told.stdout) == (1, "")
    wrong, hint = complaint(told.stderr)
    assert wrong == f"there is no control socket at {journal}.sock"
    assert "vsync-sm --headless" in hint
    assert f"is {journal} its journal?" in hint


@pytest.mark.parametrize(
    ("content", "wrong"),
    [(None, "there is no file"), ("journal: [", "YAML"), ("journal: {file: 7}", "journal.file")],
)
def test_a_configuration_that_cannot_tell_exits_2(
    tmp_path: Path, content: str | None, wrong: str
) -> None:
    if content is not None:
        (tmp_path / "c.yaml").write_text(content)
    told = vsync(tmp_path, "ctl", "status", "--config", "c.yaml")
    assert (told.returncode, told.stdout) == (2, "")
    assert wrong.lower() in told.stderr.lower()


def test_a_killed_origin_does_not_run(shop: Workshop) -> None:
    done = following(shop, e.CycleFinished)
    with shop.start(tick="1h") as daemon:
        daemon.wait_for(done)
        assert ctl(shop, "status").returncode == 0
        daemon.process.kill()
        daemon.wait()
    told = ctl(shop, "sync")
    assert told.returncode == 1
    assert "the origin does not run" in complaint(told.stderr)[0]


def test_a_journal_that_lies_elsewhere_for_who_looks(shop: Workshop) -> None:
    """As on a shared volume: the journal's last run names its socket."""
    done = following(shop, e.CycleFinished)
    with shop.start(tick="1h") as daemon:
        daemon.wait_for(done)
        elsewhere = shop.home / "elsewhere.jsonl"
        elsewhere.symlink_to(shop.journal)
        told = vsync(shop.home, "ctl", "status", "--journal", elsewhere)
        assert told.returncode == 0, told.stderr
        assert daemon.stop() == 0


# --- what it does ----------------------------------------------------------------------------


def test_status_tells_the_health_by_its_exit_code(shop: Workshop, mount: str) -> None:
    done = following(shop, e.CycleFinished)
    with shop.start(tick="1h", numBuckets=4) as daemon:
        daemon.wait_for(done)
        told = ctl(shop, "status")
        assert (told.returncode, told.stderr) == (0, "")
        assert told.stdout.startswith("IN SYNC: ")
        assert ctl(shop, "pause", "--why", "disks are moved").returncode == 0
        told = ctl(shop, "status")
        assert told.returncode == 0
        assert told.stdout.startswith("PAUSED: ")
        assert "disks are moved" in told.stdout
        document = json.loads(ctl(shop, "status", "--json").stdout)
        assert document["word"] == "PAUSED"
        assert document["pause"]["why"] == "disks are moved"
        assert document["control"] == f"{shop.journal}.sock"
        assert ctl(shop, "resume").stdout == "resumed: cycles begin by themselves again\n"
        refused = following(shop, e.CycleFinished, outcome="refused")
        for number in range(GONE):
            shop.vault.purge(mount, f"secret-{number:02}")
        told = ctl(shop, "sync")
        assert (told.returncode, told.stdout) == (0, "a cycle begins now\n")
        daemon.wait_for(refused)
        told = ctl(shop, "status")
        assert told.returncode == 3
        assert told.stdout.startswith("REFUSED: ")
        halted = ctl(shop, "halt")
        assert (halted.returncode, halted.stdout) == (0, "it halts\n")
        assert daemon.wait() == 0


def test_failing_is_exit_code_1(workshop: Workshop) -> None:
    """The mount is not there for the first cycle to be complete."""
    workshop.vault.server.freeze()
    with workshop.start(tick="1h") as daemon:
        daemon.wait_for(came(e.CheckPassed))
        told = ctl(workshop, "status")
        assert told.returncode == 1
        assert told.stdout.startswith("BEHIND: ")
        workshop.vault.server.thaw()
        assert daemon.stop() == 0


def test_what_is_not_done_exits_1_and_says_why(shop: Workshop) -> None:
    done = following(shop, e.CycleFinished)
    with shop.start(tick="1h") as daemon:
        daemon.wait_for(done)
        for arguments, why in (
            (["abort"], "no cycle is running"),
            (["resume"], "it is not paused"),
            (["allow", "0123456789ab", "--yes"], "no refusal is known under this id"),
            (["pause", "--why", "x" * 501], "pause takes why of at most 500 characters"),
        ):
            told = ctl(shop, *arguments)
            assert (told.returncode, told.stdout) == (1, "")
            assert told.stderr.splitlines()[0] == f"vsync-sm: {why}"
        assert daemon.stop() == 0


def test_a_reason_may_be_any_word(shop: Workshop) -> None:
    """Also one that is a command, and starts no other handling of signals."""
    done = following(shop, e.CycleFinished)
    with shop.start(tick="1h") as daemon:
        daemon.wait_for(done)
        assert ctl(shop, "pause", "--why", "check [red] --headless \x1b[31m").returncode == 0
        assert daemon.stop() == 0
    assert events(shop.records(), e.TickerPaused)[0].why == "check [red] --headless \x1b[31m"


def test_ctrl_c_ends_the_waiting_for_an_answer(tmp_path: Path) -> None:
    """Also when a word on the command line is one with signals of its own."""
    journal = tmp_path / "j"
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(f"{journal}.sock")
        silent.listen()
        arguments = ["ctl", "pause", "--why", "check", "--journal", str(journal)]
        with Asked(tmp_path, *arguments) as asked:
            connection, _ = silent.accept()
            with connection:
                assert connection.recv(1000)
                asked.process.send_signal(signal.SIGINT)
                assert asked.process.wait(PATIENCE_S) == 128 + signal.SIGINT


# --- allow -----------------------------------------------------------------------------------


@pytest.fixture
def refusing(shop: Workshop, mount: str) -> Iterator[Daemon]:
    """A daemon that has just refused to let many paths vanish."""
    for number in range(GONE):
        shop.vault.purge(mount, f"secret-{number:02}")
    refused = following(shop, e.CycleFinished, outcome="refused")
    with shop.start(tick="1h") as daemon:
        daemon.wait_for(refused)
        yield daemon


def last_id(shop: Workshop) -> str:
    """The id of the last refusal."""
    return events(shop.records(), e.SaveRefused)[-1].allowance


def test_allow_shows_everything_and_asks_for_the_mounts_name(
    refusing: Daemon, shop: Workshop, mount: str
) -> None:
    before = shop.raw()
    arguments = ["ctl", "allow", last_id(shop), "--journal", str(shop.journal)]
    with Asked(shop.home, *arguments) as asked:
        asked.read_until("to allow it, anything else to leave it: ")
        assert f"{GONE} would vanish:" in asked.shown
        for number in range(GONE):
            assert f"  {mount}data/secret-{number:02}\r\n" in asked.shown
        assert "every destination deletes these" in asked.shown
        assert f"Type {mount} to allow it" in asked.shown
        assert asked.type("yes") == 1
        assert "nothing was allowed" in asked.shown
    assert not events(shop.records(), e.AllowanceGranted)
    with Asked(shop.home, *arguments) as asked:
        asked.read_until("to leave it: ")
        assert asked.type(mount) == 0
        assert "is allowed for the next save, within an hour" in asked.shown
    (granted,) = events(shop.records(), e.AllowanceGranted)
    assert (granted.allowance, granted.through) == (last_id(shop), "control socket")
    saved = following(shop, e.CycleFinished, outcome="saved")
    assert shop.raw() == before
    assert ctl(shop, "sync").returncode == 0
    refusing.wait_for(saved)
    assert shop.saved() == shop.alive()
    assert refusing.stop() == 0
    shop.replayed()


def test_ctrl_c_leaves_everything_as_it_is(refusing: Daemon, shop: Workshop) -> None:
    with Asked(shop.home, "ctl", "allow", last_id(shop), "--journal", str(shop.journal)) as asked:
        asked.read_until("to leave it: ")
        asked.process.send_signal(signal.SIGINT)
        assert asked.process.wait(PATIENCE_S) == 128 + signal.SIGINT
        assert "Traceback" not in asked.shown
    assert not events(shop.records(), e.CommandReceived)
    assert refusing.stop() == 0


def test_the_command_that_a_refusal_prints_is_the_one_that_works(
    refusing: Daemon, shop: Workshop
) -> None:
    refusing.signal(signal.SIGTERM)
    told = logged(refusing.process.communicate(timeout=PATIENCE_S)[1])
    (refusal,) = (line for line in told if line.get("type") == "save_refused")
    command = re.search(r"vsync-sm ctl allow .*", refusal["message"])
    assert command
    assert "It shows all that would happen, and asks" in refusal["message"]
    assert "Stop the daemon" not in refusal["message"]
    (said,) = (line for line in told if line["message"].startswith("control socket: "))
    assert said["message"] == f"control socket: {shop.journal}.sock"
    again = following(shop, e.CycleFinished, outcome="refused")
    with shop.start(tick="1h") as daemon:
        daemon.wait_for(again)
        words = shlex.split(command[0])[1:]
        allowed = vsync(Path("/"), *words, "--yes")
        assert allowed.returncode == 0, allowed.stderr
        assert f"{GONE} would vanish:" in allowed.stdout
        assert daemon.stop() == 0


# --- without a socket ------------------------------------------------------------------------


def test_a_foreign_file_in_its_place_is_kept_and_the_origin_runs_without(
    shop: Workshop, mount: str
) -> None:
    place = Path(f"{shop.journal}.sock")
    place.write_text("mine")
    for number in range(GONE):
        shop.vault.purge(mount, f"secret-{number:02}")
    done = following(shop, e.CycleFinished)
    with shop.start(tick="1h") as daemon:
        daemon.wait_for(done)
        told = ctl(shop, "status")
        assert told.returncode == 1
        daemon.signal()
        stderr = daemon.process.communicate(timeout=PATIENCE_S)[1]
        assert daemon.wait() == 0
    assert place.read_text() == "mine"
    assert f"there is no control socket: {place} is no socket, and is left as it is" in stderr
    assert "vsync-sm --headless --once" in stderr  # the way that is left to allow it
    assert events(shop.records(), e.RunStarted)[-1].control == ""


def test_who_runs_once_is_told_of_a_pause_and_not_held_by_it(shop: Workshop) -> None:
    done = following(shop, e.CycleFinished)
    with shop.start(tick="1h") as daemon:
        daemon.wait_for(done)
        assert ctl(shop, "pause", "--why", "disks").returncode == 0
        assert daemon.stop() == 0
    for arguments, code in ((["--headless", "--once"], 0), (["plan"], 0), (["check"], 0)):
        told = vsync(shop.home, *arguments, *on(shop))
        assert told.returncode == code, told.stderr
        assert "the origin is paused since " in told.stderr
        assert "disks; this one cycle was asked for all the same" in told.stderr
    assert Path(f"{shop.journal}.sock").exists() is False


def test_no_token_is_told_through_the_socket(refusing: Daemon, shop: Workshop) -> None:
    token = shop.vault.token
    said = [
        ctl(shop, "status").stdout,
        ctl(shop, "status", "--json").stdout,
        ctl(shop, "allow", last_id(shop), "--yes").stdout,
        shop.journal.read_text(),
    ]
    assert all(said)
    assert not any(token in each for each in said)
    assert refusing.stop() == 0
