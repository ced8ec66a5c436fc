"""The calls of JobService about batch predictions: create, get, list, cancel, delete.

A job really asks the version's server: `hosting` starts it, the rows come from the bucket, and answers and failed rows
go back to it. A job goes on after a restart of the emulator, from its first row, as the cloud's goes on without its
client.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from google.cloud import aiplatform_v1 as v1
from google.protobuf import empty_pb2

from seatrial.emulator.api import listing, refusals, rows, validation
from seatrial.emulator.api.faults import Faults
from seatrial.emulator.api.hosting import Hosting, HostingError, Objects, Placement
from seatrial.emulator.api.models import answer, find
from seatrial.emulator.api.operations import now
from seatrial.emulator.api.resource_names import ModelName, Names, new_id
from seatrial.emulator.api.state import Message, State, Transaction

State_ = v1.JobState
Job = v1.BatchPredictionJob.pb()
_METHOD = "CreateBatchPredictionJob"
_ENDED = frozenset({State_.JOB_STATE_SUCCEEDED, State_.JOB_STATE_FAILED, State_.JOB_STATE_CANCELLED})
_BATCH = 64  # "The default value is 64": manual_batch_tuning_parameters.proto
_OUTPUT_ONLY = (  # Output only in batch_prediction_job.proto: ignored in requests
    "name", "model_version_id", "output_info", "state", "error", "partial_failures", "resources_consumed",
    "completion_stats", "create_time", "start_time", "end_time", "update_time", "satisfies_pzs", "satisfies_pzi",
)  # fmt: skip


class Jobs:
    """Answers JobService's calls about batch predictions."""

    def __init__(self, state: State, names: Names, hosting: Hosting, objects: Objects | None, faults: Faults) -> None:
        """Without `objects` there is no bucket, and no job can be made."""
        self._state, self._names, self._hosting, self._objects, self._faults = state, names, hosting, objects, faults
        self.closing = threading.Event()
        self._running: dict[str, tuple[threading.Thread, threading.Event]] = {}
        self._lock = threading.Lock()

    def resume(self) -> None:
        """Go on with the jobs that had not ended when the emulator was stopped."""
        with self._state.transaction() as tx:
            unfinished = [job for _, job in tx.below(Job, "") if job.state not in _ENDED]
        for job in unfinished:
            self._begin(job.name)

    def create(self, request: Message) -> Message:
        """Make a job, which begins at once."""
        parent = self._names.location(request.parent, "parent")
        validation.create_batch_prediction_job(request.batch_prediction_job)
        if self._objects is None:
            raise refusals.RefusedError(refusals.UNIMPLEMENTED, "There is no bucket.")
        model = self._names.model(request.batch_prediction_job.model, "batch_prediction_job.model")
        if model.region != parent.rpartition("/")[2]:  # "must share the same ancestor Location"
            raise refusals.found_errors([("batch_prediction_job.model", f"is in {model.region}, the job is not")])
        job = Job()
        job.CopyFrom(request.batch_prediction_job)
        for name in _OUTPUT_ONLY:
            job.ClearField(name)
        with self._state.transaction() as tx:
            version = find(tx, model)
            job.name, job.model_version_id = f"{parent}/batchPredictionJobs/{new_id()}", version.version_id
            job.model, job.state = model.name, State_.JOB_STATE_PENDING
            job.create_time.CopyFrom(now())
            _put(tx, job)
        self._begin(job.name)
        return job

    def get(self, request: Message) -> Message:
        """Answer GetBatchPredictionJob."""
        name = self._names.job(request.name, "name")
        with self._state.transaction() as tx:
            return _known(tx, name)

    def list(self, request: Message) -> Message:
        """Answer ListBatchPredictionJobs, newest first."""
        parent = self._names.location(request.parent, "parent")
        with self._state.transaction() as tx:
            found = [job for _, job in tx.below(Job, f"{parent}/batchPredictionJobs/")]
        found.sort(key=lambda job: -job.create_time.ToNanoseconds())
        fields = {"display_name": lambda m: m.display_name, "state": lambda m: State_(m.state).name}
        jobs, token = listing.page(request, found, fields=fields, order=())
        return v1.ListBatchPredictionJobsResponse.pb()(batch_prediction_jobs=jobs, next_page_token=token)

    def cancel(self, request: Message) -> Message:
        """Answer CancelBatchPredictionJob: the job ends soon, with what it has by then."""
        name = self._names.job(request.name, "name")
        with self._lock:
            thread, cancelled = self._running.get(name, (None, threading.Event()))
        with self._state.transaction() as tx:
            job = _known(tx, name)
            if job.state not in _ENDED:
                job.state = State_.JOB_STATE_CANCELLING
                _put(tx, job)
        cancelled.set()
        if thread is not None:
            self._hosting.stop(*_place(name))
        return empty_pb2.Empty()

    def close(self) -> None:
        """Stop working; unfinished jobs go on after the next start."""
        self.closing.set()
        with self._lock:
            running = [thread for thread, _ in self._running.values()]
        for thread in running:
            thread.join(timeout=10)

    def _begin(self, name: str) -> None:
        cancelled = threading.Event()
        thread = threading.Thread(target=self._work, args=(name, cancelled), name=f"job {name}", daemon=True)
        with self._lock:
            self._running[name] = (thread, cancelled)
        thread.start()

    def _work(self, name: str, cancelled: threading.Event) -> None:
        try:
            self._run(name, cancelled)
            ended, error = State_.JOB_STATE_SUCCEEDED, None
        except (refusals.RefusedError, HostingError) as failure:
            ended, error = State_.JOB_STATE_FAILED, failure
        except Exception:  # a failure of the emulator itself
            if self.closing.is_set():
                return
            ended, error = State_.JOB_STATE_FAILED, refusals.RefusedError(refusals.INTERNAL, refusals.INTERNAL_TEXT)
            self._end(name, ended, error)
            raise
        finally:
            with self._lock:
                self._running.pop(name, None)
        if cancelled.is_set():
            ended = State_.JOB_STATE_CANCELLED
            error = refusals.RefusedError(refusals.CANCELLED, refusals.CANCELLED_TEXT)
        if not self.closing.is_set():
            self._end(name, ended, error)

    def _end(self, name: str, ended: Any, error: refusals.RefusedError | HostingError | None) -> None:
        def change(job: Message) -> None:
            job.state = ended
            job.end_time.CopyFrom(now())
            if error is not None:
                job.error.code, job.error.message = error.code, error.message

        self._change(name, change)

    def _run(self, name: str, cancelled: threading.Event) -> None:
        assert self._objects is not None  # noqa: S101 - else the job would not have been made

        def go_on() -> None:
            if cancelled.is_set() or self.closing.is_set():
                raise refusals.RefusedError(refusals.CANCELLED, refusals.CANCELLED_TEXT)

        self._stage(State_.JOB_STATE_PENDING, go_on)
        with self._state.transaction() as tx:
            job = _known(tx, name)
            version = find(tx, ModelName(job.model, "", "", job.model_version_id))
            title = answer(tx, job.model, version).display_name
        where = self._placement(job, version)
        try:
            self._hosting.prepare(where)
            self._hosting.fetch(where)
            self._hosting.start(where)
            go_on()
            self._change(name, _running)
            self._stage(State_.JOB_STATE_RUNNING, go_on)
            done = self._asked(job, where, self._objects, go_on)
        finally:
            self._hosting.stop(*_place(name))
        folder = rows.write(job, title, done, self._objects)
        self._change(name, lambda job: setattr(job.output_info, "gcs_output_directory", folder))

    def _asked(self, job: Message, where: Placement, objects: Objects, go_on: Callable[[], None]) -> rows.Done:
        given = rows.read(job, objects)
        size, done = job.manual_batch_tuning_parameters.batch_size or _BATCH, rows.Done(len(given))
        for first in range(0, len(given), size):
            go_on()
            rows.ask(self._hosting, where, given[first : first + size], done)
            self._change(job.name, lambda job: _count(job, done))
        return done

    def _placement(self, job: Message, version: Message) -> Placement:
        endpoint, deployed = _place(job.name)
        return Placement(
            project_number=self._names.project_number,
            region=job.name.split("/")[3],
            endpoint_id=endpoint,
            deployed_model_id=deployed,
            model=v1.Model(version),
            machine_spec=v1.MachineSpec(job.dedicated_resources.machine_spec),
        )

    def _stage(self, state: Any, go_on: Callable[[], None]) -> None:
        """Apply the faults that are due in a state."""
        stopped = _asks(go_on)
        for fault in self._faults.of_stage(State_(state).name, _METHOD):
            if fault.seconds:
                self._faults.wait(fault, stopped, fault.seconds)
            if fault.never:
                self._faults.wait(fault, stopped)
            go_on()
            if fault.error:
                raise refusals.RefusedError(*fault.error)

    def _change(self, name: str, change: Callable[[Message], None]) -> None:
        with self._state.transaction() as tx:
            job = _known(tx, name)
            change(job)
            _put(tx, job)


def _running(job: Message) -> None:
    if job.state != State_.JOB_STATE_CANCELLING:
        job.state = State_.JOB_STATE_RUNNING
    if not job.HasField("start_time"):
        job.start_time.CopyFrom(now())


def _count(job: Message, done: rows.Done) -> None:
    job.completion_stats.successful_count = len(done.answered)
    job.completion_stats.failed_count = done.failed.total()
    job.completion_stats.incomplete_count = done.total - len(done.answered) - done.failed.total()


def _asks(go_on: Callable[[], None]) -> Callable[[], bool]:
    def stopped() -> bool:
        try:
            go_on()
        except refusals.RefusedError:
            return True
        return False

    return stopped


def _place(name: str) -> tuple[str, str]:
    """Return the ids under which the server of a job is hosted."""
    number = name.rpartition("/")[2]
    return f"batch-{number}", number


def _known(tx: Transaction, name: str) -> Message:
    job = tx.get(Job, name)
    if job is None:
        raise refusals.not_found("batch prediction job", name)
    return job


def _put(tx: Transaction, job: Message) -> None:
    job.update_time.CopyFrom(now())
    tx.put(job.name, job)
