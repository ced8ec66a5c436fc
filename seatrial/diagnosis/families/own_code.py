"""What only the project's own logic or configuration causes, and errors that a library wraps into its own."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from seatrial.diagnosis.families import modules, names
from seatrial.diagnosis.families.diagnosis import Diagnosis
from seatrial.diagnosis.families.whose import Part, asker, is_projects, part_of, users_frame
from seatrial.rules.artifacts.state_dicts import STATE_DICT
from seatrial.rules.lock.fitting import UNFIT
from seatrial.rules.rule import Telling
from seatrial.rules.serving.code import NOTHING, OWN_BUG
from seatrial.rules.source.package import NOT_IN_PACKAGE
from seatrial.rules.transforms.images import MODE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from seatrial.diagnosis.families.diagnosis import Case
    from seatrial.diagnosis.raised import Frame, Raised
    from seatrial.findings import Finding

Told = tuple["Finding", str]
_WRAPPED = re.compile(
    r"Failed to import (?P<module>[\w.]+) because of the following error \(look up to see its "
    r"traceback\):\s*(?P<real>.+)",
    re.DOTALL,
)
_MUTABLE = re.compile(r"mutable default <class '(?P<type>[\w.]+)'> for field (?P<field>\w+) is not allowed")
_PYDANTIC_2 = re.compile(
    r"`?(?P<what>[\w.:]+)`? has (?:been )?(?:moved to|been removed in|been removed from)|`(?P<other>\w+)` "
    r"(?:keyword|is removed)|"
    r"deprecated.{0,40}V2|No longer supported"
)
_LABELS = re.compile(r"(?i)\b\w*(?:labels?|classes|class_names|categories|names|idx_to_class|id2label)\w*\s*\[")
_WEIGHTS = re.compile(
    r"(?i)\b(?:ckpt|checkpoint|state|weights|saved|data|dict|loaded|snapshot|torch\.load\([^\n]*\))\w*\s*\["
)
_FEATURES = re.compile(r"X has (?P<has>\d+) features?, but (?P<what>\w+) is expecting (?P<want>\d+) features?")


def of_exception(raised: Raised, case: Case) -> Iterator[Diagnosis]:
    """Judge what the code of the project does, or what a library wraps."""
    if wrapped := _WRAPPED.search(raised.message):
        if raised.cause is None:
            yield from _unwrapped(wrapped["real"], raised, case)
        return
    told = next((told for judge in _JUDGES if (told := judge(raised, case)) is not None), None)
    if told is not None:
        telling = Telling.SPECIFIC if told[0].code != OWN_BUG.code else Telling.WIDE
        yield Diagnosis(*told, raised.position, telling)


def _unwrapped(real: str, raised: Raised, case: Case) -> Iterator[Diagnosis]:
    """Judge the exception of which only the words are left in another one's message."""
    kind = (
        "ModuleNotFoundError" if real.startswith("No module named")
        else "ImportError" if real.startswith("cannot import name")
        else "AttributeError" if "has no attribute" in real
        else ""
    )  # fmt: skip
    inner = replace(raised, type=kind, message=real.strip())
    for family in (modules, names):
        yield from family.of_exception(inner, case)


def _recursion(raised: Raised, case: Case) -> Told | None:
    if raised.name != "RecursionError":
        return None
    functions = [frame.function for frame in raised.frames if is_projects(frame)]
    name = max(set(functions), key=functions.count) if functions else ""
    if "__getattr__" in functions or any(f.function == "__getattr__" for f in raised.frames[-3:]):
        finding = OWN_BUG.finding(
            "__getattr__ asks for an attribute that is not set yet, and so calls itself without end",
            cause="unpickling and copying make an object without __init__, and __getattr__ is called for everything "
            "that is not set",
            fix="in __getattr__ raise AttributeError for names that begin with `_` and for the attribute that it "
            "reads itself",
        )
        return finding, "the frames of __getattr__ repeat"
    finding = OWN_BUG.finding(
        f"`{name}` calls itself without end" if name else "a function calls itself without end",
        cause="the recursion has no end for this input, or two functions call each other",
        fix=f"look at when `{name}` stops" if name else OWN_BUG.fix,
    )
    return finding, "Python counts more calls in calls than it allows"


