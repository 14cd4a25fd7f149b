"""Informing a human: a program of the user's own gets the notice as JSON on its standard input."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import orjson

from vsync_sm.core.events import Notified
from vsync_sm.core.notice import Notice
from vsync_sm.operate.supervisor import VARIABLES
from vsync_sm.origin.inbox import Inbox, Informed

LIMIT_S = 10.0
"""The program has so many seconds, then it is killed."""


class CommandNotifier:
    """Runs `notify.command` for each notice on a thread of its own; the inbox hears how it went."""

    def __init__(
        self,
        command: tuple[str, ...],
        inbox: Inbox,
        *,
        about: Mapping[str, str],
        environment: Mapping[str, str],
    ) -> None:
        """`about` (host, run, version) goes with each notice; `environment` is the program's."""
        self._command = command
        self._inbox = inbox
        self._about = dict(about)
        self._environment = {
            name: value for name, value in environment.items() if not _is_ours(name)
        }

    def inform(self, notice: Notice) -> int:
        """Start the program and return at once. 0 when none is configured."""
        if not self._command:
            return 0
        message = self._message(notice)
        threading.Thread(
            target=self._run, args=(notice.kind, message), name="notify", daemon=True
        ).start()
        return 1

    def inform_and_wait(self, notice: Notice) -> None:
        """The same, where there is no inbox to hear how it went; at most `LIMIT_S` seconds."""
        if self._command:
            self._outcome(self._message(notice))

    def _message(self, notice: Notice) -> bytes:
        return orjson.dumps(
            {
                **self._about,
                "kind": notice.kind,
                "fatal": notice.fatal,
                "message": notice.message,
                "hint": notice.hint,
                "context": dict(notice.context),
            }
        )

    def _run(self, kind: str, message: bytes) -> None:
        detail = self._outcome(message)
        notified = Notified(
            kind=kind, through=Path(self._command[0]).name, ok=not detail, detail=detail
        )
        self._inbox.post(Informed(notified))

    def _outcome(self, message: bytes) -> str:
        try:
            process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=self._environment,
                start_new_session=True,
            )
        except OSError as error:
            return f"it could not be started: {error.strerror}"
        try:
            process.communicate(message, timeout=LIMIT_S)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return f"it took longer than {LIMIT_S:g} s and was killed"
        return f"it exited with {process.returncode}" if process.returncode else ""


def _is_ours(name: str) -> bool:
    # vsync's own logins are none of the program's business, nor may it speak to the service
    # manager in vsync's name; its own logins are left to it.
    if name in VARIABLES:
        return True
    ours = name.upper().startswith(("VSYNC_", "VAULT_", "CONSUL_"))
    return ours and any(word in name.upper() for word in ("TOKEN", "SECRET", "ROLE", "AUTH"))
