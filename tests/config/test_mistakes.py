"""Every mistake names field, value and what would do; all come in one report."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.config.configuring import LEAST, TOKEN, configure, mistaken

BAD: list[tuple[str, object, str, str]] = [
    ("numBuckets", 0, "must be from 1 to 7800", ""),
    ("numBuckets", 7801, "must be from 1 to 7800", ""),
    ("numBuckets", True, "must be a whole number, is true or false", ""),
    ("numBuckets", "many", "must be a whole number, is text", ""),
    ("numBuckets", 1.5, "must be a whole number, is a number", ""),
    ("numBuckets", 10**30, "must be a whole number, is text", ""),
    ("name", 12345, "must be text, is a number", "put quotes around it"),
    ("name", ["a"], "must be text, is a list", ""),
    ("name", "a\0", "holds a control character", "remove it"),
    ("name", "\ud83d", "holds half a character", "write the character itself"),
    ("log.level", "loud", "is none of the words", "write debug, info, warn or error"),
    ("log.type", "xml", "is none of the words", "write auto, console or json"),
    ("log", "debug", "must hold keys, is text", "write level: …"),
    ("notify.command", 'mail "x', "has a quote that is never closed", ""),
    ("notify.command", ["mail", 3], "must hold text only, one item is a number", ""),
    ("notify.command", [""], "does not begin with a program", ""),
    ("origin.status", "maybe", "must be true or false", ""),
    ("metrics.address", ":9464", "has no host before its port", "0.0.0.0:9464 for every address"),
    ("metrics.address", "127.0.0.1", "has no port from 0 to 65535", "like 127.0.0.1:9464"),
    ("metrics.address", "127.0.0.1:", "has no port from 0 to 65535", ""),
    ("metrics.address", "127.0.0.1:65536", "has no port from 0 to 65535", ""),
    ("metrics.address", -1, "has no port from 0 to 65535", ""),
    ("metrics.address", "٣", "has no port from 0 to 65535", ""),
    ("metrics.address", "http://127.0.0.1:9464", "is no address to listen at", ""),
    ("metrics.address", "::1:9464", "is no address to listen at", ""),
    ("metrics.address", "me@host:9464", "is no address to listen at", ""),
    ("metrics.address", True, "must be text, is true or false", ""),
    ("origin.numWorkers", 0, "must be from 1 to 256", ""),
    ("origin.numWorkers", 257, "must be from 1 to 256", ""),
    ("origin.renewToken", "perhaps", "must be true or false", ""),
    ("origin.tick", 5, "is a duration without its unit", "write 5s"),
    ("origin.tick", "5", "is a duration without its unit", "write 5s"),
    ("origin.tick", 1.5, "is a duration without its unit", "write 1.5s"),
    ("origin.tick", True, "must be a duration", ""),
    ("origin.tick", "", "is no duration of Go's", 'like "30s"'),
    ("origin.tick", "0s", "must be longer than nothing", ""),
    ("origin.tick", "0", "must be longer than nothing", ""),
    ("origin.tick", "-5s", "must be longer than nothing", ""),
    ("origin.tick", -5, "must be longer than nothing", ""),
    ("origin.tick", "1d", "is no duration of Go's", "units: ns us µs ms s m h"),
    ("origin.tick", "1w", "is no duration of Go's", ""),
    ("origin.tick", "1y", "is no duration of Go's", ""),
    ("origin.tick", "1mm", "is no duration of Go's", ""),
    ("origin.tick", "1m 30s", "is no duration of Go's", ""),
    ("origin.tick", "1m,30s", "is no duration of Go's", ""),
    ("origin.tick", "1..5s", "is no duration of Go's", ""),
    ("origin.tick", "1M", "is no duration of Go's", ""),
    ("origin.tick", "٣s", "is no duration of Go's", ""),
    ("origin.tick", "8761h", "is too long", "8760h is the longest"),
    ("origin.tick", "9" * 400 + "h", "is too long", ""),
    ("origin.timeout", "200h", "is too long", "168h is the longest"),
    ("origin.requestTimeout", "2h", "is too long", "1h is the longest"),
    ("origin.maxShrink", 20, "must be a fraction", "for 20 percent write 0.2"),
    ("origin.maxShrink", "20%", "is a percentage", "for 20 percent write 0.2"),
    ("origin.maxShrink", -0.1, "must be a fraction", ""),
    ("origin.maxFailedPaths", 101, "must be a fraction", "0.2 is one in five"),
    ("origin.maxFailedPaths", False, "must be a fraction", ""),
    ("origin.carryWarnAfter", 0, "must be from 1", ""),
    ("origin.tickJitter", 0.6, "is more than half of the tick", "0.05 is usual"),
    ("origin.tickJitter", 5, "must be a fraction", "for 5 percent write 0.05"),
    ("origin.vault.maxRequestsPerSecond", -1, "must be 0, or from 0.5", "0 is no ceiling"),
    ("origin.vault.maxRequestsPerSecond", 0.1, "must be 0, or from 0.5", "one in two seconds"),
    ("origin.vault.maxRequestsPerSecond", "50/s", "must be a number, is text", "50 a second"),
    ("origin.vault.maxRequestsPerSecond", True, "must be a number", ""),
    ("origin.vault.maxRequestsPerSecond", "nan", "must be a number", ""),
    ("origin.vault.maxRequestsPerSecond", 1e300, "must be 0, or from 0.5", ""),
    ("notify.afterFailures", 0, "must be from 1", ""),
    ("origin.syncPath", "", "is empty", ""),
    ("origin.syncPath", "/vsync/", "begins with a slash", "leave the first slash out"),
    ("origin.syncPath", "/", "begins with a slash", ""),
    ("origin.syncPath", "a//b", "has an empty segment (//)", ""),
    ("origin.syncPath", "vsync//", "has an empty segment (//)", ""),
    ("origin.syncPath", "a/../b", "has a segment . or ..", ""),
    ("origin.mounts", [], "names no mount", ""),
    ("origin.mounts", 3, "must be a list, is a number", ""),
    ("origin.mounts", {"a": 1}, "must be a list, is a mapping", ""),
    ("origin.mounts[0]", ["secret"], "lacks its slash at the end", "write secret/"),
    ("origin.mounts[0]", ["/secret/"], "begins with a slash", ""),
    ("origin.mounts[0]", ["a//b/"], "has an empty segment", ""),
    ("origin.mounts[0]", ["../"], "has a segment . or ..", ""),
    ("origin.mounts[0]", [""], "is empty", ""),
    ("origin.mounts[0]", ["/"], "is empty", ""),
    ("origin.mounts[0]", [None], "must be text", ""),
    ("origin.mounts[1]", ["a/", "a/"], "is there twice", "name it once"),
    ("origin.mounts[1]", ["a/", "a/b/"], "overlaps a/", "keep one"),
    ("origin.mounts[1]", ["a/b/", "a/"], "overlaps a/b/", "keep one"),
    ("origin.vault.address", "vault:8200", "lacks http:// or https://", "http://127.0.0.1:8200"),
    ("origin.vault.address", "", "lacks http:// or https://", ""),
    ("origin.vault.address", "ftp://vault", "is neither http:// nor https://", ""),
    ("origin.vault.address", "http://vault/v1", "has a path behind the server", ""),
    ("origin.vault.address", "http://", "is no address", ""),
    ("origin.vault.address", "http://vault:", "is no address", ""),
    ("origin.vault.address", "http://vault:0", "is no address", ""),
    ("origin.vault.address", "http://vault:99999", "is no address", ""),
    ("origin.vault.address", "http://[::1", "is no address", ""),
    ("origin.vault.address", "http://va ult", "is no address", ""),
    ("origin.vault.address", " http://vault", "has spaces around it", ""),
    ("origin.vault.token", 12345, "must be text, is a number", "put quotes around it"),
    ("origin.vault.token", "two words", "holds a space", ""),
    ("origin.vault.caCert", "missing.pem", "cannot be read: No such file", ""),
    ("origin.vault.requiredCapabilities.data[0]", ["raed"], "is no capability", "known are create"),
    ("origin.vault.requiredCapabilities.metadata", ["read"], "lacks list", "[read, list]"),
    ("origin.consul.address", "consul", "lacks its port", "127.0.0.1:8500"),
    ("origin.consul.address", "unix:///run/consul", "is neither http:// nor https://", ""),
    ("origin.consul.dc", "dc 1", "is no datacentre's name", "dc1"),
    ("origin.consul.kvMaxValueSize", "512K", "must be a whole number", ""),
    ("journal.segmentSize", "64MB", "is no size", "write it like \"64MiB\""),
    ("journal.segmentSize", True, "must be a size, is true or false", ""),
    ("journal.segmentSize", 1000, "must be from 64KiB to 16GiB", ""),
    ("journal.budget", "-1", "is no size", "from 1MiB to 1024TiB"),
    ("journal.historyDays", "90d", "must be a whole number", ""),
    ("journal.detail", "some", "is none of the words that are known here", "all, or changes"),
    ("origin.dc", "dc1", "was replaced by origin.consul.dc", "use origin.consul.dc"),
    ("syncPath", "vsync/", "was replaced by origin.syncPath", "use origin.syncPath"),
    ("dataPaths", ["secret/"], "was replaced by origin.mounts", "use origin.mounts"),
    ("orgin", {}, "is no key of vsync", "did you mean origin?"),
    ("numBucket", 3, "is no key of vsync", "did you mean numBuckets?"),
    ("numWorkers", 3, "is no key of vsync", "did you mean origin.numWorkers?"),
    ("origin.num_workers", 3, "is no key of vsync", "did you mean origin.numWorkers?"),
    ("origin.timout", "5m", "is no key of vsync", "did you mean origin.timeout?"),
    ("origin.address", "x", "is no key", "origin.vault.address or origin.consul.address?"),
    ("origin.vault.role_id", "x", "is no key", "did you mean origin.vault.approle.role_id?"),
    ("xyzzy", 3, "is no key of vsync", "remove it"),
]  # fmt: skip


@pytest.mark.parametrize(("field", "value", "wrong", "hint"), BAD)
def test_a_mistake_names_field_value_and_what_would_do(
    tmp_path: Path, field: str, value: object, wrong: str, hint: str
) -> None:
    document: object = value
    for part in reversed(field.partition("[")[0].split(".")):
        document = {part: document}
    environment = {k: v for k, v in LEAST.items() if "mounts" not in field or "TOKEN" in k}
    (mistake,) = mistaken(tmp_path, json.dumps(document), environment).mistakes
    assert mistake.field == field
    assert wrong in mistake.wrong
    assert hint in mistake.hint
    assert mistake.hint


def test_no_mounts_at_all(tmp_path: Path) -> None:
    (mistake,) = mistaken(tmp_path, environment={"VAULT_TOKEN": "t"}).mistakes
    assert mistake[:3] == ("origin.mounts", "(not given)", "names no mount")


def test_the_index_must_fit_consuls_limit(tmp_path: Path) -> None:
    words = json.dumps({"numBuckets": 16, "origin": {"consul": {"kvMaxValueSize": 1024}}})
    (mistake,) = mistaken(tmp_path, words).mistakes
    assert (mistake.field, "write 15 at most" in mistake.hint) == ("numBuckets", True)
    assert configure(tmp_path, words.replace("16", "15")).num_buckets == 15


@pytest.mark.parametrize(
    "words",
    ["name: a\nNAME: b", "name: a\nname: b", '{"name": "a", "Name": "b"}', '{"a": 1, "a": 2}'],
)
def test_one_key_twice_is_a_mistake(tmp_path: Path, words: str) -> None:
    assert "stands there twice" in str(mistaken(tmp_path, words))


@pytest.mark.parametrize("key", ["1", "null", "? [a]\n", "? {a: b}\n", "true"])
def test_a_key_that_is_no_text(tmp_path: Path, key: str) -> None:
    assert "a key must be text" in str(mistaken(tmp_path, f"name: a\n{key}: c\n"))


def test_a_mistake_in_a_variable_names_it(tmp_path: Path) -> None:
    environment = LEAST | {
        "VSYNC_ORIGIN_TICK": "5",
        "VSYNC_ORIGIN_DC": "dc1",
        "VAULT_ADDR": "vault",
        "VSYNC_NUM_BUCKETS": "3",
        "VSYNC_NUMBUCKETS": "4",
        "VSYNC_NAME": "\udc80",
    }
    fields = [(m.field, m.value) for m in mistaken(tmp_path, environment=environment).mistakes]
    assert fields == [
        ("name (VSYNC_NAME)", '"\\udc80"'),
        ("numBuckets (VSYNC_NUMBUCKETS, VSYNC_NUM_BUCKETS)", '"4", "3"'),
        ("origin.dc (VSYNC_ORIGIN_DC)", '"dc1"'),
        ("origin.tick (VSYNC_ORIGIN_TICK)", '"5"'),
        ("origin.vault.address (VAULT_ADDR)", '"vault"'),
    ]


def test_the_same_value_by_two_spellings_is_none(tmp_path: Path) -> None:
    environment = LEAST | {"VSYNC_NUM_BUCKETS": "3", "VSYNC_NUMBUCKETS": "3"}
    assert configure(tmp_path, environment=environment).num_buckets == 3


def test_a_mistake_on_the_command_line_says_so(tmp_path: Path) -> None:
    flags: dict[str, object] = {"origin.tick": "5", "origin.tik": "1s"}
    fields = [m.field for m in mistaken(tmp_path, flags=flags).mistakes]
    assert fields == ["origin.tick (command line)", "origin.tik (command line)"]


def test_ten_mistakes_in_one_report(tmp_path: Path) -> None:
    words = f"""
