"""Google's CPR server, as its images start it."""

import os
import runpy

if __name__ == "__main__":
    os.environ |= {
        "HANDLER_MODULE": "google.cloud.aiplatform.prediction.handler",
        "HANDLER_CLASS": "PredictionHandler",
        "PREDICTOR_MODULE": "pictures.routine",
        "PREDICTOR_CLASS": "Routine",
    }
    runpy.run_module("google.cloud.aiplatform.prediction.model_server", run_name="__main__", alter_sys=True)
