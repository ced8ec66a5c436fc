"""Which model weights are of, by the names and shapes of real models' tensors."""

from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.facts.architectures import fits, known
from seatrial.facts.checkpoints.checkpoint import read_checkpoint
from tests.weights import built

ROOT = Path(__file__).parents[2]


def test_the_demo_is_recognised_with_its_classes_and_its_grey_images() -> None:
    weights = read_checkpoint(ROOT / "artifacts/weights.pt", "weights.pt").tensors[""]
    [fit] = fits({name: tensor.shape for name, tensor in weights.items()})
    assert (fit.library, fit.names, fit.classes, fit.channels) == ("torchvision", ("shufflenet_v2_x0_5",), 10, 1)
    assert fit.head == "fc.weight"


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2", "wide_resnet50_2"])
def test_the_models_of_torchvision_are_told_apart_by_shapes(name: str) -> None:
    fit = fits(built(name))[0]
    assert (fit.library, fit.names, fit.prefix, fit.classes) == ("torchvision", (name,), "", 7)


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "model.", "model._orig_mod.module."])
def test_what_wrappers_put_before_the_names_is_found(prefix: str) -> None:
    fit = fits({prefix + name: shape for name, shape in built("resnet18").items()})[0]
    assert (fit.names, fit.prefix) == (("resnet18",), prefix)


def test_models_of_timm_that_no_tensor_tells_apart_are_all_named() -> None:
    [fit] = fits(built("tf_efficientnet_b0"))
    assert fit.library == "timm"
    assert {"efficientnet_b0", "tf_efficientnet_b0"} <= set(fit.names)


def test_counters_that_old_checkpoints_lack_do_not_matter() -> None:
    old = {name: shape for name, shape in built("resnet18").items() if "num_batches_tracked" not in name}
    assert fits(old)[0].names == ("resnet18",)


def test_a_head_of_its_own_leaves_the_rest_recognised() -> None:
    shapes = {name: shape for name, shape in built("resnet18").items() if not name.startswith("fc.")}
    fit = fits({**shapes, "fc.1.weight": (3, 512), "fc.1.bias": (3,)})[0]
    assert (fit.names, fit.classes, fit.own_head) == (("resnet18",), None, ("fc.1.weight", "fc.1.bias"))


def test_another_layer_is_another_model() -> None:
    assert fits({**built("resnet18"), "layer5.weight": (3, 3)}) == ()
    assert fits({"weight": (3, 3)}) == ()
    assert fits({}) == ()


def test_a_builder_is_known_with_what_its_own_weights_take() -> None:
    resnet = known("resnet18")
    assert resnet is not None
    assert resnet.preset is not None
    assert (resnet.head, resnet.preset.crop, resnet.preset.resize) == ("fc.weight", 224, 256)
    assert known("resnet1") is None
