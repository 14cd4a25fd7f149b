"""No thread is the first to read a class: where two do, msgspec brings the process down."""

from __future__ import annotations

import subprocess
import sys

from tests.commandline import environment, on
from tests.workshop import PATIENCE_S, Workshop

# Tells in the end at which classes msgspec has looked for the first time in other threads than
# the main one; a class of the test's own shows that it would be seen.
_WATCHED = """
import sys, threading
import msgspec
from msgspec import _utils

seen, look = [], _utils._get_class_mro_and_typevar_mappings
def watched(cls):
    if threading.current_thread() is not threading.main_thread():
        seen.append(cls.__name__)
    return look(cls)
_utils._get_class_mro_and_typevar_mappings = watched

class Own(msgspec.Struct):
    field: int

def read(*classes):
    def decode():
        for cls in classes:
            msgspec.json.Decoder(cls)
    thread = threading.Thread(target=decode)
    thread.start()
    thread.join()
"""


def looked_at(home: Workshop, program: str, *arguments: str) -> list[str]:
    """What a program's threads were the first to look at."""
    told = subprocess.run(
        [sys.executable, "-c", f"{_WATCHED}{program}\nread(Own)\nprint(*seen)", *arguments],
        env=environment(home.home, PYTHONPATH=":".join(sys.path)),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=True,
    )
    return told.stdout.split()


def test_a_whole_cycle(workshop: Workshop, mount: str) -> None:
    """Lists, reads, the former sync info, a save, the control socket's own words."""
    for name in ("a", "b/c"):
        workshop.vault.put(mount, name)
    assert workshop.once().outcome == "saved"
    workshop.vault.put(mount, "a")
    cycle = "from vsync_sm import cli\nassert cli.main(sys.argv[1:]) == 0"
    assert looked_at(workshop, cycle, "--headless", "--once", *on(workshop)) == ["Own"]


def test_all_that_threads_may_read(workshop: Workshop) -> None:
    everything = """
from vsync_sm.core.events import EVENTS
from vsync_sm.core.insight import Insight
from vsync_sm.journal import codec
from vsync_sm.operate import protocol
from vsync_sm.servers import consul, vault_replies
replies = [each for name, each in vars(vault_replies).items() if name.endswith("Reply")]
assert len(replies) >= 7
read(*EVENTS.values(), codec._Envelope, Insight, protocol.Request, protocol.Answer)
read(*replies, consul._Pair, consul._TxnReply)
"""
    assert looked_at(workshop, everything) == ["Own"]
