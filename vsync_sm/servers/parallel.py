"""Many reads of one server at a time, on one thread: libcurl's multi interface.

Measured with 10,000 reads of metadata, 16 at a time, with all that a path needs beside them
(OpenBao 2.7.2 on loopback, 2 cores): 120 µs of CPU a path with a thread each, which spend much of
it on passing Python's lock around, 90 here (libcurl looks at all of them at each turn: 110 with 64
at a time, 190 with 256). Sockets of one's own would take 55, and a second HTTP client with TLS,
proxies and all its traps.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Generic, TypeVar

import pycurl

from vsync_sm.core.errors import Fault
from vsync_sm.servers.handle import Receiver, set_limit, set_up
from vsync_sm.servers.http import Limit, Reply, Transport
from vsync_sm.servers.idle import Idle

_K = TypeVar("_K")

_NOTHING_TO_WATCH_S = 0.001
"""Where libcurl waits for no socket, for a name perhaps, it is asked again after so long."""


class _Slot:
    """One handle, what it was set up with last, and what it gets."""

    def __init__(self) -> None:
        self.curl = pycurl.Curl()
        self.receiver = Receiver()
        self.lines: tuple[bytes, ...] | None = None
        self.url = ""
        set_up(self.curl)
        self.curl.setopt(pycurl.HEADERFUNCTION, self.receiver.header)
        self.curl.setopt(pycurl.WRITEFUNCTION, self.receiver.chunk)


class ParallelReads(Generic[_K]):
    """GETs, up to so many at a time, over connections that are kept alive.

    Each is what `Transport.request` sends, and ends as it does: with the whole reply, whatever its
    status, or a `Fault`. But where more came with a reply than it has, that is UNREACHABLE, to be
    asked again: another transfer may have closed the connection. All calls are one thread's.
    """

    def __init__(self, transport: Transport, most: int) -> None:
        """`most`: so many may be under way at a time."""
        self._transport = transport
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_MAXCONNECTS, most)
        self._free = [_Slot() for _ in range(most)]
        self._busy: dict[pycurl.Curl, tuple[_Slot, _K]] = {}
        self._begun: list[_Slot] = []
        self._last_url = ""
        self._idle = Idle()

    def __len__(self) -> int:
        """How many are under way."""
        return len(self._busy)

    def send(self, key: _K, url: str, *, headers: Mapping[str, str], limit: Limit) -> None:
        """Begin a read; `receive` gives its end with this key.

        Raises:
            Fault: CONFIGURATION (a header that cannot be sent), and what `limit` raises.
        """
        lines = self._transport.header_lines(headers)
        slot = self._free[-1]
        curl = slot.curl
        lines = self._transport.address(curl, url, lines)
        if lines != slot.lines:
            curl.setopt(pycurl.HTTPHEADER, lines)
            slot.lines = lines
        set_limit(curl, limit())
        slot.receiver.reset()
        slot.url = self._last_url = url
        self._free.pop()
        self._busy[curl] = slot, key
        self._begun.append(slot)
        self._multi.add_handle(curl)

    def receive(self, wait_s: float) -> list[tuple[_K, Reply | Fault]]:
        """What has ended; waits for something to happen, `wait_s` seconds at the most.

        Raises:
            Fault: SURPLUS_REPLY, the server said more than it was asked: no end is to be believed.
        """
        ended = self._ended()
        if not ended and self._busy:
            if self._multi.select(wait_s) <= 0 and not any(map(len, self._multi.fdset())):
                time.sleep(min(_NOTHING_TO_WATCH_S, wait_s))
            ended = self._ended()
        return ended

    def expect_silence(self) -> None:
        """As the transport's, on these connections, when nothing is under way. Raises the same."""
        if self._idle.unasked():
            raise self._transport.surplus(self._last_url)

    def close(self) -> None:
        """Break off what is under way."""
        for curl in self._busy:
            self._multi.remove_handle(curl)
            curl.close()
        for slot in self._free:
            slot.curl.close()
        self._busy.clear()
        self._free.clear()
        self._multi.close()

    def _ended(self) -> list[tuple[_K, Reply | Fault]]:
        self._perform()
        _, done, failed = self._multi.info_read()
        ended: list[tuple[_K, Reply | Fault]] = []
        for curl in done:
            slot, key = self._busy[curl]
            try:
                reply = self._transport.reply(
                    curl, slot.receiver, slot.url, self._idle, alone=False
                )
                ended.append((key, reply))
            except Fault as fault:
                ended.append((key, fault))
            self._end(slot)
        for curl, code, text in failed:
            slot, key = self._busy[curl]
            too_large = slot.receiver.too_large
            ended.append((key, self._transport.fault(code, text, slot.url, too_large=too_large)))
            self._end(slot)
        return ended

    def _perform(self) -> None:
        """Let libcurl work; what it begins must find nothing that waits for it."""
        if self._begun and self._idle.unasked(self._in_use):
            raise self._transport.surplus(self._last_url)
        self._multi.perform()
        for slot in self._begun:
            self._idle.discard(slot.curl.getinfo(pycurl.ACTIVESOCKET))
        self._begun.clear()

    def _in_use(self) -> set[int]:
        """The sockets of reads under way: which one a read got is not always known at once."""
        return {curl.getinfo(pycurl.ACTIVESOCKET) for curl in self._busy}

    def _end(self, slot: _Slot) -> None:
        self._multi.remove_handle(slot.curl)
        del self._busy[slot.curl]
        self._free.append(slot)
