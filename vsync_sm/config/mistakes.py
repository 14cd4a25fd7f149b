"""One mistake in the configuration, and the report of all of them for a person."""

from __future__ import annotations

import json
import re
from typing import NamedTuple

from vsync_sm.config.values import Pairs, kind

HIDDEN = "(hidden)"

# Tokens are often put where their file's path belongs: Vault's and OpenBao's prefixes, UUIDs, JWTs.
_LIKE_A_TOKEN = re.compile(
    r"(?<![A-Za-z0-9])(?:hv[sbr]|[sbr])\.\S{8,}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
    r"|eyJ[A-Za-z0-9_-]{8,}"
)


class Mistake(NamedTuple):
    """One mistake: the field (with its variable where it came from one) and its value, what is
    wrong, and what would do. A secret's value is never in it."""

    field: str
    value: str
    wrong: str
    hint: str


class ConfigError(Exception):
    """Every mistake of a configuration at once; `str()` is the report for a person."""

    def __init__(self, where: str, mistakes: tuple[Mistake, ...]) -> None:
        number = "1 mistake" if len(mistakes) == 1 else f"{len(mistakes)} mistakes"
        lines = [f"{printable(where)}: {number}; nothing was contacted"]
        for mistake in mistakes:
            lines += ["", f"  {mistake.field}: {mistake.value}", f"      {mistake.wrong}"]
            lines += [f"      what would do: {mistake.hint}"]
        super().__init__("\n".join(lines))
        self.mistakes = mistakes


def printable(words: str) -> str:
    """The text itself if a terminal can show it, else with escapes; cut where it grows long."""
    words = words if words.isprintable() else json.dumps(words)[1:-1]
    return words if len(words) <= 120 else words[:117] + "…"


def shown(value: object) -> str:
    """A value as a report shows it: text in quotes, long and nested things by their kind."""
    if isinstance(value, str):
        hidden = _LIKE_A_TOKEN.search(value) is not None
        return HIDDEN if hidden else f'"{printable(value)}"'
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    if isinstance(value, list) and not isinstance(value, Pairs):
        words: list[object] = value
        if len(words) <= 10 and all(isinstance(word, str) for word in words):
            return f"[{', '.join(map(shown, words))}]"
    return f"({kind(value)})"
