"""Checking requests against what the API's protos document: required fields, forms, ranges, exclusions.

Vertex would not refuse a request for its form if it passes here. Whether the named resources exist is checked where
the records are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from google.cloud import aiplatform_v1 as v1

from seatrial.emulator.api import machines
from seatrial.emulator.api.refusals import INVALID_ARGUMENT, RefusedError, found_errors, precondition
from seatrial.emulator.api.state import Message

Problems = list[tuple[str, str]]

# Patterns and ranges are those of google/cloud/aiplatform/v1/{model,endpoint,env_var,machine_resources}*.proto
_MODEL_ID = re.compile(r"[a-z_][a-z0-9_-]{0,62}")
_ENDPOINT_ID = re.compile(r"[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?|0|[1-9][0-9]{0,8}")
_DEPLOYED_ID = re.compile(r"[0-9]{1,10}")
_ALIAS = re.compile(r"[a-z][a-zA-Z0-9-]{0,126}[a-z0-9]")
_LABEL_KEY = re.compile(r"[^\W\d_A-Z][\w-]{0,63}")
_LABEL_VALUE = re.compile(r"[\w-]{0,64}")
_LABELS = 64
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_GCS = re.compile(r"gs://[a-z0-9][a-z0-9._-]{1,220}(?:/.*)?")
_PART = r"[a-z0-9]+(?:[._-]+[a-z0-9]+)*"  # https://github.com/distribution/reference
_IMAGE = re.compile(
    rf"(?:[a-zA-Z0-9.-]+(?::\d+)?/)?{_PART}(?:/{_PART})*(?::[\w.-]{{1,128}})?(?:@sha256:[0-9a-f]{{64}})?"
)
_REGISTRY = re.compile(r"(?P<place>[a-z0-9-]+)-docker\.pkg\.dev/(?P<project>[^/]+)/")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_KEY = re.compile(r"projects/[^/]+/locations/[^/]+/keyRings/[^/]+/cryptoKeys/[^/]+")
_BIGQUERY = re.compile(r"bq://[^.\s/]+(?:\.\w+){0,2}")  # BigQueryDestination in io.proto
_BY_NAME = "compute.googleapis.com/reservation-name"
_RESERVATION = re.compile(r"projects/[^/]+/zones/[^/]+/reservations/[^/]+")
_NETWORK = re.compile(r"projects/[^/]+/global/networks/[^/]+")
_DEPLOYMENT_TIMEOUT = 7200  # seconds
_INFERENCE_TIMEOUT = 3600  # seconds: the longest that a dedicated endpoint allows
_METRICS = tuple(
    f"aiplatform.googleapis.com/prediction/online/{metric}"
    for metric in ("accelerator/duty_cycle", "cpu/utilization", "request_count")
)
_DUTY_CYCLE = _METRICS[0]
_PROBE_NUMBERS = (
    "period_seconds",
    "timeout_seconds",
    "failure_threshold",
    "success_threshold",
    "initial_delay_seconds",
)
# Of a custom container; the emulator runs the first two. Tables of BigQuery are nowhere on this machine.
BATCH_INPUTS = ("jsonl", "file-list")
BATCH_OUTPUTS = ("jsonl",)
MODEL_FIELDS = frozenset({"display_name", "description", "labels"})
VERSION_FIELDS = frozenset({"version_description", "labels"})
ENDPOINT_FIELDS = frozenset(
    {"display_name", "description", "labels", "traffic_split", "predict_request_response_logging_config"}
)
DEPLOYED_FIELDS = frozenset(
    {
        "dedicated_resources.min_replica_count",
        "dedicated_resources.max_replica_count",
        "dedicated_resources.required_replica_count",
        "dedicated_resources.autoscaling_metric_specs",
        "disable_container_logging",
    }
)


def upload_model(request: Message, region: str) -> None:
    """Check an UploadModelRequest.

    Raises:
        RefusedError: INVALID_ARGUMENT with every problem found; the functions below raise it too.
    """
    problems: Problems = []
    model = request.model
    if request.model_id and not _MODEL_ID.fullmatch(request.model_id):
        problems.append(("model_id", "up to 63 of [a-z0-9_-], the first no number and no hyphen"))
    if request.model_id and request.parent_model:
        problems.append(("model_id", "must not be set when uploading a version to parent_model"))
    if request.service_account and not _EMAIL.fullmatch(request.service_account):
        problems.append(("service_account", "must be the email address of a service account"))
    if not request.HasField("model"):
        problems.append(("model", "required"))
    problems += _texts("model", model)
    problems += _labels("model.labels", model.labels)
    problems += _aliases("model.version_aliases", model.version_aliases)
    if model.artifact_uri and not _GCS.fullmatch(model.artifact_uri):
        problems.append(("model.artifact_uri", "must be a Cloud Storage directory: gs://bucket/path"))
    if not model.HasField("container_spec"):
        problems.append(("model.container_spec", "required for a model that no AutoML training made"))
    else:
        problems += _container("model.container_spec", model.container_spec, region)
    problems += _encryption("model.encryption_spec", model)
    _refuse(problems)


def update_model(request: Message, versioned: bool) -> None:
    """Check an UpdateModelRequest; `versioned` says that its name is a version's."""
    _mask(request.update_mask.paths, MODEL_FIELDS | VERSION_FIELDS, "update_mask")
    wrong = set(request.update_mask.paths) - (VERSION_FIELDS if versioned else MODEL_FIELDS)
    if wrong:
        # "A model name or model version name fields update mismatch will cause a precondition error":
        # model_service.proto
        kind = "a version" if versioned else "a model"
        raise precondition(f"{', '.join(sorted(wrong))} cannot be updated by the name of {kind}")
    problems = _texts("model", request.model, named="display_name" in request.update_mask.paths)
    _refuse(problems + _labels("model.labels", request.model.labels))


