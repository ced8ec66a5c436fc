"""Family 4, values: the pairs of projects."""

from __future__ import annotations

from collections.abc import Iterator

from tests.projects.base import PINS, Files, Twin, lock
from tests.projects.code import FROM, V2, code, composed, predictor, served

MEAN, STD = "[0.485, 0.456, 0.406]", "[0.229, 0.224, 0.225]"
TENSOR, RESIZE = "transforms.ToTensor()", "transforms.Resize((8, 8), antialias=True)"
SCALE = "def scale(x):\n    return x / 255\n"
OPENCV: Files = {
    "requirements.txt": lock({**PINS, "opencv-python-headless": "4.12.0.88"}),
    "requirements.in": "torch\ntorchvision\npillow\nopencv-python-headless\n",
}


def steps(*written: str, head: str = FROM) -> Files:
    return code(composed(head, "transforms.Compose", *written))


def prepared(line: str, *imports: str) -> Files:
    """A predictor that prepares an image by hand, and normalizes it with numbers for 0 to 1."""
    text = predictor(
        "import torch\n",
        "\n".join(("import torch", "from torchvision.transforms import functional as F", *imports)) + "\n",
    )
    text = text.replace(
        'return self._transform(image.convert("RGB"))', f"x = {line}\n        return F.normalize(x, {MEAN}, {STD})"
    )
    return {**served(text), "predictor/transforms.py": "def transform():\n    return None\n"}


def _twins(rule: str, pairs: dict[str, tuple[Files, Files]], *, warns: bool = True) -> Iterator[Twin]:
    for name, (broken, mended) in pairs.items():
        yield Twin(rule, name, broken, mended, warns=warns)


