"""The pages for people: their links lead somewhere, and the commands that they show are commands."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from seatrial.cli.parser import parser
from tests.conftest import ROOT

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").rglob("*.md"))]
_LINK = re.compile(r"\]\((?!https?:|mailto:)([^)#\s]*)(#[^)\s]*)?\)")
_COMMAND = re.compile(r"(?m)^\$ seatrial (.*?)(?:\s{2,}#.*)?$")


def headings(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    text = re.sub(r"(?ms)^```.*?^```", "", page.read_text(encoding="utf-8"))
    found = re.findall(r"(?m)^#+ (.*)$", text)
    return {re.sub(r"[^\w\- ]", "", re.sub(r"\]\([^)]*\)", "", each.lower())).replace(" ", "-") for each in found}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files_and_headings(page: Path) -> None:
    text = re.sub(r"(?ms)^```.*?^```", "", page.read_text(encoding="utf-8"))
    for path, anchor in _LINK.findall(text):
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), path
        if anchor and target.suffix == ".md":
            assert anchor[1:] in headings(target), f"{path}{anchor}"


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 120


@pytest.mark.parametrize("page", [page for page in PAGES if "rules" not in page.parts], ids=lambda page: page.name)
def test_commands_can_be_parsed(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    commands = [
        *_COMMAND.findall(text),
        *(re.findall(r"`seatrial ([^`]*)`", text) if page.name == "questions.md" else []),
    ]
    for command in commands:
        parser().parse_args(shlex.split(command))
