from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from google.api_core.exceptions import FailedPrecondition, ResourceExhausted
from google.cloud import aiplatform_v1 as v1

from seatrial.deploy.platform import Endpoint, Upload, Version
from seatrial.deploy.record import Record, record_of, with_record, without_record
from seatrial.deploy.vertex.client import Vertex
from seatrial.deploy.vertex.deployments import find_or_deploy, undeploy
from seatrial.deploy.vertex.endpoints import change, delete, endpoint_of, find, find_or_create, get
from seatrial.deploy.vertex.messages import creation_of, deployed_id, deployment_of, resources_of, update_of
from seatrial.deploy.vertex.poller import OperationFailedError
from seatrial.deploy.vertex.versions import find_or_upload
from seatrial.errors import EnvironmentFaultError, StillRunningError, UsageError
from seatrial.project import Project, VertexSettings
from tests.deploy.emulated import Emulated, emulated
from tests.deploy.vertex.test_versions import Killed, killing
from tests.stages import ended

UNAVAILABLE, INTERNAL, DENIED, FAILED_PRECONDITION, ABORTED = 14, 13, 7, 9, 10
LOST: list[dict[str, Any]] = [{"code": UNAVAILABLE}, {"reset": True}, {"silence": True}]


def project(**settings: Any) -> Project:
    return Project(root=Path(), name="digits", predictor="predictor:P", vertex=VertexSettings(**settings))


@pytest.fixture
def emulator(tmp_path: Path) -> Iterator[Emulated]:
    with emulated(tmp_path) as running:
        yield running


@pytest.fixture
def vertex(emulator: Emulated) -> Iterator[Vertex]:
    with emulator.vertex() as client:
        yield client


def version(vertex: Vertex, text: str = "one") -> Version:
    upload = Upload(
        "digits", hashlib.sha256(text.encode()).hexdigest(), "Digits", "us-central1-docker.pkg.dev/demo/r/i:1"
    )
    return ended(find_or_upload(vertex, upload, 10)).value[0]


def created(vertex: Vertex) -> str:
    return str(ended(find_or_create(vertex, project(), "digits")).value[0].name)


def deployed(vertex: Vertex) -> list[str]:
    return [model.id for model in get(vertex, "digits").deployed_models]


def split(vertex: Vertex) -> dict[str, int]:
    return dict(get(vertex, "digits").traffic_split)


def set_split(vertex: Vertex, name: str, wanted: dict[str, int]) -> None:
    ended(change(vertex, name, lambda endpoint: replace(endpoint, traffic_split=wanted)))


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


def test_racing_deploys_make_one_endpoint_and_one_deployed_model(emulator: Emulated, vertex: Vertex) -> None:
    one = version(vertex)
    emulator.fault(stage="CreateEndpoint", times=None, seconds=0.1)
    emulator.fault(stage="STARTING_MODEL_SERVER", times=None, seconds=0.3)

    def deploy() -> tuple[bool, str]:
        with emulator.vertex() as own:
            endpoint, made = ended(find_or_create(own, project(), "digits")).value
            return made, ended(find_or_deploy(own, endpoint.name, one, project(), 30)).value

    with ThreadPoolExecutor(8) as pool:
        found = [future.result() for future in [pool.submit(deploy) for _ in range(8)]]
    assert sum(made for made, _ in found) == 1
    assert {key for _, key in found} == set(deployed(vertex)) == {deployed_id(one.digest, project())}


def test_a_version_is_deployed_without_traffic_and_then_found(emulator: Emulated, vertex: Vertex) -> None:
    one, name = version(vertex), created(vertex)
    key = ended(find_or_deploy(vertex, name, one, project(), 10)).value
    assert key == deployed_id(one.digest, project())
    assert deployed(vertex) == [key]
    assert split(vertex) == {}
    emulator.fault("DeployModel", code=DENIED, message="must not be called")
    assert ended(find_or_deploy(vertex, name, one, project(), 10)).value == key


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("fault", LOST, ids=str)
def test_a_deployment_whose_answer_is_lost_is_not_made_twice(
    emulator: Emulated, vertex: Vertex, when: str, fault: dict[str, Any]
) -> None:
    one, name = version(vertex), created(vertex)
    lost = emulator.fault("DeployModel", when=when, **fault)
    key = ended(find_or_deploy(vertex, name, one, project(), 10)).value
    assert lost.hit.is_set()
    assert deployed(vertex) == [key]


