"""When a save happens: the rules, whole, and nothing else.

A path missing from the index is deleted in every other region, so never saving is better than
saving wrong. A cycle reads Vault and Consul; then this file decides, from values alone:

1.  **May a save begin?** Not after a fatal fault, a stop, an abort, a fault of the cycle, or the
    deadline (`obstacle`). Listing and every worker have finished by then: the machine has no
    other way into its `reindexing` and `saving` states. That every listed path has ended, and is
    where it belongs, is counted once more, from what the journal was told (`unaccounted`).
2.  **A failed list is not an empty list.** The Vault adapter turns everything but Vault's own
    "nothing here" into a fault. Even "nothing here" is believed of a name that a list has just
    given only when its parent, listed again, no longer names it (`confirmed_gone`). And a path of
    the former sync info that no list names any more vanishes only when Vault, asked for the path
    itself, says that it is gone or deleted: else the cycle aborts (`origin.working`). What the
    configuration does not choose any more is not asked for, and vanishes: rule 4 judges it.
3.  **One bad path does not vanish.** Its former insight is carried forward. But too many
    failures (`too_many_failed`), or a row of them, are not one path's fault: the cycle aborts.
4.  **Shrinking needs a yes.** `judge` compares what Consul holds with what the cycle found, and
    refuses what looks like a wiped mount, a restored snapshot or a damaged sync info. A refusal
    is lifted only by a human who names its id (`allowance_id`), for exactly what was refused, and
    for no less than what would have been saved then. Where Consul's sync info is not whole (lost
    keys, bytes that cannot be decoded, a save cut short), the last commit is compared with, too.
5.  **How it is written** is laid out in `core.save`: check-and-set on every key, a check on the
    index key in every transaction, the index last. Keys that a save without an answer may yet
    write, late, are written anew by the next save, even if nothing has changed.

The other rules stand where they are kept. The first five are of no use without them:

6.  **Size and number of buckets**: arithmetic, in `core.sync_info`.
7.  **Two origins on one sync path** cannot undo each other's saves (rule 5), but hold each other
    up: there is no lock yet.
8.  **Every request has a total limit**, within what is left of the cycle: `origin.budget` and
    `servers.http`. A stuck server costs one cycle.
9.  **A clean stop takes 5 s at most**, whatever the servers do: `origin.demands`, `origin.engine`.
10. **No answer is older than the cycle**, at a standby too: `servers.freshness`.
11. **Deleted, or not yet**, is told by the server's clock: `core.insight`.

What the journal remembers for rule 4 (former commits, accessors, what vanished in the last hour,
what was allowed) is folded in `core.memory`.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping

import msgspec

from vsync_sm.core.events import Refusal
from vsync_sm.core.insight import Insight
from vsync_sm.core.machine import Reason
from vsync_sm.core.sync_info import Former, digest, mount_of

FEW = 10
"""Up to so many paths may fail, vanish or go backwards whatever share of the whole they are."""

ROW = 5
"""So many reads in a row that fail by the server's doing are the server's fault, not the paths'."""

ALLOWANCE_S = 3600.0
"""A yes is good for an hour, and so long does what vanished unasked count along."""


class Limits(msgspec.Struct, frozen=True):
    """What a human may tune, as fractions of 1, and the cycles after which carrying is told."""

    max_shrink: float = 0.2
    max_failed_paths: float = 0.1
    carry_warn_after: int = 10


# --- 1. May a save begin? --------------------------------------------------------------------


def obstacle(
    *, fatal: bool, stop: bool, operator: bool, deadline_passed: bool, fault: bool
) -> Reason | None:
    """Why the running cycle must not go on to a save, or None.

    Asked each time the loop decides, and once more right before `save_started`; never again
    after it. The arguments are flags and a comparison of monotonic times, so it does not matter
    in which order the messages came in.
    """
    if fatal:
        return Reason.fatal
    if stop:
        return Reason.signal
    if operator:
        return Reason.operator
    if deadline_passed:
        return Reason.timeout
    return Reason.fault if fault else None


def unaccounted(*, listed: int, ended: int, told: int, held: int) -> str:
    """What does not add up when the workers have ended; "": all does, nothing else may go on.

    Each listed path ends exactly once, and each insight is in the sync info to be. Whatever slip
    of vsync's own would lose a path, destinations would delete it.

    Args:
        listed: the paths that were listed.
        ended: those told to be generated, skipped or failed.
        told: the insights told, generated or carried forward.
        held: those in the sync info to be.
    """
    if ended != listed:
        return f"{listed} paths were listed, but {ended} have ended"
    if held != told:
        return f"{told} insights were told, but the sync info to be holds {held}"
    return ""


# --- 2. A failed list is not an empty list ---------------------------------------------------


def confirmed_gone(name: str, parent_again: Collection[str]) -> bool:
    """Whether a name that a list has just given, and that now answers "nothing here", is gone.

    Args:
        name: as the parent gave it (a folder ends in `/`).
        parent_again: the names that its parent gives now.
    """
    return name not in parent_again


