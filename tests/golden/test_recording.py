"""`golden.record`: what a predictor makes of an input is recorded for each interface, and replayed as it was."""

from __future__ import annotations

import base64
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from seatrial import golden
from seatrial.golden.recording import digest_of
from seatrial.golden.stages.pipeline import Pipeline
from seatrial.golden.stages.replay import Replay, aligned
from seatrial.golden.stages.store import Recorded
from seatrial.serving.interfaces import AI_PLATFORM, BATCHED, CPR, Interface
from seatrial.serving.stages import stage

ROOT = Path(__file__).parents[2]
_WEIGHTS = np.random.default_rng(2).normal(size=(2, 48)).astype(np.float32)


class Batched:
    """Names two steps by hand; `factor` and `half` are faults of the second one and of the model."""

    factor = np.float32(1 / 255)
    half = np.float32(1)
    side = 4

    def preprocess(self, image: Image.Image) -> Any:
        small = stage("small", image.resize((self.side, self.side)))
        return stage("scaled", np.asarray(small, np.float32) * self.factor)

    def predict(self, batch: Any) -> Any:
        return batch.reshape(len(batch), -1) @ _WEIGHTS.T * self.half

    def postprocess(self, row: Any) -> Any:
        return {"label": "ab"[int(row.argmax())], "scores": row}


class Cpr(Batched):
    def preprocess(self, body: Any) -> Any:
        files = [base64.b64decode(each["b64"]) for each in body["instances"]]
        images = [Image.open(io.BytesIO(file)).convert("RGB") for file in files]
        return np.stack([Batched.preprocess(self, image) for image in images])

    def postprocess(self, rows: Any) -> Any:
        return {"predictions": [Batched.postprocess(self, row) for row in rows]}


class AiPlatform(Cpr):
    @classmethod
    def from_path(cls, model_dir: str) -> AiPlatform:  # noqa: ARG003
        return cls()

    def predict(self, instances: Any) -> Any:
        rows = super().predict(self.preprocess({"instances": instances}))
        return self.postprocess(rows)["predictions"]


KINDS: dict[str, tuple[type[Batched], Interface]] = {
    "batched": (Batched, BATCHED), "cpr": (Cpr, CPR), "ai-platform": (AiPlatform, AI_PLATFORM)
}  # fmt: skip


@pytest.fixture
def images(tmp_path: Path) -> list[Path]:
    pixels = np.random.default_rng(3).integers(0, 256, (3, 12, 9, 3), dtype=np.uint8)
    files = [tmp_path / f"{number}.png" for number in range(3)]
    for file, each in zip(files, pixels, strict=True):
        Image.fromarray(each).save(file)
    return files


def replayed(artifacts: Path, predictor: object, interface: Interface, files: list[Path]) -> list[list[str]]:
    """Return the names of the stages that differ, of each input."""
    replay = Replay(Pipeline(predictor, interface), Recorded(artifacts / "golden"))
    told = [replay.input(number, file.read_bytes()) for number, file in enumerate(files)]
    assert replay.compared >= len(files) * 2
    return [[stage["name"][0] for stage in each] for each in told]


@pytest.mark.parametrize("kind", KINDS)
def test_every_interface_is_recorded_and_replayed_without_a_difference(
    tmp_path: Path, images: list[Path], kind: str
) -> None:
    predictor, interface = KINDS[kind][0](), KINDS[kind][1]
    examples = golden.record(predictor, images, tmp_path / "artifacts", truths=["a", "b", "a"])
    assert [(each.image, each.truth) for each in examples] == [("0.png", "a"), ("1.png", "b"), ("2.png", "a")]
    index = json.loads((tmp_path / "artifacts/golden/stages.json").read_text())
    assert index["interface"] == kind
    stages = index["inputs"][0]["stages"]
    assert [each["phase"] for each in stages][:1] == ["decode"]
    assert {"small", "scaled"} <= {each["name"] for each in stages}
    assert [each["sha256"] for each in index["inputs"]] == [digest_of(file.read_bytes()) for file in images]
    assert replayed(tmp_path / "artifacts", predictor, interface, images) == [[], [], []]


