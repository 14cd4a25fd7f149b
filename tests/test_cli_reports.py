"""`check` and `plan`: what they say, what they cost, and that they leave nothing behind."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.commandline import COMMAND, environment, on, vsync
from tests.misbehave import Misbehave
from tests.support import ConsulKv, VaultApi, unique
from tests.workshop import Workshop
from vsync_sm.core import events as e
from vsync_sm.core.events import Record
from vsync_sm.core.view import View
from vsync_sm.local import BaoServer

LEAST = "origin.vault.requiredCapabilities: {data: [], metadata: [read, list]}"


def everything(workshop: Workshop) -> dict[str, tuple[bytes, int]]:
    """Every key under the sync path, probe keys too: its bytes and its ModifyIndex."""
    tree = workshop.consul.tree(workshop.prefix)
    return {key: (value, workshop.consul.modify_index(key)) for key, value in tree.items()}


def interrupted(workshop: Workshop, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command, ended by SIGTERM while Vault keeps it waiting for a list."""
    with Misbehave(workshop.vault.address) as proxy:
        held = proxy.when(method="LIST").hang()
        how = on(workshop, vault={"address": proxy.address})
        with subprocess.Popen(
            [*COMMAND, *arguments, *how],
            env=environment(workshop.home),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            held.wait_for_hit()
            process.send_signal(signal.SIGTERM)
            out, err = process.communicate()
    return subprocess.CompletedProcess(arguments, process.returncode, out, err)


# --- check -----------------------------------------------------------------------------------


def test_check_is_a_table_of_what_passed(workshop: Workshop, mount: str) -> None:
    told = vsync(workshop.home, "check", *on(workshop))
    assert (told.returncode, told.stderr) == (0, "")
    *table, note, cost, a_day, takes = told.stdout.splitlines()
    names = ["Consul sync path", "Vault server", "Vault token", "Vault freshness"]
    names += [f"mount {mount}", f"capabilities on {mount}"]
    width = max(map(len, names))
    assert [line[: width + 4] for line in table] == [f"✔ {name:<{width}}  " for name in names]
    assert all(line[width + 4 :].strip() for line in table)
    assert note.startswith("· The token may do more than vsync needs")
    assert LEAST in note
    assert cost.startswith("A cycle costs 5 requests to Vault: 2 lists, 0 metadata reads, 2 looks")
    assert a_day.startswith("A cycle each 1 s: 432,000 requests a day, and about 1.4 GB a day")
    assert takes.startswith("At ")
    assert " and 2 workers a cycle takes about " in takes
    assert everything(workshop) == {}
    assert not workshop.journal.exists()


def test_a_token_with_the_least_is_not_lectured(workshop: Workshop, mount: str) -> None:
    rules = f'path "{mount}metadata/*" {{ capabilities = ["read", "list"] }}'
    vault = {
        "token": workshop.vault.make_token(rules),
        "requiredCapabilities": {"data": [], "metadata": ["read", "list"]},
    }
    told = vsync(workshop.home, "check", *on(workshop, vault=vault))
    assert told.returncode == 0
    assert "The token may do more" not in told.stdout


def test_the_cost_tells_of_detailed_lists(workshop: Workshop, mount: str) -> None:
    for path in ("a", "b/1", "b/2", "b/3"):
        workshop.vault.put(mount, path)
    how = on(workshop, vault={"detailedMetadata": "auto"})
    told = vsync(workshop.home, "check", *how)
    assert f"; {mount}detailed-metadata/: root" in told.stdout
    assert (
        "A cycle costs 7 requests to Vault: 2 lists, 1 detailed list with the metadata of "
        "3 paths, 1 metadata read, "
    ) in told.stdout
    run = workshop.once(vault={"detailedMetadata": "auto"})
    # And once, for three paths that were never saved before, what the token may read.
    assert run.one(e.CycleFinished).requests.vault == 7 + 1


def test_the_cost_is_what_the_server_counts(
    own_bao: Callable[..., BaoServer], consul_kv: ConsulKv, sync_path: str, tmp_path: Path
) -> None:
    bao = own_bao(audit=True)
    workshop = Workshop(VaultApi(bao), consul_kv, ["secret/", "more/"], sync_path, tmp_path)
    bao.mount("more/")
    for path in ("a", "b/c", "b/d/e", "b/d/f"):
        workshop.vault.put("secret/", path)
    told = vsync(tmp_path, "check", *on(workshop))
    (cost,) = [line for line in told.stdout.splitlines() if line.startswith("A cycle costs ")]

    audit = bao.audit_log
    assert audit is not None
    counts = []

    def count(record: Record, _: View) -> None:
        if isinstance(record.event, e.CycleStarted | e.CycleFinished):
            lines = audit.read_text().splitlines()
            counts.append(sum(json.loads(line)["type"] == "response" for line in lines))

    run = workshop.once(sinks=[count])
    asked = counts[1] - counts[0]
    assert asked == run.one(e.CycleFinished).requests.vault == 14
    assert cost.startswith(
        f"A cycle costs {asked} requests to Vault: 5 lists, 4 metadata reads, 4 looks at mounts, "
        "1 to catch up; "
    )


@pytest.mark.parametrize("missing", ["mount", "capability", "token", "vault", "consul"])
def test_check_exits_1_and_hints_when_something_is_missing(
    workshop: Workshop, mount: str, missing: str
) -> None:
    nobody = {"address": "http://127.0.0.1:1"}
    listing_only = f'path "{mount}metadata/*" {{ capabilities = ["list"] }}'
    cases: dict[str, tuple[dict[str, Any], str]] = {
        "mount": ({"mounts": [mount, "nosuch/"]}, "✖ mount nosuch/ "),
        "capability": (
            {"vault": {"token": workshop.vault.make_token(listing_only)}},
            f" on {mount}data/* and not read on {mount}metadata/*",
        ),
        "token": ({"vault": {"token": "s.of-nobody-at-all"}}, "✖ Vault token "),
        "vault": ({"vault": nobody}, "✖ Vault server "),
        "consul": ({"consul": nobody}, "✖ Consul sync path "),
    }
    how, words = cases[missing]
    told = vsync(workshop.home, "check", *on(workshop, startTimeout="1ms", **how))
    assert (told.returncode, told.stderr) == (1, "")
    assert words in told.stdout
    lines = told.stdout.splitlines()
    for number, line in enumerate(lines):
        if line.startswith("✖"):
            assert lines[number + 1].strip().startswith("→ ")
    assert "A cycle costs" not in told.stdout
    assert everything(workshop) == {}


def test_check_tells_of_a_folder_that_cannot_be_listed(workshop: Workshop, mount: str) -> None:
    workshop.vault.put(mount, "open/a")
    workshop.vault.put(mount, "closed/b")
    rules = (
        f'path "{mount}metadata/*" {{ capabilities = ["read", "list"] }}\n'
        f'path "{mount}metadata/closed/" {{ capabilities = ["deny"] }}'
    )
    vault = {
        "token": workshop.vault.make_token(rules),
        "requiredCapabilities": {"data": [], "metadata": ["read", "list"]},
    }
    told = vsync(workshop.home, "check", *on(workshop, vault=vault))
    assert told.returncode == 1
    assert "✖ fault: " in told.stdout
    assert f"{mount}metadata/closed/" in told.stdout
    assert "A cycle costs" not in told.stdout


def test_an_interrupted_check_says_so_and_does_not_pass(workshop: Workshop) -> None:
    told = interrupted(workshop, "check")
    assert (told.returncode, told.stderr) == (1, "")
    assert told.stdout.splitlines()[-1] == "✖ Interrupted: not everything was checked."
    assert everything(workshop) == {}


# --- plan ------------------------------------------------------------------------------------


@pytest.fixture
def changed(workshop: Workshop, mount: str) -> Workshop:
    """Saved were a, b, c and d; now b is newer, c is gone, d cannot be read and e is new."""
    for path in "abcd":
        workshop.vault.put(mount, path)
    assert workshop.once().outcome == "saved"
    workshop.vault.put(mount, "b")
    workshop.vault.purge(mount, "c")
    workshop.vault.put(mount, "e")
    rules = (
        f'path "{mount}metadata/*" {{ capabilities = ["read", "list"] }}\n'
        f'path "{mount}metadata/d" {{ capabilities = ["deny"] }}'
    )
    workshop.config["origin"]["vault"] |= {
        "token": workshop.vault.make_token(rules),
        "requiredCapabilities": {"data": [], "metadata": ["read", "list"]},
    }
    return workshop


def test_plan_tells_a_person_what_would_change(changed: Workshop, mount: str) -> None:
    told = vsync(changed.home, "plan", *on(changed))
    assert (told.returncode, told.stderr) == (0, "")
    assert told.stdout.splitlines() == [
        "1 path would be added:",
        f"  {mount}data/e",
        "1 path would be changed:",
        f"  {mount}data/b",
        "1 path would be removed:",
        f"  {mount}data/c",
        "1 path could not be read:",
        f"  {mount}data/d",
        "1 path would be carried forward:",
        f"  {mount}data/d",
        "A cycle would save this; 1 path unchanged.",
    ]


def test_plan_tells_a_program_the_same(changed: Workshop, mount: str) -> None:
    told = vsync(changed.home, "plan", "--json", *on(changed))
    assert (told.returncode, told.stderr) == (0, "")
    assert json.loads(told.stdout) == {
        "verdict": "save",
        "added": [f"{mount}data/e"],
        "updated": [f"{mount}data/b"],
        "removed": [f"{mount}data/c"],
        "carried": [f"{mount}data/d"],
        "failed": [f"{mount}data/d"],
        "backwards": [],
        "unchanged": 1,
        "refusals": [],
        "allowance": "",
        "chosen": [{"mount": mount}],
        "not_chosen": {"paths": {}, "folders": {}},
        "idle": [],
        "faults": [],
    }


def test_plan_writes_nothing(changed: Workshop) -> None:
    journal, consul = changed.journal.read_bytes(), everything(changed)
    with Misbehave(changed.consul.address) as proxy:
        told = vsync(changed.home, "plan", *on(changed, consul={"address": proxy.address}))
        assert told.returncode == 0
        assert {method for method, _ in proxy.requests} == {"GET"}
    assert everything(changed) == consul
    assert changed.journal.read_bytes() == journal
    assert [*changed.home.glob("*.jsonl*")] == [changed.journal]


def test_what_was_planned_is_what_is_saved(changed: Workshop) -> None:
    planned = json.loads(vsync(changed.home, "plan", "--json", *on(changed)).stdout)
    run = changed.once()
    made = run.all(e.InsightGenerated)
    assert planned["added"] == [each.path for each in made if each.change == "added"]
    assert planned["updated"] == [each.path for each in made if each.change == "updated"]
    assert planned["removed"] == [each.path for each in run.all(e.InsightVanished)]
    assert planned["carried"] == [each.path for each in run.all(e.InsightCarriedForward)]
    assert planned["unchanged"] == run.one(e.CycleFinished).unchanged
    again = vsync(changed.home, "plan", *on(changed))
    assert again.returncode == 0
    assert again.stdout.endswith("A cycle would find nothing to do: 3 paths unchanged.\n")


def test_check_and_plan_tell_what_is_chosen(workshop: Workshop, mount: str) -> None:
    for path in ("apps/a", "apps/old", "apps/tmp/b", "team/c"):
        workshop.vault.put(mount, path)
    patterns = {"include": ["a", "old", "none/*"], "exclude": ["old"]}
    chosen = [{"mount": mount, "under": "apps/", **patterns}]
    how = on(workshop, mounts=[], paths=chosen)
    lines = [
        f"Chosen: {mount}apps/ (include: a, old, none/*; exclude: old)",
        f"Not chosen: 1 path ({mount} 1) and 1 folder ({mount} 1).",
        f"! No chosen path fits {mount}apps/ include old: is it spelled as in Vault?",
        f"! No chosen path fits {mount}apps/ include none/*: is it spelled as in Vault?",
    ]
    told = vsync(workshop.home, "check", *how)
    assert told.returncode == 0
    *_, one, two, three, four, cost, _, _ = told.stdout.splitlines()
    assert [one, two, three, four] == lines
    assert cost.startswith("A cycle costs 5 requests to Vault: 1 list, 1 metadata read, 2 looks")
    assert f"✔ capabilities on {mount}apps/ " in told.stdout

    told = vsync(workshop.home, "plan", *how)
    assert told.stdout.splitlines() == [
        "1 path would be added:",
        f"  {mount}data/apps/a",
        *lines,
        "A cycle would save this; 0 paths unchanged.",
    ]
    document = json.loads(vsync(workshop.home, "plan", "--json", *how).stdout)
    assert document["chosen"] == chosen
    assert document["not_chosen"] == {"paths": {mount: 1}, "folders": {mount: 1}}
    assert document["idle"] == [f"{mount}apps/ include old", f"{mount}apps/ include none/*"]

    workshop.once(mounts=[], paths=chosen)
    told = vsync(workshop.home, "replay", workshop.journal)
    assert told.returncode == 0
    assert f": paths {mount}apps/ (include: a, old, none/*; exclude: old), sync path" in told.stdout


def test_plan_tells_what_a_narrower_choice_would_remove(workshop: Workshop, mount: str) -> None:
    for number in range(12):
        workshop.vault.put(mount, f"team/{number}")
    workshop.once()
    how = on(workshop, mounts=[], paths=[{"mount": mount, "under": "apps/"}])
    told = vsync(workshop.home, "plan", *how)
    assert told.returncode == 3
    assert "12 of which the configuration leaves out now: has origin.paths" in told.stdout
    assert "restore it in Vault" not in told.stdout


def test_a_long_list_is_cut_for_a_person_only(workshop: Workshop, mount: str) -> None:
    for number in range(23):
        workshop.vault.put(mount, f"{number:02}")
    told = vsync(workshop.home, "plan", *on(workshop))
    assert told.stdout.splitlines()[-2:] == [
        "  … and 3 more (--json lists all)",
        "A cycle would save this; 0 paths unchanged.",
    ]
    document = json.loads(vsync(workshop.home, "plan", "--json", *on(workshop)).stdout)
    assert len(document["added"]) == 23


def test_a_lost_index_alone_is_a_save_too(workshop: Workshop, mount: str) -> None:
    workshop.vault.put(mount, "a")
    workshop.once()
    workshop.consul.delete(f"{workshop.prefix}index")
    planned = json.loads(vsync(workshop.home, "plan", "--json", *on(workshop)).stdout)
    assert planned["verdict"] == workshop.once().outcome.replace("saved", "save")


@pytest.mark.parametrize("command", [["check"], ["plan"]])
def test_beside_a_daemon(changed: Workshop, command: list[str]) -> None:
    with changed.start("--tick", "1h") as daemon:
        daemon.wait_for(lambda its: isinstance(its.event, e.CycleFinished) and its.cycle == 2)
        runs = [record.run for record in changed.records()]
        assert vsync(changed.home, *command, *on(changed)).returncode == 0
        assert daemon.stop() == 0
    # The daemon may have written on: of a token that it renewed, and its end.
    assert {record.run for record in changed.records()} == set(runs)
    changed.replayed()


def test_plan_exits_3_when_it_would_be_aborted(workshop: Workshop, mount: str) -> None:
    workshop.vault.put(mount, "a/b")
    with Misbehave(workshop.vault.address) as proxy:
        proxy.when(path=f"/v1/{mount}metadata/a/").answer(403, {"errors": ["permission denied"]})
        how = on(workshop, vault={"address": proxy.address})
        told = vsync(workshop.home, "plan", *how)
        document = json.loads(vsync(workshop.home, "plan", "--json", *how).stdout)
    assert told.returncode == 3
    assert told.stdout.startswith("✖ fault: ")
    assert told.stdout.endswith("A cycle would be aborted and save nothing.\n")
    assert document["verdict"] == "aborted"
    assert [fault["kind"] for fault in document["faults"]] == ["forbidden"]


def test_plan_exits_1_when_a_fault_would_be_fatal(workshop: Workshop) -> None:
    told = vsync(workshop.home, "plan", *on(workshop, vault={"token": "s.of-nobody-at-all"}))
    assert (told.returncode, told.stderr) == (1, "")
    assert told.stdout.startswith("✖ fatal fault: ")


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_plan_exits_3_when_interrupted(workshop: Workshop, mount: str, form: list[str]) -> None:
    workshop.vault.put(mount, "a")
    told = interrupted(workshop, "plan", *form)
    assert (told.returncode, told.stderr) == (3, "")
    if form:
        assert json.loads(told.stdout)["verdict"] == "aborted"
    else:
        assert told.stdout == "A cycle would be aborted and save nothing.\n"


def test_plan_of_a_refusal_shows_a_command_only_once_it_would_work(
    workshop: Workshop, mount: str
) -> None:
    team = unique("team")
    for number in range(12):
        workshop.vault.put(mount, f"{team}/{number:02}")
    workshop.once()
    for number in range(12):
        workshop.vault.purge(mount, f"{team}/{number:02}")
    told = vsync(workshop.home, "plan", *on(workshop))
    assert told.returncode == 3
    assert "The save would be refused." in told.stdout
    assert f"  - 12 of 12 paths would vanish from {mount} (limit: " in told.stdout
    # Only what a run was refused can be allowed: a command now would only fail.
    assert "--allow" not in told.stdout
    assert "let a cycle be refused" in told.stdout

    refused = workshop.once().one(e.SaveRefused).allowance
    told = vsync(workshop.home, "plan", *on(workshop))
    assert told.returncode == 3
    assert told.stdout.endswith(f" --allow {refused}\n")
    document = json.loads(vsync(workshop.home, "plan", "--json", *on(workshop)).stdout)
    assert (document["verdict"], document["allowance"]) == ("refused", refused)
    assert len(document["removed"]) == 12
    assert {each["rule"] for each in document["refusals"]} == {"shrink", "shrink_mount"}
    assert len(workshop.saved()) == 12
