"""Calls, headers and variables: what the public sources say of each, and what we send."""

from __future__ import annotations

from seatrial.deploy.vertex.conformance.row import (
    BATCH,
    CONTAINER,
    DOCS,
    ENDPOINT,
    MODEL,
    ONLINE,
    OPERATIONS,
    REGISTRY,
    SDK,
    Row,
)

RPCS = (
    Row(
        "UploadModel",
        "parent and model required; parent_model only for another version; model_id up to 63 of [a-z0-9_-], not first "
        "a number or hyphen",
        MODEL,
        "one of parent_model and model_id; an alias of the digest, never `default`",
        "deploy/vertex/test_versions.py::test_the_upload_request_says_what_the_api_requires",
    ),
    Row(
        "GetModel",
        "the name may end in @ and a version's id or alias",
        f"{SDK}/model.py",
        "models/ID, models/ID@ALIAS and models/ID@NUMBER",
        "emulator/api/test_models.py::test_a_requested_version_has_its_id_in_its_name",
    ),
    Row(
        "ListModelVersions",
        "name of the model; standard page size and token",
        MODEL,
        "pages of 100 until there is no token",
        "deploy/vertex/test_versions.py::test_versions_are_listed_by_number_over_all_pages",
    ),
    Row(
        "MergeVersionAliases",
        "the name has a version id explicitly; aliases match [a-z][a-zA-Z0-9-]{0,126}[a-z-0-9]",
        MODEL,
        "models/ID@NUMBER and one alias",
        "emulator/api/test_models.py::test_aliases_are_moved_and_taken_away",
    ),
    Row(
        "DeleteModelVersion",
        "the name has a version id explicitly",
        MODEL,
        "models/ID@NUMBER, only for the second version of a digest after a race",
        "emulator/api/test_models.py::test_the_only_version_and_the_default_version_cannot_be_deleted",
    ),
    Row(
        "CreateEndpoint",
        "parent and endpoint required; a chosen endpoint_id is up to 63 of [a-z0-9-] after a letter",
        ENDPOINT,
        "endpoint_id, display_name, labels, dedicated_endpoint_enabled, and the settings below",
        "emulator/api/test_validation.py::test_an_endpoint_that_breaks_a_rule_is_refused_with_its_field",
    ),
    Row(
        "GetEndpoint",
        "name required; the answer has etag, split and deployed models",
        ENDPOINT,
        "the resource name",
        "deploy/vertex/test_endpoints.py::test_an_endpoint_is_made_once_and_then_found",
    ),
    Row(
        "UpdateEndpoint",
        "endpoint and update_mask required; without an etag the update overwrites blindly",
        f"{SDK}/endpoint.py",
        "name, the etag that was read, and a mask of traffic_split, labels or both; request logging by itself",
        "deploy/vertex/test_messages.py::test_a_change_names_what_it_changes_and_the_state_that_it_was_made_from",
    ),
    Row(
        "UpdateEndpointLongRunning",
        "only client_connection_config is updated, all other fields are refused",
        ENDPOINT,
        "name and client_connection_config, if the project sets another inference-timeout",
        "deploy/vertex/test_endpoint_settings.py::test_what_can_be_changed_of_an_endpoint_is_changed",
    ),
    Row(
        "DeleteEndpoint",
        "name required",
        ENDPOINT,
        "only an endpoint that the failed deploy itself made, after its models are undeployed",
        "emulator/api/test_endpoints.py::test_an_endpoint_with_a_deployed_model_cannot_be_deleted",
    ),
    Row(
        "DeployModel",
        "without traffic_split the endpoint's split stays as it is; the deployed model's id is 1 to 10 digits",
        ENDPOINT,
        "no split, an id of 10 digits, model@version, dedicated resources",
        "emulator/api/test_deployments.py::test_a_deployment_without_a_split_gets_no_traffic",
    ),
    Row(
        "UndeployModel",
        "only a deployed model without traffic is undeployed, or one whose traffic the request takes away",
        ENDPOINT,
        "no split; the traffic has been moved before",
        "emulator/api/test_deployments.py::test_a_model_with_traffic_is_undeployed_only_if_its_traffic_goes_elsewhere",
    ),
    Row(
        "CreateBatchPredictionJob",
        "display_name, input_config, output_config and one of model and unmanaged_container_model required; "
        "dedicated_resources for a model without automatic ones",
        BATCH,
        "model@version, JSON lines or a file list, JSON lines out, dedicated resources, labels that tell the job "
        "and the run from all others; no model_parameters, which public threads call unusable (python-aiplatform#2666)",
        "emulator/api/test_jobs.py::test_a_job_that_breaks_a_rule_is_refused_with_its_field",
    ),
    Row(
        "GetBatchPredictionJob",
        "name required; the answer has state, error, counts and the folder of the output",
        BATCH,
        "the resource name, as often as GetOperation",
        "deploy/vertex/test_batches.py::test_a_job_is_made_and_its_rows_are_counted",
    ),
    Row(
        "ListBatchPredictionJobs",
        "the filter takes display_name, model_display_name, state, create_time and labels.key=value",
        f"{SDK}/job_service.py",
        "labels.seatrial-batch, all pages",
        "emulator/api/test_jobs.py::test_jobs_are_listed_by_label_and_state_newest_first",
    ),
    Row(
        "CancelBatchPredictionJob",
        "best effort; the job ends as cancelled, if it does not end otherwise",
        f"{SDK}/job_service.py",
        "with --cancel-on-stop, and then its state is read; or one of two that were made at once or by one run",
        "deploy/vertex/test_batches.py::test_a_job_can_be_cancelled",
    ),
    Row(
        "GetOperation",
        "clients poll at intervals that the service recommends",
        OPERATIONS,
        "every 2 s at first, at most every 20 s, with jitter",
        "deploy/vertex/test_poller.py::test_every_stage_is_a_line_with_the_time_taken_and_the_time_left",
    ),
    Row(
        "ListOperations",
        "a server that does not support it answers UNIMPLEMENTED; no field of the filter is named",
        OPERATIONS,
        "the model's or endpoint's name and no filter; without an answer what runs is found by its result",
        "deploy/vertex/test_client.py::test_a_server_that_lists_no_operations_has_none",
    ),
    Row(
        "CancelOperation",
        "best effort; a cancelled operation ends with code 1",
        OPERATIONS,
        "only if the user asks for it",
        "emulator/api/test_deployments.py::test_a_cancelled_deployment_ends_with_code_1_and_leaves_nothing",
    ),
    Row(
        "Predict",
        "endpoint and instances required; the answer names the deployed model",
        f"{SDK}/prediction_service.py",
        "golden instances as they were recorded, to the endpoint's own host if it has one",
        "emulator/api/test_predictions.py::test_an_answer_names_its_deployed_model_and_version",
    ),
)

