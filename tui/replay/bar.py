"""The position bar: the whole journal on one line, what is grave in it, and where one stands."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from textual import events
from textual.content import Content
from textual.message import Message

from tui.glance import Glance
from tui.replay.feed import PlayFeed, Standing
from tui.theme import ACCENT, BOLD, MARK, MUTED, Look
from tui.times import Times
from tui.widgets.marks import PRIMARY
from tui.widgets.top import Top
from vsync_sm.core.insight import NS
from vsync_sm.core.marks import KINDS, Kind
from vsync_sm.core.words import share

PLAYED = Look("━", PRIMARY)
TO_COME = Look("─", MUTED)
HERE = Look("●", BOLD)
FLAG = Look("◆", f"bold {ACCENT}")
PLAYS, STANDS, ENDED = "▶", "‖", "■"

_SPEED = 5


class PositionBar(Top):
    """Runs, marks, what has been played, the moment; a click goes there."""

    DEFAULT_CSS = """
    PositionBar {
        height: 1;
        padding: 0 1;
        background: $panel;
        text-wrap: nowrap;
    }
    """

    class Sought(Message):
        """Somebody wants to go to a column of so many."""

        def __init__(self, column: int, columns: int) -> None:
            super().__init__()
            self.column = column
            self.columns = columns

    def __init__(self, feed: PlayFeed) -> None:
        super().__init__(id="position")
        self._feed = feed
        self._begin = 0  # of the bar, in cells

    def lines(self, glance: Glance, width: int, *, short: bool) -> Content:  # noqa: ARG002  the same for all
        """The line."""
        standing = self._feed.standing
        left = Content.styled(f"{_glyph(standing)} {_speed(standing.speed):<{_SPEED}}", BOLD)
        right = Content.assemble(_index(standing), _moment(glance, standing))
        self._begin = left.cell_length
        self._feed.columns = columns = max(1, width - left.cell_length - right.cell_length)
        return Content.assemble(left, *_bar(standing, columns, self._feed.marked), right)

    def on_click(self, event: events.Click) -> None:
        """Go there."""
        offset = event.get_content_offset(self)
        column = -1 if offset is None else offset.x - self._begin
        if 0 <= column < self._feed.columns:
            event.stop()
            self.post_message(self.Sought(column, self._feed.columns))


def _glyph(standing: Standing) -> str:
    if standing.playing:
        return PLAYS
    return ENDED if standing.at_end else STANDS


def _speed(speed: int) -> str:
    return f"×{speed}" if speed else "×max"


def _index(standing: Standing) -> Content:
    if standing.share >= 1:
        return Content()
    return Content.styled(f" indexed {share(int(100 * standing.share) / 100)}", MUTED)


def _moment(glance: Glance, standing: Standing) -> Content:
    if not glance.view.seq:
        return Content.styled(" no event", MUTED)
    zone = None if glance.times is Times.local else UTC
    time = datetime.fromtimestamp(glance.now.wall / NS, UTC).astimezone(zone)
    seq = f"#{glance.view.seq}".rjust(len(f"#{standing.last}"))
    return Content.assemble(f" {time:%m-%d %H:%M:%S} ", Content.styled(seq, MUTED))


def _bar(standing: Standing, columns: int, marked: int = 0) -> Iterator[tuple[str, str]]:
    """Cell by cell: glyph and style; a marked moment before all else that stands there."""
    count = standing.last - standing.first + 1
    here = (standing.look.view.seq - standing.first) * columns // max(1, count)
    runs = {(seq - standing.first) * columns // max(1, count) for seq in standing.runs} - {0}
    drawn = standing.marks if len(standing.marks) == columns else (None,) * columns
    flag = (marked - standing.first) * columns // max(1, count) if marked else -1
    for column, kind in enumerate(drawn):
        look = FLAG if column == flag else _look(kind, run_begins=column in runs)
        if column == here:
            look = look or HERE
            yield look.glyph, f"{look.style} reverse"
        else:
            look = look or (PLAYED if column < here else TO_COME)
            yield look.glyph, look.style


def _look(kind: Kind | None, *, run_begins: bool) -> Look | None:
    """How a column is marked; None where nothing stands out."""
    if run_begins and (kind is None or kind not in _GRAVE):
        return MARK[Kind.RUN]
    # That the journal begins with a run needs no mark.
    return None if kind is None or kind is Kind.RUN else MARK.get(kind)


_GRAVE = frozenset(KINDS[KINDS.index(Kind.REPAIR) :])
"""What is told rather than that a run begins: not that nobody wrote before it did."""