def _stopped(raised: Raised, case: Case) -> Told | None:
    if raised.name != "StopIteration" and "generator raised StopIteration" not in raised.message:
        return None
    line = users_frame(raised)
    source = line.source if line else ""
    parameters = ".parameters()" in source
    finding = OWN_BUG.finding(
        "next() is called on something that holds nothing" + (": the model has no parameters" if parameters else ""),
        cause="a scripted, wrapped or exported model may have no parameters of its own" if parameters else "",
        fix="keep the device and dtype in attributes of the predictor, in place of next(model.parameters())"
        if parameters
        else "give next() a default, next(it, None), or look at why it is empty: an empty folder, list or file",
    )
    return finding, "StopIteration is what next() raises at the end"


def _mutable_default(raised: Raised, case: Case) -> Told | None:
    found = _MUTABLE.search(raised.message)
    if found is None:
        return None
    part = part_of(asker(raised))
    why = "dataclasses name the field and the default"
    if part is not None:
        finding = UNFIT.finding(
            f"{part.known} does not run on this Python: its dataclass field `{found['field']}` has a default that "
            "Python 3.11 refuses",
            subject=part.name,
            cause="Python 3.11 refuses defaults that cannot be hashed",
            fix=f"upgrade {part.name} to a release for Python 3.11, or serve with Python 3.10 (`python` in "
            "[tool.seatrial])",
        )
        return finding, f"{why}, and the class is in the code of {part}"
    finding = OWN_BUG.finding(
        f"the dataclass field `{found['field']}` has the mutable default {found['type']}, which Python 3.11 refuses",
        fix=f"write {found['field']}: … = dataclasses.field(default_factory=…)",
    )
    return finding, why


def _pydantic(raised: Raised, case: Case) -> Told | None:
    if raised.name not in ("PydanticImportError", "PydanticUserError", "PydanticUndefinedAnnotation"):
        return None
    part = part_of(_not_pydantic(raised))
    first = raised.message.strip().splitlines()[0]
    fix = "pin `pydantic<2` in requirements.in; then run `seatrial lock`"
    if part is not None:
        finding = UNFIT.finding(
            f"{part.known} was written for pydantic 1: {first}",
            subject="pydantic",
            cause=f"{part.name} uses what pydantic 2 removed or moved",
            fix=f"upgrade {part.name} to a release for pydantic 2, or {fix}",
        )
        return finding, f"pydantic refuses what the code of {part} does"
    moved = "BaseSettings" in first
    finding = OWN_BUG.finding(
        f"the project's code is written for pydantic 1: {first}",
        cause="pydantic 2 moved BaseSettings to the distribution pydantic-settings"
        if moved
        else "pydantic 2 removed it",
        fix=(
            "write `from pydantic_settings import BaseSettings` and add pydantic-settings to requirements.in; or "
            if moved
            else "change the class as pydantic's migration guide says; or "
        )
        + fix,
    )
    return finding, "pydantic says what it refuses"


def _not_pydantic(raised: Raised) -> Frame | None:
    frames = [f for f in raised.frames if not f.module.startswith(("pydantic", "importlib"))]
    return frames[-1] if frames else None


def _arguments_of_a_program(raised: Raised, case: Case) -> Told | None:
    if raised.name != "SystemExit" or not re.search(
        r"(?m)^(?:usage:|.*: error: )", case.text[: raised.position + 2000]
    ):
        return None
    finding = OWN_BUG.finding(
        "argparse ends the server: the code parses the command line while it is imported or loads",
        cause="the arguments that it sees are the server's own",
        fix='parse arguments only under `if __name__ == "__main__":`; give the class its settings from a file in '
        "the artifacts",
    )
    return finding, "argparse's usage stands before the exit"


def _lookups(raised: Raised, case: Case) -> Told | None:
    line = raised.raiser
    if raised.name not in ("KeyError", "IndexError") or line is None or not is_projects(line):
        return None
    if raised.name == "KeyError" and _WEIGHTS.search(line.source) and re.match(r"^'[\w.]+'$", raised.message.strip()):
        finding = STATE_DICT.finding(
            f"the file holds no {raised.message.strip()}",
            cause="it is the state_dict itself, or a trainer wrote it that keeps the weights under another name",
            fix="print the keys of the file that training wrote, and take the entry that is there",
        )
        return finding, "the line takes an entry of what was loaded"
    if _LABELS.search(line.source):
        finding = OWN_BUG.finding(
            f"the labels have no entry {raised.message.strip()}"
            if raised.name == "KeyError"
            else "the model answers with a class for which there is no label",
            cause="the labels that are served are fewer than the model's classes, or their keys are text where "
            "numbers are asked: JSON makes text of every key",
            fix="ship the labels that training wrote with the weights; look them up by str(index) if they are the "
            "keys of JSON",
        )
        return finding, "the line looks up a label"
    return None


