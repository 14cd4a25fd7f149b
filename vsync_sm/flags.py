"""What may be said on the command line, and what is said to someone who said something else."""

from __future__ import annotations

import argparse
import difflib
import os
import shlex
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NoReturn

import vsync_sm
from vsync_sm.core.errors import Fault
from vsync_sm.spans import add_out, add_span, misspanned, with_ages

OK, FATAL, USAGE, NOT_SAVED = 0, 1, 2, 3
"""The exit codes; a second signal n is 128 + n."""

Write = Callable[[Iterable[str]], None]
"""Writes text to stdout."""

USAGES = """\
vsync-sm --headless [--once] [--allow ID] [options]
       vsync-sm check [options]
       vsync-sm plan [--json] [options]
       vsync-sm ctl status | sync | pause | resume | abort | allow ID | halt
       vsync-sm where PATH [--journal FILE | --config FILE] [--json]
       vsync-sm notify-test [--config FILE]
       vsync-sm journal [--journal FILE | --config FILE] [--json]
       vsync-sm journal cut (--cycle N | --since MOMENT --until MOMENT) --out FILE
       vsync-sm replay JOURNAL --compare MOMENTS [--json] [--out FILE]
       vsync-sm replay JOURNAL [--cycle N | --since MOMENT --until MOMENT]
                               [--json | --json-lines | --markdown | --svg]
                               [--pseudonyms] [--out FILE]
       vsync-sm demo\
"""
ABOUT = """\
The origin of a one-way Vault replication: indexes KV v2 secrets (their metadata,
never a value) into Consul, cycle after cycle, and never saves wrong."""
EPILOG = """\
examples:
  vsync-sm check                        is everything in place, and what will a cycle cost?
  vsync-sm plan                         what would the next cycle save? (writes nothing)
  vsync-sm --headless                   run for ever, a cycle each origin.tick
  vsync-sm --headless --once            one cycle, for cron or a pipeline
  vsync-sm --headless --allow 3f2a…     run, and allow what was refused under this id
  vsync-sm ctl status                   is the running origin healthy, and what is it doing?
  vsync-sm ctl allow 3f2a…              let it save once what it has refused
  vsync-sm where secret/app/db          I changed it at 14:02: is it out?
  vsync-sm notify-test                  would a human be told? (sends a test message)
  vsync-sm replay journal.jsonl         what happened?
  vsync-sm replay --markdown --since 03:00 --until 04:30 journal.jsonl > post-mortem.md
  vsync-sm replay . --compare failed    what was different in the cycle that failed?
  vsync-sm journal                      how large is the journal, and how long does it last?
  vsync-sm demo                         watch it on local servers

exit codes:
  0  stopped as asked (a signal), or --once saved or had nothing to save
  1  halted by a fatal fault; check: something is not in place; replay: the journal is damaged or
     contradicts itself; ctl: it was not done, or status: failing; where: nothing is known of it;
     notify-test: a channel failed; journal: it is damaged, or lacks the cycle; replay --compare:
     the journal is damaged, or lacks a moment
  2  usage or configuration; nothing was contacted; notify-test: nothing is configured;
     replay, where, journal: there is no such journal
  3  --once, plan: the cycle was, or would be, aborted or refused; ctl status: refused;
     where: it is not out, or not yet
  128 + n  a second signal

Configuration: flag, then VSYNC_* environment, then file (--config, else ./config.yaml), then
VAULT_ADDR, VAULT_TOKEN, CONSUL_HTTP_ADDR and their like, then default. See config.yaml.
No flag takes a secret: use origin.vault.tokenFile, or VSYNC_ORIGIN_VAULT_TOKEN.
"""


def complain(message: str, hint: str = "") -> None:
    """One sentence on stderr, and what would do."""
    sys.stderr.write(f"vsync-sm: {message}\n" + (f"  → {hint}\n" if hint else ""))


def journal_meant(options: argparse.Namespace) -> Path | None:
    """The journal of the origin that is meant; None: it has been said what is wrong."""
    if options.journal is not None:
        from vsync_sm.journal.segments import journal_in  # noqa: PLC0415

        return journal_in(Path(options.journal))
    # Not before they are needed: they take longer than all the rest.
    from vsync_sm.config import ConfigError, journal_file  # noqa: PLC0415

    try:
        return journal_file(file=options.config, environment=os.environ, cwd=Path.cwd())
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
    except Fault as fault:
        complain(fault.message, fault.hint)
    return None


