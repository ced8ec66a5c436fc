"""Bring objects of a bucket into the cache: the server's own transfer, which here goes on where a killed run ended.

A part that has come whole is noted beside the unfinished file. Whatever is in it, only the checksum of the whole file
says that it is right.
"""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

from seatrial.artifacts import kept
from seatrial.artifacts.source import Bucket
from seatrial.errors import EnvironmentFaultError, SeatrialError, UsageError
from seatrial.findings import Stage, Step
from seatrial.serving import storage
from seatrial.serving.bucket import StorageError, Stored
from seatrial.serving.storage import PART, File

_NO_CRC = "google-crc32c, which compares a new object with the checksum of its bucket, is not installed"


def place_of(uri: str) -> tuple[str, str]:
    """Return the bucket of a folder and the prefix of the names in it."""
    return storage.place(uri)


def file_for(root: Path, uri: str, stored: Stored, sha256: str = "") -> File:
    """Return an object to bring; `sha256` is "" if it is not known yet."""
    key = hashlib.sha256(f"{place_of(uri)[0]}/{stored.name}#{stored.generation}".encode()).hexdigest()
    return File(stored, root / "parts" / key, sha256)


def bring(root: Path, uri: str, files: Sequence[File]) -> Stage[dict[str, str]]:
    """Bring files into the cache; return the SHA-256 of each by the object's name.

    Raises:
        SeatrialError: one cannot be brought; what has come of it stays for the next time.
    """
    _require_space(root, files)
    heard: SimpleQueue[str | None] = SimpleQueue()
    bucket = Bucket(place_of(uri)[0], heard.put)
    transfer = _Transfer(root, bucket, files, heard.put)
    yield from _watched(transfer.run, bucket, heard)
    return transfer.digests


def listed(uri: str) -> Stage[list[Stored]]:
    """Return the objects of a folder.

    Raises:
        SeatrialError: they cannot be listed.
    """
    heard: SimpleQueue[str | None] = SimpleQueue()
    name, prefix = place_of(uri)
    bucket, found = Bucket(name, heard.put), list[Stored]()
    yield from _watched(lambda: found.extend(bucket.list(prefix)), bucket, heard)
    return found


def _watched(work: Callable[[], None], bucket: Bucket, heard: SimpleQueue[str | None]) -> Stage[None]:
    """Do work in a thread and yield what it says; an interrupt ends it."""

    def ended(_: Future[None]) -> None:
        heard.put(None)

    with ThreadPoolExecutor(1, "artifacts") as pool:
        future = pool.submit(work)
        future.add_done_callback(ended)
        try:
            while (text := heard.get()) is not None:
                yield Step(text)
        except BaseException:
            bucket.stop()
            raise
    bucket.close()
    try:
        future.result()
    except StorageError as error:
        raise EnvironmentFaultError(str(error)) from None


class _Transfer(storage.Transfer):
    """A transfer into the cache, by checksums: SHA-256 of what is locked, crc32c of what is new."""

    def __init__(self, root: Path, bucket: Bucket, files: Sequence[File], say: Callable[[str], None]) -> None:
        super().__init__(bucket, list(files))
        self.digests: dict[str, str] = {}
        self._root, self._say = root, say
        self._noting = threading.Lock()

    def begin(self, file: File) -> Sequence[int]:
        """Return where the parts begin that have not come yet; of a file that came whole, the last."""
        file.path.parent.mkdir(parents=True, exist_ok=True)
        starts = range(0, max(1, file.stored.size), PART)
        came: set[int] = set()
        if file.path.is_file():
            with contextlib.suppress(OSError, ValueError):
                came = {int(line) for line in _notes(file).read_text(encoding="utf-8").split()}
        else:
            _notes(file).unlink(missing_ok=True)
        file.path.touch()
        left = [start for start in starts if start not in came] or [starts[-1]]
        self._done += sum(min(PART, file.stored.size - start) for start in starts if start not in left)
        file.parts = len(left)
        return left

    def part_came(self, file: File, start: int) -> None:
        """Note a part that is written."""
        with self._noting, _notes(file).open("a", encoding="utf-8") as notes:
            notes.write(f"{start}\n")

    def finish(self, file: File) -> None:
        """Keep a file that is right; one that is not is brought once more."""
        digest = self._digest(file)
        if digest is None:
            self._bucket.note("WARNING", f"{file.stored.name} came with another checksum; fetched again")
            file.path.write_bytes(b"")  # what came may be longer, unpacked
            self.write(file, 0, file.stored.size)
            digest = self._digest(file)
        if digest is None:
            self._drop(file)
            raise self._other(file)
        self.digests[file.stored.name] = digest
        kept.adopt(self._root, file.path, digest)
        _notes(file).unlink(missing_ok=True)

    def tell(self, seconds: float) -> None:
        """Say how far it is."""
        done, whole = min(self._done, self._size) / 1e6, self._size / 1e6
        self._say(f"fetching artifacts: {done:,.0f} of {whole:,.0f} MB, {done / seconds:,.0f} MB/s")

    def _digest(self, file: File) -> str | None:
        """Return the SHA-256 of a file that is right, unpacked; None of any other."""
        try:
            if not file.sha256 and not storage.is_intact(file):
                return None
        except ModuleNotFoundError:
            raise UsageError(_NO_CRC, fix="install the tool with its extra: seatrial[push]") from None
        try:
            storage.unpack(file)
        except StorageError:
            if not file.sha256:
                raise
            return None
        digest = storage.sha256_of(file.path)
        return digest if file.sha256 in ("", digest) else None

    def _other(self, file: File) -> SeatrialError:
        what = f"{file.stored.name} came twice with other bytes than"
        if not file.sha256:
            return EnvironmentFaultError(f"{what} its bucket's checksum says; something between changes them")
        return EnvironmentFaultError(
            f"{what} its SHA-256 in artifacts.lock says",
            fix="if it was replaced on purpose, run `seatrial artifacts lock`, and commit the file",
        )

    def _drop(self, file: File) -> None:
        for path in (file.path, _notes(file)):
            path.unlink(missing_ok=True)


def _notes(file: File) -> Path:
    return file.path.with_name(f"{file.path.name}.came")


def _require_space(root: Path, files: Iterable[File]) -> None:
    root.mkdir(parents=True, exist_ok=True)
    # What an interrupted run has left takes its place already.
    left = sum(max(0, file.stored.size - _taken(file.path)) for file in files)
    free = shutil.disk_usage(root).free
    if left > free:
        raise EnvironmentFaultError(
            f"the artifacts need {left / 1e9:.1f} GB, and {root} has {free / 1e9:.1f} GB free",
            fix="`seatrial cache --prune` frees some, or set SEATRIAL_CACHE to a folder on a larger disk",
        )


def _taken(path: Path) -> int:
    try:
        return path.stat().st_blocks * 512  # a file whose end came first has holes
    except OSError:
        return 0
