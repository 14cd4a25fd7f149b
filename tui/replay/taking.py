"""A dialog that takes a night along: what of it, in which form, with which names, where to."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import ClassVar

import msgspec
from textual import on
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Button, Input, Static

from tui.background import in_background
from tui.theme import BAD, GOOD, MUTED
from tui.widgets.dialogs.base import Dialog
from vsync_sm.core.errors import JournalError
from vsync_sm.core.events import Record
from vsync_sm.core.moments import Moment, OfCycle, Seq
from vsync_sm.core.shapes import View
from vsync_sm.core.words import number, printable
from vsync_sm.journal.cutting import NoSuchSpan, span_of
from vsync_sm.journal.taking import Form, take

REFRESH_S = 0.2
"""How often the progress is shown, seconds."""

FORMS = (
    (Form.MARKDOWN, "a page for the post-mortem (Markdown)"),
    (Form.PICTURE, "a picture of a cycle's phases (SVG)"),
    (Form.JOURNAL, "a journal of its own, which replay accepts"),
    (Form.TEXT, "the story as text"),
    (Form.JSON, "the story as JSON"),
)
NAMES = ((False, "as they are"), (True, "pseudonyms for paths, mounts, hosts and users"))
_LABEL = 8


class Part(msgspec.Struct, frozen=True):
    """A part of a journal that may be wanted: in words, from where to where, for a file's name."""

    words: str
    since: Moment | None
    until: Moment | None
    stem: str


def parts(view: View, marked: int) -> tuple[Part, ...]:
    """What can be taken along from a moment; `marked` is the seq of another one, 0: none is."""
    found = []
    if marked and marked != view.seq:
        first, last = sorted((marked, view.seq))
        words = f"from the mark to this moment (#{first} to #{last})"
        found.append(Part(words, Seq(first), Seq(last), f"events-{first}-{last}"))
    cycle = view.cycle.number if view.cycle is not None else view.last_cycle
    if cycle:
        this = "this cycle" if view.cycle is not None else "the last cycle"
        asked = OfCycle(cycle)
        found.append(Part(f"{this} ({number(cycle)})", asked, asked, f"cycle-{cycle}"))
    return (*found, Part("all of it", None, None, "night"))


class Written(msgspec.Struct, frozen=True):
    """What became of it: the file, or what is wrong."""

    to: Path | None = None
    trouble: str = ""


class Stopped(Exception):  # noqa: N818  it is no error
    """Nobody waits for it any more."""


class Writing:
    """Writes on a thread; somebody else may look at `read`, and say `stop`."""

    def __init__(self, journal: Path, part: Part, form: Form, to: Path, *, names: bool) -> None:
        self.read = 0
        self._journal = journal
        self._part = part
        self._form = form
        self._to = to
        self._names = names
        self._stop = threading.Event()

    def stop(self) -> None:
        """Give up: no file is left."""
        self._stop.set()

    def write(self) -> Written:
        """Write it; may take minutes."""
        span = span_of(self._journal, self._part.since, self._part.until)
        taken = take(
            self._journal, span, self._form, self._to, pseudonyms=self._names, heed=self._heed
        )
        return Written(self._to.absolute(), taken.damage)

    def failed(self, error: Exception) -> Written:
        """Why it was not."""
        match error:
            case FileExistsError():
                return Written(trouble=f"{self._to} is there already: give another name")
            case OSError():
                return Written(trouble=f"{self._to} cannot be written: {error.strerror}")
            case JournalError():
                return Written(trouble=f"the journal is damaged: {error}")
            case NoSuchSpan():
                return Written(trouble=f"{error}: choose another part")
            case _:
                return Written(trouble=f"it could not be written: {error!r}")

    def _heed(self, _: Record) -> None:
        if self._stop.is_set():
            raise Stopped
        self.read += 1


