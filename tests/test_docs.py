"""What the pages say is what the program does."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests import eventtable, moduletable
from tests.diagram import PAGES, drawn
from tests.snapshots import ROOT
from vsync_sm import flags
from vsync_sm.config import load
from vsync_sm.config.loading import SCHEMA
from vsync_sm.core.errors import FaultKind
from vsync_sm.core.events import EVENTS, Refusal, SaveRefused
from vsync_sm.core.machine import State, diagram
from vsync_sm.core.present import refusal
from vsync_sm.core.view import View
from vsync_sm.operate.health import health

README = (ROOT / "README.md").read_text(encoding="utf-8")
CONFIGURATION = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
TEXTS = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
TEXTS += sorted((ROOT / "docs").glob("*.md"))
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
TOLD = (
    *(FaultKind.SAVE_REFUSED, FaultKind.CARRIED_TOO_LONG, FaultKind.KEEPS_FAILING),
    *(FaultKind.TOKEN_ENDING, FaultKind.JOURNAL_UNTIDY),
)
OF_A_LOGIN = {f"origin.vault.{way}.path" for way in ("approle", "kubernetes", "jwt")} | {
    "origin.vault.kubernetes.tokenFile"
}
CODES = ("0", "1", "2", "3", "128 + n")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.name))
def test_the_picture_is_the_tables(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert drawn(text) == text, "stale: run `just diagram`"
    assert diagram() in text
    with pytest.raises(ValueError, match="no mermaid block"):
        drawn("no picture here")


@pytest.mark.parametrize("page", TEXTS, ids=lambda page: str(page.name))
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target in LINK.findall(text):
        if "://" in target:
            continue
        file, _, anchor = target.partition("#")
        there = (page.parent / file) if file else page
        assert there.exists(), target
        if anchor:
            titles = re.findall(r"^#+ (.+)$", there.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in {
                re.sub(r"[^\w -]", "", each).lower().replace(" ", "-") for each in titles
            }


@pytest.mark.parametrize("page", TEXTS, ids=lambda page: str(page.name))
def test_files_that_are_named_exist(page: Path) -> None:
    for name in re.findall(r"`((?:vsync_sm|tests|docs|tui|\.ci)/[\w./-]*)`", page.read_text()):
        assert (ROOT / name).exists(), name


def test_the_events_that_are_listed_are_the_programs() -> None:
    text = eventtable.PAGE.read_text(encoding="utf-8")
    assert eventtable.listed(text) == text, "stale: run `just events`"
    assert all(f"| `{word}` |" in text for word in EVENTS)
    with pytest.raises(ValueError, match="no <!-- events -->"):
        eventtable.listed("no events here")


def test_the_modules_that_are_listed_are_the_programs() -> None:
    text = moduletable.PAGE.read_text(encoding="utf-8")
    assert moduletable.listed(text) == text, "stale: run `just modules`"
    for module in sorted((*ROOT.glob("vsync_sm/**/*.py"), *ROOT.glob("tui/**/*.py"))):
        _, _, section = text.partition(f"## {module.parent.relative_to(ROOT)}/\n")
        name = f"| `{module.name}` | " if module.name != "__init__.py" else ""
        assert section, module
        assert name in section.partition("\n## ")[0], module
    with pytest.raises(ValueError, match="no <!-- modules -->"):
        moduletable.listed("no modules here")


# --- the command line ------------------------------------------------------------------------


def commands(text: str) -> list[str]:
    """Every `vsync-sm …` line that a reader may paste, without what a comment says of it."""
    found = []
    fenced = False
    for line in text.splitlines():
        if line.startswith("```"):
            fenced = not fenced
        elif fenced and (command := re.fullmatch(r"(?:\S*/|\s+)?(vsync-sm .*?)(?: +#.*)?", line)):
            found.append(command[1])
    return found


def test_the_readmes_command_lines_parse() -> None:
    lines = commands(README)
    for line in lines:
        flags.parse(shlex.split(line)[1:])
    shown = {shlex.split(line)[1] for line in lines}
    assert shown == {
        *("check", "plan", "ctl", "where", "notify-test", "replay", "journal", "--headless")
    }
    assert any("--once" in line for line in lines)
    assert any("ctl allow" in line for line in lines)


def test_a_command_line_that_does_not_parse_would_be_found() -> None:
    lines = commands("vsync-sm x\n```sh\nvsync-sm --headles  # run\n.venv/bin/vsync-sm y\n```\n")
    assert lines == ["vsync-sm --headles", "vsync-sm y"]
    for line in lines:
        with pytest.raises(SystemExit):
            flags.parse(shlex.split(line)[1:])


def test_the_example_of_a_refusal_is_what_is_printed() -> None:
    example = README.partition("## A refused save")[2].partition("```\n")[2].partition("```")[0]
    refused = Refusal(rule="shrink_mount", mount="kv/", count=30, of=100, limit=0.2)
    event = SaveRefused(
        refusals=(refused,), vanished={"kv/": 30}, regressed={}, sample=(), allowance="5f0c2d9a81e4"
    )
    command = shlex.join(shlex.split(example.splitlines()[-1]))
    told = refusal(event, allow_command=command, live=True).splitlines()
    for line in example.splitlines():
        assert line in told or line == "…"


def test_help_and_the_readme_know_the_same_exit_codes() -> None:
    table = README.partition("## Exit codes")[2].partition("\n## ")[0]
    assert tuple(re.findall(r"^\| (\d[^|]*?) \|", table, re.MULTILINE)) == CODES
    listed = flags.EPILOG.partition("exit codes:\n")[2].partition("\n\n")[0]
    assert tuple(re.findall(r"^  (\d\S*(?: \+ n)?)  ", listed, re.MULTILINE)) == CODES
    assert (flags.OK, flags.FATAL, flags.USAGE, flags.NOT_SAVED) == (0, 1, 2, 3)


# --- configuration, faults, states -----------------------------------------------------------


def test_every_field_is_documented() -> None:
    documented = set(re.findall(r"^\| `([\w.]+)` \|", CONFIGURATION, re.MULTILINE))
    fields = set(SCHEMA.fields)
    assert fields - documented == set()
    told_apart = CONFIGURATION.partition("## Coming from")[2]
    for name in documented - fields:
        assert f"`{name}`" in told_apart


def test_the_defaults_in_the_table_are_the_programs(tmp_path: Path) -> None:
    rows = re.findall(r"^\| `([\w.]+)` \| `([^`]+)` \|", CONFIGURATION, re.MULTILINE)
    defaults = [(name, told) for name, told in rows if name not in OF_A_LOGIN]
    assert len(defaults) > 25
    file = tmp_path / "config.yaml"
    file.write_text("origin: {mounts: [secret/], vault: {token: t}}")

    def public(variables: Mapping[str, str]) -> Mapping[str, object]:
        environment = {"HOME": "/", **variables}
        return load(file=file, environment=environment, flags={}, cwd=tmp_path).public()

    told = {f"VSYNC_{name.replace('.', '_').upper()}": as_variable(v) for name, v in defaults}
    assert public(told) == public({})


def as_variable(told: str) -> str:
    """A value of the table as a variable has it: lists without brackets."""
    return re.sub(r"[\[\] ]", "", told)


def test_the_example_shows_every_field() -> None:
    words = (ROOT / "config.yaml").read_text(encoding="utf-8").lower()
    for field in SCHEMA.fields:
        assert f"{field.rpartition('.')[2].lower()}:" in words, field


def test_every_unused_and_moved_key_is_documented() -> None:
    told = CONFIGURATION.partition("## Coming from")[2]
    for name in (*SCHEMA.unused, *SCHEMA.successors):
        assert f"`{name}`" in told or name.rpartition(".")[2] in told, name


@pytest.mark.parametrize("kind", FaultKind, ids=lambda kind: str(kind.word))
def test_every_fault_is_documented(kind: FaultKind) -> None:
    faults = ROOT / "docs" / "faults.md"
    row = re.search(rf"^\| `{kind.word}` \| (\w+) \|", faults.read_text(), re.MULTILINE)
    assert row, kind.word
    becomes = "halts" if kind.fatal else "retried" if kind.retry else "aborts"
    assert row[1] == ("told" if kind in TOLD else becomes)


def test_what_health_tells_as_json_is_documented() -> None:
    page = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    told = page.partition("## /health")[2].partition("\n## ")[0]
    document = json.loads(health(View(), 0, "application/json").body)
    assert len(document) > 5
    assert [name for name in document if f"`{name}`" not in told] == []


def test_every_state_is_in_the_picture() -> None:
    assert all(f" {state}" in diagram() for state in State)
