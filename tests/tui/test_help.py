"""Help lists every key, and says what is on the screen."""

from __future__ import annotations

import asyncio
import importlib
import pkgutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from textual.app import App
from textual.binding import Binding
from textual.dom import DOMNode
from textual.pilot import Pilot
from textual.widgets import Static

import tui
from tests.tui.dialog import NOW, SMALL, clicked, drive, flat, pressed, seen, until
from tui.app import Console
from tui.feed import LiveFeed
from tui.glance import Badge
from tui.widgets.dialogs import HelpScreen, places
from tui.widgets.dialogs.help import BADGES
from tui.widgets.dialogs.keys import Place, keys_of, name_of
from vsync_sm.core.answer import MEANING, Word


def console() -> Console:
    return Console(LiveFeed(), journal=Path("journal.jsonl"), clock=lambda: NOW.wall)


def in_console(what: Callable[[Pilot[Any], Console], Awaitable[None]]) -> None:
    """Do something with a console that has nothing to show yet."""

    async def run() -> None:
        app = console()
        async with app.run_test(size=SMALL) as pilot:
            await pilot.pause()
            await what(pilot, app)

    asyncio.run(run())


def classes_with_keys() -> list[type[DOMNode]]:
    """Every class of the console that binds keys, in whatever module."""
    modules = [
        importlib.import_module(each.name) for each in pkgutil.walk_packages(tui.__path__, "tui.")
    ]
    found = {
        value
        for module in modules
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, DOMNode) and vars(value).get("BINDINGS")
    }
    return sorted(
        (cls for cls in found if cls.__module__.startswith("tui.")), key=lambda cls: cls.__name__
    )


def raw_keys(cls: type[DOMNode]) -> list[str]:
    """A class's keys as they are bound, read without the help's own code."""
    return [
        key.strip()
        for each in vars(cls)["BINDINGS"]
        for key in (each.key if isinstance(each, Binding) else each[0]).split(",")
    ]


@pytest.mark.parametrize("cls", classes_with_keys(), ids=lambda cls: str(cls.__name__))
def test_every_key_says_what_it_does(cls: type[DOMNode]) -> None:
    for each in vars(cls)["BINDINGS"]:
        assert isinstance(each, Binding)
        assert each.description, (cls, each)


def test_help_lists_every_key_of_every_panel() -> None:
    classes = classes_with_keys()
    assert {"Console", "JournalPanel", "AllowDialog"} <= {cls.__name__ for cls in classes}

    async def listed(pilot: Pilot[Any], app: Console) -> None:
        there = {place.name: place for place in places(app)}
        await pilot.press("question_mark")
        await until(pilot, lambda: isinstance(app.screen, HelpScreen))
        words = str(app.screen.query_one("#words", Static).content)
        for cls in classes:
            if "APART" in vars(cls):
                continue  # another console's
            name = "everywhere" if issubclass(cls, App) else name_of(cls)
            written = [key for each in there[name].keys for key in each.keys]
            if not issubclass(cls, App):
                assert len(written) == len(set(raw_keys(cls))), cls
                assert there[name].keys == keys_of(cls)
            assert f"Keys: {name}" in words
            for key in keys_of(cls):
                assert set(key.keys) <= set(written), (cls, key)
                assert " ".join(key.keys) in words
        assert len(there) == len(places(app)), "two places of one name"

    in_console(listed)


def test_help_lists_every_key_that_works_anywhere() -> None:
    async def works(pilot: Pilot[Any], app: Console) -> None:
        known = {key for place in places(app) for each in place.keys for key in each.keys}
        for number in range(1, 8):
            await pilot.press(str(number))
            await pilot.pause()
            for widget in [None, *(each for each in app.screen.query("*") if each.focusable)]:
                app.screen.set_focus(widget, scroll_visible=False)
                for active in app.screen.active_bindings.values():
                    (one,) = _as_place(active.binding).keys
                    assert one.keys[0] in known, (number, widget, active.binding)

    in_console(works)


def _as_place(binding: Binding) -> Place:
    owner = type("Owner", (DOMNode,), {"BINDINGS": [binding]})
    return Place("", keys_of(owner), "widget")


def test_help_says_what_words_badges_and_signs_mean() -> None:
    assert set(MEANING) == set(Word)
    assert set(BADGES) == set(Badge)
    dialog = HelpScreen((), live=True)

    async def read(pilot: Pilot[Any]) -> None:
        words = str(dialog.query_one("#words", Static).content)
        for text in (*Word, *Badge, "✔ saved", "✖ refused", "! warning"):
            assert str(text) in words
        assert "q quits: the origin runs here, so that is to halt it" in words
        for text in (*MEANING.values(), *BADGES.values()):
            assert text in flat(words)

    drive(dialog, read)
    assert "the origin goes on" in seen(HelpScreen(()))


@pytest.mark.parametrize("key", ["escape", "q", "question_mark", "enter"])
def test_help_closes(key: str) -> None:
    assert pressed(HelpScreen(()), key) == [None]


def test_help_closes_with_the_mouse() -> None:
    assert clicked(HelpScreen(()), "#close") == [None]


@pytest.mark.parametrize("size", [SMALL, (85, 24), (100, 40), (200, 60)])
def test_what_a_key_does_is_wrapped_in_its_own_column(size: tuple[int, int]) -> None:
    async def wrapped(pilot: Pilot[Any], app: Console) -> None:
        await pilot.resize_terminal(*size)
        await pilot.press("question_mark")
        await until(pilot, lambda: isinstance(app.screen, HelpScreen))
        words = app.screen.query_one("#words", Static)

        def fits() -> bool:
            return str(words.content).count("\n") + 1 == words.content_size.height

        await until(pilot, fits)
        await pilot.resize_terminal(size[0] - 7, size[1])
        await pilot.pause()
        await until(pilot, fits)

    in_console(wrapped)


def test_help_scrolls() -> None:
    async def scroll(pilot: Pilot[Any], app: Console) -> None:
        await pilot.press("question_mark")
        await until(pilot, lambda: isinstance(app.screen, HelpScreen))
        body = app.screen.query_one("#body")
        for down, up in (
            ("j", "k"),
            ("down", "up"),
            ("pagedown", "pageup"),
            ("space", "pageup"),
            ("G", "g"),
            ("end", "home"),
        ):
            assert body.scroll_offset.y == 0
            await pilot.press(down)
            await until(pilot, lambda: body.scroll_offset.y > 0)
            if down in {"G", "end"}:
                await until(pilot, lambda: body.scroll_offset.y == body.max_scroll_y)
            await pilot.press(up)
            await until(pilot, lambda: body.scroll_offset.y == 0)

    in_console(scroll)
