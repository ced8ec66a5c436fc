"""Installers: why pip, uv or pip-tools do not install a lock, by what they say of requirements, indexes and files."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from seatrial.diagnosis.families.diagnosis import Diagnosis
from seatrial.diagnosis.families.reading import after, before, distribution_at, wrapped
from seatrial.diagnosis.families.wordings import Wording, told
from seatrial.rules.lock import indexes, installed, installing, locks, pairs, wheels

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.diagnosis.families.diagnosis import Case, Statement
    from seatrial.diagnosis.raised import Raised

ALONE = True
_LINUX_ONLY = re.compile(
    r"(?i)^(?:nvidia-|triton\b|pytorch-triton|cuda-)"
)  # what torch asks for on Linux with CUDA only
_UNPINNED = re.compile(r"[Ii]n [`']?--require-hashes[`']? mode, all requirements must (?:have|be)")
_ASKED = re.compile(
    r"^\s+(?P<name>[A-Za-z][\w.-]*)(?P<rest>[^\n]*?)(?:\(from (?P<parent>[A-Za-z][\w.-]*)[^\n]*->[^\n]*\))?\s*$",
    re.MULTILINE,
)
_OF_UV = re.compile(r"but (?:none were provided for|found): ?[`']?(?P<name>[A-Za-z][\w.-]*)")
# Tools that import pip._internal; a new release of pip breaks an older one of them.
_USERS_OF_PIP = frozenset(
    {"pip-tools", "pip-api", "pip-audit", "pipenv", "pip-sync", "pip-compile-multi", "requirementslib"}
)
_OF_PIP = re.compile(
    r"pip\._(?:internal|vendor)|'?(?:PackageFinder|InstallRequirement|ParsedRequirement|RequirementPreparer|InstallCommand|Install|"
    r"Resolver|CandidateEvaluator|LinkCollector|Session|Command|Configuration|get_installer|Context)\b"
)
_CANDIDATES = re.compile(
    r"Could not find a version that satisfies the requirement (?P<requirement>[^\n(]*[^\s(])[^\n]*"
    r"\(from versions: (?P<versions>[^)\n]*)\)"
)
_BROKEN = re.compile(r"after connection broken by '[^\n]*/simple/")
_OTHER_PYTHON = re.compile(r"different python version: (?P<versions>[^\n]{1,2000})")
_YANKED = re.compile(r"Ignored the following yanked versions: (?P<versions>[^\n]{1,2000})")


def of_exception(raised: Raised, case: Case) -> Iterator[Diagnosis]:
    """Judge an exception inside a tool that uses pip's internals."""
    if raised.name not in ("AttributeError", "TypeError", "ImportError", "ModuleNotFoundError"):
        return
    tools = [name for f in raised.frames if (name := f.distribution or distribution_at(f.file)) in _USERS_OF_PIP]
    tools += ["pip-tools" for f in raised.frames if re.search(r"/(?:piptools/|bin/pip-(?:compile|sync)$)", f.file)]
    if not tools or not (_OF_PIP.search(raised.message) or any("/pip/" in f.file for f in raised.frames[-1:])):
        return
    tool = tools[0]
    finding = indexes.PIP_TOOLS.finding(
        f"{tool} is too old for the installed pip, whose internal modules it uses: "
        f"{raised.message.splitlines()[0][:160]}",
        cause=f"{tool} imports modules of pip that are no public interface and change with pip's releases.",
        fix=f"upgrade {tool} (`pip install --upgrade {tool}`); if there is no newer one yet, install an older pip "
        "(`pip<` the version that `pip --version` shows)",
    )
    yield Diagnosis(finding, f"{tool} raised it, and it is about an internal name of pip", raised.position)


def of_statement(statement: Statement, case: Case) -> Iterator[Diagnosis]:
    """Judge a line of an installer."""
    position = statement.position
    if _UNPINNED.search(statement.text):
        yield from _unpinned(statement, case)
    elif "No matching distribution found for" in statement.text and _BROKEN.search(before(case, position, 6_000)):
        finding = installing.NO_INDEX.finding("the package index does not answer")
        yield Diagnosis(finding, "pip could not reach the index before it said that nothing matches", position)
    elif found := _CANDIDATES.search(statement.text):
        yield from _no_candidate(found, position, case)
    else:
        yield from told(_WORDINGS, wrapped(statement, case), position, len(statement.text))


