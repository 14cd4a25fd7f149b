"""What became of the paths between two moments: the net effect of all that was told of each.

A cycle compares with the sync info that was saved before it. So a path that is new is told as
added by every cycle until one saves it, and one that no later cycle tells of any more is as it was.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from heapq import nsmallest
from typing import Any, ClassVar

import msgspec

from vsync_sm.core import events as e
from vsync_sm.core.folding import KEPT_PATHS
from vsync_sm.core.sync_info import mount_of

MOST = 200_000
"""So many changed paths are remembered one by one; what is told of others is only counted."""


class Change(StrEnum):
    """What became of a path from the first moment to the second, gravest first."""

    failed = "failed"
    carried = "carried"
    vanished = "vanished"
    regressed = "regressed"
    passing = "passing"
    returned = "returned"
    added = "added"
    updated = "updated"


MEANING = {
    Change.failed: "could not be read",
    Change.carried: "could not be read; the insight last saved is kept",
    Change.vanished: "vanished",
    Change.regressed: "went back to an older version",
    Change.passing: "were added, and are gone again",
    Change.returned: "vanished, and are there again",
    Change.added: "were added",
    Change.updated: "were updated",
}
"""What is said of such paths, behind their number."""

_SAVED = frozenset((Change.vanished, Change.regressed, Change.added, Change.updated))
"""What a save tells Consul of."""

_MIRRORED = {Change.added: Change.vanished, Change.vanished: Change.added}


class Paths(msgspec.Struct, frozen=True):
    """Paths of which the same is said: how many, by mount, and the first few by name.

    Of `unsaved` no save has told Consul: their cycle still goes on, or did not save.
    """

    count: int
    by_mount: dict[str, int]
    names: tuple[str, ...]
    unsaved: int = 0


class PathChanges(msgspec.Struct, frozen=True):
    """The paths of each kind; a kind that there is none of is left out.

    A path has one change, and may have failed besides (`failed` or `carried`, as of the last cycle
    that read it). `untold` lines are of paths beyond `MOST`.
    """

    kinds: dict[Change, Paths] = {}
    untold: int = 0

    def __bool__(self) -> bool:
        return bool(self.kinds) or bool(self.untold)

    def mirrored(self) -> PathChanges:
        """The same from the second moment to the first."""
        kinds = {_MIRRORED.get(kind, kind): paths for kind, paths in self.kinds.items()}
        ordered = {kind: kinds[kind] for kind in Change if kind in kinds}
        return PathChanges(kinds=ordered, untold=self.untold)


class _Path(msgspec.Struct, gc=False):
    """What was told of one path.

    `was`: it was there at first; None: nobody has said. `former`: it was there in what the last
    telling compared with; `now`: it was there then. That was in `cycle`, which has to save it
    where it is `pending`.
    """

    was: bool | None = None
    former: bool = False
    now: bool = False
    cycle: int = 0
    pending: bool = False
    updated: bool = False
    vanished: bool = False
    regressed: bool = False
    trouble: Change | None = None
    troubled_in: int = 0


class PathLedger:
    """Fed with every record between two moments, in order; tells what became of the paths."""

    def __init__(self, most: int = MOST) -> None:
        self._paths: dict[str, _Path] = {}
        self._most = most
        self._untold = 0
        self._saved: set[int] = set()
        self._complete = 0

    def note(self, record: e.Record) -> None:
        """Take one more record in."""
        fold = self._folds.get(type(record.event))
        if fold is not None:
            fold(self, record.cycle or 0, record.event)

    def changes(self, mounts: Iterable[str] = ()) -> PathChanges:
        """What became of the paths so far; `mounts` are those of the configuration."""
        found: dict[Change, list[str]] = {}
        unsaved: Counter[Change] = Counter()
        for path, known in self._paths.items():
            for kind in self._kinds(known):
                found.setdefault(kind, []).append(path)
                unsaved[kind] += kind in _SAVED and self._unsaved(known)
        known_mounts = tuple(mounts)
        kinds = {
            kind: _paths(found[kind], known_mounts, unsaved[kind])
            for kind in Change
            if kind in found
        }
        return PathChanges(kinds=kinds, untold=self._untold)

    def _kinds(self, path: _Path) -> Iterable[Change]:
        if path.trouble is not None and path.troubled_in >= self._complete:
            yield path.trouble
        if path.was is None:
            return
        # A complete cycle that tells nothing of it found it as it had been saved.
        overtaken = path.cycle < self._complete and self._unsaved(path)
        now = path.former if overtaken else path.now
        if path.was != now:
            yield Change.added if now else Change.vanished
        elif not now:
            yield Change.passing
        elif path.regressed:
            yield Change.regressed
        elif path.vanished:
            yield Change.returned
        elif path.updated:
            yield Change.updated

    def _unsaved(self, path: _Path) -> bool:
        return path.pending and path.cycle not in self._saved

    # --- what is told of a path ---

    def _tell(
        self, path: str, cycle: int, *, former: bool, now: bool, pending: bool = True
    ) -> _Path | None:
        known = self._at(path)
        if known is not None:
            if known.was is None:
                known.was = former
            known.former, known.now, known.cycle = former, now, cycle
            known.pending, known.trouble = pending, None
        return known

    def _at(self, path: str) -> _Path | None:
        known = self._paths.get(path)
        if known is None:
            if len(self._paths) >= self._most:
                self._untold += 1
                return None
            known = self._paths[path] = _Path()
        return known

    def _generated(self, cycle: int, event: e.InsightGenerated) -> None:
        if event.change == "unchanged":
            if event.path in self._paths:
                self._tell(event.path, cycle, former=True, now=True, pending=False)
            return
        known = self._tell(event.path, cycle, former=event.change != "added", now=True)
        if known is not None and event.change == "updated":
            known.updated = True

    def _skipped(self, cycle: int, event: e.InsightSkipped) -> None:
        # Of one that was saved, `insight_vanished` tells.
        known = self._paths.get(event.path)
        if known is not None and known.was is not None:
            known.now, known.cycle, known.trouble = False, cycle, None

    def _vanished(self, cycle: int, event: e.InsightVanished) -> None:
        known = self._tell(event.path, cycle, former=True, now=False)
        if known is not None:
            known.vanished = True

    def _regressed(self, cycle: int, event: e.InsightRegressed) -> None:
        known = self._tell(event.path, cycle, former=True, now=True)
        if known is not None:
            known.regressed = True

    def _failed(self, cycle: int, event: e.PathFailed) -> None:
        known = self._at(event.path)
        if known is not None:
            known.trouble, known.troubled_in = Change.failed, cycle

    def _carried(self, cycle: int, event: e.InsightCarriedForward) -> None:
        known = self._tell(event.path, cycle, former=True, now=True, pending=False)
        if known is not None:
            known.trouble, known.troubled_in = Change.carried, cycle

    # --- what is told of a cycle ---

    def _transitioned(self, cycle: int, event: e.Transitioned) -> None:
        if event.trigger == "reindexed":
            self._complete = max(self._complete, cycle)

    def _refused(self, cycle: int, _: e.SaveRefused) -> None:
        self._complete = max(self._complete, cycle)

    def _finished(self, cycle: int, event: e.CycleFinished) -> None:
        if event.outcome == "saved":
            self._saved.add(cycle)

    def _reconciled(self, _: int, event: e.SaveReconciled) -> None:
        if event.outcome == "committed":
            self._saved.add(event.saved_cycle)

    _folds: ClassVar[Mapping[type, Callable[[PathLedger, int, Any], None]]] = {
        e.InsightGenerated: _generated,
        e.InsightSkipped: _skipped,
        e.InsightVanished: _vanished,
        e.InsightRegressed: _regressed,
        e.PathFailed: _failed,
        e.InsightCarriedForward: _carried,
        e.Transitioned: _transitioned,
        e.SaveRefused: _refused,
        e.CycleFinished: _finished,
        e.SaveReconciled: _reconciled,
    }


def _paths(found: list[str], mounts: tuple[str, ...], unsaved: int) -> Paths:
    by_mount = Counter(mount_of(path, mounts) for path in found)
    return Paths(
        count=len(found),
        by_mount=dict(sorted(by_mount.items())),
        names=tuple(nsmallest(KEPT_PATHS, found)),
        unsaved=unsaved,
    )
