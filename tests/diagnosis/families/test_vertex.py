"""Vertex AI: what its API refuses, with what the tables know."""

from __future__ import annotations

import pytest

from tests.diagnosis.families.lines import Said, hold

LOGS = {
    "number of accelerators": Said(
        'google.api_core.exceptions.InvalidArgument: 400 The accelerator count "8" is not allowed. The '
        "allowed numbers of "
        'accelerator "NVIDIA_L4" to use with machine type "g2-standard-8" are: [1].',
        "ST726",
        (r"g2-standard-8 takes 1 NVIDIA_L4", r"g2-standard-96"),
    ),
    "number that only the table knows": Said(
        'google.api_core.exceptions.InvalidArgument: 400 The accelerator count "3" is not allowed with '
        '"NVIDIA_TESLA_V100" and '
        'machine type "n1-standard-8".',
        "ST726",
        (r"1, 2, 4, 8 NVIDIA_TESLA_V100",),
    ),
    "kind of accelerator": Said(
        "google.api_core.exceptions.InvalidArgument: 400 Accelerator type NVIDIA_L4 is not supported for machine "
        "type n1-standard-4.",
        "ST726",
        (r"n1-standard-4 does not take NVIDIA_L4", r"g2-standard-4"),
    ),
    "prebuilt image": Said(
        'Invalid image "us-docker.pkg.dev/vertex-ai/prediction/pytorch-gpu.2-9:latest" for deployment. '
        "Please use a valid image.",
        "ST707",
        (r"pytorch-gpu\.2-9", r"2-4"),
    ),
    "image of another registry": Said(
        'google.api_core.exceptions.InvalidArgument: 400 Invalid image "docker.io/me/serving:1" for deployment.',
        "ST707",
        (r"not in Artifact Registry",),
    ),
    "schema of a batch": Said(
        "('Post request fails. Cannot get predictions. Error: Exceeded retries: Non-OK result 422 "
        '({"detail":[{"loc":["body","parameters"],"msg":"field required","type":"value_error.missing"}]}) '
        "from server, retry=3, "
        "elapsed=1.21s.', 1)",
        "ST743",
        (r"requires `parameters`", r"optional"),
        (r"smaller batches", r"quota"),
    ),
    "schema of an instance": Said(
        "('Post request fails. Cannot get predictions. Error: Exceeded retries: Non-OK result 422 "
        '({"detail":[{"type":"list_type","loc":["body","instances",0,"image"],"msg":"Input should be a valid '
        'list"}]}) from '
        "server, retry=3, elapsed=1.21s.', 1)",
        "ST743",
        (r"instances\.0\.image", r"valid list"),
        (r"smaller batches",),
    ),
    "a batch that is slow": Said(
        "('Post request fails. Cannot get predictions. Error: Exceeded retries: Non-OK result 504 (upstream request "
        "timeout) from "
        "server, retry=3, elapsed=600.04s.', 16)",
        "ST743",
        (r"smaller batches",),
    ),
    "no such endpoint": Said(
        "google.api_core.exceptions.NotFound: 404 The Endpoint `projects/1/locations/us-central1/endpoints/123` does "
        "not exist.",
        "ST707",
        (r"one region only",),
    ),
    "a dedicated endpoint": Said(
        "google.api_core.exceptions.FailedPrecondition: 400 Dedicated Endpoint cannot be accessed through the Vertex "
        "AI API. Please "
        "access the endpoint using its dedicated dns name",
        "ST707",
        (r"dedicated_endpoint_dns",),
    ),
    "healthy": Said("INFO Deploying to machine type n1-standard-4 with accelerator NVIDIA_TESLA_T4", ""),
}


@pytest.mark.parametrize("name", LOGS)
def test_what_is_said_of_a_log(name: str) -> None:
    hold(LOGS[name])
