"""torch without numpy: the lock and torch's warning tell whether numpy is missing, too new or too old."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from seatrial.diagnosis.translate import diagnose
from seatrial.facts.gather import gather
from tests.diagnosis.families.lines import Said, hold, raised
from tests.small_project import locked, small_project


def without(error: str) -> str:
    return raised(f"RuntimeError: {error}", "/app/serving/predictor.py|return torch.tensor(scores)")


OTHER_INTERFACE = (
    "/opt/conda/lib/python3.8/site-packages/torch/_masked/__init__.py:223: UserWarning: Failed to initialize NumPy: "
    "module compiled against API version 0xf but this version of numpy is 0xe (Triggered internally at /opt/t.cpp:68.)\n"
)
LOGS = {
    "not available": Said(without("Numpy is not available"), "ST132", (r"numpy<2", r"numpy 1 is installed, raise")),
    "a number of numpy": Said(without("Could not infer dtype of numpy.float32"), "ST132", (r"numpy<2",)),
    "an older numpy than torch was built for": Said(
        OTHER_INTERFACE + without("Numpy is not available"), "ST160", (r"newer numpy", r"raise numpy"), (r"numpy<2",)
    ),
    "no numpy": Said(
        "x.py:1: UserWarning: Failed to initialize NumPy: No module named 'numpy' (Triggered internally at t.cpp:84.)\n"
        + without("Numpy is not available"),
        "ST150",
        (r"add `numpy` to requirements",),
        (r"numpy<2",),
    ),
    "a text is no number": Said(without("Could not infer dtype of numpy.str_"), "", (), (r"numpy<2",)),
    "None is no array": Said(without("Could not infer dtype of NoneType"), "", (), (r"numpy<2",)),
}


@pytest.mark.parametrize("name", LOGS)
def test_what_is_said_of_a_log(name: str) -> None:
    hold(LOGS[name])


@pytest.mark.parametrize(
    ("pins", "code", "words"),
    [
        (("torch==2.2.2", "numpy==2.0.1"), "ST132", r"torch 2\.2\.2 cannot use .*numpy 2\.0\.1"),
        (("torch==2.5.1",), "ST150", r"no requirement provides numpy"),
        (("torch==2.5.1", "numpy==2.0.1"), "ST160", r"afresh from the lock"),
    ],
)
def test_the_lock_decides(pins: tuple[str, ...], code: str, words: str, tmp_path: Path) -> None:
    facts = gather(small_project(tmp_path, {"predictor.py": "class P: ...\n", **locked(*pins)}))
    found = diagnose(without("Numpy is not available"), facts)
    assert found[0].code == code
    assert re.search(words, f"{found[0].message} {found[0].fix}")
