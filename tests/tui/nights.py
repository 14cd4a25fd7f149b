"""The nights that the console is looked at in: one a screen, each a journal and a moment.

They are made up, legal (`test_nights.py` has them audited), and the same on every machine.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from itertools import product

from tests.tui.night import Night, Tree
from vsync_sm.core import events as e
from vsync_sm.core.insight import Insight

BEGAN = datetime(2026, 11, 2, 1, 52, tzinfo=UTC)

TEAMS = ("analytics", "identity", "logistics", "mobile", "payments", "search")
APPS = ("api", "frontend", "scheduler", "worker")
STAGES = ("dev", "prod", "staging")
KINDS = ("database", "queue", "signing-key", "smtp")

AWKWARD = (
    "platform/data/on call/phone tree",
    "platform/data/証明書/東京",
    "teams/data/a/very/deep/folder/of/folders/that/somebody/made/long/ago/and/nobody/dares/to/touch",
    "teams/data/billing/50%2F50 split",
    "teams/data/billing/[bold red]not markup[/]",
    "teams/data/größe/λ-service",
    "teams/data/tools",
    "teams/data/tools/deploy",
    "teams/data/unseen/\u202eexe.txt",
)
FORBIDDEN = (
    "forbidden",
    "reading {}: Vault answered 403 1 error occurred: * permission denied",
)
SEALED = "Vault at https://vault.example:8200 is sealed"
UNSEAL = "Unseal it; the next tick tries again."
SLOW = "Vault at https://vault.example:8200 took too long: Operation timed out after 10000 ms"
DOWN = "Consul at https://consul.example:8501 cannot be reached: Connection refused"
START_CONSUL = "is it running, and is the address right?"


def tree() -> Tree:
    """368 secrets of a company that does not exist, and some awkward ones."""
    names = [f"teams/data/{'/'.join(each)}" for each in product(TEAMS, APPS, STAGES, KINDS)]
    names += [f"platform/data/tls/{'.'.join(each)}" for each in product(TEAMS, APPS, STAGES)]
    found: Tree = {
        name: Insight(1 + number % 7, f"2026-10-{1 + number % 28:02}T08:{number % 60:02}:11.5Z")
        for number, name in enumerate((*names, *AWKWARD))
    }
    found["platform/data/planned/cache"] = "no_version"
    found["platform/data/retired/ftp"] = "deleted"
    return found


def cannot_read(*paths: str) -> dict[str, tuple[str, str]]:
    """What `Night.work` wants to know of paths that Vault refuses to read."""
    kind, message = FORBIDDEN
    return {path: (kind, message.format(path.replace("/data/", "/metadata/", 1))) for path in paths}


# --- what the nights have in common ----------------------------------------------------------


def _begun() -> Night:
    night = Night(tree(), BEGAN)
    night.start("7c1f09ab")
    return night


def _quiet() -> Night:
    """Nine cycles: a first save, changes, a sealed Vault, and one path that cannot be read."""
    night = _begun()
    night.check()
    night.cycle()
    night.until_tick()
    night.cycle()
    night.write("teams/data/payments/api/prod/database", "teams/data/payments/api/prod/queue")
    night.until_tick()
    night.cycle()
    night.until_tick()
    _sealed(night)
    night.until_tick()
    night.seen("Vault")
    night.cycle()
    locked = "teams/data/identity/api/prod/signing-key"
    for new in ("teams/data/search/api/prod/[draft] key", "platform/data/tls/search.eu.prod"):
        night.write(new, "teams/data/größe/λ-service")
        night.until_tick()
        night.cycle(failing=cannot_read(locked))
    night.purge("teams/data/analytics/worker/dev/smtp", "teams/data/analytics/worker/dev/queue")
    night.write(locked)
    night.until_tick()
    night.cycle()
    night.until_tick()
    night.cycle()
    return night


def _sealed(night: Night) -> None:
    night.begin()
    night.list_folders(31)
    night.retry("list teams/analytics/api/", "sealed", SEALED, times=3)
    night.seen("Vault", "sealed", SEALED)
    night.fault("sealed", SEALED, hint=UNSEAL, server="Vault", folder="teams/analytics/api/")
    night.abort("fault")


def _half_read(night: Night) -> None:
    """A cycle in which the third worker hangs, and some paths cannot be read."""
    night.until_tick()
    night.write("teams/data/analytics/frontend/prod/smtp", "teams/data/analytics/new one")
    night.begin()
    night.list_all()
    failing = cannot_read(*(f"platform/data/tls/identity.api.{stage}" for stage in STAGES))
    night.work(most=9, each_s=0.2, stuck=3)
    night.retry("read platform/data/retired/ftp", "timeout", SLOW)
    night.work(most=204, each_s=0.24, failing=failing, stuck=3)


# --- the nights ------------------------------------------------------------------------------


def empty() -> Night:
    """Nothing has been written yet."""
    return Night(tree(), BEGAN)


def checking() -> Night:
    """The start-up checks: three have passed."""
    night = _begun()
    night.check(3)
    night.wait(2)
    return night


def postponed() -> Night:
    """The start-up checks wait for a Vault that is sealed; six tries were made."""
    night = _begun()
    night.check(1)
    night.seen("Consul")
    sealed = {"kind": "sealed", "message": "Vault is sealed", "server": "Vault"}
    unseal = "Unseal it: vault operator unseal"
    night.add(e.CheckFailed(check="Vault server", hint=unseal, **sealed))
    night.seen("Vault", "sealed", "Vault is sealed")
    waited = 0.0
    for tries, delay in enumerate((0.8, 1.9, 3.1, 6.4, 14.2, 23.5), start=1):
        night.add(
            e.ChecksPostponed(tries=tries, waited_s=waited, delay_s=delay, hint=unseal, **sealed)
        )
        waited += delay
        if tries < 6:
            night.wait(delay)
    night.wait(2)
    return night


def listing() -> Night:
    """Vault's folders are listed."""
    night = _quiet()
    night.until_tick()
    night.begin()
    night.list_folders(57)
    return night


