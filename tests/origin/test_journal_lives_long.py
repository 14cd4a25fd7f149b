"""An origin whose journal is closed, packed and let go while it works."""

from __future__ import annotations

import signal
import threading
from itertools import count
from typing import Any

import pytest

from tests.origin.scenes import Scene, came, until
from tests.workshop import PATIENCE_S, Workshop, events
from vsync_sm.core import events as e
from vsync_sm.core.errors import FaultKind
from vsync_sm.core.whereabouts import Word
from vsync_sm.journal.history import histories
from vsync_sm.journal.lookup import look_up
from vsync_sm.journal.rotation import change_over
from vsync_sm.journal.segments import closed_segments, usage
from vsync_sm.origin.working import Crew
from vsync_sm.wiring import recall

SMALL = {"segmentSize": "64KiB"}


def test_a_cycle_that_does_not_fit_one_file(workshop: Workshop, mount: str) -> None:
    for number in range(150):
        workshop.vault.put(mount, f"{'deep/' * 20}secret-{number:03}")
    for _ in range(3):
        workshop.once(journal=SMALL)
    assert len(closed_segments(workshop.journal)) >= 2
    opened = events(workshop.records(), e.SegmentOpened)
    assert "working" in {event.state for event in opened}
    story = workshop.replayed()
    past = recall(workshop.journal)
    assert past.view == story.view
    assert past.memory.last_seen(workshop.prefix) == 3
    assert workshop.saved() == workshop.alive()


def test_the_workers_go_on_while_a_file_is_closed(
    workshop: Workshop, mount: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(260):
        workshop.vault.put(mount, f"{'deep/' * 20}secret-{number:03}")
    reads = count()
    closing = threading.Event()
    seen = [0]

    def read(*arguments: Any) -> Any:
        seen[0] = next(reads)
        if seen[0] > 210:  # by then a file is full: the others are read while it is closed
            assert closing.wait(PATIENCE_S)
        return plain(*arguments)

    def close(*arguments: Any) -> int:
        closing.set()
        until(lambda: seen[0] >= 240)
        return change_over(*arguments)

    plain = Crew.plain
    monkeypatch.setattr(Crew, "plain", read)
    monkeypatch.setattr("vsync_sm.journal.writer.change_over", close)
    run = workshop.once(journal=SMALL)
    assert run.outcome == "saved"
    assert {event.state for event in run.all(e.SegmentOpened)} == {"working"}
    workshop.replayed()


def test_what_is_remembered_for_the_rules_outlives_the_files(
    workshop: Workshop, mount: str
) -> None:
    for number in range(60):
        workshop.vault.put(mount, f"{'deep/' * 20}secret-{number:03}")
    workshop.once(journal=SMALL)
    for number in range(30):
        workshop.vault.delete(mount, f"{'deep/' * 20}secret-{number:03}")
    refused = workshop.once(journal=SMALL)
    assert refused.outcome == "refused refused"
    allowance = refused.one(e.SaveRefused).allowance
    while len(closed_segments(workshop.journal)) < 2:
        again = workshop.once(journal=SMALL)
        assert again.one(e.SaveRefused).allowance == allowance
    assert b"save_committed" not in workshop.journal.read_bytes()
    for closed in closed_segments(workshop.journal):
        closed.path.unlink()
    allowed = workshop.once(allow=allowance, journal=SMALL)
    assert allowed.outcome == "saved"
    assert workshop.saved() == workshop.alive()
    workshop.replayed()


def test_a_human_hears_once_that_its_files_cannot_be_looked_after(workshop: Workshop) -> None:
    (workshop.home / "journal.jsonl.000001.gz.part").mkdir()  # nobody can unlink it
    scene = Scene(workshop)
    untidy = FaultKind.JOURNAL_UNTIDY.word

    more = came(e.CycleFinished, nth=3)
    scene.on(came(e.FaultRaised, kind=untidy), lambda: scene.on(more, scene.signal))
    run = scene.run(tick="10ms", notify={"command": ["true"]})
    assert [(each.kind, each.fatal) for each in run.all(e.FaultRaised)] == [(untidy, False)]
    assert [each.kind for each in run.all(e.Notified)] == [untidy]
    assert ".gz.part" in run.one(e.FaultRaised).message
    workshop.replayed()


def test_unchanged_paths_are_counted_and_not_named(workshop: Workshop, mount: str) -> None:
    changes = {"detail": "changes"}
    for number in range(40):
        workshop.vault.put(mount, f"secret-{number}")
    assert len(workshop.once(journal=changes).all(e.InsightGenerated)) == 40
    workshop.vault.put(mount, "secret-7")
    second = workshop.once(journal=changes)
    assert [event.path for event in second.all(e.InsightGenerated)] == [f"{mount}data/secret-7"]
    assert sum(event.count for event in second.all(e.InsightsUnchanged)) == 39
    finished = second.one(e.CycleFinished)
    assert (finished.generated, finished.unchanged, finished.updated) == (40, 39, 1)
    assert {worker.paths for worker in second.all(e.WorkerStopped)} != {0}
    assert workshop.replayed().view == second.view

    where = look_up(f"{mount}secret-3", workshop.journal)
    assert where.verdict.word is Word.OUT
    assert where.trails[0].look is not None
    assert where.trails[0].look.cycle == 2


def test_a_daemon_packs_what_it_closes(workshop: Workshop, mount: str) -> None:
    for number in range(150):
        workshop.vault.put(mount, f"{'deep/' * 20}secret-{number:03}")
    bounds = {**SMALL, "budget": "1MiB"}
    with workshop.start(journal=bounds, tick="100ms") as daemon:
        until(lambda: len(closed_segments(workshop.journal)) >= 4)
        until(lambda: all(each.packed for each in closed_segments(workshop.journal)[:-1]))
        daemon.process.send_signal(signal.SIGTERM)
        assert daemon.wait() == 0
    assert usage(workshop.journal).closed_bytes < 1024 * 1024
    assert histories(workshop.journal) == []
    workshop.replayed()
