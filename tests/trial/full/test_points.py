"""`smoke --full`: the packaged-transform project is green, and each kind of fault that only depth shows is red."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from seatrial import project
from seatrial.facts.gather import Gathered
from seatrial.findings import Finding
from seatrial.trial import full, memory
from seatrial.trial.full import endurance, load
from seatrial.trial.observe import Trial
from seatrial.trial.server import Server
from seatrial.trial.smoke import smoke
from tests.stages import Ended, ended
from tests.trial.test_smoke import PREDICTOR, at_load, edit, serving

SMALL = "max-pixels = 100000\n"  # the largest image is then made in no time
PREPROCESS, PREDICT = "        small = self", "        powers = np.exp("


@pytest.fixture
def halves(copied: Callable[[str], Path]) -> Path:
    return small(copied("tests/projects/packaged-transform"))


def small(folder: Path) -> Path:
    serving(folder, SMALL)
    return folder


def before(folder: Path, line: str, code: str) -> None:
    """Insert lines of code before a line of the predictor."""
    lines = "".join(f"        {text}\n" for text in code.splitlines())
    edit(folder / PREDICTOR, line, lines + line)


def tried(folder: Path) -> Ended[Trial]:
    return ended(smoke(Gathered(project.load(folder)), "cpu", skip_check=True, full=True))


@pytest.fixture
def choose(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Leave all points but one out, where no other is tested."""

    def choose(name: str) -> None:
        monkeypatch.setattr(full, "POINTS", {name: full.POINTS[name]})

    return choose


def only(trial: Ended[Trial], code: str) -> Finding:
    (found,) = [finding for finding in trial.findings if finding.code == code]
    return found


@pytest.fixture(autouse=True)
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """Send fewer requests; the proof sends all of them, often."""
    monkeypatch.setattr(endurance, "REQUESTS", 100)
    monkeypatch.setattr(endurance, "_WARM", 20)
    monkeypatch.setattr(endurance, "_AGAIN", 60)
    monkeypatch.setattr(endurance, "_UNSEEN", 60)
    monkeypatch.setattr(endurance, "_UNSEEN_WARM", 10)
    monkeypatch.setattr(Server, "requests_a_measurement", 5)
    monkeypatch.setattr(load, "SECONDS", 0.4)


def test_a_sound_predictor_passes_every_point(halves: Path) -> None:
    trial = tried(halves)
    assert trial.findings == []
    assert trial.phases == ["build", "environment", "load", "answers", *full.POINTS, "stop", "surroundings"]
    assert trial.value.depth == "full"
    assert trial.value.finished
    measured = trial.value.measured
    assert measured.requests > endurance.REQUESTS
    assert len(measured.seconds_alone) == endurance.REQUESTS
    assert len(measured.seconds_at_once) > measured.clients == load.CLIENTS
    assert measured.answers_a_second <= len(measured.seconds_at_once) / load.SECONDS
    assert 0 < measured.peak_memory < measured.machine_memory
    cut = ("requests:", "batch", "cannot be read", "images", "took", "over")
    assert not [text for text in trial.value.unproven if any(word in text for word in cut)]


def test_what_only_other_requests_show_is_found_with_its_cause(halves: Path) -> None:
    before(halves, PREDICT, "assert len(batch) != 5, 'not five'")
    before(halves, PREPROCESS, "assert image.width > 1, 'too small'\nif image.width > 150:\n    import scipy")
    before(halves, PREDICT, "if parameters: parameters['top_k']")
    edit(halves / PREDICTOR, "batch: np.ndarray)", "batch: np.ndarray, parameters: dict | None = None)")
    edit(halves / PREDICTOR, '"scores": output.tolist()}', '"scores": output.tolist(), "more": "x" * 200_000}')
    with (halves / "pyproject.toml").open("a") as file:
        file.write('\n[tool.seatrial.vertex]\nendpoint-type = "shared"\n')
    at_load(halves, "import os\nassert os.environ['AIP_PROJECT_NUMBER'] == '1', 'another project'")
    trial = tried(halves)
    assert set(trial.codes) == {"ST110", "ST560", "ST561", "ST562", "ST567", "ST569"}
    assert only(trial, "ST562").message.startswith("a batch of 5: predict raised AssertionError: not five")
    assert only(trial, "ST560").message.startswith("golden/left.png of 1 x 1 pixels: preprocess raised AssertionError")
    assert "golden/left.png of 1 x 2 pixels" in only(trial, "ST560").evidence[-1]
    assert "`scipy` is imported" in only(trial, "ST110").message
    assert "with a parameter that it does not know: predict raised KeyError" in only(trial, "ST561").message
    assert "a shared endpoint passes on 1,500,000" in only(trial, "ST567").message
    assert "another project" in only(trial, "ST569").message
    for code in ("ST110", "ST560", "ST561", "ST562", "ST569"):
        location = only(trial, code).location
        assert location is not None
        assert location.path == PREDICTOR


