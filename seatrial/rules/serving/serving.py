"""Families 4, 5 and 8 and what only an installed environment shows: the rules that the trial uses by code.

Only the golden file is judged from facts here; everything else is seen while the predictor runs.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from seatrial.findings import Location, Severity
from seatrial.rules.deployment.cloud import EXITED_SOURCE, NEVER_READY, NEVER_READY_SOURCE, SERVER_EXITED
from seatrial.rules.rule import Rule, Symptom

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.facts.gather import Facts
    from seatrial.findings import Finding

CONTAINER_REQUIREMENTS = (
    "https://docs.cloud.google.com/gemini-enterprise-agent-platform/machine-learning/predictions/"
    "custom-container-requirements"
)

INCONSISTENT = Rule(
    code="ST111",
    title="the locked distributions contradict each other",
    explanation=(
        "A pinned distribution requires another that the lock does not pin, or pins in a version that it "
        "refuses. That happens to a lock that was edited by hand or resolved in parts; an installer that "
        "takes the lock literally, as the trial and the image do, does not notice."
    ),
    fix="run `seatrial lock`, which resolves everything at once",
    cloud=SERVER_EXITED,
    sources=("https://pip.pypa.io/en/stable/cli/pip_check/",),
)
CHANGED_INSTALL = Rule(
    code="ST113",
    title="the trial changed an installed file",
    explanation=(
        "A file of an installed distribution is not what its RECORD says after the predictor ran. A "
        "predictor that patches its environment serves something that no lock describes, and fails on a "
        "read-only file system."
    ),
    fix="write to a temporary folder, and fix the dependency in requirements.in instead of patching it",
    sources=("https://packaging.python.org/en/latest/specifications/recording-installed-packages/",),
)
OTHER_ANSWER = Rule(
    code="ST401",
    title="the answer is not the one that training recorded",
    explanation=(
        "The predictor loads and answers, but with other numbers than in training. Something between the "
        "image and the answer differs: decoding, a transform's default, the weights, a model left in "
        "training mode."
    ),
    fix="make decoding, transforms and versions those of training; if the new answer is right, record it",
    sources=("https://docs.pytorch.org/docs/stable/notes/numerical_accuracy.html",),
)
WRONG_LABEL = Rule(
    code="ST402",
    title="the predictor gives a golden image another label than its true one",
    explanation=(
        "The golden examples hold images with their true labels. A single miss can be the model's own; "
        "several mean that the labels are in another order or that the images are prepared differently than "
        "in training."
    ),
    fix="compare the order of the labels and the preparation of the image with training's",
    sources=("https://docs.pytorch.org/vision/stable/generated/torchvision.datasets.ImageFolder.html",),
)
NO_GOLDEN = Rule(
    code="ST403",
    title="there are no golden answers",
    explanation=(
        "Without golden answers the trial proves that the predictor loads and answers, not that it answers "
        "as it did in training."
    ),
    fix="record a handful of real images with seatrial.golden where the model was trained",
    severity=Severity.NOTE,
    sources=("https://developers.google.com/machine-learning/guides/rules-of-ml#training-serving_skew",),
)
BAD_GOLDEN = Rule(
    code="ST404",
    title="the golden file cannot be used",
    explanation="artifacts/golden/golden.json is no list of examples, or names an image that is not there.",
    fix="write it again with seatrial.golden.write, where training ran",
    sources=("https://www.rfc-editor.org/rfc/rfc8259",),
    detected=(
        "artifacts/golden/golden.json is read as the trial reads it: a list of examples, each with an image "
        "that is there or an instance."
    ),
    bad='[{"image": "missing.png", "label": "3"}]',
    good='[{"image": "scan-0000.png", "label": "3"}]',
)
ENDED = Rule(
    code="ST501",
    title="the server ended while it loaded the predictor",
    explanation=(
        "The predictor's own code raised an exception, or the process was killed, before the server was "
        "healthy. The evidence is the traceback, reduced to the lines of the package."
    ),
    fix="correct the line that the evidence names; `seatrial smoke` runs exactly this",
    cloud=SERVER_EXITED,
    sources=(EXITED_SOURCE, "https://github.com/GoogleCloudPlatform/vertex-ai-samples/issues/3443"),
)
NEVER_HEALTHY = Rule(
    code="ST502",
    title="the server was not healthy in time",
    explanation=(
        "The predictor was still loading when the time for it ran out. The cloud waits for the health route "
        "to answer 200 and then gives up."
    ),
    fix="load less or smaller files, and none from the network; or raise smoke.load-timeout",
    cloud=NEVER_READY,
    sources=(NEVER_READY_SOURCE, CONTAINER_REQUIREMENTS),
)
WRONG_COUNT = Rule(
    code="ST503",
    title="as many predictions as instances: not here",
    explanation=(
        "`predictions` must hold one answer for each instance, in their order. Code that takes "
        "`instances[0]` or calls `squeeze()` breaks for one instance or for several."
    ),
    fix="give one answer an instance; keep the batch dimension",
    cloud="Invalid response from prediction server - the response field predictions is missing.",
    sources=("https://github.com/googleapis/python-aiplatform/issues/1526", CONTAINER_REQUIREMENTS),
    symptoms=(
        Symptom(
            re.compile(r"gave (?P<given>\d+) predictions? for (?P<asked>\d+) instances?"),
            "{asked} instances were sent, {given} predictions came back",
        ),
    ),
)
FAILED = Rule(
    code="ST504",
    title="a prediction failed",
    explanation="The predictor loaded, and then raised an exception on an image that it must answer.",
    fix="correct the line that the evidence names",
    sources=(CONTAINER_REQUIREMENTS,),
    symptoms=(
        Symptom(
            re.compile(r"Object of type (?P<type>\w+) is not JSON serializable"),
            "the answer holds a {type}, which is no JSON; give plain lists, dicts, text and numbers",
        ),
    ),
)
NO_STOP = Rule(
    code="ST505",
    title="the server does not stop on SIGTERM",
    explanation=(
        "A container is ended with SIGTERM and killed some seconds later; Vertex AI documents no grace period, "
        "Kubernetes gives 30 seconds. A predictor that blocks the signal or leaves threads behind loses the requests "
        "that are in flight."
    ),
    fix="install no signal handlers in the predictor, and make its threads daemons",
    sources=("https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-termination",),
)
OUTSIDE_CONNECTION = Rule(
    code="ST506",
    title="the predictor reaches out to the network",
    explanation=(
        "While it loaded or predicted, the predictor opened a connection to the outside: pretrained "
        "weights, a hub, a licence. On the server that makes the start slow and fails without egress; what "
        "is downloaded is in no lock and no digest."
    ),
    fix="build the model with weights=None and load a checkpoint from the artifacts",
    cloud="urllib.error.URLError: <urlopen error [Errno -2] Name or service not known>",
    sources=("https://docs.pytorch.org/vision/stable/models.html#initializing-pre-trained-models",),
    symptoms=(
        Symptom(
            re.compile(r"Downloading: \"(?P<url>https?://[^\"\n]{1,2000})\""),
            "the predictor downloads {url} while it loads",
        ),
        Symptom(
            re.compile(r"host='(?P<host>[\w.-]{1,300})', port=\d+\): Max retries exceeded"),
            "the predictor asks {host} while it runs",
        ),
        Symptom(
            re.compile(
                r"(?:URLError|NewConnectionError|ConnectError|gaierror)\b[^\n]{0,300}?"
                r"(?:Name or service not known|name resolution|unreachable|refused)"
            ),
            "the predictor opens a connection to the outside",
        ),
    ),
)
NO_INTERFACE = Rule(
    code="ST507",
    title="the class has none of the three predictor interfaces",
    explanation=(
        "A predictor class has load, preprocess, predict and postprocess (batched, or Vertex AI's custom "
        "prediction routine), or from_path and predict (AI Platform). This class has neither set."
    ),
    fix="add the methods that the message names as missing",
    cloud=SERVER_EXITED,
    sources=("https://github.com/googleapis/python-aiplatform/tree/main/google/cloud/aiplatform/prediction",),
)
NO_CUDA = Rule(
    code="ST602",
    title="CUDA was asked for and cannot be used",
    explanation=(
        "The machine's driver is older than the CUDA of the locked torch needs, or its GPU is older than "
        "the wheel has kernels for: the published torch 2.11 and later run on compute capability 7.5 (T4) "
        "and newer. torch.cuda.is_available() may still say True."
    ),
    fix="take a machine with a newer driver or GPU, or lock a torch that was built for this one",
    cloud="CUDA error: no kernel image is available for execution on the device",
    sources=(
        "https://docs.nvidia.com/deploy/cuda-compatibility/",
        "https://github.com/Comfy-Org/ComfyUI/issues/16438",
    ),
    symptoms=(
        Symptom(
            re.compile(r"NVIDIA driver on your system is too old \(found version (?P<found>\d+)\)"),
            "the NVIDIA driver (CUDA {found}) is too old for the locked torch",
        ),
        Symptom(
            re.compile(r"which is of cuda capability (?P<has>[\d.]{1,6}\d)\.\s+PyTorch no longer supports this GPU"),
            "the locked torch has no kernels for a GPU of compute capability {has}",
        ),
        Symptom(
            re.compile(r"no kernel image is available for execution on the device"),
            "the locked torch has no kernels for this GPU",
        ),
        Symptom(
            re.compile(r"unsatisfied condition: (?P<what>cuda>=[\d.]+)"),
            "the NVIDIA driver does not have {what}",
        ),
    ),
)
LFS_POINTER = Rule(
    code="ST802",
    title="a Git LFS pointer would ship instead of its file",
    explanation=(
        "A checkout without Git LFS leaves a text of three lines where the file should be. It ships as it "
        "is, and fails when it is opened."
    ),
    fix="run `git lfs pull`; in a workflow give actions/checkout `lfs: true`",
    sources=("https://github.com/actions/checkout#usage", "https://git-lfs.com/"),
)


def _bad_golden(facts: Facts) -> Iterator[Finding]:
    if facts.golden_fault:
        place = Location(f"{facts.project.artifacts}/golden/golden.json")
        yield BAD_GOLDEN.finding(facts.golden_fault, location=place)


RULES = (
    INCONSISTENT,
    CHANGED_INSTALL,
    OTHER_ANSWER,
    WRONG_LABEL,
    NO_GOLDEN,
    BAD_GOLDEN.decided_by(_bad_golden),
    ENDED,
    NEVER_HEALTHY,
    WRONG_COUNT,
    FAILED,
    NO_STOP,
    OUTSIDE_CONNECTION,
    NO_INTERFACE,
    NO_CUDA,
    LFS_POINTER,
)
