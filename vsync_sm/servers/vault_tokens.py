"""Logins at Vault, and what becomes of the token that they give: renewal, looking up, revocation.

What a login sends and what it gets is secret, so no message quotes the body of such a reply; only
what Vault itself says went wrong is told. Each login may raise AUTHENTICATION: Vault said no.
"""

from __future__ import annotations

import re

import msgspec

from vsync_sm.core.errors import Fault, FaultKind
from vsync_sm.servers.http import Limit, Reply, bounded
from vsync_sm.servers.vault_client import VaultClient, parse
from vsync_sm.servers.vault_replies import Grant, LoginReply, TokenFacts, TokenReply

_CANNOT = re.compile(r"cannot (be )?renew")
_HIDDEN_FROM = 8
"""Characters; shorter ids would be hidden within ordinary words of a message."""


class VaultTokens(VaultClient):
    """The part of a Vault that gives tokens. `path` is where an auth method is mounted."""

    def log_in_approle(self, path: str, role_id: str, secret_id: str, limit: Limit) -> Grant:
        """Log in with AppRole; `secret_id` is "" where the role is bound to none."""
        self._keep_from_messages(role_id, secret_id)
        with bounded(limit):
            reply = self._client.auth.approle.login(
                role_id, secret_id or None, use_token=False, mount_point=path
            )
        return self._login(reply, path, "look at role_id, secret_id and approle.path")

    def log_in_kubernetes(self, path: str, role: str, jwt: str, limit: Limit) -> Grant:
        """Log in with a pod's service account token."""
        self._keep_from_messages(jwt)
        with bounded(limit):
            reply = self._client.auth.kubernetes.login(role, jwt, use_token=False, mount_point=path)
        hint = "look at kubernetes.role and .path, and at the service account that the role binds"
        return self._login(reply, path, hint)

    def log_in_jwt(self, path: str, role: str, jwt: str, limit: Limit) -> Grant:
        """Log in with a JWT; `role` is "" for the auth method's default one."""
        self._keep_from_messages(jwt)
        with bounded(limit):
            reply = self._client.auth.jwt.jwt_login(role, jwt, use_token=False, path=path)
        hint = "look at jwt.role and .path, and whether the token in the file has expired"
        return self._login(reply, path, hint)

    def renew(self, limit: Limit) -> Grant | None:
        """Renew the token for as long as Vault gives; None where it cannot be renewed (further).

        A root token, a batch token and one that is not renewable answer 400; one at its max TTL
        gets less than before, or a 500 that says so (seen on OpenBao 2.7.2).
        """
        with bounded(limit):
            reply = self._client.auth.token.renew_self()
        said = " ".join(self._errors(reply) or ())
        if (reply.status == 400 and said) or (reply.status == 500 and _CANNOT.search(said)):
            return None
        return self._granted(reply, "renewing the token", "auth/token/renew-self")

    def revoke(self, limit: Limit) -> None:
        """End the token. What Vault says to it does not matter: its time ends it as well."""
        with bounded(limit):
            self._client.auth.token.revoke_self()

    def look_up(self, limit: Limit, token: str = "") -> TokenFacts | None:
        """What Vault knows of the token, or of another one; None when it is none (any more).

        Asked after any 403, which a policy gives as well.
        """
        doing = "looking the token up"
        self._keep_from_messages(token)
        with bounded(limit):
            reply = self._client.adapter.get(
                "/v1/auth/token/lookup-self", headers={"X-Vault-Token": token} if token else None
            )
        if reply.status == 403 and self._errors(reply) is not None:
            return None
        told = self._decode(reply, TokenReply, doing, "auth/token/lookup-self").data
        return TokenFacts(told.ttl, told.renewable, told.num_uses)

    def token_alive(self, limit: Limit) -> bool:
        """Whether the token is still one, also to the active node.

        A standby that lags goes on accepting a token that has died (seen on OpenBao 2.7.2 with
        raft). So where `catch_up` has shown that such a token may do it, it is done again.
        """
        if self.look_up(limit) is None:
            return False
        if not self._freshness.headers:
            return True
        reply = self._write_nothing(limit)
        if reply.status == 403 and self._errors(reply) is not None:
            return False
        self._expect_nothing_written(reply)
        return True

    def _keep_from_messages(self, *secrets: str) -> None:
        for secret in secrets:
            if len(secret) >= _HIDDEN_FROM:
                self._hide(secret)

    def _login(self, reply: Reply, path: str, hint: str) -> Grant:
        doing, where = "logging in at", f"auth/{path}/login"
        errors = self._errors(reply)
        if reply.status in {400, 403, 404} and errors:
            # A method that is not mounted there answers 403, as a wrong role may.
            raise Fault(
                FaultKind.AUTHENTICATION,
                f"Vault refuses the login at auth/{path}: {self._excerpt('; '.join(errors))}",
                hint=f"{hint}; and at the namespace, if there are any",
                context=self._context(where, reply),
            )
        return self._granted(reply, doing, where)

    def _granted(self, reply: Reply, doing: str, where: str) -> Grant:
        if reply.status != 200:
            if self._errors(reply) is None:
                reply = msgspec.structs.replace(reply, body=b"")
            raise self._refusal(reply, doing, where)
        told = parse(reply, LoginReply)
        if told is None or not told.auth.client_token:
            raise Fault(
                FaultKind.NOT_VAULT,
                f"{doing} {where}: what came holds no token",
                hint="is a proxy in between, or does the login ask for a second factor?",
                context=self._context(where, reply),
            )
        auth = told.auth
        self._hide(auth.client_token)
        return Grant(auth.client_token, auth.lease_duration, auth.renewable, auth.num_uses)
