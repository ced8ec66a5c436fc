"""Family 7, the live endpoint: what its answers show while the traffic moves.

The deployer decides these from the answers of the endpoint.
"""

from __future__ import annotations

from seatrial.rules.cloud import CONTAINER_REQUIREMENTS
from seatrial.rules.rule import Rule, Symptom, Telling

TRAFFIC = "https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.endpoints"

OTHER_ANSWER = Rule(
    code="ST710",
    title="the live endpoint's answer differs from the one that training recorded",
    explanation=(
        "The version was proven before it was uploaded, but now answers the same golden request differently. Its "
        "processor, GPU or image is not that of the trial, or a front end changes requests. It gets no more traffic, "
        "and the split is as it was before."
    ),
    fix="run `seatrial smoke` on the device of the target machine; widen a tolerance only if that is acceptable",
    sources=("https://docs.pytorch.org/docs/stable/notes/numerical_accuracy.html",),
)

DRIFTED = Rule(
    code="ST717",
    title="a deployed version no longer answers as it was proven",
    explanation=(
        "The version that serves was asked the golden requests again, and its answers are others than training "
        "recorded, or nothing serves. The machine or its processor, what lies before the server, what the predictor "
        "reads from outside, or the version itself has changed since the deploy; or the golden answers here are those "
        "of another version."
    ),
    fix=(
        "run it from the commit that was deployed; see `seatrial deploy --status` for what serves, and "
        "`seatrial deploy --rollback` to serve the version before"
    ),
    sources=("https://docs.cloud.google.com/vertex-ai/docs/model-monitoring/overview",),
)

ROWS_FAILED = Rule(
    code="ST718",
    title="rows of a batch prediction failed",
    explanation=(
        "The version's server refused the requests that these rows were in, or answered them with something else than "
        "predictions. The job goes on with the others, and writes the failed rows beside the results. A request has "
        "several rows, and they fail together."
    ),
    fix=(
        "read the failed rows in the output folder; set vertex.batch.batch-size = 1 to see which rows the predictor "
        "refuses, or less than now if requests are too large or take too long"
    ),
    sources=("https://cloud.google.com/vertex-ai/docs/predictions/get-batch-predictions",),
)

LIVE_ERRORS = Rule(
    code="ST711",
    title="the live endpoint answers with errors",
    explanation=(
        "Requests that the trial answered are refused or fail on the endpoint. The container's log of that time "
        "says why; if it has no entry, requests do not reach the container."
    ),
    fix="read the container's log; run `seatrial smoke --image` with the same image",
    telling=Telling.NAMELESS,
    cloud="Invalid response from prediction server - the response field predictions is missing. Response: {…}",
    sources=("https://github.com/googleapis/python-aiplatform/issues/1526", CONTAINER_REQUIREMENTS),
    symptoms=(
        Symptom(
            r"Invalid response from prediction server - (?P<why>[^\n.]+)",
            "Vertex AI refuses the server's answer: {why}",
        ),
    ),
)

SLOWER = Rule(
    code="ST712",
    title="the new version is slower than the one before",
    explanation=(
        "Golden requests went to both versions in turn, in the same period and on the same endpoint. The 95th "
        "percentile of the new version's latency is more than `rollout.max-latency-ratio` times the old one's."
    ),
    fix=(
        "compare the percentiles of both in build/deploy/deploy.json; raise `vertex.rollout.max-latency-ratio` "
        "if slower is intended"
    ),
    sources=("https://sre.google/workbook/canarying-releases/",),
)

INCONCLUSIVE = Rule(
    code="ST713",
    title="too few answers to judge the new version",
    explanation=(
        "A step of a rollout needs 50 answers of each version and 200 in all. They did not arrive within "
        "`rollout.step-timeout` or 2,000 requests, so nothing is proven and no traffic was shifted."
    ),
    fix="raise `vertex.rollout.step-timeout`, or begin with a larger share in `vertex.rollout.steps`",
    sources=("https://sre.google/workbook/canarying-releases/",),
)

SUPERSEDED = Rule(
    code="ST714",
    title="somebody else changed the endpoint meanwhile",
    explanation=(
        "The traffic split or the record of the rollout is no longer what this deployer wrote: another deployer has "
        "taken over, or somebody moved the traffic. Two at once could leave an unproven split, so this one stops and "
        "changes nothing more."
    ),
    fix="look at `seatrial deploy --status`; run again once the other is done, and run only one deployer at a time",
    sources=(
        TRAFFIC,
        "https://docs.github.com/en/actions/how-tos/write-workflows/choose-when-workflows-run/control-workflow-concurrency",
    ),
)
