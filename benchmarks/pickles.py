"""Compare the check with ModelAudit, fickling and picklescan on the corpus of dangerous pickles of the tests.

It writes the corpus into a temporary folder, asks each tool about every file, and writes the table in
docs/pickle-comparison.md. The other tools run in environments of their own, made from the package index. No file is
loaded by anything.
"""

from __future__ import annotations

import argparse
import datetime
import json
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from seatrial import __version__
from seatrial.environment.interpreter import uv
from seatrial.system import process
from tests.facts.checkpoints.dangerous import corpus
from tests.small_project import locked, small_project

PAGE = Path(__file__).parent.parent / "docs/pickle-comparison.md"
PINS = "torch==2.8.0 torchvision==0.23.0 numpy==2.3.3 pillow==11.3.0 jinja2==3.1.6 sympy==1.14.0 setuptools==80.9.0"
TIMEOUT = 1800.0  # seconds for one tool and all files
BAD, SUSPICIOUS, SILENT = "error", "warning", "nothing"
NEEDS = {"fickling": ("typing-extensions",)}  # which it imports and does not ask for
Verdicts = Mapping[str, str]  # file → what the tool says of it

# Each runs inside the environment of its tool: it prints a JSON object, file → verdict.
PICKLESCAN = """
import json, logging, sys
from pathlib import Path
from picklescan.scanner import SafetyLevel, scan_file_path
logging.disable(logging.CRITICAL)
told = {}
for name in json.load(sys.stdin):
    try:
        found = scan_file_path(str(Path(sys.argv[1], name)))
    except Exception:
        told[name] = "not read"
        continue
    levels = {g.safety for g in found.globals}
    bad = found.issues_count or SafetyLevel.Dangerous in levels
    odd = found.scan_err or SafetyLevel.Suspicious in levels
    told[name] = "error" if bad else "warning" if odd else "nothing"
print(json.dumps(told))
"""
FICKLING = """
import json, sys
from pathlib import Path
from fickling.analysis import Severity, check_safety
from fickling.fickle import Pickled, StackedPickle
told = {}
for name in json.load(sys.stdin):
    content = Path(sys.argv[1], name).read_bytes()
    try:
        worst = max(check_safety(each).severity.value[0] for each in StackedPickle.load(content))
    except Exception:
        told[name] = "not read"
        continue
    told[name] = "error" if worst >= Severity.LIKELY_UNSAFE.value[0] else "warning" if worst else "nothing"
print(json.dumps(told))
"""
MODELAUDIT = """
import json, logging, os, sys
from pathlib import Path
logging.disable(logging.CRITICAL)
from modelaudit.core import scan_model_directory_or_file
told = {}
for name in json.load(sys.stdin):
    try:
        found = scan_model_directory_or_file(str(Path(sys.argv[1], name)), timeout=60, cache_enabled=False)
    except Exception:
        told[name] = "not read"
        continue
    worst = {str(getattr(i.severity, "value", i.severity)).lower() for i in found.issues}
    told[name] = "error" if "critical" in worst else "warning" if "warning" in worst else "nothing"
print(json.dumps(told))
"""
TOOLS = {"picklescan": PICKLESCAN, "fickling": FICKLING, "modelaudit": MODELAUDIT}


