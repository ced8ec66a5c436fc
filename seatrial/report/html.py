"""A report as one HTML file: readable without scripts, in light and dark, on paper, and without any other file.

It is made from the report's JSON data. The template escapes all text; images are shrunk and put into the page.
"""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

from seatrial.findings import Location
from seatrial.report import excerpt
from seatrial.report import json as json_report
from seatrial.report.document import DocumentRenderer
from seatrial.report.renderer import Report

Data = Mapping[str, Any]
_SIDE = 160  # pixels of an input's image
_PIXELS = 40_000_000  # of an image that is opened at all
_IMAGES = 60  # of inputs, in a page
_PICTURE = re.compile(r"picture: (?P<path>\S+\.png): (?P<words>.*)")  # as `trial.stages` writes it
_PICTURE_BYTES = 400_000  # of a picture of a difference; the page stays below 3 MB
_PICTURES = 4
_BARS = 12  # of a histogram
_MANY = 100  # answers, of which the slowest may stand alone
_DEPLOYED = ("status", "model", "version", "endpoint", "deployed_model")


class Html(DocumentRenderer):
    """The report as a page for a browser."""

    about: ClassVar[str] = "a page for a browser, on standard output"

    def __init__(self, root: Path) -> None:
        """`root` is the folder of the files that the report shows parts of."""
        super().__init__(root)
        self._folder = root

    def document(self, report: Report) -> str:
        """Return the page."""
        return page(data(report), self._folder).rstrip("\n")


def data(report: Report) -> dict[str, Any]:
    """Return a report as the data that a page is made of."""
    return {**json_report.data(report), "summary": report.summary}


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar of a chart: what it stands for, its number in words, and its share of the longest one in percent."""

    name: str
    words: str
    percent: float


def page(report: Data, root: Path) -> str:
    """Return the page of a report; `root` is the project's folder."""
    import jinja2

    folder = resources.files("seatrial.report")
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string((folder / "page.html.jinja").read_text(encoding="utf-8"))
    answers = list(report.get("answers", ()))
    text = template.render(
        report=report,
        reason=json_report.reason(report),
        findings=list(_findings(report, root)),
        answers=[{**each, "picture": _image(each, root)} for each in answers[:_IMAGES]],
        more_answers=max(0, len(answers) - _IMAGES),
        versions=_versions(report),
        seconds=_bars({name: float(value) for name, value in report.get("seconds", {}).items()}),
        times=list(_times(report)),
        unproven=[*report.get("unproven", ()), *(f"not sealed: {text}" for text in report.get("unsealed", ()))],
        tables=[*report.get("tables", ()), *_gates(report)],
        checks=report.get("checks", ()),
        particulars=list(_particulars(report)),
    )
    return text.encode(errors="replace").decode() + "\n"  # names of files may not be UTF-8


def _findings(report: Data, root: Path) -> Iterator[dict[str, Any]]:
    """Yield the findings, errors first, with the lines that they point at and their pictures."""
    order = ("error", "warning", "note")
    pictures = _PICTURES
    for finding in sorted(report.get("findings", ()), key=lambda each: order.index(each["severity"])):
        place = finding.get("location")
        location = Location(**place) if place else None
        shown = [found for line in finding["evidence"] if (found := _PICTURE.fullmatch(line))][:pictures]
        pictures -= len(shown)
        yield {
            **finding,
            "where": str(location) if location else finding["subject"],
            "line": excerpt.line_of(root, location) if location else None,
            "marks": _marks(location) if location else "",
            "evidence": [line for line in finding["evidence"] if not _PICTURE.fullmatch(line)],
            "pictures": [
                {"data": data, "words": found["words"]} for found in shown if (data := _picture(root / found["path"]))
            ],
            "following": json_report.following(finding),
        }


def _marks(location: Location) -> str:
    if not location.column:
        return ""
    return " " * (location.column - 1) + "^" * max(1, (location.end_column or location.column + 1) - location.column)


def _image(answer: Data, root: Path) -> str:
    """Return the image of an input, small, as a data: URL; "" if it cannot be shown."""
    from PIL import Image

    if not answer["image"]:
        return ""
    try:
        with Image.open(root / answer["image"]) as image:
            if image.width * image.height > _PIXELS:
                return ""
            deep = image.mode.startswith("I")  # 16 bits, of which 8 are shown
            shown = image.convert("I").point(lambda value: value * (1 / 256)) if deep else image
            shown = shown.convert("L" if deep else "RGB")
            shown.thumbnail((_SIDE, _SIDE))
            small = io.BytesIO()
            shown.save(small, "JPEG", quality=80)
    except Exception:  # noqa: BLE001 - Pillow raises a dozen types; an input that is broken on purpose has no picture
        return ""
    return f"data:image/jpeg;base64,{base64.b64encode(small.getvalue()).decode()}"


