"""What title, answer and strip have in common: a few lines that are drawn anew when they differ."""

from __future__ import annotations

from textual import events
from textual.content import Content
from textual.widgets import Static

from tui.glance import Glance
from tui.theme import MUTED

GAP = "   "
SEPARATOR = Content.styled(" · ", MUTED)
SHORT = 30
"""A terminal with fewer lines than this is short: what is on top folds."""


class Top(Static):
    """Lines over the panels. A subclass says what they are for a width."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002  Textual's own name
        super().__init__(id=id, markup=False)
        self._told = Content()
        self._glance: Glance | None = None

    def paint(self, glance: Glance) -> None:
        """Draw it, where it differs from what is there."""
        self._glance = glance
        width = self.content_size.width or self.app.size.width
        told = self.lines(glance, width, short=self.app.size.height < SHORT)
        if told != self._told or told.spans != self._told.spans:
            self._told = told
            self.update(told)

    def lines(self, glance: Glance, width: int, *, short: bool) -> Content:
        """What to show in lines of so many cells; `short`: the terminal has few lines."""
        raise NotImplementedError

    def on_resize(self, _: events.Resize) -> None:
        """What fits is another now."""
        if self._glance is not None:
            self.paint(self._glance)


def joined(parts: list[Content], by: Content = SEPARATOR) -> Content:
    """The parts that say something, with something between them."""
    return by.join([part for part in parts if part])


def apart(left: Content, right: Content, width: int) -> Content:
    """Both in one line, one at each end; what is left must fit, what is right may be cut."""
    room = width - left.cell_length - len(GAP)
    if room < min(right.cell_length, 12):
        return left.truncate(width, ellipsis=True)
    right = right.truncate(room, ellipsis=True)
    space = " " * (width - left.cell_length - right.cell_length)
    return Content.assemble(left, space, right)
