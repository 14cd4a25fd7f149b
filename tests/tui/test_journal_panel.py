"""The journal's screen: every key and the mouse, on journals that grow, break or are not there."""

from __future__ import annotations

import asyncio
import re
import time
from array import array
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from textual.app import App, ComposeResult
from textual.events import Key, MouseScrollDown, MouseScrollLeft, MouseScrollRight, MouseScrollUp
from textual.pilot import Pilot
from textual.scrollbar import ScrollDown, ScrollTo, ScrollUp
from textual.widgets import Input, Static

from tests.journal.example import numbered, one_saved_cycle
from tests.workshop import PATIENCE_S
from tui.glance import Badge, Glance
from tui.lineup import KEPT
from tui.sifting import CAP, Found, Matches
from tui.times import Times
from tui.widgets.journal import JournalPanel
from tui.widgets.lines import JournalLines
from tui.widgets.record import RecordScreen
from vsync_sm.core import events as e
from vsync_sm.core.answer import Now
from vsync_sm.core.insight import Insight, moment
from vsync_sm.core.view import View
from vsync_sm.journal.codec import encode
from vsync_sm.journal.pages import KEPT_BLOCKS

EXAMPLE = numbered(one_saved_cycle())
NOW = Now(moment("2026-11-02T10:05:00Z"), 0)
INSIGHT = Insight(2, "2026-10-01T00:00:00Z")
HEIGHT = 22  # rows of the list on a screen of 24 without a footer


def read(seq: int) -> bytes:
    """A line of a path that was read; every tenth failed."""
    path = f"secret/data/p{seq:07d}"
    event: e.Event = e.InsightGenerated(worker=1, path=path, insight=INSIGHT, change="unchanged")
    if seq % 10 == 0:
        event = e.PathFailed(worker=1, path=path, kind="timeout", message="no answer")
    return encode(replace(EXAMPLE[5], seq=seq, event=event))


def lines_of(count: int, *, first: int = 1) -> bytes:
    return b"".join(read(seq) for seq in range(first, first + count))


class Tiny(App[None]):
    """Nothing but the panel; painted by hand."""

    def __init__(self, journal: Path) -> None:
        super().__init__()
        self.journal = journal
        self.animation_level = "none"
        self.times = Times.utc

    def compose(self) -> ComposeResult:
        yield JournalPanel(self.journal)


