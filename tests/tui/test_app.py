"""The console's own keys, its commands, its rhythm, what it remembers and how it ends."""

from __future__ import annotations

import threading
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from textual.command import CommandPalette
from textual.events import DescendantFocus
from textual.pilot import Pilot
from textual.screen import Screen
from textual.widgets import Input, TabbedContent
from textual.widgets._toast import Toast

from tests.tui.nights import NIGHTS
from tests.tui.piloted import (
    JOURNAL,
    Asked,
    Clock,
    Handed,
    Here,
    at,
    piloted,
    told,
    top,
    until,
)
from tests.tui.screen import read
from tests.workshop import PATIENCE_S
from tui import preferences, rhythm
from tui.app import NO_TERMINAL, Console
from tui.feed import Look
from tui.glance import Badge, Glance
from tui.lost import HEARD_S
from tui.steer import COMMAND_ACTIONS
from tui.tabs import TABS
from tui.theme import FIRST, THEMES
from tui.times import Times
from tui.widgets.cycle import CyclePanel
from tui.widgets.dialogs.abort import AbortDialog
from tui.widgets.dialogs.allow import AllowDialog
from tui.widgets.dialogs.fatal import FatalScreen
from tui.widgets.dialogs.halt import HaltDialog
from tui.widgets.dialogs.help import HelpScreen
from tui.widgets.dialogs.pause import PauseDialog, ResumeDialog
from tui.widgets.keys import Keys
from tui.widgets.panel import Panel, PathChosen
from tui.widgets.path import PathPanel
from tui.widgets.title import Title
from vsync_sm.core.commands import GONE, Done
from vsync_sm.core.shapes import Pause
from vsync_sm.core.words import duration

KEYS = {"s": "sync", "p": "pause", "a": "abort", "A": "allow", "H": "halt"}


@pytest.fixture(autouse=True)
def _somewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NO_COLOR", raising=False)


def console(
    night: str = "waiting",
    commander: Asked | None = None,
    *,
    badge: Badge = Badge.ATTACHED,
    **how: Any,
) -> Console:
    """A console over a night, at its moment of looking."""
    made = NIGHTS[night]()
    how = {"clock": at(made), "journal": JOURNAL, **how}
    return Console(Handed(made.view, badge), commander, **how)


def offered(app: Console) -> dict[str, bool]:
    """The commands that are offered, and whether they can be given just now."""
    found = app.screen.active_bindings.values()
    return {
        each.binding.action: each.enabled
        for each in found
        if each.binding.action in COMMAND_ACTIONS
    }


def active(app: Console) -> str:
    """The tab that is shown."""
    return app.screen_stack[0].query_one("#tabs", TabbedContent).active


# --- what is on top --------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(80, 24), (100, 30), (200, 60)])
def test_the_answer_is_there_at_every_size(size: tuple[int, int]) -> None:
    async def test(app: Console, _: Pilot[int]) -> None:
        said = top(app)
        assert "ATTACHED waiting " in said["Title"]
        assert "IN SYNC" in said["AnswerBar"]
        assert "look" in said["AnswerBar"]
        assert "save" in said["AnswerBar"]
        assert "next tick in" in said["Strip"]
        assert "Vault" in said["Strip"]
        assert "Consul" in said["Strip"]
        assert len(said["Strip"].splitlines()) == (2 if size == (100, 30) else 1)
        for line in "\n".join(said.values()).splitlines():
            assert len(line) <= size[0]

    piloted(console(commander=Asked()), test, size)


@pytest.mark.parametrize(
    ("night", "word"),
    [
        ("checking", "BEHIND"),
        ("refused", "REFUSED"),
        ("paused", "PAUSED"),
        ("halted", "HALTED"),
        ("stuck", "STUCK"),
    ],
)
def test_the_word_on_top(night: str, word: str) -> None:
    async def test(app: Console, _: Pilot[int]) -> None:
        assert word in top(app)["AnswerBar"]
        assert app.glance is not None
        assert app.glance.answer.todo in top(app)["AnswerBar"].replace("\n", " ")

    piloted(console(night), test, (200, 60))


