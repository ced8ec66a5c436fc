"""Record what a predictor answers, stage by stage, in the environment on trial.

`record.py PLAN` reads the JSON file PLAN: `bundle`, the path of bundle.json; `images`, paths of image files;
`instances`, other inputs, if any; `into`, a folder for what is recorded, with `answers.json` in it. Beside it lie the
modules of `seatrial.golden`, and `seatrial.serving` is installed. It uses NumPy, which the environment must have.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from pathlib import Path
from typing import Any


def main() -> None:
    """Load the predictor as the runtime does, ask it, and write what is seen."""
    plan = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120
    from seatrial.golden import recording
    from seatrial.serving.interfaces.recognise import interface_of
    from seatrial.serving.settings import read_bundle

    bundle = read_bundle(Path(plan["bundle"]))
    artifacts = str(bundle.folder / "artifacts")
    module, _, name = bundle.predictor.partition(":")
    kind: Any = getattr(importlib.import_module(module), name)
    interface = interface_of(kind, bundle.interface)
    predictor = kind.from_path(artifacts) if interface.loader == "from_path" else kind()
    if interface.loader == "load":
        predictor.load(artifacts)
    package = json.loads(Path(plan["bundle"]).read_text(encoding="utf-8")).get("package", {})
    into = Path(plan["into"])
    inputs = [*plan["images"], *plan.get("instances", ())]
    answers = recording.stages_of(predictor, inputs, into, code=package, interface=interface.name, image=bundle.image)
    (into / "answers.json").write_text(json.dumps(answers, allow_nan=False), encoding="utf-8")
    sys.stdout.flush()
    os._exit(0)  # threads of the predictor must not keep it


if __name__ == "__main__":
    main()
