"""What the server counts, in the text that Prometheus reads.

Written here and not by prometheus_client: a distribution of the runtime's lock goes into the environment of every
predictor, where a pin of the project may forbid it, and what one process without threads counts needs no more than
this. Nothing is labelled by what a client sends, so that the text does not grow.

Counting, ids and what workers tell for both take 0.016 ms of a request (the acceptor's 0.115 became 0.131, the least of
15 windows of 500 requests); a prediction of mobilenet_v3_small takes about 12.

The format: https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_INSTANCES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)  # max-batch is at most 1024


class _Histogram:
    """Counts values by the smallest bound that they do not exceed."""

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def add(self, value: float) -> None:
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def lines(self, name: str, label: str = "") -> Iterator[str]:
        """Yield the lines of its samples; `label` is `name="value"` or "" for none."""
        count = 0
        beside = f"{label}," if label else ""
        for bound, more in zip((*map(str, self._bounds), "+Inf"), self._counts, strict=True):
            count += more
            yield f'{name}_bucket{{{beside}le="{bound}"}} {count}'
        labels = f"{{{label}}}" if label else ""
        yield f"{name}_sum{labels} {self._sum}"
        yield f"{name}_count{labels} {count}"


class Metrics:
    """Counters of a server since its start."""

    def __init__(self) -> None:
        self._started = time.time()
        self._requests = Counter[int]()
        self._answers = _Histogram(_SECONDS)
        self._batches = _Histogram(_INSTANCES)
        self._stages: dict[str, _Histogram] = {}

    def answered(self, status: int, seconds: float) -> None:
        """Count a request by the status of its answer."""
        self._requests[status] += 1
        if status == 200:
            self._answers.add(seconds)

    def worked(self, instances: int, seconds: Mapping[str, float]) -> None:
        """Count a job of a worker, and the seconds that it spent in each stage."""
        self._batches.add(instances)
        for stage, spent in seconds.items():
            if stage not in self._stages:
                self._stages[stage] = _Histogram(_SECONDS)
            self._stages[stage].add(spent)

    def text(self, now: Mapping[str, tuple[float, str]]) -> bytes:
        """Return all of it; `now` has the values of this moment, each with its meaning, by their names."""
        lines = [
            *_head("requests_total", "counter", "Requests by the status of their answer, 499 if the client left."),
            *(
                f'{_PREFIX}requests_total{{status="{status}"}} {self._requests[status]}'
                for status in sorted(self._requests)
            ),
            *_head("answer_seconds", "histogram", "From the headers of a request to its answer of status 200."),
            *self._answers.lines(f"{_PREFIX}answer_seconds"),
            *_head("batch_instances", "histogram", "Instances that a worker predicted together."),
            *self._batches.lines(f"{_PREFIX}batch_instances"),
            *_head("stage_seconds", "histogram", "What a worker spent in a stage of one batch."),
        ]
        for stage, seconds in sorted(self._stages.items()):
            lines += seconds.lines(f"{_PREFIX}stage_seconds", f'stage="{stage}"')
        for name, (value, meaning) in now.items():
            lines += [*_head(name, "gauge", meaning), f"{_PREFIX}{name} {value}"]
        lines += [*_head("start_time_seconds", "gauge", _START), f"{_PREFIX}start_time_seconds {self._started:.3f}", ""]
        return "\n".join(lines).encode()


_PREFIX = "seatrial_"
_START = "When the server started. No worker is ever started again: the platform starts the server, so this changes."


def _head(name: str, kind: str, meaning: str) -> tuple[str, str]:
    return f"# HELP {_PREFIX}{name} {meaning}", f"# TYPE {_PREFIX}{name} {kind}"
