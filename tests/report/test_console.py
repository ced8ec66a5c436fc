"""What a person reads: the excerpt with its span, the causes below it, and signs of life."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from seatrial.findings import Finding, Location, Severity
from seatrial.report.console import Console
from seatrial.report.renderer import Report, Verdict

CODE = "import torch\nfrom mine import Resize\nx = 1\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "predictor.py").write_text(CODE)
    return tmp_path


def finding(location: Location | None = None, **more: Any) -> Finding:
    return Finding("ST120", "`mine` is not shipped", location=location, **more)


def shown(root: Path, found: Finding) -> list[str]:
    return "".join(text for text, _ in Console(root).rendered(found)).splitlines()


class TestAFinding:
    def test_shows_the_line_with_its_span_underlined_and_then_cause_cloud_and_fix(self, root: Path) -> None:
        found = finding(
            Location("predictor.py", 2, 6, 10), cause="it lies beside the package", cloud="No module named 'mine'",
            fix="move it\nor list it",
        )  # fmt: skip
        assert shown(root, found) == [
            "error[ST120]: `mine` is not shipped",
            " --> predictor.py:2:6",
            "  |",
            "2 | from mine import Resize",
            "  |      ^^^^",
            "  = cause: it lies beside the package",
            "  = cloud says: No module named 'mine'",
            "  = fix: move it",
            "         or list it",
        ]

    def test_ends_with_how_many_follow_from_it(self, root: Path) -> None:
        assert shown(root, finding(followers=(finding(),) * 14))[-1] == "  = and 14 more that follow (14 ST120)"

    def test_keeps_its_columns_behind_tabs_and_wide_characters(self, root: Path) -> None:
        (root / "predictor.py").write_text('\tx = "画像", mine\n', encoding="utf-8")
        lines = shown(root, finding(Location("predictor.py", 1, 12, 16)))
        assert lines[-2] == '1 |  x = "画像", mine'
        assert lines[-1] == "  |              ^^^^"  # the two characters before it take four columns

    def test_widens_the_gutter_for_long_line_numbers(self, root: Path) -> None:
        (root / "predictor.py").write_text("\n" * 120 + "mine\n")
        assert shown(root, finding(Location("predictor.py", 121, 1, 5)))[1:] == [
            "   --> predictor.py:121:1", "    |", "121 | mine", "    | ^^^^",
        ]  # fmt: skip

    def test_counts_lines_as_python_does(self, root: Path) -> None:
        (root / "predictor.py").write_text("a = 1\x0c\nmine\n")
        assert "2 | mine" in shown(root, finding(Location("predictor.py", 2, 1, 5)))

    def test_underlines_a_span_of_several_lines_to_the_end_of_the_first_at_most(self, root: Path) -> None:
        assert shown(root, finding(Location("predictor.py", 1, 8, 400)))[-1] == "  |        ^^^^^"
        assert shown(root, finding(Location("predictor.py", 1, 8, 2)))[-1] == "  |        ^"

    @pytest.mark.parametrize(
        "location",
        [
            Location("predictor.py"),
            Location("gone.py", 3, 1, 2),
            Location("predictor.py", 99, 1, 2),
            Location("predictor.py", 0, 1, 2),
        ],
        ids=["no line", "no such file", "no such line", "line zero"],
    )
    def test_names_its_place_without_an_excerpt_where_there_is_nothing_to_show(
        self, root: Path, location: Location
    ) -> None:
        first, second = shown(root, finding(location))
        assert first == "error[ST120]: `mine` is not shipped"
        assert second.lstrip() == f"--> {location}"

    def test_shows_no_excerpt_of_a_file_that_is_no_text(self, root: Path) -> None:
        (root / "weights.pt").write_bytes(b"\x80\x02\xff\n")
        assert len(shown(root, finding(Location("weights.pt", 1)))) == 2

    def test_stands_alone_without_a_place(self, root: Path) -> None:
        assert shown(root, finding(fix="do it")) == ["error[ST120]: `mine` is not shipped", "  = fix: do it"]

    def test_shows_its_evidence(self, root: Path) -> None:
        found = Finding("ST101", "stale", Severity.WARNING, evidence=("requirements.txt:3: torch==1",))
        assert shown(root, found) == ["warning[ST101]: stale", "  | requirements.txt:3: torch==1"]

    def test_is_printed_as_it_is_whatever_looks_like_markup(
        self, root: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        Console(root).finding(finding(fix="pip install x[bold] :warning: " + "y" * 200))
        printed = capsys.readouterr()
        assert "  = fix: pip install x[bold] :warning: " + "y" * 200 + "\n" in printed.err
        assert printed.out == ""


class TestWhatIsNotShown:
    def test_no_line_of_a_file_outside_of_the_project(self, root: Path) -> None:
        outside = root.parent / "private"
        outside.write_text("SECRET=hunter2\n")
        (root / "link.py").symlink_to(outside)
        (root / "circle.py").symlink_to("circle.py")
        for path in (str(outside), "../private", "link.py", "circle.py", "/proc/self/environ", "nul\0byte"):
            assert not any(
                "SECRET" in line or line.startswith("1 |") for line in shown(root, finding(Location(path, 1)))
            )

    def test_no_text_from_elsewhere_is_a_command_to_github(
        self, root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setenv("GITHUB_ACTIONS", "true")
        text = "a\n::error::b\n  ::add-mask::c\nd ##[error]e"
        console = Console(root)
        console.error(text, fix=text)
        console.finding(finding(cause=text, fix=text, evidence=(text,)))
        printed = capsys.readouterr().err
        assert "| ::error::b" in printed
        assert "##[" not in printed
        assert not any(line.lstrip().startswith("::") for line in printed.splitlines())


class TestProgress:
    def test_leaves_a_line_for_each_stage_off_a_terminal(self, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
        console = Console(root)
        console.phase("build")
        console.step("building wheels")
        console.phase("load")
        console.end_phase()
        first, second = capsys.readouterr().err.splitlines()
        assert first.split() == ["build", first.split()[1], "s", "building", "wheels"]
        assert second.split()[0] == "load"

    def test_gives_signs_of_life_during_a_long_stage_and_none_after_it(
        self, root: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        console = Console(root, heartbeat=0.01)
        before = set(threading.enumerate())
        console.phase("environment")
        (heart,) = set(threading.enumerate()) - before
        console.step("installing [torch]")
        printed = ""
        while printed.count("still installing [torch]\n") < 2:  # the time limit of every test ends it
            time.sleep(0.01)
            printed += capsys.readouterr().err
        assert printed.startswith("  environment ")
        console.end_phase()
        heart.join(60)
        assert not heart.is_alive()

    def test_a_stage_that_goes_on_has_a_line_every_few_seconds_and_a_short_one_its_last_alone(
        self, root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        said = {3: "asking", 12: "1 of 9", 14: "2 of 9", 21: "3 of 9"}  # by the second; then nothing new
        console, clock = Console(root, heartbeat=20), [0.0]
        monkeypatch.setattr(time, "monotonic", lambda: clock[0])

        class Ticks(threading.Event):
            def wait(self, timeout: float | None = None) -> bool:
                for second in range(int(clock[0]), int(clock[0] + (timeout or 0))):
                    if second in said:
                        console.step(said[second])
                clock[0] += timeout or 0
                return clock[0] > 60

        console.phase("lock")
        console._heartbeat(Ticks())
        lines = [line.split(maxsplit=3) for line in capsys.readouterr().err.splitlines()]
        console.end_phase()
        assert [(line[1], line[3]) for line in lines] == [
            ("15.0", "still 2 of 9"), ("25.0", "still 3 of 9"), ("45.0", "still 3 of 9"),
        ]  # fmt: skip

    def test_what_programs_print_stands_beneath_their_stage(
        self, root: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        console = Console(root)
        console.verbose = True
        console.phase("load")
        console.overheard("red [bold]\tof it")
        console.end_phase()
        begun, heard, ended = capsys.readouterr().err.splitlines()
        assert begun == "  load"
        assert heard == "    | red [bold]\tof it"
        assert ended.split()[0] == "load"

    def test_what_programs_print_is_dim_on_a_terminal(
        self, root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setenv("FORCE_COLOR", "1")
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.delenv("NO_COLOR", raising=False)
        Console(root).overheard("loading")
        assert capsys.readouterr().err == "\x1b[2m    | loading\x1b[0m\n"

    @pytest.mark.parametrize(
        ("verdict", "line"),
        [
            ("passed", "PASSED  digits: done"),
            ("failed", "FAILED  digits: done"),
            ("recognised", "RECOGNISED  digits: done"),
            ("unrecognised", "NOT RECOGNISED  digits: done"),
        ],
    )
    def test_verdicts_say_how_it_ended(
        self, root: Path, capsys: pytest.CaptureFixture[str], verdict: Verdict, line: str
    ) -> None:
        Console(root).show(Report("check", verdict, [finding()], summary="digits: done"))
        assert capsys.readouterr().err.splitlines() == ["error[ST120]: `mine` is not shipped", "", line]

    def test_errors_come_with_their_fix(self, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
        Console(root).error("no [tool.seatrial]", "add it")
        assert capsys.readouterr().err == "error: no [tool.seatrial]\n  fix: add it\n"
