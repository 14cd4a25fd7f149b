"""The last phases: digests and the verdict, then the writes to Consul, buckets before the index."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import msgspec

from vsync_sm.core.choice import Choice
from vsync_sm.core.errors import Fault, FaultKind
from vsync_sm.core.events import (
    BucketReindexed,
    Event,
    FaultRaised,
    InsightRegressed,
    InsightVanished,
    SaveCommitted,
    SaveFailed,
    SaveUncertain,
)
from vsync_sm.core.insight import Insight
from vsync_sm.core.memory import sha256
from vsync_sm.core.safety import Limits, Proposal, Verdict, judge
from vsync_sm.core.save import Check, Delete, KeyValue, Put, SavePlan, Set, Transaction
from vsync_sm.core.sync_info import (
    INDEX,
    Bucket,
    Former,
    buckets_that_would_do,
    digest,
    encode_bucket,
    encode_index,
)
from vsync_sm.origin.listing import Listed
from vsync_sm.origin.scope import Scope
from vsync_sm.origin.working import Worked
from vsync_sm.servers.consul import Consul

WARN_SHARE = 0.8
"""A bucket beyond this share of Consul's value limit is told of before it is too late."""

DELETED_AT_ONCE = 60
"""Stale keys in one transaction, below Consul's 64 operations with room for the fence."""

_EVERYWHERE = (
    "Change numBuckets at every destination together with the origin: a destination halts on an "
    "index of another length than its own."
)


class Recalled(msgspec.Struct, frozen=True):
    """What the memory knows that the verdict needs (`safety.Proposal` says what each is).

    `doubtful` are the keys that Consul may yet write for a save that had no answer.
    """

    known: bool
    last_seen: int
    accessors: Mapping[str, str]
    recent: Mapping[str, int]
    allowed: frozenset[str]
    expected: Mapping[str, int]
    expected_buckets: int | None
    doubtful: frozenset[str]


class Reindexed(msgspec.Struct, frozen=True):
    """The verdict, the save that it judges, and what of the vanished is not chosen any more."""

    verdict: Verdict
    plan: SavePlan
    unchosen: frozenset[str] = frozenset()


class Saved(msgspec.Struct, frozen=True):
    """How a save ended, and the fault that goes with it, if any."""

    end: SaveCommitted | SaveFailed | SaveUncertain
    fault: Fault | None = None
    warning: Fault | None = None


def reindex(
    scope: Scope,
    listed: Listed,
    worked: Worked,
    recalled: Recalled,
    *,
    prefix: str,
    choice: Choice,
    value_limit: int,
    limits: Limits,
) -> Reindexed:
    """Digest the buckets, compare with the former sync info, judge. Raises Fault(TOO_LARGE)."""
    former, buckets = listed.former, worked.sync_info.buckets()
    insights = worked.sync_info.insights()
    plan = plan_save(prefix, former, buckets, recalled.doubtful)
    scope.check()
    facts = [*_sizes(prefix, plan, buckets, insights, value_limit)]
    replaced = frozenset(
        mount
        for mount, accessor in listed.accessors.items()
        if recalled.accessors.get(mount, accessor) != accessor
    )
    verdict = judge(
        Proposal(
            mounts=choice.mounts,
            num_buckets=len(buckets),
            former=former,
            insights=insights,
            failed=worked.failed,
            replaced=replaced,
            known=recalled.known,
            last_seen=recalled.last_seen,
            recent=recalled.recent,
            allowed=recalled.allowed,
            expected=recalled.expected,
            expected_buckets=recalled.expected_buckets,
        ),
        limits,
    )
    unchosen = frozenset(path for path in verdict.vanished if not choice.holds(path))
    scope.tell(
        InsightVanished(path=path, insight=former.insights[path], unchosen=path in unchosen)
        for path in verdict.vanished
    )
    scope.tell(
        InsightRegressed(path=path, former=former.insights[path], insight=insights[path])
        for path in verdict.regressed
    )
    scope.tell(facts)
    return Reindexed(verdict, plan, unchosen)


