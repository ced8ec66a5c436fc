"""TorchServe's handler: its own image classifier would need captum, and answers in another form."""

from typing import Any

import torch
from pictures import vision
from ts.torch_handler.base_handler import BaseHandler


class Classifier(BaseHandler):
    """The predictor. A batch holds several requests, and a request several instances."""

    def initialize(self, context: Any) -> None:
        """Load the model."""
        self._model = vision.load(context.system_properties["model_dir"])
        self.initialized = True

    def handle(self, data: list[dict[str, Any]], context: Any) -> list[dict[str, Any]]:  # noqa: ARG002
        """Answer several requests."""
        bodies = [row.get("body") or row.get("data") for row in data]
        images = [vision.decoded(instance) for body in bodies for instance in body["instances"]]
        rows = vision.scores(self._model, torch.stack(images)).split([len(body["instances"]) for body in bodies])
        return [{"predictions": [vision.best(row) for row in each]} for each in rows]
