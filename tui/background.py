"""Work that may take seconds, on a thread that nobody ever waits for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from textual.message_pump import MessagePump

_T = TypeVar("_T")


def in_background(
    pump: MessagePump,
    work: Callable[[], _T],
    then: Callable[[_T], None],
    failed: Callable[[Exception], _T],
) -> None:
    """Work, then `then` with its result where `pump` lives.

    Not Textual's thread workers: those are waited for when the program ends.

    Args:
        pump: an app or a widget; once it is gone, or about to go, the result is dropped.
        work: what may take long, or hang.
        then: called with what `work` returned.
        failed: makes a result of what `work` raised.
    """

    def arrived(result: _T) -> None:
        if pump.is_running:
            then(result)

    def run() -> None:
        try:
            result = work()
        except Exception as error:  # noqa: BLE001  the console outlives what others do wrong
            result = failed(error)
        with suppress(RuntimeError):  # the app has ended meanwhile, and its loop with it
            pump.call_later(arrived, result)

    threading.Thread(target=run, name="in background", daemon=True).start()
