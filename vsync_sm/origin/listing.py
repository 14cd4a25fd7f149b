"""The first phase: the former sync info from Consul, then every path of every mount."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping

import msgspec

from vsync_sm.core.choice import Choice
from vsync_sm.core.errors import Fault, FaultKind
from vsync_sm.core.events import FolderListed, MountChecked, PathsListed, SyncInfoRead
from vsync_sm.core.memory import OpenSave, settle, sha256
from vsync_sm.core.safety import confirmed_gone
from vsync_sm.core.sync_info import INDEX, Former, decode_former
from vsync_sm.origin.access import Access
from vsync_sm.origin.detailed import Details, Given
from vsync_sm.origin.scope import Scope
from vsync_sm.servers.consul import Consul
from vsync_sm.servers.vault import CATCH_UP_PATH, Metadata, MountFacts, Vault

CATCH_UP_POLICY = f'path "{CATCH_UP_PATH}" {{ capabilities = ["delete"] }}'
"""The policy that rule 10 needs; Vault's own `default` policy has it."""


class SecretPath(msgspec.Struct, frozen=True, gc=False):
    """One listed secret: its mount (ends in `/`), and its path within it.

    `metadata` where a detailed list gave it: then it need not be read.
    """

    mount: str
    path: str
    metadata: Metadata | None = None


class Folder(msgspec.Struct, frozen=True):
    """A folder of a mount: what is chosen of its secrets, and its folders that may hold more.

    `unchosen` and `pruned` count the secrets and folders that were passed by; `listed` is still to
    be told.
    """

    listed: FolderListed
    paths: tuple[SecretPath, ...] = ()
    folders: tuple[str, ...] = ()
    unchosen: int = 0
    pruned: int = 0


class Walked(msgspec.Struct, frozen=True):
    """Every chosen path, and the counts of what is not, by mount."""

    paths: Mapping[str, tuple[SecretPath, ...]]
    unchosen: Mapping[str, int]
    pruned: Mapping[str, int]


class Listed(msgspec.Struct, frozen=True):
    """What listing found. `accessors` are by mount."""

    former: Former
    paths: tuple[SecretPath, ...]
    accessors: dict[str, str]


class Lister:
    """Asks Vault for names, and never believes a failed list to be an empty one (safety rule 2).

    It asks for nothing that cannot hold what is chosen. `saved` are the paths of the former sync
    info (data paths), once it is known. Several threads may list at once.
    """

    def __init__(
        self,
        scope: Scope,
        vault: Vault,
        access: Access,
        choice: Choice,
        details: Details | None = None,
    ) -> None:
        self.choice = choice
        self.saved: Container[str] = ()
        self._scope = scope
        self._vault = vault
        self._access = access
        self._details = details
        self._again: dict[tuple[str, str], tuple[str, ...]] = {}

    def catch_up(self) -> bool:
        """See that no answer from now on is older than this moment (safety rule 10).

        Returns:
            Whether the server tells the state that an answer comes from. Where it tells none, and
            may not be asked for it either, the cycle goes on: no node of it is known to lag.
        """
        limit = self._scope.budget.vault
        try:
            return self._scope.patience.call(
                "catch up",
                lambda: self._access.call(lambda: self._vault.catch_up(limit), limit),
            )
        except Fault as fault:
            if fault.kind not in {FaultKind.FORBIDDEN, FaultKind.BAD_REQUEST}:
                raise
            if not self._vault.tells_its_state:
                return False
            raise Fault(
                fault.kind,
                f"Vault's standbys may lag, and the token may not see to it: {fault.message}",
                hint=f"Grant it what Vault's default policy has: {CATCH_UP_POLICY}. A batch token "
                "never may: give a service token.",
                context=fault.context,
            ) from None

    def check_mount(self, mount: str) -> MountFacts:
        """The mount as the server describes it. Raises Fault unless it is this mount, and KV v2."""
        limit = self._scope.budget.vault
        facts = self._scope.patience.call(
            f"mount {mount}",
            lambda: self._access.call(lambda: self._vault.mount(mount, limit), limit),
        )
        refuse_other_mounts(mount, facts)
        return facts

    def names(self, mount: str, folder: str) -> tuple[str, ...] | None:
        """A folder's names, or None for Vault's "nothing here"."""
        limit = self._scope.budget.vault
        try:
            return self._scope.patience.call(
                f"list {mount}{folder}",
                lambda: self._access.call(
                    lambda: self._vault.list_names(mount, folder, limit), limit
                ),
            )
        except Fault as fault:
            if fault.kind is FaultKind.FORBIDDEN and self._is_root(mount, folder):
                what = f"the folder {mount}{folder}" if folder else f"the mount {mount}"
                raise Fault(
                    FaultKind.MOUNT_FORBIDDEN,
                    f"Vault refuses to list {what}",
                    hint=f'Grant the token "list" and "read" on {mount}metadata/{folder}*.',
                    context=fault.context,
                ) from None
            raise

    def gone(self, mount: str, folder: str, name: str) -> bool:
        """Whether a name that `folder` has just given is gone, by listing `folder` again."""
        while True:
            known = self._again.get((mount, folder))
            if known is not None and confirmed_gone(name, known):
                return True
            answer = self.names(mount, folder)
            if answer is not None:
                self._again[mount, folder] = answer
                return confirmed_gone(name, answer)
            if self._is_root(mount, folder):
                return True
            # The folder is empty itself: it must be gone from its own parent, and so on up.
            folder, name = above(folder)

    def enter(self, mount: str, folder: str) -> Folder:
        """List one folder; with metadata where the server gives them so."""
        self._scope.check()
        names = self.names(mount, folder)
        if names is None:
            self._believe_empty(mount, folder)
            names = ()
        below = [f"{folder}{name}" for name in names if name.endswith("/")]
        secrets = [name for name in names if not name.endswith("/")]
        chosen = [name for name in secrets if self.choice.belongs(mount, f"{folder}{name}")]
        given = Given({})
        if self._details is not None:
            given = self._details.of(mount, folder, names, frozenset(chosen), self.saved)
        entered = tuple(each for each in below if self.choice.may_hold(mount, each))
        return Folder(
            listed=FolderListed(
                mount=mount,
                folder=folder,
                paths=len(secrets),
                folders=len(below),
                detailed=len(given.metadata),
                lists=given.lists,
            ),
            paths=tuple(
                SecretPath(mount, f"{folder}{name}", given.metadata.get(name)) for name in chosen
            ),
            folders=entered,
            unchosen=len(secrets) - len(chosen),
            pruned=len(below) - len(entered),
        )

    def _is_root(self, mount: str, folder: str) -> bool:
        # No list that the token may read names it: what is said of it is all that can be known.
        return folder in self.choice.roots(mount)

    def _believe_empty(self, mount: str, folder: str) -> None:
        if self._is_root(mount, folder):
            # There is no parent to ask, and on a first save nothing that would contradict.
            believed = self.names(mount, folder) is None
        else:
            believed = self.gone(mount, *above(folder))
        if not believed:
            raise still_named(mount, folder)


