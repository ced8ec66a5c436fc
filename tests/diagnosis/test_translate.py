"""From a traceback or a log to findings: on texts that torch, torchvision and Python wrote.

The files in logs/ are the output of a predictor that was installed in an environment and failed.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from seatrial.diagnosis.places import user_frames
from seatrial.diagnosis.translate import diagnose
from seatrial.facts.gather import gather
from seatrial.findings import Location
from tests.small_project import locked, small_project

LOGS = Path(__file__).parent / "logs"


@pytest.mark.parametrize(
    ("log", "code", "message", "line"),
    [
        ("cuda_checkpoint", "ST601", "saved on a GPU and are loaded without map_location", 12),
        ("cut_off", "ST303", "the weights file is cut off", 12),
        ("download", "ST506", "downloads https://download.pytorch.org/models/resnet18-f37072fd.pth", 5),
        ("empty", "ST303", "the weights file is empty or cut off", 12),
        ("lfs_pointer", "ST303", "the weights are a Git LFS pointer", 12),
        ("lfs_pointer_old", "ST303", "the weights are a Git LFS pointer", 12),
        ("main_class", "ST301", "a pickled `Net` that was defined in `__main__`", 12),
        ("no_driver", "ST601", "asks for CUDA, and the machine has no GPU", 5),
        ("page", "ST303", "the weights are an HTML or XML page", 12),
        ("prefixed", "ST308", "the names in the weights begin `module.`", 12),
        ("size_mismatch", "ST305", "`layer.weight` is [1, 2] in the weights and [1, 3] in the model", 12),
        ("state_dict_as_model", "ST206", "a collections.OrderedDict has no `eval`", 5),
        ("torchvision_operators", "ST122", "built for another torch: its library needs the symbol _ZN3c10", 6),
        ("weights_only", "ST301", "a pickled `Labelled` that was defined in `__main__`", 12),
        ("weights_only_linear", "ST304", "it holds a pickled `torch.nn.modules.linear.Linear`", 12),
    ],
)
def test_a_real_failure_is_recognised_at_the_users_line(
    tmp_path: Path, log: str, code: str, message: str, line: int
) -> None:
    project = small_project(tmp_path, {"predictor/__init__.py": "class P: ...\n"})
    found = diagnose((LOGS / f"{log}.txt").read_text(encoding="utf-8"), gather(project))
    assert [f.code for f in found] == [code]
    assert message in found[0].message
    assert found[0].location == Location("predictor/__init__.py", line)
    assert found[0].cause
    assert found[0].fix


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ("RuntimeError: operator torchvision::nms does not exist", "ST122", "it has no operator `nms`"),
        (
            "OSError: torchvision/_C.so: undefined symbol: _ZN3c104cuda29c10_cuda_check_implementationEiPKcS2_jb",
            "ST122",
            "its _C.so needs _ZN3c104cuda29c10_cuda_check_implementationEiPKcS2_jb",
        ),
        (
            "OSError: libc10_cuda.so: cannot open shared object file: No such file or directory",
            "ST161",
            "libc10_cuda.so is of a torch with CUDA",
        ),
        (
            (
                "RuntimeError: Detected that PyTorch and torchvision were compiled with different CUDA major versions. "
                "PyTorch has CUDA Version=13.0 and torchvision has CUDA Version=12.8. Please reinstall"
            ),
            "ST122",
            "torch was built for CUDA 13.0, torchvision for CUDA 12.8",
        ),
        (
            (
                "ERROR: Cannot install torch==1.13.1 and torchvision==0.15.1 because these package versions have "
                "conflicting dependencies."
            ),
            "ST120",
            "torch==1.13.1 and torchvision==0.15.1 cannot be installed together",
        ),
        ("ERROR: No matching distribution found for torch==2.0.1", "ST121", "torch==2.0.1 has no wheel"),
        ("AssertionError: Torch not compiled with CUDA enabled", "ST601", "is a CPU build"),
        (
            "RuntimeError: The NVIDIA driver on your system is too old (found version 11040). Please update",
            "ST602",
            "the NVIDIA driver (CUDA 11040) is too old",
        ),
        ("TypeError: Object of type float32 is not JSON serializable", "ST521", "holds a float32"),
        ("_pickle.UnpicklingError: pickle data was truncated", "ST309", "cut off"),
        ("AttributeError: Can't get attribute 'Net' on <module '__main__' from '/usr/bin/gunicorn'>", "ST301", "`Net`"),
        ("AttributeError: Can't get attribute 'Net' on <module 'server.__main__' from '/a.py'>", "ST301", "`Net`"),
        (
            "AttributeError: Can't get attribute 'ConvBNReLU' on <module 'torchvision.models.mobilenet' from '/a.py'>",
            "ST313",
            "needs `ConvBNReLU`, which `torchvision.models.mobilenet` does not have",
        ),
    ],
)
def test_a_line_of_the_cloud_is_recognised_without_a_project(text: str, code: str, message: str) -> None:
    (found,) = diagnose(text)
    assert (found.code, found.location) == (code, None)
    assert message in found.message
    assert found.evidence == (text,)


def test_a_warning_that_there_is_no_gpu_is_not_a_failure() -> None:
    line = "cuda/__init__.py:118: UserWarning: CUDA initialization: Found no NVIDIA driver on your system."
    assert diagnose(line) == []


def test_a_text_that_no_rule_knows_yields_no_finding() -> None:
    assert diagnose('Traceback (most recent call last):\n  File "a.py", line 1\nValueError: 7\n') == []


def installed(folder: Path, files: dict[str, str], code: str, *, ends: int = 1) -> str:
    """Install modules into an empty environment's folder, run code that uses them, and return the traceback."""
    place = folder / "environment" / "site-packages"
    for name, text in files.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(text)
    run = subprocess.run(
        [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(place)!r}); {code}"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == ends
    return run.stderr