def is_no_journal(journal: Path, *command: str) -> bool:
    """Whether what was named with these words can be no journal; what would do has been said."""
    from vsync_sm.core.words import printable  # noqa: PLC0415
    from vsync_sm.journal.named import mistaken  # noqa: PLC0415

    mistake = mistaken(journal, ("vsync-sm", *command))
    if mistake is not None:
        complain(*map(printable, mistake))
    return mistake is not None


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """What was said. Exits with 2 and a sentence where it makes no sense."""
    parser = _parser()
    if not arguments:
        parser.print_help(sys.stderr)
        parser.exit(USAGE)
    for word in arguments:
        # Before argparse takes what follows an unknown flag, maybe a token, for a command.
        flag = word.partition("=")[0]
        if flag.startswith("--") and flag not in _ALL:
            secret = "token" in flag or "secret" in flag
            complain(f"there is no {flag}", _NO_SECRETS if secret else _meant(flag, _ALL))
            parser.exit(USAGE)
    options, unknown = parser.parse_known_args(with_ages(arguments))
    mistake = _unknown(options, unknown) if unknown else _misused(options) or misspanned(options)
    if mistake:
        complain(*mistake)
        parser.exit(USAGE)
    return options


class _Parser(argparse.ArgumentParser):
    """A parser whose complaints say what would do."""

    def error(self, message: str) -> NoReturn:
        complain(message, f"{self.prog} --help tells how it is used")
        self.exit(USAGE)

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        names = list(map(str, action.choices or ()))
        if action.dest in {"command", "word"} and value not in names:
            knows = f"{self.prog.rpartition(' ')[2]} knows no"
            where = "there is no command" if action.dest == "command" else knows
            path = _as_a_path(value) if action.dest == "command" else ""
            complain(f"{where} {value}", path or _meant(value, names, self.prog))
            self.exit(USAGE)
        super()._check_value(action, value)


def _as_a_path(word: str) -> str:
    """How what looks like a path is named; "" for what does not."""
    from vsync_sm.journal.named import is_configuration  # noqa: PLC0415

    named = shlex.quote(word)
    config = f"a configuration is named by --config: vsync-sm check --config {named}"
    journal = f"a journal is told by replay: vsync-sm replay {named}"
    if is_configuration(word):
        return config
    if word.endswith((".jsonl", ".gz")):
        return journal
    return f"{config}; {journal}" if "/" in word else ""


def _parser() -> _Parser:
    parser = _Parser(
        prog="vsync-sm",
        usage=USAGES,
        description=ABOUT,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"vsync-sm {vsync_sm.__version__}")
    parser.add_argument("--headless", action="store_true", help="run the origin, without a screen")
    parser.add_argument("--once", action="store_true", help="with --headless: one cycle, then end")
    parser.add_argument(
        "--allow", metavar="ID", help="with --headless: allow what was refused under this id, once"
    )
    _common(parser)
    commands = parser.add_subparsers(
        dest="command", metavar="COMMAND", title="commands", prog="vsync-sm", required=False
    )

    def command(name: str, words: str, *, more: str = "") -> _Parser:
        about = f"{words[0].upper()}{words[1:]}.{more}"
        made: _Parser = commands.add_parser(name, help=words, description=about, allow_abbrev=False)
        return made

    check = command(
        "check",
        "the start-up checks, and what a cycle will cost",
        more=" Writes a probe key to Consul and deletes it. Exit code 1: something is missing.",
    )
    plan = command(
        "plan",
        "what the next cycle would save; writes nothing",
        more=" Exit code 3: the cycle would be refused or aborted.",
    )
    plan.add_argument("--json", action="store_true", help="one JSON document, with every path")
    for each in (check, plan):
        _common(each, top=False)

    _ctl(
        command(
            "ctl",
            "look at a running origin, and steer it",
            more=" It speaks to a running vsync-sm --headless through the control socket that "
            "lies beside its journal; what it asks for stands in that journal.",
        )
    )

    where = command(
        "where",
        "is what was changed in Vault out? as the journal tells",
        more=" Exit code: 0 Consul holds what was last read (or nothing of what is gone), "
        "3 not yet, or refused, 1 the journal knows nothing of it or is damaged.",
    )
    where.add_argument("path", metavar="PATH", help="secret/app/db, or as the API has it")
    where.add_argument("--json", action="store_true", help="one JSON document")
    _which_origin(where)

    notify_test = command(
        "notify-test",
        "send a test message through each channel",
        more=" Each of notify.command, notify.urls and notify.urlsFile gets one, at the same time. "
        "Exit code: 0 all went, 1 one did not, 2 none is configured.",
    )
    notify_test.add_argument(
        "--config",
        metavar="FILE",
        type=Path,
        default=argparse.SUPPRESS,
        help="YAML, or JSON as origin.json (default: config.yaml, if there is one)",
    )

    _journal(command("journal", "how large a journal is and how long its budget lasts"))

    replay = command("replay", "tell what a journal holds, and check it")
    replay.add_argument(
        "file",
        metavar="JOURNAL",
        type=Path,
        help="the journal, its directory, one of its closed files, or its history of a day",
    )
    add_span(replay, alone="only this cycle, in detail; or N-M")
    replay.add_argument(
        "--compare",
        metavar="MOMENTS",
        help="what is different at one moment: failed (the first of the cycles that failed last in "
        "a row), cycle:12, seq:4711, 03:12 (UTC), -2h, start or end, against the last good cycle "
        "before it; or at the second of two: cycle:9..cycle:12",
    )
    form = replay.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="for a program: one document")
    form.add_argument("--json-lines", action="store_true", help="the same, one object a line")
    form.add_argument(
        "--markdown", action="store_true", help="a page to paste into the post-mortem"
    )
    form.add_argument(
        "--svg",
        action="store_true",
        help="a picture of a cycle's phases: of --cycle N, else the first that failed, or the last",
    )
    add_out(replay, needed=False)

    demo = command("demo", "an origin at work on local servers, until Ctrl-C")
    demo.add_argument(
        "--tick",
        dest="seconds",
        type=_above_0(float),
        default=3.0,
        metavar="SECONDS",
        help="how often a cycle begins (default: 3)",
    )
    demo.add_argument(
        "--secrets",
        type=_above_0(int),
        default=300,
        metavar="N",
        help="how many secrets the tree begins with (default: 300)",
    )
    return parser


