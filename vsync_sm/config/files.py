"""A configuration file: its bytes, then the mapping in it (JSON or YAML)."""

from __future__ import annotations

import json
import re
import stat
from collections.abc import Iterator
from pathlib import Path

import yaml

from vsync_sm.config.mistakes import ConfigError, Mistake, printable
from vsync_sm.config.values import Pairs, kind

FILE_LIMIT = 1_048_576
"""Bytes; whatever is longer is no configuration."""


def read_limited(path: Path, limit: int, *, regular: bool) -> bytes:
    """The bytes of a file.

    Args:
        limit: bytes; a longer file is an error.
        regular: refuse pipes and devices (what is read again later must still be there).

    Raises:
        FileNotFoundError: there is none.
        OSError: anything else, with a text for a person in `strerror`.
    """
    try:
        if regular and not stat.S_ISREG(path.stat().st_mode):
            raise OSError(0, "it is a directory, a pipe or a device, no file")
        with path.open("rb") as stream:
            content = stream.read(limit + 1)
    except ValueError:  # a NUL in the path
        raise OSError(0, "no file can have such a name") from None
    if len(content) > limit:
        raise OSError(0, f"it is longer than {limit} bytes")
    return content


def read_file(path: Path, where: str) -> Pairs:
    """The mapping in a configuration file: JSON if it starts with `{`, else YAML.

    Raises:
        FileNotFoundError: there is none.
        ConfigError: it cannot be read as a mapping.
    """
    try:
        words = read_limited(path, FILE_LIMIT, regular=False).decode("utf-8-sig")
    except FileNotFoundError:
        raise
    except OSError as error:
        wrong = f"cannot be read: {error.strerror or type(error).__name__}"
        raise _broken(where, wrong, "give a file that this user may read") from None
    except UnicodeDecodeError as error:
        wrong = f"is not UTF-8: byte {error.start + 1} does not belong there"
        raise _broken(where, wrong, "save it as UTF-8") from None
    document = _json(words, where) if words.lstrip().startswith("{") else _yaml(words, where)
    if document is None:
        return Pairs()
    if not isinstance(document, Pairs):
        hint = "write keys with a colon and a space after them"
        raise _broken(where, f"holds no keys at its top level: it is {kind(document)}", hint)
    return document


def missing_file(path: Path, where: str) -> ConfigError:
    """The error for a file that was asked for and is not there."""
    hint = (
        "give --config a file that is there, or leave it out: then config.yaml in the working "
        "directory is read, if there is one, and the environment (VSYNC_…)"
    )
    return _broken(where, f"there is no file {printable(str(path))}", hint)


def _broken(where: str, wrong: str, hint: str) -> ConfigError:
    return ConfigError(where, (Mistake("the file", printable(where), wrong, hint),))


def _json(words: str, where: str) -> object:
    hint = "a file that starts with { is read as JSON"
    try:
        return json.loads(
            words,
            object_pairs_hook=Pairs,
            parse_int=lambda digits: int(digits) if len(digits) < 20 else digits,
            parse_constant=_no_constant,
        )
    except json.JSONDecodeError as error:
        at = f"line {error.lineno}, column {error.colno}"
        raise _broken(where, f"is no JSON at {at}: {error.msg}", hint) from None
    except (ValueError, RecursionError):
        wrong = "is no JSON: it holds NaN or Infinity, or is nested too deeply"
        raise _broken(where, wrong, hint) from None


def _no_constant(_: str) -> object:
    raise ValueError


def _plain_resolvers() -> dict[str, list[tuple[str, re.Pattern[str]]]]:
    """What unquoted words may stand for: no dates and no merge keys, as in JSON."""
    plain = (":bool", ":int", ":float", ":null")
    return {
        first: [(tag, regexp) for tag, regexp in resolvers if tag.endswith(plain)]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


class _Loader(yaml.SafeLoader):
    """SafeLoader whose mappings keep keys that come twice, and whose dates stay text."""

    yaml_implicit_resolvers = _plain_resolvers()

    def pairs(self, node: yaml.MappingNode) -> Iterator[Pairs]:
        mapping = Pairs()
        yield mapping
        mapping.extend(
            (self.construct_object(key, deep=True), self.construct_object(value, deep=True))
            for key, value in node.value
        )

    def number(self, node: yaml.ScalarNode) -> object:
        value: int = self.construct_yaml_int(node)
        return value if abs(value) < 2**63 else str(node.value)


_Loader.add_constructor("tag:yaml.org,2002:map", _Loader.pairs)
_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.number)


def _yaml(words: str, where: str) -> object:
    hint = "indent with spaces, put quotes around text with : # * & or % in it"
    loader = None
    try:
        loader = _Loader(words)
        return loader.get_single_data()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        at = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        # PyYAML quotes what it found; between quotes may be a piece of a secret.
        problem = re.sub(r"'[^'<>]{3,}'", "", error.problem or "").rstrip()
        raise _broken(where, f"is no YAML{at}: {problem}", hint) from None
    except yaml.reader.ReaderError as error:
        line = words.count("\n", 0, error.position) + 1
        column = error.position - words.rfind("\n", 0, error.position)
        wrong = f"is no YAML at line {line}, column {column}: a character that YAML forbids"
        raise _broken(where, wrong, "remove it") from None
    # PyYAML's constructors trip over odd scalars (`!!int ""`, `0x_`) in all of these ways.
    except (ValueError, LookupError, AttributeError, TypeError, RecursionError):
        wrong = "is no YAML that can be read: an odd tag or number, or nested too deeply"
        raise _broken(where, wrong, hint) from None
    finally:
        if loader is not None:
            loader.dispose()
