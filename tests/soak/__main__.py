"""An origin in bad weather: `python -m tests.soak` (`just soak`), 15 minutes unless told otherwise.

A cycle a second, a token that lives a minute at most, a journal that goes on in another file again
and again, one mount a path a request and one a folder a request. Somebody adds, changes and
deletes; servers are stopped, frozen, sealed and restarted at random; the daemon is killed at
random in the first two thirds, and left alive in the last. In the end Consul must hold what Vault
holds and what Vault said to the user, the journal must replay without a contradiction, and what
the daemon takes must not have grown.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median

from tests.auths import POLICY as READER
from tests.auths import Auths
from tests.soak.keeper import Keeper, Sample
from tests.soak.user import User
from tests.soak.weather import Weather
from tests.support import ConsulKv, VaultApi
from tests.workshop import Workshop, events
from vsync_sm.core.events import CycleFinished, RetryScheduled, TokenRenewed
from vsync_sm.journal.reader import read_journal
from vsync_sm.journal.segments import usage
from vsync_sm.local import BaoServer, ConsulServer, start_bao, start_consul

MOUNTS = ("platform/", "teams/")
SECRETS = 400
RULES = """
path "platform/metadata/*" { capabilities = ["read", "list"] }
path "teams/metadata/*" { capabilities = ["read", "list"] }
path "teams/detailed-metadata/*" { capabilities = ["list"] }
"""
TOKEN = {"token_ttl": "20s", "token_max_ttl": "60s"}
LEAST: dict[str, list[str]] = {"data": [], "metadata": ["read", "list"]}
GIVEN_UP = 20
"""A daemon that has ended by itself so often will not do: what it said is shown."""

GROWTH = 1.15
"""The last quarter of the watched time may take so many times what its first quarter took."""
FILES = 4
"""So many more file handles, or threads, may be open by chance at the moment of a look."""


def say(line: str) -> None:
    """A line of the report."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main(arguments: Sequence[str] | None = None) -> int:
    """0: all held; 1: something did not, and the report says what."""
    parser = argparse.ArgumentParser(prog="just soak", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=15.0)
    parser.add_argument(
        "--seed", type=int, default=int(time.time()), help="of what is left to chance"
    )
    parser.add_argument("--keep", type=Path, help="a directory that keeps journal and logs")
    told = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="vsync-soak-") as scratch:
        home = told.keep or Path(scratch)
        home.mkdir(parents=True, exist_ok=True)
        wrong = soak(home, told.minutes * 60, told.seed)
    for line in wrong:
        say(f"WRONG  {line}")
    say("something did not hold" if wrong else "all held")
    return bool(wrong)


def soak(home: Path, seconds: float, seed: int) -> list[str]:
    """Run it; what did not hold, one line each."""
    say(f"seed {seed}, {seconds / 60:g} minutes, {SECRETS} secrets; everything lies in {home}")
    with (
        start_bao(home / "bao", persistent=True) as bao,
        start_consul(home / "consul", persistent=True) as consul,
    ):
        vault = VaultApi(bao)
        for mount in MOUNTS:
            vault.make_mount(mount)
        shop = _shop(bao, consul, home)
        user = User(vault, MOUNTS, SECRETS, seed)
        user.settle()
        keeper = Keeper(shop)
        weather = Weather(bao, consul, keeper.kill, seed)
        began = time.monotonic()
        with user:
            watched = began
            for share, kills in ((2 / 3, True), (1 / 3, False)):
                watched = time.monotonic()
                for name in weather.blow(seconds * share, kills=kills):
                    say(f"{time.monotonic() - began:6.0f} s  {name}")
                    if keeper.exits[1] + keeper.exits[2] > GIVEN_UP:
                        return [(home / "daemon.log").read_text()[-2_000:]]
        ended = time.monotonic()
        keeper.settle()
        code = keeper.stop()
        samples = [each for each in keeper.samples if watched <= each.at <= ended]
        return [
            *([] if code == 0 else [f"the daemon's last exit code is {code}"]),
            *_compare(shop, user),
            *_story(shop),
            *_growth(samples),
            *_report(shop, user, weather, keeper),
        ]


def _shop(bao: BaoServer, consul: ConsulServer, home: Path) -> Workshop:
    shop = Workshop(VaultApi(bao), ConsulKv(consul), MOUNTS, "vsync/", home)
    auths = Auths(bao)
    login = auths.approle(**TOKEN)
    auths.ask("PUT", f"sys/policies/acl/{READER}", {"policy": RULES})
    shop.config["numBuckets"] = 8
    shop.config["journal"] = {"segmentSize": "1MiB"}
    shop.config["origin"] |= {
        "timeout": "5s",
        "requestTimeout": "2s",
        "numWorkers": 4,
        "status": True,
        "vault": {
            "address": bao.address,
            "approle": login,
            "requiredCapabilities": LEAST,
        },
    }
    return shop


def _compare(shop: Workshop, user: User) -> Iterator[str]:
    saved, alive = shop.saved(), shop.alive()
    say(f"Consul holds {len(saved)} insights, Vault {len(alive)} living secrets")
    if saved != alive:
        differing = sorted(dict(saved.items() ^ alive.items()))
        yield f"Consul does not hold what Vault holds: {', '.join(differing[:10])}"
    yield from user.wrong(saved)


def _story(shop: Workshop) -> Iterator[str]:
    try:
        shop.replayed()
    except AssertionError as error:
        yield f"the journal does not replay: {error}"


def _growth(samples: Sequence[Sample]) -> Iterator[str]:
    quarter = max(1, len(samples) // 4)
    first, last = samples[:quarter], samples[-quarter:]
    for name, slack in (("rss_bytes", 0), ("files", FILES), ("threads", FILES)):
        before, after = (median(getattr(each, name) for each in part) for part in (first, last))
        say(f"{name}: {before:,.0f} at first, {after:,.0f} in the end")
        if after > before * GROWTH + slack:
            yield f"{name} has grown from {before:,.0f} to {after:,.0f}"


def _report(shop: Workshop, user: User, weather: Weather, keeper: Keeper) -> Iterator[str]:
    finished = events(read_journal(shop.journal), CycleFinished)
    outcomes = sorted({each.outcome for each in finished})
    counted = ", ".join(
        f"{sum(each.outcome == outcome for each in finished)} {outcome}" for outcome in outcomes
    )
    say(f"{len(finished)} cycles: {counted}")
    renewals = events(read_journal(shop.journal), TokenRenewed)
    logins = sum(each.login for each in renewals)
    say(f"{len(renewals)} times a new lease of the token, {logins} of them by a login")
    say(f"the journal lies in {usage(shop.journal).segments} files")
    retries = len(events(read_journal(shop.journal), RetryScheduled))
    say(f"{user.changes} changes, {user.unsure} without an answer; {retries} requests tried again")
    say(f"weather: {', '.join(f'{n} times {name}' for name, n in sorted(weather.seen.items()))}")
    ends = ", ".join(f"{n} times {code}" for code, n in sorted(keeper.exits.items()))
    say(f"the daemon ended by itself or was killed: {ends or 'never'}")
    say(f"refusals allowed: {keeper.allowed}")
    if not any(each.outcome == "saved" for each in finished):
        yield "no cycle has saved anything"


if __name__ == "__main__":
    sys.exit(main())
