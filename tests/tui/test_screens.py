"""How each screen looks: a picture and a text of it, held against those in `snapshots/`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion

from tests.snapshots import ScreenSnapshot
from tests.tui.nights import NIGHTS, damaged
from tests.tui.scenes import SCENES
from tests.tui.screen import Photo, Scene, take

JOURNAL = Path("journal.jsonl")


@pytest.fixture(autouse=True)
def _somewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The journal has the same name everywhere; neither this terminal nor this place is asked."""
    with monkeypatch.context() as here:
        here.chdir(tmp_path)
        here.delenv("NO_COLOR", raising=False)
        here.setenv("TZ", "UTC")  # where somebody asks for local times
        time.tzset()
        yield
    time.tzset()


def shot(scene: Scene) -> Photo:
    """The photo of a scene over its whole night."""
    night = NIGHTS[scene.night]()
    JOURNAL.write_bytes(night.text())
    return take(scene, night, JOURNAL)


@pytest.fixture
def same(snapshot: SnapshotAssertion, text_snapshot: SnapshotAssertion) -> Callable[[Photo], None]:
    """Holds a photo against the two files of its screen; the text comes first, it can be read."""
    picture = snapshot.use_extension(ScreenSnapshot)

    def compare(photo: Photo) -> None:
        assert photo.text == text_snapshot
        assert photo.svg == picture

    return compare


@pytest.mark.parametrize("name", SCENES)
def test_screen(name: str, same: Callable[[Photo], None]) -> None:
    same(shot(SCENES[name]))


def test_no_colour(same: Callable[[Photo], None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    same(shot(SCENES["refused"]))


def test_replay_no_colour(same: Callable[[Photo], None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    same(shot(SCENES["replay_crash"]))


def test_replay_of_a_contradiction(same: Callable[[Photo], None]) -> None:
    """A line that somebody has edited so that it can still be read."""
    night = NIGHTS["waiting"]()
    text = night.text().replace(b'"trigger":"worked"', b'"trigger":"saved"', 1)
    JOURNAL.write_bytes(text)
    scene = Scene("waiting", way="replay", keys=("home", "]"), words="contradiction")
    same(take(scene, night, JOURNAL))


def test_damaged_journal(same: Callable[[Photo], None]) -> None:
    JOURNAL.write_bytes(damaged())
    night = NIGHTS["waiting"]()
    broken = next(
        number
        for number, (line, sound) in enumerate(
            zip(damaged().splitlines(), night.text().splitlines(), strict=True)
        )
        if line != sound
    )
    same(take(Scene("waiting"), night, JOURNAL, seq=broken))
