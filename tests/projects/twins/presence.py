"""Family 3, presence: the pairs of projects."""

from __future__ import annotations

from tests.projects.base import BASE, PREDICTOR, Files, Twin

_LOAD = 'Path(artifacts_uri) / "weights.pt"'
_WEIGHTS = BASE["artifacts/weights.pt"]


def _loads(path: str) -> str:
    return PREDICTOR.replace(_LOAD, path).replace("import json\n", "import json\nimport os\n")


ABSENT: dict[str, tuple[Files, Files]] = {
    "another name": ({"predictor/predictor.py": _loads('Path(artifacts_uri) / "best.pt"')}, {}),
    "in a folder, joined by os.path": (
        {"predictor/predictor.py": _loads('os.path.join(artifacts_uri, "models", "weights.pt")')},
        {"predictor/predictor.py": _loads('os.path.join(artifacts_uri, "weights.pt")')},
    ),
    "no folder at all": ({"artifacts/weights.pt": None, "artifacts/golden/golden.json": None}, {}),
    "an f-string": (
        {"predictor/predictor.py": _loads('f"{artifacts_uri}/weights.pth"')},
        {"predictor/predictor.py": _loads('f"{artifacts_uri}/weights.pt"')},
    ),
}

_REPOSITORY: Files = {
    ".git/HEAD": "ref: refs/heads/main\n",
    ".git/config": "[core]\n\trepositoryformatversion = 0\n\tbare = false\n",
    ".git/objects/info/packs": "",
    ".git/refs/heads/.keep": "",
}
IGNORED: dict[str, tuple[str, str]] = {
    "by its ending": ("*.pt\n", "*.pt\n!/artifacts/weights.pt\n"),
    "by the folder": ("artifacts/\n", "# artifacts/\n"),
    "by its path": ("/artifacts/*.pt\n", "/artefacts/*.pt\n"),
}

TWINS = (
    *(
        Twin("ST317", name, broken, mended, warns="artifacts/weights.pt" not in broken)
        for name, (broken, mended) in ABSENT.items()
    ),
    *(
        Twin(
            "ST318",
            name,
            {**_REPOSITORY, ".gitignore": broken, "artifacts/weights.pt": _WEIGHTS},
            {**_REPOSITORY, ".gitignore": mended},
            warns=True,
        )
        for name, (broken, mended) in IGNORED.items()
    ),
)
