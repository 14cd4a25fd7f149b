"""Writes a journal: one writer at a time, in groups, and never again after a failure.

`JournalWriter.open` takes the lock, has the tail repaired, and holds the file for life. Reading
what stands there is the caller's business, between `open` and `begin`.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, Self

from vsync_sm.core.errors import Fault, FaultKind, JournalError
from vsync_sm.core.events import Event, JournalRepaired, Record
from vsync_sm.journal.codec import encode, writable
from vsync_sm.journal.repair import repair_tail, sync_directory

Stamp = Callable[[], tuple[str, int]]
"""The time of an event: `ts` (UTC, RFC 3339, microseconds) and `mono` (ns since the run began)."""

FLUSH_BYTES = 64 * 1024
FLUSH_NS = 100_000_000

_ELSEWHERE = "let this user write there, or choose another place with --journal"
_HINTS = {
    errno.ENOSPC: "free space on that disk, then start again: a torn last line is mended",
    errno.EDQUOT: "raise the quota or free space, then start again: a torn last line is mended",
    errno.EFBIG: "raise the limit of a file's size (ulimit -f), then start again",
    errno.EIO: "look after the disk; --journal chooses another place",
    errno.EACCES: _ELSEWHERE,
    errno.EPERM: _ELSEWHERE,
    errno.EROFS: _ELSEWHERE,
}


class Journal(Protocol):
    """Where a run's events go."""

    @property
    def repairs(self) -> tuple[JournalRepaired, ...]:
        """What opening it mended, for the caller to append as events."""

    def begin(self, *, run: str, last_seq: int, stamp: Stamp) -> None:
        """Say whose events follow, after which `seq` (0: none), and who tells the time."""

    def append(self, event: Event, *, cycle: int | None = None) -> Record:
        """Give the event its place in the journal. It is on its way, not yet in the file."""

    def flush(self) -> None:
        """Hand everything appended to the operating system."""

    def sync(self) -> None:
        """Have everything appended on the disk before returning."""

    def flush_due(self, mono_ns: int) -> bool:
        """Whether something has waited for 100 ms at this moment of the run (`mono`)."""

    def close(self) -> None:
        """Sync, and give the file and its lock back. A second time does nothing."""


class NullJournal:
    """A journal that is kept nowhere, for runs that must not write one."""

    repairs: tuple[JournalRepaired, ...] = ()

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

    def flush(self) -> None:
        """Nothing to do."""

    def sync(self) -> None:
        """Nothing to do."""

    def flush_due(self, mono_ns: int) -> bool:  # noqa: ARG002  the Protocol's
        """Never."""
        return False

    def close(self) -> None:
        """Nothing to do."""


