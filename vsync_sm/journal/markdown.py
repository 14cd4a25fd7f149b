"""A post-mortem as Markdown, to be pasted where people write theirs."""

from __future__ import annotations

from collections.abc import Iterator

import vsync_sm
from vsync_sm.core import events as e
from vsync_sm.core.commands import paused
from vsync_sm.core.markdown import cells, code, escaped
from vsync_sm.core.present import count, duration, listing, number, rules, sentence, severity, why
from vsync_sm.journal.postmortem import Crashed, FaultSeen, Postmortem, RefusalSeen, Row, Stretch
from vsync_sm.journal.story import CycleTold, Damage, Resumed, RunHead, RunTail, Told
from vsync_sm.journal.summary import Summary, ended, how_often
from vsync_sm.journal.telling import EARLY, behind

_PHASES = ("listing", "working", "reindexing", "saving")


def markdown(told: Postmortem, *, journal: str) -> Iterator[str]:
    """The whole page, in chunks of whole lines.

    Args:
        told: having read its records.
        journal: what the journal is called, for the section on how the page was made.
    """
    if told.first is None or told.last is None:
        if told.damage is not None:
            yield f"# vsync: nothing can be read\n\n{_damaged(told.damage)}\n"
        else:
            yield "# vsync: nothing has happened yet\n\nThe journal is empty.\n"
        return
    summary = Summary(told, told.first, told.last)
    page = _Page(told, told.first, told.last, summary)
    yield f"{summary.title()}\n\n{summary.text()}\n"
    for heading, lines in (
        ("Timeline", page.timeline()),
        ("Faults", page.faults()),
        ("Refused saves", page.refusals()),
        ("Where the time went", page.phases()),
        ("What does not agree", page.contradictions()),
        ("How this page was made", page.made(journal)),
    ):
        block = "\n".join(lines)
        if block:
            yield f"\n## {heading}\n\n{block}\n"


