"""The rollout of a deployed version: its share of the traffic grows, and before each next step it must prove itself.

The rollout is recorded in the endpoint's labels, so that another run finds it and knows what it replaced.
"""

from __future__ import annotations

import time
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from seatrial.deploy.gate import gate
from seatrial.deploy.platform import PlatformError
from seatrial.deploy.proof import prove
from seatrial.deploy.record import Record, record_of, with_record
from seatrial.deploy.split import split_for
from seatrial.errors import EnvironmentFaultError, UsageError
from seatrial.findings import Finding, Phase, Severity, Stage, Step, T
from seatrial.rules.deployment import live

if TYPE_CHECKING:
    from seatrial.deploy.candidate import Candidate
    from seatrial.deploy.platform import Endpoint, Version
    from seatrial.deploy.resources import Resources

WATCH = 15.0  # seconds between two rounds of golden images while the new version bakes
REACHABLE = 900.0  # seconds for the host name of a new dedicated endpoint; Google says that it may take minutes
BACK = (10, 100)  # percent; the steps of a former version, which is only asked whether it answers


class SupersededError(Exception):
    """Another deploy took the endpoint over; the argument says what was seen of it."""


class RefusedError(Exception):
    """The candidate did not pass; the findings that say why were yielded. Its argument is the status."""


class Rollout:
    """How a deployed model of a candidate gets the traffic.

    Attributes:
        deployed: whether the version is deployed to the endpoint.
    """

    def __init__(self, resources: Resources, candidate: Candidate, deployed_id: str, *, former: bool) -> None:
        """A `former` version comes back: its golden answers are not here, and it takes the traffic in one step."""
        self.deployed = False
        self._former = former
        self._resources = resources
        self._platform = resources.platform
        self._settings = resources.project.vertex
        self._candidate = candidate
        self._id = deployed_id

    def begin(self, endpoint: str, version: Version) -> Stage[Record]:
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

    def refuse_unsplittable(self, endpoint: Endpoint) -> None:
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

    def climb(self, endpoint: str, record: Record) -> Stage[None]:
        """Raise the share step by step; before each next one golden images and gate must hold."""
        for percent in self._steps(record):
            yield from self._raise_to(percent, endpoint, record)
            yield Step(f"{percent} % of the traffic", lasting=True)
            yield from self.prove(self._resources.endpoint_id)
            if percent < 100 and not self._former:
                yield from self._gate(record)

    def _steps(self, record: Record) -> tuple[int, ...]:
        if not set(record.former) - {self._id}:
            return (100,)
        return BACK if self._former else self._settings.rollout.steps

    def _raise_to(self, percent: int, endpoint: str, record: Record) -> Stage[None]:
        def edit(found: Endpoint) -> Endpoint | None:
            self.refuse_superseded(found)
            if found.traffic_split.get(self._id, 0) >= percent:
                return None
            return replace(found, traffic_split=split_for(record.former, self._id, percent))

        self._resources.saw((yield from self._platform.change_endpoint(endpoint, edit)))

    def refuse_superseded(self, endpoint: Endpoint) -> None:
        """Raise an error if another deploy or client took the endpoint over.

        Raises:
            SupersededError: it did.
        """
        record = record_of(endpoint)
        if record is None and endpoint.traffic_split.get(self._id) == 100:
            return  # another run of this very deploy has finished
        if record is None or record.rollout != self._id:
            by = f"the rollout of {record.rollout}" if record else "another client"
            raise SupersededError(f"{by} took {self._resources.endpoint_id} over; nothing more was changed")

    def prove(self, endpoint_id: str) -> Stage[None]:
        """Ask an endpoint the golden images until the deployed model has answered them all.

        Raises:
            RefusedError: its answers are not as recorded, or too few.
        """
        found = self._platform.get_endpoint(endpoint_id)
        yield from self._platform.reach(found, REACHABLE)
        proof, errors = yield from judged(
            prove(
                self._platform,
                found,
                self._id,
                self._resources.gathered,
                interface=self._candidate.interface,
                compare=not self._former,
            )
        )
        self._resources.progress.unproven = proof.unproven
        yield from self.hold(errors)
        yield Step(f"{proof.answered} inputs answered as recorded, in {proof.requests} requests", lasting=True)

    def _gate(self, record: Record) -> Stage[None]:
        found = self._platform.get_endpoint(self._resources.endpoint_id)
        others = [name for name in record.former if name != self._id]
        passed, errors = yield from judged(
            gate(self._platform, found, self._id, others, self._resources.gathered, interface=self._candidate.interface)
        )
        self._resources.progress.gates.append(asdict(passed))
        yield from self.hold(errors)
        yield Step(passed.line(), lasting=True)

    def hold(self, errors: list[Finding]) -> Stage[None]:
        """Refuse a candidate for errors, unless another deploy took its traffic away: then they prove nothing."""
        if not errors:
            return
        if (taken := self.taken_over()) is not None:
            raise taken
        yield from errors
        raise RefusedError(
            "inconclusive" if {error.code for error in errors} == {live.INCONCLUSIVE.code} else "refused"
        )

    def bake(self) -> Stage[None]:
        """Watch the version with all traffic before the old one goes."""
        bake = self._settings.rollout.bake
        until = time.monotonic() + (self._platform.traits.bake if bake is None else bake)
        if until > time.monotonic():
            yield Phase("bake")
        while (left := until - time.monotonic()) > 0:
            yield Step(f"all traffic is on the new version; the old one goes in {left:.0f} s")
            time.sleep(min(WATCH, left))
            yield from self.prove(self._resources.endpoint_id)

    def taken_over(self) -> SupersededError | None:
        """Return the error that says so if what fails now fails because another deploy took the endpoint over."""
        try:
            endpoint = self._resources.endpoint() if self.deployed else None
            if endpoint is None:
                return None
            record = record_of(endpoint)
            if record is None and self._id in {model.id for model in endpoint.deployed_models}:
                return None
            self.refuse_superseded(endpoint)
        except SupersededError as error:
            return error
        except (PlatformError, EnvironmentFaultError):
            return None
        return None


def judged(stage: Stage[T]) -> Stage[tuple[T, list[Finding]]]:
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
