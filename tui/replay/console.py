"""The console over a journal that is looked at afterwards: its screens, and a clock to move."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import ClassVar, cast

from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.driver import Driver
from textual.widgets import Input

from tui.app import Console
from tui.glance import Glance
from tui.replay.bar import PositionBar
from tui.replay.comparing import ComparedDialog, Work
from tui.replay.feed import PlayFeed
from tui.replay.jump import JumpDialog
from tui.replay.moves import TROUBLE, Move, begin, end, step, to, to_column
from tui.replay.taking import TakeDialog, parts
from tui.steer import COMMAND_ACTIONS
from tui.times import Times
from tui.widgets.dialogs.fatal import FatalScreen
from tui.widgets.dialogs.help import HelpScreen
from tui.widgets.dialogs.keys import places
from vsync_sm.core.events import FaultRaised
from vsync_sm.core.marks import Kind
from vsync_sm.core.reach import Reach

READONLY = "a finished journal is only looked at"


def _key(key: str, action: str, about: str, more: str = "", sign: str = "") -> Binding:
    # Before the panels' own keys: everywhere the same one moves the clock.
    return Binding(key, action, about, tooltip=more or about, key_display=sign, priority=True)


class ReplayConsole(Console):
    """The console, and keys that move the clock. Commands there are none."""

    BINDINGS: ClassVar[list[BindingType]] = [
        # The footer has as many of them as find room, in this order.
        _key("space", "play", "Play", "Play; at the end, from the beginning", "Space"),
        _key("space", "still", "Stand still", "Stand still, while it plays", "Space"),
        _key("right_square_bracket", "go('fault', 1)", "Fault", "Next fault", "]"),
        _key("left_square_bracket", "go('fault', -1)", "Before", "Fault before", "["),
        _key(
            "equals_sign",
            "compare",
            "Compare",
            "Compare with the mark, or with the last good cycle",
            "=",
        ),
        _key("colon", "jump", "Go to", "Go to a time, an event, a cycle, a path"),
        _key("home", "go('edge', -1)", "First", "The journal's beginning", "Home"),
        _key("end", "go('edge', 1)", "Last", "The journal's end", "End"),
        _key(
            "e", "take", "Take", "Take it along: as a page, a picture, a journal, with pseudonyms"
        ),
        _key("M", "mark", "Mark", "Mark this moment, or take the mark away"),
        _key("right_curly_bracket", "go('cycle', 1)", "Cycle", "Next cycle"),
        _key("left_curly_bracket", "go('cycle', -1)", "Before", "Cycle before"),
        _key("plus", "speed(1)", "Faster", "Faster: ×1, ×10, ×100, as fast as it goes"),
        _key("minus", "speed(-1)", "Slower"),
        _key("right,full_stop", "go('event', 1)", "Event", "Next event"),
        _key("left,comma", "go('event', -1)", "Before", "Event before"),
        _key("right_parenthesis", "go('phase', 1)", "Phase", "Next phase"),
        _key("left_parenthesis", "go('phase', -1)", "Before", "Phase before"),
        _key("s", "go('save', 1)", "Save", "Next save"),
        _key("S", "go('save', -1)", "Before", "Save before"),
        _key("greater_than_sign", "go('transition', 1)", "Transition", "Next transition"),
        _key("less_than_sign", "go('transition', -1)", "Before", "Transition before"),
    ]
    FOREMOST: ClassVar[tuple[str, ...]] = tuple(
        each.action for each in BINDINGS if isinstance(each, Binding)
    )

    NEVER: ClassVar[frozenset[str]] = COMMAND_ACTIONS
    APART: ClassVar[bool] = True
    """Its keys stand under a name of their own in the help."""

    def __init__(
        self,
        feed: PlayFeed,
        *,
        journal: Path,
        reach: Reach | None = None,
        cpu: Callable[[], float] = time.thread_time,
        remember: Path | None = None,
        driver_class: type[Driver] | None = None,
    ) -> None:
        """As a `Console`; its clock is the feed's."""
        super().__init__(
            feed,
            None,
            journal=journal,
            readonly=READONLY,
            reach=reach,
            cpu=cpu,
            remember=remember,
            driver_class=driver_class,
        )
        self.player = feed
        self._playing = False

    def below(self) -> ComposeResult:
        """The position bar."""
        yield PositionBar(self.player)

    def help(self) -> HelpScreen:
        """The keys that move the clock first, and what stands on the bar."""
        return HelpScreen(places(cast("App[object]", self)), past=True)

    def on_mount(self) -> None:
        """Hear of what cannot be done."""
        self.player.tell = self._nowhere

    def _nowhere(self, words: str) -> None:
        # On the feed's own thread.
        with suppress(RuntimeError):  # the app has ended meanwhile, and its loop with it
            self.call_later(self._say, words)

    def _say(self, words: str) -> None:
        self.clear_notifications()
        self.notify(words, severity="warning", timeout=5, markup=False)

    # --- what can be done ---

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """The clock is moved where no dialog is open, and nobody types."""
        if action not in _MOVING:
            return super().check_action(action, parameters)
        if isinstance(self.screen, FatalScreen):
            return None  # it hands the key on, once it is gone
        if len(self.screen_stack) > 1 or isinstance(self.focused, Input):
            return False
        return self._playing is (action == "still") if action in {"play", "still"} else True

    def paint_now(self) -> None:
        """Paint, and offer what the same key does next."""
        super().paint_now()
        playing = self.player.standing.playing
        if playing is not self._playing:
            self._playing = playing
            self.refresh_bindings()

    def _show_fatal(self, glance: Glance) -> None:
        """It takes the screen where the journal opens, and where one comes upon it."""
        record = glance.place.record
        event = record.event if record is not None else None
        if glance.now.end or (isinstance(event, FaultRaised) and event.fatal):
            super()._show_fatal(glance)

    # --- what is asked ---

    def action_mark(self) -> None:
        """Mark where it stands; a mark that stands there already is taken away."""
        seq = self.player.standing.look.view.seq
        if not seq:
            return
        self.player.marked = 0 if self.player.marked == seq else seq
        words = f"#{seq} is marked: go elsewhere, and = compares with it"
        self.clear_notifications()
        self.notify(words if self.player.marked else "no moment is marked", timeout=5, markup=False)
        self.paint_now()

    def action_compare(self) -> None:
        """Show what is different where it stands."""
        seq = self.player.standing.look.view.seq
        if seq:
            self.push_screen(ComparedDialog(Work(self.player.past, seq, self.player.marked)))

    def action_take(self) -> None:
        """Ask what to take along, and where to."""
        view = self.player.standing.look.view
        self.push_screen(TakeDialog(self._journal, parts(view, self.player.marked)))

    def action_play(self) -> None:
        """Play."""
        self.player.toggle()

    def action_still(self) -> None:
        """Stand still."""
        self.player.toggle()

    def action_speed(self, way: int) -> None:
        """Play faster, or slower."""
        self.player.faster(way)

    def action_go(self, what: str, way: int) -> None:
        """Go to the next one, or to the one before."""
        self.player.move(_MOVES[what](way))

    def action_jump(self) -> None:
        """Ask where to go."""

        def said(move: Move | None) -> None:
            if move is not None:
                self.player.move(move)

        times = self.glance.times if self.glance is not None else Times.utc
        self.push_screen(JumpDialog(times, self.player.closed), said)

    def on_position_bar_sought(self, message: PositionBar.Sought) -> None:
        """Go where the bar was clicked."""
        message.stop()
        self.player.move(to_column(message.column, message.columns))


_MOVING = frozenset({"play", "still", "go", "speed", "jump", "mark", "compare", "take"})

_MOVES: dict[str, Callable[[int], Move]] = {
    "edge": lambda way: end if way > 0 else begin,
    "event": step,
    "transition": lambda way: to(way, Kind.TRANSITION),
    "phase": lambda way: to(way, Kind.PHASE),
    "cycle": lambda way: to(way, Kind.CYCLE),
    "save": lambda way: to(way, Kind.SAVE),
    "fault": lambda way: to(way, *TROUBLE),
}
