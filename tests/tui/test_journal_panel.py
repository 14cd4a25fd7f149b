"""The journal's screen: every key and the mouse, on journals that grow, break or are not there."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace
from textual.events import MouseScrollDown, MouseScrollLeft, MouseScrollRight, MouseScrollUp
from textual.scrollbar import ScrollDown, ScrollTo, ScrollUp
from textual.widgets import Static

from tests.tui import screen
from tests.tui.desk import EXAMPLE, HEIGHT, Desk, lines_of, read, use
from tui.times import Times
from tui.widgets.lines import JournalLines
from tui.widgets.record import RecordScreen
from vsync_sm.core import events as e
from vsync_sm.journal.codec import encode


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
        assert "cannot be read, Enter opens it: line 2, byte" in desk.rows[1]
        await desk.press("k", "enter")
        assert isinstance(desk.app.screen, RecordScreen)
        assert "{broken" in str(desk.app.screen.query_one("#record-words", Static).visual)
        await desk.press("escape", "x")
        await desk.rest()
        assert len(desk.rows) == 1  # who knows what it was; the others are no faults
        assert "cannot be read, Enter opens it" in desk.selected

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
        drawn = "".join(filter(str.isdigit, screen.read(desk.app)))  # the scrollbar hides nothing
        assert "0123456789" * 20 in drawn
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
