"""Decide which interface a predictor class follows: the one that is configured, or the one of its shape.

A class is judged by its methods, their parameters' names and its bases' names. It is neither called nor instantiated,
and neither google.cloud nor torch is imported for it. What the shape leaves open, the key `interface` settles.
"""

from __future__ import annotations

import inspect

from seatrial.serving.interfaces import AUTO, INTERFACES, NAMES, Interface, find
from seatrial.serving.interfaces.adapter import adapter_of
from seatrial.serving.interfaces.signatures import first_parameter


class InterfaceError(TypeError):
    """The class follows none of the interfaces, or not the one that was named."""


def interface_of(predictor: type, configured: str) -> Interface:
    """Return the interface of a predictor class: the `configured` one, or for "auto" the one of its shape.

    Raises:
        InterfaceError: the shape is undecidable, or the interface's methods are not all there.
    """
    interface = _recognise(predictor) if configured == AUTO else find(configured)
    if interface is None:
        raise InterfaceError(f"bundle.json names the interface {configured!r}; there are {', '.join(NAMES)}")
    missing = [name for name in interface.needed if not callable(getattr(predictor, name, None))]
    if missing:
        raise InterfaceError(
            f"{predictor.__name__} has no {' and no '.join(f'{name}()' for name in missing)}, which the "
            f"{interface.name} interface needs" + (f"; if it follows another, {_SAY_IT}" if configured == AUTO else "")
        )
    return interface


_FIRST, *_MORE, _LAST = (f'"{name}"' for name in NAMES)
_SAY_IT = f"name it: {', '.join((f'`interface = {_FIRST}`', *_MORE))} or {_LAST} in [tool.seatrial]"


def _recognise(predictor: type) -> Interface:
    if not inspect.isclass(predictor):
        raise InterfaceError(f"{predictor!r} is not a class; [tool.seatrial] `predictor` names a class")
    for interface in reversed(INTERFACES):
        if adapter_of(interface).recognises(predictor):
            return interface
    first = first_parameter(predictor, "preprocess")
    if first is None:
        what = "it has neither from_path(), nor preprocess(), nor load() and predict()"
    else:
        what = f"preprocess({first.name}) may take an image or a request body"
    raise InterfaceError(f"cannot tell which interface {predictor.__name__} follows: {what}; {_SAY_IT}")