def merge_version_aliases(aliases: Iterable[str], version: str) -> None:
    """Check the aliases of a MergeVersionAliasesRequest and that its name has a version's id."""
    problems: Problems = []
    if not version.isdecimal():
        problems.append(("name", "a version ID must be explicitly included"))
    aliases = list(aliases)
    if not aliases:
        problems.append(("version_aliases", "required"))
    problems += _aliases("version_aliases", [alias.removeprefix("-") for alias in aliases])
    if "-default" in aliases and "default" not in aliases:
        problems.append(("version_aliases", "there must be exactly one default version alias for a model"))
    _refuse(problems)


def create_endpoint(request: Message) -> None:
    """Check a CreateEndpointRequest."""
    problems: Problems = []
    endpoint = request.endpoint
    if request.endpoint_id and not _ENDPOINT_ID.fullmatch(request.endpoint_id):
        problems.append(
            ("endpoint_id", "up to 63 of [a-z0-9-] from a letter to no hyphen, or up to 9 digits with no leading zero")
        )
    if not request.HasField("endpoint"):
        problems.append(("endpoint", "required"))
    problems += _texts("endpoint", endpoint)
    problems += _labels("endpoint.labels", endpoint.labels)
    problems += _encryption("endpoint.encryption_spec", endpoint)
    if endpoint.network and not _NETWORK.fullmatch(endpoint.network):
        problems.append(("endpoint.network", "must be projects/{project}/global/networks/{network}"))
    private = endpoint.enable_private_service_connect or endpoint.HasField("private_service_connect_config")
    if endpoint.network and private:
        problems.append(("endpoint.network", "excludes private service connect"))
    if endpoint.dedicated_endpoint_enabled and endpoint.network:
        problems.append(("endpoint.dedicated_endpoint_enabled", "excludes network"))
    if endpoint.traffic_split:
        problems.append(("endpoint.traffic_split", "must be empty: nothing is deployed yet"))
    problems += _private("endpoint.private_service_connect_config", endpoint.private_service_connect_config)
    problems += _logging(endpoint)
    problems += _inference_timeout(endpoint)
    _refuse(problems)


