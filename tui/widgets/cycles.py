"""The history of cycles, the newest first; and where the time of one went."""

from __future__ import annotations

from collections.abc import Iterator

from textual.content import Content

from tui.glance import Glance
from tui.theme import BAD, BOLD, MUTED, OUTCOME, WARN, Look
from tui.times import tell
from tui.widgets.bars import Part, stacked
from tui.widgets.browse import Browse
from tui.widgets.changes import path_lines
from tui.widgets.faults import fault_lines
from tui.widgets.marks import CHANGE, counted, nothing, phase_look, tallied, unsaved
from tui.widgets.panel import Key, Line, Rows
from tui.widgets.table import Cell, Column, Table
from tui.widgets.text import flow, folded, said
from vsync_sm.core.insight import moment
from vsync_sm.core.present import why
from vsync_sm.core.shapes import Crash, Finished, View
from vsync_sm.core.view import KEPT
from vsync_sm.core.words import count, duration, number, share

EMPTY = "no cycle has ended yet"
CRASHED = Look("✖", f"bold {BAD}")
UNKNOWN = Look("!", WARN)

_COLUMNS = (
    Column("outcome", 11, 0),
    Column("cycle", 6, 1, right=True),
    Column("began", 14, 3, right=True),
    Column("took", 10, 2, right=True),
    Column("listed", 8, 5, right=True),
    Column("changed", 12, 4),
    Column("failed", 6, 6, right=True),
    Column("why", 11, 7, grows=True),
)


class CyclesPanel(Browse):
    """Each cycle a line; Enter opens one. Runs that crashed stand among them."""

    TITLE = "cycles"

    def listed(self, glance: Glance, width: int) -> Rows:
        view = glance.view
        ended = _ended(view)
        known = _known(view)
        self.list.title("cycles", known)
        if not ended:
            return Rows([Line(nothing(EMPTY))])
        table = Table(_COLUMNS, width)
        lines = [Line(_row(table, each, glance), _key(each)) for each in ended]
        return Rows(lines, head=table.head)

    def told(self, glance: Glance, width: int) -> Rows:
        at = self.list.cursor
        one = next((each for each in _ended(glance.view) if _key(each) == at), None)
        if one is None:
            return Rows()
        if isinstance(one, Crash):
            self.detail.title(f"crash of run {one.run}")
            return Rows([Line(line) for line in _crash(one, glance, width)])
        self.detail.title(f"cycle {number(one.number)}")
        return Rows(list(_whole(one, glance, width, plain=self.app.no_color)))


def _ended(view: View) -> list[Finished | Crash]:
    """Cycles and crashes, the newest first. A crash is dated by the run that found it."""
    ended: list[Finished | Crash] = [*view.history, *view.last_crashes]
    ended.sort(key=_when, reverse=True)
    return ended


def _when(one: Finished | Crash) -> int:
    return moment(one.ts if isinstance(one, Crash) else one.finished)


def _key(one: Finished | Crash) -> Key:
    return ("crash", one.run) if isinstance(one, Crash) else ("cycle", one.number, one.run)


def _known(view: View) -> str:
    total = sum(view.outcomes.__getattribute__(name) for name in view.outcomes.__struct_fields__)
    return f"the last {number(KEPT)} of {number(total)}" if len(view.history) >= KEPT else ""


# --- the list --------------------------------------------------------------------------------


def _row(table: Table, one: Finished | Crash, glance: Glance) -> Content:
    if isinstance(one, Crash):
        return table.row(_crash_cells(one, glance, table.width("why")))
    facts = one.facts
    look = OUTCOME.get(facts.outcome, UNKNOWN)
    cells: dict[str, Cell | Content] = {
        "outcome": (f"{look.glyph} {facts.outcome}", look.style),
        "cycle": (number(one.number), BOLD),
        "began": (tell(one.started, glance.times, glance.now), ""),
        "took": (duration(one.seconds), ""),
        "listed": (number(facts.listed), ""),
        "changed": _changed(one, table.width("changed"), apart=bool(table.width("failed"))),
        "failed": (number(facts.failed), BAD if facts.failed else MUTED),
        "why": _reason(facts.reason, table.width("why")),
    }
    return table.row(cells)


def _changed(one: Finished, width: int, *, apart: bool) -> Content:
    # The gravest first, since not all may fit; failures have a column of their own only where
    # there is room for it.
    facts = one.facts
    told = [
        Content.styled(f"{CHANGE[name].glyph}{number(n)}", CHANGE[name].style)
        for name in ("failed", "vanished", "regressed", "added", "updated")
        if (n := getattr(facts, name)) and not (name == "failed" and apart)
    ]
    lines = flow(told, width, gap=1) if told else [Content("")]
    if len(lines) > 1:
        more = " …"
        lines = [flow(told, width - len(more), gap=1)[0] + more]
    return lines[0].truncate(width, ellipsis=True, pad=True)


