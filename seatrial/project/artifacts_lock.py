"""artifacts.lock: what a folder of Cloud Storage held when a project locked its artifacts, which lie there.

What is in a bucket can change, and a commit cannot: the digest of a bundle and every fetch are held against this file.
`seatrial artifacts lock` writes it; here it is read, without any network.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from seatrial.errors import UsageError

NAME = "artifacts.lock"
SCHEME = "gs://"
FORMAT = 1
FIX = "run `seatrial artifacts lock`, and commit the file"
_FOLDER = re.compile(r"gs://[a-z0-9][a-z0-9._-]{1,220}(/[^/]+)*/*")
_HEX = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Row:
    """A file of the artifacts.

    Attributes:
        path: below the folder, with forward slashes.
        size: in bytes, as the bucket stores it.
        sha256: of the file as the predictor reads it, in hex; the bundle digest has it too.
        crc32c: of what the bucket stores, in base64, as its API gives it.
        generation: that of the object, which every upload changes.
        encoding: "gzip" if the bucket stores it packed.
    """

    path: str
    size: int
    sha256: str
    crc32c: str
    generation: str
    encoding: str = ""


@dataclass(frozen=True)
class ArtifactsLock:
    """The files of a folder of Cloud Storage, sorted by their paths."""

    uri: str
    rows: tuple[Row, ...]

    @cached_property
    def digest(self) -> str:
        """What tells this content from any other; where it lies does not matter."""
        text = json.dumps([[row.path, row.sha256] for row in self.rows], separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    @cached_property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(row.size for row in self.rows)

    @cached_property
    def digests(self) -> dict[str, str]:
        """Path → SHA-256."""
        return {row.path: row.sha256 for row in self.rows}

    @property
    def text(self) -> str:
        """The content of the file: a row a line, so that a commit shows what changed."""
        rows = [{name: value for name, value in asdict(row).items() if value != ""} for row in self.rows]
        lines = ",\n".join(f"    {json.dumps(row, ensure_ascii=False)}" for row in rows)
        return f'{{\n  "format": {FORMAT},\n  "uri": {json.dumps(self.uri)},\n  "files": [\n{lines}\n  ]\n}}\n'


def is_folder(uri: str) -> bool:
    """Return whether a text names a bucket or a folder of one."""
    return uri.isprintable() and _FOLDER.fullmatch(uri) is not None


def read(file: Path, uri: str) -> ArtifactsLock:
    """Read the lock of the artifacts that are at `uri` now.

    Raises:
        UsageError: there is none, it is of another folder, or it is damaged.
    """
    try:
        stat = file.stat()
    except OSError:
        raise UsageError(f"artifacts are {uri}, and there is no {NAME} that says what is in it", fix=FIX) from None
    found = _read(file, stat.st_mtime_ns, stat.st_size)
    if found.uri != uri:
        raise UsageError(f"{NAME} is of {found.uri}, and `artifacts` are {uri} now", fix=FIX)
    return found


@lru_cache(maxsize=8)
def _read(file: Path, _time: int, _size: int) -> ArtifactsLock:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        if content["format"] != FORMAT:
            raise UsageError(f"{NAME} has format {content['format']}, which this version does not read", fix=FIX)
        lock = ArtifactsLock(str(content["uri"]), tuple(_row(entry) for entry in content["files"]))
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise UsageError(f"{NAME} is damaged: {type(error).__name__}: {error}", fix=FIX) from None
    paths = [row.path for row in lock.rows]
    if not paths or sorted(set(paths)) != paths:
        raise UsageError(f"{NAME} is damaged: its paths are not sorted, each once", fix=FIX)
    return lock


def _row(entry: dict[str, Any]) -> Row:
    """Return a row.

    Raises:
        ValueError: it is none: a path that leads out of the folder, a digest that is none.
    """
    row = Row(**entry)
    parts = row.path.split("/")
    if "\\" in row.path or not row.path.isprintable() or any(part in ("", ".", "..") for part in parts):
        raise ValueError(f"{row.path!r} is not the path of a file in the folder")
    if not _HEX.fullmatch(row.sha256) or type(row.size) is not int or row.size < 0:
        raise ValueError(f"the size and sha256 of {row.path} are none")
    if not all(isinstance(text, str) for text in (row.crc32c, row.generation)) or row.encoding not in ("", "gzip"):
        raise ValueError(f"crc32c, generation and encoding of {row.path} must be text")
    return row
