"""Reads the end of a wheel on a server: its METADATA and its list of files, without the rest of it.

For indexes that do not serve METADATA alone. Where a server cannot send parts of a file, reading fails at once.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from seatrial.facts.packages.http import answered
from seatrial.facts.packages.installed import headers

if TYPE_CHECKING:
    import urllib3

_PIECE = 262_144  # bytes of one request: the lists of most wheels are smaller
_LARGEST = 16_777_216  # bytes of a list of files or a METADATA; torch's list has 2 MB


@dataclass(frozen=True, slots=True)
class Ending:
    """What the end of a wheel says: the fields of its METADATA by lower-case name, and its unpacked size in bytes."""

    fields: dict[str, tuple[str, ...]]
    unpacked: int


def read(url: str, login: str, end: float) -> Ending:
    """Read the end of a wheel by `end`, in time.monotonic(); `login` is the value of an Authorization header.

    Raises:
        OSError, ValueError: the wheel does not exist, or the server sends no parts.
    """
    try:
        with zipfile.ZipFile(opened(url, login, end)) as archive:
            members = archive.infolist()
            of_wheel = (m for m in members if m.filename.count("/") == 1 and m.filename.endswith(".dist-info/METADATA"))
            found = next(of_wheel, None)
            if found is None or found.file_size > _LARGEST:
                raise ValueError("a wheel without METADATA")
            text = archive.read(found).decode("utf-8", errors="replace")
    # zipfile's words for damaged, packed by a method that it does not know, encrypted
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise ValueError(f"no wheel: {error}") from None
    return Ending(headers(text), sum(member.file_size for member in members))


def opened(url: str, login: str, end: float, asks: Callable[[], None] = lambda: None) -> io.BufferedReader:
    """Open a file on a server; only what is read is downloaded, at most 16 MB. `asks` is called before each request.

    Raises:
        OSError, ValueError: it does not exist, or no parts are sent; from later reads too. What `asks` raises.
    """
    return io.BufferedReader(_Remote(url, login, end, asks), _PIECE)


class _Remote(io.RawIOBase):
    """A file on a server that sends parts of it: only what is read is downloaded."""

    def __init__(self, url: str, login: str, end: float, asks: Callable[[], None]) -> None:
        self._url, self._end, self._asks, self._at, self._travelled = url, end, asks, 0, 0
        self._headers = {"Authorization": login} if login else {}
        with self._part(f"bytes=-{_PIECE}") as answer:
            self._size = int(answer.headers.get("Content-Range", "").rpartition("/")[2])
            self._tail = answer.read(_PIECE)

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        return self._at

    def readinto(self, buffer: Any) -> int:
        wanted = min(len(buffer), self._size - self._at)
        if wanted <= 0:
            return 0
        tail_at = self._size - len(self._tail)
        if self._at >= tail_at:
            content = self._tail[self._at - tail_at :][:wanted]
        else:
            with self._part(f"bytes={self._at}-{self._at + wanted - 1}") as answer:
                content = answer.read(wanted)
        buffer[: len(content)] = content
        self._at += len(content)
        self._travelled += len(content)
        if self._travelled > _LARGEST:
            raise ValueError("a list of files of more than 16 MB")
        return len(content)

    @contextlib.contextmanager
    def _part(self, part: str) -> Iterator[urllib3.BaseHTTPResponse]:
        self._asks()
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        with answered(self._url, {**self._headers, "Range": part}, self._end) as (answer, _):
            if answer.status != http.client.PARTIAL_CONTENT:
                raise ValueError("the server sends no parts of a file")
            yield answer
