"""One path: type it, and see what the journal knows of it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Input

from tui.background import in_background
from tui.glance import Glance
from tui.theme import BAD, GOOD, MUTED, WARN, Look
from tui.times import tell
from tui.widgets.field import Field
from tui.widgets.marks import nothing
from tui.widgets.panel import Line, Panel, Rows
from tui.widgets.text import folded, said
from vsync_sm.core.errors import JournalError
from vsync_sm.core.shapes import View
from vsync_sm.core.whereabouts import Whereabouts, Word
from vsync_sm.core.words import printable, share
from vsync_sm.journal.lookup import look_up

EMPTY = "no path asked for yet: type one above, then Enter"

_LOOKS: dict[Word, Look] = {
    Word.OUT: Look("✔", f"bold {GOOD}"),
    Word.REMOVED: Look("✔", f"bold {GOOD}"),
    Word.NOT_YET: Look("!", f"bold {WARN}"),
    Word.REFUSED: Look("✖", f"bold {BAD}"),
    Word.NOT_READ: Look("!", f"bold {WARN}"),
    Word.NOT_CHOSEN: Look("!", WARN),
    Word.UNKNOWN: Look("?", BAD),
    Word.AMBIGUOUS: Look("?", WARN),
}
_NAME = 10  # cells of a line's name
_STEP = 0.01  # progress is told in such shares


class _GivenUp(Exception):  # noqa: N818  it is no error
    """Nobody waits for the answer any more."""


class Answers(Panel):
    """What was found, in the words of `vsync-sm where`."""

    TITLE = "path"

    def __init__(self) -> None:
        super().__init__(classes="path--answer")
        self.asked = ""
        self.read: float | None = None  # the share of the journal, while it is read
        self.where: Whereabouts | None = None
        self.broken = ""  # why there is no answer

    def rows(self, glance: Glance, width: int) -> Rows:
        self.title("path", self._note(glance))
        lines = list(self._lines(glance, width))
        return Rows([Line(line) for line in lines or [nothing(EMPTY)]])

    def _note(self, glance: Glance) -> str:
        at = self.where.at if self.where is not None else ""
        return f"as of {tell(at, glance.times, glance.now)}" if at else ""

    def _overtaken(self, view: View) -> bool:
        """Whether a cycle has ended since the answer, which may be another by now."""
        return self.where is not None and any(
            each.finished > self.where.at for each in view.history[-1:]
        )

    def _lines(self, glance: Glance, width: int) -> Iterator[Content]:
        if self.read is not None:
            yield said(f"looking for {self.asked}: {share(round(self.read, 2))} of the journal")
        if self.broken:
            words = f"✖ {self.broken}"
            yield from folded(said(words, f"bold {BAD}"), width, indent=2)
        if self.where is None:
            return
        if self.read is not None:
            yield nothing("the last answer:")
        mark = _LOOKS[self.where.verdict.word]
        if self._overtaken(glance.view):
            words = f"! so it was {self._note(glance)}; a cycle has ended since: r asks again"
            yield from folded(said(words, WARN), width, indent=2)
            mark = Look("·", MUTED)
        first, *facts = self.where.lines(glance.now, glance.reach)
        yield from folded(said(f"{mark.glyph} {first}", mark.style), width, indent=2)
        for fact in facts:
            line = Content.assemble((fact[:_NAME], MUTED), fact[_NAME:])
            yield from folded(line, width, indent=_NAME + 1)


class PathPanel(Vertical):
    """A line to type a path into, and the answer to it, which stays. `r` asks again."""

    DEFAULT_CSS = """
    PathPanel {
        height: 1fr;
        & > Input {
            border: round $foreground 30%;
            height: 3;
            padding: 0 1;
            background: $background;
        }
        & > Input:focus { border: round $border; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("r", "again", "Ask again"),
        Binding("i", "type", "Type a path"),
    ]

    class Read(Message):
        """So much of the journal has been read."""

        def __init__(self, path: str, done: float) -> None:
            super().__init__()
            self.path = path
            self.done = done

    class Found(Message):
        """The answer, or why there is none."""

        def __init__(self, path: str, where: Whereabouts | None, broken: str = "") -> None:
            super().__init__()
            self.path = path
            self.where = where
            self.broken = broken

    def __init__(
        self,
        journal: Path,
        *,
        id: str | None = None,  # noqa: A002  Textual's own name for it
        classes: str | None = None,
    ) -> None:
        super().__init__(id=id, classes=classes)
        self.journal = journal
        self._until: int | None = None  # `seq` of what is known at the moment; None: all
        self._given_up = threading.Event()  # the last question's own
        self.answers = Answers()
        self.field = Field(placeholder="type a path: secret/app/db")
        self.field.cursor_blink = False

    def compose(self) -> ComposeResult:
        yield self.field
        yield self.answers

    def paint(self, glance: Glance) -> None:
        """Show this look; one that lies before the answer has another one."""
        until, before = glance.known_until, self._until
        self._until = until
        self.answers.paint(glance)
        if until is not None and (before is None or until < before) and self.answers.asked:
            self.answers.where = None
            self._find(self.answers.asked)

    def show_path(self, path: str) -> None:
        """Ask for a path."""
        self.field.value = printable(path)  # a field shows what it holds as it is
        self._ask(path)

    @property
    def looking(self) -> bool:
        """Whether the journal is being read."""
        return self.answers.read is not None

    def action_again(self) -> None:
        """Ask for the same path once more."""
        if self.answers.asked:
            self._ask(self.answers.asked)

    def action_type(self) -> None:
        """Type another path."""
        self.field.focus()

    @on(Field.GivenUp)
    def _left(self, event: Field.GivenUp) -> None:
        event.stop()
        self.answers.focus()

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self._ask(event.value)

    def _ask(self, path: str) -> None:
        path = path.strip()
        if not path:
            return
        answers = self.answers
        if path != answers.asked:
            answers.where = None
        answers.focus()
        self._find(path)

    def _find(self, path: str) -> None:
        answers = self.answers
        answers.asked, answers.read, answers.broken = path, 0.0, ""
        answers.repaint()
        until = self._until
        self._given_up.set()
        given_up = self._given_up = threading.Event()

        def then(found: PathPanel.Found) -> None:
            if not given_up.is_set():
                self.post_message(found)

        def failed(error: Exception) -> PathPanel.Found:
            # Whatever went wrong, nobody waits for an answer that does not come.
            if isinstance(error, JournalError):
                broken = str(error) if error.line else error.message
            else:
                broken = f"looking for it went wrong: {error}"
            return self.Found(path, None, broken)

        in_background(self, lambda: self._look(path, until, given_up), then, failed)

    def _look(self, path: str, until: int | None, given_up: threading.Event) -> Found:
        """On a thread of its own."""
        told = 0.0

        def progress(done: float) -> None:
            nonlocal told
            if given_up.is_set():
                raise _GivenUp
            if done >= told + _STEP:
                told = done
                self.post_message(self.Read(path, done))

        return self.Found(path, look_up(path, self.journal, progress, until=until))

    def on_unmount(self) -> None:
        """Nobody waits for an answer any more."""
        self._given_up.set()

    def on_path_panel_read(self, message: Read) -> None:
        """How far it is."""
        message.stop()
        if self.looking and message.path == self.answers.asked:
            self.answers.read = message.done
            self.answers.repaint()

    def on_path_panel_found(self, message: Found) -> None:
        """It is there; an answer to what nobody asks any more is dropped."""
        message.stop()
        answers = self.answers
        if message.path == answers.asked:
            answers.where = message.where or answers.where
            answers.broken, answers.read = message.broken, None
            answers.repaint()
