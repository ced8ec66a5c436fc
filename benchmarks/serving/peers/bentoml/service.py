"""A BentoML service with adaptive batches, as its guide writes one, in WORKERS processes."""

import os
from typing import Any

import bentoml
import torch
from pictures import vision


@bentoml.service(workers=int(os.environ["WORKERS"]), traffic={"timeout": 120}, logging={"access": {"enabled": False}})
class Classifier:
    """The predictor."""

    def __init__(self) -> None:
        self._model = vision.load(os.environ["AIP_STORAGE_URI"])

    @bentoml.api(route="/predict", batchable=True, max_batch_size=int(os.environ["BATCH"]), max_latency_ms=60_000)
    def predict(self, instances: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Answer the instances of several requests; a batchable API answers with a bare list."""
        batch = torch.stack([vision.decoded(instance) for instance in instances])
        return [vision.best(row) for row in vision.scores(self._model, batch)]
