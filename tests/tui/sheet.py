"""A contact sheet of screens, for a developer to look at: `python -m tests.tui.sheet`.

It turns the pictures among the snapshots into PNGs with `rsvg-convert`, several on a sheet.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.snapshots import SNAPSHOTS

_SIZE = re.compile(r'viewBox="0 0 ([\d.]+) ([\d.]+)"')
_GAP = 24


def sheet(pictures: Sequence[Path], columns: int) -> str:
    """One SVG with all of these, each under its name."""
    widths, heights, cells = [], [], []
    for number, picture in enumerate(pictures):
        svg = picture.read_text(encoding="utf-8").replace("terminal-", f"t{number}-")
        found = _SIZE.search(svg)
        if found is None:
            raise ValueError(f"{picture} is no picture of a screen")
        widths.append(float(found[1]))
        heights.append(float(found[2]))
        cells.append(svg)
    width, height = max(widths) + _GAP, max(heights) + 2 * _GAP
    parts = []
    for number, (picture, svg) in enumerate(zip(pictures, cells, strict=True)):
        x, y = (number % columns) * width, (number // columns) * height
        where = f'x="{x}" y="{y + _GAP}" width="{widths[number]}" height="{heights[number]}"'
        parts.append(
            f'<text x="{x + 4}" y="{y + 18}" font-family="sans-serif">{picture.stem}</text>'
        )
        parts.append(svg.replace("<svg ", f"<svg {where} ", 1))
    rows = -(-len(pictures) // columns)
    size = f'viewBox="0 0 {width * columns} {height * rows}"'
    back = '<rect width="100%" height="100%" fill="white"/>'
    body = "\n".join(parts)
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>{back}{body}</svg>'


def main() -> None:
    """Writes the sheets and says where."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pictures", nargs="*", type=Path, help="default: those of test_screens")
    parser.add_argument("--out", type=Path, default=Path("sheets"), help="a directory")
    parser.add_argument("--columns", type=int, default=2)
    parser.add_argument("--rows", type=int, default=2)
    parser.add_argument("--width", type=int, default=2000, help="of a sheet, pixels")
    asked = parser.parse_args()
    convert = shutil.which("rsvg-convert")
    if convert is None:
        sys.exit("rsvg-convert is missing (Debian: librsvg2-bin)")
    pictures = asked.pictures or sorted((SNAPSHOTS / "test_screens").glob("*.svg"))
    asked.out.mkdir(exist_ok=True)
    each = asked.columns * asked.rows
    for number, first in enumerate(range(0, len(pictures), each), start=1):
        some = pictures[first : first + each]
        out = asked.out / f"sheet-{number:02}.png"
        subprocess.run(
            [convert, "--width", str(asked.width), "--output", str(out)],
            input=sheet(some, asked.columns).encode(),
            check=True,
        )
        sys.stdout.write(f"{out}: {', '.join(picture.stem for picture in some)}\n")


if __name__ == "__main__":
    main()
