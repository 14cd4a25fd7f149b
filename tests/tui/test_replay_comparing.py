"""Two moments compared on the screen: a key marks one, a key shows what is different."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from textual.widgets import Input

from tests.tui.nights import NIGHTS
from tests.tui.piloted import told
from tests.tui.remembered import Remembered
from tests.tui.replaying import PLACES, RECORDS, Watched, walk
from tui.feed import Look
from tui.replay.bar import _bar
from tui.replay.comparing import ComparedDialog, Found, Work
from tui.replay.feed import Standing
from tui.widgets.path import PathPanel
from vsync_sm.core.differences import differences
from vsync_sm.core.errors import JournalError
from vsync_sm.core.events import CycleFinished, CycleStarted, Record, RunStarted
from vsync_sm.core.marks import Kind
from vsync_sm.core.pairs import pair_of
from vsync_sm.core.side_by_side import rows
from vsync_sm.core.view import View
from vsync_sm.journal.comparing import compare
from vsync_sm.journal.past import Past

LAST = len(RECORDS)
FAULT = PLACES["fault"][0]
GLYPH = "◆"


async def compared(watched: Watched) -> Found:
    """Press the key, and wait for what is found."""
    await watched.press("equals_sign")
    await watched.until(lambda: isinstance(watched.app.screen, ComparedDialog))
    screen = watched.app.screen
    assert isinstance(screen, ComparedDialog)
    await watched.until(lambda: screen.found)
    assert screen.found is not None
    return screen.found


def shown(watched: Watched) -> str:
    """All that the comparison says."""
    assert isinstance(watched.app.screen, ComparedDialog)
    return str(watched.app.screen.words())


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
def test_a_failed_cycle_beside_the_last_good_one(size: tuple[int, int]) -> None:
    async def test(watched: Watched) -> None:
        found = await compared(watched)
        assert found.comparison is not None
        assert found.comparison.second.seq == LAST
        lines = shown(watched).splitlines()
        assert lines[2] == "compared with cycle 9, the last good one before (M marks another)"
        assert lines[4] == (
            "✖ cycle 10 was refused: 300 paths would vanish; cycle 9 found nothing to save"
        )
        assert any(line.startswith("! working") and "shorter" in line for line in lines)
        assert "paths that vanished (300)" in lines
        body = watched.app.screen.query_one("#body")
        await watched.press("G")
        assert body.scroll_offset.y == body.max_scroll_y > 0
        await watched.press("g", "j")
        assert body.scroll_offset.y == 1
        await watched.press("escape")
        await watched.until(lambda: len(watched.app.screen_stack) == 1)
        assert watched.glance.view.seq == LAST

    walk(RECORDS, test, size)


def test_a_marked_moment_with_another() -> None:
    async def test(watched: Watched) -> None:
        assert GLYPH not in watched.bar()
        await watched.press("home", "right_square_bracket")
        await watched.at(FAULT)
        await watched.press("M")
        await watched.until(lambda: GLYPH in watched.bar())
        assert told(watched.app) == [f"#{FAULT} is marked: go elsewhere, and = compares with it"]
        await watched.press("end")
        await watched.at(LAST)
        assert watched.bar().count(GLYPH) == 1
        found = await compared(watched)
        assert found.comparison is not None
        assert (found.comparison.first.seq, found.comparison.second.seq) == (FAULT, LAST)
        assert "compared with the marked moment" in shown(watched)
        await watched.press("equals_sign")  # the same key closes it
        await watched.until(lambda: len(watched.app.screen_stack) == 1)

    walk(RECORDS, test, (80, 24))


def test_a_mark_is_taken_away_where_it_stands_and_moves_elsewhere() -> None:
    async def test(watched: Watched) -> None:
        await watched.press("M")
        await watched.until(lambda: GLYPH in watched.bar())
        found = await compared(watched)
        assert found.comparison is not None
        assert "Nothing that a journal tells is different." in shown(watched)
        await watched.press("escape", "M")
        await watched.until(lambda: GLYPH not in watched.bar())
        assert told(watched.app) == ["no moment is marked"]
        await watched.press("M", "home")
        await watched.at(1)
        await watched.press("M")
        await watched.until(lambda: watched.app.player.marked == 1)
        assert watched.bar().count(GLYPH) == 1

    walk(RECORDS, test, (80, 24))


def test_the_mark_stands_before_all_else_on_the_bar() -> None:
    marks = (*[None] * 4, Kind.DAMAGE, *[None] * 5)
    standing = Standing(Look(View(seq=1)), first=1, last=100, marks=marks)
    for marked, bar in (
        (0, "●───▒─────"),
        (49, "●───◆─────"),
        (100, "●───▒────◆"),
        (1, "◆───▒─────"),
    ):
        assert "".join(glyph for glyph, _ in _bar(standing, 10, marked)) == bar


def test_it_looks_back_from_a_moment_before_the_mark() -> None:
    async def test(watched: Watched) -> None:
        await watched.press("M", "home")
        await watched.at(1)
        found = await compared(watched)
        assert found.comparison is not None
        assert found.comparison.back
        assert (found.comparison.first.seq, found.comparison.second.seq) == (LAST, 1)

    walk(RECORDS, test, (80, 24))


def test_where_no_cycle_was_complete_it_says_what_would_do() -> None:
    async def test(watched: Watched) -> None:
        await watched.press("home")
        await watched.at(1)
        found = await compared(watched)
        assert found.comparison is None
        assert "✖ No complete cycle is known before this moment" in shown(watched)
        assert "mark it with M" in shown(watched)

    walk(RECORDS, test, (80, 24))


@pytest.mark.parametrize(("night", "cycle"), [("stuck", 13), ("behind", 11), ("halted", 10)])
def test_it_is_what_the_command_line_tells(
    tmp_path_factory: pytest.TempPathFactory, night: str, cycle: int
) -> None:
    records = NIGHTS[night]().records
    journal = tmp_path_factory.mktemp("night") / "journal.jsonl"
    journal.write_bytes(NIGHTS[night]().text())
    found = Work(Remembered(records), len(records), 0).find()
    assert found.comparison == compare(journal, pair_of("cycle:9..end")).comparison
    past = Past(journal)
    past.index(lambda: False)
    try:
        assert Work(past, len(records), 0).find() == found
    finally:
        past.close()
    assert found.comparison is not None
    assert found.comparison.second.cycle is not None
    assert found.comparison.second.cycle.number == cycle


def test_a_good_cycle_is_compared_with_the_one_before_it() -> None:
    records = list(RECORDS)
    ends = [one.seq for one in records if isinstance(one.event, CycleFinished)]
    for seq in (ends[8], ends[8] + 5):  # behind cycle 9, and within cycle 10
        found = Work(Remembered(records), seq, 0).find().comparison
        assert found is not None
        assert found.first.seq == ends[7 if seq == ends[8] else 8]


def test_where_a_cycle_begins_it_is_compared_as_a_whole(tmp_path: Path) -> None:
    journal = tmp_path / "journal.jsonl"
    journal.write_bytes(NIGHTS["refused"]().text())
    begin = [one.seq for one in RECORDS if isinstance(one.event, CycleStarted)]
    told = compare(journal, pair_of("cycle:10")).comparison
    for seq in (begin[9], begin[9] + 1, begin[9] + 40):  # cycle 10, which is refused
        found = Work(Remembered(RECORDS), seq, 0).find()
        assert found.comparison == told
        assert found.beside.endswith("; cycle 10 as a whole")
    assert any("paths would vanish" in each.words for each in differences(told))
    assert not any("goes on" in row.second for row in rows(told))


def test_a_cycle_that_is_marked_is_compared_as_a_whole(tmp_path: Path) -> None:
    journal = tmp_path / "journal.jsonl"
    journal.write_bytes(NIGHTS["refused"]().text())
    begin = [one.seq for one in RECORDS if isinstance(one.event, CycleStarted)]
    told = compare(journal, pair_of("cycle:8..cycle:10")).comparison
    for seq in (begin[9] + 3, LAST):
        found = Work(Remembered(RECORDS), seq, begin[7]).find().comparison
        assert found is not None
        assert found.first == told.first
    assert Work(Remembered(RECORDS), begin[9] + 3, begin[7]).find().comparison == told


def test_two_moments_of_one_cycle_are_compared_as_they_are() -> None:
    begin = [one.seq for one in RECORDS if isinstance(one.event, CycleStarted)]
    found = Work(Remembered(RECORDS), begin[9] + 30, begin[9]).find().comparison
    assert found is not None
    assert (found.first.seq, found.second.seq) == (begin[9], begin[9] + 30)


def test_a_cycle_that_a_crash_cut_short_says_so(tmp_path: Path) -> None:
    records = NIGHTS["crashed"]().records
    last = max(one.seq for one in records if one.cycle == 10)
    assert isinstance(records[last].event, RunStarted)
    journal = tmp_path / "journal.jsonl"
    journal.write_bytes(NIGHTS["crashed"]().text())
    past = Past(journal)
    past.index(lambda: False)
    try:
        for seq in (last, last + 1, last + 2):
            found = Work(past, seq, 0).find()
            assert found == Work(Remembered(records), seq, 0).find()
            assert found.comparison is not None
            (first, *_) = differences(found.comparison)
            assert first.words.startswith("cycle 10 was cut short by a crash: its run ended")
        within = Work(past, last - 1, 0).find()
        assert within.comparison == Work(past, last, 0).find().comparison
    finally:
        past.close()


class Slow(Remembered):
    """One that gives no more of its records than it is let."""

    def __init__(self, records: list[Record]) -> None:
        super().__init__(records)
        self.let = threading.Event()
        self.read = threading.Event()

    def records(self, after: int) -> Iterator[Record]:
        for n, record in enumerate(super().records(after)):
            if n == 600:
                self.read.set()
                self.let.wait()
            yield record


def test_the_screen_lives_on_while_it_compares_and_escape_gives_it_up() -> None:
    slow = Slow(list(RECORDS))

    async def test(watched: Watched) -> None:
        await watched.press("home")
        await watched.at(1)
        await watched.press("M", "end")
        await watched.at(LAST)
        await watched.press("equals_sign")
        await watched.until(slow.read.is_set)
        screen = watched.app.screen
        assert isinstance(screen, ComparedDialog)
        await watched.until(lambda: "comparing 12 %" in shown(watched))
        await watched.press("escape")
        await watched.until(lambda: len(watched.app.screen_stack) == 1)
        slow.let.set()
        await watched.press("home")
        await watched.at(1)
        assert screen.found is None
        assert screen._work._stopped.is_set()

    try:
        walk(slow, test, (80, 24))
    finally:
        slow.let.set()


class Gone(Remembered):
    """One whose files have been taken away."""

    def records(self, after: int) -> Iterator[Record]:
        raise JournalError(f"what follows #{after} was replaced", line=3, byte=9)


def test_what_cannot_be_read_is_said() -> None:
    async def test(watched: Watched) -> None:
        found = await compared(watched)
        assert found.comparison is None
        assert "was replaced" in shown(watched)

    walk(Gone(RECORDS), test, (80, 24))


def test_nothing_is_marked_or_compared_where_one_types() -> None:
    async def test(watched: Watched) -> None:
        await watched.press("6")
        await watched.until(lambda: isinstance(watched.app.focused, Input))
        await watched.press("M", "equals_sign")
        assert watched.app.query_one(PathPanel).query_one(Input).value == "M="
        assert not isinstance(watched.app.screen, ComparedDialog)
        assert watched.app.player.marked == 0

    walk(RECORDS, test, (80, 24))
