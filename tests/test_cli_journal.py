"""`vsync-sm journal`, and `replay` of a journal in many files: what a person types and reads."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from tests.commandline import complaint, vsync
from tests.journal.playbook import legal_journal
from tests.journal.segmented import TINY, Folded, write_runs
from vsync_sm.journal.history import histories
from vsync_sm.journal.keeping import Bounds, Keeper
from vsync_sm.journal.segments import closed_segments, usage

BOOK = legal_journal(random.Random(11))  # noqa: S311  no secret


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "state" / "journal.jsonl"


@pytest.fixture
def long(journal: Path) -> Folded:
    written = write_runs(journal, BOOK, segment_bytes=2 * TINY)
    whole = Keeper(journal, Bounds())
    whole.tidy()
    Keeper(journal, Bounds(budget_bytes=usage(journal).closed_bytes * 2 // 3)).tidy()
    assert histories(journal)
    return written


def test_size_span_and_budget(tmp_path: Path, journal: Path, long: Folded) -> None:
    done = vsync(tmp_path, "journal", "--journal", journal)
    assert (done.returncode, done.stderr) == (0, "")
    name, size, tells, budget, history = done.stdout.splitlines()
    files = len(closed_segments(journal)) + 1
    assert name == str(journal)
    assert f"{files} files, " in size
    assert f"{files - 1} closed" in size
    assert tells.endswith("2026-11-02 10:00:00 UTC to 2026-11-02 10:00:00 UTC")
    assert budget == (
        "  budget   2.0 GiB for closed files; too little is there to tell how long it lasts"
    )
    assert history == f"  history  of 1 day before: vsync-sm replay {journal}.history-DAY.gz"

    told = json.loads(vsync(tmp_path, "journal", "--journal", journal, "--json").stdout)
    assert told["usage"]["segments"] == files
    assert told["budget_bytes"] == 2 * 1024**3
    assert told["events"] < long.view.seq


def test_a_cycle_is_cut_out_and_replayed(tmp_path: Path, journal: Path, long: Folded) -> None:
    number = long.view.last_cycle
    arguments = ["journal", "cut", "--cycle", str(number), "--out", "cut"]
    arguments += ["--journal", str(journal)]
    done = vsync(tmp_path, *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith(" lines in cut: vsync-sm replay tells them\n")
    story = vsync(tmp_path, "replay", "cut")
    assert story.returncode == 0
    assert "Cut out of a longer journal, from 2026-11-02" in story.stdout
    again = vsync(tmp_path, *arguments)
    assert again.returncode == 2
    assert complaint(again.stderr)[0] == "cut is there already"
    forced = vsync(tmp_path, *arguments, "--force")
    assert (forced.returncode, forced.stdout) == (0, done.stdout)
    itself = vsync(tmp_path, *arguments, "--out", journal.with_name(f"{journal.name}.000009"))
    assert complaint(itself.stderr)[0].endswith("000009 is a file of this journal")
    arguments[3] = "1"
    gone = vsync(tmp_path, *arguments)
    assert gone.returncode == 1
    assert "does not hold cycle 1" in gone.stderr


def test_a_span_is_cut_out_by_its_moments(tmp_path: Path, journal: Path, long: Folded) -> None:
    number = long.view.last_cycle
    arguments = ["journal", "cut", "--since", f"cycle:{number}", "--until", "-0s"]
    done = vsync(tmp_path, *arguments, "--out", "cut", "--journal", journal)
    assert (done.returncode, done.stderr) == (0, "")
    story = vsync(tmp_path, "replay", "cut")
    assert story.returncode == 0
    span = vsync(tmp_path, "replay", journal, "--since", f"cycle:{number}")
    assert span.stdout == story.stdout
    none = vsync(tmp_path, "replay", journal, "--since", "#999999")
    assert none.returncode == 1
    assert "nothing in it lies between these moments" in complaint(none.stderr)[0]


def test_replay_takes_a_directory_a_file_or_a_day(
    tmp_path: Path, journal: Path, long: Folded
) -> None:
    assert long.records
    whole = vsync(tmp_path, "replay", journal)
    assert whole.returncode == 0
    first = closed_segments(journal)[0]
    assert f"The journal begins here with its file number {first.number}, " in whole.stdout
    assert vsync(tmp_path, "replay", journal.parent).stdout == whole.stdout
    alone = vsync(tmp_path, "replay", first.path)
    assert alone.returncode == 0
    assert len(alone.stdout) < len(whole.stdout)
    day = vsync(tmp_path, "replay", histories(journal)[0])
    assert day.returncode == 0
    assert day.stdout.endswith(
        "A history: without the lines of single paths, so nothing was checked.\n"
    )


def test_a_missing_file_is_named(tmp_path: Path, journal: Path, long: Folded) -> None:
    assert long.records
    closed_segments(journal)[1].path.unlink()
    told = vsync(tmp_path, "replay", journal)
    assert told.returncode == 1
    assert "is missing before it" in told.stdout
    where = vsync(tmp_path, "where", "secret/p0", "--journal", journal)
    assert where.returncode == 1
    assert "the journal is damaged" in where.stderr


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["journal", "--journal", "none"], 2, "there is no journal none"),
        (["journal", "cat"], 2, "journal knows no cat"),
        (["journal", "cut", "--out", "x"], 2, "cut needs to be told what"),
        (["journal", "cut", "--cycle", "1"], 2, "the following arguments are required: --out"),
        (
            ["journal", "cut", "--cycle", "1", "--since", "03:12", "--out", "x"],
            2,
            "--cycle and --since do not go together",
        ),
        (
            ["journal", "cut", "--cycle", "4-3", "--out", "x"],
            2,
            "argument --cycle: 4-3 is no",
        ),
        (["journal", "cut", "--since", "noon", "--out", "x"], 2, "argument --since: “noon” is no"),
    ],
)
def test_what_makes_no_sense_is_said(
    tmp_path: Path, words: list[str], code: int, said: str
) -> None:
    done = vsync(tmp_path, *words)
    assert done.returncode == code
    assert said in complaint(done.stderr)[0]
