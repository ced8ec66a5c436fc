"""Write files whole or not at all, and find the repository that a folder is in.

Standard library only: `seatrial.golden` uses it in a training environment.
"""

from __future__ import annotations

import contextlib
import secrets
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def repository_of(folder: Path) -> Path:
    """Return the root of the git repository that a folder is in, or the folder itself if it is in none."""
    folder = folder.resolve()
    return next((parent for parent in (folder, *folder.parents) if (parent / ".git").exists()), folder)


def write(file: Path, content: str | bytes) -> None:
    """Write a file, text as UTF-8; a reader sees the former content or the new one, never a part."""
    with replacing(file) as draft:
        draft.write_bytes(content.encode() if isinstance(content, str) else content)


@contextlib.contextmanager
def replacing(file: Path) -> Iterator[Path]:
    """Yield the path of a draft beside `file`, which replaces it when the block ends.

    The block writes the draft. If it raises, `file` stays as it was and the draft is removed. The new file is not
    synced to disk.
    """
    draft = file.with_name(f".{file.name}-{secrets.token_hex(4)}")
    try:
        yield draft
        draft.replace(file)
    finally:
        draft.unlink(missing_ok=True)
