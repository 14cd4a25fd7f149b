"""`replay --compare`: what was different in the cycle that failed?"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.commandline import complaint
from tests.tui.night import Night
from tests.tui.nights import NIGHTS, damaged
from vsync_sm.cli import main

ABORTED = """\
first:  2026-11-02 02:00:02 UTC (seq 4252), waiting after cycle 9
second: 2026-11-02 02:06:00 UTC (seq 4654), aborted in cycle 10

! cycle 10 was being given up because its deadline passed; cycle 9 found nothing to save
! fault deadline in cycle 10: the cycle's deadline of 5 min has passed while working, 213 of 372 \
paths ended: it was waiting for Vault, which gave no good answer for 4 min 9 s → See to Vault; if \
it is only slow, raise origin.timeout
! working took 5 min, 201 times as long, cut off; 1.49 s in cycle 9
! worker 3 was slow: platform/data/retired/ftp held it for 5 min and did not come back from it; \
it ended 0 paths, the others about 71 each
! a path took 0.72 s on average, 0.02 s before
! 1 retry (timeout 1), none in cycle 9
! 3 paths could not be read: platform/data/tls/identity.api.dev, \
platform/data/tls/identity.api.prod, platform/data/tls/identity.api.staging
  1 path was added, not saved: teams/data/analytics/new one
  1 path was updated, not saved: teams/data/analytics/frontend/prod/smtp
  372 paths listed, 371 in cycle 9 (teams/ 294 → 295)

              cycle 9      cycle 10
  ended       unchanged    given up (timeout)
  took        2.03 s       5 min 1 s
  listing     0.53 s       0.53 s              about the same
! working     1.49 s       5 min               201 times as long, cut off
  reindexing  1 ms         –                   not entered
  saving      2 ms         –                   not entered
  listed      371          372
  generated   369          209
  skipped     2            1
  failed      0            3
  abandoned   0            4
  added       0            1
  updated     0            1
  unchanged   369          207
  retries     0            timeout 1
  requests    502 / 1      –                   to Vault / to Consul
  workers     4            4                   paths each × mean time
  worker 1    93 × 0.02 s  71 × 0.71 s         at most 1.04 s
  worker 2    93 × 0.02 s  71 × 0.72 s         at most 1.08 s
! worker 3    93 × 0.02 s  0                   slow: at most 5 min
  worker 4    92 × 0.02 s  71 × 0.72 s         at most 1.12 s