@pytest.mark.parametrize("night", ["waiting", "working", "postponed"])
def test_where_nobody_listens_the_origin_is_lost_at_once_and_time_passes(night: str) -> None:
    gone = f"nobody listens at journal.jsonl.sock: {GONE}"
    made = NIGHTS[night]()
    clock = at(made)

    async def test(app: Console, _: Pilot[int]) -> None:
        await until(lambda: app.unreachable == gone)
        clock.wait(HEARD_S + 1)
        app.paint_now()
        said = top(app)
        assert f"LOST {made.view.state.name} " in said["Title"]
        assert said["Title"].count(gone) == 1
        assert "Nobody answers for it" in said["AnswerBar"]
        assert "ctl sync" not in said["AnswerBar"]
        before = app.glance
        assert before is not None
        clock.wait(20)
        app.paint_now()
        assert app.glance is not None
        assert app.glance.state_s == pytest.approx(before.state_s + 20)
        assert f"{made.view.state.name} {duration(int(app.glance.state_s))}" in top(app)["Title"]

    piloted(console(night, Asked(gone), clock=clock), test, (200, 60))


def test_an_attached_console_says_that_it_is_no_load() -> None:
    async def test(app: Console, _: Pilot[int]) -> None:
        assert "no load on Vault or Consul" in top(app)["Title"]

    piloted(console(), test)

    async def live(app: Console, _: Pilot[int]) -> None:
        assert "no load" not in top(app)["Title"]

    piloted(console(badge=Badge.LIVE), live)


def test_silence_makes_it_lost_and_a_line_ends_that() -> None:
    night = NIGHTS["working"]()
    clock, feed = at(night), Handed(night.view)
    app = Console(feed, None, journal=JOURNAL, clock=clock)

    async def test(app: Console, _: Pilot[int]) -> None:
        assert "ATTACHED working" in top(app)["Title"]
        clock.wait(16)
        app.paint_now()
        assert "LOST working" in top(app)["Title"]
        assert "no line for" in top(app)["Title"]
        feed.now = replace(feed.now, arrived=1)
        app.paint_now()
        assert "ATTACHED working" in top(app)["Title"]

    piloted(app, test)


def test_lines_seen_live_are_measured_on_this_machines_clock() -> None:
    # The writer's clock is an hour behind ours.
    night = NIGHTS["working"]()
    clock = Clock(night.now.wall + 3600 * 10**9)
    feed = Handed(night.view)
    app = Console(feed, None, journal=JOURNAL, clock=clock)

    async def test(app: Console, _: Pilot[int]) -> None:
        assert "LOST" in top(app)["Title"]
        feed.now = replace(feed.now, arrived=1)
        app.paint_now()
        assert app.glance is not None
        assert app.glance.now.mono == night.view.now.mono
        clock.wait(10)
        app.paint_now()
        assert app.glance.now.mono == night.view.now.mono + 10 * 10**9
        assert app.glance.badge is Badge.ATTACHED

    piloted(app, test)


def test_while_paused_the_socket_tells_whether_it_is_lost() -> None:
    night = NIGHTS["paused"]()
    commander = Asked("nobody listens there")
    clock = at(night)
    app = Console(Handed(night.view), commander, journal=JOURNAL, clock=clock)

    async def test(app: Console, _: Pilot[int]) -> None:
        clock.wait(3600)
        await until(lambda: app.unreachable)
        app.paint_now()
        assert "LOST waiting" in top(app)["Title"]
        assert "nobody listens there" in top(app)["Title"]
        commander.why = ""
        app._ask()
        await until(lambda: not app.unreachable)
        app.paint_now()
        assert "ATTACHED waiting" in top(app)["Title"]

    piloted(app, test)


