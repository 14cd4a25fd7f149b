"""`vsync-tui`: the ways in, signals and exit codes. What is heavy is imported when it is needed."""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tui.flags import FATAL, OK, USAGE, complain, parse

if TYPE_CHECKING:
    from tui.app import Console
    from tui.feed import Feed
    from tui.live import LiveOrigin
    from vsync_sm.config import Settings
    from vsync_sm.core.commands import Commander
    from vsync_sm.core.errors import Fault
    from vsync_sm.core.view import View
    from vsync_sm.wiring import Running


def main(argv: Sequence[str] | None = None) -> int:
    """Run `vsync-tui` and return its exit code."""
    options = parse(sys.argv[1:] if argv is None else list(argv))
    mistake = _no_screen()
    if mistake is not None:
        complain(*mistake)
        return USAGE
    from vsync_sm.config import ConfigError
    from vsync_sm.core.errors import Fault, StoppedEarly

    try:
        return _way_in(options)(options)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return USAGE
    except StoppedEarly:
        return OK
    except Fault as fault:
        complain(fault.message, _hint(fault))
        return _code(fault)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


def _no_screen() -> tuple[str, str] | None:
    """Why no screen can be shown here, and what would do; None where one can."""
    instead = "without one: vsync-sm ctl status, vsync-sm replay JOURNAL, vsync-sm --headless"
    if not _has_terminal():
        return "this is no terminal to show a screen on", instead
    term = os.environ.get("TERM", "")
    if term in {"dumb", "unknown"}:
        hint = f"set TERM to what it is, such as TERM=xterm-256color; {instead}"
        return f"TERM={term} says that this terminal can show no screen", hint
    return None


def _has_terminal() -> bool:
    try:
        return all(os.isatty(stream.fileno()) for stream in (sys.stdin, sys.stdout))
    except (AttributeError, OSError, ValueError):  # closed, or nothing at all
        return False


def _way_in(options: argparse.Namespace) -> Callable[[argparse.Namespace], int]:
    if options.attach is not None:
        return _attach
    if options.replay is not None:
        return _replay
    return _demo if options.demo else _live


def _code(fault: Fault) -> int:
    from vsync_sm.core.errors import FaultKind

    return USAGE if fault.kind is FaultKind.CONFIGURATION else FATAL


def _hint(fault: Fault) -> str:
    # Its own hint is for a second origin; who is here wants to look.
    if fault.message.startswith("another vsync writes"):
        journal = fault.context.get("journal", "")
        return f"look at that one: {shlex.join(['vsync-tui', '--attach', journal])}"
    return fault.hint


def _readonly(options: argparse.Namespace) -> str:
    return "asked for with --readonly" if options.readonly else ""


# --- the origin in this process --------------------------------------------------------------


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
        },
        cwd=Path.cwd(),
    )


def _live(options: argparse.Namespace) -> int:
    from vsync_sm.operate.place import default_journal

    settings = _settings(options)
    journal = settings.journal.file or default_journal(os.environ)
    config = str(options.config.absolute()) if options.config is not None else ""
    return _run(settings, journal, readonly=_readonly(options), config=config)


def _demo(options: argparse.Namespace) -> int:
    from vsync_sm import demo

    def run_origin(config: Mapping[str, object], journal: Path, hints: str) -> int:
        settings = demo.settings_of(config)
        # Where the journal lies, the demo tells itself.
        return _run(settings, journal, readonly=_readonly(options), hints=hints)

    return demo.run(run_origin, out=sys.stdout)


def _run(
    settings: Settings, journal: Path, *, readonly: str, config: str = "", hints: str = ""
) -> int:
    """Run origin and console to their end; the exit code. Raises Fault: it could not begin.

    `config` is the file of the configuration, where one was named. `hints` are a demo's: what to
    try.
    """
    from tui.feed import LiveFeed
    from tui.live import LiveOrigin, Signals
    from vsync_sm import wiring
    from vsync_sm.core.words import printable
    from vsync_sm.operate.direct import Direct
    from vsync_sm.origin.inbox import Inbox, SignalCame
    from vsync_sm.origin.orders import Mode

    inbox, feed = Inbox(), LiveFeed()
    signals = Signals(lambda number: inbox.post(SignalCame(number)))
    reading = _Reading(f"reading the journal {journal}")
    try:
        running = wiring.engine(
            settings,
            Mode.daemon,
            journal,
            inbox,
            sinks=[feed],
            stop_asked=lambda: reading.more() or signals.asked_to_stop(),
        )
        origin = LiveOrigin(running.engine, inbox, running.close)
        try:
            reading.clear()
            feed.begin(running.engine.view)
            by = wiring.user()
            console = _console(
                feed,
                Direct(inbox, by),
                journal=journal,
                readonly=readonly,
                origin=origin,
                by=by,
                notes=_notes(settings, running),
                config=config,
                hints=hints,
            )
            signals.hear = lambda number: (
                console.leave_soon() if origin.over else origin.hear(number)
            )
            try:
                console.run()
            except Exception as error:  # before or after its screen
                origin.fail(error)
                raise
            if console.failure is not None:
                origin.fail(console.failure)
        finally:  # a console that fails leaves neither a running origin nor its socket behind
            origin.end(10.0)
    finally:
        reading.clear()
        signals.close()
    _say(_last_words(origin, feed.view, None if hints else journal))
    if origin.fault is not None:
        complain(printable(origin.fault.message), printable(_hint(origin.fault)))
        return _code(origin.fault)
    return origin.code


