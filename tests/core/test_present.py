"""Plain words: every event has its line, numbers read well, nothing steers a terminal."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.specimens import specimen
from vsync_sm.core import events as e
from vsync_sm.core.present import (
    clock,
    count,
    duration,
    listing,
    printable,
    refusal,
    rules,
    sentence,
    severity,
    share,
    size,
    summary,
    time_of_day,
)

NASTY = "a\x1b[2J\nb\x9b31m\u202e\u2028\x00\x7f"
ESCAPED = "a\\x1b[2J\\x0ab\\x9b31m\\u202e\\u2028\\x00\\x7f"

every_class = pytest.mark.parametrize("cls", e.EVENTS.values(), ids=list(e.EVENTS))


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (0.0004, "0 ms"),
        (0.004, "4 ms"),
        (0.01, "0.01 s"),
        (0.2, "0.20 s"),
        (0.84, "0.84 s"),
        (3.0, "3 s"),
        (9.994, "9.99 s"),
        (9.996, "10 s"),
        (12.34, "12.3 s"),
        (59.94, "59.9 s"),
        (59.96, "1 min"),
        (60, "1 min"),
        (90, "1 min 30 s"),
        (119.6, "2 min"),
        (3600, "1 h"),
        (3661, "1 h 1 min 1 s"),
        (7500, "2 h 5 min"),
        (86400 * 3 + 4 * 3600 + 59, "3 d 4 h"),
        (-1.5, "-1.50 s"),
        (float("inf"), "for ever"),
    ],
)
def test_durations(seconds: float, words: str) -> None:
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("n", "noun", "words"),
    [
        (0, "path", "0 paths"),
        (1, "path", "1 path"),
        (12345, "path", "12,345 paths"),
        (2, "retry", "2 retries"),
        (2, "key", "2 keys"),
        (2, "index", "2 indexes"),
        (2, "process", "2 processes"),
    ],
)
def test_counts(n: int, noun: str, words: str) -> None:
    assert count(n, noun) == words


def test_times() -> None:
    assert clock("2026-11-02T10:00:00.123456Z") == "2026-11-02 10:00:00 UTC"
    assert clock("2026-11-02T10:00:00+00:00") == "2026-11-02 10:00:00 UTC"
    assert time_of_day("2026-11-02T10:00:00.123956Z") == "10:00:00.123"
    assert time_of_day("2026-11-02T10:00:00Z") == "10:00:00.000"
    assert time_of_day("2026-11-02T10:00:00.5Z") == "10:00:00.500"
    assert clock("soon\x1b") == "soon\\x1b"


def test_sizes_shares_and_lists() -> None:
    assert size(5 * 2**29) == "2.5 GiB"
    assert [size(1), size(1023), size(12800), size(3 * 1024 * 1024)] == [
        "1 byte",
        "1,023 bytes",
        "12.5 KiB",
        "3.0 MiB",
    ]
    assert [share(0.2), share(0.005), share(1)] == ["20 %", "0.5 %", "100 %"]
    assert listing(["a", "b"]) == "a, b"
    assert listing(list("abcdefg"), most=3) == "a, b, c and 4 more"


def test_what_steers_a_terminal_is_escaped() -> None:
    assert printable(NASTY) == ESCAPED
    assert printable("half \ud83d, tag \U000e0041") == "half \\ud83d, tag \\U000e0041"
    assert printable("secret/data/ключ €") == "secret/data/ключ €"


@settings(deadline=None)
@given(st.text(st.characters()))
def test_what_is_printable_stays_so(text: str) -> None:
    shown = printable(text)
    assert printable(shown) == shown
    assert not any(unicodedata.category(each) in {"Cc", "Cs", "Zl", "Zp"} for each in shown)
    assert len(shown.splitlines()) <= 1


@every_class
def test_every_event_has_one_line(cls: type[e.Event]) -> None:
    said = sentence(specimen(cls))
    assert said
    assert said.splitlines() == [said]


@every_class
def test_no_event_steers_a_terminal(cls: type[e.Event]) -> None:
    said = sentence(specimen(cls, NASTY))
    assert said == printable(said)
    assert "\x1b" not in said


@every_class
def test_every_event_has_a_severity(cls: type[e.Event]) -> None:
    assert severity(specimen(cls)) in {"debug", "info", "warning", "error"}


def test_an_unknown_event_has_its_line_too() -> None:
    unknown = e.Unknown("moon\x1bphase", 2, {})
    expected = "something that this version does not know: moon\\x1bphase"
    assert sentence(unknown) == expected
    assert severity(unknown) == "warning"


def test_some_sentences() -> None:
    fault = e.FaultRaised(kind="sealed", fatal=True, message="Vault is sealed", hint="Unseal it.")
    assert sentence(fault) == "fatal fault: Vault is sealed → Unseal it."
    moved = e.Transitioned(trigger="abort", source="working", dest="aborted", reason="timeout")
    assert sentence(moved) == "working -> aborted (abort), because its deadline passed"
    record = e.Record(
        seq=1,
        ts="t",
        mono=0,
        run="r",
        cycle=12,
        event=e.CycleStarted(mounts=("a/",), workers=2, num_buckets=1, deadline_s=300.0),
    )
    expected = "cycle 12 begins: 1 mount, 2 workers, 1 bucket, at most 5 min"
    assert sentence(record) == expected


@pytest.mark.parametrize(
    ("event", "grave"),
    [
        (e.RunFinished(exit_code=0, why=""), "info"),
        (e.RunFinished(exit_code=1, why=""), "error"),
        (e.RunFinished(exit_code=3, why=""), "warning"),
        (e.RunFinished(exit_code=130, why=""), "warning"),
        (e.FaultRaised(kind="k", fatal=True, message="m"), "error"),
        (e.FaultRaised(kind="k", fatal=False, message="m"), "warning"),
        (e.CycleFinished(outcome="saved"), "info"),
        (e.CycleFinished(outcome="aborted", reason="timeout"), "warning"),
        (e.CycleFinished(outcome="aborted", reason="signal"), "info"),
        (e.Transitioned(trigger="tick", source="waiting", dest="listing"), "debug"),
        (e.Transitioned(trigger="abort", source="a", dest="b", reason="fault"), "warning"),
        (e.Transitioned(trigger="halt", source="a", dest="b", reason="fatal"), "error"),
        (e.Notified(kind="k", through="stderr", ok=False), "error"),
        (e.WorkerStopped(worker=1, paths=0, abandoned=True), "warning"),
        (e.WorkerStopped(worker=1, paths=0), "debug"),
    ],
)
def test_how_grave(event: e.Event, grave: str) -> None:
    assert severity(event) == grave


def test_the_summary_of_a_cycle() -> None:
    facts = e.CycleFinished(
        outcome="saved",
        listed=412,
        generated=412,
        added=3,
        updated=1,
        unchanged=408,
        vanished=1,
        requests=e.Requests(vault=415, consul=3),
        phases={"listing": 0.2, "working": 0.55, "reindexing": 0.03, "saving": 0.06},
    )
    assert summary(facts, cycle=12) == (
        "cycle 12 saved in 0.84 s: 412 paths listed, 3 added, 1 updated, 1 vanished; "
        "listing 0.20 s, working 0.55 s, reindexing 0.03 s, saving 0.06 s; "
        "requests: 415 to Vault, 3 to Consul"
    )
    assert summary(facts, seconds=90).startswith("the cycle saved in 1 min 30 s: ")


@pytest.mark.parametrize(
    ("outcome", "reason", "start"),
    [
        ("unchanged", "", "cycle 3 found nothing to save in 0 s: 0 paths listed"),
        ("refused", "refused", "cycle 3 was refused after 0 s: 0 paths listed"),
        (
            "aborted",
            "timeout",
            "cycle 3 was aborted after 0 s because its deadline passed: 0 paths listed",
        ),
    ],
)
def test_the_summary_says_what_became_of_it(outcome: str, reason: str, start: str) -> None:
    facts = e.CycleFinished(outcome=outcome, reason=reason)
    assert summary(facts, cycle=3).startswith(start)


def test_a_refusal_is_told_in_full() -> None:
    event = e.SaveRefused(
        refusals=(
            e.Refusal(rule="shrink", count=34, of=104, limit=0.2),
            e.Refusal(rule="shrink_mount", mount="secret/", count=30, of=60, limit=0.2),
        ),
        vanished={"secret/": 30},
        regressed={},
        sample=("secret/data/a", "secret/data/\x1b[2J"),
        allowance="3880de1ed1a3",
    )
    told = refusal(event, allow_command="vsync-sm --headless --allow 3880de1ed1a3")
    assert told == (
        "The save is refused. Consul was not touched; destinations keep what they have.\n"
        "  - 34 of 104 paths would vanish (limit: 10 paths or 20 %, whichever is more), "
        "4 of them in saves of the last hour\n"
        "  - 30 of 60 paths would vanish from secret/ "
        "(limit: 10 paths or 20 %, whichever is more)\n"
        "Would vanish, by mount: secret/ 30\n"
        "For example:\n"
        "  secret/data/a\n"
        "  secret/data/\\x1b[2J\n"
        "What to do:\n"
        "  - If it is not meant, restore it in Vault (or put the mount back into the "
        "configuration): the next cycle then saves by itself.\n"
        "  - If it is meant, allow it for the next save, within an hour (what goes beyond it\n"
        "    is judged as ever). Stop the daemon first, run this, and start it again:\n"
        "      vsync-sm --headless --allow 3880de1ed1a3"
    )
    for words in rules(event):  # whoever tells it tells the same numbers
        assert f"  - {words}\n" in told
        assert words in sentence(event)


@pytest.mark.parametrize(
    ("refused", "words"),
    [
        (
            e.Refusal(rule="mount_replaced", mount="secret/", count=1, of=1),
            (
                "secret/ was disabled and made anew since the last save, "
                "and 1 of 1 path would vanish from it"
            ),
        ),
        (
            e.Refusal(rule="backwards", count=30, of=100),
            "30 of 100 paths would go back to an older version",
        ),
        (
            e.Refusal(rule="backwards_mount", mount="ops/", count=30, of=100),
            "30 of 100 paths would go back to an older version in ops/",
        ),
        (
            e.Refusal(rule="num_buckets", items=("4 -> 8",)),
            "the number of buckets would change: 4 -> 8",
        ),
        (
            e.Refusal(rule="undecodable", count=2, items=("index", "3")),
            "what lies in Consul cannot be decoded: index, bucket 3",
        ),
        (
            e.Refusal(rule="missing_bucket", count=1, items=("3",)),
            "Consul lacks what its index names: bucket 3",
        ),
        (
            e.Refusal(rule="missing_sync_info"),
            "Consul holds no sync info, although this journal knows of one that was saved",
        ),
        (
            e.Refusal(rule="first_save_incomplete", count=2, of=10),
            (
                "2 of 10 paths could not be read, and Consul holds no whole sync info to carry "
                "them forward from"
            ),
        ),
        (
            e.Refusal(rule="of_tomorrow", mount="ops/", count=1, of=2, items=("x",)),
            "the rule of_tomorrow refuses 1 of 2 paths in ops/: x",
        ),
    ],
    ids=lambda each: each.rule if isinstance(each, e.Refusal) else "",
)
def test_every_rule_has_its_words_and_its_advice(refused: e.Refusal, words: str) -> None:
    event = e.SaveRefused(refusals=(refused,), vanished={}, regressed={}, sample=(), allowance="i")
    assert rules(event) == (words,)
    told = refusal(event, allow_command="do it")
    assert f"  - {words}\n" in told
    advice = told.partition("What to do:\n")[2].splitlines()
    assert len(advice) == (3 if refused.rule == "of_tomorrow" else 4)


def test_what_would_be_refused_cannot_be_allowed_yet() -> None:
    refused = e.Refusal(rule="missing_sync_info")
    event = e.SaveRefused(refusals=(refused,), vanished={}, regressed={}, sample=(), allowance="i")
    told = refusal(event, allow_command="", planned=True).splitlines()
    assert told[0] == "The save would be refused. Destinations would keep what they have."
    assert told[-1] == (
        "  - If it is meant, let a cycle be refused: it prints the command that allows it."
    )


def test_a_check_that_may_heal_is_a_warning() -> None:
    def failed(kind: str) -> e.CheckFailed:
        return e.CheckFailed(check="Vault server", kind=kind, message="m", hint="h")

    assert severity(failed("sealed")) == "warning"
    assert severity(failed("certificate")) == "error"


def test_what_is_waited_for_and_what_has_healed() -> None:
    told = {"kind": "sealed", "message": "Vault is sealed", "hint": "unseal it", "server": "Vault"}
    event = e.ChecksPostponed(tries=9, waited_s=180.0, delay_s=27.0, **told)
    assert sentence(event) == (
        "the start-up checks wait for Vault, 3 min so far: Vault is sealed → unseal it; "
        "the next try is in 27 s"
    )
    assert sentence(e.OriginHealed(cycles=0)) == "healed: a cycle is complete again"
    healed = e.OriginHealed(cycles=12, last_success="2026-11-02T10:00:00.000000Z")
    assert sentence(healed) == (
        "healed: a cycle is complete again, after 12 cycles in a row that were not "
        "(the last one was at 2026-11-02 10:00:00 UTC)"
    )
