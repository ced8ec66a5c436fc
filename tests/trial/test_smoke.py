"""What the trial says about a predictor: the packaged-transform project, and the same with one fault."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from unittest.mock import Mock

import pytest

from seatrial import golden, project
from seatrial.cli.main import main
from seatrial.facts import gather as facts
from seatrial.facts.gather import Gathered
from seatrial.findings import Severity
from seatrial.trial.observe import Trial
from seatrial.trial.sealing import launch
from seatrial.trial.server import Server
from seatrial.trial.smoke import keep, smoke
from tests.stages import Ended, ended

PREDICTOR = "predictor/half_predictor.py"
NO_NAME = ("ST152", "ST170")  # the latter where a kept environment has numpy's source
Copied = Callable[[str], Path]


@pytest.fixture
def halves(copied: Copied) -> Path:
    """Return a project that finds the bright half of an image: without torch, so a trial takes a second."""
    return copied("tests/projects/packaged-transform")


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {file}"
    file.write_text(text.replace(old, new))


def serving(root: Path, settings: str) -> None:
    """Insert lines into the project's [tool.seatrial.serving], which is made if it has none."""
    file, table = root / "pyproject.toml", "[tool.seatrial.serving]\n"
    text = file.read_text()
    if table not in text:
        text += f"\n{table}"
    file.write_text(text.replace(table, table + settings))


def at_load(root: Path, code: str) -> None:
    """Insert lines of code at the beginning of the predictor's load()."""
    first = "        artifacts = Path("
    lines = "".join(f"        {line}\n" for line in code.splitlines())
    edit(root / PREDICTOR, first, lines + first)


def tried(root: Path, *, skip_check: bool = False) -> Ended[Trial]:
    return ended(smoke(Gathered(project.load(root)), "cpu", skip_check=skip_check))


def test_a_sound_predictor_passes_with_every_golden_answer_reproduced(halves: Path) -> None:
    trial = tried(halves)
    assert trial.findings == []
    assert trial.phases == ["check", "build", "environment", "load", "answers", "contract", "stop"]
    assert trial.value.finished
    assert trial.value.asked == trial.value.golden == 4
    assert trial.value.drift <= 1e-5
    assert trial.value.interface == "batched"


