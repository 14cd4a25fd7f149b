"""What a post-mortem asks of a journal, gathered from its story's items in one pass.

It is bounded: what is quiet, or fails as it failed before, is one row however long it lasted, and
beyond `ROWS` the middle of the timeline is counted. `journal.markdown` puts it into words.
"""

from __future__ import annotations

import hashlib
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from vsync_sm.core import events as e
from vsync_sm.core.outcome import CRASHED, CUT_OFF, has_failed, is_complete
from vsync_sm.core.present import severity
from vsync_sm.core.shapes import Finished, Run, View
from vsync_sm.core.view import view_of
from vsync_sm.journal.codec import encode
from vsync_sm.journal.outages import Complete, Outage, is_cause, outage_from, same_fault
from vsync_sm.journal.replay import Replay
from vsync_sm.journal.story import Close, CycleTold, Damage, Item, Resumed, RunHead, RunTail, Told

ROWS = 300
"""So many rows of the timeline are kept from its beginning, and a third of it from its end."""

KINDS = 40
"""So many different faults, refusals and outages are told; others are counted."""

_OWN_ROW = (
    *(e.AllowanceGranted, e.CommandReceived, e.SignalReceived, e.TickerPaused, e.TickerResumed),
    *(e.Notified, e.ServerConditionChanged, e.SaveReconciled, e.StatusFailed, e.StatusWritten),
    e.RunFinished,
)
_NO_ROW = (e.CheckPassed, e.TokenRenewed, e.Transitioned, e.LateResultDropped, e.AllowanceSpent)


_UNFINISHED = "unfinished"
_CYCLE_ENDED = {"crashed": CRASHED, "finished": CUT_OFF, "open": _UNFINISHED}
"""What became of a cycle without an end, by how its run ended."""


class Stretch(msgspec.Struct):
    """Cycles one after the other that went alike: one row of the timeline.

    `outcomes` counts them by how they ended, `changes` sums what they found. `entries` are the
    first one's; `shortest` and `longest` took so many seconds.
    """

    first: CycleTold
    last: CycleTold
    alike: object
    cycles: int = 0
    outcomes: Counter[str] = msgspec.field(default_factory=Counter)
    changes: Counter[str] = msgspec.field(default_factory=Counter)
    retries: Counter[str] = msgspec.field(default_factory=Counter)
    shortest: float = float("inf")
    longest: float = 0.0

    @property
    def complete(self) -> bool:
        """Whether its cycles found Consul up to date, or brought it there."""
        return all(map(is_complete, self.outcomes))

    def add(self, told: CycleTold, how: str) -> None:
        """One more cycle that went as these did."""
        self.last = told
        self.cycles += 1
        self.outcomes[how] += 1
        self.retries.update(told.retries)
        done = told.finished
        if done is not None:
            self.shortest = min(self.shortest, done.seconds)
            self.longest = max(self.longest, done.seconds)
            facts = done.facts
            self.changes.update(
                {
                    name: n
                    for name in ("added", "updated", "vanished")
                    if (n := getattr(facts, name))
                }
            )


class Crashed(msgspec.Struct, frozen=True):
    """A run ended without a word, between its last line (`after`) and the next run's (`before`)."""

    tail: RunTail
    after: str
    before: str


Row = Stretch | Told | RunHead | RunTail | Crashed | Resumed


class FaultSeen(msgspec.Struct):
    """A fault, as often as it was raised in the same words (of a deadline: in the same phase)."""

    first: Told
    last: e.Record
    times: int = 0


class RefusalSeen(msgspec.Struct):
    """A refusal, by its allowance id; `granted` and `spent` are what became of it.

    `hint` is what the fault said that told a human of it.
    """

    first: e.Record
    event: e.SaveRefused
    last: e.Record
    times: int = 0
    granted: e.Record | None = None
    spent: e.Record | None = None
    hint: str = ""


