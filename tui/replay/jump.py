"""Where to go, typed: a time, an event, a cycle, a path."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, tzinfo

from textual import on
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Button, Input, Static

from tui.replay.moves import Move, Nowhere, Spot, begin, end, to_cycle, to_path, to_seq, to_time
from tui.replay.past import Past
from tui.theme import BAD, MUTED
from tui.times import Times
from tui.widgets.dialogs.base import Dialog
from vsync_sm.core.insight import moment
from vsync_sm.core.moments import Age, Clock, Edge, MomentError, OfCycle, Seq, moment_of, wall_of

EXAMPLES = (
    ("03:12", "a time of day, the last one in the journal; 03:12:04"),
    ("2026-11-26 03:12", "a time of another day"),
    ("-2h", "so long before the journal's end; -90s, -1h30m"),
    ("#1234", "an event by its seq"),
    ("cycle:12", "where a cycle begins"),
    ("secret/app/db", "the next event of a path"),
)
_NAME = 18


def understood(text: str, zone: tzinfo | None, stop: Callable[[], bool]) -> Move:
    """The move that somebody has typed.

    Args:
        text: one of what is shown in `EXAMPLES`.
        zone: whose clock a time is of; None: this machine's.
        stop: whether nobody waits any more for a path to be found.

    Raises:
        MomentError: it is none of them; the message says what would do.
    """
    text = text.strip()
    if "/" in text:
        return to_path(text, stop)
    asked = moment_of(text)
    if isinstance(asked, Seq):
        return to_seq(asked.seq)
    if isinstance(asked, OfCycle):
        return to_cycle(asked.number)
    if isinstance(asked, Edge):
        return end if asked.end else begin
    return _timed(asked, zone)


def _timed(asked: Clock | Age, zone: tzinfo | None) -> Move:
    def move(past: Past, spot: Spot) -> Spot:
        last = past.record_at(past.last)
        if last is None:
            raise Nowhere("the journal tells of no time")
        return to_time(wall_of(asked, moment(last.ts), zone))(past, spot)

    return move


class JumpDialog(Dialog[Move | None]):
    """Asks where to go: gives the move, or None where one stays."""

    def __init__(self, times: Times, stop: Callable[[], bool]) -> None:
        """`times` says whose clock a time is of; `stop`, whether nobody waits any more."""
        super().__init__()
        self._zone = None if times is Times.local else UTC
        self._stop = stop

    def heading(self) -> str:
        """Its name."""
        return "Go to"

    def words(self) -> Content:
        """What may be typed."""
        zone = "UTC" if self._zone else "this machine's zone"
        lines = [
            Content.assemble((f"{name:<{_NAME}}", "bold"), (about, MUTED))
            for name, about in EXAMPLES
        ]
        return Content("\n").join([Content(f"Times are in {zone}."), *lines])

    def fields(self) -> Iterable[Widget]:
        """The line to type on, and what is wrong with it."""
        field = Input(placeholder="03:12, -2h, #1234, cycle:12 or a path", id="where")
        field.cursor_blink = False
        yield field
        yield Static("", id="wrong", classes="words")

    def choices(self) -> Iterable[Button]:
        """Stay and go."""
        yield Button(Content("Stay (Esc)"), id="no")
        yield Button(Content("Go (Enter)"), id="yes", variant="primary")

    def on_mount(self) -> None:
        """Type at once."""
        self.query_one("#wrong").display = False
        self.query_one("#where").focus()

    @on(Input.Submitted, "#where")
    @on(Button.Pressed, "#yes")
    def _go(self) -> None:
        try:
            move = understood(self.query_one("#where", Input).value, self._zone, self._stop)
        except MomentError as error:
            wrong = self.query_one("#wrong", Static)
            wrong.update(Content.styled(f"✖ {error}", BAD))
            wrong.display = True
        else:
            self.dismiss(move)

    @on(Input.Changed, "#where")
    def _typed(self) -> None:
        self.query_one("#wrong").display = False

    @on(Button.Pressed, "#no")
    def _stay(self) -> None:
        self.action_leave()