class _Page:
    def __init__(self, told: Postmortem, first: e.Record, last: e.Record, summary: Summary) -> None:
        self.told = told
        self.first = first
        self.last = last
        self.at = summary.at
        self.allowed = summary.allowed

    # --- the timeline ---

    def timeline(self) -> Iterator[str]:
        told = self.told
        rows = [*map(self._row, told.head)]
        if told.left_out:
            rows.append(f"| … | {count(told.left_out, 'row')} left out | |")
        rows += map(self._row, told.tail)
        if rows:
            yield "| Time (UTC) | What | Details |\n| --- | --- | --- |"
            yield from rows

    def _row(self, row: Row) -> str:
        match row:
            case Stretch():
                return cells(self.at(row.first.started), *self._stretch(row))
            case Told():
                what, details = _parted(row.record.event, sentence(row.record))
                if severity(row.record.event) in {"warning", "error"}:
                    what = f"**{what}**"
                return cells(self.at(row.record.ts), what, details)
            case RunHead():
                event = row.event
                once = ", for one cycle" if event.once else ""
                paused_ = f"paused {escaped(paused(row.pause))}" if row.pause is not None else ""
                what = f"vsync {escaped(event.version)} starts (process {event.pid}){once}"
                return cells(self.at(row.record.ts), what, paused_)
            case Resumed():
                return cells(self.at(row.record.ts), *_resumed(row))
            case Crashed():
                between = f"{self.at(row.after)} to {self.at(row.before)}"
                return cells(between, f"**the process crashed while {_at(row.tail)}**", _lies(row))
            case RunTail():
                return cells(self.at(self.last.ts), *_tail(row))

    def _stretch(self, row: Stretch) -> tuple[str, str]:
        if row.cycles == 1:
            what = f"Cycle {row.first.number}: {ended(row.outcomes, one=True)}"
        else:
            which = f"{row.first.number} to {row.last.number}"
            what = f"Cycles {which}: {ended(row.outcomes)}"
        details = [*_took(row), *_changes(row), *_why(row.first)]
        if row.retries:
            details.append(count(row.retries.total(), "retry"))
        well = row.complete or "unfinished" in row.outcomes
        return (what if well else f"**{what}**"), "; ".join(details)

    # --- what went wrong ---

    def faults(self) -> Iterator[str]:
        told = self.told
        for seen in told.faults.values():
            yield from self._fault(seen)
        if told.more["faults"]:
            yield f"- and {count(told.more['faults'], 'fault')} in other words."
        if told.unread:
            yield f"- A path could not be read {how_often(told.unread)}; the first of them:"
            for (path, message), n in told.unread_first.items():
                often = "" if n == 1 else f" ({how_often(n)})"
                yield f"  - {code(path)}: {escaped(message)}{often}"

    def _fault(self, seen: FaultSeen) -> Iterator[str]:
        record = seen.first.record
        event = record.event
        if not isinstance(event, e.FaultRaised):
            return
        grave = "fatal, " if event.fatal else ""
        yield f"- **{escaped(event.message)}** ({grave}{escaped(event.kind)})"
        where = f", {_in(record.cycle)}"
        if seen.times == 1:
            yield f"  - raised once, at {self.at(record.ts)}{where}"
        else:
            until = f"{self.at(seen.last.ts)}, {_in(seen.last.cycle)}"
            yield f"  - raised {how_often(seen.times)}, from {self.at(record.ts)}{where} to {until}"
        if event.hint:
            yield f"  - what helps: {escaped(event.hint)}"
        for name, value in event.context.items():
            yield f"  - {escaped(name)}: {code(value)}"

    def refusals(self) -> Iterator[str]:
        for at, (allowance, seen) in enumerate(self.told.refusals.items()):
            if at:
                yield ""
            yield from self._refusal(allowance, seen)
        if self.told.more["refusals"]:
            yield f"\nand {count(self.told.more['refusals'], 'refusal')} of other sets."

    def _refusal(self, allowance: str, seen: RefusalSeen) -> Iterator[str]:
        event = seen.event
        first, last = seen.first, seen.last
        until = "" if seen.times == 1 else f", {how_often(seen.times)} until {self.at(last.ts)}"
        yield f"Allowance id {code(allowance)}, {_in(first.cycle)} at {self.at(first.ts)}{until}:\n"
        yield from (f"- {escaped(each)}" for each in rules(event))
        yield f"- {self.allowed(seen)}"
        if seen.hint:
            yield f"- what helps: {escaped(seen.hint)}"
        mounts = sorted({*event.vanished, *event.regressed, *event.insights})
        if mounts:
            yield "\n| Mount | would vanish | would go back | would be saved |"
            yield "| --- | ---: | ---: | ---: |"
        for mount in mounts:
            numbers = [
                number(by_mount[mount]) if mount in by_mount else ""
                for by_mount in (event.vanished, event.regressed, event.insights)
            ]
            yield cells(code(mount), *numbers)
        if event.sample:
            yield f"\nFor example: {', '.join(map(code, event.sample))}"

    # --- phases ---

    def phases(self) -> Iterator[str]:
        failed, good = self.told.failed, self.told.good
        if failed is None or not failed.phases:
            return
        done, ours = failed.finished, failed.phases
        how = "cut short by a crash" if done is None else done.facts.outcome
        heading = f"| Phase | cycle {failed.number} ({how}) |"
        if good is None:
            yield f"{heading}\n| --- | ---: |"
        else:
            yield f"{heading} cycle {good.number} ({good.facts.outcome}) | difference |"
            yield "| --- | ---: | ---: | ---: |"
        theirs = good.phases if good is not None else {}
        for phase in (*_PHASES, *sorted({*ours, *theirs} - {*_PHASES})):
            if phase in ours or phase in theirs:
                yield _held_against(phase, ours.get(phase), theirs.get(phase), good)
        whole = None if good is None else good.seconds
        seconds = sum(ours.values()) if done is None else done.seconds
        yield _held_against("all of it", seconds, whole, good)

    # --- doubts, and how it was made ---

    def contradictions(self) -> Iterator[str]:
        close, damage = self.told.close, self.told.damage
        if damage is not None:
            yield f"- {_damaged(damage)}"
        if close is not None and close.early:
            yield f"- {EARLY}"
        for each in close.contradictions if close is not None else ():
            yield f"- line {each.line} (seq {each.seq}) cannot be true: {escaped(each.what)}"
        if close is not None and close.untold:
            yield f"- and {number(close.untold)} more"
        if close is not None and close.ok:
            if close.checked:
                if close.early:
                    yield ""
                yield "Nothing: machine, order and sums of the journal agree."
            else:
                yield "Nothing was checked: a history lacks the lines of single paths."

    def made(self, journal: str) -> Iterator[str]:
        told = self.told
        lines = told.close.records if told.close is not None else 0
        span = f"seq {self.first.seq} to {self.last.seq}"
        yield (
            f"By {code('vsync-sm replay --markdown')} (vsync {escaped(vsync_sm.__version__)}) from "
            f"{code(journal)}: {count(lines, 'line')}, {span}, SHA-256 of these lines "
            f"{code(told.digest)}. Times are UTC."
        )


