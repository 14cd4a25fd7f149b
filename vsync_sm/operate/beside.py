"""What runs beside the loop, watches it and is fed by it: put together, and ended, in one place."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import ExitStack

import msgspec

from vsync_sm.core.events import Record
from vsync_sm.core.view import View
from vsync_sm.operate.control import Control
from vsync_sm.operate.exposed import Exposed
from vsync_sm.operate.status import StatusKey
from vsync_sm.operate.supervisor import Supervisor


class Beside(msgspec.Struct):
    """Each of them is None where the mode of the run, or the settings, want none."""

    control: Control | None = None
    exposed: Exposed | None = None
    status: StatusKey | None = None
    watching: Supervisor | None = None

    @property
    def sinks(self) -> tuple[Callable[[Record, View], None], ...]:
        """Those that take each record."""
        each = (self.control, self.status, self.exposed)
        return tuple(sink for sink in each if sink is not None)

    @property
    def pulses(self) -> tuple[Callable[[View], None], ...]:
        """Those that are called after each turn of the loop."""
        turned = tuple(each.turned for each in (self.status, self.exposed) if each is not None)
        return turned if self.watching is None else (self.watching, *turned)

    @property
    def rest_s(self) -> float:
        """The longest (seconds) that the loop may rest, for all of them."""
        each = (self.watching, self.status, self.exposed)
        return min((one.rest_s for one in each if one is not None), default=math.inf)

    def close(self) -> None:
        """End them all, whatever one of them raises: the status, which may take a while, last."""
        with ExitStack() as ending:
            for each in (self.status, self.control, self.exposed):  # the last one comes first
                if each is not None:
                    ending.callback(each.close)
