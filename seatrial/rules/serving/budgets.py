"""Family 5, budgets: what an endpoint and a machine allow, beside what the trial measured.

Nothing here is decided from facts: the trial measures it.
"""

from __future__ import annotations

from collections.abc import Iterator

from seatrial.findings import Finding
from seatrial.rules.cloud import CONTAINER_REQUIREMENTS
from seatrial.rules.deployment.settings import LIMITS
from seatrial.rules.rule import Rule

_ENDPOINT_TYPES = "https://docs.cloud.google.com/vertex-ai/docs/predictions/choose-endpoint-type"

TOO_SLOW = Rule(
    code="ST566",
    title="a prediction takes longer than the endpoint waits",
    explanation=(
        "A shared public endpoint gives up after 60 seconds. A dedicated one waits longer if it is told to; "
        "clients, load balancers and this trial do not. The whole request counts, with all its instances."
    ),
    fix="make predict() faster, lower `serving.max-batch`, or take a machine with more or faster processors",
    cloud="504 Deadline Exceeded",
    sources=(_ENDPOINT_TYPES, CONTAINER_REQUIREMENTS),
)

ANSWER_TOO_LARGE = Rule(
    code="ST567",
    title="an answer is larger than the endpoint passes on",
    explanation=(
        "A shared public endpoint passes answers on up to 1.5 MB, a dedicated one up to 10 MB. Larger ones are "
        "replaced by an error, although the server answered."
    ),
    fix="answer with less: the best few scores, a compressed mask, a link; or send fewer instances in a request",
    sources=(_ENDPOINT_TYPES,),
)

MACHINE_TOO_SMALL = Rule(
    code="ST568",
    title="the predictor needs more memory than the machine has",
    explanation=(
        "The peak of resident memory in the trial is more than the configured machine type leaves to a container. "
        "Vertex AI does not publish what it takes itself. What Kubernetes Engine reserves on a machine of this size is "
        "taken for it: a quarter of the first 4 GiB, a fifth of the next 4, a tenth of the next 8, 6 % up to 128 and "
        "2 % above, and 100 MiB. A trial may have fewer processes that predict than the server will have there, one a "
        "processor: each more is expected to take what one takes here besides what they share, which is a warning."
    ),
    fix="take a larger `vertex.machine-type`, or load and keep less",
    cloud="Model server terminated: out of memory",
    sources=(
        "https://cloud.google.com/compute/docs/machine-resource",
        "https://cloud.google.com/kubernetes-engine/docs/concepts/plan-node-sizes",
    ),
)


def too_large(size: int, subject: str, kind: str) -> Iterator[Finding]:
    """Yield a finding if an answer of so many bytes is more than an endpoint of this kind passes on."""
    if size > LIMITS[kind]:
        message = f"{subject}: the answer has {size:,} bytes; a {kind} endpoint passes on {LIMITS[kind]:,}"
        yield ANSWER_TOO_LARGE.finding(message, subject=subject)
