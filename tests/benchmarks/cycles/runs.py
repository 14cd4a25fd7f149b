"""One cycle of vsync in a process of its own, and what it took."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import msgspec

from tests.benchmarks.cycles.field import MOUNT, Field, cpu_s
from vsync_sm.core.events import CycleFinished
from vsync_sm.journal.reader import read_journal


class Ran(msgspec.Struct, frozen=True):
    """One `vsync-sm --headless --once`: its cycle as the journal tells it, and the process."""

    cycle: CycleFinished
    own_cpu_s: float
    server_cpu_s: float
    rss_bytes: int
    journal_bytes: int

    @property
    def seconds(self) -> float:
        """The whole cycle."""
        return sum(self.cycle.phases.values())


def run(field: Field, home: Path, *, workers: int, num_buckets: int = 64, **vault: Any) -> Ran:
    """One cycle under the sync path `bench/`; `vault` are further settings of `origin.vault`."""
    journal = home / "journal.jsonl"
    config = home / "config.json"
    config.write_text(
        json.dumps(
            {
                "numBuckets": num_buckets,
                "origin": {
                    "vault": {"address": field.bao.address, **vault},
                    "consul": {"address": field.consul.address},
                    "mounts": [MOUNT],
                    "syncPath": "bench/",
                    "numWorkers": workers,
                },
            }
        )
    )
    before, began = cpu_s(field.bao.pid), journal.stat().st_size if journal.exists() else 0
    arguments = ["--headless", "--once", "--config", str(config), "--journal", str(journal)]
    pid = os.posix_spawn(
        sys.executable,
        [sys.executable, "-m", "vsync_sm.cli", *arguments],
        {**os.environ, "VSYNC_ORIGIN_VAULT_TOKEN": field.bao.token},
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 2, str(home / "stderr"), os.O_WRONLY | os.O_CREAT, 0o600)
        ],
    )
    _, status, used = os.wait4(pid, 0)
    if os.waitstatus_to_exitcode(status):
        raise RuntimeError((home / "stderr").read_text()[-2_000:])
    finished = [r.event for r in read_journal(journal) if isinstance(r.event, CycleFinished)]
    return Ran(
        cycle=finished[-1],
        own_cpu_s=used.ru_utime + used.ru_stime,
        server_cpu_s=cpu_s(field.bao.pid) - before,
        rss_bytes=used.ru_maxrss * 1024,
        journal_bytes=journal.stat().st_size - began,
    )
