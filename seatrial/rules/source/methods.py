"""Family 2, the predictor's methods: can the server call them?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.facts.predictor import Kind
from seatrial.rules.rule import Rule
from seatrial.rules.serving.interface import followed
from seatrial.serving.interfaces import AI_PLATFORM, BATCHED, Interface, find

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.facts.gather import Facts
    from seatrial.facts.python.calls import Function
    from seatrial.findings import Finding

UNCALLABLE = Rule(
    code="ST220",
    title="a method of the predictor that the server cannot call",
    explanation=(
        "The server makes the class without arguments, and gives each of its methods one: load(artifacts_uri), "
        "preprocess(image), predict(batch), postprocess(output); of AI Platform's interface it calls "
        "from_path(model_dir) on the class, and predict(instances). A method that takes none or needs more fails with "
        "a TypeError, and a coroutine is never awaited."
    ),
    fix="give the method the parameters that the server passes, and defaults to all others",
    cloud="TypeError: load() takes 1 positional argument but 2 were given",
    sources=(
        "https://github.com/googleapis/python-aiplatform/blob/main/google/cloud/aiplatform/prediction/predictor.py",
    ),
    detected=(
        "The parameters of the methods that the predictor's interface has. A method with a decorator that is not of "
        "Python or torch is not judged, because that may change them."
    ),
    bad='def load(self):\n    self.model = torch.load("weights.pt")',
    good='def load(self, artifacts_uri):\n    self.model = torch.load(Path(artifacts_uri) / "weights.pt")',
)

_GIVEN = {
    "load": "artifacts_uri",
    "decode": "instance",
    "preprocess": "image",
    "predict": "batch",
    "postprocess": "output",
}
_OF_AI_PLATFORM = {"from_path": "model_dir", "predict": "instances"}
_KEEP_PARAMETERS = ("builtins.", "torch.", "functools.lru_cache", "functools.cache", "abc.", "typing.", "contextlib.")


@UNCALLABLE.decided_by
def _uncallable(facts: Facts) -> Iterator[Finding]:
    predictor = facts.predictor
    interface = find(facts.project.interface) or followed(facts)
    if predictor.kind is not Kind.CLASS or interface is None:
        return
    if any(predictor.has(name) is False for name in interface.needed):
        return  # ST507
    for name, given in _called(interface).items():
        method = predictor.methods.get(name)
        if method is None or not all(d.startswith(_KEEP_PARAMETERS) for d in method.decorators):
            continue
        if wrong := _wrong(name, given, method):
            message, fix = wrong
            yield UNCALLABLE.finding(
                f"`{predictor.name}.{name}` {message}", location=method.location, subject=name, fix=fix
            )


def _called(interface: Interface) -> dict[str, str]:
    """Return the methods that the server calls, with what it gives each; "" for nothing."""
    if interface is AI_PLATFORM:
        return _OF_AI_PLATFORM
    body = {} if interface is BATCHED else {"preprocess": "prediction_input", "predict": "instances"}
    return {"__init__": "", **_GIVEN, **body}


def _wrong(name: str, given: str, method: Function) -> tuple[str, str] | None:
    """Return why the server cannot call a method, and what to change; None if it can."""
    is_class = "builtins.classmethod" in method.decorators
    is_static = "builtins.staticmethod" in method.decorators
    bound = 0 if is_static or (name == "from_path" and not is_class) else 1
    call = f"{name}({given})"
    if method.is_async:
        return f"is a coroutine, and the server calls {call} without awaiting it", "write `def` instead of `async def`"
    most, required = len(method.parameters) - bound, method.required - bound
    if name == "from_path" and not is_class and required > 1:
        return f"is not a class method, and the server calls {call} on the class", "write @classmethod above it"
    if method.keywords:
        needs = ", ".join(method.keywords)
        return f"needs {needs} by name, and the server calls {call}", f"give {needs} a default"
    if given and most < 1 and not method.is_open:
        return f"takes no argument, and the server calls {call}", f"add the parameter `{given}`"
    if required > len([given] if given else []):
        names = ", ".join(method.parameters[bound + bool(given) : method.required])
        where = "; the artifacts come with load(artifacts_uri)" if name == "__init__" else ""
        return f"needs {names} too, and the server calls {call}", f"give {names} a default{where}"
    return None
