"""What reads the journal itself shows no more of it than was there at the moment."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.widgets import Input

from tests.tui.nights import NIGHTS
from tests.tui.replaying import PLACES, RECORDS, Watched, walk
from tui.feed import Look
from tui.known import lines_until
from tui.replay.bar import _bar
from tui.replay.feed import Standing
from tui.theme import MARK
from tui.widgets.journal import JournalPanel
from tui.widgets.path import PathPanel
from vsync_sm.core.marks import KINDS, Kind
from vsync_sm.core.view import View
from vsync_sm.journal.codec import encode
from vsync_sm.journal.lookup import look_up
from vsync_sm.journal.pages import Pages

LAST = len(RECORDS)
FAULT = PLACES["fault"][0]
PATH = "teams/data/search/api/prod/[draft] key"
"""It is written for the first time in the middle of the night."""


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """The journal of a night whose last save was refused."""
    file = tmp_path / "journal.jsonl"
    file.write_bytes(NIGHTS["refused"]().text())
    return file


def test_the_journal_ends_at_the_moment(journal: Path) -> None:
    async def test(watched: Watched) -> None:
        await watched.press("2")
        panel = watched.app.query_one(JournalPanel)
        lines = panel.lines
        await watched.until(lambda: lines.known == LAST)
        await watched.press("home", "right_square_bracket")
        await watched.until(lambda: lines.count == FAULT)
        assert f"journal · {FAULT:,} lines · TAIL" in str(panel.border_title)
        assert "fault_raised" in lines.screen_text[-1]
        await watched.press("x")
        await watched.until(lambda: lines.matches is not None and lines.count)
        await watched.until(lambda: panel._behind.sift is not None and panel._behind.sift.done)
        early = [seq for seq in PLACES["fault"] if seq <= FAULT]
        watched.app.paint_now()  # what was found last
        faults = sum("fault_raised" in line for line in lines.screen_text)
        assert faults == len(early) < len(PLACES["fault"])
        assert str(panel.border_subtitle).startswith(f"{lines.count} of {FAULT:,} match")
        assert "hold" not in {
            each.binding.action for each in watched.app.screen.active_bindings.values()
        }
        await watched.press("end")
        await watched.until(lambda: lines.known == LAST)

    walk(RECORDS, test, journal=journal)


def test_lines_that_cannot_be_read_belong_to_what_stands_before_them(tmp_path: Path) -> None:
    file = tmp_path / "journal.jsonl"
    records = RECORDS[:20]
    lines = [encode(record) for record in records]
    for missing in ([], [4], [0], [7, 8, 9], [19]):
        kept = [line for at, line in enumerate(lines) if at not in missing]
        torn = [*kept[:12], b"torn\n", *kept[12:]]
        file.write_bytes(b"".join(torn))
        pages = Pages(file)
        pages.refresh()
        for seq in range(22):
            known = 0
            for at, line in enumerate(torn, start=1):
                if line == b"torn\n":
                    known = at if known == at - 1 else known
                elif lines.index(line) < seq:
                    known = at
            assert lines_until(pages, seq) == known, (missing, seq)


def test_a_path_is_told_as_it_was_known(journal: Path) -> None:
    first = next(each.seq for each in RECORDS if getattr(each.event, "path", "") == PATH)
    assert look_up(PATH, journal, until=first - 1).verdict.word == "UNKNOWN"
    assert look_up(PATH, journal, until=first).verdict.word == "NOT YET"
    assert look_up(PATH, journal).verdict.word == "OUT"
    assert PATH not in look_up("draft", journal, until=first - 1).near

    async def test(watched: Watched) -> None:
        await watched.press("6")
        answers = watched.app.query_one(PathPanel).answers
        await watched.until(lambda: isinstance(watched.app.focused, Input))
        watched.app.query_one(PathPanel).show_path(PATH)
        await watched.until(lambda: answers.where and answers.where.verdict.word == "OUT")
        await watched.press("colon", *f"#{first - 1}", "enter")
        await watched.at(first - 1)
        await watched.until(lambda: answers.where and answers.where.verdict.word == "UNKNOWN")
        assert answers.where is not None
        assert answers.where.at == RECORDS[first - 2].ts

    walk(RECORDS, test, journal=journal)


# --- the position bar ------------------------------------------------------------------------


def drawn(standing: Standing, columns: int) -> str:
    return "".join(glyph for glyph, _ in _bar(standing, columns))


def at(seq: int, **more: object) -> Standing:
    made: dict[str, object] = {"look": Look(View(seq=seq)), "first": 1, "last": 100}
    return Standing(**(made | more))  # type: ignore[arg-type]  # as a test says


def test_the_bar_shows_what_was_played_and_where_one_stands() -> None:
    assert drawn(at(1), 10) == "●─────────"
    assert drawn(at(50), 10) == "━━━━●─────"
    assert drawn(at(100), 10) == "━━━━━━━━━●"
    assert drawn(at(0, last=0, first=0), 5) == "●────"
    assert drawn(at(3, last=3), 9) == "━━━━━━●──", "few records are far apart"


def test_runs_and_marks_stand_out_of_the_bar() -> None:
    marks = [None] * 10
    assert drawn(at(1, runs=(1, 41)), 10) == "●───┃─────"
    for kind in KINDS:
        one = (*marks[:4], kind, *marks[5:])
        look = MARK.get(kind)
        assert drawn(at(1, marks=one), 10)[4] == (look.glyph if look and kind != Kind.RUN else "─")
        graver = kind in {Kind.DAMAGE, Kind.CONTRADICTION, Kind.FAULT, Kind.CRASH, Kind.REFUSAL}
        graver |= kind is Kind.REPAIR
        assert drawn(at(1, marks=one, runs=(1, 41)), 10)[4] == (
            look.glyph if graver and look else "┃"
        )


def test_no_two_marks_look_alike_without_colour() -> None:
    glyphs = [look.glyph for look in MARK.values()]
    assert len({*glyphs, "●", "━", "─"}) == len(glyphs) + 3
    assert list(MARK) == [kind for kind in reversed(KINDS) if kind in MARK], "gravest first"
