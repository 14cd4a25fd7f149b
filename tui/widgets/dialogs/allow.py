"""Allowing once what was refused: everything is shown before it is asked."""

from __future__ import annotations

import threading
from typing import ClassVar

import msgspec
from rich.cells import cell_len
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Button, Input, Static

from tui.glance import Glance
from tui.theme import BAD, MUTED, WARN
from tui.widgets.dialogs.base import Choices, Dialog
from tui.widgets.dialogs.refused import RefusedRows, Row, rows
from vsync_sm.core.commands import Commander
from vsync_sm.core.consequence import consequences, to_type
from vsync_sm.core.events import SaveRefused
from vsync_sm.core.present import clock, counts, printable, rule
from vsync_sm.core.safety import allowance_id
from vsync_sm.core.shapes import LastRefusal


class _Got(msgspec.Struct, frozen=True):
    """What the origin told: the rows and their width, or why there are none."""

    rows: tuple[Row, ...] = ()
    width: int = 0
    why: str = ""


def _get(commander: Commander, event: SaveRefused) -> _Got:
    """Ask the origin for all that was refused; blocks."""
    try:
        lines = commander.refused(event.allowance)
        if lines is None:
            why = commander.unable() or "The origin knows of no such refusal (any more)."
            return _Got(why=why)
    except Exception as error:  # noqa: BLE001  whatever it is, then nothing is allowed
        return _Got(why=f"The origin could not be asked: {type(error).__name__}")
    if allowance_id(lines) != event.allowance:
        return _Got(why="What the origin told is not what was refused under this id.")
    mounts = sorted({*event.vanished, *event.regressed, *event.insights} - {""})
    found = rows(lines, mounts)
    return _Got(found, max((cell_len(row.text) for row in found), default=0))


