"""One insight: times to the nanosecond, older or newer, deleted or alive."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vsync_sm.core.insight import (
    Insight,
    VersionState,
    moment,
    refuse_no_moment,
    skip_reason,
    timestamp,
)

NS = 1_000_000_000
NOON = "2026-10-01T12:00:00Z"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
offsets = st.integers(-23 * 60 - 59, 23 * 60 + 59).map(lambda m: timezone(timedelta(minutes=m)))


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00:00.000000001Z", 1),
        ("1970-01-01T00:00:00.1Z", 100_000_000),
        ("1970-01-01T00:00:00.123456789Z", 123_456_789),
        ("1969-12-31T23:59:59.999999999Z", -1),
        ("1970-01-01T01:30:00+01:30", 0),
        ("1969-12-31T16:00:00-08:00", 0),
        ("1970-01-01t00:00:00z", 0),
        ("2024-02-29T00:00:00Z", 1_709_164_800 * NS),
        ("2016-12-31T23:59:60Z", 1_483_228_800 * NS),
        ("2019-05-14T23:41:52.904927369Z", 1_557_877_312_904_927_369),
    ],
)
def test_a_moment(text: str, ns: int) -> None:
    assert moment(text) == ns


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "2026-10-01",
        "2026-10-01 12:00:00Z",
        "2026-10-01T12:00:00",
        "2026-10-01T12:00Z",
        "2026-10-01T12:00:00.Z",
        "2026-10-01T12:00:00.1234567890Z",
        "2026-10-01T12:00:00,5Z",
        "2026-10-01T12:00:00Z ",
        "2026-10-01T12:00:00Z\n",
        " 2026-10-01T12:00:00Z",
        "26-10-01T12:00:00Z",
        "0000-01-01T00:00:00Z",
        "2026-00-01T12:00:00Z",
        "2026-13-01T12:00:00Z",
        "2026-10-00T12:00:00Z",
        "2026-09-31T12:00:00Z",
        "2026-02-29T12:00:00Z",
        "2026-10-01T24:00:00Z",
        "2026-10-01T12:60:00Z",
        "2026-10-01T12:00:61Z",
        "2026-10-01T12:00:00+24:00",
        "2026-10-01T12:00:00-01:60",
        "2026-10-01T12:00:00+0100",
        "٢٠٢٦-10-01T12:00:00Z",
        "2026-10-01T12:00:00.５Z",
    ],
)
def test_what_is_no_moment(text: str) -> None:
    with pytest.raises(ValueError, match=r"no|not|out of range"):
        moment(text)
    with pytest.raises(ValueError, match=r"no|not|out of range"):
        refuse_no_moment(text)


_YEARS = st.sampled_from(("0000", "0001", "2026", "9999"))
_TWO = st.integers(0, 70).map("{:02}".format)


@given(st.builds("{}-{}-{}T{}:{}:{}Z".format, _YEARS, _TWO, _TWO, _TWO, _TWO, _TWO))
@example("0000-01-01T00:00:00Z")
@example("2024-02-29T23:59:60Z")
@example("2026-02-29T00:00:00Z")
@example("2026-12-31T24:00:00Z")
def test_what_is_taken_for_a_moment_is_one(text: str) -> None:
    try:
        moment(text)
    except ValueError:
        with pytest.raises(ValueError, match="no"):
            refuse_no_moment(text)
    else:
        refuse_no_moment(text)


@given(st.datetimes(timezones=offsets), st.integers(0, 999))
def test_a_moment_is_what_the_standard_library_says_and_nanoseconds(
    when: datetime, nanoseconds: int
) -> None:
    whole, offset = when.isoformat(timespec="microseconds")[:-6], when.isoformat()[-6:]
    expected = (when - EPOCH) // timedelta(microseconds=1) * 1000 + nanoseconds
    assert moment(f"{whole}{nanoseconds:03d}{offset}") == expected


@given(st.text() | st.from_regex(r"\A\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)\Z"))
@example("9999-12-31T23:59:59-23:59")
def test_anything_else_fails_in_one_way(text: str) -> None:
    with suppress(ValueError):
        assert isinstance(moment(text), int)


def late(version: int, fraction: str) -> Insight:
    return Insight(version, f"2026-10-01T12:00:00.{fraction}Z")


@pytest.mark.parametrize(
    ("new", "former", "older"),
    [
        (late(1, "5"), late(2, "5"), True),
        (late(1, "9"), late(2, "5"), True),
        (late(2, "5"), late(1, "9"), False),
        (late(2, "4"), late(2, "5"), True),
        (late(2, "5"), late(2, "5"), False),
        (late(2, "5"), late(2, "500"), False),
        (late(2, "500000001"), late(2, "5"), False),
        (late(2, "5"), late(2, "500000001"), True),
        (late(2, "10"), late(2, "9"), True),
        # The same moment told in another zone.
        (Insight(2, "2026-10-01T13:00:00+01:00"), Insight(2, NOON), False),
    ],
)
def test_going_backwards(new: Insight, former: Insight, older: bool) -> None:
    assert new.older_than(former) is older


@given(st.lists(st.builds(late, st.integers(1, 3), st.sampled_from("123")), min_size=2, max_size=2))
def test_of_two_insights_at_most_one_is_older(pair: list[Insight]) -> None:
    one, other = pair
    assert not (one.older_than(other) and other.older_than(one))
    assert (one.older_than(other) or other.older_than(one)) == (one != other)


def state(version: int = 3, deletion: str = "", *, destroyed: bool = False) -> VersionState:
    return VersionState(version, NOON, deletion, destroyed)


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (state(), None),
        (state(0), "no_version"),
        (state(0, NOON), "no_version"),
        (state(destroyed=True), "destroyed"),
        (state(deletion="2027-10-01T12:00:00Z", destroyed=True), "destroyed"),
        (state(deletion="2026-10-01T11:59:59Z"), "deleted"),
        # `delete_version_after`: alive until its time, to the nanosecond.
        (state(deletion=NOON), "deleted"),
        (state(deletion="2026-10-01T12:00:00.000000001Z"), None),
        (state(deletion="2026-10-01T12:00:00+00:01"), "deleted"),
        (state(deletion="2026-10-01T12:00:00-00:01"), None),
    ],
)
def test_deleted_or_not_yet(found: VersionState, why: str | None) -> None:
    assert skip_reason(found, moment(NOON)) == why


def test_a_deletion_time_that_is_none_is_an_error_and_not_a_deletion() -> None:
    with pytest.raises(ValueError, match="RFC 3339"):
        skip_reason(state(deletion="soon"), moment(NOON))


@pytest.mark.parametrize(
    ("wall", "told"),
    [
        (0, "1970-01-01T00:00:00.000000Z"),
        (1_795_726_946_408_387_999, "2026-11-26T21:02:26.408387Z"),
    ],
)
def test_a_moment_as_the_journal_has_it(wall: int, told: str) -> None:
    assert timestamp(wall) == told
    assert moment(told) == wall // 1_000 * 1_000
