"""Family 5, depth: what only many requests show, other images, or another start.

Nothing here is decided from facts: `smoke --full` sends it and sees what happens.
"""

from __future__ import annotations

from seatrial.findings import Severity
from seatrial.rules.cloud import CONTAINER_REQUIREMENTS
from seatrial.rules.rule import Rule

ODD_INPUT = Rule(
    code="ST560",
    title="an image that clients send ends in an error of the server",
    explanation=(
        "The golden images are answered, and the same image in another form is not: with an alpha channel or a "
        "palette, grey, CMYK, of 16 bits, of one pixel, of one tone, very long, or as large as the server allows. Such "
        "an image must be answered, or refused with a status of 4xx: an error of the server counts as an outage."
    ),
    fix="let preprocess() convert what it gets, or set `serving.image.mode`; what decode() raises is answered with 400",
    sources=(
        CONTAINER_REQUIREMENTS,
        "https://pillow.readthedocs.io/en/stable/handbook/concepts.html#modes",
    ),
)

OTHER_FILE = Rule(
    code="ST571",
    title="the same picture in another file is answered differently",
    explanation=(
        "Two files with exactly the same pixels, one of them with an opaque alpha channel, a palette, or three equal "
        'channels for grey, have different answers. With `serving.image.mode = "keep"`, or in a predictor that opens '
        "images itself, what the model gets then depends on how a client saves the image."
    ),
    fix='set `serving.image.mode` to the mode of training, or call `convert("RGB")` on what preprocess() gets',
    sources=("https://pillow.readthedocs.io/en/stable/handbook/concepts.html#modes",),
)

PARAMETERS = Rule(
    code="ST561",
    title="a request with parameters ends in an error of the server",
    explanation=(
        "A request may have an object `parameters` beside its instances. Clients send it empty, or with a key that "
        "this version of the predictor does not know. The prediction failed for one of these."
    ),
    fix="read parameters with a default, `(parameters or {}).get(…)`, and ignore unknown keys",
    sources=(CONTAINER_REQUIREMENTS,),
)

COSTLY_IMAGE = Rule(
    code="ST570",
    title="a small image takes far more memory than the largest one",
    explanation=(
        "`serving.max-pixels` bounds what is decoded, and not what preprocess() makes of it. A step that keeps the "
        "ratio of the sides (`Resize(256)` sets the shorter one), or makes a square of the longer one, turns an image "
        "of some hundred bytes into gigabytes. One such request can end the server."
    ),
    fix="bound the ratio of the sides, or scale before the step that makes the image larger",
    severity=Severity.WARNING,
    sources=("https://docs.pytorch.org/vision/stable/generated/torchvision.transforms.Resize.html",),
)

DEPENDS_ON_BATCH = Rule(
    code="ST562",
    title="an answer depends on the other instances of its request",
    explanation=(
        "The same image has one answer alone and another one in a batch, or the batch fails. The cause is a layer in "
        "training mode (batch statistics, dropout), a code path for one size only, rows in another order, or an "
        "assumption that all images have one size."
    ),
    fix="call eval() on the model, and treat each row of the batch by itself, for every size up to `serving.max-batch`",
    sources=(
        CONTAINER_REQUIREMENTS,
        "https://docs.pytorch.org/docs/stable/generated/torch.nn.BatchNorm2d.html",
    ),
)

CHANGES = Rule(
    code="ST563",
    title="the same request is answered differently",
    explanation=(
        "A request that was answered one way has another answer later. The predictor keeps state between requests, or "
        "uses random numbers: a layer in training mode, a cache with a key that is too short, a counter."
    ),
    fix="keep nothing between requests, call eval() on the model, and draw no random numbers while predicting",
    sources=("https://docs.pytorch.org/docs/stable/notes/randomness.html",),
)

AT_ONCE = Rule(
    code="ST564",
    title="requests that come at once are answered differently than alone",
    explanation=(
        "Several threads prepare images at the same time. Values that preprocess() or postprocess() keeps in `self` or "
        "in a module are then those of another request, and clients get each other's answers."
    ),
    fix="pass values on as arguments and results, not as attributes of the predictor",
    sources=("https://docs.python.org/3/library/threading.html",),
)

GROWS = Rule(
    code="ST565",
    title="the server uses more with every request",
    explanation=(
        "Over several hundred equal requests the server's memory, threads, open files, processes or temporary files "
        "rose steadily, long after everything was loaded. A server runs for weeks: it ends when the machine has no "
        "more of them. The time of an answer and the lines that a request logs count, too, if they double. A rise with "
        "each new image is a cache that nothing bounds within several hundred images. The rise is a slope through many "
        "measurements, with a second series to confirm it."
    ),
    fix="find what each request leaves behind: a list that grows, a file or a process that is not closed, a thread",
    sources=("https://docs.python.org/3/library/tracemalloc.html",),
)

SURROUNDINGS = Rule(
    code="ST569",
    title="the predictor depends on its surroundings",
    explanation=(
        "The server was started a second time with the variables of another deployment, another locale, time zone, "
        "host name and umask, without LANG, with a home that cannot be written, and with the files of folders listed "
        "in another order. Where possible it also had another user, no time zones, and the memory and processors of "
        "the configured machine type. It did not load, or answered differently. In the cloud all of these are other "
        "than on the machine where the predictor was written."
    ),
    fix="take from the artifacts or from code what now comes from the environment; sort what a folder lists",
    sources=(CONTAINER_REQUIREMENTS, "https://docs.python.org/3/library/locale.html"),
)
