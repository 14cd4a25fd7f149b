"""Signals: a clean halt from every state and from the first moment on; the second one is the last
word.
"""

from __future__ import annotations

import random
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from itertools import cycle

import pytest

from tests.origin.driver import Driven, drive, freeze, send
from tests.origin.scenes import Scene, came, entered
from tests.workshop import PATIENCE_S, Daemon, Workshop, events
from vsync_sm.core import events as e
from vsync_sm.core.events import Record
from vsync_sm.local import BaoServer, ConsulServer
from vsync_sm.origin.inbox import SignalCame
from vsync_sm.origin.orders import Mode

TERM, INT, HUP, USR1 = signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1

CLEAN_STOP_S = 45.0
"""The rule says 5 s; the rest is for a busy machine. What it must not wait for takes a minute."""

MOMENTS = {
    "checking": {"type": "check_passed"},
    "waiting": {"dest": "waiting"},
    "listing": {"dest": "listing"},
    "working": {"dest": "working"},
    "reindexing": {"dest": "reindexing"},
    "saving": {"type": "save_started"},
    "aborted": {"dest": "aborted"},
}
AFTER = {
    "checking": ["halt"],
    "waiting": ["halt"],
    "listing": ["abort", "halt"],
    "working": ["abort", "halt"],
    "reindexing": ["abort", "halt"],
    "saving": ["saved", "halt"],
    "aborted": ["halt"],
}
"""What the machine does after the signal was heard."""


@pytest.fixture
def shop(workshop: Workshop, mount: str) -> Workshop:
    """An origin that has saved once and has something to save again."""
    for number in range(6):
        workshop.vault.put(mount, f"secret-{number}")
    assert workshop.once().outcome == "saved"
    workshop.vault.put(mount, "secret-0")
    return workshop


def buckets_for(state: str) -> int:
    """Another number of buckets is refused, which leads to `aborted`."""
    return 5 if state == "aborted" else 4


def last_run(shop: Workshop) -> list[Record]:
    """The records of the journal's last run."""
    records = shop.records()
    return [record for record in records if record.run == records[-1].run]


def after_signal(records: list[Record]) -> list[str]:
    """The triggers pulled after the last signal was heard."""
    heard = max(n for n, r in enumerate(records) if isinstance(r.event, e.SignalReceived))
    return [moved.trigger for moved in events(records[heard:], e.Transitioned)]


def moment(state: str) -> Callable[[Record], bool]:
    """The same moment for a scene."""
    if state == "saving":
        return came(e.SaveStarted)
    return came(e.CheckPassed) if state == "checking" else entered(state)


def clean(shop: Workshop, state: str, number: int, before: dict[str, bytes]) -> None:
    """What must be seen after a signal in this state, whatever process it was sent to."""
    records = last_run(shop)
    assert after_signal(records) == AFTER[state]
    assert events(records, e.Transitioned)[-1].reason == "signal"
    assert events(records, e.SignalReceived) == [
        e.SignalReceived(signal=signal.Signals(number).name, number=number)
    ]
    assert isinstance(records[-1].event, e.RunFinished)
    assert records[-1].event.exit_code == 0
    if state == "saving":
        assert shop.saved() == shop.alive()
    else:
        assert not events(records, e.SaveStarted)
        assert shop.raw() == before
    assert shop.once().code == 0
    assert shop.saved() == shop.alive()
    shop.replayed()


@pytest.mark.parametrize(
    ("state", "number"), list(zip(MOMENTS, cycle((TERM, INT, HUP)), strict=False))
)
def test_a_signal_is_a_clean_halt(shop: Workshop, state: str, number: int) -> None:
    before = shop.raw()
    step = send(number, **MOMENTS[state])
    driven = drive(shop, step, numBuckets=buckets_for(state), tick="1h")
    assert driven.process.returncode == 0, driven.stderr
    clean(shop, state, number, before)


@pytest.mark.parametrize("state", MOMENTS)
def test_every_halting_signal_in_every_state(shop: Workshop, state: str) -> None:
    for number, mode in ((TERM, Mode.daemon), (INT, Mode.once), (HUP, Mode.daemon)):
        shop.vault.put(shop.config["origin"]["mounts"][0], "secret-0")
        before = shop.raw()
        scene = Scene(shop)
        scene.on(moment(state), partial(scene.signal, number))
        assert scene.run(mode, numBuckets=buckets_for(state), tick="1h").code == 0
        clean(shop, state, number, before)


