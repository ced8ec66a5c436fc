"""Tables about the world that ship with the tool: torch pairs, modules of distributions, machines and accelerators.

Each table is a JSON file in tables/ that names its source. It is read when first asked for; nothing is looked
up on a network.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import date
from fnmatch import fnmatchcase
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

if TYPE_CHECKING:
    from collections.abc import Mapping

_API_VERSION = re.compile(r"_v\d+(?:p\d+)?(?:(?:alpha|beta)\d*)?$")  # https://google.aip.dev/185
# Module → the extra that it is installed with; its import fails without. Read in google/cloud/aiplatform/prediction.
_EXTRAS = {"google.cloud.aiplatform.prediction": "prediction"}


@dataclass(frozen=True, slots=True)
class TorchvisionRelease:
    """A release of torchvision: which torch it asks for, and the Pythons (`3.10`) that have a wheel."""

    version: Version
    torch: SpecifierSet
    pythons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TorchPairs:
    """The table of torch and torchvision, oldest first.

    Attributes:
        torchvision: version → release.
        torch: version → the Pythons that have a wheel; not every torch is in it.
        source: what the table was read in.
        read_on: the day, as `2026-11-22`. What was published later is not in it.
    """

    torchvision: Mapping[Version, TorchvisionRelease]
    torch: Mapping[Version, tuple[str, ...]]
    source: str
    read_on: str

    def for_torch(self, torch: Version) -> tuple[TorchvisionRelease, ...]:
        """Return the releases of torchvision that ask for this torch, oldest first."""
        public = Version(torch.public)
        return tuple(r for r in self.torchvision.values() if r.torch.contains(public, prereleases=True))


@cache
def torch_pairs() -> TorchPairs:
    """Return the table of torch and torchvision pairs."""
    table = _table("torch_pairs.json")
    return TorchPairs(
        torchvision={
            (version := Version(text)): TorchvisionRelease(version, SpecifierSet(row["torch"]), tuple(row["pythons"]))
            for text, row in table["torchvision"].items()
        },
        torch={Version(text): tuple(pythons) for text, pythons in table["torch"].items()},
        source=table["source"],
        read_on=table["read_on"],
    )


@dataclass(frozen=True, slots=True)
class Drivers:
    """The least NVIDIA driver for each major version of CUDA, on Linux.

    Attributes:
        least: CUDA's major version → the first number of the driver's version.
        source: what the table was read in.
        read_on: the day, as `2026-11-30`. A CUDA that came later is not in it.
    """

    least: Mapping[int, int]
    source: str
    read_on: str


@cache
def drivers() -> Drivers:
    """Return the table of drivers."""
    table = _table("drivers.json")
    return Drivers({int(cuda): least for cuda, least in table["least"].items()}, table["source"], table["read_on"])


@dataclass(frozen=True, slots=True)
class TorchBuild:
    """The build of a minor release of torch that the default index has for Linux x86-64.

    Attributes:
        cuda: the CUDA that it was built for, such as "12.8".
        glibc: the oldest C library that its wheels run on.
        architectures: the compute capabilities that it has kernels for, as `7.5`; empty if they were not read.
    """

    cuda: str
    glibc: Version
    architectures: tuple[Version, ...]


@dataclass(frozen=True, slots=True)
class TorchBuilds:
    """The table of torch's builds, and the compute capability of every accelerator type of Vertex AI."""

    builds: Mapping[str, TorchBuild]
    capabilities: Mapping[str, Version]
    source: str
    read_on: str

    def of(self, torch: Version) -> TorchBuild | None:
        """Return the build of a torch; patch releases of a minor one are built alike."""
        return self.builds.get(f"{torch.major}.{torch.minor}")


