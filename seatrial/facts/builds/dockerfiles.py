"""Reads a Dockerfile: its images, what it installs and what it copies.

A command that only a shell could expand is kept unchanged.
"""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from packaging.requirements import InvalidRequirement, Requirement

from seatrial.facts.builds import texts
from seatrial.facts.builds.files import BuildFile, Install, Named
from seatrial.findings import Location

if TYPE_CHECKING:
    from collections.abc import Iterator

# Options of `pip install` and `uv pip install` that take a value: their `--help`.
_WITH_VALUE = {
    "-r", "--requirement", "-c", "--constraint", "-e", "--editable", "-i", "--index-url", "--extra-index-url", "-f",
    "--find-links", "--trusted-host", "-t", "--target", "--prefix", "--root", "--platform", "--python-version",
    "--implementation", "--abi", "--no-binary", "--only-binary", "--progress-bar", "--timeout", "--retries", "--proxy",
    "--cert", "--client-cert", "--cache-dir", "--log", "--src", "--python", "-p", "--index", "--default-index",
    "--index-strategy", "--allow-insecure-host", "--prerelease", "--report", "--config-settings", "-C",
}  # fmt: skip


@dataclass(slots=True)
class _Stage:
    """What is known of the image that a stage makes: its own part, and what it has from the stage that it begins with.

    `entry` and `command` are the words of ENTRYPOINT and CMD; None if they are not certain.
    """

    variables: dict[str, Named] = field(default_factory=dict)
    entry: list[str] | None = field(default_factory=list)
    command: list[str] | None = field(default_factory=list)
    started_at: Location | None = None


def read(path: str, text: str) -> BuildFile:
    """Read a Dockerfile."""
    bases: list[Named] = []
    installs: list[Install] = []
    copies: list[Named] = []
    packages: set[str] = set()
    arguments: dict[str, str] = {}
    stages: dict[str, _Stage] = {}
    stage = _Stage()
    copies_all: Location | None = None
    for number, line in _instructions(text):
        word, _, rest = line.partition(" ")
        word, rest = word.upper(), rest.strip()
        place = Location(path, number)
        if word == "ARG" and not bases:
            name, _, value = rest.partition("=")
            arguments[name.strip()] = value.strip().strip("\"'")
        elif word == "FROM":
            image, *more = [part for part in rest.split() if not part.startswith("--")] or [""]
            bases.append(Named(_expanded(image, arguments), place))
            stage = _begun(stages.get(image.lower(), _Stage()))
            stages[more[1].lower() if len(more) > 1 else str(len(bases) - 1)] = stage
        elif word == "RUN":
            commands = list(_commands(rest))
            installs += [_install(words, place, len(bases)) for words in map(_installed, commands) if words]
            packages.update(package for words in commands for package in _system_packages(words))
        elif word in ("COPY", "ADD") and "--from" not in rest:
            sources = _words(rest)[:-1]
            if any(source in (".", "./", "*", "./*") for source in sources):
                copies_all = copies_all or place
            copies += [Named(source, place) for source in sources]
        elif word == "ENV":
            stage.variables.update(_variables(rest, place))
        elif word in ("CMD", "ENTRYPOINT"):
            stage.started_at = place
            if word == "CMD":
                stage.command = _started(rest)
            else:
                stage.entry, stage.command = _started(rest), []
    return BuildFile(
        path, is_dockerfile=True, bases=tuple(bases), installs=tuple(installs),
        settings=tuple(texts.variables(path, text)), copies_all=copies_all, copies=tuple(copies),
        variables=tuple(stage.variables.values()), packages=frozenset(packages),
        names_archive="archive.debian.org" in text or "old-releases.ubuntu" in text,
        starts=() if None in (stage.entry, stage.command) else (*(stage.entry or ()), *(stage.command or ())),
        started_at=stage.started_at, prebuilt=texts.prebuilt(path, text), addresses=texts.addresses(path, text),
    )  # fmt: skip


def _begun(stage: _Stage) -> _Stage:
    return replace(stage, variables=dict(stage.variables))


def _variables(rest: str, place: Location) -> dict[str, Named]:
    """Read what ENV sets: `ENV a=b c="d e"`, or `ENV a b` for one."""
    words = _split(rest)
    if words and "=" not in words[0]:
        name, _, value = rest.partition(" ")
        return {name: Named(value.strip().strip("\"'"), place, name)}
    pairs = (word.partition("=") for word in words)
    return {name: Named(value, place, name) for name, _, value in pairs}


def _started(rest: str) -> list[str] | None:
    """Return the words of a command; None if a shell would do more with it than to start one program."""
    if not rest.startswith("["):
        return _of_shell(rest)
    words = _words(rest)
    if len(words) == len(_SHELL) + 1 and words[0].rpartition("/")[2] in ("sh", "bash") and words[1] in _SHELL:
        return _of_shell(words[-1])
    return words or None


_SHELL = ("-c", "-lc")


def _of_shell(line: str) -> list[str] | None:
    words = _split(line)
    while words and (words[0] == "exec" or re.fullmatch(r"\w+=\S*", words[0])):
        words = words[1:]
    if re.search(r"&&|\|\||[;|<>`]|\$\(", line) or not words:
        return None
    return words


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


def _words(rest: str) -> list[str]:
    """Return the words of an instruction without its flags, in either of its forms; [] if it is not valid."""
    rest = re.sub(r"^(?:--\S+\s+)+", "", rest)
    if not rest.startswith("["):
        return _split(rest)
    try:
        return list(map(str, json.loads(rest)))
    except ValueError:
        return []


def _split(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:
        return text.split()


def _commands(run: str) -> Iterator[list[str]]:
    """Yield the words of each command in a RUN line."""
    if run.startswith("["):
        yield _words(run)
    else:
        yield from map(_split, re.split(r"&&|\|\||[;|]", run))


def _installed(words: list[str]) -> list[str]:
    """Return the arguments after `pip install`; [] of another command."""
    for number, word in enumerate(words[:-1]):
        if re.fullmatch(r"(?:\S*/)?pip[\d.]*", word) and words[number + 1] == "install":
            return words[number + 2 :]
    return []


_OF_SYSTEM = {
    "apt-get": "install", "apt": "install", "aptitude": "install", "apk": "add", "yum": "install", "dnf": "install",
    "microdnf": "install", "conda": "install", "mamba": "install", "micromamba": "install",
}  # fmt: skip


def _system_packages(words: list[str]) -> Iterator[str]:
    """Yield the packages of the operating system, or of conda, that a command installs."""
    for number, word in enumerate(words):
        if (verb := _OF_SYSTEM.get(word.rpartition("/")[2])) and verb in words[number:]:
            after = words[words.index(verb, number) + 1 :]
            yield from (re.split(r"[=:<>]", each)[0] for each in after if not each.startswith("-"))
            return


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
