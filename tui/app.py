"""The console: composes the screen, paints it at a fixed rate, and minds its own keys."""

from __future__ import annotations

import asyncio
import signal
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import ClassVar, Protocol, cast, runtime_checkable

from msgspec.structs import replace
from rich.segment import Segments
from rich.traceback import Traceback
from textual.app import App, ComposeResult, SystemCommand
from textual.binding import Binding, BindingType
from textual.driver import Driver
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import TabbedContent, TabPane, Tabs

from tui import pauses, preferences, tabs
from tui.feed import Feed
from tui.glance import Badge, Glance
from tui.rhythm import rest
from tui.sight import Sight
from tui.steer import Steered
from tui.theme import FIRST, THEMES
from tui.times import Times
from tui.widgets.answer import AnswerBar
from tui.widgets.dialogs.fatal import FatalScreen
from tui.widgets.dialogs.halt import HaltDialog
from tui.widgets.dialogs.help import HelpScreen
from tui.widgets.dialogs.hints import HintsScreen
from tui.widgets.dialogs.keys import places
from tui.widgets.keys import Keys
from tui.widgets.panel import PathChosen
from tui.widgets.path import PathPanel
from tui.widgets.strip import Strip
from tui.widgets.title import Title
from tui.widgets.top import Top
from vsync_sm.core.commands import Commander
from vsync_sm.core.reach import Reach
from vsync_sm.core.shapes import SeenFault
from vsync_sm.core.words import printable

NO_TERMINAL = "the console, whose terminal is gone"
"""Who asks for a halt then."""


@runtime_checkable
class Paints(Protocol):
    """What paints from a glance: panels, the lines on top, dialogs."""

    def paint(self, glance: Glance) -> None:
        """Show this look."""


class Origin(Protocol):
    """An origin that runs in this process, as the console minds it."""

    @property
    def over(self) -> bool:
        """Whether it has ended."""

    @property
    def code(self) -> int:
        """Its exit code, once it has ended."""

    def start(self, ended: Callable[[], None]) -> None:
        """Begin; `ended` is called from its own thread when it is over."""

    def halt(self, by: str) -> None:
        """Ask it to end; `by` is who does."""

    def insist(self) -> None:
        """End it at once, as a second Ctrl-C does."""


