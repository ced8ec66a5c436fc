"""What an import finds where it is served: provided, optional, never executed, or not known."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.small_project import findings, locked, small_project

if TYPE_CHECKING:
    from pathlib import Path

CLASS = "class P:\n    pass\n"


def test_what_the_standard_library_the_lock_or_requirements_provide_is_no_finding(tmp_path: Path) -> None:
    text = "import json, xml.dom\nimport PIL.Image\nimport skimage\nimport yaml\nfrom google.cloud import storage\n"
    lock = locked("pillow==11.0.0", "scikit-image==0.25.0", "pyyaml==6.0", "google-cloud-storage==3.0.0")
    assert findings(small_project(tmp_path, {"predictor.py": text + CLASS, **lock})) == []


def test_a_member_of_a_shared_namespace_is_its_own_distribution(tmp_path: Path) -> None:
    text = "from google.cloud import storage, vision\n"
    project = small_project(tmp_path, {"predictor.py": text + CLASS, **locked("google-cloud-storage==3.0.0")})
    (found,) = findings(project, "ST110")
    assert found.message == "`google.cloud.vision` is imported, but no requirement provides it"


def test_an_optional_a_typing_and_an_unreachable_import_are_no_findings(tmp_path: Path) -> None:
    text = (
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import pandas\n"
        "try:\n    import turbojpeg\nexcept ImportError:\n    turbojpeg = None\n"
    )
    files = {"predictor/__init__.py": text + CLASS, "predictor/tool.py": "import matplotlib\n"}
    assert findings(small_project(tmp_path, files)) == []


@pytest.mark.parametrize(
    ("text", "severity"),
    [
        ("class P:\n    def load(self, uri):\n        import cv2\n", "error"),
        ("class P:\n    def load(self, uri):\n        if uri:\n            import cv2\n", "warning"),
        ("class P:\n    def load(self, uri):\n        edges()\ndef edges():\n    import cv2\n", "warning"),
        ("class P:\n    def export(self):\n        import cv2\n", "warning"),
        ("import sys\nif sys.argv[1:]:\n    import cv2\n" + CLASS, "warning"),
    ],
)
def test_an_import_that_serving_may_never_execute_is_only_a_warning(tmp_path: Path, text: str, severity: str) -> None:
    (found,) = findings(small_project(tmp_path, {"predictor.py": text}), "ST110")
    assert found.severity == severity
    files = {"predictor.py": text.replace("cv2", "extra"), "extra.py": ""}
    (found,) = findings(small_project(tmp_path, files), "ST201")
    assert found.severity == severity


def test_an_import_that_lacks_its_package_is_told_from_a_missing_distribution(tmp_path: Path) -> None:
    files = {
        "predictor/__init__.py": "from predictor.nets.deep import build\n" + CLASS,
        "predictor/nets/deep.py": "import blocks\nfrom layers import conv\n\ndef build(): ...\n",
        "predictor/nets/blocks.py": "",
        "predictor/layers.py": "conv = 1\n",
    }
    first, second = findings(small_project(tmp_path, files))
    assert (first.code, second.code) == ("ST201", "ST201")
    assert first.message == "`blocks` is imported, but only `predictor.nets.blocks` is in the package"
    assert second.fix == "write `from predictor import layers`, or `from predictor.layers import …`"


@pytest.mark.parametrize(
    "change",
    [
        "sys.path.insert(0, os.path.dirname(__file__))",
        "sys.path += [os.path.dirname(__file__)]",
        "sys.path.append(str(Path(__file__).parent))",
    ],
)
def test_where_the_code_changes_pythons_path_nothing_is_sure(tmp_path: Path, change: str) -> None:
    head = f"import os, sys\nfrom pathlib import Path\n{change}\n"
    files = {"predictor/__init__.py": f"{head}import blocks\nimport elsewhere\n{CLASS}", "predictor/blocks.py": ""}
    (found,) = findings(small_project(tmp_path, {**files, **locked("numpy==2.0.0")}))
    assert (found.code, found.severity, found.subject) == ("ST110", "warning", "elsewhere")
    assert "changes Python's path" in found.cause
