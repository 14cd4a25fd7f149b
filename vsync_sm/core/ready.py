"""Classes that are read from outside, made ready before any thread reads them.

The first time that msgspec reads a class it notes what the fields are, and lets other threads run
meanwhile: one that reads the same class then finds the notes half written, and the process dies
(segmentation fault; msgspec 0.22, seen where several workers got their first reply). Classes
that are made ready while their module is imported have their notes before there is a second thread.
"""

from __future__ import annotations

import msgspec


def ready(*classes: type[msgspec.Struct]) -> None:
    """Has msgspec look at these classes, and at all that they hold, now."""
    for cls in classes:
        msgspec.json.Decoder(cls)
