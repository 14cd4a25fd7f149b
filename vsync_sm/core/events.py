"""Every fact that a journal may hold: one frozen class each, named in the past tense.

A `Record` is one line: the envelope (`seq`, `ts`, `mono`, `run`, `cycle`) around one event. What
is not a record did not happen. Adding a field with a default keeps old journals readable;
anything else asks for a new `VERSION` and a migration in `journal.codec`.

Times: `ts` is UTC, RFC 3339 with microseconds; `mono` is nanoseconds since the run began, and
durations come only from it. Fields that end in `_s` are seconds, in `_bytes` bytes. `path` is
always the absolute data path (`<mount>data/<path>`), `folder` is relative to its mount.
"""

from __future__ import annotations

from typing import Any

import msgspec

from vsync_sm.core.insight import Insight

VERSION = 1
"""The schema version that this program writes (`v` in each line)."""


class Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", gc=False):
    """What all facts have in common: a type, which is the word in the journal."""

    @property
    def type(self) -> str:
        """The word in the journal."""
        return _word(type(self))


# --- the run ---------------------------------------------------------------------------------


class RunStarted(Event, frozen=True, tag="run_started"):
    """The program begins. `config` is the whole configuration without secrets.

    Of it, what the view measures by: `tick_s`, `timeout_s`, and Consul's limit of one value.
    `control` is the control socket's path as this process sees it ("": there is none).
    `journal_hours` is about how many hours of journal fit its budget (None: nobody knows yet).
    """

    version: str
    pid: int
    host: str
    once: bool
    config: dict[str, Any]
    tick_s: float = 60.0
    timeout_s: float = 300.0
    value_limit_bytes: int = 524288
    control: str = ""
    journal_hours: float | None = None


class CheckPassed(Event, frozen=True, tag="check_passed"):
    """One start-up check succeeded; `note` is a kind word to the operator, mostly empty.

    `server`, here and in what follows, is `Vault` or `Consul` where it was one's doing.
    """

    check: str
    detail: str
    note: str = ""
    server: str = ""


class CheckFailed(Event, frozen=True, tag="check_failed"):
    """One start-up check failed, in another way than before; a fault follows, or another try."""

    check: str
    kind: str
    message: str
    hint: str
    server: str = ""


class ChecksPostponed(Event, frozen=True, tag="checks_postponed"):
    """What the start-up checks need is not there yet: they are tried again after `delay_s`.

    `tries` were made so far, the first of them `waited_s` ago. `kind`, `message` and `hint` are
    those of what the last one failed by first.
    """

    tries: int
    waited_s: float
    delay_s: float
    kind: str
    message: str
    hint: str = ""
    server: str = ""


class RunRecovered(Event, frozen=True, tag="run_recovered"):
    """An earlier run ended without `run_finished`: where it was, and what it left open."""

    crashed_run: str
    state: str
    open_cycle: int | None = None
    open_save: bool = False


class RunFinished(Event, frozen=True, tag="run_finished"):
    """The program ends by itself; `why` is for a human."""

    exit_code: int
    why: str


# --- the machine -----------------------------------------------------------------------------


class Transitioned(Event, frozen=True, tag="transitioned"):
    """The machine moved. `reason` is set on `abort` and `halt`."""

    trigger: str
    source: str
    dest: str
    reason: str = ""


class TriggerIgnored(Event, frozen=True, tag="trigger_ignored"):
    """A trigger that the state does not take; nothing has changed."""

    trigger: str
    state: str


# --- the cycle -------------------------------------------------------------------------------


class CycleStarted(Event, frozen=True, tag="cycle_started"):
    """A cycle begins. `asked` says by what: `tick`, `signal` or `command`.

    `next_tick` is when the next one is due (`mono`, ns), unless somebody asks for it before.
    """

    mounts: tuple[str, ...]
    workers: int
    num_buckets: int
    deadline_s: float
    asked: str = "tick"
    next_tick: int = 0


class MountChecked(Event, frozen=True, tag="mount_checked"):
    """A mount is KV v2; the accessor tells it from a mount made anew under the same path."""

    mount: str
    version: str
    accessor: str


class SyncInfoRead(Event, frozen=True, tag="sync_info_read"):
    """The former sync info was read; `index` is SHA-256 of the index's bytes ("": none there)."""

    prefix: str
    insights: int
    buckets: int
    index: str
    num_buckets: int | None = None


