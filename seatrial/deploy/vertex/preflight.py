"""Asks Google before a deploy: who deploys, which APIs are enabled, which permissions and how much quota there are.

All questions are asked at the same time, each within a time limit. A service that does not answer is reported as not
checked; only what is known to be wrong stops a deploy. Nothing is changed here.
"""

from __future__ import annotations

import queue
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from google.api_core.exceptions import GoogleAPICallError
from google.auth.exceptions import GoogleAuthError

from seatrial.facts.tables import machines
from seatrial.findings import Event, Finding, Severity, Stage, Step
from seatrial.rules.deployment.preflight import API_DISABLED, NO_CREDENTIALS, PERMISSION_MISSING, QUOTA_SMALL

if TYPE_CHECKING:
    from seatrial.deploy.vertex.client import Vertex
    from seatrial.project import Project
    from seatrial.project.vertex import VertexSettings

SECONDS = 15.0  # that all questions asked at once may take
TIMEOUT = 10.0  # seconds for one answer
PAGE, PAGES = 500, 10  # of the list of metrics, which has more of other kinds than of serving
# API → what it is for; the first two are needed, without the others less can be said.
APIS = {
    "aiplatform.googleapis.com": "models and endpoints",
    "artifactregistry.googleapis.com": "the image",
    "cloudresourcemanager.googleapis.com": "testing permissions",
    "logging.googleapis.com": "reading the container's log",
}
_NEEDED_APIS = ("aiplatform.googleapis.com", "artifactregistry.googleapis.com")
# Permission → the step that needs it; https://cloud.google.com/vertex-ai/docs/general/iam-permissions
PERMISSIONS = {
    "aiplatform.models.list": "finding the model's versions",
    "aiplatform.models.get": "finding the version by its alias",
    "aiplatform.models.upload": "uploading the version",
    "aiplatform.models.update": "giving the version its aliases",
    "aiplatform.endpoints.get": "finding the endpoint",
    "aiplatform.endpoints.create": "creating the endpoint",
    "aiplatform.endpoints.update": "moving traffic",
    "aiplatform.endpoints.deploy": "deploying the version",
    "aiplatform.endpoints.undeploy": "retiring a version, and cleaning up after a failure",
    "aiplatform.endpoints.predict": "proving the endpoint with golden images",
}
# Without these a deploy continues, but something is left undone or unreported.
USEFUL = {
    "aiplatform.models.delete": "deleting the second version of one digest after a race",
    "aiplatform.endpoints.delete": "deleting an endpoint of its own after a failure",
    "logging.logEntries.list": "reading the container's log after a failure",
}
# Permission → what a batch prediction needs it for; the same page.
BATCH_PERMISSIONS = {
    "aiplatform.models.list": "finding the proven version",
    "aiplatform.models.get": "running the version",
    "aiplatform.batchPredictionJobs.create": "creating the job",
    "aiplatform.batchPredictionJobs.get": "waiting for the job",
    "aiplatform.batchPredictionJobs.list": "finding a job that runs already",
}
BATCH_USEFUL = {
    "aiplatform.batchPredictionJobs.cancel": "cancelling the job with --cancel-on-stop, or one of two made at once"
}
_ROLES = {"aiplatform": "roles/aiplatform.user", "logging": "roles/logging.viewer"}
_SERVING = "custom_model_serving"  # begins the names of the quotas that deployed models count against
_GENERAL = ("n1", "e2")  # series that count against the quota of processors without a series in its name

Check = Callable[[], Sequence[Event]]


def preflight(vertex: Vertex, project: Project, image: str = "", *, batch: bool = False) -> Stage[bool]:
    """Check what Google can be asked before a deploy or a batch prediction; return False if nobody can do it.

    `image` is REPOSITORY@DIGEST, or "" if none is deployed.
    """
    who, refused = identity(vertex)
    if refused is not None:
        yield refused
        return False
    yield Step(f"acting as {who}", lasting=True)
    yield from _together({"which APIs are enabled": partial(_apis, vertex, image)})  # what the others need, too
    settings = project.vertex
    permissions = (BATCH_PERMISSIONS, BATCH_USEFUL) if batch else (PERMISSIONS, USEFUL)
    checks: dict[str, Check] = {"permissions": partial(_permissions, vertex, who, *permissions)}
    if settings.service_account:
        checks["the service account"] = partial(_act_as, vertex, who, settings.service_account)
    if not batch and (needed := quotas(settings)):  # jobs have quotas of their own
        checks["quota"] = partial(_quotas, vertex, needed)
    yield from _together(checks)
    return True


