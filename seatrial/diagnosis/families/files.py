"""Files that cannot be opened: what their path tells, and what the project has of that name."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from seatrial.diagnosis.families.diagnosis import Diagnosis
from seatrial.diagnosis.families.whose import part_of, users_frame
from seatrial.diagnosis.raised import Owner
from seatrial.rules.serving.code import NO_FILE
from seatrial.rules.serving.container import OUTSIDE_TMP

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.diagnosis.families.diagnosis import Case
    from seatrial.diagnosis.raised import Raised
    from seatrial.findings import Finding

_ERRNO = re.compile(r"\[Errno (?P<number>\d+)\] (?P<what>[^:\n]+)(?:: b?'(?P<path>[^'\n]*)')?(?: -> '[^'\n]*')?")
# How libraries say that a file is not there; what follows is its path.
_SUFFIX = r"\.(?:pth?|onnx|ya?ml|json|txt|csv|pkl|joblib|safetensors|bin|names|cfg|ttf|h5|npy|npz|engine|tflite)"
_GONE = r"(?:does not exist|doesn't exist|not found|no such file|is not a file|cannot be found|could not be found)"
_LOOKED = (
    r"(?:no such file or directory|can't find|cannot find|could not find|failed to open|unable to (?:open|find|load))"
)
_SAID = (
    re.compile(rf"""(?i)\b(?:file|model|checkpoint|config\w*|weights?|path|font)\b[^'"\n]{{0,40}}['"](?P<path>[^'"\n]+)['"][^\n]{{0,20}}{_GONE}"""),
    re.compile(rf"""(?i){_LOOKED}(?: file)?[^\n'"]{{0,30}}?:?\s*['"]?(?P<path>(?:gs://|s3://|/|\.{{1,2}}/|[\w.-]+/)[^\s'"]+|[\w.-]+{_SUFFIX}\b)"""),
    re.compile(rf"(?P<path>[\w./-]+{_SUFFIX})(?: failed)?[:.]? (?:file )?{_GONE}", re.IGNORECASE),
)  # fmt: skip
_HYDRA = re.compile(
    r"Primary config (?P<kind>module|directory) '?(?P<what>[\w./-]+?)'? not found|Cannot find primary config "
    r"'(?P<name>[\w./-]+)'|Could not (?:find|load) '(?P<group>[\w./-]+)'"
)
_REMOTE = re.compile(r"^(?P<scheme>gs|s3|https?|hdfs|abfss?|dbfs):/{1,2}")
_HOME = re.compile(
    r"^(?:/home/|/Users/|/root/|[A-Za-z]:[\\/]|/content/|/kaggle/|/mnt/|/workspace/|/data/|/scratch|/Volumes/|~)"
)
_INSTALLED = re.compile(r"(?:^|/)(?:site|dist)-packages/(?P<inside>.+)$")
_WRITABLE = ("/tmp/", "/dev/shm/")  # noqa: S108 - where a server may write
_NOT_FOUND, _IS_FOLDER, _NOT_FOLDER, _DENIED = 2, 21, 20, 13


def of_exception(raised: Raised, case: Case) -> Iterator[Diagnosis]:
    """Judge a file that is not there, is a folder, or may not be opened."""
    if hydra := (_HYDRA.search(raised.message) if "hydra" in raised.type or "Config" in raised.name else None):
        yield Diagnosis(*_hydra(hydra, case), raised.position)
        return
    found = _ERRNO.match(raised.message)
    if found and int(found["number"]) in (_NOT_FOUND, _IS_FOLDER, _NOT_FOLDER, _DENIED):
        number, path = int(found["number"]), found["path"] or ""
    elif raised.name in (
        "FileNotFoundError",
        "OSError",
        "RuntimeError",
        "ValueError",
        "AssertionError",
        "NoSuchFile",
        "error",
    ):
        if "PytorchStreamReader" in raised.message:  # a file inside of an archive
            return
        said = next((m for pattern in _SAID if (m := pattern.search(raised.message))), None)
        if said is None:
            return
        number, path = _NOT_FOUND, said["path"].rstrip(".,;:")
    else:
        return
    if not path or _is_a_program(raised):
        return
    told = (
        _denied(path) if number == _DENIED else _folder(path) if number == _IS_FOLDER else _missing(path, raised, case)
    )
    if told is not None:
        yield Diagnosis(*told, raised.position)


