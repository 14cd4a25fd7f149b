"""The ways to a human, each a program that gets a notice on its standard input."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec
import orjson

from vsync_sm.core.notice import Notice
from vsync_sm.operate.supervisor import VARIABLES

LIMIT_S = 10.0
"""Each has so many seconds in all, then it is killed."""

CHECK_S = 60.0
"""So long may it take to ask apprise what it understands; nothing is sent meanwhile."""

_COURIER = (sys.executable, "-P", "-m", "vsync_sm.operate.courier")
_HEALED = "origin_healed"
TEST = "test"
"""The kind of the notice that `notify-test` sends."""


class Channel(msgspec.Struct, frozen=True):
    """One way to a human: what it is called in the journal, its program, what that is given."""

    through: str
    command: tuple[str, ...]
    message: Callable[[Notice], bytes]
    reason: str = ""  # what is said where its exit code says no more than that it failed


def command_channel(command: tuple[str, ...], about: Mapping[str, str]) -> Channel:
    """A program of the user's own, which gets a notice as JSON. `about` goes with each."""

    def message(notice: Notice) -> bytes:
        return orjson.dumps(
            {
                **about,
                "kind": notice.kind,
                "fatal": notice.fatal,
                "message": notice.message,
                "hint": notice.hint,
                "context": dict(notice.context),
            }
        )

    return Channel(Path(command[0]).name, command, message)


def url_channel(label: str, url: str, about: Mapping[str, str]) -> Channel:
    """One of apprise's URLs; `label` says which, such as `notify.urls[0]`."""

    def message(notice: Notice) -> bytes:
        title, body = letter(notice, about)
        kind = _type(notice)
        return json.dumps({"url": url, "title": title, "body": body, "type": kind}).encode()

    return Channel(
        f"{label} ({shown_url(url)})", _COURIER, message, "it was not taken, or could not be sent"
    )


def shown_url(url: str) -> str:
    """A URL as it may be shown: its scheme alone, for all else may be a secret."""
    scheme, sign, _ = url.partition("://")
    plain = scheme.isascii() and scheme.replace("+", "").replace("-", "").isalnum()
    return f"{scheme.lower()}://…" if sign and plain and len(scheme) <= 20 else "…"


def letter(notice: Notice, about: Mapping[str, str]) -> tuple[str, str]:
    """A notice for a person: the title, and the text below it."""
    gravity = "halted" if notice.fatal else "healed" if notice.kind == _HEALED else "trouble"
    gravity = "test" if notice.kind == TEST else gravity
    title = f"vsync on {about.get('host', '?')}: {gravity} ({notice.kind})"
    lines = [notice.message]
    if notice.hint:
        lines.append(f"→ {notice.hint}")
    lines += [f"{name}: {words}" for name, words in {**notice.context, **about}.items() if words]
    return title, "\n".join(lines)


def trial() -> Notice:
    """What is sent to see whether a channel reaches a human."""
    return Notice(
        kind=TEST,
        message="This is a test. What vsync has to tell would reach you this way.",
        hint="Nothing has to be done.",
    )


def _type(notice: Notice) -> str:
    if notice.fatal:
        return "failure"
    return {_HEALED: "success", TEST: "info"}.get(notice.kind, "warning")


# --- doing it --------------------------------------------------------------------------------


def outcome(channel: Channel, notice: Notice, environment: Mapping[str, str]) -> str:
    """Send a notice through a channel, at most `LIMIT_S`; what went wrong, "" for nothing."""
    message = channel.message(notice)
    try:
        process = subprocess.Popen(
            channel.command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=dict(environment),
            start_new_session=True,
        )
    except OSError as error:
        return f"it could not be started: {error.strerror}"
    try:
        process.communicate(message, timeout=LIMIT_S)
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return f"it took longer than {LIMIT_S:g} s and was killed"
    if not process.returncode:
        return ""
    return channel.reason or f"it exited with {process.returncode}"


def for_programs(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment of such a program: what is vsync's own, its logins first, is left out."""
    return {name: value for name, value in environment.items() if not _is_ours(name)}


def _is_ours(name: str) -> bool:
    # vsync's own logins are none of the program's business, nor may it speak to the service
    # manager in vsync's name; its own logins are left to it.
    if name in VARIABLES:
        return True
    ours = name.upper().startswith(("VSYNC_", "VAULT_", "CONSUL_"))
    secret = ("TOKEN", "SECRET", "ROLE", "AUTH", "URLS")
    return ours and any(word in name.upper() for word in secret)


# --- what apprise understands ----------------------------------------------------------------


def has_apprise() -> bool:
    """Whether the extra is installed that `notify.urls` need."""
    return importlib.util.find_spec("apprise") is not None


def understood(urls: Sequence[str]) -> list[bool]:
    """Of each URL, whether apprise knows what to do with it. Nothing is contacted."""
    try:
        asked = subprocess.run(
            _COURIER,
            input=json.dumps({"urls": list(urls)}).encode(),
            env=for_programs(os.environ),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=CHECK_S,
            check=True,
        )
        told: list[bool] = json.loads(asked.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return [False] * len(urls)
    return told
