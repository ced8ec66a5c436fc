"""Which model a repository builds, where a dict, a setting or an option names it."""

from __future__ import annotations

from pathlib import Path

import pytest

from seatrial.facts.repository.builders import unnamed
from seatrial.facts.repository.models import models
from seatrial.facts.repository.reading import read_scripts

HEAD = "import argparse, functools, json, torch, timm, yaml\nfrom torchvision import models\nfrom torch import nn\n"
OPTION = "parser = argparse.ArgumentParser()\nparser.add_argument('--arch', default='{}')\nargs = parser.parse_args()\n"
NET = "class Net(nn.Module):\n    pass\n\n\n"
CONFIG = (
    "class Model:\n    name: str = 'resnet34'\n\n\nclass Config:\n    model: Model = field(default_factory=Model)\n"
)


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"{HEAD}{text}" if name.endswith(".py") else text)


@pytest.mark.parametrize(
    ("files", "name"),
    [
        ({"a.py": OPTION.format("r18") + "M = {'r18': models.resnet18}\nmodel = M[args.arch]()"}, "resnet18"),
        ({"a.py": OPTION.format("r18") + "M = {'r18': models.resnet18}\nmodel = M.get(args.arch)()"}, "resnet18"),
        ({"a.py": "M = {'a': functools.partial(models.vgg11, True)}\nbuild = M['a']\nmodel = build()"}, "vgg11"),
        ({"a.py": "M = {'a': lambda n: models.vgg11(n), 'b': models.vgg13}\nmodel = M['b'](2)"}, "vgg13"),
        ({"a.py": NET + "M = {'r18': models.resnet18, 'own': Net}\nmodel = M['own']()"}, "Net"),
        (
            {
                "zoo.py": "ZOO = {'x': models.vgg11, 'y': models.vgg13}",
                "a.py": OPTION.format("y") + "from zoo import ZOO\nmodel = ZOO[args.arch]()",
            },
            "vgg13",
        ),
        ({"a.py": OPTION.format("vgg11") + "model = models.__dict__[args.arch](pretrained=True)"}, "vgg11"),
        ({"a.py": OPTION.format("vgg11") + "model = vars(models)[args.arch](pretrained=True)"}, "vgg11"),
        ({"a.py": OPTION.format("vgg11") + "build = getattr(models, args.arch)\nmodel = build()"}, "vgg11"),
        ({"a.py": CONFIG + "cfg = Config()\nmodel = getattr(models, cfg.model.name)(num_classes=2)"}, "resnet34"),
        ({"a.py": CONFIG + "cfg = Model(name='vgg11')\nmodel = timm.create_model(cfg.name)"}, "vgg11"),
        ({"a.py": CONFIG + "def make(cfg: Config):\n    return timm.create_model(cfg.model.name)"}, "resnet34"),
        (
            {
                "conf.py": CONFIG,
                "a.py": "import tyro\nfrom conf import Config\ncfg = tyro.cli(Config)\n"
                "model = timm.create_model(cfg.model.name)",
            },
            "resnet34",
        ),
        (
            {
                "config.yaml": "train:\n  lr: 1\nmodel:\n  name: vgg11\n",
                "a.py": "cfg = yaml.safe_load(open('config.yaml'))\nmodel = timm.create_model(cfg['model']['name'])",
            },
            "vgg11",
        ),
        (
            {
                "configs/base.yml": "model: vgg11\n",
                "src/a.py": OPTION.replace("arch", "config").format("configs/base.yml")
                + "with open(args.config) as f:\n    cfg = yaml.load(f, Loader=yaml.FullLoader)\n"
                "model = timm.create_model(cfg.get('model', 'resnet18'))",
            },
            "vgg11",
        ),
        (
            {
                "config.json": '{"arch": "vgg11"}',
                "tools.py": "def load(path='config.json'):\n    with open(path) as f:\n        return json.load(f)",
                "factory.py": "def build(cfg):\n    return models.__dict__[cfg['arch']]()",
                "a.py": "from tools import load\nfrom factory import build\nmodel = build(load())",
            },
            "vgg11",
        ),
        (
            {
                "c.toml": "[model]\narch = 'vgg11'\n",
                "a.py": "import tomllib\nfrom easydict import EasyDict\nraw = tomllib.load(open('c.toml', 'rb'))\n"
                "cfg = EasyDict(raw)\nmodel = timm.create_model(cfg.model.arch)",
            },
            "vgg11",
        ),
        (
            {
                "factory.py": "def build(arch, classes):\n    return getattr(models, arch)(num_classes=classes)",
                "a.py": OPTION.format("vgg11") + "from factory import build\nmodel = build(args.arch, 4)",
            },
            "vgg11",
        ),
    ],
)
def test_the_name_is_followed(tmp_path: Path, files: dict[str, str], name: str) -> None:
    write(tmp_path, files)
    assert models(read_scripts(tmp_path))[0].name == name


