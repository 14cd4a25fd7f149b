"""How one moves in a panel: by keys, by the mouse, and while new lines come in."""

from __future__ import annotations

import pytest
from textual.events import MouseScrollDown
from textual.pilot import Pilot

from tests.tui.stage import Stage, glance, play, until
from tui.glance import Glance
from tui.widgets.marks import nothing
from tui.widgets.panel import Key, Line, Panel, Rows
from tui.widgets.text import said
from vsync_sm.core.view import View

LOOK = glance(View())


class Letters(Panel):
    """Lines that a test sets."""

    def __init__(self, *lines: Line) -> None:
        super().__init__(title="letters")
        self.lines = list(lines)
        self.opened: list[Key] = []

    def rows(self, glance: Glance, width: int) -> Rows:
        assert glance is LOOK
        assert width > 0
        return Rows(list(self.lines))

    def chosen(self, key: Key) -> None:
        self.opened.append(key)


class Choices(Letters):
    """The same with a cursor."""

    CHOOSES = True


async def wheel(panel: Panel, pilot: Pilot[None]) -> None:
    """Turns the wheel over a panel, and waits until it has come to rest."""
    await pilot._post_mouse_events([MouseScrollDown], panel, offset=(5, 3))
    await until(pilot, lambda: panel.scroll_offset.y > 0)
    await pilot.app.animator.wait_until_complete()


def plain(count: int) -> list[Line]:
    return [Line(said(f"line {number}")) for number in range(count)]


def at(panel: Panel) -> Key | None:
    """Where the cursor stands now."""
    return panel.cursor


def keyed(*keys: str, high: int = 1) -> list[Line]:
    return [Line(said(f"{key} {part}"), key) for key in keys for part in range(high)]


def many(count: int, high: int = 1) -> list[Line]:
    return keyed(*(f"k{number}" for number in range(count)), high=high)


@pytest.mark.parametrize(
    ("keys", "top"),
    [
        (["j"], 1),
        (["j", "j", "k"], 1),
        (["k"], 0),
        (["down"], 1),
        (["G"], 92),
        (["end"], 92),
        (["G", "g"], 0),
        (["G", "home"], 0),
        (["pagedown"], 8),
        (["ctrl+d"], 8),
        (["space"], 8),
        (["ctrl+d", "ctrl+u"], 0),
        (["G", "j"], 92),
    ],
)
def test_lines_scroll(keys: list[str], top: int) -> None:
    panel = Letters(*plain(100))

    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        panel.paint(LOOK)
        await pilot.pause()
        for key in keys:
            await pilot.press(key)
        await pilot.pause()
        assert panel.scroll_offset.y == top
        assert f"line {top} " in f"{stage.screen_lines()[1]} "

    play(panel, act, size=(40, 10))


@pytest.mark.parametrize(
    ("keys", "at"),
    [
        ([], "k0"),
        (["j"], "k1"),
        (["down", "down", "up"], "k1"),
        (["k"], "k0"),
        (["G"], "k99"),
        (["G", "j"], "k99"),
        (["G", "g"], "k0"),
        (["pagedown"], "k7"),
        (["pagedown", "pageup"], "k0"),
    ],
)
def test_the_cursor_moves_and_stays_in_sight(keys: list[str], at: str) -> None:
    panel = Choices(*many(100))

    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        panel.paint(LOOK)
        await pilot.pause()
        for key in keys:
            await pilot.press(key)
        await pilot.pause()
        assert panel.cursor == at
        assert any(f"▶ {at} 0" in line for line in stage.screen_lines())
        await pilot.press("enter")
        assert panel.opened == [at]

    play(panel, act, size=(40, 10))


def test_a_thing_of_many_lines_is_one_and_shown_whole() -> None:
    panel = Choices(*many(10, high=3))

    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        panel.paint(LOOK)
        await pilot.pause()
        for _ in range(4):
            await pilot.press("j")
        await pilot.pause()
        assert panel.cursor == "k4"
        text = stage.text()
        assert all(f"k4 {part}" in text for part in range(3))
        assert text.count("▶") == 1

    play(panel, act, size=(40, 10))


def test_what_cannot_be_chosen_is_read_on_the_way() -> None:
    panel = Choices(*keyed("first"), *plain(20), *keyed("last"), *plain(5))

    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        panel.paint(LOOK)
        await pilot.pause()
        seen = set()
        for _ in range(40):
            seen |= {line.strip("│ ▁▂▃▄▅▆▇█▎") for line in stage.screen_lines()}
            await pilot.press("j")
            await pilot.pause()
        assert {f"line {number}" for number in range(20)} <= seen
        assert at(panel) == "last"
        assert "line 4" in stage.text().splitlines()[-2]
        for _ in range(40):
            await pilot.press("k")
        await pilot.pause()
        assert at(panel) == "first"
        assert panel.scroll_offset.y == 0

    play(panel, act, size=(40, 10))


