"""Which proxy leads to a server, if any: the environment, read as hvac's own adapter reads it.

Libcurl would read it, too, but knows no port in `no_proxy`, takes a server's `tlsServerName` for
its host there, and does not look at `HTTP_PROXY`.
"""

from __future__ import annotations

import re

from requests.utils import get_environ_proxies, select_proxy

_SERVER = re.compile(r"[^/?#]*//[^/?#]*")


class Proxies:
    """What `http_proxy`, `https_proxy`, `all_proxy` and `no_proxy` say, in either case.

    Each server is looked up once: the environment of a process stays as it is.
    """

    def __init__(self) -> None:
        self._found: dict[str, bytes] = {}

    def before(self, url: str) -> bytes:
        """The proxy's URL, perhaps with a password; b"": the server itself is to be asked."""
        match = _SERVER.match(url)
        server = match[0] if match else url
        found = self._found.get(server)
        if found is None:
            found = (select_proxy(server, get_environ_proxies(server)) or "").encode()
            self._found[server] = found
        return found
