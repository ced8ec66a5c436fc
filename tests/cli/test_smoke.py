"""`seatrial smoke`: the sentence that says what a trial has proven."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest

from seatrial.cli.main import main
from seatrial.findings import Event, Phase, Step
from seatrial.trial import smoke as trials
from seatrial.trial.measured import Measured
from seatrial.trial.observe import Trial


def tried(monkeypatch: pytest.MonkeyPatch, project: Path, *options: str, **observed: object) -> int:
    """Run the command with a trial that observed this."""

    def smoke(*_: object, **__: object) -> Generator[Event, None, Trial]:
        yield Phase("load")
        yield Step("starting the server", lasting=True)
        return Trial("cpu", **{"bundle_digest": "ab" * 32, "finished": True, **observed})  # type: ignore[arg-type]

    monkeypatch.setattr(trials, "smoke", smoke)
    return main(["smoke", "--project", str(project), *options])


@pytest.mark.parametrize(
    ("observed", "words"),
    [
        ({"asked": 12, "golden": 12}, "12 golden answers, alone and in batches · "),
        ({"asked": 3}, "3 sample images, alone and in batches · "),
        ({}, "loaded and stopped · "),
        (
            {"asked": 2, "golden": 2, "compared": 40, "drift": 2.4e-7, "tolerance": 1e-5},
            "2 golden answers, alone and in batches, numbers within 2e-07 of training's (allowed 1e-05) · ",
        ),
        ({"asked": 2, "card": "NVIDIA L4", "unproven": ["nothing recorded"]}, " depth on NVIDIA L4 · "),
    ],
)
def test_the_verdict_says_what_was_proven(
    healthy: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    observed: dict[str, object],
    words: str,
) -> None:
    assert tried(monkeypatch, healthy, **observed) == 0
    verdict = capsys.readouterr().err.splitlines()[-1]
    assert verdict.startswith("PASSED  healthy: ")
    assert words in verdict
    assert " · bundle abababababab · " in verdict
    assert verdict.count("NOT proven: ") == len(observed.get("unproven", ()))  # type: ignore[arg-type]


def test_what_the_server_printed_is_kept_and_an_older_log_is_not(
    healthy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert tried(monkeypatch, healthy, log=["loading", "caf\udce9"]) == 0
    log, page = healthy / "build/smoke/server.log", healthy / "build/smoke/report.html"
    assert log.read_text().splitlines() == ["loading", "caf?"]
    assert "Passed" in page.read_text()
    assert tried(monkeypatch, healthy) == 0
    assert log.read_text() == ""


def test_quiet_leaves_the_verdict(
    healthy: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tried(monkeypatch, healthy, "--quiet") == 0
    (verdict,) = capsys.readouterr().err.splitlines()
    assert verdict.startswith("PASSED  healthy: ")


def test_a_trial_that_did_not_finish_and_found_nothing_is_no_success(
    healthy: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    report = healthy / "build/smoke/report.json"
    report.parent.mkdir(parents=True)
    report.write_text("{}")
    assert tried(monkeypatch, healthy, finished=False) == 3
    assert "please report this" in capsys.readouterr().err
    assert not report.exists()


def test_an_image_is_never_checked(healthy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["smoke", "--project", str(healthy), "--image", "x", "--skip-check"]) == 2
    assert "--skip-check has no meaning with --image" in capsys.readouterr().err


def test_the_verdict_says_how_long_an_answer_takes_and_how_many_there_are_a_second(
    healthy: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    few = Measured(seconds_alone=[0.0042, 0.0051, 0.0304])
    assert tried(monkeypatch, healthy, measured=few) == 0
    assert " · an answer in 5.1 ms, the slowest in 30 ms · " in capsys.readouterr().err
    many = Measured(
        seconds_alone=[0.01] * 95 + [0.5] * 5, clients=8, answers_a_second=141.6, seconds_at_once=[0.05] * 40,
    )  # fmt: skip
    assert tried(monkeypatch, healthy, measured=many) == 0
    said = capsys.readouterr().err
    assert " · an answer in 10 ms, 95 % within 4" in said
    assert " · 142 answers a second to 8 clients, in 50 ms, 95 % within 50 ms · " in said