class Desk:
    """A tiny app in use: presses keys, paints, reads what stands there."""

    def __init__(self, app: Tiny, pilot: Pilot[None]) -> None:
        self.app = app
        self.pilot = pilot
        self.panel = app.query_one(JournalPanel)
        self.list = app.query_one(JournalLines)

    def paint(self) -> None:
        glance = Glance(View(), NOW, Badge.LIVE, times=self.app.times)
        self.panel.paint(glance)
        if isinstance(self.app.screen, RecordScreen):
            self.app.screen.paint(glance)

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        self.paint()
        await self.pilot.pause()

    async def until(self, there: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE_S
        while True:
            self.paint()
            await asyncio.sleep(0.005)
            if there():
                return
            assert time.monotonic() < end, (self.title, self.note, *self.rows)

    async def rest(self) -> None:
        """Wait until all that is asked for has been looked through."""
        behind = self.panel._behind
        await self.until(
            lambda: (
                self.panel._pages.progress == 1
                and behind.seek is None
                and (behind.sift is None or behind.sift.done)
            )
        )
        self.paint()
        await self.pilot.pause()

    async def ask(self, key: str, words: str) -> None:
        await self.press(key)
        self.app.query_one(Input).value = words
        await self.press("enter")
        await self.rest()

    def grow(self, more: bytes) -> None:
        with self.app.journal.open("ab") as file:
            file.write(more)
        self.paint()

    @property
    def rows(self) -> list[str]:
        return self.list.screen_text

    @property
    def selected(self) -> str:
        found = [row for row in self.rows if row.startswith("▶")]
        assert len(found) == 1, self.rows
        return found[0]

    @property
    def path(self) -> int:
        """The number in the path of the selected row."""
        match = re.search(r"/p(\d{7})", self.selected)
        assert match is not None, self.selected
        return int(match[1])

    @property
    def seen(self) -> list[int]:
        return [int(match[1]) for row in self.rows if (match := re.search(r"/p(\d{7})", row))]

    @property
    def title(self) -> str:
        return str(self.panel._border_title)

    @property
    def note(self) -> str:
        return str(self.panel._border_subtitle or "")

    @property
    def said(self) -> str:
        return str(self.app.query_one("#journal-said", Static).visual)


def use(
    journal: Path,
    how: Callable[[Desk], Awaitable[None]],
    size: tuple[int, int] = (100, HEIGHT + 2),
) -> None:
    """Run the panel over a journal, and do something with it."""

    async def run() -> None:
        app = Tiny(journal)
        async with app.run_test(size=size) as pilot:
            desk = Desk(app, pilot)
            desk.list.focus()
            await desk.rest()
            await how(desk)

    asyncio.run(run())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "j.jsonl"


@pytest.fixture
def journal(path: Path) -> Path:
    """A thousand lines, all of them one path's."""
    path.write_bytes(lines_of(1000))
    return path


# --- what stands there ------------------------------------------------------------------------


def test_a_row_tells_time_gravity_cycle_type_and_sentence(path: Path) -> None:
    path.write_bytes(b"".join(map(encode, EXAMPLE)))

    async def look(desk: Desk) -> None:
        await desk.press("g")
        rows = [" ".join(row.split()) for row in desk.rows]
        assert rows[0] == "▶10:00:00 ● run_started vsync 0.1.0 starts on host-1 (process 4711)"
        assert (
            rows[13]
            == "10:00:00 ● #1 retry_scheduled secret/data/b is tried again in 0.20 s: no answer"
        )
        assert rows[15].startswith("10:00:00 ! #1 path_failed secret/data/b could not be read")
        assert desk.title == "journal · 31 lines"

    use(path, look)


def test_times_are_told_as_the_glance_says(journal: Path) -> None:
    async def look(desk: Desk) -> None:
        assert desk.rows[0].startswith(" 10:00:00 ·")
        desk.app.times = Times.relative
        desk.paint()
        assert desk.rows[0].startswith(" 5 min ago ·")

    use(journal, look)


def test_other_peoples_text_is_no_markup_and_steers_nothing(path: Path) -> None:
    evil = e.InsightSkipped(worker=1, path="secret/data/[red]x[/]\x1b[2J\x07", why="gone")
    path.write_bytes(encode(replace(EXAMPLE[0], event=evil)))

    async def look(desk: Desk) -> None:
        assert r"[red]x[/]\x1b[2J\x07" in desk.selected
        await desk.ask("F", "path:[red]")
        assert "filter path:[red]" in desk.title
        assert "[red]" in desk.selected
        await desk.press("enter")
        words = str(desk.app.screen.query_one("#record-words", Static).visual)
        assert r"[red]x[/]\x1b[2J\x07" in words
        assert "\x1b" not in words

    use(path, look)


def test_an_empty_a_missing_and_an_unreadable_journal_say_so(path: Path) -> None:
    async def look(desk: Desk) -> None:
        assert (
            desk.rows[0].strip() == f"waiting for the journal {path} …"[: len(desk.rows[0].strip())]
        )
        assert desk.rows[0].strip().startswith("waiting for the journal")
        await desk.press("j", "G", "g", "enter", "c", "n", "escape", "]")  # nothing breaks
        path.write_bytes(b"")
        desk.paint()
        assert desk.rows == [" nothing is in the journal yet"]
        desk.grow(lines_of(2))
        assert desk.seen == [1, 2]
        await desk.ask("F", "zzz")
        assert desk.rows == [" no line passes zzz"]
        path.unlink()
        path.mkdir()
        desk.paint()
        assert "cannot read" in desk.rows[0]

    use(path, look)


def test_a_damaged_line_is_a_row_that_says_so(path: Path) -> None:
    path.write_bytes(read(1) + b"{broken\n" + read(3))

    async def look(desk: Desk) -> None:
        assert "✖" in desk.rows[1]
        assert "this line cannot be read: line 2, byte" in desk.rows[1]
        await desk.press("k", "enter")
        assert isinstance(desk.app.screen, RecordScreen)
        assert "{broken" in str(desk.app.screen.query_one("#record-words", Static).visual)
        await desk.press("escape", "x")
        await desk.rest()
        assert len(desk.rows) == 1  # it is grave, the others are not
        assert "this line cannot be read" in desk.selected

    use(path, look, size=(150, 24))


# --- walking ----------------------------------------------------------------------------------


def test_it_follows_until_one_scrolls_up_and_again_when_asked(journal: Path) -> None:
    async def walk(desk: Desk) -> None:
        assert "TAIL" in desk.title
        assert (desk.path, desk.seen[-1]) == (1000, 1000)
        desk.grow(lines_of(5, first=1001))
        assert (desk.path, desk.seen[-1]) == (1005, 1005)
        await desk.press("k")
        assert "TAIL" not in desk.title
        before = desk.seen
        desk.grow(lines_of(50, first=1006))
        assert (desk.path, desk.seen) == (1004, before)  # it stands, though the journal grows
        assert desk.note == "line 1,004 of 1,055"
        for key in ("f", "end", "G"):
            await desk.press(key)
            assert ("TAIL" in desk.title, desk.path) == (True, 1055), key
            await desk.press("g")
            assert ("TAIL" in desk.title, desk.path) == (False, 1), key
        await desk.press("f", "up", "down")  # back at the end, but not against it
        assert "TAIL" not in desk.title
        await desk.press("down")
        assert "TAIL" in desk.title

    use(journal, walk)


@pytest.mark.parametrize(
    ("keys", "to", "top"),
    [
        (("j",), 2, 1),
        (("down", "j", "k"), 2, 1),
        (("j", "up"), 1, 1),
        (("k",), 1, 1),
        (("ctrl+d",), 1 + (HEIGHT - 1) // 2, 1),
        (("pagedown",), HEIGHT, 1),
        (("ctrl+f", "ctrl+f"), 2 * HEIGHT - 1, HEIGHT),
        (("pagedown", "pagedown", "ctrl+u"), 2 * HEIGHT - 1 - (HEIGHT - 1) // 2, HEIGHT),
        (("pagedown", "pagedown", "pageup"), HEIGHT, HEIGHT),
        (("pagedown", "pagedown", "ctrl+b", "ctrl+b"), 1, 1),
        (("pagedown", "home"), 1, 1),
        (("pagedown", "j"), HEIGHT + 1, 2),
    ],
)
def test_keys_that_walk(journal: Path, keys: tuple[str, ...], to: int, top: int) -> None:
    async def walk(desk: Desk) -> None:
        await desk.press("g", *keys)
        assert (desk.path, desk.seen[0]) == (to, top)
        assert len(desk.seen) == HEIGHT

    use(journal, walk)


def test_the_mouse_walks_selects_and_opens(journal: Path) -> None:
    async def mouse(desk: Desk) -> None:
        lines = desk.list

        def wheel(
            kind: type[MouseScrollUp] | type[MouseScrollDown], *, shift: bool = False
        ) -> None:
            event = kind(lines, 5, 5, 0, 0, 0, shift, False, False)
            lines.post_message(event)

        wheel(MouseScrollUp)
        await desk.until(lambda: desk.seen[-1] == 997)
        assert "TAIL" not in desk.title
        assert desk.path == 997  # the nearest that is still seen
        wheel(MouseScrollDown)
        await desk.until(lambda: desk.seen[-1] == 1000)
        assert "TAIL" not in desk.title
        wheel(MouseScrollDown)  # against the end
        await desk.until(lambda: "TAIL" in desk.title)
        await desk.pilot.click(JournalLines, offset=(10, 3))
        await desk.until(lambda: desk.path == desk.seen[3])
        assert "TAIL" not in desk.title
        wheel(MouseScrollDown, shift=True)
        await desk.until(lambda: desk.list._left > 0)
        wheel(MouseScrollUp, shift=True)
        await desk.until(lambda: desk.list._left == 0)
        for kind, left in ((MouseScrollRight, 8), (MouseScrollLeft, 0)):
            lines.post_message(kind(lines, 5, 5, 0, 0, 0, False, False, False))
            await desk.until(lambda left=left: desk.list._left == left)  # type: ignore[misc]
        lines.post_message(ScrollTo(y=500.0))
        await desk.until(lambda: desk.seen[0] == 501)
        lines.post_message(ScrollUp())
        await desk.until(lambda: desk.seen[0] == 501 - (HEIGHT - 1))
        lines.post_message(ScrollDown())
        await desk.until(lambda: desk.seen[0] == 501)
        await desk.pilot.click(JournalLines, offset=(10, 4), times=2)
        await desk.until(lambda: isinstance(desk.app.screen, RecordScreen))
        assert (
            desk.app.screen.query_one("#record-box").border_title == "line 505 · insight_generated"
        )

    use(journal, mouse, size=(60, HEIGHT + 2))


def test_sideways_and_wrapped(path: Path) -> None:
    long = e.InsightSkipped(worker=1, path="secret/data/" + "0123456789" * 20, why="gone")
    lines = [read(seq) for seq in range(1, 60)]
    lines[29] = encode(replace(EXAMPLE[0], seq=30, event=long))
    path.write_bytes(b"".join(lines))

    async def walk(desk: Desk) -> None:
        await desk.press("g", *["j"] * 29)
        assert "was deleted" not in "".join(desk.rows)
        await desk.press("l", "right")
        assert desk.list._left == 16
        await desk.press(*["l"] * 40)
        assert desk.selected.endswith("deleted after it had been listed")
        most = desk.list._left
        await desk.press("h", "left")
        assert desk.list._left == most - 16
        await desk.press("w")
        whole = "".join(row[1:].strip() for row in desk.rows)
        assert "0123456789" * 20 + " is left out" in whole.replace("\n", "")
        assert len(desk.rows) == HEIGHT
        assert desk.selected.startswith("▶")
        await desk.press("l")
        assert desk.list._left == 0
        await desk.press("G")
        assert desk.seen[-1] == 59
        await desk.press(*["k"] * 40)
        assert desk.path == 19
        await desk.press("w")
        assert len({*desk.rows}) == len(desk.rows) == HEIGHT

    use(path, walk, size=(70, HEIGHT + 2))


# --- sifting ----------------------------------------------------------------------------------


def test_a_filter_shows_some_lines_and_keeps_the_selected_one(journal: Path) -> None:
    async def sift(desk: Desk) -> None:
        await desk.press("g", *["pagedown"] * 10)
        here = desk.path
        assert here == 211
        await desk.press("k")  # 210: one that failed
        where = desk.seen.index(210)
        await desk.ask("F", "type:path_failed")
        assert desk.path == 210
        assert all(n % 10 == 0 for n in desk.seen)
        assert desk.seen.index(210) == where
        assert desk.title == "journal · 1,000 lines · filter type:path_failed"
        assert desk.note == "100 of 1,000 match"
        desk.grow(lines_of(20, first=1001))
        await desk.until(lambda: desk.note == "102 of 1,020 match")
        assert (desk.path, desk.seen.index(210)) == (210, where)
        await desk.press("j", "j")
        assert desk.path == 230
        await desk.ask("ampersand", "")
        assert (desk.path, desk.seen[1] - desk.seen[0]) == (230, 1)
        assert desk.title == "journal · 1,020 lines"

    use(journal, sift)


def test_a_selected_line_that_is_filtered_away_is_selected_again_afterwards(journal: Path) -> None:
    async def sift(desk: Desk) -> None:
        await desk.press("g", "pagedown", "pagedown")
        assert desk.path == 43
        await desk.press("x")
        await desk.rest()
        assert desk.path == 50  # the next one that passes
        assert "only what is grave" in desk.title
        await desk.press("x")
        assert desk.path == 43

    use(journal, sift)


def test_a_filter_in_the_tail_follows(journal: Path) -> None:
    async def sift(desk: Desk) -> None:
        await desk.press("x")
        await desk.rest()
        assert (desk.path, "TAIL" in desk.title) == (1000, True)
        desk.grow(lines_of(30, first=1001))
        await desk.until(lambda: desk.path == 1030)
        assert desk.seen[-2:] == [1020, 1030]

    use(journal, sift)


def test_a_mistake_is_told_while_one_types(journal: Path) -> None:
    async def mistake(desk: Desk) -> None:
        await desk.press("F", *"sev:x")
        assert "“sev:” in “sev:x” is none of" in desk.said
        await desk.press("enter")
        assert desk.app.query_one(Input).has_focus  # it waits for better words
        await desk.press("escape")
        assert desk.list.has_focus
        assert not desk.app.query_one(Input).display
        assert (desk.panel.filter.terms, desk.title) == ((), "journal · 1,000 lines · TAIL")
        await desk.press("slash", *"/[/")
        assert "this is no regular expression" in desk.said
        await desk.press("enter", "escape")
        assert desk.list.has_focus

    use(journal, mistake)


def test_held_the_list_stands_and_can_be_sifted(journal: Path) -> None:
    async def hold(desk: Desk) -> None:
        await desk.press("space")
        assert desk.title == "journal · 1,000 lines · HELD"
        desk.grow(lines_of(40, first=1001))
        assert desk.seen[-1] == 1000
        assert desk.title == "journal · 1,040 lines · HELD, 40 new"
        await desk.press("x")
        await desk.rest()
        assert desk.seen[-1] == 1000
        await desk.press("g", "G")
        assert desk.path == 1000
        await desk.press("space")
        assert (desk.seen[-1], "HELD" in desk.title) == (1040, False)

    use(journal, hold)


# --- seeking ----------------------------------------------------------------------------------


def test_search_looks_back_marks_and_goes_on_both_ways(journal: Path) -> None:
    async def search(desk: Desk) -> None:
        await desk.ask("slash", "p00005")
        assert desk.path == 599
        assert desk.note == "marked: p00005 · n newer, N older"
        styles = {segment.style for segment in desk.list._strips()[5] if segment.text == "p00005"}
        assert len(styles) == 1
        assert all(style is not None and style.reverse for style in styles)
        await desk.press("N")
        await desk.rest()
        assert desk.path == 598
        await desk.press("n")
        await desk.rest()
        assert desk.path == 599
        await desk.press("n")
        await desk.rest()
        assert (desk.path, desk.note) == (
            599,
            "no newer line with “p00005”; there may be older ones",
        )
        await desk.ask("slash", "p0000599")  # the selected one is looked at too
        assert (desk.path, desk.note) == (599, "marked: p0000599 · n newer, N older")
        await desk.press("escape")
        assert desk.list.marks is None
        await desk.press("n")  # nothing to look for: it asks
        assert desk.app.query_one(Input).has_focus

    use(journal, search)


def test_search_turns_round_where_there_is_nothing_older(journal: Path) -> None:
    async def search(desk: Desk) -> None:
        await desk.press("g")
        await desk.ask("slash", "/p00009[0-9]{2} could not/")
        assert desk.path == 900
        await desk.ask("slash", "nowhere at all")
        assert (desk.path, desk.note) == (900, "no line with “nowhere at all”")

    use(journal, search)


def test_search_stays_within_the_filter(journal: Path) -> None:
    async def search(desk: Desk) -> None:
        await desk.press("x")
        await desk.rest()
        await desk.ask("slash", "p00005")
        assert desk.path == 590

    use(journal, search)


def test_the_next_and_the_previous_fault(journal: Path) -> None:
    async def faults(desk: Desk) -> None:
        for key, path in (("[", 990), ("[", 980), ("]", 990), ("]", 1000)):
            await desk.press("left_square_bracket" if key == "[" else "right_square_bracket")
            await desk.rest()
            assert desk.path == path
        await desk.press("right_square_bracket")
        await desk.rest()
        assert desk.note == "no newer line with a fault; there may be older ones"

    use(journal, faults)


def test_what_is_sought_can_be_stopped(journal: Path) -> None:
    async def stop(desk: Desk) -> None:
        desk.panel._behind.stop()  # so that it lasts
        await desk.press("left_square_bracket")
        assert desk.note == "looking for a fault: 0 % · Esc stops"
        await desk.press("escape")
        assert (desk.panel._behind.seek, desk.path) == (None, 1000)
        assert "looking" not in desk.note

    use(journal, stop)


# --- one line ---------------------------------------------------------------------------------


def test_a_line_is_opened_whole(journal: Path) -> None:
    async def open_it(desk: Desk) -> None:
        await desk.press("enter")
        screen = desk.app.screen
        assert isinstance(screen, RecordScreen)
        box = screen.query_one("#record-box")

        def words() -> str:
            return str(screen.query_one("#record-words", Static).visual)

        assert box.border_title == "line 1,000 · path_failed"
        assert "! secret/data/p0001000 could not be read: no answer" in words()
        for told in (
            "2026-11-02T10:00:00.006000Z",
            "5 min ago",
            "seq           1,000",
            "kind: timeout",
        ):
            assert told in words(), told
        assert read(1000).decode().strip() in words()
        await desk.press("p")
        assert box.border_title == "line 999 · insight_generated"
        assert "insight:\n  version: 2\n  updateTime: 2026-10-01T00:00:00Z" in words()
        await desk.press("left", "N")
        assert box.border_title == "line 997 · insight_generated"
        await desk.press("n", "right", "n")
        assert box.border_title == "line 1,000 · path_failed"
        await desk.press("n")
        assert box.border_subtitle == "there is no newer line"
        await desk.press("c")
        assert desk.app.clipboard == read(1000).decode().strip()
        body = screen.query_one("#record-body")
        for key, down in (("j", 1), ("down", 2), ("k", 1), ("up", 0), ("G", 9), ("g", 0)):
            await desk.press(key)
            assert body.scroll_y == min(down, body.max_scroll_y), key
        for key in ("pagedown", "ctrl+d", "space", "end"):
            await desk.press("home", key)
            assert body.scroll_y > 2, key
        await desk.press("ctrl+u", "pageup", "pageup")
        assert body.scroll_y == 0
        await desk.press("escape")
        assert not isinstance(desk.app.screen, RecordScreen)
        await desk.press("enter", "enter")
        assert not isinstance(desk.app.screen, RecordScreen)

    use(journal, open_it, size=(90, 24))


def test_the_record_steps_through_what_the_filter_lets_pass(journal: Path) -> None:
    async def step(desk: Desk) -> None:
        await desk.press("x")
        await desk.rest()
        await desk.press("enter", "p")
        box = desk.app.screen.query_one("#record-box")
        assert box.border_title == "line 990 · path_failed"
        await desk.press("escape")
        assert desk.path == 990

    use(journal, step)


def test_a_huge_line_is_shown_in_part(path: Path) -> None:
    keys = tuple(e.SavedKey(f"vsync/origin/{n}", n, "ab" * 32) for n in range(3_000))
    save = e.SaveStarted(index="1", index_key="i", index_modify_index=1, keys=keys)
    path.write_bytes(encode(replace(EXAMPLE[0], event=save)))

    async def look(desk: Desk) -> None:
        await desk.press("enter")
        words = str(desk.app.screen.query_one("#record-words", Static).visual)
        assert "… and more: the line has all of it" in words
        assert "the line, its first 32,768 characters" in words
        assert len(words) < 100_000

    use(path, look)


def test_a_line_is_copied_from_the_list(journal: Path) -> None:
    async def copy(desk: Desk) -> None:
        await desk.press("k", "c")
        assert desk.app.clipboard == read(999).decode().strip()
        assert desk.note == f"copied line 999 ({len(read(999)) - 1} bytes)"
        await desk.press("k")
        assert "copied" not in desk.note

    use(journal, copy)


# --- a file that changes, and a long one ------------------------------------------------------


def test_a_journal_that_was_replaced_is_shown_and_sifted_anew(
    journal: Path, tmp_path: Path
) -> None:
    async def change(desk: Desk) -> None:
        await desk.press("x", "g")
        await desk.rest()
        other = tmp_path / "other"
        other.write_bytes(lines_of(60, first=5000))
        other.replace(journal)
        await desk.until(lambda: desk.note == "6 of 60 match")
        assert desk.seen == [5000, 5010, 5020, 5030, 5040, 5050]
        journal.write_bytes(lines_of(15, first=7001))
        await desk.until(lambda: desk.note == "1 of 15 match")
        assert desk.seen == [7010]
        journal.unlink()
        desk.paint()
        assert "waiting for the journal" in desk.rows[0]

    use(journal, change)


def test_a_long_journal_is_sifted_while_keys_are_answered_and_little_is_kept(path: Path) -> None:
    path.write_bytes(lines_of(200_000))
    asked_while_sifting: list[bool] = []

    async def long(desk: Desk) -> None:
        await desk.ask("F", "could not be read")  # a word of the sentence: every line is read
        desk.panel.show_only(desk.panel.filter)
        behind = desk.panel._behind
        assert behind.sift is not None
        sift = behind.sift
        await desk.until(lambda: len(desk.seen) > 5)
        before = desk.path
        desk.app.post_message(Key("k", "k"))
        await desk.until(lambda: desk.path == before - 10)
        asked_while_sifting.append(not sift.done)
        assert sift.done or "looked through" in desk.note
        await desk.rest()
        assert desk.note == "20,000 of 200,000 match"
        assert desk.path == before - 10
        for key in ("g", "G", "pageup"):
            await desk.press(key)
        await desk.ask("slash", "p0000010")
        assert desk.path == 10
        for place in range(0, 20_000, 200):
            desk.list.select(place)
            assert len(desk.rows) == HEIGHT
        assert desk.panel._pages.blocks_kept == KEPT_BLOCKS
        assert desk.list.kept == KEPT
        assert desk.panel._pages.index_entries < path.stat().st_size // (32 * 1024)

    use(path, long)
    assert asked_while_sifting == [True]


def test_only_so_many_matches_are_kept_and_it_says_so(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tui.sifting.CAP", 300)
    monkeypatch.setattr(Matches.__init__, "__defaults__", (300,))
    path.write_bytes(lines_of(20_000))

    async def sift(desk: Desk) -> None:
        await desk.ask("F", "type:insight_*")
        matches = desk.list.matches
        assert matches is not None
        assert len(matches) == 300
        assert "only the newest 300 are kept" in desk.note
        assert desk.seen[-1] == 19_999
        desk.grow(lines_of(5_000, first=20_001))
        await desk.until(lambda: desk.seen[-1] == 24_999)
        assert len(matches) == 300

    use(path, sift)


def test_the_thread_ends_with_the_panel(journal: Path) -> None:
    threads = []

    async def look(desk: Desk) -> None:
        threads.append(desk.panel._behind._thread)
        desk.panel.action_grave()

    use(journal, look)
    assert threads[0] is not None
    assert not threads[0].is_alive()


def test_an_unchanged_journal_is_not_painted_again(
    journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def look(desk: Desk) -> None:
        drawn: list[bool] = []

        def drew(*_: object, **__: object) -> JournalLines:
            drawn.append(True)
            return desk.list

        monkeypatch.setattr(desk.list, "refresh", drew)
        desk.paint()
        assert drawn == []
        desk.grow(read(1001))
        assert drawn != []

    use(journal, look)


def test_lines_of_a_replaced_journal_are_not_mixed_up_with_those_before(
    journal: Path, tmp_path: Path
) -> None:
    async def change(desk: Desk) -> None:
        await desk.press("g", "pagedown", "space")
        other = tmp_path / "other"
        other.write_bytes(lines_of(1_200, first=5_001))
        other.replace(journal)
        await desk.until(lambda: desk.path == 6_200)
        assert desk.title == "journal · 1,200 lines · TAIL"
        await desk.press("g")
        assert desk.seen == list(range(5_001, 5_001 + HEIGHT))

    use(journal, change)


def test_held_nothing_is_sought_that_is_not_in_the_list(journal: Path) -> None:
    async def hold(desk: Desk) -> None:
        await desk.press("space", "k", "j")  # the last one, without following
        desk.grow(lines_of(40, first=1001))
        await desk.press("right_square_bracket")
        await desk.rest()
        assert desk.note == "no newer line with a fault; there may be older ones"
        await desk.press("space", "right_square_bracket")
        await desk.rest()
        assert desk.path == 1_010

    use(journal, hold)


# --- matches ----------------------------------------------------------------------------------


@given(
    st.lists(st.tuples(st.booleans(), st.integers(1, 4), st.integers(1, 9)), max_size=20),
    st.integers(1, 12),
    st.integers(900, 1100),
)
def test_matches_are_the_newest_lines_in_order(
    steps: list[tuple[bool, int, int]], cap: int, line: int
) -> None:
    matches = Matches(cap)
    low, high = 1000, 1000
    kept: list[int] = []
    for newer, count, gap in steps:
        found = Found(array("Q"), array("Q"))
        for _ in range(count):
            if newer:
                high += gap
                found.newer.append(high)
                kept.append(high)
            elif not matches.full:
                low -= gap
                found.older.append(low)
                kept.insert(0, low)
        matches.add(found)
        kept = kept[-cap:]
    assert [matches.line(at) for at in range(len(matches))] == kept
    assert matches.place(line) == sum(1 for each in kept if each < line)
    assert matches.full == (len(kept) >= cap)
    assert CAP >= 100_000
