"""Writes the journal's events into the page that lists them: `python -m tests.eventtable`."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec

from tests.snapshots import ROOT
from vsync_sm.core import events

PAGE = ROOT / "docs" / "events.md"
_BLOCK = re.compile(r"(?<=<!-- events -->\n).*?(?=<!-- end of events -->)", re.DOTALL)
_SECTION_OR_CLASS = re.compile(r"^(?:# --- (.+?) -+|class (\w+)\(Event, .*)$", re.MULTILINE)


def listed(page: str) -> str:
    """A page's text with the events as the program has them today; the page must have a place."""
    table = "\n".join(_lines()) + "\n\n"
    text, count = _BLOCK.subn(lambda _: table, page)
    if not count:
        raise ValueError("no <!-- events --> found")
    return text


def _lines() -> Iterator[str]:
    source = Path(inspect.getsourcefile(events) or "").read_text(encoding="utf-8")
    head: tuple[str, ...] = ()
    for section, name in _SECTION_OR_CLASS.findall(source):
        if section:
            title = f"## {section[0].upper()}{section[1:]}"
            head = ("", title, "", "| event | what it says | its fields |", "| --- | --- | --- |")
            continue
        yield from head
        head = ()
        cls: type[events.Event] = getattr(events, name)
        said = " ".join(inspect.cleandoc(cls.__doc__ or "").split())
        fields = ", ".join(f"`{each.encode_name}`" for each in msgspec.structs.fields(cls))
        yield f"| `{cls.__struct_config__.tag}` | {said} | {fields or '–'} |"


if __name__ == "__main__":
    PAGE.write_text(listed(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
