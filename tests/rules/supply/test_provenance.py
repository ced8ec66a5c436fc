"""What real libraries save is no finding, and what does something when it is loaded always is one."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from seatrial.facts.checkpoints.checkpoint import Checkpoint
from seatrial.facts.checkpoints.kinds import Kind
from seatrial.facts.checkpoints.pickles import Fetched, Global
from seatrial.facts.gather import Facts, gather
from seatrial.findings import Finding, Severity
from seatrial.rules.supply.dangerous import RUNS_CODE
from seatrial.rules.supply.provenance import judge
from tests.facts.checkpoints.dangerous import corpus
from tests.small_project import findings, locked, small_project

LIBRARIES = json.loads((Path(__file__).parents[2] / "facts/checkpoints/libraries.json").read_text(encoding="utf-8"))
NAMES = [(module, name) for module, _, name in (each.partition(" ") for each in LIBRARIES["names"])]
PINS = locked(*(f"{name}=={version}" for name, version in LIBRARIES["versions"].items() if name != "python"))
CORPUS = corpus()


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> Facts:
    own = {"predictor.py": "import os\n\nclass P: ...\n\ndef build(): ...\n"}
    return gather(small_project(tmp_path_factory.mktemp("project"), {**PINS, **own}))


def stored(kind: str, row: dict[str, Any]) -> Checkpoint:
    """Return what was read of a file that a library wrote."""
    fetched = (Fetched(Global(*of) if of else None, name, called) for of, name, called in row["fetched"])
    return Checkpoint(
        f"{kind} by {row['ways'][0]}",
        Kind[row["kind"]],
        globals=tuple(NAMES[number] for number in row["globals"]),
        called=frozenset(NAMES[number] for number in row["called"]),
        fetched=tuple(fetched),
        computed="computed" in row["odd"],
        complete="incomplete" not in row["odd"],
    )


def found(facts: Facts, *files: Checkpoint) -> list[Finding]:
    assert RUNS_CODE.check is not None
    return list(RUNS_CODE.check(replace(facts, checkpoints=files)))


def test_no_object_of_a_library_is_a_finding(facts: Facts) -> None:
    files = [stored(kind, row) for kind, rows in LIBRARIES["kinds"].items() for row in rows]
    assert len(LIBRARIES["kinds"]) >= 40
    assert [finding.message for finding in found(facts, *files)] == []
    assert [file.path for file in files if not file.complete] == []
    assert {odd for rows in LIBRARIES["kinds"].values() for row in rows for odd in row["odd"]} == set()


def test_the_objects_of_a_library_that_is_not_locked_are_unknown(facts: Facts) -> None:
    forest = ("sklearn.ensemble._forest", "RandomForestClassifier")
    assert judge(forest, facts, called=False).accepted
    assert facts.lock is not None
    without = replace(facts, lock=replace(facts.lock, entries=()))
    assert not judge(forest, without, called=False).accepted


def test_a_class_of_a_library_may_be_held_and_not_called(facts: Facts) -> None:
    linear = ("torch.nn.modules.linear", "Linear")
    assert judge(linear, facts, called=False).accepted
    assert not judge(linear, facts, called=True).accepted


@pytest.mark.parametrize(
    ("module", "name", "accepted"),
    [
        ("predictor", "P", True),
        ("predictor", "build", True),
        ("predictor", "os", False),
        ("predictor", "os.system", False),
        ("predictor", "P.__init__", False),
        ("random", "_os", False),
        ("random", "Random", True),
        ("collections", "OrderedDict", True),
        ("collections", "namedtuple", False),
    ],
)
def test_a_name_is_accepted_where_it_is_defined(facts: Facts, module: str, name: str, accepted: bool) -> None:
    assert judge((module, name), facts, called=True).accepted is accepted


@pytest.mark.parametrize(
    ("module", "name", "power"),
    [
        ("random", "_os.system", "starts a program"),
        ("enum", "bltns.eval", "runs code"),
        ("pkgutil", "resolve_name", "runs code"),
        ("jinja2.utils", "import_string", "runs code"),
        ("logging", "FileHandler", "writes files"),
        ("pathlib", "Path.write_text", "writes files"),
        ("time", "sleep", "ends or stops the process"),
        ("socket", "create_connection", "connects"),
    ],
)
def test_what_a_name_can_do_is_said(facts: Facts, module: str, name: str, power: str) -> None:
    assert judge((module, name), facts, called=True).power == power


@pytest.fixture(scope="module")
def severities(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[Severity]]:
    """What the check says of each file of the corpus; all are in one project, in which no canary may appear."""
    folder = tmp_path_factory.mktemp("dangerous")
    project = small_project(folder, {f"artifacts/{name}": each.content for name, each in CORPUS.items()} | PINS)
    told: dict[str, set[Severity]] = {}
    for finding in findings(project):
        if finding.location and finding.location.path.startswith("artifacts/"):
            told.setdefault(finding.location.path.removeprefix("artifacts/"), set()).add(finding.severity)
    assert not list(folder.rglob("canary*"))
    return told


@pytest.mark.parametrize("name", CORPUS)
def test_no_dangerous_file_is_silent(severities: dict[str, set[Severity]], name: str) -> None:
    expected = {Severity.ERROR} if CORPUS[name].certain else {Severity.ERROR, Severity.WARNING}
    assert severities.get(name, set()) & expected


def test_the_corpus_of_dangerous_files_is_large() -> None:
    assert len(CORPUS) >= 200
