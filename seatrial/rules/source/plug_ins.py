"""Family 2, plug-ins: the entry points of the project, which the installed package does not have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.findings import Severity
from seatrial.rules.rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.facts.gather import Facts
    from seatrial.findings import Finding

NOT_INSTALLED = Rule(
    code="ST224",
    title="plug-ins that the project offers are not installed",
    explanation=(
        "The code looks up plug-ins by entry points of a group that this project's own pyproject.toml has. On the "
        "machine where it was trained the project was installed, and they were found. What ships is built from "
        "[tool.seatrial] alone and has no entry points, so the server finds none of them."
    ),
    fix="import the modules that the entry points name, in place of looking them up",
    severity=Severity.WARNING,
    cloud="KeyError: 'resnet'",
    sources=(
        "https://packaging.python.org/en/latest/specifications/entry-points/",
        "https://docs.python.org/3/library/importlib.metadata.html#entry-points",
    ),
    detected=(
        "A call that serving may make to importlib.metadata's entry_points, pkg_resources' iter_entry_points or "
        "stevedore gets a text that is a group in [project.entry-points]. It only warns, because the code may have "
        "another way to find them."
    ),
    bad='entry_points(group="fish.models")  # [project.entry-points."fish.models"] is in this pyproject.toml',
    good="from predictor.models import resnet",
)
_LOOKS = (
    "importlib.metadata.entry_points", "importlib_metadata.entry_points", "pkg_resources.iter_entry_points",
    "pkg_resources.load_entry_point", "pkg_resources.get_entry_map", "stevedore.",
)  # fmt: skip


@NOT_INSTALLED.decided_by
def _not_installed(facts: Facts) -> Iterator[Finding]:
    groups = {point.group for point in facts.entry_points} - {""}
    if not groups:
        return
    for _, call in facts.sources.calls().where(lambda name: name.startswith(_LOOKS)):
        for group in dict.fromkeys(text for text in call.texts() if text in groups):
            own = [point for point in facts.entry_points if point.group == group]
            modules = ", ".join(dict.fromkeys(f"`{point.object}`" for point in own))
            yield NOT_INSTALLED.finding(
                f"the entry points of `{group}` are not installed with what ships",
                location=call.location,
                subject=group,
                cause=f"[{own[0].table}] has {', '.join(point.name for point in own)}, and the server finds none",
                fix=f"import {modules} there, in place of looking them up",
            )
