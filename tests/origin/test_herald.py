"""What is told in one go: in which order it stands in the journal, and what its sinks are shown."""

from __future__ import annotations

from collections.abc import Sequence

from tests.core.viewing import generated
from vsync_sm.core import events as e
from vsync_sm.core.memory import Memory
from vsync_sm.core.view import View
from vsync_sm.journal.writer import NullJournal
from vsync_sm.origin.clock import SystemClock
from vsync_sm.origin.demands import Demands
from vsync_sm.origin.herald import Herald
from vsync_sm.origin.ledger import Ledger, Sink

TS = "2026-11-02T10:00:00.000000Z"
STARTED = e.CycleStarted(mounts=("kv/",), workers=1, num_buckets=4, deadline_s=300.0)
TROUBLE = e.PathFailed(worker=1, path="kv/data/b", kind="timeout", message="slow", server="Vault")


class Told:
    """A herald in a running cycle, and what its ledger's sink was given since."""

    def __init__(self, *sinks: Sink, changes_only: bool = False) -> None:
        journal = NullJournal()
        journal.begin(run="run-1", last_seq=0, stamp=lambda: (TS, 0))
        self.given: list[tuple[e.Record, View]] = []
        ledger = Ledger(
            journal,
            Memory(),
            View(),
            [lambda *given: self.given.append(given), *sinks],
            changes_only=changes_only,
        )
        ledger.cycle = 1
        ledger.tell(STARTED, e.WorkerStarted(worker=1))
        self.given.clear()
        self.ledger = ledger
        self.herald = Herald(ledger, Demands(SystemClock()), lambda _: 0)

    @property
    def events(self) -> list[e.Event | e.Unknown]:
        """What stands in the journal."""
        return [record.event for record, _ in self.given]


def test_the_unchanged_insights_of_one_batch_are_one_line() -> None:
    told = Told(changes_only=True)
    unchanged = [generated(f"kv/data/{number}", "unchanged") for number in range(40)]
    changed = generated("kv/data/new", "added")
    told.herald.tell(*unchanged[:20], changed, *unchanged[20:])
    assert told.events == [changed, e.InsightsUnchanged(worker=1, count=40)]


def test_a_server_s_condition_stands_behind_the_fact_that_tells_of_it() -> None:
    told = Told()
    before, after = generated("kv/data/a"), generated("kv/data/c")
    told.herald.tell(before, TROUBLE, TROUBLE, after)
    timeout = e.ServerConditionChanged(server="Vault", condition="timeout", message="slow")
    assert told.events == [before, TROUBLE, timeout, TROUBLE, after]


class RowSink:
    """A sink that takes insights in rows."""

    def __init__(self) -> None:
        self.given: list[tuple[list[int], View]] = []

    def __call__(self, record: e.Record, view: View) -> None:
        """One of another type."""
        self.given.append(([-record.seq], view))

    def insights(self, records: Sequence[e.Record], view: View) -> None:
        """A row."""
        self.given.append(([record.seq for record in records], view))


def test_a_sink_may_have_its_insights_in_rows() -> None:
    sink = RowSink()
    told = Told(sink)
    row = [generated(f"kv/data/{number}") for number in range(3)]
    told.herald.tell(*row[:2], TROUBLE, row[2])
    # The run's first lines, two insights, what failed and what that shows of Vault, one more.
    assert [seqs for seqs, _ in sink.given] == [[-1], [-2], [3, 4], [-5], [-6], [7]]
    assert [record.seq for record, _ in told.given] == [3, 4, 5, 6, 7]
    assert {id(view) for _, view in sink.given[2:]} == {id(told.ledger.view)}


def test_a_sink_is_shown_all_that_was_told_together() -> None:
    told = Told()
    told.herald.tell(*(generated(f"kv/data/{number}") for number in range(3)))
    assert [record.seq for record, _ in told.given] == [3, 4, 5]
    assert {id(view) for _, view in told.given} == {id(told.ledger.view)}
    cycle = told.ledger.view.cycle
    assert cycle is not None
    assert (cycle.tally.generated, told.ledger.view.seq) == (3, 5)
