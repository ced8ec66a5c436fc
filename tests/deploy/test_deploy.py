"""The whole deploy of a small real predictor: versions, canary, refusal, rollback, and what an interruption leaves."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from seatrial.emulator.api.faults import Fault
from seatrial.image.push import Pushed
from tests.deploy.rehearsal import PREDICTOR, Rehearsal, ended, rehearsing

PROJECT = "tests/projects/packaged-transform"
_IMAGE = f"sha256:{'1' * 64}"
PUSHED = Pushed(
    f"us-central1-docker.pkg.dev/acme/models/halves@{_IMAGE}",
    _IMAGE,
    _IMAGE,
    "2" * 64,
    "3" * 64,
    "cpu",
    5,
    1,
    9,
    1,
    1.0,
)


@pytest.fixture
def rehearsal(copied: Callable[[str], Path], tmp_path: Path) -> Iterator[Rehearsal]:
    with rehearsing(copied(PROJECT), tmp_path / "state") as running:
        yield running


def test_versions_come_and_go_by_proof_alone(rehearsal: Rehearsal) -> None:
    first = rehearsal.deploy()
    assert (first.code, first.status) == (0, "deployed"), first.shown
    assert "local rehearsal, nothing created on Google Cloud" in first.shown
    [one] = rehearsal.state.deployed
    assert rehearsal.state.split == {one: 100}
    assert [alias.partition("-")[0] for alias in rehearsal.state.versions["1"]] == ["b", "default", "p"]

    assert "not the image that was pushed" not in first.shown
    pushed = rehearsal.root / "build/image/pushed.json"
    pushed.parent.mkdir()
    pushed.write_text(json.dumps(asdict(PUSHED)))
    again = rehearsal.deploy()
    assert (again.code, again.status) == (0, "unchanged")
    said = f"bundle: this rehearses the bundle, not the image that was pushed, {PUSHED.reference}: `--pushed` rehearses"
    assert said in again.shown
    pushed.unlink()

    alive = rehearsal.ask_again()
    assert (alive.code, alive.codes) == (0, []), alive.shown
    assert "4 golden requests answered as proven, by 1 deployed versions" in alive.shown
    golden = rehearsal.root / "artifacts/golden/golden.json"
    recorded = golden.read_text()
    golden.write_text(recorded.replace('"label": "left"', '"label": "right"'))
    drifted = rehearsal.ask_again()
    assert (drifted.code, drifted.codes) == (1, ["ST717"]), drifted.shown
    golden.write_text(recorded)

    rehearsal.change("retrained")
    second = rehearsal.deploy("--set", "rollout.steps=[50, 100]")
    assert (second.code, second.status) == (0, "deployed"), second.shown
    assert second.report["gates"][0]["percent"] == 50
    assert min(second.report["gates"][0][side]["answers"] for side in ("new", "former")) >= 50
    after = rehearsal.state
    assert one not in after.deployed
    assert len(after.deployed) == 1
    assert "default" in after.versions["2"]
    assert "default" not in after.versions["1"]
    assert (after.record, after.running) == (None, 0)

    back = rehearsal.deploy("--rollback")
    assert (back.code, back.status) == (0, "rolled-back"), back.shown
    assert rehearsal.state.deployed == (one,)
    assert "default" in rehearsal.state.versions["1"]

    stopped = rehearsal.deploy("--undeploy")
    assert (stopped.code, stopped.status) == (0, "undeployed")
    assert not rehearsal.state.deployed

    again = rehearsal.deploy()  # in the morning
    assert (again.code, again.status) == (0, "deployed"), again.shown
    assert set(rehearsal.state.versions) == {"1", "2"}
    assert "default" in rehearsal.state.versions["2"]
    assert len(rehearsal.state.deployed) == 1


@pytest.mark.proof
def test_a_version_that_does_not_load_in_the_cloud_is_refused_with_its_cause(rehearsal: Rehearsal) -> None:
    assert rehearsal.deploy().status == "deployed"
    before = rehearsal.state
    # Nothing in the trial's environment has this variable; what Vertex sets is what the fault depends on.
    rehearsal.edit(
        "        artifacts = Path(artifacts_uri)",
        "        import os\n"
        "        if os.environ['AIP_ENDPOINT_ID'] != '1':\n"
        "            raise ValueError('no such endpoint')\n"
        "        artifacts = Path(artifacts_uri)",
    )
    refused = rehearsal.deploy()
    assert refused.status == "failed", refused.shown
    assert refused.code == 1
    assert "no such endpoint" in refused.shown
    assert f"{PREDICTOR}:" in refused.shown
    after = rehearsal.state
    assert (after.split, after.deployed, after.record, after.running) == (before.split, before.deployed, None, 0)
    assert after.versions["1"] == before.versions["1"]


@pytest.mark.proof
def test_a_version_that_answers_otherwise_in_the_cloud_never_gets_more_traffic(rehearsal: Rehearsal) -> None:
    assert rehearsal.deploy().status == "deployed"
    before = rehearsal.state
    rehearsal.edit(
        "        powers = np.exp(batch @ self._rows.T)",
        "        import os\n"
        "        wrong = os.environ['AIP_ENDPOINT_ID'] != '1'\n"
        "        powers = np.exp(batch @ self._rows.T * (0.9 if wrong else 1))",
    )
    refused = rehearsal.deploy()
    assert (refused.code, refused.status) == (1, "refused"), refused.shown
    assert set(refused.codes) == {"ST710"}
    after = rehearsal.state
    assert (after.split, after.deployed, after.record) == (before.split, before.deployed, None)
    assert after.versions["1"] == before.versions["1"]


def test_an_interrupted_deploy_says_what_runs_and_the_next_one_goes_on(rehearsal: Rehearsal) -> None:
    fault = rehearsal.emulator.faults.add(Fault(stage="STARTING_MODEL_SERVER", never=True))
    child = rehearsal.start()
    assert fault.hit.wait(60)
    child.send_signal(signal.SIGTERM)
    stopped = ended(child)
    assert stopped.code == 128 + signal.SIGTERM
    assert "still runs: deploying version 1" in stopped.shown
    told = json.loads((rehearsal.root / "build/deploy/deploy.json").read_text())
    assert told["status"] == "interrupted"
    assert rehearsal.state.running == 1
    rehearsal.emulator.faults.clear()
    assert rehearsal.deploy().status == "deployed"
    assert list(rehearsal.state.versions) == ["1"]


@pytest.mark.proof
def test_cancel_on_stop_leaves_nothing_that_runs(rehearsal: Rehearsal) -> None:
    fault = rehearsal.emulator.faults.add(Fault(stage="STARTING_MODEL_SERVER", never=True))
    child = rehearsal.start("--cancel-on-stop")
    assert fault.hit.wait(60)
    child.send_signal(signal.SIGINT)
    stopped = ended(child)
    assert stopped.code == 128 + signal.SIGINT
    state = rehearsal.state
    assert (state.running, state.deployed, state.split) == (0, (), {})


@pytest.mark.proof
def test_a_stage_that_never_ends_is_left_at_its_deadline_with_the_command_that_resumes(rehearsal: Rehearsal) -> None:
    rehearsal.emulator.faults.add(Fault(stage="CREATING_SERVING_CLUSTER", never=True))
    late = rehearsal.deploy("--set", "deploy-timeout=3.0")
    assert late.code == 75, late.shown
    assert "seatrial deploy" in late.shown
    rehearsal.emulator.faults.clear()
    assert rehearsal.deploy().status == "deployed"


@pytest.mark.proof
def test_a_dry_run_changes_nothing_and_says_what_would_be_done(rehearsal: Rehearsal) -> None:
    planned = rehearsal.deploy("--dry-run")
    assert (planned.code, planned.status) == (0, "planned"), planned.shown
    assert "upload a version of model halves" in planned.shown
    assert "create endpoint halves" in planned.shown
    assert rehearsal.state.versions == {}


@pytest.mark.proof
def test_staging_proves_a_version_apart_from_the_traffic(rehearsal: Rehearsal) -> None:
    staged = rehearsal.deploy("--set", "rollout.staging=true")
    assert staged.status == "deployed", staged.shown
    assert "halves-staging" in staged.shown


def test_under_ci_the_target_must_be_written(rehearsal: Rehearsal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    command = [part for part in rehearsal.command() if part not in ("--target", "local")]
    monkeypatch.setattr(rehearsal.__class__, "command", lambda *_, **__: command)
    refused = rehearsal.deploy()
    assert refused.code == 2
    assert "--target" in refused.shown


@pytest.mark.parametrize("what", ["--status", "--rollback", "--undeploy"])
def test_what_looks_at_the_server_alone_takes_no_candidate(rehearsal: Rehearsal, what: str) -> None:
    refused = rehearsal.deploy(what, "--image", "halves:latest")
    assert refused.code == 2
    assert "--image" in refused.shown


@pytest.mark.proof
def test_what_a_key_and_a_variable_say_reaches_the_machine(
    rehearsal: Rehearsal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEATRIAL_VERTEX_MAX_REPLICAS", "3")
    assert rehearsal.deploy("--set", "machine-type=n1-standard-8").status == "deployed"
    assert "n1-standard-8" in rehearsal.deploy("--status", "--set", "machine-type=n1-standard-8").shown
    other = rehearsal.deploy("--set", "machine-type=n1-standard-8", "--set", "rollout.steps=[50,100]")
    assert other.status == "unchanged"
