"""Family 7, the project's own workflows: what a job needs on GitHub to log in, to push, and to have the weights.

A workflow may be unused, so that all of it only warns.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from seatrial.findings import Severity
from seatrial.rules.rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.facts.builds.workflows import Job, Step, Workflow
    from seatrial.facts.gather import Facts
    from seatrial.findings import Finding

_AUTH = "google-github-actions/auth"
_LOGIN = "https://github.com/google-github-actions/auth"

NO_ID_TOKEN = Rule(
    code="ST751",
    title="a job logs in to Google Cloud without the permission id-token: write",
    explanation=(
        "google-github-actions/auth with a workload identity provider exchanges a token that GitHub gives only to jobs "
        "with `id-token: write`. No default has it; a job's own `permissions` replace the workflow's as a whole; and a "
        "called workflow gets at most what the calling job has."
    ),
    fix="give the job `permissions:` with `contents: read` and `id-token: write`",
    severity=Severity.WARNING,
    cloud="GitHub Actions did not inject $ACTIONS_ID_TOKEN_REQUEST_TOKEN or … into this job",
    sources=(
        f"{_LOGIN}#prerequisites",
        "https://docs.github.com/en/actions/how-tos/reuse-automations/reuse-workflows",
    ),
    detected=(
        "A step of a workflow uses google-github-actions/auth with workload_identity_provider, and neither the job nor "
        "the workflow grants `id-token: write`. A workflow that is only called is judged at the jobs that call it; if "
        "none in the project does, nothing is known."
    ),
    bad="jobs:\n  deploy:\n    permissions: {contents: read}\n    steps:\n      - uses: google-github-actions/auth@v3",
    good="jobs:\n  deploy:\n    permissions: {contents: read, id-token: write}\n    steps:\n"
    "      - uses: google-github-actions/auth@v3",
)


@NO_ID_TOKEN.decided_by
def _no_id_token(facts: Facts) -> Iterator[Finding]:
    called = {workflow.path: workflow for workflow in _workflows(facts)}
    for workflow in called.values():
        only_called = workflow.events == {"workflow_call"}
        for job in workflow.jobs:
            for step in (step for step in job.steps if _exchanges(step)):
                # Without permissions of its own, a called workflow has those of the job that calls it.
                if not job.may("id-token") and not (only_called and job.permissions is None):
                    yield NO_ID_TOKEN.finding(
                        f"the job `{job.name}` logs in with workload identity federation, without `id-token: write`",
                        location=step.location,
                        cause="no `permissions` grant it" if job.permissions is None else
                        "the `permissions` that the job has do not grant it, and what they leave out is none",
                    )  # fmt: skip
            target = called.get(job.uses.removeprefix("./"))
            calls = target is not None and job.uses.startswith("./") and _needs_token(target)
            if calls and not job.may("id-token") and not (only_called and job.permissions is None):
                yield NO_ID_TOKEN.finding(
                    f"the job `{job.name}` calls {job.uses}, which logs in, without `id-token: write`",
                    location=job.location,
                    cause="a called workflow gets at most what the calling job has",
                )


def _workflows(facts: Facts) -> Iterator[Workflow]:
    yield from (file.workflow for file in facts.builds.files if file.workflow)


def _exchanges(step: Step) -> bool:
    return step.action == _AUTH and "workload_identity_provider" in step.given


def _needs_token(workflow: Workflow) -> bool:
    return "workflow_call" in workflow.events and any(_exchanges(step) for job in workflow.jobs for step in job.steps)


NO_LOGIN = Rule(
    code="ST752",
    title="a job pushes an image without logging in to the registry",
    explanation=(
        "Docker does not use the credentials of Google Cloud. `gcloud auth configure-docker HOST` or "
        "docker/login-action gives them to docker, for each host of Artifact Registry; without a host, "
        "configure-docker only knows gcr.io."
    ),
    fix="add a step before it: `gcloud auth configure-docker REGION-docker.pkg.dev --quiet`",
    severity=Severity.WARNING,
    cloud="denied: Unauthenticated request. Unauthenticated requests do not have permission "
    '"artifactregistry.repositories.uploadArtifacts"',
    sources=(
        "https://docs.cloud.google.com/artifact-registry/docs/docker/authentication",
        "https://github.com/google-github-actions/setup-gcloud/issues/430",
    ),
    detected=(
        "A job on a runner of GitHub runs `docker push` of an image in Artifact Registry, or docker/build-push-action "
        "with push, and no step before it logs in. Steps that run a script or an action of the project may do so."
    ),
    bad="- run: docker push us-central1-docker.pkg.dev/p/r/i",
    good="- run: gcloud auth configure-docker us-central1-docker.pkg.dev --quiet\n"
    "- run: docker push us-central1-docker.pkg.dev/p/r/i",
)

_HOST = re.compile(r"\b[a-z0-9-]+-docker\.pkg\.dev\b")
_LOGS_IN = re.compile(
    r"docker(?:\s|-)login|podman login|skopeo login|crane auth|oras login|docker-credential|\.docker/config"
    r"|DOCKER_CONFIG|configure-docker[^\n]*(?:pkg\.dev|\$)|seatrial|nox|make\b|\.sh\b|\btask\b|\bjust\b"
)


@NO_LOGIN.decided_by
def _no_login(facts: Facts) -> Iterator[Finding]:
    for workflow in _workflows(facts):
        for job in workflow.jobs:
            if not _is_of_github(job):
                continue
            for number, step in enumerate(job.steps):
                if (host := _pushes(step)) and not any(map(_logs_in, job.steps[: number + 1])):
                    yield NO_LOGIN.finding(
                        f"the job `{job.name}` pushes to {host}, and no step before it logs docker in",
                        location=step.location,
                        fix=f"add a step before it: `gcloud auth configure-docker {host} --quiet`",
                    )


def _is_of_github(job: Job) -> bool:
    """Return whether a job surely begins on a fresh machine."""
    return bool(job.runs_on) and all(re.match(r"(?:ubuntu|windows|macos)-", label) for label in job.runs_on)


def _pushes(step: Step) -> str:
    """Return the host of Artifact Registry that a step pushes to; "" if it does not."""
    if step.action == "docker/build-push-action":
        pushed = step.given.get("push") == "true" and _HOST.search(step.given.get("tags", ""))
        return pushed[0] if pushed else ""
    for command in step.commands:
        pushes = command.words[1:2] == ("push",) or ("build" in command.words[1:3] and "--push" in command.words)
        if pushes and (host := _HOST.search(" ".join(command.words))):
            return host[0]
    return ""


def _logs_in(step: Step) -> bool:
    """Return whether a step logs docker in, or may do so."""
    if step.action == "docker/login-action" or step.action.startswith(("./", ".\\")):
        return True
    # An access token for docker/login-action, or a file that docker reads.
    return bool(_LOGS_IN.search(step.run)) or step.given.get("token_format") == "access_token"


NO_LFS = Rule(
    code="ST753",
    title="a job uses artifacts that its checkout leaves in Git LFS",
    explanation=(
        "actions/checkout gets the pointers of Git LFS, texts of 130 bytes, and not the files, unless it is given "
        "`lfs: true`. torch.load then fails on the first byte, or an image is built with pointers in it."
    ),
    fix="give actions/checkout `with: {lfs: true}`, or run `git lfs pull` after it",
    severity=Severity.WARNING,
    cloud="_pickle.UnpicklingError: invalid load key, 'v'.",
    sources=("https://github.com/actions/checkout#usage", "https://github.com/pytorch/pytorch/issues/150998"),
    detected=(
        ".gitattributes gives files of the artifacts to Git LFS, and a job that checks the project out without `lfs` "
        "runs seatrial, builds an image or copies the artifacts, and no step mentions `git lfs`."
    ),
    bad="- uses: actions/checkout@v6\n- run: seatrial smoke",
    good="- uses: actions/checkout@v6\n  with: {lfs: true}\n- run: seatrial smoke",
)

_USES_FILES = re.compile(
    r"\bseatrial\s+(?:smoke|build|image|deploy|check)\b|\bnox\b[^\n]*\b(?:smoke|image|deploy)\b"
    r"|\bdocker\s+(?:buildx\s+)?(?:image\s+)?build\b|\bpodman\s+build\b|\bgcloud\s+builds\s+submit\b"
)


@NO_LFS.decided_by
def _no_lfs(facts: Facts) -> Iterator[Finding]:
    files = facts.builds.in_lfs
    copies = re.compile(rf"\b(?:cp|rsync|upload)\b[^\n]*\b{re.escape(facts.project.artifacts)}\b")
    for workflow in _workflows(facts) if files else ():
        for job in workflow.jobs:
            checkouts = [s for s in job.steps if s.action == "actions/checkout" and "repository" not in s.given]
            fetched = any(s.given.get("lfs", "false") != "false" for s in checkouts)
            fetched = fetched or any("git lfs" in s.run or "git-lfs" in s.run for s in job.steps)
            used = [s for s in job.steps if _USES_FILES.search(s.run) or copies.search(s.run) or _builds(s)]
            if checkouts and used and not fetched:
                yield NO_LFS.finding(
                    f"the job `{job.name}` uses {files[0]}, and its checkout gets only the pointer from Git LFS",
                    location=checkouts[0].location,
                    cause=f"the step at line {used[0].location.line} needs it; .gitattributes keeps it in Git LFS",
                )


def _builds(step: Step) -> bool:
    return step.action == "docker/build-push-action" or "/seatrial" in step.action


GONE = Rule(
    code="ST754",
    title="a runner or an action that GitHub has shut down",
    explanation=(
        "GitHub removes old runner images, and jobs that ask for them wait until they are cancelled. Versions 1 to 3 "
        "of upload-artifact and download-artifact, and 1 and 2 of cache, fail: "
        "they speak to services that no longer exist."
    ),
    fix="use ubuntu-latest or a newer image, and the newest version of the action",
    severity=Severity.WARNING,
    sources=(
        "https://github.com/actions/runner-images",
        "https://github.blog/changelog/2024-04-16-deprecation-notice-v3-of-the-artifact-actions/",
    ),
    detected="By the labels of `runs-on` and the versions after `@` in `uses`; a commit hash is not judged.",
    bad="runs-on: ubuntu-20.04",
    good="runs-on: ubuntu-24.04",
)

# Label → the day from which no runner has it: the announcements in https://github.com/actions/runner-images/issues
_NO_RUNNERS = {
    "ubuntu-16.04": "2021-09-20", "ubuntu-18.04": "2023-04-03", "ubuntu-20.04": "2025-04-15",
    "macos-10.15": "2022-12-01", "macos-11": "2024-06-28",
    "macos-12": "2024-12-03", "macos-13": "2025-12-04", "windows-2016": "2022-03-15",
    "windows-2019": "2025-06-30",
}  # fmt: skip
# Action → its first version that works; https://github.blog/changelog/, 2024-04-16 and 2024-12-05
_FIRST_VERSIONS = {
    "actions/upload-artifact": 4, "actions/download-artifact": 4, "actions/cache": 3, "actions/cache/save": 3,
    "actions/cache/restore": 3,
}  # fmt: skip


@GONE.decided_by
def _gone(facts: Facts) -> Iterator[Finding]:
    for workflow in _workflows(facts):
        for job in workflow.jobs:
            for label in job.runs_on:
                if (day := _NO_RUNNERS.get(label, "9")) <= facts.today.isoformat():
                    yield GONE.finding(
                        f"the job `{job.name}` asks for {label}, which GitHub removed on {day}",
                        location=job.location,
                        cause="it waits for a runner until it is cancelled",
                    )
            for step in job.steps:
                version = re.fullmatch(r"v(\d+)(?:\.[\d.]+)?", step.uses.partition("@")[2])
                first = _FIRST_VERSIONS.get(step.action, 0)
                if version and int(version[1]) < first:
                    yield GONE.finding(
                        f"{step.uses} speaks to a service that GitHub has shut down",
                        location=step.location,
                        fix=f"use {step.action}@v{first} or newer",
                    )
