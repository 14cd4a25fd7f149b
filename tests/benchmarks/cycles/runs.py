"""Cycles of an origin in a process of its own, and what each took.

The process (`python -m tests.benchmarks.cycles.runs`) puts an origin together as `vsync-sm
--headless` does, its log included, and looks at the clocks where a cycle begins and ends: what a
start costs is not counted among a cycle's CPU.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from tests.benchmarks.cycles.field import Field, cpu_s
from vsync_sm import wiring
from vsync_sm.config import load
from vsync_sm.core.events import (
    CycleFinished,
    CycleStarted,
    Record,
    RetryScheduled,
    SaveCommitted,
    SegmentOpened,
)
from vsync_sm.core.view import View
from vsync_sm.operate.log import Log
from vsync_sm.origin.inbox import Inbox, SignalCame
from vsync_sm.origin.orders import Mode
from vsync_sm.servers import vault

TIMEOUT = "30m"
PER_BUCKET = 2_000
"""So many insights lie in a bucket; about 3,700 would fit."""

SEGMENT = "64MiB"


class Ran(msgspec.Struct, frozen=True):
    """One cycle: as the journal tells it, and what both processes took meanwhile.

    `rss_bytes` is the most memory that its process has had so far; `keys` those written to Consul;
    `audit` where its part of the server's audit log begins and ends, bytes. `lines` came into the
    journal, and `closed` of its files were full and closed; the loop's thread took `loop_cpu_s`.
    `silence_s` is the longest time, while paths were read, in which no reply came in.
    """

    cycle: CycleFinished
    own_cpu_s: float
    server_cpu_s: float
    rss_bytes: int
    keys: int
    retries: int
    audit: tuple[int, int]
    lines: int = 0
    closed: int = 0
    loop_cpu_s: float = 0.0
    silence_s: float = 0.0

    @property
    def seconds(self) -> float:
        """The whole cycle."""
        return sum(self.cycle.phases.values())


class _Asked(msgspec.Struct, frozen=True):
    config: str
    journal: str
    cycles: int
    server: int
    audit_log: str


def buckets_for(secrets: int) -> int:
    """A `numBuckets` for so many."""
    return max(64, -(-secrets // PER_BUCKET))


def configuration(
    field: Field, home: Path, *, workers: int, segment: str = SEGMENT, **vault: Any
) -> Path:
    """A configuration file; the token is left to the environment."""
    config = home / "config.json"
    origin = {
        "vault": {"address": field.vault.address, **vault},
        "consul": {"address": field.consul.address},
        "mounts": [field.mount],
        "syncPath": f"bench/{field.mount}",
        "numWorkers": workers,
        "tick": "1s",
        "renewToken": False,  # else the token's keeper asks meanwhile, too
        "timeout": TIMEOUT,
    }
    whole = {
        "numBuckets": buckets_for(field.secrets),
        "origin": origin,
        "journal": {"segmentSize": segment},
    }
    config.write_text(json.dumps(whole))
    return config


def environment(field: Field) -> dict[str, str]:
    """The environment in which an origin knows its token: a token is in no process list."""
    return {**os.environ, "VSYNC_ORIGIN_VAULT_TOKEN": field.vault.token}


def run(
    field: Field,
    home: Path,
    *,
    workers: int,
    cycles: int = 1,
    segment: str = SEGMENT,
    **vault: Any,
) -> list[Ran]:
    """So many cycles by one origin with a new journal.

    `segment`: past that size a file of it is full; `vault`: more of `origin.vault`.
    """
    journal = home / "journal.jsonl"
    for old in home.glob("journal*"):
        old.unlink()
    asked = _Asked(
        config=str(configuration(field, home, workers=workers, segment=segment, **vault)),
        journal=str(journal),
        cycles=cycles,
        server=field.vault.pid,
        audit_log=str(field.audit_log or ""),
    )
    told = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.cycles.runs"],
        input=msgspec.json.encode(asked),
        env=environment(field),
        stdout=subprocess.PIPE,
        check=True,
    )
    ran = msgspec.json.decode(told.stdout, type=list[Ran])
    wrong = [each.cycle for each in ran if each.cycle.outcome not in {"saved", "unchanged"}]
    if wrong or len(ran) != cycles:
        raise RuntimeError(f"a cycle was not complete: {wrong or len(ran)}")
    return ran


class _Meter:
    """Looks at the clocks where a cycle begins and ends; stops the run after the last one."""

    def __init__(self, asked: _Asked, inbox: Inbox) -> None:
        self.ran: list[Ran] = []
        self._replied = self._silence_s = 0.0
        self._asked = asked
        self._inbox = inbox
        self._begin(0)

    def __call__(self, record: Record, _: View) -> None:
        event = record.event
        if isinstance(event, CycleStarted):
            self._begin(record.seq)
        elif isinstance(event, SaveCommitted):
            self._keys = event.keys
        elif isinstance(event, RetryScheduled):
            self._retries += 1
        elif isinstance(event, CycleFinished):
            self._end(event, record.seq)
        elif isinstance(event, SegmentOpened):
            self._closed += 1

    def insights(self, records: Sequence[Record], view: View) -> None:
        """Nothing: the meter must not weigh on the scales."""

    def replied(self) -> None:
        """A reply has come in; said by the thread that reads."""
        now = time.perf_counter()
        if self._replied:
            self._silence_s = max(self._silence_s, now - self._replied)
        self._replied = now

    def _begin(self, seq: int) -> None:
        self._keys = self._retries = self._closed = 0
        self._replied = self._silence_s = 0.0
        self._seq = seq
        self._audited = self._audit_bytes()
        self._server = cpu_s(self._asked.server)
        self._own, self._loop = time.process_time(), time.thread_time()

    def _end(self, cycle: CycleFinished, seq: int) -> None:
        loop, own = time.thread_time() - self._loop, time.process_time() - self._own
        self.ran.append(
            Ran(
                cycle=cycle,
                own_cpu_s=own,
                server_cpu_s=cpu_s(self._asked.server) - self._server,
                rss_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
                keys=self._keys,
                retries=self._retries,
                audit=(self._audited, self._audit_bytes()),
                lines=seq - self._seq + 1,
                closed=self._closed,
                loop_cpu_s=loop,
                silence_s=self._silence_s,
            )
        )
        if len(self.ran) == self._asked.cycles:
            self._inbox.post(SignalCame(signal.SIGTERM))

    def _audit_bytes(self) -> int:
        log = self._asked.audit_log
        return Path(log).stat().st_size if log else 0


class _Listening(vault.MetadataReads[Any]):
    """Reads that tell the meter of each time that replies come in."""

    meter: _Meter

    def receive(self, wait_s: float) -> list[Any]:
        """What has ended."""
        ended = super().receive(wait_s)
        if ended:
            self.meter.replied()
        return ended


def _origin(asked: _Asked) -> list[Ran]:
    config = Path(asked.config)
    settings = load(file=config, environment=os.environ, flags={}, cwd=config.parent)
    inbox = Inbox()
    meter = _Listening.meter = _Meter(asked, inbox)
    vault.MetadataReads = _Listening  # type: ignore[misc]
    with Path(os.devnull).open("w") as nowhere:
        log = Log(nowhere, level=settings.log.level, json=True, allow_command=str)
        running = wiring.engine(
            settings, Mode.daemon, Path(asked.journal), inbox, sinks=[log, meter]
        )
        try:
            running.engine.run()
        finally:
            running.close()
    return meter.ran


if __name__ == "__main__":
    sys.stdout.buffer.write(
        msgspec.json.encode(_origin(msgspec.json.decode(sys.stdin.buffer.read(), type=_Asked)))
    )
