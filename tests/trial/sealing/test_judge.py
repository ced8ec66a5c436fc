"""What was noted → findings: only what exists on this machine, and that the process was not shown."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from seatrial import project
from seatrial.project import Project
from seatrial.trial.sealing import judge
from seatrial.trial.sealing.view import Shown, View
from seatrial.trial.sealing.watching import Noted

STACK = 'Traceback (most recent call last):\n  File "/x/site-packages/predictor/half_predictor.py", line 3, in load\n'


@pytest.fixture
def halves() -> Project:
    return project.load(Path(__file__).parents[2] / "projects/packaged-transform")


def view_of(*folders: Path) -> View:
    return View(tuple(Shown(str(folder), str(folder)) for folder in folders), {}, {}, "")


@pytest.mark.parametrize("kind", ["read", "list"])
def test_a_path_counts_if_it_exists_here_and_was_not_shown(halves: Project, tmp_path: Path, kind: str) -> None:
    (tmp_path / "shown").mkdir()
    (tmp_path / "hidden").mkdir()
    paths = [tmp_path / "shown", tmp_path / "hidden", tmp_path / "missing", tmp_path]  # the last is above a shown one
    noted = [Noted(kind, str(path), STACK) for path in paths]
    (found,) = judge.findings(halves, noted, view_of(tmp_path / "shown"), sealed=True)
    assert found.code == "ST530"
    assert str(tmp_path / "hidden") in found.message
    assert str(found.location) == "predictor/half_predictor.py:3"


def test_what_a_library_asks_while_it_is_imported_is_a_note(halves: Project) -> None:
    imports = '  File "<frozen importlib._bootstrap>", line 1178, in _find_and_load\n'
    library = '  File "/x/site-packages/albumentations/check_version.py", line 29, in fetch\n    opener.open(url)\n'
    own = '  File "/x/site-packages/predictor/half_predictor.py", line 1, in <module>\n    import albumentations\n'
    for stack, severity in ((own + imports + library, "note"), (imports + own + library, "error"), (own, "error")):
        noted = [Noted("host", "index.example", f"Traceback (most recent call last):\n{stack}")]
        (found,) = judge.findings(halves, noted, None, sealed=True)
        assert (found.code, found.severity) == ("ST506", severity)


def test_the_port_of_the_server_counts_where_the_server_could_not_have_it(halves: Project) -> None:
    noted = [Noted("port", "8080", STACK)]
    assert not list(judge.findings(halves, noted, view_of(), sealed=True))
    assert [f.code for f in judge.findings(halves, noted, view_of(), sealed=False)] == ["ST544"]


def test_a_program_that_the_image_has_is_unproven_and_another_is_a_finding(halves: Project) -> None:
    noted = [Noted("child", os.path.realpath("/bin/sh"), STACK), Noted("child", "no-such-program", STACK)]
    (found,) = judge.findings(halves, noted[:1], view_of(), sealed=True)
    assert found.code == "ST531"
    shown = view_of(Path("/bin"), Path("/usr/bin"))
    assert not list(judge.findings(halves, noted, shown, sealed=True))
    (said,) = judge.unproven(halves, noted, shown, full=False)
    assert "no-such-program" in said


def test_the_last_note_of_an_untrained_model_decides(halves: Project) -> None:
    def note(number: int, untrained: int) -> Noted:
        names = [f"layer{n}.weight" for n in range(min(untrained, 3))]
        told = {"process": 1, "number": number, "model": "Net", "of": 4, "untrained": untrained, "names": names}
        return Noted("untrained", json.dumps(told), STACK)

    noted = [note(0, 4), note(1, 4), note(1, 0), note(2, 1)]
    wholly, partly = judge.findings(halves, noted, view_of(), sealed=True)
    assert (wholly.code, wholly.severity, partly.severity) == ("ST321", "error", "warning")
    assert "left 4 of 4 parameters of Net" in wholly.message
    assert str(wholly.location) == "predictor/half_predictor.py:3"
