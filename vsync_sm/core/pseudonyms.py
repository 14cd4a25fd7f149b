"""Pseudonyms: what stands in place of a name where a journal is shown to others.

One name has one pseudonym wherever it stands: as a mount, a folder, a secret, a host, a user.
Paths keep their depth. All rest on a key: who lacks it cannot try out whether a guess is right, as
one could with a plain digest. For the same reason digests and the buckets' numbers are changed
along: they are made of paths.

In a sentence a name stays that is a number, or one of the words of vsync's sentences: nobody can
tell it from them, while a pseudonym would tell what it stands for ("n-… no longer accepts the
token"). Between slashes it goes.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from bisect import insort
from collections.abc import Iterable, Iterator
from functools import lru_cache

from vsync_sm.core.vocabulary import OWN

KEPT = frozenset(("data", "metadata", "detailed-metadata", "origin", "index", "lock", "status"))
"""Words of the APIs and of the keys in Consul, which tell nothing."""

LEFT_OUT = "(left out)"
"""In place of what people wrote."""

LEAST_KEY = 16
"""A key is no shorter than this (bytes)."""

_LETTERS = 10  # 50 bits: among a million names, one chance in two thousand that two are alike
_PATHS_KEPT = 100_000
_EMPTY = frozenset(("", ".", "..", "…"))
_LOOPBACK = frozenset(("localhost", "127.0.0.1", "::1"))
_OURS = re.compile(
    r"(?:origin|journal|log|notify|metrics|vault|consul|VSYNC|VAULT|CONSUL)(?:[._][A-Za-z_]+)+"
    r"|vsync(?:-sm|-tui)?|\d+(?:\.\d+){1,2}"
)
_API = re.compile(
    r"/?(?:v1/)?(?:sys/(?:internal/ui/mounts|capabilities-self|health|seal-status|leader)"
    r"|auth/token(?:/[a-z-]+)?|cubbyhole/vsync)(?:/|\Z)"
)
_NUMBER = re.compile(
    r"[+-]?\d{1,8}(?:\.\d+){0,2}(?:%|ms|s|m|h|d|[KMG]iB)?"  # a longer one is no count: an account
    r"|\d{4}-\d\d-\d\d(?:T[\d:.]+Z?)?|\d\d:\d\d(?::\d\d)?",
    re.ASCII,
)
_EDGES = "\"'`“”‘’()[]{}<>,;:!?*=|"
_BETWEEN = re.compile(rf"[\s{re.escape(_EDGES)}]+")
_PIECE = re.compile(
    r"(?P<url>[A-Za-z][A-Za-z0-9+.-]*://[^\s\"'`<>|]+)"
    r"|(?P<bucket>\bbucket (?P<number>\d{1,4})\b)"
    r"|(?P<path>[^\s\"'`“”<>()\[\]{},;|=]*/[^\s\"'`“”<>()\[\]{},;|=]*)"
    r"|(?P<address>\[[0-9A-Fa-f:.]+\](?::\d+)?|(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{1,4}(?![\w:]))"
    r"|(?P<word>[^\s\"'`“”‘’()\[\]{}<>,;!?*=|]+)"
)
_PART = re.compile(r"[^\W_]+")
_HOST = re.compile(r"(?P<host>[^:@]+)(?P<port>:\d{1,5})?")
_HOST_LIKE = re.compile(r"[^:]*[A-Za-z][^:]*:\d{2,5}|(?=[^:]{5})[\w-]+(?:\.[\w-]+)+(?::\d{1,5})?")
_LONG_HEX = re.compile(r"[0-9A-Fa-f]{16,}|[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_GLOB = re.compile(r"[^*?\[\]{},!]+")


class Pseudonyms:
    """Gives each name its pseudonym.

    It learns the names that it is asked about by `segment` and `path`, and finds them again in free
    texts: who wants none to slip through shows it everything once before.

    Args:
        key: at least `LEAST_KEY` random bytes; the same key gives the same pseudonyms.
    """

    def __init__(self, key: bytes) -> None:
        if len(key) < LEAST_KEY:
            raise ValueError(f"a key has at least {LEAST_KEY} bytes, not {len(key)}")
        self._key = key
        self._known: dict[str, str] = {}
        self._folded: dict[str, str] = {}  # in lower case
        self._odd: dict[str, list[str]] = {}  # those that are no single word, by their first part
        self._paths: dict[str, str] = {}
        self._permuted: dict[int, list[int]] = {}
        self._text = lru_cache(10_000)(self._rewritten)

    # --- single names ---

    def segment(self, name: str) -> str:
        """Of a name without slashes; it is known from now on."""
        known = self._known.get(name)
        if known is None:
            known = self._known[name] = self._made(name)
            self._learn(name)
        return known

    def path(self, path: str) -> str:
        """Of each name between its slashes."""
        known = self._paths.get(path)
        if known is None:
            if len(self._paths) >= _PATHS_KEPT:
                self._paths.clear()
            known = self._paths[path] = "/".join(map(self.segment, path.split("/")))
        return known

    def pattern(self, pattern: str) -> str:
        """Of a path with wildcards: those stay."""
        return "/".join(
            _GLOB.sub(lambda match: self.segment(match[0]), part) for part in pattern.split("/")
        )

    def digest(self, digest: str) -> str:
        """Another digest of as many digits; the same for the same."""
        if not digest:
            return ""
        return self._mac("digest", digest).hex().ljust(len(digest), "0")[: len(digest)]

    def bucket(self, bucket: int, num_buckets: int) -> int:
        """The number of another bucket; beyond `num_buckets`, where stale ones lie, the same."""
        if not 0 <= bucket < num_buckets:
            return bucket
        order = self._permuted.get(num_buckets)
        if order is None:
            macs = [self._mac(f"bucket of {num_buckets}", str(n)) for n in range(num_buckets)]
            order = self._permuted[num_buckets] = sorted(range(num_buckets), key=macs.__getitem__)
        return order[bucket]

    def key(self, key: str, num_buckets: int) -> str:
        """Of a key in Consul: `vsync/origin/17`, `vsync/origin/index`."""
        head, slash, last = key.rpartition("/")
        if re.fullmatch(r"\d{1,5}", last, re.ASCII):
            return f"{self.path(head)}{slash}{self.bucket(int(last), num_buckets)}"
        return self.path(key)

    def _made(self, name: str) -> str:
        if name in _EMPTY or name in KEPT or name in _LOOPBACK:
            return name
        word = base64.b32encode(self._mac("name", name)).decode().lower()
        return f"n-{word[:_LETTERS]}"

    def _mac(self, what: str, text: str) -> bytes:
        message = f"{what}\0{text}".encode("utf-8", "surrogatepass")
        return hmac.digest(self._key, message, hashlib.sha256)

    # --- free texts ---

    def text(self, text: str, num_buckets: int = 0) -> str:
        """The same text with every name in it replaced that is known, or looks like one.

        Paths, addresses and user names are known by their looks; other names must be known.
        """
        return self._text(text, num_buckets) if text else text

    def forget_texts(self) -> None:
        """More names are known now: texts that were seen before are looked through anew."""
        self._text.cache_clear()

    def _learn(self, name: str) -> None:
        if name in _EMPTY or name in KEPT:
            return
        self._folded[name.casefold()] = name
        parts = _PART.findall(name)
        if not re.fullmatch(r"[\w.:@-]+", name):
            first = parts[0].casefold() if parts else ""
            insort(self._odd.setdefault(first, []), name, key=lambda each: -len(each))

    def _rewritten(self, text: str, num_buckets: int) -> str:
        return "".join(
            piece if done else _PIECE.sub(lambda match: self._piece(match, num_buckets), piece)
            for piece, done in self._without_odd(text)
        )

    def _without_odd(self, text: str) -> Iterator[tuple[str, bool]]:
        """The text in pieces; a name of more than a word is one by itself, replaced already."""
        passed = 0
        for at, candidates in self._odd_places(text):
            found = next((name for name in candidates if _stands(name, text, at)), None)
            if found is not None and at >= passed:
                yield text[passed:at], False
                yield self._known[found], True
                passed = at + len(found)
        yield text[passed:], False

    def _odd_places(self, text: str) -> Iterable[tuple[int, list[str]]]:
        if not self._odd:
            return
        without_letters = self._odd.get("", [])
        for at in range(len(text)) if without_letters else ():
            yield at, without_letters
        for match in _PART.finditer(text):
            candidates = self._odd.get(match[0].casefold())
            if candidates is not None:
                for name in candidates:
                    first = _PART.search(name)
                    before = first.start() if first is not None else 0
                    yield max(0, match.start() - before), [name]

    def _piece(self, match: re.Match[str], num_buckets: int) -> str:
        whole = match[0]
        if match["url"]:
            scheme, _, rest = whole.partition("://")
            host, slash, path = rest.partition("/")
            return f"{scheme}://{self._host(host)}{slash}{self._loose(path)}"
        if match["bucket"]:
            return f"bucket {self.bucket(int(match['number']), num_buckets)}"
        if match["path"]:
            return self._loose(whole)
        if match["address"]:
            return self._address(whole)
        return self._word(whole)

    def _loose(self, path: str) -> str:
        """A path in a text: what ends the sentence is no part of it."""
        bare = path.rstrip(f"{_EDGES}.")
        rest = path[len(bare) :]
        api = _API.match(bare)
        kept = api[0] if api is not None else ""
        segments = bare[len(kept) :].split("/")
        return kept + "/".join(map(self._quiet, segments)) + rest

    def _quiet(self, name: str) -> str:
        """As `segment`, without learning what may be no name."""
        return self._known.get(name) or self._made(name)

    def _host(self, host: str) -> str:
        user, at, rest = host.rpartition("@")
        user = self._quiet(user) if user else ""
        match = _HOST.fullmatch(rest)
        if match is None:
            return f"{user}{at}{self._address(rest)}"
        return f"{user}{at}{self._quiet(match['host'])}{match['port'] or ''}"

    def _address(self, address: str) -> str:
        match = re.fullmatch(r"\[(.*)\](:\d+)?", address)
        if match is not None:
            return f"[{self._quiet(match[1])}]{match[2] or ''}"
        if re.fullmatch(r"\d\d?(?::\d\d){1,2}", address):  # a time of day
            return address
        return self._quiet(address)

    def _word(self, word: str) -> str:
        bare = word.strip(f"{_EDGES}.")
        at = word.find(bare)
        before, after = word[:at], word[at + len(bare) :]
        return f"{before}{self._bare(bare)}{after}" if bare else word

    def _bare(self, word: str) -> str:
        if _OURS.fullmatch(word) or word in KEPT or _is_no_name(word):
            return word
        name = self._folded.get(word.casefold())
        if name is not None:
            return self._known[name]
        if "@" in word or _HOST_LIKE.fullmatch(word):
            return self._host(word)
        if _LONG_HEX.fullmatch(word):
            return self.digest(word)
        return self._quiet(word) if self._tells(word) else word

    def _tells(self, word: str) -> bool:
        """Whether a known name is a part of a word: `payments-db`."""
        parts = _PART.findall(word)
        return len(parts) > 1 and any(
            part.casefold() in self._folded and not _is_no_name(part) for part in parts
        )


def _is_no_name(word: str) -> bool:
    """Whether vsync says it in its own sentences, so that it need not be a name in one."""
    if word.casefold() in OWN or _NUMBER.fullmatch(word):
        return True
    return word.isascii() and _PART.search(word) is None


def _stands(name: str, text: str, at: int) -> bool:
    """Whether a name of more than a word stands there, and not only words that vsync says."""
    if not text.startswith(name, at):
        return False
    if not all(map(_is_no_name, filter(None, _BETWEEN.split(name)))):
        return True
    return text[:at].endswith("/") or (
        _PART.search(name) is not None and text.startswith("/", at + len(name))
    )