def above(folder: str) -> tuple[str, str]:
    """The parent of a folder, and its name there: `a/` and `b/` of `a/b/`."""
    parent, separator, name = folder.removesuffix("/").rpartition("/")
    return f"{parent}{separator}", f"{name}/"


def list_everything(
    scope: Scope,
    lister: Lister,
    consul: Consul,
    *,
    prefix: str,
    open_save: OpenSave | None,
    walk: Callable[[], Walked],
) -> Listed:
    """The whole phase. Raises Fault where anything is not certain."""
    # First what lies in Consul: another origin may have saved it, and nothing of Vault's be older.
    former = _read_former(scope, consul, prefix, open_save)
    lister.saved = former.insights.keys()
    lister.catch_up()
    mounts = lister.choice.mounts
    accessors = {}
    for mount in mounts:
        facts = lister.check_mount(mount)
        accessors[mount] = facts.accessor
        scope.tell((MountChecked(mount=mount, version=facts.version, accessor=facts.accessor),))
    walked = walk()
    by_mount = walked.paths
    paths = tuple(path for found in by_mount.values() for path in found)
    scope.tell(
        (
            PathsListed(
                paths=len(paths),
                mounts={mount: len(found) for mount, found in by_mount.items()},
                unchosen={mount: n for mount, n in walked.unchosen.items() if n},
                pruned={mount: n for mount, n in walked.pruned.items() if n},
                idle=lister.choice.idle(
                    {mount: [each.path for each in found] for mount, found in by_mount.items()}
                ),
                detailed=sum(each.metadata is not None for each in paths),
            ),
        )
    )
    return Listed(former, paths, accessors)


def _read_former(scope: Scope, consul: Consul, prefix: str, open_save: OpenSave | None) -> Former:
    tree = scope.patience.call(
        f"read {prefix}", lambda: consul.read_tree(prefix, scope.budget.consul)
    )
    former = decode_former(prefix, tree)
    index = former.index_key
    scope.tell(
        (
            SyncInfoRead(
                prefix=prefix,
                insights=len(former.insights),
                buckets=len(former.keys),
                index=sha256(index.value) if index else "",
                num_buckets=len(former.digests) if former.digests is not None else None,
            ),
        )
    )
    if open_save is not None and open_save.started.index_key == f"{prefix}{INDEX}":
        scope.tell((settle(open_save, former),))
    return former


def refuse_other_mounts(mount: str, facts: MountFacts) -> None:
    """Raise Fault unless `facts` describe this very mount, and it is KV v2."""
    if facts.path != mount:
        raise Fault(
            FaultKind.MOUNT_CHANGED,
            f"{mount} is not a mount: the server says it lies in {facts.path or '(nothing)'}",
            hint="origin.mounts wants mounts, not folders inside one. For a folder: origin.paths: "
            f"[{{mount: {facts.path or '…'}, under: {mount.removeprefix(facts.path) or '…'}}}]",
            context={"mount": mount, "server_path": facts.path},
        )
    if facts.type != "kv" or facts.version != "2":
        found = f"{facts.type} version {facts.version or '1'}" if facts.type == "kv" else facts.type
        raise Fault(
            FaultKind.MOUNT_CHANGED,
            f"the mount {mount} is {found}, not KV version 2",
            hint="vsync needs versions; enable KV v2 (vault kv enable-versioning) or take the "
            "mount out of the configuration.",
            context={"mount": mount, "found": found},
        )


def still_named(mount: str, folder: str) -> Fault:
    """The fault of a folder that answers "nothing here", and then its parent, or it, does not."""
    return Fault(
        FaultKind.VANISHED_BETWEEN_LISTS,
        f"{mount}{folder} answers that nothing is there, but its parent still names it"
        if folder
        else f"{mount} answers that nothing is there, and asked again, that there is something",
        hint="A lagging standby or a server in trouble answers so; the next cycle looks again.",
        context={"mount": mount, "folder": folder},
    )
