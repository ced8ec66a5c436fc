"""Fetch the artifacts that lie in Cloud Storage, before the predictor loads them.

Large files come in parts and all parts in parallel. Each file is compared with the checksum that the bucket knows, and
with the manifest that training wrote, if the folder has one. The folder appears under its name when all is there.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import os
import re
import shutil
import tempfile
import threading
import time
import zlib
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seatrial.serving import log
from seatrial.serving.bucket import Bucket, StorageError, Stored

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

SCHEME = "gs://"
THREADS = 8
PART = 64 << 20  # bytes
MANIFEST = "manifest.json"  # written by seatrial.golden, format 1
_URI = re.compile(r"gs://(?P<bucket>[a-z0-9][a-z0-9._-]{1,220})(?:/(?P<folder>.*))?", re.DOTALL)
_CHUNK = 1 << 20
_QUIET = 2.0  # seconds until the first line about the progress; the pauses between lines double
_LONGEST_QUIET = 30.0


def fetch(uri: str, into: Path, bucket: Bucket | None = None) -> Path:
    """Fetch a folder of Cloud Storage into the new folder `into`, and return it.

    Args:
        uri: `gs://bucket/folder`, with or without a slash at its end. `folder10` is not below `folder1`.
        into: what is fetched gets this name when all of it is there and right; until then there is nothing.
        bucket: the bucket of the URI; by default the one that the environment leads to.

    Raises:
        StorageError: it cannot be fetched as a whole, with the reason and what to do.
    """
    name, prefix = place(uri)
    bucket = bucket or Bucket.of(name, os.environ)
    draft = into.with_name(f".{into.name}.part")
    shutil.rmtree(draft, ignore_errors=True)
    began = time.monotonic()
    try:
        draft.mkdir(parents=True)
        files = files_in(bucket.list(prefix), uri, prefix, draft)
        manifest = files.pop(MANIFEST, None)
        if manifest is not None:
            Transfer(bucket, [manifest]).run()
            files = as_listed(files, manifest.path, uri)
        _require_space(files.values(), into)
        Transfer(bucket, list(files.values())).run()
        draft.rename(into)
    except OSError as error:
        raise StorageError(f"the artifacts of {uri} cannot be written to {into}: {error.strerror or error}") from error
    finally:
        bucket.close()
        shutil.rmtree(draft, ignore_errors=True)
    size = sum(file.stored.size for file in files.values())
    seconds = round(time.monotonic() - began, 3)
    log.write("INFO", f"fetched {uri}", phase="fetch", files=len(files), bytes=size, seconds=seconds)
    return into


@dataclass
class File:
    """A file to fetch. `sha256` is "" unless a manifest lists it; `parts` counts those that are still to come."""

    stored: Stored
    path: Path
    sha256: str = ""
    parts: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def part_ended(self) -> bool:
        """Count a part; return whether it was the last."""
        with self.lock:
            self.parts -= 1
            return self.parts == 0


class Transfer:
    """The fetching of some files, with threads of its own."""

    def __init__(self, bucket: Bucket, files: list[File]) -> None:
        self._bucket, self._files = bucket, files
        self._size = sum(file.stored.size for file in files)
        self._done = 0
        self._lock = threading.Lock()

    def run(self) -> None:
        """Fetch all files; after a failure of one, end the others and raise it."""
        with ThreadPoolExecutor(THREADS, "fetch") as pool:
            began, quiet = time.monotonic(), _QUIET
            try:
                pending = {pool.submit(self._fetch, file, at) for file in self._files for at in self.begin(file)}
                while pending:
                    ended, pending = wait(pending, quiet, FIRST_EXCEPTION)
                    for each in ended:
                        each.result()
                    if pending:
                        self.tell(time.monotonic() - began)
                        quiet = min(2 * quiet, _LONGEST_QUIET)
            except BaseException:
                self._bucket.stop()
                pool.shutdown(cancel_futures=True)
                raise

    def begin(self, file: File) -> Sequence[int]:
        """Make the empty file and return where its parts begin."""
        file.path.parent.mkdir(parents=True, exist_ok=True)
        file.path.touch(exist_ok=False)
        parts = range(0, max(1, file.stored.size), PART)
        file.parts = len(parts)
        return parts

    def part_came(self, file: File, start: int) -> None:
        """Heed that a part is written."""

    def _fetch(self, file: File, start: int) -> None:
        self.write(file, start, min(start + PART, file.stored.size))
        self.part_came(file, start)
        if file.part_ended():
            self.finish(file)

    def finish(self, file: File) -> None:
        """Compare a file whose parts have come with its checksums, and unpack it."""
        if not is_intact(file):
            self._bucket.note("WARNING", f"{file.stored.name} came with another checksum; fetched again")
            self.write(file, 0, file.stored.size)
            if not is_intact(file):
                raise StorageError(
                    f"{file.stored.name} came twice with another checksum (crc32c) than the bucket has for it; what "
                    "lies between the server and the bucket changes the bytes"
                )
        unpack(file)
        if file.sha256 and sha256_of(file.path) != file.sha256:
            raise StorageError(
                f"{file.stored.name} is not the file that {MANIFEST} beside it lists; upload the whole folder again, "
                "as training wrote it"
            )

    def write(self, file: File, start: int, end: int) -> None:
        """Write a part of a file."""
        with file.path.open("r+b") as target:
            target.seek(start)
            for piece in self._bucket.read(file.stored, start, end):
                target.write(piece)
                with self._lock:
                    self._done += len(piece)

    def tell(self, seconds: float) -> None:
        """Say how far it is."""
        done = min(self._done, self._size)
        speed = done / 1e6 / seconds
        message = f"fetching artifacts: {done / 1e6:.0f} of {self._size / 1e6:.0f} MB, {speed:.0f} MB/s"
        self._bucket.note("INFO", message)


def place(uri: str) -> tuple[str, str]:
    """Return the bucket and the prefix of exactly what is in the folder: it ends in a slash, or is empty."""
    found = _URI.fullmatch(uri)
    if found is None or not uri.isprintable():
        raise StorageError(f"{uri!r} is not a folder of Cloud Storage, which is gs://bucket/folder")
    folder = (found["folder"] or "").rstrip("/")
    return found["bucket"], f"{folder}/" if folder else ""


def files_in(objects: Iterable[Stored], uri: str, prefix: str, folder: Path) -> dict[str, File]:
    """Return the files by their names below the folder, after a look at every name."""
    files: dict[str, File] = {}
    for stored in objects:
        name = stored.name.removeprefix(prefix)
        if not name or name.endswith("/"):
            continue  # what stands for an empty folder
        if not stored.name.startswith(prefix) or not is_plain(name):
            raise StorageError(f"{uri} has an object {name!r}, which is not the name of a file below it; rename it")
        files[name] = File(stored, folder / name)
    if not files:
        raise StorageError(f"{uri} has no files; correct the model's artifact URI, or upload the artifacts there")
    for name in files:
        for parent in Path(name).parents:
            if parent.as_posix() in files:
                raise StorageError(f"{uri} has an object {parent.as_posix()!r} and others below it; rename it")
    return files


def is_plain(name: str) -> bool:
    """Return whether a name leads to a file below the folder on every system."""
    return name.isprintable() and "\\" not in name and not any(part in ("", ".", "..") for part in name.split("/"))


def as_listed(files: dict[str, File], manifest: Path, uri: str) -> dict[str, File]:
    """Return the files that training's manifest lists, as a bundle would take them; all if it is another's file."""
    content: Any = None
    try:
        content = json.loads(manifest.read_bytes())
    except ValueError:
        return files
    listed = content.get("files") if isinstance(content, dict) and content.get("format") == 1 else None
    if not isinstance(listed, dict) or not all(isinstance(digest, str) for digest in listed.values()):
        return files
    missing = sorted(listed.keys() - files.keys())
    if missing:
        more = f" and {len(missing) - 1} more" if missing[1:] else ""
        raise StorageError(
            f"{uri} has no {missing[0]}{more}, which its {MANIFEST} lists; upload the whole folder again"
        )
    for name, digest in listed.items():
        files[name].sha256 = digest
    return {name: files[name] for name in listed}


def _require_space(files: Iterable[File], into: Path) -> None:
    needed = sum(file.stored.size for file in files)
    free = shutil.disk_usage(into.parent).free
    if needed > free:
        raise StorageError(
            f"the artifacts have {needed / 1e9:.1f} GB and {into.parent} has {free / 1e9:.1f} GB free; take a machine "
            "type with a larger disk, or make them part of the image"
        )


def is_intact(file: File) -> bool:
    """Return whether a file has the checksum that its bucket knows."""
    import google_crc32c  # only now: most servers fetch nothing

    checksum = 0
    with file.path.open("rb") as content:
        while piece := content.read(_CHUNK):
            checksum = google_crc32c.extend(checksum, piece)
    return base64.b64encode(checksum.to_bytes(4, "big")).decode() == file.stored.crc32c


def unpack(file: File) -> None:
    """Unpack a file that was uploaded with `Content-Encoding: gzip`, as every client of Cloud Storage does."""
    if file.stored.encoding != "gzip":
        return
    number, unpacked = tempfile.mkstemp(dir=file.path.parent)
    try:
        with gzip.open(file.path) as source, os.fdopen(number, "wb") as target:
            shutil.copyfileobj(source, target, _CHUNK)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        name = file.stored.name
        raise StorageError(f"{name} has Content-Encoding gzip but is not packed ({error}); upload it again") from error
    Path(unpacked).replace(file.path)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file in hex."""
    digest = hashlib.sha256()
    with path.open("rb") as content:
        while piece := content.read(_CHUNK):
            digest.update(piece)
    return digest.hexdigest()
