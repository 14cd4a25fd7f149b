"""A folder's metadata in one request: the same result as a read a path, by fewer requests."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from tests.misbehave import Answer
from tests.origin.bench import LEAST, Bench
from tests.origin.test_cycle import AWKWARD
from tests.support import unique
from tests.workshop import Run, Workshop, events
from vsync_sm.core import events as e
from vsync_sm.origin import detailed
from vsync_sm.origin.detailed import STRIKES, DetailedLists
from vsync_sm.servers import handle
from vsync_sm.servers.vault import Health

AUTO = {"detailedMetadata": "auto"}
FOLDER = tuple(f"n/{number:02}" for number in range(15))


def lists(bench: Bench) -> list[str]:
    """The detailed lists that were asked for, by folder, in order."""
    start = f"/v1/{bench.mount}detailed-metadata/"
    found = [path for method, path in bench.vault.requests if method == "LIST"]
    return [path.removeprefix(start).split("?")[0] for path in found if path.startswith(start)]


def reads(bench: Bench) -> list[str]:
    """The secrets whose metadata was read by itself, sorted."""
    start = f"/v1/{bench.mount}metadata/"
    return sorted(
        path.removeprefix(start)
        for method, path in bench.vault.requests
        if method == "GET" and path.startswith(start)
    )


def ends(run: Run) -> dict[str, tuple[Any, ...]]:
    """How each path ended, by path: all that an end tells but who brought it about."""
    found: dict[str, tuple[Any, ...]] = {}
    for event in run.all(e.InsightGenerated):
        found[event.path] = (event.type, event.insight, event.change)
    for skipped in run.all(e.InsightSkipped):
        found[skipped.path] = (skipped.type, skipped.why)
    for failed in run.all(e.PathFailed):
        found[failed.path] = (failed.type, failed.kind, failed.message)
    return found


def saved_without_reads(bench: Bench) -> Run:
    """A save for which nothing below n/ was read by itself."""
    bench.fill()
    run = bench.saved(vault=AUTO)
    assert lists(bench) == ["n/"]
    assert reads(bench) == ["a", "b", "c/d", "c/e", "f/g/h"]
    return run


# --- the same in both ways ---------------------------------------------------------------------


def odd_tree(bench: Bench) -> None:
    """Awkward names in one folder, with each way in which a secret can be something else."""
    api, mount = bench.api, bench.mount
    for name in AWKWARD:
        if "/data/" not in name:  # the bench takes it for a request that asks for data
            bench.fill([f"f/{name}"])
    bench.fill(["f/two", "f/two", "f/hid", "f/shut/a", "f/shut/b", "f/shut/c", "few/hid", "few/x"])
    bench.fill(["f/deleted", "f/destroyed", "f/hid deleted"])
    api.delete(mount, "f/deleted")
    api.delete(mount, "f/hid deleted")
    api.destroy(mount, "f/destroyed", 1)
    api.set_metadata(mount, "f/no version", custom_metadata={"a": "b"})
    api.set_metadata(mount, "f/later", delete_version_after="1h")
    bench.fill(["f/later"])


def rules(bench: Bench, *, denies: bool) -> str:
    """A policy that may list in detail, with or without denies on single secrets."""
    allowed = f"""
        path "{bench.mount}metadata/*" {{ capabilities = ["read", "list"] }}
        path "{bench.mount}detailed-metadata/*" {{ capabilities = ["list"] }}
    """
    names = ("f/hid", "f/hid deleted", "f/shut/*", "few/hid") if denies else ()
    return allowed + "".join(
        f'path "{bench.mount}metadata/{name}" {{ capabilities = [{how}] }}\n'
        for name in names
        for how in ('"list"' if name.endswith("*") else '"deny"',)
    )


@pytest.mark.parametrize("denies", [False, True], ids=["may read all", "with denies"])
def test_both_ways_have_the_same_result(bench: Bench, tmp_path: Path, *, denies: bool) -> None:
    odd_tree(bench)
    vault = {"token": bench.api.make_token(rules(bench, denies=denies)), "requiredCapabilities": {
        "data": [], "metadata": ["read", "list"],
    }}  # fmt: skip
    (tmp_path / "other").mkdir()
    other = Workshop(
        bench.api, bench.shop.consul, [bench.mount], f"{unique('vsync')}/", tmp_path / "other"
    )
    try:
        for step in range(3):
            one = other.once(vault=vault)
            asked = len(reads(bench))
            run = bench.once(vault={**vault, **AUTO})
            assert ends(run) == ends(one)
            assert (run.code, run.outcome) == (one.code, one.outcome)
            # Only what a policy hides, and what is alone with it in its folder, is read by itself.
            assert len(reads(bench)) - asked <= (11 if denies else 6) < len(ends(run)) / 2
            if step == 0 and denies:
                refused, same = run.one(e.SaveRefused), one.one(e.SaveRefused)
                assert refused.allowance == same.allowance
                for shop in (bench.shop, other):
                    told = shop.once(
                        vault={**vault, **(AUTO if shop is bench.shop else {})},
                        allow=refused.allowance,
                    )
                    assert told.outcome == "saved"
            assert bench.shop.saved() == other.saved()
            assert bench.raw() == {
                key.replace(other.prefix, bench.shop.prefix): value
                for key, value in other.raw().items()
            }
            hidden = {path for path in bench.shop.saved() if "hid" in path or "/shut/" in path}
            assert bool(hidden) is not denies
            bench.fill([f"f/new {step}", "f/two"])
    finally:
        bench.shop.consul.delete_tree(other.prefix)


def test_a_folder_is_one_request_and_each_path_ends_by_itself(bench: Bench) -> None:
    run = saved_without_reads(bench)
    assert len(run.all(e.InsightGenerated)) == 20
    told = {event.folder: (event.detailed, event.lists) for event in run.all(e.FolderListed)}
    assert told == {"": (0, 0), "c/": (0, 0), "f/": (0, 0), "f/g/": (0, 0), "n/": (15, 1)}
    assert run.one(e.PathsListed).detailed == 15
    # Catching up, two looks at the mount, five lists and a detailed one, one question about the
    # capabilities on 15 new paths, and five reads.
    assert run.one(e.CycleFinished).requests.vault == 1 + 2 + 5 + 1 + 1 + 5
    again = bench.once(vault=AUTO)
    assert again.outcome == "unchanged"
    assert again.one(e.CycleFinished).requests.vault == 1 + 2 + 5 + 1 + 5


def test_large_folders_come_in_pages(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detailed, "PAGE", 6)
    bench.fill([*FOLDER, "n/03/x", "n/05/y"])
    # A secret that comes between two pages pushes another out of its own: that one is read.
    second = bench.vault.when(method="LIST", path=".*detailed-metadata/n/.*after=", times=1)
    second.call(lambda: bench.fill(["n/04a"]))
    run = bench.once(vault=AUTO)
    assert run.outcome == "saved"
    assert lists(bench) == ["n/", "n/", "n/"]
    assert run.one(e.PathsListed).paths == 17
    assert reads(bench) == ["n/03/x", "n/05/y", "n/09"]
    bench.saved(vault=AUTO)


def test_what_is_not_chosen_is_not_asked_for(bench: Bench) -> None:
    bench.fill([*FOLDER, "out/a", "out/b", "out/c"])
    few = {"mount": bench.mount, "include": ["n/01", "n/02", "n/03"]}
    run = bench.once(mounts=[], paths=[few], vault=AUTO)
    assert run.outcome == "saved"
    assert lists(bench) == []  # three of fifteen: reading them is less for Vault
    most = {"mount": bench.mount, "include": ["n/**"], "exclude": ["n/01", "n/02"]}
    run = bench.once(mounts=[], paths=[most], vault=AUTO)
    assert run.outcome == "saved"
    assert lists(bench) == ["n/"]
    assert run.one(e.PathsListed).detailed == 13
    assert {*bench.shop.saved()} == {bench.path(name) for name in FOLDER} - {
        *map(bench.path, ("n/01", "n/02"))
    }


def test_deleted_or_not_yet_goes_by_the_date_of_the_list(bench: Bench) -> None:
    bench.fill()
    bench.api.set_metadata(bench.mount, "n/00", delete_version_after="1h")
    bench.fill(["n/00"])
    run = bench.once(vault=AUTO)
    assert not run.all(e.InsightSkipped)
    date = formatdate(4_000_000_000, usegmt=True)
    on = bench.vault.when(method="LIST", path=".*detailed-metadata/n/")
    on.alter(lambda answer: replace(answer, headers={**answer.headers, "Date": date}))
    (skipped,) = bench.once(vault=AUTO).all(e.InsightSkipped)
    assert (skipped.path, skipped.why) == (bench.path("n/00"), "deleted")


# --- where it cannot be had ----------------------------------------------------------------------


def changed(change: Callable[[dict[str, Any]], object]) -> Callable[[Answer], Answer]:
    """An answer with something done to its `data`."""

    def alter(answer: Answer) -> Answer:
        body = json.loads(answer.body)
        change(body["data"])
        return replace(answer, body=json.dumps(body).encode())

    return alter


FALLS_BACK: dict[str, tuple[Callable[[Any], object], str]] = {
    "403": (lambda on: on.answer(403, {"errors": ["denied"]}), "forbidden"),
    "404": (lambda on: on.answer(404, {"errors": []}), "not_found"),
    "no such path": (lambda on: on.answer(404, {"errors": ["unsupported"]}), "mount_changed"),
    "405": (lambda on: on.answer(405, {"errors": ["no"]}), "bad_request"),
    "500": (lambda on: on.answer(500, {"errors": ["audit"]}), "server_error"),
    "html": (lambda on: on.html(200), "not_vault"),
    "cut": (lambda on: on.answer(200, '{"data": {"keys": ["00"], "key_i'), "not_vault"),
    "no key_info": (lambda on: on.alter(changed(lambda d: d.pop("key_info"))), "not_vault"),
    "no Date": (lambda on: on.without("Date"), "not_vault"),
    "closed": (lambda on: on.drop_before(), "unreachable"),
    "too large": (lambda on: on.answer(200, b"x" * 200_001), "too_large"),
    "drip": (lambda on: on.drip(0.05, "body"), "timeout"),
}


@pytest.mark.parametrize("how", FALLS_BACK)
def test_a_folder_that_cannot_be_listed_so_is_read_path_by_path(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(handle, "MAX_BODY", 200_000)
    misbehave, kind = FALLS_BACK[how]
    bench.fill([*FOLDER, "m/1", "m/2", "m/3"])
    misbehave(bench.vault.when(method="LIST", path=".*detailed-metadata/n/"))
    run = bench.saved(vault=AUTO, requestTimeout="1s" if how == "drip" else "10s")
    assert reads(bench) == [*FOLDER]  # m/ is not concerned
    failed = run.one(e.DetailedListFailed)
    assert (failed.folder, failed.kind, failed.over) == ("n/", kind, False)
    # What may be over in a moment is tried twice, the rest once.
    again = [retry.kind for retry in run.all(e.RetryScheduled)]
    assert again == ([kind] if kind in {"server_error", "unreachable"} else [])
    if how != "closed":  # libcurl itself sends a list again whose kept connection was closed
        assert Counter(lists(bench)) == {"m/": 1, "n/": 1 + len(again)}
    assert run.one(e.PathsListed).detailed == 3
    assert not run.faults


def test_an_entry_that_is_missing_or_spoilt_is_read_by_itself(bench: Bench) -> None:
    bench.fill()

    def spoil(data: dict[str, Any]) -> None:
        del data["key_info"]["03"]
        data["key_info"]["04"] = {}
        data["keys"].remove("05")

    bench.vault.when(method="LIST", path=".*detailed-metadata/n/").alter(changed(spoil))
    run = bench.saved(vault=AUTO)
    assert [name for name in reads(bench) if name.startswith("n/")] == ["n/03", "n/04", "n/05"]
    assert run.one(e.PathsListed).detailed == 12


def test_a_name_that_only_the_detailed_list_gives_is_none(bench: Bench) -> None:
    bench.fill(FOLDER)
    rule = bench.on_list("n/")
    rule.alter(changed(lambda data: data["keys"].remove("07")))
    run = bench.once(vault=AUTO)
    assert run.outcome == "saved"
    assert bench.path("n/07") not in bench.shop.saved()
    rule.remove()
    bench.saved(vault=AUTO)


def test_a_busy_server_is_asked_again(bench: Bench) -> None:
    busy = bench.vault.when(method="LIST", path=".*detailed-metadata/n/", times=2)
    busy.answer(429, {"errors": []})
    run = saved_twice_busy(bench)
    assert {retry.kind for retry in run.all(e.RetryScheduled)} == {"rate_limited"}
    assert not run.all(e.DetailedListFailed)


def saved_twice_busy(bench: Bench) -> Run:
    """A save after three tries of the one detailed list."""
    bench.fill()
    run = bench.saved(vault=AUTO)
    assert lists(bench) == ["n/"] * 3
    return run


@pytest.mark.parametrize("answer", [(403, {"errors": ["no"]}), (500, {}), (200, {"data": {}})])
def test_where_capabilities_are_not_told_new_paths_are_read(
    bench: Bench, answer: tuple[int, dict[str, Any]]
) -> None:
    bench.fill()
    asked = bench.vault.when(method="POST", path="/v1/sys/capabilities-self", after=1)
    asked.answer(*answer)
    bench.saved(vault=AUTO)
    assert lists(bench) == ["n/"]
    assert len(reads(bench)) == 20


@pytest.mark.parametrize("without", ["configuration", "version", "maker", "capability"])
def test_where_it_is_not_offered_nobody_asks(bench: Bench, without: str) -> None:
    bench.fill()
    vault: dict[str, Any] = {**AUTO}
    others: dict[str, dict[str, Any]] = {
        "version": {"version": "2.3.0"},
        "maker": {"enterprise": False},
    }
    health = others.get(without)
    if health is not None:
        told = health
        bench.vault.when(path="/v1/sys/health").alter(
            lambda answer: replace(
                answer, body=json.dumps({**json.loads(answer.body), **told}).encode()
            )
        )
    elif without == "configuration":
        vault = {"detailedMetadata": False}  # as YAML reads `off`
    else:
        rule = f'path "{bench.mount}metadata/*" {{ capabilities = ["read", "list"] }}'
        vault |= {"token": bench.api.make_token(rule), "requiredCapabilities": LEAST}
    run = bench.saved(vault=vault)
    assert lists(bench) == []
    assert len(reads(bench)) == 20
    notes = [check.note for check in run.all(e.CheckPassed) if "detailed-metadata" in check.note]
    assert len(notes) == (without == "capability")


def test_what_would_be_faster_is_said_once(bench: Bench, make_mount: Callable[..., str]) -> None:
    more = make_mount()
    bench.add_mounts(more)
    rule = 'path "{}metadata/*" {{ capabilities = ["read", "list"] }}'
    token = bench.api.make_token(rule.format(bench.mount) + rule.format(more))
    run = bench.once(vault={**AUTO, "token": token, "requiredCapabilities": LEAST})
    (note,) = [check.note for check in run.all(e.CheckPassed) if check.note]
    assert f'path "{bench.mount}detailed-metadata/*" {{ capabilities = ["list"] }}' in note


def test_a_dead_token_is_no_reason_to_fall_back(bench: Bench, tmp_path: Path) -> None:
    bench.fill()
    dying = bench.api.make_token(rules(bench, denies=False))
    on = bench.vault.when(method="LIST", path=".*detailed-metadata/n/")
    on.call(lambda: bench.api.revoke(dying))
    run = bench.once(vault={**AUTO, "token": dying, "requiredCapabilities": LEAST})
    assert (run.code, run.faults) == (1, ["authentication"])
    assert not run.all(e.DetailedListFailed)


def test_a_row_of_failed_reads_is_a_row_whatever_came_with_its_metadata(bench: Bench) -> None:
    """What needs no request says nothing of the server: it never ends a row of its failures."""
    for number in range(12):
        bench.fill([f"{number:02}/{part}" for part in "abcd"])
    bench.saved(vault=AUTO, numWorkers=1)
    before = bench.raw()
    # Of each folder one entry is missing, and its read is answered by a page for people.
    bench.vault.when(method="LIST", path=".*detailed-metadata/..").alter(
        changed(lambda data: data["key_info"].pop("c"))
    )
    bench.on_read("../c").html(200)
    run = bench.once(vault=AUTO, numWorkers=1)
    assert (run.outcome, run.faults) == ("aborted fault", ["not_vault"])
    assert bench.raw() == before


def test_after_three_folders_in_a_row_the_mount_is_left_alone_for_the_run(bench: Bench) -> None:
    for number in range(6):
        bench.fill([f"{number}/{part}" for part in "abcd"])
    bench.vault.when(method="LIST", path=".*detailed-metadata/").answer(405, {"errors": ["no"]})
    with bench.shop.start(vault={"address": bench.vault.address, **AUTO}, tick="100ms") as daemon:
        daemon.wait_for(lambda r: isinstance(r.event, e.CycleFinished) and r.cycle == 3)
        assert daemon.stop() == 0
    records = bench.shop.records()
    assert [event.over for event in events(records, e.DetailedListFailed)] == [False, False, True]
    assert len(lists(bench)) in {3, 4}  # the other worker may be at one more just then
    assert bench.shop.saved() == bench.shop.alive()


def offered(mounts: str = "m/") -> DetailedLists:
    """Lists of a server that has them, for mounts whose token may."""
    made = DetailedLists(wanted=True)
    made.meet(Health(True, False, False, False, False, "2.7.2"))
    made.allow(mounts, may=True)
    return made


def test_only_folders_in_a_row_end_it() -> None:
    made = offered()
    for number in range(2 * STRIKES):
        assert made.failed("m/", f"{number}/") == 1
        made.worked("m/")
    assert made.serve("m/", "new/")
    assert not made.serve("m/", "0/")
    assert [made.failed("m/", f"n{number}/") for number in range(3)] == [1, 2, 3]
    made.worked("m/")  # one that was still under way
    assert not made.serve("m/", "new/")


def test_one_root_without_the_capability_is_enough() -> None:
    made = offered()
    made.allow("m/", may=False)
    made.allow("m/", may=True)
    assert not made.serve("m/")
    assert not made.serve("other/")
