"""Family 4, names: the pairs of projects."""

from __future__ import annotations

from tests.projects.base import TRANSFORMS, Files, Twin
from tests.projects.code import ANY_NAMES, FROM, OLD, V2, code, composed, locked, twins

HELPED = "from predictor.compat import {name}\n" + TRANSFORMS

OLDER = locked(python="3.10", torch="1.11.0", torchvision="0.12.0", numpy="1.26.4", pillow="9.5.0")

BETA = OLD

NEWEST = locked(torch="2.14.1", torchvision="0.29.2")

ALIAS = "import torchvision.transforms as T"

COMPAT = "from torchvision.transforms.{module} import {name}\n"

PRIVATE = [
    *twins(
        "ST411",
        {
            name: (f"{line}\n{TRANSFORMS}", f"{line.replace('_tensor', '').replace('_pil', '')}\n{TRANSFORMS}")
            for name, line in {
                "imported": "import torchvision.transforms.functional_tensor",
                "imported under another name": "import torchvision.transforms.functional_pil as F",
                "a name of it": "from torchvision.transforms.functional_tensor import rgb_to_grayscale",
                "as a name": "from torchvision.transforms import functional_tensor as F_t",
            }.items()
        },
    ),
    Twin(
        "ST411",
        "a helper away",
        code(
            HELPED.format(name="gray"),
            compat=COMPAT.format(module="functional_tensor", name="rgb_to_grayscale as gray"),
        ),
        code(HELPED.format(name="gray"), compat=COMPAT.format(module="functional", name="rgb_to_grayscale as gray")),
    ),
    Twin(
        "ST411",
        "without the try around it",
        code(f"from torchvision.transforms import functional_tensor as F\n{TRANSFORMS}"),
        code(
            "try:\n    import torchvision.transforms.functional_tensor as F\nexcept ImportError:\n"
            f"    import torchvision.transforms.functional as F\n{TRANSFORMS}"
        ),
    ),
]


def network(text: str, **versions: str | bytes | None) -> Files:
    return {**versions, **ANY_NAMES, "predictor/network.py": text}


PRETRAINED = [
    Twin(
        "ST412",
        name,
        network(text.replace("ARGUMENT", "pretrained=False")),
        network(text.replace("ARGUMENT", "weights=None")),
        warns=True,
    )
    for name, text in {
        "by module": "from torchvision import models\n\n\ndef build():\n    return models.resnet18(ARGUMENT)\n",
        "by name": "from torchvision.models import resnet18 as net\n\n\ndef build():\n    return net(ARGUMENT)\n",
        "by path": "import torchvision\n\n\ndef build():\n    return torchvision.models.vgg.vgg11(ARGUMENT)\n",
    }.items()
] + [
    Twin(
        "ST412",
        "weights where there were none",
        network(
            "from torchvision import models\n\n\ndef build():\n    return models.resnet18(weights=None)\n", **OLDER
        ),
        network(
            "from torchvision import models\n\n\ndef build():\n    return models.resnet18(pretrained=False)\n", **OLDER
        ),
    )
]

TO_FLOAT = "v2.ToDtype(torch.float32, scale=True)"

V2_NAMES = [
    *twins(
        "ST413",
        {
            "renamed, by attribute": (
                composed(V2, "v2.Compose", "v2.ToImageTensor()", TO_FLOAT),
                composed(V2, "v2.Compose", "v2.ToImage()", TO_FLOAT),
            ),
            "renamed, under another name": (
                composed(
                    "import torch\nimport torchvision.transforms.v2 as T", "T.Compose", "T.ConvertDtype(torch.float32)"
                ),
                composed(
                    "import torch\nimport torchvision.transforms.v2 as T",
                    "T.Compose",
                    "T.ToDtype(torch.float32, scale=True)",
                ),
            ),
            "renamed, imported": (
                composed("from torchvision.transforms.v2 import Compose, ToImagePIL", "Compose", "ToImagePIL()"),
                composed("from torchvision.transforms.v2 import Compose, ToPILImage", "Compose", "ToPILImage()"),
            ),
            "datapoints": (
                f"from torchvision import datapoints\n{TRANSFORMS}",
                f"from torchvision import tv_tensors\n{TRANSFORMS}",
            ),
        },
    ),
    *twins(
        "ST413",
        {
            "deprecated": (
                composed(V2, "v2.Compose", "v2.ToTensor()"),
                composed(V2, "v2.Compose", "v2.ToImage()", TO_FLOAT),
            )
        },
        warns=True,
    ),
    *twins(
        "ST413",
        {"not yet there": (f"from torchvision import tv_tensors\n{TRANSFORMS}", TRANSFORMS)},
        BETA,
    ),
]