class Pick(Static, can_focus=True):
    """One of several: the arrows turn it."""

    DEFAULT_CSS = """
    Pick { height: 1; margin: 0 2; text-wrap: nowrap; text-overflow: ellipsis; }
    Pick:focus { background: $block-cursor-background; color: $block-cursor-foreground; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left,h", "turn(-1)", "The one before", show=False),
        Binding("right,l,space", "turn(1)", "The next one", show=False),
    ]

    class Turned(Message):
        """Another one is picked."""

    def __init__(self, label: str, each: Sequence[str], *, id: str) -> None:  # noqa: A002  Textual's
        """`each` is what there is to pick, in words."""
        super().__init__(id=id)
        self.at = 0
        self._label = label
        self._each = each

    def on_mount(self) -> None:
        """Show the first."""
        self._show()

    def action_turn(self, step: int) -> None:
        """Pick the one `step` further."""
        if not self.disabled:
            self.at = (self.at + step) % len(self._each)
            self._show()
            self.post_message(self.Turned())

    def on_click(self) -> None:
        """Pick the next one."""
        self.action_turn(1)

    def _show(self) -> None:
        words = printable(self._each[self.at])
        self.update(Content.assemble(f"{self._label:<{_LABEL}}", "‹ ", (words, "bold"), " ›"))


class TakeDialog(Dialog[None]):
    """Asks what to take along, writes it, and says where it went."""

    def __init__(
        self, journal: Path, choice: Sequence[Part], directory: Path | None = None
    ) -> None:
        """`choice` is what can be taken; `directory` where names begin (the working one)."""
        super().__init__()
        self._journal = journal
        self._parts = choice
        self._directory = directory or Path()
        self._writing: Writing | None = None
        self._named = ""

    def heading(self) -> str:
        """Its name."""
        return "Take it along"

    def words(self) -> Content:
        """How it is used."""
        return Content.styled("← and → choose, Tab goes on, Enter writes a new file.", MUTED)

    def fields(self) -> Iterable[Widget]:
        """The choices, the file's name, and what became of it."""
        yield Static("")
        yield Pick("What", [each.words for each in self._parts], id="part")
        yield Pick("As", [words for _, words in FORMS], id="form")
        yield Pick("Names", [words for _, words in NAMES], id="names")
        field = Input(placeholder="the file's name", id="to")
        field.cursor_blink = False
        yield field
        yield Static("", id="state", classes="words")

    def choices(self) -> Iterable[Button]:
        """Leave and write."""
        yield Button(Content("Leave (Esc)"), id="no")
        yield Button(Content("Write (Enter)"), id="yes", variant="primary")

    def on_mount(self) -> None:
        """Begin with what is asked for most: the page of all there is to choose first."""
        self._name_it()
        self._say()
        self.query_one("#part").focus()
        self.set_interval(REFRESH_S, self._progress)

    def on_unmount(self) -> None:
        """Nobody waits any more."""
        if self._writing is not None:
            self._writing.stop()

    def key_enter(self) -> None:
        """Write, from a choice as well."""
        if isinstance(self.focused, Pick):
            self._write()

    @on(Pick.Turned)
    def _name_it(self) -> None:
        """A name for what is chosen, unless somebody has typed another."""
        field = self.query_one("#to", Input)
        if field.value == self._named:
            self._named = f"{self._part.stem}.{self._form.value}"
            field.value = self._named

    @property
    def _part(self) -> Part:
        return self._parts[self.query_one("#part", Pick).at]

    @property
    def _form(self) -> Form:
        return FORMS[self.query_one("#form", Pick).at][0]

    @on(Input.Submitted, "#to")
    @on(Button.Pressed, "#yes")
    def _write(self) -> None:
        typed = self.query_one("#to", Input).value.strip()
        if self._writing is not None:
            return
        if not typed:
            self._say("✖ give it a name", BAD)
            return
        writing = self._writing = Writing(
            self._journal,
            self._part,
            self._form,
            self._directory / Path(typed).expanduser(),
            names=NAMES[self.query_one("#names", Pick).at][0],
        )
        self._progress()
        in_background(self, writing.write, self._done, writing.failed)

    def _progress(self) -> None:
        if self._writing is not None:
            self._say(f"reading: {number(self._writing.read)} events so far", MUTED)

    def _done(self, written: Written) -> None:
        self._writing = None
        if written.to is None:
            self._say(f"✖ {printable(written.trouble)}", BAD)
            return
        damaged = f"; it is of what stands before the damage: {written.trouble}"
        where = printable(str(written.to))
        self._say(f"✔ written to {where}{damaged if written.trouble else ''}", GOOD)
        self.query_one("#no", Button).focus()

    def _say(self, words: str = "", style: str = "") -> None:
        state = self.query_one("#state", Static)
        state.update(Content.styled(words, style))
        state.display = bool(words)

    @on(Button.Pressed, "#no")
    def _leave(self) -> None:
        self.action_leave()
