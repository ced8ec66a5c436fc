"""Registries and builds of images, as docker, BuildKit, containerd and podman word them."""

from __future__ import annotations

import pytest

from tests.diagnosis.families.lines import Said, hold

LOGS = {
    "GitHub's registry": Said(
        "#15 ERROR: denied: permission_denied: write_package", "ST762", (r"packages: write",), (r"artifactregistry",)
    ),
    "limit": Said(
        "toomanyrequests: You have reached your unauthenticated pull rate limit.", "ST764", (r"docker login",)
    ),
    "unauthenticated": Said(
        "denied: Unauthenticated request. Unauthenticated requests do not have permission "
        '"artifactregistry.repositories.uploadArtifacts" on resource "projects/p/locations/us-central1/repositories/r"',
        "ST762",
        (r"gcloud auth configure-docker us-central1-docker\.pkg\.dev",),
        (r"roles/",),
    ),
    "push without a reason": Said(
        "ERROR: failed to push us-central1-docker.pkg.dev/p/r/i:1: unexpected status from POST request to "
        "https://us-central1-docker.pkg.dev/v2/p/r/i/blobs/uploads/: 403 Forbidden",
        "ST762",
        (r"configure-docker us-central1", r"artifactregistry\.writer"),
        (r"service agent",),
    ),
    "login": Said("unauthorized: authentication required", "ST762", (r"docker login|configure-docker",)),
    "helper": Said(
        'error getting credentials - err: exec: "docker-credential-gcloud": executable file not found in '
        "$PATH, out: ``",
        "ST762",
        (r"docker-credential-gcloud", r"credHelpers"),
        (r"the image has no program",),
    ),
    "Docker Hub": Said("denied: requested access to the resource is denied", "ST762", (r"Docker Hub",)),
    "no repository": Said('name unknown: Repository "serving" not found', "ST763", (r"repositories create",)),
    "no tag": Said(
        "ERROR: failed to solve: python:3.11-slm: failed to resolve source metadata for "
        "docker.io/library/python:3.11-slm: "
        "docker.io/library/python:3.11-slm: not found",
        "ST763",
        (r"no image docker\.io/library/python:3\.11-slm",),
    ),
    "no manifest": Said(
        "Error: initializing source docker://ghcr.io/o/i:2: reading manifest 2 in ghcr.io/o/i: manifest unknown",
        "ST763",
    ),
    "platform": Said(
        "no matching manifest for linux/arm64/v8 in the manifest list entries", "ST763", (r"linux/arm64/v8",)
    ),
    "context": Said(
        "ERROR: failed to solve: failed to compute cache key: failed to calculate checksum of ref a::b: "
        '"/artifacts": not found',
        "ST765",
        (r"copies /artifacts", r"\.dockerignore"),
    ),
    "context, classic builder": Said(
        "COPY failed: file not found in build context or excluded by .dockerignore: stat artifacts/w.pt: file does "
        "not exist",
        "ST765",
        (r"artifacts/w\.pt",),
    ),
    "node without access": Said(
        'Failed to pull image "us-central1-docker.pkg.dev/p/r/i:1": failed to authorize: failed to fetch oauth token: '
        "unexpected status from GET request to https://us-central1-docker.pkg.dev/v2/token: 403 Forbidden",
        "ST762",
        (r"roles/artifactregistry\.reader", r"node"),
        (r"configure-docker",),
    ),
    "an index is another matter": Said(
        "ERROR: HTTP error 403 while getting https://us-central1-python.pkg.dev/p/r/simple/torch/",
        "ST166",
        (r"403",),
        (r"docker",),
    ),
    "healthy push": Said(
        "latest: digest: sha256:0123 size: 1234\nThe push refers to repository [us-docker.pkg.dev/p/r/i]", ""
    ),
    "GitHub's registry, which takes no token": Said(
        "failed to put manifest ghcr.io/org/fish:main: unauthorized: unauthenticated: User cannot be authenticated with "
        "the token provided.",
        "ST762",
        (r"ghcr\.io", r"packages: write"),
        (r"gcloud",),
    ),
    "an engine that names no registry": Said(
        "error: failed to solve: rpc error: code = Unknown desc = unexpected status: 403 Forbidden",
        "ST762",
        (r"log in before the build",),
        (r"gcloud", r"Docker Hub"),
    ),
    "an engine that names no registry, or the cache": Said(
        "error: failed to solve: authorization status: 401: authorization failed", "ST762", (r"cache",)
    ),
    "a push to Docker Hub": Said(
        "ERROR: failed to push docker.io/fish/fish:main: push access denied, repository does not exist or may require "
        "authorization: server message: insufficient_scope: authorization failed",
        "ST762",
        (r"access to docker\.io/fish/fish:main for",),
    ),
    "a registry that does not answer in time": Said(
        'Head "https://ghcr.io/v2/org/fish/manifests/1": Get "https://ghcr.io/token?service=ghcr.io": net/http: request '
        "canceled (Client.Timeout exceeded while awaiting headers)",
        "ST145",
        (r"cannot be reached", r"again"),
        (r"packages: write", r"log in"),
    ),
}


@pytest.mark.parametrize("name", LOGS)
def test_what_is_said_of_a_log(name: str) -> None:
    hold(LOGS[name])
