"""Writes libraries.json: what the pickles name that real libraries write, one entry a kind of object.

Run it as `python -m tests.facts.checkpoints.make_libraries` in an environment that has the libraries that it imports;
the proof of the check's silence reads the result. Only names are kept, no weights.
"""

from __future__ import annotations

import importlib
import json
import pickle
import platform
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import joblib
import torch

from seatrial.facts.checkpoints.checkpoint import read_checkpoint
from tests.facts.checkpoints import library_objects as of
from tests.facts.checkpoints.library_objects import Objects

FILE = Path(__file__).with_name("libraries.json")
LIBRARIES = [
    "torch",
    "torchvision",
    "timm",
    "scikit-learn",
    "lightning",
    "pytorch-lightning",
    "torchmetrics",
    "numpy",
    "scipy",
    "pandas",
    "joblib",
    "pillow",
    "xgboost",
    "lightgbm",
]


def lightning_files(folder: Path) -> Iterator[tuple[str, Path]]:
    """Checkpoints that lightning's own trainer writes, with what callbacks and hyperparameters put into them."""
    for package in ("lightning.pytorch", "pytorch_lightning"):
        pl = importlib.import_module(package)
        callbacks = importlib.import_module(f"{package}.callbacks")

        class Net(pl.LightningModule):  # type: ignore[name-defined,misc]
            def __init__(self, lr: float = 0.1, size: tuple[int, ...] = (2, 2)) -> None:  # noqa: ARG002 - it saves them
                super().__init__()
                self.save_hyperparameters()
                self.layer = torch.nn.Linear(2, 1)

            def training_step(self, batch: Any, _: int) -> Any:
                loss = self.layer(batch[0]).sum()
                self.log("loss", loss)
                return loss

            def configure_optimizers(self) -> Any:
                made = torch.optim.Adam(self.parameters(), lr=0.1)
                return [made], [torch.optim.lr_scheduler.StepLR(made, 1)]

        data = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.zeros(4, 2)))
        several = [
            callbacks.ModelCheckpoint(folder, monitor="loss"),
            callbacks.EarlyStopping("loss"),
            callbacks.StochasticWeightAveraging(1e-2),
        ]
        trainer = pl.Trainer(
            max_epochs=2,
            logger=False,
            enable_progress_bar=False,
            callbacks=several,
            default_root_dir=folder,
            accelerator="cpu",
        )
        trainer.fit(Net(), data)
        trainer.save_checkpoint(folder / f"{package}.ckpt")
        yield f"{package} checkpoint", folder / f"{package}.ckpt"
        trainer.save_checkpoint(folder / f"{package}-weights.ckpt", weights_only=True)
        yield f"{package} weights", folder / f"{package}-weights.ckpt"


# Sources of many objects are written in one way, because it takes minutes.
ONLY = {"vision_models": "torch.save", "estimators": "joblib", "layers": "torch.save"}


def written(made: Any, folder: Path, only: str = "") -> Iterator[tuple[str, Path]]:
    """Write an object in every way in which its users do: pickle of three protocols, joblib, torch.save old and new."""
    ways: dict[str, Callable[[Path], Any]] = {
        "pickle 2": lambda file: file.write_bytes(pickle.dumps(made, 2)),
        "pickle 4": lambda file: file.write_bytes(pickle.dumps(made, 4)),
        "pickle 5": lambda file: file.write_bytes(pickle.dumps(made, 5)),
        "joblib": lambda file: joblib.dump(made, file),
        "joblib packed": lambda file: joblib.dump(made, file, compress=3),
        "torch.save": lambda file: torch.save(made, file),
        "torch.save legacy": lambda file: torch.save(made, file, _use_new_zipfile_serialization=False),
    }
    for way, write in ways.items():
        if only and way != only:
            continue
        file = folder / "file"
        try:
            write(file)
        except Exception as error:  # noqa: BLE001 - some objects cannot be pickled at all, or not so
            sys.stderr.write(f"  not by {way}: {type(made).__name__}: {str(error)[:80]}\n")
            continue
        yield way, file


def facts(file: Path) -> dict[str, Any]:
    """Return what a file names, as the reader of checkpoints sees it."""
    read = read_checkpoint(file, file.name)
    return {
        "kind": read.kind.name,
        "globals": [list(name) for name in read.globals],
        "called": sorted(list(name) for name in read.called),
        "fetched": [
            [[f.target.module, f.target.name] if f.target else None, f.attribute, f.called] for f in read.fetched
        ],
        "odd": [name for name in ("computed", "changed", "hidden", "fault") if getattr(read, name)]
        + ([] if read.complete else ["incomplete"]),
    }


def spelled(head: dict[str, Any], kinds: dict[str, Any]) -> str:
    """Return the text of the file: rows refer to a list of all names by number, and each kind has one line."""
    names = sorted({tuple(name) for rows in kinds.values() for row in rows for name in row["globals"]})
    numbers = {name: number for number, name in enumerate(names)}
    for rows in kinds.values():
        for row in rows:
            for use in ("globals", "called"):
                row[use] = [numbers[tuple(name)] for name in row[use]]
    lines = [f" {json.dumps(kind)}: {json.dumps(rows, separators=(',', ':'))}" for kind, rows in kinds.items()]
    text = json.dumps({**head, "names": [" ".join(name) for name in names]}, indent=1)
    return text.removesuffix("\n}") + ',\n "kinds": {\n' + ",\n".join(lines) + "\n }\n}\n"


def _tops(distribution: str) -> set[str]:
    """Return the modules that a distribution brings."""
    return {top for top, names in metadata.packages_distributions().items() if distribution in names}


def main() -> None:
    """Write libraries.json: kind of object → ways → what is named. Ways that name the same are joined."""
    warnings.simplefilter("ignore")
    sources: list[Callable[[], Objects]] = [
        of.torch_objects,
        of.layers,
        of.arrays,
        of.transforms,
        of.compositions,
        of.metrics,
        of.trained_trees,
        of.estimators,
        of.vision_models,
    ]
    kinds: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for source in sources:
            for name, made in source():
                for way, file in written(made, Path(folder), ONLY.get(source.__name__, "")):
                    found = facts(file)
                    same = next(
                        (row for row in kinds.setdefault(name, []) if all(row[k] == found[k] for k in found)), None
                    )
                    if same is None:
                        kinds[name].append({"ways": [way], **found})
                    else:
                        same["ways"].append(way)
        for name, file in lightning_files(Path(folder)):
            kinds[name] = [{"ways": ["Trainer"], **facts(file)}]
    versions = {"python": platform.python_version(), **{name: metadata.version(name) for name in LIBRARIES}}
    imported = sorted({top for distribution in LIBRARIES for top in _tops(distribution)})
    FILE.write_text(spelled({"versions": versions, "imported": imported}, kinds), encoding="utf-8")
    sys.stderr.write(f"{len(kinds)} kinds\n")


if __name__ == "__main__":
    main()
