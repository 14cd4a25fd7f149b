"""What must not hold the origin up, and what must be said although little works any more."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.origin.bench import Bench
from tests.origin.driver import FLUSHED, break_loop, drive, kill
from tests.origin.scenes import Scene, entered, until
from tests.workshop import Daemon, Workshop, events
from vsync_sm import wiring
from vsync_sm.core import events as e
from vsync_sm.core.errors import Fault, FaultKind, StoppedEarly
from vsync_sm.core.insight import NS, Insight
from vsync_sm.journal.reader import read_journal
from vsync_sm.journal.replay import replay
from vsync_sm.journal.writer import JournalWriter
from vsync_sm.operate.control import Control
from vsync_sm.origin.inbox import Inbox
from vsync_sm.origin.listing import SecretPath
from vsync_sm.origin.orders import Mode
from vsync_sm.origin.workers import Sender
from vsync_sm.origin.working import SyncInfo

CLEAN_STOP_S = 45.0
"""The rule says 5 s; the rest is for a busy machine. What it must not wait for takes a minute."""


@pytest.fixture
def shop(workshop: Workshop, mount: str) -> Workshop:
    """An origin that has saved once and has something to save again."""
    for number in range(6):
        workshop.vault.put(mount, f"secret-{number}")
    assert workshop.once().outcome == "saved"
    workshop.vault.put(mount, "secret-0")
    return workshop


def keeps(where: Path) -> dict[str, Any]:
    """The configuration of a program that keeps the fault that it is given."""
    code = f"import sys; open({str(where)!r}, 'w').write(sys.stdin.read())"
    return {"command": [sys.executable, "-c", code]}


# --- nobody reads what it says ---------------------------------------------------------------


@pytest.fixture
def full_pipe() -> Iterator[int]:
    """The end to write to of a pipe that takes nothing more and that nobody reads."""
    read, write = os.pipe()
    os.set_blocking(write, False)
    with suppress(BlockingIOError):
        while True:
            os.write(write, b"x" * 4096)
    os.set_blocking(write, True)
    yield write
    os.close(write)
    os.close(read)


def test_a_blocked_stderr_blocks_nothing_else(shop: Workshop, mount: str, full_pipe: int) -> None:
    with shop.start("--log-level", "debug", stderr=full_pipe, tick="50ms") as daemon:
        daemon.wait_for(lambda r: isinstance(r.event, e.SaveCommitted) and r.run != first(shop))
        shop.vault.put(mount, "secret-1")
        until(lambda: shop.saved() == shop.alive())
        asked = time.monotonic()
        assert daemon.stop() == 0
        assert time.monotonic() - asked < CLEAN_STOP_S
    shop.replayed()


def first(shop: Workshop) -> str:
    """The journal's first run."""
    return shop.records()[0].run


# --- a journal that takes its time -----------------------------------------------------------

LONG = 3 * wiring.STOP_ASKED_EVERY


def lengthen(shop: Workshop) -> None:
    """As after hours of a large tree: many lines of the last run."""
    last = shop.records()[-1]
    insight = {"version": 1, "updateTime": "2026-11-02T09:00:00Z", "type": "kvV2"}
    line = {
        "v": 1,
        "seq": 0,
        "ts": last.ts,
        "mono": last.mono,
        "run": last.run,
        "cycle": 1,
        "type": "insight_generated",
        "worker": 1,
        "path": "kv/data/a",
        "insight": insight,
        "change": "unchanged",
    }
    head, _, rest = json.dumps(line).partition('"seq": 0')
    with shop.journal.open("a") as journal:
        journal.writelines(
            f'{head}"seq": {seq}{rest}\n' for seq in range(last.seq + 1, last.seq + LONG)
        )


def test_a_signal_while_a_long_journal_is_read(shop: Workshop) -> None:
    lengthen(shop)
    before, size = shop.raw(), shop.journal.stat().st_size
    program = shop.home / "program"
    program.write_text(
        "import os, signal, sys\n"
        "from vsync_sm import cli\n"
        "from vsync_sm.journal.reader import JournalReader\n"
        "real = JournalReader.records\n"
        "def records(reader):\n"
        "    for number, record in enumerate(real(reader)):\n"
        "        if number == 100:\n"
        "            os.kill(os.getpid(), signal.SIGTERM)\n"
        "        yield record\n"
        "JournalReader.records = records\n"
        "sys.exit(cli.main(sys.argv[1:]))\n"
    )
    config = shop.write_config()
    arguments = ["--headless", "--config", str(config), "--journal", str(shop.journal)]
    with Daemon([sys.executable, str(program), *arguments], shop.journal) as daemon:
        assert daemon.wait() == 0
    assert shop.journal.stat().st_size == size, "it was not read to its end: no run began"
    assert shop.raw() == before


