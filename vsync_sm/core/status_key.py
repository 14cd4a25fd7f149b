"""What an origin tells of itself in Consul, in the key `<prefix>status` beside the sync info.

One small JSON object: destinations and monitoring tell a quiet origin from a dead one by it. It
names no path, and nothing that somebody wrote: kinds, counts and times alone. `docs/wire.md` has
its fields for who reads it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from vsync_sm.core import events as e
from vsync_sm.core.answer import answer, now_at
from vsync_sm.core.errors import FaultKind
from vsync_sm.core.insight import timestamp
from vsync_sm.core.machine import Reason
from vsync_sm.core.shapes import SeenFault, View

STATUS = "status"
"""The key, below the prefix."""

VERSION = 1
"""The version of its format, `v`: another one where a field's meaning changes."""

TELLING = (e.RunStarted, e.CycleFinished, e.TickerPaused, e.TickerResumed, e.RunFinished)
"""After these facts it is written anew."""

_COUNTED = (
    *("listed", "generated", "skipped", "failed", "carried", "abandoned"),
    *("added", "updated", "unchanged", "vanished", "regressed"),
)


class Life(StrEnum):
    """Whether the origin lives, as it said itself."""

    running = "running"
    stopped = "stopped"  # it was asked to end
    halted = "halted"  # a fatal fault ended it


def status_value(view: View, *, wall: int | None = None, broke_off: bool = False) -> dict[str, Any]:
    """The status at the moment `wall` (ns since 1970), ready for JSON. What is not there is None.

    Without a moment it is that of the view's last record. `broke_off`: the run is over though the
    journal does not say so, since it takes no more lines.
    """
    told = answer(view, now_at(view, wall))
    last = view.history[-1] if view.history else None
    save, run, life = view.last_save, view.run, _life(view, broke_off=broke_off)
    return {
        "v": VERSION,
        "written": view.now.ts if wall is None else timestamp(wall),
        "state": str(life),
        "word": "HALTED" if broke_off else str(told.word),
        "fault": _fault(view, life, broke_off=broke_off),
        "last_attempt": last.finished if last else None,
        "last_success": view.last_complete or None,
        "last_save": save.ts if save else None,
        "cycle": last.number if last else None,
        "outcome": last.facts.outcome if last else None,
        "reason": last.facts.reason if last else None,
        "counts": {name: getattr(last.facts, name) for name in _COUNTED} if last else None,
        "failed_in_row": view.failed_in_row,
        "paused_since": view.pause.ts if view.pause else None,
        "tick_s": run.tick_s if run else None,
        "timeout_s": run.timeout_s if run else None,
        "version": run.version if run else None,
        "host": run.host if run else None,
        "run": run.id if run else None,
    }


def _life(view: View, *, broke_off: bool) -> Life:
    if broke_off:
        return Life.halted
    if view.ended is None:
        return Life.running
    return Life.halted if view.state.reason == Reason.fatal else Life.stopped


def _fault(view: View, life: Life, *, broke_off: bool) -> str | None:
    """The kind of the fault that ended the run, or of the last one of a cycle that failed."""
    if life is Life.halted:
        fatal = next((each for each in reversed(view.faults) if _ends(each, view)), None)
        if fatal is not None:
            return fatal.event.kind
        return FaultKind.JOURNAL.word if broke_off else None
    last = view.history[-1] if view.history else None
    if last is None or not view.failed_in_row or not last.faults:
        return None
    return last.faults[-1].kind


def _ends(seen: SeenFault, view: View) -> bool:
    return seen.event.fatal and view.run is not None and seen.run == view.run.id
