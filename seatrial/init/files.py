"""The files that a project lacks, as texts with one line of why for each."""

from __future__ import annotations

import ast
import contextlib
import fnmatch
import json
import os
import re
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seatrial import __version__
from seatrial.errors import UsageError
from seatrial.facts.packages import requirements
from seatrial.facts.repository.script import Script
from seatrial.init import predictor
from seatrial.init.layout import double_quoted
from seatrial.init.versions import choose_pair, requirement_lines
from seatrial.system.files import repository_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.facts.repository.read import Repository
    from seatrial.init.choosing import Chosen
    from seatrial.init.notes import Notes

_MODULES = ("predictor", "serving_predictor", "seatrial_predictor")  # names for the module, the first that is free
_RECORDER = "record_golden.py"
_WORKFLOW = ".github/workflows/seatrial.yml"
_CALLS_US = re.compile(r"uses:\s*\S*seatrial\S*\.github/workflows/")
_OTHER_SOURCE = "requirements-serving.in"  # where requirements.txt is training's own
_LARGE = 100_000_000  # bytes; GitHub refuses larger files


@dataclass(frozen=True, slots=True)
class File:
    """A file to write.

    Attributes:
        path: relative to the root; of the repository's workflow perhaps above it.
        text: the content, or what is appended to it.
        why: in one line.
        append: whether `text` goes to the end of a file that is there.
        source: a file to copy instead of a text.
    """

    path: str
    text: str
    why: str
    append: bool = False
    source: Path | None = None


def files_for(repository: Repository, chosen: Chosen, python: str, notes: Notes) -> tuple[File, ...]:
    """Return what is missing, in the order in which a reader wants to see it."""
    root = repository.root
    table = _table(root)
    has_table = table is not None
    module = _module(root, chosen)
    source = _source(root, notes)
    configured = str((table or {}).get("python", "")) if not (root / source).exists() else ""
    pair = choose_pair(repository, python or configured, notes)
    text = "" if chosen.theirs else double_quoted(predictor.text_of(chosen, pair.torchvision))
    target = f"{chosen.theirs.module}:{chosen.theirs.name}" if chosen.theirs else f"{module}:{predictor.CLASS}"
    target = str((table or {}).get("predictor", target))
    first_party, others = _imports(repository, chosen, text)
    packages = sorted({target.partition(":")[0].partition(".")[0], *first_party})
    found: list[File] = []
    if text and not has_table:
        found.append(File(f"{module}.py", text, "what ships: the class that the server asks"))
    found += [*_artifacts(root, chosen)]
    if not has_table:
        settings = _settings(chosen, target, pair.python, packages, source)
        found.append(
            File("pyproject.toml", settings, "what the tool reads", append=(root / "pyproject.toml").is_file())
        )
    if not (root / source).exists():
        lines = requirement_lines(repository, pair, others)
        width = max(len(line) for line, _ in lines)
        asked = "".join(f"{line:<{width}}  # {why}\n" for line, why in lines)
        found.append(File(source, asked, "what serving imports; `seatrial lock` pins it, with hashes"))
    found += [*_recorder(root, target), *_workflow(root), *_ignored(root, chosen)]
    return tuple(found)


def _table(root: Path) -> dict[str, Any] | None:
    """Return [tool.seatrial]; None if there is none.

    Raises:
        UsageError: pyproject.toml is no valid TOML.
    """
    try:
        tool = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8")).get("tool", {})
    except FileNotFoundError:
        return None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"{root / 'pyproject.toml'} is not valid TOML: {error}") from None
    table = tool.get("seatrial") if isinstance(tool, dict) else None
    return table if isinstance(table, dict) else None


def _module(root: Path, chosen: Chosen) -> str:
    if chosen.theirs:
        return chosen.theirs.module
    free = (name for name in _MODULES if not (root / name).exists() and not (root / "src" / name).exists())
    return next((name for name in free if not (root / f"{name}.py").exists()), _MODULES[-1])


def _imports(repository: Repository, chosen: Chosen, text: str) -> tuple[set[str], set[str]]:
    """Return the first-party packages that serving imports, and the modules of others."""
    module = chosen.theirs.module if chosen.theirs else ""
    pending = [script for script in repository.scripts.all if script.module == module and module]
    if text:
        pending = [Script("", "", text, ast.parse(text))]
    seen: set[str] = set()
    first_party: set[str] = set()
    others: set[str] = {"torch", "torchvision"}
    while pending:
        script = pending.pop()
        for dotted in _imported(script):
            home = repository.scripts.module(dotted) or repository.scripts.module(dotted.rpartition(".")[0])
            if home and home.path not in seen:
                seen.add(home.path)
                first_party.add(home.module.partition(".")[0])
                pending.append(home)
            top = dotted.partition(".")[0]
            if not home and top not in sys.stdlib_module_names and top not in first_party and top != "__future__":
                others.add(dotted)
    return first_party, {name for name in others if name.partition(".")[0] not in first_party}


