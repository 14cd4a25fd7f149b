"""Everything that can go wrong, as one flat family with one table.

A `Fault` is what anyone in a cycle raises or posts to the inbox. What becomes of it (is it
fatal? may the same request be tried again? does a start-up wait for it to heal?) is decided by its
kind, here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType


class FaultKind(Enum):
    """The kinds of fault: the word in the journal, whether it is fatal, whether to try again.

    `fatal` ends the run. `retry` says that the same request may well succeed a moment later;
    a fault that is neither ends the cycle (or, for one path's read, that path). `heals` says that
    it is *not yet* rather than *no*: the start-up checks wait for it; for what does not heal by
    itself they are fatal.
    """

    # What only a human can mend.
    CONFIGURATION = ("configuration", True, False)
    CHECK_FAILED = ("check_failed", True, False)
    AUTHENTICATION = ("authentication", True, False)
    MOUNT_FORBIDDEN = ("mount_forbidden", True, False)
    CONSUL_FORBIDDEN = ("consul_forbidden", True, False)
    JOURNAL = ("journal", True, False)
    INVARIANT = ("invariant", True, False)
    TOO_MANY_THREADS = ("too_many_threads", True, False)

    # What a later cycle may find healed.
    FORBIDDEN = ("forbidden", False, False)
    MOUNT_CHANGED = ("mount_changed", False, False)
    NOT_FOUND = ("not_found", False, False)
    NOT_VAULT = ("not_vault", False, False)
    NOT_CONSUL = ("not_consul", False, False)
    SURPLUS_REPLY = ("surplus_reply", False, False)
    REDIRECTED = ("redirected", False, False)
    BAD_REQUEST = ("bad_request", False, False)
    CERTIFICATE = ("certificate", False, False)
    SEALED = ("sealed", False, False, True)
    STANDBY = ("standby", False, False, True)
    CONFLICT = ("conflict", False, False, True)
    TOO_LARGE = ("too_large", False, False)
    TOO_MANY_FAILED = ("too_many_failed", False, False)
    DEADLINE = ("deadline", False, False, True)
    CARRIED_TOO_LONG = ("carried_too_long", False, False)
    TOKEN_ENDING = ("token_ending", False, False)
    JOURNAL_UNTIDY = ("journal_untidy", False, False)
    KEEPS_FAILING = ("keeps_failing", False, False)
    SAVE_REFUSED = ("save_refused", False, False)
    LIST_INCOMPLETE = ("list_incomplete", False, False)
    VANISHED_BETWEEN_LISTS = ("vanished_between_lists", False, False)

    # What a moment's patience may heal.
    UNREACHABLE = ("unreachable", False, True, True)
    TIMEOUT = ("timeout", False, True, True)
    SERVER_ERROR = ("server_error", False, True, True)
    RATE_LIMITED = ("rate_limited", False, True, True)

    def __init__(self, word: str, fatal: bool, retry: bool, heals: bool = False) -> None:
        self.word = word
        self.fatal = fatal
        self.retry = retry
        self.heals = heals


class Fault(Exception):  # noqa: N818  the word of the design: people read "fault" on the screen
    """One thing that went wrong, told so that a human knows what to do next.

    Args:
        kind: the row of the table that decides what becomes of it.
        message: one sentence, without secrets: what happened, to what.
        hint: one sentence: what would mend it. Empty when there is nothing to say.
        context: facts a human searches for (server, path, status …), as plain text, no secrets.
        retry_after: seconds the server asked us to wait, when it did.
    """

    def __init__(
        self,
        kind: FaultKind,
        message: str,
        *,
        hint: str = "",
        context: Mapping[str, str] | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.hint = hint
        self.context: Mapping[str, str] = MappingProxyType(dict(context or {}))
        self.retry_after = retry_after

    @property
    def fatal(self) -> bool:
        """Whether the run ends."""
        return self.kind.fatal

    @property
    def retry(self) -> bool:
        """Whether the same request may be tried again within the cycle."""
        return self.kind.retry

    @property
    def heals(self) -> bool:
        """Whether the start-up checks wait for it to be over."""
        return self.kind.heals

    def __repr__(self) -> str:
        return f"Fault({self.kind.word}: {self.message})"


class StoppedEarly(Exception):  # noqa: N818  nothing went wrong
    """A signal asked for a halt before the run had begun: there is nothing to write down."""


class JournalError(Exception):
    """The one way in which reading a journal fails: which line (from 1), which byte, and why.

    `file` is the name of the file that they are counted in, where the journal has several.
    """

    def __init__(self, message: str, *, line: int, byte: int, file: str = "") -> None:
        super().__init__(f"{f'{file}, ' if file else ''}line {line}, byte {byte}: {message}")
        self.message = message
        self.line = line
        self.byte = byte
        self.file = file
