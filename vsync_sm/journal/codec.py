"""One line of the journal, and the record that it holds.

A line is one JSON object: `v`, `seq`, `ts`, `mono`, `run`, `cycle` (absent outside cycles),
`type`, then the event's own fields. The first seven never change their meaning, so that a line of
any version can be placed; what an older version wrote differently is migrated before it is read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
import orjson
from msgspec import Meta

from vsync_sm.core.errors import JournalError
from vsync_sm.core.events import (
    EVENTS,
    VERSION,
    Event,
    InsightGenerated,
    Record,
    SegmentOpened,
    Unknown,
)
from vsync_sm.core.insight import Insight
from vsync_sm.core.ready import ready

Fields = dict[str, Any]
"""A line as parsed: envelope and event side by side."""

MIGRATIONS: dict[int, Callable[[Fields], Fields]] = {}
"""From a version to what turns its lines into lines of the next one."""

ENVELOPE = frozenset(("v", "seq", "ts", "mono", "run", "cycle", "type"))
"""The names that no event may use for a field of its own."""


_LONGEST_TS = len("2026-11-02T10:00:00.123456789Z")


class _Envelope(msgspec.Struct, frozen=True, gc=False):
    """What every line has, of whatever version. `datetime` only proves that `ts` is a time."""

    v: Annotated[int, Meta(ge=1)]
    seq: Annotated[int, Meta(ge=1)]
    ts: Annotated[datetime, Meta(tz=True)]
    mono: Annotated[int, Meta(ge=0)]
    run: Annotated[str, Meta(min_length=1)]
    type: str
    cycle: Annotated[int, Meta(ge=1)] | None = None


_MOST = (1 << 63) - 1
_Number = Annotated[int, Meta(ge=0, le=_MOST)]
_FromOne = Annotated[int, Meta(ge=1, le=_MOST)]


class _InsightLine(
    msgspec.Struct,
    frozen=True,
    gc=False,
    kw_only=True,
    omit_defaults=True,
    forbid_unknown_fields=True,
):
    """A whole line of the type that nearly all lines have, in the version that we write.

    It takes less than `_Envelope` and the event do, both ways: what it does not take is read by
    them. Its fields stand in the order in which a line has them.
    """

    v: Annotated[int, Meta(ge=VERSION, le=VERSION)]
    seq: _FromOne
    ts: str
    mono: _Number
    run: Annotated[str, Meta(min_length=1)]
    cycle: _FromOne | None = None
    type: Literal["insight_generated"]
    worker: Annotated[int, Meta(le=_MOST)]
    path: str
    insight: Insight
    change: str


ready(_Envelope, _InsightLine, *EVENTS.values())

_insight_line = msgspec.json.Decoder(_InsightLine).decode
_lines = msgspec.json.Encoder().encode_lines
_time = msgspec.json.Decoder(Annotated[datetime, Meta(tz=True)]).decode


def encode(record: Record) -> bytes:
    """One line, with its newline.

    Raises:
        ValueError: the record holds what JSON cannot (half a surrogate pair, an integer past 64
            bits, a number that is none): see `writable`.
    """
    event = record.event
    if type(event) is InsightGenerated:  # nearly every line
        return encode_insights((record,))
    fields = _fields(record)
    try:
        line = orjson.dumps(fields, option=orjson.OPT_APPEND_NEWLINE)
    except orjson.JSONEncodeError as error:
        raise ValueError(f"{fields['type']} cannot be written as JSON: {error}") from None
    # Rare: nothing is there, or it is orjson's word for NaN and infinity. A checkpoint may be
    # large, and was read back when it was made.
    if type(event) is not SegmentOpened and b"null" in line:
        _prove_readable(line)
    return line


def encode_insights(records: Sequence[Record]) -> bytes:
    """The lines of records that all hold an `InsightGenerated`.

    They are what any other event's would be. (Its numbers have at most 63 bits: Vault's replies are
    held to that.)

    Raises:
        ValueError: one of them cannot be written.
    """
    lines = []
    for record in records:
        event: Any = record.event
        line = _InsightLine(
            v=VERSION,
            seq=record.seq,
            ts=record.ts,
            mono=record.mono,
            run=record.run,
            cycle=record.cycle,
            type="insight_generated",
            worker=event.worker,
            path=event.path,
            insight=event.insight,
            change=event.change,
        )
        lines.append(line)
    try:
        return _lines(lines)
    except ValueError as error:
        raise ValueError(f"insight_generated cannot be written as JSON: {error}") from None


def _fields(record: Record) -> Fields:
    event = record.event
    fields: Fields = {
        "v": VERSION,
        "seq": record.seq,
        "ts": record.ts,
        "mono": record.mono,
        "run": record.run,
    }
    if record.cycle is not None:
        fields["cycle"] = record.cycle
    if isinstance(event, Unknown):
        fields |= {"v": event.version, "type": event.type, **event.fields}
        return fields
    fields |= msgspec.to_builtins(event)
    return fields


def _prove_readable(line: bytes) -> None:
    try:
        decode(line, line_number=0, byte=0)
    except JournalError as error:
        raise ValueError(f"this line could not be read back: {error.message}") from None


def writable(record: Record) -> Record:
    """The same record with every character that UTF-8 cannot hold replaced by `\\ufffd`.

    Servers and operating systems hand such text over; an error message must not end a run.
    """
    event = record.event
    if isinstance(event, Event):
        return msgspec.structs.replace(
            record, event=msgspec.convert(_mend(msgspec.to_builtins(event)), type(event))
        )
    return msgspec.structs.replace(
        record, event=msgspec.structs.replace(event, fields=_mend(event.fields))
    )


def _mend(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {_mend(name): _mend(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_mend(each) for each in value]
    return value


def decode(line: bytes, *, line_number: int, byte: int, file: str = "") -> Record:
    """The record of one line (its newline may be there or not).

    A known event's fields are read strictly, and fields that it does not have are ignored; an
    unknown type or a version newer than ours becomes `Unknown`.

    Args:
        line: the bytes of the line.
        line_number: from 1, and
        byte: where in the file the line begins, and
        file: that file's name where the journal has several: for the error alone.

    Raises:
        JournalError: this is no line of a journal.
    """
    try:
        return decoded(line)
    except ValueError as error:
        raise JournalError(str(error), line=line_number, byte=byte, file=file) from None


def decoded(line: bytes) -> Record:
    """The same, for who can tell by itself where the line stands. Raises ValueError."""
    try:
        told = _insight_line(line)
        ts, insight = told.ts, told.insight
        _time(f'"{ts}"')
    except ValueError:
        return _decoded(line)
    # A backslash in the text would be taken for an escape, and the time for a good one.
    if "\\" in ts or not _as_a_journal_has_it(ts) or insight.version > _MOST:
        return _decoded(line)
    event = InsightGenerated(
        worker=told.worker, path=told.path, insight=insight, change=told.change
    )
    return Record(told.seq, ts, told.mono, told.run, event, told.cycle)


def _as_a_journal_has_it(ts: str) -> bool:
    """Whether what is a datetime is also an RFC 3339 time in UTC, in nanoseconds at the most."""
    return ts[-1] == "Z" and ts[10] != " " and len(ts) <= _LONGEST_TS


def _decoded(line: bytes) -> Record:
    fields = orjson.loads(line)
    envelope = msgspec.convert(fields, _Envelope)
    ts = fields["ts"]
    if not ts.endswith("Z"):
        raise ValueError("ts is not in UTC")
    if not _as_a_journal_has_it(ts):
        raise ValueError(f"ts is no time as a journal has it: {ts[:40]}")
    version = envelope.v
    cls = EVENTS.get(envelope.type)
    if version < VERSION:
        fields, cls = _migrate(fields, version)
    event = (
        msgspec.convert(fields, cls)
        if cls is not None and version <= VERSION
        else _unknown(fields, envelope)
    )
    return Record(
        seq=envelope.seq,
        ts=ts,
        mono=envelope.mono,
        run=envelope.run,
        event=event,
        cycle=envelope.cycle,
    )


def _migrate(fields: Fields, version: int) -> tuple[Fields, type[Event] | None]:
    try:
        for older in range(version, VERSION):
            fields = MIGRATIONS[older](fields)
        return fields, EVENTS.get(fields["type"])
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise ValueError(f"not a line of version {version}: {error!r}") from None


def _unknown(fields: Fields, envelope: _Envelope) -> Unknown:
    own = {name: value for name, value in fields.items() if name not in ENVELOPE}
    return Unknown(type=envelope.type, version=envelope.v, fields=own)
