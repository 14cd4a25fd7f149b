""" "I changed it at 14:02: is it out?": a path through every turn that a journal may take."""

from __future__ import annotations

import json
from collections.abc import Iterable

import pytest

from tests.core.viewing import COMMITTED, Seen, moved, refused, save_started
from vsync_sm.core import events as e
from vsync_sm.core.insight import Insight
from vsync_sm.core.reach import Reach
from vsync_sm.core.sync_info import bucket_of
from vsync_sm.core.trails import near, resolve
from vsync_sm.core.whereabouts import Whereabouts, Word

A = "secret/data/app/db"
MOUNTS = ("secret/", "team/kv/")


def at(version: int) -> Insight:
    return Insight(version, f"2026-11-02T09:00:{version:02d}Z")


def read(version: int, change: str, path: str = A) -> e.InsightGenerated:
    return e.InsightGenerated(worker=1, path=path, insight=at(version), change=change)


DELETED = e.InsightSkipped(worker=1, path=A, why="deleted")
FAILED = e.PathFailed(worker=1, path=A, kind="forbidden", message="permission denied")
HALF = e.SaveFailed(kind="timeout", message="no answer", written=True)
UNWRITTEN = e.SaveFailed(kind="conflict", message="somebody was faster", written=False)
UNCERTAIN = e.SaveUncertain(message="no reply")


def vanished(version: int) -> e.InsightVanished:
    return e.InsightVanished(path=A, insight=at(version))


class Told(Seen):
    """A journal, and where a path is in it."""

    def __init__(self) -> None:
        super().__init__()
        self.start()

    def until_saving(self, *events: e.Event) -> None:
        """A cycle in which these are told, up to its save."""
        self.begin()
        split = [i for i, each in enumerate(events) if isinstance(each, e.InsightVanished)]
        cut = split[0] if split else len(events)
        self(*events[:cut], moved("worked", "working", "reindexing"), *events[cut:])

    def saved(self, *events: e.Event) -> None:
        """A cycle that saves."""
        self.until_saving(*events)
        self(moved("reindexed", "reindexing", "saving"), save_started(1), COMMITTED)
        self.finish("saved")

    def unchanged(self, *events: e.Event) -> None:
        """A cycle that has nothing to save."""
        self.until_saving(*events)
        self(moved("reindexed", "reindexing", "saving"), e.SaveSkipped(index="11" * 32))
        self.finish("unchanged")

    def tried(self, *events: e.Event, end: e.Event) -> None:
        """A cycle whose save ends so."""
        self.until_saving(*events)
        self(moved("reindexed", "reindexing", "saving"), save_started(1), end)
        self.finish("aborted", "fault")

    def refused(self, *events: e.Event) -> None:
        """A cycle whose save is refused."""
        self.until_saving(*events)
        self(refused(vanished=1))
        self.finish("refused", "refused")

    def aborted(self, *events: e.Event, reason: str = "timeout") -> None:
        """A cycle that is aborted while it works."""
        self.begin()
        self(*events)
        self.finish("aborted", reason)

    def where(self, given: str = "secret/app/db") -> Whereabouts:
        where = Whereabouts(given)
        for record in self.records:
            where.note(record)
        return where

    def said(self) -> tuple[Word, str]:
        verdict = self.where().verdict
        return verdict.word, verdict.because


def settled(told: Told, outcome: str, *, cycle: int, written: bool = True) -> e.SaveReconciled:
    return e.SaveReconciled(saved_run=told.run, saved_cycle=cycle, outcome=outcome, written=written)


# --- out -------------------------------------------------------------------------------------


def test_added_and_saved() -> None:
    told = Told()
    told.saved(read(1, "added"))
    word, because = told.said()
    assert word is Word.OUT
    assert because == "Consul holds version 1, saved by cycle 1 at 2026-11-02 10:00:12 UTC"


def test_updated_and_saved() -> None:
    told = Told()
    told.saved(read(1, "added"))
    told.saved(read(2, "updated"))
    word, because = told.said()
    assert word is Word.OUT
    assert "version 2, saved by cycle 2" in because


def test_unchanged_since_it_was_saved() -> None:
    told = Told()
    told.saved(read(1, "added"))
    told.unchanged(read(1, "unchanged"))
    told.saved(read(1, "unchanged"))
    assert told.said()[0] is Word.OUT
    assert "saved by cycle 1" in told.said()[1], "the cycle that put it there"


