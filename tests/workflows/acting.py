"""Executes workflows with act on this machine, without containers: real jobs, real commands, the real tool.

Actions of others are stood in for by the short ones in actions/; artifacts are folders. Of this machine's variables
only those that name certificates, proxies and package caches reach the jobs.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from uv import find_uv_bin

from tests.workflows.adapted import COMMIT, RELEASE, REPOSITORY, pins

STAND_INS = Path(__file__).parent / "actions"
LABELS = ("ubuntu-24.04", "gpu-t4", "self-hosted", "gpu")
_PASSED_ON = (
    "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS",
    "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy",
    "UV_CACHE_DIR", "UV_DEFAULT_INDEX", "UV_INDEX_URL", "XDG_CACHE_HOME", "SEATRIAL_CACHE", "STORAGE_EMULATOR_HOST",
    "DOCKER_HOST", "CONTAINERS_CONF", "CONTAINERS_STORAGE_CONF", "CONTAINERS_REGISTRIES_CONF",
)  # fmt: skip


@dataclass
class Acted:
    """What a run came to.

    Attributes:
        code: act's exit code.
        results: job, named by its path of names such as `ship/prove/plan`, → `success`, `failure` or `skipped`.
        log: every line that a step printed, with its job.
        artifacts: the folder with a folder for each artifact.
        summary: what was written to the summary of the run.
        annotations: the place that each annotation of an error names, as `file:line`.
    """

    code: int
    results: dict[str, str]
    log: list[tuple[str, str]]
    artifacts: Path
    summary: str
    annotations: list[str]

    def printed(self, job: str) -> str:
        """Return what a job printed."""
        return "\n".join(text for name, text in self.log if name == job)

    def reports(self) -> Iterator[dict[str, Any]]:
        """Return the reports that the jobs uploaded."""
        for file in sorted(self.artifacts.glob("*/report/*.json")):
            yield json.loads(file.read_text())


@dataclass
class Caller:
    """A repository with a workflow, and the called repository beside it.

    Attributes:
        root: the calling repository.
        tool: the copy of this repository that is called.
        scratch: a folder for act's own files, the jobs' home and the artifacts.
        variables: those of the calling repository.
        secrets: its secrets. act does not hide them, so that a test can look for them in what it prints.
        limit: seconds for a whole run.
    """

    root: Path
    tool: Path
    scratch: Path
    variables: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    limit: float = 570.0

    def push(self, workflow: str = "ci.yml") -> Acted:
        """Run what a push to main starts."""
        return self._run("push", workflow, {"ref": "refs/heads/main"})

    def dispatch(self, workflow: str = "main.yml", **inputs: Any) -> Acted:
        """Run what a hand starts; underscores are hyphens."""
        given = {name.replace("_", "-"): str(value).lower() for name, value in inputs.items()}
        return self._run("workflow_dispatch", workflow, {"inputs": given, "ref": "refs/heads/main"})

    def pull_request(self, workflow: str = "ci.yml") -> Acted:
        """Run what a pull request starts."""
        return self._run("pull_request", workflow, {"pull_request": {"number": 1, "head": {"ref": "change"}}})

    def schedule(self, cron: str, workflow: str = "ci.yml") -> Acted:
        """Run what the clock starts."""
        return self._run("schedule", workflow, {"schedule": cron, "ref": "refs/heads/main"})

    def tag(self, name: str, workflow: str = "release.yml") -> Acted:
        """Run what pushing a tag starts."""
        return self._run("push", workflow, {"ref": f"refs/tags/{name}"})

    def start(self, event: str, workflow: str, payload: Mapping[str, Any]) -> subprocess.Popen[str]:
        """Start a run and give act's process, which leads a group of its own."""
        for name in ("artifacts", "home", "bin"):
            (self.scratch / name).mkdir(parents=True, exist_ok=True)
        secrets = self.root.with_name("secrets")  # beside what the jobs can reach
        secrets.write_text("".join(f"{name}={json.dumps(value)}\n" for name, value in self.secrets.items()))
        file = self.scratch / "event.json"
        file.write_text(json.dumps(payload))
        mapped = [(f"{REPOSITORY}@{ref}", self.tool) for ref in (COMMIT, RELEASE)]
        mapped += [(f"{name}@{commit}", STAND_INS / name.partition("/")[2]) for name, commit in pins()]
        command = [
            _act(), event, "-C", str(self.root), "-W", f".github/workflows/{workflow}", "--eventpath", str(file),
            "--secret-file", str(secrets), "--insecure-secrets", "--json", "--no-cache-server", "--action-offline-mode",
            "--env", f"ARTIFACTS={self.scratch / 'artifacts'}",
            *(part for label in LABELS for part in ("-P", f"{label}=-self-hosted")),
            *(part for name, place in mapped for part in ("--local-repository", f"{name}={place}")),
            *(part for name, value in self.variables.items() for part in ("--var", f"{name}={value}")),
        ]  # fmt: skip
        return subprocess.Popen(
            command, cwd=self.root, env=self._environment(), text=True, start_new_session=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def _run(self, event: str, workflow: str, payload: Mapping[str, Any]) -> Acted:
        process = self.start(event, workflow, payload)
        try:
            printed, _ = process.communicate(timeout=self.limit)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise AssertionError(f"act did not end: {process.communicate()[0][-4000:]}") from None
        return self.read(process.returncode, printed)

    def read(self, code: int, printed: str) -> Acted:
        """Read what act printed."""
        results: dict[str, str] = {}
        log, summary, annotations = [], "", []
        for record in _records(printed):
            job = _name(record)
            if "jobResult" in record:
                results[job] = record["jobResult"]
            if record.get("command") == "summary":
                summary += record["content"]
            if record.get("command") == "error":
                given = record.get("kvPairs") or {}
                annotations.append(":".join(filter(None, (given.get("file"), given.get("line")))))
            if record.get("raw_output"):
                log.append((job, str(record["msg"]).rstrip("\n")))
        return Acted(code, results, log, self.scratch / "artifacts", summary, annotations)

    def _environment(self) -> dict[str, str]:
        passed = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        uv = self.scratch / "bin/uv"
        if not uv.exists():
            uv.symlink_to(find_uv_bin())
        for name, where in (("UV_CACHE_DIR", ["cache", "dir"]), ("UV_PYTHON_INSTALL_DIR", ["python", "dir"])):
            passed.setdefault(name, _said([str(uv), *where]))
        # What a runner has, without the environment of the tests.
        own = str(Path(sys.executable).parent)
        path = [part for part in os.environ.get("PATH", "").split(os.pathsep) if part and part != own]
        path = [str(self.scratch / "bin"), *path]
        return {**passed, "PATH": os.pathsep.join(path), "HOME": str(self.scratch / "home"), "LANG": "C.UTF-8"}


def _name(record: Mapping[str, Any]) -> str:
    """Return a job's path of names without what act adds: blanks that align them, and the number of a matrix row."""
    name = "/".join(part.strip() for part in str(record.get("job", "")).split("/"))
    return re.sub(r"-\d+$", "", name) if record.get("matrix") else name


def _said(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout.strip()


def _records(printed: str) -> Iterator[dict[str, Any]]:
    for line in printed.splitlines():
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict):
            yield record


def _act() -> str:
    found = shutil.which("act", path=f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}")
    assert found, "act is one of the develop dependencies and must be there"
    return found


def repository(root: Path, workflows: Mapping[str, str], project: Path, folder: str = ".") -> Path:
    """Make a calling repository: workflows by file name, and a project in one of its folders."""
    shutil.copytree(project, root / folder, ignore=shutil.ignore_patterns("__pycache__", "build"), dirs_exist_ok=True)
    for name, text in workflows.items():
        file = root / ".github/workflows" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    _git(root, "init", "--quiet", "--initial-branch=main")
    _git(root, "remote", "add", "origin", "https://github.com/caller/predictors.git")
    commit(root, "all")
    return root


def commit(root: Path, message: str) -> None:
    """Commit everything in a repository."""
    _git(root, "add", "--all")
    _git(root, "-c", "user.name=test", "-c", "user.email=test@example.com", "commit", "--quiet", f"--message={message}")


def _git(root: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=root, check=True, timeout=60)
