"""The refusals of Vertex AI: status codes and their texts.

A comment says which texts were seen in public. The others are ours and marked so, because nobody should match on them.
"""

from __future__ import annotations

import errno
from urllib.parse import quote

import grpc

# google.rpc.Code, by number: https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto
OK = 0
CANCELLED = 1
UNKNOWN = 2
INVALID_ARGUMENT = 3
DEADLINE_EXCEEDED = 4
NOT_FOUND = 5
ALREADY_EXISTS = 6
PERMISSION_DENIED = 7
RESOURCE_EXHAUSTED = 8
FAILED_PRECONDITION = 9
ABORTED = 10
OUT_OF_RANGE = 11
UNIMPLEMENTED = 12
INTERNAL = 13
UNAVAILABLE = 14

STATUS: dict[int, grpc.StatusCode] = {status.value[0]: status for status in grpc.StatusCode}

# The HTTP status that Google's front end gives each code, from the comments of code.proto.
HTTP_STATUS = {
    CANCELLED: 499,
    UNKNOWN: 500,
    INVALID_ARGUMENT: 400,
    DEADLINE_EXCEEDED: 504,
    NOT_FOUND: 404,
    ALREADY_EXISTS: 409,
    PERMISSION_DENIED: 403,
    RESOURCE_EXHAUSTED: 429,
    FAILED_PRECONDITION: 400,
    ABORTED: 409,
    OUT_OF_RANGE: 400,
    UNIMPLEMENTED: 501,
    INTERNAL: 500,
    UNAVAILABLE: 503,
}

# The code for a container's HTTP status; ours, as Google publishes no table.
CODE_OF_HTTP = {400: INVALID_ARGUMENT, 403: PERMISSION_DENIED, 404: NOT_FOUND, 429: RESOURCE_EXHAUSTED}
CODE_OF_HTTP |= {500: INTERNAL, 501: UNIMPLEMENTED, 503: UNAVAILABLE, 504: DEADLINE_EXCEEDED}


class RefusedError(Exception):
    """A call is answered with an error: a `code` of google.rpc.Code and a message for the client."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


# What this machine lacks or forbids; the cloud has no such refusal.
_OF_THIS_MACHINE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EACCES, errno.EMFILE})


def of_this_machine(error: OSError) -> RefusedError | None:
    """Return the refusal of a call that this machine's disk does not let be answered; None for any other error."""
    if error.errno not in _OF_THIS_MACHINE:
        return None
    return RefusedError(RESOURCE_EXHAUSTED, f"{error.filename or 'the emulator'}: {error.strerror}")


# ---- What a failed deployment says -----------------------------------------------------------------------------------

CANCELLED_TEXT = "The operation was cancelled."  # ours
INTERNAL_TEXT = "INTERNAL"  # ours: an internal error says no more
NO_CAPACITY = "Machine type temporarily unavailable, please deploy with a different machine type or retry."
#   ^ code 14; seen in public threads


def logs_link(project_number: str, region: str, endpoint_id: str) -> str:
    """Return the console link in Vertex's message of a failed deployment."""
    condition = (
        'resource.type="aiplatform.googleapis.com/Endpoint"\n'
        f'resource.labels.endpoint_id="{endpoint_id}"\n'
        f'resource.labels.location="{region}"'
    )
    return (
        f"https://console.cloud.google.com/logs/viewer?project={project_number}"
        f"&resource=aiplatform.googleapis.com%2FEndpoint&advancedFilter={quote(condition, safe='')}"
    )


def server_exited(link: str) -> str:
    """The container ended (code 9)."""
    # Seen in public threads
    return f"Model server exited unexpectedly. Model server logs can be found at {link}."


def never_ready(link: str) -> str:
    """Health was not 200 in time (code 9)."""
    # https://github.com/GoogleCloudPlatform/vertex-ai-samples/issues/3485
    return (
        "Model server never became ready. Please validate that your model file or container configuration are valid. "
        f"Model server logs can be found at {link}."
    )


def server_terminated(reason: str, link: str) -> str:
    """The container was ended (code 9), for example by the kernel because memory ran out."""
    # https://github.com/GoogleCloudPlatform/vertex-ai-samples/issues/2254
    what = f"Model server terminated: model server container terminated: {reason}."
    return f"{what} Model server logs can be found at {link}."


def deployment_timed_out(link: str) -> str:
    """The deployment took too long (code 4)."""
    # Seen in public threads
    return f"Timeout. Model server logs can be found at {link}."


def image_unreadable(image_uri: str, agent: str) -> str:
    """The image cannot be pulled (code 9 or 7); the wording is ours."""
    return (
        f"Service account `{agent}` does not have permission to access Artifact Registry image {image_uri}, "
        "or the image does not exist."
    )


