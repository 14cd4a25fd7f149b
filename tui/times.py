"""How the console tells times: in UTC, local, or by how long ago."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from vsync_sm.core.answer import Now, age
from vsync_sm.core.insight import NS
from vsync_sm.core.words import duration, printable


class Times(StrEnum):
    """The ways to tell a time."""

    utc = "utc"
    local = "local"
    relative = "relative"

    def after(self) -> Times:
        """The next one, in a circle."""
        ways = list(Times)
        return ways[(ways.index(self) + 1) % len(ways)]


def tell(ts: str, times: Times, now: Now) -> str:
    """A record's time (RFC 3339, UTC): `10:00:00`, `11-02 10:00:00` on another day, `3 min ago`."""
    if not ts:
        return "never"
    if times is Times.relative:
        return f"{duration(round(age(ts, now) or 0.0))} {now.ago}"
    try:
        then = datetime.fromisoformat(ts)
        today = datetime.fromtimestamp(now.wall / NS, then.tzinfo)
    except ValueError:
        return printable(ts)
    if times is Times.local:
        then, today = then.astimezone(), today.astimezone()
    form = "%H:%M:%S" if then.date() == today.date() else "%m-%d %H:%M:%S"
    return then.strftime(form)
