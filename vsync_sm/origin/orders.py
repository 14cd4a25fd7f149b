"""What a run is told to do, and what it does it with: all of it comes from the wiring."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum

import msgspec

from vsync_sm.core.events import RunStarted
from vsync_sm.core.insight import NS
from vsync_sm.core.notice import Notice
from vsync_sm.core.view import View
from vsync_sm.journal.writer import Journal
from vsync_sm.origin.checks import Required
from vsync_sm.origin.clock import Clock, Random
from vsync_sm.origin.cycle import Servers, Terms
from vsync_sm.origin.inbox import Inbox
from vsync_sm.origin.keeper import TokenKeeper
from vsync_sm.origin.ledger import Sink

REST_S = 3600.0
"""The loop sleeps no longer than this (seconds), whatever it waits for."""


class Mode(Enum):
    """How far a run goes: for ever, one cycle, one cycle up to the save, the checks only."""

    daemon = "daemon"
    once = "once"
    plan = "plan"
    check = "check"


class Orders(msgspec.Struct, frozen=True):
    """What a run is told to do.

    `tick_s` is seconds, `tick_jitter` the share of it that a tick may come sooner or later;
    `notify_after` cycles in a row that were not complete, a human is told; `probe` names the
    Consul probe key ("": none); `allow` is the id of a refusal that a human, `by`, allows.
    `changes_only`: the journal tells how many paths were unchanged, not which. The start-up checks
    wait for servers for `start_timeout_s` seconds (None: without end).
    """

    mode: Mode
    terms: Terms
    required: Required
    tick_s: float
    tick_jitter: float
    probe: str
    started: RunStarted
    notify_after: int = 10
    start_timeout_s: float | None = None
    allow: str = ""
    by: str = ""
    changes_only: bool = False

    def next_tick_in(self, random: Random) -> int:
        """Nanoseconds from one cycle's start to the next one's, drawn anew for each tick."""
        spread = self.tick_jitter * (2 * random() - 1)
        return int(self.tick_s * (1 + spread) * NS)


class Hands(msgspec.Struct, frozen=True):
    """What the loop works with.

    `inform` starts to inform a human and returns at once: by how many ways. As often `Informed`
    comes into the inbox. `pulses` are called after each turn of the loop, and must neither raise
    nor wait; it is silent for `rest_s` seconds at most.
    """

    servers: Servers
    keeper: TokenKeeper
    inbox: Inbox
    journal: Journal
    clock: Clock
    random: Random
    inform: Callable[[Notice], int]
    sinks: Sequence[Sink] = ()
    pulses: Sequence[Callable[[View], None]] = ()
    rest_s: float = REST_S