@pytest.mark.parametrize(
    ("text", "name", "option", "choices"),
    [
        ("model = timm.create_model(config.arch)", "config.arch", None, ()),
        ("model = models.__dict__[sys.argv[1]]()", "sys.argv[1]", None, ()),
        (
            OPTION.replace("default='{}'", "choices=['vgg11', 'vgg13']") + "model = getattr(models, args.arch)()",
            "args.arch",
            5,
            ("vgg11", "vgg13"),
        ),
        ("M = {'a': models.vgg11, 'b': models.vgg13}\nmodel = M[input()]()", "input()", None, ("vgg11", "vgg13")),
    ],
)
def test_a_name_that_no_file_tells_is_told_with_what_it_may_be(
    tmp_path: Path, text: str, name: str, option: int | None, choices: tuple[str, ...]
) -> None:
    write(tmp_path, {"a.py": text})
    found = unnamed(read_scripts(tmp_path))
    assert found
    assert (found.name, found.option and found.option.line, found.choices) == (name, option, choices)


@pytest.mark.parametrize(
    "settings", ["model: [", "- vgg11\n", "model: {name: vgg11}\n", "model: no_such_model\n", "\x00", "a: &a [*a]\n"]
)
def test_settings_that_do_not_have_the_key_name_nothing(tmp_path: Path, settings: str) -> None:
    write(
        tmp_path, {"c.yaml": settings, "a.py": "c = yaml.safe_load(open('c.yaml'))\nm = timm.create_model(c['model'])"}
    )
    assert models(read_scripts(tmp_path)) == ()
    assert unnamed(read_scripts(tmp_path))


HEAD_BY_NAME = """
from collections import OrderedDict
model = models.vgg11()
head = nn.Sequential(OrderedDict([('fc1', nn.Linear(25088, 64)), ('fc2', nn.Linear(64, 5)), ('out', nn.LogSoftmax(1))]))
model.classifier = head
"""


def test_a_head_may_have_a_name_and_its_layers_too(tmp_path: Path) -> None:
    write(tmp_path, {"a.py": HEAD_BY_NAME})
    model = models(read_scripts(tmp_path))[0]
    change = model.changes[0]
    assert (change.part, change.weight, model.ends) == ("classifier", "classifier.fc2.weight", "log-probabilities")
    assert "('fc2', nn.Linear(64, classes))" in change.written.text


def test_a_list_that_grows_is_not_what_it_began_as(tmp_path: Path) -> None:
    grown = "layers = []\nfor n in (1, 2):\n    layers.append(nn.Linear(n, n))\n"
    write(tmp_path, {"a.py": f"model = models.vgg11()\n{grown}model.classifier = nn.Sequential(*layers)"})
    assert models(read_scripts(tmp_path))[0].changes[0].written.unknown == ["layers"]


def test_a_class_that_is_given_the_model_gives_it_a_prefix(tmp_path: Path) -> None:
    wrapper = (
        "class Lit(nn.Module):\n    def __init__(self, body, lr):\n        super().__init__()\n"
        "        self.body = body\n\n    def forward(self, x):\n        return self.body(x)\n\n\n"
    )
    write(tmp_path, {"a.py": wrapper + "net = timm.create_model('resnet26')\nmodel = Lit(net, 0.1)"})
    assert [(model.name, model.prefix) for model in models(read_scripts(tmp_path))] == [("resnet26", "body.")]


def test_a_name_that_no_library_has_is_told_as_such(tmp_path: Path) -> None:
    write(tmp_path, {"a.py": "model = timm.create_model('resnet_of_old')"})
    found = unnamed(read_scripts(tmp_path))
    assert found is not None
    assert found.told == "resnet_of_old"


BRANCHES = (
    "if 'vit' in args.arch:\n    model = timm.create_model(args.arch, img_size=96)\n"
    "elif args.kind == 'own':\n    model = models.vgg11()\nelse:\n    model = timm.create_model(args.arch)"
)


def test_the_branch_that_is_taken_builds_the_model(tmp_path: Path) -> None:
    kind = "parser.add_argument('--kind', default='timm')\n"
    write(tmp_path, {"a.py": OPTION.format("resnet26") + kind + BRANCHES})
    found = models(read_scripts(tmp_path))
    assert [model.name for model in found] == ["resnet26", "vgg11"]
    assert found[0].given == ()  # of the last branch, not of the first


def test_settings_may_be_wrapped_under_their_own_name(tmp_path: Path) -> None:
    load = "with open('conf.yaml') as file:\n    cfg = yaml.safe_load(file)\ncfg = EasyDict(cfg)\n"
    write(tmp_path, {"a.py": load + "model = timm.create_model(cfg.net.name)", "conf.yaml": "net: {name: resnet26}"})
    assert [model.name for model in models(read_scripts(tmp_path))] == ["resnet26"]


def test_a_part_of_a_class_with_a_forward_is_no_model(tmp_path: Path) -> None:
    own = "from mmcv import Base\n" + NET + "class Whole(Base):\n    def __init__(self):\n        self.part = Net()\n\n"
    write(tmp_path, {"a.py": own + "    def forward(self, x):\n        return self.part(x) + 1\n"})
    assert models(read_scripts(tmp_path)) == ()
