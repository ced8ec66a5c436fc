"""What a project takes from its locked libraries, looked up in wheels of an index and in a kept environment."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from seatrial.facts.gather import gather
from seatrial.facts.libraries import answers, asking
from seatrial.facts.libraries.taken import Taken
from seatrial.facts.packages import installed, requirements
from seatrial.project import Project
from tests.local_index import Index, sha256, write_wheel
from tests.small_project import small_project

OLD = {
    "kelp/__init__.py": "from kelp.base import Base\ndef dry(): ...\nclass Bed:\n    def plant(self): ...\n",
    "kelp/base.py": "class Base:\n    def _grow(self): raise NotImplementedError\n    def run(self): self._grow()\n",
    "kelp/layers/__init__.py": "",
    "kelp/layers/thin.py": "class Thin: ...\n",
}
NEW = {
    "kelp/__init__.py": "from kelp.base import Base\nclass Bed:\n    def sow(self): ...\n",
    "kelp/base.py": "class Base:\n    def grow(self): raise NotImplementedError\n    def run(self): self.grow()\n",
    "kelp/thin.py": "class Thin: ...\n",
}
REEF = {
    "reef/__init__.py": "import reef.walls\ntry:\n    from kelp import dry\nexcept ImportError:\n    pass\n",
    "reef/walls.py": "import kelp\nif kelp:\n    from kelp import gone\nWall = kelp.dry\ndef f(): return kelp.bygone\n",
}


def predictor(text: str) -> dict[str, str | bytes]:
    return {"predictor.py": f"{text}\n\nclass P:\n    def __init__(self):\n        pass\n"}


@pytest.fixture
def locks(served: Index) -> dict[str, str | bytes]:
    """A lock of kelp 2.0, of which 1.0 has other names, and of reef, which was written for that one."""
    write_wheel(served.folder, "kelp", "1.0", modules=OLD)
    pins = {
        "kelp==2.0": write_wheel(served.folder, "kelp", "2.0", modules=NEW),
        "reef==1.0": write_wheel(served.folder, "reef", "1.0", modules=REEF),
    }
    lines = [f"{pin} --hash={sha256(file)}\n" for pin, file in pins.items()]
    return {"requirements.in": "kelp\nreef\n", "requirements.txt": "".join(lines)}


def learn(project: Project) -> Taken:
    return answers.learn(gather(project))


@pytest.mark.parametrize(
    ("text", "question", "lacks", "similar"),
    [
        ("from kelp import dry", "kelp:dry", ("kelp", "dry"), ""),
        ("import kelp\nkelp.dry()", "kelp.dry", ("kelp", "dry"), ""),
        ("import kelp\nX = kelp.dry", "kelp.dry", ("kelp", "dry"), ""),
        ("from kelp.layers.thin import Thin", "kelp.layers.thin:Thin", ("kelp.layers.thin", ""), "kelp.thin"),
        ("import kelp\nkelp.Bed().plant()", "kelp.Bed().plant", ("kelp", "Bed.plant"), ""),
    ],
)
def test_a_name_that_only_another_release_has_is_missing(
    tmp_path: Path, locks: Mapping[str, str | bytes], text: str, question: str, lacks: tuple[str, str], similar: str
) -> None:
    found = learn(small_project(tmp_path / "project", {**locks, **predictor(text)}))
    assert set(found.missing) == {question}
    missing = found.missing[question]
    assert ((missing.module, missing.name), missing.below, missing.similar) == (lacks, "1.0", similar)
    assert (missing.distribution, missing.version, missing.certain) == ("kelp", "2.0", True)


def test_a_module_that_is_gone_is_asked_about_once_however_many_names_are_taken_from_it(
    tmp_path: Path, served: Index, locks: Mapping[str, str | bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "_MOST_COMPLETED", 1)
    text = "from kelp.layers.thin import Thin\nfrom kelp.layers.thin import Thick, Flat"
    found = learn(small_project(tmp_path / "project", {**locks, **predictor(text)}))
    assert {one.below for one in found.missing.values()} == {"1.0"}
    assert len(found.missing) == 3


@pytest.mark.parametrize(("use", "above"), [("@kelp.dry(1)\ndef f(): ...", ""), ("X = kelp.dry", "3.0")])
def test_a_module_of_its_name_in_another_release_is_not_what_the_code_calls(
    tmp_path: Path, served: Index, locks: Mapping[str, str | bytes], use: str, above: str
) -> None:
    write_wheel(served.folder, "kelp", "3.0", modules={**NEW, "kelp/dry.py": "def leaf(): ...\n"})
    found = learn(small_project(tmp_path / "project", {**locks, **predictor(f"import kelp\n\n{use}")}))
    (missing,) = found.missing.values()
    assert (missing.name, missing.below, missing.above) == ("dry", "1.0", above)


@pytest.mark.parametrize(
    "text",
    [
        "from kelp import Bed, base",
        "import kelp\nkelp.Bed().sow()",
        "try:\n    from kelp import dry\nexcept ImportError:\n    dry = None",
        "import kelp\nif hasattr(kelp, 'dry'):\n    kelp.dry()",
        "import kelp\nkelp.dry = print\nkelp.dry()",
        "from elsewhere import anything",
    ],
)
def test_what_is_there_or_tried_is_not_missing(tmp_path: Path, locks: Mapping[str, str | bytes], text: str) -> None:
    assert not learn(small_project(tmp_path / "project", {**locks, **predictor(text)})).missing


def test_a_hook_that_the_locked_base_class_renamed_is_found(tmp_path: Path, locks: Mapping[str, str | bytes]) -> None:
    text = "import kelp\n\nclass Leaf(kelp.Base):\n    def _grow(self): ...\n    def _own(self): ...\n"
    found = learn(small_project(tmp_path / "project", {**locks, **predictor(text)}))
    ((hook,),) = found.hooks.values()
    assert (hook.missing.name, hook.missing.similar, hook.missing.below) == ("Base._grow", "grow", "1.0")
    assert hook.required


def test_what_a_library_surely_takes_on_import_from_another_is_looked_up(
    tmp_path: Path, locks: Mapping[str, str | bytes]
) -> None:
    found = learn(small_project(tmp_path / "project", {**locks, **predictor("import reef")}))
    (misfit,) = found.misfits
    assert (misfit.importer, misfit.module, misfit.line) == ("reef", "reef.walls", 4)
    assert (misfit.missing.module, misfit.missing.name, misfit.missing.below) == ("kelp", "dry", "1.0")


def test_what_was_learnt_is_not_asked_again(tmp_path: Path, served: Index, locks: Mapping[str, str | bytes]) -> None:
    project = small_project(tmp_path / "project", {**locks, **predictor("from kelp import dry")})
    first = learn(project)
    served.asked.clear()
    assert learn(project) == first
    assert not served.asked


def test_a_distribution_without_a_wheel_is_asked_about_once(tmp_path: Path, served: Index) -> None:
    pin = {"requirements.in": "moss\n", "requirements.txt": f"moss==1.0 --hash=sha256:{'0' * 64}\n"}
    project = small_project(tmp_path / "project", {**pin, **predictor("import moss\nmoss.grow()")})
    assert learn(project) == Taken()
    assert served.asked
    served.asked.clear()
    assert learn(project) == Taken()
    assert not served.asked


def test_offline_without_an_environment_nothing_is_decided(
    tmp_path: Path, served: Index, locks: Mapping[str, str | bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEATRIAL_OFFLINE", "1")
    found = learn(small_project(tmp_path / "project", {**locks, **predictor("from kelp import dry")}))
    assert (found.missing, found.undecided) == ({}, "the index was not to be asked")
    assert not served.asked


@pytest.mark.parametrize("offline", [True, False])
def test_a_kept_environment_is_read_in_place_of_the_index(
    tmp_path: Path, served: Index, locks: Mapping[str, str | bytes], monkeypatch: pytest.MonkeyPatch, offline: bool
) -> None:
    if offline:
        monkeypatch.setenv("SEATRIAL_OFFLINE", "1")
    text = "from kelp import dry"
    project = small_project(tmp_path / "project", {**locks, **predictor(text)}, python="3.11")
    _keep(tmp_path / "cache", project, NEW)
    served.asked.clear()
    missing = learn(project).missing["kelp:dry"]
    assert (missing.certain, missing.below) == ((False, "") if offline else (True, "1.0"))
    assert not [path for path in served.asked if "kelp-2.0" in path]


def _keep(cache: Path, project: Project, modules: Mapping[str, str]) -> None:
    """Make what looks like the environment that a trial kept of a project's lock."""
    lock = requirements.read(project.lock_file, project.root)
    runtime = requirements.read_runtime("requirements.txt")
    text = installed.merged(lock, project.lock_file.read_text(encoding="utf-8"), runtime)
    python = _python(cache)
    root = cache / installed.name_of(str(python), "3.11.7", text)
    site = root / "environment/lib/python3.11/site-packages"
    record = "".join(f"{name},,\n" for name in modules)
    for name, content in {**modules, "kelp-2.0.dist-info/RECORD": record}.items():
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_text(content)
    (root / "environment/bin").mkdir()
    (root / "environment/bin/python").symlink_to(python)
    (root / "environment/pyvenv.cfg").write_text("version_info = 3.11.7\n")
    (root / "snapshot.json").write_text("{}")


