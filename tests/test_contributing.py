"""CONTRIBUTING.md: its steps do what they say."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
PARTS = ("seatrial", "tests", "tools", "docs", "predictor", "pyproject.toml")
CODE = "ST490"


def files_of(section: str) -> dict[str, str]:
    """Return the files that a section shows: the first line of each block names the file."""
    text = TEXT.partition(f"## {section}\n")[2].partition("\n## ")[0]
    blocks = re.findall(r"^ *```python\n(.+?)^ *```$", text, re.MULTILINE | re.DOTALL)
    named = [re.fullmatch(r"# (\S+)\n(.+)", textwrap.dedent(block), re.DOTALL) for block in blocks]
    return {block[1]: block[2] for block in named if block}


def test_a_rule_written_by_the_steps_passes_the_gate(tmp_path: Path) -> None:
    for part in PARTS:
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, tmp_path / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / part, tmp_path)
    files = files_of("Add a rule")
    assert len(files) == 3
    for name, text in files.items():
        assert not (tmp_path / name).exists()
        (tmp_path / name).write_text(text, encoding="utf-8")

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", *arguments],
            cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, timeout=240,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    run("seatrial.rules.page", "docs/rules")
    assert CODE in (tmp_path / "docs/rules/README.md").read_text(encoding="utf-8")
    # Two runs that clean up one folder of temporary files would disturb each other.
    quick = ["pytest", "-q", "-p", "no:cacheprovider", f"--basetemp={tmp_path / 'temporary'}"]
    tests = ["tests/rules/transforms/test_crops.py", "tests/rules/test_families.py", "-k", "crops or stands"]
    assert re.search(r"^5 passed", run(*quick, *tests), re.MULTILINE)
    assert "passed" in run(*quick, "tests/rules/test_twins.py", "tests/rules/test_pages.py", "-k", CODE)
    run("ruff", "check", "--no-cache", *files)
    run("ruff", "format", "--no-cache", "--check", *files)


def test_every_file_that_it_names_is_there() -> None:
    named = re.findall(r"`((?:seatrial|tests|docs|examples|tools)/[\w./-]+)`", TEXT)
    assert len(named) > 10
    assert [name for name in named if "NAME" not in name and not (ROOT / name).exists()] == []