class JournalWriter:
    """The one writer of a journal file, for one thread.

    A write or sync that fails is fatal and never tried again: nobody knows what the disk holds
    then. It raises a `Fault` (journal), and so does every later call but `close`.
    """

    def __init__(self, path: Path, fd: int, repairs: tuple[JournalRepaired, ...], seq: int) -> None:
        """Use `open`."""
        self.path = path
        self.repairs = repairs
        self._fd = fd
        self._open = True
        self._seq_in_file = seq
        self._envelope: _Envelope | None = None
        self._buffer = bytearray()
        self._pending_since: int | None = None
        self._unsynced = False
        self._fault: Fault | None = None

    @classmethod
    def open(cls, path: Path) -> Self:
        """Lock the journal for this process, make it (0600) where there is none, mend its tail.

        Raises:
            Fault: journal: another vsync writes it, it is no journal or a damaged one, or the
                operating system refuses.
        """
        try:
            fd = _open_locked(path)
        except OSError as error:
            raise _refused(path, "cannot open", error) from None
        except ValueError as error:
            raise _fault(path, f"cannot open the journal {path!r}: {error}", _ELSEWHERE) from None
        try:
            repairs, seq = repair_tail(fd, path)
        except OSError as error:
            os.close(fd)
            raise _refused(path, "cannot mend", error) from None
        except JournalError as error:
            os.close(fd)
            raise _fault(
                path,
                f"the journal {path} is damaged at {error}",
                "move it aside or restore it; a new journal forgets what the safety rules know "
                "of earlier saves",
            ) from None
        return cls(path, fd, repairs, seq)

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
        record = envelope.around(event, cycle)
        try:
            line = encode(record)
        except ValueError:
            record = writable(record)
            line = encode(record)
        envelope.last_seq = record.seq
        self._buffer += line
        if self._pending_since is None:
            self._pending_since = record.mono
        if len(self._buffer) >= FLUSH_BYTES:
            self.flush()
        return record

    def flush(self) -> None:
        """Hand everything appended to the operating system.

        Raises:
            Fault: journal: writing has failed, now or earlier.
        """
        self._check()
        if not self._buffer:
            return
        try:
            _write_all(self._fd, self._buffer)
        except OSError as error:
            raise self._fail("write", error) from None
        self._buffer.clear()
        self._pending_since = None
        self._unsynced = True

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
            there = self.path.stat()
        except OSError as error:
            raise self._fail("sync", error) from None
        if not os.path.samestat(there, os.fstat(self._fd)):
            # What is written now would be found by nobody, and the lock protects nothing.
            raise self._fail("sync", OSError(errno.ESTALE, "another file has taken its place"))
        self._unsynced = False

    def flush_due(self, mono_ns: int) -> bool:
        """Whether something has waited for 100 ms at this moment of the run (`mono`)."""
        return self._pending_since is not None and mono_ns - self._pending_since >= FLUSH_NS

    def close(self) -> None:
        """Sync, and give the file and its lock back. A second time does nothing.

        Raises:
            Fault: journal: the last lines could not be written. The file is given back all the
                same; a failure that has been raised before is not raised again.
        """
        if not self._open:
            return
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
        self._fault = _refused(self.path, f"cannot {what}", error)
        self._buffer.clear()
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
        return Record(
            seq=self.last_seq + 1, ts=ts, mono=mono, run=self.run, event=event, cycle=cycle
        )


def _begun(envelope: _Envelope | None) -> _Envelope:
    if envelope is None:
        raise RuntimeError("begin() comes before append()")
    return envelope


def _open_locked(path: Path) -> int:
    _make_directories(path.parent)
    fd, new = _open_or_create(path)
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise _fault(path, f"{path} is not a file", "--journal wants a file of its own")
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _fault(
                path,
                f"another vsync writes the journal {path}",
                "stop the other one, or give this one a journal of its own with --journal",
            ) from None
        if new:
            sync_directory(path.parent)
    except BaseException:
        os.close(fd)
        raise
    return fd


def _open_or_create(path: Path) -> tuple[int, bool]:
    flags = os.O_RDWR | os.O_APPEND | os.O_CLOEXEC | os.O_NOCTTY
    try:
        return os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o600), True
    except FileExistsError:
        return os.open(path, flags), False


def _make_directories(directory: Path) -> None:
    missing = []
    while not directory.exists():
        missing.append(directory)
        directory = directory.parent
    for each in reversed(missing):
        each.mkdir(mode=0o700, exist_ok=True)
        sync_directory(each.parent)


def _write_all(fd: int, data: bytes | bytearray) -> None:
    with memoryview(data) as view:
        done = 0
        while done < len(view):
            done += os.write(fd, view[done:])


def _refused(path: Path, what: str, error: OSError) -> Fault:
    why = error.strerror or str(error)
    hint = _HINTS.get(error.errno or 0, "--journal chooses another place")
    return _fault(path, f"{what} the journal {path}: {why}", hint)


def _fault(path: Path, message: str, hint: str) -> Fault:
    return Fault(FaultKind.JOURNAL, message, hint=hint, context={"journal": str(path)})