def _relative(raised: Raised, case: Case) -> Told | None:
    if "attempted relative import" not in raised.message:
        return None
    beyond = "beyond" in raised.message
    finding = NOT_IN_PACKAGE.finding(
        "a relative import leads out of the package"
        if beyond
        else "a module with a relative import is not imported as part of its package",
        cause="the package that ships begins lower than the folder that the dots mean"
        if beyond
        else "it is run as a script, or imported by its own name from a folder on Python's path",
        fix="ship the package that holds both modules, and name the predictor by its whole path "
        "(`package.module:Class`); or import by the absolute name",
    )
    return finding, "Python cannot resolve the dots of the import"


def _image(raised: Raised, case: Case) -> Told | None:
    if raised.type.endswith("cv2.error") and re.search(r"\.empty\(\)|is not a numpy array", raised.message):
        finding = NOTHING.finding(
            "OpenCV gets an image that is empty or None",
            cause="cv2.imread and cv2.imdecode return None for a file or bytes that they cannot read, and do not raise",
            fix="check the result of the read, and decode what the request holds instead of opening a path",
        )
        return finding, "OpenCV names what the image lacks"
    if found := re.search(r"cannot write mode (?P<mode>\w+) as (?P<format>\w+)", raised.message):
        finding = MODE.finding(
            f"an image of the mode {found['mode']} cannot be written as {found['format']}",
            fix='convert it before: image.convert("RGB")',
        )
        return finding, "Pillow names the mode and the format"
    return None


def _newer_python(raised: Raised, case: Case) -> Told | None:
    if not re.search(
        r"unsupported operand type\(s\) for \|: 'type'|'(?:type|ABCMeta)' object is not "
        r"subscriptable",
        raised.message,
    ):
        return None
    part = part_of(asker(raised))
    finding = (UNFIT if part else OWN_BUG).finding(
        f"{part.known if part else 'the code'} is written for a newer Python than the one that runs",
        cause="`X | None` in annotations needs Python 3.10, and `list[int]` Python 3.9",
        fix="serve with the Python that training used (`python` in [tool.seatrial])"
        + (
            f", or pin an older {part.name}"
            if part
            else ", or write `from __future__ import annotations` in the first line"
        ),
    )
    return finding, "the operator is one that types have since a later Python"


def _undefined(raised: Raised, case: Case) -> Told | None:
    found = re.match(r"name '(?P<name>\w+)' is not defined", raised.message)
    if raised.name != "NameError" or found is None:
        return None
    part: Part | None = part_of(asker(raised))
    name = found["name"]
    if part is not None:
        finding = UNFIT.finding(
            f"{part.known} uses `{name}` without having imported it",
            subject=part.name,
            cause=f"{part.name} imports it in a try or only where an optional distribution is found, and it was not",
            fix=f"lock the distribution of `{name}` at a version that {part.name} accepts, or pin another release of "
            f"{part.name}; then run `seatrial lock`",
        )
        return finding, f"the line is in the code of {part}"
    finding = OWN_BUG.finding(
        f"`{name}` is used and never defined",
        cause="the notebook or script had it as a global, or its import is missing",
        fix=f"import or define `{name}` in this module, or make it an attribute that load() sets",
    )
    return finding, "Python found no such name in the module"


def _features(raised: Raised, case: Case) -> Told | None:
    found = _FEATURES.search(raised.message)
    if found is None:
        return None
    finding = OWN_BUG.finding(
        f"{found['what']} was trained on {found['want']} features and gets {found['has']}",
        fix="build the features in serving exactly as in training, in the same order: best save the whole pipeline",
    )
    return finding, "scikit-learn counts the features"


_JUDGES: tuple[Callable[[Raised, Case], Told | None], ...] = (
    _recursion, _stopped, _mutable_default, _pydantic, _arguments_of_a_program, _lookups, _undefined,
    _newer_python, _features, _relative, _image,
)  # fmt: skip
