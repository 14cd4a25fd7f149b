"""What a person may try while the demo runs, each as commands for another terminal.

A hint begins with the word that the origin then answers with, so that every answer can be seen.
"""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import wrap

import msgspec

from vsync_sm.demo.tree import SANDBOX, SANDBOX_SECRETS

_WIDTH = 72
"""So wide a line may be (characters), that a screen of 80 columns shows it whole."""
_YOURS = f"{SANDBOX}data/my/secret"
_ALL_OF_IT = f"[1-{SANDBOX_SECRETS}]"  # a range, as curl takes it


class Place(msgspec.Struct, frozen=True):
    """Where the demo's parts are; the token is in a file that only its owner may read."""

    vault: str
    vault_pid: int
    consul: str
    consul_pid: int
    curl: Path
    """Options for curl, Vault's token among them: on its command line, everyone could read that."""
    accessor: str
    """The handle of the origin's token: good for revoking it, and for nothing that it may do."""
    index: str
    """The key of the sync info in Consul, without its last part."""
    journal: Path
    text: Path
    """The file in which the hints lie."""


class Hint(msgspec.Struct, frozen=True):
    """Something to try: what it shows, the commands for it, and what happens then."""

    title: str
    commands: tuple[str, ...]
    then: str


def told(place: Place) -> str:
    """All hints, for a terminal or a screen: titles at the margin, what belongs to them within."""
    lines = ["In another terminal; to copy from there, this text also lies in", f"  {place.text}"]
    for hint in hints(place):
        lines += ["", hint.title]
        lines += [f"  {line}" for command in hint.commands for line in command.splitlines()]
        lines += wrap(hint.then, _WIDTH, initial_indent="  → ", subsequent_indent="    ")
    return "\n".join(lines) + "\n"


def hints(place: Place) -> Iterator[Hint]:
    """Everything that can be tried, the harmless first."""
    vault = f"{place.vault}/v1/"
    curl = ("curl", "-s", "-K", str(place.curl))
    ours = ("--journal", str(place.journal))
    revoked = f'{{"accessor": "{place.accessor}"}}'
    yield Hint(
        "Change a secret, then delete it",
        (
            _line(*curl, "-d", '{"data": {"by": "you"}}', vault + _YOURS),
            _line(*curl, "-X", "DELETE", vault + _YOURS),
            _line("vsync-sm", "where", _YOURS, *ours),
        ),
        "A moment after each it is under what changed; the last one tells whether it is out.",
    )
    for name, pid in (("Vault", place.vault_pid), ("Consul", place.consul_pid)):
        yield Hint(
            f"STUCK: freeze {name} (pid {pid}) for a minute",
            (f"kill -STOP {pid}; sleep 60; kill -CONT {pid}",),
            "Cycles fail, and nothing is saved; after three in a row it is STUCK. It heals by "
            f"itself when {name} goes on.",
        )
    yield Hint(
        f"REFUSED: wipe all of {SANDBOX}",
        (_line(*curl, "-X", "DELETE", f"{vault}{SANDBOX}metadata/{_ALL_OF_IT}"),),
        "The next save is refused, for it looks like an accident: Consul keeps what it has. A in "
        "the console shows what would vanish, and allows it; without one, vsync-sm ctl status "
        "tells how. Or bring it all back:",
    )
    yield Hint(
        f"IN SYNC again: write all of {SANDBOX} anew",
        (
            _line(
                *curl, "-o", "/dev/null", "-d", '{"data": {}}', f"{vault}{SANDBOX}data/{_ALL_OF_IT}"
            ),
        ),
        "Nothing would vanish any more, so nothing is refused.",
    )
    yield Hint(
        "PAUSED: let no cycle begin by itself",
        (
            _line("vsync-sm", "ctl", "pause", "--why", "a try", *ours),
            _line("vsync-sm", "ctl", "resume", *ours),
        ),
        "In the console: p, and p again. What changes meanwhile waits.",
    )
    yield Hint(
        "HALTED: revoke the origin's token",
        (_line(*curl, "-d", revoked, f"{vault}auth/token/revoke-accessor"),),
        "Vault no longer accepts it: a fatal fault, which ends the origin, and with it the demo.",
    )
    yield Hint(
        "Look at it from outside",
        (
            _line("curl", "-s", f"{place.consul}/v1/kv/{place.index}?keys"),
            _line("curl", "-s", f"{place.consul}/v1/kv/{place.index}index?raw"),
            _line("vsync-sm", "ctl", "status", *ours),
            _line("vsync-tui", "--attach", str(place.journal)),
            _line("vsync-sm", "replay", str(place.journal)),
        ),
        "What lies in Consul; is it healthy; a second console; the story so far.",
    )


def command(program: str, *arguments: str) -> str:
    """A command of ours, as it can be pasted in any directory."""
    return shlex.join([_found(program), *arguments])


def _found(program: str) -> str:
    return program if shutil.which(program) else str(Path(sys.executable).parent / program)


def _line(program: str, *arguments: str) -> str:
    """A command, its last arguments on a line of their own where it would be too long for one."""
    words = [_found(program) if program.startswith("vsync") else program, *arguments]
    whole = shlex.join(words)
    if len(whole) <= _WIDTH:
        return whole
    last = -2 if arguments[-2:-1] == ("--journal",) else -1
    return f"{shlex.join(words[:last])} \\\n  {shlex.join(words[last:])}"
