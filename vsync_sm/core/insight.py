"""One insight: what vsync knows of a secret without ever seeing its value."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Literal

import msgspec

from vsync_sm.core.ready import ready

KV_V2: Literal["kvV2"] = "kvV2"
"""The only `type` there is, as the Go program writes it."""

_RFC3339 = re.compile(
    r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.(\d{1,9}))?(?:[Zz]|([+-])(\d\d):(\d\d))",
    re.ASCII,
)
_PLAIN = re.compile(
    r"(?!0000)\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])"
    r"T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,9})?Z",
    re.ASCII,
)
"""Nearly every time that a server tells: whatever matches is one."""

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  what it is compared with has no zone either
NS = 1_000_000_000
"""Nanoseconds in a second."""


def moment(text: str) -> int:
    """An RFC 3339 time as nanoseconds since 1970 (Vault's times have nanoseconds).

    Raises:
        ValueError: `text` is no RFC 3339 time.
    """
    match = _RFC3339.fullmatch(text)
    if match is None:
        raise ValueError(f"not an RFC 3339 time: {text!r}")
    whole = text[:19]
    leap = whole.endswith(":60")
    try:
        since = datetime.fromisoformat(f"{whole[:17]}59" if leap else whole) - _EPOCH
    except ValueError:
        raise ValueError(f"no such day or time of day: {text!r}") from None
    if whole[11:13] == "24":  # the day after to ISO 8601, and to Python from 3.14 on
        raise ValueError(f"no such time of day: {text!r}")
    seconds = since.days * 86_400 + since.seconds + leap
    if match[2]:
        if int(match[3]) > 23 or int(match[4]) > 59:
            raise ValueError(f"no such offset: {text!r}")
        offset = int(match[3]) * 3600 + int(match[4]) * 60
        seconds -= offset if match[2] == "+" else -offset
    return seconds * NS + int((match[1] or "").ljust(9, "0"))


def refuse_no_moment(text: str) -> None:
    """Raise ValueError where `moment` does: for who needs no more of a time than that it is one."""
    if not _PLAIN.fullmatch(text):
        moment(text)


def timestamp(wall: int) -> str:
    """Nanoseconds since 1970 as RFC 3339 in UTC, with microseconds: as the journal has it."""
    second, ns = divmod(wall, NS)
    return f"{_second(second)}.{ns // 1_000:06}Z"


@lru_cache(maxsize=2)  # thousands of lines are written in one second
def _second(since_1970: int) -> str:
    return datetime.fromtimestamp(since_1970, UTC).strftime("%Y-%m-%dT%H:%M:%S")


# gc=False, here and where else a cycle holds one a secret: nothing that they hold could hold them,
# and the collector need not look again and again at a million.
class Insight(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """One secret's insight, with the fields and their order as they lie in Consul.

    `version` counts from 1; `updateTime` is Vault's own text, never parsed and printed again.
    """

    version: int
    updateTime: str  # noqa: N815  the wire's name
    type: Literal["kvV2"] = KV_V2

    def older_than(self, other: Insight) -> bool:
        """Whether going from `other` to this one goes backwards (a restored snapshot does)."""
        if self.version != other.version:
            return self.version < other.version
        if self.updateTime == other.updateTime:  # nearly always: most secrets never change
            return False
        return moment(self.updateTime) < moment(other.updateTime)


ready(Insight)


class VersionState(msgspec.Struct, frozen=True, gc=False):
    """What Vault's metadata say of a secret's current version.

    `current_version` is 0 for a metadata-only entry; `update_time` is the secret's `updated_time`.
    `deletion_time` is empty where none is set, and may lie in the future.
    """

    current_version: int
    update_time: str
    deletion_time: str
    destroyed: bool


def skip_reason(state: VersionState, server_now: int) -> str | None:
    """Why this secret has no insight, or None when it is alive (safety rule 11).

    Args:
        state: the current version as Vault told it.
        server_now: the server's own clock (the reply's `Date` header), ns since 1970.

    Returns:
        `no_version`, `destroyed`, `deleted`, or None.

    Raises:
        ValueError: the deletion time is no RFC 3339 time.
    """
    if state.current_version == 0:
        return "no_version"
    if state.destroyed:
        return "destroyed"
    if state.deletion_time and moment(state.deletion_time) <= server_now:
        return "deleted"
    return None
