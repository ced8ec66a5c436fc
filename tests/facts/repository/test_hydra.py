"""What Hydra composes for the code of a repository: values by keys, and the models and transforms that it makes."""

from __future__ import annotations

from pathlib import Path

from seatrial.facts.repository.models import models
from seatrial.facts.repository.pipelines import pipelines
from seatrial.facts.repository.reading import read_scripts
from seatrial.facts.repository.weights import saved
from tests.facts.repository.test_models import write

MAIN = (
    "import hydra\n\n\n@hydra.main(version_base=None, config_path='../configs', config_name='train')\n"
    "def main(cfg):\n    "
)
LIT = (
    "import lightning\n\n\nclass Lit(lightning.LightningModule):\n"
    "    def __init__(self, net, optimizer, compile=False):\n        super().__init__()\n        self.net = net\n\n"
    "    def forward(self, x):\n        return self.net(x)\n"
)
BY_NAME = (
    MAIN + "build(cfg)\n\n\ndef build(cfg):\n    return timm.create_model(cfg.model.arch, num_classes=cfg.classes)"
)
MADE = MAIN + "model = hydra.utils.instantiate(cfg.model)"
LIT_YAML = "_target_: lit.Lit\noptimizer:\n  _target_: torch.optim.Adam\n  _partial_: true\n  lr: ${lr}\nnet:\n"


def first(folder: Path, files: dict[str, str]) -> tuple[str, str, str, int | None]:
    """Return the surest model: its name, its prefix, and where it is."""
    write(folder, files)
    model = models(read_scripts(folder))[0]
    return model.name, model.prefix, model.location.path, model.location.line


def test_a_name_comes_from_the_defaults_list(tmp_path: Path) -> None:
    files = {
        "src/train.py": BY_NAME,
        "configs/train.yaml": "defaults:\n  - model: small\n  - _self_\nclasses: 3\n",
        "configs/model/small.yaml": "defaults:\n  - base\narch: resnet34\n",
        "configs/model/base.yaml": "arch: resnet18\ndepth: 1\n",
    }
    assert first(tmp_path, files)[0] == "resnet34"


def test_what_is_no_item_of_a_defaults_list_adds_nothing(tmp_path: Path) -> None:
    files = {
        "src/train.py": BY_NAME,
        "configs/train.yaml": "defaults:\n  -\n  - '': a\n  - 3\n  - [b]\n  - {c: d, e: 1}\nmodel:\n  arch: resnet34\n",
    }
    assert first(tmp_path, files)[0] == "resnet34"


def test_a_file_whose_aliases_multiply_is_not_read(tmp_path: Path) -> None:
    lists = "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 30))
    text = f"model:\n  arch: resnet34\na0: &a0 [1]\n{lists}"
    write(tmp_path, {"src/train.py": BY_NAME, "configs/train.yaml": text})
    assert not models(read_scripts(tmp_path))


def test_an_experiment_overrides_a_group_and_interpolates(tmp_path: Path) -> None:
    files = {
        "src/train.py": BY_NAME,
        "configs/train.yaml": "defaults:\n  - _self_\n  - model: small\n  - experiment: big\n  - optional a: b\n",
        "configs/model/small.yaml": "arch: resnet18\n",
        "configs/model/large.yaml": "kind: net101\narch: res${.kind}\n",
        "configs/experiment/big.yaml": "# @package _global_\ndefaults:\n  - override /model: large\nclasses: 2\n",
    }
    assert first(tmp_path, files)[0] == "resnet101"


def test_what_a_target_names_is_the_model_and_its_class_only_holds_it(tmp_path: Path) -> None:
    builder = "  _target_: timm.create_model\n  model_name: resnet26\n  num_classes: 4\n"
    files = {
        "src/train.py": MADE + "\n    trainer = hydra.utils.instantiate(cfg.trainer)",
        "lit.py": LIT,
        "net.py": NET_WITH_A_TRIAL,
        "configs/train.yaml": "defaults:\n  - model: lit\nlr: 0.1\ntrainer:\n  _target_: lightning.Trainer\n",
        "configs/model/lit.yaml": LIT_YAML + builder,
    }
    assert first(tmp_path, files) == ("resnet26", "net.", "configs/model/lit.yaml", 7)
    save = saved(read_scripts(tmp_path))[0]
    assert (save.name, save.key, save.location.path) == ("model.ckpt", "state_dict", "configs/train.yaml")


NET_WITH_A_TRIAL = "class Net(nn.Module):\n    pass\n\n\nif __name__ == '__main__':\n    _ = Net()\n"


def test_a_class_gets_the_arguments_that_the_configuration_has(tmp_path: Path) -> None:
    files = {
        "src/train.py": MADE,
        "lit.py": LIT,
        "net.py": "class Net(nn.Module):\n    def __init__(self, width=1, seed=3):\n        super().__init__()\n",
        "configs/train.yaml": "defaults:\n  - model: lit\nlr: 0.1\n",
        "configs/model/lit.yaml": LIT_YAML + "  _target_: net.Net\n  width: 64\n  seed: ${oc.env:SEED}\n",
    }
    write(tmp_path, files)
    model = models(read_scripts(tmp_path))[0]
    assert model.written.text == "Net(width=64, seed=cfg.model.net.seed)"
    assert model.written.unknown == ["cfg.model.net.seed"]  # what only the run knows is told as missing
    assert model.prefix == "net."


def test_transforms_are_read_from_the_configuration(tmp_path: Path) -> None:
    steps = (
        "  val_transform:\n    _target_: torchvision.transforms.Compose\n    transforms:\n"
        "      - _target_: torchvision.transforms.Resize\n        size: [96, 96]\n"
        "      - _target_: torchvision.transforms.ToTensor\n"
    )
    write(tmp_path, {"src/train.py": MADE, "configs/train.yaml": f"data:\n{steps}"})
    only = pipelines(read_scripts(tmp_path))[0]
    assert only.steps == ("Resize", "ToTensor")
    assert (only.serves, only.location.path, only.location.line) == (1, "configs/train.yaml", 3)
    assert "Resize(size=[96, 96])" in only.written.text
