"""What stands behind a damage is named, and can be told; so is it that the end is gone."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.journal.example import numbered, one_saved_cycle
from tests.journal.segmented import pack, write_runs
from vsync_sm.core import events as e
from vsync_sm.core.moments import Seq
from vsync_sm.core.pseudonyms import Pseudonyms
from vsync_sm.journal.cutting import WHOLE, records_of, span_of
from vsync_sm.journal.disguise import Disguise
from vsync_sm.journal.reader import read_journal
from vsync_sm.journal.segments import closed_segments
from vsync_sm.journal.taking import Form, Taking

CYCLES = 12


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A journal of several files and a dozen runs of one cycle."""
    records = [
        replace(each, run=f"run-{run}", cycle=each.cycle and each.cycle + run)
        for run in range(CYCLES)
        for each in numbered(one_saved_cycle())
    ]
    journal = tmp_path / "journal.jsonl"
    write_runs(journal, records, segment_bytes=6000)
    pack(journal)
    assert len(closed_segments(journal)) > 4
    return journal


def told(path: Path, form: Form, names: Disguise | None = None) -> tuple[str, bool]:
    taking = Taking(form, records_of(path, WHOLE), path, names=names)
    return "".join(taking.chunks()), taking.ok


def spoil(path: Path, number: int) -> None:
    """Change a line in the middle of a closed file."""
    packed = closed_segments(path)[number - 1].path
    lines = gzip.decompress(packed.read_bytes()).splitlines(keepends=True)
    lines[len(lines) // 2] = b"rubbish\n"
    packed.write_bytes(gzip.compress(b"".join(lines)))


@pytest.mark.parametrize("form", [Form.TEXT, Form.MARKDOWN, Form.JSON])
@pytest.mark.parametrize("hidden", [False, True], ids=["plain", "pseudonyms"])
def test_what_stands_behind_a_damage_is_named_and_can_be_told(
    path: Path, form: Form, *, hidden: bool
) -> None:
    whole = [*read_journal(path)]
    spoil(path, 2)
    names = Disguise(Pseudonyms(b"sixteen bytes or more")) if hidden else None
    page, ok = told(path, form, names)
    assert not ok
    first = next(
        each.seq
        for each in whole
        if each.seq > _opens(whole, 3) and isinstance(each.event, e.CycleStarted | e.RunStarted)
    )
    if form is Form.JSON:
        assert f'"onward":{{"first":{first},' in page
        assert f'"last":{whole[-1].seq},' in page
    else:
        assert f"Behind it, seq {first} to {whole[-1].seq} can be read (" in page
        assert f"--since seq:{first}" in page
    behind = [*records_of(path, span_of(path, Seq(first), None))]
    assert behind[-1] == whole[-1]
    assert len(behind) == whole[-1].seq - first + 2  # with the line that it opens with


def _opens(records: list[e.Record], number: int) -> int:
    return next(
        each.seq
        for each in records
        if isinstance(each.event, e.SegmentOpened) and each.event.number == number
    )


def test_behind_the_last_file_is_nothing(path: Path) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:-1], b"rubbish\n", lines[-1]]))
    page, ok = told(path, Form.TEXT)
    assert not ok
    assert "The story ends here.\n" in page
    assert "Behind it" not in page


@pytest.mark.parametrize("form", [Form.TEXT, Form.MARKDOWN])
def test_that_the_file_being_written_is_gone_is_told(path: Path, form: Form) -> None:
    assert "is gone" not in told(path, form)[0]
    path.unlink()
    page, _ = told(path, form)
    assert "The file that was being written is gone: what came last is not told." in page
