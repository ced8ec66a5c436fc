"""What the public sources say of every call, header, variable, limit and name that a deploy rests on.

These rows are data beside the code that makes the calls: docs/conformance.md is written from them, and a test fails if
the code makes a call that has no row. A row without a source is a guess. `python -m seatrial.deploy.vertex.conformance
docs/conformance.md` writes the page.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path

READ = "2026-11-30"  # when the sources were last read
_SDK = "https://github.com/googleapis/python-aiplatform/blob/v2.7.0/google/cloud/aiplatform_v1/types"  # as in the wheel
_DOCS = "https://docs.cloud.google.com"
_ONLINE = f"{_DOCS}/gemini-enterprise-agent-platform/machine-learning/predictions/get-online-predictions"
_CONTAINER = f"{_DOCS}/gemini-enterprise-agent-platform/machine-learning/predictions/custom-container-requirements"
_OPERATIONS = "https://github.com/googleapis/googleapis/blob/master/google/longrunning/operations.proto"
_TYPES = "https://cloud.google.com/vertex-ai/docs/predictions/choose-endpoint-type"
_DEDICATED = "https://cloud.google.com/vertex-ai/docs/predictions/create-public-endpoint"
_PRIVATE = f"{_DOCS}/gemini-enterprise-agent-platform/machine-learning/predictions/private-service-connect"
_REGISTRY = "https://github.com/opencontainers/distribution-spec/blob/v1.0.1/spec.md"
_HEAD = """\
# Conformance

<!-- Written by `python -m seatrial.deploy.vertex.conformance docs/conformance.md`; the rows are in that module. -->

What a deploy sends to Google, held against the public sources. A test fails if the code makes a call over gRPC or
REST, sends a header or a setting, or reads a variable that has no row here. The last column is the test that shows the
row. Most run against the emulator, which refuses what the source rules out.

The sources were read on {read}; the types are those of google-cloud-aiplatform 2.7.0. {guesses} rows are guesses: no
public source was found, and only a run on Google Cloud can settle them.
"""
_MARKS = re.compile(r"([*_\[\]|<>])")
_MODEL, _ENDPOINT = f"{_SDK}/model_service.py", f"{_SDK}/endpoint_service.py"


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that the code does, held against its public source.

    Attributes:
        name: the RPC, "API METHOD path" of a REST call, the header, the variable, or what a limit or rule is about.
        says: what the source says.
        source: its URL; "" if there is none, so that what is said is a guess.
        sends: what we do.
        test: the test that shows it, as FILE::NAME below `tests/`.
    """

    name: str
    says: str
    source: str
    sends: str
    test: str


