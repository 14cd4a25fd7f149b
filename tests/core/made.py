"""Sync infos made up for the tests of the core: as values, and as they would lie in Consul."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from vsync_sm.core.insight import Insight
from vsync_sm.core.save import KeyValue
from vsync_sm.core.sync_info import (
    INDEX,
    Former,
    decode_former,
    digest,
    distribute,
    encode_bucket,
    encode_index,
)

PREFIX = "vsync/origin/"


def insight(version: int = 1, second: int = 0) -> Insight:
    """An insight of that version, updated in that second."""
    return Insight(version, f"2026-10-01T00:00:{second:02d}.123456789Z")


def named(mount: str, numbers: Iterable[int], version: int = 1) -> dict[str, Insight]:
    """Insights `<mount>data/p<number>`."""
    return {f"{mount}data/p{number}": insight(version) for number in numbers}


def saved(
    insights: Mapping[str, Insight],
    num_buckets: int = 4,
    *,
    without: Iterable[str] = (),
    instead: Mapping[str, bytes] | None = None,
) -> list[KeyValue]:
    """The keys of a sync info, `without` some names, and with other bytes `instead` under some.

    Names are without the prefix; the n-th key of the tree has ModifyIndex 100 + n.
    """
    buckets = distribute(insights, num_buckets)
    values = {str(number): encode_bucket(bucket) for number, bucket in enumerate(buckets)}
    values[INDEX] = encode_index([digest(bucket) for bucket in buckets])
    values.update(instead or {})
    gone = set(without)
    return [
        KeyValue(f"{PREFIX}{name}", value, 100 + at)
        for at, (name, value) in enumerate(values.items())
        if name not in gone
    ]


def former(
    insights: Mapping[str, Insight],
    num_buckets: int = 4,
    *,
    without: Iterable[str] = (),
    instead: Mapping[str, bytes] | None = None,
) -> Former:
    """The same, decoded."""
    return decode_former(PREFIX, saved(insights, num_buckets, without=without, instead=instead))


def nothing() -> Former:
    """A Consul without a sync info."""
    return decode_former(PREFIX, ())
