"""What a sealed process sees: its environment, its bundle, Python, and what a slim image holds of the system.

The system's files are this machine's own, as stand-ins for those of the image: a program, library or file is shown if
the table of slim images has its name. Nothing is started or changed here.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from seatrial.environment.interpreter import Interpreter
from seatrial.environment.store import Copy
from seatrial.facts import tables
from seatrial.facts.packages.elf import needed
from seatrial.facts.tables import SlimImages
from seatrial.image.contents import Contents

PROGRAM_FOLDERS = ("/usr/bin", "/usr/sbin", "/bin", "/sbin")
EMPTY_FOLDERS = ("/home", "/opt", "/root", "/run", "/usr/local/bin", "/usr/local/lib", "/var/tmp")  # noqa: S108 - shown
SHARED_MEMORY = 64 * 2**20  # bytes; what docker gives a container, as `docker run --help` says of --shm-size
USER = 12345  # neither root nor one that the image names
HOST = "predictor"  # the name of the machine that the process sees
# What the system says of its machine, and the second start of a full trial says of the configured one.
OF_MACHINE = ("/proc/meminfo", "/sys/devices/system/cpu/online")
TEMPORARY = "/tmp"  # noqa: S108 - the path that a container has
_TEXTS = {
    "/etc/hosts": f"127.0.0.1 localhost\n::1 localhost\n127.0.0.1 {HOST}\n",
    "/etc/hostname": f"{HOST}\n",
    "/etc/resolv.conf": "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n",  # looking up a name fails at once
    "/etc/timezone": "Etc/UTC\n",
    "/etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
}
_NAMING = ("/etc/hosts", "/etc/hostname")
_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
_LINKS = {
    "/etc/localtime": "/usr/share/zoneinfo/Etc/UTC",
    "/dev/fd": "/proc/self/fd", "/dev/stdin": "fd/0", "/dev/stdout": "fd/1", "/dev/stderr": "fd/2",
}  # fmt: skip
_OURS = ("PATH", "HOME", "HOSTNAME", "LD_LIBRARY_PATH")
_WHOLE_SYSTEM = ("/", "/usr", "/usr/local")  # a Python that is installed here shares the folder with others
_SKIPPED = "_tkinter."  # of Python's own extensions: its libraries are not in the slim images

# What the driver of an NVIDIA GPU brings into a container, by the "driver capabilities" of NVIDIA's Container Toolkit.
_GPU_DEVICES = ("/dev/nvidia*", "/dev/dxg")
_GPU_LIBRARIES = ("libcuda.so*", "libcudadebugger.so*", "libnvidia-*.so*", "libnvcuvid.so*", "libnvoptix.so*")
_GPU_PROGRAMS = ("nvidia-smi", "nvidia-debugdump", "nvidia-persistenced", "nvidia-cuda-mps-control")
_GPU_FOLDERS = ("/usr/lib/wsl", "/run/nvidia-persistenced", "/usr/share/nvidia")


@dataclass(frozen=True, slots=True)
class Shown:
    """A file or folder of this machine, the place where it is seen, and whether it may be changed."""

    place: str
    source: str
    writable: bool = False


@dataclass(frozen=True, slots=True)
class View:
    """All that a sealed process sees.

    Attributes:
        shown: files and folders of this machine.
        links: symbolic links, place → target.
        texts: files that are made for it, place → content.
        loader_list: the program that lists libraries for the loader, "" if there is none.
    """

    shown: tuple[Shown, ...]
    links: dict[str, str]
    texts: dict[str, str]
    loader_list: str

    def texts_on(self, host: str) -> dict[str, str]:
        """Return the files that are made for it on a machine of this name."""
        return self.texts | {place: _TEXTS[place].replace(HOST, host) for place in _NAMING}

    def has(self, path: str) -> bool:
        """Return whether there is something at a path."""
        first, _, rest = path[1:].partition("/")
        if rest and (target := self.links.get(f"/{first}")):  # /bin is a link to /usr/bin on most systems
            path = f"/{target.lstrip('/')}/{rest}"
        shown = self._at(path)
        return (
            path in self.texts
            or path in self.links
            or (shown is not None and os.path.lexists(shown.source + path[len(shown.place) :]))
        )

    def is_writable(self, path: str) -> bool:
        """Return whether something at a path may be changed."""
        shown = self._at(path)
        return shown is not None and shown.writable

    def _at(self, path: str) -> Shown | None:
        """Return what is shown at a path: the innermost, where one lies in another."""
        over = [s for s in self.shown if path == s.place or path.startswith(f"{s.place}/")]
        return max(over, key=lambda s: len(s.place), default=None)


@dataclass(frozen=True, eq=False, slots=True)
class Target:
    """The image that a trial stands for.

    Attributes:
        has: names of programs and libraries, and paths, that it has besides what `contents` tells.
        contents: what it holds, if it could be listed; otherwise it is taken for a slim image of Python.
        own: the variables that the model version gives its container.
        shared_memory: bytes of /dev/shm in the container.
    """

    has: tuple[str, ...] = ()
    contents: Contents | None = None
    own: Mapping[str, str] = field(default_factory=dict)
    shared_memory: int = SHARED_MEMORY

    @property
    def table(self) -> SlimImages:
        """Its programs, libraries and files."""
        return self.contents.table if self.contents else tables.slim_images()

    @property
    def variables(self) -> dict[str, str]:
        """Its environment variables, but for those that the trial sets itself, and Python's, which `-I` ignores."""
        if self.contents is None:
            return {"LANG": "C.UTF-8", **self.own}
        given = {**self.contents.variables, **self.own}.items()
        return {name: text for name, text in given if name not in _OURS and not name.startswith("PYTHON")}


