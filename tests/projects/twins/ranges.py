"""Family 1, what is left open of the pair: the pairs of projects."""

from __future__ import annotations

from tests.projects.base import PINS, Files, Twin, lock
from tests.projects.locks import HASHED, NO_MANIFEST, dockerfile, without


def asked(torch: str, torchvision: str, pins: dict[str, str] | None = None) -> Files:
    """Return a requirements.in with these lines for the pair, and a lock of other pins."""
    return {
        "requirements.in": f"{torch}\n{torchvision}\npillow\n",
        "requirements.txt": lock(pins if pins is not None else PINS),
        **NO_MANIFEST,
    }


VISION = """\
from torchvision import transforms


class Predictor:
    def load(self, artifacts_uri):
        self._resize = transforms.Resize((8, 8), antialias=True)

    def preprocess(self, image):
        return self._resize(image.convert("RGB"))

    def predict(self, batch):
        return batch

    def postprocess(self, output):
        return {"scores": output.tolist()}
"""

NO_TORCH: Files = {
    "requirements.in": "torchvision\npillow\n",
    "predictor/__init__.py": "from predictor.predictor import Predictor\n",
    "predictor/predictor.py": VISION,
    "predictor/network.py": None,
    "predictor/transforms.py": None,
    "artifacts/weights.pt": None,
    "artifacts/manifest.json": None,
}

ONLY_VISION: Files = {**NO_TORCH, "requirements.txt": lock({**without("torch"), "torchvision": "0.29.2"})}

BOTH: Files = {**NO_TORCH, "requirements.txt": lock({**PINS, "torch": "2.15.0", "torchvision": "0.29.2"})}

TWINS = (
    *(
        Twin("ST123", name, files, mended, warns=True)
        for name, files, mended in (
            (
                "in requirements.in",
                asked("torch==2.7.0", "torchvision==0.22.*", {**PINS, "torch": "2.7.0", "torchvision": "0.22.0"}),
                asked("torch==2.7.0", "torchvision==0.22.0", {**PINS, "torch": "2.7.0", "torchvision": "0.22.0"}),
            ),
            (
                "a compatible release",
                asked("torch==2.7.0", "torchvision~=0.22.0", {**PINS, "torch": "2.7.0", "torchvision": "0.22.0"}),
                asked("torch==2.7.1", "torchvision~=0.22.0", {**PINS, "torch": "2.7.1", "torchvision": "0.22.1"}),
            ),
            (
                "in a Dockerfile",
                dockerfile("RUN python3 -m pip install 'torch==2.5.0' 'torchvision>=0.20,<0.21'"),
                dockerfile("RUN python3 -m pip install torch==2.5.0 torchvision==0.20.0"),
            ),
        )
    ),
    Twin("ST124", "no torch in the lock", ONLY_VISION, BOTH, warns=True),
    *(
        Twin("ST124", name, dockerfile(line), dockerfile(HASHED), warns=True)
        for name, line in {
            "in a Dockerfile": "RUN pip install torchvision==0.29.2 torch",
            "a range of torch": "RUN uv pip install --system 'torch>=2.14' \\\n    torchvision==0.29.1",
            "a list of words": 'RUN ["python", "-m", "pip", "install", "torchvision==0.29.2"]',
        }.items()
    ),
)