_WORDS = {
    "status": ("tell its state", "Exit code: 0 healthy, 1 failing (or not running), 3 refused."),
    "sync": ("begin a cycle now", "Also while paused; while a cycle runs, another one after it."),
    "pause": (
        "let no cycle begin by itself",
        "A running cycle goes on. The pause lasts until it is resumed, also over a restart.",
    ),
    "resume": ("let cycles begin by themselves again", "One that is overdue begins at once."),
    "abort": (
        "abort the running cycle",
        "Nothing of it is saved; none begins before the next tick. A save that has begun goes on.",
    ),
    "allow": (
        "let the next save do what was refused",
        "Shows all of it, and asks. It holds for one save, within an hour, and no further.",
    ),
    "halt": (
        "end the origin cleanly",
        "As a signal would: a cycle is aborted, a save that has begun gets 3 s for its end.",
    ),
}
"""What `ctl` takes: in short, and more."""


def _ctl(parser: argparse.ArgumentParser) -> None:
    _which_origin(parser)
    words = parser.add_subparsers(dest="word", metavar="WORD", title="words", required=True)
    made = {}
    for word, (short, more) in _WORDS.items():
        about = f"{short[0].upper()}{short[1:]}. {more}"
        made[word] = words.add_parser(word, help=short, description=about, allow_abbrev=False)
        _which_origin(made[word])
    made["status"].add_argument("--json", action="store_true", help="one JSON document")
    made["pause"].add_argument("--why", metavar="TEXT", help="for who finds it paused")
    made["allow"].add_argument("id", metavar="ID", help="of the refusal; ctl status tells it")
    made["allow"].add_argument("--yes", action="store_true", help="do not ask: for scripts")


def _journal(parser: argparse.ArgumentParser) -> None:
    _which_origin(parser)
    parser.add_argument("--json", action="store_true", help="one JSON document")
    words = parser.add_subparsers(dest="word", metavar="WORD", title="words", required=False)
    cut = words.add_parser(
        "cut",
        help="cut a span out, as a journal of its own",
        description="Cut a cycle, or all between two moments, out as a journal of its own that "
        "replay accepts. It is made of whole cycles. "
        "Paths and messages stand in it as they were, but for --pseudonyms.",
        allow_abbrev=False,
    )
    add_span(cut, alone="its number; or N-M")
    add_out(cut, needed=True)
    _which_origin(cut)


def _which_origin(parser: argparse.ArgumentParser) -> None:
    for name, words in (
        ("config", "the origin's configuration, for the journal's place"),
        ("journal", "the origin's journal (default: as the origin finds it)"),
    ):
        default = argparse.SUPPRESS
        parser.add_argument(f"--{name}", metavar="FILE", type=Path, default=default, help=words)


