"""Cycles made up for the tests of the safety rules: what lies there, and what was found."""

from __future__ import annotations

import msgspec

from tests.core.made import former, named
from vsync_sm.core.events import Refusal
from vsync_sm.core.insight import Insight
from vsync_sm.core.safety import Limits, Proposal, Verdict, allowance_id, items, judge
from vsync_sm.core.sync_info import Former

LIMITS = Limits()
MOUNTS = ("kv/team/", "ops/", "secret/")


def proposed(
    there: Former | dict[str, Insight], new: dict[str, Insight], **more: object
) -> Proposal:
    """A cycle that found `new` where `there` lies in Consul, in four buckets and three mounts."""
    found = there if isinstance(there, Former) else former(there)
    plain = Proposal(mounts=MOUNTS, num_buckets=4, former=found, insights=new)
    return msgspec.structs.replace(plain, **more)


def refused(proposal: Proposal, limits: Limits = LIMITS) -> tuple[Refusal, ...]:
    """What is refused of it."""
    return judge(proposal, limits).refusals


def yes(proposal: Proposal) -> frozenset[str]:
    """What a human says yes to who allows the refusal of this."""
    verdict = judge(proposal, LIMITS)
    assert verdict.refusals
    return covered(proposal, verdict)


def covered(proposal: Proposal, verdict: Verdict) -> frozenset[str]:
    """What the id of a refusal stands for."""
    lines = items(verdict.vanished, verdict.regressed, proposal.failed, verdict.refusals)
    assert allowance_id(lines) == verdict.allowance
    return lines


def shrunk(mount: str, before: int, gone: int) -> tuple[dict[str, Insight], dict[str, Insight]]:
    """A mount's insights before, and after so many have gone."""
    return named(mount, range(before)), named(mount, range(gone, before))


def over(rule: str, count: int, of: int, mount: str = "") -> Refusal:
    """More than the share that is the default."""
    return Refusal(rule=rule, mount=mount, count=count, of=of, limit=0.2)


def shrinking(count: int, of: int, mount: str = "secret/") -> tuple[Refusal, ...]:
    """The refusal where only this one mount is there."""
    return over("shrink", count, of), over("shrink_mount", count, of, mount)
