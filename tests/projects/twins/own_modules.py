"""Family 2, the project's own modules: the pairs of projects."""

from __future__ import annotations

from tests.projects.base import TRANSFORMS, Files, Twin

SIZES = "SIZE = (8, 8)\n\n\ndef size():\n    return SIZE\n"


def resized(imports: str, size: str) -> Files:
    """Transforms that resize to a size of another module."""
    text = TRANSFORMS.replace("(8, 8)", size)
    return {"predictor/transforms.py": f"{imports}\n{text}\n\nBUILT = transform()\n", "predictor/sizes.py": SIZES}


def renamed(imports: str, module: str) -> Twin:
    return Twin("ST221", imports, resized(imports, f"{module}.SIZES"), resized(imports, f"{module}.SIZE"), warns=True)


TOP = f"from predictor import sizes\nSIDE = sizes.{{}}\n{TRANSFORMS}"

TWINS = (
    renamed("from predictor import sizes", "sizes"),
    renamed("import predictor.sizes as s", "s"),
    Twin(
        "ST221",
        "called on import",
        {"predictor/transforms.py": TOP.format("sise()"), "predictor/sizes.py": SIZES},
        {"predictor/transforms.py": TOP.format("size()"), "predictor/sizes.py": SIZES},
    ),
    *(
        Twin(
            "ST222",
            f"{broken} for {mended}",
            {"predictor/transforms.py": f"{broken}\n{TRANSFORMS}", "predictor/sizes.py": SIZES},
            {"predictor/transforms.py": f"{mended}\n{TRANSFORMS}", "predictor/sizes.py": SIZES},
        )
        for broken, mended in (
            ("from ..training import size", "from .sizes import size"),
            ("from .. import training", "from . import sizes"),
            ("from ...sizes import size", "from predictor.sizes import size"),
        )
    ),
)
