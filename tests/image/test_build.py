"""Building the image: its content, repeatable builds, what a change of code rebuilds, and refusals."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from seatrial.cli import main
from seatrial.containers import labels
from seatrial.containers.engine import Engine
from seatrial.containers.registry import read_manifest
from seatrial.errors import EnvironmentFaultError, UsageError
from seatrial.findings import Event, Finding
from seatrial.image.base import identity
from seatrial.image.build import Image, build_image
from seatrial.project import Project, load
from seatrial.system.cache import cache_dir
from tests.conftest import ROOT
from tests.engines import Base
from tests.stages import Ended, ended

SMALL = ROOT / "tests/projects/packaged-transform"

DOCKER_IN_THE_GATE = pytest.mark.parametrize(
    "engine", ["docker", pytest.param("podman", marks=pytest.mark.proof)], indirect=True
)


def small(folder: Path, base: Base) -> Project:
    """Copy the small project and configure the base image and its Python."""
    shutil.copytree(SMALL, folder, ignore=shutil.ignore_patterns("__pycache__", "build"))
    file = folder / "pyproject.toml"
    text = re.sub(r'python = "[0-9.]+"', f'python = "{base.python}"', file.read_text())
    file.write_text(f'{text}\n[tool.seatrial.image]\nbase = "{base.reference}"\n')
    return load(folder)


def built(project: Project, engine: Engine, **options: Any) -> tuple[Image, Ended[Image | None]]:
    run = ended(build_image(project, "cpu", engine, **options))
    assert run.errors == []
    assert run.value is not None
    return run.value, run


def digests(image: Image) -> dict[str, str]:
    return {layer.name: layer.digest for layer in image.layers}


def config(engine: Engine, image: Image) -> dict[str, Any]:
    described: dict[str, Any] = json.loads(engine.ask(["image", "inspect", image.reference]))[0]
    return described


def server_version(engine: Engine) -> int:
    """Return the major version of docker's daemon."""
    return int(engine.ask(["version", "--format", "{{.Server.Version}}"]).split(".")[0])


def forget(engine: Engine, image: Image) -> None:
    """Remove an image and the one below it, so that no later build uses them."""
    with FileLock(cache_dir() / "image.lock"):  # the build of another worker may be about to start from it
        engine.ask(["image", "rm", "--force", image.reference, image.dependencies])
        if engine.name == "docker":
            engine.ask(["builder", "prune", "--all", "--force"])


def content_of(engine: Engine, image: Image, target: Path) -> Iterator[tuple[str, bytes]]:
    """Save the image; return every file of every layer, and every text that describes it."""
    engine.ask(["save", "--output", str(target), image.reference], timeout=120)
    with tarfile.open(target) as saved:
        for member in saved:
            file = saved.extractfile(member) if member.isreg() else None
            if file is None:
                continue
            try:
                with tarfile.open(fileobj=file) as layer:
                    for entry in layer:
                        inside = layer.extractfile(entry) if entry.isreg() else None
                        yield entry.name, inside.read() if inside else b""
            except tarfile.ReadError:
                file.seek(0)
                yield member.name, file.read()


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, base: Base) -> Project:
    return small(tmp_path_factory.mktemp("image") / "halves", base)


def test_an_image_is_built_and_described(project: Project, engine: Engine, base: Base) -> None:
    image, run = built(project, engine, write=True)
    assert run.phases == ["bundle", "base", "dependencies", "code"]
    described = config(engine, image)
    assert (described["Os"], described["Architecture"]) == ("linux", "amd64")
    assert described["Config"]["User"] == "65532:65532"
    assert described["Config"]["Entrypoint"][:4] == ["/app/bin/python", "-I", "-m", "seatrial.serving"]
    assert not described["Config"].get("Cmd")
    assert not [name for name in described["Config"]["Env"] if name.startswith("AIP_")]
    assert described["Config"]["Labels"].items() >= image.labels.items()
    assert image.labels["dev.seatrial.bundle-digest"] == image.bundle_digest
    assert image.labels["dev.seatrial.python"].startswith(f"{base.python}.")
    assert [layer.name for layer in image.layers] == ["dependencies", "runtime", "artifacts", "predictor"]
    record = json.loads((project.build_dir / "image/image.json").read_text())
    assert record["id"] == image.id
    assert record["base"] == base.reference
    assert {layer["name"]: layer["digest"] for layer in record["layers"]} == digests(image)
    written = (project.build_dir / "image/Dockerfile").read_text()
    assert written.splitlines()[1] == f"FROM {image.dependencies}"
    assert "RUN" not in written
    assert f"FROM {base.reference}" in (project.build_dir / "image/dependencies.Dockerfile").read_text()
    bill = json.loads((project.build_dir / "image/sbom.cdx.json").read_text())
    assert {"numpy", "pillow", "uvicorn"} <= {component["name"] for component in bill["components"]}


