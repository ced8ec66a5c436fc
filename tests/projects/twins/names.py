"""Family 1, names that locked libraries lack: the pairs of projects, with what was learnt of the libraries."""

from __future__ import annotations

from seatrial.facts.libraries.remembered import Remembered
from seatrial.facts.libraries.taken import Hook, Misfit, Missing
from tests.projects.base import PINS, Twin, lock
from tests.projects.checkpoints import artifacts, naming
from tests.projects.code import CONFIGURATION, network
from tests.projects.locks import LOCK

KELP = {
    "requirements.txt": LOCK + lock({"kelp": "2.0", "packaging": "25.0"}),
    "requirements.in": "torch\ntorchvision\npillow\nkelp\npackaging\n",
}


def missing(module: str, name: str = "", **more: str) -> Missing:
    return Missing("kelp", "2.0", module, name, below="1.9", certain=True, **more)


def lacking(*questions: tuple[str, Missing]) -> Remembered:
    return Remembered(missing=dict(questions))


def building(text: str, head: str) -> dict[str, str]:
    """The base's network, with a line in it and others above it."""
    return {
        **KELP,
        **network(f"from torch import nn\n{head}\n\ndef build():\n    {text}\n    return nn.Linear(2, 1)\n"),
    }


def _names() -> tuple[Twin, ...]:
    gone = lacking(
        ("kelp.layers:Dry", missing("kelp.layers", "Dry", similar="Air")),
        ("kelp.old:", missing("kelp.old")),
        ("kelp.old:Dry", missing("kelp.old")),
        ("kelp.dry", missing("kelp", "dry", hint="Use `air` instead.")),
        ("kelp.Bed().dry", missing("kelp.beds", "Bed.dry")),
    )
    now = building("pass", "from kelp.layers import Air")
    spellings = {
        "a name": ("pass", "from kelp.layers import Dry"),
        "a module": ("pass", "import kelp.old"),
        "a name of a module": ("pass", "from kelp.old import Dry"),
    }
    reached = {"a call": ("kelp.dry(1)", "import kelp"), "a method": ("kelp.Bed().dry()", "import kelp")}
    return (
        *(Twin("ST170", name, building(*lines), now, taken=gone) for name, lines in spellings.items()),
        *(Twin("ST170", name, building(*lines), now, taken=gone, warns=True) for name, lines in reached.items()),
        Twin(
            "ST170",
            "tried",
            building("pass", "from kelp.layers import Dry"),
            building("pass", "try:\n    from kelp.layers import Dry\nexcept ImportError:\n    Dry = None"),
            taken=gone,
        ),
        *(
            Twin(
                "ST170",
                name,
                building(
                    "pass",
                    f"{head}\nif {old}:\n    from kelp.layers import Air\nelse:\n    from kelp.layers import Dry",
                ),
                building(
                    "pass",
                    f"{head}\nif {test}:\n    from kelp.layers import Dry\nelse:\n    from kelp.layers import Air",
                ),
                taken=gone,
                warns=True,
            )
            for name, head, old, test in (
                (
                    "an import for an older release",
                    "import kelp\nfrom packaging import version",
                    'version.parse(kelp.__version__) < version.parse("1.5")',
                    'version.parse(kelp.__version__) < version.parse("1.5")',
                ),
                (
                    "the other side, by a name",
                    "import kelp as k\nfrom packaging.version import Version\nKELP = Version(k.__version__)",
                    'Version("1.5") >= KELP',
                    'not Version("1.5") <= KELP',
                ),
                (
                    "a test that cannot be evaluated",
                    "import kelp",
                    "len(kelp.__doc__) < 3",
                    "kelp.__version__.split('.') < ['2']",
                ),
                ("a look first", "import kelp", "kelp.layers", "hasattr(kelp.layers, 'Dry')"),
            )
        ),
        Twin(
            "ST170",
            "a comparison of versions",
            building("kelp.dry(1)", "import kelp"),
            building("kelp.dry(1) if kelp.__version__ < '2' else None", "import kelp"),
            taken=gone,
            warns=True,
        ),
    )


def _pickled() -> tuple[Twin, ...]:
    moved = lacking(
        ("kelp.layers.dry:Dry", missing("kelp.layers.dry", similar="kelp.air")),
        ("kelp.layers:Dry", missing("kelp.layers", "Dry")),
    )
    here = naming(("kelp.air", "Air"))
    harmless = {"pyproject.toml": f'{CONFIGURATION}\n[tool.seatrial.ignore]\nST803 = "kelp is harmless"\n'}
    files = {
        "a module": artifacts("ST171", "", naming(("kelp.layers.dry", "Dry")), here),
        "a class": artifacts("ST171", "", naming(("kelp.layers", "Dry")), here),
        "an attribute": artifacts("ST171", "", naming(("kelp.layers", "Dry.build")), here, file="t.joblib"),
    }
    return tuple(
        Twin("ST171", name, {**KELP, **harmless, **pair.broken}, {**KELP, **harmless, **pair.mended}, taken=moved)
        for name, pair in files.items()
    )


def _hooks() -> tuple[Twin, ...]:
    old = missing("kelp", "Base._dry", similar="dry")
    question = "kelp.Base!_dry"
    now = building("pass", "import kelp\n\n\nclass Leaf(kelp.Base):\n    def dry(self): ...\n")
    written = {
        "by its module": "import kelp\n\n\nclass Leaf(kelp.Base):\n    def _dry(self): ...\n",
        "imported": "from kelp import Base\n\n\nclass Leaf(Base):\n    def _dry(self): ...\n",
        "renamed": "from kelp import Base as Leafy\n\n\nclass Leaf(Leafy):\n    def _dry(self): ...\n",
    }
    return tuple(
        Twin(
            "ST172",
            name,
            building("pass", text),
            now,
            taken=Remembered(hooks={question: [Hook(old, required=required)]}),
            warns=not required,
        )
        for (name, text), required in zip(written.items(), (True, False, True), strict=True)
    )


def _misfits() -> tuple[Twin, ...]:
    def learnt(root: str, lacks: Missing, newer: str = "") -> Remembered:
        misfit = Misfit(root, "torchvision", PINS["torchvision"], "torchvision.ops", 3, lacks, newer)
        return Remembered(misfits={root: [misfit]})

    imports = {"a name": "import kelp", "a module": "import kelp.beds", "with a newer release": "from kelp import Bed"}
    learnings = (
        learnt("kelp", missing("kelp", "dry")),
        learnt("kelp.beds", missing("kelp.old")),
        learnt("kelp", missing("kelp", "dry"), "0.24.0"),
    )
    return tuple(
        Twin("ST173", name, building("pass", line), building("pass", ""), taken=learning)
        for (name, line), learning in zip(imports.items(), learnings, strict=True)
    )


TWINS = (*_names(), *_pickled(), *_hooks(), *_misfits())
