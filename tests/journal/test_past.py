"""Jumping anywhere in a journal equals folding it from its start."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.journal.playbook import journals, relaxed
from tests.journal.segmented import pack, write_runs
from vsync_sm.core import events as e
from vsync_sm.core.errors import JournalError
from vsync_sm.core.view import View, apply
from vsync_sm.journal import index, indexing, stretches
from vsync_sm.journal.past import Past
from vsync_sm.journal.reader import JournalReader, read_journal
from vsync_sm.journal.segments import closed_segments


@pytest.fixture(autouse=True, scope="module")
def _small() -> Iterator[None]:
    # Everything in the small, so that a hundred records are a long journal; nothing is synced.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)
        patch.setattr(index, "FIRST_STRIDE", 3)
        patch.setattr(index, "STRIDE_BYTES", 2000)
        patch.setattr(index, "MOST_CHECKPOINTS", 12)
        patch.setattr(indexing, "BATCH", 7)
        for module in (index, indexing, stretches):
            patch.setattr(module, "SEALED", 700)
        yield


@contextmanager
def somewhere() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as directory:
        yield Path(directory) / "j.jsonl"


def folds(path: Path) -> dict[int, View]:
    """The view after each record, as a plain fold has it, file by file behind damage."""
    views: dict[int, View] = {}
    view, numbers = View(), [each.number for each in closed_segments(path)]
    begun = 0
    while True:
        reader = JournalReader(path, first=begun)
        view = View()
        try:
            for record in reader.records():
                view = views[record.seq] = apply(view, record)
        except JournalError:
            begun = min(each for each in (*numbers, 10**6) if each > reader.position.number)
            if begun < 10**6:
                continue
        return views


def stop_after(calls: int) -> Iterator[bool]:
    """False so many times, then True."""
    yield from [False] * calls
    while True:
        yield True


def check(past: Past, views: dict[int, View], seqs: list[int]) -> None:
    before = View()
    for seq in seqs:
        known = max((each for each in views if each <= seq), default=0)
        assert past.view_at(seq) == views.get(known, before), seq


@settings(relaxed, max_examples=60)
@given(journals, st.integers(200, 9000), st.booleans(), st.data())
def test_a_jump_equals_a_fold(
    records: list[e.Record], segment_bytes: int, changes_only: bool, data: st.DataObject
) -> None:
    with somewhere() as path:
        write_runs(path, records, segment_bytes=segment_bytes, changes_only=changes_only)
        numbers = [each.number for each in closed_segments(path)]
        packed = data.draw(st.sets(st.sampled_from(numbers)) if numbers else st.just(set[int]()))
        if packed:
            pack(path, *packed)
        for each in closed_segments(path)[: data.draw(st.integers(0, len(numbers)))]:
            each.path.unlink()
        views = folds(path)
        seqs = data.draw(st.lists(st.integers(0, max(views) + 3), min_size=1, max_size=12))
        past = Past(path)
        assert past.first == min(views)
        assert past.last == max(views)
        assert past.view_at(past.known) == views[past.known]
        check(past, views, seqs[:2])
        past.index(stop_after(data.draw(st.integers(0, 20))).__next__)
        check(past, views, [seq for seq in seqs if past.ready(seq)])
        past.index(lambda: False)
        assert (past.damage, past.share, past.indexed) == ("", 1.0, max(views))
        check(past, views, seqs)
        after = seqs[0]
        told = [record for record in read_journal(path) if record.seq > after]
        assert list(past.records(after)) == told
        for record in told[:5]:
            assert past.record_at(record.seq) == record
        past.close()
