"""Safe fixes: only the edits, with the file's own line ends, encoding and mode."""

from __future__ import annotations

import codecs
import subprocess
from pathlib import Path

import pytest

from seatrial.check.fixes import Plan, plan, snapshot, write
from seatrial.findings import Edit, Finding
from seatrial.project import load
from tests.cli.process import seatrial
from tests.projects.base import PINS, TRANSFORMS, Twin, lock, made
from tests.projects.twins import TWINS
from tests.small_project import findings, locked, small_project

LOAD = 'import torch\n\nw = torch.load("w.pt")\n'
AT = LOAD.splitlines()[2].index(")") + 1  # the column of the closing bracket


def finding(*edits: Edit, code: str = "ST601") -> Finding:
    return Finding(code, "x", edits=edits)


def insertion(text: str = ', map_location="cpu"', path: str = "p.py", line: int = 3, column: int = AT) -> Edit:
    return Edit(path, text, line, column, column)


def planned(root: Path, *found: Finding) -> Plan:
    return plan(root, found, snapshot(root, found))


def fixed(root: Path, *found: Finding) -> list[str]:
    """Make the edits; return why some were refused."""
    made_plan = planned(root, *found)
    assert write(made_plan.changes) == ()
    return [why for _, why in made_plan.refused]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "p.py").write_text(LOAD)
    return folder


class TestEdits:
    def test_are_applied_from_the_end_so_that_each_meets_its_place(self, root: Path) -> None:
        edits = [insertion("A", line=1, column=1), insertion("BB", line=1, column=13), insertion("C", line=3, column=1)]
        (root / "p.txt").write_text(LOAD)
        assert fixed(root, *(finding(Edit("p.txt", e.text, e.line, e.column, e.end_column)) for e in edits)) == []
        assert (root / "p.txt").read_text() == LOAD.replace("import torch", "Aimport torchBB").replace("w =", "Cw =")

    def test_replace_the_text_at_their_place(self, root: Path) -> None:
        assert fixed(root, finding(Edit("p.py", '"v.pt"', 3, 16, 22, was='"w.pt"'))) == []
        assert (root / "p.py").read_text() == LOAD.replace("w.pt", "v.pt")

    def test_count_characters_where_some_are_longer_than_others(self, root: Path) -> None:
        (root / "p.py").write_text("größe = '画像'; x = 1\n", encoding="utf-8")
        assert fixed(root, finding(Edit("p.py", "y", 1, 15, 16, was="x"))) == []
        assert (root / "p.py").read_text(encoding="utf-8") == "größe = '画像'; y = 1\n"

    def test_of_two_that_overlap_the_first_is_made(self, root: Path) -> None:
        first, second = Edit("p.py", "x", 3, 1, 2), Edit("p.py", "y", 3, 1, 2)
        assert fixed(root, finding(first), finding(second)) == ["p.py:3 is changed by another fix already"]
        assert (root / "p.py").read_text() == LOAD.replace("w =", "x =")

    def test_of_two_insertions_in_one_place_the_first_is_made(self, root: Path) -> None:
        assert len(fixed(root, finding(insertion()), finding(insertion(", weights_only=True")))) == 1
        assert (root / "p.py").read_text() == LOAD.replace('")', '", map_location="cpu")')

    def test_that_two_findings_ask_for_are_made_once(self, root: Path) -> None:
        line = Edit("requirements.in", "pillow")
        assert fixed(root, finding(insertion(), line), finding(insertion()), finding(line)) == []
        assert (root / "p.py").read_text().count("map_location") == 1
        assert (root / "requirements.in").read_text() == "pillow\n"

    def test_of_one_finding_are_all_made_or_none(self, root: Path) -> None:
        (root / "q.py").write_text(LOAD)
        both = finding(Edit("q.py", "y", 3, 1, 2), Edit("p.py", "y", 3, 1, 2))
        assert len(fixed(root, finding(Edit("p.py", "x", 3, 1, 2)), both)) == 1
        assert (root / "q.py").read_text() == LOAD

    @pytest.mark.parametrize(
        "edit",
        [
            Edit("p.py", "x", 9, 1, 1),
            Edit("p.py", "x", 0, 1, 1),
            Edit("p.py", "x", 3, 90, 91),
            Edit("p.py", "x", 3, 5, 2),
            Edit("p.py", "x", 3),
            Edit("p.py", "x", 3, 16, 22, was='"v.pt"'),
            Edit("p.py", "(", 3, 1, 1),
        ],
        ids=["no such line", "line zero", "no such column", "backwards", "no column", "another text", "no Python"],
    )
    def test_that_do_not_fit_the_file_are_refused(self, root: Path, edit: Edit) -> None:
        assert len(fixed(root, finding(edit))) == 1
        assert (root / "p.py").read_text() == LOAD


