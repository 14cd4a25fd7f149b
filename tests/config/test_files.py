"""The file itself, and anything at all in its place."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.config.configuring import LEAST, configure, mistaken
from vsync_sm.config import ConfigError, load
from vsync_sm.config.loading import SCHEMA
from vsync_sm.config.schema import variable_of


def test_a_named_file_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^other.yaml: 1 mistake.*\n\n.*\n.*there is no file"):
        load(file=Path("other.yaml"), environment=LEAST, flags={}, cwd=tmp_path)


def test_of_a_missing_file_it_is_said_where_one_is_looked_for(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(file=Path("other.yaml"), environment={}, flags={}, cwd=tmp_path)
    told = str(caught.value)
    assert "what would do: give --config a file that is there, or leave it out: " in told
    assert "config.yaml in the working directory" in told


def test_a_directory_and_a_dangling_link_are_no_missing_file(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").mkdir()
    assert "is a directory" in str(mistaken(tmp_path)).lower()
    (tmp_path / "config.yaml").rmdir()
    (tmp_path / "config.yaml").symlink_to("nowhere")
    assert "there is no file" in str(mistaken(tmp_path))


def test_a_file_through_a_pipe(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as stream:
        stream.write("name: piped")
    try:
        file = Path(f"/dev/fd/{reading}")
        assert load(file=file, environment=LEAST, flags={}, cwd=tmp_path).name == "piped"
    finally:
        os.close(reading)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (b"name: \xff", "is not UTF-8: byte 7"),
        ("name: a".encode("utf-16"), "is not UTF-8: byte 1"),
        ("- a\n- b", "holds no keys at its top level: it is a list"),
        ("hello", "it is text"),
        ("3", "it is a number"),
        ("[]", "it is a list"),
        ("name: a\n b: c", "is no YAML at line 2, column 3: mapping values"),
        ("name: [a", "is no YAML at line 1, column 9: expected"),
        ("\tname: a", "is no YAML at line 1, column 1: found character"),
        ("a: b\nc: \x01", "is no YAML at line 2, column 4: a character"),
        ("name: *x", "is no YAML at line 1, column 7: found undefined alias"),
        ("name: !x y", "is no YAML at line 1, column 7: could not determine"),
        ("a: b\n---\nc: d", "is no YAML at line 2, column 1: but found another document"),
        ("name: !!int ''", "an odd tag or number"),
        ("name: !!bool x", "an odd tag or number"),
        ("name: !!timestamp x", "an odd tag or number"),
        ("name: 0x_", "an odd tag or number"),
        ("a: " + "[" * 5000, "nested too deeply"),
        ('{"name": "a",}', "is no JSON at line 1, column 14"),
        ('{\n"name": a}', "is no JSON at line 2, column 9"),
        ("{name: a}", "is no JSON at line 1, column 2"),
        ('{"name": NaN}', "is no JSON: it holds NaN"),
        ('{"name": ' + "[" * 100_000, "nested too deeply"),
        ("#" * 1_048_577, "it is longer than 1048576 bytes"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_read(tmp_path: Path, words: str | bytes, told: str) -> None:
    (mistake,) = mistaken(tmp_path, words).mistakes
    assert mistake.field == "the file"
    assert told in mistake.wrong


def test_dates_and_huge_numbers_in_yaml_are_text(tmp_path: Path) -> None:
    assert configure(tmp_path, "name: 2026-11-23").name == "2026-11-23"
    assert configure(tmp_path, f"name: 0x{'f' * 5000}").name.startswith("0xff")


SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
    | st.sampled_from(["secret/", "5s", "20%", "http://vault", "[", "[[[", "~/x", "\ud800", "\0"])
)  # fmt: skip
KEYS = st.text(max_size=5) | st.sampled_from(
    sorted({part for name in SCHEMA.fields for part in name.split(".")} | {"dc", "destination"})
)
DOCUMENTS = st.recursive(
    SCALARS,
    lambda below: st.lists(below, max_size=3) | st.dictionaries(KEYS, below, max_size=6),
    max_leaves=25,
)
ANYTHING = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


VARIABLES = [variable_of(name) for name in SCHEMA.fields]


def nested(name: str, value: object) -> object:
    for part in reversed(name.split(".")):
        value = {part: value}
    return value


@ANYTHING
@given(
    st.dictionaries(KEYS, DOCUMENTS) | st.builds(nested, st.sampled_from(SCHEMA.fields), DOCUMENTS)
)
def test_random_mappings_raise_nothing_but_config_error(tmp_path: Path, document: object) -> None:
    for words in (json.dumps(document), yaml.safe_dump(document, allow_unicode=False)):
        try:
            json.dumps(configure(tmp_path, words).public()).encode()
        except ConfigError as error:
            str(error).encode()


@ANYTHING
@given(st.binary(max_size=60) | st.text(max_size=60).map(lambda t: t.encode("utf-8", "replace")))
@example(b"a: !!float ''")
@example(b"? !!set {a}\n: !!omap [b: c]")
@example(b"a: &a [*a]\nb: &b {c: *b}\norigin: &o {mounts: *o, vault: *o}")
@example(b"<<: [1]\n=: 3")
def test_random_bytes_raise_nothing_but_config_error(tmp_path: Path, words: bytes) -> None:
    try:
        configure(tmp_path, words)
    except ConfigError as error:
        str(error).encode()


@ANYTHING
@given(
    st.dictionaries(
        st.sampled_from(VARIABLES) | st.text().map("VSYNC_{}".format),
        st.text() | SCALARS.filter(lambda s: isinstance(s, str)).map(str),
    )
)  # fmt: skip
def test_random_variables_raise_nothing_but_config_error(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    try:
        configure(tmp_path, environment=environment)
    except ConfigError as error:
        str(error).encode()