def resized(imports: str, filter_: str) -> str:
    return f"{imports}\n\n\ndef transform():\n    return lambda image: image.resize((8, 8), {filter_})\n"


PILLOW = [
    *twins(
        "ST415",
        {
            "by attribute": (
                resized("from PIL import Image", "Image.ANTIALIAS"),
                resized("from PIL import Image", "Image.Resampling.LANCZOS"),
            ),
            "by path": (
                resized("import PIL.Image", "PIL.Image.LINEAR"),
                resized("import PIL.Image", "PIL.Image.Resampling.BILINEAR"),
            ),
            "under another name": (
                resized("from PIL import Image as I", "resample=I.CUBIC"),
                resized("from PIL import Image as I", "resample=I.BICUBIC"),
            ),
            "imported": (
                resized("from PIL.Image import ANTIALIAS", "ANTIALIAS"),
                resized("from PIL.Image import LANCZOS", "LANCZOS"),
            ),
            "without the guard": (
                resized("from PIL import Image", "Image.ANTIALIAS"),
                resized("from PIL import Image", "Image.ANTIALIAS if hasattr(Image, 'ANTIALIAS') else Image.LANCZOS"),
            ),
            "without the shim": (
                resized("from PIL import Image", "Image.ANTIALIAS"),
                resized("from PIL import Image\n\nImage.ANTIALIAS = Image.LANCZOS", "Image.ANTIALIAS"),
            ),
        },
    ),
    Twin(
        "ST415",
        "a helper away",
        code(HELPED.format(name="FILTER"), compat="from PIL import Image\n\nFILTER = Image.ANTIALIAS\n"),
        code(HELPED.format(name="FILTER"), compat="from PIL import Image\n\nFILTER = Image.LANCZOS\n"),
    ),
]

IO = [
    *twins(
        "ST418",
        {
            name: (f"{line}\n{TRANSFORMS}", TRANSFORMS)
            for name, line in {
                "a reader imported": "from torchvision.io import read_video",
                "a reader used": "import torchvision\n\n\ndef frames(p):\n    return torchvision.io.VideoReader(p)\n\n\nREAD = frames\n",
                "a writer under another name": "from torchvision import io as tio\n\nSAVE = tio.write_video\n",
            }.items()
        },
        NEWEST,
    ),
    *twins(
        "ST418",
        {"deprecated": (f"from torchvision.io import decode_image\n{TRANSFORMS}", TRANSFORMS)},
        NEWEST,
        warns=True,
    ),
]

OLD_NAMES = twins(
    "ST419",
    {
        "by attribute": (
            composed(FROM, "transforms.Compose", "transforms.Scale((8, 8))"),
            composed(FROM, "transforms.Compose", "transforms.Resize((8, 8))"),
        ),
        "under another name": (
            composed(ALIAS, "T.Compose", "T.RandomSizedCrop(8)"),
            composed(ALIAS, "T.Compose", "T.RandomResizedCrop(8)"),
        ),
        "imported": (
            composed("from torchvision.transforms import Compose, Scale as S", "Compose", "S((8, 8))"),
            composed("from torchvision.transforms import Compose, Resize as S", "Compose", "S((8, 8))"),
        ),
        "an argument": (
            composed(ALIAS, "T.Compose", "T.RandomRotation(5, fillcolor=0)"),
            composed(ALIAS, "T.Compose", "T.RandomRotation(5, fill=0)"),
        ),
    },
)

TWINS = (
    *PRIVATE,
    *PRETRAINED,
    *V2_NAMES,
    *PILLOW,
    *IO,
    *OLD_NAMES,
)
