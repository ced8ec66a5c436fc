"""An endpoint is made as the project says, changed where the API allows it, and refused where it does not."""

from __future__ import annotations

from typing import Any

import pytest

from seatrial.deploy.vertex.client import Vertex
from seatrial.deploy.vertex.endpoint_settings import configure, is_configured
from seatrial.deploy.vertex.endpoints import endpoint_of, find_or_create, present
from seatrial.errors import UsageError
from tests.deploy.emulated import Emulated
from tests.deploy.vertex.resources import LOST, created, project
from tests.stages import ended

KEY = "projects/demo/locations/us-central1/keyRings/r/cryptoKeys/k"
LOGGING = {"bigquery": "bq://demo.logs.digits", "sampling": 0.5}
PRIVATE = {"endpoint_type": "private", "private_projects": ("demo-net",)}


def made(vertex: Vertex, **settings: Any) -> Any:
    """Make or change the endpoint as a deploy does; return it as the API answers it."""
    endpoint, _ = ended(find_or_create(vertex, project(**settings), "digits")).value
    ended(configure(vertex, project(**settings), "digits"))
    return present(vertex, endpoint.name)


def test_a_new_endpoint_is_as_the_settings_say(vertex: Vertex) -> None:
    settings = {**PRIVATE, "inference_timeout": 1200, "request_logging": LOGGING, "kms_key": KEY}
    endpoint = made(vertex, **settings, private_network="projects/demo-net/global/networks/default")
    assert endpoint.client_connection_config.inference_timeout.total_seconds() == 1200
    logging = endpoint.predict_request_response_logging_config
    assert (logging.enabled, logging.sampling_rate) == (True, 0.5)
    assert logging.bigquery_destination.output_uri == "bq://demo.logs.digits"
    assert endpoint.encryption_spec.kms_key_name == KEY
    private = endpoint.private_service_connect_config
    assert (private.enable_private_service_connect, list(private.project_allowlist)) == (True, ["demo-net"])
    assert [(each.project_id, each.network) for each in private.psc_automation_configs] == [
        ("demo-net", "projects/demo-net/global/networks/default")
    ]
    assert is_configured(vertex, project(**settings), "digits")


def test_what_can_be_changed_of_an_endpoint_is_changed(vertex: Vertex) -> None:
    made(vertex, labels={"team": "vision"})
    wanted = {"inference_timeout": 90, "request_logging": LOGGING}
    assert not is_configured(vertex, project(**wanted), "digits")
    endpoint = made(vertex, **wanted)
    assert endpoint.client_connection_config.inference_timeout.total_seconds() == 90
    assert endpoint.predict_request_response_logging_config.enabled
    assert dict(endpoint.labels) == {"team": "vision"}
    assert is_configured(vertex, project(**wanted), "digits")


def test_an_endpoint_that_is_as_it_should_be_is_not_changed(emulator: Emulated, vertex: Vertex) -> None:
    made(vertex, inference_timeout=90, request_logging=LOGGING, kms_key=KEY)
    faults = [emulator.fault(method, code=7) for method in ("UpdateEndpoint", "UpdateEndpointLongRunning")]
    made(vertex, inference_timeout=90, request_logging=LOGGING, kms_key=KEY)
    made(vertex)  # what a project leaves at its default stays as it is
    assert not any(fault.hit.is_set() for fault in faults)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("fault", LOST, ids=str)
@pytest.mark.parametrize(
    ("method", "settings"),
    [("UpdateEndpoint", {"request_logging": LOGGING}), ("UpdateEndpointLongRunning", {"inference_timeout": 90})],
)
def test_a_change_whose_answer_is_lost_is_made(
    emulator: Emulated, vertex: Vertex, when: str, fault: dict[str, Any], method: str, settings: dict[str, Any]
) -> None:
    created(vertex)
    lost = emulator.fault(method, when=when, **fault)
    made(vertex, **settings)
    assert lost.hit.is_set()
    assert is_configured(vertex, project(**settings), "digits")


@pytest.mark.parametrize(
    ("first", "then", "key"),
    [
        ({}, {"kms_key": KEY}, "kms-key"),
        (PRIVATE, {**PRIVATE, "private_projects": ("demo-net", "other-net")}, "private-projects"),
        (
            PRIVATE,
            {**PRIVATE, "private_network": "projects/demo-net/global/networks/default"},
            "private-network",
        ),
    ],
)
def test_what_cannot_be_changed_stops_the_deploy(
    vertex: Vertex, first: dict[str, Any], then: dict[str, Any], key: str
) -> None:
    made(vertex, **first)
    assert not is_configured(vertex, project(**then), "digits")
    with pytest.raises(UsageError, match=f"has another vertex.{key}"):
        made(vertex, **then)


def test_a_private_endpoint_is_asked_by_the_name_in_its_certificate(vertex: Vertex) -> None:
    endpoint = made(vertex, **PRIVATE)
    endpoint.dedicated_endpoint_dns = ""  # the emulator answers at a port instead, as no network of the cloud is here
    assert endpoint_of(endpoint).host == "digits-us-central1-123456789012.prediction.p.vertexai.goog"


def test_a_private_endpoint_is_not_taken_for_a_dedicated_one(vertex: Vertex) -> None:
    made(vertex, **PRIVATE)
    with pytest.raises(UsageError, match="digits is private"):
        made(vertex)
