"""Deployed models as real containers of docker and podman, if this machine has them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from google.cloud import aiplatform_v1 as v1

from seatrial.containers.engine import Engine
from seatrial.emulator.api.hosting import HostingError, Placement
from seatrial.emulator.api.logs import Logs
from seatrial.emulator.hosting.containers import LABEL, Containers
from seatrial.emulator.hosting.storage import Storage
from tests.emulator.served import Room, placed, room, until
from tests.engines import Base

pytestmark = pytest.mark.proof  # each starts an engine's containers, twice

SERVER = """
import http.server, json, os, signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
print(json.dumps({"severity": "NOTICE", "message": "up", "given": sys.argv[1:]}), flush=True)
if "fail" in sys.argv:
    sys.exit("no such weights")
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.answer(200 if self.path == os.environ["AIP_HEALTH_ROUTE"] else 404, b"")
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if body == b"die":
            os._exit(3)
        memory = os.statvfs("/dev/shm")
        self.answer(200, json.dumps({"env": dict(os.environ), "path": self.path,
            "shared": memory.f_blocks * memory.f_frsize,
            "kind": self.headers["Content-Type"], "body": body.decode()}).encode())
    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Type", "application/x-answer")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): pass
http.server.HTTPServer(("0.0.0.0", int(os.environ["AIP_HTTP_PORT"])), Handler).serve_forever()
"""


class NoStorage(Storage):
    """No bucket: a container reads its artifacts itself."""

    def __init__(self) -> None:
        """Start nothing."""


@pytest.fixture
def image(engine: Engine, base: Base, tmp_path: Path) -> str:
    """An image whose server reports what it was started with."""
    folder = tmp_path / "image"
    folder.mkdir()
    (folder / "server.py").write_text(SERVER)
    (folder / "Dockerfile").write_text(
        f'FROM {base.reference}\nCOPY server.py /\nENTRYPOINT ["python{base.python}", "/server.py"]\n'
    )
    engine.ask(["build", "--tag", "localhost/seatrial-emulated:1", str(folder)])
    return "localhost/seatrial-emulated:1"


def version(image: str, *arguments: str) -> v1.Model:
    ports = [v1.Port(container_port=8090)]
    env = [v1.EnvVar(name="OWN", value="at $(AIP_HTTP_PORT)")]
    spec = v1.ModelContainerSpec(image_uri=image, ports=ports, args=arguments, env=env, shared_memory_size_mb=96)
    return v1.Model(container_spec=spec, artifact_uri="gs://bucket/weights")


def here(engine: Engine) -> list[str]:
    """Return the existing containers of emulators."""
    return engine.ask(["ps", "--all", "--quiet", "--filter", f"label={LABEL}"]).split()


def made(engine: Engine, tmp_path: Path) -> Room:
    return room(tmp_path / "state", NoStorage(), engine=engine.name)


def answers(running: Room, where: Placement) -> bool:
    """Return whether it gets traffic."""
    try:
        return running.replicas.ask(where, b"", "text/plain", 20).status == 200
    except HostingError:
        return False


def test_an_image_runs_with_vertexs_variables_answers_unchanged_and_is_gone_when_stopped(
    engine: Engine, base: Base, image: str, tmp_path: Path
) -> None:
    running = made(engine, tmp_path)
    model = version(image, "$(AIP_ENDPOINT_ID)")
    inside = [f"python{base.python}", "-c", "import os; os.stat('server.py'); os.environ['AIP_HTTP_PORT']"]
    model.container_spec.startup_probe = v1.Probe(exec_={"command": inside}, timeout_seconds=20)
    model.container_spec.liveness_probe = v1.Probe(tcp_socket={"port": 8090}, period_seconds=1)
    where = placed(model, "4711")
    running.deploy(where)
    try:
        reply = running.replicas.ask(where, b"\x20raw", "image/jpeg", 20)
        seen = json.loads(reply.body)
        assert (reply.status, reply.content_type) == (200, "application/x-answer")
        assert (seen["kind"], seen["body"]) == ("image/jpeg", " raw")
        assert seen["path"] == "/v1/endpoints/digits/deployedModels/4711:predict"
        assert seen["env"]["AIP_HTTP_PORT"] == "8090"
        assert seen["env"]["AIP_STORAGE_URI"] == "gs://bucket/weights"
        assert seen["env"]["OWN"] == "at 8090"
        assert seen["shared"] == 96 * 2**20
        until(lambda: running.printed(where))  # podman follows a log by polling
        (up,) = running.printed(where)
        assert (up["severity"], up["jsonPayload"]["given"]) == ("NOTICE", ["digits"])
        assert len(here(engine)) == 1
    finally:
        running.replicas.close()
    assert here(engine) == []


def test_a_container_that_exits_fails_its_start_and_its_log_says_why(
    engine: Engine, image: str, tmp_path: Path
) -> None:
    # A busy machine takes seconds until the container's program begins, and four refused connections restart it.
    running = room(tmp_path / "state", NoStorage(), engine=engine.name, probe_period=5)
    where = placed(version(image, "fail"))
    with pytest.raises(HostingError, match=r"^Model server exited unexpectedly"):
        running.deploy(where)
    assert [entry["textPayload"] for entry in running.printed(where, "ERROR")] == ["no such weights"]
    assert here(engine) == []


def test_a_container_that_dies_is_replaced_by_a_new_one(engine: Engine, image: str, tmp_path: Path) -> None:
    running = made(engine, tmp_path)
    where = placed(version(image))
    running.deploy(where)
    try:
        first = here(engine)
        with pytest.raises(HostingError):
            running.replicas.ask(where, b"die", "text/plain", 20)
        until(lambda: answers(running, where))
        assert here(engine) != first
    finally:
        running.replicas.close()
    assert here(engine) == []


def test_a_missing_image_fails_the_stage_that_pulls_it(engine: Engine, registry: str, tmp_path: Path) -> None:
    running = made(engine, tmp_path)
    where = placed(version(f"{registry}/no/such:1"))
    with pytest.raises(HostingError, match="no/such:1") as no:
        running.replicas.fetch(where)
    assert no.value.code == 9
    assert running.printed(where, "ERROR") != []


def test_the_containers_of_a_killed_emulator_are_removed_by_the_next(
    engine: Engine, image: str, tmp_path: Path
) -> None:
    # It would start a new container after a period, as a killed emulator does not.
    running = room(tmp_path / "state", NoStorage(), engine=engine.name, probe_period=60)
    where = placed(version(image))
    running.deploy(where)
    try:
        assert len(here(engine)) == 1
        other = Containers(tmp_path / "elsewhere", engine.name, Logs(tmp_path / "logs"))
        other.sweep()
        assert len(here(engine)) == 1
        room(tmp_path / "state", NoStorage(), engine=engine.name).replicas.sweep()
        assert here(engine) == []
    finally:
        running.replicas.close()
