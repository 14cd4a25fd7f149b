"""What all panels of lines have in common: a border with a title, lines that scroll, a cursor.

Only the lines in sight are drawn, and only those that have changed are drawn again, so a panel of
thousands of lines costs no more than one of twenty.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import ClassVar, NamedTuple

from rich.segment import Segment
from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.selection import Selection
from textual.strip import Strip
from textual.style import Style

from tui.glance import Glance
from vsync_sm.core.words import printable

Key = Hashable
GUTTER = "▶ "
PLAIN_GUTTER = "> "


class Line(NamedTuple):
    """One line: its content, or what makes it when it comes into sight; what it stands for.

    Lines with a key can be chosen; neighbours with the same key are one thing.
    """

    content: Content | Callable[[], Content]
    key: Key | None = None


class Rows:
    """All the lines of a panel. `head` stands above them and does not scroll."""

    def __init__(self, lines: Sequence[Line] = (), *, head: Content | None = None) -> None:
        self.lines = lines
        self.head = head
        self._stops: list[int] | None = None

    def __len__(self) -> int:
        return len(self.lines)

    @property
    def tops(self) -> int:
        """How many lines do not scroll."""
        return 0 if self.head is None else 1

    @property
    def stops(self) -> list[int]:
        """Where the cursor may stand: the first line of each thing."""
        if self._stops is None:
            self._stops = []
            last: Key | None = None
            for at, line in enumerate(self.lines):
                if line.key is not None and line.key != last:
                    self._stops.append(at)
                last = line.key
        return self._stops

    def content(self, at: int) -> Content:
        """A line as it looks."""
        made = self.lines[at].content
        return made if isinstance(made, Content) else made()

    def key(self, at: int) -> Key | None:
        """What a line stands for; None beyond the last."""
        return self.lines[at].key if 0 <= at < len(self.lines) else None

    def find(self, key: Key | None) -> int | None:
        """The first line that stands for this."""
        if key is None:
            return None
        return next((at for at in self.stops if self.lines[at].key == key), None)


class _Drawn(NamedTuple):
    content: Content
    chosen: bool


class PathKey(NamedTuple):
    """The key of a line that stands for a path; `where` tells it from others of the same path."""

    path: str
    where: tuple[int, str, int]


class PathChosen(Message):
    """Somebody wants to know more about a path."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = path


