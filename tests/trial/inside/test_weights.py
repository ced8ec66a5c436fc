"""What strict=False leaves as it was built: only what nothing has filled or replaced since."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from seatrial.trial.inside.weights import Weights

Told = Callable[[], list[Mapping[str, Any]]]
# torch's Module, as far as the wrapper uses it.
MODULE = """\
from types import SimpleNamespace

class Numbers(list):
    def reshape(self, _):
        return self

    detach = float = cpu = lambda self: self

    def __getitem__(self, part):
        return Numbers(list(self)[part])

    def tolist(self):
        return list(self)

class Parameter:
    _version = 0

    def __init__(self):
        self.data = Numbers([0.5, 0.25])

    def detach(self):
        return self.data

class Module:
    def named_parameters(self):
        return vars(self).items()

    def load_state_dict(self, state_dict, strict=True):
        \"\"\"Load.\"\"\"
        missing = [name for name in vars(self) if name not in state_dict]
        if strict and missing:
            raise RuntimeError(missing)
        for name in vars(self).keys() & state_dict.keys():
            vars(self)[name]._version += 1
        return SimpleNamespace(missing_keys=missing, unexpected_keys=[])
"""


@pytest.fixture
def watched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Any, Callable[[], list[Mapping[str, Any]]]]]:
    """Return a model's maker, imported under the wrapper, and a function that weighs and returns what was noted."""
    folder = tmp_path / "torch/nn/modules"
    folder.mkdir(parents=True)
    for place in (tmp_path / "torch", tmp_path / "torch/nn", folder):
        (place / "__init__.py").touch()
    (folder / "module.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    before = list(sys.meta_path)
    noted: list[Mapping[str, Any]] = []
    weights = Weights(lambda: "stack", lambda _kind, what, _stack: noted.append(json.loads(what)))
    module = import_module("torch.nn.modules.module")

    def made(*names: str) -> Any:
        model = type("Net", (module.Module,), {})()
        for name in names:
            setattr(model, name, module.Parameter())
        return model

    def told() -> list[Mapping[str, Any]]:
        weights.weigh()
        return noted

    yield made, told
    assert sys.meta_path == before  # it is needed for one import only
    for name in [name for name in sys.modules if name == "torch" or name.startswith("torch.")]:
        del sys.modules[name]


def test_a_model_that_no_name_fits_is_told_once(watched: Any) -> None:
    made, told = watched
    model = made("a", "b")
    assert model.load_state_dict({"module.a": 1}, strict=False).missing_keys == ["a", "b"]
    assert model.load_state_dict.__doc__ == "Load."
    assert [(note["model"], note["untrained"], note["of"]) for note in told()] == [("Net", 2, 2)]
    assert len(told()) == 1


def test_a_part_that_is_missing_is_counted(watched: Any) -> None:
    made, told = watched
    model = made("a", "b", "head")
    model.load_state_dict({"a": 1, "b": 1}, strict=False)
    (note,) = told()
    assert (note["untrained"], note["of"], note["names"]) == (1, 3, ["head"])


def test_what_is_filled_or_replaced_afterwards_is_trained(watched: Any) -> None:
    made, told = watched
    model = made("a", "b")
    model.load_state_dict({"module.a": 1}, strict=False)
    assert told()[-1]["untrained"] == 2
    model.load_state_dict({"a": 1}, strict=False)
    assert told()[-1]["untrained"] == 1
    model.b = None
    assert [note["untrained"] for note in told()] == [2, 1, 0]


def test_what_is_written_into_the_numbers_is_trained_and_what_is_rounded_is_not(watched: Any) -> None:
    made, told = watched
    model = made("a")
    model.load_state_dict({}, strict=False)
    model.a.data = type(model.a.data)([0.501, 0.2499])
    assert told()[-1]["untrained"] == 1
    model.a.data = type(model.a.data)([0.7, -0.1])
    assert told()[-1]["untrained"] == 0


def test_a_load_that_fits_or_fails_is_as_without_the_wrapper(watched: Any) -> None:
    made, told = watched
    model = made("a")
    model.load_state_dict({"a": 1})
    with pytest.raises(RuntimeError):
        model.load_state_dict({})
    assert told() == []
