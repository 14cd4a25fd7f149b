"""Views pressed into bytes, by the hundred: what two have in common is there once.

From one checkpoint to the next most of a view stays the very same object: it is frozen, and the
fold puts in place only what a record changes.
"""

from __future__ import annotations

import zlib
from collections import OrderedDict
from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec.structs import replace

from vsync_sm.core.shapes import View

_EACH = ("history", "saves")
_WHOLE = (
    *("run", "checks", "signals", "commands", "conditions", "last_crashes"),
    *("buckets", "half_saved", "open_save", "refusal", "faults"),
)
KEPT = 4 * 1024 * 1024
"""So many bytes of parts are kept as objects: they take some times that."""

_LIMIT = 64 * 1024 * 1024
"""No part of a view is this long (bytes): what is, is not one."""


class Pressed(msgspec.Struct, frozen=True, array_like=True):
    """A view: what is its own, and the parts that it may share with others."""

    own: bytes
    whole: tuple[bytes, ...]
    history: tuple[bytes, ...]
    saves: tuple[bytes, ...]

    def parts(self) -> Iterable[bytes]:
        """All of its bytes."""
        return (self.own, *self.whole, *self.history, *self.saves)


_TYPES: dict[str, Any] = {each.name: each.type for each in msgspec.structs.fields(View)}
_ENCODER = msgspec.msgpack.Encoder()
_VIEW = msgspec.msgpack.Decoder(View)
_DECODERS: dict[str, msgspec.msgpack.Decoder[Any]] = {
    name: msgspec.msgpack.Decoder(_TYPES[name]) for name in _WHOLE
}
_FINISHED: msgspec.msgpack.Decoder[Any] = msgspec.msgpack.Decoder(_TYPES["history"].__args__[0])
_EMPTY = View()
_WITHOUT: dict[str, Any] = {name: getattr(_EMPTY, name) for name in (*_WHOLE, *_EACH)}


class Press:
    """Presses views in the order of their journal. Belongs to one thread."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[object, bytes]] = {}  # of the last one: by identity

    def press(self, view: View) -> Pressed:
        """A view in bytes."""
        known, now = self._known, dict[int, tuple[object, bytes]]()

        def part(value: object) -> bytes:
            there = now.get(id(value)) or known.get(id(value))
            if there is None:
                there = (value, zlib.compress(_ENCODER.encode(value), 1))
            now[id(value)] = there  # with the value itself: its identity stays its own
            return there[1]

        pressed = Pressed(
            own=zlib.compress(_ENCODER.encode(replace(view, **_WITHOUT)), 1),
            whole=tuple(part(getattr(view, name)) for name in _WHOLE),
            history=tuple(map(part, view.history)),
            saves=tuple(map(part, view.saves)),
        )
        self._known = now
        return pressed


class Unpress:
    """Makes views of them again; parts that were wanted lately are kept. Belongs to one thread."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[object, bytes], tuple[Any, int]] = OrderedDict()
        self._size = 0

    def view(self, pressed: Pressed) -> View:
        """The view, as it was.

        Raises:
            ValueError: these bytes are none.
        """
        if len(pressed.whole) != len(_WHOLE):
            raise ValueError("these are not the parts of a view")
        own: View = _decoded(_VIEW, pressed.own)[0]
        whole = {
            name: self._part(_DECODERS[name], raw)
            for name, raw in zip(_WHOLE, pressed.whole, strict=True)
        }
        return replace(
            own,
            history=tuple(self._part(_FINISHED, raw) for raw in pressed.history),
            saves=tuple(self._part(_FINISHED, raw) for raw in pressed.saves),
            **whole,
        )

    def _part(self, decoder: msgspec.msgpack.Decoder[Any], raw: bytes) -> Any:
        key = (decoder, raw)
        part = self._kept.get(key)
        if part is None:
            part = self._kept[key] = _decoded(decoder, raw)
            self._size += part[1]
            while self._size > KEPT and len(self._kept) > 1:
                self._size -= self._kept.popitem(last=False)[1][1]
        else:
            self._kept.move_to_end(key)
        return part[0]


def _decoded(decoder: msgspec.msgpack.Decoder[Any], raw: bytes) -> tuple[Any, int]:
    """A part, and how long it was."""
    try:
        packed = zlib.decompressobj().decompress(raw, _LIMIT)
        return decoder.decode(packed), len(packed)
    except (zlib.error, msgspec.MsgspecError) as error:
        raise ValueError(f"a checkpoint cannot be used: {error}") from None
