"""An outlet to stderr that never holds up who writes: a terminal may be stopped, a pipe be full."""

from __future__ import annotations

import os
import threading
from collections import deque

BACKLOG = 10_000
"""So many pieces of text wait at the most; what comes beyond them is dropped, and counted."""


class Outlet:
    """Takes text at once, and writes it to a file descriptor on a thread of its own."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._waiting: deque[str] = deque()
        self._dropped = 0
        self._changed = threading.Condition()
        self._busy = False
        threading.Thread(target=self._work, name="outlet", daemon=True).start()

    def write(self, text: str) -> int:
        """Take text; never blocks. Returns its length, as a stream does."""
        with self._changed:
            if len(self._waiting) < BACKLOG:
                self._waiting.append(text)
                self._changed.notify_all()
            else:
                self._dropped += 1
        return len(text)

    def flush(self) -> None:
        """Nothing to do: what was taken is on its way."""

    def isatty(self) -> bool:
        """Whether it leads to a terminal."""
        return os.isatty(self._descriptor)

    def drain(self, limit_s: float) -> None:
        """Wait until all is written, or so many seconds have passed."""
        with self._changed:
            self._changed.wait_for(lambda: not self._waiting and not self._busy, limit_s)

    def _work(self) -> None:
        while True:
            with self._changed:
                self._busy = False
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._waiting)
                self._busy = True
                text = self._waiting.popleft()
                if self._dropped and not self._waiting:
                    text += f"({self._dropped} lines could not be written in time)\n"
                    self._dropped = 0
            try:
                self._put(text.encode(errors="backslashreplace"))
            except OSError:  # nobody reads it any more
                continue

    def _put(self, data: bytes) -> None:
        while data:
            data = data[os.write(self._descriptor, data) :]
