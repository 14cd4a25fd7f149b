"""The marked moment, or the last good cycle, compared with where one stands: on a screen."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from typing import ClassVar

import msgspec
from textual import on
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import Button, Static

from tui.background import in_background
from tui.replay.past import Past
from tui.theme import BAD, MUTED, SEVERITY
from tui.widgets.dialogs.base import Dialog
from vsync_sm.core.comparing import Comparison
from vsync_sm.core.differences import Said, differences, place
from vsync_sm.core.errors import JournalError
from vsync_sm.core.events import CycleFinished, Record, RunStarted
from vsync_sm.core.marks import Kind
from vsync_sm.core.outcome import is_complete
from vsync_sm.core.path_changes import MEANING
from vsync_sm.core.shapes import View
from vsync_sm.core.side_by_side import Row, rows, titles
from vsync_sm.core.words import number, printable, share
from vsync_sm.journal.comparing import compared

REFRESH_S = 0.1
"""How often the progress is looked at, seconds."""


class Found(msgspec.Struct, frozen=True):
    """What became of comparing: a comparison, or why there is none.

    `beside` says what the moment was compared with.
    """

    comparison: Comparison | None = None
    beside: str = ""
    trouble: str = ""


class Work:
    """Compares on a thread; somebody else may look at `share`, and say `stop`.

    Where one stands within a cycle, the whole cycle is compared, as it came to its end: how it
    stood in the middle explains nothing. A mark is a moment; where a cycle begins, it is the cycle.
    Only two moments of one cycle are compared as they are.

    Args:
        past: the journal.
        seq: where one stands.
        marked: the marked moment; 0: the last good cycle is sought.
    """

    def __init__(self, past: Past, seq: int, marked: int) -> None:
        self.share = 0.0
        self._past = past
        self._seq = seq
        self._marked = marked
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Give up."""
        self._stopped.set()

    def find(self) -> Found:
        """The comparison; may take seconds."""
        view = self._past.view_at(self._seq)
        marked, beside = self._marked, "with the marked moment"
        if not marked:
            number_ = _good_before(view)
            if not number_:
                return Found(
                    trouble="No complete cycle is known before this moment to compare it with. "
                    "Go to another moment, mark it with M, and come back."
                )
            marked = self._end_of(number_)
            beside = f"with cycle {number(number_)}, the last good one before (M marks another)"
        first = self._past.view_at(marked)
        here, there = view.cycle, first.cycle
        if here is None or there is None or here.number != there.number:
            if here is not None:
                view = self._whole(view, here.number)
                beside += f"; cycle {number(here.number)} as a whole" * (view.seq > self._seq)
            if there is not None and self._start(marked) == marked:
                first = self._whole(first, there.number)
        start = min(self._start(first.seq), self._start(view.seq))
        records = self._told(start, max(first.seq, view.seq))
        found = compared(records, first, view, self._stopped.is_set)
        return Found(found, beside)

    def _whole(self, view: View, cycle: int) -> View:
        """The view where the cycle of this one ends."""
        return self._past.view_at(self._last_of(cycle, view.seq))

    def _start(self, seq: int) -> int:
        """Where the cycle of a moment begins; the moment itself where there is none."""
        mark = self._past.preceding(seq + 1, Kind.CYCLE)
        return mark.seq if mark is not None else seq

    def _end_of(self, cycle: int) -> int:
        """Where a cycle before this moment ends."""
        seq = self._seq + 1
        while not self._stopped.is_set():
            mark = self._past.preceding(seq, Kind.CYCLE)
            if mark is None:
                return self._past.first
            seq = mark.seq
            if (mark.cycle or 0) <= cycle:
                break
        return self._last_of(cycle, seq)

    def _last_of(self, cycle: int, seq: int) -> int:
        """The last record of a cycle, from one within it on."""
        last = seq
        for record in self._past.records(seq):
            if record.cycle == cycle:
                last = record.seq
            if isinstance(record.event, CycleFinished | RunStarted) or self._stopped.is_set():
                break
        return last

    def _told(self, start: int, end: int) -> Iterator[Record]:
        for record in self._past.records(start - 1):
            self.share = min(1.0, (record.seq - start) / max(1, end - start))
            yield record


