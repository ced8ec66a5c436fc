"""Family 7, operations: what Vertex AI says when an operation or a request fails.

The deployer recognises these in the errors of operations; the texts are those that Google Cloud returns.
"""

from __future__ import annotations

from seatrial.rules.cloud import (
    COMPUTE,
    CONTAINER_REQUIREMENTS,
    DOCS,
    EXITED_SOURCE,
    ISSUES,
    NEVER_READY,
    NEVER_READY_SOURCE,
    PERMISSIONS,
    SERVER_EXITED,
)
from seatrial.rules.rule import Rule, Symptom, Telling

TROUBLESHOOTING = f"{DOCS}/troubleshooting"
STATUS_CODES = "https://cloud.google.com/apis/design/errors"

SERVER_DIED = Rule(
    code="ST701",
    title="the model server exited while it was being deployed",
    explanation=(
        "The container ended before its health route answered 200. The reason is in the container's log, if it had "
        "time to write one: a missing module, weights that do not load, too little memory, an image "
        "for another processor. The operation itself says only that the server exited."
    ),
    fix="run `seatrial smoke` for the same bundle, or `seatrial smoke --image` for the same image, and read the log",
    telling=Telling.NAMELESS,
    cloud=SERVER_EXITED,
    sources=(EXITED_SOURCE, f"{ISSUES}/3443", f"{ISSUES}/2254"),
    symptoms=(
        Symptom(
            r"Model server terminated: (?!model server container terminated: go/debugonly)(?P<why>[^\n]+)",
            "the model server ended: {why}",
        ),
        Symptom(
            r"Model server (?:exited(?: unexpectedly)?|terminated)\b",
            "the model server exited before it was ready",
        ),
    ),
)

NEVER_CAME_UP = Rule(
    code="ST702",
    title="the model server never became ready",
    explanation=(
        "The container ran, but its health route did not answer 200 in time, so the deployment was given up. The "
        "server listens on another host, port or route than `AIP_HTTP_PORT` and `AIP_HEALTH_ROUTE` say, or the "
        "predictor takes longer to load than the deployment waits."
    ),
    fix=(
        "serve with seatrial's runtime, which reads the AIP_ variables; if loading really takes that long, do less in "
        "load() or use a larger machine"
    ),
    telling=Telling.NAMELESS,
    cloud=NEVER_READY,
    sources=(NEVER_READY_SOURCE, f"{ISSUES}/2103", CONTAINER_REQUIREMENTS),
    symptoms=(
        Symptom(r"Model server never became ready", "the model server never became ready"),
        Symptom(
            r"(?m)(?:504 |^|: )Timeout\. Model server logs can be found",
            "the deployment's own deadline passed before the model server was ready",
        ),
    ),
)

UNREADABLE = Rule(
    code="ST703",
    title="Vertex AI is not allowed to read the image or the artifacts",
    explanation=(
        "Images and artifacts are read by the service agent of Vertex AI, "
        "service-PROJECT_NUMBER@gcp-sa-aiplatform.iam.gserviceaccount.com, not by whoever deploys. In its own project "
        "it can read Artifact Registry by default; for a repository or bucket of another project it needs a role "
        "there. If the container runs as a service account of your own, the agent must be allowed to act as it."
    ),
    fix=(
        "give the service agent roles/artifactregistry.reader on the repository and roles/storage.objectViewer on the "
        "bucket, or use those of the model's own project and region"
    ),
    cloud=(
        "FAILED_PRECONDITION: Service account `service-…@gcp-sa-aiplatform.iam.gserviceaccount.com` does not have "
        '`[storage.objects.get]` IAM permission(s) to the directory "gs://…".'
    ),
    sources=(f"{ISSUES}/3710", CONTAINER_REQUIREMENTS, TROUBLESHOOTING),
    symptoms=(
        Symptom(
            (
                r"Service account `?\[?(?P<account>[^\s`\]]{1,200})[^\n]{0,300}? "
                r"does not have `?\[(?P<permission>[\w., ]+)\]`? "
                r'IAM permission\(s\) to (?:the )?(?P<what>\w+) "?(?P<place>[^\s"]+?)"?(?:\. |\s|$)'
            ),
            "{account} lacks {permission} on {place}",
        ),
        Symptom(
            (
                r"Service account `?(?P<account>[^\s`]+)`? does not have permission to access "
                r"(?:Artifact Registry )?image (?P<image>[^\s,]+)"
            ),
            "{account} is not allowed to read the image {image}, or it does not exist",
        ),
        Symptom(
            r"Failed to add IAM policy binding\. Please grant (?P<account>\S+?)\s?(?P<at>@\S+) the (?P<role>\S+)",
            "the service agent {account}{at} lacks the role {role} on the container's service account",
        ),
        Symptom(
            r"(?i)\b(?:ErrImagePull|ImagePullBackOff|failed to pull (?:and unpack )?image\b)",
            "the image cannot be pulled",
        ),
        Symptom(
            r"(?i)\bimage [\"'`]?(?P<image>[a-z0-9-]+-docker\.pkg\.dev/[^\s\"'`]+)[\"'`]? (?:was )?not found",
            "the image {image} does not exist, or cannot be read",
        ),
    ),
)

