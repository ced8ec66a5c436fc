"""Family 7, uploads: how a project's own scripts and commands make a model of a custom container."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.findings import Severity
from seatrial.rules.cloud import CONTAINER_REQUIREMENTS, NEVER_READY
from seatrial.rules.deployment.written import SDK, scripts_of_sdk
from seatrial.rules.rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.facts.gather import Facts
    from seatrial.facts.python.calls import Value
    from seatrial.findings import Finding, Location

NO_ROUTES = Rule(
    code="ST750",
    title="a custom container is uploaded without its routes",
    explanation=(
        "Vertex AI asks the container on the routes that the model names. Without them it takes "
        "/v1/endpoints/ENDPOINT/deployedModels/MODEL and the same with :predict, and tells the container so in "
        "AIP_HEALTH_ROUTE and AIP_PREDICT_ROUTE. A server with routes of its own, such as /health, answers 404 and "
        "never becomes ready."
    ),
    fix="pass serving_container_health_route and serving_container_predict_route, the routes that the server has",
    severity=Severity.WARNING,
    cloud=NEVER_READY,
    sources=(CONTAINER_REQUIREMENTS,),
    detected=(
        "Model.upload of Google's SDK, or `gcloud ai models upload`, names an image that is none of Google's prebuilt "
        "ones, and no route. An image that is not written out counts only if the project has a Dockerfile. A server "
        "that reads AIP_HEALTH_ROUTE, as Seatrial's image does, is not affected, so it is a warning."
    ),
    bad='aiplatform.Model.upload(display_name="fish", serving_container_image_uri=image)',
    good=(
        'aiplatform.Model.upload(\n    display_name="fish", serving_container_image_uri=image,\n'
        '    serving_container_health_route="/health", serving_container_predict_route="/predict",\n)'
    ),
)

_PREBUILT = ("vertex-ai/", "cloud-aiplatform/", "deeplearning-platform-release/", "vertex-ai-restricted/")
_UPLOADS = {f"{SDK}.Model.upload", f"{SDK}.models.Model.upload"}
_CAUSE = "wrong unless the server reads AIP_HEALTH_ROUTE and AIP_PREDICT_ROUTE, as Seatrial's own image does"


@NO_ROUTES.decided_by
def _no_routes(facts: Facts) -> Iterator[Finding]:
    for script in scripts_of_sdk(facts):
        for call in script.uses.calls:
            image = call.argument("serving_container_image_uri")
            if call.name not in _UPLOADS or call.is_open or image is None or not _is_own(image, facts):
                continue
            names = [f"serving_container_{kind}_route" for kind in ("health", "predict")]
            yield from _missing([name for name in names if call.argument(name) is None], call.location)
    for file in facts.builds.files:
        for command in file.commands:
            if not command.runs("gcloud", "ai", "models", "upload") or command.option("--flags-file"):
                continue
            uri = command.option("--container-image-uri") or ""
            if uri and not any(part in uri for part in _PREBUILT):
                names = [f"--container-{kind}-route" for kind in ("health", "predict")]
                yield from _missing([name for name in names if command.option(name) is None], command.location)


def _missing(names: list[str], location: Location) -> Iterator[Finding]:
    if names:
        fix = f"pass {' and '.join(names)}, as the server has them" if len(names) == 1 or "--" in names[0] else ""
        yield NO_ROUTES.finding(
            f"a custom container is uploaded without {' and '.join(names)}",
            location=location,
            cause=_CAUSE,
            fix=fix or NO_ROUTES.fix,
        )


def _is_own(image: Value, facts: Facts) -> bool:
    """Return whether an image is none of Google's; one that is not written out is the project's, if it builds one."""
    if isinstance(image.constant, str):
        return not any(part in image.constant for part in _PREBUILT)
    files = facts.builds.files
    return any(file.is_dockerfile for file in files) and not any(file.prebuilt for file in files)
