"""What was only handled: the failure is what came after it, unless that only tells it in other words."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from seatrial.diagnosis.exceptions import read
from seatrial.diagnosis.handled import failing
from seatrial.diagnosis.translate import diagnose, examine
from seatrial.diagnosis.unrecognised import unrecognised

# What a program does, and the types of the exceptions that tell of its failure; the first cause last.
PROGRAMS = {
    "another module, which is missing too": (
        "try:\n    import flash_missing\nexcept ImportError:\n    import einops_missing",
        ["ModuleNotFoundError"],
    ),
    "another way, which fails in another function": (
        "def slow():\n    return 1 / 0\ntry:\n    {}['fast']\nexcept KeyError:\n    slow()",
        ["ZeroDivisionError"],
    ),
    "the same in other words": (
        "try:\n    import flash_missing\nexcept ImportError:\n    raise RuntimeError('no decoder')",
        ["RuntimeError", "ModuleNotFoundError"],
    ),
    "the reason is given": (
        (
            "def load():\n    import flash_missing\ntry:\n    load()\nexcept ImportError as error:\n"
            "    raise RuntimeError('no decoder') from error"
        ),
        ["RuntimeError", "ModuleNotFoundError"],
    ),
    "a function that raises": (
        (
            "def raise_plainly(error):\n    raise RuntimeError('no decoder')\ntry:\n    import flash_missing\n"
            "except ImportError as error:\n    raise_plainly(error)"
        ),
        ["RuntimeError", "ModuleNotFoundError"],
    ),
    "the message repeats it": (
        (
            "def tell(error):\n    raise RuntimeError(f'no decoder: {error}')\ntry:\n    import flash_missing\n"
            "except ImportError as error:\n    tell(error)"
        ),
        ["RuntimeError", "ModuleNotFoundError"],
    ),
    "cleaning up fails as well": (
        (
            "class Timer:\n    def __enter__(self): return self\n    def __exit__(self, *_): return None - 1.0\n"
            "with Timer():\n    import flash_missing"
        ),
        ["TypeError", "ModuleNotFoundError"],
    ),
    "it installs what is missing": (
        (
            "import subprocess, sys\ntry:\n    import flash_missing\nexcept ImportError:\n"
            "    subprocess.check_call([sys.executable, '-c', 'raise SystemExit(3)'])"
        ),
        ["CalledProcessError", "ModuleNotFoundError"],
    ),
    "what failed was no attempt": (
        "def other():\n    return {}['x']\ntry:\n    int('seven')\nexcept ValueError:\n    other()",
        ["KeyError", "ValueError"],
    ),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_what_tells_of_the_failure(name: str, tmp_path: Path) -> None:
    code, expected = PROGRAMS[name]
    file = tmp_path / "user.py"
    file.write_text(code)
    run = subprocess.run([sys.executable, "-I", str(file)], capture_output=True, text=True, timeout=60, check=False)
    (raised,) = read(run.stderr).raised
    assert [each.name for each in failing(raised)] == expected, run.stderr


HANDLED = """\
Traceback (most recent call last):
  File "/app/serving/predictor.py", line 5, in <module>
    import timm
ModuleNotFoundError: No module named 'timm'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "/app/serving/predictor.py", line 7, in <module>
    from serving.attention import slow
  File "/app/serving/attention.py", line 2, in <module>
    raise DriftError(7)
serving.attention.DriftError: 7
"""


def test_a_module_that_the_code_does_without_is_not_told() -> None:
    assert not diagnose(HANDLED)
    told = unrecognised(examine(HANDLED)[0])
    assert told is not None
    assert "DriftError: 7" in told.message
    assert "timm" not in f"{told.cause} {told.fix} {told.evidence}"


def test_a_module_that_is_told_in_other_words_is() -> None:
    text = HANDLED.replace("from serving.attention import slow", "raise DriftError(7)").replace(
        '  File "/app/serving/attention.py", line 2, in <module>\n    raise DriftError(7)\n', ""
    )
    assert "timm" in diagnose(text)[0].message


MISSING = (
    'Traceback (most recent call last):\n  File "/app/serving/predictor.py", line 5, in <module>\n    import timm\n'
    "ModuleNotFoundError: No module named 'timm'\n"
)
LONG = "2026-01-01 10:00:00,123 - a.package.with.a.long.name.of.modules - WARNING - the decoder is slow\n"


@pytest.mark.parametrize(
    "text",
    [
        f"WARNING:root:the index is read again\n{MISSING}INFO:     Application startup complete.\n",
        f"WARNING:root:could not import the fast decoder\n{MISSING}",
        f"{LONG}{MISSING}2026-01-01 10:00:00,124 - a.b - INFO - ready\n",
        f"{MISSING}Falling back to Pillow.\nINFO:     ready\n",
        f"{MISSING}The fast decoder will not be available.\n",
        f"{MISSING}INFO: using the slow decoder instead\n",
    ],
)
def test_an_exception_after_which_the_program_goes_on_is_not_told(text: str) -> None:
    assert not diagnose(text)


@pytest.mark.parametrize(
    "text",
    [
        f"WARNING:root:the disk is slow\n{MISSING}",
        f"WARNING:root:the disk is slow\n{MISSING}INFO:     Worker exiting (pid: 7)\n",
        f"{LONG}{MISSING}",
        f"{MISSING}INFO: shutting down instead of falling back\n",
    ],
)
def test_an_exception_that_nobody_caught_is_told_whatever_warning_stands_before_it(text: str) -> None:
    assert "timm" in diagnose(text)[0].message