def test_it_lay_there_before_the_journal_begins() -> None:
    told = Told()
    told.unchanged(read(3, "unchanged"))
    word, because = told.said()
    assert word is Word.OUT
    assert because.startswith("Consul holds version 3, there already when cycle 1 looked at ")


def test_unchanged_in_a_running_cycle_is_out_already() -> None:
    told = Told()
    told.begin()
    told(read(3, "unchanged"))
    assert told.said()[0] is Word.OUT


# --- gone ------------------------------------------------------------------------------------


def test_deleted_and_removed() -> None:
    told = Told()
    told.saved(read(1, "added"))
    told.saved(DELETED, vanished(1))
    word, because = told.said()
    assert word is Word.REMOVED
    assert because.startswith(
        "it is gone from Vault (its current version is deleted), and Consul does not hold it, "
        "since cycle 2 was saved at "
    )


def test_no_longer_listed_and_removed() -> None:
    told = Told()
    told.saved(read(1, "added"))
    told.saved(vanished(1))
    told.unchanged()
    word, because = told.said()
    assert word is Word.REMOVED
    assert because.startswith("it is gone from Vault, and Consul does not hold it, since cycle 2")
    last = told.where().trails[0].last
    assert last is not None
    assert last.cycle == 1, "seen in Vault for the last time"


def test_deleted_and_never_saved() -> None:
    told = Told()
    told.unchanged(DELETED)
    word, because = told.said()
    assert word is Word.REMOVED
    assert "Consul does not hold it, as cycle 1 found" in because


def test_being_removed() -> None:
    told = Told()
    told.saved(read(1, "added"))
    told.until_saving(DELETED, vanished(1))
    word, because = told.said()
    assert word is Word.NOT_YET
    assert because == (
        "it is gone from Vault (its current version is deleted), but Consul still holds it: "
        "cycle 2 goes on (reindexing)"
    )


def test_the_removal_was_refused() -> None:
    told = Told()
    told.saved(read(1, "added"))
    told.refused(vanished(1))
    verdict = told.where().verdict
    assert verdict.word is Word.REFUSED
    assert "but Consul still holds it: the save of cycle 2 was refused" in verdict.because
    assert verdict.todo.endswith("vsync-sm ctl allow a1b2c3d4e5f6")
    there = Reach("/srv/j.jsonl")
    command = "vsync-sm ctl allow a1b2c3d4e5f6 --journal /srv/j.jsonl"
    assert command in told.where().lines(reach=there)[1]
    assert told.where().document(reach=there)["todo"].endswith(command)


def test_it_comes_back() -> None:
    told = Told()
    told.saved(read(1, "added"))
    told.saved(vanished(1))
    told.saved(read(2, "added"))
    assert told.said()[0] is Word.OUT


# --- not yet ---------------------------------------------------------------------------------


def test_the_cycle_goes_on() -> None:
    told = Told()
    told.saved(read(1, "added"))
    told.begin()
    told(read(2, "updated"))
    verdict = told.where().verdict
    assert (verdict.word, verdict.todo) == (Word.NOT_YET, "Wait for its end.")
    assert verdict.because == (
        "version 2 was read, but is not in Consul yet: cycle 2 goes on (working)"
    )
    told(moved("worked", "working", "reindexing"), moved("reindexed", "reindexing", "saving"))
    told(save_started(1))
    assert told.said()[1].endswith("cycle 2 is saving it")


def test_a_cycle_that_has_not_come_to_it_yet() -> None:
    told = Told()
    told.saved(read(1, "added"))
    told.begin()
    where = told.where()
    assert where.verdict.word is Word.OUT
    assert "cycle      2 is working and has not come to it yet" in where.lines()


@pytest.mark.parametrize(
    ("reason", "why"),
    [
        ("timeout", "its deadline passed"),
        ("fault", "a fault came in"),
        ("operator", "an operator asked to stop"),
    ],
)
def test_the_cycle_was_aborted(reason: str, why: str) -> None:
    told = Told()
    told.saved(read(1, "added"))
    told.aborted(read(2, "updated"), reason=reason)
    word, because = told.said()
    assert word is Word.NOT_YET
    assert because.endswith(f"cycle 2 was aborted, because {why}")


