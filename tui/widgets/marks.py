"""Glyph, colour and word for what becomes of a path, and for the phases of a cycle."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from textual.content import Content

from tui.theme import ACCENT, BAD, GOOD, MUTED, WARN, Look
from tui.widgets.text import said
from vsync_sm.core.outcome import is_complete
from vsync_sm.core.words import number

PRIMARY = "$text-primary"
"""What goes on: neither good nor bad."""

CHANGE: dict[str, Look] = {
    "added": Look("+", GOOD),
    "updated": Look("~", PRIMARY),
    "vanished": Look("-", BAD),
    "regressed": Look("<", BAD),
    "carried": Look("=", WARN),
    "failed": Look("✖", BAD),
}
"""What may become of a path, in the order in which it is told."""


class PhaseLook(msgspec.Struct, frozen=True):
    """How a phase's part of a bar is drawn: with colour, and without."""

    glyph: str
    letter: str
    style: str


PHASE: dict[str, PhaseLook] = {
    "listing": PhaseLook("█", "l", PRIMARY),
    "working": PhaseLook("▓", "w", GOOD),
    "reindexing": PhaseLook("▒", "r", WARN),
    "saving": PhaseLook("░", "s", "$foreground"),
}
_OTHER_PHASE = PhaseLook("·", "?", MUTED)


def phase_look(name: str) -> PhaseLook:
    """The look of a phase, also of one that is not known."""
    return PHASE.get(name, _OTHER_PHASE)


def tallied(counts: Mapping[str, int], *, zero: bool = False, bare: bool = False) -> list[Content]:
    """Counts of changes behind their glyphs: `+3 added`, `bare`: `+3`.

    Those of nothing are told only with `zero`.
    """
    return [
        Content.assemble(
            (f"{look.glyph}{number(n)}", look.style if n else MUTED), "" if bare else f" {name}"
        )
        for name, look in CHANGE.items()
        if (n := counts.get(name, 0)) or (zero and name in counts)
    ]


def unsaved(outcome: str) -> list[Content]:
    """That what a cycle found did not get into Consul; nothing where it did."""
    return [] if is_complete(outcome) else [Content.styled("not saved", WARN)]


def counted(n: int, name: str, style: str = "") -> Content:
    """A count and what it counts: `12 skipped`; of nothing it is pale."""
    if not n:
        return Content.styled(f"0 {name}", MUTED)
    return Content.assemble((number(n), f"bold {style}".strip()), " ", (name, style))


def hint(text: str) -> Content:
    """What a human can do about it."""
    return Content.assemble(("→ ", ACCENT), said(text))


def nothing(words: str) -> Content:
    """That there is nothing to show, and why."""
    return Content.styled(words, MUTED)
