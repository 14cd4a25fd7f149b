"""The buckets as this journal's saves told of them: entries, size against Consul's limit, age."""

from __future__ import annotations

from enum import StrEnum
from functools import partial
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content

from tui.glance import Glance
from tui.theme import BAD, WARN
from tui.times import tell
from tui.widgets.bars import bar
from tui.widgets.marks import PRIMARY, nothing
from tui.widgets.panel import Line, Panel, Rows
from tui.widgets.table import Column, Table
from vsync_sm.core.insight import moment
from vsync_sm.core.shapes import BucketSeen
from vsync_sm.core.words import number, size

EMPTY = "no bucket yet: no save in this journal has told of one"
WARN_AT = 0.8
"""From this share of Consul's limit on, a bucket stands out."""

_LIMIT = 524288


class Order(StrEnum):
    """What the buckets are sorted by."""

    number = "number"
    size = "size"
    newest = "newest change"

    def after(self) -> Order:
        """The next one, in a circle."""
        orders = list(Order)
        return orders[(orders.index(self) + 1) % len(orders)]


class BucketsPanel(Panel):
    """All buckets known, a line each."""

    TITLE = "buckets"
    CHOOSES = True
    BINDINGS: ClassVar[list[BindingType]] = [Binding("o", "order", "Order")]

    def __init__(
        self,
        *,
        id: str | None = None,  # noqa: A002  Textual's own name for it
        classes: str | None = None,
    ) -> None:
        super().__init__(id=id, classes=classes)
        self.order = Order.number
        self._of: dict[int, BucketSeen] | None = None
        self._made: tuple[object, ...] = ()
        self._all = Rows()

    def rows(self, glance: Glance, width: int) -> Rows:
        view = glance.view
        known = view.buckets
        if not known:
            self.title("buckets")
            return Rows([Line(nothing(EMPTY))])
        limit = view.run.value_limit_bytes if view.run is not None else _LIMIT
        made = (limit, width, self.order, view.num_buckets)
        if known is not self._of or made != self._made:
            self._of, self._made = known, made
            self._all = self._sorted(known, limit, width)
            self._entitle(known, limit, view.num_buckets)
        return self._all

    def action_order(self) -> None:
        """Sort by something else."""
        self.order = self.order.after()
        self.repaint()
        self.move_to(None)

    def _entitle(self, known: dict[int, BucketSeen], limit: int, of: int) -> None:
        full = sum(1 for each in known.values() if each.size_bytes >= WARN_AT * limit)
        warning = f"  ! {number(full)} nearly full" if full else ""
        self.title(f"buckets by {self.order}{warning}", _known(len(known), of, limit))

    def _sorted(self, known: dict[int, BucketSeen], limit: int, width: int) -> Rows:
        table = Table(_COLUMNS, width)
        numbers = _ordered(known, self.order)
        lines = [Line(partial(self._line, table, n, known[n], limit), n) for n in numbers]
        return Rows(lines, head=table.head)

    def _line(self, table: Table, n: int, seen: BucketSeen, limit: int) -> Content:
        share = seen.size_bytes / limit if limit else 1.0
        glyph, style = _warns(share)
        glance = self._glance
        when = "" if glance is None else tell(seen.ts, glance.times, glance.now)
        drawn = bar(share, table.width("of limit"), style or PRIMARY, plain=self.plain)
        return table.row(
            {
                " ": (glyph, style),
                "bucket": (number(n), style),
                "entries": (number(seen.insights), ""),
                "size": (size(seen.size_bytes), style),
                "%": (_percent(seen.size_bytes, limit), style),
                "of limit": drawn,
                "changed": (when, ""),
                "in cycle": (number(seen.cycle), ""),
            }
        )


_COLUMNS = (
    Column(" ", 1, 0),
    Column("bucket", 6, 1, right=True),
    Column("entries", 7, 5, right=True),
    Column("size", 11, 2, right=True),
    Column("%", 5, 3, right=True),
    Column("of limit", 8, 4, grows=True),
    Column("changed", 14, 6, right=True),
    Column("in cycle", 8, 7, right=True),
)


def _ordered(known: dict[int, BucketSeen], order: Order) -> list[int]:
    if order is Order.size:
        return sorted(known, key=lambda n: (-known[n].size_bytes, n))
    if order is Order.newest:
        return sorted(known, key=lambda n: (-moment(known[n].ts), n))
    return sorted(known)


def _known(known: int, of: int, limit: int) -> str:
    rest = f"{number(known)} of {number(of)} known from this journal's saves"
    return f"{rest}; limit {size(limit)}"


def _percent(size_bytes: int, limit: int) -> str:
    """Of the size as it is shown, so that equal ones are equal; a mark only once it is reached."""
    shown = round(size_bytes / 1024, 1) * 1024 if size_bytes >= 1024 else size_bytes
    percent = int(shown / limit * 100) if limit else 100
    for mark in (1.0, WARN_AT):
        if size_bytes < mark * limit:
            percent = min(percent, round(mark * 100) - 1)
    return f"{percent} %" if percent else "< 1 %"


def _warns(share: float) -> tuple[str, str]:
    if share >= 1:
        return "✖", f"bold {BAD}"
    return ("!", f"bold {WARN}") if share >= WARN_AT else (" ", "")
