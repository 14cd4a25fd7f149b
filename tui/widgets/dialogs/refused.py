"""All that was refused, in full: rows grouped by what happens and by mount, drawn as far as seen.

A hundred thousand rows cost no more than those on the screen.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar

import msgspec
from rich.cells import cell_len
from rich.segment import Segment
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from tui.theme import SEVERITY
from vsync_sm.core.consequence import KINDS
from vsync_sm.core.present import count, printable
from vsync_sm.core.sync_info import mount_of

_BY_PATH = ("vanished", "regressed", "failed")


class RefusedRow(msgspec.Struct, frozen=True):
    """One row as it is shown: the heading of a group, or what belongs to it."""

    text: str
    heading: bool = False


def rows(lines: Iterable[str], mounts: Sequence[str]) -> tuple[RefusedRow, ...]:
    """The rows of refused lines (`vanished secret/data/a`): by kind, by mount, by path."""
    groups: dict[tuple[int, str, str], list[str]] = {}
    order = {kind: n for n, kind in enumerate(KINDS)}
    for line in lines:
        kind, _, item = line.partition(" ")
        mount = mount_of(item, mounts) if kind in _BY_PATH else ""
        groups.setdefault((order.get(kind, len(order)), kind, mount), []).append(item)
    found: list[RefusedRow] = []
    for (_, kind, mount), items in sorted(groups.items()):
        found.append(RefusedRow(printable(_heading(kind, mount, len(items))), heading=True))
        found += (RefusedRow(f"  {printable(item)}") for item in sorted(items) if item)
    return tuple(found)


def _heading(kind: str, mount: str, n: int) -> str:
    said = KINDS.get(kind, kind)
    glyph = SEVERITY["error"].glyph
    if kind in _BY_PATH:
        at = f" of {mount}" if mount else ""
        return f"{glyph} {count(n, 'path')}{at} {said}"
    return f"{glyph} {said}"


class RefusedRows(ScrollView, can_focus=True):
    """The rows, to scroll through and to search."""

    ALLOW_SELECT = False
    COMPONENT_CLASSES: ClassVar[set[str]] = {"refused--heading", "refused--found", "refused--here"}
    DEFAULT_CSS = """
    RefusedRows {
        height: 1fr;
        min-height: 4;
        background: $panel;
        scrollbar-size-vertical: 1;
        scrollbar-size-horizontal: 1;

        &:focus { background-tint: $foreground 5%; }
        & .refused--heading { color: $text-error; text-style: bold; }
        & .refused--found { color: $text-accent; text-style: bold; }
        & .refused--here { color: $text-accent; text-style: bold reverse; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("k", "scroll_up", "Scroll up", show=False),
        Binding("j", "scroll_down", "Scroll down", show=False),
        Binding("h", "scroll_left", "Scroll left", show=False),
        Binding("l", "scroll_right", "Scroll right", show=False),
        Binding("g", "scroll_home", "To the first line", show=False),
        Binding("G", "scroll_end", "To the last line", show=False),
        Binding("ctrl+b", "page_up", "Page up", show=False),
        Binding("ctrl+f,space", "page_down", "Page down", show=False),
        Binding("n", "next(1)", "Next line found", show=False),
        Binding("N", "next(-1)", "Previous line found", show=False),
    ]

    class Moved(Message):
        """Other rows are seen, or found."""

    def __init__(self, *, id: str) -> None:  # noqa: A002  as all widgets name it
        super().__init__(id=id)
        self._rows: tuple[RefusedRow, ...] = ()
        self._found: tuple[int, ...] = ()
        self._marked: frozenset[int] = frozenset()
        self._at = -1

    def show(self, found: tuple[RefusedRow, ...], width: int) -> None:
        """Show these rows, the widest of which is `width` cells."""
        self._rows = found
        self.virtual_size = Size(width, len(found))
        self.refresh()
        self.post_message(self.Moved())

    def find(self, text: str) -> None:
        """Mark the rows that hold `text` (in any case), and go to the first from here on."""
        wanted = text.casefold()
        self._found = tuple(
            n for n, row in enumerate(self._rows) if wanted and wanted in row.text.casefold()
        )
        self._marked = frozenset(self._found)
        top = self.scroll_offset.y
        self._at = next((i for i, n in enumerate(self._found) if n >= top), 0) - 1
        self.action_next(1)

    def action_next(self, step: int) -> None:
        """Go to the next row found, or the one before."""
        if self._found:
            self._at = (self._at + step) % len(self._found)
            here, top, seen = self._found[self._at], self.scroll_offset.y, self.size.height
            if not top <= here < top + seen:
                self.scroll_to(y=max(0, here - seen // 2), animate=False, force=True)
        self.refresh()
        self.post_message(self.Moved())

    @property
    def place(self) -> str:
        """Where it stands, in words: the rows seen, and what was found."""
        rows_, top = len(self._rows), self.scroll_offset.y
        seen = (
            f"lines {min(top + 1, rows_):,} to {min(top + self.size.height, rows_):,} of {rows_:,}"
        )
        if self._found:
            return f"{seen} · found {self._at + 1:,} of {len(self._found):,}"
        return seen

    @property
    def found(self) -> int:
        """How many rows were found."""
        return len(self._found)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Tell where it stands."""
        super().watch_scroll_y(old_value, new_value)
        self.post_message(self.Moved())

    def on_resize(self) -> None:
        """Tell where it stands."""
        self.post_message(self.Moved())

    def render_line(self, y: int) -> Strip:
        """One row of those that are seen."""
        left, top = self.scroll_offset
        at, width = top + y, self.size.width
        if at >= len(self._rows):
            return Strip.blank(width, self.rich_style)
        row = self._rows[at]
        style = self.rich_style
        if name := self._component(at, heading=row.heading):
            style += self.get_component_rich_style(name)
        strip = Strip([Segment(row.text, style)], cell_len(row.text))
        return strip.crop_extend(left, left + width, self.rich_style)

    def _component(self, at: int, *, heading: bool) -> str:
        if self._found and self._found[self._at] == at:
            return "refused--here"
        if at in self._marked:
            return "refused--found"
        return "refused--heading" if heading else ""
