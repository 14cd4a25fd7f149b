"""Who is at the other end of a socket: what the kernel says of it, never what it says itself."""

from __future__ import annotations

import os
import pwd
import socket
import struct

import msgspec

_CREDENTIALS = struct.Struct("iII")


class Peer(msgspec.Struct, frozen=True):
    """A peer: its user, and its process (None: in another pid namespace)."""

    uid: int
    pid: int | None

    @property
    def name(self) -> str:
        """The user's name as this machine knows it, else `uid N`."""
        try:
            return pwd.getpwuid(self.uid).pw_name
        except KeyError:
            return f"uid {self.uid}"


def tells_who_asks() -> bool:
    """Whether this system tells who is at the other end; where it does not, nobody is served."""
    return hasattr(socket, "SO_PEERCRED")


def peer_of(connection: socket.socket) -> Peer:
    """Who is at the other end. Raises OSError."""
    told = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, uid, _gid = _CREDENTIALS.unpack(told)
    return Peer(uid, pid or None)


def may_command(peer: Peer) -> bool:
    """Root and this process's own user are heard, nobody else."""
    return peer.uid in {0, os.geteuid()}
