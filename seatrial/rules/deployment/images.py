"""Family 7, the project's own Dockerfiles: does the image that they make serve on Vertex AI?

Whether an image is the one that serves cannot be seen, so that all of it only warns. Seatrial's own image needs no
Dockerfile.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from seatrial.findings import Severity
from seatrial.rules.cloud import CONTAINER_REQUIREMENTS, NEVER_READY
from seatrial.rules.deployment.written import scripts_of_sdk
from seatrial.rules.rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.facts.builds.files import BuildFile
    from seatrial.facts.gather import Facts
    from seatrial.findings import Finding

SET_BY_HAND = Rule(
    code="ST755",
    title="an image sets AIP_ variables that Vertex AI sets itself",
    explanation=(
        "Vertex AI gives each container AIP_HTTP_PORT, AIP_HEALTH_ROUTE, AIP_PREDICT_ROUTE and AIP_STORAGE_URI from "
        "what the model says. A value in the image is replaced there, and counts only elsewhere: the image then "
        "listens on one port on a laptop and on another in the cloud."
    ),
    fix="remove the line, give the model its port and routes when it is uploaded, and read the variables in the server",
    severity=Severity.WARNING,
    sources=(CONTAINER_REQUIREMENTS,),
    detected=(
        "ENV of a Dockerfile sets an AIP_ variable to another value than Vertex AI's default. It is a warning, because "
        "the value may be meant for a laptop."
    ),
    bad="ENV AIP_HTTP_PORT=9000",
    good="# nothing: Vertex AI sets AIP_HTTP_PORT=8080",
)

_DEFAULTS = {"AIP_HTTP_PORT": "8080", "AIP_MODE": "PREDICTION"}  # of CONTAINER_REQUIREMENTS, "environment variables"
_SET_BY_VERTEX = re.compile(
    r"AIP_(?:HTTP_PORT|HEALTH_ROUTE|PREDICT_ROUTE|STORAGE_URI|MODE|FRAMEWORK|MODE_VERSION|VERSION_NAME|ENDPOINT_ID"
    r"|DEPLOYED_MODEL_ID|MODEL_NAME|PROJECT_NUMBER|ACCELERATOR_TYPE|MACHINE_TYPE)"
)


@SET_BY_HAND.decided_by
def _set_by_hand(facts: Facts) -> Iterator[Finding]:
    for file in facts.builds.files:
        found = [
            v for v in file.variables if _SET_BY_VERTEX.fullmatch(v.setting) and v.text != _DEFAULTS.get(v.setting)
        ]
        if found:
            yield SET_BY_HAND.finding(
                f"the image sets {' and '.join(f'{v.setting}={v.text}' for v in found)}, which Vertex AI sets itself",
                location=found[0].location,
                cause="Vertex AI's values replace these; they count only where the image runs elsewhere",
            )


UNREACHABLE = Rule(
    code="ST756",
    title="the server that an image starts cannot be reached by Vertex AI",
    explanation=(
        "Vertex AI asks the container from outside, on the port that the model names, 8080 if it names none. uvicorn, "
        "gunicorn, Flask and others listen on 127.0.0.1 unless they are told, which nothing outside reaches, and on "
        "ports of their own: 8000 or 5000."
    ),
    fix="listen on 0.0.0.0 and on $AIP_HTTP_PORT",
    severity=Severity.WARNING,
    cloud=NEVER_READY,
    sources=(CONTAINER_REQUIREMENTS, "https://uvicorn.dev/settings/", "https://gunicorn.org/reference/settings/"),
    detected=(
        "The command of a Dockerfile starts uvicorn, gunicorn, hypercorn, fastapi or flask alone; its host and port "
        "are read from its options and defaults. A configuration file, variables of the server and a script end the "
        "reading, and a port that an upload in the project names is no fault."
    ),
    bad='CMD ["uvicorn", "app:app", "--port", "8080"]',
    good="CMD exec uvicorn app:app --host 0.0.0.0 --port $AIP_HTTP_PORT",
)

_PORT = "8080"
# Server → options of the host, of the port, of both, and the host and port without them: their documentation.
_SERVERS = {
    "uvicorn": (("--host",), ("--port",), (), "127.0.0.1", "8000"),
    "gunicorn": ((), (), ("-b", "--bind"), "127.0.0.1", "8000"),
    "hypercorn": ((), (), ("-b", "--bind"), "127.0.0.1", "8000"),
    "flask": (("--host", "-h"), ("--port", "-p"), (), "127.0.0.1", "5000"),
    "fastapi run": (("--host",), ("--port",), (), "0.0.0.0", "8000"),  # noqa: S104
    "fastapi dev": (("--host",), ("--port",), (), "127.0.0.1", "8000"),
}
_SETS_SERVER = re.compile(r"(?:UVICORN|GUNICORN|HYPERCORN|FLASK|WEB)_\w+|PORT|HOST")
_BY_FILE = ("-c", "--config", "--uds", "--fd", "--env-file")
_HERE = ("127.0.0.1", "localhost", "::1", "[::1]")


@UNREACHABLE.decided_by
def _unreachable(facts: Facts) -> Iterator[Finding]:
    named = _named_ports(facts)
    has_file = any(file.path.endswith("gunicorn.conf.py") for file in facts.builds.files)  # gunicorn reads it unasked
    for file in facts.builds.files:
        server, words = _server(file)
        if server not in _SERVERS or any(_SETS_SERVER.fullmatch(v.setting) for v in file.variables):
            continue
        if any(_option(words, name) is not None for name in _BY_FILE) or (server == "gunicorn" and has_file):
            continue
        host, port = _address(server, words)
        if host in _HERE:
            yield UNREACHABLE.finding(
                f"{server} listens on {host} only, which nothing outside the container reaches",
                location=file.started_at,
                fix=_how(server),
            )
        elif port.isdigit() and port != _PORT and named is not None and port not in named:
            yield UNREACHABLE.finding(
                f"{server} listens on port {port}, and Vertex AI asks port {_PORT}",
                location=file.started_at,
                cause="no upload in the project names this port",
                fix=_how(server),
            )


def _how(server: str) -> str:
    together = server in ("gunicorn", "hypercorn")
    options = "--bind 0.0.0.0:$AIP_HTTP_PORT" if together else "--host 0.0.0.0 --port $AIP_HTTP_PORT"
    return f"start it by a shell, with `{options}`"


def _server(file: BuildFile) -> tuple[str, list[str]]:
    """Return the server that an image starts, and the words after its name; "" if it starts something else."""
    words = list(file.starts)
    if words and re.fullmatch(r"(?:.*/)?(?:tini|dumb-init)", words[0]):
        words = words[2:] if words[1:2] == ["--"] else words[1:]
    if len(words) > 2 and re.fullmatch(r"(?:.*/)?python[\d.]*", words[0]) and "-m" in words[1:3]:
        words = words[words.index("-m") + 1 :]
    if not words:
        return "", []
    name = words[0].rpartition("/")[2]
    if name == "fastapi":
        return " ".join((name, *words[1:2])), words[2:]
    return ("", []) if name == "flask" and "run" not in words else (name, words[1:])


def _option(words: list[str], name: str) -> str | None:
    """Return the value of an option; None if it is not given."""
    for number, word in enumerate(words):
        if word == name:
            return words[number + 1] if number + 1 < len(words) else ""
        if word.startswith(f"{name}="):
            return word.partition("=")[2]
        if not name.startswith("--") and word.startswith(name) and not word.startswith("--"):
            return word.removeprefix(name)
    return None


def _address(server: str, words: list[str]) -> tuple[str, str]:
    hosts, ports, both, host, port = _SERVERS[server]
    host = next((value for name in hosts if (value := _option(words, name)) is not None), host)
    port = next((value for name in ports if (value := _option(words, name)) is not None), port)
    bound = next((value for name in both if (value := _option(words, name)) is not None), None)
    if bound is not None:
        host, _, port = bound.rpartition(":")
    return host, port


def _named_ports(facts: Facts) -> set[str] | None:
    """Return the ports that uploads in the project name; None if one names a port that is not written out."""
    found: set[str] = set()
    for script in scripts_of_sdk(facts):
        for call in script.uses.calls:
            ports = call.keywords.get("serving_container_ports")
            if call.is_open and call.method == "upload":
                return None
            if ports is not None and ports.items is None:
                return None
            found |= {str(item.constant) for item in (ports.items or () if ports else ())}
    for file in facts.builds.files:
        for command in file.commands:
            found |= set((command.option("--container-ports") or "").split(","))
    return None if any("$" in port for port in found) else found


FORKED_CUDA = Rule(
    code="ST757",
    title="several gunicorn workers share a GPU",
    explanation=(
        "With --preload gunicorn imports the application once and then forks. A process that was forked after CUDA was "
        "used cannot use it: the first request fails. Without it each worker loads the model into the same GPU's "
        "memory."
    ),
    fix="use one worker without --preload on a GPU, and threads: `--workers 1 --threads 4`",
    severity=Severity.WARNING,
    cloud="RuntimeError: Cannot re-initialize CUDA in forked subprocess.",
    sources=(
        "https://docs.pytorch.org/docs/stable/notes/multiprocessing.html",
        "https://gunicorn.org/reference/settings/",
    ),
    detected=(
        "The command of a Dockerfile starts gunicorn with --preload or several workers, and its image is one with "
        "CUDA, or the configured target has an accelerator."
    ),
    bad='FROM nvidia/cuda:12.8.0-runtime-ubuntu24.04\nCMD ["gunicorn", "--preload", "-b", "0.0.0.0:8080", "app:app"]',
    good='FROM nvidia/cuda:12.8.0-runtime-ubuntu24.04\nCMD ["gunicorn", "-b", "0.0.0.0:8080", "app:app"]',
)


@FORKED_CUDA.decided_by
def _forked_cuda(facts: Facts) -> Iterator[Finding]:
    for file in facts.builds.files:
        server, words = _server(file)
        on_gpu = facts.project.vertex.device == "cuda" or any(re.search(r"cuda|gpu", b.text) for b in file.bases[-1:])
        if server != "gunicorn" or not on_gpu:
            continue
        workers = next((v for name in ("-w", "--workers") if (v := _option(words, name)) is not None), "1")
        if "--preload" in words or "--preload-app" in words:
            yield FORKED_CUDA.finding(
                "gunicorn forks its workers after --preload has imported the application, and they use CUDA",
                location=file.started_at,
                cause="if the import, or what it calls, touches the GPU, no worker can use it",
            )
        elif workers.isdigit() and int(workers) > 1:
            yield FORKED_CUDA.finding(
                f"gunicorn starts {workers} workers, and each loads the model into the same GPU",
                location=file.started_at,
                cloud="torch.OutOfMemoryError: CUDA out of memory.",
            )


NOT_IN_CONTEXT = Rule(
    code="ST758",
    title="a Dockerfile copies what .dockerignore leaves out",
    explanation="What .dockerignore leaves out is not in the build context: COPY does not find it, and the build ends.",
    fix="take the pattern out of .dockerignore, or do not copy the file",
    severity=Severity.WARNING,
    cloud='ERROR: failed to calculate checksum of ref …: "/artifacts": not found',
    sources=("https://docs.docker.com/build/concepts/context/#dockerignore-files",),
    detected=(
        "COPY or ADD in a Dockerfile at the project's root names a file or folder that exists and that .dockerignore, "
        "without exceptions, leaves out. Another context, given on the command line, cannot be seen."
    ),
    bad="COPY artifacts /app/artifacts  # and .dockerignore has artifacts/",
    good="COPY artifacts /app/artifacts",
)


@NOT_IN_CONTEXT.decided_by
def _not_in_context(facts: Facts) -> Iterator[Finding]:
    for file in facts.builds.files:
        for source in file.left_out:
            yield NOT_IN_CONTEXT.finding(
                f"{file.path} copies {source.text}, which .dockerignore leaves out of the context",
                location=source.location,
                cause="the build ends there, unless another context is given to it",
            )


ARCHIVED = Rule(
    code="ST759",
    title="a base image whose packages were moved to an archive",
    explanation=(
        "The packages of an old release of Debian or Ubuntu leave the usual servers when its support has ended. "
        "`apt-get update` in such an image fails, and with it the build."
    ),
    fix="use a base with a current release, such as python:3.11-slim-bookworm",
    severity=Severity.WARNING,
    cloud="E: The repository 'http://MIRROR/debian buster Release' does not have a Release file.",
    sources=("https://www.debian.org/distrib/archive", "https://wiki.ubuntu.com/Releases"),
    detected=(
        "The name of a base image says a release that is in the archive, the Dockerfile installs packages of the "
        "system, and it does not name the archive."
    ),
    bad="FROM python:3.8-buster\nRUN apt-get update && apt-get install -y libgl1",
    good="FROM python:3.11-bookworm\nRUN apt-get update && apt-get install -y libgl1",
)

# Release → where its packages are; https://www.debian.org/distrib/archive and https://old-releases.ubuntu.com, 2026-11
_IN_ARCHIVE = re.compile(
    r"\b(?P<name>jessie|stretch|buster|debian:(?:8|9|10)\b|ubuntu:?(?:17\.\d\d|18\.10|19\.\d\d|20\.10|21\.\d\d|22\.10|23\.\d\d"
    r"|24\.10)|kinetic|lunar|mantic|oracular)"
)


@ARCHIVED.decided_by
def _archived(facts: Facts) -> Iterator[Finding]:
    for file in facts.builds.files:
        if not file.packages or file.names_archive:
            continue
        for base in file.bases:
            if found := _IN_ARCHIVE.search(base.text):
                yield ARCHIVED.finding(
                    f"{base.text} is of {found['name']}, whose packages are in an archive: apt-get update fails",
                    location=base.location,
                )
