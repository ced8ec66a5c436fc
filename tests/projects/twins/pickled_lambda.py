"""Family 4, pickled transforms: the pairs of projects."""

from __future__ import annotations

from tests.projects.base import Twin

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

TWINS = (*LAMBDA,)
