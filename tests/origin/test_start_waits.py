"""Not yet is not no: what a start waits for, for how long, and what goes on meanwhile."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.commandline import on, vsync
from tests.misbehave import Rule
from tests.origin.bench import LEAST, Bench, Late
from tests.origin.scenes import Scene, came, until
from tests.origin.test_start_checks import policy
from tests.origin.ward import TROUBLES, Ward
from tests.support import ConsulKv, VaultApi
from tests.workshop import Workshop
from vsync_sm import wiring
from vsync_sm.core import events as e
from vsync_sm.core.commands import Done
from vsync_sm.core.events import Record
from vsync_sm.core.insight import NS
from vsync_sm.journal.reader import read_journal
from vsync_sm.journal.replay import replay
from vsync_sm.local import BaoServer, ConsulServer
from vsync_sm.origin import startup
from vsync_sm.origin.clock import SystemClock
from vsync_sm.origin.demands import Demands
from vsync_sm.origin.inbox import Asker, CommandCame
from vsync_sm.origin.orders import Mode


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tries follow each other quickly."""
    monkeypatch.setattr(startup, "FLOOR_S", 0.02)
    monkeypatch.setattr(startup, "CEILING_S", 0.1)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second try is far away."""
    monkeypatch.setattr(startup, "FLOOR_S", 600.0)
    monkeypatch.setattr(startup, "CEILING_S", 600.0)


NO_ALARM = {"afterFailures": 1_000_000}
"""However often it is tried."""


def complete(record: Record) -> bool:
    """The end of a complete cycle."""
    event = record.event
    return isinstance(event, e.CycleFinished) and event.outcome in {"saved", "unchanged"}


def no_probe(shop: Workshop) -> bool:
    """Whether no probe key is left."""
    return not [key for key in shop.raw() if "/vsyncChecks/" in key]


# --- what is waited for ----------------------------------------------------------------------


@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_start_waits_until_it_has_healed(ward: Ward, quick: None, trouble: str) -> None:
    shop, scene = ward.shop, Scene(ward.shop)
    ward.strike(trouble)
    scene.on(came(e.ChecksPostponed, nth=3), ward.heal)
    scene.on(came(e.CycleFinished), scene.signal)
    # Only what is frozen is waited for so long; the other server may be slow on a busy machine.
    limit = "1s" if trouble.endswith("frozen") else "20s"
    run = scene.run(requestTimeout=limit, notify=NO_ALARM)
    assert run.code == 0
    assert run.outcome == "saved"
    assert shop.saved() == shop.alive()
    assert no_probe(shop)
    server = "Vault" if trouble.startswith("vault") else "Consul"
    waits = run.all(e.ChecksPostponed)
    assert [each.tries for each in waits] == list(range(1, len(waits) + 1))
    assert {each.server for each in waits[:3]} == {server}
    assert all(each.message and each.hint for each in waits)
    assert not run.faults
    # Told once each: what failed, and what has passed.
    ways = [each.kind for each in run.all(e.CheckFailed)]
    assert not any(one == other for one, other in pairwise(ways))
    told = [each.check for each in run.all(e.CheckPassed)]
    assert len(told) == len(set(told)) > 4
    conditions = [each.condition for each in run.all(e.ServerConditionChanged)]
    assert conditions.count("answering") == 2


NO_ACTIVE = {"errors": ["local node not active but active cluster node not found"]}

UNREADY: dict[str, Callable[[Bench], Rule]] = {
    "no active node": lambda bench: bench.vault.when(
        path="/v1/auth/token/lookup-self", times=2
    ).answer(500, NO_ACTIVE),
    "a proxy without a server": lambda bench: bench.vault.when(times=2).html(502),
    "overloaded": lambda bench: bench.consul.when(times=2).answer(429, "", {"Retry-After": "0"}),
    "a mount is asked for as it is sealed": lambda bench: bench.vault.when(
        path="/v1/sys/internal/ui/mounts/", times=2
    ).answer(503, {"errors": ["Vault is sealed"]}),
    "it hangs up": lambda bench: bench.consul.when(method="PUT", times=2).lose_reply(),
}


@pytest.mark.parametrize("how", UNREADY)
def test_servers_that_are_not_ready_yet(bench: Bench, quick: None, how: str) -> None:
    bench.fill()
    rule = UNREADY[how](bench)
    run = bench.saved()
    assert rule.hits == 2
    assert len(run.all(e.ChecksPostponed)) in {1, 2}
    assert not run.faults
    assert no_probe(bench.shop)


def test_both_servers_are_waited_for_at_once(bench: Bench, quick: None) -> None:
    bench.fill()
    bench.vault.when(times=1).drop_before()
    bench.consul.when(times=2).drop_before()  # the probe's first write, and its clearing away
    waits = bench.saved().one(e.ChecksPostponed)
    assert waits.server == "Consul"
    assert "Consul at" in waits.message
    assert waits.message.endswith("; Vault too: unreachable")


@pytest.mark.parametrize("how", ["policy", "mount", "page", "DR"])
def test_what_does_not_heal_is_fatal_at_once_even_beside_what_does(bench: Bench, how: str) -> None:
    bench.consul.when().drop_before()
    if how == "page":
        bench.vault.when().html(404)
    elif how == "DR":
        said = {"initialized": True, "sealed": False, "standby": True, "version": "1.15.0"}
        bench.vault.when(path="/v1/sys/health").answer(
            200, {**said, "replication_dr_mode": "secondary"}
        )
    origin: dict[str, Any] = {}
    if how == "policy":
        origin["vault"] = {"token": bench.api.make_token("")}
    elif how == "mount":
        origin["mounts"] = ["nothing-there/"]
    run = Scene(bench.shop).run(**origin)
    assert run.code == 1
    assert not run.all(e.ChecksPostponed)
    assert not run.all(e.CycleStarted)
    assert run.one(e.FaultRaised).fatal


def test_a_certificate_that_cannot_be_verified_is_fatal(bench: Bench, tmp_path: Path) -> None:
    """Here the file of authorities holds none; a daemon would wait without end."""
    (tmp_path / "none.pem").write_text("no certificate\n")
    address = bench.vault.address.replace("http:", "https:")
    vault = {"address": address, "caCert": str(tmp_path / "none.pem")}
    run = Scene(bench.shop).run(vault=vault)
    assert run.code == 1
    assert [each.kind for each in run.all(e.CheckFailed)] == ["certificate"]
    assert not run.all(e.ChecksPostponed)


def test_a_name_that_does_not_resolve_is_waited_for(bench: Bench, quick: None) -> None:
    scene = Scene(bench.shop)
    scene.on(came(e.ChecksPostponed, nth=2), scene.signal)
    run = scene.run(consul={"address": f"http://{'a' * 64}.invalid:8500"})
    assert (run.code, run.faults) == (0, [])
    assert run.all(e.ChecksPostponed)[0].kind == "unreachable"


def test_what_consul_does_late_is_no_lost_write(bench: Bench, quick: None) -> None:
    """The first try's write had no answer; it arrives in the midst of the second try."""
    bench.fill()
    probe = f"/v1/kv/{bench.shop.prefix}vsyncChecks/"
    late = Late(bench.consul, path=probe)
    bench.consul.when(method="GET", path=probe, after=2, times=1).call(late.comes)
    run = bench.saved(requestTimeout="1s")
    assert [each.kind for each in run.all(e.ChecksPostponed)] == ["timeout", "conflict"]
    assert no_probe(bench.shop)


