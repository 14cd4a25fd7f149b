"""Which two moments are to be compared, as people name them."""

from __future__ import annotations

import msgspec

from vsync_sm.core.moments import Moment, MomentError, moment_of
from vsync_sm.core.words import printable

EXAMPLES = "failed, cycle:12, cycle:9..cycle:12 or 03:12..03:40"
"""What may be written, for who wrote something else."""


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """The end of the first of the cycles that failed last in a row."""


class Pair(msgspec.Struct, frozen=True):
    """Two moments; without a first one, it is the last good cycle before that of the second."""

    first: Moment | Failed | None
    second: Moment | Failed


def pair_of(text: str) -> Pair:
    """The moments that somebody names.

    Args:
        text: `failed`; a moment as `moments` has it, alone or two of them, as in
            `cycle:9..cycle:12`; `failed` may be one of the two.

    Raises:
        MomentError: it is none of these; one sentence that says what would do.
    """
    first, dots, second = text.partition("..")
    if not dots:
        return Pair(None, _moment(text))
    if not first.strip() or not second.strip():
        raise MomentError(
            f"“{printable(text)}” lacks a moment: write both, as in cycle:9..cycle:12, "
            "or one alone, which is compared with the last good cycle before it."
        )
    return Pair(_moment(first), _moment(second))


def _moment(text: str) -> Moment | Failed:
    return Failed() if text.strip().lower() == "failed" else moment_of(text)
