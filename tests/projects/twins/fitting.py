"""Family 1, what fits: the pairs of projects."""

from __future__ import annotations

from collections.abc import Iterator

from tests.projects.base import Twin
from tests.projects.checkpoints import WEIGHTS, predictor, real
from tests.projects.code import locked
from tests.projects.twins.state_dicts import tensors


def _refused_bins() -> Iterator[Twin]:
    call = "M.from_pretrained(artifacts_uri)"
    text = predictor(f"{call}.state_dict()", "from transformers import AutoModel as M\n")
    old = {"torch": "2.5.1", "torchvision": "0.20.1", "transformers": "4.57.0"}
    asked = {"requirements.in": "torch\ntorchvision\npillow\ntransformers\n", "predictor/predictor.py": text}
    bin_file = {"artifacts/pytorch_model.bin": real("state_dict.pt"), WEIGHTS: None}
    broken = {**bin_file, **asked, **locked(**old)}
    newer = locked(**{**old, "torch": "2.6.0", "torchvision": "0.21.0"})
    yield Twin("ST154", "an old torch", broken, {**broken, **newer})
    yield Twin("ST154", "an older transformers", broken, {**broken, **locked(**{**old, "transformers": "4.46.0"})})
    beside = tensors("weight")
    yield Twin("ST154", "safetensors beside it", broken, {**broken, "artifacts/model.safetensors": beside})
    in_parts = {
        **broken,
        "artifacts/pytorch_model.bin": None,
        "artifacts/pytorch_model-00001-of-00001.bin": real("state_dict.pt"),
    }
    yield Twin("ST154", "in parts", in_parts, {**in_parts, **newer})


TWINS = tuple(_refused_bins())
