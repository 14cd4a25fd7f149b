"""What is known of a journal so that its clock can be moved: checkpoints, seals and marks.

It does not grow with the journal: checkpoints thin out, so that they lie further apart the longer
it is; of the seals and marks there are some bytes each (see `core.marks.Marks`).
"""

from __future__ import annotations

import hashlib
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from vsync_sm.core.marks import Kind, Mark, Marks
from vsync_sm.journal.pressing import Pressed

MOST_CHECKPOINTS = 2048
"""So many there are at most: of a million records, one every 512."""

MOST_BYTES = 96 * 1024 * 1024
"""So many bytes they take at most."""

FIRST_STRIDE = 64
"""So many records lie between two of them at first; then twice as many, and so on."""

STRIDE_BYTES = 128 * 1024
"""So many bytes do; they grow alike."""

SEALED = 256 * 1024
"""So many bytes of a file have a seal together."""

SEAL_BYTES = 16
"""So long is a seal."""

MOST_WORDS = 1000
"""Of so many contradictions it is kept what they are; the others are marked alone."""


class Place(NamedTuple):
    """Where a line begins: the number of its file, the byte in that file's lines, its line."""

    number: int
    byte: int
    line: int


class File(msgspec.Struct):
    """A file, as far as it is indexed: the last `seq` before it, and its seals."""

    number: int
    before: int
    end: int = 0
    seals: bytes = b""


class Span(NamedTuple):
    """Whole lines of one file: from which byte to which, and the number of the first."""

    file: File
    start: int
    stop: int
    line: int


class Stretch(NamedTuple):
    """The records behind `seq` up to `last`: where they stand, and the view before them.

    With those that are named by `anew` a fold begins anew.
    """

    seq: int
    last: int
    spans: tuple[Span, ...]
    pressed: Pressed
    anew: tuple[int, ...] = ()


def seal(block: bytes) -> bytes:
    """What tells a block of a file from any other."""
    return hashlib.blake2b(block, digest_size=SEAL_BYTES).digest()


class Index:
    """Grows at its end. Not thread-safe: `Past` holds a lock.

    Attributes:
        first: the first record (0: there is none yet).
        seq: the last record that is indexed, and
        place: where the line behind it begins.
        stride: about so many records lie between two checkpoints.
        files: those that are indexed, in order.
        anew: the records with which a fold begins anew: before them something cannot be read.
        marks: where something is marked.
        told: the marks that no record tells of, with their words: contradictions and damage.
    """

    def __init__(self, start: Place, before: int = 0) -> None:
        self.first = 0
        self.seq = before
        self.place = start
        self.stride = FIRST_STRIDE
        self.files = [File(start.number, before)]
        self.anew: list[int] = []
        self.marks = Marks()
        self.told: list[Mark] = []
        self.seqs = array("Q")
        self.places: list[Place] = []
        self.least = array("q")  # the earliest time (ns) behind each checkpoint, up to the next
        self.pressed: list[Pressed] = []
        self._bytes = 0

    def __len__(self) -> int:
        return len(self.seqs)

    # --- growing ---

    def due(self, since: int, since_bytes: int) -> bool:
        """Whether there is to be a checkpoint after so many records and bytes."""
        limit = STRIDE_BYTES * self.stride // FIRST_STRIDE
        return since >= self.stride or since_bytes >= limit

    def checkpoint(self, seq: int, place: Place, pressed: Pressed) -> None:
        """A checkpoint behind record `seq`."""
        self.seq, self.place = seq, place
        before = set(map(id, self.pressed[-1].parts())) if self.pressed else set[int]()
        self._bytes += sum(len(part) for part in pressed.parts() if id(part) not in before)
        self.seqs.append(seq)
        self.places.append(place)
        self.least.append(2**63 - 1)
        self.pressed.append(pressed)
        if len(self.seqs) > MOST_CHECKPOINTS or (self._bytes > MOST_BYTES and len(self.seqs) > 2):
            self._thin()

    def passed(self, seq: int, place: Place, least: int) -> None:
        """Records up to `seq` have been read, none of them earlier than `least` (ns)."""
        self.seq, self.place = seq, place
        self.least[-1] = min(self.least[-1], least)
        self.files[-1].end = place.byte

    def enter(self, number: int) -> None:
        """What follows stands in another file."""
        self.files.append(File(number, self.seq))

    def tell(self, mark: Mark) -> None:
        """A mark that no record tells of."""
        self.marks.add(mark.seq, (mark.kind,))
        if len(self.told) < MOST_WORDS or mark.kind is Kind.DAMAGE:
            self.told.append(mark)

    def _thin(self) -> None:
        self.stride *= 2
        kept = range(0, len(self.seqs), 2)
        ends = [*self.least, 2**63 - 1]
        self.least = array("q", (min(ends[at : at + 2]) for at in kept))
        self.seqs = self.seqs[::2]
        self.places = self.places[::2]
        self.pressed = self.pressed[::2]
        parts = {id(part): len(part) for each in self.pressed for part in each.parts()}
        self._bytes = sum(parts.values())

    def cut(self, at: int) -> None:
        """Forget the files from the `at`-th on (from 0, not all of them); go on with the first."""
        file = self.files[at]
        count = sum(place.number < file.number for place in self.places)
        del self.seqs[count:], self.places[count:], self.least[count:], self.pressed[count:]
        del self.files[at:]
        self.seq, self.place = file.before, Place(self.files[-1].number, self.files[-1].end, 0)
        self.marks.cut(file.before)
        self.told = [each for each in self.told if each.seq <= file.before]
        self.anew = [each for each in self.anew if each <= file.before]

    # --- asking ---

    def told_at(self, seq: int, kind: Kind) -> Mark | None:
        """A mark that no record tells of; None: its words are not kept."""
        at = bisect_left(self.told, seq, key=lambda each: each.seq)
        same = (each for each in self.told[at:] if each.seq == seq)
        return next((each for each in same if each.kind is kind), None)

    def stretch(self, seq: int) -> Stretch | None:
        """The records behind the last checkpoint up to `seq`; None: there is none before it."""
        at = bisect_right(self.seqs, seq) - 1
        return self._stretch(at) if at >= 0 else None

    def holding(self, seq: int) -> Stretch | None:
        """The records among which `seq` itself stands, where it does."""
        at = bisect_left(self.seqs, seq) - 1
        return self._stretch(at) if at >= 0 and seq <= self.seq else None

    def not_later(self, wall: int) -> Iterator[Stretch]:
        """Records of which one may be not later than that time (ns), the last ones first."""
        for at in range(len(self.seqs) - 1, -1, -1):
            if self.least[at] <= wall:
                yield self._stretch(at)

    def _stretch(self, at: int) -> Stretch:
        whole = at + 1 < len(self.seqs)
        end = self.places[at + 1] if whole else self.place
        seq, last = self.seqs[at], self.seqs[at + 1] if whole else self.seq
        return Stretch(
            seq=seq,
            last=last,
            spans=tuple(self._spans(self.places[at], end)),
            pressed=self.pressed[at],
            anew=tuple(each for each in self.anew if seq < each <= last),
        )

    def _spans(self, start: Place, end: Place) -> Iterator[Span]:
        for file in self.files:
            if start.number <= file.number <= end.number:
                first = file.number == start.number
                begin, line = (start.byte, start.line) if first else (0, 1)
                stop = end.byte if file.number == end.number else file.end
                if begin < stop:
                    yield Span(file, begin, stop, line)
