"""Family 1: versions that do not fit each other, by tables."""

from __future__ import annotations

from tests.projects.base import BASE, PINS, Files, Twin, lock
from tests.projects.twins.locks import LOCK, NO_MANIFEST, of, without

SETTINGS = str(BASE["pyproject.toml"])
NEWEST = of(torch="2.15.0", torchvision="0.29.2")


def asked(torch: str, torchvision: str, pins: dict[str, str] | None = None) -> Files:
    """Give a requirements.in with these lines for the pair, and a lock of other pins."""
    return {
        "requirements.in": f"{torch}\n{torchvision}\npillow\n",
        "requirements.txt": lock(pins if pins is not None else PINS),
        **NO_MANIFEST,
    }


def on(python: str) -> Files:
    return {"pyproject.toml": SETTINGS.replace("3.11", python), **NO_MANIFEST}


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


def dockerfile(*lines: str) -> Files:
    return {"Dockerfile": "\n".join(["FROM python:3.11-slim-bookworm", *lines]) + "\n"}


def opencv(*names: str) -> Files:
    """Give a lock with these builds of OpenCV, one of which the predictor may import."""
    return {"requirements.txt": LOCK + lock(dict.fromkeys(names, "4.11.0.86"))}


HASHED = "RUN pip install --require-hashes -r requirements.txt"

TWINS = (
    Twin("ST120", "of the article", {**of(torch="1.13.1", torchvision="0.15.1", numpy="1.26.4")}),
    Twin("ST120", "a patch apart", of(torch="2.7.0", torchvision="0.22.1")),
    Twin("ST120", "in the CPU lock alone", {
        "requirements-cpu.txt": "--extra-index-url https://download.pytorch.org/whl/cpu\n"
        + lock({**PINS, "torch": "2.8.0+cpu", "torchvision": "0.22.1+cpu"}),
        **of(torch="2.8.0", torchvision="0.22.1"),
    }),
    Twin("ST121", "of torch", {**of(torch="2.15.0", torchvision="0.29.2"), **on("3.10")}, on("3.12")),
    Twin("ST121", "of torchvision", of(torch="1.13.1", torchvision="0.14.1", numpy="1.26.4")),
    Twin("ST121", "of both", {**of(torch="2.1.2", torchvision="0.16.2", numpy="1.26.4"), **on("3.12")}, count=2),
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
    Twin("ST131", "0.4.1", of(torch="1.3.0", torchvision="0.4.1", pillow="11.3.0", numpy="1.21.6")),
    Twin("ST131", "0.4.2", of(torch="1.3.1", torchvision="0.4.2", pillow="7.0.0", numpy="1.21.6")),
    Twin("ST131", "0.3.0", of(torch="1.1.0", torchvision="0.3.0", pillow="9.5.0", numpy="1.21.6")),
    Twin("ST132", "2.2", of(torch="2.2.2", torchvision="0.17.2")),
    Twin("ST132", "2.0", of(torch="2.0.1", torchvision="0.15.2", numpy="2.0.0"), of(numpy="2.0.0")),
    Twin(
        "ST132",
        "in the CPU lock too",
        {
            **of(torch="2.1.2", torchvision="0.16.2"),
            "requirements-cpu.txt": "--extra-index-url https://download.pytorch.org/whl/cpu\n"
            + lock({**PINS, "torch": "2.1.2+cpu", "torchvision": "0.16.2+cpu"}),
        },
    ),
    Twin("ST133", "with and without windows", opencv("opencv-python", "opencv-python-headless"), warns=True),
    Twin("ST133", "with and without contrib", opencv("opencv-contrib-python-headless", "opencv-python-headless"), warns=True),
    Twin("ST133", "both with windows", opencv("opencv-contrib-python", "opencv_python"), warns=True),
    Twin("ST134", "alone", opencv("opencv-python"), opencv("opencv-python-headless"), warns=True),
    Twin("ST134", "spelled otherwise", opencv("OpenCV_Python"), opencv("opencv-python-headless"), warns=True),
    Twin("ST134", "contrib", opencv("opencv-contrib-python"), opencv("opencv-contrib-python-headless"), warns=True),
)  # fmt: skip
