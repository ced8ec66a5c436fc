"""Family 5, the container: what only a trial in the image shows."""

from __future__ import annotations

import re

from seatrial.rules.cloud import NEVER_READY, NEVER_READY_SOURCE
from seatrial.rules.rule import Rule, Symptom

OUTSIDE_TMP = Rule(
    code="ST510",
    title="the predictor writes outside /tmp",
    explanation=(
        "The image is served with a read-only root file system and by a user that owns nothing in it. Only /tmp can "
        "be written, and it is empty when the container starts."
    ),
    fix="write below tempfile.gettempdir(), or better, keep in memory what the predictor makes at run time",
    sources=("https://kubernetes.io/docs/concepts/security/pod-security-standards/",),
    symptoms=(
        Symptom(
            re.compile(r"\[Errno 30\] Read-only file system(?:: '(?P<path>[^']+)')"),
            "the predictor writes {path}, and only /tmp can be written",
        ),
        Symptom(
            re.compile(r"\[Errno 13\] Permission denied: '(?P<path>/\.[\w./-]{1,200})'"),
            "the predictor writes {path}, because its user has no home, and only /tmp can be written",
        ),
        # Everybody may read all of /app, so only writing can be refused there.
        Symptom(
            re.compile(r"\[Errno 13\] Permission denied: '(?P<path>/app/[^']+)'"),
            "the predictor writes {path}, and only /tmp can be written",
        ),
    ),
)

NO_END = Rule(
    code="ST511",
    title="a container does not end at once when its load fails",
    explanation=(
        "The trial starts the image once more with artifacts that do not exist. The container must end with an exit "
        "code other than 0 as soon as the load has failed. If it keeps running, or restarts its server again and "
        "again, a deployment waits for its time-out and the reason is hidden."
    ),
    fix="let the image start the serving runtime itself, without a shell or supervisor, as `seatrial image build` does",
    cloud=NEVER_READY,
    sources=(NEVER_READY_SOURCE,),
)
