"""What to try in the demo, so that it stays readable while the console covers the terminal."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import Button

from tui.widgets.dialogs.base import Dialog


class HintsScreen(Dialog[None]):
    """Shows the demo's hints; `hints` has titles at the margin, and what belongs to them within."""

    DEFAULT_CSS = """
    HintsScreen {
        & > #box { max-width: 110; height: 100%; }
        & #body { height: 1fr; scrollbar-gutter: stable; }
        & .words { padding: 0; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("d,q", "leave", "Close the hints", show=False),
        Binding("space", "scroll_words(10)", "Page down", show=False),
    ]

    def __init__(self, hints: str) -> None:
        super().__init__()
        self._hints = hints

    def heading(self) -> str:
        """Its name."""
        return "What to try in the demo"

    def words(self) -> Content:
        """The hints, their titles standing out."""
        lines = self._hints.splitlines()
        return Content("\n").join(
            Content(line) if line.startswith(" ") else Content.styled(line, "bold $text-accent")
            for line in lines
        )

    def choices(self) -> Iterable[Button]:
        """Close."""
        yield Button(Content("Close (Esc)"), id="close", variant="primary", compact=True)

    def on_mount(self) -> None:
        """Enter closes it."""
        self.query_one("#close").focus()

    @on(Button.Pressed, "#close")
    def _close(self) -> None:
        self.action_leave()
