"""`vsync-tui`: the operator's console, which comes next."""

from __future__ import annotations

import sys


def main() -> int:
    """Say plainly that the console is not there yet, and what is. Returns the exit code."""
    print(
        "vsync-tui: the console comes with the next release. Until then:\n"
        "  vsync-sm --headless          runs the origin, with a log on stderr\n"
        "  vsync-sm replay JOURNAL      tells what a journal holds",
        file=sys.stderr,
    )
    return 2


if __name__ == "__main__":
    sys.exit(main())
