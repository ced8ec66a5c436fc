"""Which names a library's modules have, read from files that are never imported."""

from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.facts.libraries import looking
from seatrial.facts.libraries.contents import Installed, Packed
from seatrial.facts.libraries.library import Library

FILES = {
    "kelp/__init__.py": "from kelp.core import *\nfrom ._version import VERSION as version\n",
    "kelp/_version.py": "VERSION = '1'\n",
    "kelp/core.py": "__all__ = ['grow']\ndef grow(): ...\ndef hidden(): ...\n",
    "kelp/branches.py": "try:\n    import fast\nexcept ImportError:\n    fast = None\nif 1 > 2:\n    late = 1\n",
    "kelp/lazy.py": "def __getattr__(name):\n    return load(name)\n",
    "kelp/strict.py": (
        "from ._gone import GONE\n"
        "def __getattr__(name):\n"
        "    if name in ('kept',):\n        return 1\n"
        "    if name in GONE:\n        raise AttributeError(GONE[name])\n"
        "    raise AttributeError(name)\n"
    ),
    "kelp/_gone.py": "GONE = {'wilted': 'Use `fresh` instead.'}\n",
    "kelp/compiled.cpython-311-x86_64-linux-gnu.so": "",
    "kelp/wrapped.py": "from .compiled import *\n",
    "kelp/filled.py": "globals().update(names())\n",
    "kelp/read.py": "HERE = 'a' in globals()\n",
    "kelp/enums.py": (
        "import sys\nclass Mode:\n    FAST = 1\n    SLOW = 2\nmodule = sys.modules[__name__]\n"
        "for enum in (Mode,):\n    for item in enum:\n        setattr(module, item.name, item.value)\n"
    ),
    "kelp/texts.py": "for n in ['first', 'second']:\n    globals()[n] = 1\n",
    "kelp/set_later.py": "def start():\n    global running\n    running = 1\n",
    "kelp/replaced.py": "import sys\nsys.modules[__name__] = object()\n",
    "kelp/standard.py": "from math import *\n",
    "kelp/ring.py": "from kelp.ring2 import *\n",
    "kelp/ring2.py": "from kelp.ring import *\n",
    "kelp/broken.py": "def (:\n",
    "set/__init__.py": "from set import types\ntypes.study = 1\n",
    "set/types.py": "",
    "hooks/__init__.py": "import sys\nsys.modules['hooks.alias'] = sys\n",
    "spaces/deep/mod.py": "",
}


@pytest.fixture(params=["installed", "packed"])
def library(request: pytest.FixtureRequest, tmp_path: Path) -> Library:
    """The same files, in a folder and in a wheel."""
    if request.param == "packed":
        return Library(Packed(tuple(FILES), {name: text.encode() for name, text in FILES.items()}))
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return Library(Installed(tmp_path))


@pytest.mark.parametrize(
    ("module", "name", "has"),
    [
        ("kelp", "grow", True),
        ("kelp", "hidden", False),
        ("kelp", "version", True),
        ("kelp", "VERSION", False),
        ("kelp", "core", True),
        ("kelp", "gone", False),
        ("kelp.branches", "fast", True),
        ("kelp.branches", "late", True),
        ("kelp.branches", "other", False),
        ("kelp.lazy", "anything", None),
        ("kelp.strict", "kept", None),
        ("kelp.strict", "wilted", False),
        ("kelp.wrapped", "anything", None),
        ("kelp.compiled", "anything", None),
        ("kelp.filled", "anything", None),
        ("kelp.read", "anything", False),
        ("kelp.enums", "FAST", True),
        ("kelp.enums", "FASTER", False),
        ("kelp.texts", "second", True),
        ("kelp.texts", "third", False),
        ("kelp.set_later", "running", True),
        ("kelp.replaced", "anything", None),
        ("kelp.standard", "sqrt", True),
        ("kelp.standard", "square", False),
        ("kelp.ring", "anything", False),
        ("kelp.broken", "anything", None),
        ("set.types", "study", None),
        ("set.types", "stud", False),
        ("spaces", "anything", None),
    ],
)
def test_a_name_is_missing_only_where_nothing_is_left_that_could_define_it(
    library: Library, module: str, name: str, has: bool | None
) -> None:
    assert library.look(module, name).has is has


def test_what_the_module_says_of_a_removed_name_is_kept(library: Library) -> None:
    assert library.look("kelp.strict", "wilted").hint == "Use `fresh` instead."


@pytest.mark.parametrize(
    ("module", "exists"),
    [
        ("kelp.core", True),
        ("kelp.fungi", False),
        ("kelp.core.inner", None),
        ("hooks.alias", None),
        ("hooks.other", False),
        ("spaces.deep", True),
        ("spaces.none", False),
        ("elsewhere", None),
    ],
)
def test_a_module_is_missing_only_where_no_package_above_it_could_provide_it(
    library: Library, module: str, exists: bool | None
) -> None:
    assert library.has_module(module) is exists


def test_what_a_base_of_another_package_answers_says_nothing_of_what_a_class_calls(tmp_path: Path) -> None:
    """A kept environment has both packages, a wheel only one; both must give the same answer."""
    for path, text in {
        "torch/__init__.py": "class Module:\n    def __getattr__(self, name): raise AttributeError(name)\n",
        "vision/__init__.py": "import torch\nclass Transform(torch.Module):\n"
        "    def transform(self): raise NotImplementedError\n",
        "open/__init__.py": "class Open:\n    def __getattr__(self, name): return print\n",
    }.items():
        (tmp_path / path).parent.mkdir(parents=True)
        (tmp_path / path).write_text(text)
    library = Library(Installed(tmp_path))
    absent, required, _ = looking.hooks(library, "vision.Transform", ["_transform", "__init__"])
    assert (absent, required) == (["_transform"], {"transform"})
    assert looking.hooks(library, "open.Open", ["_transform"])[0] == []
