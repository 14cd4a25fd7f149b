"""The demo's hints on the screen: told of at the start, opened and closed by a key."""

from __future__ import annotations

from textual.pilot import Pilot
from textual.widgets import Static

from tests.tui.nights import NIGHTS
from tests.tui.piloted import JOURNAL, Handed, piloted, until
from tui.app import Console
from tui.widgets.dialogs.hints import HintsScreen

HINTS = "Change a secret\n  curl -d '{\"data\": {}}' 'http://x/[1-24]'\n  → It is [out].\n"


def console(hints: str) -> Console:
    return Console(Handed(NIGHTS["waiting"]().view), None, journal=JOURNAL, hints=hints)


def test_hints_are_told_as_they_are_and_closed_again() -> None:
    async def look(app: Console, pilot: Pilot[int]) -> None:
        await until(lambda: any("d tells what to try" in n.message for n in app._notifications))
        for close in ("d", "escape", "q", "enter"):
            await pilot.press("d")
            await until(lambda: isinstance(app.screen, HintsScreen))
            assert str(app.screen.query_one("#words", Static).content) == HINTS.rstrip()
            await pilot.press(close)
            await until(lambda: not isinstance(app.screen, HintsScreen))

    piloted(console(HINTS), look)


def test_where_there_are_none_nothing_is_offered() -> None:
    async def look(app: Console, pilot: Pilot[int]) -> None:
        await pilot.press("d")
        await pilot.press("question_mark")  # opened after what `d` would have
        await until(lambda: len(app.screen_stack) > 1)
        assert not any(isinstance(each, HintsScreen) for each in app.screen_stack)
        assert not app._notifications

    piloted(console(""), look)
