"""`vsync-sm`: flags, signals and exit codes. What is heavy is imported only when it is needed."""

from __future__ import annotations

import argparse
import io
import os
import shlex
import signal
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vsync_sm.flags import FATAL, NOT_SAVED, OK, USAGE, complain, is_no_journal, parse

if TYPE_CHECKING:
    from vsync_sm.config import Settings
    from vsync_sm.core.errors import Fault
    from vsync_sm.operate.log import Log
    from vsync_sm.origin.engine import Engine
    from vsync_sm.origin.ledger import Sink
    from vsync_sm.origin.orders import Mode
    from vsync_sm.wiring import Running


def main(argv: Sequence[str] | None = None) -> int:
    """Run `vsync-sm` and return its exit code."""
    if isinstance(sys.stdout, io.TextIOWrapper):  # a terminal may not know every character
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        return _main(sys.argv[1:] if argv is None else list(argv))
    except KeyboardInterrupt:  # where no origin runs that would hear it: `replay`
        return 128 + signal.SIGINT
    finally:
        _write(())


def _main(arguments: list[str]) -> int:
    early: list[int] = []
    runs = {"--headless", "check", "plan"} & set(arguments)
    if runs and not {"ctl", "where", "journal"} & set(arguments):
        # From the first moment on: what comes before the inbox exists is kept for it.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1):
            signal.signal(number, lambda got, _frame: early.append(got))
    options = parse(arguments)
    at_once = {
        "replay": _replay,
        "ctl": _ctl,
        "where": _where,
        "journal": _about_journal,
        "notify-test": _notify_test,
    }.get(options.command)
    if at_once is not None:
        return at_once(options)
    from vsync_sm.config import ConfigError
    from vsync_sm.core.errors import Fault, StoppedEarly

    try:
        if options.command == "demo":
            return _demo(options)
        run = {"check": _check, "plan": _plan}.get(options.command, _headless)
        return run(options, _settings(options), early)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return USAGE
    except StoppedEarly:
        return {"check": FATAL, "plan": NOT_SAVED}.get(options.command, OK)
    except Fault as fault:
        complain(fault.message, fault.hint)
        return _code(fault)


def _write(chunks: Iterable[str]) -> None:
    """To stdout; who reads no further (`… | head`) ends the telling, not the program."""
    try:
        for chunk in chunks:
            sys.stdout.write(chunk)
        sys.stdout.flush()
    except OSError as error:
        # What is left in the buffer must not fail once more when the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            complain(f"the output cannot be written: {error.strerror}", "is the disk full?")
            raise SystemExit(FATAL) from None


# --- what is done ----------------------------------------------------------------------------


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


def _check(_: argparse.Namespace, settings: Settings, early: list[int]) -> int:
    from vsync_sm.operate.report import CheckReport
    from vsync_sm.origin.orders import Mode

    _warn(settings)
    report = CheckReport()
    code, _engine = _run(settings, Mode.check, early, [report, *_progress()])
    _write(f"{line}\n" for line in report.lines())
    if code > 128:
        return code
    return OK if code == OK and report.complete else FATAL


def _plan(options: argparse.Namespace, settings: Settings, early: list[int]) -> int:
    from vsync_sm.operate.report import PlanReport
    from vsync_sm.origin.orders import Mode

    _warn(settings)
    report = PlanReport()
    code, engine = _run(settings, Mode.plan, early, [report, *_progress()])
    report.nothing_to_write = engine.reindexed is None or engine.reindexed.plan.nothing_to_write
    if options.json:
        import orjson

        document = orjson.dumps(report.document(), option=orjson.OPT_INDENT_2)
        _write([document.decode(), "\n"])
    else:
        # Only what the journal knows can be allowed, and a plan writes nothing there.
        known = report.allowance in engine.allowable
        command = _allow_command(options, settings)(report.allowance) if known else ""
        _write(f"{line}\n" for line in report.lines(command))
    return code if code or report.verdict() in {"save", "unchanged"} else NOT_SAVED


def _headless(options: argparse.Namespace, settings: Settings, early: list[int]) -> int:
    from vsync_sm.core.errors import Fault
    from vsync_sm.operate.log import log_to_stderr
    from vsync_sm.origin.orders import Mode

    log = log_to_stderr(
        level=settings.log.level,
        kind=settings.log.type,
        allow_command=_allow_command(options, settings),
    )
    for warning in settings.warnings:
        log.say("warning", warning)
    log.say("info", f"journal: {_journal(settings)}")
    mode = Mode.once if options.once else Mode.daemon
    try:
        ready = _log_how_it_is(log, _journal(settings))
        return _run(settings, mode, early, [log], allow=options.allow or "", ready=ready)[0]
    except Fault as fault:
        log.say("error", f"{fault.message} → {fault.hint}" if fault.hint else fault.message)
        return _code(fault)
    finally:
        log.close()


def _warn(settings: Settings) -> None:
    for warning in settings.warnings:
        print(warning, file=sys.stderr)


