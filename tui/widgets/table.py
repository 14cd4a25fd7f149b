"""Columns for lines: as many as there is room for, the last one takes what is left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from textual.content import Content

from tui.theme import MUTED
from tui.widgets.text import fitted

Cell = tuple[str, str]
"""A text and its style."""

_GAP = 2


class Column(msgspec.Struct, frozen=True):
    """One column: its name on top, its cells, and its rank: the lowest stay when it is narrow.

    `grows`: it takes what is left, and is there only when that is at least `width`.
    """

    name: str
    width: int
    rank: int
    right: bool = False
    grows: bool = False


class Table:
    """Those of some columns that fit into so many cells."""

    def __init__(self, columns: Sequence[Column], width: int) -> None:
        room = width
        fits: dict[str, int] = {}
        for column in sorted(columns, key=lambda each: each.rank):
            gap = _GAP if fits else 0
            if column.width + gap > room:
                break
            fits[column.name] = column.width
            room -= column.width + gap
        self.columns = [column for column in columns if column.name in fits]
        self._widths = fits
        for column in self.columns:
            if column.grows:
                fits[column.name] += room
                break

    def width(self, name: str) -> int:
        """How many cells a column has; 0 when there is no room for it."""
        return self._widths.get(name, 0)

    @property
    def head(self) -> Content:
        """The columns' names."""
        return self.row({each.name: (each.name, MUTED) for each in self.columns})

    def row(self, cells: Mapping[str, Cell | Content]) -> Content:
        """One line: a cell is a text, or content that is just as wide as its column."""
        parts: list[Content | Cell | str] = []
        for column in self.columns:
            if parts:
                parts.append(" " * _GAP)
            cell = cells.get(column.name, ("", ""))
            if isinstance(cell, Content):
                parts.append(cell)
            else:
                text, style = cell
                width = self._widths[column.name]
                parts.append((fitted(text, width, right=column.right), style))
        return Content.assemble(*parts)