def test_a_replay_is_never_lost_and_stands_at_its_last_record() -> None:
    async def test(app: Console, _: Pilot[int]) -> None:
        assert "REPLAY working" in top(app)["Title"]
        assert app.glance is not None
        assert app.glance.now.mono == app.glance.view.now.mono

    piloted(console("working", badge=Badge.REPLAY, clock=Clock(2**62)), test)


def test_damage_and_notes_are_said() -> None:
    app = console(readonly="asked for with --readonly")
    app._feed.now = replace(app._feed.look(), damage="line 7, byte 9: torn", note="read anew")  # type: ignore[attr-defined]  # it is a Handed

    async def test(app: Console, _: Pilot[int]) -> None:
        said = top(app)["Title"]
        assert "the journal can be read no further: line 7, byte 9: torn" in said
        assert "read anew" in said
        assert "read-only: asked for with --readonly" in said

    piloted(app, test, (200, 60))


def test_nothing_yet() -> None:
    async def test(app: Console, _: Pilot[int]) -> None:
        said = top(app)
        assert "awaiting the journal" in said["Title"]
        assert "waiting for the journal j" in said["Title"]
        assert "awaiting the journal: journal.jsonl" in said["AnswerBar"]
        assert "vsync-sm --headless --journal journal.jsonl" in said["AnswerBar"]
        assert "▶" not in said["Strip"], "no machine is in any state yet"
        feed.now = Look()
        app.paint_now()
        assert "nothing yet: journal.jsonl" in top(app)["AnswerBar"]

    feed = Handed()
    feed.now = Look(note="waiting for the journal j")
    piloted(Console(feed, None, journal=JOURNAL, clock=Clock(1)), test)


# --- tabs ------------------------------------------------------------------------------------


def test_each_number_shows_its_tab_with_its_panels() -> None:
    numbers = {tab.id: str(number) for number, tab in enumerate(TABS, start=1)}
    assert list(numbers.values()) == list("1234567")

    async def test(app: Console, pilot: Pilot[int]) -> None:
        # The path's text field would take the next number.
        for tab in sorted(numbers, key=lambda tab: (tab == "path", numbers[tab])):
            await pilot.press(numbers[tab])
            await until(partial(is_in, app, tab))
            pane = app.query_one("#tabs", TabbedContent).get_pane(tab)
            assert list(app._panels_in(pane))
        await until(lambda: isinstance(app.focused, Input))
        await pilot.press("7")
        assert active(app) == "path"
        await pilot.press("escape", "7")
        await until(partial(is_in, app, "buckets"))

    piloted(console(), test)


def is_in(app: Console, tab: str) -> bool:
    """Whether a tab is shown, and the keys go to what is in it."""
    pane = app.screen_stack[0].query_one("#tabs", TabbedContent).get_pane(tab)
    return active(app) == tab and app.focused is not None and pane in app.focused.ancestors


def test_the_focus_of_a_tab_that_was_left_does_not_bring_it_back() -> None:
    async def test(app: Console, pilot: Pilot[int]) -> None:
        now = app.query_one("#tabs", TabbedContent).get_pane("now")
        await pilot.press("4")
        await until(lambda: active(app) == "faults")
        now.post_message(DescendantFocus(app.query_one("#now-cycle")))
        for _ in range(5):
            await pilot.pause()
        assert active(app) == "faults"

    piloted(console(), test)


def test_the_mouse_chooses_a_tab() -> None:
    async def test(app: Console, pilot: Pilot[int]) -> None:
        await pilot.click("#--content-tab-faults")
        await until(lambda: active(app) == "faults")

    piloted(console(), test)


def test_only_what_is_visible_is_painted(monkeypatch: pytest.MonkeyPatch) -> None:
    painted: list[str] = []
    real = CyclePanel.paint

    def paint(self: CyclePanel, glance: Glance) -> None:
        painted.append("cycle")
        real(self, glance)

    monkeypatch.setattr(CyclePanel, "paint", paint)

    async def test(app: Console, pilot: Pilot[int]) -> None:
        assert painted
        await pilot.press("4")
        await until(lambda: active(app) == "faults")
        painted.clear()
        app.paint_now()
        assert painted == []

    piloted(console(), test)


