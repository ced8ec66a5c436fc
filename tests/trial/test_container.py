"""The trial of an image: the small project, really built, and the same with one fault."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from seatrial.containers.engine import Engine
from seatrial.contract.variables import CONTRACT
from seatrial.errors import UsageError
from seatrial.facts.gather import Gathered
from seatrial.image.build import build_image
from seatrial.project import load
from seatrial.system.cache import cache_dir
from seatrial.trial import container, server
from seatrial.trial.full import POINTS, endurance
from seatrial.trial.image import ImageTrial, identify, run, search
from tests.engines import Base
from tests.stages import Ended, ended
from tests.trial.test_smoke import PREDICTOR, at_load, edit, serving

pytestmark = pytest.mark.usefixtures("no_other_trial")
PRIVATE_KEY = f"-----BEGIN PRIVATE KEY-----\n{'MIIEvgIBADANBgkqhkiG9w0BAQEFAASC' * 2}\n-----END PRIVATE KEY-----\n"


# Most tests here run docker; what is tried with both engines runs podman in the gate, and docker as a proof.
OTHERS_WITH_DOCKER = pytest.mark.parametrize(
    "engine", [pytest.param("docker", marks=pytest.mark.proof), "podman"], indirect=True
)


@pytest.fixture
def halves(copied: Callable[[str], Path], base: Base) -> Path:
    """Return the packaged-transform project, on the base image's Python."""
    root = copied("tests/projects/packaged-transform")
    file = root / "pyproject.toml"
    text = re.sub(r'python = "[0-9.]+"', f'python = "{base.python}"', file.read_text())
    file.write_text(f'{text}\n[tool.seatrial.image]\nbase = "{base.reference}"\n')
    return root


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not wait long for a server that does not stop."""
    monkeypatch.setattr(server, "STOP_TIMEOUT", 1.0)


def built(root: Path, engine: Engine) -> str:
    made = ended(build_image(load(root), "cpu", engine)).value
    assert made is not None
    return made.reference


def derived(engine: Engine, folder: Path, image: str, *lines: str, name: str) -> str:
    """Build an image on top of another, with more lines of a Dockerfile."""
    folder.mkdir(exist_ok=True)
    (folder / "Dockerfile").write_text("\n".join([f"FROM {image}", *lines]) + "\n")
    engine.ask(["build", "--tag", f"localhost/{name}:1", str(folder)])
    return f"localhost/{name}:1"


def ran(root: Path, engine: Engine, image: str = "") -> Ended[ImageTrial]:
    """Run the project's image, or another with its bundle, without reading the layers first."""
    project = load(root)
    trial = identify(project, image or built(root, engine), engine, "cpu")
    end = ended(run(Gathered(project), trial, engine))
    assert not left(engine)
    return Ended(trial, end.findings, end.steps, end.phases)


def searched(root: Path, image: str, engine: Engine) -> Ended[ImageTrial]:
    """Read the layers of an image without running it."""
    project = load(root)
    trial = identify(project, image, engine, "cpu")
    return Ended(trial, ended(search(project, trial, engine)).findings)


def left(engine: Engine) -> list[str]:
    """Return the containers and networks of trials."""
    label = f"label={container.LABEL}"
    containers = engine.ask(["ps", "--all", "--quiet", "--filter", label])
    return [*containers.split(), *engine.ask(["network", "ls", "--quiet", "--filter", label]).split()]


def line_of(root: Path, end: Ended[ImageTrial]) -> str:
    """Return the line of the project's source that the first error points at."""
    location = end.errors[0].location
    assert location is not None
    assert location.path == PREDICTOR
    return (root / PREDICTOR).read_text().splitlines()[(location.line or 0) - 1]


