"""Attributes that an object does not have: None, a state_dict used as a model, an object of another version.

Only the kind of the object is known, so whose class it is follows from whose code reads its own attributes.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from seatrial.diagnosis.families.diagnosis import Diagnosis
from seatrial.diagnosis.families.initialising import SET_BY_EVERY_MODULE
from seatrial.diagnosis.families.whose import is_projects, is_unpickling, part_of, users_frame
from seatrial.diagnosis.raised import Owner
from seatrial.rules.artifacts.formats import OTHER_OBJECT
from seatrial.rules.artifacts.pickled import OLD_MODULE, OLD_TRANSFORM
from seatrial.rules.lock.fitting import GONE, UNFIT
from seatrial.rules.rule import Telling
from seatrial.rules.serving.code import NOTHING
from seatrial.rules.source.torch_load import DICT_AS_MODEL

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.diagnosis.families.diagnosis import Case
    from seatrial.diagnosis.families.whose import Part
    from seatrial.diagnosis.raised import Frame, Raised
    from seatrial.findings import Finding

_LACKS = re.compile(r"'(?P<type>[\w.]+)' object has no attribute '(?P<name>\w+)'")
_TYPE = re.compile(r"type object '(?P<type>[\w.]+)' has no attribute '(?P<name>\w+)'")
_USED = re.compile(
    r"(?:cannot unpack non-iterable |argument of type |object of type )?'?(?P<type>[\w.]+)'? (?:object )?(?:is not|"
    r"does not support|has no|indices must)"
)
_MAPPINGS = ("dict", "OrderedDict", "collections.OrderedDict")
# What only a model has; a dictionary that is asked for one of these was taken for one.
_OF_A_MODEL = frozenset(
    (
        "eval", "train", "forward", "parameters", "named_parameters", "modules", "named_modules", "children",
        "state_dict", "load_state_dict", "fuse", "requires_grad_", "half", "float", "cuda", "to", "cpu",
        "bfloat16", "double",
    )
)  # fmt: skip
_OF_A_TENSOR = frozenset(
    (
        "argmax", "softmax", "sigmoid", "shape", "size", "dim", "detach", "numpy", "squeeze", "unsqueeze",
        "max", "topk", "tolist", "item", "permute", "log_softmax", "cpu", "ndim", "dtype", "device", "logits",
        "mean", "sum", "view", "reshape",
    )
)  # fmt: skip
# Methods that a class of a library lost: (class, method) → distribution, first version without it, what replaced it.
_LOST = {
    **{
        (kind, old): ("pillow", "10", new)  # Pillow's deprecations: "Font size and offset methods", removed in 10.0.0
        for kind in ("ImageDraw", "FreeTypeFont", "ImageFont", "TransposedFont")
        for old, new in {
            "textsize": "textbbox()", "getsize": "getbbox()", "multiline_textsize": "multiline_textbbox()",
            "getsize_multiline": "ImageDraw.multiline_textbbox()", "getoffset": "getbbox()",
        }.items()
    },
    **{
        (kind, old): ("pandas", "2", new)  # pandas 2.0.0, "Removal of prior version deprecations"
        for kind in ("DataFrame", "Series")
        for old, new in {"append": "pandas.concat()", "iteritems": "items()", "mad": "(x - "
            "x.mean()).abs().mean()"}.items()
    },
    ("ndarray", "itemset"): ("numpy", "2", "array[index] = value"),
    ("ndarray", "ptp"): ("numpy", "2", "numpy.ptp()"),
    ("ndarray", "newbyteorder"): ("numpy", "2", "array.view(array.dtype.newbyteorder())"),
    ("EntryPoints", "get"): ("importlib-metadata", "5", "entry_points(group=…)"),
    ("CountVectorizer", "get_feature_names"): ("scikit-learn", "1.2", "get_feature_names_out()"),
    ("TfidfVectorizer", "get_feature_names"): ("scikit-learn", "1.2", "get_feature_names_out()"),
    ("OneHotEncoder", "get_feature_names"): ("scikit-learn", "1.2", "get_feature_names_out()"),
}  # fmt: skip


def of_exception(raised: Raised, case: Case) -> Iterator[Diagnosis]:
    """Judge an attribute that an object lacks, and what None or a dictionary was used for."""
    if raised.name in ("AttributeError", "ModuleAttributeError"):
        found = _LACKS.match(raised.message) or _TYPE.match(raised.message)
        if found is None or found["name"] in SET_BY_EVERY_MODULE or is_unpickling(raised):
            return
        kind, name = found["type"], found["name"]
        if kind == "NoneType":
            yield from _of_none(raised, f".{name}")
        elif kind in _MAPPINGS and name in _OF_A_MODEL | _OF_A_TENSOR:
            yield Diagnosis(*_mapping(kind, name, raised), raised.position)
        elif (told := _lacking(kind, name, raised, case)) is not None:
            yield Diagnosis(
                *told, raised.position, Telling.WIDE if told[0].code in (NOTHING.code, UNFIT.code) else Telling.SPECIFIC
            )
    elif raised.name == "TypeError" and (used := _USED.match(raised.message)):
        if used["type"] == "NoneType":
            yield from _of_none(raised, "")
        elif used["type"] in _MAPPINGS and "callable" in raised.message:
            yield Diagnosis(*_mapping(used["type"], "__call__", raised), raised.position)


def _of_none(raised: Raised, access: str) -> Iterator[Diagnosis]:
    """Judge None where something else was expected: told of the user's code, and of a distribution's only in part."""
    frame = _reader(raised)
    if frame is not None and frame.owner is Owner.SERVER:
        return
    part = part_of(frame)
    if part is None:
        yield Diagnosis(_none(raised, access), "Python says that the value is None", raised.position)
        return
    line = users_frame(raised)
    finding = NOTHING.finding(
        f"the code of {part.known} meets None where it expects a value"
        + (f": `{access}` is asked of it" if access else ""),
        subject=part.name,
        cause="something that it was given, or that it did not find, is None",
        fix=f"look at what {f'`{line.source}`' if line and line.source else 'the project'} passes to {part.name}: a "
        "path, an image or an entry of a configuration that is not there",
    )
    yield Diagnosis(finding, f"the line is in the code of {part}", raised.position, Telling.NAMELESS)


def _none(raised: Raised, access: str) -> Finding:
    frame = users_frame(raised)
    source = frame.source if frame else ""
    name = _expression(source, access)
    value = f"`{name}`" if name else "a value"
    if "imread" in source or re.search(r"\b(?:img|image|frame)\b", name):
        cause = "cv2.imread and cv2.imdecode return None for a file or bytes that they cannot read, and do not raise"
        fix = "check the result of the read, and decode what the request holds instead of opening a path"
    elif re.fullmatch(r"self\.\w+", name):
        cause = f"nothing set {name} before this line: load() did not run, returned early, or set another attribute"
        fix = f"set {name} in load(), and let load() raise if it cannot"
    elif access in (".group", ".groups", ".groupdict", ".start", ".end") or "re.match" in source:
        cause = "re.match and re.search return None where the text does not fit"
        fix = "check the result of the match, or the text that is given to it"
    else:
        cause = "a function returned nothing: it has no return, or returns None where it finds nothing"
        fix = f"look at what sets {value} above this line"
    return NOTHING.finding(
        f"{value} is None{f', and `{access}` is asked of it' if access else ''}", cause=cause, fix=fix
    )


def _expression(source: str, access: str) -> str:
    """Return the expression that is None: what stands before the attribute, or what is called or subscripted."""
    end = re.escape(access) if access else r"\s*[\[(]"
    found = re.search(rf"(?P<it>[A-Za-z_][\w.]*){end}", source)
    if found is None and not access:
        found = re.search(r"=\s*(?P<it>[A-Za-z_][\w.]*(?:\([^()]*\))?)\s*$", source)
    return found["it"] if found else ""


def _mapping(kind: str, name: str, raised: Raised) -> tuple[Finding, str]:
    """Judge a dictionary that is used as a model, or as the tensor that a model returns."""
    asked = "it is called like a model" if name == "__call__" else f"`{name}` is asked of it"
    output = name in _OF_A_TENSOR and name not in _OF_A_MODEL
    if name == "cpu" or output:
        finding = NOTHING.finding(
            f"a {kind} is used as a tensor: {asked}",
            cause="many models return a dictionary of several outputs (torchvision's segmentation models under `out`, "
            "those of transformers under `logits`); a state_dict is one too",
            fix="take the entry that is meant, such as output['out'] or output['logits'], before this line",
        )
        return finding, f"Python says that the value is a {kind}, and `{name}` is what tensors have"
    finding = DICT_AS_MODEL.finding(
        f"a state_dict is used as a model: a {kind} "
        + ("cannot be called" if name == "__call__" else f"has no `{name}`")
    )
    return finding, f"Python says that the value is a {kind}, and `{name}` is what models have"


def _lacking(kind: str, name: str, raised: Raised, case: Case) -> tuple[Finding, str] | None:
    frame = _reader(raised)
    part = part_of(frame)
    last = kind.rpartition(".")[2]
    if lost := _LOST.get((last, name)):
        return _lost(last, name, lost, part, case)
    defined = case.facts.tree.definitions([last]).get(last) if case.facts else None
    if part is not None and frame and not defined and re.search(rf"\bself(?:\.\w+)*\.{name}\b", frame.source):
        return _restored(last, name, part)
    if part is not None:
        finding = UNFIT.finding(
            f"{part.known} asks a `{last}` for `{name}`, which it does not have",
            subject=part.name,
            cause=f"the line is in {part.name}'s code: it was given an object of another version or kind than it was "
            "written for",
            fix=f"upgrade {part.name}, or pin the version of it and of what makes the `{last}` that training used; "
            "then run `seatrial lock`",
        )
        return finding, f"the code of {part} reads an attribute of an object that is not its own"
    if defined:
        finding = NOTHING.finding(
            f"the project's `{last}` has no `{name}`",
            location=defined,
            cause="the class does not set it, sets it in a method that did not run, or was restored from an older "
            "pickle",
            fix=f"set `{name}` in __init__ of `{last}`, or write the name that the class has",
        )
        return finding, f"`{last}` is a class of the project"
    if frame is None or not is_projects(frame):
        return None
    if re.search(rf"\bself\.{name}\b", frame.source) and "." not in kind:
        finding = NOTHING.finding(
            f"`self.{name}` is read before anything set it",
            cause=f"the method that sets it in `{last}` did not run or returned early, or sets another name",
            fix=f"set `{name}` in load() or __init__ of `{last}`, and look at whether the server calls the one that "
            "does",
        )
        return finding, f"the project's own `{last}` reads `self.{name}`"
    finding = GONE.finding(
        f"a `{last}` has no attribute `{name}`",
        subject=last,
        cause="the locked version of its class no longer has the name, or does not have it yet; or the object is "
        "another one than the line takes it for",
        fix=f"look at which distribution `{last}` is of: pin the version that training used, or write the name that it "
        "has now",
    )
    return finding, "the project's code reads an attribute that the object does not have"


def _reader(raised: Raised) -> Frame | None:
    """Return the frame that reads the attribute, not the __getattr__ that says that it is missing."""
    frames = [f for f in raised.frames if f.function.rpartition(".")[2] not in ("__getattr__", "__getattribute__")]
    return frames[-1] if frames else None


def _lost(kind: str, name: str, lost: tuple[str, str, str], part: Part | None, case: Case) -> tuple[Finding, str]:
    distribution, since, new = lost
    who = part.known if part and part.name != distribution else "the project's code"
    version = case.locked(distribution)
    other = part is not None and part.name != distribution
    finding = (UNFIT if other else GONE).finding(
        f"{who} uses `{kind}.{name}`, which {distribution} {since} removed",
        subject=distribution,
        cause=f"{distribution} {version} is locked" if version else f"{new} replaced it",
        fix=(f"upgrade {part.name} to a release that does without it" if other and part else f"write {new}")
        + f", or pin `{distribution}<{since}` in requirements.in; then run `seatrial lock`",
    )
    return finding, f"`{kind}.{name}` is a method that {distribution} {since} removed"


def _restored(kind: str, name: str, part: Part) -> tuple[Finding, str]:
    rule = {"torch": OLD_MODULE, "torchvision": OLD_TRANSFORM}.get(part.name, OTHER_OBJECT)
    finding = rule.finding(
        f"a `{kind}` has no `{name}`, which {part.known} reads of its own object",
        subject=part.name,
        cause=f"another version of {part.name} made the object and a pickle restored it with the attributes of that "
        "time, or a subclass does not call super().__init__()",
        fix="save weights or plain values instead of the object and build it in code; or save it again with the "
        f"locked {part.name}, or pin the version of {part.name} that wrote the file and run `seatrial lock`",
    )
    return finding, f"{part}'s own method reads `self.{name}`, and the object does not have it"
