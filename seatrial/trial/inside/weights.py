"""Note which parameters of a model load_state_dict(strict=False) leaves as they were built.

The guard imports this file in the trial's environment; standard library only, Python 3.10. `load_state_dict` of
torch.nn.Module gets a wrapper, once torch is imported, that returns and raises what the original does.
A parameter counts as untrained only while it is the very object, with the very version and nearly the numbers, that the
load has left out: one that something fills or replaces later does not.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import sys
from importlib.machinery import PathFinder
from typing import Any

_MODULE = "torch.nn.modules.module"
_SHOWN = 3  # names in a note
_SAMPLE = 16  # numbers of a parameter that are compared
_NEAR = 0.01  # relative; bfloat16 rounds to 0.004


class Weights:
    """The models that were loaded in part.

    `stack` returns the calls that led to a load, as text, and `note` writes what was noted, with such a text.
    """

    def __init__(self, stack: Any, note: Any) -> None:
        self._stack = stack
        self._note = note
        self._partly: list[dict[str, Any]] = []
        sys.meta_path.insert(0, self)

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        """Find torch's module of Module as Python does, and wrap what it defines; nothing else is found here."""
        if name != _MODULE:
            return None
        sys.meta_path.remove(self)
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def exec_module(module: Any) -> None:
                execute(module)
                self.watch(module.Module)

            spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec

    def watch(self, kind: Any) -> None:
        """Wrap load_state_dict of torch.nn.Module."""
        original = kind.load_state_dict

        @functools.wraps(original)
        def load_state_dict(module: Any, *arguments: Any, **named: Any) -> Any:
            result = original(module, *arguments, **named)
            with contextlib.suppress(Exception):  # what goes wrong here must not look like a fault of the predictor
                self._loaded(module, result)
            return result

        kind.load_state_dict = load_state_dict

    def _loaded(self, module: Any, result: Any) -> None:
        missing = set(result.missing_keys)
        if not missing or any(model["module"]() is module for model in self._partly):
            return
        import weakref

        parameters = dict(module.named_parameters())
        left = [(n, weakref.ref(p), p._version, _sample(p)) for n, p in parameters.items() if n in missing]
        if left:
            model = {"module": weakref.ref(module), "of": len(parameters), "left": left, "told": 0}
            model |= {"model": type(module).__name__, "number": len(self._partly), "stack": self._stack()}
            self._partly.append(model)

    def weigh(self) -> None:
        """Note for each of the models how many parameters are still as they were built, if that has changed."""
        for model in self._partly:
            left = [
                (n, sample) for n, found, version, sample in model["left"] if _is_as_built(found(), version, sample)
            ]
            # Weights of a norm are 1 and biases 0 when they are built, and often still nearly so when they are trained.
            names = [name for name, _ in left] if any(len(set(sample)) > 1 for _, sample in left) else []
            if len(names) != model["told"]:
                model["told"] = len(names)
                what = {
                    "process": os.getpid(),
                    "number": model["number"],
                    "model": model["model"],
                    "of": model["of"],
                    "untrained": len(names),
                }
                self._note("untrained", json.dumps({**what, "names": names[:_SHOWN]}), model["stack"])


def _is_as_built(parameter: Any, version: int, sample: list[float]) -> bool:
    if parameter is None or parameter._version != version:
        return False
    # What is written into `.data` changes no version, and half precision rounds.
    return all(abs(now - then) <= _NEAR * abs(then) for now, then in zip(_sample(parameter), sample))  # noqa: B905


def _sample(parameter: Any) -> list[float]:
    numbers: list[float] = parameter.detach().reshape(-1)[:_SAMPLE].float().cpu().tolist()
    return numbers
