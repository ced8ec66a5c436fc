"""Requirement files and locks as facts: what each line asks for, with its location. Nothing is resolved here.

One reader serves `requirements.in` and the locks that pip-compile or uv write, because their grammar is the same.
It follows `-r` and `-c`, joins continued lines, and keeps what it cannot read instead of dropping it.
"""

from __future__ import annotations

import codecs
import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from importlib import resources
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from seatrial.errors import UsageError
from seatrial.findings import Edit, Location
from seatrial.system.files import repository_of

_FILES_AT_MOST = 100  # that one file includes, directly or indirectly
_LARGEST = 16_777_216  # bytes of a file; a lock of a thousand pins with every hash has one million


@dataclass(frozen=True, slots=True)
class Entry:
    """One requirement: a line of a requirement file with its continuation lines.

    Attributes:
        text: the requirement as written, without hashes and comment.
        requirement: the parsed form; None if the line is not a PEP 508 requirement (a path, a bare URL, an error).
        hashes: what `--hash` allows, as `sha256:…`.
        via: what asked for it, from the comments that pip-compile and uv write.
        location: of the line.
        editable: whether the line began with `-e`.
        verbatim: whether its line begins with exactly this text.
        name: the canonical name of the distribution, or the text if there is none.
        version: the version that the line pins, or None if it leaves a choice (`>=`, `==2.*`, a URL).
    """

    text: str
    requirement: Requirement | None
    hashes: tuple[str, ...]
    via: tuple[str, ...]
    location: Location
    editable: bool = False
    verbatim: bool = False
    name: str = field(init=False)
    version: Version | None = field(init=False)

    def __post_init__(self) -> None:
        """Read name and version once: every rule asks for them."""
        name = str(canonicalize_name(self.requirement.name)) if self.requirement else self.text
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "version", pinned(self.requirement) if self.requirement else None)

    def applies(self, environment: dict[str, str]) -> bool:
        """Return whether the line's marker holds in an environment (see `marker_environment`)."""
        marker = self.requirement.marker if self.requirement else None
        return marker is None or marker.evaluate({"extra": "", **environment})


def pinned(requirement: Requirement) -> Version | None:
    """Return the version that a requirement pins, or None if it leaves a choice."""
    specifiers = list(requirement.specifier)
    if requirement.url or len(specifiers) != 1:
        return None
    if specifiers[0].operator not in ("==", "===") or "*" in specifiers[0].version:
        return None
    try:
        return Version(specifiers[0].version)
    except InvalidVersion:  # `===` takes any text
        return None


@dataclass(frozen=True, slots=True)
class Option:
    """A line that is an option, such as `--index-url` with its value."""

    name: str
    value: str
    location: Location


@dataclass(frozen=True, slots=True)
class RequirementFile:
    """A requirement file and everything that it includes.

    Attributes:
        path: the file, relative to the project.
        entries: requirements of the file and of its `-r` files, in order.
        constraints: the entries of its `-c` files.
        options: every other option line.
        missing: `-r` and `-c` lines whose file does not exist, or is outside of the project's repository.
        made_for: the Python that pip-compile's header names, such as "3.11"; empty if there is none.
    """

    path: str
    entries: tuple[Entry, ...]
    constraints: tuple[Entry, ...]
    options: tuple[Option, ...]
    missing: tuple[Option, ...] = ()
    made_for: str = ""

    def pins(self, environment: dict[str, str]) -> dict[str, Entry]:
        """Return the entries that pin a version in an environment, by canonical name."""
        return {e.name: e for e in self.entries if e.version is not None and e.applies(environment)}


def marker_environment(python: str) -> dict[str, str]:
    """Return the values that environment markers have where predictors are served: Linux on x86-64, CPython."""
    return {
        "implementation_name": "cpython",
        "implementation_version": f"{python}.0",
        "os_name": "posix",
        "platform_machine": "x86_64",
        "platform_python_implementation": "CPython",
        "platform_release": "",
        "platform_system": "Linux",
        "platform_version": "",
        "python_full_version": f"{python}.0",
        "python_version": python,
        "sys_platform": "linux",
    }


def rewritten(entry: Entry, text: str) -> tuple[Edit, ...]:
    """Return the edit that replaces one requirement with another; none if its line does not begin with it."""
    where = entry.location
    return (
        (Edit(where.path, text, where.line, where.column, where.end_column, was=entry.text),) if entry.verbatim else ()
    )


def read(file: Path, root: Path, shown_as: str = "") -> RequirementFile:
    """Read a requirement file of the project in `root`; `shown_as` replaces its path in every location.

    Raises:
        FileNotFoundError: the file does not exist.
        UsageError: it, or a file that it includes, is not text, or it is a link that leaves the project's repository.
    """
    reader = _Reader(root)
    if not shown_as and file.is_file() and not reader.may_read(file):
        raise UsageError(f"{file.name} is a link to a file outside of the project", fix="write the file itself")
    return reader.read(file, shown_as)


def read_runtime(name: str) -> RequirementFile:
    """Read one of the serving runtime's own files, requirements.in or requirements.txt, which ship with the tool."""
    with resources.as_file(resources.files("seatrial").joinpath("serving", name)) as file:
        return read(file, file.parent, shown_as=f"runtime {name}")


