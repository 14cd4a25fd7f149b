"""One record, whole: what it says, when it was, all of its fields, and the line itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import msgspec
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from tui.glance import Glance
from tui.theme import BAD, BOLD, MUTED, SEVERITY, marked
from tui.times import Times, tell
from vsync_sm.core import events as e
from vsync_sm.core.insight import NS
from vsync_sm.core.present import duration, number, printable, sentence, severity, size
from vsync_sm.journal.pages import Row

SHOWN = 32 * 1024
"""So many characters of a line are shown, and so much of what it holds."""

_KEYS = "n → newer  p ← older  c copies the line  Esc closes"


def whole(row: Row, glance: Glance) -> Content:
    """All that there is to say of one line."""
    record = row.record
    if record is None:
        said = [Content.styled(f"✖ this line cannot be read: {printable(str(row.error))}", BAD)]
    else:
        said = [*_about(record, row, glance), Content(""), *_fields(record.event)]
    raw = row.raw.decode("utf-8", "replace")
    cut = f"the line, its first {number(SHOWN)} characters" if len(raw) > SHOWN else "the line"
    return Content("\n").join(
        [*said, Content(""), Content.styled(cut, BOLD), Content(printable(raw[:SHOWN]))]
    )


def _about(record: e.Record, row: Row, glance: Glance) -> Iterator[Content]:
    yield marked(SEVERITY[severity(record.event)], sentence(record)[:SHOWN])
    yield Content("")
    told = {
        "type": record.event.type,
        "severity": severity(record.event),
        "time": record.ts,
        "local": tell(record.ts, Times.local, glance.now),
        "age": tell(record.ts, Times.relative, glance.now),
        "into the run": duration(record.mono / NS),
        "run": record.run,
        "cycle": "outside cycles" if record.cycle is None else number(record.cycle),
        "seq": number(record.seq),
        "where": f"line {number(row.line)}, byte {number(row.byte)}, {size(len(row.raw))}",
    }
    width = max(map(len, told))
    for name, value in told.items():
        yield Content.assemble((f"{name.ljust(width)}  ", MUTED), printable(str(value)))


def _fields(event: e.Event | e.Unknown) -> Iterator[Content]:
    fields = event.fields if isinstance(event, e.Unknown) else msgspec.to_builtins(event)
    room = SHOWN
    for depth, name, value in _walk(fields):
        if name == "type" and not depth:
            continue
        room -= len(name) + len(value) + 2 * depth
        if room < 0:
            yield Content.styled("… and more: the line has all of it", MUTED)
            return
        head = f"{'  ' * depth}{printable(name)}{': ' if value else ':'}"
        yield Content.assemble((head, MUTED), printable(value))


def _walk(value: Any, depth: int = 0) -> Iterator[tuple[int, str, str]]:
    """Depth, name and value of each field; a value that has fields of its own is empty."""
    items = value.items() if isinstance(value, dict) else enumerate(value, start=1)
    for name, each in items:
        if isinstance(each, dict | list | tuple) and each:
            yield depth, str(name), ""
            yield from _walk(each, depth + 1)
        else:
            yield depth, str(name), _plain(each)


def _plain(value: Any) -> str:
    if isinstance(value, str):
        return value or "(empty)"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or value in ({}, [], ()):
        return "(none)"
    return str(value)


class RecordScreen(ModalScreen[None]):
    """All of one line, over the list.

    Args:
        row: the line.
        glance: how times are told.
        step: selects the line so many further in the list and gives it; None: there is none.
    """

    DEFAULT_CSS = """
    RecordScreen {
        align: center middle;
        & > #record-box {
            width: 90%;
            max-width: 130;
            height: 90%;
            padding: 0 1;
            border: round $primary;
            border-title-style: bold;
            border-subtitle-color: $text-muted;
            background: $surface;
        }
        & #record-body { height: 1fr; scrollbar-size-vertical: 1; }
        & #record-words { width: 100%; height: auto; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,enter", "leave", "Close"),
        Binding("n,right", "step(1)", "Newer"),
        Binding("p,left,N", "step(-1)", "Older"),
        Binding("c", "copy", "Copy the line"),
        Binding("j,down", "scroll_words(1)", "Down", show=False),
        Binding("k,up", "scroll_words(-1)", "Up", show=False),
        Binding("pagedown,ctrl+d,space", "scroll_words(10)", "A page down", show=False),
        Binding("pageup,ctrl+u", "scroll_words(-10)", "A page up", show=False),
        Binding("g,home", "end(False)", "To the top", show=False),
        Binding("G,end", "end(True)", "To the end", show=False),
    ]

    def __init__(
        self, row: Row, glance: Glance, *, step: Callable[[int], Row | None] | None = None
    ) -> None:
        super().__init__()
        self.row = row
        self._glance = glance
        self._step = step
        self._said: Content | None = None

    def compose(self) -> ComposeResult:
        """A box with the words in it."""
        with Vertical(id="record-box"), VerticalScroll(id="record-body", can_focus=False):
            yield Static(id="record-words")

    def on_mount(self) -> None:
        """Show it."""
        self._show()

    def paint(self, glance: Glance) -> None:
        """Only its age changes."""
        self._glance = glance
        self._show()

    def _show(self, note: str = "") -> None:
        box = self.query_one("#record-box")
        said = whole(self.row, self._glance)
        if self._said is None or not said.is_same(self._said):
            self._said = said
            kind = self.row.record.event.type if self.row.record else "damaged line"
            box.border_title = Content(f"line {number(self.row.line)} · {printable(kind)}")
            box.border_subtitle = Content(_KEYS)
            self.query_one("#record-words", Static).update(said)
        if note:
            box.border_subtitle = Content(note)

    def action_step(self, step: int) -> None:
        """Show the next one of the list, newer or older."""
        row = self._step(step) if self._step is not None else None
        if row is None:
            self._show("there is no newer line" if step > 0 else "there is no older line")
            return
        self.row = row
        self.query_one("#record-body").scroll_home(animate=False)
        self._show()

    def action_copy(self) -> None:
        """Copy the line through the terminal."""
        self.app.copy_to_clipboard(self.row.raw.decode("utf-8", "replace"))
        self._show(f"copied ({size(len(self.row.raw))})")

    def action_scroll_words(self, lines: int) -> None:
        """Scroll what it says."""
        self.query_one("#record-body").scroll_relative(y=lines, animate=False)

    def action_end(self, end: bool) -> None:
        """To the end, or to the top."""
        body = self.query_one("#record-body")
        if end:
            body.scroll_end(animate=False)
        else:
            body.scroll_home(animate=False)

    def action_leave(self) -> None:
        """Close it."""
        self.dismiss(None)
