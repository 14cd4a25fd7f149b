"""Telling a human: a program of theirs, which may do what it likes, but not for long."""

from __future__ import annotations

import json
import os
import shlex
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.origin.bench import Bench, bench_of
from tests.origin.scenes import Scene, came, entered, until
from tests.workshop import PATIENCE_S, Run, Workshop
from vsync_sm import __version__
from vsync_sm.core import events as e
from vsync_sm.core.errors import Fault, FaultKind
from vsync_sm.operate import channels
from vsync_sm.origin.inbox import FaultCame

FATAL = Fault(
    FaultKind.AUTHENTICATION,
    "Vault no longer accepts the token",
    hint="give another one",
    context={"server": "Vault"},
)


LIMIT_S = channels.LIMIT_S


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that a busy machine delays is no failure."""
    monkeypatch.setattr(channels, "LIMIT_S", PATIENCE_S)


def program(code: str) -> dict[str, Any]:
    """The configuration of a program written in Python."""
    return {"command": [sys.executable, "-c", code]}


def keeps(where: Path) -> dict[str, Any]:
    """A program that keeps what it is given."""
    return program(
        "import json, os, sys\n"
        f"kept = open({str(where)!r} + '.part', 'w')\n"
        "json.dump({'said': sys.stdin.read(), 'environment': dict(os.environ)}, kept)\n"
        "kept.close()\n"
        f"os.rename({str(where)!r} + '.part', {str(where)!r})\n"
    )


def hangs(where: Path) -> dict[str, Any]:
    """A program that does not end for a minute, nor does its child, and says who they are."""
    # A shell is there long before the program's limit is over, also on a busy machine.
    part = f"{where}.part"
    told = f"sleep 60 & echo $$ $! >{shlex.quote(part)}; mv {shlex.quote(part)} "
    return {"command": ["/bin/sh", "-c", f"{told}{shlex.quote(str(where))}; wait"]}


def is_gone(pid: int) -> bool:
    """Whether no such process runs; one that nobody has fetched counts as gone."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return True
    return state.rpartition(")")[2].split()[0] == "Z"


def fatal_in(shop: Workshop, acts: Callable[[Scene], None] = lambda _: None, **how: Any) -> Run:
    """A run whose first cycle meets a fatal fault."""
    scene = Scene(shop)
    scene.on(entered("listing"), lambda: scene.inbox.post(FaultCame(FATAL, 1)))
    acts(scene)
    run = scene.run(**how)
    assert run.code == 1
    shop.replayed()
    return run


def test_the_program_gets_the_fault_before_the_run_is_over(workshop: Workshop) -> None:
    kept = workshop.home / "kept.json"
    run = fatal_in(workshop, notify=keeps(kept))
    said = json.loads(json.loads(kept.read_text())["said"])
    assert said == {
        "host": run.one(e.RunStarted).host,
        "run": run.records[0].run,
        "version": __version__,
        "kind": "authentication",
        "fatal": True,
        "message": "Vault no longer accepts the token",
        "hint": "give another one",
        "context": {"server": "Vault"},
    }
    notified = run.one(e.Notified)
    assert notified == e.Notified(kind="authentication", through=Path(sys.executable).name, ok=True)
    assert isinstance(run.records[-1].event, e.RunFinished)
    assert run.one(e.FaultRaised).fatal


def test_a_failed_check_is_told_too(workshop: Workshop) -> None:
    kept = workshop.home / "kept.json"
    run = workshop.once(mounts=["nothing-there/"], notify=keeps(kept))
    assert run.code == 1
    assert run.one(e.Notified).ok
    said = json.loads(json.loads(kept.read_text())["said"])
    assert said["fatal"]
    assert "nothing-there/" in said["message"]


