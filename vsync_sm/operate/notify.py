"""Informing a human: each notice goes through every channel, on threads that nobody waits for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence

from vsync_sm.core.events import Notified
from vsync_sm.core.notice import Notice
from vsync_sm.operate.channels import Channel, for_programs, outcome
from vsync_sm.origin.inbox import Inbox, Informed


class Notifier:
    """Sends notices, each channel on a thread of its own; the inbox hears how it went."""

    def __init__(
        self, channels: Sequence[Channel], inbox: Inbox, *, environment: Mapping[str, str]
    ) -> None:
        """`environment` is that of the channels' programs, but for what is vsync's own in it."""
        self._channels = tuple(channels)
        self._inbox = inbox
        self._environment = for_programs(environment)

    def inform(self, notice: Notice) -> int:
        """Begin with every channel and return at once: how many there are."""
        self._begin(notice, lambda notified: self._inbox.post(Informed(notified)))
        return len(self._channels)

    def inform_and_wait(self, notice: Notice) -> list[Notified]:
        """The same, where there is no inbox: how each went, in order, once all have.

        They go at the same time, so that it takes as long as the slowest, `channels.LIMIT_S` at
        most.
        """
        told: list[Notified] = []
        for thread in self._begin(notice, told.append):
            thread.join()
        order = [channel.through for channel in self._channels]
        return sorted(told, key=lambda notified: order.index(notified.through))

    def _begin(self, notice: Notice, tell: Callable[[Notified], object]) -> list[threading.Thread]:
        def run(channel: Channel) -> None:
            try:
                detail = outcome(channel, notice, self._environment)
            except Exception as error:  # noqa: BLE001  a run's end waits to hear how it went
                detail = f"it could not be sent: {type(error).__name__}"
            through = channel.through
            tell(Notified(kind=notice.kind, through=through, ok=not detail, detail=detail))

        threads = [
            threading.Thread(target=run, args=(channel,), name="notify", daemon=True)
            for channel in self._channels
        ]
        for thread in threads:
            thread.start()
        return threads