def test_later_cycles_did_not_come_to_it() -> None:
    told = Told()
    told.aborted(read(2, "updated"))
    told.aborted()
    told.aborted()
    assert told.said()[1].endswith("2 later cycles did not come to it")
    told.aborted(read(2, "added"))
    assert "later" not in told.said()[1]


def test_the_save_was_refused() -> None:
    told = Told()
    told.saved(read(1, "added"))
    told.refused(read(2, "updated"))
    verdict = told.where().verdict
    assert verdict.word is Word.REFUSED
    assert verdict.because.endswith("the save of cycle 2 was refused")
    assert "a1b2c3d4e5f6" in verdict.todo
    told.saved(read(2, "updated"))
    assert told.said()[0] is Word.OUT


def test_the_save_failed() -> None:
    told = Told()
    told.saved(read(1, "added"))
    told.tried(read(2, "updated"), end=UNWRITTEN)
    assert told.said()[0] is Word.NOT_YET
    told.saved(read(2, "updated"))
    assert told.said()[0] is Word.OUT


def test_nobody_knows_how_the_save_ended() -> None:
    told = Told()
    told.saved(read(1, "added"))
    told.tried(read(2, "updated"), end=UNCERTAIN)
    word, because = told.said()
    assert word is Word.NOT_YET
    assert because.endswith("yet: nobody knows yet how the save of cycle 2 ended")
    told.begin()
    told(settled(told, "committed", cycle=2))
    word, because = told.said()
    assert word is Word.OUT
    assert "saved by cycle 2" in because


def test_a_save_settled_as_failed() -> None:
    told = Told()
    told.tried(read(2, "updated"), end=UNCERTAIN)
    told.begin()
    told(settled(told, "failed", cycle=1, written=False))
    told.finish("aborted", "fault")
    assert told.said()[0] is Word.NOT_YET
    told.unchanged(read(2, "unchanged"))
    assert told.said()[0] is Word.OUT


def test_a_crash_in_a_save() -> None:
    told = Told()
    told.until_saving(read(2, "updated"))
    told(moved("reindexed", "reindexing", "saving"), save_started(1))
    run = told.run
    told.start()
    assert told.said()[0] is Word.NOT_YET
    told.begin()
    told(e.SaveReconciled(saved_run=run, saved_cycle=1, outcome="committed"))
    assert told.said()[0] is Word.OUT


def test_a_crash_before_the_save() -> None:
    told = Told()
    told.begin()
    told(read(2, "added"))
    told.start()
    word, because = told.said()
    assert word is Word.NOT_YET
    assert because.endswith("vsync broke off in cycle 1")


def test_a_second_signal_breaks_off() -> None:
    told = Told()
    told.begin()
    told(read(2, "added"))
    told.cycle = None
    told(e.RunFinished(exit_code=130, why="a second signal (SIGINT)"))
    verdict = told.where().verdict
    assert verdict.because.endswith("vsync broke off in cycle 1")
    assert verdict.todo.startswith("The run has ended")


def test_a_bucket_without_its_index_is_not_out() -> None:
    told = Told()
    told.saved(read(1, "added"), read(1, "added", "secret/data/other"))
    other = read(1, "unchanged", "secret/data/other")
    told.tried(read(2, "updated"), other, end=HALF)
    told.aborted(read(2, "unchanged"), other)
    assert told.said()[0] is Word.NOT_YET, "its bucket lies there, and the index is the old one"
    assert told.where("secret/other").verdict.word is Word.OUT, "it lay there before"
    told.saved(read(2, "unchanged"))
    assert told.said()[0] is Word.OUT


def test_a_pause_is_told() -> None:
    told = Told()
    told.aborted(read(2, "added"))
    told(e.TickerPaused(by="ada", through="console"))
    assert "vsync is paused since 2026-11-02 10:00:12 UTC by ada" in told.where().verdict.todo
    told(e.TickerResumed(by="ada", through="console"))
    assert told.where().verdict.todo == "The next tick tries again."


# --- not read --------------------------------------------------------------------------------


