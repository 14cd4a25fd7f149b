"""Any lines of a journal by their number, however long it is, while it grows into more files.

What is shown reaches back over some of its closed files (`parts.REACH`): their lines count from 1.

A sparse index (for each 64 KiB or so the byte and the number of the line that begins there) and a
few blocks of lines are all that is in memory. Nothing is ever written, and no damage raises: a line
that cannot be read is a row that says so, a file that is missing or cannot be read is `trouble`.

One lock, held for a bounded piece of work at a time (a `refresh` of `budget` bytes, one block),
makes it safe for a painter that reads and a thread that looks through everything beside it. Both
must expect that the index begins anew at any moment: `generation` tells.
"""

from __future__ import annotations

import os
import threading
from array import array
from bisect import bisect_right
from collections import OrderedDict
from pathlib import Path

import msgspec

from vsync_sm.core.errors import JournalError
from vsync_sm.core.events import Record
from vsync_sm.journal.codec import decode
from vsync_sm.journal.parts import KEPT, Part, later_parts, newest_file, open_parts

LINE_LIMIT = 4 * 1024 * 1024
"""A longer line is not taken into memory: its row holds the first bytes and says so."""

KEPT_BLOCKS = 12
"""So many blocks of lines are kept."""

_STRIDE = 64 * 1024
_BUDGET = 8 * 1024 * 1024
_EXCERPT = 4096
_SEAL = 256


class Row(msgspec.Struct, frozen=True):
    """One line: its number (from 1), where it begins in its file, its bytes without the newline.

    Either `record` or `error` is there. Of a line longer than `LINE_LIMIT`, `raw` is the beginning.
    """

    line: int
    byte: int
    raw: bytes
    record: Record | None
    error: JournalError | None = None


class Stretch(msgspec.Struct, frozen=True):
    """Lines that lie together: the number of the first (from 1), where it begins, their bytes."""

    first: int
    byte: int
    lines: tuple[bytes, ...]


class _Block:
    """The lines between two entries of the index, read at once, decoded when asked for."""

    def __init__(self, stretch: Stretch, sizes: tuple[int, ...]) -> None:
        self.stretch = stretch
        self.sizes = sizes
        self.rows: dict[int, Row] = {}


