"""What is said of paths that the configuration leaves out: they are not gone from Vault."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.core.test_whereabouts import A, Told, read, vanished
from tests.core.viewing import refused as refusal_of
from tests.core.viewing import run_started
from vsync_sm.core import events as e
from vsync_sm.core.checkpoint import checkpoint
from vsync_sm.core.memory import Memory
from vsync_sm.core.present import refusal, rules, sentence, severity
from vsync_sm.core.whereabouts import Word
from vsync_sm.origin.alarms import newly_refused

LIMIT = "(limit: 10 paths or 20 %, whichever is more)"


def listed(**more: Any) -> e.PathsListed:
    """A list of five paths."""
    return e.PathsListed(paths=5, mounts={"kv/": 5}, **more)


@pytest.mark.parametrize(
    ("event", "words", "grave"),
    [
        (listed(), "5 paths listed: kv/ 5", "debug"),
        (
            listed(unchosen={"kv/": 1}, pruned={"kv/": 2, "ops/": 1}),
            "5 paths listed: kv/ 5; not chosen: 1 path (kv/ 1) and 3 folders (kv/ 2, ops/ 1)",
            "debug",
        ),
        (
            listed(idle=("kv/team/ include x/", "ops/")),
            "5 paths listed: kv/ 5; no chosen path fits kv/team/ include x/, ops/",
            "warning",
        ),
    ],
)
def test_a_list_tells_what_it_passed_by(event: e.PathsListed, words: str, grave: str) -> None:
    assert (sentence(event), severity(event)) == (words, grave)


def refused(vanished: dict[str, int], unchosen: dict[str, int]) -> e.SaveRefused:
    """A refusal to let these go."""
    total = sum(vanished.values())
    return e.SaveRefused(
        refusals=(
            e.Refusal(rule="shrink", count=total, of=50, limit=0.2),
            e.Refusal(rule="shrink_mount", mount="kv/", count=vanished["kv/"], of=30, limit=0.2),
            e.Refusal(rule="mount_replaced", mount="ops/", count=vanished["ops/"], of=9),
        ),
        vanished=vanished,
        regressed={},
        sample=(),
        allowance="3880de1ed1a3",
        unchosen=unchosen,
    )


def test_a_refusal_says_what_a_changed_choice_leaves_out() -> None:
    event = refused({"kv/": 20, "ops/": 5}, {"kv/": 18})
    changed = "the configuration leaves out now: has origin.paths (or origin.mounts) changed?"
    assert rules(event) == (
        f"25 of 50 paths would vanish {LIMIT}, 18 of which {changed}",
        f"20 of 30 paths would vanish from kv/ {LIMIT}, 18 of which {changed}",
        (
            "ops/ was disabled and made anew since the last save, "
            "and 5 of 9 paths would vanish from it"
        ),
    )
    told = refusal(event, allow_command="allow")
    assert "  - If the configuration was not meant to leave these out, put origin.paths" in told
    assert "  - If it is not meant, restore it in Vault" in told


def test_nobody_is_sent_to_vault_for_what_the_choice_alone_leaves_out() -> None:
    event = refused({"kv/": 20, "ops/": 5}, {"kv/": 20, "ops/": 5})
    assert "restore it in Vault" not in refusal(event, allow_command="allow")
    fault = newly_refused(event, live=True)
    assert "25 paths would vanish (25 of them the configuration leaves out now)" in fault.message
    assert fault.hint == (
        "Put the configuration (origin.paths) back, or allow it: vsync-sm ctl allow 3880de1ed1a3"
    )


def test_without_a_changed_choice_nothing_is_said_of_one() -> None:
    event = refused({"kv/": 20, "ops/": 5}, {})
    fault = newly_refused(event, live=True)
    told = f"{refusal(event, allow_command='allow')} {sentence(event)} {fault.message} {fault.hint}"
    assert "leave" not in told
    assert "restore it in Vault" in told


# --- where is it? -----------------------------------------------------------------------------


def chosen(*parts: dict[str, Any]) -> e.RunStarted:
    """A run begins that syncs these parts."""
    config = {"origin": {"mounts": [], "paths": [*parts]}}
    return msgspec.structs.replace(run_started(), config=config)


def restarted(told: Told, under: str) -> None:
    """A run that syncs this folder alone."""
    told(chosen({"mount": "secret/", "under": under}))


def leaving() -> e.InsightVanished:
    return msgspec.structs.replace(vanished(1), unchosen=True)


def test_a_path_that_was_never_chosen() -> None:
    told = Told()
    restarted(told, "team/")
    told.unchanged()
    verdict = told.where().verdict
    assert (verdict.word, verdict.because) == (Word.NOT_CHOSEN, "origin.paths leaves it out")
    assert "vsync-sm plan" in verdict.todo
    assert not verdict.out
    assert told.where("secret/team/x").verdict.word is Word.UNKNOWN


def test_a_path_that_left_with_the_choice_is_not_gone_from_vault() -> None:
    told = Told()
    told.saved(read(1, "added"))
    restarted(told, "team/")
    told.until_saving(leaving())
    told(msgspec.structs.replace(refusal_of(vanished=1), unchosen={"secret/": 1}))
    told.finish("refused", "refused")
    word, because = told.said()
    assert word is Word.REFUSED
    assert because.startswith("it is not chosen any more, origin.paths leaves it out")
    assert "but Consul still holds it" in because
    todo = told.where().verdict.todo
    assert todo.startswith("Put the configuration (origin.paths) back, or allow it: ")
    told.saved(leaving())
    word, because = told.said()
    assert word is Word.REMOVED
    assert because.startswith("it is not chosen any more, origin.paths leaves it out, and Consul")
    document = told.where().document()
    assert (document["look"]["how"], document["word"]) == ("unchosen", "removed")
    lines = told.where().lines()
    assert any("not looked at, origin.paths leaves it out" in line for line in lines)


def test_a_deleted_path_that_is_left_out_later() -> None:
    told = Told()
    told.saved(e.InsightSkipped(worker=1, path=A, why="deleted"))
    restarted(told, "team/")
    told.unchanged()
    assert told.said()[1].startswith("it is not chosen any more")


def test_it_is_chosen_again() -> None:
    told = Told()
    told.saved(read(1, "added"))
    restarted(told, "team/")
    told.saved(leaving())
    restarted(told, "app/")
    told.saved(read(1, "added"))
    assert told.said()[0] is Word.OUT
    told.saved(vanished(1))
    assert "it is gone from Vault" in told.said()[1]


@pytest.mark.parametrize("readable", [True, False])
def test_the_file_in_which_the_run_began_is_gone(readable: bool) -> None:
    """Where a journal goes on in a later file, its checkpoint knows what is chosen."""
    told = Told()
    restarted(told, "team/")
    told.unchanged()
    known = checkpoint(told.view, Memory())
    if not readable:  # another vsync wrote it
        known["view"] = {"run": 3}
    del told.records[:]
    told(
        e.SegmentOpened(
            number=2,
            predecessor="a.jsonl",
            predecessor_seq=9,
            predecessor_sha256="ab" * 32,
            state="waiting",
            checkpoint=known,
        )
    )
    told.unchanged()
    assert told.said()[0] is (Word.NOT_CHOSEN if readable else Word.UNKNOWN)
    told.saved(leaving())
    assert "leaves it out" in told.said()[1], "the line itself says so"


def test_a_mount_that_was_taken_out() -> None:
    told = Told()
    told.saved(read(1, "added"))
    told(chosen({"mount": "kv/"}))
    told.saved(leaving())
    assert "it lies in none of the mounts that are configured" in told.said()[1]
