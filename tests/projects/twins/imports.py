"""Families 1 and 2: what is imported, what is there, and under which name."""

from __future__ import annotations

from tests.projects.base import BASE, NETWORK, TRANSFORMS, Files, Twin

HELPER = "from torchvision import transforms as t\nfrom predictor.ink import crop\n" + TRANSFORMS
EDGES = "def edges(image):\n    import cv2\n    return cv2.Canny(image, 1, 2)\n"

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


CROP = "def crop(page):\n    return page\n"


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
    Twin("ST202", "the src layout", moved("src/predictor", "predictor:Predictor")),
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
TAKEN = (
    *tuple(
        Twin(
            "ST204",
            name,
            moved(package, f"{package}:Predictor"),
            moved(f"{package}_predictor", f"{package}_predictor:Predictor"),
        )
        for name, package in {
            "of the standard library": "queue",
            "of what the runtime brings": "click",
            "of the runtime itself": "seatrial",
        }.items()
    ),
    Twin(
        "ST204",
        "a second package",
        {**configured('packages = ["predictor", "statistics"]'), "statistics/__init__.py": NETWORK},
        {**configured('packages = ["predictor", "figures"]'), "figures/__init__.py": NETWORK},
    ),
    Twin(
        "ST204",
        "a single module",
        {**configured('packages = ["predictor", "types"]'), "types.py": NETWORK},
        {**configured('packages = ["predictor", "kinds"]'), "kinds.py": NETWORK},
    ),
)
GOLDEN = "artifacts/golden/golden.json"
BAD_GOLDEN = tuple(
    Twin("ST404", name, {GOLDEN: broken}, {GOLDEN: mended, "artifacts/golden/a.png": b"x"})
    for name, (broken, mended) in {
        "no list": ('{"image": "a.png"}', '[{"image": "a.png", "label": "7"}]'),
        "no JSON": ("[{'image': 'a.png', 'label': '7'}]", '[{"image": "a.png", "label": "7"}]'),
        "a lost image": ('[{"image": "b.png", "label": "7"}]', '[{"image": "a.png", "label": "7"}]'),
        "an image outside": ('[{"image": "../weights.pt", "label": "7"}]', '[{"image": "a.png", "label": "7"}]'),
        "no answer": ('[{"image": "a.png"}]', '[{"image": "a.png", "response": 7}]'),
        "nothing to send": ('[{"label": "7"}]', '[{"image": "a.png", "label": "7"}]'),
        "scores as text": ('[{"image": "a.png", "scores": "0.5"}]', '[{"image": "a.png", "scores": [0.5]}]'),
    }.items()
)
TWINS = (
    *(
        Twin("ST110", name, {"predictor/transforms.py": f"{line}\n{TRANSFORMS}"})
        for name, line in {
            "imported under another name": "import cv2 as vision",
            "a name of it imported": "from cv2 import resize",
        }.items()
    ),
    Twin(
        "ST110",
        "imported where it is used",
        {"predictor/transforms.py": f"{EDGES}\n{TRANSFORMS}\nCHECKED = edges\n"},
        {"predictor/transforms.py": f"{EDGES}\n{TRANSFORMS}"},
        warns=True,
    ),
    Twin(
        "ST110",
        "a helper away",
        {"predictor/transforms.py": HELPER, "predictor/ink.py": "import cv2\n\ndef crop(page):\n    return page\n"},
        {"predictor/transforms.py": HELPER, "predictor/ink.py": "def crop(page):\n    return page\n"},
    ),
    *LEFT_OUT,
    *NO_PREDICTOR,
    *NO_PYTHON,
    *TAKEN,
    *BAD_GOLDEN,
)
