"""What a human is told, whichever way it reaches them: of a fault, or that it is over."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from vsync_sm.core.errors import Fault


class Notice(msgspec.Struct, frozen=True):
    """One message to a human: no secrets, as in the fault that it tells of.

    `kind` is the fault's word, or `origin_healed`; `context` is what a human searches for.
    """

    kind: str
    message: str
    hint: str = ""
    fatal: bool = False
    context: Mapping[str, str] = {}


def notice_of(fault: Fault) -> Notice:
    """What a human is told of a fault."""
    return Notice(
        kind=fault.kind.word,
        message=fault.message,
        hint=fault.hint,
        fatal=fault.fatal,
        context=dict(fault.context),
    )
