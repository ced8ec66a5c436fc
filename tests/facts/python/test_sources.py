"""Reading the source tree that ships: modules, imports with their places, reachability."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from seatrial.facts.python.module import Import
from seatrial.facts.python.sources import read_scripts, read_sources
from tests.small_project import small_project

if TYPE_CHECKING:
    from pathlib import Path


def imports_of(folder: Path, text: str) -> list[Import]:
    sources = read_sources(small_project(folder, {"predictor/__init__.py": text}))
    return list(sources.modules["predictor"].imports)


def test_a_folder_ships_all_its_modules_and_a_single_file_is_a_module(tmp_path: Path) -> None:
    project = small_project(
        tmp_path,
        {"predictor.py": "", "nets/__init__.py": "", "nets/deep/net.py": "", "nets/not-a-name/x.py": ""},
        packages=["predictor", "nets", "gone"],
    )
    sources = read_sources(project)
    assert sorted(sources.modules) == ["nets", "nets.deep.net", "predictor"]
    assert sources.ships("nets.deep")
    assert sources.absent == ("gone",)


def test_every_spelling_of_an_import_has_its_target_and_place(tmp_path: Path) -> None:
    text = "import a.b as c, d\nfrom e.f import g, h\n\ndef call():\n    from i import j\n"
    found = imports_of(tmp_path, text)
    assert [(i.module, i.names, str(i.location), i.lazy) for i in found] == [
        ("a.b", (), "predictor/__init__.py:1:8", False),
        ("d", (), "predictor/__init__.py:1:18", False),
        ("e.f", ("g", "h"), "predictor/__init__.py:2:1", False),
        ("i", ("j",), "predictor/__init__.py:5:5", True),
    ]


def test_relative_imports_are_made_absolute(tmp_path: Path) -> None:
    project = small_project(
        tmp_path,
        {"predictor/__init__.py": "from . import model\n", "predictor/deep/net.py": "from ..model import Net\n"},
    )
    modules = read_sources(project).modules
    assert [i.module for i in modules["predictor"].imports] == ["predictor"]
    assert [i.module for i in modules["predictor.deep.net"].imports] == ["predictor.model"]


def test_an_import_that_may_fail_is_optional(tmp_path: Path) -> None:
    text = (
        "import contextlib\nimport sys\n"
        "try:\n    import a\nexcept ImportError:\n    import b\nelse:\n    import c\n"
        "with contextlib.suppress(ModuleNotFoundError):\n    import d\n"
        "if sys.version_info >= (3, 11):\n    import e\nelse:\n    import f\n"
        "try:\n    import g\nexcept ValueError:\n    pass\n"
    )
    optional = {i.module: i.optional for i in imports_of(tmp_path, text)}
    assert [m for m, is_optional in optional.items() if is_optional] == ["a", "b", "c", "d", "e", "f"]


def test_what_serving_cannot_execute_does_not_run(tmp_path: Path) -> None:
    text = (
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import a\nelse:\n    import b\n"
        'if __name__ == "__main__":\n    import c\n'
    )
    assert [i.module for i in imports_of(tmp_path, text) if not i.runs] == ["a", "c"]


def test_reachability_follows_imports_and_counts_parents(tmp_path: Path) -> None:
    project = small_project(
        tmp_path,
        {
            "predictor/__init__.py": "",
            "predictor/serve/__init__.py": "",
            "predictor/serve/main.py": "def load():\n    from predictor import model\n",
            "predictor/model.py": "import predictor.nets.net\n",
            "predictor/nets/__init__.py": "",
            "predictor/nets/net.py": "",
            "predictor/unused.py": "import nowhere\n",
        },
        predictor="predictor.serve.main:P",
    )
    sources = read_sources(project)
    assert sorted(sources.modules.keys() - sources.reachable) == ["predictor.unused"]


def test_a_syntax_error_is_a_fact_with_its_place(tmp_path: Path) -> None:
    project = small_project(tmp_path, {"predictor.py": "import model\n\ndef load(:\n"})
    fault = read_sources(project).faults["predictor"]
    assert str(fault.location) == "predictor.py:3:10"
    assert fault.message == "invalid syntax"


def test_an_imported_module_that_does_not_ship_is_found_in_the_project(tmp_path: Path) -> None:
    project = small_project(
        tmp_path,
        {"predictor.py": "import extra\nfrom lib import tools\nimport empty\n", "extra.py": "", "lib/tools.py": ""},
    )
    (tmp_path / "empty").mkdir()
    assert read_sources(project).left_out == {"extra": "extra.py", "lib": "lib", "lib.tools": "lib/tools.py"}


def test_a_comment_that_is_not_utf8_is_skipped_as_python_skips_it(tmp_path: Path) -> None:
    text = b"# Gr\xf6sse\nimport a\nx = 1; import b  # \xf6\n"
    sources = read_sources(small_project(tmp_path, {"predictor/__init__.py": text}))
    assert not sources.faults
    assert [str(i.location) for i in sources.modules["predictor"].imports] == [
        "predictor/__init__.py:2:8",
        "predictor/__init__.py:3:15",
    ]


@pytest.mark.parametrize(
    ("text", "module"),
    [
        ("import importlib\nx = importlib.import_module('sklearn.svm')\n", "sklearn.svm"),
        ("import importlib as i\nx = i.import_module('sklearn.svm').SVC\n", "sklearn.svm"),
        ("from importlib import import_module as load\nx = load('sklearn.svm')\n", "sklearn.svm"),
        ("x = __import__('sklearn')\n", "sklearn"),
        ("import importlib\nx = importlib.import_module('.net', __package__)\n", "predictor.net"),
    ],
)
def test_an_import_by_a_call_is_an_import_of_the_name_passed_to_it(tmp_path: Path, text: str, module: str) -> None:
    project = small_project(tmp_path, {"predictor/__init__.py": text})
    assert module in [i.module for i in read_sources(project).modules["predictor"].imports]


def test_what_is_not_a_regular_file_is_not_a_module(tmp_path: Path) -> None:
    project = small_project(tmp_path, {"predictor/__init__.py": "class P:\n    pass\n"})
    os.mkfifo(tmp_path / "predictor/pipe.py")
    (tmp_path / "predictor/zero.py").symlink_to("/dev/zero")
    (tmp_path / "predictor/ring.py").symlink_to("ring.py")
    (tmp_path / "predictor/folder.py").mkdir()
    assert list(read_sources(project).modules) == ["predictor"]


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("from google.cloud import aiplatform\naiplatform.Model.upload(display_name='a')\n", True),
        ("from google.cloud import aiplatform\nendpoint.deploy(model, machine_type='n1')\n", True),
        ("from google.cloud import aiplatform\nendpoint.deploy(model, traffic_split = {'0': 1})\n", True),
        ("from google.cloud import aiplatform\nprint(aiplatform.Model.list())\n", False),
        ("from google.cloud import aiplatform\nif machine_type == 'n1': pass\n", False),
        ("aiplatform.Model.upload(display_name='a')\n", False),
        ("import cv2\n", True),
        ("import os  # aiplatform, cv2\n", False),
    ],
)
def test_only_scripts_that_rules_ask_something_of_are_read(tmp_path: Path, text: str, read: bool) -> None:
    project = small_project(tmp_path, {"predictor/__init__.py": "class P:\n    pass\n", "tool.py": text})
    scripts = read_scripts(project, read_sources(project))
    assert [script.path for script in scripts] == (["tool.py"] if read else [])
