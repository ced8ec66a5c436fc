"""Limits, names and settings: what the public sources say of each, and what we send."""

from __future__ import annotations

from seatrial.deploy.vertex.conformance.row import BATCH, DEDICATED, DOCS, PAGE, PRIVATE, SDK, TYPES, Row

_SPEC, _DEPLOYED = f"{SDK}/model.py", f"{SDK}/endpoint.py"
_APIS = "https://github.com/googleapis/googleapis/blob/master/google/cloud"
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
            f"{name}-probe",
            f"Kubernetes' own: {says}; one of exec, http_get, grpc and tcp_socket; numbers from 1, the delay from "
            "0. What it says of period and timeout contradicts its own defaults",
            _SPEC,
            "one of exec, http_get and tcp_socket, and the numbers that the project sets; the emulator asks by them, "
            "but asks no grpc",
            f"emulator/hosting/test_probes.py::test_{test}",
        )
        for name, says, test in (
            (
                "startup",
                "no other is asked until it holds, and a failure restarts",
                "nothing_else_is_asked_until_the_startup_probe_holds_and_one_that_fails_restarts",
            ),
            (
                "health",
                "that of readiness, which decides about traffic",
                "the_health_probe_of_a_version_decides_about_traffic_and_restarts_nothing",
            ),
            (
                "liveness",
                "a failure restarts",
                "the_liveness_probe_of_a_version_decides_about_restarts_in_place_of_the_port",
            ),
        )
    ),
    Row(
        "kms-key",
        "the key is in the region of the resource; everything below an endpoint has its key",
        f"{SDK}/encryption_spec.py",
        "encryption_spec.kms_key_name of model and endpoint; a key of another region is refused before",
        _MADE,
    ),
    Row(
        "inference-timeout",
        "up to 3,600 s, only on endpoints with a host of their own",
        DEDICATED,
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
        PRIVATE,
        "both, with endpoint-type private; another list stops a deploy",
        "deploy/vertex/test_endpoint_settings.py::test_what_cannot_be_changed_stops_the_deploy",
    ),
    Row(
        "private-network",
        "project_id and network required, and the project is in the allowlist",
        PRIVATE,
        "both, by the name of the network",
        _MADE,
    ),
    Row(
        "spot",
        "the deployment runs on spot machines",
        f"{SDK}/machine_resources.py",
        "dedicated_resources.spot; with a reservation it is refused before",
        "project/test_vertex.py::test_a_wrong_value_is_explained_with_its_key",
    ),
    Row(
        "reservation-affinity",
        "a type; a specific reservation by key compute.googleapis.com/reservation-name and its full name as value",
        f"{SDK}/reservation_affinity.py",
        "the same",
        _REFUSED,
    ),
    Row(
        "required-replicas",
        "the deployment succeeds with so many replicas; from 1 to min-replica-count, which is the default",
        f"{DOCS}/sdk/gcloud/reference/ai/endpoints/deploy-model",
        "required_replica_count, at most min-replicas",
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
        TYPES,
        "golden requests are held against it before a deploy (ST725)",
        "emulator/api/test_predictions.py::test_a_shared_endpoint_refuses_more_than_one_and_a_half_megabytes",
    ),
    Row(
        "time of a request",
        "60 s on a shared endpoint; 10 minutes on a dedicated one, up to an hour if inference_timeout says so",
        DEDICATED,
        "inference_timeout only if the project sets it",
        "emulator/api/test_validation.py::test_an_endpoint_that_breaks_a_rule_is_refused_with_its_field",
    ),
    Row(
        "host of a private endpoint",
        "ENDPOINT-REGION-PROJECT_NUMBER.prediction.p.vertexai.goog, ports 443 and 80; gRPC needs the endpoint's id in "
        "the header; the certificate is self-signed",
        PRIVATE,
        "gRPC to port 443 of that name, with the header",
        "deploy/vertex/test_endpoint_settings.py::test_a_private_endpoint_is_asked_by_the_name_in_its_certificate",
    ),
    Row(
        "rows of a batch prediction",
        'a line is an instance, or the URI of a file that becomes {"b64": …}; a request has 64 of them by default; '
        "input and output are in the region of the model",
        BATCH,
        "the lines as they are; the number only if the project sets it",
        "emulator/api/test_jobs.py::test_the_files_of_a_list_are_sent_as_base64",
    ),
    Row(
        "wildcards in the input of a batch prediction",
        "GcsSource refers to Cloud Storage's: * and ? stay within a folder, ** does not; [abc] and [a-e] are one "
        "character",
        f"{DOCS}/storage/docs/wildcards",
        "the URI as it is; its files are matched by the same rules, here and by the emulator",
        "deploy/vertex/test_wildcards.py::test_a_wildcard_stands_for_what_the_documentation_says",
    ),
    Row(
        "two batch predictions that are made at once",
        "the API chooses the id of a job and has no create-if-absent",
        f"{SDK}/job_service.py",
        "two labels: what the job is made from, and by which run; after making one, a run lists the jobs of the first "
        "label, and unless its own is the oldest it cancels that and waits for the oldest. A second job of one run, "
        "whose request arrived late, is cancelled then, at the end, or by the next run",
        "deploy/vertex/test_batches.py::test_of_two_runs_that_make_a_job_at_once_the_later_cancels_its_own_and_waits_for_"
        "the_other",
    ),
    Row(
        "machines of a batch prediction",
        "starting_replica_count is used, max_replica_count is ignored: jobs are not scaled",
        PAGE,
        "both, with the same number",
        "deploy/vertex/test_batches.py::test_the_request_says_what_the_settings_say",
    ),
    Row(
        "files of a batch prediction's output",
        "prediction-MODEL-TIME/ with predictions_0001.jsonl and errors_0001.jsonl, whose lines have an error with code "
        "and message; public code reads prediction.results-… and prediction.errors_stats-…",
        BATCH,
        "failures are read from either name, in either form",
        "deploy/test_batch.py::test_a_proven_version_answers_rows_and_files_and_a_second_run_adopts_the_job",
    ),
    Row(
        "default alias",
        "the first version of a model gets it, and exactly one version has it",
        f"{SDK}/model.py",
        "moved to a later version last, after its proof",
        "emulator/api/test_models.py::test_the_first_version_gets_the_default_alias_and_a_later_one_only_when_asked",
    ),
    Row(
        "traffic split",
        "adds up to 100, or is empty",
        f"{SDK}/endpoint.py",
        "whole percents that add up to 100",
        "emulator/api/test_endpoints.py::test_a_split_that_does_not_add_up_to_100_is_refused",
    ),
    Row(
        "labels",
        "keys and values up to 64 characters: lower case, digits, underscores and dashes",
        f"{SDK}/endpoint.py",
        "the project's labels, and our own",
        "emulator/api/test_validation.py::test_an_endpoint_that_breaks_a_rule_is_refused_with_its_field",
    ),
    Row(
        "scaling metrics",
        "aiplatform.googleapis.com/prediction/online/ and cpu/utilization, accelerator/duty_cycle or request_count; "
        "1 to 100 percent",
        f"{SDK}/machine_resources.py",
        "the first two",
        "emulator/api/test_validation.py::test_a_deployment_that_breaks_a_rule_is_refused_with_its_field",
    ),
    Row(
        "value of x-vertex-ai-endpoint-id",
        'RawPredict\'s answer carries the same header: "ID of the Endpoint"',
        f"{_APIS}/aiplatform/v1/prediction_service.proto",
        "the endpoint's id, the last part of its name",
        "emulator/api/test_predictions.py::test_a_dedicated_endpoint_answers_at_its_own_port_and_refuses_the_shared_one",
    ),
    Row(
        "projects in the names of services",
        "the source's examples have the project's number; a public controller asks with the project's id",
        "https://github.com/kubernetes-sigs/cluster-api-provider-gcp/blob/16dae87df93d4f19d15742ba9e17679193ce33bb/cloud/services/container/clusters/addons.go",
        "the project's id",
        "deploy/vertex/test_preflight.py::test_a_project_that_can_do_everything_passes_and_every_service_was_asked",
    ),
    Row(
        "`-` as project of a service account",
        "the name takes it in place of the project; what is not there may then be 403 and not 404",
        f"{DOCS}/iam/docs/reference/rest/v1/projects.serviceAccounts",
        "projects/-/serviceAccounts/EMAIL; a refusal is a line that says it was not checked",
        "deploy/vertex/test_preflight.py::test_a_service_that_refuses_is_said_in_its_own_words",
    ),
    Row(
        "names of the serving quotas",
        "the metrics by accelerator, in Google's command line; the preemptible ones are in Google's samples",
        "https://github.com/google-cloud-sdk-unofficial/google-cloud-sdk/blob/01f043c2289dbd5b8de55d1d271ead804f9448f0/lib/googlecloudsdk/command_lib/ai/model_garden_utils.py",
        "the same names; a metric that is not told is a line and no failure",
        "deploy/vertex/test_preflight.py::test_a_quota_that_is_not_told_is_a_line_and_no_failure",
    ),
    Row(
        "quota of -1",
        "an override is a number that is not negative, or -1, no limit; the effective limit is made of overrides",
        f"{DOCS}/service-usage/docs/reference/rest/v1beta1/services.consumerQuotaMetrics/list",
        "taken for no limit",
        "deploy/vertex/test_preflight.py::test_the_quota_of_the_machines_is_held_against_what_one_version_takes",
    ),
    Row(
        "UploadModel with a model_id that exists",
        "an id of the user's choice that exists must be refused with ALREADY_EXISTS",
        "https://google.aip.dev/133",
        "that code is expected, and what is there is looked at before every upload",
        "emulator/api/test_models.py::test_an_existing_model_id_is_refused_and_nothing_is_created",
    ),
    Row(
        "rows in a refused request of a batch prediction",
        "the request is tried again, then no row of it has a prediction; prediction.errors_stats-… has no row but its "
        "text and a number, as Python prints a tuple. Vertex's troubleshooting page shows the same line",
        "https://github.com/googleapis/python-aiplatform/issues/2666",
        "such lines are counted by their text, also those of the reference; batch-size = 1 separates rows",
        "emulator/api/test_jobs.py::test_rows_of_a_refused_request_fail_together_and_the_others_are_answered",
    ),
    Row(
        "time until a new host resolves",
        "no source says more than minutes",
        "",
        "15 minutes",
        "deploy/vertex/test_client.py::test_a_host_that_is_not_there_yet_is_waited_for",
        "asking DNS for the host of a new dedicated endpoint from its creation on, a few times and in a few regions",
    ),
    Row(
        "time until a log line can be read",
        "no source gives a bound",
        "",
        "90 s",
        "deploy/vertex/test_logs.py::test_vertex_waits_out_a_minute_and_a_half_of_ingestion",
        "reading receiveTimestamp beside timestamp of a container's lines, after a hundred failed starts",
    ),
    Row(
        "GetModel with an alias that no version has",
        "what does not exist must be NOT_FOUND to a caller with the permission; the reference of GetModel says nothing",
        "https://google.aip.dev/193",
        "the alias of a digest, also before a version has it; INVALID_ARGUMENT and FAILED_PRECONDITION mean the same "
        "here, as the name is well-formed",
        "deploy/vertex/test_versions.py::test_an_alias_that_no_version_has_finds_nothing_whatever_the_code",
    ),
)
