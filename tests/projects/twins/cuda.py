"""Family 6, CUDA: the pairs of projects."""

from __future__ import annotations

from tests.projects.base import BASE, HERE, NETWORK, Twin
from tests.projects.code import LOAD, network, predictor, served

CUDA_WEIGHTS = (HERE.parent / "facts/checkpoints/cuda.pt").read_bytes()

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
    *UNMAPPED,
    *CUDA,
)