def test_a_path_that_is_chosen_is_looked_up() -> None:
    async def test(app: Console, _: Pilot[int]) -> None:
        app.post_message(PathChosen("teams/data/a"))
        await until(lambda: active(app) == "path")
        panel = app.query_one(PathPanel)
        await until(lambda: panel.query_one(Input).value == "teams/data/a")

    piloted(console(), test)


def test_a_key_that_comes_before_there_are_tabs_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    # The title is there before the tabs are.
    monkeypatch.setattr(Title, "on_mount", lambda title: title.app.action_tab("cycles"), False)

    async def test(app: Console, _: Pilot[int]) -> None:
        await until(lambda: isinstance(app.focused, Panel) and active(app) == "cycles")

    piloted(console(), test)


def test_what_was_hidden_is_drawn_with_what_it_says_now() -> None:
    async def test(app: Console, _: Pilot[int]) -> None:
        drawn: list[str] = []

        def laid_out(_: Screen[object]) -> None:
            drawn.append(read(app))

        await until(lambda: app.focused is not None)
        app.screen.screen_layout_refresh_signal.subscribe(app, laid_out, immediate=True)
        app.action_tab("cycles")
        assert isinstance(app.focused, Panel)
        await until(lambda: drawn)
        assert "took" in drawn[0], drawn[0]

    piloted(console(), test)


# --- commands --------------------------------------------------------------------------------


def test_what_can_be_commanded_is_offered() -> None:
    async def test(app: Console, _: Pilot[int]) -> None:
        assert offered(app) == {
            "sync": True,
            "pause": True,
            "abort": False,
            "allow": False,
            "halt": True,
        }
        keys = app.query_one(Keys)
        await until(lambda: "Sync" in str(keys.render()))
        assert "Halt" in str(keys.render())
        assert "Abort" not in str(keys.render()), "without colour, it would look like the others"

    piloted(console(commander=Asked()), test)


@pytest.mark.parametrize(
    ("night", "able"),
    [
        ("working", {"sync", "pause", "abort", "halt"}),
        ("paused", {"sync", "resume", "halt"}),
        ("refused", {"sync", "pause", "allow", "halt"}),
        ("halted", set()),
        ("empty", set()),
    ],
)
def test_what_can_be_done_depends_on_the_state(night: str, able: set[str]) -> None:
    async def test(app: Console, _: Pilot[int]) -> None:
        if night == "halted":
            await until(lambda: app.screen.is_modal and app.screen.is_mounted)
            await app.pop_screen()
        await until(lambda: not able or offered(app))
        assert {name for name, can in offered(app).items() if can} == able

    piloted(console(night, Asked()), test)


@pytest.mark.parametrize(
    "how",
    [
        {"readonly": "asked for with --readonly", "commander": Asked()},
        {"commander": Asked("nobody listens there")},
        {"commander": None},
    ],
)
def test_where_nothing_can_be_commanded_nothing_is_offered(how: dict[str, Any]) -> None:
    async def test(app: Console, pilot: Pilot[int]) -> None:
        await until(lambda: app.unable)
        app.paint_now()
        await pilot.pause()
        assert offered(app) == {}
        assert f"read-only: {app.unable}" in top(app)["Title"]
        await pilot.press(*KEYS)
        await pilot.pause()
        assert len(app.screen_stack) == 1

    commander = how["commander"]
    piloted(console("working", **how), test)
    assert commander is None or commander.asked == []


def test_commands_come_back_when_the_origin_does() -> None:
    commander = Asked("nobody listens there")

    async def test(app: Console, pilot: Pilot[int]) -> None:
        await until(lambda: app.unable)
        commander.why = ""
        app._ask()
        await until(lambda: not app.unable)
        await pilot.pause()
        assert offered(app)["sync"]

    piloted(console(commander=commander), test)


