"""Weights that a model refuses."""

from __future__ import annotations

import pytest

from tests.diagnosis.families.logs import Fault, hold, traceback

LOAD = "/srv/fish/serve.py:9:load self.net.load_state_dict(state)"


def refused(*lines: str, model: str = "CrabNet") -> str:
    return traceback("\n\t".join((f"RuntimeError: Error(s) in loading state_dict for {model}:", *lines)), LOAD)


def keys(which: str, *names: str) -> str:
    return f"{which} key(s) in state_dict: " + ", ".join(f'"{name}"' for name in names) + ". "


def size(key: str, saved: str, built: str) -> str:
    return (
        f"size mismatch for {key}: copying a param with shape torch.Size([{saved}]) from checkpoint, the shape in "
        "current "
        f"model is torch.Size([{built}])."
    )


FAULTS = [
    Fault("a wrapper's prefix", refused(keys("Missing", "stem.weight", "head.bias"), keys("Unexpected", "module.stem.weight", "module.head.bias")), "ST308", ("begin `module.`", "DataParallel")),
    Fault("an unknown prefix", refused(keys("Missing", "stem.weight", "head.bias"), keys("Unexpected", "backbone.stem.weight", "backbone.head.bias")), "ST308", ("begin `backbone.`",)),
    Fault("a prefix that lacks", refused(keys("Missing", "net.stem.weight", "net.head.bias"), keys("Unexpected", "stem.weight", "head.bias")), "ST308", ("`net.`",)),
    Fault("a whole checkpoint", refused(keys("Missing", "stem.weight"), keys("Unexpected", "epoch", "state_dict", "optimizer")), "ST305", (r'checkpoint\["state_dict"\]',)),
    Fault("another number of classes", refused(size("head.weight", "7, 64", "10, 64"), size("head.bias", "7", "10")), "ST305", ("7 classes", "built for 10")),
    Fault("another number of channels", refused(size("stem.weight", "64, 1, 7, 7", "64, 3, 7, 7")), "ST305", ("1 channels", "mode")),
    Fault("another variant", refused(size("a.weight", "64, 64", "96, 96"), size("b.weight", "64", "96"), size("c.weight", "6", "9")), "ST305", ("variant",)),
    Fault("buffers that are gone", refused(keys("Unexpected", "embeddings.position_ids")), "ST305", ("position_ids", "version")),
    Fault("another model", refused(keys("Missing", "conv1.weight", "conv2.weight"), keys("Unexpected", "weight", "bias")), "ST305", ("misses", "left over"), ("ST308",)),
]  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_weights_that_do_not_fit_are_told_by_their_names_and_shapes(fault: Fault) -> None:
    hold(fault)
