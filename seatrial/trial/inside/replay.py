"""Replay what training recorded, stage by stage, in the environment on trial.

`replay.py PLAN` reads the JSON file PLAN: `bundle`, the path of bundle.json; `into`, a folder for pictures of what
differs. Beside it lie the modules of `seatrial.golden.stages`, and `seatrial.serving` is installed. The last line that
it prints is the result, as JSON after the word `replayed`. It uses NumPy, which the environment must have.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import sys
from pathlib import Path
from typing import Any


def main() -> None:
    """Load the predictor as the runtime does, ask it, and print what differs."""
    plan = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120
    try:
        result = _replayed(Path(plan["bundle"]), Path(plan["into"]))
    except BaseException as error:  # noqa: BLE001 - SystemExit of a predictor is a failure as well
        import traceback

        result = {"failed": f"{type(error).__name__}: {error}"[:500], "traceback": traceback.format_exc()}
    print(f"\nreplayed {json.dumps(result)}", flush=True)  # noqa: T201
    os._exit(0)  # threads of the predictor must not keep it


def _replayed(file: Path, into: Path) -> dict[str, Any]:
    from seatrial.serving.interfaces.recognise import interface_of
    from seatrial.serving.settings import read_bundle

    bundle = read_bundle(file)
    artifacts = bundle.folder / "artifacts"
    module, _, name = bundle.predictor.partition(":")
    kind: Any = getattr(importlib.import_module(module), name)
    interface = interface_of(kind, bundle.interface)
    if interface.loader == "from_path":
        predictor = kind.from_path(str(artifacts))
    else:
        predictor = kind()
        predictor.load(str(artifacts))

    from seatrial.golden.stages import fingerprint
    from seatrial.golden.stages.pictures import Album
    from seatrial.golden.stages.pipeline import Pipeline
    from seatrial.golden.stages.replay import Replay
    from seatrial.golden.stages.store import Recorded

    recorded = Recorded(artifacts / "golden")
    replay = Replay(Pipeline(predictor, interface, bundle.image), recorded, Album(into))
    inputs = _inputs(artifacts / "golden")
    if [_digest(each) for each in inputs] != [each["sha256"] for each in recorded.inputs]:
        return {"stale": "the stages were recorded for other inputs than golden.json names"}
    unstable = replay.unstable(inputs[0]) if inputs else ""
    differences = [replay.input(number, given) for number, given in enumerate(inputs)]
    found: dict[str, Any] = {"unstable": unstable, "compared": replay.compared, "inputs": differences}
    if interface.batches and any(each["phase"] == "output" for told in differences for each in told):
        found["depends_on_batch"] = replay.depends_on_batch()
    package = json.loads(file.read_text(encoding="utf-8")).get("package", {})
    return {**found, "fingerprint": fingerprint.take(package)}


def _inputs(golden: Path) -> list[Any]:
    """Return the golden inputs: the bytes of an image file, or an instance."""
    entries = json.loads((golden / "golden.json").read_text(encoding="utf-8"))
    return [(golden / each["image"]).read_bytes() if each.get("image") else each["instance"] for each in entries]


def _digest(given: Any) -> str:
    data = given if isinstance(given, bytes) else json.dumps(given, sort_keys=True).encode()
    return hashlib.sha256(data).hexdigest()


if __name__ == "__main__":
    main()
