"""The objects of Git LFS, with the real git-lfs: when a cache is asked, its key, and a changed object is noticed."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.workflows import linting

_, _, _, VERIFY = STEPS = list(linting.steps(linting.read(ROOT / ".github/actions/lfs/action.yml")))
POINTERS = STEPS[0]


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=test", "-c", "user.email=test@example.com"]
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, timeout=60)


def ran(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    output = folder.with_name("output")
    output.write_text("")
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "GITHUB_OUTPUT": str(output)}
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]  # as the runner starts bash
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False
    )  # fmt: skip


def key(folder: Path) -> str:
    done = ran(POINTERS["run"], folder)
    assert done.returncode == 0, done.stderr
    return folder.with_name("output").read_text().strip().partition("=")[2]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Make a repository with one file."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    git(folder, "init", "--quiet")
    (folder / "README.md").write_text("a predictor\n")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message=first")
    return folder


def test_a_repository_without_lfs_asks_no_cache(checkout: Path) -> None:
    assert key(checkout) == ""


def test_a_checkout_that_git_cannot_read_is_no_repository_without_lfs(tmp_path: Path) -> None:
    folder = tmp_path / "checkout"
    folder.mkdir()
    assert ran(POINTERS["run"], folder).returncode != 0


def test_the_key_follows_the_objects_and_a_changed_object_is_noticed(checkout: Path) -> None:
    assert shutil.which("git-lfs"), "git-lfs must be there: .ci/run installs it"
    git(checkout, "lfs", "install", "--local")
    git(checkout, "lfs", "track", "*.pt")
    keys = []
    for weights in (b"one", b"two"):
        (checkout / "models").mkdir(exist_ok=True)
        (checkout / "models/weights.pt").write_bytes(weights)
        git(checkout, "add", "--all")
        git(checkout, "commit", "--quiet", "--message=weights")
        keys.append(key(checkout))
    assert all(len(each) == 64 for each in keys)
    assert keys[0] != keys[1]
    assert ran(VERIFY["run"], checkout).returncode == 0
    for stored in (checkout / ".git/lfs/objects").rglob("*"):
        if stored.is_file():
            stored.chmod(0o644)
            stored.write_bytes(b"eve")  # of the same size
    assert ran(VERIFY["run"], checkout).returncode != 0
