"""Events and numbers in plain words: the one place that replay, log, status and console use.

Deterministic: the words depend on nothing but what is told, on any machine and in any time zone.
What comes from outside (paths, messages, names) is shown with its control characters escaped.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from vsync_sm.core import events as e
from vsync_sm.core.errors import FaultKind
from vsync_sm.core.outcome import asked_to_stop, has_failed
from vsync_sm.core.refusal import refusal, rules
from vsync_sm.core.sentences import phases, sentence, summary, unchosen, why
from vsync_sm.core.words import (
    clock,
    count,
    counts,
    duration,
    listing,
    number,
    printable,
    share,
    size,
    time_of_day,
)

__all__ = [
    "Severity",
    "clock",
    "count",
    "counts",
    "duration",
    "listing",
    "number",
    "phases",
    "printable",
    "refusal",
    "rules",
    "sentence",
    "severity",
    "share",
    "size",
    "summary",
    "time_of_day",
    "unchosen",
    "why",
]

Severity = Literal["debug", "info", "warning", "error"]
"""How grave an event is: the levels of a log."""

_DEBUG = (
    e.MountChecked,
    e.SyncInfoRead,
    e.FolderListed,
    e.WorkerStarted,
    e.InsightGenerated,
    e.InsightsUnchanged,
    e.InsightSkipped,
    e.PathAbandoned,
    e.WorkersObserved,
    e.InsightVanished,
    e.BucketReindexed,
    e.CycleStarted,
    e.SaveStarted,
    e.SaveSkipped,
    e.SegmentOpened,
)
_WARNING = (
    e.RunRecovered,
    e.TriggerIgnored,
    e.DetailedListFailed,
    e.PathFailed,
    e.InsightCarriedForward,
    e.InsightRegressed,
    e.SaveFailed,
    e.SaveUncertain,
    e.JournalRepaired,
    e.StatusFailed,
    e.ChecksPostponed,
    e.Unknown,
)
_GRAVITY: dict[type, Severity] = {
    **dict.fromkeys(_DEBUG, "debug"),
    **dict.fromkeys(_WARNING, "warning"),
    e.SaveRefused: "error",
}
_HEALING = frozenset(kind.word for kind in FaultKind if kind.heals)


def severity(event: e.Event | e.Unknown) -> Severity:
    """How grave an event is, for a log's level or a colour."""
    grave = _DEPENDS.get(type(event))
    if grave is not None:
        return grave(event)
    return _GRAVITY.get(type(event), "info")


def _end_severity(event: e.RunFinished) -> Severity:
    if event.exit_code == 0:
        return "info"
    return "warning" if event.exit_code == 3 or event.exit_code > 128 else "error"


def _move_severity(event: e.Transitioned) -> Severity:
    if event.trigger not in {"abort", "halt"}:
        return "debug"
    if event.reason == "fatal":
        return "error"
    return "info" if asked_to_stop(event.reason) or event.reason == "once" else "warning"


def _cycle_severity(event: e.CycleFinished) -> Severity:
    return "warning" if has_failed(event.outcome, event.reason) else "info"


_DEPENDS: dict[type, Callable[[Any], Severity]] = {
    e.PathsListed: lambda event: "warning" if event.idle else "debug",
    e.CheckFailed: lambda event: "warning" if event.kind in _HEALING else "error",
    e.RunFinished: _end_severity,
    e.Transitioned: _move_severity,
    e.CycleFinished: _cycle_severity,
    e.WorkerStopped: lambda event: "warning" if event.abandoned else "debug",
    e.SaveReconciled: lambda event: "info" if event.outcome == "committed" else "warning",
    e.FaultRaised: lambda event: "error" if event.fatal else "warning",
    e.CommandReceived: lambda event: "warning" if event.refused else "info",
    e.ServerConditionChanged: lambda event: "info" if event.condition == "answering" else "warning",
    e.Notified: lambda event: "info" if event.ok else "error",
}
