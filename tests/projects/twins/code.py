"""Families 2, 5 and 6: what the predictor's code does on load and on a request."""

from __future__ import annotations

import argparse
import pickle

from tests.projects.base import BASE, HERE, NETWORK, PINS, PREDICTOR, Files, Twin, lock
from tests.projects.twins.transforms import OLD

CUDA_WEIGHTS = (HERE.parent / "facts/checkpoints/cuda.pt").read_bytes()
SCRIPTED_WEIGHTS: Files = {"artifacts/weights.pt": (HERE.parent / "facts/checkpoints/script.pt").read_bytes()}
HELPED = PREDICTOR.replace("import torch\n", "import torch\nfrom predictor.helper import helped\n", 1)


def predictor(old: str, new: str, *others: tuple[str, str]) -> str:
    """Give the base's predictor with other text in it."""
    text = PREDICTOR
    for before, after in ((old, new), *others):
        assert before in text
        text = text.replace(before, after)
    return text


def served(text: str, versions: Files | None = None, **others: str | bytes) -> Files:
    """Give the predictor's module and further modules of the package."""
    files = {f"predictor/{name}.py": content for name, content in others.items()}
    return {**(versions or {}), "predictor/predictor.py": text, **files}


def network(text: str) -> Files:
    return {"predictor/network.py": text}


SAFE, LOAD = ", weights_only=True", "torch.load(Path(artifacts_uri)"
WITH_OBJECTS: Files = {**OLD, "artifacts/weights.pt": pickle.dumps(argparse.Namespace(rate=0.1), protocol=2)}
LEFT_OPEN: dict[str, Files] = {
    "by module": served(predictor(SAFE, "")),
    "under another name": served(
        predictor(
            SAFE, "", ("import torch\n", "import torch\nimport torch as th\n"), (LOAD, LOAD.replace("torch", "th"))
        )
    ),
    "by name": served(
        predictor(
            SAFE,
            "",
            ("import torch\n", "import torch\nfrom torch import load as read\n"),
            (LOAD, LOAD.replace("torch.load", "read")),
        )
    ),
    "a helper away": served(
        HELPED.replace(LOAD, "helped(Path(artifacts_uri)").replace(SAFE, ""),
        helper="from torch import load\n\n\ndef helped(path, map_location):\n    return load(path, map_location)\n",
    ),
}
UNSAFE = [Twin("ST205", name, {**WITH_OBJECTS, **files}, OLD, warns=True) for name, files in LEFT_OPEN.items()]
OPEN = [Twin("ST207", name, {**OLD, **files}, OLD, warns=True) for name, files in LEFT_OPEN.items()]
UNMAPPED = [
    Twin(
        "ST601",
        name,
        {"predictor/predictor.py": broken, "artifacts/weights.pt": CUDA_WEIGHTS},
        {"artifacts/weights.pt": CUDA_WEIGHTS},
        warns=True,
    )
    for name, broken in {
        "by module": predictor(', map_location="cpu"', ""),
        "under another name": predictor(
            ', map_location="cpu"',
            "",
            ("import torch\n", "import torch\nimport torch as th\n"),
            (LOAD, LOAD.replace("torch", "th")),
        ),
        "by name": predictor(
            ', map_location="cpu"',
            "",
            ("import torch\n", "import torch\nfrom torch import load as read\n"),
            (LOAD, LOAD.replace("torch.load", "read")),
        ),
    }.items()
]
BUILD = "        self._network = build()\n        self._network.load_state_dict(weights)\n"
AS_MODEL = [
    Twin("ST206", name, served(broken), count=2 if name == "through self" else 1)
    for name, broken in {
        "through self": predictor(
            BUILD,
            "        self._network = weights\n",
            ("        self._network.eval()\n", "        self._network.eval()\n"),
        ),
        "at once": predictor("weights_only=True)", "weights_only=True).eval()"),
        "called": predictor(
            "self._network(batch)", "torch.load('weights.pt', map_location='cpu', weights_only=True)(batch)"
        ),
        "under another name": predictor(
            "        weights = torch.load",
            "        from torch import load as read\n        weights = read",
            (BUILD, "        weights.to('cpu')\n" + BUILD),
        ),
    }.items()
]


