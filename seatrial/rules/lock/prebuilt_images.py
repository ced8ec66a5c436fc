"""Family 1, prebuilt images: Google's prediction images for PyTorch, and the day on which each ends."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from packaging.version import Version

from seatrial.facts.tables import prebuilt_images
from seatrial.findings import Severity
from seatrial.rules.rule import Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.facts.gather import Facts
    from seatrial.findings import Finding

PREBUILT_GONE = Rule(
    code="ST114",
    title="a prebuilt prediction image at its end of life",
    explanation=(
        "Google's prebuilt PyTorch prediction images end with torch 2.4 on Python 3.9. Their patches ended on "
        "2026-07-14, the last of them is not available after 2027-01-14, and 2.1 and older are gone: a deployment "
        "that names one fails, and one that runs is not patched."
    ),
    fix="serve from a custom container: `seatrial image build` makes one from the lock",
    detected=(
        "By names of the form prediction/pytorch-cpu.2-4 in pyproject.toml, Dockerfiles, workflows, scripts and "
        "requirement files, against a table of end dates and today's date: an error once the image is gone, a "
        "warning before and where the table does not have it. A name that is put together at run time is not seen."
    ),
    bad="FROM us-docker.pkg.dev/vertex-ai/prediction/pytorch-gpu.2-1:latest",
    good="seatrial image build",
    sources=(
        "https://docs.cloud.google.com/gemini-enterprise-agent-platform/machine-learning/predictions/pre-built-containers",
        "https://github.com/pytorch/serve/issues/3396",
    ),
)


@PREBUILT_GONE.decided_by
def _prebuilt_gone(facts: Facts) -> Iterator[Finding]:
    table = prebuilt_images()
    for file in facts.builds.files:
        for named in file.prebuilt:
            end = table.end_of(named.text)
            if end is None:
                yield PREBUILT_GONE.finding(
                    f"the prebuilt image {named.setting} is not in Google's list of {table.read_on}",
                    location=named.location,
                    severity=Severity.WARNING,
                    cause=f"the newest in it has torch {max(table.ends, key=Version)}, and no newer one was announced",
                )
                continue
            gone = facts.today >= end
            if gone:
                since = f" (since {end})" if end.year > 1 else ""
                message = f"the prebuilt image {named.setting} is no longer available{since}"
            else:
                message = f"the prebuilt image {named.setting} gets no patches, and is not available from {end} on"
            left = "" if gone else f"; {(end - facts.today) // timedelta(days=1)} days are left"
            yield PREBUILT_GONE.finding(
                message,
                location=named.location,
                severity=Severity.ERROR if gone else Severity.WARNING,
                cause=f"it holds Python {table.python} and torch {named.text}; no newer one was made{left}",
            )
