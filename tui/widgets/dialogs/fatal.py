"""A fatal fault, told so that no one overlooks it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from shlex import quote
from typing import ClassVar

from textual import events, on
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Button, Static

from tui.glance import Glance
from tui.theme import BAD, BOLD, MUTED, SEVERITY
from tui.widgets.dialogs.base import Dialog
from vsync_sm.core.present import clock, printable
from vsync_sm.core.shapes import RunEnd, SeenFault

_STYLES = {"What": f"bold {BAD}", "Do": BOLD}


class FatalScreen(Dialog[None]):
    """What ended the run, and what to do.

    Shown once a fault; Enter or Escape puts it away, `c` copies what it says. Any other key of the
    console's is heard through it where `through` is set, and puts it away; elsewhere it says that
    it stands before them, so that nobody who just types puts it away unseen.

    Args:
        fault: the fault.
        ended: the run's end, where it is known.
        journal: its path, for the command that tells more.
        through: it is looked at afterwards: the console's keys do what they say at once.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("c", "copy", "Copy the fault", show=False),
    ]
    DEFAULT_CSS = """
    FatalScreen {
        & > #box { max-width: 100; }
        & #body { padding: 1 1 0 1; }
        & .row { height: auto; }
        & .name { width: 6; }
        & .fact { width: 1fr; }
    }
    """
    GRAVE: ClassVar[bool] = True

    def __init__(
        self, fault: SeenFault, ended: RunEnd | None, journal: str = "", *, through: bool = False
    ) -> None:
        super().__init__()
        self._through = through
        self._fault = fault
        self._ended = ended
        self._journal = journal

    def heading(self) -> str:
        """Its name."""
        return f"{SEVERITY['error'].glyph} Fatal fault: the origin stops"

    def tell(self) -> Iterable[Widget]:
        """All that is known of it."""
        for name, text in self._facts():
            yield Horizontal(
                Static(Content.styled(name, MUTED), classes="name"),
                Static(
                    Content.styled(text, _STYLES.get(name, "")), classes="fact", id=name.lower()
                ),
                classes="row",
            )

    def _facts(self) -> Iterator[tuple[str, str]]:
        fault, ended = self._fault, self._ended
        yield "What", printable(fault.event.message)
        if fault.event.hint:
            yield "Do", printable(fault.event.hint)
        cycle = "" if fault.cycle is None else f", in cycle {fault.cycle}"
        yield "When", f"{clock(fault.ts)}{cycle}"
        yield "Kind", printable(fault.event.kind)
        context = [f"{name}: {value}" for name, value in sorted(fault.event.context.items())]
        if context:
            yield "With", "\n".join(map(printable, context))
        if ended is None:
            yield "Exit", "the run is about to end"
        else:
            why = f": {printable(ended.why)}" if ended.why else ""
            yield "Exit", f"code {ended.exit_code}{why}"
        journal = quote(printable(self._journal)) if self._journal else "JOURNAL"
        yield "More", f"vsync-sm replay {journal}"

    def choices(self) -> Iterable[Button]:
        """Copy and away."""
        yield Button(Content("Copy (c)"), id="copy")
        yield Button(Content("Seen (Enter)"), id="seen", variant="primary")

    def on_mount(self) -> None:
        """Enter puts it away."""
        self.query_one("#seen").focus()

    def follow(self, glance: Glance) -> None:
        """The run's end is told when it is known."""
        run = glance.view.run
        if self._ended is None and glance.view.ended and run and run.id == self._fault.run:
            self._ended = glance.view.ended
            self.query_one("#exit", Static).update(Content(dict(self._facts())["Exit"]))

    def on_key(self, event: events.Key) -> None:
        """A key of the console's that lies beneath: hand it on, or say why it does nothing."""
        beneath = self.app.screen_stack[0].active_bindings.get(event.key)
        if beneath is None or not (beneath.enabled or self._through):
            return
        own = event.key in self.active_bindings
        if own and not (self._through and beneath.binding.priority):
            return
        event.stop()
        event.prevent_default()
        if self._through:
            self.app.call_later(self._hand_on, event.key)
        else:
            shown = self.app.get_key_display(beneath.binding)
            self.query_one("#box").border_subtitle = Content(f"Enter puts this away, then {shown}")

    async def _hand_on(self, key: str) -> None:
        # In the app's turn: the key must find the dialog gone.
        if self.is_current:
            await self.dismiss(None)
        self.app.simulate_key(key)

    @on(Button.Pressed, "#seen")
    def _seen(self) -> None:
        self.action_leave()

    @on(Button.Pressed, "#copy")
    def action_copy(self) -> None:
        """Copy what it says through the terminal."""
        self.app.copy_to_clipboard("\n".join(f"{name}: {text}" for name, text in self._facts()))
        self.query_one("#copy", Button).label = Content("Copied (c)")