RPCS = (
    Row(
        "UploadModel",
        "parent and model required; parent_model only for another version; model_id up to 63 of [a-z0-9_-], not first "
        "a number or hyphen",
        _MODEL,
        "one of parent_model and model_id; an alias of the digest, never `default`",
        "deploy/vertex/test_versions.py::test_the_upload_request_says_what_the_api_requires",
    ),
    Row(
        "GetModel",
        "the name may end in @ and a version's id or alias",
        f"{_SDK}/model.py",
        "models/ID, models/ID@ALIAS and models/ID@NUMBER",
        "emulator/api/test_models.py::test_a_requested_version_has_its_id_in_its_name",
    ),
    Row(
        "ListModelVersions",
        "name of the model; standard page size and token",
        _MODEL,
        "pages of 100 until there is no token",
        "deploy/vertex/test_versions.py::test_versions_are_listed_by_number_over_all_pages",
    ),
    Row(
        "MergeVersionAliases",
        "the name has a version id explicitly; aliases match [a-z][a-zA-Z0-9-]{0,126}[a-z-0-9]",
        _MODEL,
        "models/ID@NUMBER and one alias",
        "emulator/api/test_models.py::test_aliases_are_moved_and_taken_away",
    ),
    Row(
        "DeleteModelVersion",
        "the name has a version id explicitly",
        _MODEL,
        "models/ID@NUMBER, only for the second version of a digest after a race",
        "emulator/api/test_models.py::test_the_only_version_and_the_default_version_cannot_be_deleted",
    ),
    Row(
        "CreateEndpoint",
        "parent and endpoint required; a chosen endpoint_id is up to 63 of [a-z0-9-] after a letter",
        _ENDPOINT,
        "endpoint_id, display_name, labels, dedicated_endpoint_enabled, and the settings below",
        "emulator/api/test_validation.py::test_an_endpoint_that_breaks_a_rule_is_refused_with_its_field",
    ),
    Row(
        "GetEndpoint",
        "name required; the answer has etag, split and deployed models",
        _ENDPOINT,
        "the resource name",
        "deploy/vertex/test_endpoints.py::test_an_endpoint_is_made_once_and_then_found",
    ),
    Row(
        "UpdateEndpoint",
        "endpoint and update_mask required; without an etag the update overwrites blindly",
        f"{_SDK}/endpoint.py",
        "name, the etag that was read, and a mask of traffic_split, labels or both; request logging by itself",
        "deploy/vertex/test_messages.py::test_a_change_names_what_it_changes_and_the_state_that_it_was_made_from",
    ),
    Row(
        "UpdateEndpointLongRunning",
        "only client_connection_config is updated, all other fields are refused",
        _ENDPOINT,
        "name and client_connection_config, if the project sets another inference-timeout",
        "deploy/vertex/test_endpoint_settings.py::test_what_can_be_changed_of_an_endpoint_is_changed",
    ),
    Row(
        "DeleteEndpoint",
        "name required",
        _ENDPOINT,
        "only an endpoint that the failed deploy itself made, after its models are undeployed",
        "emulator/api/test_endpoints.py::test_an_endpoint_with_a_deployed_model_cannot_be_deleted",
    ),
    Row(
        "DeployModel",
        "without traffic_split the endpoint's split stays as it is; the deployed model's id is 1 to 10 digits",
        _ENDPOINT,
        "no split, an id of 10 digits, model@version, dedicated resources",
        "emulator/api/test_deployments.py::test_a_deployment_without_a_split_gets_no_traffic",
    ),
    Row(
        "UndeployModel",
        "only a deployed model without traffic is undeployed, or one whose traffic the request takes away",
        _ENDPOINT,
        "no split; the traffic has been moved before",
        "emulator/api/test_deployments.py::test_a_model_with_traffic_is_undeployed_only_if_its_traffic_goes_elsewhere",
    ),
    Row(
        "GetOperation",
        "clients poll at intervals that the service recommends",
        _OPERATIONS,
        "every 2 s at first, at most every 20 s, with jitter",
        "deploy/vertex/test_poller.py::test_every_stage_is_a_line_with_the_time_taken_and_the_time_left",
    ),
    Row(
        "ListOperations",
        "a server that does not support it answers UNIMPLEMENTED",
        _OPERATIONS,
        "the model's or endpoint's name; without an answer what runs is found by its result",
        "deploy/vertex/test_client.py::test_a_server_that_lists_no_operations_has_none",
    ),
    Row(
        "CancelOperation",
        "best effort; a cancelled operation ends with code 1",
        _OPERATIONS,
        "only if the user asks for it",
        "emulator/api/test_deployments.py::test_a_cancelled_deployment_ends_with_code_1_and_leaves_nothing",
    ),
    Row(
        "Predict",
        "endpoint and instances required; the answer names the deployed model",
        f"{_SDK}/prediction_service.py",
        "golden instances as they were recorded, to the endpoint's own host if it has one",
        "emulator/api/test_predictions.py::test_an_answer_names_its_deployed_model_and_version",
    ),
)