REST = (
    Row(
        "serviceusage GET /v1/projects/{}/services:batchGet",
        "up to 30 names in one request, as projects/NUMBER/services/API",
        f"{DOCS}/python/docs/reference/serviceusage/latest/google.cloud.service_usage_v1.types.BatchGetServicesRequest",
        "four names",
        "deploy/vertex/test_preflight.py::test_an_api_that_is_off_is_named_with_the_command_that_enables_it",
    ),
    Row(
        "serviceusage GET /v1beta1/projects/{}/services/aiplatform.googleapis.com/consumerQuotaMetrics",
        "pageSize, pageToken and view; limits by quota bucket, the one without dimensions first",
        f"{DOCS}/service-usage/docs/reference/rest/v1beta1/services.consumerQuotaMetrics/list",
        "view BASIC, pages of 500 until both metrics are found",
        "deploy/vertex/test_preflight.py::test_the_quota_of_the_machines_is_held_against_what_one_version_takes",
    ),
    Row(
        "cloudresourcemanager POST /v1/projects/{}:testIamPermissions",
        "needs no permission itself; answers with those of the asked permissions that the caller has",
        f"{DOCS}/resource-manager/reference/rest/v1/projects/testIamPermissions",
        "every permission that a later call needs",
        "deploy/vertex/test_preflight.py::test_every_permission_that_a_call_of_the_deployer_needs_is_tested",
    ),
    Row(
        "iam POST /v1/projects/-/serviceAccounts/{}:testIamPermissions",
        "POST v1/{resource=projects/*/serviceAccounts/*}:testIamPermissions",
        f"{DOCS}/iam/docs/reference/rest/v1/projects.serviceAccounts/testIamPermissions",
        "iam.serviceAccounts.actAs",
        "deploy/vertex/test_preflight.py::test_whether_a_container_may_run_as_the_service_account_is_asked_of_that_account",
    ),
    Row(
        "logging POST /v2/entries:list",
        "resourceNames required; orderBy `timestamp asc` or `timestamp desc`; a filter up to 20,000 characters",
        f"{DOCS}/dotnet/docs/reference/Google.Cloud.Logging.V2/latest/Google.Cloud.Logging.V2.ListLogEntriesRequest",
        "the project, a filter by endpoint, deployed model and time, pages of 1,000",
        "deploy/vertex/test_logs.py::test_every_page_is_read_up_to_a_bound",
    ),
    Row(
        "GET https://{}/v2/{}/manifests/{}",
        "the manifest of a tag or digest, in a type that Accept names",
        REGISTRY,
        "the four types of OCI and Docker, the access token as Bearer, no redirect followed",
        "image/test_push.py::test_an_image_is_pushed_pulled_by_digest_proven_and_not_pushed_again",
    ),
    Row(
        "GET http://{}/v2/{}/manifests/{}",
        "the same",
        REGISTRY,
        "only to a registry of this machine, without a token",
        "image/test_push.py::test_what_the_registry_has_is_not_sent_again",
    ),
)

