"""The files that build or deploy a project, read as text: Dockerfiles, workflows, shell scripts, pip's configuration.

What they install, which images they name, which addresses they hold. Nothing of them is run, and a command that only
a shell could expand is kept unchanged.
"""

from __future__ import annotations

import contextlib
import json
import os
import posixpath
import re
import shlex
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement

from seatrial.findings import Location

_FOLDERS = (
    "", ".github/workflows", "ci", "cloud", "container", "deploy", "deployment", "docker", "infra", "scripts",
)  # fmt: skip
_DOCKERFILE = re.compile(r"(?:Dockerfile|Containerfile)(?:\..+)?|.+\.[Dd]ockerfile")
_TEXT = re.compile(r".+\.(?:yml|yaml|sh|py|tf)|Makefile|requirements.*\.(?:in|txt)")
_CONFIGURATIONS = ("pip.conf", "pip.ini", ".pip.conf", "uv.toml", "pyproject.toml", "Pipfile", ".condarc")
_LARGEST = 1_048_576  # bytes of a file that somebody wrote
_FILES_AT_MOST, _CONTEXT_AT_MOST = 500, 20_000
_PREBUILT = re.compile(r"[\w.-]*/?[\w-]*/?prediction/(?P<image>pytorch-(?:cpu|gpu|tpu)\.(?P<version>\d+-\d+))")
_RETIRED = re.compile(
    r"\bgcloud\s+(?:(?:alpha|beta)\s+)?ai-platform\s+(?:versions|models|predict|jobs|local)\b"
    r"|\bhttps://(?:[\w-]+-)?ml\.googleapis\.com/v1\b"
)
_ADDRESS = re.compile(r"\b(?:git\+)?(?:https?|ssh)://[^\s\"'<>`/@]+@[^\s\"'<>`]+")  # with a user before the host
# Options of `pip install` and `uv pip install` that take a value: their `--help`.
_WITH_VALUE = {
    "-r", "--requirement", "-c", "--constraint", "-e", "--editable", "-i", "--index-url", "--extra-index-url", "-f",
    "--find-links", "--trusted-host", "-t", "--target", "--prefix", "--root", "--platform", "--python-version",
    "--implementation", "--abi", "--no-binary", "--only-binary", "--progress-bar", "--timeout", "--retries", "--proxy",
    "--cert", "--client-cert", "--cache-dir", "--log", "--src", "--python", "-p", "--index", "--default-index",
    "--index-strategy", "--allow-insecure-host", "--prerelease", "--report", "--config-settings", "-C",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Install:
    """A `pip install` command: what it asks for by name, what else, and its options as (name, value)."""

    location: Location
    stage: int
    requirements: tuple[Requirement, ...]
    others: tuple[str, ...]
    options: tuple[tuple[str, str], ...]

    def values(self, *names: str) -> tuple[str, ...]:
        """Return the values of the options of these names."""
        return tuple(value for name, value in self.options if name in names)

    def has(self, *names: str) -> bool:
        """Return whether one of these options is given."""
        return any(name in names for name, _ in self.options)


@dataclass(frozen=True, slots=True)
class Named:
    """Something that a file names: an image, an address, a setting's value."""

    text: str
    location: Location
    setting: str = ""


@dataclass(frozen=True, slots=True)
class BuildFile:
    """One file.

    Attributes:
        path: relative to the project.
        is_dockerfile: whether it is one.
        bases: the images that its FROM lines name, by default values of ARG.
        installs: its `pip install` commands; of Dockerfiles only.
        settings: what it sets of pip's and uv's indexes, by the equivalent option of pip.
        copies_all: the places at which it copies its whole context.
        prebuilt: images of the prebuilt prediction containers that it names.
        addresses: web addresses in it that have a login.
        retired: commands of AI Platform Prediction in it, the service that Vertex AI replaced; none of Python files.
    """

    path: str
    is_dockerfile: bool = False
    bases: tuple[Named, ...] = ()
    installs: tuple[Install, ...] = ()
    settings: tuple[Named, ...] = ()
    copies_all: Location | None = None
    prebuilt: tuple[Named, ...] = ()
    addresses: tuple[Named, ...] = ()
    retired: tuple[Named, ...] = ()


@dataclass(frozen=True, slots=True)
class Builds:
    """All such files, and the paths that a build context would hold, where a Dockerfile copies it whole."""

    files: tuple[BuildFile, ...] = ()
    context: tuple[str, ...] = field(default=())


def read_builds(root: Path) -> Builds:
    """Read the files of a project that build or deploy it."""
    files = tuple(file for path in _candidates(root) if (file := _read(path, root)))
    whole = any(file.copies_all for file in files)
    return Builds(files, tuple(_context(root)) if whole else ())


def _candidates(root: Path) -> list[Path]:
    found = []
    for folder in _FOLDERS:
        try:
            with os.scandir(root / folder) as entries:
                names = sorted(entry.name for entry in entries if entry.is_file())
        except OSError:
            continue
        wanted = [n for n in names if n in _CONFIGURATIONS or _TEXT.fullmatch(n) or _DOCKERFILE.fullmatch(n)]
        found += [root / folder / name for name in wanted]
    return found[:_FILES_AT_MOST]


def _read(file: Path, root: Path) -> BuildFile | None:
    try:
        with file.open("rb") as opened:
            text = opened.read(_LARGEST).decode("utf-8", errors="replace")
    except OSError:
        return None
    path = file.relative_to(root).as_posix()
    if _DOCKERFILE.fullmatch(file.name):
        return _dockerfile(path, text)
    settings: tuple[Named, ...] = ()
    if file.name in _CONFIGURATIONS:
        settings = tuple(_configured(path, file.name, text))
    elif path.startswith(".github/") or file.suffix in (".yml", ".yaml", ".sh"):
        settings = tuple(_variables(path, text))
    return BuildFile(
        path, settings=settings, prebuilt=_prebuilt(path, text), addresses=_addresses(path, text),
        retired=() if file.suffix == ".py" else _retired(path, text),
    )  # fmt: skip


def _prebuilt(path: str, text: str) -> tuple[Named, ...]:
    if "prediction/pytorch-" not in text:
        return ()
    return tuple(
        Named(
            found["version"].replace("-", "."),
            Location(path, number, found.start() + 1, found.end() + 1),
            found["image"],
        )
        for number, line in enumerate(text.splitlines(), start=1)
        if not line.lstrip().startswith("#")
        for found in _PREBUILT.finditer(line)
    )


def _retired(path: str, text: str) -> tuple[Named, ...]:
    if "ai-platform" not in text and "ml.googleapis.com" not in text:
        return ()
    return tuple(
        Named(found[0], Location(path, number, found.start() + 1, found.end() + 1))
        for number, line in enumerate(text.splitlines(), start=1)
        if not line.lstrip().startswith("#")
        for found in _RETIRED.finditer(line)
    )


def _addresses(path: str, text: str) -> tuple[Named, ...]:
    if "://" not in text or "@" not in text:
        return ()
    return tuple(
        Named(found[0], Location(path, number, found.start() + 1, found.end() + 1))
        for number, line in enumerate(text.splitlines(), start=1)
        if "://" in line and "@" in line
        for found in _ADDRESS.finditer(line)
    )


# How pip, uv and their configuration call an index, by the option of pip that means the same.
_SETTINGS = {
    "index-url": "--index-url", "index_url": "--index-url", "default-index": "--index-url",
    "extra-index-url": "--extra-index-url", "extra_index_url": "--extra-index-url", "index": "--extra-index-url",
    "trusted-host": "--trusted-host", "trusted_host": "--trusted-host", "allow-insecure-host": "--trusted-host",
    "pre": "--pre", "prerelease": "--pre",
}  # fmt: skip
_VARIABLES = re.compile(
    r"\b(?:PIP|UV)_(?P<name>INDEX_URL|DEFAULT_INDEX|EXTRA_INDEX_URL|INDEX|TRUSTED_HOST|INSECURE_HOST|PRE|PRERELEASE)"
    r"(?:\s*[:=]\s*|\s+)(?P<value>\"[^\"\n]*\"|'[^'\n]*'|[^\s\"']+)"
)
_BY_VARIABLE = {
    "INDEX_URL": "--index-url", "DEFAULT_INDEX": "--index-url", "EXTRA_INDEX_URL": "--extra-index-url",
    "INDEX": "--extra-index-url", "TRUSTED_HOST": "--trusted-host", "INSECURE_HOST": "--trusted-host",
    "PRE": "--pre", "PRERELEASE": "--pre",
}  # fmt: skip


def _variables(path: str, text: str) -> Iterator[Named]:
    for number, line in enumerate(text.splitlines(), start=1):
        if line.lstrip().startswith("#"):
            continue
        for found in _VARIABLES.finditer(line):
            value = found["value"].strip("\"'")
            if _is_on(_BY_VARIABLE[found["name"]], value):
                place = Location(path, number, found.start() + 1, found.end() + 1)
                yield Named(value, place, _BY_VARIABLE[found["name"]])


def _is_on(setting: str, value: str) -> bool:
    return setting != "--pre" or value.lower() in ("1", "true", "yes", "on", "allow", "if-necessary-or-explicit")


def _configured(path: str, name: str, text: str) -> Iterator[Named]:
    """Yield the index settings of pip's and uv's configuration files."""
    tables: list[tuple[str, str]] = []
    if name.endswith(".toml"):
        if "index" not in text and "prerelease" not in text:
            return
        try:
            content = tomllib.loads(text)
        except tomllib.TOMLDecodeError:
            return
        of_uv = content if name == "uv.toml" else content.get("tool", {}).get("uv", {})
        tables = list(_of_uv(of_uv)) if isinstance(of_uv, dict) else []
    elif name.endswith((".conf", ".ini")):
        joined = re.sub(r"\n[ \t]+(?=\S)", " ", text)
        for found in re.finditer(r"^(?P<key>[\w-]+)\s*[=:]\s*(?P<value>.*)$", joined, re.MULTILINE):
            tables += [(found["key"], value) for value in found["value"].split()]
    for key, value in tables:
        option = _SETTINGS.get(key, "")
        if option and _is_on(option, value):
            lines = text.splitlines()
            number = next((n for n, line in enumerate(lines, start=1) if value in line), None)
            yield Named(value, Location(path, number), option)


def _of_uv(table: dict[str, object]) -> Iterator[tuple[str, str]]:
    pip = table.get("pip")
    for part in (table, pip if isinstance(pip, dict) else {}):
        for key, value in part.items():
            for one in value if isinstance(value, list) else [value]:
                if isinstance(one, dict) and isinstance(one.get("url"), str) and not one.get("explicit"):
                    yield "index-url" if one.get("default") else "index", one["url"]
                elif isinstance(one, str):
                    yield key, one


def _dockerfile(path: str, text: str) -> BuildFile:
    bases: list[Named] = []
    installs: list[Install] = []
    arguments: dict[str, str] = {}
    copies_all: Location | None = None
    for number, line in _instructions(text):
        word, _, rest = line.partition(" ")
        word, rest = word.upper(), rest.strip()
        place = Location(path, number)
        if word == "ARG" and not bases:
            name, _, value = rest.partition("=")
            arguments[name.strip()] = value.strip().strip("\"'")
        elif word == "FROM":
            image = next((part for part in rest.split() if not part.startswith("--")), "")
            bases.append(Named(_expanded(image, arguments), place))
        elif word == "RUN":
            installs += [_install(words, place, len(bases)) for words in _commands(rest) if words]
        elif word in ("COPY", "ADD") and "--from" not in rest and _copies_all(rest):
            copies_all = copies_all or place
    return BuildFile(
        path, is_dockerfile=True, bases=tuple(bases), installs=tuple(installs), settings=tuple(_variables(path, text)),
        copies_all=copies_all, prebuilt=_prebuilt(path, text), addresses=_addresses(path, text),
    )  # fmt: skip


def _instructions(text: str) -> Iterator[tuple[int, str]]:
    """Yield (number of the first line, instruction with its continuation lines joined)."""
    begin, joined = 0, ""
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        begin = begin if joined else number
        joined = f"{joined} {line.removesuffix(chr(92)).strip()}".strip()
        if not line.endswith("\\"):
            yield begin, joined
            joined = ""
    if joined:
        yield begin, joined


def _expanded(text: str, values: dict[str, str]) -> str:
    return re.sub(r"\$\{?(\w+)(?::-([^}]*))?\}?", lambda m: values.get(m[1]) or m[2] or "", text)


def _copies_all(rest: str) -> bool:
    words = [word for word in rest.split() if not word.startswith("--")]
    if rest.lstrip().startswith("["):
        try:
            words = list(map(str, json.loads(rest[rest.index("[") :])))
        except ValueError:
            return False
    return any(word in (".", "./", "*", "./*") for word in words[:-1])


def _commands(run: str) -> Iterator[list[str]]:
    """Yield the arguments after `pip install` of every such command in a RUN line."""
    parts: list[list[str]] = []
    if run.startswith("["):
        try:
            parts = [list(map(str, json.loads(run)))]
        except ValueError:
            return
    else:
        for part in re.split(r"&&|\|\||[;|]", run):
            try:
                parts.append(shlex.split(part))
            except ValueError:
                parts.append(part.split())
    for words in parts:
        for number, word in enumerate(words[:-1]):
            if re.fullmatch(r"(?:\S*/)?pip[\d.]*", word) and words[number + 1] == "install":
                yield words[number + 2 :]
                break


def _install(words: list[str], place: Location, stage: int) -> Install:
    wanted: list[Requirement] = []
    others: list[str] = []
    options: list[tuple[str, str]] = []
    rest = iter(words)
    for word in rest:
        if word.startswith("-"):
            name, equals, value = word.partition("=")
            if not equals and name in _WITH_VALUE:
                value = next(rest, "")
            options.append((name, value))
            continue
        try:
            requirement = Requirement(word)
        except InvalidRequirement:
            others.append(word)
        else:
            wanted.append(requirement)
    return Install(place, stage, tuple(wanted), tuple(others), tuple(options))


def _context(root: Path) -> Iterator[str]:
    """Yield the files of the build context that .dockerignore leaves in, by name only."""
    ignored = _ignored(root)
    seen = 0
    for folder, folders, names in os.walk(root):
        here = Path(folder).relative_to(root).as_posix()
        prefix = "" if here == "." else f"{here}/"
        skipped = {".git", "node_modules", "__pycache__", "build"}
        folders[:] = sorted(f for f in folders if f not in skipped and not (Path(folder) / f / "pyvenv.cfg").exists())
        for name in sorted(names):
            seen += 1
            if seen > _CONTEXT_AT_MOST:
                return
            if not ignored(prefix + name):
                yield prefix + name


class _Ignored:
    """The patterns of a .dockerignore: the last that matches a path or a folder above it decides."""

    # Not pathspec: its `foo` matches at any depth, as Git's does, and Docker's only at the root.
    def __init__(self, lines: list[str]) -> None:
        self._patterns = []
        for line in lines:
            text = line.strip()
            if text and not line.startswith("#"):
                kept = text.startswith("!")
                pattern = posixpath.normpath(text.removeprefix("!").strip()).lstrip("/")
                with contextlib.suppress(re.error):  # Docker refuses it
                    self._patterns.append((not kept, re.compile(_as_regex(pattern))))

    def __call__(self, path: str) -> bool:
        ignored = False
        for ignores, pattern in self._patterns:
            if pattern.match(path):
                ignored = ignores
        return ignored


def _ignored(root: Path) -> _Ignored:
    try:
        text = (root / ".dockerignore").read_text(encoding="utf-8-sig", errors="replace")
    except OSError:
        text = ""
    return _Ignored(text.splitlines()[:1000])


_SPECIAL = re.compile(
    r"(?P<rest>\*\*/?$)|(?P<folders>(?:\*\*/?)+)|\*|\?|\[(?P<not>\^?)(?P<set>(?:\\.|[^\]\\])+)\]|\\(?P<escaped>.)"
)


def _as_regex(pattern: str) -> str:
    """Translate a pattern of .dockerignore: `**` crosses folders, `*` and `?` do not."""
    if re.fullmatch(r"\*\*[^/*?\[\]\\][^*?\[\]\\]*", pattern):
        return f".*{re.escape(pattern[2:])}(?:/|$)"  # Docker compares the end only: `**key` matches `my.key`
    regex, at = "", 0
    for found in _SPECIAL.finditer(pattern):
        regex += re.escape(pattern[at : found.start()]) + _special(found)
        at = found.end()
    return f"{regex}{re.escape(pattern[at:])}(?:/|$)"


def _special(found: re.Match[str]) -> str:
    if found["rest"]:
        return ".*"
    if found["folders"]:
        return "(?:.*/)?"
    if found["set"]:
        members = re.findall(r"\\?.", found["set"])
        return f"[{found['not']}{''.join(m if m == '-' else re.escape(m[-1]) for m in members)}]"
    if found["escaped"]:
        return re.escape(found["escaped"])
    return "[^/]*" if found[0] == "*" else "[^/]"
