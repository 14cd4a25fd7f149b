"""Looking through a whole journal beside the painting: for all lines that pass, or for the next.

`Sift` and `Seek` do a bounded piece of work at a time (`advance`), on whichever thread calls them;
`Behind` is that thread. What they find they hand over in `take`, and only the painter's own
`Matches` is ever painted from, so that no list changes while it is being painted.
"""

from __future__ import annotations

import threading
import time
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence

import msgspec

from vsync_sm.core.errors import JournalError
from vsync_sm.core.sieve import Sieve
from vsync_sm.journal.codec import decode
from vsync_sm.journal.pages import Pages

CAP = 500_000
"""So many matches are kept, the newest ones."""

_AHEAD = 50_000
_PAUSE_S = 0.001
_BREATH_S = 0.0001
_BREATH_LINES = 64


def lets_pass(sieve: Sieve, line: bytes) -> bool:
    """Whether a line of the journal passes.

    A line that cannot be read passes, unless it plainly says of itself that it is another: nobody
    knows what it was.
    """
    if not sieve.may_pass(line):
        return False
    try:
        return sieve.passes(decode(line, line_number=0, byte=0))
    except JournalError:
        return True


def _passing(sieve: Sieve, lines: Sequence[bytes]) -> Iterator[int]:
    """Which of the lines pass, by their place."""
    for at, line in enumerate(lines):
        if at % _BREATH_LINES == 0:
            time.sleep(_BREATH_S)  # so that a painter who wants the interpreter gets it at once
        if lets_pass(sieve, line):
            yield at


class Found(msgspec.Struct):
    """Lines that pass: those before all that were found until now (newest first), those behind."""

    older: array[int]
    newer: array[int]


class Matches:
    """The lines that pass, in the order of the journal; owned by one thread."""

    def __init__(self, cap: int = CAP) -> None:
        self._older = array("Q")  # newest first, so that it grows at its end
        self._newer = array("Q")
        self._cap = cap

    def __len__(self) -> int:
        return len(self._older) + len(self._newer)

    @property
    def full(self) -> bool:
        """Whether no older match is wanted any more."""
        return len(self) >= self._cap

    def add(self, found: Found) -> None:
        """Take over what was found, and let go of the oldest where it is too much."""
        self._older.extend(found.older)
        self._newer.extend(found.newer)
        over = len(self) - self._cap
        if over <= 0:
            return
        gone = min(over, len(self._older))
        if gone:
            del self._older[-gone:]
        if over > gone:
            del self._newer[: over - gone]

    def line(self, at: int) -> int:
        """The line that stands at a place (from 0)."""
        older = len(self._older)
        return self._older[older - 1 - at] if at < older else self._newer[at - older]

    def place(self, line: int) -> int:
        """The place of the first match not before that line; the length where there is none."""
        if self._newer and (not self._older or line > self._older[0]):
            return len(self._older) + bisect_left(self._newer, line)
        return len(self._older) - bisect_right(self._older, -line, key=lambda each: -each)


class Sift:
    """Finds all lines that pass a sieve: new ones as they come, the others newest first.

    `enough` stops the looking at older ones. It begins anew, by itself, when the index does;
    `take` then says so.
    """

    def __init__(self, pages: Pages, sieve: Sieve) -> None:
        self.sieve = sieve
        self.enough = False
        self._pages = pages
        self._lock = threading.Lock()
        self._generation = -1
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._generation = self._pages.generation
        self._fresh = True
        self._low = self._high = len(self._pages) + 1  # the lines between were looked at
        self._found = Found(array("Q"), array("Q"))

    @property
    def looked_at(self) -> int:
        """How many lines have been looked at."""
        return self._high - self._low

    @property
    def done(self) -> bool:
        """Whether all older lines have been looked at, as far as they are wanted."""
        return self._low <= 1 or self.enough

    def take(self) -> tuple[bool, Found]:
        """What was found since the last time, and whether what was found before is void."""
        with self._lock:
            fresh, found = self._fresh, self._found
            self._fresh, self._found = False, Found(array("Q"), array("Q"))
            return fresh, found

    def advance(self) -> bool:
        """Look through one more stretch of lines; False when there is none."""
        if self._generation != self._pages.generation:
            with self._lock:
                self._begin_anew()
        if len(self._found.newer) + len(self._found.older) > _AHEAD:
            return False  # whoever takes it is not there: the tab is hidden
        if self._high <= len(self._pages):
            return self._look_ahead()
        return False if self.done else self._look_back()

    def _look_ahead(self) -> bool:
        stretch = self._pages.stretch(self._high, self._generation)
        if stretch is None:
            return False
        lines = stretch.lines[self._high - stretch.first :]
        found = [self._high + at for at in _passing(self.sieve, lines)]
        with self._lock:
            self._found.newer.extend(found)
            self._high += len(lines)
        return True

    def _look_back(self) -> bool:
        stretch = self._pages.stretch(self._low - 1, self._generation)
        if stretch is None:
            return False
        lines = stretch.lines[: self._low - stretch.first]
        found = [stretch.first + at for at in _passing(self.sieve, lines)]
        with self._lock:
            self._found.older.extend(reversed(found))
            self._low = stretch.first
        return True


