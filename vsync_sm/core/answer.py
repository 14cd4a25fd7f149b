"""The answer on top: in one word, is this origin healthy? And what should a human do next?

Console, `ctl status` and everything else that tells the health take it from here. What is
measured against now gets a `Now`; for a journal that has ended, that is its last record.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from vsync_sm.core.insight import moment
from vsync_sm.core.machine import State
from vsync_sm.core.shapes import View
from vsync_sm.core.words import count, duration

_NS = 1_000_000_000

STUCK_AFTER = 3
"""So many cycles in a row that were not complete, and the origin is stuck."""


class Now(msgspec.Struct, frozen=True):
    """A moment to measure from: `wall` is ns since 1970, `mono` ns since the view's run began."""

    wall: int
    mono: int


def now_at(view: View, wall: int | None = None) -> Now:
    """The moment `wall` (ns since 1970) for this view; without one, that of its last record."""
    last = moment(view.now.ts) if view.now.ts else wall or 0
    passed = 0 if wall is None else max(0, wall - last)
    return Now(last + passed, view.now.mono + passed)


def age(ts: str, now: Now) -> float | None:
    """Seconds from a record's time until now, None where there was none."""
    return max(0.0, (now.wall - moment(ts)) / _NS) if ts else None


def seconds_since(mono: int, now: Now) -> float:
    """Seconds from a moment of the view's run (`mono`, ns) until now."""
    return max(0.0, (now.mono - mono) / _NS)


def next_tick_in(view: View, now: Now) -> float | None:
    """Seconds until a cycle begins by itself; None while paused, or when the run is over."""
    if view.pause is not None or view.ended is not None or view.run is None:
        return None
    return max(0.0, (view.next_tick - now.mono) / _NS)


class Word(StrEnum):
    """The answers, gravest first: the first that holds is the answer."""

    HALTED = "HALTED"
    PAUSED = "PAUSED"
    REFUSED = "REFUSED"
    STUCK = "STUCK"
    BEHIND = "BEHIND"
    IN_SYNC = "IN SYNC"


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


def answer(view: View, now: Now) -> Answer:
    """The answer for a view at a moment."""
    word = _word(view, now)
    because, todo = _REASONS[word](view, now)
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


def _halted(view: View, _: Now) -> tuple[str, str]:
    code = view.ended.exit_code if view.ended else 0
    why = view.ended.why if view.ended else "it is about to end"
    if code == 0:
        return why, "Start it again when it should go on: vsync-sm --headless"
    hint = next((seen.event.hint for seen in reversed(view.faults) if seen.event.fatal), "")
    return why, hint or "See its last faults, then start it again."


def _paused(view: View, now: Now) -> tuple[str, str]:
    pause = view.pause
    if pause is None:
        return "", ""
    since = duration(age(pause.ts, now) or 0.0)
    why = f": {pause.why}" if pause.why else ""
    return f"for {since}, by {pause.by}{why}", "Resume when it is done: vsync-sm ctl resume"


def _refused(view: View, _: Now) -> tuple[str, str]:
    refusal = view.refusal
    if refusal is None:
        return "", ""
    event = refusal.event
    leaving, older = sum(event.vanished.values()), sum(event.regressed.values())
    what = [f"{count(leaving, 'path')} would vanish"] if leaving else []
    what += [f"{count(older, 'path')} would go back"] if older else []
    said = " and ".join(what) or ", ".join(dict.fromkeys(each.rule for each in event.refusals))
    if view.allowance is not None and view.allowance.event.allowance == event.allowance:
        return f"{said}; it is allowed", "The next cycle saves it."
    return (
        f"{said}; destinations keep what they have",
        f"Restore it in Vault, or allow it: vsync-sm ctl allow {event.allowance}",
    )


def _stuck(view: View, _: Now) -> tuple[str, str]:
    return f"{count(view.failed_in_row, 'cycle')} in a row failed{_last_fault(view)}", _hint(view)


def _behind(view: View, now: Now) -> tuple[str, str]:
    if not view.last_complete:
        if view.failed_in_row:
            return f"no cycle was complete yet{_last_fault(view)}", _hint(view)
        return "no cycle was complete yet", "Wait for the first one to end."
    since = duration(age(view.last_complete, now) or 0.0)
    limit = duration(_allowed(view))
    because = f"no complete cycle for {since} (two ticks and the timeout are {limit})"
    if view.failed_in_row:
        return f"{because}{_last_fault(view)}", _hint(view)
    return because, "Wait for the next cycle to end, or ask for one: vsync-sm ctl sync"


def _in_sync(view: View, _: Now) -> tuple[str, str]:
    if view.failed_in_row:
        return f"but the last cycle failed{_last_fault(view)}", _hint(view)
    return "Consul holds what Vault held at the last look", ""


def _last_fault(view: View) -> str:
    return f": {view.faults[-1].event.message}" if view.faults else ""


def _hint(view: View) -> str:
    hint = view.faults[-1].event.hint if view.faults else ""
    return hint or "The next tick tries again; see the faults."


_REASONS = {
    Word.HALTED: _halted,
    Word.PAUSED: _paused,
    Word.REFUSED: _refused,
    Word.STUCK: _stuck,
    Word.BEHIND: _behind,
    Word.IN_SYNC: _in_sync,
}