@pytest.fixture
def own(project: Project, tmp_path: Path) -> Project:
    """A project whose image no other worker builds or runs."""
    shutil.copytree(project.root, tmp_path / "own")
    with (tmp_path / "own/predictor/half_predictor.py").open("a") as file:
        file.write(f"# {secrets.token_hex(8)}\n")
    return load(tmp_path / "own")


@pytest.mark.proof
def test_two_clean_builds_have_the_same_layers(own: Project, engine: Engine) -> None:
    first, _ = built(own, engine)
    forget(engine, first)
    second, run = built(own, engine, fresh=True)
    assert any("installing" in step for step in run.steps)
    assert digests(second) == digests(first)
    if engine.name == "podman" or (engine.buildx and server_version(engine) >= 24):
        assert second.digest == first.digest
        assert second.id == first.id


def test_with_containerds_store_two_clean_builds_are_one_image_named_by_the_manifest_that_is_pushed(
    own: Project, containerd_docker: Engine, registry: str
) -> None:
    first, _ = built(own, containerd_docker)
    forget(containerd_docker, first)
    second, run = built(own, containerd_docker, fresh=True)
    assert any("installing" in step for step in run.steps)
    assert second.id == second.digest == first.digest
    target = f"{registry}/containerd:1"
    containerd_docker.ask(["tag", second.reference, target])
    containerd_docker.ask(["push", target], timeout=120)
    manifest = read_manifest(registry, "containerd", "1", None)
    assert manifest is not None
    assert manifest.digest == second.digest


@DOCKER_IN_THE_GATE
def test_a_change_of_code_makes_one_small_layer(project: Project, engine: Engine, tmp_path: Path) -> None:
    shutil.copytree(project.root, tmp_path / "changed")
    changed = load(tmp_path / "changed")
    before, _ = built(changed, engine)
    with (changed.root / "predictor/half_predictor.py").open("a") as file:
        file.write("# one more line\n")
    after, run = built(changed, engine)
    assert after.rebuilt == ("predictor",)
    assert after.rebuilt_bytes < 100_000
    assert f"{after.dependencies} exists already" in run.steps
    assert not any("installing" in step for step in run.steps)
    assert after.version_digest != before.version_digest


def test_it_starts_read_only_without_privileges_and_imports_the_locked_distributions(
    project: Project, engine: Engine
) -> None:
    image, _ = built(project, engine)
    code = (
        "import os, sys, numpy, PIL.Image, predictor, seatrial.serving\n"
        "print(numpy.__cached__, PIL.Image.open.__code__.co_filename, predictor.__file__)\n"
        "print(os.getuid(), sys.prefix, os.access('/app', os.W_OK), os.access(predictor.__cached__, os.R_OK))"
    )
    printed = engine.ask(
        [
            "run", "--rm", "--network=none", "--read-only", "--cap-drop=all", "--tmpfs=/tmp",
            "--entrypoint=/app/bin/python", image.reference, "-I", "-c", code,
        ]
    )  # fmt: skip
    site, tag = f"/app/lib/python{project.python}/site-packages", project.python.replace(".", "")
    assert printed.splitlines() == [
        f"{site}/numpy/__pycache__/__init__.cpython-{tag}.pyc {site}/PIL/Image.py {site}/predictor/__init__.py",
        "65532 /app False True",
    ]