def test_a_stop_is_looked_for_from_time_to_time(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wiring, "STOP_ASKED_EVERY", 5)
    asked = iter([False, False, True])
    with pytest.raises(StoppedEarly):
        wiring.recall(shop.journal, lambda: next(asked))
    with pytest.raises(StoppedEarly):
        wiring.engine(shop.settings(), Mode.once, shop.journal, Inbox(), stop_asked=lambda: True)
    assert shop.once().code == 0, "the journal was given back"


def test_the_journal_is_given_back_whatever_else_does_not_end(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def close(control: Control) -> None:
        really(control)
        raise RuntimeError("it does not end")

    really = Control.close
    settings = shop.settings()
    with monkeypatch.context() as broken:
        broken.setattr(Control, "close", close)
        broken.setattr(wiring, "servers", None)
        with pytest.raises(RuntimeError, match="it does not end"):
            wiring.engine(settings, Mode.daemon, shop.journal, Inbox())
    JournalWriter.open(shop.journal).close()


# --- what a human hears ----------------------------------------------------------------------


def test_a_fault_before_the_run_is_told_to_a_human(shop: Workshop) -> None:
    """With a journal that is damaged no run begins, so none can say so."""
    told, before = shop.home / "told.json", shop.raw()
    head, _, rest = shop.journal.read_text().partition("\n")
    shop.journal.write_text(f"{head}\ngarbage\n{rest}")
    driven = drive(shop, notify=keeps(told))
    assert driven.process.returncode == 1
    fault = json.loads(told.read_text())
    assert (fault["kind"], fault["fatal"]) == ("journal", True)
    assert "line 2" in fault["message"]
    assert shop.raw() == before


def test_a_mistake_on_the_command_line_is_told_to_nobody_else(shop: Workshop) -> None:
    told = shop.home / "told.json"
    driven = drive(shop, arguments=["--allow", "0123456789ab"], notify=keeps(told))
    assert driven.process.returncode == 2
    assert not told.exists()


def test_a_failed_check_stands_before_its_fault(shop: Workshop) -> None:
    run = shop.once(mounts=["nothing-there/"])
    assert run.code == 1
    told = [type(record.event) for record in run.records]
    assert told.index(e.CheckFailed) < told.index(e.FaultRaised)
    assert len(run.all(e.CheckFailed)) == 1
    shop.replayed()


def test_failures_before_a_crash_count(bench: Bench) -> None:
    """Two cycles failed, the third died with its process: the next run tells a human at once."""
    before, shop, told = bench.begin(("a",)), bench.shop, bench.shop.home / "told.json"
    bench.on_list().answer(503, {"errors": ["Vault is sealed"]})
    how: dict[str, Any] = {"notify": {**keeps(told), "afterFailures": 3}}
    for _ in range(2):
        assert shop.once(**how).faults == ["sealed"]
    drive(shop, kill(FLUSHED, dest="listing"), arguments=["--once"], **how)
    assert not told.exists()
    run = shop.once(**how)
    kinds = [type(record.event) for record in run.records[:3]]
    assert kinds == [e.RunStarted, e.RunRecovered, e.FaultRaised]
    assert run.faults == ["keeps_failing", "sealed"]
    assert json.loads(told.read_text())["kind"] == "keeps_failing"
    assert shop.once(**how).faults == ["sealed"], "a human was told"
    assert bench.raw() == before


# --- a loop that breaks ----------------------------------------------------------------------

BREAKS: dict[str, dict[str, Any]] = {
    "checking": {"type": "check_passed"},
    "listing": {"type": "sync_info_read"},
    "working": {"type": "insight_generated", "nth": 3},
    "saving": {"dest": "saving"},
    "saved": {"type": "save_committed"},
}


@pytest.mark.parametrize("moment", BREAKS)
def test_a_broken_invariant_in_the_loop(shop: Workshop, moment: str) -> None:
    """Nobody expects it: said, told to a human, and left as a crash for the next run."""
    told, before = shop.home / "told.json", shop.raw()
    driven = drive(shop, break_loop(**BREAKS[moment]), notify=keeps(told))
    assert driven.process.returncode == 1
    assert "nobody may see" not in driven.stderr + shop.journal.read_text() + told.read_text()
    assert "invariant" in shop.journal.read_text().splitlines()[-1]
    last = shop.records()[-1].event
    assert isinstance(last, e.FaultRaised)
    assert (last.kind, last.fatal) == ("invariant", True)
    assert json.loads(told.read_text())["kind"] == "invariant"
    if moment != "saved":
        assert shop.raw() == before
    run = shop.once()
    assert (run.code, len(run.all(e.RunRecovered))) == (0, 1)
    assert shop.saved() == shop.alive()
    story = replay(read_journal(shop.journal))
    assert "ends without a word: it crashed while" in "".join(story)
    assert story.ok


def test_a_broken_invariant_in_this_process(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ValueError("a value that nobody may see")

    before = shop.raw()
    monkeypatch.setattr("vsync_sm.origin.engine.save_started", broken)
    with pytest.raises(Fault) as caught:
        shop.once()
    assert caught.value.kind is FaultKind.INVARIANT
    assert "nobody may see" not in str(caught.value)
    assert events(shop.records(), e.FaultRaised)[-1].kind == "invariant"
    assert shop.raw() == before


def _never_sent(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    take = Sender.take

    def skip(sender: Sender) -> SecretPath | None:
        taken = take(sender)
        passed_by = taken is not None and path.endswith(f"/{taken.path}")
        return take(sender) if passed_by else taken

    monkeypatch.setattr(Sender, "take", skip)


def _never_kept(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    put = SyncInfo.put

    def lose(held: SyncInfo, given: str, insight: Insight) -> None:
        if given != path:
            put(held, given, insight)

    monkeypatch.setattr(SyncInfo, "put", lose)


@pytest.mark.parametrize(
    ("slip", "said"),
    [
        (_never_sent, "{all} paths were listed, but {rest} have ended"),
        (_never_kept, "{all} insights were told, but the sync info to be holds {rest}"),
    ],
)
@pytest.mark.parametrize("way", ["off", "auto"])
def test_a_slip_of_its_own_that_loses_a_path_saves_nothing(
    shop: Workshop,
    monkeypatch: pytest.MonkeyPatch,
    slip: Callable[[str, pytest.MonkeyPatch], None],
    said: str,
    way: str,
) -> None:
    """One path of many is a deletion that no other rule would stop."""
    before, alive = shop.raw(), sorted(shop.alive())
    slip(alive[0], monkeypatch)
    run = shop.once(vault={"detailedMetadata": way})
    assert (run.code, run.outcome) == (1, "aborted fatal")
    fault = run.one(e.FaultRaised)
    assert (fault.kind, fault.fatal) == ("invariant", True)
    assert said.format(all=len(alive), rest=len(alive) - 1) in fault.message
    assert "report it" in fault.hint
    assert not run.all(e.SaveStarted)
    assert shop.raw() == before
    shop.replayed()


# --- a machine that sleeps -------------------------------------------------------------------


@pytest.mark.parametrize("state", ["listing", "working", "reindexing"])
def test_a_machine_that_was_suspended_aborts_the_cycle(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    """What was true eight hours ago is not saved. Only one of Linux's clocks goes on meanwhile."""
    before, slept = shop.raw(), [0]
    real = time.clock_gettime_ns

    def gettime(clock: int) -> int:
        return real(clock) + (slept[0] if clock == time.CLOCK_BOOTTIME else 0)

    monkeypatch.setattr(time, "clock_gettime_ns", gettime)
    scene = Scene(shop)
    scene.on(entered(state), lambda: slept.__setitem__(0, 8 * 3600 * NS))
    run = scene.run(Mode.once, timeout="60s")
    assert (run.code, run.outcome) == (3, "aborted timeout")
    assert shop.raw() == before
    slept[0] = 0
    assert shop.once().outcome == "saved"