def identity(vertex: Vertex) -> tuple[str, Finding | None]:
    """Return who deploys, in words, and a finding if the credentials get no access token."""
    credentials = vertex.credentials
    if credentials is None:
        return "nobody in particular: the emulator asks for no identity", None
    from google.auth.transport.requests import Request

    try:
        credentials.refresh(Request())
    except GoogleAuthError as error:
        return "", NO_CREDENTIALS.finding(f"the credentials get no access token: {error}", cloud=str(error))
    for name in ("service_account_email", "signer_email", "account"):
        who = getattr(credentials, name, None)
        if isinstance(who, str) and who and who != "default":
            return who, None
    return f"an identity without a name ({type(credentials).__module__})", None


def quotas(settings: VertexSettings) -> dict[str, int]:
    """Return the quota metrics that one version counts against → how much its smallest number of replicas takes.

    A machine or accelerator that the table does not know has no metric here.
    """
    table, needed = machines(), {}
    machine, series = table.machines.get(settings.machine), settings.machine.partition("-")[0]
    if machine is not None:
        metric = f"{_SERVING}_cpus" if series in _GENERAL else f"{_SERVING}_{series}_cpus"
        needed[metric] = machine.processors * settings.min_replicas
    if settings.accelerator_type is not None and settings.accelerator_type in table.quotas:
        needed[table.quotas[settings.accelerator_type]] = settings.accelerator_count * settings.min_replicas
    # Spot machines have quotas of their own: GoogleCloudPlatform/vertex-ai-samples, notebooks/community/model_garden
    kind = f"{_SERVING}_preemptible" if settings.spot else _SERVING
    return {f"{kind}{metric.removeprefix(_SERVING)}": number for metric, number in needed.items()}


def _apis(vertex: Vertex, image: str) -> list[Event]:
    project = vertex.target.project
    wanted = [api for api in APIS if image or api != "artifactregistry.googleapis.com"]
    names = urllib.parse.urlencode([("names", f"projects/{project}/services/{api}") for api in wanted])
    answer = vertex.rest("serviceusage", "GET", f"/v1/projects/{project}/services:batchGet?{names}", timeout=TIMEOUT)
    states = {service["name"].rpartition("/")[2]: service.get("state", "") for service in answer.get("services", [])}
    return [
        API_DISABLED.finding(
            f"{api} is not enabled in project {project}; it is needed for {APIS[api]}",
            severity=Severity.ERROR if api in _NEEDED_APIS else Severity.WARNING,
            fix=f"run `gcloud services enable {api} --project {project}`, and wait a minute or two",
        )
        for api in wanted
        if states.get(api) != "ENABLED"
    ]


def _permissions(vertex: Vertex, who: str, needed: Mapping[str, str], useful: Mapping[str, str]) -> list[Event]:
    project = vertex.target.project
    body = {"permissions": [*needed, *useful]}
    path = f"/v1/projects/{project}:testIamPermissions"
    answer = vertex.rest("cloudresourcemanager", "POST", path, body, timeout=TIMEOUT)
    has = set(answer.get("permissions", []))
    found: list[Event] = []
    for wanted, severity in ((needed, Severity.ERROR), (useful, Severity.WARNING)):
        if missing := [name for name in wanted if name not in has]:
            roles = sorted({_ROLES[name.partition(".")[0]] for name in missing})
            found.append(
                PERMISSION_MISSING.finding(
                    f"{who} lacks {', '.join(missing)} in project {project}",
                    severity=severity,
                    fix=f"give the identity {' and '.join(roles)} on project {project}",
                    evidence=tuple(f"{name}: {wanted[name]}" for name in missing),
                )
            )
    return found


