"""The copy of the workflows that act executes is the workflows: references to this repository differ, and two keys."""

from __future__ import annotations

import difflib
import re
from pathlib import Path

from tests.conftest import ROOT
from tests.workflows.adapted import COMMIT, REPOSITORY, adapted, copy, pins, restored, sources

NEW_KEY = r" +(# )?(queue|deployment): "


def test_only_references_to_the_own_repository_and_two_new_keys_are_adapted() -> None:
    changed = 0
    for file in sources():
        before = file.read_text(encoding="utf-8")
        after = adapted(before)
        assert restored(after) == before
        for line in difflib.ndiff(before.splitlines(), after.splitlines()):
            if line.startswith("- "):
                changed += 1
                assert "uses: $/" in line or re.match(f"-{NEW_KEY}", line)
            elif line.startswith("+ "):
                own = re.search(rf"uses: {REPOSITORY}/(\.github/\S+|\.)@{COMMIT}( #.*)?$", line)
                assert own or re.match(rf"\+{NEW_KEY}", line)
    assert changed > 0


def test_the_copy_holds_the_adapted_files_and_the_tool_as_it_is(tmp_path: Path) -> None:
    made = copy(tmp_path / "copy")
    for file in sources():
        assert restored((made / file.relative_to(ROOT)).read_text(encoding="utf-8")) == file.read_text(encoding="utf-8")
    for file in ROOT.glob("seatrial/**/*.py"):
        assert (made / file.relative_to(ROOT)).read_bytes() == file.read_bytes()


def test_no_workflow_reaches_its_own_scripts_by_the_callers_tree() -> None:
    for file in sources():
        text = file.read_text(encoding="utf-8")
        assert "uses: ./" not in text
        assert "workflow_sha" not in text


def test_each_action_of_others_is_pinned_to_one_commit_everywhere() -> None:
    names = [name for name, _ in pins()]
    assert len(names) == len(set(names))
