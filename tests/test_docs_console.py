"""What the console's page says is what the console, `ctl` and `where` do."""

from __future__ import annotations

import argparse
import re
import shlex

import pytest

from tests.keytable import PAGE, listed
from tests.snapshots import ROOT
from tests.test_docs import commands
from tui import flags as tui_flags
from tui.glance import Badge
from tui.replay.console import ReplayConsole
from tui.tabs import TABS
from tui.theme import MARK
from tui.widgets.dialogs.help import BADGES, PLACES
from tui.widgets.dialogs.keys import keys_of
from vsync_sm import flags, where
from vsync_sm.core.answer import MEANING
from vsync_sm.core.commands import COMMANDS
from vsync_sm.core.sieve import parse
from vsync_sm.core.whereabouts import Word

CONSOLE = PAGE.read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")


def rows(head: str) -> dict[str, str]:
    """A table's second column by its first, found by its first head."""
    table = re.search(rf"^\| {head} \|.*\n\| --- .*\n((?:\|.*\n)+)", CONSOLE, re.MULTILINE)
    assert table, head
    cells = (line.strip("| ").split(" | ") for line in table[1].splitlines())
    return {name.strip("`"): words for name, words, *_ in cells}


def test_the_list_of_keys_is_the_programs() -> None:
    assert listed(CONSOLE) == CONSOLE, "stale: run `just keys`"
    with pytest.raises(ValueError, match="no <!-- keys -->"):
        listed("no keys here")


def test_help_names_the_keys_that_go_back_in_time() -> None:
    head, _, block = tui_flags.EPILOG.partition("\nkeys with --replay,")[2].partition("\n")
    named = set(block.partition("\n\n")[0].split())
    bound = {name for key in keys_of(ReplayConsole) for name in key.keys}
    assert bound - {",", ".", "<", ">"} <= named  # the arrows are named, and ? lists all
    assert {word for word in named if len(word) == 1} <= bound | {"a"}  # the article
    assert not bound & set("paAH")
    assert "in place of s p a A H" in head


def test_words_and_badges_mean_what_the_program_says() -> None:
    assert rows("answer") == {str(word): meaning for word, meaning in MEANING.items()}
    assert rows("badge") == {str(badge): BADGES[badge] for badge in Badge}


def test_the_marks_on_the_bar_mean_what_the_program_says() -> None:
    told = {f"{look.glyph} {kind}": PLACES[kind] for kind, look in MARK.items()}
    assert rows("mark") == told


def test_the_tabs_are_the_programs() -> None:
    told = {f"{number} {tab.id}": tab.about for number, tab in enumerate(TABS, start=1)}
    assert rows("tab") == told


def test_the_command_lines_parse() -> None:
    lines = commands(CONSOLE)
    for line in lines:
        flags.parse(shlex.split(line)[1:])
    shown = {tuple(shlex.split(line)[1:3]) for line in lines}
    assert {words[1] for words in shown if words[0] == "ctl"} == {"status", *COMMANDS}
    assert any(words[0] == "where" for words in shown)


@pytest.mark.parametrize("page", [README, CONSOLE], ids=["README", "console"])
def test_the_consoles_command_lines_parse(page: str) -> None:
    lines = re.findall(r"^(vsync-tui.*?)(?: +#.*)?$", page, re.MULTILINE)
    assert len(lines) > 2
    for line in lines:
        tui_flags.parse(shlex.split(line)[1:])


def test_every_flag_of_the_console_is_told() -> None:
    parser = tui_flags._parser()
    said = {flag for action in parser._actions for flag in action.option_strings}
    told = set(re.findall(r"--[a-z]+", CONSOLE))
    assert {flag for flag in said if flag.startswith("--")} - told <= {"--version"}


def test_every_word_of_where_is_told_with_its_exit_code() -> None:
    found = re.findall(r"^\| `([A-Z ]+)` \| .* \| (\d) \|$", CONSOLE, re.MULTILINE)
    assert dict(found) == {str(word): str(where._CODES[word]) for word in Word}


def test_every_flag_of_ctl_is_told() -> None:
    told = CONSOLE.partition("## From outside")[2].partition("\n## ")[0]
    parser = argparse.ArgumentParser()
    flags._ctl(parser)
    kinds = argparse._SubParsersAction
    (words,) = (each for each in parser._actions if isinstance(each, kinds))
    for word in words.choices.values():
        for action in word._actions:
            for flag in action.option_strings:
                assert flag in {"-h", "--help", "--config"} or flag in told, flag


def test_the_filters_are_understood() -> None:
    shown = CONSOLE.partition("```text\n")[2].partition("```")[0].splitlines()
    assert len(shown) >= 4
    for line in shown:
        assert len(parse(line).terms) == 2, line
