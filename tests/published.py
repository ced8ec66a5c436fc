"""This repository as if it were published: on GitHub, with the tag of its version, as the pages name it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from seatrial import __version__
from tests.conftest import ROOT

_ADDRESS = "https://github.com/seatrial/seatrial"
_SAME = {  # the same files are the same commit, which uv then knows
    **{f"GIT_{who}_{what}": "test@localhost" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
    **{f"GIT_{who}_DATE": "2026-01-01T00:00:00Z" for who in ("AUTHOR", "COMMITTER")},
}


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """Commit and tag the files as they are here; return variables by which git finds that at GitHub's address."""
    there = tmp_path_factory.mktemp("published") / "seatrial"
    for name in _git(ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0"):
        if (ROOT / name).is_file():
            (there / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, there / name)
    _git(there, "init", "--quiet", "--initial-branch", "main")
    _git(there, "add", "--all", "--force")
    _git(there, "commit", "--quiet", "--message", "as published")
    _git(there, "tag", f"v{__version__}")
    return {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{there}.insteadOf",
        "GIT_CONFIG_VALUE_0": _ADDRESS,
        "UV_NO_GITHUB_FAST_PATH": "1",  # uv would ask GitHub's API, which knows nothing of these files
    }


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=folder, env={**os.environ, **_SAME}, check=True, capture_output=True, timeout=120
    )
    return done.stdout.decode()