def test_it_gets_no_secrets(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    hidden = {
        "VAULT_TOKEN": "hidden-1",
        "VSYNC_ORIGIN_VAULT_TOKEN": "hidden-2",
        "CONSUL_HTTP_TOKEN": "hidden-3",
        "VSYNC_ORIGIN_VAULT_APPROLE_SECRET_ID": "hidden-4",
        "VSYNC_ORIGIN_VAULT_APPROLE_ROLE_ID": "hidden-5",
        "vsync_origin_consul_token": "hidden-6",
    }
    for name, value in hidden.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("WHO_IS_ON_CALL", "kim")
    kept = workshop.home / "kept.json"
    fatal_in(workshop, notify=keeps(kept))
    text = kept.read_text()
    assert json.loads(text)["environment"]["WHO_IS_ON_CALL"] == "kim"
    assert "hidden-" not in text
    assert workshop.vault.token not in text


@pytest.mark.parametrize(
    ("notify", "detail"),
    [
        ({"command": ["/no/such/program"]}, "it could not be started: No such file or directory"),
        ({"command": ["/"]}, "it could not be started: Permission denied"),
        (program("import sys; sys.exit(3)"), "it exited with 3"),
        (program("import os; os.kill(os.getpid(), 9)"), "it exited with -9"),
        (program("import os; os.close(0)"), ""),
    ],
    ids=["missing", "no program", "fails", "dies", "does not listen"],
)
def test_how_it_went_is_told(workshop: Workshop, notify: dict[str, Any], detail: str) -> None:
    notified = fatal_in(workshop, notify=notify).one(e.Notified)
    assert (notified.ok, notified.detail) == (not detail, detail)
    assert notified.through == Path(notify["command"][0]).name


def test_one_that_hangs_is_killed_with_its_children(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channels, "LIMIT_S", 2.0)
    pids = workshop.home / "pids"
    notified = fatal_in(workshop, notify=hangs(pids)).one(e.Notified)
    assert (notified.ok, notified.detail) == (False, "it took longer than 2 s and was killed")
    for pid in map(int, pids.read_text().split()):
        until(lambda pid=pid: is_gone(pid))  # type: ignore[misc]  # the default binds it


def test_the_limit_is_ten_seconds() -> None:
    assert LIMIT_S == 10.0


@pytest.mark.parametrize("when", ["halted", "listing"])
def test_a_signal_does_not_wait_for_it(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    """It is left to itself then; the run is over at once."""
    monkeypatch.setattr(channels, "LIMIT_S", 3600.0)  # longer than the scene waits for an end
    pids = workshop.home / "pids"
    run = fatal_in(
        workshop, lambda scene: scene.on(entered(when), scene.signal), notify=hangs(pids)
    )
    until(pids.exists)
    for pid in map(int, pids.read_text().split()):
        os.kill(pid, signal.SIGKILL)
    assert not run.all(e.Notified)
    assert isinstance(run.records[-1].event, e.RunFinished)


def test_nobody_to_tell(workshop: Workshop) -> None:
    assert not fatal_in(workshop).all(e.Notified)


def test_a_refused_save_is_told_once(workshop: Workshop, mount: str) -> None:
    """Not in each cycle anew, nor by the next run: what is refused is still the same."""
    for number in range(12):
        workshop.vault.put(mount, f"{number}")
    assert workshop.once().code == 0
    for number in range(12):
        workshop.vault.purge(mount, f"{number}")
    kept = workshop.home / "kept.json"
    scene = Scene(workshop)
    seen: set[str] = set()

    def see(what: str) -> None:
        seen.add(what)
        if seen == {"told", "refused again"}:
            scene.signal()

    scene.on(came(e.Notified), lambda: see("told"))
    scene.on(came(e.SaveRefused, nth=2), lambda: see("refused again"))
    # Ten refused cycles may pass before the program has begun: they are told of apart.
    run = scene.run(tick="10ms", notify={**keeps(kept), "afterFailures": 1_000_000})
    assert run.one(e.Notified).kind == "save_refused"
    said = json.loads(json.loads(kept.read_text())["said"])
    assert (said["kind"], said["fatal"]) == ("save_refused", False)
    allowance = run.all(e.SaveRefused)[0].allowance
    assert said["hint"].endswith(f": vsync-sm ctl allow {allowance}")
    again = workshop.once(notify=keeps(kept))
    assert (again.code, again.all(e.Notified)) == (3, [])
    assert len(workshop.saved()) == 12
    workshop.replayed()


@pytest.fixture
def bench(workshop: Workshop) -> Any:
    """An origin with a proxy in front of each of its servers."""
    with bench_of(workshop) as made:
        yield made


def test_what_is_not_fatal_is_told_past_the_limit(bench: Bench) -> None:
    """And the daemon goes on."""
    bench.begin(("a",))
    kept = bench.shop.home / "kept.json"
    sealed = bench.on_list().answer(503, {"errors": ["Vault is sealed"]})
    scene = Scene(bench.shop)
    scene.on(came(e.Notified), sealed.remove)
    scene.on(came(e.CycleFinished, outcome="saved"), scene.signal)
    run = scene.run(tick="50ms", notify={**keeps(kept), "afterFailures": 2})
    assert run.code == 0
    assert run.one(e.Notified).kind == "keeps_failing"
    assert json.loads(json.loads(kept.read_text())["said"])["fatal"] is False
    assert bench.shop.saved() == bench.shop.alive()
