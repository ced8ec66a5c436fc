"""Family 5, code that answers: the pairs of projects."""

from __future__ import annotations

from tests.projects.base import HERE, NETWORK, PINS, PREDICTOR, Files, Twin, lock
from tests.projects.code import predictor, served

SCRIPTED_WEIGHTS: Files = {"artifacts/weights.pt": (HERE.parent / "facts/checkpoints/script.pt").read_bytes()}

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

TWINS = (
    *JSON,
    *MODES,
    *GRADIENTS,
    *NO_EVAL,
    *WORKERS,
    *SERVER,
)