class Console(Steered):
    """The operator's console.

    For a test or a picture give it a feed of a journal and a clock that stands:

        Console(FollowFeed(journal), journal=journal, clock=lambda: 1_762_077_600 * 10**9)

    and drive it with `run_test(size=(80, 24))`; `paint_now()` paints without waiting for the timer.
    Without `remember` nothing is remembered.

    Attributes:
        trouble: which panels could not be painted the last time, by name, and why.
        troubles: those that ever could not, also where they can be now.
    """

    TITLE = "vsync"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-wide"), (160, "-widest")]  # noqa: RUF012
    VERTICAL_BREAKPOINTS = [(0, "-short"), (30, "-high"), (45, "-highest")]  # noqa: RUF012
    BINDINGS: ClassVar[list[BindingType]] = [
        *(
            Binding(str(number), f"tab('{tab.id}')", f"Tab {tab.id}: {tab.about}", show=False)
            for number, tab in enumerate(tabs.TABS, start=1)
        ),
        Binding("t", "times", "Times", show=False, tooltip="Times in UTC, local, or how long ago"),
        Binding("T", "theme", "Theme", show=False, tooltip="The next theme"),
        Binding("m", "mouse", "Mouse", show=False, tooltip="Free the mouse for the terminal"),
        Binding("d", "hints", "Try", tooltip="The demo's hints: what to try"),
        Binding("question_mark", "help", "Help", key_display="?"),
        Binding("q", "leave", "Quit"),
        Binding("ctrl+q", "leave", "Quit", show=False, priority=True),
        Binding("ctrl+c", "interrupt", "Copy what is marked, or quit", show=False, priority=True),
    ]

    def __init__(
        self,
        feed: Feed,
        commander: Commander | None = None,
        *,
        journal: Path,
        readonly: str = "",
        reach: Reach | None = None,
        origin: Origin | None = None,
        by: str = "",
        clock: Callable[[], int] = time.time_ns,
        cpu: Callable[[], float] = time.thread_time,
        remember: Path | None = None,
        notes: Sequence[str] = (),
        hints: str = "",
        driver_class: type[Driver] | None = None,
    ) -> None:
        """Nothing begins before it runs.

        Args:
            feed: where the view comes from.
            commander: what commands the origin; None: nothing can.
            journal: the journal's path, for those who read it themselves and for the title.
            readonly: why nothing shall be commanded; "" where it may.
            reach: how a shell's commands name the journal; None: by its path.
            origin: the origin, where it runs in this process.
            by: who sits at the console, by name.
            clock: ns since 1970.
            cpu: the seconds of a core that this thread has used.
            remember: the file of the preferences.
            notes: what to tell once at the beginning.
            hints: what to try, in a demo; "" elsewhere.
            driver_class: Textual's driver; None: Textual's own choice.
        """
        super().__init__(
            commander,
            readonly=readonly,
            live=origin is not None,
            reach=reach or Reach(str(journal)),
            driver_class=driver_class,
            css_path=Path(__file__).with_name("app.tcss"),
        )
        self.trouble: dict[str, str] = {}
        self.troubles: deque[str] = deque(maxlen=100)
        self._feed = feed
        self._journal = journal
        self._origin = origin
        self._by = by
        self._cpu = cpu
        self._cpu_before = 0.0
        self._remember = remember
        self._notes = notes
        self._hints = hints
        self._loop_here: asyncio.AbstractEventLoop | None = None
        self._leaving: int | None = None  # the exit code, once it was said from outside
        self._preferences = preferences.load(remember)
        self._sight = Sight(feed, clock)
        self._halting = False
        self._awaited: str | None = tabs.TABS[0].id  # the tab to begin with; None: it has begun
        self._panels: dict[TabPane, list[Widget]] = {}
        self._fatal_shown: SeenFault | None = None
        for theme in THEMES:
            self.register_theme(theme)
        wanted = self._preferences.theme
        self.theme = wanted if wanted in self.available_themes else FIRST

    # --- the screen ---

    def compose(self) -> ComposeResult:
        """What is on top, the tabs, the keys."""
        yield Title(id="title")
        yield AnswerBar(id="answer")
        yield Strip(id="strip")
        yield from tabs.compose(self._journal)
        yield from self.below()
        yield Keys()

    def below(self) -> ComposeResult:
        """What stands between the tabs and the keys."""
        yield from ()

    def on_mount(self) -> None:
        """Begin."""
        self._loop_here = asyncio.get_running_loop()
        if self._leaving is not None:  # said before there was a loop to hear it
            self.exit(self._leaving)
        for note in self._notes:
            self.notify(printable(note), severity="warning", timeout=15, markup=False)
        if self._hints:
            self.notify("This is a demo: d tells what to try.", timeout=10)
        # The numbers choose a tab; left and right belong to the panels.
        self.query_one(Tabs).can_focus = False
        if not self._preferences.mouse:
            self._set_mouse(on=False)
        self._feed.open()
        self.theme_changed_signal.subscribe(self, lambda theme: self._keep(theme=theme.name))
        if self._origin is not None:
            self._origin.start(self._from_the_origin)
        self._cpu_before = self._cpu()
        self._turn()

    def on_ready(self) -> None:
        """All is set up; from now on keys are answered without long pauses."""
        if not self.is_headless:  # in tests one console comes after another
            pauses.set_apart()

    def on_unmount(self) -> None:
        """End."""
        self._feed.close()
        if not self.is_headless:
            pauses.take_back()

    # --- painting ---

    def _turn(self) -> None:
        self.paint_now()
        # All that this thread did since the last turn: also drawing what was painted then.
        spent = self._cpu()
        wait = rest(spent - self._cpu_before, shared=self._origin is not None)
        self._cpu_before = spent
        self.set_timer(wait, self._turn)

    def paint_now(self) -> None:
        """Look at the feed, and paint what is visible."""
        if not self.is_running:  # it is being taken down
            return
        before = self.glance
        glance = self.glance = self._look_now()
        if before is None or _offers(before) != _offers(glance):
            self.refresh_bindings()
        for each in self._visible():
            self._paint(each, glance)
        self._show_fatal(glance)

    def _paint(self, each: Paints, glance: Glance) -> None:
        name = type(each).__name__
        try:
            each.paint(glance)
        except Exception as error:  # noqa: BLE001  one broken panel must not halt an origin
            if name not in self.trouble:
                self.trouble[name] = f"{type(error).__name__}: {error}"
                self.log.error(self.trouble[name])
                self.troubles.append(f"{name}: {self.trouble[name]}")
        else:
            self.trouble.pop(name, None)

    def _visible(self) -> Iterator[Paints]:
        base, top = self.screen_stack[0], self.screen_stack[-1]
        if top is base or top.is_modal:
            # By query, since there is nothing of it any more while it is taken down.
            yield from base.query(Top)
            pane = tabs.shown(base)
            if pane is not None:
                yield from self._panels_in(pane)
        if top is not base and top.is_mounted and isinstance(top, Paints):
            yield top

    def _panels_in(self, pane: TabPane) -> Iterator[Paints]:
        """The panels of a tab that are shown. What is within one is painted by it."""
        if pane not in self._panels:
            painting = [each for each in pane.query("*") if isinstance(each, Paints)]
            self._panels[pane] = [
                each for each in painting if not set(each.ancestors).intersection(painting)
            ]
        yield from (cast("Paints", each) for each in self._panels[pane] if each.display)

    def _look_now(self) -> Glance:
        glance = self._sight.glance(
            unable=self.unable,
            contact=self.contact,
            source=str(self._journal),
            times=self._preferences.times,
            reach=self.reach,
        )
        if not self.trouble:
            return glance
        panel, error = next(iter(self.trouble.items()))
        note = f"{glance.note}; " * bool(glance.note) + f"{panel} cannot be painted ({error})"
        return replace(glance, note=note)

    def _show_fatal(self, glance: Glance) -> None:
        faults = glance.view.faults
        fault = next((seen for seen in reversed(faults) if seen.event.fatal), None)
        run = glance.view.run
        if fault is None or run is None or fault.run != run.id or fault == self._fatal_shown:
            return
        self._fatal_shown = fault
        ended, through = glance.view.ended, glance.badge is Badge.REPLAY
        self.push_screen(FatalScreen(fault, ended, str(self._journal), through=through))

    # --- tabs ---

    def action_tab(self, tab: str) -> None:
        """Show a tab."""
        if self._awaited is not None:  # Textual would go back to the first one
            self._awaited = tab
        if self._awaited is not None or not self.is_running:
            return
        self.screen_stack[0].query_one("#tabs", TabbedContent).active = tab
        self._enter(tab)  # before it is laid out, so that it is drawn once

    def on_tabbed_content_tab_activated(self, event: TabbedContent.TabActivated) -> None:
        """The keys go to what is in the tab."""
        awaited, self._awaited = self._awaited, None
        if awaited is not None and awaited != event.pane.id:
            self.action_tab(awaited)
            return
        self.call_after_refresh(self._enter, event.pane.id)

    def _enter(self, pane: str) -> None:
        if not self.is_running:
            return
        base = self.screen_stack[0]  # also where a fatal fault covers it already
        shown = tabs.shown(base)
        if shown is None or shown.id != pane:
            return
        self.paint_now()
        first = next((each for each in shown.query("*") if each.focusable), None)
        base.set_focus(first, scroll_visible=False)

    def on_path_chosen(self, event: PathChosen) -> None:
        """Somebody wants to know more of a path."""
        self.action_tab("path")
        self.query_one(PathPanel).show_path(event.path)

    # --- how it is set ---

    def action_times(self) -> None:
        """Tell times in the next way."""
        times = self._preferences.times.after()
        self._keep(times=times)
        self.notify(_TOLD[times], timeout=2)
        self.paint_now()

    def action_theme(self) -> None:
        """The next theme."""
        names = [theme.name for theme in THEMES]
        at = names.index(self.theme) + 1 if self.theme in names else 0
        self.theme = names[at % len(names)]
        self.notify(self.theme, timeout=2, markup=False)

    def action_mouse(self) -> None:
        """Free the mouse, or take it back."""
        on = not self._preferences.mouse
        self._keep(mouse=on)
        self._set_mouse(on=on)
        self.notify(
            "The mouse works here."
            if on
            else "The mouse is free: the terminal marks and copies text. m takes it back.",
            timeout=4,
        )

    def _set_mouse(self, *, on: bool) -> None:
        set_mouse = getattr(self._driver, "set_mouse", None)
        if set_mouse is not None:
            set_mouse(on=on)

    def _keep(self, **changed: object) -> None:
        self._preferences = replace(self._preferences, **changed)
        preferences.save(self._preferences, self._remember)

    # --- help ---

    def action_help(self) -> None:
        """List every key."""
        self.push_screen(self.help())

    def help(self) -> HelpScreen:
        """The help for this console."""
        return HelpScreen(places(cast("App[object]", self)), live=self._live)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Nor are hints, where there are none."""
        return bool(self._hints) if action == "hints" else super().check_action(action, parameters)

    def action_hints(self) -> None:
        """Tell what to try in the demo."""
        self.clear_notifications()
        self.push_screen(HintsScreen(self._hints))

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:  # noqa: ARG002  Textual's
        """The palette: every action that has a key."""
        for key, active in self.screen_stack[0].active_bindings.items():
            binding = active.binding
            if active.node is not self or not active.enabled or binding.system:
                continue
            if binding.action in {"interrupt", "command_palette"} or key == "ctrl+q":
                continue
            shown = binding.key_display or key
            about = f"{binding.tooltip} ({shown})" if binding.tooltip else f"key {shown}"
            yield SystemCommand(
                binding.description, about, partial(self.run_action, binding.action)
            )
        yield SystemCommand("Choose a theme", "Out of all that there are", self.action_change_theme)
        yield SystemCommand("Screenshot", "Save the screen as an SVG", self._save_picture)

    def _save_picture(self) -> None:
        self.deliver_screenshot()

    # --- the end ---

    def action_leave(self) -> None:
        """Quit; where the origin runs in this process that halts it, so it is asked first."""
        origin = self._origin
        if origin is None:
            self.exit(0)
        elif origin.over:
            self.exit(origin.code)
        elif not isinstance(self.screen, HaltDialog):
            self.push_screen(HaltDialog(True, self.reach), self._halt_if)

    def action_interrupt(self) -> None:
        """Ctrl-C: copy what is marked, else quit.

        In the question whether to halt it is a yes; while it halts, it ends at once.
        """
        marked = self.screen.get_selected_text()
        if marked:
            self.copy_to_clipboard(marked)
        elif isinstance(self.screen, HaltDialog) and self._origin is not None:
            self.screen.dismiss(True)
        elif self._halting and self._origin is not None and not self._origin.over:
            self._origin.insist()
        else:
            self.action_leave()

    def _halt_if(self, yes: bool | None) -> None:
        origin = self._origin
        if not yes or origin is None:
            return
        self._halting = True
        if self.unable:  # read-only; who may quit halts it nevertheless
            origin.halt(self._by)
        else:
            self.command("halt")

    async def action_quit(self) -> None:
        """Textual's own quitting is ours."""
        self.action_leave()

    def _from_the_origin(self) -> None:
        # On the origin's thread.
        self.call_later(self._origin_ended)

    def _origin_ended(self) -> None:
        """The origin in this process is over.

        What ended by a fatal fault stays on the screen until somebody has seen it.
        """
        origin = self._origin
        if origin is None:
            return
        self.paint_now()
        ended = self.glance is not None and self.glance.view.ended is not None
        if self._fatal_shown is None or not ended:
            self.exit(origin.code)

    def leave_soon(self, code: int | None = None) -> None:
        """End with this exit code, or with that of the origin; from any thread or signal handler.

        An origin in this process must be over.
        """
        if code is None:
            code = self._origin.code if self._origin is not None else 0
        self._leaving = code
        if self._loop_here is not None and not self._loop_here.is_closed():
            self._loop_here.call_soon_threadsafe(self.exit, code)

    def terminal_gone(self) -> None:
        """There is no terminal any more: nothing to wait for. Called from another thread.

        An origin in this process that is not over is asked to halt: its end is the console's.
        """
        if self._origin is None:
            self.leave_soon(128 + signal.SIGHUP)
        elif self._origin.over:
            self.leave_soon()
        else:
            self._origin.halt(NO_TERMINAL)

    def terminal_late(self) -> None:
        """The terminal takes text again, and has missed some. Called from another thread."""
        self.call_later(self._draw_anew)

    def _draw_anew(self) -> None:
        if self.is_running:
            self.screen.refresh(layout=True)

    @property
    def failure(self) -> Exception | None:
        """What the console has failed by; None: it has not."""
        return self._exception

    def _fatal_error(self) -> None:
        # As Textual's, but without the values of variables: one of them may be a secret.
        trace = Traceback(show_locals=False)
        self._exit_renderables.append(Segments(self.console.render(trace, self.console.options)))
        self._close_messages_no_wait()


_TOLD = {
    Times.utc: "Times are told in UTC.",
    Times.local: "Times are told in this machine's zone.",
    Times.relative: "Times are told by how long ago they were.",
}


def _offers(glance: Glance) -> tuple[object, ...]:
    """What decides which commands can be given."""
    view = glance.view
    return (
        glance.unable,
        view.run is None,
        view.ended is None,
        view.pause is None,
        view.cycle is None,
        view.refusal is None,
    )
