"""`vsync-sm replay` on whole, damaged and missing journals, into pipes that end early."""

from __future__ import annotations

import gzip
import signal
import subprocess
from contextlib import closing
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.commandline import COMMAND, complaint, environment, vsync
from tests.journal.example import numbered, one_saved_cycle
from vsync_sm.core import events as e
from vsync_sm.journal.codec import encode
from vsync_sm.journal.past import Past


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """A journal of one cycle."""
    return written(tmp_path, numbered(one_saved_cycle()))


@pytest.fixture
def long_journal(tmp_path: Path) -> Path:
    """A journal of many short runs, whose story no pipe can hold."""
    started, *_, finished = one_saved_cycle()
    asked = e.SignalReceived(signal="SIGTERM", number=15)
    halted = e.Transitioned(trigger="halt", source="checking", dest="halted", reason="signal")
    records = numbered([started, (asked, None), (halted, None), finished] * 2_000)
    return written(
        tmp_path, [replace(each, run=f"run-{seq // 4}") for seq, each in enumerate(records)]
    )


def written(directory: Path, records: list[e.Record]) -> Path:
    file = directory / "journal.jsonl"
    file.write_bytes(b"".join(map(encode, records)))
    return file


def test_replay_tells_and_agrees(tmp_path: Path, journal: Path) -> None:
    told = vsync(tmp_path, "replay", journal)
    assert (told.returncode, told.stderr) == (0, "")
    assert told.stdout.startswith("Run run-1: vsync ")
    assert told.stdout.endswith("Nothing contradicts: machine, order and sums agree.\n")


def test_replay_of_a_missing_one(tmp_path: Path) -> None:
    told = vsync(tmp_path, "replay", "nosuch.jsonl")
    assert (told.returncode, told.stdout) == (2, "")
    assert complaint(told.stderr)[0] == "there is no journal nosuch.jsonl"


@pytest.mark.parametrize(
    ("words", "wrong", "hint"),
    [
        ("replay . --json", ". is a directory, and no journal", "mean vsync-sm replay a.jsonl?"),
        ("replay /dev/null", "/dev/null is not a file, and no journal", "name the journal's file"),
        ("replay c.yaml --markdown", "c.yaml is no journal: it does not begin", "name the journal"),
        ("replay c.yaml --compare failed", "c.yaml is no journal", "name the journal's file"),
        ("replay x.gz", "x.gz is no journal: it does not begin as one", "name the journal's file"),
        ("replay packed", "packed is no journal", "it is packed (gzip): gunzip -c packed >"),
        ("journal --journal c.yaml", "c.yaml is no journal", "name the journal's file"),
        ("where a/b --journal .", ". is a directory", "vsync-sm where a/b --journal a.jsonl?"),
    ],
)
def test_what_is_no_journal(tmp_path: Path, words: str, wrong: str, hint: str) -> None:
    (tmp_path / "a.jsonl").touch()
    (tmp_path / "b.jsonl").touch()
    (tmp_path / "c.yaml").write_text("numBuckets: 4\n")
    (tmp_path / "x.gz").write_bytes(gzip.compress(b"numBuckets: 4\n"))
    (tmp_path / "packed").write_bytes(gzip.compress(encode(numbered(one_saved_cycle())[0])))
    told = vsync(tmp_path, *words.split())
    assert (told.returncode, told.stdout) == (2, "")
    said, would_do = complaint(told.stderr)
    assert said.startswith(wrong)
    assert hint in would_do


def test_a_journal_that_somebody_packed_is_read(tmp_path: Path, journal: Path) -> None:
    packed = tmp_path / "sent.jsonl.gz"
    packed.write_bytes(gzip.compress(journal.read_bytes()))
    plain = vsync(tmp_path, "replay", journal, "--json-lines")
    for words in (["--json-lines"], ["--json-lines", "--until", "end"]):
        told = vsync(tmp_path, "replay", packed, *words)
        assert (told.returncode, told.stderr) == (0, "")
        assert told.stdout == plain.stdout
    with closing(Past(packed)) as past:
        past.index(lambda: False)
        assert past.last == len(journal.read_bytes().splitlines())


def test_a_span_that_lies_behind_a_damage_is_damaged_and_not_unreadable(
    tmp_path: Path, journal: Path
) -> None:
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join([*lines[:5], b"rubbish\n", *lines[6:]]))
    told = vsync(tmp_path, "replay", journal, "--since", "seq:9")
    assert (told.returncode, told.stdout) == (1, "")
    assert complaint(told.stderr)[0].startswith("the journal is damaged: line 6, byte ")


