"""Deployed models as real processes: their variables, their failures, and Vertex's rules for keeping them running."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from google.cloud import aiplatform_v1 as v1

from seatrial.emulator.api.hosting import HostingError, Placement
from seatrial.emulator.hosting.storage import BUCKET, Storage
from tests.conftest import ROOT
from tests.emulator.served import Room, at_load, built, image_of, placed, room, stored, until

PROJECT = "tests/projects/packaged-transform"
Copied = Callable[[str], Path]
ON_ORDER = at_load(
    "import os, threading\nthreading.Thread(target=obey, args=(os.environ['ORDERS'],), daemon=True).start()"
)
OBEY = '''
def obey(orders):
    """Do what a test writes into a file: hang for a while, or die."""
    import os, time
    while True:
        time.sleep(0.02)
        if os.path.exists(orders):
            text = open(orders).read()
            if text == "die":
                os.unlink(orders)
                os._exit(3)
'''


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Storage]:
    running = Storage(tmp_path_factory.mktemp("bucket"))
    yield running
    running.stop()


@pytest.fixture
def halves(tmp_path: Path, storage: Storage) -> Iterator[Room]:
    made = room(tmp_path / "state", storage)
    yield made
    made.replicas.close()


@pytest.fixture
def image() -> bytes:
    return image_of(ROOT / PROJECT / "artifacts/golden/top.png")


@pytest.fixture
def sound(copied: Copied, storage: Storage) -> Placement:
    return placed(stored(built(copied(PROJECT)), storage.url))


def asked(halves: Room, placement: Placement, body: bytes) -> int:
    """Ask for a prediction; return the HTTP status, or the negative code of the error."""
    try:
        return halves.replicas.ask(placement, body, "application/json", 20).status
    except HostingError as error:
        return -error.code


def test_a_bundle_is_served_from_its_locked_environment_and_answers(
    halves: Room, sound: Placement, image: bytes
) -> None:
    halves.deploy(sound)
    reply = halves.replicas.ask(sound, image, "application/json", 20)
    assert (reply.status, reply.content_type) == (200, "application/json")
    assert json.loads(reply.body)["predictions"][0]["label"] == "top"
    halves.replicas.stop("digits", "1")
    assert halves.running() == []


def test_it_sees_vertexs_variables_for_its_placement_and_none_of_the_callers(
    halves: Room, copied: Copied, storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET", "of the caller")
    code = "import json, os\nprint(json.dumps({'message': 'seen', 'seen': dict(os.environ)}), flush=True)"
    model = stored(built(copied(PROJECT), at_load(code)), storage.url)
    model.container_spec.env = [v1.EnvVar(name="OWN", value="$(AIP_ENDPOINT_ID) costs $$(5)")]
    model.container_spec.health_route, model.container_spec.predict_route = "/up", "/ask"
    in_environment = {"command": ["python", "-c", "import os; os.environ['OWN']"]}
    model.container_spec.startup_probe = v1.Probe(exec_=in_environment, timeout_seconds=20)
    model.container_spec.health_probe = v1.Probe(http_get={"path": "/up", "port": 8080}, period_seconds=1)
    where = placed(model, "4711")
    halves.deploy(where)
    seen = next(e["jsonPayload"]["seen"] for e in halves.printed(where) if "seen" in e["jsonPayload"])
    assert "SECRET" not in seen
    assert {name: value for name, value in seen.items() if name.startswith(("AIP_", "OWN"))} == {
        "AIP_MODE": "PREDICTION",
        "AIP_MODE_VERSION": "1.0.0",
        "AIP_FRAMEWORK": "CUSTOM_CONTAINER",
        "AIP_HTTP_PORT": seen["AIP_HTTP_PORT"],
        "AIP_HEALTH_ROUTE": "/up",
        "AIP_PREDICT_ROUTE": "/ask",
        "AIP_STORAGE_URI": "",
        "AIP_PROJECT_NUMBER": "123456789012",
        "AIP_ENDPOINT_ID": "digits",
        "AIP_MODEL_NAME": "digits",
        "AIP_DEPLOYED_MODEL_ID": "4711",
        "AIP_VERSION_NAME": "4711",
        "AIP_MACHINE_TYPE": "n1-standard-4",
        "OWN": "digits costs $(5)",
    }


def test_a_server_that_exits_fails_its_start_with_vertexs_text_and_its_log_says_why(
    halves: Room, copied: Copied, storage: Storage
) -> None:
    where = placed(stored(built(copied(PROJECT), at_load("raise RuntimeError('no such weights')")), storage.url))
    with pytest.raises(
        HostingError, match=r"^Model server exited unexpectedly\. Model server logs can be found at"
    ) as no:
        halves.deploy(where)
    assert no.value.code == 9
    (critical,) = halves.printed(where, "CRITICAL")
    assert critical["jsonPayload"]["message"].endswith("no such weights")
    assert "severity" not in critical["jsonPayload"]
    assert halves.running() == []


def test_a_server_that_is_not_ready_by_the_versions_deadline_fails_and_is_ended(
    halves: Room, copied: Copied, storage: Storage
) -> None:
    model = stored(built(copied(PROJECT), at_load("import time\ntime.sleep(600)")), storage.url)
    model.container_spec.deployment_timeout = timedelta(seconds=2)
    with pytest.raises(HostingError, match=r"^Model server never became ready\. Please validate") as no:
        halves.deploy(placed(model))
    assert no.value.code == 9
    assert halves.running() == []


def test_a_bundle_that_is_not_in_the_bucket_fails_with_vertexs_text(halves: Room) -> None:
    spec = v1.ModelContainerSpec(image_uri="seatrial.local/bundle:0")
    for uri in (f"gs://{BUCKET}/bundles/{'0' * 64}", "gs://elsewhere/model", ""):
        with pytest.raises(HostingError, match=r"storage\.objects\.get") as no:
            halves.replicas.prepare(placed(v1.Model(artifact_uri=uri, container_spec=spec)))
        assert no.value.code == 9
    assert list((halves.state / "bundles").iterdir()) == []


def test_a_lock_that_cannot_be_installed_fails_the_stage_and_its_log_says_why(
    halves: Room, copied: Copied, storage: Storage
) -> None:
    root = copied(PROJECT)
    lock = root / "requirements.txt"
    lock.write_text(f"numpy==0.0.1 --hash=sha256:{'0' * 64}\n")
    where = placed(stored(built(root), storage.url))
    halves.replicas.prepare(where)
    with pytest.raises(HostingError, match="cannot be installed") as no:
        halves.replicas.fetch(where)
    assert no.value.code == 9
    assert any("numpy" in str(entry) for entry in halves.printed(where, "ERROR"))


def test_a_server_that_dies_is_restarted_and_gets_no_traffic_meanwhile(
    halves: Room, copied: Copied, storage: Storage, tmp_path: Path, image: bytes
) -> None:
    orders = tmp_path / "orders"
    model = stored(built(copied(PROJECT), lambda text: ON_ORDER(text) + OBEY), storage.url)
    model.container_spec.env = [v1.EnvVar(name="ORDERS", value=str(orders))]
    where = placed(model)
    halves.deploy(where)
    (first,) = halves.running()
    orders.write_text("die")
    until(lambda: asked(halves, where, image) == -14)
    until(lambda: asked(halves, where, image) == 200)
    assert first not in halves.running()
    assert any("started again" in entry.get("textPayload", "") for entry in halves.printed(where, "ERROR"))


def test_a_server_that_hangs_loses_its_traffic_after_four_failures_and_gets_it_back_after_one_success(
    halves: Room, sound: Placement, image: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    halves.deploy(sound)
    (pid,) = halves.running()
    monkeypatch.setattr("seatrial.emulator.hosting.checks._HEALTH_TIMEOUT", 0.2)
    os.killpg(pid, signal.SIGSTOP)
    until(lambda: asked_briefly(halves, sound) == -14)
    os.killpg(pid, signal.SIGCONT)
    until(lambda: asked(halves, sound, image) == 200)
    assert halves.running() == [pid]  # it was never restarted: its port took connections all the time


def asked_briefly(halves: Room, placement: Placement) -> int:
    try:
        return halves.replicas.ask(placement, b"{}", "application/json", 0.1).status
    except HostingError as error:
        return -error.code


def test_after_a_restart_of_the_emulator_a_deployed_model_starts_with_its_first_request(
    halves: Room, sound: Placement, image: bytes
) -> None:
    halves.deploy(sound)
    halves.replicas.close()
    again = room(halves.state, halves.storage)
    try:
        assert again.running() == []
        assert asked(again, sound, image) == 200
        assert len(again.running()) == 1
    finally:
        again.replicas.close()


def test_an_undeployed_model_is_not_started_by_a_request_that_was_on_its_way(
    halves: Room, sound: Placement, image: bytes
) -> None:
    halves.deploy(sound)
    halves.replicas.stop("digits", "1")
    assert asked(halves, sound, image) == -14
    assert halves.running() == []


def test_several_start_at_once_and_all_end_together(halves: Room, sound: Placement, image: bytes) -> None:
    halves.replicas.prepare(sound)
    halves.replicas.fetch(sound)
    places = [placed(sound.model, str(number)) for number in range(4)]
    threads = [threading.Thread(target=halves.deploy, args=(place,)) for place in places]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [asked(halves, place, image) for place in places] == [200] * 4
    halves.replicas.close()
    assert halves.running() == []


def test_a_start_that_is_stopped_ends_as_cancelled_and_leaves_nothing(
    halves: Room, copied: Copied, storage: Storage
) -> None:
    where = placed(stored(built(copied(PROJECT), at_load("import time\ntime.sleep(600)")), storage.url))
    ended: list[int] = []

    def start() -> None:
        try:
            halves.deploy(where)
        except HostingError as error:
            ended.append(error.code)

    thread = threading.Thread(target=start)
    thread.start()
    until(lambda: (halves.state / "running").is_dir() and halves.running())
    halves.replicas.stop("digits", "1")
    thread.join(20)
    assert ended == [1]
    assert halves.running() == []
