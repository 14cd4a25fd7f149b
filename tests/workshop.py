"""An origin under test: the real one, on the real servers, in this process or in one of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, TypeVar

from tests.support import ConsulKv, VaultApi
from vsync_sm import wiring
from vsync_sm.config import Settings, load
from vsync_sm.core import events as e
from vsync_sm.core.commands import Done
from vsync_sm.core.events import Record
from vsync_sm.core.save import KeyValue
from vsync_sm.core.status_key import STATUS
from vsync_sm.core.sync_info import decode_former, digest
from vsync_sm.core.view import View
from vsync_sm.journal.reader import JournalReader, read_journal
from vsync_sm.journal.replay import Replay, replay
from vsync_sm.operate.client import Remote
from vsync_sm.origin.clock import Clock, Stamp
from vsync_sm.origin.inbox import Inbox
from vsync_sm.origin.ledger import Sink
from vsync_sm.origin.orders import Mode

E = TypeVar("E", bound=e.Event)

PATIENCE_S = 90.0
"""How long a test waits for what must come; long enough that only a real fault reaches it."""


class Run:
    """One run that is over: its exit code and its records."""

    def __init__(self, code: int, records: list[Record], view: View) -> None:
        self.code = code
        self.records = records
        self.view = view

    def all(self, cls: type[E]) -> list[E]:
        """Every event of a class, in order."""
        return events(self.records, cls)

    def one(self, cls: type[E]) -> E:
        """The one event of a class; fails when there are none or more."""
        (found,) = self.all(cls)
        return found

    @property
    def outcome(self) -> str:
        """The outcome of the one cycle, with the reason of an abort: `aborted timeout`."""
        finished = self.one(e.CycleFinished)
        return f"{finished.outcome} {finished.reason}".strip()

    @property
    def faults(self) -> list[str]:
        """The kinds of the faults that were raised."""
        return [fault.kind for fault in self.all(e.FaultRaised)]


class Workshop:
    """One origin's configuration, journal and servers; each test has its own."""

    def __init__(
        self, vault: VaultApi, consul: ConsulKv, mounts: Iterable[str], sync_path: str, home: Path
    ) -> None:
        self.vault = vault
        self.consul = consul
        self.home = home
        self.journal = home / "journal.jsonl"
        self.prefix = f"{sync_path}origin/"
        self.config: dict[str, Any] = {
            "numBuckets": 4,
            "origin": {
                # Most tests make single reads fail; those of detailed lists turn them on.
                "vault": {
                    "address": vault.address,
                    "token": vault.token,
                    "detailedMetadata": "off",
                },
                "consul": {"address": consul.address},
                "mounts": list(mounts),
                "syncPath": sync_path,
                "numWorkers": 2,
                "tick": "1s",
                "tickJitter": 0,
                "timeout": "30s",
                "requestTimeout": "10s",
                "status": False,  # tests count requests to Consul; it comes when it comes
            },
        }

    # --- what lies in Consul ---

    def saved(self) -> dict[str, tuple[int, str]]:
        """What a destination would read (path to version, updateTime), once it is found sound."""
        tree = [KeyValue(key, value, 1) for key, value in self.raw().items()]
        former = decode_former(self.prefix, tree)
        assert former.digests is not None
        assert not former.missing
        assert not former.undecodable
        assert former.digests == tuple(
            digest(former.buckets[number]) for number in range(len(former.digests))
        )
        return {
            path: (insight.version, insight.updateTime) for path, insight in former.insights.items()
        }

    def alive(self) -> dict[str, tuple[int, str]]:
        """What Vault holds, by root's own look at it: what `saved` must be in the end.

        Of `origin.paths` it knows folders, and patterns that exclude names in them.
        """
        found = {}
        origin = self.config["origin"]
        for part in [*({"mount": mount} for mount in origin["mounts"]), *origin.get("paths", ())]:
            assert part.keys() <= {"mount", "under", "exclude"}
            mount, under = part["mount"], part.get("under", "")
            for path in self.vault.walk(mount, under):
                if any(fnmatchcase(path[len(under) :], name) for name in part.get("exclude", ())):
                    continue
                told = self.vault.metadata(mount, path)
                current = told["versions"].get(str(told["current_version"]))
                if current and not current["destroyed"] and not current["deletion_time"]:
                    found[f"{mount}data/{path}"] = (told["current_version"], told["updated_time"])
        return found

    def raw(self) -> dict[str, bytes]:
        """Every key under the prefix, as bytes: to show that nothing has changed."""
        return self.consul.tree(self.prefix)

    def status(self) -> dict[str, Any]:
        """What the status key holds; {} where there is none. Tests turn it on: `status=True`."""
        told: dict[str, Any] = json.loads(self.consul.get(f"{self.prefix}{STATUS}") or b"{}")
        return told

    # --- in this process ---

    def settings(self, **origin: Any) -> Settings:
        """The settings, with fields of `origin` (or some top-level ones) replaced."""
        return load(file=self.write_config(**origin), environment={}, flags={}, cwd=self.home)

    def write_config(self, **origin: Any) -> Path:
        """The configuration file, for a process of its own."""
        config = json.loads(json.dumps(self.config))
        for name, value in origin.items():
            if name in {"numBuckets", "notify", "log", "journal", "metrics"}:
                config[name] = value
            elif isinstance(value, Mapping):
                config["origin"].setdefault(name, {}).update(value)
            else:
                config["origin"][name] = value
        path = self.home / "config.json"
        path.write_text(json.dumps(config))
        return path

    def once(
        self,
        *,
        allow: str = "",
        sinks: Iterable[Sink] = (),
        clock: Clock | None = None,
        stamp: Stamp | None = None,
        inbox: Inbox | None = None,
        mode: Mode = Mode.once,
        **origin: Any,
    ) -> Run:
        """One cycle in this process, as `--headless --once` runs it."""
        records: list[Record] = []
        running = wiring.engine(
            self.settings(**origin),
            mode,
            self.journal,
            inbox or Inbox(),
            allow=allow,
            sinks=[lambda record, _: records.append(record), *sinks],
            clock=clock,
            stamp=stamp,
        )
        try:
            code = running.engine.run()
        finally:
            running.close()
        return Run(code, records, running.engine.view)

    def records(self) -> list[Record]:
        """The whole journal."""
        return list(read_journal(self.journal))

    def replayed(self) -> Replay:
        """The journal's story, told to its end; it must not contradict itself."""
        story = replay(read_journal(self.journal))
        list(story)
        assert story.ok, (story.contradictions, story.damage)
        return story

    # --- in a process of its own ---

    def start(self, *arguments: str, stderr: int = subprocess.PIPE, **origin: Any) -> Daemon:
        """`vsync-sm --headless` with these further arguments."""
        config = self.write_config(**origin)
        return Daemon(
            [
                *(sys.executable, "-m", "vsync_sm.cli", "--headless"),
                *("--config", str(config), "--journal", str(self.journal), *arguments),
            ],
            self.journal,
            stderr=stderr,
        )


