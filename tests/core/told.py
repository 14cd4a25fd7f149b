"""A memory that is told made-up events in the journal's envelope."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tests.core.made import PREFIX
from vsync_sm.core import events as e
from vsync_sm.core.insight import moment
from vsync_sm.core.memory import Memory
from vsync_sm.core.safety import ALLOWANCE_S

HOUR = int(ALLOWANCE_S)
BEGAN = datetime(2026, 11, 2, 10, tzinfo=UTC)


class Told:
    """A memory, and a way to tell it events in the journal's envelope, second by second."""

    def __init__(self) -> None:
        self.memory = Memory()
        self.records: list[e.Record] = []
        self.second = 0
        self.run = "run-1"
        self.cycle: int | None = None

    def __call__(self, *events: e.Event, after: int = 1) -> Memory:
        """Tell these events, the first of them so many seconds after the last one told."""
        for event in events:
            self.second += after
            after = 1
            ts = (BEGAN + timedelta(seconds=self.second)).isoformat(timespec="microseconds")
            self.records.append(
                e.Record(
                    seq=len(self.records) + 1,
                    ts=ts.replace("+00:00", "Z"),
                    mono=self.second,
                    run=self.run,
                    event=event,
                    cycle=self.cycle,
                )
            )
            self.memory.note(self.records[-1])
        return self.memory

    def start(self, cycle: int = 1, *, num_buckets: int = 4) -> None:
        """A cycle begins."""
        self.cycle = cycle
        self(
            e.CycleStarted(
                mounts=("secret/", "ops/"), workers=1, num_buckets=num_buckets, deadline_s=300.0
            ),
            moved("tick", "waiting", "listing"),
        )

    def finish(self, outcome: str) -> None:
        """It is over."""
        self(e.CycleFinished(outcome=outcome))
        self.cycle = None

    def save(
        self,
        *,
        vanished: int = 0,
        end: e.Event | None = None,
        allowance: str = "",
        after: int = 1,
        prefix: str = PREFIX,
        num_buckets: int = 4,
        insights: int = 20,
    ) -> None:
        """A cycle that saves over nothing, and how the save ends."""
        self.start(self.memory.last_cycle + 1, num_buckets=num_buckets)
        self(read(index="", prefix=prefix))
        started = save_started(
            vanished=vanished, allowance=allowance, prefix=prefix, insights=insights
        )
        self(started, after=after)
        if end is not None:
            self(end)
        self.finish("saved" if end == COMMITTED else "aborted")

    def now(self) -> int:
        """The moment of the last record, ns since 1970."""
        return moment(self.records[-1].ts)

    def recent(self, prefix: str = PREFIX) -> dict[str, int]:
        """What vanished unasked within the last hour."""
        return dict(self.memory.vanished_since(self.now() - HOUR * 1_000_000_000, prefix))


COMMITTED = e.SaveCommitted(index="11" * 32, keys=2)


def failed(*, written: bool, kind: str = "conflict") -> e.SaveFailed:
    return e.SaveFailed(kind=kind, message="another was faster", written=written)


def moved(trigger: str, source: str, dest: str) -> e.Transitioned:
    return e.Transitioned(trigger=trigger, source=source, dest=dest)


def save_started(
    *, vanished: int = 0, allowance: str = "", prefix: str = PREFIX, insights: int = 20
) -> e.SaveStarted:
    return e.SaveStarted(
        index="11" * 32,
        index_key=f"{prefix}index",
        index_modify_index=9,
        keys=(e.SavedKey(f"{prefix}0", 5, "22" * 32),),
        vanished={"secret/": vanished} if vanished else {},
        insights={"secret/": insights},
        allowance=allowance,
    )


def run_started() -> e.RunStarted:
    return e.RunStarted(version="1", pid=1, host="h", once=False, config={})


def read(*, index: str = "33" * 32, prefix: str = PREFIX) -> e.SyncInfoRead:
    return e.SyncInfoRead(prefix=prefix, insights=0, buckets=0, index=index)
