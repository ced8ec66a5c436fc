"""Attributes that objects lack, None, and modules of torch that were never initialised."""

from __future__ import annotations

import pytest

from tests.diagnosis.families.logs import Fault, hold, traceback

TORCH = "torch/nn/modules/module.py"
PICKLED = "pickle|older torch|another version"
LACKS = "AttributeError: '{}' object has no attribute '{}'"
FAULTS = [
    Fault(
        "super().__init__() is missing",
        traceback(LACKS.format("Sharpen", "_modules"), "/srv/fish/prep.py:9:load self.prepare = Sharpen(3)", "/srv/fish/prep.py:4:__init__ for each in self.children():", f"{TORCH}:2300:named_children for name, module in self._modules.items():", f"{TORCH}:1931:__getattr__ raise AttributeError("),
        "ST580",
        ("Sharpen", r"super\(\).__init__\(\)"),
        (PICKLED,),
    ),
    Fault(
        "a parameter before super().__init__()",
        traceback("AttributeError: cannot assign parameters before Module.__init__() call", "/srv/fish/net.py:20:load self.net = Net(7)", "/srv/fish/net.py:5:__init__ self.scale = nn.Parameter(torch.ones(1))", f"{TORCH}:1900:__setattr__ raise AttributeError("),
        "ST580",
        ("`Net` assigns a parameter",),
        (PICKLED,),
    ),
    Fault(
        "a layer that another torch pickled",
        traceback(LACKS.format("GELU", "approximate"), "/srv/fish/serve.py:20:predict return self.net(batch)", f"{TORCH}:1518:_wrapped_call_impl return self._call_impl(*args)", "torch/nn/modules/activation.py:682:forward return F.gelu(input, approximate=self.approximate)", f"{TORCH}:1695:__getattr__ raise AttributeError("),
        "ST312",
        ("GELU", "pickle"),
        (r"super\(\)\.__init__\(\) is missing",),
    ),
    Fault(
        "an estimator of another scikit-learn",
        traceback(LACKS.format("SimpleImputer", "_fill_dtype"), "/srv/fish/serve.py:20:predict x = self.pipe.transform(x)", "sklearn/impute/_base.py:560:transform X = X.astype(self._fill_dtype)"),
        "ST334",
        ("scikit-learn", "SimpleImputer"),
    ),
    Fault(
        "a state_dict that is used as a model",
        traceback(LACKS.format("dict", "eval"), "/srv/fish/serve.py:20:load self.net = torch.load(path).eval()"),
        "ST206",
        ("state_dict", "load_state_dict"),
    ),
    Fault(
        "a dictionary that a model returned",
        traceback(LACKS.format("OrderedDict", "argmax"), "/srv/fish/serve.py:20:predict mask = self.net(batch).argmax(1)"),
        "ST586",
        ("`out`|'out'", "tensor"),
        ("state_dict is used as a model",),
    ),
    Fault(
        "a method of Pillow that is gone",
        traceback(LACKS.format("ImageDraw", "textsize"), "/srv/fish/draw.py:20:label w, h = draw.textsize(text)"),
        "ST153",
        ("textbbox", "pillow<10"),
        ("ST202",),
    ),
    Fault(
        "a method of pandas that is gone, in another's code",
        traceback(LACKS.format("DataFrame", "append"), "/srv/fish/log.py:20:note tracker.write(1)", "codecarbon/output.py:49:out df = df.append(row)"),
        "ST151",
        ("codecarbon", "pandas<2", "upgrade codecarbon"),
    ),
    Fault(
        "an image that could not be read",
        traceback("AttributeError: 'NoneType' object has no attribute 'shape'", "/srv/fish/prep.py:20:open h, w = cv2.imread(path).shape[:2]"),
        "ST586",
        ("imread",),
    ),
    Fault(
        "a model that load() did not set",
        traceback("TypeError: 'NoneType' object is not callable", "/srv/fish/serve.py:20:predict return self.model(batch)"),
        "ST586",
        (r"self\.model", r"load\(\)"),
    ),
    Fault(
        "an object that does not fit another distribution",
        traceback(LACKS.format("EntryPoints", "get"), "/srv/fish/serve.py:2 import importlib", "anchovy/plugins.py:49:find return eps.get('anchovy')"),
        "ST151",
        ("importlib-metadata<5", "anchovy"),
    ),
    Fault(
        "what load() should have set",
        traceback(LACKS.format("Predictor", "labels"), "/srv/fish/serve.py:20:postprocess return self.labels[index]"),
        "ST586",
        (r"self\.labels", r"load\(\)"),
        ("pin the version",),
    ),
]  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_what_an_object_lacks_is_told_by_who_reads_it(fault: Fault) -> None:
    hold(fault)
