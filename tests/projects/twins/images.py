"""Family 7, the project's own Dockerfiles: the pairs of projects."""

from __future__ import annotations

from collections.abc import Iterator

from tests.projects.base import Files, Twin

CUDA = "nvidia/cuda:12.8.0-runtime-ubuntu24.04"


def image(*lines: str, base: str = "python:3.11-slim-bookworm", **others: str) -> Files:
    text = "\n".join((f"FROM {base}", *lines)) + "\n"
    return {"Dockerfile": text, **{name.replace("_", "."): content for name, content in others.items()}}


def _pairs(code: str, pairs: dict[str, tuple[Files, Files]]) -> Iterator[Twin]:
    for name, (broken, mended) in pairs.items():
        yield Twin(code, name, broken, mended, warns=True)


PORT = "serving_container_ports=[9000]"
UPLOAD = (
    "from google.cloud import aiplatform\n\naiplatform.Model.upload(\n    parent_model='p', is_default_version=False,\n"
    "    serving_container_image_uri='i', serving_container_health_route='/h',\n"
    f"    serving_container_predict_route='/p', {PORT},\n)\n"
)

TWINS = (
    *_pairs("ST755", {
        "a port": (image("ENV AIP_HTTP_PORT=9000"), image("ENV AIP_HTTP_PORT=8080")),
        "routes": (image("ENV AIP_HEALTH_ROUTE /ping"), image("ENV HEALTH_ROUTE /ping")),
        "of a stage before": (
            image("ENV AIP_STORAGE_URI=/m", "FROM base", base="a AS base"), image("ENV AIP_STORAGE_URI=/m", "FROM b"),
        ),
    }),
    *_pairs("ST756", {
        "uvicorn": (
            image('CMD ["uvicorn", "app:app", "--port", "8080"]'),
            image('CMD ["uvicorn", "app:app", "--host", "0.0.0.0", "--port", "8080"]'),
        ),
        "gunicorn on 127.0.0.1": (image("CMD gunicorn -b 127.0.0.1:8080 a:a"), image("CMD gunicorn -b :$AIP_HTTP_PORT a:a")),
        "gunicorn by default": (image("CMD gunicorn a:a"), image("CMD gunicorn a:a", gunicorn_conf_py="bind = '0.0.0.0:8080'")),
        "another port": (
            image("CMD python -m uvicorn a:a --host=0.0.0.0 --port=9000"),
            {**image("CMD python -m uvicorn a:a --host=0.0.0.0 --port=9000"), "deploy.py": UPLOAD},
        ),
        "flask": (image("CMD exec flask --app a run"), image("CMD exec flask --app a run -h 0.0.0.0 -p 8080")),
        "fastapi": (image("CMD fastapi run a.py"), image("CMD fastapi run a.py --port 8080")),
        "a script": (image("CMD uvicorn a:a"), image("CMD ./start.sh")),
    }),
    *_pairs("ST757", {
        "preload": (
            image("CMD gunicorn --preload -b :8080 a:a", base=CUDA), image("CMD gunicorn --preload -b :8080 a:a"),
        ),
        "workers": (
            image("CMD gunicorn -w 4 -b :8080 a:a", base=CUDA), image("CMD gunicorn -w 1 -b :8080 a:a", base=CUDA),
        ),
        "workers in one word": (
            image('CMD ["gunicorn", "--workers=2", "-b:8080", "a:a"]', base=CUDA),
            image('CMD ["gunicorn", "--threads=2", "-b:8080", "a:a"]', base=CUDA),
        ),
    }),
    *_pairs("ST758", {
        "a folder": (
            image("COPY artifacts /app/artifacts", _dockerignore="artifacts/\n"),
            image("COPY artifacts /app/artifacts", _dockerignore="artifacts/\n!artifacts/weights.pt\n"),
        ),
        "a file": (
            image("COPY artifacts/weights.pt /app/", _dockerignore="**/*.pt\n"),
            image("COPY predictor /app/", _dockerignore="**/*.pt\n"),
        ),
        "several": (
            image('COPY ["predictor", "artifacts", "/app/"]', _dockerignore="/artifacts\n"),
            image('COPY ["predictor", "artifacts", "/app/"]', _dockerignore="*.md\n"),
        ),
    }),
    *_pairs("ST759", {
        "a name": (
            image("RUN apt-get update && apt-get install -y libgl1", base="python:3.8-slim-buster"),
            image("RUN apt-get update && apt-get install -y libgl1"),
        ),
        "a number": (image("RUN apt install -y curl", base="debian:10"), image("RUN apt install -y curl", base="debian:12")),
        "Ubuntu": (image("RUN apt-get install -y curl", base="ubuntu:23.10"), image("RUN true", base="ubuntu:23.10")),
        "the archive": (
            image("RUN apt-get install -y curl", base="debian:buster"),
            image("RUN sed -i s/MIRROR/archive.debian.org/ /etc/apt/sources.list",
                  "RUN apt-get install -y curl", base="debian:buster"),
        ),
    }),
)  # fmt: skip
