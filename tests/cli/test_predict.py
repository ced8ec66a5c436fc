"""`seatrial predict` and `seatrial serve`: the real server, asked by hand."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from seatrial.cli.main import main
from seatrial.errors import UsageError
from seatrial.trial.by_hand import how_to_ask, instance_of
from tests.conftest import ROOT
from tests.small_project import small_project

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

EXAMPLE = "examples/ai-platform"


def test_the_answer_to_a_file_is_printed(copied: Callable[[str], Path], capsys: pytest.CaptureFixture[str]) -> None:
    project = copied(EXAMPLE)
    [first, *_] = json.loads((project / "artifacts/golden/golden.json").read_text())
    (project / "request.json").write_text(json.dumps(first["instance"]))
    assert main(["predict", "--project", str(project), str(project / "request.json")]) == 0
    shown = capsys.readouterr()
    assert json.loads(shown.out)["predictions"][0]["label"] == first["response"]["label"]
    assert "1 answered" in shown.err


def environments() -> Iterator[str]:
    """Yield the variables of each process that this user may look at."""
    for file in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            yield "\0" + file.read_bytes().decode(errors="replace")


def test_a_server_answers_on_its_port_until_it_is_interrupted(copied: Callable[[str], Path]) -> None:
    project = copied(EXAMPLE)
    golden = json.loads((project / "artifacts/golden/golden.json").read_text())
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    command = [sys.executable, "-m", "seatrial", "serve", "--project", str(project), "--port", str(port)]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "SEATRIAL_VERTEX_ENV": f'{{SERVED = "on {port}"}}'}
    with subprocess.Popen(command, env=env, cwd=ROOT, stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr
        shown = ""
        while "curl" not in shown:
            shown += (line := running.stderr.readline())
            assert line, shown
        body = json.dumps({"instances": [each["instance"] for each in golden]}).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{port}/predict", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - as above
            predictions = json.load(answer)["predictions"]
        assert any(f"\0SERVED=on {port}\0" in variables for variables in environments())
        running.send_signal(signal.SIGINT)
        assert running.wait(30) == 130
    assert [each["label"] for each in predictions] == [each["response"]["label"] for each in golden]
    with socket.socket() as again:
        assert again.connect_ex(("127.0.0.1", port)) != 0  # nothing is left running


def test_a_file_that_is_not_there_is_told_before_anything_is_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    project = small_project(tmp_path, {})
    assert main(["predict", "--project", str(tmp_path), str(tmp_path / "none.png")]) == 2
    assert "there is no file" in capsys.readouterr().err
    assert not list(project.build_dir.glob("bundle*"))


def test_an_image_is_an_instance_where_the_runtime_decodes(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"PNG")
    (tmp_path / "a.json").write_text('{"b64": ""}')
    (tmp_path / "b.json").write_text("{")
    assert instance_of(tmp_path / "a.png", "batched") == {"b64": "UE5H"}
    assert instance_of(tmp_path / "a.json", "cpr") == {"b64": ""}
    for name, interface in (("a.png", "cpr"), ("b.json", "cpr")):
        with pytest.raises(UsageError):
            instance_of(tmp_path / name, interface)


def test_what_a_person_types_fits_the_interface() -> None:
    assert any("--data-binary @photo.jpg http://127.0.0.1:1234/predict" in line for line in how_to_ask(1234, "batched"))
    assert not any("photo" in line for line in how_to_ask(1234, "cpr"))
