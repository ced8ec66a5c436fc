"""Check the code of public repositories that do not use the tool, and count what is found, so that it can be judged.

`survey.txt` names the projects. CLONES has a folder OWNER+NAME for each repository, with the files of the commit. Each
project is copied to WORK/NUMBER-NAME and gets a pyproject.toml that names its predictor and every package of its own
that this imports; WORK/NUMBER-NAME.json has the findings. docs/precision.md tells how they were judged.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from seatrial.facts.python.module import Module
from seatrial.facts.python.syntax import read_module
from seatrial.facts.tables import distributions_of

LIST = Path(__file__).with_suffix(".txt")
TIMEOUT = 300.0  # seconds of one check or lock
# What the projects import and no lock can have: modules of their own, and distributions that need a compiler or more.
NEVER_LOCKED = {
    "apex", "backend", "configs", "criteria", "datamod", "detectron2", "dlib", "editings", "ee", "fairscale",
    "google-cloud", "google-cloud-artifactregistry", "inplace-abn", "mc", "models", "options", "psycopg2-binary",
    "pyradiomics", "tensorflow", "train", "training", "util", "utils", "video-util", "weather",
}  # fmt: skip
_ALWAYS = ("torch", "torchvision", "pillow")  # what every lock has


@dataclass(frozen=True, slots=True)
class Surveyed:
    """One project of a repository.

    Attributes:
        number: its place in the list.
        repository: owner/name.
        commit: the beginning of its hash.
        folder: the folder of the project in it.
        predictor: as in [tool.seatrial].
        requirements: where its requirements.txt is, from the folder.
    """

    number: int
    repository: str
    commit: str
    folder: str
    predictor: str
    requirements: str = "requirements.txt"

    @property
    def name(self) -> str:
        """The name of its folder in WORK."""
        return f"{self.number:03d}-{self.repository.rpartition('/')[2]}"


def read(file: Path = LIST) -> list[Surveyed]:
    """Return the projects of a list."""
    lines = [line for line in file.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    return [Surveyed(number, *line.split()) for number, line in enumerate(lines)]


def make(surveyed: Surveyed, clones: Path, work: Path) -> Path:
    """Make a project from its repository, and return its folder."""
    repository, folder = clones / surveyed.repository.replace("/", "+"), work / surveyed.name
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(repository / surveyed.folder, folder, ignore_dangling_symlinks=True)
    requirements = _requirements(repository, surveyed)
    for name in ("requirements.in", "requirements.txt"):
        if requirements is not None:
            (folder / name).write_text(requirements, encoding="utf-8")
    own = [top for top, _ in _followed(folder, surveyed.predictor.partition(":")[0])]
    packages = json.dumps(list(dict.fromkeys(own)))
    with (folder / "pyproject.toml").open("a", encoding="utf-8") as file:
        file.write(f'\n[tool.seatrial]\npredictor = "{surveyed.predictor}"\npackages = {packages}\n')
    return folder


def lock(folder: Path, predictor: str, python: str, before: str) -> bool:
    """Lock what a project imports, as published before a date; return whether that can be locked."""
    followed = list(_followed(folder, predictor.partition(":")[0]))
    own = {top for top, _ in followed}
    foreign = {
        i.module
        for _, module in followed
        for i in (module.imports if module else ())
        if i.runs and not i.lazy and i.module.partition(".")[0] not in own | sys.stdlib_module_names
    }
    names = {*_ALWAYS, *(distributions_of(name)[0] for name in foreign)} - NEVER_LOCKED
    (folder / "requirements.in").write_text("".join(f"{name}\n" for name in sorted(names)), encoding="utf-8")
    (folder / "requirements.txt").unlink(missing_ok=True)
    command = ["uv", "pip", "compile", "-q", "--no-header", "--generate-hashes", f"--python-version={python}"]
    dated = [f"--exclude-newer={before}"] if before else []
    files = ["requirements.in", "-o", "requirements.txt"]
    ran = subprocess.run([*command, *dated, *files], cwd=folder, timeout=TIMEOUT, capture_output=True, check=False)
    setting = folder / "pyproject.toml"
    text = setting.read_text(encoding="utf-8")
    setting.write_text(text.replace("[tool.seatrial]\n", f'[tool.seatrial]\npython = "{python}"\n'), encoding="utf-8")
    return ran.returncode == 0


def check(folder: Path, *, offline: bool) -> list[dict[str, Any]]:
    """Check a project, keep the findings beside its folder, and return them."""
    command = [sys.executable, "-m", "seatrial", "check", "--format", "json", "--project", str(folder.resolve())]
    more = ["--offline"] if offline else []
    ran = subprocess.run([*command, *more], capture_output=True, text=True, timeout=TIMEOUT, check=False)
    if "Traceback" in ran.stderr or not ran.stdout:
        raise SystemExit(f"{folder.name}: the check crashed\n{ran.stderr}")
    folder.with_name(f"{folder.name}.json").write_text(ran.stdout, encoding="utf-8")
    findings: list[dict[str, Any]] = json.loads(ran.stdout)["findings"]
    return findings


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the projects, check them and print how many findings of each rule there are."""
    parser = argparse.ArgumentParser(prog="nox -s survey --", description=__doc__)
    parser.add_argument("clones", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--list", type=Path, default=LIST, help="the projects (default: benchmarks/survey.txt)")
    parser.add_argument("--lock", metavar="PYTHON", help="lock what each imports, and ask the index: 3.11")
    parser.add_argument("--before", metavar="DATE", default="", help="lock what was published before it: 2023-02-01")
    given = parser.parse_args(arguments)
    count: Counter[tuple[str, str]] = Counter()
    for surveyed in read(given.list):
        folder = make(surveyed, given.clones, given.work)
        if given.lock and not lock(folder, surveyed.predictor, given.lock, given.before):
            sys.stdout.write(f"{surveyed.name} cannot be locked\n")
            continue
        count.update((one["code"], one["severity"]) for one in check(folder, offline=not given.lock))
    sys.stdout.writelines(f"| {code} | {severity} | {number} |\n" for (code, severity), number in sorted(count.items()))
    return 0


def _requirements(repository: Path, surveyed: Surveyed) -> str | None:
    """Return what a project says that it needs: its requirements.txt, or the packages of its cog.yaml."""
    file = repository / surveyed.folder / surveyed.requirements
    if file.is_file():
        return file.read_text("utf-8", "replace")
    for cog in (repository / surveyed.folder / "cog.yaml", repository / "cog.yaml"):
        if cog.is_file():
            build = yaml.safe_load(cog.read_text(encoding="utf-8")).get("build") or {}
            return "".join(f"{package}\n" for package in build.get("python_packages") or ()) or None
    return None


def _followed(root: Path, module: str) -> Iterator[tuple[str, Module | None]]:
    """Yield the modules of a project that one of them imports, each with the top-level name that it lies below."""
    pending, seen = [module], set[str]()
    while pending:
        name = pending.pop()
        top = name.partition(".")[0]
        homes = [h for h in (root, root / "src") if (h / f"{top}.py").is_file() or next((h / top).rglob("*.py"), None)]
        if name in seen or not homes:
            continue
        seen.add(name)
        pending += [name.rpartition(".")[0]] if "." in name else []
        inside = homes[0].joinpath(*name.split("."))
        file = next((f for f in (inside.with_name(f"{inside.name}.py"), inside / "__init__.py") if f.is_file()), None)
        found = read_module(file, name, file.relative_to(root).as_posix()) if file else None
        yield top, found if isinstance(found, Module) else None
        if isinstance(found, Module):
            pending += [candidate for imported in found.imports for candidate in imported.candidates()]


if __name__ == "__main__":
    sys.exit(main())