def update_endpoint(request: Message) -> None:
    """Check an UpdateEndpointRequest."""
    paths = list(request.update_mask.paths)
    _mask(paths, ENDPOINT_FIELDS, "update_mask")
    problems = _texts("endpoint", request.endpoint, named="display_name" in paths)
    problems += _labels("endpoint.labels", request.endpoint.labels)
    if "traffic_split" in paths:
        problems += _split("endpoint.traffic_split", request.endpoint.traffic_split)
    _refuse(problems + _logging(request.endpoint))


def update_endpoint_long_running(request: Message) -> None:
    """Check an UpdateEndpointLongRunningRequest."""
    # "Currently we only support updating the client_connection_config field": endpoint_service.proto
    others = [field.name for field, _ in request.endpoint.ListFields()]
    problems = [
        (f"endpoint.{name}", "cannot be updated by this method")
        for name in others
        if name not in ("name", "client_connection_config")
    ]
    _refuse(problems + _inference_timeout(request.endpoint))


def deploy_model(request: Message) -> None:
    """Check a DeployModelRequest."""
    problems: Problems = []
    deployed = request.deployed_model
    if not request.HasField("deployed_model"):
        problems.append(("deployed_model", "required"))
    if not deployed.model:
        problems.append(("deployed_model.model", "required"))
    if deployed.id and (not _DEPLOYED_ID.fullmatch(deployed.id) or deployed.id == "0"):
        problems.append(("deployed_model.id", "1-10 of [0-9], and not 0, which stands for the model being deployed"))
    if len(deployed.display_name) > 128:
        problems.append(("deployed_model.display_name", "up to 128 characters"))
    if deployed.service_account and not _EMAIL.fullmatch(deployed.service_account):
        problems.append(("deployed_model.service_account", "must be the email address of a service account"))
    if deployed.WhichOneof("prediction_resources") != "dedicated_resources":
        problems.append(("deployed_model.dedicated_resources", "required: the model supports dedicated resources only"))
    else:
        problems += _resources("deployed_model.dedicated_resources", deployed.dedicated_resources)
    if request.traffic_split:
        problems += _split("traffic_split", request.traffic_split)
    _refuse(problems)


def undeploy_model(request: Message) -> None:
    """Check an UndeployModelRequest."""
    problems: Problems = []
    if not request.deployed_model_id:
        problems.append(("deployed_model_id", "required"))
    if request.traffic_split:
        problems += _split("traffic_split", request.traffic_split)
    _refuse(problems)


def mutate_deployed_model(request: Message, current: Message) -> None:
    """Check a MutateDeployedModelRequest; `current` is the deployed model after the change."""
    _mask(request.update_mask.paths, DEPLOYED_FIELDS, "update_mask")
    _refuse(_resources("deployed_model.dedicated_resources", current.dedicated_resources))


