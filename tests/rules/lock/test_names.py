"""Names that locked libraries lack: the pairs of projects, and what is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.facts.libraries.remembered import Remembered
from seatrial.facts.libraries.taken import Hook, Missing
from seatrial.findings import Severity
from seatrial.rules.lock import names
from tests.projects.base import Twin, made
from tests.projects.twins.names import building, lacking, missing
from tests.rules.judging import Judge, twins_of
from tests.small_project import findings


@pytest.mark.parametrize("twin", twins_of(names), ids=str)
def test_the_broken_project_has_exactly_its_fault_and_its_twin_none(judge: Judge, twin: Twin) -> None:
    judge(twin)


@pytest.mark.parametrize(
    ("more", "fix"),
    [
        ({}, "write `kelp<=1.9` in requirements.in and run `seatrial lock`"),
        ({"above": "2.4"}, "write `kelp>=2.4` in requirements.in and run `seatrial lock`"),  # 1.9 lacks much else
        ({"above": "3.0"}, "write `kelp<=1.9` in requirements.in and run `seatrial lock`"),
        ({"similar": "Air"}, "use `Air`; or write `kelp<=1.9` in requirements.in and run `seatrial lock`"),
        (
            {"hint": "Use `air` instead."},
            "do as kelp says: Use `air` instead; or write `kelp<=1.9` in requirements.in and run `seatrial lock`",
        ),
    ],
)
def test_the_fix_names_what_replaced_it_and_a_release_that_has_it(
    tmp_path: Path, more: dict[str, str], fix: str
) -> None:
    known = lacking(("kelp.layers:Dry", missing("kelp.layers", "Dry", **more)))
    (found,) = findings(made(tmp_path, building("pass", "from kelp.layers import Dry"), taken=known))
    assert found.message == "kelp 2.0 has no `Dry` in `kelp.layers`"
    assert found.cause.startswith("kelp 1.9 is the last release that has it")
    assert (found.fix, found.cloud) == (fix, "ImportError: cannot import name 'Dry' from 'kelp.layers'")


def test_a_table_that_knows_the_replacement_speaks_alone(tmp_path: Path) -> None:
    line = "from torchvision.transforms.functional_tensor import rgb_to_grayscale"
    known = lacking(("torchvision.transforms.functional_tensor:rgb_to_grayscale", missing("torchvision.transforms")))
    found = findings(made(tmp_path, building("pass", line), taken=known))
    assert [finding.code for finding in found] == ["ST411"]


def test_a_method_that_only_resembles_a_hook_is_a_warning(tmp_path: Path) -> None:
    """PreTrainedModel raises NotImplementedError in hooks that a model need not have."""
    text = "import kelp\n\n\nclass Leaf(kelp.Base):\n    def dry_all(self): ...\n"
    own = Missing("kelp", "2.0", "kelp", "Base.dry_all", similar="dry_some", certain=True)
    known = Remembered(hooks={"kelp.Base!dry_all": [Hook(own, required=True)]})
    (found,) = findings(made(tmp_path, building("pass", text), taken=known))
    assert (found.code, found.severity) == ("ST172", Severity.WARNING)
    assert found.message.startswith("`Leaf.dry_all` may never be called")


def test_nothing_is_said_where_nothing_is_known(tmp_path: Path) -> None:
    assert findings(made(tmp_path, building("pass", "from kelp.layers import Dry"), taken=Remembered())) == []


def test_a_name_that_many_lines_take_is_one_finding_at_one_that_surely_runs(tmp_path: Path) -> None:
    """timm asks a module of its own whether torch has a function, and takes it in hundreds of places."""
    maybe = "".join(f"def f{number}():\n    return kelp.dry({number})\n\n\n" for number in range(12))
    known = lacking(("kelp.dry", missing("kelp", "dry")))
    calls = "; ".join(f"f{number}()" for number in range(12))
    doubted = building(calls, f"import kelp\n\n\n{maybe}")
    (found,) = findings(made(tmp_path / "doubted", doubted, taken=known))
    assert (found.severity, found.location and found.location.line) == (Severity.WARNING, 6)
    assert found.evidence[:2] == ("taken at predictor/network.py:10:12 too", "taken at predictor/network.py:14:12 too")
    assert (len(found.evidence), found.evidence[-1]) == (9, "and at 3 more places")
    sure = building(calls, f"import kelp\n\n\n{maybe}LAST = kelp.dry(0)\n")
    (found,) = findings(made(tmp_path / "sure", sure, taken=known))
    assert (found.severity, found.location and found.location.line) == (Severity.ERROR, 53)


def test_what_is_taken_through_a_module_that_is_gone_is_not_told_beside_its_import(tmp_path: Path) -> None:
    """The import fails first, and a release that has only the package would be the wrong one to lock."""
    head = "import kelp\nfrom kelp.old.logs import LOGGER\n\n\ndef f():\n    kelp.old.warn(1)\n"
    known = lacking(
        ("kelp.old.logs:LOGGER", missing("kelp.old.logs")), ("kelp.old.warn", missing("kelp", "old", similar="bold"))
    )
    (found,) = findings(made(tmp_path, building("f()", head), taken=known))
    assert found.message == "kelp 2.0 has no module `kelp.old.logs`"
