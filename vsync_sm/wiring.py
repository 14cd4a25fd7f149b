"""From settings to a running origin: the one place where the parts are put together."""

from __future__ import annotations

import getpass
import os
import secrets
import signal
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import msgspec

from vsync_sm import __version__
from vsync_sm.config import Notify, Settings
from vsync_sm.core.errors import Fault, FaultKind, JournalError, StoppedEarly
from vsync_sm.core.events import RunStarted, Unknown
from vsync_sm.core.insight import timestamp
from vsync_sm.core.memory import Memory
from vsync_sm.core.notice import notice_of
from vsync_sm.core.safety import Limits
from vsync_sm.core.status_key import STATUS
from vsync_sm.core.view import Folded, View
from vsync_sm.journal.account import hours_of
from vsync_sm.journal.keeping import Bounds
from vsync_sm.journal.recall import newest, usable
from vsync_sm.journal.segments import usage
from vsync_sm.journal.writer import Journal, JournalWriter, NullJournal
from vsync_sm.logins import tls, way
from vsync_sm.operate.beside import Beside
from vsync_sm.operate.channels import Channel, command_channel, url_channel
from vsync_sm.operate.control import Control
from vsync_sm.operate.exposed import Exposed
from vsync_sm.operate.notify import Notifier
from vsync_sm.operate.status import Put, StatusKey
from vsync_sm.operate.supervisor import supervisor
from vsync_sm.origin.access import Access
from vsync_sm.origin.checks import Required
from vsync_sm.origin.clock import Clock, Random, Stamp, SystemClock, stamp_from, system_random
from vsync_sm.origin.cycle import Servers, Terms
from vsync_sm.origin.demands import HALTING
from vsync_sm.origin.detailed import DetailedLists
from vsync_sm.origin.engine import Engine
from vsync_sm.origin.inbox import Inbox, SignalCame, TokenTold
from vsync_sm.origin.keeper import TokenKeeper
from vsync_sm.origin.ledger import Sink
from vsync_sm.origin.orders import REST_S, Hands, Mode, Orders
from vsync_sm.origin.throttle import Throttle
from vsync_sm.servers.consul import Consul
from vsync_sm.servers.vault import Vault

START_TIMEOUT_S = 30.0
"""A run of one cycle waits so long for its servers, unless configured; a daemon without end."""

STOP_ASKED_EVERY = 4_096
"""While the journal is read, a stop is looked for every so many lines."""


class Past(msgspec.Struct, frozen=True):
    """What the journal tells a new run."""

    memory: Memory
    view: View


class Running(msgspec.Struct, frozen=True):
    """An origin ready to run."""

    engine: Engine
    journal: Journal
    beside: Beside

    @property
    def control(self) -> Control | None:
        """The control socket of a daemon."""
        return self.beside.control

    @property
    def exposed(self) -> Exposed | None:
        """Metrics and health, where the settings want them."""
        return self.beside.exposed

    def close(self) -> None:
        """End what outlives the run, the journal last. Raises Fault."""
        _close(self.journal, self.beside)


def _close(journal: Journal, beside: Beside) -> None:
    with ExitStack() as ending:
        ending.callback(journal.close)
        ending.callback(beside.close)


def recall(journal: Path, stop_asked: Callable[[], bool] = lambda: False) -> Past:
    """Fold the journal so far, from its newest checkpoint on; a missing one is an empty one.

    Raises:
        Fault: it cannot be read, is damaged, or was written by a newer vsync (JOURNAL).
        StoppedEarly: `stop_asked` said so meanwhile; a long journal takes its time.
    """
    memory, fold = Memory(), Folded()
    try:
        with newest(journal) as reader:
            for record in reader.records():
                if type(record.event) is Unknown:
                    raise _newer(journal, f"{record.event.type} (version {record.event.version})")
                if not memory.last_seq and not usable(record):
                    raise _newer(journal, "what segment_opened tells")
                memory.note(record)
                fold.take(record)
                if record.seq % STOP_ASKED_EVERY == 0 and stop_asked():
                    raise StoppedEarly
    except JournalError as error:
        if not error.line:
            raise Fault(
                FaultKind.JOURNAL, error.message, hint="--journal chooses another place"
            ) from None
        raise Fault(
            FaultKind.JOURNAL,
            f"the journal {journal} is damaged: {error}",
            hint="Look at it with vsync-sm replay. Move it aside to begin a new one; then the "
            "safety rules know nothing of earlier saves.",
            context={"journal": str(journal)},
        ) from None
    return Past(memory, fold.view)