# --- 3. One bad path does not vanish ---------------------------------------------------------


def too_many_failed(failed: int, listed: int, limits: Limits) -> bool:
    """Whether so many of the listed paths failed that the cycle must abort."""
    return _too_many(failed, listed, limits.max_failed_paths)


def failing_in_a_row(row: int) -> bool:
    """Whether `row` reads, one after the other, failing by the server's doing, abort the cycle."""
    return row >= ROW


# --- 4. Shrinking needs a yes ----------------------------------------------------------------


def too_many_vanish(vanished: int, former: int, limits: Limits) -> bool:
    """Whether so many of the former paths, all in all, must not vanish unasked."""
    return _too_many(vanished, former, limits.max_shrink)


class Proposal(msgspec.Struct, frozen=True):
    """What a cycle would save, and all that is known beside it.

    `insights` are the new ones, the carried ones among them; `failed` the paths that could not be
    read and had nothing to carry. `replaced` are the mounts whose accessor is another one than at
    the last save. `known` says that the journal knows of a sync info under this prefix, and
    `last_seen` the cycle in which it was there last (0: nobody knows).
    `recent` counts by mount what vanished unasked in the saves of the last hour. `allowed` is
    what a human allowed, as `items` names it. `expected` counts by mount the insights of the last
    commit, or those that a human was shown with what was allowed; `expected_buckets` is its N.
    """

    mounts: tuple[str, ...]
    num_buckets: int
    former: Former
    insights: Mapping[str, Insight]
    failed: frozenset[str] = frozenset()
    replaced: frozenset[str] = frozenset()
    known: bool = False
    last_seen: int = 0
    recent: Mapping[str, int] = {}
    allowed: frozenset[str] = frozenset()
    expected: Mapping[str, int] = {}
    expected_buckets: int | None = None


class Verdict(msgspec.Struct, frozen=True):
    """What `judge` found. The save is refused when `refusals` is not empty.

    `vanished` and `regressed` are sorted paths; `unasked` counts by mount the vanished ones that
    nobody allowed, `insights` all that would be saved; `allowance` is the id that would allow what
    is refused ("": nothing is).
    """

    vanished: tuple[str, ...]
    regressed: tuple[str, ...]
    unasked: Mapping[str, int]
    insights: Mapping[str, int]
    refusals: tuple[Refusal, ...]
    allowance: str


def judge(proposal: Proposal, limits: Limits) -> Verdict:
    """Compare what Consul holds with what the cycle found, and refuse what must not be saved."""
    former = proposal.former.insights
    vanished = tuple(sorted(former.keys() - proposal.insights.keys()))
    regressed = tuple(
        sorted(
            path
            for path, insight in proposal.insights.items()
            if path in former and insight.older_than(former[path])
        )
    )
    refusals = _refusals(proposal, vanished, regressed, limits)
    if refusals:
        # A new yes takes the place of the one in force: it must be told, and cover, all of it.
        nothing_allowed = msgspec.structs.replace(proposal, allowed=frozenset())
        refusals = _refusals(nothing_allowed, vanished, regressed, limits)
    return Verdict(
        vanished=vanished,
        regressed=regressed,
        unasked=_by_mount(_unallowed("vanished", vanished, proposal), proposal.mounts),
        insights=_by_mount(proposal.insights, proposal.mounts),
        refusals=refusals,
        allowance=allowance_id(items(vanished, regressed, proposal.failed, refusals))
        if refusals
        else "",
    )


def _refusals(
    proposal: Proposal, vanished: Iterable[str], regressed: Iterable[str], limits: Limits
) -> tuple[Refusal, ...]:
    unasked = _unallowed("vanished", vanished, proposal)
    backwards = _unallowed("regressed", regressed, proposal)
    return (
        *_replaced_mounts(proposal, unasked),
        *_shares("shrink", proposal, unasked, proposal.recent, limits),
        *_shares("backwards", proposal, backwards, {}, limits),
        *_sync_info(proposal),
        *_lost(proposal, limits),
        *_first_save(proposal),
    )


def _unallowed(what: str, things: Iterable[str], proposal: Proposal) -> tuple[str, ...]:
    return tuple(thing for thing in things if f"{what} {thing}" not in proposal.allowed)


def _too_many(count: int, of: int, share: float) -> bool:
    # Divided, not multiplied: 29 of 100 is 0.29 to the bit, but 0.29 * 100 is less than 29.
    return count > FEW and count / max(of, 1) > share


def _shares(
    rule: str,
    proposal: Proposal,
    paths: Collection[str],
    recent: Mapping[str, int],
    limits: Limits,
) -> Iterator[Refusal]:
    # `recent` makes many small steps count as the one large step that they are. A cycle that
    # takes no step is not refused for those of others.
    if not paths:
        return
    now = _by_mount(paths, proposal.mounts)
    there = _by_mount(proposal.former.insights, proposal.mounts)
    before = sum(recent.values())
    count, of = len(paths) + before, len(proposal.former.insights) + before
    if too_many_vanish(count, of, limits):
        yield Refusal(rule=rule, count=count, of=of, limit=limits.max_shrink)
    for mount in sorted(now):
        before = recent.get(mount, 0)
        count, of = now[mount] + before, there[mount] + before
        if _too_many(count, of, limits.max_shrink):
            yield Refusal(
                rule=f"{rule}_mount",
                mount=mount,
                count=count,
                of=of,
                limit=limits.max_shrink,
            )


