"""The hook for pre-commit: it names a command that exists, and pre-commit itself installs and runs it."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.cli.process import seatrial
from tests.projects.base import TRANSFORMS, made

ROOT = Path(__file__).parents[2]


def test_the_hook_is_a_command_of_ours_that_takes_no_file_names(tmp_path: Path) -> None:
    (hook,) = YAML(typ="safe").load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    assert (hook["id"], hook["language"], hook["pass_filenames"]) == ("seatrial-check", "python", False)
    program, *arguments = shlex.split(hook["entry"])
    assert program == "seatrial"
    project = made(tmp_path, {})
    assert seatrial(*arguments, cwd=project.root).returncode == 0


@pytest.mark.proof
def test_pre_commit_installs_the_hook_with_nothing_but_our_dependencies_and_runs_it(tmp_path: Path) -> None:
    project = made(tmp_path / "project", {})
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}  # the hook has its own install

    def run(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=project.root, env={**kept, "PRE_COMMIT_HOME": str(tmp_path / "home")},
            capture_output=True, text=True, check=False, timeout=600,
        )  # fmt: skip

    def hook() -> subprocess.CompletedProcess[str]:
        assert run("git", "add", "--all").returncode == 0
        return run(sys.executable, "-m", "pre_commit", "try-repo", str(ROOT), "seatrial-check")

    assert run("git", "init", "--quiet").returncode == 0
    passed = hook()
    assert passed.returncode == 0, passed.stdout + passed.stderr
    (project.root / "predictor/transforms.py").write_text(f"import cv2\n{TRANSFORMS}")
    failed = hook()
    assert failed.returncode == 1
    assert "error[ST110]: `cv2` is imported, but no requirement provides it" in failed.stdout
