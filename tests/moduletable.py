"""Writes the modules into the page that lists them: `python -m tests.moduletable`."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.snapshots import ROOT

PAGE = ROOT / "docs" / "modules.md"
ROOMS = (
    *("core", "servers", "journal", "origin", "operate", "config", "local", "demo", ""),
    *("../tui", "../tui/widgets", "../tui/widgets/dialogs", "../tui/replay"),
)
"""The folders below `vsync_sm`, from the one that imports from no other upwards."""

_BLOCK = re.compile(r"(?<=<!-- modules -->\n).*?(?=<!-- end of modules -->)", re.DOTALL)


def listed(page: str) -> str:
    """A page's text with the modules as they are today; the page must have a place."""
    table = "\n".join(line for room in ROOMS for line in _lines(room)) + "\n\n"
    text, count = _BLOCK.subn(lambda _: table, page)
    if not count:
        raise ValueError("no <!-- modules --> found")
    return text


def _lines(room: str) -> Iterator[str]:
    folder = (ROOT / "vsync_sm" / room).resolve()
    yield from ("", f"## {folder.relative_to(ROOT)}/", "", _said(folder / "__init__.py"), "")
    yield from ("| module | what it is |", "| --- | --- |")
    for module in sorted(folder.glob("*.py")):
        if module.name != "__init__.py":
            yield f"| `{module.name}` | {_said(module)} |"


def _said(module: Path) -> str:
    """The first paragraph of what it says of itself."""
    words = ast.get_docstring(ast.parse(module.read_text(encoding="utf-8"))) or ""
    return " ".join(words.split("\n\n")[0].split())


if __name__ == "__main__":
    PAGE.write_text(listed(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
