"""What a service manager is told, and when: a real datagram socket stands in for it."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.core.told import moved, run_started
from tests.core.viewing import Seen
from tests.misbehave import Misbehave
from tests.operate.manager import Manager
from tests.origin.scenes import Scene, entered
from tests.support import unique
from tests.workshop import Workshop
from vsync_sm.core import events as e
from vsync_sm.local import BaoServer
from vsync_sm.operate.supervisor import STATUS_S, Supervisor, supervisor

LIMIT_S = 0.9
"""The watchdog's limit in these tests, in seconds."""

ALIVE, READY, STOPPING = "WATCHDOG=1", "READY=1", "STOPPING=1"


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    """A service manager at a socket in the file system, as systemd has it."""
    with closing(Manager(str(tmp_path / "notify"))) as manager:
        yield manager


@pytest.fixture
def watched(manager: Manager, monkeypatch: pytest.MonkeyPatch) -> Manager:
    """A service manager with a watchdog, as whoever is started from here finds it."""
    monkeypatch.setenv("NOTIFY_SOCKET", manager.address)
    monkeypatch.setenv("WATCHDOG_USEC", str(int(LIMIT_S * 1_000_000)))
    return manager


def is_alive(line: str) -> bool:
    """Whether it says so."""
    return line == ALIVE


# --- a daemon --------------------------------------------------------------------------------


def test_a_daemons_life(workshop: Workshop, watched: Manager, bao: BaoServer) -> None:
    with Misbehave(bao.address) as proxy:
        held = proxy.when(method="GET", path="/v1/sys/internal/ui/mounts").hang()
        patient: dict[str, Any] = {"requestTimeout": "60s", "timeout": "2m", "tick": "1h"}
        with workshop.start(vault={"address": proxy.address}, **patient) as daemon:
            held.wait_for_hit()
            watched.hear_until(is_alive, 3)
            assert READY not in watched.told, "a check is still under way"
            assert f"EXTEND_TIMEOUT_USEC={30_000_000}" in watched.told
            held.release()
            watched.hear_until(lambda line: line == READY)
            assert any(isinstance(r.event, e.CheckPassed) for r in workshop.records())
            waiting = watched.hear_until(lambda line: line.startswith("STATUS=IN SYNC"))
            assert waiting.endswith("; waiting")
            watched.hear_all()
            watched.hear_until(is_alive, 5)

            bao.freeze()
            daemon.signal(signal.SIGUSR1)
            listing = watched.hear_until(lambda line: line.endswith("listing: 0 folders listed"))
            assert listing.startswith("STATUS=IN SYNC: ")
            watched.hear_until(is_alive, 5)
            assert not any(isinstance(r.event, e.FaultRaised) for r in workshop.records())

            daemon.signal(signal.SIGTERM)
            watched.hear_until(lambda line: line == STOPPING)
            assert daemon.wait() == 0
    watched.hear_all()
    assert watched.told.count(READY) == watched.told.count(STOPPING) == 1
    assert watched.told[-2:] == [STOPPING, "STATUS=HALTED: asked to stop by SIGTERM; halted"]


def test_a_start_that_waits_for_a_sealed_vault(
    workshop: Workshop, watched: Manager, own_bao: Callable[..., BaoServer]
) -> None:
    bao = own_bao(persistent=True)
    bao.mount("kv/")
    bao.json("PUT", "/v1/sys/seal")
    vault = {"address": bao.address, "token": bao.token}
    with workshop.start(mounts=["kv/"], vault=vault, tick="1h") as daemon:
        watched.hear_until(lambda line: line == READY)
        watched.hear_until(lambda line: line.startswith("STATUS=BEHIND") and "sealed" in line)
        watched.hear_all()
        watched.hear_until(is_alive, 5)
        bao.unseal()
        watched.hear_until(lambda line: line.startswith("STATUS=IN SYNC"))
        assert daemon.stop() == 0


