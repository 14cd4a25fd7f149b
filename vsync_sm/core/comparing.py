"""Two moments of a journal compared: what is different at the second one, and what led there.

Fed with every record from the beginning of the first moment's cycle to the second moment, and with
the view at both. It keeps numbers and a few names, however many records there are. `differences`
has the words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar

import msgspec
from msgspec.structs import replace

from vsync_sm.core import events as e
from vsync_sm.core.answer import ANSWERING
from vsync_sm.core.cycle_seen import CycleSeen, CycleWatch, Ended
from vsync_sm.core.grouping import shape
from vsync_sm.core.path_changes import PathChanges, PathLedger
from vsync_sm.core.shapes import View

KEPT = 20
"""So many faults, troubles and wishes are told one by one; the others are left out."""


class Side(msgspec.Struct, frozen=True):
    """What stood at a moment.

    `state` is the machine's, with the reason of an abort or a halt. `cycle` is the one that went
    on, or else the last one before it. `conditions` tells of each server how it was last seen, and
    `config` is the run's whole configuration, flat, without secrets.
    """

    seq: int
    ts: str
    run: str
    version: str
    host: str
    state: str
    reason: str
    cycle: CycleSeen | None
    paused: bool
    ended: bool
    conditions: dict[str, str]
    config: dict[str, str]


class FaultBetween(msgspec.Struct, frozen=True):
    """Faults of one kind and shape, raised between the moments: the first of them, how many."""

    event: e.FaultRaised
    seq: int
    ts: str
    cycle: int | None
    count: int


class Trouble(msgspec.Struct, frozen=True):
    """A server was seen not to answer between the moments: how, since when (first), how often."""

    server: str
    condition: str
    message: str
    ts: str
    count: int


class Wish(msgspec.Struct, frozen=True):
    """A human, or the system, asked for something between the moments."""

    ts: str
    event: e.CommandReceived | e.SignalReceived


class PhaseTimes(msgspec.Struct, frozen=True):
    """A phase's time at both moments, seconds; None: it was not entered.

    `ended`: `over` where both are whole; else how the second one stands, or the first one.
    """

    name: str
    first: float | None
    second: float | None
    ended: Ended = Ended.over

    @property
    def ratio(self) -> float | None:
        """The second by the first; None where that says nothing."""
        if self.first is None or self.second is None or not self.first:
            return None
        return self.second / self.first


class Setting(msgspec.Struct, frozen=True):
    """A key of the configuration that is not the same; "": it is not there."""

    key: str
    first: str
    second: str


class Comparison(msgspec.Struct, frozen=True):
    """Two moments side by side, and what happened between them.

    `back`: the second one lies before the first one: then `paths` tells what would have to happen.
    `whole`: lines of single paths were there to be read (a history has none). The counts are of
    what began, or was told, between the moments.
    """

    first: Side
    second: Side
    paths: PathChanges
    phases: tuple[PhaseTimes, ...]
    faults: tuple[FaultBetween, ...]
    troubles: tuple[Trouble, ...]
    asked: tuple[Wish, ...]
    settings: tuple[Setting, ...]
    runs: int = 0
    crashes: int = 0
    cycles: int = 0
    retries: int = 0
    records: int = 0
    back: bool = False
    whole: bool = True

    @property
    def one_cycle(self) -> bool:
        """Whether both moments have the same cycle."""
        one, other = self.first.cycle, self.second.cycle
        return one is not None and other is not None and one.number == other.number

    def mirrored(self) -> Comparison:
        """The same, looked at from the second moment."""
        return replace(
            self,
            first=self.second,
            second=self.first,
            paths=self.paths.mirrored(),
            phases=tuple(replace(p, first=p.second, second=p.first) for p in self.phases),
            settings=tuple(Setting(s.key, s.second, s.first) for s in self.settings),
            back=not self.back,
        )


class Comparing:
    """Compares two moments, record by record.

    Args:
        first, second: `seq` of their last records; in either order.
        whole: the records are those of a journal; False: of a history.
    """

    def __init__(self, first: int, second: int, *, whole: bool = True) -> None:
        self._back = second < first
        self._from, self._to = sorted((first, second))
        self._whole = whole
        self._watch = CycleWatch()
        self._paths = PathLedger()
        self._at: dict[int, tuple[CycleSeen | None]] = {}
        self._faults: dict[tuple[str, bool, str], FaultBetween] = {}
        self._troubles: dict[tuple[str, str], Trouble] = {}
        self._asked: list[Wish] = []
        self._runs = self._crashes = self._cycles = self._retries = self._records = 0

    def note(self, record: e.Record) -> None:
        """Take one more record in.

        The first one after the second moment may tell that a crash came right there; the others
        are passed over.
        """
        if record.seq > self._to:
            self._settle(self._to, record)
            return
        if record.seq > self._from:
            self._settle(self._from, record)
            self._between(record)
        self._watch.note(record)

    def comparison(self, first: View, second: View) -> Comparison:
        """What it comes to; the views are those at the two moments, in the order given."""
        earlier, later = (second, first) if self._back else (first, second)
        self._settle(self._from)
        self._settle(self._to)
        sides = (
            _side(earlier, self._at[self._from][0]),
            _side(later, self._at[self._to][0]),
        )
        one = Comparison(
            first=sides[0],
            second=sides[1],
            paths=self._paths.changes(_mounts(later) or _mounts(earlier)),
            phases=tuple(_phases(sides[0].cycle, sides[1].cycle)),
            faults=tuple(self._faults.values()),
            troubles=tuple(self._troubles.values()),
            asked=tuple(self._asked),
            settings=tuple(_settings(sides[0].config, sides[1].config)),
            runs=self._runs,
            crashes=self._crashes,
            cycles=self._cycles,
            retries=self._retries,
            records=self._records,
            whole=self._whole,
        )
        return one.mirrored() if self._back else one

    def _settle(self, seq: int, then: e.Record | None = None) -> None:
        if seq not in self._at:
            self._at[seq] = (self._watch.seen(then),)

    def _between(self, record: e.Record) -> None:
        self._records += 1
        self._paths.note(record)
        fold = self._folds.get(type(record.event))
        if fold is not None:
            fold(self, record, record.event)

    # --- between the moments ---

    def _run_started(self, _: e.Record, __: e.RunStarted) -> None:
        self._runs += 1

    def _recovered(self, _: e.Record, __: e.RunRecovered) -> None:
        self._crashes += 1

    def _cycle_started(self, _: e.Record, __: e.CycleStarted) -> None:
        self._cycles += 1

    def _retried(self, _: e.Record, __: e.RetryScheduled) -> None:
        self._retries += 1

    def _fault(self, record: e.Record, event: e.FaultRaised) -> None:
        key = (event.kind, event.fatal, shape(event.message))
        known = self._faults.get(key)
        if known is not None:
            self._faults[key] = replace(known, count=known.count + 1)
        elif len(self._faults) < KEPT:
            self._faults[key] = FaultBetween(event, record.seq, record.ts, record.cycle, 1)

    def _condition(self, record: e.Record, event: e.ServerConditionChanged) -> None:
        if event.condition == ANSWERING:
            return
        key = (event.server, event.condition)
        known = self._troubles.get(key)
        if known is not None:
            self._troubles[key] = replace(known, count=known.count + 1)
        elif len(self._troubles) < KEPT:
            self._troubles[key] = Trouble(*key, event.message, record.ts, 1)

    def _wish(self, record: e.Record, event: e.CommandReceived | e.SignalReceived) -> None:
        if len(self._asked) < KEPT:
            self._asked.append(Wish(record.ts, event))

    _folds: ClassVar[Mapping[type, Callable[[Comparing, e.Record, Any], None]]] = {
        e.RunStarted: _run_started,
        e.RunRecovered: _recovered,
        e.CycleStarted: _cycle_started,
        e.RetryScheduled: _retried,
        e.FaultRaised: _fault,
        e.ServerConditionChanged: _condition,
        e.CommandReceived: _wish,
        e.SignalReceived: _wish,
    }


# --- the sides -------------------------------------------------------------------------------


def _side(view: View, cycle: CycleSeen | None) -> Side:
    run = view.run
    return Side(
        seq=view.seq,
        ts=view.now.ts,
        run="" if run is None else run.id,
        version="" if run is None else run.version,
        host="" if run is None else run.host,
        state=view.state.name,
        reason=view.state.reason,
        cycle=cycle,
        paused=view.pause is not None,
        ended=view.ended is not None,
        conditions={name: each.word for name, each in sorted(view.conditions.items())},
        config={} if run is None else dict(flat(run.config)),
    )


def _mounts(view: View) -> tuple[str, ...]:
    origin = {} if view.run is None else view.run.config.get("origin")
    mounts = origin.get("mounts") if isinstance(origin, dict) else None
    return tuple(map(str, mounts)) if isinstance(mounts, list) else ()


def flat(config: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """A configuration key by key, as in `origin.vault.address`, with its values as words."""
    for name, value in config.items():
        if isinstance(value, dict) and value:
            yield from flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", _word(value)


def _word(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return ", ".join(value)
    return msgspec.json.encode(value).decode()


def _settings(first: dict[str, str], second: dict[str, str]) -> Iterator[Setting]:
    for key in sorted(first.keys() | second.keys()):
        was, now = first.get(key, ""), second.get(key, "")
        if was != now:
            yield Setting(key, was, now)


def _phases(first: CycleSeen | None, second: CycleSeen | None) -> Iterator[PhaseTimes]:
    if first is None or second is None:
        return
    one = {each.name: each for each in first.phases}
    other = {each.name: each for each in second.phases}
    for name in (*one, *(name for name in other if name not in one)):
        was, now = one.get(name), other.get(name)
        ends = [each.ended for each in (now, was) if each and each.ended is not Ended.over]
        yield PhaseTimes(
            name=name,
            first=None if was is None else was.seconds,
            second=None if now is None else now.seconds,
            ended=ends[0] if ends else Ended.over,
        )
