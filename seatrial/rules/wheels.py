"""Families 1 and 6, wheels: does what the locked wheels say of themselves fit the lock, the target and the disk?

What a rule needs to know of a wheel comes from the kept environment or the index; a pin that is unknown is not judged.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import InvalidSdistFilename, InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from seatrial.facts.requirements import marker_environment
from seatrial.facts.tables import library_of, torch_builds, torch_pairs
from seatrial.findings import Location, Severity
from seatrial.rules.rule import Rule, Symptom

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.facts.gather import Facts
    from seatrial.facts.requirements import Entry, RequirementFile
    from seatrial.facts.wheels import Wheel, Wheels
    from seatrial.findings import Finding

RUNNER_GIGABYTES = 14.0  # GitHub's documentation of hosted runners: the SSD of a standard one

TOO_LARGE = Rule(
    code="ST106",
    title="installing the lock takes more disk than a hosted runner has",
    explanation=(
        "An installer keeps every wheel while it unpacks it, so that an install needs the size of both. The standard "
        "runners of GitHub have 14 GB of disk; an image needs the same again for its layers. The old AI Platform "
        "counted installed packages as the model's memory."
    ),
    fix="run `seatrial lock --cpu` for the jobs that need no GPU, take out what the predictor does not import, or use "
    "a larger runner",
    severity=Severity.WARNING,
    detected=(
        "By the sizes of the locked wheels, as their RECORD or the index gives them. What is not known counts nothing, "
        "so that the number is a lower bound; which runner is used, and what else lies on its disk, cannot be seen, so "
        "this only warns."
    ),
    bad="torch and two more frameworks with their CUDA libraries in one requirements.in",
    good="one framework in requirements.in, and `seatrial lock --cpu` for the jobs without GPU",
    cloud="ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device",
    sources=(
        "https://docs.github.com/en/actions/reference/runners/github-hosted-runners",
        "https://github.com/actions/runner-images/issues/10237",
        "https://github.com/GoogleCloudPlatform/python-docs-samples/issues/5257",
    ),
    symptoms=(
        Symptom(
            re.compile(r"Model requires more memory than allowed"),
            "what is installed is larger than the service allows",
        ),
    ),
)
OLD_LIBRARY = Rule(
    code="ST115",
    title="the base image's C library is too old for the locked wheels, or not glibc",
    explanation=(
        "A wheel says which C library it was built for: `manylinux_2_28` needs glibc 2.28 or later, and torch has had "
        "no other since 2.7. Alpine has musl instead of glibc, for which there is no torch at all."
    ),
    fix="take a base with a newer glibc, such as python:3.11-slim, by its digest",
    severity=Severity.WARNING,
    detected=(
        "By the name in `image.base` and in FROM lines of Dockerfiles, against the tags of the locked wheels, or of "
        "torch and torchvision by a table. A name can be wrong about its content, so this only warns; a name that "
        "tells no release is not judged."
    ),
    bad="FROM python:3.11-alpine",
    good="FROM python:3.11-slim-bookworm",
    cloud="ERROR: No matching distribution found for torch",
    sources=("https://peps.python.org/pep-0600/", "https://peps.python.org/pep-0656/"),
)
UNMET = Rule(
    code="ST116",
    title="a locked distribution asks for what the lock does not have",
    explanation=(
        "Every wheel names what it needs, and some needs are narrow: torch 2.5.1 and 2.6.0 ask for exactly one sympy, "
        "torch 2.11.0 and 2.12.1 for setuptools before 82. A lock is installed as it is, without a resolver, so that "
        "an unmet need shows only when something fails."
    ),
    fix="run `seatrial lock`, which lets a resolver choose versions that fit each other",
    detected=(
        "By Requires-Dist of the locked wheels, as far as it is known; needs of extras that nobody asked for do not "
        "count."
    ),
    bad="torch==2.6.0\nsympy==1.14.0",
    good="torch==2.6.0\nsympy==1.13.1",
    cloud="ERROR: pip's dependency resolver does not currently take into account all the packages that are installed",
    sources=("https://packaging.python.org/en/latest/specifications/core-metadata/#requires-dist-multiple-use",),
)
NO_FITTING_FILE = Rule(
    code="ST117",
    title="a pin has no wheel for where it is served",
    explanation=(
        "Without a wheel for Linux on x86-64 and the configured Python an installer builds the distribution from its "
        "source, which needs compilers and headers that no serving image has, and gives something else every time. "
        "The image is installed from wheels only."
    ),
    fix="pin a version that has such a wheel, or another Python, and run `seatrial lock`",
    detected=(
        "By the names of the files that the index has of the pinned version and whose hashes the lock allows. A wheel "
        "of your own on an index that was not asked is not seen; with a source archive left this only warns."
    ),
    bad="pycocotools==2.0.2",
    good="pycocotools==2.0.10",
    cloud=(
        'Create Version failed. Bad model detected with error: "Failed to load model: User-provided package '
        "X-0.1.tar.gz failed to install"
    ),
    sources=(
        "https://github.com/GoogleCloudPlatform/python-docs-samples/issues/2186",
        "https://github.com/GoogleCloudPlatform/python-docs-samples/issues/5711",
    ),
    symptoms=(
        Symptom(
            re.compile(r"User-provided package (?P<package>\S+) failed to install"),
            "{package} could not be installed; pip's own words are not in this text",
        ),
    ),
)
OTHER_FILES = Rule(
    code="ST118",
    title="the lock's hashes are of no file that the index has",
    explanation=(
        "The same version is another file on another index: a lock that was made against one cannot be installed from "
        "the other, and a file that was published again has another hash too."
    ),
    fix="run `seatrial lock` with the index that will be installed from",
    severity=Severity.WARNING,
    detected=(
        "Every configured index answered, at least one has the version, and none has a file with one of the lock's "
        "hashes. Another machine may ask another index, so this only warns."
    ),
    bad="a lock made against a CUDA index, installed from the default one",
    good="the index line that the lock was made with, in requirements.in",
    cloud="ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.",
    sources=("https://github.com/pytorch/pytorch/issues/104598", "https://github.com/pytorch/pytorch/issues/152009"),
)
UNDECIDED = Rule(
    code="ST119",
    title="what the locked wheels say is not known",
    explanation=(
        "Some rules need the metadata of the locked wheels: from the environment that an earlier trial kept, or from "
        "the package index, which is asked once for a lock. Without either they decide nothing."
    ),
    fix="run `seatrial check` once where the index can be reached, without --offline",
    severity=Severity.NOTE,
    detected="There are hashed pins of which nothing is known, and the index was not to be asked or did not answer.",
    bad="seatrial check --offline",
    good="seatrial check",
    sources=("https://peps.python.org/pep-0658/",),
)
OTHER_FLAVOUR = Rule(
    code="ST125",
    title="torch and torchvision are of different builds",
    explanation=(
        "The versions fit, and every resolver is content, but one is a CPU build and the other a CUDA build, or both "
        "are of different CUDA versions. torchvision's compiled part is then linked with libraries that this torch "
        "does not bring."
    ),
    fix="take both from one index, with the same label or both without, and run `seatrial lock`",
    detected=(
        "By the labels of the pins, and surer, where an environment of the lock is kept, by the libraries that "
        "torchvision's compiled part is linked with against the CUDA that torch says it was built for. A torchvision "
        "without any CUDA library works with every torch of its version, and is no finding."
    ),
    bad="torch==2.8.0+cu128\ntorchvision==0.23.0+cpu",
    good="torch==2.8.0+cu128\ntorchvision==0.23.0+cu128",
    cloud="RuntimeError: operator torchvision::nms does not exist",
    sources=("https://github.com/pytorch/pytorch/issues/122494", "https://github.com/pytorch/vision/issues/9174"),
)
NO_KERNELS = Rule(
    code="ST611",
    title="the locked torch has no kernels for the configured accelerator",
    explanation=(
        "A build of torch holds code for some GPUs only. Since CUDA 13, which the default builds use from torch 2.11 "
        "on, the oldest is the T4: V100, P100 and P4 are left out. `torch.cuda.is_available()` still says True, and "
        "the first operation fails."
    ),
    fix="take an accelerator that the build has kernels for, such as NVIDIA_TESLA_T4 or NVIDIA_L4, or an older torch",
    detected=(
        "By `vertex.accelerator-type` and the torch pin of requirements.txt, against a table of architectures that was "
        "read from the published wheels. A build with a label is judged only where its CUDA is 13 or later."
    ),
    bad='accelerator-type = "NVIDIA_TESLA_V100"  # with torch==2.13.0',
    good='accelerator-type = "NVIDIA_L4"  # with torch==2.13.0',
    cloud="CUDA error: no kernel image is available for execution on the device",
    sources=(
        "https://github.com/Comfy-Org/ComfyUI/issues/16438",
        "https://github.com/vllm-project/vllm/issues/19185",
        "https://developer.nvidia.com/cuda-gpus",
    ),
)
CPU_BUILD = Rule(
    code="ST612",
    title="a CPU build of torch goes onto a target with an accelerator",
    explanation=(
        "The lock that ships to a target with an accelerator is requirements.txt. With a +cpu build in it the server "
        "runs, and the accelerator is paid for and never used."
    ),
    fix="pin torch and torchvision without the label in requirements.in and run `seatrial lock`, or take out "
    "`accelerator-type`",
    severity=Severity.WARNING,
    detected="By the label of the torch pin of requirements.txt and `vertex.accelerator-type`.",
    bad='torch==2.8.0+cpu  # with accelerator-type = "NVIDIA_L4"',
    good='torch==2.8.0  # with accelerator-type = "NVIDIA_L4"',
    cloud="AssertionError: Torch not compiled with CUDA enabled",
    sources=("https://github.com/GoogleCloudPlatform/vertex-ai-samples/issues/3250",),
)


def _locks(facts: Facts) -> Iterator[tuple[RequirementFile, dict[str, Entry], Wheels | None]]:
    for lock in (facts.lock, facts.cpu_lock):
        if lock is not None:
            yield lock, lock.pins(marker_environment(facts.project.python)), facts.wheels.get(lock.path)


def _known(facts: Facts) -> Iterator[tuple[Entry, Wheel, dict[str, Entry]]]:
    """Yield every pin of which something is known; one that both locks share, once."""
    seen: set[tuple[str, Wheel]] = set()
    for _, pins, wheels in _locks(facts):
        for name, entry in pins.items():
            wheel = wheels.known.get(name) if wheels else None
            if wheel and _same(entry, wheel) and (name, wheel) not in seen:
                seen.add((name, wheel))
                yield entry, wheel, pins


def _same(entry: Entry, wheel: Wheel) -> bool:
    try:
        return entry.version is not None and Version(wheel.version).public == entry.version.public
    except InvalidVersion:
        return False


def _too_large(facts: Facts) -> Iterator[Finding]:
    for lock, pins, wheels in _locks(facts):
        known = [wheel for name, wheel in (wheels.known if wheels else {}).items() if name in pins]
        packed = sum(wheel.packed or 0 for wheel in known)
        unpacked = sum(wheel.unpacked or wheel.packed or 0 for wheel in known)  # no wheel is smaller unpacked
        needed = (packed + unpacked) / 1e9
        if needed <= RUNNER_GIGABYTES:
            continue
        largest = sorted(known, key=lambda wheel: -(wheel.unpacked or wheel.packed or 0))[:5]
        yield TOO_LARGE.finding(
            f"installing {lock.path} takes at least {needed:.1f} GB, and a standard hosted runner has "
            f"{RUNNER_GIGABYTES:.0f} GB",
            location=Location(lock.path),
            cause=f"{len(known)} wheels, {unpacked / 1e9:.1f} GB unpacked; on which machine they are installed "
            "cannot be seen here",
            evidence=tuple(f"{w.name}=={w.version}: {(w.unpacked or w.packed or 0) / 1e9:.2f} GB" for w in largest),
        )


def _old_library(facts: Facts) -> Iterator[Finding]:
    needed, whose = _needed_library(facts)
    if not whose:
        return
    bases = [(facts.project.image.base, Location("pyproject.toml"))] if facts.project.image.base else []
    for file in facts.builds.files:
        bases += [(base.text, base.location) for base in file.bases[-1:]]  # what comes before the last stage is gone
    for image, place in bases:
        library = library_of(image)
        if not library or (library != "musl" and Version(library) >= needed):
            continue
        has = "musl instead of glibc" if library == "musl" else f"glibc {library}"
        yield OLD_LIBRARY.finding(
            f"{image.partition('@')[0]} has {has}, and {whose} needs glibc {needed}",
            location=place,
            cause="by its name; what is in the image cannot be seen here",
        )


def _needed_library(facts: Facts) -> tuple[Version, str]:
    """Give the newest glibc that a locked wheel needs, and which wheel that is."""
    needed, whose = Version("0"), ""
    for entry, wheel, _ in _known(facts):
        versions = [
            Version(f"{m[1]}.{m[2]}") for tag in wheel.tags for m in re.finditer(r"manylinux_(\d+)_(\d+)_", tag)
        ]
        versions += [Version("2.17") for tag in wheel.tags if "manylinux2014" in tag]
        if versions and min(versions) > needed:  # a wheel of several tags runs on the oldest of them
            needed, whose = min(versions), entry.text
    for _, pins, _ in _locks(facts):
        torch = pins.get("torch")
        build = torch_builds().of(torch.version) if torch and torch.version else None
        if torch and build and build.glibc > needed:
            needed, whose = build.glibc, torch.text
    return needed, whose


def _unmet(facts: Facts) -> Iterator[Finding]:
    environment = {"extra": "", **marker_environment(facts.project.python)}
    said: set[str] = set()
    for entry, wheel, pins in _known(facts):
        extras = sorted(entry.requirement.extras) if entry.requirement else []
        absent: list[str] = []
        for text in wheel.requires or ():
            if "extra ==" in text and not extras:
                continue  # most lines are such, and reading each takes its time
            try:
                need = Requirement(text)
            except InvalidRequirement:
                continue
            holds = need.marker is None or any(need.marker.evaluate({**environment, "extra": x}) for x in ("", *extras))
            name = str(canonicalize_name(need.name))
            pin = pins.get(name)
            if not holds or {entry.name, name} == {"torch", "torchvision"}:
                continue  # of the pair ST120 says more
            if pin is None:
                absent.append(_shown(need))
                continue
            if pin.version is not None and not need.specifier.contains(pin.version, prereleases=True):
                message = (
                    f"{entry.name}=={entry.version} needs `{_shown(need)}`, and the lock pins {name}=={pin.version}"
                )
            else:
                continue
            if message not in said:
                said.add(message)
                yield UNMET.finding(
                    message,
                    location=(pin or entry).location,
                    subject=entry.name,
                    cause="its metadata says so; the lock is installed as it is, without a resolver",
                    evidence=(f"Requires-Dist: {text}",),
                )
        if absent:
            more = f" and {len(absent) - 1} more" if len(absent) > 1 else ""
            yield UNMET.finding(
                f"{entry.name}=={entry.version} needs `{absent[0]}`{more}, which the lock does not pin",
                location=entry.location,
                subject=entry.name,
                cause="its metadata says so; the lock is installed as it is, without a resolver",
                evidence=tuple(f"needs {need}" for need in absent[:8]),
            )


def _shown(need: Requirement) -> str:
    return f"{need.name}{need.specifier}"


def _no_fitting_file(facts: Facts) -> Iterator[Finding]:
    for entry, wheel, _ in _known(facts):
        locked = [file.name for file in wheel.files or () if file.locked]
        if not locked or wheel.tags:
            continue
        if entry.name in ("torch", "torchvision") and _has_no_wheel(entry, facts.project.python):
            continue  # ST121 says more
        sources = [name for name in locked if not name.endswith(".whl")]
        python = facts.project.python
        yield NO_FITTING_FILE.finding(
            f"{entry.name}=={entry.version} has no wheel for Python {python} on Linux x86-64",
            location=entry.location,
            subject=entry.name,
            severity=Severity.WARNING if sources else Severity.ERROR,
            cause=(
                "its source would be built; whether that succeeds cannot be seen here, and the image takes wheels only"
                if sources
                else f"the files that the lock allows are for {', '.join(_for_what(locked)) or 'something else'}"
            ),
            evidence=tuple(locked[:5]),
        )


def _has_no_wheel(entry: Entry, python: str) -> bool:
    table, version = torch_pairs(), Version(entry.version.public) if entry.version else Version("0")
    release = table.torchvision.get(version)
    pythons = table.torch.get(version) if entry.name == "torch" else (release.pythons if release else None)
    return pythons is not None and python not in pythons


def _for_what(files: list[str]) -> list[str]:
    found: set[str] = set()
    for file in files:
        try:
            tags = parse_wheel_filename(file)[3]
        except (InvalidWheelFilename, InvalidSdistFilename):
            continue
        found |= {f"{tag.interpreter} on {tag.platform}" for tag in tags}
    return sorted(found)[:4]


def _other_files(facts: Facts) -> Iterator[Finding]:
    for entry, wheel, _ in _known(facts):
        if wheel.files and not any(file.locked for file in wheel.files):
            yield OTHER_FILES.finding(
                f"no file of {entry.name}=={entry.version} on the index has a hash of the lock",
                location=entry.location,
                subject=entry.name,
                cause="the lock was made against another index, or the file was published again; which index another "
                "machine asks cannot be seen here",
                evidence=tuple(file.name for file in wheel.files[:5]),
            )


def _undecided(facts: Facts) -> Iterator[Finding]:
    for lock, pins, wheels in _locks(facts):
        hashed = [name for name, entry in pins.items() if entry.hashes]
        unknown = hashed if wheels is None else [name for name in wheels.unknown if name in hashed]
        if not unknown or not (facts.offline or (wheels and wheels.fault)):
            continue
        some = ", ".join(unknown[:3]) + (f" and {len(unknown) - 3} more" if len(unknown) > 3 else "")
        yield UNDECIDED.finding(
            f"nothing is known of the wheels of {some}: not decided of them were "
            f"{', '.join(rule.code for rule in (TOO_LARGE, UNMET, NO_FITTING_FILE, OTHER_FILES))}",
            location=Location(lock.path),
            cause=wheels.fault if wheels and wheels.fault else "the check was told to ask no index",
        )


def _other_flavour(facts: Facts) -> Iterator[Finding]:
    for lock, pins, wheels in _locks(facts):
        torch, torchvision = pins.get("torch"), pins.get("torchvision")
        if torch is None or torchvision is None or torch.version is None or torchvision.version is None:
            continue
        labels = (torch.version.local or "", torchvision.version.local or "")
        is_cpu_lock = lock is facts.cpu_lock
        if labels[0] != labels[1] and not is_cpu_lock:  # of that ST104 says more
            yield OTHER_FLAVOUR.finding(
                f"torch=={torch.version} and torchvision=={torchvision.version} are of different builds",
                location=torchvision.location,
                cause=f"torch is {_flavour(labels[0])}, torchvision {_flavour(labels[1])}; no resolver compares them",
                evidence=(f"{torch.location}: {torch.text}", f"{torchvision.location}: {torchvision.text}"),
            )
            continue
        known = wheels.known if wheels else {}
        cuda = known["torch"].cuda if "torch" in known else None
        needed = known["torchvision"].needed if "torchvision" in known else None
        if cuda is None or needed is None or not _fits_pair(torch, torchvision):
            continue
        runtime = next((library for library in needed if library.startswith("libcudart.so.")), "")
        if not cuda and any("cuda" in library for library in needed):
            what = next(library for library in needed if "cuda" in library)
            cause = f"torchvision's compiled part is linked with {what}, and torch is a CPU build, which has none"
        elif cuda and runtime and not runtime.startswith(f"libcudart.so.{cuda.split('.')[0]}"):
            cause = f"torchvision's compiled part is linked with {runtime}, and torch was built for CUDA {cuda}"
        else:
            continue
        yield OTHER_FLAVOUR.finding(
            f"torch=={torch.version} and torchvision=={torchvision.version} are of different builds",
            location=torchvision.location,
            cause=cause,
            evidence=tuple(f"needs {library}" for library in needed if "cuda" in library),
        )


def _fits_pair(torch: Entry, torchvision: Entry) -> bool:
    """Tell whether the versions belong together; where they do not ST120 says it."""
    if torch.version is None or torchvision.version is None:
        return False
    release = torch_pairs().torchvision.get(Version(torchvision.version.public))
    return release is None or release.torch.contains(Version(torch.version.public), prereleases=True)


def _flavour(label: str) -> str:
    return f"the +{label} build" if label else "the build of the default index"


def _no_kernels(facts: Facts) -> Iterator[Finding]:
    accelerator = facts.project.vertex.accelerator_type
    capability = torch_builds().capabilities.get(accelerator or "")
    pins = facts.lock.pins(marker_environment(facts.project.python)) if facts.lock else {}
    torch = pins.get("torch")
    if capability is None or torch is None or torch.version is None:
        return
    build = torch_builds().of(torch.version)
    label = torch.version.local or ""
    architectures: tuple[Version, ...]
    of_cuda = re.fullmatch(r"cu(\d\d)\d", label)
    if of_cuda and int(of_cuda[1]) >= _CUDA_WITHOUT_VOLTA[0]:
        architectures, cuda = (_CUDA_WITHOUT_VOLTA[1],), f"{of_cuda[1]}.{label[-1]}"
        missing = capability < architectures[0]
    elif not label and build and build.architectures:
        architectures, cuda = build.architectures, build.cuda
        missing = not any(a.major == capability.major and a <= capability for a in architectures)
    else:
        return
    if missing:
        yield NO_KERNELS.finding(
            f"torch=={torch.version} has no kernels for {accelerator}, compute capability {capability}",
            location=torch.location,
            subject=str(accelerator),
            cause=f"it is built for CUDA {cuda} and has kernels for {', '.join(map(str, architectures))}"
            + (" and later" if of_cuda else ""),
            fix=_other_accelerators(architectures, at_least=bool(of_cuda)),
        )


_CUDA_WITHOUT_VOLTA = (13, Version("7.5"))  # the release notes of CUDA 13.0: its compilers know nothing older


def _other_accelerators(architectures: tuple[Version, ...], *, at_least: bool) -> str:
    fitting = [
        name
        for name, capability in torch_builds().capabilities.items()
        if any((at_least or a.major == capability.major) and a <= capability for a in architectures)
    ]
    return f"set accelerator-type to one that it has kernels for ({', '.join(fitting[:4])}), or pin an older torch"


def _cpu_build(facts: Facts) -> Iterator[Finding]:
    pins = facts.lock.pins(marker_environment(facts.project.python)) if facts.lock else {}
    torch = pins.get("torch")
    if facts.project.vertex.accelerator_type and torch and torch.version and torch.version.local == "cpu":
        yield CPU_BUILD.finding(
            f"torch=={torch.version} is a CPU build, and the target has {facts.project.vertex.accelerator_type}",
            location=torch.location,
            cause="the model will run on the processor; whether that is meant cannot be seen here",
        )


RULES = (
    TOO_LARGE.decided_by(_too_large),
    OLD_LIBRARY.decided_by(_old_library),
    UNMET.decided_by(_unmet),
    NO_FITTING_FILE.decided_by(_no_fitting_file),
    OTHER_FILES.decided_by(_other_files),
    UNDECIDED.decided_by(_undecided),
    OTHER_FLAVOUR.decided_by(_other_flavour),
    NO_KERNELS.decided_by(_no_kernels),
    CPU_BUILD.decided_by(_cpu_build),
)