def test_a_token_that_dies_while_a_start_waits_is_replaced(bench: Bench, slow: None) -> None:
    """What has passed once is not taken for granted for ever."""
    bench.fill()
    token, file = bench.api.make_token(policy(bench.mount)), bench.shop.home / "token"
    file.write_text(token)
    sealed = bench.vault.when(path="/v1/sys/internal/ui/mounts/").answer(
        503, {"errors": ["Vault is sealed"]}
    )
    scene = Scene(bench.shop)

    def replace() -> None:
        bench.api.revoke(token)
        file.write_text(bench.api.make_token(policy(bench.mount)))
        sealed.remove()
        scene.signal(signal.SIGUSR1)

    scene.on(came(e.ChecksPostponed), replace)
    scene.on(came(e.CycleFinished), scene.signal)
    del bench.shop.config["origin"]["vault"]["token"]
    run = scene.run(vault={"tokenFile": str(file), "requiredCapabilities": LEAST})
    assert (run.code, run.outcome) == (0, "saved"), run.faults
    assert len([each for each in run.all(e.CheckPassed) if each.check == "Vault token"]) == 1


# --- how long, how often ---------------------------------------------------------------------


def test_pauses_double_up_to_30_s_with_jitter() -> None:
    assert [startup.backoff(tries, lambda: 1.0) for tries in range(1, 8)] == [
        *(1.0, 2.0, 4.0, 8.0, 16.0),
        *(30.0, 30.0),
    ]
    assert startup.backoff(3, lambda: 0.0) == 2.0
    assert startup.backoff(10_000, lambda: 1.0) == 30.0


