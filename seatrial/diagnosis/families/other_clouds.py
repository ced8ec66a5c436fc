"""Other clouds: AWS, Azure and KServe. What their libraries and servers say is not Vertex AI's, and has another remedy.

The type of the exception is their own, and its frames tell whether the predictor asked or that cloud's server.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from seatrial.diagnosis.families.diagnosis import Diagnosis
from seatrial.diagnosis.families.reading import text_of, words_of
from seatrial.diagnosis.families.whose import users_frame
from seatrial.diagnosis.families.wordings import Wording, told
from seatrial.rules.deployment.other_clouds import OTHER_CLOUD
from seatrial.rules.rule import Telling

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.diagnosis.families.diagnosis import Case, Statement
    from seatrial.diagnosis.raised import Raised
    from seatrial.findings import Finding

ALONE = True
_AWS = re.compile(r"^(?:botocore|boto3|aiobotocore|s3transfer|s3fs)\.")
_AZURE = re.compile(r"^azure\.(?:core|identity|storage|ai)\.")
_BARE = frozenset(("NoCredentialsError", "PartialCredentialsError", "NoRegionError", "CredentialUnavailableError"))
_NO_IDENTITY = re.compile(
    r"NoCredentialsError|PartialCredentialsError|ProfileNotFound|TokenRetrievalError|UnauthorizedSSOTokenError|"
    r"CredentialRetrievalError|CredentialUnavailable|ClientAuthenticationError|failed to retrieve a token"
)
_ANSWER = re.compile(
    r"An error occurred \((?P<code>\w+)\) when calling the (?P<operation>\w+) operation(?:[^:\n]*)?"
    r"(?:: (?P<why>[^\n]*))?"
)
_NOT_THERE = re.compile(r"^(?:404|NoSuchKey|NoSuchBucket|NotFound)$")
_EXPIRED = re.compile(r"Expired|InvalidAccessKeyId|SignatureDoesNotMatch|InvalidToken|UnrecognizedClient")
_INITIALIZER = re.compile(
    r"/storage-initializer/|(?:^|/)(?:kserve|kfserving|kserve_storage)/(?:storage/)?\w*storage\w*\.py$"
)
_SOURCE = re.compile(r"src_uri \[(?P<uri>[^\]\s]+)\]")
_AZUREML = re.compile(r"/var/azureml-|azureml_inference_server_http|/azureml-envs/|AZUREML_MODEL_DIR|\bAZUREML_")
_OF_AZUREML = re.compile(r"No module named '(?P<module>azureml(?:\.[\w.]+)?)'")
_SHIP = "ship the files as artifacts: load() gets them as a folder, and Vertex AI's own storage is gs://"

_WORDINGS = (
    Wording(
        OTHER_CLOUD,
        re.compile(
            r"(?:User container has crashed or terminated: (?P<why>[^\n.]{3,120}))|"
            r"Your container application crashed\. This may be caused by errors in your scoring file|"
            r"AciDeploymentFailed|polling reached non-successful terminal state"
        ),
        "Azure ML's endpoint did not start: {why}",
        "read the container's own log, which has the traceback of the entry script's init(): `az ml online-deployment "
        "get-logs` (service.get_logs() of the older SDK)",
        cause="The sentence is Azure's, not Vertex AI's, and only says that the container ended.",
        telling=Telling.NAMELESS,
    ),
    Wording(
        OTHER_CLOUD,
        re.compile(r"gunicorn/finish (?P<code>\d+) 0|Exit code (?P<other>\d+) is not normal\. Killing image"),
        "Azure ML's server ended with exit code {code}{other}",
        "read the lines before it: gunicorn prints the traceback of the entry script above them",
        cause="The image is Azure ML's, whose server loads an entry script with init() and run().",
        telling=Telling.NAMELESS,
    ),
)


def of_exception(raised: Raised, case: Case) -> Iterator[Diagnosis]:
    """Judge an exception of another cloud's library, or one that its server met."""
    words = words_of(raised)
    initializer = any(_INITIALIZER.search(frame.file) for each in raised.chain() for frame in each.frames)
    aws, azure = bool(_AWS.match(raised.type)), bool(_AZURE.match(raised.type))
    if raised.name in _BARE:
        aws, azure = "Unavailable" not in raised.name, "Unavailable" in raised.name
    if aws or azure:
        cloud = "AWS" if aws else "Azure"
        if judged := _of_cloud(cloud, words, raised, initializer=initializer):
            yield Diagnosis(*judged, raised.position)
    elif initializer and raised.cause is None:
        yield Diagnosis(*_of_initializer(words, raised, case), raised.position)
    elif (found := _OF_AZUREML.search(words)) and raised.name == "ModuleNotFoundError":
        yield Diagnosis(*_of_azureml(found["module"], raised), raised.position)


