"""Writes a journal: one writer at a time, in groups, and never again after a failure.

`JournalWriter.open` takes the lock, has the tail repaired, and holds the file for life: it
and those that follow it, since one that is full is closed and another begun (`rotate`). Reading
what stands there is the caller's business, between `open` and `begin`.
"""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol, Self

from vsync_sm.core.errors import Fault, FaultKind, JournalError
from vsync_sm.core.events import (
    Event,
    InsightGenerated,
    JournalRepaired,
    Record,
    SegmentOpened,
)
from vsync_sm.journal.codec import encode, encode_insights, writable
from vsync_sm.journal.keeping import Bounds, Keeper
from vsync_sm.journal.opening import ELSEWHERE, fault, open_locked, refuse_beheaded, refused
from vsync_sm.journal.repair import repair_tail
from vsync_sm.journal.rotation import change_over, undo, write_all
from vsync_sm.journal.segments import closed_path, number_in

Stamp = Callable[[], tuple[str, int]]
"""The time of an event: `ts` (UTC, RFC 3339, microseconds) and `mono` (ns since the run began)."""

FLUSH_BYTES = 256 * 1024
FLUSH_NS = 100_000_000
SEGMENT_BYTES = 64 * 1024 * 1024
"""Past so many bytes a file is full, unless told otherwise."""

EARLY_BYTES = 8 * 1024 * 1024
"""After each so many bytes that nobody has synced, it is begun with beside the writer."""

_HASHED_AT_ONCE = 1024 * 1024


class Journal(Protocol):
    """Where a run's events go."""

    @property
    def repairs(self) -> tuple[JournalRepaired, ...]:
        """What opening it mended, for the caller to append as events."""

    def begin(self, *, run: str, last_seq: int, stamp: Stamp) -> None:
        """Say whose events follow, after which `seq` (0: none), and who tells the time."""

    def append(self, event: Event, *, cycle: int | None = None) -> Record:
        """Give the event its place in the journal. It is on its way, not yet in the file."""

    def append_insights(
        self, insights: Sequence[InsightGenerated], *, cycle: int | None = None
    ) -> list[Record]:
        """The same for many at once; they bear one time: that at which they were told."""

    def flush(self) -> None:
        """Hand everything appended to the operating system."""

    def sync(self) -> None:
        """Have everything appended on the disk before returning."""

    def flush_due(self, mono_ns: int) -> bool:
        """Whether something has waited for 100 ms at this moment of the run (`mono`)."""

    @property
    def trouble(self) -> str:
        """What is in the way of looking after its closed files ("": nothing)."""

    @property
    def full(self) -> bool:
        """Whether it is time to `rotate`."""

    def rotate(self, state: str, checkpoint: dict[str, Any], *, cycle: int | None) -> Record:
        """Close the file, and begin the next one; `checkpoint` is what all lines have come to."""

    def close(self) -> None:
        """Sync, and give the file and its lock back. A second time does nothing."""


class NullJournal:
    """A journal that is kept nowhere, for runs that must not write one."""

    repairs: tuple[JournalRepaired, ...] = ()
    trouble = ""

    def __init__(self) -> None:
        self._envelope: _Envelope | None = None

    def begin(self, *, run: str, last_seq: int, stamp: Stamp) -> None:
        """Say whose events follow, after which `seq` (0: none), and who tells the time."""
        self._envelope = _Envelope(run, last_seq, stamp)

    def append(self, event: Event, *, cycle: int | None = None) -> Record:
        """The record that a journal would hold."""
        envelope = _begun(self._envelope)
        record = envelope.around(event, cycle)
        envelope.last_seq = record.seq
        return record

    def append_insights(
        self, insights: Sequence[InsightGenerated], *, cycle: int | None = None
    ) -> list[Record]:
        """The records that a journal would hold."""
        return [self.append(each, cycle=cycle) for each in insights]

    def flush(self) -> None:
        """Nothing to do."""

    def sync(self) -> None:
        """Nothing to do."""

    def flush_due(self, mono_ns: int) -> bool:  # noqa: ARG002  the Protocol's
        """Never."""
        return False

    @property
    def full(self) -> bool:
        """Never."""
        return False

    def rotate(self, state: str, checkpoint: dict[str, Any], *, cycle: int | None) -> Record:
        """There is no file: it cannot be full."""
        raise NotImplementedError

    def close(self) -> None:
        """Nothing to do."""


