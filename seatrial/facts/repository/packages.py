"""Which distributions a repository asks for, at which versions, and for which Python: of every file that says it.

requirements files, pyproject.toml (PEP 621, dependency groups, Poetry's and uv's), the locks of Poetry, uv, PDM and
Pipenv, conda's environments, setup.py and setup.cfg. Nothing is resolved.
"""

from __future__ import annotations

import ast
import configparser
import contextlib
import json
import re
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

from seatrial.errors import UsageError
from seatrial.facts.packages import requirements
from seatrial.findings import Location

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_LOCKS = ("poetry.lock", "uv.lock", "pdm.lock")
_FILES = ("requirements*.txt", "requirements/*.txt", "docker/requirements*.txt", "app/requirements*.txt")
_MINORS = range(6, 30)


@dataclass(frozen=True, slots=True)
class Asked:
    """A distribution that a file asks for.

    Attributes:
        name: its canonical name.
        specifier: the versions, such as `==1.13.1`; "" for any.
        location: where.
        locked: whether the file is a lock: what training really had.
    """

    name: str
    specifier: str
    location: Location
    locked: bool = False


@dataclass(frozen=True, slots=True)
class AskedPython:
    """The Pythons that a file allows, and where it says it."""

    specifier: SpecifierSet
    location: Location

    @property
    def minors(self) -> tuple[str, ...]:
        """The minor versions of Python 3 that it allows, oldest first: `3.10`."""
        return tuple(
            f"3.{minor}" for minor in _MINORS if any(self.specifier.contains(f"3.{minor}.{p}") for p in (0, 9))
        )


def asked(root: Path) -> tuple[Asked, ...]:
    """Return what the files of a repository ask for, what is locked first."""
    found = [
        *_of_locks(root), *_of_pipenv(root), *_of_requirements(root), *_of_pyproject(root), *_of_conda(root),
        *_of_setup(root),
    ]  # fmt: skip
    return tuple(sorted(found, key=lambda a: (not a.locked, "==" not in a.specifier)))


def pythons(root: Path) -> tuple[AskedPython, ...]:
    """Return which Pythons the files of a repository name, the most exact first."""
    return tuple(sorted(_pythons(root), key=lambda python: len(python.minors)))


def _of_requirements(root: Path) -> Iterator[Asked]:
    for file in sorted({file for pattern in _FILES for file in root.glob(pattern) if file.is_file()}):
        try:
            read = requirements.read(file, root)
        except (UsageError, OSError):
            continue
        is_lock = bool(read.made_for) or any(entry.hashes for entry in read.entries)
        for entry in read.entries:
            if entry.requirement and not entry.editable:
                yield Asked(entry.name, str(entry.requirement.specifier), entry.location, is_lock)


def _of_pyproject(root: Path) -> Iterator[Asked]:
    project = _toml(root / "pyproject.toml")
    table, tool = _table(project, "project"), _table(project, "tool")
    lines = [*_list(table.get("dependencies")), *_list(_table(tool, "uv").get("dev-dependencies"))]
    for group in (_table(table, "optional-dependencies"), _table(project, "dependency-groups")):
        lines += [line for values in group.values() for line in _list(values)]
    yield from filter(None, (_asked(line, Location("pyproject.toml")) for line in lines))
    poetry = _table(tool, "poetry")
    groups = [poetry, *(group for group in _table(poetry, "group").values() if isinstance(group, dict))]
    for dependencies in (_table(group, key) for group in groups for key in ("dependencies", "dev-dependencies")):
        for name, value in dependencies.items():
            text = value.get("version", "") if isinstance(value, dict) else value
            if name != "python" and isinstance(text, str):
                yield Asked(str(canonicalize_name(name)), _of_poetry(text), Location("pyproject.toml"))


def _of_poetry(text: str) -> str:
    """Return Poetry's `^1.2` and `~1.2` as PEP 440 (https://python-poetry.org/docs/dependency-specification/)."""
    parts = []
    for part in (piece.strip() for piece in text.split(",")):
        found = re.fullmatch(r"([\^~])\s*(\d+(?:\.\d+)*)", part)
        if found:
            numbers = [int(number) for number in found[2].split(".")]
            fixed = next((n for n, number in enumerate(numbers) if number), len(numbers) - 1)
            fixed = fixed if found[1] == "^" else min(1, len(numbers) - 1)
            above = ".".join(map(str, [*numbers[:fixed], numbers[fixed] + 1]))
            parts.append(f">={found[2]},<{above}")
        elif part not in ("", "*"):
            parts.append(f"=={part}" if part[0].isdigit() else part)
    return _valid(",".join(parts))


def _of_locks(root: Path) -> Iterator[Asked]:
    for name in _LOCKS:
        packages = _toml(root / name).get("package")
        for package in packages if isinstance(packages, list) else []:
            if isinstance(package, dict) and isinstance(package.get("version"), str):
                specifier = _valid(f"=={package['version']}")
                yield Asked(str(canonicalize_name(str(package.get("name")))), specifier, Location(name), locked=True)


