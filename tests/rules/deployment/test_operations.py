"""The texts that Google Cloud returns when an operation fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.diagnosis.translate import diagnose
from seatrial.rules.deployment import operations
from tests.diagnosis.test_symptoms import STORED, first
from tests.rules.judging import texts_of

LINK = "https://console.cloud.google.com/logs/viewer?project=1&resource=aiplatform.googleapis.com%2FEndpoint"
AGENT = "service-789051324393@gcp-sa-aiplatform.iam.gserviceaccount.com"

REAL = [
    # https://github.com/googleapis/python-aiplatform/issues/4559
    (f"400 Model server exited unexpectedly. Model server logs can be found at {LINK}. 9: Model server exited",
     "ST701", "exited before it was ready"),
    # https://github.com/GoogleCloudPlatform/vertex-ai-samples/issues/2254
    ("Model server terminated: model server container terminated: go/debugonly. Model server logs can be found",
     "ST701", "exited before it was ready"),
    ("Model server terminated: model server container terminated: exit_code: 137 reason: OOMKilled. Model server logs",
     "ST543", "memory ran out"),
    # https://github.com/GoogleCloudPlatform/vertex-ai-samples/issues/3485
    ("400 Model server never became ready. Please validate that your model file or container configuration are valid.",
     "ST702", "never became ready"),
    # https://github.com/GoogleCloudPlatform/vertex-ai-samples/issues/2103
    ("504 Timeout. Model server logs can be found at ", "ST702", "deadline passed"),
    (f"Timeout. Model server logs can be found at {LINK}.", "ST702", "deadline passed"),
    # https://github.com/GoogleCloudPlatform/vertex-ai-samples/issues/3710
    ((f"Service account `[{AGENT}](mailto:{AGENT})` does not have `[storage.objects.get]` IAM permission(s) to the "
     'directory "gs://mco-mm/churn". Please either copy the files'), "ST703",
     f"{AGENT} lacks storage.objects.get on gs://mco-mm/churn"),
    (("Failed to deploy model M to endpoint E due to the error: Failed to add IAM policy binding. Please grant "
     "service-1@gcp-sa-aiplatform.iam.gserviceaccount.com the iam.serviceAccountAdmin role on service account x"),
     "ST703", "service-1@gcp-sa-aiplatform.iam.gserviceaccount.com lacks the role iam.serviceAccountAdmin"),
    (('denied: Permission "artifactregistry.repositories.downloadArtifacts" denied on resource "projects/p/locations/'
     'us/repositories/r" (or it may not exist)'), "ST705", "the identity that pulls lacks artifactregistry"),
    ("sa@p.iam.gserviceaccount.com does not have storage.objects.get access to the Google Cloud Storage object.",
     "ST705", "sa@p.iam.gserviceaccount.com lacks storage.objects.get"),
    # https://github.com/GoogleCloudPlatform/vertex-ai-samples/issues/700
    ("The following quota metrics exceed quota limits: aiplatform.googleapis.com/custom_model_training_nvidia_k80_gpus",
     "ST704", "the quota aiplatform.googleapis.com/custom_model_training_nvidia_k80_gpus is exceeded"),
    # https://github.com/GoogleCloudPlatform/vertex-ai-samples/issues/264
    ("{'code': 8, 'message': 'The following quotas are exceeded: AutoMLImageClassificationDeployedModelNodes'}",
     "ST704", "the quota AutoMLImageClassificationDeployedModelNodes is exceeded"),
    ("Quota exceeded for quota metric 'Resource management requests' and limit 'Resource management (CRUD) requests'",
     "ST704", "Resource management requests"),
    # https://github.com/rhel-lightspeed/linux-mcp-server/pull/450
    (("403 Permission 'aiplatform.endpoints.predict' denied on resource '//aiplatform.googleapis.com/projects/p/"
     "locations/us-central1/endpoints/openapi' (or it may not exist)."), "ST705", "lacks aiplatform.endpoints.predict"),
    # https://github.com/GoogleCloudPlatform/training-data-analyst/issues/1811
    ("403 Permission denied on resource project my-project.", "ST705", "is not allowed to use my-project"),
    ("500 Internal error encountered.", "ST706", "had an internal error"),
    ("503 The service is currently unavailable.", "ST706", "unavailable"),
    ("400 List of found errors:\t1.Field: model.labels; Message: Label keys must start with a letter.\t", "ST707",
     "the field model.labels is refused: Label keys must start with a letter"),
    ("The operation was cancelled.", "ST708", "cancelled"),
    (("503 Machine type temporarily unavailable, please deploy with a different machine type or retry. 14: Machine "
     "type temporarily unavailable, please deploy with a different machine type or retry."), "ST709", "temporarily"),
    ('503 Machine type temporarily unavailable. Machine type: "g2-standard-24". Accelerator type: "nvidia-l4".',
     "ST709", "no g2-standard-24 is free"),
    # https://github.com/openreview/openreview-expertise/issues/401
    ("Resources are insufficient in region: us-central1. Please try a different region.", "ST709", "us-central1"),
]  # fmt: skip


@pytest.mark.parametrize("name", texts_of(operations))
def test_a_stored_text_is_recognised(tmp_path: Path, name: str) -> None:
    assert first(STORED[name], STORED[name].text, tmp_path) == STORED[name].rule


@pytest.mark.parametrize(("text", "code", "message"), REAL, ids=[f"{code}-{n}" for n, (_, code, _) in enumerate(REAL)])
def test_a_text_of_the_cloud_is_recognised(text: str, code: str, message: str) -> None:
    (found,) = diagnose(text)
    assert found.code == code
    assert message in found.message
    assert found.fix


def test_a_fault_that_a_log_names_comes_before_the_sentence_that_names_none() -> None:
    text = "400 Model server exited unexpectedly.\nModuleNotFoundError: No module named 'torchvision'"
    assert [found.code for found in diagnose(text)] == ["ST110", "ST701"]
    text = "The operation was cancelled.\n503 The service is currently unavailable.\nquotas are exceeded: X"
    text = text.replace("quotas", "The following quotas")
    assert [found.code for found in diagnose(text)] == ["ST704", "ST708", "ST706"]


@pytest.mark.parametrize(
    "line",
    [
        "Traceback (most recent call last):",
        '{"severity": "INFO", "message": "the model is ready", "port": 8080}',
        "PermissionError: [Errno 13] Permission denied: '/srv/model'",
        "WARNING: quota of threads is 4",
        "TimeoutError: timed out",
    ],
)
def test_a_line_of_a_healthy_or_unrelated_log_is_no_fault_of_deployment(line: str) -> None:
    assert [found.code for found in diagnose(line) if found.code.startswith("ST7")] == []
