"""Print why torchvision's compiled operators do not load: the reason that its own message hides.

This runs in the predictor's environment by its path. torchvision drops the loader's error; `torch.ops.load_library`
keeps it as `__cause__`, with the missing library or symbol in it.
"""

import importlib.metadata
import importlib.util
import pathlib


def main() -> None:
    """Print the installed versions, and a line for each extension that does not load."""
    import torch

    label = torch.__version__
    print(f"torch {label} with torchvision {importlib.metadata.version('torchvision')}")  # noqa: T201
    spec = importlib.util.find_spec("torchvision")
    if spec is None or spec.origin is None:
        return
    for extension in sorted(pathlib.Path(spec.origin).parent.glob("_C*.so")):
        try:
            torch.ops.load_library(str(extension))
        except OSError as error:
            hidden = str(error.__cause__ or error).splitlines()[0]
            print(f"{extension.name}: {hidden.removeprefix(f'{extension}: ')}")  # noqa: T201


main()