def artifacts_unreadable(artifact_uri: str, agent: str) -> str:
    """The service agent cannot read the artifacts (code 9)."""
    # Seen in public threads
    return (
        f"Service account `{agent}` does not have `[storage.objects.get]` IAM permission(s) to the directory "
        f'"{artifact_uri}". Please either copy the files to the Google Cloud Storage bucket owned by your project, '
        "or grant the required IAM permission(s) to the service account."
    )


def service_agent(project_number: str) -> str:
    """Return the account that Vertex itself acts as."""
    return f"service-{project_number}@gcp-sa-aiplatform.iam.gserviceaccount.com"


# ---- What a refused call says ----------------------------------------------------------------------------------------


def quota_exceeded(metrics: list[str]) -> RefusedError:
    """A quota is exceeded."""
    # Seen in public threads, with metrics of training
    return RefusedError(RESOURCE_EXHAUSTED, f"The following quota metrics exceed quota limits: {','.join(metrics)}")


def denied(permission: str, resource: str) -> RefusedError:
    """The caller lacks a permission."""
    # The form that Google's APIs share; seen in public threads
    return RefusedError(
        PERMISSION_DENIED,
        f"Permission '{permission}' denied on resource '//aiplatform.googleapis.com/{resource}' (or it may not exist).",
    )


def disabled(api: str, title: str, project_number: str) -> RefusedError:
    """An API is not enabled in the project."""
    # The form that Google's APIs share; seen in public threads
    return RefusedError(
        PERMISSION_DENIED,
        f"{title} has not been used in project {project_number} before or it is disabled. Enable it by visiting "
        f"https://console.developers.google.com/apis/api/{api}/overview?project={project_number} then retry. If you "
        "enabled this API recently, wait a few minutes for the action to propagate to our systems and retry.",
    )


def found_errors(problems: list[tuple[str, str]]) -> RefusedError:
    """Fields of a request are not as documented; each problem is a field and what is wrong with it."""
    # Seen in public threads
    listed = "".join(f"\t{n}.Field: {field}; Message: {text}" for n, (field, text) in enumerate(problems, start=1))
    return RefusedError(INVALID_ARGUMENT, f"List of found errors:{listed}\t")


def not_found(kind: str, name: str) -> RefusedError:
    """A resource does not exist; the wording is ours."""
    return RefusedError(NOT_FOUND, f"The {kind} does not exist: {name}")


def already_exists(kind: str, name: str) -> RefusedError:
    """A resource exists already; the wording is ours."""
    return RefusedError(ALREADY_EXISTS, f"The {kind} already exists: {name}")


def stale_etag(name: str) -> RefusedError:
    """An update was made from an older state; the wording is ours."""
    return RefusedError(ABORTED, f"Etag mismatch: {name} was changed since it was read. Read it again and retry.")


def precondition(text: str) -> RefusedError:
    """The state of a resource forbids the call."""
    return RefusedError(FAILED_PRECONDITION, text)


def unknown_deployed_models(ids: list[str]) -> RefusedError:
    """A split names deployed models that do not exist."""
    # https://github.com/GoogleCloudPlatform/java-docs-samples/pull/8475
    return RefusedError(FAILED_PRECONDITION, f"The following DeployedModel ID(s) [{', '.join(ids)}] do not exist.")


def no_traffic_split(endpoint: str) -> RefusedError:
    """An endpoint that is asked for a prediction sends its traffic nowhere."""
    # https://github.com/GoogleCloudPlatform/explainable_ai_sdk/issues/3
    return RefusedError(FAILED_PRECONDITION, f"Endpoint {endpoint} doesn't have traffic_split.")


def too_large(size: int, limit: int, what: str = "request") -> RefusedError:
    """A prediction is larger than the endpoint allows; sizes in bytes."""
    # Seen in public threads: FAILED_PRECONDITION, "exceeds 1.500MB limit"
    return RefusedError(FAILED_PRECONDITION, f"The {what} size ({size} bytes) exceeds {limit / 1e6:.3f}MB limit.")


def wrong_endpoint_id(said: str, endpoint_id: str) -> RefusedError:
    """A prediction over gRPC came to a dedicated endpoint without the header that names it."""
    # Documented as mandatory on get-online-predictions; which status and text Google answers is a guess.
    return RefusedError(
        INVALID_ARGUMENT, f"The header x-vertex-ai-endpoint-id is {said!r}; a gRPC request needs {endpoint_id!r}."
    )


def wrong_address(dns: str) -> RefusedError:
    """A prediction for a dedicated endpoint came to the shared address."""
    # Seen in several public repositories, FAILED_PRECONDITION
    return RefusedError(
        FAILED_PRECONDITION,
        "Dedicated Endpoint cannot be accessed through the shared Vertex AI domain aiplatform.googleapis.com. "
        f"Please access the endpoint using its dedicated domain name '{dns}'",
    )
