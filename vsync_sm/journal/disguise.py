"""The same journal with pseudonyms for names: still one that replay accepts.

What each field of each record holds is told by one table, so that a new one cannot slip through: a
text of which the table says nothing is taken for a free one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec
from msgspec.structs import replace

from vsync_sm.core import events as e
from vsync_sm.core import memory as m
from vsync_sm.core import shapes as s
from vsync_sm.core.checkpoint import checkpoint
from vsync_sm.core.errors import JournalError
from vsync_sm.core.insight import Insight
from vsync_sm.core.memory import Memory, memory_of
from vsync_sm.core.pseudonyms import LEFT_OUT, Pseudonyms
from vsync_sm.core.safety import allowance_id, items
from vsync_sm.core.view import View, view_of

_IDS_KEPT = 10_000
_WORD = re.compile(r"[A-Za-z0-9_ ]{0,40}")
_BY_PATH = ("vanished", "regressed", "failed")
_PATHS_OF_A_FAULT = frozenset(
    ("path", "last_path", "folder", "mount", "server_path", "file", "journal")
)

_CHANGES = frozenset(("added", "updated", "unchanged"))
_FIELD = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,40}", re.ASCII)

Change = Callable[["Disguise", Any], Any]


class Disguise:
    """Replaces the names in records, in order: some are known by what came before."""

    def __init__(self, names: Pseudonyms) -> None:
        self.names = names
        self._learning = False
        self._num_buckets = 0
        self._ids: dict[str, str] = {}
        self._cycle: dict[str, set[str]] = {}

    def learn(self, records: Iterable[e.Record]) -> None:
        """Know all names of a journal before one of its texts is rewritten. Damage ends it."""
        self._learning = True
        try:
            for record in records:
                self.record(record)
        except JournalError:
            pass
        self._learning, self._ids, self._num_buckets = False, {}, 0
        self.names.forget_texts()

    def records(self, records: Iterable[e.Record]) -> Iterator[e.Record]:
        """The same records without a name; so is the error that may end them."""
        try:
            yield from map(self.record, records)
        except JournalError as error:
            what, file = self.text(error.message), self.name(error.file)
            raise JournalError(what, line=error.line, byte=error.byte, file=file) from None

    def record(self, record: e.Record) -> e.Record:
        """One record without a name."""
        event = record.event
        if isinstance(event, e.InsightGenerated) and event.change in _CHANGES:  # nearly all
            return replace(record, event=replace(event, path=self.names.path(event.path)))
        if isinstance(event, e.Unknown):  # nobody here knows what its fields hold
            return replace(record, event=replace(event, fields={}))
        self._heed(event)
        if isinstance(event, e.SegmentOpened):
            return replace(record, event=self._segment_opened(event))
        if isinstance(event, e.SaveRefused):
            return replace(record, event=self._refused(event))
        changed: Any = self.struct(event)
        return replace(record, event=changed)

    def struct(self, value: msgspec.Struct) -> msgspec.Struct:
        """Any struct of records or of their folds."""
        plan = _PLANS.get(type(value))
        if plan is None:
            plan = _PLANS[type(value)] = _plan(type(value))
        changes = {name: change(self, getattr(value, name)) for name, change in plan}
        return replace(value, **changes) if changes else value

    # --- what must be known of those before ---

    def _heed(self, event: e.Event) -> None:
        if isinstance(event, e.CycleStarted):
            self._num_buckets = event.num_buckets
            self._cycle = {}
        elif isinstance(event, e.InsightVanished):
            self._cycle.setdefault("vanished", set()).add(event.path)
        elif isinstance(event, e.InsightRegressed):
            self._cycle.setdefault("regressed", set()).add(event.path)
        elif isinstance(event, e.PathFailed):
            self._cycle.setdefault("failed", set()).add(event.path)
        elif isinstance(event, e.InsightCarriedForward):
            self._cycle.setdefault("failed", set()).discard(event.path)

    def _refused(self, event: e.SaveRefused) -> e.SaveRefused:
        """Its id is a digest of what is refused: where it was right, the new one is, too."""
        changed: Any = self.struct(event)
        vanished, regressed, failed = (self._cycle.get(kind, set()) for kind in _BY_PATH)
        lines = items(vanished, regressed, failed, event.refusals)
        if allowance_id(lines) == event.allowance:
            self._remember(event.allowance, allowance_id(self.covers(lines)))
        refused: e.SaveRefused = replace(changed, allowance=self.id(event.allowance))
        return refused

    def _remember(self, old: str, new: str) -> None:
        if len(self._ids) >= _IDS_KEPT:
            del self._ids[next(iter(self._ids))]
        self._ids[old] = new

    def _segment_opened(self, event: e.SegmentOpened) -> e.SegmentOpened:
        try:
            view, memory = view_of(event), memory_of(event)
        except ValueError:  # of another vsync: nobody can begin here, with it or without it
            known: dict[str, Any] = {}
        else:
            self._num_buckets = view.num_buckets or self._num_buckets
            cycle = memory._cycle  # noqa: SLF001  what its lines before this one told
            if view.cycle is not None:
                self._num_buckets = view.cycle.num_buckets
            self._cycle = {kind: set(getattr(cycle, kind)) for kind in _BY_PATH}
            for refused in memory._refused.items():  # noqa: SLF001  the ids are made of them
                self._refused_before(*refused)
            changed: Any = self.struct(memory)
            seen: Any = self.struct(view)
            known = checkpoint(seen, changed)
        return replace(
            event,
            predecessor=self.name(event.predecessor),
            predecessor_sha256=self.names.digest(event.predecessor_sha256),
            checkpoint=known,
        )

    def _refused_before(self, old: str, refused: m.Refused) -> None:
        if allowance_id(refused.covers) == old:
            self._remember(old, allowance_id(self.covers(refused.covers)))

    # --- kinds of values ---

    def keep(self, value: Any) -> Any:
        """As it is."""
        return value

    def own(self, value: Any) -> Any:
        """A time, an id, a word that vsync chose; a struct of that name is looked into."""
        return value if isinstance(value, str) else self.any(value)

    def word(self, value: Any) -> Any:
        """One of vsync's own words; else a text."""
        if not isinstance(value, str):
            return self.any(value)
        return value if _WORD.fullmatch(value) else self.text(value)

    def any(self, value: Any) -> Any:
        """What has names only in structs within it."""
        if isinstance(value, msgspec.Struct):
            return self.struct(value)
        if isinstance(value, tuple | list):
            return type(value)(map(self.any, value))
        if isinstance(value, dict):
            return {name: self.any(each) for name, each in value.items()}
        return self.text(value) if isinstance(value, str) else value

    def name(self, value: str) -> str:
        """A host, a user, a file: one name, whatever stands in it."""
        return self.names.segment(value) if value else value

    def paths(self, value: Any) -> Any:
        """A path, several, or something by path or mount."""
        if isinstance(value, str):
            return self.names.path(value)
        if isinstance(value, dict):
            return {self.names.path(name): self.any(each) for name, each in value.items()}
        if isinstance(value, tuple | list | set | frozenset):
            return type(value)(map(self.paths, value))
        return self.any(value)

    def accessors(self, value: dict[str, str]) -> dict[str, str]:
        """By mount."""
        return {self.names.path(mount): self.name(each) for mount, each in value.items()}

    def keys(self, value: Any) -> Any:
        """A key in Consul or a prefix, several, or something by prefix."""
        if isinstance(value, str):
            return self.names.key(value, self._num_buckets)
        if isinstance(value, dict):
            return {self.keys(name): self.any(each) for name, each in value.items()}
        return type(value)(map(self.keys, value))

    def vanished(self, value: list[tuple[int, str, dict[str, int]]]) -> list[Any]:
        """What saves let vanish: when, under which prefix, by mount."""
        return [(when, self.keys(prefix), self.paths(n)) for when, prefix, n in value]

    def text(self, value: Any) -> Any:
        """A sentence, of vsync or of a server."""
        if not isinstance(value, str):
            return self.any(value)
        if self._learning:
            return value
        for old, new in self._ids.items():
            if old in value:
                value = value.replace(old, new)
        return self.names.text(value, self._num_buckets)

    def request(self, value: str) -> str:
        """What was asked for: a verb, and mostly a path, in which anything may stand."""
        verb, space, rest = value.partition(" ")
        with_metadata = " with metadata"
        tail = with_metadata if rest.endswith(with_metadata) else ""
        rest = rest.removesuffix(tail)
        if "/" in verb or not verb.isalpha():
            return self.names.path(value)
        changed = self.names.path(rest) if "/" in rest else self.text(rest)
        return f"{verb}{space}{changed}{tail}"

    def said(self, value: str) -> str:
        """What people wrote."""
        return LEFT_OUT if value else ""

    def digest(self, value: str) -> str:
        """A digest of what holds paths."""
        return self.names.digest(value)

    def id(self, value: str) -> str:
        """The id of a refusal, which is a digest of paths, too."""
        return self._ids.get(value) or self.names.digest(value)

    def ids(self, value: dict[str, Any]) -> dict[str, Any]:
        """Something by id."""
        return {self.id(name): self.any(each) for name, each in value.items()}

    def command(self, value: str) -> str:
        """`sync`, or `allow <id>`."""
        word, space, argument = value.partition(" ")
        return f"{self.word(word)}{space}{self.id(argument) if argument else ''}"

    def covers(self, value: frozenset[str]) -> frozenset[str]:
        """What a yes covers: `vanished secret/data/a`, or a rule and what it is about."""
        return frozenset(map(self._cover, value))

    def _cover(self, line: str) -> str:
        word, space, rest = line.partition(" ")
        if word in _BY_PATH:
            return f"{word}{space}{self.names.path(rest)}"
        return f"{word}{space}{self._item(rest)}"

    def items(self, value: tuple[str, ...]) -> tuple[str, ...]:
        """What a rule refuses besides paths: numbers and keys of buckets, cycles."""
        return tuple(map(self._item, value))

    def _item(self, item: str) -> str:
        return str(self.bucket(int(item))) if item.isdigit() else self.text(item)

    def idle(self, value: tuple[str, ...]) -> tuple[str, ...]:
        """What no path fits: a folder, or a folder and a pattern."""
        return tuple(map(self._unfit, value))

    def _unfit(self, idle: str) -> str:
        folder, include, pattern = idle.partition(" include ")
        return f"{self.names.path(folder)}{include}{self.names.pattern(pattern)}"

    def bucket(self, value: int) -> int:
        """A bucket's number."""
        return self.names.bucket(value, self._num_buckets)

    def buckets(self, value: dict[int, Any]) -> dict[int, Any]:
        """Something by bucket."""
        return {self.bucket(number): self.any(each) for number, each in value.items()}

    def context(self, value: dict[str, str]) -> dict[str, str]:
        """What a fault is about, by name."""
        return {self.text(name): self._about(name, each) for name, each in value.items()}

    def _about(self, name: str, value: str) -> str:
        if name in _PATHS_OF_A_FAULT:
            return self.names.path(value)
        if name == "key":
            return self.names.key(value, self._num_buckets)
        if name == "allowance":
            return self.id(value)
        if name in {"sample", "paths"}:
            return ", ".join(map(self.names.path, value.split(", ")))
        if name == "bucket" and value.isdigit():
            return str(self.bucket(int(value)))
        return str(self.text(value))

    def config(self, value: Any, name: str = "") -> Any:
        """A run's configuration: its own words and numbers stay, every other text is a name."""
        if isinstance(value, dict):
            return {
                each if _FIELD.fullmatch(each) else self.name(each): self.config(inner, each)
                for each, inner in value.items()
            }
        if isinstance(value, list | tuple):
            return [self.config(each, name) for each in value]
        if not isinstance(value, str) or name in _PLAIN:
            return self.word(value) if isinstance(value, str) else value
        if name in {"include", "exclude"}:
            return self.names.pattern(value)
        if "://" in value:
            return self._url(value)
        return self.name(value) if value.startswith("/") else self.names.path(value)

    def _url(self, url: str) -> str:
        scheme, _, rest = url.partition("://")
        host, slash, path = rest.partition("/")
        name, colon, port = host.rpartition(":")
        if colon and port.isdigit():
            return f"{scheme}://{self.name(name)}:{port}{slash}{self.names.path(path)}"
        return f"{scheme}://{self.name(host)}{slash}{self.names.path(path)}"