def _last_words(origin: LiveOrigin, view: View, journal: Path | None) -> Iterator[str]:
    """What the last screen told, for whoever looks at the terminal then."""
    if origin.fault is None and view.ended is not None:
        yield f"The origin has ended: {view.ended.why} (exit code {view.ended.exit_code})."
        fatal = next((s.event for s in reversed(view.faults) if s.event.fatal), None)
        if fatal is not None and view.ended.exit_code and fatal.hint:
            yield f"  → {fatal.hint}"
    if journal is not None:
        yield f"Its journal: {journal}"
        yield f"What happened: {shlex.join(['vsync-sm', 'replay', str(journal)])}"


def _say(lines: Iterable[str]) -> None:
    # A terminal that is gone, or takes nothing more, must not hold up the end.
    from vsync_sm.core.words import printable
    from vsync_sm.operate.outlet import Outlet

    outlet = Outlet(sys.stdout.fileno())
    for line in lines:
        outlet.write(f"{printable(line)}\n")
    outlet.drain(0.5)


# --- other ways in ---------------------------------------------------------------------------


def _attach(options: argparse.Namespace) -> int:
    from tui.follow import FollowFeed
    from vsync_sm.journal.named import ATTACH
    from vsync_sm.operate.client import Remote

    journal = _journal_to_attach(options)
    if _is_mistaken(journal, ATTACH):
        return USAGE
    feed = FollowFeed(journal)

    def named() -> str:
        run = feed.look().view.run
        return run.control if run is not None else ""

    remote = Remote(journal, os.environ, named)
    return _shown(_console(feed, remote, journal=journal, readonly=_readonly(options)))


def _journal_to_attach(options: argparse.Namespace) -> Path:
    from vsync_sm.config import journal_file

    if options.attach != Path():
        return Path(options.attach)
    if options.journal is not None:
        return Path(options.journal)
    return journal_file(file=options.config, environment=os.environ, cwd=Path.cwd())


def _replay(options: argparse.Namespace) -> int:
    from tui import preferences
    from tui.replay.console import ReplayConsole
    from tui.replay.feed import PlayFeed
    from tui.terminal import ConsoleDriver
    from vsync_sm.core.errors import JournalError
    from vsync_sm.journal.named import REPLAY
    from vsync_sm.journal.past import Past
    from vsync_sm.operate.place import reach_of

    if _is_mistaken(options.replay, REPLAY):
        return USAGE
    try:
        past = Past(options.replay)
    except JournalError as error:
        complain(error.message, "give the file of a journal that this user may read")
        return USAGE
    return _shown(
        ReplayConsole(
            PlayFeed(past),
            journal=past.journal,
            reach=reach_of(past.journal),
            remember=preferences.place(),
            driver_class=ConsoleDriver,
        )
    )


def _is_mistaken(journal: Path, command: tuple[str, ...]) -> bool:
    from vsync_sm.core.words import printable
    from vsync_sm.journal.named import mistaken

    mistake = mistaken(journal, command)
    if mistake is not None:
        complain(*map(printable, mistake))
    return mistake is not None


def _shown(console: Console) -> int:
    """Run a console beside whose process an origin may run, or not; the exit code."""
    from tui.live import Signals

    signals = Signals(lambda number: console.leave_soon(128 + number))
    try:
        code = console.run()
    finally:
        signals.close()
    return FATAL if code is None else code


# --- what all have in common -----------------------------------------------------------------


def _notes(settings: Settings, running: Running) -> list[str]:
    """What to tell once at the beginning."""
    notes = [*settings.warnings]
    if running.exposed is not None and running.exposed.warning:
        notes.append(running.exposed.warning)
    return notes


def _console(
    feed: Feed,
    commander: Commander | None,
    *,
    journal: Path,
    readonly: str,
    origin: LiveOrigin | None = None,
    by: str = "",
    config: str = "",
    notes: Sequence[str] = (),
    hints: str = "",
) -> Console:
    from msgspec.structs import replace

    from tui import preferences
    from tui.app import Console
    from tui.terminal import ConsoleDriver
    from vsync_sm.operate.place import reach_of

    return Console(
        feed,
        commander,
        journal=journal,
        readonly=readonly,
        reach=replace(reach_of(journal), config=config, demo=bool(hints)),
        origin=origin,
        by=by,
        notes=notes,
        hints=hints,
        remember=preferences.place(),
        driver_class=ConsoleDriver,
    )


class _Reading:
    """A line about a journal that takes its time to be read, before the screen opens."""

    def __init__(self, words: str) -> None:
        self._words = words
        self._draws = sys.stderr.isatty()
        self._shown = False
        self._batches = 0

    def more(self) -> bool:
        """Another batch of lines is read; always False."""
        from vsync_sm.core.words import count
        from vsync_sm.wiring import STOP_ASKED_EVERY

        self._batches += 1
        self.at(f"{count(self._batches * STOP_ASKED_EVERY, 'line')} so far")
        return False

    def at(self, where: str) -> None:
        """So far it has come."""
        if self._draws:
            self._shown = True
            sys.stderr.write(f"\r\x1b[K{self._words}: {where}")
            sys.stderr.flush()

    def clear(self) -> None:
        """Leave an empty line."""
        if self._shown:
            self._shown = False
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
