"""The step that fetches artifacts from a bucket: who it asks as, and that nothing of that is left."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.workflows import linting

_, FETCH, REMOVAL = linting.steps(linting.read(ROOT / ".github/actions/artifacts/action.yml"))


def ran(script: str, **environment: str) -> str:
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]  # as the runner starts bash
    env = {"PATH": os.environ["PATH"], **environment}
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=True).stdout


@pytest.mark.parametrize(("given", "asked"), [("/tmp/credentials.json", "/tmp/credentials.json"), ("", "/own.json")])  # noqa: S108
def test_the_session_asks_as_the_identity_of_the_step_or_as_the_jobs_own(
    tmp_path: Path, given: str, asked: str
) -> None:
    nox = tmp_path / "nox.sh"
    nox.write_text('echo "$GOOGLE_APPLICATION_CREDENTIALS" "$@"\n')
    own = {"GOOGLE_APPLICATION_CREDENTIALS": "/own.json"}  # what a step before ours may have authenticated
    printed = ran(FETCH["run"], NOX=str(nox), PROJECT="a b", CREDENTIALS=given, **own)
    assert printed == f"{asked} -s artifacts -- fetch --project a b --format github\n"


def test_the_file_with_the_identity_goes_before_any_other_step(tmp_path: Path) -> None:
    file = tmp_path / "gha-creds-0.json"
    file.write_text("{}")
    for _ in range(2):  # also where it has gone already
        ran(REMOVAL["run"], CREDENTIALS=str(file))
        assert not file.exists()
