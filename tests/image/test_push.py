"""Pushing a proven image to a real registry, once, by digest; and refusals before anything is sent."""

from __future__ import annotations

import contextlib
import itertools
import json
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Container, Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from seatrial import bundle
from seatrial.containers import upload
from seatrial.containers.engine import Engine
from seatrial.errors import EnvironmentFaultError, UsageError
from seatrial.image import push
from seatrial.image.build import build_image
from seatrial.image.push import Proven, Pushed, repository_of
from seatrial.project import Project, load
from seatrial.trial import container
from tests.engines import Base
from tests.stages import Ended, ended
from tests.tiny_image import believed, make

Tiny = Callable[[Engine, str], Proven]
PREDICTOR = "predictor/half_predictor.py"


@pytest.fixture
def halves(copied: Callable[[str], Path], base: Base, registry: str, tmp_path: Path) -> Path:
    root = copied("tests/projects/packaged-transform")
    file = root / "pyproject.toml"
    text = re.sub(r'python = "[0-9.]+"', f'python = "{base.python}"', file.read_text())
    table = f'base = "{base.reference}"\nrepository = "{registry}/{tmp_path.name.replace("_", "-")}/halves"\n'
    file.write_text(f"{text}\n[tool.seatrial.image]\n{table}")
    return root


def seatrial(*arguments: str, root: Path) -> str:
    """Run a command that must pass, and return its verdict line."""
    command = [sys.executable, "-m", "seatrial", *arguments, "--project", str(root)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert run.returncode == 0, run.stderr
    return next(line for line in run.stderr.splitlines() if line.startswith("PASSED"))


def built(root: Path, engine: Engine) -> str:
    image = ended(build_image(load(root), "cpu", engine)).value
    assert image is not None
    return image.reference


@pytest.fixture
def tiny(tmp_path: Path) -> Tiny:
    return lambda engine, content: make(engine, tmp_path / "tiny", content)


def pushed(root: Path, proven: Proven, engine: Engine, to: str = "") -> Ended[Pushed]:
    return ended(push.push(proven, repository_of(to or load(root).image.repository, None), engine))


@pytest.mark.proof  # 28 s with podman
@pytest.mark.usefixtures("no_other_trial")
def test_an_image_is_pushed_pulled_by_digest_proven_and_not_pushed_again(halves: Path, engine: Engine) -> None:
    with (halves / PREDICTOR).open("a") as file:
        file.write("# an image of this test's own, which no other is made from and which can be removed\n")
    believing = believed(built(halves, engine), engine)
    report(load(halves), json.dumps({"verdict": "passed", **asdict(believing)}))
    seatrial("image", "push", root=halves)
    record = json.loads((halves / "build/image/pushed.json").read_text())
    assert record["image_id"] == believing.image_id
    assert record["reference"].endswith(f"/halves@{record['digest']}")
    assert 0 < record["bytes_pushed"] <= record["bytes"]
    engine.ask(["image", "rm", "--force", believing.image_id])
    engine.ask(["pull", record["reference"]], timeout=120)
    verdict = seatrial("smoke", "--image", record["reference"], "--engine", engine.name, root=halves)
    assert believing.image_id[:19] in verdict
    assert push.proven_image(load(halves)) == believing
    label = f"label={container.LABEL}"
    assert not engine.ask(["ps", "--all", "--quiet", "--filter", label])
    assert not engine.ask(["network", "ls", "--quiet", "--filter", label])
    verdict = seatrial("image", "push", root=halves)
    assert "0.000 of" in verdict
    again = json.loads((halves / "build/image/pushed.json").read_text())
    assert (again["digest"], again["bytes_pushed"], again["layers_pushed"]) == (record["digest"], 0, 0)


@pytest.mark.parametrize("engine", [pytest.param("docker", marks=pytest.mark.proof), "podman"], indirect=True)
def test_a_change_of_code_sends_one_small_layer(halves: Path, engine: Engine) -> None:
    first = pushed(halves, believed(built(halves, engine), engine), engine).value
    with (halves / PREDICTOR).open("a") as file:
        file.write("# changed\n")
    second = pushed(halves, believed(built(halves, engine), engine), engine).value
    assert first.bytes > 20_000_000
    assert second.layers_pushed == 1
    assert 0 < second.bytes_pushed < 1_000_000
    assert second.digest != first.digest


def test_what_the_registry_has_is_not_sent_again(halves: Path, docker: Engine, tiny: Tiny) -> None:
    proven = tiny(docker, str(halves))
    first = pushed(halves, proven, docker)
    second = pushed(halves, proven, docker)
    assert not any("pushing" in step for step in second.steps)
    assert "the registry has it already; nothing is sent" in second.steps
    assert second.value.reference == first.value.reference


def test_an_interrupted_push_is_resumed_with_the_layers_that_are_missing(
    halves: Path, docker: Engine, tiny: Tiny
) -> None:
    proven = tiny(docker, str(halves))
    target = f"{load(halves).image.repository}:other"
    docker.ask(["tag", proven.image_id, target])
    docker.ask(["push", target])  # all layers arrive, but not the tag that completes a push
    end = pushed(halves, proven, docker)
    assert any("pushing" in step for step in end.steps)
    assert (end.value.layers_pushed, end.value.bytes_pushed) == (0, 0)


@contextlib.contextmanager
def unreliable(registry: str, broken: Container[int]) -> Iterator[str]:
    """Forward connections to the registry, except those with these numbers, counted from 0, which break."""
    host, _, port = registry.partition(":")
    listener = socket.create_server(("127.0.0.1", 0))
    numbers = itertools.count()
    connections: list[threading.Thread] = []

    def forward(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def connect(client: socket.socket) -> None:
        with client, socket.create_connection((host, int(port))) as behind:
            back = threading.Thread(target=forward, args=(behind, client), daemon=True)
            back.start()
            forward(client, behind)
            back.join()

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                if next(numbers) in broken:
                    client.close()
                    continue
                connections.append(threading.Thread(target=connect, args=(client,), daemon=True))
                connections[-1].start()

    accepting = threading.Thread(target=serve, daemon=True)
    accepting.start()
    try:
        yield f"127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        accepting.join(10)
        listener.close()
        for connection in connections:
            connection.join(10)


def test_a_transient_failure_is_tried_again(
    halves: Path, docker: Engine, tiny: Tiny, registry: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upload, "FIRST_PAUSE", 0.1)
    with unreliable(registry, {0, *range(2, 8)}) as address:
        end = pushed(halves, tiny(docker, "transient"), docker, f"{address}/transient/halves")
    tries = [step.split(":")[0] for step in end.steps]
    assert "attempt 1 of 4 failed, next one in 0 s" in tries[: tries.index(f"pushing {address.split(':')[0]}")]
    assert "attempt 1 of 4 failed, next one in 0 s" in tries[tries.index(f"pushing {address.split(':')[0]}") :]
    assert end.value.reference.startswith(f"{address}/transient/halves@sha256:")


def test_a_registry_that_never_answers_ends_the_push_after_a_bounded_time(
    halves: Path, docker: Engine, registry: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upload, "FIRST_PAUSE", 0.01)
    proven = Proven("sha256:0", "sha256:0", "docker", "0" * 64, "0" * 64, "cpu")
    with unreliable(registry, range(1000)) as address, pytest.raises(EnvironmentFaultError, match="does not answer"):
        pushed(halves, proven, docker, f"{address}/never/halves")


def test_another_image_under_the_tag_is_an_error(halves: Path, docker: Engine, tiny: Tiny) -> None:
    proven = tiny(docker, str(halves))
    other = tiny(docker, "another")
    mixed = Proven(proven.image_id, other.engine_id, "docker", proven.version_digest, proven.bundle_digest, "cpu")
    with pytest.raises(EnvironmentFaultError, match="not the proven sha256:"):
        pushed(halves, mixed, docker)
    assert not (halves / "build/image/pushed.json").exists()


def test_a_project_that_changed_since_its_proof_is_reported(halves: Path) -> None:
    project = load(halves)
    proven = Proven("sha256:0", "sha256:0", "docker", "0" * 64, bundle.digest_of(project, "cpu"), "cpu")
    assert ended(push.changes_since(project, proven)).steps == []
    with (halves / PREDICTOR).open("a") as file:
        file.write("# changed\n")
    (said,) = ended(push.changes_since(project, proven)).steps
    assert f"the proven image, of bundle {proven.bundle_digest[:12]}, is pushed; the project has changed since" in said
    assert bundle.digest_of(project, "cpu")[:12] in said
    (halves / "requirements.txt").unlink()
    (said,) = ended(push.changes_since(project, proven)).steps
    assert "the project has changed since: it now makes no bundle" in said


GOOD = "us-central1-docker.pkg.dev/my-project/models/digits"


def test_a_repository_in_the_models_region_is_accepted() -> None:
    for region in ("us-central1", None):
        repository = repository_of(GOOD, region)
        assert (repository.region, repository.name) == ("us-central1", "my-project/models/digits")
    assert repository_of("127.0.0.1:5000/x", "us-central1").region is None


@pytest.mark.parametrize(
    ("name", "region", "words"),
    [
        ("", None, "no repository is set"),
        ("us-docker.pkg.dev/my-project/models/digits", "us-central1", "multi-regional"),
        ("europe-docker.pkg.dev/my-project/models/digits", None, "multi-regional"),
        (GOOD, "europe-west4", "in us-central1, but the model is in europe-west4"),
        ("gcr.io/my-project/digits", None, "not an Artifact Registry"),
        ("us-central1-docker.pkg.dev.evil.example/a/b/c", None, "not an Artifact Registry"),
        ("127.0.0.1.evil.example/a", None, "not an Artifact Registry"),
        ("docker.io/library/digits", None, "not an Artifact Registry"),
        ("us-central1-docker.pkg.dev/my-project/digits", None, "has too few parts"),
        (f"{GOOD}:latest@sha256:{'0' * 64}", None, "without tag and digest"),
        ("us-central1-docker.pkg.dev/My-Project/models/digits", None, "without tag and digest"),
    ],
)
def test_a_repository_that_vertex_ai_does_not_accept_is_refused(name: str, region: str | None, words: str) -> None:
    with pytest.raises(UsageError, match=re.escape(words)):
        repository_of(name, region)


def report(project: Project, text: str) -> None:
    push.report_file(project).parent.mkdir(parents=True, exist_ok=True)
    push.report_file(project).write_text(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "no image has been proven yet"),
        ("{}", "is not a report of a trial"),
        (
            json.dumps({"verdict": "failed", **dict.fromkeys(Proven.__slots__, "x")}),
            "the last trial of an image did not pass",
        ),
    ],
)
def test_only_an_image_that_passed_its_trial_is_pushed(
    copied: Callable[[str], Path], text: str | None, words: str
) -> None:
    project = load(copied("tests/projects/packaged-transform"))
    if text is not None:
        report(project, text)
    with pytest.raises(UsageError, match=words):
        push.proven_image(project)
