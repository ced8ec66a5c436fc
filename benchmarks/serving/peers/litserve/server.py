"""A LitServe server as its guide writes one with batches, with WORKERS processes and batches of BATCH."""

import os
from typing import Any

import litserve
import torch
from pictures import vision


class Classifier(litserve.LitAPI):
    """The predictor. A request may hold several instances; a batch holds several requests."""

    def setup(self, device: str) -> None:  # noqa: ARG002
        """Load the model."""
        self._model = vision.load(os.environ["AIP_STORAGE_URI"])

    def decode_request(self, request: dict[str, Any]) -> torch.Tensor:
        """Return the images of a request."""
        return torch.stack([vision.decoded(instance) for instance in request["instances"]])

    def batch(self, inputs: list[torch.Tensor]) -> tuple[torch.Tensor, list[int]]:
        """Join the images of several requests."""
        return torch.cat(inputs), [len(each) for each in inputs]

    def predict(self, inputs: tuple[torch.Tensor, list[int]]) -> tuple[torch.Tensor, list[int]]:
        """Return the probabilities."""
        images, sizes = inputs
        return vision.scores(self._model, images), sizes

    def unbatch(self, output: tuple[torch.Tensor, list[int]]) -> Any:
        """Return the probabilities of each request."""
        rows, sizes = output
        return rows.split(sizes)

    def encode_response(self, output: torch.Tensor) -> dict[str, Any]:
        """Return the body of the answer."""
        return {"predictions": [vision.best(row) for row in output]}


if __name__ == "__main__":
    api = Classifier(max_batch_size=int(os.environ["BATCH"]), api_path=os.environ["AIP_PREDICT_ROUTE"])
    server = litserve.LitServer(
        api,
        accelerator="cpu",
        workers_per_device=int(os.environ["WORKERS"]),
        healthcheck_path=os.environ["AIP_HEALTH_ROUTE"],
        timeout=120,
    )
    port = int(os.environ["AIP_HTTP_PORT"])
    server.run(host="0.0.0.0", port=port, generate_client_file=False, log_level="warning", access_log=False)  # noqa: S104