def create_batch_prediction_job(job: Message) -> None:
    """Check the job of a CreateBatchPredictionJobRequest, by batch_prediction_job.proto."""
    field = "batch_prediction_job"
    problems = (
        _texts(field, job) + _labels(f"{field}.labels", job.labels) + _encryption(f"{field}.encryption_spec", job)
    )
    if bool(job.model) == job.HasField("unmanaged_container_model"):
        problems.append((f"{field}.model", "exactly one of model and unmanaged_container_model must be set"))
    given = job.input_config
    if given.instances_format not in BATCH_INPUTS:
        problems.append((f"{field}.input_config.instances_format", f"one of {', '.join(BATCH_INPUTS)}"))
    uris = list(given.gcs_source.uris)
    if not uris or not all(map(_GCS.fullmatch, uris)):
        problems.append((f"{field}.input_config.gcs_source.uris", "required: gs://bucket/path"))
    if job.output_config.predictions_format not in BATCH_OUTPUTS:
        problems.append((f"{field}.output_config.predictions_format", f"one of {', '.join(BATCH_OUTPUTS)}"))
    if not _GCS.fullmatch(job.output_config.gcs_destination.output_uri_prefix):
        problems.append((f"{field}.output_config.gcs_destination.output_uri_prefix", "required: gs://bucket/path"))
    if job.service_account and not _EMAIL.fullmatch(job.service_account):
        problems.append((f"{field}.service_account", "must be the email address of a service account"))
    if job.manual_batch_tuning_parameters.batch_size < 0:
        problems.append((f"{field}.manual_batch_tuning_parameters.batch_size", "must not be negative"))
    if not job.HasField("dedicated_resources"):
        problems.append((f"{field}.dedicated_resources", "required: the model supports dedicated resources only"))
    else:
        problems += _batch_resources(f"{field}.dedicated_resources", job.dedicated_resources)
    _refuse(problems)


def predict(request: Message) -> None:
    """Check a PredictRequest."""
    if not request.instances:
        _refuse([("instances", "required")])


def _refuse(problems: Problems) -> None:
    if problems:
        raise found_errors(problems)


def _mask(paths: Iterable[str], allowed: frozenset[str], field: str) -> None:
    paths = list(paths)
    if not paths:
        _refuse([(field, "required")])
    if wrong := [path for path in paths if path not in allowed]:
        raise RefusedError(INVALID_ARGUMENT, f"Invalid {field}: {', '.join(wrong)} cannot be updated")


def _texts(field: str, message: Message, *, named: bool = True) -> Problems:
    problems: Problems = []
    if named and not message.display_name.strip():
        problems.append((f"{field}.display_name", "required"))
    if len(message.display_name) > 128:
        problems.append((f"{field}.display_name", "up to 128 characters"))
    return problems


def _labels(field: str, labels: Message) -> Problems:
    problems: Problems = []
    if len(labels) > _LABELS:
        problems.append((field, f"up to {_LABELS} labels"))
    for key, value in labels.items():
        if not _LABEL_KEY.fullmatch(key) or key != key.lower():
            problems.append((field, f"key {key!r}: up to 64 lower-case letters, digits, _ and -, a letter first"))
        if not _LABEL_VALUE.fullmatch(value) or value != value.lower():
            problems.append((field, f"value {value!r}: up to 64 lower-case letters, digits, _ and -"))
    return problems


def _aliases(field: str, aliases: Iterable[str]) -> Problems:
    wrong = [alias for alias in aliases if not _ALIAS.fullmatch(alias)]
    return [(field, f"alias {alias!r} must match {_ALIAS.pattern}") for alias in wrong]


def _encryption(field: str, message: Message) -> Problems:
    if message.HasField("encryption_spec") and not _KEY.fullmatch(message.encryption_spec.kms_key_name):
        return [(f"{field}.kms_key_name", "must be projects/P/locations/L/keyRings/R/cryptoKeys/K")]
    return []


def _private(field: str, config: Message) -> Problems:
    problems: Problems = []
    if not config.enable_private_service_connect and config.ListFields():
        problems.append((f"{field}.enable_private_service_connect", "required"))
    for each in config.psc_automation_configs:
        if not _NETWORK.fullmatch(each.network):
            problems.append((f"{field}.psc_automation_configs", "must be projects/{project}/global/networks/{network}"))
        # "check to be sure that the projectId is in the allowlist": "Use dedicated private endpoints based on Private
        # Service Connect for online inference", docs.cloud.google.com
        if each.project_id not in config.project_allowlist:
            problems.append((f"{field}.psc_automation_configs", f"{each.project_id!r} is not in project_allowlist"))
    return problems


