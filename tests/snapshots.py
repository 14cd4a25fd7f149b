"""Where snapshots lie (`snapshots/<test file>/<test>`) and in which formats."""

from __future__ import annotations

from pathlib import Path

import pytest
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode
from syrupy.location import PyTestLocation

ROOT = Path(__file__).resolve().parent.parent
SNAPSHOTS = ROOT / "snapshots"


class TextSnapshot(SingleFileSnapshotExtension):
    """A text, one file a snapshot, told apart from others by `.txt`."""

    _write_mode = WriteMode.TEXT
    file_extension = "txt"

    @classmethod
    def dirname(cls, *, test_location: PyTestLocation) -> str:
        """`snapshots/` and the name of the test's file."""
        return str(SNAPSHOTS / test_location.basename)


class MarkdownSnapshot(TextSnapshot):
    """A page in Markdown."""

    file_extension = "md"


class JsonLinesSnapshot(TextSnapshot):
    """A journal: text with one JSON object a line."""

    file_extension = "jsonl"


class ScreenSnapshot(TextSnapshot):
    """A screen as a picture (SVG), to be looked at."""

    file_extension = "svg"


def runs_in_part(config: pytest.Config) -> bool:
    """Whether the arguments leave out tests.

    Such a run knows nothing about the snapshots of the others: it must neither complain about
    them as unused nor, with `--snapshot-update`, delete them.
    """
    chosen = config.option
    if chosen.keyword or chosen.markexpr or chosen.deselect or chosen.maxfail:
        return True
    if chosen.ignore or chosen.ignore_glob or getattr(chosen, "lf", False):
        return True
    everything = {ROOT, ROOT / "tests"}
    started_in = config.invocation_params.dir
    return any("::" in arg or (started_in / arg).resolve() not in everything for arg in config.args)
