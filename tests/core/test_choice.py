"""What is chosen: folders, patterns, and what a journal tells of them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.test_pathglob import paths, patterns
from vsync_sm.core.choice import Choice, Part, choice_in, whole

CHOICE = Choice(
    (
        *whole(["secret/"]),
        Part("kv/", "team-a/", include=("*/prod/**", "shared"), exclude=("**/tmp/", "*/prod/x")),
        Part("kv/", "team-b/"),
        Part("ops/", exclude=("old/",)),
    )
)


@pytest.mark.parametrize(
    ("path", "chosen"),
    [
        ("secret/data/any/thing", True),
        ("kv/data/team-a/app/prod/db", True),
        ("kv/data/team-a/app/prod/x", False),
        ("kv/data/team-a/app/prod/tmp/y", False),
        ("kv/data/team-a/app/test/db", False),
        ("kv/data/team-a/shared", True),
        ("kv/data/team-a/shared/x", False),
        ("kv/data/team-a", False),  # the secret beside the folder
        ("kv/data/team-ax/app/prod/db", False),
        ("kv/data/team-b/x", True),
        ("kv/data/team-c/x", False),
        ("ops/data/new", True),
        ("ops/data/old", True),
        ("ops/data/old/x", False),
        ("elsewhere/data/x", False),
        ("secret/metadata/x", False),
    ],
)
def test_what_is_chosen(path: str, chosen: bool) -> None:
    assert CHOICE.holds(path) is chosen
    assert (CHOICE.leaves_out(path) == "") is chosen


def test_why_a_path_is_left_out() -> None:
    assert CHOICE.leaves_out("kv/data/team-c/x") == "origin.paths leaves it out"
    assert "none of the mounts" in CHOICE.leaves_out("elsewhere/data/x")


@pytest.mark.parametrize(
    ("folder", "entered"),
    [
        ("team-a/", True),
        ("team-a/app/", True),
        ("team-a/app/prod/", True),
        ("team-a/app/prod/tmp/", False),
        ("team-a/app/test/", False),
        ("team-a/tmp/", False),
        ("team-b/deep/er/", True),
        ("team-c/", False),
    ],
)
def test_where_a_walk_goes(folder: str, entered: bool) -> None:
    assert CHOICE.may_hold("kv/", folder) is entered


def test_where_a_walk_begins() -> None:
    assert CHOICE.mounts == ("secret/", "kv/", "ops/")
    assert [CHOICE.roots(mount) for mount in CHOICE.mounts] == [
        ("",),
        ("team-a/", "team-b/"),
        ("",),
    ]
    assert not CHOICE.whole
    assert Choice(whole(["a/", "b/"])).whole


@given(
    st.sampled_from(["", "a/", "a/b/"]),
    st.lists(patterns, max_size=2),
    st.lists(patterns, max_size=2),
    paths,
)
def test_no_walk_passes_a_chosen_path_by(
    under: str, include: list[str], exclude: list[str], path: str
) -> None:
    """What is chosen lies in folders that are entered: else it would vanish."""
    choice = Choice([Part("kv/", under, tuple(include), tuple(exclude))])
    if not choice.belongs("kv/", path):
        return
    folders = [path[: at + 1] for at, character in enumerate(path) if character == "/"]
    assert path.startswith(under)
    assert all(choice.may_hold("kv/", each) for each in folders if each.startswith(under))


def test_what_no_path_fits_is_told() -> None:
    nothing = ("kv/team-a/ include */prod/**", "kv/team-a/ include shared", "kv/team-b/", "ops/")
    assert CHOICE.idle({}) == nothing
    paths = {"kv/": ["team-a/app/prod/db", "team-b/x"], "ops/": ["a"], "secret/": []}
    assert CHOICE.idle(paths) == ("kv/team-a/ include shared",)


def test_a_part_in_words() -> None:
    assert [part.words for part in CHOICE.parts] == [
        "secret/",
        "kv/team-a/ (include: */prod/**, shared; exclude: **/tmp/, */prod/x)",
        "kv/team-b/",
        "ops/ (exclude: old/)",
    ]


@pytest.mark.parametrize(
    "origin",
    [
        None,
        [],
        {"mounts": "secret/"},
        {"mounts": [3]},
        {"paths": [{}]},
        {"paths": [{"mount": 3}]},
        {"paths": [{"mount": "kv/", "include": ["/"]}]},
    ],
)
def test_a_journal_that_tells_of_no_choice(origin: Any) -> None:
    assert choice_in({"origin": origin}) is None


def test_a_journal_of_before_there_was_a_choice() -> None:
    choice = choice_in({"origin": {"mounts": ["secret/"]}})
    assert choice is not None
    assert choice.parts == (Part("secret/"),)
