"""Batch prediction jobs: found by their label, or made, and waited for. What they read and write is in `storage`.

The API has no job that is made only if there is none. So who has made one looks again: of several that were made at
the same time the oldest goes on, and each run cancels its own if it is another one.
"""

from __future__ import annotations

import secrets
from collections.abc import Container
from typing import TYPE_CHECKING, Any, Literal

from google.api_core import exceptions
from google.cloud import aiplatform_v1 as v1

from seatrial.deploy.batch import Ended, Job
from seatrial.deploy.vertex import poller
from seatrial.deploy.vertex.backoff import again as repeated
from seatrial.deploy.vertex.backoff import code_of, name_of
from seatrial.deploy.vertex.client import Vertex
from seatrial.deploy.vertex.messages import resources_of
from seatrial.deploy.vertex.poller import Followed, Seen
from seatrial.findings import Stage, Step
from seatrial.project.vertex import DEPLOYED, MODEL, fields_of

if TYPE_CHECKING:
    from seatrial.project import Project

_LABEL = "seatrial-batch"  # of a job; its value is what tells it from all others
_RUN = "seatrial-run"  # of a job; its value is what tells the run that made it from all others
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
    known = _listed(vertex, job.key)
    found = _found(known, again=again)
    origin: Literal["made", "adopted", "found"] = "found"
    if found is None:
        run = secrets.token_hex(8)
        request = request_of(vertex, job, project, run)
        made = yield from vertex.settle(
            what,
            lambda: vertex.write(vertex.jobs.create_batch_prediction_job, request),
            lambda: next((each for each in _listed(vertex, job.key) if each.labels.get(_RUN) == run), None),
        )
        yield Step(f"job {_id(made)} is made", lasting=True)
        found = yield from _first(vertex, job.key, made, {each.name for each in known})
        origin = "made" if found.name == made.name else "adopted"
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


def request_of(vertex: Vertex, job: Job, project: Project, run: str) -> v1.CreateBatchPredictionJobRequest:
    """Return the request by which a run makes a job."""
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
        labels={**settings.labels, _LABEL: job.key, _RUN: run},
        **more,
    )
    return v1.CreateBatchPredictionJobRequest(parent=vertex.target.parent, batch_prediction_job=message)


def _listed(vertex: Vertex, key: str) -> list[v1.BatchPredictionJob]:
    """Return the jobs of a key, oldest first."""
    request = v1.ListBatchPredictionJobsRequest(parent=vertex.target.parent, filter=f'labels.{_LABEL}="{key}"')
    pages = vertex.pages(vertex.jobs.list_batch_prediction_jobs, request)
    return sorted((job for page in pages for job in page.batch_prediction_jobs), key=_age)


def _age(job: v1.BatchPredictionJob) -> tuple[Any, str]:
    return job.create_time, job.name


def _found(known: list[v1.BatchPredictionJob], *, again: bool) -> v1.BatchPredictionJob | None:
    """Return the oldest job that has not ended, else the newest that has succeeded, unless `again`."""
    running = [job for job in known if job.state not in _ENDED]
    well = [job for job in known if job.state in _WELL and not again]
    return next(iter((*running, *reversed(well))), None)


def _first(
    vertex: Vertex, key: str, made: v1.BatchPredictionJob, before: Container[str]
) -> Stage[v1.BatchPredictionJob]:
    """Return the oldest job that was not there `before`; if it is another one than was `made` here, cancel this one."""
    others = (each for each in _listed(vertex, key) if each.name not in before)
    able = (each for each in others if each.state not in _ENDED or each.state in _WELL)
    first = min((made, *able), key=_age)
    if first.name == made.name:
        return made
    yield Step(f"job {_id(first)} was made just before: waiting for it, and cancelling {_id(made)}", lasting=True)
    request = v1.CancelBatchPredictionJobRequest(name=made.name)
    try:
        repeated(vertex.limits, lambda: vertex.write(vertex.jobs.cancel_batch_prediction_job, request))
    except exceptions.GoogleAPICallError as error:
        yield Step(f"job {_id(made)} could not be cancelled: {name_of(code_of(error))}: {error.message}", lasting=True)
    return first


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
