"""Measure how many failures of a folder of cases are told rightly: by kind, right, partly, silent or wrong.

A case is a folder with `case.json` and what it is judged by: `log.txt`, which `seatrial explain --log` reads, or
`project/`, which `seatrial check` and `seatrial smoke` judge. In case.json `must` and `must_not` are regular
expressions over what is printed; `verdict` is "finding", or "silence" if there is nothing to find; `by` names the
commands; `kind` groups the table. Wrong is worst: something false was said.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROCESSES = 2
TIMEOUT = 900.0  # seconds of one command
VERDICTS = ("right", "partly", "silent", "wrong")  # the best first
_CODE = re.compile(r"\bST\d{3}\b")
_ERROR = re.compile(r"^error(?:\[ST\d{3}\])?:", re.MULTILINE)  # not one that a warning quotes


@dataclass(frozen=True, slots=True)
class Case:
    """One failure, or one project without any.

    Attributes:
        folder: where it lies.
        kind: what kind of failure it is.
        by: the commands that judge it, in turn: `log`, `check`, `smoke`.
        must: what has to be printed.
        must_not: what is false.
        silence: whether there is nothing to find.
    """

    folder: Path
    kind: str
    by: tuple[str, ...]
    must: tuple[str, ...]
    must_not: tuple[str, ...]
    silence: bool


@dataclass(frozen=True, slots=True)
class Judged:
    """How a case was told."""

    case: Case
    verdict: str
    missing: tuple[str, ...] = ()
    false: tuple[str, ...] = ()


def read(folder: Path) -> list[Case]:
    """Return the cases of a folder."""
    return [_case(file) for file in sorted(folder.glob("*/case.json"))]


def judge(case: Case, *, smoke: bool) -> Judged:
    """Run the case's commands; what is found by one of them is found. Smoke is run only if it is asked for."""
    commands = [by for by in case.by if by != "smoke" or smoke]
    told = [_judged(case, by, *_run(case, by)) for by in commands]
    wrong = next((each for each in told if each.verdict == "wrong"), None)
    return wrong or min(told, key=lambda each: VERDICTS.index(each.verdict), default=Judged(case, "silent"))


def table(judged: Sequence[Judged]) -> list[str]:
    """Return the rows of the table in Markdown."""
    count = Counter((kind, each.verdict) for each in judged for kind in (each.case.kind, "all"))
    kinds = [*sorted({each.case.kind for each in judged}), "all"]
    rows = [f"| {kind} | {' | '.join(str(count[kind, verdict]) for verdict in VERDICTS)} |" for kind in kinds]
    return [f"| kind | {' | '.join(VERDICTS)} |", "|---|---|---|---|---|", *rows]


def main(arguments: Sequence[str] | None = None) -> int:
    """Judge the cases of a folder and print the table and what is not right; return 1 if anything is wrong."""
    parser = argparse.ArgumentParser(prog="nox -s recall --", description=__doc__)
    parser.add_argument("folder", type=Path, help="the folder with the cases")
    parser.add_argument("--smoke", action="store_true", help="run `seatrial smoke` too, where a case allows it")
    parser.add_argument("--only", metavar="REGEX", default="", help="only cases with such a name")
    given = parser.parse_args(arguments)
    cases = [case for case in read(given.folder) if re.search(given.only, case.folder.name)]
    if not cases:
        parser.error(f"{given.folder} has no cases")
    with ThreadPoolExecutor(PROCESSES) as pool:
        judged = list(pool.map(lambda case: judge(case, smoke=given.smoke), cases))
    _write("\n".join(table(judged)) + "\n")
    for each in sorted(judged, key=lambda each: -VERDICTS.index(each.verdict)):
        if each.verdict != "right":
            why = [f"not said: {text}" for text in each.missing] + [f"said: {text}" for text in each.false]
            _write(f"{each.verdict}: {each.case.folder.name}{''.join(f'{chr(10)}    {line}' for line in why)}\n")
    return int(any(each.verdict == "wrong" for each in judged))


def _case(file: Path) -> Case:
    read_: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return Case(
        folder=file.parent,
        kind=read_.get("kind") or "other",
        by=tuple(by for by in ("log", "check", "smoke") if re.search(rf"\b{by}\b", read_["by"])),
        must=tuple(read_.get("must", ())),
        must_not=tuple(read_.get("must_not", ())),
        silence=read_["verdict"] == "silence",
    )


def _run(case: Case, by: str) -> tuple[int, str]:
    """Run a command on a copy of the case; return its exit code and what it printed."""
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder) / "project"
        here.mkdir()
        if (case.folder / "project").is_dir():
            shutil.copytree(case.folder / "project", here, dirs_exist_ok=True)
        told = ["explain", "--log", str((case.folder / "log.txt").resolve())] if by == "log" else [by]
        command = [sys.executable, "-m", "seatrial", *told]
        ran = subprocess.run(command, cwd=here, capture_output=True, text=True, timeout=TIMEOUT, check=False)
    return ran.returncode, ran.stdout + ran.stderr


def _judged(case: Case, by: str, code: int, printed: str) -> Judged:
    flat = " ".join(printed.split())
    false = tuple(text for text in case.must_not if re.search(text, printed, re.IGNORECASE | re.DOTALL))
    if case.silence:  # what explain says of a failure that it does not recognise is marked as such by its exit code
        told = code == 0 and _CODE.search(printed) if by == "log" else _ERROR.search(printed)
        return Judged(case, "wrong" if false or told else "right", false=false)
    missing = tuple(
        text
        for text in case.must
        if not re.search(text, printed, re.IGNORECASE | re.DOTALL) and not re.search(text, flat, re.IGNORECASE)
    )
    verdict = "wrong" if false else "right" if not missing else "partly" if _CODE.search(printed) else "silent"
    return Judged(case, verdict, missing, false)


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
