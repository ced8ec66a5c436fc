"""Family 6, compilers: the pairs of projects."""

from __future__ import annotations

from tests.projects.base import Files, Twin
from tests.projects.code import configured, predictor, served

EVAL = "self._network.eval()"


def compiled(line: str, *imports: str) -> Files:
    """A predictor that does something with its network once it is loaded."""
    return served(
        predictor(EVAL, f"{EVAL}\n        {line}", ("import torch\n", "\n".join(("import torch", *imports)) + "\n"))
    )


SPELLINGS = {
    "torch.compile": (compiled("self._network = torch.compile(self._network)"), compiled("torch.jit.script")),
    "imported by name": (
        compiled("self._network = compile(self._network, mode='max-autotune')", "from torch import compile"),
        compiled("self._network = compile(self._network, backend='eager')", "from torch import compile"),
    ),
    "in a try": (
        compiled("try:\n            torch.compile(self._network)\n        except RuntimeError:\n            pass"),
        compiled("torch.compile(self._network, disable=True)"),
    ),
    "an extension": (
        compiled("load('crop', ['crop.cpp'])", "from torch.utils.cpp_extension import load"),
        compiled("torch.ops.load_library('crop.so')"),
    ),
    "a decorator": (
        served(predictor("    @torch.inference_mode()\n", "    @torch.compile\n    @torch.inference_mode()\n")),
        {},
    ),
    "guarded": (
        compiled("torch.compile(self._network)"),
        compiled("if self.fast:\n            torch.compile(self._network)"),
    ),
    "a compiler in the image": (
        compiled("torch.compile(self._network)"),
        {
            **compiled("torch.compile(self._network)"),
            "Dockerfile": "FROM a\nRUN apt-get update && apt-get install -y --no-install-recommends g++\n",
        },
    ),
    "a compiler by configuration": (
        compiled("torch.compile(self._network)"),
        {**compiled("torch.compile(self._network)"), **configured('[tool.seatrial.smoke]\nimage-has = ["gcc"]')},
    ),
}

TWINS = tuple(Twin("ST640", name, broken, mended, warns=True) for name, (broken, mended) in SPELLINGS.items())
