"""What may be said to `vsync-tui`, and what is said to someone who said something else."""

from __future__ import annotations

import argparse
import difflib
import shlex
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

import vsync_sm
from vsync_sm.journal.named import is_configuration

OK, FATAL, USAGE = 0, 1, 2

USAGES = """\
vsync-tui [--config FILE] [--journal FILE] [--readonly] [options]
       vsync-tui --attach [JOURNAL] [--readonly]
       vsync-tui --replay JOURNAL
       vsync-tui --demo [--readonly]\
"""
ABOUT = """\
The operator's console: what an origin is doing, whether it is healthy, what changed, what
failed and what to do; and the commands that steer it."""
EPILOG = """\
ways in:
  vsync-tui                      run the origin in this process, and show it
  vsync-tui --attach             follow the vsync-sm --headless that writes the default journal
  vsync-tui --attach JOURNAL     follow this one, also before it is there and across restarts
  vsync-tui --replay JOURNAL     go back and forth in a journal, or in a directory of its files
  vsync-tui --demo               try it on local servers; d tells what to try

An attached console reads a file: it puts no load on Vault or Consul. Its commands go through the
origin's control socket; where that cannot be reached the console says so, and shows only.

keys (? lists them all):
  1 … 7   now, journal, cycles, faults, changes, path, buckets
  s sync now   p pause, resume   a abort the cycle   A allow what was refused   H halt
  t times: UTC, local, relative   T theme   m free the mouse   ctrl+p commands by name
  q       quit; where the origin runs in this process that halts it, so it asks first

keys with --replay, in place of s p a A H (Home, then ]: the first fault):
  Space play, stand still   + - speed   Home End   : go to a time, an event, a cycle, a path
  ] [ fault, the one before   → ← event   ) ( phase   } { cycle   s S save
  M mark this moment   = what is different: to the mark, or to the last good cycle   e take it along

exit codes:
  0  quit, or the origin stopped as asked
  1  the origin was halted by a fatal fault, or the console failed
  2  usage or configuration; no terminal; nothing was contacted
  128 + n  signal n ended the console; where the origin runs in this process, the second signal

Configuration as for vsync-sm: flag, then VSYNC_* environment, then file. See config.yaml.
No flag takes a secret: use origin.vault.tokenFile, or VSYNC_ORIGIN_VAULT_TOKEN.
"""

_RUNS = ("timeout", "workers", "tick")
_ALL = (
    *("--attach", "--replay", "--demo", "--readonly", "--config", "--journal"),
    *("--timeout", "--workers", "--tick", "--help", "--version", "--"),
)
_OF_VSYNC_SM = ("--headless", "--once", "--allow", "--log-level", "--log-type")
_NO_SECRETS = "no flag takes a secret: use origin.vault.tokenFile, or VSYNC_ORIGIN_VAULT_TOKEN"


def complain(message: str, hint: str = "") -> None:
    """One sentence on stderr, and what would do."""
    with suppress(OSError):  # the terminal may be gone
        sys.stderr.write(f"vsync-tui: {message}\n" + (f"  → {hint}\n" if hint else ""))
        sys.stderr.flush()


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """What was said. Exits with 2 and a sentence where it makes no sense."""
    parser = _parser()
    for word in arguments:
        flag = word.partition("=")[0]
        if flag.startswith("--") and flag not in _ALL:
            secret = "token" in flag or "secret" in flag
            parser.give_up(f"there is no {flag}", _NO_SECRETS if secret else _meant(flag))
    options, unknown = parser.parse_known_args(arguments)
    if unknown:
        parser.give_up(*_unknown(options, unknown[0]))
    mistake = _misused(options)
    if mistake is not None:
        parser.give_up(*mistake)
    return options


class _Parser(argparse.ArgumentParser):
    """A parser whose complaints say what would do."""

    def error(self, message: str) -> NoReturn:
        self.give_up(message, "vsync-tui --help tells how it is used")

    def give_up(self, message: str, hint: str) -> NoReturn:
        """Complain and end."""
        complain(message, hint)
        raise SystemExit(USAGE)


def _parser() -> _Parser:
    parser = _Parser(
        prog="vsync-tui",
        usage=USAGES,
        description=ABOUT,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--version", action="version", version=f"vsync-tui {vsync_sm.__version__}")
    add(
        "--attach",
        nargs="?",
        const=Path(),
        type=Path,
        metavar="JOURNAL",
        help="follow a running origin by its journal (default: where vsync-sm writes it)",
    )
    add(
        "--replay",
        type=Path,
        metavar="JOURNAL",
        help="go back and forth in a journal, or a directory",
    )
    add("--demo", action="store_true", help="run an origin on local servers, and show it")
    add("--readonly", action="store_true", help="nothing can be commanded")
    add("--config", type=Path, metavar="FILE", help="YAML, or JSON as origin.json")
    add("--journal", type=Path, metavar="FILE", help="the journal's place")
    add("--timeout", metavar="TIME", help="how long a cycle may take, such as 5m")
    add("--workers", metavar="N", help="how many folders are listed, then paths read, at a time")
    add("--tick", metavar="TIME", help="how often a cycle begins, such as 1m")
    return parser


def _unknown(options: argparse.Namespace, word: str) -> tuple[str, str]:
    if word.startswith("-"):
        return f"there is no {word}", _meant(word)
    says = f"{shlex.quote(word)} is named by no flag"
    if _ways(options):
        return says, "leave it out"
    named = shlex.quote(word)
    if is_configuration(word):
        return says, f"a configuration: vsync-tui --config {named}"
    return (
        says,
        f"to follow a journal: vsync-tui --attach {named}; a finished one: --replay {named}",
    )


def _meant(word: str) -> str:
    if word in _OF_VSYNC_SM:
        return f"vsync-sm takes {word}; this is the console"
    near = difflib.get_close_matches(word, _ALL, n=1, cutoff=0.6)
    return f"did you mean {near[0]}?" if near else "vsync-tui --help tells what there is"


def _ways(options: argparse.Namespace) -> list[str]:
    """The flags that name a way in."""
    names = ("attach", "replay", "demo")
    return [f"--{name}" for name in names if getattr(options, name) not in {None, False}]


def _misused(options: argparse.Namespace) -> tuple[str, str] | None:
    ways = _ways(options)
    if len(ways) > 1:
        return f"{ways[0]} and {ways[1]} do not go together", "leave one of them out"
    if not ways:
        return None
    way = ways[0]
    of_a_run = _RUNS if way == "--attach" else ("config", "journal", *_RUNS)
    said = [name for name in of_a_run if getattr(options, name) is not None]
    if said:
        return f"{way} takes no --{said[0]}", "leave it out"
    if way == "--attach" and options.attach != Path() and (options.journal or options.config):
        extra = "--journal" if options.journal else "--config"
        return f"--attach {options.attach} names the journal already", f"leave {extra} out"
    return None
