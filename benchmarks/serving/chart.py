"""The chart: a row for each server, a column for each number of clients, a bar as long as its share of the limit.

It is written as SVG by hand: bars and texts need no library, and an own style sheet follows the reader's light or dark
theme, also where a page shows it as an image.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape

from benchmarks.serving.figures import Figures

LABEL, COLUMN, GAP = 165, 150, 16  # pixels
ROW, BAR, HEAD, FOOT = 22, 14, 62, 40
FULL = 92  # pixels of a bar that reaches the limit
MOST = 1.2  # of it: a longer bar is cut, and its number stands behind
_STYLE = """\
text { font-family: "Helvetica Neue", Helvetica, Arial, "DejaVu Sans", sans-serif; font-size: 12px; fill: #24292f; }
.title { font-size: 14px; font-weight: 600; } .small { font-size: 11px; fill: #59636e; }
.ours { font-weight: 600; } .number { font-size: 11px; }
.bar { fill: #8c959f; } .bar.ours { fill: #0969da; } .full { stroke: #59636e; stroke-dasharray: 2 3; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3; } .small { fill: #9198a1; } .bar { fill: #6e7681; } .bar.ours { fill: #4493f8; }
  .full { stroke: #9198a1; }
}"""


def drawn(figures: Figures, titles: Mapping[str, str]) -> str:
    """Return the chart of all models as SVG."""
    width = LABEL + len(figures.clients) * (COLUMN + GAP)
    parts: list[str] = []
    top = 0
    for model in figures.models:
        parts += _panel(figures, titles, model, top)
        top += HEAD + ROW * len(figures.servers(model)) + GAP
    height = top + FOOT
    note = "Images a second. A bar that reaches the dashed line is as fast as the same work in processes without HTTP."
    parts.append(_text(0, height - 18, note, "small"))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img" aria-label="Images a second of servers beside the in-process limit">\n'
        f"<style>\n{_STYLE}\n</style>\n" + "\n".join(parts) + "\n</svg>\n"
    )


def _panel(figures: Figures, titles: Mapping[str, str], model: str, top: int) -> Iterator[str]:
    """Yield a model's part, whose upper edge is `top`."""
    servers = figures.servers(model)
    bottom = top + HEAD + ROW * len(servers)
    yield _text(0, top + 20, model, "title")
    for at, clients in enumerate(figures.clients):
        left = LABEL + at * (COLUMN + GAP)
        limit = figures.limit(model, clients)
        yield _text(left, top + 40, f"{clients} client{'s' if clients > 1 else ''}")
        if limit is None:
            continue
        yield _text(left, top + 54, f"limit {_number(limit)}", "small")
        yield f'<line class="full" x1="{left + FULL}" x2="{left + FULL}" y1="{top + HEAD - 4}" y2="{bottom}"/>'
    for row, server in enumerate(servers):
        kind = "ours" if server.startswith("ours") else ""
        base = top + HEAD + row * ROW + BAR
        yield _text(0, base - 2, titles.get(server, server), kind)
        for at, clients in enumerate(figures.clients):
            if cell := figures.cell(model, server, clients):
                left = LABEL + at * (COLUMN + GAP)
                length = max(1.0, min(cell.of_limit or 0.0, MOST) * FULL)
                place = f'x="{left}" y="{base - BAR}" width="{length:.1f}" height="{BAR}" rx="2"'
                yield f'<rect class="bar {kind}" {place}/>'
                yield _text(left + MOST * FULL + 5, base - 3, _number(cell.rate), f"number {kind}")


def _text(x: float, y: float, text: str, kind: str = "") -> str:
    return f'<text class="{kind.strip()}" x="{x:.0f}" y="{y:.0f}">{escape(text)}</text>'


def _number(value: float) -> str:
    return f"{value:.1f}" if value < 100 else f"{value:.0f}"
