"""`vsync-sm where`: exit codes, JSON, which journal, and a real run on real servers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.commandline import Terminal, complaint, on, vsync
from tests.journal.example import numbered, one_saved_cycle
from tests.journal.test_replay import long_journal
from tests.workshop import Workshop
from vsync_sm.core import events as e
from vsync_sm.journal.codec import encode


def written(file: Path, records: list[e.Record]) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"".join(map(encode, records)))
    return file


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """A journal of one cycle: `secret/a` was saved, `secret/b` failed, `secret/c` is removed."""
    return written(tmp_path / "journal.jsonl", numbered(one_saved_cycle()))


@pytest.mark.parametrize(
    ("path", "code", "word"),
    [
        ("secret/a", 0, "secret/data/a: OUT, "),
        ("/v1/secret/metadata/c", 0, "secret/data/c: REMOVED, "),
        ("secret/b", 3, "secret/data/b: NOT READ, "),
        ("secret/nothing-like-it", 1, "secret/nothing-like-it: UNKNOWN, "),
    ],
)
def test_the_exit_code_says_whether_it_is_out(
    tmp_path: Path, journal: Path, path: str, code: int, word: str
) -> None:
    told = vsync(tmp_path, "where", path, "--journal", journal)
    assert (told.returncode, told.stderr) == (code, "")
    assert told.stdout.startswith(word)


def test_not_yet(tmp_path: Path) -> None:
    lines = one_saved_cycle()
    journal = written(tmp_path / "running.jsonl", numbered(lines[:16]))
    told = vsync(tmp_path, "where", "secret/a", "--journal", journal)
    assert (told.returncode, told.stdout.split(",")[0]) == (3, "secret/data/a: NOT YET")


def test_two_may_be_meant(tmp_path: Path) -> None:
    lines = one_saved_cycle()
    other = e.InsightSkipped(worker=1, path="secret/data/data/a", why="deleted")
    lines.insert(14, (other, 1))
    journal = written(tmp_path / "two.jsonl", numbered(lines))
    told = vsync(tmp_path, "where", "secret/data/a", "--journal", journal)
    assert told.returncode == 2
    assert "AMBIGUOUS" in told.stdout


def test_json_is_one_document(tmp_path: Path, journal: Path) -> None:
    told = vsync(tmp_path, "where", "secret/a", "--json", "--journal", journal)
    assert told.returncode == 0
    document = json.loads(told.stdout)
    assert (document["path"], document["word"]) == ("secret/data/a", "out")
    assert document["read"]["version"] == 2
    assert document["read"]["age_s"] > 0


def test_near_paths_are_named(tmp_path: Path, journal: Path) -> None:
    told = vsync(tmp_path, "where", "a", "--journal", journal)
    assert told.returncode == 1
    assert "Did you mean secret/data/a" in told.stdout


def test_the_journal_is_found_as_the_origin_finds_it(tmp_path: Path, journal: Path) -> None:
    records = numbered(one_saved_cycle())
    written(tmp_path / "state" / "journal.jsonl", records)
    state = {"STATE_DIRECTORY": str(tmp_path / "state")}
    assert vsync(tmp_path, "where", "secret/a", env=state).returncode == 0
    config = tmp_path / "vsync.yaml"
    config.write_text(f"journal:\n  file: {journal}\n")
    assert vsync(tmp_path, "where", "secret/a", "--config", config).returncode == 0
    assert vsync(tmp_path, "--config", config, "where", "secret/a").returncode == 0


@pytest.mark.parametrize(
    ("arguments", "wrong"),
    [
        (("where",), "the following arguments are required: PATH"),
        (("where", "/"), "where needs a path"),
        (("where", "secret/a", "--journal", "none.jsonl"), "no such journal: none.jsonl"),
        (("where", "secret/a", "--tick", "3s"), "where takes no --tick"),
        (("where", "secret/a", "--headless"), "where takes no --headless"),
    ],
)
def test_misuse_is_told(tmp_path: Path, arguments: tuple[str, ...], wrong: str) -> None:
    told = vsync(tmp_path, *arguments)
    assert (told.returncode, told.stdout) == (2, "")
    assert complaint(told.stderr)[0] == wrong


def test_a_configuration_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("- not a mapping\n")
    told = vsync(tmp_path, "where", "secret/a", "--config", "bad.yaml")
    assert (told.returncode, told.stdout) == (2, "")
    assert "bad.yaml" in told.stderr


def test_a_damaged_journal(tmp_path: Path) -> None:
    lines = [encode(record) for record in numbered(one_saved_cycle())]
    file = tmp_path / "damaged.jsonl"
    file.write_bytes(b"".join([*lines[:5], b"rubbish\n", *lines[6:]]))
    told = vsync(tmp_path, "where", "secret/a", "--journal", file)
    assert (told.returncode, told.stdout) == (1, "")
    assert complaint(told.stderr)[0].startswith("the journal is damaged: ")


def test_a_long_journal_is_read_with_progress_on_a_terminal(tmp_path: Path) -> None:
    lines = [encode(record) for record in long_journal(1, 100)]
    filler = lines[20].replace(b'"secret/data/', b'"secret/data/' + b"x" * 1_000_000)
    for _ in range(18):
        seq = len(lines) + 1
        lines.append(filler.replace(b'"seq":21,', b'"seq":%d,' % seq))
    file = tmp_path / "long.jsonl"
    file.write_bytes(b"".join(lines))
    with Terminal(tmp_path, "where", "secret/7", "--journal", str(file)) as terminal:
        assert terminal.read() == 0
    assert "reading the journal: " in terminal.shown
    assert terminal.shown.rstrip().splitlines()[-1].startswith("journal ")
    assert vsync(tmp_path, "where", "secret/7", "--journal", file).stderr == ""


# --- a real run ------------------------------------------------------------------------------


def where(workshop: Workshop, path: str) -> tuple[int, str]:
    """The exit code and the word."""
    told = vsync(workshop.home, "where", path, "--journal", workshop.journal)
    return told.returncode, told.stdout.partition(": ")[2].partition(",")[0]


def test_a_change_goes_out_and_is_removed(workshop: Workshop, mount: str) -> None:
    path = f"{mount}app/db"
    for name in ("app/db", "app/other", "b"):
        workshop.vault.put(mount, name)
    workshop.once()
    assert where(workshop, path) == (0, "OUT")
    workshop.vault.put(mount, "app/db")
    told = vsync(workshop.home, "where", path, *on(workshop), "--json")
    assert json.loads(told.stdout)["read"]["version"] == 1, "nobody has looked since"
    workshop.once()
    document = json.loads(vsync(workshop.home, "where", path, *on(workshop), "--json").stdout)
    version, updated = workshop.saved()[f"{mount}data/app/db"]
    assert (document["consul"]["version"], document["consul"]["update_time"]) == (version, updated)
    assert (version, document["consul"]["cycle"], document["word"]) == (2, 2, "out")
    workshop.vault.delete(mount, "app/db")
    workshop.once()
    assert where(workshop, path) == (0, "REMOVED")
    assert f"{mount}data/app/db" not in workshop.saved()
    assert where(workshop, f"{mount}data/b") == (0, "OUT")
    assert where(workshop, f"{mount}app/nobody") == (1, "UNKNOWN")


def test_what_is_not_chosen_says_so(workshop: Workshop, mount: str) -> None:
    for name in ("apps/a", "team/b"):
        workshop.vault.put(mount, name)
    workshop.once(mounts=[], paths=[{"mount": mount, "exclude": ["team/"]}])
    told = vsync(workshop.home, "where", f"{mount}team/b", "--journal", workshop.journal)
    assert told.returncode == 3
    assert told.stdout.startswith(f"{mount}team/b: NOT CHOSEN, origin.paths leaves it out\n")
    assert where(workshop, f"{mount}apps/a") == (0, "OUT")
    assert where(workshop, f"{mount}apps/c") == (1, "UNKNOWN")


def test_what_is_refused_says_so(workshop: Workshop, mount: str) -> None:
    for number in range(20):
        workshop.vault.put(mount, f"p{number}")
    workshop.once()
    for number in range(15):
        workshop.vault.purge(mount, f"p{number}")
    refused = workshop.once().one(e.SaveRefused)
    told = vsync(workshop.home, "where", f"{mount}p3", "--journal", workshop.journal)
    assert told.returncode == 3
    assert "REFUSED, it is gone from Vault, but Consul still holds it" in told.stdout
    assert f"vsync-sm ctl allow {refused.allowance}" in told.stdout
    assert where(workshop, f"{mount}p17") == (0, "OUT")
    workshop.once(allow=refused.allowance)
    assert where(workshop, f"{mount}p3") == (0, "REMOVED")
