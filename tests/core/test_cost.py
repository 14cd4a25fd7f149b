"""What a cycle costs, and what is recommended: arithmetic alone."""

from __future__ import annotations

import msgspec
import pytest

from vsync_sm.core.cost import Cost

TEN_THOUSAND = Cost(
    mounts=1, folders=100, paths=10_000, tick_s=60.0, timeout_s=300.0, workers=1, round_trip_s=0.002
)


def lines(cost: Cost, **changed: object) -> list[str]:
    """What a human is told."""
    return list(msgspec.structs.replace(cost, **changed).lines())


def test_ten_thousand_secrets_a_minute_are_46_gigabytes_of_audit_log_a_day() -> None:
    assert TEN_THOUSAND.requests == 10_103
    requests, a_day, takes = lines(TEN_THOUSAND)
    assert requests.startswith(
        "A cycle costs 10,103 requests to Vault: 100 lists, 10,000 metadata reads, "
        "2 looks at mounts, 1 to catch up; "
    )
    assert "14,548,320 requests a day, and about 46.6 GB a day" in a_day
    assert "(an estimate: 3.2 kB a request)" in a_day
    assert takes.endswith("and 1 worker a cycle takes about 20.2 s.")


def test_detailed_lists_take_the_place_of_most_reads() -> None:
    changed = {"lists": 100, "lists_s": 0.5, "detailed": 9_900}
    requests, a_day, takes = lines(TEN_THOUSAND, **changed)
    assert requests.startswith(
        "A cycle costs 303 requests to Vault: 100 lists, 100 detailed lists with the metadata "
        "of 9,900 paths, 100 metadata reads, 2 looks at mounts, 1 to catch up; "
    )
    # 303 requests of 3,200 bytes and 9,900 paths of 630 bytes, 1,440 times.
    assert "436,320 requests a day, and about 10.4 GB a day" in a_day
    assert "(an estimate: 3.2 kB a request, 630 bytes a path in a detailed list)" in a_day
    assert takes.endswith("and 1 worker a cycle takes about 0.91 s.")


def test_workers_share_the_lists_and_the_reads_and_nothing_else() -> None:
    assert TEN_THOUSAND.takes_s(10) == pytest.approx((3 + 1_010) * 0.002)
    detailed = msgspec.structs.replace(TEN_THOUSAND, lists=100, lists_s=5.0, detailed=9_000)
    assert detailed.takes_s(10) == pytest.approx((3 + 110) * 0.002 + 0.5)


@pytest.mark.parametrize(
    ("changed", "advice"),
    [
        ({}, []),
        (
            {"round_trip_s": 0.02},
            ["half of origin.tick (1 min): origin.numWorkers: 7, or origin.tick: 405s would do"],
        ),
        ({"round_trip_s": 0.02, "workers": 8}, []),
        (
            {"round_trip_s": 0.05},
            [
                "longer than origin.timeout (5 min): it would be aborted",
                "origin.numWorkers: 17, or origin.tick: 1011s would do",
            ],
        ),
        (
            {"per_second": 200.0, "workers": 16},  # no number of workers gets past the ceiling
            ["half of origin.tick (1 min): origin.tick: 102s would do"],
        ),
        ({"per_second": 500.0, "workers": 16}, []),
    ],
)
def test_advice_comes_where_a_cycle_takes_more_than_half_of_the_tick(
    changed: dict[str, object], advice: list[str]
) -> None:
    _, _, takes, *told = lines(TEN_THOUSAND, **changed)
    assert len(told) == len(advice)
    assert all(wanted in line for wanted, line in zip(advice, told, strict=True))
    ceiling = changed.get("per_second")
    assert (f"{ceiling:g} a second at the most" in takes) if ceiling else "at the most" not in takes


@pytest.mark.parametrize(
    ("round_trip_s", "per_second", "begins"),
    [
        (0.0071, 0.0, "At 7.1 ms a request, as measured just now, and 1 worker "),
        (0.12, 0.0, "At 120 ms a request, as measured just now, and 1 worker "),
        (2.0, 0.5, "At 2 s a request, as measured just now, 0.5 a second at the most, and 1 "),
    ],
)
def test_what_a_request_took_is_told_as_people_write_it(
    round_trip_s: float, per_second: float, begins: str
) -> None:
    takes = lines(TEN_THOUSAND, round_trip_s=round_trip_s, per_second=per_second)[2]
    assert takes.startswith(begins)


def test_what_is_recommended_is_enough() -> None:
    slow = msgspec.structs.replace(TEN_THOUSAND, round_trip_s=0.05)
    assert slow.workers_needed is not None
    for better in (
        msgspec.structs.replace(slow, workers=slow.workers_needed),
        msgspec.structs.replace(slow, tick_s=slow.tick_needed_s, timeout_s=slow.tick_needed_s),
    ):
        assert not [line for line in better.lines() if line.startswith("→")]


def test_nothing_is_recommended_where_nothing_was_measured() -> None:
    assert len(lines(TEN_THOUSAND, round_trip_s=None)) == 2
