"""The cycle that goes on: how far, how fast, until when; or the last one, once it is over."""

from __future__ import annotations

from collections.abc import Iterator

from textual.content import Content

from tui.glance import Glance
from tui.theme import BAD, BOLD, MUTED, OUTCOME, WARN, Look
from tui.times import tell
from tui.widgets.bars import bar
from tui.widgets.marks import PRIMARY, counted, nothing, tallied, unsaved
from tui.widgets.panel import Line, Panel, Rows
from tui.widgets.text import flow, said
from tui.widgets.top import joined
from vsync_sm.core.answer import seconds_since
from vsync_sm.core.machine import State
from vsync_sm.core.outcome import is_complete
from vsync_sm.core.pace import Pace, pace, per_second
from vsync_sm.core.present import why
from vsync_sm.core.shapes import Cycle, Finished, View
from vsync_sm.core.words import count, counts, duration, listing, number, printable

UNKNOWN = Look("!", WARN)


class CyclePanel(Panel):
    """The running cycle, or the last finished one, which is said to be over."""

    TITLE = "cycle"

    def rows(self, glance: Glance, width: int) -> Rows:
        view = glance.view
        if view.cycle is not None:
            self.title(f"cycle {number(view.cycle.number)}", _standing(glance))
            lines = list(_running(view.cycle, glance, width, plain=self.plain))
        elif view.history:
            self.title("last cycle", "no cycle runs")
            lines = list(_over(view.history[-1], glance, width))
        else:
            self.title("cycle")
            lines = [nothing(_none(view))]
        return Rows([Line(line) for line in lines])


def _none(view: View) -> str:
    if view.run is None:
        return "no cycle yet: nothing has been told so far"
    if view.ended is not None:
        return "no cycle: the run is over, and it had none"
    return f"no cycle yet: the run is {printable(view.state.name)}"


def _standing(glance: Glance) -> str:
    if glance.view.ended is not None:
        return "cut short: the run is over"
    if glance.now.end:
        return "not over when the journal ends"
    return "as it was last told" if glance.stale else ""


# --- one that goes on ------------------------------------------------------------------------


def _running(cycle: Cycle, glance: Glance, width: int, *, plain: bool) -> Iterator[Content]:
    how = pace(cycle, glance.last)
    head, progress = _head(cycle, glance), Content(_progress(cycle, how))
    first = joined([head, progress], Content("  "))
    yield from [first] if first.cell_length <= width else flow([head, progress], width)
    yield bar(how.share or 0.0, width, PRIMARY, plain=plain)
    yield from flow(_speed(how, glance), width)
    yield from flow(_counts(cycle, how), width)
    yield from flow(_changes(cycle), width)
    yield from flow(_phases(cycle, glance), width)
    yield from flow(_about(cycle), width)


def _head(cycle: Cycle, glance: Glance) -> Content:
    """What it does; where it does nothing any more, how it ended."""
    phase = printable(cycle.phases[-1].name) if cycle.phases else "beginning"
    state = glance.view.state
    if state.name == State.aborted:
        reason = f": {why(state.reason)}" if state.reason else ""
        return Content.styled(f"! aborted while {phase}{reason}", f"bold {WARN}")
    if glance.view.ended is not None:
        return Content.styled(f"■ cut short while {phase}", f"bold {WARN}")
    return Content.styled(f"{'▶' if glance.known else '?'} {phase}", BOLD)


def _progress(cycle: Cycle, how: Pace) -> str:
    if how.listed is None:
        return f"{count(cycle.tally.folders, 'folder')} listed so far"
    # Rounded down: 100 % is said when all is done.
    share = f"{int((how.share or 0.0) * 100)} %  " if how.listed else ""
    return f"{share}{number(how.done)} of {count(how.listed, 'path')}"


