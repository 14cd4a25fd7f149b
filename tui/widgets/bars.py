"""Bars out of characters: they tell the same without colour as with it."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from textual.content import Content

from tui.theme import MUTED

FULL, EMPTY = "█", "░"
PLAIN_FULL, PLAIN_EMPTY = "#", "-"


class Part(msgspec.Struct, frozen=True):
    """One part of a bar: how much of it, what it is drawn with and in which style."""

    amount: float
    glyph: str
    style: str = ""


def bar(share: float, width: int, style: str = "", *, plain: bool = False) -> Content:
    """How much of the whole (`share` of 1), `width` cells long; `plain`: in ASCII.

    It is full only when all is done, and empty only when nothing is.
    """
    if width <= 0:
        return Content("")
    full, empty = (PLAIN_FULL, PLAIN_EMPTY) if plain else (FULL, EMPTY)
    cells = round(min(max(share, 0.0), 1.0) * width)
    if 0 < share < 1 and width > 1:
        cells = min(max(cells, 1), width - 1)
    return Content.assemble((full * cells, style), (empty * (width - cells), MUTED))


def stacked(parts: Sequence[Part], width: int) -> Content:
    """Parts of a whole side by side, `width` cells in all; what is not nothing has one at least."""
    there = [part for part in parts if part.amount > 0]
    if not there or width < len(there):
        return Content("")
    whole = sum(part.amount for part in there)
    exact = [width * part.amount / whole for part in there]
    cells = [max(1, int(each)) for each in exact]
    by_rest = sorted(range(len(there)), key=lambda i: cells[i] - exact[i])
    for i in by_rest[: max(0, width - sum(cells))]:
        cells[i] += 1
    while sum(cells) > width:  # small ones took a cell that they have no claim to
        cells[cells.index(max(cells))] -= 1
    drawn = [(part.glyph * n, part.style) for part, n in zip(there, cells, strict=True)]
    return Content.assemble(*drawn)
