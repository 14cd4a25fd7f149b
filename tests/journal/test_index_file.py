"""An index kept beside its journal saves reading it again, and is never believed too much."""

from __future__ import annotations

import os
import random
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.journal.playbook import Playbook, relaxed
from tests.journal.segmented import Folded, pack, write_runs
from vsync_sm.core import events as e
from vsync_sm.core.errors import JournalError
from vsync_sm.core.marks import KINDS, Kind, Mark, Marks, wall_or_zero
from vsync_sm.core.view import View, apply
from vsync_sm.journal import index, index_file, indexing, night, stretches
from vsync_sm.journal.index_file import index_path
from vsync_sm.journal.past import Past, Stale
from vsync_sm.journal.reader import read_journal
from vsync_sm.journal.segments import closed_segments


@pytest.fixture(autouse=True, scope="module")
def _small() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)
        patch.setattr(index_file, "WORTH", 0)
        patch.setattr(index, "FIRST_STRIDE", 3)
        patch.setattr(index, "MOST_CHECKPOINTS", 12)
        for module in (index, indexing, stretches):
            patch.setattr(module, "SEALED", 700)
        yield


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """From which file on a journal was read, each time."""
    begun: list[int] = []
    real = night.Night.reads

    def noted(self: night.Night, number: int) -> Iterator[night.Read | night.Broken]:
        begun.append(number)
        return real(self, number)

    monkeypatch.setattr(night.Night, "reads", noted)
    return begun


