"""Files that only this machine has: the pairs of projects, and what is no fault."""

from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.rules.source import files as rules
from tests.projects.base import BASE, Files, Twin, made
from tests.projects.code import configured, moved
from tests.projects.twins.files import GLOBS, LABELS, reading
from tests.rules.judging import Judge, twins_of
from tests.small_project import findings


@pytest.mark.parametrize("twin", twins_of(rules), ids=str)
def test_the_broken_project_has_exactly_its_fault_and_its_twin_none(judge: Judge, twin: Twin) -> None:
    judge(twin)


LABELS_FILE = 'Path(__file__).parent / "data/labels.json"'


HARMLESS = (
    f"p = {LABELS_FILE}\n    json.loads(p.read_text()) if p.exists() else []",
    f"p = {LABELS_FILE}\n    if not p.is_file():\n        return\n    p.read_text()",
    f"try:\n        open({LABELS_FILE})\n    except OSError:\n        pass",
    f"with contextlib.suppress(OSError):\n        open({LABELS_FILE})",
    f'open(os.environ.get("LABELS", {LABELS_FILE}))',
    'open(Path(__file__).parent / f"data/{language}.json")',
    f'({LABELS_FILE}).write_text("")',
    f'open({LABELS_FILE}, "w")',
    "sys.path.insert(0, str(Path(__file__).parent.parent))",
    'open("/proc/meminfo")',
    'open("nothing/of/the/project.json")',
    'print(Path("/home/anna/digits").name)',
    'torch.hub.set_dir(os.path.expanduser("~/.cache/models"))',
)


def test_what_the_code_expects_or_what_cannot_be_known_is_no_fault(tmp_path: Path) -> None:
    lines = [f"def f{number}(language):\n    {line}\n" for number, line in enumerate(HARMLESS)]
    head = "import contextlib\nimport json\nimport os\nimport sys\nimport torch\nfrom pathlib import Path\n\n"
    calls = ", ".join(f"more.f{number}" for number in range(len(HARMLESS)))
    files = reading("from predictor import more", f"self._each = [{calls}]", more=head + "\n".join(lines))
    assert findings(made(tmp_path, {**files, GLOBS: LABELS})) == []


@pytest.mark.parametrize(
    "move", ["os.chdir(artifacts_uri)", "prediction_utils.download_model_artifacts(artifacts_uri)"]
)
def test_a_relative_path_is_no_fault_where_the_artifacts_are_the_working_directory(tmp_path: Path, move: str) -> None:
    head = "import os\nfrom google.cloud.aiplatform.utils import prediction_utils"
    project = made(tmp_path, reading(head, f'{move}\n        open("weights.pt", "rb")'))
    assert findings(project, "ST211") == []


def test_a_file_of_the_package_gets_the_line_that_ships_it(tmp_path: Path) -> None:
    line = 'open(Path(__file__).parent / "data/labels.json")'
    files = {**reading("", line), GLOBS: LABELS}
    (found,) = findings(made(tmp_path, files))
    assert found.fix == 'to [tool.seatrial] add: `package-data = ["predictor/data/labels.json"]`'
    more = {**files, **configured('package-data = ["predictor/data/other.*"]'), "predictor/data/other.txt": ""}
    (found,) = findings(made(tmp_path / "more", more))
    assert found.fix == 'add it to `package-data` in [tool.seatrial]: `"predictor/data/labels.json"`'


TABLE = str(BASE["pyproject.toml"])
SAID = "the package holds only modules and what `package-data` names, and it names no predictor/data/labels.json"


@pytest.mark.parametrize(
    ("others", "named"),
    [
        ({}, ""),
        ({"pyproject.toml": f"{TABLE}[tool.setuptools]\npackages = ['predictor']\ninclude-package-data = false\n"}, ""),
        (
            {"pyproject.toml": f"{TABLE}[tool.setuptools.package-data]\npredictor = ['data/*.json']\n"},
            "`package-data` in [tool.setuptools]",
        ),
        (
            {"pyproject.toml": f"{TABLE}[tool.hatch.build.targets.wheel.force-include]\n'predictor/data' = 'data'\n"},
            "`force-include` in [tool.hatch.build.targets.wheel]",
        ),
        ({"pyproject.toml": f"{TABLE}[tool.poetry]\ninclude = ['predictor/data']\n"}, "`include` in [tool.poetry]"),
        (
            {"pyproject.toml": f"[build-system]\nbuild-backend = 'hatchling.build'\n{TABLE}"},
            "hatchling, which takes every file of a package",
        ),
        (
            {
                "MANIFEST.in": "include predictor/data/*.json\n",
                "setup.py": "from setuptools import setup\n\nsetup(package_data={'predictor': ['data/*.json']})\n",
                "setup.cfg": "[options.package_data]\npredictor = data/*.json\n",
            },
            "MANIFEST.in, `package_data` in setup.cfg or `package_data` in setup.py",
        ),
    ],
)
def test_a_table_of_a_build_backend_that_names_the_file_is_said_not_to_count(
    tmp_path: Path, others: Files, named: str
) -> None:
    files = {**reading("", 'open(Path(__file__).parent / "data/labels.json")'), GLOBS: LABELS, **others}
    (found,) = findings(made(tmp_path, files), "ST210")
    assert found.cause == (f"{SAID}; [tool.seatrial] alone decides what ships, and not {named}" if named else SAID)
    assert found.fix == 'to [tool.seatrial] add: `package-data = ["predictor/data/labels.json"]`'


def test_a_file_of_the_artifacts_is_to_be_read_from_where_load_is_told(tmp_path: Path) -> None:
    (found,) = findings(made(tmp_path, reading("", 'open("artifacts/weights.pt", "rb")')))
    assert found.fix == (
        'read it from the folder of the artifacts, which load() gets: `Path(artifacts_uri) / "weights.pt"`'
    )


def test_a_package_in_src_is_read_as_one_in_the_root_is(tmp_path: Path) -> None:
    files = {**moved("src/predictor", "predictor:Predictor"), "src/predictor/names.txt": ""}
    files["src/predictor/predictor.py"] = reading("", 'open(Path(__file__).parent / "names.txt")')[
        "predictor/predictor.py"
    ]
    (found,) = findings(made(tmp_path / "broken", files))
    assert (found.code, found.subject) == ("ST210", "src/predictor/names.txt")
    shipped = configured('package-data = ["src/predictor/*.txt"]')
    assert findings(made(tmp_path / "mended", {**files, **shipped})) == []
