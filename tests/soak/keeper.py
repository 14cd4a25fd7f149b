"""What stands around the daemon: a supervisor that starts it again, and a human who says yes."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from pathlib import Path

import msgspec

from tests.workshop import Daemon, Workshop
from vsync_sm.operate.client import Unreachable

LOOK_EVERY_S = 1.0


class Sample(msgspec.Struct, frozen=True):
    """What the daemon takes at a moment (`time.monotonic()`)."""

    at: float
    rss_bytes: int
    files: int
    threads: int


class Keeper:
    """Keeps one daemon running, measures it, and allows what it refuses.

    Attributes:
        exits: how often it ended, by exit code.
        samples: one a second, of whichever process ran.
        allowed: how many refusals were allowed.
    """

    def __init__(self, shop: Workshop) -> None:
        self.exits: Counter[int] = Counter()
        self.samples: list[Sample] = []
        self.allowed = 0
        self._shop = shop
        self._log = (shop.home / "daemon.log").open("ab")
        self._enough = threading.Event()
        self._lock = threading.Lock()
        self._daemon = self._start()
        self._thread = threading.Thread(target=self._keep, name="keeper", daemon=True)
        self._thread.start()

    def kill(self) -> None:
        """End the daemon at once; the supervisor starts another."""
        with self._lock:
            self._daemon.process.kill()

    def stop(self) -> int:
        """Ask the daemon to stop; its exit code."""
        self._enough.set()
        self._thread.join()
        code = self._daemon.stop()
        self._log.close()
        return code

    def settle(self) -> None:
        """Return when a cycle that began after this has found nothing left to save."""
        began = 0
        while True:
            time.sleep(0.05)
            try:
                told = self._daemon.remote.status().document
            except Unreachable:
                continue
            began = began or told["last_cycle"] + 1
            saved = (told["last_save"] or {}).get("cycle", 0)
            well = not (told["cycle"] or told["failed_in_row"] or told["refusal"])
            if well and told["last_cycle"] > max(began, saved):
                return

    def _start(self) -> Daemon:
        return self._shop.start(stderr=self._log.fileno())

    def _keep(self) -> None:
        while not self._enough.wait(LOOK_EVERY_S):
            code = self._daemon.process.poll()
            if code is None:
                self._measure()
                self._allow()
                continue
            self.exits[code] += 1
            with self._lock:
                self._daemon = self._start()

    def _measure(self) -> None:
        here = Path(f"/proc/{self._daemon.process.pid}")
        try:
            pages = int((here / "statm").read_text().split()[1])
            files, threads = (len(os.listdir(here / what)) for what in ("fd", "task"))  # noqa: PTH208
        except OSError:
            return  # killed meanwhile
        rss = pages * os.sysconf("SC_PAGE_SIZE")
        self.samples.append(Sample(time.monotonic(), rss, files, threads))

    def _allow(self) -> None:
        try:
            refusal = self._daemon.remote.status().document["refusal"]
        except Unreachable:
            return
        if refusal and self._daemon.remote.do("allow", refusal["allowance"]).ok:
            self.allowed += 1
