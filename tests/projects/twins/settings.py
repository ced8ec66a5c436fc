"""Family 7, settings: the pairs of projects."""

from __future__ import annotations

import json

from tests.projects.base import BASE, Files, Twin

PYPROJECT = str(BASE["pyproject.toml"])


def vertex(image: str = "", **settings: str | int) -> Files:
    """Return the base's configuration with a table for Vertex AI, and a repository for the image."""
    lines = [f"{key.replace('_', '-')} = {json.dumps(value)}" for key, value in settings.items()]
    tables = [PYPROJECT, "[tool.seatrial.vertex]", *lines]
    if image:
        tables += ["[tool.seatrial.image]", f'repository = "{image}"']
    return {"pyproject.toml": "\n".join(tables) + "\n"}


def golden(size: int, **settings: str) -> Files:
    """Return one golden example of a size in bytes, with its settings."""
    example = [{"instance": "x" * size, "response": {"scores": [0.5]}}]
    return {"artifacts/golden/golden.json": json.dumps(example), **vertex(**settings)}


HERE = "us-central1-docker.pkg.dev/p/r/i"

BEGIN = {
    "deploy.py": "from google.cloud import aiplatform\n\nm = aiplatform.Model('m')\n",
    "deploy.sh": "gcloud ai endpoints deploy-model 1 --region=r ",
    "main.tf": "machine_spec {\n",
}

TWINS = (
    *(
        Twin("ST723", name, vertex(image, project="my-project"), vertex(HERE, project="my-project"))
        for name, image in {
            "another region": "europe-west4-docker.pkg.dev/p/r/i",
            "a multi-region": "us-docker.pkg.dev/p/r/i",
            "another registry": "gcr.io/p/i",
        }.items()
    ),
    Twin(
        "ST723",
        "a region of the model's own",
        vertex(HERE, project="my-project", region="us-east1"),
        vertex("us-east1-docker.pkg.dev/p/r/i", project="my-project", region="us-east1"),
    ),
    Twin("ST725", "shared", golden(1_600_000, endpoint_type="shared"), golden(1_600_000)),
    Twin("ST725", "dedicated", golden(10_100_000), golden(9_000_000)),
    Twin("ST725", "shared, by a little", golden(1_500_000, endpoint_type="shared"), golden(1_400_000)),
    *(
        Twin("ST726", name, vertex(**broken), vertex(**mended), warns=name == "unknown")
        for name, (broken, mended) in {
            "not attachable": (
                {"machine_type": "e2-standard-4", "accelerator_type": "NVIDIA_TESLA_T4"},
                {"machine_type": "n1-standard-4", "accelerator_type": "NVIDIA_TESLA_T4"},
            ),
            "too many": (
                {"machine_type": "n1-standard-4", "accelerator_type": "NVIDIA_TESLA_T4", "accelerator_count": 3},
                {"machine_type": "n1-standard-4", "accelerator_type": "NVIDIA_TESLA_T4", "accelerator_count": 2},
            ),
            "unnamed": (
                {"machine_type": "g2-standard-4"},
                {"machine_type": "g2-standard-4", "accelerator_type": "NVIDIA_L4"},
            ),
            "unknown": ({"machine_type": "n9-standard-4"}, {"machine_type": "n1-standard-4"}),
        }.items()
    ),
    *(
        Twin("ST726", name, {path: f"{BEGIN[path]}{broken}"}, {path: f"{BEGIN[path]}{mended}"})
        for name, (path, broken, mended) in {
            "in a script": (
                "deploy.py",
                "m.deploy(machine_type='g2-standard-8', accelerator_type='NVIDIA_L4', accelerator_count=8)\n",
                "m.deploy(machine_type='g2-standard-8', accelerator_type='NVIDIA_L4', accelerator_count=1)\n",
            ),
            "an accelerator that is gone": (
                "deploy.py",
                "m.deploy(machine_type='n1-standard-4', accelerator_type='NVIDIA_TESLA_K80', accelerator_count=1)\n",
                "m.deploy(machine_type='n1-standard-4', accelerator_type='NVIDIA_TESLA_T4', accelerator_count=1)\n",
            ),
            "by gcloud": (
                "deploy.sh",
                "--machine-type=a2-highgpu-2g --accelerator=type=nvidia-tesla-a100,count=4\n",
                "--machine-type=a2-highgpu-2g --accelerator=type=nvidia-tesla-a100,count=2\n",
            ),
            "by Terraform": (
                "main.tf",
                'machine_type = "g2-standard-4"\n}\n',
                'machine_type = "g2-standard-4"\naccelerator_type = "NVIDIA_L4"\n}\n',
            ),
            "a machine with TPUs": (
                "deploy.py",
                "m.deploy(machine_type='e2-standard-4', accelerator_type='NVIDIA_L4', accelerator_count=1)\n",
                "m.deploy(machine_type='ct5lp-hightpu-1t')\n",
            ),
        }.items()
    ),
)
