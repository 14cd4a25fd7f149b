"""Vault's token: got, asked about after a 403, kept alive, given back.

All workers, and the keeper's thread, share one: of N that get a 403 with a dead token, one logs in
and the others come back with what it got. Who holds the lock asks Vault a few things, each within
the limit of its own cycle.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from typing import TypeVar

import msgspec

from vsync_sm.core.errors import Fault, FaultKind
from vsync_sm.core.events import TokenRenewed
from vsync_sm.core.insight import NS
from vsync_sm.core.lease import NOTHING_TO_DO, Lease, Step, lease
from vsync_sm.origin.clock import Clock, Random
from vsync_sm.servers.http import Limit
from vsync_sm.servers.vault import Grant, TokenFacts, Vault

LOOK_AGAIN_S = 10.0
"""A token in a file that Vault does not accept (yet) is tried again after so long."""

FRESH_TOKENS = 2
"""So many one request is given; when the last of them gets a 403 and is dead, that is fatal."""

_LOOKING_UP = 'Its policy needs: path "auth/token/lookup-self" { capabilities = ["read"] }.'

_T = TypeVar("_T")


class Way(msgspec.Struct, frozen=True):
    """How the token is got: read (a constant, or a file), or by a login. One of them is None.

    `method` is the journal's word: `token`, `token file`, `approle`, `kubernetes` or `jwt`. Both
    raise Fault: AUTHENTICATION where there is none to be had.
    """

    method: str
    read: Callable[[], str] | None = None
    log_in: Callable[[Limit], Grant] | None = None


class Access:
    """Keeps Vault's token: one fresh one for a dead one, then it is fatal."""

    def __init__(
        self,
        vault: Vault,
        way: Way,
        *,
        clock: Clock,
        random: Random,
        tell: Callable[[TokenRenewed], None],
    ) -> None:
        """`tell` gets each login and each renewal as a fact; it never blocks."""
        self.method = way.method
        self._vault = vault
        self._way = way
        self._clock = clock
        self._random = random
        self._tell = tell
        self._lock = threading.Lock()
        self._token = ""
        self._lease: Lease | None = None  # None: nobody has told how long it lives
        self._lost: Fault | None = None
        self._refused = ("", 0)  # what the file holds and Vault does not accept, and since when

    @property
    def logs_in(self) -> bool:
        """Whether the token comes from a login."""
        return self._way.log_in is not None

    def begin(self, limit: Limit) -> TokenFacts:
        """Have a token that Vault accepts: by a login, or the one that is given.

        Raises:
            Fault: AUTHENTICATION, there is none; whatever the requests raise.
        """
        with self._lock:
            if self._way.read is not None:
                self._use(self._way.read())
            facts = self._vault.look_up(limit) if self._token else None
            if facts is None and self.logs_in:
                return self._log_in(limit)
            if facts is None:
                raise Fault(
                    FaultKind.AUTHENTICATION,
                    "Vault does not accept the token, or its policy forbids auth/token/lookup-self",
                    hint=f"Give a token that lives. {_LOOKING_UP}",
                    context={"server": "Vault"},
                )
            return facts

    @property
    def token(self) -> str:
        """The token. A request that is made from now on carries this one, or a fresher one."""
        return self._token

    def call(self, request: Callable[[], _T], limit: Limit, *, used: str | None = None) -> _T:
        """Send `request`; after a 403 with a dead token, again with a fresh one.

        That may be dead by then as well: another worker may have got it long before. So each
        request is given `FRESH_TOKENS` at the most.

        Args:
            used: the `token` right before the request was made, where it was made already and
                `request` only tells its end.

        Raises:
            Fault: what `request` raises, which is FORBIDDEN when the token lives and the policy
                says no; AUTHENTICATION when the token is dead and there is no other; what asking
                about the token, or for another one, raises.
        """
        token = self._token if used is None else used
        for _ in range(1 + FRESH_TOKENS):
            try:
                return request()
            except Fault as fault:
                if fault.kind is not FaultKind.FORBIDDEN:
                    raise
                self._replace_dead(token, fault, limit)
            token = self._token
        raise Fault(
            FaultKind.AUTHENTICATION,
            "Vault accepts no token for as long as one request takes: each fresh one was dead at "
            "once, or its policy forbids auth/token/lookup-self",
            hint=f"Give one that lives for longer, and is good for many requests. {_LOOKING_UP}",
            context={"server": "Vault"},
        )

    def tend(self, limit: Limit, *, renew: bool) -> None:
        """Look into the token's file; and, with `renew`, do what the lease asks for by now.

        Nothing before `begin` has got a token.

        Raises:
            Fault: AUTHENTICATION, there is no way to go on once the token is dead, which it may
                or may not be yet; TOKEN_ENDING, once, when nothing can make it live longer;
                whatever the requests raise.
        """
        if not self._token:
            return  # the checks have not come so far
        self._look_into_file(limit)
        if not renew or self.due_in() > 0:
            return
        token, known = self._token, self._lease
        step = Step.renew if known is None else known.step(can_log_in=self.logs_in)
        if step is Step.renew and self._renew(token, limit):
            return
        with self._lock:
            if self._token == token:
                self._replace_before_its_end(limit)

    def due_in(self) -> float:
        """Seconds until the lease asks for something: not above 0, it does now."""
        known = self._lease
        if not self._token:
            return math.inf
        due = 0 if known is None else known.due(can_log_in=self.logs_in)
        return math.inf if due is None else (due - self._clock.mono()) / NS

    def ends_in(self) -> float:
        """Seconds until the token dies, as far as that is known and not over."""
        known = self._lease
        left = 0.0 if known is None else (known.ends - self._clock.mono()) / NS
        return left if left > 0 else math.inf

    def alive(self, limit: Limit) -> bool:
        """Whether Vault accepts the token right now."""
        return self._vault.token_alive(limit)

    def leave(self, limit: Limit) -> None:
        """Give back a token that a login got; what was given to us is not ours to end."""
        if self._way.log_in is not None and self._token:
            self._vault.revoke(limit)

    # --- the token ---

    def _replace_dead(self, used: str, forbidden: Fault, limit: Limit) -> None:
        """Have another token in place of `used`, which got a 403 and may be dead.

        Raises:
            Fault: `forbidden` where it lives; AUTHENTICATION where there is no other.
        """
        with self._lock:
            if self._token != used:
                return  # another worker came back with a fresh token meanwhile
            if self._lost is not None:
                raise self._lost  # nor would another login do: one is enough to be refused
            if self._vault.token_alive(limit):
                raise forbidden
            try:
                self._replace(limit)
            except Fault as fault:
                if fault.fatal:
                    self._lost = fault
                raise

    def _replace(self, limit: Limit) -> None:
        """Have another token. Raises Fault(AUTHENTICATION): there is no other."""
        if self._way.log_in is not None:
            self._log_in(limit)
            return
        fresh = self._way.read() if self._way.read is not None else ""
        if fresh == self._token or self._vault.look_up(limit, fresh) is None:
            raise _dead()
        self._take(fresh)

    def _replace_before_its_end(self, limit: Limit) -> None:
        """A lease has come to where renewing does not help."""
        if self._way.log_in is not None:
            self._log_in(limit)
            return
        known = self._lease
        if known is not None and self._clock.mono() >= known.ends:
            if not self._vault.token_alive(limit):
                self._replace(limit)
            self._lease = None  # it has outlived what was told: ask anew

    def _log_in(self, limit: Limit) -> TokenFacts:
        assert self._way.log_in is not None  # noqa: S101  for the type: every caller has asked
        since = self._clock.mono()
        grant = self._way.log_in(limit)
        self._use(grant.token)
        self._keep(None, since, grant, login=True)
        return TokenFacts(grant.lease_s, grant.renewable, grant.uses)

    def _look_into_file(self, limit: Limit) -> None:
        if self._way.read is None or self.method == "token":
            return
        token = self._token
        try:
            fresh = self._way.read()
        except Fault:
            return  # being written, perhaps; when the token dies it is told
        refused, since = self._refused
        soon = self._clock.mono() - since < LOOK_AGAIN_S * NS
        if fresh == token or (fresh == refused and soon):
            return
        if self._vault.look_up(limit, fresh) is None:
            self._refused = (fresh, self._clock.mono())
            return
        with self._lock:
            if self._token == token:  # else a worker has read a later one meanwhile
                self._take(fresh)

    def _take(self, fresh: str) -> None:
        """Use a token that was read anew, and that Vault accepts."""
        self._use(fresh)
        self._tell(TokenRenewed(method=self.method, login=True))

    def _use(self, token: str) -> None:
        if token == self._token:
            return
        self._vault.use_token(token)  # first: who reads ours sends at least this one
        self._token = token
        self._lease = self._lost = None  # they were of another one

    # --- its lease ---

    def _renew(self, token: str, limit: Limit) -> bool:
        """Renew the token; False when another one is needed to go on."""
        since = self._clock.mono()
        try:
            grant = self._vault.renew(limit)
        except Fault as fault:
            if fault.kind is not FaultKind.FORBIDDEN:
                raise
            try:
                self._replace_dead(token, fault, limit)
            except Fault as why:
                if why is not fault:
                    raise
                return self._cannot_renew(token, _RENEWING_FORBIDDEN)
            return True
        if grant is None:
            return self._cannot_renew(token, None)
        with self._lock:
            if token == self._token == grant.token:  # else a worker has got another one meanwhile
                self._keep(self._lease, since, grant, login=False)
            known = self._lease
        if known is not None and known.seconds and not known.lasts and self._way.log_in is None:
            raise _ending(
                f"the token lives for {known.seconds} s more and no longer: it is near its max TTL",
                "Give another one before that, or a login, which gets fresh ones by itself "
                "(origin.vault.approle).",
            )
        return True

    def _cannot_renew(self, token: str, alarm: Fault | None) -> bool:
        if self._way.log_in is not None:
            return False
        with self._lock:
            if self._token != token:
                return True  # a worker has got another one meanwhile
            self._lease = NOTHING_TO_DO
        if alarm is not None:
            raise alarm
        return True

    def _keep(self, former: Lease | None, since: int, grant: Grant, *, login: bool) -> None:
        """Note the lease that an answer told, and tell it."""
        # Rounded down, the last second before a max TTL reads 0, as of a token that never ends: but
        # of those none can be renewed.
        least = 0 if login else 1
        self._lease = lease(
            former,
            since=since,
            seconds=max(grant.lease_s, least),
            renewable=grant.renewable,
            early=self._random(),
        )
        self._tell(
            TokenRenewed(
                method=self.method,
                login=login,
                lease_s=grant.lease_s,
                renewable=grant.renewable,
            )
        )


def _dead() -> Fault:
    return Fault(
        FaultKind.AUTHENTICATION,
        "Vault no longer accepts the token",
        hint="Give a token that lives (origin.vault.tokenFile, VSYNC_ORIGIN_VAULT_TOKEN), "
        "or a login, which gets fresh ones by itself (origin.vault.approle).",
        context={"server": "Vault"},
    )


def _ending(message: str, hint: str) -> Fault:
    return Fault(FaultKind.TOKEN_ENDING, message, hint=hint, context={"server": "Vault"})


_RENEWING_FORBIDDEN = _ending(
    "the token's policy forbids renewing it",
    'Grant path "auth/token/renew-self" { capabilities = ["update"] }, as Vault\'s default policy '
    "does, or set origin.renewToken to false where something else renews it.",
)
