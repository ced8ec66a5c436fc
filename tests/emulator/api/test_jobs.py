"""Batch predictions: rows from a bucket through the version's server and back; refused, cancelled and resumed."""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path
from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud import aiplatform_v1 as v1

from seatrial.deploy.vertex.storage import failure
from seatrial.emulator.api.faults import Fault
from tests.emulator.small_plane import MODEL, NUMBERED, PARENT, Small, running

ROWS = "gs://bucket/rows.jsonl"
MACHINE = {"machine_spec": {"machine_type": "n1-standard-4"}, "starting_replica_count": 1, "max_replica_count": 1}


def job(**change: Any) -> v1.BatchPredictionJob:
    """Return a job that asks the default version for the rows; a change replaces a field."""
    return v1.BatchPredictionJob(
        **{
            "display_name": "digits",
            "model": MODEL,
            "input_config": {"instances_format": "jsonl", "gcs_source": {"uris": [ROWS]}},
            "output_config": {
                "predictions_format": "jsonl",
                "gcs_destination": {"output_uri_prefix": "gs://bucket/out"},
            },
            "dedicated_resources": MACHINE,
            **change,
        }
    )


def create(small: Small, **change: Any) -> v1.BatchPredictionJob:
    return small.jobs.create_batch_prediction_job(parent=PARENT, batch_prediction_job=job(**change), timeout=10)


def ended(small: Small, name: str) -> v1.BatchPredictionJob:
    until = time.monotonic() + 20
    while time.monotonic() < until:
        found = small.jobs.get_batch_prediction_job(name=name, timeout=10)
        if found.state.name in ("JOB_STATE_SUCCEEDED", "JOB_STATE_FAILED", "JOB_STATE_CANCELLED"):
            return found
        time.sleep(0.02)
    raise AssertionError(f"the job is still {found.state.name}")


def lines(small: Small, folder: str, kind: str) -> list[Any]:
    content = small.objects.content[f"{folder}/prediction.{kind}-00000-of-00001"]
    return [json.loads(line) for line in content.decode().splitlines()]


@pytest.fixture
def small(small: Small) -> Small:
    small.upload()
    small.objects.content[ROWS] = b"1\n2\n\n3\n"
    return small


def test_every_row_is_answered_by_the_version_and_written_with_its_prediction(small: Small) -> None:
    made = create(small, labels={"team": "vision"})
    assert made.name.startswith(f"{NUMBERED}/batchPredictionJobs/")
    found = ended(small, made.name)
    assert found.state.name == "JOB_STATE_SUCCEEDED"
    assert (found.model_version_id, dict(found.labels)) == ("1", {"team": "vision"})
    stats = found.completion_stats
    assert (stats.successful_count, stats.failed_count, stats.incomplete_count) == (3, 0, 0)
    assert found.create_time <= found.start_time <= found.end_time
    folder = found.output_info.gcs_output_directory
    assert folder.startswith("gs://bucket/out/prediction-digits-")
    assert lines(small, folder, "results") == [
        {"instance": n, "prediction": {"version": "1", "got": float(n)}} for n in (1, 2, 3)
    ]
    assert lines(small, folder, "errors_stats") == []
    assert not small.hosting.running


def test_the_files_of_a_list_are_sent_as_base64(small: Small) -> None:
    small.objects.content |= {"gs://bucket/a.png": b"A", "gs://bucket/list-1": b"gs://bucket/a.png\n"}
    files = {"instances_format": "file-list", "gcs_source": {"uris": ["gs://bucket/list-*"]}}
    found = ended(small, create(small, input_config=files).name)
    [line] = lines(small, found.output_info.gcs_output_directory, "results")
    assert line["instance"] == "gs://bucket/a.png"
    assert line["prediction"]["got"] == {"b64": base64.b64encode(b"A").decode()}


def test_rows_of_a_refused_request_fail_together_and_the_others_are_answered(small: Small) -> None:
    small.objects.content[ROWS] = b'1\n2\n"bad"\n4\n5\n'
    found = ended(small, create(small, manual_batch_tuning_parameters={"batch_size": 2}).name)
    assert found.state.name == "JOB_STATE_SUCCEEDED"
    assert (found.completion_stats.successful_count, found.completion_stats.failed_count) == (3, 2)
    folder = found.output_info.gcs_output_directory
    (line,) = small.objects.content[f"{folder}/prediction.errors_stats-00000-of-00001"].decode().splitlines()
    text, count = failure(line)
    assert count == 2
    assert text.startswith("Post request fails. Cannot get predictions. Error: Exceeded retries: Non-OK result 400 (")
    assert "instance 0 is bad" in text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "No object matches gs://bucket/rows.jsonl"),
        (b"{", "A line of the input is no JSON"),
        (b"\xff", "is no text"),
    ],
)
def test_a_job_without_readable_input_fails(small: Small, content: bytes | None, message: str) -> None:
    small.objects.content.clear()
    if content is not None:
        small.objects.content[ROWS] = content
    found = ended(small, create(small).name)
    assert found.state.name == "JOB_STATE_FAILED"
    assert message in found.error.message
    assert not small.hosting.running


