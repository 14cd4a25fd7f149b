"""`vsync-sm notify-test`: a test message through each channel, and whether it went."""

from __future__ import annotations

import argparse
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

from vsync_sm import __version__
from vsync_sm.config import ConfigError, notify_settings
from vsync_sm.core.events import Notified
from vsync_sm.core.words import count, printable
from vsync_sm.flags import FATAL, OK, USAGE, Write, complain
from vsync_sm.operate.channels import LIMIT_S, trial
from vsync_sm.operate.notify import Notifier
from vsync_sm.origin.inbox import Inbox
from vsync_sm.wiring import channels


def run(options: argparse.Namespace, write: Write) -> int:
    """Do what the command line says; its exit code."""
    try:
        notify = notify_settings(file=options.config, environment=os.environ, cwd=Path.cwd())
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return USAGE
    ways = channels(notify, {"host": socket.gethostname(), "version": __version__})
    if not ways:
        complain(
            "no channel is configured: nobody would be told",
            "set notify.urls (slack://…, mailto://…, …) or notify.command; docs/configuration.md",
        )
        return USAGE
    write([f"A test message goes through {count(len(ways), 'channel')}, {LIMIT_S:g} s at most:\n"])
    told = Notifier(ways, Inbox(), environment=os.environ).inform_and_wait(trial())
    write(line for each in told for line in _lines(each))
    return OK if all(each.ok for each in told) else FATAL


def _lines(notified: Notified) -> Iterator[str]:
    through = printable(notified.through)
    if notified.ok:
        yield f"✔ {through}: it went\n"
        return
    yield f"✖ {through}: {printable(notified.detail)}\n"
    if notified.through.startswith("notify.urls"):
        yield "  → apprise -vv URL says why, and shows the URL while it does\n"
