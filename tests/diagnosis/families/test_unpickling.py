"""What pickles ask for: classes that moved, that `__main__` had, or that torch.load refuses."""

from __future__ import annotations

import pytest

from tests.diagnosis.families.logs import ADD, Fault, hold, traceback

MISSING = "ModuleNotFoundError: No module named "
LOAD = "/srv/fish/serve.py:9:load self.net = torch.load(path, weights_only=False)"
FIND = "torch/serialization.py:1415:find_class return super().find_class(mod_name, name)"
REFUSED = (
    "_pickle.UnpicklingError: Weights only load failed. This file can still be loaded, to do so you have two options.\n"
    "\tWeightsUnpickler error: Unsupported global: GLOBAL {} was not an allowed global by default."
)
FAULTS = [
    Fault(
        "a module that its distribution moved",
        traceback(f"{MISSING}'torchvision.models.mobilenet'", LOAD, FIND),
        "ST313",
        (r"torchvision\.models\.mobilenet", "state_dict", "pin"),
        (ADD,),
    ),
    Fault(
        "a module of another distribution that moved",
        traceback(f"{MISSING}'ultralytics.nn.modules.conv'", LOAD, FIND),
        "ST171",
        ("ultralytics", "state_dict", "pin the version"),
        (ADD,),
    ),
    Fault(
        "the folder of a cloned repository",
        traceback(f"{MISSING}'models'", LOAD, FIND),
        "ST302",
        ("state_dict", "do not install|Do not install"),
        (ADD,),
    ),
    Fault(
        "a whole distribution that is missing",
        traceback(f"{MISSING}'sklearn'", "/srv/fish/serve.py:9:load self.pipe = joblib.load(path)", "joblib/numpy_pickle.py:577:_unpickle obj = unpickler.load()"),
        "ST302",
        ("scikit-learn",),
    ),
    Fault(
        "a name that a module of a distribution lacks",
        traceback("AttributeError: Can't get attribute 'ConvNormAct' on <module 'timm.models.layers' from '/x/site-packages/timm/models/layers/__init__.py'>", LOAD, FIND),
        "ST171",
        ("timm", "ConvNormAct", "pin the version"),
        (ADD, "ST202"),
    ),
    Fault(
        "a function of a notebook",
        traceback("AttributeError: Can't get attribute 'label_func' on <module '__main__' from '/usr/local/bin/gunicorn'>", "/srv/fish/serve.py:9:load self.learn = load_learner(path)"),
        "ST301",
        ("label_func", "__main__"),
    ),
    Fault(
        "a class of the project that moved",
        traceback("AttributeError: Can't get attribute 'Crab' on <module 'fish.nets' from '/srv/fish/nets.py'>", LOAD, FIND),
        "ST302",
        ("fish.nets", "renamed or moved"),
        (ADD,),
    ),
    Fault(
        "a pickle of numpy 2",
        traceback(f"{MISSING}'numpy._core.numeric'", "/srv/fish/serve.py:9:load self.mean = pickle.load(opened)"),
        "ST315",
        ("numpy 1.26.1",),
        ("add `numpy`",),
    ),
    Fault(
        "a number of numpy that torch.load refuses",
        traceback(REFUSED.format("numpy.core.multiarray.scalar"), "/srv/fish/serve.py:9:load state = torch.load(path)"),
        "ST304",
        (r"add_safe_globals", r"\.item\(\)", "weights_only=False"),
    ),
    Fault(
        "hyperparameters of Lightning that torch.load refuses",
        traceback(REFUSED.format("pathlib.PosixPath"), "/srv/fish/serve.py:9:load net = Net.load_from_checkpoint(path)", "lightning/pytorch/core/saving.py:63:_load_from_checkpoint checkpoint = pl_load(path)"),
        "ST304",
        ("Lightning", r"str\(path\)"),
    ),
    Fault(
        "a class of a library, with the words after an empty line",
        traceback("_pickle.UnpicklingError: Weights only load failed.\n\nWeightsUnpickler error: Unsupported global: GLOBAL ultralytics.nn.tasks.DetectionModel was not an allowed global by default.\n\nCheck the documentation.", "/srv/fish/serve.py:9:load state = torch.load(path)"),
        "ST304",
        ("DetectionModel", "add_safe_globals"),
    ),
]  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_what_a_pickle_asks_for_is_told(fault: Fault) -> None:
    hold(fault)
