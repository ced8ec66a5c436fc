"""Family 4: transforms that give other pixels, and names of torchvision and Pillow that are gone."""

from __future__ import annotations

from tests.projects.base import BASE, PINS, TRANSFORMS, Files, Twin, lock

HELPED = "from predictor.compat import {name}\n" + TRANSFORMS


def locked(python: str = "3.11", **pins: str) -> Files:
    """Give a lock with other pins, and no manifest, which would say that training used the base's."""
    return {
        "requirements.txt": lock({**PINS, **pins}),
        "artifacts/manifest.json": None,
        "pyproject.toml": str(BASE["pyproject.toml"]).replace("3.11", python),
    }


OLD = locked(torch="2.0.1", torchvision="0.15.2", numpy="1.26.4", pillow="9.5.0")
OLDER = locked(python="3.10", torch="1.11.0", torchvision="0.12.0", numpy="1.26.4", pillow="9.5.0")
BETA = OLD
NEWEST = locked(torch="2.14.1", torchvision="0.29.2")


def code(text: str, versions: Files | None = None, **others: str) -> Files:
    """Give a module of transforms and further modules of the package."""
    files = {f"predictor/{name}.py": content for name, content in others.items()}
    return {**(versions or {}), "predictor/transforms.py": text, **files}


def twins(
    rule: str, pairs: dict[str, tuple[str, str]], versions: Files | None = None, *, warns: bool = False
) -> list[Twin]:
    """Make twins of pairs of text, name → (broken, mended)."""
    return [
        Twin(rule, name, code(broken, versions), code(mended, versions), warns=warns)
        for name, (broken, mended) in pairs.items()
    ]


def composed(imports: str, *steps: str) -> str:
    """Give a module whose `transform` composes these steps."""
    return f"{imports}\n\n\ndef transform():\n    return {steps[0]}([{', '.join(steps[1:])}])\n"


FROM = "from torchvision import transforms"
ALIAS = "import torchvision.transforms as T"
NAMES = "from torchvision.transforms import Compose, Resize as R, ToTensor"
V2 = "import torch\nfrom torchvision.transforms import v2"


def antialias(text: str) -> tuple[str, str]:
    return text, text.replace("8))", "8), antialias=True)")


ANTIALIAS = twins(
    "ST410",
    {
        "after ToTensor": antialias(
            composed(FROM, "transforms.Compose", "transforms.ToTensor()", "transforms.Resize((8, 8))")
        ),
        "under other names": antialias(composed(NAMES, "Compose", "ToTensor()", "R((8, 8))")),
        "on what read_image gave": antialias(
            "import torchvision.transforms.functional as F\nfrom torchvision.io import read_image\n\n\n"
            "def transform():\n    return lambda path: F.resize(read_image(path), (8, 8))\n"
        ),
        "in an nn.Sequential": antialias(
            "import torchvision.transforms as T\nfrom torch import nn\n\n\n"
            "def transform():\n    return nn.Sequential(T.Resize((8, 8)), T.Normalize(0.5, 0.5))\n"
        ),
        "steps in a variable": antialias(
            "from torchvision import transforms as t\n\n\ndef transform():\n"
            "    steps = [t.ToTensor(), t.Resize((8, 8))]\n    return t.Compose(steps)\n"
        ),
    },
    OLD,
    warns=True,
)
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
    return {**versions, "predictor/network.py": text}


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
SCALE = twins(
    "ST414",
    {
        name: (text, text.replace("torch.float32)", "torch.float32, scale=True)").replace("float)", "float, True)"))
        for name, text in {
            "by attribute": composed(V2, "v2.Compose", "v2.ToImage()", "v2.ToDtype(torch.float32)"),
            "by name": composed(
                "import torch\nfrom torchvision.transforms.v2 import Compose, ToDtype as D", "Compose", "D(torch.float)"
            ),
            "by keyword": composed(V2, "v2.Compose", "v2.ToDtype(dtype=torch.float32)"),
            "through a constant": "import torch\nfrom torchvision.transforms import v2\n\nKIND = torch.float32\n\n\n"
            "def transform():\n    return v2.ToDtype(dtype=KIND)\n",
        }.items()
    },
    warns=True,
)
SCALE[-1] = Twin(SCALE[-1].code, SCALE[-1].name, SCALE[-1].broken, warns=True)


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
DECODER = [
    Twin(
        "ST416",
        name,
        {"train.py": text},
        {"train.py": "from PIL import Image\n\nimage = Image.open('a.png')\n"},
        warns=True,
    )
    for name, text in {
        "by module": "import cv2\n\nimage = cv2.imread('a.png')\n",
        "under another name": "import cv2 as vision\n\nimage = vision.imread('a.png')\n",
        "by name": "from cv2 import imdecode\n\n\ndef read(data):\n    return imdecode(data, 1)\n",
    }.items()
]
CROP = "transforms.CenterCrop(8)"
ONE_SIDE = [
    *twins(
        "ST417",
        {
            "without a crop": (
                composed(FROM, "transforms.Compose", "transforms.Resize(8)", "transforms.ToTensor()"),
                composed(FROM, "transforms.Compose", "transforms.Resize(8)", CROP, "transforms.ToTensor()"),
            ),
            "in brackets": (
                composed(NAMES, "Compose", "R([8])", "ToTensor()"),
                composed(NAMES, "Compose", "R([8, 8])", "ToTensor()"),
            ),
            "through a constant": (
                "from torchvision import transforms as t\n\nSIDE = 8\nBOTH = (8, 8)\n\n\ndef transform():\n    return t.Compose([t.Resize(size=SIDE), t.ToTensor()])\n",
                "from torchvision import transforms as t\n\nSIDE = 8\nBOTH = (8, 8)\n\n\ndef transform():\n    return t.Compose([t.Resize(size=BOTH), t.ToTensor()])\n",
            ),
        },
        warns=True,
    ),
    Twin(
        "ST417",
        "a helper away",
        code(
            "from predictor.sizes import SIDE\nfrom torchvision import transforms as t\n\n\ndef transform():\n    return t.Compose([t.Resize(SIDE), t.ToTensor()])\n",
            sizes="SIDE = 8\n",
        ),
        warns=True,
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
SAVED = "import torch\nimport torchvision.transforms as T\n\n"
LAMBDA = [
    Twin("ST420", name, {"train.py": text}, {"train.py": text.replace("lambda x: x", "halve")}, warns=True)
    for name, text in {
        "saved": f"{SAVED}torch.save(T.Lambda(lambda x: x), 'transform.pt')\n",
        "in a Compose": f"{SAVED}transform = T.Compose([T.ToTensor(), T.Lambda(lambda x: x)])\ntorch.save(transform, 'a.pt')\n",
        "in a dict": f"{SAVED}tf = T.Compose([T.Lambda(lambda x: x)])\ntorch.save({{'weights': 1, 'transform': tf}}, 'a.pt')\n",
        "pickled": "import pickle as p\nfrom torchvision.transforms import Lambda\n\np.dump(Lambda(lambda x: x), open('a', 'wb'))\n",
    }.items()
]

TWINS = (
    *ANTIALIAS,
    *PRIVATE,
    *PRETRAINED,
    *V2_NAMES,
    *SCALE,
    *PILLOW,
    *DECODER,
    *ONE_SIDE,
    *IO,
    *OLD_NAMES,
    *LAMBDA,
)
