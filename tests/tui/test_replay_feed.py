"""Real journals, sound and damaged: each opens at its end, or says what cannot be read."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson
import pytest

from tests.journal.segmented import pack, write_runs
from tests.tui.nights import NIGHTS, damaged
from tests.workshop import PATIENCE_S
from tui.feed import NEWER
from tui.replay.feed import PlayFeed, Standing
from tui.replay.moves import TROUBLE, begin, end, to
from vsync_sm.core.errors import JournalError
from vsync_sm.core.marks import Kind
from vsync_sm.journal.past import Past

NIGHT = NIGHTS["waiting"]()
LINES = NIGHT.text().splitlines(keepends=True)
MIDDLE = len(LINES) // 2


@contextmanager
def opened(journal: Path) -> Iterator[PlayFeed]:
    """A feed over a journal, indexed."""
    feed = PlayFeed(Past(journal), lambda: 0)
    feed.open()
    try:
        wait(feed, lambda now: now.share == 1)
        yield feed
    finally:
        feed.close()


def wait(feed: PlayFeed, true: Callable[[Standing], object]) -> Standing:
    """What it is when it has become so."""
    until = time.monotonic() + PATIENCE_S
    while not true(feed.standing):
        assert time.monotonic() < until, feed.standing
        feed.look()
        time.sleep(0.005)
    return feed.standing


def edited(at: int, old: bytes, new: bytes) -> bytes:
    """The night's journal with one line that somebody has changed."""
    assert old in LINES[at]
    return b"".join([*LINES[:at], LINES[at].replace(old, new, 1), *LINES[at + 1 :]])


def newer() -> bytes:
    """A line that only a newer vsync understands, behind all others."""
    line = {"v": 9, "seq": len(LINES) + 1, "ts": "2026-11-02T10:00:00.000000Z", "mono": 1}
    return orjson.dumps({**line, "run": "r", "type": "moon_risen"}) + b"\n"


DAMAGED = {
    "edited": (damaged(), len(LINES) - 40, "line"),
    "torn": (NIGHT.text()[:-20], len(LINES) - 1, ""),
    "zeros": (NIGHT.text() + b"\0" * 99, len(LINES), ""),
    "zeros in the middle": (b"".join([*LINES[:MIDDLE], b"\0" * 99, b"\n"]), MIDDLE, "line"),
    "a line is missing": (b"".join([*LINES[:MIDDLE], *LINES[MIDDLE + 1 :]]), MIDDLE, "line"),
    "a line twice": (b"".join([*LINES[:MIDDLE], LINES[MIDDLE - 1]]), MIDDLE, "line"),
    "newer": (NIGHT.text() + newer(), len(LINES) + 1, ""),
    "empty": (b"", 0, ""),
}


@pytest.mark.parametrize("how", DAMAGED)
def test_a_damaged_journal_opens_at_what_can_be_read_and_says_why_no_further(
    how: str, tmp_path: Path
) -> None:
    text, last, said = DAMAGED[how]
    journal = tmp_path / "journal.jsonl"
    journal.write_bytes(text)
    with opened(journal) as feed:
        now = wait(
            feed,
            lambda now: (
                now.at_end
                and now.look.view.seq == last
                and (now.look.note == NEWER) is (how == "newer")
                and bool(now.look.damage) is bool(said)
            ),
        )
        assert said in now.look.damage
        if said:
            assert Kind.DAMAGE in {mark.kind for mark in now.look.place.marks}
        feed.move(begin)
        wait(feed, lambda now: now.look.view.seq == min(1, last))
        if last:
            feed.move(to(1, *TROUBLE))
            wait(feed, lambda now: now.look.place.marks)
        feed.move(end)
        now = wait(feed, lambda now: now.at_end)
        assert now.look.view.seq == last


@pytest.mark.parametrize("text", [b"\0\0\0\n", b"no journal\n", b"[1, 2]\n"])
def test_what_is_no_journal_at_all_says_so(text: bytes, tmp_path: Path) -> None:
    journal = tmp_path / "journal.jsonl"
    journal.write_bytes(text)
    with opened(journal) as feed:
        assert wait(feed, lambda now: now.look.damage).look.view.seq == 0


def test_a_missing_journal_is_none(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="there is no journal"):
        Past(tmp_path / "journal.jsonl")


def test_a_contradiction_is_marked_with_its_line_and_why(tmp_path: Path) -> None:
    at = next(n for n, line in enumerate(LINES) if b'"trigger":"worked"' in line)
    journal = tmp_path / "journal.jsonl"
    journal.write_bytes(edited(at, b'"trigger":"worked"', b'"trigger":"saved"'))
    with opened(journal) as feed:
        feed.move(begin)
        feed.move(to(1, Kind.CONTRADICTION))
        now = wait(feed, lambda now: now.look.view.seq == at + 1)
        (mark,) = (each for each in now.look.place.marks if each.kind is Kind.CONTRADICTION)
        assert f"line {at + 1}" in mark.words
        assert "saved" in mark.words
        feed.columns = 60
        now = wait(feed, lambda now: len(now.marks) == 60)
        assert now.marks[at * 60 // len(LINES)] is Kind.CONTRADICTION


def test_many_files_and_their_directory_are_one_night(tmp_path: Path) -> None:
    journal = tmp_path / "journal.jsonl"
    written = write_runs(journal, NIGHTS["two_runs"]().records)
    pack(journal, 1)
    for named in (journal, tmp_path):
        with opened(named) as feed:
            assert wait(feed, lambda now: now.at_end).look.view == written.view
            assert len(feed.standing.runs) == written.view.runs > 1