class JournalWriter:
    """The one writer of a journal file, for one thread.

    A write or sync that fails is fatal and never tried again: nobody knows what the disk holds
    then. It raises a `Fault` (journal), and so does every later call but `close`.
    """

    def __init__(
        self,
        path: Path,
        fd: int,
        repairs: tuple[JournalRepaired, ...],
        seq: int,
        *,
        segment_bytes: int = SEGMENT_BYTES,
        bounds: Bounds | None = None,
    ) -> None:
        """Use `open`."""
        self.path = path
        self.repairs = repairs
        self._fd = fd
        self._open = True
        self._seq_in_file = seq
        self._envelope: _Envelope | None = None
        self._buffer = bytearray()
        self._pending_since: int | None = None
        self._unsynced = 0  # bytes
        self._early_at = EARLY_BYTES
        self._fault: Fault | None = None
        self._segment_bytes = segment_bytes
        self._number = number_in(os.pread(fd, 1024, 0)) or 1
        self._digest, self._bytes = _digest_of(fd)
        self._opening = _opening_bytes(fd)
        self._keeper = Keeper(path, bounds) if bounds is not None else None
        if self._keeper is not None:
            self._keeper.start()

    @classmethod
    def open(
        cls, path: Path, *, segment_bytes: int = SEGMENT_BYTES, bounds: Bounds | None = None
    ) -> Self:
        """Lock the journal for this process, make it (0600) where there is none, mend its tail.

        Args:
            path: the journal.
            segment_bytes: past so many bytes a file of it is full.
            bounds: how much is kept of the files that are closed; None: all of them, as they are.

        Raises:
            Fault: journal: another vsync writes it, it is no journal or a damaged one, or the
                operating system refuses.
        """
        try:
            fd = open_locked(path)
        except OSError as error:
            raise refused(path, "cannot open", error) from None
        except ValueError as error:
            raise fault(path, f"cannot open the journal {path!r}: {error}", ELSEWHERE) from None
        try:
            undo(path, fd)
            refuse_beheaded(path, fd)
            repairs, seq = repair_tail(fd, path)
        except OSError as error:
            os.close(fd)
            raise refused(path, "cannot mend", error) from None
        except JournalError as error:
            os.close(fd)
            raise fault(
                path,
                f"the journal {path} is damaged at {error}",
                "move it aside or restore it; a new journal forgets what the safety rules know "
                "of earlier saves",
            ) from None
        try:
            return cls(path, fd, repairs, seq, segment_bytes=segment_bytes, bounds=bounds)
        except OSError as error:
            os.close(fd)
            raise refused(path, "cannot read", error) from None

    def begin(self, *, run: str, last_seq: int, stamp: Stamp) -> None:
        """Say whose events follow, after which `seq` (0: none), and who tells the time.

        Raises:
            Fault: invariant: the file's last line has another `seq`.
        """
        if last_seq != self._seq_in_file:
            raise Fault(
                FaultKind.INVARIANT,
                f"the journal {self.path} ends with seq {self._seq_in_file}, not {last_seq}",
            )
        self._envelope = _Envelope(run, last_seq, stamp)

    def append(self, event: Event, *, cycle: int | None = None) -> Record:
        """Give the event its place in the journal; it is written with the next flush.

        Returns:
            The record exactly as a reader will find it.

        Raises:
            Fault: journal: writing has failed, now or earlier.
            ValueError: the event cannot be written; the journal is as it was.
        """
        self._check()
        envelope = _begun(self._envelope)
        record, line = _encoded(envelope.around(event, cycle))
        self._take(record, line)
        return record

    def append_insights(
        self, insights: Sequence[InsightGenerated], *, cycle: int | None = None
    ) -> list[Record]:
        """The same for many at once; they bear one time: that at which they were told.

        Nearly every line is an insight's: all together they take half of what each takes alone.

        Raises:
            Fault: journal: writing has failed, now or earlier.
            ValueError: one of them cannot be written; those before it were appended.
        """
        self._check()
        records = _begun(self._envelope).around_all(insights, cycle)
        try:
            lines = encode_insights(records)
        except ValueError:
            return [self.append(each, cycle=cycle) for each in insights]
        if records:
            self._take(records[-1], lines)
        return records

    def _take(self, last: Record, lines: bytes) -> None:
        _begun(self._envelope).last_seq = last.seq
        self._buffer += lines
        if self._pending_since is None:
            self._pending_since = last.mono
        if len(self._buffer) >= FLUSH_BYTES:
            self.flush()

    def flush(self) -> None:
        """Hand everything appended to the operating system.

        Raises:
            Fault: journal: writing has failed, now or earlier.
        """
        self._check()
        if not self._buffer:
            return
        try:
            write_all(self._fd, self._buffer)
        except OSError as error:
            raise self._fail("write", error) from None
        self._digest.update(self._buffer)
        self._bytes += len(self._buffer)
        self._unsynced += len(self._buffer)
        if self._keeper is not None and self._unsynced >= self._early_at:
            self._early_at = self._unsynced + EARLY_BYTES
            self._keeper.sync_early()
        self._buffer.clear()
        self._pending_since = None

    def sync(self) -> None:
        """Have everything appended on the disk before returning.

        Raises:
            Fault: journal: writing has failed, now or earlier.
        """
        self.flush()
        if not self._unsynced:
            return
        try:
            os.fsync(self._fd)
            there, own = self.path.stat(), os.fstat(self._fd)
        except OSError as error:
            raise self._fail("sync", error) from None
        if not os.path.samestat(there, own):
            # What is written now would be found by nobody, and the lock protects nothing.
            raise self._fail("sync", OSError(errno.ESTALE, "another file has taken its place"))
        if own.st_size != self._bytes:
            # Cut, or emptied, by another program's rotation: what the safety rules know is gone.
            raise self._fail("sync", OSError(errno.ESTALE, "somebody else has changed its length"))
        self._unsynced, self._early_at = 0, EARLY_BYTES

    def flush_due(self, mono_ns: int) -> bool:
        """Whether something has waited for 100 ms at this moment of the run (`mono`)."""
        return self._pending_since is not None and mono_ns - self._pending_since >= FLUSH_NS

    @property
    def trouble(self) -> str:
        """What is in the way of looking after its closed files ("": nothing)."""
        return self._keeper.trouble if self._keeper is not None else ""

    @property
    def full(self) -> bool:
        """Whether it is time to `rotate`.

        What opens the file does not count: a checkpoint may be larger than a file is to be (what
        was refused stands in it), and each line would have a file of its own.
        """
        return self._bytes + len(self._buffer) - self._opening >= self._segment_bytes

    def rotate(self, state: str, checkpoint: dict[str, Any], *, cycle: int | None) -> Record:
        """Close the file, and begin the next one.

        Args:
            state: the machine's.
            checkpoint: what all lines so far have come to: see `core.checkpoint`.
            cycle: the one that goes on.

        Returns:
            The first record of the new file, which is on the disk.

        Raises:
            Fault: journal: writing has failed, now or earlier. Every line before is on the disk.
        """
        self.sync()
        envelope = _begun(self._envelope)
        closed = closed_path(self.path, self._number)
        opened = envelope.around(
            SegmentOpened(
                number=self._number + 1,
                predecessor=closed.name,
                predecessor_seq=envelope.last_seq,
                predecessor_sha256=self._digest.hexdigest(),
                state=state,
                checkpoint=checkpoint,
            ),
            cycle,
        )
        record, line = _encoded(opened)
        try:
            fd = change_over(self.path, closed, line)
        except OSError as error:
            raise self._fail("rotate", error) from None
        old, self._fd = self._fd, fd
        os.close(old)
        envelope.last_seq = record.seq
        self._number += 1
        self._digest, self._bytes = hashlib.sha256(line), len(line)
        self._opening = len(line)
        if self._keeper is not None:
            self._keeper.wake()
        return record

    def close(self) -> None:
        """Sync, and give the file and its lock back. A second time does nothing.

        Raises:
            Fault: journal: the last lines could not be written. The file is given back all the
                same; a failure that has been raised before is not raised again.
        """
        if not self._open:
            return
        if self._keeper is not None:
            self._keeper.stop()
        try:
            if self._fault is None:
                self.sync()
        finally:
            self._open = False
            os.close(self._fd)

    def _check(self) -> None:
        if self._fault is not None:
            raise self._fault.with_traceback(None)
        if not self._open:
            raise RuntimeError(f"the journal {self.path} is closed")

    def _fail(self, what: str, error: OSError) -> Fault:
        self._fault = refused(self.path, f"cannot {what}", error)
        self._buffer = bytearray()  # who failed may still hold the other
        self._pending_since = None
        return self._fault


