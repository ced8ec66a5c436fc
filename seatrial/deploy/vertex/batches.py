"""Batch prediction jobs: found by their label, or made, and waited for. What they read and write is in `storage`.

The API has no job that is made only if there is none. So who has made one looks again: of several that were made at
the same time the oldest goes on, and each run cancels its own if it is another one. A request whose answer was lost may
even arrive after the one that was sent in its place. The job that it makes then, a twin, has the label of the same run,
and is cancelled when it is seen: after the making, at the end, or by the next run.
"""

from __future__ import annotations

import secrets
from collections.abc import Container, Iterable
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
    twins = _twins(known)
    yield from _cancelled(vertex, twins)
    found = _found([each for each in known if each not in twins], again=again)
    origin: Literal["made", "adopted", "found"] = "found"
    made = None
    if found is None:
        made = yield from _made(vertex, job, project, what)
        found = yield from _first(vertex, made, {each.name for each in known})
        origin = "made" if found.name == made.name else "adopted"
        if origin == "adopted":
            del vertex.awaited[made.name]
    elif found.state not in _ENDED:
        origin = "adopted"
        vertex.awaited[found.name] = what  # before it is said, so that a signal that comes then finds it
        yield Step(f"job {_id(found)} runs already: waiting for it{_page(vertex, found)}", lasting=True)
    name = found.name
    followed = Followed(name, what, lambda seconds: _read(vertex, name, seconds), _seen, _RESUME, "job")
    try:
        ended = yield from poller.follow(vertex, followed, timeout)
    except poller.OperationFailedError:
        yield from _without_twins(vertex, made, name)
        raise
    yield from _without_twins(vertex, made, name)
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
    _cancel(vertex, name)
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


def _made(vertex: Vertex, job: Job, project: Project, what: str) -> Stage[v1.BatchPredictionJob]:
    """Make a job, and make it again only if no job of this run is there."""
    run = secrets.token_hex(8)
    request = request_of(vertex, job, project, run)
    made = yield from vertex.settle(
        what,
        lambda: vertex.write(vertex.jobs.create_batch_prediction_job, request),
        lambda: next((each for each in _listed(vertex, job.key) if each.labels.get(_RUN) == run), None),
    )
    vertex.awaited[made.name] = what
    yield Step(f"job {_id(made)} is made{_page(vertex, made)}", lasting=True)
    return made


def _goes_on(job: v1.BatchPredictionJob) -> bool:
    """Return whether a job has not ended and nobody has cancelled it."""
    return job.state not in _ENDED and job.state != _State.JOB_STATE_CANCELLING


def _found(known: list[v1.BatchPredictionJob], *, again: bool) -> v1.BatchPredictionJob | None:
    """Return the oldest job that goes on, else the newest that has succeeded, unless `again`."""
    well = [job for job in known if job.state in _WELL and not again]
    return next(iter((*filter(_goes_on, known), *reversed(well))), None)


def _twins(known: list[v1.BatchPredictionJob]) -> list[v1.BatchPredictionJob]:
    """Return the jobs that go on although their run has an older one that goes on or has succeeded."""
    runs, twins = set[str](), []
    for job in known:
        run = job.labels.get(_RUN, "")
        if run in runs and _goes_on(job):
            twins.append(job)
        elif run and (_goes_on(job) or job.state in _WELL):
            runs.add(run)
    return twins


def _first(vertex: Vertex, made: v1.BatchPredictionJob, before: Container[str]) -> Stage[v1.BatchPredictionJob]:
    """Return the oldest job that was not there `before`, and cancel the others of the run that `made` one."""
    others = [each for each in _others(vertex, made) if each.name not in before]
    first = min((made, *(each for each in others if _goes_on(each) or each.state in _WELL)), key=_age)
    if first.name != made.name:
        yield Step(f"job {_id(first)} was made just before: waiting for it", lasting=True)
    own = [made, *(each for each in others if _of_one_run(each, made))]
    yield from _cancelled(vertex, (each for each in own if each.name != first.name and _goes_on(each)))
    return first


def _without_twins(vertex: Vertex, made: v1.BatchPredictionJob | None, name: str) -> Stage[None]:
    """Cancel what else the run has made that `made` a job; `name` is the one that it has waited for."""
    if made is None:
        return
    try:
        own = [each for each in _others(vertex, made) if _of_one_run(each, made) and each.name != name]
    except exceptions.GoogleAPICallError as error:
        text = f"whether a second job was made could not be seen: {name_of(code_of(error))}: {error.message}"
        yield Step(text, lasting=True)
    else:
        yield from _cancelled(vertex, filter(_goes_on, own))


def _others(vertex: Vertex, made: v1.BatchPredictionJob) -> list[v1.BatchPredictionJob]:
    """Return the other jobs of the same key."""
    return [each for each in _listed(vertex, made.labels[_LABEL]) if each.name != made.name]


def _of_one_run(job: v1.BatchPredictionJob, other: v1.BatchPredictionJob) -> bool:
    return bool(job.labels.get(_RUN) == other.labels[_RUN])


def _cancelled(vertex: Vertex, jobs: Iterable[v1.BatchPredictionJob]) -> Stage[None]:
    """Cancel jobs that are one too many, and go on if that fails: they do no harm but cost."""
    for job in jobs:
        yield Step(f"job {_id(job)} was made beside another: cancelling it", lasting=True)
        try:
            _cancel(vertex, job.name)
        except exceptions.GoogleAPICallError as error:
            text = f"job {_id(job)} could not be cancelled: {name_of(code_of(error))}: {error.message}"
            yield Step(text, lasting=True)


def _cancel(vertex: Vertex, name: str) -> None:
    request = v1.CancelBatchPredictionJobRequest(name=name)  # it may be sent as often as it takes
    repeated(vertex.limits, lambda: vertex.write(vertex.jobs.cancel_batch_prediction_job, request))


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


def _page(vertex: Vertex, job: v1.BatchPredictionJob) -> str:
    """Return where a job is seen with its log; "" of a rehearsal. The address is that of Google's SDK, in jobs.py."""
    target = vertex.target
    if target.traits.rehearsal:
        return ""
    place = f"locations/{target.region}/batch-predictions/{_id(job)}?project={target.project}"
    return f": https://console.cloud.google.com/agent-platform/{place}"


def _id(job: v1.BatchPredictionJob) -> str:
    return str(job.name.rpartition("/")[2])
