"""One cycle: its phases as effects on threads of its own, which only ever post messages."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

import msgspec

from vsync_sm.core.choice import Choice
from vsync_sm.core.events import BusyWorker, Event, Requests, WorkerStopped
from vsync_sm.core.insight import NS
from vsync_sm.core.memory import OpenSave
from vsync_sm.core.safety import Limits
from vsync_sm.core.save import SavePlan
from vsync_sm.origin.access import Access
from vsync_sm.origin.budget import Budget
from vsync_sm.origin.clock import Clock, Random
from vsync_sm.origin.detailed import DetailedLists, Details
from vsync_sm.origin.inbox import Inbox
from vsync_sm.origin.listing import Listed, Lister, list_everything
from vsync_sm.origin.saving import Recalled, Saver, reindex
from vsync_sm.origin.scope import Scope
from vsync_sm.origin.throttle import Throttle
from vsync_sm.origin.walking import Walk
from vsync_sm.origin.working import Crew, Worked
from vsync_sm.servers.consul import Consul
from vsync_sm.servers.vault import Vault


class Terms(msgspec.Struct, frozen=True):
    """What every cycle of a run has in common: plain values from the configuration.

    `prefix` is the sync path with `origin/`; times are seconds, `value_limit` is bytes.
    """

    choice: Choice
    prefix: str
    num_buckets: int
    workers: int
    timeout_s: float
    request_timeout_s: float
    value_limit: int
    limits: Limits

    @property
    def mounts(self) -> tuple[str, ...]:
        """The mounts of which anything is synced."""
        return self.choice.mounts


class Servers(msgspec.Struct, frozen=True):
    """Whom a cycle talks to, and how often at the most."""

    vault: Vault
    consul: Consul
    access: Access
    throttle: Throttle
    detailed: DetailedLists


class Cycle:
    """Started phase by phase by the loop; closed by it whatever happens."""

    def __init__(
        self,
        number: int,
        *,
        terms: Terms,
        servers: Servers,
        inbox: Inbox,
        clock: Clock,
        random: Random,
    ) -> None:
        self.number = number
        self.deadline = clock.mono() + int(terms.timeout_s * NS)
        self._terms = terms
        self._servers = servers
        budget = Budget(
            clock,
            deadline=self.deadline,
            request_timeout_s=terms.request_timeout_s,
            throttle=servers.throttle,
        )
        self._scope = Scope(number, inbox, budget, clock, random)
        vault, access = servers.vault, servers.access
        details = Details(self._scope, vault, access, servers.detailed)
        self._lister = Lister(self._scope, vault, access, terms.choice, details)
        self._crew: Crew | None = None
        self._threads: list[threading.Thread] = []

    # --- the phases, each ends with `EffectDone` or a fault ---

    def start_listing(self, open_save: OpenSave | None) -> None:
        """Ends with `Listed`."""
        terms = self._terms
        walk = Walk(self._scope, self._lister, workers=terms.workers)
        self._threads += walk.threads
        self._start(
            "listing",
            lambda: list_everything(
                self._scope,
                self._lister,
                self._servers.consul,
                prefix=terms.prefix,
                open_save=open_save,
                walk=walk.run,
            ),
        )

    def start_working(self, listed: Listed, carried: Mapping[str, int]) -> None:
        """Ends with `Worked`. `carried`: by path, the cycles in a row it was carried so far."""
        terms, servers = self._terms, self._servers
        crew = Crew(
            self._scope,
            servers.vault,
            servers.access,
            self._lister,
            listed,
            workers=terms.workers,
            num_buckets=terms.num_buckets,
            limits=terms.limits,
        )
        self._crew = crew
        self._threads += crew.threads
        self._start("working", lambda: crew.run(carried))

    def start_reindexing(self, listed: Listed, worked: Worked, recalled: Recalled) -> None:
        """Ends with `Reindexed`."""
        terms = self._terms
        self._start(
            "reindexing",
            lambda: reindex(
                self._scope,
                listed,
                worked,
                recalled,
                prefix=terms.prefix,
                choice=terms.choice,
                value_limit=terms.value_limit,
                limits=terms.limits,
            ),
        )

    def start_saving(self, plan: SavePlan) -> None:
        """Ends with `Saved`. Only after `save_started` lies on the disk."""
        saver = Saver(self._scope, self._servers.consul, plan, self._terms.prefix)
        self._start("saving", saver.save)

    # --- asked by the loop ---

    def busy(self) -> tuple[BusyWorker, ...]:
        """What each busy worker is at; `since` is the clock's monotonic time."""
        return self._crew.busy() if self._crew else ()

    def requests(self) -> Requests:
        """How many requests were sent so far."""
        return self._scope.budget.requests()

    def close(self) -> tuple[Event, ...]:
        """Tear down, and return the ends of the paths that were taken and not told."""
        self._scope.close()
        return self._crew.close() if self._crew else ()

    def stopped(self) -> tuple[WorkerStopped, ...]:
        """How each worker that has not said so itself did end."""
        return self._crew.stopped() if self._crew else ()

    def alive(self) -> int:
        """How many of its threads have not come back."""
        return sum(thread.is_alive() for thread in self._threads)

    def _start(self, phase: str, effect: Callable[[], object]) -> None:
        def run() -> None:
            with self._scope.guarded():
                self._scope.done(effect())

        thread = threading.Thread(target=run, name=f"{phase}-{self.number}", daemon=True)
        self._threads.append(thread)
        thread.start()