SECRETS = {
    ".env": "API_TOKEN=swordfish-1",
    "gha-creds-0123456789abcdef.json": '{"note": "swordfish-2"}',
    "keys/id_rsa": "-----BEGIN OPENSSH PRIVATE KEY-----\nswordfish-3\n",
    "application_default_credentials.json": '{"type": "authorized_user", "refresh_token": "swordfish-4"}',
    "notes/deploy.pem": "-----BEGIN PRIVATE KEY-----\nswordfish-5\n",
    ".git/config": "https://token:swordfish-6@example.org/",
    "training/settings.py": "PASSWORD = 'swordfish-7'",
    "build/image/.env": "swordfish-8",
}


@DOCKER_IN_THE_GATE
def test_a_secret_anywhere_in_the_project_never_reaches_a_layer(engine: Engine, base: Base, tmp_path: Path) -> None:
    project = small(tmp_path / "halves", base)
    for name, text in SECRETS.items():
        (project.root / name).parent.mkdir(parents=True, exist_ok=True)
        (project.root / name).write_text(text)
    image, _ = built(project, engine)
    names = set()
    for name, content in content_of(engine, image, tmp_path / "saved.tar"):
        names.add(name)
        assert b"swordfish" not in content, name
        for place in (str(project.root), os.environ["SEATRIAL_CACHE"]):
            assert place.encode() not in content, name
    site = f"app/lib/python{project.python}/site-packages"
    assert f"{site}/predictor/half_predictor.py" in names
    assert f"{site}/numpy/__init__.py" in names
    assert "app/bundle/bundle.json" in names
    assert not [name for name in names if re.search(r"uv_cache|direct_url|INSTALLER|\.lock$|/\.env|creds|\.git/", name)]


@pytest.mark.parametrize("name", [".env", "gha-creds-01.json", "keys/id_rsa", "deploy.pem"])
def test_a_secret_listed_as_package_data_is_refused(name: str, base: Base, tmp_path: Path, docker: Engine) -> None:
    project = small(tmp_path / "halves", base)
    file = project.root / "pyproject.toml"
    file.write_text(file.read_text().replace("[tool.seatrial]\n", f'[tool.seatrial]\npackage-data = ["{name}"]\n'))
    (project.root / name).parent.mkdir(exist_ok=True)
    (project.root / name).write_text("swordfish")
    run = ended(build_image(load(project.root), "cpu", docker))
    assert run.value is None
    assert run.codes == ["ST801"]


def test_a_base_without_a_digest_is_a_usage_error_that_says_how_to_get_one(
    base: Base, docker: Engine, tmp_path: Path
) -> None:
    project = small(tmp_path / "halves", base)
    file = project.root / "pyproject.toml"
    for written, name in (("python:3.11-slim", "python:3.11-slim"), ("", "NAME:TAG")):
        file.write_text(re.sub(r'base = ".*"', f'base = "{written}"', file.read_text()))
        with pytest.raises(UsageError) as raised:
            ended(build_image(load(project.root), "cpu", docker))
        assert f"docker pull {name}" in raised.value.fix
        assert raised.value.exit_code == 2


@DOCKER_IN_THE_GATE
def test_a_base_that_was_built_here_is_named_by_its_id(base: Base, engine: Engine, tmp_path: Path) -> None:
    project = small(tmp_path / "halves", base)
    engine.ask(["pull", base.reference])
    own_id, _ = identity(engine, base.reference)
    file = project.root / "pyproject.toml"
    file.write_text(file.read_text().replace(base.reference, own_id))
    image, _ = built(load(project.root), engine)
    assert image.base == own_id
    forget(engine, image)
    file.write_text(file.read_text().replace(own_id, f"sha256:{'0' * 64}"))
    with pytest.raises(UsageError, match=r"has no image sha256:0000.* on this machine"):
        ended(build_image(load(project.root), "cpu", engine))


