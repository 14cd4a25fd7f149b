"""A yes that the disk may have lost, and one of another sync path."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.origin.scenes import Scene, came
from tests.workshop import Workshop
from vsync_sm.core import events as e
from vsync_sm.core.commands import Done
from vsync_sm.core.errors import Fault
from vsync_sm.origin.inbox import UNSURE, Asker, CommandCame, RefusedAsked

OPS = Asker("ops", "control socket", uid=1000, pid=4711)


@pytest.fixture
def refused(workshop: Workshop, mount: str) -> tuple[Workshop, str]:
    """An origin that was refused to let 24 paths vanish, and the id of that."""
    for number in range(24):
        workshop.vault.put(mount, f"secret-{number:02}")
    assert workshop.once().outcome == "saved"
    for number in range(24):
        workshop.vault.purge(mount, f"secret-{number:02}")
    return workshop, workshop.once().one(e.SaveRefused).allowance


def _allow(scene: Scene, allowance: str, reply: Callable[[Done], None]) -> None:
    scene.inbox.ask(CommandCame("allow", allowance, OPS, reply))


@pytest.mark.parametrize(("kept", "outcome"), [(0, "refused refused"), (1, "saved")])
def test_a_yes_counts_once_a_line_of_its_run_follows_it(
    refused: tuple[Workshop, str], kept: int, outcome: str
) -> None:
    """`kept` lines follow it when the process dies: without one, its write may have failed."""
    shop, allowance = refused
    answers: list[Done] = []
    scene = Scene(shop)
    scene.on(came(e.CheckPassed), lambda: _allow(scene, allowance, answers.append))
    scene.on(came(e.AllowanceGranted), scene.signal)
    run = scene.run(tick="1h")
    assert answers[0].ok
    at = next(r.seq for r in run.records if isinstance(r.event, e.AllowanceGranted))
    lines = shop.journal.read_bytes().splitlines(keepends=True)[: at + kept]
    # As a full disk leaves it: all but the newline, which the next run's repair gives back.
    shop.journal.write_bytes(b"".join(lines).removesuffix(b"\n"))
    before = shop.raw()
    after = shop.once()
    assert after.outcome == outcome
    assert (shop.raw() == before) is (kept == 0)
    shop.replayed()


def test_who_says_yes_while_the_journal_breaks_is_told_that_nobody_knows(
    refused: tuple[Workshop, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shop, allowance = refused
    answers: list[Done] = []
    scene = Scene(shop)
    scene.on(came(e.CheckPassed), lambda: _allow(scene, allowance, answers.append))
    scene.on(came(e.AllowanceGranted), lambda: monkeypatch.setattr("os.fsync", _broken))
    with pytest.raises(Fault):
        scene.run(tick="1h")
    assert answers == [Done(False, UNSURE)]


def _broken(_: int) -> None:
    raise OSError(5, "Input/output error")


def test_a_yes_for_another_sync_path_is_not_taken(refused: tuple[Workshop, str]) -> None:
    shop, allowance = refused
    path = f"{shop.config['origin']['syncPath']}elsewhere/"
    answers: list[Done] = []
    shown: list[frozenset[str] | None] = []
    asked = RefusedAsked(allowance, shown.append)
    scene = Scene(shop)
    shop.config["origin"]["syncPath"] = path
    scene.on(came(e.CheckPassed), lambda: _allow(scene, allowance, answers.append))
    scene.on(came(e.CheckPassed), lambda: scene.inbox.ask(asked))
    scene.on(came(e.CycleFinished), scene.signal)
    run = scene.run(tick="1h")
    assert [answer.ok for answer in answers] == [False]
    assert "this run saves under" in answers[0].words
    assert not run.all(e.AllowanceGranted)
    assert shown == [None]
