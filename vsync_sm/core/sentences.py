"""Every event as one line of plain words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from vsync_sm.core import events as e
from vsync_sm.core.refusal import rules
from vsync_sm.core.words import clock, count, counts, duration, number, printable, size

_E = TypeVar("_E", bound=e.Event)
_Words = Callable[[Any, int | None], str]

_WHY = {
    "timeout": "its deadline passed",
    "signal": "a signal asked to stop",
    "fault": "a fault came in",
    "fatal": "a fatal fault came in",
    "refused": "a safety rule refused the save",
    "operator": "an operator asked to stop",
    "once": "it was to run once",
}
_SKIPPED = {
    "deleted": "its current version is deleted",
    "destroyed": "its current version is destroyed",
    "no_version": "it has no version",
    "gone": "it was deleted after it had been listed",
}
_SPENT = {"saved": "by a save", "expired": "by time: it was good for an hour"}


def why(reason: str) -> str:
    """The reason of an abort or a halt in words."""
    return _WHY.get(reason, printable(reason))


def skipped(reason: str) -> str:
    """Why a path has no insight, in words."""
    return _SKIPPED.get(reason, printable(reason))


def sentence(what: e.Record | e.Event | e.Unknown) -> str:
    """One line in plain words for any event; a record adds the number of its cycle."""
    event, cycle = (what.event, what.cycle) if isinstance(what, e.Record) else (what, None)
    if isinstance(event, e.Unknown):
        return printable(f"something that this version does not know: {event.type}")
    return printable(_SENTENCES[type(event)](event, cycle))


_SENTENCES: dict[type, _Words] = {}


def _says(cls: type[_E]) -> Callable[[Callable[[_E], str]], Callable[[_E], str]]:
    def keep(words: Callable[[_E], str]) -> Callable[[_E], str]:
        _SENTENCES[cls] = lambda event, _cycle: words(event)
        return words

    return keep


def _and(more: str, before: str = ": ") -> str:
    return f"{before}{more}" if more else ""


@_says(e.RunStarted)
def _run_started(event: e.RunStarted) -> str:
    once = ", for one cycle" if event.once else ""
    return f"vsync {event.version} starts on {event.host} (process {event.pid}){once}"


@_says(e.CheckPassed)
def _check_passed(event: e.CheckPassed) -> str:
    return f"checked {event.check}{_and(event.detail)}"


@_says(e.CheckFailed)
def _check_failed(event: e.CheckFailed) -> str:
    return f"the check of {event.check} failed: {event.message}{_and(event.hint, ' → ')}"


@_says(e.ChecksPostponed)
def _checks_postponed(event: e.ChecksPostponed) -> str:
    what = f" for {event.server}" if event.server else ""
    waited = f", {duration(event.waited_s)} so far" if event.waited_s >= 1 else ""
    return (
        f"the start-up checks wait{what}{waited}: {event.message}{_and(event.hint, ' → ')}; "
        f"the next try is in {duration(event.delay_s)}"
    )


@_says(e.RunRecovered)
def _run_recovered(event: e.RunRecovered) -> str:
    at = "" if event.open_cycle is None else f" in cycle {event.open_cycle}"
    save = "; a save of it has no known end yet" if event.open_save else ""
    return f"run {event.crashed_run} ended without a word, {event.state}{at}{save}"


@_says(e.RunFinished)
def _run_finished(event: e.RunFinished) -> str:
    return f"the run ends with exit code {event.exit_code}{_and(event.why)}"


@_says(e.Transitioned)
def _transitioned(event: e.Transitioned) -> str:
    reason = f", because {why(event.reason)}" if event.reason else ""
    return f"{event.source} -> {event.dest} ({event.trigger}){reason}"


@_says(e.TriggerIgnored)
def _trigger_ignored(event: e.TriggerIgnored) -> str:
    return f"{event.trigger} was ignored: {event.state} does not take it"


def _cycle_started(event: e.CycleStarted, cycle: int | None) -> str:
    name = "a cycle" if cycle is None else f"cycle {cycle}"
    asked = "" if event.asked == "tick" else f", asked for by a {event.asked}"
    return (
        f"{name} begins{asked}: {count(len(event.mounts), 'mount')}, "
        f"{count(event.workers, 'worker')}, {count(event.num_buckets, 'bucket')}, "
        f"at most {duration(event.deadline_s)}"
    )


_SENTENCES[e.CycleStarted] = _cycle_started


@_says(e.MountChecked)
def _mount_checked(event: e.MountChecked) -> str:
    return f"mount {event.mount} is KV version {event.version} (accessor {event.accessor})"


@_says(e.SyncInfoRead)
def _sync_info_read(event: e.SyncInfoRead) -> str:
    if not event.index and not event.buckets:
        return "Consul holds no sync info yet"
    index = "" if event.index else ", without an index"
    return (
        f"Consul holds {count(event.insights, 'insight')} "
        f"in {count(event.buckets, 'bucket')}{index}"
    )


@_says(e.FolderListed)
def _folder_listed(event: e.FolderListed) -> str:
    holds = f"{count(event.paths, 'path')}, {count(event.folders, 'folder')}"
    detailed = f"; {number(event.detailed)} with metadata" if event.detailed else ""
    return f"listed {event.mount}{event.folder}: {holds}{detailed}"


@_says(e.DetailedListFailed)
def _detailed_list_failed(event: e.DetailedListFailed) -> str:
    where = f"all of {event.mount}" if event.over else f"{event.mount}{event.folder}"
    return (
        f"{event.mount}{event.folder} could not be listed with metadata: {event.message}. "
        f"Paths of {where} are read one by one for the rest of this run"
    )


@_says(e.PathsListed)
def _paths_listed(event: e.PathsListed) -> str:
    listed = f"{count(event.paths, 'path')} listed{_and(counts(event.mounts))}"
    idle = f"no chosen path fits {', '.join(event.idle)}" if event.idle else ""
    detailed = f"{number(event.detailed)} of them with metadata" if event.detailed else ""
    return "; ".join(filter(None, (listed, detailed, unchosen(event), idle)))


def unchosen(event: e.PathsListed) -> str:
    """What lists named and is not chosen, in words; "": nothing."""
    kinds = (("path", event.unchosen), ("folder", event.pruned))
    told = [
        f"{count(sum(by_mount.values()), noun)} ({counts(by_mount)})"
        for noun, by_mount in kinds
        if by_mount
    ]
    return f"not chosen: {' and '.join(told)}" if told else ""


@_says(e.WorkerStarted)
def _worker_started(event: e.WorkerStarted) -> str:
    return f"worker {event.worker} starts"


@_says(e.WorkerStopped)
def _worker_stopped(event: e.WorkerStopped) -> str:
    how = "was left behind" if event.abandoned else "stopped"
    return f"worker {event.worker} {how} after {count(event.paths, 'path')}"


@_says(e.InsightsUnchanged)
def _insights_unchanged(event: e.InsightsUnchanged) -> str:
    return f"worker {event.worker} read {count(event.count, 'path')} that are unchanged"


@_says(e.InsightGenerated)
def _insight_generated(event: e.InsightGenerated) -> str:
    return f"{event.path}: version {event.insight.version}, {event.change}"


@_says(e.InsightSkipped)
def _insight_skipped(event: e.InsightSkipped) -> str:
    return f"{event.path} is left out: {skipped(event.why)}"


@_says(e.PathFailed)
def _path_failed(event: e.PathFailed) -> str:
    return f"{event.path} could not be read: {event.message}"


@_says(e.InsightCarriedForward)
def _insight_carried_forward(event: e.InsightCarriedForward) -> str:
    row = "" if event.cycles == 1 else f", for {count(event.cycles, 'cycle')} in a row"
    return f"{event.path} keeps the insight last saved (version {event.insight.version}){row}"


@_says(e.PathAbandoned)
def _path_abandoned(event: e.PathAbandoned) -> str:
    return f"{event.path} was left unread by worker {event.worker}"


@_says(e.RetryScheduled)
def _retry_scheduled(event: e.RetryScheduled) -> str:
    return f"{event.what} is tried again in {duration(event.delay_s)}: {event.message}"


@_says(e.WorkersObserved)
def _workers_observed(event: e.WorkersObserved) -> str:
    return f"{count(len(event.busy), 'worker')} busy"


@_says(e.InsightVanished)
def _insight_vanished(event: e.InsightVanished) -> str:
    return f"{event.path} is no longer {'chosen' if event.unchosen else 'there'}"


@_says(e.InsightRegressed)
def _insight_regressed(event: e.InsightRegressed) -> str:
    was, now = event.former, event.insight
    if was.version == now.version:
        times = f"{now.updateTime} after {was.updateTime}"
        return f"{event.path} went back in time within version {now.version}: {times}"
    return f"{event.path} went back from version {was.version} to {now.version}"


@_says(e.BucketReindexed)
def _bucket_reindexed(event: e.BucketReindexed) -> str:
    holds = f"{count(event.insights, 'insight')}, {size(event.size_bytes)}"
    return f"bucket {event.bucket} differs: {holds}"


@_says(e.LateResultDropped)
def _late_result_dropped(event: e.LateResultDropped) -> str:
    late = count(event.count, "late result")
    return f"{late} of cycle {event.late_cycle} dropped: it is over"


@_says(e.SaveStarted)
def _save_started(event: e.SaveStarted) -> str:
    return f"the save begins: {count(len(event.keys), 'key')} to write"


@_says(e.SaveCommitted)
def _save_committed(event: e.SaveCommitted) -> str:
    settled = ", as a reading back says" if event.settled else ""
    return f"saved: {count(event.keys, 'key')} written to Consul{settled}"


@_says(e.SaveSkipped)
def _save_skipped(_: e.SaveSkipped) -> str:
    return "nothing to save: Consul holds it already"


@_says(e.SaveRefused)
def _save_refused(event: e.SaveRefused) -> str:
    return f"the save is refused: {'; '.join(rules(event))} (allowance id {event.allowance})"


@_says(e.SaveFailed)
def _save_failed(event: e.SaveFailed) -> str:
    written = "some of it was written" if event.written else "nothing was written"
    return f"the save failed, {written}: {event.message}"


@_says(e.SaveUncertain)
def _save_uncertain(event: e.SaveUncertain) -> str:
    return f"nobody knows how the save ended, the next cycle will read it: {event.message}"


@_says(e.SaveReconciled)
def _save_reconciled(event: e.SaveReconciled) -> str:
    where = f"the open save of cycle {event.saved_cycle} (run {event.saved_run})"
    held = "Consul holds it" if event.outcome == "committed" else "Consul does not hold it"
    return f"{where} is settled as {event.outcome}: {held}"


@_says(e.AllowanceGranted)
def _allowance_granted(event: e.AllowanceGranted) -> str:
    return f"{event.by} allowed {event.allowance} through the {event.through}"


@_says(e.AllowanceSpent)
def _allowance_spent(event: e.AllowanceSpent) -> str:
    return f"the allowance {event.allowance} is used up {_SPENT.get(event.why, event.why)}"


@_says(e.FaultRaised)
def _fault_raised(event: e.FaultRaised) -> str:
    fatal = "fatal fault" if event.fatal else "fault"
    return f"{fatal}: {event.message}{_and(event.hint, ' → ')}"


@_says(e.SignalReceived)
def _signal_received(event: e.SignalReceived) -> str:
    again = " again" if event.again else ""
    return f"{event.signal} received{again}"


@_says(e.CommandReceived)
def _command_received(event: e.CommandReceived) -> str:
    refused = f", which was not done: {event.refused}" if event.refused else ""
    peer = "" if event.pid is None else f" (uid {event.uid}, process {event.pid})"
    return f'{event.by}{peer} asked for "{event.command}" through the {event.through}{refused}'


@_says(e.TickerPaused)
def _ticker_paused(event: e.TickerPaused) -> str:
    return f"paused by {event.by}{_and(event.why)}; no cycle begins by itself until it is resumed"


@_says(e.TickerResumed)
def _ticker_resumed(event: e.TickerResumed) -> str:
    return f"resumed by {event.by}: cycles begin by themselves again"


@_says(e.ServerConditionChanged)
def _server_condition_changed(event: e.ServerConditionChanged) -> str:
    if event.condition == "answering":
        return f"{event.server} answers"
    return f"{event.server} is in trouble ({event.condition}){_and(event.message)}"


@_says(e.OriginHealed)
def _origin_healed(event: e.OriginHealed) -> str:
    after = f", after {count(event.cycles, 'cycle')} in a row that were not" if event.cycles else ""
    since = f" (the last one was at {clock(event.last_success)})" if event.last_success else ""
    return f"healed: a cycle is complete again{after}{since}"


@_says(e.TokenRenewed)
def _token_renewed(event: e.TokenRenewed) -> str:
    if event.method == "token file" and event.login:
        return "a fresh token was read from its file"
    what = f"logged in with {event.method}" if event.login else "the token was renewed"
    if event.lease_s is None:
        return what
    lives = f"it lives for {duration(event.lease_s)}" if event.lease_s else "it lives for ever"
    return f"{what}: {lives}{'' if event.renewable or not event.lease_s else ' and no longer'}"


@_says(e.Notified)
def _notified(event: e.Notified) -> str:
    how = "a human was informed" if event.ok else "informing a human failed"
    return f"{how} ({event.kind}, through {event.through}){_and(event.detail)}"


@_says(e.StatusFailed)
def _status_failed(event: e.StatusFailed) -> str:
    hint = _and(event.hint, " → ")
    return f"the status key cannot be written, cycles go on: {event.message}{hint}"


@_says(e.StatusWritten)
def _status_written(_: e.StatusWritten) -> str:
    return "the status key is written again"


@_says(e.SegmentOpened)
def _segment_opened(event: e.SegmentOpened) -> str:
    before = f" after {event.predecessor}" if event.predecessor else ""
    return f"the journal goes on in its file number {number(event.number)}{before}"


@_says(e.JournalRepaired)
def _journal_repaired(event: e.JournalRepaired) -> str:
    aside = ""
    if event.removed_bytes:
        aside = f" ({count(event.removed_bytes, 'byte')} put aside in {event.aside})"
    return f"the journal's end was mended: {event.what}{aside}"


def _cycle_finished(event: e.CycleFinished, cycle: int | None) -> str:
    return summary(event, cycle=cycle)


_SENTENCES[e.CycleFinished] = _cycle_finished


# --- a cycle's close -------------------------------------------------------------------------

_OUTCOMES = {
    "saved": "saved in",
    "unchanged": "found nothing to save in",
    "refused": "was refused after",
    "aborted": "was aborted after",
}
_COUNTED = (
    *("added", "updated", "vanished", "regressed", "skipped", "failed", "carried"),
    *("abandoned", "unsent"),
)


def summary(
    event: e.CycleFinished, *, cycle: int | None = None, seconds: float | None = None
) -> str:
    """A finished cycle in one line: what became of it, its counts, where its time went.

    Args:
        event: the facts.
        cycle: its number.
        seconds: how long it took; without it, the sum of its phases.
    """
    name = "the cycle" if cycle is None else f"cycle {cycle}"
    took = duration(sum(event.phases.values()) if seconds is None else seconds)
    because = f" because {why(event.reason)}" if event.outcome == "aborted" else ""
    said = [f"{count(event.listed, 'path')} listed"]
    said += [f"{number(n)} {word}" for word in _COUNTED if (n := getattr(event, word))]
    asked = f"{number(event.requests.vault)} to Vault, {number(event.requests.consul)} to Consul"
    parts = [", ".join(said), phases(event.phases), f"requests: {asked}"]
    how = _OUTCOMES.get(event.outcome, f"ended as {event.outcome} after")
    return printable(f"{name} {how} {took}{because}: {'; '.join(filter(None, parts))}")


def phases(seconds: Mapping[str, float]) -> str:
    """Where the time went: `listing 0.20 s, working 0.55 s`."""
    return printable(", ".join(f"{name} {duration(each)}" for name, each in seconds.items()))
