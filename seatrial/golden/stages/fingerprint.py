"""What an environment is, as far as it decides what a predictor computes."""

from __future__ import annotations

import os
import platform
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_DISTRIBUTIONS = {  # module → distribution; only those are told that the predictor has imported
    "torch": "torch", "torchvision": "torchvision", "numpy": "numpy", "PIL": "pillow", "timm": "timm",
    "albumentations": "albumentations", "cv2": "opencv", "transformers": "transformers", "kornia": "kornia",
    "skimage": "scikit-image",
}  # fmt: skip
_PILLOW = {"jpg": "libjpeg", "zlib": "zlib", "webp": "libwebp"}  # names in PIL.features → here


def take(code: Mapping[str, str]) -> dict[str, Any]:
    """Return the fingerprint of this process; `code` is path → SHA-256 of the project's files that it runs."""
    found = {"python": platform.python_version(), "machine": platform.machine()}
    found |= {name: version for module, name in _DISTRIBUTIONS.items() if (version := _version(module))}
    return {**found, **_pillow(), **_torch(), "code": dict(code)}


def _version(module: str) -> str:
    version = getattr(sys.modules.get(module), "__version__", "")
    return str(version)


def _pillow() -> dict[str, str]:
    if "PIL.Image" not in sys.modules:
        return {}
    from PIL import features

    found = {name: features.version(feature) for feature, name in _PILLOW.items()}
    if features.check_feature("libjpeg_turbo"):
        found["libjpeg"] = f"turbo {features.version('libjpeg_turbo')}"
    return {name: str(version) for name, version in found.items() if version}


def _torch() -> dict[str, Any]:
    torch = sys.modules.get("torch")
    if torch is None:
        return {}
    found: dict[str, Any] = {
        "cpu": torch.backends.cpu.get_cpu_capability() if hasattr(torch.backends, "cpu") else "",
        "threads": torch.get_num_threads(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "tf32": _tf32(torch),
        "cudnn_benchmark": torch.backends.cudnn.benchmark,
    }
    if limit := os.environ.get("ONEDNN_MAX_CPU_ISA"):  # the instructions that convolutions are held to
        found["onednn"] = limit
    if torch.cuda.is_available():
        found |= {"card": torch.cuda.get_device_name(0), "cuda": torch.version.cuda}
    return found


def _tf32(torch: Any) -> bool:
    """Return whether products or convolutions on a GPU may round to TF32."""
    try:
        return bool(torch.backends.cuda.matmul.allow_tf32 or torch.backends.cudnn.allow_tf32)
    except RuntimeError:  # the old flag cannot be read where the new one was set
        return str(torch.backends.cuda.matmul.fp32_precision) == "tf32"
