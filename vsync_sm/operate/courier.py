"""Brings one message to one service through apprise: a program of its own.

`python -m vsync_sm.operate.courier` reads a JSON object from its standard input: with `urls`, it
prints which of them apprise understands, as a JSON list; with `url`, `title`, `body` and `type`, it
sends, and its exit code is 0 when the service took it. It is a program so that it can be ended,
whatever a service does, and so that an origin does not carry apprise about for months.

A URL holds secrets. It comes by standard input, which no process list shows, and nothing that
apprise logs or raises gets out, for both may hold it.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
from collections.abc import Mapping
from typing import Any

SENT, NOT_SENT = 0, 1

ALONE_S = 20
"""Who has started it ends it sooner, unless they are gone: then it ends after so many seconds."""


def main() -> int:
    """Do what standard input says; the exit code."""
    logging.disable(logging.CRITICAL + 10)  # apprise has a level of its own above the others
    asked: dict[str, Any] = json.load(sys.stdin)
    if "urls" in asked:
        json.dump([_understands(url) for url in asked["urls"]], sys.stdout)
        return SENT
    signal.alarm(ALONE_S)
    return SENT if _send(asked) else NOT_SENT


def _understands(url: str) -> bool:
    import apprise  # noqa: PLC0415  an extra

    return apprise.Apprise.instantiate(url, suppress_exceptions=True) is not None


def _send(asked: Mapping[str, str]) -> bool:
    import apprise  # noqa: PLC0415

    service = apprise.Apprise()
    if not service.add(asked["url"]):
        return False
    return bool(
        service.notify(
            title=asked["title"],
            body=asked["body"],
            notify_type=asked["type"],
            body_format="text",
        )
    )


if __name__ == "__main__":
    try:
        code = main()
        sys.stdout.flush()
    except BaseException:  # noqa: BLE001  a traceback may show a URL
        code = NOT_SENT
    os._exit(code)  # apprise's own threads are not waited for
