"""A moment of a journal as people name it: a line, a cycle's end, a time of the clock, an age.

What they mean in a journal is found by who reads it; here are only the words.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta, tzinfo

import msgspec

from vsync_sm.core.insight import NS
from vsync_sm.core.words import printable

EXAMPLES = "cycle:12, seq:4711, 03:12, “2026-11-02 03:12:04”, -2h, start or end"
"""What may be written, for who wrote something else."""

_SEQ = re.compile(r"(?:#|seq[: ]?)\s*(\d{1,15})", re.ASCII)
_CYCLE = re.compile(r"cycle[: ]?\s*#?(\d{1,15})", re.ASCII)
_CLOCK = re.compile(
    r"(?:(\d{4})-(\d\d)-(\d\d)[ t])?(\d\d?):(\d\d)(?::(\d\d)(?:\.(\d{1,6}))?)?z?", re.ASCII
)
_AGE = re.compile(r"-\s?(?=\d)(?:(\d{1,6})d)?(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,6})s)?")


class MomentError(ValueError):
    """It cannot be understood: one sentence that names it and says what would do."""


class Seq(msgspec.Struct, frozen=True, tag="seq"):
    """The line with this `seq`."""

    seq: int


class OfCycle(msgspec.Struct, frozen=True, tag="cycle"):
    """The end of a cycle: its last line."""

    number: int


class Clock(msgspec.Struct, frozen=True, tag="clock"):
    """A time: of a day (`date` is year, month, day), or of the last day that has it (None)."""

    date: tuple[int, int, int] | None
    hour: int
    minute: int
    second: int = 0
    microsecond: int = 0


class Age(msgspec.Struct, frozen=True, tag="age"):
    """So many seconds before the journal's end."""

    seconds: int


class Edge(msgspec.Struct, frozen=True, tag="edge"):
    """The journal's first line, or its last one."""

    end: bool


Moment = Seq | OfCycle | Clock | Age | Edge


def moment_of(text: str) -> Moment:
    """The moment that somebody names.

    Args:
        text: `#812` or `seq:812`; `cycle:12` or `cycle 12`; `03:12`, `03:12:04`,
            `2026-11-02 03:12`; `-2h`, `-1h30m`, `-90s`; `start`, `end`. In capitals or not.

    Raises:
        MomentError: it is none of these.
    """
    said = text.strip().lower()
    if said in {"start", "end"}:
        return Edge(end=said == "end")
    if match := _SEQ.fullmatch(said):
        return Seq(int(match[1]))
    if match := _CYCLE.fullmatch(said):
        return OfCycle(int(match[1]))
    if match := _CLOCK.fullmatch(said):
        return _clock(text, match)
    if match := _AGE.fullmatch(said):
        days, hours, minutes, seconds = (int(each or 0) for each in match.groups())
        return Age(((days * 24 + hours) * 60 + minutes) * 60 + seconds)
    if re.fullmatch(r"\d{1,15}", said, re.ASCII):
        raise MomentError(f"{said} may be a line or a cycle: write seq:{said} or cycle:{said}.")
    raise MomentError(f"“{printable(text)}” is no moment: write one as in {EXAMPLES}.")


def _clock(text: str, match: re.Match[str]) -> Clock:
    date = (int(match[1]), int(match[2]), int(match[3])) if match[1] else None
    hour, minute, second = (int(each or 0) for each in match.groups()[3:6])
    clock = Clock(date, hour, minute, second, int((match[7] or "").ljust(6, "0")))
    try:
        datetime(*(date or (2000, 1, 1)), hour, minute, second)  # noqa: DTZ001  is there such a one?
    except ValueError:
        raise MomentError(
            f"there is no time “{printable(text)}”: write one as in 03:12 or 2026-11-02 03:12:04."
        ) from None
    return clock


def wall_of(asked: Clock | Age, last: int, zone: tzinfo | None) -> int:
    """The time that is meant, in ns since 1970.

    Args:
        asked: a time of the clock, or an age.
        last: when the journal ends, ns since 1970: without a date, the last such time before it.
        zone: whose clock; None: this machine's.
    """
    if isinstance(asked, Age):
        return last - asked.seconds * NS
    end = datetime.fromtimestamp(last // NS, zone).astimezone(zone)
    time = (asked.hour, asked.minute, asked.second, asked.microsecond)
    if asked.date is not None:
        return _ns(datetime(*asked.date, *time), zone)  # noqa: DTZ001  the zone is put in there
    today = datetime(end.year, end.month, end.day, *time)  # noqa: DTZ001
    found = _ns(today, zone)
    return found if found <= last else _ns(today - timedelta(days=1), zone)


def _ns(naive: datetime, zone: tzinfo | None) -> int:
    there = naive.astimezone() if zone is None else naive.replace(tzinfo=zone)
    return int(there.timestamp()) * NS + naive.microsecond * 1_000
