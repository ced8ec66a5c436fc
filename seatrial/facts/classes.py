"""Tables of what versions of torch and torchvision have: classes, attributes of their objects, what torch.load allows.

A version later than the last that was read counts as that one; nothing is known of one earlier than the first.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from packaging.version import Version

if TYPE_CHECKING:
    from collections.abc import Mapping

Minor = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Span:
    """The minor version that adds something, and the one that removes it; None if there is none."""

    since: str | None
    until: str | None

    def has(self, version: Version) -> bool:
        """Return whether it is there in a version."""
        here = _minor(version)
        return not ((self.since and here < _read(self.since)) or (self.until and here >= _read(self.until)))


def is_allowed(name: str, torch: Version) -> bool | None:
    """Return whether `torch.load(weights_only=True)` accepts a name such as `torch.Size`; None if unknown."""
    known = _table("weights_only.json")
    if _minor(torch) < _read(known["first"]):
        return None
    span = known["allowed"].get(name)
    return span is not None and Span(*span).has(torch)


def span_of(distribution: str, module: str, name: str, version: Version) -> Span | None:
    """Return the versions that have a class of torch or torchvision; None if all have it, or if unknown."""
    known = _known(distribution, version)
    span = known.get("modules", {}).get(module) or known.get("classes", {}).get(f"{module}.{name}")
    return Span(*span) if span else None


def later_attributes(distribution: str, name: str, version: Version) -> Mapping[str, str]:
    """Return the attributes that objects of a class have in a version, and had not always: name → since when."""
    spans = _known(distribution, version).get("attributes", {}).get(name, {})
    return {attribute: since for attribute, (since, until) in spans.items() if Span(since, until).has(version)}


def _known(distribution: str, version: Version) -> Mapping[str, Any]:
    known: Mapping[str, Any] = _table("class_changes.json")[distribution]
    return known if _minor(version) >= _read(known["first"]) else {}


@cache
def _table(name: str) -> dict[str, Any]:
    text = resources.files("seatrial.facts").joinpath("tables", name).read_text(encoding="utf-8")
    table: dict[str, Any] = json.loads(text)
    return table


@cache
def _read(minor: str) -> Minor:
    return _minor(Version(minor))


def _minor(version: Version) -> Minor:
    return version.major, version.minor