def _in(cycle: int | None) -> str:
    return "outside a cycle" if cycle is None else f"cycle {cycle}"


def _parted(event: e.Event | e.Unknown, said: str) -> tuple[str, str]:
    """What happened and, apart from it, what helps and where."""
    if isinstance(event, e.FaultRaised):
        details = [escaped(event.hint)] if event.hint else []
        details += [f"{escaped(name)}: {code(value)}" for name, value in event.context.items()]
        grave = "fatal fault" if event.fatal else "fault"
        return f"{grave}: {escaped(event.message)}", "; ".join(details)
    what, _, helps = said.partition(" → ")
    return escaped(what), escaped(helps)


def _resumed(row: Resumed) -> tuple[str, str]:
    before = f"{count(row.runs, 'run')} and {count(row.cycles, 'cycle')} had begun before"
    what = "What stands before is gone" if row.event.predecessor else "Cut out of a longer journal"
    return what, before


def _lies(row: Crashed) -> str:
    save = "; how its save ended is not known" if row.tail.save else ""
    return f"between its last line and the next start{save}"


def _tail(row: RunTail) -> tuple[str, str]:
    save = "; how its save ended is not known" if row.save else ""
    return f"no end yet: {_at(row)}", f"it still goes on, or it crashed{save}"


def _at(row: RunTail) -> str:
    return escaped(row.state if row.cycle is None else f"{row.state}, in cycle {row.cycle}")


def _took(row: Stretch) -> Iterator[str]:
    if row.longest:
        short, long = duration(row.shortest), duration(row.longest)
        each = "each " if row.cycles > 1 else ""
        yield f"{each}{short if short == long else f'{short} to {long}'}"


def _changes(row: Stretch) -> Iterator[str]:
    if row.complete and row.changes:
        yield ", ".join(f"{number(n)} {name}" for name, n in sorted(row.changes.items()))


def _why(told: CycleTold) -> Iterator[str]:
    events = [each.record.event for each in told.entries if isinstance(each, Told)]
    faults = dict.fromkeys(
        event.message
        for event in events
        if isinstance(event, e.FaultRaised) and "allowance" not in event.context
    )
    refused = [event for event in events if isinstance(event, e.SaveRefused)]
    done = told.finished
    if done is not None and done.facts.reason and not faults and not refused:
        yield escaped(why(done.facts.reason))
    yield from map(escaped, [*faults][:3])
    yield from (escaped("; ".join(rules(event))) for event in refused)
    for event in events:
        if isinstance(event, e.SaveFailed | e.SaveUncertain):
            yield escaped(sentence(event))
    unread = [event.path for event in events if isinstance(event, e.PathFailed)]
    if unread:
        failed = told.left_out.get("path_failed", 0) + len(unread)
        yield f"{count(failed, 'path')} could not be read: {escaped(listing(unread, most=3))}"


def _damaged(damage: Damage) -> str:
    file = f"{escaped(damage.file)}, " if damage.file else ""
    where = f"**Damaged** at {file}line {damage.line}, byte {damage.byte}"
    told = f"{where}: {escaped(damage.what)}. Nothing after it could be read."
    if damage.onward is None:
        return told
    told = told.replace("could be read", "is told on this page")
    return f"{told} {behind(damage.onward)}: {code(f'--since seq:{damage.onward.first}')} tells it."


def _held_against(phase: str, ours: float | None, theirs: float | None, good: object) -> str:
    row = [escaped(phase), "" if ours is None else duration(ours)]
    if good is not None:
        row.append("" if theirs is None else duration(theirs))
        row.append(_difference(ours, theirs))
    return cells(*row)


def _difference(ours: float | None, theirs: float | None) -> str:
    if ours is None or theirs is None:
        return "not reached" if ours is None else ""
    more = ours - theirs
    return f"{'+' if more >= 0 else '-'}{duration(abs(more))}"
