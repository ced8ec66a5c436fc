"""The guide's commands and callers agree with what the workflows take and the deploy needs."""

from __future__ import annotations

import io
import itertools
import re
import shlex
from collections.abc import Mapping
from typing import Any

import pytest
from packaging.version import Version
from ruamel.yaml import YAML

from seatrial import __version__
from seatrial.deploy.vertex import preflight
from seatrial.emulator.api import control_plane
from seatrial.facts import tables
from tests.conftest import ROOT
from tests.workflows import linting
from tests.workflows.adapted import RELEASE

GUIDE, REFERENCE, README = (ROOT / name for name in ("docs/guide/github.md", "docs/workflow.md", "README.md"))


def blocks(language: str, *pages: Any) -> list[str]:
    """Return the blocks of code of a language, in the order of the pages."""
    pattern = re.compile(rf"```{language}\n(.*?)```", re.DOTALL)
    return [str(block) for page in pages for block in pattern.findall(page.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("text", [b for b in blocks("yaml", README, REFERENCE, GUIDE) if ".github/workflows/" in b])
def test_a_caller_gives_only_inputs_that_there_are_and_grants_what_is_asked(text: str) -> None:
    for job in YAML(typ="safe").load(io.StringIO(text))["jobs"].values():
        name = re.fullmatch(rf"seatrial/seatrial/\.github/workflows/(\w+\.yml)@{re.escape(RELEASE)}", job["uses"])
        assert name
        call = linting.read(ROOT / ".github/workflows" / name[1])
        inputs = call["on"]["workflow_call"]["inputs"]
        kinds = {"boolean": bool, "string": str}
        for key, value in job.get("with", {}).items():
            # An expression is evaluated on GitHub; a comparison is a boolean there.
            assert isinstance(value, kinds[inputs[key]["type"]]) or re.fullmatch(r"\$\{\{ .* == .* \}\}", value)
        asked = {k: v for each in call["jobs"].values() for k, v in each.get("permissions", {}).items()}
        if job.get("with", {}).get("artifacts-identity-provider"):
            asked |= {"id-token": "write"}
        assert job["permissions"] == asked


@pytest.mark.parametrize(("job", "command"), [("live", "compare -- --live"), ("answers", "batch -- --target vertex")])
def test_a_nightly_workflow_uses_our_action_and_the_pins_of_our_own_workflows(job: str, command: str) -> None:
    (text,) = [block for block in blocks("yaml", REFERENCE) if command in block]
    used = [step["uses"] for step in YAML(typ="safe").load(io.StringIO(text))["jobs"][job]["steps"] if "uses" in step]
    ours = f"seatrial/seatrial/.github/actions/seatrial@{RELEASE}"
    assert used[-1] == ours
    pinned = (ROOT / ".github/workflows/ship.yml").read_text(encoding="utf-8")
    assert all(f"uses: {name}" in pinned for name in used if name != ours)
    assert f"`.github/workflows/{job}.yml`" in REFERENCE.read_text(encoding="utf-8")
    assert "workloadIdentityPools/github/providers/nightly\n" in text
    assert "service_account: asker@your-project.iam.gserviceaccount.com" in text


def test_every_api_and_role_that_the_deploy_asks_for_is_in_the_commands() -> None:
    commands = "\n".join(blocks("bash", GUIDE))
    assert all(api in commands for api in preflight.APIS)
    assert all(role in commands for role in preflight._ROLES.values())
    for role in ("artifactregistry.writer", "iam.serviceAccountUser", "iam.workloadIdentityUser"):
        assert f"roles/{role}" in commands


def test_the_nightly_account_may_do_what_its_workflows_do_and_cannot_deploy() -> None:
    script = "\n".join(blocks("bash", GUIDE)).replace("\\\n", " ")
    (made,) = [line for line in script.splitlines() if line.startswith("gcloud iam roles create asker ")]
    given = _options(made, _known(script))["--permissions"].split(",")
    live = {method: control_plane._PERMISSIONS[method] for method in ("GetEndpoint", "Predict")}
    assert sorted(given) == sorted({*live.values(), *preflight.BATCH_PERMISSIONS, *preflight.BATCH_USEFUL})
    (roles,) = re.findall(r"^for role in (.+); do\n.*\$ASKER", script, re.MULTILINE)
    assert shlex.split(roles) == ["projects/$PROJECT/roles/asker", "roles/serviceusage.serviceUsageViewer"]
    assert not re.search(r"\$ASKER.*roles/aiplatform", script)


def test_the_least_drivers_are_those_of_the_table_that_the_trial_uses() -> None:
    rows = []
    for cuda, least in sorted(tables.drivers().least.items(), reverse=True):
        built = [minor for minor, build in tables.torch_builds().builds.items() if build.cuda.startswith(f"{cuda}.")]
        oldest, *_, newest = sorted(built, key=Version)
        rows.append(f"| {cuda} | {least} | {oldest} to {newest} |")
    page = GUIDE.read_text(encoding="utf-8")
    assert "\n".join(("|---|---|---|", *rows, "")) in page
    assert tables.drivers().source in page
    assert tables.drivers().read_on in page


def test_every_example_names_the_exact_tag_of_this_release() -> None:
    assert f"v{__version__}" == RELEASE
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob(".github/workflows/*.yml")]
    named = [
        tag
        for page in pages
        for tag in re.findall(r"seatrial/seatrial(?:/[\w./-]+)?@(v[\w.]+)", page.read_text("utf-8"))
    ]
    assert len(named) > 8
    assert set(named) == {RELEASE}


def test_the_commands_are_one_sound_script() -> None:
    code, printed = linting.run(
        [linting.tool("shellcheck"), "--shell=bash", "--format=gcc", "-"], ROOT, "\n".join(blocks("bash", GUIDE))
    )
    assert code == 0, printed


OURS = {  # a token of GitHub's for a job of ship.yml: https://docs.github.com/en/actions/reference/security/oidc
    "repository_owner_id": "11",
    "repository_id": "22",
    "run_id": "9" * 20,
    "ref": "refs/heads/main",
    "workflow_ref": "your-organisation/your-repository/.github/workflows/predictor.yml@refs/heads/main",
    "job_workflow_ref": f"seatrial/seatrial/.github/workflows/ship.yml@refs/tags/{RELEASE}",
}
_PROVE = OURS["job_workflow_ref"].replace("ship.yml", "prove.yml")
_NIGHT = OURS["workflow_ref"].replace("predictor.yml", "live.yml")
LIVE = {**OURS, "workflow_ref": _NIGHT, "job_workflow_ref": _NIGHT}  # one for a nightly workflow


@pytest.mark.parametrize(
    ("token", "accounts"),
    [
        pytest.param(OURS, ["$DEPLOYER", "$READER"], id="the image job on main"),
        pytest.param({**OURS, "environment": "production"}, ["$DEPLOYER", "$READER"], id="the deploy job"),
        pytest.param({**OURS, "environment": "staging"}, ["$READER"], id="another environment"),
        pytest.param({**OURS, "ref": "refs/pull/7/merge"}, ["$READER"], id="a pull request"),
        pytest.param({**OURS, "ref": "refs/heads/main2"}, ["$READER"], id="another branch"),
        pytest.param({**OURS, "job_workflow_ref": _PROVE, "ref": "refs/pull/7/merge"}, ["$READER"], id="its trials"),
        pytest.param({**OURS, "repository_id": "222"}, [], id="another repository"),
        pytest.param({**OURS, "repository_owner_id": "12"}, [], id="another organisation"),
        pytest.param(
            {**OURS, "job_workflow_ref": f"o/r/.github/workflows/ship.yml@refs/tags/{RELEASE}"},
            [],
            id="another workflow",
        ),
        pytest.param({**OURS, "job_workflow_ref": OURS["job_workflow_ref"] + "-evil"}, [], id="another tag"),
        pytest.param(LIVE, ["$ASKER"], id="a nightly workflow"),
        pytest.param(
            {**LIVE, "workflow_ref": _NIGHT.replace("live", "answers")}, ["$ASKER"], id="the other nightly workflow"
        ),
        pytest.param({**LIVE, "workflow_ref": _NIGHT.replace("main", "other")}, [], id="a nightly one, not on main"),
        pytest.param({**LIVE, "repository_id": "222"}, [], id="a nightly one of another repository"),
    ],
)
def test_each_identity_lets_in_what_the_guide_says_and_nothing_else(
    token: Mapping[str, str], accounts: list[str]
) -> None:
    pool = "principalSet://iam.googleapis.com/projects/33/locations/global/workloadIdentityPools/github"
    providers, bound = _bindings()
    has = {
        f"{pool}/{name}/{_evaluated(value, token)}"
        for mapping, condition in providers
        if _evaluated(condition, token)
        for name, value in mapping.items()
    }
    assert [account for account, member in bound if member in has] == accounts


def test_the_mapped_subject_is_never_longer_than_google_allows() -> None:
    providers, _ = _bindings()
    longest = {**OURS, "repository_id": "9" * 20, "environment": "e" * 255, "ref": f"refs/heads/{'b' * 240}"}
    assert [set(mapping) - {"google.subject"} for mapping, _ in providers] == [
        {"attribute.place"},
        {"attribute.nightly"},
        {"attribute.weights"},
    ]
    for mapping, _ in providers:
        # "Cannot exceed 127 bytes": https://pub.dev/documentation/googleapis/latest/iam_v1/WorkloadIdentityPoolProvider/attributeMapping.html
        assert len(str(_evaluated(mapping["google.subject"], longest)).encode()) <= 127


def _bindings() -> tuple[list[tuple[dict[str, str], str]], list[tuple[str, str]]]:
    """Return each provider's mapping and condition, and each account with a member that may act as it, as commanded."""
    script = "\n".join(blocks("bash", GUIDE)).replace("\\\n", " ")
    known = _known(script)
    (loop,) = re.findall(r"^for place in (.+); do$", script, re.MULTILINE)
    providers, bound = [], []
    for line in script.splitlines():
        if "providers create-oidc" in line:
            given = _options(line, known)
            mapping = dict(part.split("=", 1) for part in given["--attribute-mapping"].split(","))
            providers.append((mapping, given["--attribute-condition"]))
        elif "roles/iam.workloadIdentityUser" in line:
            account = shlex.split(line)[4]
            places = loop.split() if "$place" in line else [""]
            bound += [(account, _options(line, {**known, "place": place})["--member"]) for place in places]
    return providers, bound


def _known(script: str) -> dict[str, str]:
    """Return the values of the script's variables, but the accounts', and numbers for what it asks for."""
    known = {"OWNER_ID": "11", "REPOSITORY_ID": "22", "NUMBER": "33"}
    for name, value in re.findall(r"^([A-Z]+)=((?!\$\().+)$", script, re.MULTILINE):
        if name not in ("DEPLOYER", "SERVING", "ASKER", "READER"):
            known[name] = _filled(shlex.split(value, comments=True)[0], known)
    return known


def _filled(word: str, known: Mapping[str, str]) -> str:
    return re.sub(r"\$(\w+)", lambda m: known.get(m[1], m[0]), word)


def _options(command: str, known: Mapping[str, str]) -> dict[str, str]:
    words = [_filled(word, known) for word in shlex.split(command)]
    return {word: value for word, value in itertools.pairwise(words) if word.startswith("--")}


def _evaluated(expression: str, token: Mapping[str, str]) -> Any:
    """Evaluate the part of CEL that the guide uses: https://cel.dev."""
    python = re.sub(r"\((has\(\S+\)) \? (.+) : (.+)\)", r"(\2 if \1 else \3)", expression).replace("&&", "and")
    python = re.sub(r"has\(assertion\.(\w+)\)", r"('\1' in assertion)", python)
    python = re.sub(r"assertion\.(\w+)", r"assertion['\1']", python)
    return eval(python, {"__builtins__": {}}, {"assertion": token})  # noqa: S307 - the guide's own text
