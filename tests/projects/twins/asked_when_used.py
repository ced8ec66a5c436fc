"""Family 1, asked for when used: the pairs of projects."""

from __future__ import annotations

from tests.projects.base import PINS, Files, Twin, lock
from tests.projects.code import network


def project(head: str, **pins: str) -> Files:
    text = f"from torch import nn\n{head}\n\n\ndef build():\n    return nn.Linear(2, 1)\n"
    named = {name.replace("_", "-"): version for name, version in pins.items()}
    return {
        "requirements.in": "torch\ntorchvision\npillow\n" + "".join(f"{name}\n" for name in named),
        "requirements.txt": lock({**PINS, **named}),
        **network(text),
    }


TWINS = (
    Twin(
        "ST175",
        "a form of FastAPI",
        project("from fastapi import File", fastapi="0.120.0"),
        project("from fastapi import File", fastapi="0.120.0", python_multipart="0.0.20"),
    ),
    Twin(
        "ST175",
        "an upload",
        project("import fastapi\n\nKIND = fastapi.UploadFile", fastapi="0.120.0"),
        project("import fastapi\n\nKIND = fastapi.FastAPI", fastapi="0.120.0"),
    ),
    Twin(
        "ST175",
        "TensorBoard",
        project("from torch.utils.tensorboard import SummaryWriter"),
        project("try:\n    from torch.utils.tensorboard import SummaryWriter\nexcept ImportError:\n    pass"),
    ),
    Twin(
        "ST175",
        "the SDK's predictor class",
        project("from google.cloud.aiplatform.prediction import Predictor", google_cloud_aiplatform="2.7.0"),
        project(
            "from google.cloud.aiplatform.prediction import Predictor",
            google_cloud_aiplatform="2.7.0",
            fastapi="0.120.0",
        ),
    ),
    Twin(
        "ST175",
        "imported, perhaps never called",
        project("from pandas import read_parquet", pandas="2.3.0"),
        project("from pandas import read_parquet", pandas="2.3.0", pyarrow="21.0.0"),
        warns=True,
    ),
)