def test_a_missing_distribution_is_named_with_the_line_to_add(tmp_path: Path) -> None:
    files = {
        "predictor/__init__.py": "from predictor import model\n",
        "predictor/model.py": "x = 1\nimport torchvision\n",
    }
    project = small_project(tmp_path / "project", {**files, **locked("torch==2.5.1")})
    (found,) = diagnose(installed(tmp_path, files, "import predictor"), gather(project))
    assert (found.code, str(found.location)) == ("ST110", "predictor/model.py:2")
    assert "add the line `torchvision==0.20.1`" in found.fix
    assert found.evidence == (
        "predictor/__init__.py:1, in <module>",
        "    from predictor import model",
        "predictor/model.py:2, in <module>",
        "    import torchvision",
        "ModuleNotFoundError: No module named 'torchvision'",
    )


def test_a_module_of_the_project_that_does_not_ship_is_not_a_missing_distribution(tmp_path: Path) -> None:
    files = {"predictor.py": "from extra import transform\n"}
    project = small_project(tmp_path / "project", {**files, "extra.py": "transform = 1\n"})
    (found,) = diagnose(installed(tmp_path, files, "import predictor"), gather(project))
    assert (found.code, str(found.location)) == ("ST201", "predictor.py:1")
    assert found.cause == "extra.py does not ship: `packages` does not name it"


def test_a_module_that_a_pickle_needs_is_told_from_one_that_code_imports(tmp_path: Path) -> None:
    content = repr(b"\x80\x02cextra\nOwn\nq\x00.")
    files = {"predictor.py": f"import pickle\n\ndef load():\n    return pickle.loads({content})\n"}
    project = small_project(tmp_path / "project", {**files, "extra.py": "class Own: ...\n"})
    (found,) = diagnose(installed(tmp_path, files, "import predictor; predictor.load()"), gather(project))
    assert (found.code, str(found.location)) == ("ST302", "predictor.py:4")
    assert "`extra`" in found.message


def test_a_class_of_main_is_located_at_its_definition_in_the_project(tmp_path: Path) -> None:
    content = repr(b"\x80\x02c__main__\nOwn\nq\x00.")
    files = {"predictor.py": f"import pickle\n\ndef load():\n    return pickle.loads({content})\n"}
    project = small_project(tmp_path / "project", {**files, "train.py": "\nclass Own: ...\n"})
    (found,) = diagnose(installed(tmp_path, files, "import predictor; predictor.load()"), gather(project))
    assert (found.code, str(found.location)) == ("ST301", "train.py:2:7")


def test_a_class_that_the_predictor_module_does_not_have_is_recognised(tmp_path: Path) -> None:
    files = {"predictor.py": "class Q: ...\n"}
    project = small_project(tmp_path / "project", files)
    (found,) = diagnose(installed(tmp_path, files, "import predictor; getattr(predictor, 'P')"), gather(project))
    assert (found.code, found.message) == ("ST202", "module `predictor` has no class `P`")


def test_a_submodule_that_an_installed_distribution_lacks_asks_for_a_version_not_for_a_line(tmp_path: Path) -> None:
    files = {"predictor.py": "import numpy._core\n", "numpy/__init__.py": ""}
    project = small_project(tmp_path / "project", {"predictor.py": files["predictor.py"], **locked("numpy==1.26.0")})
    (found,) = diagnose(installed(tmp_path, files, "import predictor"), gather(project))
    assert (found.code, found.subject) == ("ST170", "numpy")
    assert "pin the version" in found.fix


CHAINED = """
def read():
    {}["weights"]

def load():
    try:
        read()
    except KeyError as error:
        raise RuntimeError("no weights") FROM
"""


@pytest.mark.parametrize("how", ["from error", ""])
def test_the_first_cause_of_chained_exceptions_is_the_location(tmp_path: Path, how: str) -> None:
    files = {"predictor.py": CHAINED.replace("FROM", how)}
    project = small_project(tmp_path / "project", files)
    location, evidence = user_frames(installed(tmp_path, files, "import predictor; predictor.load()"), project)
    assert location == Location("predictor.py", 3)
    assert evidence[-2:] == ["KeyError: 'weights'", "RuntimeError: no weights"]


GROUPED = """
def one():
    int("x")

def load():
    found = []
    try:
        one()
    except ValueError as error:
        found.append(error)
    try:
        try:
            {}["weights"]
        except KeyError as error:
            raise RuntimeError("no weights") from error
    except RuntimeError as error:
        found.append(error)
    raise ExceptionGroup("several", [*found, TypeError("never raised")])
"""