def test_it_failed_and_is_carried_forward() -> None:
    told = Told()
    told.saved(read(1, "added"))
    carried = e.InsightCarriedForward(path=A, insight=at(1), cycles=3)
    told.unchanged(FAILED, carried)
    where = told.where()
    assert where.verdict.word is Word.NOT_READ
    assert where.verdict.because.startswith(
        "cycle 2 could not read it (permission denied); Consul holds version 1, saved by cycle 1"
    )
    assert "carried    it keeps the insight last saved, for 3 cycles in a row" in where.lines()
    told.unchanged(read(1, "unchanged"))
    where = told.where()
    assert where.verdict.word is Word.OUT
    assert not any(line.startswith("carried") for line in where.lines())


def test_it_failed_and_was_never_saved() -> None:
    told = Told()
    told.saved(FAILED)
    word, because = told.said()
    assert word is Word.NOT_READ
    assert because == "cycle 1 could not read it (permission denied); it is left out"


def test_the_insight_went_back() -> None:
    told = Told()
    told.begin()
    told(
        read(1, "updated"),
        e.InsightRegressed(path=A, former=at(5), insight=at(1)),
        refused(regressed=1),
    )
    where = told.where()
    assert where.verdict.word is Word.NOT_YET
    held = where.trails[0].held
    assert held is not None
    assert held.insight == at(5)


# --- which path ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "given",
    [
        "secret/app/db",
        "/secret/app/db",
        "secret/data/app/db",
        "secret/metadata/app/db",
        "v1/secret/app/db",
        "/v1/secret/data/app/db",
        "/v1/secret/metadata/app/db/",
    ],
)
def test_as_people_write_it(given: str) -> None:
    told = Told()
    told.saved(read(1, "added"))
    where = told.where(given)
    assert where.verdict.word is Word.OUT
    assert where.trails[0].path == A


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("team/kv/a/b", ["team/kv/data/a/b"]),
        ("secret/data/a", ["secret/data/data/a", "secret/data/a"]),
        ("secret/metadata/a", ["secret/data/metadata/a", "secret/data/a"]),
        ("secret/data", ["secret/data/data"]),
        ("secret/data/", ["secret/data/data"]),
        ("secret/dataset/a", ["secret/data/dataset/a"]),
        ("secret/", []),
        ("secret", []),
        ("secrets/a", []),
        ("v1/secret/a", ["secret/data/a"]),
        ("", []),
    ],
)
def test_what_may_be_meant(given: str, meant: list[str]) -> None:
    assert resolve(given, MOUNTS) == meant


def test_a_mount_that_is_called_v1() -> None:
    assert resolve("v1/secret/a", ("v1/", "secret/")) == ["v1/data/secret/a"]


def test_the_longest_mount_counts() -> None:
    assert resolve("a/b/c", ("a/", "a/b/")) == ["a/b/data/c"]


def test_two_paths_may_be_meant() -> None:
    told = Told()
    told.saved(read(1, "added"), read(1, "added", "secret/data/data/app/db"))
    verdict = told.where("secret/data/app/db").verdict
    assert verdict.word is Word.AMBIGUOUS
    assert verdict.because == "the journal knows secret/data/data/app/db and secret/data/app/db"
    assert told.where("secret/app/db").verdict.word is Word.OUT
    assert told.where("secret/data/data/app/db").trails[0].path == "secret/data/data/app/db"
    document = told.where("secret/data/app/db").document()
    assert document["meant"] == ["secret/data/data/app/db", "secret/data/app/db"]
    assert document["path"] is None


def test_nothing_is_known_of_it() -> None:
    told = Told()
    assert told.where().verdict.because == "no cycle has begun yet as far as the journal reaches"
    told.saved(read(1, "added"))
    where = told.where("secret/app/bd")
    assert where.verdict.word is Word.UNKNOWN
    assert where.verdict.because.startswith("the journal knows nothing of this path")
    where.near = near("secret/app/bd", where.mounts, [A, "secret/data/x"])
    assert where.verdict.todo.startswith(f"Did you mean {A}")
    other = told.where("nowhere/app/db")
    assert other.verdict.because == "it begins with none of the mounts secret/"
    mount = told.where("secret/")
    assert mount.verdict.because == "it is a mount, not a path in one"
    assert Whereabouts("a").verdict.because == "the journal is empty: nothing has happened yet"


