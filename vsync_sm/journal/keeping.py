"""Keeps a journal small: packs its closed files, and lets the oldest go when they are too many.

It has a thread of its own, for the one process that writes the journal, and touches closed files
alone. Each step is whole or has not happened: a new file is made aside, is on the disk, and takes
its name; only then does the old one go. Who reads an old one goes on reading it. What cannot be
done (a full disk) is left for the next time, and told.
"""

from __future__ import annotations

import gzip
import os
import threading
from contextlib import suppress
from pathlib import Path

import msgspec

from vsync_sm.journal.history import forget, remember
from vsync_sm.journal.repair import sync_directory
from vsync_sm.journal.segments import PACKED, Segment, closed_segments

BUDGET_BYTES = 2 * 1024 * 1024 * 1024
HISTORY_DAYS = 90

_PIECE = 256 * 1024
_LEVEL = 6
_AGAIN_S = 600.0
_END_S = 0.5


class Bounds(msgspec.Struct, frozen=True):
    """How much of a journal is kept: bytes of closed files, days of what is told after them."""

    budget_bytes: int = BUDGET_BYTES
    history_days: int = HISTORY_DAYS


class Keeper:
    """Looks after the closed files of one journal.

    `trouble` says what could not be done the last time, and why ("": all of it was).
    """

    def __init__(self, journal: Path, bounds: Bounds) -> None:
        self.trouble = ""
        self._journal = journal
        self._bounds = bounds
        self._wake = threading.Event()
        self._over = threading.Event()
        self._early = threading.Event()
        self._thread = threading.Thread(target=self._run, name="journal keeper", daemon=True)

    def start(self) -> None:
        """Begin, with what an earlier process has left."""
        self._thread.start()

    def wake(self) -> None:
        """A file was closed."""
        self._wake.set()

    def sync_early(self) -> None:
        """Much has been written to the journal that nobody has synced: begin with it.

        So that little is left to wait for when the file is closed, in the middle of a large cycle.
        """
        self._early.set()
        self._wake.set()

    def stop(self) -> None:
        """End soon: what is being packed is left as it was."""
        self._over.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(_END_S)

    def _run(self) -> None:
        while not self._over.is_set():
            self._wake.clear()
            if self._early.is_set():
                self._early.clear()
                self._sync()
            self.tidy()
            self._wake.wait(_AGAIN_S)

    def _sync(self) -> None:
        # Through a descriptor of its own: an error that the disk tells here is told to the writer's
        # own sync as well, and counts there.
        with suppress(OSError):
            fd = os.open(self._journal, os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fdatasync(fd)
            finally:
                os.close(fd)

    def tidy(self) -> None:
        """Do what is due. What is in the way of one step holds up no other: see `trouble`."""
        trouble = ""
        for step in (self._sweep, self._pack, self._let_go, self._forget):
            try:
                step()
            except Exception as error:  # noqa: BLE001  the outermost place of a thread
                trouble = trouble or str(error) or type(error).__name__
        self.trouble = trouble

    def _sweep(self) -> None:
        """Take away what an earlier process has begun and not finished."""
        for name in os.listdir(self._journal.parent):  # noqa: PTH208  names are all that is wanted
            if name.startswith(f"{self._journal.name}.") and name.endswith(f"{PACKED}.part"):
                self._journal.with_name(name).unlink(missing_ok=True)

    def _pack(self) -> None:
        for closed in closed_segments(self._journal):
            if self._over.is_set():
                return
            packed = closed.path.with_name(f"{closed.path.name}{PACKED}")
            if not closed.packed and (packed.exists() or self._packed(closed, packed)):
                closed.path.unlink(missing_ok=True)

    def _packed(self, closed: Segment, packed: Path) -> bool:
        """Pack a file; False: it is no longer wanted."""
        aside = packed.with_name(f"{packed.name}.part")
        try:
            with (
                closed.path.open("rb") as plain,
                os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as raw,
            ):
                with gzip.GzipFile("", "wb", _LEVEL, raw, mtime=0) as file:
                    while piece := plain.read(_PIECE):
                        file.write(piece)
                        if self._over.is_set():
                            aside.unlink()
                            return False
                raw.flush()
                os.fsync(raw.fileno())
        except OSError:
            aside.unlink(missing_ok=True)
            raise
        aside.replace(packed)
        sync_directory(packed.parent)
        return True

    def _forget(self) -> None:
        forget(self._journal, self._bounds.history_days)

    def _let_go(self) -> None:
        closed = closed_segments(self._journal)
        sizes = [each.path.stat().st_size for each in closed]
        total = sum(sizes)
        for each, size in zip(closed, sizes, strict=True):
            if total <= self._bounds.budget_bytes or self._over.is_set():
                return
            if self._bounds.history_days:
                remember(self._journal, each)
            each.path.unlink()
            total -= size