class Seek:
    """Finds the next line, in one direction, that passes.

    `found` is its number, or 0 when `done` and there is none.
    """

    def __init__(self, pages: Pages, sieve: Sieve, *, after: int, step: int, last: int) -> None:
        self.found = 0
        self.done = False
        self.step = step
        self._pages = pages
        self._sieve = sieve
        self._generation = pages.generation
        self._next = after + step
        self._begin = self._next
        self._last = last

    @property
    def progress(self) -> float:
        """How much of what lies in that direction was looked through, of 1."""
        whole = self._last - self._begin + 1 if self.step > 0 else self._begin
        return min(1.0, abs(self._next - self._begin) / whole) if whole > 0 else 1.0

    def advance(self) -> bool:
        """Look through one more stretch; False when it is over."""
        if self.done:
            return False
        stretch = self._pages.stretch(self._next, self._generation)
        if stretch is None or not 1 <= self._next <= self._last:
            self.done = True
            return False
        at = self._next - stretch.first
        lines = stretch.lines[at:] if self.step > 0 else stretch.lines[at::-1]
        found = next(_passing(self._sieve, lines), None)
        number = 0 if found is None else self._next + found * self.step
        if 0 < number <= self._last:
            self.found, self.done = number, True
            return True
        self._next += len(lines) * self.step
        return True


class Behind:
    """The thread that does the work: the index first, then what is sought, then what is sifted.

    `trouble` says why it gets no further ("": it does); it tries again whenever it is woken.
    """

    def __init__(self, pages: Pages) -> None:
        self.sift: Sift | None = None
        self.seek: Seek | None = None
        self.trouble = ""
        self._pages = pages
        self._wake = threading.Event()
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin. A thread of our own: the executor's would be waited for at the program's end."""
        self.stop()
        # Its own events: a thread that `stop` did not wait for must not take these for its own.
        self._wake, self._over = threading.Event(), threading.Event()
        self._thread = threading.Thread(
            target=self._run, args=(self._wake, self._over), name="journal sifter", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """End, and wait for the piece of work at hand."""
        self._over.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(timeout=1)
            self._thread = None

    def wake(self) -> None:
        """There may be work."""
        self._wake.set()

    def _run(self, wake: threading.Event, over: threading.Event) -> None:
        while True:
            wake.clear()  # before the look at `over`: what is said after that look wakes us again
            if over.is_set():
                return
            if self._tried():
                over.wait(_PAUSE_S)  # the painter comes first, also for the interpreter
            else:
                wake.wait()

    def _tried(self) -> bool:
        try:
            more = self._work()
        except Exception as error:  # noqa: BLE001  else the list would stand still and not say why
            self.trouble = f"looking through the journal went wrong: {type(error).__name__}"
            return False
        self.trouble = ""
        return more

    def _work(self) -> bool:
        seek, sift = self.seek, self.sift
        if seek is not None and not seek.done:
            return seek.advance() or True
        if self._pages.progress < 1 and not self._pages.missing:
            return self._pages.refresh() or True
        return sift.advance() if sift is not None else False
