"""Load the predictor that bundle.json names, through the adapter of its interface."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from seatrial.serving.interfaces.adapter import adapter_of
from seatrial.serving.interfaces.recognise import interface_of
from seatrial.serving.settings import artifacts_uri

if TYPE_CHECKING:
    from seatrial.serving.interfaces.adapter import Served
    from seatrial.serving.settings import Bundle, Contract


def load(bundle: Bundle, contract: Contract) -> Served:
    """Import, create and load the predictor. What its code raises goes through unchanged."""
    module, _, name = bundle.predictor.partition(":")
    predictor = getattr(importlib.import_module(module), name)
    interface = interface_of(predictor, bundle.interface)
    return adapter_of(interface).serve(predictor, artifacts_uri(bundle, contract, interface), bundle)