def _missing(path: str, raised: Raised, case: Case) -> tuple[Finding, str]:
    message = f"the file `{path}` is not there"
    name = PurePosixPath(path.replace("\\", "/")).name
    if remote := _REMOTE.match(path):
        finding = NO_FILE.finding(
            f"`{path}` is an address, and a function for files opened it",
            cause=f"open(), torch.load and most libraries read files of this machine only; {remote['scheme']}:// is an "
            "address",
            fix="serving has already copied the artifacts: open the file below the folder that load() gets"
            + ("; or fetch it with google.cloud.storage or fsspec" if remote["scheme"] == "gs" else ""),
        )
        return finding, f"the path begins {remote['scheme']}:"
    if inside := _INSTALLED.search(path.replace("\\", "/")):
        return _beside(path, inside["inside"], raised, case)
    beside = _copied(path, raised)
    if beside:
        return _beside(path, beside, raised, case)
    if _HOME.match(path):
        finding = NO_FILE.finding(
            message,
            cause="it is a path of the machine that trained, and the server has no such folder",
            fix=f"put `{name}` into the artifacts folder and open it below the path that load() gets",
        )
        return finding, "the path is absolute, and in a folder of a person or of a training machine"
    at = _in_project(path, case)
    line = users_frame(raised)
    if not path.startswith(("/", "~")):
        finding = NO_FILE.finding(
            message,
            cause="the path is relative to the current folder, and the server does not start in the project's folder"
            + (f"; {at} is in the project" if at else ""),
            fix=f"put `{name}` into the artifacts folder and open it below the path that load() gets; for a file that "
            "belongs to the code, use importlib.resources and let it ship with the package (package data)",
        )
        return finding, "the path is relative" + (f", in {line.function}" if line and line.function else "")
    finding = NO_FILE.finding(
        message,
        cause=f"{at} is in the project, but not what was copied to that place"
        if at
        else "nothing that ships puts a file there",
        fix=f"ship `{name}`: put it into the artifacts folder, and open it below the path that load() gets",
    )
    return finding, "Python cannot open the path"


def _beside(path: str, inside: str, raised: Raised, case: Case) -> tuple[Finding, str]:
    """Judge a file that a module looks for beside itself."""
    part = next((p for f in reversed(raised.frames) if (p := part_of(f)) and inside.startswith(_top(f.module))), None)
    top = inside.split("/")[0]
    if part is not None:
        finding = NO_FILE.finding(
            f"{part.known} lacks its own file `{inside}`",
            subject=part.name,
            cause="the wheel was built without this file, or the file is made or downloaded at another step",
            fix=f"pin another release of {part.name}, or look up in its documentation how the file is made; then run "
            "`seatrial lock`",
        )
        return finding, f"the path lies in the folder of {part.name}"
    name = PurePosixPath(inside).name
    finding = NO_FILE.finding(
        f"`{inside}` is not packaged: the wheel of the project does not have the file",
        cause=f"a module of `{top}` opens it beside itself, and only Python files ship with a package by default",
        fix="ship it as package data: name it in `package-data` of [tool.seatrial] (or setuptools' package-data, "
        f"MANIFEST.in); or put `{name}` into the artifacts folder and open it below the path that load() gets",
    )
    return finding, "the path lies beside the project's installed modules"


def _copied(path: str, raised: Raised) -> str:
    """Return the path below a module of the project whose folder the file was looked for in; "" if it is none's."""
    folders = {
        frame.file.replace("\\", "/").rpartition("/")[0] for frame in raised.frames if frame.owner is Owner.PROJECT
    }
    for folder in sorted(folders, key=len, reverse=True):
        if "/" in folder.strip("/") and path.startswith(f"{folder}/"):
            return f"{folder.rpartition('/')[2]}/{path[len(folder) + 1 :]}"
    return ""


def _folder(path: str) -> tuple[Finding, str]:
    finding = NO_FILE.finding(
        f"`{path}` is a folder, and a function for files opened it",
        cause="load() gets the folder of the artifacts, not a file in it",
        fix='open the file in it: os.path.join(path, "weights.pt")',
    )
    return finding, "Python says that the path is a folder"


def _denied(path: str) -> tuple[Finding, str] | None:
    if path.startswith(_WRITABLE):
        return None
    finding = OUTSIDE_TMP.finding(
        f"the user of the server may not open `{path}`",
        cause="the container runs as a user without root's rights, and the file belongs to another one or is new there",
        fix="write only below /tmp; for a file of the image, give it to the user that serves: COPY --chown=… or chmod "
        "a+r",
    )
    return finding, "the system refused to open the path"


def _hydra(found: re.Match[str], case: Case) -> tuple[Finding, str]:
    what = found["what"] or found["name"] or found["group"]
    finding = NO_FILE.finding(
        f"Hydra does not find its configuration `{what}`",
        cause="the YAML files beside the modules are not packaged: only Python files ship with a package by default, "
        "and a folder without __init__.py is no module",
        fix=f"ship the .yaml files of `{what}` as package data: name them in `package-data` of [tool.seatrial] (or "
        "setuptools' package-data), with an __init__.py in the folder; or save the composed configuration into the "
        "artifacts and read it with OmegaConf.load",
    )
    return finding, "Hydra names the module or folder of the configuration"


def _in_project(path: str, case: Case) -> str:
    """Return where the project has a file of this name; "" if it has none."""
    if case.facts is None:
        return ""
    root, parts = case.facts.project.root, [p for p in path.replace("\\", "/").split("/") if p not in ("", ".", "..")]
    for start in range(len(parts)):
        for folder in ("", f"{case.facts.project.artifacts}/"):
            tail = folder + "/".join(parts[start:])
            if (root / tail).is_file():
                return tail
        if case.facts.project.is_remote and case.facts.project.has_artifact("/".join(parts[start:])):
            return f"{case.facts.project.artifacts}/{'/'.join(parts[start:])}"
    return ""


def _is_a_program(raised: Raised) -> bool:
    """Return whether a program was to be started, and not a file opened."""
    return any(frame.module == "subprocess" for frame in raised.frames[-3:])


def _top(module: str) -> str:
    return f"{module.partition('.')[0]}/"
