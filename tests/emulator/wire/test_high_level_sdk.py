"""The unmodified high-level SDK against the emulator."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from google.auth.credentials import AnonymousCredentials

from tests.emulator.small_plane import NUMBERED, Small


@pytest.fixture
def sdk(small: Small) -> Iterator[Any]:
    """The SDK, configured only with the address of the API."""
    from google.cloud import aiplatform  # takes over a second: import only if needed

    aiplatform.init(
        project="demo",
        location="us-central1",
        credentials=AnonymousCredentials(),
        api_transport="rest",
        api_endpoint=small.url,
    )
    yield aiplatform
    aiplatform.initializer.global_config.__init__()


def upload(sdk: Any, **arguments: Any) -> Any:
    return sdk.Model.upload(
        display_name="digits",
        serving_container_image_uri="seatrial.local/bundle:0123456789abcdef",
        serving_container_predict_route="/predict",
        serving_container_health_route="/health",
        serving_container_ports=[8080],
        serving_container_environment_variables={"LEVEL": "info"},
        artifact_uri="gs://models/bundles/0123",
        **arguments,
    )


def test_versions_and_aliases_through_the_sdk(sdk: Any) -> None:
    first = upload(sdk, model_id="digits", version_aliases=["b-1"], labels={"team": "vision"})
    assert first.resource_name == f"{NUMBERED}/models/digits"
    assert (first.version_id, sorted(first.version_aliases)) == ("1", ["b-1", "default"])
    second = upload(
        sdk, parent_model=first.resource_name, is_default_version=False, version_description="better", labels={"n": "2"}
    )
    assert (second.version_id, second.version_description) == ("2", "better")
    assert second.labels == {"team": "vision", "n": "2"}
    assert [m.version_id for m in sdk.Model.list(filter="labels.team=vision")] == ["1"]

    versions = first.versioning_registry
    assert [v.version_id for v in versions.list_versions()] == ["2", "1"]
    versions.add_version_aliases(["default", "live"], version="2")
    assert versions.get_version_info("live").version_id == "2"
    assert sdk.Model("digits").version_id == "2"
    versions.remove_version_aliases(["live"], version="2")
    versions.update_version("1", version_description="the first", labels={"old": "yes"})
    assert versions.get_version_info("1").version_description == "the first"
    versions.delete_version("1")
    assert [v.version_id for v in versions.list_versions()] == ["2"]
    sdk.Model("digits").delete()
    assert sdk.Model.list() == []


def test_endpoints_and_predictions_through_the_sdk(sdk: Any) -> None:
    model = upload(sdk, model_id="digits")
    endpoint = sdk.Endpoint.create(display_name="digits", endpoint_id="digits", labels={"team": "vision"})
    endpoint.deploy(
        model, machine_type="n1-standard-4", min_replica_count=1, max_replica_count=2, traffic_percentage=100
    )
    second = upload(sdk, parent_model=model.resource_name)
    endpoint.deploy(second, machine_type="n1-standard-4", traffic_percentage=10, deployed_model_display_name="new")
    by_name = {deployed.display_name: deployed.id for deployed in endpoint.list_models()}
    assert endpoint.traffic_split == {by_name["new"]: 10, by_name["digits"]: 90}

    endpoint.update(traffic_split={by_name["new"]: 100}, display_name="figures", labels={"a": "b"})
    answer = endpoint.predict(instances=[{"x": 1}], parameters={"top": 2})
    assert answer.predictions == [{"version": "2", "got": {"x": 1.0}}]
    assert (answer.deployed_model_id, answer.model_version_id) == (by_name["new"], "2")
    assert answer.model_resource_name == f"{NUMBERED}/models/digits"

    [listed] = sdk.Endpoint.list(filter='display_name="figures"', order_by="create_time desc")
    assert listed.labels == {"a": "b"}
    endpoint.undeploy(by_name["digits"])
    endpoint.undeploy_all()
    assert endpoint.list_models() == []
    endpoint.delete()
    assert sdk.Endpoint.list() == []


def test_a_failed_deployment_raises_through_the_sdk(sdk: Any) -> None:
    model = sdk.Model.upload(display_name="b", serving_container_image_uri="seatrial.local/broken")
    endpoint = sdk.Endpoint.create(display_name="digits")
    with pytest.raises(Exception, match="Model server never became ready"):
        endpoint.deploy(model, machine_type="n1-standard-4")
    assert endpoint.list_models() == []
