"""Family 5, the container: what only a trial in the image shows."""

from __future__ import annotations

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
            r"\[Errno 30\] Read-only file system(?:: '(?P<path>[^']+)')",
            "the predictor writes {path}, and only /tmp can be written",
        ),
        Symptom(
            r"\[Errno 13\] Permission denied: '(?P<path>/\.[\w./-]{1,200})'",
            "the predictor writes {path}, because its user has no home, and only /tmp can be written",
        ),
        # Everybody may read all of /app, so only writing can be refused there.
        Symptom(
            r"\[Errno 13\] Permission denied: '(?P<path>/app/[^']+)'",
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

UNFETCHED = Rule(
    code="ST512",
    title="the server cannot fetch the artifacts from Cloud Storage",
    explanation=(
        "Vertex AI copies the folder of the model's artifact URI and names the copy in AIP_STORAGE_URI. The server "
        "fetches it before it loads, compares every file with the bucket's checksum and the manifest that training "
        "wrote, and loads nothing if a file is missing, damaged or another one."
    ),
    fix="do what the message says after its semicolon; it names the object or the bucket",
    sources=("https://docs.cloud.google.com/vertex-ai/docs/predictions/custom-container-requirements",),
    symptoms=(
        Symptom(  # "may not" is about permissions, which another rule tells with the account and the role
            r"\bStorageError: (?!\S.{0,200} may not (?:list|read) )(?P<said>[^\n\"]{1,400})",
            "the artifacts are not fetched: {said}",
        ),
    ),
)
