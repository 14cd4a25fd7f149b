"""Idle connections: nothing may come on them that could be taken for the next request's reply.

HTTP/1.1 has no number that ties a reply to its request. A server, or a proxy in between, that says
one reply too many shifts all that follow on its connection by one: each path then gets the answer
of the path before it, and every answer looks sound. Libcurl 8.23 takes what lies on an idle
connection for the next reply, so we look first.
"""

from __future__ import annotations

import os
import select
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress

_TLS_RECORDS = range(20, 24)  # RFC 8446, 5.1: from change_cipher_spec to application_data
_ALERT = 21
_SMALLEST_SEALED_REPLY = 25
"""`HTTP/1.1 200`, two line ends, the record's inner type, and the shortest tag (CCM_8), in bytes.
What a server may say at any time is shorter: a close_notify, a KeyUpdate."""

_HEADER = 5  # of a TLS record: type, version (two bytes), length (two bytes)
_LOOKED_AT = 4096
_ENDED = select.POLLRDHUP | select.POLLHUP | select.POLLERR


class Idle:
    """The sockets of connections that wait for their next request. All calls are one thread's."""

    def __init__(self) -> None:
        self._poll = select.poll()
        self._sockets: dict[int, int] = {}  # with their inodes: libcurl may close one, unseen

    def __len__(self) -> int:
        """How many there are."""
        return len(self._sockets)

    def add(self, sock: int) -> None:
        """Its transfer has ended; -1 (it was closed) is none."""
        if sock >= 0:
            self._sockets[sock] = os.fstat(sock).st_ino
            self._poll.register(sock, select.POLLIN | select.POLLRDHUP)

    def discard(self, sock: int) -> None:
        """It is in use; or it was closed. Any number will do."""
        if sock in self._sockets:
            del self._sockets[sock]
            self._poll.unregister(sock)

    def clear(self) -> None:
        """All are closed."""
        for sock in tuple(self._sockets):
            self.discard(sock)

    def unasked(self, in_use: Callable[[], set[int]] = set) -> bool:
        """Whether on any of them lies what could be taken for a reply.

        A server may say 408 to a connection that has been idle for long (RFC 9110, 15.5.9), and
        end it. So a 408 is none; nor is, within TLS, what came before an end. Such a connection is
        made to end for libcurl, too, which would take what lies there for a reply.

        Args:
            in_use: those that a request got, if that was not known at once.
        """
        told = self._poll.poll(0)
        busy = in_use() if told else set()
        found = False
        for sock, events in told:
            link = None if sock in busy else self._open(sock)
            if link is None:
                self.discard(sock)
                continue
            said = _peek(link)
            if said.startswith((b"HTTP/1.1 408 ", b"HTTP/1.0 408 ")) or (
                events & _ENDED and not _is_plain(said)
            ):
                _end(link)
                self.discard(sock)
            elif said and _could_be_reply(said):
                found = True
            link.detach()  # it is libcurl's
        return found

    def _open(self, sock: int) -> socket.socket | None:
        """None: libcurl has closed it, and a new one may have its number."""
        with suppress(OSError):
            if os.fstat(sock).st_ino == self._sockets[sock]:
                return socket.socket(fileno=sock)
        return None


def _peek(link: socket.socket) -> bytes:
    """What lies on it; b"" where it ended."""
    try:
        return link.recv(_LOOKED_AT, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except OSError:
        return b""


def _end(link: socket.socket) -> None:
    """Leave nothing but an end of file on it."""
    with suppress(OSError):
        link.shutdown(socket.SHUT_RDWR)
        while link.recv(_LOOKED_AT, socket.MSG_DONTWAIT):
            pass


def _is_plain(said: bytes) -> bool:
    """Whether this is something, and no TLS."""
    return bool(said) and not (said[0] in _TLS_RECORDS and said[1:2] in {b"", b"\x03"})


def _could_be_reply(said: bytes) -> bool:
    if _is_plain(said):
        return True
    sizes = [size for kind, size in _records(said) if kind != _ALERT]
    return len(sizes) > 1 or any(size >= _SMALLEST_SEALED_REPLY for size in sizes)


def _records(said: bytes) -> Iterator[tuple[int, int]]:
    """Type and length of each record of TLS; of the last one perhaps a part has come."""
    while said:
        head = said[:_HEADER].ljust(_HEADER, b"\xff")  # of what is not all there, the worst
        size = int.from_bytes(head[3:], "big")
        yield said[0], size
        said = said[_HEADER + size :]
