"""Damaged projects: whatever a file holds, the check ends with findings or a sentence, never with a traceback."""

from __future__ import annotations

import io
import random
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from seatrial.cli.main import main

FEW = 6  # of the damages are tried with every change; the others are a proof
DEEP = (b"[", b'{"a":', b"(", b"a=[", b"x = -(", b"- - - ", b" \n")
ODD = (b"1e999", b"-1", b"null", b"9" * 5000, b'"\\ud800"', b"[]", b"{}", "é".encode(), b"\xed\xa0\x80", b"%s")


def damaged(data: bytes, chance: random.Random) -> bytes:
    """Return the content of a file, damaged in one of the ways in which files are."""
    middle = len(data) // 2
    flipped = bytearray(data)
    for _ in range(min(len(data), 5)):
        flipped[chance.randrange(len(data))] = chance.randrange(256)
    lines = data.splitlines(keepends=True)
    return chance.choice(
        [
            chance.randbytes(chance.randrange(400)),
            data[: chance.randrange(len(data) + 1)],
            data.decode("latin-1").encode("utf-16"),
            b"\xff\xfe\x00" + data,
            data.replace(b"\n", b"\r") + b"\x00",
            chance.choice(DEEP) * chance.choice([200, 5000]),
            bytes(flipped),
            b"".join(chance.sample(lines, len(lines))),
            data[:middle] + chance.choice(ODD) + data[middle:],
        ]
    )


@pytest.fixture
def project(copied: Callable[[str], Path]) -> Path:
    """Return a project with every kind of file that the check reads."""
    folder = copied("tests/projects/packaged-transform")
    (folder / "Dockerfile").write_text("FROM python:3.11-slim\nCOPY . /app\nRUN pip install -r requirements.txt\n")
    (folder / "setup.py").write_text("from setuptools import setup\nsetup(name='x', packages=['predictor'])\n")
    (folder / ".github/workflows").mkdir(parents=True, exist_ok=True)
    steps = "jobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - run: gcloud ai models upload\n"
    (folder / ".github/workflows/ship.yml").write_text(f"on: push\n{steps}")
    if not (folder / "artifacts/manifest.json").exists():
        (folder / "artifacts/manifest.json").write_text('{"golden": {}, "model": {}}')
    return folder


@pytest.mark.parametrize(
    "seed", [seed if seed < FEW else pytest.param(seed, marks=pytest.mark.proof) for seed in range(300)]
)
def test_a_damaged_file_is_a_finding_or_a_sentence(
    project: Path, seed: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = io.BytesIO()
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(shown, "utf-8", "backslashreplace", write_through=True))
    chance = random.Random(seed)  # noqa: S311 - the same damages in every run
    file = chance.choice(sorted(path for path in project.rglob("*") if path.is_file() and "build" not in path.parts))
    file.write_bytes(damaged(file.read_bytes(), chance))
    assert main(["check", "--offline", "--project", str(project)]) in (0, 1, 2, 3)
    printed = shown.getvalue().decode() + capsys.readouterr().out
    assert "Traceback" not in printed
    assert "please report" not in printed
