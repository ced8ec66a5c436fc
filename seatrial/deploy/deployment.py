"""`seatrial deploy`: a candidate becomes the version that serves, in steps that a re-run finds again on the server.

Version → endpoint → model at 0 % → a small share → golden images → further steps, gated → `default` → the old one
retired. No state lies in a file: what was done is read from the server, and a rollout that is under way is recorded
in the endpoint's labels, changed in one call with the split. Any failure puts the former split back.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from seatrial.deploy import undo
from seatrial.deploy.gate import gate
from seatrial.deploy.platform import ChangedBackError, PlatformError, Upload
from seatrial.deploy.preflight import preflight
from seatrial.deploy.proof import prove
from seatrial.deploy.record import Record, record_of, with_record, without_record
from seatrial.deploy.split import split_for
from seatrial.errors import EnvironmentFaultError, UsageError
from seatrial.findings import Finding, Phase, Severity, Stage, Step, T
from seatrial.rules.deployment import live, operations

if TYPE_CHECKING:
    from seatrial.deploy.candidate import Candidate
    from seatrial.deploy.platform import DeployedModel, Endpoint, Version
    from seatrial.deploy.resources import Resources

WATCH = 15.0  # seconds between two rounds of golden images while the new version bakes
REACHABLE = 900.0  # seconds for the host name of a new dedicated endpoint; Google says that it may take minutes
BACK = (10, 100)  # percent; the steps of a former version, which is only asked whether it answers

Artifact = tuple[str, str]  # image URI and artifact URI, of which one may be ""


class SupersededError(Exception):
    """Another deploy took the endpoint over; its argument says how that was seen."""


class RefusedError(Exception):
    """The candidate did not pass; the findings that say why were yielded. Its argument is the status."""


class Deployment:
    """One run of a deploy: the candidate, where it goes, and how far it has come."""

    def __init__(
        self,
        resources: Resources,
        candidate: Candidate,
        provide: Callable[[], Stage[Artifact]],
        *,
        former: bool = False,
    ) -> None:
        """`provide` stores what the version is made from; it is called only if there is no version yet.

        A `former` version comes back: its golden answers are not here, and it takes the traffic in one step.
        """
        self._former = former
        self._resources = resources
        self._platform = resources.platform
        self._settings = resources.project.vertex
        self._candidate = candidate
        self._provide = provide
        self._began = time.time()
        self._made_endpoint = self._deployed = self._retiring = False
        deployed_id = self._platform.deployed_id(candidate.version_digest, resources.project)
        self._id = resources.progress.deployed_model = deployed_id

    def run(self) -> Stage[None]:
        """Deploy; the result is in the resources' progress.

        Raises:
            StillRunningError: a deadline passed while an operation still runs.
            EnvironmentFaultError: the service does not answer.
        """
        progress = self._resources.progress
        try:
            if (yield from self._is_done()):
                progress.status = "unchanged"
                return
            yield from self._checked()
            yield from self._reach()
            progress.status = "deployed"
        except (SupersededError, ChangedBackError) as error:
            yield from self._left(str(error))
        except RefusedError as error:
            progress.status = str(error)
            yield from self._undone()
        except (PlatformError, EnvironmentFaultError) as error:
            if (taken := self._taken_over()) is not None:
                yield from self._left(str(taken))
                return
            if isinstance(error, EnvironmentFaultError) and not progress.changed:
                raise
            progress.status = "failed"
            yield from self._explained(error)
            yield from self._undone()

    def plan(self) -> Stage[list[str]]:
        """Return what a run would do, in words; nothing is changed.

        Raises:
            EnvironmentFaultError: the service does not answer.
        """
        progress = self._resources.progress
        try:
            if (yield from self._is_done()):
                progress.status = "unchanged"
                return ["nothing: this version serves all traffic, is proven and is the default"]
            yield from self._checked()
            progress.status = "planned"
            return list(self._planned())
        except RefusedError as error:
            progress.status = str(error)
        except PlatformError as error:
            yield from self._platform.explained(error, self._resources.project, what="a question")
        return []

    def _planned(self) -> Iterator[str]:
        resources, settings = self._resources, self._settings
        version, endpoint = resources.version_of(self._candidate.version_digest), resources.endpoint()
        yield f"take {version.name}" if version else f"upload a version of model {resources.model_id}"
        yield f"{'take' if endpoint else 'create'} endpoint {resources.endpoint_id}"
        there = {model.id for model in endpoint.deployed_models} if endpoint else set()
        if self._id not in there:
            cards = (
                f" with {settings.accelerator_count} {settings.accelerator_type}" if settings.accelerator_type else ""
            )
            replicas = f"{settings.min_replicas} to {settings.max_replicas} replicas"
            yield f"deploy it as {self._id} on {settings.machine_type}{cards}, {replicas}"
        steps = " → ".join(f"{step} %" for step in settings.rollout.steps)
        yield f"move the traffic: {steps if there - {self._id} else '100 %'}, proving it with golden images"
        yield "move the alias `default` to it"
        if endpoint:
            yield from (f"undeploy {model.id}" for model in self._idle(endpoint, {self._id: 100}))

    def _is_done(self) -> Stage[bool]:
        """Return whether the server is already as a finished deploy leaves it."""
        yield Phase("state")
        version, endpoint = self._resources.version_of(self._candidate.version_digest), self._resources.endpoint()
        if version is None or endpoint is None:
            return False
        self._note(version)
        return (
            {"default", self._proof_alias} <= set(version.aliases)
            and self._resources.progress.traffic == {self._id: 100}
            and record_of(endpoint) is None
            and not self._idle(endpoint, endpoint.traffic_split)
        )

    def _checked(self) -> Stage[None]:
        yield Phase("preflight")
        _, errors = yield from _judged(preflight(self._platform, self._resources.project, self._candidate.image))
        yield from self._held(errors)

    def _reach(self) -> Stage[None]:
        yield Phase("version")
        version = yield from self._version()
        yield Phase("endpoint")
        endpoint, self._made_endpoint = yield from self._platform.find_or_create_endpoint(
            self._resources.project, self._resources.endpoint_id
        )
        self._resources.saw(endpoint)
        yield from self._supersede(endpoint)
        if record_of(endpoint) is None:
            self._refuse_unsplittable(endpoint)
        if self._settings.rollout.staging and self._proof_alias not in version.aliases:
            yield from self._stage(version)
        yield Phase("deploy")
        yield from self._deploy(endpoint, version)
        self._deployed = True
        yield Phase("rollout")
        record = yield from self._begin(endpoint.name, version)
        yield from self._climb(endpoint.name, record)
        yield Phase("default")
        version = self._platform.give_alias(version, "default")
        yield Step(f"{version.name} is the default", lasting=True)
        yield from self._bake()
        self._platform.give_alias(version, self._proof_alias)
        yield Phase("retire")
        yield from self._retire()

    def _version(self) -> Stage[Version]:
        candidate, resources = self._candidate, self._resources
        image, artifact = "", ""
        if resources.version_of(candidate.version_digest) is None:
            image, artifact = yield from self._provide()
        resources.progress.changed = True
        upload = Upload(
            model_id=resources.model_id,
            digest=candidate.version_digest,
            display_name=resources.project.name,
            image_uri=image,
            artifact_uri=artifact,
            labels={**self._settings.labels, **candidate.labels},
        )
        version, new = yield from self._platform.find_or_upload(upload, self._settings.upload_timeout)
        self._note(version)
        yield Step(f"{version.name}{'' if new else ', there already'}", lasting=True)
        return version

    def _supersede(self, endpoint: Endpoint) -> Stage[None]:
        """Undo the rollout of another version that was left unfinished or still goes on: the latest one counts."""
        record = record_of(endpoint)
        if record is not None and record.rollout != self._id:
            yield Step(f"the rollout of {record.rollout} was not finished and is undone", lasting=True)
            yield from self._resources.settled()
            yield from undo.put_back(self._resources, record)

    def _stage(self, version: Version) -> Stage[None]:
        """Prove the version on an endpoint of its own before any traffic moves; that one is gone afterwards."""
        yield Phase("staging")
        resources = self._resources
        endpoint, _ = yield from self._platform.find_or_create_endpoint(
            resources.project, resources.staging_id, labels=resources.staging_labels
        )
        if not resources.is_staging(endpoint):
            raise UsageError(
                f"endpoint {resources.staging_id} was not made to prove versions of {resources.endpoint_id}",
                fix="give this deploy another endpoint, or that one another name",
            )
        yield from self._deploy(endpoint, version)
        yield from self._platform.change_endpoint(
            endpoint.name, lambda found: replace(found, traffic_split={self._id: 100})
        )
        yield from self._prove(resources.staging_id)
        yield from undo.remove_staging(resources)

    def _deploy(self, endpoint: Endpoint, version: Version) -> Stage[None]:
        yield from self._platform.find_or_deploy(
            endpoint.name, version, self._resources.project, self._settings.deploy_timeout
        )
        yield Step(f"deployed model {self._id} is ready", lasting=True)

    def _begin(self, endpoint: str, version: Version) -> Stage[Record]:
        """Record the rollout on the endpoint and give the version its first share; found again after a crash."""
        known = self._resources.versions()
        default = next((each.id for each in known if "default" in each.aliases and each.id != version.id), "")
        records: list[Record] = []

        def edit(found: Endpoint) -> Endpoint | None:
            record = record_of(found)
            if record is not None and record.rollout != self._id:
                raise SupersededError(
                    f"the rollout of {record.rollout} began on {self._resources.endpoint_id} meanwhile"
                )
            if record is not None:
                records.append(record)
                return None
            records.append(self._record(found, default))
            own = records[-1].former.get(self._id, 0)
            first = split_for(records[-1].former, self._id, max(own, self._steps(records[-1])[0]))
            return with_record(replace(found, traffic_split=first), records[-1])

        self._resources.saw((yield from self._platform.change_endpoint(endpoint, edit)))
        return records[-1]

    def _record(self, endpoint: Endpoint, default: str) -> Record:
        """Return the record of a rollout that begins now; a share that this version has belongs to the former."""
        former = {name: share for name, share in endpoint.traffic_split.items() if share}
        return Record(self._id, former, default, back=self._former)

    def _refuse_unsplittable(self, endpoint: Endpoint) -> None:
        """Find out before anything is deployed whether the steps can be taken and the former split fits a label.

        Raises:
            UsageError: the steps.
            EnvironmentFaultError: the label.
        """
        record = self._record(endpoint, "")
        with_record(endpoint, record)
        for percent in self._steps(record):
            try:
                split_for(record.former, self._id, percent)
            except ValueError as error:
                raise UsageError(f"rollout.steps has {percent}: {error}", fix="take other steps") from None

    def _climb(self, endpoint: str, record: Record) -> Stage[None]:
        """Raise the share step by step; before each next one golden images and gate must hold."""
        for percent in self._steps(record):
            yield from self._raise_to(percent, endpoint, record)
            yield Step(f"{percent} % of the traffic", lasting=True)
            yield from self._prove(self._resources.endpoint_id)
            if percent < 100 and not self._former:
                yield from self._gate(record)

    def _steps(self, record: Record) -> tuple[int, ...]:
        if not set(record.former) - {self._id}:
            return (100,)
        return BACK if self._former else self._settings.rollout.steps

    def _raise_to(self, percent: int, endpoint: str, record: Record) -> Stage[None]:
        def edit(found: Endpoint) -> Endpoint | None:
            self._refuse_superseded(found)
            if dict(found.traffic_split).get(self._id, 0) >= percent:
                return None
            return replace(found, traffic_split=split_for(record.former, self._id, percent))

        self._resources.saw((yield from self._platform.change_endpoint(endpoint, edit)))

    def _refuse_superseded(self, endpoint: Endpoint) -> None:
        record = record_of(endpoint)
        if record is None and endpoint.traffic_split.get(self._id) == 100:
            return  # another run of this very deploy has finished
        if record is None or record.rollout != self._id:
            by = f"the rollout of {record.rollout}" if record else "another client"
            raise SupersededError(f"{by} took {self._resources.endpoint_id} over; nothing more was changed")

    def _prove(self, endpoint_id: str) -> Stage[None]:
        found = self._platform.get_endpoint(endpoint_id)
        yield from self._platform.reach(found, REACHABLE)
        proof, errors = yield from _judged(
            prove(
                self._platform,
                found,
                self._id,
                self._resources.project,
                interface=self._candidate.interface,
                compare=not self._former,
            )
        )
        self._resources.progress.unproven = proof.unproven
        yield from self._held(errors)
        yield Step(f"{proof.answered} inputs answered as recorded, in {proof.requests} requests", lasting=True)

    def _gate(self, record: Record) -> Stage[None]:
        found = self._platform.get_endpoint(self._resources.endpoint_id)
        others = [name for name in record.former if name != self._id]
        passed, errors = yield from _judged(
            gate(self._platform, found, self._id, others, self._resources.project, interface=self._candidate.interface)
        )
        self._resources.progress.gates.append(asdict(passed))
        yield from self._held(errors)
        yield Step(passed.line(), lasting=True)

    def _held(self, errors: list[Finding]) -> Stage[None]:
        """Refuse a candidate for errors; where another deploy has taken its traffic away, they say nothing of it."""
        if not errors:
            return
        if (taken := self._taken_over()) is not None:
            raise taken
        yield from errors
        raise RefusedError(
            "inconclusive" if {error.code for error in errors} == {live.INCONCLUSIVE.code} else "refused"
        )

    def _bake(self) -> Stage[None]:
        """Watch the version with all traffic before the old one goes."""
        bake = self._settings.rollout.bake
        until = time.monotonic() + (self._platform.traits.bake if bake is None else bake)
        if until > time.monotonic():
            yield Phase("bake")
        while (left := until - time.monotonic()) > 0:
            yield Step(f"all traffic is on the new version; the old one goes in {left:.0f} s")
            time.sleep(min(WATCH, left))
            yield from self._prove(self._resources.endpoint_id)

    def _retire(self) -> Stage[None]:
        """Undeploy what has no traffic any more, then end the rollout."""
        endpoint = self._resources.endpoint()
        if endpoint is None:
            raise SupersededError(f"endpoint {self._resources.endpoint_id} is gone")
        self._refuse_superseded(endpoint)
        idle = [model.id for model in self._idle(endpoint, endpoint.traffic_split)]
        self._retiring = True
        yield from self._resources.undeploy(endpoint, idle)
        if idle:
            yield Step(f"{', '.join(idle)} is undeployed", lasting=True)

        def edit(found: Endpoint) -> Endpoint | None:
            record = record_of(found)
            return without_record(found) if record is not None and record.rollout == self._id else None

        self._resources.saw((yield from self._platform.change_endpoint(endpoint.name, edit)))

    def _idle(self, endpoint: Endpoint, split: Mapping[str, int]) -> list[DeployedModel]:
        """Return the deployed models of other versions of this model that a split leaves without traffic."""
        return [model for model in self._resources.idle(endpoint, split) if model.id != self._id]

    def _explained(self, error: PlatformError | EnvironmentFaultError) -> Stage[None]:
        yield Phase("diagnosis")
        if isinstance(error, EnvironmentFaultError):
            yield operations.SERVICE_FAILED.finding(error.message, fix=error.fix)
            return
        yield from self._platform.explained(
            error,
            self._resources.project,
            what="a request of the deploy",
            endpoint_id=self._resources.endpoint_id,
            deployed_model=self._id,
            since=self._began,
        )

    def _taken_over(self) -> SupersededError | None:
        """Return the error that says so if what fails now fails because another deploy took the endpoint over."""
        try:
            endpoint = self._resources.endpoint() if self._deployed else None
            if endpoint is None:
                return None
            record = record_of(endpoint)
            if record is None and self._id in {model.id for model in endpoint.deployed_models}:
                return None
            self._refuse_superseded(endpoint)
        except SupersededError as error:
            return error
        except (PlatformError, EnvironmentFaultError):
            return None
        return None

    def _left(self, why: str) -> Stage[None]:
        """Leave the endpoint to the deploy that took it over; only what has no traffic of this one goes."""
        self._resources.progress.status = "superseded"
        yield live.SUPERSEDED.finding(why)
        yield from self._undone()

    def _undone(self) -> Stage[None]:
        """Undo what this run changed, unless the former version is being retired: the new one is proven, and stays."""
        if self._resources.progress.changed and not self._retiring:
            digest = self._candidate.version_digest
            yield from undo.after_failure(self._resources, digest, made_endpoint=self._made_endpoint)

    @property
    def _proof_alias(self) -> str:
        return f"p-{self._candidate.version_digest[:16]}"

    def _note(self, version: Version) -> None:
        self._resources.progress.model, self._resources.progress.version = version.model, version.name


def _judged(stage: Stage[T]) -> Stage[tuple[T, list[Finding]]]:
    """Pass a stage's events on except its errors; return its value and those."""
    errors: list[Finding] = []
    while True:
        try:
            event = next(stage)
        except StopIteration as end:
            return end.value, errors
        if isinstance(event, Finding) and event.severity is Severity.ERROR:
            errors.append(event)
        else:
            yield event
