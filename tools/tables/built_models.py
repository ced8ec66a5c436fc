"""Prints the tensors of every classifier that torchvision and timm build, a line of JSON each.

It runs in an environment that has both, and builds on the meta device, where tensors have shapes but no numbers.
"""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Iterator
from typing import Any

CLASSES, OTHER = 7, 11  # two numbers of classes: the tensors that differ are the head's


def main() -> None:
    """Print the versions, then a line for each model."""
    import timm
    import torch
    import torchvision

    warnings.simplefilter("ignore")
    print(json.dumps({"torchvision": torchvision.__version__, "timm": timm.__version__}))  # noqa: T201
    with torch.device("meta"):
        for model in (*_of_torchvision(), *_of_timm()):
            print(json.dumps(model))  # noqa: T201


def _of_torchvision() -> Iterator[dict[str, Any]]:
    """Yield the classifiers of torchvision.models; those with outputs for training only, without these too."""
    from torchvision import models

    for name in models.list_models(module=models):
        weights = models.get_model_weights(name).DEFAULT
        preset = weights.transforms()
        seen = {
            "resize": preset.resize_size[0],
            "crop": preset.crop_size[0],
            "interpolation": preset.interpolation.value,
            "mean": preset.mean,
            "std": preset.std,
        }
        variants: tuple[dict[str, Any], ...] = ({},)
        if name in ("googlenet", "inception_v3"):
            variants = ({"aux_logits": True}, {"aux_logits": False})
        for given in variants:
            one, other = (
                _shapes(models.get_model, name, weights=None, num_classes=n, **given) for n in (CLASSES, OTHER)
            )
            heads = [key for key in one if one[key] != other[key]]
            yield {
                "library": "torchvision", "name": name, "given": given, "preset": seen, "heads": heads,
                "head": _last_weight(heads, one), "stem": _stem(one), "tensors": one,
            }  # fmt: skip


def _of_timm() -> Iterator[dict[str, Any]]:
    """Yield timm's classifiers; what has no head, or cannot be built without numbers, is left out and named."""
    import timm

    for name in timm.list_models():
        try:
            model = timm.create_model(name, pretrained=False, num_classes=CLASSES)
        except (RuntimeError, NotImplementedError, TypeError, ValueError) as error:
            sys.stderr.write(f"{name}: {error}\n")
            continue
        shapes = {key: list(tensor.shape) for key, tensor in model.state_dict().items()}
        classifier = model.default_cfg.get("classifier") or ()
        layers = (classifier,) if isinstance(classifier, str) else tuple(classifier)
        heads = [key for key in shapes if key.rpartition(".")[0] in layers and shapes[key][0] == CLASSES]
        if heads and len(layers) == 1:
            yield {
                "library": "timm", "name": name, "given": {}, "heads": heads, "head": _last_weight(heads, shapes),
                "stem": _stem(shapes), "tensors": shapes,
            }  # fmt: skip


def _shapes(build: Any, *given: Any, **named: Any) -> dict[str, list[int]]:
    import torch

    try:
        model = build(*given, **named)
    except NotImplementedError:  # RegNet computes its widths with tensors
        with torch.device("cpu"):
            model = build(*given, **named)
    return {key: list(tensor.shape) for key, tensor in model.state_dict().items()}


def _last_weight(heads: list[str], shapes: dict[str, list[int]]) -> str:
    return [key for key in heads if len(shapes[key]) > 1][-1]


def _stem(shapes: dict[str, list[int]]) -> str:
    """Return the first convolution of three channels; "" if there is none."""
    return next((key for key, shape in shapes.items() if len(shape) == 4 and shape[1] == 3), "")


if __name__ == "__main__":
    main()
