"""The answer on top: in one word, is this origin healthy? And what should a human do next?

Console, `ctl status` and everything else that tells the health take it from here. What is
measured against now gets a `Now`; for a journal that has ended, that is its last record.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from vsync_sm.core.insight import NS, moment
from vsync_sm.core.machine import Reason, State
from vsync_sm.core.reach import SHELL, Reach
from vsync_sm.core.refusal import gist, remedy
from vsync_sm.core.sentences import why
from vsync_sm.core.shapes import Crash, Finished, Postponed, View
from vsync_sm.core.stall import stall
from vsync_sm.core.words import count, duration, number

ANSWERING = "answering"
"""The word for a server that does as it should; any other is a fault's."""

STUCK_AFTER = 3
"""So many cycles in a row that were not complete, and the origin is stuck."""


class Now(msgspec.Struct, frozen=True):
    """A moment to measure from: `wall` is ns since 1970, `mono` ns since the view's run began.

    `end`: it is the end of a journal that is looked at afterwards, and not the present.
    """

    wall: int
    mono: int
    end: bool = False

    @property
    def ago(self) -> str:
        """What follows an age: `ago`, or `before its end`."""
        return "before its end" if self.end else "ago"


def now_at(view: View, wall: int | None = None) -> Now:
    """The moment `wall` (ns since 1970) for this view; without one, that of its last record."""
    last = moment(view.now.ts) if view.now.ts else wall or 0
    passed = 0 if wall is None else max(0, wall - last)
    return Now(last + passed, view.now.mono + passed)


def age(ts: str, now: Now) -> float | None:
    """Seconds from a record's time until now, None where there was none."""
    return max(0.0, (now.wall - moment(ts)) / NS) if ts else None


def seconds_since(mono: int, now: Now) -> float:
    """Seconds from a moment of the view's run (`mono`, ns) until now."""
    return max(0.0, (now.mono - mono) / NS)


def next_tick_in(view: View, now: Now) -> float | None:
    """Seconds until a cycle begins by itself; None when none will, or nobody can say yet."""
    if now.end or view.pause is not None or view.ended is not None or view.run is None:
        return None
    if view.run.once or view.state.name in {State.checking, State.halted}:
        return None
    return max(0.0, (view.next_tick - now.mono) / NS)


def next_try_in(view: View, now: Now) -> float | None:
    """Seconds until the start-up checks are tried again; None when they do not wait for it."""
    if now.end or view.postponed is None or view.ended is not None:
        return None
    return max(0.0, (view.postponed.due - now.mono) / NS)


class Word(StrEnum):
    """The answers, gravest first: the first that holds is the answer."""

    HALTED = "HALTED"
    PAUSED = "PAUSED"
    REFUSED = "REFUSED"
    STUCK = "STUCK"
    BEHIND = "BEHIND"
    IN_SYNC = "IN SYNC"


MEANING = {
    Word.HALTED: "the run has ended, or is about to: nobody syncs",
    Word.PAUSED: "somebody asked that no cycle begins by itself",
    Word.REFUSED: "a safety rule forbids the save; destinations keep what they have",
    Word.STUCK: f"{STUCK_AFTER} cycles in a row, or more, failed",
    Word.BEHIND: "no complete cycle yet, or none within two ticks and the timeout",
    Word.IN_SYNC: "Consul holds what Vault held at the last look",
}
"""Every answer in one line, for who meets the word for the first time."""


class Health(StrEnum):
    """What a machine asks: `healthy`, `failing` or `refused`."""

    healthy = "healthy"
    failing = "failing"
    refused = "refused"


_HEALTH = {
    Word.HALTED: Health.failing,
    Word.PAUSED: Health.healthy,  # somebody meant it
    Word.REFUSED: Health.refused,
    Word.STUCK: Health.failing,
    Word.BEHIND: Health.failing,
    Word.IN_SYNC: Health.healthy,
}


class Answer(msgspec.Struct, frozen=True):
    """The answer: its word, why it is that, what to do next ("": nothing), and the ages (seconds).

    `complete_s` is the age of the last complete look at Vault, `save_s` of the last save; None
    where the journal knows of none.
    """

    word: Word
    because: str
    todo: str
    complete_s: float | None
    save_s: float | None
    failed_in_row: int

    @property
    def health(self) -> Health:
        """The same for a machine."""
        return _HEALTH[self.word]


