"""torch.compile and Triton: a compiler that the image does not have, or code that they cannot compile."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from seatrial.diagnosis.families.diagnosis import Diagnosis
from seatrial.diagnosis.families.whose import said
from seatrial.rules.devices.compiling import NO_COMPILER
from seatrial.rules.serving.code import OWN_BUG

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.diagnosis.families.diagnosis import Case
    from seatrial.diagnosis.raised import Raised
    from seatrial.findings import Finding

_COMPILES = re.compile(r"torch/_inductor/|torch/_dynamo/|/triton/|torch/utils/cpp_extension")
_COMPILER = re.compile(
    r"(?i)InvalidCxxCompiler|CppCompileError|No working C\+\+ compiler|Failed to find C compiler|"
    r"No such file or directory: '(?:/usr/bin/)?(?:g\+\+|gcc|cc|c\+\+|clang\+?\+?|cl|nvcc)'|"
    r"(?:g\+\+|gcc|cc|c\+\+|clang): (?:command )?not found|Cannot find a working (?:C\+\+ )?compiler|"
    r"Python\.h: No such file|cannot find -lcuda\b|CUDA_HOME environment variable is not set|returned non-zero exit "
    r"status"
)
_LEAVE = (
    "remove torch.compile from the predictor, or set TORCHDYNAMO_DISABLE=1 in the image; to keep it, install g++ and "
    "Python's headers in the image"
)
_HEADERS = re.compile(r"Python\.h")
_LIBRARY = re.compile(r"cannot find -l(?P<library>\w+)")
_TRITON = re.compile(r"(?i)Cannot find a working triton|TritonMissing|No module named 'triton")
_UNSUPPORTED = re.compile(
    r"^(?:Unsupported|TorchRuntimeError|UserError|InternalTorchDynamoError|BackendCompilerFailed|InductorError)$"
)


def of_exception(raised: Raised, case: Case) -> Iterator[Diagnosis]:
    """Judge what torch.compile's parts raise."""
    text = "\n".join(f"{each.type}: {said(each, case)}" for each in raised.chain())
    compiles = any(_COMPILES.search(f.file.replace("\\", "/")) for each in raised.chain() for f in each.frames)
    compiles = compiles or "torch._inductor" in text or "torch._dynamo" in text or "TORCHDYNAMO" in raised.message
    if not compiles:
        return
    extension = any("cpp_extension" in f.file for each in raised.chain() for f in each.frames)
    if _TRITON.search(text):
        finding = NO_COMPILER.finding(
            "torch.compile needs Triton for a GPU, and the lock has none that works here",
            fix="remove torch.compile from the predictor or set TORCHDYNAMO_DISABLE=1 in the image; to keep it, lock "
            "the triton that this torch asks for",
        )
        yield Diagnosis(finding, "torch._inductor looked for Triton", raised.position)
    elif _COMPILER.search(text):
        yield Diagnosis(
            _compiler(text, extension=extension), "code of torch.compile or Triton ran a compiler", raised.position
        )
    elif _UNSUPPORTED.match(raised.name):
        finding = OWN_BUG.finding(
            "torch.compile cannot compile the model: "
            f"{raised.message.strip().splitlines()[0][:200] if raised.message else raised.name}",
            cause="the model's code, or the input's shapes, are none that this torch compiles",
            fix="remove torch.compile from the predictor, or set TORCHDYNAMO_DISABLE=1 in the image: the model gives "
            "the same answers without it",
        )
        yield Diagnosis(finding, "an exception of torch._dynamo or torch._inductor", raised.position)


def _compiler(text: str, *, extension: bool) -> Finding:
    if extension:
        return NO_COMPILER.finding(
            "an extension of C++ or CUDA is compiled when it is imported, and the image has no compiler for it",
            cause="torch.utils.cpp_extension builds from source at run time",
            fix="build a wheel of the extension beforehand, and lock the wheel; a slim image has neither g++ nor nvcc",
        )
    if _HEADERS.search(text):
        return NO_COMPILER.finding(
            "torch.compile needs Python's headers (Python.h), which the image does not have", fix=_LEAVE
        )
    if (library := _LIBRARY.search(text)) is not None:
        return NO_COMPILER.finding(
            f"torch.compile cannot link: the image has no library `{library['library']}`", fix=_LEAVE
        )
    return NO_COMPILER.finding("torch.compile needs a C++ compiler, g++, and the image has none", fix=_LEAVE)
