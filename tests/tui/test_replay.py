"""Back in time: each key leads where it says, in every tab, and nowhere else."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from functools import partial

from textual.widgets import Input, TabbedContent

from tests.tui.nights import NIGHTS
from tests.tui.piloted import told, top
from tests.tui.replaying import PLACES, RECORDS, Watched, walk, where
from tui.replay.bar import PositionBar
from tui.replay.jump import JumpDialog
from tui.tabs import TABS
from tui.widgets.dialogs.fatal import FatalScreen
from tui.widgets.dialogs.help import HelpScreen
from tui.widgets.path import PathPanel
from vsync_sm.core.events import FaultRaised, Record

KEYS = {
    "transition": ("greater_than_sign", "less_than_sign"),
    "phase": ("right_parenthesis", "left_parenthesis"),
    "cycle": ("right_curly_bracket", "left_curly_bracket"),
    "save": ("s", "S"),
    "fault": ("right_square_bracket", "left_square_bracket"),
}
LAST = len(RECORDS)
FAULT = PLACES["fault"][0]


def test_each_key_goes_to_the_next_and_its_twin_to_the_one_before() -> None:
    async def test(watched: Watched) -> None:
        for what, (forth, back) in KEYS.items():
            first, second, *_ = PLACES[what]
            await watched.press("home", forth, forth)
            await watched.at(second)
            await watched.press(back)
            await watched.at(first)
        await watched.press("left_square_bracket")
        await watched.until(lambda: told(watched.app))
        assert told(watched.app) == ["there is no fault before this moment"]
        await watched.press("end")
        await watched.at(LAST)

    walk(RECORDS, test, (80, 24))


def test_an_event_at_a_time() -> None:
    async def test(watched: Watched) -> None:
        for forth, back in (("right", "left"), ("full_stop", "comma")):
            await watched.press("home", back)
            await watched.until(lambda: told(watched.app))
            assert told(watched.app) == ["this is the first event of the journal"]
            watched.app.clear_notifications()
            await watched.press(forth, forth, forth)
            await watched.at(4)
            assert RECORDS[3].event.check in top(watched.app)["Title"]  # type: ignore[union-attr]
            await watched.press(back)
            await watched.at(3)

    walk(RECORDS, test, (80, 24))


def test_the_first_fault_of_a_night_is_three_keys_away_and_its_cause_is_on_the_screen() -> None:
    async def test(watched: Watched) -> None:
        await watched.press("home", "right_square_bracket")
        await watched.at(FAULT)
        title = top(watched.app)["Title"]
        assert "fault: Vault at https://vault.example:8200 is sealed → Unseal it" in title
        offered = {each.binding.action for each in watched.app.screen.active_bindings.values()}
        assert not offered & {"sync", "pause", "resume", "abort", "allow", "halt"}
        assert {"play", "jump", "go('fault', 1)"} <= offered

    walk(RECORDS, test, (80, 24))


def test_the_keys_move_the_clock_in_every_tab() -> None:
    async def test(watched: Watched) -> None:
        for tab in "234":
            await watched.press(tab)
            await watched.until(partial(is_in, watched, tab))
            await watched.press("home", "right_square_bracket", "left")
            await watched.at(FAULT - 1)
            await watched.press("space")
            await watched.until(lambda: watched.app.player.standing.playing)
            await watched.press("end")
            await watched.at(LAST)

    walk(RECORDS, test, (80, 24))


def is_in(watched: Watched, number: str) -> bool:
    """Whether that tab is shown, and the keys go to what is in it."""
    pane = watched.app.query_one("#tabs", TabbedContent).active_pane
    focused = watched.app.focused
    shown = pane is not None and TABS[int(number) - 1].id == pane.id
    return shown and focused is not None and pane in focused.ancestors


def test_where_one_types_or_reads_nothing_is_moved() -> None:
    async def test(watched: Watched) -> None:
        await watched.press("question_mark")
        await watched.until(lambda: isinstance(watched.app.screen, HelpScreen))
        await watched.press("home", "space", "right", "escape")
        await watched.until(lambda: len(watched.app.screen_stack) == 1)
        await watched.press("6")
        await watched.until(lambda: isinstance(watched.app.focused, Input))
        await watched.press("a", "space", "s", "full_stop", "home", "left_square_bracket")
        await watched.press("end", "colon", "left", "right_parenthesis")
        assert watched.app.query_one(PathPanel).query_one(Input).value == "[a s.):"
        assert watched.glance.now.end

    walk(RECORDS, test, (80, 24))


def test_where_to_go_can_be_typed() -> None:
    async def test(watched: Watched) -> None:
        for wrong, said in (("9", "write seq:9 or cycle:9"), ("soon", "is no moment")):
            await ask(watched, wrong)
            await watched.until(partial(wrong_said, watched, said))
            watched.app.screen.query_one(Input).value = "#5"
            await watched.press("enter")
            await watched.at(5)
        await ask(watched, "01:55")
        await watched.until(lambda: "11-02 01:55:00" in watched.bar())
        assert top(watched.app)["Strip"].count("57 s") == 1, "measured against that moment"
        await ask(watched, "#99999")
        await watched.until(lambda: told(watched.app))
        assert told(watched.app)[0].startswith("there is no #99999: the journal has #1 to #")
        await watched.press("colon")
        await watched.until(lambda: isinstance(watched.app.screen, JumpDialog))
        await watched.press("escape")
        await watched.until(lambda: not isinstance(watched.app.screen, JumpDialog))
        assert "11-02 01:55:00" in watched.bar()

    walk(RECORDS, test, (80, 24))


async def ask(watched: Watched, typed: str) -> None:
    """Type where to go."""
    await watched.press("colon")
    await watched.until(lambda: isinstance(watched.app.screen, JumpDialog))
    watched.app.screen.query_one(Input).value = typed
    await watched.press("enter")


def wrong_said(watched: Watched, words: str) -> bool:
    """Whether the dialog says that this is wrong."""
    return words in str(watched.app.screen.query_one("#wrong").render())


def test_a_click_on_the_bar_goes_there() -> None:
    async def test(watched: Watched) -> None:
        bar = watched.app.query_one(PositionBar)
        await watched.until(lambda: "!" in watched.bar())
        at = watched.bar().index("!")
        await watched.pilot.click(bar, offset=(at + 1, 0))  # beside the padding
        await watched.at(FAULT)
        await watched.pilot.click(bar, offset=(1, 0))
        await watched.pilot.pause()
        assert watched.glance.view.seq == FAULT

    walk(RECORDS, test, (80, 24))


def test_a_fatal_fault_takes_the_screen_where_the_journal_opens_and_once() -> None:
    records = NIGHTS["halted"]().records

    async def test(watched: Watched) -> None:
        await watched.until(lambda: isinstance(watched.app.screen, FatalScreen))
        await watched.press("escape")
        await watched.until(lambda: not isinstance(watched.app.screen, FatalScreen))
        await watched.press("left_square_bracket")
        await watched.at(fatal_in(records))
        assert not isinstance(watched.app.screen, FatalScreen)
        await watched.press("end")
        await watched.at(len(records))
        assert not isinstance(watched.app.screen, FatalScreen)

    walk(records, test)


def test_a_fatal_fault_takes_the_screen_where_one_comes_upon_it_and_not_before() -> None:
    night = deepcopy(NIGHTS["halted"]())
    ended = len(night.records)
    night.start("another")  # at the end there is nothing fatal

    async def test(watched: Watched) -> None:
        assert not isinstance(watched.app.screen, FatalScreen)
        await watched.press("left")
        await watched.at(ended)
        assert any(seen.event.fatal for seen in watched.glance.view.faults)
        assert not isinstance(watched.app.screen, FatalScreen)
        await watched.press("left_square_bracket")
        await watched.at(fatal_in(night.records))
        await watched.until(lambda: isinstance(watched.app.screen, FatalScreen))

    walk(night.records, test)


def fatal_in(records: Sequence[Record]) -> int:
    """The `seq` of the fatal fault."""
    (fatal,) = where(records, lambda each: isinstance(each.event, FaultRaised) and each.event.fatal)
    return fatal
