"""Journals that nothing can be told of: what is on the screen says why, and invents no moment."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.pilot import Pilot

from tests.tui.nights import NIGHTS
from tests.tui.piloted import Clock, piloted, top, until
from tui.app import Console
from tui.replay.bar import PositionBar
from tui.replay.console import ReplayConsole
from tui.replay.feed import PlayFeed
from vsync_sm.journal.past import Past

LINES = NIGHTS["waiting"]().text().splitlines(keepends=True)


@pytest.mark.parametrize(
    ("text", "words", "moment"),
    [
        (b"", "the journal is empty", " no event"),
        (b"".join(LINES[9:]), "nothing of it can be read", " no event"),
        (
            b"".join(LINES[:5]).replace(b'"v":1', b'"v":9'),
            "no run that this version knows",
            " 11-02 01:52:00 #5",
        ),
    ],
    ids=["empty", "without its beginning", "of a newer vsync"],
)
def test_what_is_so_is_said(tmp_path: Path, text: bytes, words: str, moment: str) -> None:
    journal = tmp_path / "journal.jsonl"
    journal.write_bytes(text)
    app = ReplayConsole(PlayFeed(Past(journal), Clock()), journal=journal, cpu=lambda: 0.0)

    async def test(_: Console, pilot: Pilot[int]) -> None:
        def told() -> bool:
            app.paint_now()
            bar = str(app.screen_stack[0].query_one(PositionBar).render())
            return f"REPLAY   {words}" in top(app)["Title"] and bar.endswith(moment)

        await until(told)
        await pilot.pause()
        assert top(app)["AnswerBar"].startswith(f"? {words}: ")

    piloted(app, test)
