"""saved.json: which names the pickles of libraries hold that their own objects write.

It has two sources: the classes in the published wheels of the parts that models and transforms are made of, and the
names in the pickles that tests/facts/checkpoints/make_libraries.py made with the libraries themselves. A class whose
objects do something when they are unpickled is left out of the first, and so is a function that can do anything by
itself.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from packaging.version import Version

from seatrial.facts.tables import distributions_of
from tools.tables import powers
from tools.tables.releases import Table, last_of_each_minor, modules, releases

SEEN = Path(__file__).parents[2] / "tests/facts/checkpoints/libraries.json"
OLDEST = {
    "torch": Version("2.6"),
    "torchvision": Version("0.5"),
    "timm": Version("0.9"),
    "scikit-learn": Version("1.2"),
    "torchmetrics": Version("1.4"),
    "pandas": Version("1.5"),
}
PARTS = {
    "torch": (
        "torch/nn/",
        "torch/optim/",
        "torch/ao/nn/",
        "torch/ao/quantization/",
        "torch/distributions/",
        "torch/utils/data/",
    ),
    "torchvision": ("torchvision/transforms/", "torchvision/models/", "torchvision/ops/", "torchvision/tv_tensors/"),
    "timm": ("timm/",),
    "scikit-learn": ("sklearn/",),
    "torchmetrics": ("torchmetrics/",),
    "pandas": ("pandas/",),
}
# Modules whose functions objects hold, such as an activation or a score.
FUNCTIONS = (
    "torch.nn.functional",
    "torch.nn.init",
    "torchvision.transforms.functional",
    "torchvision.transforms.v2.functional",
    "torchvision.ops",
    "timm.layers",
    "timm.models",
    "sklearn.metrics",
    "sklearn.feature_selection",
    "sklearn.preprocessing",
    "sklearn.utils.extmath",
)
_TESTS = ("/tests/", "/testing/", "/_testing/", "/datasets/")
_ENUMS = {"Enum", "IntEnum", "StrEnum", "Flag", "IntFlag"}  # whose members are pickled as a call of the class


def made(_: Table) -> Table:
    """Return the table as it is now: distribution → `names` and `calls` → module → names.

    Raises:
        OSError, ValueError: a wheel could not be read.
    """
    names: dict[str, dict[str, set[str]]] = {}
    calls: dict[str, dict[str, set[str]]] = {}
    known = list(seen(json.loads(SEEN.read_text(encoding="utf-8"))))
    for distribution, oldest in OLDEST.items():
        for wheels in last_of_each_minor(releases(distribution, oldest)).values():
            files = modules(wheels[0], partial(_is_part, PARTS[distribution]))
            code = powers.read(files)
            held, called = of_wheel(code)
            _add(names.setdefault(distribution, {}), held)
            _add(calls.setdefault(distribution, {}), [*called, *_moved(known, code)])
    for name, is_called in known:
        distribution = distributions_of(name[0])[0]
        _add((calls if is_called else names).setdefault(distribution, {}), [name])
    return {
        "source": "classes in the published wheels of each minor version, and tests/facts/checkpoints/libraries.json",
        "names": _spelled(names),
        "calls": _spelled(calls),
    }


def _moved(known: list[tuple[tuple[str, str], bool]], code: powers.Code) -> Iterable[tuple[str, str]]:
    """Yield what is called under the names at which another version defines it: `pandas.Index` was not always that."""
    for (module, name), is_called in known:
        full = code.resolve(f"{module}.{name}")
        if is_called and full in code.units:
            yield full.rpartition(".")[0], name


def _is_part(parts: tuple[str, ...], path: str) -> bool:
    return path.startswith(parts) and not any(test in path for test in _TESTS)


def of_wheel(code: powers.Code) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Return the (module, name) of classes and functions that an object may hold, and of those that it may call."""
    able = powers.powers(code)
    acting = powers.unpickled_powers(code, able)
    held, called = [], []
    for name, unit in code.units.items():
        within, _, own = name.rpartition(".")
        if within in code.units or (own.startswith("_") and not unit.is_class):
            continue  # a method, a class in a class, a private function
        if unit.is_class and name not in acting:
            held.append((within, own))
            made_of = name not in able and any(powers.methods(unit, ["__getnewargs__", "__getnewargs_ex__"], code))
            if made_of or any(base.rpartition(".")[2] in _ENUMS for base in unit.bases):
                called.append((within, own))
        elif not unit.is_class and name not in able and within.startswith(FUNCTIONS):
            held.append((within, own))
    return held, called


def seen(stored: Table) -> Iterable[tuple[tuple[str, str], bool]]:
    """Yield the names in the pickles of real objects, and whether they are called; Python's own are left out."""
    names = [tuple(name.split(" ")) for name in stored["names"]]
    for rows in stored["kinds"].values():
        for row in rows:
            for number in row["globals"]:
                module, name = names[number]
                if module.partition(".")[0] in stored["imported"]:
                    yield (module, name), number in row["called"]


def _add(to: dict[str, set[str]], found: Iterable[tuple[str, str]]) -> None:
    for module, name in found:
        to.setdefault(module, set()).add(name)


def _spelled(found: dict[str, dict[str, set[str]]]) -> Table:
    return {
        distribution: {module: " ".join(sorted(names)) for module, names in sorted(modules_.items())}
        for distribution, modules_ in sorted(found.items())
    }
