"""How commands name a journal."""

from __future__ import annotations

from pathlib import Path

import pytest

from vsync_sm.core.reach import SHELL
from vsync_sm.operate.place import default_journal, reach_of


def test_only_a_journal_elsewhere_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert reach_of(default_journal({})) == SHELL
    # Another shell may stand elsewhere, and knows nothing of a unit's directory.
    monkeypatch.chdir(tmp_path)
    assert reach_of(Path("j.jsonl")).journal == str(tmp_path / "j.jsonl")
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/vsync")
    assert reach_of(Path("/var/lib/vsync/journal.jsonl")).journal == "/var/lib/vsync/journal.jsonl"
