"""Whole cycles on the real servers: what Vault holds is what Consul holds."""

from __future__ import annotations

from tests.workshop import Workshop
from vsync_sm.core import events as e

AWKWARD = (
    "plain",
    "with space/and more",
    "why?",
    "hash#tag",
    "half%2Fslash",
    "100%",
    "größe/日本語",
    "metadata",
    "metadata/data/metadata",
    "x",
    "x/below",
    "a/b/c/d/e/f/g/h/i/j/k/l",
    "plus+and&amp",
    "dots..inside",
    "quote\"and'apostrophe",
)


def test_awkward_names_come_out_as_they_are(workshop: Workshop, mount: str) -> None:
    for name in AWKWARD:
        workshop.vault.put(mount, name)
    run = workshop.once()
    assert (run.code, run.outcome) == (0, "saved")
    assert set(workshop.saved()) == {f"{mount}data/{name}" for name in AWKWARD}
    assert workshop.saved() == workshop.alive()
    again = workshop.once()
    assert (again.code, again.outcome) == (0, "unchanged")
    assert again.one(e.CycleFinished).unchanged == len(AWKWARD)
    workshop.replayed()