REST = (
    Row(
        "serviceusage GET /v1/projects/{}/services:batchGet",
        "up to 30 names in one request, as projects/NUMBER/services/API",
        f"{_DOCS}/python/docs/reference/serviceusage/latest/google.cloud.service_usage_v1.types.BatchGetServicesRequest",
        "four names",
        "deploy/vertex/test_preflight.py::test_an_api_that_is_off_is_named_with_the_command_that_enables_it",
    ),
    Row(
        "serviceusage GET /v1beta1/projects/{}/services/aiplatform.googleapis.com/consumerQuotaMetrics",
        "pageSize, pageToken and view; limits by quota bucket, the one without dimensions first",
        f"{_DOCS}/service-usage/docs/reference/rest/v1beta1/services.consumerQuotaMetrics/list",
        "view BASIC, pages of 500 until both metrics are found",
        "deploy/vertex/test_preflight.py::test_the_quota_of_the_machines_is_held_against_what_one_version_takes",
    ),
    Row(
        "cloudresourcemanager POST /v1/projects/{}:testIamPermissions",
        "needs no permission itself; answers with those of the asked permissions that the caller has",
        f"{_DOCS}/resource-manager/reference/rest/v1/projects/testIamPermissions",
        "every permission that a later call needs",
        "deploy/vertex/test_preflight.py::test_every_permission_that_a_call_of_the_deployer_needs_is_tested",
    ),
    Row(
        "iam POST /v1/projects/-/serviceAccounts/{}:testIamPermissions",
        "POST v1/{resource=projects/*/serviceAccounts/*}:testIamPermissions",
        f"{_DOCS}/iam/docs/reference/rest/v1/projects.serviceAccounts/testIamPermissions",
        "iam.serviceAccounts.actAs",
        "deploy/vertex/test_preflight.py::test_whether_a_container_may_run_as_the_service_account_is_asked_of_that_account",
    ),
    Row(
        "logging POST /v2/entries:list",
        "resourceNames required; orderBy `timestamp asc` or `timestamp desc`; a filter up to 20,000 characters",
        f"{_DOCS}/dotnet/docs/reference/Google.Cloud.Logging.V2/latest/Google.Cloud.Logging.V2.ListLogEntriesRequest",
        "the project, a filter by endpoint, deployed model and time, pages of 1,000",
        "deploy/vertex/test_logs.py::test_every_page_is_read_up_to_a_bound",
    ),
    Row(
        "GET https://{}/v2/{}/manifests/{}",
        "the manifest of a tag or digest, in a type that Accept names",
        _REGISTRY,
        "the four types of OCI and Docker, the access token as Bearer, no redirect followed",
        "image/test_push.py::test_an_image_is_pushed_pulled_by_digest_proven_and_not_pushed_again",
    ),
    Row(
        "GET http://{}/v2/{}/manifests/{}",
        "the same",
        _REGISTRY,
        "only to a registry of this machine, without a token",
        "image/test_push.py::test_what_the_registry_has_is_not_sent_again",
    ),
)

HEADERS = (
    Row(
        "x-vertex-ai-endpoint-id",
        "mandatory for gRPC requests to a dedicated endpoint",
        _ONLINE,
        "with every Predict to an endpoint that has a host of its own",
        "emulator/api/test_predictions.py::test_a_dedicated_endpoint_refuses_a_request_whose_header_does_not_name_it",
    ),
)

