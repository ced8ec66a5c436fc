"""Family 7, containers: how a server that somebody else wrote starts, answers the probe, and is ended.

Nothing here is decided from facts: the logs of the server and of the platform show it.
"""

from __future__ import annotations

from seatrial.rules.cloud import CONTAINER_REQUIREMENTS, NEVER_READY
from seatrial.rules.rule import Rule

UNHEALTHY = Rule(
    code="ST767",
    title="the health route does not answer 200",
    explanation=(
        "Vertex AI sends GET to the health route and takes nothing but 200 as healthy: no redirect, no login, no 204. "
        "Until then the deployment waits, and it is given up at its deadline."
    ),
    fix="answer 200 without a login and without a redirect on the path of `AIP_HEALTH_ROUTE`",
    recognised=(
        "By a health route that the access log has with another status and never with 200, or by the kubelet's event."
    ),
    cloud=NEVER_READY,
    sources=(CONTAINER_REQUIREMENTS,),
)

ENDED_OUTSIDE = Rule(
    code="ST768",
    title="the server was ended from outside",
    explanation=(
        "The log has a shutdown and neither a traceback nor an error before it. Something outside ended the server: a "
        "probe that did not get 200, a deadline, a new version in its place, or the kernel because memory ran out."
    ),
    fix=(
        "look at the operation's error and at the platform's events of that minute, check the health route, and run "
        "`seatrial smoke`, which measures load time and memory"
    ),
    recognised=(
        "By a log that has a start and a shutdown, and no line that says why; or by a failed probe before a kill."
    ),
    cloud=NEVER_READY,
    sources=(CONTAINER_REQUIREMENTS, "https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/"),
)

NO_START = Rule(
    code="ST769",
    title="the container's command does not start a server",
    explanation=(
        "The image's command names a program, a module or an attribute that is not there, or a file that the kernel "
        "cannot execute. No line of the application has run yet."
    ),
    fix="correct ENTRYPOINT, CMD or `serving_container_command`",
    recognised="By what the kernel, the shell, the container runtime or the server says of its own command line.",
    cloud='exec: "uvicorn": executable file not found in $PATH',
    sources=("https://docs.docker.com/reference/dockerfile/#entrypoint", "https://www.uvicorn.org/settings/"),
)
