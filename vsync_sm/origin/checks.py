"""The start-up checks: what must hold before the first cycle, each a fact and a clear line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial

import msgspec

from vsync_sm.core.errors import Fault, FaultKind
from vsync_sm.core.events import CheckFailed, CheckPassed, Event
from vsync_sm.core.words import count, duration, unverified
from vsync_sm.origin.cycle import Servers, Terms
from vsync_sm.origin.listing import Lister, refuse_other_mounts
from vsync_sm.origin.scope import Scope
from vsync_sm.servers.consul import Consul
from vsync_sm.servers.vault import TokenFacts, Vault

CLEAN_S = 2.0
"""Clearing the probe key away after a fault may take so many seconds: a stop waits for it."""

_PASSED = "passed"
_UNANSWERED = frozenset({FaultKind.UNREACHABLE, FaultKind.TIMEOUT, FaultKind.SERVER_ERROR})
"""After these nobody knows whether Consul will still do what it was asked for."""

LEAST = "origin.vault.requiredCapabilities: {data: [], metadata: [read, list]}"
"""The configuration line of the least that vsync needs: no right to any value."""

FASTER = (
    "This server can give a folder's metadata in one request, instead of one a path. To let it, "
    'one line a mount: path "{path}*" {{ capabilities = ["list"] }}'
)
"""What would make a cycle faster, where the server offers it and the policy alone is in its way."""


class Required(msgspec.Struct, frozen=True):
    """The capabilities that the token must have on `<mount>data/` and `<mount>metadata/`.

    Where a folder of the mount is chosen, on that folder there.
    """

    data: tuple[str, ...]
    metadata: tuple[str, ...]


class Passed(msgspec.Struct, frozen=True):
    """Every check passed."""


class NotYet(msgspec.Struct, frozen=True):
    """Some checks failed, all of them by what may heal by itself: at least one fault."""

    faults: tuple[Fault, ...]


class StartupChecks:
    """Tried until they pass, on a thread of each try's own; a try ends with `EffectDone`.

    What has passed is not asked again in a later try, but for Vault's health, which may be another
    node's by then, and the token, which may be dead. Each check is told once, and again when it
    ends in another way.
    """

    def __init__(self, servers: Servers, terms: Terms, required: Required, *, probe: str) -> None:
        """`probe` names this host's probe key; "": Consul is only read (for `plan`)."""
        self._scope: Scope
        self._servers = servers
        self._terms = terms
        self._required = required
        self._probe = probe
        self._noted = False
        self._faster_noted = False
        self._told: dict[str, str] = {}  # by check: how it ended last, _PASSED or a fault's word
        self._unanswered = False  # Consul may still do what an earlier try has asked for

    def run(self, scope: Scope) -> None:
        """One try: every check that can be made, then `Passed` or `NotYet`.

        The first fault that does not heal by itself, if any, is raised as a fatal one.
        """
        self._scope = scope
        with scope.guarded():
            faults = self._check("Consul sync path", self._check_consul)
            vault = self._check("Vault server", self._check_health, again=True)
            vault = vault or self._check("Vault token", self._check_token, again=True)
            vault = vault or self._check("Vault freshness", self._check_freshness)
            faults += vault
            for mount in self._terms.mounts if not vault else ():
                found = self._check(f"mount {mount}", partial(self._check_mount, mount))
                for folder in self._terms.choice.roots(mount) if not found else ():
                    faults += self._check(
                        f"capabilities on {mount}{folder}",
                        partial(self._check_capabilities, mount, folder),
                    )
                faults += found
            for fault in faults:
                if not fault.heals:
                    raise _fatal(fault)
            scope.done(NotYet(tuple(faults)) if faults else Passed())

    def _check(
        self, name: str, check: Callable[[], CheckPassed], *, again: bool = False
    ) -> list[Fault]:
        """Make a check and tell of it; the fault by which it failed. `again`: also once passed."""
        if self._told.get(name) == _PASSED and not again:
            return []
        self._scope.check()
        try:
            fact: Event = check()
        except Fault as fault:
            failed = CheckFailed(
                check=name,
                kind=fault.kind.word,
                message=fault.message,
                hint=fault.hint,
                server=fault.context.get("server", ""),
            )
            self._tell(name, failed, failed.kind)
            return [fault]
        self._tell(name, fact, _PASSED)
        return []

    def _tell(self, name: str, fact: Event, how: str) -> None:
        if self._told.get(name) != how:
            self._scope.tell((fact,))
            self._told[name] = how

    # --- Consul ---

    def _check_consul(self) -> CheckPassed:
        try:
            return self._probe_consul()
        except Fault as fault:
            if fault.kind is not FaultKind.CONSUL_FORBIDDEN:
                raise
            prefix = self._terms.prefix
            raise Fault(
                fault.kind,
                fault.message,
                hint=f'The token needs: key_prefix "{prefix}" {{ policy = "write" }}. Is one given '
                "(origin.consul.token, CONSUL_HTTP_TOKEN), and does Consul know it?",
                context=fault.context,
            ) from None

    def _probe_consul(self) -> CheckPassed:
        consul, limit = self._servers.consul, self._scope.budget.consul
        # Beside the buckets, where a destination's own probes lie: every reader ignores it.
        directory = f"{self._terms.prefix}vsyncChecks/"
        if self._probe:
            self._write_probe(consul, directory, f"{directory}{self._probe}")
        consul.read_tree(self._terms.prefix, limit)  # as every cycle does
        did = f"wrote, read, listed, updated and deleted a probe key under {directory}"
        return CheckPassed(
            check="Consul sync path",
            detail=did if self._probe else f"read {self._terms.prefix}",
            note="" if consul.verified else unverified("Consul"),
            server="Consul",
        )

    def _write_probe(self, consul: Consul, directory: str, key: str) -> None:
        limit = self._scope.budget.consul
        try:
            for step in _probe_steps(consul, directory, key, self._scope):
                self._expect(step, key)
            consul.delete(key, limit)
            self._expect(("deleted", consul.read(key, limit) is None), key)
        except Fault as fault:
            self._unanswered = self._unanswered or fault.kind in _UNANSWERED
            with suppress(Fault):  # the first fault says more than this one would
                consul.delete(key, lambda: min(limit(), CLEAN_S))
            raise

    def _expect(self, step: tuple[str, bool], key: str) -> None:
        done, held = step
        if held:
            return
        if self._unanswered:  # seen: a Consul that thaws does what it was asked for long ago
            raise Fault(
                FaultKind.CONFLICT,
                f"the probe key {key} could not be {done}: Consul did late what an earlier try, "
                "which had no answer, has asked for",
                hint="Wait. If it comes back, Consul loses writes.",
                context={"server": "Consul", "key": key, "step": done},
            )
        raise _probe_failed(key, done)

    # --- Vault ---

    def _check_health(self) -> CheckPassed:
        vault: Vault = self._servers.vault
        health = vault.health(self._scope.budget.vault)
        self._servers.detailed.meet(health)
        if not health.initialized or health.sealed:
            raise Fault(
                FaultKind.SEALED,
                "Vault is sealed" if health.initialized else "Vault is not initialized",
                hint=f"{'Unseal' if health.initialized else 'Initialize'} it: "
                f"vault operator {'unseal' if health.initialized else 'init'}",
                context={"server": "Vault"},
            )
        if health.dr_secondary or health.performance_secondary:
            role = "DR" if health.dr_secondary else "performance"
            raise Fault(
                FaultKind.CHECK_FAILED,
                f"this Vault is a {role} secondary",
                hint="The origin must be the primary: point origin.vault.address at it.",
                context={"server": "Vault"},
            )
        role = "standby" if health.standby else "active"
        return CheckPassed(
            check="Vault server",
            detail=f"{role}, version {health.version}",
            note="" if vault.verified else unverified("Vault"),
            server="Vault",
        )

    def _check_token(self) -> CheckPassed:
        access = self._servers.access
        facts = access.begin(self._scope.budget.vault)
        detail, note = _of_token(facts, access.method if access.logs_in else "")
        return CheckPassed(check="Vault token", detail=detail, note=note, server="Vault")

    def _check_freshness(self) -> CheckPassed:
        vault, access = self._servers.vault, self._servers.access
        lister = Lister(self._scope, vault, access, self._terms.choice)
        return CheckPassed(
            check="Vault freshness",
            detail="standbys answer reads, but with nothing older than a cycle's beginning"
            if lister.catch_up()
            else "only the active node answers reads, as far as is known: no answer can be old",
            server="Vault",
        )

    def _check_mount(self, mount: str) -> CheckPassed:
        facts = self._servers.vault.mount(mount, self._scope.budget.vault)
        refuse_other_mounts(mount, facts)
        return CheckPassed(
            check=f"mount {mount}", detail=f"KV v2, accessor {facts.accessor}", server="Vault"
        )

    def _check_capabilities(self, mount: str, folder: str) -> CheckPassed:
        data, metadata = f"{mount}data/{folder}", f"{mount}metadata/{folder}"
        wanted = {data: self._required.data, metadata: self._required.metadata}
        detailed = f"{mount}detailed-metadata/{folder}"
        offered = (detailed,) if self._servers.detailed.offered else ()
        asked = (*wanted, *offered)
        granted = self._servers.vault.capabilities(asked, self._scope.budget.vault)
        may = not offered or not granted[detailed].isdisjoint({"list", "root"})
        if offered:
            self._servers.detailed.allow(mount, may=may)
        missing = {
            path: [name for name in names if name not in granted[path]]
            for path, names in wanted.items()
            if "root" not in granted[path]
        }
        lacks = [f"{', '.join(names)} on {path}*" for path, names in missing.items() if names]
        if lacks:
            raise Fault(
                FaultKind.CHECK_FAILED,
                f"the token may not {' and not '.join(lacks)}",
                hint=f"Grant it, or ask for less: {LEAST} is the least that works, with the "
                f"policy: {policy(mount, folder)}",
                context={"mount": mount},
            )
        return CheckPassed(
            check=f"capabilities on {mount}{folder}",
            detail="; ".join(
                f"{path}: {', '.join(sorted(granted[path])) or 'none'}" for path in asked
            ),
            note=self._note(granted[data], granted[metadata])
            or self._faster_note("" if may else detailed),
            server="Vault",
        )

    def _note(self, data: frozenset[str], metadata: frozenset[str]) -> str:
        """A kind word on a token that may do more than the least; once a run is enough."""
        if self._noted or not (data - {"deny"} or metadata - {"deny", "read", "list"}):
            return ""
        self._noted = True
        choice = self._terms.choice
        policies = " ".join(
            policy(mount, folder) for mount in choice.mounts for folder in choice.roots(mount)
        )
        return (
            "The token may do more than vsync needs, which is to read metadata only. "
            f"The least that works: {LEAST}, with the policy: {policies}"
        )

    def _faster_note(self, lacking: str) -> str:
        """A kind word where a detailed list is what may not be had; once a run is enough."""
        if self._faster_noted or not lacking:
            return ""
        self._faster_noted = True
        return FASTER.format(path=lacking)