_PLAIN = frozenset(("level", "type", "detail", "detailedMetadata", "method"))
"""Fields of the configuration whose values are words of vsync's own."""

_D = Disguise
_RULES: dict[str, Change] = {
    **dict.fromkeys(("ts", "type", "trigger", "source", "dest", "reason", "state"), _D.keep),
    **dict.fromkeys(("version", "run", "id", "asked", "started", "finished"), _D.own),
    **dict.fromkeys(("outcome", "rule", "kind", "condition", "word", "server"), _D.word),
    **dict.fromkeys(("change", "through", "signal", "method", "name"), _D.word),
    **dict.fromkeys(("saved_run", "crashed_run", "phases"), _D.keep),
    **dict.fromkeys(("last_success", "last_complete"), _D.keep),  # an event's, the view's
    **dict.fromkeys(("path", "folder", "mount", "mounts", "sample", "added", "updated"), _D.paths),
    **dict.fromkeys(("vanished", "regressed", "carried", "failed", "unasked"), _D.paths),
    **dict.fromkeys(("unchosen", "pruned", "by_mount", "insights"), _D.paths),
    **dict.fromkeys(("message", "hint", "detail", "note", "check", "refused"), _D.text),
    **dict.fromkeys(("host", "by", "accessor", "aside", "control"), _D.name),
    **dict.fromkeys(("conditions", "checkpoint", "predecessor", "fields"), _D.any),
    **dict.fromkeys(("index_key", "key", "prefix", "stale", "doubtful"), _D.keys),
    **dict.fromkeys(("known", "remembered"), _D.keys),
    **dict.fromkeys(("index", "digest", "sha256", "predecessor_sha256"), _D.digest),
    "idle": _D.idle,
    "what": _D.text,
    "why": _D.text,
    "command": _D.command,
    "context": _D.context,
    "config": _D.config,
    "items": _D.items,
    "covers": _D.covers,
    "accessors": _D.accessors,
    "bucket": _D.bucket,
    "buckets": _D.buckets,
    "allowance": _D.id,
}
_OF: dict[tuple[type, str], Change] = {
    (Insight, "updateTime"): _D.keep,
    (e.RetryScheduled, "what"): _D.request,
    (e.InsightSkipped, "why"): _D.word,
    (e.AllowanceSpent, "why"): _D.word,
    (e.TickerPaused, "why"): _D.said,
    (s.Pause, "why"): _D.said,
    (e.Notified, "detail"): _D.said,
    (e.Notified, "through"): _D.name,
    (e.CommandReceived, "uid"): lambda *_: None,
    (e.CommandReceived, "pid"): lambda *_: None,
    (e.SyncInfoRead, "insights"): _D.keep,
    (e.SyncInfoRead, "buckets"): _D.keep,
    (e.BucketReindexed, "insights"): _D.keep,
    (s.BucketSeen, "insights"): _D.keep,
    (s.Tally, "buckets"): _D.keep,
    (Memory, "allowance"): _D.any,
    (View, "allowance"): _D.any,
    (m.Allowance, "id"): _D.id,
    (m.Allowance, "refused"): _D.any,
    (Memory, "_refused"): _D.ids,
    (Memory, "_refused_at"): _D.ids,
    (Memory, "_vanished"): _D.vanished,
    (Memory, "crashed"): _D.keep,
    (e.SaveRefused, "allowance"): _D.keep,  # see `Disguise._refused`
}
_PLANS: dict[type, tuple[tuple[str, Change], ...]] = {}


_NUMBERS = (int, float, bool, int | None, float | None)


def unruled(cls: type[msgspec.Struct]) -> Iterator[str]:
    """The fields of a struct that may hold texts, and of which the tables say nothing."""
    for field in msgspec.structs.fields(cls):
        if _rule(cls, field.name) is None and _holds_text(field.type):
            yield field.name


def _plan(cls: type) -> tuple[tuple[str, Change], ...]:
    plan = []
    for field in msgspec.structs.fields(cls):
        rule = _rule(cls, field.name) or _D.any
        ruled = rule is _D.bucket or (cls, field.name) in _OF
        if rule is not _D.keep and (ruled or field.type not in _NUMBERS):
            plan.append((field.name, rule))
    return tuple(plan)


def _rule(cls: type, name: str) -> Change | None:
    return _OF.get((cls, name)) or _RULES.get(name.lstrip("_"))


def _holds_text(kind: Any) -> bool:
    if kind is str or kind is Any:
        return True
    return any(map(_holds_text, getattr(kind, "__args__", ())))
