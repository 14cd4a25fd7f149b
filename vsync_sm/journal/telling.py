"""The story's items as text for a person, and as JSON for a program."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from vsync_sm.core import events as e
from vsync_sm.core.choice import Part, choice_in
from vsync_sm.core.commands import paused
from vsync_sm.core.present import (
    clock,
    count,
    counts,
    duration,
    listing,
    number,
    printable,
    sentence,
    severity,
    summary,
    time_of_day,
)
from vsync_sm.journal.audit import Contradiction
from vsync_sm.journal.onward import Onward
from vsync_sm.journal.story import (
    Close,
    CycleTold,
    Damage,
    Item,
    Resumed,
    RunHead,
    RunTail,
    Told,
)

_NO_TIME = " " * 12
_MARK = {"warning": "!", "error": "!"}

# --- for a person ----------------------------------------------------------------------------


def text(item: Item) -> str:
    """One item as lines of text, each with its newline."""
    lines: Iterator[str]
    match item:
        case RunHead():
            lines = _run_head(item)
        case Resumed():
            lines = _resumed(item)
        case RunTail():
            lines = _run_tail(item)
        case CycleTold():
            lines = _cycle(item)
        case Told():
            lines = _told(item, time_of_day(item.record.ts))
        case Contradiction():
            lines = _contradiction(item)
        case Damage():
            lines = _damage(item)
        case Close():
            lines = _close(item)
    return "".join(f"{printable(line)}\n" for line in lines)


def _run_head(item: RunHead) -> Iterator[str]:
    event, record = item.event, item.record
    once = ", for one cycle" if event.once else ""
    if not item.first:
        yield ""
    yield (
        f"Run {record.run}: vsync {event.version} on {event.host} (process {event.pid}), "
        f"from {clock(record.ts)}{once}"
    )
    gist = ", ".join(_gist(event.config))
    if gist:
        yield f"  {_NO_TIME}    configuration: {gist}"
    if event.journal_hours is not None:
        yield f"  {_NO_TIME}    the journal's budget holds {_hours(event.journal_hours)}"
    if item.pause is not None:
        yield f"  {_NO_TIME}    it is paused {paused(item.pause)}"


def _hours(hours: float) -> str:
    return f"about {duration(hours * 3600)} of it"


def _resumed(item: Resumed) -> Iterator[str]:
    event, record = item.event, item.record
    what = f"{count(item.runs, 'run')} and {count(item.cycles, 'cycle')} had begun before"
    if event.predecessor:
        yield (
            f"The journal begins here with its file number {number(event.number)}, at "
            f"{clock(record.ts)}: what stood before it is gone."
        )
    else:
        yield f"Cut out of a longer journal, from {clock(record.ts)}."
    goes_on = "" if item.cycle is None else f"; cycle {number(item.cycle)} goes on"
    yield f"  {what}, as its checkpoint tells{goes_on}; run {record.run} is {event.state}"


def _gist(config: dict[str, Any]) -> Iterator[str]:
    origin = config.get("origin")
    origin = origin if isinstance(origin, dict) else {}
    mounts = origin.get("mounts")
    if isinstance(mounts, list) and mounts:
        yield f"mounts {listing(list(map(str, mounts)))}"
    choice = choice_in(config)
    if choice is not None and not choice.whole:
        yield f"paths {listing([part.words for part in choice.parts if part != Part(part.mount)])}"
    for name, value in (
        ("sync path", origin.get("syncPath")),
        ("tick", _seconds(origin.get("tick"))),
        ("timeout", _seconds(origin.get("timeout"))),
        ("workers", origin.get("numWorkers")),
        ("buckets", config.get("numBuckets")),
    ):
        if value is not None:
            yield f"{name} {value}"


def _seconds(value: object) -> str | None:
    return duration(value) if isinstance(value, int | float) else None


def _run_tail(item: RunTail) -> Iterator[str]:
    at = item.state if item.cycle is None else f"{item.state}, in cycle {item.cycle}"
    save = "; how its save ended is not known" if item.save else ""
    if item.how == "crashed":
        yield f"! {_NO_TIME}  run {item.run} ends without a word: it crashed while {at}{save}"
    elif item.how == "open":
        yield (
            f"  {_NO_TIME}    no end yet: run {item.run} is {at}; "
            f"it still goes on, or it crashed{save}"
        )


def _cycle(item: CycleTold) -> Iterator[str]:
    when = time_of_day(item.started)
    asked = "" if item.asked == "tick" else f" (asked for by a {item.asked})"
    if item.finished is None:
        yield f"! {when}  cycle {item.number} has no end: {item.state}{asked}"
    else:
        done = item.finished
        when = time_of_day(done.finished) if item.detail else when
        facts = msgspec.structs.replace(done.facts, phases=done.phases)
        mark = _MARK.get(severity(facts), " ")
        said = summary(facts, cycle=item.number, seconds=done.seconds)
        yield f"{mark} {when}  {said}{asked}"
    for entry in item.entries:
        if isinstance(entry, Told):
            yield from _told(entry, _NO_TIME, indent="  ")
        else:
            yield from _contradiction(entry)
    if item.retries:
        total = count(sum(item.retries.values()), "retry")
        yield f"  {_NO_TIME}    {total}: {counts(item.retries)}"
    for name, n in item.left_out.items():
        yield f"  {_NO_TIME}    and {number(n)} more of {name}"


def _told(item: Told, when: str, *, indent: str = "") -> Iterator[str]:
    record = item.record
    mark = _MARK.get(severity(record.event), " ")
    yield f"{mark} {when}  {indent}{sentence(record)}"
    for more in _more(record.event):
        yield f"  {_NO_TIME}  {indent}  {more}"


def _more(event: e.Event | e.Unknown) -> Iterator[str]:
    if isinstance(event, e.FaultRaised) and event.context:
        yield ", ".join(f"{name}: {value}" for name, value in event.context.items())
    if isinstance(event, e.SaveRefused):
        if event.vanished:
            yield f"would vanish, by mount: {counts(event.vanished)}"
        if event.regressed:
            yield f"would go back, by mount: {counts(event.regressed)}"
        if event.sample:
            yield f"for example: {', '.join(event.sample)}"


def _contradiction(item: Contradiction) -> Iterator[str]:
    yield f"X line {item.line} (seq {item.seq}) cannot be true: {item.what}"


def _damage(item: Damage) -> Iterator[str]:
    file = f"{item.file}, " if item.file else ""
    yield f"X {file}line {item.line}, byte {item.byte}: {item.what}. The story ends here."
    if item.onward is not None:
        yield f"  {behind(item.onward)}: --since seq:{item.onward.first} tells it."
        yield "  vsync-tui --replay shows what stands before and behind it as one night."


EARLY = "The file that was being written is gone: what came last is not told."
"""Where only closed files are left."""


def behind(onward: Onward) -> str:
    """What stands behind a damage."""
    span = f"{clock(onward.since)} to {clock(onward.until)}"
    return f"Behind it, seq {onward.first} to {onward.last} can be read ({span})"


def _close(item: Close) -> Iterator[str]:
    if not item.records and item.ok:
        yield "The journal is empty: nothing has happened yet."
        return
    yield ""
    ended = {name: n for name, n in msgspec.structs.asdict(item.outcomes).items() if n}
    by_outcome = ", ".join(f"{number(n)} {name}" for name, n in ended.items())
    yield (
        f"{count(item.records, 'line')}, {count(item.runs, 'run')}, {count(item.cycles, 'cycle')}"
        f"{f' ({by_outcome})' if by_outcome else ''}."
    )
    if not item.checked:
        yield "A history: without the lines of single paths, so nothing was checked."
        return
    if item.early:
        yield f"! {EARLY}"
    total = len(item.contradictions) + item.untold
    if not total:
        yield (
            "Nothing contradicts: machine, order and sums agree."
            if item.ok
            else ("Nothing contradicts in what could be read, but the journal is damaged.")
        )
        return
    yield f"{count(total, 'contradiction')}:"
    for each in item.contradictions:
        yield f"  line {each.line} (seq {each.seq}): {each.what}"
    if item.untold:
        yield f"  and {number(item.untold)} more"


# --- for a program ---------------------------------------------------------------------------

_UNSAFE = re.compile("[\x7f-\x9f\u2028\u2029]")


def json(item: Item) -> str:
    """One item as one JSON object on one line, without its newline."""
    line = msgspec.json.encode(_object(item)).decode()
    return _UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", line)


def _object(item: Item) -> dict[str, Any]:
    match item:
        case Resumed():
            return _resumed_object(item)
        case RunHead() | Told():
            kind = "run" if isinstance(item, RunHead) else "event"
            return {"kind": kind, **_event(item.line, item.record)}
        case CycleTold():
            return _cycle_object(item)
        case RunTail():
            return {"kind": "run_end", **msgspec.to_builtins(item)}
        case Close():
            return {"kind": "end", **msgspec.to_builtins(item)}
        case Contradiction() | Damage():
            return {"kind": type(item).__name__.lower(), **msgspec.to_builtins(item)}


def _resumed_object(item: Resumed) -> dict[str, Any]:
    record, event = item.record, item.event
    return {
        "kind": "resumed",
        "line": item.line,
        "seq": record.seq,
        "ts": record.ts,
        "run": record.run,
        "file": event.number,
        "state": event.state,
        "runs": item.runs,
        "cycles": item.cycles,
        "cycle": item.cycle,
    }


def _event(line: int, record: e.Record) -> dict[str, Any]:
    event = record.event
    fields = event.fields if isinstance(event, e.Unknown) else msgspec.to_builtins(event)
    return {
        "line": line,
        "seq": record.seq,
        "ts": record.ts,
        "mono": record.mono,
        "run": record.run,
        "cycle": record.cycle,
        "type": event.type,
        "severity": severity(event),
        "sentence": sentence(record),
        "event": {name: value for name, value in fields.items() if name != "type"},
    }


def _cycle_object(item: CycleTold) -> dict[str, Any]:
    done = item.finished
    return {
        "kind": "cycle",
        "line": item.line,
        "run": item.run,
        "cycle": item.number,
        "asked": item.asked,
        "started": item.started,
        "finished": None if done is None else done.finished,
        "seconds": None if done is None else done.seconds,
        "phases": item.phases,
        "outcome": None if done is None else done.facts.outcome,
        "state": item.state,
        "facts": None if done is None else msgspec.to_builtins(done.facts),
        "retries": item.retries,
        "entries": [_object(each) for each in item.entries],
        "left_out": item.left_out,
    }
