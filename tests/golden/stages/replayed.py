"""Run by its path, in an environment of old or new versions: record the stages of a predictor, or replay them.

`replayed.py record|replay|REPEATS MODULE ARTIFACTS IMAGE...`: MODULE is a file with a class `Predictor`; REPEATS is how
often it is replayed. It prints JSON, with the inputs of all runs.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

from seatrial import golden
from seatrial.golden.stages import fingerprint
from seatrial.golden.stages.pipeline import Pipeline
from seatrial.golden.stages.replay import Replay
from seatrial.golden.stages.store import Recorded
from seatrial.serving.interfaces import BATCHED


def main() -> None:
    what, module, artifacts, *images = sys.argv[1:]
    spec = importlib.util.spec_from_file_location("predictor", module)
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    predictor: Any = made.Predictor()
    if what == "record":
        golden.record(predictor, images, artifacts, opening=getattr(made, "opening", None), how="later")
        return
    recorded = Recorded(Path(artifacts) / "golden")
    pipeline = Pipeline(predictor, BATCHED, opening=getattr(made, "opening", None))
    files = [Path(image).read_bytes() for image in images]
    told = []
    for _ in range(int(what) if what.isdigit() else 1):
        replay = Replay(pipeline, recorded)
        unstable = replay.unstable(files[0])
        told += [replay.input(number, file) for number, file in enumerate(files)]
    found = {"inputs": told, "unstable": unstable, "depends_on_batch": replay.depends_on_batch()}
    fingerprints = {"was": recorded.index["fingerprint"], "now": fingerprint.take({})}
    sys.stdout.write("\nreplayed " + json.dumps({**found, **fingerprints}) + "\n")


if __name__ == "__main__":
    main()
