"""Family 1, prebuilt images: the pairs of projects."""

from __future__ import annotations

from tests.projects.base import Twin
from tests.projects.locks import dockerfile

PREBUILT = "us-docker.pkg.dev/vertex-ai/prediction/pytorch-{}:latest"

OWN = "us-central1-docker.pkg.dev/example/models/digits:latest"

WORKFLOW = "jobs:\n  deploy:\n    env:\n      IMAGE: {}\n"

TWINS = (
    *(
        Twin("ST114", name, broken, mended)
        for name, broken, mended in (
            ("a base", {"Dockerfile": f"FROM {PREBUILT.format('cpu.1-13')}\n"}, dockerfile()),
            (
                "in a workflow",
                {".github/workflows/deploy.yml": WORKFLOW.format(PREBUILT.format("gpu.2-1"))},
                {".github/workflows/deploy.yml": WORKFLOW.format(OWN)},
            ),
            (
                "in a script",
                {"deploy.py": f'IMAGE = "{PREBUILT.format("gpu.2-0")}"\n'},
                {"deploy.py": f'IMAGE = "{OWN}"\n'},
            ),
            (
                "of another region",
                {"deploy/cloudbuild.yaml": "image: europe-docker.pkg.dev/vertex-ai/prediction/pytorch-cpu.1-12\n"},
                {"deploy/cloudbuild.yaml": f"image: {OWN}\n# was prediction/pytorch-cpu.1-12\n"},
            ),
        )
    ),
    Twin("ST114", "never made", {"deploy.py": f'IMAGE = "{PREBUILT.format("gpu.2-9")}"\n'}, {}, warns=True),
)
