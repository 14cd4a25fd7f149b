"""What a yes to a refused save would do, and what a human types to say it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from vsync_sm.core.events import Refusal, SaveRefused
from vsync_sm.core.words import count, printable

KINDS = {
    "vanished": "would vanish",
    "regressed": "would go back to an older version",
    "failed": "could not be read, and would be missing",
    "missing_sync_info": "no sync info lies in Consul",
    "num_buckets": "the number of buckets would change",
    "undecodable": "cannot be decoded in Consul",
    "missing_bucket": "is missing in Consul",
    "lost": "was saved last, and is not there any more",
}
"""The first word of a refused line (`vanished secret/data/a`), in words; in order of gravity."""


def consequences(event: SaveRefused) -> tuple[str, ...]:
    """What every destination does once it is allowed, a sentence each, gravest first."""
    return tuple(printable(each) for each in _consequences(event))


def _consequences(event: SaveRefused) -> Iterator[str]:
    rules = {each.rule: each for each in event.refusals}
    vanished, regressed = sum(event.vanished.values()), sum(event.regressed.values())
    if vanished:
        yield f"{count(vanished, 'path')} would leave the index: every destination deletes these."
    if "missing_sync_info" in rules:
        yield "It is saved as if for the first time: what is not in it, destinations delete."
    if "lost" in rules:
        yield "What was lost and is not in Vault now, every destination deletes; no list names it."
    if "first_save_incomplete" in rules:
        failed = count(rules["first_save_incomplete"].count, "path")
        yield f"{failed} that could not be read would be missing: destinations delete these."
    if "num_buckets" in rules:
        change = ", ".join(rules["num_buckets"].items)
        yield f"numBuckets changes ({change}): a destination with another number halts."
    if regressed:
        yield (
            f"{count(regressed, 'path')} would go back: destinations keep their newer versions "
            "until Vault has passed them."
        )
    if rules.keys() & {"undecodable", "missing_bucket"}:
        yield "The damaged buckets are written anew; until then destinations halt on them."


def to_type(event: SaveRefused) -> str:
    """What a human types to allow it: the mount with most at stake, or the id where none is."""
    at_stake = Counter(event.vanished) + Counter(event.regressed) or _by_rules(event.refusals)
    mounts = sorted((-n, mount) for mount, n in at_stake.items() if mount)
    return printable(mounts[0][1] if mounts else event.allowance)


def _by_rules(refusals: tuple[Refusal, ...]) -> Counter[str]:
    return Counter({each.mount: each.count for each in refusals if each.mount})
