"""A LitServe server as its readme writes it."""

import os
from typing import Any

import litserve
from tone import load, tone


class Tone(litserve.LitAPI):
    """The predictor."""

    def setup(self, device: str) -> None:  # noqa: ARG002
        """Load the model."""
        load()

    def decode_request(self, request: dict[str, Any]) -> Any:
        """Return the instances of a request."""
        return request["instances"]

    def predict(self, instances: Any) -> Any:
        """Answer them."""
        return [tone(each) for each in instances]

    def encode_response(self, predictions: Any) -> dict[str, Any]:
        """Return the body of the answer."""
        return {"predictions": predictions}


if __name__ == "__main__":
    api = Tone(api_path=os.environ["AIP_PREDICT_ROUTE"])
    server = litserve.LitServer(api, accelerator="cpu", healthcheck_path=os.environ["AIP_HEALTH_ROUTE"])
    server.run(host="0.0.0.0", port=int(os.environ["AIP_HTTP_PORT"]), generate_client_file=False)  # noqa: S104
