"""What an engine says of an image, and which error follows if it says nothing useful."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from seatrial.containers.engine import Engine
from seatrial.containers.inspection import Image, inspect, read_layers
from seatrial.errors import EnvironmentFaultError, UsageError

IMAGE = Image("sha256:0", {}, (), "/app/bin/python", ())


def client(folder: Path, script: str) -> Engine:
    """Return an engine whose client prints what a later or broken version might."""
    program = folder / "docker"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return Engine("docker", str(program))


@pytest.mark.parametrize("reference", ["localhost/nobody:1", "Not A Reference", "sha256:" + "0" * 64])
def test_a_missing_image_is_a_usage_error_with_a_fix(engine: Engine, reference: str) -> None:
    with pytest.raises(UsageError, match=f"{engine.name} has no image {reference}") as failed:
        inspect(engine, reference)
    assert "seatrial image build" in failed.value.fix


def test_a_daemon_that_does_not_answer_is_an_environment_fault(
    docker: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nobody.sock")
    with pytest.raises(EnvironmentFaultError, match="docker does not describe localhost/x:1") as failed:
        inspect(docker, "localhost/x:1")
    assert "docker info" in failed.value.fix


@pytest.mark.parametrize("printed", ["", "warning: this is not JSON", "[]", "[3]", "{}", '[{"Id": "sha256:0"}]'])
def test_a_description_that_cannot_be_read_is_an_environment_fault(tmp_path: Path, printed: str) -> None:
    engine = client(tmp_path, f"echo '{printed}'")
    with pytest.raises(EnvironmentFaultError, match="docker describes x in an unknown form") as failed:
        inspect(engine, "x")
    assert failed.value.fix


def archive(folder: Path, **members: bytes) -> Engine:
    """Return an engine that saves an archive of these members."""
    with tarfile.open(folder / "saved.tar", "w") as saved:
        for name, content in members.items():
            entry = tarfile.TarInfo(name.replace("__", "."))
            entry.size = len(content)
            saved.addfile(entry, io.BytesIO(content))
    return client(folder, f"cat '{folder}/saved.tar'")


@pytest.mark.parametrize("manifest", [b"", b"no JSON", b"[]", b"[3]", b'[{"Config": "gone", "Layers": []}]'])
def test_a_saved_image_in_another_form_is_an_environment_fault(tmp_path: Path, manifest: bytes) -> None:
    with pytest.raises(EnvironmentFaultError, match="docker saved the image in an unknown form") as failed:
        read_layers(archive(tmp_path, manifest__json=manifest), IMAGE, "halves_predictor")
    assert failed.value.fix


def test_a_layer_that_is_not_an_archive_is_named(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFaultError, match="a layer of the saved image, layer, cannot be read") as failed:
        read_layers(archive(tmp_path, layer=b"\x1f\x8bno gzip at all"), IMAGE, "halves_predictor")
    assert failed.value.fix


def test_output_that_is_not_an_archive_is_an_environment_fault(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFaultError, match="what docker saved of the image cannot be read") as failed:
        read_layers(client(tmp_path, "echo this is no archive"), IMAGE, "halves_predictor")
    assert failed.value.fix
