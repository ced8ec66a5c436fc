"""Missing names: whose name, and whose code asks for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.facts.gather import gather
from tests.diagnosis.families.logs import SITE, Fault, hold, traceback
from tests.small_project import locked, small_project

PREDICTOR = r"predictor = |\bset .{0,3}predictor\b|ST202"


def lacks(name: str, module: str) -> str:
    return f"ImportError: cannot import name '{name}' from '{module}' ({SITE}/{module.replace('.', '/')}.py)"


FAULTS = [
    Fault(
        "a library asks numpy, whose own __getattr__ answers",
        traceback(
            "AttributeError: `np.NaN` was removed in the NumPy 2.0 release. Use `np.nan` instead.",
            "/srv/fish/serve.py:2 import pyannote.audio",
            "pyannote/audio/inference.py:5 missing: float = np.NaN",
            "numpy/__init__.py:397:__getattr__ raise AttributeError(",
        ),
        "ST421",
        ("pyannote uses", "numpy<2"),
        (PREDICTOR, "change the line"),
    ),
    Fault(
        "a distribution asks another for what is gone",
        traceback(lacks("preserve_channel_dim", "albucore.utils"), "/srv/fish/prep.py:2 import albumentations as A", "albumentations/augmentations/functional.py:15 from albucore.utils import preserve_channel_dim"),
        "ST173",
        ("albumentations", "albucore", "upgrade albumentations"),
        (PREDICTOR, "correct the line"),
    ),
    Fault(
        "the frames between are not in the log",
        traceback(lacks("TryToLoadFromCache", "huggingface_hub"), "/srv/fish/serve.py:2 import sentence_transformers"),
        "ST173",
        ("sentence[_-]transformers", "huggingface-hub"),
        (PREDICTOR,),
    ),
    Fault(
        "the project asks a distribution for what is gone",
        traceback(lacks("load_boston", "sklearn.datasets"), "/srv/fish/prep.py:2 from sklearn.datasets import load_boston"),
        "ST170",
        ("scikit-learn", "load_boston", "pin"),
        (PREDICTOR,),
    ),
    Fault(
        "an attribute of a module, in another's code",
        traceback("AttributeError: module 'numpy' has no attribute 'bool'.\n`np.bool` was a deprecated alias for the builtin `bool`.", "/srv/fish/prep.py:2 import skvideo.io", "skvideo/io/abstract.py:7:__init__ self.mask = np.zeros(3, dtype=np.bool)"),
        "ST421",
        ("skvideo", "numpy<1.24", "upgrade skvideo"),
        (PREDICTOR,),
    ),
    Fault(
        "an attribute of a module, in the project's code",
        traceback("AttributeError: `np.Inf` was removed in the NumPy 2.0 release. Use `np.inf` instead.", "/srv/fish/prep.py:9:area best = np.Inf"),
        "ST421",
        ("np.inf", "numpy<2"),
        (PREDICTOR,),
    ),
    Fault(
        "a constant of Pillow, in the project's code",
        traceback("AttributeError: module 'PIL.Image' has no attribute 'ANTIALIAS'", "/srv/fish/prep.py:9:shrink image.thumbnail(size, Image.ANTIALIAS)"),
        "ST415",
        ("LANCZOS", "pillow<10"),
        (PREDICTOR,),
    ),
    Fault(
        "an attribute of a library that no table knows",
        traceback("AttributeError: module 'faiss' has no attribute 'StandardGpuResources'", "/srv/fish/index.py:9:load res = faiss.StandardGpuResources()"),
        "ST170",
        ("faiss",),
        (PREDICTOR,),
    ),
    Fault(
        "torchvision asks torch for what is not there",
        traceback("AttributeError: module 'torch.library' has no attribute 'impl_abstract'", "/srv/fish/serve.py:2 import torchvision", "torchvision/_meta_registrations.py:26 x = torch.library.impl_abstract"),
        "ST122",
        ("another torch", "do not match"),
        (PREDICTOR,),
    ),
    Fault(
        "files of two versions",
        traceback(lacks("_imagingft", "PIL"), "/srv/fish/serve.py:2 from PIL import ImageFont", "PIL/ImageFont.py:20 from . import _imagingft as core") .replace("_imagingft' from", "is_tarfile' from"),
        "ST152",
        ("pillow", "clean environment"),
        (PREDICTOR,),
    ),
    Fault(
        "a distribution that finds itself unfinished",
        traceback(f"AttributeError: partially initialized module 'cv2' from '{SITE}/cv2/__init__.py' has no attribute '_registerMatType' (most likely due to a circular import)", "/srv/fish/serve.py:2 import cv2", "cv2/mat_wrapper/__init__.py:33 cv2._registerMatType(Mat)"),
        "ST152",
        ("opencv",),
        (PREDICTOR, "rename"),
    ),
    Fault(
        "two modules of the project that import each other",
        traceback("ImportError: cannot import name 'Head' from partially initialized module 'fish.net' (most likely due to a circular import) (/srv/fish/net.py)", "/srv/fish/serve.py:2 from fish.net import Net", "/srv/fish/net.py:1 from fish.head import Head", "/srv/fish/head.py:1 from fish.net import Net"),
        "ST581",
        ("fish.net", "circular"),
        (PREDICTOR,),
    ),
    Fault(
        "a file that hides a standard module",
        traceback("AttributeError: partially initialized module 'logging' has no attribute 'getLogger' (most likely due to a circular import)", "/srv/fish/logging.py:2 import torch"),
        "ST155",
        ("rename", "logging.py"),
        (PREDICTOR,),
    ),
    Fault(
        "a file that hides a distribution",
        traceback("ImportError: cannot import name 'nn' from 'torch' (/srv/fish/torch.py)", "/srv/fish/serve.py:2 from torch import nn"),
        "ST155",
        ("rename", "torch.py"),
        (PREDICTOR,),
    ),
    Fault(
        "a name of the project's own",
        traceback("ImportError: cannot import name 'Crab' from 'fish.nets' (/srv/fish/nets.py)", "/srv/fish/serve.py:2 from fish.nets import Crab"),
        "ST201",
        ("fish.nets", "Crab", "own"),
        (PREDICTOR,),
    ),
    Fault(
        "what a lazy import wraps",
        traceback("RuntimeError: Failed to import transformers.models.vit because of the following error (look up to see its traceback):\ncannot import name 'split_torch_state_dict_into_shards' from 'huggingface_hub' (/x/site-packages/huggingface_hub/__init__.py)", "/srv/fish/serve.py:2 from transformers import ViTModel", "transformers/utils/import_utils.py:1390:_get_module raise RuntimeError("),
        "ST173",
        ("transformers", "huggingface-hub", "split_torch_state_dict_into_shards"),
        (PREDICTOR,),
    ),
    Fault(
        "what Python 3.10 removed, in a distribution",
        traceback("ImportError: cannot import name 'Mapping' from 'collections' (/usr/local/lib/python3.11/collections/__init__.py)", "/srv/fish/serve.py:2 import anchovy", "anchovy/tree.py:3 from collections import Mapping"),
        "ST156",
        ("anchovy", "collections.abc", "this Python"),
        (PREDICTOR, "installed collections"),
    ),
    Fault(
        "a module that nothing imported",
        traceback("AttributeError: module 'skimage' has no attribute 'transform'", "/srv/fish/prep.py:9:turn x = skimage.transform.rotate(image, 3)"),
        "ST170",
        ("import skimage.transform",),
        (PREDICTOR,),
    ),
]  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_a_missing_name_is_told_by_whose_it_is(fault: Fault) -> None:
    hold(fault)


def test_the_class_that_the_settings_name_is_told_as_such(tmp_path: Path) -> None:
    project = small_project(tmp_path, {"predictor.py": "class Q: ...\n", **locked("numpy==1.26.0")})
    text = traceback(
        "AttributeError: module 'predictor' has no attribute 'P'",
        "seatrial/serving/load.py:5:load cls = getattr(module, name)",
    )
    hold(Fault("class", text, "ST202", ("no class `P`",)), gather(project))


def test_a_name_that_the_project_defines_elsewhere_is_told_with_its_place(tmp_path: Path) -> None:
    files = {"predictor/__init__.py": "", "predictor/nets.py": "x = 1\n", "training/nets.py": "class Crab: ...\n"}
    text = traceback(
        "ImportError: cannot import name 'Crab' from 'predictor.nets' (/x/site-packages/predictor/nets.py)",
        "predictor/__init__.py:1 from predictor.nets import Crab",
    )
    hold(Fault("own", text, "ST201", ("training/nets.py:1",)), gather(small_project(tmp_path, files)))
