"""Draws the screens that the docs show: `python -m tests.tui.screenshots`."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from tests.snapshots import ROOT
from tests.tui.nights import NIGHTS
from tests.tui.scenes import SCENES
from tests.tui.screen import take

SCREENS = ROOT / "docs" / "screens"
SHOWN = {
    "working": "working",
    "journal": "tab_journal_grave",
    "refused": "dialog_allow",
    "replay": "replay_timeout",
}
"""The docs' screens, and the scenes that they show."""

JOURNAL = Path("journal.jsonl")


def main() -> None:
    """Draws them all; one that is shown no more goes."""
    SCREENS.mkdir(parents=True, exist_ok=True)
    for old in SCREENS.glob("*.svg"):
        if old.stem not in SHOWN:
            old.unlink()
    os.environ.pop("NO_COLOR", None)
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for name, scene in SHOWN.items():
            night = NIGHTS[SCENES[scene].night]()
            JOURNAL.write_bytes(night.text())
            photo = take(SCENES[scene], night, JOURNAL)
            (SCREENS / f"{name}.svg").write_text(photo.svg, encoding="utf-8")


if __name__ == "__main__":
    main()
