"""The journal's screen looking through a whole journal: filters, searches, however long it is."""

from __future__ import annotations

import threading
from array import array
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.events import Key
from textual.widgets import Input

from tests.origin.scenes import until
from tests.tui.desk import HEIGHT, Desk, lines_of, read, use
from tests.tui.nights import stuck as stuck_night
from tests.workshop import PATIENCE_S
from tui.lineup import KEPT
from tui.sifting import CAP, Behind, Found, Matches, Sift
from tui.widgets.lines import JournalLines
from vsync_sm.core.sieve import parse
from vsync_sm.journal.pages import KEPT_BLOCKS, Pages


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "j.jsonl"


@pytest.fixture
def journal(path: Path) -> Path:
    """A thousand lines, all of them one path's."""
    path.write_bytes(lines_of(1000))
    return path


# --- sifting ----------------------------------------------------------------------------------


def test_a_filter_shows_some_lines_and_keeps_the_selected_one(journal: Path) -> None:
    async def sift(desk: Desk) -> None:
        await desk.press("g", *["pagedown"] * 10)
        here = desk.path
        assert here == 211
        await desk.press("k")  # 210: one that failed
        where = desk.seen.index(210)
        await desk.ask("F", "type:path_failed")
        assert desk.path == 210
        assert all(n % 10 == 0 for n in desk.seen)
        assert desk.seen.index(210) == where
        assert desk.title == "journal · 1,000 lines · filter type:path_failed"
        assert desk.note == "100 of 1,000 match"
        desk.grow(lines_of(20, first=1001))
        await desk.until(lambda: desk.note == "102 of 1,020 match")
        assert (desk.path, desk.seen.index(210)) == (210, where)
        await desk.press("j", "j")
        assert desk.path == 230
        await desk.ask("ampersand", "")
        assert (desk.path, desk.seen[1] - desk.seen[0]) == (230, 1)
        assert desk.title == "journal · 1,020 lines"

    use(journal, sift)


def test_a_selected_line_that_is_filtered_away_is_selected_again_afterwards(journal: Path) -> None:
    async def sift(desk: Desk) -> None:
        await desk.press("g", "pagedown", "pagedown")
        assert desk.path == 43
        await desk.press("x")
        await desk.rest()
        assert desk.path == 50  # the next one that passes
        assert "only faults" in desk.title
        await desk.press("x")
        assert desk.path == 43

    use(journal, sift)


def test_a_filter_in_the_tail_follows(journal: Path) -> None:
    async def sift(desk: Desk) -> None:
        await desk.press("x")
        await desk.rest()
        assert (desk.path, "TAIL" in desk.title) == (1000, True)
        desk.grow(lines_of(30, first=1001))
        await desk.until(lambda: desk.path == 1030)
        assert desk.seen[-2:] == [1020, 1030]

    use(journal, sift)


def test_a_mistake_is_told_while_one_types(journal: Path) -> None:
    async def mistake(desk: Desk) -> None:
        await desk.press("F", *"sev:x")
        assert "“sev:” in “sev:x” is none of" in desk.said
        await desk.press("enter")
        assert desk.app.query_one(Input).has_focus  # it waits for better words
        await desk.press("escape")
        assert desk.list.has_focus
        assert not desk.app.query_one(Input).display
        assert (desk.panel.filter.terms, desk.title) == ((), "journal · 1,000 lines · TAIL")
        await desk.press("slash", *"/[/")
        assert "this is no regular expression" in desk.said
        await desk.press("enter", "escape")
        assert desk.list.has_focus

    use(journal, mistake)


def test_held_the_list_stands_and_can_be_sifted(journal: Path) -> None:
    async def hold(desk: Desk) -> None:
        await desk.press("space")
        assert desk.title == "journal · 1,000 lines · HELD"
        desk.grow(lines_of(40, first=1001))
        assert desk.seen[-1] == 1000
        assert desk.title == "journal · 1,040 lines · HELD, 40 new"
        await desk.press("x")
        await desk.rest()
        assert desk.seen[-1] == 1000
        await desk.press("g", "G")
        assert desk.path == 1000
        await desk.press("space")
        assert (desk.seen[-1], "HELD" in desk.title) == (1040, False)

    use(journal, hold)


# --- seeking ----------------------------------------------------------------------------------


def test_search_looks_back_marks_and_goes_on_both_ways(journal: Path) -> None:
    async def search(desk: Desk) -> None:
        await desk.ask("slash", "p00005")
        assert desk.path == 599
        assert desk.note == "marked: p00005 · n newer, N older"
        styles = {segment.style for segment in desk.list._strips()[5] if segment.text == "p00005"}
        assert len(styles) == 1
        assert all(style is not None and style.reverse for style in styles)
        await desk.press("N")
        await desk.rest()
        assert desk.path == 598
        await desk.press("n")
        await desk.rest()
        assert desk.path == 599
        await desk.press("n")
        await desk.rest()
        assert (desk.path, desk.note) == (
            599,
            "no newer line with “p00005”; there may be older ones",
        )
        await desk.ask("slash", "p0000599")  # the selected one is looked at too
        assert (desk.path, desk.note) == (599, "marked: p0000599 · n newer, N older")
        await desk.press("escape")
        assert desk.list.marks is None
        await desk.press("n")  # nothing to look for: it asks
        assert desk.app.query_one(Input).has_focus

    use(journal, search)


