"""Family 2, objects that text names: is the module that the text means in the package, and has it that name?"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from seatrial.facts.object_names import ObjectName
from seatrial.findings import Severity
from seatrial.rules.cloud import EXITED_SOURCE, SERVER_EXITED
from seatrial.rules.imports import how_to_provide, is_provided
from seatrial.rules.rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.facts.gather import Facts
    from seatrial.facts.python.sources import Sources
    from seatrial.findings import Finding

NO_OBJECT = Rule(
    code="ST223",
    title="a text names an object that the serving environment does not have",
    explanation=(
        "A configuration file says `_target_: training.nets.Net`, or a call gets such a name, and the code imports "
        "what it names. No import statement shows that, so a module that does not ship is easily forgotten. In the "
        "project's folder it is found all the same, because Python looks there first."
    ),
    fix="move the module into the predictor's package and change the name, or name its package in `packages`",
    severity=Severity.WARNING,
    cloud=SERVER_EXITED,
    sources=(
        "https://hydra.cc/docs/advanced/instantiate_objects/overview/",
        "https://lightning.ai/docs/pytorch/stable/cli/lightning_cli_advanced_3.html",
        EXITED_SOURCE,
    ),
    detected=(
        "`_target_`, `class_path`, and `target` beside `params`, in the YAML files of the artifacts and of "
        "`package-data`, if the serving code can make objects of names; texts in calls that name a module of the "
        "project; and entry points in pyproject.toml that name what a module which ships does not have. It only warns, "
        "because no one can see which of them serving makes. A script is a note: no server calls it."
    ),
    bad="_target_: training.nets.Net  # training/ is not in `packages`",
    good="_target_: predictor.nets.Net",
)


@NO_OBJECT.decided_by
def _no_object(facts: Facts) -> Iterator[Finding]:
    told: set[tuple[str, str]] = set()
    for named in facts.object_names:
        judged = _judged(named, facts)
        if judged is None:
            continue
        message, cause, fix = judged
        if (named.location.path, cause) not in told:  # one module, however many of its objects the file names
            told.add((named.location.path, cause))
            yield NO_OBJECT.finding(message, location=named.location, subject=named.name, cause=cause, fix=fix)

    for point in facts.entry_points:
        named = ObjectName(point.object, f"`{point.name}` in [{point.table}]", point.location)
        module = _module_of(named.name, facts.sources)
        judged = _without_name(named, module, facts.sources) if module else None
        if judged:
            message, cause, fix = judged
            severity = NO_OBJECT.severity if point.group else Severity.NOTE
            yield NO_OBJECT.finding(
                message, severity=severity, location=named.location, subject=named.name, cause=cause, fix=fix
            )


def _judged(named: ObjectName, facts: Facts) -> tuple[str, str, str] | None:
    """Return what is wrong, why, and what mends it; None if the object may be there."""
    name = named.name
    if named.path:
        message = f"{named.by} names `{name}`, but the package does not contain it"
        return message, f"{named.path} does not ship: `packages` does not name it", NO_OBJECT.fix
    module = _module_of(name, facts.sources)
    if module:
        return _without_name(named, module, facts.sources)
    top = name.partition(".")[0]
    if is_provided(top, facts):
        return None
    message = f"{named.by} names `{name}`, but nothing provides `{top}`"
    return message, f"neither the package nor a requirement has a module `{top}`", how_to_provide(top, facts)


def _module_of(name: str, sources: Sources) -> str:
    """Return the longest part of the name that is a module that ships."""
    parts = name.split(".")
    return next((m for n in range(len(parts), 0, -1) if sources.ships(m := ".".join(parts[:n]))), "")


def _without_name(named: ObjectName, owner: str, sources: Sources) -> tuple[str, str, str] | None:
    module = sources.modules.get(owner)
    name = named.name.removeprefix(owner).removeprefix(".").partition(".")[0]
    if not name or module is None or module.open or name in module.names:
        return None
    near = difflib.get_close_matches(name, module.names, n=1)
    fix = f"write `{owner}.{near[0]}`" if near else f"define `{name}` there, or correct the text"
    return f"{named.by} names `{named.name}`, but `{owner}` has no `{name}`", f"{module.path} binds no such name", fix
