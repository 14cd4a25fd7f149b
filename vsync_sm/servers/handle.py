"""A handle of libcurl's: the options of every request, its connection, the reply that it gets."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache

import pycurl

from vsync_sm import __version__
from vsync_sm.servers.idle import Idle

MAX_BODY = 1 << 30
"""The most bytes that a reply's body may have: 1 GiB, far above any real one."""

_STATUS_LINE = b"HTTP/1."
_BODILESS = (b"204", b"304")
_DAY = 86_400.0

# pycurl has no name for this option (libcurl 7.87 on). Without it the end of a thread, or of the
# process, waits for a resolver that a timeout has given up long ago (seen: 9 s).
_QUICK_EXIT = 322
_HAS_QUICK_EXIT = pycurl.version_info()[2] >= 0x075700


@lru_cache(maxsize=128)
def _field(line: bytes) -> tuple[str, str]:
    """A header line's name and value, the name "" where it is none. Most lines come again."""
    name, colon, value = line.decode("latin-1").partition(":")
    return (name.strip().lower(), value.strip()) if colon else ("", "")


class Receiver:
    """Takes one reply after another as libcurl hands them over; `reset` before each."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.header = self.lines.append  # once a header line: nothing of ours runs for it
        self.too_large = False
        self._chunks: list[bytes] = []
        self._size = 0

    def reset(self) -> None:
        """Nothing has come yet."""
        self.lines.clear()
        self.too_large = False
        self._chunks.clear()
        self._size = 0

    @property
    def speaks_http(self) -> bool:
        """Whether a status line came. Libcurl also takes `http/1.1`, and `HTTP/3.7`, for one."""
        return any(line.startswith(_STATUS_LINE) for line in self.lines)

    def headers(self) -> dict[str, str] | None:
        """Those of the last reply; None: the empty line that ends them never came.

        A proxy's and a 1xx come before it. Behind it come trailers, which nobody asks for; libcurl
        tells of no empty line after those.
        """
        headers: dict[str, str] | None = None
        whole = False
        for line in self.lines:
            if line.startswith(_STATUS_LINE):
                headers, whole = {}, False
            elif headers is not None and not whole:
                name, value = _field(line)
                if name:
                    headers[name] = f"{headers[name]}, {value}" if name in headers else value
                else:
                    whole = not line.strip()
        return headers if whole else None

    def to_be_kept(self, headers: Mapping[str, str]) -> bool:
        """Whether nothing in the last reply's head, `headers` with it, ends its connection.

        Libcurl closes one all the same where more came with a reply than its `Content-Length`.
        """
        said = f"{headers.get('connection', '')},{headers.get('proxy-connection', '')}".lower()
        status_line = [line for line in self.lines if line.startswith(_STATUS_LINE)][-1]
        return (
            status_line.startswith(b"HTTP/1.1 ")
            and "close" not in said
            and ("content-length" in headers or status_line[9:12] in _BODILESS)
        )

    def chunk(self, data: bytes) -> int | None:
        self._size += len(data)
        if self._size > MAX_BODY:
            self.too_large = True
            return 0  # not what it handed over: libcurl gives up
        self._chunks.append(data)
        return None

    def body(self) -> bytes:
        """The body; the receiver, which the handle keeps until its next request, lets go of it."""
        body = b"".join(self._chunks)
        self._chunks.clear()
        return body


def set_up(curl: pycurl.Curl) -> None:
    """The options of every request, for a handle that has none."""
    curl.setopt(pycurl.NOSIGNAL, 1)  # signals and threads do not mix
    curl.setopt(pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS)
    curl.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1)
    curl.setopt(pycurl.PATH_AS_IS, 1)
    curl.setopt(pycurl.MAXCONNECTS, 1)
    curl.setopt(pycurl.NOPROXY, "")  # else libcurl looks again
    curl.setopt(pycurl.USERAGENT, f"vsync-sm/{__version__}")
    if _HAS_QUICK_EXIT:
        curl.setopt(_QUICK_EXIT, 1)


def set_limit(curl: pycurl.Curl, seconds: float) -> None:
    """A transfer takes no longer than this in total."""
    milliseconds = math.ceil(min(seconds, _DAY) * 1000)
    curl.setopt(pycurl.TIMEOUT_MS, max(1, milliseconds))  # 0 would be: for ever


class Handle:
    """One handle with its connection, for one request after another."""

    def __init__(self) -> None:
        self.idle = Idle()
        self._curl = pycurl.Curl()
        self._plain = True
        set_up(self._curl)

    def anew(self, *, plain: bool) -> pycurl.Curl:
        """The handle, its options as new, its connection kept.

        `plain`: the request sets nothing but what each request sets anew. After another such one
        the handle is as good as new.
        """
        if not (plain and self._plain):
            self._curl.reset()
            set_up(self._curl)
        self._plain = plain
        return self._curl

    def close(self) -> None:
        """Close the connection."""
        self.idle.clear()
        self._curl.close()


class Handles:
    """The handles that are not in use, with their connections. Safe to share between threads."""

    def __init__(self) -> None:
        self._free: list[Handle] = []

    def take(self) -> Handle:
        """The one that was used last, or a new one."""
        try:
            return self._free.pop()
        except IndexError:
            return Handle()

    def give_back(self, handle: Handle) -> None:
        """Keep it, if it is known which connection it has.

        Behind a write whose connection was closed there may be an older one, which `idle` has not.
        """
        if handle.idle:
            self._free.append(handle)
        else:
            handle.close()

    def close(self) -> None:
        """Close them all."""
        while self._free:
            self.take().close()

    def unasked(self) -> bool:
        """Whether something came on any of their connections; those are closed."""
        handles: list[Handle] = []
        while self._free:  # who takes one meanwhile looks at it, too
            handles.append(self.take())
        found = False
        for handle in handles:
            if handle.idle.unasked():
                found = True
                handle.close()
            else:
                self._free.append(handle)
        return found
