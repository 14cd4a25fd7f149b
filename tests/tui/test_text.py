"""Text cut by cells, bars and tables: whatever comes in, a line is as wide as it should be."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from textual.content import Content

from tui.widgets.bars import Part, bar, stacked
from tui.widgets.table import Column, Table
from tui.widgets.text import fitted, flow, folded, said, shorten

texts = st.text(st.characters(codec="utf-8") | st.sampled_from("秘密[]/ \x1b…é"), max_size=60)


@given(texts, st.integers(0, 40))
def test_shortened_text_fits(text: str, width: int) -> None:
    assert cell_len(shorten(text, width)) <= width


@given(texts, st.integers(0, 40), st.booleans())
def test_fitted_text_is_just_as_wide(text: str, width: int, right: bool) -> None:
    assert cell_len(fitted(text, width, right=right)) == width


def test_of_a_long_path_the_end_is_kept() -> None:
    short = shorten("secret/data/team/service/prod/database", 20)
    assert short == "secret…prod/database"
    assert cell_len(short) == 20


def test_a_wide_character_is_never_cut_in_two() -> None:
    assert {cell_len(shorten("秘密" * 10, width)) for width in range(3, 20)} <= set(range(3, 20))
    assert "�" not in shorten("秘密" * 10, 9)


@given(st.lists(texts.map(said), max_size=8), st.integers(10, 60))
def test_pieces_flow_and_none_is_lost(pieces: list[Content], width: int) -> None:
    lines = flow(pieces, width)
    joined = "".join(line.plain for line in lines).replace(" ", "")
    assert joined == "".join(piece.plain for piece in pieces).replace(" ", "")
    widest = max((piece.cell_length for piece in pieces), default=0)
    assert all(line.cell_length <= max(width, widest) for line in lines)


@given(texts, st.integers(12, 60), st.integers(0, 4))
def test_folded_lines_fit_and_keep_every_word(text: str, width: int, indent: int) -> None:
    content = said(text)
    lines = folded(content, width, indent=indent)
    assert all(line.cell_length <= width for line in lines)
    assert "".join("".join(line.plain.split()) for line in lines) == "".join(content.plain.split())


def test_folded_lines_keep_their_styles() -> None:
    lines = folded(Content.styled("one two three four", "bold"), 10, indent=2)
    assert [line.plain for line in lines] == ["one two", "  three", "  four"]
    assert all(line.spans for line in lines)


@given(st.floats(0, 1), st.integers(0, 60), st.booleans())
def test_a_bar_is_as_long_as_asked(share: float, width: int, plain: bool) -> None:
    assert cell_len(bar(share, width, plain=plain).plain) == width


@pytest.mark.parametrize(
    ("share", "drawn"),
    [
        (0.0, "----------"),
        (0.001, "#---------"),
        (0.5, "#####-----"),
        (0.999, "#########-"),
        (1.0, "##########"),
        (7.0, "##########"),
        (-1.0, "----------"),
    ],
)
def test_a_bar_is_full_only_when_all_is_done(share: float, drawn: str) -> None:
    assert bar(share, 10, plain=True).plain == drawn


@given(st.lists(st.floats(0, 1e6), max_size=6), st.integers(0, 60))
def test_parts_fill_the_bar_and_none_is_unseen(amounts: list[float], width: int) -> None:
    parts = [Part(amount, chr(ord("a") + at)) for at, amount in enumerate(amounts)]
    drawn = stacked(parts, width).plain
    there = {part.glyph for part in parts if part.amount > 0}
    if there and width >= len(there):
        assert len(drawn) == width
        assert set(drawn) == there
    else:
        assert drawn == ""


def test_parts_are_as_long_as_what_they_stand_for() -> None:
    assert stacked([Part(1, "a"), Part(3, "b")], 8).plain == "aabbbbbb"


COLUMNS = (
    Column("name", 10, 1),
    Column("size", 8, 2, right=True),
    Column("why", 10, 3, grows=True),
)


def test_a_table_keeps_the_columns_there_is_room_for() -> None:
    assert [column.name for column in Table(COLUMNS, 60).columns] == ["name", "size", "why"]
    assert [column.name for column in Table(COLUMNS, 30).columns] == ["name", "size"]
    assert [column.name for column in Table(COLUMNS, 12).columns] == ["name"]
    assert Table(COLUMNS, 60).width("why") == 60 - 10 - 8 - 4
    assert Table(COLUMNS, 12).width("why") == 0


@given(texts, texts, st.integers(10, 80))
def test_a_row_is_never_wider_than_the_table(name: str, why: str, width: int) -> None:
    table = Table(COLUMNS, width)
    row = table.row({"name": (name, ""), "size": ("12", "bold"), "why": (why, "")})
    assert row.cell_length <= width
    assert row.cell_length == table.head.cell_length
