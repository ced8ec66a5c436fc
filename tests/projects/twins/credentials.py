"""Family 8, credentials: the pairs of projects."""

from __future__ import annotations

from tests.projects.base import Twin
from tests.projects.locks import INDEX, SETTINGS, asked, dockerfile

LOGIN = "https://build:hunter2@packages.example/simple"

COPY_ALL = dockerfile("WORKDIR /app", "COPY . .")

TWINS = (
    Twin("ST805", "in requirements.in", asked(f"--index-url {LOGIN}"), asked(f"--index-url {INDEX}")),
    Twin(
        "ST805",
        "of pip",
        {"pip.conf": f"[global]\nindex-url = {LOGIN}\n"},
        {"pip.conf": f"[global]\nindex-url = {INDEX}\n"},
    ),
    Twin(
        "ST805",
        "in an image",
        dockerfile("ARG TOKEN", f"ENV PIP_INDEX_URL={LOGIN}"),
        dockerfile(
            "ARG TOKEN", "RUN pip install -i https://build:${TOKEN}@packages.example/simple -r requirements.txt"
        ),
    ),
    Twin(
        "ST805",
        "a token alone",
        {".github/workflows/ci.yml": "run: pip install git+https://ghp_x1@github.com/example/layers\n"},
        {".github/workflows/ci.yml": "run: pip install git+https://${{ secrets.T }}@github.com/example/layers\n"},
    ),
    Twin(
        "ST805",
        "of uv",
        {"pyproject.toml": f'{SETTINGS}\n[[tool.uv.index]]\nurl = "{LOGIN}"\nexplicit = true\n'},
        {"pyproject.toml": f'{SETTINGS}\n[[tool.uv.index]]\nurl = "{INDEX}"\nexplicit = true\n'},
    ),
    *(
        Twin("ST806", name, {**COPY_ALL, path: "x"}, {**COPY_ALL, path: "x", ".dockerignore": ignore}, warns=True)
        for name, path, ignore in (
            ("beside the Dockerfile", ".env", ".env\n"),
            ("in a folder", "keys/deploy.pem", "keys\n"),
            ("of a login", "config/gcp/credentials.json", "# keys\n**/*.json\n!artifacts/**\n"),
        )
    ),
)
