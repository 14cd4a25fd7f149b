"""What a human is told when a save is refused: what is in its way, and what helps."""

from __future__ import annotations

from vsync_sm.core import events as e
from vsync_sm.origin.alarms import newly_refused


def test_a_refusal_that_removes_no_path_tells_what_is_in_its_way() -> None:
    event = e.SaveRefused(
        refusals=(e.Refusal(rule="num_buckets", items=("4 -> 6",)),),
        vanished={},
        regressed={},
        sample=(),
        allowance="a1b2c3d4e5f6",
    )
    told = newly_refused(event, live=True)
    assert told.message == (
        "a save is refused: the number of buckets would change: 4 -> 6 (num_buckets)"
    )
    assert told.hint == "Set numBuckets back, or allow it: vsync-sm ctl allow a1b2c3d4e5f6"