VARIABLES = (
    Row(
        "AIP_HTTP_PORT",
        "the port that requests come to: the first of containerSpec.ports, else 8080",
        _CONTAINER,
        "the runtime listens there",
        "emulator/hosting/test_containers.py::test_an_image_runs_with_vertexs_variables_answers_unchanged_and_is_gone_when_stopped",
    ),
    Row(
        "AIP_HEALTH_ROUTE",
        "the path of health checks",
        _CONTAINER,
        "health answers there",
        "emulator/hosting/test_replicas.py::test_it_sees_vertexs_variables_for_its_placement_and_none_of_the_callers",
    ),
    Row(
        "AIP_PREDICT_ROUTE",
        "the path that requests are forwarded to",
        _CONTAINER,
        "predictions are answered there",
        "emulator/hosting/test_replicas.py::test_it_sees_vertexs_variables_for_its_placement_and_none_of_the_callers",
    ),
    Row(
        "AIP_STORAGE_URI",
        "empty if the model has no artifactUri",
        _CONTAINER,
        "artifacts are read there; empty means those in the image",
        "emulator/hosting/test_replicas.py::test_a_bundle_is_served_from_its_locked_environment_and_answers",
    ),
    Row(
        "AIP_ENDPOINT_ID",
        "the id of the endpoint that the model is deployed to",
        _CONTAINER,
        "a second route to predictions, and a field of the log",
        "emulator/hosting/test_replicas.py::test_it_sees_vertexs_variables_for_its_placement_and_none_of_the_callers",
    ),
    Row(
        "AIP_DEPLOYED_MODEL_ID",
        "the id of the deployed model",
        _CONTAINER,
        "as AIP_ENDPOINT_ID",
        "emulator/hosting/test_replicas.py::test_it_sees_vertexs_variables_for_its_placement_and_none_of_the_callers",
    ),
    Row(
        "AIP_PROJECT_NUMBER",
        "the number of the project; not configurable",
        _CONTAINER,
        "names a request's trace in the log",
        "emulator/hosting/test_replicas.py::test_it_sees_vertexs_variables_for_its_placement_and_none_of_the_callers",
    ),
)

_SPEC, _DEPLOYED = f"{_SDK}/model.py", f"{_SDK}/endpoint.py"
_REFUSED = "deploy/vertex/test_messages.py::test_a_value_that_the_documentation_rules_out_is_refused"
_MADE = "deploy/vertex/test_endpoint_settings.py::test_a_new_endpoint_is_as_the_settings_say"

# By the names of [tool.seatrial.vertex]; each is sent only if the project sets it.
SETTINGS = (
    Row(
        "env",
        "names are C identifiers; a later value may refer to an earlier one as $(NAME); Vertex sets those with AIP_",
        _SPEC,
        "plain values in the order of the project; AIP_, $( and credentials are refused before",
        _REFUSED,
    ),
    Row(
        "shared-memory-mb",
        "megabytes of the VM's memory as shared memory",
        _SPEC,
        "shared_memory_size_mb, at least 1; a trial's /dev/shm has this size",
        _REFUSED,
    ),
    Row("deployment-timeout", "at most 2 hours", _SPEC, "whole seconds, at most 7,200", _REFUSED),
    *(
        Row(
            name,
            "one of exec, http_get, grpc and tcp_socket; each number at least 1, the delay at least 0. What it says of "
            "period and timeout contradicts its own defaults",
            _SPEC,
            "one of exec, http_get and tcp_socket, and the numbers that the project sets",
            _REFUSED,
        )
        for name in ("startup-probe", "health-probe", "liveness-probe")
    ),
    Row(
        "kms-key",
        "the key is in the region of the resource; everything below an endpoint has its key",
        f"{_SDK}/encryption_spec.py",
        "encryption_spec.kms_key_name of model and endpoint; a key of another region is refused before",
        _MADE,
    ),
    Row(
        "inference-timeout",
        "up to 3,600 s, only on endpoints with a host of their own",
        _DEDICATED,
        "client_connection_config.inference_timeout",
        _MADE,
    ),
    Row(
        "request-logging",
        "bq://PROJECT, .DATASET and .TABLE are optional; a share within (0, 1]",
        _DEPLOYED,
        "predict_request_response_logging_config with enabled",
        _MADE,
    ),
    Row(
        "private-projects",
        "enable_private_service_connect required; the allowlist cannot be changed",
        _PRIVATE,
        "both, with endpoint-type private; another list stops a deploy",
        "deploy/vertex/test_endpoint_settings.py::test_what_cannot_be_changed_stops_the_deploy",
    ),
    Row(
        "private-network",
        "project_id and network required, and the project is in the allowlist",
        _PRIVATE,
        "both, by the name of the network",
        _MADE,
    ),
    Row(
        "spot",
        "the deployment runs on spot machines",
        f"{_SDK}/machine_resources.py",
        "dedicated_resources.spot; with a reservation it is refused before",
        "project/test_vertex.py::test_a_wrong_value_is_explained_with_its_key",
    ),
    Row(
        "reservation-affinity",
        "a type; a specific reservation by key compute.googleapis.com/reservation-name and its full name as value",
        f"{_SDK}/reservation_affinity.py",
        "the same",
        _REFUSED,
    ),
    Row(
        "required-replicas",
        "the deployment succeeds with so many replicas; default: min_replica_count",
        f"{_SDK}/machine_resources.py",
        "required_replica_count, at most max-replicas",
        _REFUSED,
    ),
    Row(
        "container-logging and access-logging",
        "the container's output is logged unless disabled, requests only if enabled",
        _DEPLOYED,
        "disable_container_logging, enable_access_logging",
        "deploy/vertex/test_messages.py::test_every_field_that_a_deploy_fills_in_is_checked",
    ),
    Row(
        "machine-type as a list",
        "RESOURCE_EXHAUSTED or UNAVAILABLE with `Machine type temporarily unavailable`, as public threads show it",
        "https://cloud.google.com/compute/docs/troubleshooting/troubleshooting-resource-availability",
        "the same deployed model with the next machine type",
        "deploy/vertex/test_deployments.py::test_the_next_machine_is_tried_where_there_is_no_capacity",
    ),
)