def _logging(endpoint: Message) -> Problems:
    field, config = "endpoint.predict_request_response_logging_config", endpoint.predict_request_response_logging_config
    problems: Problems = []
    if config.enabled and not 0 < config.sampling_rate <= 1:  # "a fraction in range(0,1]": endpoint.proto
        problems.append((f"{field}.sampling_rate", "must be within (0, 1]"))
    if config.enabled and not _BIGQUERY.fullmatch(config.bigquery_destination.output_uri):
        problems.append((f"{field}.bigquery_destination", "must be bq://PROJECT[.DATASET[.TABLE]]"))
    return problems


def _inference_timeout(endpoint: Message) -> Problems:
    timeout = endpoint.client_connection_config.inference_timeout.ToTimedelta().total_seconds()
    if 0 <= timeout <= _INFERENCE_TIMEOUT:
        return []
    return [("endpoint.client_connection_config.inference_timeout", "up to one hour")]


def _reservation(field: str, affinity: Message) -> Problems:
    # "the reservation must be identified via the `key` and `values` fields": reservation_affinity.proto
    if affinity.reservation_affinity_type == v1.ReservationAffinity.Type.TYPE_UNSPECIFIED:
        return [(f"{field}.reservation_affinity_type", "required")]
    specific = affinity.reservation_affinity_type == v1.ReservationAffinity.Type.SPECIFIC_RESERVATION
    if specific and (affinity.key != _BY_NAME or not all(map(_RESERVATION.fullmatch, affinity.values or [""]))):
        return [(field, f"needs key {_BY_NAME} and values projects/P/zones/Z/reservations/R")]
    return []


def _container(field: str, spec: Message, region: str) -> Problems:
    problems: Problems = []
    if not spec.image_uri:
        problems.append((f"{field}.image_uri", "required"))
    elif not _IMAGE.fullmatch(spec.image_uri):
        problems.append((f"{field}.image_uri", f"not the name of an image: {spec.image_uri}"))
    # A repository must be in the model's region; Google's own prebuilt images are in multi-regions.
    # https://cloud.google.com/vertex-ai/docs/predictions/custom-container-requirements#image-publishing
    registry = _REGISTRY.match(spec.image_uri)
    if registry and registry["project"] != "vertex-ai" and registry["place"] != region:
        problems.append((f"{field}.image_uri", f"the repository is in {registry['place']}, the model in {region}"))
    for name in ("predict_route", "health_route"):
        route = getattr(spec, name)
        if route and not route.startswith("/"):
            problems.append((f"{field}.{name}", "must begin with a slash"))
    if spec.invoke_route_prefix and (spec.predict_route or spec.invoke_route_prefix != "/*"):
        problems.append((f"{field}.invoke_route_prefix", "must be /* and excludes predict_route"))
    for name in ("ports", "grpc_ports"):
        for port in getattr(spec, name):
            if not 1 <= port.container_port <= 65535:
                problems.append((f"{field}.{name}", "between 1 and 65535"))
    names = [variable.name for variable in spec.env]
    problems += [(f"{field}.env", f"{n!r} is not a valid C identifier") for n in names if not _ENV_NAME.fullmatch(n)]
    problems += [(f"{field}.env", f"{n} is set by Vertex AI itself") for n in names if n.startswith("AIP_")]
    if not 0 <= spec.deployment_timeout.ToTimedelta().total_seconds() <= _DEPLOYMENT_TIMEOUT:
        problems.append((f"{field}.deployment_timeout", "up to 2 hours"))
    if spec.shared_memory_size_mb < 0:
        problems.append((f"{field}.shared_memory_size_mb", "must not be negative"))
    for name in ("startup_probe", "health_probe", "liveness_probe"):
        if spec.HasField(name):
            problems += _probe(f"{field}.{name}", getattr(spec, name))
    return problems


