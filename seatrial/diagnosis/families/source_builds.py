"""Builds of source archives: what was missing when pip or uv built a distribution that has no wheel here.

The first error inside the build tells the reason; the lines of the installer around it name the distribution.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from seatrial.diagnosis.families.diagnosis import Diagnosis
from seatrial.diagnosis.families.reading import after, before, text_of
from seatrial.rules.lock import installing
from seatrial.system.redaction import redacted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.diagnosis.families.diagnosis import Case, Statement
    from seatrial.diagnosis.raised import Raised

ALONE = True
_BUILDING = re.compile(
    r"(?i)building wheel|getting requirements to build|preparing metadata|metadata-generation-failed|subprocess-exited|"
    r"build_ext|build_meta|setup\.py|setuptools|pip-build-env|pip-install-|pip-req-build|Failed building|"
    r"Failed to build|"
    r"build backend returned|egg_info|builds-v0|pep517|maturin|scikit-build"
)
_BUILD_FILE = re.compile(
    r"setup\.py$|<string>|pip-build-env|pip-install-|pip-req-build|builds-v\d|/setuptools/|in_process"
)
_NAMED = tuple(
    re.compile(form)
    for form in (
        r"(?:Failed building wheel|Building wheel) for (?P<name>[\w.-]+)",
        r"Failed to (?:download and )?build [`'](?P<name>[^`'\n]+)[`']",
        r"Failed to build:? (?P<name>[A-Za-z][\w.-]+)",
        r"Collecting (?P<name>[A-Za-z][\w.-]*(?:==[\w.+!-]+)?)",
        r"(?P<name>[A-Za-z][\w.]*)-[\w.]+\.tar\.gz",
    )
)
_WITHOUT = "pin a release that has a wheel for this Python and platform, then run `seatrial lock`; to build it anyway"
# Reason in the output of a build → what to do about it besides taking a release that has a wheel.
_REASONS = tuple(
    (re.compile(pattern), what, fix)
    for pattern, what, fix in (
        (
            (
                r"can't find Rust compiler|(?:cargo|rustc)\b[^\n]*(?:not found|No such file|is not installed)|"
                r"requires Rust|rustc [\d.]+ is not supported"
            ),
            "a Rust compiler is missing or too old",
            "install Rust in a build stage of the image",
        ),
        (
            r"fatal error: (?P<what>Python)\.h: No such file",
            "the headers of Python are missing",
            "install python3-dev in a build stage",
        ),
        (
            r"fatal error: '?(?P<what>[\w./+-]+\.h(?:pp)?)'?(?: file not found|: No such file)",
            "the header {what} is missing",
            "install the -dev package that has {what} in a build stage (`apt-file search {what}`)",
        ),
        (
            (
                r"(?P<what>pg_config|mysql_config|gdal-config|geos-config|llvm-config|nc-config|"
                r"krb5-config)\b[^\n]{0,40}"
                r"(?:not found|No such file|is required)"
            ),
            "{what} is missing",
            "install the -dev package of that library in a build stage, or take its binary distribution",
        ),
        (
            (
                r"CUDA_HOME environment variable is not set|nvcc['\"]?[^\n]{0,40}(?:not found|No such file)|"
                r"CUDA toolkit[^\n]{0,40}(?:not found|is required)"
            ),
            "the CUDA toolkit (nvcc) is missing",
            "build in an image with the toolkit (nvidia/cuda:…-devel) of the CUDA that torch was built for",
        ),
        (
            r"(?i)CMake must be installed|cmake\b[^\n]{0,30}(?:not found|No such file|is not installed)",
            "CMake is missing",
            "install cmake and a compiler in a build stage",
        ),
        (
            (
                r"(?:command|unable to execute|error:) '?(?:[\w-]*-)?(?P<what>gcc|g\+\+|cc|c\+\+|clang(?:\+\+)?|ninja|"
                r"make)'? "
                r"?(?:failed: )?[^\n]{0,40}(?:No such file|not found)|(?:gcc|g\+\+|cc): (?:command )?not found|"
                r"No such file or directory: '(?P<other>gcc|g\+\+|cc|c\+\+|ninja|make|swig)'|"
                r"Microsoft Visual C\+\+ [\d.]+ or greater is required|C compiler cannot create|Unknown compiler"
            ),
            "a compiler ({what}{other}) is missing",
            "install build-essential in a build stage of the image",
        ),
        (
            (
                r"module 'pkgutil' has no attribute 'ImpImporter'|No module named 'distutils'|"
                r"No module named 'imp'|'SafeConfigParser'|has no attribute 'readfp'"
            ),
            "its build uses modules that this Python no longer has",
            "use an older Python (distutils and imp are gone since 3.12)",
        ),
        (
            (
                r"No module named 'pkg_resources'|use_2to3 is invalid|(?:has no attribute|"
                r"cannot import name) '(?:bdist_wheel|"
                r"Feature|convert_path|install_layout)'|License classifiers have been superseded|"
                r"invalid command 'bdist_wheel'|test_suite"
            ),
            "its build needs an older setuptools",
            (
                "give the build an older setuptools: a file with `setuptools<81` in PIP_CONSTRAINT (uv: "
                "build-constraint-dependencies)"
            ),
        ),
        (
            (
                r"(?:ModuleNotFoundError|ImportError): No module named '?(?P<what>torch|numpy|Cython|cython|wheel|"
                r"packaging|"
                r"psutil|setuptools_scm|pybind11|cppimport|[\w.]+)'?"
            ),
            "its build imports {what}, which it does not declare as a build requirement",
            "install {what} first and build with `--no-build-isolation` (uv: no-build-isolation-package)",
        ),
        (
            (
                r"(?P<what>[\w.+-]+\.cpp|[\w.+-]+\.c|[\w.+-]+\.cu|[\w.+-]+\.pyx):\d+(?::\d+)?: (?:fatal )?error|"
                r"Cython\.Compiler\.Errors\.CompileError|command '[^'\n]*(?:gcc|g\+\+|cc|clang|nvcc)' failed with exit"
            ),
            "its source does not compile here",
            "use the Python and the numpy of its time",
        ),
        (
            r"(?i)\bKilled\b|out of memory|virtual memory exhausted|signal: 9",
            "memory ran out while it was compiled",
            "build with MAX_JOBS=1 or on a larger machine",
        ),
    )
)
_ERROR = re.compile(
    r"(?i)\berror\b|not found|No such file|No module named|has no attribute|is not set|invalid command|is required|"
    r"Killed|"
    r"exhausted|superseded"
)


def of_exception(raised: Raised, case: Case) -> Iterator[Diagnosis]:
    """Judge an exception in the build of a source archive, whose traceback the installer prints."""
    if not any(_BUILD_FILE.search(frame.file) for frame in raised.frames):
        return
    yield from _told(f"{raised.type}: {raised.message}", raised.position, case)


def of_statement(statement: Statement, case: Case) -> Iterator[Diagnosis]:
    """Judge a line of the output of a build."""
    if _ERROR.search(statement.text):
        yield from _told(text_of(statement), statement.position, case)


def _told(text: str, position: int, case: Case) -> Iterator[Diagnosis]:
    around = before(case, position, 6_000) + after(case, position, 6_000)
    if not _BUILDING.search(around):
        return
    for pattern, what, fix in _REASONS:
        if found := pattern.search(text):
            groups = {name: value or "" for name, value in found.groupdict().items()}
            name = _name(case, position)
            reason = what.format(**groups).replace(" ()", "")
            finding = installing.NOT_BUILT.finding(
                f"{name} has no wheel here and could not be built: {reason}",
                cause="The installer found only a source archive of it for this Python and platform.",
                fix=f"{_WITHOUT}, {fix.format(**groups)}",
            )
            yield Diagnosis(finding, f"the output of the build says `{' '.join(found[0].split())[:80]}`", position)
            return


def _name(case: Case, position: int) -> str:
    """Return what was being built: said after the output by most installers, or else before it."""
    later, earlier = after(case, position, 8_000), before(case, position, 8_000)
    for form in _NAMED[:3]:
        if found := form.search(later):
            return redacted(found["name"])
    for form in _NAMED:
        if named := list(form.finditer(earlier)):
            return redacted(named[-1]["name"])
    return "a distribution"
