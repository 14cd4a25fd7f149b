"""The console's commands: what each key asks of the origin, and the dialogs in between."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import ClassVar, TypeVar

from msgspec.structs import replace
from textual.app import App
from textual.binding import Binding, BindingType
from textual.driver import Driver

from tui.background import in_background
from tui.glance import Glance
from tui.lost import Contact
from tui.widgets.dialogs.abort import AbortDialog
from tui.widgets.dialogs.allow import AllowDialog
from tui.widgets.dialogs.halt import HaltDialog
from tui.widgets.dialogs.pause import PauseDialog, ResumeDialog
from vsync_sm.core.commands import Commander, Done
from vsync_sm.core.reach import SHELL, Reach
from vsync_sm.core.words import printable

ASK_EVERY_S = 3.0
"""So often it is asked whether the origin can be commanded."""

COMMANDS = (
    Binding("s", "sync", "Sync", tooltip="Begin a cycle now"),
    Binding("p", "pause", "Pause", tooltip="Let no cycle begin by itself"),
    Binding("p", "resume", "Resume", tooltip="Let cycles begin by themselves again"),
    Binding("a", "abort", "Abort", tooltip="Abort the running cycle; nothing of it is saved"),
    Binding("A", "allow", "Allow", tooltip="Allow what was refused, once"),
    Binding("H", "halt", "Halt", tooltip="End the origin cleanly"),
)

COMMAND_ACTIONS = frozenset(each.action for each in COMMANDS)

_KEYS = {each.action: each.key for each in COMMANDS}

_T = TypeVar("_T")


class Steered(App[int]):
    """An app that commands an origin, where it can.

    Attributes:
        unable: why nothing can be commanded just now; "" when it can.
        unreachable: why the origin's commander does not answer, also where nobody may command.
        glance: the last look, None before the first.
    """

    BINDINGS: ClassVar[list[BindingType]] = [*COMMANDS]

    def __init__(
        self,
        commander: Commander | None,
        *,
        readonly: str,
        live: bool,
        reach: Reach = SHELL,
        driver_class: type[Driver] | None = None,
        css_path: str | Path | None = None,
    ) -> None:
        super().__init__(driver_class=driver_class, css_path=css_path)
        self.glance: Glance | None = None
        self.unreachable = ""
        self._commander = commander
        self._readonly = readonly
        self._live = live
        self._reach = reach
        self._asking = False
        self._overdue = False  # it has not answered by the time it is asked again

    @property
    def unable(self) -> str:
        """Why nothing can be commanded just now; "" when it can."""
        if self._readonly:
            return self._readonly
        return self.unreachable if self._commander is not None else "there is nothing to command"

    @property
    def reach(self) -> Reach:
        """How whoever sits here gives the origin commands: by keys, where they do something."""
        return self._reach if self.unable else replace(self._reach, keys=_KEYS)

    @property
    def contact(self) -> Contact:
        """What the commander tells of the origin; it counts as well until it has not answered."""
        asked = self._commander is not None
        answers = asked and not self.unreachable and not self._overdue
        return Contact(self.unreachable, answers=answers, here=self._live)

    def on_mount(self) -> None:
        """Begin to ask whether the origin can be commanded."""
        if self._commander is not None:
            self._ask()
            self.set_interval(ASK_EVERY_S, self._ask)

    def _ask(self) -> None:
        commander = self._commander
        self._overdue = self._asking
        if commander is None or self._asking:
            return
        self._asking = True
        self.in_background(commander.unable, self._asked, str)

    def _asked(self, unable: str) -> None:
        self._asking = self._overdue = False
        if unable != self.unreachable:
            self.unreachable = unable
            self.refresh_bindings()

    # --- what can be done ---

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Commands that cannot be given are not offered."""
        if action not in COMMAND_ACTIONS:
            return super().check_action(action, parameters)
        view = self.glance.view if self.glance else None
        if self.unable or view is None or view.run is None or view.ended is not None:
            return False
        offered = {
            "pause": view.pause is None,
            "resume": view.pause is not None,
            "abort": view.cycle is not None or None,
            "allow": view.refusal is not None or None,
        }
        return offered.get(action, True)

    # --- what is asked ---

    def action_sync(self) -> None:
        """Ask for a cycle now."""
        self.command("sync")

    def action_pause(self) -> None:
        """Ask why, then pause."""

        def said(why: str | None) -> None:
            if why is not None:
                self.command("pause", why)

        self.push_screen(PauseDialog(), said)

    def action_resume(self) -> None:
        """Show since when and why it is paused, then resume."""
        glance = self.glance
        if glance is not None and glance.view.pause is not None:
            dialog = ResumeDialog(glance.view.pause, glance.now)
            self.push_screen(dialog, self._if_yes("resume"))

    def action_abort(self) -> None:
        """Ask, then abort the running cycle."""
        if self.glance is not None and self.glance.view.cycle is not None:
            self.push_screen(AbortDialog(self.glance.view.cycle), self._if_yes("abort"))

    def action_allow(self) -> None:
        """Show all that was refused, ask, then allow it once."""
        refusal = self.glance.view.refusal if self.glance else None
        if refusal is not None and self._commander is not None:

            def became(done: Done) -> None:
                if not dialog.became(done):
                    self.told(done)

            allowance = refusal.event.allowance
            dialog = AllowDialog(
                refusal, self._commander, lambda: self.command("allow", allowance, became)
            )
            self.push_screen(dialog)

    def action_halt(self) -> None:
        """Ask, then halt."""
        self.push_screen(HaltDialog(self._live, self.reach), self._if_yes("halt"))

    def _if_yes(self, command: str) -> Callable[[bool | None], None]:
        def said(yes: bool | None) -> None:
            if yes:
                self.command(command)

        return said

    def command(
        self, command: str, argument: str = "", then: Callable[[Done], None] | None = None
    ) -> None:
        """Give a command in a thread of its own, and tell what became of it (or let `then`)."""
        commander, told = self._commander, then or self.told
        if commander is None or self.unable:
            told(Done(False, f"{command} was not done: {self.unable}"))
            return

        def failed(error: Exception) -> Done:
            return Done(False, f"{command} was not done: {type(error).__name__}")

        self.in_background(lambda: commander.do(command, argument), told, failed)

    def told(self, done: Done) -> None:
        """Show what became of a command."""
        self.notify(
            printable(done.words),
            severity="information" if done.ok else "error",
            timeout=5 if done.ok else 15,
            markup=False,
        )

    # --- threads ---

    def in_background(
        self, work: Callable[[], _T], then: Callable[[_T], None], failed: Callable[[Exception], _T]
    ) -> None:
        """Work that may take seconds, then `then` with its result here; the end never waits."""
        in_background(self, work, then, failed)
