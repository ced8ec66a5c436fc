"""Family 5, Google's servers: faults of custom prediction routines and TorchServe on Vertex AI.

Nothing here is decided from facts: their messages show what happened.
"""

from __future__ import annotations

from seatrial.rules.cloud import CONTAINER_REQUIREMENTS, SDK
from seatrial.rules.rule import Rule, Symptom, Telling

CPR_400 = Rule(
    code="ST541",
    title="Google's prediction routine answers 400 for a fault of the server",
    explanation=(
        "The serializer of custom prediction routines turns each of its own TypeErrors into an answer of status 400, "
        "as if the client were at fault. The answer is not JSON (a numpy number, a tensor), or the "
        "content type of the request is not application/json."
    ),
    fix="return plain lists and numbers (`.tolist()`, `.item()`), and send `Content-Type: application/json`",
    cloud="400 JSON serialization failed for the prediction result: …",
    sources=(f"{SDK}/prediction/serializer.py",),
    symptoms=(
        Symptom(r"JSON serialization failed for the prediction result", "the answer of the routine is not JSON"),
        Symptom(
            r"Unsupported content type of the request: (?P<type>\S{1,100})",
            "a request has the content type {type}, but the routine takes application/json",
        ),
        Symptom(
            r"Unsupported accept of the response: (?P<type>\S{1,100})",
            "a request asks for an answer of type {type}, but the routine returns application/json",
        ),
    ),
)

NO_DOWNLOAD = Rule(
    code="ST547",
    title="Google's prediction routine cannot fetch the artifacts",
    explanation=(
        "`download_model_artifacts` takes `gs://bucket/folder/`. It fails if a bucket has no slash after its "
        "name, because its pattern does not match, or if a model has no artifacts, because the URI is empty. It "
        "downloads into the current folder, and `gs://b/model` also fetches `gs://b/model2/…`."
    ),
    fix="use an artifact URI that ends in `/`, and read from the image if `AIP_STORAGE_URI` is empty",
    telling=Telling.WIDE,
    cloud="AttributeError: 'NoneType' object has no attribute 'groups'",
    sources=(f"{SDK}/utils/prediction_utils.py", CONTAINER_REQUIREMENTS),
    symptoms=(
        Symptom(
            r"(?s)download_model_artifacts.{1,2000}?'NoneType' object has no attribute 'groups'",
            "the artifact URI is a bucket without a `/` after its name",
        ),
        Symptom(
            r"(?s)download_model_artifacts.{1,2000}?No such file or directory: ''",
            "the artifact URI is empty",
        ),
    ),
)

TORCHSERVE = Rule(
    code="ST548",
    title="TorchServe on Vertex AI refuses the model or its answer",
    explanation=(
        "Vertex AI's prebuilt PyTorch images run TorchServe. They take one archive with the name model.mar, wrap each "
        "instance as `data`, and expect a list with one answer for each. TorchServe itself no longer gets fixes."
    ),
    fix="serve with your own container: `seatrial image build`",
    cloud='503 InternalServerException "Invalid model predict output"',
    sources=("https://github.com/pytorch/serve/issues/1256", "https://github.com/pytorch/serve/issues/3396"),
    symptoms=(
        Symptom(r"Invalid model predict output", "TorchServe expects one answer for each instance"),
        Symptom(r"\bModelNotFoundException\b", "TorchServe has no model: the archive must be model.mar"),
        Symptom(
            r"does not contain any supported model files\. When using a prebuilt serving image",
            "the artifacts hold no model.mar, which a prebuilt image needs",
        ),
    ),
)
