"""Safe fixes: the edits of findings, planned as new contents of files.

A plan is made from the bytes of the files and written over exactly those bytes. A file that has changed meanwhile, is
outside the project or cannot be written back as it was read is left alone and named.
"""

from __future__ import annotations

import ast
import codecs
import contextlib
import difflib
import io
import os
import tokenize
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from seatrial.system import files

if TYPE_CHECKING:
    from seatrial.findings import Edit, Finding

_BYTE_ORDERS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


class Refused(Exception):  # noqa: N818 - no error: a person decides instead
    """An edit that cannot be made safely; the argument says why."""


@dataclass(frozen=True, slots=True)
class Change:
    """A file's new content.

    Attributes:
        path: relative to the project, as the edits name it.
        file: its real path.
        before: its bytes as they were read; None if it does not exist.
        after: the bytes to write.
        encoding: of both, for people to see them.
    """

    path: str
    file: Path
    before: bytes | None
    after: bytes
    encoding: str

    def diff(self) -> str:
        """Return the change as a unified diff."""
        old = [] if self.before is None else _lines(self.before.decode(self.encoding))
        new = _lines(self.after.decode(self.encoding))
        source = "/dev/null" if self.before is None else f"a/{self.path}"
        lines = difflib.unified_diff(old, new, source, f"b/{self.path}")
        return "".join(x if x.endswith("\n") else f"{x}\n\\ No newline at end of file\n" for x in lines)


@dataclass(frozen=True, slots=True)
class Plan:
    """What can be fixed safely.

    Attributes:
        changes: in the order of paths.
        fixed: the findings that the changes fix.
        refused: (finding, why) for those whose edits are not made.
    """

    changes: tuple[Change, ...] = ()
    fixed: tuple[Finding, ...] = ()
    refused: tuple[tuple[Finding, str], ...] = ()


@dataclass(slots=True)
class _Text:
    """A file while its edits are collected: (start, end, text) in characters, and lines to add at its end."""

    file: Path
    before: bytes | None
    mark: bytes
    encoding: str
    text: str
    spans: list[tuple[int, int, str]] = field(default_factory=list)
    added: list[str] = field(default_factory=list)


def snapshot(root: Path, findings: Iterable[Finding]) -> dict[str, bytes | None]:
    """Return the bytes of every file that the findings' edits are about; None for one that is not there."""
    return {path: _read(root / path) for path in sorted({edit.path for f in findings for edit in f.edits})}


def plan(root: Path, findings: Iterable[Finding], seen: Mapping[str, bytes | None]) -> Plan:
    """Plan the edits of findings: all of a finding's or none; of two that overlap, the first finding's.

    `seen` are the bytes that the findings were made from. Edits of a file that it lacks, or that holds other bytes
    now, are refused.
    """
    texts: dict[str, _Text] = {}
    fixed: list[Finding] = []
    refused: list[tuple[Finding, str]] = []
    for finding in (f for f in findings if f.edits):
        kept = {path: (list(text.spans), list(text.added)) for path, text in texts.items()}
        try:
            _collect(root, finding, seen, texts)
        except Refused as why:
            for path, text in texts.items():
                text.spans, text.added = kept.get(path, ([], []))
            refused.append((finding, str(why)))
        else:
            fixed.append(finding)
    changes = (Change(path, t.file, t.before, _new(t), t.encoding) for path, t in sorted(texts.items()))
    return Plan(
        tuple(change for change in changes if change.after != (change.before or b"")), tuple(fixed), tuple(refused)
    )


def _collect(root: Path, finding: Finding, seen: Mapping[str, bytes | None], texts: dict[str, _Text]) -> None:
    """Add the edits of a finding to those of their files; after `Refused` some may have been added."""
    for edit in finding.edits:
        if edit.path not in texts:
            opened = _open(root, edit.path, seen)
            if any(other.file == opened.file for other in texts.values()):
                raise Refused(f"{edit.path} is another name of a file that is fixed already")
            texts[edit.path] = opened
        _take(texts[edit.path], edit)
    for path in {edit.path for edit in finding.edits if edit.path.endswith(".py")}:
        if _is_python(texts[path].before) and not _is_python(_new(texts[path])):
            raise Refused(f"{path} would be no valid Python any more")


def write(changes: Iterable[Change]) -> tuple[str, ...]:
    """Write changes, each whole or not at all, with the mode of the file.

    Return the paths of the files that have changed meanwhile. If any had before the first write, nothing is written.
    """
    changes = tuple(changes)
    other = tuple(change.path for change in changes if _read(change.file) != change.before)
    return other or tuple(change.path for change in changes if not _write(change))