@pytest.mark.parametrize("state", MOMENTS)
def test_a_second_signal_ends_it_at_once(shop: Workshop, state: str) -> None:
    scene = Scene(shop)
    scene.on(moment(state), scene.signal)
    scene.on(came(e.SignalReceived), partial(scene.signal, INT))
    run = scene.run(numBuckets=buckets_for(state))
    assert run.code == 128 + INT
    second, last = (record.event for record in run.records[-2:])
    assert second == e.SignalReceived(signal="SIGINT", number=INT, again=True)
    assert isinstance(last, e.RunFinished)
    assert last.exit_code == 128 + INT
    assert shop.once().code == 0
    assert shop.saved() == shop.alive()
    shop.replayed()


def test_a_second_signal_in_a_save_leaves_it_to_the_next_run(shop: Workshop) -> None:
    steps = [send(TERM, type="save_started"), send(INT, type="signal_received")]
    driven = drive(shop, *steps)
    assert driven.process.returncode == 128 + INT
    assert isinstance(shop.records()[-1].event, e.RunFinished)
    run = shop.once()
    assert run.one(e.SaveReconciled).outcome in {"committed", "failed"}
    assert not run.all(e.RunRecovered), "it ended by itself"
    assert shop.saved() == shop.alive()
    shop.replayed()


@pytest.mark.parametrize("state", ["working", "saving"])
def test_a_terminal_that_closes_does_not_insist(shop: Workshop, state: str) -> None:
    """It sends SIGHUP twice, within milliseconds: by the kernel, and by the shell."""
    scene = Scene(shop)
    scene.on(moment(state), partial(scene.signal, HUP))
    scene.on(came(e.SignalReceived), partial(scene.signal, HUP))
    run = scene.run(numBuckets=buckets_for(state))
    assert run.code == 0
    assert [each.again for each in run.all(e.SignalReceived)][:2] == [False, False]
    assert run.all(e.CycleFinished), "the cycle has an end"
    shop.replayed()


def test_nothing_follows_run_finished_though_more_signals_came(shop: Workshop) -> None:
    scene = Scene(shop)
    for number in (TERM, INT, HUP, USR1):
        scene.on(came(e.Transitioned), partial(scene.signal, number))
    run = scene.run()
    assert run.code == 128 + INT
    assert [type(record.event) for record in run.records[-3:]] == [
        e.SignalReceived,
        e.SignalReceived,
        e.RunFinished,
    ]
    shop.replayed()


# --- servers that swallow requests -----------------------------------------------------------

FROZEN = {
    "vault checking": ("vault", {"type": "run_started"}, {"type": "check_passed"}, ["halt"]),
    "consul checking": ("consul", {"type": "run_started"}, {"type": "run_started"}, ["halt"]),
    "consul listing": ("consul", {"dest": "listing"}, {"dest": "listing"}, ["abort", "halt"]),
    "vault listing": ("vault", {"dest": "listing"}, {"type": "sync_info_read"}, ["abort", "halt"]),
    "vault working": (
        "vault",
        {"dest": "working"},
        {"type": "workers_observed"},
        ["abort", "halt"],
    ),
    "consul saving": (
        "consul",
        {"type": "save_started"},
        {"type": "save_started"},
        ["abort", "halt"],
    ),
}


def told(moment: dict[str, str]) -> Callable[[Record], bool]:
    """What the driver would act on, seen from outside."""
    if "dest" in moment:
        return entered(moment["dest"])
    return lambda record: isinstance(record.event, e.Event) and record.event.type == moment["type"]


@pytest.mark.parametrize("case", FROZEN)
def test_a_clean_stop_does_not_wait_for_a_frozen_server(
    shop: Workshop, bao: BaoServer, consul: ConsulServer, case: str
) -> None:
    name, frozen, seen, triggers = FROZEN[case]
    server = bao if name == "vault" else consul
    runs_before = len(events(shop.records(), e.RunStarted))
    slow = {"requestTimeout": "60s", "timeout": "120s"}
    with Driven(shop, [freeze(server.pid, **frozen)], **slow) as driven:
        driven.wait_for(nth_run(runs_before + 1, told(seen)))
        asked = time.monotonic()
        driven.signal(TERM)
        assert driven.end() == 0
        took = time.monotonic() - asked
    server.thaw()
    assert took < CLEAN_STOP_S
    records = last_run(shop)
    assert after_signal(records) == triggers
    uncertain = [e.SaveUncertain] if case == "consul saving" else []
    assert [type(end) for end in events(records, e.SaveUncertain)] == uncertain
    after = until_settled(shop)
    assert bool(events(after, e.SaveReconciled)) == bool(uncertain)
    assert shop.saved() == shop.alive()
    shop.replayed()


