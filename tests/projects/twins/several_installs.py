"""Family 1, Dockerfiles: the pairs of projects."""

from __future__ import annotations

from tests.projects.base import Twin
from tests.projects.locks import HASHED, dockerfile

NEW_LAYERS = "RUN pip install --no-deps ./layers"

TWINS = (
    *(
        Twin("ST108", name, dockerfile(*lines), dockerfile(HASHED, NEW_LAYERS), warns=True)
        for name, lines in {
            "two lines": ("RUN pip install torch==2.8.0 torchvision==0.23.0", "RUN pip install timm"),
            "in one line": ("RUN pip3 install torch==2.8.0 && pip3 install timm==1.0.20",),
            "another file": (HASHED, "RUN python -m pip install -r more.txt"),
            "continued": (
                "RUN pip install --upgrade pip",
                HASHED,
                "RUN uv pip install --system \\\n    # fast\n    timm",
            ),
        }.items()
    ),
)
