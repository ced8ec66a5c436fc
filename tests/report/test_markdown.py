"""The page: on failure its first line is what to do, and nothing that went wrong is left out."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt

from seatrial.findings import Finding, Location, Severity
from seatrial.report import json as json_report
from seatrial.report import markdown
from seatrial.report.markdown import Job
from seatrial.report.renderer import Report


def report(command: str, *findings: Finding, **more: Any) -> dict[str, Any]:
    return json_report.document(command, findings, {"all": 1.5}, **{"summary": "said", **more})


def error(command: str, message: str, fix: str = "") -> dict[str, Any]:
    return {"format": 1, "command": command, "verdict": "error", "message": message, "fix": fix}


PAIR = Finding("ST120", "wrong pair", location=Location("requirements.in", 2, 1), fix="keep torch==1.13.1")


def first(reports: list[dict[str, Any]], *jobs: Job) -> str:
    return markdown.page(reports, jobs).splitlines()[0]


def test_the_first_line_is_what_to_do() -> None:
    warned = Finding("ST505", "slow", Severity.WARNING, fix="nothing")
    assert first([report("check", warned, PAIR)]) == "**ST120** `requirements.in:2:1`: keep torch==1.13.1"


def test_wrong_usage_is_said_with_its_remedy() -> None:
    assert first([error("plan", "no project", "set it")]) == "**plan** could not do its work: no project; set it"


def test_a_job_that_left_no_report_is_named() -> None:
    assert first([report("check")], Job("smoke", "failure")).startswith("**smoke** failed before it could report")
    assert first([], Job("prove", "success"), Job("deploy", "cancelled")).startswith("**Cancelled.**")


def test_a_job_that_was_skipped_though_the_plan_wanted_it_is_no_pass() -> None:
    jobs = (Job("plan", "success"), Job("smoke", "skipped"))
    assert first([report("check")], *jobs) == "**smoke** did not run (skipped), though the plan wanted it."
    assert "| job smoke | skipped | | |" in markdown.page([], jobs)
    assert first([report("check")], Job("smoke", "skipped", planned=False)).startswith("**Passed.**")


def test_a_run_that_passed_says_what_was_proven() -> None:
    assert first([report("smoke", device="cpu", summary="12 golden answers")]) == "**Passed.** 12 golden answers"


def test_each_finding_has_its_evidence_once_though_two_devices_found_it() -> None:
    finding = Finding("ST120", "wrong <pair>", evidence=("line one", "", "line </pre> three"))
    page = markdown.page([report("smoke", finding, device="cpu"), report("smoke", finding, device="cuda")], [])
    assert page.count("<details>") == 1
    assert "line &lt;/pre&gt; three" in page
    assert "\n\nline" not in page


def test_foreign_text_is_neither_markdown_nor_html() -> None:
    page = markdown.page([error("deploy", "<img src=x> | `a` *b*\n# c")], [Job("x|y", "failure")])
    assert "<img" not in page
    assert "\\| \\`a\\` \\*b\\* \\# c" in page
    assert all(line.count(" | ") + 2 == 5 for line in page.splitlines() if line.startswith("| ") and "\\|" not in line)


HOSTILE = """<img src=x onerror=y> <b>

# A heading
## another

</details></pre></summary>

| a | b |
|---|---|
* [a link](https://a.example) ![an image](https://a.example/x.png) <https://a.example> `code` $x$

\t
    an indented block

```
1. a list
<script>alert(1)</script>
&amp; &#35; \\# ~~~ === ---
"""


def test_no_field_of_a_report_can_write_markup_of_its_own() -> None:
    location = Location(f"a`{HOSTILE}", 2, 1)
    finding = Finding(
        "ST120", HOSTILE, location=location, cause=HOSTILE, cloud=HOSTILE, fix=HOSTILE, evidence=(HOSTILE, "\t")
    )
    subject = Finding("ST121", HOSTILE, subject=HOSTILE)
    pages = [
        markdown.page([report(HOSTILE, finding, subject, device=HOSTILE, summary=HOSTILE)], [Job(HOSTILE, "failure")]),
        markdown.page([error(HOSTILE, HOSTILE, HOSTILE)], [Job(HOSTILE, "cancelled")]),
        markdown.page([report("check", summary=HOSTILE)], []),
    ]
    reader = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    for page in pages:
        blocks = reader.parse(page)
        kinds = {token.type.removesuffix("_open").removesuffix("_close") for token in blocks}
        assert kinds <= {"paragraph", "inline", "html_block", "table", "thead", "tbody", "tr", "th", "td"}
        inline = {child.type for token in blocks for child in token.children or ()}
        assert inline <= {"text", "strong_open", "strong_close", "code_inline", "text_special"}
        assert sum(token.type == "table_open" for token in blocks) == 1
        html = "".join(token.content for token in blocks if token.type == "html_block")
        assert set(re.findall(r"</?\w+", html)) <= {"<details", "<summary", "</summary", "<pre", "</pre", "</details"}
        assert html.count("<pre>") == html.count("</pre>") == html.count("<details>") == html.count("</details>")


def test_a_summary_stays_within_what_github_takes() -> None:
    many = [Finding(f"ST{number}", "m", evidence=("x" * 20_000,)) for number in range(100)]
    page = markdown.page([report("smoke", *many)], [])
    assert len(page.encode()) < 2**20
    assert page.count("<details>") == page.count("</details>")
    assert "too long for a summary" in page


def test_the_report_of_one_command_is_a_page_too(tmp_path: Path) -> None:
    document = markdown.Markdown(tmp_path).document(Report("check", "failed", [PAIR], {"all": 1.5}, "1 error"))
    lines = document.splitlines()
    assert lines[0] == "**ST120** `requirements.in:2:1`: keep torch==1.13.1"
    assert "| check | failed | 1.5 | 1 error |" in lines
    assert lines[-1] == "</details>"