SLIM = Target()


def of(copy: Copy, device: str, target: Target = SLIM) -> View:
    """Return what a process in a trial's copy sees on `cpu` or `cuda`."""
    own = (
        Shown(str(copy.path / "environment"), str(copy.path / "environment")),
        *(Shown(str(place), str(source)) for place, source in copy.hollow()),
        Shown(str(copy.folder("served")), str(copy.folder("served"))),
        *(Shown(str(copy.folder(name)), str(copy.folder(name)), writable=True) for name in WRITABLE),
        Shown(TEMPORARY, str(copy.folder("tmp")), writable=True),
    )
    system = _system(copy.kept.interpreter, target)
    gpu = tuple(_gpu()) if device == "cuda" else ()
    links = {place: os.readlink(place) for place in _top_links()} | _LINKS  # noqa: PTH115
    texts = dict(target.table.texts) | _TEXTS
    loader_list = next((s.place for s in system if s.place.endswith("/ldconfig")), "")
    return View((*system, *gpu, *own), links, texts, loader_list)


WRITABLE = ("work", "home", "tmp", "noted")  # folders of a copy


@cache
def _system(interpreter: Interpreter, target: Target) -> tuple[Shown, ...]:
    table = target.table
    named = [name for name in target.has if "/" not in name]
    paths = [
        *(f"{folder}/{name}" for folder in _real(PROGRAM_FOLDERS) for name in (*table.programs, *named)),
        *(f"{folder}/{name}" for folder in loader_folders() for name in (*table.libraries, *named)),
        *map(_merged, table.files),
        *(path for path in target.has if path.startswith("/")),
        *(folder.replace("{multiarch}", _multiarch()) for folder in table.folders),
        *_of_python(interpreter),
    ]
    there = [path for path in paths if os.path.exists(path)]  # noqa: PTH110 - thousands of paths
    folders = tuple(f"{path}/" for path in there if os.path.isdir(path))  # noqa: PTH112
    shown = {path: Shown(path, path) for path in there if not path.startswith(folders)}
    for name in _DEVICES:
        shown[f"/dev/{name}"] = Shown(f"/dev/{name}", f"/dev/{name}", writable=True)
    return (*shown.values(), Shown("/proc", "/proc", writable=True), Shown("/sys", "/sys"))


def _of_python(interpreter: Interpreter) -> Iterator[str]:
    """Yield the paths of Python itself, and of the libraries that it and its extensions are linked with."""
    yield str(interpreter.executable)
    yield str(interpreter.executable.resolve())
    prefix = interpreter.prefix
    if str(prefix) in _WHOLE_SYSTEM:
        yield from map(str, interpreter.libraries)
    else:
        yield str(prefix)
        yield str(prefix.resolve())
        yield str(interpreter.executable.parent.parent)
    extensions = [file for folder in interpreter.libraries for file in (folder / "lib-dynload").glob("*.so")]
    pending = [interpreter.executable.resolve(), *(f for f in extensions if not f.name.startswith(_SKIPPED))]
    folders = [f"{prefix}/lib", *loader_folders()]
    seen: set[str] = set()
    while pending:
        for name in needed(pending.pop()):
            if name in seen:
                continue
            seen.add(name)
            if found := next((f"{folder}/{name}" for folder in folders if Path(folder, name).exists()), None):
                yield found
                pending.append(Path(found))


def _gpu() -> Iterator[Shown]:
    """Yield what an NVIDIA driver brings."""
    for pattern in _GPU_DEVICES:
        for device in Path("/").glob(pattern[1:]):
            yield Shown(str(device), str(device), writable=True)
    given = [folder for folder in os.environ.get("LD_LIBRARY_PATH", "").split(os.pathsep) if Path(folder).is_dir()]
    for folder in dict.fromkeys([*loader_folders(), *(folder for folder in given if folder.startswith("/"))]):
        for pattern in _GPU_LIBRARIES:
            yield from (Shown(str(library), str(library)) for library in Path(folder).glob(pattern))
    for path in [*(f"{folder}/{name}" for folder in _real(PROGRAM_FOLDERS) for name in _GPU_PROGRAMS), *_GPU_FOLDERS]:
        if Path(path).exists():
            yield Shown(path, path)


@cache
def loader_folders() -> tuple[str, ...]:
    """Return the folders in which the loader of this machine looks for libraries."""
    several = _multiarch()
    return _real((f"/usr/lib/{several}", f"/lib/{several}", "/usr/lib64", "/lib64", "/usr/lib", "/lib"))


def _real(folders: tuple[str, ...]) -> tuple[str, ...]:
    """Return those that exist, each once: /lib is a link to /usr/lib on most systems."""
    found = [folder for folder in folders if os.path.isdir(folder)]  # noqa: PTH112
    return tuple(f for f in found if os.path.realpath(f) == f or os.path.realpath(f) not in found)


def _merged(path: str) -> str:
    """Return where a path of an image lies on this machine, on which /lib may be a link to /usr/lib."""
    first, _, rest = path[1:].partition("/")
    target = os.readlink(f"/{first}") if rest and f"/{first}" in _top_links() else ""  # noqa: PTH115
    return f"/{target.lstrip('/')}/{rest}" if target else path


@cache
def _top_links() -> list[str]:
    """Return the links such as /lib → usr/lib."""
    return [place for place in ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32") if os.path.islink(place)]  # noqa: PTH114


def _multiarch() -> str:
    return f"{platform.machine()}-linux-gnu"