def test_the_cursor_stays_on_what_it_stands_for_while_new_ones_come() -> None:
    panel = Choices(*many(30))

    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        panel.paint(LOOK)
        await pilot.pause()
        for _ in range(12):
            await pilot.press("j")
        await pilot.pause()
        row = next(y for y, line in enumerate(stage.screen_lines()) if "▶ k12" in line)
        panel.lines = [*keyed("new", "newer"), *panel.lines]
        panel.paint(LOOK)
        await pilot.pause()
        assert panel.cursor == "k12"
        assert "▶ k12" in stage.screen_lines()[row], "it jumped on the screen"

    play(panel, act, size=(40, 10))


def test_on_the_first_one_the_cursor_follows_the_newest() -> None:
    panel = Choices(*many(3))

    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        panel.paint(LOOK)
        await pilot.press("j", "g")
        panel.lines = [*keyed("new"), *panel.lines]
        panel.paint(LOOK)
        await pilot.pause()
        assert panel.cursor == "new"

    play(panel, act, size=(40, 10))


def test_a_chosen_one_stays_chosen_in_sight_though_the_list_grows() -> None:
    panel = Choices(*many(3))

    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        panel.paint(LOOK)
        await pilot.press("enter")
        panel.lines = [*keyed(*(f"new{n}" for n in range(20))), *panel.lines]
        panel.paint(LOOK)
        await pilot.pause()
        assert panel.cursor == "k0"
        assert "▶ k0" in stage.text()

    play(panel, act, size=(40, 10))


def test_what_is_gone_gives_the_cursor_to_the_next_best() -> None:
    panel = Choices(*keyed("a", "b", "c", "d"))

    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        panel.paint(LOOK)
        await pilot.press("j", "j")
        panel.lines = keyed("a", "b", "d")
        panel.paint(LOOK)
        assert at(panel) == "d"
        panel.lines = [Line(nothing("none"))]
        panel.paint(LOOK)
        assert at(panel) is None
        await pilot.press("j", "k", "G", "enter")
        assert panel.opened == []

    play(panel, act, size=(40, 10))


def test_a_click_chooses_and_the_wheel_scrolls() -> None:
    panel = Choices(*many(30))

    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        panel.paint(LOOK)
        await pilot.pause()
        await pilot.click(panel, offset=(5, 3))
        assert panel.opened == ["k2"]
        await wheel(panel, pilot)
        top = panel.scroll_offset.y
        assert top > 0
        await pilot.click(panel, offset=(5, 1))
        assert panel.opened[-1] == f"k{top}"
        await pilot.click(panel, offset=(5, 0))  # the border stands for nothing
        assert len(panel.opened) == 2

    play(panel, act, size=(40, 10))


def test_without_colour_the_cursor_is_still_seen() -> None:
    panel = Choices(*many(3))

    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        panel.paint(LOOK)
        await pilot.pause()
        assert "> k0" in stage.text()

    play(panel, act, size=(40, 10), colours=False)


def test_lines_that_are_gone_leave_nothing_behind() -> None:
    panel = Letters(*plain(50))

    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        panel.paint(LOOK)
        await pilot.press("G")
        panel.lines = plain(2)
        panel.paint(LOOK)
        await pilot.pause()
        await pilot.pause()
        assert [line.strip("│ ") for line in stage.screen_lines()[1:-1]] == [
            *("line 0", "line 1"),
            *[""] * 6,
        ]

    play(panel, act, size=(40, 10))


def test_what_changes_while_scrolled_is_drawn() -> None:
    # Line 5 looks, after scrolling, just as line 0 had looked before.
    panel = Letters(*plain(50))

    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        panel.paint(LOOK)
        await pilot.pause()
        for _ in range(5):
            await pilot.press("j")
        await pilot.pause()
        panel.lines[5] = Line(said("line 0"))
        panel.paint(LOOK)
        await pilot.pause()
        assert stage.screen_lines()[1].strip("│ ▁▂▃▄▅▆▇█") == "line 0"

    play(panel, act, size=(40, 10))


def test_text_can_be_marked_with_the_mouse() -> None:
    panel = Letters(*plain(5))

    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        panel.paint(LOOK)
        await pilot.pause()
        await pilot.mouse_down(panel, offset=(2, 1))
        await pilot.hover(panel, offset=(8, 2))
        await pilot.mouse_up(panel, offset=(8, 2))
        await pilot.pause()
        assert stage.screen.get_selected_text() == "line 0\nline 1"

    play(panel, act, size=(40, 10))


def test_a_line_that_is_too_long_says_so() -> None:
    panel = Letters(Line(said("x" * 100)), Line(said("秘" * 100)))

    async def act(stage: Stage, pilot: Pilot[None]) -> None:
        panel.paint(LOOK)
        await pilot.pause()
        assert [line.strip("│ ")[-1] for line in stage.screen_lines()[1:3]] == ["…", "…"]

    play(panel, act, size=(40, 10))
