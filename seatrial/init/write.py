"""Puts the files of a new project on disk: each whole or not at all, and none over another."""

from __future__ import annotations

import shutil
import tomllib
from typing import TYPE_CHECKING

from seatrial.check.fixes import Change
from seatrial.check.fixes import write as write_changes
from seatrial.errors import UsageError
from seatrial.system import files

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from seatrial.init.files import File


def change(root: Path, file: File) -> Change:
    """Return a file that is not copied as a change of what is there.

    Raises:
        UsageError: pyproject.toml would be no valid TOML.
    """
    path = root / file.path
    before = path.read_bytes() if file.append and path.is_file() else None
    text = file.text
    if before is not None:
        newline = "\r\n" if b"\r\n" in before else "\n"
        gap = "" if before.endswith(b"\n") or not before else newline
        blank = newline if path.name == "pyproject.toml" and before.strip() else ""
        text = gap + blank + text.replace("\n", newline)
    after = (before or b"") + text.encode()
    if path.name == "pyproject.toml":
        try:
            tomllib.loads(after.decode("utf-8-sig"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise UsageError(f"{path} cannot be added to: {error}", fix=f"add to it yourself:\n{file.text}") from None
    return Change(file.path, path, before, after, "utf-8")


def write(root: Path, wanted: Iterable[File]) -> None:
    """Write files and copy weights.

    Raises:
        UsageError: a file has changed, or has come to be, while it was decided.
    """
    each = list(wanted)
    changes = [change(root, file) for file in each if file.source is None]
    for one in changes:
        one.file.parent.mkdir(parents=True, exist_ok=True)
    if others := write_changes(changes):
        raise UsageError(f"{', '.join(others)} changed meanwhile and stays as it is", fix="run `seatrial init` again")
    for file in each:
        if file.source is not None:
            target = root / file.path
            target.parent.mkdir(parents=True, exist_ok=True)
            with files.replacing(target) as draft:
                shutil.copyfile(file.source, draft)