class TestFiles:
    def test_keep_their_mode_and_nothing_is_left_beside_them(self, root: Path) -> None:
        (root / "p.py").chmod(0o754)
        fixed(root, finding(insertion()))
        assert (root / "p.py").stat().st_mode & 0o7777 == 0o754
        assert [file.name for file in root.iterdir()] == ["p.py"]

    def test_keep_their_line_ends(self, root: Path) -> None:
        (root / "p.py").write_bytes(LOAD.replace("\n", "\r\n").encode())
        (root / "requirements.in").write_bytes(b"torch\r\nnumpy")
        assert fixed(root, finding(insertion(',\n    map_location="cpu"'), Edit("requirements.in", "pillow"))) == []
        assert (root / "p.py").read_bytes().endswith(b'w = torch.load("w.pt",\r\n    map_location="cpu")\r\n')
        assert (root / "requirements.in").read_bytes() == b"torch\r\nnumpy\r\npillow\r\n"

    @pytest.mark.parametrize(
        ("mark", "encoding"), [(codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (b"", "utf-8")]
    )
    def test_keep_their_byte_order_mark(self, root: Path, mark: bytes, encoding: str) -> None:
        (root / "requirements.in").write_bytes(mark + "torch\n# größe\n".encode(encoding))
        assert fixed(root, finding(Edit("requirements.in", "pillow"), Edit("requirements.in", "x", 1, 1, 6))) == []
        assert (root / "requirements.in").read_bytes() == mark + "x\n# größe\npillow\n".encode(encoding)

    def test_keep_the_encoding_that_python_reads_in_them(self, root: Path) -> None:
        text = "# coding: latin-1\nname = 'größe'\nx = 1\n"
        (root / "p.py").write_bytes(text.encode("latin-1"))
        assert fixed(root, finding(Edit("p.py", "2", 3, 5, 6))) == []
        assert (root / "p.py").read_bytes() == text.replace("x = 1", "x = 2").encode("latin-1")
        assert "cannot hold the fix" in fixed(root, finding(Edit("p.py", "'画'", 3, 5, 6)))[0]

    @pytest.mark.parametrize(
        ("content", "why"),
        [
            (b"x = '\xff'\n\nw = 1\n", "cannot be read"),
            (b"x = 1\n\nw = 1\nx = '\xff'\n", "cannot be read"),
            (b"# coding: nonsense\n\nw = 1\n", "cannot be read"),
            (b"x = 1\ry = 2\n\nw = torch.load(1)  # long enough\n", "count as ends of lines"),
        ],
    )
    def test_that_cannot_be_written_back_safely_are_left_alone(self, root: Path, content: bytes, why: str) -> None:
        (root / "p.py").write_bytes(content)
        (refused,) = fixed(root, finding(insertion(column=17)))
        assert why in refused
        assert (root / "p.py").read_bytes() == content

    def test_outside_of_the_project_are_never_touched(self, root: Path) -> None:
        other = root.parent / "other.py"
        other.write_text(LOAD)
        (root / "link.py").symlink_to(other)
        (root / "folder").symlink_to(root.parent)
        for path in ("link.py", "folder/other.py", "../other.py", str(other)):
            assert len(fixed(root, finding(insertion(path=path)))) == 1
        assert other.read_text() == LOAD

    def test_behind_a_link_within_the_project_are_fixed_and_the_link_stays(self, root: Path) -> None:
        (root / "link.py").symlink_to("p.py")
        refused = fixed(root, finding(insertion(path="link.py")), finding(insertion("x", line=1, column=1)))
        assert refused == ["p.py is another name of a file that is fixed already"]
        assert (root / "link.py").is_symlink()
        assert "map_location" in (root / "p.py").read_text()

    def test_that_changed_since_they_were_checked_are_left_alone(self, root: Path) -> None:
        found = finding(insertion())
        seen = snapshot(root, [found])
        (root / "p.py").write_text(LOAD + "# more\n")
        (refused,) = plan(root, [found], seen).refused
        assert refused[1] == "p.py has changed since it was checked"

    def test_that_change_between_plan_and_write_are_left_alone_with_all_the_others(self, root: Path) -> None:
        made_plan = planned(root, finding(insertion(), Edit("requirements.in", "pillow")))
        (root / "requirements.in").write_text("mine\n")
        assert write(made_plan.changes) == ("requirements.in",)
        assert (root / "p.py").read_text() == LOAD
        assert sorted(file.name for file in root.iterdir()) == ["p.py", "requirements.in"]

    def test_are_shown_as_a_diff_that_patch_applies(self, root: Path) -> None:
        (root / "requirements.in").write_text("torch")
        found = finding(insertion(), Edit("requirements.in", "pillow"), Edit("new.in", "x"))
        made_plan = planned(root, found)
        text = "".join(change.diff() for change in made_plan.changes)
        assert '-w = torch.load("w.pt")\n+w = torch.load("w.pt", map_location="cpu")\n' in text
        subprocess.run(["git", "apply", "-"], input=text, text=True, check=True, cwd=root, timeout=60)
        assert {change.path: (root / change.path).read_bytes() for change in made_plan.changes} == {
            change.path: change.after for change in made_plan.changes
        }


FIXED = {"ST110", "ST207", "ST415", "ST419"}  # what a safe edit can fix
PREDICTOR = "import torch\nimport torchvision\nfrom PIL import Image\n\n\nclass P: ...\n"
BROKEN = {**locked("torch==2.8.0"), "predictor.py": PREDICTOR}


class TestTheCommand:
    def test_shows_what_it_would_change_and_changes_nothing(self, tmp_path: Path) -> None:
        small_project(tmp_path, BROKEN)
        ran = seatrial("check", "--diff", "--project", tmp_path)
        assert ran.returncode == 1
        assert ran.stdout == (
            "--- a/requirements.in\n+++ b/requirements.in\n@@ -1 +1,3 @@\n"
            " torch==2.8.0\n+torchvision==0.23.0\n+pillow\n"
        )
        assert (tmp_path / "requirements.in").read_text() == "torch==2.8.0\n"
        assert "2 fixable with --fix" in ran.stderr

    def test_makes_the_safe_edits_shows_them_and_reports_what_is_left(self, tmp_path: Path) -> None:
        small_project(tmp_path, {**BROKEN, "predictor.py": f"import my_unknown\n{PREDICTOR}"})
        before = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
        ran = seatrial("check", "--fix", "--project", tmp_path)
        assert ran.returncode == 1
        assert "+pillow\n" in ran.stdout
        assert "fixed: 2 findings, in requirements.in\n" in ran.stderr
        assert "next: requirements.in has changed: run `seatrial lock`\n" in ran.stderr
        assert "warning[ST110]: `my_unknown` is imported" in ran.stderr
        assert "error[ST101]: requirements.txt does not pin pillow" in ran.stderr
        assert "`PIL` is imported" not in ran.stderr
        changed = {file.name for file, content in before.items() if file.read_bytes() != content}
        assert changed == {"requirements.in"}
        assert {file for file in tmp_path.rglob("*") if file.is_file()} == before.keys()

    def test_has_nothing_more_to_do_the_second_time(self, tmp_path: Path) -> None:
        small_project(tmp_path, BROKEN)
        seatrial("check", "--fix", "--project", tmp_path)
        after = (tmp_path / "requirements.in").read_bytes()
        again = seatrial("check", "--fix", "--project", tmp_path)
        assert again.stdout == ""
        assert (tmp_path / "requirements.in").read_bytes() == after

    def test_keeps_the_diff_off_the_output_of_a_machine(self, tmp_path: Path) -> None:
        small_project(tmp_path, BROKEN)
        ran = seatrial("check", "--diff", "--format", "json", "--project", tmp_path)
        assert ran.stdout.startswith("{")
        assert "+pillow\n" in ran.stderr

    def test_passes_where_there_is_nothing_to_fix(self, tmp_path: Path) -> None:
        made(tmp_path, {})
        assert seatrial("check", "--diff", "--project", tmp_path).returncode == 0


class TestRules:
    @pytest.mark.parametrize("twin", [twin for twin in TWINS if twin.code in FIXED], ids=str)
    def test_are_satisfied_by_their_own_edits_and_have_no_more(self, tmp_path: Path, twin: Twin) -> None:
        project = made(tmp_path, twin.broken)
        found = findings(project, twin.code)
        wanted = [one for one in found if one.edits]
        assert fixed(project.root, *found) == []
        left = findings(load(project.root))
        assert not any(one.edits for one in left)
        assert len([one for one in left if one.code == twin.code]) == len(found) - len(wanted)

    @pytest.mark.parametrize("code", sorted(FIXED))
    def test_offer_an_edit_for_some_of_their_spellings(self, tmp_path: Path, code: str) -> None:
        twins = [twin for twin in TWINS if twin.code == code]
        edits = [findings(made(tmp_path / str(n), twin.broken), code)[0].edits for n, twin in enumerate(twins)]
        assert sum(map(bool, edits)) > 0

    def test_write_the_torchvision_that_belongs_to_the_pinned_torch(self, tmp_path: Path) -> None:
        pins = {**PINS, "torchvision": "0.22.0"}
        project = made(
            tmp_path,
            {"requirements.in": "torch\ntorchvision == 0.22.0  # why\npillow\n", "requirements.txt": lock(pins)},
        )
        (found,) = findings(project, "ST120")
        assert fixed(project.root, found) == []
        assert project.requirements_in.read_text() == "torch\ntorchvision==0.23.0  # why\npillow\n"
        assert all(not f.edits for f in findings(project))  # the lock comes next, which no edit makes

    @pytest.mark.parametrize(
        "line",
        ["torchvision", "torchvision<0.23", "torchvision==0.22.0; python_version < '4'", "  torchvision==0.22.0"],
    )
    def test_leave_another_way_of_asking_for_torchvision_to_a_person(self, tmp_path: Path, line: str) -> None:
        text = f"torch\n{line}\npillow\n"
        pins = {**PINS, "torchvision": "0.22.0"}
        project = made(tmp_path, {"requirements.in": text, "requirements.txt": lock(pins)})
        fixed(project.root, *findings(project, "ST120"))
        assert project.requirements_in.read_text() == text

    def test_never_guess_the_distribution_of_a_module_that_no_table_names(self, tmp_path: Path) -> None:
        project = made(tmp_path, {"predictor/transforms.py": f"import my_unknown\n{TRANSFORMS}"})
        (found,) = findings(project)
        assert (found.code, found.edits) == ("ST110", ())
