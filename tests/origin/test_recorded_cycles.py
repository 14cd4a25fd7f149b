"""Cycles recorded from the real servers: the journal, and the story that replay makes of it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from syrupy.assertion import SnapshotAssertion

from tests.misbehave import Misbehave
from tests.origin.recorded import Standing, Steps, normalised
from tests.origin.scenes import Scene, came
from tests.support import ConsulKv, VaultApi
from tests.workshop import PATIENCE_S, Run, Workshop
from vsync_sm.core import events as e
from vsync_sm.journal.reader import read_journal
from vsync_sm.journal.replay import replay
from vsync_sm.journal.writer import JournalWriter
from vsync_sm.origin.orders import Mode

MOUNT = "recorded/"
LEAST = {"data": [], "metadata": ["read", "list"]}


class Recorder:
    """An origin whose mount and sync path are always called the same."""

    def __init__(self, shop: Workshop, proxy: Misbehave) -> None:
        self.shop = shop
        self.proxy = proxy
        self._steps = Steps()
        self.scene = self._scene()

    def _scene(self) -> Scene:
        scene = Scene(self.shop)
        scene.clock = Standing()
        return scene

    def put(self, *paths: str) -> None:
        """Writes secrets."""
        for path in paths:
            self.shop.vault.put(MOUNT, path)

    def run(self, **origin: Any) -> Run:
        """One cycle, with whatever was planned for it; afterwards nothing is planned."""
        scene, self.scene = self.scene, self._scene()
        vault = {"address": self.proxy.address, **origin.pop("vault", {})}
        return scene.run(mode=Mode.once, stamp=self._steps.run(scene.clock), vault=vault, **origin)

    def token(self, *denied: str) -> str:
        """A token with the least that works, less some paths."""
        rules = [f'path "{MOUNT}metadata/*" {{ capabilities = ["read", "list"] }}']
        rules += [f'path "{MOUNT}metadata/{path}" {{ capabilities = ["deny"] }}' for path in denied]
        return self.shop.vault.make_token("\n".join(rules))

    def journal(self) -> tuple[str, str]:
        """The journal and its story, each the same every time."""
        lines = normalised(self.shop, self.proxy.address)
        file = self.shop.home / "normalised.jsonl"
        file.write_text(lines)
        story = replay(read_journal(file))
        told = "".join(story)
        assert story.ok, told
        return lines, told


def one_by_one(
    writer: JournalWriter, insights: Iterable[e.InsightGenerated], *, cycle: int | None = None
) -> list[e.Record]:
    """Insights told together bear a time each: how many come together differs from run to run."""
    return [writer.append(each, cycle=cycle) for each in insights]


@pytest.fixture
def recorder(
    vault_api: VaultApi, consul_kv: ConsulKv, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Recorder]:
    monkeypatch.setattr(JournalWriter, "append_insights", one_by_one)
    vault_api.make_mount(MOUNT)
    shop = Workshop(vault_api, consul_kv, [MOUNT], "recorded/", tmp_path)
    shop.config["origin"] |= {"numWorkers": 1}
    with Misbehave(vault_api.address) as proxy:
        yield Recorder(shop, proxy)
    vault_api.remove_mount(MOUNT)
    consul_kv.delete_tree("recorded/")


@pytest.fixture
def same(
    recorder: Recorder, text_snapshot: SnapshotAssertion, jsonl_snapshot: SnapshotAssertion
) -> Iterator[None]:
    """Compares what was recorded, once the test is done with it."""
    yield
    journal, story = recorder.journal()
    assert journal == jsonl_snapshot
    assert story == text_snapshot


@pytest.mark.usefixtures("same")
def test_success(recorder: Recorder) -> None:
    recorder.put("api/key", "api/key", "db", "retired", "team/größe")
    recorder.shop.vault.delete(MOUNT, "retired")
    assert recorder.run().outcome == "saved"
    recorder.put("db", "new one")
    recorder.shop.vault.purge(MOUNT, "team/größe")
    assert recorder.run().outcome == "saved"
    assert recorder.shop.saved() == recorder.shop.alive()


@pytest.mark.usefixtures("same")
def test_nothing_changed(recorder: Recorder) -> None:
    recorder.put("api/key", "db")
    assert recorder.run().outcome == "saved"
    assert recorder.run().outcome == "unchanged"


@pytest.mark.usefixtures("same")
def test_one_path_failed_and_is_carried_forward(recorder: Recorder) -> None:
    recorder.put("api/key", "db", "locked")
    assert recorder.run().outcome == "saved"
    recorder.put("db", "locked")
    vault = {"token": recorder.token("locked"), "requiredCapabilities": LEAST}
    assert recorder.run(vault=vault).outcome == "saved"
    assert recorder.run(vault=vault).outcome == "unchanged"


@pytest.mark.usefixtures("same")
def test_timeout(recorder: Recorder) -> None:
    recorder.put("a", "b", "c", "d", "e")
    recorder.proxy.when(method="GET", path=f"/v1/{MOUNT}metadata/c").hang()
    scene = recorder.scene
    scene.on(came(e.InsightGenerated, nth=2), lambda: scene.clock.jump(31))
    assert recorder.run().outcome == "aborted timeout"
    assert recorder.shop.raw() == {}


@pytest.mark.usefixtures("same")
def test_fatal(recorder: Recorder) -> None:
    recorder.put("a", "b", "c", "d")
    token = recorder.token()
    told = threading.Event()

    def revoke() -> None:
        assert told.wait(PATIENCE_S)
        recorder.shop.vault.revoke(token)

    recorder.proxy.when(method="GET", path=f"/v1/{MOUNT}metadata/c", times=1).call(revoke)
    recorder.scene.on(came(e.InsightGenerated, nth=2), told.set)
    run = recorder.run(vault={"token": token, "requiredCapabilities": LEAST})
    assert (run.code, run.outcome) == (1, "aborted fatal")
    assert recorder.shop.raw() == {}


@pytest.mark.usefixtures("same")
def test_signal(recorder: Recorder) -> None:
    recorder.put("a", "b", "c", "d")
    recorder.proxy.when(method="GET", path=f"/v1/{MOUNT}metadata/c").hang()
    scene = recorder.scene
    scene.on(came(e.InsightGenerated, nth=2), lambda: scene.signal(signal.SIGTERM))
    run = recorder.run()
    assert (run.code, run.outcome) == (0, "aborted signal")
    assert recorder.shop.raw() == {}


@pytest.mark.usefixtures("same")
def test_refused_and_allowed(recorder: Recorder) -> None:
    recorder.put("keep", *(f"team/{number:02}" for number in range(12)))
    assert recorder.run().outcome == "saved"
    for number in range(12):
        recorder.shop.vault.purge(MOUNT, f"team/{number:02}")
    refused = recorder.run()
    assert (refused.code, refused.outcome) == (3, "refused refused")
    allowed = recorder.run(allow=refused.one(e.SaveRefused).allowance)
    assert (allowed.code, allowed.outcome) == (0, "saved")
    assert recorder.shop.saved() == recorder.shop.alive()
