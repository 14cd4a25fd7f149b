"""A list, and the one of it that is looked at: side by side, or one after the other."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal

from tui.glance import Glance
from tui.widgets.panel import Key, Panel, PathChosen, PathKey, Rows

WIDE = 110
"""From so many columns on, both are there."""


class Listed(Panel):
    """The list."""

    CHOOSES = True

    def __init__(self, owner: Browse, title: str) -> None:
        super().__init__(title=title, classes="browse--list")
        self._owner = owner

    def rows(self, glance: Glance, width: int) -> Rows:
        return self._owner.listed(glance, width)

    def chosen(self, key: Key) -> None:
        self._owner.open(key)

    def moved(self) -> None:
        self._owner.follow()


class Detail(Panel):
    """What the cursor of the list stands on, whole."""

    CHOOSES = True

    def __init__(self, owner: Browse) -> None:
        super().__init__(classes="browse--told")
        self._owner = owner

    def rows(self, glance: Glance, width: int) -> Rows:
        return self._owner.told(glance, width)

    def chosen(self, key: Key) -> None:
        if isinstance(key, PathKey):
            self.post_message(PathChosen(key.path))


class Browse(Horizontal):
    """A list to walk through. Enter opens what the cursor stands on, Escape closes it."""

    TITLE: ClassVar[str] = ""
    DEFAULT_CSS = """
    Browse { height: 1fr; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,backspace", "back", "Back", show=False),
    ]

    def __init__(
        self,
        *,
        opens: bool = True,
        id: str | None = None,  # noqa: A002  Textual's own name for it
        classes: str | None = None,
    ) -> None:
        super().__init__(id=id, classes=classes)
        self.list = Listed(self, self.TITLE)
        self.detail = Detail(self)
        self.detail.display = False
        self.opened = False
        self._opens = opens
        self._glance: Glance | None = None

    def listed(self, glance: Glance, width: int) -> Rows:
        """The lines of the list."""
        raise NotImplementedError

    def told(self, glance: Glance, width: int) -> Rows:
        """All about what the list's cursor stands on."""
        raise NotImplementedError

    def compose(self) -> ComposeResult:
        yield self.list
        yield self.detail

    def paint(self, glance: Glance) -> None:
        """Show this look."""
        self._glance = glance
        self.list.paint(glance)
        self._arrange()
        self.detail.paint(glance)

    def on_resize(self, _: events.Resize) -> None:
        self._arrange()

    def follow(self) -> None:
        """The cursor has moved: tell about what it stands on now."""
        if self.detail.display:
            self.detail.move_to(None)
            self.detail.scroll_to(y=0, animate=False, force=True)
            self.detail.repaint()

    def open(self, key: Key) -> None:
        """Look at one."""
        if not self._opens or key is None:
            return
        self.opened = True
        self._arrange()
        self.follow()
        self.detail.focus()

    def action_back(self) -> None:
        """To the list."""
        had = self.detail.has_focus
        self.opened = False
        self._arrange()
        if had:
            self.list.focus()

    def _arrange(self) -> None:
        wide = self.size.width >= WIDE
        something = self._opens and self.list.cursor is not None
        both = something and wide
        _display(self.detail, both or (something and self.opened))
        _display(self.list, both or not self.detail.display)
        if self._glance is not None:
            for pane in (self.list, self.detail):
                pane.remember(self._glance)


def _display(pane: Panel, shown: bool) -> None:
    if pane.display != shown:
        pane.display = shown
