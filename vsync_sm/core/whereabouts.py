"""Where is a path? "I changed it at 14:02: is it out?", told from the journal alone.

`vsync-sm where` and the console's panel use it. It knows as much as the journal tells, and says
how far that reaches.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Any

import msgspec

from vsync_sm.core.answer import Now, age
from vsync_sm.core.insight import Insight
from vsync_sm.core.outcome import CRASHED
from vsync_sm.core.reach import SHELL, Reach
from vsync_sm.core.refusal import remedy
from vsync_sm.core.sentences import skipped, why
from vsync_sm.core.trail import Fate, Held, Look, Seen, Trail
from vsync_sm.core.trails import Trails, near, resolve
from vsync_sm.core.words import clock, count, duration, listing, number, printable

__all__ = ["Verdict", "Whereabouts", "Word", "near"]

_WIDTH = 10


class Word(StrEnum):
    """What is to be said of a path, in a word."""

    OUT = "OUT"
    REMOVED = "REMOVED"
    NOT_YET = "NOT YET"
    REFUSED = "REFUSED"
    NOT_READ = "NOT READ"
    NOT_CHOSEN = "NOT CHOSEN"
    UNKNOWN = "UNKNOWN"
    AMBIGUOUS = "AMBIGUOUS"


class Verdict(msgspec.Struct, frozen=True):
    """The word, why it is that, and what to do next ("": nothing)."""

    word: Word
    because: str
    todo: str = ""

    @property
    def out(self) -> bool:
        """Whether Consul holds what was last read, or holds nothing of what is gone."""
        return self.word in {Word.OUT, Word.REMOVED}


class Whereabouts(Trails):
    """One path, followed through a journal: `note` each record, ask at any time.

    Attributes:
        near: what else may be meant, where the journal knows nothing of it; filled in by who looks.
    """

    def __init__(self, given: str) -> None:
        """`given` is the path as people write it: see `trails.resolve`."""
        super().__init__(given)
        self.near: tuple[str, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """Is it out? For who reads in a shell, with the journal in the default place."""
        return self.judged(SHELL)

    def judged(self, reach: Reach) -> Verdict:
        """Is it out? `reach` is how the reader gives the origin commands."""
        trails = self.trails
        if len(trails) == 1:
            return _Judge(self, trails[0], reach).verdict()
        if trails:
            paths = " and ".join(trail.path for trail in trails)
            return Verdict(Word.AMBIGUOUS, f"the journal knows {paths}", "Say which one is meant.")
        return self._unknown()

    def _unknown(self) -> Verdict:
        if not self.began:
            return Verdict(Word.UNKNOWN, "the journal is empty: nothing has happened yet")
        if not self.mounts:
            return Verdict(Word.UNKNOWN, "no cycle has begun yet as far as the journal reaches")
        meant = resolve(self.given, self.mounts)
        if meant and all(left_out := [self.left_out(path) for path in meant]):
            todo = "If it is to be synced, choose it in the configuration, look at vsync-sm plan."
            return Verdict(Word.NOT_CHOSEN, left_out[0], todo)
        todo = f"Did you mean {listing(list(self.near))}?" if self.near else ""
        if meant:
            because = "the journal knows nothing of this path, as far as it reaches"
            if self.changes_only:
                because = f"{because}; it does not name unchanged paths (journal.detail)"
            return Verdict(Word.UNKNOWN, because, todo or "See how it is spelled in Vault.")
        if f"{self.given.strip('/')}/" in self.mounts:
            return Verdict(Word.UNKNOWN, "it is a mount, not a path in one", todo)
        because = f"it begins with none of the mounts {listing(list(self.mounts))}"
        return Verdict(Word.UNKNOWN, because, todo or "Say it with its mount.")

    def lines(self, now: Now | None = None, reach: Reach = SHELL) -> list[str]:
        """All of it, a line each: the verdict first. `now` gives ages; None: none are told."""
        trails = self.trails
        said = self.judged(reach)
        name = trails[0].path if len(trails) == 1 else self.given
        lines = [f"{name}: {said.word}, {said.because}"]
        facts = [("to do", said.todo)] if said.todo else []
        if len(trails) == 1:
            facts += _facts(self, trails[0], now)
        if self.began:
            facts.append(("journal", f"tells from {clock(self.began)} to {_at(self.at, now)}"))
        lines += [f"{name:<{_WIDTH}} {words}" for name, words in facts]
        return [printable(line) for line in lines]

    def document(self, now: Now | None = None, reach: Reach = SHELL) -> dict[str, Any]:
        """The same, ready for JSON. What is not there is None; ages end in `_s`."""
        said = self.judged(reach)
        trails = self.trails
        trail = trails[0] if len(trails) == 1 else None
        return {
            "given": self.given,
            "path": trail.path if trail else None,
            "word": said.word.lower().replace(" ", "_"),
            "out": said.out,
            "because": said.because,
            "todo": said.todo,
            "bucket": self.bucket(trail.path) if trail else None,
            "num_buckets": self.num_buckets or None,
            "look": _look_document(trail.look if trail else None, now),
            "read": _look_document(trail.read if trail else None, now),
            "consul": _held_document(trail.held if trail else None, now),
            "carried": trail.carried if trail else 0,
            "first_seen": _seen_document(trail.first if trail else None),
            "last_seen": _seen_document(trail.last if trail else None),
            "cycle": self.cycle,
            "meant": [each.path for each in trails],
            "near": list(self.near),
            "journal_from": self.began or None,
            "journal_to": self.at or None,
        }


# --- is it out? ------------------------------------------------------------------------------


class _Judge:
    """Says of one trail whether Consul holds what was last read, and why not."""

    def __init__(self, where: Trails, trail: Trail, reach: Reach) -> None:
        self.where = where
        self.trail = trail
        self.reach = reach

    def verdict(self) -> Verdict:
        look, held = self.trail.look, self.trail.held
        if look is None:
            return Verdict(Word.UNKNOWN, "the journal does not tell of a look at it")
        if look.how == "failed":
            return self._failed(look)
        if held is not None and held.insight == look.insight and self._certain(held):
            return self._out(look, held)
        if look.how == "read":
            return self._not_yet(f"{_version(look.insight)} was read, but is not in Consul yet")
        still = "" if held is None else ", but Consul still holds it"
        return self._not_yet(f"{_gone(look)}{still}")

    def _certain(self, held: Held) -> bool:
        # After a save that failed half-way a bucket may be there that no index names yet.
        half = self.where.half
        return half is None or held.how == "saved" or held.cycle <= half

    def _out(self, look: Look, held: Held) -> Verdict:
        if look.how != "read":
            return Verdict(Word.REMOVED, f"{_gone(look)}, and {_held(held)}")
        return Verdict(Word.OUT, _held(held))

    def _failed(self, look: Look) -> Verdict:
        held = self.trail.held
        keeps = "it is left out" if held is None or held.insight is None else _held(held)
        because = f"cycle {number(look.cycle)} could not read it ({look.why}); {keeps}"
        return Verdict(Word.NOT_READ, because, "The next cycle tries again; mend what it says.")

    def _not_yet(self, what: str) -> Verdict:
        word, reason, todo = self._hindrance()
        later = self.trail.later
        since = f"; {count(later, 'later cycle')} did not come to it" if later else ""
        return Verdict(word, f"{what}: {reason}{since}", todo)

    def _hindrance(self) -> tuple[Word, str, str]:
        where, save = self.where, self.where.open_save
        running = where.cycle
        if running is not None and self.trail.look is not None and self.trail.look.cycle == running:
            doing = "is saving it" if save is not None else f"goes on ({where.phase})"
            return Word.NOT_YET, f"cycle {number(running)} {doing}", "Wait for its end."
        if save is not None:
            said = f"nobody knows yet how the save of cycle {number(save.cycle)} ended"
            return Word.NOT_YET, said, self._next("The next cycle's first read tells.")
        fate = self.trail.fate
        if fate is None:
            return Word.NOT_YET, "the journal does not tell why", self._next("")
        if fate.outcome == "refused":
            return (
                Word.REFUSED,
                f"the save of cycle {number(fate.cycle)} was refused",
                self._allow(),
            )
        return Word.NOT_YET, _fate(fate), self._next("The next tick tries again.")

    def _allow(self) -> str:
        if self.where.refusal is None:
            return ""
        event = self.where.refusal[1]
        return f"{remedy(event)}, or allow it: {self.reach.ask('allow', event.allowance)}"

    def _next(self, usual: str) -> str:
        """What to do for another cycle."""
        where = self.where
        if where.cycle is not None:
            return f"Wait for the end of cycle {number(where.cycle)}."
        if where.ended:
            start = self.reach.start()
            return f"The run has ended; start it again with your configuration: {start}"
        if where.pause is not None:
            since = f"since {clock(where.pause.ts)} by {where.pause.by}"
            resume, sync = self.reach.ask("resume"), self.reach.ask("sync")
            return f"vsync is paused {since}. To resume: {resume}; for one cycle: {sync}"
        return usual


def _version(insight: Insight | None) -> str:
    return "nothing" if insight is None else f"version {number(insight.version)}"


def _gone(look: Look) -> str:
    if look.how == "unchosen":
        return f"it is not chosen any more, {look.why}"
    reason = f" ({skipped(look.why)})" if look.how == "skipped" else ""
    return f"it is gone from Vault{reason}"


def _held(held: Held) -> str:
    cycle = f"cycle {number(held.cycle)}"
    if held.insight is None:
        since = f"since {cycle} was saved at {clock(held.ts)}"
        return f"Consul does not hold it, {since if held.how == 'saved' else f'as {cycle} found'}"
    what = _version(held.insight)
    if held.how == "saved":
        return f"Consul holds {what}, saved by {cycle} at {clock(held.ts)}"
    return f"Consul holds {what}, there already when {cycle} looked at {clock(held.ts)}"


def _fate(fate: Fate) -> str:
    if fate.outcome == CRASHED:
        return f"vsync broke off in cycle {number(fate.cycle)}"
    reason = f", because {why(fate.reason)}" if fate.reason else ""
    return f"cycle {number(fate.cycle)} was {fate.outcome}{reason}"


# --- what else is to be said -----------------------------------------------------------------


def _facts(where: Trails, trail: Trail, now: Now | None) -> Iterator[tuple[str, str]]:
    look, read = trail.look, trail.read
    if look is not None:
        yield "last look", f"cycle {number(look.cycle)}, {_at(look.ts, now)}: {_looked(look)}"
    if read is not None and read is not look:
        yield "last read", f"cycle {number(read.cycle)}, {_at(read.ts, now)}: {_looked(read)}"
    if look is not None:
        yield "", f"a change in Vault after {clock(look.ts)} has not been looked at yet"
    if where.cycle is not None and (look is None or look.cycle != where.cycle):
        yield "cycle", f"{number(where.cycle)} is {where.phase} and has not come to it yet"
    yield "Consul", _holds(trail.held)
    if trail.carried:
        row = count(trail.carried, "cycle")
        yield "carried", f"it keeps the insight last saved, for {row} in a row"
    bucket = where.bucket(trail.path)
    if bucket is not None:
        yield "bucket", f"{number(bucket)} (of {number(where.num_buckets)}, from 0)"
    if trail.first is not None and trail.last is not None:
        first, last = trail.first, trail.last
        began = f"first in cycle {number(first.cycle)}, {_at(first.ts, now)}"
        yield "seen", f"{began}; last in cycle {number(last.cycle)}, {_at(last.ts, now)}"


def _at(ts: str, now: Now | None) -> str:
    passed = None if now is None else age(ts, now)
    if now is None or passed is None:
        return clock(ts)
    return f"{clock(ts)} ({duration(passed)} {now.ago})"


def _looked(look: Look) -> str:
    if look.how == "read" and look.insight is not None:
        insight = look.insight
        return f"{_version(insight)} of {insight.updateTime} ({insight.type}), {look.change}"
    if look.how == "skipped":
        return f"left out, {skipped(look.why)}"
    if look.how == "unchosen":
        return f"not looked at, {look.why}"
    return "no longer listed" if look.how == "unlisted" else f"could not be read: {look.why}"


def _holds(held: Held | None) -> str:
    if held is None:
        return "nothing tells what it holds"
    words = _held(held).removeprefix("Consul ")
    return words if held.insight is None else f"{words}; it was updated {held.insight.updateTime}"


# --- for a program ---------------------------------------------------------------------------


def _look_document(look: Look | None, now: Now | None) -> dict[str, Any] | None:
    if look is None:
        return None
    return {
        "how": look.how,
        "at": look.ts,
        "age_s": _age(look.ts, now),
        "cycle": look.cycle,
        "change": look.change or None,
        "why": look.why or None,
        **_insight_document(look.insight),
    }


def _held_document(held: Held | None, now: Now | None) -> dict[str, Any] | None:
    if held is None:
        return None
    return {
        "there": held.insight is not None,
        "how": held.how,
        "at": held.ts,
        "age_s": _age(held.ts, now),
        "cycle": held.cycle,
        **_insight_document(held.insight),
    }


def _insight_document(insight: Insight | None) -> dict[str, Any]:
    return {
        "version": insight.version if insight else None,
        "update_time": insight.updateTime if insight else None,
        "type": insight.type if insight else None,
    }


def _seen_document(seen: Seen | None) -> dict[str, Any] | None:
    return None if seen is None else {"at": seen.ts, "cycle": seen.cycle}


def _age(ts: str, now: Now | None) -> float | None:
    return None if now is None else age(ts, now)