def _progress() -> list[Sink]:
    from vsync_sm.operate.log import Progress, Waiting

    return [Progress(sys.stderr), Waiting(sys.stderr)]


def _run(
    settings: Settings,
    mode: Mode,
    early: list[int],
    sinks: Sequence[Sink],
    *,
    allow: str = "",
    journal: Path | None = None,
    ready: Callable[[Running], None] | None = None,
) -> tuple[int, Engine]:
    """Run to the end; the exit code and the engine as it ended. Raises Fault: it could not.

    `ready` gets it before it runs; without, what matters is said on stderr.
    """
    from vsync_sm import wiring
    from vsync_sm.origin.demands import HALTING
    from vsync_sm.origin.inbox import Inbox

    inbox = Inbox()
    stop_asked = wiring.listen(inbox, early)
    place = journal or _journal(settings)
    running = wiring.engine(
        settings, mode, place, inbox, allow=allow, sinks=sinks, stop_asked=stop_asked
    )
    try:
        (ready or _say_on_stderr)(running)
        code = running.engine.run()
        for number in HALTING:  # the run is over: its exit code stands
            signal.signal(number, signal.SIG_IGN)
        return code, running.engine
    finally:
        running.close()


def _log_how_it_is(log: Log, journal: Path) -> Callable[[Running], None]:
    def ready(running: Running) -> None:
        control = running.control
        if control is not None and control.path:
            log.say("info", f"control socket: {control.path}")
            words = ["vsync-sm", "ctl", "allow"]
            log.allow_live(lambda id_: shlex.join([*words, id_, "--journal", str(journal)]))
        elif control is not None:
            log.say("warning", f"there is no control socket: {control.trouble}")
        exposed = running.exposed
        if exposed is not None:
            log.say("info", f"metrics: http://{exposed.address}/metrics, /health and /live")
        if exposed is not None and exposed.warning:
            log.say("warning", exposed.warning)
        for line in _paused(running):
            log.say("warning", line)

    return ready


def _say_on_stderr(running: Running) -> None:
    for line in _paused(running):
        print(line, file=sys.stderr)


def _paused(running: Running) -> list[str]:
    from vsync_sm.core.commands import paused

    pause = running.engine.view.pause
    if pause is None:
        return []
    holds = "" if running.control is not None else "; this one cycle was asked for all the same"
    return [f"the origin is paused {paused(pause)}{holds}"]


def _code(fault: Fault) -> int:
    from vsync_sm.core.errors import FaultKind

    return USAGE if fault.kind is FaultKind.CONFIGURATION else FATAL


def _journal(settings: Settings) -> Path:
    from vsync_sm.operate.place import default_journal

    return settings.journal.file or default_journal(os.environ)


def _allow_command(options: argparse.Namespace, settings: Settings) -> Callable[[str], str]:
    # The journal by its full name: the shell in which this is pasted may have another
    # STATE_DIRECTORY, HOME or working directory, and then another journal.
    words = ["vsync-sm", "--headless", "--once"]
    if settings.file is not None:
        words += ["--config", str(settings.file)]
    words += ["--journal", str(_journal(settings))]
    for name in ("timeout", "workers", "tick"):
        if getattr(options, name) is not None:
            words += [f"--{name}", getattr(options, name)]
    return lambda allowance: shlex.join([*words, "--allow", allowance])


def _replay(options: argparse.Namespace) -> int:
    if is_no_journal(options.file, "replay"):
        return USAGE
    if options.compare is not None:
        from vsync_sm import compare

        return compare.run(options, _write)
    from vsync_sm import export

    return export.run(options, _write)


def _where(options: argparse.Namespace) -> int:
    from vsync_sm import where

    return where.run(options, _write)


def _notify_test(options: argparse.Namespace) -> int:
    from vsync_sm import notify_test

    return notify_test.run(options, _write)


def _about_journal(options: argparse.Namespace) -> int:
    from vsync_sm import journals

    return journals.run(options, _write)


def _ctl(options: argparse.Namespace) -> int:
    from vsync_sm import ctl

    return ctl.run(options, _write)


def _demo(options: argparse.Namespace) -> int:
    from collections.abc import Mapping

    from vsync_sm import demo
    from vsync_sm.operate.log import log_to_stderr
    from vsync_sm.origin.orders import Mode

    def run_origin(config: Mapping[str, object], journal: Path, _: str) -> int:
        settings = demo.settings_of(config)
        log = log_to_stderr(
            level="info",
            kind="console",
            allow_command=lambda allowance: (
                f"(in a real run) vsync-sm --headless --allow {allowance}"
            ),
        )
        try:
            ready = _log_how_it_is(log, journal)
            return _run(settings, Mode.daemon, [], [log], journal=journal, ready=ready)[0]
        finally:
            log.close()

    try:
        return demo.run(run_origin, tick=options.seconds, secrets=options.secrets, out=sys.stdout)
    except BrokenPipeError:  # `demo | head`: the servers are down, and nobody reads on
        return OK


if __name__ == "__main__":
    sys.exit(main())
