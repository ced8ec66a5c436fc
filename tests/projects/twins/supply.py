"""Families 1 and 8: where what is installed comes from, and which credentials go along."""

from __future__ import annotations

from tests.projects.base import Files, Twin
from tests.projects.twins.locks import ASKED, LOCK, SETTINGS
from tests.projects.twins.pairs import HASHED, dockerfile

PREBUILT = "us-docker.pkg.dev/vertex-ai/prediction/pytorch-{}:latest"
OWN = "us-central1-docker.pkg.dev/example/models/digits:latest"
INDEX = "https://packages.example/simple"
LOGIN = "https://build:hunter2@packages.example/simple"
NEW_LAYERS = "RUN pip install --no-deps ./layers"


def asked(*lines: str) -> Files:
    return {"requirements.in": "".join(f"{line}\n" for line in lines) + ASKED}


def locked(*lines: str) -> Files:
    """Give lines of an index in requirements.in and in the lock alike, as `seatrial lock` writes them."""
    return {**asked(*lines), "requirements.txt": "".join(f"{line}\n" for line in lines) + LOCK}


WORKFLOW = "jobs:\n  deploy:\n    env:\n      IMAGE: {}\n"
KEY = "-----BEGIN PRIVATE KEY-----\n" + "A" * 64 + "\n-----END PRIVATE KEY-----\n"
COPY_ALL = dockerfile("WORKDIR /app", "COPY . .")

TWINS = (
    *(
        Twin("ST108", name, dockerfile(*lines), dockerfile(HASHED, NEW_LAYERS), warns=True)
        for name, lines in {
            "two lines": ("RUN pip install torch==2.8.0 torchvision==0.23.0", "RUN pip install timm"),
            "in one line": ("RUN pip3 install torch==2.8.0 && pip3 install timm==1.0.20",),
            "another file": (HASHED, "RUN python -m pip install -r more.txt"),
            "continued": (
                "RUN pip install --upgrade pip",
                HASHED,
                "RUN uv pip install --system \\\n    # fast\n    timm",
            ),
        }.items()
    ),
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
    Twin("ST801", "by its name", {"predictor/.env": "TOKEN=1\n"}, {"predictor/env.txt": "TOKEN=1\n"}),
    Twin("ST801", "by its content", {"predictor/words.txt": KEY}, {"predictor/words.txt": "a public key\n"}),
    Twin("ST801", "in the artifacts", {"artifacts/service-account-key.json": "{}"}, {"artifacts/labels.json": "{}"}),
    Twin(
        "ST801",
        "as package data",
        {"pyproject.toml": f'{SETTINGS}package-data = ["data/*"]\n', "data/server.key": "x"},
        {"pyproject.toml": f'{SETTINGS}package-data = ["data/*"]\n', "data/keys.csv": "x"},
    ),
    *(
        Twin("ST804", name, dockerfile(line), dockerfile(HASHED), warns=True)
        for name, line in {
            "a repository": "RUN pip install git+https://github.com/example/layers.git@main",
            "editable": "RUN pip3 install -e git+https://github.com/example/layers#egg=layers",
            "an archive": "RUN python3.11 -m pip install https://packages.example/layers-1.0.tar.gz",
            "by name": "RUN uv pip install 'layers @ https://packages.example/layers-1.0-py3-none-any.whl'",
        }.items()
    ),
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
    *(
        Twin("ST807", name, broken, mended, warns=True)
        for name, broken, mended in (
            ("in requirements.in", locked(f"--extra-index-url {INDEX}"), locked(f"--index-url {INDEX}")),
            ("in a Dockerfile", dockerfile(f"{HASHED} --extra-index-url={INDEX}"), dockerfile(f"{HASHED} -i {INDEX}")),
            ("a variable", dockerfile(f'ENV PIP_EXTRA_INDEX_URL="{INDEX}"'), dockerfile(f"ENV PIP_INDEX_URL={INDEX}")),
            (
                "of uv",
                {"pyproject.toml": f'{SETTINGS}\n[tool.uv]\nextra-index-url = ["{INDEX}"]\n'},
                {"pyproject.toml": f'{SETTINGS}\n[tool.uv]\nindex-url = "{INDEX}"\n'},
            ),
            (
                "of pip",
                {"pip.conf": f"[global]\nextra-index-url =\n    {INDEX}\n"},
                {"pip.conf": f"[global]\nindex-url = {INDEX}\n"},
            ),
        )
    ),
    *(
        Twin("ST808", name, broken, mended, warns=True)
        for name, broken, mended in (
            ("in requirements.in", asked("--pre"), {}),
            ("in a Dockerfile", dockerfile("RUN pip install --pre torch"), dockerfile(HASHED)),
            (
                "an index",
                locked("--index-url https://download.pytorch.org/whl/nightly/cpu"),
                locked("--index-url https://download.pytorch.org/whl/cpu"),
            ),
            (
                "of uv",
                {"pyproject.toml": f'{SETTINGS}\n[tool.uv]\nprerelease = "allow"\n'},
                {"pyproject.toml": f'{SETTINGS}\n[tool.uv]\nprerelease = "disallow"\n'},
            ),
        )
    ),
    *(
        Twin("ST809", name, broken, mended, warns=True)
        for name, broken, mended in (
            (
                "in requirements.in",
                locked("--index-url http://packages.example/simple"),
                locked("--index-url http://localhost:3141/simple"),
            ),
            (
                "trusted in a Dockerfile",
                dockerfile(f"{HASHED} --trusted-host packages.example"),
                dockerfile(f"{HASHED} --trusted-host localhost"),
            ),
            (
                "of pip",
                {"pip.conf": "[global]\ntrusted-host = packages.example\n"},
                {"pip.conf": f"[global]\nindex-url = {INDEX}\n"},
            ),
        )
    ),
)
