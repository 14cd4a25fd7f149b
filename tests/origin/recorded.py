"""Cycles of the real servers, recorded so that each time gives the same journal to the byte.

The clock is injected: a record a millisecond, and time that passes only where a test says so. What
the servers choose by themselves (accessors, ports, times of writing) gets a name in the order in
which it comes; nothing else is touched.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from tests.origin.scenes import Jumping
from tests.workshop import Workshop
from vsync_sm import __version__
from vsync_sm.core.insight import NS
from vsync_sm.origin.clock import SystemClock

_BEGAN = int(datetime(2026, 11, 2, 10, tzinfo=UTC).timestamp()) * NS
_HALF_AN_HOUR = 30 * 60 * NS
_SLOWER = 50
"""A real second is so small a part of one on the clock: a busy machine is none the worse."""


class Standing(Jumping):
    """A clock that nearly stands still, until a test sets it forward."""

    def __init__(self) -> None:
        super().__init__()
        self._began = SystemClock.mono(self)

    def now(self) -> int:
        """Nanoseconds since 1970: after whatever was recorded, but within the hour of a yes."""
        return _BEGAN + _HALF_AN_HOUR + self.ahead

    def mono(self) -> int:
        """Monotonic nanoseconds."""
        return (SystemClock.mono(self) - self._began) // _SLOWER + self.ahead + NS


class Steps:
    """Stamps: one run a minute, one record a millisecond, and what a clock was set forward."""

    def __init__(self) -> None:
        self._clock = Jumping()
        self._run = 0
        self._record = 0

    def run(self, clock: Jumping) -> Callable[[], tuple[str, int]]:
        """The stamp of the next run."""
        self._clock = clock
        self._run += 1
        self._record = 0
        return self._stamp

    def _stamp(self) -> tuple[str, int]:
        self._record += 1
        mono = self._record * 1_000_000 + self._clock.ahead
        second, rest = divmod(_BEGAN + self._run * 60 * NS + mono, NS)
        ts = datetime.fromtimestamp(second, UTC)
        return f"{ts:%Y-%m-%dT%H:%M:%S}.{rest // 1000:06}Z", mono


class Names:
    """A name for each thing, in the order in which they come."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._kinds: Counter[str] = Counter()

    def of(self, thing: str, kind: str) -> str:
        """`kind` with its number; the same thing has the same name."""
        if thing not in self._names:
            self._kinds[kind] += 1
            self._names[thing] = kind.format(self._kinds[kind])
        return self._names[thing]


_CALLED = {
    **dict.fromkeys(("run", "crashed_run", "saved_run"), "run-{}"),
    "updateTime": "2026-11-02T09:00:{:02}.123456789Z",
}
_INDEXES = frozenset({"modify_index", "index_modify_index"})
_SHA256 = re.compile(r"[0-9a-f]{64}")
_ALWAYS = {
    "pid": 4711,
    "host": "origin.example",
    "by": "operator",
    "size_bytes": 0,
    "since": 0,
    "delay_s": 0.2,
    "next_tick": 60_000_000_000,
}


def normalised(shop: Workshop, *addresses: str) -> str:
    """The journal of a workshop; `addresses` are those of proxies in front of its servers."""
    text = shop.journal.read_text()
    for address in (shop.vault.address, *addresses):
        text = text.replace(address, "http://vault.example:8200")
    text = text.replace(shop.consul.address, "http://consul.example:8500")
    names = Names()
    text = re.sub(r"kv_[0-9a-f]{8}", lambda found: names.of(found[0], "kv_{}"), text)
    text = re.sub(r"version \d+\.\d+\.\d+", "version 2.5.0", text)
    lines = (json.loads(line) for line in text.splitlines())
    told = (json.dumps(_named(line, names), ensure_ascii=False) for line in lines)
    return "".join(f"{line}\n" for line in told)


def _named(value: Any, names: Names) -> Any:
    if isinstance(value, dict):
        return {name: _field(name, below, names) for name, below in value.items()}
    return [_named(each, names) for each in value] if isinstance(value, list) else value


def _field(name: str, value: Any, names: Names) -> Any:
    if name in _ALWAYS:
        return _ALWAYS[name]
    if name in _INDEXES and value:
        return int(names.of(f"index {value}", "{}")) + 100
    if not isinstance(value, str):
        return _named(value, names)
    if name == "version" and value == __version__:
        return "1.0.0"
    kind = "{:064x}" if _SHA256.fullmatch(value) else _CALLED.get(name)
    return names.of(value, kind) if kind else value
