"""The flat family of faults: what becomes of each kind, and that nothing is told twice."""

from __future__ import annotations

from collections import Counter

import pytest

from vsync_sm.core.errors import Fault, FaultKind, JournalError

FATAL = {
    "configuration",
    "check_failed",
    "authentication",
    "mount_forbidden",
    "consul_forbidden",
    "journal",
    "invariant",
    "too_many_threads",
}
HEALS = {"sealed", "standby", "conflict", "deadline"}
RETRIED = {"unreachable", "timeout", "server_error", "rate_limited"}


def test_which_kinds_end_the_run_and_which_are_tried_again() -> None:
    assert {kind.word for kind in FaultKind if kind.fatal} == FATAL
    assert {kind.word for kind in FaultKind if kind.retry} == RETRIED
    assert {kind.word for kind in FaultKind if kind.heals} == HEALS | RETRIED


def test_each_kind_is_one_word_and_no_alias() -> None:
    # An enum makes an alias of a second member with the same value, without a word.
    assert set(FaultKind.__members__) == {kind.name for kind in FaultKind}
    assert Counter(kind.word for kind in FaultKind).most_common(1)[0][1] == 1
    assert all(kind.word == kind.name.lower() for kind in FaultKind)


@pytest.mark.parametrize("kind", FaultKind, ids=lambda kind: kind.word)
def test_what_becomes_of_a_fault_is_decided_by_its_kind(kind: FaultKind) -> None:
    fault = Fault(kind, "it broke", hint="mend it", context={"path": "secret/data/a"})
    assert (fault.fatal, fault.retry, fault.heals) == (kind.fatal, kind.retry, kind.heals)
    assert not (fault.fatal and fault.heals)
    assert not (fault.fatal and fault.retry)
    assert (str(fault), fault.message, fault.hint) == ("it broke", "it broke", "mend it")
    assert repr(fault) == f"Fault({kind.word}: it broke)"


def test_the_context_is_the_faults_own() -> None:
    context = {"path": "secret/data/a"}
    fault = Fault(FaultKind.TIMEOUT, "no answer", context=context)
    context["path"] = "another"
    assert fault.context == {"path": "secret/data/a"}
    with pytest.raises(TypeError):
        fault.context["path"] = "another"  # type: ignore[index]  # it is read-only: that is tested
    assert Fault(FaultKind.TIMEOUT, "no answer").context == {}


def test_a_journal_error_says_where() -> None:
    error = JournalError("seq 7 after 5", line=12, byte=3456)
    assert str(error) == "line 12, byte 3456: seq 7 after 5"
    assert (error.message, error.line, error.byte) == ("seq 7 after 5", 12, 3456)