def test_the_first_member_of_an_exception_group_is_the_location(tmp_path: Path) -> None:
    files = {"predictor.py": GROUPED}
    project = small_project(tmp_path / "project", files)
    location, evidence = user_frames(installed(tmp_path, files, "import predictor; predictor.load()"), project)
    assert location == Location("predictor.py", 3)
    assert evidence == [
        "predictor.py:8, in load",
        "    one()",
        "predictor.py:3, in one",
        '    int("x")',
        "ValueError: invalid literal for int() with base 10: 'x'",
        "ExceptionGroup: several (3 sub-exceptions)",
    ]


def test_an_exception_group_of_members_that_were_never_raised_has_the_place_of_its_raise(tmp_path: Path) -> None:
    text = "def load():\n    raise ExceptionGroup('several', [TypeError('a'), ExceptionGroup('b', [KeyError('c')])])\n"
    files = {"predictor.py": text}
    project = small_project(tmp_path / "project", files)
    printed = installed(tmp_path, files, "import predictor; predictor.load()")
    location, evidence = user_frames(printed, project)
    assert location == Location("predictor.py", 2)
    assert evidence[-1] == "ExceptionGroup: several (2 sub-exceptions)"


def test_a_fault_inside_an_exception_group_is_recognised(tmp_path: Path) -> None:
    text = (
        "def load():\n    try:\n        import torchvision\n"
        "    except ImportError as error:\n        raise ExceptionGroup('several', [error])\n"
    )
    files = {"predictor.py": text}
    project = small_project(tmp_path / "project", {**files, **locked("torch==2.5.1")})
    (found,) = diagnose(installed(tmp_path, files, "import predictor; predictor.load()"), gather(project))
    assert (found.code, str(found.location)) == ("ST110", "predictor.py:3")


HANGING = """
import faulthandler
import threading

faulthandler.enable()
inside = threading.Event()

def load():
    inside.set()
    threading.Event().wait()
"""


def test_a_hang_in_another_thread_than_the_one_interrupted_is_located_too(tmp_path: Path) -> None:
    files = {"predictor.py": HANGING}
    project = small_project(tmp_path / "project", files)
    code = (
        "import os, signal, threading, predictor; "
        "threading.Thread(target=predictor.load, daemon=True).start(); predictor.inside.wait(); "
        "os.kill(os.getpid(), signal.SIGABRT)"
    )
    location, evidence = user_frames(installed(tmp_path, files, code, ends=-signal.SIGABRT), project)
    assert location is not None
    assert location.path == "predictor.py"
    assert location.line in (9, 10)  # set() may not have returned yet
    assert evidence[-1] == "Fatal Python error: Aborted"


CRASHING = """
import ctypes
import faulthandler
import threading

faulthandler.enable()
threading.Thread(target=threading.Event().wait, daemon=True).start()

def inner():
    ctypes.string_at(0)

def load():
    inner()
"""


def test_a_crash_of_python_itself_is_located_at_the_users_innermost_frame(tmp_path: Path) -> None:
    files = {"predictor.py": CRASHING}
    project = small_project(tmp_path / "project", files)
    printed = installed(tmp_path, files, "import predictor; predictor.load()", ends=-signal.SIGSEGV)
    location, evidence = user_frames(f'{{"severity": "INFO"}}\nloading\n{printed}', project)
    assert location == Location("predictor.py", 10)
    assert evidence == [
        "predictor.py:13, in load",
        "predictor.py:10, in inner",
        "Fatal Python error: Segmentation fault",
    ]


def test_frames_in_the_project_itself_count_and_those_of_others_do_not(tmp_path: Path) -> None:
    project = small_project(tmp_path, {"predictor.py": "class P: ...\n"})
    text = (
        "Traceback (most recent call last):\n"
        f'  File "{project.root}/predictor.py", line 1, in <module>\n    load()\n'
        '  File "/srv/elsewhere/train.py", line 9, in <module>\n    load()\n'
        '  File "/usr/lib/python3.11/json/decoder.py", line 337, in decode\n    obj()\n'
        "ValueError: 7\n"
    )
    location, evidence = user_frames(text, project)
    assert location == Location("predictor.py", 1)
    assert evidence == ["predictor.py:1, in <module>", "    load()", "ValueError: 7"]


def test_a_text_without_a_frame_of_the_user_has_no_place(tmp_path: Path) -> None:
    project = small_project(tmp_path, {})
    assert user_frames("Killed\n", project) == (None, [])


def test_a_frame_of_a_package_in_src_is_told_where_the_project_has_it(tmp_path: Path) -> None:
    files = {"fish/__init__.py": "import torchvision\n"}
    inside = {f"src/{path}": text for path, text in files.items()}
    project = small_project(tmp_path / "project", {**inside, **locked("torch==2.5.1")}, predictor="fish:P")
    (found,) = diagnose(installed(tmp_path, files, "import fish"), gather(project))
    assert (found.code, str(found.location)) == ("ST110", "src/fish/__init__.py:1")
