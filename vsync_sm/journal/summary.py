"""A post-mortem in a few sentences of Markdown: what happened, why, and what it meant."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from vsync_sm.core import events as e
from vsync_sm.core.errors import FaultKind
from vsync_sm.core.insight import NS, moment
from vsync_sm.core.machine import Reason
from vsync_sm.core.markdown import code, escaped
from vsync_sm.core.outcome import CRASHED, CUT_OFF
from vsync_sm.core.present import clock, count, duration, number, rules, sentence, why
from vsync_sm.journal.outages import Outage
from vsync_sm.journal.postmortem import Postmortem, RefusalSeen
from vsync_sm.journal.story import Told
from vsync_sm.journal.telling import EARLY, behind

REFUSALS = 3
"""So many sets that were refused are told in the summary; the others are counted."""

_TIME = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)")
_ENDED = {
    "saved": "saved",
    "unchanged": "found nothing to save",
    "refused": "refused",
    "aborted": "aborted",
    CRASHED: "cut short by a crash",
    CUT_OFF: "cut off by the end of its run",
    "unfinished": "not over yet",
}


class Summary:
    """What is said before all else of a journal that is not empty."""

    def __init__(self, told: Postmortem, first: e.Record, last: e.Record) -> None:
        self.told = told
        self.first = first
        self.last = last
        self.one_day = first.ts[:10] == last.ts[:10]

    def at(self, ts: str) -> str:
        """A moment: the time of day alone where the title has the day."""
        match = _TIME.match(ts)
        if match is None:
            return escaped(ts)
        return (
            match[2]
            if self.one_day and match[1] == self.first.ts[:10]
            else f"{match[1]} {match[2]}"
        )

    def title(self) -> str:
        """The page's heading."""
        host = f" on {escaped(self.told.run.host)}" if self.told.run is not None else ""
        begin, end = clock(self.first.ts), clock(self.last.ts)
        if self.one_day:
            end = f"{self.at(self.last.ts)} UTC"
        return f"# vsync{host}: {begin.removesuffix(' UTC')} to {end}"

    def text(self) -> str:
        """Some short paragraphs."""
        paragraphs = (
            (*self._what_ran(), *self._doubts()),
            self._first_trouble(),
            self._later_outages(),
            (*self._saves(), *self._refused(), *self._the_end()),
        )
        return "\n\n".join(filter(None, map(" ".join, paragraphs)))

    def _what_ran(self) -> Iterator[str]:
        told = self.told
        took = duration((moment(self.last.ts) - moment(self.first.ts)) / NS)
        if told.cycles:
            were = "was" if told.cycles == 1 else "were"
            yield f"In {took} there {were} {count(told.cycles, 'cycle')}: {ended(told.outcomes)}."
        else:
            yield f"In {took} no cycle began."
        if told.crashes:
            yield f"The process crashed {how_often(told.crashes)}."

    def _first_trouble(self) -> Iterator[str]:
        told, first = self.told, next(iter(self.told.outages), None)
        cause = told.cause
        if cause is not None and (first is None or _is_before(cause, first)):
            record = cause.record
            where = "" if record.cycle is None else f" in cycle {record.cycle}"
            yield f"The first trouble came at {self.at(record.ts)} UTC{where}:"
            yield from _cause(record.event)
            if first is not None:
                yield from self._again("Then", first)
            elif told.cycles:
                yield "No cycle failed by it."
        elif first is not None:
            since, which = self.at(first.since), f"in cycle {first.first}"
            sudden = first.cause is not None and self.at(first.cause.record.ts) == since
            at = f"at {since} UTC {which}" if sudden else f"{which}, from {since} UTC on"
            yield f"The first trouble came {at}:"
            yield from _why(first)
            yield from self._outage(first)
        else:
            yield "No fault was raised."

    def _again(self, word: str, outage: Outage) -> Iterator[str]:
        yield f"{word}, from {self.at(outage.began)} UTC on:"
        yield from _why(outage)
        yield from self._outage(outage)

    def _later_outages(self) -> Iterator[str]:
        others = self.told.outages[1:]
        longest = max(others, key=lambda each: self._stale_s(each) or 0.0, default=None)
        open_ = others.pop() if others and others[-1].healed is None else None
        healed = len(others) + self.told.more["outages"]
        if healed:
            yield f"{count(healed, 'more stretch')} without a complete cycle healed"
            if longest is not None and longest is not open_:
                yield f"(the longest: {_cycles(longest)}, when the index was {self._old(longest)})"
            yield "as well."
        if open_ is not None:
            yield from self._again("Again", open_)

    def _outage(self, outage: Outage) -> Iterator[str]:
        which = _cycles(outage)
        saved = "nothing of it was saved" if outage.cycles == 1 else "nothing of them was saved"
        if outage.doubtful:
            saved = "how a save of it ended was not known then"
        if outage.written:
            saved = "some of a save was written before it failed"
        one = outage.cycles == 1
        yield (
            f"{which[0].upper()}{which[1:]} did not complete ({ended(outage.outcomes, one=one)}): "
            f"{saved}."
        )
        if outage.before is None:
            yield "No complete cycle is known from before."
        else:
            before = outage.before
            yield (
                f"What cycle {before.cycle} had confirmed at {self.at(before.ts)} UTC stayed what "
                f"destinations saw: their index was {self._old(outage)}."
            )
        if outage.healed is None:
            yield "It had not healed where this page ends."
        else:
            healed = outage.healed
            yield f"It healed with cycle {healed.cycle}, complete at {self.at(healed.ts)} UTC."

    def _stale_s(self, outage: Outage) -> float | None:
        if outage.before is None:
            return None
        until = self.last.ts if outage.healed is None else outage.healed.ts
        return max(0.0, (moment(until) - moment(outage.before.ts)) / NS)

    def _old(self, outage: Outage) -> str:
        stale = self._stale_s(outage)
        if stale is None:
            return "of unknown age"
        open_ = " and more, where this page ends" if outage.healed is None else ""
        return f"up to {duration(stale)} old{open_}"

    def _saves(self) -> Iterator[str]:
        told = self.told
        saved = told.saved
        if saved["cycles"]:
            names = ("added", "updated", "vanished")
            what = ", ".join(f"{number(saved[name])} {name}" for name in names if saved[name])
            yield f"{count(saved['cycles'], 'save')} reached Consul{f': {what}' if what else ''}."
        elif told.cycles:
            yield "No save is known to have reached Consul."
        for seen in told.reconciled[:3]:
            yield _stop(f"Later {escaped(sentence(seen.record))}")

    def _refused(self) -> Iterator[str]:
        told = self.told
        if not told.refusals:
            return
        often = sum(seen.times for seen in told.refusals.values())
        yield f"{count(often, 'save')} {'was' if often == 1 else 'were'} refused by a safety rule:"
        seen = [*told.refusals.values()]
        if len(seen) == 1 and not told.more["refusals"]:
            yield f"{escaped('; '.join(rules(seen[0].event)))}; {self.allowed(seen[0])}."
            return
        yield "; ".join((*map(self._fate, seen[:REFUSALS]), *self._more_refusals(seen))) + "."

    def _fate(self, seen: RefusalSeen) -> str:
        first, last = self.at(seen.first.ts), self.at(seen.last.ts)
        when = f"at {first} UTC" if seen.times == 1 else f"from {first} to {last} UTC"
        what = escaped("; ".join(rules(seen.event)))
        return f"{how_often(seen.times)}, {when}: {what}, and {self.allowed(seen)}"

    def _more_refusals(self, seen: list[RefusalSeen]) -> Iterator[str]:
        more = max(0, len(seen) - REFUSALS) + self.told.more["refusals"]
        if more:
            yield f"{count(more, 'other set')} besides, see below"

    def allowed(self, seen: RefusalSeen) -> str:
        """Who allowed what was refused, and what became of it."""
        record = seen.granted
        if record is None or not isinstance(record.event, e.AllowanceGranted):
            return "nobody has allowed it"
        event = record.event
        spent = ""
        if seen.spent is not None and isinstance(seen.spent.event, e.AllowanceSpent):
            how = {"saved": "a save used it", "expired": "it expired unused"}
            spent = f"; {how.get(seen.spent.event.why, 'it was spent')} at {self.at(seen.spent.ts)}"
        return (
            f"{escaped(event.by)} allowed it at {self.at(record.ts)} UTC through the "
            f"{escaped(event.through)}{spent}"
        )

    def _the_end(self) -> Iterator[str]:
        record = self.told.ended
        if record is not None and isinstance(record.event, e.RunFinished):
            event = record.event
            because = f": {escaped(event.why)}" if event.why else ""
            yield _stop(
                f"The run ended at {self.at(record.ts)} UTC with exit code "
                f"{event.exit_code}{because}"
            )
        elif self.told.open is not None:
            yield (
                f"Where this page ends the run is {escaped(self.told.open.state)}, and no line "
                "tells of its end: it still goes on, or it crashed."
            )

    def _doubts(self) -> Iterator[str]:
        told = self.told
        if told.damage is not None:
            yield "**The journal is damaged: what came after the damage is not told here.**"
            if told.damage.onward is not None:
                since = code(f"--since seq:{told.damage.onward.first}")
                yield f"{behind(told.damage.onward)}: {since} tells it."
        if told.close is not None and told.close.early:
            yield f"**{EARLY}**"
        if told.close is not None and told.close.contradictions:
            found = len(told.close.contradictions) + told.close.untold
            yield f"**The journal contradicts itself in {count(found, 'place')}: see below.**"


