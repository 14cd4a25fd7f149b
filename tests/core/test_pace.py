"""How far a cycle is: shares, rates and what is left, as far as they can be known."""

from __future__ import annotations

from tests.core.viewing import Seen, generated, moved
from vsync_sm.core import events as e
from vsync_sm.core.pace import Pace, pace, per_second


def pace_of(seen: Seen, after: float = 0) -> Pace:
    assert seen.view.cycle is not None
    return pace(seen.view.cycle, seen.now(after))


def started() -> Seen:
    seen = Seen()
    seen.start()
    return seen


def test_while_listing_nothing_of_it_is_known() -> None:
    seen = started()
    seen.cycle = 1
    seen(
        e.CycleStarted(mounts=("secret/",), workers=1, num_buckets=4, deadline_s=300.0),
        moved("tick", "waiting", "listing"),
    )
    told = pace_of(seen, after=9)
    assert (told.done, told.listed, told.share, told.rate, told.eta_s) == (
        0,
        None,
        None,
        None,
        None,
    )
    assert (told.took_s, told.deadline_left_s) == (10.0, 290.0)


def test_while_working() -> None:
    seen = started()
    seen.begin(listed=12)
    skipped = e.InsightSkipped(worker=1, path="b", why="deleted")
    failed = e.PathFailed(worker=1, path="c", kind="timeout", message="no answer")
    seen(generated("a"), skipped, failed)
    told = pace_of(seen, after=2)
    assert (told.done, told.listed, told.share) == (3, 12, 0.25)
    assert told.rate == 3 / 6, "three paths in the six seconds of working"
    assert told.eta_s == 9 / told.rate


def test_nothing_done_yet_gives_no_rate() -> None:
    seen = started()
    seen.begin(listed=12)
    told = pace_of(seen)
    assert (told.share, told.rate, told.eta_s) == (0.0, None, None)


def test_an_empty_mount_is_done() -> None:
    seen = started()
    seen.begin(listed=0)
    assert pace_of(seen).share == 1.0


def test_after_working_the_rate_stays() -> None:
    seen = started()
    seen.begin(listed=1)
    seen(generated("a"))
    seen.reindex()
    told = pace_of(seen, after=50)
    assert (told.share, told.rate, told.eta_s) == (1.0, 1 / 3, 0.0)


def test_a_passed_deadline_leaves_nothing() -> None:
    seen = started()
    seen.begin()
    assert pace_of(seen, after=1000).deadline_left_s == 0.0


def test_more_done_than_listed_is_never_more_than_all() -> None:
    seen = started()
    seen.begin(listed=1)
    seen(generated("a"), generated("b"))
    told = pace_of(seen)
    assert (told.share, told.eta_s) == (1.0, 0.0)


def test_while_nothing_moves_there_is_no_rate() -> None:
    seen = started()
    seen.begin(listed=12)
    seen(generated("a"))
    told = pace_of(seen, after=6)
    assert (told.rate, told.eta_s) == (None, None)
    assert told.stall is not None
    assert told.stall.words == "no path finished for 6 s"


def test_rates_in_words() -> None:
    said = [per_second(rate) for rate in (0.04, 0.3, 0.996, 1.0, 4.25, 12.4, 1234.5)]
    assert said == [
        *("0.04 paths a second", "0.3 paths a second", "1 path a second", "1 path a second"),
        *("4.2 paths a second", "12 paths a second", "1,234 paths a second"),
    ]
