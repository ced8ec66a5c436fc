"""Train the demo predictor and write artifacts/: weights, labels, golden answers, manifest.

Deterministic: the same lock on the same kind of machine writes the same bytes. The predictor class itself answers the
held-out scans, one file at a time, as a server does; the folder is replaced only if enough answers are right. The
golden answers, and all stages before them, are those of the model that was trained, before anything was loaded from a
file.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn
from torchvision import transforms

from predictor import DigitPredictor
from predictor.model import build_model
from predictor.transforms import build_transform
from seatrial import golden
from training import scans, split

ARTIFACTS = Path(__file__).parent.parent / "artifacts"
LABELS = tuple("0123456789")
LEAST_ACCURACY = 0.97  # on held-out scans; below it nothing is written
GOLDEN_IMAGES = 12
EPOCHS = 25
BATCH = 64
PEAK_RATE = 8e-3
THREADS = 1  # the order of a sum depends on it; two threads spin while another job has a core


def main() -> None:
    """Train, measure and write."""
    os.environ["CUDA_VISIBLE_DEVICES"] = ""  # golden scores come from the CPU on every machine
    torch.set_num_threads(THREADS)
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(0)
    everything = scans.load()
    model = train([everything[index] for index in split.trained_on()])
    write(ARTIFACTS, model, [everything[index] for index in split.held_out()])


def train(pages: list[scans.Scan]) -> nn.Module:
    """Return a model fitted to `pages`; print a line for each epoch."""
    augment = transforms.RandomAffine(degrees=15, shear=15, fill=235)
    transform = build_transform()
    images = [page.open() for page in pages]
    labels = torch.tensor([LABELS.index(page.label) for page in pages])
    # The model's convolutions are faster in channels_last, on a CPU too.
    model = build_model(classes=len(LABELS)).train().to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(model.parameters(), lr=PEAK_RATE, weight_decay=0.05)
    steps = len(images) // BATCH
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, PEAK_RATE, total_steps=EPOCHS * steps)
    for epoch in range(1, EPOCHS + 1):
        began, total = time.perf_counter(), 0.0
        for chosen in torch.randperm(len(images))[: steps * BATCH].split(BATCH):
            inputs = torch.stack([transform(augment(images[index])) for index in chosen.tolist()])
            total += _step(model, optimizer, inputs, labels[chosen])
            schedule.step()
        seconds = time.perf_counter() - began
        print(f"epoch {epoch:2}/{EPOCHS}  loss {total / steps:.4f}  {seconds:.1f} s", flush=True)
    return model.to(memory_format=torch.contiguous_format)


def _step(model: nn.Module, optimizer: torch.optim.Optimizer, inputs: Tensor, labels: Tensor) -> float:
    loss = nn.functional.cross_entropy(model(inputs), labels, label_smoothing=0.1)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


def write(artifacts: Path, model: nn.Module, held_out: list[scans.Scan]) -> None:
    """Replace the folder `artifacts` as a whole; a run that fails leaves it as it was."""
    made = artifacts.with_name(f"{artifacts.name}.partial")
    shutil.rmtree(made, ignore_errors=True)
    (made / "golden").mkdir(parents=True)
    weights = io.BytesIO()  # in memory, because torch writes the name of a file into it
    torch.save(model.state_dict(), weights)
    (made / "weights.pt").write_bytes(weights.getvalue())
    (made / "labels.json").write_text(json.dumps(LABELS) + "\n", encoding="utf-8")
    predictor = DigitPredictor()
    predictor.load(str(made))
    right = rightly_answered(predictor, held_out)
    chosen = _one_a_label_first(right)
    golden.record(
        Trained(model.eval()),
        [(f"scan-{page.index:04}{page.suffix}", page.data) for page in chosen],
        made,
        truths=[page.label for page in chosen],
        accuracy=len(right) / len(held_out),
        how="training",
    )
    _replace(artifacts, made)


def rightly_answered(predictor: DigitPredictor, held_out: list[scans.Scan]) -> list[scans.Scan]:
    """Print the held-out accuracy; return the pages that the predictor answered rightly."""
    right = [page for page in held_out if _answer(predictor, page.open())["label"] == page.label]
    accuracy = len(right) / len(held_out)
    print(f"held-out accuracy {accuracy:.4f} ({len(right)} of {len(held_out)})")
    if accuracy < LEAST_ACCURACY:
        raise SystemExit(f"not written: held-out accuracy is below {LEAST_ACCURACY}")
    return right


def _one_a_label_first(pages: list[scans.Scan]) -> list[scans.Scan]:
    """Return the golden pages in the order of the data set: the first of every label, and the first of the rest."""
    first = {page.label: page for page in reversed(pages)}
    rest = [page for page in pages if page is not first[page.label]]
    chosen = [*first.values(), *rest[: GOLDEN_IMAGES - len(first)]]
    return sorted(chosen, key=lambda page: page.index)


class Trained:
    """The model as training left it in memory, with training's own transform."""

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self._transform = build_transform()

    def preprocess(self, image: Image.Image) -> Tensor:
        """Return what the model was trained on."""
        return self._transform(image)

    @torch.inference_mode()
    def predict(self, batch: Tensor) -> Tensor:
        """Return the probability of every label."""
        return self._model(batch).softmax(dim=1)

    def postprocess(self, scores: Tensor) -> dict[str, Any]:
        """Return the most probable label and all probabilities."""
        return {"label": LABELS[int(scores.argmax())], "scores": scores.tolist()}


def _answer(predictor: DigitPredictor, image: Image.Image) -> dict[str, Any]:
    batch = predictor.preprocess(image).unsqueeze(0)
    return predictor.postprocess(predictor.predict(batch)[0])


def _replace(folder: Path, by: Path) -> None:
    old = folder.with_name(f"{folder.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    by.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


if __name__ == "__main__":
    main()
