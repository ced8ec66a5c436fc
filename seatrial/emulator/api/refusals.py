"""The refusals of Vertex AI: status codes and the sentences that go with them.

A text that was read in a public thread says so; the others are of our own making and are marked as such, because
nobody should learn to match on them. Nothing here decides when a text is due.
"""

from __future__ import annotations

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

# The code that a container's HTTP status becomes; ours, no table of Google's is public.
CODE_OF_HTTP = {400: INVALID_ARGUMENT, 403: PERMISSION_DENIED, 404: NOT_FOUND, 429: RESOURCE_EXHAUSTED}
CODE_OF_HTTP |= {500: INTERNAL, 501: UNIMPLEMENTED, 503: UNAVAILABLE, 504: DEADLINE_EXCEEDED}


class RefusedError(Exception):
    """A call that is answered with an error: `code` of google.rpc.Code and the message that the client reads."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


# ---- What a failed deployment says -----------------------------------------------------------------------------------

CANCELLED_TEXT = "The operation was cancelled."  # ours
INTERNAL_TEXT = "INTERNAL"  # ours: an internal error says no more
NO_CAPACITY = "Machine type temporarily unavailable, please deploy with a different machine type or retry."
#   ^ code 14; seen in public threads


def logs_link(project_number: str, region: str, endpoint_id: str) -> str:
    """Give the console link that Vertex puts into the message of a failed deployment."""
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
    """Say that the container ended (code 9)."""
    # Seen in public threads
    return f"Model server exited unexpectedly. Model server logs can be found at {link}."


def never_ready(link: str) -> str:
    """Say that health was not 200 in time (code 9)."""
    # https://github.com/GoogleCloudPlatform/vertex-ai-samples/issues/3485
    return (
        "Model server never became ready. Please validate that your model file or container configuration are valid. "
        f"Model server logs can be found at {link}."
    )


def server_terminated(reason: str, link: str) -> str:
    """Say that the container was ended (code 9), such as by the kernel for want of memory."""
    # https://github.com/GoogleCloudPlatform/vertex-ai-samples/issues/2254
    what = f"Model server terminated: model server container terminated: {reason}."
    return f"{what} Model server logs can be found at {link}."


def deployment_timed_out(link: str) -> str:
    """Say that the deployment took too long (code 4)."""
    # Seen in public threads
    return f"Timeout. Model server logs can be found at {link}."


def image_unreadable(image_uri: str, agent: str) -> str:
    """Say that the image cannot be pulled (code 9 or 7); the wording is ours."""
    return (
        f"Service account `{agent}` does not have permission to access Artifact Registry image {image_uri}, "
        "or the image does not exist."
    )


def artifacts_unreadable(artifact_uri: str, agent: str) -> str:
    """Say that the service agent cannot read the artifacts (code 9)."""
    # Seen in public threads
    return (
        f"Service account `{agent}` does not have `[storage.objects.get]` IAM permission(s) to the directory "
        f'"{artifact_uri}". Please either copy the files to the Google Cloud Storage bucket owned by your project, '
        "or grant the required IAM permission(s) to the service account."
    )


def service_agent(project_number: str) -> str:
    """Name the account that Vertex itself acts as."""
    return f"service-{project_number}@gcp-sa-aiplatform.iam.gserviceaccount.com"


# ---- What a refused call says ----------------------------------------------------------------------------------------


def quota_exceeded(metrics: list[str]) -> RefusedError:
    """Refuse for quota."""
    # Seen in public threads, with metrics of training
    return RefusedError(RESOURCE_EXHAUSTED, f"The following quota metrics exceed quota limits: {','.join(metrics)}")


def denied(permission: str, resource: str) -> RefusedError:
    """Refuse for want of a permission."""
    # The form that Google's APIs share; seen in public threads
    return RefusedError(
        PERMISSION_DENIED,
        f"Permission '{permission}' denied on resource '//aiplatform.googleapis.com/{resource}' (or it may not exist).",
    )


def disabled(api: str, title: str, project_number: str) -> RefusedError:
    """Refuse because an API is not enabled in the project."""
    # The form that Google's APIs share; seen in public threads
    return RefusedError(
        PERMISSION_DENIED,
        f"{title} has not been used in project {project_number} before or it is disabled. Enable it by visiting "
        f"https://console.developers.google.com/apis/api/{api}/overview?project={project_number} then retry. If you "
        "enabled this API recently, wait a few minutes for the action to propagate to our systems and retry.",
    )


def found_errors(problems: list[tuple[str, str]]) -> RefusedError:
    """Refuse a request whose fields are not as documented: field and what is wrong with it."""
    # Seen in public threads
    listed = "".join(f"\t{n}.Field: {field}; Message: {text}" for n, (field, text) in enumerate(problems, start=1))
    return RefusedError(INVALID_ARGUMENT, f"List of found errors:{listed}\t")


def not_found(kind: str, name: str) -> RefusedError:
    """Refuse what is about something that is not there; the wording is ours."""
    return RefusedError(NOT_FOUND, f"The {kind} does not exist: {name}")


def already_exists(kind: str, name: str) -> RefusedError:
    """Refuse to make a thing twice; the wording is ours."""
    return RefusedError(ALREADY_EXISTS, f"The {kind} already exists: {name}")


def stale_etag(name: str) -> RefusedError:
    """Refuse an update that was made from an older state; the wording is ours."""
    return RefusedError(ABORTED, f"Etag mismatch: {name} was changed since it was read. Read it again and retry.")


def precondition(text: str) -> RefusedError:
    """Refuse because of the state that a thing is in."""
    return RefusedError(FAILED_PRECONDITION, text)


def unknown_deployed_models(ids: list[str]) -> RefusedError:
    """Refuse a split that names deployed models which are not there."""
    # https://github.com/GoogleCloudPlatform/java-docs-samples/pull/8475
    return RefusedError(FAILED_PRECONDITION, f"The following DeployedModel ID(s) [{', '.join(ids)}] do not exist.")


def no_traffic_split(endpoint: str) -> RefusedError:
    """Refuse a prediction on an endpoint that sends its traffic nowhere."""
    # https://github.com/GoogleCloudPlatform/explainable_ai_sdk/issues/3
    return RefusedError(FAILED_PRECONDITION, f"Endpoint {endpoint} doesn't have traffic_split.")


def too_large(size: int, limit: int, what: str = "request") -> RefusedError:
    """Refuse a prediction that is larger than the endpoint allows; sizes in bytes."""
    # Seen in public threads: FAILED_PRECONDITION, "exceeds 1.500MB limit"
    return RefusedError(FAILED_PRECONDITION, f"The {what} size ({size} bytes) exceeds {limit / 1e6:.3f}MB limit.")


def wrong_door(dns: str) -> RefusedError:
    """Refuse a prediction for a dedicated endpoint that came to the shared address."""
    # Seen in several public repositories, FAILED_PRECONDITION
    return RefusedError(
        FAILED_PRECONDITION,
        "Dedicated Endpoint cannot be accessed through the shared Vertex AI domain aiplatform.googleapis.com. "
        f"Please access the endpoint using its dedicated domain name '{dns}'",
    )