def _act_as(vertex: Vertex, who: str, account: str) -> list[Event]:
    path = f"/v1/projects/-/serviceAccounts/{urllib.parse.quote(account)}:testIamPermissions"
    answer = vertex.rest("iam", "POST", path, {"permissions": ["iam.serviceAccounts.actAs"]}, timeout=TIMEOUT)
    if "iam.serviceAccounts.actAs" in answer.get("permissions", []):
        return []
    return [
        PERMISSION_MISSING.finding(
            f"{who} may not deploy a container that runs as {account}: iam.serviceAccounts.actAs is missing on it",
            fix=f"give the identity roles/iam.serviceAccountUser on {account}",
        )
    ]


def _quotas(vertex: Vertex, needed: Mapping[str, int]) -> list[Event]:
    region, limits = vertex.target.region, _limits(vertex, needed)
    found: list[Event] = []
    for metric, least in needed.items():
        limit = limits.get(metric)
        if limit is None:
            found.append(Step(f"the quota {metric} of {region} could not be read", lasting=True))
        elif 0 <= limit < least:  # -1 is no limit
            found.append(
                QUOTA_SMALL.finding(
                    f"the quota {metric} in {region} is {limit}, and the version needs {least}",
                    fix=f"ask for more of {metric}, or choose another machine, fewer replicas or another region",
                )
            )
        elif 0 <= limit < 2 * least:
            text = f"the quota {metric} in {region} is {limit}: enough for one version, not for two at once"
            found.append(Step(text, lasting=True))
    return found


def _limits(vertex: Vertex, wanted: Mapping[str, int]) -> dict[str, int]:
    """Return the limits of metrics in the target's region, as far as they can be read."""
    target, found, token = vertex.target, dict[str, int](), ""
    path = f"/v1beta1/projects/{target.project}/services/aiplatform.googleapis.com/consumerQuotaMetrics"
    for _ in range(PAGES):
        query = urllib.parse.urlencode({"view": "BASIC", "pageSize": PAGE} | ({"pageToken": token} if token else {}))
        answer = vertex.rest("serviceusage", "GET", f"{path}?{query}", timeout=TIMEOUT)
        for metric in answer.get("metrics", []):
            name = metric.get("metric", "").removeprefix("aiplatform.googleapis.com/")
            limit = _limit(metric, target.region) if name in wanted else None
            if limit is not None:
                found[name] = limit
        token = answer.get("nextPageToken", "")
        if not token or found.keys() == wanted.keys():
            break
    return found


def _limit(metric: Mapping[str, Any], region: str) -> int | None:
    """Return the limit that holds in a region: its own, else that of every region; None if there is neither."""
    found: dict[str, int] = {}
    for limit in metric.get("consumerQuotaLimits", []):
        for bucket in limit.get("quotaBuckets", []):
            where = bucket.get("dimensions", {}).get("region", "")
            if where in ("", region):
                # A limit of 0 is left out of the answer, as JSON of proto3 leaves out every zero.
                found[where] = min(int(bucket.get("effectiveLimit", 0)), found.get(where, 1 << 62))
    return found.get(region, found.get(""))


def _together(checks: Mapping[str, Check]) -> Iterator[Event]:
    """Run checks at once, and yield their results in order; say so if one has no answer in time."""
    answers: queue.SimpleQueue[tuple[str, Sequence[Event] | Exception]] = queue.SimpleQueue()

    def run(what: str, check: Check) -> None:
        try:
            answers.put((what, check()))
        except Exception as error:  # noqa: BLE001 - raised again below, unless it is Google's answer
            answers.put((what, error))

    for what, check in checks.items():
        threading.Thread(target=run, args=(what, check), daemon=True).start()
    deadline, said = time.monotonic() + SECONDS, dict[str, Sequence[Event] | Exception]()
    while len(said) < len(checks) and (left := deadline - time.monotonic()) > 0:
        try:
            what, answer = answers.get(timeout=left)
        except queue.Empty:
            break
        said[what] = answer
    for what in checks:
        result = said.get(what)
        if result is None:
            yield Step(f"{what}: no answer within {SECONDS:g} s, not checked", lasting=True)
        elif isinstance(result, GoogleAPICallError):
            yield Step(f"{what}: not checked, {result.message}", lasting=True)
        elif isinstance(result, Exception):
            raise result
        else:
            yield from result