class AllowDialog(Dialog[bool]):
    """Shows all that was refused under one id, and asks for the mount's name before it says yes.

    What is allowed by True is `allowance`, the id that it was opened with, whatever has been
    refused meanwhile.
    """

    DEFAULT_CSS = """
    AllowDialog {
        & > #box { max-width: 120; height: 100%; }
        & #body { height: auto; max-height: 40%; }
        & .words { padding: 0; }
        & #loading { height: 1fr; padding: 1 0; }
        & #refused, & #below, & #ask, & #yes { display: none; }
        &.-ready #loading { display: none; }
        &.-ready #refused, &.-ready #below, &.-ready #ask, &.-ready #yes { display: block; }
        & #below { height: 1; }
        & #place { width: auto; color: $text-muted; }
        & #search { display: none; background: $panel; margin: 0 0 0 1; }
        &.-searching #search { display: block; }
        & #said { display: none; height: auto; color: $text-warning; text-style: bold; }
        &.-said #said { display: block; }
        & #ask { height: 1; margin: 1 0 0 0; }
        & #question { width: auto; }
        & #name { background: $panel; margin: 0; }
        & Choices { padding: 1 0 0 0; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "search", "Search", show=False),
    ]
    GRAVE: ClassVar[bool] = True

    def __init__(self, refusal: LastRefusal, commander: Commander) -> None:
        super().__init__()
        self._refusal = refusal
        self._commander = commander
        self._to_type = to_type(refusal.event)
        self._ready = False

    @property
    def allowance(self) -> str:
        """The id that a yes here allows."""
        return self._refusal.event.allowance

    def heading(self) -> str:
        """Its name."""
        return f"Allow what was refused under {printable(self.allowance)}"

    def compose(self) -> ComposeResult:
        """What it means above, all of it in the middle, the question below."""
        box = Vertical(id="box", classes="grave")
        box.border_title = Content(self.heading())
        with box:
            with VerticalScroll(id="body"):
                yield Static(self.words(), classes="words", id="words")
            yield Static(Content("Asking the origin for all of it …"), id="loading")
            yield RefusedRows(id="refused")
            with Horizontal(id="below"):
                yield Static(Content(""), id="place")
                yield Input(placeholder="search", id="search", compact=True)
            yield Static(Content(""), id="said")
            with Horizontal(id="ask"):
                question = Content.assemble(
                    "Type ", (self._to_type, f"bold {WARN}"), " to allow it: "
                )
                yield Static(question, id="question")
                yield Input(id="name", compact=True, disabled=True)
            yield Choices(
                Button(Content("Leave (Esc)"), id="no", compact=True),
                Button(
                    Content("Allow it once"), id="yes", compact=True, variant="error", disabled=True
                ),
            )

    def words(self) -> Content:
        """What destinations will do, the rules that refuse, and the counts."""
        event = self._refusal.event
        lines = [Content(f"Cycle {self._refusal.cycle} was refused at {clock(self._refusal.ts)}.")]
        lines += [Content.styled(f"! {each}", f"bold {WARN}") for each in consequences(event)]
        lines += [Content.styled(f"✖ {rule(each)}", BAD) for each in event.refusals]
        if event.vanished:
            lines.append(Content(printable(f"Would vanish, by mount: {counts(event.vanished)}")))
        if event.regressed:
            lines.append(Content(printable(f"Would go back, by mount: {counts(event.regressed)}")))
        lines.append(Content.styled("A yes is good for the next save, within an hour.", MUTED))
        return Content("\n").join(lines)

    def on_mount(self) -> None:
        """Ask the origin, in a thread: it may take seconds."""
        self.query_one("#no").focus()
        threading.Thread(target=self._ask, name="refused", daemon=True).start()

    def _ask(self) -> None:
        self.call_later(self._show, _get(self._commander, self._refusal.event))

    def _show(self, got: _Got) -> None:
        if self not in self.app.screen_stack:  # it was left meanwhile
            return
        if got.why:
            # Nobody allows what he cannot see.
            why = f"✖ {printable(got.why)}\nWithout the whole list nothing can be allowed here."
            self.query_one("#loading", Static).update(Content.styled(why, BAD))
            return
        self._ready = True
        self.add_class("-ready")
        self.query_one("#name").disabled = False
        refused = self.query_one("#refused", RefusedRows)
        refused.show(got.rows, got.width)
        refused.focus()

    def follow(self, glance: Glance) -> None:
        """Say so when something else is refused meanwhile, or nothing any more."""
        now = glance.view.refusal
        if now is None:
            said = "Meanwhile a save went through: nothing is refused any more."
        elif now.event.allowance != self.allowance:
            other = printable(now.event.allowance)
            said = f"Meanwhile a cycle was refused under {other}. A yes here covers what is listed."
        else:
            said = ""
        self._say(said)

    def _say(self, text: str) -> None:
        self.set_class(bool(text), "-said")
        said, content = self.query_one("#said", Static), Content(f"! {text}")
        if text and said.content != content:
            said.update(content)

    # --- what was refused -----------------------------------------------------------------------

    @on(RefusedRows.Moved)
    def _moved(self) -> None:
        refused = self.query_one("#refused", RefusedRows)
        wanted = self.query_one("#search", Input)
        nothing = " · nothing found" if wanted.value and not refused.found else ""
        if self.has_class("-searching"):
            keys = " · search:"
        else:
            keys = f" · / searches{', n N go on' if refused.found else ''}"
        self.query_one("#place", Static).update(Content(f"{refused.place}{nothing}{keys}"))

    def action_search(self) -> None:
        """Ask what to search for."""
        if self._ready:
            self.add_class("-searching")
            self.query_one("#search").focus()
            self._moved()

    @on(Input.Changed, "#search")
    def _search(self, event: Input.Changed) -> None:
        self.query_one("#refused", RefusedRows).find(event.value)

    @on(Input.Submitted, "#search")
    def _searched(self) -> None:
        self._leave_search()

    def _leave_search(self) -> None:
        self.query_one("#refused").focus()
        self.remove_class("-searching")
        self._moved()

    # --- the question ---------------------------------------------------------------------------

    @on(Input.Changed, "#name")
    def _typed(self, event: Input.Changed) -> None:
        self.query_one("#yes", Button).disabled = not self._may(event.value)

    def _may(self, typed: str) -> bool:
        return self._ready and typed == self._to_type

    @on(Input.Submitted, "#name")
    @on(Button.Pressed, "#yes")
    def _allow(self) -> None:
        if self._may(self.query_one("#name", Input).value):
            self.dismiss(True)

    @on(Button.Pressed, "#no")
    def _left(self) -> None:
        self.action_leave()

    def action_leave(self) -> None:
        """Leave the search, else the dialog, having allowed nothing."""
        if self.query_one("#search").has_focus:
            self.query_one("#search", Input).value = ""
            self._leave_search()
        else:
            self.dismiss(False)