def test_journal_takes_a_directory_as_replay_does(tmp_path: Path, journal: Path) -> None:
    told = vsync(tmp_path, "journal", "--journal", ".")
    assert (told.returncode, told.stderr) == (0, "")
    assert told.stdout.startswith(f"{journal.name}\n")


def test_replay_of_an_empty_one(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    told = vsync(tmp_path, "replay", "empty")
    assert (told.returncode, told.stderr) == (0, "")
    assert told.stdout == "The journal is empty: nothing has happened yet.\n"


@pytest.mark.parametrize("form", [[], ["--json"], ["--json-lines"]])
def test_replay_names_the_line_that_is_damaged(
    tmp_path: Path, journal: Path, form: list[str]
) -> None:
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join([*lines[:3], b"\xff garbage\n", *lines[3:]]))
    told = vsync(tmp_path, "replay", journal, *form)
    assert (told.returncode, told.stderr) == (1, "")
    assert ("X line 4, byte " if not form else '"kind":"damage","line":4,') in told.stdout


def test_replay_names_the_line_that_is_missing(tmp_path: Path, journal: Path) -> None:
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join([*lines[:5], *lines[6:]]))
    told = vsync(tmp_path, "replay", journal)
    assert (told.returncode, told.stderr) == (1, "")
    assert "X line 6, byte " in told.stdout


def test_replay_of_a_cycle_that_is_not_there(tmp_path: Path, journal: Path) -> None:
    told = vsync(tmp_path, "replay", journal, "--cycle", "7")
    assert told.returncode == 1
    assert told.stderr == (
        f"vsync-sm: {journal} has no cycle 7\n"
        "  → replay without --cycle tells which cycles there are\n"
    )
    assert vsync(tmp_path, "replay", journal, "--cycle", "1").returncode == 0


def test_a_page_for_the_post_mortem(tmp_path: Path, journal: Path) -> None:
    told = vsync(tmp_path, "replay", "--markdown", journal)
    assert (told.returncode, told.stderr) == (0, "")
    assert told.stdout.startswith("# vsync on host-1: 2026-11-02 10:00:00 to ")
    kept = vsync(tmp_path, "replay", "--markdown", journal, "--out", "page.md")
    assert (kept.returncode, kept.stdout) == (0, "")
    assert kept.stderr == "vsync-sm: written to page.md\n"
    page = tmp_path / "page.md"
    assert page.read_text() == told.stdout
    assert page.stat().st_mode & 0o777 == 0o600
    again = vsync(tmp_path, "replay", journal, "--out", "page.md")
    assert again.returncode == 2
    assert complaint(again.stderr)[0] == "page.md is there already"
    assert page.read_text() == told.stdout
    forced = vsync(tmp_path, "replay", journal, "--out", "page.md", "--force")
    assert forced.returncode == 0
    assert page.read_text().startswith("Run run-1: ")
    over = vsync(tmp_path, "replay", journal, "--out", journal, "--force")
    assert over.returncode == 2
    assert journal.read_bytes() == b"".join(map(encode, numbered(one_saved_cycle())))


def test_a_picture_of_a_cycle(tmp_path: Path, journal: Path) -> None:
    told = vsync(tmp_path, "replay", "--svg", journal)
    assert (told.returncode, told.stderr) == (0, "")
    assert told.stdout.startswith("<svg xmlns=")
    assert "Cycle 1 saved in 0.02 s" in told.stdout
    assert vsync(tmp_path, "replay", "--svg", "--cycle", "1", journal).stdout == told.stdout
    with journal.open("ab") as file:
        file.write(b"rubbish\n")
    torn = vsync(tmp_path, "replay", "--svg", journal)
    assert (torn.returncode, torn.stdout) == (1, told.stdout)
    assert complaint(torn.stderr)[0].startswith("the journal is damaged: ")
    none = written(tmp_path, numbered(one_saved_cycle())[:3])
    missing = vsync(tmp_path, "replay", "--svg", none, "--out", "picture.svg")
    assert (missing.returncode, missing.stdout) == (1, "")
    assert complaint(missing.stderr)[0] == f"{none}: there is no cycle in it"
    assert not (tmp_path / "picture.svg").exists()


def test_a_page_of_a_damaged_journal_says_so(tmp_path: Path, journal: Path) -> None:
    with journal.open("ab") as file:
        file.write(b"rubbish\n")
    told = vsync(tmp_path, "replay", "--markdown", journal)
    assert (told.returncode, told.stderr) == (1, "")
    assert "- **Damaged** at line 32, byte " in told.stdout


