"""One instance of every event class, made from its fields' types: for tests that need each."""

from __future__ import annotations

import typing
from typing import Any

import msgspec

from vsync_sm.core import events as e
from vsync_sm.core.insight import Insight

OBJECTS: dict[object, Any] = {
    int: 3,
    float: 0.5,
    bool: True,
    Insight: Insight(2, "2026-10-01T00:00:00Z"),
    e.Requests: e.Requests(vault=7, consul=2),
    tuple[e.BusyWorker, ...]: (e.BusyWorker(1, "secret/data/a", 5),),
    tuple[e.SavedKey, ...]: (e.SavedKey("vsync/origin/0", 3, "ab"),),
    tuple[e.Refusal, ...]: (e.Refusal(rule="shrink", count=30, of=100),),
    dict[str, int]: {"secret/": 2},
    dict[str, float]: {"listing": 0.2},
    int | None: 4,
    float | None: 53.5,
}


def specimen(cls: type[e.Event], text: str = "word") -> e.Event:
    """An event of that class, every text in it being `text`."""
    hints = typing.get_type_hints(cls)
    texts: dict[object, Any] = {
        str: text,
        tuple[str, ...]: (text,),
        dict[str, str]: {text: text},
        dict[str, Any]: {text: text},
    }
    known = OBJECTS | texts
    return cls(**{each.name: known[hints[each.name]] for each in msgspec.structs.fields(cls)})
