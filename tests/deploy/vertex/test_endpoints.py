from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from google.api_core.exceptions import FailedPrecondition
from google.cloud import aiplatform_v1 as v1

from seatrial.deploy.platform import Endpoint
from seatrial.deploy.vertex.client import Vertex
from seatrial.deploy.vertex.deployments import find_or_deploy
from seatrial.deploy.vertex.endpoints import change, delete, find, find_or_create, get
from seatrial.deploy.vertex.messages import creation_of
from seatrial.errors import EnvironmentFaultError, UsageError
from seatrial.project.vertex import VertexSettings
from tests.deploy.emulated import Emulated
from tests.deploy.vertex.resources import LOST, created, project, set_split, version
from tests.stages import ended

UNAVAILABLE, INTERNAL, DENIED, FAILED_PRECONDITION, ABORTED = 14, 13, 7, 9, 10


def test_an_endpoint_is_made_once_and_then_found(emulator: Emulated, vertex: Vertex) -> None:
    settings = project(labels={"team": "vision"})
    assert find(vertex, "digits") is None
    with pytest.raises(EnvironmentFaultError, match="digits"):
        get(vertex, "digits")
    first, made = ended(find_or_create(vertex, settings, "digits")).value
    assert made
    assert first.host
    assert dict(first.labels) == {"team": "vision"}
    emulator.fault("CreateEndpoint", code=DENIED, message="must not be called")
    assert ended(find_or_create(vertex, settings, "digits")).value == (first, False)


def test_an_endpoint_of_the_other_kind_is_not_taken(vertex: Vertex) -> None:
    ended(find_or_create(vertex, project(endpoint_type="shared"), "digits"))
    with pytest.raises(UsageError, match="digits is shared"):
        ended(find_or_create(vertex, project(), "digits"))


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("fault", LOST, ids=str)
def test_a_lost_answer_makes_no_second_endpoint(
    emulator: Emulated, vertex: Vertex, when: str, fault: dict[str, Any]
) -> None:
    lost = emulator.fault("CreateEndpoint", when=when, **fault)
    ended(find_or_create(vertex, project(), "digits"))
    assert lost.hit.is_set()
    assert find(vertex, "digits") is not None


def test_a_running_creation_is_waited_for(emulator: Emulated, vertex: Vertex) -> None:
    emulator.fault(stage="CreateEndpoint", seconds=0.4)
    vertex.endpoints.create_endpoint(creation_of(VertexSettings(), vertex.target.parent, "digits"), timeout=5)
    again = emulator.fault("CreateEndpoint", code=DENIED, message="must not be called")
    _, made = ended(find_or_create(vertex, project(), "digits")).value
    assert not made
    assert not again.hit.is_set()


def test_an_endpoint_that_serves_is_not_deleted(vertex: Vertex) -> None:
    name = created(vertex)
    ended(find_or_deploy(vertex, name, version(vertex), project(), 10))
    with pytest.raises(FailedPrecondition):
        ended(delete(vertex, name, 10))


def test_fifty_changes_at_once_lose_none(emulator: Emulated, vertex: Vertex) -> None:
    name = created(vertex)

    def add(number: int) -> None:
        def edit(endpoint: Endpoint) -> Endpoint:
            return replace(endpoint, labels={**endpoint.labels, f"n{number}": "here"})

        with emulator.vertex() as own:
            while f"n{number}" not in get(own, "digits").labels:
                with suppress(EnvironmentFaultError):  # too many at once: a deploy says so, and is run again
                    ended(change(own, name, edit))

    with ThreadPoolExecutor(10) as pool:
        list(pool.map(add, range(50)))
    assert set(get(vertex, "digits").labels) == {f"n{number}" for number in range(50)}


def test_a_change_is_made_from_what_is_there_after_a_conflict(emulator: Emulated, vertex: Vertex) -> None:
    name, seen = created(vertex), []

    def edit(endpoint: Endpoint) -> Endpoint:
        seen.append(dict(endpoint.labels))
        if len(seen) == 1:
            other = v1.Endpoint(name=name, labels={"other": "here"})
            vertex.endpoints.update_endpoint(endpoint=other, update_mask={"paths": ["labels"]}, timeout=5)
        return replace(endpoint, labels={**endpoint.labels, "mine": "here"})

    assert dict(ended(change(vertex, name, edit)).value.labels) == {"mine": "here", "other": "here"}
    assert seen == [{}, {"other": "here"}]


def test_an_endpoint_that_never_holds_still_ends_the_change(emulator: Emulated, vertex: Vertex) -> None:
    name = created(vertex)
    emulator.fault("UpdateEndpoint", times=None, code=ABORTED, message="Etag mismatch")
    with pytest.raises(EnvironmentFaultError, match="was changed 10 times"):
        set_split(vertex, name, {"1": 100})


def test_a_change_that_changes_nothing_is_not_sent(emulator: Emulated, vertex: Vertex) -> None:
    name = created(vertex)
    emulator.fault("UpdateEndpoint", times=None, code=DENIED, message="must not be called")
    before = get(vertex, "digits")
    assert ended(change(vertex, name, lambda _: None)).value == before
    assert ended(change(vertex, name, lambda endpoint: endpoint)).value == before
    with pytest.raises(EnvironmentFaultError, match="absent is not there"):
        ended(change(vertex, name.replace("digits", "absent"), lambda _: None))
