"""What was read of published wheels, kept in the cache: the names of a wheel's files, and the modules that were read.

A wheel never changes, so that nothing here gets old. The folder is bounded in files and in bytes.
"""

from __future__ import annotations

import contextlib
import io
import zipfile
from typing import TYPE_CHECKING

from seatrial.system import files

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_LIST = "names of the files"  # a member that no wheel has
_MOST_WHEELS, _MOST_BYTES = 256, 134_217_728
_LARGEST = 33_554_432  # bytes of one file of the cache


def recall(cache: Path, key: str) -> tuple[tuple[str, ...], dict[str, bytes]] | None:
    """Return the names of a wheel's files and the texts that were read; None if nothing is kept of it."""
    file = cache / "sources" / f"{key}.zip"
    try:
        if file.stat().st_size > _LARGEST:
            return None
        with zipfile.ZipFile(file) as archive:
            texts = {name: archive.read(name) for name in archive.namelist()}
    except (OSError, ValueError, KeyError, RuntimeError, NotImplementedError, zipfile.BadZipFile):
        return None
    names = texts.pop(_LIST, None)
    return None if names is None else (tuple(names.decode("utf-8", "replace").splitlines()), texts)


def keep(cache: Path, key: str, names: tuple[str, ...], texts: Mapping[str, bytes]) -> None:
    """Keep what is known of a wheel; a folder that cannot be written keeps nothing."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr(_LIST, "\n".join(names))
        for name, text in texts.items():
            archive.writestr(name, text)
    folder = cache / "sources"
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        files.write(folder / f"{key}.zip", packed.getvalue())
        _drop_the_oldest(folder)


def _drop_the_oldest(folder: Path) -> None:
    total = 0
    by_age = sorted(((file.stat(), file) for file in folder.glob("*.zip")), key=lambda one: -one[0].st_mtime)
    for number, (status, file) in enumerate(by_age):
        total += status.st_size
        if number >= _MOST_WHEELS or total > _MOST_BYTES:
            file.unlink(missing_ok=True)