QUOTA = Rule(
    code="ST704",
    title="a quota is exceeded",
    explanation=(
        "The project's quota in this region does not cover what was requested. Serving has its own metrics, "
        "custom_model_serving_…, beside those of training; new projects often have 0 of a GPU. A second version "
        "beside the first needs twice the machines until the first is gone."
    ),
    fix="ask for more of the named quota in this region, or choose another machine, fewer replicas or another region",
    cloud="429 The following quota metrics exceed quota limits: aiplatform.googleapis.com/custom_model_…",
    sources=(f"{ISSUES}/700", f"{ISSUES}/3479", f"{ISSUES}/264", "https://cloud.google.com/vertex-ai/docs/quotas"),
    symptoms=(
        Symptom(
            r"quota metrics exceed quota limits: (?P<quota>[\w./, -]*[\w])",
            "the quota {quota} is exceeded",
        ),
        Symptom(r"following quotas are exceeded: (?P<quota>[\w./, -]*[\w])", "the quota {quota} is exceeded"),
        Symptom(
            r"Quota exceeded for (?:quota metric )?'?(?P<quota>[\w./ -]*\w)'?(?: and limit| with| of|\.|$)",
            "the quota {quota} is exceeded",
        ),
    ),
)

DENIED = Rule(
    code="ST705",
    title="an identity lacks a permission",
    explanation=(
        "Google Cloud refused a call by an identity: the one that deploys, pushes, builds, calls the endpoint, or that "
        "the server runs as. roles/aiplatform.user has every permission that models and endpoints need. If the "
        "container runs as a service account of your own, the deployer also needs roles/iam.serviceAccountUser on that "
        "account. A resource that does not exist is refused with the same words."
    ),
    recognised=(
        "By a permission (service.resource.verb) that the text says is missing, in any of the forms of Google's "
        "services, their clients and registries. Who lacks it is read from the text, or follows from what the "
        "permission is for; a table, entered by hand, names the smallest role."
    ),
    fix="give the identity the named permission; roles/aiplatform.user on the project has most of them",
    cloud="403 Permission 'aiplatform.…' denied on resource '//aiplatform.googleapis.com/…' (or it may not exist).",
    sources=("https://cloud.google.com/vertex-ai/docs/general/access-control", PERMISSIONS),
    symptoms=(
        Symptom(
            r"Permission denied on resource(?: project)? (?P<place>[^\s.]+)",
            "the identity is not allowed to use {place}, or it does not exist",
        ),
    ),
)

SERVICE_FAILED = Rule(
    code="ST706",
    title="Google Cloud did not answer, or had an internal error",
    explanation=(
        "The service was unavailable, did not answer in time, or reported an internal error. Nothing in the project "
        "is the cause. Where it mattered, the deployer checked afterwards whether a change had taken effect."
    ),
    fix="run the same command again later: finished steps are not repeated; see https://status.cloud.google.com",
    telling=Telling.NAMELESS,
    cloud="500 Internal error encountered.",
    sources=(STATUS_CODES, "https://status.cloud.google.com/"),
    symptoms=(
        Symptom(
            r"(?i)\binternal error (?:encountered|has occurred|occurred)",
            "Google Cloud had an internal error",
        ),
        Symptom(r"The service is currently unavailable", "the service is unavailable"),
    ),
)

# The fix of the same failure where the service is the emulator of a rehearsal.
EMULATOR_FAILED = (
    "free disk space if that is the cause, or remove build/emulator, then run the same command again; "
    "`seatrial emulator` shows what it prints"
)

INVALID = Rule(
    code="ST707",
    title="the request is invalid",
    explanation=(
        "A field of the request breaks a rule of the API, such as a label in capitals or an accelerator that the "
        "machine does not support. The answer lists every invalid field."
    ),
    fix="change the key of [tool.seatrial.vertex] that the field comes from",
    cloud="400 List of found errors:\t1.Field: model.labels; Message: …\t",
    sources=("https://cloud.google.com/vertex-ai/docs/reference/rest", STATUS_CODES),
    symptoms=(
        Symptom(
            r"List of found errors:\s*1\.Field: (?P<field>[^;]+); Message: (?P<why>[^\t\n]*[^\t\n.])",
            "the field {field} is refused: {why}",
        ),
    ),
)

CANCELLED = Rule(
    code="ST708",
    title="somebody cancelled the operation",
    explanation=(
        "The operation ended as cancelled. The deployer cancels only its own operations, and only with "
        "`--cancel-on-stop`: somebody else did it, in the console or by another job."
    ),
    fix="ask who cancelled it, then run the same command again",
    telling=Telling.NAMELESS,
    cloud="CANCELLED: The operation was cancelled.",
    sources=("https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.operations/cancel",),
    symptoms=(Symptom(r"(?i)\boperation (?:was|has been|is) cancell?ed\b", "the operation was cancelled"),),
)

STOCKOUT = Rule(
    code="ST709",
    title="the region has no such machine free",
    explanation=(
        "The quota allows the machine, but none is free in this region now. This is common for GPUs and changes "
        "by the hour."
    ),
    fix="run again later, or choose another machine type, accelerator or region",
    cloud="503 Machine type temporarily unavailable, please deploy with a different machine type or retry.",
    sources=("https://cloud.google.com/compute/docs/troubleshooting/troubleshooting-resource-availability", COMPUTE),
    symptoms=(
        Symptom(
            (
                r'Machine type temporarily unavailable[.:]? (?:Machine type: )?"(?P<machine>[^"]+)"'
                r'(?:\. Accelerator type: "(?P<accelerator>[^"]+)")?'
            ),
            "no {machine} is free in the region",
        ),
        Symptom(r"Machine type temporarily unavailable", "the machine type is temporarily unavailable"),
        Symptom(
            r"Resources are insufficient in region: (?P<region>[\w-]+)",
            "the region {region} has no such machine free",
        ),
        Symptom(
            r"ZONE_RESOURCE_POOL_EXHAUSTED|does not have enough resources available to fulfill the request",
            "the region has no such machine free",
        ),
    ),
)