def _unpinned(statement: Statement, case: Case) -> Iterator[Diagnosis]:
    """Judge pip's and uv's list of requirements that a hashed lock does not pin."""
    text = after(case, statement.position, 6_000)
    listed = text.partition("\n")[2]
    asked = []
    for line in listed.splitlines():
        if not line.startswith((" ", "\t")) or not (found := _ASKED.match(line)):
            break
        asked.append(found)
    names = [found["name"] for found in asked] or [found["name"] for found in _OF_UV.finditer(text)]
    if not names:
        return
    shown = ", ".join(dict.fromkeys(names[:4])) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
    parents = sorted({found["parent"].partition("=")[0] for found in asked if found["parent"]})
    if not parents and not any(_LINUX_ONLY.match(name) for name in names):
        finding = locks.LOOSE.finding(
            f"the lock does not pin {shown}",
            fix="run `seatrial lock`, which pins every distribution with its hashes; remove what was added by hand",
        )
        yield Diagnosis(finding, "the installer lists requirements of the file itself", statement.position)
        return
    ask = "asks" if len(parents) == 1 else "ask"
    asks = f", for which {' and '.join(parents)} {ask} here" if parents else ""
    on_linux = any(_LINUX_ONLY.match(name) for name in names)
    finding = wheels.UNMET.finding(
        f"the lock does not have {shown}{asks}",
        cause=(
            "On Linux with CUDA torch needs NVIDIA's libraries and triton; on macOS and Windows, and from the CPU "
            "index, it asks for none, so a lock that was made there lacks them."
            if on_linux
            else "The lock was made on another platform or Python, with other releases, or a line was removed by hand."
        ),
        fix="make the lock for the platform that installs it: `seatrial lock` resolves for Linux on every machine"
        + ("; install a lock of the CPU index from the CPU index" if on_linux else ""),
    )
    yield Diagnosis(finding, "what is not pinned are dependencies of a pinned distribution", statement.position)


def _no_candidate(found: re.Match[str], position: int, case: Case) -> Iterator[Diagnosis]:
    """Judge what pip says of a requirement that nothing satisfies; the versions that it lists tell why."""
    requirement, versions = found["requirement"], [v.strip() for v in found["versions"].split(",") if v.strip()]
    around = before(case, position, 4_000) + after(case, position)
    name = re.split(r"[^\w.-]", requirement)[0]
    wanted = re.search(r"===?\s*(?P<version>[\w.+!-]+)", requirement)
    if re.search(r"/simple/|connection broken|NewConnectionError|SSLError|ProxyError", around) and versions in (
        [],
        ["none"],
    ):
        return  # the index was not reached, so this says nothing
    python = _OTHER_PYTHON.search(around)
    if (
        wanted
        and python
        and re.search(rf"(?<![\w.]){re.escape(wanted['version'])} Requires-Python (?P<needs>[^;\n]+)", python[0])
    ):
        needs = re.search(rf"(?<![\w.]){re.escape(wanted['version'])} Requires-Python (?P<needs>[^;\n]+)", python[0])
        cause = f"That release needs Python {needs['needs'].strip()}." if needs else ""
        fix = "set `python` in [tool.seatrial], and the image's Python, to one that it accepts, or pin another release"
        why = "pip lists the version among those for other Pythons"
    elif (yanked := _YANKED.search(around)) and wanted and wanted["version"] in yanked["versions"]:
        cause, fix = "Its maintainers have withdrawn (yanked) that release.", "pin the release after it"
        why = "pip lists the version among the withdrawn ones"
    elif versions and versions != ["none"] and wanted:
        label = wanted["version"].partition("+")[2]
        if label:
            cause = f"The index has {name}, but no build with the label +{label}, which only its own index has."
            fix = (
                "install with the index that has this label, as `seatrial lock` writes it, or pin it without the label"
            )
            if wanted["version"].partition("+")[0] not in versions:
                cause += f" It has {versions[0]} to {versions[-1]} for this Python and platform, so not that release."
                fix = (
                    f"use a Python and platform for which {requirement} has a wheel (+cpu is for x86-64, not "
                    "for ARM: `--platform linux/amd64`), or pin one of these without the label"
                )
            why = "the version has a label and pip lists none with it"
        else:
            cause = f"The index has {versions[0]} to {versions[-1]} for this Python and platform, and not that one."
            fix = f"pin one of these, or use a Python and platform for which {requirement} has a wheel"
            why = "pip lists the versions that it could have taken"
    elif versions in ([], ["none"]):
        cause = (
            "The index has no file of it at all for this Python and platform: its name is of another index or "
            "misspelt, or its wheels are for other Pythons, processors or C libraries, as on Alpine."
        )
        fix = (
            f"look at the files of {name} on its index; take a Python and a base image (glibc, x86-64) that have a "
            "wheel, or name the index that has it"
        )
        why = "pip lists not one version"
    else:
        return
    of_torch = name in ("torch", "torchvision")
    labelled = locks.UNSERVED_LABEL if wanted and "+" in wanted["version"] else pairs.NO_WHEEL
    rule = labelled if of_torch else installing.NO_DISTRIBUTION
    finding = rule.finding(
        f"there is no {requirement} that can be installed here", cause=cause, fix=f"{fix}; then run `seatrial lock`"
    )
    yield Diagnosis(finding, why, position)


