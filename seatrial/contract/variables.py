"""The variables that Vertex AI sets in a container."""

from __future__ import annotations

# Names and forms as Vertex gives them; see "Custom container requirements for inference", table of variables.
CONTRACT = {
    "AIP_MODE": "PREDICTION",
    "AIP_MODE_VERSION": "1.0.0",
    "AIP_FRAMEWORK": "CUSTOM_CONTAINER",
    "AIP_HEALTH_ROUTE": "/v1/endpoints/1/deployedModels/1",
    "AIP_PREDICT_ROUTE": "/v1/endpoints/1/deployedModels/1:predict",
    "AIP_STORAGE_URI": "",
    "AIP_PROJECT_NUMBER": "1",
    "AIP_ENDPOINT_ID": "1",
    "AIP_MODEL_NAME": "1",
    "AIP_DEPLOYED_MODEL_ID": "1",
    "AIP_VERSION_NAME": "1",
    "AIP_MACHINE_TYPE": "n1-standard-4",
}

ACCELERATOR = {"AIP_ACCELERATOR_TYPE": "ACCELERATOR_TYPE_UNSPECIFIED"}  # Vertex sets it on machines that have one
