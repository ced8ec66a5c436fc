"""From text to exceptions: what this Python and others print, read line by line."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
from pathlib import Path

from seatrial.diagnosis.exceptions import Exceptions, read
from seatrial.diagnosis.raised import Owner, Raised
from seatrial.facts.gather import gather
from seatrial.findings import Location
from tests.small_project import locked, small_project


def raised_by(folder: Path, code: str, *, ends: int = 1) -> str:
    """Run a program and return what it prints to standard error."""
    file = folder / "user.py"
    file.write_text(textwrap.dedent(code))
    run = subprocess.run([sys.executable, "-I", str(file)], capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == ends, run.stderr
    return run.stderr


def types(found: Exceptions) -> list[list[str]]:
    return [[each.type for each in raised.chain()] for raised in found.raised]


def only(found: Exceptions) -> Raised:
    (raised,) = found.raised
    return raised


def test_chained_exceptions_are_one_with_the_first_cause_last(tmp_path: Path) -> None:
    code = """
    class OwnError(Exception): ...
    def load():
        try:
            {}["weights"]
        except KeyError as error:
            raise OSError("no weights\\nlook elsewhere") from error
    try:
        load()
    except OSError:
        raise OwnError
    """
    raised = only(read(raised_by(tmp_path, code)))
    assert [(each.type, each.message) for each in raised.chain()] == [
        ("__main__.OwnError" if raised.type.startswith("__main__") else "OwnError", ""),
        ("OSError", "no weights\nlook elsewhere"),
        ("KeyError", "'weights'"),
    ]
    assert raised.users is not None
    assert [frame.function for frame in list(raised.chain())[1].frames] == ["<module>", "load"]
    assert list(raised.chain())[2].frames[0].source == '{}["weights"]'


def test_two_failures_after_each_other_are_two(tmp_path: Path) -> None:
    one = raised_by(tmp_path, "int('x')")
    found = read(f"loading\n{one}{one}INFO: Waiting\n{one}\ndone\n")
    assert types(found) == [["ValueError"]] * 3
    assert [s.text for s in found.statements] == ["loading", "INFO: Waiting", "done"]


def test_the_members_of_a_group_are_read_and_the_first_with_a_frame_of_the_user_is_its_cause(tmp_path: Path) -> None:
    code = """
    def one():
        int("x")
    found = [TypeError("never raised"), ExceptionGroup("b", [KeyError("c")])]
    try:
        one()
    except ValueError as error:
        found.append(error)
    raise ExceptionGroup("several", found)
    """
    found = read(raised_by(tmp_path, code))
    assert types(found) == [["TypeError"], ["ExceptionGroup", "KeyError"], ["ExceptionGroup", "ValueError"]]
    cause = found.raised[-1].cause
    assert cause is not None
    assert [frame.function for frame in cause.frames] == ["<module>", "one"]


def test_a_message_keeps_its_indented_lines_and_its_notes_and_ends_where_a_record_begins(tmp_path: Path) -> None:
    code = """
    error = RuntimeError("Error(s) in loading:\\n\\tMissing key: a\\n\\n\\tUnexpected key: b")
    error.add_note("while serving")
    raise error
    """
    text = raised_by(tmp_path, code) + "[2026-11-02 10:00:00] INFO ready\n"
    raised = only(read(text))
    assert raised.message.splitlines() == [
        "Error(s) in loading:",
        "\tMissing key: a",
        "",
        "\tUnexpected key: b",
        "while serving",
    ]


def test_a_syntax_error_has_the_place_of_the_source_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text("x = 1\nprint 'a'\n")
    raised = only(read(raised_by(tmp_path, f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import own")))
    assert raised.type == "SyntaxError"
    assert raised.raiser is not None
    assert (raised.raiser.line, raised.raiser.function, raised.raiser.source) == (2, "", "print 'a'")


def test_a_repeated_frame_and_frames_without_source_lines_are_read(tmp_path: Path) -> None:
    text = raised_by(tmp_path, "def f(): f()\nf()\n")
    assert "Previous line repeated" in text
    bare = "\n".join(line for line in text.splitlines() if not line.startswith("    "))
    assert [only(read(each)).type for each in (text, bare)] == ["RecursionError", "RecursionError"]


def test_a_crash_has_the_frames_of_the_thread_that_crashed_outermost_first(tmp_path: Path) -> None:
    code = """
    import ctypes, faulthandler, threading
    faulthandler.enable()
    threading.Thread(target=threading.Event().wait, daemon=True).start()
    def inner(): ctypes.string_at(0)
    inner()
    """
    raised = only(read("loading\n" + raised_by(tmp_path, code, ends=-signal.SIGSEGV) + "Killed\n"))
    assert (raised.type, raised.message) == ("Fatal Python error", "Segmentation fault")
    assert raised.users is not None
    assert raised.users.function == "inner"
    assert [frame.owner for frame in raised.frames][-1] is Owner.PYTHON


def test_what_a_worker_raised_is_the_cause_of_what_quotes_it() -> None:
    text = textwrap.dedent("""\
    Traceback (most recent call last):
      File "/app/own.py", line 9, in load
        next(batches)
    RuntimeError: Caught RuntimeError in DataLoader worker process 0.
    Original Traceback (most recent call last):
      File "/app/data.py", line 3, in __getitem__
        raise OSError(path)
    OSError: a.jpg
    """)
    assert types(read(text)) == [["RuntimeError", "OSError"]]


def test_lines_of_another_process_in_the_middle_do_not_end_a_traceback() -> None:
    text = (
        'Traceback (most recent call last):\n  File "/app/a.py", line 1, in f\n    g()\nINFO: GET /health 200\n'
        '10.0.0.3 - "GET"\n  File "/app/a.py", line 2, in g\n    h()\nValueError: 7\n'
    )
    raised = only(read(text))
    assert [frame.function for frame in raised.frames] == ["f", "g"]
    assert raised.type == "ValueError"


def test_an_exception_that_a_program_only_printed_is_read_and_a_sentence_or_a_warning_is_not() -> None:
    text = (
        "google.api_core.exceptions.InvalidArgument: 400 no\nError: process failed\nUserWarning: old\n"
        "ERROR: no\nKilled\nx.Y: 1\nModuleNotFoundError: No module named 'a'\n"
    )
    assert types(read(text)) == [["google.api_core.exceptions.InvalidArgument"], ["ModuleNotFoundError"]]


def test_a_frame_knows_whose_it_is_and_the_locked_version(tmp_path: Path) -> None:
    project = small_project(tmp_path, {"predictor/model.py": "x = 1\n", **locked("torch==2.5.1", "scikit-image==0.24")})
    lock = gather(project).lock
    text = "Traceback (most recent call last):\n" + "".join(
        f'  File "{file}", line 3, in f\n'
        for file in (
            "/app/predictor/model.py",
            "/usr/lib/python3.11/site-packages/predictor/model.py",
            "C:\\Python311\\Lib\\site-packages\\torch\\nn\\modules\\module.py",
            "/opt/conda/lib/python3.10/site-packages/skimage/_shared/geometry.pyx",
            "/root/.pyenv/versions/3.11.9/lib/python3.11/json/decoder.py",
            "<frozen importlib._bootstrap>",
            "/usr/local/bin/gunicorn",
            "/usr/lib/python3/dist-packages/google/cloud/storage/blob.py",
        )
    )
    frames = only(read(f"{text}ValueError: 7\n", project, lock)).frames
    assert [(f.owner.value, f.module, f.distribution, f.version) for f in frames] == [
        ("project", "predictor.model", "", ""),
        ("project", "predictor.model", "", ""),
        ("distribution", "torch.nn.modules.module", "torch", "2.5.1"),
        ("distribution", "skimage._shared.geometry", "scikit-image", "0.24"),
        ("python", "json.decoder", "", ""),
        ("python", "importlib._bootstrap", "", ""),
        ("server", "", "", ""),
        ("distribution", "google.cloud.storage.blob", "google-cloud-storage", ""),
    ]
    assert [f.place for f in frames[:2]] == [Location("predictor/model.py", 3)] * 2


def test_without_a_project_a_package_with_files_outside_is_the_users_inside_too() -> None:
    text = (
        'Traceback (most recent call last):\n  File "/app/serving/predictor.py", line 2, in <module>\n'
        '  File "/usr/lib/python3.11/site-packages/serving/transforms.py", line 1, in <module>\n'
        '  File "/usr/lib/python3.11/site-packages/torch/hub.py", line 1, in load\nKeyError: 1\n'
    )
    owners = [frame.owner.value for frame in only(read(text)).frames]
    assert owners == ["project", "project", "distribution"]


def test_hostile_text_is_read_in_linear_time() -> None:
    lines = ['  File "' + "a" * 3000, "a." * 3000, "+-" * 3000, "    " * 2000 + "|", "Traceback " * 500]
    assert not read("\n".join(lines * 50)).raised


def test_a_frame_that_lost_its_margin_is_one_where_its_source_follows() -> None:
    text = 'File "/app/own.py", line 11, in load\n    from fishes import _C\nImportError: no _C\n'
    raised = only(read(text))
    assert [(f.line, f.source) for f in raised.frames] == [(11, "from fishes import _C")]