STORAGE = (
    Row(
        "list_blobs",
        "objects.list: all objects whose name begins with a prefix",
        f"{DOCS}/storage/docs/json_api/v1/objects/list",
        "the inputs of a batch prediction and the folder of its output, by prefix; wildcards are matched here",
        "deploy/test_batch.py::test_only_what_is_there_and_proven_makes_a_job",
    ),
    Row(
        "download_as_bytes",
        "objects.get with alt=media, and a Range",
        f"{DOCS}/storage/docs/json_api/v1/objects/get",
        "the first 8 MiB of files with failed rows",
        "deploy/test_batch.py::test_a_proven_version_answers_rows_and_files_and_a_second_run_adopts_the_job",
    ),
    Row(
        "upload_from_filename",
        "objects.insert",
        f"{DOCS}/storage/docs/json_api/v1/objects/insert",
        "bundles, only to the bucket of a rehearsal",
        "emulator/hosting/test_replicas.py::test_a_bundle_is_served_from_its_locked_environment_and_answers",
    ),
    Row(
        "upload_from_string",
        "objects.insert",
        f"{DOCS}/storage/docs/json_api/v1/objects/insert",
        "inputs of a batch prediction, only to the bucket of a rehearsal",
        "deploy/test_batch.py::test_a_proven_version_answers_rows_and_files_and_a_second_run_adopts_the_job",
    ),
)

HEADERS = (
    Row(
        "x-vertex-ai-endpoint-id",
        "mandatory for gRPC requests to a dedicated endpoint",
        ONLINE,
        "with every Predict to an endpoint that has a host of its own",
        "emulator/api/test_predictions.py::test_a_dedicated_endpoint_refuses_a_request_whose_header_does_not_name_it",
    ),
)

VARIABLES = (
    Row(
        "AIP_HTTP_PORT",
        "the port that requests come to: the first of containerSpec.ports, else 8080",
        CONTAINER,
        "the runtime listens there",
        "emulator/hosting/test_containers.py::test_an_image_runs_with_vertexs_variables_answers_unchanged_and_is_gone_when_stopped",
    ),
    Row(
        "AIP_HEALTH_ROUTE",
        "the path of health checks",
        CONTAINER,
        "health answers there",
        "emulator/hosting/test_replicas.py::test_it_sees_vertexs_variables_for_its_placement_and_none_of_the_callers",
    ),
    Row(
        "AIP_PREDICT_ROUTE",
        "the path that requests are forwarded to",
        CONTAINER,
        "predictions are answered there",
        "emulator/hosting/test_replicas.py::test_it_sees_vertexs_variables_for_its_placement_and_none_of_the_callers",
    ),
    Row(
        "AIP_STORAGE_URI",
        "empty if the model has no artifactUri",
        CONTAINER,
        "artifacts are read there; empty means those in the image",
        "emulator/hosting/test_replicas.py::test_a_bundle_is_served_from_its_locked_environment_and_answers",
    ),
    Row(
        "AIP_ENDPOINT_ID",
        "the id of the endpoint that the model is deployed to",
        CONTAINER,
        "a second route to predictions, and a field of the log",
        "emulator/hosting/test_replicas.py::test_it_sees_vertexs_variables_for_its_placement_and_none_of_the_callers",
    ),
    Row(
        "AIP_DEPLOYED_MODEL_ID",
        "the id of the deployed model",
        CONTAINER,
        "as AIP_ENDPOINT_ID",
        "emulator/hosting/test_replicas.py::test_it_sees_vertexs_variables_for_its_placement_and_none_of_the_callers",
    ),
    Row(
        "AIP_PROJECT_NUMBER",
        "the number of the project; not configurable",
        CONTAINER,
        "names a request's trace in the log",
        "emulator/hosting/test_replicas.py::test_it_sees_vertexs_variables_for_its_placement_and_none_of_the_callers",
    ),
)
