"""What `origin.paths` chooses, on the real servers: what is asked for, and what vanishes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.origin.bench import LEAST, Bench, many
from tests.support import ConsulKv, VaultApi
from tests.workshop import Run, Workshop
from vsync_sm.core import events as e
from vsync_sm.local import BaoServer

ODD = (
    "apps",  # the secret beside the folder
    "apps/a",
    "apps/x",
    "apps/x/prod/db",
    "apps/x/test/db",
    "apps/y/prod/with space",
    "apps/y/prod/Zürich",
    "apps/y/prod/zürich",
    "apps/y/prod/[x]",
    "apps/y/prod/a*b",
    "apps/y/prod/tmp/gone",
    "appsother/z",
    "team/z",
)


def part(bench: Bench, under: str = "apps/", **patterns: Any) -> dict[str, Any]:
    """An item of `origin.paths` for the bench's mount."""
    return {"mount": bench.mount, "under": under, **patterns}


def choose(bench: Bench, *parts: dict[str, Any]) -> None:
    """Has the origin sync these parts, and no whole mount."""
    bench.shop.config["origin"] |= {"mounts": [], "paths": [*parts]}


def folder_token(bench: Bench, *folders: str) -> dict[str, Any]:
    """A login that may list and read these folders, and nothing else."""
    rules = (
        f'path "{bench.mount}metadata/{each}*" {{ capabilities = ["read", "list"] }}'
        for each in folders
    )
    return {"token": bench.api.make_token("\n".join(rules)), "requiredCapabilities": LEAST}


def asked(bench: Bench, since: int = 0) -> list[tuple[str, str]]:
    """What was asked of the mount: the method, and what it was asked about."""
    of = f"/v1/{bench.mount}metadata/"
    return [(how, what[len(of) :]) for how, what in bench.vault.requests[since:] if of in what]


def saved(bench: Bench) -> set[str]:
    """The names in the mount that Consul holds."""
    return {path.removeprefix(bench.path("")) for path in bench.shop.saved()}


def in_folder(folder: str, names: list[str]) -> list[str]:
    """These names in a folder."""
    return [f"{folder}{name}" for name in names]


# --- what is asked for ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("patterns", "chosen"),
    [
        ({}, {name for name in ODD if name.startswith("apps/")}),
        ({"include": ["*"]}, {"apps/a", "apps/x"}),
        ({"include": ["x/"]}, {"apps/x/prod/db", "apps/x/test/db"}),
        ({"include": ["*/prod/*"], "exclude": ["x/"]}, {
            "apps/y/prod/with space", "apps/y/prod/Zürich", "apps/y/prod/zürich",
            "apps/y/prod/[x]", "apps/y/prod/a*b",
        }),
        ({"include": [r"y/prod/a\*b", r"**/\[?\]", "**/Z*"]}, {
            "apps/y/prod/a*b", "apps/y/prod/[x]", "apps/y/prod/Zürich",
        }),
        ({"exclude": ["**/prod/", "x"]}, {"apps/a", "apps/x/test/db"}),
    ],
    ids=["a folder", "no deeper", "a folder in it", "both", "odd names", "exclude"],
)  # fmt: skip
def test_only_what_is_chosen_is_asked_for(
    bench: Bench, patterns: dict[str, Any], chosen: set[str]
) -> None:
    """With a token that may list and read that folder alone, and nothing in vain."""
    bench.fill(ODD)
    choose(bench, part(bench, **patterns))
    run = bench.once(vault=folder_token(bench, "apps/"))
    assert (run.code, run.outcome, run.faults) == (0, "saved", [])
    assert saved(bench) == chosen
    reads = [what for how, what in asked(bench) if how == "GET"]
    assert len(reads) == len(chosen)
    assert run.one(e.PathsListed).paths == len(chosen)
    assert not run.one(e.PathsListed).idle


def test_the_server_sees_no_request_for_what_is_left_out(
    own_bao: Callable[..., BaoServer], consul_kv: ConsulKv, sync_path: str, tmp_path: Path
) -> None:
    bao = own_bao(audit=True)
    shop = Workshop(VaultApi(bao), consul_kv, [], sync_path, tmp_path)
    for name in ("apps/a/prod/x", "apps/a/test/y", "apps/a/prod/tmp/z", "apps/legacy", "team/z"):
        shop.vault.put("secret/", name)
    rules = 'path "secret/metadata/apps/*" { capabilities = ["read", "list"] }'
    vault = {"token": shop.vault.make_token(rules), "requiredCapabilities": LEAST}
    patterns = {"include": ["*/prod/**", "l*"], "exclude": ["**/tmp/", "legacy"]}
    audit = bao.audit_log
    assert audit is not None
    before = len(audit.read_text().splitlines())
    run = shop.once(paths=[{"mount": "secret/", "under": "apps/", **patterns}], vault=vault)
    assert run.outcome == "saved"
    assert [*shop.saved()] == ["secret/data/apps/a/prod/x"]
    lines = [json.loads(line) for line in audit.read_text().splitlines()[before:]]
    asked_for = [
        (line["request"]["operation"], line["request"]["path"])
        for line in lines
        if line["type"] == "request" and line["request"]["path"].startswith("secret/")
    ]
    assert asked_for == [
        ("list", "secret/metadata/apps/"),
        ("list", "secret/metadata/apps/a/"),
        ("list", "secret/metadata/apps/a/prod/"),
        ("read", "secret/metadata/apps/a/prod/x"),
    ]
    listed = run.one(e.PathsListed)
    assert (listed.unchosen, listed.pruned) == ({"secret/": 1}, {"secret/": 2})
    assert run.one(e.CycleFinished).requests.vault == 4 + 3


