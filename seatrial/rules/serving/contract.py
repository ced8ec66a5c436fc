"""Family 5, the contract: does the server start, answer and stop as Vertex AI expects?

Nothing here is decided from facts: the trial sees it while the predictor runs.
"""

from __future__ import annotations

from seatrial.rules.cloud import CONTAINER_REQUIREMENTS, EXITED_SOURCE, NEVER_READY, NEVER_READY_SOURCE, SERVER_EXITED
from seatrial.rules.rule import Rule, Symptom, Telling
from seatrial.rules.serving import predicting

ENDED = Rule(
    code="ST501",
    title="the server ended while it loaded the predictor",
    explanation=(
        "The predictor's own code raised an exception, or the process was killed, before the server was "
        "healthy. The evidence is the traceback, reduced to the lines of the package."
    ),
    fix="correct the line that the evidence names; `seatrial smoke` repeats this load",
    cloud=SERVER_EXITED,
    sources=(EXITED_SOURCE, "https://github.com/GoogleCloudPlatform/vertex-ai-samples/issues/3443"),
)

NEVER_HEALTHY = Rule(
    code="ST502",
    title="the server was not healthy in time",
    explanation=(
        "The predictor was still loading when its time ran out. The cloud waits for the health route "
        "to answer 200 and then gives up."
    ),
    fix="load fewer or smaller files, and none from the network; or raise smoke.load-timeout",
    cloud=NEVER_READY,
    sources=(NEVER_READY_SOURCE, CONTAINER_REQUIREMENTS),
)

WRONG_COUNT = Rule(
    code="ST503",
    title="the numbers of predictions and instances differ",
    explanation=(
        "`predictions` must hold one answer for each instance, in their order. Code that takes "
        "`instances[0]` or calls `squeeze()` breaks for one instance or for several."
    ),
    fix="return one answer for each instance; keep the batch dimension",
    cloud="Invalid response from prediction server - the response field predictions is missing.",
    sources=("https://github.com/googleapis/python-aiplatform/issues/1526", CONTAINER_REQUIREMENTS),
    symptoms=(
        Symptom(
            r"gave (?P<given>\d+) predictions? for (?P<asked>\d+) instances?",
            "{asked} instances were sent, {given} predictions came back",
        ),
    ),
)

FAILED = Rule(
    code="ST504",
    title="a prediction failed",
    explanation="The predictor loaded, and then raised an exception on an image that it must answer.",
    fix="correct the line that the evidence names",
    telling=Telling.WIDE,
    yields_to=(predicting.NOT_JSON,),
    sources=(CONTAINER_REQUIREMENTS,),
    symptoms=(
        Symptom(
            r"Object of type (?P<type>\w+) is not JSON serializable",
            "the answer holds a {type}, which is not JSON; return plain lists, dicts, text and numbers",
        ),
    ),
)

NO_STOP = Rule(
    code="ST505",
    title="the server does not stop on SIGTERM",
    explanation=(
        "A container gets SIGTERM and is killed some seconds later; Vertex AI documents no grace period, "
        "Kubernetes gives 30 seconds. A predictor that blocks the signal or leaves threads running loses the requests "
        "that are in flight."
    ),
    fix="install no signal handlers in the predictor, and make its threads daemons",
    sources=("https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-termination",),
)

NOT_KEPT = Rule(
    code="ST508",
    title="the server does not keep a point of the serving contract",
    explanation=(
        "A check of the contract suite was not kept; the finding names it, what the contract says, and what the server "
        "did. A required one is an error: Vertex AI documents it, HTTP demands it of every server, or without it one "
        "client's fault reaches others. A recommended one is a warning."
    ),
    fix="correct the server; `seatrial contract --only NAME` repeats the check, and docs/contract.md lists all",
    sources=(
        CONTAINER_REQUIREMENTS,
        "https://www.rfc-editor.org/rfc/rfc9110",
        "https://www.rfc-editor.org/rfc/rfc9112",
    ),
)