def test_a_running_deployment_of_a_killed_deploy_is_waited_for(emulator: Emulated, vertex: Vertex) -> None:
    one, name = version(vertex), created(vertex)
    emulator.fault(stage="STARTING_MODEL_SERVER", seconds=0.4)
    vertex.endpoints.deploy_model(deployment_of(project(), name, one), timeout=5)
    again = emulator.fault("DeployModel", code=DENIED, message="must not be called")
    assert ended(find_or_deploy(vertex, name, one, project(), 10)).value == deployed_id(one.digest, project())
    assert not again.hit.is_set()


def test_a_deployed_model_that_is_being_undeployed_is_not_taken_for_deployed(
    emulator: Emulated, vertex: Vertex
) -> None:
    one, name = version(vertex), created(vertex)
    key = ended(find_or_deploy(vertex, name, one, project(), 10)).value
    emulator.fault(stage="UndeployModel", seconds=0.4)
    leaving = vertex.endpoints.undeploy_model(endpoint=name, deployed_model_id=key, timeout=5).operation.name
    assert not vertex.operation(leaving).done
    assert ended(find_or_deploy(vertex, name, one, project(), 10)).value == key
    assert vertex.operation(leaving).done
    assert deployed(vertex) == [key]


def test_a_deployment_that_fails_says_why_and_leaves_nothing(emulator: Emulated, vertex: Vertex) -> None:
    one, name = version(vertex), created(vertex)
    emulator.fault(stage="STARTING_MODEL_SERVER", error=(FAILED_PRECONDITION, "Model server exited unexpectedly."))
    with pytest.raises(OperationFailedError, match="exited unexpectedly"):
        ended(find_or_deploy(vertex, name, one, project(), 10))
    assert deployed(vertex) == []


def failing_in_the_end(vertex: Vertex, *, long_ago: bool) -> None:
    """Let every deployment that ends be read as failed, though it left its deployed model on the endpoint."""
    read = vertex.operation

    def read_as_failed(name: str, *, timeout: float | None = None) -> Any:
        operation = read(name, timeout=timeout)
        if operation.done:
            operation.error.code, operation.error.message = INTERNAL, "failed after all"
            if long_ago:
                metadata = v1.DeployModelOperationMetadata.deserialize(operation.metadata.value)
                metadata.generic_metadata.update_time = datetime.fromtimestamp(0, tz=UTC)
                operation.metadata.value = v1.DeployModelOperationMetadata.serialize(metadata)
        return operation

    vertex.operation = read_as_failed  # type: ignore[method-assign]


def test_what_a_failed_deployment_leaves_is_undeployed(emulator: Emulated, vertex: Vertex) -> None:
    one, name = version(vertex), created(vertex)
    with emulator.vertex() as own:
        failing_in_the_end(own, long_ago=False)
        with pytest.raises(OperationFailedError, match="failed after all"):
            ended(find_or_deploy(own, name, one, project(), 10))
    assert deployed(vertex) == []


def test_what_another_deploy_made_after_a_failed_deployment_stays(emulator: Emulated, vertex: Vertex) -> None:
    one, name = version(vertex), created(vertex)
    with emulator.vertex() as own:
        failing_in_the_end(own, long_ago=True)
        key = ended(find_or_deploy(own, name, one, project(), 10)).value
    assert deployed(vertex) == [key]


def test_a_deployment_that_does_not_end_is_named_and_goes_on(emulator: Emulated, vertex: Vertex) -> None:
    one, name = version(vertex), created(vertex)
    emulator.fault(stage="GETTING_CONTAINER_IMAGE", never=True)
    with pytest.raises(StillRunningError, match=r"endpoints/digits/operations/\d+"):
        ended(find_or_deploy(vertex, name, one, project(), 0.3))
    emulator.faults.clear()
    assert ended(find_or_deploy(vertex, name, one, project(), 10)).value in deployed(vertex)


def test_a_refused_deployment_gives_the_server_s_error(emulator: Emulated, vertex: Vertex) -> None:
    one, name = version(vertex), created(vertex)
    emulator.fault(quota={"custom_model_serving_cpus": 0}, times=None)
    with pytest.raises(ResourceExhausted, match="quota"):
        ended(find_or_deploy(vertex, name, one, project(), 10))
    assert deployed(vertex) == []


def test_an_id_that_something_else_has_is_not_taken_for_ours(vertex: Vertex) -> None:
    one, two, name = version(vertex, "one"), version(vertex, "two"), created(vertex)
    request = deployment_of(project(), name, two)
    request.deployed_model.id = deployed_id(one.digest, project())
    vertex.endpoints.deploy_model(request, timeout=5).result(timeout=5)
    with pytest.raises(EnvironmentFaultError, match="is version 2 of digits, not version 1"):
        ended(find_or_deploy(vertex, name, one, project(), 10))


