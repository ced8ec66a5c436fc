"""Missing modules: whose they are, and when a distribution may be proposed."""

from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.facts.gather import gather
from tests.diagnosis.families.logs import ADD, Fault, hold, traceback
from tests.small_project import locked, small_project

MISSING = "ModuleNotFoundError: No module named "
FAULTS = [
    Fault(
        "pkg_resources in a distribution",
        traceback(f"{MISSING}'pkg_resources'", "/srv/fish/serve.py:3 import torchmetrics", "torchmetrics/utilities/imports.py:12 from pkg_resources import DistributionNotFound"),
        "ST173",
        ("torchmetrics", "setuptools<82"),
        (r"add (?:the line )?`setuptools`",),
    ),
    Fault(
        "pkg_resources in the project",
        traceback(f"{MISSING}'pkg_resources'", "/srv/fish/serve.py:3 import pkg_resources"),
        "ST170",
        ("importlib.metadata", "setuptools<82"),
        (r"add (?:the line )?`setuptools`",),
    ),
    Fault(
        "what a distribution asks only when used",
        traceback(f"{MISSING}'lxml'", "/srv/fish/serve.py:3:load frame = pandas.read_html(page)", "pandas/compat/_optional.py:135:import_optional_dependency module = importlib.import_module(name)"),
        "ST150",
        ("pandas", "`lxml`", ADD),
    ),
    Fault(
        "an import name that is not the distribution's",
        traceback(f"{MISSING}'skimage'", "/srv/fish/serve.py:3 from skimage import exposure"),
        "ST110",
        ("scikit-image", "requirements.in"),
    ),
    Fault(
        "a generic name of the project's",
        traceback(f"{MISSING}'networks'", "/srv/fish/serve.py:3 from networks.unet import UNet"),
        "ST201",
        ("networks", "do not install"),
        (ADD,),
    ),
    Fault(
        "a folder of the project that the traceback shows",
        traceback(f"{MISSING}'lobster.layers'", "/srv/lobster/serve.py:3 from lobster.layers import Norm"),
        "ST201",
        ("lobster.layers", "does not contain"),
        (ADD,),
    ),
    Fault(
        "a name that nobody knows",
        traceback(f"{MISSING}'kelpnet'", "/srv/fish/serve.py:3 import kelpnet"),
        "ST110",
        ("guess", "file of the project"),
    ),
    Fault(
        "a name of which the index has another project",
        traceback(f"{MISSING}'apex'", "/srv/fish/serve.py:3 from apex.normalization import FusedLayerNorm"),
        "ST110",
        ("NVIDIA", "repository"),
        (ADD,),
    ),
    Fault(
        "a module that another release of a distribution has",
        traceback(f"{MISSING}'pytorch_lightning.metrics'", "/srv/fish/serve.py:3 from pytorch_lightning.metrics import Accuracy"),
        "ST170",
        ("pytorch-lightning", "pin"),
        (ADD,),
    ),
    Fault(
        "two distributions that do not fit each other",
        traceback(f"{MISSING}'huggingface_hub.utils._errors'", "/srv/fish/serve.py:3 import peft", "peft/utils/hub.py:9 from huggingface_hub.utils._errors import EntryNotFoundError"),
        "ST173",
        ("peft", "huggingface-hub", "upgrade peft"),
        (ADD, r"huggingface[_-]hub is not installed"),
    ),
    Fault(
        "operators that were never compiled",
        traceback(f"{MISSING}'mmcv._ext'", "/srv/fish/serve.py:3 from mmcv.ops import nms", "mmcv/utils/ext_loader.py:13:load_ext ext = importlib.import_module('mmcv.' + name)"),
        "ST152",
        ("mmcv", "compiled"),
        (ADD,),
    ),
    Fault(
        "a distribution that lacks a module of its own",
        traceback(f"{MISSING}'fontTools.misc.bezierTools'", "/srv/fish/serve.py:3 import fontTools", "fontTools/pens/basePen.py:3 from fontTools.misc.bezierTools import calcCubicBounds"),
        "ST152",
        ("afresh",),
        (ADD,),
    ),
    Fault(
        "a file in place of a package",
        traceback(f"{MISSING}'yaml.scanner'; 'yaml' is not a package", "/srv/fish/serve.py:3 import yaml.scanner"),
        "ST155",
        ("rename", "yaml.py"),
        (ADD,),
    ),
    Fault(
        "what Python 3.12 removed, in a distribution",
        traceback(f"{MISSING}'distutils'", "/srv/fish/serve.py:3 import anchovy", "anchovy/build.py:3 from distutils.version import LooseVersion"),
        "ST156",
        ("3.12", "anchovy"),
        (ADD,),
    ),
    Fault(
        "a part of Python that was not compiled",
        traceback(f"{MISSING}'_lzma'", "/srv/fish/serve.py:3 import torchvision", "/usr/local/lib/python3.11/lzma.py:27 from _lzma import *"),
        "ST156",
        ("_lzma",),
        (ADD,),
    ),
]  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_a_missing_module_is_told_by_whose_it_is(fault: Fault) -> None:
    hold(fault)


LOCK = locked(
    "scikit-image==0.22.0", "timm==0.6.12", "huggingface-hub==0.30.0", "setuptools==82.0.0", "clip-anytorch==2.6.0"
)


@pytest.mark.parametrize(
    "fault",
    [
        Fault(
            "what is locked is not to be added",
            traceback(f"{MISSING}'skimage'", "/srv/fish/predictor.py:1 import skimage"),
            "ST152",
            ("scikit-image 0.22.0",),
            (ADD,),
        ),
        Fault(
            "the locked versions are named",
            traceback(f"{MISSING}'huggingface_hub.hub_mixin'", "/srv/fish/predictor.py:1 import timm", "timm/models/_hub.py:4 from huggingface_hub.hub_mixin import x"),
            "ST173",
            ("timm 0.6.12", "huggingface-hub 0.30.0", "could not be looked up"),
            (ADD,),
        ),
        Fault(
            "setuptools that is locked without pkg_resources",
            traceback(f"{MISSING}'pkg_resources'", "/srv/fish/predictor.py:1 import clip", "clip/clip.py:6 from pkg_resources import packaging"),
            "ST173",
            ("setuptools 82.0.0", "setuptools<82"),
            (ADD,),
        ),
        Fault(
            "a file of the project",
            traceback(f"{MISSING}'train_utils'", "/srv/fish/predictor.py:1 import train_utils"),
            "ST201",
            ("train_utils.py does not ship",),
            (ADD,),
        ),
    ],
    ids=str,
)  # fmt: skip
def test_the_lock_and_the_files_of_the_project_decide(tmp_path: Path, fault: Fault) -> None:
    project = small_project(tmp_path, {"predictor.py": "class P: ...\n", "train_utils.py": "x = 1\n", **LOCK})
    hold(fault, gather(project))


def test_what_a_build_of_a_distribution_lacks_is_not_the_projects(tmp_path: Path) -> None:
    text = traceback(
        f"{MISSING}'numpy'",
        "/var/pip-build-env-1/overlay/lib/python3.11/site-packages/setuptools/build_meta.py:5 x",
        "<string>:1 import numpy",
    )
    from seatrial.diagnosis.families import modules
    from seatrial.diagnosis.translate import examine

    case, _ = examine(text)
    assert not [each for raised in case.raised for each in modules.of_exception(raised, case)]
