"""Engines: found by asking, chosen by name, and a clear message if none answers."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from seatrial.containers import engine as engines
from seatrial.containers.engine import Engine
from seatrial.errors import EnvironmentFaultError, UsageError
from tests.engines import Base


def test_an_engine_is_found_by_name_and_its_daemon_answers(engine: Engine) -> None:
    assert engines.find(engine.name) == engine
    code, printed = engine.output(["images", "--quiet"], timeout=30)
    assert code == 0, printed


def test_docker_comes_before_podman(docker: Engine, podman: Engine) -> None:
    assert engines.find() == docker


def test_without_an_engine_the_error_has_the_reasons_and_a_fix(no_engine: None) -> None:
    with pytest.raises(EnvironmentFaultError, match=r"(?s)docker: .*\npodman: it is not installed") as raised:
        engines.find()
    assert "start docker" in raised.value.fix
    assert raised.value.exit_code == 3


def test_a_client_without_a_daemon_is_not_an_engine(docker: Engine, no_engine: None) -> None:
    with pytest.raises(EnvironmentFaultError, match=r"docker: .*nobody\.sock"):
        engines.find("docker")


def test_a_failing_client_is_quoted_with_a_fix(engine: Engine) -> None:
    with pytest.raises(
        EnvironmentFaultError, match=f"(?s)`{engine.name} image inspect` failed:.*no-such-image"
    ) as raised:
        engine.ask(["image", "inspect", "no-such-image"])
    assert f"`{engine.name} info`" in raised.value.fix


def test_buildx_builds_with_the_daemon_that_the_context_names(
    docker: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not docker.buildx:
        pytest.skip("needs docker's buildx plugin, which is not installed")
    assert docker.builder == "default"
    plugins = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker") / "cli-plugins"
    if plugins.is_dir():
        (tmp_path / "cli-plugins").symlink_to(plugins)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    docker.ask(["context", "create", "elsewhere", "--docker", f"host={os.environ['DOCKER_HOST']}"])
    monkeypatch.delenv("DOCKER_HOST")
    monkeypatch.setenv("DOCKER_CONTEXT", "elsewhere")
    assert engines.find("docker").builder == "elsewhere"


def test_an_unknown_engine_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="'lxc'"):
        engines.find("lxc")


def test_the_base_image_is_pulled_by_its_digest(engine: Engine, base: Base) -> None:
    code, printed = engine.output(["pull", "--quiet", base.reference], timeout=120)
    assert code == 0, printed