def test_search_turns_round_where_there_is_nothing_older(journal: Path) -> None:
    async def search(desk: Desk) -> None:
        await desk.press("g")
        await desk.ask("slash", "/p00009[0-9]{2} could not/")
        assert desk.path == 900
        await desk.ask("slash", "nowhere at all")
        assert (desk.path, desk.note) == (900, "no line with “nowhere at all”")

    use(journal, search)


def test_search_stays_within_the_filter(journal: Path) -> None:
    async def search(desk: Desk) -> None:
        await desk.press("x")
        await desk.rest()
        await desk.ask("slash", "p00005")
        assert desk.path == 590

    use(journal, search)


def test_the_next_and_the_previous_fault(journal: Path) -> None:
    async def faults(desk: Desk) -> None:
        for key, path in (("[", 990), ("[", 980), ("]", 990), ("]", 1000)):
            await desk.press("left_square_bracket" if key == "[" else "right_square_bracket")
            await desk.rest()
            assert desk.path == path
        await desk.press("right_square_bracket")
        await desk.rest()
        assert desk.note == "no newer line with a fault; there may be older ones"

    use(journal, faults)


def test_only_faults_are_those_that_the_keys_stop_at(path: Path) -> None:
    path.write_bytes(stuck_night().text())

    async def both(desk: Desk) -> None:
        stops: list[int] = []
        while "no older line" not in desk.note:
            await desk.press("left_square_bracket")
            await desk.rest()
            stops.append(desk.list.cursor)
        await desk.press("x")
        await desk.rest()
        matches = desk.list.matches
        assert matches is not None
        assert [matches.line(at) for at in range(len(matches))] == stops[-2::-1]
        assert len(matches) > 5

    use(path, both)


def test_what_one_may_type_is_told_once(journal: Path) -> None:
    async def told(desk: Desk) -> None:
        await desk.press("F")
        assert desk.said.startswith("filter: type:insight_*")
        assert str(desk.app.query_one(Input).placeholder) == ""

    use(journal, told)


def test_what_is_sought_can_be_stopped(journal: Path) -> None:
    async def stop(desk: Desk) -> None:
        desk.panel._behind.stop()  # so that it lasts
        await desk.press("left_square_bracket")
        assert desk.note == "looking for a fault: 0 % · Esc stops"
        await desk.press("escape")
        assert (desk.panel._behind.seek, desk.path) == (None, 1000)
        assert "looking" not in desk.note

    use(journal, stop)


# --- a file that changes, and a long one ------------------------------------------------------


def test_a_journal_that_was_replaced_is_shown_and_sifted_anew(
    journal: Path, tmp_path: Path
) -> None:
    async def change(desk: Desk) -> None:
        await desk.press("x", "g")
        await desk.rest()
        other = tmp_path / "other"
        other.write_bytes(lines_of(60, first=5000))
        other.replace(journal)
        await desk.until(lambda: desk.note == "6 of 60 match")
        assert desk.seen == [5000, 5010, 5020, 5030, 5040, 5050]
        journal.write_bytes(lines_of(15, first=7001))
        await desk.until(lambda: desk.note == "1 of 15 match")
        assert desk.seen == [7010]
        journal.unlink()
        desk.paint()
        assert "waiting for the journal" in desk.rows[0]

    use(journal, change)


