"""How a cycle ended, and which of them are good: the one place that says so.

A cycle that is over has an `outcome` and, where it was aborted, a `reason` (those of
`cycle_finished`), or one of the words below where no `cycle_finished` tells of its end.
"""

from __future__ import annotations

CRASHED = "crashed"
"""Its run ended without a word: the outcome of a cycle that a crash cut short."""

CUT_OFF = "cut_off"
"""Its run ended by itself, and did not wait for it: a second signal did not let it."""

_COMPLETE = frozenset(("saved", "unchanged"))
_ASKED = frozenset(("signal", "operator"))


def is_complete(outcome: str) -> bool:
    """Whether Consul holds, after such a cycle, what Vault did: it saved, or had nothing to."""
    return outcome in _COMPLETE


def has_failed(outcome: str, reason: str = "") -> bool:
    """Whether a cycle that is over was neither complete nor asked to stop.

    What nobody knows as an outcome has failed, too.
    """
    return not (is_complete(outcome) or outcome == CUT_OFF or asked_to_stop(reason))


def asked_to_stop(reason: str) -> bool:
    """Whether a cycle, or the run, ended since somebody asked for it; that is no failure."""
    return reason in _ASKED
