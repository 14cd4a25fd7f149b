"""Idle connections: nothing may come on them that could be taken for the next request's reply.

HTTP/1.1 has no number that ties a reply to its request. A server, or a proxy in between, that says
one reply too many shifts all that follow on its connection by one: each path then gets the answer
of the path before it, and every answer looks sound. Libcurl 8.23 takes what lies on an idle
connection for the next reply, so we look first.
"""

from __future__ import annotations

import select
import socket

_TLS_RECORDS = range(20, 24)  # RFC 8446, 5.1: from change_cipher_spec to application_data
_ALERT = 21
_SMALLEST_SEALED_REPLY = 25
"""`HTTP/1.1 200`, two line ends, the record's inner type, and the shortest tag (CCM_8), in bytes.
What a server may say at any time is shorter: a close_notify, a KeyUpdate."""

_HEADER = 5  # of a TLS record: type, version (two bytes), length (two bytes)


class Idle:
    """The sockets of connections that wait for their next request. All calls are one thread's."""

    def __init__(self) -> None:
        self._poll = select.poll()
        self._sockets: set[int] = set()

    def __len__(self) -> int:
        """How many there are."""
        return len(self._sockets)

    def add(self, sock: int) -> None:
        """Its transfer has ended; -1 (it was closed) is none."""
        if sock >= 0:
            self._sockets.add(sock)
            self._poll.register(sock, select.POLLIN)

    def discard(self, sock: int) -> None:
        """It is in use; or it was closed. Any number will do."""
        if sock in self._sockets:
            self._sockets.remove(sock)
            self._poll.unregister(sock)

    def clear(self) -> None:
        """All are closed."""
        for sock in tuple(self._sockets):
            self.discard(sock)

    def unasked(self) -> set[int]:
        """Those on which lies what could be taken for a reply. One that has ended is dropped."""
        found = set()
        for sock, _ in self._poll.poll(0):
            said = _peek(sock)
            if not said:
                self.discard(sock)
            elif _could_be_reply(said):
                found.add(sock)
        return found


def _peek(sock: int) -> bytes:
    """What came first on a socket; b"" where it ended, or is none any more."""
    try:
        link = socket.socket(fileno=sock)
    except OSError:
        return b""
    try:
        return link.recv(_HEADER, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except OSError:
        return b""
    finally:
        link.detach()  # it is libcurl's


def _could_be_reply(said: bytes) -> bool:
    if len(said) == _HEADER and said[0] in _TLS_RECORDS and said[1] == 3:
        return said[0] != _ALERT and int.from_bytes(said[3:], "big") >= _SMALLEST_SEALED_REPLY
    return True
