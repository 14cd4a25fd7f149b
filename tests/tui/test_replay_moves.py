"""Where each move leads, and what is said where it leads nowhere."""

from __future__ import annotations

from datetime import UTC

import pytest
from textual.widgets._toast import Toast

from tests.tui.nights import NIGHTS
from tests.tui.remembered import Remembered
from tests.tui.replaying import PLACES, RECORDS, Watched, walk, where
from tui.replay.bar import PositionBar
from tui.replay.jump import understood
from tui.replay.moves import TROUBLE, Move, Nowhere, Spot, begin, end, step, to, to_column
from tui.widgets.keys import Keys
from vsync_sm.core.insight import moment
from vsync_sm.core.marks import Kind, Mark
from vsync_sm.core.moments import MomentError

PATH = "teams/data/payments/api/prod/database"
PAST = Remembered(RECORDS)
HERE = Spot(1000)


def led(move: Move, past: Remembered = PAST, spot: Spot = HERE) -> Spot:
    return move(past, spot)


def lost(move: Move, past: Remembered = PAST, spot: Spot = HERE) -> str:
    with pytest.raises(Nowhere) as none:
        move(past, spot)
    return str(none.value)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("finished", "there is no fault after this moment"),
        (
            "working",
            (
                "there is no fault after this moment, but no end either: the journal ends working "
                "in cycle 10; it still goes on, or it crashed"
            ),
        ),
    ],
)
def test_a_journal_without_an_end_may_be_a_crash(name: str, said: str) -> None:
    past = Remembered(NIGHTS[name]().records)
    assert lost(to(1, *TROUBLE), past, Spot(past.last)) == said
    assert "no end" not in lost(to(1, Kind.SAVE), past, Spot(past.last))


def meant(typed: str) -> Move:
    return understood(typed, UTC, lambda: False)


@pytest.mark.parametrize(
    ("typed", "seq"),
    [
        ("#1234", 1234),
        ("seq:7", 7),
        ("start", 1),
        ("end", len(RECORDS)),
        ("cycle:1", PLACES["cycle"][0]),
        ("cycle:3", PLACES["cycle"][2]),
        ("cycle:10", PLACES["cycle"][9]),
        (PATH.replace("/data/", "/"), 1480),
        (PATH, where(RECORDS[1000:], lambda each: getattr(each.event, "path", "") == PATH)[0]),
    ],
)
def test_what_is_typed_is_gone_to(typed: str, seq: int) -> None:
    assert led(meant(typed)) == Spot(seq)


@pytest.mark.parametrize(
    ("typed", "ts"),
    [
        ("01:55:04", "2026-11-02T01:55:04Z"),
        ("2026-11-02 01:54", "2026-11-02T01:54:00Z"),
        ("-30s", RECORDS[-1].ts.replace("02:01:0", "02:00:3")),
    ],
)
def test_a_time_is_gone_to_exactly(typed: str, ts: str) -> None:
    seq, passed = led(meant(typed))
    assert moment(RECORDS[seq - 1].ts) + passed == moment(ts)
    assert moment(RECORDS[seq - 1].ts) <= moment(ts) < moment(RECORDS[seq].ts)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("9", "9 may be a line or a cycle: write seq:9 or cycle:9."),
        ("soon", "“soon” is no moment: write one as in"),
        ("25:99", "there is no time “25:99”"),
        ("", "is no moment"),
    ],
)
def test_what_is_not_understood_is_said(typed: str, said: str) -> None:
    with pytest.raises(MomentError, match=said):
        meant(typed)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("#99999", f"there is no #99999: the journal has #1 to #{len(RECORDS)}"),
        ("cycle:99", "the journal does not tell where cycle 99 begins"),
        ("teams/no/such", "nothing is told of teams/no/such after this moment"),
        ("no/such/path", "no/such/path begins with none of the mounts platform/, teams/"),
        ("2026-11-02 01:00", "the journal begins at 2026-11-02 01:52:00 UTC: Home goes there"),
        ("2026-11-03 01:00", "the journal ends at 2026-11-02 02:01:00 UTC: End goes there"),
    ],
)
def test_what_is_not_there_is_said(typed: str, said: str) -> None:
    assert lost(meant(typed)) == said


def test_steps_end_at_the_edges_and_go_over_what_is_missing() -> None:
    assert led(begin) == Spot(1)
    assert led(end) == Spot(len(RECORDS))
    assert led(step(1)) == Spot(1001)
    assert led(step(-1)) == Spot(999)
    assert led(step(-1), spot=Spot(1000, 5)) == HERE, "back to the event itself first"
    assert lost(step(-1), spot=Spot(1)) == "this is the first event of the journal"
    assert lost(step(1), spot=end(PAST, HERE)) == "this is the last event of the journal"
    torn = Remembered(RECORDS, missing=range(500, 600))
    assert led(step(1), torn, Spot(499)) == Spot(600)


def test_a_column_of_the_bar_is_its_gravest_mark_or_where_it_begins() -> None:
    columns = 40
    for column, kind in enumerate(PAST.gravest(columns)):
        seq, _ = led(to_column(column, columns))
        assert (seq - 1) * columns // len(RECORDS) == column
        if kind is not None:
            mark = PAST.following(seq - 1, kind)
            assert mark is not None
            assert mark.seq == seq


def test_marks_that_no_record_tells_of_are_gone_to_as_faults() -> None:
    told = Mark(Kind.CONTRADICTION, 40, RECORDS[39].ts, None, "line 40: it contradicts")
    torn = Remembered(NIGHTS["finished"]().records, told)
    assert torn.following(1, *TROUBLE) == told


@pytest.mark.parametrize(
    ("size", "keys"),
    [
        ((200, 50), "? q Space ] [ = : Home End e M } { + -"),
        ((80, 24), "? q Space ] [ = : Home"),
    ],
)
def test_the_footer_names_the_keys_that_matter_first(size: tuple[int, int], keys: str) -> None:
    async def test(watched: Watched) -> None:
        footer = watched.app.screen_stack[0].query_one(Keys)
        shown = [key.shown for _, key in footer._placed()]
        assert shown[: len(keys.split())] == keys.split()

    walk(RECORDS, test, size)


def test_what_is_told_for_some_seconds_does_not_cover_the_bar() -> None:
    async def test(watched: Watched) -> None:
        await watched.press("M")
        toasts = watched.app.screen.query(Toast)
        await watched.until(lambda: [each for each in toasts if each.region])
        bar = watched.app.screen.query_one(PositionBar)
        assert {each.region.intersection(bar.region).area for each in toasts} == {0}

    walk(RECORDS, test)