def test_answers_of_other_requests_and_a_home_that_is_written_are_found(
    halves: Path, choose: Callable[[str], None]
) -> None:
    choose("order")
    before(halves, PREDICT, "import time\ntime.sleep(0.01)\nbatch = np.roll(batch, len(batch) in (2, 3), axis=0)")
    before(halves, PREPROCESS, "(Path.home() / 'cache').write_text('x')")
    trial = tried(halves)
    assert trial.codes == ["ST564", "ST569"]
    assert "at once with 7 others" in only(trial, "ST564").message
    assert "Permission denied" in only(trial, "ST569").message


def test_an_alpha_channel_that_changes_the_answer_is_found(halves: Path, choose: Callable[[str], None]) -> None:
    choose("inputs")
    edit(halves / "pyproject.toml", 'mode = "L"', 'mode = "keep"')
    code = "image = image.getchannel('A') if 'A' in image.getbands() else image.convert('L')"
    before(halves, PREPROCESS, code)
    trial = tried(halves)
    assert trial.codes == ["ST571"]
    assert "as an opaque RGBA: the answer.scores[0]" in only(trial, "ST571").message


def test_an_answer_that_changes_ends_the_series_and_memory_that_the_machine_does_not_have_is_found(
    halves: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "of_machine", lambda _: 100_000_000)
    at_load(halves, "self.ballast = np.ones(100_000_000 // 8)")
    before(halves, PREDICT, "self.count = getattr(self, 'count', 0) + len(batch)")
    before(halves, PREDICT, "if self.count > 40: batch = batch[:, ::-1]")
    trial = tried(halves)
    assert trial.codes == ["ST563", "ST568"]
    assert "request 28: the answer.label" in only(trial, "ST563").message
    assert "0.1 GiB are left to a container" in only(trial, "ST568").message
    assert "batches: answers change" in trial.value.unproven


def test_what_every_request_leaves_behind_is_found_with_its_rate(halves: Path, choose: Callable[[str], None]) -> None:
    choose("endurance")
    before(halves, PREDICT, "import threading\nself.left = [*getattr(self, 'left', []), open('/dev/null')]")
    before(halves, PREDICT, "self.left += [np.ones(20_000)]")
    trial = tried(halves)
    assert trial.codes == ["ST565"]
    found = {finding.subject: finding for finding in trial.errors}
    assert found.keys() == {"memory", "open files"}
    assert found["open files"].message == "open files: 1 more with each request, 75 over 75 requests"
    assert found["memory"].message.startswith("memory: 16")
    assert found["memory"].cause.startswith("at one request a second that is ")


def test_a_cache_by_image_and_the_order_of_a_folder_are_found(halves: Path, choose: Callable[[str], None]) -> None:
    choose("endurance")
    for name in "abc":
        (halves / f"artifacts/{name}.txt").write_text(name)
    at_load(halves, "import os\nself.order = [n for n in os.listdir(artifacts_uri) if n.endswith('.txt')]")
    before(halves, PREDICT, "self.__dict__.setdefault('cache', {})[batch.tobytes()] = np.ones(20_000)")
    edit(halves / PREDICTOR, '"scores": output.tolist()}', '"scores": output.tolist(), "order": self.order}')
    trial = tried(halves)
    assert trial.codes == ["ST565", "ST569"]
    assert only(trial, "ST565").message.startswith("memory: 16")
    assert "more with each new image" in only(trial, "ST565").message
    assert "the answer.order[0] is" in only(trial, "ST569").message


def test_an_id_of_the_request_and_the_name_of_the_replica_in_an_answer_are_no_faults(
    halves: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(full, "POINTS", {name: full.POINTS[name] for name in ("endurance", "order")})
    more = '"scores": output.tolist(), "id": uuid.uuid4().hex, "replica": socket.gethostname()}'
    edit(halves / PREDICTOR, '"scores": output.tolist()}', more)
    edit(halves / PREDICTOR, "LABELS = (", "import socket, uuid\nLABELS = (")
    trial = tried(halves)
    assert trial.codes == []
    assert trial.value.changing == {"id"}
    assert "what the answers hold in id: it differs between equal requests" in trial.value.unproven


def test_what_a_predictor_does_only_on_another_host_is_found(halves: Path, choose: Callable[[str], None]) -> None:
    choose("parameters")
    elsewhere = """
        import pathlib, socket
        self.is_known = socket.gethostname() == "predictor"
        try:
            self.is_known or pathlib.Path(__file__).with_name("cache").write_text("x")
        except OSError:
            pass
    """
    at_load(halves, textwrap.dedent(elsewhere))
    before(halves, PREDICT, "batch = batch if self.is_known else batch[:, ::-1]")
    trial = tried(halves)
    assert trial.codes == ["ST569", "ST510"]
    assert "in other surroundings: the answer.label is" in only(trial, "ST569").message
    assert "predictor/cache" in only(trial, "ST510").message


@pytest.mark.proof
def test_a_steep_leak_ends_the_series_early(halves: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steep = replace(endurance.QUANTITIES["memory"], steep=60_000_000)
    monkeypatch.setitem(endurance.QUANTITIES, "memory", steep)
    before(halves, PREDICT, "self.left = [*getattr(self, 'left', []), np.ones(1_250_000)]")
    trial = tried(halves)
    assert trial.codes == ["ST565"]
    assert "10.0 MB more with each request" in only(trial, "ST565").message
    assert trial.phases[-1] == "stop"
    assert trial.value.measured.peak_memory < 800_000_000
