"""Whether the running cycle still moves: what it waits for, and how long nothing has come of it."""

from __future__ import annotations

import msgspec

from vsync_sm.core.insight import NS
from vsync_sm.core.machine import State
from vsync_sm.core.shapes import Cycle
from vsync_sm.core.words import duration

STALLED_S = 5.0
"""So long (seconds) without anything finished is worth a word."""


class Stall(msgspec.Struct, frozen=True):
    """A cycle in which nothing moves: which server it waits for, and for how long (seconds).

    `server` is "" where the origin itself is silent, so that nobody knows.
    """

    server: str
    what: str
    seconds: float

    @property
    def words(self) -> str:
        """`no path finished for 16 s`."""
        return f"{self.what} for {duration(int(self.seconds))}"


def stall(cycle: Cycle | None, mono: int, told: int | None = None) -> Stall | None:
    """What a cycle has waited for at a moment (`mono`, ns); None while it moves, or computes.

    A worker that began with a path has finished another one before, so that counts as moving.
    `told` is the moment of the journal's last line: while paths are read there is one a second,
    so that its absence is the origin's silence, and no server's.
    """
    if cycle is None or not cycle.phases or cycle.phases[-1].seconds is not None:
        return None
    phase = cycle.phases[-1]
    seconds = (mono - last_moved(cycle)) / NS
    asked = _asked(cycle, phase.name)
    if asked is None or seconds < STALLED_S:
        return None
    silent = 0.0 if told is None else (mono - told) / NS
    if phase.name == State.working and silent >= STALLED_S:
        return Stall("", "the origin has written nothing", silent)
    server, what = asked
    return Stall(server, what, seconds)


def last_moved(cycle: Cycle) -> int:
    """When something of the running phase was finished last, or it began (`mono`, ns)."""
    since = (each.since for each in cycle.workers)
    return max(cycle.moved, *(each.since.mono for each in cycle.phases[-1:]), *since)


def asked_of(cycle: Cycle, phase: str) -> str:
    """The server that a phase asks; "" where it computes, or has asked nothing yet."""
    asked = _asked(cycle, phase)
    return asked[0] if asked is not None and phase != State.saving else ""


def _asked(cycle: Cycle, phase: str) -> tuple[str, str] | None:
    """The server that a phase asks, and how one says that nothing comes of it; None: it computes.

    Listing begins with what Consul holds, then asks Vault for the mounts and the folders.
    """
    if phase == State.saving:
        return "Consul", "Consul has not confirmed the save"
    if phase == State.working:
        return "Vault", "no path finished"
    if phase != State.listing:
        return None
    if cycle.former is None:
        return "Consul", "Consul has not answered"
    if cycle.checked < len(cycle.mounts):
        return "Vault", "Vault has not answered"
    return "Vault", "no folder was listed"
