"""Commands to an origin that runs in this very process."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

from vsync_sm.core.commands import Done, misasked
from vsync_sm.origin.inbox import OVER, Asker, CommandCame, Inbox, RefusedAsked

WAIT_S = 10.0
"""So long is waited for the origin's answer."""

UNANSWERED = "the origin has not answered in time; what was asked may still be done"

_T = TypeVar("_T")


class _Waiting(Generic[_T]):
    """Where one answer comes in."""

    def __init__(self) -> None:
        self._came = threading.Event()
        self._answer: _T

    def take(self, answer: _T) -> None:
        """The answer; never blocks."""
        self._answer = answer
        self._came.set()

    def wait(self, otherwise: _T) -> _T:
        """The answer, once it has come."""
        return self._answer if self._came.wait(WAIT_S) else otherwise


def ask_to_do(inbox: Inbox, command: str, argument: str, asker: Asker) -> Done:
    """Put a command to the loop and wait for its answer, `WAIT_S` seconds at most."""
    waiting = _Waiting[Done]()
    inbox.ask(CommandCame(command, argument, asker, waiting.take))
    return waiting.wait(Done(False, UNANSWERED))


def ask_what_is_refused(inbox: Inbox, allowance: str) -> tuple[str, ...] | None:
    """All that was refused under an id, sorted; None when nobody knows of it, or answers."""
    waiting = _Waiting[frozenset[str] | None]()
    inbox.ask(RefusedAsked(allowance, waiting.take))
    refused = waiting.wait(None)
    return None if refused is None else tuple(sorted(refused))


class Direct:
    """A `Commander` through the inbox."""

    def __init__(self, inbox: Inbox, by: str) -> None:
        """`by` is the name of who sits at the console."""
        self._inbox = inbox
        self._asker = Asker(by, "console")

    def unable(self) -> str:
        """Why nothing can be commanded just now; "" when it can."""
        return OVER if self._inbox.over else ""

    def do(self, command: str, argument: str = "") -> Done:
        """Ask for one of `COMMANDS` and wait for the answer."""
        wrong = misasked(command, argument)
        if wrong:
            return Done(False, wrong)
        return ask_to_do(self._inbox, command, argument, self._asker)

    def refused(self, allowance: str) -> tuple[str, ...] | None:
        """All that was refused under an id, sorted; None when the origin knows of none such."""
        return ask_what_is_refused(self._inbox, allowance)
