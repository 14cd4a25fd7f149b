"""Follows a journal that may still grow, on a thread of its own: the feed of `--attach`."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from msgspec.structs import replace

from tui.feed import BATCH, NEWER, Look, folded
from tui.glance import Badge
from vsync_sm.core.errors import JournalError
from vsync_sm.core.events import Record
from vsync_sm.journal.reader import JournalReader, Position
from vsync_sm.journal.recall import newest
from vsync_sm.journal.segments import live_number

POLL_S = 0.08
"""So often (seconds) it is looked whether there are new lines."""

REST_S = 0.002
"""Between two batches of a long journal, whoever paints gets so long (seconds)."""

REPLACED = "the journal was replaced by another one, which was read from its start"
CUT = "the journal was cut short, and was read anew from its start"

_HEAD = 256


class FollowFeed:
    """A journal that grows into more files, is not there yet, is mended, cut or replaced."""

    badge = Badge.ATTACHED

    def __init__(self, journal: Path) -> None:
        self._follower = Follower(journal)
        self._look = self._follower.look
        self._enough = threading.Event()
        self._thread = threading.Thread(target=self._work, name="follow", daemon=True)

    def look(self) -> Look:
        """What the journal has told so far."""
        return self._look

    def open(self) -> None:
        """Begin to follow."""
        self._thread.start()

    def close(self) -> None:
        """Stop, and give the file back."""
        self._enough.set()
        if self._thread.is_alive():
            self._thread.join(1.0)

    def _work(self) -> None:
        rest = 0.0
        try:
            while not self._enough.wait(rest):
                rest = REST_S if self._follower.step() else POLL_S
                self._look = self._follower.look
        except Exception as error:  # noqa: BLE001  a screen must not stand still without a word
            why = f"it cannot be followed any further: {type(error).__name__}: {error}"
            self._look = replace(self._follower.look, damage=why)
        finally:
            self._follower.close()


class Follower:
    """Follows a journal step by step, from its newest checkpoint on.

    Attributes:
        look: what it has told so far.
    """

    def __init__(self, journal: Path) -> None:
        self.look = Look(note=f"waiting for the journal {journal}")
        self._journal = journal
        self._reader = JournalReader(journal)
        self._begun = False
        self._records: Iterator[Record] | None = None
        self._file: tuple[int, int] | None = None
        self._head = b""
        self._size = 0
        self._past: Position | None = None  # where it ended when it was opened
        self._anew = ""

    def step(self) -> bool:
        """Take in one batch of records; whether there may be more of them right now."""
        try:
            if not self._mind_the_file():
                return False
            return self._take()
        except JournalError as error:
            self._records = None
            damage = str(error) if error.line else error.message
            self.look = replace(self.look, damage=damage)
            return False
        except OSError as error:
            self.look = replace(self.look, damage=f"cannot read {self._journal}: {error.strerror}")
            return False

    def close(self) -> None:
        """Give the file back."""
        self._reader.close()

    def _mind_the_file(self) -> bool:
        """Whether there is a file to go on with."""
        try:
            found = self._journal.stat()
        except FileNotFoundError:
            if self._file is not None:
                self.look = replace(self.look, note="the journal is gone; waiting for another one")
            return False
        if self._file is None and not self._begin(found):
            return False
        replaced = self._replaced(found)
        if replaced:
            self._begin_anew(replaced)
            return self._mind_the_file()
        self._file, self._size = (found.st_dev, found.st_ino), found.st_size
        return True

    def _replaced(self, found: os.stat_result) -> str:
        """Why what lies there is not what was read so far ("": it is, or goes on from it)."""
        if (found.st_dev, found.st_ino) != self._file:
            if not self._reader.continued():
                return REPLACED
            self._head = self._read_head()
        elif self._reader.live and found.st_size < self._reader.byte:
            return CUT
        elif found.st_size != self._size:
            head = self._read_head()
            if not os.path.samestat(self._journal.stat(), found):
                return ""  # closed this very moment: the next look will find the next file
            if not head.startswith(self._head):
                return REPLACED  # written over in its place
            self._head = head  # it may have been shorter, or nothing at all
        return ""

    def _begin(self, found: os.stat_result) -> bool:
        if not self._begun:
            self._reader = newest(self._journal)
            self._begun = self._reader.exists()
        if self._begun:
            self._past = Position(live_number(self._journal), found.st_size)
            self._file, self._head = (found.st_dev, found.st_ino), self._read_head()
            self._size = found.st_size
        return self._begun

    def _begin_anew(self, why: str) -> None:
        self._reader.close()
        self._reader = JournalReader(self._journal)
        self._records = self._file = None
        self._begun = False
        self._anew = why
        self.look = Look(note=why)

    def _take(self) -> bool:
        if self._records is None:
            self._records = self._reader.records()
        batch: list[Record] = []
        try:
            batch.extend(islice(self._records, BATCH))
        finally:
            # Also what came before a damaged line.
            self._fold(batch)
        if len(batch) < BATCH:
            self._records = None
            self._past = None
            return False
        return True

    def _fold(self, batch: list[Record]) -> None:
        seen_live = self._past is None or self._reader.position > self._past
        look = folded(self.look, batch)
        self.look = replace(
            look,
            note=self._note(look.newer),
            damage="",
            arrived=look.arrived + (len(batch) if seen_live else 0),
        )

    def _note(self, newer: bool) -> str:
        at = self._reader.position
        if self._past is not None and at < self._past and at.byte:
            return f"reading the journal: {int(100 * self._reader.share)} %"
        return NEWER if newer else self._anew

    def _read_head(self) -> bytes:
        with self._journal.open("rb") as file:
            return file.read(_HEAD)
