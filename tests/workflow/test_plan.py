"""`seatrial plan` decides what a workflow does; the YAML only follows."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from seatrial.containers.engine import Engine
from seatrial.errors import EnvironmentFaultError, UsageError
from seatrial.project import Project, load
from seatrial.workflow.plan import Plan, Wanted, key, plan
from tests.small_project import small_project

BASE = f"registry.example/python@sha256:{'0' * 64}"
IDENTITY = ["-c", "user.name=test", "-c", "user.email=test@example.com"]
REPOSITORY = "us-central1-docker.pkg.dev/p/r/i"


def answers(_: str) -> Engine:
    return Engine("podman", "podman")


def none_answers(_: str) -> Engine:
    raise EnvironmentFaultError("no container engine answers\ndocker: it is not installed")


def project(folder: Path, text: str = "") -> Project:
    made = small_project(folder, {})
    file = made.root / "pyproject.toml"
    file.write_text(file.read_text() + text)
    return load(made.root)


def rows(made: Plan) -> list[tuple[str, Any, str]]:
    return [(row["device"], row["runner"], row["python"]) for row in made.matrix["include"]]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (Wanted(), [("cpu", "ubuntu-24.04", "3.11")]),
        (Wanted(runner="big"), [("cpu", "big", "3.11")]),
        (Wanted(gpu_runner="t4"), [("cpu", "ubuntu-24.04", "3.11"), ("cuda", "t4", "3.11")]),
        (Wanted(gpu_runner="t4", devices="cpu"), [("cpu", "ubuntu-24.04", "3.11")]),
        (Wanted(gpu_runner='["self-hosted", "t4"]', devices="gpu"), [("cuda", ["self-hosted", "t4"], "3.11")]),
        (Wanted(gpu_runner="t4", devices="both", runner='["a"]'), [("cpu", ["a"], "3.11"), ("cuda", "t4", "3.11")]),
        (Wanted(gpu_runner="  "), [("cpu", "ubuntu-24.04", "3.11")]),
    ],
)
def test_the_gpu_has_a_row_only_where_it_has_a_runner(
    tmp_path: Path, wanted: Wanted, expected: list[tuple[str, Any, str]]
) -> None:
    assert rows(plan(project(tmp_path), wanted, answers)) == expected


def test_a_lock_that_is_not_as_it_was_is_compared_and_an_unknown_revision_is_noted(tmp_path: Path) -> None:
    here = project(tmp_path)
    for arguments in (["init", "--quiet"], ["add", "--all"], [*IDENTITY, "commit", "--quiet", "--message=all"]):
        subprocess.run(["git", "-C", str(tmp_path), *arguments], check=True, timeout=60)
    assert not plan(here, Wanted(since="HEAD"), answers).compare
    here.lock_file.write_text("numpy==2.0.0\n")
    assert plan(here, Wanted(since="HEAD"), answers).compare
    assert not plan(here, Wanted(), answers).compare
    made = plan(here, Wanted(since="HEAD~9"), answers)
    assert not made.compare
    assert "git knows no revision HEAD~9" in made.in_words


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        (Wanted(devices="gpu"), "no GPU runner"),
        (Wanted(devices="both"), "no GPU runner"),
        (Wanted(devices="tpu"), "device is 'tpu'"),
        (Wanted(gpu_runner='["t4"'), "not a JSON list"),
        (Wanted(gpu_runner="[]"), "not a JSON list"),
        (Wanted(runner='["a", 1]'), "not a JSON list"),
        (Wanted(dry_run=True), "dry-run without deploy"),
        (Wanted(rollback=True), "rollback without deploy"),
        (Wanted(undeploy=True), "undeploy without deploy"),
        (Wanted(deploy=True, target="local", rollback=True, dry_run=True), "dry-run and rollback exclude each other"),
        (Wanted(deploy=True, target="local", rollback=True, undeploy=True), "rollback and undeploy exclude each other"),
        (Wanted(deploy=True, target="cloud"), "target is 'cloud'"),
        (Wanted(deploy=True), "needs the id of a cloud project"),
        (Wanted(deploy=True, rollback=True), "needs the id of a cloud project"),
        (Wanted(deploy=True, target="local", devices="gpu", gpu_runner="t4"), "serves on cpu"),
    ],
)
def test_contradictions_are_wrong_usage(tmp_path: Path, wanted: Wanted, says: str) -> None:
    with pytest.raises(UsageError, match=says) as error:
        plan(project(tmp_path), wanted, answers)
    assert error.value.fix


CLOUD = '[tool.seatrial.vertex]\nproject = "my-project"\n'
IMAGE = f'[tool.seatrial.image]\nbase = "{BASE}"\n'


def test_a_deploy_on_google_cloud_builds_proves_and_pushes_an_image(tmp_path: Path) -> None:
    made = plan(project(tmp_path, CLOUD + IMAGE), Wanted(deploy=True, repository=REPOSITORY), answers)
    assert (made.prove, made.image, made.push, made.deploy) == (True, True, True, True)
    assert made.arguments == "--target\nvertex"
    assert made.environment == "production"
    assert made.lane == f"my-project/us-central1/{load(tmp_path).model_id}"


@pytest.mark.parametrize(
    ("settings", "repository", "says"),
    [
        (CLOUD, REPOSITORY, "no base image"),
        (CLOUD + IMAGE, "", "no repository is set"),
        (CLOUD + IMAGE, "docker.io/i", "Registry"),
    ],
)
def test_google_cloud_needs_an_image_and_a_place_for_it(
    tmp_path: Path, settings: str, repository: str, says: str
) -> None:
    with pytest.raises(UsageError, match=says):
        plan(project(tmp_path, settings), Wanted(deploy=True, repository=repository), answers)


def test_an_accelerator_needs_a_gpu_runner_for_trial_and_image(tmp_path: Path) -> None:
    made = project(tmp_path, f'{CLOUD}accelerator-type = "NVIDIA_L4"\n{IMAGE}')
    with pytest.raises(UsageError, match="serves on cuda"):
        plan(made, Wanted(deploy=True, repository=REPOSITORY), answers)
    planned = plan(made, Wanted(deploy=True, repository=REPOSITORY, gpu_runner="t4"), answers)
    assert (planned.image_device, planned.image_trial, planned.image_runner) == ("cuda", "cuda", "t4")
    assert planned.deploy_runner == "ubuntu-24.04"  # what serves is in the cloud
    rehearsed = plan(made, Wanted(deploy=True, target="local", gpu_runner="t4"), answers)
    assert rehearsed.deploy_runner == "t4"  # here it is what serves


def test_an_accelerator_that_may_stay_unproven_needs_none(tmp_path: Path) -> None:
    allowed = 'accelerator-type = "NVIDIA_L4"\nallow-unproven-device = true\n'
    made = plan(project(tmp_path, f"{CLOUD}{allowed}{IMAGE}"), Wanted(deploy=True, repository=REPOSITORY), answers)
    assert (made.image_device, made.image_trial, made.image_runner) == ("cuda", "cpu", "ubuntu-24.04")


@pytest.mark.parametrize(
    ("wanted", "option"),
    [(Wanted(deploy=True, rollback=True), "--rollback"), (Wanted(deploy=True, undeploy=True), "--undeploy")],
)
def test_a_rollback_and_an_undeploy_need_neither_trial_nor_image(tmp_path: Path, wanted: Wanted, option: str) -> None:
    made = plan(project(tmp_path, CLOUD), wanted, answers)
    assert (made.prove, made.image, made.push, made.deploy) == (False, False, False, True)
    assert made.arguments == f"--target\nvertex\n{option}"


@pytest.mark.parametrize(
    ("lock", "needed"),
    [("", 3), ("numpy==2.0.0\n", 3), ("torch==2.9.0\n", 11), ("torch==2.9.0\nnvidia-cublas-cu12==12.8.4.1\n", 44)],
)
def test_the_plan_says_how_much_disk_the_image_needs(tmp_path: Path, lock: str, needed: int) -> None:
    made = project(tmp_path, CLOUD + IMAGE)
    made.lock_file.write_text(lock)
    assert plan(made, Wanted(deploy=True, repository=REPOSITORY), answers).image_gigabytes == needed
    assert plan(made, Wanted(), answers).image_gigabytes == 0


def test_a_dry_run_on_google_cloud_is_a_preview_that_nobody_has_to_approve(tmp_path: Path) -> None:
    made = project(tmp_path, CLOUD + IMAGE)
    planned = plan(made, Wanted(deploy=True, dry_run=True, repository=REPOSITORY), answers)
    assert (planned.prove, planned.push, planned.deploy, planned.preview) == (True, True, False, True)
    assert planned.arguments == "--target\nvertex\n--dry-run"
    rehearsed = plan(made, Wanted(deploy=True, dry_run=True, target="local"), answers)
    assert (rehearsed.deploy, rehearsed.preview) == (True, False)  # a rehearsal waits for nobody anyway


def test_a_rollback_waits_for_no_deploy_but_for_another_rollback(tmp_path: Path) -> None:
    made = project(tmp_path, CLOUD + IMAGE)
    wanted = (Wanted(deploy=True, rollback=back, repository=REPOSITORY) for back in (False, True, True))
    deploy, rollback, another = (plan(made, each, answers).lane for each in wanted)
    assert deploy != rollback == another


def test_a_rehearsal_without_an_engine_leaves_the_image_out_and_says_so(tmp_path: Path) -> None:
    made = plan(project(tmp_path, IMAGE), Wanted(deploy=True, target="local"), none_answers)
    assert (made.image, made.push, made.deploy) == (False, False, True)
    assert "no container engine answers" in made.in_words
    assert "the bundle itself is rehearsed" in made.in_words


def test_a_rehearsal_without_a_base_image_says_so(tmp_path: Path) -> None:
    made = plan(project(tmp_path), Wanted(deploy=True, target="local"), answers)
    assert made.image is False
    assert "no image.base is configured" in made.in_words
    assert made.environment == "rehearsal"


def test_a_base_that_one_machine_has_built_is_no_base_for_a_runner(tmp_path: Path) -> None:
    made = project(tmp_path, CLOUD + IMAGE.replace(BASE, f"sha256:{'0' * 64}"))
    rehearsed = plan(made, Wanted(deploy=True, target="local"), answers)
    assert not rehearsed.image
    assert "the id of an image that one machine has built" in rehearsed.in_words
    with pytest.raises(UsageError, match="that one machine has built"):
        plan(made, Wanted(deploy=True, repository=REPOSITORY), answers)


@pytest.mark.parametrize(("repository", "pushes"), [("", False), (REPOSITORY, False), ("localhost:5000/i", True)])
def test_a_rehearsal_pushes_to_no_registry_in_the_cloud(tmp_path: Path, repository: str, pushes: bool) -> None:
    made = plan(project(tmp_path, IMAGE), Wanted(deploy=True, target="local", repository=repository), answers)
    assert (made.image, made.push) == (True, pushes)


def test_without_deploy_nothing_but_the_trials_runs(tmp_path: Path) -> None:
    made = plan(project(tmp_path, CLOUD + IMAGE), Wanted(), none_answers)
    assert (made.prove, made.image, made.push, made.deploy) == (True, False, False, False)


def test_the_key_tells_the_folders_of_a_repository_and_the_calls_of_a_run_apart(tmp_path: Path) -> None:
    folders = [tmp_path, tmp_path / "a/b", tmp_path / "a-b", tmp_path / "models/Überschrift"]
    keys = [key(folder, tmp_path) for folder in folders]
    keys += [key(folder, tmp_path, name) for folder in folders[:2] for name in ("us-central1", "us central1", "b")]
    assert len(set(keys)) == len(keys)
    assert key(tmp_path, tmp_path, "") == keys[0]  # an input that was left out
    assert all(set(one) <= set("abcdefghijklmnopqrstuvwxyz0123456789-") for one in keys)
