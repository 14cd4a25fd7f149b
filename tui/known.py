"""How much of a journal was known at a moment that lies back: its lines up to a `seq`."""

from __future__ import annotations

from bisect import bisect_right

from vsync_sm.journal.pages import Pages


def lines_until(pages: Pages, seq: int) -> int:
    """How many of the lines found so far were written up to this `seq`.

    A line that cannot be read belongs to the one before it.
    """
    count = len(pages)
    first = _seq(pages, 1) if count else 0
    guess = seq - first + 1  # none is missing, mostly
    if 0 < guess <= count and _seq(pages, guess) == seq:
        return _with_unreadable(pages, guess)
    return bisect_right(range(1, count + 1), seq, key=lambda line: _seq(pages, line))


def _with_unreadable(pages: Pages, line: int) -> int:
    while line < len(pages) and pages.read(line + 1, 1)[0].record is None:
        line += 1
    return line


def _seq(pages: Pages, line: int) -> int:
    """`seq` of a line, or of the last one before it that can be read; 0: of none."""
    while line > 0:
        rows = pages.read(line, 1)
        record = rows[0].record if rows else None
        if record is not None:
            return record.seq
        line -= 1
    return 0
