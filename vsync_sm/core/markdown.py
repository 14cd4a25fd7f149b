"""Other people's text in Markdown (CommonMark, with tables): shown to the letter, steering nothing.

Paths and messages may hold pipes, backticks, tags, newlines: none makes a cell, a link, a heading.
"""

from __future__ import annotations

import re

from vsync_sm.core.words import printable

_STEERS = re.compile(r"[\\`*\[\]<>|~&$#!]|(?<![0-9A-Za-z])_|_(?![0-9A-Za-z])")
_BEGINS = re.compile(r"^([ \t]*)([-+=](?![0-9A-Za-z])|\d{1,9}[.)](?=\s|$))")


def escaped(text: str) -> str:
    """Other people's text as Markdown shows it to the letter, on one line."""
    plain = _STEERS.sub(r"\\\g<0>", printable(text))
    return _BEGINS.sub(_not_a_list, plain)


def _not_a_list(match: re.Match[str]) -> str:
    return f"{match[1]}{match[2][:-1]}\\{match[2][-1]}"


def code(text: str) -> str:
    """A name or an id as code, in a table too (where `|` ends a cell even there)."""
    plain = printable(text)
    if "|" in plain or not plain.strip():
        return escaped(plain) if plain.strip() else ""
    fence = "`" * (1 + max(map(len, re.findall("`+", plain)), default=0))
    pad = " " if "`" in plain or plain != plain.strip() else ""
    return f"{fence}{pad}{plain}{pad}{fence}"


def cells(*each: str) -> str:
    """One row of a table; what stands in it is Markdown already."""
    return f"| {' | '.join(each)} |"
