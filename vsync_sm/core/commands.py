"""What a human may ask of a running origin, and how the asking is answered."""

from __future__ import annotations

from typing import Protocol

import msgspec

from vsync_sm.core.shapes import Pause
from vsync_sm.core.words import clock, printable

COMMANDS = {
    "sync": "begin a cycle now, also while paused",
    "pause": "let no cycle begin by itself, until it is resumed; outlives the process",
    "resume": "let cycles begin by themselves again",
    "abort": "abort the running cycle; nothing of it is saved",
    "allow": "allow what was refused under an id, for the next save, within an hour",
    "halt": "end the process cleanly",
}
"""Every command that changes something, and what it does."""


ARGUMENT_LIMIT = 500
"""A reason or an id is no longer than this (characters)."""

GONE = "the origin does not run"
"""What is said, last, where a control socket proves it: a socket's file that nobody listens at."""

_TAKES = {"pause": "why", "allow": "an id"}


def misasked(command: str, argument: str) -> str:
    """What is wrong with a command before anybody is asked; "" when nothing is."""
    if command not in COMMANDS:
        return f"there is no command {printable(command[:40])}"
    if argument and command not in _TAKES:
        return f"{command} takes nothing with it"
    if command == "allow" and not argument:
        return "allow needs the id of a refusal"
    if len(argument) > ARGUMENT_LIMIT:
        return f"{command} takes {_TAKES[command]} of at most {ARGUMENT_LIMIT} characters"
    return ""


def paused(pause: Pause) -> str:
    """Since when, by whom and why no cycle begins by itself."""
    why = f": {pause.why}" if pause.why else ""
    return printable(f"since {clock(pause.ts)}, by {pause.by}{why}")


class Done(msgspec.Struct, frozen=True):
    """The answer to a command: whether it was done, and one sentence about it."""

    ok: bool
    words: str


class Commander(Protocol):
    """What commands a running origin: in this process, or through its control socket.

    Its methods wait for the origin's answer, some seconds at most: never call them in a thread
    that paints.
    """

    def unable(self) -> str:
        """Why nothing can be commanded just now; "" when it can."""

    def do(self, command: str, argument: str = "") -> Done:
        """One of `COMMANDS`; `argument` is why to `pause`, and the id to `allow`.

        What cannot be reached is `Done(False, …)`, too.
        """

    def refused(self, allowance: str) -> tuple[str, ...] | None:
        """All that was refused under an id, sorted, a line each (`vanished secret/data/a`).

        None when the origin knows of no such refusal, or cannot be reached.
        """