def plan_save(
    prefix: str,
    former: Former,
    buckets: Sequence[Bucket],
    doubtful: Collection[str] = frozenset(),
) -> SavePlan:
    """What must be written so that Consul holds exactly `buckets` and their index, and keeps it.

    Buckets are compared by decoded content with what lies there, never by digest alone. Keys in
    doubt are written in any case, so that a late write of a dead cycle finds another ModifyIndex.
    """
    key = [f"{prefix}{number}" for number in range(len(buckets))]
    writes = {}
    for number, bucket in enumerate(buckets):
        there = former.keys.get(number)
        if former.buckets.get(number) != bucket:
            writes[number] = Set(key[number], encode_bucket(bucket), _modify_index(there))
        elif there is not None and there.key in doubtful:
            writes[number] = Set(there.key, _other_bytes(there.value), there.modify_index)

    digests = tuple(map(digest, buckets))
    index_key, fence = f"{prefix}{INDEX}", _modify_index(former.index_key)
    index = encode_index(digests)
    writes_index = former.digests != digests
    if not writes_index and former.index_key is not None:
        index = former.index_key.value  # equal in meaning; its bytes may be another program's
        if index_key in doubtful:
            index, writes_index = _other_bytes(index), True

    # With another number of buckets, a destination that still has the old one must never read the
    # buckets it knows in their new shape under the old index: they come last, with the index.
    old = len(former.digests) if former.digests is not None else 0
    grown = range(old, len(buckets)) if old else range(0)
    beyond = [write for number, write in writes.items() if number in grown]
    within = [write for number, write in writes.items() if number not in grown]
    return SavePlan(
        index_key=index_key,
        index_modify_index=fence,
        index_digest=sha256(index),
        writes=(*beyond, *within, *([Set(index_key, index, fence)] if writes_index else ())),
        together_from=len(beyond),
        stale=former.beyond(len(buckets)),
    )


def _other_bytes(value: bytes) -> bytes:
    # The same JSON: identical bytes would not move the key's ModifyIndex (Consul 1.8.7).
    return value[:-1] if value.endswith(b"\n") else value + b"\n"


def _modify_index(pair: KeyValue | None) -> int:
    return pair.modify_index if pair is not None else 0


def _sizes(
    prefix: str,
    plan: SavePlan,
    buckets: Sequence[Bucket],
    insights: Mapping[str, Insight],
    value_limit: int,
) -> list[Event]:
    facts: list[Event] = []
    for write in plan.writes:
        name, size = write.key.removeprefix(prefix), len(write.value)
        if size > value_limit:
            raise _too_large(name, size, value_limit, len(buckets), insights)
        if name == INDEX:
            continue
        number = int(name)
        if size > WARN_SHARE * value_limit:
            facts.append(_nearly_too_large(name, size, value_limit))
        facts.append(
            BucketReindexed(
                bucket=number,
                insights=len(buckets[number]),
                size_bytes=size,
                digest=digest(buckets[number]),
            )
        )
    return facts


def _too_large(
    name: str, size: int, value_limit: int, num_buckets: int, insights: Mapping[str, Insight]
) -> Fault:
    would_do = buckets_that_would_do(insights, value_limit)
    advice = (
        f"numBuckets: {would_do} would do (now {num_buckets})"
        if would_do
        else "not even the largest numBuckets would do: sync fewer paths (origin.paths)"
    )
    return Fault(
        FaultKind.TOO_LARGE,
        f"{_named(name)} would take {size} bytes; Consul takes {value_limit} in one value",
        hint=f"{advice}. {_EVERYWHERE}",
        context={"bucket": name, "size_bytes": str(size), "limit_bytes": str(value_limit)},
    )


