"""Family 6, number types: the pairs of projects."""

from __future__ import annotations

from collections.abc import Iterator

from tests.projects.base import Files, Twin
from tests.projects.code import predictor, served

EVAL, CALL, RETURN = "self._network.eval()", "self._network(batch)", "output.tolist()"


def changed(load: str, call: str = CALL, answer: str = RETURN) -> Files:
    """A predictor that changes its network once it is loaded, calls it otherwise, and answers otherwise."""
    return served(predictor(EVAL, f"{EVAL}\n        {load}", (CALL, call), (RETURN, answer)))


def _half() -> Iterator[Twin]:
    for name, load, call in (
        ("half", "self._network.half()", "self._network(batch.half())"),
        ("bfloat16", "self._network = self._network.bfloat16()", "self._network(batch.to(torch.bfloat16)).float()"),
        ("to", "self._network.to(torch.float16)", "self._network(batch.to(dtype=torch.float16))"),
        ("to with a device", "self._network.to('cpu', dtype=torch.half)", "self._network(batch.type(self.kind))"),
        (
            "the weights' type",
            "self._network.half()",
            "self._network(batch.to(next(self._network.parameters()).dtype))",
        ),
        ("autocast", "self._network.half()", "self.amp(self._network, batch)"),
    ):
        yield Twin("ST641", name, changed(load), changed(load, call), warns=True)
    guarded = changed("if self.gpu:\n            self._network.half()")
    yield Twin("ST641", "guarded", changed("self._network.half()"), guarded, warns=True)
    back = changed("self._network.half()\n        self._network.float()")
    yield Twin("ST641", "and back", changed("self._network.half()"), back, warns=True)


def _to_numpy() -> Iterator[Twin]:
    load, call = "self._network.bfloat16()", "self._network(batch.bfloat16())"
    for name, broken, mended in (
        ("numpy", "output.cpu().numpy().tolist()", "output.float().cpu().numpy().tolist()"),
        ("to", "list(output.numpy())", "list(output.to(torch.float32).numpy())"),
        ("a list", "list(output.detach().numpy())", "output.tolist()"),
    ):
        yield Twin("ST642", name, changed(load, call, broken), changed(load, call, mended), warns=True)


TWINS = (*_half(), *_to_numpy())
