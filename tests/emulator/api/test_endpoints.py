"""Endpoints: created, read, changed, deleted, and restored after a restart."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest
from google.api_core import exceptions
from google.cloud import aiplatform_v1 as v1

from tests.emulator.small_plane import (
    ENDPOINT,
    MODEL,
    NUMBERED,
    PARENT,
    Small,
    client,
    running,
    set_split,
    split_of,
)


def test_an_existing_endpoint_id_is_refused(ready: Small) -> None:
    with pytest.raises(exceptions.AlreadyExists):
        ready.endpoint()
    assert [e.name for e in ready.endpoints.list_endpoints(parent=PARENT)] == [f"{NUMBERED}/endpoints/digits"]


def test_the_number_of_another_project_is_denied_and_the_own_one_is_the_id(ready: Small) -> None:
    assert ready.endpoints.get_endpoint(name=f"{NUMBERED}/endpoints/digits").display_name
    other = NUMBERED.replace("123456789012", "4711")
    with pytest.raises(exceptions.PermissionDenied, match=r"'aiplatform\.endpoints\.get' denied on resource .*/4711/"):
        ready.endpoints.get_endpoint(name=f"{other}/endpoints/digits")


def test_an_endpoint_without_a_chosen_id_gets_one_of_digits(small: Small) -> None:
    request = v1.CreateEndpointRequest(parent=PARENT, endpoint=v1.Endpoint(display_name="x"))
    made = small.endpoints.create_endpoint(request).result(timeout=20)
    assert made.name.rpartition("/")[2].isdecimal()


def test_an_update_needs_the_etag_of_the_current_state(ready: Small) -> None:
    read = ready.endpoints.get_endpoint(name=ENDPOINT)
    mask = {"paths": ["labels"]}
    ready.endpoints.update_endpoint(endpoint=v1.Endpoint(read, labels={"a": "1"}), update_mask=mask)
    with pytest.raises(exceptions.Aborted):
        ready.endpoints.update_endpoint(endpoint=v1.Endpoint(read, labels={"a": "2"}), update_mask=mask)
    assert dict(ready.endpoints.get_endpoint(name=ENDPOINT).labels) == {"a": "1"}


def test_of_many_updates_with_one_etag_exactly_one_succeeds(ready: Small) -> None:
    read = ready.endpoints.get_endpoint(name=ENDPOINT)
    outcomes: list[str] = []

    def update(n: int) -> None:
        changed = v1.Endpoint(name=ENDPOINT, etag=read.etag, labels={"by": str(n)})
        try:
            ready.endpoints.update_endpoint(endpoint=changed, update_mask={"paths": ["labels"]})
            outcomes.append("made")
        except exceptions.Aborted:
            outcomes.append("aborted")

    threads = [threading.Thread(target=update, args=(n,)) for n in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["aborted"] * 9 + ["made"]


def test_one_update_changes_labels_and_split(ready: Small) -> None:
    ready.deploy(ENDPOINT, MODEL, "1").result(timeout=20)
    endpoint = v1.Endpoint(name=ENDPOINT, traffic_split={"1": 100}, labels={"seatrial-rollout": "0123"})
    mask = {"paths": ["traffic_split", "labels"]}
    changed = ready.endpoints.update_endpoint(endpoint=endpoint, update_mask=mask)
    assert (dict(changed.traffic_split), dict(changed.labels)) == ({"1": 100}, {"seatrial-rollout": "0123"})


@pytest.mark.parametrize("split", [{"1": 99}, {"1": 101}, {"1": 50, "0": 40}, {"1": -1, "0": 101}])
def test_a_split_that_does_not_add_up_to_100_is_refused(ready: Small, split: dict[str, int]) -> None:
    ready.deploy(ENDPOINT, MODEL, "1", {"0": 100}).result(timeout=20)
    with pytest.raises(exceptions.InvalidArgument, match=r"Field: endpoint\.traffic_split"):
        set_split(ready, split)
    with pytest.raises(exceptions.InvalidArgument, match="Field: traffic_split"):
        ready.deploy(ENDPOINT, MODEL, "2", split)
    assert split_of(ready) == {"1": 100}


def test_a_split_that_names_what_is_not_deployed_is_refused(ready: Small) -> None:
    with pytest.raises(exceptions.FailedPrecondition, match=r"following DeployedModel ID\(s\) \[7\] do not exist"):
        set_split(ready, {"7": 100})


def test_an_empty_split_takes_the_traffic_away(ready: Small) -> None:
    ready.deploy(ENDPOINT, MODEL, "1", {"0": 100}).result(timeout=20)
    assert not set_split(ready, {}).traffic_split


def test_an_endpoint_with_a_deployed_model_cannot_be_deleted(ready: Small) -> None:
    ready.deploy(ENDPOINT, MODEL, "1").result(timeout=20)
    with pytest.raises(exceptions.FailedPrecondition):
        ready.endpoints.delete_endpoint(name=ENDPOINT)
    ready.endpoints.undeploy_model(endpoint=ENDPOINT, deployed_model_id="1").result(timeout=20)
    ready.endpoints.delete_endpoint(name=ENDPOINT).result(timeout=20)
    with pytest.raises(exceptions.NotFound):
        ready.endpoints.get_endpoint(name=ENDPOINT)


def test_everything_is_restored_after_a_restart_at_the_old_port(tmp_path: Path) -> None:
    state = tmp_path / "state.sqlite"
    with running(state) as first:
        first.upload(version_aliases=["b-1"])
        first.endpoint(dedicated_endpoint_enabled=True)
        first.deploy(ENDPOINT, MODEL, "1", {"0": 100}).result(timeout=20)
        before = first.endpoints.get_endpoint(name=ENDPOINT)
    with running(state) as second:
        assert second.endpoints.get_endpoint(name=ENDPOINT) == before
        assert second.models.get_model(name=f"{MODEL}@b-1").version_id == "1"
        own = client(v1.PredictionServiceClient, second.channel(before.dedicated_endpoint_dns))
        named = [("x-vertex-ai-endpoint-id", "digits")]
        assert own.predict(endpoint=ENDPOINT, instances=[1], metadata=named).deployed_model_id == "1"


def test_a_dedicated_endpoint_moves_if_its_port_was_taken_meanwhile(tmp_path: Path) -> None:
    state = tmp_path / "state.sqlite"
    with running(state) as first:
        dns = first.endpoint(dedicated_endpoint_enabled=True).dedicated_endpoint_dns
    with socket.create_server(("127.0.0.1", int(dns.rpartition(":")[2]))), running(state) as second:
        moved = second.endpoints.get_endpoint(name=ENDPOINT).dedicated_endpoint_dns
        assert moved != dns