def test_a_stopped_process_says_nothing(workshop: Workshop, watched: Manager) -> None:
    with workshop.start(tick="1h") as daemon:
        watched.hear_until(lambda line: line.startswith("STATUS=IN SYNC"))
        daemon.signal(signal.SIGSTOP)
        os.waitid(os.P_PID, daemon.process.pid, os.WSTOPPED | os.WNOWAIT)
        watched.hear_all()
        assert watched.hears_nothing(LIMIT_S)
        daemon.signal(signal.SIGCONT)
        watched.hear_until(is_alive)


def test_a_stuck_loop_says_nothing_though_threads_live(
    workshop: Workshop, watched: Manager
) -> None:
    silent = []

    def stuck() -> None:
        watched.hear_all()
        silent.append(watched.hears_nothing(LIMIT_S))

    scene = Scene(workshop)
    for state in ("working", "waiting"):
        scene.on(entered(state, nth=1 if state == "working" else 2), stuck)
    scene.on(entered("waiting", nth=2), scene.signal)
    assert scene.run(tick="1h").code == 0
    assert silent == [True, True]


def test_a_check_that_says_no_is_no_start(workshop: Workshop, watched: Manager) -> None:
    with workshop.start(mounts=["nothing-there/"]) as daemon:
        assert daemon.wait() == 1
    watched.hear_all()
    assert READY not in watched.told
    assert watched.told[-2] == STOPPING
    assert watched.told[-1].startswith("STATUS=HALTED: ")
    assert "nothing-there/" in watched.told[-1]


