"""The page in a real browser: no error on its console, and nothing that axe-core calls serious."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from seatrial.report import html
from seatrial.report import json as json_report
from tests.report.test_html import WARNED, WRONG, answer

NODE = Path(__file__).parent / "node"
BROWSER = shutil.which("chromium") or shutil.which("google-chrome") or ""
# axe-core is put into a copy of the page, whose own policy forbids scripts; it leaves what it found in the title.
RUN = "axe.run().then(found => { document.title = JSON.stringify(found.violations.map(v => [v.impact, v.id])) })"


def rendered(file: Path, *options: str) -> tuple[str, str]:
    """Return the page as the browser has it after two seconds, and what it printed."""
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--dump-dom"]
    done = subprocess.run(
        [*command, "--virtual-time-budget=2000", *options, file.as_uri()],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    return done.stdout, done.stderr


@pytest.mark.proof
@pytest.mark.skipif(not BROWSER, reason="needs Chromium, which is not installed")
@pytest.mark.skipif(shutil.which("npm") is None, reason="needs npm, which is not installed")
@pytest.mark.parametrize("size", ["360,800", "1280,800"])
@pytest.mark.parametrize("dark", [False, True])
def test_a_page_has_no_error_and_nothing_that_keeps_people_out(tmp_path: Path, size: str, dark: bool) -> None:
    for name in ("package.json", "package-lock.json"):
        shutil.copy(NODE / name, tmp_path)
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, timeout=120)
    axe = (tmp_path / "node_modules/axe-core/axe.min.js").read_text(encoding="utf-8")
    shutil.copy(next(Path("artifacts/golden").glob("*.png")), tmp_path / "a.png")
    (tmp_path / "predictor.py").write_text("import os\nimport cv2\n")
    more = {
        "summary": "digits: 1 error", "answers": [answer(image="a.png"), answer(differs=True)], "unproven": ["speed"],
        "versions": {"torch": "2.9"}, "trained_with": {"torch": "2.8"}, "device": "cpu",
        "checks": [{"name": "http-health", "level": "must", "outcome": "kept", "seen": ""}],
    }  # fmt: skip
    text = html.page(json_report.document("smoke", [WRONG, WARNED], {"load": 2.0}, **more), tmp_path)
    file = tmp_path / "report.html"
    file.write_text(text, encoding="utf-8")
    options = [
        f"--window-size={size}",
        *(["--force-dark-mode", "--blink-settings=preferredColorScheme=0"] if dark else []),
    ]
    _, printed = rendered(file, *options)
    assert "CONSOLE" not in printed
    body = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", text)
    file.write_text(body.replace("</body>", f"<script>{axe}</script><script>{RUN}</script></body>"), encoding="utf-8")
    page, _ = rendered(file, *options)
    title = re.search(r"<title>(.*?)</title>", page)
    assert title is not None
    assert title[1].startswith("["), title[1]
    assert [found for found in json.loads(title[1]) if found[0] in ("serious", "critical")] == []