_COMMON = {
    "config": ("FILE", "YAML, or JSON as origin.json (default: config.yaml, if there is one)"),
    "journal": ("FILE", "the journal's place"),
    "timeout": ("TIME", "how long a cycle may take, such as 5m"),
    "workers": ("N", "how many folders are listed, then paths read, at a time"),
    "tick": ("TIME", "how often a cycle begins, such as 1m"),
    "log_level": ("LEVEL", "debug, info, warning or error"),
    "log_type": ("TYPE", "console, json, or auto: console on a terminal, else json"),
}
_OF_HEADLESS = {
    "--headless",
    "--once",
    "--allow",
    *(f"--{name.replace('_', '-')}" for name in _COMMON),
}
_NO_SECRETS = "no flag takes a secret: use origin.vault.tokenFile, or VSYNC_ORIGIN_VAULT_TOKEN"
_ALL = {
    *_OF_HEADLESS,
    "--",
    "--help",
    "--version",
    "--json",
    "--json-lines",
    "--cycle",
    "--compare",
    "--secrets",
    "--why",
    "--yes",
    "--since",
    "--until",
    "--markdown",
    "--svg",
    "--out",
    "--force",
    "--pseudonyms",
    "--pseudonym-key-file",
}
_OF_A_RUN = ("tick", "log_level", "log_type")
"""What `check` and `plan` take, so that a command line can be used for both, and do not need."""


def _common(parser: argparse.ArgumentParser, *, top: bool = True) -> None:
    for name, (metavar, words) in _COMMON.items():
        parser.add_argument(
            f"--{name.replace('_', '-')}",
            metavar=metavar,
            # A subcommand's default must not overwrite what was said before it.
            default=None if top else argparse.SUPPRESS,
            type=Path if metavar == "FILE" else str,
            help=words if top or name not in _OF_A_RUN else argparse.SUPPRESS,
        )


def _above_0(kind: type[float]) -> Callable[[str], float]:
    def number(word: str) -> float:
        try:
            value = kind(word)
        except ValueError:
            value = 0
        if not 0 < value < float("inf"):
            whole = "whole " if issubclass(kind, int) else ""
            raise argparse.ArgumentTypeError(f"{word} is no {whole}number above 0")
        return value

    return number


def _meant(word: str, known: Iterable[str], prog: str = "vsync-sm") -> str:
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"did you mean {near[0]}?" if near else f"{prog} --help tells what there is"


def _unknown(options: argparse.Namespace, words: list[str]) -> tuple[str, str]:
    if getattr(options, "word", None) == "pause" and not any(w.startswith("-") for w in words):
        why = " ".join([options.why, *words] if options.why else words)
        return "a reason goes with --why, in quotes", f"did you mean --why {shlex.quote(why)}?"
    flag = words[0].partition("=")[0]
    says = f"{options.command} takes no {flag}" if options.command else f"there is no {flag}"
    return says, "it goes with --headless" if flag in _OF_HEADLESS else "leave it out"


def _misused(options: argparse.Namespace) -> tuple[str, str] | None:
    command, said = options.command, [n for n in _COMMON if getattr(options, n) is not None]
    if options.headless and command is not None:
        return f"--headless and {command} do not go together", "leave one of them out"
    for flag, given in (("--once", options.once), ("--allow", options.allow is not None)):
        if given and not options.headless:
            return f"{flag} goes with --headless", f"vsync-sm --headless {flag} …"
    if options.allow == "":
        return "--allow needs the id of a refusal", "the refusal printed it; replay tells it too"
    if command is None and not options.headless:
        commands = "check, plan, ctl, where, notify-test, journal, replay or demo"
        return "nothing to do", f"say --headless, or a command: {commands}"
    if command in {"ctl", "where", "journal"}:
        said = [name for name in said if name not in {"config", "journal"}]
    if command == "notify-test":
        said = [name for name in said if name != "config"]
    if command not in {None, "check", "plan"} and said:
        return f"{command} takes no --{said[0].replace('_', '-')}", "leave it out"
    return _miscompared(options) if command == "replay" and options.compare is not None else None


def _miscompared(options: argparse.Namespace) -> tuple[str, str] | None:
    moments = "it takes two moments, too: --compare cycle:9..cycle:12"
    form = "it is told as text, or with --json"
    cut = "cut it out with --pseudonyms (vsync-sm journal cut), and compare there"
    for flag, given, hint in (
        ("cycle", options.cycle is not None, moments),
        ("since", options.since is not None, moments),
        ("until", options.until is not None, moments),
        ("json-lines", options.json_lines, form),
        ("markdown", options.markdown, form),
        ("svg", options.svg, form),
        ("pseudonyms", options.pseudonyms, cut),
    ):
        if given:
            return f"--compare and --{flag} do not go together", hint
    return None
