"""Which cycles are good, and which have failed."""

from __future__ import annotations

import pytest

from vsync_sm.core.counters import OUTCOMES
from vsync_sm.core.machine import Reason
from vsync_sm.core.outcome import CRASHED, CUT_OFF, asked_to_stop, has_failed, is_complete


def test_the_outcomes() -> None:
    assert [outcome for outcome in OUTCOMES if is_complete(outcome)] == ["saved", "unchanged"]
    assert [outcome for outcome in OUTCOMES if has_failed(outcome)] == ["refused", "aborted"]
    assert not is_complete("")
    assert [outcome for outcome in (CRASHED, CUT_OFF, "exploded") if is_complete(outcome)] == []
    assert [outcome for outcome in (CRASHED, CUT_OFF, "exploded") if has_failed(outcome)] == [
        CRASHED,
        "exploded",
    ]


@pytest.mark.parametrize("reason", Reason)
def test_who_was_asked_to_stop_did_not_fail(reason: Reason) -> None:
    asked = reason in {Reason.signal, Reason.operator}
    assert asked_to_stop(reason) is asked
    assert has_failed("aborted", reason) is not asked
    assert not has_failed("unchanged", reason)