def test_a_sound_image_passes_the_whole_trial(halves: Path, docker: Engine) -> None:
    image = built(halves, docker)
    command = [sys.executable, "-m", "seatrial", "smoke", "--image", image, "--project", str(halves)]
    run = subprocess.run(
        [*command, "--engine", docker.name], capture_output=True, text=True, timeout=120, check=False
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert re.search(r"layer 1: +\d+\.\d+ MB", run.stderr)
    report = json.loads((halves / "build/image/smoke.json").read_text())
    record = json.loads((halves / "build/image/image.json").read_text())
    assert (report["verdict"], report["findings"]) == ("passed", [])
    assert list(report["seconds"]) == ["image", "load", "answers", "contract", "stop", "failed load"]
    for name in ("version_digest", "bundle_digest", "engine"):
        assert report[name] == record[name]
    assert report["image_id"] == report["engine_id"] == record["id"]
    assert (report["device"], report["depth"], report["interface"]) == ("cpu", "default", "batched")
    assert report["asked"] == report["golden"] == 4
    assert 0 < report["healthy_after"] < 60
    sizes = [layer["bytes"] for layer in report["layers"]]
    assert sizes[0] > sizes[-1] > 0
    assert not (halves / "build/smoke/report.json").exists()
    assert not left(docker)


def test_the_container_sees_what_vertex_gives_and_nothing_of_the_caller(
    halves: Path, docker: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(container.ContainerServer, "_reachable_address", lambda _: "")  # so it is asked from within
    monkeypatch.setattr(container, "ask", None)
    monkeypatch.setenv("SECRET_TOKEN", "caller's")
    expected = {**CONTRACT, "AIP_HTTP_PORT": "8080"}
    at_load(
        halves,
        "import os, shutil\n"
        f"seen = {{n: v for n, v in os.environ.items() if n.startswith('AIP_')}}\n"
        f"assert seen == {expected!r} or seen['AIP_STORAGE_URI']\n"
        "assert 'SECRET_TOKEN' not in os.environ\n"
        "assert os.getuid() == 12345\n"
        "assert 'CapEff:\\t0000000000000000' in open('/proc/self/status').read()\n"
        "assert 'NoNewPrivs:\\t1' in open('/proc/self/status').read()\n"
        "assert os.listdir() == [] and os.getcwd().startswith('/tmp/')\n"
        "shutil.copytree(artifacts_uri, 'mine')",
    )
    end = ran(halves, docker)
    assert end.findings == []
    assert end.value.trial.asked == end.value.trial.golden == 4
    assert end.value.trial.finished


def test_an_image_of_another_bundle_is_refused_with_both_digests(halves: Path, docker: Engine) -> None:
    image = built(halves, docker)
    with (halves / PREDICTOR).open("a") as file:
        file.write("# changed\n")
    with pytest.raises(UsageError, match=r"holds bundle [0-9a-f]{64}; the project as it is now is bundle [0-9a-f]{64}"):
        identify(load(halves), image, docker, "cpu")


def test_an_image_without_labels_is_refused(halves: Path, docker: Engine, base: Base) -> None:
    docker.ask(["pull", base.reference])
    with pytest.raises(UsageError, match=r"has no label dev\.seatrial\.bundle-digest"):
        identify(load(halves), base.reference, docker, "cpu")


@OTHERS_WITH_DOCKER
def test_an_image_that_does_not_exist_is_refused(halves: Path, engine: Engine) -> None:
    with pytest.raises(UsageError, match=f"{engine.name} has no image localhost/nobody:1"):
        identify(load(halves), "localhost/nobody:1", engine, "cpu")


def test_answers_that_differ_from_trainings_fail(halves: Path, docker: Engine) -> None:
    edit(halves / PREDICTOR, "np.exp(batch @ self._rows.T)", "np.exp(batch @ self._rows.T * 1.001)")
    end = ran(halves, docker)
    assert end.codes == ["ST401"]
    assert not left(docker)


@pytest.mark.parametrize("path", ["/var/cache/counter", "{artifacts}/weights.npy"])
def test_a_write_outside_tmp_is_named_at_its_line(halves: Path, docker: Engine, path: str) -> None:
    at_load(halves, f'open("{path}".format(artifacts=artifacts_uri), "a").close()')
    end = ran(halves, docker)
    assert end.codes == ["ST510"]
    assert path.removeprefix("{artifacts}") in end.errors[0].message
    assert "open(" in line_of(halves, end)


def test_a_failing_load_points_at_the_users_line(halves: Path, docker: Engine) -> None:
    edit(halves / PREDICTOR, 'artifacts / "weights.npy"', 'artifacts / "gone.npy"')
    end = ran(halves, docker)
    assert end.codes == ["ST584"]
    assert "gone.npy" in line_of(halves, end)


def test_the_end_of_a_predictor_that_needs_more_memory_than_allowed_says_so(halves: Path, docker: Engine) -> None:
    at_load(halves, "self.much = bytearray(1 << 30)")
    with (halves / "pyproject.toml").open("a") as file:
        file.write('\n[tool.seatrial.smoke]\nmemory = "256m"\n')
    end = ran(halves, docker)
    assert end.codes == ["ST543"]
    assert "more than the 256m of memory that smoke.memory allows" in end.errors[0].message
    assert end.errors[0].location is None
    assert "`memory` in [tool.seatrial.smoke]" in end.errors[0].fix


@pytest.mark.proof
def test_a_container_of_either_engine_is_asked_at_its_own_address_and_has_no_way_out(
    halves: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    if engine.name == "podman" and os.geteuid() != 0:
        pytest.skip("rootless podman's networks lie in a namespace of their own, which this machine has no address in")
    monkeypatch.setattr(container.ContainerServer, "_ask_from_within", None)
    at_load(
        halves,
        "import errno, socket\n"
        "with socket.socket() as outside:\n"
        "    outside.settimeout(2)  # docker drops what podman has no route for\n"
        "    error = outside.connect_ex(('198.51.100.1', 80))  # RFC 5737: an unassigned address\n"
        "assert error in (errno.ENETUNREACH, errno.EAGAIN), error",
    )
    end = ran(halves, engine)
    assert end.findings == []
    assert end.value.trial.asked == 4


@pytest.mark.proof
def test_a_network_that_this_machine_has_no_address_in_is_asked_from_within(
    halves: Path, podman: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = container._done

    def taken(engine: Engine, arguments: list[str]) -> str:
        """Take the subnet before it is asked for by name."""
        if "--subnet" in arguments:
            place = arguments.index("--subnet")
            done(engine, ["network", "create", *arguments[place : place + 2], "seatrial-test-taken"])
        return done(engine, arguments)

    monkeypatch.setattr(container, "_done", taken)
    monkeypatch.setattr(container, "ask", None)
    try:
        end = ran(halves, podman)
    finally:
        podman.ask(["network", "rm", "seatrial-test-taken"])
    assert end.findings == []
    assert end.value.trial.asked == 4


@pytest.mark.parametrize(
    ("instead", "words"),
    [
        pytest.param(
            "code = subprocess.run(server).returncode\ntime.sleep(3)",
            r"ended [3-9]\.\d s later; the serving contract allows 1 s",
            marks=pytest.mark.proof,
        ),
        ('print(\'{"severity": "CRITICAL", "phase": "load"}\')\ncode = 1', "did not log the time"),
        pytest.param(
            'print(\'{"severity": "CRITICAL", "phase": "load", "time": "yesterday"}\')\ncode = 1',
            "did not log the time",
            marks=pytest.mark.proof,
        ),
        pytest.param(
            "code = subprocess.run(server).returncode * 0",
            "ended with exit code 0, after 1 failed load",
            marks=pytest.mark.proof,
        ),
    ],
)
def test_a_failed_load_that_does_not_end_as_the_contract_says_is_reported(
    halves: Path, docker: Engine, tmp_path: Path, instead: str, words: str
) -> None:
    inner = ["-I", "-m", "seatrial.serving", "--bundle", "/app/bundle/bundle.json", "--work", "/tmp/work"]  # noqa: S108
    wrapper = (
        "import os, subprocess, sys, time\nserver = [sys.executable, *sys.argv[1:]]\n"
        "if not os.environ['AIP_STORAGE_URI']: os.execv(sys.executable, server)\n"
        f"{instead}\nsys.exit(code)"
    )
    entry = f"ENTRYPOINT {json.dumps(['/app/bin/python', '-c', wrapper, *inner])}"
    end = ran(halves, docker, derived(docker, tmp_path / "late", built(halves, docker), entry, name="late"))
    assert end.codes == ["ST511"]
    assert re.search(words, end.errors[0].message)


@OTHERS_WITH_DOCKER
def test_a_download_finds_no_way_out(halves: Path, engine: Engine) -> None:
    at_load(halves, 'import urllib.request\nurllib.request.urlopen("http://weights.example/w.pt", timeout=5)')
    end = ran(halves, engine)
    assert end.codes == ["ST506"]
    assert "urlopen" in line_of(halves, end)


@pytest.mark.proof
def test_a_server_that_ignores_sigterm_is_reported(
    halves: Path, docker: Engine, patience: None, tmp_path: Path
) -> None:
    code = "import signal, subprocess, sys\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nsubprocess.run(sys.argv[1:])"
    inner = ["/app/bin/python", "-I", "-m", "seatrial.serving", "--bundle", "/app/bundle/bundle.json"]
    entry = f"ENTRYPOINT {json.dumps(['/app/bin/python', '-c', code, *inner])}"
    image = derived(docker, tmp_path / "deaf", built(halves, docker), entry, "CMD []", name="deaf")
    end = ran(halves, docker, image)
    assert "ST505" in end.codes
    assert not left(docker)


@pytest.mark.proof
def test_an_image_that_starts_its_server_again_and_again_is_reported(
    halves: Path, docker: Engine, patience: None, tmp_path: Path
) -> None:
    loop = "import subprocess, sys\nwhile True: subprocess.run([sys.executable, *sys.argv[1:]])"
    inner = ["-I", "-m", "seatrial.serving", "--bundle", "/app/bundle/bundle.json", "--work", "/tmp/work"]  # noqa: S108
    entry = f"ENTRYPOINT {json.dumps(['/app/bin/python', '-c', loop, *inner])}"
    image = derived(docker, tmp_path / "loop", built(halves, docker), entry, name="loop")
    end = ran(halves, docker, image)
    assert end.codes == ["ST505", "ST511"]
    assert "keeps running, after" in end.errors[-1].message


def test_a_credential_in_a_layer_is_named_with_layer_and_path(halves: Path, docker: Engine, tmp_path: Path) -> None:
    folder = tmp_path / "planted"
    folder.mkdir()
    (folder / "notes.txt").write_text(f"do not lose this\n{PRIVATE_KEY}")
    (folder / "gha-creds-1234.json").write_text("{}")
    (folder / "public.pem").write_text("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n")
    image = derived(docker, folder, built(halves, docker), "COPY . /srv/", "ENV BETWEEN=1", name="planted")
    end = searched(halves, image, docker)
    assert end.codes == ["ST810"]
    assert {f.subject for f in end.errors} == {"/srv/notes.txt", "/srv/gha-creds-1234.json"}
    last = len(end.value.image.layers)
    assert all(f"layer {last} of {last}" in f.message for f in end.errors)
    assert not left(docker)


def test_credentials_and_aip_variables_in_the_configuration_are_named_without_their_values(
    halves: Path, docker: Engine, tmp_path: Path
) -> None:
    lines = ["ENV AIP_HTTP_PORT=8081", "ENV HUB_TOKEN=verysecret", "ENV INDEX=https://me:verysecret@index.example/"]
    image = derived(docker, tmp_path / "told", built(halves, docker), *lines, name="told")
    end = searched(halves, image, docker)
    assert end.codes == ["ST811"]
    assert {"AIP_HTTP_PORT", "HUB_TOKEN", "INDEX"} <= {f.subject for f in end.errors}
    assert "verysecret" not in str(end.errors)


@contextlib.contextmanager
def held(halves: Path, docker: Engine, cache: Path) -> Iterator[subprocess.Popen[str]]:
    """Run a trial whose container never ends its load, until that has begun."""
    at_load(halves, "import time\ntime.sleep(600)")
    image = built(halves, docker)
    command = [sys.executable, "-m", "seatrial", "smoke", "--image", image, "--project", str(halves)]
    env = {**os.environ, "SEATRIAL_CACHE": str(cache)}
    with subprocess.Popen([*command, "--engine", "docker"], env=env, stderr=subprocess.PIPE, text=True) as running:
        try:
            deadline = time.monotonic() + 60
            while not docker.ask(["ps", "--quiet", "--filter", f"label={container.LABEL}"]):
                assert running.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.05)
            yield running
        finally:
            running.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.proof)])
