"""Family 7, deployment: what goes wrong between a proven predictor and a model version that answers on an endpoint.

Nothing here is decided from facts: the deployer uses these rules by code, and their symptoms recognise the cloud's own
texts in operations, in refused calls and in logs.
"""

from __future__ import annotations

import re

from seatrial.findings import Severity
from seatrial.rules.deployment.cloud import EXITED_SOURCE, NEVER_READY, NEVER_READY_SOURCE, SERVER_EXITED
from seatrial.rules.rule import Rule, Symptom

DOCS = "https://docs.cloud.google.com/gemini-enterprise-agent-platform/machine-learning"
ISSUES = "https://github.com/GoogleCloudPlatform/vertex-ai-samples/issues"
CONTAINER = f"{DOCS}/predictions/custom-container-requirements"
TROUBLESHOOTING = f"{DOCS}/troubleshooting"
TRAFFIC = "https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.endpoints"
COMPUTE = "https://cloud.google.com/vertex-ai/docs/predictions/configure-compute"
PERMISSIONS = "https://cloud.google.com/vertex-ai/docs/general/iam-permissions"
STATUS_CODES = "https://cloud.google.com/apis/design/errors"

SERVER_DIED = Rule(
    code="ST701",
    title="the model server exited while it was being deployed",
    explanation=(
        "The container ended before its health route ever said 200. The reason stands in the container's log, if it "
        "had the time to write one: a module that is missing, weights that do not load, too little memory, an image "
        "for another processor. The operation itself says only that the server exited."
    ),
    fix="run `seatrial smoke` for the same bundle, or `seatrial smoke --image` for the same image, and read the log",
    cloud=SERVER_EXITED,
    sources=(EXITED_SOURCE, f"{ISSUES}/3443", f"{ISSUES}/2254"),
    symptoms=(
        Symptom(
            re.compile(r"Model server terminated: (?!model server container terminated: go/debugonly)(?P<why>[^\n]+)"),
            "the model server ended: {why}",
        ),
        Symptom(
            re.compile(r"Model server (?:exited(?: unexpectedly)?|terminated)\b"),
            "the model server exited before it was ready",
        ),
    ),
)
NEVER_CAME_UP = Rule(
    code="ST702",
    title="the model server never became ready",
    explanation=(
        "The container ran, but its health route did not say 200 in time, so the deployment was given up. The server "
        "listens on another host, port or route than `AIP_HTTP_PORT` and `AIP_HEALTH_ROUTE` say, or the predictor "
        "takes longer to load than the deployment waits."
    ),
    fix=(
        "serve with seatrial's runtime, which reads the AIP_ variables; where loading really takes that long, let "
        "load() do less or take a larger machine"
    ),
    cloud=NEVER_READY,
    sources=(NEVER_READY_SOURCE, f"{ISSUES}/2103", CONTAINER),
    symptoms=(
        Symptom(re.compile(r"Model server never became ready"), "the model server never became ready"),
        Symptom(
            re.compile(r"(?:504 |^|: )Timeout\. Model server logs can be found", re.MULTILINE),
            "the deployment's own deadline passed before the model server was ready",
        ),
    ),
)
UNREADABLE = Rule(
    code="ST703",
    title="Vertex AI may not read the image or the artifacts",
    explanation=(
        "Images and artifacts are read by the service agent of Vertex AI, "
        "service-PROJECT_NUMBER@gcp-sa-aiplatform.iam.gserviceaccount.com, not by whoever deploys. In its own project "
        "it may read Artifact Registry without further ado; for a repository or bucket of another project it needs a "
        "role there. A service account of one's own for the container must be one that the agent may act as."
    ),
    fix=(
        "give the service agent roles/artifactregistry.reader on the repository and roles/storage.objectViewer on the "
        "bucket, or use those of the model's own project and region"
    ),
    cloud=(
        "FAILED_PRECONDITION: Service account `service-…@gcp-sa-aiplatform.iam.gserviceaccount.com` does not have "
        '`[storage.objects.get]` IAM permission(s) to the directory "gs://…".'
    ),
    sources=(f"{ISSUES}/3710", CONTAINER, TROUBLESHOOTING),
    symptoms=(
        Symptom(
            re.compile(
                r"Service account `?\[?(?P<account>[^\s`\]]{1,200})[^\n]{0,300}? "
                r"does not have `?\[(?P<permission>[\w., ]+)\]`? "
                r'IAM permission\(s\) to (?:the )?(?P<what>\w+) "?(?P<place>[^\s"]+?)"?(?:\. |\s|$)'
            ),
            "{account} lacks {permission} on {place}",
        ),
        Symptom(
            re.compile(
                r"Service account `?(?P<account>[^\s`]+)`? does not have permission to access "
                r"(?:Artifact Registry )?image (?P<image>[^\s,]+)"
            ),
            "{account} may not read the image {image}, or there is none",
        ),
        Symptom(
            re.compile(
                r"(?P<account>(?<![^\s])[^\s@]{1,100}@\S{1,200}) does not have (?P<permission>storage\.[\w.]+) access"
            ),
            "{account} lacks {permission}",
        ),
        Symptom(
            re.compile(
                r"Failed to add IAM policy binding\. Please grant (?P<account>\S+?)\s?(?P<at>@\S+) the (?P<role>\S+)"
            ),
            "the service agent {account}{at} lacks the role {role} on the container's service account",
        ),
        Symptom(
            re.compile(
                r"""Permission ["'](?P<permission>(?:artifactregistry|storage)\.[\w.]+)["'] denied on resource"""
                r"""(?: ["'](?P<place>[^"'\s]+)["'])?"""
            ),
            "the permission {permission} is missing where image or artifacts lie",
        ),
        Symptom(
            re.compile(r"(?i)\b(?:ErrImagePull|ImagePullBackOff|failed to pull (?:and unpack )?image\b)"),
            "the image cannot be pulled",
        ),
        Symptom(
            re.compile(
                r"(?i)\bimage [\"'`]?(?P<image>[a-z0-9-]+-docker\.pkg\.dev/[^\s\"'`]+)[\"'`]? (?:was )?not found"
            ),
            "the image {image} does not exist, or may not be read",
        ),
    ),
)
QUOTA = Rule(
    code="ST704",
    title="a quota is exceeded",
    explanation=(
        "The project's quota in this region does not hold what was asked for. Serving has metrics of its own, "
        "custom_model_serving_…, beside those of training; new projects often have 0 of a GPU. A second version "
        "beside the first needs twice the machines until the first is gone."
    ),
    fix="ask for more of the named quota in this region, or choose another machine, fewer replicas or another region",
    cloud="429 The following quota metrics exceed quota limits: aiplatform.googleapis.com/custom_model_…",
    sources=(f"{ISSUES}/700", f"{ISSUES}/3479", f"{ISSUES}/264", "https://cloud.google.com/vertex-ai/docs/quotas"),
    symptoms=(
        Symptom(
            re.compile(r"quota metrics exceed quota limits: (?P<quota>[\w./, -]*[\w])"),
            "the quota {quota} is exceeded",
        ),
        Symptom(
            re.compile(r"following quotas are exceeded: (?P<quota>[\w./, -]*[\w])"), "the quota {quota} is exceeded"
        ),
        Symptom(
            re.compile(r"Quota exceeded for (?:quota metric )?'?(?P<quota>[\w./ -]*\w)'?(?: and limit| with| of|\.|$)"),
            "the quota {quota} is exceeded",
        ),
    ),
)
DENIED = Rule(
    code="ST705",
    title="the deployer lacks a permission",
    explanation=(
        "Google Cloud refused a call of the identity that deploys. roles/aiplatform.user holds all that models and "
        "endpoints need; a service account of one's own for the container needs roles/iam.serviceAccountUser on it. "
        "A resource that does not exist is refused with the same words."
    ),
    fix="give the identity the named permission, for most of them with roles/aiplatform.user on the project",
    cloud="403 Permission 'aiplatform.…' denied on resource '//aiplatform.googleapis.com/…' (or it may not exist).",
    sources=("https://cloud.google.com/vertex-ai/docs/general/access-control", PERMISSIONS),
    symptoms=(
        Symptom(
            re.compile(
                r"""Permission ["'](?P<permission>(?!artifactregistry\.|storage\.)[a-z][\w.]+)["'] denied"""
                r"""(?: on resource ["'](?:projects/|//)?(?P<place>[^"'\s]+)["'])?"""
            ),
            "the identity that deploys lacks {permission}",
        ),
        Symptom(
            re.compile(r"Permission denied on resource(?: project)? (?P<place>[^\s.]+)"),
            "the identity that deploys may not use {place}",
        ),
    ),
)
SERVICE_FAILED = Rule(
    code="ST706",
    title="Google Cloud did not answer, or failed by itself",
    explanation=(
        "The service was unavailable, did not answer in time, or reported an internal error. Nothing in the project "
        "can be made responsible. Whether a change took effect was looked up afterwards where it mattered."
    ),
    fix="run the same command again later: what was done is found and not repeated; see https://status.cloud.google.com",
    cloud="500 Internal error encountered.",
    sources=(STATUS_CODES, "https://status.cloud.google.com/"),
    symptoms=(
        Symptom(
            re.compile(r"(?i)\binternal error (?:encountered|has occurred|occurred)"), "Google Cloud failed by itself"
        ),
        Symptom(re.compile(r"The service is currently unavailable"), "the service is unavailable"),
    ),
)
INVALID = Rule(
    code="ST707",
    title="the request is invalid",
    explanation=(
        "A field of the request breaks a rule of the API, such as a label in capitals or an accelerator that the "
        "machine does not take. The answer lists every field that it found wrong."
    ),
    fix="change the key of [tool.seatrial.vertex] that the field comes from",
    cloud="400 List of found errors:\t1.Field: model.labels; Message: …\t",
    sources=("https://cloud.google.com/vertex-ai/docs/reference/rest", STATUS_CODES),
    symptoms=(
        Symptom(
            re.compile(r"List of found errors:\s*1\.Field: (?P<field>[^;]+); Message: (?P<why>[^\t\n]*[^\t\n.])"),
            "the field {field} is refused: {why}",
        ),
    ),
)
CANCELLED = Rule(
    code="ST708",
    title="somebody cancelled the operation",
    explanation=(
        "The operation ended as cancelled. The deployer cancels only with `--cancel-on-stop` and its own operations "
        "only: somebody else did it, in the console or by another job."
    ),
    fix="ask who cancelled it, then run the same command again",
    cloud="CANCELLED: The operation was cancelled.",
    sources=("https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.operations/cancel",),
    symptoms=(Symptom(re.compile(r"(?i)\boperation (?:was|has been|is) cancell?ed\b"), "the operation was cancelled"),),
)
STOCKOUT = Rule(
    code="ST709",
    title="the region has no such machine left",
    explanation=(
        "The quota allows the machine, but Google has none of it free in this region now. That is frequent for GPUs "
        "and changes by the hour."
    ),
    fix="run again later, or choose another machine type, accelerator or region",
    cloud="503 Machine type temporarily unavailable, please deploy with a different machine type or retry.",
    sources=("https://cloud.google.com/compute/docs/troubleshooting/troubleshooting-resource-availability", COMPUTE),
    symptoms=(
        Symptom(
            re.compile(
                r'Machine type temporarily unavailable[.:]? (?:Machine type: )?"(?P<machine>[^"]+)"'
                r'(?:\. Accelerator type: "(?P<accelerator>[^"]+)")?'
            ),
            "there is no {machine} free in the region",
        ),
        Symptom(re.compile(r"Machine type temporarily unavailable"), "the machine type is temporarily unavailable"),
        Symptom(
            re.compile(r"Resources are insufficient in region: (?P<region>[\w-]+)"),
            "the region {region} has no such machine free",
        ),
        Symptom(
            re.compile(r"ZONE_RESOURCE_POOL_EXHAUSTED|does not have enough resources available to fulfill the request"),
            "the region has no such machine free",
        ),
    ),
)
OTHER_ANSWER = Rule(
    code="ST710",
    title="the live endpoint's answer is not the one that training recorded",
    explanation=(
        "The version was proven before it was uploaded, and now answers the same golden request with something else: "
        "another processor, GPU or image than in the trial, or a front end that changes requests. It gets no more "
        "traffic, and the split is what it was."
    ),
    fix="run `seatrial smoke` on the device of the target machine; widen a tolerance only where that is right",
    sources=("https://docs.pytorch.org/docs/stable/notes/numerical_accuracy.html",),
)
LIVE_ERRORS = Rule(
    code="ST711",
    title="the live endpoint answers with errors",
    explanation=(
        "Requests that the trial answered are refused or fail on the endpoint. What the container logged meanwhile "
        "says why; where it logged nothing, requests do not reach it."
    ),
    fix="read the container's log; run `seatrial smoke --image` with the same image",
    cloud="Invalid response from prediction server - the response field predictions is missing. Response: {…}",
    sources=("https://github.com/googleapis/python-aiplatform/issues/1526", CONTAINER),
    symptoms=(
        Symptom(
            re.compile(r"Invalid response from prediction server - (?P<why>[^\n.]+)"),
            "Vertex AI refuses the server's answer: {why}",
        ),
    ),
)
SLOWER = Rule(
    code="ST712",
    title="the new version is slower than the one before",
    explanation=(
        "Golden requests went to both versions in turn, at the same time and on the same endpoint. The 95th "
        "percentile of the new one's latency is above `rollout.max-latency-ratio` times that of the old."
    ),
    fix=(
        "compare the percentiles of both in build/deploy/deploy.json; raise `vertex.rollout.max-latency-ratio` "
        "where slower is meant"
    ),
    sources=("https://sre.google/workbook/canarying-releases/",),
)
INCONCLUSIVE = Rule(
    code="ST713",
    title="too few answers to judge the new version",
    explanation=(
        "A step of a rollout needs 50 answers of each version and 200 in all. They did not come within "
        "`rollout.step-timeout` or 2,000 requests, so that nothing is proven and no traffic was shifted."
    ),
    fix="raise `vertex.rollout.step-timeout`, or begin with a larger share in `vertex.rollout.steps`",
    sources=("https://sre.google/workbook/canarying-releases/",),
)
SUPERSEDED = Rule(
    code="ST714",
    title="somebody else changed the endpoint meanwhile",
    explanation=(
        "The traffic split or the record of the rollout is no longer what this deployer wrote: another deployer has "
        "taken over, or somebody moved the traffic. Both at once would end in a split that nobody proved, so this one "
        "stops and touches nothing more."
    ),
    fix="look at `seatrial deploy --status`; run again once the other is done, and let one deployer at a time run",
    sources=(
        TRAFFIC,
        "https://docs.github.com/en/actions/how-tos/write-workflows/choose-when-workflows-run/control-workflow-concurrency",
    ),
)
UNPROVEN_DEVICE = Rule(
    code="ST715",
    title="no trial ran on the target's device",
    explanation=(
        "The target machine has an accelerator, and no trial of this digest ran on one. On another device the same "
        "weights answer with other numbers, need a driver, and may not fit into memory."
    ),
    fix=(
        "run `seatrial smoke --device cuda` on a machine with a GPU, or accept the risk with "
        "`vertex.allow-unproven-device = true`"
    ),
    sources=("https://docs.pytorch.org/docs/stable/notes/numerical_accuracy.html",),
)
UNPROVEN = Rule(
    code="ST716",
    title="there is no passing report of what would be deployed",
    explanation=(
        "Only what a trial passed is deployed: a bundle needs a report of its own digest, an image one of its very "
        "image id. Either no trial ran, or something was changed since."
    ),
    fix="run `seatrial smoke`, or `seatrial image build` and `seatrial smoke --image`, then deploy again",
    sources=(CONTAINER,),
)
NO_CREDENTIALS = Rule(
    code="ST720",
    title="there are no credentials for Google Cloud",
    explanation=(
        "The deployer uses the ambient identity, Application Default Credentials: a login on a laptop, a federated "
        "identity in a workflow. None was found, or the one that was found gets no token any more."
    ),
    fix="run `gcloud auth application-default login`, or google-github-actions/auth in a workflow",
    cloud="Your default credentials were not found. To set up Application Default Credentials, see …",
    sources=("https://cloud.google.com/docs/authentication/provide-credentials-adc",),
    symptoms=(
        Symptom(
            re.compile(r"default credentials were not found|Could not automatically determine credentials"),
            "there are no Application Default Credentials here",
        ),
        Symptom(re.compile(r"Reauthentication is needed"), "the login has expired"),
        Symptom(
            re.compile(r"Request (?:had invalid|is missing required) authentication credential"),
            "the credentials are not accepted",
        ),
    ),
)
API_DISABLED = Rule(
    code="ST721",
    title="an API is not enabled in the project",
    explanation="Each of Google's services must be enabled in a project before it may be called, once and for all.",
    fix="enable it: `gcloud services enable SERVICE --project PROJECT`, and wait a minute or two",
    cloud="403 … API has not been used in project … before or it is disabled. Enable it by visiting …",
    sources=("https://cloud.google.com/service-usage/docs/enable-disable",),
    symptoms=(
        Symptom(
            re.compile(
                r"(?P<api>\b[A-Z][\w ]{1,60}? API) has not been used "
                r"in project (?P<project>\S+) before or it is disabled"
            ),
            "the {api} is not enabled in project {project}",
        ),
    ),
)
PERMISSION_MISSING = Rule(
    code="ST722",
    title="the identity lacks permissions that the deployment needs",
    explanation=(
        "Before anything slow begins, every permission that a step needs is tested by its name. Those that are "
        "missing would have ended the deployment at that step, some of them after half an hour."
    ),
    fix="give the identity the roles that the finding names",
    sources=("https://cloud.google.com/resource-manager/reference/rest/v1/projects/testIamPermissions", PERMISSIONS),
)
QUOTA_SMALL = Rule(
    code="ST724",
    title="the quota does not hold what would be deployed",
    explanation=(
        "The limit of the quota in this region is below what the machines of one version need at their least number. "
        "The deployment would be refused after the version was uploaded. A rollout beside a version that runs needs "
        "as much again."
    ),
    fix="ask for more of the named quota in this region, or choose another machine, fewer replicas or another region",
    cloud="429 The following quota metrics exceed quota limits: aiplatform.googleapis.com/custom_model_…",
    sources=("https://cloud.google.com/vertex-ai/docs/quotas", f"{ISSUES}/3479"),
)
STAYS = Rule(
    code="ST727",
    title="what stays running",
    explanation=(
        "A deployed model is paid for by the hour of its replicas, whether or not it is asked anything, until it is "
        "undeployed. Models, versions and endpoints without a deployed model cost nothing."
    ),
    fix="run `seatrial deploy --undeploy` to stop it",
    severity=Severity.NOTE,
    sources=("https://cloud.google.com/vertex-ai/pricing",),
)

RULES: tuple[Rule, ...] = (
    SERVER_DIED, NEVER_CAME_UP, UNREADABLE, QUOTA, DENIED, SERVICE_FAILED, INVALID, CANCELLED, STOCKOUT,
    OTHER_ANSWER, LIVE_ERRORS, SLOWER, INCONCLUSIVE, SUPERSEDED, UNPROVEN_DEVICE, UNPROVEN,
    NO_CREDENTIALS, API_DISABLED, PERMISSION_MISSING, QUOTA_SMALL, STAYS,
)  # fmt: skip

# A run whose errors are all of these is the fault of the surroundings, not of what was to be deployed.
SURROUNDINGS = frozenset(
    rule.code
    for rule in (
        UNREADABLE, QUOTA, DENIED, SERVICE_FAILED, INVALID, CANCELLED, STOCKOUT,
        NO_CREDENTIALS, API_DISABLED, PERMISSION_MISSING, QUOTA_SMALL,
    )
)  # fmt: skip
