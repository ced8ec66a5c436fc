"""`seatrial config`: every setting, its value and where it comes from."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from seatrial.cli.main import main
from seatrial.project import Project
from tests.small_project import small_project

if TYPE_CHECKING:
    from pathlib import Path


def test_every_setting_has_its_origin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    small_project(tmp_path, {}, python="3.12")
    monkeypatch.setenv("SEATRIAL_VERTEX_MACHINE_TYPE", "n1-standard-8")
    monkeypatch.setenv("SEATRIAL_VERTEX_ROLLOUT_BAKE", "5")
    monkeypatch.setenv("SEATRIAL_VERTEX_STARTUP_PROBE", '{http-get = "/health"}')
    assert main(["config", "--project", str(tmp_path), "--json"]) == 0
    rows = {row["key"]: (row["value"], row["origin"]) for row in json.loads(capsys.readouterr().out)}
    assert rows["python"] == ("3.12", "pyproject.toml")
    assert rows["predictor"] == ("predictor:P", "pyproject.toml")
    assert rows["packages"] == (["predictor"], "default: the predictor's module")
    assert rows["serving.image.mode"] == ("RGB", "default")
    assert rows["vertex.machine-type"] == (["n1-standard-8"], "SEATRIAL_VERTEX_MACHINE_TYPE")
    assert rows["vertex.rollout.bake"] == (5.0, "SEATRIAL_VERTEX_ROLLOUT_BAKE")
    assert rows["vertex.startup-probe.http-get"] == ("/health", "SEATRIAL_VERTEX_STARTUP_PROBE")
    assert rows["vertex.startup-probe.port"] == (8080, "default")
    tops = {key.partition(".")[0] for key in rows}
    assert tops == {name.replace("_", "-") for name, field in Project.model_fields.items() if not field.exclude}


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_no_password_is_printed(
    tmp_path: Path, form: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    small_project(tmp_path, {})
    with (tmp_path / "pyproject.toml").open("a") as file:
        file.write('\n[tool.seatrial.lock]\ncpu-index = "https://me:s3cret@index.example/simple"\n')
    monkeypatch.setenv("SEATRIAL_VERTEX_ENV", '{DB_PASSWORD = "s3cret-and-long-enough", LANGUAGE = "de"}')
    assert main(["config", "--project", str(tmp_path), *form]) == 0
    shown = capsys.readouterr().out
    assert "s3cret" not in shown
    assert "https://***@index.example/simple" in shown
    assert '"de"' in shown


def test_only_what_is_set_is_shown_as_toml(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small_project(tmp_path, {}, python="3.12")
    assert main(["config", "--project", str(tmp_path), "--set-only"]) == 0
    assert [line.split("  #")[0].strip() for line in capsys.readouterr().out.splitlines()] == [
        'predictor = "predictor:P"',
        'python = "3.12"',
    ]


def test_a_build_folder_of_the_users_own_is_left_to_git(tmp_path: Path) -> None:
    project = small_project(tmp_path, {"artifacts/weights.txt": "1", "build/Dockerfile": "FROM scratch\n"})
    main(["build", "--project", str(tmp_path)])
    assert not (project.build_dir / ".gitignore").exists()


def test_what_a_command_builds_is_no_change_for_git(tmp_path: Path) -> None:
    project = small_project(tmp_path, {"artifacts/weights.txt": "1"})
    main(["build", "--project", str(tmp_path)])
    assert (project.build_dir / ".gitignore").read_text() == "*\n"


def test_a_deploy_that_ends_early_leaves_no_page_of_an_earlier_one(tmp_path: Path) -> None:
    page = small_project(tmp_path, {"build/deploy/report.html": "<h1>Passed</h1>"}).build_dir / "deploy/report.html"
    assert main(["deploy", "--project", str(tmp_path), "--target", "vertex", "--set", "project=demo-1"]) == 2
    assert not page.exists()