class Postmortem:
    """Read a journal, or a span of one, with `read`; then ask.

    Attributes:
        first, last: its first and last record, None where there is none.
        run: the last run.
        head, tail: the rows of the timeline; `left_out` stood between them.
        outcomes: how the cycles ended, by word; `saved` sums what saves brought to Consul.
        outages, faults, refusals: the first `KINDS` of each, the others counted in `more`.
        unread: how many times a path could not be read; `unread_first` counts the first few.
        reconciled: saves whose end was found out later.
        failed, good: the first cycle that failed, and a complete one to hold it against.
        cause: the first fault or refusal of all, or what a start waited for; alarms are none.
        ended: how the last run ended; `open`: that it has no end, None: it has.
        close, damage: the last words of the replay.
        digest: SHA-256 (hex) of all lines that were read.
    """

    def __init__(self) -> None:
        self.first: e.Record | None = None
        self.last: e.Record | None = None
        self.run: Run | None = None
        self.head: list[Row] = []
        self.tail: deque[Row] = deque(maxlen=ROWS // 3)
        self.left_out = 0
        self.cycles = 0
        self.outcomes: Counter[str] = Counter()
        self.saved: Counter[str] = Counter()
        self.outages: list[Outage] = []
        self.faults: dict[tuple[str, str], FaultSeen] = {}
        self.refusals: dict[str, RefusalSeen] = {}
        self.more: Counter[str] = Counter()
        self.unread = 0
        self.unread_first: dict[tuple[str, str], int] = {}
        self.reconciled: list[Told] = []
        self.failed: CycleTold | None = None
        self.good: Finished | None = None
        self.cause: Told | None = None
        self.ended: e.Record | None = None
        self.crashes = 0
        self.open: RunTail | None = None
        self.close: Close | None = None
        self.damage: Damage | None = None
        self.digest = ""
        self._before: e.Record | None = None
        self._latest: e.Record | None = None
        self._complete: Complete | None = None
        self._outage: Outage | None = None
        self._stretch: Stretch | None = None
        self._open: CycleTold | None = None

    def read(
        self, records: Iterable[e.Record], *, history: bool = False, journal: Path | None = None
    ) -> None:
        """Take all of it in. What `records` raise as `JournalError` ends it, and is told.

        Args:
            records: of a journal, or of a span (`journal.cutting`), in order.
            history: they are those of a history, and are not checked.
            journal: the file that they are read from, if it is one; see `replay`.
        """
        digest = hashlib.sha256()

        def seen() -> Iterator[e.Record]:
            for record in records:
                digest.update(encode(record))
                self.first = self.first or record
                if not isinstance(record.event, e.SegmentOpened):
                    self._before, self._latest = self._latest, record
                self.last = record
                yield record

        replay = Replay(
            seen(), json=False, lines=False, cycle=None, history=history, journal=journal
        )
        for item in replay.items():
            self._note(item)
        self._end_stretch()
        self._told_open(_UNFINISHED)
        self.run = replay.view.run
        self.digest = digest.hexdigest()

    @property
    def ok(self) -> bool:
        """Nothing contradicts and nothing is damaged in what was read."""
        return self.close is not None and self.close.ok

    # --- the story's items ---

    def _note(self, item: Item) -> None:
        match item:
            case CycleTold():
                self._told_open(CRASHED)
                if item.finished is None:
                    self._open = item
                else:
                    self._cycle(item, item.finished.facts.outcome)
            case RunTail():
                self._run_over(item)
            case RunHead():
                self.ended = None
                self._row(item)
            case Resumed():
                self._resumed(item)
            case Told():
                self._told(item)
            case Close():
                self.close = item
            case Damage():
                self.damage = item
            case _:
                pass

    def _run_over(self, item: RunTail) -> None:
        self._told_open(_CYCLE_ENDED[item.how])
        if item.save and self._outage is not None:
            self._outage.doubtful = True
        self.open = item if item.how == "open" else None
        if item.how == "crashed" and self._before is not None and self._latest is not None:
            self.crashes += 1
            self._row(Crashed(item, self._before.ts, self._latest.ts))
        elif self.open is not None and item.cycle is not None:
            self._row(item)

    def _resumed(self, item: Resumed) -> None:
        try:
            view = view_of(item.event)
        except ValueError:
            view = View()
        for done in (*view.saves, *view.history):
            if is_complete(done.facts.outcome) and (
                not self.good or done.number > self.good.number
            ):
                self.good = done
        if self.good is not None:
            self._complete = Complete(self.good.number, self.good.finished)
        self._row(item)

    def _told(self, told: Told) -> None:
        event = told.record.event
        self._learn(told)
        if not isinstance(event, _NO_ROW):
            self._row(told)

    def _told_open(self, how: str) -> None:
        """A cycle without an end: cut short, or going on where the journal ends."""
        told, self._open = self._open, None
        if told is not None:
            self._cycle(told, how)

    # --- cycles ---

    def _cycle(self, told: CycleTold, how: str) -> None:
        self.cycles += 1
        self.outcomes[how] += 1
        for entry in told.entries:
            if isinstance(entry, Told):
                self._learn(entry)
        self._held_against(told, how)
        if is_complete(how):
            self._complete_again(told)
        elif _failed(told, how):
            self._fails(told, how)
        alike = _alike(told, how)
        if self._stretch is None or self._stretch.alike != alike:
            self._end_stretch()
            self._stretch = Stretch(told, told, alike)
        self._stretch.add(told, how)
        own = [each for each in told.entries if isinstance(each, Told) and _has_row(each)]
        if own:
            self._end_stretch()
        for each in own:
            self._row(each)

    def _held_against(self, told: CycleTold, how: str) -> None:
        done = told.finished
        if _failed(told, how) and self.failed is None:
            self.failed = told
        elif is_complete(how) and done is not None and (self.failed is None or self.good is None):
            self.good = done
        if done is not None and how == "saved":
            facts = done.facts
            self.saved.update(
                cycles=1, added=facts.added, updated=facts.updated, vanished=facts.vanished
            )

    def _complete_again(self, told: CycleTold) -> None:
        done = told.finished
        if done is None:
            return
        self._complete = Complete(told.number, done.finished)
        if self._outage is not None:
            self._outage.healed, self._outage = self._complete, None

    def _fails(self, told: CycleTold, how: str) -> None:
        if self._outage is None:
            self._outage = outage_from(told, how, self._complete)
            if len(self.outages) < KINDS:
                self.outages.append(self._outage)
            else:
                self.more["outages"] += 1
        outage = self._outage
        outage.last = told.number
        outage.cycles += 1
        outage.outcomes[how] += 1
        for entry in told.entries:
            event = entry.record.event if isinstance(entry, Told) else None
            outage.written |= isinstance(event, e.SaveFailed) and event.written
            outage.doubtful |= isinstance(event, e.SaveUncertain)

    # --- what single events tell ---

    def _learn(self, told: Told) -> None:
        record, event = told.record, told.record.event
        if is_cause(event):
            self.cause = self.cause or told
        if isinstance(event, e.FaultRaised):
            self._fault(told, event)
        elif isinstance(event, e.SaveRefused):
            self._refused(record, event)
        elif isinstance(event, e.AllowanceGranted | e.AllowanceSpent):
            self._allowed(record, event)
        elif isinstance(event, e.PathFailed):
            self.unread += 1
            key, first = (event.path, event.message), self.unread_first
            if key in first or len(first) < 5:
                first[key] = first.get(key, 0) + 1
        elif isinstance(event, e.RunFinished):
            self.ended = record
        elif isinstance(event, e.SaveReconciled) and len(self.reconciled) < KINDS:
            self.reconciled.append(told)

    def _fault(self, told: Told, event: e.FaultRaised) -> None:
        refusal = self.refusals.get(event.context.get("allowance", ""))
        if refusal is not None:
            refusal.hint = event.hint
            return
        key = same_fault(event)
        if key not in self.faults:
            if len(self.faults) == KINDS:
                self.more["faults"] += 1
                return
            self.faults[key] = FaultSeen(told, told.record)
        seen = self.faults[key]
        seen.last = told.record
        seen.times += 1

    def _refused(self, record: e.Record, event: e.SaveRefused) -> None:
        if event.allowance not in self.refusals:
            if len(self.refusals) == KINDS:
                self.more["refusals"] += 1
                return
            self.refusals[event.allowance] = RefusalSeen(record, event, record)
        seen = self.refusals[event.allowance]
        seen.last = record
        seen.times += 1

    def _allowed(self, record: e.Record, event: e.AllowanceGranted | e.AllowanceSpent) -> None:
        seen = self.refusals.get(event.allowance)
        if seen is not None and isinstance(event, e.AllowanceGranted):
            seen.granted = record
        elif seen is not None:
            seen.spent = record

    # --- the timeline ---

    def _end_stretch(self) -> None:
        stretch, self._stretch = self._stretch, None
        if stretch is not None:
            self._keep(stretch)

    def _row(self, row: Row) -> None:
        self._end_stretch()
        self._keep(row)

    def _keep(self, row: Row) -> None:
        if len(self.head) < ROWS:
            self.head.append(row)
            return
        self.left_out += len(self.tail) == self.tail.maxlen
        self.tail.append(row)


def _failed(told: CycleTold, how: str) -> bool:
    reason = told.finished.facts.reason if told.finished is not None else ""
    return how != _UNFINISHED and has_failed(how, reason)


def _has_row(told: Told) -> bool:
    return isinstance(told.record.event, _OWN_ROW)


def _alike(told: CycleTold, how: str) -> object:
    """Equal for cycles that may share a row: those that were well, or failed for one cause."""
    grave = tuple(
        sorted(
            {_cause(each.record.event) for each in told.entries if isinstance(each, Told)} - {""}
        )
    )
    if is_complete(how) and not grave:
        return "complete"
    reason = told.finished.facts.reason if told.finished is not None else ""
    others = any(not isinstance(each, Told) for each in told.entries)
    return (how, reason, grave, told.number if others else 0)


def _cause(event: e.Event | e.Unknown) -> str:
    if isinstance(event, e.FaultRaised):
        return " ".join(same_fault(event))
    if isinstance(event, e.SaveRefused):
        return f"refused {event.allowance}"
    if isinstance(event, e.SaveFailed):
        return f"failed {event.kind} {event.written}"
    return event.type if severity(event) in {"warning", "error"} else ""
