"""Family 7, other clouds: what AWS, Azure and KServe say about a model. None of it is a text of Vertex AI.

Nothing here is decided from facts: the logs show it.
"""

from __future__ import annotations

from seatrial.rules.rule import Rule

OTHER_CLOUD = Rule(
    code="ST770",
    title="a service of another cloud refuses, or serves otherwise",
    explanation=(
        "The text is of AWS, Azure or KServe, and not of Vertex AI. Either the predictor fetches its files from a "
        "storage of another cloud, for which a machine of Google has no identity; or the log is of a server of that "
        "cloud, which calls the code in another way than Vertex AI does."
    ),
    fix="ship the files as artifacts, which load() gets as a folder, and keep what belongs to another cloud out of it",
    cloud="botocore.exceptions.NoCredentialsError: Unable to locate credentials",
    sources=(
        "https://boto3.amazonaws.com/v1/documentation/api/latest/guide/credentials.html",
        "https://kserve.github.io/website/docs/model-serving/storage/overview",
        "https://learn.microsoft.com/azure/machine-learning/how-to-troubleshoot-online-endpoints",
    ),
    recognised=(
        "By the distribution whose code raised it (botocore, azure-core, kserve's storage), or by a sentence that only "
        "that service prints."
    ),
)