def _good_before(view: View) -> int:
    """The last good cycle before that of the moment; 0: none is known."""
    here = view.cycle.number if view.cycle is not None else view.last_cycle
    good = (each.number for each in reversed(view.history) if is_complete(each.facts.outcome))
    return next((each for each in good if each < here), 0)


class ComparedDialog(Dialog[None]):
    """What is different at a moment; Esc leaves it, and gives up what still goes on."""

    DEFAULT_CSS = """
    ComparedDialog {
        & > #box { max-width: 110; height: 100%; }
        & #body { height: 1fr; scrollbar-gutter: stable; }
        & .words { padding: 0; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("equals_sign,q", "leave", "Close the comparison", show=False),
        Binding("space", "scroll_words(10)", "Page down", show=False),
        Binding("g,home", "scroll_words(-100000)", "To the first line", show=False),
        Binding("G,end", "scroll_words(100000)", "To the last line", show=False),
    ]

    def __init__(self, work: Work) -> None:
        """`work` is begun when it is shown."""
        super().__init__()
        self._work = work
        self.found: Found | None = None

    def heading(self) -> str:
        """Its name."""
        return "What is different"

    def words(self) -> Content:
        """What was found; until then, how far it is."""
        if self.found is None:
            return Content.styled(f"comparing {share(int(100 * self._work.share) / 100)}", MUTED)
        if self.found.comparison is None:
            return Content.styled(f"✖ {self.found.trouble}", BAD)
        return Content("\n").join(_lines(self.found.comparison, self.found.beside))

    def choices(self) -> Iterable[Button]:
        """Close."""
        yield Button(Content("Close (Esc)"), id="close", variant="primary", compact=True)

    def on_mount(self) -> None:
        """Begin."""
        self.query_one("#close").focus()
        self._progress = self.set_interval(REFRESH_S, self._say)
        in_background(self, self._work.find, self._arrived, _failed)

    def on_unmount(self) -> None:
        """Nobody waits any more."""
        self._work.stop()

    def _arrived(self, found: Found) -> None:
        self._progress.stop()
        self.found = found
        self._say()

    def _say(self) -> None:
        self.query_one("#words", Static).update(self.words())

    @on(Button.Pressed, "#close")
    def _close(self) -> None:
        self.action_leave()


def _failed(error: Exception) -> Found:
    known = isinstance(error, JournalError | OSError)
    return Found(trouble=printable(str(error) if known else f"{type(error).__name__}: {error}"))


# --- what it says ----------------------------------------------------------------------------


def _lines(found: Comparison, beside: str) -> Iterator[Content]:
    yield Content.assemble(("at   ", MUTED), place(found.second))
    yield Content.assemble(("with ", MUTED), place(found.first))
    yield Content.styled(f"compared {beside}", MUTED)
    yield Content()
    said = differences(found)
    yield from map(_sentence, said)
    if not said:
        yield Content("Nothing that a journal tells is different.")
    told = rows(found)
    if told:
        yield Content()
        yield from _table(titles(found), told)
    yield from _paths(found)


def _sentence(said: Said) -> Content:
    look = SEVERITY[said.severity]
    return Content.assemble((f"{look.glyph} ", look.style), said.words)


def _table(heads: tuple[str, str], told: tuple[Row, ...]) -> Iterator[Content]:
    widths = [
        max(len(cell) for cell in column) + 2
        for column in (
            [f"  {each.name}" for each in told],
            [heads[0], *(each.first for each in told)],
            [heads[1], *(each.second for each in told)],
        )
    ]
    first, second, third = widths
    yield Content.styled(f"{'':{first}}{heads[0]:{second}}{heads[1]:{third}}", "bold")
    for each in told:
        line = f"{each.name:{first - 2}}{each.first:{second}}{each.second:{third}}"
        mark = SEVERITY["warning"].glyph if each.stands_out else " "
        yield Content.styled(f"{mark} {line}{each.note}", "bold" if each.stands_out else "")


def _paths(found: Comparison) -> Iterator[Content]:
    for kind, paths in found.paths.kinds.items():
        yield Content()
        yield Content.styled(f"paths that {MEANING[kind]} ({number(paths.count)})", "bold")
        yield from (Content(f"  {printable(name)}") for name in paths.names)
        if paths.count > len(paths.names):
            yield Content(f"  and {number(paths.count - len(paths.names))} more")
