"""`seatrial image`: one of two commands, and what a build tells the steps after it."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from seatrial.cli.main import main
from seatrial.containers import engine
from seatrial.containers.engine import Engine
from seatrial.findings import Event
from seatrial.image import build

IMAGE = SimpleNamespace(
    reference="localhost/healthy:1", engine="podman", id="sha256:0123456789abcdef", version_digest="ab" * 32,
    rebuilt=("code",), layers=("python", "code"), rebuilt_bytes=1500, seconds=2.0, as_dict=lambda: {"a": 1},
)  # fmt: skip


def built(*_: Any, **__: Any) -> Generator[Event, None, Any]:
    yield from ()
    return IMAGE


@pytest.fixture(autouse=True)
def _an_engine_that_builds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "find", lambda _: Engine("podman", "podman"))
    monkeypatch.setattr(build, "build_image", built)


@pytest.mark.parametrize("form", ["console", "json", "github"])
def test_the_image_is_an_output_of_the_step_only_in_the_format_of_github(
    healthy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], form: str
) -> None:
    outputs = tmp_path / "outputs"
    monkeypatch.setenv("GITHUB_OUTPUT", str(outputs))
    assert main(["image", "build", "--project", str(healthy), "--format", form]) == 0
    assert outputs.exists() == (form == "github")
    if outputs.exists():
        assert outputs.read_text().splitlines()[1] == "localhost/healthy:1"
    assert "1 of 2 layers were not in the last image, 1.5 kB · 2.0 s" in capsys.readouterr().err


def test_there_is_something_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["image"])
    assert ended.value.code == 2
    assert "the following arguments are required: COMMAND" in capsys.readouterr().err
