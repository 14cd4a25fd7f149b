"""A refused save, told so that a human knows what would happen and what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from vsync_sm.core.events import Refusal, SaveRefused
from vsync_sm.core.safety import FEW
from vsync_sm.core.words import count, counts, number, printable, share

_SHRINK = frozenset(("shrink", "shrink_mount", "mount_replaced", "lost"))
_BACKWARDS = frozenset(("backwards", "backwards_mount"))
_BROKEN = frozenset(("undecodable", "missing_bucket"))


def rules(event: SaveRefused) -> tuple[str, ...]:
    """Each rule that refuses, in words with its numbers and its limit.

    What left in saves of the last hour counts along, so it is told apart: without it the number
    would contradict how many paths this save would remove.
    """
    return tuple(
        printable(f"{_rule(each)}{_recent(each, event.vanished)}{_unchosen(each, event.unchosen)}")
        for each in event.refusals
    )


def _rule(refusal: Refusal) -> str:
    words = _RULES.get(refusal.rule, _unknown)
    either = f"{count(FEW, 'path')} or {share(refusal.limit)}, whichever is more"
    limit = f" (limit: {either})" if refusal.limit else ""
    return f"{words(refusal)}{limit}"


def _of(refusal: Refusal) -> str:
    return f"{number(refusal.count)} of {count(refusal.of, 'path')}"


def _buckets(refusal: Refusal) -> str:
    return ", ".join(f"bucket {item}" if item.isdigit() else item for item in refusal.items)


def _unknown(refusal: Refusal) -> str:
    at = f" in {refusal.mount}" if refusal.mount else ""
    items = f": {', '.join(refusal.items)}" if refusal.items else ""
    return f"the rule {refusal.rule} refuses {_of(refusal)}{at}{items}"


_RULES: dict[str, Callable[[Refusal], str]] = {
    "shrink": lambda r: f"{_of(r)} would vanish",
    "shrink_mount": lambda r: f"{_of(r)} would vanish from {r.mount}",
    "mount_replaced": lambda r: (
        f"{r.mount} was disabled and made anew since the last save, "
        f"and {_of(r)} would vanish from it"
    ),
    "backwards": lambda r: f"{_of(r)} would go back to an older version",
    "backwards_mount": lambda r: f"{_of(r)} would go back to an older version in {r.mount}",
    "num_buckets": lambda r: f"the number of buckets would change: {', '.join(r.items)}",
    "undecodable": lambda r: f"what lies in Consul cannot be decoded: {_buckets(r)}",
    "missing_bucket": lambda r: f"Consul lacks what its index names: {_buckets(r)}",
    "lost": lambda r: (
        f"{_of(r)} that were saved last are not there any more"
        f"{f' in {r.mount}' if r.mount else ''}, and what lies in Consul is not whole"
    ),
    "missing_sync_info": lambda _: (
        "Consul holds no sync info, although this journal knows of one that was saved"
    ),
    "first_save_incomplete": lambda r: (
        f"{_of(r)} could not be read, and Consul holds no whole sync info to carry them "
        "forward from"
    ),
}


def gist(event: SaveRefused) -> str:
    """What a refused save would have done, or what is in its way, in few words."""
    leaving, older = sum(event.vanished.values()), sum(event.regressed.values())
    said = [f"{count(leaving, 'path')} would vanish"] if leaving else []
    said += [f"{count(older, 'path')} would go back"] if older else []
    told = _SHRINK - {"lost"} | _BACKWARDS  # by their numbers
    others = {each.rule: each for each in reversed(event.refusals) if each.rule not in told}
    said += [_RULES.get(each.rule, _unknown)(each) for each in reversed(others.values())]
    bare = ", ".join(dict.fromkeys(each.rule for each in event.refusals))
    return printable(" and ".join(said) or bare)


def remedy(event: SaveRefused) -> str:
    """What to do where a refused save is not meant: words that ", or allow it" may follow."""
    names = {each.rule for each in event.refusals}
    unchosen, vanished = sum(event.unchosen.values()), sum(event.vanished.values())
    steps = ["put the configuration (origin.paths) back"] if unchosen else []
    if names & (_SHRINK | _BACKWARDS) and not 0 < unchosen == vanished:
        steps.append("restore it in Vault")
    if "num_buckets" in names:
        steps.append("set numBuckets back")
    if "missing_sync_info" in names:
        steps.append("see who deleted it, and whether this is the right Consul and sync path")
    if names & _BROKEN:
        steps.append("see who else writes to this sync path")
    if "first_save_incomplete" in names:
        steps.append("mend what keeps paths from being read")
    said = " and ".join(steps) or "see the refusal"
    return f"{said[0].upper()}{said[1:]}"


def refusal(
    event: SaveRefused, *, allow_command: str, planned: bool = False, live: bool = False
) -> str:
    """The block that a person reads: which rules, what would happen, what to do.

    Args:
        event: the refusal.
        allow_command: the exact command that allows it, ready to paste; "" where none can yet,
            because only what a run was refused can be allowed.
        planned: no cycle was refused, one would be.
        live: the origin hears that command while it runs.
    """
    lines = _block(event, allow_command, planned=planned, live=live)
    return "\n".join(printable(line) for line in lines)


def _block(event: SaveRefused, allow_command: str, *, planned: bool, live: bool) -> Iterator[str]:
    if planned:
        yield "The save would be refused. Destinations would keep what they have."
    else:
        yield "The save is refused. Consul was not touched; destinations keep what they have."
    yield from (f"  - {each}" for each in rules(event))
    if event.vanished:
        yield f"Would vanish, by mount: {counts(event.vanished)}"
    if event.regressed:
        yield f"Would go back, by mount: {counts(event.regressed)}"
    if event.sample:
        of = sum(event.vanished.values()) + sum(event.regressed.values())
        yield "For example:" if of > len(event.sample) else "These are:"
        yield from (f"  {path}" for path in event.sample)
    yield "What to do:"
    yield from (f"  - {advice}" for advice in _advice(event))
    yield from _allowing(allow_command, live=live)


def _allowing(command: str, *, live: bool) -> Iterator[str]:
    if not command:
        yield "  - If it is meant, let a cycle be refused: it prints the command that allows it."
        return
    yield "  - If it is meant, allow it for the next save, within an hour (what goes beyond it"
    if live:
        yield "    is judged as ever). It shows all that would happen, and asks:"
    else:
        yield "    is judged as ever). Stop the daemon first, run this, and start it again:"
    yield f"      {command}"


def _recent(refusal: Refusal, vanished: Mapping[str, int]) -> str:
    # What left unasked within the last hour counts along, though this save does not remove it.
    if refusal.rule not in {"shrink", "shrink_mount"}:
        return ""
    now = vanished.get(refusal.mount, 0) if refusal.mount else sum(vanished.values())
    before = refusal.count - now
    return f", {number(before)} of them in saves of the last hour" if before > 0 else ""


def _unchosen(refusal: Refusal, unchosen: Mapping[str, int]) -> str:
    # Vault was not asked about these: whoever looks for them there looks in the wrong place.
    if refusal.rule not in {"shrink", "shrink_mount", "mount_replaced"}:
        return ""
    n = unchosen.get(refusal.mount, 0) if refusal.mount else sum(unchosen.values())
    left_out = "the configuration leaves out now: has origin.paths (or origin.mounts) changed?"
    return f", {number(n)} of which {left_out}" if n else ""


def _advice(event: SaveRefused) -> Iterator[str]:
    names = {each.rule for each in event.refusals}
    unchosen, vanished = sum(event.unchosen.values()), sum(event.vanished.values())
    if unchosen:
        yield (
            "If the configuration was not meant to leave these out, put origin.paths (or "
            "origin.mounts) back, and start it again: the next cycle then saves by itself."
        )
    if names & _SHRINK and not 0 < unchosen == vanished:
        yield (
            "If it is not meant, restore it in Vault (or put the mount back into the "
            "configuration): the next cycle then saves by itself."
        )
    if names & _BACKWARDS:
        yield (
            "Versions going back mean a restored snapshot: destinations keep their newer ones "
            "until Vault has passed them."
        )
    if "num_buckets" in names:
        yield (
            "numBuckets must change at every destination together with the origin: "
            "a destination with another number halts. If it is not meant, set it back."
        )
    if names & _BROKEN:
        yield "Look who else writes to this sync path. Allowing it writes the buckets anew."
    if "missing_sync_info" in names:
        yield (
            "Look who deleted it, and whether this is the right Consul, datacentre and sync path. "
            "Allowing it saves as if for the first time."
        )
    if "first_save_incomplete" in names:
        yield "Mend what keeps these paths from being read: the next cycle then saves by itself."