@pytest.mark.parametrize("kind", KINDS)
def test_each_guilty_stage_is_found_from_the_recorded_input(tmp_path: Path, images: list[Path], kind: str) -> None:
    (predictor, interface), artifacts = KINDS[kind], tmp_path / "artifacts"
    golden.record(predictor(), images, artifacts)
    faulty = predictor()
    faulty.factor = np.float32(1 / 128)
    faulty.half = np.float32(0.5)
    found = replayed(artifacts, faulty, interface, images)
    guilty = ["scaled"] if kind == "ai-platform" else ["scaled", "predict"]  # its answer is the server's to compare
    assert found == [guilty, guilty, ["scaled"]]  # of the third input only samples were kept


def test_only_the_first_inputs_are_kept_in_full(tmp_path: Path, images: list[Path]) -> None:
    class Large(Batched):
        def preprocess(self, image: Image.Image) -> Any:
            stage("large", np.asarray(image.resize((64, 64))))
            return super().preprocess(image)

    golden.record(Large(), images, tmp_path / "artifacts")
    recorded = Recorded(tmp_path / "artifacts/golden")
    kept = [{s["name"]: s["parts"][0] for s in each["stages"]}["large"] for each in recorded.inputs]
    assert [recorded.array(part) is None for part in kept] == [False, False, True]
    assert [recorded.samples(part).size for part in kept] == [1024] * 3


def test_a_step_that_replaces_others_is_compared_with_the_last_of_them() -> None:
    pairs = aligned(["open", "ToTensor", "Normalize"], ["open", "ToImage", "ToDtype", "Normalize"])
    assert [(pair.was, pair.now) for pair in pairs] == [(0, 0), (1, 2), (2, 3)]
    assert (list(pairs[1].instead_of), list(pairs[1].instead)) == ([1], [1, 2])


def test_a_recording_that_was_changed_is_refused(tmp_path: Path, images: list[Path]) -> None:
    golden.record(Batched(), images, tmp_path / "artifacts")
    file = tmp_path / "artifacts/golden/stages.safetensors"
    file.write_bytes(file.read_bytes()[:-1] + b"?")
    with pytest.raises(ValueError, match="not the file"):
        Recorded(file.parent)


def test_the_manifest_lists_the_recording_and_says_who_recorded_it(tmp_path: Path, images: list[Path]) -> None:
    artifacts = tmp_path / "artifacts"
    artifacts.mkdir()
    (artifacts / "weights.bin").write_bytes(b"w" * 1000)
    golden.record(Batched(), images, artifacts, accuracy=0.5)
    manifest = golden.read_manifest(artifacts)
    assert manifest is not None
    assert manifest.recorded is not None
    assert manifest.recorded.how == "training"
    assert {"golden/stages.json", "golden/stages.safetensors", "weights.bin"} <= manifest.files.keys()


@pytest.mark.parametrize(
    ("predictor", "inputs", "refusal"),
    [
        (Batched, [], "is a class"),
        (object(), [], "object has no predict"),
        (Batched(), [3], "an input is an image file"),
        (Batched(), ["missing.png"], "is not a file"),
    ],
    ids=["a class", "no predictor", "a number", "no file"],
)
def test_what_cannot_be_recorded_is_refused(tmp_path: Path, predictor: Any, inputs: list[Any], refusal: str) -> None:
    with pytest.raises((TypeError, ValueError), match=refusal):
        golden.record(predictor, inputs, tmp_path)


ALONE = """
import sys
import numpy as np
from seatrial import golden

class Brightness:
    def preprocess(self, image):
        return np.asarray(image, np.float32)

    def predict(self, batch):
        return batch.mean(axis=(1, 2))

golden.record(Brightness(), sys.argv[1:2], sys.argv[2], how="later")
print(sorted({name.partition(".")[0] for name in sys.modules} & set(sys.argv[3:])))
"""


def test_recording_needs_nothing_of_the_tools_or_the_runtimes_locks(tmp_path: Path, images: list[Path]) -> None:
    theirs = ["filelock", "hatchling", "httptools", "msgspec", "packaging", "pybase64", "pydantic", "rich", "urllib3"]
    theirs += ["uvicorn", "uvloop", "yaml"]
    done = subprocess.run(
        [sys.executable, "-c", ALONE, str(images[0]), str(tmp_path / "artifacts"), *theirs],
        capture_output=True,
        text=True,
        timeout=60,
        env={"PYTHONPATH": str(ROOT)},
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")
