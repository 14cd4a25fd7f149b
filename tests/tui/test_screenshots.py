"""The docs show the screens as they are: as the snapshots, which are held against the console."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.snapshots import ROOT, SNAPSHOTS
from tests.tui.screenshots import SCREENS, SHOWN

PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
STALE = "stale: draw it anew with `just screenshots`"


@pytest.mark.parametrize("name", SHOWN)
def test_the_docs_show_it_as_it_is(name: str) -> None:
    snapshot = SNAPSHOTS / "test_screens" / f"test_screen[{SHOWN[name]}].svg"
    drawn = SCREENS / f"{name}.svg"
    assert drawn.read_text() == snapshot.read_text(), STALE


def test_every_picture_is_shown_and_every_one_shown_is_there() -> None:
    linked = {
        (page.parent / target).resolve()
        for page in PAGES
        for target in re.findall(r"[(\"]([^()\"\s]*screens/[^()\"\s]+\.svg)", page.read_text())
    }
    there: set[Path] = set(SCREENS.glob("*.svg"))
    assert linked == there