class Daemon:
    """A `vsync-sm` in a process of its own, watched through its journal."""

    def __init__(
        self,
        command: list[str],
        journal: Path,
        *,
        cwd: Path | None = None,
        stderr: int = subprocess.PIPE,
    ) -> None:
        self.remote = Remote(journal, {})
        self._reader = JournalReader(journal)
        self._records: list[Record] = []
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            cwd=cwd,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )

    def __enter__(self) -> Daemon:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

    def wait_for(self, wanted: Callable[[Record], bool]) -> Record:
        """The first record that is wanted, read before or still to come."""
        until = time.monotonic() + PATIENCE_S
        seen = 0
        while time.monotonic() < until:
            over = self.process.poll() is not None  # asked first: what it wrote last is read yet
            self._records += self._reader.poll()
            for record in self._records[seen:]:
                if wanted(record):
                    return record
            seen = len(self._records)
            if over:
                break
            time.sleep(0.01)
        raise AssertionError(f"never came; the last records: {self._records[-5:]}")

    def wait_for_state(self, state: str) -> Record:
        """The transition into a state."""
        return self.wait_for(
            lambda record: isinstance(record.event, e.Transitioned) and record.event.dest == state
        )

    def wait_for_socket(self) -> None:
        """Until its control socket answers."""
        until = time.monotonic() + PATIENCE_S
        while why := self.remote.unable():
            assert time.monotonic() < until, why
            time.sleep(0.01)

    def asked(self, command: str, argument: str = "") -> Done:
        """What its answer is to a command through the control socket, once that is there."""
        self.wait_for_socket()
        return self.remote.do(command, argument)

    def signal(self, number: int = signal.SIGTERM) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    def wait(self, timeout: float = PATIENCE_S) -> int:
        """The exit code, once it has ended."""
        return self.process.wait(timeout)

    def stop(self) -> int:
        """Ask it to stop and return its exit code."""
        self.signal()
        return self.wait()


def events(records: Iterable[Record], cls: type[E]) -> list[E]:
    """Every event of a class, in order."""
    return [record.event for record in records if isinstance(record.event, cls)]
