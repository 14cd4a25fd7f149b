"""Allowing once what was refused: everything is shown before it is asked."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import ClassVar

import msgspec
from rich.cells import cell_len
from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Button, Input, Static

from tui.glance import Glance
from tui.theme import BAD, MUTED, WARN
from tui.widgets.dialogs.base import Choices, Dialog
from tui.widgets.dialogs.refused import RefusedRow, RefusedRows, rows
from vsync_sm.core.commands import Commander, Done
from vsync_sm.core.consequence import consequences, to_type
from vsync_sm.core.events import SaveRefused
from vsync_sm.core.present import clock, counts, printable, rules
from vsync_sm.core.safety import allowance_id
from vsync_sm.core.shapes import LastRefusal


class _Got(msgspec.Struct, frozen=True):
    """What the origin told: the rows and their width, or why there are none."""

    rows: tuple[RefusedRow, ...] = ()
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


class AllowDialog(Dialog[None]):
    """Shows all that was refused under one id, and asks for the mount's name before it says yes.

    A yes calls `allow`; what became of that is told to `became`, and where it was not done the
    dialog stays as it is, with the reason. What is allowed is `allowance`, the id that it was
    opened with, whatever has been refused meanwhile.
    """

    DEFAULT_CSS = """
    AllowDialog {
        & > #box { max-width: 120; height: 100%; }
        & #body { height: auto; max-height: 40%; }
        & .words { padding: 0; }
        & #loading { height: 1fr; padding: 1 0; }
        & #refused, & #below, & #yes { display: none; }
        &.-ready #loading, &.-never #ask { display: none; }
        &.-ready #refused, &.-ready #below, &.-ready #yes { display: block; }
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

    def __init__(
        self, refusal: LastRefusal, commander: Commander, allow: Callable[[], None]
    ) -> None:
        super().__init__()
        self._refusal = refusal
        self._commander = commander
        self._say_yes = allow
        self._to_type = to_type(refusal.event)
        self._ready = False  # all of it is shown
        self._sent = False  # a yes was said, and has no answer yet
        self._stands = refusal.event.allowance  # what is refused now; "": nothing
        self._accepted = self._stands  # what was refused when a yes was last asked for
        self._answer = ""  # to the last Enter

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
                yield Input(id="name", compact=True)
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
        lines += [Content.styled(f"✖ {each}", BAD) for each in rules(event)]
        if event.vanished:
            lines.append(Content(printable(f"Would vanish, by mount: {counts(event.vanished)}")))
        if event.regressed:
            lines.append(Content(printable(f"Would go back, by mount: {counts(event.regressed)}")))
        lines.append(Content.styled("A yes is good for the next save, within an hour.", MUTED))
        return Content("\n").join(lines)

    def on_mount(self) -> None:
        """Ask the origin, in a thread: it may take seconds. One can type all the while."""
        self.query_one("#name").focus()
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
            self.add_class("-never")
            self.query_one("#no").focus()
            return
        self._ready = True
        self._answer = ""
        self.add_class("-ready")
        self.query_one("#refused", RefusedRows).show(got.rows, got.width)
        self._tell()

    def follow(self, glance: Glance) -> None:
        """Say so when something else is refused meanwhile, or nothing any more."""
        now = glance.view.refusal
        stands = "" if now is None else now.event.allowance
        if stands != self._stands:
            self._stands = stands
            self._tell()

    def _tell(self) -> None:
        """Say what has to be known before a yes, and offer the yes where it can be said."""
        lines = [f"! {printable(each)}" for each in (self._answer, self._meanwhile()) if each]
        self.set_class(bool(lines), "-said")
        self.query_one("#said", Static).update(Content("\n".join(lines)))
        self.query_one("#yes", Button).disabled = not self._may()

    def _meanwhile(self) -> str:
        if not self._stands:
            return "Meanwhile a save went through: nothing is refused any more."
        if self._stands == self.allowance:
            return ""
        return (
            f"Meanwhile a cycle was refused under {self._stands}. A yes here covers what is "
            "listed; Esc, then A shows the other."
        )

    # --- what was refused -----------------------------------------------------------------------

    @on(RefusedRows.Moved)
    @on(events.DescendantFocus)
    def _moved(self) -> None:
        refused = self.query_one("#refused", RefusedRows)
        wanted = self.query_one("#search", Input)
        nothing = " · nothing found" if wanted.value and not refused.found else ""
        if self.has_class("-searching"):
            keys = "search:"
        elif self.query_one("#name").has_focus:
            keys = "↑ ↓ PgUp PgDn scroll · Shift+Tab, then / searches"
        else:
            keys = f"/ searches{', n N go on' if refused.found else ''}"
        self.query_one("#place", Static).update(Content(f"{refused.place}{nothing} · {keys}"))

    def action_scroll_words(self, lines: int) -> None:
        """Scroll the list, also while one types; more than a line is a page, and skips none."""
        refused = self.query_one("#refused")
        if not self._ready:
            return
        if abs(lines) > 1:
            lines = max(1, refused.size.height) * (1 if lines > 0 else -1)
        refused.scroll_relative(y=lines, animate=False)

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
    def _typed(self) -> None:
        self._answer = ""
        self._tell()

    def _right(self) -> bool:
        return self.query_one("#name", Input).value == self._to_type

    def _may(self) -> bool:
        return self._ready and not self._sent and bool(self._stands) and self._right()

    @on(Input.Submitted, "#name")
    @on(Button.Pressed, "#yes")
    def _yes(self) -> None:
        if not self._may():
            self._answer = self._why_not()
        elif self._stands not in (self.allowance, self._accepted):
            # It changed under his hands: he shall have read so.
            self._accepted = self._stands
            self._answer = "Something else is refused now: once more, if you mean what is listed."
        else:
            self._sent = True
            self._answer = "Asking the origin to allow it …"
            self._tell()
            self._say_yes()
        self._tell()

    def _why_not(self) -> str:
        if self._sent or not self._stands:
            return self._answer
        if not self._ready:
            return "Nothing can be allowed before all of it is shown."
        return f"That is not it: type {self._to_type}"

    def became(self, done: Done) -> bool:
        """Hear what became of the yes; True where the dialog tells it, since it was not done."""
        self._sent = False
        if not self.is_attached:  # it was left meanwhile
            return False
        if done.ok and self.is_current:
            self.dismiss(None)
            return False
        self._answer = done.words if done.ok else f"Not allowed: {done.words}"
        self._tell()
        return not done.ok

    @on(Button.Pressed, "#no")
    def _left(self) -> None:
        self.action_leave()

    def action_leave(self) -> None:
        """Leave the search, else the dialog, having allowed nothing."""
        if self.query_one("#search").has_focus:
            self.query_one("#search", Input).value = ""
            self._leave_search()
        else:
            self.dismiss(None)
