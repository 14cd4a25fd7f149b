"""The clock runs as fast as it is told to, and what is on the screen is what was known then."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.tui.nights import NIGHTS
from tests.tui.piloted import Handed, top
from tests.tui.remembered import Remembered
from tests.tui.replaying import PLACES, RECORDS, Watched, walk
from tui.glance import Badge, Glance, Place
from tui.lost import Contact
from tui.replay.feed import PlayFeed
from tui.replay.moves import TROUBLE, Move, Nowhere, Spot, begin, end, step, to, to_seq, to_time
from tui.replay.player import SPEEDS, Player
from tui.sight import Sight
from tui.times import Times
from vsync_sm.core.insight import moment
from vsync_sm.core.marks import Kind
from vsync_sm.core.reach import SHELL
from vsync_sm.core.view import View

NS = 1_000_000_000


@cache
def remembered(night: str) -> Remembered:
    return Remembered(NIGHTS[night]().records)


def standing(past: Remembered, seq: int) -> Player:
    player = Player(past)
    player.move(to_seq(seq))
    assert player.settle()
    return player


# --- playing, by hand ------------------------------------------------------------------------


def test_between_two_records_the_clock_runs_at_the_speed() -> None:
    past = remembered("refused")
    first = PLACES["cycle"][1]  # a minute's wait lies before it
    for speed in SPEEDS[:3]:
        player = standing(past, first - 1)
        player.speed = speed
        began = player.moment
        player.toggle()
        assert not player.advance(NS // 10)
        assert player.moment == began + speed * NS // 10
        assert player.view.seq == first - 1
        wait = RECORDS[first - 1].mono - RECORDS[first - 2].mono
        player.advance(wait // speed - NS // 10 - NS // 100)
        assert player.view.seq == first - 1
        player.advance(NS // 50)
        assert player.view.seq >= first
        assert player.view == past.view_at(player.view.seq)


def test_as_fast_as_it_goes_ends_at_the_end_and_begins_anew_from_there() -> None:
    past = remembered("two_runs")
    player = standing(past, 1)
    player.speed = SPEEDS[-1]
    player.toggle()
    while player.advance(0):
        pass
    assert player.view == past.view_at(past.last)
    assert (player.at_end, player.playing) == (True, False)
    player.toggle()
    assert player.settle()
    assert (player.view.seq, player.playing) == (1, True)


def test_what_cannot_keep_up_is_late_and_catches_up() -> None:
    past = remembered("refused")
    player = standing(past, 1)
    player.speed = 100
    player.toggle()
    assert player.advance(NS), "a hundred seconds are more than a batch"
    late = player.moment
    assert late < moment(RECORDS[0].ts) + 100 * NS
    assert late <= moment(RECORDS[player.view.seq].ts), "never ahead of what it has not told"
    while player.advance(0):
        pass
    assert abs(player.moment - moment(RECORDS[0].ts) - 100 * NS) < NS


# --- on the screen ---------------------------------------------------------------------------


def test_the_keys_play() -> None:
    cycle = PLACES["cycle"][1]

    async def test(watched: Watched) -> None:
        await watched.press("home", "right_curly_bracket", "right_curly_bracket", "left")
        await watched.at(cycle - 1)
        before = watched.glance.now.wall
        await watched.press("space")
        await watched.until(lambda: "▶ ×1 " in watched.bar())
        watched.clock.wait(10)
        await watched.until(lambda: watched.glance.now.wall == before + 10 * NS)
        await watched.press("plus")
        await watched.until(lambda: "▶ ×10 " in watched.bar())
        watched.clock.wait(2)
        await watched.until(lambda: watched.glance.now.wall == before + 30 * NS)
        assert "next tick in" in top(watched.app)["Strip"]
        await watched.press("space")
        await watched.until(lambda: "‖ ×10 " in watched.bar())
        watched.clock.wait(60)
        await watched.press("plus", "plus", "plus", "minus")
        await watched.until(lambda: "‖ ×100 " in watched.bar())
        assert watched.glance.now.wall == before + 30 * NS
        await watched.press("plus", "space")
        await watched.at(len(RECORDS))
        await watched.until(lambda: "■ ×max" in watched.bar())
        assert watched.glance.now.end

    walk(RECORDS, test, (80, 24))


def test_silence_is_judged_at_the_moment() -> None:
    records = NIGHTS["crashed"]().records
    cut = next(each.seq for each in records if each.run == "c0ffee12") - 1

    async def test(watched: Watched) -> None:
        await watched.press("home", *(["right_square_bracket"] * 2), "left", "space")
        await watched.at(cut)
        await watched.until(lambda: watched.app.player.standing.playing)
        assert "LOST" not in top(watched.app)["Title"]
        watched.clock.wait(20)
        await watched.until(lambda: "✖ LOST" in top(watched.app)["Title"])
        assert "REPLAY" in top(watched.app)["Title"]
        assert "no line for 20 s, in working" in top(watched.app)["Title"]
        watched.clock.wait(401)
        await watched.until(lambda: watched.glance.view.seq > cut)
        assert "LOST" not in top(watched.app)["Title"]

    walk(records, test)


def test_what_is_not_indexed_yet_is_waited_for() -> None:
    past = Remembered(RECORDS)
    past.known, past.share = 3000, 0.4

    async def test(watched: Watched) -> None:
        assert "indexed 40 %" in watched.bar()
        await watched.press("colon", *"#4000", "enter")
        await watched.until(lambda: "#4000 is shown as soon as" in top(watched.app)["Title"])
        assert watched.glance.view.seq == 3000
        past.known, past.share = past.last, 1.0
        await watched.at(4000)
        await watched.until(lambda: "indexed" not in watched.bar())

    walk(past, test)


def test_the_end_is_found_by_the_index() -> None:
    past = Remembered(RECORDS)
    past.known, past.share = 3000, 0.4

    async def test(watched: Watched) -> None:
        assert "the journal's end is still being found" in top(watched.app)["Title"]
        past.known, past.share = past.last, 1.0
        await watched.at(past.last)
        assert "still being found" not in top(watched.app)["Title"]
        assert watched.glance.now.end

    walk(past, test, (80, 24))


def test_what_goes_wrong_is_said_and_the_clock_stays() -> None:
    class Torn(Remembered):
        indexed = 0

        def index(self, stop: Callable[[], bool]) -> None:  # noqa: ARG002  the Protocol's
            self.indexed += 1

        def view_at(self, seq: int) -> View:
            if seq == 77:
                raise OSError("the disk is gone")
            return super().view_at(seq)

    async def test(watched: Watched) -> None:
        await watched.press("home")
        await watched.at(1)
        await watched.press("colon", *"#77", "enter")
        await watched.until(lambda: "the disk is gone" in top(watched.app)["Title"])
        assert watched.glance.view.seq == 1
        await watched.press("right")
        await watched.at(2)
        assert not watched.glance.damage
        await watched.until(lambda: torn.indexed == 2)  # the files may be others by now

    torn = Torn(RECORDS)
    walk(torn, test, (80, 24))


# --- the same as it was live -----------------------------------------------------------------

ASKED = {"unable": "", "contact": Contact(), "source": "j", "times": Times.utc, "reach": SHELL}


def live(past: Remembered, seq: int, wall: int) -> Glance:
    """What a console that was attached then would have shown."""
    sight = Sight(Handed(past.view_at(seq)), lambda: wall)
    return sight.glance(**ASKED)  # type: ignore[arg-type]  # a dict has one type for all


MOVES = st.one_of(
    st.sampled_from([begin, end, step(1), step(-1)]),
    st.builds(to, st.sampled_from([1, -1]), st.sampled_from(Kind)),
    st.builds(lambda way: to(way, *TROUBLE), st.sampled_from([1, -1])),
    st.builds(to_seq, st.integers(1, 5000)),
    st.builds(
        lambda s: to_time(moment("2026-11-02T01:52:00Z") + s * NS // 10), st.integers(0, 9000)
    ),
)


@settings(max_examples=30, deadline=None)
@given(
    night=st.sampled_from(["refused", "stuck", "behind", "crashed", "two_runs"]),
    moves=st.lists(st.one_of(MOVES, st.integers(1, 3 * NS)), min_size=1, max_size=12),
)
def test_wherever_one_goes_it_looks_as_it_did(night: str, moves: list[Move | int]) -> None:
    past = remembered(night)
    feed = PlayFeed(past, lambda: 0)
    player = feed._player
    sight = Sight(feed, lambda: 0)
    player.spot = end(past, Spot(0))
    for move in moves:
        player.settle()
        if isinstance(move, int):
            player.toggle()
            player.settle()
            player.advance(move)
        else:
            try:
                player.move(move)
            except Nowhere:
                continue
    player.playing = False
    player.settle()
    feed._stay_at_end = False
    feed.standing = feed._stand()
    glance = sight.glance(**ASKED)  # type: ignore[arg-type]
    assert glance.view == past.view_at(player.spot.seq), "as folded from the start"
    if glance.now.end:
        assert player.spot.seq == past.last
        return
    then = live(past, player.spot.seq, player.moment)
    assert glance.silent == (then.badge is Badge.LOST)
    badge = Badge.LOST if glance.silent else Badge.ATTACHED
    assert replace(glance, badge=badge, place=Place(), silent=False) == then
    assert (glance.answer, glance.stale, glance.known) == (then.answer, then.stale, then.known)
