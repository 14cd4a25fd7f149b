"""Leaving the unchanged paths out changes no count, no memory and no verdict."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import asdict, replace

from tests.journal.playbook import insight, journals, relaxed
from tests.journal.segmented import Folded, write_runs
from vsync_sm.core import events as e
from vsync_sm.core.condensing import condensed
from vsync_sm.core.view import View
from vsync_sm.journal.reader import read_journal
from vsync_sm.journal.replay import replay


@contextmanager
def somewhere() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as directory:
        yield Path(directory) / "j.jsonl"


def generated(path: str, change: str, worker: int = 1) -> e.InsightGenerated:
    return e.InsightGenerated(worker=worker, path=path, insight=insight(), change=change)


def unchanged(count: int, worker: int = 1) -> e.InsightsUnchanged:
    return e.InsightsUnchanged(worker=worker, count=count)


def test_unchanged_paths_are_counted_by_worker() -> None:
    told = [
        generated("a", "unchanged"),
        generated("b", "unchanged", 2),
        generated("c", "unchanged"),
    ]
    assert list(condensed(told, ())) == [unchanged(2), unchanged(1, 2)]


def test_the_counts_come_before_whatever_rests_on_them() -> None:
    failed = e.PathFailed(worker=1, path="b", kind="timeout", message="no answer")
    stopped = e.WorkerStopped(worker=1, paths=3)
    told = [generated("a", "unchanged"), failed, generated("c", "updated"), stopped]
    assert list(condensed(told, ())) == [failed, generated("c", "updated"), unchanged(1), stopped]


def test_a_path_that_was_carried_forward_is_told_when_it_is_read_again() -> None:
    told = [generated("a", "unchanged"), generated("b", "unchanged")]
    assert list(condensed(told, {"b": 3})) == [told[1], unchanged(1)]


@settings(relaxed, max_examples=40)
@given(journals, st.integers(2_000, 9_000))
def test_everything_but_the_names_is_as_if_all_were_told(
    records: list[e.Record], segment_bytes: int
) -> None:
    with somewhere() as path, somewhere() as other:
        everything = write_runs(path, records, segment_bytes=10**9)
        changes = write_runs(other, records, segment_bytes=segment_bytes, changes_only=True)
        assert _shown(everything.view) == _shown(changes.view)
        assert _known(everything) == _known(changes)
        assert list(read_journal(other)) == changes.records
        story = replay(read_journal(other))
        text = "".join(story)
        assert story.ok, text
        assert not [
            record
            for record in changes.records
            if isinstance(record.event, e.InsightGenerated)
            and record.event.change == "unchanged"
            and record.event.path not in _ever_carried(changes)
        ]


def _ever_carried(folded: Folded) -> set[str]:
    events = (record.event for record in folded.records)
    return {event.path for event in events if isinstance(event, e.InsightCarriedForward)}


def _shown(view: View) -> View:
    """What is seen, but for which line it is: there are fewer."""
    allowance = view.allowance and replace(view.allowance, seq=0)
    return (
        replace(view, seq=0, now=replace(view.now, ts="", mono=0), allowance=allowance)
        if (view.cycle is None)
        else replace(
            view,
            seq=0,
            now=replace(view.now, ts="", mono=0),
            allowance=allowance,
            cycle=replace(view.cycle, moved=0),
        )
    )


def _known(folded: Folded) -> dict[str, object]:
    known = asdict(folded.memory)
    return {name: value for name, value in known.items() if name not in {"last_seq", "_granted_at"}}
