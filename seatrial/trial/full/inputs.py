"""Inputs: golden images again in other forms. Each must be answered or refused; an error of the server is neither."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from seatrial.findings import Finding, Stage, Step
from seatrial.rules.deployment.settings import LIMITS
from seatrial.rules.serving.depth import COSTLY_IMAGE, ODD_INPUT, OTHER_FILE
from seatrial.samples import variants
from seatrial.trial import memory
from seatrial.trial.full.session import Input, Session
from seatrial.trial.observe import predictions_of

_IMAGES = 12  # golden images that are sent in every mode
_COSTLY = 500_000_000  # bytes of memory for one image of some hundred bytes


def prove(session: Session) -> Stage[None]:
    """Send every golden image in other modes, and one in other sizes, tones and ratios."""
    images = [(one, data) for one in session.inputs if (data := variants.image_of(one.instance))]
    if not images:
        session.trial.unproven.append("other images than golden ones: no golden instance is an image")
        return
    yield Step(f"{min(len(images), _IMAGES)} images in other modes")
    findings: list[Finding] = []
    failed: set[str] = set()
    for one, data in images[:_IMAGES]:
        if not findings:
            findings += _alike(session, one, data)
        for what, made in variants.modes(data):
            if what not in failed and (found := _asked(session, one, what, made)):
                failed.add(what)
                findings += found
    first, data = images[0]
    yield Step("an image in other sizes, tones and ratios")
    for what, made in _others(session, data):
        findings += _asked(session, first, what, made)
    findings += _long(session, first, data)
    yield from _merged(findings)
    if not session.goes_on:
        session.trial.unproven.append(f"all forms of an image: {session.why_not}")


def _others(session: Session, data: bytes) -> Iterator[tuple[str, bytes]]:
    yield from variants.sizes(data)
    project = session.gathered.project
    at_most = min(LIMITS[project.vertex.endpoint_type], project.serving.max_body_bytes) * 7 // 10  # base64 adds a third
    yield "as large as the server allows", variants.largest(data, project.serving.max_pixels, at_most)


def _alike(session: Session, one: Input, data: bytes) -> list[Finding]:
    """Send files with the same pixels, of which each must have the answer of the first."""
    first: list[object] | None = None
    for what, made in variants.alike(data):
        if not session.goes_on:
            return []
        subject = f"{one.name} {what}"
        found = predictions_of(session.send([variants.replaced(one.instance, made)], subject))
        if not found:
            return []  # what fails or is refused is judged with the other modes
        if first is None:
            first = found
        elif where := session.difference(first[0], found[0]):
            return [OTHER_FILE.finding(f"{subject}: {where} for a PNG of the same pixels", subject=subject)]
    return []


def _asked(session: Session, one: Input, what: str, data: bytes) -> list[Finding]:
    """Send an image; return why it was not answered, unless it was refused."""
    if not session.goes_on:
        return []
    subject = f"{one.name} {what}"
    answer = session.send([variants.replaced(one.instance, data)], subject)
    if predictions_of(answer) is not None or (answer is not None and 400 <= answer.status < 500):
        return []
    return list(session.failure(answer, subject, ODD_INPUT))


def _long(session: Session, one: Input, data: bytes) -> list[Finding]:
    """Send longer and longer images, as long as the memory that the next will take is there."""
    before = session.server.usage().get("peak")
    longest, cost = variants.RATIOS[0], 0
    for ratio in variants.RATIOS:
        used = session.server.usage()
        cost = used.get("peak", 0) - (before or 0)
        # Where it cannot be measured, it must not be risked. A square of the longer side grows with its square.
        if ratio != longest and (before is None or cost * (ratio / longest) ** 2 > _free(session, used)):
            took = "" if before is None else f": one took {cost / 1e6:.0f} MB more than other images"
            session.trial.unproven.append(f"images longer than {longest}:1{took}")
            break
        for upright in (False, True):
            what = f"of the ratio {'1:' if upright else ''}{ratio}{'' if upright else ':1'}"
            if found := _asked(session, one, what, variants.long(data, ratio, upright=upright)):
                return found
        longest = ratio
    else:
        cost = session.server.usage().get("peak", 0) - (before or 0)
    if cost < _COSTLY:
        return []
    message = f"an image of {2 * longest} x 2 pixels takes {cost / 1e6:,.0f} MB more memory than the largest one"
    return [COSTLY_IMAGE.finding(message, subject=f"{one.name} of the ratio {longest}:1")]


def _free(session: Session, used: dict[str, int]) -> float:
    """Return the bytes that the server may still take: what its machine and this one leave."""
    project = session.gathered.project
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        here = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration):
        here = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    return min(here / 2, memory.allowed(project) - used.get("resident", 0))


def _merged(findings: list[Finding]) -> Iterator[Finding]:
    """Yield each fault once, with the images that show it."""
    alike: dict[tuple[object, ...], list[Finding]] = {}
    for finding in findings:
        cause = finding.message.replace(finding.subject, "")
        alike.setdefault((finding.code, finding.location, cause), []).append(finding)
    for same in alike.values():
        shown = ", ".join(dict.fromkeys(finding.subject for finding in same))
        yield replace(same[0], evidence=(*same[0].evidence, f"shown by: {shown}")) if len(same) > 1 else same[0]
