"""What is known of a server: told when it changes, and only of what is the server's own."""

from __future__ import annotations

import pytest

from vsync_sm.core import events as e
from vsync_sm.core.errors import FaultKind
from vsync_sm.origin.conditions import Conditions

MESSAGE = "it took too long"


def fault(kind: FaultKind, server: str) -> e.FaultRaised:
    """A fault whose context names a server."""
    context = {"server": server} if server else {}
    return e.FaultRaised(kind=kind.word, fatal=kind.fatal, message=MESSAGE, context=context)


def path_failed(kind: FaultKind, server: str) -> e.PathFailed:
    """One path could not be read."""
    return e.PathFailed(worker=1, path="kv/data/a", kind=kind.word, message=MESSAGE, server=server)


def retry(kind: FaultKind, server: str) -> e.RetryScheduled:
    """A request is tried again."""
    return e.RetryScheduled(
        what="read kv/data/a",
        attempt=1,
        delay_s=0.1,
        kind=kind.word,
        message=MESSAGE,
        server=server,
    )


def check_failed(kind: FaultKind, server: str) -> e.CheckFailed:
    """A start-up check failed."""
    return e.CheckFailed(check="x", kind=kind.word, message=MESSAGE, hint="", server=server)


ANSWERS = {
    "Vault": (
        e.CheckPassed(check="Vault token", detail="accepted", server="Vault"),
        e.MountChecked(mount="kv/", version="2", accessor="kv_1"),
    ),
    "Consul": (
        e.CheckPassed(check="Consul sync path", detail="", server="Consul"),
        e.SyncInfoRead(prefix="vsync/origin/", insights=0, buckets=0, index=""),
        e.SaveCommitted(index="", keys=1),
    ),
}


@pytest.mark.parametrize("make", [fault, path_failed, retry, check_failed])
def test_trouble_and_its_end_are_told_once_each(make: object) -> None:
    assert callable(make)
    conditions = Conditions()
    trouble = make(FaultKind.TIMEOUT, "Vault")
    told = e.ServerConditionChanged(server="Vault", condition="timeout", message=MESSAGE)
    assert [conditions.after(each) for each in (trouble, trouble)] == [told, None]
    other = make(FaultKind.SEALED, "Vault")
    assert conditions.after(other) == e.ServerConditionChanged(
        server="Vault", condition="sealed", message=MESSAGE
    )
    assert conditions.after(ANSWERS["Consul"][0]) is not None  # the other server is another matter
    good = ANSWERS["Vault"][1]
    assert [conditions.after(each) for each in (good, good)] == [
        e.ServerConditionChanged(server="Vault", condition="answering"),
        None,
    ]


@pytest.mark.parametrize(
    ("server", "event"), [(server, event) for server in ANSWERS for event in ANSWERS[server]]
)
def test_the_first_answer_is_told_too(server: str, event: e.Event) -> None:
    told = e.ServerConditionChanged(server=server, condition="answering")
    assert Conditions().after(event) == told


@pytest.mark.parametrize(
    "event",
    [
        *(
            make(kind, "Vault")
            for make in (path_failed, retry, fault)
            for kind in (FaultKind.FORBIDDEN, FaultKind.NOT_FOUND, FaultKind.MOUNT_FORBIDDEN)
        ),
        fault(FaultKind.CONFLICT, "Consul"),
        fault(FaultKind.TOO_LARGE, "Consul"),
        fault(FaultKind.CHECK_FAILED, "Vault"),
        fault(FaultKind.TIMEOUT, ""),
        e.CheckPassed(check="x", detail=""),
        e.SaveSkipped(index=""),
        e.PathsListed(paths=1, mounts={}),
    ],
)
def test_what_is_no_servers_condition_tells_of_none(event: e.Event) -> None:
    assert Conditions().after(event) is None
