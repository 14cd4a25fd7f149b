"""Faults, the newest first: what is one trouble is told once, with what to do about it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from textual.content import Content

from tui.glance import Glance
from tui.theme import BAD, BOLD, MUTED, WARN
from tui.times import tell
from tui.widgets.browse import Browse
from tui.widgets.marks import hint, nothing
from tui.widgets.panel import Line, Rows
from tui.widgets.text import folded, said
from vsync_sm.core.events import FaultRaised
from vsync_sm.core.grouping import FaultGroup, grouped, shape
from vsync_sm.core.shapes import SeenFault
from vsync_sm.core.view import KEPT
from vsync_sm.core.words import count, listing, number

EMPTY = "no fault in the runs that this journal knows"


class FaultsPanel(Browse):
    """Faults in groups; Enter opens one whole. `brief`: the newest in a few lines."""

    TITLE = "faults"

    def __init__(
        self,
        brief: bool = False,
        *,
        id: str | None = None,  # noqa: A002  Textual's own name for it
        classes: str | None = None,
    ) -> None:
        super().__init__(opens=not brief, id=id, classes=classes)
        self._of: tuple[SeenFault, ...] = ()
        self._groups: tuple[FaultGroup, ...] = ()

    def listed(self, glance: Glance, width: int) -> Rows:
        groups = self._grouped(glance)
        self.list.title(f"faults {_total(glance)}".rstrip(), _memory(glance))
        if not groups:
            return Rows([Line(line) for line in folded(nothing(EMPTY), width)])
        if not self._opens:
            return Rows(list(_fitting(groups, glance, width, self.list.depth)))
        return Rows([line for group in groups for line in _short(group, glance, width)])

    def told(self, glance: Glance, width: int) -> Rows:
        at = self.list.cursor
        group = next((each for each in self._grouped(glance) if _key(each) == at), None)
        if group is None:
            return Rows()
        self.detail.title(group.newest.event.kind)
        return Rows([Line(line) for line in _whole(group, glance, width)])

    def _grouped(self, glance: Glance) -> tuple[FaultGroup, ...]:
        if glance.view.faults is not self._of:
            self._of = glance.view.faults
            self._groups = grouped(self._of)
        return self._groups


def _key(group: FaultGroup) -> tuple[str, bool, str]:
    event = group.newest.event
    return event.kind, event.fatal, shape(event.message)


def _total(glance: Glance) -> str:
    return number(len(glance.view.faults)) if glance.view.faults else ""


def _memory(glance: Glance) -> str:
    full = len(glance.view.faults) >= KEPT
    return f"the last {number(KEPT)}; the journal has all" if full else ""


def _mark(event: FaultRaised) -> tuple[str, str]:
    return ("✖ FATAL ", f"bold {BAD}") if event.fatal else ("! ", WARN)


def fault_lines(event: FaultRaised, width: int) -> list[Content]:
    """A fault with its hint and its context, in as many lines as they need."""
    what = Content.assemble(_mark(event), said(f"{event.kind}: ", BOLD), said(event.message))
    lines = folded(what, width, indent=2)
    if event.hint:
        lines += folded(hint(event.hint).pad_left(2), width, indent=4)
    if event.context:
        told = ", ".join(f"{name} {value}" for name, value in event.context.items())
        lines += folded(said(told, MUTED).pad_left(2), width, indent=2)
    return lines


def _short(group: FaultGroup, glance: Glance, width: int) -> Iterator[Line]:
    key, event = _key(group), group.newest.event
    when = tell(group.newest.ts, glance.times, glance.now)
    times = f"{number(group.count)} times, last " if group.count > 1 else ""
    for line in fault_lines(event, width):
        yield Line(line, key)
    where = f", {_cycles(group)}" if group.cycles else ""
    yield Line(said(f"  {times}{when}{where}", MUTED), key)


def _fitting(
    groups: Sequence[FaultGroup], glance: Glance, width: int, depth: int
) -> Iterator[Line]:
    """All in brief; the newest whole, as far as `depth` lines have room for it."""
    told = [list(_brief(group, glance, width)) for group in groups]
    spare = depth - sum(map(len, told))
    for at, group in enumerate(groups):
        whole = list(_brief(group, glance, width, whole=True))
        spare -= len(whole) - len(told[at])
        if spare < 0:
            break
        told[at] = whole
    for lines in told:
        yield from lines


def _brief(group: FaultGroup, glance: Glance, width: int, *, whole: bool = False) -> Iterator[Line]:
    event = group.newest.event
    when = said(tell(group.newest.ts, glance.times, glance.now), MUTED)
    times = said(f"{number(group.count)} times ", MUTED) if group.count > 1 else ""
    words = Content.assemble(_mark(event), said(f"{event.kind}: ", BOLD), said(event.message))
    room = width - when.cell_length - len(times) - 1
    first, *more = folded(words, width, indent=2, beside=width - room) if whole else [words]
    yield Line(Content.assemble(first.truncate(room, ellipsis=True, pad=True), " ", times, when))
    yield from map(Line, more)
    if event.hint:
        told = hint(event.hint).pad_left(2)
        cut = [told.truncate(width, ellipsis=True)]
        yield from map(Line, folded(told, width, indent=4) if whole else cut)


def faults_gist(glance: Glance, width: int) -> list[Content]:
    """The newest fault, and what to do about it."""
    newest = grouped(glance.view.faults)[:1]
    if not newest:
        return [nothing(EMPTY)]
    rows = Rows(list(_brief(newest[0], glance, width)))
    return [rows.content(at) for at in range(len(rows))]


def _cycles(group: FaultGroup) -> str:
    newest = [number(each) for each in reversed(group.cycles)]
    return f"cycle{'s' if len(newest) > 1 else ''} {listing(newest)}"


def _whole(group: FaultGroup, glance: Glance, width: int) -> Iterator[Content]:
    seen = group.newest
    event = seen.event
    yield Content.assemble(_mark(event), said(event.kind, BOLD))
    yield from folded(said(event.message), width)
    yield Content("")
    if event.hint:
        yield from folded(hint(event.hint), width, indent=2)
        yield Content("")
    for name, value in event.context.items():
        yield from folded(Content.assemble(said(f"{name} ", MUTED), said(value)), width, indent=2)
    yield from _seen(group, glance)


def _seen(group: FaultGroup, glance: Glance) -> Iterator[Content]:
    def when(seen: SeenFault) -> Content:
        return said(tell(seen.ts, glance.times, glance.now))

    if group.count > 1:
        yield Content.assemble(("seen ", MUTED), count(group.count, "time"))
        yield Content.assemble(("first ", MUTED), when(group.first))
        yield Content.assemble(("last ", MUTED), when(group.newest))
    else:
        yield Content.assemble(("seen ", MUTED), when(group.newest))
    if group.cycles:
        yield Content.assemble(("in ", MUTED), _cycles(group))
    yield Content.assemble(("run ", MUTED), said(group.newest.run))