def nth_run(nth: int, wanted: Callable[[Record], bool]) -> Callable[[Record], bool]:
    """Only what belongs to the nth run of the journal."""
    runs: set[str] = set()

    def narrowed(record: Record) -> bool:
        runs.add(record.run)
        return len(runs) == nth and wanted(record)

    return narrowed


def until_settled(shop: Workshop) -> list[Record]:
    """Cycles until one is complete: a late write may cost one of them a check-and-set."""
    records: list[Record] = []
    for _ in range(3):
        run = shop.once()
        records += run.records
        if run.code == 0:
            return records
    raise AssertionError(records[-10:])


# --- SIGUSR1 ---------------------------------------------------------------------------------


def test_sigusr1_asks_for_a_cycle_now(shop: Workshop) -> None:
    with shop.start(tick="1h") as daemon:
        first = daemon.wait_for(lambda r: isinstance(r.event, e.CycleFinished) and r.cycle == 2)
        daemon.signal(USR1)
        started = daemon.wait_for(
            lambda r: isinstance(r.event, e.CycleStarted) and r.seq > first.seq
        )
        assert isinstance(started.event, e.CycleStarted)
        assert started.event.asked == "signal"
        daemon.wait_for(lambda r: isinstance(r.event, e.CycleFinished) and r.cycle == 3)
        assert daemon.stop() == 0
    shop.replayed()


@pytest.mark.parametrize("state", ["checking", "listing", "working", "saving"])
def test_sigusr1_elsewhere_asks_for_one_more_cycle(shop: Workshop, state: str) -> None:
    scene = Scene(shop)
    for _ in range(2):
        scene.on(moment(state), partial(scene.signal, USR1))
    wanted = 1 if state == "checking" else 2
    scene.on(came(e.CycleFinished, nth=wanted), scene.signal)
    run = scene.run(tick="1h")
    assert run.code == 0
    asked = [started.asked for started in run.all(e.CycleStarted)]
    assert asked == (["signal"] if state == "checking" else ["tick", "signal"])
    shop.replayed()


# --- from the first moment on ----------------------------------------------------------------


def test_a_signal_at_any_moment_of_the_start(shop: Workshop) -> None:
    before = len(shop.records())
    delays = random.Random()  # noqa: S311  to be spread, not secret
    for number in (TERM, HUP) * 6:
        daemon = shop.start(tick="1h")
        with daemon:
            time.sleep(delays.uniform(0.0, 0.35))  # the moment itself is what is tested
            daemon.signal(number)
            _, stderr = daemon.process.communicate(timeout=PATIENCE_S)
        assert "Traceback" not in stderr
        assert daemon.process.returncode in {0, -number}
        if daemon.process.returncode == -number:  # before a single line of ours has run
            assert len(shop.records()) == before
        before = len(shop.records())
    assert isinstance(shop.records()[-1].event, e.RunFinished)
    shop.replayed()
    assert shop.once().code == 0
    assert shop.saved() == shop.alive()


def test_signals_before_the_inbox_exists_are_kept(shop: Workshop) -> None:
    held = shop.home / "held"
    code = (
        "import os, signal, sys\n"
        "from vsync_sm import cli, wiring\n"
        "real = wiring.engine\n"
        "def engine(*a, **k):\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    return real(*a, **k)\n"
        "wiring.engine = engine\n"
        "load = cli._settings\n"
        "def settings(options):\n"
        "    os.kill(os.getpid(), signal.SIGHUP)\n"
        "    return load(options)\n"
        "cli._settings = settings\n"
        "sys.exit(cli.main(sys.argv[1:]))\n"
    )
    held.write_text(code)
    config = shop.write_config()
    daemon = Daemon(
        [
            *(sys.executable, str(held), "--headless"),
            *("--config", str(config), "--journal", str(shop.journal)),
        ],
        shop.journal,
    )
    with daemon:
        assert daemon.wait() == 128 + TERM
    heard = events(last_run(shop), e.SignalReceived)
    assert [(each.signal, each.again) for each in heard] == [("SIGHUP", False), ("SIGTERM", True)]
    shop.replayed()


def test_a_flood_of_signals_does_not_stop_the_loop(shop: Workshop) -> None:
    scene = Scene(shop)
    heard = 0

    def post(*_: object) -> None:
        nonlocal heard
        heard += 1
        scene.inbox.post(SignalCame(USR1))

    scene.on(came(e.CycleFinished, nth=5), scene.signal)
    old = signal.signal(signal.SIGALRM, post)
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
    try:
        run = scene.run()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)
    assert run.code == 0
    told = [each for each in run.all(e.SignalReceived) if each.number == USR1]
    assert 0 < len(told) <= heard
    shop.replayed()
