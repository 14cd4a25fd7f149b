"""Patterns over paths, held against a naive reader of the same rules and against brute force."""

from __future__ import annotations

import re
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsync_sm.core.pathglob import PathGlob, PatternError

MEANT = [
    ("a", "a", True),
    ("a", "a/b", False),
    ("a", "A", False),
    ("a/", "a", False),
    ("a/", "a/b", True),
    ("a/", "a/b/c", True),
    ("a/**", "a/b/c", True),
    ("a/**", "a", False),
    ("a/*", "a/b", True),
    ("a/*", "a/b/c", False),
    ("*", "a", True),
    ("*", "a/b", False),
    ("**", "a", True),
    ("**", "a/b", True),
    ("**/a", "a", True),
    ("**/a", "b/c/a", True),
    ("**/a", "b/ca", False),
    ("a/**/b", "a/b", True),
    ("a/**/b", "a/x/y/b", True),
    ("a/**/b", "a/x/y/bb", False),
    ("**/tmp/**", "tmp/x", True),
    ("**/tmp/**", "a/tmp/x/y", True),
    ("**/tmp/**", "a/tmp", False),
    ("legacy*", "legacy", True),
    ("legacy*", "legacy-1", True),
    ("legacy*", "legacy-1/x", False),
    ("legacy*/", "legacy-1/x/y", True),
    ("a?c", "abc", True),
    ("a?c", "ac", False),
    ("a?c", "a/c", False),
    ("*b*d", "abcbd", True),
    ("*.key", ".key", True),
    ("with space", "with space", True),
    ("Zürich/*", "Zürich/straße", True),
    ("Zürich", "Zu\u0308rich", False),  # two spellings of one word are two secrets in Vault
    ("?", "😀", True),
    ("a?b", "a\nb", True),
    (r"\[x\]", "[x]", True),
    (r"\*", "*", True),
    (r"\*", "a", False),
    (r"a\\b", "a\\b", True),
    ("a.c", "abc", False),
    ("a+", "aa", False),
]


@pytest.mark.parametrize(("pattern", "path", "meant"), MEANT)
def test_what_a_pattern_means(pattern: str, path: str, meant: bool) -> None:
    assert PathGlob(pattern).matches(path) is meant


@pytest.mark.parametrize(
    ("pattern", "wrong", "hint"),
    [
        ("", "is empty", "tmp/"),
        ("/a", "begins with a slash", "leave the first slash out"),
        ("/", "begins with a slash", ""),
        ("a//b", "has an empty segment", "one slash"),
        ("a//", "has an empty segment", "one slash"),
        ("a/../b", "has a segment . or ..", ""),
        ("./a", "has a segment . or ..", ""),
        ("a**", "has ** beside something else", "alone between slashes"),
        ("***", "has ** beside something else", ""),
        ("a/**b/c", "has ** beside something else", ""),
        ("a\\", "has a backslash before nothing", ""),
        ("a\\/b", "has a backslash before nothing", ""),
        ("[ab]", "holds [", r"write \["),
        ("{a,b}", "holds {", r"write \{"),
        ("!a", "holds !", r"write \!"),
    ],
)
def test_what_is_no_pattern(pattern: str, wrong: str, hint: str) -> None:
    with pytest.raises(PatternError) as caught:
        PathGlob(pattern)
    assert wrong in caught.value.wrong
    assert hint in caught.value.hint


BELOW = [
    ("a/b/*", "", True),
    ("a/b/*", "a/", True),
    ("a/b/*", "a/b/", True),
    ("a/b/*", "a/b/c/", False),
    ("a/b/*", "b/", False),
    ("a", "", True),
    ("a", "a/", False),  # the secret, not the folder beside it
    ("*/prod/**", "x/", True),
    ("*/prod/**", "x/test/", False),
    ("*/prod/**", "x/prod/y/z/", True),
    ("**/x", "any/where/", True),
]


@pytest.mark.parametrize(("pattern", "folder", "may"), BELOW)
def test_whether_anything_below_a_folder_may_be_meant(pattern: str, folder: str, may: bool) -> None:
    assert PathGlob(pattern).may_match_below(folder) is may


