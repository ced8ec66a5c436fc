"""The messages between the acceptor and its workers, and how they travel: a length, then MessagePack.

Everything is bytes, numbers and text; nothing that comes from a client is ever unpickled.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from seatrial.serving.origin import Origin

if TYPE_CHECKING:
    from collections.abc import Iterator

_LENGTH = 4  # bytes


class Item(msgspec.Struct, array_like=True):
    """One instance of a request, or a whole request for an interface that gets it whole.

    Attributes:
        request: the number of the request; items of one request have the same.
        index: the instance's index in it.
        data: its JSON, or an image file.
        is_image: whether it is an image file.
    """

    request: int
    index: int
    data: bytes
    is_image: bool = False


class Job(msgspec.Struct, array_like=True):
    """What a worker predicts together: items of equal parameters, with `threads` threads for each operation.

    `origins` says for the log where each request comes from, by its number.
    """

    threads: int
    parameters: bytes
    items: list[Item]
    origins: dict[int, Origin] = {}


class Result(msgspec.Struct, array_like=True):
    """What became of an item: the JSON of its prediction, or an error as `AnswerError` has it.

    `traceback` is "" where the client is at fault.
    """

    status: int
    data: bytes = b""
    message: str = ""
    instance: int | None = None
    traceback: str = ""


class Results(msgspec.Struct, array_like=True, tag=True):
    """One result for each item of a job, and the seconds that its stages took, by their names."""

    results: list[Result]
    seconds: dict[str, float] = {}


class Ready(msgspec.Struct, array_like=True, tag=True):
    """A worker has loaded its predictor.

    Attributes:
        interface: how it understood the predictor.
        splits: whether it takes instances one by one; otherwise requests whole.
        no_image: why a body that is an image is refused; "" if it is not.
        seconds: what the load took.
    """

    interface: str
    splits: bool
    no_image: str
    seconds: float


class Failed(msgspec.Struct, array_like=True, tag=True):
    """A worker cannot load its predictor, or its first prediction with a golden example failed.

    `golden` is the example's name, or "".
    """

    message: str
    traceback: str
    golden: str = ""


FromWorker = Results | Ready | Failed

_encode_into = msgspec.msgpack.Encoder().encode_into
decode_job = msgspec.msgpack.Decoder(Job).decode
decode_from_worker = msgspec.msgpack.Decoder(FromWorker).decode


def frame(message: msgspec.Struct) -> bytearray:
    """Return a message as it travels."""
    framed = bytearray(_LENGTH)
    _encode_into(message, framed, _LENGTH)  # behind its length: an image is copied no more often than it must be
    framed[:_LENGTH] = (len(framed) - _LENGTH).to_bytes(_LENGTH, "big")
    return framed


class Unframed:
    """Puts the pieces that a stream brings together again."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes | memoryview) -> Iterator[bytes]:
        """Take a piece and yield each payload that is whole with it."""
        self._buffer += data
        while len(self._buffer) >= _LENGTH:
            end = _LENGTH + int.from_bytes(self._buffer[:_LENGTH], "big")
            if len(self._buffer) < end:
                return
            payload = bytes(self._buffer[_LENGTH:end])
            del self._buffer[:end]
            yield payload