_GOOGLE_INDEX = r"(?:[a-z0-9-]+-python\.pkg\.dev)"
_WORDINGS = (
    Wording(
        indexes.FIRST_INDEX,
        re.compile(r"[`'](?P<name>[\w.-]+)[`'] was found on (?P<index>https?://\S+), but not at the requested version"),
        "uv looked for {name} only at {index}, which does not have that version",
        cause="uv takes a distribution from the first index that has any version of it (its index strategy); "
        "PyTorch's index has a few versions of others' distributions too.",
        why="uv says that the name was found there, but not this version",
    ),
    Wording(
        indexes.NOT_LET_IN,
        re.compile(
            r"(?i)HTTP error (?P<status>40[13]) while getting (?P<url>https?://\S+)|"
            r"Failed to fetch: [`'\"]?(?P<address>https?://[^\s`'\"]+)[`'\"]? +Caused by: HTTP status client error "
            r"\((?P<code>40[13])|"
            r"(?P<other>40[13]) (?:Client Error: )?(?:Unauthorized|Forbidden)[^\n]*?(?P<there>https?://[^\s)\"']*"
            r"(?:/simple\b|python\.pkg\.dev|/pypi/|packages/)[^\s)\"']*)"
        ),
        "the package index answers {status}{other}{code}: {url}{there}{address}",
        "401: give the installer credentials (Artifact Registry: `keyring` with "
        "keyrings.google-artifactregistry-auth, or a token of `gcloud auth print-access-token`). 403: grant the "
        "identity that installs roles/artifactregistry.reader on the repository, or the right to read of another host; "
        "PyTorch's index answers 403 for names and paths that it does not have",
    ),
    Wording(
        indexes.NOT_LET_IN,
        re.compile(r"(?i)EOFError[^\n]*|User for [\w.-]+:\s*(?:ERROR: )?(?:EOF|Exception)"),
        "the package index asks for a user name, and nobody is there to answer",
        why="the installer asked for a user name on the terminal",
    ),
    Wording(
        indexes.SYSTEM_PYTHON,
        re.compile(r"externally-managed-environment"),
        "pip may not install into the Python of the operating system",
    ),
    Wording(
        locks.LOOSE,
        re.compile(r"Can't verify hashes for these (?P<what>[^\n]{1,80}requirements|requirements) because"),
        "the lock holds {what} that cannot have a hash: a repository or a folder",
        "publish it as a wheel with a version and a hash, or install it apart, without --require-hashes",
    ),
    Wording(
        installed.INCONSISTENT,
        re.compile(
            r"(?P<one>[\w.-]+ [\w.+!-]+) requires (?P<what>[\w.\[\]-]+[^,\n]{0,120}), but you(?:'ll)? have "
            r"(?P<has>[\w.-]+ [\w.+!-]+) which is incompatible"
        ),
        "{one} requires {what}, and {has} is installed",
        "lock both together: write both into requirements.in and run `seatrial lock`; install everything in one step",
        cause="A later install changed what an earlier one needs, and pip only reports it.",
    ),
    Wording(
        installing.NO_DISTRIBUTION,
        re.compile(r"Because (?P<name>[\w.-]+) was not found in the (?:package registry|provided package locations)"),
        "no index has a distribution with the name {name}",
        "correct the name in requirements.in (the name to import is often another), or name the index that has it; do "
        "not install a distribution only because its name is the same",
    ),
    Wording(
        installing.NO_DISTRIBUTION,
        re.compile(
            r"Because the (?:requested|current) Python version \(\s*(?P<has>[^)]+?)\s*\)\s+does\s+not\s+satisfy\s+"
            r"Python\s*(?P<needs>[\w.<>=!~, *]+?)\s+and\s+(?P<what>\S+?)\s+depends"
        ),
        "{what} needs Python {needs}, and this is Python {has}",
        "set `python` in [tool.seatrial] to one that it accepts, or pin an older release; then run `seatrial lock`",
    ),
    Wording(
        pairs.NO_WHEEL,
        re.compile(
            r"\b(?P<pin>torch(?:vision)?==[\w.+-]+) (?:has|is unusable because) no wheels (?:are available )?with a "
            r"matching\s+(?:platform|Python\s+implementation)|"
            r"[`'](?P<held>torch(?:vision)?==[^\s`']+)(?: @ [^`'\n]+)?[`'] can't be installed because it doesn't have "
            r"a source distribution or wheel"
        ),
        "the index has no wheel of {pin}{held} for this platform",
        "install on Linux x86-64, which the lock is for; if the index has such wheels, it has them under a label only: "
        "write it (`torch==VERSION+cpu`, and torchvision's with the same) and run `seatrial lock`",
        cause="PyTorch's own index labels its wheels for Linux x86-64 and Windows (+cpu, +cu126), and those for other "
        "platforms have no label; uv, unlike pip, takes no labelled version for one that is written without.",
    ),
    Wording(
        installing.NO_DISTRIBUTION,
        re.compile(
            r"(?P<file>[\w.+-]+\.whl) is not a supported wheel on this platform|"
            r"(?P<what>(?<![\w.+=-])(?!torch(?:vision)?==)[\w.-]+(?:==[\w.+!-]+)?) "
            r"has no (?:wheels|usable wheels) with a matching (?P<tag>[\w ]+?) tag[^\n]{0,80}"
        ),
        "{file}{what} has no wheel for this Python and platform",
        "take a Python, processor and C library that the wheel's name has, or another release; then run `seatrial "
        "lock`",
    ),
)