def test_verbose_shows_beneath_each_stage_what_its_programs_print(
    halves: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    at_load(halves, "print('weights of https://me:hunter2@example.org/x')")
    assert main(["smoke", "--verbose", "--skip-check", "--project", str(halves)]) == 0
    shown = capsys.readouterr().err.splitlines()
    begun, ended = shown.index("  load"), next(n for n, line in enumerate(shown) if line.startswith("  load  "))
    beneath = shown[begun + 1 : ended]
    assert "    | weights of https://***@example.org/x" in beneath
    assert any('"message": "ready"' in line for line in beneath)


def test_without_golden_answers_it_runs_on_samples_and_says_what_is_unproven(halves: Path) -> None:
    (halves / "artifacts/golden/golden.json").unlink()
    trial = tried(halves)
    assert [(f.code, f.severity) for f in trial.findings] == [("ST403", Severity.NOTE)]
    assert trial.value.asked == 3
    assert trial.value.golden == 0
    assert any("equal training's" in text for text in trial.value.unproven)


def test_a_wrong_label_names_the_image_the_answer_and_the_label(halves: Path) -> None:
    file = halves / "artifacts/golden/golden.json"
    entries = json.loads(file.read_text())
    entries[0] = {**entries[0], "label": "nowhere"}
    file.write_text(json.dumps(entries))
    trial = tried(halves)
    assert trial.codes == ["ST402"]
    assert entries[0]["image"] in trial.errors[0].message
    assert "nowhere" in trial.errors[0].message


def test_scores_that_drift_fail_with_how_much(halves: Path) -> None:
    edit(halves / PREDICTOR, "np.exp(batch @ self._rows.T)", "np.exp(batch @ self._rows.T * 1.001)")
    trial = tried(halves)
    assert trial.codes == ["ST401"]
    assert trial.value.drift > 1e-5
    assert any("largest difference" in line for line in trial.errors[0].evidence)


def test_a_predictor_whose_batches_differ_from_single_images_fails(halves: Path) -> None:
    edit(halves / PREDICTOR, "batch @ self._rows.T)", "(batch + 0.1 * batch[0] * (len(batch) > 1)) @ self._rows.T)")
    trial = tried(halves)
    assert trial.codes[0] == "ST401"
    assert all("in a batch" in f.message for f in trial.errors)


def test_a_failing_prediction_points_at_the_users_line(halves: Path) -> None:
    edit(halves / PREDICTOR, "powers = np.exp(", "powers = np.exponential(")
    trial = tried(halves)
    (error,) = trial.errors
    assert error.code in NO_NAME
    assert error.location is not None
    assert error.location.path == PREDICTOR
    line = (halves / PREDICTOR).read_text().splitlines()[(error.location.line or 0) - 1]
    assert "np.exponential" in line
    assert "exponential" in error.message


@pytest.mark.parametrize("skip_check", [False, True])
def test_the_project_is_read_once_however_much_is_diagnosed(
    halves: Path, monkeypatch: pytest.MonkeyPatch, skip_check: bool
) -> None:
    gather = Mock(wraps=facts.gather)
    monkeypatch.setattr(facts, "gather", gather)
    edit(halves / PREDICTOR, "powers = np.exp(", "powers = np.exponential(")
    (error,) = tried(halves, skip_check=skip_check).errors
    assert error.code in NO_NAME
    assert gather.call_count == 1


def test_a_failing_load_points_at_the_users_line_and_hides_no_frame_of_theirs(halves: Path) -> None:
    # The check, which would tell it before, cannot follow the name.
    edit(halves / PREDICTOR, 'artifacts / "weights.npy"', 'artifacts / "GONE.npy".lower()')
    trial = tried(halves)
    (error,) = trial.errors
    assert error.code == "ST584"
    assert "artifacts/gone.npy" in error.message
    assert "/bundle/" not in error.message + error.cause + "".join(error.evidence)
    assert error.because
    assert error.location is not None
    assert error.location.path == PREDICTOR
    assert not any("site-packages" in line for line in error.evidence)


def test_a_server_that_is_killed_while_loading_is_reported_with_its_signal(halves: Path) -> None:
    at_load(halves, "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")
    trial = tried(halves)
    assert trial.codes == ["ST501"]
    assert "SIGKILL" in trial.errors[0].message


def test_a_server_that_dies_while_predicting_is_reported(halves: Path) -> None:
    edit(
        halves / PREDICTOR, "        powers = ", "        import os; len(batch) > 1 and os._exit(7)\n        powers = "
    )
    trial = tried(halves)
    assert trial.codes == ["ST504"]
    assert "exit code 7" in trial.errors[0].message


@pytest.mark.proof
def test_a_load_that_hangs_ends_at_the_projects_own_limit(halves: Path) -> None:
    at_load(halves, "import time\ntime.sleep(600)")
    with (halves / "pyproject.toml").open("a") as file:
        file.write("\n[tool.seatrial.smoke]\nload-timeout = 8\n")
    trial = tried(halves)
    (error,) = trial.errors
    assert error.code == "ST502"
    assert "8 s" in error.message
    assert error.location is not None
    assert error.location.path == PREDICTOR
    line = (halves / PREDICTOR).read_text().splitlines()[(error.location.line or 0) - 1]
    assert "time.sleep(600)" in line


@pytest.mark.proof
def test_a_slow_load_is_shown_where_it_stands_and_goes_on(halves: Path) -> None:
    at_load(halves, "import time\ntime.sleep(17)")
    trial = tried(halves)
    assert trial.codes == []
    assert trial.value.finished
    (slow,) = (step for step in trial.steps if "still loading after 15 s" in step)
    assert f"at {PREDICTOR}:" in slow


def test_a_download_at_load_is_caught_with_the_call_that_made_it(halves: Path) -> None:
    at_load(halves, 'import urllib.request\nurllib.request.urlopen("http://weights.example/w.pt")')
    trial = tried(halves)
    assert trial.codes[0] == "ST506"
    error = trial.errors[0]
    assert "weights.example" in error.message
    assert error.location is not None
    assert error.location.path == PREDICTOR


def test_a_swallowed_connection_attempt_is_still_an_error(halves: Path) -> None:
    attempt = 'with contextlib.suppress(OSError):\n    socket.create_connection(("198.51.100.7", 80))'
    at_load(halves, f"import contextlib, socket\n{attempt}")
    trial = tried(halves)
    assert trial.codes == ["ST506"]
    assert trial.value.finished


def test_the_server_sees_nothing_of_the_caller(halves: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ended(keep(project.load(halves), "cpu", {}))  # nothing can be installed through the proxy below
    monkeypatch.setenv("SECRET_TOKEN", "caller's")
    monkeypatch.setenv("PYTHONPATH", str(halves))
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    at_load(
        halves,
        "import os, sys\n"
        "assert not {'SECRET_TOKEN', 'PYTHONPATH', 'HTTPS_PROXY', 'SSL_CERT_FILE'} & set(os.environ)\n"
        "assert os.listdir() == []\n"
        f"assert not any({str(halves)!r} in entry for entry in sys.path), sys.path\n"
        "assert os.environ['HOME'] == os.path.expanduser('~') and os.listdir(os.environ['HOME']) == []\n"
        "assert os.environ['AIP_STORAGE_URI'] == '' and os.environ['AIP_MODE'] == 'PREDICTION'",
    )
    assert tried(halves).findings == []


def test_the_server_has_the_variables_and_the_shared_memory_that_its_container_will_have(halves: Path) -> None:
    with (halves / "pyproject.toml").open("a", encoding="utf-8") as file:
        file.write("\n[tool.seatrial.vertex]\nshared-memory-mb = 96\nenv = {LANGUAGE = 'de'}\n")
    shared = os.statvfs("/dev/shm")  # noqa: S108 - what it is where the seal cannot mount another
    possible = {96 * 2**20, shared.f_blocks * shared.f_frsize}
    at_load(
        halves,
        "import os\n"
        "shared = os.statvfs('/dev/shm')\n"
        f"assert shared.f_blocks * shared.f_frsize in {possible}\n"
        "assert os.environ['LANGUAGE'] == 'de'",
    )
    assert tried(halves).findings == []


def test_an_installed_file_changed_in_place_is_named_and_the_kept_environment_dropped(
    halves: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SEATRIAL_CACHE", str(tmp_path / "own-cache"))
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv-cache"))
    monkeypatch.setattr(launch, "WAYS", ("nothing",))  # a seal would refuse it
    sound = (halves / PREDICTOR).read_text()
    at_load(halves, "import PIL.ImageDraw as victim\nopen(victim.__file__, 'r+').write('# spoiled')")
    trial = tried(halves)
    assert trial.codes == ["ST510", "ST113"]
    assert all("PIL/ImageDraw.py" in error.message for error in trial.errors)
    assert not list((tmp_path / "own-cache").glob("*/snapshot.json"))
    (halves / PREDICTOR).write_text(sound)
    assert tried(halves).findings == []


def test_golden_labels_alone_are_not_called_parity(halves: Path) -> None:
    file = halves / "artifacts/golden/golden.json"
    entries = [{k: v for k, v in e.items() if k != "scores"} for e in json.loads(file.read_text())]
    file.write_text(json.dumps(entries))
    trial = tried(halves)
    assert trial.findings == []
    assert trial.value.compared == 0
    assert any("scores" in text for text in trial.value.unproven)


def test_a_bare_label_is_an_answer(halves: Path) -> None:
    edit(
        halves / PREDICTOR,
        'return {"label": LABELS[int(output.argmax())], "scores": output.tolist()}',
        "return LABELS[int(output.argmax())]",
    )
    file = halves / "artifacts/golden/golden.json"
    entries = [{k: v for k, v in e.items() if k != "scores"} for e in json.loads(file.read_text())]
    file.write_text(json.dumps(entries))
    assert tried(halves).findings == []


def test_a_datagram_to_the_outside_is_refused_too(halves: Path) -> None:
    at_load(halves, "import socket\nsocket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('198.51.100.7', 9))")
    trial = tried(halves)
    assert trial.codes[0] == "ST506"
    assert "198.51.100.7" in trial.errors[0].message


def test_a_program_that_the_predictor_starts_is_named_as_unwatched(halves: Path) -> None:
    at_load(halves, "import subprocess\nsubprocess.run(['/bin/true'])")
    trial = tried(halves)
    assert trial.findings == []
    assert any("true do without a network" in text for text in trial.value.unproven)


def test_a_dead_server_is_noticed_even_if_its_child_lives(halves: Path) -> None:
    at_load(halves, "import subprocess\nsubprocess.Popen(['/bin/sleep', '60'])\nraise ValueError('boom')")
    trial = tried(halves)
    assert trial.codes == ["ST501"]
    assert "boom" in trial.errors[0].message


@pytest.mark.proof  # environments are made whole three times
def test_a_spoiled_cache_is_not_blamed_on_the_next_trial(
    halves: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SEATRIAL_CACHE", str(tmp_path / "own-cache"))
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv-cache"))
    tried(halves)
    (victim,) = (tmp_path / "own-cache").glob("*/environment/lib/*/site-packages/PIL/ImageDraw.py")
    with victim.open("a") as file:
        file.write("# spoiled from outside")
    trial = tried(halves)
    assert trial.findings == []
    assert any("making the environment again" in step for step in trial.steps)


def test_a_trial_leaves_no_copy_behind(
    halves: Path, shared_cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SEATRIAL_CACHE", str(tmp_path / "own-cache"))
    tried(halves)
    assert not list((tmp_path / "own-cache").glob("copy-*"))


def test_bytecode_is_compiled_when_the_environment_is_made_and_none_comes_from_a_trial(
    halves: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SEATRIAL_CACHE", str(tmp_path / "own-cache"))
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv-cache"))
    monkeypatch.setattr(launch, "WAYS", ("nothing",))
    spoil = "import PIL.ImageOps as v, pathlib\nc = pathlib.Path(v.__cached__)\nassert c.is_file()\n"
    rewrite = "c.open('r+b').write(c.read_bytes())"
    at_load(halves, f"{spoil}(c.parent / 'new.cpython-311.pyc').write_bytes(b'x')")
    assert tried(halves).codes == ["ST510"]  # into the copy alone, but refused in an image
    (kept,) = (tmp_path / "own-cache").glob("*/environment")
    compiled = sorted(kept.rglob("*.pyc"))
    assert any(file.match("numpy/__pycache__/*") for file in compiled)
    assert not any(file.name.startswith("new.") for file in compiled)
    edit(halves / PREDICTOR, "(c.parent / 'new.cpython-311.pyc').write_bytes(b'x')", rewrite)
    assert "ST113" in tried(halves).codes
    assert not kept.exists()


def test_a_stage_with_errors_ends_the_trial_before_anything_is_installed(halves: Path) -> None:
    edit(halves / "requirements.in", "pillow", "pillow\nscipy")
    trial = tried(halves)
    assert trial.codes == ["ST101"]
    assert trial.phases == ["check"]
    assert not trial.value.finished


def test_a_driver_that_is_too_old_is_told_before_anything_is_installed(
    halves: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "bin/nvidia-smi"  # what a machine with an old driver answers; none is here
    program.parent.mkdir()
    program.write_text("#!/bin/sh\ncase $1 in -L) echo 'GPU 0: Tesla T4 (UUID: GPU-0)';; *) echo 570.195.03;; esac\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    lock = halves / "requirements.txt"
    lock.write_text(f"{lock.read_text()}nvidia-cuda-runtime==13.0.96 --hash=sha256:{'0' * 64}\n")
    found = ended(smoke(Gathered(project.load(halves)), "cuda", skip_check=True))
    assert [finding.code for finding in found.findings] == ["ST602"]
    assert "is 570.195.03, and the locked CUDA 13" in found.findings[0].message
    assert not found.value.versions  # no interpreter was looked for, nothing installed


def test_cuda_without_a_card_is_refused_at_once(halves: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from seatrial.errors import EnvironmentFaultError

    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(EnvironmentFaultError, match="NVIDIA GPU"):
        ended(smoke(Gathered(project.load(halves)), "cuda"))


def test_an_answer_count_that_differs_is_named_however_late_the_log_is_read(
    copied: Copied, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Server, "_read", _read_late)
    root = copied("tests/projects/packaged-transform")
    (root / "predictor/__init__.py").write_text(
        "class HalfPredictor:\n"
        "    @classmethod\n"
        "    def from_path(cls, model_dir):\n"
        "        import numpy, PIL\n"
        "        return cls()\n\n"
        "    def predict(self, instances, **kwargs):\n"
        "        return [{'label': 'left'}]\n"
    )
    golden.write(root / "artifacts", [golden.GoldenExample(instance=n, label="left") for n in range(2)])
    trial = tried(root)
    (error,) = trial.errors
    assert error.code == "ST503"
    assert error.subject == "a batch of 2"
    assert error.message == "2 instances were sent, 1 predictions came back"


def _read_late(server: Server) -> None:
    """Read the log as a busy machine does: the answer is here before the lines that were printed before it."""
    assert server._printing.stdout is not None
    with contextlib.suppress(ValueError):  # closed while it was read
        for line in server._printing.stdout:
            time.sleep(0.3)
            server._lines.append(line.rstrip("\n"))
