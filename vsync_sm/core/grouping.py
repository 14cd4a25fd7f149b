"""Faults that are one trouble, told once: grouped by kind and by the shape of their message."""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

from vsync_sm.core.shapes import SeenFault

_VARYING = re.compile(
    r"\"[^\"]*\"|'[^']*'"  # what is quoted
    r"|\S*/\S*"  # paths, addresses
    r"|\b[0-9a-fA-F]{8,}\b"  # ids, digests
    r"|\d+(?:[.,:]\d+)*"  # numbers, times
)


class FaultGroup(msgspec.Struct, frozen=True):
    """Faults of one shape: how many, the first and the newest of them, in which cycles."""

    count: int
    first: SeenFault
    newest: SeenFault
    cycles: tuple[int, ...]


def shape(message: str) -> str:
    """A message without what differs from time to time: paths, names in quotes, numbers."""
    return _VARYING.sub("…", message)


def grouped(faults: Iterable[SeenFault]) -> tuple[FaultGroup, ...]:
    """Faults (oldest first) in groups, that of the newest one first.

    Each has a kind, a shape of its message, and is fatal or not.
    """
    groups: dict[tuple[str, bool, str], list[SeenFault]] = {}
    for fault in faults:
        event = fault.event
        key = (event.kind, event.fatal, shape(event.message))
        members = groups.pop(key, [])
        groups[key] = [*members, fault]  # put last: it has the newest
    return tuple(_group(members) for members in reversed(groups.values()))


def _group(members: list[SeenFault]) -> FaultGroup:
    cycles = dict.fromkeys(each.cycle for each in members if each.cycle is not None)
    return FaultGroup(len(members), members[0], members[-1], tuple(cycles))
