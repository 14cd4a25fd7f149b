"""A stretch without a complete cycle, and what it went wrong by."""

from __future__ import annotations

from collections import Counter

import msgspec

from vsync_sm.core import events as e
from vsync_sm.core.errors import FaultKind
from vsync_sm.journal.story import CycleTold, Told

_ALARMS = frozenset(
    kind.word
    for kind in (
        FaultKind.CARRIED_TOO_LONG,
        FaultKind.JOURNAL_UNTIDY,
        FaultKind.KEEPS_FAILING,
        FaultKind.SAVE_REFUSED,
        FaultKind.TOKEN_ENDING,
    )
)
"""What only tells a human of something: no cycle fails by it."""


class Complete(msgspec.Struct, frozen=True):
    """A cycle after which Consul held what Vault did, and when it ended (`ts`)."""

    cycle: int
    ts: str


class Outage(msgspec.Struct):
    """A stretch without a complete cycle, from its first one that failed.

    `before` and `healed` are the complete cycles around it; None: the journal tells of none.
    `since` is when its first cycle was in trouble first, and `cause` the first fault or refusal in
    that cycle, else the first server in trouble; None: it tells of none, but `why` it ended so (the
    reason of an abort, or how the cycle ended). `written`: some of a failed save was, `doubtful`: a
    save had no known end.
    """

    first: int
    began: str
    before: Complete | None
    last: int = 0
    cycles: int = 0
    outcomes: Counter[str] = msgspec.field(default_factory=Counter)
    healed: Complete | None = None
    since: str = ""
    cause: Told | None = None
    why: str = ""
    written: bool = False
    doubtful: bool = False


def outage_from(told: CycleTold, how: str, before: Complete | None) -> Outage:
    """The stretch that this cycle begins: it went wrong by what is told of this cycle."""
    entries = [each for each in told.entries if isinstance(each, Told)]
    trouble = [each for each in entries if _in_trouble(each.record.event)]
    causes = [each for each in entries if is_cause(each.record.event)]
    reason = told.finished.facts.reason if told.finished is not None else ""
    return Outage(
        told.number,
        told.started,
        before,
        since=min((each.record.ts for each in (*trouble[:1], *causes[:1])), default=told.started),
        cause=next(iter((*causes, *trouble)), None),
        why=reason or how,
    )


def is_cause(event: e.Event | e.Unknown) -> bool:
    """Whether it is what went wrong: a fault, a refusal, what a start waits for; no alarm."""
    if isinstance(event, e.FaultRaised):
        return event.kind not in _ALARMS
    return isinstance(event, e.SaveRefused | e.ChecksPostponed)


def _in_trouble(event: e.Event | e.Unknown) -> bool:
    return isinstance(event, e.ServerConditionChanged) and event.condition != "answering"


def same_fault(event: e.FaultRaised) -> tuple[str, str]:
    """Equal for faults that are one and the same: how far a late cycle came does not matter."""
    if event.kind == FaultKind.DEADLINE.word and "phase" in event.context:
        return event.kind, f"{event.context['phase']} {event.context.get('server', '')}"
    return event.kind, event.message
