"""The stored texts of real failures: the first rule to recognise each is its own, however it was logged."""

from __future__ import annotations

import json
import re
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from seatrial.diagnosis.translate import diagnose
from seatrial.facts.gather import gather
from seatrial.rules import RULES
from tests.small_project import small_project
from tests.symptoms.cases import ENVIRONMENTS
from tests.symptoms.stored import TEXTS, Stored, read

STORED = {file.stem: read(file) for file in sorted(TEXTS.glob("*.txt"))}
# Rules with symptoms but without a stored text, and why.
WITHOUT_TEXT = {
    "ST503": "the words are the serving runtime's own, which its tests read where they are written",
    "ST512": "the same; the rule's tests make a fetch fail",
}
CPU_SECONDS = 60  # for all patterns on all hostile lines; a quadratic one takes hours


def first(stored: Stored, text: str, folder: Path) -> str:
    """Return the code that is found first, in a project if the text needs one."""
    project = small_project(folder, {"predictor.py": "class P: ...\n", stored.own: "x = 1\n"}) if stored.own else None
    return next((finding.code for finding in diagnose(text, gather(project) if project else None)), "")


@pytest.mark.parametrize("name", STORED)
def test_the_first_rule_found_is_the_one_that_the_text_belongs_to(tmp_path: Path, name: str) -> None:
    assert first(STORED[name], STORED[name].text, tmp_path) == STORED[name].rule


def as_runtime(text: str) -> str:
    return json.dumps({"severity": "ERROR", "message": "the predictor could not be loaded", "traceback": text}) + "\n"


def as_entries(text: str) -> str:
    """Return Cloud Logging's entries for a container that writes plain text, one for each line."""
    entries = ({"severity": "ERROR", "textPayload": line, "insertId": "1"} for line in text.splitlines())
    return "".join(json.dumps(entry) + "\n" for entry in entries)


def as_document(text: str) -> str:
    """Return what `gcloud logging read --format json` prints for the serving runtime's lines."""
    return json.dumps([{"jsonPayload": {"message": text}, "timestamp": "2026-11-22T20:00:00Z"}], indent=2)


def as_docker(text: str) -> str:
    lines = ({"log": f"{line}\n", "stream": "stderr"} for line in text.splitlines())
    return "".join(json.dumps(line) + "\n" for line in lines)


def as_workflow(text: str) -> str:
    return "".join(f"2026-11-22T20:48:24.1234567Z \x1b[31m{line}\x1b[0m\r\n" for line in text.splitlines())


def as_compose(text: str) -> str:
    return "".join(f"server-1  | {line}\n" for line in text.splitlines())


def as_operation(text: str) -> str:
    return json.dumps({"name": "operations/1", "done": True, "error": {"code": 9, "message": text}}, indent=2)


FORMS = (as_runtime, as_entries, as_document, as_docker, as_workflow, as_compose, as_operation)


def everywhere() -> Iterator[Any]:
    """Return each text with its forms: in the gate one form for each text, in turn; in the proofs, all."""
    for number, name in enumerate(STORED):
        for turn, form in enumerate(FORMS):
            marks = () if number % len(FORMS) == turn else pytest.mark.proof
            yield pytest.param(name, form, id=f"{form.__name__}-{name}", marks=marks)


@pytest.mark.parametrize(("name", "form"), list(everywhere()))
def test_the_same_text_is_recognised_in_the_form_of_another_tool(
    tmp_path: Path, name: str, form: Callable[[str], str]
) -> None:
    noise = '{"severity": "INFO", "message": "the model is ready", "port": 8080}\n' if form is as_runtime else ""
    assert first(STORED[name], noise + form(STORED[name].text), tmp_path) == STORED[name].rule


@pytest.mark.parametrize("name", STORED)
def test_a_stored_text_says_where_it_is_from_and_nothing_of_the_machine_it_was_made_on(name: str) -> None:
    stored = STORED[name]
    if stored.source:
        assert stored.source.startswith("https://")
        assert not stored.made
    else:
        assert re.fullmatch(r"20\d\d-\d\d-\d\d on Python 3\.\d+\.\d+ with .*", stored.made)
        assert stored.command
    assert not re.search(r"/(?:work|opt|root|tmp/w)\b|seatrial-symptoms|://(?:pypi|files\.python)", stored.text)


def test_every_rule_with_symptoms_has_a_text_or_a_reason() -> None:
    with_symptoms = {code for code, rule in RULES.items() if rule.symptoms}
    with_text = {stored.rule for stored in STORED.values()}
    assert with_symptoms - with_text == WITHOUT_TEXT.keys()
    assert with_text <= with_symptoms | {code for code, rule in RULES.items() if rule.recognised}


def test_every_case_that_can_be_run_has_its_text_and_every_made_text_its_case() -> None:
    cases = {case.name: case.rule for environment in ENVIRONMENTS for case in environment.cases if case.rule}
    assert cases == {name: stored.rule for name, stored in STORED.items() if stored.made}


HOSTILE = """
import re, sys
from seatrial.rules import RULES
from tests.symptoms.stored import TEXTS, read

SIZE = 50_000
texts = [read(file) for file in sorted(TEXTS.glob("*.txt"))]
pieces = {" ", "a", "\\"", "'", "[", "(", "1", "a.", "a@", "/a", "^~ ", "torch==1 ", "lib", "\\t"}
for rule in RULES.values():
    hostile = set(pieces)
    for text in texts:
        if text.rule == rule.code:
            for line in text.text.splitlines()[-12:]:
                hostile |= {line[: len(line) * part // 4] for part in (1, 2, 3, 4)} | {line[len(line) // 2 :]}
    for symptom in rule.symptoms:
        for piece in sorted(hostile - {""}):
            for line in (piece * (SIZE // len(piece)), piece + "x" * SIZE, piece + " x" * (SIZE // 2)):
                for found, _ in zip(symptom.pattern.finditer(line), range(3)):
                    pass
"""


def test_no_symptom_takes_more_than_linear_time_on_hostile_lines() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", HOSTILE],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS)),
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )
    assert ended.returncode == 0, ended.stderr[-2000:]
