"""One path looked up in a journal: the same as if every line had been read, and far faster."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.journal.example import numbered, one_saved_cycle
from tests.journal.playbook import insight, journals
from tests.journal.test_replay import long_journal
from vsync_sm.core import events as e
from vsync_sm.core.errors import JournalError
from vsync_sm.core.whereabouts import Whereabouts, Word
from vsync_sm.journal.codec import encode
from vsync_sm.journal.lookup import look_up
from vsync_sm.journal.reader import JournalReader


def written(directory: Path, records: list[e.Record]) -> Path:
    file = directory / "journal.jsonl"
    file.write_bytes(b"".join(map(encode, records)))
    return file


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """A journal of one cycle."""
    return written(tmp_path, numbered(one_saved_cycle()))


def test_a_path_is_found(journal: Path) -> None:
    where = look_up("secret/a", journal)
    assert where.verdict.word is Word.OUT
    assert where.near == ()


@settings(deadline=None, suppress_health_check=list(HealthCheck))
@given(
    journals,
    st.sampled_from(
        ["secret/p0", "ops/data/p1", "/v1/secret/metadata/p3", "secret/gone0", "ops/b", "p0", "x"]
    ),
)
def test_it_is_the_same_as_reading_every_line(
    tmp_path_factory: pytest.TempPathFactory, records: list[e.Record], given: str
) -> None:
    all_of_it = Whereabouts(given)
    for record in records:
        all_of_it.note(record)
    found = look_up(given, written(tmp_path_factory.mktemp("looked"), records))
    all_of_it.near = found.near
    assert found.document() == all_of_it.document()
    assert found.lines() == all_of_it.lines()


@pytest.mark.parametrize("name", ['quo"ted', "back\\slash", "ümläut", "sp ace", "tab\t", "\u2028"])
def test_any_name_is_found(tmp_path: Path, name: str) -> None:
    lines = [
        (replace(event, path=f"secret/data/{name}"), cycle)
        if isinstance(event, e.InsightGenerated)
        else (event, cycle)
        for event, cycle in one_saved_cycle()
    ]
    where = look_up(f"secret/{name}", written(tmp_path, numbered(lines)))
    assert where.verdict.word is Word.OUT


def test_lines_of_other_paths_are_not_decoded(tmp_path: Path) -> None:
    journal = written(tmp_path, list(long_journal(1, 50)))
    last = b'/7"'
    with JournalReader(journal) as reader:
        read = list(reader.records(lambda line: b'"insight_' in line and last not in line))
    generated = [each for each in read if isinstance(each.event, e.InsightGenerated)]
    assert [
        each.event.path for each in generated if isinstance(each.event, e.InsightGenerated)
    ] == ["secret/data/7"]
    with JournalReader(journal) as reader:
        everything = list(reader.records())
    assert [each for each in everything if each in read] == read, "and the others are as ever"


def test_a_gap_among_lines_that_are_passed_over_is_damage(tmp_path: Path) -> None:
    records = list(long_journal(1, 50))
    del records[20]
    with pytest.raises(JournalError, match="seq 22 where 21 was due") as error:
        look_up("secret/7", written(tmp_path, records))
    assert error.value.line == 21


@pytest.mark.parametrize("damage", [b"rubbish\n", b"\0\0\0\n"])
def test_damage_is_damage(tmp_path: Path, damage: bytes) -> None:
    lines = [encode(record) for record in long_journal(1, 50)]
    file = tmp_path / "journal.jsonl"
    file.write_bytes(b"".join([*lines[:20], damage, *lines[21:]]))
    with pytest.raises(JournalError) as error:
        look_up("secret/7", file)
    assert error.value.line == 21


def test_a_line_cut_in_two_is_damage(tmp_path: Path) -> None:
    lines = [encode(record) for record in long_journal(1, 50)]
    file = tmp_path / "journal.jsonl"
    file.write_bytes(b"".join([*lines[:20], lines[20][:-9] + b"\n", *lines[21:]]))
    with pytest.raises(JournalError) as error:
        look_up("secret/7", file)
    assert error.value.line == 21


def test_an_unfinished_last_line_is_not_yet(tmp_path: Path) -> None:
    lines = [encode(record) for record in numbered(one_saved_cycle())]
    file = tmp_path / "journal.jsonl"
    file.write_bytes(b"".join([*lines[:-1], lines[-1][:-9]]))
    assert look_up("secret/a", file).verdict.word is Word.OUT


def test_no_journal(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="no such journal") as error:
        look_up("secret/a", tmp_path / "none.jsonl")
    assert error.value.line == 0


def test_near_paths_come_from_the_journal(journal: Path) -> None:
    where = look_up("secret/bb", journal)
    assert where.verdict.word is Word.UNKNOWN
    assert "secret/data/b" in where.near


def test_progress_is_told_on_a_long_journal(tmp_path: Path) -> None:
    name = "x" * 4000
    records = [
        replace(
            record,
            event=replace(record.event, path=f"secret/data/{name}{record.seq}", insight=insight()),
        )
        if isinstance(record.event, e.InsightGenerated)
        else record
        for record in long_journal(1, 10_000)
    ]
    told: list[float] = []
    journal = written(tmp_path, records)
    look_up("secret/7", journal, told.append)
    read = [share for share in told if share < 1]
    assert len(read) == pytest.approx(journal.stat().st_size / 2**20, abs=2), "every MiB"
    assert read == sorted(set(read))
    # And while it is sought what may be meant, so that it can be ended there too.
    assert told.count(1.0) == pytest.approx(len(read), abs=2)


def test_closed_files_alone_tell_what_they_know(tmp_path: Path) -> None:
    for each in (Path(__file__).parents[1] / "data" / "segments").glob("*.0*"):
        (tmp_path / each.name).write_bytes(each.read_bytes())
    where = look_up("secret/nowhere", tmp_path / "journal.jsonl")
    assert where.mounts
    assert where.verdict.word is Word.UNKNOWN
    assert not where.near


def test_a_history_says_that_it_knows_no_paths(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="a history lacks the lines of single paths"):
        look_up("secret/a", tmp_path / "journal.jsonl.history-2026-11-26.gz")
