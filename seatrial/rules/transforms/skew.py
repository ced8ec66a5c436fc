"""Family 4, skew: values and pixels that serving makes differently from training.

Only the golden answers show whether the predictions really differ, so these rules warn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.findings import Severity
from seatrial.rules.rule import Rule
from seatrial.rules.transforms.removed_names import T

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.facts.gather import Facts
    from seatrial.facts.python.module import Module
    from seatrial.findings import Finding

SCALE = Rule(
    code="ST414",
    title="v2.ToDtype to float without scale",
    explanation=(
        "ToTensor divided by 255; `v2.ToDtype(torch.float32)` only changes the type unless it gets "
        "`scale=True`. A model that was trained on values from 0 to 1 then gets values from 0 to 255, and its "
        "answers are confident but wrong."
    ),
    fix="write scale=True, or scale=False if the values are meant to stay between 0 and 255",
    severity=Severity.WARNING,
    sources=("https://docs.pytorch.org/vision/stable/generated/torchvision.transforms.v2.ToDtype.html",),
    detected=(
        "v2.ToDtype is called with a float type and without scale. A division by 255 elsewhere is not seen, "
        "so it is a warning."
    ),
    bad="v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32)])",
    good="v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32, scale=True)])",
)


@SCALE.decided_by
def _scale(facts: Facts) -> Iterator[Finding]:
    floats = {f"torch.{name}" for name in ("float", "float16", "float32", "float64", "half", "double", "bfloat16")}
    for _, call in facts.sources.calls().of(f"{T}.v2.ToDtype"):
        dtype = call.argument("dtype", 0)
        if dtype and facts.sources.value(dtype).name in floats and call.argument("scale", 1) is None:
            yield SCALE.finding(
                "v2.ToDtype to float without scale: the values stay between 0 and 255",
                location=call.location,
                cause="unless something that cannot be seen here divides them by 255",
            )


OTHER_DECODER = Rule(
    code="ST416",
    title="training reads images with OpenCV and serving with Pillow",
    explanation=(
        "OpenCV gives BGR, rotates an image by its EXIF orientation and resizes without antialiasing. Pillow gives "
        "RGB, does not rotate and does antialias. A model that was trained with one and is served with the other "
        "still answers, but not as it was measured."
    ),
    fix="put decoding and transforms into one module of the package and call it in training and in serving",
    severity=Severity.WARNING,
    sources=("https://developers.google.com/machine-learning/guides/rules-of-ml#training-serving_skew",),
    detected=(
        "A script that does not ship and looks like training calls cv2.imread or cv2.imdecode, and nothing that "
        "serving reaches imports cv2. "
        "Whether that script trained this model cannot be seen, so it is a warning; golden answers decide."
    ),
    bad="image = cv2.imread(path)  # train.py; the predictor gets a Pillow image",
    good="image = Image.open(path).convert('RGB')  # as the server does",
)


@OTHER_DECODER.decided_by
def _other_decoder(facts: Facts) -> Iterator[Finding]:
    if not facts.scripts or any(i.module.split(".")[0] == "cv2" for _, i in facts.sources.imports()):
        return
    opens_images = "pillow" in {e.name for f in (facts.lock, facts.requirements) if f for e in f.entries}
    for script in facts.scripts if opens_images else ():
        reads = [c for c in script.uses.calls if c.name in ("cv2.imread", "cv2.imdecode")]
        if reads and _trains(script):
            yield OTHER_DECODER.finding(
                f"{script.path} reads images with OpenCV, and serving reads them with Pillow",
                location=reads[0].location,
                cause="whether this script trained the model cannot be seen; if not, nothing is wrong",
            )


def _trains(script: Module) -> bool:
    """Return whether a script seems to train a model or to read data for training."""
    named = any(word in script.path.lower() for word in ("train", "dataset", "data_load", "dataload"))
    return named or any(
        call.method in ("backward", "fit", "DataLoader") or call.name == "torch.save" for call in script.uses.calls
    )
