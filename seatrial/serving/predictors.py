"""Load the predictor that bundle.json names, through the adapter of its interface."""

from __future__ import annotations

import gc
import importlib
import os
from typing import TYPE_CHECKING

from seatrial.serving import log, weights
from seatrial.serving.interfaces.adapter import adapter_of
from seatrial.serving.interfaces.recognise import interface_of
from seatrial.serving.settings import artifacts_uri
from seatrial.serving.warmup import warm

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

    from seatrial.serving.interfaces.adapter import Served
    from seatrial.serving.settings import Bundle, Contract


def load(bundle: Bundle, contract: Contract, fetched: Path, common: int) -> Served:
    """Import, create and load the predictor, and make its first prediction.

    What its code raises during the load goes through unchanged. `fetched` is the folder for artifacts of Cloud
    Storage, and `common` the file for weights, which the workers of a server share.

    Raises:
        WarmUpError: it cannot answer a golden example.
    """
    module, _, name = bundle.predictor.partition(":")
    predictor = getattr(_imported(module), name)
    interface = interface_of(predictor, bundle.interface)
    uri = artifacts_uri(bundle, contract)
    if uri.startswith("gs://") and not interface.downloads:
        uri = _fetched(uri, fetched)
    served = adapter_of(interface).serve(predictor, uri, bundle)
    weights.share(common)
    warm(served, uri)
    return served


def _fetched(uri: str, folder: Path) -> str:
    """Fetch a folder of Cloud Storage unless another worker has done so, and return the path."""
    from seatrial.serving.storage import fetch  # only where it is used: HTTP and TLS take 30 ms

    descriptor = os.open(folder / "lock", os.O_CREAT | os.O_RDWR)
    try:
        with log.alone(descriptor):
            done, artifacts = folder / "done", folder / "artifacts"
            if not done.exists():
                fetch(uri, artifacts)
                done.touch()
            return str(artifacts)
    finally:
        os.close(descriptor)


def _imported(module: str) -> ModuleType:
    """Import a module without looking for garbage meanwhile, and never look among what was imported again.

    An import makes hundreds of thousands of objects and next to no garbage: torch and torchvision took 3.7 to 4.6 s
    with the collector and 3.4 to 4.0 s without it, on 2 cores. Frozen, they do not delay an answer by 0.2 s either.
    """
    gc.disable()
    try:
        return importlib.import_module(module)
    finally:
        gc.freeze()
        gc.enable()