class Pages:
    """Random access to the lines of one journal.

    `generation` counts how often the index began anew: the file was replaced, cut, mended or went
    away. `trouble` says why nothing can be read ("": it can), `missing` that there is no file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.generation = 0
        self.trouble = ""
        self.missing = True
        self.size = 0
        self._lock = threading.Lock()
        self._parts: list[Part] = []
        self._at_part = 0  # the one that is being looked through
        self._begin_anew()

    # --- what is there ---

    def __len__(self) -> int:
        """The whole lines found so far; an unfinished last one is not yet one."""
        return self._lines

    @property
    def progress(self) -> float:
        """How much of the file the index covers, of 1."""
        return min(1.0, self._scanned / self.size) if self.size else 1.0

    @property
    def files_before(self) -> int:
        """How many files of the journal, closed before these lines, are not looked at."""
        return self._parts[0].number - 1 if self._parts else 0

    @property
    def blocks_kept(self) -> int:
        """How many blocks of lines are in memory."""
        return len(self._blocks)

    @property
    def index_entries(self) -> int:
        """How many places the index knows."""
        return len(self._starts)

    def refresh(self, budget: int = _BUDGET) -> bool:
        """Look for lines that are new, reading at most about `budget` bytes.

        Returns:
            Whether there is more to look at: call again.
        """
        with self._lock:
            try:
                return self._refresh(budget)
            except OSError as error:
                self._lose(f"cannot read {self.path}: {error.strerror or error}")
            except ValueError as error:
                self._lose(f"cannot read {self.path}: {error}")
            return False

    def close(self) -> None:
        """Give the file back. The next `refresh` opens it again, and the index begins anew."""
        with self._lock:
            self._close()

    # --- lines ---

    def read(self, first: int, count: int) -> list[Row]:
        """The rows of `count` lines from line `first` (from 1) on; fewer where there are fewer.

        The number of rows is bounded by what was found by the last `refresh`.
        """
        rows: list[Row] = []
        with self._lock:
            line = max(1, first)
            end = min(first + count, self._lines + 1)
            while line < end:
                block = self._block(line)
                last = block.stretch.first + len(block.stretch.lines)
                rows.extend(_row(block, each) for each in range(line, min(last, end)))
                if last <= line:
                    break
                line = last
        return rows

    def stretch(self, line: int, generation: int) -> Stretch | None:
        """The lines that lie around `line`: a piece of work for who looks through everything.

        None when there is no such line, or when the index has begun anew since `generation`.
        """
        with self._lock:
            if generation != self.generation or not 1 <= line <= self._lines:
                return None
            return self._read_block(self._at(line)).stretch

    # --- the index ---

    def _begin_anew(self) -> None:
        self.generation += 1
        self._lines = 0
        self._end = 0  # of the last whole line
        self._scanned = 0  # `_end` and as much of an unfinished line as was looked at
        self._seal = b""  # the last bytes before `_end`: still the same file?
        self._torn = b""  # the last bytes before `_scanned`: still the same unfinished line?
        self._starts = array("Q", [0])
        self._firsts = array("Q", [1])
        self._blocks: OrderedDict[int, _Block] = OrderedDict()

    def _lose(self, trouble: str, *, missing: bool = False) -> None:
        self._close()
        self.trouble = trouble
        self.missing = missing
        self.size = 0
        if self._lines or self._scanned:
            self._begin_anew()

    def _close(self) -> None:
        for part in self._parts:
            part.close()
        self._parts = []
        self._at_part = 0

    def _refresh(self, budget: int) -> bool:
        try:
            there = newest_file(self.path)
        except FileNotFoundError:
            self._lose(f"no such journal: {self.path}", missing=True)
            return False
        self._open(there)
        self._mind_the_tail()
        self.trouble, self.missing = "", False
        until = self._scanned + budget
        while True:
            part = self._parts[self._at_part]
            part.unpack(until - self._scanned)
            self._scan(part, until)
            if not part.whole or self._scanned < part.base + part.size:
                break
            if self._at_part + 1 == len(self._parts):
                break  # only closed files were put here
            self._next_part(part)
        self.size = part.base + sum(each.expected for each in self._parts[self._at_part :])
        return self._scanned < self.size

    def _open(self, there: os.stat_result) -> None:
        if self._parts:
            live = self._parts[-1]
            if live.is_file(there):
                return
            later = later_parts(self.path, live)
            if later is not None and sum(each.size for each in self._parts) <= KEPT:
                live.closed = True
                self._parts += later
                return
            for part in later or []:
                part.close()
            self._close()
        parts = open_parts(self.path)
        if self._lines or self._scanned:
            self._begin_anew()
        self._parts, self._at_part = parts, 0

    def _mind_the_tail(self) -> None:
        """What was read before must still stand there: of the file being written, that is."""
        part = self._parts[self._at_part]
        end, scanned = self._end - part.base, self._scanned - part.base
        if _before(part.fd, end, len(self._seal)) != self._seal:
            self._begin_anew()
            self._at_part = 0
        elif _before(part.fd, scanned, len(self._torn)) != self._torn:
            self._scanned = self._end  # the unfinished line was mended

    def _next_part(self, part: Part) -> None:
        """Go on with the file that follows; what is torn at the end of a closed one is no line."""
        self._at_part += 1
        base = self._end = self._scanned = part.base + part.size
        self._parts[self._at_part].base = base
        self._seal = self._torn = b""
        if self._starts[-1] != base:
            self._starts.append(base)
            self._firsts.append(self._lines + 1)

    def _scan(self, part: Part, until: int) -> None:
        fd, base, stop = part.fd, part.base, part.base + part.size
        end, newline = self._end, False
        while self._scanned < min(stop, until):
            chunk = os.pread(fd, min(_STRIDE, stop - self._scanned), self._scanned - base)
            if not chunk:
                break
            last = chunk.rfind(b"\n")
            if last >= 0:
                newline = True
                self._lines += chunk.count(b"\n")
                end = self._scanned + last + 1
                if end - self._starts[-1] >= _STRIDE // 2:
                    self._starts.append(end)
                    self._firsts.append(self._lines + 1)
            self._scanned += len(chunk)
        if newline:
            self._seal = _before(fd, end - base, min(_SEAL, end - base))
            self._end = end
        self._torn = _before(fd, self._scanned - base, min(_SEAL, self._scanned - self._end))

    # --- blocks ---

    def _at(self, line: int) -> int:
        return bisect_right(self._firsts, line) - 1

    def _block(self, line: int) -> _Block:
        at = self._at(line)
        known = self._blocks.get(at)
        whole = at + 1 < len(self._firsts)
        due = (self._firsts[at + 1] if whole else self._lines + 1) - self._firsts[at]
        if known is None or len(known.stretch.lines) < due:
            block = self._read_block(at)
            if known is not None:
                block.rows = known.rows  # the lines that were there before are the same
            self._blocks[at] = known = block
        self._blocks.move_to_end(at)
        while len(self._blocks) > KEPT_BLOCKS:
            self._blocks.popitem(last=False)
        return known

    def _read_block(self, at: int) -> _Block:
        start, first = self._starts[at], self._firsts[at]
        stop = self._starts[at + 1] if at + 1 < len(self._starts) else self._end
        part = next((each for each in reversed(self._looked_at()) if each.base <= start), None)
        base = part.base if part is not None else 0
        try:
            lines, sizes = self._split(part, start - base, stop - base)
        except OSError:
            lines, sizes = [], []
        due = (self._firsts[at + 1] if at + 1 < len(self._firsts) else self._lines + 1) - first
        # Cut or emptied since the last look: the next `refresh` will notice.
        missing = due - len(lines)
        lines, sizes = lines[:due] + [b""] * missing, sizes[:due] + [0] * missing
        return _Block(Stretch(first, start - base, tuple(lines)), tuple(sizes))

    def _looked_at(self) -> list[Part]:
        return self._parts[: self._at_part + 1]

    def _split(self, part: Part | None, start: int, stop: int) -> tuple[list[bytes], list[int]]:
        if part is None:
            return [], []
        if stop - start <= LINE_LIMIT:
            lines = os.pread(part.fd, stop - start, start).split(b"\n")[:-1]
            return lines, [len(line) for line in lines]
        return self._split_long(part.fd, start, stop)

    def _split_long(self, fd: int, start: int, stop: int) -> tuple[list[bytes], list[int]]:
        """The same chunk by chunk, keeping little of a line that is longer than any may be."""
        lines: list[bytes] = []
        sizes: list[int] = []
        held, length = b"", 0
        while start < stop:
            chunk = os.pread(fd, min(_STRIDE, stop - start), start)
            if not chunk:
                break
            start += len(chunk)
            *whole, rest = chunk.split(b"\n")
            for part in whole:
                length += len(part)
                line = held + part
                lines.append(line if length <= LINE_LIMIT else line[:_EXCERPT])
                sizes.append(length)
                held, length = b"", 0
            length += len(rest)
            held = held + rest if length <= LINE_LIMIT else (held + rest)[:_EXCERPT]
        return lines, sizes


def _before(fd: int, byte: int, length: int) -> bytes:
    return os.pread(fd, length, byte - length) if length else b""


def _row(block: _Block, line: int) -> Row:
    row = block.rows.get(line)
    if row is None:
        at = line - block.stretch.first
        byte = block.stretch.byte + sum(block.sizes[:at]) + at
        row = _decoded(block.stretch.lines[at], line, byte, block.sizes[at])
        block.rows[line] = row
    return row


def _decoded(raw: bytes, line: int, byte: int, size: int) -> Row:
    if size > LINE_LIMIT:
        error = JournalError(f"longer than {LINE_LIMIT} bytes", line=line, byte=byte)
        return Row(line, byte, raw, None, error)
    try:
        return Row(line, byte, raw, decode(raw, line_number=line, byte=byte))
    except JournalError as error:
        return Row(line, byte, raw, None, error)
