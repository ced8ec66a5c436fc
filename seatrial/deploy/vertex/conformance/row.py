"""A row of the table, and the public sources that rows name."""

from __future__ import annotations

from dataclasses import dataclass

READ = "2026-11-30"  # when the sources were last read
SDK = "https://github.com/googleapis/python-aiplatform/blob/v2.7.0/google/cloud/aiplatform_v1/types"  # as in the wheel
DOCS = "https://docs.cloud.google.com"
ONLINE = f"{DOCS}/gemini-enterprise-agent-platform/machine-learning/predictions/get-online-predictions"
CONTAINER = f"{DOCS}/gemini-enterprise-agent-platform/machine-learning/predictions/custom-container-requirements"
OPERATIONS = "https://github.com/googleapis/googleapis/blob/master/google/longrunning/operations.proto"
TYPES = "https://cloud.google.com/vertex-ai/docs/predictions/choose-endpoint-type"
DEDICATED = "https://cloud.google.com/vertex-ai/docs/predictions/create-public-endpoint"
PRIVATE = f"{DOCS}/gemini-enterprise-agent-platform/machine-learning/predictions/private-service-connect"
REGISTRY = "https://github.com/opencontainers/distribution-spec/blob/v1.0.1/spec.md"
BATCH = f"{SDK}/batch_prediction_job.py"
PAGE = f"{DOCS}/vertex-ai/docs/predictions/get-batch-predictions"
MODEL, ENDPOINT = f"{SDK}/model_service.py", f"{SDK}/endpoint_service.py"


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that the code does, held against its public source.

    Attributes:
        name: the RPC, "API METHOD path" of a REST call, the header, the variable, or what a limit or rule is about.
        says: what the source says.
        source: its URL; "" if there is none, so that what is said is a guess.
        sends: what we do.
        test: the test that shows it, as FILE::NAME below `tests/`.
        settles: of a guess, what would settle it.
    """

    name: str
    says: str
    source: str
    sends: str
    test: str
    settles: str = ""
