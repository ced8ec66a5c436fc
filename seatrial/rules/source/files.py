"""Family 2, files: what the code reads by a path that only this machine has.

The server has the installed package and the artifacts, and nothing else of the project's folder.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from seatrial.facts.file_uses import FileUse, Origin
from seatrial.facts.predictor import Kind
from seatrial.facts.python.calls import method_of
from seatrial.findings import Severity
from seatrial.rules.cloud import EXITED_SOURCE
from seatrial.rules.imports import is_certain
from seatrial.rules.rule import Rule
from seatrial.serving.interfaces import INTERFACES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from seatrial.facts.gather import Facts
    from seatrial.findings import Finding

_NO_FILE = "FileNotFoundError: [Errno 2] No such file or directory"

BESIDE = Rule(
    code="ST210",
    title="a file beside the code that does not ship",
    explanation=(
        "The code reads a file or a folder by its place beside a module. The package holds modules, and other files "
        "only if `package-data` in [tool.seatrial] names them; of the folders above the package it holds nothing. The "
        "tables of build backends (setuptools' package-data, hatch's force-include, poetry's include), MANIFEST.in and "
        "setup.py are not read: what ships, and its digest, would depend on the version of a backend, and most of them "
        "take every file of a package, caches and credentials too. On the machine where it was trained the code runs "
        "from the project's folder, where everything is there."
    ),
    fix="name the file in `package-data` in [tool.seatrial], or put it into the artifacts and read it from there",
    cloud=_NO_FILE,
    sources=(
        "https://packaging.python.org/en/latest/discussions/package-discovery-and-resource-inclusion/",
        "https://setuptools.pypa.io/en/latest/userguide/datafiles.html",
        EXITED_SOURCE,
    ),
    detected=(
        "Paths of `__file__`, importlib.resources, pkgutil.get_data, pkg_resources and hydra.initialize in calls that "
        "serving reaches, followed through variables and modules, against the project's files and `package-data`. It "
        "only warns if serving may not make the call, if it cannot be seen whether the function opens the path, or if "
        "another server runs the code. It is silent if the call is in a try, if its function asks whether the file is "
        "there, or if part of the path is unknown."
    ),
    bad='LABELS = json.loads((Path(__file__).parent / "labels.json").read_text())',
    good='package-data = ["predictor/labels.json"]  # in [tool.seatrial]',
)

RELATIVE = Rule(
    code="ST211",
    title="a path relative to the working directory",
    explanation=(
        "The code reads a relative path, which begins at the working directory. While it was written that was the "
        "project's folder; in the image it is `/`, and the trial starts the server in an empty folder. The artifacts "
        "are in the folder whose path the predictor gets."
    ),
    fix="read the file from the folder of the artifacts that the predictor gets",
    cloud=_NO_FILE,
    sources=("https://docs.python.org/3/library/os.html#os.getcwd", EXITED_SOURCE),
    detected=(
        "Relative paths in calls that serving reaches, followed through variables and modules, if the project has the "
        "file, in its root or in the artifacts. It only warns if serving may not make the call, if it cannot be "
        "seen whether the function opens the path, or if another server runs the code. It is silent if the code "
        "changes its working directory, or downloads the artifacts into it as Google's SDK does."
    ),
    bad='torch.load("artifacts/weights.pt")',
    good='torch.load(Path(artifacts_uri) / "weights.pt")',
)

ABSOLUTE = Rule(
    code="ST212",
    title="a path that only one machine has",
    explanation=(
        "The code reads an absolute path, or one in the home folder, of the machine where it was written. The image "
        "has no such folder: its user has no home, and the artifacts are in the folder whose path the predictor gets."
    ),
    fix="read the file from the folder of the artifacts that the predictor gets",
    cloud=_NO_FILE,
    sources=("https://docs.python.org/3/library/pathlib.html#pathlib.Path.home", EXITED_SOURCE),
    detected=(
        "Absolute paths and paths of the home folder in calls that serving reaches, followed through variables and "
        "modules. Folders that every image has (/etc, /usr, /tmp, …) do not count. It is an error in the folders of "
        "people and notebooks (/home, /Users, C:\\, /content, /kaggle), and a warning elsewhere, where a mount may be, "
        "if serving may not make the call, or if another server runs the code. It is silent if the call is in a try, "
        "or if its function asks whether the file is there."
    ),
    bad='torch.load("/home/anna/digits/weights.pt")',
    good='torch.load(Path(artifacts_uri) / "weights.pt")',
)

_ASKS = re.compile(r"\b(?:exists|is_file|is_dir|isfile|isdir|lexists|environ|getenv)\b")
_MOVES = re.compile(r"^os\.f?chdir$|(?:^|\.)download_model_artifacts$|(?:^|\.)(?:chdir|working_directory)$")
# What a slim image has, and where images are commonly told to put things.
_OF_IMAGES = re.compile(r"^/(?:etc|usr|tmp|proc|sys|dev|var|bin|lib|lib64|run|opt|app|srv|sbin)(?:/|$)|^/$")
_OF_PEOPLE = re.compile(r"^(?:~|/(?:home|Users|content|kaggle|root|Volumes|gdrive)(?:/|$)|[A-Za-z]:[\\/])")


@BESIDE.decided_by
def _beside(facts: Facts) -> Iterator[Finding]:
    for use in _judged(facts, Origin.MODULE):
        if not use.kind or use.ships:
            continue
        if use.path.startswith("..") or use.path == ".":
            continue  # not the project's, or its folder as such
        yield BESIDE.finding(
            f"`{use.path}` {_verb(use)} by its place beside {use.module.path}, but it does not ship",
            severity=_severity(use, facts),
            location=use.call.location,
            subject=use.path,
            cause=_why_absent(use, facts) + _elsewhere(facts),
            fix=_how_to_ship(use, facts),
        )


@RELATIVE.decided_by
def _relative(facts: Facts) -> Iterator[Finding]:
    if any(map(_MOVES.search, facts.sources.calls().names)):
        return
    artifacts, is_remote = facts.project.artifacts, facts.project.is_remote
    for use in _judged(facts, Origin.FOLDER):
        inside = facts.project.has_artifact(use.path) and use.path != "."
        if use.path in (".", "..") or not (use.kind or inside):
            continue
        where = use.path if use.kind else f"{artifacts}/{use.path}"
        is_artifact = not use.kind or use.path == artifacts or use.path.startswith(f"{artifacts}/")
        home = "the artifacts" if is_remote and not use.kind else "the project's folder"
        yield RELATIVE.finding(
            f"`{use.path}` {_verb(use)} relative to the working directory",
            severity=_severity(use, facts),
            location=use.call.location,
            subject=use.path,
            cause=f"{where} is in {home}, and the server is started elsewhere, in the image in `/`" + _elsewhere(facts),
            fix=_from_artifacts(where.removeprefix(f"{artifacts}/"), facts)
            if is_artifact
            else _how_to_ship(use, facts),
        )


@ABSOLUTE.decided_by
def _absolute(facts: Facts) -> Iterator[Finding]:
    for origin in (Origin.ABSOLUTE, Origin.HOME):
        for use in _judged(facts, origin):
            of_people = bool(_OF_PEOPLE.match(use.path))
            if _OF_IMAGES.match(use.path) or not (use.reads or (of_people and origin is Origin.ABSOLUTE)):
                continue
            what = "in the home folder, which the server's user does not have" if use.path[0] == "~" else "absolute"
            name = use.path.replace("\\", "/").rpartition("/")[2]
            yield ABSOLUTE.finding(
                f"`{use.path}` {_verb(use)}, a path that is {what}",
                severity=_severity(use, facts) if of_people else Severity.WARNING,
                location=use.call.location,
                subject=use.path,
                cause=(
                    "the image does not have this folder"
                    if of_people
                    else "the image has this folder only if something is mounted there"
                )
                + _elsewhere(facts),
                fix=_from_artifacts(name, facts),
            )


def _judged(facts: Facts, origin: Origin) -> Iterator[FileUse]:
    """Yield the uses of an origin whose failure nothing expects."""
    uses = [use for use in facts.file_uses if use.origin is origin]
    asking = (
        {(m.name, call.function) for m, call in facts.sources.calls().where(lambda name: _ASKS.search(method_of(name)))}
        if uses
        else set()
    )
    for use in uses:
        context, name = use.call.context, use.path.rpartition("/")[2]
        expected = (
            context.tried
            or "contextlib.suppress()" in context.withs
            or any(map(_ASKS.search, context.guards))
            or (use.module.name, context.function) in asking
        )
        if not expected and not name.startswith(".env"):  # such a file is optional to all that read it
            yield use


def _severity(use: FileUse, facts: Facts) -> Severity:
    sure = use.reads and is_certain(use.module, use.call.context, facts) and not _elsewhere(facts)
    return Severity.ERROR if sure else Severity.WARNING


def _elsewhere(facts: Facts) -> str:
    """Say that another server than ours runs the code, whose image may have the project's folder; "" if none does."""
    predictor = facts.predictor
    if predictor.kind not in (Kind.APPLICATION, Kind.HANDLER):
        return ""
    return f"; an image of your own that starts {predictor.server} may have it"


