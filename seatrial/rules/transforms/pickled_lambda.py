"""Family 4, pickled transforms: a lambda in a transform that is saved."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.findings import Severity
from seatrial.rules.rule import Rule, Symptom
from seatrial.rules.transforms.removed_names import T

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from seatrial.facts.gather import Facts
    from seatrial.facts.python.calls import Call, Value
    from seatrial.findings import Finding

PICKLED_LAMBDA = Rule(
    code="ST420",
    title="a transform with a lambda is pickled",
    explanation=(
        "pickle stores a function as its module and name, and a lambda has no name. Saving a Compose with "
        "transforms.Lambda(lambda …) fails in torch.save and in pickle.dump, usually after hours of training."
    ),
    fix="define a named function in a module of the package, or better, keep transforms as code and do not save them",
    severity=Severity.WARNING,
    cloud="_pickle.PicklingError: Can't pickle <function <lambda> at 0x…>: attribute lookup <lambda> on __main__ …",
    sources=(
        "https://docs.python.org/3/library/pickle.html#what-can-be-pickled-and-unpickled",
        "https://docs.pytorch.org/vision/stable/generated/torchvision.transforms.Lambda.html",
    ),
    symptoms=(
        Symptom(
            r"Can't (?:pickle|get) (?:local object '[\w.<>]{0,200}<lambda>'|<function [\w.<>]{0,200}<lambda> at)",
            "a lambda cannot be pickled",
        ),
    ),
    detected=(
        "In any script or module, torch.save or pickle.dump gets a transform, alone or in a dict, that the same module "
        "makes with a Lambda of a lambda. Whether that line runs is not known, so it is a warning."
    ),
    bad='torch.save(transforms.Compose([transforms.Lambda(lambda x: x / 255)]), "transform.pt")',
    good='torch.save(model.state_dict(), "weights.pt")  # the transform is code in the package',
)


_SAVES = ("torch.save", "pickle.dump", "pickle.dumps")


@PICKLED_LAMBDA.decided_by
def _pickled_lambda(facts: Facts) -> Iterator[Finding]:
    shipped = facts.sources.modules.values()
    for module in (*facts.scripts, *shipped):
        saves = [call for call in module.uses.calls if call.name in _SAVES and call.arguments]
        calls = {call.end: call for call in module.uses.calls} if saves else {}
        for call in saves:
            found = _lambda_in(call.arguments[0], calls, 0)
            if found is not None:
                yield PICKLED_LAMBDA.finding(
                    f"`{call.name}` gets a transform with a lambda, which cannot be pickled",
                    location=found.location,
                    cause=f"it is saved at {call.location}",
                )


def _lambda_in(value: Value, calls: Mapping[tuple[int, int], Call], depth: int) -> Call | None:
    """Return the transforms.Lambda of a lambda in a saved value, if there is one."""
    if depth > 3:
        return None
    call = calls.get(value.end) if value.end else None
    if call and call.name in (f"{T}.Lambda", f"{T}.v2.Lambda"):
        function = call.argument("lambd", 0)
        return call if function and function.is_lambda else None
    inside = value.items or ()
    if call and call.name.startswith(T):
        inside = (*call.arguments, *call.keywords.values())
    return next((found for item in inside if (found := _lambda_in(item, calls, depth + 1))), None)