FORMS = [[], ["--json"], ["--json-lines"], ["--markdown"], ["--svg"], ["--cycle=1"]]


@pytest.mark.parametrize("form", FORMS)
def test_with_pseudonyms_nobody_is_named(tmp_path: Path, journal: Path, form: list[str]) -> None:
    key = tmp_path / "key"
    key.write_bytes(b"CANARY-pseudonym-key-4719")
    fixed = ["--pseudonyms", "--pseudonym-key-file", "key"]
    told = vsync(tmp_path, "replay", journal, *form, *fixed)
    assert (told.returncode, told.stderr) == (0, "")
    for name in ("secret", "ops", "vsync/", "host-1", journal.name, "CANARY"):
        assert name not in told.stdout, name
    assert vsync(tmp_path, "replay", journal, *form, *fixed).stdout == told.stdout
    other = vsync(tmp_path, "replay", journal, *form, "--pseudonyms")
    assert len(other.stdout) == len(told.stdout)
    assert other.stdout != told.stdout


def test_a_journal_with_pseudonyms_can_be_taken_along(tmp_path: Path, journal: Path) -> None:
    cut = ["journal", "cut", "--since", "start", "--out", "cut", "--journal", str(journal)]
    done = vsync(tmp_path, *cut, "--pseudonyms")
    assert done.returncode == 0
    kept = (tmp_path / "cut").read_text()
    assert not [name for name in ("secret", "ops", "host-1") if name in kept]
    told = vsync(tmp_path, "replay", "cut")
    assert told.returncode == 0
    assert told.stdout.endswith("Nothing contradicts: machine, order and sums agree.\n")


@pytest.mark.parametrize(
    ("content", "said"), [(None, "key cannot be read: "), (b"short", "key is no key: it has 5")]
)
def test_a_key_of_no_use_is_said(
    tmp_path: Path, journal: Path, content: bytes | None, said: str
) -> None:
    if content is not None:
        (tmp_path / "key").write_bytes(content)
    fixed = ["--pseudonyms", "--pseudonym-key-file", "key"]
    for words in (["replay", str(journal)], ["journal", "cut", "--cycle=1", "--out=c"]):
        more = ["--journal", str(journal)] if words[0] == "journal" else []
        told = vsync(tmp_path, *words, *more, *fixed)
        assert (told.returncode, told.stdout) == (2, "")
        assert complaint(told.stderr)[0].startswith(said)
    assert not (tmp_path / "c").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--compare", "failed", "--svg"], "--compare and --svg do not go together"),
        (["--pseudonym-key-file", "k"], "--pseudonym-key-file goes with --pseudonyms"),
        (["--force"], "--force goes with --out"),
        (["--cycle", "1", "--until", "end"], "--cycle and --until do not go together"),
        (["--json", "--markdown"], "argument --markdown: not allowed with argument --json"),
    ],
)
def test_what_does_not_go_together(
    tmp_path: Path, journal: Path, words: list[str], said: str
) -> None:
    told = vsync(tmp_path, "replay", journal, *words)
    assert told.returncode == 2
    assert complaint(told.stderr)[0] == said


def telling(file: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [*COMMAND, "replay", str(file)],
        env=environment(file.parent),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def test_replay_piped_into_head(long_journal: Path) -> None:
    with telling(long_journal) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith(b"Run run-0: ")
        process.stdout.close()
        assert process.communicate()[1] == b""
    assert process.returncode == 0


def test_replay_piped_into_what_reads_nothing(journal: Path) -> None:
    # So short a story is still in the buffer when Python ends and flushes it.
    with telling(journal) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.communicate()[1] == b""
    assert process.returncode == 0


@pytest.mark.parametrize("what", ["story", "--help", "--version"])
def test_what_cannot_be_written_is_said(tmp_path: Path, journal: Path, what: str) -> None:
    how = ["replay", str(journal)] if what == "story" else [what]
    with Path("/dev/full").open("w") as full:
        told = vsync(tmp_path, *how, stdout=full)
    assert told.returncode == 1
    assert told.stderr == (
        "vsync-sm: the output cannot be written: No space left on device\n  → is the disk full?\n"
    )


def test_ctrl_c_ends_a_long_replay_without_a_traceback(long_journal: Path) -> None:
    with telling(long_journal) as process:
        assert process.stdout is not None
        assert process.stdout.read(1) == b"R"
        process.send_signal(signal.SIGINT)
        assert process.communicate()[1] == b""
    assert process.returncode == 128 + signal.SIGINT