def main() -> None:
    """Ask all tools and write the page; `--only` asks some, and prints what they say."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pickles", description=__doc__)
    parser.add_argument(
        "--only", action="append", choices=["seatrial", *TOOLS], help="ask this tool, and write nothing"
    )
    only = parser.parse_args().only
    with tempfile.TemporaryDirectory(prefix="seatrial-pickles-") as folder:
        files = {name: each.content for name, each in corpus().items()}
        project = small_project(Path(folder), {f"artifacts/{n}": c for n, c in files.items()} | locked(*PINS.split()))
        told: dict[str, Verdicts] = {}
        versions = {"seatrial": __version__}
        if not only or "seatrial" in only:
            told["seatrial"] = ours(project.root)
        for name, program in TOOLS.items():
            if not only or name in only:
                told[name], versions[name] = theirs(name, program, project.artifacts_dir, list(files))
    if only:
        sys.stdout.write(json.dumps(told, indent=1))
    else:
        PAGE.write_text(page(told, versions), encoding="utf-8")


def ours(project: Path) -> Verdicts:
    """Return what the command `seatrial check` says of each file."""
    command = [sys.executable, "-m", "seatrial", "check", "--offline", "--format", "json", "--project", str(project)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    told: dict[str, str] = {}
    for finding in json.loads(done.stdout)["findings"]:
        place = ((finding.get("location") or {}).get("path") or "").removeprefix("artifacts/")
        if place and told.get(place) != BAD and finding["severity"] in (BAD, SUSPICIOUS):
            told[place] = finding["severity"]
    return told


def theirs(name: str, program: str, folder: Path, files: list[str]) -> tuple[Verdicts, str]:
    """Return what another tool says of each file, and its version; it is installed into a temporary environment."""
    with tempfile.TemporaryDirectory(prefix=f"seatrial-{name}-") as made:
        python = str(Path(made, "bin/python"))
        for command in (
            [uv(), "venv", "--quiet", "--no-project", "--python", "3.11", made],
            [uv(), "pip", "install", "--quiet", "--no-config", "--python", python, name, *NEEDS.get(name, ())],
        ):
            subprocess.run(command, check=True, timeout=TIMEOUT, env=process.install_environment())
        version = f"from importlib.metadata import version; print(version({name!r}))"
        shown = subprocess.run([python, "-c", version], check=True, capture_output=True, text=True, timeout=60).stdout
        quiet = {
            "PATH": f"{made}/bin:/usr/bin:/bin",
            "HOME": made,
            "PROMPTFOO_DISABLE_TELEMETRY": "1",
            "NO_ANALYTICS": "1",
        }
        ran = subprocess.run(
            [python, "-c", program, str(folder)],
            input=json.dumps(files), check=True, capture_output=True, text=True, timeout=TIMEOUT, env=quiet, cwd=made,
        )  # fmt: skip
    told: Verdicts = json.loads(ran.stdout.splitlines()[-1])
    return told, shown.strip()


def page(told: Mapping[str, Verdicts], versions: Mapping[str, str]) -> str:
    """Return the page: what each tool says of each part of the corpus."""
    files = corpus()
    parts = {name.partition("/")[0]: [f for f in files if f.startswith(f"{name.partition('/')[0]}/")] for name in files}
    heads = "".join(f" {name} {versions[name]} |" for name in told)
    rows = [
        f"| {TITLES[part]} | {len(inside)} |" + "".join(f" {_counts(verdicts, inside)} |" for verdicts in told.values())
        for part, inside in parts.items()
    ]
    rows.append(f"| **all** | {len(files)} |" + "".join(f" {_counts(each, list(files))} |" for each in told.values()))
    today = datetime.datetime.now(tz=datetime.UTC).date().isoformat()
    return TEXT.format(
        heads=heads, lines="---|" * len(told), rows="\n".join(rows), today=today, python=platform.python_version()
    )


def _counts(verdicts: Verdicts, files: list[str]) -> str:
    said = [verdicts.get(name, SILENT) for name in files]
    numbers: list[Callable[[], str]] = [
        lambda: f"{said.count(BAD)} · {said.count(SUSPICIOUS)} · {said.count(SILENT)}",
        lambda: f" ({said.count('not read')} not read)" if "not read" in said else "",
    ]
    return "".join(number() for number in numbers)


TITLES = {
    "function": "calls of functions and classes",
    "instruction": "ways to call",
    "inside": "pickles inside and behind pickles",
    "archive": "archives",
    "packed": "compressed files",
    "named": "names that say nothing",
}
TEXT = """\
# Dangerous pickles: a comparison

How many files of a corpus each tool reports. `nox -s pickles` writes this page; every number is measured. The corpus is
`tests/facts/checkpoints/dangerous.py`: files written from opcodes, none of which is ever loaded. It was made for this
tool's own tests, so it shows where other tools are silent and not how good they are at their own aims.

Measured on {today} with Python {python}. A cell has errors · warnings · files without a word.

| part of the corpus | files |{heads}
|---|---|{lines}
{rows}

- *seatrial*: `seatrial check` in a project that locks torch, torchvision, numpy, Pillow, Jinja2, SymPy and setuptools.
- *picklescan*: `scan_file_path`; a dangerous name is an error, a suspicious name or a file that it cannot read is a
  warning.
- *fickling*: `check_safety` of every pickle that `StackedPickle.load` finds. From `LIKELY_UNSAFE` on it is an error. It
  reads pickles and no archives: those are counted as not read.
- *modelaudit*: `scan_model_directory_or_file`; a critical issue is an error, a warning is a warning.

What libraries really write is the other half: `tests/facts/checkpoints/libraries.json` has the names in the files of
more than 500 kinds of objects of torch, torchvision, timm, scikit-learn, Lightning, numpy, pandas and others, and the
check reports none of them. `tests/facts/checkpoints/make_libraries.py` makes it.
"""


if __name__ == "__main__":
    main()
