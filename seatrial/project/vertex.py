"""[tool.seatrial.vertex]: where a model lives on Google Cloud, what serves it, and how a new version takes over.

A setting is one row: its kind, where it is sent, what it is, its default. What goes to the model is part of the
version's identity, what goes to the deployed model part of that one's; an endpoint is changed, or must be another one.
docs/vertex.md is written from these rows, and nothing of them is part of the bundle digest.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from seatrial.project.values import Percent, Percents, Port, Positive, Route, Seconds, Table, Texts, kebab, like

Region = Annotated[str, like(r"^[a-z]+(-[a-z]+)+[0-9]+$", 'a region such as "us-central1"')]
ResourceId = Annotated[  # CreateEndpointRequest.endpoint_id and UploadModelRequest.model_id
    str,
    like(
        r"^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$",
        "at most 63 lower-case letters, digits and hyphens that begin with a letter and do not end with a hyphen",
    ),
]
CloudProject = Annotated[  # ids of old projects begin with a domain and a colon
    str, like(r"^([a-z][a-z0-9.:-]{4,61}[a-z0-9])?$", 'the id of a cloud project, such as "my-project"')
]
CloudProjects = Annotated[tuple[CloudProject, ...], Field(strict=False)]
Account = Annotated[
    str,
    like(
        r"^([a-z0-9-]+@[a-z0-9.-]+)?$",
        'the address of a service account, such as "serving@my-project.iam.gserviceaccount.com"',
    ),
]
Machine = Annotated[str, like(r"^[a-z][a-z0-9]*-[a-z0-9-]+$", 'a machine type such as "n1-standard-4"')]
Machines = Annotated[
    tuple[Machine, ...],
    BeforeValidator(
        lambda value: (value,) if isinstance(value, str) else value,
        json_schema_input_type=Machine | tuple[Machine, ...],
    ),
    Field(strict=False, min_length=1),
]
Accelerator = Annotated[str, like(r"^(NVIDIA|TPU)_[A-Z0-9_]+$", 'an accelerator type such as "NVIDIA_L4"')]
Key = Annotated[
    str,
    like(
        r"^projects/[^/]+/locations/[^/]+/keyRings/[^/]+/cryptoKeys/[^/]+$",
        'the name of a key: "projects/P/locations/REGION/keyRings/R/cryptoKeys/K"',
    ),
]
Network = Annotated[
    str, like(r"^projects/[^/]+/global/networks/[^/]+$", 'the name of a network: "projects/P/global/networks/N"')
]
Reservation = Annotated[
    str,
    like(
        r"^(none|any|projects/[^/]+/zones/[^/]+/reservations/[^/]+)$",
        '"none", "any" or the name of a reservation: "projects/P/zones/ZONE/reservations/NAME"',
    ),
]
BigQuery = Annotated[
    str,
    like(
        r"^bq://[a-z][a-z0-9.:-]+(\.\w+){0,2}$",
        'a place in BigQuery: "bq://PROJECT", "bq://PROJECT.DATASET" or "bq://PROJECT.DATASET.TABLE"',
    ),
]
_LABEL_KEY, _LABEL_VALUE = re.compile(r"[a-z][a-z0-9_-]{0,62}"), re.compile(r"[a-z0-9_-]{0,63}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")  # EnvVar.name: a valid C identifier

MODEL, ENDPOINT, DEPLOYED = "model", "endpoint", "deployed model"  # what a setting can be of


@dataclass(frozen=True, slots=True)
class Sent:
    """Where a setting is sent.

    Attributes:
        to: MODEL, ENDPOINT or DEPLOYED.
        field: its path in the API's message of that name.
        form: makes the field's value of the setting's.
        changes: whether the field of what exists can be changed.
    """

    to: str
    field: str
    form: Callable[[Any], Any] = lambda value: value
    changes: bool = False


def _variables(env: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "value": env[name]} for name in sorted(env)]  # their order means nothing, so it is no change


def _duration(seconds: int) -> dict[str, int]:
    return {"seconds": seconds}


def _probe(probe: ProbeSettings) -> dict[str, Any]:
    kind: dict[str, Any] = {"exec_": {"command": list(probe.exec)}}  # the client renames `exec`, a builtin
    if probe.http_get:
        kind = {"http_get": {"path": probe.http_get, "port": probe.port}}
    elif probe.tcp_socket:
        kind = {"tcp_socket": {"port": probe.port}}
    return kind | {name: value for name in _OF_PROBES if (value := getattr(probe, name)) is not None}


def _logging(settings: LoggingSettings) -> dict[str, Any]:
    destination = {"output_uri": settings.bigquery}
    return {"enabled": True, "sampling_rate": settings.sampling, "bigquery_destination": destination}


def _reservation(name: str) -> dict[str, Any]:
    if not name.startswith("projects/"):
        return {"reservation_affinity_type": "NO_RESERVATION" if name == "none" else "ANY_RESERVATION"}
    by_name = {"key": "compute.googleapis.com/reservation-name", "values": [name]}
    return {"reservation_affinity_type": "SPECIFIC_RESERVATION", **by_name}


def _network(name: str) -> list[dict[str, str]]:
    return [{"project_id": name.split("/")[1], "network": name}]


class ProbeSettings(Table):
    """How Kubernetes asks a container how it is: a command, a route or a port, and how often."""

    exec: Annotated[Texts, "a command in the container; 0 is well"] = ()
    http_get: Annotated[Route, "a route that answers 200 to 399"] = ""
    tcp_socket: Annotated[bool, "whether the port can be connected to"] = False
    port: Annotated[Port, "of `http-get` and `tcp-socket`"] = 8080
    period_seconds: Annotated[Positive | None, "between two questions; the API's default is 10"] = None
    timeout_seconds: Annotated[Positive | None, "of one question; the API's default is 1"] = None
    failure_threshold: Annotated[Positive | None, "failures in a row that count; the API's default is 3"] = None
    success_threshold: Annotated[Positive | None, "successes in a row that count; the API's default is 1"] = None
    initial_delay_seconds: Annotated[int | None, Field(ge=0), "before the first; the API's default is 0"] = None

    @model_validator(mode="after")
    def _is_one_kind(self) -> ProbeSettings:
        if [bool(self.exec), bool(self.http_get), self.tcp_socket].count(True) != 1:
            raise ValueError("a probe needs one of exec, http-get and tcp-socket")
        return self


_OF_PROBES = tuple(name for name in ProbeSettings.model_fields if name.endswith(("seconds", "threshold")))


class LoggingSettings(Table):
    """Where requests and answers are logged; images, too, unless they come as addresses."""

    bigquery: Annotated[BigQuery, "the project, dataset or table; what is not named is made"]
    sampling: Annotated[float, Field(gt=0, le=1), "the share of the requests"] = 1.0


class RolloutSettings(Table):
    """How a new version takes over the traffic of the previous one."""

    steps: Annotated[Percents, "percent of the traffic, rising to 100"] = (10, 50, 100)
    bake: Annotated[
        float | None, Field(ge=0), "seconds at 100 % before the old version goes; default: 300, locally 0"
    ] = None
    step_timeout: Annotated[Seconds, "seconds in which a step must have its answers"] = 900.0
    max_error_rate: Annotated[float, Field(ge=0, le=1), "share of the answers in a step"] = 0.01
    max_latency_ratio: Annotated[float, Field(gt=0), "of the 95th percentiles, new to old"] = 1.5
    staging: Annotated[bool, "prove on a separate endpoint before any traffic moves"] = False

    @model_validator(mode="after")
    def _steps_rise_to_all(self) -> RolloutSettings:
        if not self.steps or self.steps[-1] != 100 or list(self.steps) != sorted(set(self.steps)):
            raise ValueError("steps must rise and end with 100, such as [10, 50, 100]")
        return self


class BatchSettings(Table):
    """How a batch prediction runs; its machine, service account, key and labels are those of the deployed model."""

    replicas: Annotated[Positive, "machines, from the beginning to the end"] = 1
    batch_size: Annotated[
        Positive | None, "rows in one request; they fail together, and must fit in 1.5 MB; the API's default is 64"
    ] = None
    timeout: Annotated[Seconds, "seconds of a job; then it goes on, and the same command waits for it again"] = 21600.0


class VertexSettings(Table):
    """Where the model lives on Google Cloud and what serves it. None of it is part of the bundle digest."""

    project: Annotated[CloudProject, "the cloud project's id; if empty, deploys are rehearsed on this machine"] = ""
    region: Annotated[Region, "the image must be in the same one"] = "us-central1"
    model: Annotated[ResourceId | None, "its id; default: the project's name"] = None
    endpoint: Annotated[ResourceId | None, "its id; default: the project's name"] = None
    endpoint_type: Annotated[
        Literal["dedicated", "shared", "private"],
        "`dedicated`: a host of its own, 10 MB and 10 minutes a request; `shared`: 1.5 MB and 60 s; "
        "`private`: by Private Service Connect, in your network",
    ] = "dedicated"
    private_projects: Annotated[
        CloudProjects,
        Sent(ENDPOINT, "private_service_connect_config.project_allowlist", list),
        "which may ask a private endpoint",
    ] = ()
    private_network: Annotated[
        Network | None,
        Sent(ENDPOINT, "private_service_connect_config.psc_automation_configs", _network),
        "where the way to a private endpoint is made automatically",
    ] = None
    inference_timeout: Annotated[
        int | None,
        Field(ge=1, le=3600),  # ClientConnectionConfig; "The maximum timeout value is 3600 seconds (1 hour)"
        Sent(ENDPOINT, "client_connection_config.inference_timeout", _duration, changes=True),
        "seconds that an endpoint with a host of its own waits for an answer; its default is 600",
    ] = None
    request_logging: Annotated[
        LoggingSettings | None,
        Sent(ENDPOINT, "predict_request_response_logging_config", _logging, changes=True),
        "requests and answers in BigQuery",
    ] = None
    kms_key: Annotated[
        Key | None,
        Sent(MODEL, "encryption_spec.kms_key_name"),
        Sent(ENDPOINT, "encryption_spec.kms_key_name"),
        "the key that model and endpoint are encrypted with; in the same region",
    ] = None
    env: Annotated[
        dict[str, str],
        Sent(MODEL, "container_spec.env", _variables),
        "variables of the container, in the trial too; no secrets",
    ] = {}
    shared_memory_mb: Annotated[
        Positive | None,
        Sent(MODEL, "container_spec.shared_memory_size_mb"),
        "of /dev/shm, taken from the machine's memory; a container's default is 64",
    ] = None
    deployment_timeout: Annotated[
        int | None,
        Field(ge=1, le=7200),  # ModelContainerSpec: "Limit for deployment timeout is 2 hours"
        Sent(MODEL, "container_spec.deployment_timeout", _duration),
        "seconds in which the container must become ready",
    ] = None
    startup_probe: Annotated[
        ProbeSettings | None,
        Sent(MODEL, "container_spec.startup_probe", _probe),
        "holds the others off until it is well",
    ] = None
    health_probe: Annotated[
        ProbeSettings | None,
        Sent(MODEL, "container_spec.health_probe", _probe),
        "decides about traffic; default: the health route",
    ] = None
    liveness_probe: Annotated[
        ProbeSettings | None,
        Sent(MODEL, "container_spec.liveness_probe", _probe),
        "decides about restarts; default: the port",
    ] = None
    machine_type: Annotated[Machines, "or a list: the next one where there is no capacity for the one before"] = (
        "n1-standard-4",
    )
    accelerator_type: Annotated[Accelerator | None, "such as `NVIDIA_L4`"] = None
    accelerator_count: Annotated[int, Field(ge=1, le=16), "of each replica, if there is a type"] = 1
    spot: Annotated[
        bool, Sent(DEPLOYED, "dedicated_resources.spot"), "machines that cost less and may be taken away"
    ] = False
    reservation_affinity: Annotated[
        Reservation | None,
        Sent(DEPLOYED, "dedicated_resources.machine_spec.reservation_affinity", _reservation),
        "whether machines come from a reservation: `none`, `any`, or its full name",
    ] = None
    min_replicas: Annotated[Positive, "at least 1: a rollout needs something that answers"] = 1
    max_replicas: Annotated[Positive, "with more than `min-replicas` there is autoscaling"] = 1
    required_replicas: Annotated[
        Positive | None,
        Sent(DEPLOYED, "dedicated_resources.required_replica_count"),
        "of the `min-replicas`, those that must be ready for a deployment to have succeeded; default: all",
    ] = None
    cpu_target: Annotated[Percent | None, "of the processors, at which replicas are added"] = None
    gpu_target: Annotated[Percent | None, "of the accelerator's duty cycle, at which replicas are added"] = None
    service_account: Annotated[
        Account, Sent(DEPLOYED, "service_account"), "that the container runs as; if empty, Vertex's own"
    ] = ""
    container_logging: Annotated[
        bool,
        Sent(DEPLOYED, "disable_container_logging", lambda value: not value),
        "the container's output in Cloud Logging; without it, a failure cannot be explained",
    ] = True
    access_logging: Annotated[
        bool, Sent(DEPLOYED, "enable_access_logging"), "a line a request in Cloud Logging, which costs"
    ] = False
    labels: Annotated[dict[str, str], "of model version and endpoint"] = {}
    allow_unproven_device: Annotated[bool, "whether to deploy to an accelerator that no trial ran on"] = False
    upload_timeout: Annotated[Seconds, "seconds of an upload"] = 900.0
    endpoint_timeout: Annotated[Seconds, "seconds until an endpoint is made or deleted"] = 300.0
    deploy_timeout: Annotated[Seconds, "seconds of a deployment"] = 2700.0
    undeploy_timeout: Annotated[Seconds, "seconds of an undeployment"] = 900.0
    rollout: RolloutSettings = RolloutSettings()
    batch: BatchSettings = BatchSettings()

    @property
    def machine(self) -> str:
        """The machine type that is tried first."""
        return self.machine_type[0]

    @property
    def device(self) -> Literal["cpu", "cuda"]:
        """The device of the target machine."""
        return "cuda" if self.accelerator_type else "cpu"

    @model_validator(mode="after")
    def _fits_together(self) -> VertexSettings:
        for problem in (*_of_replicas(self), *_of_endpoint(self), *_of_texts(self)):
            raise ValueError(problem)
        return self


def _of_replicas(settings: VertexSettings) -> Iterator[str]:
    least, most, required = settings.min_replicas, settings.max_replicas, settings.required_replicas
    if least > most:
        yield f"min-replicas is {least}, more than max-replicas, {most}"
    if required is not None and required > least:  # "less than or equal to min-replica-count": gcloud's reference
        yield f"required-replicas is {required}, more than min-replicas, {least}"
    for key in ("gpu_target", "accelerator_count"):
        if settings.accelerator_type is None and key in settings.model_fields_set:
            yield f"{kebab(key)} needs an accelerator-type"
    for key in ("cpu_target", "gpu_target"):
        if getattr(settings, key) is not None and least == most:
            yield f"{kebab(key)} adds replicas, so max-replicas must be more than min-replicas"
    if len(set(settings.machine_type)) < len(settings.machine_type):
        yield "machine-type names a machine twice"
    if settings.spot and settings.reservation_affinity not in (None, "none"):
        yield "spot machines come from no reservation: leave spot or reservation-affinity out"


def _of_endpoint(settings: VertexSettings) -> Iterator[str]:
    private = settings.endpoint_type == "private"
    if private and not settings.private_projects:
        yield 'endpoint-type = "private" needs private-projects, among them the one that deploys'
    if not private and (settings.private_projects or settings.private_network):
        yield 'private-projects and private-network need endpoint-type = "private"'
    if settings.private_network and settings.private_network.split("/")[1] not in settings.private_projects:
        yield f"private-projects must name the project of private-network, {settings.private_network.split('/')[1]}"
    if settings.endpoint_type == "shared" and settings.inference_timeout is not None:
        yield 'a shared endpoint waits 60 s: inference-timeout needs endpoint-type = "dedicated" or "private"'
    if settings.kms_key and settings.kms_key.split("/")[3] != settings.region:
        yield f"kms-key is in {settings.kms_key.split('/')[3]}, the model in {settings.region}"


def _of_texts(settings: VertexSettings) -> Iterator[str]:
    for key, value in settings.labels.items():
        if not _LABEL_KEY.fullmatch(key) or not _LABEL_VALUE.fullmatch(value) or key.startswith("seatrial-"):
            yield (
                f"labels: {key} = {value!r}; both take at most 63 lower-case letters, digits, _ and -, and the key "
                "begins with a letter but not with seatrial-"
            )
    for name in settings.env:
        if not _VARIABLE.fullmatch(name):
            yield f"env: {name!r} is no name of a variable: letters, digits and _, and no digit first"
        if name.startswith("AIP_"):
            yield f"env: {name} is set by Vertex AI itself"
        if "$(" in settings.env[name] or "$$" in settings.env[name]:  # Kubernetes expands both
            yield f"env: {name} refers to another variable; write its value out"


def sent(to: str) -> Iterator[tuple[str, Sent]]:
    """Yield the settings that are sent to one of MODEL, ENDPOINT and DEPLOYED, by their names in Python."""
    for name, field in VertexSettings.model_fields.items():
        for way in field.metadata:
            if isinstance(way, Sent) and way.to == to:
                yield name, way


def fields_of(settings: VertexSettings, to: str) -> dict[str, Any]:
    """Return what the settings fill in of the API's message MODEL, ENDPOINT or DEPLOYED: nothing for a default."""
    found: dict[str, Any] = {}
    for name, way in sent(to):
        value = getattr(settings, name)
        if value == VertexSettings.model_fields[name].default:
            continue
        *parents, last = way.field.split(".")
        place = found
        for parent in parents:
            place = place.setdefault(parent, {})
        place[last] = way.form(value)
    return found


def variables_of(settings: VertexSettings) -> str:
    """Return the digest of the container's own variables, by which a trial says with which ones it ran; "" for none."""
    return hashlib.sha256(json.dumps(settings.env, sort_keys=True).encode()).hexdigest() if settings.env else ""


def version_of(digest: str, settings: VertexSettings) -> str:
    """Return the digest that names a version: that of what it holds, hashed with the settings that its model has."""
    own = fields_of(settings, MODEL)
    return hashlib.sha256(json.dumps([digest, own], sort_keys=True).encode()).hexdigest() if own else digest