def _is_before(cause: Told, outage: Outage) -> bool:
    """Whether it had come before the first cycle of the outage, so that it is another matter."""
    cycle = cause.record.cycle
    return cause.record.ts < outage.began if cycle is None else cycle < outage.first


def _why(outage: Outage) -> Iterator[str]:
    if outage.cause is not None:
        yield from _cause(outage.cause.record.event)
    elif outage.why == CRASHED:
        yield "**the process crashed.**"
    if outage.why == Reason.timeout and not _tells_of_time(outage.cause):
        yield f"Cycle {outage.first} was given up because **{why(outage.why)}.**"


def _tells_of_time(cause: Told | None) -> bool:
    event = cause.record.event if cause is not None else None
    return isinstance(event, e.FaultRaised) and event.kind == FaultKind.DEADLINE.word


def _cause(event: e.Event | e.Unknown) -> Iterator[str]:
    if isinstance(event, e.FaultRaised | e.ChecksPostponed):
        waits = "the start waits: " if isinstance(event, e.ChecksPostponed) else ""
        yield _stop(f"**{waits}{escaped(event.message)}**")
        if event.hint:
            yield "What helps: " + _stop(escaped(event.hint))
    elif isinstance(event, e.ServerConditionChanged):
        yield _stop(f"**{escaped(sentence(event))}**")
    elif isinstance(event, e.SaveRefused):
        yield "**a safety rule refused the save.**"


def _stop(text: str) -> str:
    return text if text.rstrip("*").endswith((".", "!", "?")) else f"{text}."


def how_often(n: int) -> str:
    """How often: `once`, `twice`, `12 times`."""
    return {1: "once", 2: "twice"}.get(n, f"{number(n)} times")


def _cycles(outage: Outage) -> str:
    if outage.first == outage.last:
        return f"cycle {outage.first}"
    return f"cycles {outage.first} to {outage.last}"


def ended(outcomes: Mapping[str, int], *, one: bool = False) -> str:
    """How cycles ended, counted; `one`: of a single one, without the number."""
    if one:
        return " ".join(_ENDED.get(name, escaped(name)) for name in outcomes)
    return ", ".join(
        f"{number(outcomes[name])} {_ENDED.get(name, escaped(name))}"
        for name in (*_ENDED, *sorted({*outcomes} - {*_ENDED}))
        if name in outcomes
    )
