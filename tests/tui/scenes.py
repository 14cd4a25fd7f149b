"""Every screen that is kept as a snapshot, and those that the docs show."""

from __future__ import annotations

from tests.tui.screen import TYPED, Scene

DEAD = "nobody listens at journal.jsonl.sock: the origin does not run"

SMALL, LARGE = (80, 24), (200, 60)

STATES = {
    "checking": Scene("checking"),
    "postponed": Scene("postponed"),
    "listing": Scene("listing"),
    "working": Scene("working"),
    "reindexing": Scene("reindexing"),
    "saving": Scene("saving"),
    "waiting": Scene("waiting"),
    "aborted": Scene("aborted"),
    "refused": Scene("refused"),
    "paused": Scene("paused"),
    "halted": Scene("halted", keys=("escape",)),
    "lost": Scene("lost", unreachable=DEAD),
    "silent": Scene("lost"),
    "replay_cut_short": Scene("working", way="replay"),
    "replay": Scene("finished", way="replay"),
    "live": Scene("working", way="live"),
    "stuck": Scene("stuck"),
    "behind": Scene("behind"),
    "empty_journal": Scene("empty"),
    "readonly": Scene("waiting", commands=False, readonly="opened with --readonly"),
}
"""The first tab in each state."""

SIZES = {
    "small": Scene("working", size=SMALL),
    "small_refused": Scene("refused", size=SMALL),
    "small_journal": Scene("working", size=SMALL, keys=("2",), words="TAIL"),
    "small_lost": Scene("lost", size=SMALL, unreachable=DEAD),
    "small_halted": Scene("halted", size=SMALL),
    "small_postponed": Scene("postponed", size=SMALL),
    "large": Scene("working", size=LARGE),
    "large_journal": Scene("working", size=LARGE, keys=("2",), words="TAIL"),
    "light": Scene("working", theme="vsync-light"),
    "light_refused": Scene("refused", theme="vsync-light"),
}
"""Other sizes and colours."""

TABS = {
    "tab_journal": Scene("working", keys=("2",), words="insight_generated"),
    "tab_journal_grave": Scene("working", keys=("2", "x"), words="fault_raised"),
    "tab_cycles": Scene("waiting", keys=("3",), words="aborted"),
    "tab_cycle_opened": Scene("waiting", keys=("3", "down", "enter"), words="reindexing"),
    "tab_faults": Scene("stuck", keys=("4",), words="unreachable"),
    "tab_changes": Scene("refused", keys=("5",), words="vanish"),
    "tab_path": Scene(
        "waiting",
        keys=("6", f"{TYPED}teams/data/identity/api/prod/signing-key", "enter"),
        words="version",
    ),
    "tab_buckets": Scene("waiting", keys=("7",), words="512"),
}
"""Each tab."""

DIALOGS = {
    "dialog_fatal": Scene("halted", words="authentication"),
    "dialog_pause": Scene("waiting", keys=("p",)),
    "dialog_resume": Scene("paused", keys=("p",)),
    "dialog_abort": Scene("working", keys=("a",)),
    "dialog_allow": Scene("refused", keys=("A",), words="vanish"),
    "dialog_halt": Scene("waiting", keys=("H",)),
    "dialog_quit_live": Scene("waiting", way="live", keys=("q",)),
    "dialog_help": Scene("waiting", keys=("?",)),
    "dialog_record": Scene("halted", keys=("escape", "2", "[", "enter"), words="authentication"),
    "dialog_filter": Scene("working", keys=("2", "F")),
    "dialog_search": Scene("working", keys=("2", "/", f"{TYPED}signing", "enter")),
    "dialog_palette": Scene("waiting", keys=("ctrl+p",), words="Pause"),
}
"""Each dialog."""

REPLAYS = {
    "replay_timeout": Scene("frozen", way="replay", keys=("home", "]"), words="#1628"),
    "replay_refused": Scene(
        "refused", way="replay", theme="vsync-light", keys=("home", "]", "]"), words="#4687"
    ),
    "replay_consul": Scene("stuck", way="replay", keys=("home", "]", "]", "4"), words="#4261"),
    "replay_crash": Scene("crashed", way="replay", keys=("home", "]", "]"), words="†"),
    "replay_lost": Scene(
        "crashed", way="replay", keys=(":", f"{TYPED}02:06", "enter"), words="LOST"
    ),
    "replay_two_runs": Scene(
        "two_runs", way="replay", keys=(":", f"{TYPED}02:31:00", "enter"), words="02:31:00"
    ),
    "replay_journal": Scene(
        "stuck", way="replay", keys=("2", "home", "]", "]", "+", "+", "space"), words="▶ ×100"
    ),
    "replay_small": Scene(
        "stuck", way="replay", size=SMALL, keys=("home", "]", "]"), words="#4261"
    ),
    "replay_compared": Scene("refused", way="replay", keys=("=",), words="cycle 10 was refused"),
    "replay_compared_small": Scene(
        "aborted", way="replay", size=SMALL, keys=("=",), words="its deadline passed"
    ),
    "replay_take": Scene("stuck", way="replay", keys=("home", "]", "]", "e", "right")),
    "replay_jump": Scene("stuck", way="replay", keys=(":", "9", "enter"), words="write seq:9"),
}
"""Back in time, in the middle of each kind of night."""

SCENES = {**STATES, **SIZES, **TABS, **DIALOGS, **REPLAYS}
"""All of them, by the names of their snapshots."""
