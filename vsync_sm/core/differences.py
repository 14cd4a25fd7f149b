"""A comparison in plain sentences, gravest first; for the command line, the console, the story."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

import msgspec

from vsync_sm.core import events as e
from vsync_sm.core.answer import ANSWERING
from vsync_sm.core.comparing import Comparison, FaultBetween, PhaseTimes, Side
from vsync_sm.core.cycle_seen import SEEN_S, CycleSeen, Ended, WorkerSeen
from vsync_sm.core.grouping import shape
from vsync_sm.core.outcome import CRASHED, CUT_OFF
from vsync_sm.core.path_changes import MEANING, MOST, Change, Paths
from vsync_sm.core.present import Severity
from vsync_sm.core.refusal import gist
from vsync_sm.core.sentences import sentence, why
from vsync_sm.core.words import clock, count, counts, duration, listing, number, printable

_ORDER: tuple[Severity, ...] = ("error", "warning", "info", "debug")
_GRAVE = {
    Change.failed: "warning",
    Change.carried: "warning",
    Change.vanished: "warning",
    Change.regressed: "warning",
}
_NAMED = 3
"""So many paths stand in a sentence by name."""

SLOW = 2.0
"""A phase stands out when it took so many times as long, or as little…"""

SLOW_S = 0.5
"""…and the difference is more than this (seconds)."""

SAME = 1.5
"""Two times are about the same when neither is so many times the other…"""

SAME_S = 0.05
"""…or they differ by no more than this (seconds): few milliseconds are chance."""

HELD_S = SEEN_S
"""A worker was slow when one path held it for longer (seconds) than this…"""

HELD = 5.0
"""…and for so many times as long as a path of this cycle took on average."""


class Said(msgspec.Struct, frozen=True):
    """One sentence, and how grave it is."""

    severity: Severity
    words: str


def differences(found: Comparison) -> tuple[Said, ...]:
    """What is different at the second moment, gravest first; empty where nothing is.

    Plain sentences without a full stop at their end; other people's text is `printable`.
    """
    said = [
        *_outcome(found),
        *_faults(found),
        *_servers(found),
        *_phases(found),
        *_workers(found),
        *_retries(found),
        *_paths(found),
        *_listed(found),
        *_runs(found),
        *_settings(found),
        *_asked(found),
        *_requests(found),
    ]
    told = [Said(each.severity, printable(each.words)) for each in said]
    return tuple(sorted(told, key=lambda each: _ORDER.index(each.severity)))


def place(side: Side) -> str:
    """A moment in words: `2026-11-02 02:01:13 UTC (seq 3921), waiting after cycle 9`."""
    cycle = side.cycle
    doing = side.state
    if cycle is not None:
        within = not cycle.outcome or (cycle.outcome == CRASHED and side.run == cycle.run)
        doing += f"{' in' if within else ' after'} cycle {number(cycle.number)}"
    return printable(f"{clock(side.ts)} (seq {side.seq}), {doing}")


def became(cycle: CycleSeen) -> str:
    """What became of a cycle: `cycle 9 found nothing to save`, `cycle 10 was aborted: …`."""
    name = f"cycle {number(cycle.number)}"
    if not cycle.outcome:
        given_up = f"was being given up because {why(cycle.reason)}"
        return f"{name} {given_up if cycle.reason else 'was still running'}"
    said = _OUTCOMES.get(cycle.outcome, f"ended as {cycle.outcome}")
    if cycle.refusal is not None:
        return f"{name} {said}: {gist(cycle.refusal)}"
    because = f" because {why(cycle.reason)}" if cycle.outcome == "aborted" else ""
    return f"{name} {said}{because}"


_OUTCOMES = {
    "saved": "saved",
    "unchanged": "found nothing to save",
    "refused": "was refused",
    "aborted": "was aborted",
    CRASHED: "was cut short by a crash: its run ended without a word",
    CUT_OFF: "was cut off: its run ended and did not wait for it",
}


def _outcome(found: Comparison) -> Iterator[Said]:
    one, other = found.first.cycle, found.second.cycle
    if other is None or found.one_cycle:
        if found.first.state != found.second.state and found.records:
            yield Said("info", f"the origin was {found.first.state}, then {found.second.state}")
        return
    if one is None or (one.outcome, one.reason) != (other.outcome, other.reason):
        before = "" if one is None else f"; {became(one)}"
        grave: Severity = "error" if other.reason or other.failed else "info"
        yield Said(grave, f"{became(other)}{before}")


# --- what went wrong -------------------------------------------------------------------------


def _faults(found: Comparison) -> Iterator[Said]:
    known = set() if found.first.cycle is None else set(map(_kind, found.first.cycle.faults))
    for each in found.faults:
        if found.one_cycle or _kind(each.event) not in known:
            yield Said("error" if each.event.fatal else "warning", _fault(each))


def _kind(event: e.FaultRaised) -> tuple[str, bool, str]:
    return event.kind, event.fatal, shape(event.message)


def _fault(each: FaultBetween) -> str:
    event = each.event
    cycle = f"cycle {number(each.cycle)}" if each.cycle is not None else ""
    where = f" in {cycle}" if cycle else ""
    if each.count > 1:
        where = f", {number(each.count)} times{f' from {cycle} on' if cycle else ''}"
    fatal = "fatal fault" if event.fatal else "fault"
    hint = f" → {event.hint}" if event.hint else ""
    return f"{fatal} {event.kind}{where}: {event.message.rstrip('.')}{hint.rstrip('.')}"


def _servers(found: Comparison) -> Iterator[Said]:
    one, other = found.first.conditions, found.second.conditions
    for server in sorted(one.keys() | other.keys()):
        was, now = one.get(server, ""), other.get(server, "")
        if was != now and now and was:
            grave: Severity = "info" if now == ANSWERING else "warning"
            then = f"{server}, as last seen: {_condition(now)}; before: {_condition(was)}"
            yield Said(grave, then)
    for each in found.troubles:
        if each.condition in {one.get(each.server), other.get(each.server)}:
            continue
        often = f", {number(each.count)} times" if each.count > 1 else ""
        said = f": {each.message}" if each.message else ""
        yield Said(
            "warning",
            f"{each.server} between, from {clock(each.ts)} on: "
            f"{_condition(each.condition)}{often}{said}",
        )


def _condition(word: str) -> str:
    return word.replace("_", " ")


def _retries(found: Comparison) -> Iterator[Said]:
    one, other = found.first.cycle, found.second.cycle
    if one is None or other is None or found.one_cycle or one.retries == other.retries:
        return
    now, was = sum(other.retries.values()), sum(one.retries.values())
    kinds = f" ({counts(other.retries)})" if other.retries else ""
    before = number(was) if was else "none"
    grave: Severity = "warning" if now > was else "info"
    yield Said(grave, f"{count(now, 'retry')}{kinds}, {before} in cycle {number(one.number)}")


# --- where the time went ---------------------------------------------------------------------


def standing_out(found: Comparison) -> PhaseTimes | None:
    """The phase whose time differs most, when it differs enough to be told."""
    if found.one_cycle:
        return None
    differing = [each for each in found.phases if _differs(each)]
    return max(differing, key=lambda each: abs(_change_s(each)), default=None)


def _differs(each: PhaseTimes) -> bool:
    ratio = each.ratio
    return (
        ratio is not None
        and (ratio >= SLOW or (ratio <= 1 / SLOW and each.ended is Ended.over))
        and abs(_change_s(each)) > SLOW_S
    )


def _change_s(each: PhaseTimes) -> float:
    return (each.second or 0.0) - (each.first or 0.0)


def how_much_longer(each: PhaseTimes) -> str:
    """How a phase's times differ: `180 times as long`, `about the same`, `not entered`."""
    if each.second is None:
        return "not entered"
    if each.first is None:
        return "entered only then"
    end = {Ended.over: "", Ended.cut: "cut off", Ended.goes_on: "so far"}[each.ended]
    return ", ".join(filter(None, (_how_much(each), end)))


