"""Tensors that an operation of torch refuses: their types, their shapes and their devices.

A shape says which dimension differs. Only a difference of 1, 3 or 4 where channels stand is told as an image's mode.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from seatrial.diagnosis.families.diagnosis import Diagnosis
from seatrial.diagnosis.families.whose import is_projects, users_frame
from seatrial.rules.devices.cuda import NO_CUDA, OTHER_DEVICE
from seatrial.rules.devices.dtypes import BFLOAT16_TO_NUMPY, HALF_MODEL
from seatrial.rules.rule import Telling
from seatrial.rules.serving.code import DEVICE_COUNT
from seatrial.rules.transforms.images import MODE, SHAPE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from seatrial.diagnosis.families.diagnosis import Case
    from seatrial.diagnosis.raised import Raised
    from seatrial.findings import Finding

Told = tuple["Finding", str]
# How torch writes a type in its messages.
_TYPES = {
    "Half": "float16", "c10::Half": "float16", "BFloat16": "bfloat16", "c10::BFloat16": "bfloat16",
    "Float": "float32", "float": "float32", "Double": "float64", "double": "float64",
    "Byte": "uint8", "unsigned char": "uint8", "Char": "int8", "signed char": "int8", "Bool": "bool", "bool": "bool",
    "Long": "int64", "long": "int64", "long long": "int64", "Int": "int32", "int": "int32",
}  # fmt: skip
_SHORT = ("float16", "bfloat16")
_NOT_IMPLEMENTED = re.compile(r'"(?P<op>[\w.]+)" not implemented for \'(?P<type>[\w.]+)\'')
_PAIRS = (
    re.compile(
        r"Input type \((?P<input>[\w:. ]+)\) and (?:bias|weight) type \((?P<weight>[\w:. ]+)\) should be the same"
    ),
    re.compile(r"mat1 and mat2 must have the same dtype(?:, but got (?P<input>[\w:]+) and (?P<weight>[\w:]+))?"),
    re.compile(r"expected scalar type (?P<weight>\w+) but found (?P<input>\w+)"),
    re.compile(r"expected m1 and m2 to have the same dtype, but got: (?P<input>[\w:]+) != (?P<weight>[\w:]+)"),
    re.compile(r"mixed dtype \(CPU\): expect (?:parameter|input) to have scalar type of (?P<weight>\w+)"),
    re.compile(
        r"Expected query, key, and value to have the same dtype, but got query\.dtype: (?P<input>[\w:. ]+?) key"
    ),
)
_UNSUPPORTED = re.compile(r"Got unsupported ScalarType (?P<type>\w+)")
_SIZES = re.compile(
    r"The size of tensor a \((?P<a>\d+)\) must match the size of tensor b \((?P<b>\d+)\) at non-singleton dimension "
    r"(?P<at>\d+)"
)
_BROADCAST = re.compile(
    r"output with shape (?P<out>\[[\d, ]+\]) doesn't match the broadcast shape (?P<shape>\[[\d, ]+\])"
)
_CONVOLUTION = re.compile(
    r"Given groups=\d+, weight of size (?P<weight>\[[\d, ]+\]), expected input(?P<got>\[[\d, ]+\]) to have "
    r"(?P<want>\d+) channels"
)
_DESERIALISED = re.compile(
    r"Attempting to deserialize object on (?:a )?CUDA device(?: (?P<number>\d+) but torch\.cuda\.device_count\(\) "
    r"is (?P<has>\d+))?"
)
_IMAGE_CODE = re.compile(r"(?i)normali[sz]e|transform|pixel|image|\bimg\b|\bmean\b|\bstd\b|preprocess")
_CHANNELS = (1, 2, 3, 4)


def of_exception(raised: Raised, case: Case) -> Iterator[Diagnosis]:
    """Judge what torch says of the tensors of an operation."""
    if raised.name not in (
        "RuntimeError",
        "ValueError",
        "TypeError",
        "AcceleratorError",
        "AssertionError",
        "NotImplementedError",
    ):
        return
    for judge in _JUDGES:
        if told := judge(raised, case):
            yield Diagnosis(*told, raised.position, Telling.SPECIFIC)
            return


def _unimplemented(raised: Raised, case: Case) -> Told | None:
    found = _NOT_IMPLEMENTED.search(raised.message)
    if found is None:
        return None
    kind = _named(found["type"])
    on_cpu = "cpu" in found["op"].lower() or "cuda" not in raised.message.lower()
    if kind in _SHORT:
        finding = HALF_MODEL.finding(
            f"`{found['op']}` is not implemented for {kind} ({found['type'].lower()}) on a CPU",
            cause=f"the model or its input was made {kind}, which many operations compute only on a GPU",
            fix="serve in float32 on the CPU: call .float() on the model, and call .half() or .bfloat16() only where "
            "the device is cuda",
        )
    elif kind.startswith(("int", "uint")) or kind == "bool":
        finding = SHAPE.finding(
            f"`{found['op']}` is not implemented for {kind}",
            cause="an operation for floating-point numbers gets whole numbers, such as the bytes of an image",
            fix="convert the input: v2.ToDtype(torch.float32, scale=True), ToTensor() of a PIL image, or .float() / "
            "255",
        )
    else:
        finding = HALF_MODEL.finding(
            f"`{found['op']}` is not implemented for {kind}",
            fix="convert the tensor to float32 before it, with .float()",
        )
    return finding, f"torch names the operation and the type{' of a CPU kernel' if on_cpu else ''}"


def _mixed(raised: Raised, case: Case) -> Told | None:
    found = next((found for pattern in _PAIRS if (found := pattern.search(raised.message))), None)
    if found is None:
        return None
    groups = found.groupdict()
    got, wants = groups.get("input") or "", groups.get("weight") or ""
    if _device_of(got) != _device_of(wants) and "Tensor" in got:
        finding = OTHER_DEVICE.finding(
            f"the input is a {got}, the weights are a {wants}: they are on two devices",
            fix="choose the device once, and move the model and every batch to it with .to(device)",
        )
        return finding, "torch names both types, and one is of CUDA"
    one, other = _named(got), _named(wants)
    both = (
        f"the input is {one} and the layer's weights are {other}"
        if one and other
        else "the types of input and weights differ"
    )
    why = "torch names both types"
    if one in _SHORT or other in _SHORT:
        short = one if one in _SHORT else other
        who = "the weights" if other in _SHORT else "the input"
        finding = HALF_MODEL.finding(
            both,
            cause=f"{who} became {short}{' (half)' if short == 'float16' else ''}, and the other did not: both must "
            "have the same dtype",
            fix="give the input the model's dtype, x.to(next(model.parameters()).dtype), or keep both in float32 with "
            ".float(), as a CPU needs; or compute under torch.autocast",
        )
        return finding, why
    if one.startswith(("uint", "int")) or one == "bool":
        finding = SHAPE.finding(
            f"a layer gets numbers of type {one}" + (f", and its weights are {other}" if other else ""),
            fix="convert the input: v2.ToDtype(torch.float32, scale=True), ToTensor() of a PIL image, or .float() / "
            "255",
        )
        return finding, why
    if {one, other} == {"float32", "float64"}:
        finding = SHAPE.finding(
            both,
            cause="numpy's numbers are float64, and the weights of torch are float32",
            fix="convert the input with .float(), or make the array with dtype=np.float32",
        )
        return finding, why
    return SHAPE.finding(
        both, fix="convert the input to the dtype of the weights, x.to(next(model.parameters()).dtype)"
    ), why


def _bfloat16(raised: Raised, case: Case) -> Told | None:
    found = _UNSUPPORTED.search(raised.message)
    if found is None:
        return None
    finding = BFLOAT16_TO_NUMPY.finding(
        f"a {_named(found['type'])} tensor is converted to numpy, which has no such type",
        cause="numpy has no bfloat16, so .numpy() cannot convert it",
        fix="convert before: .float().cpu().numpy()",
    )
    return finding, "torch names the type that numpy does not have"


def _sizes(raised: Raised, case: Case) -> Told | None:
    found = _SIZES.search(raised.message)
    if found is None:
        return None
    a, b, at = int(found["a"]), int(found["b"]), int(found["at"])
    line = users_frame(raised)
    source = line.source if line else ""
    code = " ".join(f"{f.file} {f.function} {f.source}" for f in raised.frames[-4:])
    channels = a in _CHANNELS and b in _CHANNELS and 3 in (a, b) and at in (0, 1)
    if channels and (not raised.frames or _IMAGE_CODE.search(code)):
        finding = MODE.finding(
            f"an image with {a} channels is passed to a transform for {b}; set serving.image.mode",
            cause="an RGBA image has four channels, a grey one has one, and the transform was made for another number",
        )
        return (
            finding,
            f"the sizes {a} and {b} at dimension {at} are numbers of channels, and a transform computes with them",
        )
    if is_projects(raised.raiser):
        return None  # arithmetic of the project's own, of which torch has said all that is known
    finding = SHAPE.finding(
        f"two tensors do not fit at dimension {at}: {a} and {b}",
        cause=f"the tensors of {f'`{source}`' if source else 'the operation'} were made for {a} and for {b}"
        + (", such as a model's classes and the labels or weights beside it" if at >= 1 and max(a, b) > 1 else ""),
        fix=f"print the shapes of both before the line; make the one of {b} for {a}, or build the model for {b}: the "
        "number of classes, labels, tokens or positions must be that of training",
    )
    return finding, "torch names both sizes and the dimension"


def _broadcast(raised: Raised, case: Case) -> Told | None:
    found = _BROADCAST.search(raised.message)
    if found is None:
        return None
    if found["out"].startswith("[1,"):
        finding = MODE.finding("a grey image is passed to a transform for three channels; set serving.image.mode")
    else:
        finding = SHAPE.finding(f"a tensor of {found['out']} cannot hold a result of {found['shape']}")
    return finding, "torch names both shapes"


def _channels(raised: Raised, case: Case) -> Told | None:
    found = _CONVOLUTION.search(raised.message)
    if found is None:
        return None
    got = [int(n) for n in re.findall(r"\d+", found["got"])]
    want = int(found["want"])
    message = f"a layer with weights {found['weight']} gets an input {found['got']}"
    if len(got) == 4 and got[3] == want and got[1] != want:
        fix = "put channels before height and width: x.permute(0, 3, 1, 2), or ToTensor() of a PIL image"
        cause = "the channels are in the last dimension, as Pillow, OpenCV and numpy keep them"
    elif len(got) == 4 and got[1] in _CHANNELS and want in (1, 3, 4):
        fix = f"convert every image as training did, by serving.image.mode or .convert({'RGB' if want == 3 else 'L'!r})"
        cause = f"the image has {got[1]} channels, and the model takes {want}"
    elif len(got) == 3:
        fix, cause = "add the batch dimension: x.unsqueeze(0)", "the input has no batch dimension"
    else:
        fix, cause = SHAPE.fix, f"the layer takes {want} channels"
    return SHAPE.finding(message, cause=cause, fix=fix), "torch names the weights and the input"


def _sized(raised: Raised, case: Case) -> Told | None:
    """Judge an image of another size than the model takes, and inputs of another number of dimensions."""
    if found := re.search(
        r"[Ii]nput(?: image)? (?P<side>height|width|size) \(?(?P<got>[\d*x]+)\)? doesn't match "
        r"model \(?(?P<want>[\d*x]+)",
        raised.message,
    ):
        finding = SHAPE.finding(
            f"the {found['side']} of the image is {found['got']}, and the model takes {found['want']}",
            cause="the model has a position for each patch of an image of its own size",
            fix=f"resize or crop every image to {found['want']} as training did, with both numbers: "
            f"Resize(({found['want']}, {found['want']}))",
        )
        return finding, "the model compares the size of the image with its own"
    if found := re.search(
        r"Expected (?P<want>.{1,60}?) input to (?P<layer>\w+), but got input of size: "
        r"(?P<got>\[[\d, ]+\])",
        raised.message,
    ):
        finding = SHAPE.finding(
            f"`{found['layer']}` gets an input of the shape {found['got']}, and takes {found['want']}",
            fix="add a missing batch dimension with .unsqueeze(0), or remove one that was added twice with .squeeze(0)",
        )
        return finding, "torch names the layer and the shape"
    return None


def _device(raised: Raised, case: Case) -> Told | None:
    if found := _DESERIALISED.search(raised.message):
        number = found["number"]
        finding = OTHER_DEVICE.finding(
            (
                f"the weights were saved on cuda:{number} and this machine has {found['has']} GPU; they "
                if number
                else "the weights were saved on a GPU and "
            )
            + "are loaded without map_location",
            cause="torch.load puts each tensor back on the device that it was saved from"
            + (", and this machine has no such GPU" if number else ", and this machine has no GPU that torch can use"),
        )
        return finding, "torch.load names the device of the file"
    if tagged := re.search(
        r"don't know how to restore data location of .{0,80}tagged with "
        r"(?P<device>[\w:]+)",
        raised.message,
    ):
        finding = OTHER_DEVICE.finding(
            f"the weights were saved on {tagged['device']}, which this machine does not have, and are loaded without "
            "map_location",
            cause="torch.load puts each tensor back on the kind of device that it was saved from",
        )
        return finding, "torch.load names the device of the file"
    if re.search(r"can't convert (?P<device>\w+)(?::\d+)? device type tensor to numpy", raised.message):
        finding = OTHER_DEVICE.finding(
            "a tensor on the GPU is converted to numpy",
            cause="numpy's arrays are in the memory of the CPU",
            fix="copy it before: tensor.detach().cpu().numpy()",
        )
        return finding, "torch names the device of the tensor"
    if backend := re.search(
        r"Could not run '(?P<op>[\w:.]+)' with arguments from the '(?P<backend>\w+)' "
        r"backend",
        raised.message,
    ):
        finding = OTHER_DEVICE.finding(
            f"`{backend['op']}` cannot run on the device {backend['backend']} here",
            cause=f"the file or the code asks for {backend['backend']}, and this torch or this machine does not "
            "have it",
            fix='load with map_location="cpu" (torch.jit.load takes it too), and script the model again without '
            "fixed devices",
        )
        return finding, "torch names the backend"
    if re.search(r"invalid device ordinal|Invalid device id|device >= 0 && device < num_gpus", raised.message):
        finding = DEVICE_COUNT.finding("the code names a GPU by a number that this machine does not have")
        return finding, "CUDA refuses the number of the device"
    if "Cannot re-initialize CUDA in forked" in raised.message:
        return None
    if "Found no NVIDIA driver" in raised.message:
        return OTHER_DEVICE.finding(
            "the predictor asks for CUDA, and the machine has no GPU"
        ), "torch looked for the driver"
    if "Torch not compiled with CUDA" in raised.message:
        finding = OTHER_DEVICE.finding("the predictor asks for CUDA, and the locked torch is a CPU build")
        return finding, "torch says how it was built"
    if re.search(r"no kernel image is available", raised.message):
        return NO_CUDA.finding("the locked torch has no kernels for this GPU"), "CUDA found no kernel for the GPU"
    return None


def _named(written: str) -> str:
    """Return a type as torch's code has it; "" if the text does not name it."""
    text = written.strip().removeprefix("torch.cuda.").removeprefix("torch.").removeprefix("struct ").strip()
    text = text.removesuffix("Tensor") or text
    return _TYPES.get(text, text if text in _TYPES.values() or text.startswith(("complex", "float8")) else text.lower())


def _device_of(written: str) -> str:
    return "cuda" if ".cuda." in f".{written}" else "cpu"


_JUDGES: tuple[Callable[[Raised, Case], Told | None], ...] = (
    _unimplemented, _mixed, _bfloat16, _sizes, _sized, _broadcast, _channels, _device,
)  # fmt: skip
