"""Family 1, locks: does the lock still match requirements.in, and does it contain only hashed pins?

Decided from the two files alone, without network; the same rules serve `seatrial lock --check` and `seatrial check`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.version import Version

from seatrial.facts.packages.requirements import marker_environment, rewritten
from seatrial.findings import LOCK, REQUIREMENTS, Location
from seatrial.rules.places import shown_at
from seatrial.rules.rule import Rule, Symptom
from seatrial.system.redaction import redacted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.facts.gather import Facts
    from seatrial.facts.packages.requirements import Entry, Option, RequirementFile
    from seatrial.findings import Finding
    from seatrial.project import Project

INDEX_OPTIONS = (
    "-i",
    "--index-url",
    "--extra-index-url",
    "-f",
    "--find-links",
    "--trusted-host",
    "--no-index",
)
_LONG_NAMES = {"-i": "--index-url", "-f": "--find-links"}
_SERVING = ("-i", "--index-url", "--extra-index-url", "-f", "--find-links")  # where a labelled build can come from
_LENIENT = Version("0.29.1")  # the first torchvision whose metadata takes more than one torch
_A_FEW = 2  # lines that are named one by one
_SHOWN = 12  # names in a line of evidence
_LENIENT_CAUSE = "torchvision accepts every torch from 2.14.0 on, so no resolver keeps the pair together"
FIRST_STEP = {  # without a requirements.in, by whether requirements.txt was written by hand
    False: "write what the predictor imports into requirements.in, one distribution a line; `seatrial check --fix` "
    "writes what it knows",
    True: "rename requirements.txt to requirements.in, then run `seatrial lock`, which writes the lock",
}
CPU_BUILDS = ("torch", "torchvision")  # what PyTorch's CPU index holds as `+cpu` builds

STALE = Rule(
    code="ST101",
    title="the lock does not match requirements.in",
    explanation=(
        "requirements.txt is what the trial installs and what ships. When requirements.in asks for something that "
        "the lock does not pin, or the lock pins what is no longer asked for, the two have drifted apart: the "
        "trial would prove an environment that nobody intended."
    ),
    fix="run `seatrial lock` and commit requirements.txt",
    detected=(
        "requirements.in and all that it includes are compared with the pins of each lock, by markers for Linux on "
        "x86-64 and the configured Python. Whether the pins fit each other is not decided here."
    ),
    bad="# requirements.in\ntorch\ntimm\n# requirements.txt\ntorch==2.8.0 --hash=sha256:...",
    good="# requirements.in\ntorch\n# requirements.txt\ntorch==2.8.0 --hash=sha256:...",
    sources=("https://pip-tools.readthedocs.io/en/stable/",),
)


@STALE.decided_by
def _stale_locks(facts: Facts) -> Iterator[Finding]:
    return _of(facts, STALE)


LOOSE = Rule(
    code="ST102",
    title="a line of the lock is not a hashed pin",
    explanation=(
        "A lock line without an exact version, or without a hash, lets two installs of the same lock differ: a file "
        "can be published again under the same version (torch 2.10.0 was, with build tag 3)."
    ),
    fix="run `seatrial lock`; write pinned, published distributions in requirements.in instead of URLs and paths",
    detected="Every line of the locks must pin one version and have a hash. No line of requirements.in may be a URL, a "
    "repository or a path, which cannot have one.",
    bad="torch>=2.8\nlayers @ git+https://github.com/example/layers",
    good="torch==2.8.0 --hash=sha256:...",
    sources=("https://pip.pypa.io/en/stable/topics/secure-installs/",),
    recognised="By the requirements that pip or uv lists as not pinned, if they are those of the file itself.",
    symptoms=(
        Symptom(
            (
                r"Hashes are required in --require-hashes mode, but they are missing[^\n]{0,500}\n"
                r"\s{1,20}(?P<pin>\S{1,200})"
            ),
            "{pin} has no hash in the lock",
        ),
    ),
)


@LOOSE.decided_by
def _loose_lines(facts: Facts) -> Iterator[Finding]:
    return _of(facts, LOOSE)


RESIDUE = Rule(
    code="ST103",
    title="the lock holds settings of the machine that made it",
    explanation=(
        "An index, find-links or trusted-host line that requirements.in does not have came from the configuration "
        "of the machine on which the lock was made. Elsewhere that index or folder does not exist, or serves other "
        "files."
    ),
    fix="run `seatrial lock`, which leaves them out; write an index that everybody should use into requirements.in",
    detected="The option lines of a lock are compared with those of requirements.in, and for the CPU lock with "
    "`lock.cpu-index`.",
    bad="--find-links /home/me/wheels\ntorch==2.8.0 --hash=sha256:...",
    good="torch==2.8.0 --hash=sha256:...",
    sources=("https://pip-tools.readthedocs.io/en/stable/cli/pip-compile/",),
)


@RESIDUE.decided_by
def _residues(facts: Facts) -> Iterator[Finding]:
    return _of(facts, RESIDUE)


LABEL = Rule(
    code="ST104",
    title="a build label in the wrong lock",
    explanation=(
        "`+cpu` and `+cu130` name builds that only PyTorch's own indexes serve. requirements.txt holds the published "
        "builds and no label; requirements-cpu.txt holds torch and torchvision as `+cpu` and every other pin exactly "
        "as requirements.txt has it. A torch of one build with a torchvision of another does not import, and no "
        "resolver notices."
    ),
    fix="run `seatrial lock` (and `seatrial lock --cpu` for the CPU variant)",
    detected="By the labels and hashes of the pins. A label that requirements.in itself asks for, with the index that "
    "has it, is not a finding.",
    bad="torch==2.8.0+cpu --hash=sha256:...  # in requirements.txt",
    good="torch==2.8.0 --hash=sha256:...     # in requirements.txt",
    cloud="RuntimeError: operator torchvision::nms does not exist",
    sources=("https://github.com/pytorch/pytorch/issues/122494", "https://peps.python.org/pep-0440/"),
)


@LABEL.decided_by
def _labels(facts: Facts) -> Iterator[Finding]:
    return _of(facts, LABEL)


OTHER_PYTHON = Rule(
    code="ST105",
    title="the lock was made for another Python",
    explanation=(
        "Which distributions a requirement depends on, and which wheels fit, depends on the Python version. A lock "
        "that pip-compile made under one version does not hold for another."
    ),
    fix="run `seatrial lock`, which runs pip-compile under the configured Python",
    detected="By the header that pip-compile writes. A lock of another tool names no Python and is not judged.",
    bad="# This file is autogenerated by pip-compile with Python 3.12",
    good="# This file is autogenerated by pip-compile with Python 3.11",
    sources=(
        "https://pip-tools.readthedocs.io/en/stable/#cross-environment-usage-of-requirements-in-requirements-txt-and-pip-compile",
    ),
)


@OTHER_PYTHON.decided_by
def _other_pythons(facts: Facts) -> Iterator[Finding]:
    return _of(facts, OTHER_PYTHON)


UNSERVED_LABEL = Rule(
    code="ST107",
    title="a labelled build is requested without the index that has it",
    explanation=(
        "`+cpu` and `+cu126` are local version labels. The default index never has a labelled build, so a "
        "requirement with a label finds nothing unless a line of the same file names the index that serves it."
    ),
    fix="write the version without its label; `seatrial lock --cpu` makes the lock of the +cpu builds",
    detected=(
        "In requirements.in and what it includes: a pin with a local label, and neither --index-url, "
        "--extra-index-url nor --find-links in any of the files. An index that only this machine's configuration "
        "names is not considered: other machines would not have it."
    ),
    bad="torch==2.12.1+cpu",
    good="torch==2.12.1",
    cloud="ERROR: No matching distribution found for torch==2.12.1+cpu",
    sources=("https://peps.python.org/pep-0440/#local-version-identifiers", "https://pytorch.org/get-started/locally/"),
    symptoms=(
        Symptom(
            r"No matching distribution found for (?P<pin>[\w.-]+==[\w.]+\+[\w.]+)",
            "{pin} is a labelled build, which no index that was asked has",
        ),
        Symptom(
            r"Because there is no version of (?P<pin>[\w.-]{1,100}==[\w.]{1,60}\+\w[\w.]{0,60}\w)",
            "{pin} is a labelled build, which no index that was asked has",
        ),
    ),
)


@UNSERVED_LABEL.decided_by
def _unserved_labels(facts: Facts) -> Iterator[Finding]:
    return _of(facts, UNSERVED_LABEL)


def judge(
    project: Project,
    requirements: RequirementFile | None,
    lock: RequirementFile | None,
    cpu_lock: RequirementFile | None,
) -> Iterator[Finding]:
    """Yield every difference between requirements.in and the locks."""
    if requirements is None:
        yield STALE.finding(
            f"there is no {project.requirements_in.name}",
            location=Location(project.requirements_in.name),
            fix=FIRST_STEP[lock is not None and is_by_hand(lock)],
            lacks=REQUIREMENTS,
        )
    else:
        yield from unlockable(requirements, marker_environment(project.python))
    if lock is None:
        yield STALE.finding(
            f"there is no {project.lock_file.name}",
            location=Location(project.lock_file.name),
            fix=f"run `seatrial lock` and commit {project.lock_file.name}",
            lacks=LOCK,
            rests_on=(REQUIREMENTS,),
        )
    for file in (lock, cpu_lock):
        if file is not None and (none := _no_lock_at_all(file, LOCK if file is lock else file.path)):
            yield none
        elif file is not None:
            yield from _loose(file, marker_environment(project.python))
            if requirements is not None:
                yield from _stale(project, requirements, file)
                yield from _residue(project, requirements, file)
            yield from _other_python(project, file)
    if lock is not None:
        yield from _labelled(lock, requirements)
    if lock is not None and cpu_lock is not None:
        yield from _cpu_variant(lock.pins(marker_environment(project.python)), lock.path, cpu_lock)
    if cpu_lock is not None:
        yield from _without_index(project, cpu_lock)


def _stale(project: Project, requirements: RequirementFile, lock: RequirementFile) -> Iterator[Finding]:
    environment = marker_environment(project.python)
    pins = lock.pins(environment)
    yield from _pinned_twice(lock, environment)
    asked = [e for e in requirements.entries if e.applies(environment)]
    for entry in [
        *(e for e in asked if not _is_unserved(e, requirements)),  # already reported
        *(c for c in requirements.constraints if c.name in pins and c.applies(environment)),
    ]:
        yield from _unanswered(entry, pins.get(entry.name), lock)
    names = {e.name for e in asked}
    for name, pin in pins.items():
        askers = [asker for asker in pin.via if not asker.startswith("-c ")]  # a constraint asks for nothing
        if askers and all(asker.startswith("-r ") for asker in askers) and name not in names:
            yield STALE.finding(
                f"{lock.path} pins {pin.text} for `{', '.join(askers)}`, which no longer asks for {name}",
                location=pin.location,
            )


def unlockable(requirements: RequirementFile, environment: dict[str, str]) -> Iterator[Finding]:
    """Yield the lines of requirements.in that no lock can answer, which is known before any resolver runs."""
    for option in requirements.missing:
        remote = "://" in option.value
        yield STALE.finding(
            f"{option.location.path} includes {redacted(option.value)}, which "
            + ("is elsewhere, where it can change" if remote else "is no file of the repository"),
            location=option.location,
            fix=f"{'copy its content into the project' if remote else 'write what it asks for into the project'} or "
            "remove the line",
        )
    for entry in requirements.entries:
        if not entry.applies(environment):
            continue
        if entry.requirement is None or entry.requirement.url:
            yield LOOSE.finding(
                f"`{redacted(entry.text)}` cannot be locked with a hash",
                location=shown_at(entry.location, entry.text),
                fix="ask for a published distribution by name; add your own code to `packages`",
            )
        elif _is_unserved(entry, requirements):
            label = f"+{entry.version.local}" if entry.version else ""
            yield UNSERVED_LABEL.finding(
                f"`{entry.text}` asks for a labelled build, and no line names an index that has it",
                location=entry.location,
                cause=f"the default index has no builds with a label, so none with {label}",
                edits=rewritten(entry, entry.text.replace(label, "", 1)),
                fix=f"write {entry.name}=={Version(str(entry.version)).public}"
                + (
                    "; `seatrial lock --cpu` makes the lock of the +cpu builds"
                    if "+cpu" in entry.text
                    else ", or add the line `--extra-index-url` with the index of these builds"
                ),
            )


def _is_unserved(entry: Entry, requirements: RequirementFile) -> bool:
    labelled = entry.version is not None and entry.version.local is not None
    return labelled and not any(option.name in _SERVING for option in requirements.options)


def _pinned_twice(lock: RequirementFile, environment: dict[str, str]) -> Iterator[Finding]:
    first: dict[str, Entry] = {}
    for entry in lock.entries:
        if entry.version is None or not entry.applies(environment):
            continue
        if entry.name in first:
            yield STALE.finding(
                f"{lock.path} pins {entry.name} twice",
                location=entry.location,
                evidence=(f"{first[entry.name].location}: {first[entry.name].text}",),
            )
        first.setdefault(entry.name, entry)


def _unanswered(entry: Entry, pin: Entry | None, lock: RequirementFile) -> Iterator[Finding]:
    if entry.requirement is None or entry.requirement.url:
        return  # already reported
    if pin is None:
        yield STALE.finding(f"{lock.path} does not pin {entry.name}", location=entry.location)
    elif pin.version and not entry.requirement.specifier.contains(pin.version, prereleases=True):
        yield STALE.finding(
            f"{lock.path} pins {entry.name}=={pin.version}, but {entry.location.path} asks for `{entry.text}`",
            location=entry.location,
            evidence=(f"{pin.location}: {pin.text}",),
        )


def _no_lock_at_all(lock: RequirementFile, piece: str) -> Finding | None:
    """Return one finding for a plain list of requirements named as a lock, instead of one for each of its lines."""
    if len(lock.entries) <= _A_FEW or any(entry.hashes for entry in lock.entries):
        return None
    loose = [redacted(entry.text) for entry in lock.entries if entry.version is None]
    shown = [f"not pinned to one version: {', '.join(loose[:_SHOWN])}{', …' if len(loose) > _SHOWN else ''}"]
    return LOOSE.finding(
        f"{lock.path} is not a lock: none of its {len(lock.entries)} lines has a hash",
        location=lock.entries[0].location,
        evidence=tuple(shown if loose else ()),
        lacks=piece,
        rests_on=(REQUIREMENTS,),
    )


def is_by_hand(lock: RequirementFile) -> bool:
    """Return whether a file with the name of a lock is a list of requirements that no tool locked."""
    is_list = bool(lock.entries) and all(entry.requirement for entry in lock.entries)
    return is_list and not lock.made_for and not any(entry.hashes for entry in lock.entries)


def _loose(lock: RequirementFile, environment: dict[str, str]) -> Iterator[Finding]:
    torchvision = lock.pins(environment).get("torchvision")
    lenient = torchvision is not None and torchvision.version is not None and torchvision.version >= _LENIENT
    for entry in lock.entries:
        place = shown_at(entry.location, entry.text)
        cause = _LENIENT_CAUSE if lenient and entry.name == "torch" else ""
        if entry.version is None:
            what = f"`{redacted(entry.text)}` is not pinned to one version"
        elif not entry.hashes:
            what = f"`{entry.text}` has no hash"
        else:
            continue
        yield LOOSE.finding(what, location=place, cause=cause, rests_on=(REQUIREMENTS,))


def _residue(project: Project, requirements: RequirementFile, lock: RequirementFile) -> Iterator[Finding]:
    own = {_normal(option) for option in requirements.options}
    if lock.path == project.cpu_lock_file.name:
        own.add(("--extra-index-url", project.lock.cpu_index))
    for option in lock.options:
        if option.name in INDEX_OPTIONS and _normal(option) not in own:
            yield RESIDUE.finding(
                f"{lock.path} has the line `{option.name}`, which requirements.in does not have",
                location=shown_at(option.location, option.value),
            )


def _normal(option: Option) -> tuple[str, str]:
    return _LONG_NAMES.get(option.name, option.name), option.value


def _labelled(lock: RequirementFile, requirements: RequirementFile | None) -> Iterator[Finding]:
    asked = requirements.entries if requirements else ()
    served = requirements is not None and any(option.name in _SERVING for option in requirements.options)
    # A label that requirements.in asks for is either there with its index, or refused there already.
    wanted = {(e.name, e.version) for e in asked if e.version and e.version.local}
    unserved = {name for name, _ in wanted} if not served else set()
    for entry in lock.entries:
        if entry.version is not None and entry.version.local:
            if (entry.name, entry.version) in wanted or entry.name in unserved:
                continue
            yield LABEL.finding(
                f"{lock.path} pins {entry.name}=={entry.version}: builds labelled +{entry.version.local} are not "
                "what the published index serves",
                location=entry.location,
            )


def _without_index(project: Project, cpu_lock: RequirementFile) -> Iterator[Finding]:
    labelled = any(entry.version is not None and entry.version.local for entry in cpu_lock.entries)
    if labelled and ("--extra-index-url", project.lock.cpu_index) not in map(_normal, cpu_lock.options):
        yield LABEL.finding(
            f"{cpu_lock.path} has no line `--extra-index-url {project.lock.cpu_index}`, where its +cpu builds are",
            location=Location(cpu_lock.path),
        )


def _cpu_variant(pins: dict[str, Entry], path: str, cpu_lock: RequirementFile) -> Iterator[Finding]:
    for entry in cpu_lock.entries:
        other = pins.get(entry.name)
        version = entry.version
        if entry.name in CPU_BUILDS:
            if version is not None and version.local != "cpu":
                yield LABEL.finding(
                    f"{cpu_lock.path} pins {entry.text}, which is not a +cpu build",
                    location=entry.location,
                    fix=f"choose a version of {entry.name} that `lock.cpu-index` has a +cpu build of",
                )
            elif version and other and other.version and version.public != other.version.public:
                yield LABEL.finding(
                    f"{cpu_lock.path} pins {entry.text}, {path} pins {other.text}",
                    location=entry.location,
                )
        elif other is None or version != other.version or set(entry.hashes) != set(other.hashes):
            what = "with other hashes" if other and version == other.version else "differently or not at all"
            yield LABEL.finding(
                f"{cpu_lock.path} pins {entry.text}, {path} {what}",
                location=entry.location,
                evidence=(f"{other.location}: {other.text}",) if other else (),
            )


def _other_python(project: Project, lock: RequirementFile) -> Iterator[Finding]:
    if lock.made_for and lock.made_for != project.python:
        yield OTHER_PYTHON.finding(
            f"{lock.path} was made for Python {lock.made_for}, but `python` is {project.python}",
            location=Location(lock.path, 2),
        )


def index_lines(requirements: RequirementFile) -> list[Option]:
    """Return the index lines that a project writes itself; they are used and kept."""
    return [o for o in requirements.options if o.name in INDEX_OPTIONS]


def _of(facts: Facts, rule: Rule) -> Iterator[Finding]:
    findings = judge(facts.project, facts.requirements, facts.lock, facts.cpu_lock)
    return (f for f in findings if f.code == rule.code)
