"""Allowing what was refused: all of it is shown before it is asked."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from tests.tui.dialog import LINES, Told, drive, flat, glance, refused_, seen, told, until
from tests.tui.screen import photograph
from tests.workshop import PATIENCE_S
from tui.widgets.dialogs import AllowDialog, HaltDialog
from tui.widgets.dialogs.refused import RefusedRows, rows
from vsync_sm.core import events as e
from vsync_sm.core.consequence import consequences, to_type
from vsync_sm.core.safety import allowance_id
from vsync_sm.core.shapes import LastRefusal, View


def allowed(dialog: AllowDialog, *keys: str) -> list[object]:
    """What the dialog answers to keys once the origin has told all."""

    async def press(pilot: Pilot[Any]) -> None:
        await told(pilot, dialog)
        await pilot.press(*keys)

    return drive(dialog, press).answers


def can_yes(dialog: AllowDialog) -> bool:
    return not dialog.query_one("#yes").disabled


def all_rows(dialog: AllowDialog) -> list[str]:
    return [row.text for row in dialog.query_one("#refused", RefusedRows)._rows]


def test_allowing_shows_everything_before_it_asks() -> None:
    commander = Told(LINES)
    dialog = AllowDialog(refused_(), commander)

    async def read(pilot: Pilot[Any]) -> None:
        await told(pilot, dialog)
        await pilot.pause()
        text = photograph(pilot.app).text
        assert "32 paths would leave the index: every destination deletes these." in text
        assert "✖ 29 paths of kv/ would vanish" in text
        assert "lines 1 to " in text
        assert "of 47" in text
        held = all_rows(dialog)
        for line in LINES:
            path = line.partition(" ")[2].replace("\x1b", "\\x1b")
            assert held.count(f"  {path}") == 1
        assert len(held) == len(LINES) + 3
        assert "✖ 3 paths of secret/ would vanish" in held
        assert "✖ 12 paths of secret/ would go back to an older version" in held
        shown: set[str] = set()
        listed = dialog.query_one("#refused", RefusedRows)
        for _ in range(20):
            shown |= {listed.render_line(y).text.strip() for y in range(listed.size.height)}
            await pilot.press("pagedown")
        assert {text.strip() for text in held} <= shown

    drive(dialog, read)
    assert commander.asked == [dialog.allowance] == [allowance_id(LINES)]


def test_allowing_says_the_rules_and_the_counts() -> None:
    text = flat(seen(AllowDialog(refused_(), Told(LINES)), (100, 50)))
    assert "29 of 100 paths would vanish from kv/ (limit: 10 paths or 20 %" in text
    assert "Would vanish, by mount: kv/ 29, secret/ 3" in text
    assert "Would go back, by mount: secret/ 12" in text
    assert "12 paths would go back: destinations keep their newer versions" in text
    assert f"Allow what was refused under {allowance_id(LINES)}" in text
    assert "Type kv/ to allow it:" in text


@pytest.mark.parametrize(
    ("typed", "answers"),
    [
        ("kv/", [True]),
        ("kv", []),
        ("kv/ ", []),
        (" kv/", []),
        ("KV/", []),
        ("secret/", []),
        ("", []),
    ],
)
@pytest.mark.parametrize("way", [("enter",), ("tab", "tab", "enter")])
def test_only_the_mounts_name_allows(
    typed: str, answers: list[object], way: tuple[str, ...]
) -> None:
    keys = tuple({"/": "slash", " ": "space"}.get(each, each) for each in typed)
    dialog = AllowDialog(refused_(), Told(LINES))
    if not answers and len(way) > 1:
        answers = [False]  # no button but the one that leaves
        way = ("tab", "enter")
    assert allowed(dialog, "tab", *keys, *way) == answers


def test_the_button_works_only_with_the_name() -> None:
    dialog = AllowDialog(refused_(), Told(LINES))

    async def click(pilot: Pilot[Any]) -> None:
        await told(pilot, dialog)
        assert not can_yes(dialog)
        await pilot.click("#yes")
        await pilot.click("#name")
        await pilot.press("k", "v")
        assert not can_yes(dialog)
        await pilot.press("slash")
        assert can_yes(dialog)
        await pilot.press("x")
        assert not can_yes(dialog)
        await pilot.click("#yes")
        assert pilot.app.screen is dialog
        await pilot.press("backspace")
        await pilot.click("#yes")

    assert drive(dialog, click).answers == [True]


@pytest.mark.parametrize("keys", [("escape",), ("tab", "k", "v", "slash", "escape")])
def test_escape_allows_nothing(keys: tuple[str, ...]) -> None:
    assert allowed(AllowDialog(refused_(), Told(LINES)), *keys) == [False]


def test_nothing_is_allowed_before_all_is_shown() -> None:
    commander = Told(LINES)
    commander.gate.clear()
    dialog = AllowDialog(refused_(), commander)

    async def wait(pilot: Pilot[Any]) -> None:
        assert "Asking the origin for all of it" in photograph(pilot.app).text
        await pilot.press("slash", "k", "v", "slash", "y")
        dialog.query_one("#name", Input).value = "kv/"
        await pilot.pause()
        assert dialog.query_one("#yes").disabled
        assert not dialog.query_one("#yes").display
        commander.gate.set()
        await told(pilot, dialog)
        assert dialog.query_one("#yes").display

    assert drive(dialog, wait).answers == []


def test_one_who_leaves_while_it_loads_is_not_held() -> None:
    commander = Told(LINES)
    commander.gate.clear()
    dialog = AllowDialog(refused_(), commander)

    async def leave(pilot: Pilot[Any]) -> None:
        await pilot.press("enter")
        commander.gate.set()
        threads = [each for each in threading.enumerate() if each.name == "refused"]
        await until(pilot, lambda: not any(each.is_alive() for each in threads))

    assert drive(dialog, leave).answers == [False]


def test_an_answer_that_comes_after_the_end_harms_nobody() -> None:
    commander = Told(LINES)
    commander.gate.clear()

    async def nothing(_: Pilot[Any]) -> None:
        pass

    assert drive(AllowDialog(refused_(), commander), nothing).answers == []
    asking = [each for each in threading.enumerate() if each.name == "refused"]
    assert asking
    commander.gate.set()
    for each in asking:
        each.join(PATIENCE_S)
        assert not each.is_alive()


def test_an_answer_under_another_screen_is_shown_afterwards() -> None:
    commander = Told(LINES)
    commander.gate.clear()
    dialog = AllowDialog(refused_(), commander)

    async def under(pilot: Pilot[Any]) -> None:
        await pilot.app.push_screen(HaltDialog(live=True))
        commander.gate.set()
        await told(pilot, dialog)
        await pilot.press("escape")
        await pilot.pause()
        assert "29 paths of kv/ would vanish" in photograph(pilot.app).text

    drive(dialog, under)


@pytest.mark.parametrize(
    ("commander", "says"),
    [
        (Told(None, "the control socket [x] is gone"), "the control socket [x] is gone"),
        (Told(None), "The origin knows of no such refusal"),
        (Told((), error=OSError("secret words")), "The origin could not be asked: OSError"),
        (Told(LINES[1:]), "What the origin told is not what was refused under this id"),
    ],
)
def test_what_cannot_be_shown_cannot_be_allowed(commander: Told, says: str) -> None:
    dialog = AllowDialog(refused_(), commander)

    async def lacking(pilot: Pilot[Any]) -> None:
        await told(pilot, dialog)
        await pilot.pause()
        text = flat(photograph(pilot.app).text)
        assert says in text
        assert "secret words" not in text
        assert "nothing can be allowed here" in text
        assert "Allow it once" not in text
        dialog.query_one("#name", Input).value = "kv/"
        await pilot.press("slash", "tab", "shift+tab")
        assert dialog.query_one("#yes").disabled
        await pilot.press("enter")

    assert drive(dialog, lacking).answers == [False]


def test_a_hundred_thousand_lines() -> None:
    lines = tuple(f"vanished kv/data/{n:06}" for n in range(100_000))
    refusal = refused_(lines, vanished={"kv/": 100_000}, regressed={})
    dialog = AllowDialog(refusal, Told(lines))

    async def walk(pilot: Pilot[Any]) -> None:
        await told(pilot, dialog)
        await pilot.pause()
        assert "of 100,001" in photograph(pilot.app).text
        assert "100,000 paths of kv/ would vanish" in photograph(pilot.app).text
        await pilot.press("G")
        await until(pilot, lambda: "kv/data/099999" in photograph(pilot.app).text)
        await pilot.press("slash", *"054321")
        await until(pilot, lambda: "kv/data/054321" in photograph(pilot.app).text)
        assert "found 1 of 1" in photograph(pilot.app).text
        await pilot.press("enter", "g")
        await until(pilot, lambda: "kv/data/000000" in photograph(pilot.app).text)
        assert len(list(dialog.query("*"))) < 40

    drive(dialog, walk)


def test_searching_goes_from_one_to_the_next() -> None:
    dialog = AllowDialog(refused_(), Told(LINES))

    async def search(pilot: Pilot[Any]) -> None:
        await told(pilot, dialog)
        here = dialog.query_one("#refused", RefusedRows)
        await pilot.press("slash", *"NEW")
        assert dialog.query_one("#search").has_focus
        assert "found 1 of 3" in here.place
        await pilot.press("enter", "n")
        assert here.has_focus
        assert "found 2 of 3" in here.place
        await pilot.press("n", "n")
        assert "found 1 of 3" in here.place
        await pilot.press("N")
        assert "found 3 of 3" in here.place
        await pilot.pause()
        assert "secret/data/new/2" in photograph(pilot.app).text
        assert here.found == 3
        await pilot.press("slash", *"zz")
        await until(pilot, lambda: "nothing found" in photograph(pilot.app).text)
        await pilot.press("n", "escape")
        assert pilot.app.screen is dialog
        assert here.has_focus
        assert here.found == 0
        await pilot.press("escape")

    assert drive(dialog, search).answers == [False]


def test_the_list_scrolls_sideways_to_what_is_wide() -> None:
    lines = (f"vanished kv/data/{'x' * 200}END",)
    dialog = AllowDialog(refused_(lines, vanished={"kv/": 1}, regressed={}), Told(lines))

    async def sideways(pilot: Pilot[Any]) -> None:
        await told(pilot, dialog)
        assert "END" not in photograph(pilot.app).text
        for _ in range(30):
            await pilot.press("l", "l", "l", "l", "right")
        await until(pilot, lambda: "xEND" in photograph(pilot.app).text)

    drive(dialog, sideways)


@pytest.mark.parametrize(
    ("refusal", "says"),
    [
        (None, "Meanwhile a save went through"),
        (refused_(LINES[2:]), f"Meanwhile a cycle was refused under {allowance_id(LINES[2:])}"),
    ],
)
def test_another_refusal_is_told_and_never_allowed_instead(
    refusal: LastRefusal | None, says: str
) -> None:
    dialog = AllowDialog(refused_(), Told(LINES))

    async def other(pilot: Pilot[Any]) -> None:
        await told(pilot, dialog)
        dialog.paint(glance(View(refusal=refused_())))
        await pilot.pause()
        assert "Meanwhile" not in photograph(pilot.app).text
        dialog.paint(glance(View(refusal=refusal)))
        await pilot.pause()
        assert says in flat(photograph(pilot.app).text)
        await pilot.press("tab", "k", "v", "slash", "enter")

    assert drive(dialog, other).answers == [True]
    assert dialog.allowance == allowance_id(LINES)


def test_rows_are_in_order_of_gravity_and_lose_nothing() -> None:
    lines = (
        "num_buckets 4 -> 8",
        "missing_sync_info",
        "failed kv/data/b",
        "lost kv/ 12 of 20",
        "regressed kv/data/a",
        "something new",
        "undecodable vsync/origin/3",
        "vanished kv/data/z",
        "vanished gone/data/a",
    )
    assert [row.text for row in rows(lines, ["kv/"])] == [
        "✖ 1 path of gone/ would vanish",
        "  gone/data/a",
        "✖ 1 path of kv/ would vanish",
        "  kv/data/z",
        "✖ 1 path of kv/ would go back to an older version",
        "  kv/data/a",
        "✖ 1 path of kv/ could not be read, and would be missing",
        "  kv/data/b",
        "✖ no sync info lies in Consul",
        "✖ the number of buckets would change",
        "  4 -> 8",
        "✖ cannot be decoded in Consul",
        "  vsync/origin/3",
        "✖ was saved last, and is not there any more",
        "  kv/ 12 of 20",
        "✖ something",
        "  new",
    ]


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({}, "kv/"),
        ({"vanished": {"kv/": 3, "secret/": 3}, "regressed": {}}, "kv/"),
        ({"vanished": {"kv/": 3}, "regressed": {"secret/": 4}}, "secret/"),
        ({"vanished": {"": 30, "a/": 1}, "regressed": {}}, "a/"),
        (
            {
                "vanished": {},
                "regressed": {},
                "refusals": (e.Refusal(rule="lost", mount="kv/", count=30, of=40),),
            },
            "kv/",
        ),
        (
            {
                "vanished": {},
                "regressed": {},
                "refusals": (e.Refusal(rule="num_buckets", items=("4 -> 8",)),),
            },
            allowance_id(LINES),
        ),
    ],
)
def test_what_is_to_be_typed(changes: dict[str, Any], name: str) -> None:
    assert to_type(refused_(**changes).event) == name


def test_every_rule_has_a_consequence() -> None:
    sole: dict[str, Any] = {"vanished": {}, "regressed": {}}
    for rule, items, says in (
        ("missing_sync_info", (), "as if for the first time"),
        ("lost", ("30 of 40",), "no list names it"),
        ("first_save_incomplete", (), "3 paths that could not be read"),
        ("num_buckets", ("4 -> 8",), "numBuckets changes (4 -> 8)"),
        ("undecodable", ("3",), "written anew"),
        ("missing_bucket", ("3",), "written anew"),
    ):
        refusal = e.Refusal(rule=rule, count=3, of=9, items=items)
        (said,) = consequences(refused_(refusals=(refusal,), **sole).event)
        assert says in said