class _Envelope:
    """What stands around the events of one run."""

    def __init__(self, run: str, last_seq: int, stamp: Stamp) -> None:
        self.run = run
        self.last_seq = last_seq
        self.stamp = stamp

    def around(self, event: Event, cycle: int | None) -> Record:
        ts, mono = self.stamp()
        return Record(self.last_seq + 1, ts, mono, self.run, event, cycle)

    def around_all(self, events: Sequence[Event], cycle: int | None) -> list[Record]:
        ts, mono = self.stamp()
        return [
            Record(seq, ts, mono, self.run, event, cycle)
            for seq, event in enumerate(events, start=self.last_seq + 1)
        ]


def _encoded(record: Record) -> tuple[Record, bytes]:
    try:
        return record, encode(record)
    except ValueError:
        record = writable(record)
        return record, encode(record)


def _begun(envelope: _Envelope | None) -> _Envelope:
    if envelope is None:
        raise RuntimeError("begin() comes before append()")
    return envelope


def _opening_bytes(fd: int) -> int:
    """The length of the line that opens the file; 0: none does."""
    length, number = 0, number_in(os.pread(fd, 1024, 0))
    while number is not None and (chunk := os.pread(fd, _HASHED_AT_ONCE, length)):
        end = chunk.find(b"\n")
        if end >= 0:
            return length + end + 1
        length += len(chunk)
    return length


def _digest_of(fd: int) -> tuple[hashlib._Hash, int]:
    digest, at = hashlib.sha256(), 0
    while chunk := os.pread(fd, _HASHED_AT_ONCE, at):
        digest.update(chunk)
        at += len(chunk)
    return digest, at