def of_statement(statement: Statement, case: Case) -> Iterator[Diagnosis]:
    """Judge a sentence of another cloud's server."""
    text = text_of(statement)
    if re.search(r"(?i)container|gunicorn|Aci|non-successful|Exit code", text):
        yield from told(_WORDINGS, text, statement.position)


def _of_cloud(cloud: str, words: str, raised: Raised, *, initializer: bool) -> tuple[Finding, str] | None:
    line = users_frame(raised)
    what = f" (`{line.source[:120]}`)" if line and line.source and not initializer else ""
    who = "KServe's storage initializer" if initializer else "the code"
    why = f"{raised.type} is an exception of {cloud}'s library, not of Vertex AI"
    if _NO_IDENTITY.search(words):
        give = (
            "name a service account in the InferenceService (`serviceAccountName`) that has the secret, or the role, "
            f"of the storage; {cloud}'s variables in the predictor's own container do not reach the initializer"
            if initializer
            else f"{_SHIP}; if {cloud} is needed while serving, give its keys as environment variables from a secret, "
            "never in the image"
        )
        where = "the pod's service account brings none" if initializer else "a machine of Google has no identity there"
        finding = OTHER_CLOUD.finding(
            f"{who} asks {cloud}, and finds no credentials for it{what}",
            cause=f"the credentials of the machine that trained are not on the one that serves: {where}",
            fix=give,
        )
        return finding, why
    if answer := _ANSWER.search(words):
        return _answered(cloud, who, what, answer), why
    if "NoRegion" in words:
        finding = OTHER_CLOUD.finding(
            f"{who} asks {cloud} without a region{what}", fix=f"set AWS_DEFAULT_REGION, or {_SHIP}"
        )
        return finding, why
    return None


def _answered(cloud: str, who: str, what: str, answer: re.Match[str]) -> Finding:
    code, operation, said = answer["code"], answer["operation"], (answer["why"] or "").strip()
    if code == "ModelError":
        return OTHER_CLOUD.finding(
            f"the endpoint of SageMaker answered an error: {said[:160]}",
            cause="the text is the caller's; the reason is in the log of the endpoint's container",
            fix="read the endpoint's log group /aws/sagemaker/Endpoints/NAME in CloudWatch",
        )
    if _NOT_THERE.match(code):
        cause, fix = "the name of the bucket or of the object is wrong, or of another region", "correct the path"
    elif _EXPIRED.search(code):
        cause, fix = "the key is expired, was withdrawn, or belongs to another account", "give a valid key"
    else:
        cause = "the identity may not do this; without s3:ListBucket AWS answers 403 also for what is not there"
        fix = "give it s3:GetObject and s3:ListBucket on the bucket"
    return OTHER_CLOUD.finding(
        f"{cloud} answers {code} to {operation}{f' ({said[:120]})' if said else ''}, which {who} asked{what}",
        cause=cause,
        fix=f"{_SHIP}; or {fix}",
    )


def _of_initializer(words: str, raised: Raised, case: Case) -> tuple[Finding, str]:
    found = _SOURCE.findall(case.text[: raised.position])
    uri = f" {found[-1]}" if found else ""
    finding = OTHER_CLOUD.finding(
        f"KServe's storage initializer does not fetch the model{uri}: {' '.join(raised.message.split())[:200]}",
        cause="it copies `storageUri` to /mnt/models before the server starts, and the server has not run yet",
        fix="look whether `storageUri` names a folder that has files and has one of the prefixes that KServe knows "
        "(gs://, s3://, hdfs://, pvc://, https://, hf://), and whether the service account of the InferenceService may "
        "read it",
    )
    return finding, "the traceback is of KServe's storage initializer"


def _of_azureml(module: str, raised: Raised) -> tuple[Finding, str]:
    served = any(_AZUREML.search(f"{frame.file} {frame.source}") for frame in raised.frames)
    if served:
        finding = OTHER_CLOUD.finding(
            f"Azure ML's server runs the entry script, and its environment has no `{module}`",
            cause="Model.get_model_path of the older SDK needs azureml-core; the newer SDK gives AZUREML_MODEL_DIR",
            fix="read the model from os.environ['AZUREML_MODEL_DIR'], or name azureml-defaults in the environment of "
            "the deployment",
        )
        return finding, "the traceback is of Azure ML's server"
    finding = OTHER_CLOUD.finding(
        f"the code imports `{module}`, which is of Azure ML: it was written as an entry script for Azure",
        cause="Vertex AI has neither azureml nor AZUREML_MODEL_DIR; it gives the files' place by AIP_STORAGE_URI",
        fix="take the import out, and read the files from the folder that load() gets",
    )
    return finding, f"`{module}` is Azure ML's"