def test_an_interrupted_trial_leaves_no_container_and_no_network(
    halves: Path, docker: Engine, tmp_path: Path, number: signal.Signals
) -> None:
    with held(halves, docker, tmp_path / "cache") as running:
        running.send_signal(number)
        _, printed = running.communicate(timeout=60)
    assert running.returncode == 128 + number
    assert "Traceback" not in printed
    assert not left(docker)
    assert not list((tmp_path / "cache").glob("docker-*"))


@pytest.mark.proof
def test_what_a_killed_trial_left_is_removed_by_the_next(halves: Path, docker: Engine, tmp_path: Path) -> None:
    with held(halves, docker, tmp_path / "cache") as running:
        running.kill()
    assert len(left(docker)) == 2
    container.sweep(docker, cache_dir())
    assert len(left(docker)) == 2, "a run with another cache folder might still be using them"
    container.sweep(docker, tmp_path / "cache")
    assert not left(docker)


def test_flags_that_mean_nothing_for_an_image_are_refused(halves: Path) -> None:
    command = [sys.executable, "-m", "seatrial", "smoke", "--image", "x", "--skip-check", "--project", str(halves)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 2
    assert "--skip-check" in run.stderr


@pytest.mark.proof
def test_a_sound_image_passes_the_full_trial_within_the_memory_of_its_machine(
    halves: Path, docker: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endurance, "REQUESTS", 60)
    monkeypatch.setattr(endurance, "_WARM", 0)
    with (halves / "pyproject.toml").open("a") as file:
        file.write('\n[tool.seatrial.vertex]\nmachine-type = "n1-highcpu-2"\n')
    serving(halves, "max-pixels = 100000\n")
    at_load(
        halves,
        "import os\n"
        "assert os.getuid() == (12345 if os.environ['AIP_PROJECT_NUMBER'] == '1' else 23456)\n"
        "limit = '/sys/fs/cgroup/memory.max'\n"
        "assert not os.path.exists(limit) or int(open(limit).read()) == 1282 * 2**20",
    )
    project = load(halves)
    trial = identify(project, built(halves, docker), docker, "cpu")
    end = ended(run(Gathered(project), trial, docker, full=True))
    assert end.findings == []
    assert end.phases == ["load", "answers", *POINTS, "stop", "surroundings", "failed load"]
    assert trial.trial.depth == "full"
    assert 0 < trial.trial.measured.peak_memory < trial.trial.measured.machine_memory
    assert not any("cannot be read" in text for text in trial.trial.unproven)
    assert not left(docker)