def _imported(script: Script) -> Iterator[str]:
    """Yield the modules that a file imports, in functions too, and the names that it takes of them."""
    for node in ast.walk(script.tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (script.imports.get(alias.asname or alias.name, node.module or "") for alias in node.names)


def _source(root: Path, notes: Notes) -> str:
    """Return the file of the requirements: another name where requirements.txt was written by hand."""
    lock = root / "requirements.txt"
    if (root / "requirements.in").exists() or not lock.is_file():
        return "requirements.in"
    with contextlib.suppress(UsageError):
        read = requirements.read(lock, root)
        if read.made_for or any(entry.hashes for entry in read.entries):
            return "requirements.in"
    notes.tell(
        "requirements",
        f"{_OTHER_SOURCE}, whose lock is beside it",
        "requirements.txt, which stays: it is written by hand",
    )
    return _OTHER_SOURCE


def _artifacts(root: Path, chosen: Chosen) -> Iterator[File]:
    weights = chosen.weights
    if weights and weights.source:
        target = f"{chosen.artifacts}/{weights.name}"
        if weights.source.resolve() != (root / target).resolve() and not (root / target).exists():
            shown = Path(os.path.relpath(weights.source, root)).as_posix()
            yield File(target, "", f"what load() reads, a copy of {shown}", source=weights.source)
    if chosen.labels and not (root / chosen.artifacts / "labels.json").exists():
        text = json.dumps(list(chosen.labels), ensure_ascii=False, indent=1) + "\n"
        yield File(f"{chosen.artifacts}/labels.json", text, "the names of the classes, in the order of the outputs")


def _settings(chosen: Chosen, target: str, python: str, packages: list[str], source: str) -> str:
    lines = [
        "[tool.seatrial]", f'predictor = "{target}"', f'artifacts = "{chosen.artifacts}"', f'python = "{python}"',
    ]  # fmt: skip
    if len(packages) > 1:
        lines.append(f"packages = {json.dumps(packages)}")
    if source != "requirements.in":
        lines += ["", "[tool.seatrial.lock]", f'requirements = "{source}"  # requirements.txt is training\'s']
    if chosen.fit and chosen.fit.channels == 1 and not (chosen.pipeline and "Grayscale" in chosen.pipeline.steps):
        lines += ["", "[tool.seatrial.serving.image]", 'mode = "L"  # the model takes one channel']
    return "\n".join(lines) + "\n"


def _recorder(root: Path, target: str) -> Iterator[File]:
    if (root / _RECORDER).exists():
        return
    module, _, name = target.partition(":")
    artifacts = "sys.argv[1]"
    text = f'''"""Records the golden answers: run it where the model was trained, with a handful of real images.

    pip install --no-deps git+https://github.com/seatrial/seatrial@v{__version__}
    python {_RECORDER} ARTIFACTS IMAGE...

The trial then compares the server's answers, and every stage before them, with those of training.
"""

import sys

from seatrial import golden

from {module} import {name}

predictor = {name}()
predictor.load({artifacts})
golden.record(predictor, sys.argv[2:], {artifacts})
'''
    if not target.endswith(":"):
        yield File(_RECORDER, text, "records what training answers, which the trial compares with")


def _workflow(root: Path) -> Iterator[File]:
    """Yield the workflow that calls ours, in the root of the repository, unless one does."""
    repository = repository_of(root)
    inside = root.resolve().relative_to(repository).as_posix()
    above = Path(os.path.relpath(repository, root)).as_posix()
    name = _WORKFLOW if inside == "." else _WORKFLOW.replace(".yml", f"-{re.sub(r'[^A-Za-z0-9]+', '-', inside)}.yml")
    path = name if above == "." else f"{above}/{name}"
    present = [file for file in (repository / ".github/workflows").glob("*.y*ml") if file.is_file()]
    texts = [text for file in present if _CALLS_US.search(text := file.read_text("utf-8", "replace"))]
    mine = re.compile(rf"project:\s*[\"']?(?:\./)?{re.escape(inside)}[\"'\s]")
    if (root / path).exists() or any(inside == "." or mine.search(f"{text} ") for text in texts):
        return
    with_project = "" if inside == "." else f"    with:\n      project: {inside}\n"
    text = f"""name: {Path(name).stem}
on:
  push:
    branches: [main]
  pull_request:
jobs:
  rehearse:
    permissions: {{contents: read}}
    uses: seatrial/seatrial/.github/workflows/rehearse.yml@v{__version__}  # a rehearsal; ship.yml makes it a deploy
{with_project}"""
    yield File(path, text, "proves every push, and rehearses its deploy")


def _ignored(root: Path, chosen: Chosen) -> Iterator[File]:
    """Yield what .gitignore lacks: the build folder, and that the artifacts are not ignored."""
    file = root / ".gitignore"
    present = [line.strip() for line in file.read_text("utf-8", "replace").splitlines()] if file.is_file() else []
    lines = [] if {"build", "build/", "/build", "/build/"} & set(present) else ["/build/"]
    weights = chosen.weights
    if weights and (weights.source is None or weights.source.stat().st_size < _LARGE):
        path = f"{chosen.artifacts}/{weights.name}"
        if f"!/{path}" not in present and any(_matches(line, path) for line in present):
            lines.append(f"!/{path}")
    if lines:
        text = "".join(f"{line}\n" for line in lines)
        yield File(".gitignore", text, "what is built stays out of git, and what ships is in it", append=bool(present))


def _matches(line: str, path: str) -> bool:
    """Return whether a plain line of .gitignore ignores a path, as far as names and `*` go."""
    pattern = line.removeprefix("/").removesuffix("/")
    if not pattern or line.startswith(("#", "!")):
        return False
    parts = path.split("/")
    whole = ["/".join(parts[: n + 1]) for n in range(len(parts))] if "/" in pattern or line.startswith("/") else parts
    return any(fnmatch.fnmatch(part, pattern) for part in whole)
