"""What a base image that is on this machine holds besides Python: programs, libraries, files.

Its own Python lists it once; the list is kept by the image's id. Nothing is pulled.
"""

from __future__ import annotations

import json
import os
import platform
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seatrial.containers import engine as engines
from seatrial.containers.engine import Engine
from seatrial.errors import EnvironmentFaultError, UsageError
from seatrial.facts.tables import SlimImages, slim_images
from seatrial.project import Project
from seatrial.system import files
from seatrial.system.cache import cache_dir

_ROOTS = ("/usr/share", "/usr/lib", "/usr/local/share", "/etc", "/opt")
_TIMEOUT = 120.0  # seconds; an image of several GB from a slow disk
_PROGRAM = re.compile(r"/(?:usr/|usr/local/)?s?bin/([^/]+)")
_LIBRARY = re.compile(r"/(?:usr/|usr/local/)?lib(?:64|/[a-z0-9_]+-linux-gnu)?/([^/]+\.so(?:\.[^/]*)?)")
_ASK = ("image", "inspect", "--format", "{{.Id}} {{json .Config.Env}}")
# Prints what an image has; documentation and Python's own folders are left out, which the environment replaces.
_LIST = r"""
import json, os, re
left_out = re.compile(r"/usr/share/(doc|man|info|locale|lintian|bug|bash-completion)|.*/(python3[^/]*|include|src)")
paths, texts = [], {}
for root in ("/bin", "/sbin", "/lib", "/lib64", "/usr", "/etc", "/opt"):
    if os.path.islink(root):
        continue
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if not left_out.fullmatch(folder + "/" + name)]
        paths += [folder + "/" + name for name in names]
        paths += [folder + "/" + name for name in folders if os.path.islink(folder + "/" + name)]
for name in os.listdir("/etc"):
    path = "/etc/" + name
    if os.path.isfile(path) and os.access(path, os.R_OK) and os.path.getsize(path) < 65536:
        with open(path, encoding="utf-8", errors="replace") as file:
            texts[path] = file.read()
print(json.dumps({"paths": paths, "texts": texts}))
"""


@dataclass(frozen=True, slots=True)
class Contents:
    """What an image holds.

    Attributes:
        name: of the image, as the project names it.
        table: its programs, libraries and files.
        variables: its environment variables.
    """

    name: str
    table: SlimImages
    variables: dict[str, str]


def of_base(project: Project) -> Contents | str:
    """Return what the configured base image holds, or why that cannot be told here, in words."""
    reference = project.image.base
    if not reference:
        return "no base image is configured"
    try:
        engine = engines.find(project.image.engine)
        code, printed = engine.output([*_ASK, reference], timeout=60)
    except (EnvironmentFaultError, UsageError) as error:
        return error.message.splitlines()[0]
    if code != 0:
        return f"{engine.name} does not have {reference} on this machine"
    image_id, _, variables = printed.strip().partition(" ")
    kept = cache_dir() / "images" / f"{image_id.rpartition(':')[2]}.json"
    listed = _kept(kept) or _listed(project, engine, reference)
    if isinstance(listed, str):
        return listed
    kept.parent.mkdir(parents=True, exist_ok=True)
    files.write(kept, json.dumps(listed))
    pairs = (text.partition("=") for text in json.loads(variables) or ())
    return Contents(reference, _table(listed), {name: value for name, _, value in pairs})


def _kept(file: Path) -> dict[str, Any] | None:
    try:
        listed = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return listed if isinstance(listed, dict) and {"paths", "texts"} <= listed.keys() else None


def _listed(project: Project, engine: Engine, reference: str) -> dict[str, Any] | str:
    """Let the image's own Python list it."""
    printed = ""
    for program in (f"python{project.python}", "python3", "/usr/local/bin/python3", "/usr/bin/python3"):
        code, printed = engine.output(
            [
                "run", "--rm", "--pull=never", "--network=none", "--read-only", "--cap-drop=all", "--user=65532:65532",
                f"--entrypoint={program}", reference, "-I", "-S", "-c", _LIST,
            ],
            timeout=_TIMEOUT,
        )  # fmt: skip
        if code == 0:
            try:
                listed: dict[str, Any] = json.loads(printed.splitlines()[-1])
            except (ValueError, IndexError):
                break
            return listed
    return f"{engine.name} could not list {reference}: {(printed.splitlines() or ['no output'])[-1][:200]}"


def _table(listed: dict[str, Any]) -> SlimImages:
    """Return what was listed in the form of the table of slim images."""
    programs, libraries, others = set(), set(), set()
    for path in listed["paths"]:
        if found := _PROGRAM.fullmatch(path):
            programs.add(found[1])
        elif found := _LIBRARY.fullmatch(path):
            libraries.add(found[1])
        elif os.path.dirname(path) != "/etc":  # noqa: PTH120 - thousands of paths
            others.add(path)
    whole = [folder for folder in slim_images().folders if _has(others, folder)]
    alike = list(_alike(others))
    inside = tuple(f"{_here(folder)}/" for folder in (*whole, *alike))
    rest = {path for path in others if not path.startswith(inside)}
    return SlimImages(frozenset(programs), frozenset(libraries), frozenset(rest), (*whole, *alike), listed["texts"])


def _has(paths: set[str], folder: str) -> bool:
    start = f"{_here(folder)}/"
    return any(path.startswith(start) for path in paths)


def _here(folder: str) -> str:
    return folder.replace("{multiarch}", f"{platform.machine()}-linux-gnu")


def _alike(paths: set[str]) -> list[str]:
    """Return the folders of this machine that hold nothing but what the image holds at the same place."""
    folders: set[str] = set()
    for path in paths:
        while (path := os.path.dirname(path)) not in folders and path != "/":  # noqa: PTH120 - thousands of paths
            folders.add(path)
    found: list[str] = []
    for root in _ROOTS:
        if root in folders and _is_alike(root, paths, folders, found):
            found.append(root)
    return found


def _is_alike(folder: str, paths: set[str], folders: set[str], found: list[str]) -> bool:
    """Return whether the image has all that a folder of this machine holds; if not, add the parts that it has."""
    alike, parts = True, []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if not entry.is_dir(follow_symlinks=False):
                    alike = alike and entry.path in paths
                elif entry.path in folders and _is_alike(entry.path, paths, folders, found):
                    parts.append(entry.path)
                else:
                    alike = False
    except OSError:
        return False
    if not alike:
        found += parts
    return alike
