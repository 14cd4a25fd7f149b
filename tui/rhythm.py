"""When to paint next: often, but never so often that painting takes the origin's time."""

from __future__ import annotations

EVERY_S = 0.1
"""So often, when it costs nothing."""

LONGEST_S = 1.0
"""So often at least: a countdown in seconds must not jump."""

SHARE = 0.03
"""Where the loop shares the interpreter, painting may take so much (of 1) of a core."""


def rest(spent_s: float, *, shared: bool) -> float:
    """Seconds to wait after a paint that took `spent_s` of a core; `shared`: with the loop."""
    if not shared:
        return EVERY_S
    return min(LONGEST_S, max(EVERY_S, spent_s / SHARE))
