"""Calls that Python refuses, and methods that nobody overrides."""

from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.facts.gather import gather
from tests.diagnosis.families.logs import Fault, hold, traceback
from tests.small_project import locked, small_project

FAULTS = [
    Fault(
        "a hook that torchvision renamed",
        traceback("NotImplementedError", "/srv/fish/serve.py:9:predict x = self.prepare(image)", "torchvision/transforms/v2/_transform.py:45:make_params raise NotImplementedError").replace("in make_params", "in make_params"),
        "ST172",
        ("_get_params", "make_params", "0.21"),
    ),
    Fault(
        "a module without forward",
        traceback('NotImplementedError: Module [ModuleList] is missing the required "forward" function', "/srv/fish/serve.py:9:predict x = self.blocks(x)", "torch/nn/modules/module.py:399:_forward_unimplemented raise NotImplementedError("),
        "ST587",
        ("forward", "ModuleList"),
    ),
    Fault(
        "a distribution that calls another of another version",
        traceback("TypeError: Client.__init__() got an unexpected keyword argument 'proxies'", "/srv/fish/serve.py:9:load self.client = openai.OpenAI()", "openai/_base_client.py:843:__init__ super().__init__(proxies=proxies)"),
        "ST151",
        ("openai", "proxies", "upgrade openai"),
        ("ST202",),
    ),
    Fault(
        "a function of a distribution in the project's line",
        traceback("TypeError: hog() got an unexpected keyword argument 'multichannel'", "/srv/fish/prep.py:9:area x = skimage.feature.hog(image, multichannel=True)"),
        "ST153",
        ("scikit-image", "multichannel", "pin"),
    ),
    Fault(
        "hyperparameters that Lightning did not keep",
        traceback("TypeError: LitCrab.__init__() missing 1 required positional argument: 'backbone'", "/srv/fish/serve.py:9:load self.net = LitCrab.load_from_checkpoint(path)", "lightning/pytorch/core/saving.py:165:_load_state obj = cls(**_cls_kwargs)"),
        "ST332",
        ("save_hyperparameters", "backbone"),
    ),
    Fault(
        "a function that nobody knows",
        traceback("TypeError: build() got an unexpected keyword argument 'width'", "/srv/fish/serve.py:9:load self.net = build(width=3)"),
        "ST587",
        ("width",),
    ),
    Fault("a library calls what the project registered", traceback("TypeError: __init__() got an unexpected keyword argument 'num_classes'", "/srv/fish/serve.py:63 model = create_model(name)", "timm/models/factory.py:57:create_model model = create_fn(**kwargs)", "/srv/fish/nets.py:317:fish_base **kwargs)"), "ST587", ("timm called the code",)),
]  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_a_call_that_does_not_fit_is_told_by_who_calls_whom(fault: Fault) -> None:
    hold(fault)


def test_a_function_of_the_project_and_one_that_it_imports_are_told_apart(tmp_path: Path) -> None:
    files = {
        "predictor.py": "from torchvision.transforms import Resize\nimport net\n\nnet.Crab(width=3)\nResize(8, antialias=True)\n",
        "net.py": "class Crab: ...\n",
    }
    facts = gather(small_project(tmp_path, {**files, **locked("torchvision==0.9.0", "torch==1.8.0")}))
    own = traceback(
        "TypeError: Crab.__init__() got an unexpected keyword argument 'width'",
        "/srv/fish/predictor.py:4:load net.Crab(width=3)",
    )
    (found,) = hold(Fault("own", own, "ST587", ("the project's `Crab.__init__`",)), facts)
    assert str(found.location).startswith("net.py:1")
    foreign = traceback(
        "TypeError: Resize.__init__() got an unexpected keyword argument 'antialias'",
        "/srv/fish/predictor.py:5:load Resize(8, antialias=True)",
    )
    hold(Fault("foreign", foreign, "ST153", ("torchvision 0.9.0", "antialias")), facts)