READ = "F.to_tensor(cv2.imdecode(image, cv2.IMREAD_COLOR))"
FILE = "F.to_tensor(cv2.imread(image))"
TWINS = (
    *_twins("ST434", {
        "imdecode": (
            {**OPENCV, **prepared(READ, "import cv2")},
            {**OPENCV, **prepared(READ.replace("cv2.IMREAD_COLOR", "cv2.IMREAD_COLOR_RGB"), "import cv2")},
        ),
        "imread": (
            {**OPENCV, **prepared(FILE, "import cv2")},
            {**OPENCV, **prepared("F.to_tensor(cv2.imread(image)[:, :, ::-1])", "import cv2")},
        ),
        "imported by name": (
            {**OPENCV, **prepared("F.to_tensor(imread(image, IMREAD_COLOR))", "from cv2 import IMREAD_COLOR, imread")},
            {**OPENCV, **prepared("F.to_tensor(imread(image, IMREAD_GRAYSCALE))",
                                  "from cv2 import IMREAD_GRAYSCALE, imread")},
        ),
        "training reads alike": (
            {**OPENCV, **prepared(FILE, "import cv2")},
            {**OPENCV, **prepared(FILE, "import cv2"), "train.py": "import cv2\n\nimage = cv2.imread('a.png')\n"},
        ),
    }),
    *_twins("ST435", {
        "a lambda of a function": (
            steps(TENSOR, "transforms.Lambda(scale)", head=f"{FROM}\n\n{SCALE}"),
            steps("transforms.PILToTensor()", "transforms.Lambda(scale)", head=f"{FROM}\n\n{SCALE}"),
        ),
        "a function": (
            steps(TENSOR, "scale", head=f"{FROM}\n\n{SCALE}"),
            steps(TENSOR, "scale", head=f"{FROM}\n\n{SCALE.replace('255', '2')}"),
        ),
        "v2": (
            code(composed(f"{V2}\n\n{SCALE}", "v2.Compose", "v2.ToImage()", "v2.ToDtype(torch.float32, scale=True)", "scale")),
            code(composed(f"{V2}\n\n{SCALE}", "v2.Compose", "v2.ToImage()", "v2.ToDtype(torch.float32, scale=False)", "scale")),
        ),
        "in place": (
            steps(TENSOR, "scale", head=f"{FROM}\n\ndef scale(x):\n    x /= 255.0\n    return x\n"),
            steps(TENSOR, "scale", head=f"{FROM}\n\ndef scale(x):\n    x *= 255.0\n    return x\n"),
        ),
        "a method": (
            steps(TENSOR, "scale", head=f"{FROM}\n\ndef scale(x):\n    return x.div(255)\n"),
            steps(TENSOR, "scale", head=f"{FROM}\n\ndef scale(x):\n    return x.mul(255).byte()\n"),
        ),
        "by a factor": (
            steps(TENSOR, "scale", head=f"{FROM}\n\ndef scale(x):\n    return x * (1 / 255)\n"),
            steps(TENSOR, "scale", head=f"{FROM}\n\ndef scale(x):\n    return (255 * x).round() / 255\n"),
        ),
        "a limit": (
            steps(TENSOR, "scale", head=f"{FROM}\n\n{SCALE}"),
            steps(TENSOR, "scale", head=f"{FROM}\n\ndef scale(x):\n    return x.clamp(0, 255)\n"),
        ),
        "undone before": (
            steps(TENSOR, "scale", head=f"{FROM}\n\n{SCALE}"),
            steps(TENSOR, "transforms.Lambda(lambda x: x * 255)", "scale", head=f"{FROM}\n\n{SCALE}"),
        ),
        "undone before by a function": (
            steps(TENSOR, "scale", head=f"{FROM}\n\n{SCALE}"),
            steps(TENSOR, "bytes_of", "scale", head=f"{FROM}\n\ndef bytes_of(x):\n    return x * 255\n\n\n{SCALE}"),
        ),
        "div": (prepared("F.to_tensor(image).div(255)"), prepared("F.pil_to_tensor(image).div(255)")),
    }),
    *_twins("ST436", {
        "exchanged": (
            steps(TENSOR, f"transforms.Normalize({STD}, {MEAN})"), steps(TENSOR, f"transforms.Normalize({MEAN}, {STD})"),
        ),
        "exchanged by name": (
            steps(TENSOR, f"transforms.Normalize(std={MEAN}, mean={STD})"),
            steps(TENSOR, f"transforms.Normalize(std={STD}, mean={MEAN})"),
        ),
        "of bytes": (
            steps(TENSOR, "transforms.Normalize((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))"),
            steps("transforms.PILToTensor()", "transforms.Normalize((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))"),
        ),
        "of bytes, which a step makes again": (
            steps(TENSOR, "transforms.Normalize((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))"),
            steps(
                TENSOR,
                "transforms.Lambda(lambda x: x.mul(MOST))",
                "transforms.Normalize((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))",
            ),
        ),
    }),
    *_twins("ST437", {
        "pil_to_tensor": (prepared("F.pil_to_tensor(image).float()"), prepared("F.pil_to_tensor(image).float() / 255")),
        "PILToTensor": (
            prepared("PILToTensor()(image).to(torch.float32)", "from torchvision.transforms import PILToTensor"),
            prepared("F.convert_image_dtype(PILToTensor()(image).float())",
                     "from torchvision.transforms import PILToTensor"),
        ),
        "from_numpy": (
            prepared("torch.from_numpy(np.array(image)).permute(2, 0, 1).float()", "import numpy as np"),
            prepared("torch.from_numpy(np.array(image) / 255).permute(2, 0, 1).float()", "import numpy as np"),
        ),
    }),
    *_twins("ST438", {
        "ToTensor": (
            steps(f"transforms.Normalize({MEAN}, {STD})", TENSOR), steps(TENSOR, f"transforms.Normalize({MEAN}, {STD})"),
        ),
        "after a resize": (
            steps(RESIZE, f"transforms.Normalize({MEAN}, {STD})", TENSOR),
            steps(RESIZE, "transforms.Lambda(scale)", f"transforms.Normalize({MEAN}, {STD})", TENSOR,
                  head=f"{FROM}\n\ndef scale(x):\n    return x\n"),
        ),
        "v2": (
            code(composed(V2, "v2.Compose", f"v2.Normalize({MEAN}, {STD})", "v2.ToImage()")),
            code(composed(V2, "v2.Compose", "v2.ToImage()", f"v2.Normalize({MEAN}, {STD})")),
        ),
    }, warns=False),
)  # fmt: skip