def test_near_paths_hold_it_or_end_alike_and_are_few() -> None:
    paths = [f"secret/data/app/db{i}" for i in range(100)] + ["ops/data/app/db", A, "x/data/y"]
    assert near("app/db", MOUNTS, paths)[:2] == ("ops/data/app/db", A)
    assert len(near("app/db", MOUNTS, paths)) == 5
    assert near("wrong/app/db", MOUNTS, paths)[:2] == ("ops/data/app/db", A)
    assert near("zzz", MOUNTS, paths) == ()


def test_what_only_shares_the_mount_is_not_near() -> None:
    paths = ["secret/data/app/web/token", "secret/data/db", "team/kv/data/app/db/token", A]
    assert near("secret/app/dbs", MOUNTS, paths) == (A,)
    assert near("secret/data/app/bd", MOUNTS, paths) == (A,)
    assert near("secret/other/thing", MOUNTS, paths) == ()
    assert near("secret/app/db/token", MOUNTS, paths)[0] == "team/kv/data/app/db/token"


def test_only_so_much_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many paths there are, and however long: likeness is dear."""
    compared: list[str] = []

    def counted(_: str, paths: Iterable[str], *__: object) -> list[str]:
        compared.extend(paths)
        return compared[:1]

    monkeypatch.setattr("difflib.get_close_matches", counted)
    paths = [f"secret/data/{'x' * 2_000}{i}" for i in range(1_000)] + ["secret/data/" + "y" * 2_000]
    assert near("secret/" + "y" * 1_999, MOUNTS, paths) == ("secret/data/" + "y" * 2_000,)
    assert 1 < len(compared) < 10


# --- what is said ----------------------------------------------------------------------------


def test_all_lines() -> None:
    told = Told()
    told.saved(read(1, "added"))
    told.unchanged(read(1, "unchanged"))
    looked = "2026-11-02 10:00:20 UTC"
    saved = "holds version 1, saved by cycle 1 at 2026-11-02 10:00:12 UTC"
    was = f"version 1 of {at(1).updateTime} (kvV2), unchanged"
    first = "first in cycle 1, 2026-11-02 10:00:08 UTC (1 min 17 s ago)"
    assert told.where().lines(told.now(after=60)) == [
        f"{A}: OUT, Consul {saved}",
        f"last look  cycle 2, {looked} (1 min 5 s ago): {was}",
        f"           a change in Vault after {looked} has not been looked at yet",
        f"Consul     {saved}; it was updated {at(1).updateTime}",
        f"bucket     {bucket_of(A, 4)} (of 4, from 0)",
        f"seen       {first}; last in cycle 2, {looked} (1 min 5 s ago)",
        "journal    tells from 2026-11-02 10:00:01 UTC to 2026-11-02 10:00:25 UTC (1 min ago)",
    ]


def test_the_last_read_is_told_beside_a_look_that_gave_none() -> None:
    told = Told()
    told.saved(read(1, "added"))
    told.unchanged(FAILED)
    lines = told.where().lines()
    assert any(line.startswith("last look  cycle 2, ") for line in lines)
    assert any(line.startswith("last read  cycle 1, ") for line in lines)


def test_lines_steer_no_terminal() -> None:
    told = Told()
    path = "secret/data/\x1b[2J\n"
    told.saved(read(1, "added", path))
    lines = told.where("secret/\x1b[2J\n").lines()
    assert not any({"\x1b", "\n"} & set(line) for line in lines)


def test_the_document() -> None:
    told = Told()
    told.saved(read(1, "added"))
    document = told.where().document(told.now(after=60))
    assert json.loads(json.dumps(document)) == document
    assert (document["path"], document["word"], document["out"]) == (A, "out", True)
    assert document["read"] == {
        "how": "read",
        "at": "2026-11-02T10:00:08.000000Z",
        "age_s": 66.0,
        "cycle": 1,
        "change": "added",
        "why": None,
        "version": 1,
        "update_time": "2026-11-02T09:00:01Z",
        "type": "kvV2",
    }
    assert document["consul"]["there"] is True
    assert (document["consul"]["how"], document["consul"]["cycle"]) == ("saved", 1)
    assert document["first_seen"] == {"at": "2026-11-02T10:00:08.000000Z", "cycle": 1}
    assert (document["bucket"], document["num_buckets"]) == (bucket_of(A, 4), 4)
    told.aborted(read(2, "updated"))
    document = told.where().document()
    assert (document["word"], document["out"]) == ("not_yet", False)
    assert document["read"]["age_s"] is None
