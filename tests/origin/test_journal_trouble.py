"""A journal that cannot be written: said with what to do, nothing saved after it, and mended."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.origin.driver import drive, fill_disk, send
from tests.workshop import Workshop, events
from vsync_sm.core import events as e


@pytest.fixture
def shop(workshop: Workshop, mount: str) -> Workshop:
    """An origin that has saved once and has something to save again."""
    for number in range(6):
        workshop.vault.put(mount, f"secret-{number}")
    assert workshop.once().outcome == "saved"
    workshop.vault.put(mount, "secret-0")
    return workshop


FULL: dict[str, dict[str, Any]] = {
    "start": {"type": "run_started"},
    "checking": {"type": "check_passed", "nth": 2},
    "waiting": {"dest": "waiting"},
    "listing": {"type": "sync_info_read"},
    "working": {"type": "insight_generated", "nth": 3},
    "right before save_started": {"dest": "saving"},
}


@pytest.mark.parametrize(
    ("moment", "room"), [*((moment, 40) for moment in FULL), ("start", 0), ("working", 0)]
)
def test_a_full_disk_halts_it_and_saves_nothing(shop: Workshop, moment: str, room: int) -> None:
    """`room` bytes of the next line still fit: a torn one is left."""
    before, journal = shop.raw(), shop.journal.read_bytes()
    driven = drive(shop, fill_disk(room, written=True, **FULL[moment]), log={"level": "error"})
    assert driven.process.returncode == 1
    said = driven.stderr
    assert f"cannot write the journal {shop.journal}: File too large" in said
    assert "→ raise the limit of a file's size" in said
    assert shop.raw() == before
    left = shop.journal.read_bytes()
    assert left.startswith(journal)
    assert not events(shop.records()[len(journal.splitlines()) :], e.SaveStarted)
    torn = not left.endswith(b"\n")
    run = shop.once()
    assert run.code == 0
    assert len(run.all(e.JournalRepaired)) == torn
    assert len(run.all(e.RunRecovered)) == (left.count(b"\n") > journal.count(b"\n"))
    assert shop.saved() == shop.alive()
    shop.replayed()


def test_a_full_disk_under_save_started_itself(shop: Workshop) -> None:
    """The order to save does not lie on the disk whole: not a byte goes to Consul."""
    before = shop.raw()
    driven = drive(shop, fill_disk(20, type="save_started"))
    assert driven.process.returncode == 1
    assert shop.raw() == before
    run = shop.once()
    assert not run.all(e.SaveReconciled)
    assert [repaired.what for repaired in run.all(e.JournalRepaired)]
    assert shop.saved() == shop.alive()
    shop.replayed()


def test_a_full_disk_after_a_save_is_settled_by_the_next_run(shop: Workshop) -> None:
    driven = drive(shop, fill_disk(0, type="save_committed"))
    assert driven.process.returncode == 1
    assert shop.saved() == shop.alive()
    run = shop.once()
    assert run.one(e.SaveReconciled).outcome == "committed"
    assert run.one(e.RunRecovered).open_save
    assert run.outcome == "unchanged"
    shop.replayed()


@pytest.mark.parametrize("ends", ["by itself", "by a signal"])
def test_a_human_is_told_of_a_full_disk(shop: Workshop, ends: str) -> None:
    """The journal cannot hold it any more, but the program is run all the same."""
    told = shop.home / "told.json"
    wait = "" if ends == "by itself" else "import time; time.sleep(60)"
    code = f"import sys, shutil; shutil.copyfileobj(sys.stdin, open({str(told)!r}, 'w')); {wait}"
    steps = [fill_disk(0, type="sync_info_read")]
    if ends == "by a signal":
        steps.append(send(15, type="sync_info_read"))
    driven = drive(shop, *steps, notify={"command": [sys.executable, "-c", code]})
    assert driven.process.returncode == 1
    if ends == "by itself":
        fault = json.loads(told.read_text())
        assert (fault["kind"], fault["fatal"]) == ("journal", True)
        assert str(shop.journal) in fault["message"]


@pytest.mark.parametrize("new", ["nothing", "an empty file"])
def test_a_journal_that_is_moved_away_meanwhile(shop: Workshop, mount: str, new: str) -> None:
    """As log rotation does: what is written from then on nobody would find, nor be locked out."""
    with shop.start(tick="50ms") as daemon:
        daemon.wait_for(lambda r: isinstance(r.event, e.SaveCommitted) and (r.cycle or 0) > 1)
        before = shop.raw()
        shop.journal.rename(shop.home / "rotated.jsonl")
        if new != "nothing":
            shop.journal.touch()
        shop.vault.put(mount, "secret-1")
        assert daemon.wait() == 1
        assert daemon.process.stderr
        assert "cannot sync the journal" in daemon.process.stderr.read()
    assert shop.raw() == before
    assert not shop.journal.exists() or not shop.journal.read_bytes()


# --- a journal that cannot be opened ---------------------------------------------------------


def test_a_second_daemon_on_the_same_journal(shop: Workshop) -> None:
    with shop.start(tick="1h") as daemon:
        daemon.wait_for(
            lambda r: isinstance(r.event, e.RunStarted) and r.event.pid == daemon.process.pid
        )
        before = len(events(shop.records(), e.RunStarted))
        second = drive(shop)
        assert second.process.returncode == 1
        assert "another vsync writes the journal" in second.stderr
        assert "→ stop the other one, or give this one a journal of its own" in second.stderr
        assert len(events(shop.records(), e.RunStarted)) == before
        assert daemon.stop() == 0
    shop.replayed()


def unwritable(home: Path) -> dict[str, Any]:
    """Places where no journal can lie, whoever runs the test."""
    plain = home / "plain"
    plain.write_text("")
    directory = home / "directory"
    directory.mkdir()
    foreign = home / "foreign"
    foreign.write_text("this is my diary\n")
    pipe = home / "pipe"
    os.mkfifo(pipe)
    return {
        "below a file": plain / "journal.jsonl",
        "a directory": directory,
        "no journal": foreign,
        "a pipe": pipe,
        "nowhere": Path("/proc/none/journal.jsonl"),
    }


WORDS = {
    "below a file": "cannot open the journal",
    "a directory": "Is a directory",
    "no journal": "this is no journal",
    "a pipe": "is not a file",
    "nowhere": "cannot open the journal",
}


@pytest.mark.parametrize("place", WORDS)
def test_a_place_where_no_journal_can_be(workshop: Workshop, place: str) -> None:
    workshop.journal = unwritable(workshop.home)[place]
    driven = drive(workshop)
    assert driven.process.returncode == 1
    said = driven.stderr.partition("journal: ")[2]
    assert str(workshop.journal) in said
    assert WORDS[place] in said
    assert " → " in said
    assert workshop.raw() == {}
