"""What the run view is made of: frozen values, filled in by the fold in `view`.

Nothing in them grows with the number of paths or of cycles.
"""

from __future__ import annotations

from typing import Any

import msgspec

from vsync_sm.core import events as e
from vsync_sm.core.machine import INITIAL


class When(msgspec.Struct, frozen=True):
    """A moment: `ts` for people, `mono` (ns since its run began) to measure from."""

    ts: str = ""
    mono: int = 0


class Run(msgspec.Struct, frozen=True):
    """The run that wrote the last record; `config` is without secrets."""

    id: str
    version: str
    host: str
    pid: int
    once: bool
    started: str
    config: dict[str, Any]
    tick_s: float = 60.0
    timeout_s: float = 300.0
    value_limit_bytes: int = 524288
    control: str = ""


class RunEnd(msgspec.Struct, frozen=True):
    """How the run ended by itself."""

    ts: str
    exit_code: int
    why: str


class Crash(msgspec.Struct, frozen=True):
    """A run that ended without a word, as the next one found it."""

    ts: str
    run: str
    state: str
    cycle: int | None
    save: bool


class StateSince(msgspec.Struct, frozen=True):
    """The machine's state, since when, and the reason given on an abort or a halt."""

    name: str
    since: When
    reason: str = ""


class Phase(msgspec.Struct, frozen=True):
    """One phase of a cycle: since when, and how long it took (None: it goes on)."""

    name: str
    since: When
    seconds: float | None = None


class Worker(msgspec.Struct, frozen=True):
    """One worker: how many paths it ended and how many of those failed.

    `path` and `since` (mono, ns) say what it was seen at last; empty when it was not busy.
    """

    number: int
    paths: int = 0
    failures: int = 0
    path: str = ""
    since: int = 0
    stopped: bool = False
    abandoned: bool = False


class Tally(msgspec.Struct, frozen=True):
    """What has been counted in a cycle so far."""

    folders: int = 0
    generated: int = 0
    skipped: int = 0
    failed: int = 0
    carried: int = 0
    abandoned: int = 0
    added: int = 0
    updated: int = 0
    unchanged: int = 0
    vanished: int = 0
    regressed: int = 0
    buckets: int = 0
    retries: int = 0


class Changes(msgspec.Struct, frozen=True):
    """Some of the paths that a cycle found changed: the first `KEPT_PATHS` of each kind.

    How many there were stands in the cycle's tally, or in the facts of its end.
    """

    added: tuple[str, ...] = ()
    updated: tuple[str, ...] = ()
    vanished: tuple[str, ...] = ()
    regressed: tuple[str, ...] = ()
    carried: tuple[str, ...] = ()
    failed: tuple[e.PathFailed, ...] = ()


class Cycle(msgspec.Struct, frozen=True):
    """The cycle that goes on. `listed` is None until listing is complete.

    `checked` of its mounts have been asked for; something was finished last at `moved` (mono, ns).
    """

    number: int
    asked: str
    started: When
    deadline_s: float
    num_buckets: int
    mounts: tuple[str, ...]
    phases: tuple[Phase, ...] = ()
    moved: int = 0
    checked: int = 0
    former: e.SyncInfoRead | None = None
    listed: int | None = None
    by_mount: dict[str, int] = {}
    tally: Tally = Tally()
    workers: tuple[Worker, ...] = ()
    changes: Changes = Changes()
    faults: tuple[e.FaultRaised, ...] = ()
    reindexed: tuple[e.BucketReindexed, ...] = ()


class Finished(msgspec.Struct, frozen=True):
    """A cycle that is over: the facts as recorded; times and `phases` (seconds) from `mono`.

    `changes` and `faults` are the first few of each.
    """

    number: int
    run: str
    asked: str
    started: str
    finished: str
    seconds: float
    phases: dict[str, float]
    facts: e.CycleFinished
    changes: Changes = Changes()
    faults: tuple[e.FaultRaised, ...] = ()


class Outcomes(msgspec.Struct, frozen=True):
    """How many cycles ended how; `crashed` are those that a crash cut short."""

    saved: int = 0
    unchanged: int = 0
    refused: int = 0
    aborted: int = 0
    crashed: int = 0


class LastSave(msgspec.Struct, frozen=True):
    """The last save that Consul holds; `index` is SHA-256 of the index's bytes."""

    ts: str
    run: str
    cycle: int
    index: str


