"""`seatrial deploy`: a candidate becomes the version that serves, in steps that a re-run finds again on the server.

Version → endpoint → model at 0 % → a small share → golden images → further steps, gated → `default` → the old one
retired. No state is kept in a file: what was done is read from the server, and a rollout that is under way is recorded
in the endpoint's labels, changed in one call with the split. Any failure puts the former split back.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from seatrial.deploy import undo
from seatrial.deploy.platform import ChangedBackError, PlatformError, Upload
from seatrial.deploy.preflight import preflight
from seatrial.deploy.record import record_of, without_record
from seatrial.deploy.rollout import RefusedError, Rollout, SupersededError, judged
from seatrial.diagnosis.translate import diagnose
from seatrial.errors import EnvironmentFaultError, UsageError
from seatrial.findings import Phase, Stage, Step
from seatrial.project.vertex import MODEL, fields_of
from seatrial.rules.deployment import live, operations
from seatrial.rules.lock.installing import DISK_FULL

if TYPE_CHECKING:
    from seatrial.deploy.candidate import Candidate
    from seatrial.deploy.platform import DeployedModel, Endpoint, Version
    from seatrial.deploy.resources import Resources

Artifact = tuple[str, str]  # image URI and artifact URI, of which one may be ""


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
        self._resources = resources
        self._platform = resources.platform
        self._settings = resources.project.vertex
        self._candidate = candidate
        self._provide = provide
        self._began = time.time()
        self._made_endpoint = self._retiring = False
        deployed_id = self._platform.deployed_id(candidate.version_digest, resources.project)
        self._id = resources.progress.deployed_model = deployed_id
        self._rollout = Rollout(resources, candidate, deployed_id, former=former)

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
            if (taken := self._rollout.taken_over()) is not None:
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
            yield from self._platform.explained(error, self._resources.gathered, what="a question")
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
            yield f"deploy it as {self._id} on {' or '.join(settings.machine_type)}{cards}, {replicas}"
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
            and self._platform.is_configured(self._resources.endpoint_id, self._resources.project)
        )

    def _checked(self) -> Stage[None]:
        yield Phase("preflight")
        _, errors = yield from judged(preflight(self._platform, self._resources.project, self._candidate.image))
        yield from self._rollout.hold(errors)

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
            self._rollout.refuse_unsplittable(endpoint)
        if self._settings.rollout.staging and self._proof_alias not in version.aliases:
            yield from self._stage(version)
        yield Phase("deploy")
        yield from self._deploy(endpoint, version)
        self._rollout.deployed = True
        yield Phase("rollout")
        record = yield from self._rollout.begin(endpoint.name, version)
        yield from self._rollout.climb(endpoint.name, record)
        yield Phase("default")
        version = self._platform.give_alias(version, "default")
        yield Step(f"{version.name} is the default", lasting=True)
        yield from self._rollout.bake()
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
            fields=fields_of(self._settings, MODEL),
        )
        version, new = yield from self._platform.find_or_upload(upload, self._settings.upload_timeout)
        self._note(version)
        yield Step(f"{version.name}{'' if new else ', there already'}", lasting=True)
        return version

    def _supersede(self, endpoint: Endpoint) -> Stage[None]:
        """Undo the rollout of another version that was left unfinished or is still under way: the latest one counts."""
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
        yield from self._rollout.prove(resources.staging_id)
        yield from undo.remove_staging(resources)

    def _deploy(self, endpoint: Endpoint, version: Version) -> Stage[None]:
        yield from self._platform.find_or_deploy(
            endpoint.name, version, self._resources.project, self._settings.deploy_timeout
        )
        yield Step(f"deployed model {self._id} is ready", lasting=True)

    def _retire(self) -> Stage[None]:
        """Undeploy what has no traffic any more, then end the rollout."""
        endpoint = self._resources.endpoint()
        if endpoint is None:
            raise SupersededError(f"endpoint {self._resources.endpoint_id} is gone")
        self._rollout.refuse_superseded(endpoint)
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
            full = next((found for found in diagnose(error.message) if found.code == DISK_FULL.code), None)
            if full is not None:
                full = replace(full, evidence=(error.message,))
            yield full or operations.SERVICE_FAILED.finding(error.message, cloud="", fix=error.fix)
            return
        yield from self._platform.explained(
            error,
            self._resources.gathered,
            what="a request of the deploy",
            endpoint_id=self._resources.endpoint_id,
            deployed_model=self._id,
            since=self._began,
        )

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
