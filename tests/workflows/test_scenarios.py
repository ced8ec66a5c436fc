"""The workflows, executed: each expected job with its result, and what the run left for people and machines.

A job that was skipped has no result. Results and logs are act's; what act cannot show is said in docs/workflow.md.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from seatrial.cli.main import main
from tests.conftest import ROOT
from tests.engines import Base
from tests.local_index import Index, serving
from tests.serving.bucket_server import Content, running
from tests.workflows.acting import Acted, Caller, commit, repository
from tests.workflows.adapted import RELEASE, adapted
from tests.workflows.conftest import SMALL

pytestmark = pytest.mark.timeout(600)  # a run of a dozen jobs, beside the other tests on a small machine
SMOKE = "smoke (cpu, Python 3.11)"
PROVED = {"plan": "success", "check": "success", SMOKE: "success"}
PROVE = f"""\
  prove:
    permissions: {{contents: read}}
    uses: seatrial/seatrial/.github/workflows/prove.yml@{RELEASE}
"""
REHEARSED = "local rehearsal, nothing created on Google Cloud"
Make = Callable[..., Caller]


def documented(file: str, called: str, name: str = "") -> str:
    """Return the first workflow that a page shows for those who call one of ours, or the one with a name."""
    blocks = re.findall(r"```yaml\n(.*?)```", (ROOT / file).read_text(encoding="utf-8"), flags=re.DOTALL)
    return next(str(block) for block in blocks if f"/{called}@{RELEASE}" in block and f"name: {name}" in block)


def ship(*, secrets: Sequence[str] = (), **inputs: Any) -> str:
    """Return a caller of ship.yml that passes its secrets of these names on, and prints the outputs."""
    passed = "".join(f"      {name}: ${{{{ secrets.{name.upper()} }}}}\n" for name in secrets)
    passed = f"    secrets:\n{passed}" if passed else ""
    given = "".join(f"      {name.replace('_', '-')}: {json.dumps(value)}\n" for name, value in inputs.items())
    return f"""\
name: predictor
on: [push, workflow_dispatch]
jobs:
  ship:
    permissions: {{contents: read, id-token: write}}
    uses: seatrial/seatrial/.github/workflows/ship.yml@{RELEASE}
    with:
{given}{passed}
  after:
    needs: ship
    runs-on: ubuntu-24.04
    steps:
      - env:
          OUTPUTS: ${{{{ toJSON(needs.ship.outputs) }}}}
        run: echo "$OUTPUTS"
