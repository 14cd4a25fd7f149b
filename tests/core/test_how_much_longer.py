"""In which words a comparison tells how two times differ: by how much, and by how many times."""

from __future__ import annotations

import pytest

from vsync_sm.core.comparing import PhaseTimes
from vsync_sm.core.cycle_seen import Ended
from vsync_sm.core.differences import how_much_longer


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        (0.57, 1.04, "1.8 times as long"),
        (1.04, 0.57, "1.8 times shorter"),
        (0.003, 0.009, "about the same"),
        (0.009, 0.003, "about the same"),
        (0.003, 0.06, "20 times as long"),
        (10.0, 14.9, "about the same"),
        (10.0, 15.0, "1.5 times as long"),
        (1.49, 300.0, "201 times as long"),
        (0.0, 0.04, "about the same"),
        (0.0, 0.0, "about the same"),
        (0.0, 0.4, ""),
        (None, 0.4, "entered only then"),
        (0.4, None, "not entered"),
    ],
)
def test_a_difference_in_words(first: float | None, second: float | None, words: str) -> None:
    assert how_much_longer(PhaseTimes("listing", first, second)) == words


@pytest.mark.parametrize(
    ("second", "words"), [(3.0, "3 times as long, cut off"), (0.2, "cut off"), (1.1, "cut off")]
)
def test_what_was_cut_off_is_never_called_shorter(second: float, words: str) -> None:
    assert how_much_longer(PhaseTimes("listing", 1.0, second, Ended.cut)) == words
