"""Family 5, answers: values that cannot be sent, and routes that do not exist.

Nothing here is decided from facts: the servers' messages show what happened to a request.
"""

from __future__ import annotations

from seatrial.rules.cloud import CONTAINER_REQUIREMENTS, NEVER_READY
from seatrial.rules.rule import Rule, Symptom, Telling

NOT_FINITE = Rule(
    code="ST540",
    title="an answer holds NaN or infinity",
    explanation=(
        "JSON has no such numbers. A strict server fails; others send `NaN`, which the client cannot parse. The cause "
        "is a division by zero in the preparation, a logarithm of zero, or half precision."
    ),
    fix="find where the number arises (`torch.isfinite`), and answer with a number or null",
    cloud="ValueError: Out of range float values are not JSON compliant",
    sources=("https://www.rfc-editor.org/rfc/rfc8259#section-6", "https://docs.python.org/3/library/json.html"),
    symptoms=(Symptom(r"Out of range float values are not JSON compliant", "an answer holds NaN or infinity"),),
)

NO_ROUTE = Rule(
    code="ST550",
    title="the server does not have the routes that Vertex AI requests",
    explanation=(
        "If a model was uploaded without routes, Vertex AI requests `/v1/endpoints/…/deployedModels/…` and the same "
        "path with `:predict`. A server with fixed routes answers 404 there, and the deployment fails."
    ),
    fix="read the routes from `AIP_HEALTH_ROUTE` and `AIP_PREDICT_ROUTE`, as seatrial's runtime does",
    telling=Telling.WIDE,
    cloud=NEVER_READY,
    sources=(CONTAINER_REQUIREMENTS,),
    symptoms=(
        Symptom(
            (
                r"(?P<method>GET|POST) (?P<route>/v1/endpoints/[\w-]{1,80}/deployedModels/[\w:-]{1,80})"
                r"[^\n]{0,40} 404\b"
            ),
            "{route} was requested and answered with 404",
        ),
    ),
)
