"""The answer on top: each word when it holds, which goes before which, and what it says to do."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from tests.core.viewing import Seen, generated, moved, refused, run_started
from vsync_sm.core import events as e
from vsync_sm.core.answer import (
    MEANING,
    STUCK_AFTER,
    Health,
    Now,
    Word,
    age,
    answer,
    next_tick_in,
    next_try_in,
    now_at,
    seconds_since,
)
from vsync_sm.core.reach import Reach
from vsync_sm.core.view import View

PAUSE = e.TickerPaused(by="ada", through="console", why="maintenance")
LIMIT = 2 * 60.0 + 300.0


def started() -> Seen:
    seen = Seen()
    seen.start()
    return seen


def healthy() -> Seen:
    """A run whose first cycle has just saved."""
    seen = started()
    seen.save(1)
    return seen


def refuse(seen: Seen, allowance: str = "a1b2c3d4e5f6") -> None:
    seen.begin()
    seen(refused(allowance, vanished=30, regressed=2))
    seen.finish("refused", "refused")


def halt(seen: Seen, reason: str, code: int, why: str) -> None:
    seen(moved("halt", "waiting", "halted", reason), e.RunFinished(exit_code=code, why=why))


# --- each word -------------------------------------------------------------------------------


def test_nothing_has_happened_yet() -> None:
    told = answer(View(), now_at(View(), 7))
    assert (told.word, told.because) == (Word.BEHIND, "no cycle was complete yet")
    assert (told.complete_s, told.save_s, told.failed_in_row) == (None, None, 0)


def test_the_first_cycle_goes_on() -> None:
    seen = started()
    seen.begin()
    told = seen.answer()
    assert (told.word, told.health) == (Word.BEHIND, Health.failing)
    assert told.todo == "Wait for the first one to end."


def test_in_sync() -> None:
    seen = healthy()
    told = seen.answer(after=10)
    assert (told.word, told.health, told.todo) == (Word.IN_SYNC, Health.healthy, "")
    assert told.because == "Consul holds what Vault held at the last look"
    assert (told.complete_s, told.save_s) == (11.0, 12.0)


def test_an_unchanged_cycle_is_complete_and_no_save() -> None:
    seen = healthy()
    seen.begin()
    seen.finish("unchanged")
    told = seen.answer()
    assert told.word == Word.IN_SYNC
    assert told.complete_s == 1.0
    assert told.save_s is not None
    assert told.save_s > told.complete_s


@pytest.mark.parametrize(("after", "word"), [(0, Word.IN_SYNC), (0.001, Word.BEHIND)])
def test_two_ticks_and_the_timeout(after: float, word: Word) -> None:
    seen = healthy()
    finished = 1  # second ago
    told = seen.answer(after=LIMIT - finished + after)
    assert told.word == word
    if word == Word.BEHIND:
        assert told.because == ("no complete cycle for 7 min (two ticks and the timeout are 7 min)")
        assert "ctl sync" in told.todo


def test_behind_says_what_went_wrong() -> None:
    seen = healthy()
    seen.fail("Vault is sealed", "Unseal it.")
    told = seen.answer(after=LIMIT)
    assert told.word == Word.BEHIND
    assert told.because.endswith(": Vault is sealed")
    assert told.todo == "Unseal it."


def test_one_failure_is_still_in_sync_and_is_told() -> None:
    seen = healthy()
    seen.fail("Vault is sealed", "Unseal it.")
    told = seen.answer()
    assert (told.word, told.health) == (Word.IN_SYNC, Health.healthy)
    assert told.because == "but 1 cycle failed since: Vault is sealed"
    assert told.todo == "Unseal it."


@pytest.mark.parametrize(
    ("failures", "word"), [(STUCK_AFTER - 1, Word.IN_SYNC), (STUCK_AFTER, Word.STUCK)]
)
def test_exactly_three_failures_are_stuck(failures: int, word: Word) -> None:
    seen = healthy()
    for i in range(failures):
        seen.fail(f"fault {i}", "Mend it.")
    told = seen.answer()
    assert told.word == word
    assert told.failed_in_row == failures
    if word == Word.STUCK:
        assert told.because == "3 cycles in a row failed: fault 2"
        assert (told.todo, told.health) == ("Mend it.", Health.failing)


def test_a_complete_cycle_ends_it() -> None:
    seen = started()
    for _ in range(STUCK_AFTER):
        seen.fail()
    assert seen.answer().word == Word.STUCK
    seen.save(1)
    assert seen.answer().word == Word.IN_SYNC


def test_who_is_asked_to_stop_has_not_failed() -> None:
    seen = healthy()
    for _ in range(STUCK_AFTER):
        seen.begin()
        seen.finish("aborted", "operator")
    assert seen.answer().word == Word.IN_SYNC


def test_refused() -> None:
    seen = healthy()
    refuse(seen)
    told = seen.answer()
    assert (told.word, told.health) == (Word.REFUSED, Health.refused)
    assert told.because == (
        "30 paths would vanish and 2 paths would go back; destinations keep what they have"
    )
    assert told.todo.endswith("vsync-sm ctl allow a1b2c3d4e5f6")


def test_refused_for_a_rule_that_counts_no_paths() -> None:
    seen = healthy()
    seen.begin()
    seen(refused())
    assert seen.answer().because.startswith("shrink;")


NO_INDEX = "Consul holds no sync info, although this journal knows of one that was saved"


@pytest.mark.parametrize(
    ("rules", "because", "todo"),
    [
        (
            [e.Refusal(rule="num_buckets", items=("4 -> 6",))],
            "the number of buckets would change: 4 -> 6",
            "Set numBuckets back",
        ),
        (
            [e.Refusal(rule="missing_sync_info")],
            NO_INDEX,
            "See who deleted it, and whether this is the right Consul and sync path",
        ),
        (
            [e.Refusal(rule="missing_bucket", count=1, items=("2",))],
            "Consul lacks what its index names: bucket 2",
            "See who else writes to this sync path",
        ),
        (
            [
                e.Refusal(rule="lost", count=30, of=40),
                e.Refusal(rule="lost", mount="secret/", count=30, of=40),
                e.Refusal(rule="undecodable", count=1, items=("0",)),
            ],
            (
                "30 of 40 paths that were saved last are not there any more, and what lies in "
                "Consul is not whole and what lies in Consul cannot be decoded: bucket 0"
            ),
            "Restore it in Vault and see who else writes to this sync path",
        ),
        (
            [e.Refusal(rule="first_save_incomplete", count=1, of=40)],
            (
                "1 of 40 paths could not be read, and Consul holds no whole sync info "
                "to carry them forward from"
            ),
            "Mend what keeps paths from being read",
        ),
        ([e.Refusal(rule="eclipse")], "the rule eclipse refuses 0 of 0 paths", "See the refusal"),
    ],
)
def test_what_is_refused_and_what_helps_is_told_for_each_rule(
    rules: list[e.Refusal], because: str, todo: str
) -> None:
    seen = healthy()
    seen.begin()
    seen(replace(refused(), refusals=tuple(rules)))
    told = seen.answer()
    assert told.because == f"{because}; destinations keep what they have"
    assert told.todo == f"{todo}, or allow it: vsync-sm ctl allow a1b2c3d4e5f6"


def test_what_vanishes_is_told_beside_another_rule() -> None:
    seen = healthy()
    seen.begin()
    shrink = e.Refusal(rule="shrink", count=30, of=40)
    more = e.Refusal(rule="num_buckets", items=("4 -> 6",))
    seen(replace(refused(vanished=30), refusals=(shrink, more)))
    told = seen.answer()
    assert told.because.startswith("30 paths would vanish and the number of buckets would change")
    assert told.todo.startswith("Restore it in Vault and set numBuckets back, or allow it: ")
    seen(replace(refused(vanished=30), refusals=(shrink,), unchosen={"secret/": 30}))
    assert seen.answer().todo.startswith("Put the configuration (origin.paths) back, or allow")


@pytest.mark.parametrize(("allowance", "is_it"), [("a1b2c3d4e5f6", True), ("other", False)])
def test_refused_then_allowed(allowance: str, is_it: bool) -> None:
    seen = healthy()
    refuse(seen)
    seen(e.AllowanceGranted(allowance=allowance, by="ada", through="console"))
    told = seen.answer()
    assert told.word == Word.REFUSED
    assert ("it is allowed" in told.because) == is_it
    assert (told.todo == "The next cycle saves it.") == is_it


def test_a_refusal_is_over_with_a_save() -> None:
    seen = healthy()
    refuse(seen)
    seen.save(1)
    assert seen.answer().word == Word.IN_SYNC


def test_paused() -> None:
    seen = healthy()
    seen(PAUSE)
    told = seen.answer(after=59)
    assert (told.word, told.health) == (Word.PAUSED, Health.healthy)
    assert told.because == "for 59 s, by ada: maintenance"
    assert told.todo.endswith("vsync-sm ctl resume")


def test_paused_without_a_why() -> None:
    seen = healthy()
    seen(e.TickerPaused(by="ada", through="console"))
    assert seen.answer(after=2).because == "for 2 s, by ada"


# --- halted ----------------------------------------------------------------------------------


def test_halted_as_asked() -> None:
    seen = healthy()
    halt(seen, "signal", 0, "asked to stop by SIGTERM")
    told = seen.answer()
    assert (told.word, told.health) == (Word.HALTED, Health.failing)
    assert told.because == "asked to stop by SIGTERM"
    assert "vsync-sm --headless" in told.todo


FATAL = e.FaultRaised(kind="authentication", fatal=True, message="it is dead", hint="New token.")


def test_halted_by_a_fatal_fault_says_its_hint() -> None:
    seen = healthy()
    other = e.FaultRaised(kind="sealed", fatal=False, message="m", hint="Not this one.")
    seen(FATAL, other)
    halt(seen, "fatal", 1, "a fatal fault: it is dead")
    told = seen.answer()
    assert (told.because, told.todo) == ("a fatal fault: it is dead", "New token.")


def test_about_to_end_for_a_fatal_fault() -> None:
    seen = healthy()
    seen(FATAL, moved("halt", "waiting", "halted", "fatal"))
    told = seen.answer()
    assert (told.word, told.because, told.todo) == (
        Word.HALTED,
        "it is about to end",
        "New token.",
    )


def test_a_fatal_fault_of_long_ago_is_not_blamed() -> None:
    seen = started()
    seen(FATAL)
    halt(seen, "fatal", 1, "a fatal fault: it is dead")
    seen.start()
    halt(seen, "signal", 130, "a second signal (SIGINT)")
    assert seen.answer().todo.startswith("Start it again")


def test_once_refused_says_how_to_allow_it() -> None:
    seen = Seen()
    seen.start(once=True)
    refuse(seen)
    halt(seen, "once", 3, "the one cycle was refused")
    assert seen.answer().todo.endswith("vsync-sm --headless --allow a1b2c3d4e5f6")


def test_once_aborted_says_to_look_at_the_faults() -> None:
    seen = Seen()
    seen.start(once=True)
    seen.fail()
    halt(seen, "once", 3, "the one cycle was aborted")
    assert seen.answer().todo == "See its last faults, then start it again."


# --- which goes before which -----------------------------------------------------------------


def test_the_gravest_that_holds_is_the_answer() -> None:
    seen = started()
    words = [seen.answer(after=LIMIT).word]
    for _ in range(STUCK_AFTER):
        seen.fail()
    words.append(seen.answer(after=LIMIT).word)
    refuse(seen)
    words.append(seen.answer(after=LIMIT).word)
    seen(PAUSE)
    words.append(seen.answer(after=LIMIT).word)
    halt(seen, "signal", 0, "asked")
    words.append(seen.answer(after=LIMIT).word)
    assert words == [Word.BEHIND, Word.STUCK, Word.REFUSED, Word.PAUSED, Word.HALTED]


def test_each_word_has_its_health_and_meaning() -> None:
    assert set(MEANING) == set(Word)


# --- why -------------------------------------------------------------------------------------


def test_a_deadline_is_told_as_one() -> None:
    seen = started()
    seen.fail("an old fault")
    for _ in range(STUCK_AFTER):
        seen.begin()
        seen.finish("aborted", "timeout")
    told = seen.answer()
    assert told.because == "4 cycles in a row failed: its deadline passed"
    assert "origin.timeout" in told.todo


def test_a_crash_before_is_told_as_one() -> None:
    seen = healthy()
    for number in range(2, 2 + STUCK_AFTER):
        seen.begin()
        crashed = seen.run
        seen.start()
        seen(e.RunRecovered(crashed_run=crashed, state="working", open_cycle=number))
    told = seen.answer()
    assert (told.word, told.because) == (
        Word.STUCK,
        "3 cycles in a row failed: vsync itself broke off",
    )
    seen.fail("Vault is sealed")
    assert seen.answer().because == "4 cycles in a row failed: Vault is sealed"


def test_a_crash_outside_a_cycle_is_not_blamed() -> None:
    seen = healthy()
    seen.fail("Vault is sealed")
    crashed = seen.run
    seen.start()
    seen(e.RunRecovered(crashed_run=crashed, state="waiting"))
    assert seen.answer().because.endswith(": Vault is sealed")


def test_a_fault_before_the_last_complete_cycle_is_not_blamed() -> None:
    seen = started()
    seen.fail("long ago")
    seen.save(1)
    for _ in range(STUCK_AFTER):
        seen.begin()
        seen.finish("aborted", "fault")
    told = seen.answer()
    assert told.because == "3 cycles in a row failed"
    assert told.todo


def test_an_alarm_is_not_the_cause() -> None:
    seen = started()
    for _ in range(STUCK_AFTER):
        seen.fail("Vault is sealed")
    seen(e.FaultRaised(kind="keeps_failing", fatal=False, message="3 cycles in a row failed"))
    assert seen.answer().because == "3 cycles in a row failed: Vault is sealed"


def test_the_checks_are_waited_for() -> None:
    seen = Seen()
    seen(run_started())
    assert seen.answer().because.endswith("the start-up checks go on")
    seen(
        e.ServerConditionChanged(server="Consul", condition="answering"),
        e.ServerConditionChanged(server="Vault", condition="sealed", message="Vault is sealed"),
    )
    told = seen.answer()
    assert told.word == Word.BEHIND
    assert told.because.endswith("the start-up checks wait for Vault: Vault is sealed")
    assert told.todo == "See to Vault; the checks go on by themselves."


def postponed(**more: Any) -> e.ChecksPostponed:
    told = {"tries": 3, "waited_s": 90.0, "delay_s": 12.0, "kind": "sealed", "server": "Vault"}
    return e.ChecksPostponed(**{**told, "message": "Vault is sealed", "hint": "unseal it", **more})


def test_what_the_checks_wait_for_since_when_and_until_when() -> None:
    seen = Seen()
    seen(run_started(), after=100)
    seen(postponed(), after=95)
    told = seen.answer(after=2)
    assert (told.word, told.health) == (Word.BEHIND, Health.failing)
    assert told.because == (
        "no cycle was complete yet; the start-up checks have waited for Vault for 1 min 32 s: "
        "Vault is sealed; the next try is in 10 s"
    )
    assert told.todo == ("Unseal it. It is tried again by itself, or at once: vsync-sm ctl sync")
    assert next_try_in(seen.view, seen.now(after=2)) == 10.0
    assert seen.answer(after=13).because.endswith("Vault is sealed; it is being tried")
    seen(moved("checks_passed", "checking", "waiting"))
    assert seen.view.postponed is None
    assert next_try_in(seen.view, seen.now()) is None


def test_a_run_of_one_cycle_cannot_be_asked() -> None:
    seen = Seen()
    seen(run_started(once=True))
    seen(postponed(server="", hint=""), after=100)
    told = seen.answer()
    assert "have waited for 1 min 30 s: " in told.because
    assert told.todo == "See to it. It is tried again by itself"


def test_who_waits_in_a_run_does_not_in_the_next() -> None:
    seen = Seen()
    seen(run_started(), postponed(), run_started())
    assert seen.view.postponed is None


def test_a_server_in_trouble_is_told_while_still_in_sync() -> None:
    seen = healthy()
    down = "Consul cannot be reached"
    seen(e.ServerConditionChanged(server="Consul", condition="unreachable", message=down))
    told = seen.answer()
    assert (told.word, told.health) == (Word.IN_SYNC, Health.healthy)
    assert told.because == f"Consul holds what Vault held at the last look, but {down}"
    assert told.todo.startswith("See to Consul")


def test_a_cycle_that_stands_still_is_told() -> None:
    seen = healthy()
    seen.begin()
    seen(e.WorkersObserved(busy=()), after=16)
    told = seen.answer()
    assert told.word == Word.IN_SYNC
    assert told.because.endswith(", but no path finished for 17 s")
    assert told.todo.startswith("See whether Vault answers")
    assert seen.answer(after=6).because.endswith(", but the origin has written nothing for 6 s")


def test_a_cycle_that_is_given_up_is_told() -> None:
    seen = healthy()
    seen.begin()
    seen(moved("abort", "working", "aborted", "timeout"))
    assert seen.answer().because.endswith(", but cycle 2 is given up: its deadline passed")


def test_what_to_do_names_the_journal_or_a_key() -> None:
    seen = healthy()
    refuse(seen)
    for reach, words in (
        (Reach("/j"), "vsync-sm ctl allow a1b2c3d4e5f6 --journal /j"),
        (Reach("/j", keys={"allow": "A"}), "press A"),
    ):
        assert answer(seen.view, seen.now(), reach).todo.endswith(f"allow it: {words}")


# --- moments ---------------------------------------------------------------------------------


def test_ages_are_never_negative() -> None:
    seen = healthy()
    assert age(seen.records[-1].ts, Now(0, 0)) == 0.0
    assert age("", Now(10, 10)) is None
    assert seconds_since(5, Now(0, 3)) == 0.0


def test_now_of_a_journal_is_its_last_record_or_later() -> None:
    seen = healthy()
    last = now_at(seen.view)
    assert now_at(seen.view, 5) == last, "a clock set back"
    later = now_at(seen.view, last.wall + 7)
    assert (later.wall - last.wall, later.mono - last.mono) == (7, 7)


def test_the_next_tick() -> None:
    seen = started()
    seen.save(1)
    left = next_tick_in(seen.view, seen.now())
    assert left is not None
    assert 0 < left < 60
    assert next_tick_in(seen.view, seen.now(after=120)) == 0.0
    seen(PAUSE)
    assert next_tick_in(seen.view, seen.now()) is None


def test_no_tick_while_checking_or_once_or_over() -> None:
    assert next_tick_in(View(), now_at(View(), 1)) is None
    seen = started()
    checking = Seen()
    checking(run_started())
    assert next_tick_in(checking.view, checking.now()) is None
    assert next_tick_in(seen.view, seen.now()) == 0.0, "the first one is due"
    halt(seen, "signal", 0, "asked")
    assert next_tick_in(seen.view, seen.now()) is None
    once = Seen()
    once.start(once=True)
    assert next_tick_in(once.view, once.now()) is None


def test_a_change_is_no_failure() -> None:
    seen = healthy()
    seen.begin()
    seen(generated("secret/data/a"))
    assert seen.answer().word == Word.IN_SYNC