@cache
def torch_builds() -> TorchBuilds:
    """Return the table of torch's builds."""
    table = _table("torch_builds.json")
    return TorchBuilds(
        builds={
            minor: TorchBuild(row["cuda"], Version(row["glibc"]), tuple(map(Version, row["architectures"])))
            for minor, row in table["torch"].items()
        },
        capabilities={name: Version(text) for name, text in table["capabilities"].items()},
        source=table["source"],
        read_on=table["read_on"],
    )


@dataclass(frozen=True, slots=True)
class PrebuiltImages:
    """The prebuilt PyTorch prediction images: version, as `2.4` → the day from which it is unavailable.

    Older ones are gone already; a version that is neither in the table nor older is not judged.
    """

    ends: Mapping[str, date]
    python: str
    source: str
    read_on: str

    def end_of(self, version: str) -> date | None:
        """Return the day from which an image is unavailable; `date.min` if it is gone; None if unknown."""
        oldest = min(Version(known) for known in self.ends)
        return date.min if Version(version) < oldest else self.ends.get(version)


@cache
def prebuilt_images() -> PrebuiltImages:
    """Return the table of prebuilt prediction images."""
    table = _table("prebuilt_images.json")
    ends = {version: date.fromisoformat(day) for version, day in table["ends"].items()}
    return PrebuiltImages(ends, table["python"], table["source"], table["read_on"])


@cache
def model_names() -> Mapping[str, frozenset[str]]:
    """Return the table of torchvision's models: name of the builder → the first parts of the names of its weights."""
    rows = _table("model_names.json")["torchvision"]
    return {builder: frozenset(row["names"]) for row in rows for builder in row["builders"]}


