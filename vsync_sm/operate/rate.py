"""So many a second, and a few more in a burst."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class Rate:
    """A limit that several threads share."""

    def __init__(
        self, per_s: float, burst: int, mono: Callable[[], float] = time.monotonic
    ) -> None:
        """`mono` tells seconds."""
        self._per_s = per_s
        self._burst = burst
        self._mono = mono
        self._lock = threading.Lock()
        self._left = float(burst)
        self._at = mono()

    def take(self) -> bool:
        """Whether one more may pass now; if so, it counts."""
        with self._lock:
            now = self._mono()
            self._left = min(self._burst, self._left + (now - self._at) * self._per_s)
            self._at = now
            if self._left < 1:
                return False
            self._left -= 1
            return True

    def wait(self, enough: threading.Event) -> bool:
        """Wait until one more may pass; False when `enough` was set first."""
        while not self.take():
            if enough.wait(1 / self._per_s):
                return False
        return not enough.is_set()
