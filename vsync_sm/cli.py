"""`vsync-sm`: flags, signals and exit codes. What is heavy is imported only when it is needed."""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vsync_sm.config import Settings
    from vsync_sm.origin.inbox import Inbox
    from vsync_sm.origin.ledger import Sink
    from vsync_sm.origin.orders import Mode

OK, FATAL, USAGE, NOT_SAVED = 0, 1, 2, 3

EPILOG = """\
examples:
  vsync-sm check                        is everything in place, and what will a cycle cost?
  vsync-sm plan                         what would the next cycle save? (writes nothing)
  vsync-sm --headless                   run for ever, a cycle each origin.tick
  vsync-sm --headless --once            one cycle, for cron or a pipeline
  vsync-sm --headless --allow 3f2a…     run, and allow what was refused under this id
  vsync-sm replay journal.jsonl         what happened?
  vsync-sm demo                         watch it on local servers

exit codes:
  0  stopped as asked (a signal), or --once saved or had nothing to save
  1  halted by a fatal fault; check: something is not in place; replay: the journal is damaged or
     contradicts itself
  2  usage or configuration; nothing was contacted
  3  --once, plan: the cycle was, or would be, aborted or refused
  128 + n  a second signal

Configuration: flag, then VSYNC_* environment, then file (--config, else ./config.yaml), then
VAULT_ADDR, VAULT_TOKEN, CONSUL_HTTP_ADDR and their like, then default. See config.yaml.
No flag takes a secret: use origin.vault.tokenFile, or VSYNC_ORIGIN_VAULT_TOKEN.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run `vsync-sm` and return its exit code."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    early: list[int] = []
    if "--headless" in arguments or {"check", "plan"} & set(arguments):
        # From the first moment on: what comes before the inbox exists is kept for it.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1):
            signal.signal(number, lambda got, _frame: early.append(got))
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.command is None and not options.headless:
        parser.print_help(sys.stderr)
        return USAGE
    mistake = _misused(options)
    if mistake:
        parser.error(mistake)
    try:
        return _dispatch(options, early)
    except BrokenPipeError:  # `vsync-sm replay … | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK


def _dispatch(options: argparse.Namespace, early: list[int]) -> int:
    if options.command == "replay":
        return _replay(options)
    if options.command == "demo":
        return _demo(options)
    from vsync_sm.config import ConfigError

    try:
        return _run(options, early)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return USAGE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="vsync-sm",
        description="The origin of a one-way Vault replication: indexes KV v2 secrets (their "
        "metadata, never a value) into Consul, cycle after cycle, and never saves wrong.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action=_Version, help="print the version and exit")
    parser.add_argument("--headless", action="store_true", help="run the origin, without a screen")
    parser.add_argument("--once", action="store_true", help="with --headless: one cycle, then end")
    parser.add_argument(
        "--allow", metavar="ID", default="", help="with --headless: allow what was refused as ID"
    )
    _common(parser, top=True)
    commands = parser.add_subparsers(dest="command", metavar="command", title="commands")

    check = commands.add_parser("check", help="the start-up checks, and what a cycle will cost")
    plan = commands.add_parser("plan", help="a cycle up to the save; writes nothing to Consul")
    plan.add_argument("--json", action="store_true", help="one JSON document, with every path")
    for each in (check, plan):
        _common(each)

    replay = commands.add_parser("replay", help="tell what a journal holds, and check it")
    replay.add_argument("file", metavar="JOURNAL", type=Path)
    replay.add_argument("--cycle", type=int, metavar="N", help="only this cycle, in detail")
    replay.add_argument(
        "--json",
        nargs="?",
        const="document",
        choices=["document", "lines"],
        help="for a program: one document, or one object a line",
    )

    demo = commands.add_parser("demo", help="local servers, a changing tree, cycles every 3 s")
    demo.add_argument("--tick", type=float, default=3.0, metavar="SECONDS")
    demo.add_argument("--secrets", type=int, default=300, metavar="N", help="how large the tree is")
    return parser


def _common(parser: argparse.ArgumentParser, *, top: bool = False) -> None:
    # A subcommand's default must not overwrite what was said before it.
    default = None if top else argparse.SUPPRESS
    add = parser.add_argument
    add("--config", type=Path, metavar="FILE", default=default, help="YAML, or JSON as origin.json")
    add("--journal", type=Path, metavar="FILE", default=default, help="the journal's place")
    add("--tick", metavar="1m", default=default, help="how often a cycle begins")
    add("--timeout", metavar="5m", default=default, help="how long a cycle may take")
    add("--workers", metavar="N", default=default, help="how many paths are read at a time")
    add("--log-level", metavar="LEVEL", default=default, help="debug, info, warning or error")
    add("--log-type", metavar="TYPE", default=default, help="console, json or auto")


class _Version(argparse.Action):
    """`--version`, which asks the package's metadata only when it is wanted."""

    def __init__(self, option_strings: Sequence[str], dest: str, **rest: object) -> None:
        super().__init__(option_strings, dest, nargs=0, help=str(rest.get("help", "")))

    def __call__(self, parser: argparse.ArgumentParser, *_: object, **__: object) -> None:
        from vsync_sm import __version__

        print(f"vsync-sm {__version__}")
        parser.exit(OK)


