"""Batch prediction jobs: found by their label, or made, and waited for. What they read and write is in `storage`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Literal

from google.cloud import aiplatform_v1 as v1

from seatrial.deploy.batch import Ended, Job
from seatrial.deploy.vertex import poller
from seatrial.deploy.vertex.backoff import name_of
from seatrial.deploy.vertex.client import Vertex
from seatrial.deploy.vertex.messages import resources_of
from seatrial.deploy.vertex.poller import Followed, Seen
from seatrial.findings import Stage, Step
from seatrial.project.vertex import DEPLOYED, MODEL, fields_of

if TYPE_CHECKING:
    from seatrial.project import Project

_LABEL = "seatrial-batch"  # of a job; its value is what tells it from all others
_RESUME = "run `seatrial batch` again, as this time: it finds the job and waits on"
_OUTPUT = "jsonl"
_State = v1.JobState
_WELL = (_State.JOB_STATE_SUCCEEDED, _State.JOB_STATE_PARTIALLY_SUCCEEDED)
# A state in which a job stays → the google.rpc status code that it stands for, if the job has no error.
_ENDED = {
    _State.JOB_STATE_SUCCEEDED: 0,
    _State.JOB_STATE_PARTIALLY_SUCCEEDED: 0,
    _State.JOB_STATE_FAILED: 13,
    _State.JOB_STATE_CANCELLED: 1,
    _State.JOB_STATE_EXPIRED: 4,
}


def find_or_run(vertex: Vertex, job: Job, project: Project, *, again: bool) -> Stage[Ended]:
    """Return a job when it has ended well: one of the same key that runs or has succeeded, else a new one.

    With `again` one that has succeeded does not count.

    Raises:
        OperationFailedError: it ended with an error.
        StillRunningError: it had not ended in time; it goes on.
        EnvironmentFaultError: it cannot be read any more.
        google.api_core.exceptions.GoogleAPICallError: the API refuses or does not answer.
    """
    timeout, what = project.vertex.batch.timeout, f"batch prediction by version {job.version.id}"
    found = _found(vertex, job.key, again=again)
    origin: Literal["made", "adopted", "found"] = "found"
    if found is None:
        request = request_of(vertex, job, project)
        since = time.time()
        found = yield from vertex.settle(
            what,
            lambda: vertex.write(vertex.jobs.create_batch_prediction_job, request),
            lambda: _found(vertex, job.key, again=again, since=since),
        )
        origin = "made"
        yield Step(f"job {_id(found)} is made", lasting=True)
    elif found.state not in _ENDED:
        origin = "adopted"
        yield Step(f"job {_id(found)} runs already: waiting for it", lasting=True)
    name = found.name
    followed = Followed(name, what, lambda seconds: _read(vertex, name, seconds), _seen, _RESUME, "job")
    ended = yield from poller.follow(vertex, followed, timeout)
    stats = ended.completion_stats
    return Ended(
        name,
        ended.output_info.gcs_output_directory,
        stats.successful_count,
        stats.failed_count,
        stats.incomplete_count,
        origin,
    )


def cancel(vertex: Vertex, name: str, timeout: float) -> Stage[None]:
    """Ask for a job to be cancelled, and wait until it has ended, however it ends.

    Raises:
        StillRunningError: it had not ended in `timeout` seconds.
        EnvironmentFaultError: it cannot be read any more.
        google.api_core.exceptions.GoogleAPICallError: the API refuses or does not answer.
    """
    request = v1.CancelBatchPredictionJobRequest(name=name)
    vertex.write(vertex.jobs.cancel_batch_prediction_job, request)
    what = "cancelling the batch prediction"
    followed = Followed(name, what, lambda seconds: _read(vertex, name, seconds), _seen, _RESUME, "job")
    try:
        yield from poller.follow(vertex, followed, timeout)
    except poller.OperationFailedError as error:
        yield Step(f"{error}", lasting=True)


def request_of(vertex: Vertex, job: Job, project: Project) -> v1.CreateBatchPredictionJobRequest:
    """Return the request that makes a job."""
    settings, deployed = project.vertex, fields_of(project.vertex, DEPLOYED)
    more: dict[str, Any] = {}
    if settings.batch.batch_size:
        more["manual_batch_tuning_parameters"] = {"batch_size": settings.batch.batch_size}
    shared = ("service_account", "disable_container_logging", "encryption_spec")
    more |= {name: value for name, value in {**deployed, **fields_of(settings, MODEL)}.items() if name in shared}
    message = v1.BatchPredictionJob(
        display_name=f"{job.version.model.rpartition('/')[2]}-{job.version.id}",
        model=job.version.name,
        input_config={"instances_format": job.form, "gcs_source": {"uris": list(job.inputs)}},
        output_config={"predictions_format": _OUTPUT, "gcs_destination": {"output_uri_prefix": job.output}},
        dedicated_resources={
            "machine_spec": resources_of(settings, settings.machine)["machine_spec"],
            "starting_replica_count": settings.batch.replicas,
            "max_replica_count": settings.batch.replicas,
        },
        labels={**settings.labels, _LABEL: job.key},
        **more,
    )
    return v1.CreateBatchPredictionJobRequest(parent=vertex.target.parent, batch_prediction_job=message)


def _found(vertex: Vertex, key: str, *, again: bool, since: float = 0.0) -> v1.BatchPredictionJob | None:
    """Return the oldest job of a key that has not ended, else the newest that has succeeded, unless `again`.

    One that this run may have made, after `since`, counts also with `again`.
    """
    request = v1.ListBatchPredictionJobsRequest(parent=vertex.target.parent, filter=f'labels.{_LABEL}="{key}"')
    pages = vertex.pages(vertex.jobs.list_batch_prediction_jobs, request)
    jobs = [job for page in pages for job in page.batch_prediction_jobs]
    jobs.sort(key=lambda job: job.create_time)
    for job in jobs:
        if job.state not in _ENDED:
            return job
    well = [job for job in jobs if job.state in _WELL and (not again or job.create_time.timestamp() > since > 0)]
    return well[-1] if well else None


def _read(vertex: Vertex, name: str, timeout: float) -> v1.BatchPredictionJob:
    request = v1.GetBatchPredictionJobRequest(name=name)
    return vertex.jobs.get_batch_prediction_job(request=request, timeout=timeout, retry=None)


def _seen(job: v1.BatchPredictionJob) -> Seen:
    stats, code = job.completion_stats, 0
    if job.state in _ENDED:
        code = _ENDED[job.state] and (job.error.code or _ENDED[job.state])
    rows = stats.successful_count + stats.failed_count
    return Seen(
        done=job.state in _ENDED,
        stage=getattr(job.state, "name", str(job.state)).removeprefix("JOB_STATE_"),
        partial=tuple(f"{name_of(status.code)}: {status.message}" for status in job.partial_failures),
        code=code,
        message=job.error.message,
        more=f"{rows:,} rows" if rows else "",
    )


def _id(job: v1.BatchPredictionJob) -> str:
    return str(job.name.rpartition("/")[2])
