"""`vsync-tui` as it is started: what may be said, what is answered, and how an origin ends here."""

from __future__ import annotations

import gzip
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from textual.pilot import Pilot

from tests.commandline import environment, vsync
from tests.tui.nights import NIGHTS
from tests.tui.piloted import JOURNAL, Clock, Handed, piloted, until
from tests.workshop import PATIENCE_S
from tui import cli
from tui.app import Console
from tui.flags import parse
from tui.glance import Badge
from tui.live import LiveOrigin, Signals
from tui.terminal import BACKLOG, Terminal
from vsync_sm import __version__
from vsync_sm.core.errors import Fault, FaultKind
from vsync_sm.journal.named import ATTACH, REPLAY, mistaken
from vsync_sm.origin.inbox import CommandCame, Inbox, SignalCame


def run(home: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """`vsync-tui` to its end, without a terminal."""
    return subprocess.run(
        [sys.executable, "-m", "tui.cli", *map(str, arguments)],
        cwd=home,
        env=environment(home, PYTHONPATH=os.pathsep.join(sys.path)),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


# --- what may be said ------------------------------------------------------------------------


def test_help_teaches(tmp_path: Path) -> None:
    told = run(tmp_path, "--help")
    assert told.returncode == 0
    for word in ("--attach", "--replay", "--demo", "--readonly", "exit codes", "q  ", "H halt"):
        assert word in told.stdout
    assert max(map(len, told.stdout.splitlines())) <= 100
    assert run(tmp_path, "--version").stdout == f"vsync-tui {__version__}\n"


@pytest.mark.parametrize(
    ("said", "wrong", "hint"),
    [
        (["--atach"], "there is no --atach", "did you mean --attach?"),
        (["--headless"], "there is no --headless", "vsync-sm takes --headless"),
        (["--token=s.xyz"], "there is no --token", "no flag takes a secret"),
        (["a b"], "'a b' is named by no flag", "--attach 'a b'; a finished one: --replay 'a b'"),
        (["c.yaml"], "c.yaml is named by no flag", "a configuration: vsync-tui --config c.yaml"),
        (["--demo", "x"], "x is named by no flag", "leave it out"),
        (["--replay"], "argument --replay: expected one argument", "--help tells"),
        (["--attach", "--demo"], "--attach and --demo do not go together", "leave one"),
        (["--replay", "j", "--attach"], "--attach and --replay do not go", "leave one"),
        (["--replay", "j", "--config", "c"], "--replay takes no --config", "leave it out"),
        (["--attach", "j", "--workers", "2"], "--attach takes no --workers", "leave it out"),
        (["--demo", "--journal", "j"], "--demo takes no --journal", "leave it out"),
        (["--attach", "j", "--journal", "k"], "--attach j names the journal already", "--journal"),
    ],
)
def test_mistakes_are_answered(
    said: list[str], wrong: str, hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        parse(said)
    assert end.value.code == 2
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith(f"vsync-tui: {wrong}")
    assert second.startswith("  → ")
    assert hint in second
    assert "xyz" not in first + second


@pytest.mark.parametrize("said", [[], ["--attach"], ["--demo"], ["--replay", "j"]])
def test_without_a_terminal_it_says_so(tmp_path: Path, said: Sequence[str]) -> None:
    told = run(tmp_path, *said)
    assert told.returncode == 2
    assert told.stdout == ""
    assert told.stderr.splitlines()[0] == "vsync-tui: this is no terminal to show a screen on"


def test_a_flag_is_judged_before_the_terminal(tmp_path: Path) -> None:
    assert "did you mean --replay?" in run(tmp_path, "--reply").stderr


def test_vsync_sm_does_not_load_the_console(tmp_path: Path) -> None:
    assert vsync(tmp_path, "--help").returncode == 0
    program = "import sys, tui.cli; print(*sys.modules)"
    told = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert "tui.cli" in told.stdout.split()
    assert "textual" not in told.stdout.split()  # --help and mistakes are answered at once


# --- ways in, up to the screen ---------------------------------------------------------------


@pytest.fixture
def _on_a_terminal(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(cli, "_has_terminal", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("_on_a_terminal")
def test_a_missing_journal_is_a_mistake_in_replay(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["--replay", str(tmp_path / "none")]) == 2
    assert f"there is no journal {tmp_path / 'none'}" in capsys.readouterr().err


@pytest.mark.usefixtures("_on_a_terminal")
@pytest.mark.parametrize(
    ("said", "wrong", "hint"),
    [
        ("--attach full", "full is a directory, and no", "mean vsync-tui --attach full/j.jsonl?"),
        ("--replay two", "two is a directory, and no", "mean vsync-tui --replay two/a.jsonl?"),
        ("--replay empty", "empty is a directory, and no journal", "name the journal's file: "),
        ("--replay /dev/null", "/dev/null is not a file, and no", "name the journal's file: "),
        ("--attach c.yaml", "c.yaml is no journal", "vsync-tui --attach --config c.yaml"),
        ("--replay c.yaml", "c.yaml is no journal", "name the journal's file: "),
        ("--attach j/k", "cannot read the journal j/k: Not a directory", "as the user that"),
    ],
)
def test_what_can_be_no_journal_is_a_mistake(
    said: str, wrong: str, hint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "empty").mkdir()
    (tmp_path / "two").mkdir()
    (tmp_path / "two/a.jsonl").touch()
    (tmp_path / "two/b.jsonl").touch()
    (tmp_path / "full/j.jsonl").touch()
    (tmp_path / "j").touch()
    (tmp_path / "c.yaml").write_text("numBuckets: 4\n")
    assert cli.main(said.split()) == 2
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith(f"vsync-tui: {wrong}")
    assert hint in second


@pytest.mark.parametrize("begin", [None, b"", b'{"', b'{"v":1,', b"\0\0\0"])
def test_what_may_become_a_journal_is_awaited(tmp_path: Path, begin: bytes | None) -> None:
    journal = tmp_path / "journal.jsonl"
    if begin is not None:
        journal.write_bytes(begin)
    assert mistaken(journal, ATTACH) is None


def test_what_is_looked_at_afterwards_may_be_a_directory_or_one_closed_file(tmp_path: Path) -> None:
    (tmp_path / "journal.jsonl").touch()
    packed = tmp_path / "journal.jsonl.000001.gz"
    packed.write_bytes(gzip.compress(b"{}"))
    assert mistaken(tmp_path, REPLAY) is mistaken(packed, REPLAY) is None
    assert mistaken(tmp_path, ATTACH) is not None
    assert mistaken(packed, ATTACH) is not None


@pytest.mark.usefixtures("_on_a_terminal")
@pytest.mark.parametrize("said", [[], ["--attach"], ["--demo"], ["--replay", "j"]])
def test_a_terminal_that_knows_no_escapes_gets_none(
    said: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TERM", "dumb")
    assert cli.main(said) == 2
    told = capsys.readouterr()
    assert told.err.startswith("vsync-tui: TERM=dumb says that this terminal can show no screen\n")
    assert "vsync-sm ctl status" in told.err
    assert "\x1b" not in told.out + told.err


def test_a_journal_that_takes_its_time_leaves_no_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    reading = cli._Reading("reading the journal j")
    assert not reading.more()
    reading.clear()
    told = capsys.readouterr().err
    assert "reading the journal j: " in told
    assert told.endswith("\r\x1b[K")


@pytest.mark.usefixtures("_on_a_terminal")
def test_mistakes_in_the_configuration_are_told_before_the_screen(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("numBuckets: many\norigin: {tick: soon}\n")
    assert cli.main(["--config", str(file)]) == 2
    told = capsys.readouterr().err
    assert "numBuckets" in told
    assert "tick" in told
    assert not (tmp_path / "state").exists()


@pytest.mark.usefixtures("_on_a_terminal")
@pytest.mark.parametrize(
    ("said", "variable", "named"),
    [
        (["--attach", "a.jsonl"], "", "a.jsonl"),
        (["--attach", "--journal", "b.jsonl"], "", "b.jsonl"),
        (["--attach"], "c.jsonl", "c.jsonl"),
        (["--attach"], "", "state/vsync-sm/journal.jsonl"),
        (["--attach", "--config", "d.yaml"], "", "d.jsonl"),
        (["--attach", "--config", "d.yaml"], "c.jsonl", "c.jsonl"),
    ],
)
def test_the_journal_to_attach_to(
    said: list[str], variable: str, named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VSYNC_JOURNAL_FILE", variable)
    (tmp_path / "d.yaml").write_text("journal: {file: d.jsonl}\n")  # who only looks needs no token
    journal = cli._journal_to_attach(parse(said))
    assert journal.absolute() == tmp_path / named


@pytest.mark.usefixtures("_on_a_terminal")
def test_the_journal_to_attach_to_may_stand_in_the_file_of_this_directory(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("journal: {file: here.jsonl}\n")
    assert cli._journal_to_attach(parse(["--attach"])).absolute() == tmp_path / "here.jsonl"


def test_who_finds_the_journal_taken_is_told_to_attach() -> None:
    fault = Fault(
        FaultKind.JOURNAL,
        "another vsync writes the journal /a b",
        hint="stop the other one",
        context={"journal": "/a b"},
    )
    assert cli._hint(fault) == "look at that one: vsync-tui --attach '/a b'"
    other = Fault(FaultKind.JOURNAL, "cannot open it", hint="let this user write there")
    assert cli._hint(other) == "let this user write there"


# --- the origin in this process --------------------------------------------------------------


HALTED = 77


class Engine:
    """Runs until it hears a signal or a halt, or fails."""

    def __init__(self, inbox: Inbox, fault: Fault | None = None) -> None:
        self._inbox = inbox
        self._fault = fault

    def run(self) -> int:
        """To the end."""
        if self._fault is not None:
            raise self._fault
        while True:
            for message in self._inbox.take(1.0):
                if isinstance(message, SignalCame):
                    return message.number
                if isinstance(message, CommandCame):
                    return HALTED


def origin_of(
    fault: Fault | None = None, close: Callable[[], None] = lambda: None
) -> tuple[LiveOrigin, Inbox]:
    """An origin on a thread of its own, and its inbox."""
    inbox = Inbox()
    return LiveOrigin(Engine(inbox, fault), inbox, close), inbox


def asked(inbox: Inbox) -> list[tuple[str, str, str]]:
    """What lies there: commands, who asks, and through what."""
    came = inbox.take(0.0)
    assert all(isinstance(each, CommandCame) for each in came), came
    return [
        (each.command, each.asker.by, each.asker.through)
        for each in came
        if isinstance(each, CommandCame)
    ]


def test_halting_twice_is_not_insisting() -> None:
    origin, inbox = origin_of()
    origin.hear(signal.SIGHUP)
    origin.halt("ada")
    origin.halt("ada")
    assert list(inbox.take(0.0)) == [SignalCame(signal.SIGHUP)]
    origin.insist()
    assert list(inbox.take(0.0)) == [SignalCame(signal.SIGINT)]


def test_insisting_on_a_halt_by_command_is_two_signals() -> None:
    origin, inbox = origin_of()
    origin.halt("ada")
    assert asked(inbox) == [("halt", "ada", "console")]
    origin.insist()
    assert list(inbox.take(0.0)) == [SignalCame(signal.SIGINT)] * 2


def test_a_terminal_that_goes_away_asks_once() -> None:
    origin, inbox = origin_of()
    origin.halt("the console")  # what could not be written any more
    origin.hear(signal.SIGHUP)  # the kernel
    origin.hear(signal.SIGHUP)  # the shell
    assert asked(inbox) == [("halt", "the console", "console")]
    origin.hear(signal.SIGINT)
    assert list(inbox.take(0.0)) == [SignalCame(signal.SIGINT)]


def test_a_request_for_a_cycle_is_no_halt() -> None:
    origin, inbox = origin_of()
    origin.hear(signal.SIGUSR1)
    assert inbox.take(0.0) == [SignalCame(signal.SIGUSR1)]
    origin.halt("ada")
    assert asked(inbox) == [("halt", "ada", "console")]


def test_the_console_ends_with_the_origin() -> None:
    closed = threading.Event()
    origin, _ = origin_of(close=closed.set)
    app = Console(
        Handed(NIGHTS["waiting"]().view, Badge.LIVE), None, journal=JOURNAL, origin=origin
    )

    async def test(_: Console, __: Pilot[int]) -> None:
        assert not origin.over
        origin.hear(signal.SIGTERM)
        await until(lambda: app.return_value is not None)

    assert piloted(app, test) == signal.SIGTERM
    assert closed.is_set()
    assert origin.wait(0)


@pytest.mark.parametrize("where", ["run", "close"])
def test_a_fault_of_the_engine_ends_the_console(where: str) -> None:
    fault = Fault(FaultKind.JOURNAL, "the disk is full")

    def fail() -> None:
        raise fault

    origin, inbox = origin_of(fault) if where == "run" else origin_of(close=fail)
    inbox.post(SignalCame(signal.SIGTERM))
    app = Console(
        Handed(NIGHTS["waiting"]().view, Badge.LIVE), None, journal=JOURNAL, origin=origin
    )

    async def test(_: Console, __: Pilot[int]) -> None:
        await until(lambda: app.return_value is not None)

    assert piloted(app, test) == 1
    assert origin.fault is fault
    assert origin.code == 1


def test_an_origin_that_never_began_is_given_back() -> None:
    closed: list[int] = []
    origin, _ = origin_of(close=lambda: closed.append(1))
    origin.end(PATIENCE_S)
    assert closed == [1]


def test_an_origin_that_goes_on_is_halted_and_waited_for() -> None:
    origin, _ = origin_of()
    origin.start(lambda: None)
    origin.end(PATIENCE_S)
    assert origin.code == HALTED
    origin.end(PATIENCE_S)  # over: nothing is left to do
    assert origin.over


def test_a_signal_that_comes_before_the_screen_is_not_lost() -> None:
    app = Console(Handed(NIGHTS["waiting"]().view), None, journal=JOURNAL)
    app.leave_soon(143)

    async def test(_: Console, __: Pilot[int]) -> None:
        await until(lambda: app.return_value is not None)

    assert piloted(app, test) == 143


def test_signals_are_heard_and_given_back() -> None:
    before = signal.getsignal(signal.SIGUSR1)
    heard: list[int] = []
    signals = Signals(heard.append)
    try:
        signal.raise_signal(signal.SIGUSR1)
        assert not signals.asked_to_stop()
        signal.raise_signal(signal.SIGHUP)
        assert signals.asked_to_stop()
    finally:
        signals.close()
    assert heard == [signal.SIGUSR1, signal.SIGHUP]
    assert signal.getsignal(signal.SIGUSR1) is before


def test_last_words_tell_why_and_where() -> None:
    origin, _ = origin_of()
    view = NIGHTS["halted"]().view
    assert view.ended is not None
    words = list(cli._last_words(origin, view, Path("/j")))
    assert view.ended.why in words[0]
    assert "exit code 1" in words[0]
    assert words[1] == f"  → {view.faults[-1].event.hint}"
    assert words[-2:] == ["Its journal: /j", "What happened: vsync-sm replay /j"]


# --- the terminal ----------------------------------------------------------------------------


def test_what_is_written_comes_out_in_order() -> None:
    read, write = os.pipe()
    terminal = Terminal(write)
    for number in range(100):
        terminal.write(f"{number} ä\n")
    assert terminal.drain(PATIENCE_S)
    os.close(write)
    with os.fdopen(read, encoding="utf-8") as file:
        assert file.read() == "".join(f"{number} ä\n" for number in range(100))


def test_a_terminal_that_takes_nothing_holds_up_nothing() -> None:
    read, write = os.pipe()
    terminal = Terminal(write)
    late = threading.Event()
    terminal.late = late.set
    page = "x" * 65_536
    for _ in range(3 * BACKLOG // len(page)):
        terminal.write(page)
    assert not terminal.drain(0.0)
    assert terminal._size <= BACKLOG + len(page)
    taken: list[bytes] = []

    def take() -> None:
        while data := os.read(read, 1_000_000):
            taken.append(data)

    taking = threading.Thread(target=take)
    taking.start()  # it goes on
    assert late.wait(PATIENCE_S)
    terminal.write("again")
    assert terminal.drain(PATIENCE_S)
    os.close(write)
    taking.join()
    os.close(read)
    shown = b"".join(taken)
    assert shown.endswith(b"xagain")
    assert BACKLOG < len(shown) < BACKLOG + 3 * len(page)


def test_what_a_slow_terminal_has_not_shown_can_be_left_out() -> None:
    read, write = os.pipe()
    terminal = Terminal(write)
    page = "x" * 65_536
    for _ in range(10):
        terminal.write(page)
    terminal.skip()
    terminal.write("in order again")
    left: list[bytes] = []

    def take() -> None:
        while data := os.read(read, 1_000_000):
            left.append(data)

    taking = threading.Thread(target=take)
    taking.start()
    assert terminal.drain(PATIENCE_S)
    os.close(write)
    taking.join()
    os.close(read)
    assert b"".join(left).endswith(b"in order again")
    assert len(b"".join(left)) < 5 * len(page)


def test_a_terminal_that_is_gone_is_noticed_once() -> None:
    read, write = os.pipe()
    os.close(read)
    terminal = Terminal(write)
    gone = threading.Semaphore(0)
    terminal.gone = gone.release
    terminal.write("x")
    assert gone.acquire(timeout=PATIENCE_S)
    terminal.write("y")
    assert terminal.drain(PATIENCE_S)
    assert not gone.acquire(blocking=False)
    os.close(write)


def test_a_clock_that_stands_makes_a_picture_that_stands() -> None:
    night = NIGHTS["working"]()
    clock = Clock(night.now.wall)

    def look() -> list[str]:
        seen: list[str] = []

        async def test(app: Console, _: Pilot[int]) -> None:
            app.paint_now()
            seen.extend(str(each.render()) for each in app.query("Title, AnswerBar, Strip"))

        piloted(Console(Handed(night.view), None, journal=JOURNAL, clock=clock), test)
        return seen

    assert look() == look()
