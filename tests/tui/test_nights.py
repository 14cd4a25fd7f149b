"""The nights are legal: a journal that contradicts itself is no example of anything."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.tui.night import MOUNTS
from tests.tui.nights import NIGHTS, damaged
from vsync_sm.core import events as e
from vsync_sm.core.answer import Word, answer
from vsync_sm.core.machine import State
from vsync_sm.core.memory import Memory
from vsync_sm.core.sync_info import mount_of
from vsync_sm.core.view import View, apply
from vsync_sm.journal.reader import read_journal
from vsync_sm.journal.replay import replay

WORDS = {
    "empty": Word.BEHIND,
    "checking": Word.BEHIND,
    "postponed": Word.BEHIND,
    "refused": Word.REFUSED,
    "paused": Word.PAUSED,
    "halted": Word.HALTED,
    "finished": Word.HALTED,
    "stuck": Word.STUCK,
    "behind": Word.BEHIND,
}
STATES = {"empty": "checking", "postponed": "checking", "finished": "halted", "lost": "working"}


@pytest.mark.parametrize("name", NIGHTS)
def test_nothing_contradicts(name: str, tmp_path: Path) -> None:
    night = NIGHTS[name]()
    file = tmp_path / "journal.jsonl"
    file.write_bytes(night.text())
    story = replay(read_journal(file))
    told = "".join(story)
    assert story.ok, told
    assert story.view == night.view
    assert answer(night.view, night.now).word == WORDS.get(name, Word.IN_SYNC)
    state = name if name in set(State) else STATES.get(name, "waiting")
    assert night.view.state.name == state


def test_300_paths_over_two_mounts_would_vanish() -> None:
    night = NIGHTS["refused"]()
    vanished = [
        each.event.path for each in night.records if isinstance(each.event, e.InsightVanished)
    ]
    by_mount = Counter(mount_of(path, MOUNTS) for path in vanished[-300:])
    assert night.view.refusal is not None
    assert night.view.refusal.event.vanished == by_mount == {"platform/": 60, "teams/": 240}
    memory = Memory()
    for record in night.records:
        memory.note(record)
    assert night.view.refusal.event.allowance in memory.refusal_ids


def test_damage_is_found_where_it_is(tmp_path: Path) -> None:
    file = tmp_path / "journal.jsonl"
    file.write_bytes(damaged())
    story = replay(read_journal(file))
    list(story)
    assert story.damage is not None
    view = View()
    for record in NIGHTS["waiting"]().records[: story.damage.line - 1]:
        view = apply(view, record)
    assert story.view == view