class FolderListed(Event, frozen=True, tag="folder_listed"):
    """One folder was listed; `paths` of its names are secrets, `folders` are folders.

    `detailed` of the paths came with their metadata, by so many detailed lists (`lists`) after it.
    """

    mount: str
    folder: str
    paths: int
    folders: int
    detailed: int = 0
    lists: int = 0


class DetailedListFailed(Event, frozen=True, tag="detailed_list_failed"):
    """A folder's metadata could not be had by a detailed list: its paths are read one by one.

    That holds for the rest of the run, and when it is `over`, for all of the mount.
    """

    mount: str
    folder: str
    kind: str
    message: str
    over: bool = False


class PathsListed(Event, frozen=True, tag="paths_listed"):
    """Listing is complete: how many paths, over all and by mount.

    By mount too, what lists named and the configuration does not choose: `unchosen` paths, and
    `pruned` folders, which were not listed themselves. `idle` is what of `origin.paths` no path
    fits: a folder, or a pattern that includes. `detailed` of the paths came with their metadata:
    they end without a read.
    """

    paths: int
    mounts: dict[str, int]
    unchosen: dict[str, int] = {}
    pruned: dict[str, int] = {}
    idle: tuple[str, ...] = ()
    detailed: int = 0


class WorkerStarted(Event, frozen=True, tag="worker_started"):
    """Workers count from 1."""

    worker: int


class WorkerStopped(Event, frozen=True, tag="worker_stopped"):
    """A worker ended, having ended that many paths.

    `abandoned`: a thread has not come back, its own or the one that reads for all, from its last.
    """

    worker: int
    paths: int
    abandoned: bool = False


class InsightGenerated(Event, frozen=True, tag="insight_generated"):
    """A path's metadata became an insight. `change`: `added`, `updated` or `unchanged`."""

    worker: int
    path: str
    insight: Insight
    change: str


class InsightsUnchanged(Event, frozen=True, tag="insights_unchanged"):
    """So many paths that a worker read are unchanged; which they are is not told.

    In place of `insight_generated`, where `journal.detail` is `changes`.
    """

    worker: int
    count: int


class InsightSkipped(Event, frozen=True, tag="insight_skipped"):
    """A path has no insight. `why`: `deleted`, `destroyed`, `no_version` or `gone`."""

    worker: int
    path: str
    why: str


class PathFailed(Event, frozen=True, tag="path_failed"):
    """A path could not be read; the cycle goes on."""

    worker: int
    path: str
    kind: str
    message: str
    server: str = ""


class InsightCarriedForward(Event, frozen=True, tag="insight_carried_forward"):
    """A failed path keeps the insight last saved, for the `cycles`-th cycle in a row."""

    path: str
    insight: Insight
    cycles: int


class PathAbandoned(Event, frozen=True, tag="path_abandoned"):
    """A path that a worker had taken when the cycle was aborted."""

    worker: int
    path: str


class RetryScheduled(Event, frozen=True, tag="retry_scheduled"):
    """A request failed and is tried again after `delay_s`."""

    what: str
    attempt: int
    delay_s: float
    kind: str
    message: str
    server: str = ""


class BusyWorker(msgspec.Struct, frozen=True):
    """A worker, its path, and since when (`mono`, ns)."""

    worker: int
    path: str
    since: int


class WorkersObserved(Event, frozen=True, tag="workers_observed"):
    """Once a second in `working`: what each busy worker is at."""

    busy: tuple[BusyWorker, ...]


class InsightVanished(Event, frozen=True, tag="insight_vanished"):
    """A path of the former sync info that the new one lacks.

    `unchosen`: the configuration does not choose it, whatever Vault holds: nobody asked there.
    """

    path: str
    insight: Insight
    unchosen: bool = False


class InsightRegressed(Event, frozen=True, tag="insight_regressed"):
    """A path whose new insight is older than the former one."""

    path: str
    former: Insight
    insight: Insight


class BucketReindexed(Event, frozen=True, tag="bucket_reindexed"):
    """A bucket's digest, for each bucket that differs from what lies in Consul."""

    bucket: int
    insights: int
    size_bytes: int
    digest: str