def test_a_whole_mount_beside_parts_of_another(
    bench: Bench, make_mount: Callable[..., str]
) -> None:
    other = make_mount()
    bench.fill(["a", "b/c"])
    bench.fill(["apps/x", "team/y", "else/z"], mount=other)
    bench.shop.config["origin"]["paths"] = [
        {"mount": other, "under": "apps/"},
        {"mount": other, "under": "team/"},
    ]
    run = bench.once()
    assert run.one(e.PathsListed).mounts == {bench.mount: 2, other: 2}
    assert {*bench.shop.saved()} == {
        *map(bench.path, ("a", "b/c")),
        f"{other}data/apps/x",
        f"{other}data/team/y",
    }
    checks = [check.check for check in run.all(e.CheckPassed)]
    assert checks.count(f"mount {other}") == 1
    assert {f"capabilities on {other}apps/", f"capabilities on {other}team/"} <= {*checks}


def test_an_exclude_keeps_out_of_a_folder_that_is_forbidden(bench: Bench) -> None:
    bench.fill(["a", "closed/b"])
    rules = f"""path "{bench.mount}metadata/*" {{ capabilities = ["read", "list"] }}
        path "{bench.mount}metadata/closed/*" {{ capabilities = ["deny"] }}"""
    login = {"token": bench.api.make_token(rules), "requiredCapabilities": LEAST}
    assert bench.once(vault=login).outcome == "aborted fault"
    choose(bench, part(bench, "", exclude=["closed/"]))
    assert bench.once(vault=login).outcome == "saved"
    assert saved(bench) == {"a"}


def test_a_folder_with_an_odd_name(bench: Bench) -> None:
    bench.fill(["[x] Zürich/a b/c", "[x] Zürich/d", "[x] Zuerich/e", "[x]/f"])
    choose(bench, part(bench, "[x] Zürich/", include=["a b/?", "*d"]))
    assert bench.once(vault=folder_token(bench, "[x] Zürich/")).outcome == "saved"
    assert saved(bench) == {"[x] Zürich/a b/c", "[x] Zürich/d"}


def test_what_nothing_fits_is_told(bench: Bench) -> None:
    bench.fill(ODD)
    choose(bench, part(bench, include=["X/**", "x/**"]), part(bench, "aps/"))
    listed = bench.once().one(e.PathsListed)
    assert listed.idle == (f"{bench.mount}apps/ include X/**", f"{bench.mount}aps/")


# --- what the checks and the lists say of a folder ---------------------------------------------


def test_the_checks_ask_in_the_folder(bench: Bench) -> None:
    bench.fill(ODD)
    choose(bench, part(bench), part(bench, "team/"))
    run = bench.once(vault=folder_token(bench, "apps/"))
    assert (run.code, run.faults) == (1, ["check_failed"])
    assert not run.all(e.CycleStarted)
    failed = run.one(e.CheckFailed)
    assert failed.check == f"capabilities on {bench.mount}team/"
    assert f"read, list on {bench.mount}metadata/team/*" in failed.message
    assert f'path "{bench.mount}metadata/team/*"' in failed.hint
    assert f"capabilities on {bench.mount}apps/" in [c.check for c in run.all(e.CheckPassed)]


def test_a_folder_whose_root_becomes_forbidden_is_fatal(bench: Bench) -> None:
    bench.fill(ODD)
    choose(bench, part(bench))
    bench.on_list("apps/").answer(403, {"errors": ["permission denied"]})
    run = bench.once(vault=folder_token(bench, "apps/"))
    assert (run.code, run.outcome, run.faults) == (1, "aborted fatal", ["mount_forbidden"])
    assert f"{bench.mount}metadata/apps/*" in run.one(e.FaultRaised).hint


def test_below_it_a_forbidden_folder_only_aborts(bench: Bench) -> None:
    bench.fill(ODD)
    choose(bench, part(bench))
    bench.on_list("apps/x/").answer(403, {"errors": ["permission denied"]})
    run = bench.once(vault=folder_token(bench, "apps/"))
    assert (run.code, run.outcome, run.faults) == (3, "aborted fault", ["forbidden"])


