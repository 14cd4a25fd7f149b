"""Writes the console's keys into the page that lists them: `python -m tests.keytable`."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from tui.app import Console
from tui.feed import LiveFeed
from tui.replay.console import ReplayConsole
from tui.widgets.dialogs.keys import Place, keys_of, name_of, places

PAGE = Path(__file__).resolve().parent.parent / "docs" / "console.md"
_BLOCK = re.compile(r"(?<=<!-- keys -->\n).*?(?=<!-- end of keys -->)", re.DOTALL)


def listed(page: str) -> str:
    """A page's text with the keys as the program has them today; the page must have a place."""
    table = "\n".join(_lines(_places())) + "\n\n"
    text, count = _BLOCK.subn(lambda _: table, page)
    if not count:
        raise ValueError("no <!-- keys --> found")
    return text


def _places() -> tuple[Place, ...]:
    async def look() -> tuple[Place, ...]:
        app = Console(LiveFeed(), journal=Path("journal.jsonl"))
        async with app.run_test():
            everywhere, *others = places(app)
            return (everywhere, _back_in_time(), *others)

    return asyncio.run(look())


def _back_in_time() -> Place:
    return Place(name_of(ReplayConsole), keys_of(ReplayConsole), "console")


def _lines(found: Iterable[Place]) -> Iterator[str]:
    for place in found:
        if place.kind == "widget":
            continue
        yield from (
            "",
            f"**{place.name[0].upper()}{place.name[1:]}**",
            "",
            "| key | |",
            "| --- | --- |",
        )
        for key in place.keys:
            yield f"| {' '.join(f'`{each}`' for each in key.keys)} | {key.does} |"


if __name__ == "__main__":
    PAGE.write_text(listed(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
