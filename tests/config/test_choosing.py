"""`origin.paths`: what is taken, and what is told of each mistake."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.config.configuring import configure, mistaken, origin
from vsync_sm.core.choice import Part

TOKEN_ONLY = {"VAULT_TOKEN": "dev"}
WHOLE: dict[str, Any] = {
    "mount": "kv/",
    "under": "team-a/",
    "include": ["*/prod/**"],
    "exclude": ["**/tmp/", "old*"],
}
PART = Part("kv/", "team-a/", ("*/prod/**",), ("**/tmp/", "old*"))


def test_the_form_of_the_documentation(tmp_path: Path) -> None:
    docs = (Path(__file__).parents[2] / "docs/configuration.md").read_text(encoding="utf-8")
    example = docs.partition("## Choosing what is synced")[2].partition("```yaml\n")[2]
    found = configure(tmp_path, example.partition("```")[0], TOKEN_ONLY)
    assert found.origin.mounts == ("secret/",)
    assert found.origin.paths == (
        Part("kv/", "team-a/"),
        Part("kv/", "team-b/", ("*/prod/**",), ("**/tmp/", "old*")),
    )
    assert found.origin.choice.mounts == ("secret/", "kv/")


def test_the_variable_is_a_json_array(tmp_path: Path) -> None:
    environment = TOKEN_ONLY | {"VSYNC_ORIGIN_PATHS": json.dumps([WHOLE])}
    assert configure(tmp_path, environment=environment).origin.paths == (PART,)


def test_keys_match_in_any_case_and_null_is_not_given(tmp_path: Path) -> None:
    words = "origin: {paths: [{MOUNT: kv/, Under: team-a/, include: null}]}"
    assert configure(tmp_path, words, TOKEN_ONLY).origin.paths == (Part("kv/", "team-a/"),)


def test_the_journal_is_told_what_was_written(tmp_path: Path) -> None:
    found = configure(tmp_path, origin(mounts=[], paths=[WHOLE, {"mount": "ops/"}]), TOKEN_ONLY)
    told = found.public()["origin"]
    assert isinstance(told, dict)
    assert told["paths"] == [WHOLE, {"mount": "ops/"}]
    json.dumps(told)


def test_odd_names_are_taken(tmp_path: Path) -> None:
    part = {"mount": "a b/", "under": "Zürich/[x] {y}/", "exclude": [r"\[x\]", "ü?"]}
    (found,) = configure(tmp_path, origin(paths=[part]), TOKEN_ONLY).origin.paths
    assert found == Part("a b/", "Zürich/[x] {y}/", (), (r"\[x\]", "ü?"))


# Each with the place in `origin.paths` that is named.
BAD: list[tuple[Any, str, str, str]] = [
    ("kv/team-a/", "", "a JSON array", '[{"mount": "kv/"'),
    (3, "", "must be a list, is a number", ""),
    ({"mount": "kv/"}, "", "must be a list, is a mapping", ""),
    (["kv/team-a/"], "[0]", "must be a mapping, is text", "{mount: kv/, under: team-a/}"),
    (["kv/"], "[0]", "must be a mapping, is text", "{mount: "),
    ([7], "[0]", "must be a mapping, is a number", "{mount: "),
    ([{"under": "a/"}], "[0]", "names no mount", "{mount: "),
    ([{"mount": None}], "[0]", "names no mount", "{mount: "),
    ([{"mount": "kv/", "includes": []}], "[0]", "unknown key 'includes'", "did you mean include?"),
    ([{"mount": "kv/", "xyz": 1}], "[0]", "unknown key 'xyz'", "known are mount, under, include"),
    ([{"mount": "kv/", "Mount": "kw/"}], "[0].mount", "stands there twice", "keep one"),
    ([{"mount": "kv"}], "[0].mount", "lacks its slash at the end", "write kv/"),
    ([{"mount": "/kv/"}], "[0].mount", "begins with a slash", ""),
    ([{"mount": 3}], "[0].mount", "must be text", ""),
    ([{"mount": "kv/", "under": "a"}], "[0].under", "lacks its slash", "write a/"),
    ([{"mount": "kv/", "under": "/a/"}], "[0].under", "begins with a slash", ""),
    ([{"mount": "kv/", "under": "a//b/"}], "[0].under", "has an empty segment", ""),
    ([{"mount": "kv/", "under": "a/../"}], "[0].under", "has a segment . or ..", ""),
    ([{"mount": "kv/", "under": "*/a/"}], "[0].under", "holds * or ?", "as a pattern to include"),
    ([{"mount": "kv/", "under": 3}], "[0].under", "must be text", ""),
    ([{"mount": "kv/", "include": "a"}], "[0].include", "must be a list, is text", "[ ]"),
    ([{"mount": "kv/", "include": []}], "[0].include", "names no pattern", "leave it out"),
    ([{"mount": "kv/", "include": ["a", "/b"]}], "[0].include[1]", "begins with a slash", ""),
    ([{"mount": "kv/", "include": ["a", "a"]}], "[0].include[1]", "is there twice", ""),
    ([{"mount": "kv/", "include": [""]}], "[0].include[0]", "is empty", ""),
    ([{"mount": "kv/", "include": [3]}], "[0].include[0]", "must be text", ""),
    ([{"mount": "kv/", "exclude": ["[ab]"]}], "[0].exclude[0]", "holds [", "write \\["),
    ([{"mount": "kv/", "exclude": ["a**"]}], "[0].exclude[0]", "has ** beside", ""),
    ([{"mount": "kv/", "exclude": ["**"]}], "[0].exclude[0]", "leaves nothing", ""),
    ([{"mount": "kv/", "exclude": ["**/*"]}], "[0].exclude[0]", "leaves nothing", ""),
    # Together: with each other, and with the mounts (here `secret/` alone).
    ([{"mount": "kv/"}, {"mount": "kv/", "under": "a/"}], "[1]", "overlaps origin.paths[0]", ""),
    (
        [{"mount": "kv/", "under": "a/"}, {"mount": "kv/", "under": "a/b/"}],
        "[1]",
        "overlaps origin.paths[0]: kv/a/",
        "with the patterns of both",
    ),
    ([{"mount": "kv/"}, {"mount": "kv/"}], "[1]", "overlaps origin.paths[0]", ""),
    ([{"mount": "kv/"}, {"mount": "kv/a/"}], "[1]", "overlaps the mount kv/", "by under"),
    ([{"mount": "secret/", "under": "a/"}], "[0]", "is in origin.mounts too", "take it out"),
    ([{"mount": "secret/a/"}], "[0]", "overlaps the mount secret/", "by under"),
]


@pytest.mark.parametrize(("value", "place", "wrong", "hint"), BAD)
def test_a_mistake_names_its_place(
    tmp_path: Path, value: Any, place: str, wrong: str, hint: str
) -> None:
    words = origin(mounts=["secret/"], paths=value)
    (mistake,) = mistaken(tmp_path, words, TOKEN_ONLY).mistakes
    assert mistake.field == f"origin.paths{place}"
    assert wrong in mistake.wrong
    assert hint in mistake.hint
    assert mistake.hint


def test_neighbours_and_namesakes_do_not_overlap(tmp_path: Path) -> None:
    parts = [("kv/", "a/"), ("kv/", "ab/"), ("kv2/", "a/"), ("secret2/", "")]
    paths = [{"mount": mount, "under": under} for mount, under in parts]
    found = configure(tmp_path, origin(mounts=["secret/"], paths=paths), TOKEN_ONLY)
    assert [(part.mount, part.under) for part in found.origin.paths] == parts


def test_all_mistakes_come_at_once(tmp_path: Path) -> None:
    paths = [{"under": "a", "include": ["/"], "exclude": "x"}, "kv/a"]
    fields = [each.field for each in mistaken(tmp_path, origin(paths=paths), TOKEN_ONLY).mistakes]
    assert fields == [
        "origin.paths[0]",
        "origin.paths[0].exclude",
        "origin.paths[0].include[0]",
        "origin.paths[0].under",
        "origin.paths[1]",
    ]


@pytest.mark.parametrize("paths", [[], None])
def test_neither_mounts_nor_paths(tmp_path: Path, paths: Any) -> None:
    (mistake,) = mistaken(tmp_path, origin(paths=paths), TOKEN_ONLY).mistakes
    assert mistake[:3] == ("origin.mounts", "(not given)", "names no mount")
    assert "origin.paths" in mistake.hint