@pytest.mark.parametrize("mode", Mode)
def test_a_daemon_waits_without_end_all_else_for_30_s(bench: Bench, mode: Mode) -> None:
    limit = wiring._start_timeout(bench.shop.settings(), mode)
    assert limit == (None if mode is Mode.daemon else 30.0)
    assert wiring._start_timeout(bench.shop.settings(startTimeout="1m30s"), mode) == 90.0


@pytest.mark.parametrize("mode", Mode)
def test_when_its_time_is_over_it_halts_with_the_last_reason(
    bench: Bench, quick: None, mode: Mode
) -> None:
    bench.vault.when(times=2).drop_before()
    bench.vault.when(path="/v1/sys/health", after=2).answer(
        200, {"initialized": True, "sealed": True, "standby": False, "version": "1.15.0"}
    )
    scene = Scene(bench.shop)
    scene.on(came(e.ChecksPostponed, nth=4), lambda: scene.clock.jump(299))
    run = scene.run(mode, startTimeout="300s", notify=NO_ALARM)
    assert run.code == 1
    assert run.records[-1].mono > 300 * NS
    waits = run.all(e.ChecksPostponed)
    assert len(waits) >= 4
    assert [waits[0].kind, waits[-1].kind] == ["unreachable", "sealed"]
    fault = run.one(e.FaultRaised)
    assert (fault.kind, fault.fatal) == ("check_failed", True)
    assert fault.message.startswith(f"Vault is sealed (after {len(waits) + 1} tries in ")
    assert "origin.startTimeout" in fault.hint
    assert not run.all(e.CycleStarted)
    assert bench.raw() == {}
    # What has passed is left alone: the probe key is written, and updated, once.
    writes = [path for method, path in bench.consul.requests if method == "PUT"]
    assert len(writes) == (0 if mode is Mode.plan else 2)


def test_a_frozen_server_does_not_hold_the_start_up_for_longer(ward: Ward) -> None:
    ward.strike("vault frozen")
    began = time.monotonic()
    run = ward.shop.once(requestTimeout="60s", startTimeout="1s")
    assert run.code == 1
    assert time.monotonic() - began < 30
    assert "took too long" in run.one(e.FaultRaised).message


def test_check_and_plan_say_what_they_wait_for(bench: Bench) -> None:
    bench.fill()
    for command, word in (("check", "✔ Vault server"), ("plan", "A cycle would save this")):
        bench.vault.when(times=1).drop_before()
        told = vsync(bench.shop.home, command, *on(bench.shop))
        assert told.returncode == 0
        assert told.stderr.startswith("the start-up checks wait for Vault: Vault at ")
        assert "the next try is in " in told.stderr
        assert len(told.stderr.splitlines()) == 1
        assert word in told.stdout
        assert "✖" not in told.stdout


# --- meanwhile -------------------------------------------------------------------------------


@pytest.mark.parametrize("trouble", ["vault stopped", "vault frozen", "consul frozen"])
def test_a_signal_halts_at_once(ward: Ward, slow: None, trouble: str) -> None:
    """Between two tries, and in the midst of one."""
    ward.strike(trouble)
    scene = Scene(ward.shop)
    moment = e.ChecksPostponed if trouble.endswith("stopped") else e.RunStarted
    scene.on(came(moment), scene.signal)
    began = time.monotonic()
    run = scene.run(requestTimeout="60s")
    assert run.code == 0
    assert time.monotonic() - began < 30
    assert run.all(e.Transitioned)[-1].reason == "signal"


