"""Family 2, waivers: the pairs of projects."""

from __future__ import annotations

from tests.projects.base import BASE, TRANSFORMS, Twin

PATH = "predictor/transforms.py"

CONFIGURATION = BASE["pyproject.toml"]


def waived(comment: str, line: str = "import cv2") -> dict[str, str]:
    return {PATH: f"{line}  # seatrial: ignore{comment}\n{TRANSFORMS}"}


def table(line: str) -> dict[str, str]:
    return {"pyproject.toml": f"{CONFIGURATION!s}[tool.seatrial.ignore]\n{line}\n"}


CV2 = {PATH: f"import cv2\n{TRANSFORMS}"}

TWINS = (
    Twin("ST290", "in the line", waived("[ST110]"), waived("[ST110] the base image has it")),
    Twin("ST290", "before another comment", waived("[ST110]  # noqa: F401"), waived("[ST110] the base has it  # noqa")),
    Twin("ST290", "in a line of its own", {PATH: f"# seatrial: ignore[ST110] -\nimport cv2\n{TRANSFORMS}"}),
    Twin("ST290", "in the table", {**CV2, **table('ST110 = ""')}, {**CV2, **table('ST110 = "the base image has it"')}),
    Twin("ST291", "nothing in its line", waived("[ST110] mended", "import json"), {}, warns=True),
    Twin(
        "ST291",
        "one line too far",
        {PATH: f"import cv2  # seatrial: ignore[ST110] x\nx = 1  # seatrial: ignore[ST110] x\n{TRANSFORMS}"},
        waived("[ST110] x"),
        warns=True,
    ),
    Twin("ST291", "no such rule", waived("[ST999] x", "import json"), {}, warns=True),
    Twin("ST291", "no rule at all", waived(": all of it", "import json"), {}, warns=True),
    Twin(
        "ST291",
        "in requirements.in",
        {"requirements.in": "torch\ntorchvision\npillow  # seatrial: ignore[ST101] x\n"},
        warns=True,
    ),
    Twin("ST291", "in the table", table('ST201 = "x"'), {}, warns=True),
)
