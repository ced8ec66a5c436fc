"""Ask a loaded predictor for one input in this process, as the runtime does, and see every stage.

The runtime's own code opens the image. Threads, batches, JSON and HTTP are left out: the answers of the real server
are compared elsewhere.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from seatrial.golden.stages.watch import Watch
from seatrial.serving import images
from seatrial.serving.interfaces import BATCHED, CPR, Interface
from seatrial.serving.settings import ImageSettings

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Pipeline:
    """A loaded predictor.

    Attributes:
        predictor: an object with the methods of its interface.
        interface: which one that is.
        image: how an image is opened for it.
        opening: opens the bytes of an image file instead of the runtime, as training did.
    """

    predictor: Any
    interface: Interface
    image: ImageSettings = field(default_factory=ImageSettings)
    opening: Callable[[bytes], Any] | None = None

    def ask(self, given: Any, watch: Watch) -> Any:
        """Return the prediction for an input: the bytes of an image file, or an instance of a request."""
        watch.phase = "transform"
        if self.interface is BATCHED:
            return self._batched(given, watch)
        instance = {"b64": base64.b64encode(given).decode("ascii")} if isinstance(given, bytes) else given
        answered = self._cpr(instance, watch) if self.interface is CPR else self.predictor.predict([instance])
        watch.phase = "output"
        rows = answered.tolist() if hasattr(answered, "tolist") else answered
        return plain(rows[0])

    def _batched(self, given: Any, watch: Watch) -> Any:
        image = self._opened(given, watch)
        prepared = watch.tell("preprocess", self.predictor.preprocess(image))
        row = watch.tell("predict", self.predictor.predict(prepared[None])[0], "output")
        watch.phase = "output"
        postprocess = getattr(self.predictor, "postprocess", None)
        return plain(row if postprocess is None else postprocess(row))

    def _opened(self, given: Any, watch: Watch) -> Any:
        decode = getattr(self.predictor, "decode", None)
        if decode is not None:
            is_file = isinstance(given, bytes)
            instance = {"b64": base64.b64encode(given).decode("ascii")} if is_file else given
            return watch.tell("decode", decode(instance), "decode")
        data = given if isinstance(given, bytes) else images.image_bytes(given)
        if self.opening is not None:
            return watch.step("decode", "decode", self.opening, data)
        images.require_pillow()
        return watch.step("decode", "decode", images.open_image, data, self.image)

    def _cpr(self, instance: Any, watch: Watch) -> Any:
        value: Any = {"instances": [instance]}
        for step, phase in (("preprocess", "transform"), ("predict", "output"), ("postprocess", "")):
            if hasattr(self.predictor, step):
                value = getattr(self.predictor, step)(value)
                value = watch.tell(step, value, phase) if phase else value
        return value["predictions"]


def plain(value: Any) -> Any:
    """Return a prediction as the client gets it: Python's own lists, numbers and texts."""
    if isinstance(value, dict):
        return {_key(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    tolist = getattr(value, "tolist", None)
    return value if tolist is None else plain(tolist())


def _key(key: Any) -> Any:
    tolist = getattr(key, "tolist", None)
    return tolist() if tolist else key