@pytest.mark.parametrize("way", ["SIGUSR1", "command"])
def test_who_asks_for_a_cycle_has_it_tried_at_once(bench: Bench, slow: None, way: str) -> None:
    bench.fill()
    bench.vault.when(path="/v1/sys/health", times=2).drop_before()
    scene = Scene(bench.shop)
    answers: list[Done] = []

    def ask() -> None:
        if way == "SIGUSR1":
            scene.signal(signal.SIGUSR1)
        else:
            asker = Asker(by="ada", through="control socket")
            scene.inbox.ask(CommandCame("sync", "", asker, answers.append))

    scene.on(came(e.ChecksPostponed), ask)
    scene.on(came(e.ChecksPostponed, nth=2), ask)
    scene.on(came(e.CycleFinished), scene.signal)
    run = scene.run()
    assert run.code == 0
    assert len(run.all(e.ChecksPostponed)) == 2
    assert run.one(e.CycleStarted).asked == ("signal" if way == "SIGUSR1" else "command")
    assert all("tried again at once" in answer.words for answer in answers)
    assert len(answers) == (2 if way == "command" else 0)


def test_one_word_is_one_try() -> None:
    """What was asked for once does not have it tried over and over."""
    demands = Demands(SystemClock())
    assert not demands.take_hurry()
    demands.hear_sync("command")
    assert (demands.take_hurry(), demands.take_hurry()) == (True, False)
    assert demands.asked == "command", "a cycle is still asked for"


@pytest.fixture
def late_servers(
    own_bao: Callable[..., BaoServer], own_consul: Callable[..., ConsulServer]
) -> tuple[BaoServer, ConsulServer]:
    """Two servers that have been set up, and do not run yet."""
    bao, consul = own_bao(persistent=True), own_consul(persistent=True)
    bao.mount("late/")
    VaultApi(bao).put("late/", "a")
    bao.stop()
    consul.stop()
    return bao, consul


def test_a_daemon_that_is_started_before_its_servers(
    late_servers: tuple[BaoServer, ConsulServer], tmp_path: Path
) -> None:
    bao, consul = late_servers
    shop = Workshop(VaultApi(bao), ConsulKv(consul), ["late/"], "vsync/", tmp_path)
    with shop.start() as daemon:
        daemon.wait_for(lambda its: isinstance(its.event, e.ChecksPostponed))
        daemon.wait_for_socket()
        status = vsync(tmp_path, "ctl", "status", "--journal", str(shop.journal))
        assert status.returncode == 1
        first = status.stdout.splitlines()[0]
        assert first.startswith(
            "BEHIND: no cycle was complete yet; the start-up checks have waited"
        )
        assert "cannot be reached" in first
        assert "vsync-sm ctl sync" in status.stdout
        document = json.loads(
            vsync(tmp_path, "ctl", "status", "--json", "--journal", str(shop.journal)).stdout
        )
        assert document["postponed"]["server"] == "Consul"
        consul.start()
        daemon.asked("sync")
        daemon.wait_for(
            lambda its: isinstance(its.event, e.ChecksPostponed) and its.event.server == "Vault"
        )
        bao.start()
        daemon.asked("sync")
        daemon.wait_for(complete)
        assert shop.saved() == shop.alive() != {}
        status = vsync(tmp_path, "ctl", "status", "--journal", str(shop.journal))
        assert (status.returncode, status.stdout[:8]) == (0, "IN SYNC:")
        assert daemon.stop() == 0
        _, log = daemon.process.communicate()
    assert "the start-up checks wait for Consul" in log
    told = "".join(replay(read_journal(shop.journal)))
    assert told.count("the start-up checks wait for Consul") == 1, "not each try"


# --- a human is told -------------------------------------------------------------------------


