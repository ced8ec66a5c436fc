"""Two locks: what they pin differently, and which two cannot be compared."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from seatrial.errors import UsageError
from seatrial.project import Project
from seatrial.trial.comparison import locks
from tests.small_project import locked, small_project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return small_project(tmp_path / "small", locked("numpy==2.0.0", "pillow==12.0.0", "torch==2.15.0"))


def lock(folder: Path, name: str, *pins: str) -> Path:
    file = folder / name
    file.write_text(str(locked(*pins)["requirements.txt"]))
    return file


def test_a_change_is_an_update_an_addition_or_a_removal(project: Project, tmp_path: Path) -> None:
    before = lock(tmp_path, "before.txt", "numpy==2.0.0", "pillow==11.3.0", "torch==2.15.0", "six==1.0")
    now = lock(tmp_path, "now.txt", "numpy==2.0.0", "pillow==12.0.0", "torch==2.15.0", "jinja2==3.1.6")
    found = locks.changes(locks.of_files(project, [before, now]))
    assert list(map(str, found)) == ["jinja2 3.1.6 is new", "pillow 11.3.0 → 12.0.0", "six 1.0 is gone"]
    assert [change.name for change in found if change.computes] == ["pillow"]


def test_a_pin_for_another_system_is_no_change(project: Project, tmp_path: Path) -> None:
    before = lock(tmp_path, "before.txt", "numpy==2.0.0")
    now = lock(tmp_path, "now.txt", "numpy==2.0.0", 'colorama==0.4.6 ; sys_platform == "win32"')
    assert locks.changes(locks.of_files(project, [before, now])) == []


@pytest.mark.parametrize(
    ("before", "now", "words"),
    [
        (["numpy==2.0.0", "torch==2.15.0"], ["numpy==2.0.0"], "before.txt pins torch, and {now} does not"),
        (["numpy==2.0.0"], ["numpy==2.0.0", "torch==2.15.0"], "now.txt pins torch, and {before} does not"),
        (["numpy==2.0.0"], ["pillow==12.0.0"], "now.txt does not pin numpy"),
        (["numpy==2.0.0"], [], "now.txt pins nothing"),
    ],
)
def test_locks_that_cannot_follow_each_other_are_refused(
    project: Project, tmp_path: Path, before: list[str], now: list[str], words: str
) -> None:
    files = [lock(tmp_path, "before.txt", *before), lock(tmp_path, "now.txt", *now)]
    with pytest.raises(UsageError) as refused:
        locks.of_files(project, files)
    assert words.format(before=files[0], now=files[1]) in refused.value.message
    assert refused.value.fix


def test_a_missing_lock_and_the_same_one_twice_are_refused(project: Project, tmp_path: Path) -> None:
    one = lock(tmp_path, "one.txt", "numpy==2.0.0")
    with pytest.raises(UsageError, match="there is no "):
        locks.of_files(project, [one, tmp_path / "two.txt"])
    (tmp_path / "two.txt").symlink_to(one)
    with pytest.raises(UsageError, match="are the same file"):
        locks.of_files(project, [one, tmp_path / "two.txt"])


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=test", "-c", "user.email=test@example.com"]
    subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True, timeout=60, capture_output=True)


def test_since_reads_the_projects_lock_from_git(project: Project) -> None:
    git(project.root.parent, "init", "--quiet")
    git(project.root.parent, "add", "--all")
    git(project.root.parent, "commit", "--quiet", "--message=before")
    lock(project.root, "requirements.txt", "numpy==2.0.0", "pillow==13.0.0", "torch==2.15.0")
    pair = locks.since(project, "cpu", "HEAD")
    assert pair is not None
    assert [each.name for each in pair] == ["requirements.txt at HEAD", "requirements.txt"]
    assert list(map(str, locks.changes(pair))) == ["pillow 12.0.0 → 13.0.0"]


def test_a_revision_without_the_lock_is_told_from_one_that_is_not_there(project: Project) -> None:
    git(project.root, "init", "--quiet")
    git(project.root, "commit", "--quiet", "--allow-empty", "--message=nothing")
    assert locks.since(project, "cpu", "HEAD") is None
    with pytest.raises(UsageError, match="git knows no revision HEAD~7"):
        locks.since(project, "cpu", "HEAD~7")
    with pytest.raises(UsageError, match="git knows no revision --all"):  # it is no option of git's either
        locks.since(project, "cpu", "--all")