def _nearly_too_large(name: str, size: int, value_limit: int) -> FaultRaised:
    share = f"{100 * size // value_limit} %"
    return FaultRaised(
        kind=FaultKind.TOO_LARGE.word,
        fatal=False,
        message=f"{_named(name)} takes {share} of Consul's value limit",
        hint="Raise numBuckets soon, at every destination together with the origin.",
        context={"bucket": name, "size_bytes": str(size), "limit_bytes": str(value_limit)},
    )


def _named(name: str) -> str:
    return "the index" if name == INDEX else f"bucket {name}"


class Saver:
    """Carries a plan out, step by step, and knows in the end what Consul holds."""

    def __init__(self, scope: Scope, consul: Consul, plan: SavePlan, prefix: str) -> None:
        self._scope = scope
        self._consul = consul
        self._plan = plan
        self._prefix = prefix

    def save(self) -> Saved:
        """Write everything, the index last; settle by reading back what is not certain."""
        for step in self._plan.steps():
            self._scope.check()
            try:
                accepted = self._apply(step)
            except Fault as fault:
                return self._settle(_told_better(fault))
            if not accepted:
                return self._settle(_conflict())
        return Saved(self._committed(), warning=self._delete_stale())

    def _apply(self, step: Transaction | Put) -> bool:
        limit = self._scope.budget.saving
        if isinstance(step, Put):
            write = step.write
            return self._consul.put(write.key, write.value, limit, cas=write.modify_index)
        return self._consul.transact(step.operations, limit)

    def _settle(self, fault: Fault) -> Saved:
        # Never take our own write, whose reply was lost, for a second origin's.
        try:
            tree = self._consul.read_tree(self._prefix, self._scope.budget.saving)
        except Fault as unread:
            message = f"{fault.message}; and reading back: {unread.message}"
            return Saved(SaveUncertain(message=message), fault)
        there = {pair.key: pair.value for pair in tree}
        meant = {write.key: write.value for write in self._plan.writes}
        if all(there.get(key) == value for key, value in meant.items()) and (
            sha256(there.get(self._plan.index_key, b"")) == self._plan.index_digest
        ):
            return Saved(self._committed(settled=True), warning=self._delete_stale())
        written = any(there.get(key) == value for key, value in meant.items())
        end = SaveFailed(kind=fault.kind.word, message=fault.message, written=written)
        return Saved(end, fault)

    def _committed(self, *, settled: bool = False) -> SaveCommitted:
        plan = self._plan
        return SaveCommitted(index=plan.index_digest, keys=len(plan.writes), settled=settled)

    def _delete_stale(self) -> Fault | None:
        # A failure here harms nobody: no destination looks beyond the index, and the next save
        # tries again.
        stale, limit = self._plan.stale, self._scope.budget.saving
        try:
            index = self._consul.read(self._plan.index_key, limit) if stale else None
            if index is None or sha256(index.value) != self._plan.index_digest:
                return None
            fence = Check(index.key, index.modify_index)
            for at in range(0, len(stale), DELETED_AT_ONCE):
                self._scope.check()
                chunk = stale[at : at + DELETED_AT_ONCE]
                deletes = (Delete(pair.key, pair.modify_index) for pair in chunk)
                self._consul.transact((fence, *deletes), limit)
        except Fault as fault:
            return fault
        return None


def _told_better(fault: Fault) -> Fault:
    # A 413: what was written keeps the limit as configured, so Consul's own is another.
    if fault.kind is not FaultKind.TOO_LARGE:
        return fault
    return Fault(
        fault.kind,
        fault.message,
        hint="Set origin.consul.kvMaxValueSize to Consul's own kv_max_value_size: the next cycle "
        f"then says which numBuckets would do. {_EVERYWHERE}",
        context=fault.context,
    )


def _conflict() -> Fault:
    return Fault(
        FaultKind.CONFLICT,
        "Consul refused a check-and-set: a key has changed since this cycle read it",
        hint="The next cycle compares again. If this comes back, a second origin writes to the "
        "same sync path: run one only.",
        context={"server": "Consul"},
    )