def library_of(image: str) -> str:
    """Return the C library of a base image by its name: a version of glibc, "musl", or "" if the name does not say."""
    for pattern, library in _table("base_images.json")["libraries"]:
        if re.search(pattern, image):
            return str(library)
    return ""


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine type of Vertex AI, and which accelerators a replica on it may have.

    Attributes:
        processors: its vCPUs.
        memory: its GiB, which Google's pages call GB; 0 if the table does not have it.
        accelerators: type → the numbers that it may have; empty if it takes no accelerator.
        built_in: whether it always comes with them.
    """

    processors: int
    memory: float
    accelerators: Mapping[str, tuple[int, ...]]
    built_in: bool


@dataclass(frozen=True, slots=True)
class Machines:
    """The table of machine types for online prediction.

    Attributes:
        machines: machine type → machine.
        quotas: accelerator type → the metric of Vertex AI's quota for it, without `aiplatform.googleapis.com/`.
        source: what the table was read in.
        read_on: the day, as `2026-11-22`. What came later is not in it.
    """

    machines: Mapping[str, Machine]
    quotas: Mapping[str, str]
    source: str
    read_on: str


@cache
def machines() -> Machines:
    """Return the table of machine types."""
    table = _table("machines.json")
    attachable: Mapping[str, Mapping[str, list[int]]] = table["attachable"]
    memory: Mapping[str, float] = table["memory"]
    known = {
        (name := f"{series}-{processors}"): Machine(
            processors,
            memory.get(name, processors * table["memory_per_processor"].get(series, 0)),
            {kind: tuple(numbers) for kind, numbers in attachable.get(name, {}).items()},
            built_in=False,
        )
        for series, sizes in table["processors"].items()
        for processors in sizes
    }
    for name, row in table["built_in"].items():
        # Several replicas may share the accelerators of some machines, each with a part of them.
        numbers = range(1 if row.get("shared") else row["number"], row["number"] + 1)
        known[name] = Machine(row["processors"], memory.get(name, 0), {row["type"]: tuple(numbers)}, built_in=True)
    return Machines(known, table["quotas"], table["source"], table["read_on"])


@dataclass(frozen=True, slots=True)
class SecretForm:
    """A form of keys or tokens: a regular expression, and the words of which a text that has one contains one.

    What an expression of `allowed` finds in it is an example.
    """

    regex: str
    words: tuple[str, ...]
    allowed: tuple[str, ...]


@cache
def secret_forms() -> Mapping[str, SecretForm]:
    """Return the table of the forms of keys and tokens, by name."""
    forms: Mapping[str, Any] = _table("secret_forms.json")["forms"]
    return {
        name: SecretForm(form["regex"], tuple(form["words"]), tuple(form["allowed"])) for name, form in forms.items()
    }


@dataclass(frozen=True, slots=True)
class SlimImages:
    """What the slim images of Python hold besides Python.

    Attributes:
        programs: names of programs.
        libraries: file names of libraries in the loader's folders.
        files: paths of single files.
        folders: paths of folders that they have as a whole; `{multiarch}` stands for the processor's.
        texts: files with the image's own users, path → content.
    """

    programs: frozenset[str]
    libraries: frozenset[str]
    files: frozenset[str]
    folders: tuple[str, ...]
    texts: Mapping[str, str]


@cache
def slim_images() -> SlimImages:
    """Return the table of slim images."""
    table = _table("slim_images.json")
    programs, libraries, files = (
        frozenset(name for names in table[kind].values() for name in names)
        for kind in ("programs", "libraries", "files")
    )
    return SlimImages(programs, libraries, files, tuple(table["folders"]), table["texts"])


def role_of(permission: str) -> tuple[str, str]:
    """Return the smallest predefined role of Google Cloud for a permission, and the kind of resource to grant it on.

    The role is "" if the table has none.
    """
    for pattern, role, kind in _table("roles.json")["roles"]:
        if fnmatchcase(permission, pattern):
            return str(role), str(kind)
    return "", "resource"


def distributions_of(module: str) -> tuple[str, ...]:
    """Return the canonical names of the distributions that may provide a module, the usual one first.

    A module that the table does not know is taken to come from the distribution of its own name, and one of a version
    of an API, such as `google.cloud.run_v2`, from that of the API.
    """
    table = _import_names()
    known: Mapping[str, list[str]] = table["distributions"]
    parts = module.split(".")
    for length in range(len(parts), 0, -1):
        if names := known.get(".".join(parts[:length])):
            return tuple(names)
    length = 1
    while length < len(parts) and ".".join(parts[:length]) in table["namespaces"]:
        length += 1
    name = "-".join(parts[:length])
    return (str(canonicalize_name(_API_VERSION.sub("", name) if length > 1 else name)),)


def extra_of(module: str) -> str:
    """Return the extra of its distribution that a module cannot be imported without; "" if it needs none."""
    return next((extra for name, extra in _EXTRAS.items() if f"{module}.".startswith(f"{name}.")), "")


def is_known(module: str) -> bool:
    """Return whether the table knows the distribution that provides a module; otherwise its name is a guess."""
    table = _import_names()
    parts = module.split(".")
    dotted = {".".join(parts[:length]) for length in range(1, len(parts) + 1)}
    return not dotted.isdisjoint(table["distributions"]) or parts[0] in table["same_name"]


def is_distribution_known(distribution: str) -> bool:
    """Return whether the table knows the modules of a distribution, by its canonical name."""
    table = _import_names()
    same_name = (str(canonicalize_name(module)) for module in table["same_name"])
    return distribution in same_name or any(distribution in names for names in table["distributions"].values())


def is_namespace(module: str) -> bool:
    """Return whether a module is a namespace that many distributions share, such as `google.cloud`."""
    return module in _import_names()["namespaces"]


def elsewhere(module: str) -> str:
    """Return where a module comes from whose name an index gives to another project; "" if that is not known of it."""
    return str(_import_names()["elsewhere"].get(module.partition(".")[0], ""))


def _import_names() -> dict[str, Any]:
    return _table("import_names.json")


@cache
def _table(name: str) -> dict[str, Any]:
    text = resources.files("seatrial.facts").joinpath("tables", name).read_text(encoding="utf-8")
    table: dict[str, Any] = json.loads(text)
    return table
