"""What a benchmark is asked for."""

from __future__ import annotations

import msgspec


class Asked(msgspec.Struct, frozen=True):
    """How much of each: `secrets` in the real servers, `insights` that are saved, `sizes` of growth
    in a real OpenBao, and `imagined` ones in the server that answers from memory; `events` in the
    journal.
    """

    secrets: int = 10_000
    insights: int = 100_000
    events: int = 1_000_000
    rounds: int = 3
    workers: int = 16
    sizes: tuple[int, ...] = (1_000, 10_000, 100_000)
    imagined: tuple[int, ...] = (1_000, 10_000, 100_000, 1_000_000)


QUICK = Asked(
    secrets=2_000,
    insights=10_000,
    events=100_000,
    rounds=1,
    sizes=(1_000, 10_000),
    imagined=(1_000, 10_000, 100_000),
)
"""Enough to see that all of it works, and about how it stands."""
