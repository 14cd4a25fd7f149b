"""What a cycle costs Vault, and how often and with how many workers to ask it: arithmetic alone."""

from __future__ import annotations

import math
from collections.abc import Iterator

import msgspec

from vsync_sm.core.words import count, duration, number

AUDIT_BYTES = 3_200
"""What a file audit device writes of one metadata read: measured on OpenBao 2.7.2, request and
response together. A list writes about as much, and more for each name that it gives."""

DETAILED_AUDIT_BYTES = 630
"""What it writes of each path in a detailed list, with one version: measured alike."""

MOST_WORKERS = 256
"""As many as `origin.numWorkers` may be."""

_DAY_S = 86_400.0
_SHARE = 0.5  # of the tick: the rest is room for a slow day, and for a tick that comes early


class Cost(msgspec.Struct, frozen=True):
    """One cycle, as `check` has met it. Times are seconds.

    `round_trip_s` is what one request took from sending it to the next, None where none was
    measured; `per_second` is `origin.vault.maxRequestsPerSecond`, 0 where there is no ceiling.
    `lists` are detailed ones, which gave the metadata of `detailed` paths in `lists_s`.
    """

    mounts: int
    folders: int
    paths: int
    tick_s: float
    timeout_s: float
    workers: int
    per_second: float = 0.0
    round_trip_s: float | None = None
    lists: int = 0
    lists_s: float = 0.0
    detailed: int = 0

    @property
    def reads(self) -> int:
        """The paths whose metadata is read by a request of its own."""
        return self.paths - self.detailed

    @property
    def requests(self) -> int:
        """To Vault: one to catch up, two looks at each mount, the lists, and the reads."""
        return 1 + 2 * self.mounts + self.folders + self.lists + self.reads

    @property
    def requests_a_day(self) -> int:
        """How many that are, at a cycle each tick."""
        return round(self.requests * _DAY_S / self.tick_s)

    @property
    def audit_bytes_a_day(self) -> int:
        """About what they write into an audit log."""
        cycle = self.requests * AUDIT_BYTES + self.detailed * DETAILED_AUDIT_BYTES
        return round(cycle * _DAY_S / self.tick_s)

    def takes_s(self, workers: int) -> float | None:
        """About how long a cycle takes with so many workers, who share the lists and the reads."""
        if self.round_trip_s is None:
            return None
        shared = self.folders + self.reads
        row = self.requests - shared - self.lists + math.ceil(shared / workers)
        least = self.requests / self.per_second if self.per_second else 0.0
        return max(row * self.round_trip_s + self.lists_s / workers, least)

    @property
    def workers_needed(self) -> int | None:
        """The fewest with whom a cycle takes half of the tick; None: no number does."""
        most = self.tick_s * _SHARE
        enough = (n for n in range(1, MOST_WORKERS + 1) if (self.takes_s(n) or 0.0) <= most)
        return next(enough, None)

    @property
    def tick_needed_s(self) -> int:
        """The tick of which a cycle takes half with the workers that there are, whole seconds."""
        return math.ceil((self.takes_s(self.workers) or 0.0) / _SHARE)

    def lines(self) -> Iterator[str]:
        """What a human needs to know of it."""
        gave = f" with the metadata of {count(self.detailed, 'path')}"
        detailed = f"{count(self.lists, 'detailed list')}{gave}, " if self.lists else ""
        yield (
            f"A cycle costs {count(self.requests, 'request')} to Vault: "
            f"{count(self.folders, 'list')}, {detailed}{count(self.reads, 'metadata read')}, "
            f"{count(2 * self.mounts, 'look')} at mounts, 1 to catch up; and to Consul 1 read, "
            "and mostly 1 write when something has changed."
        )
        each = f", {DETAILED_AUDIT_BYTES} bytes a path in a detailed list" if self.detailed else ""
        yield (
            f"A cycle each {duration(self.tick_s)}: {number(self.requests_a_day)} requests a day, "
            f"and about {_bytes(self.audit_bytes_a_day)} a day in Vault's audit log "
            f"(an estimate: {_bytes(AUDIT_BYTES)} a request{each})."
        )
        yield from self._advice()

    def _advice(self) -> Iterator[str]:
        takes = self.takes_s(self.workers)
        if takes is None or self.round_trip_s is None:
            return
        ceiling = f" {self.per_second:g} a second at the most," if self.per_second else ""
        yield (
            f"At {_round_trip(self.round_trip_s)} a request, as measured just now,{ceiling} and "
            f"{count(self.workers, 'worker')} a cycle takes about {duration(takes)}."
        )
        if takes > self.timeout_s:
            limit = duration(self.timeout_s)
            yield f"→ That is longer than origin.timeout ({limit}): it would be aborted each time."
        if takes > self.tick_s * _SHARE:
            workers = self.workers_needed
            does = f"origin.numWorkers: {workers}, or " if workers else ""
            yield (
                f"→ That is more than half of origin.tick ({duration(self.tick_s)}): "
                f"{does}origin.tick: {self.tick_needed_s}s would do."
            )


def _round_trip(seconds: float) -> str:
    """To two digits below a second, where a tenth of a millisecond counts; then as ever."""
    return f"{float(f'{seconds * 1000:.2g}'):g} ms" if seconds < 1 else duration(seconds)


def _bytes(n: int) -> str:
    """A size in powers of ten, as disks are sold: `3.2 kB`, `46.1 GB`."""
    for unit, name in ((10**9, "GB"), (10**6, "MB")):
        if n >= unit:
            return f"{n / unit:.1f} {name}"
    return f"{n / 1000:.1f} kB"
