"""Telling others: the status of this origin, as a key in Consul beside the sync info.

It is written on a thread of its own, one request at a time, the newest status only. Neither the
loop nor a stop ever waits for Consul here, and a write that fails is nobody's fault: it is told
once, and once more when it has healed.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

import orjson

from vsync_sm.core.errors import Fault, FaultKind
from vsync_sm.core.events import Record, RunFinished, StatusFailed, StatusWritten
from vsync_sm.core.insight import NS
from vsync_sm.core.status_key import TELLING, status_value
from vsync_sm.core.view import View
from vsync_sm.origin.clock import Clock
from vsync_sm.origin.inbox import Inbox, StatusTold

WRITE_S = 5.0
"""One write may take so many seconds."""

BEAT_S = 60.0
"""Where nothing changes for so many seconds, it is written all the same: the origin lives."""

FAREWELL_S = 0.8
"""At the end of the run the last status has so many seconds to be written."""

IN_DOUBT_S = 0.2
"""The same after a save that Consul has not answered: that has had most of a stop's time."""

Put = Callable[[bytes, float], None]
"""Writes the key, within so many seconds. Raises Fault."""


class StatusKey:
    """A sink of the ledger, and a pulse of the loop, that keeps the status key of one run.

    Attributes:
        rest_s: the loop may rest for so long (seconds), so that it can be seen to live.
    """

    rest_s = BEAT_S

    def __init__(self, put: Put, inbox: Inbox, clock: Clock) -> None:
        self._put = put
        self._inbox = inbox
        self._clock = clock
        self._told = 0  # when it was told last, monotonic ns
        self._view: View | None = None  # after this run's last record; None: it has not begun
        self._ended: float | None = None  # when, on the monotonic clock
        self._patience_s = FAREWELL_S
        self._failing = False
        self._changed = threading.Condition()
        self._newest: bytes | None = None
        self._busy = False
        self._closing = False
        self._thread: threading.Thread | None = None

    def __call__(self, record: Record, view: View) -> None:
        """Begin to write the status where this record changes it, and return at once."""
        self._view = view
        event = record.event
        if type(event) in TELLING:
            self._hand_over(orjson.dumps(status_value(view)))
        if type(event) is RunFinished:
            self._ended = time.monotonic()
            if event.exit_code > 128:  # a second signal waits for nothing
                self._patience_s = 0.0
            elif view.open_save is not None:
                self._patience_s = IN_DOUBT_S

    def insights(self, _: Sequence[Record], view: View) -> None:
        """No insight changes the status."""
        self._view = view

    def turned(self, view: View) -> None:
        """The loop has turned: where nothing was told for long, tell that it lives."""
        if self._view is None or self._ended is not None:
            return
        if self._clock.mono() - self._told >= BEAT_S * NS:
            self._hand_over(orjson.dumps(status_value(view, wall=self._clock.now())))

    def close(self) -> None:
        """See that the last status is written, if Consul answers soon after the run's end."""
        if self._view is None:
            return
        if self._ended is None:  # the journal takes no more lines: here it can still be said
            self._ended = time.monotonic()
            self._hand_over(orjson.dumps(status_value(self._view, broke_off=True)))
        left = self._ended + self._patience_s - time.monotonic()
        with self._changed:
            self._changed.wait_for(lambda: self._newest is None and not self._busy, max(0.0, left))
            self._closing = True
            self._newest = None
            self._changed.notify_all()

    def _hand_over(self, value: bytes) -> None:
        self._told = self._clock.mono()
        with self._changed:
            if self._thread is None:
                thread = threading.Thread(target=self._work, name="status", daemon=True)
                try:
                    thread.start()
                except RuntimeError:  # there are no more threads: the next status tries again
                    return
                self._thread = thread
            self._newest = value
            self._changed.notify_all()

    # --- on its own thread ---

    def _work(self) -> None:
        while True:
            with self._changed:
                self._busy = False
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._newest is not None or self._closing)
                value, self._newest = self._newest, None
                if value is None:
                    return
                self._busy = True
            self._tell(self._write(value))

    def _write(self, value: bytes) -> Fault | None:
        try:
            self._put(value, WRITE_S)
        except Fault as fault:
            return fault
        except Exception as error:  # noqa: BLE001  the outermost place of a thread
            return Fault(
                FaultKind.INVARIANT,
                f"vsync itself is at fault: {type(error).__name__}",
                hint="Cycles go on. Please report it with the journal's last lines.",
            )
        return None

    def _tell(self, fault: Fault | None) -> None:
        if (fault is not None) is self._failing:
            return
        self._failing = fault is not None
        if fault is None:
            self._inbox.post(StatusTold(StatusWritten()))
        else:
            self._inbox.post(
                StatusTold(
                    StatusFailed(kind=fault.kind.word, message=fault.message, hint=fault.hint)
                )
            )
