"""Family 7, uploads: the pairs of projects."""

from __future__ import annotations

from tests.projects.base import Twin

SDK = (
    "from google.cloud import aiplatform\n\naiplatform.Model.upload(\n    parent_model='p', is_default_version=False,\n"
)
ROUTES = "    serving_container_health_route='/h', serving_container_predict_route='/p',\n"
IMAGE, GOOGLES = "us-central1-docker.pkg.dev/p/r/i", "us-docker.pkg.dev/vertex-ai/prediction/tf2-cpu.2-15"
COMMAND = f"gcloud ai models upload --region=r --display-name=n --container-image-uri={IMAGE}"


def script(image: str, more: str = "") -> str:
    return f"{SDK}    serving_container_image_uri={image},\n{more})\n"


SPELLINGS = {
    "by the SDK": ("deploy.py", script(f"'{IMAGE}'"), script(f"'{IMAGE}'", ROUTES)),
    "one route": ("deploy.py", script(f"'{IMAGE}'", ROUTES.split(",", maxsplit=1)[0] + ",\n"), script(f"'{GOOGLES}'")),
    "by gcloud": ("deploy.sh", f"{COMMAND}\n", f"{COMMAND} --container-health-route=/h --container-predict-route=/p\n"),
    "in a workflow": (
        ".github/workflows/a.yml",
        f"jobs:\n  a:\n    steps:\n      - run: |\n          docker info\n          {COMMAND}\n",
        f"jobs:\n  a:\n    steps:\n      - run: docker info; {COMMAND.replace(IMAGE, GOOGLES)}\n",
    ),
}

TWINS = tuple(
    Twin("ST750", name, {path: broken}, {path: mended}, warns=True)
    for name, (path, broken, mended) in SPELLINGS.items()
)
