"""Family 2, names of packages: is the name of the package free in the serving environment?

The standard library and the serving runtime have names of their own, which cannot change.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from seatrial.facts.packages.requirements import marker_environment
from seatrial.findings import Location
from seatrial.rules.cloud import EXITED_SOURCE, SERVER_EXITED
from seatrial.rules.rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.facts.gather import Facts
    from seatrial.findings import Finding

NAME_TAKEN = Rule(
    code="ST204",
    title="a package has a name that is already taken in the serving environment",
    explanation=(
        "The project's packages are installed beside the serving runtime, and Python looks for a name in its "
        "standard library first. A package with the name of a standard module is never imported, and one with the "
        "name of a package of the runtime overwrites it. On the machine where it was trained the project's own "
        "folder comes first, so nothing is noticed there."
    ),
    fix="rename the package, and change `predictor` and `packages` in [tool.seatrial] to match",
    cloud=SERVER_EXITED,
    sources=("https://docs.python.org/3/library/sys_path_init.html", EXITED_SOURCE),
    detected=(
        "The names of `packages` against the standard library's modules of the configured Python, as far as the tool's "
        "own Python knows them, and the packages of the serving runtime's lock."
    ),
    bad='packages = ["predictor", "json"]',
    good='packages = ["predictor", "predictor_json"]',
)


@NAME_TAKEN.decided_by
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
            message = f"the package `{name}` has the name of a package of the serving runtime"
        else:
            continue
        is_predictor = name == facts.project.predictor_module.split(".")[0]
        setting = "`predictor`" if is_predictor else "`packages`"
        yield NAME_TAKEN.finding(
            message,
            location=Location("pyproject.toml"),
            subject=name,
            cause=cause,
            fix=f"rename it, for example to `{name}_predictor`, and change {setting} in [tool.seatrial] "
            "and the imports",
        )


# Modules removed from the standard library, by the first Python without them: "What's New" 3.12, and PEP 594 for 3.13.
_GONE = {
    (3, 12): frozenset(("asynchat", "asyncore", "distutils", "imp", "smtpd")),
    (3, 13): frozenset(
        (
            "aifc", "audioop", "cgi", "cgitb", "chunk", "crypt", "imghdr", "lib2to3", "mailcap", "msilib", "nis",
            "nntplib", "ossaudiodev", "pipes", "sndhdr", "spwd", "sunau", "telnetlib", "uu", "xdrlib",
        )
    ),
}  # fmt: skip


def removed_from_python(module: str) -> str:
    """Return the first Python without a module that was in the standard library, as `3.12`; "" if it was never one."""
    return next(("{}.{}".format(*since) for since, names in _GONE.items() if module in names), "")


def _standard_modules(python: str) -> frozenset[str]:
    """Return the standard library of a Python, as far as the tool's own Python knows it."""
    version = tuple(map(int, python.split(".")))
    gone = frozenset().union(*(names for since, names in _GONE.items() if version >= since))
    return frozenset(sys.stdlib_module_names) - gone


RUNTIME_PACKAGE = "seatrial"


def _runtime_modules(facts: Facts) -> set[str]:
    if facts.runtime_lock is None:
        return {RUNTIME_PACKAGE}
    pins = facts.runtime_lock.pins(marker_environment(facts.project.python))
    return {RUNTIME_PACKAGE, *(name.replace("-", "_") for name in pins)}  # each is imported by its own name
