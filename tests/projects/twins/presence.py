"""Family 3, presence: the pairs of projects."""

from __future__ import annotations

from seatrial.project.artifacts_lock import ArtifactsLock, Row
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

UNSEEN = {
    "a folder": "gs://models/digits/v3",
    "with a slash at its end": "gs://models/digits/v3/",
    "a whole bucket": "gs://models",
}


def _in_a_bucket(uri: str) -> Files:
    """Return the files of the project with its artifacts in a bucket, of which nothing is in the cache."""
    paths = ("golden/golden.json", "weights.pt")
    locked = ArtifactsLock(uri.rstrip("/"), tuple(Row(path, 1, "0" * 64, "AAAAAA==", "1") for path in paths))
    return {
        "pyproject.toml": f'{BASE["pyproject.toml"]!s}artifacts = "{uri}"\n',
        "artifacts.lock": locked.text,
        **{f"artifacts/{path}": None for path in paths},
    }


TWINS = (
    *(Twin("ST319", name, _in_a_bucket(uri), warns=True) for name, uri in UNSEEN.items()),
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