def test_sync_asks_at_once_and_tells_the_answer() -> None:
    commander = Asked(done=Done(True, "a cycle begins [now]"))

    async def test(app: Console, pilot: Pilot[int]) -> None:
        await pilot.press("s")
        await until(lambda: told(app))
        assert told(app) == ["a cycle begins [now]"]
        await until(lambda: app.query(Toast))
        assert "[now]" in str(app.query_one(Toast).render())

    piloted(console(commander=commander), test)
    assert commander.asked == [("sync", "")]


def test_what_was_not_done_is_an_error() -> None:
    async def test(app: Console, pilot: Pilot[int]) -> None:
        await pilot.press("s")
        await until(lambda: told(app))
        assert [each.severity for each in app._notifications] == ["error"]

    piloted(console(commander=Asked(done=Done(False, "it is halting already"))), test)


def test_a_commander_that_fails_does_not_end_the_console() -> None:
    class Broken(Asked):
        def do(self, command: str, argument: str = "") -> Done:
            raise ZeroDivisionError(command + argument)

    async def test(app: Console, pilot: Pilot[int]) -> None:
        await pilot.press("s")
        await until(lambda: told(app))
        assert told(app) == ["sync was not done: ZeroDivisionError"]

    piloted(console(commander=Broken()), test)


def test_a_command_that_takes_long_holds_up_nothing() -> None:
    gate = threading.Event()

    class Slow(Asked):
        def do(self, command: str, argument: str = "") -> Done:
            gate.wait(PATIENCE_S)
            return super().do(command, argument)

    commander = Slow()

    async def test(app: Console, pilot: Pilot[int]) -> None:
        await pilot.press("s", "4")
        await until(lambda: active(app) == "faults")
        assert commander.asked == []
        gate.set()
        await until(lambda: told(app))

    piloted(console(commander=commander), test)
    assert commander.asked == [("sync", "")]


@pytest.mark.parametrize(
    ("night", "key", "dialog", "answer", "asked"),
    [
        ("waiting", "p", PauseDialog, [*"why", "enter"], [("pause", "why")]),
        ("waiting", "p", PauseDialog, ["enter"], [("pause", "")]),
        ("waiting", "p", PauseDialog, ["escape"], []),
        ("paused", "p", ResumeDialog, ["y"], [("resume", "")]),
        ("paused", "p", ResumeDialog, ["n"], []),
        ("working", "a", AbortDialog, ["y"], [("abort", "")]),
        ("working", "a", AbortDialog, ["escape"], []),
        ("waiting", "H", HaltDialog, ["y"], [("halt", "")]),
        ("waiting", "H", HaltDialog, ["n"], []),
        ("refused", "A", AllowDialog, ["escape"], []),
    ],
)
def test_grave_commands_ask_first(
    night: str, key: str, dialog: type, answer: list[str], asked: list[tuple[str, str]]
) -> None:
    commander = Asked()

    async def test(app: Console, pilot: Pilot[int]) -> None:
        await pilot.press(key)
        await until(lambda: isinstance(app.screen, dialog))
        assert commander.asked == []
        await pilot.press(*answer)
        await until(lambda: len(app.screen_stack) == 1)
        await until(lambda: len(commander.asked) == len(asked))

    piloted(console(night, commander), test)
    assert commander.asked == asked


def test_the_key_for_pause_is_that_for_resume_when_it_is_paused() -> None:
    commander = Asked()
    app = console(commander=commander)

    async def test(app: Console, pilot: Pilot[int]) -> None:
        assert app.glance is not None
        assert "pause" in offered(app)
        paused = replace(app.glance.view, pause=Pause("2026-11-02T10:00:00Z", "me", "console", ""))
        app._feed.now = Look(paused)  # type: ignore[attr-defined]  # it is a Handed
        app.paint_now()
        await pilot.pause()
        assert "resume" in offered(app)
        assert "pause" not in offered(app)

    piloted(app, test)