class BucketSeen(msgspec.Struct, frozen=True):
    """A bucket as last saved: its insights, its size, when (`ts`) and in which cycle it changed."""

    insights: int
    size_bytes: int
    ts: str
    cycle: int


class OpenSave(msgspec.Struct, frozen=True):
    """A save that was begun and has no known outcome; `uncertain`: it ended without a reply.

    `buckets` are those that it writes, of `num_buckets`.
    """

    run: str
    cycle: int
    since: When
    event: e.SaveStarted
    uncertain: bool = False
    buckets: dict[int, BucketSeen] = {}
    num_buckets: int = 0


class LastRefusal(msgspec.Struct, frozen=True):
    """The refusal that stands: no save has been committed or skipped since."""

    ts: str
    cycle: int
    event: e.SaveRefused
    changes: Changes = Changes()


class Allowance(msgspec.Struct, frozen=True):
    """A yes that is not used up yet; `seq` is its line's."""

    ts: str
    event: e.AllowanceGranted
    seq: int = 0


class SeenFault(msgspec.Struct, frozen=True):
    """A fault and where it was raised."""

    ts: str
    run: str
    cycle: int | None
    event: e.FaultRaised


class SeenSignal(msgspec.Struct, frozen=True):
    """A signal that this run received."""

    ts: str
    event: e.SignalReceived


class SeenCommand(msgspec.Struct, frozen=True):
    """A command that this run received."""

    ts: str
    event: e.CommandReceived


class Postponed(msgspec.Struct, frozen=True):
    """What the start-up checks wait for; they have since `since`, and are tried again at `due`.

    Both are of the run's own time (`mono`, ns).
    """

    since: int
    due: int
    event: e.ChecksPostponed


class Pause(msgspec.Struct, frozen=True):
    """Since when, by whom and why no cycle begins by itself."""

    ts: str
    by: str
    through: str
    why: str


class Condition(msgspec.Struct, frozen=True):
    """How a server was last seen, since when: `answering`, or a fault's word and its message."""

    word: str
    ts: str
    message: str = ""


class SeenNotice(msgspec.Struct, frozen=True):
    """The last attempt at informing a human."""

    ts: str
    event: e.Notified


class SeenStatus(msgspec.Struct, frozen=True):
    """Since when, and why, this run cannot write its status key."""

    ts: str
    event: e.StatusFailed


class View(msgspec.Struct, frozen=True):
    """All that is shown of a journal, after the record `seq` (0: none yet).

    `run` … `next_tick` are of the newest run; the rest is of the whole journal. `next_tick` is
    when a cycle begins by itself (`mono`, ns). `last_cycle` is the highest cycle number given out,
    `failed_in_row` counts cycles since the last complete one (those that were asked to stop do not
    count), `last_complete` is when that one finished. `saves` and `buckets` know as much as the
    journal tells. A save that a later cycle found committed stands in `saves` with its own cycle's
    facts, unless a crash cut that short; `half_saved` wrote a part, and failed, since the last one.
    """

    seq: int = 0
    now: When = When()
    run: Run | None = None
    ended: RunEnd | None = None
    state: StateSince = StateSince(str(INITIAL), When())
    cycle: Cycle | None = None
    checks: tuple[e.CheckPassed | e.CheckFailed, ...] = ()
    postponed: Postponed | None = None
    signals: tuple[SeenSignal, ...] = ()
    commands: tuple[SeenCommand, ...] = ()
    conditions: dict[str, Condition] = {}
    status_failed: SeenStatus | None = None
    next_tick: int = 0

    runs: int = 0
    crashes: int = 0
    last_crashes: tuple[Crash, ...] = ()
    last_cycle: int = 0
    history: tuple[Finished, ...] = ()
    outcomes: Outcomes = Outcomes()
    failed_in_row: int = 0
    last_complete: str = ""
    last_save: LastSave | None = None
    saves: tuple[Finished, ...] = ()
    buckets: dict[int, BucketSeen] = {}
    half_saved: OpenSave | None = None
    num_buckets: int = 0
    open_save: OpenSave | None = None
    refusal: LastRefusal | None = None
    allowance: Allowance | None = None
    faults: tuple[SeenFault, ...] = ()
    notified: SeenNotice | None = None
    pause: Pause | None = None