def _reason(reason: str, width: int) -> Cell:
    return (_fits(why(reason), reason, width) if reason else "", MUTED)


def _fits(words: str, short: str, width: int) -> str:
    return words if len(words) <= width else short


def _crash_cells(one: Crash, glance: Glance, width: int) -> dict[str, Cell | Content]:
    return {
        "outcome": (f"{CRASHED.glyph} crashed", CRASHED.style),
        "cycle": ("" if one.cycle is None else number(one.cycle), BOLD),
        "began": (tell(one.ts, glance.times, glance.now), MUTED),
        "why": (_fits(_crash_words(one), f"in {one.state}", width), MUTED),
    }


def _crash_words(one: Crash) -> str:
    save = ", with a save open" if one.save else ""
    return f"the run ended without a word in {one.state}{save}"


# --- one of them -----------------------------------------------------------------------------


def _crash(one: Crash, glance: Glance, width: int) -> Iterator[Content]:
    words = f"{CRASHED.glyph} {_crash_words(one)}"
    yield from folded(said(words, CRASHED.style), width, indent=2)
    when = tell(one.ts, glance.times, glance.now)
    yield from folded(said(f"the next run found it so: {when}"), width)
    if one.cycle is not None:
        yield from folded(said(f"it was in cycle {number(one.cycle)}"), width)
    if one.save:
        words = "a save was open: the next run's first read of Consul settled how it ended"
        yield from folded(said(words), width)


def _whole(one: Finished, glance: Glance, width: int, *, plain: bool) -> Iterator[Line]:
    facts = one.facts
    for line in _head(one, glance, width):
        yield Line(line)
    for line in where_the_time_went(facts.phases, width, plain=plain):
        yield Line(line)
    yield Line(Content(""))
    asked = f"{number(facts.requests.vault)} to Vault, {number(facts.requests.consul)} to Consul"
    yield Line(Content.assemble(("requests  ", BOLD), asked))
    for fault in one.faults:
        yield Line(Content(""))
        yield from (Line(line) for line in fault_lines(fault, width))
    yield from _paths(one, width)


def _head(one: Finished, glance: Glance, width: int) -> Iterator[Content]:
    facts = one.facts
    look = OUTCOME.get(facts.outcome, UNKNOWN)
    because = f" because {why(facts.reason)}" if facts.reason else ""
    yield from folded(said(f"{look.glyph} {facts.outcome}{because}", look.style), width, indent=2)
    asked = "the tick" if one.asked == "tick" else f"a {one.asked}"
    began = tell(one.started, glance.times, glance.now)
    pieces = [
        said(f"began {began}"),
        said(f"took {duration(one.seconds)}"),
        said(f"asked for by {asked}", MUTED),
        said(f"run {one.run}", MUTED),
    ]
    yield from flow(pieces, width)
    pieces = [counted(facts.listed, "listed"), counted(facts.generated, "read")]
    for name, style in (
        ("failed", BAD),
        ("carried", WARN),
        ("skipped", ""),
        ("abandoned", WARN),
        ("unsent", WARN),
    ):
        if n := getattr(facts, name):
            pieces.append(counted(n, name, style))
    yield from flow(pieces, width)
    yield Content("")


def where_the_time_went(phases: dict[str, float], width: int, *, plain: bool) -> list[Content]:
    """The phases as one bar and its legend."""
    whole = sum(phases.values())
    if not whole:
        return [nothing("no phase took any time")]
    parts = []
    legend = []
    for name, seconds in phases.items():
        look = phase_look(name)
        glyph = look.letter if plain else look.glyph
        parts.append(Part(seconds, glyph, look.style))
        words = f"{name} {duration(seconds)} ({_part(seconds / whole)})"
        legend.append(Content.assemble((glyph * 2, look.style), " ", said(words)))
    return [stacked(parts, width), *flow(legend, width)]


def _part(fraction: float) -> str:
    # A phase that took time took some of it.
    return share(round(fraction, 2)) if fraction >= 0.01 else "< 1 %"


def _paths(one: Finished, width: int) -> Iterator[Line]:
    facts = one.facts
    kinds = ("added", "updated", "vanished", "regressed", "carried")
    totals = {kind: getattr(facts, kind) for kind in kinds}
    if any(totals.values()) or one.changes.failed:
        yield Line(Content(""))
        yield from (Line(line) for line in flow([*tallied(totals), *unsaved(facts.outcome)], width))
    for each in one.changes.failed:
        told = Content.assemble(
            "  ", (CHANGE["failed"].glyph, BAD), " ", said(f"{each.path}: {each.message}")
        )
        yield from (Line(line) for line in folded(told, width, indent=4))
    if facts.failed > len(one.changes.failed):
        words = f"{number(len(one.changes.failed))} of {count(facts.failed, 'failed path')} shown"
        yield Line(said(f"  {words}", MUTED))
    yield from path_lines(one.changes, totals, one.number, width)