def built(imports: str, expression: str) -> Files:
    return network(f"{imports}\n\n\ndef build():\n    return {expression}\n")


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
ANSWER = 'return {"scores": output.tolist()}'
JSON = [
    Twin(
        "ST521",
        name,
        served(predictor("import json\n", imports, (ANSWER, broken))),
        served(predictor("import json\n", imports, (ANSWER, mended))),
        warns=True,
    )
    for name, (imports, broken, mended) in {
        "in a dict": (
            "import json\n",
            'return json.dumps({"scores": output.cpu().numpy()})',
            'return json.dumps({"scores": output.cpu().numpy().tolist()})',
        ),
        "under another name": (
            "import json as j\n",
            "return j.dumps(output.detach())",
            "return j.dumps(output.detach().tolist())",
        ),
        "through a variable": (
            "from json import dumps\n",
            "array = output.numpy()\n        return dumps([array])",
            "array = output.numpy()\n        return dumps([array], default=list)",
        ),
    }.items()
]
OPENED = PREDICTOR.replace('image.convert("RGB")', "image")
MODES = [
    Twin("ST522", name, served(text), served(mended), warns=True)
    for name, (text, mended) in {
        name: (
            OPENED.replace("import torch\n", f"import torch\n{imports}\n", 1).replace(
                "_transform(image)", f"_transform({opens}(image))"
            ),
            OPENED.replace("import torch\n", f"import torch\n{imports}\n", 1).replace(
                "_transform(image)", f"_transform({opens}(image).convert('L'))"
            ),
        )
        for name, (imports, opens) in {
            "by module": ("from PIL import Image", "Image.open"),
            "by path": ("import PIL.Image", "PIL.Image.open"),
            "by name": ("from PIL.Image import open as read", "read"),
        }.items()
    }.items()
]
GUARD = "    @torch.inference_mode()\n"
SCRIPTED = """\
from pathlib import Path

from torch import jit{imports}

from predictor.transforms import transform


class Predictor:
    def load(self, artifacts_uri):
        self._network = jit.load(Path(artifacts_uri) / "weights.pt"{eval}
        self._transform = transform()

    def preprocess(self, image):
        return self._transform(image.convert("RGB"))

    def predict(self, batch):
        {guard}return self._network(batch)

    def postprocess(self, output):
        return output.tolist()
"""
GRADIENTS = [
    Twin("ST523", "a method without a decorator", served(predictor(GUARD, "")), warns=True),
    Twin(
        "ST523",
        "a model of TorchScript",
        served(SCRIPTED.format(imports="", eval=")", guard=""), SCRIPTED_WEIGHTS),
        served(SCRIPTED.format(imports=", no_grad", eval=")", guard="with no_grad():\n            "), SCRIPTED_WEIGHTS),
        warns=True,
    ),
    Twin(
        "ST523",
        "a helper away",
        served(
            predictor(
                GUARD,
                "",
                ("self._network(batch)", "run(self._network, batch)"),
                ("import build\n", "import build, run\n"),
            ),
            network=NETWORK + "\n\ndef run(model, batch):\n    return model(batch)\n",
        ),
        served(
            predictor(
                GUARD,
                "",
                ("self._network(batch)", "run(self._network, batch)"),
                ("import build\n", "import build, run\n"),
            ),
            network="import torch\n"
            + NETWORK
            + "\n\n@torch.no_grad()\ndef run(model, batch):\n    return model(batch)\n",
        ),
        warns=True,
    ),
]
EVAL = "        self._network.eval()\n"
NO_EVAL = [
    Twin("ST524", "a model of its own", served(predictor(EVAL, "")), warns=True),
    Twin(
        "ST524",
        "eval in another function only",
        served(predictor(EVAL, "") + "\n\ndef measure(model):\n    model.eval()\n"),
        warns=True,
    ),
    Twin(
        "ST524",
        "a helper away",
        served(
            predictor(
                EVAL,
                "",
                ("self._network.load_state_dict(weights)", "fill(self._network, weights)"),
                ("import build\n", "import build, fill\n"),
            ),
            network=NETWORK + "\n\ndef fill(model, weights):\n    model.load_state_dict(weights)\n",
        ),
        served(
            predictor(
                EVAL,
                "",
                ("self._network.load_state_dict(weights)", "fill(self._network, weights)"),
                ("import build\n", "import build, fill\n"),
            ),
            network=NETWORK
            + "\n\ndef fill(model, weights):\n    model.load_state_dict(weights)\n    model.train(False)\n",
        ),
        warns=True,
    ),
]
LOADED = "self._network(batch)"
WORKERS = [
    Twin(
        "ST525",
        name,
        served(
            predictor(
                "import torch\n",
                f"import torch\n{imports}\n",
                (LOADED, f"self._network(next(iter({call}, num_workers=2))))"),
            )
        ),
        served(
            predictor(
                "import torch\n",
                f"import torch\n{imports}\n",
                (LOADED, f"self._network(next(iter({call}, num_workers=0))))"),
            )
        ),
        warns=True,
    )
    for name, (imports, call) in {
        "by name": ("from torch.utils.data import DataLoader", "DataLoader(batch"),
        "by module": ("from torch.utils import data", "data.DataLoader(batch"),
        "by path": ("import torch.utils.data as d", "d.DataLoader(batch, batch_size=8"),
    }.items()
]
PINNED = lock({**PINS, "flask": "3.1.2", "uvicorn": "0.37.0"})
SERVER = [
    Twin(
        "ST526",
        name,
        {"requirements.txt": PINNED, "predictor/app.py": broken},
        {"requirements.txt": PINNED, "predictor/app.py": mended},
        warns=True,
    )
    for name, (broken, mended) in {
        "Flask": (
            "from flask import Flask\n\napp = Flask('a')\n\nif __name__ == '__main__':\n    app.run(port=8080)\n",
            "from flask import Flask\n\napp = Flask('a')\n\nif __name__ == '__main__':\n    app.run('0.0.0.0', 8080)\n",
        ),
        "uvicorn": (
            "import uvicorn as u\n\n\ndef main(app):\n    u.run(app, host='127.0.0.1')\n",
            "import uvicorn as u\n\n\ndef main(app):\n    u.run(app, host='0.0.0.0')\n",
        ),
        "http.server": (
            "from http.server import HTTPServer\n\nHOST = 'localhost'\n\n\ndef main(h):\n    HTTPServer((HOST, 8080), h)\n",
            "from http.server import HTTPServer\n\nHOST = ''\n\n\ndef main(h):\n    HTTPServer((HOST, 8080), h)\n",
        ),
    }.items()
]
ON_CPU = {"pyproject.toml": str(BASE["pyproject.toml"]) + '[tool.seatrial.vertex]\nproject = "my-project"\n'}
WITH_DEVICE = predictor("build()", "build().to(DEVICE)")
CUDA = [
    Twin("ST603", name, served(text), served(mended), warns=True)
    for name, (text, mended) in {
        "cuda()": (
            predictor("build()", "build().cuda()"),
            predictor("build()", "build().cuda() if torch.cuda.is_available() else build()"),
        ),
        "to": (
            predictor("build()", 'build().to("cuda:0")'),
            predictor("build()", 'build().to("cuda:0" if torch.cuda.is_available() else "cpu")'),
        ),
        "device=": (
            predictor("(batch)", '(batch.to(device="cuda"))'),
            predictor("(batch)", '(batch.to(device="cpu"))'),
        ),
        "through a constant": (
            WITH_DEVICE.replace("\n\nclass", '\nDEVICE = "cuda"\n\n\nclass'),
            WITH_DEVICE.replace("\n\nclass", '\nDEVICE = "cuda" if torch.cuda.is_available() else "cpu"\n\n\nclass'),
        ),
        "set_device": (
            predictor("self._network = build()", "torch.cuda.set_device(0)\n        self._network = build()"),
            predictor("self._network = build()", "torch.set_num_threads(1)\n        self._network = build()"),
        ),
        "a kind of tensor": (
            predictor(
                "build()",
                "build().type(torch.FloatTensor)\n        torch.set_default_tensor_type(torch.cuda.FloatTensor)",
            ),
            predictor(
                "build()", "build().type(torch.FloatTensor)\n        torch.set_default_tensor_type(torch.FloatTensor)"
            ),
        ),
        "torch.device": (
            WITH_DEVICE.replace("\n\nclass", '\nDEVICE = torch.device("cuda")\n\n\nclass'),
            WITH_DEVICE.replace("\n\nclass", '\nDEVICE = torch.device("cpu")\n\n\nclass'),
        ),
    }.items()
] + [
    Twin("ST603", "for a machine without one", served(predictor("build()", "build().cuda()"), ON_CPU), ON_CPU),
    Twin(
        "ST603",
        "a helper away",
        network(
            NETWORK.replace("nn.Linear(2, 1)", "place(nn.Linear(2, 1))")
            + "\n\ndef place(model):\n    return model.cuda()\n"
        ),
        network(
            NETWORK.replace("nn.Linear(2, 1)", "place(nn.Linear(2, 1), False)")
            + "\n\ndef place(model, on_gpu):\n    if on_gpu:\n        model.cuda()\n    return model\n"
        ),
        warns=True,
    ),
]

TWINS = (
    *UNSAFE,
    *OPEN,
    *UNMAPPED,
    *AS_MODEL,
    *DOWNLOADS,
    *JSON,
    *MODES,
    *GRADIENTS,
    *NO_EVAL,
    *WORKERS,
    *SERVER,
    *CUDA,
)