class LateResultDropped(Event, frozen=True, tag="late_result_dropped"):
    """Facts of a cycle that is over came in after all, and were dropped."""

    late_cycle: int
    count: int


class Requests(msgspec.Struct, frozen=True):
    """Requests sent to each server."""

    vault: int = 0
    consul: int = 0


class CycleFinished(Event, frozen=True, tag="cycle_finished"):
    """A cycle is over. `outcome`: `saved`, `unchanged`, `refused` or `aborted`.

    The ends of the paths add up: generated + skipped + failed + abandoned + unsent = listed.
    `added`, `updated`, `unchanged`, `vanished` and `regressed` compare with the former sync info,
    as far as the cycle came. `phases` holds the seconds in each phase that was entered.
    """

    outcome: str
    reason: str = ""
    listed: int = 0
    generated: int = 0
    skipped: int = 0
    failed: int = 0
    carried: int = 0
    abandoned: int = 0
    unsent: int = 0
    added: int = 0
    updated: int = 0
    unchanged: int = 0
    vanished: int = 0
    regressed: int = 0
    requests: Requests = Requests()
    phases: dict[str, float] = {}


# --- the save --------------------------------------------------------------------------------


class SavedKey(msgspec.Struct, frozen=True):
    """A key that a save writes: the ModifyIndex it must have (0: absent), SHA-256 of the value."""

    key: str
    modify_index: int
    sha256: str


class SaveStarted(Event, frozen=True, tag="save_started"):
    """Synced to disk before the first byte goes to Consul. `index` is SHA-256 of the index to be.

    `vanished` counts by mount the paths that leave without having been allowed to, `allowance`
    is the id of the yes that covers the others. `insights` counts by mount all that it saves.
    """

    index: str
    index_key: str
    index_modify_index: int
    keys: tuple[SavedKey, ...]
    stale: tuple[str, ...] = ()
    vanished: dict[str, int] = {}
    insights: dict[str, int] = {}
    allowance: str = ""


class SaveCommitted(Event, frozen=True, tag="save_committed"):
    """Consul holds what was meant. `settled`: a reading back said so, not the write's own reply."""

    index: str
    keys: int
    settled: bool = False


class SaveSkipped(Event, frozen=True, tag="save_skipped"):
    """Consul holds it already; nothing was written."""

    index: str


class Refusal(msgspec.Struct, frozen=True):
    """One safety rule that refuses: `rule`, the mount it is about ("": over all), `count` of `of`.

    `limit` is the share (of 1) that would have been let pass, where the rule has one. `items`
    name what is refused besides vanished, regressed and failed paths.
    """

    rule: str
    mount: str = ""
    count: int = 0
    of: int = 0
    limit: float = 0.0
    items: tuple[str, ...] = ()


class SaveRefused(Event, frozen=True, tag="save_refused"):
    """A safety rule forbids the save. `allowance` is the id that would allow it.

    The whole set stands before it, an event a path; `vanished` and `regressed` count it by mount.
    `insights` counts by mount what would have been saved: a yes is one to no less than that.
    `unchosen` counts those of the vanished that the configuration does not choose any more.
    """

    refusals: tuple[Refusal, ...]
    vanished: dict[str, int]
    regressed: dict[str, int]
    sample: tuple[str, ...]
    allowance: str
    insights: dict[str, int] = {}
    unchosen: dict[str, int] = {}


class SaveFailed(Event, frozen=True, tag="save_failed"):
    """Consul does not hold what was meant; `written` says whether some of it was written."""

    kind: str
    message: str
    written: bool


class SaveUncertain(Event, frozen=True, tag="save_uncertain"):
    """No reply, and the settling read failed too: the next cycle's first read tells."""

    message: str


class SaveReconciled(Event, frozen=True, tag="save_reconciled"):
    """How a save that was left open did end. `outcome`: `committed` or `failed`.

    `written` says whether any of it lies in Consul.
    """

    saved_run: str
    saved_cycle: int
    outcome: str
    written: bool = True


class AllowanceGranted(Event, frozen=True, tag="allowance_granted"):
    """A human said yes to what was refused under this id."""

    allowance: str
    by: str
    through: str


class AllowanceSpent(Event, frozen=True, tag="allowance_spent"):
    """The yes is used up. `why`: `saved` or `expired`."""

    allowance: str
    why: str


# --- around it -------------------------------------------------------------------------------