def _how_much(each: PhaseTimes) -> str:
    ratio, over = each.ratio, each.ended is Ended.over
    if abs(_change_s(each)) <= SAME_S or (ratio is not None and 1 / SAME < ratio < SAME):
        return "about the same" if over else ""
    if not ratio:
        return ""
    if ratio > 1:
        return f"{_times(ratio)} times as long"
    return f"{_times(1 / ratio)} times shorter" if over else ""


def _times(ratio: float) -> str:
    return number(round(ratio)) if ratio >= 9.95 else f"{ratio:.1f}".removesuffix(".0")


def _phases(found: Comparison) -> Iterator[Said]:
    most = standing_out(found)
    one, other = found.first.cycle, found.second.cycle
    if one is None or other is None or found.one_cycle:
        return
    if most is not None and most.first is not None and most.second is not None:
        grave: Severity = "warning" if most.second > most.first else "info"
        before = f"{duration(most.first)} in cycle {number(one.number)}"
        yield Said(
            grave, f"{most.name} took {duration(most.second)}, {how_much_longer(most)}; {before}"
        )
    last = other.phases[-1].name if other.phases else ""
    missing = [each.name for each in found.phases if each.second is None]
    if missing and last and other.outcome:
        yield Said("info", f"it ended in {last}: {listing(missing)} did not begin")


def slow_workers(cycle: CycleSeen) -> tuple[WorkerSeen, ...]:
    """The workers that one path held for long, the longest first."""
    usual = cycle.paths_mean_s or 0.0
    slow = [each for each in cycle.workers if each.slowest_s > max(HELD_S, HELD * usual)]
    return tuple(sorted(slow, key=lambda each: (-each.slowest_s, each.number)))


