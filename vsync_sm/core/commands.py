"""What a human may ask of a running origin, and how the asking is answered."""

from __future__ import annotations

from typing import Protocol

import msgspec

COMMANDS = {
    "sync": "begin a cycle now, also while paused",
    "pause": "let no cycle begin by itself, until it is resumed; outlives the process",
    "resume": "let cycles begin by themselves again",
    "abort": "abort the running cycle; nothing of it is saved",
    "allow": "allow what was refused under an id, for the next save, within an hour",
    "halt": "end the process cleanly",
}
"""Every command that changes something, and what it does."""


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