class FaultRaised(Event, frozen=True, tag="fault_raised"):
    """Something went wrong, with what a human needs to mend it."""

    kind: str
    fatal: bool
    message: str
    hint: str = ""
    context: dict[str, str] = {}


class SignalReceived(Event, frozen=True, tag="signal_received"):
    """The operating system sent a signal; `again` when it is the second that asks for a halt."""

    signal: str
    number: int
    again: bool = False


class CommandReceived(Event, frozen=True, tag="command_received"):
    """Somebody asked for something: what, who, through what.

    `command` is `sync`, `pause`, `resume`, `abort`, `allow <id>` or `halt`; `through` says
    `command line`, `control socket` or `console`. `uid` and `pid` are the peer's, as the kernel
    tells them of a socket. `refused` says why it was not done ("": it was).
    """

    command: str
    by: str
    through: str
    uid: int | None = None
    pid: int | None = None
    refused: str = ""


class TickerPaused(Event, frozen=True, tag="ticker_paused"):
    """From now on, and in later runs, no cycle begins by itself."""

    by: str
    through: str
    why: str = ""


class TickerResumed(Event, frozen=True, tag="ticker_resumed"):
    """Cycles begin by themselves again."""

    by: str
    through: str


class ServerConditionChanged(Event, frozen=True, tag="server_condition_changed"):
    """A server (`Vault` or `Consul`) is in another condition than it was last seen in.

    `condition` is `answering`, or the word of the fault that it last gave.
    """

    server: str
    condition: str
    message: str = ""


class OriginHealed(Event, frozen=True, tag="origin_healed"):
    """A cycle was complete, after a human had been told that none was.

    `cycles` in a row had not been complete before it, `last_success` is when the last one was
    before them (`ts`, "": none that the journal knows of).
    """

    cycles: int
    last_success: str = ""


class TokenRenewed(Event, frozen=True, tag="token_renewed"):
    """Vault's token was renewed, or replaced by a fresh one (`login`).

    `method` is how it is got: `token`, `token file`, `approle`, `kubernetes` or `jwt`. `lease_s`
    is how long it lives now, 0 for ever, None where nobody has told.
    """

    method: str
    login: bool
    lease_s: int | None = None
    renewable: bool = True


class Notified(Event, frozen=True, tag="notified"):
    """A human was informed of a fault (or of its end, `origin_healed`), or could not be."""

    kind: str
    through: str
    ok: bool
    detail: str = ""


class StatusFailed(Event, frozen=True, tag="status_failed"):
    """The status key in Consul can no longer be written; told once, cycles go on."""

    kind: str
    message: str
    hint: str = ""


class StatusWritten(Event, frozen=True, tag="status_written"):
    """The status key, which could not be written, is written again."""


# --- the journal itself ----------------------------------------------------------------------


class JournalRepaired(Event, frozen=True, tag="journal_repaired"):
    """The tail of the journal was mended: what was wrong, how much went to which file aside."""

    what: str
    removed_bytes: int
    aside: str = ""


class SegmentOpened(Event, frozen=True, tag="segment_opened"):
    """A file of the journal begins where another ended: the first line of each but the first file.

    `number` counts the files from 1. `predecessor` is the name of the closed file before it (""
    where a span was cut out), `predecessor_seq` its last `seq`, `predecessor_sha256` the
    SHA-256 (lower-case hex) of its bytes before it was compressed. `state` is the machine's, and
    `checkpoint` all that the lines so far have come to: see `core.checkpoint`.
    """

    number: int
    predecessor: str
    predecessor_seq: int
    predecessor_sha256: str
    state: str
    checkpoint: dict[str, Any]


class Unknown(msgspec.Struct, frozen=True):
    """An event of a type or version that this program does not know, with its fields as read."""

    type: str
    version: int
    fields: dict[str, Any]


class Record(msgspec.Struct, frozen=True, gc=False):
    """One line of the journal. `cycle` is None outside cycles."""

    seq: int
    ts: str
    mono: int
    run: str
    event: Event | Unknown
    cycle: int | None = None


def _word(cls: type[Event]) -> str:
    return str(cls.__struct_config__.tag)


EVENTS: dict[str, type[Event]] = {_word(cls): cls for cls in Event.__subclasses__()}
"""Every event class by its word in the journal."""
