"""One path's trail through the journal: when it was looked at, and what Consul holds of it.

Fed by `whereabouts` with the events of this path, and with what its cycles and saves come to.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from vsync_sm.core import events as e
from vsync_sm.core.insight import Insight


class Seen(msgspec.Struct, frozen=True):
    """When and in which cycle."""

    ts: str
    cycle: int


class Look(msgspec.Struct, frozen=True):
    """What a cycle found of the path in Vault.

    `read` has an insight and its `change`; `skipped` and `failed` say `why`; `unlisted`: it was
    not there; `unchosen`: nobody looked, `why` says what of the configuration leaves it out.
    """

    how: Literal["read", "skipped", "failed", "unlisted", "unchosen"]
    ts: str
    cycle: int
    insight: Insight | None = None
    change: str = ""
    why: str = ""


class Held(msgspec.Struct, frozen=True):
    """What Consul holds (None: nothing of this path), since when as far as the journal knows.

    `saved` by this cycle, or `found` there by it.
    """

    insight: Insight | None
    how: Literal["saved", "found"]
    ts: str
    cycle: int


class Fate(msgspec.Struct, frozen=True):
    """What became of a cycle: its outcome (or `crashed`) and its reason."""

    cycle: int
    outcome: str
    reason: str
    ts: str


class Trail:
    """All that the journal tells of one path so far.

    Attributes:
        path: the absolute data path.
        known: the journal tells of it at all.
        first: when it was first there in Vault; `last`: when last; None: never.
        look: the last look at it, whatever came out; `read`: the last that gave an insight.
        held: what Consul holds; None: the journal does not tell.
        carried: for how many cycles in a row its insight has been carried forward.
        fate: what became of the cycle of the last look; None: it goes on, or nobody knows.
        later: how many cycles since then ended without a look at it.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.known = False
        self.first: Seen | None = None
        self.last: Seen | None = None
        self.look: Look | None = None
        self.read: Look | None = None
        self.held: Held | None = None
        self.carried = 0
        self.fate: Fate | None = None
        self.later = 0
        self._insight: Insight | None = None  # what the running cycle would save
        self._looked = False
        self._vanished = False

    @property
    def pending(self) -> Insight | None:
        """What a save that begins now puts into Consul; None: nothing of this path."""
        return self._insight

    # --- its own events ---

    def generated(self, event: e.InsightGenerated, seen: Seen) -> None:
        """It was read."""
        insight = event.insight
        self._see(Look("read", seen.ts, seen.cycle, insight, event.change))
        self.read = self.look
        self._insight = insight
        if event.change == "unchanged":
            self._found(insight, seen)
        elif event.change == "added":
            self._found(None, seen)
        elif self.held is not None and self.held.insight in {None, insight}:
            self.held = None  # something else lies there, and nothing tells what

    def skipped(self, event: e.InsightSkipped, seen: Seen) -> None:
        """It has no insight any more."""
        self._see(Look("skipped", seen.ts, seen.cycle, why=event.why))

    def failed(self, event: e.PathFailed, seen: Seen) -> None:
        """It could not be read."""
        self._see(Look("failed", seen.ts, seen.cycle, why=event.message))

    def carried_forward(self, event: e.InsightCarriedForward, seen: Seen) -> None:
        """It keeps what was last saved."""
        self.carried = event.cycles
        self._insight = event.insight
        self._found(event.insight, seen)

    def vanished(self, event: e.InsightVanished, seen: Seen, left_out: str) -> None:
        """Consul holds it, and the next save would remove it; `left_out` is as in `judged`."""
        if not self._looked:
            self._miss(seen, left_out)
        self._vanished = True
        self._found(event.insight, seen)

    def regressed(self, event: e.InsightRegressed, seen: Seen) -> None:
        """Consul holds something newer."""
        self._found(event.former, seen)

    def _see(self, look: Look) -> None:
        if look.how not in {"unlisted", "unchosen"}:
            self.last = Seen(look.ts, look.cycle)
            self.first = self.first or self.last
        self.look, self.fate, self.later = look, None, 0
        self.carried = 0
        self._insight = None
        self._looked = self.known = True

    def _miss(self, seen: Seen, left_out: str) -> None:
        how: Literal["unlisted", "unchosen"] = "unchosen" if left_out else "unlisted"
        self._see(Look(how, seen.ts, seen.cycle, why=left_out))

    def _found(self, insight: Insight | None, seen: Seen) -> None:
        if self.held is None or self.held.insight != insight:
            self.held = Held(insight, "found", seen.ts, seen.cycle)

    # --- its cycles and saves ---

    def begin_cycle(self) -> None:
        """Another cycle begins."""
        self._insight = None
        self._looked = self._vanished = False

    def judged(self, seen: Seen, left_out: str, *, unchanged: bool) -> None:
        """The cycle has looked at everything and compared it with what lies in Consul.

        `left_out` is why the configuration does not choose the path ("": it does). `unchanged`:
        the cycle tells that there were unchanged paths, and not which.
        """
        if not self.known:
            return
        if unchanged and not self._looked and not self._vanished and self._untold(seen):
            return
        if self._insight is None and not self._vanished:
            self._found(None, seen)
        if not self._looked:
            self._miss(seen, left_out)

    def _untold(self, seen: Seen) -> bool:
        """Whether it is one of the unchanged paths that are not told, or may be."""
        if self.held is None:
            return True  # nobody knows
        insight = self.held.insight
        if insight is None:
            return False
        # What Consul holds vanishes, is told, or is unchanged.
        self._see(Look("read", seen.ts, seen.cycle, insight, "unchanged"))
        self.read, self._insight = self.look, insight
        return True

    def saved(self, insight: Insight | None, seen: Seen) -> None:
        """A save put this there (None: removed it), or left it there."""
        if self.held is None or self.held.insight != insight:
            self.held = Held(insight, "saved", seen.ts, seen.cycle)

    def end_cycle(self, fate: Fate) -> None:
        """A cycle is over."""
        if self.look is not None and self.look.cycle == fate.cycle:
            self.fate = fate
        else:
            self.later += 1
