"""Families 1 and 2, the runtime: does what the project locks and ships leave room for what serves it?

The serving runtime and the standard library are installed beside the predictor; neither can give way.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from seatrial.facts.packages.requirements import RequirementFile, marker_environment
from seatrial.findings import Finding, Location
from seatrial.rules.deployment.cloud import EXITED_SOURCE, SERVER_EXITED
from seatrial.rules.rule import Rule

if TYPE_CHECKING:
    from seatrial.facts.gather import Facts

RUNTIME_PACKAGE = "seatrial"
# What the standard library had and gave up, by the first Python without it: "What's New" 3.12, and PEP 594 for 3.13.
_GONE = {
    (3, 12): frozenset(("asynchat", "asyncore", "distutils", "imp", "smtpd")),
    (3, 13): frozenset(
        (
            "aifc", "audioop", "cgi", "cgitb", "chunk", "crypt", "imghdr", "lib2to3", "mailcap", "msilib", "nis",
            "nntplib", "ossaudiodev", "pipes", "sndhdr", "spwd", "sunau", "telnetlib", "uu", "xdrlib",
        )
    ),
}  # fmt: skip

OUTSIDE_RUNTIME = Rule(
    code="ST112",
    title="a pin lies outside what the serving runtime takes",
    explanation=(
        "The environment is the project's lock plus the runtime's own small lock. Where both name a "
        "distribution the project's pin wins, and it must be a version that the runtime works with."
    ),
    fix="take a version within the range that the message names, then run `seatrial lock`",
    detected="The pins of the locks are compared with the range that the serving runtime asks for.",
    bad="uvicorn==0.20.0",
    good="uvicorn==0.35.0",
    sources=("https://packaging.python.org/en/latest/specifications/version-specifiers/",),
)
NAME_TAKEN = Rule(
    code="ST204",
    title="a package has a name that is already taken where it is served",
    explanation=(
        "The project's packages are installed beside the serving runtime, and Python looks for a name in its "
        "standard library first. A package with the name of a standard module is never imported, and one with the "
        "name of a package of the runtime overwrites it. On the machine where it was trained the project's own "
        "folder comes first, so nothing is noticed there."
    ),
    fix="rename the package, and `predictor` and `packages` in [tool.seatrial] with it",
    cloud=SERVER_EXITED,
    sources=("https://docs.python.org/3/library/sys_path_init.html", EXITED_SOURCE),
    detected=(
        "The names of `packages` against the standard library's modules of the configured Python, as far as the tool's "
        "own Python knows them, and the packages of the serving runtime's lock."
    ),
    bad='packages = ["predictor", "json"]',
    good='packages = ["predictor", "predictor_json"]',
)


def outside_runtime(lock: RequirementFile, runtime_in: RequirementFile, python: str) -> Iterator[Finding]:
    """Yield the pins of a lock that the runtime cannot work with; `runtime_in` is what the runtime asks for."""
    pins = lock.pins(marker_environment(python))
    for wanted in runtime_in.entries:
        pin = pins.get(wanted.name)
        if pin is None or pin.version is None or wanted.requirement is None:
            continue
        if not wanted.requirement.specifier.contains(pin.version, prereleases=True):
            yield OUTSIDE_RUNTIME.finding(
                f"the lock pins {pin.text}, but the serving runtime needs {wanted.text}",
                location=pin.location,
                subject=pin.name,
                fix=f"ask for `{wanted.text}` in requirements.in, then run `seatrial lock`",
            )


def _outside_runtime(facts: Facts) -> Iterator[Finding]:
    said: set[str] = set()
    for lock in (facts.lock, facts.cpu_lock):
        if lock is None or facts.runtime_in is None:
            continue
        for finding in outside_runtime(lock, facts.runtime_in, facts.project.python):
            if finding.message not in said:  # the CPU lock repeats the pins of the other
                said.add(finding.message)
                yield finding


def _name_taken(facts: Facts) -> Iterator[Finding]:
    standard, of_runtime = _standard_modules(facts.project.python), _runtime_modules(facts)
    for name in facts.project.packages:
        if not facts.sources.ships(name):
            continue
        if name in standard:
            cause = f"the server imports Python's own `{name}`, and never the project's"
            message = f"the package `{name}` has the name of a module of Python's standard library"
        elif name in of_runtime:
            cause = f"both would be installed as `{name}`, and one overwrites the other"
            message = f"the package `{name}` has the name of a package that the serving runtime brings"
        else:
            continue
        is_predictor = name == facts.project.predictor_module.split(".")[0]
        setting = "`predictor`" if is_predictor else "`packages`"
        yield NAME_TAKEN.finding(
            message,
            location=Location("pyproject.toml"),
            subject=name,
            cause=cause,
            fix=f"rename it, for example to `{name}_predictor`, and {setting} in [tool.seatrial] and imports with it",
        )


def _standard_modules(python: str) -> frozenset[str]:
    """Give the standard library of a Python, as far as the tool's own Python knows it."""
    version = tuple(map(int, python.split(".")))
    gone = frozenset().union(*(names for since, names in _GONE.items() if version >= since))
    return frozenset(sys.stdlib_module_names) - gone


def _runtime_modules(facts: Facts) -> set[str]:
    if facts.runtime_lock is None:
        return {RUNTIME_PACKAGE}
    pins = facts.runtime_lock.pins(marker_environment(facts.project.python))
    return {RUNTIME_PACKAGE, *(name.replace("-", "_") for name in pins)}  # each is imported by its own name


RULES = (OUTSIDE_RUNTIME.decided_by(_outside_runtime), NAME_TAKEN.decided_by(_name_taken))
