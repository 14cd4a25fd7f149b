"""The workers: what each is at, for how long, and which of them hang."""

from __future__ import annotations

from collections.abc import Iterator

from textual.content import Content

from tui.glance import Glance
from tui.theme import BAD, BOLD, MUTED, WARN
from tui.widgets.marks import counted, nothing
from tui.widgets.panel import Line, Panel, Rows
from tui.widgets.text import fitted, flow, folded, shorten
from vsync_sm.core.answer import Now, seconds_since
from vsync_sm.core.machine import State
from vsync_sm.core.shapes import View, Worker
from vsync_sm.core.words import count, duration, number

STUCK_S = 5.0
"""So long on one path, and a worker stands out."""

_TIME = 6  # cells of a short time; a long one takes what it needs
_DONE = 14


class WorkersPanel(Panel):
    """Each worker: its path, its count, its errors, its time on this path."""

    TITLE = "workers"

    def rows(self, glance: Glance, width: int) -> Rows:
        cycle = glance.view.cycle
        workers = cycle.workers if cycle is not None else ()
        if not workers:
            self.title("workers")
            return Rows([Line(line) for line in folded(nothing(_none(glance.view)), width)])
        self.title(f"workers {len(workers)}")
        held = {each.number: _held(each, glance.last) for each in workers}
        lines = flow(_summary(workers, held), width)
        lines += _each(workers, held, width, self.depth - len(lines))
        return Rows([Line(line) for line in lines])


def workers_gist(glance: Glance, width: int) -> list[Content]:
    """One line for all of them, then one for each that hangs, the longest first."""
    cycle = glance.view.cycle
    workers = cycle.workers if cycle is not None else ()
    if not workers:
        return [nothing(_none(glance.view)).truncate(width, ellipsis=True)]
    held = {each.number: _held(each, glance.last) for each in workers}
    stuck = _stuck(workers, held)
    span = _span(held)
    return [
        flow(_summary(workers, held), width)[0],
        *(_line(each, held[each.number], width, span) for each in stuck),
    ]


def _none(view: View) -> str:
    if view.cycle is not None and view.state.name == State.listing:
        return "no workers yet: they begin when all paths are listed"
    return "no workers: no cycle is working"


def _held(worker: Worker, now: Now) -> float:
    return seconds_since(worker.since, now) if worker.path else 0.0


def _summary(workers: tuple[Worker, ...], held: dict[int, float]) -> Iterator[Content]:
    stuck = sum(1 for seconds in held.values() if seconds > STUCK_S)
    left = sum(1 for each in workers if each.abandoned)
    busy = sum(1 for each in workers if each.path)
    stopped = sum(1 for each in workers if each.stopped and not each.abandoned)
    idle = len(workers) - busy - left - stopped
    if stuck:
        words = f"! {number(stuck)} longer than {duration(STUCK_S)} on one path"
        yield Content.styled(words, f"bold {WARN}")
    for n, name, style in (
        (busy, "busy", ""),
        (idle, "idle", ""),
        (stopped, "stopped", ""),
        (left, "left behind", BAD),
    ):
        if n:
            yield counted(n, name, style)
    yield Content.styled(count(sum(each.paths for each in workers), "path"), MUTED)
    if failures := sum(each.failures for each in workers):
        yield Content.styled(f"✖ {number(failures)} failed", BAD)


def _each(
    workers: tuple[Worker, ...], held: dict[int, float], width: int, depth: int
) -> list[Content]:
    """A line each: the stuck ones on top; the idle ones share one where there is no room."""
    stuck = _stuck(workers, held)
    others = [each for each in workers if held[each.number] <= STUCK_S]
    rest: list[Worker] = []
    if len(workers) > depth:
        rest = [each for each in others if not each.path and not each.abandoned]
        others = [each for each in others if each.path or each.abandoned]
    span = _span(held)
    lines = [_line(each, held[each.number], width, span) for each in (*stuck, *others)]
    if rest:
        words = f"· not busy: {_numbers(rest)}"
        lines.append(Content.styled(shorten(words, width), MUTED))
    return lines


def _stuck(workers: tuple[Worker, ...], held: dict[int, float]) -> list[Worker]:
    stuck = (each for each in workers if held[each.number] > STUCK_S)
    return sorted(stuck, key=lambda each: -held[each.number])


def _span(held: dict[int, float]) -> int:
    """How many cells the times take: all as many as the longest, so that they stand in a column."""
    return max((len(_time(seconds)) for seconds in held.values()), default=0)


def _line(worker: Worker, seconds: float, width: int, span: int) -> Content:
    glyph, style, what = _doing(worker, seconds)
    time = _time(seconds) if worker.path else ""
    done = f"{number(worker.paths)} done"
    errors = f"✖ {number(worker.failures)}" if worker.failures else ""
    wide = width >= 60
    span = max(span, _TIME)
    tail = f" {fitted(done, _DONE, right=True)}" if wide else ""
    room = max(4, width - 6 - len(tail) - span - 1 - 6)
    return Content.assemble(
        (f"{glyph} {worker.number:>3} ", style or BOLD),
        (fitted(what, room), style if worker.path else (style or MUTED)),
        (f" {fitted(time, span, right=True)}", style),
        (tail, MUTED),
        (f" {errors:<5}", BAD),
    )


def _doing(worker: Worker, seconds: float) -> tuple[str, str, str]:
    if worker.abandoned:
        return "✖", BAD, "left behind: it did not come back"
    if worker.stopped:
        return "·", MUTED, "stopped"
    if not worker.path:
        return "·", MUTED, "idle"
    if seconds > STUCK_S:
        return "!", f"bold {WARN}", worker.path
    return "▶", "", worker.path


def _time(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 59.95 else duration(round(seconds))


def _numbers(workers: list[Worker]) -> str:
    """`1 to 5, 9`."""
    runs: list[list[int]] = []
    for each in sorted(worker.number for worker in workers):
        if runs and runs[-1][-1] == each - 1:
            runs[-1] = [runs[-1][0], each]
        else:
            runs.append([each])
    return ", ".join(" to ".join(map(str, run)) for run in runs)