def test_the_id_of_a_deployed_model_follows_from_version_and_machine() -> None:
    digest = "a" * 64
    ids = {
        deployed_id(digest, project()),
        deployed_id("b" * 64, project()),
        deployed_id(digest, project(machine_type="n1-standard-8")),
        deployed_id(digest, project(max_replicas=2)),
        deployed_id(digest, project(service_account="a@demo.iam.gserviceaccount.com")),
    }
    assert len(ids) == 5
    assert all(re.fullmatch("[1-9][0-9]{9}", key) for key in ids)
    assert deployed_id(digest, project()) == deployed_id(digest, project(upload_timeout=1.0, labels={"a": "b"}))


def test_undeploying_ends_the_traffic_of_the_last_models_and_is_done_where_nothing_is(
    emulator: Emulated, vertex: Vertex
) -> None:
    one, two, name = version(vertex, "one"), version(vertex, "two"), created(vertex)
    first, second = (ended(find_or_deploy(vertex, name, each, project(), 10)).value for each in (one, two))
    set_split(vertex, name, {first: 60, second: 40})
    with pytest.raises(EnvironmentFaultError, match=f"{second} cannot be undeployed"):
        ended(undeploy(vertex, name, [second], 10))
    assert split(vertex) == {first: 60, second: 40}
    ended(undeploy(vertex, name, [first, second, "99"], 10))
    assert (deployed(vertex), split(vertex)) == ([], {})
    emulator.fault("UndeployModel", times=None, code=DENIED, message="must not be called")
    ended(undeploy(vertex, name, [first, second], 10))
    ended(undeploy(vertex, name.replace("digits", "absent"), [first], 10))


def test_undeploying_what_is_idle_leaves_the_others_traffic(vertex: Vertex) -> None:
    one, two, name = version(vertex, "one"), version(vertex, "two"), created(vertex)
    first, second = (ended(find_or_deploy(vertex, name, each, project(), 10)).value for each in (one, two))
    set_split(vertex, name, {first: 100})
    ended(undeploy(vertex, name, [second], 10))
    assert (deployed(vertex), split(vertex)) == ([first], {first: 100})


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("method", ["UpdateEndpoint", "UndeployModel", "DeleteEndpoint"])
@pytest.mark.parametrize("fault", LOST[:2], ids=str)
def test_lost_answers_while_clearing_away_leave_nothing(
    emulator: Emulated, vertex: Vertex, method: str, when: str, fault: dict[str, Any]
) -> None:
    name = created(vertex)
    key = ended(find_or_deploy(vertex, name, version(vertex), project(), 10)).value
    set_split(vertex, name, {key: 100})
    lost = emulator.fault(method, when=when, **fault)
    ended(undeploy(vertex, name, [key], 10))
    ended(delete(vertex, name, 10))
    assert lost.hit.is_set()
    assert find(vertex, "digits") is None
    ended(delete(vertex, name, 10))


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


def test_a_change_names_what_it_changes_and_the_state_that_it_was_made_from() -> None:
    endpoint = v1.Endpoint(name="n", etag="e", display_name="d", labels={"a": "b"}, traffic_split={"1": 100})
    edited = replace(with_record(endpoint_of(endpoint), Record("22", {"1": 100})), traffic_split={"1": 90, "22": 10})
    request = update_of(endpoint, edited)
    assert request is not None
    assert (request.endpoint.name, request.endpoint.etag) == ("n", "e")
    assert sorted(request.update_mask.paths) == ["labels", "traffic_split"]
    assert dict(request.endpoint.traffic_split) == {"1": 90, "22": 10}
    assert request.endpoint.display_name == ""
    assert dict(endpoint.traffic_split) == {"1": 100}


@pytest.mark.parametrize(
    "record",
    [
        Record("1234567890", {}, ""),
        Record("1234567890", {"1111111111": 100}, "3"),
        Record("1234567890", {"1111111111": 34, "2222222222": 33, "3333333333": 33}, "17"),
    ],
    ids=str,
)
def test_a_record_is_read_as_it_was_written_and_goes_without_a_trace(record: Record) -> None:
    endpoint = Endpoint("n", labels={"team": "vision"})
    marked = with_record(endpoint, record)
    assert record_of(marked) == record
    assert all(re.fullmatch("[a-z0-9_-]{1,63}", value) for value in marked.labels.values())
    assert all(re.fullmatch("[a-z][a-z0-9_-]{0,62}", name) for name in marked.labels)
    assert record_of(without_record(marked)) is None
    assert without_record(marked) == endpoint
    assert record_of(endpoint) is None


