"""`seatrial contract`: what it is given, what it says, and its exit codes."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from seatrial.cli.main import main
from seatrial.contract.check import CHECKS
from seatrial.contract.client import Target
from tests.contract.conftest import up
from tests.contract.server import made


@pytest.fixture
def address() -> str:
    """Return the address of a port at which nobody listens."""
    server = made(frozenset())
    server.server_close()
    return f"http://127.0.0.1:{server.server_port}"


def url(target: Target) -> str:
    with target.connect(5) as connection:
        return f"http://127.0.0.1:{connection.getpeername()[1]}"


def test_the_list_has_every_check_with_its_source(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["contract", "--list"]) == 0
    listed = capsys.readouterr().out
    assert all(f"{check.name}  (" in listed and check.source in listed for check in CHECKS.values())
    assert f"{len(CHECKS)} checks, " in listed


def test_a_server_that_keeps_the_chosen_checks_passes(capsys: pytest.CaptureFixture[str]) -> None:
    with up() as target:
        assert main(["contract", "--url", url(target), "--only", "health-head", "--format", "json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["verdict"] == "passed"
    assert [check["name"] for check in report["checks"]] == ["health-200", "predict-answers", "health-head"]
    assert {check["outcome"] for check in report["checks"]} == {"kept"}


def test_a_required_check_that_is_not_kept_fails_and_a_recommended_one_warns(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with up("http-404", "body-empty") as target:
        assert main(["contract", "--url", url(target), "--only", "http-404"]) == 0
        assert "warning[ST508]: http-404: GET " in capsys.readouterr().err
        assert main(["contract", "--url", url(target), "--only", "body-empty"]) == 1
    assert "error[ST508]: body-empty: an empty body: HTTP 500" in capsys.readouterr().err


def test_what_was_not_tried_is_in_the_verdict_with_the_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "good.json"
    file.write_text(json.dumps({"instances": [3], "parameters": {"a": 1}}))  # the server refuses it
    with up() as target:
        assert main(["contract", "--url", url(target), "--only", "image-raw", "--instances", str(file)]) == 1
    said = capsys.readouterr().err
    assert "error[ST508]: predict-answers: HTTP 400" in said
    assert "NOT tried: image-raw: the good request is not answered" in said


def test_the_page_has_a_table_of_all_checks(capsys: pytest.CaptureFixture[str]) -> None:
    with up("http-404") as target:
        main(["contract", "--url", url(target), "--only", "http-404", "--format", "markdown"])
    page = capsys.readouterr().out
    assert "| http-404 | recommended | not kept | GET /seatrial/no/such/route: HTTP 200 {} |" in page
    assert "| health-200 | required | kept |  |" in page


def test_a_command_is_started_under_the_variables_of_vertex(capsys: pytest.CaptureFixture[str]) -> None:
    command = [sys.executable, "-m", "tests.contract.server"]
    assert main(["contract", "--only", "start", "--format", "json", "--", *command]) == 0
    report = json.loads(capsys.readouterr().out)
    assert {"start-port", "start-all-interfaces"} <= {check["name"] for check in report["checks"]}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "give the server"),
        (["--url", "ftp://x"], "is not the address of a server"),
        (["--url", "http://x:99999"], "is not the address of a server"),
        (["--url", "http://x", "--only", "stop"], "start and stop the server themselves"),
        (["--url", "http://x", "--only", "nothing"], "there is no check nothing"),
        (["--url", "http://x", "--instances", "/no/such/file"], "cannot be read: No such file"),
        (["--url", "http://x", "--instances", __file__], "is not JSON"),
        (["--url", "http://x", "--predict-route", "predict"], "predict is no route"),
    ],
)
def test_wrong_usage(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["contract", *arguments]) == 2
    assert words in capsys.readouterr().err


def test_a_server_that_nobody_reaches_is_the_environments_fault(
    address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["contract", "--url", address]) == 3
    assert "the server cannot be reached: Connection refused" in capsys.readouterr().err


def test_a_command_that_does_not_exist_is_the_environments_fault(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["contract", "--", "/no/such/program"]) == 3
    assert "cannot run /no/such/program" in capsys.readouterr().err
