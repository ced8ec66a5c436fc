"""Train the example on scikit-learn's digits and write artifacts/: weights, labels, golden answers, manifest.

Run it in this folder, with scikit-learn beside requirements.txt and the repository on PYTHONPATH. Golden answers
come from the predictor class itself, asked for one held-out digit at a time; nothing is written if too few are right.
"""

from __future__ import annotations

import base64
import io
import json
import os
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from digits.model import build_model, build_transform
from digits.predictor import DigitsPredictor
from PIL import Image
from sklearn.datasets import load_digits
from torch import nn

from seatrial import golden

ARTIFACTS = Path(__file__).parent / "artifacts"
MOST_INK = 16  # sklearn.datasets.load_digits: "Features: integers 0-16"
HELD_OUT = 5  # every fifth digit is kept from training
ENOUGH = 0.95  # share of held-out digits that must be right
GOLDEN = 12


def main() -> None:
    """Train, measure, write."""
    torch.manual_seed(0)
    data = load_digits()
    files = [_file_of(levels) for levels in data.images]
    labels = torch.tensor(data.target)
    inputs = torch.stack([build_transform()(Image.open(io.BytesIO(file)).convert("RGB")) for file in files])
    held_out = torch.arange(len(files)) % HELD_OUT == 0
    model = _fit(inputs[~held_out], labels[~held_out])

    weights = {name: value.contiguous() for name, value in model.state_dict().items()}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        torch.save(weights, folder / "weights.pt")
        (folder / "labels.json").write_text(json.dumps([str(digit) for digit in range(10)]) + "\n")
        indices = held_out.nonzero().flatten().tolist()
        instances = [{"b64": base64.b64encode(files[index]).decode()} for index in indices]
        responses = _ask(folder, instances)
        right = [int(r["label"]) == labels[i] for r, i in zip(responses, indices, strict=True)]
        accuracy = sum(map(bool, right)) / len(right)
        if accuracy < ENOUGH:
            sys.exit(f"only {accuracy:.3f} of {len(right)} held-out digits are right")
        ARTIFACTS.mkdir(exist_ok=True)
        for file in folder.iterdir():
            (ARTIFACTS / file.name).write_bytes(file.read_bytes())
    examples = [
        golden.GoldenExample(instance=instance, response=response, truth=str(int(labels[index])))
        for instance, response, index in list(zip(instances, responses, indices, strict=True))[:GOLDEN]
    ]
    golden.write(ARTIFACTS, examples)
    golden.write_manifest(ARTIFACTS, how="training", accuracy=accuracy)
    print(f"{accuracy:.3f} of {len(right)} held-out digits are right")  # noqa: T201


def _file_of(levels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray((levels * (255 / MOST_INK)).round().astype(np.uint8)).save(file, "PNG")
    return file.getvalue()


def _fit(inputs: torch.Tensor, labels: torch.Tensor, epochs: int = 30, batch: int = 64) -> nn.Module:
    model = build_model(10)
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    for _ in range(epochs):
        for chosen in torch.randperm(len(inputs)).split(batch):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(inputs[chosen]), labels[chosen]).backward()
            optimizer.step()
    return model.eval()


def _ask(artifacts: Path, instances: list[dict[str, str]]) -> list[dict[str, object]]:
    """Ask the predictor as its server would, in a scratch folder, because load() copies into the current one."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as scratch:
        os.chdir(scratch)
        try:
            predictor = DigitsPredictor()
            predictor.load(str(artifacts))
        finally:
            os.chdir(before)
    answers = []
    for instance in instances:
        results = predictor.predict(predictor.preprocess({"instances": [instance]}))
        answers += predictor.postprocess(results)["predictions"]
    return answers


if __name__ == "__main__":
    main()