def test_a_folder_emptied_meanwhile_is_asked_for_up_to_the_root_and_no_further(
    bench: Bench,
) -> None:
    bench.fill(["apps/a/b/c", "elsewhere"])
    choose(bench, part(bench))
    login = folder_token(bench, "apps/")
    bench.on_list("apps/a/b/", times=1).call(lambda: bench.purge(["apps/a/b/c"]))
    assert bench.once(vault=login).outcome == "saved"
    assert saved(bench) == set()
    lists = [what.split("?")[0] for how, what in asked(bench) if how == "LIST"]
    assert lists == ["apps/", "apps/a/", "apps/a/b/", "apps/a/", "apps/"]


def test_an_empty_folder_vanishes_only_if_its_secrets_say_so(bench: Bench) -> None:
    """As with a mount's root: no list above it names it, so each path is asked for by itself."""
    names = in_folder("apps/", many(20))
    bench.fill(names)
    choose(bench, part(bench))
    login = folder_token(bench, "apps/")
    assert bench.once(vault=login).outcome == "saved"
    before = bench.raw()
    lie = bench.on_list("apps/").answer(404, {"errors": []})
    run = bench.once(vault=login)
    assert (run.outcome, {*run.faults}) == ("aborted fault", {"list_incomplete"})
    lie.remove()
    bench.purge(names)
    assert bench.once(vault=login).outcome == "refused refused"
    assert bench.raw() == before


# --- a changed filter ---------------------------------------------------------------------------


def test_what_a_narrower_choice_leaves_out_needs_a_yes(bench: Bench) -> None:
    """Told in words, without a request for it, with a token that may not ask: then allowed."""
    kept, left = in_folder("apps/", many(20)), in_folder("team/", many(15))
    bench.fill([*kept, *left, "apps/vanishes"])
    bench.saved()
    before = bench.raw()
    bench.purge(["apps/vanishes"])
    choose(bench, part(bench))
    login = folder_token(bench, "apps/")
    sent = len(bench.vault.requests)
    run = bench.refuse(before, vault=login)
    refused = run.one(e.SaveRefused)
    assert {rule.rule for rule in refused.refusals} == {"shrink", "shrink_mount"}
    assert (refused.vanished, refused.unchosen) == ({bench.mount: 16}, {bench.mount: 15})
    gone = {each.path: each.unchosen for each in run.all(e.InsightVanished)}
    assert gone == {
        bench.path("apps/vanishes"): False,
        **dict.fromkeys(map(bench.path, left), True),
    }
    assert not [what for _, what in asked(bench, sent) if "team" in what]
    assert ("GET", "apps/vanishes") in asked(bench, sent)

    run = bench.once(vault=login, allow=refused.allowance)
    assert (run.code, run.outcome) == (0, "saved")
    assert saved(bench) == {*kept}


def test_a_pattern_that_is_added_needs_a_yes_too(bench: Bench) -> None:
    names = in_folder("apps/", many(20))
    bench.fill(names)
    bench.saved()
    choose(bench, part(bench, exclude=["01?"]))
    assert bench.once().outcome == "saved", "ten may always vanish"
    choose(bench, part(bench, exclude=["0*"]))
    before = bench.raw()
    run = bench.refuse(before)
    assert run.one(e.SaveRefused).unchosen == {bench.mount: 10}


def test_a_mount_taken_out_is_said_to_be_left_out(bench: Bench) -> None:
    before = bench.begin(many(20))
    run = bench.refuse(before, mounts=["secret/"])
    assert run.one(e.SaveRefused).unchosen == {bench.mount: 20}


def test_a_wider_choice_adds(bench: Bench) -> None:
    bench.fill(ODD)
    choose(bench, part(bench, include=["x/"]))
    assert bench.once().outcome == "saved"
    few = saved(bench)
    choose(bench, part(bench, ""))
    run = bench.once()
    assert run.outcome == "saved"
    assert few < saved(bench) == {*ODD}
    assert run.one(e.CycleFinished).added == len(ODD) - len(few)


def test_a_mount_made_anew_is_known_by_its_accessor_though_a_part_is_chosen(bench: Bench) -> None:
    names = in_folder("apps/", many(5))
    bench.fill(names)
    choose(bench, part(bench))
    bench.once()
    bench.api.remove_mount(bench.mount)
    bench.api.make_mount(bench.mount)
    bench.fill(names[1:])
    refused = bench.once().one(e.SaveRefused)
    assert [rule.rule for rule in refused.refusals] == ["mount_replaced"]


def test_a_path_that_fails_is_carried_and_one_left_out_is_not(bench: Bench) -> None:
    bench.fill(["apps/a", "apps/b", "team/c"])
    bench.saved()
    choose(bench, part(bench))
    bench.on_read("apps/a").answer(403, {"errors": ["permission denied"]})
    bench.on_read("team/c").answer(403, {"errors": ["permission denied"]})
    run: Run = bench.once()
    assert run.outcome == "saved"
    assert [each.path for each in run.all(e.InsightCarriedForward)] == [bench.path("apps/a")]
    assert saved(bench) == {"apps/a", "apps/b"}
