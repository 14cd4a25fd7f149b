"""A list of a journal's lines that is as long as the journal and holds only what is seen."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import ClassVar

from rich.segment import Segment
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.scrollbar import ScrollDown, ScrollTo, ScrollUp
from textual.strip import Strip

from tui.glance import Glance
from tui.lineup import Lineup, Styles, Tellings, ToldLine
from tui.sifting import Matches
from tui.theme import MUTED
from vsync_sm.core.finding import Finder
from vsync_sm.core.insight import NS
from vsync_sm.journal.pages import Pages, Row

_WHEEL = 3
_SIDEWAYS = 8


class JournalLines(ScrollView, can_focus=True):
    """The lines, one of them selected.

    What is selected is a line of the journal, not a place in the list: it stays selected while
    lines come, and when others are filtered away, and the rows around it stand still. While
    `follow` is set, that is the last line.
    """

    ALLOW_SELECT = False
    COMPONENT_CLASSES: ClassVar[set[str]] = {"journal--selected"}
    DEFAULT_CSS = """
    JournalLines {
        height: 1fr;
        overflow-x: hidden;
        overflow-y: scroll;
        scrollbar-size-vertical: 1;
        & > .journal--selected { background: $surface-lighten-2; }
        &:focus > .journal--selected { background: $primary-muted; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", "Open", tooltip="Open the event whole"),
        Binding("f", "follow", "Follow", tooltip="Go to the last line and stay there"),
        Binding("G,end", "follow", "Follow", show=False),
        Binding("w", "wrap", "Wrap long lines", show=False),
        Binding("k,up", "move(-1)", "Up", show=False),
        Binding("j,down", "move(1)", "Down", show=False),
        Binding("g,home", "first", "First line", show=False),
        Binding("ctrl+u", "page(-0.5)", "Half a page up", show=False),
        Binding("ctrl+d", "page(0.5)", "Half a page down", show=False),
        Binding("pageup,ctrl+b", "page(-1)", "A page up", show=False),
        Binding("pagedown,ctrl+f", "page(1)", "A page down", show=False),
        Binding("h,left", "sideways(-1)", "To the left", show=False),
        Binding("l,right", "sideways(1)", "To the right", show=False),
    ]

    class Opened(Message):
        """Somebody wants to see the selected line whole."""

    class Moved(Message):
        """Another line is selected, or the list begins or ends to follow."""

    def __init__(self, pages: Pages, *, id: str | None = None) -> None:  # noqa: A002  Textual's name
        super().__init__(id=id)
        self.follow = True
        self.wrapping = False
        self.cursor = 0
        self.held: int | None = None
        self.limit: int | None = None  # later lines are not known yet
        self.marks: Finder | None = None
        self.matches: Matches | None = None
        self._pages = pages
        self._glance: Glance | None = None
        self._empty = ""
        self._left = 0
        self._widest = 0
        self._offset = 0  # of the selected row within the window
        self._top = 0
        self._settled: tuple[object, ...] = ()
        self._tellings = Tellings(pages)
        self._generation = -1
        self._window: list[Strip] = []
        self._window_of: tuple[object, ...] = ()
        self._places: list[int] = []
        self._looks: Styles | None = None
        self._epoch = 0
        self._placing = False

    # --- what is in the list ---

    @property
    def count(self) -> int:
        """How many lines the list has."""
        last = self.known if self.held is None else min(self.held, self.known)
        if self.matches is None:
            return last
        whole = self.held is None and self.limit is None
        return len(self.matches) if whole else self.matches.place(last + 1)

    @property
    def known(self) -> int:
        """How many lines are known at the moment that is looked at."""
        lines = len(self._pages)
        return lines if self.limit is None else min(self.limit, lines)

    @property
    def kept(self) -> int:
        """How many lines are kept in short."""
        return len(self._tellings)

    @property
    def position(self) -> int:
        """The place of the selected line, from 0; of the next one where it is filtered away."""
        if self.follow:
            return max(0, self.count - 1)
        return max(0, min(self._place(self.cursor), self.count - 1))

    @property
    def top(self) -> int:
        """The place of the first line that is seen."""
        return self._top

    @property
    def room(self) -> int:
        """How many cells a row may take: what is left beside the scrollbar."""
        return self.scrollable_content_region.width

    @property
    def screen_text(self) -> list[str]:
        """What stands in the list now, row by row."""
        return [self.render_line(y).text.rstrip() for y in range(len(self._strips()))]

    def row(self) -> Row | None:
        """The selected line; None in an empty list."""
        if not self.count:
            return None
        rows = self._pages.read(self._line(self.position), 1)
        return rows[0] if rows else None

    def _line(self, place: int) -> int:
        return place + 1 if self.matches is None else self.matches.line(place)

    def _place(self, line: int) -> int:
        return line - 1 if self.matches is None else self.matches.place(line)

    # --- painting ---

    def show_lines(self, glance: Glance, empty: str) -> None:
        """Show what is new. `empty` is what to say when there is nothing to show."""
        self._glance, self._empty = glance, empty
        if self._pages.generation != self._generation:
            self._generation = self._pages.generation
            self._tellings.clear()
            self.held = None
            self.cursor, self._offset, self.follow = 0, 0, True
            self._epoch += 1
        self.settle()

    def settle(self) -> None:
        """Bring the window to where it belongs, and paint it where that changes anything."""
        height = self.size.height
        if not height:
            return
        count = self.count
        position, bottom = self.position, self._bottom()
        if self.follow:
            self._top = bottom
            self._offset = position - bottom
            self.cursor = self._line(position) if count else 0
        elif not count:  # nothing stands at a place; the selected line waits for others to come
            self._top = 0
        else:  # where there is no room for the offset now, there may be later
            top = max(position - self._offset, self._top_for(position))
            self._top = max(0, min(top, bottom))
        self._show(bottom + height)
        state = self._state()
        if state != self._settled:
            self._settled = state
            self.refresh()

    def _show(self, height: int) -> None:
        self._placing = True
        self.virtual_size = Size(self.room, height)
        self.scroll_target_y = self._top
        self.scroll_y = self._top
        self._placing = False

    def _state(self) -> tuple[object, ...]:
        glance = self._glance
        seen = min(self.count, self._top + self.size.height)
        ages = glance.now.wall // NS if glance and glance.times == "relative" else 0
        times = glance.times if glance else None
        first = self._line(self._top) if seen > self._top else 0
        last = self._line(seen - 1) if seen > self._top else 0
        where = (self._top, first, last, seen, self.position, self._left, self.wrapping)
        return (*where, self.size, self.room, ages, times, self.marks, self._empty, self._epoch)

    def render_line(self, y: int) -> Strip:
        """One row of the screen."""
        strips = self._strips()
        width = self.room
        blank = Strip.blank(width, self._style().of(""))
        if y >= len(strips) or not width:
            return blank
        if not self._left:
            return strips[y].crop(0, width)
        # The marker stays, wherever one looks.
        start = self._left + 1
        return Strip.join([strips[y].crop(0, 1), strips[y].crop(start, start + width - 1)])

    def _strips(self) -> list[Strip]:
        state = self._state()
        if state != self._window_of:
            self._window_of = state
            self._window, self._places = self._compose_window()
        return self._window

    def _compose_window(self) -> tuple[list[Strip], list[int]]:
        height, position = self.size.height, self.position
        glance = self._glance
        if glance is None or not self.count:
            return [Strip([Segment(f" {self._empty}", self._style().of(MUTED))])], []
        seen = self._told(self._top, min(self.count, self._top + height))
        lineup = Lineup(seen, glance, self._style(), self.marks, self.room)
        strips: list[Strip] = []
        places: list[int] = []
        for place, line in enumerate(seen, self._top):
            selected = place == position
            if self.wrapping:
                rows = lineup.wrapped(line, selected=selected)
            else:
                rows = [lineup.strip(line, selected=selected)]
                self._widest = max(self._widest, rows[0].cell_length)
            behind = self._style().of("", selected)
            rows = [each.extend_cell_length(self._left + self.room, behind) for each in rows]
            strips += rows
            places += [place] * len(rows)
            if len(strips) >= height:
                break
        return strips[:height], places[:height]

    def _told(self, start: int, stop: int) -> list[ToldLine]:
        return [self._tellings.of(self._line(place)) for place in range(start, stop)]

    def _style(self) -> Styles:
        if self._looks is None:
            self._looks = Styles(self.visual_style, self.get_visual_style("journal--selected"))
        return self._looks

    def notify_style_update(self) -> None:
        """The theme or the focus has changed."""
        super().notify_style_update()
        self._looks = None
        self._epoch += 1

    # --- where the window may begin ---

    def _bottom(self) -> int:
        """The top of the last window: from there the last line is just seen."""
        return self._top_for(self.count - 1)

    def _top_for(self, place: int) -> int:
        """The first line of a window whose last one stands at a place."""
        height = self.size.height
        if not self.wrapping:
            return max(0, place - height + 1)
        used, top = 0, place + 1
        for at, rows in self._heights(place):
            used += rows
            if used > height and top <= place:
                break
            top = at
        return max(0, min(top, place))

    def _heights(self, place: int) -> Iterator[tuple[int, int]]:
        glance = self._glance
        start = max(0, place - self.size.height + 1)
        seen = self._told(start, place + 1)
        if glance is None:
            return
        lineup = Lineup(seen, glance, self._style(), None, self.room)
        numbered = zip(range(start + len(seen) - 1, start - 1, -1), reversed(seen), strict=True)
        for at, line in islice(numbered, self.size.height):
            yield at, len(lineup.wrapped(line, selected=False))

    # --- moving ---

    def select(self, place: int, *, middle: bool = False) -> None:
        """Select the line at a place, and scroll so that it is seen; follow no more."""
        if not self.count:
            return
        place = max(0, min(place, self.count - 1))
        self.follow = False
        self.cursor = self._line(place)
        top = self._top
        lowest = self._top_for(place)
        if middle and not lowest <= top <= place:
            top = place - self.size.height // 2
        self._offset = place - max(lowest, min(top, place))
        self.settle()
        self.post_message(self.Moved())

    def select_line(self, line: int) -> None:
        """Select a line of the journal by its number."""
        self.select(self._place(line), middle=True)
        self.cursor = line

    def scroll_lines(self, lines: int) -> None:
        """Move the window; the selected line is the nearest that is still seen."""
        self.show_from(self._top + lines)

    def show_from(self, top: int) -> None:
        """Let the window begin at a place."""
        bottom = self._bottom()
        if top > bottom and self._top >= bottom:
            self.action_follow()
            return
        if not self.count or max(0, min(top, bottom)) == self._top:
            return
        position = self.position
        self.follow = False
        self._top = max(0, min(top, bottom))
        last = self._top + self.size.height - 1
        while self.wrapping and last > self._top and self._top_for(last) > self._top:
            last -= 1
        position = max(self._top, min(position, last, self.count - 1))
        self.cursor = self._line(position)
        self._offset = position - self._top
        self.settle()
        self.post_message(self.Moved())

    def action_move(self, lines: int) -> None:
        """Select another line; from the last one downwards begins to follow."""
        position = self.position
        if lines > 0 and position >= self.count - 1:
            self.action_follow()
            return
        self.select(position + lines)

    def action_page(self, pages: float) -> None:
        """Select the line a page, or a part of it, up or down."""
        self.action_move(int(pages * max(1, self.size.height - 1)))

    def action_first(self) -> None:
        """Select the first line."""
        self.select(0)

    def action_follow(self) -> None:
        """Go to the last line, and stay at the last one."""
        self.follow = True
        self.settle()
        self.post_message(self.Moved())

    def action_sideways(self, way: int) -> None:
        """Show what is further right, or left."""
        if self.wrapping:
            return
        most = max(0, self._widest - self.room // 2)
        self._left = max(0, min(self._left + way * _SIDEWAYS, most))
        self.settle()

    def action_wrap(self) -> None:
        """Wrap long lines, or cut them."""
        self.wrapping = not self.wrapping
        self._left = 0
        self.settle()

    def action_open(self) -> None:
        """Ask for the selected line, whole."""
        if self.count:
            self.post_message(self.Opened())

    # --- the mouse, and what Textual would do by itself ---

    def on_resize(self) -> None:
        """The window has another height."""
        self.settle()

    def on_click(self, event: events.Click) -> None:
        """Select a line; twice: open it."""
        self._strips()
        if not 0 <= event.y < len(self._places):
            return
        event.stop()
        self.select(self._places[event.y])
        if event.chain == 2:
            self.action_open()

    def _on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        _ours(event)
        if event.shift or event.ctrl:
            self.action_sideways(-1)
        else:
            self.scroll_lines(-_WHEEL)

    def _on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        _ours(event)
        if event.shift or event.ctrl:
            self.action_sideways(1)
        else:
            self.scroll_lines(_WHEEL)

    def _on_mouse_scroll_left(self, event: events.MouseScrollLeft) -> None:
        _ours(event)
        self.action_sideways(-1)

    def _on_mouse_scroll_right(self, event: events.MouseScrollRight) -> None:
        _ours(event)
        self.action_sideways(1)

    def _on_scroll_to(self, message: ScrollTo) -> None:
        _ours(message)
        if message.y is not None:
            self.show_from(round(message.y))

    def _on_scroll_up(self, message: ScrollUp) -> None:
        _ours(message)
        self.scroll_lines(-max(1, self.size.height - 1))

    def _on_scroll_down(self, message: ScrollDown) -> None:
        _ours(message)
        self.scroll_lines(max(1, self.size.height - 1))


def _ours(message: Message) -> None:
    message.stop()
    message.prevent_default()
