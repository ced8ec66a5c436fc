"""The text of the metrics, as Prometheus's own parser reads it."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from prometheus_client.parser import text_string_to_metric_families

from seatrial.serving.metrics import Metrics

from .server import PATIENCE, Server, gray, served, wait_for
from .test_contract import MEAN

if TYPE_CHECKING:
    from pathlib import Path

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def read(text: str) -> tuple[dict[str, str], Samples]:
    """Return the type of each metric and its samples; each metric must say what it means."""
    types: dict[str, str] = {}
    samples: Samples = {}
    for family in text_string_to_metric_families(text):
        assert family.name not in types
        assert family.documentation
        types[family.name] = family.type
        for sample in family.samples:
            key = (sample.name, frozenset(sample.labels.items()))
            assert key not in samples
            samples[key] = sample.value
    return types, samples


def of(samples: Samples, name: str, **labels: str) -> float:
    return samples[f"seatrial_{name}", frozenset(labels.items())]


def test_what_was_counted_is_read_back() -> None:
    metrics = Metrics()
    for status, seconds in ((200, 0.01), (200, 0.02), (200, 99.0), (503, 0.001)):
        metrics.answered(status, seconds)
    metrics.worked(8, {"decode": 0.5, "predict": 0.25})
    metrics.worked(3, {"predict": 0.25})
    types, samples = read(metrics.text({"ready": (1, "Whether.")}).decode())
    assert types == {
        "seatrial_requests": "counter",
        "seatrial_answer_seconds": "histogram",
        "seatrial_batch_instances": "histogram",
        "seatrial_stage_seconds": "histogram",
        "seatrial_ready": "gauge",
        "seatrial_start_time_seconds": "gauge",
    }
    assert [of(samples, "requests_total", status=status) for status in ("200", "503")] == [3, 1]
    counts = [of(samples, "answer_seconds_bucket", le=bound) for bound in ("0.005", "0.01", "0.025", "60", "+Inf")]
    assert counts == [0, 1, 2, 2, 3]
    assert of(samples, "answer_seconds_sum") == 99.03
    assert [of(samples, "batch_instances_bucket", le=bound) for bound in ("2", "4", "8")] == [0, 1, 2]
    assert of(samples, "stage_seconds_count", stage="predict") == 2
    assert of(samples, "stage_seconds_sum", stage="decode") == 0.5


def test_nothing_counted_yet_is_read_too() -> None:
    types, samples = read(Metrics().text({}).decode())
    assert types["seatrial_stage_seconds"] == "histogram"
    assert of(samples, "answer_seconds_count") == 0


def scraped(server: Server) -> Samples:
    reply = server.request("GET", "/metrics")
    assert (reply.status, reply.headers["content-type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    return read(reply.body.decode())[1]


def test_the_server_shows_requests_batches_stages_and_its_state(tmp_path: Path) -> None:
    with served(tmp_path, MEAN, serving={"workers": 2}) as server:
        assert server.predictions(*map(gray, range(10))) == list(range(10))
        assert server.predict("no image").status == 400
        samples = scraped(server)
        assert [of(samples, "requests_total", status=status) for status in ("200", "400")] == [1, 1]
        assert of(samples, "answer_seconds_count") == 1
        assert (of(samples, "batch_instances_sum"), of(samples, "batch_instances_count")) == (11, 3)
        # What is refused while it is decoded has no time of its own, and its batch nothing to predict.
        stages = [of(samples, "stage_seconds_count", stage=stage) for stage in ("decode", "preprocess")]
        assert stages == [2, 2]
        assert of(samples, "stage_seconds_sum", stage="predict") > 0
        names = ("ready", "workers", "requests_in_flight", "requests_waiting", "body_bytes")
        assert [of(samples, name) for name in names] == [1, 2, 0, 0, 0]


WAITING = """
class P:
    def load(self, artifacts_uri): ...

    def decode(self, instance):
        wait("go")
        return instance

    def preprocess(self, value):
        return np.float32([value])

    def predict(self, batch):
        return batch.sum(axis=1)
"""


def test_what_waits_is_seen_while_it_waits(tmp_path: Path) -> None:
    with served(tmp_path, WAITING, serving={"workers": 1, "max-batch": 1}) as server, ThreadPoolExecutor(3) as clients:
        replies = [clients.submit(server.predict, number) for number in range(3)]
        wait_for(lambda: of(scraped(server), "requests_in_flight") == 3)
        samples = scraped(server)
        assert of(samples, "requests_waiting") == 2
        assert of(samples, "body_bytes") == 3 * len(json.dumps({"instances": [1]}))
        server.touch("go")
        assert [reply.result(PATIENCE).json() for reply in replies] == [{"predictions": [n]} for n in range(3)]
