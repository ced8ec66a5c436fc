"""Family 7, the project's own deploy scripts: the pairs of projects."""

from __future__ import annotations

from tests.projects.base import Files, Twin


def script(text: str) -> Files:
    """Return a script that does not ship."""
    return {"scripts/release.py": text}


RETIRED = [
    Twin("ST730", name, {path: broken}, {path: mended}, warns=True)
    for name, (path, broken, mended) in {
        "a shell script": (
            "deploy.sh",
            "gcloud beta ai-platform versions create v1 --model m\n",
            "gcloud ai models list\n",
        ),
        "a workflow": (
            ".github/workflows/old.yml",
            "jobs:\n  a:\n    runs-on: ubuntu-24.04\n    steps:\n      - run: gcloud ai-platform models list\n",
            "jobs:\n  a:\n    runs-on: ubuntu-24.04\n    steps:\n      - run: gcloud ai models list\n",
        ),
        "a client": (
            "release.py",
            "from googleapiclient import discovery\n\nml = discovery.build('ml', 'v1')\n",
            "from googleapiclient import discovery\n\nml = discovery.build('aiplatform', 'v1')\n",
        ),
        "a client under another name": (
            "release.py",
            "import googleapiclient.discovery as d\n\nSERVICE = 'ml'\nml = d.build(SERVICE, 'v1')\n",
            "import googleapiclient.discovery as d\n\nSERVICE = 'aiplatform'\nml = d.build(SERVICE, 'v1')\n",
        ),
    }.items()
]

IMPORTS = {
    "by module": ("from google.cloud import aiplatform", "aiplatform.Model"),
    "under another name": ("import google.cloud.aiplatform as aip", "aip.Model"),
    "by name": ("from google.cloud.aiplatform import Model as M", "M"),
}

UNTESTED = [
    Twin(
        "ST731",
        name,
        script(f"{imports}\n\n{model}.upload(display_name='m')\n"),
        script(f"{imports}\n\n{model}.upload(display_name='m', parent_model='p', is_default_version=False)\n"),
        warns=True,
    )
    for name, (imports, model) in IMPORTS.items()
] + [
    Twin(
        "ST731",
        "the default at once",
        script("from google.cloud import aiplatform\n\naiplatform.Model.upload(parent_model='p')\n"),
        script("from google.cloud import aiplatform\n\naiplatform.Model.upload(**arguments)\n"),
        warns=True,
    )
]

BEGIN = "from google.cloud import aiplatform\n\nendpoint = aiplatform.Endpoint('e')\n"

REFUSED = [
    Twin("ST732", name, script(BEGIN + broken), script(BEGIN + mended))
    for name, (broken, mended) in {
        "a split": (
            "endpoint.deploy(model, traffic_split={'0': 10, '1': 80})\n",
            "endpoint.deploy(model, traffic_split={'0': 10, '1': 90})\n",
        ),
        "a split in a variable": (
            "split = {'0': 50, '1': 60}\nendpoint.update(traffic_split=split)\n",
            "split = {'0': 50, '1': 50}\nendpoint.update(traffic_split=split)\n",
        ),
        "a helper away": (
            "def deploy(endpoint, model):\n    endpoint.deploy(model, traffic_percentage=110)\n",
            "def deploy(endpoint, model):\n    endpoint.deploy(model, traffic_percentage=100)\n",
        ),
        "an accelerator": (
            "endpoint.deploy(model, accelerator_type='NVIDIA_L4')\n",
            "endpoint.deploy(model, accelerator_type='NVIDIA_L4', accelerator_count=1)\n",
        ),
    }.items()
]

TWINS = (
    *RETIRED,
    *UNTESTED,
    *REFUSED,
)
