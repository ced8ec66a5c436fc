"""The ways in which calls fail, the ground on which a faulted deploy begins, and what its end is held against."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from seatrial.deploy import requests
from seatrial.deploy.platform import Traits
from seatrial.deploy.vertex import logs, messages, preflight
from seatrial.deploy.vertex.target import TARGETS, Limits
from seatrial.emulator.api.faults import Fault
from seatrial.project import Project, load
from tests.deploy.golden_project import golden_project
from tests.deploy.in_process import NAME, NOTHING, State, World, candidate, world

SMALL = Limits(first=0.02, cap=0.05, failures=3, call=20.0, write=20.0, attempts=2, patience=20.0, retry=0.01)
SILENT = replace(SMALL, call=0.4, write=0.4)  # where a call is never answered, its time limit is waited out


@dataclass(frozen=True)
class Kind:
    """A way in which a call fails, and the finding that a deploy must end in if it persists."""

    code: int | None
    message: str = ""
    silence: bool = False
    reset: bool = False
    finding: str = "ST706"

    def fault(self, method: str, **more: Any) -> Fault:
        return Fault(method, code=self.code, message=self.message, silence=self.silence, reset=self.reset, **more)


QUOTA = "Quota exceeded for quota metric 'Requests' and limit 'Requests per minute' of service 'aiplatform'."
DENIED = "Permission 'aiplatform.something' denied on resource '//aiplatform.googleapis.com/x' (or it may not exist)."
KINDS = {
    "unavailable": Kind(14, "The service is currently unavailable."),
    "internal": Kind(13, "Internal error encountered."),
    "deadline": Kind(4, "Deadline Exceeded"),
    "exhausted": Kind(8, QUOTA, finding="ST704"),
    "denied": Kind(7, DENIED, finding="ST705"),
    "aborted": Kind(10, "The operation was aborted."),
    "reset": Kind(None, reset=True),
    "silence": Kind(None, silence=True),
}
LOSING = ("unavailable", "internal", "deadline", "reset", "silence")  # after these the change may have been made
CHANGES = ("UploadModel", "CreateEndpoint", "DeployModel", "UpdateEndpoint", "UndeployModel", "MergeVersionAliases")


@dataclass(frozen=True)
class Ground:
    """A project, and a server that serves its first version: where a cell begins.

    `before` is the state before the first and before the second deploy, `sent` the calls that each sends undisturbed,
    without predictions, whose number is left to chance.
    """

    root: Path
    kept: Path
    before: dict[int, State]
    sent: dict[int, tuple[str, ...]]

    def project(self, **settings: str) -> Project:
        named = {"model": NAME, "endpoint": NAME, "endpoint-type": "shared", "rollout.steps": "[50,100]"}
        untimed = {"rollout.max-latency-ratio": "1000.0"}  # the speed of this machine must not decide
        given = {key.replace("__", ".").replace("_", "-"): value for key, value in settings.items()}
        return load(self.root, {**named, "rollout.step-timeout": "120.0", **untimed, **given})

    @contextlib.contextmanager
    def world(self, folder: Path, number: int) -> Iterator[World]:
        """Start a server that serves nothing yet, for a first deploy, or for a second one the first version."""
        kept = (self.kept, self.before[2].running) if number == 2 else (None, frozenset[tuple[str, str]]())
        with world(folder, *kept) as begun:
            yield begun


def begun(folder: Path) -> Ground:
    """Deploy two versions undisturbed, and keep what there was after the first."""
    golden_project(folder / "project", 2)
    found = Ground(folder / "project", folder / "1/state.db", {1: NOTHING}, {})
    for number in (1, 2):
        with found.world(folder / str(number), number) as given:
            assert given.deploy(found.project(), number, SMALL).status == "deployed"
            found.sent[number] = tuple(method for method, _ in given.plane.asked if method != "Predict")
            found.before[number + 1] = given.state()
    return found


def shorten(monkeypatch: pytest.MonkeyPatch, *, answer: float) -> None:
    """Shorten what is waited for besides calls and polls; `answer` is in how many seconds a prediction must come."""

    def of(cls: type[requests.Limits], project: Project, traits: Traits) -> requests.Limits:
        return cls(seconds=project.vertex.rollout.step_timeout, settle=0.2, request_timeout=answer)

    monkeypatch.setattr(requests.Limits, "of", classmethod(of))
    monkeypatch.setattr(requests, "_PAUSES", (0.0, 0.01))
    monkeypatch.setattr(requests, "_ALIVE", 0.01)
    monkeypatch.setitem(TARGETS, "local", replace(TARGETS["local"], ingestion=0.3, log_pause=0.05))
    monkeypatch.setattr(logs, "TIMEOUT", 0.5)
    monkeypatch.setattr(preflight, "SECONDS", 2.0)
    monkeypatch.setattr(preflight, "TIMEOUT", 0.5)


def identity(number: int, project: Project) -> str:
    return messages.deployed_id(candidate(number).version_digest, project)


def finished(number: int, project: Project) -> State:
    """Return the state that every deploy which ends well ends in."""
    key = identity(number, project)
    marks = {n: [f"{mark}-{candidate(n).version_digest[:16]}" for mark in "bp"] for n in range(1, number + 1)}
    aliases = {str(n): tuple(sorted([*marks[n], *(["default"] * (n == number))])) for n in marks}
    return State(aliases, {key: 100}, None, frozenset({(NAME, key)}), (), (NAME,))


def limits_of(kind: str) -> Limits:
    return SILENT if kind == "silence" else SMALL


def as_before(before: State, after: State, *, spare: bool = False) -> None:
    """Hold a state against the one before; one version more that serves nobody is allowed."""
    assert (after.split, after.record, after.operations) == (before.split, before.record, ())
    assert after.running == before.running
    assert after.endpoints == before.endpoints or spare
    assert {key: value for key, value in after.versions.items() if key in before.versions} == before.versions
    more = set(after.versions) - set(before.versions)
    assert more <= {str(len(before.versions) + 1)}
    assert not before.versions or not any("default" in after.versions[key] for key in more)


def meets(letters: str, before: State, after: State, new: str) -> None:
    """Hold a state against what a letter of the tables says, or one of several."""
    letter = letters
    if letters in ("x", "bc"):
        going = "U" if letters == "x" else "b"
        letter = "c" if after.split == {new: 100} and after.record == new else going
    if letter in "be":
        as_before(before, after, spare=letter == "e")
    elif letter in "uv":
        assert {key: share for key, share in after.split.items() if key != new} == before.split
        assert {key: value for key, value in after.versions.items() if key in before.versions} == before.versions
    elif letter == "d":
        assert (after.split, after.running) == (before.split, before.running)
    elif letter == "c":
        assert after.split == {new: 100}
        assert (NAME, new) in after.running
        assert "default" in after.versions[str(len(before.versions) + 1)]
    assert after.operations == ()
