"""Family 5, the network: the pairs of projects."""

from __future__ import annotations

from tests.projects.base import Files, Twin
from tests.projects.code import ANY_NAMES, network


def built(imports: str, expression: str) -> Files:
    return {**ANY_NAMES, **network(f"{imports}\n\n\ndef build():\n    return {expression}\n")}


DOWNLOADS = [
    Twin("ST520", name, built(imports, broken), built(imports, mended), warns=True)
    for name, (imports, broken, mended) in {
        "weights by text": (
            "from torchvision import models",
            'models.resnet18(weights="DEFAULT")',
            "models.resnet18(weights=None)",
        ),
        "weights by name": (
            "from torchvision.models import ResNet18_Weights as W, resnet18 as net",
            "net(weights=W.DEFAULT)",
            "net(weights=None)",
        ),
        "a hub": (
            "import torch.hub as hub",
            'hub.load("pytorch/vision", "resnet18")',
            'hub.load("net", "net", source="local")',
        ),
        "a backbone": (
            "from torchvision.models import detection as d",
            "d.fasterrcnn_resnet50_fpn(weights=None)",
            "d.fasterrcnn_resnet50_fpn(weights=None, weights_backbone=None)",
        ),
        "a backbone by default": (
            "from torchvision.models import segmentation as s",
            "s.deeplabv3_resnet50(num_classes=2)",
            "s.deeplabv3_resnet50(num_classes=2, weights_backbone=None)",
        ),
        "quantized weights": (
            "from torchvision.models import quantization as q",
            "q.resnet18(weights=q.ResNet18_QuantizedWeights.DEFAULT)",
            "q.resnet18(weights=None)",
        ),
        "weights that are looked up": (
            "from torchvision import models",
            'models.resnet18(weights=models.get_weight("ResNet18_Weights.DEFAULT"))',
            'print(models.get_weight("ResNet18_Weights.DEFAULT"))',
        ),
        "a file": (
            "from urllib.request import urlretrieve as get",
            'get("https://example.com/a.pt")',
            "len('https://example.com/a.pt')",
        ),
    }.items()
] + [
    Twin(
        "ST520",
        "a helper away",
        {
            **network("from predictor.parts import body\n\n\ndef build():\n    return body()\n"),
            "predictor/parts.py": "import torch\n\n\ndef body():\n    return torch.hub.load('a/b', 'c')\n",
        },
        {
            **network("from predictor.parts import body\n\n\ndef build():\n    return body()\n"),
            "predictor/parts.py": "import torch\n\n\ndef body():\n    return torch.nn.Linear(2, 1)\n\n\ndef train():\n    return torch.hub.load('a/b', 'c')\n",
        },
        warns=True,
    )
]

TWINS = (*DOWNLOADS,)