def policy(mount: str, folder: str = "") -> str:
    """The Vault policy that is the least vsync works with, for a mount or a folder in it."""
    return f'path "{mount}metadata/{folder}*" {{ capabilities = ["read", "list"] }}'


def _of_token(facts: TokenFacts, method: str) -> tuple[str, str]:
    """What is told of a token, and what a person should know; `method`: of its login, or ""."""
    detail = f"logged in with {method}" if method else "accepted"
    renewable = facts.renewable and facts.left_s
    if not facts.left_s:
        detail += "; it never ends"
    elif method:  # as long as the role says; of one that is given, the seconds run already
        detail += f"; it lives for {duration(facts.left_s)}"
    detail += ", renewable" if renewable else ", nothing to renew"
    note = ""
    if facts.uses:
        note = (
            f"The token is good for {count(facts.uses, 'request')}, and a cycle takes many: let it "
            "be given without such a limit (token_num_uses)."
        )
    elif facts.left_s and not renewable and not method:
        note = (
            f"The token cannot be renewed and ends in {duration(facts.left_s)}: give another one "
            "before, or a login (origin.vault.approle)."
        )
    return detail, note


def _probe_steps(
    consul: Consul, directory: str, key: str, scope: Scope
) -> Iterator[tuple[str, bool]]:
    limit = scope.budget.consul
    yield "written", consul.put(key, b"1", limit)
    yield "read", (pair := consul.read(key, limit)) is not None and pair.value == b"1"
    yield "listed", key in consul.list_keys(directory, limit)
    yield "updated", consul.put(key, b"2", limit)
    yield "read", (pair := consul.read(key, limit)) is not None and pair.value == b"2"


def _probe_failed(key: str, step: str) -> Fault:
    return Fault(
        FaultKind.CHECK_FAILED,
        f"Consul did not keep the probe key {key}: it could not be {step}",
        hint="Another vsync may be checking the same sync path from this host right now; "
        "try again. If it comes back, Consul loses writes.",
        context={"key": key, "step": step},
    )


def _fatal(fault: Fault) -> Fault:
    if fault.fatal:
        return fault
    return Fault(FaultKind.CHECK_FAILED, fault.message, hint=fault.hint, context=fault.context)
