"""What becomes of the token: whether it still is one."""

from __future__ import annotations

from vsync_sm.servers.http import Limit, bounded
from vsync_sm.servers.vault_client import VaultClient
from vsync_sm.servers.vault_replies import TokenReply


class VaultTokens(VaultClient):
    """The part of a Vault that has to do with tokens."""

    def token_alive(self, limit: Limit) -> bool:
        """Whether the token is still one: asked after any 403, which a policy gives as well."""
        doing = "looking the token up"
        with bounded(limit):
            reply = self._client.auth.token.lookup_self()
        if reply.status == 403 and self._errors(reply) is not None:
            return False
        self._decode(reply, TokenReply, doing, "auth/token/lookup-self")
        return True
