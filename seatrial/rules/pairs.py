"""Family 1, the pair: do torch and torchvision fit each other and the configured Python, and do they import?

Versions are judged by the published table, never computed: patch numbers of the two do not run together.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name
from packaging.version import Version

from seatrial.facts.requirements import marker_environment, pinned, rewritten
from seatrial.facts.tables import TorchPairs, TorchvisionRelease, torch_pairs
from seatrial.findings import Edit, Severity
from seatrial.rules.cloud import EXITED_SOURCE, SERVER_EXITED
from seatrial.rules.rule import Rule, Symptom

if TYPE_CHECKING:
    from collections.abc import Iterator

    from packaging.requirements import Requirement

    from seatrial.facts.gather import Facts
    from seatrial.facts.requirements import Entry, RequirementFile
    from seatrial.findings import Edit, Finding, Location

TORCH, TORCHVISION = "torch", "torchvision"
_PIN = re.compile(r"torchvision\s*==\s*[\w.]+", re.IGNORECASE)  # no extra, no marker, no label of a build

MISMATCHED = Rule(
    code="ST120",
    title="torch and torchvision do not belong together",
    explanation=(
        "torchvision holds compiled code that was built against one torch. Every release up to 0.29.0 asks "
        "for exactly one torch version, and the patch numbers do not run together (torchvision 0.15.1 "
        "belongs to torch 2.0.0). With another torch pip refuses to install the pair; installed all the "
        "same, the compiled part does not load: since torchvision 0.17 the import itself fails, before that "
        "the operators are missing."
    ),
    fix="write two versions that belong together in requirements.in, then run `seatrial lock`",
    detected=(
        "The versions are looked up in a table that was read from the published wheels. Pins of the lock are judged, "
        "and of requirements.in what it pins where the lock does not; of ranges and wildcards it is judged whether "
        "any two releases of the table answer both. A torchvision that is newer than the table is not judged."
    ),
    bad="torch==1.13.1\ntorchvision==0.15.1",
    good="torch==1.13.1\ntorchvision==0.14.1",
    cloud="RuntimeError: operator torchvision::nms does not exist",
    sources=(
        "https://github.com/pytorch/vision#installation",
        "https://github.com/pytorch/vision/issues/8985",
        "https://github.com/unslothai/unsloth/pull/8128",
    ),
    symptoms=(
        Symptom(
            re.compile(
                r"Cannot install (?P<pins>[^\n]*\btorch(?:vision)?==[^\n]*\btorch(?:vision)?==\S+)"
                r"[^\n]* because these package versions have conflicting dependencies"
            ),
            "{pins} cannot be installed together",
        ),
        Symptom(
            re.compile(r"torchvision==(?P<torchvision>[\w.]+) depends on torch==(?P<torch>[\w.]+)"),
            "torchvision=={torchvision} needs torch=={torch}, and something else asks for another torch",
        ),
    ),
)
NO_WHEEL = Rule(
    code="ST121",
    title="no wheel of torch or torchvision for the configured Python",
    explanation=(
        "Each release of torch and torchvision is published for some Python versions only, and not always "
        "for the same ones: torch 1.13 has a wheel for Python 3.11 and torchvision 0.14 has none; torch "
        "2.15 dropped 3.10."
    ),
    fix="set `python` in [tool.seatrial] to one that both have, or take a newer pair; then `seatrial lock`",
    detected="By the pins and `python`, against a table of the published wheels. A version that is newer than the "
    "table is not judged.",
    bad='torch==1.13.1\ntorchvision==0.14.1  # with python = "3.11"',
    good='torch==1.13.1\ntorchvision==0.14.1  # with python = "3.10"',
    cloud="ERROR: No matching distribution found for torch==2.0.1",
    sources=("https://github.com/pytorch/pytorch/blob/main/RELEASE.md#release-compatibility-matrix",),
    symptoms=(
        Symptom(
            re.compile(r"No matching distribution found for (?P<pin>torch(?:vision)?==[\w.]+)(?![\w.+])"),
            "{pin} has no wheel for this Python",
        ),
        Symptom(
            re.compile(r"\b(?P<pin>torch(?:vision)?==[\w.]+) has no wheels with a matching Python"),
            "{pin} has no wheel for this Python",
        ),
    ),
)
WILDCARD = Rule(
    code="ST123",
    title="a range of torchvision whose newest release belongs to another torch",
    explanation=(
        "Patch releases of the two go together one to one: torchvision 0.22.0 belongs to torch 2.7.0 and 0.22.1 to "
        "2.7.1. A wildcard that allows both is resolved right only as long as torch takes part; an install of "
        "torchvision alone, or one without dependencies, takes the newest and breaks the pair."
    ),
    fix="pin the torchvision that belongs to the torch, then run `seatrial lock`",
    severity=Severity.WARNING,
    detected=(
        "In requirements.in and in `pip install` lines of Dockerfiles: torch is pinned, torchvision is a range that "
        "allows the right release, and the newest release in the table that it allows asks for another torch. "
        "Whether anything installs torchvision without torch cannot be seen, so this only warns."
    ),
    bad="torch==2.7.0\ntorchvision==0.22.*",
    good="torch==2.7.0\ntorchvision==0.22.0",
    cloud="RuntimeError: operator torchvision::nms does not exist",
    sources=("https://github.com/unslothai/unsloth/pull/8128",),
)
HALF_PINNED = Rule(
    code="ST124",
    title="torchvision is pinned and torch is not",
    explanation=(
        "Up to 0.29.0 torchvision asks for exactly one torch, so that pinning torchvision pins both. From 0.29.1 on it "
        "asks for `torch>=2.14.0` only: with torch left open every install takes the newest one, and its behaviour "
        "changes without a word."
    ),
    fix="pin torch too and run `seatrial lock`; install both from the lock",
    severity=Severity.WARNING,
    detected=(
        "In the locks, and in `pip install` lines of Dockerfiles. A torch that comes from elsewhere, such as the base "
        "image, cannot be seen, so this only warns."
    ),
    bad="RUN pip install torchvision==0.29.2 torch",
    good="RUN pip install --require-hashes -r requirements.txt",
    sources=("https://github.com/pytorch/vision/blob/main/setup.py",),
)
OLD_TORCHVISION = Rule(
    code="ST131",
    title="a torchvision that does not import with this Pillow",
    explanation=(
        "torchvision up to 0.4 imports PILLOW_VERSION, which Pillow 7 removed. Its metadata has no upper bound, so "
        "that a resolver takes a newer Pillow without a word."
    ),
    fix="write `pillow<7` in requirements.in, or better take a torchvision of today; then run `seatrial lock`",
    detected="By the versions of both in a lock, or in requirements.in where the lock has none.",
    bad="torchvision==0.4.1\npillow==11.3.0",
    good="torchvision==0.4.1\npillow==6.2.2",
    cloud="ImportError: cannot import name 'PILLOW_VERSION' from 'PIL'",
    sources=(
        "https://github.com/pytorch/vision/issues/1712",
        "https://pillow.readthedocs.io/en/stable/deprecations.html",
    ),
    symptoms=(
        Symptom(
            re.compile(r"cannot import name '?PILLOW_VERSION'? from '?PIL"),
            "torchvision asks for PILLOW_VERSION, which Pillow no longer has",
        ),
    ),
)
OLD_TORCH = Rule(
    code="ST132",
    title="torch was built for numpy 1, and numpy 2 is locked",
    explanation=(
        "torch before 2.3 was compiled against numpy 1. With numpy 2 it still imports, with a warning, and a health "
        "check passes; the first `.numpy()`, `from_numpy` or ToTensor says that numpy is not available."
    ),
    fix="write `numpy<2` in requirements.in, or take torch 2.3 or later; then run `seatrial lock`",
    detected="By the versions of both in a lock, or in requirements.in where the lock has none.",
    bad="torch==2.2.2\nnumpy==2.0.0",
    good="torch==2.2.2\nnumpy==1.26.4",
    cloud="RuntimeError: Numpy is not available",
    sources=(
        "https://github.com/securefederatedai/openfederatedlearning/issues/999",
        "https://github.com/XingangPan/DragGAN/issues/469",
    ),
    symptoms=(
        Symptom(
            re.compile(r"A module that was compiled using NumPy 1\.x cannot be run in\s+NumPy (?P<numpy>2[\d.]*\d)"),
            "numpy {numpy} is installed, and something was compiled for numpy 1",
        ),
        Symptom(re.compile(r"RuntimeError: Numpy is not available"), "torch cannot use the numpy that is installed"),
    ),
)
TWO_OPENCV = Rule(
    code="ST133",
    title="two builds of OpenCV in one lock",
    explanation=(
        "opencv-python, its headless build and the contrib builds all install the one package `cv2`. The one that "
        "is installed last overwrites files of the other, and which that is, no lock says."
    ),
    fix="keep opencv-python-headless alone in requirements.in, then run `seatrial lock`",
    severity=Severity.WARNING,
    detected="By the names in a lock. Which of them wins depends on the installer, so this only warns.",
    bad="opencv-python==4.11.0.86\nopencv-python-headless==4.11.0.86",
    good="opencv-python-headless==4.11.0.86",
    cloud="ImportError: libGL.so.1: cannot open shared object file: No such file or directory",
    sources=("https://github.com/opencv/opencv-python#installation-and-usage",),
)
WINDOWED_OPENCV = Rule(
    code="ST134",
    title="the build of OpenCV that needs a graphical system",
    explanation=(
        "opencv-python is linked with libGL for its windows. Slim base images do not have it, and no wheel brings it: "
        "`import cv2` fails before the predictor is even loaded. A server opens no window."
    ),
    fix="write opencv-python-headless in place of it in requirements.in, then run `seatrial lock`",
    severity=Severity.WARNING,
    detected="By the names in a lock. Whether the base image has libGL cannot be seen, so this only warns.",
    bad="opencv-python==4.11.0.86",
    good="opencv-python-headless==4.11.0.86",
    cloud="ImportError: libGL.so.1: cannot open shared object file: No such file or directory",
    sources=(
        "https://github.com/opencv/opencv-python/issues/370",
        "https://github.com/roboflow/inference/issues/315",
    ),
    symptoms=(
        Symptom(
            re.compile(r"ImportError: (?P<library>lib(?:GL|gthread-2\.0|SM|Xext|Xrender)\.so[\d.]*): cannot open"),
            "OpenCV needs {library}, which the image does not have",
        ),
    ),
)
DOES_NOT_IMPORT = Rule(
    code="ST122",
    title="torchvision's compiled part does not load",
    explanation=(
        "torchvision swallows the error of loading its compiled library and fails later, on the first "
        "operator: `operator torchvision::nms does not exist`. The hidden cause is one of three: the two "
        "versions do not belong together, one of them is a CPU build and the other a CUDA build, or both "
        "are CUDA builds of different major versions. The trial loads the library itself and shows the "
        "cause."
    ),
    fix="lock both from one index with `seatrial lock`, and let nothing install either of them afterwards",
    cloud=SERVER_EXITED,
    sources=(
        "https://github.com/pytorch/pytorch/issues/157648",
        "https://github.com/pytorch/pytorch/issues/122494",
        "https://github.com/pytorch/vision/issues/9174",
        EXITED_SOURCE,
    ),
    symptoms=(
        Symptom(
            re.compile(
                r"compiled with different CUDA (?:major )?versions\.\s+PyTorch has CUDA "
                r"Version=(?P<torch>[\d.]*\d) and torchvision has CUDA Version=(?P<torchvision>[\d.]*\d)"
            ),
            "torch was built for CUDA {torch}, torchvision for CUDA {torchvision}",
        ),
        Symptom(
            re.compile(r"undefined symbol: (?P<symbol>_ZN\w*(?:c10|torch|at\d)\w*)"),
            "torchvision was built for another torch: its library needs the symbol {symbol}",
        ),
        Symptom(
            re.compile(r"(?P<library>lib(?:c10_cuda|torch_cuda|cudart)\.so[\d.]*): cannot open shared object file"),
            "torchvision is a CUDA build and torch is not one of the same CUDA: {library} does not exist",
        ),
        Symptom(
            re.compile(r"operator torchvision::(?P<operator>\w+) does not exist"),
            "torchvision's compiled part did not load: it has no operator `{operator}`",
        ),
        Symptom(
            re.compile(r"No such operator torchvision::(?P<operator>\w+)"),
            "torchvision's compiled part did not load: it has no operator `{operator}`",
        ),
        Symptom(re.compile(r"Couldn't load custom C\+\+ ops"), "torchvision's compiled part did not load"),
    ),
)


def partner_of_torch(torch: Version) -> str:
    """Give the requirement on torchvision that belongs to a torch, or "" where the table has none."""
    fitting = torch_pairs().for_torch(torch)
    return f"torchvision=={fitting[-1].version}" if fitting else ""


def mismatch(
    torch: Entry, torchvision: Entry, python: str, location: Location, edits: tuple[Edit, ...] = ()
) -> Finding | None:
    """Judge two pins by the table; None where they fit or the table does not know the torchvision."""
    table, pair = torch_pairs(), (_public(torch), _public(torchvision))
    ours = table.torchvision.get(pair[1])
    if ours is None or ours.torch.contains(pair[0], prereleases=True):
        return None
    return MISMATCHED.finding(
        f"torchvision=={pair[1]} needs torch{ours.torch}, but torch=={pair[0]} is pinned",
        location=location,
        cause=f"torchvision {pair[1]} was built against torch{ours.torch} and refuses every other",
        fix=_ways_out(table, python, *pair),
        evidence=(f"{torch.location}: {torch.text}", f"{torchvision.location}: {torchvision.text}"),
        edits=edits,
    )


def _mismatched(facts: Facts) -> Iterator[Finding]:
    seen: set[str] = set()
    yield from _unsatisfiable(facts)
    for torch, torchvision in _pairs(facts):
        place, edits = _place(facts, torchvision), _edits(facts, torch, torchvision)
        found = mismatch(torch, torchvision, facts.project.python, place, edits)
        if found and found.message not in seen:
            seen.add(found.message)
            yield found


def _edits(facts: Facts, torch: Entry, torchvision: Entry) -> tuple[Edit, ...]:
    """Write the partner of torch where requirements.in pins the wrong torchvision, and nothing else, in one line."""
    partner = partner_of_torch(_public(torch))
    asked = [entry for entry in facts.requirements.entries if entry.name == TORCHVISION] if facts.requirements else []
    if len(asked) != 1 or not partner or not _has_wheel(partner, facts.project.python):
        return ()
    (entry,) = asked
    others = [e for e in facts.requirements.entries if e.name == TORCH and e.version] if facts.requirements else []
    if any(_public(other) != _public(torch) for other in others):
        return ()
    if not _PIN.fullmatch(entry.text) or entry.version is None or _public(entry) != _public(torchvision):
        return ()
    place = entry.location
    return (Edit(place.path, partner, place.line, place.column, place.end_column, was=entry.text),)


def _has_wheel(pin: str, python: str) -> bool:
    release = torch_pairs().torchvision.get(Version(pin.partition("==")[2]))
    return release is not None and python in release.pythons


def _unsatisfiable(facts: Facts) -> Iterator[Finding]:
    """Judge what requirements.in leaves open: is there any pair of the table that answers it?"""
    asked = _asked(facts)
    torch, torchvision = asked.get(TORCH), asked.get(TORCHVISION)
    pins = _pins(facts, facts.lock)
    if torch is None or torchvision is None or (TORCH in pins and TORCHVISION in pins):
        return
    allowed = _allowed(torchvision)
    if not allowed or _beyond_table(torchvision):
        return
    torches = [version for version in _torches() if _allows(torch, version)]
    if not torches or any(r.torch.contains(t, prereleases=True) for r in allowed for t in torches):
        return
    needs = ", ".join(dict.fromkeys(f"torch{release.torch}" for release in allowed))
    fitting = torch_pairs().for_torch(torches[-1])
    way = f"write torchvision=={fitting[-1].version} for torch {torches[-1]}, or " if fitting else ""
    yield MISMATCHED.finding(
        f"no torchvision that `{torchvision.text}` allows fits `{torch.text}`",
        location=torchvision.location,
        cause=f"the releases that it allows need {needs}",
        fix=f"{way}ask for a torch that they need; then run `seatrial lock`",
        evidence=(f"{torch.location}: {torch.text}", f"{torchvision.location}: {torchvision.text}"),
    )


def _wildcard(facts: Facts) -> Iterator[Finding]:
    asked = _asked(facts)
    torch, torchvision = asked.get(TORCH), asked.get(TORCHVISION)
    if torch and torchvision and torch.version and torchvision.requirement:
        yield from _outrun(torch.version, torchvision.requirement, torchvision.location, torchvision)
    for install in (install for file in facts.builds.files for install in file.installs):
        wanted = {str(canonicalize_name(r.name)): r for r in install.requirements}
        if TORCHVISION in wanted:
            pin = pinned(wanted[TORCH]) if TORCH in wanted else _locked_torch(facts)
            if pin:
                yield from _outrun(pin, wanted[TORCHVISION], install.location)


def _outrun(
    torch: Version, torchvision: Requirement, location: Location, entry: Entry | None = None
) -> Iterator[Finding]:
    """Warn where the newest release that a range allows does not belong to a torch that an older one belongs to."""
    if not torchvision.specifier or pinned(torchvision):
        return
    allowed = [r for r in torch_pairs().torchvision.values() if torchvision.specifier.contains(r.version)]
    public = Version(torch.public)
    if not allowed or allowed[-1].torch.contains(public) or not any(r.torch.contains(public) for r in allowed):
        return
    right = next(r for r in reversed(allowed) if r.torch.contains(public))
    yield WILDCARD.finding(
        f"`{torchvision}` allows torchvision {allowed[-1].version}, which belongs to torch{allowed[-1].torch}, "
        f"and torch is {public}",
        location=location,
        cause="a resolver that knows of both takes the right one; an install of torchvision alone takes the newest, "
        "and whether there is one cannot be seen here",
        fix=f"write torchvision=={right.version}, then run `seatrial lock`",
        edits=rewritten(entry, f"torchvision=={right.version}") if entry and not torchvision.marker else (),
    )


def _half_pinned(facts: Facts) -> Iterator[Finding]:
    for lock in _locks(facts):
        pins = lock.pins(marker_environment(facts.project.python)) if lock else {}
        named = {entry.name for entry in lock.entries} if lock else set()
        if TORCHVISION in pins and TORCH not in named and _is_lenient(_public(pins[TORCHVISION])):
            yield HALF_PINNED.finding(
                f"{lock.path if lock else ''} pins {pins[TORCHVISION].text}, and no torch",
                location=pins[TORCHVISION].location,
                cause="this torchvision takes every torch from 2.14.0 on; whether something else installs one cannot "
                "be seen here",
            )
    for install in (install for file in facts.builds.files for install in file.installs):
        wanted = {str(canonicalize_name(r.name)): r for r in install.requirements}
        version = pinned(wanted[TORCHVISION]) if TORCHVISION in wanted else None
        torch = pinned(wanted[TORCH]) if TORCH in wanted else None
        if version and torch is None and _is_lenient(version) and not install.has("--no-deps"):
            yield HALF_PINNED.finding(
                f"`pip install` pins torchvision {version}, and leaves torch open",
                location=install.location,
                cause="this torchvision takes every torch from 2.14.0 on; what is installed already cannot be seen",
            )


def _is_lenient(torchvision: Version) -> bool:
    """Tell whether a torchvision takes more than one torch; every release after the table is taken to."""
    known = torch_pairs().torchvision.get(Version(torchvision.public))
    return torchvision >= Version("0.29.1") if known is None else str(known.torch).startswith(">=")


def _old_torchvision(facts: Facts) -> Iterator[Finding]:
    for torchvision, pillow in _both(facts, TORCHVISION, "pillow"):
        if _public(torchvision) < Version("0.5") and _public(pillow) >= Version("7"):
            yield OLD_TORCHVISION.finding(
                f"torchvision=={torchvision.version} does not import with pillow=={pillow.version}",
                location=_place(facts, pillow),
                cause="it imports PILLOW_VERSION, which Pillow 7 removed",
                evidence=(f"{torchvision.location}: {torchvision.text}", f"{pillow.location}: {pillow.text}"),
            )


def _old_torch(facts: Facts) -> Iterator[Finding]:
    for torch, numpy in _both(facts, TORCH, "numpy"):
        if _public(torch) < Version("2.3") and _public(numpy) >= Version("2"):
            yield OLD_TORCH.finding(
                f"torch=={torch.version} was built for numpy 1, and numpy=={numpy.version} is locked",
                location=_place(facts, numpy),
                cause="torch before 2.3 cannot exchange arrays with numpy 2",
                evidence=(f"{torch.location}: {torch.text}", f"{numpy.location}: {numpy.text}"),
            )


OPENCV = ("opencv-python", "opencv-contrib-python", "opencv-python-headless", "opencv-contrib-python-headless")


def _two_opencv(facts: Facts) -> Iterator[Finding]:
    for found in _opencv(facts):
        if len(found) > 1:
            yield TWO_OPENCV.finding(
                f"{' and '.join(entry.name for entry in found)} both install `cv2`",
                location=_place(facts, found[-1]),
                cause="which of them wins depends on the order of the install, which cannot be seen here",
                evidence=tuple(f"{entry.location}: {entry.text}" for entry in found),
            )


def _windowed_opencv(facts: Facts) -> Iterator[Finding]:
    for found in _opencv(facts):
        if len(found) == 1 and not found[0].name.endswith("-headless"):
            yield WINDOWED_OPENCV.finding(
                f"{found[0].name} needs libGL.so.1, which slim images do not have",
                location=_place(facts, found[0]),
                cause="it is built for windows on a screen; whether the base image has the libraries for them cannot "
                "be seen here",
                fix=f"write {found[0].name}-headless in place of it in requirements.in, then run `seatrial lock`",
                edits=_headless(facts, found[0].name),
            )


def _headless(facts: Facts, name: str) -> tuple[Edit, ...]:
    """Give the change of the line of requirements.in that asks for a build with windows."""
    asked = [e for e in facts.requirements.entries if e.name == name] if facts.requirements else []
    if len(asked) != 1 or asked[0].requirement is None:
        return ()
    written = asked[0].requirement.name
    return rewritten(asked[0], asked[0].text.replace(written, f"{name}-headless", 1))


def _opencv(facts: Facts) -> Iterator[list[Entry]]:
    """Yield the builds of OpenCV in a lock, for the first lock that has any."""
    for lock in _locks(facts):
        pins = lock.pins(marker_environment(facts.project.python)) if lock else {}
        found = [pins[name] for name in OPENCV if name in pins]
        if found:
            yield found
            return


def _both(facts: Facts, first: str, second: str) -> Iterator[tuple[Entry, Entry]]:
    """Yield the pins of two distributions, for every lock that has another two."""
    seen: set[tuple[Version, Version]] = set()
    for lock in _locks(facts):
        pins = _pins(facts, lock)
        if first in pins and second in pins:
            versions = (_public(pins[first]), _public(pins[second]))
            if versions not in seen:
                seen.add(versions)
                yield pins[first], pins[second]


def _asked(facts: Facts) -> dict[str, Entry]:
    """Give what requirements.in asks for of the pair, where it asks once."""
    if facts.requirements is None:
        return {}
    environment = marker_environment(facts.project.python)
    entries = [e for e in facts.requirements.entries if e.name in (TORCH, TORCHVISION) and e.applies(environment)]
    return {e.name: e for e in entries if sum(other.name == e.name for other in entries) == 1}


def _allowed(torchvision: Entry) -> list[TorchvisionRelease]:
    return [r for r in torch_pairs().torchvision.values() if _allows(torchvision, r.version)]


def _allows(entry: Entry, version: Version) -> bool:
    return entry.requirement is not None and not entry.requirement.url and entry.requirement.specifier.contains(version)


def _beyond_table(torchvision: Entry) -> bool:
    """Tell whether a range allows releases that are newer than the table: the next minor one stands for them."""
    newest = max(torch_pairs().torchvision)
    return _allows(torchvision, Version(f"{newest.major}.{newest.minor + 1}.0")) or _allows(
        torchvision, Version(f"{newest.major}.{newest.minor}.{newest.micro + 1}")
    )


def _torches() -> list[Version]:
    """Give every torch that the table knows of, by itself or as what a torchvision asks for, oldest first."""
    table = torch_pairs()
    exact = {Version(s.version) for r in table.torchvision.values() for s in r.torch if s.operator == "=="}
    return sorted({*table.torch, *exact})


def _locked_torch(facts: Facts) -> Version | None:
    entry = _pins(facts, facts.lock).get(TORCH)
    return _public(entry) if entry else None


def _ways_out(table: TorchPairs, python: str, torch: Version, torchvision: Version) -> str:
    """Name the right partner both ways, with what a partner lacks for the configured Python."""
    ways = []
    if fitting := table.for_torch(torch):
        partner = fitting[-1]
        lacks = f" (no wheel for Python {python})" if python not in partner.pythons else ""
        ways.append(f"keep torch=={torch} and write torchvision=={partner.version}{lacks}")
    ours = table.torchvision[torchvision]
    lacks = f" (no wheel for Python {python})" if python not in ours.pythons else ""
    ways.append(f"keep torchvision=={torchvision} and write torch{ours.torch}{lacks}")
    return f"{', or '.join(ways)}; then run `seatrial lock`"


def _no_wheel(facts: Facts) -> Iterator[Finding]:
    table, python = torch_pairs(), facts.project.python
    seen: set[tuple[str, Version]] = set()
    for file in _locks(facts):
        pins = _pins(facts, file)
        for name in (TORCH, TORCHVISION):
            entry = pins.get(name)
            if entry is None or (name, _public(entry)) in seen:
                continue
            version = _public(entry)
            seen.add((name, version))
            release = table.torchvision.get(version)
            vision_pythons = release.pythons if release else None
            pythons = table.torch.get(version) if name == TORCH else vision_pythons
            if pythons is not None and python not in pythons:
                yield NO_WHEEL.finding(
                    f"{name}=={version} has no wheel for Python {python}",
                    location=_place(facts, entry),
                    cause=f"its wheels on {table.read_on}: Python {', '.join(pythons)}",
                )


def _pairs(facts: Facts) -> Iterator[tuple[Entry, Entry]]:
    for file in _locks(facts):
        pins = _pins(facts, file)
        if TORCH in pins and TORCHVISION in pins:
            yield pins[TORCH], pins[TORCHVISION]


def _locks(facts: Facts) -> list[RequirementFile | None]:
    return [facts.lock, *([facts.cpu_lock] if facts.cpu_lock else [])]


def _pins(facts: Facts, lock: RequirementFile | None) -> dict[str, Entry]:
    """Give what a lock pins, and what requirements.in pins where the lock does not."""
    environment = marker_environment(facts.project.python)
    asked = facts.requirements.pins(environment) if facts.requirements else {}
    return {**asked, **(lock.pins(environment) if lock else {})}


def _place(facts: Facts, entry: Entry) -> Location:
    """Give the line to change: the one in requirements.in where that pins the same, else the lock's own."""
    for asked in facts.requirements.entries if facts.requirements else ():
        if asked.name == entry.name and asked.version is not None and _public(asked) == _public(entry):
            return asked.location
    return entry.location


def _public(entry: Entry) -> Version:
    return Version(entry.version.public) if entry.version else Version("0")


RULES = (
    MISMATCHED.decided_by(_mismatched),
    NO_WHEEL.decided_by(_no_wheel),
    DOES_NOT_IMPORT,
    WILDCARD.decided_by(_wildcard),
    HALF_PINNED.decided_by(_half_pinned),
    OLD_TORCHVISION.decided_by(_old_torchvision),
    OLD_TORCH.decided_by(_old_torch),
    TWO_OPENCV.decided_by(_two_opencv),
    WINDOWED_OPENCV.decided_by(_windowed_opencv),
)