def _newer(journal: Path, what: str) -> Fault:
    # What it says may be what the safety rules must know: skipping it would be forgetting it.
    return Fault(
        FaultKind.JOURNAL,
        f"the journal {journal} was written by a newer vsync: {what} is not known here",
        hint="Run that version again, or name another place with --journal; then the safety rules "
        "know nothing of earlier saves.",
        context={"journal": str(journal)},
    )


def servers(settings: Settings, inbox: Inbox, clock: Clock, random: Random) -> Servers:
    """The clients. Nothing is contacted yet. Raises Fault(CONFIGURATION)."""
    origin = settings.origin
    vault = Vault(
        address=origin.vault.address, namespace=origin.vault.namespace, tls=tls(origin.vault)
    )
    consul = Consul(
        address=origin.consul.address,
        token=origin.consul.token.get_secret_value() if origin.consul.token else None,
        dc=origin.consul.dc,
        tls=tls(origin.consul),
    )
    access = Access(
        vault,
        way(origin.vault, vault),
        clock=clock,
        random=random,
        tell=lambda renewed: inbox.post(TokenTold(renewed)),
    )
    throttle = Throttle(origin.vault.max_requests_per_second)
    return Servers(
        vault=vault,
        consul=consul,
        access=access,
        throttle=throttle,
        detailed=DetailedLists(wanted=origin.vault.detailed_metadata == "auto"),
    )


def terms(settings: Settings, *, workers: int) -> Terms:
    """What every cycle of the run has in common."""
    origin = settings.origin
    return Terms(
        choice=origin.choice,
        prefix=settings.prefix,
        num_buckets=settings.num_buckets,
        workers=workers,
        timeout_s=origin.timeout,
        request_timeout_s=origin.request_timeout,
        value_limit=origin.consul.kv_max_value_size,
        limits=Limits(
            max_shrink=origin.max_shrink,
            max_failed_paths=origin.max_failed_paths,
            carry_warn_after=origin.carry_warn_after,
        ),
    )


def engine(
    settings: Settings,
    mode: Mode,
    journal: Path,
    inbox: Inbox,
    *,
    allow: str = "",
    sinks: Sequence[Sink] = (),
    clock: Clock | None = None,
    stamp: Stamp | None = None,
    environment: Mapping[str, str] | None = None,
    stop_asked: Callable[[], bool] = lambda: False,
) -> Running:
    """An origin ready to run, to be closed after.

    The journal is written by `daemon` and `once`; `plan` and `check` only read it. A `daemon` has
    a control socket, where one can be.

    Raises:
        Fault: the journal cannot be opened (a human was informed), or `allow` names no refusal
            that it knows, or `metrics.address` cannot be listened at (CONFIGURATION).
        StoppedEarly: a signal asked for a halt while the journal was read.
    """
    clock = clock or SystemClock()
    environment = os.environ if environment is None else environment
    run = secrets.token_hex(4)
    writes = mode in {Mode.daemon, Mode.once}
    started = _started(settings, mode)
    about = {"host": started.host, "run": run, "version": __version__}
    ways = channels(settings.notify, about) if writes else []
    notifier = Notifier(ways, inbox, environment=environment)
    writer: Journal = NullJournal()
    beside = Beside()
    try:
        if writes:
            writer = _writer(settings, journal)
        if mode is Mode.daemon and settings.metrics.address:
            beside.exposed = Exposed(
                settings.metrics.address, lambda: _journal_size(journal, settings.journal.budget)
            )
        past = recall(journal, stop_asked)
        _refuse_unknown(allow, past.memory, journal, settings.prefix)
        if writes:
            hours = hours_of(journal, settings.journal.budget, past.view.now.ts)
            started = msgspec.structs.replace(started, journal_hours=hours)
        if mode is Mode.daemon:
            beside.control = Control(inbox, past.view)
            beside.control.open(journal, environment)
            started = msgspec.structs.replace(started, control=beside.control.path)
            beside.watching = supervisor(environment)
        if beside.exposed is not None:
            beside.exposed.begin(past.view)
        writer.begin(run=run, last_seq=past.memory.last_seq, stamp=stamp or stamp_from(clock))
        random = system_random()
        clients = servers(settings, inbox, clock, random)
        if writes and settings.origin.status:
            beside.status = StatusKey(_put_status(clients.consul, settings.prefix), inbox, clock)
        hands = Hands(
            servers=clients,
            keeper=_keeper(settings, mode, clients.access, inbox, random),
            inbox=inbox,
            journal=writer,
            clock=clock,
            random=random,
            inform=notifier.inform,
            sinks=(*beside.sinks, *sinks),
            pulses=beside.pulses,
            rest_s=min(REST_S, beside.rest_s),
        )
        orders = _orders(settings, mode, started, allow)
    except BaseException as error:
        inbox.end()
        try:
            _close(writer, beside)
        finally:
            if isinstance(error, Fault) and error.kind is not FaultKind.CONFIGURATION:
                notifier.inform_and_wait(notice_of(error))
        raise
    return Running(Engine(orders, hands, past.memory, past.view), writer, beside)


