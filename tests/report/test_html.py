"""The page for a browser: verdict first, all text escaped, and nothing that another file or a script must add."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from seatrial.findings import Finding, Location, Severity
from seatrial.golden.stages.pictures import png
from seatrial.report import html
from seatrial.report import json as json_report

WARNED = Finding("ST505", "slow", Severity.WARNING, subject="predict")
WRONG = Finding(
    "ST110", "`cv2` is imported", location=Location("predictor.py", 2, 8, 11), cause="it is <b>not</b>", fix="add it"
)  # fmt: skip


class Page(HTMLParser):
    """What a page holds: its tags with attributes, and its text by the heading that it stands under."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.sections: dict[str, str] = {}
        self._heading, self._in_heading = "", False
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))
        if tag in ("h1", "h2"):
            self._heading, self._in_heading = "", True

    def handle_endtag(self, tag: str) -> None:
        if tag in ("h1", "h2"):
            self._in_heading = False
            self.sections[self._heading] = ""

    def handle_data(self, data: str) -> None:
        if self._in_heading:
            self._heading += data
        elif self._heading in self.sections:
            self.sections[self._heading] += data


def page(root: Path, *findings: Finding, **more: Any) -> Page:
    document = json_report.document("smoke", findings, {"check": 0.5, "load": 2.0}, **{"summary": "said", **more})
    return Page(html.page(document, root))


def answer(**more: Any) -> dict[str, Any]:
    usual = {"input": "golden/a.png", "image": None, "recorded": "7", "served": "7", "seconds": 0.01, "differs": False}
    return usual | more


def test_the_verdict_is_first_and_errors_come_before_warnings(tmp_path: Path) -> None:
    (tmp_path / "predictor.py").write_text("import os\nimport cv2\n")
    found = page(tmp_path, WARNED, WRONG)
    assert list(found.sections)[:2] == ["Failed", "Findings"]
    text = found.sections["Findings"]
    assert text.index("error[ST110]") < text.index("warning[ST505]")
    assert "predictor.py:2:8" in text
    assert "import cv2\n       ^^^" in text
    assert "add it" in text
    assert next(iter(page(tmp_path, WARNED).sections)) == "Passed"


def test_what_ended_a_command_early_is_said_with_its_remedy(tmp_path: Path) -> None:
    ended = {
        "format": 1,
        "command": "smoke",
        "verdict": "error",
        "message": "no disk",
        "fix": "free some",
        "findings": [],
    }
    assert "no disk; free some" in Page(html.page(ended, tmp_path)).sections["Ended early"]


def test_text_from_elsewhere_is_no_markup(tmp_path: Path) -> None:
    evil = "<script>alert(1)</script>"
    found = page(tmp_path, Finding("ST401", evil, evidence=(evil,)), answers=[answer(served=evil)], unproven=[evil])
    assert "script" not in {tag for tag, _ in found.tags}
    assert found.sections["Findings"].count(evil) == 2
    assert evil in found.sections["Inputs and answers"]
    assert "it is <b>not</b>" in page(tmp_path, WRONG).sections["Findings"]


def test_nothing_is_loaded_and_nothing_runs(tmp_path: Path) -> None:
    Image.new("RGB", (300, 200)).save(tmp_path / "a.png")
    found = page(tmp_path, WRONG, answers=[answer(image="a.png")])
    for tag, attributes in found.tags:
        assert tag not in ("script", "iframe", "object", "form")
        assert not any(name.startswith("on") for name in attributes)
        for name in ("src", "href"):
            assert (attributes.get(name) or "data:").startswith("data:")


def test_inputs_stand_beside_what_training_answered(tmp_path: Path) -> None:
    Image.new("I;16", (3000, 2000)).save(tmp_path / "a.png")
    answers = [
        answer(image="a.png"),
        answer(input="golden/b.png", served="1", differs=True, image="missing.png", seconds=0.03),
    ]
    found = page(tmp_path, answers=answers)
    (image,) = [attributes for tag, attributes in found.tags if tag == "img"]
    assert image["alt"] == "golden/a.png"
    assert len(image["src"] or "") < 10_000
    assert re.search(r"golden/b\.png\s*7\s*1 \(differs\)", found.sections["Inputs and answers"])
    assert re.findall(r"ms\s*(\d+)", found.sections["Latency"]) == ["1", *["0"] * 10, "1"]


def test_latency_and_throughput_are_what_the_trial_measured_and_a_straggler_hides_nothing(tmp_path: Path) -> None:
    alone = [0.010 + number * 0.0001 for number in range(120)] + [9.0]
    measured = {
        "seconds_alone": alone, "clients": 8, "answers_a_second": 141.6, "seconds_at_once": [0.05, 0.05, 0.06],
    }  # fmt: skip
    text = page(tmp_path, answers=[answer()], measured=measured).sections["Latency and throughput"]
    first, second = re.split(r"(?=142 answers a second to 8 clients at once)", text)
    assert "121 requests of a lone client" in first
    counts = [int(count) for count in re.findall(r"ms\s*(\d+)", first)]
    assert sum(counts) == 121
    assert min(counts) >= 9
    assert re.search(r"to 9000\.0 ms", first)
    assert sum(int(count) for count in re.findall(r"ms\s*(\d+)", second)) == 3


def test_a_differing_stage_is_shown_with_its_picture(tmp_path: Path) -> None:
    (tmp_path / "d.png").write_bytes(png(np.zeros((4, 12, 3), np.uint8)))
    differs = Finding("ST442", "Resize differs", evidence=("allowed: 0", "picture: d.png: in training, now"))
    found = page(tmp_path, differs)
    (image,) = [attributes for tag, attributes in found.tags if tag == "img"]
    assert image["alt"] == "in training, now"
    assert "picture:" not in found.sections["Findings"]


def test_versions_that_differ_are_marked(tmp_path: Path) -> None:
    found = page(tmp_path, versions={"torch": "2.9", "pillow": "13"}, trained_with={"torch": "2.8", "pillow": "13"})
    assert re.search(r"torch\s*2\.8\s*2\.9 \(differs\)", found.sections["Environment"])
    assert found.sections["Environment"].count("differs") == 1


def test_a_rollout_is_told_step_by_step(tmp_path: Path) -> None:
    side = {"answers": 50, "p50": 0.02, "p95": 0.04}
    gate = {"percent": 10, "passed": True, "requests": 200, "errors": 0, "new": side, "former": {**side, "answers": 0}}
    found = page(tmp_path, gates=[gate], traffic={"12": 100}, model="projects/1/models/2")
    assert re.search(r"10 %\s*passed\s*200\s*0\s*50 answers, p50 20 ms", found.sections["Traffic, step by step"])
    assert "12: 100 %" in found.sections["Particulars"]


@pytest.mark.parametrize("count", [1, 200])
def test_a_page_of_many_photos_stays_small(tmp_path: Path, count: int) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (120, 160, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.jpg")
    document = json_report.document("smoke", (), {}, answers=[answer(image="a.jpg")] * count, summary="")
    text = html.page(document, tmp_path)
    assert len(text) < 3_000_000
    assert ("140 more inputs are not shown" in text) == (count == 200)
