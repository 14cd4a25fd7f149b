"""What the journal remembers for the safety rules: a fold, the same live and after a restart.

The run view is what people see; this is what `core.safety` must know beyond one cycle.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence, Set
from typing import Any, ClassVar

import msgspec

from vsync_sm.core import events
from vsync_sm.core.errors import FaultKind
from vsync_sm.core.events import Record
from vsync_sm.core.insight import NS, moment
from vsync_sm.core.outcome import is_complete
from vsync_sm.core.ready import ready
from vsync_sm.core.safety import ALLOWANCE_S, allowance_id, items
from vsync_sm.core.sync_info import INDEX, Former

REFUSALS_KEPT = 4
"""So many of the last refusals can be allowed however old they are; others for an hour."""

LINES_KEPT = 200_000
"""Beyond those, no more than so many refused lines are remembered: the oldest are forgotten."""

_NO_ANSWER = frozenset(
    kind.word
    for kind in (
        FaultKind.UNREACHABLE,
        FaultKind.TIMEOUT,
        FaultKind.SERVER_ERROR,
        FaultKind.RATE_LIMITED,
        FaultKind.NOT_CONSUL,
        FaultKind.DEADLINE,
    )
)
"""After these nobody knows whether Consul will still write what it was sent."""


class OpenSave(msgspec.Struct, frozen=True):
    """A save whose end is not known yet."""

    run: str
    cycle: int
    started: events.SaveStarted
    num_buckets: int = 0

    @property
    def prefix(self) -> str:
        """The prefix that it saves under."""
        return self.started.index_key.removesuffix(INDEX)


class Refused(msgspec.Struct, frozen=True):
    """What was refused: under which prefix, which lines of `safety.items`, and what was there.

    `insights` counts by mount what would have been saved.
    """

    prefix: str
    covers: frozenset[str]
    insights: Mapping[str, int]


class Allowance(msgspec.Struct, frozen=True):
    """A yes: the id it names, what was refused under it, when it was given (ns since 1970)."""

    id: str
    refused: Refused
    granted: int

    def expired(self, now: int) -> bool:
        """Whether its hour is over at `now` (ns since 1970), or has not begun: a clock set back."""
        return not 0 <= now - self.granted < ALLOWANCE_S * NS


class Remembered(msgspec.Struct, frozen=True):
    """The last sync info that was committed: its number of buckets, its insights by mount."""

    num_buckets: int
    insights: Mapping[str, int]


class _CycleMemory(msgspec.Struct):
    """What belongs to the cycle that is being told."""

    accessors: dict[str, str] = {}
    vanished: set[str] = set()
    regressed: set[str] = set()
    failed: set[str] = set()
    unasked: dict[str, int] = {}
    prefix: str = ""
    num_buckets: int = 0


class Memory(msgspec.Struct, forbid_unknown_fields=True, rename=lambda name: name.lstrip("_")):
    """Fed with every record, in order; asked by the engine.

    All that it knows stands in its fields, and goes with them into a checkpoint: a fold that
    begins there goes on as if it had seen every line before. A field that is new in a release has
    its default there.

    Attributes:
        last_seq: the journal's last `seq`, 0 for a new one.
        last_cycle: the number of the last cycle begun.
        accessors: by mount, as of the last cycle that ended saved or unchanged.
        allowance: the yes that is in force, if any (the caller minds its expiry).
        open_save: a save that crashed or ended uncertain.
        carried: by path, for how many cycles in a row its insight was carried forward.
        told_failing: a human was told that cycles keep failing, and none was complete since.
        crashed: the last run, when it has no `run_finished`: (run, state, running cycle or None).
    """

    last_seq: int = 0
    last_cycle: int = 0
    accessors: dict[str, str] = {}
    allowance: Allowance | None = None
    open_save: OpenSave | None = None
    carried: dict[str, int] = {}
    told_failing: bool = False
    crashed: tuple[str, str, int | None] | None = None
    _known: dict[str, int] = {}
    _remembered: dict[str, Remembered] = {}
    _doubtful: set[str] = set()
    _refused: dict[str, Refused] = {}
    _refused_at: dict[str, int] = {}
    _vanished: list[tuple[int, str, dict[str, int]]] = []
    _cycle: _CycleMemory = msgspec.field(default_factory=_CycleMemory)
    _granted_at: int = 0

    # --- asked ---

    def knows(self, prefix: str) -> bool:
        """Whether a sync info is known to have lain under this prefix."""
        return prefix in self._known

    def last_seen(self, prefix: str) -> int:
        """The cycle that saw, or saved, a sync info under this prefix last; 0: none did."""
        return self._known.get(prefix, 0)

    def remembered(self, prefix: str) -> Remembered | None:
        """The last sync info that was committed under this prefix."""
        return self._remembered.get(prefix)

    @property
    def doubtful(self) -> frozenset[str]:
        """The keys of saves that had no definite answer: Consul may yet write them, late."""
        return frozenset(self._doubtful)

    def refused(self, allowance: str) -> Refused | None:
        """What was refused under this id, within the hour or among the last few refusals."""
        return self._refused.get(allowance)

    @property
    def refusal_ids(self) -> frozenset[str]:
        """The ids of the refusals that can be allowed."""
        return frozenset(self._refused)

    @property
    def last_refusal(self) -> str:
        """The id of the last refusal, "" where there is none."""
        return next(reversed(self._refused), "")

    @property
    def prefix(self) -> str:
        """Where the cycle that is told saves to."""
        return self._cycle.prefix

    @property
    def vanishing(self) -> Set[str]:
        """The paths that the cycle which is told lets vanish."""
        return self._cycle.vanished

    @property
    def failed(self) -> Set[str]:
        """The paths that failed in the cycle which is told, and were not carried forward."""
        return self._cycle.failed

    def vanished_since(self, since: int, prefix: str) -> Counter[str]:
        """By mount, what vanished unasked in saves later than `since` (ns since 1970)."""
        total: Counter[str] = Counter()
        for when, where, counts in self._vanished:
            if when > since and where == prefix:
                total.update(counts)
        return total

    # --- told ---

    def note(self, record: Record) -> None:
        """Fold one record; the first one may open a segment, and its checkpoint is taken over.

        Raises:
            ValueError: that checkpoint cannot be used, or a time cannot be read.
        """
        if record.seq <= self.last_seq:
            return
        if not self.last_seq and isinstance(record.event, events.SegmentOpened):
            self._begin_at(record.event)
        self.last_seq = record.seq
        fold = self._folds.get(type(record.event))
        if fold is not None:
            fold(self, record, record.event)

    def note_insights(self, records: Sequence[Record]) -> None:
        """Fold records that all hold an `InsightGenerated`: the same as one by one."""
        if self.carried or not records or records[0].seq <= self.last_seq:
            for record in records:
                self.note(record)
        else:
            self.last_seq = records[-1].seq

    def _begin_at(self, event: events.SegmentOpened) -> None:
        known = memory_of(event)
        for name in known.__struct_fields__:
            setattr(self, name, getattr(known, name))

    def _run_started(self, record: Record, _: events.RunStarted) -> None:
        if self._granted_at == record.seq - 1:
            # No line of its run follows the yes: the disk may have failed while it was written,
            # and who gave it was told that nobody knows. It is asked for again.
            self.allowance = None
        self.crashed = (record.run, "checking", None)

    def _run_finished(self, _: Record, __: events.RunFinished) -> None:
        self.crashed = None

    def _transitioned(self, record: Record, event: events.Transitioned) -> None:
        if self.crashed is not None:
            self.crashed = (record.run, event.dest, self.crashed[2])

    def _cycle_started(self, record: Record, event: events.CycleStarted) -> None:
        self.last_cycle = record.cycle or 0
        self._cycle = _CycleMemory()
        self._cycle.num_buckets = event.num_buckets
        self.crashed = (record.run, "listing", record.cycle)

    def _mount_checked(self, _: Record, event: events.MountChecked) -> None:
        self._cycle.accessors[event.mount] = event.accessor

    def _sync_info_read(self, record: Record, event: events.SyncInfoRead) -> None:
        self._cycle.prefix = event.prefix
        if event.index:
            self._known[event.prefix] = record.cycle or 0

    def _generated(self, _: Record, event: events.InsightGenerated) -> None:
        if self.carried:
            self.carried.pop(event.path, None)

    def _skipped(self, _: Record, event: events.InsightSkipped) -> None:
        self.carried.pop(event.path, None)

    def _path_failed(self, _: Record, event: events.PathFailed) -> None:
        self._cycle.failed.add(event.path)

    def _carried_forward(self, _: Record, event: events.InsightCarriedForward) -> None:
        self._cycle.failed.discard(event.path)
        self.carried[event.path] = event.cycles

    def _insight_vanished(self, _: Record, event: events.InsightVanished) -> None:
        self._cycle.vanished.add(event.path)
        self.carried.pop(event.path, None)

    def _insight_regressed(self, _: Record, event: events.InsightRegressed) -> None:
        self._cycle.regressed.add(event.path)

    def _save_started(self, record: Record, event: events.SaveStarted) -> None:
        self._doubt()  # of one under another prefix, that no reading back has settled
        self.open_save = OpenSave(record.run, record.cycle or 0, event, self._cycle.num_buckets)
        self._cycle.unasked = event.vanished

    def _save_committed(self, record: Record, _: events.SaveCommitted) -> None:
        self._vanish(record)
        self._committed()

    def _save_failed(self, record: Record, event: events.SaveFailed) -> None:
        if event.kind in _NO_ANSWER:
            self._doubt()
        self.open_save = None
        if event.written:
            self._vanish(record)

    def _save_uncertain(self, _: Record, __: events.SaveUncertain) -> None:
        self._doubt()

    def _save_reconciled(self, record: Record, event: events.SaveReconciled) -> None:
        if self.open_save is not None and event.written:
            self._cycle.unasked = self.open_save.started.vanished
            self._vanish(record)
        if event.outcome == "committed":
            self._committed()
        else:
            self._doubt()
        self.open_save = None

    def _save_refused(self, record: Record, event: events.SaveRefused) -> None:
        cycle = self._cycle
        refused = items(cycle.vanished, cycle.regressed, cycle.failed, event.refusals)
        # An id that its own events do not bear out is somebody's forgery: it allows nothing.
        if allowance_id(refused) != event.allowance:
            return
        self._refused.pop(event.allowance, None)
        now = moment(record.ts)
        self._refused[event.allowance] = Refused(cycle.prefix, refused, event.insights)
        self._refused_at[event.allowance] = now
        self._forget_refusals(now)

    def _forget_refusals(self, now: int) -> None:
        # Where many people delete, each cycle refuses another set: who reads one of them must
        # still find it when he has read it.
        lines = sum(len(each.covers) for each in self._refused.values())
        for allowance in list(self._refused)[:-REFUSALS_KEPT]:
            recent = now - self._refused_at[allowance] < ALLOWANCE_S * NS
            if lines <= LINES_KEPT and recent:
                return
            lines -= len(self._refused[allowance].covers)
            del self._refused[allowance], self._refused_at[allowance]

    def _granted(self, record: Record, event: events.AllowanceGranted) -> None:
        refused = self._refused.get(event.allowance)
        if refused is not None:
            self._granted_at = record.seq
            self.allowance = Allowance(event.allowance, refused, moment(record.ts))

    def _spent(self, _: Record, event: events.AllowanceSpent) -> None:
        self._spend(event.allowance)

    def _cycle_finished(self, _: Record, event: events.CycleFinished) -> None:
        if is_complete(event.outcome):
            self.accessors.update(self._cycle.accessors)
            self.told_failing = False
        if self.crashed is not None:
            self.crashed = (self.crashed[0], self.crashed[1], None)

    def _fault_raised(self, _: Record, event: events.FaultRaised) -> None:
        if event.kind == FaultKind.KEEPS_FAILING.word:
            self.told_failing = True

    # --- shared ---

    def _vanish(self, record: Record) -> None:
        if self._cycle.unasked:
            now = moment(record.ts)
            self._vanished.append((now, self._cycle.prefix, dict(self._cycle.unasked)))
            while now - self._vanished[0][0] > ALLOWANCE_S * NS:
                del self._vanished[0]

    def _committed(self) -> None:
        save, self.open_save = self.open_save, None
        if save is None:
            return
        self._known[save.prefix] = max(save.cycle, self._known.get(save.prefix, 0))
        self._remembered[save.prefix] = Remembered(save.num_buckets, save.started.insights)
        self._spend(save.started.allowance)
        # Every key of its own that was in doubt was written anew: what comes late is refused.
        self._doubtful = {key for key in self._doubtful if not key.startswith(save.prefix)}

    def _doubt(self) -> None:
        if self.open_save is not None:
            started = self.open_save.started
            self._doubtful.update(key.key for key in started.keys)
            self._doubtful.add(started.index_key)

    def _spend(self, allowance: str) -> None:
        # A spent id is dead until the same is refused again: found once more on a command line,
        # it must not allow what a human has allowed once.
        self._refused.pop(allowance, None)
        self._refused_at.pop(allowance, None)
        if self.allowance is not None and self.allowance.id == allowance:
            self.allowance = None

    _folds: ClassVar[dict[type, Callable[[Memory, Record, Any], None]]] = {
        events.RunStarted: _run_started,
        events.RunFinished: _run_finished,
        events.Transitioned: _transitioned,
        events.CycleStarted: _cycle_started,
        events.MountChecked: _mount_checked,
        events.SyncInfoRead: _sync_info_read,
        events.InsightGenerated: _generated,
        events.InsightSkipped: _skipped,
        events.PathFailed: _path_failed,
        events.InsightCarriedForward: _carried_forward,
        events.InsightVanished: _insight_vanished,
        events.InsightRegressed: _insight_regressed,
        events.SaveStarted: _save_started,
        events.SaveCommitted: _save_committed,
        events.SaveFailed: _save_failed,
        events.SaveUncertain: _save_uncertain,
        events.SaveReconciled: _save_reconciled,
        events.SaveRefused: _save_refused,
        events.AllowanceGranted: _granted,
        events.AllowanceSpent: _spent,
        events.CycleFinished: _cycle_finished,
        events.FaultRaised: _fault_raised,
    }


ready(Memory)


def memory_of(event: events.SegmentOpened) -> Memory:
    """What the checkpoint of a segment remembers. Raises ValueError: it cannot be used."""
    try:
        return msgspec.convert(event.checkpoint.get("memory"), Memory, str_keys=True)
    except msgspec.ValidationError as error:
        raise ValueError(f"the checkpoint's memory cannot be used: {error}") from None


def settle(save: OpenSave, former: Former) -> events.SaveReconciled:
    """How a save that was left open did end, told from what lies in Consul now.

    It was committed when Consul holds all that was meant.
    """
    values = {pair.key: sha256(pair.value) for pair in former.keys.values()}
    if former.index_key is not None:
        values[former.index_key.key] = sha256(former.index_key.value)
    meant = {key.key: key.sha256 for key in save.started.keys}
    written = any(values.get(key) == value for key, value in meant.items())
    meant[save.started.index_key] = save.started.index
    return events.SaveReconciled(
        saved_run=save.run,
        saved_cycle=save.cycle,
        outcome="committed" if meant.items() <= values.items() else "failed",
        written=written,
    )


def sha256(value: bytes) -> str:
    """Lower-case hex SHA-256."""
    return hashlib.sha256(value).hexdigest()
