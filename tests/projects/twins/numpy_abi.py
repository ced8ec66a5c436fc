"""Family 1, compiled for numpy 1: the pairs of projects, with what was read of the wheels."""

from __future__ import annotations

from seatrial.facts.libraries.remembered import Remembered
from seatrial.facts.packages.wheels import Wheel
from tests.projects.base import PINS, Files, Twin, lock
from tests.projects.code import network
from tests.projects.locks import NO_MANIFEST
from tests.projects.wheels import known

IMPORTED = "from torch import nn\nimport kelp\n\n\ndef build():\n    return nn.Linear(2, 1)\n"
PLAIN = "from torch import nn\n\n\ndef build():\n    return nn.Linear(2, 1)\n"
COMPILED = known(Wheel("kelp", "2.0", requires=("numpy>=1.20",), tags=("cp311-cp311-manylinux_2_17_x86_64",)))
BUILT = Remembered(numpy_1={"kelp": "kelp/_fast.cpython-311-x86_64-linux-gnu.so"})


def project(numpy: str, text: str) -> Files:
    return {
        "requirements.in": "torch\ntorchvision\npillow\nkelp\n",
        "requirements.txt": lock({**PINS, "numpy": numpy, "kelp": "2.0"}),
        **NO_MANIFEST,
        **network(text),
    }


TWINS = (
    Twin("ST174", "imported", project("2.3.3", IMPORTED), project("1.26.4", IMPORTED), wheels=COMPILED, taken=BUILT),
    Twin("ST174", "numpy 2.0", project("2.0.0", IMPORTED), project("1.26.4", IMPORTED), wheels=COMPILED, taken=BUILT),
    Twin("ST174", "used by another", project("2.3.3", PLAIN), project("1.26.4", PLAIN), 1, True, COMPILED, None, BUILT),
)