def _of_pipenv(root: Path) -> Iterator[Asked]:
    with contextlib.suppress(OSError, ValueError, AttributeError):
        data = json.loads((root / "Pipfile.lock").read_text(encoding="utf-8"))
        for name, row in data.get("default", {}).items():
            specifier = _valid(str(row.get("version", "")))
            yield Asked(str(canonicalize_name(name)), specifier, Location("Pipfile.lock"), locked=True)


def _of_conda(root: Path) -> Iterator[Asked]:
    """Yield what conda's environments ask for; its `pytorch` is `torch` on the index."""
    for path, dependencies in _environments(root):
        for line in dependencies:
            inner = line.get("pip", []) if isinstance(line, dict) else []
            for text in [item for item in inner if isinstance(item, str)] + ([line] if isinstance(line, str) else []):
                plain = text if text in inner else _of_conda_line(text)
                found = _asked(plain, Location(path)) if plain else None
                if found and found.name != "python":
                    yield found


def _of_conda_line(text: str) -> str:
    """Return `torch==1.9.0` for `pytorch=1.9.0=py3.8_cuda11.1`."""
    name, *rest = re.split(r"==?|(?=[<>!])", text.partition("::")[2] or text, maxsplit=1)
    name = {"pytorch": "torch", "pillow": "Pillow"}.get(name.strip(), name.strip())
    version = rest[0].partition("=")[0].strip() if rest and rest[0][:1] not in "<>!" else ""
    return f"{name}=={version}" if version else f"{name}{rest[0] if rest else ''}"


def _environments(root: Path) -> Iterator[tuple[str, list[Any]]]:
    for file in sorted({*root.glob("environment*.y*ml"), *root.glob("conda*.y*ml")}):
        with contextlib.suppress(OSError, yaml.YAMLError, ValueError):
            data = yaml.safe_load(file.read_text(encoding="utf-8", errors="replace"))
            if isinstance(data, dict) and isinstance(data.get("dependencies"), list):
                yield file.name, data["dependencies"]


def _of_setup(root: Path) -> Iterator[Asked]:
    with contextlib.suppress(OSError, SyntaxError, ValueError):
        tree = ast.parse((root / "setup.py").read_text(encoding="utf-8", errors="replace"))
        for node in ast.walk(tree):
            if isinstance(node, ast.keyword) and node.arg == "install_requires" and isinstance(node.value, ast.List):
                texts = [item.value for item in node.value.elts if isinstance(item, ast.Constant)]
                where = Location("setup.py", node.value.lineno)
                yield from filter(None, (_asked(text, where) for text in texts if isinstance(text, str)))
    with contextlib.suppress(OSError, configparser.Error, UnicodeDecodeError):
        parser = configparser.ConfigParser()
        parser.read_string((root / "setup.cfg").read_text(encoding="utf-8"))
        lines = parser.get("options", "install_requires", fallback="").splitlines()
        yield from filter(None, (_asked(line, Location("setup.cfg")) for line in lines))


def _pythons(root: Path) -> Iterator[AskedPython]:
    project = _toml(root / "pyproject.toml")
    poetry = _table(_table(_table(project, "tool"), "poetry"), "dependencies").get("python")
    for text in (
        _table(project, "project").get("requires-python"),
        _of_poetry(poetry) if isinstance(poetry, str) else None,
    ):
        yield from _python(text, "pyproject.toml")
    yield from _python(_table(_toml(root / "Pipfile"), "requires").get("python_version"), "Pipfile")
    for name, pattern in ((".python-version", r"(3\.\d+)"), ("runtime.txt", r"python-(3\.\d+)")):
        with contextlib.suppress(OSError):
            found = re.search(pattern, (root / name).read_text(encoding="utf-8", errors="replace"))
            yield from _python(found and found[1], name)
    for file in sorted({*root.glob("Dockerfile*"), *root.glob("*/Dockerfile*")}):
        with contextlib.suppress(OSError):
            found = re.search(
                r"^FROM\s+\S*python:(3\.\d+)", file.read_text(encoding="utf-8", errors="replace"), re.MULTILINE
            )
            yield from _python(found and found[1], file.relative_to(root).as_posix())
    for path, dependencies in _environments(root):
        for line in dependencies:
            found = re.match(r"python\s*=+\s*(3\.\d+)", line) if isinstance(line, str) else None
            yield from _python(found and found[1], path)


def _python(text: object, path: str) -> Iterator[AskedPython]:
    if isinstance(text, str) and text:
        specifier = f"=={text}.*" if re.fullmatch(r"3\.\d+", text) else _valid(text)
        if specifier:
            yield AskedPython(SpecifierSet(specifier), Location(path))


def _asked(line: object, location: Location) -> Asked | None:
    try:
        requirement = Requirement(line) if isinstance(line, str) else None
    except InvalidRequirement:
        return None
    return (
        Asked(str(canonicalize_name(requirement.name)), str(requirement.specifier), location) if requirement else None
    )


def _valid(text: str) -> str:
    try:
        return str(SpecifierSet(text))
    except InvalidSpecifier:
        return ""


def _toml(file: Path) -> dict[str, Any]:
    with contextlib.suppress(OSError, tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError):
        return tomllib.loads(file.read_text(encoding="utf-8"))
    return {}


def _table(table: object, key: str) -> dict[str, Any]:
    value = table.get(key) if isinstance(table, dict) else None
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
