"""Every key, on every tab, over journals that hold nothing: none of them ends the console."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from textual.pilot import Pilot

from tests.journal.example import numbered, one_saved_cycle
from tests.tui.piloted import Asked, Clock, Here, until
from tui.app import Console
from tui.feed import LiveFeed
from tui.follow import FollowFeed
from tui.replay.console import ReplayConsole
from tui.replay.feed import PlayFeed
from tui.widgets.lines import JournalLines
from vsync_sm.journal.codec import encode
from vsync_sm.journal.past import Past

SIZE = (100, 30)
NO_LINE = ("F", *"path:none/such", "enter")
ALL = [encode(record) for record in numbered(one_saved_cycle())]
JOURNALS = {"empty": [], "one event": ALL[:1], "a cycle": ALL}
"""Lines of journals."""

NOT_PRESSED = frozenset({"ctrl+q", "ctrl+c", "ctrl+z", "q", "ctrl+p"})
"""What ends the console or stops its process, and the palette, which is Textual's own."""

LAST = frozenset({"F", "ampersand", "escape"})
"""What shows all lines again."""


def live(journal: Path) -> Console:
    return Console(LiveFeed(), Asked(), journal=journal, origin=Here(), clock=Clock())


def attached(journal: Path) -> Console:
    return Console(FollowFeed(journal), Asked(), journal=journal, clock=Clock())


def replayed(journal: Path) -> Console:
    return ReplayConsole(PlayFeed(Past(journal), Clock()), journal=journal, cpu=lambda: 0.0)


WAYS = {"live": live, "attached": attached, "replayed": replayed}


Test = Callable[[Console, "Pilot[int]"], Awaitable[None]]


def opened(way: str, lines: list[bytes], test: Test) -> None:
    """A console over a journal of these lines; it must stand all through the test."""

    async def run(journal: Path) -> None:
        app = WAYS[way](journal)
        async with app.run_test(size=SIZE, notifications=True) as pilot:
            await until(lambda: app.glance is not None)
            await pilot.pause()
            await test(app, pilot)
            assert app.is_running
        assert not app.troubles, app.troubles

    with tempfile.TemporaryDirectory() as home:
        journal = Path(home, "journal.jsonl")
        journal.write_bytes(b"".join(lines))
        asyncio.run(run(journal))


async def press(app: Console, pilot: Pilot[int], *keys: str) -> None:
    """Press keys, as far as it still runs: what ended it is raised by the console's own end."""
    for key in keys:
        if app.failure is not None:
            return
        await pilot.press(key)


async def hold(app: Console, pilot: Pilot[int], name: str) -> None:
    """Show the journal, and select a line, if there is one: the list follows no more."""
    await press(app, pilot, "2")
    lines = app.screen_stack[0].query_one(JournalLines)

    def read() -> bool:
        app.paint_now()
        return lines.count == len(JOURNALS[name])

    await until(read)
    await press(app, pilot, "k")


async def back(app: Console, pilot: Pilot[int]) -> None:
    """Leave whatever has opened."""
    for _ in range(5):
        if len(app.screen_stack) == 1:
            return
        await press(app, pilot, "escape")
        await pilot.pause()


def keys_of(app: Console, *, own: bool) -> list[str]:
    """The keys that do something now: all, or those of the panel alone (`own`)."""
    found = app.screen_stack[0].active_bindings.items()
    keys = [key for key, active in found if not own or active.node is not app]
    return [key for key in keys if key not in NOT_PRESSED]


@pytest.mark.parametrize(
    ("way", "name", "tabs"),
    [
        ("attached", "empty", "234567"),
        ("attached", "a cycle", "12"),
        ("replayed", "empty", "1"),
        ("replayed", "a cycle", "2"),
        ("live", "empty", "2"),
    ],
)
def test_every_key(way: str, name: str, tabs: str) -> None:
    async def test(app: Console, pilot: Pilot[int]) -> None:
        for tab in tabs:
            await press(app, pilot, tab)
            await pilot.pause()
            if tab == "2" and name == "a cycle":
                await hold(app, pilot, name)
                await press(app, pilot, *NO_LINE)
            for key in sorted(keys_of(app, own=tab != "1"), key=LAST.__contains__):
                if name == "a cycle":  # some keys let the list follow again
                    app.screen_stack[0].query_one(JournalLines).follow = False
                await press(app, pilot, key)
                await back(app, pilot)

    opened(way, JOURNALS[name], test)


KEYS = st.sampled_from(
    (*"12345678kjgGhlwfxFnN/&*-[]{}()<>+MtTm?", "space", "enter", "escape", "tab", "home", "end")
)


@settings(max_examples=3)
@given(
    way=st.sampled_from(sorted(WAYS)),
    name=st.sampled_from(sorted(JOURNALS)),
    keys=st.lists(KEYS, min_size=3, max_size=10),
)
def test_any_keys_on_a_list_that_is_empty(way: str, name: str, keys: list[str]) -> None:
    async def test(app: Console, pilot: Pilot[int]) -> None:
        await hold(app, pilot, name)
        await press(app, pilot, *NO_LINE, *keys)

    opened(way, JOURNALS[name], test)
