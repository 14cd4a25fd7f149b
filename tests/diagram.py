"""Draws the machine's picture into the pages that show it: `python -m tests.diagram`."""

from __future__ import annotations

import re
from pathlib import Path

from vsync_sm.core.machine import diagram

_ROOT = Path(__file__).resolve().parent.parent
PAGES = (_ROOT / "README.md", _ROOT / "docs" / "architecture.md")
_PICTURE = re.compile(r"(?<=```mermaid\n)stateDiagram-v2\n.*?(?=```)", re.DOTALL)


def drawn(page: str) -> str:
    """A page's text with the picture as the table gives it today; the page must have one."""
    picture = diagram()
    text, count = _PICTURE.subn(lambda _: picture, page)
    if not count:
        raise ValueError("no mermaid block with a stateDiagram-v2 found")
    return text


if __name__ == "__main__":
    for path in PAGES:
        path.write_text(drawn(path.read_text(encoding="utf-8")), encoding="utf-8")