def _python(cache: Path) -> Path:
    cache.mkdir(exist_ok=True)
    python = cache.parent / "python3.11"
    python.touch()
    return python


@pytest.mark.parametrize(
    ("name", "below", "above", "similar"),
    [
        ("dry_leaves", "1.0", "", "dry_leaf"),
        ("wet_leaves", "1.0", "", ""),  # _wet_leaves is private
        ("tie_leaves", "", "3.0", ""),  # it is new, and was never tie_leaf
    ],
)
def test_what_is_offered_instead_is_public_and_may_have_had_the_name(
    tmp_path: Path, served: Index, name: str, below: str, above: str, similar: str
) -> None:
    old, new = "def dry_leaves(): ...\ndef wet_leaves(): ...\n", "def tie_leaves(): ...\n"
    here = "def dry_leaf(): ...\ndef _wet_leaves(): ...\ndef tie_leaf(): ...\n"
    for version, text in (("1.0", old), ("3.0", new)):
        write_wheel(served.folder, "kelp", version, modules={"kelp/__init__.py": text})
    wheel = write_wheel(served.folder, "kelp", "2.0", modules={"kelp/__init__.py": here})
    lock = {"requirements.in": "kelp\n", "requirements.txt": f"kelp==2.0 --hash={sha256(wheel)}\n"}
    found = learn(small_project(tmp_path / "project", {**lock, **predictor(f"from kelp import {name}")}))
    missing = found.missing[f"kelp:{name}"]
    assert missing is not None
    assert (missing.below, missing.above, missing.similar) == (below, above, similar)
