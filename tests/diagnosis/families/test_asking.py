"""What distributions ask for in words of their own, and what else stops the project's code."""

from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.facts.gather import gather
from tests.diagnosis.families.logs import Fault, hold, traceback
from tests.small_project import locked, small_project

PREDICT = "/srv/fish/serve.py:9:predict return self.net(batch)"
LOAD = "/srv/fish/serve.py:9:load self.net = build()"
FAULTS = [
    Fault("a newer torch", traceback("ValueError: Due to a serious vulnerability issue in `torch.load`, we now require users to upgrade torch to at least v2.6 in order to use the function. This does not apply when loading files with safetensors.", LOAD, "transformers/modeling_utils.py:556:load check()"), "ST154", ("torch>=2.6", "safetensors", "transformers")),
    Fault("an older mmcv", traceback("AssertionError: MMCV==2.2.0 is used but incompatible. Please install mmcv>=2.0.0rc4, <2.2.0.", LOAD, "mmdet/__init__.py:16 import x"), "ST154", ("mmdet", "mmcv>=2.0.0rc4,<2.2.0")),
    Fault("a range for tokenizers", traceback("ImportError: tokenizers>=0.21,<0.22 is required for a normal functioning of this module, but found tokenizers==0.19.1.", LOAD, "transformers/utils/versions.py:44:_compare x"), "ST154", ("tokenizers>=0.21,<0.22", "0.19.1")),
    Fault("an older numpy for numba", traceback("ImportError: Numba needs NumPy 1.24 or less", "/srv/fish/serve.py:9 import librosa", "numba/__init__.py:42:_ensure_critical_deps raise ImportError"), "ST154", ("numba wants numpy<1\\.25",), ("add `",)),
    Fault("an older numpy for numba, in its newer words", "ImportError: Numba needs NumPy 2.0 or less. Got NumPy 2.1.\n", "ST154", ("numba wants numpy<2\\.1, and numpy 2\\.1 is",)),
    Fault("a newer one", traceback("ImportError: Fish needs torch 2.1 or newer", LOAD, "fishes/__init__.py:4:check raise"), "ST154", ("torch>=2\\.1",), ("torch<",)),
    Fault("form data", traceback('RuntimeError: Form data requires "python-multipart" to be installed. \nYou can install "python-multipart" with: \n\npip install python-multipart\n', "/srv/fish/serve.py:9 from fish import app", "fastapi/dependencies/utils.py:104:ensure raise RuntimeError(x)"), "ST150", ("fastapi", "python-multipart", "requirements.in")),
    Fault("an extra", traceback("ImportError: Please install `albumentations[tests]` to use this.\npip install albumentations[tests]", LOAD, "albumentations/x.py:3:f raise"), "ST150", (r"albumentations\[tests\]",)),
    Fault("a library by name", traceback("ImportError: \nAutoTokenizer requires the SentencePiece library but it was not found in your environment.", LOAD, "transformers/utils/import_utils.py:3:requires_backends raise"), "ST150", ("sentencepiece", "transformers")),
    Fault("a compiler", traceback("torch._inductor.exc.InductorError: RuntimeError: Failed to find C compiler. Please specify via CC environment variable.", PREDICT, "triton/runtime/build.py:57:_build raise RuntimeError"), "ST640", (r"torch\.compile", r"g\+\+", "TORCHDYNAMO_DISABLE")),
    Fault("an extension that compiles itself", traceback("FileNotFoundError: [Errno 2] No such file or directory: 'g++'", LOAD, "torch/utils/cpp_extension.py:2100:check x", "/usr/local/lib/python3.11/subprocess.py:1955:_execute_child raise"), "ST640", ("extension", "wheel")),
    Fault("a variable", traceback("KeyError: 'CRAB_MODEL'", "/srv/fish/serve.py:9:load name = os.environ['CRAB_MODEL']", "/usr/local/lib/python3.11/os.py:679:__getitem__ raise KeyError(key) from None").replace("in load\n    raise", "in __getitem__\n    raise"), "ST582", ("CRAB_MODEL", "container_spec")),
    Fault("settings", traceback("pydantic_core._pydantic_core.ValidationError: 1 validation error for Settings\nmodel_uri\n  Field required [type=missing, input_value={}, input_type=dict]", "/srv/fish/serve.py:9:load s = Settings()", "pydantic_settings/main.py:193:__init__ super().__init__()"), "ST582", ("MODEL_URI",)),
    Fault("a number of numpy in JSON", traceback("TypeError: Object of type float32 is not JSON serializable", "/srv/fish/serve.py:9:answer return json.dumps(x)"), "ST521", ("float32", r"\.item\(\)")),
    Fault("an answer that fastapi cannot write", traceback("ValueError: [TypeError(\"'numpy.int64' object is not iterable\"), TypeError('vars() argument must have __dict__ attribute')]", "fastapi/encoders.py:330:jsonable_encoder raise"), "ST521", ("int64",)),
    Fault("a set in JSON", traceback("TypeError: Object of type set is not JSON serializable", "/srv/fish/serve.py:9:answer return json.dumps(x)"), "ST504", ("set",)),
    Fault("an operator of torchvision", traceback("RuntimeError: operator torchvision::roi_align does not exist", LOAD), "ST122", ("belong together",)),
    Fault("an operator of another library", traceback("RuntimeError: operator torch_scatter::scatter_sum does not exist", LOAD), "ST152", ("torch-scatter",), ("torchvision",)),
    Fault("__getattr__ without end", traceback("RecursionError: maximum recursion depth exceeded", LOAD, "/srv/fish/net.py:9:__getattr__ return getattr(self.inner, name)", "/srv/fish/net.py:9:__getattr__ return getattr(self.inner, name)"), "ST589", ("__getattr__",)),
    Fault("a model without parameters", traceback("StopIteration", "/srv/fish/serve.py:9:predict d = next(self.net.parameters()).device"), "ST589", ("no parameters",)),
    Fault("a dataclass of a distribution", traceback("ValueError: mutable default <class 'fairseq.dataclass.configs.CommonConfig'> for field common is not allowed: use default_factory", "/srv/fish/serve.py:9 import fairseq", "fairseq/dataclass/configs.py:1104 class X", "/usr/local/lib/python3.11/dataclasses.py:815:_get_field raise"), "ST151", ("fairseq", "3.10")),
    Fault("pydantic 1 in a distribution", traceback("pydantic.errors.PydanticImportError: `BaseSettings` has been moved to the `pydantic-settings` package.", "/srv/fish/serve.py:9 import chromadb", "chromadb/config.py:1 from pydantic import BaseSettings", "pydantic/_migration.py:296:wrapper raise"), "ST151", ("chromadb", "pydantic<2")),
    Fault("no label for a class", traceback("IndexError: list index out of range", "/srv/fish/serve.py:9:postprocess return self.labels[index]"), "ST589", ("label",)),
    Fault("another name of the weights", traceback("KeyError: 'model_state'", "/srv/fish/serve.py:9:load self.net.load_state_dict(checkpoint['model_state'])"), "ST305", ("model_state", "keys")),
    Fault("a name that is not defined", traceback("NameError: name 'label_func' is not defined", "/srv/fish/serve.py:9:load x = label_func(1)"), "ST589", ("label_func",)),
    Fault("a model that came later", traceback("RuntimeError: Unknown model (convnextv2_tiny.fcmae)", LOAD, "timm/models/_factory.py:1:create_model raise RuntimeError('Unknown model')"), "ST153", ("timm", "convnextv2_tiny.fcmae", "pin")),
    Fault("a variable that is None", traceback("TypeError: expected str, bytes or os.PathLike object, not NoneType", "/srv/fish/serve.py:9:load p = os.path.join(os.environ.get('CRAB_DIR'), 'w.pt')"), "ST582", ("CRAB_DIR",)),
    Fault("a model of spaCy", traceback("OSError: [E050] Can't find model 'en_core_web_sm'. It doesn't seem to be a Python package or a valid path to a data directory.", LOAD, "spacy/util.py:472:load_model raise IOError"), "ST150", ("en_core_web_sm", "wheel")),
    Fault("dots that lead nowhere", traceback("ImportError: attempted relative import with no known parent package", "/srv/fish/serve.py:1 from .net import Net"), "ST201", ("absolute name",)),
    Fault("an empty image for OpenCV", traceback("cv2.error: OpenCV(4.9.0) resize.cpp:4152: error: (-215:Assertion failed) !ssize.empty() in function 'resize'", "/srv/fish/serve.py:9:predict x = cv2.resize(x, (3, 3))"), "ST586", ("imread",)),
    Fault("a folder without weights", traceback("OSError: Error no file named pytorch_model.bin, model.safetensors found in directory /srv/model.", LOAD, "transformers/modeling_utils.py:1:f raise EnvironmentError("), "ST584", ("/srv/model", "save_pretrained")),
    Fault("a target of Hydra", traceback("hydra.errors.InstantiationException: Error locating target 'src.nets.Crab', set env var HYDRA_FULL_ERROR=1 to see chained exception.", LOAD, "hydra/_internal/instantiate/_instantiate2.py:1:_resolve_target raise"), "ST201", ("src.nets",), (r"add (?:the line )?`",)),
]  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_what_is_asked_for_or_refused_is_told(fault: Fault) -> None:
    hold(fault)


def test_what_is_asked_for_and_locked_is_not_to_be_added(tmp_path: Path) -> None:
    project = small_project(tmp_path, {"predictor.py": "class P: ...\n", **locked("python-multipart==0.0.20")})
    text = traceback(
        'RuntimeError: Form data requires "python-multipart" to be installed.',
        "fastapi/dependencies/utils.py:104:ensure raise RuntimeError(x)",
    )
    hold(Fault("locked", text, "ST150", ("the lock has python-multipart 0.0.20",), ("add the line",)), gather(project))
