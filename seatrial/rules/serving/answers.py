"""Family 5, answers: what cannot be sent, and routes that are not there.

Nothing here is decided from facts: the texts of the servers say what happened to one request.
"""

from __future__ import annotations

import re

from seatrial.rules.cloud import CONTAINER_REQUIREMENTS, NEVER_READY
from seatrial.rules.rule import Rule, Symptom, Telling

NOT_FINITE = Rule(
    code="ST540",
    title="an answer holds NaN or infinity",
    explanation=(
        "JSON has no such numbers. A server that is strict fails; one that is not sends `NaN`, which the client "
        "cannot parse. It comes from a division by zero in the preparation, a logarithm of zero, or half precision."
    ),
    fix="find where the number arises (`torch.isfinite`), and answer with a number or null",
    cloud="ValueError: Out of range float values are not JSON compliant",
    sources=("https://www.rfc-editor.org/rfc/rfc8259#section-6", "https://docs.python.org/3/library/json.html"),
    symptoms=(
        Symptom(re.compile(r"Out of range float values are not JSON compliant"), "an answer holds NaN or infinity"),
    ),
)

NO_ROUTE = Rule(
    code="ST550",
    title="the server has no route where Vertex AI asks",
    explanation=(
        "A model that was uploaded without routes is asked at `/v1/endpoints/…/deployedModels/…`, and at the same "
        "with `:predict`. A server with fixed routes answers 404 there, and the deployment gives up."
    ),
    fix="read the routes from `AIP_HEALTH_ROUTE` and `AIP_PREDICT_ROUTE`, as seatrial's runtime does",
    telling=Telling.WIDE,
    cloud=NEVER_READY,
    sources=(CONTAINER_REQUIREMENTS,),
    symptoms=(
        Symptom(
            re.compile(
                r"(?P<method>GET|POST) (?P<route>/v1/endpoints/[\w-]{1,80}/deployedModels/[\w:-]{1,80})"
                r"[^\n]{0,40} 404\b"
            ),
            "{route} is asked and answered with 404",
        ),
    ),
)
