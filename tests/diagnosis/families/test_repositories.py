"""Git and Git LFS: what could not be fetched."""

from __future__ import annotations

import pytest

from tests.diagnosis.families.lines import Said, hold

LOGS = {
    "budget": Said(
        "batch response: This repository exceeded its LFS budget. The account responsible for the budget should "
        "increase it.",
        "ST766",
        (r"budget of Git LFS",),
    ),
    "quota, older words": Said(
        "Smudge error: Error downloading w.pt (0123abc): batch response: This repository is over its data quota.",
        "ST766",
        (r"budget of Git LFS",),
    ),
    "a filter that failed tells no reason": Said(
        "Error downloading object: w.pt (0123abc): Smudge error: Error downloading w.pt: batch response: This repository "
        "is over its data quota.\nerror: external filter 'git-lfs filter-process' failed\nfatal: w.pt: smudge filter lfs "
        "failed",
        "ST766",
        (r"budget of Git LFS",),
        (r"not installed",),
    ),
    "no git-lfs": Said("git-lfs filter-process: 1: git-lfs: not found", "ST766", (r"git lfs install",)),
    "never pushed": Said(
        "[404] Object does not exist on the server or you don't have permissions", "ST766", (r"git lfs push",)
    ),
    "no login": Said(
        "fatal: could not read Username for 'https://github.com': No such device or address",
        "ST766",
        (r"https://github\.com", r"token"),
    ),
    "SSH": Said("git@github.com: Permission denied (publickey).", "ST766", (r"SSH",), (r"ST510",)),
    "not visible": Said("remote: Repository not found.", "ST766", (r"may not see it",)),
    "no git": Said(
        "ERROR: Cannot find command 'git' - do you have 'git' installed and in your PATH?", "ST766", (r"wheel",)
    ),
    "owner": Said(
        "fatal: detected dubious ownership in repository at '/github/workspace'",
        "ST766",
        (r"safe\.directory /github/workspace",),
    ),
    "healthy": Said("remote: Enumerating objects: 5, done.\nFiltering content: 100% (3/3), 46 MiB", ""),
}


@pytest.mark.parametrize("name", LOGS)
def test_what_is_said_of_a_log(name: str) -> None:
    hold(LOGS[name])