class Panel(ScrollView, can_focus=True):
    """Lines in a border. A panel says which, in `rows`; `CHOOSES` gives it a cursor."""

    TITLE: ClassVar[str] = ""
    CHOOSES: ClassVar[bool] = False
    COMPONENT_CLASSES: ClassVar[set[str]] = {"panel--cursor"}
    DEFAULT_CSS = """
    Panel {
        border: round $foreground 30%;
        border-title-color: $foreground;
        border-title-style: bold;
        border-subtitle-color: $text-muted;
        padding: 0 0 0 1;
        height: 1fr;
        overflow-x: hidden;
        overflow-y: auto;
        scrollbar-gutter: stable;
        scrollbar-size-vertical: 1;
        & > .panel--cursor { background: $foreground 8%; }
        &:focus { border: round $border; }
        &:focus > .panel--cursor { background: $primary 35%; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "scroll_down", "Down", show=False),
        Binding("k", "scroll_up", "Up", show=False),
        Binding("g", "scroll_home", "First", show=False),
        Binding("G", "scroll_end", "Last", show=False),
        Binding("ctrl+d,space", "page_down", "Page down", show=False),
        Binding("ctrl+u", "page_up", "Page up", show=False),
        Binding("enter", "choose", "Open", show=False),
    ]

    def __init__(
        self,
        *,
        title: str = "",
        id: str | None = None,  # noqa: A002  Textual's own name for it
        classes: str | None = None,
    ) -> None:
        super().__init__(id=id, classes=classes)
        self.border_title = Content(title or self.TITLE)
        self._glance: Glance | None = None
        self._rows = Rows()
        self._drawn: dict[int, _Drawn] = {}
        self._cursor: Key | None = None  # None: the first one, whatever it is
        self._cursor_at = 0
        self._unseen = False  # the look was given while there was no room for it

    # --- what a panel says ---

    def rows(self, glance: Glance, width: int) -> Rows:
        """All lines for this look, for a panel `width` cells wide."""
        raise NotImplementedError

    def chosen(self, key: Key) -> None:
        """Enter, or a click, on what `key` stands for."""

    # --- painting ---

    def paint(self, glance: Glance) -> None:
        """Show this look; what has not changed is not drawn again."""
        self._glance = glance
        self.repaint()

    def remember(self, glance: Glance) -> None:
        """The look to show when there is room for it."""
        self._glance = glance

    def repaint(self) -> None:
        """Show the last look again, perhaps otherwise than before."""
        self._unseen = self.room <= 0  # what is hidden has none
        if self._glance is not None and not self._unseen:
            self.show(self.rows(self._glance, self.room))

    def _size_updated(
        self, size: Size, virtual_size: Size, container_size: Size, layout: bool = True
    ) -> bool:
        updated = super()._size_updated(size, virtual_size, container_size, layout)
        if self._unseen:  # now, before anything is drawn: else it would be drawn twice
            self.repaint()
        return updated

    def on_resize(self) -> None:
        self._drawn.clear()
        self.repaint()

    @property
    def plain(self) -> bool:
        """Whether to draw without relying on colour."""
        return bool(self.app.no_color)

    @property
    def room(self) -> int:
        """How many cells a line may take."""
        return self.scrollable_content_region.width - (len(GUTTER) if self.CHOOSES else 0)

    @property
    def depth(self) -> int:
        """How many lines there is place for."""
        return self.scrollable_content_region.height

    def title(self, text: str, note: str = "") -> None:
        """Name the panel, and say more about it at its lower edge."""
        for name, said in (("border_title", printable(text)), ("border_subtitle", printable(note))):
            if getattr(self, name) != said:
                setattr(self, name, Content(said))

    def show(self, rows: Rows) -> None:
        """Show these lines; cursor and place are kept."""
        was, self._rows = self._rows, rows
        size = Size(self.scrollable_content_region.width, len(rows) + rows.tops)
        if size != self.virtual_size:
            self.virtual_size = size
            self._refresh_scrollbars()  # Textual itself does so only where the panel is resized
        if self.CHOOSES and rows is not was:
            self._keep_place(was)
        for y, drawn in list(self._drawn.items()):
            now = self._look(y)
            if now.chosen != drawn.chosen or not now.content.is_same(drawn.content):
                self.refresh_line(y + self.scroll_offset.y)

    def _keep_place(self, was: Rows) -> None:
        """What was in sight stays where it was, and the cursor on what it stands for."""
        top = self.scroll_offset.y
        anchor = next((stop for stop in was.stops if stop >= top), None)
        in_sight = self._in_sight(self._cursor_at)
        self._find_cursor()
        if top and anchor is not None:
            now = self._rows.find(was.key(anchor))
            if now is not None and now != anchor:
                self.scroll_to(y=top + now - anchor, animate=False, force=True)
        elif in_sight and self._cursor is not None:
            self._into_sight()

    def _find_cursor(self) -> None:
        stops = self._rows.stops
        at = self._rows.find(self._cursor)
        if at is None and self._cursor is not None and stops:  # gone: the next best
            at = max((stop for stop in stops if stop <= self._cursor_at), default=stops[0])
            self._cursor = self._rows.key(at)
        self._cursor_at = at if at is not None else (stops[0] if stops else 0)

    def _in_sight(self, at: int) -> bool:
        return 0 <= at - self.scroll_offset.y < self.depth - self._rows.tops

    def _look(self, y: int) -> _Drawn:
        rows = self._rows
        if rows.head is not None and y == 0:
            return _Drawn(rows.head, chosen=False)
        at = y + self.scroll_offset.y - rows.tops
        if not 0 <= at < len(rows):
            return _Drawn(Content(""), chosen=False)
        key = rows.key(at)
        chosen = self.CHOOSES and key is not None and key == rows.key(self._cursor_at)
        return _Drawn(rows.content(at), chosen)

    def render_line(self, y: int) -> Strip:
        """One line of the screen, from what is shown now."""
        look = self._drawn[y] = self._look(y)
        width = self.scrollable_content_region.width
        style = self.visual_style
        content = look.content
        if self.CHOOSES:
            content = Content.assemble(self._gutter(y, look), content)
        if look.chosen:
            style += self.get_visual_style("panel--cursor", partial=True)
        content = self._selected(content.truncate(width, ellipsis=True), y)
        strip = Strip(self._segments(content, style), content.cell_length)
        strip = strip.extend_cell_length(width, style.rich_style)
        return strip.apply_offsets(0, y + self.scroll_offset.y)

    def _gutter(self, y: int, look: _Drawn) -> str:
        first = y + self.scroll_offset.y - self._rows.tops == self._cursor_at
        if not look.chosen or not first:
            return " " * len(GUTTER)
        return PLAIN_GUTTER if self.plain else GUTTER

    def _segments(self, content: Content, style: Style) -> list[Segment]:
        return [
            Segment(text, (style + each).rich_style)
            for text, each in content.render(style, end="", parse_style=self._get_style)
        ]

    # --- marking with the mouse ---

    def _selected(self, content: Content, y: int) -> Content:
        selection = self.text_selection
        span = None if selection is None else selection.get_span(y + self.scroll_offset.y)
        if span is None:
            return content
        start, end = span
        style = Style.from_styles(self.screen.get_component_styles("screen--selection"))
        return content.stylize(style, start, len(content.plain) if end == -1 else end)

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        """The text under the mouse's mark."""
        rows = self._rows
        pad = " " * len(GUTTER) if self.CHOOSES else ""
        lines = [] if rows.head is None else [pad + rows.head.plain]
        lines += [pad + rows.content(at).plain for at in range(len(rows))]
        return selection.extract("\n".join(lines)), "\n"

    # --- moving ---

    @property
    def cursor(self) -> Key | None:
        """What the cursor stands on."""
        return self._rows.key(self._cursor_at) if self.CHOOSES else None

    def move_to(self, key: Key | None) -> None:
        """Put the cursor there; None: on the first, whatever it is."""
        self._cursor = key
        self._find_cursor()
        self._into_sight()
        self.refresh()
        self.moved()

    def moved(self) -> None:
        """The cursor stands elsewhere."""

    def _step(self, by: int) -> None:
        stops = self._rows.stops
        if not stops:
            return
        now = sum(1 for stop in stops if stop <= self._cursor_at) - 1
        to = min(max(now + by, 0), len(stops) - 1)
        # On the first one, newer ones push it on: it is "the newest" that was asked for.
        self.move_to(None if to == 0 else self._rows.key(stops[to]))

    def _into_sight(self) -> None:
        last = self._cursor_at
        while self._rows.key(last + 1) is not None and self._rows.key(last + 1) == self.cursor:
            last += 1
        room = self.depth - self._rows.tops
        top = self.scroll_offset.y
        first = 0 if self._rows.stops[:1] == [self._cursor_at] else self._cursor_at
        if first < top:
            self.scroll_to(y=first, animate=False, force=True)
        elif last >= top + room:
            self.scroll_to(y=min(self._cursor_at, last - room + 1), animate=False, force=True)

    def _moves(self) -> bool:
        return self.CHOOSES and bool(self._rows.stops)

    def action_scroll_down(self) -> None:
        stops = self._rows.stops if self.CHOOSES else []
        bottom = self.scroll_offset.y + self.depth - self._rows.tops - 1
        after = next((stop for stop in stops if stop > self._cursor_at), None)
        if after is None or self._cursor_at > bottom or after > bottom + 1:
            self.scroll_down(animate=False)  # what cannot be chosen is read on the way
        else:
            self._step(1)

    def action_scroll_up(self) -> None:
        stops = self._rows.stops if self.CHOOSES else []
        top = self.scroll_offset.y
        before = next((stop for stop in reversed(stops) if stop < self._cursor_at), None)
        if before is None or self._cursor_at < top or before < top - self.depth:
            self.scroll_up(animate=False)
        else:
            self._step(-1)

    def action_scroll_home(self) -> None:
        self._step(-len(self._rows)) if self._moves() else self.scroll_home(animate=False)

    def action_scroll_end(self) -> None:
        self._step(len(self._rows)) if self._moves() else self.scroll_end(animate=False)

    def action_page_down(self) -> None:
        self._step(self._page()) if self._moves() else self.scroll_page_down(animate=False)

    def action_page_up(self) -> None:
        self._step(-self._page()) if self._moves() else self.scroll_page_up(animate=False)

    def _page(self) -> int:
        shown = range(self.scroll_offset.y, self.scroll_offset.y + self.depth)
        return max(1, sum(1 for stop in self._rows.stops if stop in shown) - 1)

    def action_choose(self) -> None:
        """Open what the cursor stands on."""
        if (key := self.cursor) is not None:
            self._cursor = key
            self.chosen(key)

    def on_click(self, event: events.Click) -> None:
        """A click chooses, as Enter does."""
        offset = event.get_content_offset(self)
        if offset is None or not self.CHOOSES or offset.y < self._rows.tops:
            return
        key = self._rows.key(offset.y + self.scroll_offset.y - self._rows.tops)
        if key is not None:
            self.move_to(key)
            self.chosen(key)
