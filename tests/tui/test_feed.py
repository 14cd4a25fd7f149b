"""The feeds: journals that grow, are missing, replaced, cut, damaged or mended."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable
from copy import deepcopy
from itertools import count
from pathlib import Path

import orjson
import pytest

from tests.journal.segmented import Folded, pack, write_runs
from tests.tui.nights import NIGHTS, damaged
from tests.workshop import PATIENCE_S, Workshop
from tui.feed import BATCH, NEWER, LiveFeed, Look
from tui.follow import CUT, REPLACED, Follower, FollowFeed
from vsync_sm.core import events as e
from vsync_sm.core.errors import JournalError
from vsync_sm.core.view import View, apply
from vsync_sm.journal.codec import encode
from vsync_sm.journal.reader import read_journal
from vsync_sm.journal.segments import closed_segments


def fold(records: Iterable[e.Record]) -> View:
    """The view after all of them."""
    view = View()
    for record in records:
        view = apply(view, record)
    return view


def lines(name: str) -> list[bytes]:
    """The lines of a night's journal."""
    return [encode(record) for record in NIGHTS[name]().records]


def steps(follower: Follower) -> Look:
    """What a follower knows once it has nothing more to take in."""
    while follower.step():
        pass
    return follower.look


def newer(seq: int) -> bytes:
    """A line that only a newer vsync understands."""
    line = {"v": 9, "seq": seq, "ts": "2026-11-02T10:00:00.000000Z", "mono": 1, "run": "r"}
    return orjson.dumps({**line, "type": "moon_risen"}) + b"\n"


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """Where a journal would lie."""
    return tmp_path / "journal.jsonl"


def test_a_missing_journal_is_awaited(journal: Path) -> None:
    follower = Follower(journal)
    assert steps(follower).note == f"waiting for the journal {journal}"
    journal.write_bytes(NIGHTS["waiting"]().text())
    look = steps(follower)
    assert (look.view, look.note, look.damage) == (NIGHTS["waiting"]().view, "", "")


def test_a_journal_is_followed_as_it_grows(journal: Path) -> None:
    text = b"".join(lines("waiting"))
    half = len(text) // 2 + 7
    assert text[half - 1 : half] != b"\n"
    journal.write_bytes(text[:half])
    follower = Follower(journal)
    first = steps(follower)
    assert 0 < first.view.seq < NIGHTS["waiting"]().view.seq
    assert first.arrived == 0
    with journal.open("ab") as file:
        file.write(text[half:])
    second = steps(follower)
    assert second.view == NIGHTS["waiting"]().view
    assert second.arrived == second.view.seq - first.view.seq


def test_a_journal_is_followed_over_a_restart(journal: Path) -> None:
    night = deepcopy(NIGHTS["finished"]())
    journal.write_bytes(night.text())
    follower = Follower(journal)
    assert steps(follower).view.ended is not None
    night.start("another")
    with journal.open("ab") as file:
        file.write(encode(night.records[-1]))
    look = steps(follower)
    assert look.view == night.view
    assert (look.view.runs, look.view.ended, look.note) == (2, None, "")


def test_a_long_journal_comes_in_batches(journal: Path) -> None:
    journal.write_bytes(NIGHTS["waiting"]().text())
    assert NIGHTS["waiting"]().view.seq > BATCH
    follower = Follower(journal)
    assert follower.step()
    assert follower.look.view.seq == BATCH
    assert follower.look.note.startswith("reading the journal: ")
    assert steps(follower).note == ""


def test_another_journal_in_its_place_is_read_anew(journal: Path) -> None:
    journal.write_bytes(NIGHTS["refused"]().text())
    follower = Follower(journal)
    assert steps(follower).view.refusal is not None
    other = journal.with_name("other")
    other.write_bytes(NIGHTS["listing"]().text())
    other.replace(journal)
    look = steps(follower)
    assert (look.view, look.note) == (NIGHTS["listing"]().view, REPLACED)


def test_a_journal_that_is_moved_away_is_awaited(journal: Path) -> None:
    journal.write_bytes(NIGHTS["waiting"]().text())
    follower = Follower(journal)
    before = steps(follower)
    journal.rename(journal.with_name("aside"))
    look = steps(follower)
    assert look.view == before.view
    assert look.note == "the journal is gone; waiting for another one"
    journal.write_bytes(NIGHTS["listing"]().text())
    assert steps(follower).view == NIGHTS["listing"]().view


def test_a_journal_that_was_cut_is_read_anew(journal: Path) -> None:
    journal.write_bytes(NIGHTS["waiting"]().text())
    follower = Follower(journal)
    steps(follower)
    few = lines("waiting")[:5]
    os.truncate(journal, sum(map(len, few)))
    look = steps(follower)
    assert (look.view.seq, look.note) == (5, CUT)


def test_a_journal_written_over_in_place_is_read_anew(journal: Path) -> None:
    few = lines("listing")[:3]
    journal.write_bytes(b"".join(few))
    follower = Follower(journal)
    steps(follower)
    night = deepcopy(NIGHTS["finished"]())
    night.start("another")
    text = night.text().replace(b"7c1f09ab", b"0000beef")
    journal.write_bytes(text)
    look = steps(follower)
    assert (look.view.seq, look.note, look.damage) == (night.view.seq, REPLACED, "")


def test_damage_keeps_what_came_before_it(journal: Path) -> None:
    journal.write_bytes(damaged())
    look = steps(Follower(journal))
    with pytest.raises(JournalError) as error:
        list(read_journal(journal))
    assert look.view.seq == error.value.line - 1
    assert look.damage == str(error.value)


