"""Family 1, imports: what serving imports must come from the lock, the standard library or the package.

Only modules that the predictor's module reaches are judged, and only imports that serving can execute.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from seatrial.facts.predictor import SERVERS, Kind
from seatrial.facts.tables import distributions_of, is_distribution_known, is_known, is_namespace
from seatrial.findings import REQUIREMENTS, Edit, Severity
from seatrial.rules.artifacts import checkpoints, pickled
from seatrial.rules.cloud import EXITED_SOURCE, SERVER_EXITED
from seatrial.rules.imports import (
    NO_MODULE,
    by_short_name,
    changes_path,
    how_to_provide,
    is_own,
    is_provided,
    line_for,
    needed_distribution,
    squeezed,
    why_not_executed,
)
from seatrial.rules.lock import installing
from seatrial.rules.rule import Rule, Symptom, Telling
from seatrial.rules.transforms import removed_names

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.facts.gather import Facts
    from seatrial.findings import Finding, Location
    from seatrial.rules.rule import Groups

MISSING_DISTRIBUTION = Rule(
    code="ST110",
    title="an import that no requirement provides",
    explanation=(
        "The predictor imports a module that no distribution in the lock provides. On the machine where it "
        "was trained the module happens to be installed; the server has the lock and nothing else. torch "
        "brings neither torchvision nor Pillow nor numpy, and what the serving runtime itself installs is "
        "not for the predictor."
    ),
    fix="add the distribution to requirements.in, then run `seatrial lock`",
    rests_on=(REQUIREMENTS,),
    telling=Telling.WIDE,
    yields_to=(installing.NOT_BUILT, pickled.NUMPY_2, removed_names.PRIVATE_MODULE, removed_names.V2_NAMES),
    yields_module_to=(checkpoints.UNKNOWN_MODULE,),
    cloud=SERVER_EXITED,
    sources=("https://github.com/GoogleCloudPlatform/mlops-on-gcp/issues/24", EXITED_SOURCE),
    detected=(
        "By the names of imports in code that serving reaches, against the lock, requirements.in, the standard library "
        "and the package. It only warns if the import is inside an `if` or a function that serving may never call, if "
        "that is true of its module, if the code changes sys.path, if the lock is not complete, so that what it names "
        "may depend on the module, or if a requirement whose modules are not known is imported by no name of its own."
    ),
    symptoms=(
        Symptom(
            r"No module named '(?P<module>[^'.]+\.[^']+)'",
            "the installed version of its distribution has no module `{module}`",
        ),
        Symptom(NO_MODULE.pattern, "`{module}` is imported, but no requirement provides it"),
    ),
    bad="import torchvision  # and requirements.in has torch alone",
    good="import torchvision  # and requirements.in has torch and torchvision",
)


@MISSING_DISTRIBUTION.confirmed_by
def _is_foreign(groups: Groups, facts: Facts | None) -> bool:
    return facts is None or not is_own(groups["module"], facts)


@MISSING_DISTRIBUTION.refined_by
def _how_to_provide(finding: Finding, groups: Groups, facts: Facts | None) -> Finding:
    module = groups["module"]
    if "." in module:
        fix = "pin the version of its distribution that training used, then run `seatrial lock`"
    else:
        fix = how_to_provide(module, facts) if facts else finding.fix
    return replace(finding, subject=distributions_of(module)[0], fix=fix)


@MISSING_DISTRIBUTION.decided_by
def _missing_distribution(facts: Facts) -> Iterator[Finding]:
    missing: dict[str, list[tuple[str, str, Location]]] = {}  # (why it may not be executed, module, place)
    for module, imported in facts.sources.imports():
        if imported.optional:
            continue
        targets = imported.candidates()[1:] if is_namespace(imported.module) else (imported.module,)
        for target in targets:
            if is_provided(target, facts) or by_short_name(facts.sources, module, target):
                continue
            if not _of_other_server(target, facts):
                distribution = distributions_of(target)[0]
                place = (why_not_executed(module, imported, facts), target, imported.location)
                missing.setdefault(distribution, []).append(place)
    open_end = _incomplete(facts)
    for distribution, places in missing.items():
        places.sort(key=lambda place: bool(place[0]))
        doubt, module_name, first = places[0]
        nothing = f"nothing in requirements.in or requirements.txt provides {distribution}"
        known = is_known(module_name)
        if not known and not doubt and (changed := changes_path(facts.sources)):
            doubt = f"{changed} changes Python's path, and the contents of that folder are unknown"
        if not known and not doubt and (other := _of_other_name(facts)):
            doubt = f"{other} may provide it under this name"
        sure = known and not doubt and not open_end
        yield MISSING_DISTRIBUTION.finding(
            f"`{_shown(module_name)}` is imported, but no requirement provides it",
            severity=Severity.WARNING if doubt or open_end else Severity.ERROR,
            location=first,
            subject=distribution,
            lacks=needed_distribution(module_name),
            cause="; ".join(filter(None, (nothing, open_end, doubt))),
            fix=how_to_provide(module_name, facts),
            evidence=tuple(f"imported at {place} too" for _, _, place in places[1:]),
            # The distribution of an unknown module cannot be known, so a person must write that line.
            edits=(Edit(facts.project.lock.requirements, line_for(module_name, facts)),) if sure else (),
        )


def _of_other_name(facts: Facts) -> str:
    """Return a requirement whose modules are not known and that is not imported by its own name; "" if none is.

    Its module may have any name: earthengine-api is imported as `ee`.
    """
    imported = {squeezed(name.partition(".")[0]) for _, each in facts.sources.imports() for name in each.candidates()}
    asked = (entry.name for entry in facts.requirements.entries if entry.requirement) if facts.requirements else ()
    return next((n for n in asked if not is_distribution_known(n) and squeezed(n) not in imported), "")


def _of_other_server(module: str, facts: Facts) -> bool:
    """Return whether the server that a handler is written for brings a module: ST507 says that this is not ours."""
    server = facts.predictor.server
    return facts.predictor.kind is Kind.HANDLER and SERVERS.get(module.partition(".")[0]) == server


def _incomplete(facts: Facts) -> str:
    """Return why the requirements may install more than they name; "" if they are all that is installed."""
    files = [file for file in (facts.requirements, facts.lock) if file]
    if any(entry.requirement is None for file in files for entry in file.entries):
        return "a URL or path among the requirements may provide it"
    pins = {e.name for e in facts.lock.entries if e.version and e.hashes} if facts.lock else set()
    if any(entry.name not in pins for file in files for entry in file.entries):
        return "the lock is not complete, so what the requirements depend on is unknown"
    return ""


def _shown(module: str) -> str:
    """Return the part of a module's name that one distribution provides."""
    parts = module.split(".")
    length = 1
    while length < len(parts) and is_namespace(".".join(parts[:length])):
        length += 1
    return ".".join(parts[:length])