def answer(view: View, now: Now, reach: Reach = SHELL) -> Answer:
    """The answer for a view at a moment; `reach` is how its reader gives the origin commands."""
    word = _word(view, now)
    because, todo = _REASONS[word](view, now, reach)
    return Answer(
        word=word,
        because=because,
        todo=todo,
        complete_s=age(view.last_complete, now),
        save_s=age(view.last_save.ts, now) if view.last_save else None,
        failed_in_row=view.failed_in_row,
    )


def _word(view: View, now: Now) -> Word:
    if view.ended is not None or view.state.name == State.halted:
        return Word.HALTED
    if view.pause is not None:
        return Word.PAUSED
    if view.refusal is not None:
        return Word.REFUSED
    if view.failed_in_row >= STUCK_AFTER:
        return Word.STUCK
    since = age(view.last_complete, now)
    if since is None or since > _allowed(view):
        return Word.BEHIND
    return Word.IN_SYNC


def _allowed(view: View) -> float:
    """So old may the last complete look be: two ticks and the timeout, in seconds."""
    return 2 * view.run.tick_s + view.run.timeout_s if view.run else 0.0


# --- why, and what to do ---------------------------------------------------------------------


def _halted(view: View, _: Now, reach: Reach) -> tuple[str, str]:
    end, refusal = view.ended, view.refusal
    because = end.why if end else "it is about to end"
    fatal = view.state.reason == Reason.fatal or (end is not None and end.exit_code == _FATAL)
    if fatal:
        hint = next((each.event.hint for each in reversed(view.faults) if each.event.fatal), "")
        return because, hint or "See its last faults, then start it again."
    if end is None or end.exit_code != _NOT_SAVED:
        return (
            because,
            f"Start it again with your configuration when it should go on: {reach.start()}",
        )
    if refusal is None:
        return because, "See its last faults, then start it again."
    allow = reach.start("--allow", refusal.event.allowance)
    starts = "when it starts again with your configuration"
    return because, f"{remedy(refusal.event)}, or allow it {starts}: {allow}"


def _paused(view: View, now: Now, reach: Reach) -> tuple[str, str]:
    pause = view.pause
    if pause is None:
        return "", ""
    since = duration(round(age(pause.ts, now) or 0.0))
    reason = f": {pause.why}" if pause.why else ""
    return f"for {since}, by {pause.by}{reason}", f"Resume when it is done: {reach.ask('resume')}"


def _refused(view: View, _: Now, reach: Reach) -> tuple[str, str]:
    refusal = view.refusal
    if refusal is None:
        return "", ""
    event = refusal.event
    said = gist(event)
    if view.allowance is not None and view.allowance.event.allowance == event.allowance:
        return f"{said}; it is allowed", "The next cycle saves it."
    return (
        f"{said}; destinations keep what they have",
        f"{remedy(event)}, or allow it: {reach.ask('allow', event.allowance)}",
    )


def _stuck(view: View, _: Now, __: Reach) -> tuple[str, str]:
    trouble, hint = _trouble(view)
    return f"{count(view.failed_in_row, 'cycle')} in a row failed{trouble}", hint


def _behind(view: View, now: Now, reach: Reach) -> tuple[str, str]:
    since = age(view.last_complete, now)
    if since is None:
        because = "no cycle was complete yet"
    else:
        passed, limit = duration(round(since)), duration(_allowed(view))
        because = f"no complete cycle for {passed} (two ticks and the timeout are {limit})"
    if view.state.name == State.checking and view.run is not None:
        return _checking(view, because, now, reach)
    if view.failed_in_row:
        trouble, hint = _trouble(view)
        return f"{because}{trouble}", hint
    hindered, help_ = _hindrance(view, now)
    if hindered:
        return f"{because}, and {hindered}", help_
    if since is None:
        return because, "Wait for the first one to end."
    return because, f"Wait for the next cycle to end, or ask for one: {reach.ask('sync')}"