def test_a_server_that_never_becomes_ready_fails_the_job(small: Small) -> None:
    small.upload(parent_model=MODEL, image="us-central1-docker.pkg.dev/demo/r/broken")
    found = ended(small, create(small, model=f"{MODEL}@2").name)
    assert (found.state.name, found.error.code) == ("JOB_STATE_FAILED", 9)


def test_jobs_are_listed_by_label_and_state_newest_first(small: Small) -> None:
    names = [ended(small, create(small, labels={"key": key}).name).name for key in ("a", "b", "b")]

    def listed(text: str) -> list[str]:
        return [each.name for each in small.jobs.list_batch_prediction_jobs(request={"parent": PARENT, "filter": text})]

    assert listed("") == names[::-1]
    assert listed('labels.key="b"') == [names[2], names[1]]
    assert listed('state="JOB_STATE_RUNNING"') == []
    with pytest.raises(exceptions.InvalidArgument):
        listed("model=x")


def test_a_cancelled_job_ends_and_its_server_is_gone(small: Small) -> None:
    fault = small.faults.add(Fault("CreateBatchPredictionJob", stage="JOB_STATE_RUNNING", never=True))
    made = create(small)
    assert fault.hit.wait(10)
    small.jobs.cancel_batch_prediction_job(name=made.name, timeout=10)
    found = ended(small, made.name)
    assert (found.state.name, found.error.code) == ("JOB_STATE_CANCELLED", 1)
    assert not small.hosting.running


def test_a_job_goes_on_after_a_restart(tmp_path: Path) -> None:
    with running(tmp_path / "state.db") as before:
        before.upload()
        before.objects.content[ROWS] = b"1\n2\n"
        fault = before.faults.add(Fault("CreateBatchPredictionJob", stage="JOB_STATE_RUNNING", never=True))
        made = create(before)
        assert fault.hit.wait(10)
        before.plane.begin_to_close()
    with running(tmp_path / "state.db", before.objects) as after:
        found = ended(after, made.name)
        assert (found.state.name, found.completion_stats.successful_count) == ("JOB_STATE_SUCCEEDED", 2)


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("display_name", {"display_name": ""}),
        ("model", {"model": ""}),
        ("labels", {"labels": {"Key": "x"}}),
        (
            "input_config.instances_format",
            {"input_config": {"instances_format": "csv", "gcs_source": {"uris": [ROWS]}}},
        ),
        ("input_config.gcs_source.uris", {"input_config": {"instances_format": "jsonl"}}),
        (
            "output_config.predictions_format",
            {"output_config": {"gcs_destination": {"output_uri_prefix": "gs://rows/o"}}},
        ),
        ("output_config.gcs_destination.output_uri_prefix", {"output_config": {"predictions_format": "jsonl"}}),
        ("dedicated_resources", {"dedicated_resources": None}),
        ("dedicated_resources.machine_spec", {"dedicated_resources": {"machine_spec": {"machine_type": "big"}}}),
        (
            "dedicated_resources.starting_replica_count",
            {"dedicated_resources": {**MACHINE, "starting_replica_count": 3}},
        ),
        ("manual_batch_tuning_parameters.batch_size", {"manual_batch_tuning_parameters": {"batch_size": -1}}),
        ("service_account", {"service_account": "me"}),
        ("encryption_spec.kms_key_name", {"encryption_spec": {"kms_key_name": "k"}}),
    ],
)
def test_a_job_that_breaks_a_rule_is_refused_with_its_field(small: Small, field: str, change: dict[str, Any]) -> None:
    with pytest.raises(exceptions.InvalidArgument, match=f"Field: batch_prediction_job.{field};"):
        create(small, **change)


def test_a_job_in_another_region_than_its_version_is_refused(small: Small) -> None:
    elsewhere = PARENT.replace("us-central1", "europe-west4")
    with pytest.raises(exceptions.InvalidArgument, match=r"Field: batch_prediction_job\.model;"):
        small.jobs.create_batch_prediction_job(parent=elsewhere, batch_prediction_job=job(), timeout=10)


def test_a_job_of_no_version_is_refused(small: Small) -> None:
    with pytest.raises(exceptions.NotFound):
        create(small, model=f"{MODEL}@7")
    with pytest.raises(exceptions.NotFound):
        small.jobs.get_batch_prediction_job(name=f"{PARENT}/batchPredictionJobs/1", timeout=10)