def test_without_a_service_manager_nothing_is_told(
    workshop: Workshop, manager: Manager, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert supervisor({}) is None
    monkeypatch.setenv("NOTIFY_SOCKET", manager.address)
    assert workshop.once().code == 0
    manager.hear_all()
    assert manager.told == [], "one cycle is nobody's service"


def test_no_child_can_speak_for_it(workshop: Workshop, watched: Manager) -> None:
    kept = workshop.home / "kept"
    program = [
        sys.executable,
        "-c",
        f"import os, sys; sys.stdin.read(); open({str(kept)!r}, 'w').write(repr(dict(os.environ)))",
    ]
    with workshop.start(mounts=["nothing-there/"], notify={"command": program}) as daemon:
        assert daemon.wait() == 1
    told = kept.read_text()
    assert "'PATH'" in told
    assert "NOTIFY_SOCKET" not in told
    assert "WATCHDOG" not in told


# --- what is said when -----------------------------------------------------------------------


class Hands:
    """A supervisor whose clock a test sets."""

    def __init__(self, manager: Manager, watchdog_s: float | None) -> None:
        self.now = 0.0
        self.manager = manager
        self.tells = Supervisor(
            manager.address, watchdog_s, mono=lambda: self.now, wall=lambda: 1_793_613_600 * 10**9
        )

    def turn(self, seen: Seen, after: float = 0.0) -> list[str]:
        """What is said in one turn."""
        self.now += after
        self.manager.told.clear()
        self.tells(seen.view)
        self.manager.hear_all()
        return list(self.manager.told)


def condition(word: str, server: str = "Vault") -> e.ServerConditionChanged:
    """A server is seen in this condition."""
    return e.ServerConditionChanged(server=server, condition=word, message=f"{server} is {word}")


def test_an_abstract_socket_will_do() -> None:
    seen = Seen()
    seen.start()
    with closing(Manager(f"@{unique('notify')}")) as manager:
        assert READY in Hands(manager, None).turn(seen)


def test_it_is_ready_once_it_is_clear_that_only_a_server_is_waited_for(manager: Manager) -> None:
    hands, seen = Hands(manager, None), Seen()
    seen(run_started())
    assert READY not in hands.turn(seen)
    seen(condition("sealed"))  # another check may yet fail for good
    assert READY not in hands.turn(seen, after=1)
    told = {"kind": "sealed", "message": "Vault is sealed", "server": "Vault"}
    seen(e.ChecksPostponed(tries=1, waited_s=0.0, delay_s=1.0, **told))
    assert READY in hands.turn(seen, after=1)
    seen(moved("checks_passed", "checking", "waiting"))
    assert READY not in hands.turn(seen, after=1), "it is said once"


def test_one_that_halts_in_its_checks_never_was_ready(manager: Manager) -> None:
    hands, seen = Hands(manager, None), Seen()
    seen(run_started(), moved("halt", "checking", "halted"))
    assert READY not in hands.turn(seen)
    seen(e.RunFinished(exit_code=1, why="it may not"))
    assert hands.turn(seen) == [STOPPING, "STATUS=HALTED: it may not; halted"]
    assert hands.turn(seen, after=9) == []


def test_it_is_alive_often_enough_and_not_too_often(manager: Manager) -> None:
    hands, seen = Hands(manager, 60.0), Seen()
    seen.start()
    assert hands.tells.rest_s == 20.0
    assert ALIVE in hands.turn(seen)
    assert ALIVE not in hands.turn(seen, after=STATUS_S / 2)
    assert ALIVE in hands.turn(seen, after=STATUS_S / 2)
    quick = Hands(manager, 1.0)
    assert ALIVE in quick.turn(seen)
    assert ALIVE in quick.turn(seen, after=quick.tells.rest_s)


def test_what_it_does_is_told_when_it_changes(manager: Manager) -> None:
    hands, seen = Hands(manager, None), Seen()
    assert hands.tells.rest_s == float("inf")
    seen.start()
    assert hands.turn(seen) == [READY, "STATUS=BEHIND: no cycle was complete yet; waiting"]
    assert hands.turn(seen, after=9) == []
    seen.begin(listed=1_000)
    assert hands.turn(seen) == []
    assert hands.turn(seen, after=STATUS_S) == [
        "STATUS=BEHIND: no cycle was complete yet; cycle 1 working: 0 of 1,000 paths"
    ]
    seen.finish("unchanged")
    assert hands.turn(seen) == [
        "STATUS=IN SYNC: Consul holds what Vault held at the last look; waiting"
    ], "it may sleep for long from here on"


def test_a_status_is_one_line_and_short(manager: Manager) -> None:
    hands, seen = Hands(manager, None), Seen()
    seen.start()
    for _ in range(3):
        seen.fail(f"Vault says\nREADY=1 {'x' * 5_000}")
    (ready, status) = hands.turn(seen)
    assert ready == READY
    assert status.startswith("STATUS=STUCK: 3 cycles in a row failed")
    assert "READY=1" in status
    assert len(status) < 600


def test_a_service_manager_that_is_gone_or_busy_holds_nothing_up(manager: Manager) -> None:
    hands, seen = Hands(manager, 1.0), Seen()
    seen.start()
    for _ in range(5_000):  # nobody reads; its buffer is full long before
        hands.now += 1
        hands.tells(seen.view)
    manager.close()
    hands.now += 1
    hands.tells(seen.view)


@pytest.mark.parametrize(
    ("environment", "watched"),
    [
        ({}, False),
        ({"WATCHDOG_USEC": "60000000"}, True),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": str(os.getpid())}, True),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "1"}, False),
        ({"WATCHDOG_USEC": "0"}, False),
        ({"WATCHDOG_USEC": "soon"}, False),
    ],
)
def test_the_watchdog_is_meant_for_this_process(environment: dict[str, str], watched: bool) -> None:
    tells = supervisor({"NOTIFY_SOCKET": "@nobody", **environment})
    assert tells is not None
    assert tells.rest_s == (20.0 if watched else float("inf"))


@pytest.mark.parametrize("address", ["", "@", "vsock:2:1234", "relative"])
def test_an_address_that_is_none(address: str) -> None:
    assert supervisor({"NOTIFY_SOCKET": address}) is None
