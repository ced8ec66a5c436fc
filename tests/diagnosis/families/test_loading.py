"""Files that their reader refuses."""

from __future__ import annotations

import pytest

from tests.diagnosis.families.logs import Fault, hold, traceback

LOAD = "/srv/fish/serve.py:9:load self.net = torch.load(path)"
UNPICKLE = (
    "_pickle.UnpicklingError: Weights only load failed. Re-running may help.\nPlease file an issue: WeightsUnpickler "
    "error: \n\n{}\n\nCheck the documentation."
)
FAULTS = [
    Fault("a pointer of LFS", traceback(UNPICKLE.format("Unsupported operand 118"), LOAD), "ST303", ("pointer", "git lfs pull")),
    Fault("a page", traceback("_pickle.UnpicklingError: invalid load key, '<'.", LOAD), "ST303", ("HTML",)),
    Fault("what joblib compressed", traceback("_pickle.UnpicklingError: invalid load key, 'x'.", "/srv/fish/serve.py:9:load p = pickle.load(f)"), "ST303", ("joblib.load",)),
    Fault("a file of Keras", traceback(r"_pickle.UnpicklingError: invalid load key, '\x89'.", LOAD), "ST303", ("h5py",)),
    Fault("a newer pickle", traceback(UNPICKLE.format("Unsupported operand 149"), LOAD), "ST304", ("protocol 4",)),
    Fault("a file of safetensors", traceback(r"_pickle.UnpicklingError: invalid load key, '\xb8'.", "/srv/fish/serve.py:9:load s = torch.load('model.safetensors')"), "ST314", ("load_file",)),
    Fault("an empty file", traceback("EOFError: Ran out of input", "/srv/fish/serve.py:9:load s = pickle.load(f)"), "ST303", ("empty",)),
    Fault("no header of safetensors", traceback("safetensors_rust.SafetensorError: Error while deserializing header: InvalidHeaderDeserialization", "/srv/fish/serve.py:9:load s = load_file(p)").replace("InvalidHeaderDeserialization", "header too large"), "ST303", ("pointer",)),
    Fault("a cut file of safetensors", traceback("safetensors_rust.SafetensorError: Error while deserializing header: MetadataIncompleteBuffer", "/srv/fish/serve.py:9:load s = load_file(p)"), "ST309", ("cut off",)),
    Fault("a cut archive", traceback("RuntimeError: PytorchStreamReader failed reading zip archive: failed finding central directory", LOAD), "ST303", ("cut off",)),
    Fault("a state_dict for torch.jit.load", traceback("RuntimeError: PytorchStreamReader failed locating file constants.pkl: file not found", "/srv/fish/serve.py:9:load n = torch.jit.load(p)"), "ST314", ("torch.load",)),
    Fault("a zip of something else", traceback("RuntimeError: PytorchStreamReader failed reading zip archive: file in archive is not in a subdirectory: weights.npy", LOAD), "ST314", ("not one of torch",)),
    Fault("an exported program", traceback("RuntimeError: Serialized version (8, 1) does not match our current schema version (7, 3).", "/srv/fish/serve.py:9:load p = torch.export.load(path)", "torch/export/__init__.py:390:load ep = deserialize(a)"), "ST330", ("torch.export", "locked torch")),
    Fault("a newer TorchScript", traceback("RuntimeError: Attempted to read a PyTorch file with version 12, but the maximum supported version for reading is 10. Your PyTorch installation may be too old.", "/srv/fish/serve.py:9:load n = torch.jit.load(p)"), "ST331", ("newer torch", "12")),
    Fault("operators that nobody imported", traceback("RuntimeError: \nUnknown builtin op: torchvision::roi_align.\nCould not find any similar ops to torchvision::roi_align.", "/srv/fish/serve.py:9:load n = torch.jit.load(p)"), "ST331", ("import torchvision before",)),
    Fault("a newer ONNX", traceback("onnxruntime.capi.onnxruntime_pybind11_state.Fail: [ONNXRuntimeError] : 1 : FAIL : Load model from m.onnx failed:model.cc:146 Unsupported model IR version: 11, max supported IR version: 10", "/srv/fish/serve.py:9:load s = ort.InferenceSession(p)"), "ST334", ("newer onnxruntime",)),
    Fault("a pointer for ONNX", traceback("onnxruntime.capi.onnxruntime_pybind11_state.InvalidProtobuf: [ONNXRuntimeError] : 7 : INVALID_PROTOBUF : Load model from m.onnx failed:Protobuf parsing failed.", "/srv/fish/serve.py:9:load s = ort.InferenceSession(p)"), "ST333", ("pointer",)),
    Fault("trees of another scikit-learn", traceback("ValueError: node array from the pickle has an incompatible dtype:\n- expected: {}\n- got     : []", "/srv/fish/serve.py:9:load m = joblib.load(p)", "sklearn/tree/_tree.pyx:715:sklearn.tree._tree.Tree.__setstate__ x"), "ST334", ("scikit-learn",)),
    Fault("JSON that is none", traceback("json.decoder.JSONDecodeError: Expecting value: line 1 column 1 (char 0)", "/srv/fish/serve.py:9:load labels = json.load(f)", "/usr/local/lib/python3.11/json/decoder.py:355:raw_decode raise x"), "ST333", ("JSON", "pointer")),
    Fault("a checkpoint that is read as text", traceback("UnicodeDecodeError: 'utf-8' codec can't decode byte 0x80 in position 64: invalid start byte", "/srv/fish/serve.py:9:load labels = open(p).read()"), "ST333", ('"rb"',)),
    Fault("a generator of another numpy", traceback("ValueError: <class 'numpy.random._mt19937.MT19937'> is not a known BitGenerator module.", "/srv/fish/serve.py:9:load m = joblib.load(p)", "numpy/random/_pickle.py:42:__bit_generator_ctor raise ValueError"), "ST334", ("numpy",)),
    Fault("torch.jit.load of what is no archive", traceback("RuntimeError: [enforce fail at inline_container.cc:137] . PytorchStreamReader failed reading zip archive: failed finding central directory", "/srv/fish/serve.py:3 net = load('model.pth')", "torch/jit/__init__.py:162:load cpp_module = torch._C.import_ir_module(cu, f)"), "ST303", ("no TorchScript archive", r"torch\.load")),
    Fault("torch.load of a file that is cut off", traceback("RuntimeError: PytorchStreamReader failed reading zip archive: failed finding central directory", "/srv/fish/serve.py:3 torch.load('model.pth')", "torch/serialization.py:283:__init__ super().__init__(x)"), "ST303", ("cut off",), ("TorchScript",)),
    Fault("a program in C++", "Unknown builtin op: torchvision::nms.\nCould not find any similar ops to torchvision::nms.\n", "ST331", ("import torchvision", r"C\+\+")),
]  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_what_a_reader_refuses_is_told(fault: Fault) -> None:
    hold(fault)


@pytest.mark.parametrize(
    "text",
    [
        traceback("EOFError: EOF when reading a line", "/srv/fish/serve.py:9:load x = torch.hub.load(r, m)", "torch/hub.py:342:_check response = input("),
        traceback("json.decoder.JSONDecodeError: Expecting value: line 1 column 1 (char 0)", "/srv/fish/serve.py:9:load x = requests.get(u).json()", "requests/models.py:975:json return complexjson.loads(self.text)"),
    ],
)  # fmt: skip
def test_what_is_no_file_is_left_to_others(text: str) -> None:
    from seatrial.diagnosis.families import loading
    from seatrial.diagnosis.translate import examine

    case, _ = examine(text)
    assert not [each for raised in case.raised for each in loading.of_exception(raised, case)]
