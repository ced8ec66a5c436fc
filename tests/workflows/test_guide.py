"""The guide's commands and callers agree with what the workflows take and the deploy needs."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest
from ruamel.yaml import YAML

from seatrial.deploy.vertex import preflight
from tests.conftest import ROOT
from tests.workflows import linting

GUIDE, REFERENCE, README = (ROOT / name for name in ("docs/guide/github.md", "docs/workflow.md", "README.md"))


def blocks(language: str, *pages: Any) -> list[str]:
    """Return the blocks of code of a language, in the order of the pages."""
    pattern = re.compile(rf"```{language}\n(.*?)```", re.DOTALL)
    return [str(block) for page in pages for block in pattern.findall(page.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("text", [b for b in blocks("yaml", README, REFERENCE, GUIDE) if ".github/workflows/" in b])
def test_a_caller_gives_only_inputs_that_there_are_and_grants_what_is_asked(text: str) -> None:
    for job in YAML(typ="safe").load(io.StringIO(text))["jobs"].values():
        name = re.fullmatch(r"seatrial/seatrial/\.github/workflows/(\w+\.yml)@v1", job["uses"])
        assert name
        call = linting.read(ROOT / ".github/workflows" / name[1])
        inputs = call["on"]["workflow_call"]["inputs"]
        kinds = {"boolean": bool, "string": str}
        assert all(isinstance(value, kinds[inputs[key]["type"]]) for key, value in job.get("with", {}).items())
        asked = {k: v for each in call["jobs"].values() for k, v in each.get("permissions", {}).items()}
        assert job["permissions"] == asked


def test_the_nightly_workflow_uses_our_action_and_the_pins_of_our_own_workflows() -> None:
    (text,) = [block for block in blocks("yaml", REFERENCE) if "compare -- --live" in block]
    used = [
        step["uses"] for step in YAML(typ="safe").load(io.StringIO(text))["jobs"]["live"]["steps"] if "uses" in step
    ]
    ours = "seatrial/seatrial/.github/actions/seatrial@v1"
    assert used[-1] == ours
    pinned = (ROOT / ".github/workflows/ship.yml").read_text(encoding="utf-8")
    assert all(f"uses: {name}" in pinned for name in used if name != ours)


def test_every_api_and_role_that_the_deploy_asks_for_is_in_the_commands() -> None:
    commands = "\n".join(blocks("bash", GUIDE))
    assert all(api in commands for api in preflight.APIS)
    assert all(role in commands for role in preflight._ROLES.values())
    for role in ("artifactregistry.writer", "iam.serviceAccountUser", "iam.workloadIdentityUser"):
        assert f"roles/{role}" in commands
    assert "repository_owner_id ==" in commands


def test_the_commands_are_one_sound_script() -> None:
    code, printed = linting.run(
        [linting.tool("shellcheck"), "--shell=bash", "--format=gcc", "-"], ROOT, "\n".join(blocks("bash", GUIDE))
    )
    assert code == 0, printed
