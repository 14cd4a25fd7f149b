"""Numbers, durations, times and other people's text in plain words: the same on any machine.

No locale, no time zone but UTC. Paths, messages and host names are other people's text: they go
through `printable` before a person sees them.
"""

from __future__ import annotations

import re

_RISKY = re.compile(
    "["
    "\x00-\x1f\x7f-\x9f"  # controls: ESC and CSI begin terminal escapes
    "\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff"  # unseen, or turns the text
    "\ufff9-\ufffb\ufffe\uffff\U000e0000-\U000e0fff"
    "\ud800-\udfff"  # half a pair: cannot be printed at all
    "]"
)
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:\d\d)(\.\d{1,9})?(?:[Zz]|\+00:00)", re.ASCII)


def printable(text: str) -> str:
    """`text` as it may stand on one line of a terminal: what is unseen or steers is escaped."""
    return _RISKY.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def duration(seconds: float) -> str:
    """A duration: `4 ms`, `0.84 s`, `12.3 s`, `1 min 30 s`, `2 h 5 min`, `3 d 4 h`."""
    if seconds < 0:
        return f"-{duration(-seconds)}"
    if seconds < 0.01:
        return f"{seconds * 1000:.0f} ms" if seconds else "0 s"
    if seconds < 9.995:
        return _trim(f"{seconds:.2f}") + " s"
    if seconds < 59.95:
        return _trim(f"{seconds:.1f}") + " s"
    if seconds == float("inf"):
        return "for ever"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [(days, "d"), (hours, "h"), (minutes, "min"), (rest, "s")]
    while not parts[0][0]:
        del parts[0]
    parts = parts[: 3 if parts[0][1] == "h" else 2]
    return " ".join(f"{number} {unit}" for number, unit in parts if number)


def _trim(number: str) -> str:
    # "10 s" is as true as "10.0 s", but "0.20 s" beside "0.84 s" keeps its digits.
    return number.split(".", maxsplit=1)[0] if float(number).is_integer() else number


def number(n: int) -> str:
    """A whole number with its thousands marked: `12,345`."""
    return f"{n:,}"


def count(n: int, noun: str) -> str:
    """So many of something: `1 path`, `12,345 paths`, `2 retries`."""
    return f"{number(n)} {noun if n == 1 else _plural(noun)}"


def _plural(noun: str) -> str:
    if noun.endswith("y") and noun[-2:-1] not in "aeiou":
        return f"{noun[:-1]}ies"
    return f"{noun}es" if noun.endswith(("s", "x", "ch", "sh")) else f"{noun}s"


def size(n: int) -> str:
    """A size: `312 bytes`, `12.5 KiB`, `3.0 MiB`, `2.0 GiB`."""
    if n < 1024:
        return count(n, "byte")
    if n < 1024**2:
        return f"{n / 1024:.1f} KiB"
    return f"{n / 1024**2:.1f} MiB" if n < 1024**3 else f"{n / 1024**3:.1f} GiB"


def share(fraction: float) -> str:
    """A share of the whole: `20 %`, `0.5 %`."""
    return f"{fraction * 100:.4g} %"


def clock(ts: str) -> str:
    """A record's time: `2026-11-02 10:00:00 UTC`."""
    match = _TIME.fullmatch(ts)
    return f"{match[1]} {match[2]} UTC" if match else printable(ts)


def time_of_day(ts: str) -> str:
    """A record's time within its day, with milliseconds: `10:00:00.123`."""
    match = _TIME.fullmatch(ts)
    return f"{match[2]}.{(match[3] or '.')[1:4]:0<3}" if match else printable(ts)


def listing(items: list[str], *, most: int = 5) -> str:
    """A few names, with the number of those left out: `a, b, c and 4 more`."""
    if len(items) <= most:
        return ", ".join(items)
    return f"{', '.join(items[:most])} and {number(len(items) - most)} more"


def counts(by_name: dict[str, int]) -> str:
    """Counts by name, in the order of the names: `ops/ 3, secret/ 27`."""
    return ", ".join(f"{name} {number(n)}" for name, n in sorted(by_name.items()))


def unverified(server: str) -> str:
    """The warning of a server (`Vault` or `Consul`) whose certificate is taken as it comes."""
    return (
        f"{server}'s certificate is not verified (origin.{server.lower()}.tlsSkipVerify): whoever "
        "stands in between can read the token, and have secrets deleted in every region"
    )