"""


@pytest.fixture
def night(tmp_path: Path) -> Path:
    """The journal of a night in which a cycle passed its deadline: one worker hung."""
    path = tmp_path / "journal.jsonl"
    path.write_bytes(NIGHTS["aborted"]().text())
    return path


def told(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str, str]:
    """Exit code, stdout, stderr of `replay`."""
    code = main(["replay", *map(str, arguments)])
    out, err = capsys.readouterr()
    return code, out, err


def test_the_cycle_that_failed(night: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert told(capsys, "--compare", "cycle:10", night) == (0, ABORTED, "")


def test_what_would_have_vanished(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "journal.jsonl").write_bytes(NIGHTS["refused"]().text())
    code, out, err = told(capsys, tmp_path, "--compare", "failed")  # a directory will do
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[3] == (
        "! cycle 10 was refused: 300 paths would vanish; cycle 9 found nothing to save"
    )
    assert lines[4].startswith("! fault save_refused in cycle 10: a save is refused: 300 paths")
    assert lines[5].startswith("! 300 paths vanished (platform/ 60, teams/ 240), not saved: ")
    assert "  71 paths listed, 371 in cycle 9 (platform/ 77 → 17, teams/ 294 → 54)" in lines
    at = lines.index("  paths that vanished (300):")
    assert len(lines[at:]) == 22
    assert lines[-1] == "    and 280 more"


def test_nothing_is_different(night: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = told(capsys, "--compare", "cycle:3..cycle:3", night)
    assert code == 0
    assert "\n  Nothing that a journal tells is different.\n" in out


def test_other_peoples_text_steers_no_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    night = Night({}, datetime(2026, 11, 2, tzinfo=UTC))
    night.start("run-1")
    night.check()
    night.cycle()
    night.write("platform/data/\u202eexe.\x1b[2J", *(f"teams/data/{n}" for n in range(5)))
    night.until_tick()
    night.cycle(failing={"teams/data/0": ("forbidden", "no")})
    path = tmp_path / "journal.jsonl"
    path.write_bytes(night.text())
    for form in ((), ("--json",)):
        code, out, _ = told(capsys, "--compare", "start..end", path, *form)
        assert code == 0
        assert "\\u202eexe." in out
        assert not {"\u202e", "\x1b"} & set(out)


def test_for_a_program(night: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = told(capsys, "--compare", "cycle:10", "--json", night)
    assert code == 0
    document = json.loads(out)
    assert document["differences"][0] == {
        "severity": "error",
        "words": "cycle 10 was being given up because its deadline passed; "
        "cycle 9 found nothing to save",
    }
    assert document["second"]["cycle"]["workers"][2] == {
        "number": 3,
        "paths": 0,
        "failures": 0,
        "mean_s": None,
        "slowest": "platform/data/retired/ftp",
        "slowest_s": pytest.approx(300, abs=1),
        "held": True,
        "abandoned": False,
    }
    assert document["paths"]["kinds"]["added"]["names"] == ["teams/data/analytics/new one"]
    assert document["first"]["config"]["origin.mounts"] == "platform/, teams/"
    assert document["whole"] is True


def test_it_goes_where_it_is_told(night: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = night.with_name("compared.txt")
    code, out, _ = told(capsys, "--compare", "cycle:10", "--out", page, night)
    assert (code, out) == (0, "")
    assert page.read_text() == ABORTED


@pytest.mark.parametrize(
    ("arguments", "code", "wrong", "hint"),
    [
        (["12"], 2, "12 may be a line or a cycle", "--compare takes failed, cycle:12, cycle:9.."),
        (["cycle:9.."], 2, "“cycle:9..” lacks a moment", "--compare takes"),
        ([""], 2, "“” is no moment", "--compare takes failed"),
        (["cycle:99"], 1, "there is no cycle 99 in this journal", "replay without --compare"),
        (["-9d"], 1, "this journal begins after 2026-10-24", "start is its first moment"),
        (["end", "--cycle", "3"], 2, "--compare and --cycle do not", "cycle:9..cycle:12"),
        (["end", "--json-lines"], 2, "--compare and --json-lines do not", "or with --json"),
        (["end", "--pseudonyms"], 2, "--compare and --pseudonyms do not", "journal cut"),
        (["end", "--since", "-2h"], 2, "--compare and --since do not", "cycle:9..cycle:12"),
        (["end", "--markdown"], 2, "--compare and --markdown do not", "or with --json"),
    ],
)
def test_mistakes_say_what_would_do(  # noqa: PLR0917
    night: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
    wrong: str,
    hint: str,
) -> None:
    try:
        got, out, err = told(capsys, "--compare", *arguments, night)
    except SystemExit as end:
        got, (out, err) = int(end.code or 0), capsys.readouterr()
    assert (got, out) == (code, "")
    said = complaint(err)
    assert said[0].startswith(wrong)
    assert hint in said[1]


def test_a_damaged_journal_and_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "journal.jsonl"
    code, _, err = told(capsys, "--compare", "failed", path)
    assert (code, complaint(err)[0]) == (2, f"no such journal: {path}")
    path.write_bytes(damaged())
    code, out, err = told(capsys, "--compare", "end", path)
    assert code == 1
    assert out.startswith("first:  2026-11-02 01:59:02 UTC")
    assert complaint(err)[0].startswith("the journal is damaged: ")
    assert complaint(err)[1] == "what stands before it was compared"
    path.write_bytes(b"no journal\n")
    code, out, err = told(capsys, "--compare", "end", path)
    assert (code, out) == (2, "")
    assert complaint(err)[0] == f"{path} is no journal: it does not begin as one"
