"""What a supervisor, an orchestrator or a human with curl is told: is it healthy, does it live?

`/health` is the console's answer: 200, or 503 with the reason; made for alerts and readiness. A
refused save or a sealed Vault is no reason to start the process anew, so `/live` is another
question: does the loop still turn?
"""

from __future__ import annotations

from http import HTTPStatus

import orjson

from vsync_sm.core.answer import Health, answer, now_at
from vsync_sm.core.shapes import View
from vsync_sm.core.words import printable
from vsync_sm.operate.web import JSON, TEXT, Reply, wants_json

STARTING = "the journal is being read"

LOOP_S = 30.0
"""A loop that has not turned for so many seconds does not live."""


def health(view: View | None, wall: int, accept: str) -> Reply:
    """Whether the origin is healthy at `wall` (ns since 1970); None: its run has not begun."""
    if view is None:
        told: dict[str, object] = {"word": "STARTING", "health": "failing", "because": STARTING}
        return _reply(healthy=False, told=told, accept=accept)
    says = answer(view, now_at(view, wall))
    told = {
        "word": str(says.word),
        "health": str(says.health),
        "because": says.because,
        "todo": says.todo,
        "state": view.state.name,
        "last_success": view.last_complete or None,
        "last_success_s": says.complete_s,
        "last_save_s": says.save_s,
        "failed_in_row": says.failed_in_row,
    }
    return _reply(healthy=says.health is Health.healthy, told=told, accept=accept)


def live(silent_s: float | None, accept: str) -> Reply:
    """Whether the loop lives that has been silent for so long; None: its run has not begun."""
    alive = silent_s is None or silent_s < LOOP_S
    because = STARTING if silent_s is None else f"the loop turned {silent_s:.1f} s ago"
    told: dict[str, object] = {"word": "LIVE" if alive else "HANGING", "because": because}
    return _reply(healthy=alive, told=told, accept=accept)


def _reply(*, healthy: bool, told: dict[str, object], accept: str) -> Reply:
    status = HTTPStatus.OK if healthy else HTTPStatus.SERVICE_UNAVAILABLE
    if wants_json(accept):
        return Reply(status, JSON, orjson.dumps(told) + b"\n")
    lines = [f"{told['word']}: {told['because']}"]
    if told.get("todo"):
        lines.append(f"to do: {told['todo']}")
    return Reply(status, TEXT, "".join(f"{printable(line)}\n" for line in lines).encode())
