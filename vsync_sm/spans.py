"""Which part of a journal is meant on a command line, and where what is told of it goes."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from pathlib import Path


def with_ages(arguments: Sequence[str]) -> list[str]:
    """The same, with `--since -2h` as one word: argparse takes `-2h` for a flag."""
    words: list[str] = []
    for word in arguments:
        if words and words[-1] in {"--since", "--until", "--compare"} and re.match(r"-\s?\d", word):
            words[-1] += f"={word}"
        else:
            words.append(word)
    return words


def add_span(parser: argparse.ArgumentParser, *, alone: str) -> None:
    """`--cycle`, which `alone` explains, `--since` and `--until`."""
    parser.add_argument("--cycle", type=_cycles, metavar="N", help=alone)
    for name, words in (
        (
            "since",
            "from the cycle or start in which this moment lies: 03:12, -2h, cycle:12, seq:812",
        ),
        ("until", "to the end of the cycle in which this moment lies (times are UTC)"),
    ):
        parser.add_argument(f"--{name}", type=_moment, metavar="MOMENT", help=words)


def add_out(parser: argparse.ArgumentParser, *, needed: bool) -> None:
    """`--out` and `--force`, and the pseudonyms."""
    to = "a new file (mode 0600)" if needed else "into a new file (mode 0600), not to stdout"
    parser.add_argument("--out", metavar="FILE", type=Path, required=needed, help=to)
    parser.add_argument("--force", action="store_true", help="replace what lies there")
    parser.add_argument(
        "--pseudonyms",
        action="store_true",
        help="put pseudonyms in place of paths, mounts, hosts and users, to show it outside",
    )
    parser.add_argument(
        "--pseudonym-key-file",
        metavar="FILE",
        type=Path,
        help="give each name the same pseudonym as others with this key (default: a random one)",
    )


def _cycles(word: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d{1,15})(?:-(\d{1,15}))?", word, re.ASCII)
    if match is None or int(match[2] or match[1]) < int(match[1]):
        raise argparse.ArgumentTypeError(f"{word} is no cycle: write 12, or 12-15")
    return int(match[1]), int(match[2] or match[1])


def _moment(word: str) -> object:
    from vsync_sm.core.moments import MomentError, moment_of  # noqa: PLC0415  rarely needed

    try:
        return moment_of(word)
    except MomentError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def misspanned(options: argparse.Namespace) -> tuple[str, str] | None:
    """What makes no sense in it, and what would do."""
    moments = [name for name in ("since", "until") if getattr(options, name, None) is not None]
    cycle = getattr(options, "cycle", None) is not None
    if cycle and moments:
        return f"--cycle and --{moments[0]} do not go together", "leave one of them out"
    if getattr(options, "word", None) == "cut" and not (cycle or moments):
        return "cut needs to be told what", "say --cycle N, or --since MOMENT and --until MOMENT"
    if getattr(options, "force", False) and options.out is None:
        return "--force goes with --out", "vsync-sm replay JOURNAL --out FILE --force"
    if getattr(options, "pseudonym_key_file", None) is not None and not options.pseudonyms:
        return "--pseudonym-key-file goes with --pseudonyms", "say both"
    return None
