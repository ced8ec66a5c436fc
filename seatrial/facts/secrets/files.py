"""The files of a project that look like credentials, by name or by content, among those that would be published."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from seatrial.errors import UsageError
from seatrial.facts import data_files
from seatrial.facts.secrets import forms, names

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from seatrial.project import Project

_BYTECODE = "__pycache__"
# Programs and documents have addresses with a made-up password as examples; configuration has them to be used.
_EXPLAINING = (".py", ".pyi", ".ipynb", ".md", ".rst", ".txt", ".html")


@dataclass(frozen=True, slots=True)
class SecretFile:
    """A file that holds a credential, or is named as one that does.

    Attributes:
        path: relative to the project, or absolute outside of it.
        what: the forms of the credentials in it; empty if only its name tells.
        line: where the first is.
    """

    path: str
    what: str = ""
    line: int | None = None


def in_package(project: Project, artifacts: Iterable[str]) -> tuple[SecretFile, ...]:
    """Return the files with credentials among those that would ship or lie beside what ships.

    `artifacts` are the paths in the artifacts folder that ship.
    """
    files = {path for package in project.packages for path in _below(project.home_of(package) / package)}
    for pattern in project.package_data:
        with contextlib.suppress(UsageError):  # the build refuses it
            files.update(data_files.matched(project, pattern))
    files.update(project.artifacts_dir / path for path in artifacts)
    harmless: set[bytes] = set()
    found = (_judged(project, file, harmless) for file in sorted(files))
    return tuple(secret for secret in found if secret is not None)


def is_secret(path: str, content: bytes) -> bool:
    """Return whether a file of an image is a secret, by its content or its name."""
    if not names.is_secret_path(path):
        return bool(forms.in_content(content))
    return not forms.is_public(content) or bool(forms.in_content(content))


def in_context(paths: Iterable[str]) -> tuple[str, ...]:
    """Return those of a build context's paths that have the name of a credential file."""
    return tuple(path for path in paths if names.is_secret_path(path))


def listed(folder: Path) -> Iterator[str]:
    """Yield the paths of all files below a folder, relative to it."""
    for file in _below(folder):
        yield file.relative_to(folder).as_posix()


def _judged(project: Project, file: Path, harmless: set[bytes]) -> SecretFile | None:
    shown = project.shown(file) if file.is_relative_to(project.root) or project.is_remote else str(file)
    content = _beginning(file)
    configuration = PurePosixPath(shown).suffix.lower() not in _EXPLAINING
    hits = forms.in_content(content, configuration=configuration, harmless=harmless)
    if hits:
        return SecretFile(shown, forms.described(hits), hits[0].line)
    by_name = names.is_secret_path(shown) or any(names.is_secret_name(part) for part in shown.split("/")[:-1])
    return SecretFile(shown) if by_name and not forms.is_public(content) else None


def _below(folder: Path) -> Iterator[Path]:
    for place, folders, found in os.walk(folder):
        if ".git" in folders:
            yield Path(place) / ".git"
        folders[:] = [name for name in folders if name not in (_BYTECODE, ".git")]
        yield from (Path(place) / name for name in found)


def _beginning(file: Path) -> bytes:
    if not file.is_file():
        return b""  # a pipe never answers, and a device never ends
    try:
        with file.open("rb") as opened:
            head = opened.read(forms.BINARY_LOOKED_AT)
            return head if forms.decoded(head) is None else head + opened.read(forms.LOOKED_AT - len(head))
    except OSError:
        return b""