def _started(settings: Settings, mode: Mode) -> RunStarted:
    """What the run's first line says, as far as it is known before the journal is read."""
    return RunStarted(
        version=__version__,
        pid=os.getpid(),
        host=socket.gethostname(),
        once=mode is not Mode.daemon,
        config={**settings.public(), "unused": list(settings.unused)},
        tick_s=settings.origin.tick,
        timeout_s=settings.origin.timeout,
        value_limit_bytes=settings.origin.consul.kv_max_value_size,
    )


def _orders(settings: Settings, mode: Mode, started: RunStarted, allow: str) -> Orders:
    origin = settings.origin
    capabilities = origin.vault.required_capabilities
    return Orders(
        mode=mode,
        # `check` measures by its lists how long one request takes: one after the other.
        terms=terms(settings, workers=1 if mode is Mode.check else origin.num_workers),
        required=Required(data=capabilities.data, metadata=capabilities.metadata),
        tick_s=origin.tick,
        tick_jitter=origin.tick_jitter,
        probe="" if mode is Mode.plan else f"origin-{started.host}",
        started=started,
        notify_after=settings.notify.after_failures,
        start_timeout_s=_start_timeout(settings, mode),
        allow=allow,
        by=user(),
        changes_only=settings.journal.detail == "changes",
    )


def _keeper(
    settings: Settings, mode: Mode, access: Access, inbox: Inbox, random: Random
) -> TokenKeeper:
    return TokenKeeper(
        access,
        inbox,
        random,
        request_timeout_s=settings.origin.request_timeout,
        renew=settings.origin.renew_token,
        runs=mode is Mode.daemon,
    )


def _writer(settings: Settings, journal: Path) -> Journal:
    kept = settings.journal
    bounds = Bounds(budget_bytes=kept.budget, history_days=kept.history_days)
    return JournalWriter.open(journal, segment_bytes=kept.segment_size, bounds=bounds)


def _journal_size(journal: Path, budget: int) -> dict[str, float]:
    try:
        size = {"bytes": float(usage(journal).bytes), "budget_bytes": float(budget)}
    except OSError:
        return {}
    hours = hours_of(journal, budget, timestamp(time.time_ns()))
    return size if hours is None else {**size, "budget_seconds": hours * 3_600}


def _put_status(consul: Consul, prefix: str) -> Put:
    def put(value: bytes, limit_s: float) -> None:
        consul.put(f"{prefix}{STATUS}", value, lambda: limit_s)

    return put


def channels(notify: Notify, about: Mapping[str, str]) -> list[Channel]:
    """The ways to a human, in the order of the configuration. `about` goes with each notice."""
    ways = [command_channel(notify.command, about)] if notify.command else []
    return ways + [url_channel(label, url, about) for label, url in notify.labelled_urls()]


def _start_timeout(settings: Settings, mode: Mode) -> float | None:
    return settings.origin.start_timeout or (None if mode is Mode.daemon else START_TIMEOUT_S)


def listen(inbox: Inbox, early: Sequence[int] = ()) -> Callable[[], bool]:
    """Let the operating system's signals come into the inbox; `early` are those already heard.

    Returns:
        What tells whether one of them asked for a halt.
    """
    heard: list[int] = []

    def hear(number: int, _frame: object = None) -> None:
        heard.append(number)
        inbox.post(SignalCame(number))

    for number in (*HALTING, signal.SIGUSR1):
        signal.signal(number, hear)
    for already in early:
        hear(already)
    return lambda: any(number in HALTING for number in heard)


def _refuse_unknown(allow: str, memory: Memory, journal: Path, prefix: str) -> None:
    refused = memory.refused(allow) if allow else None
    if not allow or (refused is not None and refused.prefix == prefix):
        return
    if refused is not None:
        raise Fault(
            FaultKind.CONFIGURATION,
            f"--allow {allow}: that was refused under {refused.prefix}, and this run saves under "
            f"{prefix}",
            hint="a yes is for the sync path that it was refused on: see origin.syncPath",
        )
    raise Fault(
        FaultKind.CONFIGURATION,
        f"--allow {allow}: the journal {journal} knows of no such refusal",
        hint="An id serves for one save, within an hour, and is given whole. vsync-sm replay tells "
        "what was refused, allowed and saved.",
    )


def user() -> str:
    """Who runs this process, as the journal names those who ask for something."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may run as a number that has no name
        return f"user {os.getuid()}"
