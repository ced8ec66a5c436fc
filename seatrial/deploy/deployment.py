"""`seatrial deploy`: a candidate becomes the version that serves, in steps that a re-run finds again on the server.

Version → endpoint → model at 0 % → a small share → golden images → further steps, gated → `default` → the old one
retired. No state lies in a file: what was done is read from the server, and a rollout that is under way is recorded
in the endpoint's labels, changed in one call with the split. Any failure puts the former split back.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

from google.api_core.exceptions import GoogleAPICallError

from seatrial.deploy.proof import prove
from seatrial.deploy.rollout import gate, split_for
from seatrial.deploy.site import with_split
from seatrial.deploy.vertex import diagnosis, endpoints, versions
from seatrial.deploy.vertex.endpoints import ChangedBackError, Record
from seatrial.deploy.vertex.poller import OperationFailedError
from seatrial.deploy.vertex.preflight import preflight
from seatrial.errors import EnvironmentFaultError, StillRunningError, UsageError
from seatrial.findings import Finding, Phase, Severity, Stage, Step, T
from seatrial.rules.deployment import live, operations

if TYPE_CHECKING:
    from google.cloud import aiplatform_v1 as v1

    from seatrial.deploy.candidate import Candidate
    from seatrial.deploy.site import Site
    from seatrial.deploy.vertex.versions import Version

WATCH = 15.0  # seconds between two rounds of golden images while the new version bakes
REACHABLE = 900.0  # seconds for the host name of a new dedicated endpoint; Google says that it may take minutes
BACK = (10, 100)  # percent; the steps of a former version, which is only asked whether it answers
BAKE = {"local": 0.0, "vertex": 300.0}  # seconds, where `rollout.bake` says nothing

Artifact = tuple[str, str]  # image URI and artifact URI, of which one may be ""


class SupersededError(Exception):
    """Another deploy took the endpoint over; its argument says how that was seen."""


class RefusedError(Exception):
    """The candidate did not pass; the findings that say why were yielded. Its argument is the status."""


class Deployment:
    """One run of a deploy: the candidate, where it goes, and how far it has come."""

    def __init__(
        self, site: Site, candidate: Candidate, provide: Callable[[], Stage[Artifact]], *, former: bool = False
    ) -> None:
        """`provide` stores what the version is made from; it is asked only where there is no version yet.

        A `former` version comes back: its golden answers are not here, and it takes the traffic in one step.
        """
        self._former = former
        self._site = site
        self._vertex = site.vertex
        self._settings = site.project.vertex
        self._candidate = candidate
        self._provide = provide
        self._began = time.time()
        self._made_endpoint = self._deployed = self._retiring = False
        self._id = site.progress.deployed_model = endpoints.deployed_id(candidate.version_digest, site.project)

    def run(self) -> Stage[None]:
        """Deploy; what came of it is in the site's progress.

        Raises:
            StillRunningError: a deadline passed while an operation still runs.
            EnvironmentFaultError: the service does not answer.
        """
        progress = self._site.progress
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
        except (OperationFailedError, GoogleAPICallError, EnvironmentFaultError) as error:
            if (taken := self._taken_over()) is not None:
                yield from self._left(str(taken))
                return
            if isinstance(error, EnvironmentFaultError) and not progress.changed:
                raise
            progress.status = "failed"
            yield from self._explained(error)
            yield from self._undone()

    def plan(self) -> Stage[list[str]]:
        """Say what a run would do; nothing is changed.

        Raises:
            EnvironmentFaultError: the service does not answer.
        """
        progress = self._site.progress
        try:
            if (yield from self._is_done()):
                progress.status = "unchanged"
                return ["nothing: this version serves all traffic, is proven and is the default"]
            yield from self._checked()
            progress.status = "planned"
            return list(self._planned())
        except RefusedError as error:
            progress.status = str(error)
        except GoogleAPICallError as error:
            yield diagnosis.of_call(error, "a question")
        return []

    def _planned(self) -> Iterator[str]:
        site, settings = self._site, self._settings
        version, endpoint = site.version_of(self._candidate.version_digest), site.endpoint()
        yield f"take {version.name}" if version else f"upload a version of model {site.model_id}"
        yield f"take endpoint {site.endpoint_id}" if endpoint else f"create endpoint {site.endpoint_id}"
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
        """Tell whether the server is already as a finished deploy leaves it."""
        yield Phase("state")
        version, endpoint = self._site.version_of(self._candidate.version_digest), self._site.endpoint()
        if version is None or endpoint is None:
            return False
        self._note(version)
        return (
            {"default", self._proof_alias} <= set(version.aliases)
            and self._site.progress.traffic == {self._id: 100}
            and endpoints.record_of(endpoint) is None
            and not self._idle(endpoint, dict(endpoint.traffic_split))
        )

    def _checked(self) -> Stage[None]:
        yield Phase("preflight")
        _, errors = yield from _judged(preflight(self._vertex, self._site.project, self._candidate.image))
        yield from self._held(errors)

    def _reach(self) -> Stage[None]:
        yield Phase("version")
        version = yield from self._version()
        yield Phase("endpoint")
        endpoint, self._made_endpoint = yield from endpoints.find_or_create(
            self._vertex, self._site.project, self._site.endpoint_id
        )
        self._site.saw(endpoint)
        yield from self._supersede(endpoint)
        if endpoints.record_of(endpoint) is None:
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
        version = versions.give(self._vertex, version, "default")
        yield Step(f"{version.name} is the default", lasting=True)
        yield from self._bake()
        versions.give(self._vertex, version, self._proof_alias)
        yield Phase("retire")
        yield from self._retire()

    def _version(self) -> Stage[Version]:
        candidate, site = self._candidate, self._site
        image, artifact = "", ""
        if site.version_of(candidate.version_digest) is None:
            image, artifact = yield from self._provide()
        site.progress.changed = True
        upload = versions.Upload(
            model_id=site.model_id,
            digest=candidate.version_digest,
            display_name=site.project.name,
            image_uri=image,
            artifact_uri=artifact,
            labels={**self._settings.labels, **candidate.labels},
        )
        version, new = yield from versions.find_or_upload(self._vertex, upload, self._settings.upload_timeout)
        self._note(version)
        yield Step(f"{version.name}{'' if new else ', there already'}", lasting=True)
        return version

    def _supersede(self, endpoint: v1.Endpoint) -> Stage[None]:
        """Undo the rollout of another version that was left unfinished or still goes on: the latest one counts."""
        record = endpoints.record_of(endpoint)
        if record is not None and record.rollout != self._id:
            yield Step(f"the rollout of {record.rollout} was not finished and is undone", lasting=True)
            yield from self._site.settled()
            yield from self._site.put_back(record)

    def _stage(self, version: Version) -> Stage[None]:
        """Prove the version on an endpoint of its own before any traffic moves; that one is gone afterwards."""
        yield Phase("staging")
        site = self._site
        endpoint, _ = yield from endpoints.find_or_create(
            self._vertex, site.project, site.staging_id, labels=site.staging_labels
        )
        if not site.is_staging(endpoint):
            raise UsageError(
                f"endpoint {site.staging_id} was not made to prove versions of {site.endpoint_id}",
                fix="give this deploy another endpoint, or that one another name",
            )
        yield from self._deploy(endpoint, version)
        yield from endpoints.change(self._vertex, endpoint.name, lambda found: with_split(found, {self._id: 100}))
        yield from self._prove(site.staging_id)
        yield from site.remove_staging()

    def _deploy(self, endpoint: v1.Endpoint, version: Version) -> Stage[None]:
        yield from endpoints.find_or_deploy(
            self._vertex, endpoint.name, version, self._site.project, self._settings.deploy_timeout
        )
        yield Step(f"deployed model {self._id} is ready", lasting=True)

    def _begin(self, endpoint: str, version: Version) -> Stage[Record]:
        """Record the rollout on the endpoint and give the version its first share; found again after a crash."""
        known = versions.listing(self._vertex, self._site.model_id)
        default = next((each.id for each in known if "default" in each.aliases and each.id != version.id), "")
        records: list[Record] = []

        def edit(found: v1.Endpoint) -> v1.Endpoint | None:
            record = endpoints.record_of(found)
            if record is not None and record.rollout != self._id:
                raise SupersededError(f"the rollout of {record.rollout} began on {self._site.endpoint_id} meanwhile")
            if record is not None:
                records.append(record)
                return None
            records.append(self._record(found, default))
            own = records[-1].former.get(self._id, 0)
            first = split_for(records[-1].former, self._id, max(own, self._steps(records[-1])[0]))
            return endpoints.with_record(with_split(found, first), records[-1])

        self._site.saw((yield from endpoints.change(self._vertex, endpoint, edit)))
        return records[-1]

    def _record(self, endpoint: v1.Endpoint, default: str) -> Record:
        """Give the record of a rollout that begins now; a share that this version has already is part of the former."""
        former = {name: share for name, share in dict(endpoint.traffic_split).items() if share}
        return Record(self._id, former, default, back=self._former)

    def _refuse_unsplittable(self, endpoint: v1.Endpoint) -> None:
        """Find before anything is deployed that its traffic cannot be split in these steps, or not be kept in a label.

        Raises:
            UsageError: the steps.
            EnvironmentFaultError: the label.
        """
        record = self._record(endpoint, "")
        endpoints.with_record(endpoint, record)
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
            yield from self._prove(self._site.endpoint_id)
            if percent < 100 and not self._former:
                yield from self._gate(record)

    def _steps(self, record: Record) -> tuple[int, ...]:
        if not set(record.former) - {self._id}:
            return (100,)
        return BACK if self._former else self._settings.rollout.steps

    def _raise_to(self, percent: int, endpoint: str, record: Record) -> Stage[None]:
        def edit(found: v1.Endpoint) -> v1.Endpoint | None:
            self._refuse_superseded(found)
            if dict(found.traffic_split).get(self._id, 0) >= percent:
                return None
            return with_split(found, split_for(record.former, self._id, percent))

        self._site.saw((yield from endpoints.change(self._vertex, endpoint, edit)))

    def _refuse_superseded(self, endpoint: v1.Endpoint) -> None:
        record = endpoints.record_of(endpoint)
        if record is None and dict(endpoint.traffic_split).get(self._id) == 100:
            return  # another run of this very deploy has finished
        if record is None or record.rollout != self._id:
            by = f"the rollout of {record.rollout}" if record else "another client"
            raise SupersededError(f"{by} took {self._site.endpoint_id} over; nothing more was changed")

    def _prove(self, endpoint_id: str) -> Stage[None]:
        found = endpoints.get(self._vertex, endpoint_id)
        yield from self._vertex.reach(found, REACHABLE)
        proof, errors = yield from _judged(
            prove(
                self._vertex,
                found,
                self._id,
                self._site.project,
                interface=self._candidate.interface,
                compare=not self._former,
            )
        )
        self._site.progress.unproven = proof.unproven
        yield from self._held(errors)
        yield Step(f"{proof.answered} inputs answered as recorded, in {proof.requests} requests", lasting=True)

    def _gate(self, record: Record) -> Stage[None]:
        found = endpoints.get(self._vertex, self._site.endpoint_id)
        others = [name for name in record.former if name != self._id]
        passed, errors = yield from _judged(
            gate(self._vertex, found, self._id, others, self._site.project, interface=self._candidate.interface)
        )
        self._site.progress.gates.append(asdict(passed))
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
        until = time.monotonic() + (BAKE[self._vertex.target.kind] if bake is None else bake)
        if until > time.monotonic():
            yield Phase("bake")
        while (left := until - time.monotonic()) > 0:
            yield Step(f"all traffic is on the new version; the old one goes in {left:.0f} s")
            time.sleep(min(WATCH, left))
            yield from self._prove(self._site.endpoint_id)

    def _retire(self) -> Stage[None]:
        """Undeploy what has no traffic any more, then end the rollout."""
        endpoint = self._site.endpoint()
        if endpoint is None:
            raise SupersededError(f"endpoint {self._site.endpoint_id} is gone")
        self._refuse_superseded(endpoint)
        idle = [model.id for model in self._idle(endpoint, dict(endpoint.traffic_split))]
        self._retiring = True
        yield from self._site.undeploy(endpoint, idle)
        if idle:
            yield Step(f"{', '.join(idle)} is undeployed", lasting=True)

        def edit(found: v1.Endpoint) -> v1.Endpoint | None:
            record = endpoints.record_of(found)
            return endpoints.without_record(found) if record is not None and record.rollout == self._id else None

        self._site.saw((yield from endpoints.change(self._vertex, endpoint.name, edit)))

    def _idle(self, endpoint: v1.Endpoint, split: dict[str, int]) -> list[v1.DeployedModel]:
        """Give the deployed models of other versions of this model that a split leaves without traffic."""
        others = [model for model in endpoint.deployed_models if model.id != self._id]
        return [model for model in others if self._site.serves(model) and not split.get(model.id)]

    def _explained(self, error: OperationFailedError | GoogleAPICallError | EnvironmentFaultError) -> Stage[None]:
        yield Phase("diagnosis")
        if isinstance(error, EnvironmentFaultError):
            yield operations.SERVICE_FAILED.finding(error.message, fix=error.fix)
        elif isinstance(error, OperationFailedError):
            site = self._site
            yield from diagnosis.of_operation(
                self._vertex, error, site.project, site.endpoint_id, self._id, self._began
            )
        else:
            yield diagnosis.of_call(error, "a request of the deploy")

    def _taken_over(self) -> SupersededError | None:
        """Tell whether what fails now fails because another deploy took the endpoint over meanwhile."""
        try:
            endpoint = self._site.endpoint() if self._deployed else None
            if endpoint is None:
                return None
            record = endpoints.record_of(endpoint)
            if record is None and self._id in {model.id for model in endpoint.deployed_models}:
                return None
            self._refuse_superseded(endpoint)
        except SupersededError as error:
            return error
        except (GoogleAPICallError, EnvironmentFaultError):
            return None
        return None

    def _left(self, why: str) -> Stage[None]:
        """Leave the endpoint to the deploy that took it over; only what has no traffic of this one goes."""
        self._site.progress.status = "superseded"
        yield live.SUPERSEDED.finding(why)
        yield from self._undone()

    def _undone(self) -> Stage[None]:
        """Put back the former split and `default`, stop what this run started, and say so where that fails.

        The version itself stays in the registry: it costs nothing, serves nothing, and a re-run finds it. Once the
        former version is being retired there is no way back: the new one is proven and serves, and stays.
        """
        if not self._site.progress.changed or self._retiring:
            return
        yield Phase("undo")
        yield from self._site.end_awaited()
        try:
            endpoint = self._site.endpoint()
            if endpoint is not None:
                record = endpoints.record_of(endpoint)
                ours = record is not None and record.rollout == self._id
                yield from self._site.put_back(record if record and ours else Record(self._id, {}, ""))
            if self._site.progress.status == "superseded":
                yield from self._site.pass_default_on(self._candidate.version_digest)
                return  # whose staging endpoint there may be, is not known
            yield from self._site.remove_staging()
            endpoint = self._site.endpoint()
            if self._made_endpoint and endpoint is not None and not endpoint.deployed_models:
                yield from endpoints.delete(self._vertex, endpoint.name, self._settings.endpoint_timeout)
        except (OperationFailedError, GoogleAPICallError, EnvironmentFaultError, StillRunningError) as error:
            yield operations.SERVICE_FAILED.finding(
                f"what was begun could not be undone: {error}",
                fix="run `seatrial deploy` again, which goes on from there; `--status` shows what runs",
            )

    @property
    def _proof_alias(self) -> str:
        return f"p-{self._candidate.version_digest[:16]}"

    def _note(self, version: Version) -> None:
        self._site.progress.model, self._site.progress.version = version.model, version.name


def _judged(stage: Stage[T]) -> Stage[tuple[T, list[Finding]]]:
    """Pass a stage's events on but its errors; give what it returns and those."""
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