def test_a_split_too_long_for_a_label_is_refused_before_anything_changes() -> None:
    with pytest.raises(EnvironmentFaultError, match="5 deployed models, too many"):
        with_record(Endpoint("n"), Record("1", {f"{key}{0:018}": 20 for key in range(1, 6)}))


def test_a_record_that_somebody_wrote_over_is_not_guessed_at() -> None:
    endpoint = Endpoint("n", labels={"seatrial-rollout": "1", "seatrial-former": "everything"})
    with pytest.raises(EnvironmentFaultError, match="'everything', which is not a split"):
        record_of(endpoint)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("at", [1, 2, 3, 4, 5])
def test_a_killed_run_ends_the_same_when_it_runs_again(emulator: Emulated, at: int, after: bool) -> None:
    def work(vertex: Vertex) -> None:
        endpoint, _ = ended(find_or_create(vertex, project(), "digits")).value
        old, new = (ended(find_or_deploy(vertex, endpoint.name, each, project(), 10)).value for each in (one, two))
        if not record_of(get(vertex, "digits")):
            ended(change(vertex, endpoint.name, lambda found: with_record(found, Record(new, {old: 100}))))
        ended(undeploy(vertex, endpoint.name, [new], 10))

    with emulator.vertex() as vertex:
        one, two = version(vertex, "one"), version(vertex, "two")
        calls = killing(vertex, at, after=after)
        with pytest.raises(Killed):
            work(vertex)
        assert calls() == at
    with emulator.vertex() as vertex:
        work(vertex)
        old = deployed_id(one.digest, project())
        assert deployed(vertex) == [old]
        assert record_of(get(vertex, "digits")) == Record(deployed_id(two.digest, project()), {old: 100})
        assert vertex.operations(get(vertex, "digits").name) == []


def test_the_requests_say_what_the_api_requires() -> None:
    """The rules are those of the comments in endpoint_service.proto, endpoint.proto and machine_resources.proto."""
    settings = project(
        machine_type="g2-standard-8",
        accelerator_type="NVIDIA_L4",
        accelerator_count=2,
        min_replicas=2,
        max_replicas=5,
        cpu_target=70,
        gpu_target=80,
        service_account="serving@demo.iam.gserviceaccount.com",
    )
    parent = "projects/demo/locations/us-central1"
    creation = creation_of(settings.vertex, parent, "digits")
    assert (creation.parent, creation.endpoint_id) == (parent, "digits")
    assert 0 < len(creation.endpoint.display_name) <= 128
    assert not creation.endpoint.traffic_split
    one = Version(f"{parent}/models/digits", "7", "c" * 64)
    request = deployment_of(settings, f"{parent}/endpoints/digits", one)
    assert request.endpoint == f"{parent}/endpoints/digits"
    assert not request.traffic_split
    model = request.deployed_model
    assert re.fullmatch("[0-9]{1,10}", model.id)
    assert model.id != "0"
    assert model.model == f"{parent}/models/digits@7"
    assert model.service_account == "serving@demo.iam.gserviceaccount.com"
    assert not model.disable_container_logging
    assert not model.enable_access_logging
    resources = model.dedicated_resources
    assert resources.machine_spec.machine_type == "g2-standard-8"
    assert resources.machine_spec.accelerator_type == v1.AcceleratorType.NVIDIA_L4
    assert resources.machine_spec.accelerator_count == 2
    assert (resources.min_replica_count, resources.max_replica_count) == (2, 5)
    assert {spec.metric_name: spec.target for spec in resources.autoscaling_metric_specs} == {
        "aiplatform.googleapis.com/prediction/online/cpu/utilization": 70,
        "aiplatform.googleapis.com/prediction/online/accelerator/duty_cycle": 80,
    }
    plain = deployment_of(project(), f"{parent}/endpoints/digits", one).deployed_model.dedicated_resources
    assert plain.machine_spec.accelerator_type == v1.AcceleratorType.ACCELERATOR_TYPE_UNSPECIFIED
    assert plain.machine_spec.accelerator_count == 0
    assert not plain.autoscaling_metric_specs


def test_a_resource_that_the_machine_has_no_name_for_is_refused_before_it_is_sent() -> None:
    settings = project(accelerator_type="NVIDIA_NEVER_MADE")
    with pytest.raises(UsageError, match="NVIDIA_NEVER_MADE"):
        resources_of(settings.vertex)
