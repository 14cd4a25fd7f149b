"""The terminal, so that one which stops, hangs or goes away never holds up who paints on it."""

from __future__ import annotations

import os
import sys
import threading
from collections import deque
from collections.abc import Callable
from io import TextIOWrapper
from typing import TYPE_CHECKING, cast

from textual.drivers.linux_driver import LinuxDriver

if TYPE_CHECKING:
    from typing import Any

    from textual.app import App

BACKLOG = 4 * 1024 * 1024
"""So much text waits for a terminal that takes none; what comes beyond it is not drawn."""

DRAIN_S = 1.0
"""At the end the terminal has so many seconds to take what puts it back into order."""


class Terminal:
    """Text for a file descriptor, written on a thread of its own. It looks like a file."""

    def __init__(self, descriptor: int) -> None:
        self.gone: Callable[[], None] = _nothing
        """Called once, in another thread, when the terminal is no longer there."""
        self.late: Callable[[], None] = _nothing
        """Called, in another thread, when it takes text again after some had to be left out."""
        self._descriptor = descriptor
        self._waiting: deque[bytes] = deque()
        self._size = 0
        self._dropped = False
        self._dead = False
        self._changed = threading.Condition()
        threading.Thread(target=self._work, name="terminal", daemon=True).start()

    def write(self, text: str) -> int:
        """Take text; never blocks, never fails."""
        data = text.encode("utf-8", "replace")
        with self._changed:
            if self._dead:
                return len(text)
            if self._dropped or self._size > BACKLOG:
                self._dropped = True
            else:
                self._waiting.append(data)
                self._size += len(data)
                self._changed.notify_all()
        return len(text)

    def flush(self) -> None:
        """Nothing to do: what was taken is on its way."""

    def fileno(self) -> int:
        """The file descriptor."""
        return self._descriptor

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        return os.isatty(self._descriptor)

    def drain(self, limit_s: float) -> bool:
        """Wait until all is written, or so many seconds have passed; whether it was."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._size or self._dead, limit_s)

    def skip(self) -> None:
        """Leave out what still waits, but for a piece that is half written."""
        with self._changed:
            self._size -= sum(map(len, self._waiting))
            self._waiting.clear()
            self._dropped = False

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting)
                data = self._waiting.popleft()
            if not self._put(data):
                return
            with self._changed:
                self._size -= len(data)
                late = self._dropped and not self._waiting
                self._dropped = self._dropped and not late
                self._changed.notify_all()
            if late:
                self.late()

    def _put(self, data: bytes) -> bool:
        try:
            while data:
                data = data[os.write(self._descriptor, data) :]
        except OSError:
            with self._changed:
                self._dead = True
                self._waiting.clear()
                self._changed.notify_all()
            self.gone()
            return False
        return True


def _nothing() -> None:
    pass


class ConsoleDriver(LinuxDriver):
    """Textual's driver on a `Terminal`, whose mouse can be freed."""

    def __init__(
        self,
        app: App[Any],
        *,
        debug: bool = False,
        mouse: bool = True,
        size: tuple[int, int] | None = None,
    ) -> None:
        super().__init__(app, debug=debug, mouse=mouse, size=size)
        self._holds_mouse = True
        self._terminal = Terminal(sys.__stdout__.fileno() if sys.__stdout__ else 1)
        self._terminal.gone = getattr(app, "terminal_gone", _nothing)
        self._terminal.late = getattr(app, "terminal_late", _nothing)
        self._file = cast("TextIOWrapper", self._terminal)

    def set_mouse(self, *, on: bool) -> None:
        """Take the mouse, or leave it to the terminal."""
        if on == self._holds_mouse:
            return
        if on:
            self._holds_mouse = True
            self._enable_mouse_support()
        else:
            self._disable_mouse_support()
            self._holds_mouse = False

    def _enable_mouse_support(self) -> None:
        # Also called when the terminal comes back from a stop.
        if self._holds_mouse:
            super()._enable_mouse_support()

    def _sigcont_application(self, *_: object) -> None:
        # After a SIGSTOP nothing was given back (as it is at Ctrl-Z): to begin again would take the
        # modes of now for those from before. Only what was written on the screen has to go.
        if self._must_signal_resume:
            super()._sigcont_application()
        else:
            self._terminal.late()

    def stop_application_mode(self) -> None:
        """Put the terminal back into order; what it is too slow to show no longer matters then."""
        if not self._terminal.drain(DRAIN_S / 2):
            self._terminal.skip()
        super().stop_application_mode()

    def close(self) -> None:
        """Give the terminal back, if it takes it."""
        super().close()
        self._terminal.drain(DRAIN_S)
