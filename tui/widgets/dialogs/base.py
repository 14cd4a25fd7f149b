"""What all dialogs share: a box over the screen, its words above (they scroll), buttons below."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Generic, TypeVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widget import Widget
from textual.widgets import Button, Static

from tui.glance import Glance

_T = TypeVar("_T")


class Choices(Horizontal):
    """The row of buttons: the arrows go from one to the next."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left,h", "go(-1)", "Button to the left", show=False),
        Binding("right,l", "go(1)", "Button to the right", show=False),
    ]

    def action_go(self, step: int) -> None:
        """Focus the button `step` further."""
        buttons = [each for each in self.query(Button) if not each.disabled]
        at = next((n for n, each in enumerate(buttons) if each.has_focus), 0)
        if buttons:
            buttons[(at + step) % len(buttons)].focus()


class Dialog(ModalScreen[_T], Generic[_T]):
    """A dialog; Escape leaves it as the safe choice does.

    The app opens it and is told what was chosen; a dialog commands nothing itself.
    """

    DEFAULT_CSS = """
    Dialog {
        align: center middle;

        & > #box {
            width: 100%;
            max-width: 76;
            height: auto;
            max-height: 100%;
            padding: 0 1;
            border: round $primary;
            border-title-color: $text;
            border-title-style: bold;
            background: $surface;
        }
        & > #box.grave { border: round $error; }
        & #body { height: auto; max-height: 1fr; scrollbar-size-vertical: 1; }
        & .words { width: 100%; height: auto; padding: 1 1 0 1; }
        & Choices {
            width: 100%;
            height: auto;
            align-horizontal: right;
            padding: 1 1 0 1;
        }
        & Choices Button { margin-left: 2; }
        & Input { width: 1fr; margin: 1 1 0 1; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "Leave", show=False),
        Binding("up,k", "scroll_words(-1)", "Scroll up", show=False),
        Binding("down,j", "scroll_words(1)", "Scroll down", show=False),
        Binding("pageup", "scroll_words(-10)", "Page up", show=False),
        Binding("pagedown", "scroll_words(10)", "Page down", show=False),
    ]

    GRAVE: ClassVar[bool] = False

    def compose(self) -> ComposeResult:
        """The box."""
        box = Vertical(id="box", classes="grave" if self.GRAVE else "")
        box.border_title = Content(self.heading())
        with box:
            yield VerticalScroll(*self.tell(), id="body", can_focus=False)
            yield from self.fields()
            yield Choices(*self.choices())

    def heading(self) -> str:
        """What stands in its border."""
        return ""

    def words(self) -> Content:
        """What it says."""
        return Content()

    def tell(self) -> Iterable[Widget]:
        """What holds the words."""
        yield Static(self.words(), classes="words", id="words")

    def fields(self) -> Iterable[Widget]:
        """What stands between the words and the buttons."""
        return ()

    def choices(self) -> Iterable[Button]:
        """The buttons, the safe one first."""
        return ()

    def paint(self, glance: Glance) -> None:
        """Follow what changes while it is open. Before it is drawn, and once left, do nothing."""
        if self.is_mounted and self.is_current:
            self.follow(glance)

    def follow(self, glance: Glance) -> None:
        """Show what has changed since it was opened; most need not."""

    def action_leave(self) -> None:
        """Leave it without having chosen anything."""
        self.dismiss(None)

    def action_scroll_words(self, lines: int) -> None:
        """Scroll what it says."""
        self.query_one("#body").scroll_relative(y=lines, animate=False)


class Confirm(Dialog[bool]):
    """A question with two answers: `y` and `n`, or the buttons."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "yes", "Yes", show=False),
        Binding("n", "leave", "No", show=False),
    ]
    YES: ClassVar[str] = "Yes"
    NO: ClassVar[str] = "No"

    def choices(self) -> Iterable[Button]:
        """No and yes; a grave question begins at no."""
        yield Button(Content(f"{self.NO} (n)"), id="no")
        yield Button(
            Content(f"{self.YES} (y)"), id="yes", variant="error" if self.GRAVE else "primary"
        )

    def on_mount(self) -> None:
        """Focus the safe answer."""
        self.query_one("#no" if self.GRAVE else "#yes").focus()

    def action_yes(self) -> None:
        """Say yes, where that can be said still."""
        if not self.query_one("#yes", Button).disabled:
            self.dismiss(True)

    def action_leave(self) -> None:
        """Say no."""
        self.dismiss(False)

    @on(Button.Pressed, "#yes")
    def _said_yes(self) -> None:
        self.action_yes()

    @on(Button.Pressed, "#no")
    def _said_no(self) -> None:
        self.action_leave()
