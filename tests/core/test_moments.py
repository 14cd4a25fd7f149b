"""A moment as people name it, and the time that is meant."""

from __future__ import annotations

from datetime import UTC, timedelta, timezone

import pytest

from vsync_sm.core.insight import moment, timestamp
from vsync_sm.core.moments import (
    Age,
    Clock,
    Edge,
    Moment,
    MomentError,
    OfCycle,
    Seq,
    moment_of,
    wall_of,
)


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("#812", Seq(812)),
        ("seq:812", Seq(812)),
        ("Seq 812", Seq(812)),
        ("cycle:12", OfCycle(12)),
        ("cycle 12", OfCycle(12)),
        ("CYCLE12", OfCycle(12)),
        ("3:12", Clock(None, 3, 12)),
        (" 03:12:04 ", Clock(None, 3, 12, 4)),
        ("03:12:04.25", Clock(None, 3, 12, 4, 250_000)),
        ("2026-11-02 03:12", Clock((2026, 11, 2), 3, 12)),
        ("2026-11-02T03:12:04Z", Clock((2026, 11, 2), 3, 12, 4)),
        ("-2h", Age(7200)),
        ("-1h30m", Age(5400)),
        ("-1d2s", Age(86_402)),
        ("start", Edge(end=False)),
        ("End", Edge(end=True)),
    ],
)
def test_what_may_be_said(text: str, asked: Moment) -> None:
    assert moment_of(text) == asked


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("12", "12 may be a line or a cycle: write seq:12 or cycle:12."),
        ("25:00", "there is no time “25:00”: write one as in 03:12 or 2026-11-02 03:12:04."),
        ("2026-02-30 03:00", "there is no time “2026-02-30 03:00”"),
        ("-", "“-” is no moment: write one as in cycle:12, seq:4711, 03:12"),
        ("", "“” is no moment"),
        ("two o'clock", "“two o'clock” is no moment"),
        ("\x1b[31m", "“\\x1b[31m” is no moment"),
        ("٣:١٢", "is no moment"),
    ],
)
def test_what_may_not(text: str, words: str) -> None:
    with pytest.raises(MomentError) as error:
        moment_of(text)
    assert words in str(error.value)
    assert str(error.value).endswith(".")


END = moment("2026-11-02T03:10:00.5Z")


@pytest.mark.parametrize(
    ("text", "hours", "meant"),
    [
        ("03:10", 0, "2026-11-02T03:10:00.000000Z"),
        ("03:10:00.5", 0, "2026-11-02T03:10:00.500000Z"),
        ("03:11", 0, "2026-11-01T03:11:00.000000Z"),
        ("2026-11-02 03:11", 0, "2026-11-02T03:11:00.000000Z"),
        ("-2h", 0, "2026-11-02T01:10:00.500000Z"),
        ("05:09", 2, "2026-11-02T03:09:00.000000Z"),
        ("23:00", -5, "2026-11-01T04:00:00.000000Z"),
        ("2026-11-02 00:00", 2, "2026-11-01T22:00:00.000000Z"),
    ],
)
def test_the_time_that_is_meant(text: str, hours: int, meant: str) -> None:
    """Without a date it is the last such time that the journal may hold, by the zone's clock."""
    asked = moment_of(text)
    assert isinstance(asked, Clock | Age)
    assert timestamp(wall_of(asked, END, timezone(timedelta(hours=hours)))) == meant


def test_the_machines_own_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = Clock(None, 3, 9)
    assert wall_of(asked, END, UTC) == moment("2026-11-02T03:09:00Z")
    here = wall_of(asked, END, None)
    assert here <= END
    assert END - here < 24 * 3600 * 1_000_000_000