def informed(path: Path) -> list[dict[str, Any]]:
    """What the program was told, in order."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def gathers(path: Path) -> dict[str, Any]:
    """A program that keeps all that it is told."""
    return {"command": ["/bin/sh", "-c", f"cat >>{path}; echo >>{path}"]}


def test_a_human_is_told_of_a_long_wait_and_of_its_end(bench: Bench, quick: None) -> None:
    bench.fill()
    told = bench.shop.home / "told"
    down = bench.vault.when().drop_before()
    scene = Scene(bench.shop)
    scene.on(came(e.Notified), down.remove)
    scene.on(came(e.Notified, nth=2), scene.signal)
    run = scene.run(tick="100ms", notify={**gathers(told), "afterFailures": 2})
    assert run.code == 0
    waits, alarm = run.all(e.ChecksPostponed), run.one(e.FaultRaised)
    assert waits[-1].waited_s >= 0.2
    assert (alarm.kind, alarm.fatal) == ("keeps_failing", False)
    assert alarm.message.startswith("the start-up checks have waited for ")
    assert run.one(e.OriginHealed) == e.OriginHealed(cycles=0, last_success="")
    first, second = informed(told)
    assert (first["kind"], second["kind"]) == ("keeps_failing", "origin_healed")
    assert first["context"] == {"server": "Vault"}
    assert second["message"] == "healed: a cycle is complete again; it saved"
    assert bench.shop.saved() == bench.shop.alive()


def test_the_end_is_told_by_a_later_run_and_only_once(bench: Bench) -> None:
    """The alarm, a crash, a restart: a human who was told hears of the end."""
    bench.begin(("a",))
    told = bench.shop.home / "told"
    how: dict[str, Any] = {"notify": {**gathers(told), "afterFailures": 2}}
    complete_at = next(record.ts for record in reversed(bench.shop.records()) if complete(record))
    sealed = bench.on_list().answer(503, {"errors": ["Vault is sealed"]})
    for _ in range(3):
        assert bench.once(**how).code == 3
    sealed.remove()
    healed = bench.saved(**how).one(e.OriginHealed)
    assert healed == e.OriginHealed(cycles=3, last_success=complete_at)
    bench.once(**how)
    assert [each["kind"] for each in informed(told)] == ["keeps_failing", "origin_healed"]
    assert informed(told)[1]["context"] == {"cycles": "3", "last_success": complete_at}
    assert "vsync" not in informed(told)[1]["hint"]


def test_what_nobody_was_told_of_is_not_healed(bench: Bench) -> None:
    bench.begin(("a",))
    bench.on_list(times=1).answer(503, {"errors": ["Vault is sealed"]})
    assert bench.once().code == 3
    assert not bench.saved().all(e.OriginHealed)


# --- for hours -------------------------------------------------------------------------------


def open_files(pid: int) -> int:
    """How many a process has."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def threads(pid: int) -> int:
    """How many a process has."""
    return len(list(Path(f"/proc/{pid}/task").iterdir()))


def settled(measure: Callable[[int], int], pid: int, most: int) -> None:
    """It comes down to so many; a cycle under way has some of its own."""
    until(lambda: measure(pid) <= most)


MANY = 5
"""So many cycles in a row fail."""

LONG = ("vault stopped", "vault sealed", "consul stopped", "consul frozen")


def test_after_any_trouble_the_first_cycle_saves_what_vault_holds(ward: Ward) -> None:
    """Each trouble for many cycles, one after the other: nothing grows, nothing is saved wrong."""
    shop, mount = ward.shop, ward.mount
    how: dict[str, Any] = {"requestTimeout": "500ms", "notify": {"afterFailures": 3}}
    with shop.start("--tick", "20ms", "--timeout", "2s", **how) as daemon:
        pid, done = daemon.process.pid, 0

        def finished(wanted: Callable[[Record], bool], after: int) -> int:
            record = daemon.wait_for(lambda its: (its.cycle or 0) > after and wanted(its))
            return record.cycle or 0

        def failed_enough(record: Record) -> bool:
            ended = isinstance(record.event, e.CycleFinished)
            return ended and (record.cycle or 0) >= struck + many

        done = finished(complete, 0)
        files, most = open_files(pid), threads(pid)
        for number, trouble in enumerate(LONG):
            many = 2 if trouble.endswith("frozen") else MANY
            ward.strike(trouble)
            struck = finished(
                lambda its: isinstance(its.event, e.CycleFinished) and not complete(its), done
            )
            before = shop.raw() if trouble.startswith("vault") else None
            finished(failed_enough, struck)
            assert before is None or shop.raw() == before
            ward.heal()
            shop.vault.put(mount, f"healed-{number}")
            done = finished(complete, struck)
            until(lambda: shop.saved() == shop.alive())
        settled(open_files, pid, files + 4)
        settled(threads, pid, most + 4)
        assert daemon.stop() == 0
    healed = [each for each in shop.records() if isinstance(each.event, e.OriginHealed)]
    assert len(healed) >= 3