def _workers(found: Comparison) -> Iterator[Said]:
    one, other = found.first.cycle, found.second.cycle
    if other is None or one is None:
        return
    known = {each.number for each in slow_workers(one)} if found.one_cycle else set()
    slow = [each for each in slow_workers(other) if each.number not in known]
    for each in slow[:_NAMED]:
        yield Said("warning", _slow(each, other))
    if len(slow) > _NAMED:
        yield Said("warning", f"{count(len(slow) - _NAMED, 'more worker')} had a slow path")
    if found.one_cycle:
        return
    if len(one.workers) != len(other.workers) and one.workers and other.workers:
        were = f"{number(len(one.workers))} in cycle {number(one.number)}"
        yield Said("info", f"{count(len(other.workers), 'worker')} read paths, {were}")
    was, now = one.paths_mean_s, other.paths_mean_s
    if was and now and (now / was >= SLOW or was / now >= SLOW):
        grave: Severity = "warning" if now > was else "info"
        yield Said(grave, f"a path took {duration(now)} on average, {duration(was)} before")


def _slow(each: WorkerSeen, cycle: CycleSeen) -> str:
    others = [one.paths for one in cycle.workers if one.number != each.number]
    read = f"it ended {count(each.paths, 'path')}"
    if others:
        read += f", the others about {number(round(median(others)))} each"
    back = " and did not come back from it" if each.held else ""
    return (
        f"worker {each.number} was slow: {each.slowest} held it for {duration(each.slowest_s)}"
        f"{back}; {read}"
    )


# --- what changed ----------------------------------------------------------------------------


def _paths(found: Comparison) -> Iterator[Said]:
    for kind, paths in found.paths.kinds.items():
        yield Said(_gravity(kind), changed(kind, paths))
    if found.paths.untold:
        yield Said(
            "info",
            f"more than {number(MOST)} paths changed: "
            f"{count(found.paths.untold, 'line')} of others are not counted",
        )
    if not found.whole:
        yield Said("info", "a history has no lines of single paths: which changed is not told")


def _gravity(kind: Change) -> Severity:
    return "warning" if kind in _GRAVE else "info"


def changed(kind: Change, paths: Paths) -> str:
    """Paths of one kind in a sentence: how many, by mount, a few by name."""
    words = MEANING[kind]
    if paths.count == 1:
        words = words.replace("were ", "was ").replace("are ", "is ")
    where = f" ({counts(paths.by_mount)})" if len(paths.by_mount) > 1 else ""
    unsaved = ""
    if paths.unsaved:
        which = "" if paths.unsaved == paths.count else f"{number(paths.unsaved)} of them "
        unsaved = f", {which}not saved"
    names = list(paths.names[:_NAMED])
    more = f" and {number(paths.count - len(names))} more" if paths.count > len(names) else ""
    return f"{count(paths.count, 'path')} {words}{where}{unsaved}: {', '.join(names)}{more}"


def _listed(found: Comparison) -> Iterator[Said]:
    one, other = found.first.cycle, found.second.cycle
    if one is None or other is None or one.listed is None or other.listed is None:
        return
    if one.listed != other.listed:
        fell = [
            f"{mount} {number(one.by_mount.get(mount, 0))} → {number(other.by_mount.get(mount, 0))}"
            for mount in sorted(one.by_mount.keys() | other.by_mount.keys())
            if one.by_mount.get(mount, 0) != other.by_mount.get(mount, 0)
        ]
        were = f"{number(one.listed)} in cycle {number(one.number)}"
        said = f"{count(other.listed, 'path')} listed, {were}"
        yield Said("info", f"{said} ({', '.join(fell)})" if fell else said)


def _requests(found: Comparison) -> Iterator[Said]:
    one, other = found.first.cycle, found.second.cycle
    if one is None or other is None or one.requests is None or other.requests is None:
        return
    if found.one_cycle or one.requests == other.requests:
        return
    was, now = one.requests, other.requests
    told = [
        f"{number(after)} to {server} ({number(before)} in cycle {number(one.number)})"
        for server, before, after in (
            ("Vault", was.vault, now.vault),
            ("Consul", was.consul, now.consul),
        )
        if before != after
    ]
    yield Said("debug", f"requests: {', '.join(told)}")


# --- runs and people -------------------------------------------------------------------------


def _runs(found: Comparison) -> Iterator[Said]:
    if found.crashes:
        yield Said("error", f"{count(found.crashes, 'run')} between ended without a word: a crash")
    if found.runs:
        yield Said("info", f"{count(found.runs, 'run')} began between")
    for name, was, now in (
        ("version", found.first.version, found.second.version),
        ("host", found.first.host, found.second.host),
    ):
        if was != now and was and now:
            yield Said("warning", f"another {name}: {was}, then {now}")


def _settings(found: Comparison) -> Iterator[Said]:
    if not found.first.config or not found.second.config:
        return
    for each in found.settings:
        was, now = each.first or "not set", each.second or "not set"
        yield Said("warning", f"configuration: {each.key} was {was}, then {now}")


def _asked(found: Comparison) -> Iterator[Said]:
    for each in found.asked:
        yield Said("info", f"{clock(each.ts)}: {sentence(each.event)}")
