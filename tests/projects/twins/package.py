"""Family 2, the package: the pairs of projects."""

from __future__ import annotations

from tests.projects.base import BASE, TRANSFORMS, Twin
from tests.projects.code import HELPER, configured, moved

CROP = "def crop(page):\n    return page\n"
ADDS = (
    "import sys\nfrom pathlib import Path\nsys.path.append(str(Path(__file__).parent.parent / 'training'))\n"
    "from ink import crop\n"
)


def beside(imports: str, elsewhere: str) -> Twin:
    """A module that stands beside the package, and the same module in it."""
    files = {"predictor/transforms.py": f"{imports}\n{TRANSFORMS}"}
    inside = {"predictor/transforms.py": f"{elsewhere}\n{TRANSFORMS}", "predictor/ink.py": CROP}
    return Twin("ST201", imports.replace("\n", "; "), {**files, "ink.py": CROP}, inside)


LEFT_OUT = (
    beside("import ink as i", "import predictor.ink as i"),
    beside("from ink import crop", "from predictor.ink import crop"),
    beside("from ink import crop as c", "from .ink import crop as c"),
    Twin(
        "ST201",
        "a helper away",
        {"predictor/transforms.py": HELPER, "predictor/ink.py": "import strokes\n" + CROP, "strokes.py": ""},
        {
            "predictor/transforms.py": HELPER,
            "predictor/ink.py": "import predictor.strokes\n" + CROP,
            "predictor/strokes.py": "",
        },
    ),
    Twin(
        "ST201",
        "a relative import of a module that is not there",
        {"predictor/transforms.py": f"from . import ink\n{TRANSFORMS}"},
        {"predictor/transforms.py": f"from . import ink\n{TRANSFORMS}", "predictor/ink.py": CROP},
    ),
    Twin(
        "ST201",
        "a name that its module does not have",
        {"predictor/transforms.py": f"from .ink import crop, scale\n{TRANSFORMS}", "predictor/ink.py": CROP},
        {
            "predictor/transforms.py": f"from .ink import crop, scale\n{TRANSFORMS}",
            "predictor/ink.py": CROP + "\n\nscale = crop\n",
        },
    ),
    Twin(
        "ST201",
        "where serving may not come",
        {
            "predictor/transforms.py": f"{TRANSFORMS}\n\ndef ink(page):\n    import ink\n    return ink.crop(page)\n\nMADE = ink\n",
            "ink.py": CROP,
        },
        {
            "predictor/transforms.py": f"{TRANSFORMS}\n\ndef ink(page):\n    from . import ink\n    return ink.crop(page)\n\nMADE = ink\n",
            "predictor/ink.py": CROP,
        },
        warns=True,
    ),
    Twin(
        "ST201",
        "in a folder that is added to the path",
        {"predictor/transforms.py": ADDS + TRANSFORMS, "training/ink.py": CROP},
        {"predictor/transforms.py": f"from predictor.ink import crop\n{TRANSFORMS}", "predictor/ink.py": CROP},
    ),
    Twin(
        "ST201",
        "src taken for a package",
        moved("src/predictor", "src.predictor:Predictor"),
        moved("src/predictor", "predictor:Predictor"),
    ),
    Twin(
        "ST201",
        "in packages and not there",
        configured('packages = ["predictor", "ink"]'),
        {**configured('packages = ["predictor", "ink"]'), "ink/__init__.py": CROP},
    ),
)

RENAMED = str(BASE["predictor/predictor.py"]).replace("class Predictor", "class InkPredictor")

NO_PREDICTOR = (
    Twin(
        "ST202",
        "no such module",
        configured(predictor="predictor.serve:Predictor"),
        configured(predictor="predictor.predictor:Predictor"),
    ),
    Twin(
        "ST202", "no such package", configured(predictor="ink:Predictor"), configured(predictor="predictor:Predictor")
    ),
    Twin(
        "ST202",
        "the class renamed",
        {"predictor/__init__.py": "from predictor.predictor import InkPredictor\n", "predictor/predictor.py": RENAMED},
        {
            "predictor/__init__.py": "from predictor.predictor import InkPredictor as Predictor\n",
            "predictor/predictor.py": RENAMED,
        },
    ),
    Twin("ST202", "the class not handed on", {"predictor/__init__.py": "import predictor.predictor\n"}),
)

FAULTS: dict[str, tuple[str | bytes, str | bytes]] = {
    "a bracket": ("def crop(page:\n    return page\n", CROP),
    "Python 2": (CROP.replace("return", "print page; return"), CROP.replace("return", "print(page); return")),
    "an indentation": (CROP.replace("    ", ""), CROP),
    "tabs and spaces": ("def crop(page):\n        x = 1\n\treturn page\n", "def crop(page):\n\tx = 1\n\treturn page\n"),
    "marks of a merge": (f"<<<<<<< HEAD\n{CROP}=======\n>>>>>>> other\n", CROP),
    "no UTF-8": (b"NAME = 'Gr\xf6sse'\n" + CROP.encode(), b"# Gr\xf6sse\n" + CROP.encode()),
    "nested too deep": (CROP + "x = " + "-" * 90_000 + "1\n", CROP + "x = " + "-" * 9 + "1\n"),
}

NO_PYTHON = tuple(
    Twin(
        "ST203",
        name,
        {"predictor/transforms.py": HELPER, "predictor/ink.py": broken},
        {"predictor/transforms.py": HELPER, "predictor/ink.py": mended},
    )
    for name, (broken, mended) in FAULTS.items()
)

TWINS = (
    *LEFT_OUT,
    *NO_PREDICTOR,
    *NO_PYTHON,
)
