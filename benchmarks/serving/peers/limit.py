"""What the machine can do at most: the same work as the servers do, in processes that nobody has to ask over HTTP.

`limit.py FOLDER BODY PROCESSES` says {"ready": 1} when one process has loaded the model, which is a bare import and
load, and {"ready": N} when all have. It then reads windows from its standard input, one JSON object a line, such as
{"batch": 8, "processes": 2, "threads": 1, "seconds": 10.0}, and answers each with images and percentiles. A process
parses a request's body once an image, decodes, prepares, predicts a batch, and writes an answer once an image.
"""

import io
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any


def main() -> None:
    """Start the processes, and have them work for each window."""
    folder, body, number = sys.argv[1:]
    running = [start(folder, body)]
    say({"ready": 1, **read(running[0])})
    running += [start(folder, body) for _ in range(int(number) - 1)]
    for each in running[1:]:
        read(each)
    say({"ready": int(number)})
    for line in sys.stdin:
        working = running[: json.loads(line)["processes"]]
        for each in working:
            each.stdin.write(line)
            each.stdin.flush()
        answers = [read(each) for each in working]
        times = sorted(seconds for answer in answers for seconds in answer["times"])
        rate = sum(answer["images"] / answer["seconds"] for answer in answers)
        images = sum(answer["images"] for answer in answers)
        say({"images": images, "rate": rate, "p50_ms": percentile(times, 50), "p99_ms": percentile(times, 99)})


def start(folder: str, body: str) -> Any:
    """Start a process that works."""
    command = [sys.executable, __file__, folder, body]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def work() -> None:
    """Load the model, say so, and work for each window."""
    folder, file = sys.argv[1:]
    import msgspec
    import torch
    from pictures import vision

    model, body, parse = vision.load(folder), Path(file).read_bytes(), msgspec.json.decode
    answer = answered(vision, model, [parse(body)["instances"][0]])
    say({"answer": json.loads(answer[0])})
    for line in sys.stdin:
        window = json.loads(line)
        torch.set_num_threads(window["threads"])
        times: list[float] = []
        began = now = time.perf_counter()
        while now - began < window["seconds"]:
            answered(vision, model, [parse(body)["instances"][0] for _ in range(window["batch"])])
            times.append(-(now - (now := time.perf_counter())))
        say({"images": len(times) * window["batch"], "seconds": now - began, "times": times})


def answered(vision: Any, model: Any, instances: list[Any]) -> list[bytes]:
    """Return the bodies of the answers of a batch."""
    import msgspec
    import pybase64
    import torch
    from PIL import Image

    images = [Image.open(io.BytesIO(pybase64.b64decode(instance["b64"]))).convert("RGB") for instance in instances]
    rows = vision.scores(model, torch.stack([vision.prepared(image) for image in images]))
    return [msgspec.json.encode({"predictions": [vision.best(row)]}) for row in rows]


def percentile(times: list[float], percent: int) -> float:
    """Return a percentile of sorted seconds, in milliseconds."""
    return 1000 * times[min(len(times) - 1, len(times) * percent // 100)]


def read(process: Any) -> Any:
    """Return what a process says next."""
    line = process.stdout.readline()
    if not line:
        sys.exit("a process of the limit ended")
    return json.loads(line)


def say(content: object) -> None:
    """Print a line."""
    print(json.dumps(content), flush=True)  # noqa: T201


if __name__ == "__main__":
    main() if len(sys.argv) == 4 else work()
