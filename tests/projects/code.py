"""Texts of predictors, transforms and configurations, for the pairs."""

from __future__ import annotations

from tests.projects.base import BASE, PINS, PREDICTOR, TRANSFORMS, Files, Twin, lock


def predictor(old: str, new: str, *others: tuple[str, str]) -> str:
    """Return the base's predictor with other text in it."""
    text = PREDICTOR
    for before, after in ((old, new), *others):
        assert before in text
        text = text.replace(before, after)
    return text


def served(text: str, versions: Files | None = None, **others: str | bytes) -> Files:
    """Return the predictor's module and further modules of the package."""
    files = {f"predictor/{name}.py": content for name, content in others.items()}
    return {**(versions or {}), "predictor/predictor.py": text, **files}


def network(text: str) -> Files:
    return {"predictor/network.py": text}


# A predictor of whose weights the check does not know the names, for models that the base's weights do not fit.
ANY_NAMES: Files = served(predictor("load_state_dict(weights)", "load_state_dict(dict(weights))"))

SAFE, LOAD = ", weights_only=True", "torch.load(Path(artifacts_uri)"

HELPER = "from torchvision import transforms as t\nfrom predictor.ink import crop\n" + TRANSFORMS

CONFIGURATION = str(BASE["pyproject.toml"])

PACKAGE = {path: content for path, content in BASE.items() if path.startswith("predictor/")}


def configured(line: str = "", predictor: str = "predictor:Predictor") -> Files:
    """The base's configuration with one more line, or another predictor."""
    return {"pyproject.toml": CONFIGURATION.replace("predictor:Predictor", predictor) + f"{line}\n"}


def moved(folder: str, predictor: str) -> Files:
    """The base with its package in another folder, and the setting with it; in src/ nothing is renamed in it."""
    name = folder.rpartition("/")[2]
    files = {
        path.replace("predictor", folder, 1): str(text).replace("from predictor.", f"from {name}.")
        for path, text in PACKAGE.items()
    }
    return {**dict.fromkeys(PACKAGE), **files, **configured(predictor=predictor)}


def locked(python: str = "3.11", **pins: str) -> Files:
    """Return a lock with other pins, and no manifest, which would say that training used the base's."""
    return {
        "requirements.txt": lock({**PINS, **pins}),
        "artifacts/manifest.json": None,
        "pyproject.toml": str(BASE["pyproject.toml"]).replace("3.11", python),
    }


OLD = locked(torch="2.0.1", torchvision="0.15.2", numpy="1.26.4", pillow="9.5.0")


def code(text: str, versions: Files | None = None, **others: str) -> Files:
    """Return a module of transforms and further modules of the package."""
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
    """Return a module whose `transform` composes these steps."""
    return f"{imports}\n\n\ndef transform():\n    return {steps[0]}([{', '.join(steps[1:])}])\n"


FROM = "from torchvision import transforms"

V2 = "import torch\nfrom torchvision.transforms import v2"