def _probe(field: str, probe: Message) -> Problems:
    problems: Problems = []
    kind = probe.WhichOneof("probe_type")
    if kind is None:
        problems.append((field, "needs exec, http_get, grpc or tcp_socket"))
    elif kind == "exec_" and not probe.exec_.command:  # the SDK renames the field because of the builtin
        problems.append((f"{field}.exec.command", "required"))
    elif kind != "exec_" and not 0 <= getattr(probe, kind).port <= 65535:
        problems.append((f"{field}.{kind}.port", "between 1 and 65535"))
    for name in _PROBE_NUMBERS:
        if getattr(probe, name) < 0:
            problems.append((f"{field}.{name}", "must not be negative"))
    return problems


def _split(field: str, split: Message) -> Problems:
    if not split:
        return []
    problems = [(field, f"{i!r} is not a DeployedModel ID") for i in split if not i.isdecimal()]
    problems += [(field, f"{i}: {p} is not a percentage") for i, p in split.items() if not 0 <= p <= 100]
    if (total := sum(split.values())) != 100:
        problems.append((field, f"The traffic percentage values must add up to 100, not {total}"))
    return problems


def _batch_resources(field: str, resources: Message) -> Problems:
    spec = resources.machine_spec
    accelerator = v1.AcceleratorType(spec.accelerator_type).name if spec.accelerator_type else ""
    problems: Problems = []
    if wrong := machines.problem(spec.machine_type, accelerator, spec.accelerator_count):
        problems.append((f"{field}.machine_spec", wrong))
    for name in ("starting_replica_count", "max_replica_count"):
        if getattr(resources, name) < 0:
            problems.append((f"{field}.{name}", "must not be negative"))
    if resources.max_replica_count and resources.starting_replica_count > resources.max_replica_count:
        problems.append((f"{field}.starting_replica_count", "not greater than max_replica_count"))
    return problems


def _resources(field: str, resources: Message) -> Problems:
    problems: Problems = []
    spec = resources.machine_spec
    if not resources.HasField("machine_spec"):
        problems.append((f"{field}.machine_spec", "required"))
    accelerator = v1.AcceleratorType(spec.accelerator_type).name if spec.accelerator_type else ""
    if wrong := machines.problem(spec.machine_type or machines.DEFAULT, accelerator, spec.accelerator_count):
        problems.append((f"{field}.machine_spec", wrong))
    if spec.HasField("reservation_affinity"):
        problems += _reservation(f"{field}.machine_spec.reservation_affinity", spec.reservation_affinity)
    if resources.min_replica_count < 1:
        problems.append((f"{field}.min_replica_count", "must be at least 1"))
    if resources.max_replica_count and resources.max_replica_count < resources.min_replica_count:
        problems.append((f"{field}.max_replica_count", "must not be less than min_replica_count"))
    # "less than or equal to min-replica-count": docs.cloud.google.com/sdk/gcloud/reference/ai/endpoints/deploy-model
    if not 0 <= resources.required_replica_count <= resources.min_replica_count:
        problems.append((f"{field}.required_replica_count", "between 0 and min_replica_count"))
    names = [metric.metric_name for metric in resources.autoscaling_metric_specs]
    if len(set(names)) != len(names):
        problems.append((f"{field}.autoscaling_metric_specs", "At most one entry is allowed per metric"))
    for metric in resources.autoscaling_metric_specs:
        if metric.metric_name not in _METRICS:
            problems.append((f"{field}.autoscaling_metric_specs", f"{metric.metric_name!r} is not a supported metric"))
        if metric.target < 0 or (metric.target > 100 and metric.metric_name != _METRICS[2]):
            problems.append((f"{field}.autoscaling_metric_specs", f"target {metric.target} is not within 1 to 100"))
        if metric.metric_name == _DUTY_CYCLE and not spec.accelerator_count:
            problems.append((f"{field}.autoscaling_metric_specs", "the duty cycle needs an accelerator"))
    return problems