def working() -> Night:
    """The paths are read: one worker hangs, three paths have failed."""
    night = _quiet()
    _half_read(night)
    return night


def reindexing() -> Night:
    """All is read; the new sync info is compared with the former one."""
    night = _quiet()
    night.write("teams/data/mobile/api/prod/database", "teams/data/mobile/api/prod/new")
    night.purge("platform/data/tls/analytics.api.dev")
    night.until_tick()
    night.begin()
    night.list_all()
    night.work()
    night.reindex()
    return night


def saving() -> Night:
    """Consul has been asked to hold it and has not answered yet."""
    night = reindexing()
    night.save(answered=False)
    night.wait(1.2)
    return night


def waiting() -> Night:
    """All is well."""
    night = _quiet()
    night.wait(12)
    return night


def aborted() -> Night:
    """The deadline has passed; the cycle is being torn down."""
    night = _quiet()
    _half_read(night)
    night.wait(249)
    night.late()
    night.leave("timeout")
    return night


def refused() -> Night:
    """Somebody removed five of six teams: 300 paths over two mounts would vanish."""
    night = _quiet()
    gone = [f"teams/data/{'/'.join(each)}" for each in product(TEAMS[1:], APPS, STAGES, KINDS)]
    gone += [f"platform/data/tls/{'.'.join(each)}" for each in product(TEAMS[1:], APPS, STAGES)]
    night.purge(*(path for path in gone if path in night.vault))
    night.until_tick()
    night.begin()
    night.list_all()
    night.work()
    night.refuse()
    night.wait(19)
    return night


def paused() -> Night:
    """Somebody has paused it, and said why."""
    night = _quiet()
    night.wait(20)
    why = "Vault's storage is moved to new disks [ticket 4711]"
    who = {"by": "mara", "through": "control socket"}
    night.add(
        e.CommandReceived(command="pause", uid=1000, pid=20811, **who),
        e.TickerPaused(why=why, **who),
    )
    night.wait(25 * 60)
    return night


