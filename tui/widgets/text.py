"""Other people's text, and lines of a given width: cut and folded by cells, never by markup."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.cells import cell_len, set_cell_size
from textual.content import Content

from vsync_sm.core.words import printable

ELLIPSIS = "…"


def said(text: str, style: str = "") -> Content:
    """Any text on one line: what steers a terminal is escaped, what looks like markup stands."""
    return Content.styled(printable(text), style)


def shorten(text: str, width: int) -> str:
    """`text` in at most `width` cells, printable; what is too long loses its middle.

    The end of a path tells more than its beginning, so more of it is kept.
    """
    text = printable(text)
    if cell_len(text) <= width:
        return text
    if width <= len(ELLIPSIS):
        return ELLIPSIS[: max(0, width)]
    left = (width - 1) // 3
    return set_cell_size(text, left) + ELLIPSIS + _tail(text, width - 1 - left)


def _tail(text: str, width: int) -> str:
    # No end is longer than so many characters; a wide one that would be cut in two is left out.
    end = text[-width:]
    while cell_len(end) > width:
        end = end[1:]
    return " " * (width - cell_len(end)) + end


def fitted(text: str, width: int, *, right: bool = False) -> str:
    """`text` in exactly `width` cells, shortened or padded."""
    text = shorten(text, width)
    space = " " * (width - cell_len(text))
    return space + text if right else text + space


def flow(pieces: Iterable[Content], width: int, *, gap: int = 3) -> list[Content]:
    """Pieces side by side, in as many lines of at most `width` cells as they need."""
    lines: list[list[Content]] = []
    used = width
    for piece in pieces:
        size = piece.cell_length
        if lines and used + gap + size <= width:
            lines[-1] += [Content(" " * gap), piece]
            used += gap + size
        elif piece:
            lines.append([piece])
            used = size
    return [Content.assemble(*line) for line in lines]


def folded(content: Content, width: int, *, indent: int = 0, beside: int = 0) -> list[Content]:
    """A long line in as many as it needs; all but the first stand `indent` further in.

    The first leaves `beside` cells to something else.
    """
    if content.cell_length <= width - beside:
        return [content]
    if width - max(indent, beside) < 8:
        return [content]
    first, *rest = content.wrap(width - beside)
    if not rest or not (indent or beside):
        return [first, *rest]
    more = content[_consumed(content, first) :].wrap(width - indent)
    return [first, *(line.pad_left(indent) for line in more)]


def _consumed(content: Content, first: Content) -> int:
    # Wrapping takes the spaces at the end of a line away.
    end = len(first.plain)
    plain = content.plain
    while plain[end : end + 1] == " ":
        end += 1
    return end


def same(one: Sequence[Content], other: Sequence[Content]) -> bool:
    """Whether two lists of lines look alike, styles included."""
    return len(one) == len(other) and all(a.is_same(b) for a, b in zip(one, other, strict=True))
