"""A running origin's state in short: as lines for a person, and as a document for a program.

Both are taken from the view at a moment; `vsync-sm ctl status` prints them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from vsync_sm.core.answer import (
    Answer,
    Now,
    age,
    answer,
    next_tick_in,
    next_try_in,
    seconds_since,
)
from vsync_sm.core.commands import paused
from vsync_sm.core.pace import Pace, pace, per_second
from vsync_sm.core.reach import SHELL, Reach
from vsync_sm.core.sentences import why
from vsync_sm.core.shapes import Cycle, View
from vsync_sm.core.words import clock, count, counts, duration, number, printable, share

_WIDTH = 10
_NEVER = "none that this journal knows of"


# --- for a person ----------------------------------------------------------------------------


def status_lines(view: View, now: Now, reach: Reach = SHELL) -> list[str]:
    """The state of the origin, a line each: the answer first, then what it rests on.

    `reach` is how its reader gives the origin commands.
    """
    told = answer(view, now, reach)
    lines = [f"{told.word}: {told.because}"]
    lines += [f"{name:<{_WIDTH}} {words}" for name, words in _facts(view, now, told)]
    return [printable(line) for line in lines]


def _facts(view: View, now: Now, told: Answer) -> Iterator[tuple[str, str]]:
    if told.todo:
        yield "to do", told.todo
    yield "state", _state(view, now)
    if view.cycle is not None:
        yield "cycle", _cycle(view.cycle, pace(view.cycle, now))
    yield "last look", f"{_ago(view.last_complete, now)}{_failed(view)}"
    yield "last save", _last_save(view, now)
    yield from _standing(view, now)
    if view.status_failed is not None:
        failed = view.status_failed
        yield "status key", f"not written since {clock(failed.ts)}: {failed.event.message}"
    for server, seen in sorted(view.conditions.items()):
        message = f": {seen.message}" if seen.message else ""
        yield server, f"{seen.word} since {clock(seen.ts)}{message}"
    yield from _run(view)


def _state(view: View, now: Now) -> str:
    state = view.state
    reason = f", because {why(state.reason)}" if state.reason else ""
    words = f"{state.name} for {duration(seconds_since(state.since.mono, now))}{reason}"
    again = next_try_in(view, now)
    if again is not None:
        return f"{words}; the next try is in {duration(again)}"
    tick = next_tick_in(view, now)
    return words if tick is None else f"{words}; the next tick is in {duration(tick)}"


def _cycle(cycle: Cycle, how: Pace) -> str:
    asked = "" if cycle.asked == "tick" else f", asked for by a {cycle.asked}"
    said = [f"{number(cycle.number)}{asked}, for {duration(how.took_s)}"]
    if how.listed is None:
        said.append(f"{count(cycle.tally.folders, 'folder')} listed")
    else:
        of = f" ({share(round(how.share, 3))})" if how.share is not None and how.listed else ""
        said.append(f"{number(how.done)} of {count(how.listed, 'path')} done{of}")
    said += [
        f"{number(n)} {name}" for name in ("failed", "carried") if (n := getattr(cycle.tally, name))
    ]
    if how.rate is not None:
        said.append(per_second(how.rate))
    if how.stall is not None:
        said.append(how.stall.words)
    if how.eta_s:
        said.append(f"{duration(how.eta_s)} to go")
    said.append(f"{duration(how.deadline_left_s)} until its deadline")
    return ", ".join(said)


def _ago(ts: str, now: Now) -> str:
    ago = age(ts, now)
    return _NEVER if ago is None else f"{duration(ago)} ago ({clock(ts)})"


def _failed(view: View) -> str:
    failed = view.failed_in_row
    return f"; {count(failed, 'cycle')} in a row failed since" if failed else ""


def _last_save(view: View, now: Now) -> str:
    save = view.last_save
    return _NEVER if save is None else f"{_ago(save.ts, now)}, cycle {number(save.cycle)}"


def _standing(view: View, now: Now) -> Iterator[tuple[str, str]]:
    """What stands until somebody or something ends it."""
    pause, refusal, save = view.pause, view.refusal, view.open_save
    if pause is not None:
        yield "paused", paused(pause)
    if refusal is not None:
        yield "refused", f"cycle {number(refusal.cycle)}, {_ago(refusal.ts, now)}{_leaving(view)}"
    if view.allowance is not None:
        event = view.allowance.event
        yield "allowed", f"{event.allowance} by {event.by}, {_ago(view.allowance.ts, now)}"
    if save is not None and _in_doubt(view):
        how = "had no reply" if save.uncertain else "has no end yet"
        yield "open save", f"the save of cycle {number(save.cycle)} {how}; the next look tells"


def _in_doubt(view: View) -> bool:
    """Whether nobody knows how a save ended: it is not the one that is under way."""
    save, cycle = view.open_save, view.cycle
    if save is None:
        return False
    return save.uncertain or cycle is None or save.cycle != cycle.number


def _leaving(view: View) -> str:
    if view.refusal is None:
        return ""
    event = view.refusal.event
    vanish = f"; would vanish: {counts(event.vanished)}" if event.vanished else ""
    back = f"; would go back: {counts(event.regressed)}" if event.regressed else ""
    return f"{vanish}{back}; its id is {event.allowance}"


def _run(view: View) -> Iterator[tuple[str, str]]:
    run = view.run
    if run is None:
        return
    host = f"on {run.host} (process {run.pid})"
    yield "run", f"{run.id}, vsync {run.version} {host}, since {clock(run.started)}"
    if view.ended is not None:
        yield "ended", f"{clock(view.ended.ts)} with exit code {view.ended.exit_code}"
    if run.control:
        yield "control", run.control


# --- for a program ---------------------------------------------------------------------------


def status_document(view: View, now: Now, reach: Reach = SHELL) -> dict[str, Any]:
    """The same, ready for JSON. What is not there is None; names that end in `_s` are seconds."""
    told = answer(view, now, reach)
    return {
        "word": str(told.word),
        "health": str(told.health),
        "because": told.because,
        "todo": told.todo,
        "state": view.state.name,
        "state_reason": view.state.reason,
        "state_since": view.state.since.ts or None,
        "state_s": seconds_since(view.state.since.mono, now),
        "next_tick_s": next_tick_in(view, now),
        "postponed": _postponed_document(view, now),
        "cycle": None if view.cycle is None else _cycle_document(view.cycle, now),
        "last_cycle": view.last_cycle,
        "last_success": view.last_complete or None,
        "last_success_s": told.complete_s,
        "last_save": _last_save_document(view, now),
        "failed_in_row": view.failed_in_row,
        "pause": _pause_document(view, now),
        "refusal": _refusal_document(view, now),
        "allowance": _allowance_document(view, now),
        "open_save": _open_save_document(view),
        "conditions": {
            server: {
                "condition": seen.word,
                "since": seen.ts,
                "since_s": age(seen.ts, now),
                "message": seen.message,
            }
            for server, seen in sorted(view.conditions.items())
        },
        "status_key": _status_key_document(view),
        "run": _run_document(view),
        "control": view.run.control if view.run else "",
    }


def _cycle_document(cycle: Cycle, now: Now) -> dict[str, Any]:
    how, tally = pace(cycle, now), cycle.tally
    return {
        "number": cycle.number,
        "asked": cycle.asked,
        "started": cycle.started.ts,
        "took_s": how.took_s,
        "deadline_left_s": how.deadline_left_s,
        "listed": how.listed,
        "done": how.done,
        "share": how.share,
        "rate": how.rate,
        "eta_s": how.eta_s,
        "failed": tally.failed,
        "carried": tally.carried,
        "skipped": tally.skipped,
    }


def _postponed_document(view: View, now: Now) -> Mapping[str, Any] | None:
    postponed = view.postponed
    if postponed is None:
        return None
    event = postponed.event
    return {
        "server": event.server,
        "kind": event.kind,
        "message": event.message,
        "hint": event.hint,
        "tries": event.tries,
        "since_s": seconds_since(postponed.since, now),
        "next_try_s": next_try_in(view, now),
    }


def _last_save_document(view: View, now: Now) -> Mapping[str, Any] | None:
    save = view.last_save
    if save is None:
        return None
    return {"at": save.ts, "age_s": age(save.ts, now), "cycle": save.cycle, "run": save.run}


def _pause_document(view: View, now: Now) -> Mapping[str, Any] | None:
    pause = view.pause
    if pause is None:
        return None
    return {
        "since": pause.ts,
        "since_s": age(pause.ts, now),
        "by": pause.by,
        "through": pause.through,
        "why": pause.why,
    }


def _refusal_document(view: View, now: Now) -> Mapping[str, Any] | None:
    refusal = view.refusal
    if refusal is None:
        return None
    event = refusal.event
    return {
        "at": refusal.ts,
        "age_s": age(refusal.ts, now),
        "cycle": refusal.cycle,
        "allowance": event.allowance,
        "rules": list(dict.fromkeys(each.rule for each in event.refusals)),
        "vanished": dict(sorted(event.vanished.items())),
        "regressed": dict(sorted(event.regressed.items())),
    }


def _allowance_document(view: View, now: Now) -> Mapping[str, Any] | None:
    granted = view.allowance
    if granted is None:
        return None
    event = granted.event
    return {
        "allowance": event.allowance,
        "by": event.by,
        "through": event.through,
        "at": granted.ts,
        "age_s": age(granted.ts, now),
    }


def _open_save_document(view: View) -> Mapping[str, Any] | None:
    save = view.open_save
    if save is None or not _in_doubt(view):
        return None
    return {
        "run": save.run,
        "cycle": save.cycle,
        "since": save.since.ts,
        "uncertain": save.uncertain,
    }


def _status_key_document(view: View) -> Mapping[str, Any] | None:
    failed = view.status_failed
    if failed is None:
        return None
    return {"failing_since": failed.ts, "kind": failed.event.kind, "message": failed.event.message}


def _run_document(view: View) -> Mapping[str, Any] | None:
    run = view.run
    if run is None:
        return None
    return {
        "id": run.id,
        "version": run.version,
        "host": run.host,
        "pid": run.pid,
        "once": run.once,
        "started": run.started,
        "ended": view.ended.ts if view.ended else None,
        "exit_code": view.ended.exit_code if view.ended else None,
    }
