"""One line of the journal as it stands in the list: what it says, and how it looks."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from functools import partial

import msgspec
from rich.segment import Segment
from rich.style import Style as RichStyle
from textual.strip import Strip
from textual.style import Style

from tui.glance import Glance
from tui.theme import BAD, BOLD, MUTED, SEVERITY, WARN
from tui.times import tell
from vsync_sm.core.finding import Finder
from vsync_sm.core.present import Severity, printable, sentence, severity
from vsync_sm.journal.pages import Pages, Row

LONGEST = 4096
"""So much of a sentence stands in the list."""

KEPT = 1024
"""So many lines are kept in short."""

_MUTED = 0.6
_TYPE_WIDE, _TYPE_NARROW, _WIDE = 24, 17, 110


class ToldLine(msgspec.Struct, frozen=True):
    """What one line says, in short."""

    line: int
    ts: str
    severity: Severity
    cycle: str
    type: str
    text: str


def told(row: Row) -> ToldLine:
    """What a row says; of a line that cannot be read, where and why."""
    record = row.record
    if record is None:
        begins = printable(row.raw[:120].decode("utf-8", "replace"))
        text = f"cannot be read, Enter opens it: {printable(str(row.error))} · it begins {begins}"
        return ToldLine(row.line, "", "error", "", "damaged line", text)
    return ToldLine(
        line=row.line,
        ts=record.ts,
        severity=severity(record.event),
        cycle="" if record.cycle is None else f"#{record.cycle}",
        type=printable(record.event.type),
        text=sentence(record)[:LONGEST],
    )


class Tellings:
    """What the lines say that were looked at last; of no more than `KEPT` of them."""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages
        self._kept: OrderedDict[int, ToldLine] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def clear(self) -> None:
        """The index has begun anew: all lines may be others."""
        self._kept.clear()

    def of(self, line: int) -> ToldLine:
        """What a line says, by its number."""
        known = self._kept.pop(line, None)
        if known is None:
            rows = self._pages.read(line, 1)
            if not rows:  # the index has begun anew this moment: the next look will tell
                return ToldLine(line, "", "debug", "", "", "…")
            known = told(rows[0])
        self._kept[line] = known
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return known


class Styles:
    """The styles of a list, put together once: the look of a word on the background of a row."""

    def __init__(self, normal: Style, selected: Style) -> None:
        self._base = {False: normal, True: selected}
        self._known: dict[tuple[str, bool], RichStyle] = {}

    def of(self, style: str, selected: bool = False) -> RichStyle:
        """A style by its words, on the background of the row."""
        key = (style, selected)
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = self._of(style, self._base[selected]).rich_style
        return known

    def _of(self, style: str, base: Style) -> Style:
        if style == MUTED and base.foreground is not None and base.background is not None:
            # Parsed from words it would lose its share, and be as bright as all else.
            return base + Style(foreground=base.background.blend(base.foreground, _MUTED))
        return base + Style.parse(style)


class Lineup:
    """Puts lines into columns: marker, time, glyph, cycle, type, sentence.

    Args:
        lines: those that are seen together, which decides how wide the columns are.
        glance: how times are told.
        styles: how things look.
        marks: what is searched for is marked; None: nothing.
        width: of the list, in cells.
    """

    def __init__(
        self,
        lines: Sequence[ToldLine],
        glance: Glance,
        styles: Styles,
        marks: Finder | None,
        width: int,
    ) -> None:
        self._styles = styles
        self._marks = marks
        self._width = width
        self._tell = partial(tell, times=glance.times, now=glance.now)
        self._times = {each.ts: self._tell(each.ts) if each.ts else "" for each in lines}
        self._time_width = max((len(each) for each in self._times.values()), default=0)
        self._cycle_width = max((len(each.cycle) for each in lines), default=0)
        self._type_width = _TYPE_WIDE if width >= _WIDE else _TYPE_NARROW

    def strip(self, line: ToldLine, *, selected: bool) -> Strip:
        """The whole line, however long."""
        return Strip.join([Strip(self._head(line, selected)), self._body(line, selected)])

    def wrapped(self, line: ToldLine, *, selected: bool) -> list[Strip]:
        """The line on as many rows of the screen as it needs."""
        head, body = Strip(self._head(line, selected)), self._body(line, selected)
        indent = head.cell_length if self._width - head.cell_length >= 20 else 2
        space = Strip([Segment(" " * indent, self._styles.of("", selected))])
        rows: list[Strip] = []
        at, before = 0, head
        while at < body.cell_length or not rows:
            room = max(1, self._width - before.cell_length)
            rows.append(Strip.join([before, body.crop(at, at + room)]))
            at, before = at + room, space
        return rows

    def _head(self, line: ToldLine, selected: bool) -> list[Segment]:
        look = SEVERITY[line.severity]
        of = self._styles.of
        plain, muted = of("", selected), of(MUTED, selected)
        kind = line.type
        if len(kind) > self._type_width:
            kind = kind[: self._type_width - 1] + "…"
        return [
            Segment("▶" if selected else " ", of(BOLD, selected)),
            Segment(self._times.get(line.ts, "").rjust(self._time_width), muted),
            Segment(" ", plain),
            Segment(look.glyph, of(look.style, selected)),
            Segment(f" {line.cycle.rjust(self._cycle_width)}", muted),
            Segment(" ", plain),
            *self._marked(kind, self._kind_style(line), selected),
            Segment(" " * (self._type_width - len(kind) + 1), plain),
        ]

    def _kind_style(self, line: ToldLine) -> str:
        return {"error": BAD, "warning": WARN}.get(line.severity, MUTED)

    def _body(self, line: ToldLine, selected: bool) -> Strip:
        style = SEVERITY[line.severity].style if line.severity == "error" else ""
        return Strip(self._marked(line.text, style, selected))

    def _marked(self, text: str, style: str, selected: bool) -> list[Segment]:
        plain = self._styles.of(style, selected)
        spans = self._marks.spans(text) if self._marks is not None else []
        if not spans:
            return [Segment(text, plain)]
        marked = self._styles.of("reverse bold", selected)
        parts: list[Segment] = []
        at = 0
        for start, end in spans:
            parts += [Segment(text[at:start], plain), Segment(text[start:end], marked)]
            at = end
        return [part for part in (*parts, Segment(text[at:], plain)) if part.text]
