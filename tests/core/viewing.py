"""A view that is told made-up events in the journal's envelope, second by second."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby

from vsync_sm.core import events as e
from vsync_sm.core.answer import Answer, Now, answer, now_at
from vsync_sm.core.insight import Insight, moment
from vsync_sm.core.view import View, apply

BEGAN = datetime(2026, 11, 2, 10, tzinfo=UTC)
NS = 1_000_000_000


class Seen:
    """A view, and a way to tell it events; the clock goes on a second an event."""

    def __init__(self) -> None:
        self.view = View()
        self.records: list[e.Record] = []
        self.second = 0
        self.run = ""
        self.run_began = 0
        self.cycle: int | None = None

    def __call__(self, *events: e.Event, after: int = 1) -> View:
        """Tell these events, the first of them so many seconds after the last one told."""
        for event in events:
            self.second += after
            after = 1
            if isinstance(event, e.RunStarted):
                self.run, self.run_began, self.cycle = f"run-{self.second}", self.second, None
            ts = (BEGAN + timedelta(seconds=self.second)).isoformat(timespec="microseconds")
            self.records.append(
                e.Record(
                    seq=len(self.records) + 1,
                    ts=ts.replace("+00:00", "Z"),
                    mono=(self.second - self.run_began) * NS,
                    run=self.run,
                    event=event,
                    cycle=self.cycle,
                )
            )
            self.view = apply(self.view, self.records[-1])
        return self.view

    def start(self, *, once: bool = False, tick_s: float = 60.0, timeout_s: float = 300.0) -> None:
        """A run begins, and its checks pass."""
        self(
            run_started(once=once, tick_s=tick_s, timeout_s=timeout_s),
            moved("checks_passed", "checking", "waiting"),
        )

    def begin(self, *, num_buckets: int = 4, asked: str = "tick", listed: int = 4) -> None:
        """A cycle begins, and has listed so many paths."""
        self.cycle = self.view.last_cycle + 1
        next_tick = (self.second - self.run_began + 60) * NS
        self(
            e.CycleStarted(
                mounts=("secret/",),
                workers=2,
                num_buckets=num_buckets,
                deadline_s=300.0,
                asked=asked,
                next_tick=next_tick,
            ),
            moved("tick", "waiting", "listing"),
            e.PathsListed(paths=listed, mounts={"secret/": listed}),
            moved("listed", "listing", "working"),
            e.WorkerStarted(worker=1),
        )

    def reindex(self, *buckets: int, insights: int = 2) -> None:
        """Working ends, and these buckets differ."""
        self(moved("worked", "working", "reindexing"))
        for bucket in buckets:
            self(differs(bucket, insights))

    def finish(self, outcome: str, reason: str = "") -> None:
        """The cycle is over."""
        if reason:
            self(moved("abort", "working", "aborted", reason))
        self(e.CycleFinished(outcome=outcome, reason=reason))
        self.cycle = None
        self(moved("recovered" if reason else "saved", "aborted", "waiting"))

    def fail(self, message: str = "Vault is sealed", hint: str = "unseal it") -> None:
        """A cycle that a fault ends."""
        self.begin()
        self(e.FaultRaised(kind="sealed", fatal=False, message=message, hint=hint))
        self.finish("aborted", "fault")

    def save(self, *buckets: int, num_buckets: int = 4, end: e.Event | None = None) -> None:
        """A cycle that saves these buckets, and how the save ends."""
        self.begin(num_buckets=num_buckets)
        self.reindex(*buckets)
        self(moved("reindexed", "reindexing", "saving"), save_started(*buckets))
        self(end or COMMITTED)
        if isinstance(self.records[-1].event, e.SaveCommitted):
            self.finish("saved")
        else:
            self.finish("aborted", "fault")

    def now(self, after: float = 0) -> Now:
        """So many seconds after the last record."""
        return now_at(self.view, moment(self.records[-1].ts) + int(after * NS))

    def answer(self, after: float = 0) -> Answer:
        """The answer so many seconds after the last record."""
        return answer(self.view, self.now(after))


def run_started(
    *, once: bool = False, tick_s: float = 60.0, timeout_s: float = 300.0
) -> e.RunStarted:
    return e.RunStarted(
        version="0.4.0",
        pid=4711,
        host="host-1",
        once=once,
        config={},
        tick_s=tick_s,
        timeout_s=timeout_s,
        control="/run/vsync.sock",
    )


COMMITTED = e.SaveCommitted(index="11" * 32, keys=2)


def moved(trigger: str, source: str, dest: str, reason: str = "") -> e.Transitioned:
    return e.Transitioned(trigger=trigger, source=source, dest=dest, reason=reason)


def generated(path: str, change: str = "updated", version: int = 2) -> e.InsightGenerated:
    insight = Insight(version, "2026-10-01T00:00:00Z")
    return e.InsightGenerated(worker=1, path=path, insight=insight, change=change)


def differs(bucket: int, insights: int = 2) -> e.BucketReindexed:
    return e.BucketReindexed(
        bucket=bucket, insights=insights, size_bytes=100 * insights, digest="ab" * 32
    )


def save_started(*buckets: int, allowance: str = "") -> e.SaveStarted:
    return e.SaveStarted(
        index="11" * 32,
        index_key="vsync/origin/index",
        index_modify_index=8,
        keys=tuple(e.SavedKey(f"vsync/origin/{bucket}", 7, "cd" * 32) for bucket in buckets),
        allowance=allowance,
    )


def refused(allowance: str = "a1b2c3d4e5f6", **more: int) -> e.SaveRefused:
    """A refusal; `vanished` and `regressed` count paths."""
    return e.SaveRefused(
        refusals=(e.Refusal(rule="shrink", count=30, of=100, limit=0.2),),
        vanished={"secret/": more["vanished"]} if "vanished" in more else {},
        regressed={"ops/": more["regressed"]} if "regressed" in more else {},
        sample=(),
        allowance=allowance,
    )


def in_rows(records: Sequence[e.Record]) -> Iterator[tuple[bool, list[e.Record]]]:
    """The records as they may be handed over: insights that follow each other in a row.

    Each with whether it is such a row; others come one by one.
    """
    for insights, group in groupby(records, lambda each: type(each.event) is e.InsightGenerated):
        if insights:
            yield True, list(group)
        else:
            yield from ((False, [record]) for record in group)
