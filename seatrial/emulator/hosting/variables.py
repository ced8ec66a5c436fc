"""What Vertex gives the container of a deployed model, made from its placement: variables, routes, ports and probes.

See "Custom container requirements for inference" in Vertex's documentation.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from google.cloud import aiplatform_v1 as v1

from seatrial.contract.variables import CONTRACT
from seatrial.emulator.api.hosting import Placement
from seatrial.emulator.api.state import Message
from seatrial.emulator.hosting import checks
from seatrial.emulator.hosting.checks import Probe
from seatrial.image.dockerfile import PORT

_REFERENCE = re.compile(r"\$\$|\$\(([A-Za-z_][A-Za-z0-9_]*)\)")  # of Kubernetes, which v1.ModelContainerSpec names


def routes(placement: Placement) -> tuple[str, str]:
    """Return the routes of health and prediction: the version's own, or Vertex's defaults."""
    spec = placement.model.container_spec
    made_up = f"/v1/endpoints/{placement.endpoint_id}/deployedModels/{placement.deployed_model_id}"
    return spec.health_route or made_up, spec.predict_route or f"{made_up}:predict"


def contract(placement: Placement, port: int, storage_uri: str) -> dict[str, str]:
    """Return the `AIP_*` variables of a server that will listen on `port`."""
    health, predict = routes(placement)
    endpoint, deployed = placement.endpoint_id, placement.deployed_model_id
    accelerator = v1.AcceleratorType(int(placement.machine_spec.accelerator_type))
    with_card = {"AIP_ACCELERATOR_TYPE": accelerator.name} if accelerator else {}
    return CONTRACT | with_card | {
        "AIP_HTTP_PORT": str(port),
        "AIP_HEALTH_ROUTE": health,
        "AIP_PREDICT_ROUTE": predict,
        "AIP_STORAGE_URI": storage_uri,
        "AIP_PROJECT_NUMBER": placement.project_number,
        "AIP_ENDPOINT_ID": endpoint,
        "AIP_MODEL_NAME": endpoint,  # as documented: both ids also have the old service's names
        "AIP_DEPLOYED_MODEL_ID": deployed,
        "AIP_VERSION_NAME": deployed,
        "AIP_MACHINE_TYPE": placement.machine_spec.machine_type,
    }  # fmt: skip


def deployment_timeout(placement: Placement) -> float:
    """Return how many seconds the version allows its first start; 0 if it does not say."""
    return float(_spec(placement).deployment_timeout.ToTimedelta().total_seconds())


def port(placement: Placement) -> int:
    """Return the port that the server listens on in its container."""
    ports = placement.model.container_spec.ports
    return int(ports[0].container_port) if ports else PORT


def probes(placement: Placement) -> dict[str, Probe]:
    """Return the version's own probes, as `startup`, `liveness` and `health`.

    Raises:
        HostingError: it has one that nothing here asks.
    """
    return {name: checks.of(message, name, port(placement)) for name, message in _probes(placement).items()}


def probed_ports(placement: Placement) -> set[int]:
    """Return the ports that the version's own probes name."""
    return checks.ports_of(list(_probes(placement).values()))


def _probes(placement: Placement) -> dict[str, Message]:
    spec = _spec(placement)
    fields = {name: f"{name}_probe" for name in ("startup", "liveness", "health")}
    return {name: getattr(spec, field) for name, field in fields.items() if spec.HasField(field)}


def _spec(placement: Placement) -> Message:
    model = placement.model
    message = type(model).pb(model) if hasattr(type(model), "pb") else model  # without proto-plus around it
    return message.container_spec


def own(placement: Placement, given: Mapping[str, str]) -> dict[str, str]:
    """Return the version's own variables, with the earlier ones and the `given` ones filled in."""
    found: dict[str, str] = {}
    for variable in placement.model.container_spec.env:
        found[variable.name] = filled(variable.value, {**given, **found})
    return found


def filled(text: str, known: Mapping[str, str]) -> str:
    """Replace `$(NAME)` by its value; `$$` is a dollar, and an unknown name stays as it is."""
    return _REFERENCE.sub(lambda found: known.get(found[1], found[0]) if found[1] else "$", text)
