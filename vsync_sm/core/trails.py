"""The trails of what somebody may mean by a path: a fold over the journal."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, ClassVar

import msgspec

from vsync_sm.core import events as e
from vsync_sm.core.choice import Choice, choice_in
from vsync_sm.core.insight import Insight
from vsync_sm.core.outcome import CRASHED
from vsync_sm.core.shapes import Pause
from vsync_sm.core.sync_info import bucket_of, data_path, mount_of
from vsync_sm.core.trail import Fate, Seen, Trail
from vsync_sm.core.view import view_of

NEAR = 5
"""So many paths that may be meant are named."""

_ALIKE = 0.66
"""So much of two paths must be alike, of 1, before one may be meant by the other."""

_COMPARED = 16_000_000
"""Likeness costs about the product of two lengths; so much of it takes a second at most."""


def resolve(given: str, mounts: Iterable[str]) -> list[str]:
    """The data paths that somebody may mean: `secret/a`, `secret/data/a`, `/v1/secret/metadata/a`.

    Args:
        given: the path as people write it.
        mounts: all that there are; the longest that fits counts.
    """
    path = given.strip("/")
    fits = [mount for mount in mounts if path.startswith(mount)]
    if not fits and path.startswith("v1/"):
        path = path[3:]
        fits = [mount for mount in mounts if path.startswith(mount)]
    if not fits:
        return []
    mount = max(fits, key=len)
    rest = path[len(mount) :]
    rests = [rest, *(rest[len(part) :] for part in ("data/", "metadata/") if rest.startswith(part))]
    return [data_path(mount, each) for each in rests if each]


def near(given: str, mounts: Iterable[str], paths: Iterable[str]) -> tuple[str, ...]:
    """The known paths most like the one given, a few.

    First those that hold it, then those alike behind their mount (all paths of a mount begin alike,
    which says nothing); where no mount fits what was given, then those with the same name.
    """
    mounts = tuple(mounts)
    bare = given.strip("/")
    wanted = resolve(given, mounts)
    known = sorted(set(paths), key=lambda each: (len(each), each))
    found = dict.fromkeys(each for each in known if any(want in each for want in wanted or [bare]))
    if not wanted:
        last = f"/{bare.rpartition('/')[2]}"
        found |= dict.fromkeys(each for each in known if each.endswith(last))
    if len(found) < NEAR:
        found |= dict.fromkeys(
            _alike(_behind(wanted[-1] if wanted else bare, mounts), known, mounts)
        )
    return tuple(found)[:NEAR]


def _alike(wanted: str, known: list[str], mounts: tuple[str, ...]) -> Iterator[str]:
    """The paths that are much like the one wanted behind their mounts, the most alike first."""
    behind: dict[str, list[str]] = {}
    for each in _affordable(wanted, known):
        behind.setdefault(_behind(each, mounts), []).append(each)
    for each in difflib.get_close_matches(wanted, behind, NEAR, _ALIKE):
        yield from behind[each]


def _behind(path: str, mounts: tuple[str, ...]) -> str:
    """A data path without its mount."""
    return path.removeprefix(f"{mount_of(path, mounts)}data/")


def _affordable(wanted: str, known: list[str]) -> Iterator[str]:
    """The paths that are about as long as the one wanted, as many as may be compared with it."""
    left = _COMPARED
    for each in sorted(known, key=lambda each: abs(len(each) - len(wanted))):
        left -= len(each) * len(wanted)
        if left < 0:
            return
        yield each


class SaveLeftOpen(msgspec.Struct, frozen=True):
    """A save without a known end, and what it puts there by path."""

    run: str
    cycle: int
    pending: dict[str, Insight | None]


class Trails:
    """Fed with records, from the journal's first to its last; those of other paths may be left out.

    Attributes:
        given: the path as it was asked for.
        mounts: every mount that a cycle had so far.
        began: the time of the first record, `at` of the last one ("": none yet).
        cycle: the number of the cycle that goes on, None between cycles; `phase` is its state.
        num_buckets: that of the last cycle (0: there was none).
        open_save: a save whose end is not known.
        half: the cycle of the last save that wrote a part and failed; None: a save came after it.
        refusal: the refusal that stands, and its cycle.
        pause: no cycle begins by itself.
        ended: the newest run has ended by itself.
        changes_only: the journal tells how many paths were unchanged, and not which.
        choice: what the newest run was to sync; None: the journal does not tell.
    """

    def __init__(self, given: str) -> None:
        self.given = given
        self.mounts: tuple[str, ...] = ()
        self.began = ""
        self.at = ""
        self.cycle: int | None = None
        self.phase = ""
        self.num_buckets = 0
        self.open_save: SaveLeftOpen | None = None
        self.half: int | None = None
        self.refusal: tuple[int, e.SaveRefused] | None = None
        self.pause: Pause | None = None
        self.ended = False
        self.choice: Choice | None = None
        self.changes_only = False
        self._unchanged = False  # the running cycle tells how many are unchanged, not which
        self._trails: dict[str, Trail] = {}

    def note(self, record: e.Record) -> None:
        """Fold one record."""
        self.began = self.began or record.ts
        self.at = record.ts
        fold = self._folds.get(type(record.event))
        if fold is not None:
            fold(self, record, record.event)

    @property
    def trails(self) -> tuple[Trail, ...]:
        """What the path may mean and the journal tells of: none, one, or more."""
        return tuple(trail for trail in self._trails.values() if trail.known)

    def bucket(self, path: str) -> int | None:
        """The bucket of a data path; None before the first cycle."""
        return bucket_of(path, self.num_buckets) if self.num_buckets else None

    def _seen(self, record: e.Record) -> Seen:
        return Seen(record.ts, record.cycle or 0)

    # --- the run and its cycles ---

    def left_out(self, path: str) -> str:
        """Why the configuration does not choose a data path; "": it does, or nobody knows."""
        return self.choice.leaves_out(path) if self.choice is not None else ""

    def _run_started(self, record: e.Record, event: e.RunStarted) -> None:
        self.ended = False
        self.choice = choice_in(event.config)
        if self.cycle is not None:
            self._end_cycle(Fate(self.cycle, CRASHED, "", record.ts))

    def _segment_opened(self, _: e.Record, event: e.SegmentOpened) -> None:
        if self.choice is not None:
            return
        try:  # the file with the run's beginning may be there no more
            run = view_of(event).run
        except ValueError:
            return
        self.choice = choice_in(run.config) if run is not None else None

    def _run_finished(self, record: e.Record, _: e.RunFinished) -> None:
        self.ended = True
        if self.cycle is not None:  # a second signal ends it at once
            self._end_cycle(Fate(self.cycle, CRASHED, "", record.ts))

    def _transitioned(self, _: e.Record, event: e.Transitioned) -> None:
        self.phase = event.dest

    def _cycle_started(self, record: e.Record, event: e.CycleStarted) -> None:
        self.cycle = record.cycle or 0
        self.num_buckets = event.num_buckets
        self.mounts = tuple(dict.fromkeys((*self.mounts, *event.mounts)))
        for path in resolve(self.given, self.mounts):
            self._trails.setdefault(path, Trail(path))
        self._unchanged = False
        for trail in self._trails.values():
            trail.begin_cycle()

    def _cycle_finished(self, record: e.Record, event: e.CycleFinished) -> None:
        number = record.cycle or 0
        self._end_cycle(Fate(number, event.outcome, event.reason, record.ts))

    def _end_cycle(self, fate: Fate) -> None:
        self.cycle = None
        for trail in self._trails.values():
            trail.end_cycle(fate)

    # --- the path ---

    def _generated(self, record: e.Record, event: e.InsightGenerated) -> None:
        trail = self._trails.get(event.path)
        if trail is not None:
            trail.generated(event, self._seen(record))

    def _insights_unchanged(self, _: e.Record, __: e.InsightsUnchanged) -> None:
        self.changes_only = self._unchanged = True

    def _skipped(self, record: e.Record, event: e.InsightSkipped) -> None:
        trail = self._trails.get(event.path)
        if trail is not None:
            trail.skipped(event, self._seen(record))

    def _failed(self, record: e.Record, event: e.PathFailed) -> None:
        trail = self._trails.get(event.path)
        if trail is not None:
            trail.failed(event, self._seen(record))

    def _carried(self, record: e.Record, event: e.InsightCarriedForward) -> None:
        trail = self._trails.get(event.path)
        if trail is not None:
            trail.carried_forward(event, self._seen(record))

    def _vanished(self, record: e.Record, event: e.InsightVanished) -> None:
        trail = self._trails.get(event.path)
        if trail is not None:
            unknown = "the configuration leaves it out" if event.unchosen else ""
            left_out = self.left_out(event.path) or unknown
            trail.vanished(event, self._seen(record), left_out)

    def _regressed(self, record: e.Record, event: e.InsightRegressed) -> None:
        trail = self._trails.get(event.path)
        if trail is not None:
            trail.regressed(event, self._seen(record))

    # --- the save ---

    def _judged(self, record: e.Record) -> None:
        for trail in self._trails.values():
            left_out = self.left_out(trail.path)
            trail.judged(self._seen(record), left_out, unchanged=self._unchanged)

    def _save_started(self, record: e.Record, _: e.SaveStarted) -> None:
        self._judged(record)
        pending = {path: trail.pending for path, trail in self._trails.items()}
        self.open_save = SaveLeftOpen(record.run, record.cycle or 0, pending)

    def _save_committed(self, record: e.Record, _: e.SaveCommitted) -> None:
        self._saved(self._seen(record))

    def _save_reconciled(self, record: e.Record, event: e.SaveReconciled) -> None:
        if event.outcome == "committed":
            self._saved(Seen(record.ts, event.saved_cycle))
        else:
            self._save_lost(event.saved_cycle, written=event.written)

    def _saved(self, seen: Seen) -> None:
        save, self.open_save, self.half, self.refusal = self.open_save, None, None, None
        if save is None:
            return
        for path, insight in save.pending.items():
            self._trails[path].saved(insight, seen)

    def _save_failed(self, record: e.Record, event: e.SaveFailed) -> None:
        self._save_lost(record.cycle or 0, written=event.written)

    def _save_lost(self, cycle: int, *, written: bool) -> None:
        self.open_save = None
        self.half = cycle if written else self.half

    def _save_skipped(self, record: e.Record, _: e.SaveSkipped) -> None:
        self._judged(record)
        self.half = self.refusal = None

    def _save_refused(self, record: e.Record, event: e.SaveRefused) -> None:
        self._judged(record)
        self.refusal = (record.cycle or 0, event)

    # --- around it ---

    def _paused(self, record: e.Record, event: e.TickerPaused) -> None:
        self.pause = Pause(record.ts, event.by, event.through, event.why)

    def _resumed(self, _: e.Record, __: e.TickerResumed) -> None:
        self.pause = None

    _folds: ClassVar[dict[type, Callable[[Trails, e.Record, Any], None]]] = {
        e.RunStarted: _run_started,
        e.SegmentOpened: _segment_opened,
        e.RunFinished: _run_finished,
        e.Transitioned: _transitioned,
        e.CycleStarted: _cycle_started,
        e.CycleFinished: _cycle_finished,
        e.InsightGenerated: _generated,
        e.InsightsUnchanged: _insights_unchanged,
        e.InsightSkipped: _skipped,
        e.PathFailed: _failed,
        e.InsightCarriedForward: _carried,
        e.InsightVanished: _vanished,
        e.InsightRegressed: _regressed,
        e.SaveStarted: _save_started,
        e.SaveCommitted: _save_committed,
        e.SaveReconciled: _save_reconciled,
        e.SaveFailed: _save_failed,
        e.SaveSkipped: _save_skipped,
        e.SaveRefused: _save_refused,
        e.TickerPaused: _paused,
        e.TickerResumed: _resumed,
    }
