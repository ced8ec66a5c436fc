"""The texts that Vertex AI gives for many different faults, quoted once.

They name no cause: that is why a finding says it beside them.
"""

SERVER_EXITED = "400 Model server exited unexpectedly. Model server logs can be found at …"
NEVER_READY = "400 Model server never became ready. Please validate that your model file or container …"
EXITED_SOURCE = "https://github.com/googleapis/python-aiplatform/issues/4559"
NEVER_READY_SOURCE = "https://github.com/GoogleCloudPlatform/vertex-ai-samples/issues/3485"