def test_a_base_with_another_python_is_a_usage_error(base: Base, engine: Engine, tmp_path: Path) -> None:
    project = small(tmp_path / "halves", base)
    other = "3.12" if base.python != "3.12" else "3.13"
    file = project.root / "pyproject.toml"
    file.write_text(file.read_text().replace(f'python = "{base.python}"', f'python = "{other}"'))
    with pytest.raises(UsageError, match=rf"has no Python|has cpython {base.python}\.\d+, but `python` is {other}"):
        ended(build_image(load(project.root), "cpu", engine))


def test_an_engine_that_may_start_no_container_is_not_told_as_a_base_without_python(
    podman: Engine, base: Base, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Path(os.environ["CONTAINERS_CONF"]).read_text()
    changed = tmp_path / "containers.conf"
    changed.write_text(settings.replace("nofile=1024:1024", "nofile=2000000000:2000000000"))  # beyond fs.nr_open
    assert changed.read_text() != settings
    monkeypatch.setenv("CONTAINERS_CONF", str(changed))
    with pytest.raises(EnvironmentFaultError, match=r"podman could not run python3\S* of the base image") as raised:
        ended(build_image(small(tmp_path / "halves", base), "cpu", podman))
    assert "rlimit" in raised.value.message


def test_a_disk_that_is_too_small_is_refused_with_numbers(
    project: Project, docker: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(project.root)
    monkeypatch.setenv("SEATRIAL_CACHE", str(tmp_path))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=100_000_000))
    # Three copies of 0.3 GB in docker's storage, the tar, and the content, which no trial has put into this cache.
    needed = re.escape("0.1 GB free; building a layer of 0.3 GB needs about 1.5 GB")
    with pytest.raises(EnvironmentFaultError, match=needed) as raised:
        ended(build_image(project, "cpu", docker, fresh=True))
    assert "`docker image prune`" in raised.value.fix
    assert "SEATRIAL_CACHE" in raised.value.fix


def test_a_cuda_lock_for_a_target_without_accelerator_is_a_warning(
    base: Base, docker: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = small(tmp_path / "halves", base)
    with project.lock_file.open("a") as file:
        file.write(f"nvidia-cublas==13.0.0 \\\n    --hash=sha256:{'0' * 64}\n")
    usage = shutil.disk_usage(project.root)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1_000))
    events: list[Event] = []
    with pytest.raises(EnvironmentFaultError, match="GB free"):
        events.extend(build_image(project, "cpu", docker))
    (warning,) = [event for event in events if isinstance(event, Finding)]
    assert (warning.code, warning.severity.value) == ("ST610", "warning")
    assert "7.0 GB" in warning.message
    assert "seatrial lock --cpu" in warning.fix


def test_the_command_builds_and_reports_bytes_and_seconds(
    project: Project, engine: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(["image", "build", "--project", str(project.root), "--engine", engine.name, "--format", "json"])
    said = capsys.readouterr()
    assert code == 0, said.err
    assert json.loads(said.out)["image"]["engine"] == engine.name
    assert re.search(r"\d+ of 4 layers were not in the last image, [\d,.]+ kB · [\d.]+ s", said.err)


def test_the_commit_is_a_label_that_marks_a_changed_file(project: Project, tmp_path: Path) -> None:
    assert labels.of_commit(tmp_path) == {}
    shutil.copytree(project.root, tmp_path / "project", ignore=shutil.ignore_patterns("build"))
    for command in ("init --quiet", "add --all", "-c user.name=a -c user.email=a@b.c commit --quiet --message=one"):
        subprocess.run(["git", "-C", tmp_path / "project", *command.split()], check=True, timeout=30)
    commit = labels.of_commit(tmp_path / "project")["org.opencontainers.image.revision"]
    assert re.fullmatch("[0-9a-f]{40}", commit)
    (tmp_path / "project/README.md").touch()
    assert labels.of_commit(tmp_path / "project") == {"org.opencontainers.image.revision": f"{commit}-dirty"}


def test_without_an_engine_the_command_ends_with_exit_code_3(
    project: Project, no_engine: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["image", "build", "--project", str(project.root)]) == 3
    assert "no container engine answers" in capsys.readouterr().err
