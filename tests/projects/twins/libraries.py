"""Family 4, names of other libraries: the pairs of projects."""

from __future__ import annotations

from tests.projects.base import PINS, TRANSFORMS, Files, Twin, lock

LOCK = lock({**PINS, "scikit-image": "0.25.2"})


def transforms(text: str) -> Files:
    """Return a module of transforms that begins with a text, and the lock."""
    return {"requirements.txt": LOCK, "predictor/transforms.py": f"{text}\n{TRANSFORMS}"}


TWINS = (
    *(
        Twin("ST421", name, transforms(broken), transforms(mended))
        for name, (broken, mended) in {
            "by attribute": ("import numpy as np\n\nKIND = np.float", "import numpy as np\n\nKIND = np.float64"),
            "called": ("import numpy\n\nONE = numpy.int(1)", "import numpy\n\nONE = numpy.int64(1)"),
            "of numpy 2": ("from numpy import Inf", "from numpy import inf"),
            "a module": ("from torch._six import inf", "from math import inf"),
            "of another library": (
                "from skimage.measure import compare_ssim as ssim",
                "from skimage.metrics import structural_similarity as ssim",
            ),
        }.items()
    ),
    Twin(
        "ST421",
        "a helper away",
        transforms("import numpy as np\n\n\ndef codes(x):\n    return x.astype(np.int)\n\n\nCODES = codes\n"),
        transforms("import numpy as np\n\n\ndef codes(x):\n    return x.astype(int)\n\n\nCODES = codes\n"),
        warns=True,
    ),
)
