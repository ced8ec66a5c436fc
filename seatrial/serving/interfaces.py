"""Which of the three predictor interfaces a class follows, told by its shape alone.

A class is judged by its methods, their parameters' names and its bases' names; nothing is called or
instantiated, and neither google.cloud nor torch is imported for it. What the shape leaves open, the key
`interface` settles.
"""

from __future__ import annotations

import inspect

BATCHED = "batched"
CPR = "cpr"
AI_PLATFORM = "ai-platform"

NEEDED = {  # the methods without which an interface cannot serve
    BATCHED: ("load", "preprocess", "predict"),
    CPR: ("load", "predict"),
    AI_PLATFORM: ("from_path", "predict"),
}
_BODY_NAMES = {"prediction_input", "body", "request", "payload", "instances"}
_IMAGE_NAMES = {"image", "img"}


class InterfaceError(TypeError):
    """The class follows none of the interfaces, or not the one that was named."""


def interface_of(predictor: type, configured: str) -> str:
    """Give the interface of a predictor class: the `configured` one, or for "auto" the one of its shape.

    Raises:
        InterfaceError: the shape is undecidable, or the interface's methods are not all there.
    """
    interface = _recognise(predictor) if configured == "auto" else configured
    if interface not in NEEDED:
        raise InterfaceError(f"bundle.json names the interface {interface!r}; there are {', '.join(NEEDED)}")
    missing = [name for name in NEEDED[interface] if not callable(getattr(predictor, name, None))]
    if missing:
        raise InterfaceError(
            f"{predictor.__name__} has no {' and no '.join(f'{name}()' for name in missing)}, which the "
            f"{interface} interface needs" + (f"; if it follows another, {_SAY_IT}" if configured == "auto" else "")
        )
    return interface


def parameter_names(function: object) -> list[str]:
    """Give the names of a callable's parameters; none for one that cannot tell."""
    return [parameter.name for parameter in _parameters(function)]


_SAY_IT = 'name it: `interface = "batched"`, "cpr" or "ai-platform" in [tool.seatrial]'


def _recognise(predictor: type) -> str:
    if not inspect.isclass(predictor):
        raise InterfaceError(f"{predictor!r} is not a class; [tool.seatrial] `predictor` names a class")
    if callable(getattr(predictor, "from_path", None)):
        return AI_PLATFORM
    if any(_is_sdk_predictor(base) for base in predictor.__mro__):
        return CPR
    preprocess = getattr(predictor, "preprocess", None)
    decodes = callable(getattr(predictor, "decode", None))
    if preprocess is None and not decodes and hasattr(predictor, "load") and hasattr(predictor, "predict"):
        return CPR
    first = _first_parameter(predictor, "preprocess")
    if first is not None and first.name in _BODY_NAMES:
        return CPR
    if decodes or (first is not None and (first.name in _IMAGE_NAMES or _is_image(first.annotation))):
        return BATCHED
    if first is None:
        what = "it has no from_path(), preprocess() or load() and predict() to tell by"
    else:
        what = f"preprocess({first.name}) may take an image or a request body"
    raise InterfaceError(f"cannot tell which interface {predictor.__name__} follows: {what}; {_SAY_IT}")


def _is_sdk_predictor(base: type) -> bool:
    return base.__name__ == "Predictor" and base.__module__.startswith("google.cloud.aiplatform.")


def _first_parameter(owner: type, method: str) -> inspect.Parameter | None:
    """Give the first parameter after self of a method of a class."""
    function = getattr(owner, method, None)
    parameters = _parameters(function)
    if inspect.isfunction(inspect.getattr_static(owner, method, None)):
        parameters = parameters[1:]  # a plain function seen through its class still has self
    return parameters[0] if parameters else None


def _parameters(function: object) -> list[inspect.Parameter]:
    if not callable(function):
        return []
    try:
        return list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return []


def _is_image(annotation: object) -> bool:
    if isinstance(annotation, str):
        return annotation.strip("\"'").split(".")[-1] == "Image"
    if not inspect.isclass(annotation):
        return False
    return annotation.__name__ == "Image" and annotation.__module__.startswith("PIL.")
