"""The lines of the journal: what is written can be read, and nothing else can."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import inspect

from tests.core.specimens import specimen
from vsync_sm.core.errors import JournalError
from vsync_sm.core.events import (
    EVENTS,
    VERSION,
    CheckPassed,
    CycleFinished,
    Event,
    InsightGenerated,
    PathsListed,
    Record,
    RetryScheduled,
    RunStarted,
    Unknown,
)
from vsync_sm.core.insight import Insight
from vsync_sm.journal import codec
from vsync_sm.journal.codec import decode, encode, writable

SAMPLE = Path(__file__).parents[1] / "data" / "journal-v1.jsonl"
EVERY_EVENT = SAMPLE.with_name("events-v1.jsonl")
"""A line of each event, with all the fields that it had when it came."""

TS = "2026-11-01T10:00:00.000001Z"

# --- any record at all ------------------------------------------------------------------------

TEXT = st.text(st.characters(codec="utf-8"))
INTEGERS = st.integers(-(2**63), 2**64 - 1)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | INTEGERS | FLOATS | TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner),
    max_leaves=8,
)


def values(kind: inspect.Type) -> st.SearchStrategy[Any]:
    """Any value of a field, as msgspec describes its type."""
    match kind:
        case inspect.StructType():
            return instances(kind)
        case inspect.UnionType(types=types):
            return st.one_of([values(each) for each in types])
        case inspect.VarTupleType(item_type=item):
            return st.lists(values(item), max_size=3).map(tuple)
        case inspect.DictType(key_type=key, value_type=value):
            return st.dictionaries(values(key), values(value), max_size=3)
        case inspect.LiteralType(values=literals):
            return st.sampled_from(literals)
    return {
        inspect.StrType: TEXT,
        inspect.IntType: INTEGERS,
        inspect.FloatType: FLOATS,
        inspect.BoolType: st.booleans(),
        inspect.NoneType: st.none(),
        inspect.AnyType: JSON,
    }[type(kind)]


def instances(kind: inspect.StructType) -> st.SearchStrategy[Any]:
    return st.builds(kind.cls, **{field.name: values(field.type) for field in kind.fields})


def events(cls: type[Event]) -> st.SearchStrategy[Event]:
    kind = inspect.type_info(cls)
    assert isinstance(kind, inspect.StructType)
    return instances(kind)


def records(
    event: st.SearchStrategy[Event] | st.SearchStrategy[Unknown],
) -> st.SearchStrategy[Record]:
    return st.builds(
        Record,
        seq=st.integers(1, 2**64 - 1),
        ts=st.datetimes().map(lambda t: t.isoformat(timespec="microseconds") + "Z"),
        mono=st.integers(0, 2**64 - 1),
        run=TEXT.filter(bool),
        event=event,
        cycle=st.none() | st.integers(1, 2**64 - 1),
    )


def read(line: bytes) -> Record:
    return decode(line, line_number=7, byte=700)


@pytest.mark.parametrize("word", EVENTS)
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_what_is_written_is_read_back(word: str, data: st.DataObject) -> None:
    record = data.draw(records(events(EVENTS[word])))
    line = encode(record)
    assert read(line) == record
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")


@settings(deadline=None)
@given(records(st.builds(Unknown, TEXT, st.integers(VERSION + 1, 99), st.dictionaries(TEXT, JSON))))
def test_a_newer_program_s_line_survives_reading_and_writing(record: Record) -> None:
    assert isinstance(record.event, Unknown)
    for name in codec.ENVELOPE & record.event.fields.keys():
        del record.event.fields[name]
    assert read(encode(record)) == record


@settings(deadline=None)
@given(st.binary() | JSON.map(json.dumps).map(str.encode))
def test_anything_else_is_one_kind_of_error(line: bytes) -> None:
    with pytest.raises(JournalError) as caught:
        read(line)
    assert (caught.value.line, caught.value.byte) == (7, 700)


@settings(deadline=None)
@given(data=st.data())
def test_a_line_with_one_other_value_is_read_or_is_an_error(data: st.DataObject) -> None:
    line = data.draw(st.sampled_from(SAMPLE.read_bytes().splitlines()))
    fields = json.loads(line)
    fields[data.draw(st.sampled_from(sorted(fields)))] = data.draw(JSON)
    try:
        record = read(json.dumps(fields).encode())
    except JournalError:
        return
    assert isinstance(record, Record)


def outcome(way: Callable[[bytes], Record], line: bytes) -> Record | str:
    """What a way to read makes of a line: a record, or what is wrong with it."""
    try:
        return way(line)
    except ValueError as error:
        return str(error)


ODD = (
    *("null", "true", "1", "-0", "1.0", "1e0", "0", "-1", "01", "+1", "[]", "{}", '""', '"Z"'),
    *(str(2**63 - 1), str(2**63), str(2**64), "1" * 30, "1e400", "NaN"),
    *('"insight_generated"', '"\\u0069nsight_generated"', '"check_passed"', '"moon_landed"'),
    *('"\\ud800"', '"\\udc00\\ud800"', '"\\u0000"', '"\x00"', '"\ud800"', "\ufeff"),
    *(f'"{TS}"', f'"{TS[:-1]}"', f'"{TS[:-1]}+00:00"', f'"{TS.lower()}"', f'"{TS[:-1]}789Z"'),
    *(f'"{TS[:-1]}7891Z"', f'"{TS.replace("T", " ")}"', f'"{TS[:10]}"', f'"{TS}\\" "'),
    '"2026-11-31T10:00:00.000001Z"',
    '{"version":1,"updateTime":"2026-11-01T10:00:00Z"}',
    '{"version":9223372036854775808,"updateTime":"","type":"kvV2"}',
    '{"version":18446744073709551616,"updateTime":"","type":"kvV2"}',
    '{"type":"kvV2","updateTime":"","version":1,"more":0}',
)
"""What JSON may hold in place of a value, as text."""


def spoilt(line: bytes) -> Iterator[bytes]:
    """A line with one field in another form, left out, told twice, or more than it should have."""
    fields = {name: json.dumps(value) for name, value in json.loads(line).items()}
    for name in (*fields, "more"):
        others = [(each, text) for each, text in fields.items() if each != name]
        yield as_line(others)
        for odd in ODD:
            yield as_line([*others, (name, odd)])
            yield as_line([(name, odd), *fields.items()])
            yield as_line([*fields.items(), (name, odd)])


def as_line(fields: list[tuple[str, str]]) -> bytes:
    text = ", ".join(f"{json.dumps(name)}: {value}" for name, value in fields)
    return f"{{{text}}}".encode(errors="surrogatepass")


def test_an_insight_s_line_is_read_as_any_other_line_is() -> None:
    insight = Insight(3, "2026-11-01T10:00:00Z")
    event = InsightGenerated(worker=1, path="a/data/b", insight=insight, change="added")
    line = encode(Record(seq=4, ts=TS, mono=5, run="r1", event=event, cycle=2))
    for each in (line, line[:-2], line + b" x", *spoilt(line)):
        assert outcome(codec.decoded, each) == outcome(codec._decoded, each), each


@settings(deadline=None)
@given(st.lists(records(events(InsightGenerated)), max_size=4))
def test_insights_lines_are_written_as_any_other_line_is(several: list[Record]) -> None:
    lines = [orjson.dumps(codec._fields(each)) + b"\n" for each in several]
    assert codec.encode_insights(several) == b"".join(lines)
    assert [encode(each) for each in several] == lines


# --- the form of a line -----------------------------------------------------------------------


def test_the_keys_stand_in_their_order() -> None:
    event = PathsListed(paths=2, mounts={"secret/": 2})
    inside = Record(seq=9, ts=TS, mono=5, run="r1", event=event, cycle=3)
    assert encode(inside) == (
        b'{"v":1,"seq":9,"ts":"2026-11-01T10:00:00.000001Z","mono":5,"run":"r1","cycle":3,'
        b'"type":"paths_listed","paths":2,"mounts":{"secret/":2},"unchosen":{},"pruned":{},'
        b'"idle":[],"detailed":0}\n'
    )
    outside = msgspec.structs.replace(inside, cycle=None)
    assert list(json.loads(encode(outside))) == [
        "v", "seq", "ts", "mono", "run", "type", "paths", "mounts", "unchosen", "pruned", "idle",
        "detailed",
    ]  # fmt: skip


def test_no_event_has_a_field_that_hides_the_envelope() -> None:
    for cls in EVENTS.values():
        assert not codec.ENVELOPE & {field.name for field in msgspec.structs.fields(cls)}


def a_line(**changed: Any) -> bytes:
    fields: dict[str, Any] = {
        "v": 1, "seq": 1, "ts": TS, "mono": 0, "run": "r1",
        "type": "check_passed", "check": "c", "detail": "d",
    }  # fmt: skip
    fields |= changed
    return json.dumps({name: value for name, value in fields.items() if value != "-"}).encode()


def test_fields_that_came_later_have_defaults_and_those_we_lack_are_ignored() -> None:
    assert read(a_line(colour="red")).event == CheckPassed(check="c", detail="d", note="")


@pytest.mark.parametrize(
    "changed",
    [
        *({name: "-"} for name in ("v", "seq", "ts", "mono", "run", "type", "check")),
        {"v": 0},
        {"v": "1"},
        {"v": True},
        {"seq": 0},
        {"seq": 1.0},
        {"seq": "1"},
        {"seq": 2**64},
        {"mono": -1},
        {"run": ""},
        {"cycle": 0},
        {"cycle": "3"},
        {"type": 5},
        {"type": None},
        {"check": 5},
        {"check": None},
        {"ts": "yesterday"},
        {"ts": "2026-11-01T10:00:00"},
        {"ts": "2026-11-01T10:00:00+01:00"},
        {"ts": "2026-02-30T10:00:00Z"},
        {"ts": "2026-11-01 10:00:00Z"},
        {"ts": "2026-11-01T10:00:00.1234567891Z"},
        {"ts": 1793527200},
    ],
    ids=str,
)
def test_an_envelope_or_a_known_event_is_read_strictly(changed: dict[str, Any]) -> None:
    assert read(a_line()).seq == 1
    with pytest.raises(JournalError):
        read(a_line(**changed))


@pytest.mark.parametrize(
    "line",
    [b"", b"\n", b"\0\0\0", b"[]", b"null", b'"v"', b"[" * 5000, a_line()[:-1], a_line() * 2],
)
def test_a_line_is_one_object(line: bytes) -> None:
    with pytest.raises(JournalError):
        read(line)


def test_an_unknown_type_is_kept_as_it_is() -> None:
    record = read(a_line(type="moon_landed", cycle=4))
    assert record.event == Unknown("moon_landed", 1, {"check": "c", "detail": "d"})
    assert record.cycle == 4


def test_a_newer_version_is_not_guessed_at_even_when_its_type_is_known() -> None:
    assert read(a_line(v=2)).event == Unknown("check_passed", 2, {"check": "c", "detail": "d"})


# --- migrations -------------------------------------------------------------------------------


def test_every_older_version_has_its_migration() -> None:
    assert set(codec.MIGRATIONS) == set(range(1, VERSION))


def test_an_older_line_is_migrated_step_by_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codec, "VERSION", 3)
    monkeypatch.setitem(codec.MIGRATIONS, 1, lambda line: line | {"type": "test_passed"})
    monkeypatch.setitem(
        codec.MIGRATIONS,
        2,
        lambda line: line | {"type": "check_passed", "check": line["test"]},
    )
    record = read(a_line(type="probe_passed", check="-", test="consul"))
    assert record.event == CheckPassed(check="consul", detail="d")
    with pytest.raises(JournalError, match="not a line of version 1"):
        read(a_line(type="probe_passed"))


def test_no_event_and_no_field_of_an_older_line_is_lost() -> None:
    lines = EVERY_EVENT.read_bytes().splitlines()
    for line in lines:
        fields = orjson.loads(line)
        again = orjson.loads(encode(read(line)))
        lost = [name for name in fields if name not in again]
        assert not lost, f"{fields['type']}: a rename is a new version, with a migration"
        assert {name: again[name] for name in fields} == fields
    for word in EVENTS.keys() - {orjson.loads(line)["type"] for line in lines}:
        record = Record(len(lines) + 1, TS, 1, "run-1", specimen(EVENTS[word]))
        pytest.fail(f"add this line to {EVERY_EVENT.name}: {encode(record).decode()}")


def test_the_journal_of_the_first_release_is_read_for_ever() -> None:
    decoded = [read(line) for line in SAMPLE.read_bytes().splitlines()]
    assert [record.seq for record in decoded] == list(range(1, 229))
    assert not [record for record in decoded if isinstance(record.event, Unknown)]
    assert {record.run for record in decoded} == {"7f3a9c21d4e0", "0be4d2a6f183"}
    assert len({type(record.event) for record in decoded}) >= 39
    events = [record.event for record in decoded]
    assert next(event for event in events if isinstance(event, InsightGenerated)) == (
        InsightGenerated(
            worker=1,
            path="secret/data/app/db",
            insight=Insight(version=3, updateTime="2026-10-30T08:15:00.123456789Z"),
            change="added",
        )
    )
    outcomes = [event.outcome for event in events if isinstance(event, CycleFinished)]
    assert outcomes == ["saved", "unchanged", "refused", "saved", "aborted", "aborted", "aborted"]


# --- what JSON cannot hold --------------------------------------------------------------------


def around(event: Event | Unknown) -> Record:
    return Record(seq=1, ts=TS, mono=0, run="r1", event=event)


def started(**config: Any) -> RunStarted:
    return RunStarted(version="1", pid=1, host="h", once=False, config=config)


def test_half_a_surrogate_pair_is_refused_and_can_be_mended() -> None:
    record = around(CheckPassed(check="c", detail="a\ud800b", note="gr\u00fc\u00df \U0001f511"))
    with pytest.raises(ValueError, match="check_passed cannot be written"):
        encode(record)
    insight = InsightGenerated(
        worker=1, path="kv/data/\ud800", insight=Insight(1, TS), change="added"
    )
    with pytest.raises(ValueError, match="insight_generated cannot be written"):
        encode(around(insight))
    mended = writable(record)
    assert mended.event == CheckPassed(
        check="c", detail="a\ufffdb", note="gr\u00fc\u00df \U0001f511"
    )
    assert read(encode(mended)) == mended


def test_mending_reaches_every_corner() -> None:
    mended = writable(around(started(mounts=["\udfff"], limits={"\ud800": 1, "x": None})))
    assert mended.event == started(mounts=["\ufffd"], limits={"\ufffd": 1, "x": None})
    unknown = writable(around(Unknown("t", 2, {"x": "\ud800"})))
    assert unknown.event == Unknown("t", 2, {"x": "\ufffd"})


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_a_number_that_is_none_never_becomes_an_unreadable_line(number: float) -> None:
    record = around(
        RetryScheduled(what="read x", attempt=1, delay_s=number, kind="timeout", message="m")
    )
    with pytest.raises(ValueError, match="could not be read back"):
        encode(record)


def test_a_number_past_64_bits_is_refused() -> None:
    with pytest.raises(ValueError, match="run_started cannot be written"):
        encode(around(started(big=2**64)))


def test_a_word_that_looks_like_nothing_is_only_a_word() -> None:
    record = around(CheckPassed(check="null", detail="null"))
    assert read(encode(record)) == record


def test_a_time_in_which_a_backslash_stands_is_none() -> None:
    line = encode(around(InsightGenerated(1, "kv/data/a", Insight(1, TS), "added")))
    odd = line.replace(TS.encode(), b"2026\\\\u002d11-01T10:00:00Z", 1)  # no longer than one
    assert odd != line
    with pytest.raises(JournalError):
        read(odd)
