"""Checkpoints for the pairs: real ones, and pickles that are written byte by byte."""

from __future__ import annotations

from pathlib import Path

from tests.projects.base import BASE, PREDICTOR, Files, Twin

FILES = Path(__file__).parents[1] / "facts" / "checkpoints"

WEIGHTS = "artifacts/weights.pt"

CALL = 'torch.load(Path(artifacts_uri) / "weights.pt", map_location="cpu", weights_only=True)'


def real(name: str) -> bytes:
    return (FILES / name).read_bytes()


def predictor(call: str, head: str = "") -> str:
    """The base's predictor that loads with another call; `head` stands before everything else."""
    assert CALL in PREDICTOR
    return head + PREDICTOR.replace(CALL, call)


def naming(*names: tuple[str, str], protocol: int = 4) -> bytes:
    """A pickle that imports names and drops them; it holds an empty dict."""
    text = [bytes((0x8C, len(part))) + part.encode() for pair in names for part in pair]
    pairs = b"".join(b"".join(text[n : n + 2]) + b"\x930" for n in range(0, len(text), 2))
    return bytes((0x80, protocol)) + pairs + b"}."


LOOKS: Files = {
    "predictor/reading.py": "import torch\n\ndef read(file):\n    return torch.load(file, map_location='cpu')\n"
}

LOADER = "from predictor.reading import read\n"


def artifacts(code: str, name: str, broken: bytes, mended: bytes, *, warns: bool = False, file: str = "t.pkl") -> Twin:
    """A pair of files in the artifacts, beside the base's weights; the predictor names it."""
    path, named = f"artifacts/{file}", {"predictor/__init__.py": f'{BASE["predictor/__init__.py"]}FILE = "{file}"\n'}
    return Twin(code, name, {path: broken, **named}, {path: mended, **named}, warns=warns)
