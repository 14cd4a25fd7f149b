"""In which condition each server was last seen: pure, fed with every fact that tells of one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from vsync_sm.core import events as e
from vsync_sm.core.errors import FaultKind

VAULT, CONSUL = "Vault", "Consul"
ANSWERING = "answering"

_TELLING = frozenset(
    kind.word
    for kind in (
        FaultKind.AUTHENTICATION,
        FaultKind.CONSUL_FORBIDDEN,
        FaultKind.NOT_VAULT,
        FaultKind.NOT_CONSUL,
        FaultKind.SURPLUS_REPLY,
        FaultKind.REDIRECTED,
        FaultKind.CERTIFICATE,
        FaultKind.BAD_REQUEST,
        FaultKind.SEALED,
        FaultKind.STANDBY,
        FaultKind.UNREACHABLE,
        FaultKind.TIMEOUT,
        FaultKind.SERVER_ERROR,
        FaultKind.RATE_LIMITED,
    )
)
"""The faults that are a server's own. Of any other (one path is forbidden or gone, a
check-and-set was refused, a value is too large) the server gave a sound answer."""


class Conditions:
    """What each server was last seen as; at first nothing is known of either."""

    def __init__(self) -> None:
        self._last: dict[str, str] = {}

    def told_with(self, events: Iterable[e.Event]) -> Iterator[e.Event]:
        """The facts, and behind each one that tells of a change the change."""
        for event in events:
            yield event
            changed = self.after(event) if type(event) in _TOLD else None
            if changed is not None:
                yield changed

    def after(self, event: e.Event) -> e.ServerConditionChanged | None:
        """The change that a fact tells of, None when it tells of none."""
        told = _TOLD.get(type(event))
        if told is None:
            return None
        now = told(event)
        if not now.server or self._last.get(now.server) == now.condition:
            return None
        self._last[now.server] = now.condition
        return now


def _answers(server: str) -> e.ServerConditionChanged:
    return e.ServerConditionChanged(server=server, condition=ANSWERING)


def _trouble(server: str, event: e.Event) -> e.ServerConditionChanged:
    kind, message = getattr(event, "kind", ""), getattr(event, "message", "")
    return e.ServerConditionChanged(
        server=server if kind in _TELLING else "", condition=kind, message=message
    )


def _failed(event: e.CheckFailed | e.PathFailed | e.RetryScheduled) -> e.ServerConditionChanged:
    return _trouble(event.server, event)


_TOLD: dict[type[e.Event], Callable[[Any], e.ServerConditionChanged]] = {
    e.CheckPassed: lambda event: _answers(event.server),
    e.CheckFailed: _failed,
    e.TokenRenewed: lambda event: _answers(VAULT if event.lease_s is not None else ""),
    e.MountChecked: lambda _: _answers(VAULT),
    e.SyncInfoRead: lambda _: _answers(CONSUL),
    e.SaveCommitted: lambda _: _answers(CONSUL),
    e.PathFailed: _failed,
    e.RetryScheduled: _failed,
    e.FaultRaised: lambda event: _trouble(event.context.get("server", ""), event),
}