def test_damage_that_is_mended_is_forgotten(journal: Path) -> None:
    sound = lines("waiting")
    journal.write_bytes(b"".join(sound[:50]) + b"{broken}\n")
    follower = Follower(journal)
    assert steps(follower).damage.startswith("line 51, ")
    assert steps(follower).view.seq == 50
    journal.write_bytes(b"".join(sound))
    look = steps(follower)
    assert (look.damage, look.view) == ("", NIGHTS["waiting"]().view)


def test_what_is_no_file_is_said(journal: Path) -> None:
    journal.mkdir()
    assert "not a file" in steps(Follower(journal)).damage


def test_a_newer_journal_is_said(journal: Path) -> None:
    few = lines("waiting")[:5]
    journal.write_bytes(b"".join([*few, newer(6)]))
    look = steps(Follower(journal))
    assert (look.view.seq, look.note) == (6, NEWER)


def test_the_thread_follows_until_it_is_closed(journal: Path) -> None:
    feed = FollowFeed(journal)
    feed.open()
    journal.write_bytes(NIGHTS["waiting"]().text())
    wait_for(lambda: feed.look().view.seq == NIGHTS["waiting"]().view.seq)
    assert feed.look().view == NIGHTS["waiting"]().view
    feed.close()
    feed._thread.join(PATIENCE_S)  # it is waited for, but not for as long
    assert not feed._thread.is_alive()


def test_what_goes_wrong_in_the_thread_is_said(
    journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> View:
        raise KeyError("odd")

    monkeypatch.setattr("tui.feed.Folded", fail)
    journal.write_bytes(NIGHTS["waiting"]().text())
    feed = FollowFeed(journal)
    feed.open()
    wait_for(lambda: feed.look().damage != "")
    assert feed.look().damage == "it cannot be followed any further: KeyError: 'odd'"
    feed.close()


def test_a_journal_that_was_empty_at_first_is_known_again(journal: Path) -> None:
    journal.touch()
    follower = Follower(journal)
    steps(follower)
    journal.write_bytes(b"".join(lines("waiting")[:5]))
    assert steps(follower).view.seq == 5
    others = b"".join(lines("waiting")[:9]).replace(b'"ts":"2026-', b'"ts":"2025-')
    journal.write_bytes(others)  # written over in its place, and longer
    look = steps(follower)
    assert (look.view.seq, look.note, look.damage) == (9, REPLACED, "")


def wait_for(true: Callable[[], bool]) -> None:
    """Until something has come."""
    end = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < end, "it never came"
        threading.Event().wait(0.01)


# --- replay ----------------------------------------------------------------------------------


# --- a journal in many files ------------------------------------------------------------------


def in_many_files(journal: Path, each: Callable[[Folded], None] = lambda _: None) -> Folded:
    """The journal of a night in a dozen files or so."""
    written = write_runs(journal, NIGHTS["waiting"]().records, segment_bytes=60_000, each=each)
    assert len(closed_segments(journal)) > 8
    return written


def test_a_journal_is_followed_from_file_to_file(journal: Path) -> None:
    follower = Follower(journal)
    looks = count(1)

    def follow(folded: Folded) -> None:
        if folded.view.seq % 100:
            return
        look = steps(follower)
        assert not look.damage
        assert look.note in ("", f"waiting for the journal {journal}")
        if next(looks) % 7 == 0:
            pack(journal)

    written = in_many_files(journal, follow)
    look = steps(follower)
    assert look.view == written.view
    assert look.note == ""
    assert look.arrived == written.view.seq  # each line once: none was there at the first look


def test_a_long_journal_is_followed_from_its_newest_checkpoint_on(journal: Path) -> None:
    written = in_many_files(journal)
    for closed in closed_segments(journal):
        closed.path.write_bytes(b"nobody looks here")
    assert steps(Follower(journal)).view == written.view


def test_who_fell_behind_all_that_is_kept_begins_anew(journal: Path) -> None:
    follower = Follower(journal)
    journal.write_bytes(b"".join(lines("checking")))
    steps(follower)
    journal.unlink()
    written = in_many_files(journal)
    for closed in closed_segments(journal):
        closed.path.unlink()
    look = steps(follower)
    assert (look.view, look.note) == (written.view, REPLACED)


# --- live ------------------------------------------------------------------------------------


def test_the_live_view_is_the_replayed_one(workshop: Workshop) -> None:
    mount = workshop.config["origin"]["mounts"][0]
    for number in range(8):
        workshop.vault.put(mount, f"a/{number}")
    feed = LiveFeed()
    for change in ("first", "second", "none"):
        if change == "second":
            workshop.vault.put(mount, "a/1")
            workshop.vault.delete(mount, "a/2")
        run = workshop.once(sinks=[feed])
        assert feed.look().view is run.view
        assert feed.look().view == fold(read_journal(workshop.journal))
    assert feed.look().view.outcomes.saved == 2
    assert feed.look().view.buckets


def test_a_live_feed_begins_with_what_the_journal_told() -> None:
    night = deepcopy(NIGHTS["finished"]())
    feed = LiveFeed()
    feed.begin(night.view)
    assert (feed.look().view, feed.look().arrived) == (night.view, 0)
    night.start("another")
    feed(night.records[-1], night.view)
    assert (feed.look().view, feed.look().arrived) == (night.view, 1)
