"""Leaves the unchanged insights out of what is told, and tells how many they were."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator

from vsync_sm.core import events as e

_ENDS = (e.InsightGenerated, e.InsightSkipped, e.PathFailed)


def condensed(events: Iterable[e.Event], carried: Container[str]) -> Iterator[e.Event]:
    """The events, with `insights_unchanged` in place of insights that are.

    The counts come before anything but the ends of paths, so that whatever rests on the sums
    (a worker's own, the phase's) stands behind them.

    Args:
        events: as a cycle tells them.
        carried: the paths whose insight was carried forward until now: that one of them was read
            again is a change, and is told.
    """
    counts: dict[int, int] = {}
    for event in events:
        if (
            isinstance(event, e.InsightGenerated)
            and event.change == "unchanged"
            and event.path not in carried
        ):
            counts[event.worker] = counts.get(event.worker, 0) + 1
            continue
        if not isinstance(event, _ENDS):
            yield from _told(counts)
        yield event
    yield from _told(counts)


def _told(counts: dict[int, int]) -> Iterator[e.Event]:
    for worker, count in counts.items():
        yield e.InsightsUnchanged(worker=worker, count=count)
    counts.clear()