RULES = (
    Row(
        "size of a request and of an answer",
        "1.5 MB on a shared endpoint, 10 MB on a dedicated one",
        _TYPES,
        "golden requests are held against it before a deploy (ST725)",
        "emulator/api/test_predictions.py::test_a_shared_endpoint_refuses_more_than_one_and_a_half_megabytes",
    ),
    Row(
        "time of a request",
        "60 s on a shared endpoint; 10 minutes on a dedicated one, up to an hour if inference_timeout says so",
        _DEDICATED,
        "inference_timeout only if the project sets it",
        "emulator/api/test_validation.py::test_an_endpoint_that_breaks_a_rule_is_refused_with_its_field",
    ),
    Row(
        "host of a private endpoint",
        "ENDPOINT-REGION-PROJECT_NUMBER.prediction.p.vertexai.goog, ports 443 and 80; gRPC needs the endpoint's id in "
        "the header; the certificate is self-signed",
        _PRIVATE,
        "gRPC to port 443 of that name, with the header",
        "deploy/vertex/test_endpoint_settings.py::test_a_private_endpoint_is_asked_by_the_name_in_its_certificate",
    ),
    Row(
        "default alias",
        "the first version of a model gets it, and exactly one version has it",
        f"{_SDK}/model.py",
        "moved to a later version last, after its proof",
        "emulator/api/test_models.py::test_the_first_version_gets_the_default_alias_and_a_later_one_only_when_asked",
    ),
    Row(
        "traffic split",
        "adds up to 100, or is empty",
        f"{_SDK}/endpoint.py",
        "whole percents that add up to 100",
        "emulator/api/test_endpoints.py::test_a_split_that_does_not_add_up_to_100_is_refused",
    ),
    Row(
        "labels",
        "keys and values up to 64 characters: lower case, digits, underscores and dashes",
        f"{_SDK}/endpoint.py",
        "the project's labels, and our own",
        "emulator/api/test_validation.py::test_an_endpoint_that_breaks_a_rule_is_refused_with_its_field",
    ),
    Row(
        "scaling metrics",
        "aiplatform.googleapis.com/prediction/online/ and cpu/utilization, accelerator/duty_cycle or request_count; "
        "1 to 100 percent",
        f"{_SDK}/machine_resources.py",
        "the first two",
        "emulator/api/test_validation.py::test_a_deployment_that_breaks_a_rule_is_refused_with_its_field",
    ),
    Row(
        "value of x-vertex-ai-endpoint-id",
        "no source shows one",
        "",
        "the endpoint's id, the last part of its name",
        "emulator/api/test_predictions.py::test_a_dedicated_endpoint_answers_at_its_own_port_and_refuses_the_shared_one",
    ),
    Row(
        "projects in the names of services",
        "the source's examples have the project's number",
        "",
        "the project's id",
        "deploy/vertex/test_preflight.py::test_a_project_that_can_do_everything_passes_and_every_service_was_asked",
    ),
    Row(
        "`-` as project of a service account",
        "no source says that testIamPermissions takes it",
        "",
        "projects/-/serviceAccounts/EMAIL; a refusal is a line that says it was not checked",
        "deploy/vertex/test_preflight.py::test_a_service_that_refuses_is_said_in_its_own_words",
    ),
    Row(
        "names of the serving quotas",
        "no source lists custom_model_serving_*",
        "",
        "a metric that is not told is a line and no failure",
        "deploy/vertex/test_preflight.py::test_a_quota_that_is_not_told_is_a_line_and_no_failure",
    ),
    Row(
        "quota of -1",
        "no source says that it is no limit",
        "",
        "taken for no limit",
        "deploy/vertex/test_preflight.py::test_the_quota_of_the_machines_is_held_against_what_one_version_takes",
    ),
    Row(
        "UploadModel with a model_id that exists",
        "no source says how it is refused",
        "",
        "ALREADY_EXISTS is expected, and what is there is looked at before every upload",
        "emulator/api/test_models.py::test_an_existing_model_id_is_refused_and_nothing_is_created",
    ),
    Row(
        "filter of ListOperations",
        "no source lists the fields",
        "",
        "done=false; operations that ended are left out again by us",
        "deploy/vertex/test_client.py::test_running_operations_are_listed_without_those_that_ended",
    ),
    Row(
        "time until a new host resolves",
        "no source says more than minutes",
        "",
        "15 minutes",
        "deploy/vertex/test_client.py::test_a_host_that_is_not_there_yet_is_waited_for",
    ),
    Row(
        "time until a log line can be read",
        "no source gives a bound",
        "",
        "90 s",
        "deploy/vertex/test_logs.py::test_vertex_waits_out_a_minute_and_a_half_of_ingestion",
    ),
)