# --- help, palette ---------------------------------------------------------------------------


def test_help_lists_the_keys_of_the_console() -> None:
    async def test(app: Console, pilot: Pilot[int]) -> None:
        await pilot.press("question_mark")
        await until(lambda: isinstance(app.screen, HelpScreen))
        words = str(app.screen.query_one("#words").render())
        for key in "1234567tTmqspaAH":
            assert f"\n  {key} " in words or f" {key} " in words
        await pilot.press("escape")
        await until(lambda: len(app.screen_stack) == 1)

    piloted(console(commander=Asked()), test)


def test_the_palette_has_every_action_that_can_be_done() -> None:
    async def test(app: Console, pilot: Pilot[int]) -> None:
        names = {each.title for each in app.get_system_commands(app.screen)}
        assert {"Sync", "Pause", "Halt", "Help", "Quit", "Times", "Theme", "Mouse"} <= names
        assert {f"Tab {tab.id}: {tab.about}" for tab in TABS} <= names
        for each in app.get_system_commands(app.screen):
            assert not each.help.startswith(each.title + " ("), "told twice"
        assert not {"Abort", "Allow", "Resume"} & names
        await pilot.press("ctrl+p")
        await until(lambda: isinstance(app.screen, CommandPalette))

    piloted(console(commander=Asked()), test)


def test_the_palette_does_what_it_says() -> None:
    commander = Asked()

    async def test(app: Console, _: Pilot[int]) -> None:
        (sync,) = [each for each in app.get_system_commands(app.screen) if each.title == "Sync"]
        result = sync.callback()
        if result is not None:
            await result
        await until(lambda: commander.asked)

    piloted(console(commander=commander), test)
    assert commander.asked == [("sync", "")]


# --- how it is set ---------------------------------------------------------------------------


def test_times_go_round_and_are_remembered(tmp_path: Path) -> None:
    file = tmp_path / "state" / "console.json"
    seen = []

    async def test(app: Console, pilot: Pilot[int]) -> None:
        for _ in Times:
            assert app.glance is not None
            seen.append(app.glance.times)
            await pilot.press("t")
            await pilot.pause()
        await pilot.press("t")

    piloted(console(remember=file), test)
    assert seen == list(Times)
    assert preferences.load(file).times is Times.local

    async def later(app: Console, _: Pilot[int]) -> None:
        assert app.glance is not None
        assert app.glance.times is Times.local

    piloted(console(remember=file), later)


def test_themes_go_round_and_are_remembered(tmp_path: Path) -> None:
    file = tmp_path / "console.json"
    seen = []

    async def test(app: Console, pilot: Pilot[int]) -> None:
        for _ in THEMES:
            seen.append(app.theme)
            await pilot.press("T")
            await pilot.pause()
        assert app.theme == FIRST
        await pilot.press("T")
        await until(lambda: preferences.load(file).theme == THEMES[1].name)

    piloted(console(remember=file), test)
    assert seen == [theme.name for theme in THEMES]
    assert {theme.dark for theme in THEMES} == {True, False}

    async def later(app: Console, _: Pilot[int]) -> None:
        assert app.theme == THEMES[1].name

    piloted(console(remember=file), later)


def test_the_mouse_is_freed_and_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "console.json"
    heard: list[bool] = []

    async def test(app: Console, pilot: Pilot[int]) -> None:
        monkeypatch.setattr(app._driver, "set_mouse", lambda *, on: heard.append(on), raising=False)
        await pilot.press("m")
        await pilot.pause()
        assert not preferences.load(file).mouse
        await pilot.press("m")
        await pilot.pause()
        assert preferences.load(file).mouse

    piloted(console(remember=file), test)
    assert heard == [False, True]


