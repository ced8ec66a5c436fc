"""A BentoML service as its guide writes it."""

from typing import Any

import bentoml
from tone import load, tone


@bentoml.service
class Tone:
    """The predictor."""

    def __init__(self) -> None:
        load()

    @bentoml.api(route="/predict")
    def predict(self, instances: list[dict[str, Any]]) -> dict[str, Any]:
        """Answer a request."""
        return {"predictions": [tone(each) for each in instances]}