def _picture(file: Path) -> str:
    try:
        data = file.read_bytes()
    except OSError:
        return ""
    return f"data:image/png;base64,{base64.b64encode(data).decode()}" if len(data) <= _PICTURE_BYTES else ""


def _versions(report: Data) -> list[dict[str, Any]]:
    """Return each distribution that decides predictions, in training and here, and whether they differ."""
    training, here = report.get("trained_with", {}), report.get("versions", {})
    names = [*here, *(name for name in training if name not in here)] if here else []
    return [
        {"name": name, "training": was, "here": now, "differs": bool(was and now and was != now)}
        for name in names
        for was, now in [(training.get(name, ""), here.get(name, ""))]
    ]


def _bars(values: Mapping[str, float]) -> list[Bar]:
    longest = max(values.values(), default=0) or 1
    return [Bar(name, f"{value:.2f} s", round(100 * value / longest, 1)) for name, value in values.items()]


def _histogram(seconds: Sequence[float]) -> list[Bar]:
    """Return how many answers took how long; nothing of fewer than two.

    The last bar has all that are slower than 99 % of many: a single one would else leave one bar for the others.
    """
    if len(seconds) < 2:
        return []
    milliseconds = sorted(1000 * float(value) for value in seconds)
    least, most = milliseconds[0], milliseconds[-1]
    end = milliseconds[int(0.99 * (len(milliseconds) - 1))] if len(milliseconds) >= _MANY else most
    width = (end - least) / _BARS or 1
    counts = [0] * _BARS
    for value in milliseconds:
        counts[min(_BARS - 1, int((value - least) / width))] += 1
    ends = [*(least + number * width for number in range(_BARS)), most]
    names = [f"{start:.1f} to {end:.1f} ms" for start, end in pairwise(ends)]
    return [
        Bar(name, str(count), round(100 * count / max(counts), 1)) for name, count in zip(names, counts, strict=True)
    ]


def _times(report: Data) -> Iterator[dict[str, Any]]:
    """Yield the charts of how long answers took: to a lone client, and to several at once with their rate."""
    measured = report.get("measured", {})
    alone = measured.get("seconds_alone") or [each["seconds"] for each in report.get("answers", ())]
    yield {"title": f"{len(alone)} requests of a lone client, by the time until the answer", "bars": _histogram(alone)}
    if rate := measured.get("answers_a_second"):
        title = f"{rate:.0f} answers a second to {measured['clients']} clients at once, by the time until the answer"
        yield {"title": title, "bars": _histogram(measured["seconds_at_once"])}


def _gates(report: Data) -> Iterator[dict[str, Any]]:
    """Yield the table of a rollout's gates: how both versions answered at each share of the traffic."""
    gates = report.get("gates", ())
    if gates:
        head = ["traffic", "outcome", "answers", "errors", "new", "former"]
        rows = [
            [
                f"{gate['percent']} %",
                "passed" if gate["passed"] else "stopped here",
                gate["requests"],
                gate["errors"],
                *(_latency(gate[side]) for side in ("new", "former")),
            ]
            for gate in gates
        ]
        yield {"title": "Traffic, step by step", "head": head, "rows": rows}


def _latency(side: Data) -> str:
    if not side["answers"]:
        return "no answer"
    return f"{side['answers']} answers, p50 {1000 * side['p50']:.0f} ms, p95 {1000 * side['p95']:.0f} ms"


def _particulars(report: Data) -> Iterator[tuple[str, str]]:
    """Yield what the report names besides, as pairs of a name and a text."""
    for name in (
        "depth",
        "device",
        "card",
        "interface",
        "contract",
        "image_id",
        *_DEPLOYED,
        "bundle_digest",
        "version_digest",
    ):
        if report.get(name) and not (name == "version_digest" and report[name] == report.get("bundle_digest")):
            yield name.replace("_", " "), str(report[name])
    if traffic := report.get("traffic"):
        yield "traffic", ", ".join(f"{model}: {percent} %" for model, percent in traffic.items())
    stages = report.get("stages", {})
    if stages.get("stages"):
        largest = f"{stages['largest']:.3g} in {stages['stage']}" if stages["largest"] else "0"
        yield "stages compared", f"{stages['stages']}, the largest difference is {largest}"
    measured = report.get("measured", {})
    if measured.get("peak_memory"):
        yield "peak of memory", f"{measured['peak_memory'] / 2**30:.2f} GiB"
    if measured.get("requests"):
        yield "requests", f"{measured['requests']}, the slowest took {measured['slowest_seconds']:.3g} s"
