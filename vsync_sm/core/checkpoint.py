"""All that a journal has come to at one line, so that a reader can begin behind it.

A checkpoint stands in `segment_opened`, and holds both folds: `view`, which people see, and
`memory`, which the safety rules must know. Each takes it over by itself when its first record
opens a segment; here it is made, and looked at beforehand.
"""

from __future__ import annotations

from typing import Any

import msgspec

from vsync_sm.core.events import SegmentOpened
from vsync_sm.core.memory import Memory, memory_of
from vsync_sm.core.view import View, view_of


def checkpoint(view: View, memory: Memory) -> dict[str, Any]:
    """What both folds know, exactly as a reader of the line will find it."""
    known: dict[str, Any] = msgspec.json.decode(
        msgspec.json.encode({"view": view, "memory": memory})
    )
    return known


def unusable(event: SegmentOpened) -> str:
    """Why a fold cannot begin at this segment: another vsync wrote it. Empty: it can."""
    try:
        view_of(event)
        memory_of(event)
    except ValueError as error:
        return str(error)
    return ""
