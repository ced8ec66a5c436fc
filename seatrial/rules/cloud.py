"""Texts that Vertex AI gives for many different faults, and Google's pages that several rules cite.

The texts do not name the cause, so a finding states it beside them.
"""

from __future__ import annotations

SERVER_EXITED = "400 Model server exited unexpectedly. Model server logs can be found at …"
NEVER_READY = "400 Model server never became ready. Please validate that your model file or container …"
EXITED_SOURCE = "https://github.com/googleapis/python-aiplatform/issues/4559"
NEVER_READY_SOURCE = "https://github.com/GoogleCloudPlatform/vertex-ai-samples/issues/3485"
DOCS = "https://docs.cloud.google.com/gemini-enterprise-agent-platform/machine-learning"
ISSUES = "https://github.com/GoogleCloudPlatform/vertex-ai-samples/issues"
COMPUTE = "https://cloud.google.com/vertex-ai/docs/predictions/configure-compute"
PERMISSIONS = "https://cloud.google.com/vertex-ai/docs/general/iam-permissions"
SDK = "https://github.com/googleapis/python-aiplatform/blob/main/google/cloud/aiplatform"
CONTAINER_REQUIREMENTS = f"{DOCS}/predictions/custom-container-requirements"
