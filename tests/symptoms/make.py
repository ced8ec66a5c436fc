"""Installs each environment of `cases`, runs what fails in it, and writes each text into texts/, with its header.

`nox -s symptoms` runs it; names as arguments choose cases. Environments are made and removed one at a time: the
largest takes 6 GB. Needs Debian 12's `unshare`, and root for the cases that hide a network, a library or a disk.
"""

from __future__ import annotations

import argparse
import datetime
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from seatrial.environment.interpreter import uv
from tests.symptoms.cases import ENVIRONMENTS, Case, Environment
from tests.symptoms.stored import TEXTS, Stored, read

INSTALL_TIMEOUT = 1800  # seconds
SETTINGS = re.compile(r"(?:PIP|UV|PYTHON|VIRTUAL_ENV)")  # of whoever runs this; a text shall not depend on them
INDEX_LINE = re.compile(r"^(?:Looking in (?:indexes|links): .*|Using CPython .*|Using Python .*)\n", re.MULTILINE)
INDEX_HOST = re.compile(
    r"https?://(?!download\.pytorch\.org|github\.com|docs\.|pip\.|[\w.-]*localhost)[\w.-]+(?=/(?:simple|packages|pypi))"
)
INDEX_NAME = re.compile(
    r"host='[\w.-]+'(?=, port=443\): Max retries)|(?<=https://)(?:pypi\.org|files\.pythonhosted\.org)|\bpypi\.org\b"
)
PID = re.compile(r"(?<=\[)\d{4,7}(?=\])|(?<=pid: )\d{4,7}|(?<=pid:)\d{4,7}")


def main() -> int:
    """Make the texts that are asked for; 1 where one could not be made."""
    parser = argparse.ArgumentParser(prog="nox -s symptoms --", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="of cases (default: all)")
    parser.add_argument("--relabel", action="store_true", help="run nothing; write the cases' codes into the headers")
    arguments = parser.parse_args()
    if arguments.relabel:
        return _relabel()
    chosen = set(arguments.names)
    failures: list[str] = []
    with tempfile.TemporaryDirectory(prefix="seatrial-symptoms-") as folder:
        Path(folder).chmod(0o755)  # one case runs as nobody
        place = Path(folder) / "predictor"
        place.mkdir()
        for environment in ENVIRONMENTS:
            wanted = [case for case in environment.cases if not chosen or case.name in chosen]
            if wanted:
                failures += _environment(environment, wanted, Path(folder), place)
    sys.stdout.write("".join(f"not made: {failure}\n" for failure in failures))
    return 1 if failures else 0


def _relabel() -> int:
    for case in (case for environment in ENVIRONMENTS for case in environment.cases if case.rule):
        file = TEXTS / f"{case.name}.txt"
        if file.is_file():
            replace(read(file), rule=case.rule).write(file)
    return 0


def _environment(environment: Environment, cases: Sequence[Case], folder: Path, place: Path) -> Iterator[str]:
    target = folder / "app"
    sys.stdout.write(f"{environment.python}: {' '.join((*environment.requirements, *environment.forced))}\n")
    try:
        _install(environment, target)
        for case in cases:
            text = _run(case, target, place)
            if case.rule and len(text.splitlines()) < 1:
                yield f"{case.name}: it wrote nothing"
            elif case.rule:
                _store(case, environment, target, text)
            sys.stdout.write(f"  {case.name:<24}{(text.strip().splitlines() or [''])[-1][:110]}\n")
            sys.stdout.flush()
    except subprocess.SubprocessError as error:
        yield f"{environment.requirements}: {error}"
    finally:
        shutil.rmtree(target, ignore_errors=True)


def _install(environment: Environment, target: Path) -> None:
    def installer(*arguments: str) -> None:
        subprocess.run([uv(), *arguments], check=True, timeout=INSTALL_TIMEOUT, capture_output=True)

    installer("venv", "--python", environment.python, str(target))
    for requirements, more in ((environment.requirements, ()), (environment.forced, ("--no-deps",))):
        if requirements:
            installer("pip", "install", "--python", str(target / "bin/python"), *more, *requirements)


def _run(case: Case, target: Path, place: Path) -> str:
    site = next(target.glob("lib/python*/site-packages"))
    shutil.rmtree(site / "predictor", ignore_errors=True)
    (site / "predictor").mkdir()
    (site / "predictor/__init__.py").write_text(case.load, encoding="utf-8")
    for name, content in case.files:
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(content)
        (place / name).chmod(0o755)
    env = {name: value for name, value in os.environ.items() if not SETTINGS.match(name)}
    programs = f"{target}/bin:{Path(uv()).parent}:{env['PATH']}"
    env |= {"PATH": programs, "VIRTUAL_ENV": str(target), "PIP_CONFIG_FILE": os.devnull,
            "PIP_DISABLE_PIP_VERSION_CHECK": "1", "UV_NO_CONFIG": "1", "UV_NO_PROGRESS": "1", "COLUMNS": "120",
            "NO_COLOR": "1", "HOME": str(place)}  # fmt: skip
    if case.train:
        (place / "train.py").write_text(case.train, encoding="utf-8")
        subprocess.run([target / "bin/python", "train.py"], cwd=place, env=env, check=True, timeout=300)
    process = subprocess.Popen(
        case.command, cwd=place, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    )
    try:
        printed, _ = process.communicate(timeout=case.seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 15)
        printed, _ = process.communicate(timeout=30)
    return _neutral(printed.decode(errors="replace"), target, place)


def _neutral(text: str, target: Path, place: Path) -> str:
    """Take out of a text what belongs to the machine that it was made on."""
    python = (target / "bin/python").resolve().parent.parent
    for path, neutral in ((place, "/home/server"), (target, "/app"), (python, "/usr/local"), (target.parent, "/srv")):
        text = text.replace(str(path), neutral).replace(path.name if path == target.parent else str(path), neutral)
    text = INDEX_LINE.sub("", text).replace("\r", "\n")
    text = INDEX_NAME.sub("index.example", INDEX_HOST.sub("https://index.example", text))
    return PID.sub("17", text)


def _store(case: Case, environment: Environment, target: Path, text: str) -> None:
    version = subprocess.run(
        [target / "bin/python", "-c", "import platform; print(platform.python_version())"],
        capture_output=True, text=True, check=True, timeout=60,
    ).stdout.strip()  # fmt: skip
    installed = " ".join((*environment.requirements, *environment.forced))
    made = f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d} on Python {version} with {installed}"
    command = " ".join(case.command).replace("\n", " ")
    Stored(case.rule, text, made=made, command=command, own=case.own).write(TEXTS / f"{case.name}.txt")


if __name__ == "__main__":
    sys.exit(main())