@pytest.mark.parametrize(
    "damage", [b"", b"{", b"[]", b'{"times": "soon"}', b'{"theme": 7}', b"\xff\xfe"]
)
def test_damaged_preferences_are_ignored(tmp_path: Path, damage: bytes) -> None:
    file = tmp_path / "console.json"
    file.write_bytes(damage)
    assert preferences.load(file) == preferences.Preferences()


def test_an_unknown_theme_is_ignored(tmp_path: Path) -> None:
    file = tmp_path / "console.json"
    preferences.save(preferences.Preferences(theme="moonlight"), file)

    async def test(app: Console, _: Pilot[int]) -> None:
        assert app.theme == FIRST

    piloted(console(remember=file), test)


def test_preferences_that_cannot_be_written_are_not_missed(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file where a directory should be")
    file = tmp_path / "state" / "console.json"

    async def test(app: Console, pilot: Pilot[int]) -> None:
        await pilot.press("t")
        await pilot.pause()
        assert app.glance is not None
        assert app.glance.times is Times.local

    piloted(console(remember=file), test)


def test_preferences_are_written_whole(tmp_path: Path) -> None:
    file = tmp_path / "console.json"
    kept = preferences.Preferences(theme="nord", times=Times.relative, mouse=False)
    preferences.save(kept, file)
    assert preferences.load(file) == kept
    assert [each.name for each in tmp_path.iterdir()] == ["console.json"]


def test_no_colour_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")

    async def test(app: Console, _: Pilot[int]) -> None:
        assert app.no_color
        assert "✔ IN SYNC" in top(app)["AnswerBar"]

    piloted(console(), test)


# --- faults ----------------------------------------------------------------------------------


def test_a_fatal_fault_takes_the_screen_once() -> None:
    async def test(app: Console, pilot: Pilot[int]) -> None:
        await until(lambda: isinstance(app.screen, FatalScreen))
        await pilot.press("enter")
        await until(lambda: len(app.screen_stack) == 1)
        app.paint_now()
        assert len(app.screen_stack) == 1

    piloted(console("halted"), test)


def test_a_fatal_fault_of_an_earlier_run_takes_no_screen() -> None:
    night = deepcopy(NIGHTS["halted"]())
    night.start("another")

    async def test(app: Console, _: Pilot[int]) -> None:
        app.paint_now()
        assert len(app.screen_stack) == 1

    piloted(Console(Handed(night.view), None, journal=JOURNAL, clock=at(night)), test)


def test_a_panel_that_breaks_is_said_until_it_is_painted_again() -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("no [panel]")

    async def test(app: Console, _: Pilot[int]) -> None:
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(CyclePanel, "paint", broken)
            app.paint_now()
            app.paint_now()
            assert "CyclePanel cannot be painted" in top(app)["Title"]
            assert "IN SYNC" in top(app)["AnswerBar"]
        app.paint_now()
        app.paint_now()
        assert "cannot be painted" not in top(app)["Title"]

    app = console()
    piloted(app, test, sound=False)
    assert list(app.troubles) == ["CyclePanel: ZeroDivisionError: no [panel]"]


# --- the end ---------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["q", "ctrl+q", "ctrl+c"])
def test_an_attached_console_just_quits(key: str) -> None:
    async def test(_: Console, pilot: Pilot[int]) -> None:
        await pilot.press(key)

    app = console(commander=Asked())
    assert piloted(app, test) == 0
    assert app._feed.closed  # type: ignore[attr-defined]  # it is a Handed


@pytest.mark.parametrize("key", ["q", "ctrl+q", "ctrl+c"])
def test_where_the_origin_runs_here_quitting_asks(key: str) -> None:
    origin, commander = Here(), Asked()

    async def test(app: Console, pilot: Pilot[int]) -> None:
        await pilot.press(key)
        await until(lambda: isinstance(app.screen, HaltDialog))
        await pilot.press("n")
        await until(lambda: len(app.screen_stack) == 1)
        assert commander.asked == []
        await pilot.press(key)
        await until(lambda: isinstance(app.screen, HaltDialog))
        await pilot.press("y")
        await until(lambda: commander.asked)
        origin.end(0)

    assert piloted(console(commander=commander, origin=origin, badge=Badge.LIVE), test) == 0
    assert commander.asked == [("halt", "")]
    assert origin.halts == []


def test_ctrl_c_again_and_again_halts_and_then_insists() -> None:
    origin, commander = Here(), Asked()

    async def test(app: Console, pilot: Pilot[int]) -> None:
        await pilot.press("ctrl+c")
        await until(lambda: isinstance(app.screen, HaltDialog))
        await pilot.press("ctrl+c")
        await until(lambda: commander.asked)
        await until(lambda: len(app.screen_stack) == 1)
        await pilot.press("ctrl+c")
        await until(lambda: origin.halts)
        origin.end(143)

    assert piloted(console(commander=commander, origin=origin, badge=Badge.LIVE), test) == 143
    assert commander.asked == [("halt", "")]
    assert origin.halts == ["insist"]


def test_a_readonly_console_can_still_be_quit() -> None:
    origin, commander = Here(), Asked()

    async def test(app: Console, pilot: Pilot[int]) -> None:
        await pilot.press("q")
        await until(lambda: isinstance(app.screen, HaltDialog))
        await pilot.press("y")
        await until(lambda: origin.halts)
        origin.end(0)

    how: dict[str, Any] = {"origin": origin, "by": "ada", "readonly": "--readonly"}
    app = console(commander=commander, badge=Badge.LIVE, **how)
    assert piloted(app, test) == 0
    assert (commander.asked, origin.halts) == ([], ["halt by ada"])


def test_it_ends_with_the_origins_exit_code() -> None:
    origin = Here()

    async def test(_: Console, __: Pilot[int]) -> None:
        origin.end(3)

    assert piloted(console(origin=origin, badge=Badge.LIVE), test) == 3


def test_a_fatal_end_stays_until_it_is_seen() -> None:
    origin = Here()
    origin.code, origin.over = 1, True

    async def test(app: Console, pilot: Pilot[int]) -> None:
        await until(lambda: isinstance(app.screen, FatalScreen))
        origin.end(1)
        await pilot.pause()
        assert app.is_running
        await pilot.press("enter")
        await until(lambda: len(app.screen_stack) == 1)
        await pilot.press("4")
        await until(lambda: active(app) == "faults")
        await pilot.press("q")

    assert piloted(console("halted", origin=origin, badge=Badge.LIVE), test) == 1


def test_a_signal_ends_a_console_that_only_looks() -> None:
    async def test(app: Console, _: Pilot[int]) -> None:
        app.leave_soon(143)
        await until(lambda: app.return_value is not None)

    assert piloted(console(), test) == 143


def test_a_terminal_that_is_gone_halts_the_origin_here() -> None:
    origin = Here()

    async def test(app: Console, _: Pilot[int]) -> None:
        threading.Thread(target=app.terminal_gone).start()
        await until(lambda: origin.halts)
        origin.end(0)

    assert piloted(console(origin=origin, badge=Badge.LIVE), test) == 0
    assert origin.halts == [f"halt by {NO_TERMINAL}"]


def test_a_terminal_that_is_gone_ends_a_console_that_only_looks() -> None:
    async def test(app: Console, _: Pilot[int]) -> None:
        threading.Thread(target=app.terminal_gone).start()
        await until(lambda: app.return_value is not None)

    assert piloted(console(), test) == 129


# --- rhythm ----------------------------------------------------------------------------------


def test_painting_never_takes_more_than_its_share() -> None:
    assert rhythm.rest(0.0, shared=True) == rhythm.EVERY_S
    assert rhythm.rest(10.0, shared=False) == rhythm.EVERY_S
    assert rhythm.rest(10.0, shared=True) == rhythm.LONGEST_S
    for spent in (0.004, 0.01, 0.02, 0.029):
        assert spent / rhythm.rest(spent, shared=True) <= rhythm.SHARE * 1.0001
