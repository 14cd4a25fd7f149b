"""Whether the origin still speaks: when silence is more than waiting, and what to do then."""

from __future__ import annotations

import msgspec

from vsync_sm.core.answer import Now, seconds_since
from vsync_sm.core.commands import GONE
from vsync_sm.core.insight import NS
from vsync_sm.core.machine import State
from vsync_sm.core.reach import SHELL, Reach
from vsync_sm.core.shapes import View
from vsync_sm.core.words import duration, printable

SILENCE_S = 15.0
"""So long without a line where one is due, and the origin is lost."""

VOUCHED_S = 300.0
"""So long an origin whose control socket answers may be silent outside a cycle where it works."""


class Silence(msgspec.Struct, frozen=True):
    """A silence that needs a word: why it does, what to do, and whether the origin is `lost`."""

    why: str
    todo: str
    lost: bool = True


HEARD_S = 5.0
"""So long a line vouches for the origin, whatever the socket says: a new one may be made anew."""


class Contact(msgspec.Struct, frozen=True):
    """What is known of the origin beside its journal.

    `here`: it runs in this process. `answers`: its control socket has just answered (`here` says
    nothing of that: the socket is not the loop). `unreachable` is why it does not; "" where it
    does, or nobody asked.
    """

    unreachable: str = ""
    answers: bool = False
    here: bool = False

    @property
    def gone(self) -> bool:
        """Whether the control socket proves that no origin runs."""
        return self.unreachable.endswith(GONE)


def silence(
    view: View, now: Now, quiet_s: float, contact: Contact, reach: Reach = SHELL
) -> Silence | None:
    """What to say of an origin that is silent; None while nothing is due, or it ended by itself.

    Args:
        view: what its journal told.
        now: the moment.
        quiet_s: seconds since its last line.
        contact: what its control socket says.
        reach: how whoever reads gives the origin commands.
    """
    if view.run is None or view.ended is not None or view.state.name == State.halted:
        return None
    if contact.gone and quiet_s > HEARD_S:
        return Silence(contact.unreachable, _todo(view, contact, reach))
    if quiet_s <= SILENCE_S or _rests(view, now):
        return None
    if view.state.name == State.waiting:
        why = _overdue(view, now, contact)
        return Silence(why, _todo(view, contact, reach)) if why else None
    why = f"no line for {duration(round(quiet_s))}, in {printable(view.state.name)}"
    if contact.answers and not contact.here and _may_be_silent(view, now, quiet_s):
        # The wait for a server that hangs may be silent too; the socket tells that it lives.
        todo = "The origin lives: its control socket answers. It may wait for a server."
        return Silence(f"{why}; its control socket answers", todo, lost=False)
    return Silence(why, _todo(view, contact, reach))


def _rests(view: View, now: Now) -> bool:
    """Whether the start-up checks wait for their next try, which has not been due for long."""
    return view.postponed is not None and now.mono - view.postponed.due <= SILENCE_S * NS


def _overdue(view: View, now: Now, contact: Contact) -> str:
    if view.pause is not None:
        # Nothing is due: only the socket can tell.
        return f"paused, and {contact.unreachable}" if contact.unreachable else ""
    late = (now.mono - view.next_tick) / NS
    return f"the next cycle was due {duration(round(late))} ago" if late > SILENCE_S else ""


def _may_be_silent(view: View, now: Now, quiet_s: float) -> bool:
    """Whether its silence can still be a wait; once its deadline has passed a cycle must speak."""
    cycle = view.cycle
    if cycle is None:
        return quiet_s <= VOUCHED_S
    return seconds_since(cycle.started.mono, now) <= cycle.deadline_s + SILENCE_S


def _todo(view: View, contact: Contact, reach: Reach) -> str:
    if contact.here:
        return "A server or the journal's disk holds up the origin in this process; q ends it."
    run = view.run
    process = f"process {run.pid} on {printable(run.host)}" if run else "its process"
    if contact.answers:
        return (
            f"It lives (its control socket answers), but writes nothing: see its log and its "
            f"disk; if it stays so, end {process} and start it again."
        )
    return (
        f"Nobody answers for it: does {process} run? Its log says why not. To start it again "
        f"with your configuration: {reach.start()}"
    )
