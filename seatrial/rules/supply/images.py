"""What only an image shows: the rules that `image build` and `smoke --image` use by code."""

from __future__ import annotations

import re

from seatrial.findings import Severity
from seatrial.rules.deployment.cloud import NEVER_READY, NEVER_READY_SOURCE
from seatrial.rules.rule import Rule, Symptom

CUDA_WITHOUT_ACCELERATOR = Rule(
    code="ST610",
    title="a CUDA lock goes onto a target without accelerator",
    explanation=(
        "The image is built for a machine without GPU, but its lock holds NVIDIA's libraries. They work as well "
        "without one, and are never used: the image is several gigabytes larger, and a deployment waits while "
        "each new machine pulls them."
    ),
    fix="run `seatrial lock --cpu`, which writes requirements-cpu.txt, and build again",
    severity=Severity.WARNING,
    sources=("https://pytorch.org/get-started/locally/",),
)

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
        # All of /app may be read by everybody, so that only writing can be refused there.
        Symptom(
            re.compile(r"\[Errno 13\] Permission denied: '(?P<path>/app/[^']+)'"),
            "the predictor writes {path}, and only /tmp can be written",
        ),
    ),
)
NO_END = Rule(
    code="ST511",
    title="a container whose load fails does not end at once",
    explanation=(
        "The trial starts the image once more with artifacts that are not there. The container must end with an exit "
        "code other than 0 as soon as the load has failed: one that lives on, or starts its server again and again, "
        "makes a deployment wait for its time-out and hides the reason."
    ),
    fix="let the image start the serving runtime itself, without a shell or supervisor, as `seatrial image build` does",
    cloud=NEVER_READY,
    sources=(NEVER_READY_SOURCE,),
)
SECRET_IN_LAYER = Rule(
    code="ST810",
    title="a layer of the image holds a credential",
    explanation=(
        "Everyone who may pull the image can read every layer of it, also a file that a later layer removes. The "
        "file's name or its content is that of a key or of a credential."
    ),
    fix="build without the file, and revoke the key if the image was ever pushed",
    sources=("https://docs.docker.com/build/building/secrets/",),
)
SECRET_IN_CONFIG = Rule(
    code="ST811",
    title="the image's configuration holds what it must not",
    explanation=(
        "Environment, labels and history are read by everyone who may pull the image, so they are no place for "
        "credentials. `AIP_*` variables are set by Vertex AI when a container starts; an image that sets them tells "
        "the server where it is before it is there."
    ),
    fix="take the variable out of the image, and revoke what was secret in it",
    sources=("https://docs.docker.com/build/building/secrets/",),
)

RULES: tuple[Rule, ...] = (CUDA_WITHOUT_ACCELERATOR, OUTSIDE_TMP, NO_END, SECRET_IN_LAYER, SECRET_IN_CONFIG)
