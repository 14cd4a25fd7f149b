"""What a journal has come to at its end is known before it is read, and is what a fold gives."""

from __future__ import annotations

import gzip
import random
from itertools import chain, repeat
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from tests.core.specimens import specimen
from tests.journal.example import numbered, one_saved_cycle
from tests.journal.playbook import Playbook
from tests.journal.segmented import write_runs
from vsync_sm.core import events as e
from vsync_sm.core.view import View, apply
from vsync_sm.journal import glimpse
from vsync_sm.journal.codec import encode
from vsync_sm.journal.past import Past
from vsync_sm.journal.reader import read_journal


def folded(path: Path) -> View:
    view = View()
    for record in read_journal(path):
        view = apply(view, record)
    return view


def passed_over() -> list[e.Event]:
    events = [specimen(cls) for cls in e.EVENTS.values()]
    passing = [each for each in events if glimpse._PASSING.search(b'"type":"%b"' % _word(each))]
    generated = specimen(e.InsightGenerated)
    assert isinstance(generated, e.InsightGenerated)
    return [*passing, replace(generated, change="unchanged")]


def _word(event: e.Event) -> bytes:
    return event.type.encode()


@pytest.mark.parametrize("event", passed_over(), ids=lambda event: event.type)
def test_what_is_passed_over_leaves_nothing_once_its_cycle_is_over(event: e.Event) -> None:
    told = numbered(one_saved_cycle())
    at = next(at for at, one in enumerate(told) if isinstance(one.event, e.WorkerStopped))
    view = other = View()
    for record in told:
        if record.seq == at:
            other = apply(other, replace(record, event=event))
        else:
            view, other = apply(view, record), apply(other, record)
        ends = isinstance(record.event, e.CycleFinished)
        if ends:
            assert view == other
    assert view == other


def test_the_end_of_an_unchanged_insight_is_that_of_no_other_event() -> None:
    assert encode(numbered([(passed_over()[-1], 1)])[0]).endswith(glimpse._UNCHANGED + b"\n")
    with_change = [
        cls
        for cls in e.EVENTS.values()
        if any(each.name == "change" for each in msgspec.structs.fields(cls))
    ]
    assert with_change == [e.InsightGenerated]


def test_most_lines_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = one_saved_cycle()
    at = next(at for at, (one, _) in enumerate(told) if isinstance(one, e.InsightSkipped))
    told[at:at] = [(replace(each, worker=1), 1) for each in [passed_over()[-1]] * 500]
    path = tmp_path / "j.jsonl"
    path.write_bytes(b"".join(map(encode, numbered(told))))
    monkeypatch.setattr(glimpse, "MOST_READ", 40)
    past = Past(path)
    assert past.known == past.last == len(told)
    assert past.view_at(past.last) == folded(path)


def test_of_a_cycle_that_goes_on_each_line_counts(tmp_path: Path) -> None:
    told = one_saved_cycle()
    path = tmp_path / "j.jsonl"
    for length in range(1, len(told) + 1):
        path.write_bytes(b"".join(map(encode, numbered(told)[:length])) + b'{"torn":')
        past = Past(path)
        assert past.known == past.last == length
        assert past.view_at(length) == folded(path)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A journal whose newest file has many lines."""
    book = Playbook(random.Random(4))  # noqa: S311  no secret
    for _ in range(2):
        book.play_run(crash=False, cycles=3)
    path = tmp_path / "j.jsonl"
    write_runs(path, book.records, segment_bytes=3000)
    assert newest(path) < folded(path).seq
    return path


def newest(path: Path) -> int:
    return max(one.seq for one in read_journal(path) if isinstance(one.event, e.SegmentOpened))


def test_where_there_is_too_much_the_newest_checkpoint_is_shown(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(glimpse, "MOST_READ", 1)
    past = Past(path)
    assert past.last == folded(path).seq
    assert past.known == newest(path)
    assert past.view_at(newest(path)).seq == newest(path)
    past.index(lambda: False)
    assert past.known == past.last


def test_a_long_one_is_looked_at_beside_the_screen_and_before_it_is_indexed(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(glimpse, "SOON", 1)
    past = Past(path)
    assert past.known == newest(path) < past.last
    for calls in range(1, 20):
        past.index(chain([False] * calls, repeat(True)).__next__)
        if past.known > newest(path):
            break
    assert past.indexed < past.known == past.last
    assert past.view_at(past.last) == folded(path)


def test_of_a_packed_file_no_more_is_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "j.jsonl.000001.gz"
    path.write_bytes(gzip.compress(b"".join(map(encode, numbered(one_saved_cycle())))))
    assert Past(path).known == Past(path).last == len(one_saved_cycle())
    monkeypatch.setattr(glimpse, "SOON", 1)
    past = Past(path)
    assert past.known == past.last == 1
    past.index(lambda: False)
    assert past.known == past.last == len(one_saved_cycle())


def test_damage_where_it_was_not_read_is_told_by_the_index(tmp_path: Path) -> None:
    told = numbered(one_saved_cycle())
    at = next(at for at, one in enumerate(told) if isinstance(one.event, e.WorkersObserved))
    lines = list(map(encode, told))
    lines[at] = lines[at].replace(b'"busy"', b'"busi"')
    path = tmp_path / "j.jsonl"
    path.write_bytes(b"".join(lines))
    past = Past(path)
    assert past.known == past.last == len(told)
    past.index(lambda: False)
    assert past.known == past.last == at
    assert f"line {at + 1}," in past.damage


def test_a_line_that_is_missing_where_it_was_not_read_is_noticed(tmp_path: Path) -> None:
    told = numbered(one_saved_cycle())
    at = next(at for at, one in enumerate(told) if isinstance(one.event, e.WorkersObserved))
    path = tmp_path / "j.jsonl"
    path.write_bytes(b"".join(encode(one) for one in told if one.seq != at + 1))
    assert Past(path).known == 1
