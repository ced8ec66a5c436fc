"""Family 5, the interface: can the server serve what `predictor` names?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.facts.predictor import Kind, Predictor
from seatrial.findings import Location, Severity
from seatrial.rules.cloud import SERVER_EXITED
from seatrial.rules.rule import Rule
from seatrial.serving.interfaces import AI_PLATFORM, BATCHED, CPR, NAMES, Interface, find

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.facts.gather import Facts
    from seatrial.findings import Finding

NO_INTERFACE = Rule(
    code="ST507",
    title="the class follows none of the three predictor interfaces",
    explanation=(
        "A predictor class has load, preprocess, predict and postprocess (batched, or Vertex AI's custom "
        "prediction routine), or from_path and predict (AI Platform). This class has neither set."
    ),
    fix="add the methods that the message names as missing",
    cloud=SERVER_EXITED,
    sources=("https://github.com/googleapis/python-aiplatform/tree/main/google/cloud/aiplatform/prediction",),
    detected=(
        "The methods of the class that `predictor` names and of its bases in the project, recognised as the server "
        "recognises them. It is silent if a base is not the project's, because that may have the methods. An "
        "application of a web framework and a handler of another server are a note: the check judges such a project, "
        "and only the trial and the image need a class."
    ),
    bad="class Predictor:\n    def __init__(self, path): …  # loads the model\n    def predict(self, x): …",
    good="class Predictor:\n    def load(self, artifacts_uri): …\n    def preprocess(self, image): …\n"
    "    def predict(self, batch): …",
)

_STEPS = ("load", "from_path", "preprocess", "decode", "predict", "postprocess")
_WRITTEN = {
    "load": "load(self, artifacts_uri)",
    "preprocess": "preprocess(self, image)",
    "predict": "predict(self, batch)",
}
_AS_CLASS = (
    "to try and to deploy it with this tool, name a class with load(), preprocess() and predict() in `predictor`; "
    "the check judges the rest of the project as it is"
)


@NO_INTERFACE.decided_by
def _no_interface(facts: Facts) -> Iterator[Finding]:
    predictor, setting = facts.predictor, Location("pyproject.toml")
    match predictor.kind:
        case Kind.FUNCTION:
            yield NO_INTERFACE.finding(
                f"`predictor` names the function `{predictor.name}`, and the server needs a class",
                location=predictor.location or setting,
                fix=f"name a class that has {_joined(list(_WRITTEN.values()), 'and')}",
            )
        case Kind.APPLICATION:
            yield NO_INTERFACE.finding(
                f"`{predictor.name}` is an application of {predictor.server}, not a predictor class",
                severity=Severity.NOTE,
                location=setting,
                cause="`seatrial smoke` and `seatrial image` serve a class with a server of their own",
                cloud="",
                fix=_AS_CLASS,
            )
        case Kind.HANDLER:
            yield NO_INTERFACE.finding(
                f"`{predictor.name}` is a handler for {predictor.server}, not a predictor class",
                severity=Severity.NOTE,
                location=predictor.location or setting,
                cause=f"only {predictor.server} calls its methods, and brings the modules that it needs",
                cloud="",
                fix=_AS_CLASS,
            )
        case Kind.CLASS if predictor.methods:
            yield from _of_class(facts)


def _of_class(facts: Facts) -> Iterator[Finding]:
    predictor, configured = facts.predictor, find(facts.project.interface)
    interface = configured or followed(facts)
    if interface is not None:
        missing = [name for name in interface.needed if predictor.has(name) is False]
        if missing:
            yield NO_INTERFACE.finding(
                f"`{predictor.name}` has no {_listed(missing, 'and no')}, which the {interface.name} interface needs",
                location=predictor.location,
                cause=_why(predictor),
                fix=_how_to_follow(predictor)
                if _loads_when_made(predictor)
                else f"add {_listed(missing, 'and')} to the class" + ("" if configured else f"; or {_say_it()}"),
            )
    elif all(predictor.has(step) is not None for step in _STEPS):
        present = [step for step in _STEPS if step in predictor.methods]
        absent = [step for step in ("load", "from_path") if step not in predictor.methods]
        first = _first_of_preprocess(predictor)
        if "load" in present and first:
            yield NO_INTERFACE.finding(
                f"it is not clear which interface `{predictor.name}` follows: preprocess({first}) may take an image or "
                "a request's body",
                location=predictor.methods["preprocess"].location,
                fix=f"call the parameter `image` or `prediction_input`, or {_say_it()}",
            )
        else:
            has = f"it has {_listed(present, 'and')}, and" if present else "it has"
            yield NO_INTERFACE.finding(
                f"`{predictor.name}` follows none of the three predictor interfaces: {has} no {_listed(absent, 'or')}"
                if absent
                else f"`{predictor.name}` follows none of the three predictor interfaces: it has no predict()",
                location=predictor.location,
                cause=_why(predictor),
                fix=_how_to_follow(predictor),
            )


def followed(facts: Facts) -> Interface | None:
    """Return the interface that the shape of the predictor's class shows, as the server decides it; None if none."""
    predictor = facts.predictor
    first = _first_of_preprocess(predictor)
    if predictor.has("from_path"):
        return AI_PLATFORM
    whole = predictor.has("preprocess") is False and predictor.has("decode") is False
    if predictor.of_sdk or first in CPR.preprocesses or (whole and predictor.has("load") and predictor.has("predict")):
        return CPR
    takes_image = first in BATCHED.preprocesses or _annotation_of_preprocess(predictor) == "Image"
    return BATCHED if predictor.has("decode") or takes_image else None


def _first_of_preprocess(predictor: Predictor) -> str:
    method = predictor.methods.get("preprocess")
    position = 0 if method and "builtins.staticmethod" in method.decorators else 1
    return method.parameters[position] if method and len(method.parameters) > position else ""


def _annotation_of_preprocess(predictor: Predictor) -> str:
    method = predictor.methods.get("preprocess")
    return method.annotations[1].rpartition(".")[2] if method and len(method.annotations) > 1 else ""


def _why(predictor: Predictor) -> str:
    if predictor.is_network:
        return "it is a torch.nn.Module: the model, and not a predictor that loads and asks it"
    if _loads_when_made(predictor):
        made = predictor.methods["__init__"]
        given = ", ".join(made.parameters[1 : made.required])
        return f"its __init__() needs {given}; the server makes the class without arguments, then calls load()"
    return ""


def _how_to_follow(predictor: Predictor) -> str:
    if predictor.is_network:
        return f"name the class that loads this model: it has {_joined(list(_WRITTEN.values()), 'and')}"
    absent = [name for name in _WRITTEN if name not in predictor.methods]
    rename = _loads_when_made(predictor)
    others = _joined([_WRITTEN[name] for name in absent if not (rename and name == "load")], "and")
    if not rename:
        return f"add {others}"
    return f"rename __init__() to {_WRITTEN['load']}" + (f", and add {others}" if others else "")


def _loads_when_made(predictor: Predictor) -> bool:
    """Return whether a class without a loader takes something when it is made."""
    made = predictor.methods.get("__init__")
    return made is not None and made.required > 1 and not {"load", "from_path"} & predictor.methods.keys()


def _say_it() -> str:
    known = _joined([f'`interface = "{name}"`' for name in NAMES], "or")
    return f"set {known} in [tool.seatrial]"


def _listed(methods: list[str], word: str) -> str:
    return _joined([f"{method}()" for method in methods], word)


def _joined(texts: list[str], word: str) -> str:
    if not texts:
        return ""
    return f" {word} ".join(filter(None, (", ".join(texts[:-1]), texts[-1])))
