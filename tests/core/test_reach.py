"""What is typed or pressed, told to whoever reads."""

from __future__ import annotations

from vsync_sm.core.reach import SHELL, Reach


def test_in_a_shell_a_journal_elsewhere_is_named() -> None:
    assert SHELL.ask("resume") == "vsync-sm ctl resume"
    there = Reach("/srv/my vsync/j.jsonl")
    assert there.ask("allow", "a1") == "vsync-sm ctl allow a1 --journal '/srv/my vsync/j.jsonl'"
    assert there.start("--once") == "vsync-sm --headless --once --journal '/srv/my vsync/j.jsonl'"
    assert there.console() == "vsync-tui --journal '/srv/my vsync/j.jsonl'"


def test_the_configuration_is_named_where_it_is_known() -> None:
    there = Reach("/j.jsonl", config="/etc/vsync/my config.yaml")
    config = "--config '/etc/vsync/my config.yaml' --journal /j.jsonl"
    assert there.start() == f"vsync-sm --headless {config}"
    assert there.console() == f"vsync-tui {config}"
    assert there.shell("ctl", "status") == "vsync-sm ctl status --journal /j.jsonl"


def test_a_key_goes_before_a_command() -> None:
    here = Reach("/j", keys={"allow": "A"})
    assert here.ask("allow", "a1") == "press A"
    assert here.ask("sync") == "vsync-sm ctl sync --journal /j", "it has no key"