PARTS = {
    "Calls over gRPC": RPCS,
    "Calls over REST": REST,
    "Headers": HEADERS,
    "Variables of the container": VARIABLES,
    "Limits and names": RULES,
    "Settings": SETTINGS,
}


def numbered() -> list[tuple[int, Row]]:
    """Return all rows with their numbers on the page."""
    return list(enumerate((row for rows in PARTS.values() for row in rows), start=1))


def guesses() -> list[int]:
    """Return the numbers of the rows without a source."""
    return [number for number, row in numbered() if not row.source]


def page() -> str:
    """Return docs/conformance.md."""
    text, first = _HEAD.format(read=READ, guesses=len(guesses())), 1
    for title, rows in PARTS.items():
        cells = (_cells(row, code=rows not in (RULES, SETTINGS)) for row in rows)
        lines = [f"| {number} | {' | '.join(each)} |" for number, each in enumerate(cells, start=first)]
        text += f"\n## {title}\n\n| | | the source says | we send | shown by |\n|---:|---|---|---|---|\n"
        text += "".join(f"{line}\n" for line in lines)
        first += len(rows)
    return text


def _cells(row: Row, *, code: bool) -> tuple[str, str, str, str]:
    file, _, test = row.test.partition("::")
    says = f"{_text(row.says)} ([source]({row.source}))" if row.source else f"*guess*: {_text(row.says)}"
    shown = f"[{test.removeprefix('test_').replace('_', ' ')}](../tests/{file})"
    return f"`{row.name}`" if code else _text(row.name), says, _text(row.sends), shown


def _text(text: str) -> str:
    """Return text as Markdown; what is between backticks is code already."""
    parts = text.split("`")
    return "`".join(part if number % 2 else _MARKS.sub(r"\\\1", part) for number, part in enumerate(parts))


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")
