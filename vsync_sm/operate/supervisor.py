"""Telling the service manager how it goes: ready, alive, what it does, ending (sd_notify(3)).

One datagram each to the socket that NOTIFY_SOCKET names. What is well kept for this needs
libsystemd's headers to be built, and what needs none has not been released since 2017: these few
lines are all that there is to the protocol.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

from vsync_sm.core.answer import answer, now_at
from vsync_sm.core.machine import State
from vsync_sm.core.view import View
from vsync_sm.core.words import printable
from vsync_sm.operate.log import progress

VARIABLES = frozenset({"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"})
"""They are meant for this process alone: no child may speak for it."""

STATUS_S = 1.0
"""So often, at most, what it does in a cycle is told anew (seconds)."""

PATIENCE_S = 30
"""While it starts, the service manager is asked for so many seconds more, again and again."""

_LONGEST = 500


class Supervisor:
    """The loop calls it each turn, so that it says "alive" only while the loop lives.

    It is ready once the start-up checks have passed, or once it is clear that they wait for a
    server: who starts it then learns at once of what only a human can mend, and a boot does not
    hang on a Vault that is still sealed.

    Attributes:
        rest_s: the loop may be silent for so long (seconds; infinite without a watchdog).
    """

    def __init__(
        self,
        address: str,
        watchdog_s: float | None,
        *,
        mono: Callable[[], float] = time.monotonic,
        wall: Callable[[], int] = time.time_ns,
    ) -> None:
        """`address` as in NOTIFY_SOCKET (`@`: an abstract one); `watchdog_s` is the limit."""
        self.rest_s = float("inf") if watchdog_s is None else watchdog_s / 3
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self._watched = watchdog_s is not None
        self._mono = mono
        self._wall = wall
        self._ready = self._ending = False
        self._beaten = self._told = float("-inf")
        self._status = ""

    def __call__(self, view: View) -> None:
        """One turn of the loop is done; `view` is what it has come to."""
        lines = [*self._stage(view), *self._beat(), *self._tell(view)]
        if not lines:
            return
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.setblocking(False)  # the loop waits for nobody
            manager.sendto("\n".join(lines).encode(), self._address)

    def _stage(self, view: View) -> list[str]:
        if view.ended is not None and not self._ending:
            self._ending = True
            return ["STOPPING=1"]
        if not self._ready and _is_ready(view):
            self._ready = True
            return ["READY=1"]
        return []

    def _beat(self) -> list[str]:
        now = self._mono()
        if now - self._beaten < min(self.rest_s / 2, STATUS_S):
            return []
        self._beaten = now
        lines = ["WATCHDOG=1"] if self._watched else []
        if not self._ready and not self._ending:
            lines.append(f"EXTEND_TIMEOUT_USEC={PATIENCE_S * 1_000_000}")
        return lines

    def _tell(self, view: View) -> list[str]:
        now = self._mono()
        # Outside cycles the loop may sleep for long: what it then does is told before.
        if view.cycle is not None and now - self._told < STATUS_S:
            return []
        self._told = now
        status = _status(view, self._wall())
        if status == self._status:
            return []
        self._status = status
        return [f"STATUS={status}"]


def supervisor(environment: Mapping[str, str]) -> Supervisor | None:
    """Who tells the service manager, None where none wants to be told."""
    address = environment.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")) or address == "@":
        return None
    return Supervisor(address, _watchdog_s(environment))


def _watchdog_s(environment: Mapping[str, str]) -> float | None:
    limit = environment.get("WATCHDOG_USEC", "")
    meant_for = environment.get("WATCHDOG_PID", str(os.getpid()))
    if not limit.isdecimal() or int(limit) == 0 or meant_for != str(os.getpid()):
        return None
    return int(limit) / 1_000_000


def _is_ready(view: View) -> bool:
    if view.state.name != State.checking:
        return view.state.name != State.halted
    return view.postponed is not None


def _status(view: View, wall: int) -> str:
    told = answer(view, now_at(view, wall))
    doing = progress(view) or view.state.name
    return printable(f"{told.word}: {told.because}; {doing}")[:_LONGEST]
