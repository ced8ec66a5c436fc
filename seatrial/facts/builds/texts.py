"""What a text names, whatever file it is in: prebuilt images, addresses, retired commands, settings of indexes."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING

from seatrial.facts.builds.files import Machine, Named
from seatrial.findings import Location

if TYPE_CHECKING:
    from collections.abc import Iterator

_PREBUILT = re.compile(r"[\w.-]*/?[\w-]*/?prediction/(?P<image>pytorch-(?:cpu|gpu|tpu)\.(?P<version>\d+-\d+))")
_RETIRED = re.compile(
    r"\bgcloud\s+(?:(?:alpha|beta)\s+)?ai-platform\s+(?:versions|models|predict|jobs|local)\b"
    r"|\bhttps://(?:[\w-]+-)?ml\.googleapis\.com/v1\b"
)
_ADDRESS = re.compile(r"\b(?:git\+)?(?:https?|ssh)://[^\s\"'<>`/@]+@[^\s\"'<>`]+")  # with a user before the host


def prebuilt(path: str, text: str) -> tuple[Named, ...]:
    """Return the prebuilt prediction images that a text names."""
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


def retired(path: str, text: str) -> tuple[Named, ...]:
    """Return the commands of AI Platform Prediction in a text."""
    if "ai-platform" not in text and "ml.googleapis.com" not in text:
        return ()
    return tuple(
        Named(found[0], Location(path, number, found.start() + 1, found.end() + 1))
        for number, line in enumerate(text.splitlines(), start=1)
        if not line.lstrip().startswith("#")
        for found in _RETIRED.finditer(line)
    )


_MACHINE = re.compile(r"\bmachine_spec\s*\{(?P<body>[^{}]*)\}")
_SETTING = re.compile(r'\b(?P<name>machine_type|accelerator_type|accelerator_count)\s*=\s*(?P<value>"[\w-]+"|\d+)')


def machines(path: str, text: str) -> Iterator[Machine]:
    """Yield the machines in a configuration of Terraform, as far as their values are written out."""
    for found in _MACHINE.finditer(text):
        settings = {each["name"]: each["value"].strip('"') for each in _SETTING.finditer(found["body"])}
        count = settings.get("accelerator_count", "1")
        if "machine_type" in settings and count.isdigit():
            place = Location(path, text.count("\n", 0, found.start()) + 1)
            yield Machine(settings["machine_type"], settings.get("accelerator_type", ""), int(count), place)


def addresses(path: str, text: str) -> tuple[Named, ...]:
    """Return the addresses with a login in a text."""
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


def variables(path: str, text: str) -> Iterator[Named]:
    """Yield the index settings that a text sets by variables of pip and uv."""
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


def configured(path: str, name: str, text: str) -> Iterator[Named]:
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