numBuckets: 0
syncPath: vsync/
log: {{level: loud}}
orgin: {{}}
origin:
  dc: dc1
  vault: {{token: 12345, tokn: {TOKEN}}}
  mounts: [secret, kv/, kv/]
  tick: 5
"""
    assert str(mistaken(tmp_path, words, {})) == (
        """config.yaml: 10 mistakes; nothing was contacted

  log.level: "loud"
      is none of the words that are known here
      what would do: write debug, info, warn or error

  numBuckets: 0
      must be from 1 to 7800
      what would do: write a whole number from 1 to 7800

  orgin: (a mapping)
      is no key of vsync
      what would do: did you mean origin?

  origin.dc: "dc1"
      was replaced by origin.consul.dc
      what would do: use origin.consul.dc

  origin.mounts[0]: "secret"
      lacks its slash at the end
      what would do: write secret/

  origin.mounts[2]: "kv/"
      is there twice
      what would do: name it once

  origin.tick: 5
      is a duration without its unit
      what would do: write 5s

  origin.vault.token: (hidden)
      must be text, is a number
      what would do: put quotes around it

  origin.vault.tokn: (hidden)
      is no key of vsync
      what would do: did you mean origin.vault.token?

  syncPath: "vsync/"
      was replaced by origin.syncPath
      what would do: use origin.syncPath"""
    )
