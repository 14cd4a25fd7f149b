"""A listening Unix-domain socket in the file system, from the first moment for its owner alone."""

from __future__ import annotations

import os
import secrets
import socket
import stat
from contextlib import suppress
from pathlib import Path

BACKLOG = 16

_PROBE_S = 1.0


class Unusable(Exception):  # noqa: N818  nothing went wrong here
    """There is something at the socket's place that must stay as it is; in words for a human."""


class Listener:
    """Open by `listen`; close it to take the file away."""

    def __init__(self, path: Path, listening: socket.socket) -> None:
        self.path = path
        self.socket = listening
        self._identity = _identity(path)

    def stands(self) -> bool:
        """Whether its file is still there, so that it can be found."""
        try:
            return _identity(self.path) == self._identity
        except OSError:
            return False

    def close(self) -> None:
        """Listen no more, and remove the file, if it is still this listener's own."""
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)  # wakes who waits in `accept`
        self.socket.close()
        with suppress(OSError):
            if _identity(self.path) == self._identity:
                self.path.unlink()


def listen(path: Path, *, private: bool = False) -> Listener:
    """Listen at `path`. A dead socket there is replaced, a live one and anything else never.

    Args:
        path: where; short enough for a socket.
        private: its directory must be this user's alone, and is made where there is none.

    Raises:
        Unusable: something else is there.
        OSError: the operating system refuses.
    """
    if private:
        _own_directory(path.parent)
    _refuse_to_replace(path)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    temporary: Path | None = None
    try:
        # Nobody can connect before it listens, and by then only its owner may.
        temporary = _bind(listening, path.parent)
        temporary.chmod(0o600)
        listening.listen(BACKLOG)
        temporary.rename(path)
        return Listener(path, listening)
    except BaseException:
        listening.close()
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        raise


def _bind(listening: socket.socket, directory: Path) -> Path:
    # A short name: the path must not grow beyond what a socket's may have.
    temporary = directory / f".{secrets.token_hex(2)}"
    listening.bind(str(temporary))
    return temporary


def _refuse_to_replace(path: Path) -> None:
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise Unusable(f"{path} is no socket, and is left as it is")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(_PROBE_S)
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return  # nobody listens: what a killed process left behind
        except OSError:
            pass
    raise Unusable(f"another process listens at {path}")


def _own_directory(directory: Path) -> None:
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    there = directory.lstat()
    if not stat.S_ISDIR(there.st_mode) or there.st_uid != os.geteuid() or there.st_mode & 0o022:
        raise Unusable(f"{directory} is not this user's own directory")


def _identity(path: Path) -> tuple[int, int]:
    there = path.lstat()
    return there.st_dev, there.st_ino
