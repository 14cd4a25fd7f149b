"""Faults that are one trouble are told once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsync_sm.core.events import FaultRaised
from vsync_sm.core.grouping import grouped, shape
from vsync_sm.core.shapes import SeenFault


def seen(second: int, message: str, *, kind: str = "a", fatal: bool = False) -> SeenFault:
    event = FaultRaised(kind=kind, fatal=fatal, message=message)
    return SeenFault(f"2026-11-02T10:00:{second:02}.000000Z", "run-1", second, event)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("no answer after 3 s", "no answer after 4.5 s"),
        ("cannot read secret/data/a", "cannot read ops/data/b/c"),
        ("bucket 3 of 64 is 420,000 bytes", "bucket 12 of 64 is 1,000 bytes"),
        ('no mount "a b"', 'no mount "c"'),
        ("index 0123abcd is not 4567ef89", "index ffff0123 is not 89abcdef"),
    ],
)
def test_what_varies_makes_no_other_shape(one: str, other: str) -> None:
    assert shape(one) == shape(other)


def test_what_is_said_makes_another() -> None:
    assert shape("Vault is sealed") != shape("Vault is down")


def test_groups_stand_newest_first_with_what_they_hold() -> None:
    faults = [seen(1, "slow: 1 s"), seen(2, "sealed"), seen(3, "slow: 9 s"), seen(4, "gone")]
    groups = grouped(faults)
    assert [group.newest.event.message for group in groups] == ["gone", "slow: 9 s", "sealed"]
    slow = groups[1]
    assert (slow.count, slow.first, slow.newest, slow.cycles) == (2, faults[0], faults[2], (1, 3))


def test_another_kind_or_a_fatal_one_is_another_trouble() -> None:
    faults = [seen(1, "x"), seen(2, "x", kind="b"), seen(3, "x", fatal=True)]
    assert len(grouped(faults)) == 3


@given(st.lists(st.sampled_from(["a 1", "a 2", "b", "c/d is e"]), max_size=20))
def test_none_is_lost_and_none_told_twice(messages: list[str]) -> None:
    faults = [seen(second, message) for second, message in enumerate(messages)]
    groups = grouped(faults)
    assert sum(group.count for group in groups) == len(faults)
    assert len({shape(group.newest.event.message) for group in groups}) == len(groups)
    assert [group.newest.ts for group in groups] == sorted(
        (group.newest.ts for group in groups), reverse=True
    )
