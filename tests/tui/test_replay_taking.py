"""Taking a night along from the console: what is chosen stands in the file, and it says where."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from textual.widgets import Input, Static

from tests.tui.nights import NIGHTS
from tests.tui.replaying import PLACES, RECORDS, Watched, walk
from tui.replay.taking import FORMS, Part, Stopped, TakeDialog, Writing, parts
from vsync_sm.core.errors import JournalError
from vsync_sm.core.events import Record
from vsync_sm.core.moments import OfCycle, Seq
from vsync_sm.core.shapes import View
from vsync_sm.journal.codec import encode
from vsync_sm.journal.reader import read_journal
from vsync_sm.journal.replay import replay
from vsync_sm.journal.taking import Form

WHOLE = Part("all of it", None, None, "night")


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """The night as a file."""
    path = tmp_path / "journal.jsonl"
    path.write_bytes(b"".join(map(encode, RECORDS)))
    return path


def state(watched: Watched) -> str:
    """What the dialog says of its work."""
    return str(watched.app.screen.query_one("#state", Static).render())


async def opened(watched: Watched) -> TakeDialog:
    """The dialog, from the night's first fault."""
    await watched.press("home", "right_square_bracket")
    await watched.at(PLACES["fault"][0])
    await watched.press("e")
    await watched.until(lambda: isinstance(watched.app.screen, TakeDialog))
    assert isinstance(watched.app.screen, TakeDialog)
    return watched.app.screen


def test_this_cycle_as_a_page_is_two_keys_away(
    journal: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    async def test(watched: Watched) -> None:
        await opened(watched)
        await watched.press("enter")
        await watched.until(lambda: "✔ written to" in state(watched))
        assert str(tmp_path / "cycle-4.md") in state(watched).replace("\n", "")
        await watched.press("enter")
        await watched.until(lambda: not isinstance(watched.app.screen, TakeDialog))

    walk(RECORDS, test, (120, 40), journal)
    page = tmp_path / "cycle-4.md"
    assert page.read_text().startswith("# vsync on origin-1.example: 2026-11-02 01:54:02 to ")
    assert page.stat().st_mode & 0o777 == 0o600


def test_what_is_turned_to_is_what_is_written(
    journal: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    async def test(watched: Watched) -> None:
        dialog = await opened(watched)
        name = dialog.query_one("#to", Input)
        await watched.press("right", "tab", "right", "space", "tab", "l")
        await watched.until(lambda: name.value == "night.jsonl")
        await watched.press("tab", "end", *["backspace"] * len("night.jsonl"), "o", "enter")
        await watched.until(lambda: "✔ written to" in state(watched))
        await watched.press("escape")
        await watched.until(lambda: not isinstance(watched.app.screen, TakeDialog))

    walk(RECORDS, test, (80, 24), journal)
    read = list(read_journal(tmp_path / "o"))
    assert len(read) == len(RECORDS)
    story = replay(read)
    assert "teams" not in "".join(story)
    assert story.ok


def refused(watched: Watched, name: str) -> bool:
    """Whether the dialog says that nothing was written under this name."""
    said = "".join(state(watched).split())
    return said.startswith(f"✖{name}") and ("isthere" in said or "cannot" in said)


def test_what_is_there_is_not_written_over(journal: Path) -> None:
    content = journal.read_bytes()

    async def test(watched: Watched) -> None:
        dialog = await opened(watched)
        name = dialog.query_one("#to", Input)
        for taken in (str(journal), f"{journal}.000001", str(journal.parent / "none" / "x")):
            name.value = taken
            await watched.press("enter")
            await watched.until(partial(refused, watched, taken))
        name.value = " "
        await watched.press("enter")
        await watched.until(lambda: "give it a name" in state(watched))

    walk(RECORDS, test, (120, 40), journal)
    assert journal.read_bytes() == content
    assert [each.name for each in journal.parent.iterdir()] == [journal.name]


@pytest.mark.parametrize("form", [form for form, _ in FORMS])
def test_each_form(journal: Path, tmp_path: Path, form: Form) -> None:
    to = tmp_path / "out"
    written = Writing(journal, WHOLE, form, to, names=False).write()
    assert (written.to, written.trouble) == (to, "")
    told = to.read_text()
    begins = {
        Form.MARKDOWN: "# vsync on ",
        Form.PICTURE: "<svg ",
        Form.JOURNAL: '{"v":1,"seq":1,',
        Form.TEXT: "Run ",
        Form.JSON: '{"story":[',
    }
    assert told.startswith(begins[form])
    if form is Form.JSON:
        assert json.loads(told)["ok"]


def test_who_leaves_stops_it(journal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stopped = threading.Event()

    def take(*_: object, heed: Callable[[Record], None], **__: object) -> None:
        try:
            while True:
                heed(RECORDS[0])
        except Stopped:
            stopped.set()
            raise

    monkeypatch.setattr("tui.replay.taking.take", take)

    async def test(watched: Watched) -> None:
        await opened(watched)
        await watched.press("enter")
        await watched.until(lambda: "events so far" in state(watched))
        await watched.press("escape")
        await watched.until(stopped.is_set)

    walk(RECORDS, test, (120, 40), journal)


def test_what_is_stopped_leaves_no_file(journal: Path, tmp_path: Path) -> None:
    to = tmp_path / "out"
    writing = Writing(journal, WHOLE, Form.MARKDOWN, to, names=True)
    writing.stop()
    with pytest.raises(Stopped):
        writing.write()
    assert writing.read == 0
    assert not to.exists()


def test_a_damaged_journal_is_said(journal: Path, tmp_path: Path) -> None:
    with journal.open("ab") as file:
        file.write(b"rubbish\n")
    drawn = Writing(journal, WHOLE, Form.PICTURE, tmp_path / "a", names=False)
    assert drawn.write().trouble == ""
    cut = Writing(journal, WHOLE, Form.JOURNAL, tmp_path / "b", names=False)
    with pytest.raises(JournalError) as caught:
        cut.write()
    assert cut.failed(caught.value).trouble.startswith("the journal is damaged: ")
    assert not (tmp_path / "b").exists()


def test_what_can_be_taken_from_a_moment() -> None:
    in_cycle, after = NIGHTS["working"]().view, NIGHTS["waiting"]().view
    assert [part.words for part in parts(in_cycle, 0)] == ["this cycle (10)", "all of it"]
    assert [part.words for part in parts(after, 0)] == ["the last cycle (9)", "all of it"]
    assert [part.words for part in parts(View(), 0)] == ["all of it"]
    marked, *_ = parts(after, 812)
    assert (marked.since, marked.until) == (Seq(812), Seq(after.seq))
    later, *_ = parts(after, after.seq + 5)
    assert (later.since, later.until) == (Seq(after.seq), Seq(after.seq + 5))
    assert parts(after, after.seq)[0].since == OfCycle(9)