def _speed(how: Pace, glance: Glance) -> Iterator[Content]:
    if not glance.known or glance.view.state.name == State.aborted:
        until = " so far" if glance.known else " until then"
        yield Content.assemble((duration(how.took_s), BOLD), until)
        return
    if how.stall is not None:
        yield Content.styled(f"! {how.stall.words}", WARN)
    if how.rate is not None:
        rate, unit = per_second(how.rate).split(" ", 1)
        yield Content.assemble((rate, BOLD), f" {unit}")
    if how.eta_s:
        yield Content.assemble((duration(how.eta_s), BOLD), " to go")
    yield Content.assemble((duration(how.took_s), BOLD), " so far")
    if how.deadline_left_s:
        yield Content.assemble((duration(how.deadline_left_s), BOLD), " until its deadline")
    else:
        yield Content.styled("! its deadline has passed", WARN)


def _counts(cycle: Cycle, how: Pace) -> Iterator[Content]:
    tally = cycle.tally
    if how.listed is not None:
        yield counted(how.listed, "listed")
    yield counted(how.done, "done")
    yield counted(tally.failed, "failed", BAD)
    yield counted(tally.carried, "carried forward", WARN)
    yield counted(tally.skipped, "skipped")
    if tally.retries:
        yield counted(tally.retries, "tried again", WARN)
    if tally.abandoned:
        yield counted(tally.abandoned, "abandoned", WARN)


def _changes(cycle: Cycle) -> list[Content]:
    tally = cycle.tally
    told = tallied({"added": tally.added, "updated": tally.updated}, zero=True)
    told += tallied({"vanished": tally.vanished, "regressed": tally.regressed})
    buckets = [counted(tally.buckets, "buckets differ")] if tally.buckets else []
    return [*told, *buckets]


def _phases(cycle: Cycle, glance: Glance) -> Iterator[Content]:
    for phase in cycle.phases:
        if phase.seconds is None:
            took = duration(seconds_since(phase.since.mono, glance.last))
            until = " so far" if glance.known else " until then"
            yield Content.assemble((f"{phase.name} {took}", BOLD), (until, MUTED))
        else:
            yield Content(f"{phase.name} {duration(phase.seconds)}")


def _about(cycle: Cycle) -> Iterator[Content]:
    asked = "the tick" if cycle.asked == "tick" else f"a {cycle.asked}"
    yield said(f"asked for by {asked}", MUTED)
    mounts = counts(cycle.by_mount) if cycle.by_mount else listing(list(cycle.mounts))
    yield said(mounts, MUTED)
    yield said(count(cycle.num_buckets, "bucket"), MUTED)


# --- one that is over ------------------------------------------------------------------------


def _over(last: Finished, glance: Glance, width: int) -> Iterator[Content]:
    facts = last.facts
    look = OUTCOME.get(facts.outcome, UNKNOWN)
    when = tell(last.finished, glance.times, glance.now)
    reason = f" because {why(facts.reason)}" if facts.outcome == "aborted" else ""
    head = f"{look.glyph} cycle {number(last.number)} is over: {facts.outcome}{reason}"
    yield from flow([said(head, look.style), Content.styled(when, MUTED)], width)
    yield from flow(_over_counts(last), width)
    changes = {name: getattr(facts, name) for name in ("added", "updated", "vanished", "regressed")}
    if told := tallied(changes):
        yield from flow([*told, *unsaved(facts.outcome)], width)
    elif is_complete(facts.outcome):
        yield nothing("no path changed")
    yield from flow(_over_times(last), width)


def _over_counts(last: Finished) -> Iterator[Content]:
    facts = last.facts
    yield counted(facts.listed, "listed")
    yield counted(facts.generated + facts.skipped + facts.failed, "done")
    yield counted(facts.failed, "failed", BAD)
    yield counted(facts.carried, "carried forward", WARN)
    yield counted(facts.skipped, "skipped")
    for name in ("abandoned", "unsent"):
        if n := getattr(facts, name):
            yield counted(n, name, WARN)


def _over_times(last: Finished) -> Iterator[Content]:
    yield Content.assemble("took ", (duration(last.seconds), BOLD))
    for name, seconds in last.facts.phases.items():
        yield said(f"{name} {duration(seconds)}", MUTED)
