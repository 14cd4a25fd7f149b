"""Colour and glyph for the words of `vsync_sm.core`: always both, for eyes and screens without.

Styles are Textual's theme variables, so that every theme, light or dark, has its own colours.
The glyphs are those that nearly every terminal font has.
"""

from __future__ import annotations

import msgspec
from textual.content import Content
from textual.theme import Theme

from tui.glance import Badge
from vsync_sm.core.answer import Word
from vsync_sm.core.machine import State
from vsync_sm.core.marks import Kind
from vsync_sm.core.present import Severity


class Look(msgspec.Struct, frozen=True):
    """A glyph, and the style of what stands behind it."""

    glyph: str
    style: str


MUTED = "$foreground 70%"
GOOD = "$text-success"
WARN = "$text-warning"
BAD = "$text-error"
ACCENT = "$text-accent"
BOLD = "bold"

SEVERITY: dict[Severity, Look] = {
    "debug": Look("·", MUTED),
    "info": Look("●", ""),
    "warning": Look("!", WARN),
    "error": Look("✖", f"bold {BAD}"),
}

ANSWER: dict[Word, Look] = {
    Word.HALTED: Look("■", "bold $text on $error-muted"),
    Word.PAUSED: Look("‖", "bold $text on $warning-muted"),
    Word.REFUSED: Look("✖", "bold $text on $error-muted"),
    Word.STUCK: Look("✖", "bold $text on $error-muted"),
    Word.BEHIND: Look("!", "bold $text on $warning-muted"),
    Word.IN_SYNC: Look("✔", "bold $text on $success-muted"),
}

BADGE: dict[Badge, Look] = {
    Badge.LIVE: Look("●", f"bold {GOOD}"),
    Badge.ATTACHED: Look("●", f"bold {ACCENT}"),
    Badge.REPLAY: Look("▶", f"bold {WARN}"),
    Badge.LOST: Look("✖", f"bold {BAD}"),
}

OUTCOME: dict[str, Look] = {
    "saved": Look("✔", GOOD),
    "unchanged": Look("·", MUTED),
    "refused": Look("✖", BAD),
    "aborted": Look("!", WARN),
}

STATE: dict[str, Look] = {
    **{str(each): Look("▶", BOLD) for each in State},
    str(State.waiting): Look("●", BOLD),
    str(State.aborted): Look("!", f"bold {WARN}"),
    str(State.halted): Look("■", f"bold {BAD}"),
}


MARK: dict[Kind, Look] = {
    Kind.DAMAGE: Look("▒", f"bold {BAD}"),
    Kind.CONTRADICTION: Look("≠", f"bold {BAD}"),
    Kind.FAULT: Look("!", f"bold {WARN}"),
    Kind.CRASH: Look("†", f"bold {BAD}"),
    Kind.REFUSAL: Look("✖", f"bold {BAD}"),
    Kind.REPAIR: Look("~", f"bold {WARN}"),
    Kind.GAP: Look("?", f"bold {WARN}"),
    Kind.RUN: Look("┃", f"bold {ACCENT}"),
    Kind.SAVE: Look("✔", GOOD),
}
"""What a place in a journal may be, gravest first; on the position bar each is one cell."""


def marked(look: Look, text: str) -> Content:
    """`text` behind its glyph, both in its style."""
    return Content.styled(f"{look.glyph} {text}", look.style)


# --- themes ----------------------------------------------------------------------------------

FIRST = "vsync-dark"

THEMES = (
    Theme(
        name=FIRST,
        primary="#4c9be8",
        secondary="#2f6ea8",
        accent="#e0a84f",
        warning="#e5b84b",
        error="#e0566b",
        success="#55b97a",
        foreground="#dcdfe4",
        background="#14171c",
        surface="#1a1e25",
        panel="#232932",
    ),
    Theme(
        name="vsync-light",
        primary="#1f5fa8",
        secondary="#17487f",
        accent="#8a5a00",
        warning="#8a5a00",
        error="#b3243b",
        success="#1e7a43",
        foreground="#1d2229",
        background="#f7f8fa",
        surface="#ffffff",
        panel="#e6e9ee",
        dark=False,
    ),
    Theme(
        name="vsync-dark-contrast",
        primary="#7cc4ff",
        secondary="#7cc4ff",
        accent="#ffd75f",
        warning="#ffd75f",
        error="#ff7a85",
        success="#7dff9b",
        foreground="#ffffff",
        background="#000000",
        surface="#000000",
        panel="#1c1c1c",
        text_alpha=1.0,
    ),
    Theme(
        name="vsync-light-contrast",
        primary="#003a80",
        secondary="#003a80",
        accent="#5c3800",
        warning="#5c3800",
        error="#8a0016",
        success="#004d1f",
        foreground="#000000",
        background="#ffffff",
        surface="#ffffff",
        panel="#e0e0e0",
        dark=False,
        text_alpha=1.0,
    ),
)
"""What `T` goes through: dark, light, and both with more contrast."""