@pytest.mark.parametrize(
    ("pattern", "folder", "all_of_it"),
    [
        ("tmp/", "tmp/", True),
        ("tmp/", "tmp/x/", True),
        ("tmp/", "", False),
        ("tmp/*", "tmp/", False),
        ("**/tmp/**", "a/b/tmp/", True),
        ("**/tmp/**", "a/b/", False),
        ("**", "", True),
        ("**/*", "", True),
        ("**/**", "", True),
        ("*", "", False),
    ],
)
def test_whether_all_below_a_folder_is_meant(pattern: str, folder: str, all_of_it: bool) -> None:
    assert PathGlob(pattern).takes_all_below(folder) is all_of_it


def test_the_examples_in_the_docs_are_true() -> None:
    docs = (Path(__file__).parents[2] / "docs/configuration.md").read_text(encoding="utf-8")
    table = docs.partition("| pattern | fits | does not fit |")[2].partition("\n\n")[0]
    rows = [re.split(r" ?\| ?", line)[1:4] for line in table.strip().splitlines()[1:]]
    assert len(rows) > 8
    for pattern, fits, misfits in rows:
        glob = PathGlob(pattern.strip("`"))
        named = re.findall("`([^`]+)`", fits), re.findall("`([^`]+)`", misfits)
        assert all(named), pattern
        assert [path for path in named[0] if not glob.matches(path)] == []
        assert [path for path in named[1] if glob.matches(path)] == []


# --- against a naive reader -------------------------------------------------------------------

NAMES = ["a", "b", "aa", "ab", "ba", "bb"]
PATHS = ["/".join(names) for n in range(1, 5) for names in product(NAMES, repeat=n)]

segments = st.one_of(
    st.just("**"),
    st.text(alphabet="ab*?", min_size=1, max_size=2).filter(lambda text: text != "**"),
)
patterns = st.builds(
    lambda parts, slash: "/".join(parts) + slash,
    st.lists(segments, min_size=1, max_size=3),
    st.sampled_from(["", "/"]),
)
paths = st.lists(st.sampled_from(NAMES), min_size=1, max_size=5).map("/".join)


def naive(pattern: str, path: str) -> bool:
    """The rules, read one at a time and tried in every way."""
    if pattern.endswith("/"):
        pattern += "**"
    return _segments(pattern.split("/"), path.split("/"))


def _segments(parts: list[str], names: list[str]) -> bool:
    if not parts:
        return not names
    first, *rest = parts
    if first != "**":
        return bool(names) and _characters(first, names[0]) and _segments(rest, names[1:])
    least = 0 if rest else 1
    return any(_segments(rest, names[n:]) for n in range(least, len(names) + 1))


def _characters(part: str, name: str) -> bool:
    if not part:
        return not name
    if part[0] == "*":
        return any(_characters(part[1:], name[n:]) for n in range(len(name) + 1))
    return bool(name) and part[0] in {"?", name[0]} and _characters(part[1:], name[1:])


@given(patterns, paths)
def test_it_reads_a_pattern_as_the_naive_reader_does(pattern: str, path: str) -> None:
    assert PathGlob(pattern).matches(path) == naive(pattern, path)


@given(st.text(alphabet="ab*?", min_size=1).filter(lambda t: "**" not in t), st.text(alphabet="ab"))
def test_it_reads_a_segment_as_the_naive_reader_does(pattern: str, name: str) -> None:
    assert PathGlob(pattern).matches(name) == _characters(pattern, name)


@given(patterns, st.lists(st.sampled_from(NAMES), max_size=3))
def test_it_judges_a_folder_as_brute_force_does(pattern: str, folder: list[str]) -> None:
    """Whatever can be made of these names, four deep below the folder."""
    glob, root = PathGlob(pattern), "".join(f"{name}/" for name in folder)
    below = [naive(pattern, root + path) for path in PATHS]
    assert glob.may_match_below(root) == any(below)
    assert not glob.takes_all_below(root) or all(below)


@pytest.mark.parametrize(
    ("pattern", "path"),
    [("*a" * 20 + "b", "a" * 5_000), ("/".join(["**", "a"] * 20) + "/b", "/".join("a" * 2_000))],
    ids=["stars", "folders"],
)
def test_no_name_takes_long(pattern: str, path: str) -> None:
    """Tried in every way it would take longer than anybody waits."""
    assert not PathGlob(pattern).matches(path)
