"""When a human should be told though nothing is fatal yet: pure, from what is known."""

from __future__ import annotations

from collections.abc import Mapping

from vsync_sm.core.errors import Fault, FaultKind
from vsync_sm.core.events import ChecksPostponed, OriginHealed, SaveRefused
from vsync_sm.core.notice import Notice
from vsync_sm.core.refusal import gist, remedy
from vsync_sm.core.safety import unaccounted
from vsync_sm.core.sentences import sentence
from vsync_sm.core.shapes import Cycle
from vsync_sm.core.words import duration

THREADS_PER_WORKER = 4
"""So many abandoned threads a worker, over all dead cycles, and the run halts."""

SAMPLE = 10


def newly_refused(event: SaveRefused, *, live: bool) -> Fault:
    """What a human is told when a save is refused under an id that was not refused before.

    `live`: this run has a control socket through which it can be allowed.
    """
    command = "ctl allow" if live else "--headless --once --allow"
    vanished, regressed = sum(event.vanished.values()), sum(event.regressed.values())
    unchosen = sum(event.unchosen.values())
    left_out = f" ({unchosen} of them the configuration leaves out now)" if unchosen else ""
    said = (
        f"{vanished} paths would vanish{left_out}, {regressed} would go back to an older version"
        if vanished or regressed
        else gist(event)
    )
    return Fault(
        FaultKind.SAVE_REFUSED,
        f"a save is refused: {said} "
        f"({', '.join(dict.fromkeys(each.rule for each in event.refusals))})",
        hint=f"{remedy(event)}, or allow it: vsync-sm {command} {event.allowance}",
        context={"allowance": event.allowance, "sample": ", ".join(event.sample)},
    )


def not_accounted_for(cycle: Cycle | None, held: int) -> Fault | None:
    """The fault of a cycle whose paths do not add up.

    `held`: so many insights are in the sync info to be.
    """
    if cycle is None:
        return None
    tally = cycle.tally
    wrong = unaccounted(
        listed=cycle.listed or 0,
        ended=tally.generated + tally.skipped + tally.failed,
        told=tally.generated + tally.carried,
        held=held,
    )
    if not wrong:
        return None
    return Fault(
        FaultKind.INVARIANT,
        f"vsync itself is at fault: {wrong}",
        hint="Nothing was saved. Start it again, and keep the journal: please report it with the "
        "lines of this cycle.",
        context={"cycle": str(cycle.number)},
    )


def keeps_failing(row: int, after: int, *, told: bool) -> Fault | None:
    """The alarm of `after` cycles in a row that were not complete; `told`: it was raised before."""
    if row < after or told:
        return None
    return Fault(
        FaultKind.KEEPS_FAILING,
        f"{row} cycles in a row were not complete",
        hint="Destinations keep what was last saved, which grows old. See the faults before.",
        context={"cycles": str(row)},
    )


def waits_long(
    postponed: ChecksPostponed, tick_s: float, after: int, *, told: bool
) -> Fault | None:
    """The alarm of a start that waits for as long as `after` cycles would have taken.

    It is the same as that of cycles that fail, so that a human hears of it once, and of its end.
    """
    if postponed.waited_s < tick_s * after or told:
        return None
    return Fault(
        FaultKind.KEEPS_FAILING,
        f"the start-up checks have waited for {duration(round(postponed.waited_s))}: "
        f"{postponed.message}",
        hint=f"{postponed.hint}{'; ' if postponed.hint else ''}destinations keep what was last "
        "saved, which grows old",
        context={"server": postponed.server} if postponed.server else {},
    )


def healed(outcome: str, row: int, last_success: str) -> tuple[OriginHealed, Notice]:
    """The end of that alarm: as a fact, and as what a human is told.

    Args:
        outcome: the complete cycle's.
        row: so many cycles before it were not complete.
        last_success: when the last one was before them (`ts`), "" where none was.
    """
    event = OriginHealed(cycles=row, last_success=last_success)
    found = "it saved" if outcome == "saved" else "there was nothing to save"
    last = {"last_success": last_success} if last_success else {}
    return event, Notice(
        kind=event.type,
        message=f"{sentence(event)}; {found}",
        context={"cycles": str(row), **last},
    )


def carried_too_long(carried: Mapping[str, int], after: int) -> Fault | None:
    """The alarm of paths carried forward for more than `after` cycles in a row, and again later.

    Args:
        carried: by path, for how many cycles in a row it was carried.
        after: so many are borne in silence.
    """
    late = sorted(
        path for path, cycles in carried.items() if cycles > after and (cycles - 1) % after == 0
    )
    if not late:
        return None
    return Fault(
        FaultKind.CARRIED_TOO_LONG,
        f"{len(late)} paths could not be read for more than {after} cycles in a row",
        hint="Destinations keep what was last saved; look at why Vault refuses to read them.",
        context={"paths": ", ".join(late[:SAMPLE])},
    )


def journal_untidy(trouble: str) -> Fault:
    """What a human is told when the journal's closed files cannot be packed, or let go.

    `trouble` is what is in the way.
    """
    return Fault(
        FaultKind.JOURNAL_UNTIDY,
        f"the journal's closed files cannot be looked after: {trouble}",
        hint="Mend it (space, rights, a damaged file) before the disk is full: a journal that can "
        "no longer be written ends the run. vsync-sm journal tells how large it is.",
    )


def too_many_threads(threads: int, workers: int) -> Fault | None:
    """The fatal fault of too many threads of dead cycles that have not come back."""
    limit = THREADS_PER_WORKER * workers
    if threads <= limit:
        return None
    return Fault(
        FaultKind.TOO_MANY_THREADS,
        f"{threads} threads of dead cycles have not come back (limit {limit})",
        hint="A server swallows requests; the supervisor should start vsync anew.",
    )
