"""What is said over the control socket: one JSON object a line, and one line in answer.

A request is `{"v": 1, "command": "pause", "argument": "why"}`, or `{"v": 1, "query": "status"}`
(`ping`, `status`, and `refused` with an id as `argument`; `status` may take the journal's path as
it must be named where one asks, for what it says to do). An answer has `ok` and one sentence,
`words`, and what the query asked for. Fields that one side does not know, it ignores.
"""

from __future__ import annotations

from typing import Any

import msgspec

from vsync_sm.core.ready import ready

VERSION = 1

REQUEST_LIMIT = 64 * 1024
"""No request's line is longer than this (bytes)."""

ANSWER_LIMIT = 256 * 1024 * 1024
"""No answer's line is longer than this (bytes): room for a million refused paths."""

QUERIES = ("ping", "status", "refused")


class Request(msgspec.Struct, frozen=True):
    """One line that a peer sends: a command, or a query."""

    v: int
    command: str = ""
    query: str = ""
    argument: str = ""


class Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line in answer, beside its `v`; what was not asked for keeps its default.

    `lines` and `document` are the status, `health` its short form. `refused` holds what was
    refused under an id, `to_type` what a human types to allow it, `consequences` what destinations
    would do.
    """

    ok: bool
    words: str = ""
    lines: tuple[str, ...] = ()
    document: dict[str, Any] = {}
    health: str = ""
    to_type: str = ""
    consequences: tuple[str, ...] = ()
    refused: tuple[str, ...] | None = None


ready(Request, Answer)