def _verb(use: FileUse) -> str:
    if not use.reads:
        return f"is given to `{use.call.written or use.call.method}`"
    return "is read"


def _in_package(path: str, facts: Facts) -> bool:
    inside = facts.project.shipped_path(path).split("/")
    return len(inside) > 1 and inside[0] in facts.project.packages


def _why_absent(use: FileUse, facts: Facts) -> str:
    if _in_package(use.path, facts):
        others = _joined(facts.other_data)
        unread = f"; [tool.seatrial] alone decides what ships, and not {others}" if others else ""
        return f"the package holds only modules and what `package-data` names, and it names no {use.path}{unread}"
    return "it is outside of the package, and the server does not have the project's folder"


def _joined(names: Sequence[str]) -> str:
    *first, last = names or ("",)
    return f"{', '.join(first)} or {last}" if first else last


def _how_to_ship(use: FileUse, facts: Facts) -> str:
    artifacts = facts.project.artifacts
    if use.path.startswith(f"{artifacts}/") or use.path == artifacts:
        return _from_artifacts(use.path.removeprefix(artifacts).strip("/"), facts)
    pattern = f"{use.path}/**/*" if use.kind == "folder" else use.path
    setting = "add it to `package-data` in [tool.seatrial]" if facts.project.package_data else "to [tool.seatrial] add"
    line = f'"{pattern}"' if facts.project.package_data else f'package-data = ["{pattern}"]'
    if _in_package(use.path, facts):
        return f"{setting}: `{line}`"
    return "move it into the package and name it in `package-data`, or into the artifacts and read it from there"


def _from_artifacts(name: str, facts: Facts) -> str:
    """Return how the predictor reads a file of the artifacts."""
    module = facts.sources.modules.get(facts.project.predictor_module)
    methods = module.uses.functions if module else {}
    given = "artifacts_uri"
    for interface in INTERFACES:
        method = methods.get(f"{facts.project.predictor_class}.{interface.loader}")
        if method and len(method.parameters) > 1:
            given = method.parameters[1]
    read = f'`Path({given}) / "{name}"`' if name else f"`{given}`"
    return f"read it from the folder of the artifacts, which {_loaders(facts)} gets: {read}"


def _loaders(facts: Facts) -> str:
    module = facts.sources.modules.get(facts.project.predictor_module)
    functions = module.uses.functions if module else {}
    known = [i.loader for i in INTERFACES if f"{facts.project.predictor_class}.{i.loader}" in functions]
    return f"{known[-1]}()" if known else "load()"