def grown(path: Path, then: Callable[[], None], *, forged: bool = False) -> None:
    """Four runs are written; after the second, `then`."""
    book = Playbook(random.Random(11))  # noqa: S311  no secret
    for _ in range(4):
        book.play_run(crash=False, cycles=2)
    if forged:
        at = next(at for at, one in enumerate(book.records) if one.event.type == "cycle_finished")
        event = book.records[at].event
        assert isinstance(event, e.CycleFinished)
        lie = replace(event, added=event.added + 9)
        book.records[at] = replace(book.records[at], event=lie)

    def between(told: Folded) -> None:
        if told.view.runs == 2:
            then()

    write_runs(path, book.records, segment_bytes=5000, between=between)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A journal in several files, with no index."""
    book = Playbook(random.Random(4))  # noqa: S311  no secret
    for _ in range(2):
        book.play_run(crash=False, cycles=3)
    path = tmp_path / "j.jsonl"
    write_runs(path, book.records)
    assert len(closed_segments(path)) > 3
    return path


def indexed(path: Path) -> Past:
    past = Past(path)
    past.index(lambda: False)
    assert past.share == 1.0
    return past


def views(path: Path) -> dict[int, View]:
    view, found = View(), {}
    for record in read_journal(path):
        view = found[record.seq] = apply(view, record)
    return found


def right(past: Past) -> bool:
    """Whether it tells of every moment what a fold does."""
    folded = views(past.journal)
    assert past.last == max(folded)
    return all(past.view_at(seq) == view for seq, view in folded.items())


def marks(past: Past) -> list[Mark]:
    found = []
    for kind in KINDS:
        seq = -1
        while (one := past.following(seq, kind)) is not None:
            found.append(one)
            seq = one.seq
    return found


def test_it_is_kept_for_its_user_alone_and_saves_reading(path: Path, reads: list[int]) -> None:
    first = indexed(path)
    assert stat.S_IMODE(index_path(path).stat().st_mode) == 0o600
    assert list(path.parent.glob("*.part")) == []
    reads.clear()
    second = Past(path)
    assert (second.share, second.known, second.last) == (1.0, first.last, first.last)
    assert right(second)
    assert marks(second) == marks(first)
    assert list(second.runs()) == list(first.runs())
    kept = index_path(path).read_bytes()
    second.index(lambda: False)
    assert reads == []
    assert index_path(path).read_bytes() == kept


def test_a_short_journal_has_none(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_file, "WORTH", 10**6)
    indexed(path)
    assert not index_path(path).exists()


def test_where_it_may_not_be_written_nothing_is_said(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index_path(path).mkdir()
    assert right(indexed(path))
    index_path(path).rmdir()

    def refuse(*_: object) -> None:
        raise PermissionError(13, "not here")

    monkeypatch.setattr(Path, "replace", refuse)
    assert right(indexed(path))
    assert not index_path(path).exists()
    assert list(path.parent.glob("*.part")) == []


@settings(relaxed, max_examples=25)
@given(data=st.data())
def test_garbage_is_no_index(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    path = tmp_path_factory.mktemp("j") / "j.jsonl"
    write_runs(path, one_run())
    indexed(path)
    raw = bytearray(index_path(path).read_bytes())
    how = data.draw(st.sampled_from(("cut", "flipped", "made up", "headed")))
    at = data.draw(st.integers(0, len(raw) - 1))
    if how == "cut":
        raw = raw[:at]
    elif how == "flipped":
        raw[at] ^= data.draw(st.integers(1, 255))
    elif how == "made up":
        raw = bytearray(data.draw(st.binary(max_size=300)))
    else:  # with a head that is right
        body = data.draw(st.binary(max_size=300))
        raw = raw[: -len(raw) + 76 - 32] + index_file._digest(body) + body
    index_path(path).write_bytes(raw)
    past = Past(path)
    assert past.share < 1.0
    past.index(lambda: False)
    assert right(past)


def one_run() -> list[e.Record]:
    book = Playbook(random.Random(3))  # noqa: S311  no secret
    book.play_run(crash=False, cycles=1)
    return book.records


@pytest.mark.parametrize(
    "change",
    [
        lambda saved: replace(saved, rows=saved.rows[:-1]),
        lambda saved: replace(saved, rows=(((10**6,) * 12, (), ()),) * len(saved.rows)),
        lambda saved: replace(saved, rows=(((), (), ()),) * len(saved.rows)),
        lambda saved: replace(saved, seqs=saved.seqs[8:] + saved.seqs[:8]),
        lambda saved: replace(saved, seqs=saved.seqs[:-1]),
        lambda saved: replace(saved, places=saved.places[:-8]),
        lambda saved: replace(saved, files=saved.files[::-1]),
        lambda saved: replace(saved, mark_kinds=b"\xff" * len(saved.mark_kinds)),
        lambda saved: replace(saved, mark_seqs=saved.mark_seqs[:8]),
    ],
)
def test_one_that_does_not_hold_together_is_none(
    path: Path, change: Callable[[index_file._Saved], index_file._Saved]
) -> None:
    indexed(path)
    raw = index_path(path).read_bytes()
    head = len(index_file._MAGIC) + 32
    saved = msgspec.msgpack.decode(raw[head + 32 :], type=index_file._Saved)
    body = msgspec.msgpack.encode(change(saved))
    index_path(path).write_bytes(raw[:head] + index_file._digest(body) + body)
    assert Past(path).share < 1.0


def test_views_that_cannot_be_made_again_begin_it_anew(path: Path) -> None:
    indexed(path)
    raw = index_path(path).read_bytes()
    head = len(index_file._MAGIC) + 32
    saved = msgspec.msgpack.decode(raw[head + 32 :], type=index_file._Saved)
    broken = replace(saved, parts=tuple(b"no view" for _ in saved.parts))
    body = msgspec.msgpack.encode(broken)
    index_path(path).write_bytes(raw[:head] + index_file._digest(body) + body)
    past = Past(path)
    assert past.share == 1.0
    with pytest.raises(Stale):
        past.view_at(past.last)
    past.index(lambda: False)
    assert right(past)


def test_another_vsync_does_not_use_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    indexed(path)
    monkeypatch.setattr(index_file, "_made_by", lambda: b"another vsync".ljust(32))
    assert Past(path).share < 1.0


def test_what_others_may_write_or_point_elsewhere_is_not_read(path: Path) -> None:
    indexed(path)
    index_path(path).chmod(0o620)
    assert Past(path).share < 1.0
    index_path(path).chmod(0o600)
    assert Past(path).share == 1.0
    elsewhere = index_path(path).rename(path.with_name("elsewhere"))
    index_path(path).symlink_to(elsewhere)
    assert Past(path).share < 1.0
    index_path(path).unlink()
    os.mkfifo(index_path(path), 0o600)
    assert Past(path).share < 1.0


# --- a journal that has changed --------------------------------------------------------------


def test_one_that_has_grown_goes_on_with_the_file_that_did(path: Path, reads: list[int]) -> None:
    grows = path.with_name("grows.jsonl")
    closed = []

    def look() -> None:
        indexed(grows)
        closed.append(len(closed_segments(grows)))
        reads.clear()

    grown(grows, look)
    assert len(closed_segments(grows)) > closed[0] > 0
    past = indexed(grows)
    assert set(reads) == {closed[0] + 1}
    assert right(past)
    anew = fresh(grows)
    assert marks(past) == marks(anew)
    assert past._index.marks.packed() == anew._index.marks.packed()
    times = [wall_or_zero(record.ts) for record in past.records(0)]
    assert [past.seq_at(one) for one in times] == [anew.seq_at(one) for one in times]


def fresh(path: Path) -> Past:
    """An index of a journal that no file has helped with."""
    index_path(path).unlink()
    return indexed(path)


def test_what_contradicts_is_still_told_when_it_has_grown(tmp_path: Path) -> None:
    path = tmp_path / "j.jsonl"
    before: list[Mark] = []

    def contradictions() -> list[Mark]:
        return [one for one in marks(indexed(path)) if one.kind is Kind.CONTRADICTION]

    grown(path, lambda: before.extend(contradictions()), forged=True)
    assert len(before) == 1
    assert "added, but" in before[0].words
    assert contradictions() == before


def test_a_file_that_was_packed_since_is_read_again(path: Path, reads: list[int]) -> None:
    indexed(path)
    pack(path, 3)
    reads.clear()
    assert right(indexed(path))
    assert set(reads) == {3}


def test_one_whose_first_files_are_gone_is_indexed_anew(path: Path, reads: list[int]) -> None:
    indexed(path)
    closed_segments(path)[0].path.unlink()
    reads.clear()
    past = indexed(path)
    assert set(reads) == {2}
    assert right(past)
    assert past.first == min(views(path))


def altered(path: Path, before: bytes, after: bytes) -> None:
    """Put other bytes of the same length into a file, which keeps its time."""
    there = path.stat()
    raw = path.read_bytes()
    assert raw.count(before) >= 1
    assert len(before) == len(after)
    with path.open("r+b") as file:
        file.write(raw.replace(before, after))
    os.utime(path, ns=(there.st_atime_ns, there.st_mtime_ns))


def test_bytes_that_were_altered_in_secret_are_found_where_they_are_read(tmp_path: Path) -> None:
    path = long_one(tmp_path)
    size = path.stat().st_size
    past = indexed(path)
    seq = next(
        record.seq
        for record in past.records(0)
        if b'"host-' not in _line(path, record.seq) and 5000 < _byte(path, record.seq) < size - 6000
    )
    line = _line(path, seq)
    altered(path, line, line.replace(b'"run":"run-', b'"run":"ruin', 1))
    past = Past(path)
    assert past.share == 1.0  # it looks the same
    with pytest.raises(Stale, match="changed since it was indexed"):
        past.view_at(seq)
    past.index(lambda: False)
    assert right(past)


def test_bytes_that_were_altered_in_secret_are_found_beside_the_screen(tmp_path: Path) -> None:
    path = long_one(tmp_path)
    indexed(path)
    line = _line(path, len(_lines(path)) // 2)
    altered(path, line, line.replace(b'"run":"run-', b'"run":"ruin', 1))
    past = Past(path)
    assert past.share == 1.0
    past.index(lambda: False)
    assert right(past)
    assert right(indexed(path))


def test_a_wrong_one_that_cannot_be_taken_away_is_not_taken_up_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = long_one(tmp_path)
    indexed(path)
    line = _line(path, len(_lines(path)) // 2)
    altered(path, line, line.replace(b'"run":"run-', b'"run":"ruin', 1))
    monkeypatch.setattr(index_file, "drop", lambda _: None)
    past = Past(path)
    assert past.share == 1.0
    asked = iter([False] * 1000)
    past.index(lambda: next(asked, True))
    assert right(past)


def test_a_file_that_opens_no_segment_any_more_is_not_gone_on_with(path: Path) -> None:
    indexed(path)
    file = closed_segments(path)[2].path
    file.write_bytes(file.read_bytes().split(b"\n", 1)[1])
    past = indexed(path)
    assert past.following(0, Kind.DAMAGE) is not None
    assert marks(past) == marks(fresh(path))


def test_marks_of_another_order_are_none(path: Path) -> None:
    past = indexed(path)
    seqs, kinds = past._index.marks.packed()
    with pytest.raises(ValueError, match="no marks"):
        Marks.unpacked(seqs[::-1], kinds)


def _lines(path: Path) -> list[bytes]:
    return path.read_bytes().split(b"\n")


def long_one(directory: Path) -> Path:
    """One file, longer than what is looked at in its beginning and its end."""
    path = directory / "j.jsonl"
    book = Playbook(random.Random(4))  # noqa: S311  no secret
    for _ in range(4):
        book.play_run(crash=False, cycles=3)
    write_runs(path, book.records, segment_bytes=10**9)
    assert path.stat().st_size > 20_000
    return path


def _line(path: Path, seq: int) -> bytes:
    return _lines(path)[seq - 1]


def _byte(path: Path, seq: int) -> int:
    return path.read_bytes().index(_line(path, seq))


def test_what_is_read_from_an_index_of_a_damaged_journal_is_the_same(path: Path) -> None:
    raw = path.read_bytes()
    path.write_bytes(raw[:-400] + b"no line\n")
    first = indexed(path)
    assert first.damage
    second = Past(path)
    assert (second.share, second.damage, second.last) == (1.0, first.damage, first.last)
    assert marks(second) == marks(first)
    with pytest.raises(JournalError):
        list(read_journal(path))
