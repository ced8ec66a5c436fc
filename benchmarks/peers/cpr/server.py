"""Google's CPR server, as its images start it, with a predictor as its guide shows one."""

import os
import runpy
from typing import Any

from google.cloud.aiplatform.prediction.predictor import Predictor
from tone import load, tone


class Tone(Predictor):
    """The predictor."""

    def load(self, artifacts_uri: str) -> None:  # noqa: ARG002
        """Load the model."""
        load()

    def predict(self, instances: Any) -> Any:
        """Answer a whole request."""
        return {"predictions": [tone(each) for each in instances["instances"]]}


if __name__ == "__main__":
    os.environ |= {
        "HANDLER_MODULE": "google.cloud.aiplatform.prediction.handler",
        "HANDLER_CLASS": "PredictionHandler",
        "PREDICTOR_MODULE": "server",
        "PREDICTOR_CLASS": "Tone",
    }
    runpy.run_module("google.cloud.aiplatform.prediction.model_server", run_name="__main__", alter_sys=True)