def _replaced_mounts(proposal: Proposal, unasked: Iterable[str]) -> Iterator[Refusal]:
    # A mount that was disabled and made anew lists empty: one vanished path is enough to ask.
    vanished = _by_mount(unasked, proposal.mounts)
    there = _by_mount(proposal.former.insights, proposal.mounts)
    for mount in sorted(proposal.replaced & vanished.keys()):
        yield Refusal(rule="mount_replaced", mount=mount, count=vanished[mount], of=there[mount])


def _sync_info(proposal: Proposal) -> Iterator[Refusal]:
    former, allowed = proposal.former, proposal.allowed
    if former.absent and proposal.known:
        # A yes is for this loss alone: once something was saved, the next one is another.
        last = (f"last seen in cycle {proposal.last_seen}",) if proposal.last_seen else ()
        missing = Refusal(rule="missing_sync_info", items=last)
        if not items((), (), (), (missing,)) <= allowed:
            yield missing
    buckets = proposal.expected_buckets if former.digests is None else len(former.digests)
    if buckets is not None and buckets != proposal.num_buckets:
        change = f"{buckets} -> {proposal.num_buckets}"
        if f"num_buckets {change}" not in allowed:
            yield Refusal(rule="num_buckets", items=(change,))
    for rule, broken in (
        ("undecodable", former.undecodable),
        ("missing_bucket", tuple(map(str, former.missing))),
    ):
        unallowed = _unallowed(rule, broken, proposal)
        if unallowed:
            yield Refusal(rule=rule, count=len(unallowed), items=unallowed)


def _lost(proposal: Proposal, limits: Limits) -> Iterator[Refusal]:
    # A former sync info that is not whole cannot say what vanished: the last commit is asked.
    if _is_whole(proposal.former):
        return
    now = _by_mount(proposal.insights, proposal.mounts)
    lost = {
        mount: (max(0, count - now[mount]), count) for mount, count in proposal.expected.items()
    }
    total = sum(count for count, _ in lost.values()), sum(proposal.expected.values())
    for mount, (count, of) in (("", total), *sorted(lost.items())):
        item = f"{mount} {count} of {of}".lstrip()
        allowed = f"lost {item}" in proposal.allowed
        if not allowed and _too_many(count, of, limits.max_shrink):
            yield Refusal(
                rule="lost",
                mount=mount,
                count=count,
                of=of,
                limit=limits.max_shrink,
                items=(item,),
            )


def _first_save(proposal: Proposal) -> Iterator[Refusal]:
    # A failed path without a former insight was never saved, or so it seems: not when there is
    # nothing, or less than the index promises, to look it up in.
    failed = _unallowed("failed", proposal.failed, proposal)
    if failed and not _is_whole(proposal.former):
        of = len(proposal.insights) + len(proposal.failed)
        yield Refusal(rule="first_save_incomplete", count=len(failed), of=of)


def _is_whole(former: Former) -> bool:
    return former.digests is not None and all(
        number in former.buckets and digest(former.buckets[number]) == promised
        for number, promised in enumerate(former.digests)
    )


def _by_mount(paths: Iterable[str], mounts: tuple[str, ...]) -> Counter[str]:
    return Counter(mount_of(path, mounts) for path in paths)


# --- What a yes covers -----------------------------------------------------------------------


def items(
    vanished: Iterable[str],
    regressed: Iterable[str],
    failed: Iterable[str],
    refusals: Iterable[Refusal],
) -> frozenset[str]:
    """Everything that a refused cycle would have done, one line each: what a yes to it covers.

    A later cycle is held against it line by line: what a human allowed no longer counts, what is
    new is judged as ever.
    """
    rules = {refusal.rule for refusal in refusals}
    lines = [f"vanished {path}" for path in vanished]
    lines += [f"regressed {path}" for path in regressed]
    if "first_save_incomplete" in rules:
        lines += [f"failed {path}" for path in failed]
    lines += [refusal.rule for refusal in refusals if _is_bare(refusal)]
    lines += [f"{refusal.rule} {item}" for refusal in refusals for item in refusal.items]
    return frozenset(lines)


def _is_bare(refusal: Refusal) -> bool:
    # So it stands in journals that do not say in which cycle the sync info was seen last.
    return refusal.rule == "missing_sync_info" and not refusal.items


def allowance_id(refused: Iterable[str]) -> str:
    """The id of a refusal: 12 hex digits of SHA-256 over the sorted lines of `items`.

    Where a path holds a newline each line is told with its length, so that no other lines, put
    together, have this id too.
    """
    lines = sorted(refused)
    if any("\n" in line for line in lines):
        lines = [f"\0{len(line)}:{line}" for line in lines]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:12]
