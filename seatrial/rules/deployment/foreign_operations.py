"""Family 7, other operations: errors of AI Platform, and of Vertex AI for batches and traffic.

The deployer never causes these. They are recognised in texts that users paste: from a service that is gone, or from
their own scripts.
"""

from __future__ import annotations

from seatrial.rules.artifacts import pickled
from seatrial.rules.cloud import DOCS
from seatrial.rules.lock import installing, unlocked_imports, wheels
from seatrial.rules.rule import Rule, Symptom, Telling

SAMPLES = "https://github.com/GoogleCloudPlatform/cloudml-samples/issues"
DOC_SAMPLES = "https://github.com/GoogleCloudPlatform/python-docs-samples/issues"
MODELS = "https://github.com/googleapis/python-aiplatform/blob/main/google/cloud/aiplatform/models.py"
DEPRECATED = "https://cloud.google.com/ai-platform/prediction/docs/deprecations"

PLATFORM_SIZE = Rule(
    code="ST740",
    title="AI Platform refused a version for its size",
    explanation=(
        "AI Platform counted the installed packages as well as the model: torch 1.3 and torchvision 0.4 alone took "
        "more than its limit of 500 MB, and a folder of more than 1 GB was refused. The service was shut down on "
        "2025-01-31."
    ),
    fix="serve the same class in a container on Vertex AI: `seatrial image build`, then `seatrial deploy`",
    cloud="Create Version failed. Bad model detected with error: Model requires more memory than allowed.",
    sources=(f"{DOC_SAMPLES}/4046", f"{SAMPLES}/495", f"{SAMPLES}/8", DEPRECATED),
    symptoms=(
        Symptom(
            r"total size of files in (?P<place>gs://\S{1,300}) is (?P<size>\d+) bytes, which exceeds",
            "{place} holds {size} bytes, which AI Platform refuses",
        ),
    ),
)

PLATFORM_PICKLE = Rule(
    code="ST742",
    title="AI Platform could not read a pickle",
    explanation=(
        "The file was not written by the runtime's Python or library: `unsupported pickle protocol` is a "
        "newer Python's pickle, and a single byte such as '\\x03' is joblib's format read as pickle."
    ),
    fix="write the file with the Python that serves, or save a state_dict and load it in code",
    yields_to=(pickled.OTHER_PYTHON,),
    cloud="Could not load the model: /tmp/model/0001/model.pkl. unsupported pickle protocol: 3.",
    sources=("https://docs.python.org/3/library/pickle.html#data-stream-format", DEPRECATED),
    symptoms=(
        Symptom(
            r"Could not load the model: (?P<file>[^\s\n]{1,300}\.(?:pkl|joblib))\.",
            "the pickle {file} could not be read",
        ),
    ),
)
PLATFORM_LOAD = Rule(
    code="ST741",
    title="AI Platform could not load a version and does not say why",
    explanation=(
        "`from_path` raised an exception, but only its text is shown: often a bare number, without a traceback. "
        "The service was shut down on 2025-01-31."
    ),
    fix="run `seatrial smoke`, which calls the same class in a clean environment and shows the whole traceback, and "
    "deploy to Vertex AI",
    telling=Telling.NAMELESS,
    yields_to=(
        wheels.TOO_LARGE,
        unlocked_imports.MISSING_DISTRIBUTION,
        wheels.NO_FITTING_FILE,
        installing.NOT_BUILT,
        PLATFORM_SIZE,
        PLATFORM_PICKLE,
    ),
    cloud='"Failed to load model: Unexpected error when loading the model: 0 (Error code: 0)"',
    sources=(f"{SAMPLES}/431", DEPRECATED),
    symptoms=(
        Symptom(
            r"Unexpected error when loading the model: (?P<why>[^\n\"(]{1,200}[^\s\"(])",
            "the predictor's from_path failed: {why}",
        ),
        Symptom(r"Bad model detected with error", "AI Platform could not load the version"),
    ),
)


BATCH = Rule(
    code="ST743",
    title="a batch prediction got no answers",
    explanation=(
        "The job sends instances to its own containers. It gives up if an answer takes longer than its deadline, or if "
        "the quota of batch jobs is used up. If the endpoint answers the same request quickly, the request is fine. "
        "If the answer is 400 or 422, the container's own schema refuses what the job sends."
    ),
    fix="send smaller batches (`manual_batch_tuning_parameters`), use a faster machine, or ask for more quota",
    cloud="('Post request fails. Cannot get predictions. Error: Exceeded retries: Non-OK result 504 …', 16)",
    sources=(f"{DOCS}/troubleshooting", f"{DOCS}/predictions/get-batch-predictions"),
    symptoms=(
        Symptom(
            r"Cannot get predictions\. Error: Exceeded retries: (?P<why>(?!Non-OK result 4)[^\n,]{1,200})",
            "the batch job's requests failed: {why}",
        ),
        Symptom(r"Quota exhausted\.[^\n]{0,200}batch prediction quota", "the quota of batch jobs is used up"),
    ),
)

SPLIT = Rule(
    code="ST744",
    title="a traffic split that does not add up to 100",
    explanation=(
        "The shares of an endpoint's deployed models must add up to 100, even after one of them is undeployed. A model "
        "that still has traffic cannot be undeployed unless it is the last one."
    ),
    fix="set all shares in one call, or let `seatrial deploy` move them",
    cloud="ValueError: Sum of all traffic within traffic split needs to be 100.",
    sources=(MODELS, "https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.endpoints"),
    symptoms=(
        Symptom(r"Sum of all traffic within traffic split needs to be 100", "the shares do not add up to 100"),
        Symptom(r"Model being undeployed should have 0 traffic", "a model that has traffic cannot be undeployed"),
        Symptom(
            r"would leave the remaining traffic split at (?P<left>\d+)%",
            "undeploying would leave {left} % of the traffic",
        ),
    ),
)
