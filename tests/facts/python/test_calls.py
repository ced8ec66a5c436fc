"""What modules call and read: names resolved through aliases, helpers and `self`, and what stands around a place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from seatrial.facts.python.calls import UNKNOWN, Call, Value
from seatrial.facts.python.sources import Sources, read_sources
from tests.small_project import small_project

if TYPE_CHECKING:
    from pathlib import Path

RESIZE = "torchvision.transforms.Resize"


def sources_of(folder: Path, text: str, **others: str) -> Sources:
    """Read a predictor; `others` are further modules of its package."""
    files = {f"predictor/{name}.py": content for name, content in others.items()}
    return read_sources(small_project(folder, {"predictor/__init__.py": text, **files}))


def calls_of(folder: Path, text: str, **others: str) -> list[Call]:
    return [call for _, call in sources_of(folder, text, **others).calls()]


def names_of(folder: Path, text: str, **others: str) -> list[str]:
    return [call.name for call in calls_of(folder, text, **others)]


@pytest.mark.parametrize(
    "text",
    [
        "import torchvision\ntorchvision.transforms.Resize(8)",
        "import torchvision.transforms\nimport torchvision.models\ntorchvision.transforms.Resize(8)",
        "import torchvision.transforms as T\nT.Resize(8)",
        "from torchvision import transforms\ntransforms.Resize(8)",
        "from torchvision import transforms as t\nmake = t.Resize\nmake(8)",
        "from torchvision.transforms import Resize as R\nR(8)",
        "from torchvision.transforms import *\nResize(8)",
        "def f():\n    from torchvision.transforms import Resize\n    return Resize(8)\nf()",
        "class P:\n    def load(self):\n        return R(8)\nfrom torchvision.transforms import Resize as R",
        "import torchvision.transforms as T\nsteps = {'a': [lambda: T.Resize(8)]}",
    ],
)
def test_a_call_is_known_by_its_name_however_it_was_imported(tmp_path: Path, text: str) -> None:
    assert RESIZE in names_of(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "others"),
    [
        ("from predictor.compat import Resize\nResize(8)", {"compat": "from torchvision.transforms import Resize"}),
        ("from .compat import Small as S\nS(8)", {"compat": "from torchvision.transforms import Resize as Small"}),
        ("from . import compat\ncompat.T.Resize(8)", {"compat": "import torchvision.transforms as T"}),
        ("from predictor.compat import *\nResize(8)", {"compat": "from torchvision.transforms import Resize"}),
        ("from .a import Resize\nResize(8)", {"a": "from .b import *", "b": "from torchvision.transforms import *"}),
    ],
)
def test_a_name_is_followed_through_the_modules_of_the_project(
    tmp_path: Path, text: str, others: dict[str, str]
) -> None:
    assert RESIZE in names_of(tmp_path, text, **others)


def test_the_method_of_a_result_names_what_returned_it(tmp_path: Path) -> None:
    text = (
        "from torchvision import models\nimport torch\nfrom predictor.network import build\n"
        "class P:\n"
        "    def __init__(self):\n        self.net = None\n"
        "    def load(self, p):\n"
        "        model = models.resnet18()\n        model.eval()\n"
        "        self.net = torch.load(p)\n        self.other = build().to('cpu')\n"
        "    def predict(self, x):\n        self.net.eval()\n        self.other(x)\n        return self.helper(x)\n"
        "    def helper(self, x):\n        return x.cpu().numpy()\n"
    )
    network = "from torch import nn\ndef build():\n    return nn.Linear(2, 1)\n"
    assert sorted(names_of(tmp_path, text, network=network)) == [
        "?.cpu",
        "?.cpu().numpy",
        "predictor.P().helper",
        "predictor.network.build",
        "torch.load",
        "torch.load().eval",
        "torch.nn.Linear",
        "torch.nn.Linear().to",
        "torch.nn.Linear().to()",
        "torchvision.models.resnet18",
        "torchvision.models.resnet18().eval",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "import torch\ndef f(torch):\n    torch.load(1)\nf(2)",
        "import torch\ntorch = 1\ntorch.load(1)",
        "try:\n    import torch\nexcept ImportError:\n    import other as torch\ntorch.load(1)",
        "import torch\nfor torch in []:\n    torch.load(1)",
        "import torch\nlist(torch.load(1) for torch in [])",
        "import torch\ntorch, x = 1, 2\ntorch.load(1)",
        "import torch\ndef f():\n    global torch\n    torch = 1\nf()\ntorch.load(1)",
        "x = x.load\nx.load(1)",
        "from a import *\nfrom b import *\nload(1)",
    ],
)
def test_a_name_that_may_be_something_else_is_unknown(tmp_path: Path, text: str) -> None:
    found = [name for name in names_of(tmp_path, text) if name.endswith("load")]
    assert all(name.startswith("?") for name in found), found


def test_arguments_are_small_values(tmp_path: Path) -> None:
    text = (
        "from torchvision.models import ResNet18_Weights as W\nfrom predictor.config import SIDE\n"
        "call(1, -2.5, 'a', None, (8, SIDE), W.DEFAULT, lambda x: x, x + 1, flag=True, **more)\ncall(1, *rest, a=2)\n"
    )
    sources = sources_of(tmp_path, text, config="SIDE = 9\n")
    first, second = (call for _, call in sources.calls())
    one, minus, letter, none, pair, weights, function, unknown = first.arguments
    assert (one.constant, minus.constant, letter.constant) == (1, -2.5, "a")
    assert none.is_exactly(None)
    assert not one.is_exactly(True)
    assert pair.items is not None
    assert [sources.value(item).constant for item in pair.items] == [8, 9]
    assert weights.name == "torchvision.models.ResNet18_Weights.DEFAULT"
    assert function.is_lambda
    assert not unknown.is_known
    assert first.argument("flag") == Value(constant=True, is_constant=True)
    assert first.argument("other") == UNKNOWN
    assert second.argument("x", 0) == Value(constant=1, is_constant=True)
    assert second.argument("y", 1) == UNKNOWN


def test_an_argument_that_is_certainly_not_passed_is_none(tmp_path: Path) -> None:
    (call,) = calls_of(tmp_path, "call(1, a=2)")
    assert call.argument("b", 1) is None


def test_a_place_counts_characters_and_says_where_an_argument_can_follow(tmp_path: Path) -> None:
    text = "é = 'ü', call('ö')\ncall(\n    1,\n    b=2,\n)\ncall((1))\ncall()\ncall(1,)\n"
    found = calls_of(tmp_path, text)
    assert [str(call.location) for call in found[:2]] == ["predictor/__init__.py:1:10", "predictor/__init__.py:2:1"]
    assert found[0].location.end_column == 19
    assert [call.after_last for call in found] == [(1, 18), (4, 8), None, None, (8, 7)]


def test_what_stands_around_a_call_is_known(tmp_path: Path) -> None:
    text = (
        "import torch\n"
        "class P:\n"
        "    @torch.inference_mode()\n"
        "    def predict(self, x):\n"
        "        with torch.no_grad(), open('x'):\n"
        "            a(x)\n"
        "        if torch.cuda.is_available():\n"
        "            b(x)\n"
        "        else:\n"
        "            c(x)\n"
        "        try:\n"
        "            d(x)\n"
        "        except AttributeError:\n"
        "            e(x)\n"
        "        return f(x) if torch.cuda.is_available() else x\n"
    )
    found = {call.written: call.context for call in calls_of(tmp_path, text)}
    assert found["a"].withs == ("torch.no_grad()", "builtins.open()")
    assert found["a"].decorators == ("torch.inference_mode()",)
    assert found["a"].function == "P.predict"
    assert all("torch.cuda.is_available" in found[name].guards for name in "bcf")
    assert [name for name in "abcdef" if found[name].tried] == ["d", "e"]
    assert found["d"].withs == ()


def test_names_that_are_read_and_names_that_are_assigned_are_resolved(tmp_path: Path) -> None:
    text = (
        "from PIL import Image as I\nimport PIL.Image\nmode = I.ANTIALIAS\n"
        "PIL.Image.LINEAR = 1\ncall(PIL.Image.CUBIC)\nI.new.x()\n"
    )
    sources = sources_of(tmp_path, text)
    assert [(read.name, read.written, str(read.location)) for _, read in sources.reads()] == [
        ("PIL.Image.ANTIALIAS", "I.ANTIALIAS", "predictor/__init__.py:3:8"),
        ("PIL.Image", "PIL.Image", "predictor/__init__.py:4:1"),
        ("PIL.Image.CUBIC", "PIL.Image.CUBIC", "predictor/__init__.py:5:6"),
    ]
    assert sources.modules["predictor"].uses.patched == {"PIL.Image.LINEAR"}


def test_only_what_the_predictor_may_call_serves(tmp_path: Path) -> None:
    text = (
        "import torch\nfrom predictor.helper import prepare as ready\n"
        "on_import()\n"
        "class P:\n    def load(self):\n        in_method().eval()\n        ready(getattr(self, 'x', 1))\n"
        "def train():\n    in_training()\n"
        "@registry.add\ndef hook():\n    registered()\n"
        "class Net(torch.nn.Module):\n    def forward(self):\n        in_network()\n"
        "if __name__ == '__main__':\n    train()\n"
    )
    helper = "def prepare():\n    return deeper()\ndef deeper():\n    a_helper_away()\ndef other():\n    never()\n"
    found = set(names_of(tmp_path, text, helper=helper, unused="never()")) | {
        call.written for call in calls_of(tmp_path, text, helper=helper, unused="never()")
    }
    assert {"on_import", "in_method", "registered", "in_network", "a_helper_away"} <= found
    assert not {"in_training", "train", "never"} & found


def test_both_halves_of_a_property_serve(tmp_path: Path) -> None:
    text = (
        "class P:\n    def load(self):\n        self.x = 1\n"
        "    @property\n    def x(self):\n        return first()\n"
        "    @x.setter\n    def x(self, value):\n        second()\n"
        "def first():\n    deep_one()\ndef second():\n    deep_two()\n"
    )
    assert {"deep_one", "deep_two"} <= {call.written for call in calls_of(tmp_path, text)}


def test_what_calls_by_name_may_call_everything(tmp_path: Path) -> None:
    text = "class P:\n    def load(self):\n        getattr(self, name)()\ndef other():\n    hidden()\n"
    assert "hidden" in {call.written for call in calls_of(tmp_path, text)}


def test_a_deep_source_costs_no_more_than_its_length(tmp_path: Path) -> None:
    chain = "x = a" + ".b()" * 900
    nested = "y = " + "f(" * 80 + ")" * 80
    names = "\n".join(f"n{i} = n{i - 1}.m()" for i in range(1, 2000))
    tests = "if a.b:\n    c()\n" + "".join(f"elif a.b{i}:\n    c()\n" for i in range(900))
    sources = sources_of(tmp_path, "\n".join([chain, nested, "import n0", names, tests]))
    found = [call for _, call in sources.calls()]
    assert max(len(call.name) for call in found) < 400
    assert len(found) == 900 + 80 + 1999 + 901


def test_functions_that_return_each_other_end(tmp_path: Path) -> None:
    text = "def f():\n    return g().a()\ndef g():\n    return f().b()\nf().c()\n"
    assert max(len(name) for name in names_of(tmp_path, text)) < 40


def test_modules_that_export_each_other_end(tmp_path: Path) -> None:
    found = names_of(tmp_path, "from .a import x\nx()", a="from .b import x\n", b="from .a import x\n")
    assert found == ["predictor.a.x"]
