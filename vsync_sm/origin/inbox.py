"""The one way in: everything that the loop hears comes through here.

Two lanes. Control (signals, faults, whatever steers) never blocks, may be posted from a signal
handler, and is taken first. Results (facts of a cycle, ends of its phases) wait for room, so that
workers slow down instead of filling the memory.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from queue import Empty, SimpleQueue

import msgspec

from vsync_sm.core.commands import Done
from vsync_sm.core.errors import Fault
from vsync_sm.core.events import Event, Notified, StatusFailed, StatusWritten, TokenRenewed


class SignalCame(msgspec.Struct, frozen=True):
    """The operating system sent a signal."""

    number: int


class FaultCame(msgspec.Struct, frozen=True):
    """Somebody raised a fault; `cycle` is None outside cycles."""

    fault: Fault
    cycle: int | None = None


class Informed(msgspec.Struct, frozen=True):
    """How it went to inform a human."""

    notified: Notified


class StatusTold(msgspec.Struct, frozen=True):
    """The status key can no longer be written, or is written again."""

    event: StatusFailed | StatusWritten


class TokenTold(msgspec.Struct, frozen=True):
    """Vault's token was renewed or replaced; or it could not be, and why."""

    told: TokenRenewed | Fault


class ConsoleFailed(msgspec.Struct, frozen=True):
    """The console in this process has failed: the run ends, whichever cycle runs."""

    fault: Fault


class LateFacts(msgspec.Struct, frozen=True):
    """Facts of a cycle that is over; they were dropped."""

    cycle: int | None
    count: int


class Asker(msgspec.Struct, frozen=True):
    """Who asks, and through what: `control socket` or `console`.

    `uid` and `pid` are the peer's, as the kernel tells them of a socket.
    """

    by: str
    through: str
    uid: int | None = None
    pid: int | None = None


class CommandCame(msgspec.Struct, frozen=True):
    """Somebody asks for one of `core.commands.COMMANDS`. `reply` never blocks."""

    command: str
    argument: str
    asker: Asker
    reply: Callable[[Done], None]

    def no_more(self) -> None:
        """Answer that nobody hears it any more."""
        self.reply(Done(False, OVER))


class RefusedAsked(msgspec.Struct, frozen=True):
    """Somebody asks what was refused under an id: the lines, or None. `reply` never blocks."""

    allowance: str
    reply: Callable[[frozenset[str] | None], None]

    def no_more(self) -> None:
        """Answer that nobody hears it any more."""
        self.reply(None)


class Facts(msgspec.Struct, frozen=True):
    """What happened in a cycle (None: in the start-up checks), in order."""

    events: tuple[Event, ...]
    cycle: int | None = None


class EffectDone(msgspec.Struct, frozen=True):
    """An effect came to its end, with this result; all its facts were delivered before."""

    result: object
    cycle: int | None = None


OVER = "the run is over"
UNSURE = (
    "the journal broke while this was written down: it may be in force when the origin runs again; "
    "vsync-sm ctl status tells then"
)

Question = CommandCame | RefusedAsked
Control = (
    SignalCame
    | FaultCame
    | Informed
    | StatusTold
    | TokenTold
    | ConsoleFailed
    | LateFacts
    | Question
)
Result = Facts | EffectDone
Message = Control | Result


class Inbox:
    """The loop takes; everybody else posts and delivers."""

    def __init__(self, capacity: int = 16) -> None:
        """`capacity`: how many results may lie here before `deliver` waits."""
        self._control: SimpleQueue[Control | None] = SimpleQueue()  # None: results have come in
        self._results: deque[Result] = deque()
        self._room = threading.Semaphore(capacity)
        self._asking = threading.Lock()
        self._questions: dict[int, Question] = {}
        self._over = False

    @property
    def over(self) -> bool:
        """Whether the run has ended: nobody hears questions any more."""
        return self._over

    def ask(self, question: Question) -> None:
        """Put a question to the loop. It is answered exactly once, at the latest by `end`."""
        with self._asking:
            over = self._over
            if not over:
                self._questions[id(question)] = question
        if over:
            question.no_more()
        else:
            self.post(question)

    def answered(self, question: Question) -> bool:
        """The loop is about to answer a question; False when `end` has done it already."""
        with self._asking:
            return self._questions.pop(id(question), None) is not None

    def end(self) -> None:
        """The run is over: whoever waits for an answer, or asks from now on, is told so."""
        with self._asking:
            self._over = True
            left = list(self._questions.values())
            self._questions.clear()
        for question in left:
            question.no_more()

    def post(self, message: Control) -> None:
        """Put a message into the control lane. Never blocks; safe in a signal handler."""
        self._control.put(message)

    def reserve(self, gone: threading.Event) -> bool:
        """Wait for room for one result; False when `gone` was set first."""
        while not self._room.acquire(timeout=0.04):
            if gone.is_set():
                return False
        return True

    def give_back(self) -> None:
        """Give back a place that `reserve` has won and nobody needs."""
        self._room.release()

    def deliver(self, message: Result) -> None:
        """Put a result into the place that `reserve` has won. Never blocks."""
        self._results.append(message)
        self._control.put(None)

    def take(self, timeout: float) -> list[Message]:
        """All control messages, else some results, else (after `timeout` seconds) nothing."""
        control = self._drain_control(timeout)
        if control:
            if self._results:
                self._control.put(None)
            return list(control)
        return list(self.take_results(limit=16))

    def take_control(self) -> list[Control]:
        """What lies in the control lane, without waiting."""
        control = self._drain_control(0.0)
        if self._results:
            self._control.put(None)
        return control

    def take_results(self, limit: int) -> list[Result]:
        """Up to `limit` results, without waiting."""
        results: list[Result] = []
        while self._results and len(results) < limit:
            results.append(self._results.popleft())
            self._room.release()
        if self._results:
            self._control.put(None)
        return results

    def _drain_control(self, timeout: float) -> list[Control]:
        messages: list[Control] = []
        try:
            message = self._control.get(timeout=max(timeout, 0.0))
            while True:
                if message is not None:
                    messages.append(message)
                message = self._control.get_nowait()
        except Empty:
            return messages
