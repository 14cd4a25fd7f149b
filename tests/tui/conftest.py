"""What the tests of screens share: a pause that ends when everything is done, not when it looks so.

Textual's own pause takes a process that uses no CPU for 20 ms to be done. On a busy machine a
process uses none because it gets none: a test goes on too early, and finds what has not come yet.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from textual import app as textual_app
from textual import pilot
from textual._context import active_app
from textual.screen import Screen

from tests.workshop import PATIENCE_S


@pytest.fixture(autouse=True)
def _rests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys and pauses last until nothing is left to do."""
    for module in (pilot, textual_app):
        monkeypatch.setattr(module, "wait_for_idle", at_rest)


async def at_rest(*_: float) -> None:
    """Until every message is dealt with and the screen on top is laid out and drawn.

    What has a time of its own (a timer, a thread) is not waited for.
    """
    ends = time.monotonic() + PATIENCE_S
    while time.monotonic() < ends:
        await _nothing_to_do()
        app = active_app.get(None)
        if app is None or not app.is_running or not app.screen_stack:
            return
        screen = app.screen
        if app._resize_event is not None:
            app._check_resize()
        elif app._batch_count:
            await asyncio.sleep(0.001)
        elif _is_stale(screen):
            screen._on_timer_update()
        else:
            return
    raise AssertionError("the screen does not come to rest")


async def _nothing_to_do() -> None:
    """Until the loop has nothing to run but this."""
    ready = asyncio.get_running_loop()._ready  # type: ignore[attr-defined]  # it has no other name
    await asyncio.sleep(0)
    while ready:
        await asyncio.sleep(0)


def _is_stale(screen: Screen[Any]) -> bool:
    return bool(
        screen._layout_required
        or screen._scroll_required
        or screen._repaint_required
        or screen._recompose_required
        or screen._dirty_widgets
        or screen._callbacks
    )
