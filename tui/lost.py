"""Whether the origin still speaks: when silence is more than waiting."""

from __future__ import annotations

from vsync_sm.core.answer import Now
from vsync_sm.core.machine import State
from vsync_sm.core.shapes import View
from vsync_sm.core.words import duration, printable

SILENCE_S = 15.0
"""So long without a line where one is due, and the origin is lost."""

_NS = 1_000_000_000


def lost(view: View, now: Now, quiet_s: float, unreachable: str = "") -> str:
    """Why the origin behind a view is lost; "" while it is not, or has ended by itself.

    Args:
        view: what its journal told.
        now: the moment.
        quiet_s: seconds since its last line.
        unreachable: why its control socket does not answer; "" where it does, or nobody asked.
    """
    if view.run is None or view.ended is not None or view.state.name == State.halted:
        return ""
    if quiet_s <= SILENCE_S:
        return ""
    if view.state.name != State.waiting:
        return f"no line for {duration(round(quiet_s))}, in {printable(view.state.name)}"
    if view.pause is not None:
        # Nothing is due: only the socket can tell.
        return f"paused, and {unreachable}" if unreachable else ""
    late = (now.mono - view.next_tick) / _NS
    if late <= SILENCE_S:
        return ""
    return f"the next cycle was due {duration(round(late))} ago"