def _misused(options: argparse.Namespace) -> str:
    if options.headless and options.command is not None:
        return f"--headless and {options.command} do not go together"
    if not options.headless and (options.once or options.allow):
        return "--once and --allow go with --headless"
    return ""


def _settings(options: argparse.Namespace) -> Settings:
    from vsync_sm.config import load

    return load(
        file=options.config,
        environment=os.environ,
        flags={
            "journal.file": options.journal,
            "origin.tick": options.tick,
            "origin.timeout": options.timeout,
            "origin.numWorkers": options.workers,
            "log.level": options.log_level,
            "log.type": options.log_type,
        },
        cwd=Path.cwd(),
    )


def _run(options: argparse.Namespace, early: list[int]) -> int:
    settings = _settings(options)
    from vsync_sm.operate.log import log_to_stderr
    from vsync_sm.operate.report import CheckReport, PlanReport
    from vsync_sm.origin.orders import Mode

    journal = _journal(settings)

    def allow_command(allowance: str) -> str:
        return _allow_command(options, allowance)

    if options.command == "check":
        report = CheckReport()
        code = _engine(settings, Mode.check, journal, early, [report])
        print(*report.lines(), sep="\n")
        return OK if code == OK else FATAL
    if options.command == "plan":
        plan = PlanReport(allow_command)
        code = _engine(settings, Mode.plan, journal, early, [plan])
        if options.json:
            import orjson

            print(orjson.dumps(plan.document(), option=orjson.OPT_INDENT_2).decode())
        else:
            print(*plan.lines(), sep="\n")
        return code if code or plan.complete else NOT_SAVED
    log = log_to_stderr(
        level=settings.log.level, kind=settings.log.type, allow_command=allow_command
    )
    for unused in settings.unused:
        log.say("warning", f"configuration: {unused}")
    mode = Mode.once if options.once else Mode.daemon
    log.say("info", f"journal: {journal}")
    return _engine(settings, mode, journal, early, [log], allow=options.allow)


def _journal(settings: Settings) -> Path:
    from vsync_sm.wiring import default_journal

    return settings.journal.file or default_journal(os.environ)


def _engine(
    settings: Settings,
    mode: Mode,
    journal: Path,
    early: list[int],
    sinks: Sequence[Sink],
    *,
    allow: str = "",
) -> int:
    from vsync_sm import wiring
    from vsync_sm.core.errors import Fault, FaultKind
    from vsync_sm.origin.inbox import Inbox

    inbox: Inbox = Inbox()
    wiring.listen(inbox, early)
    try:
        engine, writer = wiring.engine(settings, mode, journal, inbox, allow=allow, sinks=sinks)
        try:
            return engine.run()
        finally:
            writer.close()
    except Fault as fault:
        print(f"vsync-sm: {fault.message}", file=sys.stderr)
        if fault.hint:
            print(f"  → {fault.hint}", file=sys.stderr)
        return USAGE if fault.kind is FaultKind.CONFIGURATION else FATAL


def _allow_command(options: argparse.Namespace, allowance: str) -> str:
    words = ["vsync-sm", "--headless"]
    if getattr(options, "once", False):
        words.append("--once")
    for name in ("config", "journal"):
        value = getattr(options, name, None)
        if value is not None:
            words += [f"--{name}", str(value)]
    return shlex.join([*words, "--allow", allowance])


def _replay(options: argparse.Namespace) -> int:
    from vsync_sm.journal.reader import read_journal
    from vsync_sm.journal.replay import replay

    story = replay(
        read_journal(options.file),
        json=options.json is not None,
        lines=options.json == "lines",
        cycle=options.cycle,
    )
    for chunk in story:
        sys.stdout.write(chunk)
    if not story.found:
        print(f"vsync-sm: {options.file} has no cycle {options.cycle}", file=sys.stderr)
    return OK if story.ok and story.found else FATAL


def _demo(options: argparse.Namespace) -> int:
    from collections.abc import Mapping

    import orjson

    from vsync_sm import demo
    from vsync_sm.config import load
    from vsync_sm.operate.log import log_to_stderr
    from vsync_sm.origin.orders import Mode

    def run_origin(config: Mapping[str, object], journal: Path) -> int:
        with tempfile.NamedTemporaryFile(suffix=".json") as file:
            file.write(orjson.dumps(dict(config)))
            file.flush()
            settings = load(file=Path(file.name), environment={}, flags={}, cwd=Path.cwd())
        log = log_to_stderr(
            level="info",
            kind="console",
            allow_command=lambda allowance: (
                f"(in a real run) vsync-sm --headless --allow {allowance}"
            ),
        )
        return _engine(settings, Mode.daemon, journal, [], [log])

    return demo.run(run_origin, tick=options.tick, secrets=options.secrets, out=sys.stdout)


if __name__ == "__main__":
    sys.exit(main())
