"""When a token is renewed, replaced or let go."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from vsync_sm.core.lease import NOTHING_TO_DO, Lease, Step, lease

NS = 1_000_000_000
LEASES = st.builds(
    Lease,
    since=st.integers(0, 10**15),
    seconds=st.integers(1, 10**8),
    renewable=st.booleans(),
    full=st.integers(1, 10**8),
    early=st.floats(0, 1, exclude_max=True),
)


@given(LEASES, st.booleans())
def test_something_is_done_in_the_last_third_of_a_life_and_never_after_it(
    held: Lease, can_log_in: bool
) -> None:
    due = held.due(can_log_in=can_log_in)
    assert due is not None
    share = (due - held.since) / NS / held.seconds
    if held.step(can_log_in=can_log_in) is Step.end:
        assert due == held.ends
    else:
        assert 0.63 < share < 0.71
        assert due < held.ends


@given(st.integers(1, 10**6), st.integers(1, 10**6))
def test_a_renewal_that_gives_less_than_before_was_the_last(first: int, second: int) -> None:
    begun = lease(None, since=0, seconds=first, renewable=True)
    renewed = lease(begun, since=5, seconds=second, renewable=True)
    assert begun.step(can_log_in=True) is Step.renew
    assert renewed.since == 5
    assert renewed.lasts is (second >= first)
    assert renewed.step(can_log_in=True) is (Step.renew if second >= first else Step.replace)
    assert renewed.step(can_log_in=False) is (Step.renew if second >= first else Step.end)


def test_a_longer_renewal_sets_the_measure() -> None:
    begun = lease(None, since=0, seconds=10, renewable=True)
    longer = lease(begun, since=1, seconds=20, renewable=True)
    assert not lease(longer, since=2, seconds=15, renewable=True).lasts


def test_what_cannot_be_renewed_is_replaced_in_time() -> None:
    batch = lease(None, since=0, seconds=60, renewable=False)
    assert batch.step(can_log_in=True) is Step.replace
    assert batch.due(can_log_in=True) == 40 * NS
    assert batch.due(can_log_in=False) == 60 * NS


def test_what_never_ends_needs_nothing() -> None:
    for held in (NOTHING_TO_DO, lease(None, since=7, seconds=0, renewable=False)):
        assert held.due(can_log_in=True) is None
        assert held.due(can_log_in=False) is None
