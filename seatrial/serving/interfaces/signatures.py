"""What can be seen of a method without calling it: the names and annotations of its parameters."""

from __future__ import annotations

import inspect


def parameter_names(function: object) -> list[str]:
    """Return the names of a callable's parameters; none where Python cannot tell."""
    return [parameter.name for parameter in _parameters(function)]


def first_parameter(owner: type, method: str) -> inspect.Parameter | None:
    """Return the first parameter after self of a method of a class."""
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
