"""Binary interfaces: code built for another numpy or protobuf."""

from __future__ import annotations

import pytest

from tests.diagnosis.families.lines import Said, hold, raised

LOGS = {
    "generated code, in protobuf's older words": Said(
        raised(
            "TypeError: Descriptors cannot not be created directly.\nIf this call came from a _pb2.py file, your generated "
            "code is out of date and must be regenerated with protoc >= 3.19.0.",
            "/app/serve.py|import tensorboard",
            "tensorboard/compat/proto/event_pb2.py|_descriptor.FieldDescriptor(",
            "google/protobuf/descriptor.py|_message.Message._CheckCalledFromGeneratedFile()",
        ),
        "ST163",
        (r"tensorboard has code", r"protobuf<4"),
        (r"lock protoc",),
    ),
    "numpy 1, by the size": Said(
        raised(
            "ValueError: numpy.dtype size changed, may indicate binary incompatibility. Expected 96 from C header, "
            "got 88 from "
            "PyObject",
            "/app/serving/transforms.py|from skimage import exposure",
            "skimage/_shared/geometry.pyx|# cython",
        ),
        "ST160",
        (r"scikit-image was built for numpy 1", r"numpy<2"),
        (r"pip install skimage",),
    ),
    "a newer numpy, by the size": Said(
        raised(
            "ValueError: numpy.ndarray size changed, may indicate binary incompatibility. Expected 88 from C header, "
            "got 80 from "
            "PyObject",
            "pycocotools/mask.py|import pycocotools._mask as _mask",
        ),
        "ST160",
        (r"pycocotools was built for a newer numpy", r"raise numpy"),
        (r"numpy<2",),
    ),
    "a size that does not tell": Said(
        raised(
            "ValueError: numpy.dtype size changed, may indicate binary incompatibility. Expected 80 from C header, "
            "got 96 from "
            "PyObject",
            "a/b.py|import c",
        ),
        "ST160",
        (r"if numpy 2 is installed.*if numpy 1 is",),
    ),
    "an older interface": Said(
        "RuntimeError: module compiled against API version 0x10 but this version of numpy is 0xf",
        "ST160",
        (r"newer numpy",),
        (r"numpy<2",),
    ),
    "numpy itself": Said(
        "ImportError: \n\nIMPORTANT: PLEASE READ THIS\n\nImporting the numpy C-extensions failed. This error can happen.",
        "ST162",
    ),
    "protobuf's old code": Said(
        raised(
            "TypeError: Descriptors cannot be created directly.\nIf this call came from a _pb2.py file, your "
            "generated code is out "
            "of date and must be regenerated with protoc >= 3.19.0.",
            "onnx/onnx_ml_pb2.py|_descriptor.EnumValueDescriptor(",
            "google/protobuf/descriptor.py|_message.Message._CheckCalledFromGeneratedFile()",
        ),
        "ST163",
        (r"onnx has code that an old protoc generated", r"protobuf<4"),
    ),
    "protobuf's two versions": Said(
        "google.protobuf.runtime_version.VersionError: Detected incompatible Protobuf Gencode/Runtime versions when "
        "loading "
        "onnx/onnx.proto: gencode 6.31.1 runtime 5.29.3.",
        "ST163",
        (r"raise protobuf to 6\.31\.1",),
        (r"protobuf<",),
    ),
}


@pytest.mark.parametrize("name", LOGS)
def test_what_is_said_of_a_log(name: str) -> None:
    hold(LOGS[name])