"""


def jobs(acted: Acted, of: str) -> dict[str, str]:
    """Return the results of the jobs of a called workflow, by the name of the job that calls it."""
    paths = [(name.split("/"), result) for name, result in acted.results.items()]
    return {path[-1]: result for path, result in paths if path[0] == of}


def verdicts(acted: Acted) -> dict[str, str]:
    """Return the verdict of each report that the run uploaded."""
    return {file.stem: json.loads(file.read_text())["verdict"] for file in acted.artifacts.glob("*/report/*.json")}


def outputs(acted: Acted) -> dict[str, str]:
    text = acted.printed("predictor/after")
    found: dict[str, str] = json.loads(text[text.index("{") :])
    return found


def deployed(acted: Acted) -> dict[str, Any]:
    """Return deploy.json as the run uploaded it."""
    (file,) = acted.artifacts.glob("*/deploy/deploy.json")
    found: dict[str, Any] = json.loads(file.read_text())
    return found


def test_the_ten_lines_of_the_readme_rehearse_a_predictor_on_push(caller: Make) -> None:
    text = documented("README.md", "rehearse.yml")
    assert text == documented("docs/workflow.md", "rehearse.yml")
    assert len(text.splitlines()) <= 10
    acted = caller(text).push()
    assert jobs(acted, "prove") == PROVED
    assert jobs(acted, "rehearse") == {"plan": "success", "deploy": "success", "report": "success"}
    assert acted.code == 0
    assert deployed(acted)["status"] == "deployed"
    first, *_ = acted.summary.splitlines()
    assert first.startswith("**Passed.**")
    assert REHEARSED in first


@pytest.mark.proof  # the gate does it with an image in between
def test_a_caller_in_a_folder_gets_the_outputs_of_its_rehearsal(caller: Make) -> None:
    acted = caller(ship(project="models/halves", deploy=True, target="local"), folder="models/halves").push()
    assert jobs(acted, "ship")["deploy"] == "success"
    assert acted.results["predictor/after"] == "success"
    told = outputs(acted)
    assert told["status"] == "deployed"
    assert told["note"] == REHEARSED
    assert told["version"].startswith("projects/")
    assert json.loads(told["traffic"]) == {told["deployed_model"]: 100}
    assert told["digest"] == deployed(acted)["digest"]


@pytest.mark.proof  # the gate runs a caller that deploys
def test_a_caller_on_push_that_does_not_ask_for_a_deploy_gets_none(caller: Make) -> None:
    acted = caller(ship(project="models/halves", deploy=False), folder="models/halves").push()
    assert jobs(acted, "prove") == PROVED
    assert jobs(acted, "ship") == {"plan": "success", "report": "success"}
    assert outputs(acted)["status"] == ""
    assert not list(acted.artifacts.glob("*/deploy"))


def test_a_failing_check_of_a_pull_request_stops_the_trial_and_the_summary_says_what_to_do(caller: Make) -> None:
    text = documented("docs/workflow.md", "prove.yml")
    acted = caller(text, project=ROOT / "tests/projects/article-pair").pull_request()
    assert jobs(acted, "prove") == {"plan": "success", "check": "failure", "report": "failure"}
    assert acted.code != 0
    assert acted.summary.startswith("**ST120** `requirements.in:2:1`: ")
    assert acted.annotations == ["requirements.in:2"]


def test_a_pull_request_that_changes_the_lock_gets_the_comparison_in_its_summary(
    caller: Make, copied: Callable[[str], Path]
) -> None:
    project = copied("tests/projects/packaged-transform")
    lock = (project / "requirements.txt").read_text()
    shutil.copy(ROOT / "tests/projects/dependabot/pillow-11.txt", project / "requirements.txt")
    made = caller(documented("docs/workflow.md", "prove.yml"), project=project)
    (made.root / "requirements.txt").write_text(lock)
    commit(made.root, "an update of Pillow by two major versions, as Dependabot makes it")
    acted = made.pull_request()
    assert jobs(acted, "prove") == {**PROVED, "compare": "success", "report": "success"}
    assert "| pillow | 11.3.0 | 13.0.0 |" in acted.summary
    assert "requirements.txt answers 4 golden inputs as requirements.txt at HEAD^1 does" in acted.summary
    assert acted.summary.startswith("**Passed.**")


@pytest.mark.proof
def test_weights_in_a_bucket_are_fetched_by_the_jobs_that_need_them(
    caller: Make, tmp_path: Path, shared_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tmp_path / "halves"
    shutil.copytree(SMALL, project)
    content = Content()
    for file in (file for file in (project / "artifacts").rglob("*") if file.is_file()):
        content.objects[f"halves/v1/{file.relative_to(project / 'artifacts').as_posix()}"] = file.read_bytes()
    shutil.rmtree(project / "artifacts")
    settings = project / "pyproject.toml"
    text = settings.read_text().replace("[tool.seatrial]\n", '[tool.seatrial]\nartifacts = "gs://weights/halves/v1"\n')
    settings.write_text(text)
    with running(content) as served:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", served.host)
        assert main(["artifacts", "lock", "--project", str(project)]) == 0
        shutil.rmtree(shared_cache / "artifacts")
        before = len(served.ranges)
        acted = caller(documented("README.md", "rehearse.yml"), project=project).push()
        reads = len(served.ranges) - before
    assert jobs(acted, "prove") == PROVED
    assert jobs(acted, "rehearse") == {"plan": "success", "deploy": "success", "report": "success"}
    assert reads == len(content.objects)  # by the first job that needs them; act's jobs share a machine, and its cache
    assert "the artifacts are fetched from Cloud Storage" in acted.printed("rehearse/rehearse/plan")
    assert "0.0 MB were moved" in acted.printed("rehearse/rehearse/deploy")
    assert deployed(acted)["status"] == "deployed"


def test_a_failing_smoke_is_not_deployed_and_the_first_line_names_the_code(
    caller: Make, copied: Callable[[str], Path]
) -> None:
    project = copied("tests/projects/packaged-transform")
    golden = project / "artifacts/golden/golden.json"
    golden.write_text(golden.read_text().replace('"label": "left"', '"label": "top"'))
    # prove.yml is called once more by itself: act ends a workflow in which a called one has failed, and so would never
    # come to the report of ship.yml.
    both = f"{ship(deploy=True, target='local')}{PROVE}"
    acted = caller(both, project=project).push()
    assert jobs(acted, "ship") == {"plan": "success"}
    assert jobs(acted, "prove") == {**PROVED, SMOKE: "failure", "report": "failure"}
    assert acted.code != 0
    assert acted.summary.startswith("**ST402** ")


@pytest.mark.proof  # the gate runs the rehearsal that it calls, and main.yml by hand
def test_main_without_a_cloud_project_rehearses(caller: Make) -> None:
    acted = caller().push("main.yml")
    assert jobs(acted, "rehearsal") == {"plan": "success", "deploy": "success", "report": "success"}
    assert jobs(acted, "ship") == {}
    assert deployed(acted)["target"] == "local"


@pytest.mark.proof  # the gate runs main.yml by a push
def test_main_by_hand_without_a_gpu_runner_proves_on_the_cpu_and_deploys_nothing(caller: Make) -> None:
    acted = caller().dispatch(device="cpu", deploy=False, target="auto")
    assert jobs(acted, "prove") == PROVED
    assert jobs(acted, "rehearsal") == {"plan": "success", "report": "success"}


def test_main_by_hand_for_a_gpu_without_a_runner_is_refused_at_once(caller: Make) -> None:
    acted = caller().dispatch(device="gpu", deploy=False, target="auto")
    assert jobs(acted, "rehearsal") == {"plan": "failure", "report": "failure"}
    assert "no GPU runner was given" in acted.summary.splitlines()[0]


@pytest.mark.proof  # the gate runs the list of labels, whose row for the GPU fails in the same way
@pytest.mark.skipif(shutil.which("nvidia-smi") is not None, reason="shows what happens without a GPU")
def test_a_label_of_a_runner_without_a_gpu_fails_the_trial_on_it(caller: Make) -> None:
    acted = caller(SEATRIAL_GPU_RUNNER="gpu-t4").dispatch(device="gpu", deploy=False, target="local")
    assert jobs(acted, "prove") == {"plan": "success", "check": "success", "smoke (cuda, Python 3.11)": "failure"}
    assert verdicts(acted)["smoke-cuda"] == "error"
    assert "needs an NVIDIA GPU" in acted.printed("prove/prove/smoke (cuda, Python 3.11)")


@pytest.mark.skipif(shutil.which("nvidia-smi") is not None, reason="shows what happens without a GPU")
def test_labels_as_a_json_list_get_a_trial_beside_the_cpus_and_its_failure_stops_the_deploy(caller: Make) -> None:
    label = '["self-hosted", "gpu"]'
    acted = caller(SEATRIAL_GPU_RUNNER=label).dispatch(device="both", deploy=True, target="local")
    proved = jobs(acted, "prove")
    assert set(proved) == {*PROVED, "smoke (cuda, Python 3.11)"}
    assert proved["smoke (cuda, Python 3.11)"] == "failure"
    # act gives all rows of a matrix one result; the report is the row's own.
    assert {name: verdicts(acted)[name] for name in ("smoke-cpu", "smoke-cuda")} == {
        "smoke-cpu": "passed",
        "smoke-cuda": "error",
    }
    assert jobs(acted, "rehearsal") == {"plan": "success"}
    (plan,) = [report["plan"] for report in acted.reports() if report["command"] == "plan"]
    assert [row["runner"] for row in plan["matrix"]["include"]] == ["ubuntu-24.04", json.loads(label)]


def test_a_deploy_on_google_cloud_without_a_project_is_wrong_usage(caller: Make) -> None:
    acted = caller(ship(deploy=True)).push()
    assert jobs(acted, "ship") == {"plan": "failure", "report": "failure"}
    assert jobs(acted, "prove") == {}
    assert "failed with exit code 2" in acted.printed("ship/ship/plan")
    assert "needs the id of a cloud project" in acted.summary.splitlines()[0]


def test_the_selftest_calls_all_as_others_do_and_finds_what_the_docs_promise(tool: Path, tmp_path: Path) -> None:
    text = adapted((ROOT / ".github/workflows/selftest.yml").read_text(encoding="utf-8"))
    folder = "models/halves"
    made = Caller(repository(tmp_path / "caller", {"selftest.yml": text}, SMALL, folder), tool, tmp_path / "act")
    acted = made.dispatch("selftest.yml", project=folder)
    found = {name: result for name, result in acted.results.items() if name.startswith("selftest/")}
    assert found == {"selftest/step": "success", "selftest/verify": "success"}
    assert "bundle digest of step: " in acted.printed("selftest/verify")
    assert acted.code == 0
    # Two calls for one project in one run: each has artifacts of its own.
    names = {place.name for place in acted.artifacts.iterdir()}
    keys = {
        name: re.compile(rf"seatrial-(?:report-)?models-halves-{name}-[0-9a-f]{{8}}(?:-|$)")
        for name in ("first", "second")
    }
    of = {call: {name for name in names if key.match(name)} for call, key in keys.items()}
    assert of["first"] | of["second"] == names
    assert {len({name.removeprefix("seatrial-").removeprefix("report-")[:29] for name in each}) for each in of.values()}
    assert any(name.endswith("-smoke-cpu") for name in of["first"])
    assert any(name.endswith("-smoke-cpu") for name in of["second"])
    (report,) = (name for name in names if "report" in name)
    assert {file.name for file in (acted.artifacts / report / "report").iterdir()} == {
        "plan.json", "lock.json", "check.json", "smoke-cpu.json",
    }  # fmt: skip


@pytest.mark.proof
def test_a_rollback_proves_nothing_and_says_that_there_is_nothing_to_roll_back(caller: Make) -> None:
    acted = caller(ship(deploy=True, target="local", rollback=True)).push()
    assert jobs(acted, "prove") == {}
    assert jobs(acted, "ship") == {"plan": "success", "deploy": "failure", "report": "failure"}
    assert acted.summary.startswith("**")


@pytest.mark.proof  # the gate is full, and executes the jobs of a rollback, which are the same
def test_the_documented_hours_end_with_an_undeploy_that_proves_nothing(caller: Make) -> None:
    text = documented("docs/workflow.md", "ship.yml", "hours")
    of_the_cloud = r" +(?:cloud-project|region|image-repository|workload-identity-provider|service-account): .*\n"
    text, removed = re.subn(of_the_cloud, "", text)
    assert removed == 5
    acted = caller(f"{text}      target: local\n").schedule("0 20 * * 1-5")
    assert jobs(acted, "prove") == {}
    assert jobs(acted, "ship") == {"plan": "success", "deploy": "success", "report": "success"}
    assert acted.code == 0
    assert deployed(acted)["status"] == "undeployed"


def test_a_cancelled_run_stops_what_it_started_and_deploys_nothing(caller: Make) -> None:
    made = caller(ship(deploy=True, target="local"))
    act = made.start("push", "ci.yml", {"ref": "refs/heads/main"})
    printed = []
    assert act.stdout is not None
    for line in act.stdout:
        printed.append(line)
        if "Running session smoke" in line:
            act.send_signal(signal.SIGINT)
            break
    try:
        rest, _ = act.communicate(timeout=120)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(act.pid, signal.SIGKILL)
    acted = made.read(act.returncode, "".join(printed) + rest)
    assert acted.code != 0
    assert "deploy" not in jobs(acted, "ship")
    deadline = time.monotonic() + 60
    while (left := _running(made.scratch)) and time.monotonic() < deadline:
        time.sleep(0.5)
    assert left == ""


def _running(folder: Path) -> str:
    """Return the processes that still work in a folder."""
    listing = subprocess.run(["ps", "-eo", "pid,args"], capture_output=True, text=True, check=True, timeout=30).stdout
    return "\n".join(line for line in listing.splitlines() if str(folder) in line)


@pytest.fixture
def private(tmp_path: Path) -> Iterator[Index]:
    """A package index with one wheel, which asks for a password."""
    with serving(tmp_path / "wheels") as index:
        index.login = "robot:hunter2-of-the-index"
        yield index


def test_plan_to_deploy_with_the_image_in_between_and_a_package_of_a_private_index(
    caller: Make, copied: Callable[[str], Path], base: Base, registry: str, private: Index,
    request: pytest.FixtureRequest, tmp_path: Path,
) -> None:  # fmt: skip
    engine = request.getfixturevalue("podman")
    project = copied("tests/projects/packaged-transform")
    digest = private.add("greeting", "1.0", content="of a private index")
    for name, line in (("requirements.in", "greeting"), ("requirements.txt", f"greeting==1.0 --hash={digest}")):
        file = project / name
        file.write_text(f"--extra-index-url {private.url}\n{file.read_text()}{line}\n")
    settings = project / "pyproject.toml"
    text = settings.read_text().replace('python = "3.11"', f'python = "{base.python}"')
    image = f'base = "{base.reference}"\nrepository = "{registry}/halves"\nengine = "{engine.name}"\n'
    settings.write_text(f"{text}\n[tool.seatrial.image]\n{image}")
    folder = "models/halves"
    text = ship(secrets=["netrc"], project=folder, deploy=True, target="local")
    made = caller(text, project=project, folder=folder)
    name, _, password = private.login.partition(":")
    made.secrets = {"NETRC": f"machine 127.0.0.1 login {name} password {password}"}
    acted = made.push()
    assert jobs(acted, "ship") == {"plan": "success", "image": "success", "deploy": "success", "report": "success"}
    told = outputs(acted)
    assert told["status"] == "deployed"
    assert told["image"].startswith(f"{registry}/halves@sha256:")
    assert told["note"] == REHEARSED
    assert told["version"].startswith("projects/")
    assert json.loads(told["traffic"]) == {told["deployed_model"]: 100}
    assert told["digest"] == deployed(acted)["digest"]
    # The wheel came from the index, and the password went nowhere else.
    assert any(path.endswith(".whl") for path in private.asked)
    saved = tmp_path / "image.tar"
    command = [engine.program, "save", "--format=docker-archive", f"--output={saved}", told["image"]]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    assert b"of a private index" in saved.read_bytes()
    secret = [password.encode(), base64.b64encode(private.login.encode())]
    left = [file for file in made.scratch.rglob("*") if file.is_file() and not file.is_symlink()]
    assert len(left) > 5  # the reports
    holding = [file for file in [saved, *left] if any(form in file.read_bytes() for form in secret)]
    assert {file.name for file in holding} <= {"netrc"}  # the file of the runner, which goes with the job
    assert not any(form.decode() in text for _, text in acted.log for form in secret)
    assert password not in acted.summary


@pytest.mark.parametrize(
    ("configured", "newest"),
    [
        pytest.param(False, RELEASE, id="exact tags alone", marks=pytest.mark.proof),
        pytest.param(True, RELEASE, id="vX, and PyPI"),
        pytest.param(True, f"{RELEASE.partition('.')[0]}.10.0", id="an older one", marks=pytest.mark.proof),
    ],
)
def test_a_tag_is_built_attested_drafted_and_published_in_the_last_step_of_all(
    tool: Path, tmp_path: Path, *, configured: bool, newest: str
) -> None:
    version = RELEASE.removeprefix("v")
    release = adapted((ROOT / ".github/workflows/release.yml").read_text(encoding="utf-8"))
    made = Caller(repository(tmp_path / "released", {"release.yml": release}, tool), tool, tmp_path / "act")
    if configured:
        made.variables = {"RELEASE_APP_CLIENT_ID": "Iv1", "PUBLISH_TO_PYPI": "true"}
        made.secrets = {"RELEASE_APP_PRIVATE_KEY": "of the App"}
    major = RELEASE.partition(".")[0]
    calls = github_cli(made.scratch / "bin", f"{major}.9.0-rc1", f"{major}.0.1", newest, RELEASE)
    acted = made.tag(RELEASE)
    wanted = ("build", "attest", "draft", *(("major", "pypi") if configured else ()), "publish")
    assert jobs(acted, "release") == dict.fromkeys(wanted, "success")
    built = {file.name for file in acted.artifacts.glob("dist/*")}
    assert built == {f"seatrial-{version}-py3-none-any.whl", f"seatrial-{version}.tar.gz"}
    assert all(name in acted.printed("release/attest") for name in built)
    _, drafted, *moved, published = calls.read_text(encoding="utf-8").splitlines()
    assert f"release create {RELEASE} " in drafted
    assert " --draft " in drafted
    assert all(f"dist/{name}" in drafted for name in built)
    assert f"release edit {RELEASE} " in published
    assert published.endswith(" --draft=false")
    assert len(moved) == (0 if not configured else 3 if newest == RELEASE else 1)
    assert (f"{newest} is newer" in acted.printed("release/major")) is (newest != RELEASE)
    assert not configured or all(f"would publish dist/{name}" in acted.printed("release/pypi") for name in built)
    for call in moved:
        assert call.startswith("token-of-the-app: ")
        assert re.search(rf"tags/{major}(\.| )", call)


def test_a_tag_that_is_not_the_version_is_never_built(tool: Path, tmp_path: Path) -> None:
    release = adapted((ROOT / ".github/workflows/release.yml").read_text(encoding="utf-8"))
    made = Caller(repository(tmp_path / "released", {"release.yml": release}, tool), tool, tmp_path / "act")
    calls = github_cli(made.scratch / "bin")
    acted = made.tag("v99.0.0")
    assert jobs(acted, "release") == {"build": "failure"}
    assert not calls.exists()


def github_cli(folder: Path, *tags: str) -> Path:
    """Put a `gh` into a folder that notes what the workflow calls it with, and as whom; give the file of its notes.

    It knows the tags of the repository, and nothing else.
    """
    notes = folder / "gh.log"
    folder.mkdir(parents=True, exist_ok=True)
    lines = (
        "#!/bin/sh",
        '[ "$1" != auth ] || exit 1',  # act itself asks for a token
        f'echo "$GH_TOKEN: $*" >> "{notes}"',
        'case "$*" in "release view "*) echo "release not found" >&2; exit 1;; esac',
        *(f'case "$*" in *matching-refs*) echo refs/tags/{tag};; esac' for tag in tags),
    )
    (folder / "gh").write_text("\n".join(lines))
    (folder / "gh").chmod(0o755)
    return notes


@pytest.mark.proof
def test_this_repositorys_own_demo_is_rehearsed_on_push(caller: Make, demo: Path) -> None:
    made = caller(project=demo)
    made.limit = 1500
    acted = made.push("main.yml")
    assert jobs(acted, "prove") == PROVED
    assert jobs(acted, "rehearsal") == {"plan": "success", "deploy": "success", "report": "success"}
    assert acted.code == 0
    assert deployed(acted)["status"] == "deployed"
