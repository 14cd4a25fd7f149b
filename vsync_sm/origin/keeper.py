"""Keeps the token alive between requests, on a thread of its own that only posts messages."""

from __future__ import annotations

import threading
from contextlib import suppress

from vsync_sm.core.errors import Fault, FaultKind
from vsync_sm.origin.access import Access
from vsync_sm.origin.clock import Random
from vsync_sm.origin.inbox import Inbox, TokenTold
from vsync_sm.origin.scope import broken_invariant

LOOK_S = 1.0
"""So often it looks at the clock, and into the token's file."""

SOON_S = 0.1
"""The shortest pause between two looks."""

BACKOFF_S = (1.0, 60.0)
"""After a renewal that failed: seconds until the next try, doubled up to the second number."""

REFUSED_BACKOFF_S = (30.0, 600.0)
"""The same after a login that was refused: Vault locks out who insists."""

LIMIT_S = 10.0
"""What each of its requests may take at the most, in all."""

LEAVE_S = 1.0
"""Giving the token back may take so much of a clean stop's 5 s."""


class TokenKeeper:
    """Keeps the token of one run."""

    def __init__(
        self,
        access: Access,
        inbox: Inbox,
        random: Random,
        *,
        request_timeout_s: float,
        renew: bool,
        runs: bool,
    ) -> None:
        """
        Args:
            renew: renew the token; otherwise only its file is looked into.
            runs: whether the run goes on for so long that a token must be kept alive.
        """
        self._access = access
        self._inbox = inbox
        self._random = random
        self._limit_s = min(request_timeout_s, LIMIT_S)
        self._renew = renew
        self._runs = runs
        self._stop = threading.Event()
        self._failed = 0
        self._told = ""

    def start(self) -> None:
        """Keep it alive, as soon as the checks have got one."""
        if self._runs:
            threading.Thread(target=self._run, name="token", daemon=True).start()

    def close(self) -> None:
        """Keep it alive no longer."""
        self._stop.set()

    def leave(self) -> None:
        """The run ends cleanly: a token that was got for it ends too, if Vault hears of it soon.

        Otherwise each start of a run leaves one behind, and Vault keeps them all until their time
        is over.
        """
        self.close()
        leaving = threading.Thread(target=self._give_back, name="leaving", daemon=True)
        leaving.start()
        leaving.join(LEAVE_S)

    def _give_back(self) -> None:
        with suppress(Fault):
            self._access.leave(lambda: LEAVE_S)

    def _limit(self) -> float:
        return self._limit_s

    def _run(self) -> None:
        pause = LOOK_S
        while not self._stop.wait(pause):
            try:
                pause = self._turn()
            except Exception as error:  # noqa: BLE001  the outermost place of a thread
                self._inbox.post(TokenTold(broken_invariant(error)))
                return

    def _turn(self) -> float:
        """Do what is due; the seconds until the next look."""
        try:
            self._access.tend(self._limit, renew=self._renew)
        except Fault as fault:
            return self._after(fault)
        self._failed, self._told = 0, ""
        return min(LOOK_S, max(SOON_S, self._access.due_in() if self._renew else LOOK_S))

    def _after(self, fault: Fault) -> float:
        if fault.kind is FaultKind.TOKEN_ENDING:
            self._inbox.post(TokenTold(fault))
            return LOOK_S
        refused = fault.kind is FaultKind.AUTHENTICATION
        if refused and not self._lives():
            self._inbox.post(TokenTold(fault))
            self.close()
            return LOOK_S
        if fault.kind.word != self._told:
            self._told = fault.kind.word
            self._inbox.post(TokenTold(_not_yet(fault)))
        least, most = REFUSED_BACKOFF_S if refused else BACKOFF_S
        delay = min(least * float(1 << min(self._failed, 10)), most)
        self._failed += 1
        # At its very end it is tried once more: a dead token is fatal, and told at once.
        return min(delay * (0.5 + self._random() / 2), self._access.ends_in() + SOON_S)

    def _lives(self) -> bool:
        """Whether the token may still be one: a Vault that does not answer has not said no."""
        try:
            return self._access.alive(self._limit)
        except Fault:
            return True


def _not_yet(fault: Fault) -> Fault:
    """What is told of a try that failed while the token lives."""
    kind = FaultKind.TOKEN_ENDING if fault.fatal else fault.kind
    return Fault(
        kind,
        f"the token cannot be renewed now: {fault.message}",
        hint=f"{fault.hint}; it lives on meanwhile, and it is tried again".removeprefix("; "),
        context=fault.context,
    )