def _write(change: Change) -> bool:
    with contextlib.suppress(Refused), files.replacing(change.file) as draft:
        _write_draft(change, draft)
        return True
    return False


def _write_draft(change: Change, draft: Path) -> None:
    draft.write_bytes(change.after)
    if change.before is not None:
        status = change.file.stat()
        with contextlib.suppress(PermissionError):  # only root may give a file away
            os.chown(draft, status.st_uid, status.st_gid)
        draft.chmod(status.st_mode & 0o7777)
    if _read(change.file) != change.before:
        raise Refused(f"{change.path} has changed since it was read")


def _open(root: Path, path: str, seen: Mapping[str, bytes | None]) -> _Text:
    if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
        raise Refused(f"{path} is not below the project's folder")
    file = (root / path).resolve()
    if not file.is_relative_to(root.resolve()):
        raise Refused(f"{path} is a link to a file outside of the project")
    if file.exists() and not file.is_file():
        raise Refused(f"{path} is not a file")
    content = _read(file)
    if path not in seen or seen[path] != content:
        raise Refused(f"{path} has changed since it was checked")
    if content is None:
        return _Text(file, None, b"", "utf-8", "")
    mark, encoding = _encoding(path, content)
    try:
        text = content.removeprefix(mark).decode(encoding)
        same = mark + text.encode(encoding) == content
    except (UnicodeError, LookupError):
        same = False
    if not same:
        raise Refused(f"{path} cannot be read and written back as it is")
    return _Text(file, content, mark, encoding, text)


def _encoding(path: str, content: bytes) -> tuple[bytes, str]:
    """Return a file's byte order mark (b"" without one) and its encoding, which a Python file may name in a comment."""
    for mark, encoding in _BYTE_ORDERS:
        if content.startswith(mark):
            return mark, encoding
    if path.endswith(".py"):
        try:
            return b"", tokenize.detect_encoding(io.BytesIO(content).readline)[0]
        except SyntaxError:  # an unknown encoding, or lines that are not in it
            raise Refused(f"{path} cannot be read and written back as it is") from None
    return b"", "utf-8"


def _take(text: _Text, edit: Edit) -> None:
    """Add an edit to those of its file; one that is there already is the same edit."""
    newline = "\r\n" if "\r\n" in text.text else "\n"
    wanted = edit.text.replace("\r\n", "\n").replace("\n", newline)
    try:
        wanted.encode(text.encoding)
    except UnicodeError:
        raise Refused(f"{edit.path} is written in {text.encoding}, which cannot hold the fix") from None
    if edit.line is None:
        wanted = wanted.rstrip("\r\n") + newline
        if wanted not in text.added:
            text.added.append(wanted)
        return
    start, end = _span(text.text, edit)
    if edit.was is not None and text.text[start:end] != edit.was:
        raise Refused(f"{edit.path}:{edit.line} is not what the fix was made for")
    if (start, end, wanted) in text.spans:
        return
    for other_start, other_end, _ in text.spans:
        if start == other_start or max(start, other_start) < min(end, other_end):
            raise Refused(f"{edit.path}:{edit.line} is changed by another fix already")
    text.spans.append((start, end, wanted))


def _span(text: str, edit: Edit) -> tuple[int, int]:
    """Return where an edit begins and ends in a text, in characters."""
    lines = text.split("\n")
    if len(text.splitlines()) != len(lines) - (lines[-1] == ""):
        raise Refused(f"{edit.path} has characters that some readers count as ends of lines")
    if edit.line is None or edit.column is None or not 0 < edit.line <= len(lines):
        raise Refused(f"{edit.path}:{edit.line} does not exist in the file")
    line, end_column = lines[edit.line - 1].removesuffix("\r"), edit.end_column or edit.column
    if not 0 < edit.column <= end_column <= len(line) + 1:
        raise Refused(f"{edit.path}:{edit.line} does not exist in the file")
    before = sum(len(other) + 1 for other in lines[: edit.line - 1])
    return before + edit.column - 1, before + end_column - 1


def _new(text: _Text) -> bytes:
    new = text.text
    for start, end, wanted in sorted(text.spans, reverse=True):  # from the end, so that what is before stays in place
        new = new[:start] + wanted + new[end:]
    if text.added and new and not new.endswith("\n"):
        new += "\r\n" if "\r\n" in new else "\n"
    return text.mark + (new + "".join(text.added)).encode(text.encoding)


def _is_python(content: bytes | None) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(content or b"")
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return False
    return True


def _lines(text: str) -> list[str]:
    return list(io.StringIO(text.removeprefix("\ufeff"), newline="\n"))


def _read(file: Path) -> bytes | None:
    try:
        return file.read_bytes() if file.is_file() else None  # a pipe would never end
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        return None