def test_a_long_journal_is_sifted_while_keys_are_answered_and_little_is_kept(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.write_bytes(lines_of(100_000))
    answered = threading.Event()
    advance = Sift.advance

    def held(sift: Sift) -> bool:
        if sift.looked_at > 80_000:  # however fast the machine is, it is not over before
            answered.wait(PATIENCE_S * 4)
        return advance(sift)

    monkeypatch.setattr(Sift, "advance", held)

    async def long(desk: Desk) -> None:
        desk.panel.show_only(parse('"could not be read"'))  # of the sentence: every line is read
        await desk.until(lambda: len(desk.seen) > 5)
        before = desk.path
        desk.app.post_message(Key("k", "k"))
        await desk.until(lambda: desk.path == before - 10)
        assert "looked through" in desk.note
        answered.set()
        await desk.rest()
        assert desk.note == "10,000 of 100,000 match"
        assert desk.path == before - 10
        for key in ("g", "G", "pageup"):
            await desk.press(key)
        await desk.ask("slash", "p0000010")
        assert desk.path == 10
        for place in range(0, 10_000, 100):
            desk.list.select(place)
            assert len(desk.rows) == HEIGHT
        assert desk.panel._pages.blocks_kept == KEPT_BLOCKS
        assert desk.list.kept == KEPT
        assert desk.panel._pages.index_entries < path.stat().st_size // (32 * 1024)

    use(path, long)


def test_only_so_many_matches_are_kept_and_it_says_so(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tui.sifting.CAP", 300)
    monkeypatch.setattr(Matches.__init__, "__defaults__", (300,))
    path.write_bytes(lines_of(20_000))

    async def sift(desk: Desk) -> None:
        await desk.ask("F", "type:insight_*")
        matches = desk.list.matches
        assert matches is not None
        assert len(matches) == 300
        assert "only the newest 300 are kept" in desk.note
        assert desk.seen[-1] == 19_999
        desk.grow(lines_of(5_000, first=20_001))
        await desk.until(lambda: desk.seen[-1] == 24_999)
        assert len(matches) == 300

    use(path, sift)


def test_the_thread_ends_with_the_panel(journal: Path) -> None:
    threads = []

    async def look(desk: Desk) -> None:
        threads.append(desk.panel._behind._thread)
        desk.panel.action_faults()

    use(journal, look)
    assert threads[0] is not None
    threads[0].join(PATIENCE_S)  # it is waited for, but not for as long
    assert not threads[0].is_alive()


def test_an_unchanged_journal_is_not_painted_again(
    journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def look(desk: Desk) -> None:
        drawn: list[bool] = []

        def drew(*_: object, **__: object) -> JournalLines:
            drawn.append(True)
            return desk.list

        monkeypatch.setattr(desk.list, "refresh", drew)
        desk.paint()
        assert drawn == []
        desk.grow(read(1001))
        assert drawn != []

    use(journal, look)


def test_lines_of_a_replaced_journal_are_not_mixed_up_with_those_before(
    journal: Path, tmp_path: Path
) -> None:
    async def change(desk: Desk) -> None:
        await desk.press("g", "pagedown", "space")
        other = tmp_path / "other"
        other.write_bytes(lines_of(1_200, first=5_001))
        other.replace(journal)
        await desk.until(lambda: desk.path == 6_200)
        assert desk.title == "journal · 1,200 lines · TAIL"
        await desk.press("g")
        assert desk.seen == list(range(5_001, 5_001 + HEIGHT))

    use(journal, change)


def test_held_nothing_is_sought_that_is_not_in_the_list(journal: Path) -> None:
    async def hold(desk: Desk) -> None:
        await desk.press("space", "k", "j")  # the last one, without following
        desk.grow(lines_of(40, first=1001))
        await desk.press("right_square_bracket")
        await desk.rest()
        assert desk.note == "no newer line with a fault; there may be older ones"
        await desk.press("space", "right_square_bracket")
        await desk.rest()
        assert desk.path == 1_010

    use(journal, hold)


# --- matches ----------------------------------------------------------------------------------


@given(
    st.lists(st.tuples(st.booleans(), st.integers(1, 4), st.integers(1, 9)), max_size=20),
    st.integers(1, 12),
    st.integers(900, 1100),
)
def test_matches_are_the_newest_lines_in_order(
    steps: list[tuple[bool, int, int]], cap: int, line: int
) -> None:
    matches = Matches(cap)
    low, high = 1000, 1000
    kept: list[int] = []
    for newer, count, gap in steps:
        found = Found(array("Q"), array("Q"))
        for _ in range(count):
            if newer:
                high += gap
                found.newer.append(high)
                kept.append(high)
            elif not matches.full:
                low -= gap
                found.older.append(low)
                kept.insert(0, low)
        matches.add(found)
        kept = kept[-cap:]
    assert [matches.line(at) for at in range(len(matches))] == kept
    assert matches.place(line) == sum(1 for each in kept if each < line)
    assert matches.full == (len(kept) >= cap)
    assert CAP >= 100_000


# --- the thread behind it ---------------------------------------------------------------------


def test_an_end_that_is_said_between_two_looks_is_heard(path: Path) -> None:
    class SaidAfterwards(threading.Event):
        def is_set(self) -> bool:
            was = super().is_set()
            self.set()
            wake.set()
            return was

    wake, over = threading.Event(), SaidAfterwards()
    thread = threading.Thread(target=Behind(Pages(path))._run, args=(wake, over), daemon=True)
    thread.start()
    thread.join(PATIENCE_S)
    assert not thread.is_alive()


def test_a_thread_that_was_slow_to_end_ends_beside_the_next(path: Path) -> None:
    began, go_on = threading.Event(), threading.Event()

    class Slow(Sift):
        def advance(self) -> bool:
            began.set()
            return go_on.wait(PATIENCE_S)

    behind = Behind(Pages(path))
    behind.sift = Slow(Pages(path), parse("x"))
    behind.start()
    slow = behind._thread
    assert slow is not None
    assert began.wait(PATIENCE_S)
    behind.stop()
    behind.start()
    assert slow.is_alive()
    go_on.set()
    until(lambda: not slow.is_alive())
    behind.stop()


def test_work_that_breaks_is_said_and_tried_again(
    journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def sift(desk: Desk) -> None:
        with monkeypatch.context() as broken:
            broken.setattr(Sift, "advance", None)
            await desk.press("x")
            await desk.until(lambda: "looking through the journal" in desk.note)
            assert desk.note == "✖ looking through the journal went wrong: TypeError"
        await desk.until(lambda: desk.note == "100 of 1,000 match")

    use(journal, sift)