def _checking(view: View, because: str, now: Now, reach: Reach) -> tuple[str, str]:
    if view.postponed is not None:
        return _waits(view, view.postponed, because, now, reach)
    for server, word, message in _in_trouble(view):
        said = f"{because}; the start-up checks wait for {server}: {message or word}"
        return said, f"See to {server}; the checks go on by themselves."
    return f"{because}; the start-up checks go on", "Wait for the checks to end."


def _waits(
    view: View, postponed: Postponed, because: str, now: Now, reach: Reach
) -> tuple[str, str]:
    event, left = postponed.event, next_try_in(view, now)
    what = f" for {event.server}" if event.server else ""
    waited = duration(round(seconds_since(postponed.since, now)))
    again = ""
    if left is not None:
        again = f"; the next try is in {duration(int(left))}" if left else "; it is being tried"
    said = f"{because}; the start-up checks have waited{what} for {waited}: {event.message}{again}"
    at_once = "" if view.run is None or view.run.once else f", or at once: {reach.ask('sync')}"
    todo = (event.hint or f"see to {event.server or 'it'}").rstrip(".")
    return said, f"{todo[0].upper()}{todo[1:]}. It is tried again by itself{at_once}"


def _in_sync(view: View, now: Now, _: Reach) -> tuple[str, str]:
    if view.failed_in_row:
        trouble, hint = _trouble(view)
        return f"but {count(view.failed_in_row, 'cycle')} failed since{trouble}", hint
    hindered, help_ = _hindrance(view, now)
    if hindered:
        return f"Consul holds what Vault held at the last look, but {hindered}", help_
    return "Consul holds what Vault held at the last look", ""


def _hindrance(view: View, now: Now) -> tuple[str, str]:
    """What holds the origin up just now, and what helps; ("", "") where nothing does."""
    if view.cycle is not None and view.state.name == State.aborted:
        reason = f": {why(view.state.reason)}" if view.state.reason else ""
        return f"cycle {number(view.cycle.number)} is given up{reason}", _TRIES_AGAIN
    for server, word, message in _in_trouble(view):
        what = message or f"{server} is in trouble ({word.replace('_', ' ')})"
        return what, f"See to {server}; vsync tries again by itself."
    stalled = None if now.end else stall(view.cycle, now.mono, view.now.mono)
    if stalled is None:
        return "", ""
    if not stalled.server:
        return stalled.words, ""
    return stalled.words, f"See whether {stalled.server} answers; vsync goes on by itself."


def _in_trouble(view: View) -> list[tuple[str, str, str]]:
    """Each server that was last seen not to answer, the word for it, and its message."""
    seen = sorted(view.conditions.items())
    return [(name, each.word, each.message) for name, each in seen if each.word != ANSWERING]


def _trouble(view: View) -> tuple[str, str]:
    """Of what the last of the cycles in a row failed, and what helps."""
    last = view.history[-1].facts.reason if view.history else ""
    if view.last_crashes and (not view.history or _later(view.last_crashes[-1], view.history[-1])):
        return ": vsync itself broke off", "See why it was ended (memory, power, a kill)."
    if last == Reason.timeout:
        return f": {why(last)}", "See what holds Vault or Consul up, or raise origin.timeout."
    for seen in reversed(view.faults):
        if seen.cycle is not None and _since_complete(seen.ts, view):
            return f": {seen.event.message}", seen.event.hint or _TRIES_AGAIN
    return "", _TRIES_AGAIN


def _later(crash: Crash, finished: Finished) -> bool:
    return crash.cycle is not None and moment(crash.ts) > moment(finished.finished)


def _since_complete(ts: str, view: View) -> bool:
    return not view.last_complete or moment(ts) > moment(view.last_complete)


_FATAL, _NOT_SAVED = 1, 3
"""Exit codes of a run."""

_TRIES_AGAIN = "The next tick tries again; see the faults."

_REASONS = {
    Word.HALTED: _halted,
    Word.PAUSED: _paused,
    Word.REFUSED: _refused,
    Word.STUCK: _stuck,
    Word.BEHIND: _behind,
    Word.IN_SYNC: _in_sync,
}
