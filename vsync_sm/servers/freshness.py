"""How new an answer must be: the `X-Vault-Index` that goes with every request (safety rule 10).

Standbys that answer reads themselves may lag. Every reply of such a cluster carries the state that
it was answered from; sent along with a request, it makes a standby that has not come so far hand
the request on to the active node. OpenBao does so from 2.7 on (seen on 2.7.2: two nodes with raft),
and Vault Enterprise. The index is opaque: two of them can be told apart, not compared.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping

INDEX = "x-vault-index"
"""The header as `Reply` has it; a server takes it in any case."""

_LOOKS_RIGHT = re.compile(r"[\x21-\x7e]{1,4096}")


class Freshness:
    """The latest index. Safe to share between threads.

    It counts when it was asked for, not when the answer came: an answer that a frozen server gives
    to a request of an earlier cycle never takes the place of a newer one.
    """

    def __init__(self) -> None:
        self.known = False  # whether any reply so far bore an index
        self._lock = threading.Lock()
        self._asked = 0
        self._latest = 0
        self._headers: Mapping[str, str] = {}

    @property
    def headers(self) -> Mapping[str, str]:
        """What goes with a request; nothing where the server knows no index."""
        return self._headers

    def asking(self) -> int:
        """Call it right before the active node is asked; its number goes to `answered`."""
        with self._lock:
            self._asked += 1
            return self._asked

    def answered(self, number: int, index: str) -> None:
        """The active node's index, "" where it gave none.

        Raises:
            ValueError: it is not one index: two of them that were joined, or rubbish.
        """
        if index and not _LOOKS_RIGHT.fullmatch(index):
            raise ValueError("its X-Vault-Index is none")
        with self._lock:
            if number > self._latest:
                self._latest = number
                self._headers = (
                    {"X-Vault-Index": index, "X-Vault-Inconsistent": "forward-active-node"}
                    if index
                    else {}
                )
