"""Pickle opcodes as facts: which globals a pickle imports and where its torch storages lived.

It follows only strings and the memo, never builds an object, and stops after a bounded number of opcodes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pickletools import OpcodeInfo
from typing import IO, Any

OPCODE_LIMIT = 1_000_000  # about a second of reading
SKIP_FROM = 1 << 20  # bytes; a longer string is a tensor or an image, never a name

Opcodes = Iterator[tuple[OpcodeInfo, Any, int | None]]


@dataclass(frozen=True, slots=True)
class PickleScan:
    """What one pickle names.

    Attributes:
        protocol: its protocol; 0 where it does not say.
        globals: (module, name) as written, in order, each once.
        devices: the locations of its torch storages.
        integer: the last integer in it, which is the value of a pickle that is nothing but an integer.
        complete: whether it was followed to its STOP.
    """

    protocol: int
    globals: tuple[tuple[str, str], ...]
    devices: frozenset[str]
    integer: int | None
    complete: bool


UNREAD = PickleScan(0, (), frozenset(), None, complete=False)  # a pickle that nobody followed


class Skipped(bytes):
    """Bytes that were stepped over: they have a length, and nothing to decode."""

    length: int

    @classmethod
    def of(cls, length: int) -> Skipped:
        """Stand for `length` bytes."""
        skipped = cls()
        skipped.length = length
        return skipped

    def __len__(self) -> int:
        return self.length


class SkippingReader:
    """A binary stream of which long reads are skipped: they give only a length, all that genops looks at."""

    def __init__(self, content: IO[bytes], size: int) -> None:
        self._content = content
        self._size = size

    def read(self, length: int) -> bytes:
        """Read `length` bytes, or step over them where they are too many to be a name."""
        if length < SKIP_FROM:
            return self._content.read(length)
        here = self._content.tell()
        there = self._content.seek(min(here + length, self._size))
        return Skipped.of(there - here)

    def readline(self) -> bytes:
        """Read the rest of a line, which protocols 0 to 2 use for names."""
        return self._content.readline(SKIP_FROM)

    def tell(self) -> int:
        """Give the position in the stream."""
        return self._content.tell()


def scan(opcodes: Opcodes) -> PickleScan:
    """Follow one pickle to its STOP, or to where it cannot be read."""
    state = _State()
    try:
        for count, (opcode, argument, _) in enumerate(opcodes):
            if count == OPCODE_LIMIT:
                break
            state.step(opcode.name, argument)
    except (ValueError, TypeError, IndexError, OverflowError, MemoryError):
        state.complete = False  # cut off, or raw data between the opcodes as joblib writes it
    names = tuple(dict.fromkeys(state.globals))
    return PickleScan(state.protocol, names, frozenset(state.devices), state.integer, state.complete)


_KEEPS_STACK = {"PROTO", "FRAME", "STOP"}


class _State:
    """The strings on top of the stack, the memo, and what was found so far."""

    def __init__(self) -> None:
        self.protocol = 0
        self.globals: list[tuple[str, str]] = []
        self.devices: set[str] = set()
        self.integer: int | None = None
        self.complete = False
        self._pushed: list[str | None] = []  # since the last MARK; None for everything that is no string
        self._memo: dict[int, str | None] = {}

    def step(self, name: str, argument: Any) -> None:
        if name == "PROTO":
            self.protocol = argument
        elif name == "STOP":
            self.complete = True
        elif name == "MEMOIZE":
            self._memo[len(self._memo)] = self._top(1)
        elif name in ("PUT", "BINPUT", "LONG_BINPUT"):
            self._memo[int(argument)] = self._top(1)
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            self._pushed.append(self._memo.get(int(argument)))
        elif name == "MARK":
            self._pushed.clear()
        elif name not in _KEEPS_STACK:
            self._push(name, argument)

    def _push(self, name: str, argument: Any) -> None:
        if name in ("GLOBAL", "INST"):
            module, _, attribute = str(argument).partition(" ")
            self.globals.append((module, attribute))
        elif name == "STACK_GLOBAL":
            module, attribute = self._top(2) or "", self._top(1) or ""
            self.globals.append((module, attribute))
        elif name == "BINPERSID" and self._pushed[:1] == ["storage"] and len(self._pushed) > 3:
            # torch.serialization: ("storage", type, key, location, size)
            self.devices.add(self._pushed[3] or "")
        elif isinstance(argument, int) and not isinstance(argument, bool):
            self.integer = argument
        self._pushed.append(argument if isinstance(argument, str) and "UNICODE" in name else None)

    def _top(self, depth: int) -> str | None:
        return self._pushed[-depth] if len(self._pushed) >= depth else None
