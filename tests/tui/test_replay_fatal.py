"""A night that ended by a fatal fault: its dialog opens at the end, and stands in nobody's way."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from textual.pilot import Pilot
from textual.widgets import TabbedContent

from tests.tui.nights import NIGHTS
from tests.tui.piloted import JOURNAL, Handed, at, piloted, until
from tests.tui.replaying import Watched, of, walk, where
from tests.tui.screen import read
from tui.app import Console
from tui.glance import Badge
from tui.widgets.dialogs.fatal import FatalScreen
from tui.widgets.dialogs.help import HelpScreen
from vsync_sm.core import events as e

NIGHT = NIGHTS["halted"]()
RECORDS = NIGHT.records


def _tab(watched: Watched) -> str:
    return watched.app.screen_stack[0].query_one("#tabs", TabbedContent).active


@pytest.mark.parametrize(
    ("key", "there"),
    [
        ("home", lambda watched: watched.glance.view.seq == 1),
        ("left", lambda watched: watched.glance.view.seq == len(RECORDS) - 1),
        ("4", lambda watched: _tab(watched) == "faults"),
        ("question_mark", lambda watched: isinstance(watched.app.screen, HelpScreen)),
        ("q", lambda watched: watched.app.return_value == 0),
    ],
)
def test_in_replay_a_key_goes_through_it(key: str, there: Callable[[Watched], bool]) -> None:
    async def test(watched: Watched) -> None:
        await watched.until(lambda: isinstance(watched.app.screen, FatalScreen))
        await watched.press(key)
        await until(lambda: there(watched))
        if key != "q":
            assert not any(isinstance(each, FatalScreen) for each in watched.app.screen_stack)

    walk(RECORDS, test)


def test_the_first_fault_is_three_keys_away() -> None:
    first = where(RECORDS, of(e.FaultRaised, e.SaveRefused))[0]

    async def test(watched: Watched) -> None:
        await watched.until(lambda: isinstance(watched.app.screen, FatalScreen))
        await watched.press("home", "right_square_bracket")
        await watched.at(first)

    walk(RECORDS, test)


def test_elsewhere_it_says_that_it_comes_first() -> None:
    async def test(app: Console, pilot: Pilot[int]) -> None:
        await until(lambda: isinstance(app.screen, FatalScreen))
        for key in ("q", "4", "question_mark"):
            await pilot.press(key)
            await pilot.pause()
            shown = "?" if key == "question_mark" else key
            assert f"Enter puts this away, then {shown}" in read(app)
        assert isinstance(app.screen, FatalScreen)
        await pilot.press("c")
        await pilot.pause()
        assert "Copied" in read(app)
        await pilot.press("enter", "q")
        await until(lambda: app.return_value == 0)

    feed = Handed(NIGHT.view, Badge.ATTACHED)
    piloted(Console(feed, None, journal=JOURNAL, clock=at(NIGHT)), test)
