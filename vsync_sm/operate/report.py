"""What `check` and `plan` say: sinks that gather the facts of a run, and tell them at its end."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median
from typing import Any

import msgspec

from vsync_sm.core import events as e
from vsync_sm.core.choice import Choice, choice_in
from vsync_sm.core.cost import Cost
from vsync_sm.core.insight import NS
from vsync_sm.core.present import count, printable, refusal, sentence, unchosen
from vsync_sm.core.view import View

SHOWN = 20
"""So many paths of each kind are listed for a person; `--json` lists all."""


class CheckReport:
    """The table of `vsync-sm check`, and what a cycle will cost."""

    def __init__(self) -> None:
        self._checks: dict[str, e.CheckPassed | e.CheckFailed] = {}  # as each ended last
        self._faults: list[e.FaultRaised] = []
        self._choice = _ChoiceReport()
        self._cost = _CostReport()
        self._paths: int | None = None

    def __call__(self, record: e.Record, _: View) -> None:
        """Gather one record."""
        event = record.event
        self._choice(event)
        self._cost(record)
        if isinstance(event, e.CheckPassed | e.CheckFailed):
            self._checks[event.check] = event
        elif isinstance(event, e.FaultRaised):
            self._faults.append(event)
        elif isinstance(event, e.PathsListed):
            self._paths = event.paths

    @property
    def complete(self) -> bool:
        """Whether everything was looked at: neither a fault nor a signal came before its end."""
        return self._paths is not None

    def lines(self) -> Iterator[str]:
        """The report, line by line."""
        checks = self._checks.values()
        width = max((len(check.check) for check in checks), default=0)
        for check in checks:
            passed = isinstance(check, e.CheckPassed)
            words = check.detail if isinstance(check, e.CheckPassed) else check.message
            yield printable(f"{'✔' if passed else '✖'} {check.check:<{width}}  {words}")
            if isinstance(check, e.CheckFailed) and check.hint:
                yield printable(f"  {'':<{width}}  → {check.hint}")
        notes = [c.note for c in checks if isinstance(c, e.CheckPassed) and c.note]
        yield from (printable(f"· {note}") for note in dict.fromkeys(notes))
        if all(isinstance(check, e.CheckPassed) for check in checks):
            yield from (f"✖ {printable(sentence(fault))}" for fault in self._faults)
            if not self.complete and not self._faults:
                yield "✖ Interrupted: not everything was checked."
        yield from self._choice.lines()
        yield from self._cost.lines()


class _CostReport:
    """What a cycle costs, once everything was listed.

    How long a request takes is the median time between two folders that were listed one after the
    other: in `check` one worker alone lists, so that nothing else is asked meanwhile. Detailed
    lists are timed apart, each with its folder's plain one.
    """

    def __init__(self) -> None:
        self._started: e.RunStarted | None = None
        self._mounts = 0
        self._lists: list[int] = []  # ns each
        self._folders = 0
        self._detailed: list[tuple[e.FolderListed, int]] = []
        self._before = 0
        self._paths: int | None = None

    def __call__(self, record: e.Record) -> None:
        event = record.event
        if isinstance(event, e.RunStarted):
            self._started = event
        elif isinstance(event, e.MountChecked):
            self._mounts += 1
        elif isinstance(event, e.FolderListed):
            empty = not (event.paths or event.folders)
            self._folders += 2 if empty else 1  # what answers as if empty is asked again
            if event.lists:
                self._detailed.append((event, record.mono - self._before))
            else:
                self._lists.append(record.mono - self._before)
        elif isinstance(event, e.PathsListed):
            self._paths = event.paths
        self._before = record.mono

    def lines(self) -> Iterator[str]:
        started = self._started
        if started is None or self._paths is None:
            return
        origin = started.config.get("origin", {})
        times = self._lists or [ns // (1 + event.lists) for event, ns in self._detailed]
        yield from Cost(
            mounts=self._mounts,
            folders=self._folders,
            paths=self._paths,
            tick_s=started.tick_s,
            timeout_s=started.timeout_s,
            workers=origin.get("numWorkers", 1),
            per_second=origin.get("vault", {}).get("maxRequestsPerSecond", 0.0),
            round_trip_s=median(times) / NS if times else None,
            lists=sum(event.lists for event, _ in self._detailed),
            lists_s=sum(ns for _, ns in self._detailed) / NS,
            detailed=sum(event.detailed for event, _ in self._detailed),
        ).lines()


class _ChoiceReport:
    """What of the mounts is chosen, and what the cycle met that is not; mute without a choice."""

    def __init__(self) -> None:
        self._choice: Choice | None = None
        self._listed: e.PathsListed | None = None

    def __call__(self, event: e.Event | e.Unknown) -> None:
        if isinstance(event, e.RunStarted):
            self._choice = choice_in(event.config)
        elif isinstance(event, e.PathsListed):
            self._listed = event

    def lines(self) -> Iterator[str]:
        choice, listed = self._choice, self._listed
        if choice is None or choice.whole:
            return
        yield from (printable(f"Chosen: {part.words}") for part in choice.parts)
        if listed is None:
            return
        left_out = unchosen(listed) or "not chosen: nothing that was met"
        yield printable(f"{left_out[0].upper()}{left_out[1:]}.")
        for idle in listed.idle:
            yield printable(f"! No chosen path fits {idle}: is it spelled as in Vault?")

    def document(self) -> dict[str, Any]:
        listed = self._listed
        return {
            "chosen": [msgspec.to_builtins(part) for part in self._choice.parts]
            if self._choice
            else [],
            "not_chosen": {"paths": listed.unchosen, "folders": listed.pruned} if listed else None,
            "idle": listed.idle if listed else (),
        }


class PlanReport:
    """What a cycle would do, for `vsync-sm plan`.

    Attributes:
        nothing_to_write: the verdict's own word, for when the cycle came as far as that: also an
            index or a bucket without a changed path may have to be written.
    """

    def __init__(self) -> None:
        self.nothing_to_write = True
        self._paths: dict[str, list[str]] = {
            name: [] for name in ("added", "updated", "removed", "carried", "failed", "backwards")
        }
        self._choice = _ChoiceReport()
        self._refused: e.SaveRefused | None = None
        self._faults: list[e.FaultRaised] = []
        self._finished: e.CycleFinished | None = None

    def __call__(self, record: e.Record, _: View) -> None:
        """Gather one record."""
        event = record.event
        paths = self._paths
        self._choice(event)
        match event:
            case e.InsightGenerated(change="added" | "updated"):
                paths[event.change].append(event.path)
            case e.InsightVanished():
                paths["removed"].append(event.path)
            case e.InsightRegressed():
                paths["backwards"].append(event.path)
            case e.InsightCarriedForward():
                paths["carried"].append(event.path)
            case e.PathFailed():
                paths["failed"].append(event.path)
            case e.SaveRefused():
                self._refused = event
            case e.FaultRaised():
                self._faults.append(event)
            case e.CycleFinished():
                self._finished = event
            case _:
                pass

    @property
    def allowance(self) -> str:
        """The id under which the cycle was refused, "" where it was not."""
        return self._refused.allowance if self._refused else ""

    def verdict(self) -> str:
        """`save`, `unchanged`, `refused` or `aborted`."""
        if self._refused is not None:
            return "refused"
        if self._finished is None or self._finished.reason != "operator":
            return "aborted"
        return "unchanged" if self.nothing_to_write else "save"

    def document(self) -> dict[str, Any]:
        """The plan as one JSON document."""
        finished = self._finished
        return {
            "verdict": self.verdict(),
            **{name: sorted(found) for name, found in self._paths.items()},
            "unchanged": finished.unchanged if finished else 0,
            "refusals": msgspec.to_builtins(self._refused.refusals) if self._refused else [],
            "allowance": self.allowance,
            **self._choice.document(),
            "faults": [
                {"kind": fault.kind, "message": fault.message, "hint": fault.hint}
                for fault in self._faults
            ],
        }

    def lines(self, allow_command: str) -> Iterator[str]:
        """The plan for a person, line by line.

        `allow_command` is the exact command that allows the refusal, "" where none can yet.
        """
        for name, title in (
            ("added", "would be added"),
            ("updated", "would be changed"),
            ("removed", "would be removed"),
            ("backwards", "would go back to an older version"),
            ("failed", "could not be read"),
            ("carried", "would be carried forward"),
        ):
            yield from _some(sorted(self._paths[name]), title)
        yield from self._choice.lines()
        yield from (f"✖ {printable(sentence(fault))}" for fault in self._faults)
        if self._refused is not None:
            yield refusal(self._refused, allow_command=allow_command, planned=True)
            return
        unchanged = self._finished.unchanged if self._finished else 0
        yield {
            "save": f"A cycle would save this; {count(unchanged, 'path')} unchanged.",
            "unchanged": f"A cycle would find nothing to do: {count(unchanged, 'path')} unchanged.",
            "aborted": "A cycle would be aborted and save nothing.",
        }[self.verdict()]


def _some(paths: list[str], title: str) -> Iterator[str]:
    if not paths:
        return
    yield f"{count(len(paths), 'path')} {title}:"
    yield from (f"  {printable(path)}" for path in paths[:SHOWN])
    if len(paths) > SHOWN:
        yield f"  … and {len(paths) - SHOWN} more (--json lists all)"
