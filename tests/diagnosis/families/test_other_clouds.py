"""Other clouds: what is AWS's, Azure's or KServe's is told as such, and what only mentions them is not."""

from __future__ import annotations

import pytest

from tests.diagnosis.families.lines import SITE, Said, hold, raised

S3 = "/app/serving/predictor.py|s3.download_file('models', 'm.pt', '/tmp/m.pt')"
OF_VERTEX = (r"service agent", r"aiplatform", r"search the issues", r"correct the line")
INITIALIZER = (
    "2024-08-13 01:02:12.899 1 kserve INFO [initializer-entrypoint:<module>():16] Initializing, args: src_uri "
    "[s3://model/fish] dest_path[ [/mnt/models]\n"
    'Traceback (most recent call last):\n  File "/storage-initializer/scripts/initializer-entrypoint", line 17, in '
    "<module>\n    Storage.download(src_uri, dest_path)\n"
    '  File "/kserve/kserve/storage/storage.py", line 225, in _download_s3\n    for obj in bucket.objects.filter()\n'
)
LOGS = {
    "no credentials of AWS": Said(
        raised("botocore.exceptions.NoCredentialsError: Unable to locate credentials", S3, "botocore/auth.py|raise"),
        "ST770",
        (r"finds no credentials", r"download_file", r"artifacts", r"not of Vertex AI"),
        OF_VERTEX,
    ),
    "AWS refuses": Said(
        raised(
            "botocore.exceptions.ClientError: An error occurred (403) when calling the HeadObject operation: Forbidden",
            S3,
            "botocore/client.py|raise error_class(parsed_response, operation_name)",
        ),
        "ST770",
        (r"answers 403 to HeadObject", r"s3:GetObject"),
        OF_VERTEX,
    ),
    "what is not there": Said(
        raised(
            "botocore.errorfactory.NoSuchKey: An error occurred (NoSuchKey) when calling the GetObject operation: The "
            "specified key does not exist.",
            S3,
        ),
        "ST770",
        (r"NoSuchKey", r"path"),
        (r"s3:GetObject", *OF_VERTEX),
    ),
    "KServe without credentials": Said(
        INITIALIZER + "botocore.exceptions.NoCredentialsError: Unable to locate credentials\n",
        "ST770",
        (r"storage initializer", r"serviceAccountName"),
        (r"for obj in", *OF_VERTEX),
    ),
    "KServe finds no model": Said(
        INITIALIZER + "RuntimeError: Failed to fetch model. No model found in fish.\n",
        "ST770",
        (r"s3://model/fish", r"storageUri"),
        OF_VERTEX,
    ),
    "Azure's storage": Said(
        raised(
            "azure.core.exceptions.ClientAuthenticationError: DefaultAzureCredential failed to retrieve a token from the "
            "included credentials.\nAttempted credentials:\n\tEnvironmentCredential: authentication unavailable.",
            "/app/serving/predictor.py|client.download_blob()",
        ),
        "ST770",
        (r"asks Azure", r"artifacts"),
        OF_VERTEX,
    ),
    "an entry script of Azure ML": Said(
        raised(
            "ModuleNotFoundError: No module named 'azureml'", "/app/serving/score.py|from azureml.core import Model"
        ),
        "ST770",
        (r"entry script for Azure", r"load\(\) gets"),
        (r"add (?:the line )?`?azureml",),
    ),
    "Azure ML's own server": Said(
        'Traceback (most recent call last):\n  File "/var/azureml-server/user_script.py", line 77, in load_script\n'
        "    main_module_spec.loader.exec_module(user_module)\n"
        '  File "/var/azureml-app/score.py", line 5, in <module>\n    from azureml.core.model import Model\n'
        "ModuleNotFoundError: No module named 'azureml'\n",
        "ST770",
        (r"AZUREML_MODEL_DIR", r"environment"),
        (r"AIP_STORAGE_URI",),
    ),
    "Azure's sentence": Said(
        "ERROR: (None) ResourceNotReady: User container has crashed or terminated: please see to troubleshoot.",
        "ST770",
        (r"get-logs", r"not Vertex AI's"),
    ),
    "SageMaker's answer": Said(
        "botocore.errorfactory.ModelError: An error occurred (ModelError) when calling the InvokeEndpoint operation: "
        'Received server error (500) from primary with message "no"',
        "ST770",
        (r"CloudWatch",),
        OF_VERTEX,
    ),
    "a traceback says more than Azure's sentence": Said(
        "User container has crashed or terminated: Liveness probe failed\n"
        + raised("ModuleNotFoundError: No module named 'timm'", "/app/serving/score.py|import timm"),
        "ST110",
        (r"timm",),
    ),
    "a module that is missing in the user's use of AWS": Said(
        raised("ModuleNotFoundError: No module named 'boto3'", "/app/serving/predictor.py|import boto3"),
        "ST110",
        (r"add `boto3`",),
        (r"ST770",),
    ),
    "KServe's server is not its initializer": Said(
        raised(
            "ModuleNotFoundError: No module named 'timm'",
            f"{SITE}/kserve/model_server.py|model.load()",
            "/app/serving/predictor.py|import timm",
        ),
        "ST110",
        (r"timm",),
        (r"storageUri",),
    ),
}


@pytest.mark.parametrize("name", LOGS)
def test_what_is_said_of_a_log(name: str) -> None:
    hold(LOGS[name])