def halted() -> Night:
    """Vault took the token back: a fatal fault, and the process has ended."""
    night = _quiet()
    night.until_tick()
    night.begin()
    night.list_all()
    night.work(most=90)
    message = "Vault no longer accepts the token"
    night.seen("Vault", "authentication", message)
    night.fault(
        "authentication",
        message,
        fatal=True,
        hint="Give a token that lives (origin.vault.tokenFile, VSYNC_ORIGIN_VAULT_TOKEN); a "
        "periodic one, renewed by an agent, lasts.",
        server="Vault",
    )
    night.abort("fatal", back=False)
    night.add(e.Notified(kind="authentication", through="/usr/local/bin/page-oncall", ok=True))
    night.end(1, f"a fatal fault: {message}", "fatal")
    night.wait(95)
    return night


def lost() -> Night:
    """Nothing has come for a while, in the middle of a cycle."""
    night = working()
    night.wait(48)
    return night


def finished() -> Night:
    """A run that was ended by a signal: what one replays."""
    night = _quiet()
    night.wait(8)
    night.add(e.SignalReceived(signal="SIGTERM", number=15))
    night.end(0, "SIGTERM", "signal")
    return night


def stuck() -> Night:
    """Consul does not answer, cycle after cycle."""
    night = _quiet()
    night.seen("Consul", "unreachable", DOWN)
    for _ in range(4):
        night.until_tick()
        night.begin(consul=False)
        night.retry("read vsync/origin/", "unreachable", DOWN, times=3)
        night.fault("unreachable", DOWN, hint=START_CONSUL, server="Consul")
        night.abort("fault")
    night.wait(21)
    return night


def behind() -> Night:
    """Vault is too slow: two cycles have passed their deadlines."""
    night = _quiet()
    for _ in range(2):
        night.until_tick()
        night.begin()
        night.list_all()
        night.work(most=140, each_s=300 / 140)
        night.late()
        night.abort("timeout")
    night.wait(9)
    return night


def frozen() -> Night:
    """Vault froze while a cycle listed: the night's first fault is a deadline."""
    night = _begun()
    night.check()
    night.cycle()
    for secret in ("teams/data/payments/api/prod/database", "teams/data/größe/λ-service"):
        night.write(secret)
        night.until_tick()
        night.cycle()
    night.until_tick()
    night.begin()
    night.list_folders(31)
    for attempt in range(3):
        night.wait(10)
        night.retry("list teams/payments/", "timeout", SLOW)
        if not attempt:
            night.seen("Vault", "timeout", SLOW)
    night.wait(268.8)
    night.late()
    night.abort("timeout")
    night.until_tick()
    night.seen("Vault")
    night.cycle()
    night.wait(9)
    return night


def crashed() -> Night:
    """Killed in the middle of a cycle; started again seven minutes later, and well since."""
    night = _quiet()
    _half_read(night)
    night.crash(again="c0ffee12", after=420, pid=9120)
    night.check()
    night.cycle()
    night.until_tick()
    night.cycle()
    night.wait(12)
    return night


def two_runs() -> Night:
    """A run that a signal ended, and the next one, half an hour later."""
    night = finished()
    night.wait(1800)
    night.start("c0ffee12", pid=9120)
    night.check()
    night.write("teams/data/payments/api/prod/database")
    night.cycle()
    night.until_tick()
    night.cycle()
    night.wait(12)
    return night


NIGHTS: dict[str, Callable[[], Night]] = {
    night.__name__: cache(night)
    for night in (
        *(
            empty,
            checking,
            postponed,
            listing,
            working,
            reindexing,
            saving,
            waiting,
            aborted,
            refused,
        ),
        *(paused, halted, lost, finished, stuck, behind, frozen, crashed, two_runs),
    )
}
"""Every night by its name; each is written once a process."""


def damaged() -> bytes:
    """The journal of `waiting` with a line that somebody has edited, in the middle."""
    lines = NIGHTS["waiting"]().text().splitlines(keepends=True)
    at = len(lines) - 40
    lines[at] = lines[at].replace(b'"worker":', b'"worker"', 1)
    return b"".join(lines)