class _Reader:
    """Reads one file and the files that it includes, each once."""

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()
        self._limit = repository_of(root)
        self._seen: set[Path] = set()

    def may_read(self, file: Path) -> bool:
        """Return whether a file is one of the project's repository: others, such as /proc/self/environ, are private."""
        try:
            return file.is_file() and file.resolve().is_relative_to(self._limit)
        except (OSError, RuntimeError, ValueError):  # links that form a circle, a name that no file can have
            return False

    def read(self, file: Path, shown_as: str = "") -> RequirementFile:
        entries: list[Entry] = []
        constraints: list[Entry] = []
        options: list[Option] = []
        missing: list[Option] = []
        path = shown_as or self._relative(file)
        self._seen.add(file.resolve())
        text = _text(file)
        lines = text.splitlines()
        is_own = bool(shown_as) or file.resolve().is_relative_to(self._root)
        for number, line, comments in _logical_lines(text):
            location = Location(path, number, 1, len(line) + 1)
            option = _option(line, location)
            if option is None or option.name in ("-e", "--editable"):
                entry = _entry(line, lines[number - 1], comments, location, editable=option is not None)
                entries.append(entry if is_own or entry.requirement else replace(entry, text=f"line {number}"))
                continue
            if option.name not in ("-r", "--requirement", "-c", "--constraint"):
                options.append(option)
                continue
            included = file.parent / option.value
            if not self.may_read(included):
                missing.append(option)
            elif len(self._seen) < _FILES_AT_MOST and included.resolve() not in self._seen:
                other = self.read(included)
                is_constraint = option.name in ("-c", "--constraint")
                (constraints if is_constraint else entries).extend(other.entries)
                constraints.extend(other.constraints)
                options.extend(() if is_constraint else other.options)
                missing.extend(other.missing)
        header = re.search(r"^# This file is autogenerated by pip-compile with Python (\d+\.\d+)", text, re.MULTILINE)
        made_for = header[1] if header else ""
        return RequirementFile(path, tuple(entries), tuple(constraints), tuple(options), tuple(missing), made_for)

    def _relative(self, file: Path) -> str:
        try:
            return file.resolve().relative_to(self._root).as_posix()
        except ValueError:
            return file.as_posix()


def _text(file: Path) -> str:
    with file.open("rb") as opened:
        content = opened.read(_LARGEST + 1)
    if len(content) > _LARGEST:
        raise UsageError(f"{file} has more than {_LARGEST // 1_048_576} MB", fix="see whether it is a requirement file")
    encoding = "utf-16" if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    try:
        return content.decode(encoding)  # the same byte order marks as pip's: PowerShell writes UTF-16
    except UnicodeDecodeError as error:
        raise UsageError(f"{file} is not UTF-8 text: {error}", fix="save it as UTF-8") from None


def _logical_lines(text: str) -> Iterator[tuple[int, str, list[str]]]:
    """Yield (number of the first line, line with continuations joined, its comments).

    A comment block right after a line belongs to it: pip-compile writes `# via` there. An empty line ends it.
    """
    pending: tuple[int, list[str], list[str]] | None = None
    continued = False
    for number, raw in enumerate(text.splitlines(), start=1):
        line, _, comment = raw.partition("#") if raw.lstrip().startswith("#") else _split_comment(raw)
        line = line.strip()
        if not line and comment and pending:
            pending[2].append(comment.strip())
        if not raw.strip() and pending:
            yield pending[0], " ".join(pending[1]), pending[2]
            pending, continued = None, False
        if not line:
            continue
        goes_on = line.endswith("\\")
        line = line.removesuffix("\\").strip()
        comments = [comment.strip()] if comment else []
        if continued and pending:
            pending[1].append(line)
            pending[2].extend(comments)
        else:
            if pending:
                yield pending[0], " ".join(pending[1]), pending[2]
            pending = (number, [line], comments)
        continued = goes_on
    if pending:
        yield pending[0], " ".join(pending[1]), pending[2]


def _split_comment(raw: str) -> tuple[str, str, str]:
    found = re.search(r"\s#", raw)  # pip: a comment begins with whitespace and #, so that URL fragments survive
    return (raw[: found.start()], "#", raw[found.end() :]) if found else (raw, "", "")


def _entry(line: str, raw: str, comments: list[str], location: Location, *, editable: bool) -> Entry:
    hashes = tuple(re.findall(r"--hash[= ](\S+)", line))
    text = re.sub(r"\s*--hash[= ]\S+", "", line).strip()
    requirement: Requirement | None = None
    with contextlib.suppress(InvalidRequirement):
        requirement = None if editable else Requirement(text)
    location = Location(location.path, location.line, 1, len(text) + 1)
    return Entry(text, requirement, hashes, _via(comments), location, editable, raw.startswith(text))


def _via(comments: list[str]) -> tuple[str, ...]:
    """Read what asked for it: `# via torch`, `# via torch, numpy`, or `# via` followed by one name a line."""
    if not comments or not comments[0].startswith("via"):
        return ()
    first = comments[0].removeprefix("via").strip().split(", ")
    return tuple(name for name in [*first, *comments[1:]] if name)


def _option(line: str, location: Location) -> Option | None:
    """Read an option line: `--name value`, `--name=value`, `-n value` or `-nvalue`; None if it is not one."""
    found = re.match(r"(--[a-z-]+)(?:[= ](.*))?$|(-[a-z])(.*)$", line)
    if not found:
        return None
    return Option(found[1] or found[3], (found[2] or found[4] or "").strip().strip("\"'"), location)
